//! The ground that every accident happens on, and the judgement afterwards.

use std::{collections::BTreeMap, fs, path::PathBuf, process::Command};

use serde_json::Value;

use crate::support::{
    binary::{Folder, Run, Running, run, start},
    database::Database,
    host::Host,
    product::{DBA, Data, Kind},
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
    /// The source, and the state on SQLite.
    On(Kind),
    /// Both on PostgreSQL.
    PostgresState,
}

impl Place {
    /// A source of every kind.
    pub const ALL: [Self; 3] = [Self::On(Kind::Sqlite), Self::On(Kind::Postgres), Self::On(Kind::Mariadb)];

    /// The kind of the source.
    pub fn kind(self) -> Kind {
        match self {
            Self::On(kind) => kind,
            Self::PostgresState => Kind::Postgres,
        }
    }
}

/// A source with two tables and two rules, and a folder with the configuration.
pub struct Ground {
    folder: Folder,
    /// The source.
    pub data: Data,
    _state: Option<Database<'static>>,
    before: Rows,
}

/// Every row of both tables, as text, by table and id.
type Rows = BTreeMap<(&'static str, u64), String>;

impl Ground {
    /// With the source's workspace made; servers are the shared ones.
    pub fn new(place: Place) -> Self {
        let state = (place == Place::PostgresState).then(Database::create);
        Self::made(Data::create(place.kind()), state, None)
    }

    /// On a server, which the program reaches through the loopback port if there is one.
    pub fn on(host: Host, port: Option<u16>) -> Self {
        Self::made(host.database(), None, port)
    }

    fn made(data: Data, state: Option<Database<'static>>, port: Option<u16>) -> Self {
        let url = port.map_or_else(|| data.url(), |port| data.tcp_url(port));
        // The type of the column says it on the servers.
        let rules = match data.kind() {
            Kind::Sqlite => RULES.replace("keep_for", "start_format = \"iso8601\"\nkeep_for"),
            Kind::Postgres | Kind::Mariadb => RULES.to_owned(),
        };
        let state_url = state.as_ref().map_or_else(|| "sqlite:state.db".to_owned(), |state| state.url.clone());
        let config = |url: &str| config(url, &data.workspace(), &state_url, "200ms");
        let folder = Folder::new(&config(&url)).with_rules("m", &rules);
        folder.write("pepper", "a pepper that is long enough");
        folder.write(DBA, &config(&data.owner_url()));
        let mut ground = Self { folder, data, _state: state, before: Rows::new() };
        ground.execute(&schema(ground.data.kind()));
        ground.before = ground.rows();
        ground.grant();
        ground.run(["source", "init", "app"]).expect(0);
        ground
    }

    /// The DBA runs what `grants` prints: the role that meets the accidents has that and nothing else.
    fn grant(&self) {
        if self.data.kind() != Kind::Sqlite {
            let role = self.data.role();
            let printed = run(&mut self.command(NOW, ["grants", "app", "--config", DBA, "--role", &role])).expect(0);
            self.execute(&printed.stdout);
        }
    }

    /// The server's limits follow this one: a transaction that idles for five times as long is ended.
    pub fn with_lock_timeout(self, timeout: &str) -> Self {
        self.reconfigure("lock_timeout = \"200ms\"", &format!("lock_timeout = \"{timeout}\""));
        self
    }

    /// Says `to` in the configuration where it says `from`.
    #[track_caller]
    pub fn reconfigure(&self, from: &str, to: &str) {
        let path = self.folder.path().join("retentiond.toml");
        let text = fs::read_to_string(&path).expect("the configuration");
        assert!(text.contains(from), "{from} is not in {text}");
        self.folder.write("retentiond.toml", &text.replace(from, to));
    }

    /// Runs statements as the application.
    pub fn execute(&self, statements: &str) {
        self.data.execute(statements);
    }

    /// The number that a query gives.
    pub fn number(&self, query: &str) -> i64 {
        self.data.number(query)
    }

    /// The epoch of the source's gate.
    pub fn epoch(&self) -> i64 {
        self.number(&format!("SELECT epoch FROM {}", self.data.own_table("gate")))
    }

    fn rows(&self) -> Rows {
        let mut rows = Rows::new();
        for (table, text) in
            [("messages", "sent_at || ' ' || body"), ("visits", "seen_at || ' ' || coalesce(email, '-') || ' ' || coalesce(ip, '-')")]
        {
            for row in self.data.column(&format!("SELECT CAST(id || ' ' || account || ' ' || {text} AS text) FROM {table}")) {
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

    /// The rows and the ledger of a source that lost batches and was adopted, where everything was swept again. The hold was
    /// in force when it was; before, `lost` rows had gone for good, held ones perhaps among them.
    #[track_caller]
    pub fn judge_rows_that_came_back(&self, lost: usize) {
        let after = self.rows();
        let mut gone = 0;
        for (key, row) in &self.before {
            if after.get(key) == Some(row) {
                assert!(!Self::must_change(key, true), "a row stayed that was due: {row}");
            } else if !Self::must_change(key, true) {
                assert!(Self::must_change(key, false), "a row changed that must not: {row}");
                gone += 1;
            }
        }
        assert!(gone <= lost, "{gone} held rows changed");
        let verified = self.run(["ledger", "verify", "--output", "json"]).expect(0).json();
        assert_eq!((&verified["sound"], &verified["open"]), (&Value::Bool(true), &Value::Array(Vec::new())), "{verified:#}");
        for rule in outcomes(&self.sweep().expect(0)) {
            assert_eq!(rule.outcome, "nothing_due", "a second sweep found something: {rule:?}");
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

fn schema(kind: Kind) -> String {
    let time = kind.pick("text", "timestamptz", "datetime(6)");
    let zone = kind.pick("+00:00", "+00:00", "");
    let date =
        |due: u64| format!("CAST(CASE WHEN i <= {due} THEN '2020-05-17 10:00:00{zone}' ELSE '2025-11-30 10:00:00{zone}' END AS {time})");
    format!(
        "CREATE TABLE messages (id integer PRIMARY KEY, account integer, sent_at {time}, body text);
         CREATE TABLE visits (id integer PRIMARY KEY, account integer, seen_at {time}, email text, ip text);
         CREATE INDEX messages_sent_at ON messages (sent_at);
         INSERT INTO messages {} SELECT i, i % {ACCOUNTS}, {}, 'body of ' || i FROM n;
         INSERT INTO visits {} SELECT i, i % {ACCOUNTS}, {}, 'person' || i || '@example.com', '10.1.2.' || i FROM n;",
        kind.numbers(1, MESSAGES),
        date(MESSAGES_DUE),
        kind.numbers(1, VISITS),
        date(VISITS_DUE),
    )
}

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

fn config(source: &str, workspace: &str, state: &str, lock_timeout: &str) -> String {
    format!(
        r#"
rules = ["rules/*.toml"]
state.url = "{state}"
keys.pepper.file = "pepper"

[sources.app]
url = "{source}"
naive_timestamps = "UTC"
{workspace}
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
