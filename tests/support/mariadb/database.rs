//! A MariaDB database for each test, dropped with it, and beside it the one that is to be its workspace.

use std::{
    str::FromStr as _,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
};

use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, MySqlPool, Row as _,
    mysql::{MySqlConnectOptions, MySqlPoolOptions},
};

use super::Server;
use crate::support::{
    server::{PASSWORD, ROLE},
    wait,
};

/// How the tests' own sessions read SQL: names in double quotes, backslashes as they are, `||` joins. So one text often
/// serves every engine. What the server makes of values stays as strict as it is by default, and no stricter.
pub const SQL_MODE: &str = "SET sql_mode = CONCAT(@@sql_mode, ',ANSI_QUOTES,NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT')";

/// A database of its own on a server.
pub struct Database<'s> {
    server: &'s Server,
    name: String,
    /// It was made on another server, of which this one is a replica, and goes with that.
    replicated: bool,
    workspace: String,
    role: String,
    /// Something was executed that may have made tables since the last [`Database::has_grown`].
    grown: AtomicBool,
    /// Root's address: the application that owns the data, and the DBA.
    pub url: String,
    /// The address of an account for retentiond, which has no privilege but to log in.
    pub retentiond_url: String,
}

impl Database<'static> {
    /// An empty database on the shared server.
    pub fn create() -> Self {
        Self::on(Server::shared())
    }
}

impl<'s> Database<'s> {
    /// An empty database on `server`.
    pub fn on(server: &'s Server) -> Self {
        let number = unused_number();
        let [name, workspace, role] = ["test", "ws", ROLE].map(|prefix| format!("{prefix}_{number}"));
        server.execute(&format!("CREATE DATABASE {name}; CREATE USER {role} IDENTIFIED BY '{PASSWORD}'"));
        let (url, retentiond_url) = (server.root_url(&name), server.url(&role, &name));
        Self { server, replicated: false, name, workspace, role, grown: AtomicBool::new(true), url, retentiond_url }
    }

