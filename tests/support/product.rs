//! The product as its users have it: a folder with a configuration, a source and a state on some engine, the binary.

use std::{ffi::OsStr, process::Command};

use super::{
    binary::{self, Folder, Run, Running},
    database::Database,
    mariadb,
    sqlite::Sqlite,
};

/// Which database stands where a test needs one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Sqlite,
    Postgres,
    Mariadb,
}

impl Kind {
    /// Every kind of source, for tests that hold on any.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mariadb];

    /// The text that belongs to this engine.
    pub fn pick<'a>(self, sqlite: &'a str, postgres: &'a str, mariadb: &'a str) -> &'a str {
        match self {
            Self::Sqlite => sqlite,
            Self::Postgres => postgres,
            Self::Mariadb => mariadb,
        }
    }

    /// `WITH n (i) AS (…)`: the numbers from the first to the last, for the SELECT of an INSERT.
    pub fn numbers(self, first: u64, last: u64) -> String {
        match self {
            Self::Sqlite => format!("WITH RECURSIVE n (i) AS (SELECT {first} UNION ALL SELECT i + 1 FROM n WHERE i < {last})"),
            Self::Postgres => format!("WITH n (i) AS (SELECT generate_series({first}::bigint, {last}))"),
            Self::Mariadb => format!("WITH n (i) AS (SELECT seq FROM seq_{first}_to_{last})"),
        }
    }
}

/// The application's database, with the application's own connection.
pub enum Data {
    Sqlite(Sqlite),
    Postgres(Database<'static>),
    Mariadb(mariadb::Database<'static>),
}

impl Data {
    /// Runs statements as the application.
    pub fn execute(&self, statements: &str) {
        match self {
            Self::Sqlite(database) => database.execute(statements),
            Self::Postgres(database) => database.execute(statements),
            Self::Mariadb(database) => database.execute(statements),
        }
    }

    /// The number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        match self {
            Self::Sqlite(database) => database.number(query),
            Self::Postgres(database) => database.number(query),
            Self::Mariadb(database) => database.number(query),
        }
    }

    /// The first column of a query as text (cast to `text` in the query); NULL is a dash.
    pub fn column(&self, query: &str) -> Vec<String> {
        self.columns(&[query.to_owned()]).remove(0)
    }

    /// The same of several queries, by one connection.
    pub fn columns(&self, queries: &[String]) -> Vec<Vec<String>> {
        let columns = match self {
            Self::Sqlite(database) => database.columns(queries),
            Self::Postgres(database) => database.columns(queries),
            Self::Mariadb(database) => {
                // A cast to `text` is one to `char` there.
                let queries = queries.iter().map(|query| query.replace(" AS text)", " AS char)")).collect::<Vec<_>>();
                database.columns(&queries)
            }
        };
        let text = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        columns.into_iter().map(|column| column.into_iter().map(text).collect()).collect()
    }

    /// The address as a configuration has it: the owner's.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(database) => database.url(),
            Self::Postgres(database) => database.url.clone(),
            Self::Mariadb(database) => database.url.clone(),
        }
    }

    /// What a configuration says of the workspace. The databases of a MariaDB share the server's names, and so each has
    /// one of its own.
    pub fn workspace(&self) -> String {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => String::new(),
            Self::Mariadb(database) => format!("workspace = \"{}\"\n", database.workspace()),
        }
    }
}

/// A configured retentiond.
pub struct Product {
    pub folder: Folder,
    /// The source `app`.
    pub data: Data,
    pub kind: Kind,
    /// What `retentiond.toml` says after the sources.
    rest: String,
    /// What it says of `app`, beside the address.
    app: String,
    /// The address of `app`, where it is not the owner's.
    url: Option<String>,
    state: Option<Database<'static>>,
    /// The instant at which the clock stands still; `None`: the system's clock.
    now: Option<String>,
}

