//! A daemon that lives long: two hundred rules on two engines, rows that keep falling due, holds that come and go,
//! reloads and restarts. Nothing that it uses grows.
//!
//! `RETENTIOND_TEST_SOAK` says for how many seconds (60; the long run is 600). A new kind of event is a line in
//! [`Soak::live`], a new thing that could leak a field of [`Use`].

use std::{
    collections::VecDeque,
    fmt,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use super::Daemon;
use crate::support::{
    http::post,
    product::{Data, Kind, Product},
    sqlite::Sqlite,
    until,
};

/// Tables of each source, and rules of each table: two hundred rules in all.
const TABLES: u64 = 20;
const RULES: u64 = 5;
/// The daemon is started this often, each time for as long.
const LIVES: u32 = 2;
/// Fewer samples of a life say nothing, however slow the machine.
const ENOUGH: usize = 12;
/// Holds that stand at one time.
const HOLDS: usize = 4;
/// The held accounts are these and those above; what is due of them stays.
const FIRST_HELD: u64 = 1_000;

const CONFIGURATION: &str = r#"
[sources.side]
url = "{side}"
naive_timestamps = "UTC"
[sources.side.limits]
pace = "fast"
[defaults]
schedule = "*/10 * * * * *"
first_sweep = "auto"
max_share = 1.0
hold_cool_down = "0 days"
[http]
listen = "127.0.0.1:0"
"#;

/// What a daemon uses at one moment.
#[derive(Debug, Clone, Copy)]
struct Use {
    /// Resident and its own; pages of the program itself come and go as the system likes.
    memory_kib: u64,
    descriptors: u64,
    threads: u64,
    /// Sessions on the PostgreSQL source.
    sessions: u64,
}

impl Use {
    fn of(daemon: &Daemon, database: &Data) -> Self {
        let process = format!("/proc/{}", daemon.process.pid().as_raw_nonzero());
        let status = std::fs::read_to_string(format!("{process}/status")).expect("the daemon lives");
        let number = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("Linux says it");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'retentiond'";
        Self {
            memory_kib: number("RssAnon:"),
            descriptors: std::fs::read_dir(format!("{process}/fd")).expect("the daemon lives").count() as u64,
            threads: number("Threads:"),
            sessions: database.number(sessions).unsigned_abs(),
        }
    }
}

/// The samples of one life, and after how many of them it was looked at for what grew.
#[derive(Debug)]
struct Life {
    samples: Vec<Use>,
    looked_at: usize,
}

/// What grew in one life. The first quarter, of what there was when it was looked at, is the warming up.
///
/// What is used moves up and down with what happens to run, and a leak raises the floor: the lowest of all from the last
/// quarter on is compared with the highest of the second.
fn grown(life: &Life) -> Vec<String> {
    let quarter = life.looked_at / 4;
    let (early, late) = (&life.samples[quarter..2 * quarter], &life.samples[life.looked_at - quarter..]);
    let compare = |what: &str, field: fn(&Use) -> u64| {
        let early = early.iter().map(field).max().unwrap_or_default();
        let late = late.iter().map(field).min().unwrap_or_default();
        // An allocator settles slowly: a tenth more is not a leak that lasts.
        (late > early + early / 10).then(|| format!("{what}: {early} at most early on, {late} at least in the end"))
    };
    let all = [
        compare("KiB of memory", |sample| sample.memory_kib),
        compare("descriptors", |sample| sample.descriptors),
        compare("threads", |sample| sample.threads),
        compare("sessions", |sample| sample.sessions),
    ];
    all.into_iter().flatten().collect()
}

struct Soak {
    product: Product,
    side: Sqlite,
    /// Rows that were put in, of accounts that nobody holds and of accounts that are held.
    due: u64,
    held: u64,
    holds: VecDeque<String>,
    rounds: u64,
}

impl fmt::Display for Soak {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} rounds, {} rows due, {} held", self.rounds, self.due, self.held)
    }
}

impl Soak {
    fn new() -> Self {
        let side = Sqlite::create();
        let product = Product::new(Kind::Postgres, &CONFIGURATION.replace("{side}", &side.url()));
        let soak = Self { product, side, due: 0, held: 0, holds: VecDeque::new(), rounds: 0 };
        for table in 0..TABLES {
            let create = format!("CREATE TABLE t{table} (id bigint PRIMARY KEY, account bigint, kind bigint, at bigint)");
            soak.product.data.execute(&create);
            soak.side.execute(&create);
        }
        soak.write_rules("1 year");
        soak.product.init();
        soak.product.cli("source init side").expect(0);
        soak
    }

    /// The same rules with another period, which nothing that is due here depends on.
    fn write_rules(&self, keep_for: &str) {
        for source in ["app", "side"] {
            let rule = |table: u64, kind: u64| {
                format!(
                    "[[rule]]\nid = \"t{table}-{kind}\"\ncategory = \"log\"\nsource = \"{source}\"\ntable = \"t{table}\"\nwhere = \"kind = {kind}\"\n\
                     subject = {{ account = \"account\" }}\nstart = \"at\"\nstart_format = \"unix_s\"\nkeep_for = \"{keep_for}\"\naction = \"delete\"\n"
                )
            };
            let rules: String = (0..TABLES).flat_map(|table| (0..RULES).map(move |kind| rule(table, kind))).collect();
            self.product.rules(source, &format!("[policy]\nid = \"{source}\"\ntitle = \"Soak\"\n{rules}"));
        }
    }

