//! `retentiond sweep --server`: the daemon sweeps, and this waits for the end.
//!
//! The sweeps are the daemon's: they go on whatever becomes of the command, which says so where it ends before they do. What is
//! printed is what `sweep --no-count` prints, because the daemon's own sweeps don't count beforehand.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{
    super::{
        Common, Done,
        failure::Failure,
        remote::{self, Error, Server, of_rule},
    },
    Args, print,
};
use crate::operate::{overview::RuleInForce, report::RulesReport};

/// The first wait between two looks; each is twice the one before, up to the longest.
const WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// A sweep that was asked for, as the daemon tells of it.
#[derive(Debug, Deserialize)]
struct Asked {
    id: String,
    rule: String,
    state: String,
    report: Option<Value>,
    error: Option<String>,
}

pub(super) async fn sweep(common: &Common, server: &Server, args: Args) -> Done {
    if args.dry_run {
        return Err(Error::not_there("sweep --dry-run").into());
    }
    let rules = server.chosen(&args.rules).await?;
    let body = json!({ "approve": args.approve, "outside_window": args.reason.filter(|_| args.outside_window) });
    let mut signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    let (mut asked, mut status) = (Vec::new(), 0);
    // Whoever names no rule means those that a schedule has.
    for rule in rules.iter().filter(|rule| !args.rules.is_empty() || is_swept(rule)) {
        match server.post(&of_rule(&rule.rule, "sweep")?, &body).await {
            Ok(answer) => asked.push(remote::read::<Asked>(answer)?),
            Err(error) => {
                status = worse(status, error.exit_status());
                eprintln!("retentiond: {}: {error}", rule.rule);
            }
        }
    }
    let mut reports = Vec::new();
    while !asked.is_empty() {
        let Some(ended) = ended(server, &mut asked, &mut signals).await? else {
            for Asked { id, rule, .. } in &asked {
                eprintln!(
                    "retentiond: the sweep of {rule} goes on in the daemon ({id}); `retentiond ledger show --rule {rule}` tells of its end"
                );
            }
            return Ok(3);
        };
        match (ended.report, ended.error) {
            (Some(report), _) => reports.push(report),
            (None, why) => {
                status = 1;
                eprintln!("retentiond: {}: {}", ended.rule, why.unwrap_or_else(|| "the daemon does not say what came of it".to_owned()));
            }
        }
    }
    reports.sort_by_key(|report| rules.iter().position(|rule| report["rule"] == *rule.rule));
    let whole = remote::together(reports);
    let report: RulesReport = remote::read(whole.clone())?;
    if report.rules.iter().any(|rule| rule.swept.is_none()) {
        return Err(Error::Unreadable("a sweep has no outcome that is known here".to_owned()).into());
    }
    if !common.json(&whole)? {
        print(&report, false)?;
    }
    Ok(worse(status, report.exit_status()))
}

/// Takes out one that has ended; `None`: the command was asked to end.
async fn ended(server: &Server, asked: &mut Vec<Asked>, signals: &mut [Signal; 2]) -> Result<Option<Asked>, Failure> {
    let mut wait = WAIT;
    loop {
        for index in 0..asked.len() {
            let now: Asked = match server.get(&format!("sweeps/{}", asked[index].id)).await {
                Ok(answer) => remote::read(answer)?,
                Err(error) => {
                    let rules: Vec<&str> = asked.iter().map(|asked| asked.rule.as_str()).collect();
                    let way_out = "see what came of it with `retentiond ledger show --rule RULE`";
                    eprintln!("retentiond: not waiting any more for the sweep of {}: {way_out}", rules.join(", "));
                    return Err(error.into());
                }
            };
            if now.state == "ended" {
                asked.swap_remove(index);
                return Ok(Some(now));
            }
        }
        let [interrupt, terminate] = signals;
        tokio::select! {
            () = tokio::time::sleep(wait) => wait = LONGEST_WAIT.min(wait * 2),
            _ = interrupt.recv() => return Ok(None),
            _ = terminate.recv() => return Ok(None),
        }
    }
}

fn is_swept(rule: &RuleInForce) -> bool {
    rule.action != "keep" && rule.mode == "enforce"
}

/// Of two exit statuses: what failed comes first.
fn worse(one: u8, other: u8) -> u8 {
    if one == 1 || other == 1 { 1 } else { one.max(other) }
}
