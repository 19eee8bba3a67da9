//! A daemon that lives long: two hundred rules on three engines, rows that keep falling due, holds that come and go,
//! faults, reloads and restarts, and a real Prometheus with the shipped alerts. No law is broken, nothing that the daemon
//! uses grows, and exactly those alerts are raised, and fall silent again, that should be.
//!
//! `RETENTIOND_TEST_SOAK` says how long (`30m`; 100 seconds without it): faults come round after round until then, each round
//! whole. A new fault is a function that is called by [`Soak::round`] or [`Soak::restarts`]; alerts are in `alerts.rs`, what is
//! true of rows in `world.rs`.

mod alerts;
mod usage;
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    fs,
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use serde_json::Value;

use crate::support::{daemon::Daemon, http::post, prometheus::Prometheus, session::Session};
use usage::{Use, grown};
use world::{SOURCES, World, lock};

/// The longest that anything is waited for, on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(300);
/// A daemon lives as long as this before the next one takes over.
const LIFE: Duration = Duration::from_secs(600);
/// Two hundred rules are counted in that time, on a busy machine too: a reload before would begin the count anew.
const COUNT: Duration = Duration::from_secs(45);
/// Minutes of a round are no news any more for anybody who looks back this far.
const EVER: &str = "6h";

struct Soak<'a> {
    world: &'a World,
    /// `None`: it is down.
    daemon: Option<Daemon>,
    prometheus: Prometheus,
    /// Of the daemon that lives.
    samples: Vec<Use>,
    /// Faults by kind, and sweeps of daemons that are gone.
    done: BTreeMap<&'static str, u64>,
    sweeps: f64,
    began: Instant,
}

