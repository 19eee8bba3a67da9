//! What a document of the schedule tells, and in which order, whatever form it takes.
//!
//! A form sets what these functions say and adds nothing of its own. Another line of a rule is one in [`facts`], another
//! remark for all readers one in [`reading`].

use super::{Remembered, ScheduleReport, ScheduledPolicy, ScheduledRule, words::Words};
use crate::sweep::obstacle::{Outcome, Reason};

/// What stands above everything.
pub const TITLE: &str = "Retention schedule";
/// What stands above the remarks for all readers.
pub const READING: &str = "How to read this schedule";
/// The columns of a policy's overview; the first names the row.
pub const OVERVIEW: [&str; 6] = ["Category", "What happens", "Data", "Counted from", "Legal basis", "Last swept"];

/// What is said of a policy without rules.
pub const NO_RULES: &str = "This policy has no rules.";

/// A label and what is to be said under it, each in a line of its own.
pub struct Fact {
    pub label: &'static str,
    pub lines: Vec<Words>,
}

impl Fact {
    fn one(label: &'static str, words: Words) -> Self {
        Self { label, lines: vec![words] }
    }

    fn text(label: &'static str, text: Option<&String>) -> Option<Self> {
        text.map(|text| Self::one(label, Words::text(text)))
    }
}

