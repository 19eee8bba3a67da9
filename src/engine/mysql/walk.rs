//! How a table is cut into ranges: its primary key or another that names each row, an index on the start, or no order.

use super::{Mysql, session::text};
use crate::{
    engine::{
        Error,
        mysql::errors::Failure,
        shape::{Shape, TableKind},
    },
    sql::{
        selection::{Cell, ColumnRef, Range, Selection, TypeClass, Way},
        statement,
    },
};

const WHAT: &str = "cutting a table into batches";

/// The primary key first: it is where the rows lie. An entry of an index ends with the primary key, so that an index on
/// the start is in the order of both.
pub(super) fn ways(shape: &Shape, key: &[String], start: Option<&str>) -> Vec<Way> {
    if !matches!(shape.kind, TableKind::Table | TableKind::Partitioned) {
        return Vec::new();
    }
    let by_key = key_of(shape, key);
    let by_start = start.filter(|name| shape.index_on(name).is_some()).and_then(|name| columns(shape, &[name.to_owned()], true));
    match (by_key, by_start) {
        (Some(key), None) => vec![Way::Columns { columns: key, tie: Vec::new() }],
        (Some(key), Some(start)) => {
            let rest = key.iter().filter(|column| column.name != start[0].name).cloned();
            let by_start = start.iter().cloned().chain(rest).collect();
            vec![Way::Columns { columns: key, tie: Vec::new() }, Way::Columns { columns: by_start, tie: Vec::new() }]
        }
        (None, _) => vec![Way::Unordered],
    }
}

/// The columns of a key that is an index in its own order and names each row: the primary key, a unique one, or what the
/// rule says is one.
fn key_of(shape: &Shape, said: &[String]) -> Option<Vec<ColumnRef>> {
    let unique = shape.indexes.iter().filter(|index| index.unique && index.ordered).map(|index| &index.columns);
    let said = shape.indexes.iter().filter(|index| index.ordered && !said.is_empty() && index.columns.starts_with(said)).map(|_| said);
    let keys = std::iter::once(shape.primary_key.as_slice()).chain(unique.map(Vec::as_slice)).chain(said);
    keys.filter(|key| !key.is_empty()).find_map(|key| columns(shape, key, false))
}

/// The columns of these names, if a place among them can be told; a walk compares, and NULL compares with nothing.
fn columns(shape: &Shape, names: &[String], nullable: bool) -> Option<Vec<ColumnRef>> {
    // An ENUM has the order of its numbers in an index, and that of its texts where it is compared.
    let has_order = |class| !matches!(class, TypeClass::Other | TypeClass::Enum | TypeClass::Bits);
    let one = |name: &String| shape.column(name).filter(|column| has_order(column.class) && (nullable || !column.nullable));
    names.iter().map(|name| one(name).map(|column| column.to_ref())).collect()
}

impl Mysql {
    pub(super) async fn cut(&self, selection: &Selection, rest: &Range, rows: u64) -> Result<Option<Range>, Error> {
        if rest.way == Way::Unordered {
            let left = self.rows(WHAT, &statement::any_due(selection)).await?;
            let most = Cell::Integer(i64::try_from(rows).unwrap_or(i64::MAX));
            return Ok((!left.is_empty()).then(|| Range { through: Some(vec![most]), ..Range::whole(Way::Unordered) }));
        }
        let Some(boundary) = statement::boundary(selection, rest, rows) else { return Ok(None) };
        let found = self.rows(WHAT, &boundary).await?;
        let cells = |row| {
            let columns = boundary_columns(&rest.way);
            (0..columns).map(|index| Ok(text(row, index)?.map_or(Cell::Null, Cell::Text))).collect::<Result<Vec<_>, _>>()
        };
        let through = found.first().map(cells).transpose().map_err(|error| Failure { what: WHAT, error })?;
        Ok(Some(Range { through: through.or_else(|| rest.through.clone()), ..rest.clone() }))
    }
}

fn boundary_columns(way: &Way) -> usize {
    match way {
        Way::Columns { columns, .. } => columns.len(),
        Way::Blocks | Way::Rowid(_) | Way::Unordered | Way::Picked(_) => 0,
    }
}
