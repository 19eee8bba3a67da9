//! `schedule`: the retention schedule as a document, from the rules in force.
//!
//! The report is the JSON, and all that the documents are made of. It says what the files say and what the state remembers;
//! no source is connected to, and no state is made. `words` says what a rule means, `protection` what keeps its rows longer,
//! `document` what a document tells and in which order, `markdown` and `html` write it. Another fact of a rule is a field of
//! [`ScheduledRule`] and a line in `document::facts`; another form is a file here and a word of `--format`.

pub mod document;
pub mod html;
pub mod markdown;
mod protection;
pub mod time;
pub mod words;

use std::collections::BTreeMap;

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Serialize;

use self::words::Words;
use super::{overview::BlockedSince, report::VERSION, world::World};
use crate::{
    policy::{Action, Basis, Dependent, Mode, OnErasure, Policy, Residue, Rule, RuleId, StartAt, Subjects, Term, raw::MODES},
    state::{self, Blocked, Pause, SweepRecord},
};

/// The schedule.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleReport {
    pub version: u32,
    pub as_of: Timestamp,
    /// The program and its version.
    pub made_by: String,
    /// For periods of rules that name none.
    pub timezone: String,
    pub state: Remembered,
    /// Legal holds in force; `None`: not known.
    pub holds_active: Option<u64>,
    pub policies: Vec<ScheduledPolicy>,
    /// Why the state could not be read, for whoever runs the command: the document may be published.
    #[serde(skip)]
    pub unreadable: Option<String>,
}

/// What became of the attempt to read the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Remembered {
    Read,
    /// There is none yet, so nothing was ever swept or held.
    Missing,
    Unreachable,
}

/// One file's `[policy]`.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledPolicy {
    pub policy: String,
    pub title: Option<String>,
    pub reference: Option<String>,
    pub reviewed: Option<Date>,
    pub owner: Option<String>,
    pub categories: Vec<ScheduledCategory>,
}

/// The rules of a category, in the order in which they let go.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledCategory {
    pub category: String,
    pub rules: Vec<ScheduledRule>,
}

/// A rule.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledRule {
    pub rule: String,
    pub category: String,
    pub source: String,
    pub table: String,
    pub action: String,
    pub mode: &'static str,
    #[serde(rename = "where")]
    pub condition: Option<String>,
    pub tenant: Option<ScheduledTenant>,
    pub subjects: Vec<ScheduledSubject>,
    pub no_subject_reason: Option<String>,
    pub start: Option<String>,
    /// `end_of_month` or `end_of_year`.
    pub start_at: Option<&'static str>,
    pub fiscal_year_start: Option<String>,
    /// `None`: without end.
    pub keep_for: Option<String>,
    pub floor: Option<String>,
    pub timezone: String,
    pub anonymise: Vec<ScheduledColumn>,
    pub retains: Vec<String>,
    /// What a confirmed request for erasure does, where the rule says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_erasure: Option<&'static str>,
    pub basis: Option<&'static str>,
    pub purpose: Option<String>,
    pub reason: Option<String>,
    pub owner: Option<String>,
    /// A cron pattern in the rule's zone; the rule's window, if it has one, besides.
    pub schedule: String,
    pub window: Option<String>,
    pub overrides: Vec<String>,
    pub overridden_by: Vec<String>,
    pub protected_by: Vec<Protection>,
    pub wait_for: Vec<ScheduledWait>,
    /// What goes with its rows, each before what is nested in it.
    pub dependents: Vec<ScheduledDependent>,
    /// Where the rows are copied to before they go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<ScheduledArchive>,
    /// What becomes of the bytes that rows leave behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residue: Option<&'static str>,
    /// What the ledger keeps of its rows besides their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence_in_words: Option<Words>,
    /// When the last sweep began that did all that was due; `None`: never, or not known.
    pub last_swept: Option<Timestamp>,
    /// The last sweep, however it ended.
    pub last_sweep: Option<LastSweep>,
    /// Why it was not enforced when it was swept last; `None`: it was, or is not known.
    pub blocked: Option<BlockedSince>,
    pub paused_since: Option<Timestamp>,
    pub in_words: InWords,
}

/// Whose rows alone.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledTenant {
    pub column: String,
    pub is: String,
}

/// A kind of data subject, and the column that names one.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledSubject {
    pub kind: String,
    pub column: String,
}

/// A column that is anonymised.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledColumn {
    pub column: String,
    pub strategy: &'static str,
    pub in_words: Words,
}

/// Another rule of the same table, that may keep a row longer.
#[derive(Debug, Clone, Serialize)]
pub struct Protection {
    pub rule: String,
    pub action: String,
    pub keep_for: Option<String>,
    pub in_words: Words,
}

/// A table whose rows are waited for.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledWait {
    pub table: String,
    pub in_words: Words,
}

/// A table whose rows go with the rule's.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledDependent {
    pub table: String,
    pub then: &'static str,
    pub in_words: Words,
}

/// Where rows are copied to before they go.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduledArchive {
    pub to: String,
    pub keep_for: String,
    pub in_words: Words,
}

