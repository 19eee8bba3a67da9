//! `retentiond ledger verify | show | export | certificate`.

use std::{io::Write as _, path::PathBuf};

use super::{Common, Done, render};
use crate::{
    ledger::Entry,
    operate::{
        evidence::{self, Filter, VerifyReport},
        world::{self, World},
    },
};

/// The ledger does not verify.
const NOT_SOUND: u8 = 4;

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Verify the chain, and its end against the marks in every source
    Verify {
        /// Verify this export instead (JSON Lines); needs neither state nor sources
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// And the digests that were exported beside it
        #[arg(long, value_name = "FILE", requires = "file")]
        leaves: Option<PathBuf>,
    },
    /// Show entries
    Show {
        /// Only those of this rule
        #[arg(long)]
        rule: Option<String>,
        /// Only those of this kind, such as `batch_applied`
        #[arg(long)]
        kind: Option<String>,
        /// Only the last so many
        #[arg(long, value_name = "N", default_value_t = 50)]
        last: usize,
    },
    /// Every entry as JSON Lines, in order
    Export {
        /// Into this file, written whole or not at all; without it to standard output
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// And the digests of batches into this file
        #[arg(long, value_name = "FILE")]
        leaves: Option<PathBuf>,
    },
    /// What was done in a period, verified and proved, as a document to hand over
    Certificate(super::certificate::Args),
}

pub async fn run(common: &Common, world: &World, command: Command) -> Done {
    match command {
        Command::Verify { file, leaves } => {
            let report = match file {
                Some(file) => evidence::verify_export(&file, leaves.as_deref())?,
                None => evidence::verify(world).await?,
            };
            if !common.json(&report)? {
                print_verification(&report)?;
            }
            Ok(if report.sound { 0 } else { NOT_SOUND })
        }
        Command::Show { rule, kind, last } => {
            let entries = evidence::show(world, &Filter { rule, kind, last: Some(last) }).await?;
            let report = serde_json::json!({
                "version": crate::operate::report::VERSION,
                "entries": entries.iter().map(Entry::object).collect::<Vec<_>>(),
            });
            if !common.json(&report)? {
                render::line(&render::table(&["seq", "at", "kind", "rule", "rows", ""], &[0, 4], entries.iter().map(row)))?;
            }
            Ok(0)
        }
        Command::Certificate(args) => super::certificate::run(common, world, args).await,
        Command::Export { file, leaves } => {
            match file {
                Some(file) => {
                    let mut out = Beside::create(&file)?;
                    evidence::each(world, |entry| out.write(&entry.to_line())).await?;
                    out.publish()?;
                }
                None => evidence::each(world, |entry| Ok(render::line(&entry.to_line())?)).await?,
            }
            if let Some(leaves) = leaves {
                let mut out = Beside::create(&leaves)?;
                evidence::each_digested(world, |batch| out.write(&batch.to_string())).await?;
                out.publish()?;
            }
            Ok(0)
        }
    }
}

/// Lines written beside the file and renamed: a reader never finds half an export.
struct Beside {
    file: PathBuf,
    part: PathBuf,
    out: std::io::BufWriter<std::fs::File>,
}

impl Beside {
    fn create(file: &std::path::Path) -> std::io::Result<Self> {
        let mut part = file.as_os_str().to_owned();
        part.push(".part");
        let out = std::io::BufWriter::new(std::fs::File::create(&part)?);
        Ok(Self { file: file.to_owned(), part: part.into(), out })
    }

    fn write(&mut self, line: &str) -> Result<(), world::Error> {
        Ok(writeln!(self.out, "{line}")?)
    }

    fn publish(self) -> std::io::Result<()> {
        self.out.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()?;
        std::fs::rename(&self.part, &self.file)
    }
}

pub(super) fn print_verification(report: &VerifyReport) -> std::io::Result<()> {
    let found = &report.verification;
    let verdict = if report.sound { "The ledger verifies" } else { "THE LEDGER DOES NOT VERIFY" };
    render::line(&format!("{verdict}: {} entries.", render::grouped(found.entries)))?;
    if let Some((seq, hash)) = &found.head {
        render::line(&format!("head     entry {seq}, {hash}"))?;
    }
    if !report.anchored.is_empty() {
        render::line(&format!("anchors  the marks in {} agree with what was compared", report.anchored.join(", ")))?;
    }
    for source in &report.not_anchored {
        render::line(&format!("warning  not compared with source {source}"))?;
    }
    for open in &found.open {
        let (lane, batch, entry) = (&open.lane, open.lane_seq, open.entry);
        render::line(&format!("open     batch {batch} of lane {lane} (entry {entry}) has no outcome yet; the next sweep settles it"))?;
    }
    for problem in &found.problems {
        render::line(&format!("problem  entry {}: {}", problem.seq, problem.what))?;
    }
    if found.further_problems > 0 {
        render::line(&format!("problem  and {} more", render::grouped(found.further_problems)))?;
    }
    Ok(())
}

fn row(entry: &Entry) -> Vec<String> {
    let object = entry.object();
    let text = |key: &str| match object.get(key) {
        Some(serde_json::Value::String(text)) => text.clone(),
        Some(serde_json::Value::Number(number)) => number.to_string(),
        _ => "-".to_owned(),
    };
    let detail = ["outcome", "hold", "what"].iter().map(|key| text(key)).find(|text| text != "-").unwrap_or_default();
    vec![text("seq"), render::instant(Some(entry.at)), text("kind"), text("rule"), text("rows"), detail]
}
