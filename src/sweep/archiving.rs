//! `archive`: rows are copied before they go.
//!
//! **A batch** reads its due rows from a snapshot, writes them to a new file of the archive, syncs it and its folder, and
//! reads it back; its manifest is there too, but not valid yet. No transaction is open meanwhile. Then it passes the doorway: one
//! statement deletes the due rows of the range and returns them, and only if these are the rows of the copy, byte for
//! byte, the transaction goes on; else it is rolled back, and a new copy is made. The intent names the copy with its hash. After COMMIT
//! the manifest is renamed, which makes the copy valid, and only then the outcome enters the ledger.
//!
//! **So a crash** leaves the rows, or a copy that was verified. What became of a batch decides what becomes of its
//! copy, and [`settle`](super::settle) finds out the one and then calls for the other: applied, its manifest is published,
//! abandoned, its files are removed. Copies that no intent names were never more than tries: whoever claims the lane
//! later removes them ([`tidy`]).

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{Timestamp, tz::TimeZone};

use super::{
    batch::{Doorway, Passage, Taken},
    obstacle::{Obstacle, Reason},
    prepare::Target,
};
use crate::{
    archive::{self, Manifest, ManifestColumn, ManifestSubject, ObjectName, Store, line, store::Found},
    clock::SharedClock,
    config::Buckets,
    engine::{
        self,
        shape::{Shape, TableKind},
    },
    fault,
    ledger::{self, Event},
    policy::{ArchivePlace, Dialect, Mode, NoPlace, Rule, period::Period},
    sql::selection::{Cell, ColumnRef, Range, Way},
    state::{Claim, State},
};

impl From<archive::Error> for Obstacle {
    fn from(error: archive::Error) -> Self {
        Self::new(Reason::Archive, error.to_string())
    }
}

/// Where the copies of a rule go, and what they consist of.
#[derive(Debug, Clone)]
pub struct Copies {
    pub store: Store,
    pub keep_for: Period,
    timezone: TimeZone,
    category: String,
    /// Every column of the table.
    columns: Vec<ColumnRef>,
    described: Vec<ManifestColumn>,
}

/// What the rule asks for, as far as table and archive allow it.
///
/// # Errors
/// [`Reason::Unsupported`] if what is deleted can't be compared with a copy, [`Reason::Archive`] if none can be written.
pub async fn copies(rule: &Rule, shape: &Shape, target: &Target, ways: &[Way]) -> Result<Option<Copies>, Obstacle> {
    let Some(archive) = &rule.archive else { return Ok(None) };
    let refuse = |why: &str| {
        Err(Obstacle::new(Reason::Unsupported, format!("the rows of {} can't be archived: {why}", rule.table)).at(rule, "archive"))
    };
    if !target.engine.returns_deleted() {
        return refuse("this server can't say which rows a statement deleted; MariaDB can");
    }
    if shape.kind == TableKind::Parent {
        return refuse("tables inherit from it, whose rows may have columns that it lacks; say a rule for each of them");
    }
    if !ways.is_empty() && ways.iter().all(|way| *way == Way::Unordered) {
        return refuse(
            "they have no order in which the same ones could be found twice; say `key = [\"…\"]`, or give the table a primary key",
        );
    }
    let at_archive = |error| Obstacle::from(error).at(rule, "archive");
    let store = Store::at(&archive.to, &target.buckets).map_err(at_archive)?;
    if rule.mode == Mode::Enforce {
        let store = store.clone();
        in_background(move || store.examine()).await.map_err(at_archive)?;
    }
    let described = shape.columns.iter().map(|column| ManifestColumn {
        name: column.name.clone(),
        declared: column.declared.clone(),
        class: format!("{:?}", column.class).to_lowercase(),
        generated: column.generated && !column.numbered,
    });
    Ok(Some(Copies {
        store,
        keep_for: archive.keep_for,
        timezone: rule.timezone.clone(),
        category: rule.category.clone(),
        columns: shape.columns.iter().map(engine::shape::Column::to_ref).collect(),
        described: described.collect(),
    }))
}

/// Makes the copies of one sweep.
pub struct Archiver {
    copies: Copies,
    clock: SharedClock,
    state: String,
    made: AtomicU64,
}

/// A verified copy of rows that are there still.
pub struct Copy {
    name: ObjectName,
    /// Sorted: rows come in any order.
    lines: Vec<String>,
    pub archived: ledger::Archived,
}

/// Why there is no copy.
pub enum NoCopy {
    Source(engine::Error),
    Archive(archive::Error),
}

impl From<archive::Error> for NoCopy {
    fn from(error: archive::Error) -> Self {
        Self::Archive(error)
    }
}

impl Archiver {
    pub fn new(copies: Copies, clock: SharedClock, state: &State) -> Self {
        Self { copies, clock, state: state.id().to_owned(), made: AtomicU64::new(0) }
    }

    /// The columns that rows are read with.
    pub fn columns(&self) -> &[ColumnRef] {
        &self.copies.columns
    }

