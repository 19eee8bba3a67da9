//! What a rule file says: every key read into its type, with its place, and nothing decided yet.
//!
//! [`RawFile::read`] reports unknown keys, wrong types and values that mean nothing by themselves; whether they fit
//! together is `resolve`'s. `values` reads the keys that are tables, `strategy` those of `anonymise`, `term` those that say when a row ends. A new key of a
//! rule is a field of [`RawRule`] and a line in `RawRule::read`.

mod archive;
mod dependents;
mod identity;
mod strategy;
mod suppress;
mod term;
mod values;

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    str::FromStr as _,
};

use jiff::{civil::Date, tz::TimeZone};
use toml::de::{DeTable, DeValue};

pub use self::{
    archive::RawArchive,
    dependents::{RawDependent, RawThen, THENS},
    identity::RawIdentity,
    strategy::RawAnonymised,
    suppress::{RawOptOut, RawSuppress},
    term::{FORMATS, RawDate, RawEnd, RawEnds, RawKeepFor, RawStart},
    values::{RawSubject, RawTenant, RawTrigger, RawWait},
};
use super::{
    Basis, Evidence, FirstSweep, Mode, Never, OnErasure, OnNull, Residue, StartFormat, YearStart, limits::RuleLimits, period::Period,
    schedule::Schedule, window::Window,
};
use crate::diagnostic::{
    Diagnostics, SourceFile,
    fields::{At, Fields, Reader},
    suggest,
};

/// A rule file.
#[derive(Debug)]
pub struct RawFile {
    pub file: SourceFile,
    /// Lines could not be read: what is missing may be there.
    pub broken: bool,
    pub policy: RawPolicy,
    pub rules: Vec<RawRule>,
    pub identities: Vec<RawIdentity>,
}

/// `[policy]`.
#[derive(Debug, Default)]
pub struct RawPolicy {
    pub id: Option<At<String>>,
    pub title: Option<At<String>>,
    pub reference: Option<At<String>>,
    pub owner: Option<At<String>>,
    pub reviewed: Option<At<Date>>,
}

/// `[[rule]]`, together with what its category says.
#[derive(Debug)]
pub struct RawRule {
    /// The header.
    pub header: Range<usize>,
    /// Keys that are written, whether or not their value could be read.
    pub written: BTreeSet<String>,
    pub id: Option<At<String>>,
    pub category: Option<At<String>>,
    pub source: Option<At<String>>,
    pub schema: Option<At<String>>,
    pub table: Option<At<String>>,
    pub key: Option<At<Vec<At<String>>>>,
    pub condition: Option<At<String>>,
    pub tenant: Option<At<RawTenant>>,
    pub subject: Option<At<RawSubject>>,
    pub no_subject_reason: Option<At<String>>,
    pub on_null_subject: Option<At<OnNull>>,
    pub start: Option<At<RawStart>>,
    pub start_format: Option<At<StartFormat>>,
    pub never: Option<At<Vec<Never>>>,
    pub start_at: Option<At<RawStartAt>>,
    pub fiscal_year_start: Option<At<YearStart>>,
    pub keep_for: Option<At<RawKeepFor>>,
    pub ends: Option<At<RawEnds>>,
    pub floor: Option<At<Period>>,
    pub overrides: Option<At<Vec<At<String>>>>,
    pub timezone: Option<At<TimeZone>>,
    pub schedule: Option<At<Schedule>>,
    pub window: Option<At<Window>>,
    pub limits: Option<At<RuleLimits>>,
    pub action: Option<At<RawAction>>,
    /// In the order of the file.
    pub anonymise: Option<At<Vec<RawAnonymised>>>,
    pub mark: Option<At<String>>,
    pub reason: Option<At<String>>,
    pub mode: Option<At<Mode>>,
    pub first_sweep: Option<At<FirstSweep>>,
    pub max_share: Option<At<f64>>,
    pub on_erasure: Option<At<OnErasure>>,
    pub basis: Option<At<Basis>>,
    pub purpose: Option<At<String>>,
    pub owner: Option<At<String>>,
    pub retains: Option<At<Vec<At<String>>>>,
    pub unlinks: Option<At<bool>>,
    /// `partitions = "drop"`.
    pub drops_partitions: Option<At<bool>>,
    /// In the order of the file: names and reasons.
    pub triggers: Option<At<Vec<RawTrigger>>>,
    /// In the order of the file.
    pub wait_for: Option<At<Vec<RawWait>>>,
    pub suppress: Option<At<RawSuppress>>,
    /// In the order of the file.
    pub dependents: Option<At<Vec<RawDependent>>>,
    pub archive: Option<At<RawArchive>>,
    pub residue: Option<At<Residue>>,
    pub evidence: Option<At<Evidence>>,
}

