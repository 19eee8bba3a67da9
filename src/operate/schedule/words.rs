//! What a rule says, in words that a person who never saw a rule file can read.
//!
//! [`Words`] are text with names and moments marked in it, so that each form of the document can set them in its own way;
//! in JSON they are plain text. A strategy, an action or a basis that is new is an arm here.

use std::fmt;

use jiff::{Timestamp, civil::Date};
use serde::{Serialize, Serializer};

use super::time;
use crate::policy::{
    Action, Archive, Basis, Dependent, Evidence, Mode, OnErasure, OnNull, Residue, Rule, RuleId, StrategySpec, Subjects, Term, Then, Wait,
    schedule::Schedule,
};

/// A piece of a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Text(String),
    /// A name or an expression, as the rule or the database has it.
    Code(String),
    Instant(Timestamp),
    Day(Date),
}

/// A sentence, or a part of one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words(Vec<Piece>);

impl Words {
    /// These words.
    pub fn text(text: impl Into<String>) -> Self {
        Self(vec![Piece::Text(text.into())])
    }

    /// A name or an expression.
    pub fn code(name: impl Into<String>) -> Self {
        Self(vec![Piece::Code(name.into())])
    }

    /// A moment.
    pub fn instant(at: Timestamp) -> Self {
        Self(vec![Piece::Instant(at)])
    }

    /// A day.
    pub fn day(day: Date) -> Self {
        Self(vec![Piece::Day(day)])
    }

    /// Goes on with this text.
    #[must_use]
    pub fn say(self, text: impl Into<String>) -> Self {
        self.with(Self::text(text))
    }

    /// Goes on with this name or expression.
    #[must_use]
    pub fn name(self, name: impl Into<String>) -> Self {
        self.with(Self::code(name))
    }

    /// Goes on with these words.
    #[must_use]
    pub fn with(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }

    /// What it consists of.
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Several, with this between them.
    pub fn joined(all: impl IntoIterator<Item = Self>, between: &str) -> Self {
        let mut all = all.into_iter();
        let first = all.next().unwrap_or_default();
        all.fold(first, |words, more| words.say(between).with(more))
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Code(text) => f.write_str(text),
            Self::Instant(at) => write!(f, "{}", at.strftime("%-d %B %Y, %H:%M UTC")),
            Self::Day(day) => write!(f, "{}", day.strftime("%-d %B %Y")),
        }
    }
}

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|piece| piece.fmt(f))
    }
}

