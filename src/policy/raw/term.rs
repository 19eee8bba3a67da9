//! Keys that say when a row ends: `start`, `keep_for`, `ends`, and what is looked up in other tables.
//!
//! [`column_at`] reads a column wherever one may be looked up; a new key of such a table is a line there. A new key of a date is a
//! field of [`RawDate`], one of an end a field of [`RawEnd`].

use toml::{Spanned, de::DeValue};

use super::{Never, Period, RawStartAt, STARTS_AT, StartFormat, YearStart, values};
use crate::{
    diagnostic::fields::{At, Fields},
    policy::{ColumnAt, Hop, Setting, SettingUnit, TableName, Which, term::MOST_HOPS},
};

/// What `start` says.
#[derive(Debug, Clone, PartialEq)]
pub struct RawStart {
    pub which: Which,
    /// Never empty.
    pub dates: Vec<RawDate>,
}

/// One date.
#[derive(Debug, Clone, PartialEq)]
pub struct RawDate {
    pub at: At<ColumnAt>,
    /// Absent: what the rule says.
    pub format: Option<At<StartFormat>>,
    /// Absent: what the rule says.
    pub never: Option<At<Vec<Never>>>,
    pub optional: Option<At<bool>>,
}

/// What `keep_for` says.
#[derive(Debug, Clone, PartialEq)]
pub enum RawKeepFor {
    Fixed(Period),
    Setting(Setting),
}

/// What `ends` says.
#[derive(Debug, Clone, PartialEq)]
pub struct RawEnds {
    pub which: Which,
    /// Never empty.
    pub ends: Vec<At<RawEnd>>,
}

/// One end. Without `keep_for` the start is the end itself.
#[derive(Debug, Clone, PartialEq)]
pub struct RawEnd {
    pub start: At<RawStart>,
    pub start_at: Option<At<RawStartAt>>,
    pub fiscal_year_start: Option<At<YearStart>>,
    pub keep_for: Option<At<RawKeepFor>>,
    pub optional: Option<At<bool>>,
}

/// The words of `start_format`.
pub const FORMATS: [(&str, StartFormat); 7] = [
    ("timestamp", StartFormat::Timestamp),
    ("date", StartFormat::Date),
    ("iso8601", StartFormat::Iso8601),
    ("unix_s", StartFormat::UnixS),
    ("unix_ms", StartFormat::UnixMs),
    ("unix_us", StartFormat::UnixUs),
    ("compact", StartFormat::Compact),
];

/// `start`.
pub(super) fn start(fields: &Fields<'_>) -> Option<At<RawStart>> {
    let at = fields.value("start")?;
    let one = |date| At { value: RawStart { which: Which::Latest, dates: vec![date] }, span: at.span.clone(), shared: at.shared };
    let DeValue::Table(_) = at.value.get_ref() else {
        if !matches!(at.value.get_ref(), DeValue::String(_)) {
            return fields.reader.wrong_type(
                at.span,
                "start",
                "a column's name, or a table that says where a column is",
                at.value.get_ref(),
            );
        }
        let column = fields.words("start")?;
        return Some(one(plain(column.map(ColumnAt::own))));
    };
    let inner = fields.inner("start")?;
    let Some((which, list)) = several(&inner) else {
        let date = date(&inner);
        inner.finish();
        return date.map(one);
    };
    inner.finish();
    let DeValue::Array(items) = list.value.get_ref() else {
        return fields.reader.wrong_type(list.span, which.name(), "a list of columns", list.value.get_ref());
    };
    let member = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::Table(table) => {
            let inner = Fields::new(fields.reader, "a date of `start`", item.span(), table);
            let date = date(&inner);
            inner.finish();
            date
        }
        _ => Some(plain(fields.reader.text(item, which.name()).filter(|name| is_named(fields, name))?.map(ColumnAt::own))),
    };
    let dates: Option<Vec<RawDate>> = items.iter().map(member).collect();
    Some(at.with(RawStart { which, dates: not_empty(fields, which, &list, dates?)? }))
}

