//! `retentiond check`.

use super::{Common, Done, render};
use crate::operate::{check, world::World};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only the files: connect to nothing
    #[arg(long)]
    offline: bool,
    /// Show the statement that finds the rows of each rule, and the database's plan for it
    #[arg(long, conflicts_with = "offline")]
    plans: bool,
}

pub async fn run(common: &Common, world: &World, args: Args) -> Done {
    if args.offline {
        // The world is there, so every file was read without a mistake.
        eprintln!("{} rules and {} sources are valid; nothing was connected to", world.rules.len(), world.config.sources.len());
        return Ok(0);
    }
    let report = check::check(world).await?;
    let status = report.exit_status();
    if common.json(&report)? {
        return Ok(status);
    }
    for source in &report.sources {
        match &source.blocked {
            None => render::line(&format!("ok       source {}", source.source))?,
            Some(obstacle) => render::line(&format!("blocked  source {}: {}", source.source, obstacle.message))?,
        }
    }
    for identity in &report.identities {
        match &identity.blocked {
            None => render::line(&format!("ok       identity {} of {}", identity.table, identity.source))?,
            Some(obstacle) => render::line(&format!("refused  identity {} of {}: {}", identity.table, identity.source, obstacle.message))?,
        }
    }
    for rule in &report.rules {
        match &rule.blocked {
            None => render::line(&format!("ok       {} ({} {})", rule.rule, rule.action, rule.table))?,
            Some(obstacle) => {
                render::line(&format!("refused  {} ({} {}): {}", rule.rule, rule.action, rule.table, obstacle.message))?;
                let colour = common.colour(std::io::IsTerminal::is_terminal(&std::io::stdout()));
                if let Some(excerpt) = obstacle.place.as_ref().and_then(|place| place.excerpt(colour)) {
                    render::line(&excerpt)?;
                }
            }
        }
        if let Some(walk) = &rule.walk {
            render::line(&format!("         reads {}", walk.sentence()))?;
            for line in std::iter::once(&walk.statement).chain(&walk.plan).filter(|_| args.plans) {
                render::line(&format!("           {line}"))?;
            }
        }
        for dragged in &rule.dragged {
            render::line(&format!("         sets off {}", dragged.sentence()))?;
        }
        for warning in &rule.warnings {
            render::line(&format!("         warning: {warning}"))?;
        }
        for suggestion in &rule.suggestions {
            render::line(&format!("         {suggestion}"))?;
        }
    }
    Ok(status)
}
