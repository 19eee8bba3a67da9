//! What keeps the rows of a rule longer than the rule itself.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{super::world::World, Protection, words};
use crate::{
    policy::{End, Rule, Term, period::Period},
    sweep::plan::competes,
};

/// The rules of the same table that may keep a row longer than this one does (law 3), as far as the files tell: a rule on a
/// partition or a parent protects rows too, and only the catalogue knows of those.
pub(super) fn protections(rule: &Rule, world: &World) -> Vec<Protection> {
    let schema = |rule: &Rule| {
        let of_source = || world.config.sources.get(&rule.source).map(|source| source.url.default_schema());
        rule.table.schema.clone().or_else(of_source)
    };
    let is_on_its_table = |other: &&Rule| {
        other.id != rule.id && other.source == rule.source && other.table.table == rule.table.table && schema(other) == schema(rule)
    };
    let protection = |other: &Rule, kept: Option<&Term>, in_words| Protection {
        rule: other.id.to_string(),
        action: other.action.name().to_owned(),
        keep_for: kept.map(super::keep_for),
        in_words,
    };
    let of_rule = |other: &Rule| {
        if !rule.action.acts() || !competes(rule, other) {
            return None;
        }
        let term = other.term.as_ref();
        if !rule.overrides.contains(&other.id) {
            let may_keep_longer = !never_longer(term, other, rule);
            return may_keep_longer.then(|| protection(other, term, words::protection(other)));
        }
        // Of one that counts as not matching, the legal minimum stands.
        let floor = term.and_then(Term::floor_alone).filter(|floor| !never_longer(Some(floor), other, rule))?;
        Some(protection(other, Some(&floor), words::legal_minimum(other, &floor)))
    };
    world.rules.iter().filter(is_on_its_table).filter_map(of_rule).collect()
}

/// Whether no row whatever ends later by a term of `other` than by `rule`: both count from the same, and each period of the one is
/// nowhere longer than one of the other's. Where that is not certain it is not told.
fn never_longer(theirs: Option<&Term>, other: &Rule, rule: &Rule) -> bool {
    let (Some(theirs), Some(own)) = (theirs, &rule.term) else { return false };
    let (Some(theirs), Some(own)) = (theirs.only(), own.only()) else { return false };
    let fixed = |end: &End| end.fixed().map(|length| [Some(length.keep_for), length.floor].into_iter().flatten().collect::<Vec<_>>());
    let (Some(their_periods), Some(own_periods)) = (fixed(theirs), fixed(own)) else { return false };
    // From one start to another a period differs by the days of a month and a leap day, and by hours between zones: by
    // less than a week in all.
    let end = |period: &Period| period.end(Timestamp::UNIX_EPOCH, &TimeZone::UTC);
    let far_longer = |longer: &Period, period: &Period| end(longer).duration_since(end(period)) > SignedDuration::from_hours(14 * 24);
    let is_covered =
        |period: &Period| own_periods.iter().any(|longer| longer.is_nowhere_shorter_than(period) || far_longer(longer, period));
    let one_start = own.start == theirs.start && own.start_at == theirs.start_at && other.timezone == rule.timezone;
    one_start && their_periods.iter().all(is_covered)
}
