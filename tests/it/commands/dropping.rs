//! `partitions = "drop"`: what goes as a whole, what goes row by row and why, and what an operator is told of it.

use serde_json::Value;

use super::{NOW, ended, policy, sweep};
use crate::support::{
    binary,
    product::{Data, Kind, Product},
    session::Session,
};

/// Messages go after two years, by the month they were sent in where that can be.
pub const MESSAGES: &str = r#"
id = "messages"
category = "message"
source = "app"
table = "messages"
subject = { account = "account" }
start = "sent_at"
start_format = "timestamp"
keep_for = "2 years"
action = "delete"
partitions = "drop"
first_sweep = "auto"
"#;

/// Partitions before the cut-off of 15 June 2024: `a` is due as a whole, in `b` a row is account 9's, `nested_a` is due as a
/// whole and a partition of a partition, `empty` has no row. `june` is cut in two by the cut-off; `z` is running.
const ON_POSTGRES: &str = "
    CREATE TABLE messages (id bigint, account bigint, sent_at timestamptz, body text) PARTITION BY RANGE (sent_at);
    CREATE TABLE empty PARTITION OF messages FOR VALUES FROM ('2022-01-01') TO ('2022-02-01');
    CREATE TABLE a PARTITION OF messages FOR VALUES FROM ('2022-02-01') TO ('2022-03-01');
    CREATE TABLE b PARTITION OF messages FOR VALUES FROM ('2022-03-01') TO ('2022-04-01');
    CREATE TABLE nested PARTITION OF messages FOR VALUES FROM ('2023-01-01') TO ('2024-06-01') PARTITION BY RANGE (sent_at);
    CREATE TABLE nested_a PARTITION OF nested FOR VALUES FROM ('2023-01-01') TO ('2023-02-01');
    CREATE TABLE june PARTITION OF messages FOR VALUES FROM ('2024-06-01') TO ('2024-07-01');
    CREATE TABLE z PARTITION OF messages DEFAULT";

/// The same in one row; what has no date is in the lowest.
const ON_MARIADB: &str = "
    CREATE TABLE messages (id bigint, account bigint, sent_at datetime, body text, KEY (id)) PARTITION BY RANGE COLUMNS (sent_at) (
      PARTITION empty VALUES LESS THAN ('2022-02-01'), PARTITION a VALUES LESS THAN ('2022-03-01'),
      PARTITION b VALUES LESS THAN ('2022-04-01'), PARTITION nested_a VALUES LESS THAN ('2024-06-01'),
      PARTITION june VALUES LESS THAN ('2024-07-01'), PARTITION z VALUES LESS THAN (MAXVALUE))";

const ROWS: &str = "
    INSERT INTO messages VALUES (101, 9, '2022-03-03', 'b'), (102, 7, '2022-03-03', 'b'), (103, 7, '2023-01-03', 'n'),
      (104, 7, '2024-06-03', 'j'), (105, 7, '2024-06-29', 'j'), (106, 7, '2026-01-01', 'z'), (107, 7, NULL, 'z')";

/// Those that have partitions to drop.
pub const KINDS: [Kind; 2] = [Kind::Postgres, Kind::Mariadb];

/// A product whose role may do what `grants` has it do. On PostgreSQL the tables have an owner of their own, because roles
/// are the whole server's, and other tests are about what a role may not do.
pub fn product(kind: Kind, rule: &str) -> Product {
    let product = Product::new(kind, "[sources.app.limits]\nlock_timeout = \"300ms\"").at(NOW);
    product.data.execute(kind.pick("", ON_POSTGRES, ON_MARIADB));
    add(&product, 1, 100);
    product.data.execute(ROWS);
    if let Data::Postgres(database) = &product.data {
        let owner = format!("\"owner of {}\"", database.name());
        let owned = ["messages", "empty", "a", "b", "nested", "nested_a", "june", "z"];
        let owned = owned.map(|table| format!("ALTER TABLE {table} OWNER TO {owner};"));
        product.data.execute(&format!("CREATE ROLE {owner}; {}", owned.concat()));
    }
    product.rules("p", &policy(&[rule]));
    product.init();
    product
}

/// Rows for the partition `a`.
fn add(product: &Product, from: u64, to: u64) {
    let numbers = product.kind.numbers(from, to);
    product.data.execute(&format!("INSERT INTO messages {numbers} SELECT i, 7, '2022-02-03', 'a' FROM n"));
}

pub fn left(product: &Product) -> String {
    product.data.column("SELECT concat('', id) FROM messages ORDER BY messages.id").join(" ")
}

/// The partitions that are left, but for those that have partitions of their own.
pub fn tables(product: &Product) -> String {
    let names = product.kind.pick(
        "",
        "SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY relname",
        "SELECT PARTITION_NAME FROM information_schema.PARTITIONS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'messages' ORDER BY 1",
    );
    product.data.column(names).join(" ")
}

