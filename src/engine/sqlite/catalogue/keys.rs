//! Indexes, and foreign keys in both directions.

use std::collections::HashMap;

use sqlx::{SqliteConnection, sqlite::SqliteRow};

use super::{SCHEMA, columns::Collation};
use crate::{
    engine::{
        Error,
        shape::{ForeignKey, Index, ReferentialAction, Sight},
        sqlite::database::{get, look_up},
    },
    sql::{
        Statement,
        selection::{Cell, TableRef},
    },
};

/// An index, before it is known how the columns it is on compare.
pub(super) struct RawIndex {
    name: String,
    unique: bool,
    partial: bool,
    /// It is the primary key's.
    pub is_primary: bool,
    columns: Vec<RawPart>,
}

struct RawPart {
    /// Empty: an expression.
    name: String,
    descending: bool,
    collation: String,
}

impl RawIndex {
    pub(super) fn into_shape(self, collations: &HashMap<String, Collation>) -> Index {
        // ORDER BY the bare column can use an index only if both compare alike.
        let ordered = self.columns.first().is_some_and(|first| {
            let collation = collations.get(&first.name).copied().unwrap_or(Collation::Binary);
            !first.name.is_empty() && !first.descending && first.collation.eq_ignore_ascii_case(collation.name())
        });
        let columns = self.columns.into_iter().map(|part| part.name).collect();
        Index { name: self.name, columns, unique: self.unique, partial: self.partial, ordered }
    }
}

pub(super) async fn indexes(connection: &mut SqliteConnection, table: &str) -> Result<Vec<RawIndex>, Error> {
    let statement = Statement {
        text: r#"SELECT l.name, l."unique", l.partial, l.origin = 'pk', x.name, x."desc", x.coll
                 FROM pragma_index_list(?1, 'main') AS l, pragma_index_xinfo(l.name, 'main') AS x
                 WHERE x.key = 1 ORDER BY l.seq, x.seqno"#
            .to_owned(),
        binds: vec![Cell::Text(table.to_owned())],
    };
    let mut indexes: Vec<RawIndex> = Vec::new();
    for row in look_up(connection, &statement).await? {
        let name: String = get(&row, 0)?;
        if indexes.last().is_none_or(|last| last.name != name) {
            indexes.push(RawIndex { name, unique: get(&row, 1)?, partial: get(&row, 2)?, is_primary: get(&row, 3)?, columns: Vec::new() });
        }
        let part = RawPart {
            name: get::<Option<String>>(&row, 4)?.unwrap_or_default(),
            descending: get(&row, 5)?,
            collation: get::<Option<String>>(&row, 6)?.unwrap_or_default(),
        };
        if let Some(index) = indexes.last_mut() {
            index.columns.push(part);
        }
    }
    Ok(indexes)
}

/// Each pair of columns of the foreign keys that `which` selects of `f`, those of one key together. A key that names no
/// columns of its parent means the primary key; a parent or column that is not there is named as the key names it.
const FOREIGN_KEYS: &str = r#"
    SELECT l.name, f.id, f."from", coalesce(p.name, f."table"), coalesce(c.name, f."to", ''), f.on_delete, f.on_update
    FROM pragma_table_list AS l, pragma_foreign_key_list(l.name, 'main') AS f
    LEFT JOIN pragma_table_list AS p ON p.schema = 'main' AND p.name = f."table" COLLATE NOCASE
    LEFT JOIN pragma_table_xinfo(p.name, 'main') AS c
        ON CASE WHEN f."to" IS NULL THEN c.pk = f.seq + 1 ELSE c.name = f."to" COLLATE NOCASE END
    WHERE l.schema = 'main' AND l.type = 'table'"#;

/// The foreign keys of the table.
pub(super) async fn references(connection: &mut SqliteConnection, table: &str) -> Result<Vec<ForeignKey>, Error> {
    foreign_keys(connection, "l.name = ?1", table).await
}

/// The foreign keys that point to the table, those of the table itself included.
pub(super) async fn referenced_by(connection: &mut SqliteConnection, table: &str) -> Result<Vec<ForeignKey>, Error> {
    foreign_keys(connection, r#"f."table" = ?1 COLLATE NOCASE"#, table).await
}

async fn foreign_keys(connection: &mut SqliteConnection, which: &'static str, table: &str) -> Result<Vec<ForeignKey>, Error> {
    let statement =
        Statement { text: format!("{FOREIGN_KEYS} AND {which} ORDER BY l.name, f.id, f.seq"), binds: vec![Cell::Text(table.to_owned())] };
    let mut keys: Vec<ForeignKey> = Vec::new();
    let mut last = None;
    for row in look_up(connection, &statement).await? {
        let (child, id): (String, i64) = (get(&row, 0)?, get(&row, 1)?);
        let place = Some((child.clone(), id));
        if last != place {
            keys.push(new_key(&row, child)?);
            last = place;
        }
        if let Some(key) = keys.last_mut() {
            key.child_columns.push(get(&row, 2)?);
            key.parent_columns.push(get(&row, 4)?);
        }
    }
    for key in &mut keys {
        key.name = format!("{}({})", key.child.table, key.child_columns.join(", "));
        key.child_indexed = is_indexed(connection, &key.child.table, &key.child_columns).await?;
    }
    Ok(keys)
}

fn new_key(row: &SqliteRow, child: String) -> Result<ForeignKey, Error> {
    let table = |table| TableRef { schema: SCHEMA.to_owned(), table };
    Ok(ForeignKey {
        // SQLite tells no names of constraints: the columns stand for it.
        name: String::new(),
        child: table(child),
        child_columns: Vec::new(),
        parent: table(get(row, 3)?),
        parent_columns: Vec::new(),
        on_delete: action(&get::<String>(row, 5)?),
        on_update: action(&get::<String>(row, 6)?),
        child_indexed: false,
        child_sight: Sight::All,
    })
}

fn action(name: &str) -> ReferentialAction {
    match name {
        "CASCADE" => ReferentialAction::Cascade,
        "SET NULL" => ReferentialAction::SetNull,
        "SET DEFAULT" => ReferentialAction::SetDefault,
        "RESTRICT" => ReferentialAction::Restrict,
        _ => ReferentialAction::NoAction,
    }
}

/// True if an index over every row starts with these columns, in any order, or the only one is the rowid itself.
async fn is_indexed(connection: &mut SqliteConnection, table: &str, columns: &[String]) -> Result<bool, Error> {
    let indexes = indexes(connection, table).await?;
    let starts_with = |index: &RawIndex| {
        let start: Vec<&str> = index.columns.iter().take(columns.len()).map(|part| part.name.as_str()).collect();
        !index.partial && columns.iter().all(|column| start.contains(&column.as_str()))
    };
    if indexes.iter().any(starts_with) {
        return Ok(true);
    }
    let [column] = columns else { return Ok(false) };
    let key = Statement {
        text: "SELECT name FROM pragma_table_xinfo(?1, 'main') WHERE pk > 0".to_owned(),
        binds: vec![Cell::Text(table.to_owned())],
    };
    let key = look_up(connection, &key).await?;
    let is_key = key.len() == 1 && get::<String>(&key[0], 0)? == *column;
    Ok(is_key && !indexes.iter().any(|index| index.is_primary))
}
