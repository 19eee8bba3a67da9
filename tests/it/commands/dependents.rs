//! `dependents`: what goes with a row, on every engine, and what keeps it.

use serde_json::Value;

use super::{NOW, ended, has, policy, sweep};
use crate::support::{
    binary,
    product::{Kind, Product},
};

/// Tickets go three years after they were closed, with what belongs to them.
pub const TICKETS: &str = r#"
id = "tickets"
category = "support"
source = "app"
table = "tickets"
subject = { account = "account" }
start = "closed_at"
start_format = "timestamp"
keep_for = "3 years"
action = "delete"
"#;

pub const MESSAGES: &str = "dependents = [{ table = \"messages\", on = { id = \"ticket\" }, then = \"delete\" }]\n";

/// Tickets 1 and 2 are due, 3 is not; each has messages, of which one of the first is internal.
pub fn product(kind: Kind, reference: &str, rules: &[&str]) -> Product {
    let product = Product::new(kind, "[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0").at(NOW);
    fill(&product, reference, rules);
    product
}

fn fill(product: &Product, reference: &str, rules: &[&str]) {
    let time = product.kind.pick("text", "timestamptz", "datetime(6)");
    // MariaDB takes a foreign key at the end of the columns alone.
    let (beside, behind) = if product.kind == Kind::Mariadb { ("", reference) } else { (reference, "") };
    product.data.execute(&format!(
        "CREATE TABLE tickets (id bigint PRIMARY KEY, account bigint, closed_at {time});
         CREATE TABLE messages (id bigint PRIMARY KEY, ticket bigint{beside}, author varchar(40), body varchar(80), internal integer, sent {time}{behind});
         INSERT INTO tickets VALUES (1, 100, '2020-02-29 10:00:00'), (2, 200, '2020-06-01 08:30:00'), (3, 300, '2026-06-08 00:00:00');
         INSERT INTO messages VALUES (11, 1, 'ada', 'a', 0, '2020-01-01 00:00:00'), (12, 1, 'ben', 'b', 1, '2020-01-02 00:00:00'),
                                     (21, 2, 'cyd', 'c', 0, '2020-01-01 00:00:00'), (31, 3, 'dot', 'd', 0, '2026-01-01 00:00:00'),
                                     (99, NULL, 'eve', 'e', 0, '2020-01-01 00:00:00')"
    ));
    product.rules("p", &policy(rules));
    product.folder.write("pepper.key", "a key of sufficient length");
    product.init();
}

/// A foreign key with this to say of a delete.
pub fn key(kind: Kind, action: &str) -> String {
    match kind {
        // It reads a reference beside a column, and means nothing by it.
        Kind::Mariadb => format!(", FOREIGN KEY (ticket) REFERENCES tickets (id) ON DELETE {action}"),
        _ => format!(" REFERENCES tickets (id) ON DELETE {action}"),
    }
}

pub fn ids(product: &Product, table: &str) -> String {
    product.data.column(&format!("SELECT CAST(id AS text) FROM {table} ORDER BY {table}.id")).join(" ")
}

fn rule(report: &Value) -> &Value {
    &report["rules"][0]
}

