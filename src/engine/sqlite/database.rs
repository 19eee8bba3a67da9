//! The database file, the connections to it, and statements under a limit of time.
//!
//! SQLite has no server that could bound a statement, so each one runs under a progress handler with a deadline of its
//! own. Nothing here opens the file itself: closing any descriptor of it would drop every POSIX lock that this process
//! holds on it, a running batch's included.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::TryStreamExt as _;
use rustix::fs::{Access, access, stat, statfs};
use sqlx::{
    ConnectOptions as _, Row as _, SqliteConnection, TypeInfo as _, ValueRef as _,
    pool::PoolConnection,
    sqlite::{Sqlite, SqliteConnectOptions, SqlitePool, SqlitePoolOptions, SqliteRow, SqliteSynchronous},
};

use crate::{
    config::{Limits, SourceUrl},
    engine::Error,
    sql::{Statement, checked, selection::Cell},
};

/// Readers and one writer: SQLite lets only one write at a time, and plans read few tables at once.
const CONNECTIONS: u32 = 4;

/// Virtual machine instructions between two looks at the clock: well under a millisecond.
const OPERATIONS_PER_LOOK: i32 = 1000;

/// Magic numbers (statfs(2)) of file systems on which other machines can write, where SQLite's locks are not to be
/// relied on.
const NETWORK_FILE_SYSTEMS: &[(u64, &str)] = &[
    (0x6969, "NFS"),
    (0x517B, "SMB"),
    (0xFF53_4D42, "CIFS"),
    (0xFE53_4D42, "SMB 2"),
    (0x5346_414F, "AFS"),
    (0x6B41_4653, "AFS"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0BD0_0BD0, "Lustre"),
    (0x0116_1970, "GFS2"),
    (0x7461_636F, "OCFS2"),
];

/// What tells one file from another whatever its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

/// A database file and the connections to it.
pub(super) struct Database {
    options: SqliteConnectOptions,
    path: PathBuf,
    opened: FileId,
    pool: SqlitePool,
    limits: Limits,
}

