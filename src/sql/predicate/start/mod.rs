//! A start as text: whether a row is dated, and whether its start is before a cut-off. Every expression is total:
//! no value that a column can store makes one raise an error.
//!
//! Native types and numbers are compared bare, so that an index serves. Text is told apart by patterns inside a CASE,
//! which alone fixes the order of evaluation, and read only where a pattern has taken it (`text`).
//!
//! A start written more finely than in microseconds counts as the next microsecond, as
//! [`policy::start`](crate::policy::start) explains. For such a value `v` and a threshold `t` of whole microseconds,
//! `v < t` asks of `v` rounded up exactly what `v <= t - 1 µs` asks of `v` itself: see [`Grain`].

mod text;

use super::{
    super::{
        mysql, quote_literal,
        selection::{StartTest, TypeClass},
    },
    column::{column, is_ascii, text_of},
};
use crate::{
    fault,
    policy::{Dialect, Never, StartFormat, start::Thresholds},
};

/// One start of one dialect.
pub(super) struct Start<'a> {
    dialect: Dialect,
    test: &'a StartTest,
    column: String,
    text: String,
}

/// How the values of a column are compared.
enum Reading {
    /// The column itself with a literal. On SQLite a column of numbers may hold text all the same; it is greater than
    /// every number, and so implausible.
    Bare(Grain, Literal),
    /// The first branch whose guard is true.
    Cases(Vec<Branch>),
}

/// How finely the values of a reading differ, and so how they are compared with a threshold.
#[derive(Clone, Copy)]
enum Grain {
    /// By whole microseconds or more.
    Microseconds,
    /// By less, in an order that is theirs.
    Finer,
}

