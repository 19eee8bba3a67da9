//! A column compared with a value that a rule names: whose tenant a row is.

use super::{
    super::{
        mysql, quote_literal,
        selection::{ColumnRef, TypeClass},
    },
    column::column,
};
use crate::policy::Dialect;

/// Whether rows of a tenant can be told by a column of this class: names and numbers, of which equal values are one.
pub fn can_be_tenant(class: TypeClass, dialect: Dialect) -> bool {
    use TypeClass::{Decimal, Enum, FoldedText, Integer, PaddedText, Text, Untyped, Uuid};
    matches!(class, Decimal | Enum | FoldedText | Integer | PaddedText | Text | Uuid) || (class == Untyped && dialect == Dialect::Sqlite)
}

/// TRUE, FALSE, or NULL where the column is: the row is of the tenant. Compared in the column's own type and collation; that the
/// value can be one of the column is known by [`subject_value_fits`](crate::sql::subject_value_fits).
pub fn is_of_tenant(dialect: Dialect, of: &ColumnRef, value: &str) -> String {
    let (name, literal) = (column(of), quote_literal(dialect, value));
    match (dialect, of.class) {
        (Dialect::Mysql, _) => format!("{name} = {}", mysql::literal(of, value)),
        // A value has a type of its own there, and a number is not its digits.
        (Dialect::Sqlite, TypeClass::Untyped) => match value.parse::<i64>() {
            Ok(number) => format!("{name} IN ({literal}, {number})"),
            Err(_) => format!("{name} = {literal}"),
        },
        _ => format!("{name} = {literal}"),
    }
}