impl Soak<'_> {
    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("it was started")
    }

    fn firing(&self) -> BTreeSet<String> {
        self.prometheus.series("ALERTS{alertstate=\"firing\"}").into_iter().map(|(labels, _)| labels["alertname"].clone()).collect()
    }

    /// Waits, and looks at everything that must be true meanwhile.
    #[track_caller]
    fn until(&mut self, what: &str, mut is: impl FnMut(&Self) -> bool) {
        let began = Instant::now();
        while !is(self) {
            assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}; alerts: {:#?}", self.prometheus.series("ALERTS"));
            if let Some(daemon) = &self.daemon {
                self.samples.push(Use::of(daemon, &self.world.post));
            }
            self.world.look();
            thread::sleep(Duration::from_millis(500));
        }
        println!("{:5} s, {what} after {} s", self.began.elapsed().as_secs(), began.elapsed().as_secs());
    }

    /// Waits for an alert. One that does not come is told in the end, with all the others.
    fn fires(&mut self, alert: &str) {
        let began = Instant::now();
        self.until(alert, |soak| soak.firing().contains(alert) || began.elapsed() > PATIENCE / 4);
    }

    /// A fault more.
    fn did(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    fn start(&mut self) {
        self.daemon = Some(Daemon::start(&self.world.product));
        self.samples.clear();
        self.until("the daemon is scraped", |soak| soak.prometheus.value("up") == Some(1.0));
    }

    fn stop(&mut self) {
        let daemon = self.daemon.take().expect("it was started");
        self.sweeps += daemon.metric("sweeps_total", &[]);
        daemon.stop().expect(0);
        self.did("SIGTERM");
    }

    /// SIGKILL, and SIGTERM so often that somebody should be told.
    fn restarts(&mut self) {
        let daemon = self.daemon.take().expect("it was started");
        self.sweeps += daemon.metric("sweeps_total", &[]);
        daemon.process.kill();
        self.did("SIGKILL");
        self.fires("RetentionDaemonDown");
        self.start();
        let began = Instant::now();
        while !self.firing().contains("RetentionDaemonRestarts") {
            assert!(began.elapsed() < PATIENCE, "nobody is told of restarts");
            self.stop();
            self.start();
        }
    }

    /// Every fault that leaves the daemon alive, and everybody is told of each.
    fn round(&mut self, round: u64) {
        let world = self.world;
        // What takes longest begins first: a rule is paused, another session locks a table.
        world.product.cli("pause app/t0-0 --reason r --by b").expect(0);
        self.did("paused rule");
        let application = Session::open(&world.post);
        world.post.execute(&format!("INSERT INTO specials VALUES ({round}, 1, 0, 946684800)"));
        application.run("BEGIN; LOCK TABLE specials IN SHARE MODE");
        self.did("locked table");
        self.cuts();
        self.reloads(round);
        application.run("COMMIT");
        self.drift();
        self.full_disk();
        self.source_down();
        self.stalls();
        self.state_unavailable();
        self.cuts();
        if round == 1 {
            self.fires("RetentionApprovalNeeded");
            self.fires("RetentionOverdue");
            world.product.cli("approve post/waiting").expect(0);
        }
        self.fires("RetentionPaused");
        world.product.cli("resume app/t0-0 --reason r --by b").expect(0);
        self.fall_silent();
    }

    /// Every alert. What is overdue is counted once a day, and at a reload: here, as often as it takes.
    fn fall_silent(&mut self) {
        let mut counted: Option<Instant> = None;
        self.until("every alert is silent", |soak| {
            let firing = soak.firing();
            if firing.contains("RetentionOverdue") && counted.is_none_or(|at| at.elapsed() > COUNT) {
                counted = Some(Instant::now());
                soak.daemon().process.signal(Signal::HUP);
            }
            firing.is_empty()
        });
    }

    /// Lines are cut, and a DBA ends sessions.
    fn cuts(&mut self) {
        for proxy in [&self.world.post_line, &self.world.maria_line, &self.world.state_line] {
            proxy.cut_all();
        }
        self.did("cut connections");
        // On MariaDB they would be the application's as well.
        self.world.post.end_sessions();
        self.did("ended sessions");
    }

    /// Two good ones, one that is refused, and a table that nobody has thought of.
    fn reloads(&mut self, round: u64) {
        let world = self.world;
        let reload = |soak: &mut Self| {
            soak.until("a reload", |soak| post(&soak.daemon().address, "/-/reload").is_ok_and(|answer| answer.status == 200));
            soak.did("reload");
        };
        world.write_rules(&format!("office {round}"));
        reload(self);
        world.product.rules("broken", "[policy]\nid = \"broken\"\n[[rule]]\nkeep_for = \"3 yaers\"\n");
        self.daemon().process.signal(Signal::HUP);
        self.did("refused reload");
        world.post.execute("CREATE TABLE newcomers (id bigint PRIMARY KEY)");
        self.did("new table");
        self.fires("RetentionConfigurationRefused");
        fs::remove_file(world.product.folder.path().join("rules/broken.toml")).expect("it is there");
        reload(self);
        self.fires("RetentionTablesUncovered");
        world.post.execute("DROP TABLE newcomers");
    }

    /// A migration that nobody told of.
    fn drift(&mut self) {
        self.world.post.execute("ALTER TABLE specials RENAME COLUMN at TO since");
        self.did("renamed column");
        self.fires("RetentionNotEnforced");
        self.world.post.execute("ALTER TABLE specials RENAME COLUMN since TO at");
    }

    fn full_disk(&mut self) {
        // So that SQLite's files beside the database stay.
        let application = Session::open(&self.world.product.data);
        application.run("SELECT count(*) FROM t0");
        self.world.due_at_once(0);
        {
            let world = self.world;
            let mut full = lock(&world.full);
            // One that is on its way would keep every rule from acting, and none would get as far as to fail.
            self.until("every hold is delivered", |_| {
                let status = world.product.run(["state", "status", "--output", "json"]);
                status.status == Some(0) && status.json()["holds_pending"] == 0
            });
            world.disk.fill();
            *full = true;
        }
        self.did("full disk");
        self.until("a full disk is noticed", |soak| {
            soak.daemon().metric("rule_blocked", &["source=\"app\"", "reason=\"database\""]) >= 1.0
        });
        self.fires("RetentionSweepFailing");
        let mut full = lock(&self.world.full);
        self.world.disk.make_room();
        *full = false;
    }

    fn source_down(&mut self) {
        self.world.maria_line.refuse();
        self.did("source down");
        for alert in ["RetentionSourceDown", "RetentionHoldPending", "RetentionSweepMissing"] {
            self.fires(alert);
        }
        self.world.maria_line.accept();
    }

    /// Nothing is closed and nothing answers.
    fn stalls(&mut self) {
        self.world.post_line.partition();
        self.did("stalled server");
        let swept = |soak: &Self| soak.daemon().metric("sweeps_total", &["source=\"app\""]);
        let before = swept(self);
        self.until("other sources go on", |soak| swept(soak) > before);
        self.world.post_line.heal();
    }

    fn state_unavailable(&mut self) {
        self.world.state_line.refuse();
        self.did("state unavailable");
        self.fires("RetentionNoLeader");
        self.world.state_line.accept();
        let swept = |soak: &Self| soak.daemon().metric("sweeps_total", &["outcome=\"complete\""]);
        let before = swept(self);
        self.until("sweeps go on", |soak| swept(soak) > before);
    }

    /// What the one daemon used from its start to its end.
    fn nothing_grew(&mut self, rounds: u64) {
        let samples = std::mem::take(&mut self.samples);
        println!("{} samples in {rounds} rounds, from {:?} to {:?}", samples.len(), samples.get(samples.len() / 4), samples.last());
        assert_eq!(grown(&samples, rounds > 1), [""; 0], "{samples:?}");
    }
}

