//! `grants`: what it prints is enough, is no more than the rules take, and a DBA can run it as it stands.

use super::{CLOSED, NOW, policy, sweep};
use crate::support::product::{Data, Kind, Product};

/// Notes go after a year, accounts after three; visits are only looked at, and an order keeps its account.
fn rules() -> String {
    let notes = CLOSED
        .replace("\"closed\"", "\"notes\"")
        .replace("3 years", "1 year")
        .replace("action = \"delete\"", "action = \"anonymise\"\nanonymise = { note = \"null\" }\nretains = [\"email\"]");
    let visits = CLOSED
        .replace("\"closed\"", "\"visits\"")
        .replace("\"accounts\"", "\"visits\"")
        .replace("\"delete\"", "\"delete\"\nmode = \"observe\"");
    policy(&[CLOSED, &notes, &visits])
}

/// A source without a workspace, whose role has nothing at all.
fn bare(kind: Kind) -> Product {
    let mut product = Product::new(kind, "[defaults]\nfirst_sweep = \"auto\"").at(NOW);
    product.grant_by_hand();
    let time = kind.pick("text", "timestamptz", "datetime(6)");
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at {time}, note text);
         CREATE TABLE visits (id bigint PRIMARY KEY, email text, closed_at {time}, note text);
         CREATE TABLE orders (id bigint PRIMARY KEY, account bigint, FOREIGN KEY (account) REFERENCES accounts (id));
         INSERT INTO accounts VALUES (1, 'ada@example.com', '2020-02-29 10:00:00', 'a'), (2, 'ben@example.com', '2020-06-01 08:30:00', 'b'),
                                     (3, 'cyd@example.com', '2025-06-08 00:00:00', 'c');
         INSERT INTO orders VALUES (7, 1)"
    ));
    product.rules("p", &rules());
    product
}

/// The script that a DBA gets, with what differs from run to run taken out.
fn script(product: &Product) -> String {
    let role = product.data.role();
    let printed = product.run(["grants", "app", "--config", "dba.toml", "--role", &role]).expect(0);
    assert_eq!(printed.stderr, "");
    printed.stdout
}

#[test]
fn a_dba_runs_it_as_it_stands_and_nothing_more_is_needed() {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let product = bare(kind);
        product.data.execute(&script(&product));
        product.init();
        product.data.execute(&script(&product));
        product.hold(&["account:2"]).expect(0);
        let swept = sweep(&product, "", 0);
        assert_eq!((&swept["rules"][0]["acted"], &swept["rules"][1]["acted"]), (&0.into(), &2.into()), "{kind:?}: {swept}");
        product.data.execute("DELETE FROM orders");
        sweep(&product, "", 0);
        assert_eq!(super::left(&product), "2 3");
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn each_rule_takes_what_it_does_and_no_more() {
    let [postgres, mariadb] = [Kind::Postgres, Kind::Mariadb].map(|kind| {
        let product = bare(kind);
        let script = script(&product);
        let Data::Mariadb(database) = &product.data else { return script };
        script.replace(database.role(), "sweeper").replace(database.workspace(), "retentiond").replace(database.name(), "app")
    });
    insta::assert_snapshot!(format!("{postgres}\n\n{mariadb}"));
}

#[test]
fn row_security_takes_a_role_that_sees_everything() {
    let product = bare(Kind::Postgres);
    product.data.execute("ALTER TABLE visits ENABLE ROW LEVEL SECURITY");
    assert!(script(&product).contains("ALTER ROLE \"retentiond\" BYPASSRLS;"));
}

#[test]
fn what_can_not_be_looked_at_is_said() {
    let product = bare(Kind::Postgres);
    product.rules("p", &policy(&[&CLOSED.replace("\"accounts\"", "\"acounts\"")]));
    let printed = product.run(["grants"]).expect(0);
    assert!(printed.stderr.contains("p/closed: acounts is not there"), "{printed:#?}");
    let json = product.run(["grants", "--output", "json"]).expect(0).json();
    assert_eq!(json["sources"][0]["role"], "\"retentiond\"", "{json}");
    assert_eq!(json["sources"][0]["unseen"].as_array().map(Vec::len), Some(1), "{json}");
}

/// A file has no privileges; that is all there is to say.
#[test]
fn sqlite_has_none() {
    let script = bare(Kind::Sqlite).run(["grants", "app"]).expect(0).stdout;
    assert!(script.contains("SQLite knows no privileges") && !script.contains(';'), "{script}");
}
