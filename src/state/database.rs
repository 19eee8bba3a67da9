//! The database of the state: opening it, what every session of it is set to, and its transactions.

use std::{
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use sqlx::{
    Any, AnyPool, ConnectOptions as _, Executor as _, FromRow, Row as _, SqlSafeStr, Transaction,
    any::{AnyArguments, AnyConnectOptions, AnyPoolOptions, AnyRow},
    query::{Query, QueryAs},
};

use super::{Error, migrations};
use crate::{
    clock::within,
    config::{SourceUrl, handshake},
    policy::Dialect,
};

/// WAL so that readers don't wait for writers; FULL because what this database says was committed must survive power
/// loss, or a hold could be forgotten. A small cache, because each connection would otherwise hold 2 MB of the ledger as
/// it grows, and retentiond's memory would follow the number of batches.
const SQLITE_SESSION: &str = "PRAGMA busy_timeout = 10000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
     PRAGMA foreign_keys = ON; PRAGMA cache_size = -256";

/// Opens every transaction. READ COMMITTED whatever the server's default: statements after a lock have to see what its last
/// holder committed. A standby, whose holds may be older, refuses READ WRITE, so reading is that, too. All of it ends
/// with the transaction, because the session may be a pooler's, and the next statement of it somebody else's.
macro_rules! opening {
    ($more:literal) => {
        concat!(
            "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL search_path = retentiond_state; \
             SET LOCAL synchronous_commit = on; SET LOCAL client_min_messages = error; SET LOCAL lock_timeout = '10s'; \
             SET LOCAL statement_timeout = '60s'; SET LOCAL idle_in_transaction_session_timeout = '60s'",
            $more
        )
    };
}

/// A sweep's two transactions that overlap, the lease that it renews, and whatever else is read beside it.
const CONNECTIONS: u32 = 4;

/// How long to wait for a server that does not answer, or is being restarted.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long to wait for one's turn at a file, which is always there.
const TURN_TIMEOUT: Duration = Duration::from_secs(30);

/// A connection that nobody needs for so long is given back to the server.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// What a state can be kept on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Sqlite,
    Postgres,
}

/// Connections to the state.
#[derive(Clone)]
pub(super) struct Database {
    pool: AnyPool,
    pub(super) kind: Kind,
    /// Without user and password, for messages.
    pub(super) address: Arc<str>,
    /// As it was read last.
    url: Arc<Mutex<SourceUrl>>,
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
        if let Some(path) = url.sqlite_path() {
            prepare_file(&path, &address, create)?;
        }
        let (url, outdated) = match url.current() {
            Ok(current) => (current, None),
            // It may be in the middle of being replaced; the server tells whether what is known will do.
            Err(outdated) => (url.clone(), Some(outdated)),
        };
        let told = |error: sqlx::Error| {
            let place = match (&outdated, url.place()) {
                (Some(outdated), _) => format!("; {outdated}"),
                (None, Some(place)) => format!("; the address is in {place}"),
                (None, None) => String::new(),
            };
            connect_error(&address, &format!("{}{place}", words(&error)))
        };
        let options = options(&url).map_err(told)?;
        // The pool tries again and again where a first connection fails; a person wants to know why.
        let trial = options.clone();
        let first = tokio::spawn(async move { trial.connect().await });
        let mut first = within(CONNECT_TIMEOUT, first).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(told)?;
        if kind == Kind::Postgres && in_recovery(&mut first).await? {
            return Err(Error::Standby);
        }
        // A server that hangs up first makes an error of the farewell.
        let _ = sqlx::Connection::close(first).await;
        let pool = AnyPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(match kind {
                Kind::Sqlite => TURN_TIMEOUT,
                Kind::Postgres => CONNECT_TIMEOUT,
            })
            .idle_timeout(IDLE_TIMEOUT)
            .test_before_acquire(false)
            .after_connect(move |connection, _| Box::pin(set_session(connection, kind)))
            .before_acquire(move |connection, _| Box::pin(is_at_rest(connection, kind)))
            .connect_lazy_with(options);
        Ok(Self { pool, kind, address: address.into(), url: Arc::new(Mutex::new(url)) })
    }

    /// Begins a transaction that writes. On SQLite it waits for its turn here, and never fails for it later.
    ///
    /// Dropped, it rolls back.
    ///
    /// # Errors
    /// [`Error::TooNew`] if a newer retentiond has changed the tables meanwhile, so that this one can't write to them any more.
    pub(super) async fn write(&self) -> Result<Transaction<'static, Any>, Error> {
        let mut transaction = self
            .begin(match self.kind {
                Kind::Sqlite => "BEGIN IMMEDIATE",
                Kind::Postgres => opening!("; SELECT pg_advisory_xact_lock_shared(hashtext('retentiond state migration'))"),
            })
            .await?;
        migrations::admit(&mut transaction).await?;
        Ok(transaction)
    }

    /// Begins the transaction of a migration: no other process writes until it ends.
    pub(super) async fn alone(&self) -> Result<Transaction<'static, Any>, Error> {
        self.begin(match self.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => opening!("; SELECT pg_advisory_xact_lock(hashtext('retentiond state migration'))"),
        })
        .await
    }

    /// Begins a transaction that only reads: drop it.
    pub(super) async fn read(&self) -> Result<Transaction<'static, Any>, Error> {
        self.begin(match self.kind {
            Kind::Sqlite => "BEGIN",
            Kind::Postgres => opening!(""),
        })
        .await
    }

    /// Closes every connection, once they are given back.
    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    async fn begin(&self, opening: &'static str) -> Result<Transaction<'static, Any>, Error> {
        match self.pool.begin_with(opening).await {
            Err(_) if self.renew() => Ok(self.pool.begin_with(opening).await?),
            began => Ok(began?),
        }
    }

    /// Takes up a login that was rotated; false: it was not.
    fn renew(&self) -> bool {
        let mut url = self.url.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = url.current().ok().filter(|current| !current.has_login_of(&url)) else { return false };
        let Ok(options) = options(&current) else { return false };
        self.pool.set_connect_options(options);
        *url = current;
        true
    }
}

