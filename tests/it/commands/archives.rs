//! `archive`: rows are copied before they go, on every engine; the copies are listed, verified, restored, held, and removed in
//! their turn.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{CLOSED, accounts_with, ended, left, policy, sweep};
use crate::support::product::{Kind, Product};

/// Eleven years after the tests' own instant.
const AFTER: &str = "2037-06-16T12:00:00Z";

const EAGER: &str = "[defaults]\nfirst_sweep = \"auto\"\nhold_cool_down = \"0 days\"";

/// The rule with an archive in the product's folder.
pub fn archived(product: &Product, rule: &str) -> String {
    format!("{rule}archive = {{ to = \"file://{}\", keep_for = \"10 years\" }}\n", folder(product).display())
}

/// Where copies are.
pub fn folder(product: &Product) -> PathBuf {
    product.folder.path().join("copies")
}

/// Accounts 1 and 2 are due, and go to the archive.
pub fn product(kind: Kind) -> Product {
    let product = accounts_with(kind, CLOSED, EAGER);
    fs::create_dir(folder(&product)).expect("a folder");
    product.rules("p", &policy(&[&archived(&product, CLOSED)]));
    product
}

pub fn copies(product: &Product) -> Vec<Value> {
    product.cli("archive list --output json").expect(0).json()["copies"].as_array().expect("copies").clone()
}

/// The rows in all valid copies, as lines.
pub fn lines(product: &Product) -> Vec<String> {
    let mut lines = Vec::new();
    for copy in copies(product).iter().filter(|copy| copy["status"] == "valid") {
        let file = folder(product).join(format!("{}.jsonl.zst", copy["object"].as_str().expect("a name")));
        let text = zstd::decode_all(fs::File::open(file).expect("the copy")).expect("it is whole");
        lines.extend(String::from_utf8(text).expect("UTF-8").lines().map(str::to_owned));
    }
    lines.sort();
    lines
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let pattern = folder.join("**/*");
    let paths = glob::glob(pattern.to_str().expect("UTF-8")).expect("a pattern").map(|path| path.expect("a path"));
    paths.filter(|path| path.is_file()).collect()
}

fn entries(product: &Product, kind: &str) -> Vec<Value> {
    let report = product.run(["ledger", "show", "--kind", kind, "--output", "json"]).expect(0).json();
    report["entries"].as_array().expect("entries").clone()
}

fn restore(product: &Product, more: &[&str], status: i32) -> String {
    let object = copies(product)[0]["object"].as_str().expect("a name").to_owned();
    let run = product.run(["archive", "restore", &object, "--by", "bea", "--reason", "a dispute"].iter().chain(more)).expect(status);
    run.stdout + &run.stderr
}

#[test]
fn rows_are_copied_before_they_go() {
    for kind in Kind::ALL {
        let product = product(kind);
        let plan = product.cli("plan").expect(0).stdout;
        assert!(plan.contains("before they go, and kept there for 10 years"), "{kind:?}: {plan}");
        assert!(files(&folder(&product)).is_empty(), "{kind:?}: plans copy nothing");
        sweep(&product, "--dry-run", 0);
        assert!(files(&folder(&product)).is_empty(), "{kind:?}: dry runs copy nothing");
        let report = sweep(&product, "", 0);
        assert_eq!((ended(&report).as_str(), left(&product).as_str()), ("complete -", "3 4"), "{kind:?}: {report}");
        let lines = lines(&product);
        assert_eq!(lines.len(), 2, "{kind:?}: {lines:?}");
        let ada: Value = serde_json::from_str(&lines[0]).expect("JSON");
        assert_eq!((&ada["email"], &ada["note"]), (&"ada@example.com".into(), &"a".into()), "{kind:?}");
        let copies = copies(&product);
        assert_eq!(copies.iter().filter_map(|copy| copy["rows"].as_u64()).sum::<u64>(), 2, "{kind:?}");
        assert_eq!((&copies[0]["ends_at"], &copies[0]["ended"]), (&"2036-06-15T12:00:00Z".into(), &false.into()), "{kind:?}");
        let verified = product.cli("archive verify").expect(0).stdout;
        assert!(verified.starts_with("The archives verify: "), "{kind:?}: {verified}");
        let applied = &entries(&product, "batch_applied")[0];
        assert_eq!(applied["archive"]["object"], copies[0]["object"], "{kind:?}");
        product.cli("ledger verify").expect(0);
        let gone = product.run(["explain", "app.accounts", "id=1"]).expect(0).stdout;
        assert!(gone.contains("`retentiond archive list p/closed`"), "{kind:?}: {gone}");
        for file in files(&folder(&product)) {
            assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600, "{}", file.display());
            if file.extension().is_some_and(|ending| ending == "json") {
                let manifest = fs::read_to_string(&file).expect("a manifest");
                assert!(!manifest.contains("ada@") && !manifest.contains("ben@"), "{kind:?}: {manifest}");
            }
        }
    }
}

