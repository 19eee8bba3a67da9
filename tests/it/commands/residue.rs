//! `residue`: what rows leave behind in the database's own files, looked for there, and compared with what the report says.
//!
//! Canary values stand in columns with and without an index and in one that is too large for a page, in the rule's own table and in one
//! that goes along. Whatever is looked for is found first: at `logical` it is still there.

use serde_json::Value;

use super::{NOW, ended, policy, sweep};
use crate::support::{
    binary::run,
    daemon::Daemon,
    files,
    product::{Data, Kind, Product},
    session::Session,
};

/// No value of a row that stays contains it, and no statement of ours.
const CANARY: &str = "CANARY";
/// Open at [`NOW`], and not an hour before.
const WINDOW: &str = "window = \"11:30-14:00\"";

const LETTERS: &str = r#"
id = "letters"
category = "letter"
source = "app"
table = "letters"
subject = { account = "account_id" }
start = "sent_at"
start_format = "unix_s"
keep_for = "3 years"
action = "delete"
dependents = [{ table = "pages", on = { id = "letter_id" }, then = "delete" }]
"#;

const EMPTIED: &str = r#"
id = "letters"
category = "letter"
source = "app"
table = "letters"
subject = { account = "account_id" }
start = "sent_at"
start_format = "unix_s"
keep_for = "3 years"
action = "anonymise"
anonymise = { place = "null", body = "null", scan = "null" }
retains = ["sent_at"]
"#;

/// Letters of which every tenth is due, each with a page; the tables have an owner of their own.
fn letters(kind: Kind, rule: &str, residue: &str) -> Product {
    let product = Product::new(kind, "[http]\nlisten = \"127.0.0.1:0\"\n[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0").at(NOW);
    let text = |name: &str| {
        let word = "CASE WHEN i % 10 = 0 THEN 'CANARY' ELSE 'another' END";
        kind.pick(&format!("{word} || '{name}' || i"), &format!("{word} || '{name}' || i"), &format!("concat({word}, '{name}', i)"))
            .to_owned()
    };
    let large = kind
        .pick(
            &format!("replace(hex(zeroblob(3000)), '00', {})", text("scan")),
            &format!("repeat({}, 3000)", text("scan")),
            &format!("repeat({}, 3000)", text("scan")),
        )
        .to_owned();
    let numbers = kind.numbers(1, 200);
    let rows = |table: &str, columns: &str| format!("INSERT INTO {table} {numbers} SELECT {columns} FROM n");
    product.data.execute(&format!(
        "{}
         CREATE TABLE letters (id bigint PRIMARY KEY, account_id bigint, sent_at bigint, place varchar(80), body varchar(80), scan {});
         CREATE TABLE pages (id bigint PRIMARY KEY, letter_id bigint, body varchar(80));
         {}
         {};
         {};
         CREATE INDEX by_place ON letters (place);
         CREATE INDEX by_letter ON pages (letter_id)",
        // Pages that split while a table grows leave copies behind, which no later deletion reaches: the report says so.
        kind.pick("PRAGMA secure_delete = ON;", "", ""),
        kind.pick("text", "text", "mediumtext"),
        kind.pick("", "ALTER TABLE letters ALTER COLUMN scan SET STORAGE EXTERNAL;", ""),
        rows(
            "letters",
            &format!("i, i, CASE WHEN i % 10 = 0 THEN 1577836800 ELSE 1780000000 END, {}, {}, {large}", text("place"), text("body"))
        ),
        rows("pages", &format!("i, i, {}", text("page"))),
    ));
    if let Data::Postgres(database) = &product.data {
        let owner = format!("\"owner of {}\"", database.name());
        product.data.execute(&format!("CREATE ROLE {owner}; ALTER TABLE letters OWNER TO {owner}; ALTER TABLE pages OWNER TO {owner}"));
    }
    product.rules("p", &policy(&[&format!("{rule}{residue}\n")]));
    product.init();
    assert!(canaries(&product, true) > 0, "{kind:?}: nothing could be found");
    product
}

/// What a rule asks for, with the window that `rewritten` needs.
fn asking(level: &str) -> String {
    format!("residue = \"{level}\"\n{WINDOW}")
}

/// How often canaries stand in the files of both tables, those of pages among them or not.
fn canaries(product: &Product, with_pages: bool) -> usize {
    let files = files::of_tables(&product.data, &["letters", "pages"]);
    files::count(&files, CANARY) - if with_pages { 0 } else { files::count(&files, "CANARYpage") }
}

/// What one sweep says of the residue of its one rule.
fn residue(report: &Value) -> &Value {
    &report["rules"][0]["residue"]
}

