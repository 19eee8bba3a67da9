//! `evidence`: how much of what a rule did the ledger can tell later. A further level is a variant here, and an arm in
//! `sweep::evidence`.

/// What the ledger keeps of the rows that a batch acts on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Evidence {
    /// How many they were.
    #[default]
    Batch,
    /// Besides, a keyed digest of each subject among them.
    Subject,
    /// Besides, a keyed digest of the key of each row.
    Row,
}

/// The name of the secret that digests are made with: `[keys.evidence]`.
pub const KEY: &str = "evidence";

impl Evidence {
    /// Each with its word in TOML and JSON, the least first.
    pub const ALL: [(&'static str, Self); 3] = [("batch", Self::Batch), ("subject", Self::Subject), ("row", Self::Row)];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Subject => "subject",
            Self::Row => "row",
        }
    }

    /// The level of a word.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(known, _)| *known == word).map(|(_, level)| level)
    }
}