/// The word after `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawAction {
    Delete,
    Anonymise,
    Keep,
}

/// The word after `start_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawStartAt {
    EndOfMonth,
    EndOfYear,
}

/// The words of `start_at`.
pub const STARTS_AT: [(&str, RawStartAt); 2] = [("end_of_month", RawStartAt::EndOfMonth), ("end_of_year", RawStartAt::EndOfYear)];
/// The words of `mode`.
pub const MODES: [(&str, Mode); 2] = [("enforce", Mode::Enforce), ("observe", Mode::Observe)];
/// The words of `partitions`, and whether it drops them.
pub const PARTITIONS: [(&str, bool); 1] = [("drop", true)];
/// The words of `first_sweep`.
pub const FIRST_SWEEPS: [(&str, FirstSweep); 2] = [("approve", FirstSweep::Approve), ("auto", FirstSweep::Auto)];

impl RawFile {
    /// Reads a file and reports what is wrong with each of its parts.
    pub fn read(file: &SourceFile, found: &RefCell<Diagnostics>) -> Self {
        let (reader, document) = Reader::parse(file, file.text(), found);
        let top = Fields::new(reader, "a rule file", 0..0, document.get_ref());
        let policy = top.inner("policy").map(|fields| RawPolicy::read(&fields));
        if policy.is_none() && top.value("policy").is_none() {
            let missing = reader.error("missing-key", &(0..0), "the file lacks `[policy]`");
            reader.missing(missing.help("begin the file with [policy] and an `id`: rules are named <policy>/<rule>"));
        }
        let categories: BTreeMap<String, &DeTable<'_>> = top
            .named("category", "the category")
            .into_iter()
            .map(|(name, fields)| {
                // Read once for itself, so that a category that no rule uses is checked too.
                RawRule::read(&fields, fields.span.clone(), true);
                (name.value, fields.table())
            })
            .collect();
        let rules = top.list("rule", "a rule").into_iter().map(|own| {
            let category = own.table().get("category").and_then(|name| name.get_ref().as_str()).and_then(|name| categories.get(name));
            let header = own.span.clone();
            RawRule::read(&own.sharing(category.copied()), header, false)
        });
        let rules = rules.collect();
        let identities = top.list("identity", "an identity").into_iter().map(|fields| identity::identity(&fields)).collect();
        top.finish();
        Self { file: file.clone(), broken: reader.is_broken(), policy: policy.unwrap_or_default(), rules, identities }
    }
}

impl RawPolicy {
    fn read(fields: &Fields<'_>) -> Self {
        let id = identifier(fields, "id");
        let policy = Self {
            id: fields.need("id", id),
            title: fields.words("title"),
            reference: fields.words("reference"),
            owner: fields.words("owner"),
            reviewed: reviewed(fields),
        };
        fields.finish();
        policy
    }
}

impl RawRule {
    fn read(fields: &Fields<'_>, header: Range<usize>, is_category: bool) -> Self {
        let rule = Self {
            header,
            written: fields.written(),
            id: if is_category { None } else { identifier(fields, "id") },
            category: if is_category { None } else { fields.words("category") },
            source: fields.words("source"),
            schema: fields.words("schema"),
            table: fields.words("table"),
            key: values::columns(fields, "key"),
            condition: fields.text("where"),
            tenant: values::tenant(fields),
            subject: values::subject(fields),
            no_subject_reason: fields.words("no_subject_reason"),
            on_null_subject: fields.choice("on_null_subject", &[("nobody", OnNull::Nobody), ("hold", OnNull::Hold)]),
            start: term::start(fields),
            start_format: fields.choice("start_format", &FORMATS),
            never: values::never(fields),
            start_at: fields.choice("start_at", &STARTS_AT),
            fiscal_year_start: values::year_start(fields),
            keep_for: term::keep_for(fields),
            ends: term::ends(fields),
            floor: fields.parsed("floor", Period::parse),
            overrides: values::rules(fields, "overrides"),
            timezone: timezone(fields, "timezone").map(|zone| zone.map(|(zone, _)| zone)),
            schedule: schedule(fields),
            window: fields.parsed("window", Window::from_str),
            limits: values::limits(fields),
            action: fields.choice(
                "action",
                &[
                    ("delete", RawAction::Delete),
                    ("anonymise", RawAction::Anonymise),
                    ("keep", RawAction::Keep),
                    ("anonymize", RawAction::Anonymise),
                ],
            ),
            anonymise: strategy::columns(fields),
            mark: fields.words("mark"),
            reason: fields.words("reason"),
            mode: fields.choice("mode", &MODES),
            first_sweep: fields.choice("first_sweep", &FIRST_SWEEPS),
            max_share: share(fields, "max_share"),
            on_erasure: fields.choice("on_erasure", &OnErasure::ALL),
            basis: fields.choice("basis", &Basis::ALL),
            purpose: fields.words("purpose"),
            owner: fields.words("owner"),
            retains: values::columns(fields, "retains"),
            unlinks: fields.boolean("unlinks"),
            drops_partitions: fields.choice("partitions", &PARTITIONS),
            triggers: values::triggers(fields),
            wait_for: values::waits(fields),
            suppress: suppress::suppress(fields),
            dependents: dependents::dependents(fields),
            archive: archive::archive(fields),
            residue: fields.choice("residue", &Residue::ALL),
            evidence: fields.choice("evidence", &Evidence::ALL),
        };
        fields.finish();
        rule
    }
}