#[test]
fn rows_come_back_and_nothing_is_written_over() {
    for kind in Kind::ALL {
        let product = product(kind);
        let all = "SELECT CAST(id AS text) || ' ' || email || ' ' || coalesce(closed_at || '', '-') || ' ' || note FROM accounts ORDER BY accounts.id";
        let all = if kind == Kind::Mariadb {
            all.replace(" || ", ", ")
                .replace("SELECT ", "SELECT concat(")
                .replace(" FROM", ") FROM")
                .replace("coalesce(closed_at, '', '-')", "coalesce(closed_at, '-')")
        } else {
            all.to_owned()
        };
        let before = product.data.column(&all);
        sweep(&product, "", 0);
        grant_insert(&product);
        assert!(restore(&product, &["--dry-run"], 0).contains("could be restored"), "{kind:?}");
        assert_eq!(left(&product), "3 4", "{kind:?}");
        let file = product.folder.path().join("rows.jsonl");
        restore(&product, &["--to", file.to_str().expect("UTF-8")], 0);
        assert_eq!(fs::read_to_string(&file).expect("the file").lines().count(), 2, "{kind:?}");
        assert!(restore(&product, &["--to", file.to_str().expect("UTF-8")], 2).contains("nothing is written over"), "{kind:?}");
        let told = restore(&product, &[], 0);
        assert!(told.contains("2 rows restored") && told.contains("takes them again"), "{kind:?}: {told}");
        assert_eq!(product.data.column(&all), before, "{kind:?}");
        assert!(restore(&product, &[], 3).contains("nothing was restored"), "{kind:?}");
        let asked = entries(&product, "archive_restored");
        let into: Vec<_> = asked.iter().filter_map(|entry| entry["into"].as_str()).collect();
        assert_eq!(into, ["file", "table", "table"], "{kind:?}");
        assert!(asked[0]["texts"].to_string().contains("a dispute"), "{kind:?}");
        let restored = entries(&product, "batch_applied");
        assert_eq!((&restored[1]["action"], &restored[1]["rows"]), (&"restore".into(), &2.into()), "{kind:?}");
        // They are due still, and go once more.
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?}");
        assert_eq!((left(&product).as_str(), lines(&product).len()), ("3 4", 4), "{kind:?}");
        product.cli("ledger verify").expect(0);
        product.cli("archive verify").expect(0);
    }
}

/// What restoring takes, and sweeps don't.
fn grant_insert(product: &Product) {
    match product.kind {
        Kind::Sqlite => {}
        Kind::Postgres => product.data.execute("GRANT INSERT ON accounts TO retentiond"),
        Kind::Mariadb => product.data.execute(&format!("GRANT INSERT ON accounts TO {}", product.data.role())),
    }
}

#[test]
fn copies_end_and_holds_reach_them() {
    for kind in Kind::ALL {
        let mut product = product(kind);
        product.data.execute("DELETE FROM accounts WHERE id = 3");
        sweep(&product, "", 0);
        let placed = product.hold(&["email:ADA@example.com", "account:1"]).expect(0).json();
        let rows = &placed["holds"][0]["rows"][0];
        assert_eq!((&rows["rows"], &rows["archived"]), (&0.into(), &1.into()), "{kind:?}: {placed}");
        product.set_now(AFTER);
        sweep(&product, "", 0);
        assert_eq!((copies(&product).len(), &copies(&product)[0]["ended"]), (1, &true.into()), "{kind:?}: a hold covers a row");
        let hold = placed["holds"][0]["id"].as_str().expect("an id");
        product.run(["hold", "release", hold, "--reason", "r", "--by", "b"]).expect(0);
        sweep(&product, "", 0);
        assert_eq!(copies(&product), Vec::<Value>::new(), "{kind:?}");
        assert!(files(&folder(&product)).is_empty(), "{kind:?}");
        let ended = entries(&product, "archive_ended");
        assert_eq!((ended.len(), &ended[0]["rows"], &ended[0]["ends_at"]), (1, &2.into(), &"2036-06-15T12:00:00Z".into()), "{kind:?}");
        product.cli("archive verify").expect(0);
        product.cli("ledger verify").expect(0);
    }
}

