//! `tenant`: rules for one of several customers that share a table, on every engine.

use super::{CLOSED, NOW, ended, left, policy, sweep};
use crate::support::product::{Kind, Product};

/// Accounts of three tenants, and one of nobody's: all were closed in 2020, so that all are due after three years.
fn product(kind: Kind, of: &str, values: [&str; 2], rules: &[String]) -> Product {
    let product = Product::new(kind, "[defaults]\nfirst_sweep = \"auto\"").at(NOW);
    let time = kind.pick("text", "timestamptz", "datetime(6)");
    let [one, other] = values;
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, email varchar(40), closed_at {time}, tenant_id {of});
         INSERT INTO accounts VALUES (1, 'a', '2020-02-29 10:00:00', {one}), (2, 'b', '2020-06-01 08:30:00', {other}),
                                     (3, 'c', '2020-06-01 08:30:00', NULL), (4, 'd', '2020-06-01 08:30:00', {one})"
    ));
    product.rules("p", &policy(&rules.iter().map(String::as_str).collect::<Vec<_>>()));
    product.init();
    product
}

fn of_tenant(is: &str) -> String {
    format!("{CLOSED}tenant = {{ column = \"tenant_id\", is = {is} }}\n")
}

/// The value is compared as the column compares: by number, by its letters or regardless of their case.
#[test]
fn rows_of_other_tenants_stay() {
    for kind in Kind::ALL {
        for (of, values, is) in [
            (kind.pick("text", "text", "varchar(20)"), ["'acme'", "'other'"], "\"acme\""),
            (kind.pick("text COLLATE NOCASE", "text", "varchar(20) COLLATE utf8mb4_general_ci"), ["'acme'", "'acme2'"], "\"acme\""),
            ("bigint", ["7", "70"], "7"),
            ("bigint", ["7", "0"], "\"7\""),
            ("decimal(10,2)", ["7.5", "7"], "\"7.5\""),
            (kind.pick("", "varchar(20)", "varbinary(20)"), ["'7'", "'07'"], "\"7\""),
            (
                kind.pick("text", "uuid", "uuid"),
                ["'0a1b2c3d-0001-4abc-8def-0123456789ab'", "'0a1b2c3d-0001-4abc-8def-0123456789ac'"],
                "\"0a1b2c3d-0001-4abc-8def-0123456789ab\"",
            ),
        ] {
            if of == "varbinary(20)" {
                continue; // Bytes are no names of tenants.
            }
            let product = product(kind, of, values, &[of_tenant(is)]);
            let report = sweep(&product, "", 0);
            assert_eq!(report["rules"][0]["rows"]["outside"], 2, "{kind:?} {of}: {report}");
            assert_eq!(left(&product), "2 3", "{kind:?} {of} {is}");
        }
    }
}

/// On SQLite a column may have no type, and a number is not its digits.
#[test]
fn a_tenant_in_a_column_without_a_type() {
    let product = product(Kind::Sqlite, "", ["7", "'seven'"], &[of_tenant("7")]);
    product.data.execute("INSERT INTO accounts VALUES (5, 'e', '2020-06-01 08:30:00', '7')");
    sweep(&product, "", 0);
    assert_eq!(left(&product), "2 3");
}

#[test]
fn a_tenant_may_have_a_period_of_its_own() {
    for kind in Kind::ALL {
        // All others are kept for ten years, the tenant's for three; a row of nobody's may be anybody's, and stays.
        let general = CLOSED.replace("\"closed\"", "\"general\"").replace("3 years", "10 years");
        let own = format!("{}overrides = [\"general\"]\n", of_tenant("\"acme\""));
        let product = product(kind, kind.pick("text", "text", "varchar(20)"), ["'acme'", "'other'"], &[general, own]);
        sweep(&product, "", 0);
        assert_eq!(left(&product), "2 3", "{kind:?}");
    }
}

