//! When rows end by what other tables say: lookups, chains, the latest and the earliest of several dates, periods that are set, and ends
//! that are put together, on every engine. Survivors are compared as keys.

use super::{NOW, ended, policy, sweep};
use crate::support::{
    binary::start,
    product::{Kind, Product},
    session::Session,
};

/// Messages of conversations of accounts. Conversation 1 is of account 1, which was closed long ago; 2 of account 2, closed lately; 3 of account
/// 3, which is open; 4 of account 4, which is not there; 5 of two contracts; 6 of nobody. Message N0 is in conversation N.
fn product(kind: Kind, rules: &[&str]) -> Product {
    let product = Product::new(kind, "[defaults]\nfirst_sweep = \"auto\"").at(NOW);
    let time = kind.pick("text", "timestamptz", "datetime(6)");
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, email varchar(40), closed_at {time}, tenant bigint);
         CREATE TABLE conversations (id bigint PRIMARY KEY, account_id bigint, ended_at {time});
         CREATE TABLE messages (id bigint PRIMARY KEY, conversation_id bigint, sent_at {time}, purge_on {time}, days bigint);
         CREATE TABLE contracts (account_id bigint, until {time});
         CREATE TABLE tenants (id bigint, days bigint);
         INSERT INTO accounts VALUES (1, 'ada@example.com', '2020-02-29 10:00:00', 1), (2, 'ben@example.com', '2026-06-01 08:30:00', 2),
                                     (3, 'cyd@example.com', NULL, 3), (5, 'eve@example.com', '2020-01-01 00:00:00', 4);
         INSERT INTO conversations VALUES (1, 1, '2021-01-01 00:00:00'), (2, 2, '2020-01-01 00:00:00'), (3, 3, '2020-01-01 00:00:00'),
                                          (4, 4, '2020-01-01 00:00:00'), (5, 5, NULL), (6, NULL, '2020-01-01 00:00:00');
         INSERT INTO messages VALUES (10, 1, '2020-01-01 00:00:00', NULL, 30), (20, 2, '2020-01-01 00:00:00', '2026-01-01 00:00:00', 0),
                                     (30, 3, '2020-01-01 00:00:00', '2030-01-01 00:00:00', -1), (40, 4, '2020-01-01 00:00:00', NULL, 30),
                                     (50, 5, '2026-06-01 00:00:00', NULL, NULL), (60, 6, '2020-01-01 00:00:00', NULL, 100000),
                                     (70, 7, '2020-01-01 00:00:00', NULL, 3000), (80, NULL, NULL, NULL, 1);
         INSERT INTO contracts VALUES (1, '2019-01-01 00:00:00'), (1, '2022-01-01 00:00:00'), (2, '2019-01-01 00:00:00'), (3, NULL),
                                      (5, '2019-01-01 00:00:00'), (5, '2026-01-01 00:00:00'), (4, '2019-01-01 00:00:00'), (4, NULL);
         INSERT INTO tenants VALUES (1, 30), (2, 10), (3, NULL), (4, 1), (4, 5000)"
    ));
    product.rules("p", &policy(rules));
    product.init();
    product
}

/// A rule that deletes from a table, with what says when its rows end.
fn rule(table: &str, ends: &str) -> String {
    format!(
        "id = \"r\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"{table}\"\nsubject = \"none\"\nno_subject_reason = \"a test\"\n\
         start_format = \"timestamp\"\naction = \"delete\"\n{ends}\n"
    )
}

fn left(product: &Product, table: &str) -> String {
    product.data.column(&format!("SELECT CAST(id AS text) FROM {table} ORDER BY {table}.id")).join(" ")
}