/// A rule that keeps copies longer by now keeps older ones longer too, and one that keeps them less long does not.
#[test]
fn a_copy_is_never_kept_less_long_than_was_said() {
    let mut product = product(Kind::Sqlite);
    sweep(&product, "", 0);
    let said = archived(&product, CLOSED);
    product.rules("p", &policy(&[&said.replace("10 years", "1 year")]));
    product.set_now("2030-06-16T12:00:00Z");
    sweep(&product, "", 0);
    assert_eq!(copies(&product).len(), 2, "{:?}: one of then and one of the account that ended since", copies(&product));
    product.rules("p", &policy(&[&said.replace("10 years", "20 years")]));
    product.set_now(AFTER);
    sweep(&product, "", 0);
    assert_eq!(copies(&product).len(), 2);
}

#[test]
fn what_became_of_a_copy_shows() {
    let product = product(Kind::Sqlite);
    sweep(&product, "", 0);
    let found = |what: &str| {
        let run = product.cli("archive verify").expect(4);
        assert!(run.stdout.starts_with("THE ARCHIVES DO NOT VERIFY") && run.stdout.contains(what), "{}", run.stdout);
    };
    let [manifest, rows] = ["json", "zst"].map(|ending| {
        files(&folder(&product)).into_iter().find(|file| file.extension().is_some_and(|other| other == ending)).expect("a file")
    });
    let (text, bytes) = (fs::read_to_string(&manifest).expect("it"), fs::read(&rows).expect("it"));
    let mut changed = bytes.clone();
    changed[10] ^= 1;
    fs::write(&rows, changed).expect("written");
    found("don't have the size and the hash");
    assert!(restore(&product, &["--dry-run"], 3).contains("isn't what was written"));
    fs::remove_file(&rows).expect("removed");
    found("is missing");
    fs::write(&rows, &bytes).expect("written");
    fs::write(&manifest, text.replace("\"rows\": 2", "\"rows\": 1")).expect("written");
    found("its lines aren't those of its manifest");
    fs::write(&manifest, "{}").expect("written");
    found("no manifest of this copy");
    fs::remove_file(&manifest).expect("removed");
    // The rows without a manifest are nobody's, and the ledger knows better.
    let run = product.cli("archive verify --output json").expect(0).json();
    assert_eq!(run["unsettled"], 1, "{run}");
    fs::remove_file(&rows).expect("removed");
    found("the ledger has a batch whose rows are there");
}

/// The rule stops, no row goes, and other rules go on.
#[test]
fn an_archive_that_can_not_be_written_stops_its_rule_alone() {
    for kind in Kind::ALL {
        let product = product(kind);
        let other = CLOSED.replace("\"closed\"", "\"other\"").replace("\"accounts\"", "\"others\"");
        product.data.execute("CREATE TABLE others AS SELECT * FROM accounts");
        product.rules("p", &policy(&[&archived(&product, CLOSED), &format!("{other}key = [\"id\"]\n")]));
        fs::remove_dir(folder(&product)).expect("removed");
        let check = product.cli("check --output json").json();
        assert!(check["rules"][0]["blocked"].to_string().contains("file://"), "{kind:?}: {check}");
        let report = sweep(&product, "", 1);
        assert_eq!(ended(&report), "failed archive", "{kind:?}: {report}");
        assert_eq!(report["rules"][1]["outcome"], "complete", "{kind:?}: {report}");
        assert_eq!(left(&product), "1 2 3 4", "{kind:?}");
        fs::create_dir(folder(&product)).expect("a folder");
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?}");
        assert_eq!(left(&product), "3 4", "{kind:?}");
    }
}