#[test]
fn children_go_with_their_parents() {
    for kind in Kind::ALL {
        let product = product(kind, "", &[&format!("{TICKETS}{MESSAGES}")]);
        let plan = product.cli("plan --output json").expect(0).json();
        assert_eq!(rule(&plan)["dependents"].to_string(), r#"[{"table":"messages","then":"delete","rows":3}]"#, "{kind:?}: {plan}");
        let report = sweep(&product, "", 0);
        assert_eq!(ended(&report), "complete -", "{kind:?}: {report}");
        assert_eq!((&rule(&report)["acted"], &rule(&report)["dragged"]), (&2.into(), &3.into()), "{kind:?}: {report}");
        assert_eq!((ids(&product, "tickets"), ids(&product, "messages")), ("3".to_owned(), "31 99".to_owned()), "{kind:?}");
        let exported = product.cli("ledger export").expect(0).stdout;
        let applied: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let applied = applied.iter().filter(|entry| entry["kind"] == "batch_applied");
        let sums = applied.fold((0, 0), |sums, entry| {
            has(entry, &["rows", "dragged"]);
            (sums.0 + entry["rows"].as_u64().unwrap_or(0), sums.1 + entry["dragged"].as_u64().unwrap_or(0))
        });
        assert_eq!(sums, (2, 3), "{kind:?}");
        assert_eq!(ended(&sweep(&product, "", 0)), "nothing_due -", "{kind:?}");
        product.cli("ledger verify").expect(0);
    }
}

/// What a foreign key would do by itself is refused until it is declared; the block to paste is right as it is.
#[test]
fn what_a_foreign_key_drags_along_is_declared_first() {
    for kind in Kind::ALL {
        for (action, then, left) in [("CASCADE", "delete", "31 99"), ("SET NULL", "detach", "11 12 21 31 99")] {
            let product = product(kind, &key(kind, action), &[TICKETS]);
            let report = sweep(&product, "", 3);
            assert_eq!(ended(&report), "refused cascade", "{kind:?}: {report}");
            let message = rule(&report)["message"].as_str().expect("a message");
            let block = format!("dependents = [{{ table = \"messages\", on = {{ id = \"ticket\" }}, then = \"{then}\" }}]");
            assert!(message.ends_with(&block), "{kind:?}: {message}");
            product.rules("p", &policy(&[&format!("{TICKETS}{block}\n")]));
            assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?} {action}");
            assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("3", left), "{kind:?} {action}");
            let referring = product.data.number("SELECT count(*) FROM messages WHERE ticket IS NOT NULL");
            assert_eq!(referring, 1, "{kind:?} {action}");
        }
    }
}

#[test]
fn a_foreign_key_that_forbids_is_satisfied() {
    for kind in Kind::ALL {
        let product = product(kind, &key(kind, "NO ACTION"), &[TICKETS]);
        assert_eq!(ended(&sweep(&product, "", 0)), "nothing_due -", "{kind:?}");
        product.rules("p", &policy(&[&format!("{TICKETS}{MESSAGES}")]));
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?}");
        assert_eq!((ids(&product, "tickets"), ids(&product, "messages")), ("3".to_owned(), "31 99".to_owned()), "{kind:?}");
    }
}

/// A rule of the children's own table, by which they are due too.
const OWN: &str = r#"
id = "messages"
category = "support"
source = "app"
table = "messages"
subject = { author = "author" }
start = "sent"
start_format = "timestamp"
keep_for = "1 year"
action = "delete"
mode = "observe"
"#;

#[test]
fn a_held_child_holds_its_parent() {
    for kind in Kind::ALL {
        let product = product(kind, "", &[&format!("{TICKETS}{MESSAGES}"), OWN]);
        product.cli("hold place --matter M --subject author:ada --accept-uncovered --reason r --by b").expect(0);
        let plan = product.cli("plan p/tickets --output json").expect(0).json();
        assert_eq!((&rule(&plan)["rows"]["due"], &rule(&plan)["rows"]["held"]), (&1.into(), &1.into()), "{kind:?}: {plan}");
        let told = product.run(["explain", "app.tickets", "id=1"]).expect(0).stdout;
        assert!(told.contains("held by rows of messages that would go along"), "{kind:?}: {told}");
        assert!(told.contains("when it goes, 2 of messages go too"), "{kind:?}: {told}");
        sweep(&product, "p/tickets", 0);
        assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("1 3", "11 12 31 99"), "{kind:?}");
    }
}

