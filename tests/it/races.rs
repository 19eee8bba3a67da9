//! Law 2 while both sides run: processes place holds against a sweep in another process.
//!
//! `hold place` counts the rows that it covers after the hold is in force and before it reports success. That number must
//! be found right after its exit, and at the very end: whatever went in between went from under a hold. Each race is a
//! process of its own; batches of a few rows keep the sweep busy at the gate.
//!
//! `RETENTIOND_TEST_RACES` says how many races for each pair of engines (500; the long run is 10,000).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{
    binary::Running,
    product::{Kind, Product},
};

/// Accounts of one generation of rows, and rows of each account.
const ACCOUNTS: u64 = 600;
const ROWS: u64 = 6;
/// Processes that place holds at one time: several for each processor, so that holds and not the sweep take most of the time.
const PLACERS: u64 = 8;
/// So many batches must have met an epoch that had moved, or the races were none.
const MET: usize = 50;

const RULES: &str = r#"
    [policy]
    id = "p"
    title = "Races"
    [[rule]]
    id = "logs"
    category = "log"
    source = "app"
    table = "logs"
    subject = { account = "account" }
    start = "at"
    start_format = "unix_s"
    keep_for = "1 year"
    action = "delete"
"#;

const CONFIGURATION: &str = r#"
    [sources.app.limits]
    max_batch_rows = 3
    pace = "fast"
    [defaults]
    first_sweep = "auto"
    max_share = 1.0
    hold_cool_down = "0 days"
"#;

/// What is known of one race.
#[derive(Debug)]
struct Race {
    hold: String,
    rows: u64,
}

#[test]
fn sqlite_with_a_state_in_sqlite() {
    race(Kind::Sqlite, Kind::Sqlite);
}

#[test]
fn sqlite_with_a_state_in_postgresql() {
    race(Kind::Sqlite, Kind::Postgres);
}

#[test]
fn postgresql_with_a_state_in_sqlite() {
    race(Kind::Postgres, Kind::Sqlite);
}

#[test]
fn postgresql_with_a_state_in_postgresql() {
    race(Kind::Postgres, Kind::Postgres);
}

#[test]
fn mariadb_with_a_state_in_sqlite() {
    race(Kind::Mariadb, Kind::Sqlite);
}

#[test]
fn mariadb_with_a_state_in_postgresql() {
    race(Kind::Mariadb, Kind::Postgres);
}

fn races() -> u64 {
    std::env::var("RETENTIOND_TEST_RACES").map_or(500, |text| text.parse().expect("RETENTIOND_TEST_RACES is a number"))
}