/// How a sweep went.
#[derive(Debug, Clone, Serialize)]
pub struct LastSweep {
    pub started_at: Timestamp,
    /// `None`: it runs, or its process died.
    pub ended_at: Option<Timestamp>,
    pub outcome: Option<String>,
    pub reason: Option<String>,
}

/// What the rule means, for people.
#[derive(Debug, Clone, Serialize)]
pub struct InWords {
    pub summary: String,
    pub rows: Words,
    pub whose: Words,
    /// `None`: nothing is counted.
    pub start: Option<Words>,
    pub period: Words,
    pub floor: Option<String>,
    pub action: Words,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_erasure: Option<&'static str>,
    pub basis: Option<&'static str>,
    pub sweeps: Words,
}

/// What the state remembers, as far as it can be read.
struct Memory {
    state: Remembered,
    holds_active: Option<u64>,
    successes: BTreeMap<String, Timestamp>,
    sweeps: Vec<SweepRecord>,
    blocked: Vec<Blocked>,
    pauses: Vec<Pause>,
    unreadable: Option<String>,
}

impl Memory {
    fn without(state: Remembered, holds_active: Option<u64>, unreadable: Option<String>) -> Self {
        Self { state, holds_active, successes: BTreeMap::new(), sweeps: Vec::new(), blocked: Vec::new(), pauses: Vec::new(), unreadable }
    }

    async fn of(world: &World) -> Self {
        match Self::read(world).await {
            Ok(memory) => memory,
            Err(error) => Self::without(Remembered::Unreachable, None, Some(error.to_string())),
        }
    }

    async fn read(world: &World) -> Result<Self, state::Error> {
        let Some(state) = world.existing_state().await? else { return Ok(Self::without(Remembered::Missing, Some(0), None)) };
        let memory = async {
            Ok(Self {
                state: Remembered::Read,
                holds_active: Some(state.status().await?.holds_active),
                successes: state.last_successes().await?,
                sweeps: state.last_sweeps().await?,
                blocked: state.blocked().await?,
                pauses: state.pauses().await?,
                unreadable: None,
            })
        }
        .await;
        state.close().await;
        memory
    }
}

/// The schedule of every rule in force.
///
/// A state that can't be read is told in the report: what the rules say does not depend on it.
pub async fn schedule(world: &World) -> ScheduleReport {
    let memory = Memory::of(world).await;
    ScheduleReport {
        version: VERSION,
        as_of: world.now(),
        made_by: format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
        timezone: world.config.timezone_name.clone(),
        state: memory.state,
        holds_active: memory.holds_active,
        policies: world.policies.iter().map(|policy| scheduled(policy, world, &memory)).collect(),
        unreadable: memory.unreadable,
    }
}

fn scheduled(policy: &Policy, world: &World, memory: &Memory) -> ScheduledPolicy {
    let mut categories: BTreeMap<&str, Vec<&Rule>> = BTreeMap::new();
    for rule in world.rules.iter().filter(|rule| rule.id.policy() == policy.id) {
        categories.entry(&rule.category).or_default().push(rule);
    }
    let category = |(category, mut rules): (&str, Vec<&Rule>)| {
        // Any start shows which of two periods is longer, well enough to tell the stages of a row in their order.
        let length = |rule: &Rule| rule.term.as_ref()?.length();
        let end = |rule: &Rule| length(rule).map_or(Timestamp::MAX, |length| length.end(Timestamp::UNIX_EPOCH, &TimeZone::UTC));
        rules.sort_by_key(|rule| (end(rule), !rule.action.acts()));
        let rules = rules.into_iter().map(|rule| entry(rule, world, memory)).collect();
        ScheduledCategory { category: category.to_owned(), rules }
    };
    ScheduledPolicy {
        policy: policy.id.clone(),
        title: policy.title.clone(),
        reference: policy.reference.clone(),
        reviewed: policy.reviewed,
        owner: policy.owner.clone(),
        categories: categories.into_iter().map(category).collect(),
    }
}

