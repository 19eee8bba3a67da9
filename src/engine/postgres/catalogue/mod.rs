//! The shape of a table, read from PostgreSQL's catalogue.
//!
//! One file for each subject: `relation` (what kind of thing the name belongs to, and what we may do with it), `columns`,
//! `keys` (indexes and foreign keys), `triggers` (and rules, which act like them), `family` (partitions and inheritance
//! children, of which all of these are asked as well). What else decides whether a rule can be enforced is a query there
//! and a field of [`Shape`].

mod columns;
mod family;
mod keys;
mod relation;
mod triggers;

use std::collections::{HashMap, HashSet};

use sqlx::{
    Row as _,
    postgres::{PgRow, types::Oid},
};

use self::{
    family::{Branch, Fixed},
    keys::{Direction, Foreign},
    relation::Relation,
};
use super::{
    Postgres,
    errors::Failure,
    session::{Access, Transaction},
};
use crate::{
    engine::{
        Error, Inspected,
        shape::{Column, Index, Shape, Trigger},
    },
    policy::TableName,
    sql::selection::TableRef,
};

const WHAT: &str = "reading the catalogue";

/// What the catalogue says about some relations, by their ids.
struct Facts {
    columns: HashMap<Oid, Vec<Column>>,
    indexes: HashMap<Oid, Vec<(Index, bool)>>,
    foreign: HashMap<Oid, Vec<Foreign>>,
    triggers: HashMap<Oid, Vec<Trigger>>,
    trees: HashMap<Oid, Vec<Branch>>,
    fixed: HashMap<Oid, Vec<Fixed>>,
}

impl Facts {
    fn shape(&self, relation: &Relation) -> Shape {
        fn of<T: Clone>(facts: &HashMap<Oid, Vec<T>>, oid: Oid) -> Vec<T> {
            facts.get(&oid).cloned().unwrap_or_default()
        }
        let indexes = of(&self.indexes, relation.oid);
        let primary_key = indexes.iter().find(|(_, primary)| *primary).map(|(index, _)| index.columns.clone()).unwrap_or_default();
        let tree = of(&self.trees, relation.oid);
        let foreign = of(&self.foreign, relation.oid);
        let own = |wanted: Direction| foreign.iter().filter(|key| key.direction == wanted).map(|key| key.key.clone()).collect();
        let keys = |wanted| if tree.is_empty() { own(wanted) } else { self.keys_of_tree(&tree, wanted) };
        let (estimated_rows, estimated_bytes) = family::estimates(relation, &tree);
        Shape {
            table: relation.table.clone(),
            kind: relation.kind,
            columns: family::settle(of(&self.columns, relation.oid), &of(&self.fixed, relation.oid)),
            primary_key,
            indexes: match tree.as_slice() {
                [] => indexes.into_iter().map(|(index, _)| index).collect(),
                tree => self.indexes_of_tree(relation.oid, tree),
            },
            references: keys(Direction::References),
            referenced_by: keys(Direction::ReferencedBy),
            triggers: of(&self.triggers, relation.oid),
            row_security: relation.row_security,
            privileges: relation.privileges,
            rowid: None,
            estimated_rows,
            estimated_bytes,
            undroppable: None,
            family: self.family(&tree),
        }
    }
}

impl Postgres {
    /// Every query is asked once, about all tables: the server takes longer to plan one than to answer it.
    pub(super) async fn shapes_of(&self, tables: &[TableName]) -> Result<Vec<Inspected>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let relations = relation::find(&mut transaction, &self.schemas, tables).await?;
        let found: Vec<Oid> = relations.values().map(|(relation, _)| relation.oid).collect();
        let trees = family::trees(&mut transaction, &found).await?;
        let members = trees.values().flatten().filter(|branch| branch.is_member).map(|branch| branch.oid);
        let with_members: Vec<Oid> = found.iter().copied().chain(members).collect::<HashSet<_>>().into_iter().collect();
        let unpublishable = relation::without_identity(&mut transaction, &with_members).await?;
        let in_trees: Vec<Oid> = trees.keys().copied().collect();
        let facts = Facts {
            columns: columns::of(&mut transaction, &found).await?,
            indexes: keys::indexes(&mut transaction, &with_members).await?,
            foreign: keys::foreign(&mut transaction, &with_members).await?,
            triggers: triggers::of(&mut transaction, &found).await?,
            fixed: family::fixed(&mut transaction, &in_trees).await?,
            trees,
        };
        transaction.commit().await?;
        let shape = |(relation, method): &(Relation, Option<String>)| {
            relation::check_method(relation, method.as_deref())?;
            let alone = (relation.oid, &relation.table);
            let tree = facts.trees.get(&relation.oid).map(Vec::as_slice).unwrap_or_default();
            family::check(relation, tree)?;
            let members = tree.iter().filter(|branch| branch.is_member).map(|branch| (branch.oid, &branch.table));
            for (oid, table) in members.chain([alone]) {
                relation::check_identity(table, unpublishable.get(&oid).and_then(|publications| publications.first()))?;
            }
            Ok(Some(facts.shape(relation)))
        };
        Ok((0..tables.len()).map(|place| relations.get(&place).map_or(Ok(None), shape)).collect())
    }

    pub(super) async fn table_names(&self) -> Result<Vec<TableName>, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let names = sqlx::query(
            "SELECT n.nspname::text, c.relname::text \
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
             WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname <> ALL ($1) \
               AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema' AND has_schema_privilege(n.oid, 'USAGE') \
             ORDER BY n.nspname, c.relname",
        );
        let rows = transaction.rows(WHAT, names.bind(vec![self.workspace.name.clone()])).await?;
        transaction.commit().await?;
        read(&rows, |row| Ok(TableName { schema: Some(row.try_get(0)?), table: row.try_get(1)? }))
    }
}

/// Rows as values.
fn read<T>(rows: &[PgRow], value: impl Fn(&PgRow) -> Result<T, sqlx::Error>) -> Result<Vec<T>, Error> {
    rows.iter().map(value).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error }.into())
}

/// What one of this room's queries says, by relation: its one parameter is their ids, and the first column of a row is
/// the one that the row is about.
async fn about<T>(
    transaction: &mut Transaction,
    sql: &'static str,
    relations: &[Oid],
    value: impl Fn(&PgRow) -> Result<T, sqlx::Error>,
) -> Result<HashMap<Oid, Vec<T>>, Error> {
    let rows = transaction.rows(WHAT, sqlx::query(sql).bind(relations.to_vec())).await?;
    let mut facts: HashMap<Oid, Vec<T>> = HashMap::new();
    for (oid, value) in read(&rows, |row| Ok((row.try_get(0)?, value(row)?)))? {
        facts.entry(oid).or_default().push(value);
    }
    Ok(facts)
}

/// Two columns of names as a table.
fn table_at(row: &PgRow, index: usize) -> Result<TableRef, sqlx::Error> {
    Ok(TableRef { schema: row.try_get(index)?, table: row.try_get(index + 1)? })
}