    /// Copies the due rows of a range as they are now; `None`: there are none.
    ///
    /// # Errors
    /// [`NoCopy`]; nothing is left of the try.
    pub async fn copy(&self, door: &Doorway, fence: u64, range: &Range) -> Result<Option<Copy>, NoCopy> {
        let rows = door.engine.due_rows(&door.selection, range, &self.copies.columns).await.map_err(NoCopy::Source)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let name = ObjectName::new(&door.intent.rule, &self.state, fence, &format!("{number:06}"));
        let mut lines = self.lines(&rows);
        let manifest = self.manifest(door, &name, range);
        let (store, place) = (self.copies.store.clone(), self.copies.store.place().to_string());
        let (lines, written) = in_background(move || {
            let write = || {
                let written = store.write_rows(&name, &lines)?;
                let (rows, archive::store::Written { bytes, sha256, lines_sha256 }) = (lines.len() as u64, written);
                let manifest = Manifest { rows, bytes, sha256: sha256.clone(), lines_sha256, ..manifest };
                store.write_manifest(&name, &manifest)?;
                Ok(ledger::Archived { to: place, object: name.to_string(), sha256 })
            };
            let written: Result<ledger::Archived, archive::Error> = write();
            if written.is_err() {
                discarded(&store, &name);
            }
            lines.sort_unstable();
            (lines, written.map(|archived| (name, archived)))
        })
        .await;
        let (name, archived) = written?;
        fault::point("archive.written");
        Ok(Some(Copy { name, lines, archived }))
    }

    /// Whether these rows are those of the copy, byte for byte.
    pub fn is_copy_of(&self, copy: &Copy, rows: &[Vec<Cell>]) -> bool {
        let mut lines = self.lines(rows);
        lines.sort_unstable();
        lines == copy.lines || fault::seeded("archive-not-compared")
    }

    /// Makes a copy valid: its rows have gone.
    ///
    /// # Errors
    /// The archive's. The rows have gone all the same, and the copy is there: settlement tries again.
    pub async fn publish(&self, copy: &Copy) -> Result<(), Obstacle> {
        let (store, name) = (self.copies.store.clone(), copy.name.clone());
        made_valid(store, name).await?;
        fault::point("archive.published");
        Ok(())
    }

    /// Does away with a copy whose rows are still there. One whose batch is not settled stays.
    pub async fn clear(&self, copy: Copy, claim: &Claim, passage: &Result<Passage, Obstacle>) {
        let has_gone = matches!(passage, Ok(Passage::Done { taken: Taken { rows: 1.., .. } }));
        let is_open = claim.open.as_ref().and_then(|open| open.batch.archive.as_ref()).is_some_and(|archived| *archived == copy.archived);
        if !has_gone && !is_open {
            let store = self.copies.store.clone();
            in_background(move || discarded(&store, &copy.name)).await;
        }
    }

    fn lines(&self, rows: &[Vec<Cell>]) -> Vec<String> {
        let writer = line::Writer::new(self.copies.columns.iter().map(|column| column.name.as_str()));
        rows.iter().map(|row| writer.line(row)).collect()
    }

    /// All but the rows' number and hashes.
    fn manifest(&self, door: &Doorway, name: &ObjectName, range: &Range) -> Manifest {
        let (selection, intent) = (&door.selection, &door.intent);
        let archived_at = self.clock.now();
        let elsewhere = selection.held.elsewhere.iter().flat_map(|elsewhere| &elsewhere.scopes);
        Manifest {
            version: archive::manifest::VERSION,
            object: name.to_string(),
            state: self.state.clone(),
            rule: intent.rule.clone(),
            category: self.copies.category.clone(),
            source: intent.source.clone(),
            dialect: dialect_name(selection.workspace.dialect).to_owned(),
            schema: selection.table.schema.clone(),
            table: selection.table.table.clone(),
            cutoff: intent.cutoff,
            range: range_in_words(range),
            archived_at,
            keep_for: self.copies.keep_for.to_string(),
            ends_at: self.copies.ends_at(archived_at),
            rows: 0,
            bytes: 0,
            sha256: String::new(),
            lines_sha256: String::new(),
            columns: self.copies.described.clone(),
            subjects: selection
                .held
                .subjects
                .iter()
                .map(|test| ManifestSubject {
                    kind: test.kind.clone(),
                    column: test.column.name.clone(),
                    looked_up: !test.through.is_empty(),
                    null_is_held: test.null_is_held,
                })
                .collect(),
            scopes: selection.held.scopes.iter().chain(elsewhere).cloned().collect(),
        }
    }
}

impl Copies {
    /// When a copy of that moment ends.
    pub fn ends_at(&self, archived_at: Timestamp) -> Timestamp {
        self.keep_for.end(archived_at, &self.timezone)
    }
}

/// The word for a dialect in manifests.
pub fn dialect_name(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "sqlite",
        Dialect::Postgres => "postgres",
        Dialect::Mysql => "mysql",
    }
}

