//! What batches run. Each statement restates the whole predicate besides its range: what a scan found is never trusted,
//! and law 2 is kept by the statement that acts.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::{Binds, walk::within};
use crate::{
    clock::hex,
    fault,
    policy::Dialect,
    sql::{
        Statement,
        predicate::{
            column::{column, text_of},
            done::done_in,
            due, formula,
        },
        qualified, quote_identifier, quote_literal,
        selection::{Act, Cell, ColumnRef, NewValue, Range, Selection, TypeClass, Way},
    },
};

/// New texts by old ones, for one column; `None` writes NULL.
pub type NewValues = BTreeMap<String, Option<String>>;

/// SQLite: the temporary table of new values, `(col, old, new)`; `col` counts the computed columns of an act from 0.
pub const NEW_VALUES: &str = "temp.retentiond_new";

/// SQLite: creates [`NEW_VALUES`] where the connection lacks it.
pub const CREATE_NEW_VALUES: &str =
    "CREATE TEMP TABLE IF NOT EXISTS retentiond_new (col INTEGER, old TEXT, new TEXT, PRIMARY KEY (col, old)) WITHOUT ROWID";

/// SQLite: empties [`NEW_VALUES`].
pub const CLEAR_NEW_VALUES: &str = "DELETE FROM temp.retentiond_new";

/// Deletes the due rows of the range.
///
/// No row goes that a hold covers (law 2), because the statement itself asks the `held` table, behind the gate.
pub fn delete(selection: &Selection, range: &Range) -> Statement {
    let mut binds = Binds::new(selection.workspace.dialect);
    let mut conjuncts = within(range, &mut binds);
    conjuncts.extend(due(selection));
    let text = format!("DELETE FROM {} AS t WHERE {}", qualified(selection.workspace.dialect, &selection.table), conjuncts.join(" AND "));
    Statement { text, binds: binds.cells }
}

/// The distinct texts that `column` has in due rows of the range and that are not done yet: rows of one text. On
/// PostgreSQL it locks those rows; on SQLite the transaction already has the database.
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
    };
    let text = format!(
        "SELECT DISTINCT s.v FROM (SELECT {} AS v FROM {} AS t WHERE {}{lock}) s",
        text_of(dialect, column_ref),
        qualified(dialect, &selection.table),
        conjuncts.join(" AND "),
    );
    Statement { text, binds: binds.cells }
}

/// Anonymises the due rows of the range; for [`Act::Delete`] it is [`delete`].
///
/// `computed` has the new values of each column whose value is computed, in the order of the act's assignments: on
/// PostgreSQL they are bound as JSON, on SQLite the engine has put them in the temporary table and they are not looked
/// at. A row with an old value that has no entry is left alone: it came after the values were read.
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
            NewValue::Formula(formula) => formula::applied(dialect, of, formula),
            NewValue::Computed(_) => {
                let lookup = Lookup::new(dialect, of, number, computed.get(number), &mut binds);
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
        sets.push(format!("{} = {}", quote_identifier(&mark.name), mark_value(mark, &at.to_string(), &mut binds)));
    }
    let text = format!("UPDATE {} AS t SET {} WHERE {}", qualified(dialect, &selection.table), sets.join(", "), conjuncts.join(" AND "));
    Statement { text, binds: binds.cells }
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
    fn new(dialect: Dialect, of: &ColumnRef, number: usize, values: Option<&NewValues>, binds: &mut Binds) -> Self {
        let text = text_of(dialect, of);
        match dialect {
            Dialect::Postgres => {
                let json = serde_json::json!(values.cloned().unwrap_or_default()).to_string();
                // A subquery that depends on no row is evaluated once a statement, where a bare parameter of a generic
                // plan would be parsed again for each row.
                let map = format!("(SELECT {})", binds.add(Cell::Text(json), "jsonb"));
                Self { known: format!("{map} ? {text}"), new: cast(of, &format!("({map} ->> {text})")) }
            }
            Dialect::Sqlite => {
                let entry = format!("FROM temp.retentiond_new n WHERE n.col = {number} AND n.old = {text}");
                Self { known: format!("EXISTS (SELECT 1 {entry})"), new: format!("(SELECT n.new {entry})") }
            }
        }
    }
}

/// A text as a value of the column. Types of text are left to assignment, which refuses what is too long where a cast
/// would cut it off.
fn literal(dialect: Dialect, of: &ColumnRef, value: &str) -> String {
    let literal = quote_literal(dialect, value);
    match dialect {
        Dialect::Postgres => cast(of, &literal),
        Dialect::Sqlite => literal,
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
    }
}

fn is_text(of: &ColumnRef) -> bool {
    matches!(of.class, TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText | TypeClass::Untyped)
}

/// What says that a row was anonymised: true, 1, or when.
fn mark_value(mark: &ColumnRef, at: &str, binds: &mut Binds) -> String {
    let is_time = || ["date", "time"].iter().any(|word| mark.declared.to_ascii_lowercase().contains(word));
    match (binds.dialect, mark.class) {
        (_, TypeClass::Boolean) => "TRUE".to_owned(),
        (Dialect::Postgres, TypeClass::Integer | TypeClass::Float | TypeClass::Decimal) => "1".to_owned(),
        // SQLite takes DATETIME for a number; applications write text there.
        (Dialect::Sqlite, TypeClass::Integer | TypeClass::Float | TypeClass::Decimal) if !is_time() => "1".to_owned(),
        (Dialect::Postgres, TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText) => {
            binds.add(Cell::Text(at.to_owned()), "text")
        }
        (Dialect::Postgres, TypeClass::Date | TypeClass::Timestamp) => {
            format!("({} AT TIME ZONE 'UTC')::{}", binds.add(Cell::Text(at.to_owned()), "timestamptz"), mark.declared)
        }
        _ => binds.add(Cell::Text(at.to_owned()), &mark.declared),
    }
}
