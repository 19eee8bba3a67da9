//! Archives as a person sees them: which copies there are, whether they are what was written, and their rows back.
//!
//! Copies are looked for wherever a rule puts them now and wherever the ledger says that one was put. `verify` reads them
//! again, `restore` writes rows back.

mod restore;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

pub use self::{
    restore::{RestoreReport, RestoreRequest, restore},
    verify::{ArchiveVerification, CopyProblem, verify},
};
use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::{
    archive::{Manifest, ObjectName, Store, store::Found},
    hold::{HoldScope, Scope},
    ledger::{ADOPTED_MEANWHILE, Archived, Event},
    policy::ArchivePlace,
    state::State,
    sweep::{coverage::Belonging, prepare::categories},
};

impl From<crate::archive::Error> for Error {
    fn from(error: crate::archive::Error) -> Self {
        Self::LeftUndone(error.to_string())
    }
}

/// The copies that there are.
#[derive(Debug, Clone, Serialize)]
pub struct ArchivesReport {
    pub version: u32,
    pub copies: Vec<CopyReport>,
}

/// A copy.
#[derive(Debug, Clone, Serialize)]
pub struct CopyReport {
    pub object: String,
    /// The archive's address.
    pub archive: String,
    /// `valid`; `unsettled`: it is not known yet whether its rows went; `ending`: it is being removed; `unreadable`.
    pub status: &'static str,
    #[serde(flatten)]
    pub about: Option<About>,
}

/// What its manifest says, in short.
#[derive(Debug, Clone, Serialize)]
pub struct About {
    pub rule: String,
    pub source: String,
    pub table: String,
    pub rows: u64,
    pub bytes: u64,
    pub archived_at: Timestamp,
    pub keep_for: String,
    pub ends_at: Timestamp,
    /// Its end has come: the next sweep of its rule removes it, unless a hold covers it.
    pub ended: bool,
}

/// Lists copies: those of some rules, or all.
///
/// # Errors
/// The state's, or the archive's.
pub async fn list(world: &World, rules: &[String]) -> Result<ArchivesReport, Error> {
    let known = Known::of(world).await?;
    let now = world.now();
    let mut copies = Vec::new();
    for (store, found) in copies_in(world, &known.places, rules)? {
        let (name, status) = match &found {
            Found::Valid(name) => (name, "valid"),
            Found::Unsettled(name) => (name, "unsettled"),
            Found::Ending(name) | Found::Rest(name) => (name, "ending"),
        };
        let manifest = if status == "valid" { store.manifest(name).ok() } else { None };
        let status = if status == "valid" && manifest.is_none() { "unreadable" } else { status };
        let about = manifest.map(|manifest| about(manifest, now));
        copies.push(CopyReport { object: name.to_string(), archive: store.place().to_string(), status, about });
    }
    Ok(ArchivesReport { version: VERSION, copies })
}

fn about(manifest: Manifest, now: Timestamp) -> About {
    let Manifest { rule, source, table, rows, bytes, archived_at, keep_for, ends_at, .. } = manifest;
    About { rule, source, table, rows, bytes, archived_at, keep_for, ends_at, ended: ends_at <= now }
}

/// What rules and ledger know of archives.
struct Known {
    /// Where copies may be.
    places: BTreeSet<ArchivePlace>,
    /// Copies that must be there, by name, each with its rows.
    expected: BTreeMap<String, (Archived, u64)>,
    /// Copies of which nobody can tell whether their rows went; they stay.
    unknown: BTreeMap<String, (Archived, u64)>,
    /// Whose ledger it is.
    state: Option<String>,
}

impl Known {
    async fn of(world: &World) -> Result<Self, Error> {
        let places = world.rules.iter().filter_map(|rule| rule.archive.as_ref()).map(|archive| archive.to.clone()).collect();
        let mut known = Self { places, expected: BTreeMap::new(), unknown: BTreeMap::new(), state: None };
        if let Some(state) = world.existing_state().await? {
            let read = known.read(&state).await;
            state.close().await;
            read?;
        }
        Ok(known)
    }