impl Product {
    /// A source of that kind and a SQLite state. `rest` is TOML that may begin with keys of `[sources.app]`, and goes on
    /// with tables of its own.
    pub fn new(kind: Kind, rest: &str) -> Self {
        let data = match kind {
            Kind::Sqlite => Data::Sqlite(Sqlite::create()),
            Kind::Postgres => Data::Postgres(Database::create()),
            Kind::Mariadb => Data::Mariadb(mariadb::Database::create()),
        };
        Self::over(data, rest)
    }

    /// The same with a source that is there already.
    pub fn over(data: Data, rest: &str) -> Self {
        let kind = match data {
            Data::Sqlite(_) => Kind::Sqlite,
            Data::Postgres(_) => Kind::Postgres,
            Data::Mariadb(_) => Kind::Mariadb,
        };
        let product =
            Self { folder: Folder::new(""), data, kind, rest: rest.to_owned(), app: String::new(), url: None, state: None, now: None };
        product.configure();
        product
    }

    /// With a state of that kind.
    ///
    /// # Panics
    /// If it is MariaDB.
    pub fn with_state(mut self, kind: Kind) -> Self {
        assert!(kind != Kind::Mariadb, "retentiond keeps its own state on SQLite or PostgreSQL");
        self.state = (kind == Kind::Postgres).then(Database::create);
        self.configure();
        self
    }

    /// With a clock that stands still.
    pub fn at(mut self, now: &str) -> Self {
        self.now = Some(now.to_owned());
        self
    }

    /// Moves the clock.
    pub fn set_now(&mut self, now: &str) {
        self.now = Some(now.to_owned());
    }

    /// Lets the clock run.
    pub fn set_real_time(&mut self) {
        self.now = None;
    }

    /// Says something else after the sources, or more of `app`.
    pub fn reconfigure(&mut self, app: &str, rest: &str) {
        (self.app, self.rest) = (app.to_owned(), rest.to_owned());
        self.configure();
    }

    /// Connects to `app` by another address.
    pub fn connect_by(&mut self, url: &str) {
        self.url = Some(url.to_owned());
        self.configure();
    }

    fn configure(&self) {
        let state = self.state.as_ref().map_or_else(|| "sqlite:state.db".to_owned(), |database| database.url.clone());
        let url = self.url.clone().unwrap_or_else(|| self.data.url());
        let (Self { app, rest, .. }, workspace) = (self, self.data.workspace());
        let text = format!(
            "rules = [\"rules/**/*.toml\"]\n[state]\nurl = \"{state}\"\n[sources.app]\nurl = \"{url}\"\nnaive_timestamps = \"UTC\"\n{workspace}{app}\n{rest}\n"
        );
        self.folder.write("retentiond.toml", &text);
    }

    /// Writes `rules/NAME.toml`.
    pub fn rules(&self, name: &str, text: &str) {
        self.folder.write(&format!("rules/{name}.toml"), text);
    }

    /// `source init app`.
    #[track_caller]
    pub fn init(&self) {
        self.run(["source", "init", "app"]).expect(0);
    }

    /// The command line with these arguments, not yet run.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = self.folder.command(arguments);
        if let Some(now) = &self.now {
            command.env("RETENTIOND_TEST_NOW", now);
        }
        command
    }

    /// Runs the binary to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        binary::run(&mut self.command(arguments))
    }

    /// Runs a command line without quotes in it.
    pub fn cli(&self, line: &str) -> Run {
        self.run(line.split_whitespace())
    }

    /// Starts the binary and leaves it running.
    pub fn start<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        binary::start(&mut self.command(arguments))
    }

    /// Places a hold on subjects; the rest as a person would.
    pub fn hold(&self, subjects: &[&str]) -> Run {
        let subjects = subjects.iter().flat_map(|subject| ["--subject", subject]);
        self.run(["hold", "place", "--output", "json", "--matter", "m", "--reason", "r", "--by", "b"].into_iter().chain(subjects))
    }
}