/// By a rule that keeps, one that ends later, and one under which the child bears no date.
#[test]
fn a_protected_child_protects_its_parent() {
    for kind in Kind::ALL {
        let keep = "id = \"messages\"\ncategory = \"support\"\nsource = \"app\"\ntable = \"messages\"\naction = \"keep\"\nreason = \"r\"\nwhere = \"author = 'ada'\"\n";
        let later = OWN.replace("1 year", "100 years").replace("mode = \"observe\"", "where = \"author = 'ada'\"\nmode = \"observe\"");
        for own in [keep, &later] {
            let product = product(kind, "", &[&format!("{TICKETS}{MESSAGES}"), own]);
            let plan = product.cli("plan p/tickets --output json").expect(0).json();
            assert_eq!((&rule(&plan)["rows"]["due"], &rule(&plan)["rows"]["protected"]), (&1.into(), &1.into()), "{kind:?}: {plan}");
            assert_eq!(rule(&plan)["protected_by"].to_string(), r#"[{"table":"messages","rows":1}]"#, "{kind:?}");
            let told = product.run(["explain", "app.tickets", "id=1"]).expect(0).stdout;
            assert!(told.contains("protected by rows of messages that belong to it"), "{kind:?}: {told}");
            sweep(&product, "p/tickets", 0);
            assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("1 3", "11 12 31 99"), "{kind:?}");
        }
        let product = product(kind, "", &[&format!("{TICKETS}{MESSAGES}"), OWN]);
        product.data.execute("UPDATE messages SET sent = NULL WHERE id = 12");
        sweep(&product, "p/tickets", 0);
        assert_eq!(ids(&product, "tickets"), "1 3", "{kind:?}");
    }
}

/// Rows outside the `where` stay. Where a foreign key names the parent, so does that.
#[test]
fn a_bystander_stays_and_keeps_whom_it_refers_to() {
    for kind in Kind::ALL {
        let some = MESSAGES.replace("then =", "where = \"internal = 0\", then =");
        let product_with = |reference: &str| product(kind, reference, &[&format!("{TICKETS}{some}")]);
        for reference in [key(kind, "NO ACTION"), key(kind, "CASCADE"), key(kind, "SET NULL")] {
            let product = product_with(&reference);
            sweep(&product, "", 0);
            assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("1 3", "11 12 31 99"), "{kind:?}");
        }
        let product = product_with("");
        sweep(&product, "", 0);
        assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("3", "12 31 99"), "{kind:?}");
    }
}

/// What is detached or anonymised goes on; a later delete of its own keeps neither.
#[test]
fn children_that_stay_are_detached_or_anonymised() {
    for kind in Kind::ALL {
        let later = OWN.replace("1 year", "100 years");
        let detach = MESSAGES.replace("\"delete\"", "\"detach\"");
        let product = product(kind, &key(kind, "NO ACTION"), &[&format!("{TICKETS}{detach}"), &later]);
        let report = sweep(&product, "p/tickets", 0);
        assert_eq!((&rule(&report)["acted"], &rule(&report)["dragged"]), (&2.into(), &3.into()), "{kind:?}: {report}");
        assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("3", "11 12 21 31 99"), "{kind:?}");
        let anonymise = MESSAGES
            .replace("\"delete\"", "\"anonymise\", anonymise = { ticket = \"null\", body = { strategy = \"hmac\", key = \"pepper\" } }");
        let product =
            Product::new(kind, "[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0\n[keys.pepper]\nfile = \"pepper.key\"").at(NOW);
        fill(&product, &key(kind, "NO ACTION"), &[&format!("{TICKETS}{anonymise}"), &later]);
        sweep(&product, "p/tickets", 0);
        assert_eq!(ids(&product, "tickets"), "3", "{kind:?}");
        let bodies = product.data.column("SELECT body FROM messages WHERE ticket IS NULL ORDER BY messages.id");
        assert_eq!(bodies.iter().map(String::len).collect::<Vec<_>>(), [64, 64, 64, 1], "{kind:?}: {bodies:?}");
    }
}

