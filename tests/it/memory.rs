//! Law 8: memory does not grow with the table. A sweep over ten times the rows needs the same memory.
//!
//! The process stops itself when its sweep has ended, so that its high-water mark can be read at leisure.
//!
//! `RETENTIOND_TEST_ROWS` says how many rows the larger table has (1,000,000; the long run is 10,000,000).

use std::time::Instant;

use crate::support::product::{Kind, Product};

/// The larger table may need a tenth more.
const ALLOWED: f64 = 1.1;

/// Whatever the table, a sweep stays below 64 MiB.
const BELOW_KIB: u64 = 64 * 1024;

const DELETE: &str = r#"action = "delete""#;
const ANONYMISE: &str = r#"
    action = "anonymise"
    anonymise = { email = { strategy = "hmac", key = "pepper" }, note = "null" }
"#;

const CONFIGURATION: &str = r#"
    [sources.app.limits]
    pace = "fast"
    # However slow the machine, both tables are to be swept in batches of the full size.
    target_batch_time = "10s"
    [keys.pepper]
    file = "pepper.key"
    [defaults]
    first_sweep = "auto"
    max_share = 1.0
"#;

#[test]
fn deleting_on_sqlite_needs_no_memory_for_the_table() {
    grows_not(Kind::Sqlite, DELETE);
}

#[test]
fn deleting_on_postgresql_needs_no_memory_for_the_table() {
    grows_not(Kind::Postgres, DELETE);
}

#[test]
fn anonymising_on_sqlite_needs_no_memory_for_the_table() {
    grows_not(Kind::Sqlite, ANONYMISE);
}

#[test]
fn anonymising_on_postgresql_needs_no_memory_for_the_table() {
    grows_not(Kind::Postgres, ANONYMISE);
}

#[test]
fn deleting_on_mariadb_needs_no_memory_for_the_table() {
    grows_not(Kind::Mariadb, DELETE);
}

#[test]
fn anonymising_on_mariadb_needs_no_memory_for_the_table() {
    grows_not(Kind::Mariadb, ANONYMISE);
}

fn grows_not(kind: Kind, action: &str) {
    let small = peak(kind, action, 100_000);
    let rows = std::env::var("RETENTIOND_TEST_ROWS").map_or(1_000_000, |rows| rows.parse().expect("RETENTIOND_TEST_ROWS is a number"));
    let large = peak(kind, action, rows);
    println!("{kind:?}: {small} KiB for 100,000 rows, {large} KiB for {rows}");
    assert!(large < BELOW_KIB, "{large} KiB");
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let ratio = large as f64 / small as f64;
    assert!(ratio <= ALLOWED, "{large} KiB against {small} KiB: memory grows with the table");
}

/// The highest resident memory, in KiB, of a sweep over that many rows.
fn peak(kind: Kind, action: &str, rows: u64) -> u64 {
    let product = Product::new(kind, CONFIGURATION);
    product.data.execute(&format!(
        "CREATE TABLE logs (id bigint PRIMARY KEY, account bigint, email text, note text, at bigint);
         INSERT INTO logs {} SELECT i, i % 1000, 'user' || i || '@example.com', 'a note on row ' || i, 946684800 + i FROM n",
        kind.numbers(1, rows),
    ));
    product.rules(
        "p",
        &format!(
            r#"
            [policy]
            id = "p"
            title = "Memory"
            [[rule]]
            id = "logs"
            category = "log"
            source = "app"
            table = "logs"
            subject = {{ account = "account" }}
            start = "at"
            start_format = "unix_s"
            keep_for = "1 year"
            {action}
            "#
        ),
    );
    product.folder.write("pepper.key", "a key of sufficient length");
    product.init();
    let began = Instant::now();
    let mut sweep = product.command(["sweep", "--output", "json"]);
    // Threads that meet in the allocator are given arenas of their own, by chance, and keep what is freed there for themselves:
    // one arena for all shows what the sweep needs.
    sweep.env("MALLOC_ARENA_MAX", "1").env("RETENTIOND_TEST_POINT", "sweep.ended:1:stop");
    let running = crate::support::binary::start(&mut sweep);
    running.stopped();
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid().as_raw_nonzero())).expect("the process is stopped");
    running.resume();
    let report = running.finish().expect(0).json();
    assert_eq!(report["rules"][0]["acted"], rows, "{report}");
    println!("{kind:?}, {rows} rows: {} s", began.elapsed().as_secs());
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells the high-water mark");
    peak.trim().trim_end_matches(" kB").parse().expect("a number of KiB")
}
