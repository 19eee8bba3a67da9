//! A PostgreSQL database for each test, dropped with it.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, postgres::PgPoolOptions};

use super::{
    postgres::{PASSWORD, ROLE, Server},
    wait,
};

/// A database of its own on a server.
pub struct Database<'s> {
    server: &'s Server,
    name: String,
    /// Something was executed that may have made tables since the last [`Database::has_grown`].
    grown: AtomicBool,
    /// It was made on another server, of which this one is a replica, and goes with that.
    replicated: bool,
    /// The superuser's address: the application that owns the data, and the DBA.
    pub url: String,
    /// The address of the role `retentiond`, which has no privilege but to log in.
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
        let name = unused_name();
        let statement = format!("CREATE DATABASE {name}");
        wait(async {
            let mut connection = administrator(server).await;
            // Roles belong to the server, and several processes may want it first: so may what is granted to it in the whole server.
            let role = format!(
                "DO $$ BEGIN CREATE ROLE {ROLE} LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_stats TO {ROLE};
                 EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
            );
            connection.execute(AssertSqlSafe(role)).await.expect("the role retentiond");
            connection.execute(AssertSqlSafe(statement)).await.expect("a database");
            connection.close().await.expect("an orderly end");
        });
        let (url, retentiond_url) = (server.superuser_url(&name), server.url(ROLE, &name));
        Self { server, replicated: false, name, grown: AtomicBool::new(true), url, retentiond_url }
    }

    /// The same database on a replica of its server.
    pub fn on_replica<'r>(&self, replica: &'r Server) -> Database<'r> {
        let name = self.name.clone();
        let (url, retentiond_url) = (replica.superuser_url(&name), replica.url(ROLE, &name));
        Database { server: replica, replicated: true, name, grown: AtomicBool::new(true), url, retentiond_url }
    }

    /// The name of the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The server it is on.
    pub fn server(&self) -> &'s Server {
        self.server
    }

    /// The superuser's address through a loopback port, as of a proxy.
    pub fn tcp_url(&self, port: u16) -> String {
        Server::tcp_url("postgres", &self.name, port)
    }

    /// The address of retentiond's role through a loopback port.
    pub fn retentiond_tcp_url(&self, port: u16) -> String {
        Server::tcp_url(ROLE, &self.name, port)
    }

    /// Whether there may be tables that there were not at the last question.
    pub fn has_grown(&self) -> bool {
        self.grown.swap(false, Ordering::Relaxed)
    }

    /// Runs statements (several at once are fine) as the superuser.
    pub fn execute(&self, statements: &str) {
        self.grown.fetch_or(statements.contains("CREATE") || statements.contains("ALTER"), Ordering::Relaxed);
        wait(async {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.unwrap_or_else(|error| panic!("{error} in: {statements}"));
            connection.close().await.expect("an orderly end");
        });
    }

    /// The rows of a query as the superuser, each as the text of its first column (cast to `text` in the query).
    pub fn column(&self, query: &str) -> Vec<Option<String>> {
        self.columns(&[query.to_owned()]).remove(0)
    }

    /// The same of several queries, by one connection.
    pub fn columns(&self, queries: &[String]) -> Vec<Vec<Option<String>>> {
        wait(async {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            let mut columns = Vec::new();
            for query in queries {
                let rows = sqlx::query_scalar(AssertSqlSafe(query.as_str())).fetch_all(&mut connection).await;
                columns.push(rows.unwrap_or_else(|error| panic!("{error} in: {query}")));
            }
            connection.close().await.expect("an orderly end");
            columns
        })
    }

    /// The number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        wait(async {
            let mut connection = PgConnection::connect(&self.url).await.expect("a connection");
            let number = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await;
            connection.close().await.expect("an orderly end");
            number.unwrap_or_else(|error| panic!("{error} in: {query}"))
        })
    }

    /// A pool of the superuser, for tests that are asynchronous themselves.
    pub async fn pool(&self) -> PgPool {
        PgPoolOptions::new().max_connections(8).connect(&self.url).await.expect("a connection")
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if self.replicated {
            return;
        }
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", self.name);
        // A test may have killed the server for good; then there is nothing left to drop.
        wait(async {
            if let Ok(mut connection) = PgConnection::connect(&self.server.superuser_url("postgres")).await {
                let _ = connection.execute(AssertSqlSafe(statement)).await;
            }
        });
    }
}

async fn administrator(server: &Server) -> PgConnection {
    let url = server.superuser_url("postgres");
    PgConnection::connect(&url).await.unwrap_or_else(|error| panic!("no PostgreSQL at {}: {error}", server.socket().display()))
}

/// Processes share a server, so the name carries the process.
fn unused_name() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("test_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}
