//! When rows end, as a selection asks it: dates, periods that are set, and what is combined of them, against cut-offs that belong to one
//! instant.
//!
//! A new format of dates is an arm of `start_format`.

use jiff::{Timestamp, ToSpan as _};

use super::{
    elsewhere::{Base, numbers, reach},
    obstacle::{Obstacle, Reason},
    plan::Surroundings,
};
use crate::{
    fault,
    policy::{Dated, Dialect, End, KeepFor, Length, Rule, Setting, Start, StartFormat, Term, start::Thresholds, term::Set},
    sql::selection::{ColumnRef, DateTest, EndTest, HopRef, PartTest, SettingTest, StartTest, TypeClass},
};

/// Whether the end of a row has come at `around.now`.
///
/// # Errors
/// An [`Obstacle`] if something that is read for it is not there, or can't be read as what the rule takes it for.
pub fn end_test(rule: &Rule, term: &Term, around: Surroundings<'_>) -> Result<EndTest, Obstacle> {
    let part =
        |(number, end): (usize, &End)| Ok::<_, Obstacle>(PartTest { end: one_end(rule, (number, end), &around)?, optional: end.optional });
    let parts = term.ends.iter().enumerate().map(part).collect::<Result<Vec<_>, _>>()?;
    Ok(combined(term.which, parts))
}

fn combined(which: crate::policy::Which, mut parts: Vec<PartTest>) -> EndTest {
    if parts.len() == 1 { parts.remove(0).end } else { EndTest::Of { which, parts } }
}

fn one_end(rule: &Rule, (number, end): (usize, &End), around: &Surroundings<'_>) -> Result<EndTest, Obstacle> {
    let of = |length: &Length| dates(rule, (number, &end.start), length, around);
    let setting = match &end.keep_for {
        KeepFor::Fixed(period) => return of(&Length { floor: end.floor, ..Length::of(*period, end.start_at) }),
        KeepFor::Setting(setting) => setting,
    };
    set(rule, (number, end, setting), around, of)
}

/// A period that a column says: every number that is set there has a cut-off of its own.
fn set(
    rule: &Rule,
    (number, end, setting): (usize, &End, &Setting),
    around: &Surroundings<'_>,
    of: impl Fn(&Length) -> Result<EndTest, Obstacle>,
) -> Result<EndTest, Obstacle> {
    let at = |obstacle: Obstacle| obstacle.at(rule, &format!("keep_for.{number}"));
    let (through, column) = reach(rule, &setting.at, "keep_for", around.base()).map_err(at)?;
    let mut periods: Vec<(Length, Vec<i64>)> = Vec::new();
    let mut forever = setting.forever.clone();
    for number in numbers(rule, setting, &column, around.base()).map_err(at)? {
        match setting.means(number, end) {
            Some(Set::For(length)) => {
                let cutoff = |length: &Length| length.cutoff(around.now, &rule.timezone);
                match periods.iter_mut().find(|(other, _)| cutoff(other) == cutoff(&length)) {
                    Some((_, numbers)) => numbers.push(number),
                    None => periods.push((length, vec![number])),
                }
            }
            Some(Set::Forever) => forever.push(number),
            None => {}
        }
    }
    forever.sort_unstable();
    forever.dedup();
    let zero = Length::of(crate::policy::period::Period::default(), end.start_at);
    let periods = periods.into_iter().map(|(length, numbers)| Ok((numbers, of(&length)?))).collect::<Result<_, Obstacle>>()?;
    let unset = setting.where_unset(end).map(|length| of(&length)).transpose()?;
    Ok(EndTest::Setting(Box::new(SettingTest { through, column, periods, forever, unset, dates: of(&zero)? })))
}

/// The latest or earliest of some dates.
fn dates(rule: &Rule, (number, start): (usize, &Start), length: &Length, around: &Surroundings<'_>) -> Result<EndTest, Obstacle> {
    let part = |(index, date): (usize, &Dated)| {
        let key = format!("start.{number}.{index}");
        let (through, column) = reach(rule, &date.at, "start", around.base()).map_err(|obstacle| obstacle.at(rule, &key))?;
        let start = start_test(rule, (date, &key), column, length, around)?;
        Ok(PartTest { end: EndTest::Date(Box::new(DateTest { through, start, optional: date.optional })), optional: date.optional })
    };
    let parts = start.dates.iter().enumerate().map(part).collect::<Result<Vec<_>, Obstacle>>()?;
    Ok(combined(start.which, parts))
}

/// What is shown of a row: for each end its dates, then its setting.
///
/// # Errors
/// As [`end_test`].
pub fn shown(rule: &Rule, base: Base<'_>) -> Result<Vec<(Vec<HopRef>, ColumnRef)>, Obstacle> {
    let columns = rule.term.iter().flat_map(|term| term.columns());
    columns.map(|at| reach(rule, at, "start", base)).collect()
}

