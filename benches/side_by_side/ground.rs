//! The databases that are measured: filled once, and given to each way anew as the same files.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use clap::ValueEnum;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};
use tempfile::TempDir;

use crate::support::{database::Database, mariadb, postgres, product::Kind, wait};

/// The seconds since 1970 at which the first expired row came (2010) and the first other one will (2100): whenever the
/// benchmark runs, every way means the same rows.
const EXPIRED: u64 = 1_262_304_000;
const OTHERS: u64 = 4_102_444_800;

/// How the rows lie in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// As they came: the expired ones are together.
    Time,
    /// Every block has expired rows and others.
    None,
}

impl Order {
    /// For a person.
    pub fn words(self) -> &'static str {
        match self {
            Self::Time => "in the order of time",
            Self::None => "in no order",
        }
    }
}

/// A database with the table `events`, and the files that it began with.
pub struct Ground {
    rows: u64,
    place: Place,
}

enum Place {
    Sqlite { folder: TempDir },
    Postgres { database: Database<'static>, server: &'static postgres::Server },
    Mariadb { server: mariadb::Server },
}

impl Ground {
    /// Fills the table and puts its files aside.
    pub fn prepare(kind: Kind, rows: u64, order: Order) -> Self {
        let place = match kind {
            Kind::Sqlite => Place::Sqlite { folder: tempfile::Builder::new().prefix("rtd-").tempdir().expect("a temporary folder") },
            Kind::Postgres => {
                // It is used to the end of the program, which its guard notices.
                let server: &'static _ =
                    Box::leak(Box::new(postgres::Server::private(postgres::Options { fsync: true, large: true, ..Default::default() })));
                Place::Postgres { database: Database::on(server), server }
            }
            Kind::Mariadb => {
                let server = mariadb::Server::private(mariadb::Options { fsync: true, large: true, ..Default::default() });
                server.execute("CREATE DATABASE bench; CREATE DATABASE retentiond");
                Place::Mariadb { server }
            }
        };
        let ground = Self { rows, place };
        ground.fill(order);
        ground.stop();
        copy(&ground.files(), &ground.aside());
        ground.start();
        ground
    }

    fn fill(&self, order: Order) {
        // The multiplier has no factor in common with any number of rows that people type.
        let position = match order {
            Order::Time => "i".to_owned(),
            Order::None => format!("(i * 1000003) % {}", self.rows),
        };
        let second = format!("CASE WHEN p < {0} THEN {EXPIRED} + p ELSE {OTHERS} + p - {0} END", self.rows / 2);
        let kind = self.kind();
        let time = kind.pick("integer", "timestamptz", "datetime(6)");
        let at = match kind {
            Kind::Sqlite => second,
            Kind::Postgres => format!("to_timestamp({second})"),
            Kind::Mariadb => format!("TIMESTAMP '1970-01-01 00:00:00' + INTERVAL ({second}) SECOND"),
        };
        let numbers = kind.numbers(0, self.rows - 1);
        self.execute(&format!(
            "CREATE TABLE events (id bigint PRIMARY KEY, account bigint NOT NULL, at {time} NOT NULL, payload varchar(200) NOT NULL);
             INSERT INTO events {numbers}, t (i, p) AS (SELECT i, {position} FROM n)
                 SELECT i, i % 1000, {at}, {} FROM t ORDER BY i;
             CREATE INDEX events_at ON events (at);
             {}",
            match kind {
                Kind::Sqlite => "hex(zeroblob(80))",
                Kind::Postgres | Kind::Mariadb => "repeat('0123456789abcdef', 10)",
            },
            kind.pick("ANALYZE", "VACUUM (ANALYZE) events; CHECKPOINT", "ANALYZE TABLE events"),
        ));
    }

    /// Which engine it is.
    pub fn kind(&self) -> Kind {
        match self.place {
            Place::Sqlite { .. } => Kind::Sqlite,
            Place::Postgres { .. } => Kind::Postgres,
            Place::Mariadb { .. } => Kind::Mariadb,
        }
    }

    /// The address of the database.
    pub fn url(&self) -> String {
        match &self.place {
            Place::Sqlite { .. } => format!("sqlite:{}", self.files().display()),
            Place::Postgres { database, .. } => database.url.clone(),
            Place::Mariadb { server } => server.root_url("bench"),
        }
    }