/// Ends the other threads, however this one ends.
struct Ending<'a>(&'a World);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.over.store(true, Ordering::Relaxed);
    }
}

/// `30m`, `100s` or `100`.
fn length() -> Duration {
    let text = std::env::var("RETENTIOND_TEST_SOAK").unwrap_or_else(|_| "100s".to_owned());
    let (number, unit) = text.strip_suffix('m').map_or_else(|| (text.trim_end_matches('s'), 1), |minutes| (minutes, 60));
    Duration::from_secs(unit * number.parse::<u64>().expect("RETENTIOND_TEST_SOAK is a number of seconds, or of minutes as in 30m"))
}

#[test]
fn laws_hold_nothing_grows_and_alerts_tell() {
    let (length, world) = (length(), World::new());
    let rules = world.product.folder.write("pressed.yaml", &alerts::pressed(&alerts::shipped()));
    let daemon = Daemon::start(&world.product);
    assert_eq!(daemon.metrics().keys().filter(|series| series.starts_with("retentiond_rule_info")).count(), 200);
    let prometheus = Prometheus::evaluating(&format!("127.0.0.1:{}", world.port), Some(&rules));
    let (samples, done) = (Vec::new(), BTreeMap::new());
    let mut soak = Soak { world: &world, daemon: Some(daemon), prometheus, samples, done, sweeps: 0.0, began: Instant::now() };
    thread::scope(|scope| {
        let ending = Ending(&world);
        // Until the first scrape nobody answered.
        soak.until("it is noticed that there is one", |soak| !soak.firing().contains("RetentionDaemonDown"));
        let application = scope.spawn(|| world.application());
        let counsel = scope.spawn(|| world.counsel());
        let mut rounds = 0;
        while rounds == 0 || soak.began.elapsed() < length {
            soak.restarts();
            let (born, before) = (Instant::now(), rounds);
            while rounds == 0 || (soak.began.elapsed() < length && born.elapsed() < LIFE) {
                rounds += 1;
                soak.round(rounds);
                assert!(!application.is_finished() && !counsel.is_finished(), "who works around it goes on");
            }
            soak.nothing_grew(rounds - before);
        }
        drop(ending);
        application.join().expect("the application lives");
        counsel.join().expect("counsel lives");
        soak.until("all that is due goes", |soak| soak.world.to_go() == 0);
        soak.fall_silent();
    });
    let ever = format!("group by (alertname) (max_over_time(ALERTS{{alertstate=\"firing\"}}[{EVER}]))");
    let raised: BTreeSet<String> = soak.prometheus.series(&ever).into_iter().map(|(labels, _)| labels["alertname"].clone()).collect();
    soak.stop();
    report(&soak, &raised);
    judge(&world);
    assert_eq!(raised, alerts::RAISED.map(str::to_owned).into());
}

fn report(soak: &Soak<'_>, raised: &BTreeSet<String>) {
    let known = lock(&soak.world.known);
    let mut text = format!("{} s, {} sweeps\n", soak.began.elapsed().as_secs(), soak.sweeps);
    for (what, count) in &soak.done {
        let _ = writeln!(text, "{what}: {count}");
    }
    println!(
        "{text}rows put in: {}, gone by source: {:?}, left: {}, looked at {} times\nholds: {} placed, {} of them pending at first, {} released\n\
         alerts: {raised:?}",
        known.put,
        known.gone,
        known.rows_left(),
        known.looks,
        known.placed,
        known.pending,
        known.released
    );
}

/// The ledger has what went, once.
fn judge(world: &World) {
    let verified = world.product.cli("ledger verify --output json").expect(0).json();
    assert_eq!(verified["open"], Value::Array(Vec::new()), "{verified:#}");
    let lines = world.product.cli("ledger export").expect(0).json_lines();
    let batches: Vec<_> = lines.iter().filter(|line| line["kind"] == "batch_applied").collect();
    for (source, gone) in SOURCES.into_iter().zip(lock(&world.known).gone) {
        let ours =
            batches.iter().filter(|line| line["source"] == source && !["specials", "waiting"].iter().any(|table| line["table"] == *table));
        let applied: u64 = ours.filter_map(|line| line["rows"].as_u64()).sum();
        assert_eq!(applied, gone, "{source}: the ledger has every row that went, once");
    }
    println!("{} batches in a ledger of {} entries", batches.len(), lines.len());
}
