//! `archive verify`: every copy read again, against its manifest and the ledger.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Known, copies_in};
use crate::{
    archive::{self, Manifest, ObjectName, Store, line, store::Found},
    clock::hex,
    operate::{
        report::VERSION,
        world::{Error, World},
    },
};

/// What a verification found.
#[derive(Debug, Clone, Serialize)]
pub struct ArchiveVerification {
    pub version: u32,
    pub sound: bool,
    /// Copies that were read.
    pub copies: u64,
    pub rows: u64,
    /// Copies of which it is not known yet whether their rows went: the next sweep settles them.
    pub unsettled: u64,
    /// Copies of another state, which this ledger says nothing of.
    pub not_in_this_ledger: u64,
    pub problems: Vec<CopyProblem>,
}

/// A copy that isn't what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CopyProblem {
    pub object: String,
    pub what: String,
}

/// Verifies the copies of some rules, or all.
///
/// # Errors
/// The state's, or an archive's that can't be looked at.
pub async fn verify(world: &World, rules: &[String]) -> Result<ArchiveVerification, Error> {
    let known = Known::of(world).await?;
    let mut report = ArchiveVerification {
        version: VERSION,
        sound: true,
        copies: 0,
        rows: 0,
        unsettled: 0,
        not_in_this_ledger: 0,
        problems: Vec::new(),
    };
    let mut expected = known.expected.clone();
    expected.retain(|_, (archived, _)| rules.is_empty() || rules.iter().any(|rule| archived.object.starts_with(&format!("{rule}/"))));
    for (store, found) in copies_in(world, &known.places, rules)? {
        let name = match found {
            Found::Valid(name) => name,
            Found::Unsettled(name) | Found::Ending(name) | Found::Rest(name) => {
                report.unsettled += 1;
                expected.remove(name.as_str());
                continue;
            }
        };
        report.copies += 1;
        let of_ledger = expected.remove(name.as_str()).or_else(|| known.unknown.get(name.as_str()).cloned());
        match manifest_and_rows(&store, &name) {
            Ok(manifest) => {
                report.rows += manifest.rows;
                match of_ledger {
                    Some((archived, rows)) if archived.sha256 != manifest.sha256 || rows != manifest.rows => {
                        report.problem(&name, "it isn't the copy that the ledger has: its hash or its number of rows is another");
                    }
                    Some(_) => {}
                    None if known.state.as_deref() == Some(&manifest.state) => {
                        report.problem(&name, "the ledger has no batch that made it")
                    }
                    None => report.not_in_this_ledger += 1,
                }
            }
            Err(error) => report.problem(&name, error.to_string()),
        }
    }
    for object in expected.into_keys() {
        report.problems.push(CopyProblem { object, what: "it is missing: the ledger has a batch whose rows are there".to_owned() });
    }
    report.sound = report.problems.is_empty();
    Ok(report)
}

impl ArchiveVerification {
    fn problem(&mut self, name: &ObjectName, what: impl Into<String>) {
        self.problems.push(CopyProblem { object: name.to_string(), what: what.into() });
    }
}

/// The manifest of a copy whose rows are what it says.
pub(super) fn manifest_and_rows(store: &Store, name: &ObjectName) -> Result<Manifest, archive::Error> {
    let manifest = store.manifest(name)?;
    let different = |why: &str| archive::Error::Different { path: name.as_str().into(), why: why.to_owned() };
    if store.fingerprint(name)? != (manifest.bytes, manifest.sha256.clone()) {
        return Err(different("its rows don't have the size and the hash of its manifest"));
    }
    let (columns, mut rows, mut hash) = (manifest.names(), 0, Sha256::new());
    store.each_line(name, |text| {
        rows += 1;
        hash.update(text.as_bytes());
        hash.update(b"\n");
        line::read(&text, &columns).map(drop).ok_or_else(|| different("a line is no row of its table"))
    })?;
    if rows != manifest.rows || hex(&hash.finalize()) != manifest.lines_sha256 {
        return Err(different("its lines aren't those of its manifest"));
    }
    Ok(manifest)
}
