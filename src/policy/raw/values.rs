//! Keys of rules whose values are more than a word.

use std::str::FromStr as _;

use toml::de::DeValue;

use super::{Never, YearStart};
use crate::{
    diagnostic::fields::{At, Fields},
    policy::{
        ColumnAt,
        limits::{PACES, RuleLimits, parse_duration},
    },
};

/// What is written as a table of words: each key and its value, in the order of the file.
pub type Pairs = Vec<(At<String>, At<String>)>;

/// What `subject` says.
#[derive(Debug, Clone, PartialEq)]
pub enum RawSubject {
    /// `subject = "none"`.
    Nobody,
    /// Kinds and columns; the kinds' places are those of their keys.
    Of(Vec<(At<String>, At<ColumnAt>)>),
}

/// One table of `wait_for`.
#[derive(Debug, Clone, PartialEq)]
pub struct RawWait {
    pub schema: Option<At<String>>,
    pub table: Option<At<String>>,
    /// Columns of the rule's table and of this one.
    pub on: Option<At<Pairs>>,
}

/// One trigger of `triggers`.
#[derive(Debug, Clone, PartialEq)]
pub struct RawTrigger {
    pub name: Option<At<String>>,
    pub reason: Option<At<String>>,
}

/// `triggers`, each once.
pub(super) fn triggers(fields: &Fields<'_>) -> Option<At<Vec<RawTrigger>>> {
    let at = fields.value("triggers")?;
    let trigger = |inner: Fields<'_>| {
        let (name, reason) = (inner.words("name"), inner.words("reason"));
        let trigger = RawTrigger { name: inner.need("name", name), reason: inner.need("reason", reason) };
        inner.finish();
        trigger
    };
    let triggers: Vec<RawTrigger> = fields.list("triggers", "a trigger in `triggers`").into_iter().map(trigger).collect();
    each_once(fields, "triggers", &triggers.iter().filter_map(|trigger| trigger.name.as_ref()).collect::<Vec<_>>());
    Some(at.with(triggers))
}

/// Reports what a list names again.
fn each_once(fields: &Fields<'_>, key: &'static str, names: &[&At<String>]) {
    for (index, name) in names.iter().enumerate() {
        if let Some(first) = names[..index].iter().find(|other| other.value == name.value) {
            let twice = fields.reader.error("duplicate", &name.span, format!("`{key}` names `{}` twice", name.value));
            fields.reader.report(twice.also(fields.reader.file.at(first.span.clone()), "first named here"));
        }
    }
}

/// `tenant`.
#[derive(Debug, Clone, PartialEq)]
pub struct RawTenant {
    pub column: Option<At<String>>,
    /// A text, or a whole number as its digits.
    pub is: Option<At<String>>,
}

/// `tenant`.
pub(super) fn tenant(fields: &Fields<'_>) -> Option<At<RawTenant>> {
    let at = fields.value("tenant")?;
    let inner = fields.inner("tenant")?;
    let is = inner.value("is").and_then(|is| match is.value.get_ref() {
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => Some(is.with(number.to_string())),
            Err(_) => {
                let large = inner.reader.error("out-of-range", &is.span, "a number in `is` must fit into 64 bits");
                inner.reader.report(large.help("write it as a string"));
                None
            }
        },
        DeValue::String(_) => inner.words("is"),
        other => inner.reader.wrong_type(is.span, "is", "a string or an integer", other),
    });
    let column = inner.words("column");
    let tenant = RawTenant { column: inner.need("column", column), is: inner.need("is", is) };
    inner.finish();
    Some(at.with(tenant))
}

/// `wait_for`.
pub(super) fn waits(fields: &Fields<'_>) -> Option<At<Vec<RawWait>>> {
    let wait = |inner: Fields<'_>| {
        let table = inner.words("table");
        let on = pairs(&inner);
        let wait = RawWait { schema: inner.words("schema"), table: inner.need("table", table), on: inner.need("on", on) };
        inner.finish();
        wait
    };
    let at = fields.value("wait_for")?;
    Some(at.with(fields.list("wait_for", "a table in `wait_for`").into_iter().map(wait).collect()))
}

/// `on`: this table's column = that one's.
pub(super) fn pairs(fields: &Fields<'_>) -> Option<At<Pairs>> {
    let at = fields.value("on")?;
    let inner = fields.inner("on")?;
    let pairs: Vec<_> = inner.entries().into_iter().filter_map(|(own, other)| Some((own, column(fields, "on", other)?))).collect();
    if inner.entries().is_empty() {
        let empty = fields.reader.error("empty", &at.span, "`on` names no columns");
        fields.reader.report(empty.help("say which column of this table is which of the other: on = { id = \"customer_id\" }"));
        return None;
    }
    Some(at.with(pairs))
}