#[test]
fn what_is_nested_goes_first() {
    for kind in Kind::ALL {
        let nested = MESSAGES
            .replace("\"delete\"", "\"delete\", dependents = [{ table = \"files\", on = { id = \"message\" }, then = \"delete\" }]");
        let product = product(kind, &key(kind, "NO ACTION"), &[&format!("{TICKETS}{nested}"), OWN]);
        let reference = key(kind, "NO ACTION").replace("ticket", "message");
        let (beside, behind) = if kind == Kind::Mariadb { ("", reference.as_str()) } else { (reference.as_str(), "") };
        product.data.execute(&format!(
            "CREATE TABLE files (id bigint PRIMARY KEY, message bigint{beside}, owner varchar(40){behind});
             INSERT INTO files VALUES (1, 11, 'ada'), (2, 11, 'ben'), (3, 31, 'dot'), (4, 21, 'eve')"
        ));
        let plan = product.cli("plan p/tickets --output json").expect(0).json();
        let along = r#"[{"table":"messages","then":"delete","rows":3},{"table":"files","then":"delete","rows":3}]"#;
        assert_eq!(rule(&plan)["dependents"].to_string(), along, "{kind:?}: {plan}");
        let keep = "id = \"files\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"files\"\naction = \"keep\"\nreason = \"r\"\nwhere = \"owner = 'ben'\"\n";
        product.rules("p", &policy(&[&format!("{TICKETS}{nested}"), OWN, keep]));
        sweep(&product, "p/tickets", 0);
        let kept = (ids(&product, "tickets"), ids(&product, "messages"), ids(&product, "files"));
        assert_eq!(kept, ("1 3".to_owned(), "11 12 31 99".to_owned(), "1 2 3".to_owned()), "{kind:?}");
        product.rules("p", &policy(&[&format!("{TICKETS}{nested}"), OWN]));
        let report = sweep(&product, "p/tickets", 0);
        assert_eq!(rule(&report)["dragged"], 4, "{kind:?}: {report}");
        assert_eq!((ids(&product, "messages").as_str(), ids(&product, "files").as_str()), ("31 99", "3"), "{kind:?}");
    }
}

/// Replies to replies, and one to itself, of a ticket that goes; a reply from elsewhere keeps it.
#[test]
fn rows_that_refer_to_one_another_go_together() {
    for kind in Kind::ALL {
        for action in ["NO ACTION", "CASCADE", "SET NULL"] {
            let product = product(kind, "", &[&format!("{TICKETS}{MESSAGES}")]);
            let reference = key(kind, action).replace("(ticket)", "(answers)").replace("tickets", "messages");
            product.data.execute(&format!(
                "DROP TABLE messages;
                 CREATE TABLE messages (id bigint PRIMARY KEY, ticket bigint, answers bigint{reference});
                 INSERT INTO messages VALUES (11, 1, NULL);
                 INSERT INTO messages VALUES (12, 1, 11);
                 INSERT INTO messages VALUES (13, 1, 12);
                 INSERT INTO messages VALUES (21, 2, NULL);
                 INSERT INTO messages VALUES (31, 3, 21)"
            ));
            // MariaDB deletes no row that refers to itself.
            let (id, ticket) = if kind == Kind::Mariadb { (22, 2) } else { (14, 1) };
            product.data.execute(&format!("INSERT INTO messages VALUES ({id}, {ticket}, {id})"));
            let report = sweep(&product, "", 0);
            assert_eq!(ended(&report), "complete -", "{kind:?} {action}: {report}");
            let left = kind.pick("21 31", "21 31", "21 22 31");
            assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("2 3", left), "{kind:?} {action}");
        }
    }
}

