//! `retentiond pause` and `retentiond resume`.

use super::{Common, Done, render};
use crate::operate::{
    pause::{self, PauseReport, PauseRequest},
    world::World,
};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("scope").args(["rules", "source", "all"]).required(true).multiple(true))]
pub struct Args {
    /// Names of rules (`POLICY/RULE`)
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Every rule of this source; may be repeated
    #[arg(long)]
    source: Vec<String>,
    /// Every rule of every source
    #[arg(long)]
    all: bool,
    #[arg(long, value_name = "TEXT")]
    reason: String,
    #[arg(long, value_name = "PERSON")]
    by: String,
}

impl From<Args> for PauseRequest {
    fn from(args: Args) -> Self {
        Self { rules: args.rules, sources: args.source, all: args.all, reason: args.reason, by: args.by }
    }
}

pub async fn pause(common: &Common, world: &World, args: Args) -> Done {
    let report = pause::pause(world, &args.into()).await?;
    tell(common, &report, "paused", "was paused already")
}

pub async fn resume(common: &Common, world: &World, args: Args) -> Done {
    let report = pause::resume(world, &args.into()).await?;
    tell(common, &report, "resumed", "was not paused by itself")
}

fn tell(common: &Common, report: &PauseReport, changed: &str, unchanged: &str) -> Done {
    if !common.json(report)? {
        for scope in &report.changed {
            render::line(&format!("{changed} {scope}"))?;
        }
        for scope in &report.unchanged {
            render::line(&format!("{scope} {unchanged}"))?;
        }
        for pause in &report.paused {
            let at = render::instant(Some(pause.at));
            render::line(&format!("in force: {} since {at}, by {}: {}", pause.scope, pause.by, pause.reason))?;
        }
    }
    Ok(0)
}
