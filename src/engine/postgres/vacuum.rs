//! How many dead rows a table has, by the server's own statistics, and what keeps vacuum from removing them.

use sqlx::Row as _;

use super::{
    Postgres,
    errors::Failure,
    session::{Access, query},
};
use crate::{
    engine::{DeadRows, Error, server::unsigned},
    sql::{
        Statement,
        selection::{Cell, TableRef},
    },
};

const WHAT: &str = "asking for dead rows";

/// Dead rows, how many of them autovacuum waits for, and whether it comes at all. A table's own settings stand in its
/// storage parameters. Of a tree of tables, each of which is cleaned up by itself, that of the member that needs it most.
const DEAD: &str = "WITH RECURSIVE family AS ( \
       SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 \
       UNION SELECT i.inhrelid FROM pg_inherits i JOIN family ON i.inhparent = family.oid) \
     SELECT pg_stat_get_dead_tuples(c.oid), \
       (coalesce(o.threshold, current_setting('autovacuum_vacuum_threshold'))::float8 \
        + coalesce(o.scale, current_setting('autovacuum_vacuum_scale_factor'))::float8 * greatest(c.reltuples, 0))::bigint, \
       coalesce(o.enabled, 'true')::boolean, current_setting('autovacuum')::boolean \
     FROM pg_class c JOIN family ON family.oid = c.oid, \
       LATERAL (SELECT max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_threshold') AS threshold, \
                       max(option_value) FILTER (WHERE option_name = 'autovacuum_vacuum_scale_factor') AS scale, \
                       max(option_value) FILTER (WHERE option_name = 'autovacuum_enabled') AS enabled \
                FROM pg_options_to_table(c.reloptions)) AS o \
     WHERE c.relkind = 'r' ORDER BY pg_stat_get_dead_tuples(c.oid) / (1 + greatest(c.reltuples, 0)) DESC LIMIT 1";

/// Who has the oldest snapshot that vacuum must respect. Of sessions of other roles it takes pg_read_all_stats to see it. A
/// session that is just ending its transaction shows a snapshot still and no beginning any more.
const OLDEST: &str = "SELECT who FROM ( \
       SELECT 'session ' || pid || coalesce(' (' || nullif(application_name, '') || ')', '') || coalesce(' since ' || date_trunc('second', xact_start), '') AS who, \
              greatest(age(backend_xmin), age(backend_xid)) AS age \
       FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker' \
         AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) AND datname = current_database() \
       UNION ALL SELECT 'prepared transaction ' || gid || ' since ' || date_trunc('second', prepared), age(transaction) \
       FROM pg_prepared_xacts WHERE database = current_database() \
       UNION ALL SELECT 'replication slot ' || slot_name, greatest(age(xmin), age(catalog_xmin)) \
       FROM pg_replication_slots WHERE xmin IS NOT NULL OR catalog_xmin IS NOT NULL \
       UNION ALL SELECT 'replica ' || coalesce(application_name, 'without a name'), age(backend_xmin) FROM pg_stat_replication WHERE backend_xmin IS NOT NULL \
     ) AS holders ORDER BY age DESC LIMIT 1";

impl Postgres {
    pub(super) async fn dead_rows_of(&self, table: &TableRef) -> Result<Option<DeadRows>, Error> {
        let asked = Statement { text: DEAD.to_owned(), binds: vec![Cell::Text(table.schema.clone()), Cell::Text(table.table.clone())] };
        let mut transaction = self.begin_with(Access::Read).await?;
        let found = transaction.rows(WHAT, query(&asked)).await?;
        let Some(row) = found.first() else { return Ok(None) };
        let (rows, tolerated, wanted, on): (i64, i64, bool, bool) =
            (|| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)))()
                .map_err(|error| Failure { what: WHAT, error })?;
        let mut dead = DeadRows { rows: unsigned(rows), tolerated: unsigned(tolerated), causes: Vec::new() };
        if dead.rows > dead.tolerated {
            if !wanted {
                dead.causes.push("autovacuum is switched off for the table".to_owned());
            } else if !on {
                dead.causes.push("autovacuum is switched off on the server".to_owned());
            }
            if let Some(row) = transaction.ask(WHAT, OLDEST).await?.first() {
                let who: String = row.try_get(0).map_err(|error| Failure { what: WHAT, error })?;
                dead.causes.push(format!("vacuum keeps what the oldest snapshot may still see, that of {who}"));
            }
        }
        transaction.commit().await?;
        Ok(Some(dead))
    }
}
