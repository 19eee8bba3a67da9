//! What batches run. Each statement restates the whole predicate besides its range: what a scan found is never trusted,
//! and law 2 is kept by the statement that acts.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::{
    Binds,
    walk::{at_most, within},
};
use crate::{
    clock::hex,
    fault,
    policy::Dialect,
    sql::{
        Statement,
        alias::without_alias,
        mysql,
        predicate::{
            column::{column, text_of},
            done::done_in,
            due, formula,
        },
        qualified, quote_identifier, quote_literal,
        selection::{Act, Cell, ColumnRef, NewValue, Range, Selection, TypeClass, Way, WorkspaceRef},
    },
};

/// New texts by old ones, each old one once, for one column; `None` writes NULL. An old one is text, or bytes that are none.
pub type NewValues = Vec<(Cell, Option<String>)>;

/// SQLite: the temporary table of new values, `(col, old, new)`; `col` counts the computed columns of an act from 0.
pub const NEW_VALUES: &str = "temp.retentiond_new";

/// SQLite: creates [`NEW_VALUES`] where the connection lacks it.
pub const CREATE_NEW_VALUES: &str =
    "CREATE TEMP TABLE IF NOT EXISTS retentiond_new (col INTEGER, old TEXT, new TEXT, PRIMARY KEY (col, old)) WITHOUT ROWID";

/// SQLite: empties [`NEW_VALUES`].
pub const CLEAR_NEW_VALUES: &str = "DELETE FROM temp.retentiond_new";

/// MariaDB: makes the temporary table of a column's new values where the connection lacks it, and empties it.
pub fn create_new_values(table: &str) -> String {
    format!(
        "CREATE TEMPORARY TABLE IF NOT EXISTS {table} (old longblob NOT NULL, new longtext CHARACTER SET utf8mb4, KEY (old(255))) \
         ENGINE = InnoDB; DELETE FROM {table}"
    )
}

/// Deletes the due rows of the range.
///
/// No row goes that a hold covers (law 2), because the statement itself asks the `held` table, behind the gate.
pub fn delete(selection: &Selection, range: &Range) -> Statement {
    let mut binds = Binds::new(selection.workspace.dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    let (table, due) = (qualified(selection.workspace.dialect, &selection.table), conjuncts.join(" AND "));
    binds.statement(match selection.workspace.dialect {
        Dialect::Postgres | Dialect::Sqlite => format!("DELETE FROM {table} AS t WHERE {due}"),
        Dialect::Mysql => {
            let due = without_alias(&due, &selection.table);
            format!("DELETE FROM {table} WHERE {due}{}", at_most(range))
        }
    })
}

/// The distinct texts that `column` has in due rows of the range and that are not done yet: rows of one text. On
/// PostgreSQL and MariaDB it locks those rows; on SQLite the transaction already has the database.
pub fn old_values(selection: &Selection, range: &Range, column_ref: &ColumnRef) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    conjuncts.push(format!("{} IS NOT NULL", column(column_ref)));
    conjuncts.extend(done_in(dialect, &selection.done, column_ref).map(|done| format!("{done} IS NOT TRUE")));
    let lock = match dialect {
        Dialect::Postgres => " FOR UPDATE OF t",
        Dialect::Sqlite => "",
        Dialect::Mysql => " FOR UPDATE",
    };
    let text = format!(
        "SELECT DISTINCT s.v FROM (SELECT {} AS v FROM {} AS t WHERE {}{}{lock}) s",
        text_of(dialect, column_ref),
        qualified(dialect, &selection.table),
        conjuncts.join(" AND "),
        at_most(range),
    );
    binds.statement(text)
}

