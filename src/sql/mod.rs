//! Pure text: how rows are found and changed, in each source's dialect.
//!
//! [`selection`] says which rows, as data; `predicate` writes its parts and [`statement`] whole statements, both as pure
//! functions that snapshots can hold. `limits` says what values a
//! type holds, `subject` what forms a held subject has. What is common to all of them is here: quoting, the names of retentiond's own
//! tables, and [`checked`], the one place that hands text to the driver. A new dialect is a variant of [`Dialect`] and
//! its arms in `predicate`.
//!
//! In every statement the rule's table goes by the alias `t`, because conditions name their columns as `t."name"`.

mod alias;
mod counts;
#[cfg(test)]
mod fixture;
pub mod limits;
mod mysql;
pub mod opt_out;
mod predicate;
pub mod selection;
pub mod statement;
mod subject;

pub use self::mysql::{FOLDED, FOLDINGS, has_characters, quote_for_people};
pub use self::predicate::tenant::{can_be_tenant, is_of_tenant};
use self::selection::{Cell, TableRef, WorkspaceRef};
pub use self::subject::{
    can_be_subject, canonical_of, fits_decimal, is_recordable, number_of, subject_value_fits, uuid_of, why_no_subject,
};
use crate::policy::Dialect;

/// A statement and the values that go with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// Parameters are `$1`, `$2`, … on PostgreSQL, where each is bound as text and cast in the statement, `?1`, `?2`, … on
    /// SQLite, where each is bound as the type its [`Cell`] says, and `?` each time on MariaDB, where that is so and each
    /// is cast in the statement.
    pub text: String,
    /// One for each parameter, in their order.
    pub binds: Vec<Cell>,
}

impl Statement {
    /// A statement without parameters.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), binds: Vec::new() }
    }
}

/// Hands a text that this room (or an engine's own constant) wrote to the driver: the crate's only `AssertSqlSafe`.
///
/// NUL, which PostgreSQL's protocol takes for the end of a statement, becomes U+FFFD: a name or value with a NUL in it
/// then names or equals nothing, where a statement cut short could have meant more rows.
pub fn checked(text: &str) -> sqlx::AssertSqlSafe<String> {
    sqlx::AssertSqlSafe(without_nul(text))
}

fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{FFFD}")
}

/// A name as an identifier, exact in case and characters.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A text as a literal, whatever `standard_conforming_strings` says.
pub fn quote_literal(dialect: Dialect, text: &str) -> String {
    let doubled = text.replace('\'', "''");
    match dialect {
        Dialect::Postgres if text.contains('\\') => format!("E'{}'", doubled.replace('\\', "\\\\")),
        Dialect::Postgres | Dialect::Sqlite | Dialect::Mysql => format!("'{doubled}'"),
    }
}

/// A table with its schema.
pub fn qualified(dialect: Dialect, table: &TableRef) -> String {
    match dialect {
        Dialect::Postgres | Dialect::Sqlite | Dialect::Mysql => {
            format!("{}.{}", quote_identifier(&table.schema), quote_identifier(&table.table))
        }
    }
}

/// Where a selection's rows are looked for; stands before `AS t`.
fn rows_of(selection: &selection::Selection) -> String {
    let table = qualified(selection.workspace.dialect, &selection.table);
    match &selection.part {
        Some(part) => format!("{table} PARTITION ({})", quote_identifier(part)),
        None => table,
    }
}

impl WorkspaceRef {
    /// The table with the gate's epoch.
    pub fn gate(&self) -> String {
        self.own("gate")
    }

    /// The table with a row for each worker's lane.
    pub fn lane(&self) -> String {
        self.own("lane")
    }

    /// The table of held subjects.
    pub fn held(&self) -> String {
        self.own("held")
    }

    /// MariaDB: the temporary table of an act's computed values, `(old, new)`; `number` counts its computed columns.
    pub fn new_values(&self, number: usize) -> String {
        self.own(&format!("new_{number}"))
    }

    /// The table with the stamp of the state that the source belongs to.
    pub fn identity(&self) -> String {
        self.own("identity")
    }

    fn own(&self, table: &str) -> String {
        match self.dialect {
            Dialect::Postgres | Dialect::Mysql => format!("{}.{}", quote_identifier(&self.name), quote_identifier(table)),
            Dialect::Sqlite => quote_identifier(&format!("{}_{table}", self.name)),
        }
    }
}

/// Runs statements for tests on an SQLite of its own: that the driver is named in this file alone holds for tests too.
#[cfg(test)]
mod trial {
    use sqlx::{Column as _, Connection as _, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _, sqlite::SqliteConnectOptions};

    use super::{Cell, Statement, checked};

    pub(super) struct Trial(SqliteConnection);

    impl Trial {
        pub(super) async fn open() -> Self {
            let options = SqliteConnectOptions::new().in_memory(true).with_regexp();
            Self(SqliteConnection::connect_with(&options).await.unwrap())
        }

        /// The rows of a statement, and how many it changed.
        pub(super) async fn run(&mut self, statement: &Statement) -> Vec<Vec<Cell>> {
            let mut query = sqlx::query(checked(&statement.text));
            for bind in &statement.binds {
                query = match bind {
                    Cell::Null => query.bind(None::<String>),
                    Cell::Integer(number) => query.bind(*number),
                    Cell::Real(number) => query.bind(*number),
                    Cell::Text(text) => query.bind(text.clone()),
                    Cell::Bytes(bytes) => query.bind(bytes.clone()),
                };
            }
            let rows = query.fetch_all(&mut self.0).await.unwrap_or_else(|error| panic!("{error}: {}", statement.text));
            rows.iter().map(|row| row.columns().iter().map(|column| cell(row, column.ordinal())).collect()).collect()
        }

        pub(super) async fn text(&mut self, text: &str) -> Vec<Vec<Cell>> {
            self.run(&Statement::plain(text)).await
        }
    }

    fn cell(row: &sqlx::sqlite::SqliteRow, index: usize) -> Cell {
        let value = row.try_get_raw(index).unwrap();
        match value.type_info().name() {
            _ if value.is_null() => Cell::Null,
            "INTEGER" => Cell::Integer(row.get(index)),
            "REAL" => Cell::Real(row.get(index)),
            "TEXT" => Cell::Text(row.get(index)),
            _ => Cell::Bytes(row.get(index)),
        }
    }
}
