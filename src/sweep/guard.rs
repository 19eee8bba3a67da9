//! What makes a rule wait for a person, or for its hour, although it could act.

use jiff::Timestamp;

use super::obstacle::{Obstacle, Reason};
use crate::{
    config, fault,
    policy::{Mode, Rule},
    state::Pause,
};

/// Tables below this size are not guarded by share: one of three rows is a third.
const SHARE_FROM_ROWS: u64 = 1_000;
/// A rule whose starts can't be meant in more than this share of the table is stopped: it reads the wrong unit.
const IMPLAUSIBLE_SHARE: f64 = 0.01;

/// What was asked of a sweep, beside the rules.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// Statements run and are rolled back.
    pub dry_run: bool,
    /// With `dry_run`: every batch, not only the first.
    pub all: bool,
    /// A person lets waiting rules go.
    pub approve: bool,
    /// A person sweeps outside the source's window, for this reason.
    pub outside_window: Option<String>,
    /// Whoever asked.
    pub by: String,
    /// The occurrence of its schedule that the sweep answers: where another process has answered it, there is nothing to
    /// do.
    pub answers: Option<Timestamp>,
}

/// Whether the rule may be swept at this hour: in its source's window, in `timezone`, and in its own.
///
/// # Errors
/// [`Reason::Window`].
pub fn window(
    rule: &Rule,
    source: &config::Source,
    timezone: &jiff::tz::TimeZone,
    now: Timestamp,
    request: &Request,
) -> Result<(), Obstacle> {
    let windows =
        [(&source.window, timezone, format!("source `{}`", source.name)), (&rule.window, &rule.timezone, format!("rule {}", rule.id))];
    for (window, zone, what) in windows {
        if let Some(window) = window.filter(|window| request.outside_window.is_none() && !window.contains(now, zone)) {
            let message = format!("{what} is swept in its window {window} only; `--outside-window --reason …` sweeps now");
            return Err(Obstacle::new(Reason::Window, message));
        }
    }
    Ok(())
}

/// Whether a person has stopped the rule.
///
/// # Errors
/// [`Reason::Paused`].
pub fn not_paused(pause: Option<&Pause>) -> Result<(), Obstacle> {
    match pause {
        Some(Pause { scope, reason, by, at }) if !fault::seeded("pause-forgotten") => {
            Err(Obstacle::new(Reason::Paused, format!("{by} paused {scope} at {at}: {reason}; `retentiond resume` lets it go on")))
        }
        _ => Ok(()),
    }
}

/// Whether the rule acts at all.
///
/// # Errors
/// [`Reason::Observe`].
pub fn mode(rule: &Rule) -> Result<(), Obstacle> {
    match rule.mode {
        Mode::Observe if rule.action.acts() => Err(Obstacle::new(Reason::Observe, "the rule only observes (`mode = \"observe\"`)")),
        _ => Ok(()),
    }
}

/// Whether the dates can be what the rule takes them for.
///
/// # Errors
/// [`Reason::ImplausibleDates`] above 1 % of `table_rows`.
pub fn plausible(rule: &Rule, implausible: u64, table_rows: u64) -> Result<(), Obstacle> {
    #[expect(clippy::cast_precision_loss, reason = "a share")]
    let too_many = implausible as f64 > table_rows as f64 * IMPLAUSIBLE_SHARE;
    if !too_many || fault::seeded("implausible-share-ignored") {
        return Ok(());
    }
    let columns: Vec<String> = rule.term.iter().flat_map(|term| term.columns()).map(|at| format!("`{}`", at.column)).collect();
    Err(Obstacle::new(
        Reason::ImplausibleDates,
        format!(
            "{implausible} of {table_rows} rows have a value in {} that can't be meant as a date{}; \
             is `start_format` right (seconds read as milliseconds, or the other way round)?",
            columns.join(" or "),
            if rule.term.iter().flat_map(|term| &term.ends).any(|end| end.setting().is_some()) { " or a period" } else { "" }
        ),
    ))
}

/// How many rows one sweep may take of a table of that size without approval; `None`: as many as are due.
pub fn share_limit(rule: &Rule, table_rows: u64) -> Option<u64> {
    if table_rows < SHARE_FROM_ROWS || rule.max_share >= 1.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a count")]
    Some((table_rows as f64 * rule.max_share) as u64)
}

/// The same where the table has `rows` rows or more: one that seems too small to be guarded may turn out not to be.
pub fn share_limit_of_at_least(rule: &Rule, rows: u64) -> Option<u64> {
    let unguarded = (rule.max_share < 1.0).then_some(SHARE_FROM_ROWS - 1);
    share_limit(rule, rows).or(unguarded)
}
