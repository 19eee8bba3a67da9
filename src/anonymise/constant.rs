//! Constants: `null` and `fixed`.
//!
//! Whether a fixed value fits is asked so closely because its column must hold it exactly as the rule says it: a value
//! that the column rounded would differ from the rule's for ever, and the row would never be done.

use super::{Misfit, Strategy, Target, must};
use crate::{
    policy::Dialect,
    sql::{
        canonical_of, has_characters,
        limits::whole_numbers,
        selection::{ColumnRef, DoneTest, NewValue, TypeClass},
        subject_value_fits, uuid_of,
    },
};

/// `null`: nothing is left.
#[derive(Debug, Clone, Copy)]
pub struct Null;

impl Strategy for Null {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        must(!target.generated, "the database computes the column")?;
        must(target.column.nullable, "the column is NOT NULL; `fixed` would do")
    }

    fn value(&self, _: &Target) -> NewValue {
        NewValue::Null
    }

    fn done(&self, target: &Target) -> Option<DoneTest> {
        Some(DoneTest::IsNull(target.column.clone()))
    }
}

/// `fixed`: one value for every row.
#[derive(Debug, Clone)]
pub struct Fixed {
    value: String,
    replace_null: bool,
}

impl Fixed {
    /// Writes `value`; over NULL as well with `replace_null`.
    pub fn new(value: &str, replace_null: bool) -> Self {
        Self { value: value.to_owned(), replace_null }
    }
}

impl Strategy for Fixed {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        must(!target.generated, "the database computes the column")?;
        must(!target.unique, "the column is part of a unique key, and every row would get the same value")?;
        must(!self.value.contains('\0'), "the value contains NUL")?;
        match misfit(&self.value, target) {
            None => Ok(()),
            Some(what) => Err(Misfit(format!("the value is not {what}"))),
        }
    }

    fn value(&self, _: &Target) -> NewValue {
        NewValue::Fixed { value: self.value.clone(), replace_null: self.replace_null }
    }

    fn done(&self, target: &Target) -> Option<DoneTest> {
        Some(DoneTest::Equals { column: target.column.clone(), value: self.value.clone(), null_is_done: !self.replace_null })
    }
}

/// What a value would have to be for the column to hold it as it is; `None`: it does.
fn misfit(value: &str, target: &Target) -> Option<String> {
    let unless = |fits: bool, what: &str| (!fits).then(|| what.to_owned());
    let declared = &target.column.declared;
    match target.column.class {
        TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText => misfit_of_text(value, target),
        TypeClass::Untyped => None,
        TypeClass::Boolean => unless(matches!(value, "true" | "false" | "0" | "1"), "`true` or `false`"),
        TypeClass::Integer => unless(fits_integer(value, declared), "a whole number that the type can hold"),
        TypeClass::Float => unless(value.parse::<f64>().is_ok_and(f64::is_finite), "a number"),
        TypeClass::Decimal => unless(fits_decimal(value, declared), "a number that the type can hold without rounding"),
        TypeClass::Date => unless(is_canonical::<jiff::civil::Date>(value), "a date as YYYY-MM-DD"),
        TypeClass::Timestamp => {
            let fits = |time: jiff::civil::DateTime| time.subsec_nanosecond() % finest(target) == 0;
            unless(value.parse().is_ok_and(fits), "a time as `YYYY-MM-DDTHH:MM:SS`")
        }
        TypeClass::TimestampTz => {
            let until = if target.dialect == Dialect::Mysql { LAST_OF_TIMESTAMP } else { jiff::Timestamp::MAX };
            let from = if target.dialect == Dialect::Mysql { jiff::Timestamp::UNIX_EPOCH } else { jiff::Timestamp::MIN };
            let fits = |time: jiff::Timestamp| time.subsec_nanosecond() % finest(target) == 0 && time > from && time <= until;
            unless(value.parse().is_ok_and(fits), "a time as `YYYY-MM-DDTHH:MM:SSZ` that the type can hold")
        }
        TypeClass::Bytes if target.dialect == Dialect::Mysql => {
            let longest = target.max_length.filter(|&longest| value.len() > longest as usize)?;
            Some(format!("a text of at most {longest} bytes"))
        }
        TypeClass::Bytes if target.dialect == Dialect::Postgres => {
            let is_bytes = !value.contains('\\') || (value.starts_with("\\x") && canonical_of(value).is_some());
            unless(is_bytes, "bytes: `\\x` and hexadecimal digits, or a text without a backslash")
        }
        TypeClass::Uuid => unless(uuid_of(value).is_some(), "a UUID"),
        TypeClass::Inet => unless(value.parse::<std::net::IpAddr>().is_ok(), "an IP address"),
        TypeClass::Enum => unless(is_label(value, target), &format!("one of its labels: {}", target.column.labels.join(", "))),
        TypeClass::Bits => unless(subject_value_fits(&target.column, target.dialect, value).is_ok(), "bits that the type can hold"),
        // PostgreSQL's text has no NUL, and so neither has a document there.
        TypeClass::Json => {
            unless(serde_json::from_str::<serde::de::IgnoredAny>(value).is_ok() && !value.contains("\\u0000"), "a JSON document")
        }
        TypeClass::Other if declared.starts_with("set(") => unless(is_set(value, target), "some of its members, in their order"),
        TypeClass::Other if declared.ends_with("[]") => unless(value == "{}", "`{}`, the empty array"),
        TypeClass::Bytes | TypeClass::Other => Some("one that `fixed` can write to a column of this type".to_owned()),
    }
}