impl Serialize for Words {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What becomes of the rows before they go.
pub fn archived(archive: &Archive) -> Words {
    let kept = time::period(&archive.keep_for);
    Words::text("before that they are copied to an archive (")
        .name(archive.to.as_str())
        .say(format!("); a copy is kept for {kept}, counted from when it was made, and then removed"))
}

/// What can be told of single rows afterwards.
pub fn evidenced(evidence: Evidence) -> Option<Words> {
    Some(Words::text(match evidence {
        Evidence::Batch => return None,
        Evidence::Subject => "a keyed digest of each person among them is kept as evidence",
        Evidence::Row => "a keyed digest of the key of each row is kept as evidence",
    }))
}

/// "Deleted after 3 years": the rule in a few words.
pub fn summary(rule: &Rule) -> String {
    let kept = rule.term.as_ref().map(time::kept_in_short).unwrap_or_default();
    let at_once = kept == "0 days";
    if let Some(archive) = &rule.archive {
        let deleted = if at_once { "Deleted at once".to_owned() } else { format!("Deleted after {kept}") };
        return format!("{deleted}; archived, and kept there for {}", time::period(&archive.keep_for));
    }
    match (&rule.action, &rule.term) {
        (Action::Keep { .. }, None) => "Kept without end".to_owned(),
        (Action::Keep { .. }, Some(_)) => format!("Kept for {kept}"),
        (Action::Delete, _) if at_once => "Deleted at once".to_owned(),
        (Action::Delete, _) => format!("Deleted after {kept}"),
        (Action::Anonymise { .. }, _) if at_once => "Anonymised at once".to_owned(),
        (Action::Anonymise { .. }, _) => format!("Anonymised after {kept}"),
    }
}

/// Which rows the rule is about, and which of them not.
pub fn rows(rule: &Rule, overridden_by: &[&RuleId]) -> Words {
    let table = rule.table.to_string();
    let mut words = match (&rule.condition, &rule.tenant) {
        (None, None) => Words::text("all rows of ").name(table),
        _ => Words::text("rows of ").name(table),
    };
    if let Some(tenant) = &rule.tenant {
        words = words.say(" of the tenant ").name(&tenant.is).say(" (").name(&tenant.column).say(")");
    }
    if let Some(condition) = &rule.condition {
        words = words.say(" for which ").name(&condition.text);
    }
    if overridden_by.is_empty() {
        return words;
    }
    let others = Words::joined(overridden_by.iter().map(|id| Words::code(id.as_str())), " or ");
    words.say(", except those for which ").with(others).say(" takes its place")
}

/// Whose rows they are.
pub fn whose(subjects: &Subjects) -> Words {
    match subjects {
        Subjects::Unstated => Words::text("not stated"),
        Subjects::Nobody { reason } => Words::text(format!("nobody’s: {reason}")),
        Subjects::Of { subjects, on_null } => {
            let each = subjects.iter().map(|subject| Words::text(format!("{} (", subject.kind)).with(time::column(&subject.at)).say(")"));
            let words = Words::joined(each, ", ");
            match on_null {
                OnNull::Nobody => words,
                OnNull::Hold => words.say("; a row without one could be anybody’s, and stays while anybody is held"),
            }
        }
    }
}

/// What happens in the end.
pub fn action(rule: &Rule) -> Words {
    let words = Words::text(match (&rule.action, &rule.term) {
        (Action::Delete, _) => "the rows are deleted",
        (Action::Anonymise { .. }, _) => "columns are anonymised, and the rows stay",
        (Action::Keep { .. }, None) => "the rows are kept: no rule deletes or anonymises them",
        (Action::Keep { .. }, Some(_)) => "until then no rule deletes or anonymises the rows; then this rule keeps them no more",
    });
    let words = match &rule.suppress {
        Some(suppress) => words.say(", and of each ").say(suppress.in_words()),
        None => words,
    };
    let words = match rule.residue {
        Some(residue) => words.say(residue_words(residue)),
        None => words,
    };
    match rule.mode {
        Mode::Enforce => words,
        Mode::Observe if !rule.action.acts() => words,
        Mode::Observe => words.say(". Not enforced: the rule only observes, and nothing is carried out"),
    }
}

/// What becomes of the bytes that rows leave behind.
fn residue_words(residue: Residue) -> &'static str {
    match residue {
        Residue::Logical => "; what they leave behind in the database’s files stays there until something else takes its place",
        Residue::Compacted => {
            "; afterwards the database is asked to clean up what they leave behind, as far as it can in place, and each sweep’s report says what \
             remains and until when"
        }
        Residue::Rewritten => {
            "; afterwards the table is written anew without what they leave behind, and each sweep’s report says what remains in logs and \
             copies, and until when"
        }
    }
}

/// What becomes of a value.
pub fn strategy(spec: &StrategySpec) -> Words {
    match spec {
        StrategySpec::Null => Words::text("emptied"),
        StrategySpec::Fixed { value, replace_null } => {
            let words = if value.is_empty() { Words::text("replaced by nothing") } else { Words::text("replaced by ").name(value) };
            let words = words.say(" in every row");
            if *replace_null { words.say(", also where it was empty") } else { words }
        }
        StrategySpec::Hmac { key, normalise } => {
            let words = Words::text("replaced by a pseudonym (HMAC-SHA-256 with the key ").name(key);
            let words = if normalise.is_some() { words.say(", the same for every spelling of an e-mail address") } else { words };
            words.say("), which whoever has the key can link to the value")
        }
        StrategySpec::Random => Words::text("replaced by a random value"),
        StrategySpec::TruncateIp { v4, v6 } => {
            Words::text(format!("network addresses cut to their first {v4} bits (IPv4) or {v6} bits (IPv6)"))
        }
        StrategySpec::Mask => {
            Words::text("masked: of an e-mail address the first character and the domain stay, of a phone number the last two digits")
        }
        StrategySpec::DateTrunc { unit } => Words::text(format!("reduced to the {}", unit.name())),
        StrategySpec::Round { to } => Words::text(format!("rounded to a multiple of {to}")),
        StrategySpec::Json { places } => {
            let each = places.iter().map(|(path, spec)| Words::code(path.to_string()).say(" ").with(strategy(spec)));
            Words::text("inside the document: ").with(Words::joined(each, "; "))
        }
    }
}

/// What becomes of the rows on a request.
pub fn on_erasure(on_erasure: OnErasure) -> &'static str {
    match on_erasure {
        OnErasure::Delete => "the rows are deleted",
        OnErasure::Anonymise => "the rows are anonymised",
        OnErasure::Withhold => "the rows are withheld until their end",
    }
}

