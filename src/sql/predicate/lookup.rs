//! Rows of other tables that a row leads to, as text.
//!
//! Each is asked for in a subquery of its own, by the columns that `on` names. The own column stands on the left and brings the collation
//! of the comparison. In a chain the last row may be missing: then its columns are NULL, which is as missing as no row at all.

use super::super::{
    qualified, quote_identifier,
    selection::{HopRef, Side},
};
use crate::policy::Dialect;

/// `FROM … WHERE …`: the rows that a row `t` leads to. `through` is not empty.
pub(in crate::sql) fn rows(dialect: Dialect, through: &[HopRef]) -> String {
    let Some((first, rest)) = through.split_first() else { return "FROM (SELECT 1) AS p WHERE TRUE".to_owned() };
    let table = |hop: &HopRef, side: Side| format!("{} AS {}", qualified(dialect, &hop.table), side.alias());
    let joined: String = rest
        .iter()
        .enumerate()
        .map(|(number, hop)| {
            let (from, to) = (Side::behind(number + 1), Side::behind(number + 2));
            format!(" LEFT JOIN {} ON {}", table(hop, to), leads(hop, from, to))
        })
        .collect();
    format!("FROM {}{joined} WHERE {}", table(first, Side::Parent), leads(first, Side::Row, Side::Parent))
}

/// TRUE, or not: the row of one side leads to that of the other.
pub(in crate::sql) fn leads(hop: &HopRef, from: Side, to: Side) -> String {
    let pair = |(own, theirs): &(String, String)| {
        format!("{}.{} = {}.{}", from.alias(), quote_identifier(own), to.alias(), quote_identifier(theirs))
    };
    hop.pairs.iter().map(pair).collect::<Vec<_>>().join(" AND ")
}

/// TRUE or FALSE: a row is there of which that is TRUE.
pub(in crate::sql) fn some(dialect: Dialect, through: &[HopRef], of_it: &str) -> String {
    format!("EXISTS (SELECT 1 {} AND {of_it})", rows(dialect, through))
}

/// TRUE or FALSE: a row is there at all.
pub(in crate::sql) fn any(dialect: Dialect, through: &[HopRef]) -> String {
    format!("EXISTS (SELECT 1 {})", rows(dialect, through))
}
