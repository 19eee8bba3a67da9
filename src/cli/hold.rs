//! `retentiond hold place | release | list | show`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::json;

use super::{
    Common, Done, author,
    failure::Failure,
    remote::{self, Server},
    render,
};
use crate::{
    hold::{HeldSubject, TENANT},
    operate::{
        holds::{self, HoldReport, HoldsReport, PlaceRequest},
        report::VERSION,
        world::World,
    },
};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Hold data subjects, tables, categories or sources
    Place(Place),
    /// End a hold; its rows may go after `hold_cool_down`
    Release {
        id: String,
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who; a daemon that is asked (--server) knows it by itself
        #[arg(long, value_name = "PERSON")]
        by: Option<String>,
    },
    /// The holds in force
    List {
        /// Released ones too
        #[arg(long)]
        all: bool,
    },
    /// One hold with its subjects
    Show { id: String },
}

#[derive(Debug, clap::Args)]
pub struct Place {
    /// The matter or case that the hold is for
    #[arg(long, value_name = "MATTER")]
    matter: String,
    /// A data subject, `KIND:VALUE`; may be repeated
    #[arg(long, value_name = "KIND:VALUE")]
    subject: Vec<String>,
    /// A file with one `KIND:VALUE` a line, or JSON Lines `{"kind": …, "value": …}`
    #[arg(long, value_name = "FILE")]
    subjects_file: Vec<PathBuf>,
    /// Everything of one tenant, where rules say whose rows are which tenant's; may be repeated
    #[arg(long, value_name = "TENANT")]
    tenant: Vec<String>,
    /// Only in this table, `SOURCE.TABLE` as rules name it; may be repeated
    #[arg(long, value_name = "SOURCE.TABLE")]
    table: Vec<String>,
    /// Only in tables of this category; may be repeated
    #[arg(long)]
    category: Vec<String>,
    /// Only in this source; may be repeated
    #[arg(long)]
    source: Vec<String>,
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who; a daemon that is asked (--server) knows it by itself
    #[arg(long, value_name = "PERSON")]
    by: Option<String>,
    /// Success although some rules in scope have no such subject
    #[arg(long)]
    accept_uncovered: bool,
}

pub async fn run(common: &Common, world: &World, command: Command) -> Done {
    match command {
        Command::Place(args) => place(common, world, args).await,
        Command::Release { id, reason, by } => {
            let report = holds::release(world, &id, &author(by)?, &reason).await?;
            tell_release(common, &one(report.clone()), &report)
        }
        Command::List { all } => {
            let report = holds::list(world, all).await?;
            tell_list(common, &report, &report)
        }
        Command::Show { id } => {
            let report = one(holds::show(world, &id).await?);
            tell_show(common, &report, &report)
        }
    }
}

/// Asks a daemon.
pub async fn ask(common: &Common, server: &Server, command: Command) -> Done {
    match command {
        Command::Place(args) => {
            remote::no_other_author(args.by.as_ref())?;
            let (subjects, accept_uncovered) = (args.subjects()?, args.accept_uncovered);
            let body = json!({
                "matter": args.matter, "reason": args.reason, "subjects": subjects, "tables": args.table, "categories": args.category,
                "sources": args.source, "accept_uncovered": accept_uncovered,
            });
            let whole = server.post("holds", &body).await?;
            tell_place(common, &whole, &only(remote::read(whole.clone())?)?, accept_uncovered)
        }
        Command::Release { id, reason, by } => {
            remote::no_other_author(by.as_ref())?;
            let whole = server.post(&format!("holds/{}/release", remote::segment(&id)), &json!({ "reason": reason })).await?;
            tell_release(common, &whole, &only(remote::read(whole.clone())?)?)
        }
        Command::List { all } => {
            let whole = server.get(&format!("holds?all={all}")).await?;
            tell_list(common, &whole, &remote::read(whole.clone())?)
        }
        Command::Show { id } => {
            let whole = server.get(&format!("holds/{}", remote::segment(&id))).await?;
            tell_show(common, &whole, &remote::read(whole.clone())?)
        }
    }
}

/// The hold that an answer is about.
fn only(report: HoldsReport) -> Result<HoldReport, remote::Error> {
    report.holds.into_iter().next().ok_or_else(|| remote::Error::Unreadable("it names no hold".to_owned()))
}

impl Place {
    /// Whom it names, in whichever way.
    fn subjects(&self) -> Result<Vec<HeldSubject>, Failure> {
        let mut subjects = Vec::new();
        for text in &self.subject {
            subjects.push(parse_subject(text).ok_or_else(|| Failure::Arguments(format!("--subject {text}: write KIND:VALUE")))?);
        }
        for file in &self.subjects_file {
            read_subjects(file, &mut subjects)?;
        }
        subjects.extend(self.tenant.iter().map(|tenant| HeldSubject { kind: TENANT.to_owned(), value: tenant.clone() }));
        Ok(subjects)
    }
}

