//! The product as its users have it: a folder with a configuration, a source and a state on some engine, the binary.

use std::{
    ffi::OsStr,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use super::{
    binary::{self, Folder, Run, Running},
    database::Database,
    mariadb,
    server::ROLE,
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

    /// Those that are servers.
    pub const SERVERS: [Self; 2] = [Self::Postgres, Self::Mariadb];

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
    /// An empty database, on the shared server of its kind.
    pub fn create(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(Sqlite::create()),
            Kind::Postgres => Self::Postgres(Database::create()),
            Kind::Mariadb => Self::Mariadb(mariadb::Database::create()),
        }
    }

    /// What it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Sqlite(_) => Kind::Sqlite,
            Self::Postgres(_) => Kind::Postgres,
            Self::Mariadb(_) => Kind::Mariadb,
        }
    }

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

    /// The address as a configuration has it: that of a role which has what it is granted, and no more.
    pub fn url(&self) -> String {
        match self {
            Self::Sqlite(database) => database.url(),
            Self::Postgres(database) => database.retentiond_url.clone(),
            Self::Mariadb(database) => database.retentiond_url.clone(),
        }
    }

    /// The owner's address.
    pub fn owner_url(&self) -> String {
        match self {
            Self::Sqlite(database) => database.url(),
            Self::Postgres(database) => database.url.clone(),
            Self::Mariadb(database) => database.url.clone(),
        }
    }

    /// The role of [`Data::url`].
    pub fn role(&self) -> String {
        match self {
            Self::Sqlite(_) => String::new(),
            Self::Postgres(_) => ROLE.to_owned(),
            Self::Mariadb(database) => database.role().to_owned(),
        }
    }

    /// Whether there may be tables that there were not at the last question.
    fn has_grown(&self) -> bool {
        match self {
            Self::Sqlite(_) => false,
            Self::Postgres(database) => database.has_grown(),
            Self::Mariadb(database) => database.has_grown(),
        }
    }

    /// The same through a port of the loopback device, as of a proxy.
    pub fn tcp_url(&self, port: u16) -> String {
        match self {
            Self::Sqlite(_) => panic!("SQLite has no server"),
            Self::Postgres(database) => database.retentiond_tcp_url(port),
            Self::Mariadb(database) => database.retentiond_tcp_url(port),
        }
    }

    /// One of retentiond's own tables, as statements name it.
    pub fn own_table(&self, name: &str) -> String {
        match self {
            Self::Sqlite(_) => format!("retentiond_{name}"),
            Self::Postgres(_) => format!("retentiond.{name}"),
            Self::Mariadb(database) => format!("{}.{name}", database.workspace()),
        }
    }

    /// How many sessions wait for a lock of a row or a table.
    pub fn waiting(&self) -> i64 {
        match self {
            Self::Sqlite(_) => panic!("SQLite does not tell"),
            Self::Postgres(database) => {
                database.number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
            }
            Self::Mariadb(database) => database.waiting(),
        }
    }

    /// Ends every session but this one as a DBA does, and returns when they have ended. Returns how many there were.
    pub fn end_sessions(&self) -> usize {
        match self {
            Self::Sqlite(_) => panic!("SQLite has no sessions"),
            Self::Postgres(database) => {
                let sessions = "SELECT pg_terminate_backend(pid, 10000)::text FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'retentiond'";
                database.column(sessions).len()
            }
            Self::Mariadb(database) => {
                let sessions = "SELECT CAST(id AS char) FROM information_schema.processlist
                    WHERE db = database() AND id <> connection_id() AND command <> 'Killed'";
                let ids = database.column(sessions).into_iter().flatten().collect::<Vec<_>>();
                ids.iter().for_each(|id| database.execute(&format!("KILL {id}")));
                super::until("sessions that end", || {
                    let left = database.column(&sessions.replace(" AND command <> 'Killed'", "")).into_iter().flatten();
                    (!left.into_iter().any(|id| ids.contains(&id))).then_some(())
                });
                ids.len()
            }
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

/// The configuration with which a DBA asks `grants`: an account on MariaDB that has nothing yet can't even connect.
pub const DBA: &str = "dba.toml";

/// Who grants the role of a source what it needs.
enum Grants {
    /// This support, whatever `grants` prints, before each command once the source has a workspace.
    AsPrinted { initialised: AtomicBool, stale: AtomicBool },
    /// The test.
    ByHand,
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
    /// The keys of the address of `app`, where it is another.
    address: Option<String>,
    /// The keys of the state's address, where it is not a file beside the configuration.
    state_address: Option<String>,
    state: Option<Database<'static>>,
    /// The role of `app` has what `grants` prints, as long as the rules and tables stay. A test that grants by hand gets
    /// nothing besides.
    grants: Grants,
    /// The instant at which the clock stands still; `None`: the system's clock.
    now: Option<String>,
}

impl Product {
    /// A source of that kind and a SQLite state. `rest` is TOML that may begin with keys of `[sources.app]`, and goes on
    /// with tables of its own.
    pub fn new(kind: Kind, rest: &str) -> Self {
        Self::over(Data::create(kind), rest)
    }

    /// The same with a source that is there already.
    pub fn over(data: Data, rest: &str) -> Self {
        let kind = data.kind();
        let product = Self {
            folder: Folder::new(""),
            data,
            kind,
            rest: rest.to_owned(),
            app: String::new(),
            address: None,
            state_address: None,
            state: None,
            grants: Grants::AsPrinted { initialised: AtomicBool::new(false), stale: AtomicBool::new(true) },
            now: None,
        };
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
        self.state_address = self.state.as_ref().map(|database| format!("url = \"{}\"", database.url));
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
        self.connect_as(&format!("url = \"{url}\""));
    }

    /// Connects to `app` as these keys say.
    pub fn connect_as(&mut self, keys: &str) {
        self.address = Some(keys.to_owned());
        self.configure();
    }

    /// Keeps the state as these keys say.
    pub fn keep_state_as(&mut self, keys: &str) {
        self.state_address = Some(keys.to_owned());
        self.configure();
    }

    fn configure(&self) {
        let state = self.state_address.clone().unwrap_or_else(|| "url = \"sqlite:state.db\"".to_owned());
        let url = |url: &str| format!("url = \"{url}\"");
        let address = self.address.clone().unwrap_or_else(|| url(&self.data.url()));
        let (Self { app, rest, .. }, workspace) = (self, self.data.workspace());
        let text = |address: &str| {
            format!(
                "rules = [\"rules/**/*.toml\"]\n[state]\n{state}\n[sources.app]\n{address}\nnaive_timestamps = \"UTC\"\n{workspace}{app}\n{rest}\n"
            )
        };
        self.folder.write("retentiond.toml", &text(&address));
        self.folder.write(DBA, &text(&url(&self.data.owner_url())));
    }

    /// Writes `rules/NAME.toml`.
    pub fn rules(&self, name: &str, text: &str) {
        self.folder.write(&format!("rules/{name}.toml"), text);
        if let Grants::AsPrinted { stale, .. } = &self.grants {
            stale.store(true, Ordering::Relaxed);
        }
    }

    /// `source init app`, after a DBA has run what `grants` prints.
    #[track_caller]
    pub fn init(&self) {
        if let Grants::AsPrinted { initialised, .. } = &self.grants {
            initialised.store(true, Ordering::Relaxed);
        }
        self.run(["source", "init", "app"]).expect(0);
    }

    /// Lets the test alone grant what the role gets from now on.
    pub fn grant_by_hand(&mut self) {
        self.grants = Grants::ByHand;
    }

    /// Runs what `grants` prints as the DBA, if it may be something else than the last time.
    fn grant(&self) {
        let Grants::AsPrinted { initialised, stale } = &self.grants else { return };
        if !initialised.load(Ordering::Relaxed) || self.kind == Kind::Sqlite {
            return;
        }
        let is_stale = stale.swap(false, Ordering::Relaxed);
        if !(self.data.has_grown() || is_stale) {
            return;
        }
        // Rules that are wrong on purpose are the next command's to tell.
        let printed = binary::run(&mut self.plain_command(["grants", "app", "--config", DBA, "--role", &self.data.role()]));
        if printed.status == Some(0) {
            self.data.execute(&printed.stdout);
            self.data.has_grown();
        }
    }

    /// The command line with these arguments, not yet run.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        self.grant();
        self.plain_command(arguments)
    }

    fn plain_command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
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
