//! A start as text: whether a row is dated, and whether its start is before a cut-off. Every expression is total:
//! no value that a column can store makes one raise an error.
//!
//! Native types and numbers are compared bare, so that an index serves. Text is told apart by patterns inside a CASE,
//! which alone fixes the order of evaluation, and read only where a pattern has taken it.
//!
//! A start written more finely than in microseconds counts as the next microsecond, as
//! [`policy::start`](crate::policy::start) explains. For such a value `v` and a threshold `t` of whole microseconds,
//! `v < t` asks of `v` rounded up exactly what `v <= t - 1 µs` asks of `v` itself: see [`Grain`].

use jiff::{ToSpan as _, tz::TimeZone};

use super::{
    super::{
        quote_literal,
        selection::{StartTest, TypeClass},
    },
    column::{column, is_ascii, text_of},
};
use crate::{
    fault,
    policy::{
        Dialect, Never, StartFormat,
        start::{COMPACT, DATE, ISO_NAIVE, ISO_OFFSET, Thresholds, WHOLE_NUMBER},
    },
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
    fn absent(&self) -> String {
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
            TypeClass::Float | TypeClass::Decimal => is_decimal(&text) || is_infinity(&text),
            _ => is_infinity(&text) || is_time(&text),
        };
        possible.then(|| match self.test.column.class {
            TypeClass::Integer => format!("{} = {}", self.column, text.trim_start_matches('+')),
            _ => format!("{} = {quoted}::{cast}", self.column),
        })
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
            (Dialect::Postgres, _) => None,
            (Dialect::Sqlite, TypeClass::Bytes | TypeClass::Untyped) => Some(foreign),
            (Dialect::Sqlite, _) => Some(format!("typeof({}) = 'blob' OR {foreign}", self.column)),
        }
    }

    /// What `-infinity` fails, where no least start is known.
    fn above_infinity(&self) -> String {
        match (self.dialect, self.test.column.class) {
            (Dialect::Postgres, TypeClass::Integer) | (Dialect::Sqlite, _) => format!("{} IS NOT NULL", self.column),
            (Dialect::Postgres, _) => format!("{} > '-infinity'::{}", self.column, self.native_type()),
        }
    }

    fn is_native(&self) -> bool {
        use TypeClass::{Date, Decimal, Float, Integer, Timestamp, TimestampTz};
        matches!(self.test.column.class, Date | Decimal | Float | Integer | Timestamp | TimestampTz)
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
            (Dialect::Sqlite, Integer | Float | Decimal | Date | Timestamp) if epoch => finer(|start, at| Some(start.exact_epoch(at))),
            _ => Reading::Cases(self.notations()),
        }
    }

    /// The notations of text that the format allows.
    fn notations(&self) -> Vec<Branch> {
        match self.test.format {
            StartFormat::UnixS | StartFormat::UnixMs | StartFormat::UnixUs => {
                let number = Branch {
                    when: format!("typeof({}) IN ('integer', 'real')", self.column),
                    operand: self.column.clone(),
                    grain: Grain::Finer,
                    literal: |start, at| Some(start.exact_epoch(at)),
                };
                let whole = Branch {
                    when: self.is(WHOLE_NUMBER),
                    operand: self.cast_to_integer(),
                    grain: Grain::Microseconds,
                    literal: |start, at| Some(start.whole_epoch(at).to_string()),
                };
                match self.dialect {
                    Dialect::Postgres => vec![whole],
                    Dialect::Sqlite => vec![number, whole],
                }
            }
            StartFormat::Compact => vec![self.verbatim(COMPACT, |start, at| Some(start.quote(&at.compact()?)))],
            StartFormat::Date => vec![self.date()],
            StartFormat::Timestamp => vec![self.naive(), self.offset()],
            StartFormat::Iso8601 => vec![self.date(), self.naive(), self.offset()],
        }
    }

    /// A notation whose values are in the order of their bytes.
    fn verbatim(&self, pattern: &str, literal: Literal) -> Branch {
        Branch { when: self.is(pattern), operand: self.text.clone(), grain: Grain::Microseconds, literal }
    }

    fn date(&self) -> Branch {
        self.verbatim(DATE, |start, at| Some(start.quote(&at.date_text()?)))
    }

    /// Seconds and six digits of a fraction are filled up, and zeros beyond them left out: then the bytes are in the
    /// order of time.
    fn naive(&self) -> Branch {
        let v = &self.text;
        Branch {
            when: self.is(ISO_NAIVE),
            operand: format!(
                "substr({v}, 1, 10) || ' ' || substr(substr({v}, 12, 8) || ':00', 1, 8) || '.' || \
                 substr(substr({v}, 21, 6) || '000000', 1, 6) || rtrim(substr({v}, 27, 3), '0')"
            ),
            grain: Grain::Finer,
            literal: |start, at| Some(start.quote(&at.naive_text()?)),
        }
    }

    /// An instant, rounded up to the microsecond.
    fn offset(&self) -> Branch {
        let v = &self.text;
        let finer = format!("{v} {} {}", self.matches(), self.quote("[.,][0-9]{6}0*[1-9]"));
        let (operand, literal): (_, Literal) = match self.dialect {
            Dialect::Postgres => {
                let whole = format!(
                    "replace(regexp_replace({v}, {}, {}), ',', '.')::timestamptz",
                    self.quote("([.,][0-9]{6})[0-9]+"),
                    self.quote("\\1")
                );
                let operand = format!("{whole} + CASE WHEN {finer} THEN interval '1 microsecond' ELSE interval '0' END");
                (operand, |_, at| Some(format!("'{}'::timestamptz", at.instant_text())))
            }
            Dialect::Sqlite => (format!("({} + ({finer}))", microseconds(v)), |_, at| Some(at.unix_us().to_string())),
        };
        Branch { when: self.is(ISO_OFFSET), operand, grain: Grain::Microseconds, literal }
    }

    fn is(&self, pattern: &str) -> String {
        format!("{} {} {}", self.text, self.matches(), self.quote(pattern))
    }

    fn matches(&self) -> &'static str {
        match self.dialect {
            Dialect::Postgres => "~",
            Dialect::Sqlite => "REGEXP",
        }
    }

    fn quote(&self, text: &str) -> String {
        quote_literal(self.dialect, text)
    }

    fn cast_to_integer(&self) -> String {
        match self.dialect {
            Dialect::Postgres => format!("{}::bigint", self.text),
            Dialect::Sqlite => format!("CAST({} AS INTEGER)", self.text),
        }
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

    /// A literal above every value of a text column that is before `upper`, so that an index narrows what is read: the
    /// notations begin with their digits in the order of time, and no zone is two days away from UTC.
    fn narrowing(&self, upper: &Thresholds) -> Option<String> {
        use TypeClass::{Bytes, Decimal, FoldedText, Integer, PaddedText, Text, Untyped};
        let digits = match self.test.format {
            StartFormat::UnixS | StartFormat::UnixMs | StartFormat::UnixUs => return None,
            StartFormat::Compact => upper.compact()?,
            StartFormat::Date | StartFormat::Timestamp | StartFormat::Iso8601 => {
                let day = TimeZone::UTC.to_datetime(upper.instant).date().checked_add(2.days()).ok()?;
                (day.year() > 0).then(|| day.to_string())?
            }
        };
        let hex: String = digits.bytes().map(|byte| format!("{byte:02x}")).collect();
        match (self.dialect, self.test.column.class) {
            (Dialect::Postgres, Text | FoldedText | PaddedText) => Some(self.quote(&digits)),
            (Dialect::Postgres, Integer | Decimal) => Some(digits),
            (Dialect::Postgres, Bytes) => Some(format!("decode('{hex}', 'hex')")),
            (Dialect::Postgres, _) => None,
            // Bytes come after all text.
            (Dialect::Sqlite, Bytes | Untyped) => Some(format!("x'{hex}'")),
            (Dialect::Sqlite, _) => Some(self.quote(&digits)),
        }
    }
}

/// SQLite: whole microseconds since 1970 of a text that [`ISO_OFFSET`] has taken. No dash of its date is within six characters
/// of the end, so a sign there is the offset's.
fn microseconds(v: &str) -> String {
    let offset = |sign: i8, minutes: &str| {
        format!(
            "WHEN substr({v}, {sign}, 1) IN ('+', '-') THEN (substr({v}, {sign}, 1) || '1') * (substr({v}, {}, 2) * 3600 + {minutes} * 60)",
            sign + 1
        )
    };
    let last_two = format!("substr({v}, -2)");
    format!(
        "((strftime('%s', substr({v}, 1, 16) || CASE substr({v}, 17, 1) WHEN ':' THEN substr({v}, 17, 3) ELSE ':00' END) \
         - CASE {} {} {} ELSE 0 END) * 1000000 \
         + CASE WHEN substr({v}, 20, 1) IN ('.', ',') THEN CAST(round(CAST('0.' || substr({v}, 21, 6) AS REAL) * 1000000) AS INTEGER) ELSE 0 END)",
        offset(-6, &last_two),
        offset(-5, &last_two),
        offset(-3, "0"),
    )
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
