//! What only MariaDB has: tables that can't keep a promise, columns that write themselves, dates that don't exist, privileges
//! that hide what a delete would drag along.

use super::{CLOSED, accounts, accounts_with, left, policy, sweep};
use crate::support::{
    mariadb::{Database, Options, Server},
    product::{Data, Kind, Product},
};

fn database(product: &Product) -> &Database<'static> {
    let Data::Mariadb(database) = &product.data else { panic!("MariaDB was asked for") };
    database
}

/// The source as an account that has only what it is granted, and what the workspace takes.
fn as_an_account(grants: &[&str]) -> Product {
    let mut product = accounts(Kind::Mariadb);
    product.grant_by_hand();
    let role = database(&product).role();
    let granted: Vec<String> = grants.iter().map(|grant| format!("GRANT {grant} TO {role}")).collect();
    database(&product).execute(&format!("REVOKE ALL ON accounts FROM {role}; REVOKE PROCESS ON *.* FROM {role}; {}", granted.join(";")));
    product
}

/// Why the one rule can't be enforced.
fn blocked(product: &Product) -> String {
    let plan = product.cli("plan --output json").expect(3).json();
    plan["rules"][0]["blocked"]["message"].as_str().unwrap_or_else(|| panic!("{plan}")).to_owned()
}

#[test]
fn plain_grants_are_enough() {
    let product = as_an_account(&["SELECT, DELETE ON accounts", "PROCESS ON *.*"]);
    product.cli("check").expect(0);
    product.hold(&["account:1"]).expect(0);
    sweep(&product, "--approve", 0);
    assert_eq!(left(&product), "1 3 4");
    product.cli("ledger verify").expect(0);
}

#[test]
fn a_missing_privilege_is_named() {
    assert!(blocked(&as_an_account(&["SELECT ON accounts", "PROCESS ON *.*"])).contains("DELETE"));
    assert!(blocked(&as_an_account(&["SELECT, DELETE ON accounts"])).contains("PROCESS"));
    let product = as_an_account(&["SELECT, UPDATE (email) ON accounts", "PROCESS ON *.*"]);
    product.rules("p", &policy(&[&CLOSED.replace("action = \"delete\"", "action = \"anonymise\"\nanonymise = { note = \"null\" }")]));
    assert!(blocked(&product).contains("UPDATE (note)"));
}

#[test]
fn children_that_may_not_be_read_are_named() {
    let product = as_an_account(&["SELECT, DELETE ON accounts", "PROCESS ON *.*"]);
    product.data.execute("CREATE TABLE tickets (id bigint PRIMARY KEY, account bigint, FOREIGN KEY (account) REFERENCES accounts (id))");
    assert!(blocked(&product).contains("SELECT on tickets"));
    database(&product).execute(&format!("GRANT SELECT (account) ON tickets TO {}", database(&product).role()));
    sweep(&product, "--approve", 0);
}

#[test]
fn a_child_that_the_account_may_not_see_is_seen() {
    let product = as_an_account(&["SELECT, DELETE ON accounts", "PROCESS ON *.*"]);
    let database = database(&product);
    database.execute(&format!(
        "CREATE TABLE {}.secret (id bigint PRIMARY KEY, account bigint, FOREIGN KEY (account) REFERENCES {}.accounts (id) ON DELETE CASCADE)",
        database.workspace(),
        database.name()
    ));
    assert!(blocked(&product).contains("secret"));
}

#[test]
fn tables_that_can_not_keep_a_promise_are_refused() {
    for (change, why) in [("ENGINE = MyISAM", "can't roll back"), ("ADD SYSTEM VERSIONING", "would not be gone")] {
        let product = accounts(Kind::Mariadb);
        product.data.execute(&format!("ALTER TABLE accounts {change}"));
        assert!(blocked(&product).contains(why), "{change}");
        product.cli("check").expect(2);
    }
}