fn misfit_of_text(value: &str, target: &Target) -> Option<String> {
    let ColumnRef { declared, class, .. } = &target.column;
    if let Some(longest) = target.max_length.filter(|&longest| value.chars().count() > longest as usize) {
        return Some(format!("a text of at most {longest} characters"));
    }
    let is_char = declared.starts_with("char(") || (declared.starts_with("character(") && *class == TypeClass::FoldedText);
    if is_char && target.dialect != Dialect::Sqlite && value.ends_with(' ') {
        return Some("a text without blanks at its end, of which this type keeps none".to_owned());
    }
    let collation = declared.split_once(" COLLATE ").filter(|_| target.dialect == Dialect::Mysql);
    let lacks = collation.is_some_and(|(_, collation)| !has_characters(collation, value));
    lacks.then(|| "a text that the column's character set surely has".to_owned())
}

/// Labels of MariaDB are equal in the column's collation, and only one of them is written as it is.
fn is_label(value: &str, target: &Target) -> bool {
    target.column.labels.iter().any(|label| label == value)
}

/// MariaDB's SET: in another order they would be read in their own.
fn is_set(value: &str, target: &Target) -> bool {
    let mut labels = target.column.labels.iter();
    value.is_empty() || value.split(',').all(|member| labels.any(|label| label == member))
}

/// MariaDB: the last second of every version's TIMESTAMP, 2038-01-19T03:14:07Z.
const LAST_OF_TIMESTAMP: jiff::Timestamp = jiff::Timestamp::constant(2_147_483_647, 0);

/// The finest fraction of a second, in nanoseconds, that a type of times keeps.
fn finest(target: &Target) -> i32 {
    let digits = match target.dialect {
        Dialect::Sqlite | Dialect::Postgres => 0,
        Dialect::Mysql => {
            let within = target.column.declared.split_once('(').and_then(|(_, rest)| rest.split_once(')'));
            within.and_then(|(digits, _)| digits.parse().ok()).unwrap_or(0)
        }
    };
    10_i32.pow(9 - digits.min(6))
}

fn is_canonical<T: std::str::FromStr + ToString>(value: &str) -> bool {
    value.parse::<T>().is_ok_and(|parsed| parsed.to_string() == value)
}

fn fits_integer(value: &str, declared: &str) -> bool {
    is_canonical::<i128>(value) && value.parse().is_ok_and(|number| whole_numbers(declared).contains(&number))
}

