//! Verification: whether entries form the chain that retentiond wrote. Memory grows with lanes, not with entries.
