//! What retentiond's role needs of a server, as statements for a DBA: the least that the rules in force take.
//!
//! Each engine writes them in its own file `grants`; what a rule needs is a field of [`Needs`].

use serde::Serialize;

use crate::{policy::Residue, sql::selection::TableRef};

/// What the rules of a source need of one table. Reading all of it is what every rule needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs {
    pub table: TableRef,
    pub delete: bool,
    /// Opt-outs go there.
    pub insert: bool,
    /// The columns that are changed.
    pub update: Vec<String>,
    /// Partitions of it are dropped.
    pub drop: bool,
    /// What is asked for the bytes that its rows leave behind.
    pub residue: Residue,
    /// Triggers may fire, whose bodies have to be seen.
    pub triggers: bool,
    /// Rows of it are locked while others decide by them; a column of it, where a server asks for the right to change one.
    pub locked: Option<String>,
    /// Row security is on: whoever it applies to can't know what it hides.
    pub row_security: bool,
}

/// Statements with the reason for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// A sentence without its full stop.
    pub why: String,
    /// Without their semicolons.
    pub statements: Vec<String>,
}

impl Step {
    pub(super) fn new(why: impl Into<String>, statements: impl IntoIterator<Item = String>) -> Self {
        Self { why: why.into(), statements: statements.into_iter().collect() }
    }
}

/// Everything that a role needs on a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Grants {
    /// As statements write it; `None` where there are no roles.
    pub role: Option<String>,
    /// In the order in which they are to be run.
    pub steps: Vec<Step>,
}

/// What the grants on tables are for.
pub(super) fn of_tables(needs: &[Needs]) -> &'static str {
    if needs.iter().any(|needs| needs.insert) {
        "The tables of the rules, those whose rows a delete has to wait for, and those that opt-outs go to"
    } else {
        "The tables of the rules, and those whose rows a delete has to wait for"
    }
}

/// The privileges on one table, as GRANT lists them.
pub(super) fn privileges(needs: &Needs) -> String {
    let columns: Vec<String> = needs.update.iter().map(|column| crate::sql::quote_identifier(column)).collect();
    let update = (!columns.is_empty()).then(|| format!("UPDATE ({})", columns.join(", ")));
    let delete = needs.delete.then(|| "DELETE".to_owned());
    let insert = needs.insert.then(|| "INSERT".to_owned());
    ["SELECT".to_owned()].into_iter().chain(insert).chain(delete).chain(update).collect::<Vec<_>>().join(", ")
}
