//! When a row ends: by its own start, and by what rows of another table say.

use jiff::Timestamp;

use super::{
    World,
    calendar::Period,
    means_nothing,
    model::{Parent, Row, Rule, Term},
};

/// What a rule reads in another table to tell when its rows end.
#[derive(Debug, Clone, PartialEq)]
pub enum Elsewhere {
    /// The start itself.
    Start,
    /// A second start; the later counts.
    Latest { optional: bool },
    /// A second start; the earlier counts.
    Earliest,
    /// The period, in days.
    Setting { default: Option<Period>, min: Option<Period>, max: Option<Period>, forever: Vec<i64> },
    /// A second end; the later counts.
    LaterEnd { optional: bool },
    /// A second end; the earlier counts.
    EarlierEnd,
}

/// Where a row stands in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Whether something is there that can't be meant.
    Undated(bool),
    Running,
    Ended,
}

/// What is said of one date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Date {
    Missing,
    Unmeant,
    At(Timestamp),
}

impl World {
    /// Where a row stands in time under a rule with a term, or under its floor alone. `cutoff` gives that of a period of the term's.
    pub fn time(&self, rule: &Rule, term: &Term, cutoff: &dyn Fn(Period) -> Timestamp, row: &Row, floor_alone: bool) -> Time {
        let own = self.own(term, row);
        let floor = term.floor.map(&cutoff).unwrap_or(Timestamp::MAX);
        let usual = if floor_alone { floor } else { cutoff(term.period).min(floor) };
        let by = |start: Result<Timestamp, bool>, cutoff: Timestamp| match start {
            Err(unmeant) => Time::Undated(unmeant),
            Ok(start) if start < cutoff => Time::Ended,
            Ok(_) => Time::Running,
        };
        match &rule.elsewhere {
            None => by(one(own), usual),
            Some(Elsewhere::Start) => by(one(looked_up(&row.parents, false)), usual),
            Some(Elsewhere::Latest { optional }) => by(latest(own, looked_up(&row.parents, *optional), *optional), usual),
            Some(Elsewhere::Earliest) => by(earliest(own, looked_up(&row.parents, false)), usual),
            Some(Elsewhere::Setting { .. }) if floor_alone => by(one(own), usual),
            Some(Elsewhere::Setting { default, min, max, forever }) => {
                let settings = if row.parents.is_empty() { vec![None] } else { row.parents.iter().map(|parent| parent.days).collect() };
                let (mut missing, mut unmeant, mut all) = (own == Date::Missing, own == Date::Unmeant, true);
                for set in settings {
                    let ends_before = match set {
                        None => match default {
                            None => {
                                missing = true;
                                continue;
                            }
                            Some(default) => cutoff(*default),
                        },
                        Some(days) if forever.contains(&days) => Timestamp::MIN,
                        Some(days) if days < 0 => {
                            unmeant = true;
                            continue;
                        }
                        Some(days) => {
                            let days = Period { days: i32::try_from(days).expect("a few days"), ..Period::default() };
                            let least = min.map(&cutoff).unwrap_or(Timestamp::MAX);
                            cutoff(days).min(least).max(max.map(&cutoff).unwrap_or(Timestamp::MIN))
                        }
                    };
                    all &= matches!(own, Date::At(start) if start < ends_before.min(floor));
                }
                match () {
                    () if unmeant || missing => Time::Undated(unmeant),
                    () if all => Time::Ended,
                    () => Time::Running,
                }
            }
            Some(Elsewhere::LaterEnd { optional }) => {
                let there = looked_up(&row.parents, *optional);
                match (by(one(own), usual), by(one(there), cutoff(Period::default()))) {
                    (Time::Undated(one), Time::Undated(other)) => Time::Undated(one || other),
                    (one, Time::Undated(false)) if *optional => one,
                    (Time::Undated(unmeant), _) | (_, Time::Undated(unmeant)) => Time::Undated(unmeant),
                    (Time::Ended, Time::Ended) => Time::Ended,
                    _ => Time::Running,
                }
            }
            Some(Elsewhere::EarlierEnd) => {
                let there = looked_up(&row.parents, false);
                match (by(one(own), usual), by(one(there), cutoff(Period::default()))) {
                    (Time::Undated(true), _) | (_, Time::Undated(true)) => Time::Undated(true),
                    (Time::Undated(false), Time::Undated(false)) => Time::Undated(false),
                    (Time::Ended, _) | (_, Time::Ended) => Time::Ended,
                    _ => Time::Running,
                }
            }
        }
    }

    fn own(&self, term: &Term, row: &Row) -> Date {
        match self.start(term, row) {
            Some((start, _)) => Date::At(start),
            None if means_nothing(term, &row.cells[term.start]) => Date::Missing,
            None => Date::Unmeant,
        }
    }
}

/// The latest of the rows; what leaves one of them open, leaves all open.
fn looked_up(parents: &[Parent], optional: bool) -> Date {
    let dates: Vec<Date> = parents.iter().map(|parent| parent.at).filter(|date| !optional || *date != Date::Missing).collect();
    if dates.contains(&Date::Unmeant) {
        return Date::Unmeant;
    }
    let there: Option<Vec<Timestamp>> = dates.iter().map(|date| if let Date::At(at) = date { Some(*at) } else { None }).collect();
    there.and_then(|there| there.into_iter().max()).map_or(Date::Missing, Date::At)
}

/// `Err` says whether something is there that can't be meant.
fn one(date: Date) -> Result<Timestamp, bool> {
    match date {
        Date::At(at) => Ok(at),
        Date::Missing => Err(false),
        Date::Unmeant => Err(true),
    }
}

fn latest(own: Date, other: Date, optional: bool) -> Result<Timestamp, bool> {
    match (own, other) {
        (Date::Unmeant, _) | (_, Date::Unmeant) => Err(true),
        (Date::At(own), Date::Missing) if optional => Ok(own),
        (Date::At(own), Date::At(other)) => Ok(own.max(other)),
        _ => Err(false),
    }
}

fn earliest(own: Date, other: Date) -> Result<Timestamp, bool> {
    match (own, other) {
        (Date::Unmeant, _) | (_, Date::Unmeant) => Err(true),
        (Date::At(own), Date::At(other)) => Ok(own.min(other)),
        (Date::At(at), Date::Missing) | (Date::Missing, Date::At(at)) => Ok(at),
        (Date::Missing, Date::Missing) => Err(false),
    }
}