#[test]
fn a_column_that_writes_itself_stays_as_it_is() {
    let rule = CLOSED.replace("action = \"delete\"", "action = \"anonymise\"\nanonymise = { note = \"null\" }");
    let product = accounts_with(Kind::Mariadb, &rule, "");
    product.data.execute("ALTER TABLE accounts ADD touched timestamp NOT NULL DEFAULT '2020-01-01 00:00:00' ON UPDATE current_timestamp()");
    let swept = sweep(&product, "--approve", 0);
    assert_eq!(swept["rules"][0]["acted"], 2, "{swept}");
    assert_eq!(product.data.number("SELECT count(*) FROM accounts WHERE note IS NULL"), 2);
    assert_eq!(product.data.number("SELECT count(*) FROM accounts WHERE touched = '2020-01-01 00:00:00'"), 4);
}

#[test]
fn dates_that_do_not_exist_are_no_dates() {
    let rule = CLOSED.replace("start_format = \"timestamp\"", "never = [\"0000-00-00\"]");
    let product = accounts_with(Kind::Mariadb, &rule, "");
    let running = Kind::Mariadb.numbers(11, 1_000);
    product.data.execute(&format!("INSERT INTO accounts {running} SELECT i, NULL, '2026-06-08 00:00:00', NULL FROM n"));
    product.data.execute(
        "SET sql_mode = 'ALLOW_INVALID_DATES'; INSERT INTO accounts VALUES (5, NULL, '0000-00-00', NULL), (6, NULL, '2020-00-10', NULL),
         (7, NULL, '2020-02-30', NULL)",
    );
    let swept = sweep(&product, "--approve", 0);
    let rows = &swept["rules"][0]["rows"];
    assert_eq!((&rows["due"], &rows["undated"]), (&2.into(), &4.into()), "{swept}");
    assert_eq!(product.data.number("SELECT count(*) FROM accounts WHERE id <= 10"), 5);
}

#[test]
fn two_sources_on_one_server_need_two_workspaces() {
    let other = Database::create();
    let mut product = accounts(Kind::Mariadb);
    let workspace = database(&product).workspace().to_owned();
    let source = |workspace: &str| format!("[sources.other]\nurl = \"{}\"\nworkspace = \"{workspace}\"", other.url);
    product.reconfigure("", &source(&workspace));
    let run = product.run(["source", "init", "other"]).expect(1);
    assert!(run.stderr.contains("the workspace of another source"), "{run:#?}");
    product.reconfigure("", &source(other.workspace()));
    product.run(["source", "init", "other"]).expect(0);
}

/// A TIMESTAMP is an instant, and is shown in the zone of whoever asks: where that is the server's, the hour in which clocks
/// are turned back is there twice.
#[test]
fn an_instant_is_one_whatever_zone_the_server_keeps() {
    // It lives as long as the process, and so does the guard that cleans up after it.
    let server: &'static Server = Box::leak(Box::new(Server::private(Options { in_berlin: true, ..Options::default() })));
    let product = Product::over(Data::Mariadb(Database::on(server)), "").at("2027-10-27T01:00:00Z");
    product.data.execute(
        "SET time_zone = '+00:00';
         CREATE TABLE accounts (id bigint PRIMARY KEY, closed_at timestamp(6) NULL, email text);
         INSERT INTO accounts VALUES (1, '2024-10-27 00:30:00', 'first@pass'), (2, '2024-10-27 00:59:59.999999', 'first@pass'),
             (3, '2024-10-27 01:00:00.000001', 'second@pass'), (4, '2024-10-27 01:30:00', 'second@pass')",
    );
    let zone = product.data.column("SELECT CAST(concat(@@global.time_zone, ' ', @@system_time_zone) AS text)").remove(0);
    assert!(["SYSTEM CET", "SYSTEM CEST"].contains(&zone.as_str()), "the server is in {zone}");
    product.rules("p", &policy(&[CLOSED]));
    product.init();
    sweep(&product, "--approve", 0);
    assert_eq!(left(&product), "3 4");
}