/// Applied batches: rows, and the partition that went with them.
pub fn applied(product: &Product) -> Vec<(u64, Option<String>)> {
    let entries = product.cli("ledger export").expect(0).json_lines();
    let applied = entries.iter().filter(|entry| entry["kind"] == "batch_applied");
    applied.map(|entry| (entry["rows"].as_u64().expect("rows"), entry["partition"].as_str().map(str::to_owned))).collect()
}

fn prospects(product: &Product) -> Vec<Value> {
    product.cli("plan --output json").expect(0).json()["rules"][0]["partitions"].as_array().cloned().unwrap_or_default()
}

#[test]
fn what_is_due_as_a_whole_goes_as_a_whole_and_the_rest_row_by_row() {
    for kind in KINDS {
        let product = product(kind, MESSAGES);
        product.hold(&["account:9"]).expect(0);
        insta::assert_snapshot!(format!("plan_{kind:?}"), product.cli("plan").expect(0).stdout);
        let dry = sweep(&product, "--dry-run --all", 0);
        assert_eq!((dry["rules"][0]["acted"].as_u64(), tables(&product).as_str()), (Some(103), "a b empty june nested_a z"), "{dry}");

        let report = sweep(&product, "", 0);
        assert_eq!((ended(&report).as_str(), report["rules"][0]["acted"].as_u64()), ("complete -", Some(103)), "{report}");
        assert_eq!(left(&product), "101 105 106 107");
        assert_eq!(tables(&product), "b empty june z");
        let applied = applied(&product);
        assert_eq!(applied[..2], [(100, Some("a".to_owned())), (1, Some("nested_a".to_owned()))]);
        assert_eq!(applied.iter().map(|(rows, _)| rows).sum::<u64>(), 103);
        product.cli("ledger verify").expect(0);
        assert_eq!(ended(&sweep(&product, "", 0)), "nothing_due -");
    }
}

/// Not counted beforehand, the same partitions go, within the same guards.
#[test]
fn what_was_not_counted_is_guarded_all_the_same() {
    for kind in KINDS {
        let product = product(kind, MESSAGES);
        sweep(&product, "--no-count", 0);
        assert_eq!((left(&product).as_str(), tables(&product).as_str()), ("105 106 107", "empty june z"));

        let product = self::product(kind, MESSAGES);
        add(&product, 1001, 3000);
        product.data.execute(kind.pick("", "ANALYZE", "ANALYZE TABLE messages"));
        let report = sweep(&product, "--no-count", 3);
        assert_eq!((ended(&report).as_str(), tables(&product).as_str()), ("guarded max_share", "a b empty june nested_a z"), "{report}");
    }
}

#[test]
fn what_can_not_be_dropped_goes_row_by_row_with_the_reason() {
    // Somebody refers to the table: only a DELETE asks whether they may.
    let product = product(Kind::Postgres, MESSAGES);
    product.data.execute("ALTER TABLE messages ADD UNIQUE (id, sent_at); CREATE TABLE notes (id bigint, at timestamptz, FOREIGN KEY (id, at) REFERENCES messages (id, sent_at))");
    assert!(product.cli("plan").expect(0).stdout.contains("no partition is dropped, because notes refers to the table"));
    assert!(product.cli("check").expect(0).stdout.contains("no partition is dropped"));
    sweep(&product, "", 0);
    assert_eq!((left(&product).as_str(), tables(&product).as_str()), ("105 106 107", "a b empty june nested_a notes z"));

    // A role that does not own them.
    let mut product = self::product(Kind::Postgres, &MESSAGES.replace("partitions = \"drop\"", ""));
    product.grant_by_hand();
    product.rules("p", &policy(&[MESSAGES]));
    assert!(prospects(&product).iter().all(|partition| partition["dropped"] == false), "{:?}", prospects(&product));
    sweep(&product, "", 0);
    assert_eq!((left(&product).as_str(), tables(&product).as_str()), ("105 106 107", "a b empty june nested_a z"));

    // Something else depends on one: the server refuses to drop it, and its rows go all the same.
    let product = self::product(Kind::Postgres, MESSAGES);
    product.data.execute("CREATE VIEW of_a AS SELECT id FROM a");
    sweep(&product, "", 0);
    assert_eq!((left(&product).as_str(), tables(&product).as_str()), ("105 106 107", "a empty june z"));
    product.cli("ledger verify").expect(0);
}