/// A decimal of the digits that `numeric(precision,scale)` keeps; without them, of any.
fn fits_decimal(value: &str, declared: &str) -> bool {
    let digits = value.strip_prefix('-').unwrap_or(value);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !all_digits(whole) || !all_digits(fraction) || digits.ends_with('.') || digits.len() > 100 {
        return false;
    }
    let Some((limits, _)) = declared.split_once('(').and_then(|(_, rest)| rest.split_once(')')) else { return true };
    let (precision, scale) = limits.split_once(',').unwrap_or((limits, "0"));
    let (Ok(precision), Ok(scale)) = (precision.trim().parse::<usize>(), scale.trim().parse::<usize>()) else { return false };
    fraction.len() <= scale && whole.trim_start_matches('0').len() + scale <= precision
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(class: TypeClass, declared: &str) -> Target {
        let column = ColumnRef {
            name: "c".to_owned(),
            class,
            declared: declared.to_owned(),
            nullable: true,
            labels: Vec::new(),
            side: crate::sql::selection::Side::Row,
        };
        Target { column, dialect: Dialect::Postgres, timezone: "UTC".into(), max_length: None, unique: false, generated: false }
    }

    fn fixed_fits(value: &str, target: &Target) -> bool {
        Fixed::new(value, false).fits(target).is_ok()
    }

    #[test]
    fn null_needs_a_column_that_can_be_null_and_assigned() {
        let fits = target(TypeClass::Json, "jsonb");
        assert_eq!(Null.fits(&fits), Ok(()));
        assert_eq!(Null.fits(&Target { unique: true, ..fits.clone() }), Ok(()), "NULLs don't collide");
        assert!(Null.fits(&Target { generated: true, ..fits.clone() }).is_err());
        let column = ColumnRef { nullable: false, ..fits.column.clone() };
        assert!(Null.fits(&Target { column, ..fits }).unwrap_err().to_string().contains("`fixed`"));
    }

    #[test]
    fn a_fixed_value_must_be_one_that_the_column_keeps_as_it_is() {
        for (value, class, declared, fits) in [
            ("gone", TypeClass::Text, "text", true),
            ("", TypeClass::Text, "text", true),
            ("nul\0", TypeClass::Text, "text", false),
            ("true", TypeClass::Boolean, "boolean", true),
            ("yes", TypeClass::Boolean, "boolean", false),
            ("32767", TypeClass::Integer, "smallint", true),
            ("32768", TypeClass::Integer, "smallint", false),
            ("1.5", TypeClass::Integer, "bigint", false),
            ("1.25", TypeClass::Decimal, "numeric(4,2)", true),
            ("1.255", TypeClass::Decimal, "numeric(4,2)", false),
            ("100.0", TypeClass::Decimal, "numeric(4,2)", false),
            ("-0.000001", TypeClass::Decimal, "numeric", true),
            ("1.", TypeClass::Decimal, "numeric", false),
            ("1970-01-01 00:00:00", TypeClass::Timestamp, "DATETIME", true),
            ("NaN", TypeClass::Float, "double precision", false),
            ("1970-01-01", TypeClass::Date, "date", true),
            ("19700101", TypeClass::Date, "date", false),
            ("1970-01-01T00:00:00", TypeClass::Timestamp, "timestamp without time zone", true),
            ("1970-01-01T00:00:00.5", TypeClass::Timestamp, "timestamp(0) without time zone", false),
            ("1970-01-01T00:00:00Z", TypeClass::TimestampTz, "timestamp with time zone", true),
            ("1970-01-01T00:00:00", TypeClass::TimestampTz, "timestamp with time zone", false),
            ("00000000-0000-0000-0000-000000000000", TypeClass::Uuid, "uuid", true),
            ("0.0.0.0", TypeClass::Inet, "inet", true),
            ("nowhere", TypeClass::Inet, "inet", false),
            ("{}", TypeClass::Json, "jsonb", true),
            ("{", TypeClass::Json, "jsonb", false),
            ("\"a\\u0000\"", TypeClass::Json, "jsonb", false),
            ("\\xab", TypeClass::Bytes, "bytea", true),
            ("gone", TypeClass::Bytes, "bytea", true),
            ("a\\b", TypeClass::Bytes, "bytea", false),
            ("101", TypeClass::Bits, "bit(3)", true),
            ("10", TypeClass::Bits, "bit(3)", false),
            ("{}", TypeClass::Other, "integer[]", true),
            ("{1}", TypeClass::Other, "integer[]", false),
            ("empty", TypeClass::Other, "int4range", false),
        ] {
            assert_eq!(fixed_fits(value, &target(class, declared)), fits, "{value:?} in {declared}");
        }
    }

    #[test]
    fn a_fixed_value_is_refused_where_it_is_too_long_or_would_collide() {
        let short = Target { max_length: Some(4), ..target(TypeClass::Text, "character varying(4)") };
        assert!(fixed_fits("gøne", &short));
        assert!(!fixed_fits("gone!", &short));
        assert!(!fixed_fits("gone", &Target { unique: true, ..short }));
    }

    #[test]
    fn labels_and_members_are_known() {
        let of = |declared: &str, class| {
            let target = target(class, declared);
            Target {
                column: ColumnRef { labels: vec!["a".to_owned(), "b".to_owned()], ..target.column.clone() },
                dialect: Dialect::Mysql,
                ..target
            }
        };
        let (label, members) = (of("enum('a','b')", TypeClass::Enum), of("set('a','b')", TypeClass::Other));
        for (value, is_label, is_set) in
            [("a", true, true), ("A", false, false), ("a,b", false, true), ("b,a", false, false), ("", false, true)]
        {
            assert_eq!((fixed_fits(value, &label), fixed_fits(value, &members)), (is_label, is_set), "{value:?}");
        }
        assert!(Fixed::new("c", false).fits(&label).unwrap_err().to_string().ends_with("one of its labels: a, b"));
    }

    #[test]
    fn a_text_that_the_column_would_change_is_refused() {
        let of = |declared| Target { dialect: Dialect::Mysql, ..target(TypeClass::FoldedText, declared) };
        assert!(
            fixed_fits("gone ", &of("varchar(9) COLLATE utf8mb4_general_ci"))
                && !fixed_fits("gone ", &of("char(9) COLLATE utf8mb4_general_ci"))
        );
        assert!(fixed_fits("ö", &of("text COLLATE latin1_swedish_ci")) && !fixed_fits("Ж", &of("text COLLATE latin1_swedish_ci")));
        assert!(!fixed_fits("ö", &of("text COLLATE koi8r_general_ci")), "nobody knows");
    }

    #[test]
    fn null_is_done_unless_it_is_replaced() {
        let target = target(TypeClass::Text, "text");
        for replace_null in [false, true] {
            let done = Fixed::new("gone", replace_null).done(&target);
            assert_eq!(
                done,
                Some(DoneTest::Equals { column: target.column.clone(), value: "gone".to_owned(), null_is_done: !replace_null })
            );
        }
    }
}
