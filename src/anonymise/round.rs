//! `round`: the nearest multiple of a whole number, halves away from zero.
//!
//! Where the nearest multiple is more than the column holds, the next towards zero. Infinity and NaN stay. In SQLite, where
//! a column of numbers can hold anything, what is no number becomes NULL, or the empty text where the column can't be NULL.

use super::{Misfit, Strategy, Target, must};
use crate::{
    policy::Dialect,
    sql::{
        limits::{digits, whole_numbers},
        selection::{DoneTest, Formula, NewValue, TypeClass},
    },
};

/// Up to here a binary number of double precision has a digit behind the point, and PostgreSQL shows it.
const LARGEST_FLOAT: i128 = 100_000_000_000_000;

/// Digits of the largest number that decimals are rounded to.
const DIGITS: u32 = 38;

/// `round` to multiples of a number.
#[derive(Debug, Clone, Copy)]
pub struct Round {
    to: u64,
}

impl Round {
    /// To multiples of `to`, which is at least 1.
    pub fn new(to: u64) -> Self {
        Self { to }
    }

    fn formula(self, target: &Target) -> Formula {
        let to = i128::from(self.to.max(1));
        Formula::Rounded { to: self.to.max(1), largest: largest(target).map(|largest| largest / to * to) }
    }
}

impl Strategy for Round {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        let class = target.column.class;
        let is_number = matches!(class, TypeClass::Integer | TypeClass::Float | TypeClass::Decimal);
        must(!target.generated, "the database computes the column")?;
        must(is_number, "the column is not of numbers; `date_trunc` is for dates, `mask` for text")?;
        must(
            class != TypeClass::Float || target.dialect == Dialect::Sqlite || target.column.declared.starts_with("double"),
            "a column of six digits can't hold every multiple exactly; `null` or `fixed` would do",
        )?;
        // A scale below zero rounds by itself, to a power of ten.
        let coarse = digits(&target.column.declared).filter(|_| class == TypeClass::Decimal).map_or(0, |(_, scale)| (-scale).clamp(0, 19));
        must(
            u128::from(self.to) % 10_u128.pow(coarse.unsigned_abs()) == 0,
            "the column rounds by itself, and more coarsely than to every multiple; take a multiple of its own step",
        )?;
        must(!target.unique, "the column is part of a unique key, and neighbours would get the same number")
    }

    fn value(&self, target: &Target) -> NewValue {
        NewValue::Formula(self.formula(target))
    }

    fn done(&self, target: &Target) -> Option<DoneTest> {
        Some(DoneTest::Unchanged { column: target.column.clone(), formula: self.formula(target) })
    }
}

/// The largest whole number that the column holds; `None`: there is none.
fn largest(target: &Target) -> Option<i128> {
    match (target.column.class, target.column.declared.as_str()) {
        (TypeClass::Float, _) => Some(LARGEST_FLOAT),
        (TypeClass::Integer, declared) => Some(*whole_numbers(declared).end()),
        (_, declared) => {
            let (precision, scale) = digits(declared)?;
            let whole = precision.saturating_add_signed(scale.saturating_neg());
            Some(10_i128.pow(whole.min(DIGITS)) - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::selection::ColumnRef;

    fn target(class: TypeClass, declared: &str) -> Target {
        let column = ColumnRef {
            name: "c".into(),
            class,
            declared: declared.into(),
            nullable: false,
            labels: Vec::new(),
            side: crate::sql::selection::Side::Row,
        };
        Target { column, dialect: Dialect::Postgres, timezone: "UTC".into(), max_length: None, unique: false, generated: false }
    }

    #[test]
    fn fits_numbers_that_may_be_equal() {
        let round = Round::new(10);
        for (class, declared, fits) in [
            (TypeClass::Integer, "smallint", true),
            (TypeClass::Decimal, "numeric", true),
            (TypeClass::Float, "double precision", true),
            (TypeClass::Float, "real", false),
            (TypeClass::Text, "text", false),
            (TypeClass::Date, "date", false),
            (TypeClass::Other, "integer[]", false),
        ] {
            assert_eq!(round.fits(&target(class, declared)).is_ok(), fits, "{declared}");
        }
        let integer = target(TypeClass::Integer, "bigint");
        assert!(round.fits(&Target { unique: true, ..integer.clone() }).is_err());
        assert!(round.fits(&Target { generated: true, ..integer }).is_err());
        assert_eq!(round.fits(&Target { dialect: Dialect::Sqlite, ..target(TypeClass::Float, "REAL") }), Ok(()));
    }

    #[test]
    fn no_multiple_is_more_than_the_column_holds() {
        for (class, declared, largest) in [
            (TypeClass::Integer, "smallint", Some(32_760)),
            (TypeClass::Integer, "integer", Some(2_147_483_640)),
            (TypeClass::Decimal, "numeric(5,2)", Some(990)),
            (TypeClass::Decimal, "numeric(3,3)", Some(0)),
            (TypeClass::Decimal, "numeric(4)", Some(9_990)),
            (TypeClass::Decimal, "numeric", None),
            (TypeClass::Float, "double precision", Some(LARGEST_FLOAT)),
        ] {
            assert_eq!(Round::new(10).formula(&target(class, declared)), Formula::Rounded { to: 10, largest }, "{declared}");
        }
    }
}
