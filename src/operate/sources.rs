//! `source init` and `source status`: retentiond's own few tables in each source.

use serde::Serialize;

use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::{
    clock::random_hex,
    engine::Stamp,
    state::State,
    sweep::{identity, obstacle::Obstacle},
};

/// All sources.
#[derive(Debug, Clone, Serialize)]
pub struct SourcesReport {
    pub version: u32,
    pub sources: Vec<SourceReport>,
}

/// One source, its workspace and what stands against acting there.
#[derive(Debug, Clone, Serialize)]
pub struct SourceReport {
    pub source: String,
    /// The address without its password.
    pub url: String,
    pub up: bool,
    pub workspace: Option<WorkspaceReport>,
    /// The epoch that the state wants its gate to reach.
    pub wanted_epoch: Option<u64>,
    pub blocked: Option<Obstacle>,
}

/// The workspace as it stands in the source.
#[derive(Debug, Clone, Serialize)]
pub struct WorkspaceReport {
    pub state_id: String,
    pub source_id: String,
    pub epoch: u64,
    pub version: u32,
}

/// Creates the workspace of a source, and the state where there is none yet.
///
/// # Errors
/// [`Error::LeftUndone`] if the source bears another state's stamp, or reaches a database that another source reaches.
pub async fn init(world: &World, name: &str, by: &str) -> Result<SourceReport, Error> {
    let target = world.connect(name).await?;
    let state = state_for_init(world).await?;
    let fingerprint = target.engine.fingerprint().await?;
    if let Some(twin) = state.sources().await?.iter().find(|other| other.name != name && other.fingerprint == fingerprint) {
        return Err(Error::LeftUndone(format!("sources `{name}` and `{}` reach one database; remove one of them", twin.name)));
    }
    let known = state.source(name).await?;
    let workspace = target.engine.workspace().await?;
    if let Some(found) = &workspace
        && (found.stamp.state_id != state.id() || known.as_ref().is_some_and(|record| record.source_id != found.stamp.source_id))
    {
        return Err(Error::LeftUndone(format!(
            "source `{name}` bears the stamp of another state; `retentiond state adopt --source {name} --reason … --by …` takes it over"
        )));
    }
    if let (None, Some(record)) = (&workspace, &known) {
        return Err(Error::LeftUndone(format!(
            "source `{name}` (identity {}) had a workspace, and this database has none: it was replaced or restored; \
             `retentiond state adopt --source {name} --reason … --by …` goes on with it",
            record.source_id
        )));
    }
    let source_id = workspace.map_or_else(|| random_hex::<8>(&*world.randomness), |found| found.stamp.source_id);
    target.engine.init_workspace(&Stamp { state_id: state.id().to_owned(), source_id: source_id.clone() }).await?;
    state.register_source(name, &source_id, &fingerprint, by).await?;
    // Holds that were placed before this source was connected reach it now.
    let categories = crate::sweep::prepare::categories(&world.rules, name);
    crate::sweep::gate::synchronise(&state, &*target.engine, name, &categories, crate::sweep::gate::PATIENCE).await?;
    let report = report(world, Some(&state), name).await;
    target.engine.close().await;
    state.close().await;
    Ok(report)
}

/// Opens the state, or makes it if no source bears the stamp of another: a state that was lost must not be replaced by
/// an empty one that knows no holds.
async fn state_for_init(world: &World) -> Result<State, Error> {
    match world.state().await {
        Ok(state) => return Ok(state),
        Err(crate::state::Error::Missing { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    for name in world.config.sources.keys() {
        let Ok(target) = world.connect(name).await else { continue };
        let workspace = target.engine.workspace().await?;
        target.engine.close().await;
        if let Some(workspace) = workspace {
            return Err(Error::LeftUndone(format!(
                "there is no state at {}, but source `{name}` bears the stamp of state {}: either the state was lost, or `[state] url` is wrong; \
                 `retentiond state adopt --reason … --by …` starts a new one that takes the sources and their holds over",
                world.config.state.redacted(),
                workspace.stamp.state_id
            )));
        }
    }
    Ok(world.create_state().await?)
}

/// The status of one source, or of all.
///
/// # Errors
/// [`Error::Asked`] if there is none of that name.
pub async fn status(world: &World, name: Option<&str>) -> Result<SourcesReport, Error> {
    let names: Vec<&str> = match name {
        Some(name) => vec![world.source(name)?.name.as_str()],
        None => world.config.sources.keys().map(String::as_str).collect(),
    };
    let state = world.existing_state().await?;
    let mut sources = Vec::new();
    for name in names {
        sources.push(report(world, state.as_ref(), name).await);
    }
    Ok(SourcesReport { version: VERSION, sources })
}

async fn report(world: &World, state: Option<&State>, name: &str) -> SourceReport {
    let url = world.source(name).map(|source| source.url.redacted()).unwrap_or_default();
    let mut report = SourceReport { source: name.to_owned(), url, up: false, workspace: None, wanted_epoch: None, blocked: None };
    let target = match world.connect(name).await {
        Ok(target) => target,
        Err(error) => {
            report.blocked = Some(Obstacle::new(crate::sweep::obstacle::Reason::Connection, error.to_string()));
            return report;
        }
    };
    report.up = true;
    match target.engine.workspace().await {
        Ok(workspace) => {
            report.workspace = workspace.map(|found| WorkspaceReport {
                state_id: found.stamp.state_id,
                source_id: found.stamp.source_id,
                epoch: found.epoch,
                version: found.version,
            });
        }
        Err(error) => report.blocked = Some(error.into()),
    }
    match state {
        Some(state) => {
            report.wanted_epoch = state.source(name).await.ok().flatten().map(|record| record.wanted);
            if let Err(obstacle) = identity::check(state, &target).await {
                report.blocked = report.blocked.or(Some(obstacle));
            }
        }
        None => {
            let missing = format!("there is no state yet; `retentiond source init {name}` makes it");
            report.blocked = report.blocked.or(Some(Obstacle::new(crate::sweep::obstacle::Reason::NoWorkspace, missing)));
        }
    }
    target.engine.close().await;
    report
}