/// A text without what would act on its surroundings unseen: control characters, line breaks apart, and those that turn the
/// direction of writing.
pub fn printable(text: &str) -> String {
    let acts =
        |sign: char| (sign.is_control() && !sign.is_whitespace()) || matches!(sign, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars().map(|sign| if acts(sign) { char::REPLACEMENT_CHARACTER } else { sign }).collect()
}

/// When and by what it was made.
pub fn made(report: &ScheduleReport) -> Words {
    let made = Words::text("As of ").with(Words::instant(report.as_of));
    made.say(format!(". Made by {} from the rules in force.", report.made_by))
}

/// What a reader has to know to read the rest: law 1, what keeps data longer, and what is not in here.
pub fn reading(report: &ScheduleReport) -> Vec<Fact> {
    let zone = &report.timezone;
    let holds = match report.holds_active {
        Some(0) => "No legal hold is in force now.".to_owned(),
        Some(1) => "One legal hold is in force now.".to_owned(),
        Some(holds) => format!("{holds} legal holds are in force now."),
        None => "How many are in force now could not be read.".to_owned(),
    };
    let remembered = match report.state {
        Remembered::Read => "“Last swept” is when the last recorded sweep began that did all that was due.",
        Remembered::Missing => "Nothing was swept yet.",
        Remembered::Unreachable => "When the rules were last swept could not be read when this document was made.",
    };
    vec![
        Fact::one(
            "What a period means",
            Words::text(format!(
                "A period begins at the moment that it is counted from, and data are never deleted or anonymised before all of it has passed. \
                 Where its last day does not exist, as one year after 29 February, it ends when the next day begins. It is counted on the \
                 calendar of the time zone {zone}, unless a rule names another. A date without a time of day counts from the end of that day."
            )),
        ),
        Fact::one(
            "When data go",
            Words::text(format!(
                "Data go with the first sweep after the end of their period, and not at the end itself. {remembered} Data whose start is \
                 missing or can’t be read are kept."
            )),
        ),
        Fact::one(
            "What keeps data longer",
            Words::text(
                "Where several rules are about the same data, they stay until the last of those rules that protect them lets them go; the \
                 rules that may do so are named. Where it can’t be told whether a rule is about a row, it protects that row. Rows that others in the \
                 database refer to may stay as well.",
            ),
        ),
        Fact::one(
            "Legal holds",
            Words::text(format!(
                "A legal hold takes precedence over every rule. While one stands, nothing that it covers is deleted or anonymised, and no \
                 period in this document promises that it will be. {holds}"
            )),
        ),
        Fact::one(
            "What this is about",
            Words::text("The databases and tables that are named here. Backups and copies elsewhere are not in it."),
        ),
    ]
}

/// What a policy is called.
pub fn policy_title(policy: &ScheduledPolicy) -> &str {
    policy.title.as_deref().unwrap_or(&policy.policy)
}

/// What is said of a policy as a whole.
pub fn policy_facts(policy: &ScheduledPolicy) -> Vec<Fact> {
    let reviewed = policy.reviewed.map_or_else(|| Words::text("no date is given"), Words::day);
    [
        policy.title.as_ref().map(|_| Fact::one("Policy", Words::code(&policy.policy))),
        Fact::text("Reference", policy.reference.as_ref()),
        Some(Fact::one("Last reviewed", reviewed)),
        Fact::text("Owner", policy.owner.as_ref()),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// The cells of a rule in the overview, behind its category.
pub fn overview(rule: &ScheduledRule, report: &ScheduleReport) -> [Words; 5] {
    let told = &rule.in_words;
    let summary = Words::text(&told.summary);
    [
        if is_enforced(rule) { summary } else { summary.say(" (not enforced)") },
        told.rows.clone(),
        told.start.clone().unwrap_or_else(|| Words::text("–")),
        Words::text(told.basis.unwrap_or("not stated")),
        last_swept(rule, report),
    ]
}

/// Everything that is said of a rule.
pub fn facts(rule: &ScheduledRule, report: &ScheduleReport) -> Vec<Fact> {
    let told = &rule.in_words;
    let column = |column: &super::ScheduledColumn| Words::code(&column.column).say(": ").with(column.in_words.clone());
    let mut action = vec![told.action.clone()];
    action.extend(rule.archive.iter().map(|archive| archive.in_words.clone()));
    action.extend(rule.evidence_in_words.clone());
    action.extend(rule.anonymise.iter().map(column));
    let names = |names: &[String]| {
        let mut names = names.iter();
        let first = names.next().map(Words::code);
        first.map(|first| names.fold(first, |words, name| words.say(", ").name(name)))
    };
    let period = told.period.clone().say(format!(" (time zone {})", rule.timezone));
    let optional = |label, words: Option<Words>| words.map(|words| Fact::one(label, words));
    [
        Some(Fact::one("Data", told.rows.clone())),
        Some(Fact::one("Whose data", told.whose.clone())),
        Fact::text("Purpose", rule.purpose.as_ref()),
        told.on_erasure.map(|on_erasure| Fact::one("On a request for erasure", Words::text(on_erasure))),
        Some(Fact::one("Legal basis", Words::text(told.basis.unwrap_or("not stated")))),
        Some(Fact::one("Period", if rule.keep_for.is_some() { period } else { told.period.clone() })),
        optional("Counted from", told.start.clone()),
        told.floor
            .as_ref()
            .map(|floor| Fact::one("Legal minimum", Words::text(format!("{floor}, counted from the same; no other rule shortens it")))),
        Some(Fact { label: "What happens", lines: action }),
        Some(Fact { label: "What goes with it", lines: rule.dependents.iter().map(|one| one.in_words.clone()).collect() })
            .filter(|fact| !fact.lines.is_empty()),
        optional("Kept on purpose", names(&rule.retains).map(|names| Words::text("unchanged: ").with(names))),
        Fact::text("Reason", rule.reason.as_ref()),
        optional("Takes the place of", names(&rule.overrides)),
        Some(Fact { label: "Protected by", lines: protected_by(rule) }),
        Fact::text("Owner", rule.owner.as_ref()),
        Some(Fact { label: "Where enforced", lines: enforced(rule) }),
        Some(Fact::one("Last swept", last_swept(rule, report))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn protected_by(rule: &ScheduledRule) -> Vec<Words> {
    if rule.action == "keep" {
        return vec![Words::text("this rule itself")];
    }
    let rules = rule.protected_by.iter().map(|protection| protection.in_words.clone());
    let waits = rule.wait_for.iter().map(|wait| wait.in_words.clone());
    rules.chain(waits).chain([Words::text("legal holds, while they are in force")]).collect()
}

fn is_enforced(rule: &ScheduledRule) -> bool {
    rule.mode == "enforce" || rule.action == "keep"
}

fn enforced(rule: &ScheduledRule) -> Vec<Words> {
    let place = Words::text("table ").name(&rule.table).say(" of the source ").name(&rule.source);
    if !is_enforced(rule) {
        return vec![place.say("; observed only, and not enforced")];
    }
    if rule.action == "keep" {
        return vec![place.say(", at every sweep of another rule")];
    }
    let window = rule.window.as_ref().map(|window| format!(", between {}", window.replace('-', " and "))).unwrap_or_default();
    let swept = Words::text("swept ").with(rule.in_words.sweeps.clone()).say(format!("{window} ({})", rule.timezone));
    let paused = rule.paused_since.map(|since| Words::text("paused since ").with(Words::instant(since)));
    [place, swept].into_iter().chain(paused).chain(blocked(rule)).collect()
}

/// Why it was not enforced, unless that is in the course of things.
fn blocked(rule: &ScheduledRule) -> Option<Words> {
    let blocked = rule.blocked.as_ref()?;
    let reason = Reason::ALL.iter().copied().find(|reason| reason.name() == blocked.reason)?;
    let why = match (reason, reason.outcome()) {
        (Reason::HoldPending | Reason::ReplicaLag, _) => "it waits for a database",
        (_, Outcome::Guarded) => "it waits for a person",
        (_, Outcome::Refused) => "it can’t be enforced as things are",
        (_, Outcome::Failed) => "a database failed or could not be reached",
        _ => return None,
    };
    let words = Words::text("not enforced since ").with(Words::instant(blocked.since));
    Some(words.say(format!(": {why} (")).name(&blocked.reason).say(")"))
}

fn last_swept(rule: &ScheduledRule, report: &ScheduleReport) -> Words {
    if rule.last_swept.is_none() && (rule.action == "keep" || !is_enforced(rule)) {
        let what = if is_enforced(rule) { "keeps" } else { "observes" };
        return Words::text(format!("does not apply: the rule only {what}"));
    }
    let last = rule.last_sweep.as_ref().filter(|last| Some(last.started_at) != rule.last_swept);
    let words = match (rule.last_swept, report.state) {
        (_, Remembered::Unreachable) => return Words::text("could not be read"),
        (Some(at), _) => Words::instant(at),
        (None, _) if last.is_some() => Words::text("never to the end"),
        (None, Remembered::Missing) => return Words::text("not swept yet"),
        (None, _) => return Words::text("no sweep is recorded"),
    };
    let Some(last) = last else { return words };
    let how = match (&last.outcome, &last.reason) {
        (Some(outcome), Some(reason)) => format!(" ended as “{outcome}” ({reason})"),
        (Some(outcome), None) => format!(" ended as “{outcome}”"),
        (None, _) => " has not ended".to_owned(),
    };
    words.say("; the sweep of ").with(Words::instant(last.started_at)).say(how)
}
