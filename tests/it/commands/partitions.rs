//! Tables in parts, as an operator meets them: partitions of both servers, and PostgreSQL's inheritance.

use super::{ended, policy, sweep};
use crate::support::{
    binary,
    product::{Kind, Product},
};

/// The rule of these tests: messages go after two years.
const MESSAGES: &str = r#"
id = "messages"
category = "message"
source = "app"
table = "messages"
subject = { account = "account" }
start = "sent_at"
start_format = "timestamp"
keep_for = "2 years"
action = "delete"
"#;

/// A part of the messages that a rule of its own keeps for longer.
const OLD: &str = r#"
id = "old"
category = "archive"
source = "app"
table = "messages_2022"
start = "sent_at"
start_format = "timestamp"
keep_for = "10 years"
action = "keep"
reason = "the dispute of that year"
"#;

const NOW: &str = "2026-06-15T12:00:00Z";

/// Messages of four years in partitions: 1 to 4 are due, 5 and 6 are running.
fn product(kind: Kind, rules: &[&str], setup: &str) -> Product {
    let product = Product::new(kind, "").at(NOW);
    product.data.execute(setup);
    product.data.execute(
        "INSERT INTO messages (id, account, sent_at, body) VALUES (1, 7, '2022-01-01 00:00:00', 'a'), (2, 8, '2022-12-31 10:00:00', 'b'),
           (3, 7, '2023-05-01 00:00:00', 'c'), (4, 9, '2024-06-01 00:00:00', 'd'),
           (5, 7, '2024-06-16 00:00:00', 'e'), (6, 8, '2025-01-01 00:00:00', 'f')",
    );
    product.rules("p", &policy(rules));
    product.init();
    product
}

const PARTITIONED: &str = "
    CREATE TABLE messages (id bigint, account bigint, sent_at timestamptz, body text) PARTITION BY RANGE (sent_at);
    CREATE TABLE messages_2022 PARTITION OF messages FOR VALUES FROM ('2022-01-01') TO ('2023-01-01');
    CREATE TABLE messages_2023 PARTITION OF messages FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
    CREATE TABLE messages_later PARTITION OF messages DEFAULT";

const INHERITED: &str = "
    CREATE TABLE messages (id bigint, account bigint, sent_at timestamptz, body text);
    CREATE TABLE messages_2022 (extra int) INHERITS (messages); CREATE TABLE messages_2023 () INHERITS (messages);
    CREATE FUNCTION route() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
      IF NEW.sent_at < '2023-01-01' THEN INSERT INTO messages_2022 VALUES (NEW.*); RETURN NULL;
      ELSIF NEW.sent_at < '2024-01-01' THEN INSERT INTO messages_2023 VALUES (NEW.*); RETURN NULL; END IF; RETURN NEW; END $$;
    CREATE TRIGGER route BEFORE INSERT ON messages FOR EACH ROW EXECUTE FUNCTION route()";

const ON_MARIADB: &str = "
    CREATE TABLE messages (id bigint, account bigint, sent_at datetime, body text, PRIMARY KEY (id, sent_at))
      PARTITION BY RANGE (to_days(sent_at)) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (
        PARTITION p2022 VALUES LESS THAN (to_days('2023-01-01')), PARTITION p2023 VALUES LESS THAN (to_days('2024-01-01')),
        PARTITION later VALUES LESS THAN MAXVALUE)";

/// Every kind of table in parts.
const TABLES: [(Kind, &str); 3] = [(Kind::Postgres, PARTITIONED), (Kind::Postgres, INHERITED), (Kind::Mariadb, ON_MARIADB)];

