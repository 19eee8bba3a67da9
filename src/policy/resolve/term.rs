//! When the rows of a rule end: `start`, `keep_for`, `ends` and what stands beside them.

use std::ops::Range;

use jiff::{Timestamp, tz::TimeZone};

use super::{
    SourceFacts,
    rule::{Check, value},
};
use crate::{
    diagnostic::{Diagnostic, fields::At},
    policy::{
        Dated, End, KeepFor, Setting, Start, StartAt, Term, Which, YearStart,
        period::Period,
        raw::{RawAction, RawDate, RawEnd, RawKeepFor, RawStart, RawStartAt},
    },
};

impl Check<'_> {
    /// When rows end: `Some(None)` for `keep` without a period.
    pub(super) fn term(&self, action: RawAction, facts: Option<&SourceFacts>) -> Option<Option<Term>> {
        let raw = self.raw;
        let is_written = |key: &str| raw.written.contains(key);
        if action == RawAction::Keep && !is_written("keep_for") && !is_written("ends") {
            self.misplaced(&raw.start, "a rule that keeps for ever has no start", "add `keep_for`, or leave `start` out to keep for ever");
            self.misplaced(&raw.floor, "a rule that keeps for ever needs no floor", "add `keep_for`, or leave `floor` out");
            return Some(None);
        }
        if is_written("ends") {
            return self.ends(facts).map(Some);
        }
        if raw.start.is_none() {
            self.missing("start", "the rule lacks `start`".to_owned(), Some("name the column that the period counts from".to_owned()));
        }
        if raw.keep_for.is_none() {
            let help = "say how long rows are kept, such as \"2 years\"; `action = \"keep\"` without it keeps for ever";
            self.missing("keep_for", "the rule lacks `keep_for`".to_owned(), Some(help.to_owned()));
        }
        let start = raw.start.as_ref()?;
        Some(Some(Term::of(End {
            start: self.start(start, facts),
            start_at: start_at(&raw.start_at, &raw.fiscal_year_start),
            keep_for: self.keep_for(raw.keep_for.as_ref()?),
            floor: value(&raw.floor),
            optional: false,
        })))
    }

    /// Several ends, each with its own start and period.
    fn ends(&self, facts: Option<&SourceFacts>) -> Option<Term> {
        let raw = self.raw;
        let help = "an end in `ends` has its own; leave one of them out";
        self.misplaced(&raw.start, "a rule with `ends` has no other `start`", help);
        self.misplaced(&raw.keep_for, "a rule with `ends` has no other `keep_for`", help);
        self.misplaced(&raw.start_at, "a rule with `ends` has no other `start_at`", help);
        self.misplaced(
            &raw.floor,
            "a rule with `ends` has no one start that a floor could count from",
            "say it as one of `ends = { latest = […] }`",
        );
        let ends = &raw.ends.as_ref()?.value;
        let end = |end: &At<RawEnd>| {
            self.optional(end.value.optional.as_ref(), ends.which);
            self.year_start(&end.value.start_at, &end.value.fiscal_year_start);
            let mut start = self.start(&end.value.start, facts);
            if let Some(optional) = end.value.optional.as_ref().filter(|optional| optional.value) {
                match start.dates.as_mut_slice() {
                    // Of several rows elsewhere some may lack the date, and the others still count.
                    [date] => date.optional = true,
                    _ => {
                        let error = self.error("misplaced-key", &optional.span, "an end with several dates can't be missing as a whole");
                        self.report(error.help("say `optional = true` of those of its dates that may be missing"));
                    }
                }
            }
            End {
                start,
                start_at: start_at(&end.value.start_at, &end.value.fiscal_year_start),
                keep_for: end.value.keep_for.as_ref().map_or_else(|| KeepFor::Fixed(Period::default()), |keep_for| self.keep_for(keep_for)),
                floor: None,
                optional: value(&end.value.optional).unwrap_or(false),
            }
        };
        Some(Term { which: ends.which, ends: ends.ends.iter().map(end).collect() })
    }

    /// What a date does not say of itself is what the rule says.
    fn start(&self, start: &At<RawStart>, facts: Option<&SourceFacts>) -> Start {
        let is_one = start.value.dates.len() == 1;
        let date = |date: &RawDate| {
            self.optional(date.optional.as_ref(), if is_one { Which::Earliest } else { start.value.which });
            Dated {
                at: date.at.value.clone(),
                format: value(&date.format).or_else(|| value(&self.raw.start_format)),
                never: value(&date.never).or_else(|| value(&self.raw.never)).unwrap_or_default(),
                naive: facts.and_then(|facts| facts.naive.clone()),
                optional: value(&date.optional).unwrap_or(false),
            }
        };
        Start { which: if is_one { Which::Latest } else { start.value.which }, dates: start.value.dates.iter().map(date).collect() }
    }

    /// Only the latest of several can do without one of them.
    fn optional(&self, optional: Option<&At<bool>>, which: Which) {
        if let Some(optional) = optional.filter(|optional| optional.value && which == Which::Earliest) {
            let error = self.error("misplaced-key", &optional.span, "`optional` is for the members of `latest`");
            self.report(
                error.help("of `earliest`, missing members never count; one date alone leaves its row undated: leave `optional` out"),
            );
        }
    }

    /// The bounds of a setting must leave room, and the period without one must be within them.
    fn keep_for(&self, keep_for: &At<RawKeepFor>) -> KeepFor {
        let setting = match &keep_for.value {
            RawKeepFor::Fixed(period) => return KeepFor::Fixed(*period),
            RawKeepFor::Setting(setting) => setting,
        };
        let Setting { default, min, max, .. } = setting;
        let exceeds = |one: &Option<Period>, other: &Option<Period>| match (one, other) {
            (Some(one), Some(other)) => is_longer(one, other),
            _ => false,
        };
        let mistakes = [
            (exceeds(min, max), "`min` is longer than `max`"),
            (exceeds(min, default), "`default` is shorter than `min`"),
            (exceeds(default, max), "`default` is longer than `max`"),
        ];
        for (_, message) in mistakes.into_iter().filter(|(is_wrong, _)| *is_wrong) {
            let error = self.error("out-of-range", &keep_for.span, message);
            self.report(error.help("`min` and `max` bound what is set, and the period where nothing is set lies between them"));
        }
        KeepFor::Setting(setting.clone())
    }

    /// A floor above the period is right but decides alone, which may not be what was meant.
    pub(super) fn floor(&self) {
        let (Some(floor), Some(At { value: RawKeepFor::Fixed(period), span, .. })) = (&self.raw.floor, &self.raw.keep_for) else { return };
        if is_longer(&floor.value, period) {
            let warning =
                Diagnostic::warning("floor-above-period", self.file.file.at(floor.span.clone()), "the floor is longer than the period");
            let warning = warning.label("rows are kept this long").also(self.file.file.at(span.clone()), "and not this long");
            self.report(warning.help("make `keep_for` at least as long as `floor`"));
        }
    }

    /// How a start is written says nothing where there is no start.
    pub(super) fn format(&self) {
        let raw = self.raw;
        if !raw.written.contains("start") && !raw.written.contains("ends") {
            let help = "add `start`, or leave this out";
            self.misplaced(&raw.start_format, "the rule has no start that could have a format", help);
            self.misplaced(&raw.never, "the rule has no start that could mean \"no date\"", help);
            self.misplaced(&raw.start_at, "the rule has no start that could be moved", help);
        }
        self.year_start(&raw.start_at, &raw.fiscal_year_start);
    }

    fn year_start(&self, start_at: &Option<At<RawStartAt>>, year_start: &Option<At<YearStart>>) {
        if value(start_at) != Some(RawStartAt::EndOfYear) {
            let help = "add `start_at = \"end_of_year\"`, or leave this out";
            self.misplaced(year_start, "only a rule that counts from the end of a year says when years begin", help);
        }
    }

    /// Where each date and each setting is written: `start.END.DATE` and `keep_for.END`, from 0.
    pub(super) fn spans_of_term(&self) -> Vec<(String, Range<usize>)> {
        let raw = self.raw;
        let mut spans = Vec::new();
        let mut end = |number: usize, start: &At<RawStart>, keep_for: Option<&At<RawKeepFor>>| {
            let dates = start.value.dates.iter().enumerate();
            spans.extend(dates.map(|(index, date)| (format!("start.{number}.{index}"), date.at.span.clone())));
            spans.extend(keep_for.map(|keep_for| (format!("keep_for.{number}"), keep_for.span.clone())));
        };
        match &raw.ends {
            Some(ends) => {
                ends.value.ends.iter().enumerate().for_each(|(number, one)| end(number, &one.value.start, one.value.keep_for.as_ref()));
            }
            None => raw.start.iter().for_each(|start| end(0, start, raw.keep_for.as_ref())),
        }
        let whole = [("start", raw.start.as_ref().map(|at| &at.span)), ("keep_for", raw.keep_for.as_ref().map(|at| &at.span))];
        let whole =
            whole.into_iter().chain([("ends", raw.ends.as_ref().map(|at| &at.span)), ("floor", raw.floor.as_ref().map(|at| &at.span))]);
        spans.extend(whole.filter_map(|(key, span)| Some((key.to_owned(), span?.clone()))));
        spans
    }
}

/// From where a period counts. A year begins on 1 January unless the rule says otherwise.
fn start_at(start_at: &Option<At<RawStartAt>>, year_start: &Option<At<YearStart>>) -> StartAt {
    match value(start_at) {
        None => StartAt::Start,
        Some(RawStartAt::EndOfMonth) => StartAt::EndOfMonth,
        Some(RawStartAt::EndOfYear) => StartAt::EndOfYear(value(year_start).unwrap_or_default()),
    }
}

fn is_longer(one: &Period, other: &Period) -> bool {
    one.end(Timestamp::UNIX_EPOCH, &TimeZone::UTC) > other.end(Timestamp::UNIX_EPOCH, &TimeZone::UTC)
}