/// Sweeps each time with one way to end, and compares what is left, and what was counted beforehand.
#[track_caller]
fn survivors(table: &str, cases: &[(&str, &str, &str)]) {
    for kind in Kind::ALL {
        for (ends, expected, undated) in cases {
            let product = product(kind, &[&rule(table, ends)]);
            let total = left(&product, table).split_whitespace().count();
            let report = sweep(&product, "", 0);
            assert_eq!(left(&product, table), *expected, "{kind:?}: {ends}: {report}");
            let rows = &report["rules"][0]["rows"];
            assert_eq!(rows["undated"].to_string(), *undated, "{kind:?}: {ends}: {rows}");
            assert_eq!(rows["due"].as_u64(), u64::try_from(total - expected.split_whitespace().count()).ok(), "{kind:?}: {ends}: {rows}");
            assert_eq!(ended(&sweep(&product, "", 0)), "nothing_due -", "{kind:?}: {ends}");
        }
    }
}

#[test]
fn a_date_is_looked_up_in_another_table() {
    let account = "table = \"accounts\", on = { account_id = \"id\" }";
    let conversation = "table = \"conversations\", on = { conversation_id = \"id\" }";
    survivors(
        "conversations",
        &[
            // Open, missing, and of nobody: undated.
            (&format!("start = {{ column = \"closed_at\", {account} }}\nkeep_for = \"3 years\""), "2 3 4 6", "3"),
            (&format!("start = {{ column = \"closed_at\", {account} }}\nkeep_for = \"0 days\""), "3 4 6", "3"),
            // Of two contracts the later decides, and one without an end is not over.
            (
                "start = { column = \"until\", table = \"contracts\", on = { account_id = \"account_id\" } }\nkeep_for = \"3 years\"",
                "3 4 5 6",
                "3",
            ),
        ],
    );
    survivors(
        "messages",
        &[(
            &format!("start = {{ column = {{ column = \"closed_at\", {account} }}, {conversation} }}\nkeep_for = \"3 years\""),
            "20 30 40 60 70 80",
            "5",
        )],
    );
}

#[test]
fn the_latest_or_the_earliest_of_several_dates_counts() {
    let closed = "column = \"closed_at\", table = \"accounts\", on = { account_id = \"id\" }";
    survivors(
        "conversations",
        &[
            (&format!("start = {{ latest = [\"ended_at\", {{ {closed} }}] }}\nkeep_for = \"3 years\""), "2 3 4 5 6", "4"),
            (&format!("start = {{ latest = [\"ended_at\", {{ {closed}, optional = true }}] }}\nkeep_for = \"3 years\""), "2 5", "1"),
            (&format!("start = {{ earliest = [\"ended_at\", {{ {closed} }}] }}\nkeep_for = \"5 years\""), "", "0"),
            (&format!("start = {{ earliest = [\"ended_at\", {{ {closed} }}] }}\nkeep_for = \"6 years 4 months\""), "1", "0"),
        ],
    );
    // All may be missing, but then nothing has ended.
    let both = "start = { latest = [{ column = \"sent_at\", optional = true }, { column = \"purge_on\", optional = true }] }\nkeep_for = \"1 month\"";
    survivors("messages", &[(both, "30 50 80", "1")]);
}

