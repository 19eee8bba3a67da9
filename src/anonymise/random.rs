//! `random`: another value for each row, which nobody can guess and nothing leads back from.
//!
//! The one strategy for columns that can neither be NULL nor hold a value twice. 32 hexadecimal digits, or as many as the
//! column holds, at least 16; on PostgreSQL and MariaDB also a UUID for a column of that type. The database makes them, so that two
//! rows of one old value get two. Nothing tells such a value from another, so the rule needs a `mark`.

use super::{Misfit, Strategy, Target, must};
use crate::{
    policy::Dialect,
    sql::selection::{DoneTest, NewValue, TypeClass},
};

/// Digits of a value in a column that is long enough: the size of a UUID.
const DIGITS: u32 = 32;

/// Below this, two of some million rows might well get the same value.
const FEWEST_DIGITS: u32 = 16;

/// `random`.
#[derive(Debug, Clone, Copy)]
pub struct Random;

impl Strategy for Random {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        let is_uuid = target.column.class == TypeClass::Uuid && target.dialect != Dialect::Sqlite;
        must(!target.generated, "the database computes the column")?;
        must(target.is_text() || is_uuid, "the column holds neither text nor UUIDs; `null` or `fixed` would do")?;
        must(
            target.max_length.is_none_or(|longest| longest >= FEWEST_DIGITS),
            "the column is shorter than 16 characters, so that two rows might get the same value",
        )
    }

    fn value(&self, target: &Target) -> NewValue {
        NewValue::Random { digits: target.max_length.map_or(DIGITS, |longest| longest.min(DIGITS)) }
    }

    fn done(&self, _: &Target) -> Option<DoneTest> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::selection::ColumnRef;

    #[test]
    fn fits_text_and_uuids_also_where_they_are_unique() {
        let column = ColumnRef {
            name: "c".into(),
            class: TypeClass::Text,
            declared: "varchar(20)".into(),
            nullable: false,
            labels: Vec::new(),
            side: crate::sql::selection::Side::Row,
        };
        let target =
            Target { column, dialect: Dialect::Postgres, timezone: "UTC".into(), max_length: Some(20), unique: true, generated: false };
        assert_eq!(Random.fits(&target), Ok(()));
        assert!(matches!(Random.value(&target), NewValue::Random { digits: 20 }));
        assert!(Random.fits(&Target { max_length: Some(15), ..target.clone() }).is_err());
        assert!(Random.fits(&Target { generated: true, ..target.clone() }).is_err());
        let of = |class| Target { column: ColumnRef { class, ..target.column.clone() }, max_length: None, ..target.clone() };
        assert_eq!(Random.fits(&of(TypeClass::Uuid)), Ok(()));
        assert!(Random.fits(&of(TypeClass::Integer)).is_err());
        assert!(Random.fits(&Target { dialect: Dialect::Sqlite, ..of(TypeClass::Uuid) }).is_err());
        assert_eq!(Random.done(&target), None);
    }
}
