//! `suppress`: the opt-out of a row that goes is kept, on every engine; where it can't be, the row stays and is named.

use serde_json::Value;

use super::{CLOSED, NOW, ended, left, policy, sweep};
use crate::support::{
    binary::{Run, run},
    product::{Kind, Product},
    session::Session,
    until,
};

/// The keyed hash of the address, when and why.
const SUPPRESS: &str = r#"
suppress = { table = "suppressions", columns = { email_hash = { from = "email", strategy = "hmac", key = "pepper", normalise = "email" }, source = { fixed = "retention" }, list = { from = "list" }, since = { now = true } } }
"#;

/// HMAC-SHA-256 of `ada@example.com`, `ben@example.com` and `new@example.com` with the key of these tests.
const ADA: &str = "50542af316340b836af025bdc3be86a762a21912226b6682a138db54f4727fd4";
const BEN: &str = "5a94b9de5103dcf32ceb8483c02259eef3628fb4c1fe97c923715113532407df";
const NEW: &str = "bef3d6e5faaa68b19c3528ac5ad92afafcaed9b4b6c2c066b4ff087cf7da410b";

/// Closed accounts; 1 to 6 are due. 2 has the address of 1 in another spelling, 3 one that is on the list, 4 and 5 none.
fn product_with(kind: Kind, rule: &str, key: &str) -> Product {
    let rest = "[keys.pepper]\nfile = \"pepper.key\"\n[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0";
    let product = Product::new(kind, rest).at(NOW);
    let time = kind.pick("text", "timestamptz", "datetime(6)");
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, email varchar(60), closed_at {time}, list varchar(60));
         INSERT INTO accounts VALUES (1, 'ada@example.com', '2020-02-29 10:00:00', 'a'), (2, ' ADA@example.com ', '2020-06-01 08:30:00', 'b'),
           (3, 'ben@example.com', '2020-06-01 08:30:00', 'c'), (4, NULL, '2020-06-01 08:30:00', 'd'), (5, ' ', '2020-06-01 08:30:00', 'e'),
           (6, 'cyd@example.com', '2020-06-01 08:30:00', NULL), (7, 'dot@example.com', NULL, 'g');
         CREATE TABLE suppressions (email_hash varchar(64) NOT NULL {key}, source varchar(20), list varchar(5), since {time},
           CHECK (list <> 'never'));
         INSERT INTO suppressions (email_hash, source) VALUES ('{BEN}', 'unsubscribed')"
    ));
    product.rules("p", &policy(&[rule]));
    product.folder.write("pepper.key", "a key of sufficient length");
    product.init();
    product
}

fn product(kind: Kind) -> Product {
    product_with(kind, &format!("{CLOSED}{SUPPRESS}"), "UNIQUE")
}

/// What is on the list: hash, source and list of each entry.
fn entries(product: &Product) -> String {
    let entry = "coalesce(email_hash, '-') || ' ' || coalesce(source, '-') || ' ' || coalesce(list, '-')";
    let entry = if product.data.kind() == Kind::Mariadb {
        "concat(coalesce(email_hash, '-'), ' ', coalesce(source, '-'), ' ', coalesce(list, '-'))"
    } else {
        entry
    };
    product.data.column(&format!("SELECT {entry} FROM suppressions ORDER BY email_hash")).join("\n")
}

fn opt_outs(report: &Value) -> &Value {
    &report["rules"][0]["opt_outs"]
}

fn refused(report: &Value) -> Vec<&str> {
    opt_outs(report)["refused"].as_array().into_iter().flatten().filter_map(|refused| refused["row"].as_str()).collect()
}

