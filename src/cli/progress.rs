//! Progress bars, on a terminal only.

use std::{collections::HashMap, sync::Mutex, time::Duration};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::{
    policy::Rule,
    sweep::{BatchDone, Ended, Observer, pace::Throttle, settle::Recovered},
};

/// A bar for each rule that is being swept. indicatif draws to standard error, and nothing where that is no terminal.
#[derive(Default)]
pub struct Bars(Mutex<HashMap<String, ProgressBar>>);

impl Bars {
    /// No bar yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn with(&self, rule: &Rule, act: impl FnOnce(&ProgressBar)) {
        let bars = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(bar) = bars.get(rule.id.as_str()) {
            act(bar);
        }
    }
}

impl Observer for Bars {
    fn started(&self, rule: &Rule, due: Option<u64>) {
        if !rule.action.acts() {
            return;
        }
        let template = if due.is_some() {
            "{msg} [{bar:40}] {human_pos}/{human_len} rows, {per_sec}, {eta} left"
        } else {
            "{msg} {spinner} {human_pos} rows, {per_sec}"
        };
        let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = ProgressBar::with_draw_target(due, ProgressDrawTarget::stderr()).with_style(style).with_message(rule.id.to_string());
        bar.enable_steady_tick(Duration::from_millis(200));
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).insert(rule.id.to_string(), bar);
    }

    fn batch(&self, rule: &Rule, batch: &BatchDone) {
        self.with(rule, |bar| bar.set_position(batch.acted));
    }

    /// It is no part of what the sweep found to do.
    fn recovered(&self, _recovered: &Recovered) {}

    fn replica_lag(&self, _rule: &Rule, _lag: Option<Duration>) {}

    fn throttled(&self, _rule: &Rule, _why: Throttle, _time: Duration) {}

    fn ended(&self, rule: &Rule, _ended: &Ended) {
        self.with(rule, ProgressBar::finish_and_clear);
    }
}