/// A column of the row, as it is.
fn plain(at: At<ColumnAt>) -> RawDate {
    RawDate { at, format: None, never: None, optional: None }
}

/// A list under `latest` or `earliest`, if the table has one.
fn several<'a>(fields: &Fields<'a>) -> Option<(Which, At<&'a Spanned<DeValue<'a>>>)> {
    Which::ALL.into_iter().find_map(|(word, which)| Some((which, fields.value(word)?)))
}

fn not_empty<T>(fields: &Fields<'_>, which: Which, list: &At<&Spanned<DeValue<'_>>>, members: Vec<T>) -> Option<Vec<T>> {
    if members.is_empty() {
        fields.reader.report(fields.reader.error("empty", &list.span, format!("`{}` names no date", which.name())));
        return None;
    }
    Some(members)
}

/// The keys of one date.
fn date(fields: &Fields<'_>) -> Option<RawDate> {
    let (format, never, optional) = (fields.choice("start_format", &FORMATS), values::never(fields), fields.boolean("optional"));
    Some(RawDate { at: column_at(fields)?, format, never, optional })
}

/// `keep_for`.
pub(super) fn keep_for(fields: &Fields<'_>) -> Option<At<RawKeepFor>> {
    let at = fields.value("keep_for")?;
    if !matches!(at.value.get_ref(), DeValue::Table(_)) {
        return Some(fields.parsed("keep_for", Period::parse)?.map(RawKeepFor::Fixed));
    }
    let inner = fields.inner("keep_for")?;
    let period = |key| inner.parsed(key, Period::parse).map(|period| period.value);
    let (default, min, max, forever) = (period("default"), period("min"), period("max"), numbers(&inner, "forever"));
    let unit = inner.choice("unit", &SettingUnit::ALL);
    let (unit, at_column) = (inner.need("unit", unit), column_at(&inner));
    inner.finish();
    let setting = Setting { at: at_column?.value, unit: unit?.value, default, min, max, forever: forever.unwrap_or_default() };
    Some(at.with(RawKeepFor::Setting(setting)))
}

/// `ends`.
pub(super) fn ends(fields: &Fields<'_>) -> Option<At<RawEnds>> {
    let at = fields.value("ends")?;
    let inner = fields.inner("ends")?;
    let Some((which, list)) = several(&inner) else {
        inner.finish();
        let error = fields.reader.error("missing-key", &at.span, "`ends` lacks `earliest` or `latest`");
        fields.reader.report(error.help("say which of several ends counts: ends = { earliest = [{ start = \"…\", keep_for = \"…\" }] }"));
        return None;
    };
    let members = inner.list(which.name(), "an end in `ends`");
    inner.finish();
    let ends: Option<Vec<At<RawEnd>>> =
        members.iter().map(|end| Some(At { value: self::end(end)?, span: end.span.clone(), shared: at.shared })).collect();
    Some(at.with(RawEnds { which, ends: not_empty(fields, which, &list, ends?)? }))
}

