//! Starts that are text, or numbers that are read as text: the notations of each format, told apart by their patterns.
//!
//! A notation is a function that gives a [`Branch`]; one that is new stands in the list of its format.

use jiff::{ToSpan as _, tz::TimeZone};

use super::{Branch, Grain, Literal, Start};
use crate::{
    policy::{
        Dialect, StartFormat,
        start::{COMPACT, DATE, ISO_NAIVE, ISO_OFFSET, Thresholds, WHOLE_NUMBER},
    },
    sql::{mysql, predicate::column::characters, selection::TypeClass},
};

impl Start<'_> {
    /// The notations of text that the format allows.
    pub(super) fn notations(&self) -> Vec<Branch> {
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
                    Dialect::Postgres | Dialect::Mysql => vec![whole],
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
            operand: match self.dialect {
                Dialect::Postgres | Dialect::Sqlite => format!(
                    "substr({v}, 1, 10) || ' ' || substr(substr({v}, 12, 8) || ':00', 1, 8) || '.' || \
                     substr(substr({v}, 21, 6) || '000000', 1, 6) || rtrim(substr({v}, 27, 3), '0')"
                ),
                Dialect::Mysql => format!(
                    "concat(substr({v}, 1, 10), ' ', substr(concat(substr({v}, 12, 8), ':00'), 1, 8), '.', \
                     substr(concat(substr({v}, 21, 6), '000000'), 1, 6), trim(TRAILING '0' FROM substr({v}, 27, 3)))"
                ),
            },
            grain: Grain::Finer,
            literal: |start, at| Some(start.quote(&at.naive_text()?)),
        }
    }

    /// An instant, rounded up to the microsecond.
    fn offset(&self) -> Branch {
        let v = &self.text;
        let finer = self.is("[.,][0-9]{6}0*[1-9]");
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
            Dialect::Mysql => {
                let operand = format!("({} + ({finer}))", microseconds_on_mysql(&characters(&self.test.column)));
                (operand, |_, at| Some(at.unix_us().to_string()))
            }
        };
        Branch { when: self.is(ISO_OFFSET), operand, grain: Grain::Microseconds, literal }
    }

    fn is(&self, pattern: &str) -> String {
        match self.dialect {
            Dialect::Postgres => format!("{} ~ {}", self.text, self.quote(pattern)),
            Dialect::Sqlite => format!("{} REGEXP {}", self.text, self.quote(pattern)),
            Dialect::Mysql => format!("{} REGEXP {}", characters(&self.test.column), self.quote(&mysql::pattern(pattern))),
        }
    }

    fn cast_to_integer(&self) -> String {
        match self.dialect {
            Dialect::Postgres => format!("{}::bigint", self.text),
            Dialect::Sqlite => format!("CAST({} AS INTEGER)", self.text),
            Dialect::Mysql => format!("CAST({} AS SIGNED)", self.text),
        }
    }

    /// A literal above every value of a text column that is before `upper`, so that an index narrows what is read: the
    /// notations begin with their digits in the order of time, and no zone is two days away from UTC.
    pub(super) fn narrowing(&self, upper: &Thresholds) -> Option<String> {
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
            (Dialect::Mysql, Text | FoldedText | PaddedText) => Some(self.quote(&digits)),
            (Dialect::Mysql, Integer | Decimal) => Some(digits),
            (Dialect::Mysql, Bytes) => Some(format!("x'{hex}'")),
            (Dialect::Postgres | Dialect::Mysql, _) => None,
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

/// MariaDB: the same.
fn microseconds_on_mysql(v: &str) -> String {
    let offset = |sign: i8, minutes: &str| {
        format!(
            "WHEN substr({v}, {sign}, 1) IN ('+', '-') THEN CASE substr({v}, {sign}, 1) WHEN '-' THEN -60000000 ELSE 60000000 END \
             * (CAST(substr({v}, {}, 2) AS SIGNED) * 60 + {minutes})",
            sign + 1
        )
    };
    let last_two = format!("CAST(right({v}, 2) AS SIGNED)");
    format!(
        "(timestampdiff(MICROSECOND, '1970-01-01 00:00:00', CAST(concat(substr({v}, 1, 10), ' ', substr({v}, 12, 5), \
         CASE substr({v}, 17, 1) WHEN ':' THEN substr({v}, 17, 3) ELSE ':00' END) AS DATETIME)) \
         - CASE {} {} {} ELSE 0 END \
         + CASE WHEN substr({v}, 20, 1) IN ('.', ',') \
         THEN CAST(rpad(substr(regexp_substr({v}, '[.,][0-9]{{1,6}}'), 2), 6, '0') AS SIGNED) ELSE 0 END)",
        offset(-6, &last_two),
        offset(-5, &last_two),
        offset(-3, "0"),
    )
}
