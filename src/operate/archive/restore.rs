//! `archive restore`: the rows of a copy back into their table, or into a file.
//!
//! Rows go back through the same doorway as they went, so that ledger and source can't come apart: the
//! person's wish is entered first, then the intent of a batch whose action is `restore`, then its outcome. No row is written
//! over: one whose key is taken fails the whole batch.

use std::{
    fs::OpenOptions,
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::Serialize;

use super::{Known, find, verify::manifest_and_rows};
use crate::{
    archive::{Manifest, ObjectName, Store, line},
    engine::shape::Shape,
    ledger::{self, Event, RESTORE},
    operate::{
        report::VERSION,
        world::{Error, World},
    },
    policy::TableName,
    sql::selection::{Act, Cell, ColumnRef, Selection},
    state::{Owner, State},
    sweep::{
        LEASE,
        archiving::dialect_name,
        batch::{self, Back, Doorway, Hand, Passage, Piece},
        gate, identity,
        obstacle::{Obstacle, Reason},
        prepare::{Target, categories},
        settle, time,
    },
};

/// What was asked.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
    /// The copy's name.
    pub object: String,
    /// Into this file, and not into the table.
    pub to: Option<PathBuf>,
    /// The rows are put back, and the transaction is rolled back.
    pub dry_run: bool,
    pub by: String,
    pub reason: String,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct RestoreReport {
    pub version: u32,
    pub object: String,
    pub source: String,
    pub table: String,
    pub rows: u64,
    /// The file; absent: the table.
    pub to: Option<PathBuf>,
    pub dry_run: bool,
    /// The rule that took the rows is in force, and takes them again.
    pub goes_again: bool,
}

/// Restores a copy.
///
/// # Errors
/// [`Error::Asked`] if there is no such copy, or the table is another by now; [`Error::LeftUndone`] if the copy isn't what
/// was written, or the source says no.
pub async fn restore(world: &World, request: &RestoreRequest) -> Result<RestoreReport, Error> {
    let known = Known::of(world).await?;
    let (store, name, _) = find(world, &known, &request.object)?;
    let manifest = manifest_and_rows(&store, &name)?;
    if known.expected.get(name.as_str()).is_some_and(|(archived, _)| archived.sha256 != manifest.sha256) {
        return Err(Error::LeftUndone(format!("{name} isn't the copy that the ledger has, and nothing of it is restored")));
    }
    let state = world.state().await?;
    let rows = match &request.to {
        Some(file) => into_file(&state, &store, &name, &manifest, request, file).await,
        None => into_table(world, &state, &store, &name, &manifest, request).await,
    };
    state.close().await;
    Ok(RestoreReport {
        version: VERSION,
        object: name.to_string(),
        source: manifest.source.clone(),
        table: manifest.table.clone(),
        rows: rows?,
        to: request.to.clone(),
        dry_run: request.dry_run,
        goes_again: world.rules.iter().any(|rule| rule.id.as_str() == manifest.rule),
    })
}

async fn enter(state: &State, store: &Store, manifest: &Manifest, request: &RestoreRequest, into: &str) -> Result<(), Error> {
    let archive = crate::sweep::expiry::archived(store, manifest);
    state
        .append(|texts| Event::ArchiveRestored {
            rule: manifest.rule.clone(),
            source: manifest.source.clone(),
            table: manifest.table.clone(),
            rows: manifest.rows,
            archive,
            into: into.to_owned(),
            by: texts.commit("by", &request.by),
            reason: texts.commit("reason", &request.reason),
        })
        .await?;
    Ok(())
}

/// Plain JSON Lines, in a new file that its owner alone can read.
async fn into_file(
    state: &State,
    store: &Store,
    name: &ObjectName,
    manifest: &Manifest,
    request: &RestoreRequest,
    file: &Path,
) -> Result<u64, Error> {
    if request.dry_run {
        return Ok(manifest.rows);
    }
    let out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    let out = out.map_err(|error| Error::Asked(format!("{}: {error}; nothing is written over", file.display())))?;
    enter(state, store, manifest, request, "file").await?;
    let mut out = std::io::BufWriter::new(out);
    let mut failed = Ok(());
    store.each_line(name, |text| {
        if failed.is_ok() {
            failed = writeln!(out, "{text}");
        }
        Ok(())
    })?;
    failed?;
    out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
    Ok(manifest.rows)
}

async fn into_table(
    world: &World,
    state: &State,
    store: &Store,
    name: &ObjectName,
    manifest: &Manifest,
    request: &RestoreRequest,
) -> Result<u64, Error> {
    let target = world.connect(&manifest.source).await?;
    let put = async {
        if dialect_name(target.engine.dialect()) != manifest.dialect {
            return Err(Error::Asked(format!("source `{}` is of another kind than when the rows were archived", manifest.source)));
        }
        let table = TableName { schema: Some(manifest.schema.clone()), table: manifest.table.clone() };
        let shape = target.engine.inspect(&table).await?;
        let shape = shape.ok_or_else(|| Error::Asked(format!("source `{}` has no table {table} any more", manifest.source)))?;
        let back = rows_back(store, name, manifest, &shape)?;
        put_back(world, state, &target, store, manifest, request, back).await
    };
    let put = put.await;
    target.engine.close().await;
    put
}

/// The rows with the columns that they are written to.
fn rows_back(store: &Store, name: &ObjectName, manifest: &Manifest, shape: &Shape) -> Result<Back, Error> {
    let mut columns: Vec<(usize, ColumnRef)> = Vec::new();
    for (place, of) in manifest.columns.iter().enumerate().filter(|(_, of)| !of.generated) {
        match shape.column(&of.name) {
            Some(column) if column.generated && !column.numbered => {}
            Some(column) if column.declared == of.declared => columns.push((place, column.to_ref())),
            Some(column) => {
                let (name, was, is) = (&of.name, &of.declared, &column.declared);
                return Err(Error::Asked(format!(
                    "the column `{name}` was {was} and is {is}: restore into a file with --to, and write it from there"
                )));
            }
            None => {
                let message = format!("{} has no column `{}` any more: restore into a file with --to", manifest.table, of.name);
                return Err(Error::Asked(message));
            }
        }
    }
    let (names, mut rows) = (manifest.names(), Vec::new());
    store.each_line(name, |text| {
        let row = line::read(&text, &names).unwrap_or_default();
        rows.push(columns.iter().map(|(place, _)| row.get(*place).cloned().unwrap_or(Cell::Null)).collect());
        Ok(())
    })?;
    Ok(Back { table: shape.table.clone(), columns: columns.into_iter().map(|(_, column)| column).collect(), rows })
}

async fn put_back(
    world: &World,
    state: &State,
    target: &Target,
    store: &Store,
    manifest: &Manifest,
    request: &RestoreRequest,
    back: Back,
) -> Result<u64, Error> {
    let (source, owner) = (&target.config.name, Owner::current(&*world.randomness));
    identity::check(state, target).await?;
    settle::settle_source(state, target, &owner).await?;
    time::check(&*world.clock, target).await?;
    if !request.dry_run {
        enter(state, store, manifest, request, "table").await?;
    }
    // A lane of its own: a sweep of the rule may be under way.
    let mut claim = state.claim(&format!("{} restore", manifest.rule), source, &owner, LEASE).await?;
    let numbers = async {
        settle::settle(state, &*target.engine, &target.buckets, &mut claim).await?;
        gate::synchronise(state, &*target.engine, source, &categories(&world.rules, source), gate::PATIENCE).await
    };
    let numbers = match numbers.await {
        Ok(numbers) => numbers,
        Err(obstacle) => {
            state.release(claim).await?;
            return Err(obstacle.into());
        }
    };
    let rows = back.rows.len() as u64;
    let door = doorway(state, target, store, manifest, &back, world.new_id("restore-"), request.dry_run);
    let (mut hand, passage) = batch::pass(door, Hand { claim, unrecorded: None, numbers, workers: 1 }, Piece::Back(Arc::new(back))).await?;
    let unknown = hand.unrecorded.is_none() && hand.claim.open.is_some();
    if !unknown {
        state.finish(&mut hand.claim, hand.unrecorded).await?;
    }
    state.release(hand.claim).await?;
    match passage {
        Ok(Passage::Done { .. }) => Ok(rows),
        Ok(Passage::Smaller { why, .. } | Passage::Kept { why, .. }) => Err(Error::LeftUndone(format!("nothing was restored: {why}"))),
        Ok(Passage::Again { .. } | Passage::Guarded(_) | Passage::OptOutsRefused(_)) => {
            Err(Error::LeftUndone("nothing was restored, because a hold was placed meanwhile; try again".to_owned()))
        }
        Err(Obstacle { reason: Reason::Database, message, .. }) => Err(Error::LeftUndone(format!(
            "nothing was restored: {message}; rows that are there are never written over, and it takes INSERT on {}, which sweeps don't",
            manifest.table
        ))),
        Err(obstacle) => Err(obstacle.into()),
    }
}

fn doorway(state: &State, target: &Target, store: &Store, manifest: &Manifest, back: &Back, id: String, dry_run: bool) -> Doorway {
    Doorway {
        state: state.clone(),
        engine: target.engine.clone(),
        buckets: target.buckets.clone(),
        intent: ledger::Batch {
            sweep: id,
            rule: manifest.rule.clone(),
            source: manifest.source.clone(),
            table: manifest.table.clone(),
            action: RESTORE.to_owned(),
            archive: Some(crate::sweep::expiry::archived(store, manifest)),
            ..ledger::Batch::default()
        },
        selection: Arc::new(Selection::of_no_rule(back.table.clone(), target.workspace())),
        act: Arc::new(Act::Delete),
        opt_out: None,
        archiver: None,
        digests: None,
        dry_run,
        most: back.rows.len() as u64,
        at_most: None,
        is_shared: false,
    }
}
