//! `retentiond archive list | verify | restore`.

use std::path::PathBuf;

use super::{Common, Done, render};
use crate::operate::{
    archive::{self, ArchivesReport, RestoreRequest},
    world::World,
};

/// A copy does not verify.
const NOT_SOUND: u8 = 4;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// The copies that there are
    List {
        /// Names of rules (`POLICY/RULE`); without any, all
        rules: Vec<String>,
    },
    /// Read every copy again, and compare it with its manifest and the ledger
    Verify {
        /// Names of rules (`POLICY/RULE`); without any, all
        rules: Vec<String>,
    },
    /// The rows of a copy back into their table; never over rows that are there
    Restore {
        /// The copy, as `archive list` names it
        object: String,
        /// Into this new file as JSON Lines, and not into the table
        #[arg(long, value_name = "FILE")]
        to: Option<PathBuf>,
        /// Put them back and roll back
        #[arg(long)]
        dry_run: bool,
        #[arg(long, value_name = "PERSON")]
        by: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
    },
}

pub async fn run(common: &Common, world: &World, command: Command) -> Done {
    match command {
        Command::List { rules } => {
            let report = archive::list(world, &rules).await?;
            if !common.json(&report)? {
                print_copies(&report)?;
            }
            Ok(0)
        }
        Command::Verify { rules } => {
            let report = archive::verify(world, &rules).await?;
            if !common.json(&report)? {
                let verdict = if report.sound { "The archives verify" } else { "THE ARCHIVES DO NOT VERIFY" };
                render::line(&format!("{verdict}: {} copies, {} rows.", render::grouped(report.copies), render::grouped(report.rows)))?;
                if report.unsettled > 0 {
                    render::line(&format!("open     {} copies that the next sweep settles", render::grouped(report.unsettled)))?;
                }
                if report.not_in_this_ledger > 0 {
                    let copies = render::grouped(report.not_in_this_ledger);
                    render::line(&format!("warning  {copies} copies of another state were not compared with its ledger"))?;
                }
                for problem in &report.problems {
                    render::line(&format!("problem  {}: {}", problem.object, problem.what))?;
                }
            }
            Ok(if report.sound { 0 } else { NOT_SOUND })
        }
        Command::Restore { object, to, dry_run, by, reason } => {
            let report = archive::restore(world, &RestoreRequest { object, to, dry_run, by, reason }).await?;
            if !common.json(&report)? {
                let into = match &report.to {
                    Some(file) => file.display().to_string(),
                    None => format!("{}.{}", report.source, report.table),
                };
                let what = if report.dry_run { "could be restored" } else { "restored" };
                render::line(&format!("{} rows {what} into {into}", render::grouped(report.rows)))?;
                if report.goes_again && report.to.is_none() && !report.dry_run {
                    eprintln!(
                        "warning: their rule is in force and takes them again at its next sweep, unless a hold covers them or it is paused"
                    );
                }
            }
            Ok(0)
        }
    }
}

fn print_copies(report: &ArchivesReport) -> std::io::Result<()> {
    let rows = report.copies.iter().map(|copy| {
        let about = copy.about.as_ref();
        let status = if about.is_some_and(|about| about.ended) { "ended" } else { copy.status };
        vec![
            copy.object.clone(),
            about.map_or_else(|| "-".to_owned(), |about| format!("{}.{}", about.source, about.table)),
            about.map_or_else(|| "-".to_owned(), |about| render::grouped(about.rows)),
            render::instant(about.map(|about| about.archived_at)),
            render::instant(about.map(|about| about.ends_at)),
            status.to_owned(),
        ]
    });
    render::line(&render::table(&["copy", "table", "rows", "archived", "ends", "status"], &[2], rows))
}