impl Database {
    pub(super) async fn open(url: &SourceUrl, limits: Limits) -> Result<Self, Error> {
        let path = url.sqlite_path().ok_or_else(|| Error::Lost("the address names no SQLite file".to_owned()))?;
        let options = SqliteConnectOptions::new()
            .filename(&path)
            .create_if_missing(false)
            .foreign_keys(true)
            .busy_timeout(limits.lock_timeout)
            .synchronous(SqliteSynchronous::Full)
            .pragma("temp_store", "MEMORY")
            .pragma("trusted_schema", "OFF")
            .with_regexp()
            .disable_statement_logging();
        let opened = file_id(&path)?;
        refuse_network(&path)?;
        let pool = SqlitePoolOptions::new()
            .max_connections(CONNECTIONS)
            .test_before_acquire(false)
            .before_acquire(|connection, _| Box::pin(roll_back_leftovers(connection)))
            .after_release(|connection, _| Box::pin(roll_back_leftovers(connection)))
            .connect_lazy_with(options.clone());
        let database = Self { options, path, opened, pool, limits };
        // The file is read at the first statement: before it, any file passes for a database.
        let mut connection = database.connection().await?;
        database.fetch(&mut connection, &Statement::plain("SELECT count(*) FROM sqlite_schema")).await?;
        drop(connection);
        Ok(database)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Device and inode of the file that the path names now.
    pub(super) fn fingerprint(&self) -> Result<String, Error> {
        let FileId { device, inode } = file_id(&self.path)?;
        Ok(format!("sqlite:{device}:{inode}"))
    }

    /// False where the file system or its permissions forbid writing, to the file or beside it (the journal).
    pub(super) fn is_writable(&self) -> bool {
        let folder = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        access(&self.path, Access::WRITE_OK).is_ok() && access(folder, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    }

    /// A connection of the pool.
    pub(super) async fn connection(&self) -> Result<PoolConnection<Sqlite>, Error> {
        self.require_same_file()?;
        self.pool.acquire().await.map_err(database_error)
    }

    /// A connection outside the pool. Dropping it closes it, and rolls back what was not committed.
    pub(super) async fn own_connection(&self) -> Result<SqliteConnection, Error> {
        self.require_same_file()?;
        self.options.connect().await.map_err(database_error)
    }

    /// Runs a statement; returns how many rows it changed itself, without those that its triggers and foreign keys did.
    pub(super) async fn execute(&self, connection: &mut SqliteConnection, statement: &Statement) -> Result<u64, Error> {
        set_deadline(connection, self.limits.statement_timeout).await?;
        Ok(bound(statement).execute(connection).await.map_err(database_error)?.rows_affected())
    }

    /// Runs a statement that has a time of its own.
    pub(super) async fn execute_within(&self, connection: &mut SqliteConnection, text: &str, limit: Duration) -> Result<(), Error> {
        set_deadline(connection, limit).await?;
        bound(&Statement::plain(text)).execute(connection).await.map(drop).map_err(database_error)
    }

    /// Runs a statement that changes nothing where the database refuses a row for what it is; then its words are returned.
    pub(super) async fn try_execute(&self, connection: &mut SqliteConnection, statement: &Statement) -> Result<Result<(), String>, Error> {
        const TOO_BIG: u32 = 18;
        const CONSTRAINT: u32 = 19;
        const MISMATCH: u32 = 20;
        set_deadline(connection, self.limits.statement_timeout).await?;
        let Err(error) = bound(statement).execute(connection).await else { return Ok(Ok(())) };
        let code = error.as_database_error().and_then(|error| error.code()?.parse::<u32>().ok()).unwrap_or_default();
        match (code & 0xFF, database_error(error)) {
            (TOO_BIG | CONSTRAINT | MISMATCH, error) => Ok(Err(error.to_string())),
            (_, error) => Err(error),
        }
    }

    /// Gives all statements that [`look_up`] runs next on the connection the time of one.
    ///
    /// The driver runs a connection on a thread of its own, so a deadline costs as much as a statement; the many small
    /// ones on the catalogue share one.
    pub(super) async fn begin_look_up(&self, connection: &mut SqliteConnection) -> Result<(), Error> {
        set_deadline(connection, self.limits.statement_timeout).await
    }

    /// Runs a statement and reads its rows, which must be few.
    pub(super) async fn fetch(&self, connection: &mut SqliteConnection, statement: &Statement) -> Result<Vec<SqliteRow>, Error> {
        set_deadline(connection, self.limits.statement_timeout).await?;
        bound(statement).fetch_all(connection).await.map_err(database_error)
    }

    /// Runs a statement and hands over its rows one by one, so that never all of them are in memory.
    pub(super) async fn each(
        &self,
        connection: &mut SqliteConnection,
        statement: &Statement,
        mut take: impl FnMut(SqliteRow) -> Result<(), sqlx::Error> + Send,
    ) -> Result<(), Error> {
        set_deadline(connection, self.limits.statement_timeout).await?;
        let rows = bound(statement).fetch(connection);
        rows.try_for_each(|row| std::future::ready(take(row))).await.map_err(database_error)
    }

    /// The first row of a statement, on a connection of the pool.
    pub(super) async fn first(&self, statement: &Statement) -> Result<Option<SqliteRow>, Error> {
        let mut connection = self.connection().await?;
        Ok(self.fetch(&mut connection, statement).await?.into_iter().next())
    }

    pub(super) async fn close(&self) {
        self.pool.close().await;
    }

    /// A file that was moved into the place of the one we hold open has other rows, another gate and other lanes.
    fn require_same_file(&self) -> Result<(), Error> {
        if file_id(&self.path)? == self.opened {
            return Ok(());
        }
        Err(Error::Lost("the database file was replaced by another since it was opened; reload to open the new one".to_owned()))
    }
}

/// Runs a statement within the time of [`Database::begin_look_up`] and reads its rows, which must be few.
pub(super) async fn look_up(connection: &mut SqliteConnection, statement: &Statement) -> Result<Vec<SqliteRow>, Error> {
    bound(statement).fetch_all(connection).await.map_err(database_error)
}

/// Ends whatever transaction a cancelled future or an error left open on a pooled connection; `false` gives it up.
async fn roll_back_leftovers(connection: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    connection.lock_handle().await?.remove_progress_handler();
    match sqlx::query("ROLLBACK").execute(connection).await {
        Ok(_) => Ok(true),
        // SQLITE_ERROR: no transaction was open, as it should be.
        Err(sqlx::Error::Database(error)) => Ok(error.code().as_deref() == Some("1")),
        Err(_) => Ok(false),
    }
}

/// Gives the next statement on the connection `limit` from now.
async fn set_deadline(connection: &mut SqliteConnection, limit: Duration) -> Result<(), Error> {
    let deadline = Instant::now() + limit;
    let mut handle = connection.lock_handle().await.map_err(database_error)?;
    handle.set_progress_handler(OPERATIONS_PER_LOOK, move || Instant::now() < deadline);
    Ok(())
}

fn bound(statement: &Statement) -> sqlx::query::Query<'static, Sqlite, sqlx::sqlite::SqliteArguments> {
    statement.binds.iter().fold(sqlx::query(checked(&statement.text)), |query, cell| match cell {
        Cell::Null => query.bind(None::<String>),
        Cell::Integer(number) => query.bind(*number),
        Cell::Real(number) => query.bind(*number),
        Cell::Text(text) => query.bind(text.clone()),
        Cell::Bytes(bytes) => query.bind(bytes.clone()),
    })
}

/// A value as SQLite stores it, whatever type its column declares.
pub(super) fn cell(row: &SqliteRow, index: usize) -> Result<Cell, Error> {
    let value = row.try_get_raw(index).map_err(database_error)?;
    if value.is_null() {
        return Ok(Cell::Null);
    }
    let stored = value.type_info();
    match stored.name() {
        "INTEGER" => row.try_get_unchecked(index).map(Cell::Integer),
        "REAL" => row.try_get_unchecked(index).map(Cell::Real),
        "TEXT" => row.try_get_unchecked(index).map(Cell::Text),
        _ => row.try_get_unchecked(index).map(Cell::Bytes),
    }
    .map_err(database_error)
}

/// A column of one of our own statements.
pub(super) fn get<'r, T>(row: &'r SqliteRow, index: usize) -> Result<T, Error>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(index).map_err(database_error)
}