    /// The same database on a replica of its server.
    pub fn on_replica<'r>(&self, replica: &'r Server) -> Database<'r> {
        let Self { name, workspace, role, .. } = self;
        let (url, retentiond_url) = (replica.root_url(name), replica.url(role, name));
        Database {
            server: replica,
            replicated: true,
            name: name.clone(),
            workspace: workspace.clone(),
            role: role.clone(),
            grown: AtomicBool::new(true),
            url,
            retentiond_url,
        }
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The database that `source init` is to make: on one server, each source has one of its own.
    pub fn workspace(&self) -> &str {
        &self.workspace
    }

    /// The account for retentiond, which is this database's alone: privileges on the whole server are nobody else's then.
    pub fn role(&self) -> &str {
        &self.role
    }

    /// The server it is on.
    pub fn server(&self) -> &'s Server {
        self.server
    }

    /// Root's address through a loopback port, as of a proxy.
    pub fn tcp_url(&self, port: u16) -> String {
        Server::tcp_url("root", &self.name, port)
    }

    /// The address of retentiond's role through a loopback port.
    pub fn retentiond_tcp_url(&self, port: u16) -> String {
        Server::tcp_url(&self.role, &self.name, port)
    }

    /// Whether there may be tables that there were not at the last question.
    pub fn has_grown(&self) -> bool {
        self.grown.swap(false, Ordering::Relaxed)
    }

    /// A connection of root's, for tests that hold a transaction open.
    pub async fn connect(&self) -> MySqlConnection {
        let mut connection = MySqlConnection::connect_with(&self.options()).await.expect("a connection");
        connection.execute(SQL_MODE).await.expect("a mode");
        connection
    }

    /// Runs statements (several at once are fine) as root.
    pub fn execute(&self, statements: &str) {
        self.grown.fetch_or(statements.contains("CREATE") || statements.contains("ALTER"), Ordering::Relaxed);
        wait(async {
            let mut connection = self.connect().await;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.unwrap_or_else(|error| panic!("{error} in: {statements}"));
            connection.close().await.expect("an orderly end");
        });
    }

    /// The rows of a query as root, each as the text of its first column (cast to `char` in the query).
    pub fn column(&self, query: &str) -> Vec<Option<String>> {
        self.columns(&[query.to_owned()]).remove(0)
    }

    /// The same of several queries, by one connection.
    pub fn columns(&self, queries: &[String]) -> Vec<Vec<Option<String>>> {
        wait(async {
            let mut connection = self.connect().await;
            let mut columns = Vec::new();
            for query in queries {
                let rows = sqlx::query_scalar(AssertSqlSafe(query.as_str())).fetch_all(&mut connection).await;
                columns.push(rows.unwrap_or_else(|error| panic!("{error} in: {query}")));
            }
            connection.close().await.expect("an orderly end");
            columns
        })
    }

    /// How many sessions on this database wait for somebody else's lock, of a table or of a row. InnoDB's table of
    /// transactions is a copy that is not renewed for as long as anybody reads it more often than ten times a second, so its
    /// monitor is asked.
    pub fn waiting(&self) -> i64 {
        wait(async {
            let mut connection = self.connect().await;
            let ours =
                "SELECT CAST(id AS char), CAST(coalesce(state, '') AS char) FROM information_schema.processlist WHERE db = database()";
            let sessions: Vec<(String, String)> = sqlx::query_as(ours).fetch_all(&mut connection).await.expect("a list of sessions");
            let status = connection.fetch_one("SHOW ENGINE INNODB STATUS").await.expect("a monitor");
            connection.close().await.expect("an orderly end");
            let monitor: String = status.try_get("Status").expect("a text");
            let for_rows: Vec<&str> = monitor.split("---TRANSACTION").filter(|transaction| transaction.contains("LOCK WAIT")).collect();
            let waits = |(id, state): &&(String, String)| {
                let is_theirs = |transaction: &&str| transaction.contains(&format!("MariaDB thread id {id},"));
                state.starts_with("Waiting for") || for_rows.iter().any(is_theirs)
            };
            i64::try_from(sessions.iter().filter(waits).count()).expect("a few")
        })
    }

    /// The number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        wait(async {
            let mut connection = self.connect().await;
            let number = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await;
            connection.close().await.expect("an orderly end");
            number.unwrap_or_else(|error| panic!("{error} in: {query}"))
        })
    }

    /// A pool of root's, for tests that are asynchronous themselves.
    pub async fn pool(&self) -> MySqlPool {
        let options = MySqlPoolOptions::new().max_connections(8);
        let options = options.after_connect(|connection, _| Box::pin(async { connection.execute(SQL_MODE).await.map(|_| ()) }));
        options.connect_with(self.options()).await.expect("a connection")
    }

    fn options(&self) -> MySqlConnectOptions {
        MySqlConnectOptions::from_str(&self.url).expect("an address")
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if self.replicated {
            return;
        }
        let Self { name, workspace, role, .. } = self;
        // What is left of a test's sessions must not keep its tables locked.
        let sessions = format!("SELECT id FROM information_schema.processlist WHERE db IN ('{name}', '{workspace}') OR user = '{role}'");
        // A test may have killed the server for good; then there is nothing left to drop.
        wait(async {
            let Ok(mut connection) = MySqlConnection::connect(&self.server.root_url("")).await else { return };
            let sessions: Vec<u64> = sqlx::query_scalar(AssertSqlSafe(sessions)).fetch_all(&mut connection).await.unwrap_or_default();
            for session in sessions {
                let _ = connection.execute(AssertSqlSafe(format!("KILL {session}"))).await;
            }
            for what in [format!("DATABASE IF EXISTS {name}"), format!("DATABASE IF EXISTS {workspace}"), format!("USER IF EXISTS {role}")]
            {
                let _ = connection.execute(AssertSqlSafe(format!("DROP {what}"))).await;
            }
        });
    }
}

/// Processes share a server, so the number carries the process.
fn unused_number() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
