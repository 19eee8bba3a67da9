//! `evidence`: digests of exactly what went, on every engine; what the ledger tells by them, and what it refuses to tell.

use ::hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{CLOSED, NOW, accounts_with, ended, left, policy, sweep};
use crate::support::{
    binary,
    product::{Kind, Product},
    sqlite::Sqlite,
};

const KEY: &str = "a key of sufficient length";
const EAGER: &str = "[keys.evidence]\nfile = \"pepper.key\"\n[defaults]\nfirst_sweep = \"auto\"";

const VISITS: &str = r#"
id = "visits"
category = "visit"
source = "app"
table = "visits"
subject = { email = "email", phone = "phone" }
start = "seen_at"
start_format = "timestamp"
keep_for = "1 year"
"#;

/// Three rows are due, one is undated. Sites and addresses are what people write there.
fn visits(kind: Kind, rule: &str) -> Product {
    let product = accounts_with(kind, CLOSED, EAGER);
    let (text, time) = (kind.pick("text", "text", "varchar(60)"), kind.pick("text", "timestamptz", "datetime(6)"));
    product.data.execute(&format!(
        "CREATE TABLE visits (site {text} NOT NULL, id bigint NOT NULL, email {text}, phone {text}, seen_at {time}, PRIMARY KEY (site, id));
         INSERT INTO visits VALUES ('O''Brien \"|ü', 1, 'Ada@example.com', NULL, '2020-01-01 00:00:00'),
            ('b', 2, NULL, NULL, '2020-01-02 00:00:00'), ('b', 3, 'Ada@example.com', '+49 1', '2020-01-03 00:00:00'), ('b', 4, 'dot@example.com', NULL, NULL)"
    ));
    product.rules("p", &policy(&[&format!("{VISITS}{rule}")]));
    product
}

fn state(product: &Product) -> Sqlite {
    Sqlite::at(product.folder.path().join("state.db"))
}

fn leaves(product: &Product) -> Vec<String> {
    let digests = state(product).column("SELECT digest FROM evidence_leaf ORDER BY source, lane, lane_seq, position");
    digests.into_iter().flatten().collect()
}

