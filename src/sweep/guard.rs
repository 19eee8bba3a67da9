//! What makes a rule wait for a person, or for its hour, although it could act.

use jiff::Timestamp;

use super::obstacle::{Obstacle, Reason};
use crate::{
    clock::hex,
    config,
    engine::shape::Shape,
    fault,
    policy::{FirstSweep, Mode, Rule},
    sql::selection::Counts,
    state::Approval,
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
}

/// Whether the source may be swept at this hour.
///
/// # Errors
/// [`Reason::Window`].
pub fn window(source: &config::Source, timezone: &jiff::tz::TimeZone, now: Timestamp, request: &Request) -> Result<(), Obstacle> {
    match &source.window {
        Some(window) if request.outside_window.is_none() && !window.contains(now, timezone) => Err(Obstacle::new(
            Reason::Window,
            format!("source `{}` is swept in its window {window} only; `--outside-window --reason …` sweeps now", source.name),
        )),
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
    let column = rule.term.as_ref().map_or("", |term| term.start.column.as_str());
    Err(Obstacle::new(
        Reason::ImplausibleDates,
        format!(
            "{implausible} of {table_rows} rows have a value in `{column}` that can't be meant as a date; \
             is `start_format` right (seconds read as milliseconds, or the other way round)?"
        ),
    ))
}

/// Whether a new rule was approved, and whether it takes more than its share.
///
/// # Errors
/// [`Reason::Approval`] or [`Reason::MaxShare`].
pub fn approval(
    rule: &Rule,
    digest: &str,
    approval: Option<&Approval>,
    counts: Option<&Counts>,
    request: &Request,
) -> Result<(), Obstacle> {
    if request.approve || request.dry_run {
        return Ok(());
    }
    if rule.first_sweep == FirstSweep::Approve && approval.is_none_or(|approval| approval.digest != digest) {
        let why =
            if approval.is_some() { "the rule, its competitors or its table changed since it was approved" } else { "the rule is new" };
        return Err(Obstacle::new(
            Reason::Approval,
            format!("{why}; look at `retentiond plan {}`, then let it go with `retentiond sweep --approve {}`", rule.id, rule.id),
        ));
    }
    let Some(counts) = counts else { return Ok(()) };
    match share_limit(rule, counts.total) {
        Some(limit) if counts.due > limit => Err(Obstacle::new(
            Reason::MaxShare,
            format!(
                "{} of {} rows are due, more than `max_share` allows; `retentiond sweep --approve {}` takes them",
                counts.due, counts.total, rule.id
            ),
        )),
        _ => Ok(()),
    }
}

/// How many rows an approval lets go: ten per cent more than were counted, because rows go on arriving.
pub fn approved_rows(counts: &Counts) -> u64 {
    counts.due + counts.due / 10
}

/// How many rows one sweep may take of a table of that size without approval; `None`: as many as are due.
pub fn share_limit(rule: &Rule, table_rows: u64) -> Option<u64> {
    if table_rows < SHARE_FROM_ROWS || rule.max_share >= 1.0 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a count")]
    Some((table_rows as f64 * rule.max_share) as u64)
}

/// What an approval is an approval of: the rule, the rules it meets, and the shape of the table.
pub fn digest(rule: &Rule, competitors: &[&Rule], shape: &Shape) -> String {
    use sha2::{Digest as _, Sha256};
    let mut others: Vec<&str> = competitors.iter().filter(|other| other.id != rule.id).map(|other| other.canonical.as_str()).collect();
    others.sort_unstable();
    let columns = shape.columns.iter().map(|column| format!("{}:{}:{}", column.name, column.declared, column.nullable));
    let keys = shape.referenced_by.iter().map(|key| format!("{key:?}"));
    let mut hasher = Sha256::new();
    let others = others.into_iter().map(str::to_owned);
    for part in std::iter::once(rule.canonical.clone()).chain(others).chain(columns).chain(keys) {
        // The length before each part, so that no two lists of parts read alike.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}
