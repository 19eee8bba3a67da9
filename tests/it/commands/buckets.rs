//! `archive` to a bucket of an S3-compatible store: what holds of folders holds there, and a store that fails loses nothing.

use std::fs;

use rustix::process::Signal;
use serde_json::Value;

use super::{CLOSED, accounts_with, ended, left, policy, sweep};
use crate::support::{
    binary,
    product::{Kind, Product},
    s3::{Meddling, Relay, S3},
};

/// Eleven years after the tests' own instant.
const AFTER: &str = "2037-06-16T12:00:00Z";
const BUCKET: &str = "copies.example";

/// Accounts 1 and 2 are due, and go to the bucket; `endpoint` is host and port.
fn product(kind: Kind, endpoint: &str) -> Product {
    let bucket = format!(
        "[buckets.\"{BUCKET}\"]\nendpoint = \"http://{endpoint}\"\naccess_key_id = \"AKIDEXAMPLE\"\nsecret_access_key_file = \"secret.key\""
    );
    let mut product = accounts_with(kind, CLOSED, "");
    product.folder.write("secret.key", "a secret of forty characters, as they are");
    product.reconfigure("", &format!("[defaults]\nfirst_sweep = \"auto\"\nhold_cool_down = \"0 days\"\n{bucket}"));
    product.rules("p", &policy(&[&archiving()]));
    product
}

fn archiving() -> String {
    format!("{CLOSED}archive = {{ to = \"s3://{BUCKET}/rows/of\", keep_for = \"10 years\" }}\n")
}

fn copies(product: &Product) -> Vec<Value> {
    product.cli("archive list --output json").expect(0).json()["copies"].as_array().expect("copies").clone()
}

/// Ids of the rows in valid copies.
fn archived(store: &S3, product: &Product) -> Vec<String> {
    let valid = copies(product).into_iter().filter(|copy| copy["status"] == "valid");
    let text = valid.map(|copy| {
        let rows = store.get(BUCKET, &format!("rows/of/{}.jsonl.zst", copy["object"].as_str().expect("a name")));
        String::from_utf8(zstd::decode_all(&rows[..]).expect("it is whole")).expect("UTF-8")
    });
    let text: String = text.collect();
    let id = |line: &str| {
        let line: Value = serde_json::from_str(line).expect("JSON");
        line["id"].as_str().map_or_else(|| line["id"].to_string(), str::to_owned)
    };
    let mut ids: Vec<String> = text.lines().map(id).collect();
    ids.sort();
    ids
}

#[test]
fn rows_are_copied_to_a_bucket_and_end_there() {
    let store = S3::start();
    store.bucket(BUCKET, true);
    for kind in Kind::ALL {
        let mut product = product(kind, &store.address);
        product.data.execute("DELETE FROM accounts WHERE id = 3");
        assert!(product.cli("check").expect(0).stdout.contains("in plain text"), "{kind:?}");
        sweep(&product, "--dry-run", 0);
        assert_eq!(store.keys(BUCKET), [""; 0], "{kind:?}: dry runs copy nothing");
        sweep(&product, "", 0);
        assert_eq!((left(&product).as_str(), archived(&store, &product).join(" ").as_str()), ("4", "1 2"), "{kind:?}");
        // The rows and the manifest, and of the pending one no version is left.
        assert_eq!(store.keys(BUCKET).len(), 2, "{kind:?}: {:?}", store.keys(BUCKET));
        product.cli("archive verify").expect(0);

        let object = copies(&product)[0]["object"].as_str().expect("a name").to_owned();
        let file = product.folder.path().join("rows.jsonl");
        product
            .run(["archive", "restore", &object, "--to", file.to_str().expect("UTF-8"), "--by", "bea", "--reason", "a dispute"])
            .expect(0);
        assert_eq!(fs::read_to_string(&file).expect("rows").lines().count(), 2, "{kind:?}");

        let key = format!("rows/of/{object}.jsonl.zst");
        let rows = store.get(BUCKET, &key);
        let mut other = rows.clone();
        other[10] ^= 1;
        store.put(BUCKET, &key, &other);
        assert!(product.cli("archive verify").expect(4).stdout.contains("don't have the size and the hash"), "{kind:?}");
        store.put(BUCKET, &key, &rows);

        let placed = product.hold(&["account:1"]).expect(0).json();
        assert_eq!(placed["holds"][0]["rows"][0]["archived"], 1, "{kind:?}: {placed}");
        product.set_now(AFTER);
        sweep(&product, "", 0);
        assert_eq!(archived(&store, &product), ["1", "2"], "{kind:?}: a hold covers a row");
        let hold = placed["holds"][0]["id"].as_str().expect("an id");
        product.run(["hold", "release", hold, "--reason", "r", "--by", "b"]).expect(0);
        sweep(&product, "", 0);
        assert_eq!((copies(&product), store.keys(BUCKET)), (Vec::new(), Vec::new()), "{kind:?}: nor is any version left");
        product.cli("archive verify").expect(0);
        product.cli("ledger verify").expect(0);
    }
}