    /// One round of what happens around a daemon.
    fn round(&mut self, daemon: &Daemon) {
        self.rounds += 1;
        let (round, table) = (self.rounds, self.rounds % TABLES);
        // A hold first, so that what comes after it is safe.
        let account = FIRST_HELD + round;
        let report = self.product.hold(&[&format!("account:{account}")]).expect(0).json();
        self.holds.push_back(report["holds"][0]["id"].as_str().expect("a hold has an id").to_owned());
        if self.holds.len() > HOLDS {
            let hold = self.holds.pop_front().expect("there are more than none");
            self.product.run(["hold", "release", &hold, "--reason", "r", "--by", "b"]).expect(0);
            // Its rows fall due with it.
            (self.held, self.due) = (self.held - 2 * RULES, self.due + 2 * RULES);
        }
        let rows = |account: u64, from: u64| {
            (0..RULES).map(move |kind| format!("({}, {account}, {kind}, 946684800)", round * 100 + from + kind)).collect::<Vec<_>>()
        };
        let rows = [rows(account, 0), rows(1, 10), rows(2, 20)].concat();
        let insert = format!("INSERT INTO t{table} VALUES {}", rows.join(", "));
        self.product.data.execute(&insert);
        self.side.execute(&insert);
        (self.held, self.due) = (self.held + 2 * RULES, self.due + 4 * RULES);
        match round % 3 {
            0 => assert_eq!(post(&daemon.address, "/-/reload").expect("an answer").status, 200),
            1 => {
                self.write_rules(if round % 2 == 0 { "1 year" } else { "2 years" });
                daemon.process.signal(Signal::HUP);
            }
            _ => {}
        }
    }

    /// A daemon from its start to its end; what it used after each round.
    fn live(&mut self, time: Duration) -> Life {
        let daemon = Daemon::start(&self.product);
        let (began, mut samples) = (Instant::now(), Vec::new());
        while began.elapsed() < time || samples.len() < ENOUGH {
            samples.push(self.sample(&daemon));
        }
        let mut life = Life { looked_at: samples.len(), samples };
        // Few samples may all have met sweeps at their busiest. What leaked never comes back, however long one waits.
        while !grown(&life).is_empty() && life.samples.len() < 3 * life.looked_at {
            life.samples.push(self.sample(&daemon));
        }
        self.all_that_is_due_goes();
        daemon.stop().expect(0);
        life
    }

    fn sample(&mut self, daemon: &Daemon) -> Use {
        let swept = daemon.metric("sweeps_total", &[]);
        self.round(daemon);
        // It has got on before there is more.
        daemon.sees("sweeps_total", &[], |sweeps| sweeps >= swept + 3.0);
        Use::of(daemon, &self.product.data)
    }

    fn all_that_is_due_goes(&self) {
        let left = || {
            let tables: Vec<_> = (0..TABLES).map(|table| format!("SELECT count(*) AS n FROM t{table}")).collect();
            let query = format!("SELECT CAST(sum(n) AS bigint) FROM ({}) AS t", tables.join(" UNION ALL "));
            (self.product.data.number(&query) + self.side.number(&query)).unsigned_abs()
        };
        until("what is due is gone", || (left() == self.held).then_some(()));
    }
}

#[test]
fn nothing_grows_in_a_long_life() {
    let seconds = std::env::var("RETENTIOND_TEST_SOAK").map_or(60, |text| text.parse().expect("RETENTIOND_TEST_SOAK is a number"));
    let mut soak = Soak::new();
    let lives: Vec<_> = (0..LIVES).map(|_| soak.live(Duration::from_secs(seconds) / LIVES)).collect();
    for life in &lives {
        println!("{} samples, from {:?} to {:?}", life.samples.len(), life.samples.first(), life.samples.last());
        assert_eq!(grown(life), [""; 0], "{life:#?}");
    }
    println!("{soak}");
    let verified = soak.product.cli("ledger verify --output json").expect(0).json();
    assert_eq!(verified["open"], Value::Array(Vec::new()), "{verified:#}");
    let applied: u64 = super::entries(&soak.product, "batch_applied").iter().filter_map(|entry| entry["rows"].as_u64()).sum();
    assert_eq!(applied, soak.due, "the ledger has every row that was due, once");
}

#[test]
fn what_grows_is_told() {
    let at_rest = Use { memory_kib: 40_000, descriptors: 30, threads: 4, sessions: 1 };
    let leaking = |leak: fn(&mut Use, u64)| {
        let sample = |time| {
            let mut sample = at_rest;
            sample.sessions += time % 3;
            leak(&mut sample, time);
            sample
        };
        // Half as many again after it was looked at: waiting excuses no leak.
        grown(&Life { samples: (0..60).map(sample).collect(), looked_at: 40 })
    };
    assert_eq!(leaking(|_, _| {}), [""; 0]);
    assert_eq!(leaking(|sample, time| sample.memory_kib += 600 * time).len(), 1);
    assert_eq!(leaking(|sample, time| sample.descriptors += time / 3).len(), 1);
    assert_eq!(leaking(|sample, time| sample.threads += time / 8).len(), 1);
    assert_eq!(leaking(|sample, time| sample.sessions += time / 4).len(), 1);
}
