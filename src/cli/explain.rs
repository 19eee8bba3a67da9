//! `retentiond explain`.

use super::{Common, Done, failure::Failure, render};
use crate::operate::{
    digests::Answer,
    explain::{self, ExplainReport, Explained, Gone},
    world::World,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The table, `SOURCE.TABLE` as rules name it
    table: String,
    /// Columns that name the row, each with its value
    #[arg(required = true, value_name = "COLUMN=VALUE")]
    key: Vec<String>,
    /// Explain as if it were this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<jiff::Timestamp>,
}

pub async fn run(common: &Common, world: World, args: Args) -> Done {
    let world = match args.as_of {
        Some(instant) => world.at(instant),
        None => world,
    };
    let split = |part: &String| part.split_once('=').map(|(column, value)| (column.to_owned(), value.to_owned()));
    let key = args.key.iter().map(split).collect::<Option<Vec<_>>>();
    let key = key.ok_or_else(|| Failure::Arguments("a key is written COLUMN=VALUE, such as `id=42`".to_owned()))?;
    let report = explain::explain(&world, &args.table, &key).await?;
    if !common.json(&report)? {
        print(&report)?;
    }
    Ok(0)
}

fn print(report: &ExplainReport) -> std::io::Result<()> {
    let key: Vec<String> = report.key.iter().map(|(column, value)| format!("{column}={value}")).collect();
    let row = format!("{}.{} {}", report.source, report.table, key.join(" "));
    if !report.found {
        return gone(&row, report.gone.as_ref());
    }
    render::line(&format!("{row}, as of {}\n", render::instant(Some(report.as_of))))?;
    let header = ["rule", "action", "start", "end", "verdict", "due from"];
    let rows = report.rules.iter().map(|rule| {
        vec![
            rule.rule.clone(),
            rule.action.clone(),
            render::instant(rule.start),
            render::instant(rule.end),
            rule.verdict.clone().unwrap_or_else(|| "unknown".to_owned()),
            due_from(rule),
        ]
    });
    render::line(&render::table(&header, &[], rows))?;
    for rule in &report.rules {
        for sentence in why(rule) {
            render::line(&format!("\n{}: {sentence}", rule.rule))?;
        }
    }
    for hold in &report.holds {
        let what = hold.kind.as_ref().map_or_else(|| "everything in its scope".to_owned(), |kind| format!("a held {kind}"));
        let matter = hold.matter.as_ref().map(|matter| format!(" ({matter})")).unwrap_or_default();
        render::line(&format!("\nheld by {}{matter}: {what}; no rule takes it before that hold has lapsed", hold.hold))?;
    }
    Ok(())
}

fn due_from(rule: &Explained) -> String {
    match (&rule.due_from, rule.verdict.as_deref()) {
        (Some(_), Some("due")) => "now".to_owned(),
        (Some(_), Some("held")) => "after its hold".to_owned(),
        (at, _) => render::instant(*at),
    }
}

fn why(rule: &Explained) -> Vec<String> {
    let mut why = Vec::new();
    if let Some(obstacle) = &rule.blocked {
        why.push(format!("it can't act: {}", obstacle.message));
    }
    if !rule.overridden_by.is_empty() {
        why.push(format!("overridden here by {}", rule.overridden_by.join(", ")));
    }
    if rule.verdict.as_deref() != Some("outside") && rule.action != "keep" {
        if !rule.protected_by.is_empty() {
            why.push(format!("protected by {}", rule.protected_by.join(", ")));
        }
        if !rule.protected_by_dependents.is_empty() {
            why.push(format!("protected by rows of {} that belong to it", rule.protected_by_dependents.join(", ")));
        }
        if !rule.held_by_dependents.is_empty() {
            why.push(format!("held by rows of {} that would go along", rule.held_by_dependents.join(", ")));
        }
        for along in &rule.dependents {
            why.push(super::plan::along("when it goes", along));
        }
        if !rule.referenced_by.is_empty() {
            why.push(format!("protected by rows of {} that refer to it", rule.referenced_by.join(", ")));
        }
    }
    if let Some(opt_out) = rule.opt_out.as_ref().filter(|_| rule.verdict.as_deref() != Some("outside")) {
        why.push(format!("when it goes, {opt_out}"));
    }
    if let Some(archive) = rule.archive.as_ref().filter(|_| rule.verdict.as_deref() != Some("outside")) {
        why.push(format!("copied to {} before it goes, and kept there for {}", archive.to, archive.keep_for));
    }
    if rule.mode == "observe" {
        why.push("only observes: it protects, but does not act".to_owned());
    }
    why
}

/// What the digests of batches say of the very row.
fn named_in(answer: &Answer) -> std::io::Result<()> {
    for proof in &answer.took {
        let text = |key: &str| proof.entry[key].as_str().unwrap_or("-").to_owned();
        render::line(&format!(
            "{} took it ({}): entry {} of {}, sweep {}, rows that start before {}.",
            text("rule"),
            text("action"),
            proof.entry["seq"],
            text("at"),
            text("sweep"),
            text("cutoff")
        ))?;
    }
    match (answer.took.len(), answer.asked) {
        (0, 0) => render::line("No batch in the ledger could be asked for it:")?,
        (0, asked) => render::line(&format!("None of the {asked} batches with digests of rows took it, written like that."))?,
        _ => {}
    }
    for (why, batches) in &answer.not_asked {
        render::line(&format!("{} batches could not be asked: {why}.", render::grouped(*batches)))?;
    }
    Ok(())
}

/// What can be said of a row that is not there, and no more.
fn gone(row: &str, gone: Option<&Gone>) -> std::io::Result<()> {
    render::line(&format!("{row} is not there."))?;
    let named = gone.and_then(|gone| gone.named.as_ref());
    if let Some(named) = named {
        named_in(named)?;
        if !named.took.is_empty() || named.not_asked.is_empty() {
            return Ok(());
        }
    }
    let sweeps = gone.map(|gone| gone.sweeps.as_slice()).unwrap_or_default();
    if sweeps.is_empty() {
        return render::line("The ledger knows of no sweep that deleted rows of this table.");
    }
    let beginning = match named {
        None => "At `evidence = \"batch\"` the ledger counts rows and does not name them: it can't say whether this one ever was there.",
        Some(_) => "Of batches that could not be asked it can't be said whether they took it.",
    };
    render::line(&format!(
        "{beginning}\nIf it was, one of these sweeps could have taken it, and each took only rows that start before its cut-off:\n"
    ))?;
    let header = ["rule", "cut-off", "from", "to", "batches", "rows", "sweep"];
    let rows = sweeps.iter().map(|one| {
        vec![
            one.rule.clone(),
            render::instant(one.cutoff),
            render::instant(Some(one.first_at)),
            render::instant(Some(one.last_at)),
            render::grouped(one.batches),
            render::grouped(one.rows),
            one.sweep.clone(),
        ]
    });
    render::line(&render::table(&header, &[4, 5], rows))?;
    let archived = sweeps.iter().filter(|one| one.archived > 0).map(|one| one.rule.as_str()).collect::<std::collections::BTreeSet<_>>();
    if archived.is_empty() {
        return Ok(());
    }
    let rules = archived.into_iter().collect::<Vec<_>>().join(" ");
    render::line(&format!("\nThese sweeps copied what they took: `retentiond archive list {rules}`"))
}