/// As `docs/evidence.md` says it, and as nothing of the program does.
fn digest(parts: &[&str]) -> String {
    let mut message = Vec::new();
    for part in parts {
        message.extend((part.len() as u64).to_be_bytes());
        message.extend(part.as_bytes());
    }
    let mut keyed: Hmac<Sha256> = Hmac::new_from_slice(KEY.as_bytes()).expect("a key");
    keyed.update(&message);
    keyed.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn schema(product: &Product) -> String {
    match product.kind {
        Kind::Sqlite => "main".to_owned(),
        Kind::Postgres => "public".to_owned(),
        Kind::Mariadb => product.data.column("SELECT DATABASE()").remove(0),
    }
}

fn applied(product: &Product) -> Value {
    product.run(["ledger", "show", "--kind", "batch_applied", "--output", "json"]).expect(0).json()["entries"].clone()
}

fn certificate(product: &Product, words: &[&str]) -> Value {
    let certificate = ["ledger", "certificate", "--output", "json"].into_iter().chain(words.iter().copied());
    product.run(certificate).expect(0).json()
}

fn verify(product: &Product, certificate: &str, status: i32) -> String {
    product.folder.write("certificate.json", certificate);
    product.cli("ledger certificate --verify certificate.json").expect(status).stdout
}

/// The root over sorted leaves, by the recursion of RFC 9162.
fn root(leaves: &[String]) -> String {
    fn bytes(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex")).collect()
    }
    fn hash(leaves: &[String]) -> Vec<u8> {
        if let [leaf] = leaves {
            return Sha256::digest([vec![0], bytes(leaf)].concat()).to_vec();
        }
        let mut left = 1;
        while left * 2 < leaves.len() {
            left *= 2;
        }
        Sha256::digest([vec![1], hash(&leaves[..left]), hash(&leaves[left..])].concat()).to_vec()
    }
    hash(leaves).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_row_that_went_has_its_digest_and_no_other() {
    for kind in Kind::ALL {
        let product = visits(kind, "action = \"delete\"\nevidence = \"row\"");
        sweep(&product, "--dry-run", 0);
        assert!(leaves(&product).is_empty(), "{kind:?}");
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?}");
        let site = kind.pick("O'Brien \"|ü", "O'Brien \"|ü", "o'brien \"|ü");
        let row =
            |site: &str, id: &str| digest(&["retentiond evidence 1", "row", "app", &schema(&product), "visits", "site", site, "id", id]);
        let mut expected = vec![row(site, "1"), row("b", "2"), row("b", "3")];
        expected.sort();
        assert_eq!(leaves(&product), expected, "{kind:?}");
        let entry = &applied(&product)[0];
        assert_eq!((&entry["evidence"]["leaves"], &entry["evidence"]["level"]), (&3.into(), &"row".into()), "{kind:?}: {entry}");
        assert_eq!(entry["evidence"]["root"], root(&expected), "{kind:?}");
        product.cli("ledger verify").expect(0);
        let explain = |id: &str| product.run(["explain", "app.visits", "site=b", id]).expect(0).stdout;
        assert!(explain("id=2").contains("p/visits took it (delete): entry "), "{kind:?}: {}", explain("id=2"));
        let never = explain("id=5");
        assert!(never.contains("None of the 1 batches with digests of rows took it, written like that."), "{kind:?}: {never}");
        let part = product.run(["explain", "app.visits", "id=77"]).expect(0).stdout;
        assert!(part.contains("could not be asked: its rows are named by site and id"), "{kind:?}: {part}");
    }
}

#[test]
fn subjects_are_those_of_before_and_each_is_digested_once() {
    for kind in Kind::ALL {
        let rule = "action = \"anonymise\"\nanonymise = { email = \"null\" }\nunlinks = true\nevidence = \"subject\"";
        let product = visits(kind, rule);
        let report = sweep(&product, "", 0);
        assert_eq!((ended(&report).as_str(), &report["rules"][0]["acted"]), ("complete -", &2.into()), "{kind:?}: {report}");
        let of =
            |subject: &str, value: &str| digest(&["retentiond evidence 1", "subject", "app", &schema(&product), "visits", subject, value]);
        let mut expected = vec![of("email", kind.pick("Ada@example.com", "Ada@example.com", "ada@example.com")), of("phone", "+49 1")];
        expected.sort();
        assert_eq!(leaves(&product), expected, "{kind:?}");
        product.cli("ledger verify").expect(0);
        let took = |subject: &str| certificate(&product, &["--subject", subject])["answer"]["took"].as_array().map_or(0, Vec::len);
        assert_eq!((took("email:Ada@example.com"), took("phone:+49 1"), took("email:dot@example.com")), (1, 1, 0), "{kind:?}");
        assert_eq!(took("email:ADA@example.com"), usize::from(kind == Kind::Mariadb), "{kind:?}");
        let other = certificate(&product, &["--subject", "name:Ada"]);
        assert_eq!(
            (&other["answer"]["asked"], other["answer"]["not_asked"].as_object().map_or(0, serde_json::Map::len)),
            (&0.into(), 1),
            "{kind:?}"
        );
    }
}

#[test]
fn certificates_hold_until_somebody_changes_them() {
    let product = visits(Kind::Sqlite, "action = \"delete\"\nevidence = \"row\"");
    product.hold(&["email:dot@example.com"]).expect(0);
    sweep(&product, "", 0);
    let asked = ["--row", "app.visits", "site=b", "id=2"];
    let document = product.run(["ledger", "certificate"].into_iter().chain(asked)).expect(0).stdout;
    for part in [
        "# Certificate of retention",
        "| p/visits | app.visits | delete | 3 | 0 | 1 | 1 |",
        "site=b id=2",
        "took it.",
        "What this does not prove",
    ] {
        assert!(document.contains(part), "{part}: {document}");
    }
    let certificate = certificate(&product, &asked);
    assert_eq!(certificate["holds"].as_array().map(Vec::len), Some(1), "{certificate:#}");
    let text = certificate.to_string();
    assert!(verify(&product, &text, 0).contains("was compared with it"));
    let root = certificate["answer"]["took"][0]["entry"]["evidence"]["root"].as_str().expect("a root").to_owned();
    let beside = certificate["answer"]["took"][0]["path"][0].as_str().expect("a hash").to_owned();
    for (what, from, to) in [
        ("a count", "\"rows\":3,\"dragged\"", "\"rows\":4,\"dragged\""),
        ("the row", "\"id\",\"2\"", "\"id\",\"5\""),
        ("the root", root.as_str(), beside.as_str()),
        ("a hash beside the way", beside.as_str(), root.as_str()),
        ("what is not proved", "exports, other systems", "other systems"),
        ("the head", certificate["ledger"]["head"].as_str().expect("a hash"), root.as_str()),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text, "{what}");
        assert!(verify(&product, &changed, 4).contains("DOES NOT HOLD"), "{what}");
    }
    // Where only the proofs can be checked, it is said.
    let foreign = text.replace(certificate["ledger"]["state_id"].as_str().expect("an id"), "00");
    assert!(verify(&product, &foreign, 0).contains("not compared with its ledger"));

    product.cli("ledger export --file entries.jsonl --leaves leaves.jsonl").expect(0);
    product.cli("ledger verify --file entries.jsonl --leaves leaves.jsonl").expect(0);
    let beside = std::fs::read_to_string(product.folder.path().join("leaves.jsonl")).expect("the digests");
    product.folder.write("leaves.jsonl", &beside.replacen(&leaves(&product)[0], &root, 1));
    product.cli("ledger verify --file entries.jsonl --leaves leaves.jsonl").expect(4);

    for change in
        ["UPDATE evidence_leaf SET digest = lower(hex(randomblob(32))) WHERE position = 1", "DELETE FROM evidence_leaf WHERE position = 2"]
    {
        state(&product).execute(change);
        let told = product.cli("ledger verify").expect(4).stdout;
        assert!(told.contains("batch 1 of lane p/visits: it"), "{told}");
        assert!(product.run(["ledger", "certificate"]).expect(4).stderr.contains("no certificate is issued"));
    }
}

