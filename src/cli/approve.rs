//! `retentiond approve`.

use serde::Serialize;
use serde_json::json;

use super::{
    Common, Done, os_user,
    remote::{self, Server},
    render,
};
use crate::operate::{
    approve::{self, ApproveReport},
    waiting::Waiting,
    world::World,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The rule (`POLICY/RULE`)
    rule: String,
}

pub async fn run(common: &Common, world: &World, args: Args) -> Done {
    let report = approve::approve(world, &args.rule, &os_user()).await?;
    tell(common, &report, &report)
}

/// Asks a daemon.
pub async fn ask(common: &Common, server: &Server, args: Args) -> Done {
    server.chosen(std::slice::from_ref(&args.rule)).await?;
    let whole = server.post(&remote::of_rule(&args.rule, "approve")?, &json!({})).await?;
    tell(common, &whole, &remote::read(whole.clone())?)
}

fn tell(common: &Common, whole: &impl Serialize, report: &ApproveReport) -> Done {
    if common.json(whole)? {
        return Ok(0);
    }
    let (Some(waited), Some(approved)) = (&report.waited, &report.approved) else {
        render::line(&format!("{} waits for nobody", report.rule))?;
        return Ok(0);
    };
    render::line(&format!("approved  {} ({} {}.{})", report.rule, report.action, report.source, report.table))?;
    render::line(&format!("waited    {}", waited.guard.name()))?;
    let up_to = approved.max_rows.map_or_else(|| "any number".to_owned(), |rows| format!("up to {}", render::grouped(rows)));
    render::line(&format!("rows      {} of {} are due; {up_to} may go", render::grouped(report.due), render::grouped(report.total)))?;
    render::line(&format!("cut-off   {}", render::instant(approved.cutoff)))?;
    render::line(&format!("digest    {}", approved.digest))?;
    render::line(&format!("by        {}", approved.by))?;
    tell_blast(waited)?;
    Ok(0)
}

/// What a change since the last approval does.
pub fn tell_blast(waiting: &Waiting) -> std::io::Result<()> {
    let Some(blast) = &waiting.blast else { return Ok(()) };
    let more = blast.rows_more.map_or_else(|| "an unknown number of".to_owned(), render::grouped);
    render::line(&format!("  {more} rows more than under what was approved"))?;
    for sentence in &blast.protections {
        render::line(&format!("  protection: {sentence}"))?;
    }
    for sentence in &blast.changes {
        render::line(&format!("  changed: {sentence}"))?;
    }
    Ok(())
}