#[test]
fn the_opt_out_of_each_row_that_goes_is_kept() {
    for kind in Kind::ALL {
        let product = product(kind);
        product.cli("check").expect(0);
        let report = sweep(&product, "", 0);
        assert_eq!(ended(&report), "complete -", "{kind:?}: {report}");
        assert_eq!(left(&product), "7", "{kind:?}");
        let entries = entries(&product);
        // One that is there stays as it was; of two spellings of an address the first is kept.
        assert!(entries.contains(&format!("{BEN} unsubscribed -")), "{kind:?}: {entries}");
        assert!(entries.contains(&format!("{ADA} retention ")), "{kind:?}: {entries}");
        assert_eq!(entries.lines().count(), 3, "{kind:?}: {entries}");
        assert_eq!(product.data.number("SELECT count(*) FROM suppressions WHERE since IS NOT NULL"), 2, "{kind:?}");
        assert_eq!(opt_outs(&report)["without_address"], 2, "{kind:?}: {report}");
        let batches = product.cli("ledger export").expect(0).json_lines();
        let applied = batches.iter().filter(|entry| entry["kind"] == "batch_applied");
        assert_eq!(applied.filter_map(|entry| entry["without_address"].as_u64()).sum::<u64>(), 2, "{kind:?}: {batches:?}");
    }
}

#[test]
fn a_row_that_the_list_does_not_take_stays_and_is_named() {
    for kind in Kind::ALL {
        let product = product(kind);
        let too_long = kind.pick("'never'", "'much too long'", "'much too long'");
        product.data.execute(&format!(
            "UPDATE accounts SET list = 'never' WHERE id = 6;
             INSERT INTO accounts VALUES (8, 'eve@example.com', '2020-06-01 08:30:00', {too_long})"
        ));
        let run = product.cli("sweep --output json").expect(1);
        let report = run.json();
        assert_eq!(ended(&report), "failed opt_out", "{kind:?}: {report}");
        let message = report["rules"][0]["message"].as_str().unwrap_or_default();
        assert!(message.starts_with("2 rows stay due, because their opt-outs were not taken by suppressions: "), "{kind:?}: {message}");
        assert_eq!(refused(&report), ["id=6", "id=8"], "{kind:?}: {report}");
        assert!(run.stderr.contains("id=6") && run.stderr.contains("id=8"), "{kind:?}: {}", run.stderr);
        assert_eq!(left(&product), "6 7 8", "{kind:?}");
        let ledger = product.cli("ledger export").expect(0).stdout;
        assert!(!ledger.contains("id=6") && ledger.contains("2 rows stay due"), "{kind:?}: {ledger}");
        product.data.execute("UPDATE accounts SET list = 'x' WHERE id IN (6, 8)");
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?}");
        assert_eq!(left(&product), "7", "{kind:?}");
        assert_eq!(entries(&product).lines().count(), 4, "{kind:?}");
    }
}

/// Only an entry with the same key is success.
#[test]
fn another_unique_key_is_not_passed_over() {
    for kind in Kind::ALL {
        let product = product(kind);
        product.data.execute("CREATE UNIQUE INDEX of_lists ON suppressions (list); UPDATE suppressions SET list = 'a'");
        let report = sweep(&product, "", 1);
        assert_eq!(refused(&report), ["id=1"], "{kind:?}: {report}");
        assert_eq!(left(&product), "1 7", "{kind:?}");
    }
}

#[test]
fn without_a_unique_key_the_rule_is_refused_with_the_statement_to_run() {
    for kind in Kind::ALL {
        let product = product_with(kind, &format!("{CLOSED}{SUPPRESS}"), "");
        let report = sweep(&product, "", 3);
        assert_eq!(ended(&report), "refused unsupported", "{kind:?}: {report}");
        let message = report["rules"][0]["message"].as_str().unwrap_or_default().to_owned();
        let (_, statement) = message.split_once("run: ").unwrap_or_else(|| panic!("{kind:?}: {message}"));
        assert!(statement.contains("UNIQUE INDEX"), "{kind:?}: {statement}");
        assert_eq!(left(&product), "1 2 3 4 5 6 7", "{kind:?}");
        let one_column = SUPPRESS.replace(", list = { from = \"list\" }", "");
        product.rules("p", &policy(&[&format!("{CLOSED}{one_column}")]));
        let report = sweep(&product, "", 3);
        let message = report["rules"][0]["message"].as_str().unwrap_or_default().to_owned();
        product.data.execute(message.split_once("run: ").expect("a statement").1.trim_end_matches(';'));
        sweep(&product, "", 0);
        assert_eq!(left(&product), "7", "{kind:?}");
    }
}

