//! `retentiond ledger verify | show | export | certificate`.

use std::{collections::VecDeque, io::Write as _, path::PathBuf};

use serde_json::Value;

use super::{
    Common, Done,
    failure::Failure,
    remote::{Error, Server},
    render,
};
use crate::operate::{
    evidence::{self, Filter, VerifyReport},
    world::{self, World},
};

/// Entries that a daemon is asked for at once.
const PAGE: u32 = 1_000;
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
            tell(common, &entries.iter().map(|entry| Value::Object(entry.object())).collect::<Vec<_>>())
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

/// Asks a daemon.
pub async fn ask(common: &Common, server: &Server, command: Command) -> Done {
    match command {
        Command::Show { rule, kind, last } => {
            let head = server.get("ledger/head").await?["seq"].as_u64().unwrap_or_default();
            // Whatever is left out by a filter has to be read all the same.
            let after = if rule.is_none() && kind.is_none() { head.saturating_sub(last as u64) } else { 0 };
            let is = |entry: &Value, key: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| entry[key] == **wanted);
            let mut shown = VecDeque::new();
            each(server, after, |entry| {
                if is(&entry, "rule", &rule) && is(&entry, "kind", &kind) {
                    shown.push_back(entry);
                    if shown.len() > last {
                        shown.pop_front();
                    }
                }
                Ok(())
            })
            .await?;
            tell(common, shown.make_contiguous())
        }
        Command::Export { leaves: Some(_), .. } => Err(Error::not_there("ledger export --leaves").into()),
        Command::Export { file, leaves: None } => {
            match file {
                Some(file) => {
                    let mut out = Beside::create(&file)?;
                    each(server, 0, |entry| Ok(out.write(&entry.to_string())?)).await?;
                    out.publish()?;
                }
                None => each(server, 0, |entry| Ok(render::line(&entry.to_string())?)).await?,
            }
            Ok(0)
        }
        Command::Verify { .. } => Err(Error::not_there("ledger verify").into()),
        Command::Certificate(_) => Err(Error::not_there("ledger certificate").into()),
    }
}

/// Hands every entry behind that one, in order, to `take`; memory does not grow with the ledger.
async fn each(server: &Server, mut after: u64, mut take: impl FnMut(Value) -> Result<(), Failure>) -> Result<(), Failure> {
    loop {
        let mut page = server.get(&format!("ledger/entries?after={after}&limit={PAGE}")).await?;
        page["entries"].as_array_mut().into_iter().flatten().map(Value::take).try_for_each(&mut take)?;
        match page["next_after"].as_u64() {
            Some(next) if next > after => after = next,
            _ => return Ok(()),
        }
    }
}

/// Shows entries, as the ledger has them.
fn tell(common: &Common, entries: &[Value]) -> Done {
    let report = serde_json::json!({ "version": crate::operate::report::VERSION, "entries": entries });
    if !common.json(&report)? {
        render::line(&render::table(&["seq", "at", "kind", "rule", "rows", ""], &[0, 4], entries.iter().map(row)))?;
    }
    Ok(0)
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

fn row(entry: &Value) -> Vec<String> {
    let text = |key: &str| match &entry[key] {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => "-".to_owned(),
    };
    let detail = ["outcome", "hold", "what"].iter().map(|key| text(key)).find(|text| text != "-").unwrap_or_default();
    vec![text("seq"), render::instant(text("at").parse().ok()), text("kind"), text("rule"), text("rows"), detail]
}