/// To copy takes no row more; not to copy any more, or for less long, is a person's to say.
#[test]
fn an_archive_that_goes_waits_for_a_person() {
    let product = accounts_with(Kind::Sqlite, CLOSED, "");
    fs::create_dir(folder(&product)).expect("a folder");
    sweep(&product, "--approve", 0);
    product.rules("p", &policy(&[&archived(&product, CLOSED)]));
    assert_eq!(ended(&sweep(&product, "", 0)), "nothing_due -");
    product.data.execute("INSERT INTO accounts VALUES (5, 'e', '2020-01-01 00:00:00', 'e')");
    for rule in [CLOSED.to_owned(), archived(&product, CLOSED).replace("10 years", "1 year")] {
        product.rules("p", &policy(&[&rule]));
        let report = sweep(&product, "", 3);
        assert_eq!(ended(&report), "guarded approval", "{report}");
        assert!(report.to_string().contains("`archive` was"), "{report}");
    }
    assert_eq!(left(&product), "3 4 5");
}

#[test]
fn what_can_not_be_found_twice_is_not_archived() {
    let product = product(Kind::Mariadb);
    product.data.execute("CREATE TABLE bare AS SELECT * FROM accounts");
    product.rules("p", &policy(&[&archived(&product, &CLOSED.replace("\"accounts\"", "\"bare\""))]));
    let report = sweep(&product, "", 3);
    assert_eq!(ended(&report), "refused unsupported", "{report}");
    assert!(report.to_string().contains("no order in which the same ones could be found twice"), "{report}");
}

#[test]
fn partitions_are_not_dropped_unseen() {
    let product = Product::new(Kind::Postgres, &format!("{EAGER}\nmax_share = 1.0")).at(super::NOW);
    fs::create_dir(folder(&product)).expect("a folder");
    product.data.execute(
        "CREATE TABLE accounts (id bigint, email text, closed_at timestamptz) PARTITION BY RANGE (closed_at);
         CREATE TABLE old PARTITION OF accounts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         INSERT INTO accounts VALUES (1, 'a', '2020-02-01'), (2, 'b', '2020-02-01')",
    );
    product.rules("p", &policy(&[&archived(&product, &format!("{CLOSED}partitions = \"drop\"\n"))]));
    product.init();
    sweep(&product, "", 0);
    assert_eq!((left(&product).as_str(), lines(&product).len()), ("", 2));
    assert_eq!(product.data.number("SELECT count(*) FROM pg_class WHERE relname = 'old'"), 1);
}

#[test]
fn the_schedule_says_that_copies_are_kept() {
    let product = product(Kind::Sqlite);
    let text = product.cli("schedule").expect(0).stdout;
    assert!(text.contains("Deleted after 3 years; archived, and kept there for 10 years"), "{text}");
    let json = product.cli("schedule --format json").expect(0).json().to_string();
    assert!(json.contains("counted from when it was made"), "{json}");
}

/// Rows of an heir may have columns of their own, which a copy of the parent's would lack.
#[test]
fn a_table_with_heirs_is_not_archived_through_it() {
    let product = product(Kind::Postgres);
    product.data.execute("CREATE TABLE more (extra text) INHERITS (accounts)");
    let report = sweep(&product, "", 3);
    assert_eq!(ended(&report), "refused unsupported", "{report}");
    assert!(report.to_string().contains("tables inherit from it"), "{report}");
}

/// Whose the rows of a copy are is said in another table, which is not in it: any held subject of the kind covers them.
#[test]
fn a_copy_that_does_not_say_whose_it_is_stays_for_anybody() {
    for kind in Kind::ALL {
        let mut product = accounts_with(kind, CLOSED, EAGER);
        fs::create_dir(folder(&product)).expect("a folder");
        product.data.execute(
            "CREATE TABLE owners (account bigint PRIMARY KEY, name text); INSERT INTO owners VALUES (1, 'ada'), (2, 'ben'), (3, 'cyd')",
        );
        let rule = archived(&product, CLOSED)
            .replace("email = \"email\"", "name = { column = \"name\", table = \"owners\", on = { id = \"account\" } }");
        product.rules("p", &policy(&[&rule]));
        sweep(&product, "", 0);
        assert_eq!(left(&product), "3 4", "{kind:?}");
        product.data.execute("DELETE FROM accounts WHERE id = 3");
        product.hold(&["name:dot"]).expect(0);
        product.set_now(AFTER);
        sweep(&product, "", 0);
        assert_eq!(copies(&product).len(), 1, "{kind:?}");
    }
}
