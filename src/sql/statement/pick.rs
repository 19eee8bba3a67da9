//! Rows that were picked beforehand, by values: those that go together in one batch, and what goes with them.
//!
//! A statement that acts on a table can't say of another table's rows that they are to stay as they are until it is
//! through, so those are locked by earlier ones, and named from then on by what they bear in the columns that are
//! referred to.

use super::{Binds, all, walk::within};
use crate::{
    policy::Dialect,
    sql::{
        Statement, mysql,
        predicate::{column::column, due},
        rows_of,
        selection::{Cell, ColumnRef, Range, Selection},
    },
};

/// Which rows of a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Those that are due.
    Due,
    /// All that the selection's condition is true of.
    Matching,
    /// Every one.
    All,
}

/// The values of the columns in rows of the range, at most so many rows, as a range of picked rows has them: without columns, a 1 for
/// each. `lock`: nobody changes them until the transaction ends, nor, where a foreign key names them, what refers to them.
pub fn pick(selection: &Selection, range: &Range, columns: &[ColumnRef], which: Which, lock: bool, most: u64) -> Statement {
    let dialect = selection.workspace.dialect;
    let mut binds = Binds::new(dialect);
    let mut conjuncts = within(range, &mut binds);
    match which {
        Which::Due => conjuncts.extend(due(selection)),
        Which::Matching => conjuncts.extend(selection.condition.iter().map(|condition| format!("({})", condition.sql))),
        Which::All => {}
    }
    let values: Vec<String> = columns.iter().map(|of| value(dialect, of)).collect();
    let values = if values.is_empty() {
        if dialect == Dialect::Postgres { "1::text".to_owned() } else { "1".to_owned() }
    } else {
        values.join(", ")
    };
    let lock = match dialect {
        Dialect::Postgres if lock => " FOR UPDATE OF t",
        Dialect::Mysql if lock => " FOR UPDATE",
        _ => "",
    };
    let text = format!("SELECT {values} FROM {} AS t WHERE {} LIMIT {most}{lock}", rows_of(selection), all(&conjuncts));
    binds.statement(text)
}

fn value(dialect: Dialect, of: &ColumnRef) -> String {
    match dialect {
        Dialect::Postgres => format!("{}::text", column(of)),
        Dialect::Mysql => mysql::position(of),
        Dialect::Sqlite => column(of),
    }
}

/// TRUE: the row bears in these columns what one of the picked rows does, whose cells stand one after the other.
pub(super) fn picked(columns: &[ColumnRef], cells: &[Cell], binds: &mut Binds) -> String {
    let rows: Vec<&[Cell]> = cells.chunks(columns.len().max(1)).collect();
    if rows.is_empty() {
        return "FALSE".to_owned();
    }
    let names: Vec<String> = columns.iter().map(column).collect();
    if binds.dialect == Dialect::Postgres {
        let arrays: Vec<String> =
            columns.iter().enumerate().map(|(place, of)| binds.add(array(&rows, place), &format!("{}[]", of.declared))).collect();
        // Each for itself, so that an index serves; then together.
        let each = names.iter().zip(&arrays).map(|(name, array)| format!("{name} = ANY ({array})"));
        let together = (names.len() > 1).then(|| format!("({}) IN (SELECT * FROM unnest({}))", names.join(", "), arrays.join(", ")));
        return each.chain(together).collect::<Vec<_>>().join(" AND ");
    }
    let one = |row: &&[Cell]| {
        let values: Vec<String> = row.iter().zip(columns).map(|(cell, of)| binds.add_as(cell.clone(), of)).collect();
        if let [value] = values.as_slice() { value.clone() } else { format!("({})", values.join(", ")) }
    };
    let list = rows.iter().map(one).collect::<Vec<_>>().join(", ");
    match (names.as_slice(), binds.dialect) {
        ([name], _) => format!("{name} IN ({list})"),
        (names, Dialect::Sqlite) => format!("({}) IN (VALUES {list})", names.join(", ")),
        (names, _) => format!("({}) IN ({list})", names.join(", ")),
    }
}

