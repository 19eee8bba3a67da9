//! `wait_for`: what other tables have keeps a row, on every engine, and says so.

use super::{CLOSED, NOW, accounts_with, ended, left, policy, sweep};
use crate::support::{
    binary::Run,
    product::{Data, Kind, Product},
};

/// Accounts wait for invoices, by no foreign key.
const WAIT: &str = "wait_for = [{ table = \"invoices\", on = { id = \"customer\" } }]\n";

/// Accounts 1 and 2 are due, and the first has an unpaid invoice.
fn product(kind: Kind, rule: &str) -> Product {
    let product = accounts_with(kind, CLOSED, "[defaults]\nfirst_sweep = \"auto\"");
    product.data.execute("CREATE TABLE invoices (id bigint PRIMARY KEY, customer bigint); INSERT INTO invoices VALUES (10, 1), (11, NULL)");
    product.rules("p", &policy(&[rule]));
    product
}

fn explained(product: &Product) -> Run {
    product.run(["explain", "app.accounts", "id=1"]).expect(0)
}

#[test]
fn rows_stay_while_others_belong_to_them() {
    for kind in Kind::ALL {
        let product = product(kind, &format!("{CLOSED}{WAIT}"));
        let plan = product.cli("plan --output json").expect(0).json();
        let rule = &plan["rules"][0];
        assert_eq!((&rule["rows"]["due"], &rule["rows"]["protected"]), (&1.into(), &1.into()), "{kind:?}: {plan}");
        assert_eq!(rule["protected_by"].to_string(), r#"[{"table":"invoices","rows":1}]"#, "{kind:?}");
        assert_eq!(ended(&sweep(&product, "", 0)), "complete -", "{kind:?}");
        assert_eq!(left(&product), "1 3 4", "{kind:?}");
        let told = explained(&product).stdout;
        assert!(told.contains("protected by rows of invoices that refer to it"), "{kind:?}: {told}");
        product.data.execute("DELETE FROM invoices WHERE customer = 1");
        assert!(!explained(&product).stdout.contains("invoices"), "{kind:?}");
        sweep(&product, "", 0);
        assert_eq!(left(&product), "3 4", "{kind:?}");
        assert_eq!(product.data.number("SELECT count(*) FROM invoices"), 1, "{kind:?}");
    }
}

#[test]
fn what_is_anonymised_waits_too() {
    for kind in Kind::ALL {
        let rule = CLOSED.replace("\"delete\"", "\"anonymise\"\nanonymise = { note = \"null\" }\nretains = [\"email\"]");
        let product = product(kind, &format!("{rule}{WAIT}"));
        sweep(&product, "", 0);
        let kept = product.data.column("SELECT note FROM accounts WHERE note IS NOT NULL ORDER BY id").join(" ");
        assert_eq!(kept, "a c d", "{kind:?}");
    }
}

/// The second table is waited for as the first is, and by all columns of the pair together.
#[test]
fn all_columns_of_a_pair_and_all_tables_count() {
    for kind in Kind::ALL {
        let wait = "wait_for = [{ table = \"invoices\", on = { id = \"customer\" } }, { table = \"letters\", on = { id = \"account\", note = \"part\" } }]\n";
        let product = product(kind, &format!("{CLOSED}{wait}"));
        product.data.execute(
            "DELETE FROM invoices; CREATE TABLE letters (account bigint, part text); INSERT INTO letters VALUES (1, 'b'), (2, 'b'), (2, NULL)",
        );
        sweep(&product, "", 0);
        assert_eq!(left(&product), "2 3 4", "{kind:?}");
    }
}

#[test]
fn what_can_not_be_asked_refuses_the_rule() {
    for kind in Kind::ALL {
        let wait = |table: &str, on: &str| format!("{CLOSED}wait_for = [{{ table = \"{table}\", on = {on} }}]\n");
        let product = product(kind, CLOSED);
        product.data.execute("CREATE VIEW unpaid AS SELECT * FROM invoices; CREATE TABLE words (customer varchar(10))");
        for (rule, reason, named) in [
            (wait("invoice", "{ id = \"customer\" }"), "missing_table", "no table invoice, whose rows are waited for"),
            (wait("invoices", "{ id = \"custmer\" }"), "missing_column", "did you mean `customer`?"),
            (wait("invoices", "{ ident = \"customer\" }"), "missing_column", "`on` names the column `ident`"),
            (wait("words", "{ id = \"customer\" }"), "unsupported", "of different types"),
            (wait("unpaid", "{ id = \"customer\" }"), "not_a_table", "no table of the application's own"),
        ] {
            product.rules("p", &policy(&[&rule]));
            let check = product.cli("check --output json").expect(2).json();
            let refused = &check["rules"][0];
            assert!(refused["place"]["line"].as_u64() > Some(10), "{kind:?}: {check}");
            let report = sweep(&product, "", 3);
            assert_eq!(ended(&report), format!("refused {reason}"), "{kind:?}: {report}");
            assert!(report["rules"][0]["message"].as_str().is_some_and(|message| message.contains(named)), "{kind:?}: {report}");
        }
        assert_eq!(left(&product), "1 2 3 4", "{kind:?}");
    }
}

/// The table has to be read, and `grants` says so; a role that can't see all of it may not go on.
#[test]
fn the_other_table_has_to_be_seen() {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let mut product = product(kind, &format!("{CLOSED}{WAIT}"));
        let role = product.data.role();
        let printed = product.run(["grants", "app", "--config", "dba.toml", "--role", &role]).expect(0).stdout;
        let invoices = printed.lines().find(|line| line.contains("invoices")).expect("a grant");
        assert!(invoices.starts_with("GRANT SELECT ON "), "{invoices}");
        product.cli("check").expect(0);
        product.grant_by_hand();
        let Data::Postgres(database) = &product.data else { continue };
        database.execute("ALTER TABLE invoices ENABLE ROW LEVEL SECURITY");
        assert_eq!(ended(&sweep(&product, "", 3)), "refused row_security");
        product.data.execute("ALTER TABLE invoices DISABLE ROW LEVEL SECURITY; REVOKE SELECT ON invoices FROM retentiond");
        assert_eq!(ended(&sweep(&product, "", 3)), "refused privileges");
    }
}