#[test]
fn periods_are_set_in_a_column() {
    let of = "column = \"days\", unit = \"days\"";
    let account = "table = \"accounts\", on = { account_id = \"id\" }";
    let tenant = format!("{of}, table = \"tenants\", on = {{ tenant = \"id\" }}");
    survivors(
        "messages",
        &[
            // -1 is for ever, NULL is not set, and 100,000 days are far away.
            (&format!("start = \"sent_at\"\nkeep_for = {{ {of}, forever = [-1] }}"), "30 50 60 70 80", "2"),
            (&format!("start = \"sent_at\"\nkeep_for = {{ {of}, forever = [-1], default = \"1 day\", max = \"1 year\" }}"), "30 80", "1"),
            (
                &format!("start = \"sent_at\"\nkeep_for = {{ {of}, forever = [0, -1], min = \"7 years\", default = \"10 years\" }}"),
                "10 20 30 40 50 60 70 80",
                "1",
            ),
            (
                &format!("start = \"sent_at\"\nkeep_for = {{ {of}, forever = [-1], default = \"1 day\" }}\nfloor = \"7 years\""),
                "10 20 30 40 50 60 70 80",
                "1",
            ),
        ],
    );
    survivors(
        "accounts",
        &[
            // Tenant 3 sets nothing, and of tenant 4's two settings the longer one counts.
            (&format!("start = \"closed_at\"\nkeep_for = {{ {tenant} }}"), "3 5", "1"),
            (&format!("start = \"closed_at\"\nkeep_for = {{ {tenant}, max = \"1 year\", default = \"1 year\" }}"), "3", "1"),
            (&format!("start = \"closed_at\"\nkeep_for = {{ {tenant}, min = \"30 days\" }}"), "2 3 5", "1"),
        ],
    );
    let nested =
        format!("column = {{ {of}, table = \"tenants\", on = {{ tenant = \"id\" }} }}, {account}").replace(", unit = \"days\"", "");
    survivors("conversations", &[(&format!("start = \"ended_at\"\nkeep_for = {{ {nested}, unit = \"days\" }}"), "3 4 5 6", "4")]);
}

#[test]
fn a_number_that_means_nothing_stops_the_rule() {
    for kind in Kind::ALL {
        let product = product(kind, &[&rule("messages", "start = \"sent_at\"\nkeep_for = { column = \"days\", unit = \"days\" }")]);
        let report = sweep(&product, "", 3);
        assert_eq!(ended(&report), "refused implausible_dates", "{kind:?}: {report}");
        assert_eq!(left(&product, "messages"), "10 20 30 40 50 60 70 80", "{kind:?}");
    }
}

#[test]
fn ends_of_several_kinds_are_put_together() {
    survivors(
        "messages",
        &[
            (
                "ends = { earliest = [{ start = \"sent_at\", keep_for = \"10 years\" }, { column = \"purge_on\" }] }",
                "10 30 40 50 60 70 80",
                "1",
            ),
            (
                "ends = { latest = [{ start = \"sent_at\", keep_for = \"1 year\" }, { column = \"purge_on\", optional = true }] }",
                "30 50 80",
                "1",
            ),
            (
                "ends = { latest = [{ start = \"sent_at\", keep_for = \"1 year\" }, { column = \"purge_on\" }] }",
                "10 30 40 50 60 70 80",
                "6",
            ),
        ],
    );
}

#[test]
fn a_setting_that_changes_counts_from_the_next_sweep_on() {
    let of = "column = \"days\", unit = \"days\", table = \"tenants\", on = { tenant = \"id\" }";
    for kind in Kind::ALL {
        let product = product(kind, &[&rule("accounts", &format!("start = \"closed_at\"\nkeep_for = {{ {of} }}"))]);
        product.data.execute("UPDATE tenants SET days = 4000 WHERE id = 1");
        sweep(&product, "", 0);
        assert_eq!(left(&product, "accounts"), "1 3 5", "{kind:?}");
        product.data.execute("UPDATE tenants SET days = 1 WHERE id = 1");
        sweep(&product, "", 0);
        assert_eq!(left(&product, "accounts"), "3 5", "{kind:?}");
    }
}

#[test]
fn whose_rows_they_are_is_looked_up_and_held() {
    let subject = "subject = { account = { column = \"id\", table = \"accounts\", on = { account_id = \"id\" } } }";
    for kind in Kind::ALL {
        let text = rule("conversations", "start = \"ended_at\"\nkeep_for = \"3 years\"")
            .replace("subject = \"none\"\nno_subject_reason = \"a test\"", subject);
        let product = product(kind, &[&text]);
        // Nobody is there whose number is 4, so the row of that number could be anybody's; that of no number is nobody's.
        let placed = product.hold(&["account:1"]);
        assert!(placed.stdout.contains('2'), "{kind:?}: {}", placed.stdout);
        let told = product.run(["explain", "app.conversations", "id=1"]).expect(0).stdout;
        assert!(told.contains("held"), "{kind:?}: {told}");
        sweep(&product, "", 0);
        assert_eq!(left(&product, "conversations"), "1 4 5", "{kind:?}");
        let held = product.cli("plan --output json").expect(0).json();
        assert_eq!(held["rules"][0]["rows"]["held"], 2, "{kind:?}: {held}");
    }
}

