//! Instants worth trying, and every way to write one into a column.

use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, date},
    tz::TimeZone,
};

use super::{dice::Dice, stock::Stock, table::Engine};
use crate::support::oracle::{Cell, calendar::Moment};

/// Zones with something odd: half-hour folds, gaps and folds at midnight, a day that never was, a winter clock.
pub const ZONES: &[&str] = &[
    "UTC",
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "America/Sao_Paulo",
    "America/Santiago",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Africa/Casablanca",
];

/// A zone of the list, by its name.
pub fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).expect("a zone of the list")
}

/// A present for a pack: mostly where calendars are odd.
pub fn present(dice: &mut Dice, zone: &TimeZone) -> Timestamp {
    let year = i16::try_from(dice.number(2010..=2031)).expect("four digits");
    let somewhere = date(year, 1, 1).at(0, 0, 0, 0).to_zoned(TimeZone::UTC).expect("a year's start").timestamp()
        + SignedDuration::from_secs(dice.number(0..=365 * 86_400));
    let base = match dice.number(0..=9) {
        0..=4 => zone.following(somewhere).next().map_or(somewhere, |transition| transition.timestamp()),
        5 | 6 => local(zone, leap_year(year), 2, 28 + i8::try_from(dice.number(0..=1)).expect("a day")),
        7 => local(zone, year, 3, 1),
        8 => {
            let month = i8::try_from(dice.number(1..=12)).expect("a month");
            local(zone, year, month, date(year, month, 1).days_in_month())
        }
        _ => somewhere,
    };
    near(dice, base, 1_000)
}

/// A start worth trying, given the cut-offs of the rules: at one or beside it, where the calendar is odd, or anywhere.
pub fn start(dice: &mut Dice, now: Timestamp, cutoffs: &[(Timestamp, TimeZone)]) -> Timestamp {
    let Some((cutoff, zone)) = (!cutoffs.is_empty()).then(|| dice.pick(cutoffs)) else {
        return now - SignedDuration::from_secs(dice.number(0..=4 * 366 * 86_400));
    };
    match dice.number(0..=11) {
        0 => cutoff - SignedDuration::from_nanos(1),
        1 => cutoff + SignedDuration::from_micros(1) - SignedDuration::from_nanos(1),
        2..=4 => near(dice, cutoff, 1),
        5 => cutoff - SignedDuration::from_hours(24 * dice.number(0..=4)),
        6 => near(dice, zone.preceding(cutoff).next().map_or(cutoff, |transition| transition.timestamp()), 1_000),
        7 => near(dice, zone.following(cutoff).next().map_or(cutoff, |transition| transition.timestamp()), 1_000),
        8 => local(&zone, leap_year(zone.to_datetime(cutoff).year()), 2, 29) + SignedDuration::from_secs(dice.number(0..=86_399)),
        9 => cutoff - SignedDuration::from_secs(dice.number(0..=2 * 366 * 86_400)),
        _ => cutoff + SignedDuration::from_secs(dice.number(-40 * 86_400..=40 * 86_400)),
    }
}

/// Some seconds to hours away, or not at all; a multiple of `grain` nanoseconds.
fn near(dice: &mut Dice, at: Timestamp, grain: i64) -> Timestamp {
    let sign = dice.pick(&[-1, 1]);
    let nanos = match dice.number(0..=7) {
        0 | 1 => 0,
        2 => grain,
        3 => 1_000_000,
        4 => 1_000_000_000,
        5 => 60_000_000_000 * dice.number(1..=180),
        6 => 1_800_000_000_000 * dice.number(1..=6),
        _ => grain * dice.number(0..=9_000_000),
    };
    at + SignedDuration::from_nanos(sign * nanos)
}

fn leap_year(year: i16) -> i16 {
    year.div_euclid(4) * 4
}

fn local(zone: &TimeZone, year: i16, month: i8, day: i8) -> Timestamp {
    date(year, month, day).at(0, 0, 0, 0).to_zoned(zone.clone()).expect("a year that is generated").timestamp()
}

/// The ends of what MariaDB's `timestamp` can hold.
fn first_of_timestamp() -> Timestamp {
    Timestamp::from_second(1).expect("in range")
}

