//! `state status` and `state adopt`: what retentiond knows, and going on after something was lost or restored.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::{
    clock::random_hex,
    engine::Stamp,
    hold::{Held, HeldSubject, Scope},
    state::{ImportedHold, State},
    sweep::{
        gate,
        prepare::{Target, categories},
    },
};

/// The state as it stands.
#[derive(Debug, Clone, Serialize)]
pub struct StateReport {
    pub version: u32,
    pub id: String,
    pub url: String,
    pub schema_version: i64,
    pub ledger_entries: u64,
    pub ledger_head: String,
    pub holds_active: u64,
    pub held_subjects: u64,
    pub holds_pending: u64,
    pub sources: Vec<String>,
    /// The daemons that share it and are alive, the one that leads first.
    pub daemons: Vec<Daemon>,
}

/// A daemon that shares the state.
#[derive(Debug, Clone, Serialize)]
pub struct Daemon {
    pub host: String,
    pub pid: u32,
    /// The version of retentiond that it is.
    pub release: String,
    /// Whether it is the one that counts, verifies, and shows what the state says in its metrics.
    pub leads: bool,
}

/// What adopting found in each source.
#[derive(Debug, Clone, Serialize)]
pub struct AdoptReport {
    pub version: u32,
    pub state_id: String,
    pub sources: Vec<Adopted>,
}

/// One adopted source.
#[derive(Debug, Clone, Serialize)]
pub struct Adopted {
    pub source: String,
    pub source_id: String,
    /// Holds found in its workspace that the state did not know; they stay in force.
    pub holds_imported: Vec<String>,
    /// Holds of the state that were written there again.
    pub epoch: u64,
}

/// The state's status.
///
/// # Errors
/// The state's.
pub async fn status(world: &World) -> Result<StateReport, Error> {
    let state = world.state().await?;
    let status = state.status().await?;
    let members = state.members().await?;
    state.close().await;
    Ok(StateReport {
        version: VERSION,
        id: status.id,
        url: status.address,
        schema_version: status.schema_version,
        ledger_entries: status.entries,
        ledger_head: status.head_hash,
        holds_active: status.holds_active,
        held_subjects: status.held_subjects,
        holds_pending: status.holds_pending,
        sources: status.sources.into_iter().map(|source| source.name).collect(),
        daemons: members
            .into_iter()
            .map(|member| Daemon { host: member.owner.host, pid: member.owner.pid, release: member.release, leads: member.leads })
            .collect(),
    })
}

/// Takes sources over: each gets this state's stamp and all its holds again; holds that it remembers and the state does
/// not are imported, so that nothing that was held before can go.
///
/// # Errors
/// The first that goes wrong; what was adopted before stays so, and the command may be repeated.
pub async fn adopt(world: &World, sources: &[String], by: &str, reason: &str) -> Result<AdoptReport, Error> {
    let names: Vec<String> = if sources.is_empty() { world.config.sources.keys().cloned().collect() } else { sources.to_vec() };
    let mut targets = Vec::new();
    for name in &names {
        targets.push(world.connect(name).await?);
    }
    let state = world.create_state().await?;
    let mut adopted = Vec::new();
    for target in &targets {
        adopted.push(adopt_source(world, &state, target, by, reason).await?);
        target.engine.close().await;
    }
    let state_id = state.id().to_owned();
    state.close().await;
    Ok(AdoptReport { version: VERSION, state_id, sources: adopted })
}

async fn adopt_source(world: &World, state: &State, target: &Target, by: &str, reason: &str) -> Result<Adopted, Error> {
    let name = &target.config.name;
    let found = target.engine.workspace().await?;
    let source_id = found.as_ref().map_or_else(|| random_hex::<8>(&*world.randomness), |found| found.stamp.source_id.clone());
    let stamp = Stamp { state_id: state.id().to_owned(), source_id: source_id.clone() };
    let epoch = found.as_ref().map_or(0, |found| found.epoch);
    if found.is_none() {
        target.engine.init_workspace(&stamp).await?;
    }
    let holds_imported = import(state, target, by, reason).await?;
    let fingerprint = target.engine.fingerprint().await?;
    // The state first: until the stamp is changed nothing acts on the source, so a crash here leaves nothing half done.
    state.adopt_source(name, &source_id, &fingerprint, epoch + 1, by, reason).await?;
    target.engine.restamp(&stamp, epoch).await?;
    let numbers = gate::synchronise(state, &*target.engine, name, &categories(&world.rules, name), gate::PATIENCE).await?;
    Ok(Adopted { source: name.clone(), source_id, holds_imported, epoch: numbers.confirmed })
}

/// Imports the holds that a source remembers. One that the state knows to be there stays as it is; ids of those it did
/// not know at all are returned.
async fn import(state: &State, target: &Target, by: &str, reason: &str) -> Result<Vec<String>, Error> {
    let mut found: BTreeMap<String, (Vec<Scope>, Vec<HeldSubject>)> = BTreeMap::new();
    for Held { hold, scope, subject } in target.engine.held().await? {
        let (scopes, subjects) = found.entry(hold).or_default();
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
        subjects.extend(subject);
    }
    let mut unknown = Vec::new();
    for (id, (scopes, subjects)) in found {
        if state.hold(&id).await?.is_none() {
            unknown.push(id.clone());
        }
        let source = target.config.name.clone();
        state.import_hold(ImportedHold { id, source, scopes, subjects, by: by.to_owned(), reason: reason.to_owned() }).await?;
    }
    Ok(unknown)
}