#[test]
fn what_can_not_be_written_refuses_the_rule() {
    for kind in Kind::ALL {
        let product = product(kind);
        let number = "CREATE TABLE numbers (n bigint PRIMARY KEY); CREATE TABLE narrow (h varchar(63) PRIMARY KEY);";
        product.data.execute(&format!("{number} CREATE VIEW shown AS SELECT * FROM suppressions"));
        let to = |table: &str, columns: &str| format!("{CLOSED}suppress = {{ table = \"{table}\", columns = {{ {columns} }} }}\n");
        const HASHED: &str = "{ from = \"email\", strategy = \"hmac\", key = \"pepper\" }";
        for (rule, reason, named) in [
            (to("suppression", &format!("email_hash = {HASHED}")), "missing_table", "has no such table"),
            (to("suppressions", &format!("hash = {HASHED}")), "missing_column", "which suppressions does not have"),
            (to("suppressions", &HASHED.replace("email", "mail").replace("{ from", "email_hash = { from")), "missing_column", "`mail`"),
            (to("shown", &format!("email_hash = {HASHED}")), "not_a_table", "opt-outs go to shown"),
            (to("accounts", &format!("email = {HASHED}")), "unsupported", "those are the rows that go"),
            (to("numbers", "n = { from = \"email\" }"), "strategy", "can't be written"),
            (
                to("suppressions", &format!("email_hash = {HASHED}, source = {{ fixed = \"{}\" }}", "x".repeat(30))),
                kind.pick("", "strategy", "strategy"),
                "source",
            ),
        ] {
            if reason.is_empty() {
                continue; // Nothing is too long for SQLite.
            }
            product.rules("p", &policy(&[&rule]));
            let check = product.cli("check --output json").expect(2).json();
            assert!(check["rules"][0]["place"]["line"].as_u64() > Some(10), "{kind:?}: {check}");
            let report = sweep(&product, "", 3);
            assert_eq!(ended(&report), format!("refused {reason}"), "{kind:?}: {report}");
            assert!(report["rules"][0]["message"].as_str().is_some_and(|message| message.contains(named)), "{kind:?}: {report}");
        }
        assert_eq!(left(&product), "1 2 3 4 5 6 7", "{kind:?}");
    }
}

/// A trigger on the list has to be allowed like one on the rows, and its body is part of what is approved.
#[test]
fn a_trigger_on_the_list_has_to_be_allowed() {
    for kind in Kind::ALL {
        let product = product(kind);
        product.data.execute("CREATE TABLE told (h varchar(64))");
        product.data.execute(kind.pick(
            "CREATE TRIGGER tell AFTER INSERT ON suppressions BEGIN INSERT INTO told VALUES (new.email_hash); END",
            "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS 'BEGIN INSERT INTO told VALUES (new.email_hash); RETURN new; END';
             CREATE TRIGGER tell AFTER INSERT ON suppressions FOR EACH ROW EXECUTE FUNCTION tell()",
            "CREATE TRIGGER tell AFTER INSERT ON suppressions FOR EACH ROW INSERT INTO told VALUES (new.email_hash)",
        ));
        let report = sweep(&product, "", 3);
        assert_eq!(ended(&report), "refused trigger", "{kind:?}: {report}");
        let allowed = format!("{CLOSED}{SUPPRESS}triggers = [{{ name = \"tell\", reason = \"an audit\" }}]\n");
        product.rules("p", &policy(&[&allowed]));
        let check = product.cli("check").expect(0).stdout;
        assert!(!check.contains("no trigger of that name"), "{kind:?}: {check}");
        sweep(&product, "", 0);
        assert_eq!(product.data.number("SELECT count(*) FROM told"), 2, "{kind:?}");
    }
}

