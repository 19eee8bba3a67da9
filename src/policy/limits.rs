//! How gently a source is treated, and a rule more gently still.
//!
//! A new limit is a field here and a line where [`Limits`] are read; one that a rule may narrow is a field of
//! [`RuleLimits`] too.

use std::time::Duration;

/// How gently a source is treated. `[sources.NAME.limits]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Never more rows than this in one transaction.
    pub max_batch_rows: u64,
    /// Batches grow and shrink to take about this long.
    pub target_batch_time: Duration,
    /// The longest wait for a lock, and five times this the longest idle time inside a transaction.
    pub lock_timeout: Duration,
    /// The longest statement.
    pub statement_timeout: Duration,
    /// A sweep waits while a replica is further behind.
    pub max_replica_lag: Duration,
    pub pace: Pace,
    /// Absent: no fixed limit; pacing still applies.
    pub max_rows_per_second: Option<u64>,
    /// So many processes may sweep one table at once, each its own parts.
    pub workers: u64,
}

/// `limits` of a rule: what it says narrows the source's, and never widens it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct RuleLimits {
    pub max_batch_rows: Option<u64>,
    pub target_batch_time: Option<Duration>,
    pub pace: Option<Pace>,
    pub max_rows_per_second: Option<u64>,
}

impl Limits {
    /// The narrower of the source's limits and the rule's.
    pub fn narrowed(self, rule: &RuleLimits) -> Self {
        let least = |one: Option<u64>, other: Option<u64>| one.into_iter().chain(other).min();
        Self {
            max_batch_rows: rule.max_batch_rows.map_or(self.max_batch_rows, |rows| rows.min(self.max_batch_rows)),
            target_batch_time: rule.target_batch_time.map_or(self.target_batch_time, |time| time.min(self.target_batch_time)),
            pace: if rule.pace == Some(Pace::Gentle) { Pace::Gentle } else { self.pace },
            max_rows_per_second: least(self.max_rows_per_second, rule.max_rows_per_second),
            ..self
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_batch_rows: 10_000,
            target_batch_time: Duration::from_millis(250),
            lock_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(30),
            max_replica_lag: Duration::from_secs(10),
            pace: Pace::Gentle,
            max_rows_per_second: None,
            workers: 1,
        }
    }
}

/// Whether a sweep pauses between batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Pauses as long as each batch took, so that other writers get their turn.
    Gentle,
    /// Larger batches, no courtesy pauses; time limits stay.
    Fast,
}

/// The words of `pace`.
pub const PACES: [(&str, Pace); 2] = [("gentle", Pace::Gentle), ("fast", Pace::Fast)];

/// Reads a length of time: "250ms", "2s", "1m".
///
/// # Errors
/// Says what is wrong with it; lengths must be positive, and a day at most.
pub fn parse_duration(text: &str) -> Result<Duration, InvalidDuration> {
    const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
    let duration: jiff::SignedDuration = text.parse().map_err(|_| InvalidDuration::Unreadable)?;
    let duration = Duration::try_from(duration).map_err(|_| InvalidDuration::NotPositive)?;
    match duration {
        // Servers count in whole milliseconds, and their zero means "no limit".
        shorter if shorter < Duration::from_millis(1) => Err(InvalidDuration::NotPositive),
        longer if longer > LONGEST => Err(InvalidDuration::TooLong),
        duration => Ok(duration),
    }
}

/// Why a text is no length of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidDuration {
    #[error("not a length of time; write it like \"250ms\", \"2s\" or \"1m\"")]
    Unreadable,
    #[error("must be at least 1ms")]
    NotPositive,
    #[error("must be a day at most")]
    TooLong,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_narrows_and_never_widens() {
        let source = Limits { max_rows_per_second: Some(100), ..Limits::default() };
        let wider =
            RuleLimits { max_batch_rows: Some(1_000_000), pace: Some(Pace::Fast), max_rows_per_second: Some(200), ..RuleLimits::default() };
        assert_eq!(source.narrowed(&wider), source);
        let narrower = RuleLimits { max_batch_rows: Some(10), target_batch_time: Some(Duration::from_millis(1)), ..RuleLimits::default() };
        let narrowed = Limits { pace: Pace::Fast, ..source }.narrowed(&RuleLimits { pace: Some(Pace::Gentle), ..narrower });
        assert_eq!(narrowed, Limits { max_batch_rows: 10, target_batch_time: Duration::from_millis(1), ..source });
    }

    #[test]
    fn lengths_of_time_are_read() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(parse_duration("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("1m 30s"), Ok(Duration::from_secs(90)));
    }

    #[test]
    fn what_would_switch_a_limit_off_is_refused() {
        assert_eq!(parse_duration("0s"), Err(InvalidDuration::NotPositive));
        assert_eq!(parse_duration("100us"), Err(InvalidDuration::NotPositive));
        assert_eq!(parse_duration("-2s"), Err(InvalidDuration::NotPositive));
        assert_eq!(parse_duration("2"), Err(InvalidDuration::Unreadable));
        assert_eq!(parse_duration("forever"), Err(InvalidDuration::Unreadable));
        assert_eq!(parse_duration("1000h"), Err(InvalidDuration::TooLong));
    }
}
