//! `date_trunc`: the beginning of the year, month or day.
//!
//! | column | in which zone |
//! |---|---|
//! | a native date or timestamp without a zone | none: its own calendar |
//! | a native timestamp with a zone, an instant | the rule's `timezone`; on MariaDB that must be UTC, for its server may know no other |
//! | text in ISO 8601 | the one that it is written in: its offset stays, its time becomes `00:00:00` in the same form |
//!
//! Text that is no date becomes NULL, or the empty text where the column can't be NULL: nobody can show that it is
//! anonymous. Infinite dates stay. Hours are no unit, because a clock change by half an hour makes the beginning of an hour
//! another one the second time.

use std::sync::Arc;

use regex_lite::Regex;

use super::{Misfit, Strategy, Target, must};
use crate::{
    fault,
    policy::{Dialect, Unit},
    sql::selection::{Compute, DoneTest, Formula, NewValue, TypeClass},
};

/// `date_trunc` to the beginning of a unit.
#[derive(Debug, Clone, Copy)]
pub struct DateTrunc {
    unit: Unit,
}

impl DateTrunc {
    /// To the beginning of `unit`.
    pub fn new(unit: Unit) -> Self {
        Self { unit: if fault::seeded("truncation-too-fine") { Unit::Day } else { unit } }
    }

    /// The formula, where the database knows the type; `None`: the values are text.
    fn formula(self, target: &Target) -> Option<Formula> {
        let is_native = matches!(target.column.class, TypeClass::Date | TypeClass::Timestamp | TypeClass::TimestampTz);
        (is_native && target.dialect != Dialect::Sqlite).then(|| Formula::Truncated { unit: self.unit, zone: target.timezone.clone() })
    }
}

impl Strategy for DateTrunc {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        let is_date = matches!(target.column.class, TypeClass::Date | TypeClass::Timestamp | TypeClass::TimestampTz);
        must(!target.generated, "the database computes the column")?;
        must(is_date || target.is_text(), "the column holds neither dates nor text; `round` is for numbers")?;
        let is_instant = target.column.class == TypeClass::TimestampTz && target.dialect == Dialect::Mysql;
        must(!is_instant || target.timezone == "UTC", "the column holds instants, and the rule's `timezone` is not UTC")?;
        must(!target.unique, "the column is part of a unique key, and neighbours would get the same date")
    }

    fn value(&self, target: &Target) -> NewValue {
        self.formula(target).map_or_else(|| NewValue::Computed(Arc::new(Text::new(self.unit))), NewValue::Formula)
    }

    fn done(&self, target: &Target) -> Option<DoneTest> {
        let column = target.column.clone();
        Some(match self.formula(target) {
            Some(formula) => DoneTest::Unchanged { column, formula },
            None => DoneTest::Matches { column, pattern: pattern(self.unit) },
        })
    }
}

/// A date, or a date and a time, perhaps with an offset: what may be in the column.
const DATE: &str =
    r"^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:([ T])[0-9]{2}:[0-9]{2}(:[0-9]{2})?([.,][0-9]+)?([Zz]|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$";

/// Exactly the texts that stay as they are.
fn pattern(unit: Unit) -> String {
    let date = match unit {
        Unit::Year => "[0-9]{4}-01-01",
        Unit::Month => "[0-9]{4}-[0-9]{2}-01",
        Unit::Day => "[0-9]{4}-[0-9]{2}-[0-9]{2}",
    };
    format!("^(?:{date}(?:[ T]00:00(?::00)?(?:[.,]0+)?(?:[Zz]|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)?)?)?$")
}

/// Truncates what is written.
struct Text {
    unit: Unit,
    /// [`DATE`]; absent only if it were no pattern, and then nothing is a date.
    date: Option<Regex>,
}

impl Text {
    fn new(unit: Unit) -> Self {
        Self { unit, date: Regex::new(DATE).ok() }
    }
}

