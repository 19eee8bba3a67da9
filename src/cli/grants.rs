//! `retentiond grants`.

use super::{Common, Done, render};
use crate::operate::{
    grants::{self, SourceGrants},
    world::World,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this source; all without it
    source: Option<String>,
    /// For this role (PostgreSQL) or account (MariaDB: NAME@HOST); without it, for the one that the configuration connects as
    #[arg(long)]
    role: Option<String>,
}

pub async fn run(common: &Common, world: &World, args: Args) -> Done {
    let report = grants::grants(world, args.source.as_deref(), args.role.as_deref()).await?;
    if common.json(&report)? {
        return Ok(0);
    }
    // A script that can be read before it is run, and run as it stands.
    for (place, source) in report.sources.iter().enumerate() {
        if place > 0 {
            render::line("")?;
        }
        render::line(&script(source))?;
        if !source.unseen.is_empty() {
            eprintln!("Some tables could not be looked at: run this again as a DBA, with `--role`, or once these statements have been run");
        }
        for unseen in &source.unseen {
            eprintln!("source {}: {unseen}", source.source);
        }
    }
    Ok(0)
}

fn script(source: &SourceGrants) -> String {
    let role = source.grants.role.as_deref().unwrap_or("retentiond");
    let mut lines = vec![format!("-- Source {}: what {role} needs, and no more. Run it again when rules change.", source.source)];
    for step in &source.grants.steps {
        lines.push(String::new());
        lines.push(format!("-- {}", step.why));
        lines.extend(step.statements.iter().map(|statement| format!("{statement};")));
    }
    lines.join("\n")
}
