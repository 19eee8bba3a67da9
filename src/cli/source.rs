//! `retentiond source init | status`.

use super::{Common, Done, os_user, render};
use crate::operate::{
    report::VERSION,
    sources::{self, SourcesReport},
    world::World,
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Create retentiond's own tables in a source, and the state where there is none yet
    Init { source: String },
    /// The workspace of one source, or of all
    Status { source: Option<String> },
}

pub async fn run(common: &Common, world: &World, command: Command) -> Done {
    let report = match command {
        Command::Init { source } => SourcesReport { version: VERSION, sources: vec![sources::init(world, &source, &os_user()).await?] },
        Command::Status { source } => sources::status(world, source.as_deref()).await?,
    };
    let status = u8::from(report.sources.iter().any(|source| !source.up));
    if common.json(&report)? {
        return Ok(status);
    }
    let rows = report.sources.iter().map(|source| {
        let workspace = source.workspace.as_ref();
        vec![
            source.source.clone(),
            source.url.clone(),
            if source.up { "up" } else { "down" }.to_owned(),
            workspace.map_or_else(|| "-".to_owned(), |found| found.source_id.clone()),
            workspace.map_or_else(|| "-".to_owned(), |found| found.epoch.to_string()),
            source.wanted_epoch.map_or_else(|| "-".to_owned(), |epoch| epoch.to_string()),
        ]
    });
    render::line(&render::table(&["source", "url", "is", "identity", "epoch", "wanted"], &[4, 5], rows))?;
    for source in &report.sources {
        if let Some(obstacle) = &source.blocked {
            render::line(&format!("\n{}: {}", source.source, obstacle.message))?;
        }
    }
    Ok(status)
}