/// `limits`: those of a source that a rule may narrow.
pub(super) fn limits(fields: &Fields<'_>) -> Option<At<RuleLimits>> {
    const OF_THE_SOURCE: [&str; 4] = ["lock_timeout", "statement_timeout", "max_replica_lag", "workers"];
    let at = fields.value("limits")?;
    let inner = fields.inner("limits")?;
    let limits = RuleLimits {
        max_batch_rows: inner.integer("max_batch_rows", 1..=1_000_000).map(|rows| rows.value),
        target_batch_time: inner.parsed("target_batch_time", parse_duration).map(|time| time.value),
        pace: inner.choice("pace", &PACES).map(|pace| pace.value),
        max_rows_per_second: inner.integer("max_rows_per_second", 1..=1_000_000_000).map(|rows| rows.value),
    };
    inner.finish_with(|key| OF_THE_SOURCE.contains(&key).then(|| format!("`{key}` is for [sources.NAME.limits] in retentiond.toml")));
    Some(at.with(limits))
}

/// `subject`.
pub(super) fn subject(fields: &Fields<'_>) -> Option<At<RawSubject>> {
    let at = fields.value("subject")?;
    match at.value.get_ref() {
        DeValue::String(word) if word == "none" => Some(at.with(RawSubject::Nobody)),
        DeValue::Table(_) => {
            let table = fields.inner("subject")?;
            let entries = table.entries();
            let subjects: Vec<_> = entries
                .iter()
                .filter_map(|(kind, value)| Some((named_kind(fields, kind)?, subject_column(fields, &kind.value, value)?)))
                .collect();
            if entries.is_empty() {
                fields
                    .reader
                    .report(fields.reader.error("empty", &at.span, "`subject` names nobody").help("write `subject = \"none\"` and why"));
            }
            Some(at.with(RawSubject::Of(subjects)))
        }
        other => fields.reader.wrong_type(at.span, "subject", "a table of kinds and columns, or \"none\"", other),
    }
}

pub(super) fn named_kind(fields: &Fields<'_>, kind: &At<String>) -> Option<At<String>> {
    let good = |character: char| character.is_ascii_alphanumeric() || matches!(character, '_' | '-');
    if !kind.value.is_empty() && kind.value.chars().all(good) {
        return Some(kind.clone());
    }
    // Holds name subjects as KIND:VALUE.
    let message = "a kind of subject consists of letters, digits, `_` and `-`";
    fields.reader.report(fields.reader.error("invalid-id", &kind.span, message));
    None
}

fn subject_column(fields: &Fields<'_>, kind: &str, value: &toml::Spanned<DeValue<'_>>) -> Option<At<ColumnAt>> {
    let DeValue::Table(table) = value.get_ref() else { return Some(column(fields, kind, value)?.map(ColumnAt::own)) };
    let inner = Fields::new(fields.reader, "a subject", value.span(), table);
    let at = super::term::column_at(&inner);
    inner.finish();
    at
}

fn column(fields: &Fields<'_>, kind: &str, value: &toml::Spanned<DeValue<'_>>) -> Option<At<String>> {
    let column = fields.reader.text(value, kind)?;
    if column.value.is_empty() {
        fields.reader.report(fields.reader.error("empty", &column.span, format!("the subject `{kind}` names no column")));
        return None;
    }
    Some(column)
}

/// A list of columns, each once.
pub(super) fn columns(fields: &Fields<'_>, key: &'static str) -> Option<At<Vec<At<String>>>> {
    let columns = fields.texts(key)?;
    each_once(fields, key, &columns.value.iter().collect::<Vec<_>>());
    if columns.value.is_empty() {
        fields.reader.report(fields.reader.error("empty", &columns.span, format!("`{key}` names no column")));
    }
    Some(columns)
}

/// A list of rules, each once.
pub(super) fn rules(fields: &Fields<'_>, key: &'static str) -> Option<At<Vec<At<String>>>> {
    let rules = fields.texts(key)?;
    each_once(fields, key, &rules.value.iter().collect::<Vec<_>>());
    if rules.value.is_empty() {
        fields.reader.report(fields.reader.error("empty", &rules.span, format!("`{key}` names no rule")));
    }
    Some(rules)
}

/// `fiscal_year_start`.
pub(super) fn year_start(fields: &Fields<'_>) -> Option<At<YearStart>> {
    fields.parsed("fiscal_year_start", YearStart::from_str)
}

/// `never`.
pub(super) fn never(fields: &Fields<'_>) -> Option<At<Vec<Never>>> {
    let at = fields.value("never")?;
    let DeValue::Array(items) = at.value.get_ref() else {
        return fields.reader.wrong_type(at.span, "never", "an array of strings and integers", at.value.get_ref());
    };
    let value = |item: &toml::Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::String(text) => Some(Never::Text(text.to_string())),
        DeValue::Integer(written) => match i64::from_str_radix(written.as_str(), written.radix()) {
            Ok(number) => Some(Never::Integer(number)),
            Err(_) => {
                fields.reader.report(fields.reader.error("out-of-range", &item.span(), "a number in `never` must fit into 64 bits"));
                None
            }
        },
        other => fields.reader.wrong_type(item.span(), "never", "a string or an integer", other),
    };
    Some(at.with(items.iter().filter_map(value).collect()))
}