/// The basis in law.
pub fn basis(basis: Basis) -> &'static str {
    match basis {
        Basis::Consent => "consent (Article 6(1)(a) GDPR)",
        Basis::Contract => "contract (Article 6(1)(b) GDPR)",
        Basis::LegalObligation => "legal obligation (Article 6(1)(c) GDPR)",
        Basis::VitalInterests => "vital interests (Article 6(1)(d) GDPR)",
        Basis::PublicTask => "public task (Article 6(1)(e) GDPR)",
        Basis::LegitimateInterests => "legitimate interests (Article 6(1)(f) GDPR)",
    }
}

/// What another rule of the table keeps longer.
pub fn protection(other: &Rule) -> Words {
    let (rows, kept) = (rows(other, &[]), time::kept_for(other.term.as_ref()));
    let words = Words::code(other.id.as_str());
    if other.term.is_none() {
        return words.say(" keeps ").with(rows).say(" without end");
    }
    let from = time::counted_from(other.term.as_ref()).map(|from| Words::text(", counted from ").with(from)).unwrap_or_default();
    // What has several ends says "until" by itself.
    let [for_so_long, after] = if from.pieces().is_empty() { [" ", " "] } else { [" for ", " after "] };
    match other.action {
        Action::Keep { .. } => words.say(" keeps ").with(rows).say(for_so_long),
        Action::Delete => words.say(" lets ").with(rows).say(format!(" go no sooner than{after}")),
        Action::Anonymise { .. } => words.say(" anonymises ").with(rows).say(format!(" no sooner than{after}")),
    }
    .with(kept)
    .with(from)
}

/// What another rule keeps although this one takes its place.
pub fn legal_minimum(other: &Rule, floor: &Term) -> Words {
    let words = Words::code(other.id.as_str()).say(" keeps ").with(rows(other, &[]));
    let words = words.say(" for its legal minimum of ").with(time::kept_for(Some(floor)));
    time::counted_from(Some(floor)).into_iter().fold(words, |words, from| words.say(", counted from ").with(from))
}

/// What is waited for.
pub fn wait(wait: &Wait) -> Words {
    let pairs = wait.on.iter().map(|(own, theirs)| Words::text("its ").name(theirs).say(" is the row’s ").name(own));
    Words::text("rows stay while ").name(wait.table.to_string()).say(" has one that belongs to them: ").with(Words::joined(pairs, ", "))
}

/// What goes with a rule's rows.
pub fn dependent(dependent: &Dependent) -> Words {
    let pairs = dependent.on.iter().map(|(own, theirs)| Words::text("its ").name(theirs).say(" is the other’s ").name(own));
    let rows = Words::text("rows of ").name(dependent.table.to_string());
    let rows = dependent.condition.iter().fold(rows, |rows, condition| rows.say(" where ").name(&condition.text));
    let what = match &dependent.then {
        Then::Delete => Words::text(" are deleted"),
        Then::Detach => Words::text(" are detached"),
        Then::Anonymise(columns) => {
            let columns = columns.iter().map(|(column, spec)| Words::code(column).say(" ").with(strategy(spec)));
            Words::text(" are anonymised (").with(Words::joined(columns, "; ")).say(")")
        }
    };
    rows.with(what).say(": ").with(Words::joined(pairs, ", "))
}

/// "every day at 02:00", or the pattern where it says more than that.
pub fn sweeps(schedule: &Schedule) -> Words {
    let fields: Vec<&str> = schedule.as_str().split_whitespace().collect();
    let number = |text: &str| text.parse::<u8>().ok();
    if let [minute, hour, "*", "*", "*"] = fields.as_slice() {
        match (number(minute), number(hour)) {
            (Some(minute), Some(hour)) => return Words::text(format!("every day at {hour:02}:{minute:02}")),
            (Some(minute), None) if *hour == "*" => return Words::text(format!("every hour at minute {minute}")),
            _ => {}
        }
    }
    Words::text("by the cron pattern ").name(schedule.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schedules_that_are_simple_are_said_in_words() {
        for (written, said) in [
            ("0 2 * * *", "every day at 02:00"),
            ("5 * * * *", "every hour at minute 5"),
            ("0 2 * * MON", "by the cron pattern 0 2 * * MON"),
            ("*/5 2 * * *", "by the cron pattern */5 2 * * *"),
            ("0 0 2 * * *", "by the cron pattern 0 0 2 * * *"),
        ] {
            assert_eq!(sweeps(&written.parse().unwrap()).to_string(), said);
        }
    }
}
