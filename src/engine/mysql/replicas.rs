//! How far the replicas of a server have got, as they say when they are asked: a MariaDB server doesn't know it of them.
//!
//! Positions are places in the server's binary log: the number of its file, and the byte in it.

use std::{collections::BTreeMap, sync::Mutex};

use sqlx::{Column as _, MySqlPool, Row as _, mysql::MySqlPoolOptions, mysql::MySqlRow};

use super::{
    Flavour, Mysql, errors,
    errors::Failure,
    options,
    session::{Access, text},
};
use crate::{
    clock::within,
    config::{Replicas, SourceUrl},
    engine::{Error, Positions, Replica, server::PATIENCE},
};

/// Bits of a position that are the byte within a file: a binary log file has less than 2^32 bytes.
const WITHIN_A_FILE: u32 = 32;

const WHAT: &str = "asking how far replicas are behind";

/// Connections to the replicas that are listed, one each, by address.
#[derive(Default)]
pub(super) struct Followers(Mutex<BTreeMap<String, MySqlPool>>);

impl Followers {
    pub(super) async fn close(&self) {
        let pools = std::mem::take(&mut *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        for pool in pools.into_values() {
            pool.close().await;
        }
    }

    /// The connection to a replica; it is made when something is asked for the first time.
    fn of(&self, url: &SourceUrl) -> Result<MySqlPool, sqlx::Error> {
        // Its login may have been rotated.
        let address = url.current().unwrap_or_else(|_| url.clone());
        let mut pools = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(pool) = pools.get(&address.expose()) {
            return Ok(pool.clone());
        }
        let pool = MySqlPoolOptions::new().max_connections(1).acquire_timeout(PATIENCE).connect_lazy_with(options(&address)?);
        pools.insert(address.expose(), pool.clone());
        Ok(pool)
    }
}

impl Mysql {
    pub(super) async fn positions(&self, which: &Replicas) -> Result<Positions, Error> {
        match which {
            Replicas::None => Ok(Positions::default()),
            Replicas::Auto => self.unlisted().await,
            Replicas::Listed(urls) => {
                let written = self.written().await?;
                let mut replicas = Vec::new();
                for url in urls {
                    replicas.push(Replica { name: url.redacted(), replayed: self.ask(url).await });
                }
                Ok(Positions { written, replicas })
            }
        }
    }

    /// Whether anybody follows at all: those who do can't be measured from here.
    async fn unlisted(&self) -> Result<Positions, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction
            .ask(WHAT, "SELECT concat('session ', ID) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%' ORDER BY ID")
            .await?;
        transaction.commit().await?;
        let unknown = "the server does not know how far it is; list it: `replicas = [{ url_file = \"…\" }]`, or say `replicas = \"none\"`";
        let replica = |row: &MySqlRow| Ok(Replica { name: text(row, 0)?.unwrap_or_default(), replayed: Err(unknown.to_owned()) });
        let replicas = rows.iter().map(replica).collect::<Result<_, _>>().map_err(|error| Failure { what: WHAT, error })?;
        Ok(Positions { written: 0, replicas })
    }

    /// The end of the server's binary log.
    async fn written(&self) -> Result<u64, Error> {
        let mut transaction = self.begin_with(Access::Read).await?;
        let status = match self.server.flavour {
            Flavour::MariaDb => "SHOW MASTER STATUS",
            Flavour::MySql => "SHOW BINARY LOG STATUS",
        };
        let rows = transaction.ask(WHAT, status).await?;
        transaction.commit().await?;
        let row = rows.first().ok_or_else(|| Error::Unsupported("`replicas` lists some, but the server keeps no binary log".to_owned()))?;
        let file = text(row, 0).map_err(|error| Failure { what: WHAT, error })?.unwrap_or_default();
        let byte: u64 = row.try_get_unchecked(1).map_err(|error| Failure { what: WHAT, error })?;
        position(&file, byte).ok_or_else(|| Error::Database("the name of the server's binary log can't be read".to_owned()))
    }

    /// Asks a replica itself.
    async fn ask(&self, url: &SourceUrl) -> Result<u64, String> {
        let told = |error: sqlx::Error| errors::connect(&error, url);
        let pool = self.followers.of(url).map_err(told)?;
        let query = match self.server.flavour {
            Flavour::MariaDb => "SHOW SLAVE STATUS",
            Flavour::MySql => "SHOW REPLICA STATUS",
        };
        let asked = tokio::spawn(async move { sqlx::raw_sql(query).fetch_optional(&pool).await });
        let answer = within(PATIENCE, asked).await.ok_or_else(|| "it does not answer".to_owned())?;
        let row = answer.map_err(told)?.ok_or_else(|| "it is no replica".to_owned())?;
        let column = |names: [&str; 2]| row.columns().iter().position(|column| names.contains(&column.name()));
        let file = column(["Relay_Master_Log_File", "Relay_Source_Log_File"]).and_then(|index| text(&row, index).ok().flatten());
        let byte = column(["Exec_Master_Log_Pos", "Exec_Source_Log_Pos"]).and_then(|index| row.try_get_unchecked::<u64, _>(index).ok());
        file.zip(byte).and_then(|(file, byte)| position(&file, byte)).ok_or_else(|| "it has not said yet".to_owned())
    }
}

/// A place in a log whose files are numbered behind a point.
fn position(file: &str, byte: u64) -> Option<u64> {
    let number: u64 = file.rsplit_once('.')?.1.parse().ok()?;
    Some((number << WITHIN_A_FILE) | byte.min((1 << WITHIN_A_FILE) - 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_grow_from_file_to_file() {
        assert_eq!(position("mysqld-bin.000003", 328), Some((3 << 32) | 328));
        assert!(position("b.000010", 4) > position("b.000009", u64::MAX));
        assert_eq!(position("nonsense", 4), None);
    }
}