impl Compute for Text {
    fn compute(&self, old: &str) -> Option<String> {
        if old.is_empty() {
            return Some(String::new());
        }
        let parts = self.date.as_ref()?.captures(old)?;
        let part = |number: usize| parts.get(number).map_or("", |part| part.as_str());
        let (year, month, day) = match self.unit {
            Unit::Year => (part(1), "01", "01"),
            Unit::Month => (part(1), part(2), "01"),
            Unit::Day => (part(1), part(2), part(3)),
        };
        let zeros = |text: &str| text.replace(|sign: char| sign.is_ascii_digit(), "0");
        let time = match part(4) {
            "" => String::new(),
            between => format!("{between}00:00{}{}{}", zeros(part(5)), zeros(part(6)), part(7)),
        };
        Some(format!("{year}-{month}-{day}{time}"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::{
        prelude::{ProptestConfig, prop, prop_assert, prop_assert_eq, prop_oneof, proptest},
        strategy::Strategy as Generator,
    };

    use super::*;
    use crate::sql::selection::ColumnRef;

    #[test]
    fn text_keeps_its_form_and_its_offset() {
        for (old, [year, month, day]) in [
            ("2024-03-17", ["2024-01-01", "2024-03-01", "2024-03-17"]),
            ("2024-03-17 23:45:06", ["2024-01-01 00:00:00", "2024-03-01 00:00:00", "2024-03-17 00:00:00"]),
            ("2024-03-17T23:45:06.789Z", ["2024-01-01T00:00:00.000Z", "2024-03-01T00:00:00.000Z", "2024-03-17T00:00:00.000Z"]),
            ("2024-03-17T00:30+02:00", ["2024-01-01T00:00+02:00", "2024-03-01T00:00+02:00", "2024-03-17T00:00+02:00"]),
            ("", ["", "", ""]),
        ] {
            for (unit, new) in [(Unit::Year, year), (Unit::Month, month), (Unit::Day, day)] {
                assert_eq!(Text::new(unit).compute(old).as_deref(), Some(new), "{old:?} to the {}", unit.name());
            }
        }
    }

    #[test]
    fn what_is_no_date_leaves_nothing() {
        for old in ["17.03.2024", "2024-03", "20240317", "2024-03-17 at noon", "1710633600", " 2024-03-17", "2024-03-17\n"] {
            assert_eq!(Text::new(Unit::Month).compute(old), None, "{old:?}");
        }
    }

    #[test]
    fn fits_dates_and_text_that_may_be_equal() {
        let strategy = DateTrunc::new(Unit::Month);
        let target = |class, dialect| Target {
            column: ColumnRef {
                name: "c".into(),
                class,
                declared: "timestamptz".into(),
                nullable: false,
                labels: Vec::new(),
                side: crate::sql::selection::Side::Row,
            },
            dialect,
            timezone: "Europe/Berlin".into(),
            max_length: None,
            unique: false,
            generated: false,
        };
        let instant = target(TypeClass::TimestampTz, Dialect::Postgres);
        assert_eq!(strategy.fits(&instant), Ok(()));
        let NewValue::Formula(Formula::Truncated { unit: Unit::Month, zone }) = strategy.value(&instant) else { panic!("a formula") };
        assert_eq!(zone, "Europe/Berlin");
        assert!(matches!(strategy.value(&target(TypeClass::Timestamp, Dialect::Sqlite)), NewValue::Computed(_)));
        assert!(strategy.fits(&Target { unique: true, ..instant.clone() }).is_err());
        assert!(strategy.fits(&Target { generated: true, ..instant }).is_err());
        assert!(strategy.fits(&target(TypeClass::Integer, Dialect::Sqlite)).is_err());
    }

    fn units() -> impl Generator<Value = Unit> {
        prop::sample::select(vec![Unit::Year, Unit::Month, Unit::Day])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn idempotent_and_exactly_what_the_pattern_takes(unit in units(), text in prop_oneof![
            "20[0-9]{2}-[01][0-9]-[0-3][0-9]",
            "20[0-9]{2}-(01|03)-(01|17)[ T]0[0-9]:0[0-9](:0[0-9])?([.,]0{0,3}[0-9])?(Z|z|[+-]0[0-9](:?[03]0)?)?\n?",
            "20[0-9]{2}-01-01[ T]00:00(:00)?([.,]0{0,3})?(Z|[+-]00:?00)?",
            ".*",
        ]) {
            let pattern = Regex::new(&pattern(unit)).unwrap();
            let strategy = Text::new(unit);
            let new = strategy.compute(&text);
            prop_assert_eq!(pattern.is_match(&text), new.as_ref() == Some(&text), "{:?} gives {:?}", text, new);
            if let Some(new) = new {
                prop_assert!(pattern.is_match(&new), "{:?}", new);
                prop_assert_eq!(strategy.compute(&new), Some(new));
            }
        }
    }
}
