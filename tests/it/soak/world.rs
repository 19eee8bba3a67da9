//! Three sources with two hundred rules, an application that writes rows which fall due within seconds, somebody who places
//! and releases holds, and what must be true of every row at every moment.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use crate::support::{
    cases::dice::Dice,
    database::Database,
    host::Host,
    product::{Data, Kind, Product},
    proxy::{Proxy, Target},
    server::free_port,
    sqlite::Sqlite,
    tmpfs::Tmpfs,
};

pub const SOURCES: [&str; 3] = ["app", "post", "maria"];
/// Tables of each source, and rules of each table; with the two of `post` alone there are two hundred. On MariaDB a sweep takes several
/// times as long as on the others, and on a busy machine it could not do its share of them in time.
const TABLES: [u64; 3] = [17, 11, 5];
const RULES: u64 = 6;
/// Rows that go when they are an hour old.
const HOUR: u64 = 3_600;

const CONFIGURATION: &str = r#"
[sources.app.limits]
pace = "fast"
[sources.post]
url = "{post}"
naive_timestamps = "UTC"
[sources.post.limits]
pace = "fast"
lock_timeout = "500ms"
[sources.maria]
url = "{maria}"
naive_timestamps = "UTC"
{workspace}
[sources.maria.limits]
pace = "fast"
[defaults]
first_sweep = "auto"
max_share = 1.0
hold_cool_down = "0 days"
[http]
listen = "127.0.0.1:{port}"
"#;

/// A row that was put in.
#[derive(Debug, Clone, Copy)]
struct Row {
    source: usize,
    id: u64,
    due: u64,
    account: u64,
}

/// What the application and those who hold know.
#[derive(Default)]
pub struct Known {
    rows: Vec<Row>,
    held: BTreeSet<u64>,
    /// Rows that went, by source.
    pub gone: [u64; 3],
    pub put: u64,
    pub placed: u64,
    pub pending: u64,
    pub released: u64,
    /// Looks at every row of a source.
    pub looks: u64,
}

impl Known {
    /// Rows that are known to be there.
    pub fn rows_left(&self) -> usize {
        self.rows.len()
    }
}

pub struct World {
    // Proxies cut their connections before the databases are dropped.
    pub post_line: Proxy,
    pub maria_line: Proxy,
    pub state_line: Proxy,
    pub product: Product,
    pub post: Data,
    pub maria: Data,
    _state: Database<'static>,
    pub disk: Tmpfs,
    /// True while the disk of `app` is full: its application waits.
    pub full: Mutex<bool>,
    pub known: Mutex<Known>,
    pub over: AtomicBool,
    /// Of the last row that was put in.
    last_id: AtomicU64,
    pub port: u16,
}