/// Anonymises the due rows of the range; for [`Act::Delete`] it is [`delete`].
///
/// `computed` has the new values of each column whose value is computed, in the order of the act's assignments: on
/// PostgreSQL they are bound as JSON, on SQLite the engine has put them in the temporary table and they are not looked
/// at, on MariaDB the engine has put them in a temporary table for each column and the old ones are bound as well. A row with an old value that has no entry is left alone: it came after the values were read.
pub fn update(selection: &Selection, range: &Range, act: &Act, computed: &[NewValues]) -> Statement {
    let Act::Anonymise { assignments, mark, at } = act else { return delete(selection, range) };
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    let mut sets = Vec::new();
    let mut number = 0;
    for assignment in assignments {
        let of = &assignment.column;
        let done = done_in(dialect, &selection.done, of);
        let new = match &assignment.value {
            NewValue::Null => "NULL".to_owned(),
            NewValue::Fixed { value, replace_null: true } => literal(dialect, of, value),
            NewValue::Fixed { value, replace_null: false } => {
                format!("CASE WHEN {} IS NULL THEN NULL ELSE {} END", column(of), literal(dialect, of, value))
            }
            NewValue::Random { digits } => format!("CASE WHEN {} IS NULL THEN NULL ELSE {} END", column(of), random(dialect, of, *digits)),
            NewValue::Unchanged => column(of),
            NewValue::Formula(formula) => formula::applied(dialect, of, formula),
            NewValue::Computed(_) => {
                let lookup = Lookup::new(&selection.workspace, of, number, computed.get(number), &mut binds);
                number += 1;
                let settled = done.as_ref().map(|done| format!("{done} OR ")).unwrap_or_default();
                conjuncts.push(format!("({} IS NULL OR {settled}{})", column(of), lookup.known));
                if of.nullable || !takes_text(dialect, of) {
                    lookup.new
                } else {
                    format!("coalesce({}, {})", lookup.new, literal(dialect, of, ""))
                }
            }
        };
        let name = quote_identifier(&of.name);
        sets.push(match (&assignment.value, done) {
            (NewValue::Null, _) | (_, None) => format!("{name} = {new}"),
            (_, Some(done)) => format!("{name} = CASE WHEN {done} THEN {} ELSE {new} END", column(of)),
        });
    }
    if let Some(mark) = mark {
        sets.push(format!("{} = {}", quote_identifier(&mark.name), mark_value(mark, *at, &mut binds)));
    }
    let (table, due) = (qualified(dialect, &selection.table), conjuncts.join(" AND "));
    binds.statement(format!("UPDATE {table} AS t SET {} WHERE {due}{}", sets.join(", "), at_most(range)))
}

/// SHA-256 in hex of the text that acts, the same for all ranges of a way: the ledger says by it what was run.
pub fn digest(selection: &Selection, act: &Act) -> String {
    let statement = update(selection, &Range::whole(Way::Blocks), act, &[]);
    hex(&Sha256::digest(statement.text))
}

/// A column's computed values, as expressions.
struct Lookup {
    /// TRUE: there is an entry for the row's old value.
    known: String,
    /// The entry.
    new: String,
}

impl Lookup {
    fn new(workspace: &WorkspaceRef, of: &ColumnRef, number: usize, values: Option<&NewValues>, binds: &mut Binds) -> Self {
        let text = text_of(workspace.dialect, of);
        match workspace.dialect {
            Dialect::Postgres => {
                let json = serde_json::Value::Object(values.into_iter().flatten().filter_map(entry).collect()).to_string();
                // A subquery that depends on no row is evaluated once a statement, where a bare parameter of a generic
                // plan would be parsed again for each row.
                let map = format!("(SELECT {})", binds.add(Cell::Text(json), "jsonb"));
                Self { known: format!("{map} ? {text}"), new: cast(of, &format!("({map} ->> {text})")) }
            }
            Dialect::Sqlite => {
                let entry = format!("FROM temp.retentiond_new n WHERE n.col = {number} AND n.old = {text}");
                Self { known: format!("EXISTS (SELECT 1 {entry})"), new: format!("(SELECT n.new {entry})") }
            }
            // MySQL can't look into a temporary table twice in one statement.
            Dialect::Mysql => {
                let old: Vec<String> = values.into_iter().flatten().map(|(old, _)| binds.add(old.clone(), "")).collect();
                let known = if old.is_empty() { "FALSE".to_owned() } else { format!("{text} IN ({})", old.join(", ")) };
                Self { known, new: format!("(SELECT n.new FROM {} n WHERE n.old = {text})", workspace.new_values(number)) }
            }
        }
    }
}

