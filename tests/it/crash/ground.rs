//! The ground that every accident happens on, and the judgement afterwards.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use serde_json::Value;

use crate::support::{
    binary::{Folder, Run, Running, run, start},
    database::Database,
    postgres::Server,
    sqlite::Sqlite,
};

/// The clock of every process, unless a test moves it.
pub const NOW: &str = "2026-01-01T00:00:00Z";
/// A minute later: every lease of a process that keeps [`NOW`] has run out.
pub const LATER: &str = "2026-01-01T00:01:00Z";

/// Deletes from `messages`.
pub const DELETING: &str = "m/messages";
/// Anonymises in `visits`.
pub const ANONYMISING: &str = "m/visits";

/// The held account, of which both tables have rows that are due.
pub const HELD: &str = "account:7";

const MESSAGES: u64 = 300;
const MESSAGES_DUE: u64 = 200;
const VISITS: u64 = 160;
const VISITS_DUE: u64 = 100;
/// Every so many rows have the same account.
const ACCOUNTS: u64 = 30;

/// Where the rows and where retentiond's own state are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Both on SQLite.
    Sqlite,
    /// The source on PostgreSQL.
    Postgres,
    /// Both on PostgreSQL.
    PostgresState,
}

enum Source<'s> {
    Sqlite(Sqlite),
    Postgres(Database<'s>),
}

/// A source with two tables and two rules, and a folder with the configuration.
pub struct Ground<'s> {
    folder: Folder,
    source: Source<'s>,
    _state: Option<Database<'s>>,
    before: Rows,
}

/// Every row of both tables, as text, by table and id.
type Rows = BTreeMap<(&'static str, u64), String>;

impl Ground<'static> {
    /// On the shared server, with the source's workspace made.
    pub fn new(place: Place) -> Self {
        match place {
            Place::Sqlite => Ground::on_sqlite(),
            Place::Postgres => Ground::on(Server::shared(), place, None),
            Place::PostgresState => Ground::on(Server::shared(), place, None),
        }
    }

    fn on_sqlite() -> Self {
        let database = Sqlite::create();
        Self::made(Source::Sqlite(database), None, None)
    }
}

impl<'s> Ground<'s> {
    /// On a PostgreSQL, which the daemon reaches through the loopback port if there is one.
    pub fn on(server: &'s Server, place: Place, port: Option<u16>) -> Self {
        let state = (place == Place::PostgresState).then(|| Database::on(server));
        Self::made(Source::Postgres(Database::on(server)), state, port)
    }

    fn made(source: Source<'s>, state: Option<Database<'s>>, port: Option<u16>) -> Self {
        let url = match (&source, port) {
            (Source::Sqlite(database), _) => database.url(),
            (Source::Postgres(database), None) => database.url.clone(),
            (Source::Postgres(database), Some(port)) => database.tcp_url(port),
        };
        // The type of the column says it on PostgreSQL.
        let rules = match &source {
            Source::Sqlite(_) => RULES.replace("keep_for", "start_format = \"iso8601\"\nkeep_for"),
            Source::Postgres(_) => RULES.to_owned(),
        };
        let state_url = state.as_ref().map_or_else(|| "sqlite:state.db".to_owned(), |state| state.url.clone());
        let folder = Folder::new(&config(&url, &state_url, "200ms")).with_rules("m", &rules);
        folder.write("pepper", "a pepper that is long enough");
        let mut ground = Self { folder, source, _state: state, before: Rows::new() };
        ground.execute(&ground.schema());
        ground.before = ground.rows();
        ground.run(["source", "init", "app"]).expect(0);
        ground
    }

    /// The server's limits follow this one: a transaction that idles for five times as long is ended.
    pub fn with_lock_timeout(self, timeout: &str) -> Self {
        let path = self.folder.path().join("retentiond.toml");
        let text = std::fs::read_to_string(&path).expect("the configuration");
        self.folder.write("retentiond.toml", &text.replace("lock_timeout = \"200ms\"", &format!("lock_timeout = \"{timeout}\"")));
        self
    }