/// PostgreSQL's own text of an array of what the rows have in one place.
fn array(rows: &[&[Cell]], place: usize) -> Cell {
    let text = |row: &&[Cell]| match row.get(place) {
        Some(Cell::Text(text)) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Some(Cell::Integer(number)) => number.to_string(),
        _ => "NULL".to_owned(),
    };
    Cell::Text(format!("{{{}}}", rows.iter().map(text).collect::<Vec<_>>().join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{
        fixture::{column, condition, hostile},
        selection::{Act, Dependency, TableRef, TypeClass, Way},
        statement::{count_along, delete},
    };

    /// Rows of a table with a hostile name, of which some go along, and what is nested in them.
    fn selection(dialect: Dialect) -> Selection {
        let (id, text) = (column("i\"d", TypeClass::Integer, "bigint"), column("na'me", TypeClass::Text, "text"));
        let table = |name: &str| TableRef { schema: "main".to_owned(), table: name.to_owned() };
        let row = |name: &str| Selection {
            condition: condition("t.\"x\" = 't.'"),
            follows: true,
            ..Selection::of_no_rule(table(name), hostile(dialect).workspace)
        };
        let along = |pairs, rows| Dependency { pairs, rows, act: Act::Delete, keeps_others: true, chains: Vec::new() };
        let mut child = row("chi\"ld");
        child.references = hostile(dialect).references;
        child.held = hostile(dialect).held;
        child.held.subjects.truncate(1);
        child.dependents.push(along(vec![(id.clone(), id.clone())], row("grandchild")));
        let mut selection = row("pa\"rent");
        selection.dependents.push(along(vec![(text.clone(), text), (id.clone(), id)], child));
        selection
    }

    #[test]
    fn texts_of_what_goes_along() {
        for dialect in [Dialect::Postgres, Dialect::Sqlite, Dialect::Mysql] {
            let selection = selection(dialect);
            let columns: Vec<ColumnRef> = selection.dependents[0].pairs.iter().map(|(_, own)| own.clone()).collect();
            let cells = ["a\"\\b", "1", "c", "2"].map(|text| Cell::Text(text.to_owned()));
            let range = Range { way: Way::Picked(columns.clone()), after: None, through: Some(cells.to_vec()) };
            let one = Range { way: Way::Picked(columns[1..].to_vec()), after: None, through: Some(cells[1..2].to_vec()) };
            let statements = [
                pick(&selection, &range, &columns, Which::Due, true, 11),
                pick(&selection.dependents[0].rows, &one, &[], Which::Matching, false, 1),
                delete(&selection.dependents[0].rows, &one),
                count_along(&selection, &one),
            ];
            let shown = statements.map(|statement| format!("{}\n{:?}", statement.text.replace(" AND ", "\nAND "), values(&statement)));
            insta::assert_snapshot!(format!("along_{dialect:?}"), shown.join("\n\n"));
        }
    }

    fn values(statement: &Statement) -> Vec<&str> {
        statement.binds.iter().map(|cell| if let Cell::Text(text) = cell { text.as_str() } else { "…" }).collect()
    }

    /// What is picked is exactly that, on the engine that is at hand.
    #[tokio::test]
    async fn picked_rows_are_those_and_no_others() {
        let mut trial = crate::sql::trial::Trial::open().await;
        trial.text("CREATE TABLE \"pa\"\"rent\" (\"na'me\" text, \"i\"\"d\" bigint, x text)").await;
        trial
            .text("INSERT INTO \"pa\"\"rent\" VALUES ('a', 1, 't.'), ('a', 2, 't.'), ('b', 1, 't.'), ('b', 2, NULL), (NULL, 1, 't.')")
            .await;
        let mut selection = selection(Dialect::Sqlite);
        selection.dependents.clear();
        let columns = [column("na'me", TypeClass::Text, "text"), column("i\"d", TypeClass::Integer, "bigint")];
        let named = |cells: &[(&str, i64)]| {
            let cells = cells.iter().flat_map(|(name, id)| [Cell::Text((*name).to_owned()), Cell::Integer(*id)]).collect();
            Range { way: Way::Picked(columns.to_vec()), after: None, through: Some(cells) }
        };
        for (range, which, rows) in [
            (named(&[("a", 2), ("b", 1)]), Which::All, 2),
            (named(&[("a", 2), ("b", 2)]), Which::All, 2),
            (named(&[("a", 2), ("b", 2)]), Which::Matching, 1),
            (named(&[]), Which::All, 0),
        ] {
            assert_eq!(trial.run(&pick(&selection, &range, &columns, which, true, 10)).await.len(), rows, "{range:?} {which:?}");
        }
    }
}
