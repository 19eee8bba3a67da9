//! Trees of tables: partitions and inheritance children, whose rows are rows of their ancestors too.
//!
//! A statement that names a table meets the rows of its whole tree, so what the catalogue says of a member counts for the
//! table: its size, its indexes, its foreign keys, its triggers for each row, what its columns are like. Privileges and
//! policies are asked of the table that a statement names, and of no other.

use std::collections::{HashMap, HashSet};

use sqlx::{Row as _, postgres::types::Oid};

use super::{Facts, about, keys::Direction, relation::Relation, table_at};
use crate::{
    engine::{
        Error,
        postgres::session::Transaction,
        shape::{Column, Family, ForeignKey, Index, Member, TableKind},
    },
    sql::selection::TableRef,
};

/// A table of a tree.
#[derive(Debug, Clone)]
pub(super) struct Branch {
    pub oid: Oid,
    pub table: TableRef,
    /// Its rows are the tree's. Else it is an ancestor of one whose rows are.
    pub is_member: bool,
    /// It has a heap.
    pub has_rows: bool,
    /// It is a table on another server.
    is_foreign: bool,
    method: Option<String>,
    estimated_rows: Option<f64>,
    bytes: Option<i64>,
}

/// Everybody who shares rows with a relation. Those of a plain table are left out.
const TREES: &str = "
    WITH RECURSIVE down AS (
      SELECT root.oid AS root, root.oid, 0 AS depth FROM unnest($1) AS root (oid)
        WHERE EXISTS (SELECT FROM pg_inherits i WHERE root.oid IN (i.inhrelid, i.inhparent))
      UNION SELECT down.root, i.inhrelid, 1 FROM pg_inherits i JOIN down ON i.inhparent = down.oid),
    up AS (
      SELECT down.root, down.oid FROM down
      UNION SELECT up.root, i.inhparent FROM pg_inherits i JOIN up ON i.inhrelid = up.oid)
    SELECT up.root, c.oid, n.nspname::text, c.relname::text,
      EXISTS (SELECT FROM down WHERE down.root = up.root AND down.oid = up.oid) AS is_member,
      c.relkind = 'r' AS has_rows, c.relkind = 'f' AS is_foreign, am.amname::text AS method,
      CASE WHEN c.reltuples < 0 THEN NULL
           WHEN c.relpages > 0 THEN c.reltuples::float8 / c.relpages * (pg_relation_size(c.oid) / current_setting('block_size')::bigint)
           ELSE c.reltuples::float8 END AS estimated_rows,
      pg_table_size(c.oid) AS bytes
    FROM up JOIN pg_class c ON c.oid = up.oid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_am am ON am.oid = c.relam AND c.relkind = 'r'
    WHERE c.relkind IN ('r', 'p', 'f')
    ORDER BY up.root, c.oid <> up.root, n.nspname, c.relname";

/// The tables of each relation's tree, the relation itself first.
pub(super) async fn trees(transaction: &mut Transaction, relations: &[Oid]) -> Result<HashMap<Oid, Vec<Branch>>, Error> {
    about(transaction, TREES, relations, |row| {
        Ok(Branch {
            oid: row.try_get(1)?,
            table: table_at(row, 2)?,
            is_member: row.try_get("is_member")?,
            has_rows: row.try_get("has_rows")?,
            is_foreign: row.try_get("is_foreign")?,
            method: row.try_get("method")?,
            estimated_rows: row.try_get("estimated_rows")?,
            bytes: row.try_get("bytes")?,
        })
    })
    .await
}

/// Columns that no statement through the root may change, each with a clause that says why: they are in the partition key
/// of the root or of a partition that has partitions, or a member takes other values there than the root does, or computes
/// something of its own from them. `loose`: a member takes NULL there.
const FIXED: &str = "
    WITH RECURSIVE down AS (
      SELECT root.oid AS root, root.oid FROM unnest($1) AS root (oid)
      UNION SELECT down.root, i.inhrelid FROM pg_inherits i JOIN down ON i.inhparent = down.oid)
    SELECT down.root, a.attname::text AS name, 'it is in the partition key of ' || c.relname AS why, false AS loose
    FROM down JOIN pg_class c ON c.oid = down.oid AND c.relkind = 'p'
    JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.objsubid > 0
      AND d.refclassid = 'pg_class'::regclass AND d.refobjid = c.oid AND d.refobjsubid = 0 AND d.deptype = 'i'
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.objsubid
    UNION ALL
    SELECT down.root, a.attname::text, c.relname || ' has it otherwise (NOT NULL, or computed)', NOT m.attnotnull
    FROM down JOIN pg_class c ON c.oid = down.oid
    JOIN pg_attribute a ON a.attrelid = down.root AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_attribute m ON m.attrelid = down.oid AND m.attname = a.attname AND m.attnum > 0 AND NOT m.attisdropped
    WHERE m.attnotnull <> a.attnotnull OR m.attgenerated <> a.attgenerated
    UNION ALL
    SELECT down.root, b.attname::text, c.relname || ' computes ' || m.attname || ' from it', false
    FROM down JOIN pg_class c ON c.oid = down.oid AND down.oid <> down.root
    JOIN pg_attribute m ON m.attrelid = down.oid AND m.attgenerated <> '' AND m.attinhcount = 0 AND NOT m.attisdropped
    JOIN pg_attrdef e ON e.adrelid = m.attrelid AND e.adnum = m.attnum
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = down.oid AND d.refobjsubid > 0 AND d.refobjsubid <> m.attnum
      AND (d.classid = 'pg_attrdef'::regclass AND d.objid = e.oid
        OR d.classid = 'pg_class'::regclass AND d.objid = down.oid AND d.objsubid = m.attnum)
    JOIN pg_attribute b ON b.attrelid = d.refobjid AND b.attnum = d.refobjsubid
    ORDER BY name, why";