/// Whatever it answers: no row goes whose copy is not there, other rules go on, and the next sweep does it.
#[test]
fn a_store_that_fails_stops_its_rule_alone() {
    let store = S3::start();
    let relay = Relay::before(&store);
    let product = product(Kind::Sqlite, &relay.address);
    let other = CLOSED.replace("\"closed\"", "\"other\"").replace("\"accounts\"", "\"others\"");
    product.data.execute("CREATE TABLE others AS SELECT * FROM accounts");
    product.rules("p", &policy(&[&archiving(), &format!("{other}key = [\"id\"]\n")]));

    let fails = |what: &str| {
        let report = sweep(&product, "", 1);
        assert_eq!(ended(&report), "failed archive", "{what}: {report}");
        assert!(report["rules"][0]["message"].as_str().is_some_and(|message| message.contains(what)), "{what}: {report}");
        assert_eq!(left(&product), "1 2 3 4", "{what}");
        assert!(!report.to_string().contains("a secret of") && !report.to_string().contains("Signature"), "{report}");
        report
    };
    let report = fails("NoSuchBucket");
    assert_eq!(report["rules"][1]["outcome"], "complete", "{report}");
    assert!(report["rules"][0]["message"].to_string().contains("make the bucket"), "{report}");
    store.bucket(BUCKET, false);
    relay.meddle(|_, _| Meddling::Answer(403, "AccessDenied"));
    fails("403 Forbidden (AccessDenied); see to the access key");
    relay.meddle(|_, _| Meddling::Cut);
    fails("can't list");
    relay.meddle(|method, _| if method == "PUT" { Meddling::Answer(503, "SlowDown") } else { Meddling::Pass });
    fails("503 Service Unavailable (SlowDown)");
    // Carried out, and not answered: nobody knows, so nothing goes.
    relay.meddle(|method, _| if method == "PUT" { Meddling::CutAfter } else { Meddling::Pass });
    fails("can't write");
    relay.meddle(|method, path| if method == "GET" && path.contains(".zst") { Meddling::Flip } else { Meddling::Pass });
    fails("isn't what was written there");
    relay.meddle(|method, path| if method == "PUT" && path.contains(".pending") { Meddling::Answer(507, "Full") } else { Meddling::Pass });
    fails("(Full)");

    // The rows have gone when the copy can't be made valid: settlement does it later.
    relay.meddle(
        |method, path| if method == "PUT" && path.contains(".json?") { Meddling::Answer(500, "InternalError") } else { Meddling::Pass },
    );
    assert_eq!(ended(&sweep(&product, "", 1)), "failed archive");
    assert_eq!(left(&product), "3 4");
    relay.meddle(|_, _| Meddling::Pass);
    sweep(&product, "", 0);
    assert_eq!(archived(&store, &product), ["1", "2"]);
    assert_eq!(store.keys(BUCKET).len(), 2, "{:?}", store.keys(BUCKET));
    product.cli("archive verify").expect(0);
    product.cli("ledger verify").expect(0);
}

/// Killed at every step: each row is in its table or in one valid copy, and nothing is left of tries.
#[test]
fn a_sweep_killed_while_it_archives_to_a_bucket_loses_nothing() {
    let points = [
        "archive.written",
        "act.done",
        "intent.recorded",
        "mark.done",
        "commit.after",
        "archive.twice",
        "archive.published",
        "outcome.recorded",
    ];
    let at_the_end = ["archive.twice", "archive.hidden", "archive.removed", "archive.entered"];
    let store = S3::start();
    store.bucket(BUCKET, false);
    for point in points {
        let product = product(Kind::Sqlite, &store.address);
        let run = binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
        if run.signal.is_none() {
            // The last outcome is entered when the sweep ends, if at all.
            assert_eq!(point, "outcome.recorded", "{run:#?}");
        }
        let (copied, there) = (archived(&store, &product), left(&product));
        assert!(!copied.iter().any(|id| there.contains(id)), "{point}: {copied:?} and {there:?}");
        sweep(&product, "", 0);
        assert_eq!((archived(&store, &product).join(" "), left(&product).as_str()), ("1 2".to_owned(), "3 4"), "{point}");
        assert_eq!(store.keys(BUCKET).len(), 2, "{point}: {:?}", store.keys(BUCKET));
        product.cli("archive verify").expect(0);
        emptied(&store);
    }
    for point in at_the_end {
        let mut product = product(Kind::Sqlite, &store.address);
        product.data.execute("DELETE FROM accounts WHERE id = 3");
        sweep(&product, "", 0);
        product.set_now(AFTER);
        let run = binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
        assert_eq!(run.signal, Some(Signal::KILL.as_raw()), "{point}: {run:#?}");
        sweep(&product, "", 0);
        assert_eq!((copies(&product), store.keys(BUCKET)), (Vec::new(), Vec::new()), "{point}");
        let ended = product.run(["ledger", "show", "--kind", "archive_ended", "--output", "json"]).expect(0).json();
        assert_eq!(ended["entries"].as_array().map(Vec::len), Some(1), "{point}");
        product.cli("archive verify").expect(0);
    }
}

fn emptied(store: &S3) {
    store.keys(BUCKET).iter().for_each(|key| store.remove(BUCKET, key));
}

/// A store that keeps something else than it was sent is found out before a row goes.
pub fn what_the_store_has_is_read_back(kind: Kind, fault: &str) {
    let store = S3::start();
    store.bucket(BUCKET, false);
    let relay = Relay::before(&store);
    let product = product(kind, &relay.address);
    relay.meddle(|method, path| if method == "GET" && path.contains(".zst") { Meddling::Flip } else { Meddling::Pass });
    binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_SEEDED", fault));
    assert_eq!(left(&product), "1 2 3 4", "{kind:?}");
}
