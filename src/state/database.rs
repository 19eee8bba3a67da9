//! The database of the state: opening it, what every session of it is set to, and its transactions.

use std::{os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc, time::Duration};

use jiff::Timestamp;
use sqlx::{
    Any, AnyPool, ConnectOptions as _, Executor as _, Transaction,
    any::{AnyConnectOptions, AnyPoolOptions},
};

use super::Error;
use crate::{config::SourceUrl, policy::Dialect};

/// WAL so that readers don't wait for writers; FULL because what this database says was committed must survive power
/// loss, or a hold could be forgotten. A small cache, because each connection would otherwise hold 2 MB of the ledger as
/// it grows, and retentiond's memory would follow the number of batches.
const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA cache_size = -256";

/// READ COMMITTED whatever the server's default: statements after a lock have to see what its last holder committed.
/// The level of messages is raised because a rollback without a transaction is a warning.
const POSTGRES_SESSION: &str = "SET search_path = retentiond_state; SET synchronous_commit = on; \
     SET default_transaction_isolation = 'read committed'; SET client_min_messages = error; SET lock_timeout = '10s'; \
     SET statement_timeout = '60s'; SET idle_in_transaction_session_timeout = '60s'";

/// What a state can be kept on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// Connections to the state.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) pool: AnyPool,
    pub(super) kind: Kind,
    /// Without user and password, for messages.
    pub(super) address: Arc<str>,
}

impl Database {
    /// Connects. With `create`, a SQLite file that is missing is created, empty; without, it is [`Error::Missing`].
    pub(super) async fn connect(url: &SourceUrl, create: bool) -> Result<Self, Error> {
        sqlx::any::install_default_drivers();
        let address = url.redacted();
        let kind = match url.dialect() {
            Dialect::Sqlite => Kind::Sqlite,
            Dialect::Postgres => Kind::Postgres,
            Dialect::Mysql => return Err(connect_error(&address, &"a state is kept on SQLite or PostgreSQL")),
        };
        let options: AnyConnectOptions = match url.sqlite_path() {
            Some(path) => {
                prepare_file(&path, &address, create)?;
                sqlite_url(&path).parse()
            }
            None => url.expose().parse(),
        }
        .map_err(|error| connect_error(&address, &error))?;
        let options = options.disable_statement_logging();
        // The pool tries again and again where a first connection fails; a person wants to know why.
        let mut first = options.connect().await.map_err(|error| connect_error(&address, &error))?;
        if kind == Kind::Postgres && in_recovery(&mut first).await? {
            return Err(Error::Standby);
        }
        sqlx::Connection::close(first).await?;
        let pool = AnyPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(30))
            .test_before_acquire(false)
            .after_connect(move |connection, _| Box::pin(set_session(connection, kind)))
            .before_acquire(move |connection, _| Box::pin(cleanse(connection, kind)))
            .connect_lazy_with(options);
        Ok(Self { pool, kind, address: address.into() })
    }

    /// Begins a transaction that writes. On SQLite it waits for its turn here, and never fails for it later.
    ///
    /// Dropped, it rolls back.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Any>, Error> {
        Ok(match self.kind {
            Kind::Sqlite => self.pool.begin_with("BEGIN IMMEDIATE").await?,
            Kind::Postgres => self.pool.begin().await?,
        })
    }
}

async fn set_session(connection: &mut sqlx::AnyConnection, kind: Kind) -> Result<(), sqlx::Error> {
    match kind {
        Kind::Sqlite => connection.execute(sqlx::raw_sql(SQLITE_SESSION)).await?,
        Kind::Postgres => {
            // A name that moved to a standby would show holds as they were.
            if in_recovery(connection).await? {
                return Err(sqlx::Error::Configuration(Error::Standby.into()));
            }
            connection.execute(sqlx::raw_sql(POSTGRES_SESSION)).await?
        }
    };
    Ok(())
}

/// Rolls back what a cancelled begin may have left, before the connection is used again.
async fn cleanse(connection: &mut sqlx::AnyConnection, kind: Kind) -> Result<bool, sqlx::Error> {
    let rolled_back = connection.execute("ROLLBACK").await;
    match kind {
        // An error is the usual case: there is no transaction to roll back.
        Kind::Sqlite => Ok(true),
        Kind::Postgres => rolled_back.map(|_| true),
    }
}