/// A count; SQLite has no unsigned numbers, and ours never pass 2^63.
pub(super) fn get_count(row: &SqliteRow, index: usize) -> Result<u64, Error> {
    Ok(u64::try_from(get::<i64>(row, index)?).unwrap_or_default())
}

/// A count as a bind.
pub(super) fn count_cell(count: u64) -> Cell {
    Cell::Integer(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Sorts a failure by SQLite's result code.
pub(super) fn database_error(error: sqlx::Error) -> Error {
    const BUSY: u32 = 5;
    const LOCKED: u32 = 6;
    const INTERRUPT: u32 = 9;
    const FULL: u32 = 13;
    // The index of the write-ahead log, which lies beside the file, can't grow.
    const SHARED_MEMORY_SIZE: u32 = 4874;
    const BUSY_SNAPSHOT: u32 = 517;
    const CONSTRAINT_TRIGGER: u32 = 1811;
    match error {
        sqlx::Error::Database(error) => {
            let code: u32 = error.code().and_then(|code| code.parse().ok()).unwrap_or_default();
            match (code, code & 0xFF) {
                (BUSY_SNAPSHOT, _) => Error::Conflict(error.message().to_owned()),
                (_, BUSY | LOCKED) => Error::LockTimeout,
                (_, FULL) | (SHARED_MEMORY_SIZE, _) => Error::Full(error.message().to_owned()),
                (_, INTERRUPT) => Error::Timeout { what: "a statement" },
                // RAISE may build its text from the row.
                (CONSTRAINT_TRIGGER, _) => {
                    Error::Database("a trigger raised an error (its words may quote a row and are left out)".to_owned())
                }
                _ => Error::Database(error.message().to_owned()),
            }
        }
        sqlx::Error::PoolTimedOut => Error::LockTimeout,
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) => {
            Error::Database("a value is not of the type that its place demands (text that is not UTF-8, for one)".to_owned())
        }
        other => Error::Lost(other.to_string()),
    }
}

fn file_id(path: &Path) -> Result<FileId, Error> {
    let found = stat(path).map_err(|error| Error::Lost(format!("{}: {error}", path.display())))?;
    Ok(FileId { device: found.st_dev, inode: found.st_ino })
}

fn refuse_network(path: &Path) -> Result<(), Error> {
    let found = statfs(path).map_err(|error| Error::Lost(format!("{}: {error}", path.display())))?;
    // The field's width and sign differ by architecture; the numbers have 32 bits.
    let magic = found.f_type as u64 & 0xFFFF_FFFF;
    match NETWORK_FILE_SYSTEMS.iter().find(|(number, _)| *number == magic) {
        Some((_, name)) => Err(Error::Unsupported(format!(
            "{} is on a network file system ({name}), where SQLite's locks can't be relied on; keep the database on a local one",
            path.display()
        ))),
        None => Ok(()),
    }
}