/// `reviewed`: a day, as nobody compares a policy to the second.
fn reviewed(fields: &Fields<'_>) -> Option<At<Date>> {
    let at = fields.value("reviewed")?;
    let DeValue::Datetime(written) = at.value.get_ref() else {
        return fields.reader.wrong_type(at.span, "reviewed", "a date, written without quotes", at.value.get_ref());
    };
    let day = written.date.filter(|_| written.time.is_none());
    let date =
        day.and_then(|day| Date::new(i16::try_from(day.year).ok()?, i8::try_from(day.month).ok()?, i8::try_from(day.day).ok()?).ok());
    if date.is_none() {
        let wrong = fields.reader.error("invalid-value", &at.span, "`reviewed` must be a day");
        fields.reader.report(wrong.help("write the date alone, such as 2026-05-30"));
    }
    Some(at.with(date?))
}

/// A name that stands in commands, metrics and addresses.
pub fn identifier(fields: &Fields<'_>, key: &'static str) -> Option<At<String>> {
    let id = fields.text(key)?;
    if let Some(message) = misnamed(&id.value) {
        fields.reader.report(fields.reader.error("invalid-id", &id.span, format!("`{key}`: {message}")));
        return None;
    }
    Some(id)
}

/// Why a text is no identifier; `None`: it is one.
pub fn misnamed(text: &str) -> Option<&'static str> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = text.bytes().next().is_some_and(allowed) && text.bytes().all(|byte| allowed(byte) || byte == b'-');
    (!good).then_some("a name consists of a to z, 0 to 9 and `-`, and doesn't begin with `-`")
}

/// A zone by its IANA name, and the name.
pub fn timezone(fields: &Fields<'_>, key: &'static str) -> Option<At<(TimeZone, String)>> {
    let name = fields.words(key)?;
    if let Ok(zone) = TimeZone::get(&name.value) {
        // The database finds names in any case, but says how they are written.
        let exact = zone.iana_name().unwrap_or(&name.value).to_owned();
        return Some(name.with((zone, exact)));
    }
    let known: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
    let unknown = fields.reader.error("unknown-timezone", &name.span, format!("there is no time zone \"{}\"", name.value));
    let help = suggest::did_you_mean(&name.value, known.iter().map(String::as_str));
    fields.reader.report(unknown.help(help.unwrap_or_else(|| "write an IANA name, such as \"UTC\" or \"Europe/Berlin\"".to_owned())));
    None
}

/// `schedule`: a cron pattern.
pub fn schedule(fields: &Fields<'_>) -> Option<At<Schedule>> {
    let text = fields.text("schedule")?;
    match Schedule::from_str(&text.value) {
        Ok(schedule) => Some(text.with(schedule)),
        Err(error) => {
            let wrong =
                fields.reader.error("invalid-schedule", &text.inside(fields.reader.file, &error.at), format!("`schedule`: {error}"));
            fields.reader.report(wrong.maybe_help(error.help));
            None
        }
    }
}

/// A share of a table: more than nothing, at most all.
pub fn share(fields: &Fields<'_>, key: &'static str) -> Option<At<f64>> {
    let share = fields.number(key)?;
    if share.value > 0.0 && share.value <= 1.0 {
        return Some(share);
    }
    let message = format!("`{key}` is a share of the table: more than 0 and at most 1");
    fields.reader.report(fields.reader.error("out-of-range", &share.span, message));
    None
}
