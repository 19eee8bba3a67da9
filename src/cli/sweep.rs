//! `retentiond sweep`.

mod asked;

use super::{Common, Done, failure::Failure, os_user, progress::Bars, remote::Server, render};
use crate::{
    operate::{
        report::{RuleReport, RulesReport, Swept},
        sweep::{self, SweepRequest},
        world::World,
    },
    sweep::{
        guard::Request,
        stop::{Stop, StopSignal, StopSwitch},
    },
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of rules (`POLICY/RULE`); without any, all
    rules: Vec<String>,
    /// Run the first batch of each rule and roll it back
    #[arg(long)]
    dry_run: bool,
    /// With --dry-run: every batch
    #[arg(long, requires = "dry_run")]
    all: bool,
    /// Let rules go that wait for a person
    #[arg(long)]
    approve: bool,
    /// Don't count rows before the first batch
    #[arg(long)]
    no_count: bool,
    /// Sweep although a source's window is closed
    #[arg(long, requires = "reason")]
    outside_window: bool,
    /// Why, for --outside-window
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl Args {
    /// Whether rows may go.
    pub fn acts(&self) -> bool {
        !self.dry_run
    }
}

pub async fn run(common: &Common, world: &World, args: Args) -> Done {
    let request = Request {
        dry_run: args.dry_run,
        all: args.all,
        approve: args.approve,
        outside_window: args.reason.filter(|_| args.outside_window),
        by: os_user(),
        answers: None,
    };
    let asked = SweepRequest { rules: args.rules, no_count: args.no_count, request };
    let stop = on_signal()?;
    let report = sweep::sweep(world, &asked, &stop, &Bars::new()).await?;
    if !common.json(&report)? {
        print(&report, args.dry_run)?;
    }
    Ok(report.exit_status())
}

/// Asks a daemon, and waits for the end.
pub async fn ask(common: &Common, server: &Server, args: Args) -> Done {
    asked::sweep(common, server, args).await
}

/// The first SIGTERM or SIGINT ends the sweep between two batches; the second ends the process, which loses nothing:
/// the next sweep settles what was under way.
fn on_signal() -> Result<StopSignal, Failure> {
    use tokio::signal::unix::{SignalKind, signal};
    let (switch, signal_to_stop) = StopSwitch::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        for round in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if round > 0 {
                std::process::exit(1);
            }
            eprintln!("retentiond: ending after the batch under way; once more ends at once");
            switch.stop(Stop::Shutdown);
        }
    });
    Ok(signal_to_stop)
}

fn print(report: &RulesReport, dry_run: bool) -> std::io::Result<()> {
    let acted = if dry_run { "would act" } else { "acted" };
    let header = ["rule", "action", "table", acted, "batches", "held", "protected", "outcome", "seconds"];
    let row = |rule: &RuleReport| {
        let swept: &Swept = rule.swept.as_ref()?;
        let count = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), render::grouped);
        Some(vec![
            rule.rule.clone(),
            rule.action.clone(),
            format!("{}.{}", rule.source, rule.table),
            render::grouped(swept.acted),
            render::grouped(swept.batches),
            count(rule.rows.map(|rows| rows.held)),
            count(rule.rows.map(|rows| rows.protected)),
            swept.outcome.name(),
            format!("{:.1}", swept.duration_seconds),
        ])
    };
    let rows: Vec<_> = report.rules.iter().filter_map(row).collect();
    render::wide_table(&header, &[3, 4, 5, 6, 8], 3, &rows)?;
    for rule in &report.rules {
        if let Some(swept) = &rule.swept
            && let Some(message) = &swept.message
        {
            render::line(&format!("\n{}: {}: {message}", rule.rule, swept.outcome.name()))?;
        }
        if let Some(opt_outs) = rule.swept.as_ref().and_then(|swept| swept.opt_outs.as_ref()) {
            if opt_outs.without_address > 0 {
                let rows = render::grouped(opt_outs.without_address);
                render::line(&format!("\n{}: rows without an address, of which no opt-out was kept: {rows}", rule.rule))?;
            }
            for refused in &opt_outs.refused {
                let row = refused.row.as_deref().unwrap_or("a row without a key");
                render::line(&format!("\n{}: {row} stays: {}", rule.rule, refused.why))?;
            }
        }
        if let Some(waiting) = &rule.waits
            && waiting.blast.is_some()
        {
            if rule.swept.as_ref().is_some_and(|swept| swept.message.is_none()) {
                render::line(&format!("\n{} was approved with its changes:", rule.rule))?;
            }
            super::approve::tell_blast(waiting)?;
        }
    }
    tell_residue(report)
}

/// What was done about the bytes that rows left behind; what remains of several rules alike is told once.
fn tell_residue(report: &RulesReport) -> std::io::Result<()> {
    let mut told: Vec<(Vec<String>, Vec<String>)> = Vec::new();
    for rule in &report.rules {
        let residue = rule.swept.as_ref().and_then(|swept| swept.residue.as_ref());
        let Some((residue, sentence)) = residue.and_then(|residue| Some((residue, residue.sentence()?))) else { continue };
        let sentence = format!("{}: {sentence}", rule.rule);
        let remains = residue.remains.iter().map(|remains| format!("  stays in {}, until {}", remains.place, remains.until)).collect();
        match told.iter_mut().find(|(_, known)| *known == remains) {
            Some((sentences, _)) => sentences.push(sentence),
            None => told.push((vec![sentence], remains)),
        }
    }
    for (sentences, remains) in told {
        render::line("")?;
        sentences.iter().chain(&remains).try_for_each(|line| render::line(line))?;
    }
    Ok(())
}