fn race(source: Kind, state: Kind) {
    let mut product = Product::new(source, CONFIGURATION).with_state(state);
    // Rows so wide that few share a page, so that a walk by pages makes small batches too.
    product.data.execute("CREATE TABLE logs (id bigint PRIMARY KEY, account bigint NOT NULL, at bigint, pad text); CREATE INDEX by_account ON logs (account)");
    product.rules("p", RULES);
    product.init();
    let began = Instant::now();
    let (generation, next, over) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    let taken: Mutex<BTreeSet<u64>> = Mutex::default();
    let raced: Mutex<BTreeMap<u64, Race>> = Mutex::default();
    let running: Mutex<Option<Pid>> = Mutex::default();
    fill(&product, 0);
    thread::scope(|scope| {
        let placers: Vec<_> = (0..PLACERS)
            .map(|_| {
                scope.spawn(|| {
                    // Every account is held once at most; a new generation brings new ones.
                    while let Some(account) = take(&taken, &generation, &next) {
                        let race = place(&product, account);
                        raced.lock().expect("no placer panicked").insert(account, race);
                    }
                })
            })
            .collect();
        let sweeper = scope.spawn(|| {
            while let Some(sweep) = begin(&product, &over, &running) {
                sweep.ended();
                running.lock().expect("nobody panicked").take();
                let run = sweep.finish();
                if run.status == Some(3) && run.stderr.contains("ending after the batch") {
                    break;
                }
                run.expect(0);
                let now = generation.load(Ordering::SeqCst) + 1;
                fill(&product, now);
                generation.store(now, Ordering::SeqCst);
            }
        });
        let results: Vec<_> = placers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        end(&over, &running);
        let swept = sweeper.join();
        results.into_iter().chain([swept]).for_each(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
    });
    // What is left goes in larger batches: the races are over.
    product.data.execute(source.pick("ANALYZE logs", "ANALYZE logs", "ANALYZE TABLE logs"));
    product.reconfigure("", &CONFIGURATION.replace("max_batch_rows = 3", "max_batch_rows = 1_000"));
    product.run(["sweep"]).expect(0);

    let raced = raced.into_inner().expect("no placer panicked");
    let covering = raced.values().filter(|race| race.rows > 0).count();
    let there = all_rows(&product);
    let lost: Vec<_> = raced.iter().filter(|(account, race)| there.get(account).copied().unwrap_or(0) != race.rows).collect();
    let met = epochs_met(&product);
    println!(
        "{source:?} source, {state:?} state: {} races, {covering} over rows, {met} batches met a moved epoch, {} s",
        raced.len(),
        began.elapsed().as_secs()
    );
    assert!(lost.is_empty(), "rows went from under the holds on {lost:?}");
    let rest = product.data.number("SELECT count(*) FROM logs");
    let held: u64 = raced.values().map(|race| race.rows).sum();
    assert_eq!(u64::try_from(rest), Ok(held), "everything that nobody holds has gone");
    assert!(met >= MET, "{met} batches met a moved epoch: the sweep and the holds did not meet");

    released_rows_go(&product, &raced);
    product.run(["ledger", "verify"]).expect(0);
}

/// Starts a sweep that [`end`] can ask to stop; `None` once it did.
fn begin(product: &Product, over: &AtomicBool, running: &Mutex<Option<Pid>>) -> Option<Running> {
    let mut running = running.lock().expect("nobody panicked");
    if over.load(Ordering::SeqCst) {
        return None;
    }
    let sweep = product.start(["sweep"]);
    *running = Some(sweep.pid());
    Some(sweep)
}

/// Asks the sweep that runs to stop, and no other to begin.
fn end(over: &AtomicBool, running: &Mutex<Option<Pid>>) {
    let running = running.lock().expect("nobody panicked");
    over.store(true, Ordering::SeqCst);
    // It has not been waited for, so the number is still its own.
    if let Some(sweep) = *running {
        kill_process(sweep, Signal::TERM).expect("the process is ours");
    }
}

/// Ends some holds; then exactly their rows go.
fn released_rows_go(product: &Product, raced: &BTreeMap<u64, Race>) {
    let released: Vec<_> = raced.iter().filter(|(_, race)| race.rows > 0).take(10).collect();
    assert!(!released.is_empty(), "there is a hold to release");
    for (_, race) in &released {
        product.run(["hold", "release", &race.hold, "--reason", "settled", "--by", "counsel"]).expect(0);
    }
    product.run(["sweep"]).expect(0);
    let stands = |account: &u64| released.iter().all(|(gone, _)| *gone != account);
    let expected: BTreeMap<u64, u64> =
        raced.iter().filter(|(account, race)| race.rows > 0 && stands(account)).map(|(account, race)| (*account, race.rows)).collect();
    assert_eq!(all_rows(product), expected, "rows by account");
}

/// One race: the hold's own count, and the rows that are there right after.
fn place(product: &Product, account: u64) -> Race {
    let run = product.hold(&[&format!("account:{account}")]);
    let now = rows_of(product, account);
    let report = run.expect(0).json();
    let hold = &report["holds"][0];
    let rows = hold["rows"][0]["rows"].as_u64().unwrap_or_else(|| panic!("{report}"));
    assert_eq!(now, rows, "rows of account {account} right after its hold: {report}");
    Race { hold: hold["id"].as_str().expect("a hold has an id").to_owned(), rows }
}

fn rows_of(product: &Product, account: u64) -> u64 {
    product.data.number(&format!("SELECT count(*) FROM logs WHERE account = {account}")).unsigned_abs()
}

/// Rows by account, of all that have any.
fn all_rows(product: &Product) -> BTreeMap<u64, u64> {
    let lines = product.data.column("SELECT CAST(account AS text) || ' ' || CAST(count(*) AS text) FROM logs GROUP BY account");
    let parse = |line: &String| line.split_once(' ').and_then(|(account, rows)| Some((account.parse().ok()?, rows.parse().ok()?)));
    lines.iter().map(|line| parse(line).expect("two numbers")).collect()
}

/// An account of the present generation that nobody holds, in an order that has nothing to do with the walk; `None` when
/// there were races enough.
fn take(taken: &Mutex<BTreeSet<u64>>, generation: &AtomicU64, next: &AtomicU64) -> Option<u64> {
    loop {
        let account = generation.load(Ordering::SeqCst) * ACCOUNTS + next.fetch_add(1, Ordering::SeqCst) * 7919 % ACCOUNTS;
        let mut taken = taken.lock().expect("no placer panicked");
        if taken.len() as u64 >= races() {
            return None;
        }
        if taken.insert(account) {
            return Some(account);
        }
        drop(taken);
        // Every account of this generation is held; the sweep brings the next.
        thread::yield_now();
    }
}

/// Adds a generation: each account's rows lie all over it.
fn fill(product: &Product, generation: u64) {
    let (first, count) = (generation * ACCOUNTS * ROWS, ACCOUNTS * ROWS);
    let numbers = product.kind.numbers(0, count - 1);
    let pad = "x".repeat(1_800);
    product.data.execute(&format!(
        "INSERT INTO logs {numbers} SELECT {first} + i, {generation} * {ACCOUNTS} + i % {ACCOUNTS}, 946684800 + i, '{pad}' FROM n"
    ));
}

/// Batches that met a moved epoch: the epochs of two intents in a row differ, or a hold came between act and mark.
fn epochs_met(product: &Product) -> usize {
    let entries = product.run(["ledger", "export"]).expect(0).json_lines();
    let abandoned = entries.iter().filter(|entry| entry["kind"] == "batch_abandoned").count();
    let epochs: Vec<_> = entries.iter().filter(|entry| entry["kind"] == "batch_intent").map(|entry| &entry["epoch"]).collect();
    abandoned + epochs.windows(2).filter(|pair| pair[0] != pair[1]).count()
}