#[test]
fn an_index_for_the_question_is_suggested() {
    for kind in Kind::ALL {
        let product = product(kind, &format!("{CLOSED}{WAIT}"));
        let checked = product.cli("check --output json").expect(0).json().to_string();
        assert!(checked.contains("rows wait for invoices, of which no index starts with customer"), "{kind:?}: {checked}");
        assert!(checked.contains("(\\\"customer\\\")") || checked.contains("(`customer`)"), "{kind:?}: {checked}");
        product.data.execute("CREATE INDEX of_customer ON invoices (customer)");
        let checked = product.cli("check --output json").expect(0).json().to_string();
        assert!(!checked.contains("rows wait for"), "{kind:?}: {checked}");
    }
}

/// To wait for more only keeps more; to wait for less may take more, which a person has to see.
#[test]
fn waiting_for_less_is_counted_like_any_change_that_takes_more() {
    for kind in Kind::ALL {
        let product = product(kind, CLOSED);
        product.rules("p", &policy(&[&format!("{CLOSED}first_sweep = \"approve\"\n{WAIT}")]));
        sweep(&product, "--approve", 0);
        assert_eq!(left(&product), "1 3 4", "{kind:?}");
        product.rules("p", &policy(&[&format!("{CLOSED}first_sweep = \"approve\"\n")]));
        let report = sweep(&product, "", 3);
        assert_eq!(ended(&report), "guarded approval", "{kind:?}: {report}");
        assert_eq!(left(&product), "1 3 4", "{kind:?} at {NOW}");
        assert!(report.to_string().contains("`wait_for` was"), "{kind:?}: {report}");
    }
}

#[test]
fn a_partition_is_not_dropped_while_rows_are_waited_for() {
    let product = Product::new(Kind::Postgres, "[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0").at(NOW);
    product.data.execute(
        "CREATE TABLE accounts (id bigint, email text, closed_at timestamptz) PARTITION BY RANGE (closed_at);
         CREATE TABLE old PARTITION OF accounts FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
         INSERT INTO accounts VALUES (1, 'a', '2020-02-01'), (2, 'b', '2020-02-01'); CREATE TABLE invoices (customer bigint);
         INSERT INTO invoices VALUES (1)",
    );
    product.rules("p", &policy(&[&format!("{CLOSED}{WAIT}partitions = \"drop\"\n")]));
    product.init();
    assert!(product.cli("plan").expect(0).stdout.contains("no partition is dropped, because rows of invoices are waited for"));
    sweep(&product, "", 0);
    assert_eq!(left(&product), "1");
}