    fn schema(&self) -> String {
        let sqlite = matches!(self.source, Source::Sqlite(_));
        let time = if sqlite { "text" } else { "timestamptz" };
        let series = |rows: u64| {
            if sqlite {
                format!("(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) SELECT i FROM n)")
            } else {
                format!("generate_series(1, {rows}) AS n (i)")
            }
        };
        let date = |due: u64| {
            format!("CAST(CASE WHEN i <= {due} THEN '2020-05-17 10:00:00+00:00' ELSE '2025-11-30 10:00:00+00:00' END AS {time})")
        };
        format!(
            "CREATE TABLE messages (id integer PRIMARY KEY, account integer, sent_at {time}, body text);
             CREATE TABLE visits (id integer PRIMARY KEY, account integer, seen_at {time}, email text, ip text);
             CREATE INDEX messages_sent_at ON messages (sent_at);
             INSERT INTO messages SELECT i, i % {ACCOUNTS}, {}, 'body of ' || i FROM {};
             INSERT INTO visits SELECT i, i % {ACCOUNTS}, {}, 'person' || i || '@example.com', '10.1.2.' || i FROM {};",
            date(MESSAGES_DUE),
            series(MESSAGES),
            date(VISITS_DUE),
            series(VISITS),
        )
    }

    /// Runs statements as the application.
    pub fn execute(&self, statements: &str) {
        match &self.source {
            Source::Sqlite(database) => database.execute(statements),
            Source::Postgres(database) => database.execute(statements),
        }
    }

    /// The number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        match &self.source {
            Source::Sqlite(database) => database.number(query),
            Source::Postgres(database) => database.number(query),
        }
    }

    fn column(&self, query: &str) -> Vec<String> {
        let values = match &self.source {
            Source::Sqlite(database) => database.column(query),
            Source::Postgres(database) => database.column(query),
        };
        values.into_iter().map(|value| value.expect("not NULL")).collect()
    }

    fn rows(&self) -> Rows {
        let mut rows = Rows::new();
        for (table, text) in
            [("messages", "sent_at || ' ' || body"), ("visits", "seen_at || ' ' || coalesce(email, '-') || ' ' || coalesce(ip, '-')")]
        {
            for row in self.column(&format!("SELECT id || ' ' || account || ' ' || {text} FROM {table}")) {
                let id = row.split(' ').next().and_then(|id| id.parse().ok()).expect("rows begin with their id");
                rows.insert((table, id), row);
            }
        }
        rows
    }

    /// A command with this clock, not yet run.
    pub fn command<const N: usize>(&self, now: &str, arguments: [&str; N]) -> Command {
        let mut command = self.folder.command(arguments);
        command.env("RETENTIOND_TEST_NOW", now);
        command
    }

    /// Runs a command to its end.
    pub fn run<const N: usize>(&self, arguments: [&str; N]) -> Run {
        run(&mut self.command(NOW, arguments))
    }

    /// Sweeps everything, to JSON.
    pub fn sweep(&self) -> Run {
        self.run(SWEEP)
    }

    /// Starts a sweep that stops itself at the `visit`th visit of a fault point, and waits until it has.
    #[track_caller]
    pub fn sweep_stopped_at(&self, point: &str, visit: u32) -> Running {
        self.stopped_at(&mut self.command(NOW, SWEEP), point, visit)
    }

    /// As [`Ground::sweep_stopped_at`], for any command.
    #[track_caller]
    pub fn stopped_at(&self, command: &mut Command, point: &str, visit: u32) -> Running {
        let running = start(command.env("RETENTIOND_TEST_POINT", format!("{point}:{visit}:stop")));
        assert!(running.has_stopped(), "the process ended before it came to {point} for time {visit}: {:#?}", running.finish());
        running
    }

    /// Holds [`HELD`], with this clock.
    pub fn place(&self, now: &str) -> Run {
        run(&mut self.command(now, PLACE))
    }

    /// A file of this name in the ground's folder.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Rows of the held account that are not what they were.
    pub fn changed_held_rows(&self) -> Vec<String> {
        let after = self.rows();
        let held = |id: u64| id % ACCOUNTS == 7;
        self.before.iter().filter(|(key, row)| held(key.1) && after.get(key) != Some(row)).map(|(_, row)| row.clone()).collect()
    }

    /// What the rows that are not due, or are held, must be in the end; and who must be gone or another.
    fn must_change(key: &(&str, u64), held: bool) -> bool {
        let (table, id) = *key;
        let due = if table == "messages" { id <= MESSAGES_DUE } else { id <= VISITS_DUE };
        due && !(held && id % ACCOUNTS == 7)
    }

    /// The laws, of a ground whose sweeps have all been told to have ended: what is done is in the ledger, whether or
    /// not it was all that was due.
    #[track_caller]
    pub fn judge_ledger(&self) {
        let verified = self.run(["ledger", "verify", "--output", "json"]).expect(0).json();
        assert_eq!(verified["sound"], true, "{verified:#}");
        assert_eq!(verified["open"], Value::Array(Vec::new()), "a batch's outcome is still unknown: {verified:#}");
        assert_eq!(verified["anchored"][0], "app", "{verified:#}");
        let after = self.rows();
        for (rule, table) in [(DELETING, "messages"), (ANONYMISING, "visits")] {
            let changed = self.before.iter().filter(|(key, row)| key.0 == table && after.get(key) != Some(row)).count();
            let applied = self.entries("batch_applied");
            let entered: u64 = applied
                .iter()
                .filter(|entry| entry["rows"].is_u64() && entry["rule"] == rule)
                .map(|entry| entry["rows"].as_u64().unwrap_or(0))
                .sum();
            assert_eq!(entered, changed as u64, "rows that the ledger says and rows that changed, for {rule}: {applied:#?}");
        }
    }

    /// Ledger entries of a kind, in order.
    pub fn entries(&self, kind: &str) -> Vec<Value> {
        let mut entries = self.run(["ledger", "export"]).expect(0).json_lines();
        entries.retain(|entry| entry["kind"] == kind);
        entries
    }

    /// All the laws, of a ground whose last sweep has succeeded: exactly what was due and not held is gone or another,
    /// the ledger says so, and nothing is left to do.
    #[track_caller]
    pub fn judge(&self, held: bool) {
        let after = self.rows();
        for (key, row) in &self.before {
            let now = after.get(key);
            if !Self::must_change(key, held) {
                assert_eq!(now, Some(row), "a row changed that must not");
            } else if key.0 == "messages" {
                assert_eq!(now, None, "a row stayed that was due");
            } else {
                let now = now.expect("anonymised rows stay");
                assert!(!now.contains('@') && now.ends_with(" -"), "a row stayed as it was that was due: {now}");
            }
        }
        assert!(after.keys().all(|key| self.before.contains_key(key)));
        self.judge_ledger();
        for rule in outcomes(&self.sweep().expect(0)) {
            assert_eq!((rule.acted, rule.outcome.as_str()), (0, "nothing_due"), "a second sweep found something: {rule:?}");
        }
    }

    /// Sweeps once more, as an operator would, which must succeed at once; then [`Ground::judge`].
    #[track_caller]
    pub fn settle_and_judge(&self, held: bool) {
        self.sweep().expect(0);
        self.judge(held);
    }
}

