//! `retentiond state status | adopt`.

use super::{Common, Done, render};
use crate::operate::{adopt, world::World};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Identity, versions, and the head of the ledger
    Status,
    /// Take sources over after the state was lost, or a source was restored, moved or copied
    Adopt {
        /// Only this source; may be repeated
        #[arg(long)]
        source: Vec<String>,
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[arg(long, value_name = "PERSON")]
        by: String,
    },
}

pub async fn run(common: &Common, world: &World, command: Command) -> Done {
    match command {
        Command::Status => {
            let report = adopt::status(world).await?;
            if !common.json(&report)? {
                render::line(&format!("state    {}", report.id))?;
                render::line(&format!("url      {}", report.url))?;
                render::line(&format!("version  {}", report.schema_version))?;
                render::line(&format!("ledger   {} entries, head {}", render::grouped(report.ledger_entries), report.ledger_head))?;
                render::line(&format!("holds    {} in force", render::grouped(report.holds_active)))?;
                render::line(&format!("sources  {}", report.sources.join(", ")))?;
                for daemon in &report.daemons {
                    let leads = if daemon.leads { ", leads" } else { "" };
                    render::line(&format!("daemon   process {} on {}, retentiond {}{leads}", daemon.pid, daemon.host, daemon.release))?;
                }
            }
        }
        Command::Adopt { source, reason, by } => {
            let report = adopt::adopt(world, &source, &by, &reason).await?;
            if !common.json(&report)? {
                for source in &report.sources {
                    render::line(&format!("adopted {} ({}), epoch {}", source.source, source.source_id, source.epoch))?;
                    for hold in &source.holds_imported {
                        render::line(&format!("  hold {hold} was found there and stays in force"))?;
                    }
                }
            }
        }
    }
    Ok(0)
}