async fn place(common: &Common, world: &World, args: Place) -> Done {
    let request = PlaceRequest {
        subjects: args.subjects()?,
        matter: args.matter,
        tables: args.table,
        categories: args.category,
        sources: args.source,
        reason: args.reason,
        by: author(args.by)?,
        accept_uncovered: args.accept_uncovered,
    };
    let report = holds::place(world, request).await?;
    tell_place(common, &one(report.clone()), &report, args.accept_uncovered)
}

fn tell_release(common: &Common, whole: &impl Serialize, report: &HoldReport) -> Done {
    if !common.json(whole)? {
        render::line(&format!("released {}; its rows may go from {}", report.hold.id, render::instant(report.lapses_at)))?;
    }
    tell_problems(report);
    Ok(if report.problems.is_empty() { 0 } else { 3 })
}

fn tell_list(common: &Common, whole: &impl Serialize, report: &HoldsReport) -> Done {
    if !common.json(whole)? {
        print(report)?;
    }
    Ok(0)
}

fn tell_show(common: &Common, whole: &impl Serialize, report: &HoldsReport) -> Done {
    if !common.json(whole)? {
        print(report)?;
        for subject in report.holds.iter().flat_map(|hold| hold.subjects.iter().flatten()) {
            render::line(&format!("{}:{}", subject.kind, subject.value))?;
        }
    }
    Ok(0)
}

fn tell_place(common: &Common, whole: &impl Serialize, report: &HoldReport, accept_uncovered: bool) -> Done {
    if !common.json(whole)? {
        render::line(&format!("placed {} for matter {}", report.hold.id, report.hold.matter))?;
        let rows = report.rows.iter().flatten();
        let rows = rows.flat_map(|covered| {
            let table = format!("{}.{}", covered.source, covered.table);
            let archived = covered.archived.map(|rows| vec![format!("{table} (archived)"), render::grouped(rows)]);
            std::iter::once(vec![table, render::grouped(covered.rows)]).chain(archived)
        });
        render::line(&render::table(&["table", "rows held"], &[1], rows))?;
    }
    if report.rows.iter().flatten().all(|covered| covered.rows == 0 && covered.archived.is_none()) {
        eprintln!("WARNING: this hold covers no row now. Is every subject spelt as the tables have it?");
    }
    for rule in &report.uncovered {
        eprintln!("NOT COVERED: rule {rule} has no subject of a kind that the hold names");
    }
    tell_problems(report);
    Ok(if report.is_incomplete(accept_uncovered) { 3 } else { 0 })
}

fn tell_problems(report: &HoldReport) {
    for source in &report.hold.pending {
        eprintln!("PENDING: source {source} has not acknowledged; the hold is recorded, and no new batch runs there until it has");
    }
    for problem in &report.problems {
        eprintln!("retentiond: {problem}");
    }
}

fn one(report: HoldReport) -> HoldsReport {
    HoldsReport { version: VERSION, holds: vec![report] }
}

fn print(report: &HoldsReport) -> std::io::Result<()> {
    let header = ["hold", "matter", "subjects", "scope", "by", "placed", "released", "pending"];
    let rows = report.holds.iter().map(|HoldReport { hold, .. }| {
        vec![
            hold.id.clone(),
            hold.matter.clone(),
            render::grouped(hold.subject_count),
            scope(&hold.scope),
            hold.by.clone(),
            render::instant(Some(hold.placed_at)),
            render::instant(hold.released_at),
            if hold.pending.is_empty() { "-".to_owned() } else { hold.pending.join(", ") },
        ]
    });
    render::line(&render::table(&header, &[2], rows))
}

fn scope(scope: &crate::hold::HoldScope) -> String {
    let sources = scope.sources.iter().map(|source| format!("source {source}"));
    let tables = scope.tables.iter().map(|table| format!("table {table}"));
    let categories = scope.categories.iter().map(|category| format!("category {category}"));
    let parts: Vec<String> = sources.chain(tables).chain(categories).collect();
    if parts.is_empty() { "everywhere".to_owned() } else { parts.join(", ") }
}

/// `KIND:VALUE`; the value may contain colons.
fn parse_subject(text: &str) -> Option<HeldSubject> {
    let (kind, value) = text.split_once(':')?;
    (!kind.is_empty() && !value.is_empty()).then(|| HeldSubject { kind: kind.to_owned(), value: value.to_owned() })
}

/// Reads a file of subjects; a bad line is named by its number and nothing is placed.
fn read_subjects(file: &Path, subjects: &mut Vec<HeldSubject>) -> Result<(), Failure> {
    let bad = |what: String| Failure::Arguments(format!("{}: {what}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| bad(error.to_string()))?;
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let subject = if line.starts_with('{') { serde_json::from_str(line).ok() } else { parse_subject(line) };
        let line = index + 1;
        subjects.push(subject.ok_or_else(|| bad(format!("line {line} is neither KIND:VALUE nor {{\"kind\": …, \"value\": …}}")))?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_may_contain_colons() {
        let subject = parse_subject("device:00:1b:44").expect("a subject");
        assert_eq!((subject.kind.as_str(), subject.value.as_str()), ("device", "00:1b:44"));
        assert_eq!(parse_subject("account"), None);
        assert_eq!(parse_subject(":7"), None);
        assert_eq!(parse_subject("account:"), None);
    }
}