/// A statement. It is unnamed on the server: a name would stay on a session that may be a pooler's.
pub(super) fn query<'q>(text: impl SqlSafeStr) -> Query<'q, Any, AnyArguments> {
    sqlx::query(text).persistent(false)
}

/// The same, whose rows are tuples.
pub(super) fn query_as<'q, Row: for<'r> FromRow<'r, AnyRow>>(text: impl SqlSafeStr) -> QueryAs<'q, Any, Row, AnyArguments> {
    sqlx::query_as(text).persistent(false)
}

fn options(url: &SourceUrl) -> Result<AnyConnectOptions, sqlx::Error> {
    let text = match url.sqlite_path() {
        Some(path) => sqlite_url(&path),
        // What protects the connection stands there as a parameter already.
        None => format!("{}&application_name=retentiond&statement-cache-capacity=0", url.expose()),
    };
    Ok(text.parse::<AnyConnectOptions>()?.disable_statement_logging())
}

/// Why the server can't be reached, in its own words or ours.
fn words(error: &sqlx::Error) -> String {
    match error {
        // Every session asks for it as it begins, and only a pooler minds.
        sqlx::Error::Database(refusal) if refusal.message().contains("extra_float_digits") => {
            format!("{}; pgbouncer has to be told `ignore_startup_parameters = extra_float_digits`", refusal.message())
        }
        sqlx::Error::Database(refusal) => refusal.message().to_owned(),
        sqlx::Error::PoolTimedOut => "the server does not answer".to_owned(),
        other => handshake::words(other),
    }
}

async fn set_session(connection: &mut sqlx::AnyConnection, kind: Kind) -> Result<(), sqlx::Error> {
    if kind == Kind::Sqlite {
        connection.execute(sqlx::raw_sql(SQLITE_SESSION)).await?;
    }
    Ok(())
}

/// Whether a connection is alive and in no transaction that a cancelled begin may have left.
async fn is_at_rest(connection: &mut sqlx::AnyConnection, kind: Kind) -> Result<bool, sqlx::Error> {
    match kind {
        Kind::Sqlite => {
            // An error is the usual case: there is no transaction to roll back.
            let _ = connection.execute("ROLLBACK").await;
            Ok(true)
        }
        // In a transaction, the one would be the time of its beginning. What is not at rest is closed, which rolls back.
        Kind::Postgres => sqlx::raw_sql("SELECT now() = statement_timestamp()").fetch_one(connection).await?.try_get(0),
    }
}

async fn in_recovery(connection: &mut sqlx::AnyConnection) -> Result<bool, sqlx::Error> {
    sqlx::raw_sql("SELECT pg_is_in_recovery()").fetch_one(connection).await?.try_get(0)
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
