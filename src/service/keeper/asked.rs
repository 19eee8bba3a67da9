//! Sweeps that somebody asked for. They go the way of those on schedule, one after the other on each source, and what
//! came of the last of them is remembered until the process ends.
//!
//! One that gives way to others, or whose table's configuration changes, goes on by itself. One that ends for any other
//! reason has ended: what is left is the schedule's.

use std::collections::VecDeque;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::Keeper;
use crate::{
    operate::report::{RuleReport, RulesReport},
    sweep::{guard::Request, obstacle::Reason},
};

/// So many are remembered.
const REMEMBERED: usize = 200;

/// What somebody asks for.
#[derive(Debug, Clone)]
pub(in crate::service) struct Ask {
    pub rule: String,
    pub by: String,
    /// Let the rule go if it waits for a person.
    pub approve: bool,
    /// Sweep although the window is closed, for this reason.
    pub outside_window: Option<String>,
}

/// A sweep that was asked for.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::service) struct AskedSweep {
    pub id: String,
    pub rule: String,
    pub by: String,
    pub asked_at: Timestamp,
    /// `waiting` for its turn, `running`, or `ended`.
    pub state: Progress,
    /// What came of it.
    pub report: Option<RuleReport>,
    /// Why it could not even begin.
    pub error: Option<String>,
    #[serde(skip)]
    request: Request,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::service) enum Progress {
    Waiting,
    Running,
    Ended,
}

/// Why a sweep is not taken up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::service) enum Refused {
    Stopping,
    /// It keeps rows, or only observes.
    NeverSwept,
    /// Somebody asked already; the id of that.
    Already(String),
}

/// A sweep under way.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::service) struct RunningSweep {
    pub rule: String,
    pub by: String,
    pub since: Timestamp,
}

/// What this process sweeps, and was asked to.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(in crate::service) struct SweepsNow {
    pub running: Vec<RunningSweep>,
    /// The newest last.
    pub asked: Vec<AskedSweep>,
}

/// Those that are remembered.
#[derive(Default)]
pub(super) struct Asked(VecDeque<AskedSweep>);

impl Asked {
    fn open(&mut self, rule: &str) -> Option<&mut AskedSweep> {
        self.0.iter_mut().find(|asked| asked.rule == rule && asked.state != Progress::Ended)
    }

    /// A sweep of the rule begins: what was asked of it, if anybody did.
    pub(super) fn begin(&mut self, rule: &str) -> Option<Request> {
        let asked = self.open(rule)?;
        asked.state = Progress::Running;
        Some(asked.request.clone())
    }

    fn add(&mut self, asked: AskedSweep) {
        if self.0.len() >= REMEMBERED
            && let Some(oldest) = self.0.iter().position(|asked| asked.state == Progress::Ended)
        {
            self.0.remove(oldest);
        }
        self.0.push_back(asked);
    }
}

impl Keeper {
    /// Takes a sweep up: it begins as soon as its source is free.
    pub(super) async fn ask(&mut self, ask: Ask) -> Result<AskedSweep, Refused> {
        if self.stopping {
            return Err(Refused::Stopping);
        }
        if let Some(open) = self.asked.open(&ask.rule) {
            return Err(Refused::Already(open.id.clone()));
        }
        if !self.runner.ask(&ask.rule) {
            return Err(Refused::NeverSwept);
        }
        let Ask { rule, by, approve, outside_window } = ask;
        let request = Request { by: by.clone(), approve, outside_window, ..Request::default() };
        let (id, asked_at) = (self.world.new_id("ask-"), self.world.now());
        tracing::info!(rule, by, ask = id, "a sweep was asked for");
        let asked = AskedSweep { id: id.clone(), rule, by, asked_at, state: Progress::Waiting, report: None, error: None, request };
        self.asked.add(asked.clone());
        self.begin_what_is_due().await;
        Ok(self.asked.0.iter().find(|known| known.id == id).cloned().unwrap_or(asked))
    }

    /// What is swept, and was asked for.
    pub(super) fn sweeps_now(&self) -> SweepsNow {
        let running = self.sweeps.iter();
        let running = running.map(|(rule, sweep)| RunningSweep { rule: rule.clone(), by: sweep.by.clone(), since: sweep.since });
        SweepsNow { running: running.collect(), asked: self.asked.0.iter().cloned().collect() }
    }

    /// A sweep has ended that somebody may have asked for.
    pub(super) fn asked_ended(&mut self, rule: &str, report: Result<RulesReport, String>) {
        let stopping = self.stopping;
        let Some(asked) = self.asked.open(rule).filter(|asked| asked.state == Progress::Running) else { return };
        let report = report.map(|report| report.rules.into_iter().next());
        let reason = report.as_ref().ok().and_then(|report| report.as_ref()?.swept.as_ref()?.reason);
        if matches!(reason, Some(Reason::Turn | Reason::Changed)) && !stopping {
            // What was let go once need not be let go again: the approval is of the form that it had then.
            asked.request.approve = false;
            asked.state = Progress::Waiting;
            if self.runner.ask(rule) {
                return;
            }
        }
        asked.state = Progress::Ended;
        match report {
            Ok(report) => asked.report = report,
            Err(error) => asked.error = Some(error),
        }
    }

    /// Under a new configuration, what nobody sweeps any more waits no longer.
    pub(super) fn forget_what_is_gone(&mut self) {
        for asked in self.asked.0.iter_mut().filter(|asked| asked.state == Progress::Waiting) {
            if !self.runner.ask(&asked.rule) {
                asked.state = Progress::Ended;
                asked.error = Some("the configuration no longer has this rule, or it acts no more".to_owned());
            }
        }
    }
}
