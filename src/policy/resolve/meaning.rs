//! When rows end, as a canonical text has it: written and read again, side by side.
//!
//! What a rule can't have said before it could be said is left out, so that the texts of older approvals stay the same.

use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::policy::{
    ColumnAt, Dated, End, Hop, KeepFor, Never, Setting, SettingUnit, Start, StartAt, StartFormat, TableName, Term, Which, period::Period,
};

/// A column: its name, or an object with the way to it.
pub(super) fn column_at(at: &ColumnAt) -> Value {
    let hop = |hop: &Hop| {
        let mut on = hop.on.clone();
        on.sort_unstable();
        json!({ "schema": hop.table.schema, "table": hop.table.table, "on": on })
    };
    match at.of_row() {
        Some(column) => json!(column),
        None => json!({ "column": at.column, "through": at.through.iter().map(hop).collect::<Vec<_>>() }),
    }
}

pub(super) fn read_column_at(said: &Value) -> Option<ColumnAt> {
    if let Some(column) = said.as_str() {
        return Some(ColumnAt::own(column));
    }
    let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    let hop = |hop: &Value| {
        let table = TableName { schema: hop["schema"].as_str().map(str::to_owned), table: hop["table"].as_str()?.to_owned() };
        Some(Hop { table, on: hop["on"].as_array()?.iter().map(pair).collect::<Option<_>>()? })
    };
    let through = said["through"].as_array()?.iter().map(hop).collect::<Option<_>>()?;
    Some(ColumnAt { through, column: said["column"].as_str()?.to_owned() })
}

/// One date, or an object of several.
pub(super) fn start(start: &Start) -> Value {
    match start.dates.as_slice() {
        [date] => dated(date),
        dates => json!({ start.which.name(): sorted(dates.iter().map(dated)) }),
    }
}

fn dated(date: &Dated) -> Value {
    let never = |never: &Never| match never {
        Never::Text(text) => json!(text).to_string(),
        Never::Integer(number) => number.to_string(),
    };
    let mut nevers: Vec<String> = date.never.iter().map(never).collect();
    nevers.sort_unstable();
    let mut said = json!({
        "column": date.at.column,
        "format": date.format.map(StartFormat::name),
        "never": nevers,
        "naive": date.naive.as_ref().and_then(|zone| zone.iana_name()),
    });
    if date.at.of_row().is_none() {
        said["through"] = column_at(&date.at)["through"].take();
    }
    if date.optional {
        said["optional"] = json!(true);
    }
    said
}

/// In an order that says nothing.
fn sorted(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut values: Vec<Value> = values.collect();
    values.sort_by_key(Value::to_string);
    values
}

/// A period, or an object of a setting.
pub(super) fn keep_for(keep_for: &KeepFor) -> Value {
    let setting = match keep_for {
        KeepFor::Fixed(period) => return json!(period.to_string()),
        KeepFor::Setting(setting) => setting,
    };
    let period = |period: &Option<Period>| period.as_ref().map(ToString::to_string);
    let mut forever = setting.forever.clone();
    forever.sort_unstable();
    json!({
        "at": column_at(&setting.at),
        "unit": setting.unit.name(),
        "default": period(&setting.default),
        "min": period(&setting.min),
        "max": period(&setting.max),
        "forever": forever,
    })
}

/// Several ends.
pub(super) fn ends(term: &Term) -> Value {
    let end = |end: &End| {
        json!({
            "start": start(&end.start),
            "start_at": end.start_at.to_string(),
            "keep_for": keep_for(&end.keep_for),
            "optional": end.optional,
        })
    };
    json!({ term.which.name(): sorted(term.ends.iter().map(end)) })
}

/// When rows end, from a whole canonical text: `Some(None)` where they never do.
pub(super) fn term(said: &Value) -> Option<Option<Term>> {
    if let Some((which, ends)) = several(&said["ends"]) {
        let ends = ends.iter().map(|said| read_end(said, false)).collect::<Option<_>>()?;
        return Some(Some(Term { which, ends }));
    }
    if said["start"].is_null() {
        return Some(None);
    }
    Some(Some(Term::of(read_end(said, true)?)))
}

fn several(said: &Value) -> Option<(Which, &Vec<Value>)> {
    Which::ALL.into_iter().find_map(|(word, which)| Some((which, said[word].as_array()?)))
}

/// The keys of one end; only a rule's own has a floor.
fn read_end(said: &Value, is_rule: bool) -> Option<End> {
    let start = match several(&said["start"]) {
        Some((which, dates)) => Start { which, dates: dates.iter().map(read_date).collect::<Option<_>>()? },
        None => Start::of(read_date(&said["start"])?),
    };
    Some(End {
        start,
        start_at: match said["start_at"].as_str() {
            None => StartAt::Start,
            Some(start_at) => start_at.parse().ok()?,
        },
        keep_for: read_keep_for(&said["keep_for"])?,
        floor: if is_rule { read_period(&said["floor"])? } else { None },
        optional: said["optional"] == true,
    })
}

fn read_date(said: &Value) -> Option<Dated> {
    let never = |never: &Value| match serde_json::from_str(never.as_str()?).ok()? {
        Value::String(text) => Some(Never::Text(text)),
        Value::Number(number) => number.as_i64().map(Never::Integer),
        _ => None,
    };
    Some(Dated {
        at: if said["through"].is_null() { read_column_at(&said["column"])? } else { read_column_at(said)? },
        format: match said["format"].as_str() {
            None => None,
            Some(name) => Some(StartFormat::ALL.into_iter().find(|format| format.name() == name)?),
        },
        never: said["never"].as_array()?.iter().map(never).collect::<Option<_>>()?,
        naive: match said["naive"].as_str() {
            None => None,
            Some(zone) => Some(TimeZone::get(zone).ok()?),
        },
        optional: said["optional"] == true,
    })
}

/// `Some(None)`: there is none.
fn read_period(said: &Value) -> Option<Option<Period>> {
    match said.as_str() {
        None => Some(None),
        Some(period) => Period::parse(period).ok().map(Some),
    }
}

fn read_keep_for(said: &Value) -> Option<KeepFor> {
    if let Some(period) = said.as_str() {
        return Period::parse(period).ok().map(KeepFor::Fixed);
    }
    Some(KeepFor::Setting(Setting {
        at: read_column_at(&said["at"])?,
        unit: SettingUnit::ALL.into_iter().find(|(word, _)| Some(*word) == said["unit"].as_str()).map(|(_, unit)| unit)?,
        default: read_period(&said["default"])?,
        min: read_period(&said["min"])?,
        max: read_period(&said["max"])?,
        forever: said["forever"].as_array()?.iter().map(Value::as_i64).collect::<Option<_>>()?,
    }))
}