/// Privileges on a database and on its table are each other's affair: whatever is missing, the rows go.
#[test]
fn an_account_that_may_not_drop_deletes_row_by_row() {
    for (more, waits) in [("", "Access denied"), ("LOCK TABLES ON *.*", "ALTER command denied")] {
        let mut product = product(Kind::Mariadb, &MESSAGES.replace("partitions = \"drop\"", ""));
        product.grant_by_hand();
        product.rules("p", &policy(&[MESSAGES]));
        if !more.is_empty() {
            product.data.execute(&format!("GRANT {more} TO {}", product.data.role()));
        }
        let swept = product.cli("sweep").expect(0);
        assert!(swept.stderr.contains(waits), "{swept:#?}");
        assert_eq!((left(&product).as_str(), tables(&product).as_str()), ("105 106 107", "a b empty june nested_a z"));
        assert!(applied(&product).iter().all(|(_, partition)| partition.is_none()));
        product.cli("ledger verify").expect(0);
        if !more.is_empty() {
            product.data.execute(&format!("REVOKE {more} FROM {}", product.data.role()));
        }
    }
}

/// Only ranges and lists can lose a part.
#[test]
fn a_table_that_is_cut_otherwise_keeps_its_parts() {
    for (cut, words) in [
        ("HASH (id) PARTITIONS 3", "partitioned by HASH has none to drop"),
        (
            "RANGE COLUMNS (sent_at) SUBPARTITION BY HASH (id) (PARTITION a VALUES LESS THAN ('2022-03-01'), PARTITION z VALUES LESS THAN (MAXVALUE))",
            "its partitions have parts of their own",
        ),
        // The last one can't go.
        ("RANGE COLUMNS (sent_at) (PARTITION a VALUES LESS THAN ('2024-03-01'))", ""),
    ] {
        let product = product(Kind::Mariadb, MESSAGES);
        product.data.execute(&format!("DELETE FROM messages WHERE sent_at > '2024-01-01'; ALTER TABLE messages PARTITION BY {cut}"));
        let parts = tables(&product);
        assert!(product.cli("plan").expect(0).stdout.contains(words));
        sweep(&product, "", 0);
        assert_eq!((left(&product).as_str(), tables(&product)), ("107", parts), "{cut}");
    }
}

/// DROP would have to wait for whoever looks at the table; a sweep waits for nobody for long.
#[test]
fn a_table_in_use_keeps_its_partitions_and_loses_its_rows() {
    for kind in KINDS {
        let product = product(kind, MESSAGES);
        let reader = Session::open(&product.data);
        reader.run("BEGIN");
        reader.run("SELECT count(*) FROM messages");
        let report = sweep(&product, "", 0);
        assert_eq!(report["rules"][0]["acted"].as_u64(), Some(104), "{report}");
        assert_eq!((left(&product).as_str(), tables(&product).as_str()), ("105 106 107", "a b empty june nested_a z"));
        reader.run("COMMIT");

        // A writer that is inside the partition stays there.
        let product = self::product(kind, MESSAGES);
        let writer = Session::open(&product.data);
        writer.run("BEGIN");
        writer.run("UPDATE messages SET body = 'mine' WHERE id = 1");
        sweep(&product, "", 1);
        writer.run("COMMIT");
        assert!(tables(&product).starts_with("a b"));
        sweep(&product, "", 0);
        assert_eq!(left(&product), "105 106 107");
    }
}

#[test]
fn what_has_no_partitions_to_drop_is_told() {
    let told = |product: &Product, words: &str| {
        let check = product.cli("check").expect(2);
        assert!(check.stdout.contains(words) || check.stderr.contains(words), "{check:#?}");
    };
    let product = product(Kind::Postgres, MESSAGES);
    product.rules("p", &policy(&[&MESSAGES.replace("table = \"messages\"", "table = \"z\"")]));
    told(&product, "z has no partitions that could be dropped; leave `partitions` out");
    product.rules("p", &policy(&[&MESSAGES.replace("action = \"delete\"", "action = \"anonymise\"\nanonymise = { body = \"null\" }")]));
    told(&product, "only a rule that deletes drops partitions");
    product.rules("p", &policy(&[&MESSAGES.replace("\"drop\"", "\"truncate\"")]));
    product.cli("check").expect(2);

    for (kind, words) in
        [(Kind::Mariadb, "messages has no partitions that could be dropped"), (Kind::Sqlite, "have no partitions that could be dropped")]
    {
        let product = Product::new(kind, "").at(NOW);
        let time = kind.pick("text", "timestamptz", "datetime");
        product.data.execute(&format!("CREATE TABLE messages (id bigint PRIMARY KEY, account bigint, sent_at {time})"));
        product.rules("p", &policy(&[&MESSAGES.replace("partitions = \"drop\"", "")]));
        product.init();
        product.rules("p", &policy(&[MESSAGES]));
        told(&product, words);
    }
}

/// What a seeded fault would break.
pub fn a_partition_with_a_held_row_stays(kind: Kind, fault: &str) {
    let product = product(kind, MESSAGES);
    product.hold(&["account:9"]).expect(0);
    binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_SEEDED", fault));
    assert_eq!(left(&product), "101 105 106 107");
}