fn last_of_timestamp() -> Timestamp {
    Timestamp::from_second(i64::from(i32::MAX)).expect("in range")
}

/// How a column writes its starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writing {
    TimestampTz,
    Timestamp,
    Date,
    Iso8601,
    Compact,
    UnixS,
    UnixMs,
    UnixUs,
}

impl Writing {
    /// The name of the format in a rule: SQLite has no type for timestamps, only texts.
    pub fn format(self, engine: Engine) -> &'static str {
        match self {
            Self::TimestampTz | Self::Timestamp if engine == Engine::Sqlite => "iso8601",
            Self::TimestampTz | Self::Timestamp => "timestamp",
            Self::Date => "date",
            Self::Iso8601 => "iso8601",
            Self::Compact => "compact",
            Self::UnixS => "unix_s",
            Self::UnixMs => "unix_ms",
            Self::UnixUs => "unix_us",
        }
    }

    /// Seconds since 1970, or parts of them.
    pub fn is_epoch(self) -> bool {
        matches!(self, Self::UnixS | Self::UnixMs | Self::UnixUs)
    }

    /// The types of column that hold it.
    pub fn types(self, stock: Stock) -> &'static [&'static str] {
        match (stock, self) {
            (Stock::Postgres, Self::TimestampTz) => &["timestamptz"],
            (Stock::Postgres, Self::Timestamp) => &["timestamp"],
            (Stock::Postgres, Self::Date) => &["date", "date", "text", "varchar(40)"],
            (Stock::Postgres, Self::Iso8601) => &["text", "varchar(60)"],
            (Stock::Postgres, Self::Compact) => &["text", "bigint", "char(14)"],
            (Stock::Postgres, Self::UnixS) => &["bigint", "integer", "numeric", "text"],
            (Stock::Postgres, Self::UnixMs | Self::UnixUs) => &["bigint", "numeric", "text"],
            (Stock::Mariadb, Self::TimestampTz) => &["timestamp(6) NULL DEFAULT NULL"],
            (Stock::Mariadb, Self::Timestamp) => &["datetime(6)", "datetime"],
            (Stock::Mariadb, Self::Date) => &["date", "date", "text", "varchar(40)"],
            (Stock::Mariadb, Self::Iso8601) => &["text", "varchar(60)", "varchar(60) COLLATE utf8mb4_nopad_bin"],
            (Stock::Mariadb, Self::Compact) => &["text", "bigint", "char(14)", "binary(14)", "varbinary(14)", "decimal(14,0)"],
            (Stock::Mariadb, Self::UnixS) => &["bigint", "integer", "decimal(24,6)", "double", "text"],
            (Stock::Mariadb, Self::UnixMs | Self::UnixUs) => &["bigint", "decimal(24,0)", "double", "varchar(20)"],
            (Stock::Shared, Self::TimestampTz) => &["timestamptz(6)"],
            (Stock::Shared, Self::Timestamp) => &["timestamp(6)"],
            (Stock::Shared, Self::Date) => &["date", "date", "text", "varchar(40)"],
            (Stock::Shared, Self::Iso8601) => &["text", "varchar(60)"],
            (Stock::Shared, Self::Compact) => &["text", "bigint", "varchar(14)"],
            (Stock::Shared, Self::UnixS) => &["bigint", "integer", "numeric(24,0)", "text"],
            (Stock::Shared, Self::UnixMs | Self::UnixUs) => &["bigint", "numeric(24,0)", "text"],
            (Stock::Sqlite, Self::Date) => &["TEXT", "DATE", "VARCHAR(10)"],
            (Stock::Sqlite, Self::Compact) => &["TEXT", "INTEGER", "VARCHAR(14)", "NUMERIC"],
            (Stock::Sqlite, Self::UnixS | Self::UnixMs | Self::UnixUs) => &["INTEGER", "BIGINT", "TEXT"],
            (Stock::Sqlite, _) => &["TEXT", "VARCHAR(60)", "DATETIME"],
        }
    }

    /// The writings that a stock has columns for.
    pub fn of(stock: Stock) -> &'static [Self] {
        match stock {
            Stock::Postgres | Stock::Mariadb | Stock::Shared => {
                &[Self::TimestampTz, Self::Timestamp, Self::Date, Self::Iso8601, Self::Compact, Self::UnixS, Self::UnixMs, Self::UnixUs]
            }
            Stock::Sqlite => &[Self::Date, Self::Iso8601, Self::Iso8601, Self::Compact, Self::UnixS, Self::UnixMs, Self::UnixUs],
        }
    }

    /// Values that people write for "no date".
    pub fn never(self, stock: Stock, sql_type: &str) -> &'static [&'static str] {
        match self {
            // Of the instants that MariaDB's TIMESTAMP can hold, each may be meant.
            Self::TimestampTz if stock == Stock::Shared => &[],
            Self::Timestamp if stock == Stock::Shared => &["9999-12-31 00:00:00"],
            Self::Date if sql_type == "date" && stock == Stock::Shared => &["9999-12-31"],
            // MariaDB has no infinity, and its TIMESTAMP goes from 1970 to 2038.
            Self::TimestampTz if sql_type != "timestamptz" => {
                &["0000-00-00 00:00:00", "1970-01-01 00:00:01.000000", "2038-01-19 03:14:07.000000"]
            }
            Self::Timestamp if sql_type.starts_with("datetime") => &["0000-00-00 00:00:00", "9999-12-31 00:00:00"],
            Self::Compact if sql_type == "binary(14)" => &["99991231235959", "00000000000000"],
            Self::TimestampTz => &["infinity", "9999-12-31 00:00:00+00"],
            Self::Timestamp => &["infinity", "9999-12-31 00:00:00"],
            Self::Date if sql_type == "date" && stock == Stock::Mariadb => &["0000-00-00", "9999-12-31"],
            Self::Date if sql_type == "date" => &["infinity", "9999-12-31"],
            Self::Date | Self::Iso8601 => &["9999-12-31", "never", "0001-01-01"],
            Self::Compact => &["99991231235959", "0"],
            Self::UnixS if sql_type == "integer" => &["0", "-1", "2147483647"],
            _ => &["0", "-1", "253402300799"],
        }
    }

    /// Values that can't be meant, or can't be read; always in a form that the type takes. None: it takes no such value.
    pub fn garbage(self, stock: Stock, sql_type: &str) -> &'static [&'static str] {
        let text = ["text", "varchar", "char", "binary", "varbinary"].iter().any(|prefix| sql_type.to_lowercase().starts_with(prefix));
        match self {
            Self::TimestampTz if stock == Stock::Shared => &[],
            Self::Timestamp if stock == Stock::Shared => &["9998-12-31 00:00:00", "9999-12-31 23:59:59"],
            Self::Date if sql_type == "date" && stock == Stock::Shared => &["9998-12-31", "9999-12-31"],
            Self::TimestampTz if sql_type != "timestamptz" => &["0000-00-00 00:00:00"],
            Self::Timestamp if sql_type.starts_with("datetime") => {
                &["0000-00-00 00:00:00", "2024-00-00 00:00:00", "2024-02-00 10:00:00", "9998-12-31 00:00:00"]
            }
            Self::TimestampTz | Self::Timestamp => &["infinity", "-infinity", "9998-12-31 00:00:00"],
            Self::Date if sql_type == "date" && stock == Stock::Mariadb => &["0000-00-00", "2024-00-00", "2024-02-00", "9999-12-31"],
            Self::Date if sql_type == "date" => &["infinity", "-infinity", "9999-12-31"],
            Self::Date => &["0000-00-00", "2019-02-29", "2020-13-01", "soon", "9999-12-31", "2020-1-1"],
            Self::Iso8601 => {
                &["0000-00-00", "2019-02-29T10:00:00", "2020-01-01T25:00:00Z", "yesterday", "9999-12-31T00:00:00Z", "1577836800", " "]
            }
            Self::Compact if text => &["00000000000000", "20190229000000", "20201301000000", "2020010100000", "never", "99990101000000"],
            Self::Compact => &["0", "20190229000000", "20201301000000", "2020010100000", "99990101000000"],
            Self::UnixS if sql_type == "integer" => &["0", "-5", "86400"],
            _ if text => &["0", "-5", "86400", "soon", "9999999999999999", "1e9", "0x10"],
            _ => &["0", "-5", "86400", "9999999999999999"],
        }
    }

    /// Writes an instant as precisely as the format can; the cell says what is written, not what was meant.
    pub fn write(self, dice: &mut Dice, sql_type: &str, at: Timestamp, naive: &TimeZone) -> Cell {
        let micros = match sql_type {
            "datetime" => at.as_second() * 1_000_000,
            _ => at.as_microsecond(),
        };
        let (text, moment) = match self {
            Self::TimestampTz => {
                let at = Timestamp::from_microsecond(micros).expect("in range");
                let at = if sql_type == "timestamptz" { at } else { at.clamp(first_of_timestamp(), last_of_timestamp()) };
                let text = if sql_type == "timestamptz" { at.to_string() } else { at.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string() };
                (text, Moment::Instant(at))
            }
            Self::Timestamp => {
                let civil = naive.to_datetime(Timestamp::from_microsecond(micros).expect("in range"));
                (civil.to_string(), Moment::Civil(civil))
            }
            Self::Date => day(naive.to_datetime(at).date()),
            Self::Iso8601 => iso8601(dice, at, naive),
            Self::Compact => {
                let civil = naive.to_datetime(Timestamp::from_second(at.as_second()).expect("in range"));
                (civil.strftime("%Y%m%d%H%M%S").to_string(), Moment::Civil(civil))
            }
            Self::UnixS => (at.as_second().to_string(), Moment::Instant(Timestamp::from_second(at.as_second()).expect("in range"))),
            Self::UnixMs => {
                (at.as_millisecond().to_string(), Moment::Instant(Timestamp::from_millisecond(at.as_millisecond()).expect("in range")))
            }
            Self::UnixUs => (micros.to_string(), Moment::Instant(Timestamp::from_microsecond(micros).expect("in range"))),
        };
        Cell { text: Some(text), moment: Some(moment) }
    }
}

