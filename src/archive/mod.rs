//! Archives: the copies of rows that were deleted, as files.
//!
//! `line` is a row as a line of JSON, `manifest` says what a copy is, and `store` is the folder where copies are: it
//! writes them, syncs them, reads them back, and makes them valid or does away with them. What a copy is called, and
//! which files it consists of, is here.
//!
//! A copy has three files at most, all named like it:
//!
//! | file | what it says |
//! |---|---|
//! | `NAME.jsonl.zst` | the rows: JSON Lines, compressed by zstd |
//! | `NAME.pending` | the manifest, before it is known whether the rows went |
//! | `NAME.json` | the manifest: the rows are gone, and this is where they are |
//! | `NAME.ending` | the manifest of a copy that is being done away with |
//!
//! The state of a copy is the name of its manifest, and to rename is all that ever happens to it: that needs no room, and
//! happens as a whole or not at all. Another kind of store is a file beside `store`.

pub mod line;
pub mod manifest;
pub mod store;

use std::path::PathBuf;

pub use self::{
    manifest::{Manifest, ManifestColumn, ManifestSubject},
    store::Store,
};

/// What can go wrong with an archive. No value of a row is in it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the archive {place} can't be used: {message}; the sweep goes on when it can, and until then no row goes")]
    Unusable { place: String, message: String },
    #[error("the archive can't {what} {}: {error}", path.display())]
    Io { what: &'static str, path: PathBuf, error: std::io::Error },
    #[error(
        "the archive has no room left for {}; nothing was lost: no row went whose copy is not there; make room, and the next sweep goes on",
        path.display()
    )]
    Full { path: PathBuf },
    #[error("{} isn't what was written there: {why}", path.display())]
    Different { path: PathBuf, why: String },
    #[error("{} is missing", path.display())]
    Missing { path: PathBuf },
    #[error("a value of `{column}` is not text in UTF-8, and can't be written as such")]
    Unwritable { column: String },
}

impl Error {
    fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |error| match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full { path },
            std::io::ErrorKind::NotFound => Self::Missing { path },
            _ => Self::Io { what, path, error },
        }
    }
}

/// What a copy is called, whole: `POLICY/RULE/STATE-FENCE-RANDOM`.
///
/// Whose claim on the rule's lane made it is part of the name: who claims the lane later may do away with what earlier
/// claims have left, and with nothing else.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName(String);

/// Characters of a state's identity that names begin with.
const STATE: usize = 8;

impl ObjectName {
    /// A new copy of a rule's rows, made under this claim.
    pub fn new(rule: &str, state: &str, fence: u64, random: &str) -> Self {
        Self(format!("{rule}/{}-{fence:016x}-{random}", short(state)))
    }

    /// A name that is whole already; `None`: it could lead out of the archive, or is none.
    pub fn from_full(full: &str) -> Option<Self> {
        let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let parts: Vec<&str> = full.split('/').collect();
        (parts.len() == 3 && parts.into_iter().all(is_part)).then(|| Self(full.to_owned()))
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True if a claim of this state made it that was before the one with `fence`.
    pub fn is_before(&self, state: &str, fence: u64) -> bool {
        let name = self.0.rsplit('/').next().unwrap_or_default();
        let mut parts = name.split('-');
        let is_own = parts.next() == Some(short(state));
        let made_under = parts.next().and_then(|text| u64::from_str_radix(text, 16).ok());
        is_own && made_under.is_some_and(|made_under| made_under < fence)
    }
}

impl std::fmt::Display for ObjectName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

fn short(state: &str) -> &str {
    state.get(..STATE).unwrap_or(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_whose_claim_made_it() {
        let name = ObjectName::new("p/r", "0123456789abcdef", 258, "beef");
        assert_eq!(name.as_str(), "p/r/01234567-0000000000000102-beef");
        assert!(name.is_before("0123456789abcdef", 259) && !name.is_before("0123456789abcdef", 258));
        assert!(!name.is_before("1123456789abcdef", 259), "another state's");
        assert_eq!(ObjectName::from_full(name.as_str()), Some(name));
        for bad in ["p/r", "p/../x", "p/r/x/y", "/r/x", "p/r/x.json"] {
            assert_eq!(ObjectName::from_full(bad), None, "{bad}");
        }
    }
}