/// What a sweep said of one rule.
#[derive(Debug, Clone)]
pub struct Swept {
    pub rule: String,
    pub acted: u64,
    pub outcome: String,
    pub reason: Option<String>,
    pub message: String,
}

/// What a sweep said of each rule.
pub fn outcomes(run: &Run) -> Vec<Swept> {
    let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
    let swept = |rule: &Value| Swept {
        rule: text(&rule["rule"]).expect("a name"),
        acted: rule["acted"].as_u64().expect("a number"),
        outcome: text(&rule["outcome"]).expect("an outcome"),
        reason: text(&rule["reason"]),
        message: text(&rule["message"]).unwrap_or_default(),
    };
    run.json()["rules"].as_array().expect("rules").iter().map(swept).collect()
}

/// What a sweep said of the rule that deletes.
pub fn deleting(run: &Run) -> Swept {
    outcomes(run).into_iter().find(|swept| swept.rule == DELETING).expect("the rule that deletes")
}

/// A sweep of everything.
pub const SWEEP: [&str; 3] = ["sweep", "--output", "json"];

/// A hold on [`HELD`].
pub const PLACE: [&str; 10] = ["hold", "place", "--matter", "Case 17", "--subject", HELD, "--reason", "litigation", "--by", "R. Counsel"];

const RULES: &str = r#"
[policy]
id = "m"
title = "Messages and visits"

[[rule]]
id = "messages"
category = "messages"
source = "app"
table = "messages"
subject = { account = "account" }
start = "sent_at"
keep_for = "1 year"
action = "delete"

[[rule]]
id = "visits"
category = "visits"
source = "app"
table = "visits"
subject = { account = "account" }
start = "seen_at"
keep_for = "2 years"
action = "anonymise"
anonymise = { email = { strategy = "hmac", key = "pepper" }, ip = "null" }
"#;

fn config(source: &str, state: &str, lock_timeout: &str) -> String {
    format!(
        r#"
rules = ["rules/*.toml"]
state.url = "{state}"
keys.pepper.file = "pepper"

[sources.app]
url = "{source}"
naive_timestamps = "UTC"

[sources.app.limits]
max_batch_rows = 20
lock_timeout = "{lock_timeout}"
pace = "fast"

[defaults]
first_sweep = "auto"
max_share = 1.0
"#
    )
}