/// One of `ends`: a start with its period, or a date that is the end.
fn end(fields: &Fields<'_>) -> Option<RawEnd> {
    let (start_at, fiscal_year_start) = (fields.choice("start_at", &STARTS_AT), values::year_start(fields));
    let (start, keep_for) = (self::start(fields), keep_for(fields));
    let (format, never, optional) = (fields.choice("start_format", &FORMATS), values::never(fields), fields.boolean("optional"));
    let has_start = fields.value("start").is_some();
    if has_start {
        let nothing = ["column", "table", "schema", "on"].into_iter().filter_map(|key| fields.value(key)).next();
        if let Some(beside) = nothing {
            let error = fields.reader.error(
                "misplaced-key",
                &beside.span,
                "an end has either a `start` with `keep_for`, or a `column` that is the end",
            );
            fields.reader.report(error.help("leave one of them out"));
        }
    }
    if has_start && fields.value("keep_for").is_none() {
        let error = fields.reader.error("missing-key", &fields.span, "an end with a `start` lacks `keep_for`");
        fields.reader.missing(error.help("say how long from there; a column that is the end itself is named by `column`"));
    }
    let start = match has_start {
        true => start,
        false => column_at(fields).map(|at| At {
            span: at.span.clone(),
            shared: at.shared,
            value: RawStart { which: Which::Latest, dates: vec![plain(at)] },
        }),
    };
    fields.finish();
    let mut start = start?;
    for date in &mut start.value.dates {
        date.format = date.format.take().or_else(|| format.clone());
        date.never = date.never.take().or_else(|| never.clone());
    }
    Some(RawEnd { start, start_at, fiscal_year_start, keep_for, optional })
}

/// The keys of a column that may be in another table: `column`, and where it is.
pub(super) fn column_at(fields: &Fields<'_>) -> Option<At<ColumnAt>> {
    let (schema, table, on) = (fields.words("schema"), fields.words("table"), values::pairs(fields));
    let is_elsewhere = ["schema", "table", "on"].into_iter().any(|key| fields.value(key).is_some());
    let (table, on) = if is_elsewhere { (fields.need("table", table), fields.need("on", on)) } else { (None, None) };
    let column = match fields.value("column") {
        Some(at) if matches!(at.value.get_ref(), DeValue::Table(_)) => {
            let inner = fields.inner("column")?;
            let column = column_at(&inner);
            inner.finish();
            column
        }
        Some(_) => fields.words("column").map(|column| column.map(ColumnAt::own)),
        None => fields.need("column", None),
    }?;
    if !is_elsewhere {
        if !column.value.through.is_empty() {
            let error = fields.reader.error("missing-key", &fields.span, "a column that is looked up twice lacks the first `table`");
            fields.reader.report(error.help("say which row of this table's leads there: column = { … }, table = \"…\", on = { … }"));
            return None;
        }
        return Some(column);
    }
    let pairs = on?.value.into_iter().map(|(own, theirs)| (own.value, theirs.value)).collect();
    let hop = Hop { table: TableName { schema: schema.map(|schema| schema.value), table: table?.value }, on: pairs };
    let through: Vec<Hop> = std::iter::once(hop).chain(column.value.through).collect();
    if through.len() > MOST_HOPS {
        let error = fields.reader.error("unsupported", &fields.span, format!("a lookup leads through more than {MOST_HOPS} tables"));
        fields.reader.report(error.help("keep a copy of the column nearer to the row"));
        return None;
    }
    Some(At { value: ColumnAt { through, column: column.value.column }, span: fields.span.clone(), shared: column.shared })
}

fn is_named(fields: &Fields<'_>, name: &At<String>) -> bool {
    if name.value.trim().is_empty() {
        fields.reader.report(fields.reader.error("empty", &name.span, "a column's name must not be empty"));
    }
    !name.value.trim().is_empty()
}

/// A list of whole numbers.
fn numbers(fields: &Fields<'_>, key: &'static str) -> Option<Vec<i64>> {
    let at = fields.value(key)?;
    let DeValue::Array(items) = at.value.get_ref() else {
        return fields.reader.wrong_type(at.span, key, "a list of whole numbers", at.value.get_ref());
    };
    let number = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
        DeValue::Integer(written) => match i64::from_str_radix(written.as_str(), written.radix()) {
            Ok(number) => Some(number),
            Err(_) => {
                fields.reader.report(fields.reader.error(
                    "out-of-range",
                    &item.span(),
                    format!("a number in `{key}` must fit into 64 bits"),
                ));
                None
            }
        },
        other => fields.reader.wrong_type(item.span(), key, "a whole number", other),
    };
    Some(items.iter().filter_map(number).collect())
}