/// A value that one rule takes for "no date". To another it may be a date like any other.
pub fn never(text: String) -> Cell {
    let moment = match text.as_str() {
        "0001-01-01" => Moment::Day(date(1, 1, 1)),
        "1970-01-01 00:00:01.000000" => Moment::Instant(first_of_timestamp()),
        "2038-01-19 03:14:07.000000" => Moment::Instant(last_of_timestamp()),
        "2147483647" => Moment::Instant(Timestamp::from_second(2_147_483_647).expect("in range")),
        _ => Moment::Unreadable,
    };
    Cell { text: Some(text), moment: Some(moment) }
}

/// A date is written so that its own start, the next day's first instant, lies near what was asked for.
fn day(day: Date) -> (String, Moment) {
    let day = day.checked_sub(1.day()).expect("a day with one before");
    (day.to_string(), Moment::Day(day))
}

/// One of the many forms that one column of text may mix.
fn iso8601(dice: &mut Dice, at: Timestamp, naive: &TimeZone) -> (String, Moment) {
    if dice.chance(15) {
        return day(naive.to_datetime(at).date());
    }
    let digits = dice.pick(&[0_u32, 0, 3, 6, 6, 1, 9]);
    let at =
        Timestamp::from_nanosecond(at.as_nanosecond().div_euclid(10_i128.pow(9 - digits)) * 10_i128.pow(9 - digits)).expect("in range");
    let offset = SignedDuration::from_mins(dice.pick(&[0, 60, -300, 345, 840, -720]));
    let has_offset = dice.chance(60);
    let civil = if has_offset { TimeZone::UTC.to_datetime(at + offset) } else { naive.to_datetime(at) };
    let separator = dice.pick(&["T", " "]);
    let mut text = civil.strftime(&format!("%Y-%m-%d{separator}%H:%M:%S")).to_string();
    if digits > 0 {
        let fraction = format!("{:09}", civil.subsec_nanosecond());
        text.push('.');
        text.push_str(&fraction[..digits as usize]);
    }
    if !has_offset {
        return (text, Moment::Civil(civil));
    }
    let minutes = offset.as_mins();
    if minutes == 0 && dice.chance(60) {
        text.push('Z');
    } else {
        let sign = if minutes < 0 { '-' } else { '+' };
        text.push_str(&format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60));
    }
    (text, Moment::Instant(at))
}