/// A role that may not insert is told so before anything goes; `grants` prints the least that does.
#[test]
fn the_list_has_to_be_writable() {
    for kind in Kind::SERVERS {
        let mut product = product(kind);
        let role = product.data.role();
        let printed = product.run(["grants", "app", "--config", "dba.toml", "--role", &role]).expect(0).stdout;
        let granted = printed.lines().find(|line| line.starts_with("GRANT") && line.contains("suppressions")).expect("a grant").to_owned();
        assert!(granted.starts_with("GRANT SELECT, INSERT ON "), "{kind:?}: {granted}");
        product.cli("check").expect(0);
        product.grant_by_hand();
        let revoke = granted.replacen("GRANT SELECT, INSERT", "REVOKE INSERT", 1).replace(" TO ", " FROM ");
        product.data.execute(&if kind == Kind::Mariadb { format!("SET sql_mode = 'ANSI_QUOTES'; {revoke}") } else { revoke });
        assert_eq!(ended(&sweep(&product, "", 3)), "refused privileges", "{kind:?}");
        assert_eq!(left(&product), "1 2 3 4 5 6 7", "{kind:?}");
    }
}

#[test]
fn a_dry_run_finds_the_rows_that_would_stay_and_changes_nothing() {
    for kind in Kind::ALL {
        let product = product(kind);
        product.data.execute("UPDATE accounts SET list = 'never' WHERE id = 6");
        let report = sweep(&product, "--dry-run --all", 1);
        assert_eq!(refused(&report), ["id=6"], "{kind:?}: {report}");
        assert_eq!((left(&product).as_str(), entries(&product).lines().count()), ("1 2 3 4 5 6 7", 1), "{kind:?}");
    }
}

/// Where a whole list takes nothing, rows are not looked for one by one for ever.
#[test]
fn a_list_that_takes_nothing_ends_the_sweep() {
    for kind in Kind::ALL {
        let product = product(kind);
        product.data.execute(&format!(
            "INSERT INTO accounts {} SELECT i, CAST(i AS {}), '2020-06-01 08:30:00', 'never' FROM n",
            kind.numbers(100, 400),
            kind.pick("text", "text", "char(20)")
        ));
        let report = sweep(&product, "", 1);
        assert_eq!(ended(&report), "failed opt_out", "{kind:?}: {report}");
        assert!(report.to_string().contains("100 rows and perhaps more stay due"), "{kind:?}: {report}");
        assert_eq!(left(&product).split(' ').count(), 308, "{kind:?}");
    }
}

/// Row and opt-out go and come together, wherever the process dies.
#[test]
fn a_crash_leaves_both_or_neither() {
    std::thread::scope(|scope| {
        for kind in Kind::ALL {
            scope.spawn(move || {
                for point in ["act.done", "intent.recorded", "mark.done", "commit.before", "commit.after"] {
                    let product = product(kind);
                    let killed = run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
                    assert_eq!(killed.signal, Some(9), "{kind:?} at {point}: {killed:?}");
                    let together = (left(&product), entries(&product).lines().count());
                    let (before, after) = (("1 2 3 4 5 6 7".to_owned(), 1), ("7".to_owned(), 3));
                    assert!(together == before || together == after, "{kind:?} at {point}: {together:?}");
                    sweep(&product, "", 0);
                    assert_eq!((left(&product), entries(&product).lines().count()), after, "{kind:?} at {point}");
                    product.cli("ledger verify").expect(0);
                }
            });
        }
    });
}

/// Somebody changes an address while the batch waits for the row: what goes to the list is what went.
pub fn the_opt_out_is_of_the_row_that_went(kind: Kind, fault: &str) {
    let product = product(kind);
    let application = Session::open(&product.data);
    application.run("BEGIN; UPDATE accounts SET email = 'new@example.com' WHERE id = 1; DELETE FROM accounts WHERE id = 2");
    let mut command = product.command(["sweep", "--output", "json"]);
    command.env("RETENTIOND_TEST_SEEDED", fault);
    let sweeping = std::thread::spawn(move || run(&mut command));
    until("a sweep that waits for the row", || (product.data.waiting() > 0).then_some(()));
    application.run("COMMIT");
    let run: Run = sweeping.join().expect("the sweep");
    run.expect(0);
    let entries = entries(&product);
    assert!(entries.contains(NEW) && !entries.contains(ADA), "{kind:?}: {entries}");
}

#[test]
fn an_address_that_changes_meanwhile() {
    for kind in Kind::SERVERS {
        the_opt_out_is_of_the_row_that_went(kind, "none");
    }
}