async fn in_recovery(connection: &mut sqlx::AnyConnection) -> Result<bool, sqlx::Error> {
    let (recovering,) = sqlx::query_as::<_, (bool,)>("SELECT pg_is_in_recovery()").fetch_one(connection).await?;
    Ok(recovering)
}

/// The driver decodes percent signs and reads parameters after `?`: no byte of the path may be taken for either.
fn sqlite_url(path: &Path) -> String {
    use std::{fmt::Write as _, os::unix::ffi::OsStrExt as _};
    let mut url = "sqlite:".to_owned();
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_~".contains(byte) {
            url.push(char::from(*byte));
        } else {
            let _ = write!(url, "%{byte:02X}");
        }
    }
    url
}

/// Refuses network file systems; creates the file, readable by its owner alone, where it is missing.
fn prepare_file(path: &Path, address: &str, create: bool) -> Result<(), Error> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !path.exists() && !create {
        return Err(Error::Missing { address: address.to_owned() });
    }
    let system = rustix::fs::statfs(folder).map_err(|error| connect_error(address, &error))?;
    if let Some(kind) = network_kind(system.f_type.cast_unsigned()) {
        return Err(Error::NetworkFileSystem { path: path.to_owned(), kind });
    }
    // Not truncated: another process may have created it since. WAL and shared memory take their mode from it.
    let open = std::fs::OpenOptions::new().write(true).create(create).truncate(false).mode(0o600).open(path);
    open.map(drop).map_err(|error| connect_error(address, &error))
}

/// The name of a file system whose locks reach over a network, from its magic number (statfs(2)).
fn network_kind(magic: u64) -> Option<&'static str> {
    match magic & 0xFFFF_FFFF {
        0x6969 => Some("NFS"),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => Some("SMB"),
        0x5346_414F => Some("AFS"),
        0x7375_7245 => Some("Coda"),
        0x00C3_6400 => Some("Ceph"),
        0x0BD0_0BD0 => Some("Lustre"),
        _ => None,
    }
}

fn connect_error(address: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Connect { address: address.to_owned(), message: error.to_string() }
}

/// A time as it is stored.
pub(super) fn micros(at: Timestamp) -> i64 {
    at.as_microsecond()
}

/// A time that was stored.
pub(super) fn instant(micros: i64) -> Result<Timestamp, Error> {
    Timestamp::from_microsecond(micros).map_err(|error| Error::Unreadable(error.to_string()))
}

/// A count as it is stored.
pub(super) fn stored(count: u64) -> Result<i64, Error> {
    i64::try_from(count).map_err(|_| Error::Unreadable(format!("{count} is too large a number")))
}

/// A count that was stored.
pub(super) fn count(stored: i64) -> Result<u64, Error> {
    u64::try_from(stored).map_err(|_| Error::Unreadable(format!("{stored} isn't a count")))
}

/// The text in which lists, scopes and owners are stored.
pub(super) fn json<T: serde::Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).expect("lists and structs of texts and numbers have a JSON form")
}

/// What [`json`] stored.
pub(super) fn parse<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|error| Error::Unreadable(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_path_reaches_the_driver() {
        assert_eq!(sqlite_url(Path::new("/a b/100%/x?y#ä.db")), "sqlite:/a%20b/100%25/x%3Fy%23%C3%A4%2Edb");
    }

    #[test]
    fn network_file_systems_are_known_by_their_number() {
        assert_eq!(network_kind(0x6969), Some("NFS"));
        // Where the number is kept with a sign, as on 32 bits.
        assert_eq!(network_kind(0xFFFF_FFFF_FF53_4D42), Some("SMB"));
        assert_eq!(network_kind(0xEF53), None);
    }

    #[test]
    fn times_and_counts_read_back() {
        let at = "2026-01-02T03:04:05.000006Z".parse().unwrap();
        assert_eq!(instant(micros(at)).unwrap(), at);
        assert_eq!(count(stored(7).unwrap()).unwrap(), 7);
        assert!(stored(u64::MAX).is_err() && count(-1).is_err());
    }
}