/// What protects a tenant protects rows that may be the tenant's.
#[test]
fn a_protection_for_a_tenant_covers_what_may_be_the_tenants() {
    for kind in Kind::ALL {
        let keep = format!(
            "id = \"dispute\"\ncategory = \"dispute\"\nsource = \"app\"\ntable = \"accounts\"\naction = \"keep\"\nreason = \"dispute\"\n{}",
            "tenant = { column = \"tenant_id\", is = \"acme\" }\n"
        );
        let product = product(kind, kind.pick("text", "text", "varchar(20)"), ["'acme'", "'other'"], &[CLOSED.to_owned(), keep]);
        sweep(&product, "", 0);
        assert_eq!(left(&product), "1 3 4", "{kind:?}");
    }
}

#[test]
fn a_condition_and_a_tenant_must_both_be_true() {
    for kind in Kind::ALL {
        let rule = format!("{}where = \"email = 'a' OR email = 'b'\"\n", of_tenant("\"acme\""));
        let product = product(kind, kind.pick("text", "text", "varchar(20)"), ["'acme'", "'other'"], &[rule]);
        sweep(&product, "", 0);
        assert_eq!(left(&product), "2 3 4", "{kind:?}");
    }
}

#[test]
fn what_can_be_no_tenant_refuses_the_rule() {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        for (of, value, is, named) in [
            ("bigint", "7", "\"acme\"", "no row can be of the tenant \"acme\""),
            (kind.pick("", "varchar(5)", "varchar(5) COLLATE utf8mb4_bin"), "'acme'", "\"acme-and-co\"", "is longer than 5 characters"),
            ("date", "'2020-01-01'", "\"2020-01-01\"", "in which tenants can't be told"),
        ] {
            let product = product(kind, of, [value, value], &[of_tenant(is)]);
            let report = sweep(&product, "", 3);
            assert_eq!(ended(&report), "refused unsupported", "{kind:?}: {report}");
            assert!(report["rules"][0]["message"].as_str().is_some_and(|message| message.contains(named)), "{kind:?}: {report}");
        }
        let product = product(kind, "bigint", ["7", "8"], &[of_tenant("7").replace("\"tenant_id\"", "\"tenant\"")]);
        assert_eq!(ended(&sweep(&product, "", 3)), "refused missing_column");
    }
}

/// A tenant is held as a whole, under every rule of a table that one of them scopes to a tenant.
#[test]
fn a_tenant_is_held_as_a_whole() {
    for kind in Kind::ALL {
        let (of, values) = (kind.pick("text", "text", "varchar(20)"), ["'acme'", "'other'"]);
        let general = CLOSED.replace("\"closed\"", "\"general\"");
        let product = product(kind, of, values, &[of_tenant("\"acme\""), general]);
        let placed = product.cli("hold place --matter M --tenant other --reason r --by b --output json").expect(0).json();
        assert_eq!(placed["holds"][0]["rows"][0]["rows"], 1, "{kind:?}: {placed}");
        sweep(&product, "", 0);
        assert_eq!(left(&product), "2", "{kind:?}");
        let told = product.run(["explain", "app.accounts", "id=2"]).expect(0).stdout;
        assert!(told.contains("held"), "{kind:?}: {told}");
    }
}

#[test]
fn a_tenant_that_no_rule_tells_is_not_held_in_silence() {
    let product = product(Kind::Sqlite, "text", ["'acme'", "'other'"], &[CLOSED.to_owned()]);
    let told = product.cli("hold place --matter M --tenant acme --reason r --by b").expect(2).stderr;
    assert!(told.contains("no rule says which rows are a tenant's"), "{told}");
}

#[test]
fn identities_are_looked_at() {
    for kind in Kind::ALL {
        let identity = |columns: &str| format!("{CLOSED}\n[[identity]]\nsource = \"app\"\ntable = \"accounts\"\ncolumns = {columns}\n");
        let product =
            product(kind, kind.pick("text", "text", "varchar(20)"), ["'a'", "'b'"], &[identity("{ account = \"id\", email = \"email\" }")]);
        assert!(product.cli("check").expect(0).stdout.contains("ok       identity accounts of app"), "{kind:?}");
        product.rules("p", &policy(&[&identity("{ account = \"id\", email = \"mail\" }")]));
        let told = product.cli("check").expect(2).stdout;
        assert!(told.contains("the identity names `mail` as email, which accounts does not have"), "{kind:?}: {told}");
    }
}