#[test]
fn another_key_can_not_be_asked_and_none_is_a_mistake() {
    let product = visits(Kind::Sqlite, "action = \"delete\"\nevidence = \"row\"");
    sweep(&product, "", 0);
    product.folder.write("pepper.key", "another key of sufficient length");
    let told = product.run(["explain", "app.visits", "site=b", "id=2"]).expect(0).stdout;
    assert!(told.contains("could not be asked: its digests were made with another key") && !told.contains("took it ("), "{told}");
    product.cli("ledger verify").expect(0);
}

/// Rows that are named by their keys, in several statements and several batches.
#[test]
fn many_rows_that_are_anonymised_have_a_digest_each() {
    for kind in Kind::ALL {
        let mut product = super::many(kind, 2_600, 0);
        product.reconfigure("", &format!("{EAGER}\n[sources.app.limits]\nmax_batch_rows = 1_500"));
        product.data.execute("ALTER TABLE many ADD COLUMN note varchar(20) DEFAULT 'x'");
        let rule = "id = \"many\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"many\"\nsubject = { account = \"id\" }\nstart = \"since\"
start_format = \"unix_s\"\nkeep_for = \"1 year\"\naction = \"anonymise\"\nanonymise = { note = { strategy = \"fixed\", value = \"-\" } }\nevidence = \"row\"\nmax_share = 1.0";
        product.rules("p", &policy(&[rule]));
        let report = sweep(&product, "", 0);
        assert_eq!((ended(&report).as_str(), &report["rules"][0]["acted"]), ("complete -", &2_600.into()), "{kind:?}");
        let mut found = leaves(&product);
        assert_eq!(found.len(), 2_600, "{kind:?}");
        found.sort();
        let row = |id: i32| digest(&["retentiond evidence 1", "row", "app", &schema(&product), "many", "id", &id.to_string()]);
        let mut expected: Vec<String> = (1..=2_600).map(row).collect();
        expected.sort();
        assert_eq!(found, expected, "{kind:?}");
        product.cli("ledger verify").expect(0);
    }
}

/// Bytes and identifiers have one text, whichever statement names their rows.
#[test]
fn keys_of_bytes_have_one_text() {
    for kind in Kind::ALL {
        for act in ["delete\"", "anonymise\"\nanonymise = { note = \"null\" }"] {
            let product = visits(kind, "action = \"delete\"");
            let (bytes, value) = (kind.pick("blob", "bytea", "varbinary(8)"), kind.pick("x'00FF6162'", "'\\x00ff6162'", "x'00FF6162'"));
            let uuid = kind.pick("text", "uuid", "uuid");
            product.data.execute(&format!(
                "CREATE TABLE tokens (token {bytes} NOT NULL, owner {uuid} NOT NULL, since bigint, note varchar(20), PRIMARY KEY (token, owner));
                 INSERT INTO tokens VALUES ({value}, 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 946684800, 'x')"
            ));
            let rule = format!(
                "id = \"tokens\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"tokens\"\nsubject = {{ account = \"owner\" }}\nstart = \"since\"
start_format = \"unix_s\"\nkeep_for = \"1 year\"\nevidence = \"row\"\naction = \"{act}"
            );
            product.rules("p", &policy(&[&rule]));
            let report = sweep(&product, "", 0);
            assert_eq!(ended(&report), "complete -", "{kind:?} {act}: {report}");
            let (schema, owner) = (schema(&product), "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11");
            let row = digest(&["retentiond evidence 1", "row", "app", &schema, "tokens", "token", "\\x00ff6162", "owner", owner]);
            assert_eq!(leaves(&product), [row], "{kind:?} {act}");
        }
    }
}