/// A threshold as a literal; `None` where the notation has no zone and the source names none: then its values can't be
/// read.
type Literal = fn(&Start<'_>, &Thresholds) -> Option<String>;

/// One notation that a column's values can have.
struct Branch {
    when: String,
    operand: String,
    grain: Grain,
    literal: Literal,
}

impl<'a> Start<'a> {
    pub(super) fn new(dialect: Dialect, test: &'a StartTest) -> Self {
        Self { dialect, test, column: column(&test.column), text: text_of(dialect, &test.column) }
    }

    /// TRUE or FALSE: the row bears no date that could be meant.
    pub(super) fn undated(&self) -> String {
        format!("({} OR ({}) IS NOT TRUE)", self.absent(), self.between(&self.test.plausible_until).join(" AND "))
    }

    /// TRUE or FALSE: a value is there that can't be read or can't be meant.
    pub(super) fn implausible(&self) -> String {
        format!("(NOT {} AND ({}) IS NOT TRUE)", self.absent(), self.between(&self.test.plausible_until).join(" AND "))
    }

    /// Conjuncts that are all TRUE exactly for the rows that are dated and start before the cut-off. The first of them
    /// can be answered from an index on the column, where the format allows it.
    pub(super) fn ended(&self) -> Vec<String> {
        let first = self.before_cutoff();
        let others = self.between(self.upper()).into_iter().filter(|part| Some(part) != first.as_ref());
        let mut conjuncts: Vec<String> = first.iter().cloned().chain(others).collect();
        conjuncts.push(format!("NOT {}", self.absent()));
        conjuncts
    }

    /// Whether the order of the bare column is that of time. A date on MariaDB may be no day of any calendar and stand
    /// among those that are.
    pub(super) fn is_in_order(&self) -> bool {
        let among_days = self.dialect == Dialect::Mysql && !self.holds_numbers();
        matches!(self.reading(), Reading::Bare(..)) && !among_days
    }

    /// A comparison of the bare column that no row fails whose start is before the cut-off; `None` where there is none.
    pub(super) fn before_cutoff(&self) -> Option<String> {
        match self.reading() {
            Reading::Bare(grain, literal) => self.below(&self.column, grain, literal, self.upper()),
            Reading::Cases(_) => self.narrowing(self.upper()).map(|literal| format!("{} < {literal}", self.column)),
        }
    }

    /// TRUE of an operand that is not NULL exactly if the start it stands for is before `at`.
    ///
    /// A row whose end is exactly now is due, and the cut-off is the smallest start whose end is later: hence `<`.
    fn below(&self, operand: &str, grain: Grain, literal: Literal, at: &Thresholds) -> Option<String> {
        let inclusive = fault::seeded("cutoff-inclusive");
        match grain {
            Grain::Finer if !inclusive => literal(self, &at.a_microsecond_earlier()).map(|last| format!("{operand} <= {last}")),
            _ => literal(self, at).map(|literal| format!("{operand} {} {literal}", if inclusive { "<=" } else { "<" })),
        }
    }

    /// A cut-off later than what can be meant (`--as-of` in another century) finds nothing more.
    fn upper(&self) -> &Thresholds {
        let (before, until) = (&self.test.before, &self.test.plausible_until);
        if before.instant <= until.instant { before } else { until }
    }

    /// TRUE or FALSE: NULL, the empty text, or a value that means "no date".
    pub(super) fn absent(&self) -> String {
        let mut parts = vec![format!("{} IS NULL", self.column)];
        if self.dialect == Dialect::Sqlite || !self.is_native() {
            parts.push(format!("{} = ''", self.text));
        }
        parts.extend(self.test.never.iter().filter_map(|never| self.equals(never)));
        format!("({})", parts.join(" OR "))
    }

    /// Whether the column is this value, in the column's own way; `None`: no value of its type could be.
    fn equals(&self, never: &Never) -> Option<String> {
        let text = match never {
            Never::Text(text) => text.clone(),
            Never::Integer(number) => number.to_string(),
        };
        let quoted = quote_literal(self.dialect, &text);
        if self.dialect == Dialect::Sqlite || !self.is_native() {
            let as_text = format!("{} = {quoted}", self.text);
            return Some(match never {
                Never::Integer(number) if self.dialect == Dialect::Sqlite => format!("{as_text} OR {} = {number}", self.column),
                _ => as_text,
            });
        }
        let cast = self.native_type();
        let possible = match self.test.column.class {
            TypeClass::Integer => text.parse::<i64>().is_ok(),
            TypeClass::Float | TypeClass::Decimal if self.dialect == Dialect::Mysql => is_decimal(&text),
            _ if self.dialect == Dialect::Mysql && !self.holds_numbers() => return self.equals_time(&text),
            TypeClass::Float | TypeClass::Decimal => is_decimal(&text) || is_infinity(&text),
            _ => is_infinity(&text) || is_time(&text),
        };
        possible.then(|| match self.test.column.class {
            _ if self.dialect == Dialect::Mysql || self.test.column.class == TypeClass::Integer => {
                format!("{} = {}", self.column, text.trim_start_matches('+'))
            }
            _ => format!("{} = {quoted}::{cast}", self.column),
        })
    }

    /// MariaDB: whether a date or time is this one. The zero date is one that it can hold.
    fn equals_time(&self, text: &str) -> Option<String> {
        let time = if text.starts_with("0000-00-00") {
            "0000-00-00".to_owned()
        } else if let Ok(at) = text.parse() {
            mysql::time(at)
        } else {
            let time: jiff::civil::DateTime = text.parse().ok()?;
            time.strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
        };
        Some(format!("{} = CAST('{time}' AS DATETIME(6))", self.column))
    }

    /// Conjuncts: the start can be read, is not before what can be meant, and is before `upper`.
    fn between(&self, upper: &Thresholds) -> Vec<String> {
        let lenient = fault::seeded("undated-acts");
        let from = self.test.plausible_from.as_ref().filter(|_| !lenient);
        match self.reading() {
            Reading::Bare(grain, literal) => {
                let Some(below) = self.below(&self.column, grain, literal, upper) else { return vec!["FALSE".to_owned()] };
                let least = from.and_then(|from| literal(self, from));
                let above = match least {
                    None if lenient => "TRUE".to_owned(),
                    Some(least) => format!("{} >= {least}", self.column),
                    None => self.above_infinity(),
                };
                vec![below, above]
            }
            Reading::Cases(branches) => {
                let mut cases = String::from("CASE");
                if let Some(unreadable) = self.unreadable() {
                    cases.push_str(&format!(" WHEN {unreadable} THEN FALSE"));
                }
                for Branch { when, operand, grain, literal } in branches {
                    let Some(below) = self.below(&operand, grain, literal, upper) else { continue };
                    let above = from.and_then(|from| literal(self, from)).map(|least| format!(" AND {operand} >= {least}"));
                    cases.push_str(&format!(" WHEN {when} THEN {below}{}", above.unwrap_or_default()));
                }
                let otherwise = if lenient { "TRUE" } else { "FALSE" };
                vec![format!("{cases} ELSE {otherwise} END")]
            }
        }
    }

    /// SQLite: what no pattern may be tried on, and bytes among text, which no comparison with text could narrow.
    fn unreadable(&self) -> Option<String> {
        let foreign = format!("NOT ({})", is_ascii(&self.test.column));
        match (self.dialect, self.test.column.class) {
            (Dialect::Postgres | Dialect::Mysql, _) => None,
            (Dialect::Sqlite, TypeClass::Bytes | TypeClass::Untyped) => Some(foreign),
            (Dialect::Sqlite, _) => Some(format!("typeof({}) = 'blob' OR {foreign}", self.column)),
        }
    }

    /// What `-infinity`, or no date at all, fails, where no least start is known.
    fn above_infinity(&self) -> String {
        match (self.dialect, self.test.column.class) {
            (Dialect::Postgres, TypeClass::Integer) | (Dialect::Sqlite, _) => format!("{} IS NOT NULL", self.column),
            (Dialect::Mysql, _) if self.holds_numbers() => format!("{} IS NOT NULL", self.column),
            // Neither `0000-00-00` nor the 30th of February, which its columns can hold, is a date.
            (Dialect::Mysql, _) => {
                format!("({0} >= '0001-01-01' AND dayofmonth({0}) BETWEEN 1 AND dayofmonth(last_day({0})))", self.column)
            }
            (Dialect::Postgres, _) => format!("{} > '-infinity'::{}", self.column, self.native_type()),
        }
    }

    fn is_native(&self) -> bool {
        use TypeClass::{Date, Decimal, Float, Integer, Timestamp, TimestampTz};
        matches!(self.test.column.class, Date | Decimal | Float | Integer | Timestamp | TimestampTz)
    }

    fn holds_numbers(&self) -> bool {
        matches!(self.test.column.class, TypeClass::Decimal | TypeClass::Float | TypeClass::Integer)
    }

    /// PostgreSQL: the type of literals that the bare column is compared with.
    fn native_type(&self) -> &'static str {
        match self.test.column.class {
            TypeClass::Date => "date",
            TypeClass::Timestamp => "timestamp",
            TypeClass::TimestampTz => "timestamptz",
            TypeClass::Float => "float8",
            _ => "numeric",
        }
    }

    fn reading(&self) -> Reading {
        use TypeClass::{Date, Decimal, Float, Integer, Timestamp, TimestampTz};
        let bare: fn(Literal) -> Reading = |literal| Reading::Bare(Grain::Microseconds, literal);
        let finer: fn(Literal) -> Reading = |literal| Reading::Bare(Grain::Finer, literal);
        let epoch = matches!(self.test.format, StartFormat::UnixS | StartFormat::UnixMs | StartFormat::UnixUs);
        match (self.dialect, self.test.column.class) {
            (Dialect::Postgres, TimestampTz) => bare(|_, at| Some(format!("'{}'::timestamptz", at.instant_text()))),
            (Dialect::Postgres, Timestamp) => bare(|_, at| Some(format!("'{}'::timestamp", at.naive_text()?))),
            (Dialect::Postgres, Date) => bare(|_, at| Some(format!("'{}'::date", at.date_text()?))),
            (Dialect::Postgres, Integer) if epoch => bare(|start, at| Some(start.whole_epoch(at).to_string())),
            (Dialect::Postgres, Float) if epoch => finer(|start, at| Some(format!("'{}'::float8", start.exact_epoch(at)))),
            (Dialect::Postgres, Decimal) if epoch => finer(|start, at| Some(start.exact_epoch(at))),
            (Dialect::Mysql, TimestampTz) => bare(|_, at| Some(format!("TIMESTAMP'{}'", at.utc_text()))),
            (Dialect::Mysql, Timestamp) => bare(|_, at| Some(format!("TIMESTAMP'{}'", at.naive_text()?))),
            (Dialect::Mysql, Date) => bare(|_, at| Some(format!("DATE'{}'", at.date_text()?))),
            (Dialect::Mysql, Integer) if epoch => bare(|start, at| Some(start.whole_epoch(at).to_string())),
            (Dialect::Mysql, Float) if epoch => finer(|start, at| Some(format!("{}e0", start.exact_epoch(at)))),
            (Dialect::Mysql, Decimal) if epoch => finer(|start, at| Some(start.exact_epoch(at))),
            (Dialect::Sqlite, Integer | Float | Decimal | Date | Timestamp) if epoch => finer(|start, at| Some(start.exact_epoch(at))),
            _ => Reading::Cases(self.notations()),
        }
    }

    fn quote(&self, text: &str) -> String {
        quote_literal(self.dialect, text)
    }

    fn whole_epoch(&self, at: &Thresholds) -> i64 {
        match self.test.format {
            StartFormat::UnixMs => at.unix_ms_ceil(),
            StartFormat::UnixUs => at.unix_us(),
            _ => at.unix_s_ceil(),
        }
    }

    fn exact_epoch(&self, at: &Thresholds) -> String {
        let exact = match self.test.format {
            StartFormat::UnixMs => at.unix_ms_exact(),
            StartFormat::UnixUs => at.unix_us().to_string(),
            _ => at.unix_s_exact(),
        };
        match exact.split_once('.') {
            Some((whole, fraction)) if fraction.bytes().all(|digit| digit == b'0') => whole.to_owned(),
            _ => exact,
        }
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    [whole, fraction].iter().all(|part| !part.is_empty() && part.len() <= 100 && part.bytes().all(|byte| byte.is_ascii_digit()))
}

fn is_infinity(text: &str) -> bool {
    matches!(text, "infinity" | "-infinity")
}

fn is_time(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok() || text.parse::<jiff::civil::DateTime>().is_ok() || text.parse::<jiff::Timestamp>().is_ok()
}
