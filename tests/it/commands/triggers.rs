//! `triggers`: those that may fire, on every engine; any other is refused, and so is one whose body is another.

use super::{CLOSED, NOW, accounts_with, ended, left, policy, sweep};
use crate::support::{
    binary,
    product::{Kind, Product},
};

const MAY: &str = "triggers = [{ name = \"watches\", reason = \"it only writes an audit log\" }]\n";

/// Makes the trigger that writes `what` for each account that goes, in place of the one that was there.
fn watched(product: &Product, kind: Kind, what: &str) {
    let insert = format!("INSERT INTO audit VALUES (old.id, '{what}')");
    let made = format!("CREATE TRIGGER watches AFTER DELETE ON accounts FOR EACH ROW {insert}");
    product.data.execute(&match kind {
        Kind::Sqlite => format!("DROP TRIGGER IF EXISTS watches; CREATE TRIGGER watches AFTER DELETE ON accounts BEGIN {insert}; END"),
        // The trigger stays as it is, and runs another body.
        Kind::Postgres => format!(
            "CREATE OR REPLACE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN {insert}; RETURN old; END $$;
             CREATE OR REPLACE TRIGGER watches AFTER DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION watch()"
        ),
        Kind::Mariadb => format!("DROP TRIGGER IF EXISTS watches; {made}"),
    });
}

/// Accounts 1 and 2 are due; nobody has to approve anything, unless a body becomes another.
fn product(kind: Kind, rule: &str) -> Product {
    let product = accounts_with(kind, CLOSED, "[defaults]\nfirst_sweep = \"auto\"");
    product.data.execute("CREATE TABLE audit (id bigint, what varchar(20))");
    watched(&product, kind, "gone");
    product.rules("p", &policy(&[rule]));
    product
}

fn audit(product: &Product) -> String {
    product.data.column("SELECT CAST(what AS text) FROM audit ORDER BY audit.id, what").join(" ")
}

#[test]
fn a_trigger_that_is_listed_fires() {
    for kind in Kind::ALL {
        let product = product(kind, &format!("{CLOSED}{MAY}"));
        let check = product.cli("check --output json").expect(0).json();
        assert_eq!(check["rules"][0]["dragged"][0]["reason"], "it only writes an audit log", "{kind:?}: {check}");
        sweep(&product, "--dry-run", 0);
        assert_eq!(audit(&product), "", "{kind:?}: what it did is rolled back with the rest");
        sweep(&product, "", 0);
        assert_eq!((left(&product), audit(&product)), ("3 4".to_owned(), "gone gone".to_owned()), "{kind:?}");
    }
}

#[test]
fn any_other_is_refused() {
    for kind in Kind::ALL {
        let product = product(kind, &format!("{CLOSED}{}", MAY.replace("watches", "listens")));
        let report = sweep(&product, "", 3);
        assert_eq!(ended(&report), "refused trigger", "{kind:?}: {report}");
        let message = report["rules"][0]["message"].as_str().expect("a message");
        assert!(message.contains("triggers = [{ name = \"watches\", reason = \"…\" }]"), "{kind:?}: {message}");
        product.rules("p", &policy(&[&format!("{CLOSED}{}", MAY.replace("}]", "}, { name = \"listens\", reason = \"r\" }]"))]));
        let check = product.cli("check").expect(0).stdout;
        assert!(check.contains("`triggers` lists `listens`, and no trigger of that name fires"), "{kind:?}: {check}");
        assert_eq!(left(&product), "1 2 3 4", "{kind:?}");
    }
}

/// Sweeps once, then gives the trigger another body: nothing goes until a person has seen it.
pub fn a_changed_body_waits(fault: &str) {
    for kind in Kind::ALL {
        let product = product(kind, &format!("{CLOSED}{MAY}"));
        sweep(&product, "", 0);
        product.data.execute("INSERT INTO accounts VALUES (1, 'ada@example.com', '2020-02-29 10:00:00', 'a')");
        watched(&product, kind, "sold");
        let run = binary::run(product.command(["sweep", "--output", "json"]).env("RETENTIOND_TEST_SEEDED", fault)).expect(3);
        assert_eq!(ended(&run.json()), "guarded approval", "{kind:?}");
        let plan = product.cli("plan").expect(0).stdout;
        assert!(plan.contains("the trigger `watches` has another body"), "{kind:?}: {plan}");
        assert_eq!(left(&product), "1 3 4", "{kind:?}");
        sweep(&product, "--approve", 0);
        assert_eq!((left(&product), audit(&product)), ("3 4".to_owned(), "gone sold gone".to_owned()), "{kind:?}");
    }
}

#[test]
fn another_body_waits_for_a_person() {
    a_changed_body_waits("none");
}

/// Under `first_sweep = "auto"` too: whoever listed it may not have seen what it does.
#[test]
fn a_trigger_that_comes_later_waits_for_a_person() {
    for kind in Kind::ALL {
        let product = accounts_with(kind, CLOSED, "[defaults]\nfirst_sweep = \"auto\"");
        sweep(&product, "", 0);
        product
            .data
            .execute("CREATE TABLE audit (id bigint, what varchar(20)); INSERT INTO accounts VALUES (1, 'a', '2020-02-29 10:00:00', 'a')");
        watched(&product, kind, "gone");
        product.rules("p", &policy(&[&format!("{CLOSED}{MAY}")]));
        assert_eq!(ended(&sweep(&product, "", 3)), "guarded approval", "{kind:?}");
        assert!(product.cli("plan").expect(0).stdout.contains("the trigger `watches` fires"), "{kind:?}");
        sweep(&product, "--approve", 0);
        assert_eq!((left(&product), audit(&product)), ("3 4".to_owned(), "gone".to_owned()), "{kind:?}");
    }
}

/// On MariaDB only who may make triggers sees what they do, and `grants` asks for that where a rule lets one fire.
#[test]
fn a_body_that_can_not_be_seen_is_refused() {
    let mut product = product(Kind::Mariadb, &format!("{CLOSED}{MAY}"));
    product.cli("check").expect(0);
    product.grant_by_hand();
    product.data.execute(&format!("REVOKE TRIGGER ON accounts FROM {}", product.data.role()));
    let report = sweep(&product, "", 3);
    assert_eq!(ended(&report), "refused trigger");
    assert!(report.to_string().contains("this role may not see its body"), "{report}");
}

#[test]
fn a_partition_is_not_dropped_past_a_trigger() {
    let product = Product::new(Kind::Postgres, "[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0").at(NOW);
    product.data.execute(
        "CREATE TABLE accounts (id bigint, email text, closed_at timestamptz) PARTITION BY RANGE (closed_at);
         CREATE TABLE old PARTITION OF accounts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01'); CREATE TABLE audit (id bigint, what text);
         INSERT INTO accounts VALUES (1, 'a', '2020-02-01'), (2, 'b', '2020-02-01')",
    );
    watched(&product, Kind::Postgres, "gone");
    product.rules("p", &policy(&[&format!("{CLOSED}{MAY}partitions = \"drop\"\n")]));
    product.init();
    assert!(product.cli("plan").expect(0).stdout.contains("no partition is dropped, because the trigger `watches` fires for every row"));
    sweep(&product, "", 0);
    assert_eq!((left(&product), audit(&product)), (String::new(), "gone gone".to_owned()));
}