#[test]
fn one_row_is_explained() {
    for kind in Kind::ALL {
        let closed = "{ column = \"closed_at\", table = \"accounts\", on = { account_id = \"id\" }, optional = true }";
        let product =
            product(kind, &[&rule("conversations", &format!("start = {{ latest = [\"ended_at\", {closed}] }}\nkeep_for = \"3 years\""))]);
        for (id, start, end, verdict) in [
            (1, "2021-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "due"),
            (2, "2026-06-01T08:30:00Z", "2029-06-01T08:30:00Z", "running"),
            (3, "2020-01-01T00:00:00Z", "2023-01-01T00:00:00Z", "due"),
        ] {
            let told = product.run(["explain", "app.conversations", &format!("id={id}"), "--output", "json"]).expect(0).json();
            let told = &told["rules"][0];
            assert_eq!((&told["start"], &told["end"], &told["verdict"]), (&start.into(), &end.into(), &verdict.into()), "{kind:?}: {told}");
        }
        let told = product.run(["explain", "app.conversations", "id=5", "--output", "json"]).expect(0).json();
        assert_eq!(
            (&told["rules"][0]["start"], &told["rules"][0]["verdict"]),
            (&serde_json::Value::Null, &"undated".into()),
            "{kind:?}: {told}"
        );
    }
}

/// While a batch is under way, nobody changes a row elsewhere by which it goes.
pub fn what_decides_stays_as_it_is(fault: &str) {
    for kind in Kind::SERVERS {
        let subject = "subject = { account = { column = \"email\", table = \"accounts\", on = { account_id = \"id\" } } }";
        let account = "table = \"accounts\", on = { account_id = \"id\" }";
        let tenant =
            format!("{{ column = {{ column = \"days\", table = \"tenants\", on = {{ tenant = \"id\" }} }}, {account}, unit = \"days\" }}");
        let closed = format!("start = {{ latest = [\"ended_at\", {{ column = \"closed_at\", {account} }}] }}");
        let text = rule("conversations", &format!("{closed}\nkeep_for = {tenant}"))
            .replace("subject = \"none\"\nno_subject_reason = \"a test\"", subject);
        let product = product(kind, &[&text]);
        let mut command = product.command(["sweep"]);
        let sweep = start(command.env("RETENTIOND_TEST_POINT", "act.done:1:stop").env("RETENTIOND_TEST_SEEDED", fault));
        assert!(sweep.has_stopped(), "{kind:?}: {:#?}", sweep.finish());
        let application = Session::open(&product.data);
        application.run(kind.pick("", "SET lock_timeout = '300ms'", "SET innodb_lock_wait_timeout = 1"));
        for change in
            ["accounts SET closed_at = NULL WHERE id = 1", "accounts SET email = 'x' WHERE id = 1", "tenants SET days = 9999 WHERE id = 1"]
        {
            application.send(&format!("UPDATE {change}"));
            assert!(application.answer().is_err(), "{kind:?}: {change}");
        }
        // Others are nobody's business.
        application.run("UPDATE accounts SET closed_at = NULL WHERE id = 99");
        sweep.resume();
        sweep.finish().expect(0);
        assert_eq!(left(&product, "conversations"), "3 4 5 6", "{kind:?}");
        application.run("UPDATE accounts SET closed_at = NULL WHERE id = 1");
    }
}

#[test]
fn what_decides_is_locked() {
    what_decides_stays_as_it_is("none");
}

/// An index on the date there and one on what leads to it here: what is due is found from there, and what is not is left alone.
#[test]
fn the_walk_begins_on_the_side_that_has_the_index() {
    let closed = "start = { column = \"closed_at\", table = \"accounts\", on = { account_id = \"id\" } }\nkeep_for = \"3 years\"";
    for kind in Kind::ALL {
        let product = product(kind, &[&rule("conversations", closed)]);
        let walk = || {
            let report = product.cli("check --output json").expect(0).json();
            let rule = &report["rules"][0];
            (
                rule["walk"]["way"].as_str().map(str::to_owned),
                rule["walk"]["reads_all"].as_bool(),
                rule["warnings"].to_string(),
                rule["suggestions"].to_string(),
            )
        };
        let (_, reads_all, warnings, suggestions) = walk();
        assert_eq!(reads_all, Some(true), "{kind:?}");
        assert!(warnings.contains("no index starts with `account_id`"), "{kind:?}: {warnings}");
        assert!(warnings.contains("no index of accounts starts with `closed_at`"), "{kind:?}: {warnings}");
        assert!(suggestions.contains("account_id") && suggestions.contains("closed_at"), "{kind:?}: {suggestions}");
        product.data.execute("CREATE INDEX of_account ON conversations (account_id); CREATE INDEX of_closing ON accounts (closed_at)");
        let (way, reads_all, warnings, _) = walk();
        assert!(way.as_deref().is_some_and(|way| way.starts_with("index on account_id")), "{kind:?}: {way:?}");
        assert_eq!((reads_all, warnings.as_str()), (Some(false), "[]"), "{kind:?}");
        sweep(&product, "", 0);
        assert_eq!(left(&product, "conversations"), "2 3 4 6", "{kind:?}");
    }
}

#[test]
fn several_rows_where_one_is_looked_up_are_told() {
    let until = "start = { column = \"until\", table = \"contracts\", on = { account_id = \"account_id\" } }\nkeep_for = \"3 years\"";
    for kind in Kind::ALL {
        let product = product(kind, &[&rule("conversations", until)]);
        let told = product.cli("check").expect(0).stdout;
        assert!(told.contains("several rows of contracts may have one account_id: the one with the latest end counts"), "{kind:?}: {told}");
    }
}

/// What is read elsewhere has to be seen, and on PostgreSQL locked: `grants` says so, and a role without it acts on nothing.
#[test]
fn what_is_looked_up_has_to_be_seen_and_locked() {
    let closed = "start = { column = \"closed_at\", table = \"accounts\", on = { account_id = \"id\" } }\nkeep_for = \"3 years\"";
    for kind in Kind::SERVERS {
        let mut product = product(kind, &[&rule("conversations", closed)]);
        let role = product.data.role();
        let printed = product.run(["grants", "app", "--config", "dba.toml", "--role", &role]).expect(0).stdout;
        let accounts = printed.lines().find(|line| line.contains("accounts")).expect("a grant");
        assert_eq!(accounts.starts_with("GRANT SELECT, UPDATE (\"id\") ON "), kind == Kind::Postgres, "{accounts}");
        product.grant_by_hand();
        if kind == Kind::Postgres {
            product.data.execute("REVOKE ALL ON accounts FROM retentiond; GRANT SELECT ON accounts TO retentiond");
            let report = sweep(&product, "", 3);
            assert_eq!(ended(&report), "refused privileges", "{report}");
            let message = report["rules"][0]["message"].to_string();
            assert!(message.contains("PostgreSQL asks for UPDATE on one of its columns"), "{message}");
        }
        product.rules("p", &policy(&[&rule("conversations", &closed.replace("\"accounts\"", "\"acounts\""))]));
        let report = sweep(&product, "", 3);
        assert_eq!(ended(&report), "refused missing_table", "{kind:?}: {report}");
        assert_eq!(left(&product, "conversations"), "1 2 3 4 5 6", "{kind:?}");
    }
}
