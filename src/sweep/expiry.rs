//! The archive's own end: copies are removed when they have been kept for as long as their rule said.
//!
//! A copy ends when its manifest says so, or later if the rule says by now that copies are kept longer. Holds reach it: while one
//! covers any of its rows it stays, whole.
//!
//! **Why no hold is passed.** A file knows no transaction, so the gate stands in for one. Behind the gate, taken shared as
//! for a batch, the held subjects are read and the manifest is renamed; then the gate's transaction is *committed*. That
//! succeeds only if the gate was held all the while, so no place reported success in between; if it fails, the
//! manifest is named back. Only after it the rows are removed, then the ledger gets its entry, then the manifest goes. What a crash
//! leaves in between is taken up by the next sweep: rows that are there still are decided on anew, and where they are
//! gone the entry is made if it is missing.

use jiff::Timestamp;

use super::{
    Sweeper, archiving,
    archiving::{Copies, in_background},
    coverage::Belonging,
    gate::{self, Admission},
    obstacle::{Obstacle, Reason},
};
use crate::{
    archive::{self, Manifest, ObjectName, Store, store::Found},
    fault,
    ledger::{Archived, Event},
    policy::Rule,
    state::{Claim, GateNumbers},
};

/// What there is to be done away with.
enum Ended {
    Copy(ObjectName, Box<Manifest>),
    /// Its rows are removed already.
    Rest(ObjectName),
    /// It is to be decided on anew.
    Undecided(ObjectName),
    /// What a crash has left of a try: the claim alone does away with it.
    Unsettled,
}

/// Removes the copies whose end has come: those of the rule, and those of rules of its source that are no more.
///
/// # Errors
/// The [`Obstacle`] that keeps them from being removed.
pub async fn sweep(sweeper: &Sweeper<'_>, rule: &Rule, copies: &Copies, scopes: &[String]) -> Result<(), Obstacle> {
    if ended(sweeper, rule, copies).await?.is_empty() {
        return Ok(());
    }
    let mut claim = sweeper.state.claim(&super::lane::lane_of(rule), &rule.source, sweeper.owner, super::LEASE).await?;
    let swept = remove_all(sweeper, rule, copies, scopes, &mut claim).await;
    sweeper.state.release(claim).await?;
    swept
}

async fn remove_all(sweeper: &Sweeper<'_>, rule: &Rule, copies: &Copies, scopes: &[String], claim: &mut Claim) -> Result<(), Obstacle> {
    let numbers = sweeper.enter(rule, claim).await?;
    archiving::tidy(copies, claim, rule.id.as_str(), sweeper.state).await?;
    let mut held = 0;
    for ended in ended(sweeper, rule, copies).await? {
        sweeper.state.keep(claim).await?;
        match ended {
            Ended::Copy(name, manifest) => held += u64::from(!remove(sweeper, copies, scopes, numbers, name, *manifest).await?),
            Ended::Rest(name) => finish(sweeper, copies, name).await?,
            // A rule that is no more has no claim of its own.
            Ended::Unsettled => {}
            Ended::Undecided(name) => on_store(&copies.store, &name, Store::show).await?,
        }
    }
    if held > 0 {
        tracing::info!(copies = held, "copies of the archive have ended and stay, because holds cover rows of them");
    }
    Ok(())
}

/// The copies whose end has come, and what there is to be tidied up. A manifest that can't be read is told, and stays.
async fn ended(sweeper: &Sweeper<'_>, rule: &Rule, copies: &Copies) -> Result<Vec<Ended>, Obstacle> {
    let (now, copies, own) = (sweeper.clock.now(), copies.clone(), rule.id.to_string());
    let source = rule.source.clone();
    let cares = cares_for_the_rest(sweeper.rules, rule);
    let known: Vec<String> = sweeper.rules.iter().map(|rule| rule.id.to_string()).collect();
    let looked = in_background(move || {
        let store = &copies.store;
        let mut ended = Vec::new();
        for id in store.rules()?.into_iter().filter(|id| *id == own || cares && !known.contains(id)) {
            for found in store.of_rule(&id)? {
                match found {
                    Found::Valid(name) => match store.manifest(&name) {
                        Ok(manifest) if manifest.source == source && end_of(&manifest, &copies, id == own) <= now => {
                            ended.push(Ended::Copy(name, Box::new(manifest)));
                        }
                        Ok(_) => {}
                        Err(error) => tracing::warn!(%error, "a copy of the archive can't be looked at, and stays"),
                    },
                    Found::Rest(name) => ended.push(Ended::Rest(name)),
                    Found::Ending(name) => ended.push(Ended::Undecided(name)),
                    Found::Unsettled(_) if id == own => ended.push(Ended::Unsettled),
                    Found::Unsettled(_) => {}
                }
            }
        }
        Ok::<_, archive::Error>(ended)
    });
    Ok(looked.await?)
}