/// Where something stays, by what the report says.
fn places(residue: &Value) -> String {
    let remains = residue["remains"].as_array().expect("what remains").iter();
    remains
        .map(|one| format!("{} until {}", one["where"].as_str().expect("a place"), one["until"].as_str().expect("a time")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Sweeps until what is asked for is reached: other tests' transactions may keep rows for a while on a server that they share.
fn reached(product: &Product, fault: &str) -> Value {
    let mut last = Value::Null;
    for _ in 0..20 {
        let mut command = product.command(["sweep", "--output", "json"]);
        last = residue(&run(command.env("RETENTIOND_TEST_SEEDED", fault)).expect(0).json()).clone();
        if last["pending"].is_null() {
            return last;
        }
    }
    panic!("the residue could not be treated: {last:#}");
}

fn entries(product: &Product) -> Vec<Value> {
    product.run(["ledger", "show", "--kind", "residue_treated", "--output", "json"]).expect(0).json()["entries"]
        .as_array()
        .expect("entries")
        .clone()
}

/// The report says what the files say.
pub fn the_files_have_what_the_report_says(kind: Kind, level: &str, fault: &str) {
    for rule in [LETTERS, EMPTIED] {
        let product = letters(kind, rule, &asking(level));
        let before = canaries(&product, rule == LETTERS);
        let residue = reached(&product, fault);
        assert_eq!((residue["asked"].as_str(), residue["reached"].as_str()), (Some(level), Some(level)), "{kind:?}: {residue:#}");
        assert_eq!(product.data.number("SELECT count(*) FROM letters WHERE place LIKE 'CANARY%'"), 0, "{kind:?}");
        // Of anonymised letters the pages stay.
        let (found, said) = (canaries(&product, rule == LETTERS), places(&residue));
        let is_overwritten = kind == Kind::Sqlite || level == "rewritten";
        assert!(said.contains("backups"), "{kind:?}: {said}");
        assert_eq!(kind == Kind::Sqlite && level == "compacted", said.contains("unused parts of pages, where"), "{kind:?}: {said}");
        match level {
            "logical" => {
                assert!(found > 0, "{kind:?}: nothing is left of {before}, so nothing could be caught");
                assert!(said.contains(kind.pick("free pages", "dead rows", "marked as deleted")), "{kind:?}: {said}");
                assert!(entries(&product).is_empty(), "{kind:?}");
            }
            _ if is_overwritten => assert_eq!(found, 0, "{kind:?} at {level}: {said}"),
            _ => assert!(said.contains("free space"), "{kind:?} at {level}: {said}"),
        }
        assert_eq!(said.contains("log"), kind != Kind::Sqlite || level == "logical", "{kind:?} at {level}: {said}");
        if level != "logical" {
            let entries = entries(&product);
            assert_eq!(entries.len(), 1, "{kind:?}: {entries:#?}");
            assert_eq!((entries[0]["reached"].as_str(), entries[0]["rule"].as_str()), (Some(level), Some("p/letters")), "{kind:?}");
            let tables = entries[0]["tables"].as_array().expect("tables").len();
            assert_eq!(tables, if rule == LETTERS { 2 } else { 1 }, "{kind:?}: {entries:#?}");
        }
        // Paid, and not again.
        let again = sweep(&product, "", 0);
        assert_eq!((ended(&again).as_str(), &self::residue(&again)["reached"]), ("nothing_due -", &Value::Null), "{kind:?}");
        product.cli("ledger verify").expect(0);
    }
}

/// A test for each level on each engine, so that they run side by side.
macro_rules! levels {
    ($($test:ident: $kind:ident at $level:literal;)+) => { $(
        #[test]
        fn $test() {
            the_files_have_what_the_report_says(Kind::$kind, $level, "none");
        }
    )+ };
}

levels! {
    logical_on_sqlite: Sqlite at "logical";
    logical_on_postgres: Postgres at "logical";
    logical_on_mariadb: Mariadb at "logical";
    compacted_on_sqlite: Sqlite at "compacted";
    compacted_on_postgres: Postgres at "compacted";
    compacted_on_mariadb: Mariadb at "compacted";
    rewritten_on_sqlite: Sqlite at "rewritten";
    rewritten_on_postgres: Postgres at "rewritten";
    rewritten_on_mariadb: Mariadb at "rewritten";
}

/// Between the rows and their residue, a crash or a closed window: the next sweep finds nothing due and treats.
#[test]
fn what_is_owed_is_not_lost() {
    std::thread::scope(|scope| {
        for kind in Kind::ALL {
            scope.spawn(move || {
                for point in ["commit.after", "residue.before", "residue.done"] {
                    let mut product = letters(kind, LETTERS, &asking("rewritten"));
                    let killed = run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
                    assert_eq!(killed.signal, Some(9), "{kind:?} at {point}: {killed:?}");
                    assert_eq!(product.data.number("SELECT count(*) FROM letters"), 180, "{kind:?}");
                    product.set_now("2026-06-15T16:00:00Z");
                    assert_eq!(ended(&sweep(&product, "", 3)), "paused window", "{kind:?} at {point}");
                    assert!(entries(&product).is_empty(), "{kind:?} at {point}");
                    product.set_now("2026-06-16T12:00:00Z");
                    let residue = reached(&product, "none");
                    assert_eq!(residue["since"], "2026-06-15T12:00:00Z", "{kind:?} at {point}: {residue:#}");
                    assert_eq!((canaries(&product, true), entries(&product).len()), (0, 1), "{kind:?} at {point}");
                    product.cli("ledger verify").expect(0);
                }
            });
        }
    });
}

/// What stands in the way is told, the rows are gone all the same, and the next sweep tries again.
#[test]
fn what_is_in_the_way_is_told() {
    std::thread::scope(|scope| {
        for (kind, sql, told) in [
            (Kind::Sqlite, "BEGIN; SELECT count(*) FROM letters", "write-ahead log"),
            (Kind::Postgres, "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM letters", "may still see the rows"),
            (Kind::Mariadb, "START TRANSACTION; SELECT count(*) FROM letters", "another session holds a lock"),
        ] {
            scope.spawn(move || is_told(kind, sql, told));
        }
    });
}

fn is_told(kind: Kind, sql: &str, told: &str) {
    let product = letters(kind, LETTERS, &asking("rewritten"));
    let application = Session::open(&product.data);
    application.run(sql);
    let report = sweep(&product, "", 0);
    assert_eq!(ended(&report), "complete -", "{kind:?}: {report:#}");
    assert_eq!(product.data.number("SELECT count(*) FROM letters"), 180, "{kind:?}");
    let residue = residue(&report);
    assert!(residue["pending"].as_str().is_some_and(|why| why.contains(told)), "{kind:?}: {residue:#}");
    assert_eq!(residue["reached"], "logical", "{kind:?}: {residue:#}");
    assert!(entries(&product).is_empty(), "{kind:?}");
    let said = product.cli("sweep").expect(0).stdout;
    assert!(said.contains("`rewritten` is owed since 2026-06-15T12:00:00Z, because"), "{kind:?}: {said}");
    application.run("COMMIT");
    reached(&product, "none");
    assert_eq!(canaries(&product, true), 0, "{kind:?}");
}

/// On PostgreSQL the snapshots of all databases begin with the oldest transaction of the whole server that has changed something.
#[test]
fn whoever_writes_in_another_database_is_in_the_way() {
    let product = letters(Kind::Postgres, LETTERS, &asking("rewritten"));
    let elsewhere = Data::create(Kind::Postgres);
    elsewhere.execute("CREATE TABLE notes (id bigint)");
    let application = Session::open(&elsewhere);
    application.run("BEGIN; INSERT INTO notes VALUES (1)");
    let report = sweep(&product, "", 0);
    assert_eq!(ended(&report), "complete -", "{report:#}");
    let residue = residue(&report);
    assert!(residue["pending"].as_str().is_some_and(|why| why.contains("may still see the rows")), "{residue:#}");
    assert_eq!(residue["reached"], "logical", "{residue:#}");
    application.run("COMMIT");
    reached(&product, "none");
    assert_eq!(canaries(&product, true), 0);
}

/// PostgreSQL only warns whoever may not vacuum a table, and skips it.
#[test]
fn who_does_not_own_a_table_is_told() {
    let mut product = letters(Kind::Postgres, LETTERS, &asking("compacted"));
    product.cli("check").expect(0);
    product.grant_by_hand();
    let Data::Postgres(database) = &product.data else { unreachable!("it was asked for") };
    let owner = format!("\"owner of {}\"", database.name());
    product.data.execute(&format!("REVOKE {owner} FROM retentiond"));
    let check = product.cli("check").expect(0).stdout;
    assert!(check.contains("can't be reached: letters belongs to owner of"), "{check}");
    let report = sweep(&product, "", 0);
    assert_eq!(ended(&report), "complete -", "{report:#}");
    assert!(residue(&report)["pending"].as_str().is_some_and(|why| why.contains("only its owner")), "{report:#}");
    assert!(entries(&product).is_empty());
    // The metrics say since when, from their first look at the state.
    let pending = |expected: fn(f64) -> bool| {
        let daemon = Daemon::start(&product);
        daemon.sees("residue_pending_since_timestamp_seconds", &["rule=\"p/letters\""], expected);
        daemon.stop().expect(0);
    };
    pending(|since| since > 1_781_500_000.0);
    product.data.execute(&format!("GRANT {owner} TO retentiond"));
    reached(&product, "none");
    assert_eq!(entries(&product).len(), 1);
    pending(|since| since == 0.0);
}

/// What becomes of bytes takes no row more: nobody is asked again.
#[test]
fn another_level_waits_for_nobody() {
    let mut product = letters(Kind::Sqlite, LETTERS, "");
    product.reconfigure("", "[defaults]\nfirst_sweep = \"approve\"\nmax_share = 1.0");
    product.cli("approve p/letters").expect(0);
    let report = sweep(&product, "", 0);
    assert_eq!((ended(&report).as_str(), residue(&report)), ("complete -", &Value::Null), "{report:#}");
    for level in ["rewritten", "logical", "compacted"] {
        product.data.execute("INSERT INTO letters VALUES (1000, 1, 1577836800, 'x', 'x', 'x')");
        product.rules("p", &policy(&[&format!("{LETTERS}{}\n", asking(level))]));
        let report = sweep(&product, "", 0);
        assert_eq!((ended(&report).as_str(), residue(&report)["reached"].as_str()), ("complete -", Some(level)), "{report:#}");
    }
}

#[test]
fn who_may_not_alter_a_table_is_told() {
    let mut product = letters(Kind::Mariadb, LETTERS, &asking("rewritten"));
    product.cli("check").expect(0);
    product.grant_by_hand();
    let Data::Mariadb(database) = &product.data else { unreachable!("it was asked for") };
    let (name, role) = (database.name().to_owned(), database.role().to_owned());
    product.data.execute(&format!("REVOKE ALTER ON {name}.letters FROM {role}"));
    let check = product.cli("check").expect(0).stdout;
    assert!(check.contains("can't be reached: ALTER, CREATE and INSERT on letters are needed"), "{check}");
    let report = sweep(&product, "", 0);
    assert_eq!(ended(&report), "complete -", "{report:#}");
    assert!(residue(&report)["pending"].as_str().is_some_and(|why| why.contains("ALTER command denied")), "{report:#}");
    product.data.execute(&format!("GRANT ALTER ON {name}.letters TO {role}"));
    reached(&product, "none");
    assert_eq!(canaries(&product, true), 0);
}

/// A stricter rule of the table pays for another, and `check` tells of both; at no hour is no hour for writing a table anew.
#[test]
fn the_strictest_of_a_table_decides() {
    std::thread::scope(|scope| Kind::ALL.into_iter().for_each(|kind| drop(scope.spawn(move || the_strictest_decides(kind)))));
}

fn the_strictest_decides(kind: Kind) {
    let of = |accounts: &str| LETTERS.replace("keep_for", &format!("where = \"account_id {accounts}\"\nkeep_for"));
    let product = letters(kind, &of("<= 100"), &asking("compacted"));
    let other = of("> 100").replace("id = \"letters\"", "id = \"others\"");
    let both = |residue: &str| policy(&[&format!("{}{}\n", of("<= 100"), asking("compacted")), &format!("{other}{residue}\n")]);
    product.rules("p", &both("residue = \"rewritten\""));
    let refused = product.cli("check").expect(2).stderr;
    assert!(refused.contains("`rewritten` needs a window"), "{kind:?}: {refused}");
    let keeping = LETTERS.replace("\"delete\"\ndependents", "\"keep\"\nreason = \"r\"\n# ") + "residue = \"logical\"\n";
    product.rules("p", &policy(&[&keeping]));
    let refused = product.cli("check").expect(2).stderr;
    assert!(refused.contains("a rule that keeps its rows leaves nothing behind"), "{kind:?}: {refused}");
    product.rules("p", &both(&asking("rewritten")));
    let check = product.cli("check").expect(0).stdout;
    assert!(check.contains("p/others asks for the residue `rewritten` in this table"), "{kind:?}: {check}");
    assert!(!check.contains("can't be reached"), "{kind:?}: {check}");

    let killed = run(product.command(["sweep", "p/letters"]).env("RETENTIOND_TEST_POINT", "residue.before:1:kill"));
    assert_eq!(killed.signal, Some(9), "{kind:?}: {killed:?}");
    let report = sweep(&product, "p/others", 0);
    let mut pending = residue(&report)["pending"].clone();
    while !pending.is_null() {
        pending = residue(&sweep(&product, "p/others", 0))["pending"].clone();
    }
    let entries = entries(&product);
    assert_eq!(entries[0]["also"].as_array().map(Vec::as_slice), Some(&["p/letters".into()][..]), "{kind:?}: {entries:#?}");
    assert_eq!(canaries(&product, true), 0, "{kind:?}");
    assert_eq!(residue(&sweep(&product, "p/letters", 0))["reached"], Value::Null, "{kind:?}");
}