pub fn now() -> u64 {
    // The wall's clock on purpose: it is that of the process under test.
    #[expect(clippy::disallowed_methods, reason = "an application has no other clock")]
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("later than 1970").as_secs()
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    pub fn new() -> Self {
        let disk = Tmpfs::mount(64);
        let [post, maria] = Kind::SERVERS.map(|kind| Host::shared(kind).database());
        let [post_line, state_line, maria_line] =
            [Kind::Postgres, Kind::Postgres, Kind::Mariadb].map(|kind| Proxy::start(Target::Unix(Host::shared(kind).socket())));
        let (state, port) = (Database::create(), free_port());
        let through = |data: &Data, port| match data {
            Data::Postgres(database) => database.tcp_url(port),
            Data::Mariadb(database) => database.tcp_url(port),
            Data::Sqlite(_) => unreachable!("it has no server"),
        };
        let configuration = CONFIGURATION
            .replace("{post}", &through(&post, post_line.port()))
            .replace("{maria}", &through(&maria, maria_line.port()))
            .replace("{workspace}", &maria.workspace())
            .replace("{port}", &port.to_string());
        let mut product = Product::over(Data::Sqlite(Sqlite::at(disk.path().join("app.db"))), &configuration);
        product.keep_state_as(&format!("url = \"{}\"", state.tcp_url(state_line.port())));
        let world = Self {
            post_line,
            maria_line,
            state_line,
            product,
            post,
            maria,
            _state: state,
            disk,
            full: Mutex::default(),
            known: Mutex::default(),
            over: AtomicBool::new(false),
            last_id: AtomicU64::new(1_000),
            port,
        };
        let table = |name: &str| format!("CREATE TABLE {name} (id bigint PRIMARY KEY, account bigint, kind bigint, at bigint);");
        for (source, tables) in TABLES.into_iter().enumerate() {
            world.data(source).execute(&(0..tables).map(|number| table(&format!("t{number}"))).collect::<String>());
        }
        world.post.execute(&(table("specials") + &table("waiting") + "INSERT INTO waiting VALUES (1, 1, 0, 946684800)"));
        world.write_rules("the office");
        for source in SOURCES {
            world.product.cli(&format!("source init {source}")).expect(0);
        }
        world
    }

    pub fn data(&self, source: usize) -> &Data {
        [&self.product.data, &self.post, &self.maria][source]
    }

    /// The same rules with another owner, who changes nothing.
    pub fn write_rules(&self, owner: &str) {
        let rule = |source: &str, id: &str, table: &str, rest: &str| {
            format!(
                "[[rule]]\nid = \"{id}\"\ncategory = \"log\"\nsource = \"{source}\"\ntable = \"{table}\"\nsubject = {{ account = \"account\" }}\n\
                 start = \"at\"\nstart_format = \"unix_s\"\nkeep_for = \"1 hour\"\naction = \"delete\"\nowner = \"{owner}\"\n{rest}\n"
            )
        };
        for (nth, source) in SOURCES.into_iter().enumerate() {
            let mut text = format!("[policy]\nid = \"{source}\"\ntitle = \"Soak\"\n");
            for (table, kind) in (0..TABLES[nth]).flat_map(|table| (0..RULES).map(move |kind| (table, kind))) {
                // Once a minute, and not all at once; the one that is paused in each round more often, so that it is soon told.
                let second = match (nth, table, kind) {
                    (0, 0, 0) => "*/5".to_owned(),
                    _ => ((table * RULES + kind + 20 * nth as u64) % 60).to_string(),
                };
                let rest = format!("where = \"kind = {kind}\"\nschedule = \"{second} * * * * *\"");
                text += &rule(source, &format!("t{table}-{kind}"), &format!("t{table}"), &rest);
            }
            if source == "post" {
                text += &rule(source, "specials", "specials", "schedule = \"*/3 * * * * *\"");
                text += &rule(source, "waiting", "waiting", "schedule = \"*/5 * * * * *\"\nfirst_sweep = \"approve\"");
            }
            self.product.rules(source, &text);
        }
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    fn rest(&self, time: Duration) {
        let until = std::time::Instant::now() + time;
        while !self.is_over() && std::time::Instant::now() < until {
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Rows of nobody in particular, of accounts on hold, and such as nobody will see go.
    pub fn application(&self) {
        let mut dice = Dice::new(1);
        while !self.is_over() {
            let held: Vec<u64> = lock(&self.known).held.iter().copied().collect();
            for (source, tables) in TABLES.into_iter().enumerate() {
                let table = dice.number(0..=tables.cast_signed() - 1);
                let rows: Vec<(Row, i64)> = (0..20)
                    .map(|_| {
                        let account = if held.is_empty() || dice.chance(70) { 1 } else { dice.pick(&held) };
                        let due = now() + if dice.chance(5) { 24 * HOUR } else { dice.number(0..=20).unsigned_abs() };
                        (self.row(source, due, account), dice.number(0..=RULES.cast_signed() - 1))
                    })
                    .collect();
                // A full disk is not filled up while somebody writes to it.
                let full = lock(&self.full);
                if source == 0 && *full {
                    continue;
                }
                self.put(table, &rows);
            }
            self.rest(Duration::from_millis(1_500));
        }
    }

    /// A new one.
    fn row(&self, source: usize, due: u64, account: u64) -> Row {
        Row { source, id: self.last_id.fetch_add(1, Ordering::Relaxed) + 1, due, account }
    }

    /// Rows of one source, each with its kind.
    fn put(&self, table: i64, rows: &[(Row, i64)]) {
        let Some((Row { source, .. }, _)) = rows.first() else { return };
        let values: Vec<_> = rows.iter().map(|(row, kind)| format!("({}, {}, {kind}, {})", row.id, row.account, row.due - HOUR)).collect();
        self.data(*source).execute(&format!("INSERT INTO t{table} VALUES {}", values.join(", ")));
        let mut known = lock(&self.known);
        known.put += rows.len() as u64;
        known.rows.extend(rows.iter().map(|(row, _)| *row));
    }

    /// A row for each rule of a source that is due at once: whichever is swept next has something to do.
    pub fn due_at_once(&self, source: usize) {
        for table in 0..TABLES[source].cast_signed() {
            let rows: Vec<_> = (0..RULES.cast_signed()).map(|kind| (self.row(source, now() - 1, 1), kind)).collect();
            self.put(table, &rows);
        }
    }

    /// One account after the other is held for a while. What the product refused was not placed.
    pub fn counsel(&self) {
        let (mut dice, mut placed) = (Dice::new(2), BTreeMap::new());
        for account in 1_000.. {
            if self.is_over() {
                break;
            }
            // A hold that a full disk does not take is pending, and then no rule gets as far as to fail.
            let run = self.while_there_is_room(|| self.product.hold(&[&format!("account:{account}")]));
            let Some(run) = run else { break };
            if matches!(run.status, Some(0 | 3)) {
                let id = run.json()["holds"][0]["id"].as_str().expect("a hold has an id").to_owned();
                placed.insert(account, id);
                let mut known = lock(&self.known);
                known.held.insert(account);
                known.placed += 1;
                known.pending += u64::from(run.status == Some(3));
            }
            if placed.len() > 6 {
                let account = dice.pick(&placed.keys().copied().collect::<Vec<_>>());
                let id = placed.remove(&account).expect("it is there");
                // From here on its rows may go; until here they may not have.
                self.look();
                lock(&self.known).held.remove(&account);
                if !self.release(&id) {
                    // Whether it was released nobody knows, so its rows are not asked for.
                    lock(&self.known).rows.retain(|row| row.account != account);
                    return;
                }
                lock(&self.known).released += 1;
            }
            self.rest(Duration::from_secs(2));
        }
    }

    /// Does something once the disk is not full, and keeps it from being filled meanwhile; `None`: the soak is over.
    fn while_there_is_room<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        while !self.is_over() {
            let full = lock(&self.full);
            if !*full {
                return Some(act());
            }
            drop(full);
            self.rest(Duration::from_millis(200));
        }
        None
    }

    /// Tries again as long as the product refuses; false if that takes longer than the soak.
    fn release(&self, hold: &str) -> bool {
        loop {
            let release = || self.product.run(["hold", "release", hold, "--reason", "r", "--by", "b"]);
            let Some(run) = self.while_there_is_room(release) else { return false };
            // It may have been, and its answer was cut off.
            if matches!(run.status, Some(0 | 3)) || run.stderr.contains("was released at") {
                return true;
            }
            if self.is_over() {
                return false;
            }
            self.rest(Duration::from_secs(1));
        }
    }

    /// Holds every row that is known against the tables: none went before its time, none that is held.
    pub fn look(&self) {
        for (source, name) in SOURCES.into_iter().enumerate() {
            let known: Vec<Row> = lock(&self.known).rows.iter().copied().filter(|row| row.source == source).collect();
            let there = self.ids(source);
            let now = now();
            let mut inside = lock(&self.known);
            let gone: BTreeMap<u64, Row> = known.into_iter().filter(|row| !there.contains(&row.id)).map(|row| (row.id, row)).collect();
            for row in gone.values() {
                assert!(row.due <= now, "{name}: {row:?} went before its time, at {now} at the latest");
                assert!(!inside.held.contains(&row.account), "{name}: {row:?} went and was held");
            }
            let before = inside.rows.len();
            inside.rows.retain(|row| !gone.contains_key(&row.id));
            inside.gone[source] += (before - inside.rows.len()) as u64;
            inside.looks += 1;
        }
    }

    fn ids(&self, source: usize) -> BTreeSet<u64> {
        let tables: Vec<_> = (0..TABLES[source]).map(|table| format!("SELECT CAST(id AS text) FROM t{table}")).collect();
        self.data(source).columns(&tables).concat().iter().map(|id| id.parse().expect("a number")).collect()
    }

    /// Rows that are there, are not held, and fall due within the hour.
    pub fn to_go(&self) -> usize {
        self.look();
        let (now, known) = (now(), lock(&self.known));
        known.rows.iter().filter(|row| row.due <= now + HOUR && !known.held.contains(&row.account)).count()
    }
}