    /// The socket, for a program that takes no address.
    pub fn socket(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite { .. } => self.files(),
            Place::Postgres { server, .. } => server.socket(),
            Place::Mariadb { server } => server.socket(),
        }
    }

    /// The condition on what has expired.
    pub fn condition(&self) -> &'static str {
        self.kind().pick("at < 1577836800", "at < '2020-01-01 00:00:00+00'", "at < '2020-01-01 00:00:00'")
    }

    /// How many rows have expired.
    pub fn expired(&self) -> u64 {
        self.rows / 2
    }

    /// How many rows are there.
    pub fn remaining(&self) -> u64 {
        let text = self.scalar(&format!("SELECT CAST(count(*) AS {}) FROM events", self.kind().pick("text", "text", "char")));
        text.parse().expect("a number")
    }

    /// The database's own version.
    pub fn version(&self) -> String {
        self.scalar(self.kind().pick("SELECT sqlite_version()", "SHOW server_version", "SELECT VERSION()"))
    }

    /// The files as they were, and a server that has just started on them.
    pub fn restore(&self) {
        self.stop();
        copy(&self.aside(), &self.files());
        // What was just copied is not to be written while somebody is measured.
        rustix::fs::sync();
        self.start();
    }

    fn stop(&self) {
        match &self.place {
            Place::Sqlite { .. } => {
                for journal in ["app.db-wal", "app.db-shm"] {
                    let _ = fs::remove_file(self.files().with_file_name(journal));
                }
            }
            Place::Postgres { server, .. } => server.stop(),
            Place::Mariadb { server } => server.stop(),
        }
    }

    fn start(&self) {
        match &self.place {
            Place::Sqlite { .. } => {}
            Place::Postgres { server, .. } => server.restart(),
            Place::Mariadb { server } => server.restart(),
        }
    }

    fn files(&self) -> PathBuf {
        match &self.place {
            Place::Sqlite { folder } => folder.path().join("app.db"),
            Place::Postgres { server, .. } => server.data(),
            Place::Mariadb { server } => server.data(),
        }
    }

    fn aside(&self) -> PathBuf {
        self.files().with_file_name("aside")
    }

    /// A connection to the SQLite database that is as durable as retentiond's.
    pub async fn sqlite(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.files()).create_if_missing(true);
        let options = options.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        SqliteConnection::connect_with(&options).await.expect("a connection")
    }

    /// Runs statements as the owner.
    pub fn execute(&self, statements: &str) {
        match &self.place {
            Place::Sqlite { .. } => wait(async {
                let mut connection = self.sqlite().await;
                connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.expect("statements of ours");
                connection.close().await.expect("an orderly end");
            }),
            // One after the other, because VACUUM wants to be alone.
            Place::Postgres { database, .. } => statements.split(';').for_each(|statement| database.execute(statement)),
            Place::Mariadb { server } => server.execute(&format!("USE bench; SET sql_log_bin = 0; {statements}")),
        }
    }

    fn scalar(&self, query: &str) -> String {
        let query = AssertSqlSafe(query);
        wait(async {
            match self.kind() {
                Kind::Sqlite => sqlx::query_scalar(query).fetch_one(&mut self.sqlite().await).await,
                Kind::Postgres => {
                    let mut connection = sqlx::PgConnection::connect(&self.url()).await.expect("a connection");
                    sqlx::query_scalar(query).fetch_one(&mut connection).await
                }
                Kind::Mariadb => {
                    let mut connection = sqlx::MySqlConnection::connect(&self.url()).await.expect("a connection");
                    sqlx::query_scalar(query).fetch_one(&mut connection).await
                }
            }
        })
        .expect("a text")
    }
}

/// Makes `to` the same as `from`, which is a file or a folder, owners and all.
fn copy(from: &Path, to: &Path) {
    let done = |command: &mut Command| assert!(command.status().expect("a program of every machine's").success(), "{command:?}");
    done(Command::new("rm").arg("-rf").arg(to));
    done(Command::new("cp").arg("-a").arg(from).arg(to));
}