/// Makes the comparison of a date with the cut-off that belongs to `around.now`.
fn start_test(
    rule: &Rule,
    (date, key): (&Dated, &str),
    column: ColumnRef,
    length: &Length,
    around: &Surroundings<'_>,
) -> Result<StartTest, Obstacle> {
    let written = if date.format.is_some() && rule.origin.spans.contains_key("start_format") { "start_format" } else { key };
    let format = start_format(date, &column, around.workspace.dialect).map_err(|obstacle| obstacle.at(rule, written))?;
    let naive = date.naive.as_ref();
    if naive.is_none() && needs_zone(format, &column) {
        return Err(Obstacle::new(
            Reason::TimeZone,
            format!("`{}` holds dates or times without a zone; say `naive_timestamps = \"…\"` for source `{}`", column.name, rule.source),
        )
        .at(rule, key));
    }
    let cutoff = length.cutoff(around.now, &rule.timezone);
    let epoch = matches!(format, StartFormat::UnixS | StartFormat::UnixMs | StartFormat::UnixUs);
    let in_a_century = around.now.to_zoned(jiff::tz::TimeZone::UTC).checked_add(100.years()).map_or(Timestamp::MAX, |at| at.timestamp());
    Ok(StartTest {
        column,
        format,
        never: if fault::seeded("never-ignored") { Vec::new() } else { date.never.clone() },
        cutoff,
        before: length.thresholds(cutoff, naive),
        plausible_from: epoch.then(|| Thresholds::at(EPOCHS_MEANT_FROM, naive)),
        plausible_until: Thresholds::at(in_a_century, naive),
    })
}

/// 1 January 1980: an epoch before it is a unit mistaken for another, or a default.
const EPOCHS_MEANT_FROM: Timestamp = Timestamp::constant(315_532_800, 0);

/// The format that a start is read in: what the rule says if the column's type can hold it, else what the type says.
fn start_format(start: &Dated, column: &ColumnRef, dialect: Dialect) -> Result<StartFormat, Obstacle> {
    use StartFormat::{Compact, Date, Iso8601, Timestamp, UnixMs, UnixS, UnixUs};
    let textual = matches!(column.class, TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText);
    let wrong = |message: String| Err(Obstacle::new(Reason::StartFormat, message));
    use TypeClass::{Bits, Boolean, Enum, Inet, Json, Other, Uuid};
    let holds_none = matches!(column.class, Bits | Boolean | Enum | Inet | Json | Other | Uuid) && dialect != Dialect::Sqlite;
    if holds_none || (dialect == Dialect::Mysql && column.declared.starts_with("year")) {
        return wrong(format!("`{}` is {}, which holds no day that a period could count from", column.name, column.declared));
    }
    let Some(format) = start.format else {
        return match (column.class, dialect) {
            (TypeClass::Timestamp | TypeClass::TimestampTz | TypeClass::Date, Dialect::Sqlite) => Ok(Iso8601),
            (TypeClass::Timestamp | TypeClass::TimestampTz, Dialect::Postgres | Dialect::Mysql) => Ok(Timestamp),
            (TypeClass::Date, Dialect::Postgres | Dialect::Mysql) => Ok(Date),
            _ => wrong(format!(
                "`{}` is {}, which does not say how a time is written in it; add `start_format`",
                column.name, column.declared
            )),
        };
    };
    let fits = match (dialect, column.class) {
        // On SQLite any column can hold anything; each value is read for itself.
        (Dialect::Sqlite, TypeClass::Bytes | TypeClass::Json | TypeClass::Boolean | TypeClass::Uuid | TypeClass::Inet) => format == Compact,
        (Dialect::Sqlite, _) => true,
        (_, TypeClass::Timestamp | TypeClass::TimestampTz) => format == Timestamp,
        (_, TypeClass::Date) => format == Date,
        (_, TypeClass::Integer) => matches!(format, UnixS | UnixMs | UnixUs | Compact),
        (_, TypeClass::Decimal) => matches!(format, UnixS | UnixMs | UnixUs | Compact),
        (_, TypeClass::Float) => matches!(format, UnixS | UnixMs | UnixUs),
        (Dialect::Postgres, TypeClass::Bytes) => format == Compact,
        // Many an application keeps its texts as bytes there.
        (Dialect::Mysql, TypeClass::Bytes) => true,
        _ => textual,
    };
    if !fits {
        return wrong(format!("`{}` is {}, which can't hold {}", column.name, column.declared, format.name()));
    }
    // Text that holds timestamps holds ISO 8601; `date` stays strict.
    let native = matches!(column.class, TypeClass::Timestamp | TypeClass::TimestampTz) && dialect != Dialect::Sqlite;
    Ok(if format == Timestamp && !native { Iso8601 } else { format })
}

/// True if values of that format say no instant by themselves.
fn needs_zone(format: StartFormat, column: &ColumnRef) -> bool {
    match format {
        StartFormat::Timestamp => column.class != TypeClass::TimestampTz,
        StartFormat::Date | StartFormat::Iso8601 | StartFormat::Compact => true,
        StartFormat::UnixS | StartFormat::UnixMs | StartFormat::UnixUs => false,
    }
}
