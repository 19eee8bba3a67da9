//! The least privileges, as a DBA grants them.

use std::collections::BTreeSet;

use sqlx::Row as _;

use super::{
    Postgres,
    errors::Failure,
    session::{Access, Transaction},
    workspace::{create, has_gate},
};
use crate::{
    config::Replicas,
    engine::{
        Error,
        grants::{Grants, Needs, Step, of_tables, privileges},
    },
    policy::{Dialect, Residue},
    sql::{qualified, quote_identifier, quote_literal},
};

/// What lets a role vacuum these tables, which it does not already: ownership, from 17 on a right of its own. To own what a superuser
/// owns is more than anybody should be given for that.
async fn maintenance(transaction: &mut Transaction, tables: &[String], role: &str) -> Result<BTreeSet<String>, Error> {
    let what = "asking who owns tables";
    let mut granted = BTreeSet::new();
    for table in tables {
        let owned = format!(
            "WITH RECURSIVE family AS ( \
               SELECT {table}::regclass::oid AS oid UNION SELECT i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.oid) \
             SELECT CASE WHEN current_setting('server_version_num')::int >= 170000 THEN format('MAINTAIN ON %s', c.oid::regclass) \
               ELSE quote_ident(pg_get_userbyid(c.relowner)::text) END \
             FROM family JOIN pg_class c ON c.oid = family.oid JOIN pg_roles r ON r.oid = c.relowner \
             WHERE c.relkind = 'r' AND r.rolname <> {role} AND (NOT r.rolsuper OR current_setting('server_version_num')::int >= 170000)",
            table = quote_literal(Dialect::Postgres, table),
            role = quote_literal(Dialect::Postgres, role),
        );
        for row in transaction.ask(what, &owned).await? {
            let grant: String = row.try_get(0).map_err(|error| Failure { what, error })?;
            granted.insert(grant);
        }
    }
    Ok(granted)
}

impl Postgres {
    pub(super) async fn grants_for(&self, role: Option<&str>, needs: &[Needs], replicas: &Replicas) -> Result<Grants, Error> {
        let what = "asking who we are";
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(what, "SELECT current_user::text").await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        let ourselves: String = row.try_get(0).map_err(|error| Failure { what, error })?;
        let mut owners = BTreeSet::new();
        for table in needs.iter().filter(|needs| needs.drop).map(|needs| qualified(Dialect::Postgres, &needs.table)) {
            let owned = format!(
                "SELECT DISTINCT pg_get_userbyid(c.relowner)::text FROM pg_partition_tree({}) AS t JOIN pg_class c ON c.oid = t.relid",
                quote_literal(Dialect::Postgres, &table)
            );
            for row in transaction.ask(what, &owned).await? {
                let owner: String = row.try_get(0).map_err(|error| Failure { what, error })?;
                owners.insert(owner);
            }
            owners.remove(role.unwrap_or(&ourselves));
        }
        let asked: Vec<String> =
            needs.iter().filter(|needs| needs.residue > Residue::Logical).map(|needs| qualified(Dialect::Postgres, &needs.table)).collect();
        let maintenance = maintenance(&mut transaction, &asked, role.unwrap_or(&ourselves)).await?;
        let mut sequences = BTreeSet::new();
        for table in needs.iter().filter(|needs| needs.insert).map(|needs| qualified(Dialect::Postgres, &needs.table)) {
            // Those of serial columns; those of identity columns take no privilege.
            let drawn = format!(
                "SELECT format('%I.%I', n.nspname, s.relname) FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' \
                 JOIN pg_namespace n ON n.oid = s.relnamespace \
                 WHERE d.classid = 'pg_class'::regclass AND d.refobjid = {}::regclass AND d.deptype = 'a'",
                quote_literal(Dialect::Postgres, &table)
            );
            for row in transaction.ask(what, &drawn).await? {
                let sequence: String = row.try_get(0).map_err(|error| Failure { what, error })?;
                sequences.insert(sequence);
            }
        }
        let is_made = has_gate(&mut transaction, &self.workspace).await?;
        transaction.commit().await?;

        let role = quote_identifier(role.unwrap_or(&ourselves));
        let schema = quote_identifier(&self.workspace.name);
        let to = |privileges: &str, on: &str| format!("GRANT {privileges} ON {on} TO {role}");
        let (gate, lane, held) = (self.workspace.gate(), self.workspace.lane(), self.workspace.held());
        let mut steps = Vec::new();
        if !is_made {
            let statements = std::iter::once(format!("CREATE SCHEMA IF NOT EXISTS {schema}")).chain(create(&self.workspace));
            steps.push(Step::new("retentiond's own tables, which `retentiond source init` stamps afterwards", statements));
        }
        steps.push(Step::new(
            "The gate (INSERT: its one stamp), the lanes (DELETE: for `retentiond state adopt`) and the held subjects",
            [
                to("USAGE", &format!("SCHEMA {schema}")),
                to("SELECT, INSERT, UPDATE", &gate),
                to("SELECT, INSERT, UPDATE, DELETE", &lane),
                to("SELECT, INSERT, DELETE", &held),
            ],
        ));
        let schemas: BTreeSet<&str> = needs.iter().map(|needs| needs.table.schema.as_str()).collect();
        let usage = schemas.into_iter().map(|schema| to("USAGE", &format!("SCHEMA {}", quote_identifier(schema))));
        // Nobody may lock a row who may not change a column of it.
        let locking = |needs: &Needs| match &needs.locked {
            Some(column) if needs.update.is_empty() => Needs { update: vec![column.clone()], ..needs.clone() },
            _ => needs.clone(),
        };
        let tables = needs.iter().map(|needs| to(&privileges(&locking(needs)), &qualified(Dialect::Postgres, &needs.table)));
        steps.push(Step::new(of_tables(needs), usage.chain(tables)));
        if !sequences.is_empty() {
            let why = "What numbers the entries of the tables that opt-outs go to";
            steps.push(Step::new(why, sequences.iter().map(|sequence| to("USAGE", &format!("SEQUENCE {sequence}")))));
        }
        if !owners.is_empty() {
            let why = "Only their owner can drop partitions (not needed where no rule says `partitions = \"drop\"`, and more than any other step)";
            steps.push(Step::new(why, owners.iter().map(|owner| format!("GRANT {} TO {role}", quote_identifier(owner)))));
        }
        if !maintenance.is_empty() {
            let why = "Vacuuming what deleted rows left behind (not needed where no rule says `residue`); before PostgreSQL 17 only owners can, \
                       which is more than any other step";
            steps.push(Step::new(why, maintenance.iter().map(|granted| format!("GRANT {granted} TO {role}"))));
        }
        let secured: Vec<&str> = needs.iter().filter(|needs| needs.row_security).map(|needs| needs.table.table.as_str()).collect();
        if !secured.is_empty() {
            let why = format!("Row security is on for {}: what might be hidden can't be swept (a superuser runs this)", secured.join(", "));
            steps.push(Step::new(why, [format!("ALTER ROLE {role} BYPASSRLS")]));
        }
        if *replicas != Replicas::Auto && !asked.is_empty() {
            let why = "Whose snapshots keep deleted rows (not needed where no rule says `residue`)";
            steps.push(Step::new(why, [format!("GRANT pg_read_all_stats TO {role}")]));
        }
        if *replicas == Replicas::Auto {
            let why = "How far replicas are behind (not needed with `replicas = \"none\"`)";
            steps.push(Step::new(why, [format!("GRANT pg_read_all_stats TO {role}")]));
        }
        Ok(Grants { role: Some(role), steps })
    }
}
