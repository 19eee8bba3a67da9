//! Literals of a condition: texts, numbers, dates.

use jiff::{Timestamp, civil};
use sqlparser::ast::{Expr, TypedString, Value};

use super::walk::{Walk, Written};
use crate::policy::Dialect;

impl Walk<'_> {
    /// A literal, in the one way of writing it that means the same in every session.
    pub(super) fn literal(&self, expr: &Expr, value: &Value) -> Written {
        match value {
            Value::Number(number, false) if is_plain_number(number) => Ok(number.clone()),
            Value::SingleQuotedString(text) => self.string(expr, text),
            Value::Boolean(true) => Ok("TRUE".to_owned()),
            Value::Boolean(false) => Ok("FALSE".to_owned()),
            Value::Null => Ok("NULL".to_owned()),
            Value::Placeholder(name) => {
                Err(self.refuse(expr, format!("a condition has no parameters: `{name}`")).help("write the value itself"))
            }
            other => Err(self
                .refuse(expr, format!("a literal can't be written like `{other}`"))
                .help("texts stand in single quotes, numbers are decimal")),
        }
    }

    fn string(&self, expr: &Expr, text: &str) -> Written {
        let quoted = text.replace('\'', "''");
        match self.dialect {
            Dialect::Postgres if reads_the_clock(text) => Err(self
                .refuse(expr, format!("PostgreSQL may read `'{text}'` as the present time"))
                .help("a condition must mean the same at any time; periods belong into `keep_for`")),
            // Right whether or not the session has `standard_conforming_strings`.
            Dialect::Postgres if text.contains('\\') => Ok(format!("E'{}'", quoted.replace('\\', "\\\\"))),
            // No session of ours reads a backslash in a literal as anything but itself.
            Dialect::Sqlite | Dialect::Postgres | Dialect::Mysql => Ok(format!("'{quoted}'")),
        }
    }

    /// `DATE '2026-01-31'`: only with a date that is fully written out, for others depend on the session.
    pub(super) fn typed(&self, expr: &Expr, typed: &TypedString) -> Written {
        let value = match &typed.value.value {
            Value::SingleQuotedString(text) if !typed.uses_odbc_syntax && self.dialect != Dialect::Sqlite => text,
            _ => return Err(self.unknown(expr)),
        };
        let name = typed.data_type.to_string().to_ascii_uppercase();
        let (name, readable, example) = match name.as_str() {
            "DATE" => ("DATE", value.parse::<civil::Date>().is_ok() && value.len() == "2026-01-31".len(), "2026-01-31"),
            "TIMESTAMP" | "TIMESTAMP WITHOUT TIME ZONE" => {
                ("TIMESTAMP", value.parse::<civil::DateTime>().is_ok() && value.parse::<Timestamp>().is_err(), "2026-01-31 12:00:00")
            }
            "TIMESTAMP WITH TIME ZONE" | "TIMESTAMPTZ" if self.dialect == Dialect::Postgres => {
                ("TIMESTAMPTZ", value.parse::<Timestamp>().is_ok(), "2026-01-31T12:00:00Z")
            }
            _ => return Err(self.unknown(expr)),
        };
        if !readable {
            return Err(self
                .refuse(expr, format!("not a date or time that means the same everywhere: `'{value}'`"))
                .help(format!("write it like '{example}'")));
        }
        Ok(format!("{name} {}", self.string(expr, value)?))
    }
}

/// Digits, perhaps a fraction, perhaps an exponent: no hexadecimal, no underscores, no suffix.
fn is_plain_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(mantissa, exponent)| (mantissa, Some(exponent)));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    digits(whole) && digits(fraction) && !(whole.is_empty() && fraction.is_empty()) && exponent
}

/// True for texts such as `'now'` and `'today 12:00'`, which PostgreSQL takes for the present when it compares them with
/// a date or time.
fn reads_the_clock(text: &str) -> bool {
    const PRESENT: [&str; 4] = ["now", "today", "tomorrow", "yesterday"];
    const BESIDE: [&str; 6] = ["allballs", "am", "pm", "z", "utc", "zulu"];
    let text = text.to_ascii_lowercase();
    let mut words = text.split(|character: char| !character.is_alphabetic()).filter(|word| !word.is_empty()).peekable();
    let mut present = false;
    words.all(|word| {
        let is_present = PRESENT.contains(&word);
        present |= is_present;
        is_present || BESIDE.contains(&word)
    }) && present
}
