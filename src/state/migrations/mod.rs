//! The tables of the state, as numbered steps.
