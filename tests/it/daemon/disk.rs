//! The disk of a source is full: the sweep fails and says so, and goes on when there is room.

use super::{Daemon, EAGER, entries, policy};
use crate::support::{
    host::Host,
    product::{Data, Kind, Product},
    session::Session,
    sqlite::Sqlite,
    tmpfs::Tmpfs,
};

/// How many rows it takes until a table has to grow: InnoDB takes a mebibyte at a time.
fn rows(kind: Kind) -> u64 {
    if kind == Kind::Mariadb { 30_000 } else { 5_000 }
}

/// What it writes is longer than what was there.
const LETTERS: &str = r#"
id = "letters"
category = "letters"
source = "app"
table = "letters"
subject = { account = "account" }
start = "sent_at"
start_format = "timestamp"
keep_for = "3 years"
action = "anonymise"
anonymise = { note = { strategy = "hmac", key = "pepper" } }
"#;

const LIMITS: &str = "[sources.app.limits]\nmax_batch_rows = 1_000\npace = \"fast\"\n[keys.pepper]\nfile = \"pepper\"\n";

/// A source whose data are on the disk, with nothing swept yet.
fn letters(kind: Kind, disk: &Tmpfs) -> Product {
    let data = match kind {
        Kind::Sqlite => Data::Sqlite(Sqlite::at(disk.path().join("app.db"))),
        Kind::Postgres | Kind::Mariadb => Host::private_in(kind, disk.path()).database(),
    };
    let product = Product::over(data, &format!("{LIMITS}{EAGER}"));
    let (numbers, time) = (kind.numbers(1, rows(kind)), kind.pick("text", "timestamptz", "datetime(6)"));
    product.data.execute(&format!(
        "CREATE TABLE letters (id bigint PRIMARY KEY, account bigint, sent_at {time}, note text);
         INSERT INTO letters {numbers} SELECT i, i, {}, 'n' || i FROM n",
        kind.pick("'2015-03-01 10:00:00'", "timestamptz '2015-03-01 10:00:00'", "timestamp '2015-03-01 10:00:00'")
    ));
    product.rules("p", &policy(&[LETTERS]));
    product.folder.write("pepper", "a pepper that is long enough");
    product.init();
    product
}

fn a_full_disk(kind: Kind, mebibytes: u32) {
    let disk = Tmpfs::mount(mebibytes);
    let product = letters(kind, &disk);
    // An application that is connected, so that SQLite's files beside the database are there.
    let application = Session::open(&product.data);
    application.run("SELECT count(*) FROM letters");
    disk.fill();
    let daemon = Daemon::start(&product);
    daemon.sees("sweeps_total", &["outcome=\"failed\""], |sweeps| sweeps >= 1.0);
    daemon.sees("rule_blocked", &["reason=\"database\""], |blocked| blocked == 1.0);
    disk.make_room();
    daemon.sees("sweeps_total", &["outcome=\"complete\""], |sweeps| sweeps >= 1.0);
    daemon.sees("rule_blocked", &["reason=\"database\""], |blocked| blocked == 0.0);
    let run = daemon.stop().expect(0);
    assert!(run.stderr.contains("has no room left") && run.stderr.contains("make room on its disk"), "{}", run.stderr);
    let applied: u64 = entries(&product, "batch_applied").iter().filter_map(|entry| entry["rows"].as_u64()).sum();
    assert_eq!(applied, rows(kind), "no row twice, and none without an entry");
    assert_eq!(product.data.number("SELECT count(*) FROM letters WHERE length(note) = 64"), rows(kind).cast_signed());
    product.cli("ledger verify").expect(0);
}

/// The archive's disk is full: its rule stops without loss, another goes on.
#[test]
fn a_full_archive_stops_its_rule_alone() {
    for kind in Kind::ALL {
        let disk = Tmpfs::mount(4);
        let product = super::accounts(kind, &format!("[sources.app.limits]\nmax_batch_rows = 100\n{EAGER}"), 1_000, 10);
        product.data.execute("CREATE TABLE others AS SELECT * FROM accounts");
        let rule = format!("{}archive = {{ to = \"file://{}\", keep_for = \"10 years\" }}\n", super::CLOSED, disk.path().display());
        let other = super::CLOSED.replace("\"closed\"", "\"other\"").replace("\"accounts\"", "\"others\"") + "key = [\"id\"]\n";
        product.rules("p", &policy(&[&rule, &other]));
        disk.fill();
        let daemon = Daemon::start(&product);
        daemon.sees("sweeps_total", &["rule=\"p/closed\"", "outcome=\"failed\""], |sweeps| sweeps >= 1.0);
        daemon.sees("rule_blocked", &["rule=\"p/closed\"", "reason=\"archive\""], |blocked| blocked == 1.0);
        daemon.sees("sweeps_total", &["rule=\"p/other\"", "outcome=\"complete\""], |sweeps| sweeps >= 1.0);
        assert_eq!(super::left(&product), 1_010, "{kind:?}");
        disk.make_room();
        daemon.sees("sweeps_total", &["rule=\"p/closed\"", "outcome=\"complete\""], |sweeps| sweeps >= 1.0);
        daemon.sees("rule_blocked", &["rule=\"p/closed\"", "reason=\"archive\""], |blocked| blocked == 0.0);
        daemon.stop().expect(0);
        assert_eq!(super::left(&product), 10, "{kind:?}");
        let verified = product.cli("archive verify --output json").expect(0).json();
        assert_eq!((&verified["rows"], &verified["unsettled"]), (&1_000.into(), &0.into()), "{kind:?}: {verified}");
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn a_full_disk_under_sqlite_is_told_and_survived() {
    a_full_disk(Kind::Sqlite, 16);
}

#[test]
fn a_full_disk_under_postgresql_is_told_and_survived() {
    a_full_disk(Kind::Postgres, 160);
}

#[test]
fn a_full_disk_under_mariadb_is_told_and_survived() {
    a_full_disk(Kind::Mariadb, 220);
}