fn entry(rule: &Rule, world: &World, memory: &Memory) -> ScheduledRule {
    let term = rule.term.as_ref();
    let end = term.and_then(Term::only);
    let (start_at, fiscal_year_start) = match end.map(|end| end.start_at) {
        None | Some(StartAt::Start) => (None, None),
        Some(StartAt::EndOfMonth) => (Some("end_of_month"), None),
        Some(StartAt::EndOfYear(start)) => (Some("end_of_year"), Some(start.to_string())),
    };
    // One that only observes takes nothing from another.
    let takes_its_place = |other: &&Rule| other.mode == Mode::Enforce && other.overrides.contains(&rule.id);
    let overriding: Vec<&Rule> = world.rules.iter().filter(takes_its_place).collect();
    let overridden_by: Vec<_> = overriding.iter().map(|other| &other.id).collect();
    let ids = |ids: &[&RuleId]| ids.iter().map(ToString::to_string).collect::<Vec<_>>();
    let no_subject_reason = match &rule.subjects {
        Subjects::Nobody { reason } => Some(reason.clone()),
        Subjects::Of { .. } | Subjects::Unstated => None,
    };
    let reason = match &rule.action {
        Action::Keep { reason } => Some(reason.clone()),
        Action::Delete | Action::Anonymise { .. } => rule.reason.clone(),
    };
    let pause = |pause: &&Pause| rule.action.acts() && pause.scope.covers(rule.id.as_str(), &rule.source);
    ScheduledRule {
        rule: rule.id.to_string(),
        category: rule.category.clone(),
        source: rule.source.clone(),
        table: rule.table.to_string(),
        action: rule.action.name().to_owned(),
        mode: word(&MODES, rule.mode),
        condition: rule.condition.as_ref().map(|condition| condition.text.clone()),
        tenant: rule.tenant.as_ref().map(|tenant| ScheduledTenant { column: tenant.column.clone(), is: tenant.is.clone() }),
        subjects: subjects(&rule.subjects),
        no_subject_reason,
        start: end.map(|end| time::start(&end.start).to_string()),
        start_at,
        fiscal_year_start,
        keep_for: term.map(keep_for),
        floor: end.and_then(|end| end.floor).map(|floor| floor.to_string()),
        timezone: rule.timezone.iana_name().unwrap_or("UTC").to_owned(),
        anonymise: columns(&rule.action),
        retains: rule.retains.clone(),
        on_erasure: rule.on_erasure.map(|on_erasure| word(&OnErasure::ALL, on_erasure)),
        basis: rule.basis.map(|basis| word(&Basis::ALL, basis)),
        purpose: rule.purpose.clone(),
        reason,
        owner: rule.owner.clone(),
        schedule: rule.schedule.to_string(),
        window: rule.window.map(|window| window.to_string()),
        overrides: ids(&rule.overrides.iter().collect::<Vec<_>>()),
        overridden_by: ids(&overridden_by),
        protected_by: protection::protections(rule, world),
        wait_for: rule.wait_for.iter().map(|wait| ScheduledWait { table: wait.table.to_string(), in_words: words::wait(wait) }).collect(),
        dependents: Dependent::all(&rule.dependents).into_iter().map(|(_, dependent)| goes_along(dependent)).collect(),
        archive: rule.archive.as_ref().map(|archive| ScheduledArchive {
            to: archive.to.to_string(),
            keep_for: archive.keep_for.to_string(),
            in_words: words::archived(archive),
        }),
        residue: rule.residue.map(Residue::name),
        evidence_in_words: words::evidenced(rule.evidence),
        last_swept: memory.successes.get(rule.id.as_str()).copied(),
        last_sweep: memory.sweeps.iter().find(|sweep| sweep.start.rule == rule.id.as_str()).map(last_sweep),
        blocked: memory.blocked.iter().find(|blocked| blocked.rule == rule.id.as_str()).map(Into::into),
        paused_since: memory.pauses.iter().filter(pause).map(|pause| pause.at).min(),
        in_words: InWords {
            summary: words::summary(rule),
            rows: words::rows(rule, &overridden_by),
            whose: words::whose(&rule.subjects),
            start: time::counted_from(term),
            period: time::kept_for(term),
            floor: end.and_then(|end| end.floor.as_ref()).map(time::period),
            action: words::action(rule),
            on_erasure: rule.on_erasure.map(words::on_erasure),
            basis: rule.basis.map(words::basis),
            sweeps: words::sweeps(&rule.schedule),
        },
    }
}

/// The period as the rule says it, or words where it is not one for every row.
fn keep_for(term: &Term) -> String {
    match term.length() {
        Some(length) => length.keep_for.to_string(),
        None => time::kept_for(Some(term)).to_string(),
    }
}

/// The word that a value has in TOML and JSON.
fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, of)| *of == value).map_or("", |(word, _)| word)
}

fn subjects(subjects: &Subjects) -> Vec<ScheduledSubject> {
    subjects
        .all()
        .iter()
        .map(|subject| ScheduledSubject { kind: subject.kind.clone(), column: time::column(&subject.at).to_string() })
        .collect()
}

fn columns(action: &Action) -> Vec<ScheduledColumn> {
    let Action::Anonymise { columns, mark } = action else { return Vec::new() };
    let column = |column: &str, strategy, in_words| ScheduledColumn { column: column.to_owned(), strategy, in_words };
    let anonymised = columns.iter().map(|(name, spec)| column(name, spec.name(), words::strategy(spec)));
    let marked = mark.iter().map(|mark| column(mark, "mark", Words::text("set, to show that the row was anonymised")));
    anonymised.chain(marked).collect()
}

fn last_sweep(sweep: &SweepRecord) -> LastSweep {
    let ended = sweep.end.as_ref();
    LastSweep {
        started_at: sweep.started_at,
        ended_at: ended.map(|(at, _)| *at),
        outcome: ended.map(|(_, end)| end.outcome.clone()),
        reason: ended.and_then(|(_, end)| end.reason.clone()),
    }
}

fn goes_along(dependent: &Dependent) -> ScheduledDependent {
    ScheduledDependent { table: dependent.table.to_string(), then: dependent.then.name(), in_words: words::dependent(dependent) }
}
