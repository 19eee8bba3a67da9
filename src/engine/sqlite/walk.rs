//! Walking a table: the ways there are, and the range that comes next on one.

use super::database::{Database, cell};
use crate::{
    engine::{
        Error,
        shape::{Shape, TableKind},
    },
    sql::{
        selection::{Range, Selection, Way},
        statement,
    },
};

pub(super) fn ways(shape: &Shape, key: &[String], start: Option<&str>) -> Vec<Way> {
    if shape.kind != TableKind::Table {
        return Vec::new();
    }
    let columns = |names: &[String]| {
        let columns: Option<Vec<_>> = names.iter().map(|name| shape.column(name).map(|column| column.to_ref())).collect();
        // A walk compares, and NULL compares with nothing: it would pass such rows by.
        columns.filter(|columns| !columns.is_empty() && columns.iter().all(|column| !column.nullable))
    };
    let by_key = columns(&shape.primary_key).or_else(|| columns(key));
    let mut ways: Vec<Way> = match (shape.rowid, &by_key) {
        (Some(rowid), _) => vec![Way::Rowid(rowid)],
        (None, Some(columns)) => vec![Way::Columns { columns: columns.clone(), tie: Vec::new() }],
        (None, None) => Vec::new(),
    };
    if let Some(start) = start.filter(|start| shape.index_on(start).is_some()).and_then(|start| shape.column(start)) {
        match (shape.rowid, by_key) {
            (Some(rowid), _) => ways.push(Way::Columns { columns: vec![start.to_ref()], tie: vec![rowid] }),
            (None, Some(key)) => {
                let rest = key.into_iter().filter(|column| column.name != start.name);
                ways.push(Way::Columns { columns: std::iter::once(start.to_ref()).chain(rest).collect(), tie: Vec::new() });
            }
            (None, None) => {}
        }
    }
    ways
}

pub(super) async fn next_range(database: &Database, selection: &Selection, rest: &Range, rows: u64) -> Result<Option<Range>, Error> {
    let mut connection = database.connection().await?;
    for (place, is_bound) in [(rows.max(1), true), (1, false)] {
        let position = statement::boundary(selection, rest, place)
            .ok_or_else(|| Error::Unsupported("SQLite can't walk a table by blocks".to_owned()))?;
        let found = database.fetch(&mut connection, &position).await?;
        if let Some(row) = found.first() {
            let cells = (0..row_length(&rest.way)).map(|index| cell(row, index)).collect::<Result<Vec<_>, _>>()?;
            let through = if is_bound { Some(cells) } else { rest.through.clone() };
            return Ok(Some(Range { through, ..rest.clone() }));
        }
    }
    Ok(None)
}

fn row_length(way: &Way) -> usize {
    match way {
        Way::Columns { columns, tie } => columns.len() + tie.len(),
        Way::Rowid(_) | Way::Blocks => 1,
        Way::Unordered | Way::Picked(_) => 0,
    }
}