/// A batch never gets larger for what goes along; a row with more than a batch takes is named by its limit.
#[test]
fn what_goes_along_counts_in_the_size_of_batches() {
    for kind in Kind::ALL {
        let product = product(kind, "", &[&format!("{TICKETS}{MESSAGES}limits = {{ max_batch_rows = 10 }}\n")]);
        let time = "'2020-01-01 00:00:00'";
        product.data.execute(&format!(
            "INSERT INTO tickets {} SELECT i, i, {time} FROM n; INSERT INTO messages (id, ticket) {} SELECT 1000 + i, 100 + (i - i % 4) / 4 FROM n",
            kind.numbers(101, 120),
            kind.numbers(4, 83),
        ));
        let report = sweep(&product, "", 0);
        assert_eq!((&rule(&report)["acted"], &rule(&report)["dragged"]), (&22.into(), &83.into()), "{kind:?}: {report}");
        let entries = product.cli("ledger export").expect(0).json_lines();
        let applied = entries.iter().filter(|entry| entry["kind"] == "batch_applied");
        let sizes: Vec<u64> = applied.map(|entry| entry["rows"].as_u64().unwrap_or(0) + entry["dragged"].as_u64().unwrap_or(0)).collect();
        assert!(sizes.iter().all(|size| *size <= 10) && sizes.len() > 10, "{kind:?}: {sizes:?}");
        product.data.execute(&format!(
            "INSERT INTO tickets VALUES (200, 1, {time}); INSERT INTO messages (id, ticket) {} SELECT 5000 + i, 200 FROM n",
            kind.numbers(1, 20)
        ));
        let report = sweep(&product, "", 1);
        let message = rule(&report)["message"].as_str().expect("a message");
        assert!(message.contains("more than its limit of 10"), "{kind:?}: {message}");
        assert_eq!(product.data.number("SELECT count(*) FROM messages WHERE ticket = 200"), 20, "{kind:?}");
    }
}

#[test]
fn what_can_not_go_along_refuses_the_rule() {
    for kind in Kind::ALL {
        let product = product(kind, "", &[TICKETS]);
        product.data.execute("CREATE VIEW unpaid AS SELECT * FROM messages; CREATE TABLE words (ticket varchar(10))");
        let with = |block: &str| format!("{TICKETS}dependents = [{{ {block} }}]\n");
        for (rules, reason, named) in [
            (vec![with("table = \"message\", on = { id = \"ticket\" }, then = \"delete\"")], "missing_table", "no table message"),
            (vec![with("table = \"messages\", on = { id = \"tickt\" }, then = \"delete\"")], "missing_column", "did you mean `ticket`?"),
            (vec![with("table = \"unpaid\", on = { id = \"ticket\" }, then = \"delete\"")], "not_a_table", "is a view"),
            (vec![with("table = \"words\", on = { id = \"ticket\" }, then = \"delete\"")], "unsupported", "what is equal may differ"),
            (vec![with("table = \"messages\", on = { account = \"ticket\" }, then = \"delete\"")], "unsupported", "no key of tickets"),
            (
                vec![
                    with("table = \"messages\", on = { id = \"ticket\" }, then = \"anonymise\", anonymise = { author = \"null\" }"),
                    OWN.to_owned(),
                ],
                "strategy",
                "it is a subject of p/messages; say `unlinks = true`",
            ),
        ] {
            let rules: Vec<&str> = rules.iter().map(String::as_str).collect();
            product.rules("p", &policy(&rules));
            let check = product.cli("check --output json").expect(2).json();
            let refused =
                check["rules"].as_array().and_then(|rules| rules.iter().find(|rule| rule["rule"] == "p/tickets")).expect("a rule");
            assert!(refused["place"]["line"].as_u64() > Some(10), "{kind:?}: {check}");
            let report = sweep(&product, "p/tickets", 3);
            assert_eq!(ended(&report), format!("refused {reason}"), "{kind:?}: {report}");
            assert!(rule(&report)["message"].as_str().is_some_and(|message| message.contains(named)), "{kind:?}: {report}");
        }
        assert_eq!(ids(&product, "messages"), "11 12 21 31 99", "{kind:?}");
    }
}