/// Where on its way a range lies, as far as that says nothing of a row.
fn range_in_words(range: &Range) -> String {
    let position = |cells: &Option<Vec<Cell>>| match cells.as_deref() {
        Some([Cell::Integer(position), ..]) => position.to_string(),
        _ => String::new(),
    };
    let (after, through) = (position(&range.after), position(&range.through));
    match &range.way {
        Way::Blocks => format!("blocks {after}..{through}"),
        Way::Rowid(name) => format!("{name} {after}..{through}"),
        Way::Columns { columns, .. } => {
            let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            format!("in the order of {}", names.join(", "))
        }
        Way::Unordered => "in no order".to_owned(),
        Way::Picked(_) => "rows by their keys".to_owned(),
    }
}

/// The store and the name that a batch's entry says.
///
/// # Errors
/// [`Reason::Archive`] for an entry that names nothing that this version can reach.
pub fn place_of(archived: &ledger::Archived, buckets: &Buckets) -> Result<(Store, ObjectName), Obstacle> {
    let unreachable = |why: String| {
        let message = format!("the ledger names a copy that can't be reached: {} at {}: {why}", archived.object, archived.to);
        Obstacle::new(Reason::Archive, message)
    };
    let place: ArchivePlace = archived.to.parse().map_err(|error: NoPlace| unreachable(error.to_string()))?;
    let name = ObjectName::from_full(&archived.object).ok_or_else(|| unreachable("it is no name of a copy".to_owned()))?;
    Ok((Store::at(&place, buckets).map_err(|error| unreachable(error.to_string()))?, name))
}

/// Makes the copy of a batch valid that is known to have committed.
///
/// # Errors
/// [`Reason::Archive`].
pub async fn publish(archived: &ledger::Archived, buckets: &Buckets) -> Result<(), Obstacle> {
    let (store, name) = place_of(archived, buckets)?;
    made_valid(store, name).await
}

async fn made_valid(store: Store, name: ObjectName) -> Result<(), Obstacle> {
    let object = name.to_string();
    in_background(move || store.publish(&name)).await.map_err(|error| {
        Obstacle::new(Reason::Archive, format!("rows were deleted whose copy could not be made valid ({object}): {error}"))
    })
}

/// Does away with the copy of a batch that is known never to have committed. What can't be removed is left to [`tidy`].
pub async fn discard(archived: &ledger::Archived, buckets: &Buckets) {
    if let Ok((store, name)) = place_of(archived, buckets) {
        in_background(move || discarded(&store, &name)).await;
    }
}

/// Does away with what claims before this one have left of tries. The lane has no open intent.
///
/// A copy stays, and is valid, if nobody can tell any more whether its rows went: rather twice than never.
///
/// # Errors
/// [`Reason::Archive`].
pub async fn tidy(copies: &Copies, claim: &Claim, rule: &str, state: &State) -> Result<(), Obstacle> {
    let is_unsettled = |found: &Found| matches!(found, Found::Unsettled(_));
    let (store, id) = (copies.store.clone(), rule.to_owned());
    let adopted = if in_background(move || store.of_rule(&id)).await?.iter().any(is_unsettled) {
        adopted(state, &claim.source).await?
    } else {
        Vec::new()
    };
    let (store, rule, state_id, fence) = (copies.store.clone(), rule.to_owned(), state.id().to_owned(), claim.fence);
    let tidied = in_background(move || {
        for found in store.of_rule(&rule)? {
            match found {
                Found::Unsettled(name) if name.is_before(&state_id, fence) && adopted.iter().any(|object| object == name.as_str()) => {
                    store.publish(&name)?;
                    tracing::warn!(copy = %name, "nobody can tell any more whether the rows of a copy went, and it stays");
                }
                Found::Unsettled(name) if name.is_before(&state_id, fence) => {
                    store.discard(&name)?;
                    tracing::info!(copy = %name, "removed a copy whose rows were never deleted");
                }
                // It is decided anew.
                Found::Ending(name) if name.is_before(&state_id, fence) => store.show(&name)?,
                Found::Unsettled(_) | Found::Ending(_) | Found::Rest(_) | Found::Valid(_) => {}
            }
        }
        Ok::<(), archive::Error>(())
    });
    Ok(tidied.await?)
}

/// The copies of batches of which nobody learnt whether they committed, because their source was adopted meanwhile.
async fn adopted(state: &State, source: &str) -> Result<Vec<String>, Obstacle> {
    const PAGE: u32 = 1_000;
    let (mut objects, mut after) = (Vec::new(), 0);
    loop {
        let page = state.entries_of(source, "batch_abandoned", after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(objects) };
        after = last.seq;
        objects.extend(page.into_iter().filter_map(|entry| match entry.event {
            Event::BatchAbandoned { batch, reason } if reason == ledger::ADOPTED_MEANWHILE => Some(batch.archive?.object),
            _ => None,
        }));
    }
}

fn discarded(store: &Store, name: &ObjectName) {
    if let Err(error) = store.discard(name) {
        tracing::warn!(%error, copy = %name, "a copy of rows that are still there could not be removed; the next sweep tries again");
    }
}

/// Files are waited for on a thread of their own.
pub(super) async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // It is never cancelled, so it panicked.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