fn entry((old, new): &(Cell, Option<String>)) -> Option<(String, serde_json::Value)> {
    let Cell::Text(old) = old else { return None };
    Some((old.clone(), new.clone().into()))
}

/// A text as a value of the column. Types of text are left to assignment, which refuses what is too long where a cast
/// would cut it off.
pub(super) fn literal(dialect: Dialect, of: &ColumnRef, value: &str) -> String {
    match dialect {
        Dialect::Postgres => cast(of, &quote_literal(dialect, value)),
        Dialect::Sqlite => quote_literal(dialect, value),
        Dialect::Mysql => mysql::literal(of, value),
    }
}

fn cast(of: &ColumnRef, expression: &str) -> String {
    if is_text(of) { format!("{expression}::text") } else { format!("{expression}::{}", of.declared) }
}

/// Whether the empty text can be written. SQLite takes it in a column of any type.
fn takes_text(dialect: Dialect, of: &ColumnRef) -> bool {
    dialect == Dialect::Sqlite || is_text(of)
}

/// A value that nobody can guess, and another for each row.
fn random(dialect: Dialect, of: &ColumnRef, digits: u32) -> String {
    if fault::seeded("random-constant") {
        return literal(dialect, of, &"0".repeat(digits as usize));
    }
    match (dialect, of.class) {
        (Dialect::Postgres, TypeClass::Uuid) => "gen_random_uuid()".to_owned(),
        (Dialect::Postgres, _) => format!("left(replace(gen_random_uuid()::text, '-', ''), {digits})"),
        (Dialect::Sqlite, _) => format!("substr(lower(hex(randomblob(16))), 1, {digits})"),
        // The digits that say "made at random", which the type asks for.
        (Dialect::Mysql, TypeClass::Uuid) => "insert(insert(hex(random_bytes(16)), 13, 1, '4'), 17, 1, '8')".to_owned(),
        (Dialect::Mysql, _) => format!("left(lower(hex(random_bytes(16))), {digits})"),
    }
}

fn is_text(of: &ColumnRef) -> bool {
    matches!(of.class, TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText | TypeClass::Untyped)
}

/// What says that a row was anonymised: true, 1, or when.
pub(super) fn mark_value(mark: &ColumnRef, instant: Timestamp, binds: &mut Binds) -> String {
    let at = instant.to_string();
    let is_time = || ["date", "time"].iter().any(|word| mark.declared.to_ascii_lowercase().contains(word));
    match (binds.dialect, mark.class) {
        (_, TypeClass::Boolean) => "TRUE".to_owned(),
        (Dialect::Postgres | Dialect::Mysql, TypeClass::Integer | TypeClass::Float | TypeClass::Decimal) => "1".to_owned(),
        (Dialect::Mysql, TypeClass::Date | TypeClass::Timestamp | TypeClass::TimestampTz) => {
            let at = binds.add(Cell::Text(mysql::time(instant)), "");
            if mark.class == TypeClass::Date { format!("CAST({at} AS DATE)") } else { at }
        }
        // SQLite takes DATETIME for a number; applications write text there.
        (Dialect::Sqlite, TypeClass::Integer | TypeClass::Float | TypeClass::Decimal) if !is_time() => "1".to_owned(),
        (Dialect::Postgres, TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText) => binds.add(Cell::Text(at), "text"),
        (Dialect::Postgres, TypeClass::Date | TypeClass::Timestamp) => {
            format!("({} AT TIME ZONE 'UTC')::{}", binds.add(Cell::Text(at), "timestamptz"), mark.declared)
        }
        _ => binds.add(Cell::Text(at), &mark.declared),
    }
}