/// One rule of a source removes what rules that are no more have left in an archive: two at once could each take the other's
/// work for that of a crash.
fn cares_for_the_rest(rules: &[Rule], rule: &Rule) -> bool {
    let place = |rule: &Rule| rule.archive.as_ref().map(|archive| archive.to.clone());
    let alike = rules.iter().filter(|other| other.source == rule.source && place(other) == place(rule));
    alike.map(|other| &other.id).min() == Some(&rule.id)
}

fn end_of(manifest: &Manifest, copies: &Copies, is_own: bool) -> Timestamp {
    if is_own { manifest.ends_at.max(copies.ends_at(manifest.archived_at)) } else { manifest.ends_at }
}

/// Removes a copy, unless a hold covers any of its rows; `false`: one does.
async fn remove(
    sweeper: &Sweeper<'_>,
    copies: &Copies,
    scopes: &[String],
    numbers: GateNumbers,
    name: ObjectName,
    manifest: Manifest,
) -> Result<bool, Obstacle> {
    let (store, of) = (copies.store.clone(), name.clone());
    // Before the gate is taken: nobody is to wait for a file.
    let (belonging, manifest) = in_background(move || (Belonging::read(&store, &of, &manifest), manifest)).await;
    let belonging = belonging?;
    let engine = &*sweeper.target.engine;
    let gate = engine.begin().await?;
    if gate::admit(gate.epoch(), numbers) != Admission::Enter {
        gate.rollback().await?;
        let message = "a hold was placed while copies of the archive were to be removed; the next sweep goes on".to_owned();
        return Err(Obstacle::new(Reason::HoldPending, message));
    }
    let held = engine.held().await?;
    if belonging.covered(&held, scopes) > 0 && !fault::seeded("archive-hold-ignored") {
        gate.rollback().await?;
        return Ok(false);
    }
    on_store(&copies.store, &name, Store::hide).await?;
    if let Err(error) = gate.commit().await {
        on_store(&copies.store, &name, Store::show).await?;
        return Err(error.into());
    }
    fault::point("archive.hidden");
    on_store(&copies.store, &name, Store::remove_rows).await?;
    fault::point("archive.removed");
    enter(sweeper, copies, &manifest).await?;
    fault::point("archive.entered");
    on_store(&copies.store, &name, Store::remove_ending).await?;
    tracing::info!(copy = %name, rows = manifest.rows, "removed a copy of the archive whose end had come");
    Ok(true)
}

/// Makes the entry of a copy whose rows are gone, if it is missing, and removes the manifest.
async fn finish(sweeper: &Sweeper<'_>, copies: &Copies, name: ObjectName) -> Result<(), Obstacle> {
    let (store, of) = (copies.store.clone(), name.clone());
    let manifest = in_background(move || store.ending_manifest(&of)).await?;
    if !is_entered(sweeper, &manifest).await? {
        enter(sweeper, copies, &manifest).await?;
    }
    on_store(&copies.store, &name, Store::remove_ending).await
}

async fn is_entered(sweeper: &Sweeper<'_>, manifest: &Manifest) -> Result<bool, Obstacle> {
    const PAGE: u32 = 1_000;
    let mut after = 0;
    loop {
        let page = sweeper.state.entries_of(&manifest.source, "archive_ended", after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(false) };
        after = last.seq;
        let is_it = |event: &Event| matches!(event, Event::ArchiveEnded { archive, .. } if archive.object == manifest.object);
        if page.iter().any(|entry| is_it(&entry.event)) {
            return Ok(true);
        }
    }
}

async fn enter(sweeper: &Sweeper<'_>, copies: &Copies, manifest: &Manifest) -> Result<(), Obstacle> {
    let event = Event::ArchiveEnded {
        rule: manifest.rule.clone(),
        source: manifest.source.clone(),
        table: manifest.table.clone(),
        rows: manifest.rows,
        archive: archived(&copies.store, manifest),
        archived_at: manifest.archived_at,
        ends_at: manifest.ends_at,
    };
    sweeper.state.append(|_| event).await?;
    Ok(())
}

/// What the ledger says of a copy.
pub fn archived(store: &Store, manifest: &Manifest) -> Archived {
    Archived { to: store.place().to_string(), object: manifest.object.clone(), sha256: manifest.sha256.clone() }
}

async fn on_store(store: &Store, name: &ObjectName, act: fn(&Store, &ObjectName) -> Result<(), archive::Error>) -> Result<(), Obstacle> {
    let (store, name) = (store.clone(), name.clone());
    Ok(in_background(move || act(&store, &name)).await?)
}
