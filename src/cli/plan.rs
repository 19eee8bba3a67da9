//! `retentiond plan`.

use serde::Serialize;

use super::{
    Common, Done,
    remote::{self, Server},
    render,
};
use crate::{
    operate::{
        plan::{self, PlanRequest},
        report::{RuleReport, RulesReport},
        world::World,
    },
    sql::selection::Counts,
    sweep::{approval::Guard, count::GoesAlong},
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of rules (`POLICY/RULE`); without any, all
    rules: Vec<String>,
    /// Plan as if it were this instant (RFC 3339)
    #[arg(long, value_name = "INSTANT")]
    as_of: Option<jiff::Timestamp>,
    /// Don't count rows: only tell what can be enforced
    #[arg(long)]
    no_count: bool,
    /// Rows due by the end of each of the next months
    #[arg(long, value_name = "MONTHS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=120))]
    forecast: u32,
}

pub async fn run(common: &Common, world: World, args: Args) -> Done {
    let world = match args.as_of {
        Some(instant) => world.at(instant),
        None => world,
    };
    let request = PlanRequest { rules: args.rules, no_count: args.no_count, forecast: args.forecast };
    let report = plan::plan(&world, &request).await?;
    tell(common, &report, &report)
}

/// Asks a daemon.
pub async fn ask(common: &Common, server: &Server, args: Args) -> Done {
    if args.as_of.is_some() {
        return Err(remote::Error::not_there("plan --as-of").into());
    }
    let query = format!("plan?count={}&forecast={}", !args.no_count, args.forecast);
    let mut reports = Vec::new();
    for rule in server.chosen(&args.rules).await? {
        let mut planned = server.get(&remote::of_rule(&rule.rule, &query)?).await?;
        reports.extend(planned["rules"].as_array_mut().into_iter().flatten().map(serde_json::Value::take));
    }
    let whole = remote::together(reports);
    tell(common, &whole, &remote::read(whole.clone())?)
}

fn tell(common: &Common, whole: &impl Serialize, report: &RulesReport) -> Done {
    if !common.json(whole)? {
        print(report)?;
    }
    Ok(report.exit_status())
}

fn print(report: &RulesReport) -> std::io::Result<()> {
    let header =
        ["rule", "action", "table", "cut-off", "total", "due", "held", "protected", "running", "undated", "outside", "done", "way"];
    let rows: Vec<_> = report.rules.iter().map(row).collect();
    render::wide_table(&header, &[4, 5, 6, 7, 8, 9, 10, 11], 3, &rows)?;
    let is_new = |rule: &&RuleReport| rule.waits.as_ref().is_some_and(|waiting| waiting.guard == Guard::FirstSweep);
    let new: Vec<&str> = report.rules.iter().filter(is_new).map(|rule| rule.rule.as_str()).collect();
    if !new.is_empty() {
        render::line(&format!("\nnew, and waiting for `retentiond approve RULE`: {}", new.join(", ")))?;
    }
    for rule in &report.rules {
        for by in &rule.protected_by {
            let what = by.rule.clone().or_else(|| by.table.as_ref().map(|table| format!("rows of {table} that refer to them")));
            render::line(&format!("\n{}: {} protected by {}", rule.rule, render::grouped(by.rows), what.unwrap_or_default()))?;
        }
        for along in rule.dependents.iter().filter(|along| along.rows > 0) {
            render::line(&format!("\n{}: {}", rule.rule, self::along("with the due rows", along)))?;
        }
        for partition in &rule.partitions {
            let rows = partition.rows.map(|rows| format!(", {} rows", render::grouped(rows))).unwrap_or_default();
            let what = match &partition.kept {
                None => "dropped as a whole".to_owned(),
                Some(why) => format!("swept row by row, because {why}"),
            };
            render::line(&format!("\n{}: partition {} {}{rows}: {what}", rule.rule, partition.name, partition.bounds))?;
        }
        if let Some(archive) = &rule.archive {
            let (to, keep_for) = (&archive.to, &archive.keep_for);
            render::line(&format!("\n{}: rows are copied to {to} before they go, and kept there for {keep_for}", rule.rule))?;
        }
        if let Some(why) = &rule.row_by_row {
            render::line(&format!("\n{}: no partition is dropped, because {why}", rule.rule))?;
        }
        if let Some(opt_out) = &rule.opt_out {
            render::line(&format!("\n{}: when a row goes, {opt_out}", rule.rule))?;
        }
        if let Some(obstacle) = &rule.blocked {
            render::line(&format!("\n{} would be {}: {}", rule.rule, obstacle.reason.outcome().name(), obstacle.message))?;
        }
        if let Some(waiting) = rule.waits.as_ref().filter(|waiting| waiting.guard != Guard::FirstSweep) {
            render::line(&format!("\n{} waits for approval: {}", rule.rule, waiting.obstacle.message))?;
            super::approve::tell_blast(waiting)?;
        }
        if let Some(pause) = &rule.paused {
            render::line(&format!(
                "\n{} is paused ({}) since {}, by {}: {}",
                rule.rule,
                pause.scope,
                render::instant(Some(pause.at)),
                pause.by,
                pause.reason
            ))?;
        }
        if let Some(forecast) = &rule.forecast {
            render::line(&format!("\n{}: rows due", rule.rule))?;
            let rows = forecast.iter().map(|step| vec![format!("  by {}", render::instant(Some(step.at))), render::grouped(step.due)]);
            render::line(&render::table(&["", ""], &[1], rows))?;
        }
    }
    Ok(())
}

/// What goes with rows, in words.
pub(super) fn along(when: &str, along: &GoesAlong) -> String {
    let what = match along.then.as_str() {
        "delete" => "go too",
        "detach" => "are detached",
        _ => "are anonymised",
    };
    format!("{when}, {} of {} {what}", render::grouped(along.rows), along.table)
}

fn row(rule: &RuleReport) -> Vec<String> {
    let count = |field: fn(&Counts) -> u64| rule.rows.as_ref().map_or_else(|| "-".to_owned(), |rows| render::grouped(field(rows)));
    vec![
        rule.rule.clone(),
        rule.action.clone(),
        format!("{}.{}", rule.source, rule.table),
        render::instant(rule.cutoff),
        count(|rows| rows.total),
        count(|rows| rows.due),
        count(|rows| rows.held),
        count(|rows| rows.protected),
        count(|rows| rows.running),
        count(|rows| rows.undated),
        count(|rows| rows.outside),
        count(|rows| rows.done),
        rule.way.clone().unwrap_or_else(|| "-".to_owned()),
    ]
}