fn left(product: &Product) -> String {
    product
        .data
        .column("SELECT CAST(id AS char(4)) FROM messages ORDER BY messages.id")
        .join(" ")
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

#[test]
fn a_table_in_parts_is_swept_as_one() {
    for (kind, table) in TABLES {
        let product = product(kind, &[MESSAGES], table);
        product.cli("check").expect(0);
        product.hold(&["account:9"]).expect(0);
        let report = sweep(&product, "--approve", 0);
        assert_eq!(report["rules"][0]["rows"]["total"], 6, "{report}");
        assert_eq!((report["rules"][0]["acted"].as_u64(), report["rules"][0]["rows"]["held"].as_u64()), (Some(3), Some(1)), "{report}");
        assert_eq!(left(&product), "4 5 6", "{table}");
        assert_eq!(ended(&sweep(&product, "", 0)), "nothing_due -");
        product.cli("ledger verify").expect(0);
    }
}

/// Rights and policies are asked of the parent, and a partition that comes tomorrow needs none.
#[test]
fn the_parents_privileges_are_enough() {
    let mut product = product(Kind::Postgres, &[MESSAGES], PARTITIONED);
    product.grant_by_hand();
    let role = product.data.role();
    product.data.execute(&format!("REVOKE ALL ON messages_2022, messages_2023, messages_later FROM {role}"));
    let parts = "ALTER TABLE messages_2022 ENABLE ROW LEVEL SECURITY; CREATE POLICY nobody ON messages_2022 USING (false)";
    product.data.execute(parts);
    sweep(&product, "--approve", 0);
    assert_eq!(left(&product), "5 6");
}

#[test]
fn a_rule_on_a_part_protects_its_rows_and_so_does_a_rule_on_the_whole() {
    for (kind, table) in &TABLES[..2] {
        let product = product(*kind, &[MESSAGES, OLD], table);
        let report = sweep(&product, "p/messages --approve", 0);
        assert_eq!((report["rules"][0]["rows"]["protected"].as_u64(), left(&product).as_str()), (Some(2), "1 2 5 6"), "{report}");

        let part = MESSAGES.replace("\"messages\"", "\"messages_2022\"").replace("id = \"messages_2022\"", "id = \"part\"");
        let whole = OLD.replace("\"messages_2022\"", "\"messages\"");
        product.rules("p", &policy(&[&part, &whole]));
        let report = sweep(&product, "p/part --approve", 0);
        assert_eq!((report["rules"][0]["rows"]["protected"].as_u64(), left(&product).as_str()), (Some(2), "1 2 5 6"), "{report}");
    }
}

#[test]
fn a_hold_on_a_part_binds_the_whole_and_the_other_way_round() {
    for (kind, table) in &TABLES[..2] {
        let part = MESSAGES.replace("\"messages\"", "\"messages_2022\"").replace("id = \"messages_2022\"", "id = \"part\"");
        let product = product(*kind, &[MESSAGES, &part], table);
        product.cli("hold place --matter m --table app.messages_2022 --reason r --by b").expect(0);
        sweep(&product, "p/messages --approve", 0);
        assert_eq!(left(&product), "1 2 5 6");
        // Who is held by the part's rule alone is held whatever rule is swept.
        product.rules("p", &policy(&[MESSAGES]));
        sweep(&product, "p/messages --approve", 0);
        assert_eq!(left(&product), "1 2 5 6", "the hold is older than the rules");
    }
}

#[test]
fn what_a_part_would_drag_along_is_refused() {
    let cases = [
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN OLD; END';
             CREATE TRIGGER of_a_part AFTER DELETE ON messages_2022 FOR EACH ROW EXECUTE FUNCTION f()",
            "trigger",
            "of_a_part",
        ),
        (
            "ALTER TABLE messages_2022 ADD PRIMARY KEY (id); CREATE TABLE notes (message bigint REFERENCES messages_2022 ON DELETE CASCADE)",
            "cascade",
            "notes",
        ),
        ("ALTER TABLE messages ENABLE ROW LEVEL SECURITY", "row_security", "messages"),
    ];
    for (change, reason, named) in cases {
        let mut product = product(Kind::Postgres, &[MESSAGES], PARTITIONED);
        product.grant_by_hand();
        product.data.execute(change);
        let report = sweep(&product, "--approve", 3);
        assert_eq!(ended(&report), format!("refused {reason}"), "{report}");
        assert!(report["rules"][0]["message"].as_str().is_some_and(|message| message.contains(named)), "{report}");
        assert_eq!(left(&product), "1 2 3 4 5 6");
    }
}

/// What a seeded fault would break.
pub fn a_part_is_protected_and_held(fault: &str) {
    let product =
        product(Kind::Postgres, &[&MESSAGES.replace("id = \"messages\"", "id = \"messages\"\nfirst_sweep = \"auto\""), OLD], PARTITIONED);
    binary::run(product.command(["sweep", "p/messages"]).env("RETENTIOND_TEST_SEEDED", fault));
    assert_eq!(left(&product), "1 2 5 6");
}

/// A child's rule may read what the parent lacks: then one statement can't ask both, and the parent's rows stay.
#[test]
fn a_rule_that_can_not_be_asked_through_the_parent_protects() {
    let keep = format!("{OLD}where = \"extra > 0\"\n");
    let product = product(Kind::Postgres, &[MESSAGES, &keep], INHERITED);
    let report = sweep(&product, "p/messages --approve", 3);
    assert_eq!(ended(&report), "refused competitor", "{report}");
    assert!(report["rules"][0]["message"].as_str().is_some_and(|message| message.contains("extra")), "{report}");
}

#[test]
fn what_a_table_is_partitioned_by_is_not_anonymised() {
    for (kind, table) in [TABLES[0], TABLES[2]] {
        let rule = MESSAGES
            .replace("\"delete\"", "\"anonymise\"\nanonymise = { sent_at = \"null\", body = \"null\" }")
            .replace("start = \"sent_at\"", "start = \"other\"");
        let time = kind.pick("text", "timestamptz", "datetime");
        let product = product(kind, &[&rule], table);
        product.data.execute(&format!("ALTER TABLE messages ADD COLUMN other {time}"));
        let check = product.cli("check").expect(2);
        assert!(check.stdout.contains("sent_at"), "{check:#?}");
        product.rules("p", &policy(&[&rule.replace("sent_at = \"null\", ", "")]));
        product.data.execute("UPDATE messages SET other = sent_at");
        sweep(&product, "--approve", 0);
        assert_eq!((left(&product).as_str(), product.data.number("SELECT count(*) FROM messages WHERE body IS NULL")), ("1 2 3 4 5 6", 4));
    }
}

/// Partitions that come and go every day are the table's business: they take back no approval.
#[test]
fn a_new_partition_keeps_the_approval() {
    let product = product(Kind::Postgres, &[MESSAGES], PARTITIONED);
    sweep(&product, "--approve", 0);
    product.data.execute(
        "CREATE TABLE messages_2021 PARTITION OF messages FOR VALUES FROM ('2021-01-01') TO ('2022-01-01');
         INSERT INTO messages VALUES (11, 7, '2021-06-01', 'z'); ALTER TABLE messages DETACH PARTITION messages_2022",
    );
    assert_eq!(ended(&sweep(&product, "", 0)), "complete -");
    assert_eq!(left(&product), "5 6");
}

#[test]
fn an_index_is_suggested_for_each_part_that_has_none() {
    let product = product(Kind::Postgres, &[MESSAGES], PARTITIONED);
    product.data.execute("CREATE INDEX ON messages_2023 (sent_at)");
    let suggestions = product.cli("check --output json").expect(0).json()["rules"][0]["suggestions"].clone();
    insta::assert_snapshot!(format!("{suggestions:#}"));
}
