//! How far the replicas of a server have got: as it sees them itself, or as they say when they are asked.
//!
//! Positions are bytes of the write-ahead log. What is measured is what queries on the replica see (`replay`), because
//! that is what the readers behind it wait for.

use std::{collections::BTreeMap, sync::Mutex};

use sqlx::{PgPool, Row as _, postgres::PgPoolOptions};

use super::{Postgres, errors, errors::Failure, options, session::Access};
use crate::{
    clock::within,
    config::{Replicas, SourceUrl},
    engine::{
        Error, Positions, Replica,
        server::{PATIENCE, unsigned},
    },
};

/// Connections to the replicas that are listed, one each, by address.
#[derive(Default)]
pub(super) struct Followers(Mutex<BTreeMap<String, PgPool>>);

impl Followers {
    pub(super) async fn close(&self) {
        let pools = std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for pool in pools.into_values() {
            pool.close().await;
        }
    }

    /// The connection to a replica; it is made when something is asked for the first time.
    fn of(&self, url: &SourceUrl) -> Result<PgPool, sqlx::Error> {
        // Its login may have been rotated.
        let address = url.current().unwrap_or_else(|_| url.clone());
        let mut pools = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(pool) = pools.get(&address.expose()) {
            return Ok(pool.clone());
        }
        let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options(&address)?);
        pools.insert(address.expose(), pool.clone());
        Ok(pool)
    }
}

impl Postgres {
    pub(super) async fn positions(&self, which: &Replicas) -> Result<Positions, Error> {
        if *which == Replicas::None {
            return Ok(Positions::default());
        }
        let what = "asking how far replicas are behind";
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(what, "SELECT (pg_current_wal_lsn() - '0/0')::bigint").await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        let written = unsigned(row.try_get(0).map_err(|error| Failure { what, error })?);
        let mut replicas = Vec::new();
        if *which == Replicas::Auto {
            // A base backup reads files, and an archive receiver (which streams and never replays) serves nobody.
            // A slot that nobody reads keeps the log for a replica that was cut off.
            let followers = "SELECT coalesce(nullif(application_name, ''), pid::text), (replay_lsn - '0/0')::bigint,
                   CASE WHEN state IS NULL THEN 'hidden' ELSE 'silent' END
                 FROM pg_stat_replication WHERE state IS NULL OR state <> 'backup' AND (state <> 'streaming' OR replay_lsn IS NOT NULL)
                 UNION ALL SELECT 'of the slot ' || slot_name, NULL, 'away' FROM pg_replication_slots
                 WHERE slot_type = 'physical' AND NOT active AND restart_lsn IS NOT NULL
                 ORDER BY 1";
            for row in transaction.ask(what, followers).await? {
                let read = || Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?));
                let (name, replayed, unknown): (String, Option<i64>, String) = read().map_err(|error| Failure { what, error })?;
                let why = match unknown.as_str() {
                    "hidden" => "this role may not see it; GRANT pg_read_all_stats TO it, or say `replicas = \"none\"`",
                    "away" => "nobody is connected to it; if it is never to come back: SELECT pg_drop_replication_slot('…')",
                    _ => "it has not said yet",
                };
                replicas.push(Replica { name, replayed: replayed.map(unsigned).ok_or_else(|| why.to_owned()) });
            }
        }
        transaction.commit().await?;
        if let Replicas::Listed(urls) = which {
            for url in urls {
                replicas.push(Replica { name: url.redacted(), replayed: self.ask(url).await });
            }
        }
        Ok(Positions { written, replicas })
    }

    /// Asks a replica itself.
    async fn ask(&self, url: &SourceUrl) -> Result<u64, String> {
        let told = |error: sqlx::Error| errors::connect(&error, url);
        let pool = self.followers.of(url).map_err(told)?;
        let query = "SELECT pg_is_in_recovery(), (pg_last_wal_replay_lsn() - '0/0')::bigint";
        let asked = tokio::spawn(async move { sqlx::raw_sql(query).fetch_one(&pool).await });
        let answer = within(PATIENCE, asked).await.ok_or_else(|| "it does not answer".to_owned())?;
        let row = answer.map_err(told)?;
        let (follows, replayed): (bool, Option<i64>) = (|| Ok((row.try_get(0)?, row.try_get(1)?)))().map_err(told)?;
        match replayed {
            Some(replayed) if follows => Ok(unsigned(replayed)),
            _ => Err("it is no replica".to_owned()),
        }
    }
}