#[test]
fn a_state_on_postgresql_keeps_digests_too() {
    let product = Product::new(Kind::Sqlite, EAGER).with_state(Kind::Postgres).at(NOW);
    product.data.execute(
        "CREATE TABLE accounts (id integer PRIMARY KEY, email text, closed_at text); INSERT INTO accounts VALUES (1, 'a', '2020-01-01 00:00:00')",
    );
    product.rules("p", &policy(&[&format!("{CLOSED}evidence = \"row\"\n")]));
    product.folder.write("pepper.key", KEY);
    product.init();
    binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", "intent.recorded:1:kill"));
    sweep(&product, "", 0);
    product.cli("ledger verify").expect(0);
    let told = product.run(["explain", "app.accounts", "id=1"]).expect(0).stdout;
    assert!(told.contains("p/closed took it (delete)"), "{told}");
}

/// Copies and what goes along are no way past it.
#[test]
fn rows_that_are_copied_or_take_others_along_are_digested_too() {
    for kind in Kind::ALL {
        let product = accounts_with(kind, CLOSED, EAGER);
        product.data.execute(
            "CREATE TABLE letters (id bigint PRIMARY KEY, account_id bigint, body varchar(20)); INSERT INTO letters VALUES (1, 1, 'x'), (2, 3, 'y')",
        );
        let along = format!(
            "{CLOSED}evidence = \"row\"\ndependents = [{{ table = \"letters\", on = {{ id = \"account_id\" }}, then = \"delete\" }}]\n"
        );
        product.rules("p", &policy(&[&along]));
        let report = sweep(&product, "", 0);
        assert_eq!((ended(&report).as_str(), &report["rules"][0]["dragged"]), ("complete -", &1.into()), "{kind:?}: {report}");
        let row = |id: &str| digest(&["retentiond evidence 1", "row", "app", &schema(&product), "accounts", "id", id]);
        let mut expected = vec![row("1"), row("2")];
        expected.sort();
        assert_eq!((leaves(&product), left(&product).as_str()), (expected.clone(), "3 4"), "{kind:?}");

        let mut product = super::archives::product(kind);
        product.reconfigure("", EAGER);
        let rule = format!("{}evidence = \"row\"\n", super::archives::archived(&product, CLOSED));
        product.rules("p", &policy(&[&rule]));
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?}");
        assert_eq!(leaves(&product).len(), 2, "{kind:?}");
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn a_crash_leaves_the_digests_of_what_went_and_no_others() {
    for kind in Kind::ALL {
        for point in ["intent.recorded", "commit.after"] {
            let product = visits(kind, "action = \"delete\"\nevidence = \"row\"");
            binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
            product.cli("ledger verify").expect(0);
            sweep(&product, "", 0);
            assert_eq!(product.data.number("SELECT count(*) FROM visits"), 1, "{kind:?} {point}");
            assert_eq!(leaves(&product).len(), 3, "{kind:?} {point}");
            product.cli("ledger verify").expect(0);
        }
    }
}

#[test]
fn to_know_less_waits_for_a_person() {
    let product = accounts_with(Kind::Sqlite, CLOSED, "[keys.evidence]\nfile = \"pepper.key\"");
    sweep(&product, "--approve", 0);
    for (rule, status) in [("evidence = \"subject\"\n", 0), ("evidence = \"row\"\n", 0), ("evidence = \"subject\"\n", 3), ("", 3)] {
        product.data.execute("INSERT INTO accounts VALUES (9, 'x', '2019-01-01 00:00:00', '')");
        product.rules("p", &policy(&[&format!("{CLOSED}{rule}")]));
        sweep(&product, "", status);
        if status == 3 {
            assert!(product.cli("plan").stdout.contains("`evidence` was"), "{rule}");
            sweep(&product, "--approve", 0);
        }
    }
}

/// What `docs/evidence.md` shows to compute a proof again, does.
#[test]
fn anybody_can_compute_a_proof_again() {
    let product = visits(Kind::Sqlite, "action = \"delete\"\nevidence = \"row\"");
    sweep(&product, "", 0);
    for (id, took) in [("id=2", true), ("id=3", true), ("id=5", false)] {
        product.folder.write("certificate.json", &certificate(&product, &["--row", "app.visits", "site=b", id]).to_string());
        let guide = std::fs::read_to_string(std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/evidence.md")).expect("the guide");
        let script = guide.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a program");
        let run = binary::run(
            std::process::Command::new("python3").args(["-c", script, "certificate.json", "pepper.key"]).current_dir(product.folder.path()),
        );
        assert_eq!(run.expect(0).stdout.contains("took it"), took, "{id}");
    }
}

/// The seeded fault `evidence-leaf-left-out`.
pub fn a_digest_is_missing(kind: Kind, fault: &str) {
    let product = visits(kind, "action = \"delete\"\nevidence = \"row\"");
    binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_SEEDED", fault)).expect(0);
    product.cli("ledger verify").expect(0);
}
