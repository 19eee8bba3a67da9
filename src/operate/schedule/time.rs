//! When rows end, in words: from where a period counts, and how long it is.

use jiff::civil::Date;

use super::words::Words;
use crate::policy::{ColumnAt, Dated, End, KeepFor, Setting, Start, StartAt, Term, period::Period};

/// "1 year, 6 months and 14 days".
pub fn period(period: &Period) -> String {
    let written = period.to_string();
    let words: Vec<&str> = written.split(' ').collect();
    let mut counts: Vec<String> = words.chunks(2).map(|count| count.join(" ")).collect();
    let last = counts.pop().unwrap_or_default();
    if counts.is_empty() { last } else { format!("{} and {last}", counts.join(", ")) }
}

/// How long the rows of a rule are kept.
pub fn kept_for(term: Option<&Term>) -> Words {
    let Some(term) = term else { return Words::text("without end") };
    let Some(end) = term.only() else {
        let ends = Words::joined(term.ends.iter().map(one_of_ends), "; ");
        return Words::text(format!("until the {} of several ends: ", term.which.name())).with(ends);
    };
    // A floor that the period covers anyway decides nothing.
    let floor = end.floor.as_ref().filter(|floor| !matches!(&end.keep_for, KeepFor::Fixed(fixed) if fixed.is_nowhere_shorter_than(floor)));
    let kept = keep_for(&end.keep_for);
    match floor {
        Some(floor) => kept.say(format!(" or {}, whichever ends later", period(floor))),
        None => kept,
    }
}

/// The same in a few words.
pub fn kept_in_short(term: &Term) -> String {
    match term.only() {
        None => format!("the {} of several ends", term.which.name()),
        Some(End { keep_for: KeepFor::Setting(_), .. }) => "a period that is set for each".to_owned(),
        Some(_) => kept_for(Some(term)).to_string(),
    }
}

fn one_of_ends(end: &End) -> Words {
    let from = counted_from_end(end);
    let words = match &end.keep_for {
        KeepFor::Fixed(fixed) if *fixed == Period::default() => from,
        kept => keep_for(kept).say(" from ").with(from),
    };
    if end.optional { words.say(" (if there is one)") } else { words }
}

fn keep_for(kept: &KeepFor) -> Words {
    match kept {
        KeepFor::Fixed(fixed) => Words::text(period(fixed)),
        KeepFor::Setting(setting) => self::setting(setting),
    }
}

fn setting(setting: &Setting) -> Words {
    let words = Words::text(format!("as many {} as ", setting.unit.name())).with(column(&setting.at)).say(" says");
    let bound = |word: &str, bound: &Option<Period>| bound.as_ref().map(|bound| format!("{word} {}", period(bound)));
    let forever: Vec<String> = setting.forever.iter().map(i64::to_string).collect();
    let unset = setting.default.as_ref().map(|default| format!("{} where nothing is set", period(default)));
    let without_end = (!forever.is_empty()).then(|| format!("without end where it is {}", forever.join(" or ")));
    let notes: Vec<String> =
        [bound("at least", &setting.min), bound("at most", &setting.max), unset, without_end].into_iter().flatten().collect();
    if notes.is_empty() { words } else { words.say(format!(" ({})", notes.join("; "))) }
}

/// From where the period counts; `None`: nothing is counted, or each of several ends has its own start.
pub fn counted_from(term: Option<&Term>) -> Option<Words> {
    term?.only().map(counted_from_end)
}

fn counted_from_end(end: &End) -> Words {
    let from = start(&end.start);
    let end_of = |what: &str| Words::text(format!("the end of the {what} in which ")).with(from.clone()).say(" lies");
    match end.start_at {
        StartAt::Start => from,
        StartAt::EndOfMonth => end_of("month"),
        StartAt::EndOfYear(start) if start == Default::default() => end_of("calendar year"),
        StartAt::EndOfYear(start) => {
            // A year like most.
            let day = format!("2001-{start}").parse().map_or_else(|_| start.to_string(), |day: Date| day.strftime("%-d %B").to_string());
            end_of("year").say(format!(" (years begin on {day})"))
        }
    }
}

/// Which dates count.
pub fn start(start: &Start) -> Words {
    let date = |date: &Dated| {
        let words = column(&date.at);
        if date.optional { words.say(" (if there is one)") } else { words }
    };
    match start.dates.as_slice() {
        [one] => column(&one.at),
        dates => Words::text(format!("the {} of ", start.which.name())).with(Words::joined(dates.iter().map(date), ", ")),
    }
}

/// A column, and where it is.
pub fn column(at: &ColumnAt) -> Words {
    let words = Words::code(&at.column);
    match at.through.last() {
        Some(hop) => words.say(" of ").name(hop.table.to_string()),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_said_in_the_singular_and_the_plural() {
        for (written, said) in [
            ("1 year", "1 year"),
            ("P2Y", "2 years"),
            ("18 months", "1 year and 6 months"),
            ("1 year 1 month 1 day 1 hour", "1 year, 1 month, 1 day and 1 hour"),
            ("2 weeks", "14 days"),
            ("0 days", "0 days"),
        ] {
            assert_eq!(period(&written.parse().unwrap()), said, "{written}");
        }
    }
}
