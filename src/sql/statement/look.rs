//! What is asked of one row: where it stands under a selection, and why. The parts are those of the acting statement.

use super::{Binds, all};
use crate::{
    policy::Dialect,
    sql::{
        Statement,
        predicate::{
            class,
            column::{column, text_of},
            dependents::{counts, held_by_each},
            held::{covers, in_scope},
            lookup::leads,
            overridden, overriding, protections,
        },
        qualified, quote_literal,
        selection::{Cell, ColumnRef, HopRef, KeyPart, Seen, Selection, Side, TypeClass},
    },
};

/// The row of that key under a selection: columns of text, as [`seen`] reads them. Two rows where the key names several.
pub fn look(selection: &Selection, key: &[KeyPart]) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let said = |condition: String| format!("CASE WHEN {condition} THEN '1' ELSE '0' END");
    let mut columns = vec![class(selection)];
    columns.extend(overriding(&selection.overridden).map(said));
    columns.extend(protections(selection).map(said));
    let overridden = selection.protectors.iter().map(|protector| overridden(&protector.overridden));
    columns.extend(overridden.map(|overridden| said(overridden.unwrap_or_else(|| "FALSE".to_owned()))));
    columns.extend(held_by_each(selection).map(said));
    columns.extend(counts(selection).into_iter().map(|count| as_text(dialect, &count)));
    let text = format!(
        "SELECT {} FROM {} AS t WHERE {} LIMIT 2",
        columns.join(", "),
        qualified(dialect, &selection.table),
        all(&named(dialect, key, &mut binds)),
    );
    binds.statement(text)
}

/// The texts of each of the columns that a selection shows: one column, in every row that the row of that key leads to.
pub fn shown(selection: &Selection, key: &[KeyPart]) -> Vec<Statement> {
    let dialect = selection.workspace.dialect;
    let one = |(through, of): &(Vec<HopRef>, ColumnRef)| {
        let mut binds = Binds::new(dialect);
        let joined: String = through
            .iter()
            .enumerate()
            .map(|(number, hop)| {
                let (from, to) = (Side::behind(number), Side::behind(number + 1));
                format!(" LEFT JOIN {} AS {} ON {}", qualified(dialect, &hop.table), to.alias(), leads(hop, from, to))
            })
            .collect();
        let table = qualified(dialect, &selection.table);
        let text = format!("SELECT {} FROM {table} AS t{joined} WHERE {}", text_of(dialect, of), all(&named(dialect, key, &mut binds)));
        // A row that leads to more than these is looked at in the database itself.
        binds.statement(format!("{text} LIMIT 1000"))
    };
    selection.shown.iter().map(one).collect()
}

fn as_text(dialect: Dialect, number: &str) -> String {
    let text = if dialect == Dialect::Mysql { "CHAR" } else { "text" };
    format!("CAST({number} AS {text})")
}

/// The holds that cover the row: `hold, kind` each, perhaps several times. `None`: the source holds nobody.
pub fn holders(selection: &Selection, key: &[KeyPart]) -> Option<Statement> {
    let dialect = selection.workspace.dialect;
    if selection.held.scopes.is_empty() {
        return None;
    }
    let mut binds = Binds::new(dialect);
    let row = named(dialect, key, &mut binds);
    let parts = covers(dialect, &selection.held.subjects).into_iter().map(|cover| {
        let conjuncts: Vec<String> = row.iter().cloned().chain(cover.row.clone()).chain([cover.concerns(dialect)]).collect();
        format!(
            "SELECT h.hold, {} FROM {} AS t, {} h WHERE {} AND {}",
            quote_literal(dialect, cover.kind),
            qualified(dialect, &selection.table),
            selection.workspace.held(),
            in_scope(dialect, &selection.held),
            all(&conjuncts),
        )
    });
    let text = parts.collect::<Vec<_>>().join(" UNION ALL ");
    Some(binds.statement(text))
}

/// Reads a row of [`look`] with the rows of [`holders`] and of each of [`shown`]. `None`: the row has not the columns that were asked for.
pub fn seen(
    selection: &Selection,
    row: Vec<Option<String>>,
    holders: Vec<Vec<Option<String>>>,
    shown: Vec<Vec<Vec<Option<String>>>>,
) -> Option<Seen> {
    let mut cells = row.into_iter();
    let class = cells.next()??;
    let mut cells: Vec<Option<String>> = cells.collect();
    let along = cells.split_off(cells.len().checked_sub(selection.along().len())?);
    let along = along.into_iter().map(|count| count?.parse().ok()).collect::<Option<_>>()?;
    let mut flags = cells.into_iter().map(|cell| cell.as_deref() == Some("1"));
    let overridden = flags.by_ref().take(selection.overridden.len()).collect();
    let protects: Vec<bool> = flags.by_ref().take(selection.protectors.len()).collect();
    let referenced = flags.by_ref().take(selection.references.len()).collect();
    let protecting: Vec<bool> = flags.by_ref().take(selection.dependents.len()).collect();
    let protectors = protects.into_iter().zip(flags.by_ref()).collect();
    let dependents = flags.zip(protecting).collect();
    let mut holds: Vec<(String, String)> = holders
        .into_iter()
        .filter_map(|row| match <[Option<String>; 2]>::try_from(row) {
            Ok([Some(hold), Some(kind)]) => Some((hold, kind)),
            _ => None,
        })
        .collect();
    holds.sort_unstable();
    holds.dedup();
    let shown = shown.into_iter().map(|rows| rows.into_iter().filter_map(|mut row| row.pop()).collect()).collect();
    Some(Seen { class, shown, overridden, protectors, referenced, dependents, along, holds })
}

/// Conjuncts: the row is the one that is named.
fn named(dialect: Dialect, key: &[KeyPart], binds: &mut Binds) -> Vec<String> {
    let one = |KeyPart { column: of, value }: &KeyPart, binds: &mut Binds| {
        // MariaDB would make the number 0 of a text that is none.
        if dialect == Dialect::Mysql && !crate::sql::mysql::is_value(of, value) {
            return "FALSE".to_owned();
        }
        let text = if dialect == Dialect::Mysql && of.class == TypeClass::Bytes {
            binds.add(Cell::Bytes(value.as_bytes().to_vec()), "")
        } else {
            binds.add_as(Cell::Text(value.clone()), of)
        };
        match (dialect, value.parse::<i64>()) {
            // Any column may hold any type of value.
            (Dialect::Sqlite, Ok(number)) => format!("{} IN ({text}, {})", column(of), binds.add(Cell::Integer(number), "")),
            _ => format!("{} = {text}", column(of)),
        }
    };
    key.iter().map(|part| one(part, binds)).collect()
}