/// The children's table is changed and locked, and `grants` says so; nothing beyond that is needed.
#[test]
fn the_least_privileges_are_enough() {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let mut product = product(kind, &key(kind, "NO ACTION"), &[&format!("{TICKETS}{MESSAGES}")]);
        product.grant_by_hand();
        let role = product.data.role();
        let printed = product.run(["grants", "app", "--config", "dba.toml", "--role", &role]).expect(0).stdout;
        let granted = printed.lines().find(|line| line.contains("messages")).expect("a grant");
        assert!(granted.starts_with("GRANT SELECT, DELETE"), "{granted}");
        assert_eq!(granted.contains("UPDATE (\"ticket\")"), kind == Kind::Postgres, "{granted}");
        product.cli("check").expect(0);
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?}");
        product.data.execute(&format!("REVOKE DELETE ON messages FROM {role}"));
        let report = sweep(&product, "", 3);
        assert_eq!(ended(&report), "refused privileges", "{kind:?}: {report}");
    }
}

#[test]
fn an_index_for_the_children_is_suggested() {
    for kind in Kind::ALL {
        let product = product(kind, "", &[&format!("{TICKETS}{MESSAGES}")]);
        let checked = product.cli("check --output json").expect(0).json().to_string();
        assert!(checked.contains("rows of messages go along, of which no index starts with ticket"), "{kind:?}: {checked}");
        assert!(checked.contains("(\\\"ticket\\\")") || checked.contains("(`ticket`)"), "{kind:?}: {checked}");
        product.data.execute("CREATE INDEX of_ticket ON messages (ticket)");
        let checked = product.cli("check --output json").expect(0).json().to_string();
        assert!(!checked.contains("go along"), "{kind:?}: {checked}");
    }
}

/// What goes along is a part of what was approved, and so are the rules that keep it.
#[test]
fn other_dependents_wait_for_approval() {
    for kind in Kind::ALL {
        let approve = |rest: &str| format!("{TICKETS}first_sweep = \"approve\"\n{rest}");
        let product = product(kind, "", &[&approve(MESSAGES), OWN]);
        product.data.execute("UPDATE messages SET sent = NULL WHERE id = 12");
        sweep(&product, "p/tickets --approve", 0);
        assert_eq!(ids(&product, "tickets"), "1 3", "{kind:?}");
        product.rules("p", &policy(&[&approve(MESSAGES)]));
        let report = sweep(&product, "p/tickets", 3);
        assert_eq!(ended(&report), "guarded approval", "{kind:?}: {report}");
        assert!(report.to_string().contains("p/messages is gone, and protects nothing any more"), "{kind:?}: {report}");
        assert_eq!(rule(&report)["waits"]["blast"]["rows_more"], 1, "{kind:?}: {report}");
        product.rules("p", &policy(&[&approve(&MESSAGES.replace("delete", "detach")), OWN]));
        assert_eq!(ended(&sweep(&product, "p/tickets", 3)), "guarded approval", "{kind:?}");
        assert_eq!(ids(&product, "tickets"), "1 3", "{kind:?}");
    }
}

/// The mistakes of `dependents`, one after the other: each makes what is left differ.
pub fn caught(kind: Kind, fault: &str) {
    let some = MESSAGES.replace("then =", "where = \"author <> 'ben'\", then =");
    let product = product(kind, "", &[&format!("{TICKETS}{some}"), OWN, KEEP]);
    product.data.execute(
        "INSERT INTO tickets SELECT id + 10, account, closed_at FROM tickets WHERE id < 3;
         INSERT INTO messages VALUES (41, 11, 'fay', 'f', 0, '2020-01-01 00:00:00'), (51, 12, 'gus', 'g', 0, '2020-01-01 00:00:00')",
    );
    product.cli("hold place --matter M --subject author:cyd --accept-uncovered --reason r --by b").expect(0);
    binary::run(product.command(["sweep", "p/tickets"]).env("RETENTIOND_TEST_SEEDED", fault));
    assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("2 3 11", "12 21 31 41 99"), "{kind:?}");
}

const KEEP: &str = r#"
id = "fay"
category = "support"
source = "app"
table = "messages"
action = "keep"
reason = "r"
where = "author = 'fay'"
"#;