/// A column that is what it is.
#[derive(Debug, Clone)]
pub(super) struct Fixed {
    name: String,
    why: String,
    /// It takes NULL somewhere, whatever the root says.
    loose: bool,
}

/// The columns of each relation that its tree keeps.
pub(super) async fn fixed(transaction: &mut Transaction, relations: &[Oid]) -> Result<HashMap<Oid, Vec<Fixed>>, Error> {
    about(transaction, FIXED, relations, |row| {
        Ok(Fixed { name: row.try_get("name")?, why: row.try_get("why")?, loose: row.try_get("loose")? })
    })
    .await
}

/// # Errors
/// [`Error::Unsupported`] if some rows of the tree could not be rolled back, or found.
pub(super) fn check(relation: &Relation, tree: &[Branch]) -> Result<(), Error> {
    let TableRef { schema, table } = &relation.table;
    let members = || tree.iter().filter(|branch| branch.is_member && branch.oid != relation.oid);
    if let Some(branch) = members().find(|branch| branch.is_foreign) {
        return Err(Error::Unsupported(format!(
            "{schema}.{table} has rows in {}, a foreign table, whose changes can't be rolled back",
            branch.table.table
        )));
    }
    if let Some((branch, method)) =
        members().find_map(|branch| Some((branch, branch.method.as_deref().filter(|method| *method != "heap")?)))
    {
        return Err(Error::Unsupported(format!(
            "{schema}.{table} has rows in {}, which is stored by the access method \"{method}\", and retentiond does not know that",
            branch.table.table
        )));
    }
    Ok(())
}

/// What a statement through the relation meets: rows and bytes of all members.
pub(super) fn estimates(relation: &Relation, tree: &[Branch]) -> (Option<u64>, Option<u64>) {
    if !matches!(relation.kind, TableKind::Partitioned | TableKind::Parent) {
        return (relation.estimated_rows, relation.estimated_bytes);
    }
    let heaps = || tree.iter().filter(|branch| branch.is_member && branch.has_rows);
    let rows: Option<f64> = heaps().map(|branch| branch.estimated_rows).sum();
    let bytes: Option<i64> = heaps().map(|branch| branch.bytes).sum();
    (rows.map(super::relation::whole), bytes.and_then(|bytes| u64::try_from(bytes).ok()))
}

impl Facts {
    /// Who shares rows with the relation of that tree.
    pub(super) fn family(&self, tree: &[Branch]) -> Family {
        let is_walked = |index: &&Index| index.ordered && !index.partial;
        let indexed = |branch: &Branch| {
            let indexes = self.indexes.get(&branch.oid).into_iter().flatten().map(|(index, _)| index);
            indexes.filter(is_walked).filter_map(|index| index.columns.first().cloned()).collect()
        };
        let member = |branch: &Branch| Member {
            table: branch.table.clone(),
            address: branch.oid.0,
            has_rows: branch.has_rows,
            indexed: indexed(branch),
        };
        Family {
            members: tree.iter().filter(|branch| branch.is_member).map(member).collect(),
            kin: tree.iter().map(|branch| branch.table.clone()).collect(),
        }
    }

    /// The indexes of a tree. One can be walked in order if each heap has one like it; one that is unique in a single
    /// member is unique enough to be in a statement's way.
    pub(super) fn indexes_of_tree(&self, root: Oid, tree: &[Branch]) -> Vec<Index> {
        let of = |oid: Oid| self.indexes.get(&oid).into_iter().flatten().map(|(index, _)| index);
        let heaps: Vec<Oid> = tree.iter().filter(|branch| branch.is_member && branch.has_rows).map(|branch| branch.oid).collect();
        let alike = |wanted: &Index, oid: Oid| {
            let same = |index: &Index| index.ordered && !index.partial && index.columns.first() == wanted.columns.first();
            of(oid).any(same)
        };
        let everywhere = |index: &Index| index.ordered && heaps.iter().all(|&heap| alike(index, heap));
        let mut indexes: Vec<Index> = of(root).map(|index| Index { ordered: everywhere(index), ..index.clone() }).collect();
        let known =
            |indexes: &[Index], index: &Index| indexes.iter().any(|known| known.columns == index.columns && known.unique == index.unique);
        for index in heaps.iter().filter(|&&heap| heap != root).flat_map(|&heap| of(heap)) {
            if (index.unique || everywhere(index)) && !known(&indexes, index) {
                indexes.push(Index { ordered: everywhere(index), ..index.clone() });
            }
        }
        indexes
    }

    /// The foreign keys of a tree, each once: what a member has only because its parent has it is left out.
    pub(super) fn keys_of_tree(&self, tree: &[Branch], wanted: Direction) -> Vec<ForeignKey> {
        let members = || tree.iter().filter(|branch| branch.is_member);
        let keys = || members().flat_map(|branch| self.foreign.get(&branch.oid).into_iter().flatten());
        let known: HashSet<Oid> = keys().map(|key| key.oid).collect();
        keys().filter(|key| key.direction == wanted && !known.contains(&key.of)).map(|key| key.key.clone()).collect()
    }
}

/// The columns as the whole tree has them.
pub(super) fn settle(mut columns: Vec<Column>, fixed: &[Fixed]) -> Vec<Column> {
    for column in &mut columns {
        let of_it = || fixed.iter().filter(|fixed| fixed.name == column.name);
        column.fixed = of_it().next().map(|fixed| fixed.why.clone());
        column.nullable |= of_it().any(|fixed| fixed.loose);
    }
    columns
}