    async fn read(&mut self, state: &State) -> Result<(), Error> {
        const PAGE: u32 = 1_000;
        self.state = Some(state.id().to_owned());
        let mut after = 0;
        loop {
            let page = state.entries(after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            for entry in page {
                match entry.event {
                    Event::BatchApplied(batch) if batch.action == "delete" => {
                        if let Some(archived) = batch.archive {
                            self.places.extend(archived.to.parse::<ArchivePlace>().ok());
                            self.expected.insert(archived.object.clone(), (archived, batch.rows));
                        }
                    }
                    Event::BatchAbandoned { batch, reason } if reason == ADOPTED_MEANWHILE && batch.action == "delete" => {
                        self.unknown.extend(batch.archive.map(|archived| (archived.object.clone(), (archived, batch.rows))));
                    }
                    Event::ArchiveEnded { archive, .. } => drop(self.expected.remove(&archive.object)),
                    _ => {}
                }
            }
        }
    }
}

/// The copies at some places, of some rules or all.
fn copies_in(world: &World, places: &BTreeSet<ArchivePlace>, rules: &[String]) -> Result<Vec<(Store, Found)>, Error> {
    let mut copies = Vec::new();
    for place in places {
        copies.extend(copies_at(world, place, rules)?);
    }
    Ok(copies)
}

fn copies_at(world: &World, place: &ArchivePlace, rules: &[String]) -> Result<Vec<(Store, Found)>, crate::archive::Error> {
    let (store, mut copies) = (Store::at(place, &world.config.buckets)?, Vec::new());
    for rule in store.rules()?.into_iter().filter(|rule| rules.is_empty() || rules.contains(rule)) {
        copies.extend(store.of_rule(&rule)?.into_iter().map(|found| (store.clone(), found)));
    }
    Ok(copies)
}

/// A valid copy of that name, wherever it is.
fn find(world: &World, known: &Known, object: &str) -> Result<(Store, ObjectName, Manifest), Error> {
    let name = ObjectName::from_full(object);
    let name = name.ok_or_else(|| Error::Asked(format!("`{object}` is no name of a copy; `retentiond archive list` has them")))?;
    for place in &known.places {
        let store = Store::at(place, &world.config.buckets)?;
        match store.manifest(&name) {
            Ok(manifest) => return Ok((store, name, manifest)),
            Err(crate::archive::Error::Missing { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Error::Asked(format!("there is no copy `{object}`; `retentiond archive list` names those that there are")))
}

/// Rows of one table that a hold covers in archives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoveredCopies {
    pub source: String,
    pub table: String,
    pub rows: u64,
}

/// Counts the rows in archives that a hold covers: the copies themselves are read. What can't be read is told.
///
/// # Errors
/// The state's.
pub async fn covered(
    world: &World,
    held: &[crate::hold::Held],
    scope: &HoldScope,
    problems: &mut Vec<String>,
) -> Result<Vec<CoveredCopies>, Error> {
    let known = Known::of(world).await?;
    let mut covered: BTreeMap<(String, String), u64> = BTreeMap::new();
    let mut copies = Vec::new();
    for place in &known.places {
        match copies_at(world, place, &[]) {
            Ok(found) => copies.extend(found),
            Err(error) => problems.push(format!("the rows covered in {place} could not be counted: {error}")),
        }
    }
    for (store, found) in copies {
        // What is being removed was let go before the hold was placed.
        let Found::Valid(name) = found else { continue };
        let rows = store.manifest(&name).and_then(|manifest| {
            let reaches = scope.reaches(&manifest.source, &categories(&world.rules, &manifest.source));
            if !reaches.iter().map(Scope::key).any(|key| manifest.scopes.contains(&key)) {
                return Ok((manifest, 0));
            }
            let rows = Belonging::read(&store, &name, &manifest)?.covered(held, &[]);
            Ok((manifest, rows))
        });
        match rows {
            Ok((manifest, rows)) if rows > 0 => *covered.entry((manifest.source, manifest.table)).or_default() += rows,
            Ok(_) => {}
            Err(error) => problems.push(format!("the rows covered in {name} could not be counted: {error}")),
        }
    }
    Ok(covered.into_iter().map(|((source, table), rows)| CoveredCopies { source, table, rows }).collect())
}
