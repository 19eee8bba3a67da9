//! What can't be done rightly is refused, by name, before anything changes, and `check` says it beforehand.

use super::{CLOSED, NOW, accounts, ended, left, policy, sweep};
use crate::support::{
    database::Database,
    postgres::{Options, Server},
    product::{Data, Kind, Product},
};

/// Asserts that the rule is refused for this reason, in words that contain `named`, by check, plan and sweep alike.
#[track_caller]
fn refused(product: &Product, reason: &str, named: &str) {
    let check = product.cli("check").expect(2);
    assert!(check.stdout.contains(named), "no `{named}` in {check:#?}");
    let plan = product.cli("plan --output json").expect(3).json();
    assert_eq!(plan["rules"][0]["blocked"]["reason"], reason, "{plan}");
    assert!(plan["rules"][0]["rows"].is_null(), "{plan}");
    for words in ["--approve", "--approve --no-count", "--dry-run"] {
        let report = sweep(product, words, 3);
        assert_eq!(ended(&report), format!("refused {reason}"), "{report}");
        assert!(report["rules"][0]["message"].as_str().is_some_and(|message| message.contains(named)), "{report}");
    }
}

/// What a database says of a rule stands beside the line that it is about, like any mistake in a file.
#[test]
fn what_does_not_fit_the_database_points_at_the_file() {
    let product = accounts(Kind::Postgres);
    product.data.execute("CREATE TABLE visits (id bigint PRIMARY KEY, account bigint, seen_at timestamptz, ip inet NOT NULL, note text)");
    let rules = [
        ("table", CLOSED.replace("table = \"accounts\"", "table = \"acounts\"")),
        ("start", CLOSED.replace("\"closed_at\"", "\"closd_at\"")),
        ("format", CLOSED.replace("\"timestamp\"", "\"unix_ms\"")),
        ("subject", CLOSED.replace("\"email\" }", "\"e_mail\" }")),
        ("where", format!("{CLOSED}where = \"nte = 'a'\"\n")),
        ("words", format!("{CLOSED}where = \"note > 7\"\n")),
        ("key", format!("{CLOSED}key = [\"id\", \"nmber\"]\n")),
        (
            "strategy",
            "id = \"x\"\ncategory = \"c\"\nsource = \"app\"\ntable = \"visits\"\nsubject = { account = \"account\" }\nstart = \"seen_at\"\nkeep_for = \"1 year\"\naction = \"anonymise\"\nanonymise = { note = \"null\", ip = \"null\" }\n"
                .to_owned(),
        ),
    ];
    let mut told = String::new();
    for (name, rule) in rules {
        product.rules("p", &policy(&[&rule]));
        let report = product.cli("check --output json").expect(2).json();
        let place = &report["rules"][0]["place"];
        assert_eq!(place["file"], "rules/p.toml", "{name}: {report}");
        assert!(place["line"].as_u64() > Some(1) && place["column"].is_u64(), "{name}: {report}");
        let output = product.cli("check").expect(2).stdout;
        let refused: Vec<&str> = output.lines().skip_while(|line| !line.starts_with("refused")).collect();
        told.push_str(&format!("{}\n\n", refused.join("\n")));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn what_would_be_dragged_along_is_refused_by_name() {
    let cases = [
        ("CREATE TABLE tickets (id bigint PRIMARY KEY, account bigint REFERENCES accounts (id) ON DELETE CASCADE)", "cascade", "tickets"),
        ("CREATE TABLE tickets (id bigint PRIMARY KEY, account bigint REFERENCES accounts (id) ON DELETE SET NULL)", "cascade", "tickets"),
        (
            "CREATE TABLE tickets (id bigint PRIMARY KEY, account bigint DEFAULT 0 REFERENCES accounts (id) ON DELETE SET DEFAULT)",
            "cascade",
            "tickets",
        ),
    ];
    for kind in Kind::ALL {
        for (statement, reason, named) in cases {
            if kind == Kind::Mariadb && statement.contains("SET DEFAULT") {
                continue; // InnoDB has no such reference.
            }
            let product = accounts(kind);
            product.data.execute(statement);
            product.data.execute("INSERT INTO tickets VALUES (7, 1)");
            refused(&product, reason, named);
            assert_eq!((left(&product).as_str(), product.data.number("SELECT count(*) FROM tickets WHERE account = 1")), ("1 2 3 4", 1));
        }
    }
}

#[test]
fn a_trigger_is_refused_by_name() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.data.execute("CREATE TABLE audit (id bigint)");
        product.data.execute(kind.pick(
            "CREATE TRIGGER watches AFTER DELETE ON accounts BEGIN INSERT INTO audit VALUES (old.id); END",
            "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO audit VALUES (old.id); RETURN old; END $$;
             CREATE TRIGGER watches AFTER DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION watch()",
            "CREATE TRIGGER watches AFTER DELETE ON accounts FOR EACH ROW INSERT INTO audit VALUES (old.id)",
        ));
        refused(&product, "trigger", "watches");
        assert_eq!((left(&product).as_str(), product.data.number("SELECT count(*) FROM audit")), ("1 2 3 4", 0));
    }
}

#[test]
fn what_is_no_table_or_lacks_a_column_is_refused() {
    let rules = [
        ("\"accounts\"", "\"seen\"", "not_a_table", "seen"),
        ("\"accounts\"", "\"acounts\"", "missing_table", "did you mean `accounts`"),
        ("\"closed_at\"", "\"closd_at\"", "missing_column", "did you mean `closed_at`"),
        ("email = \"email\"", "email = \"emial\"", "missing_column", "emial"),
        ("action =", "where = \"nowhere = 1\"\naction =", "missing_column", "nowhere"),
        ("\"timestamp\"", "\"compact\"", "start_format", "closed_at"),
    ];
    for kind in Kind::ALL {
        for (from, to, reason, named) in rules {
            if kind == Kind::Sqlite && reason == "start_format" {
                continue; // Text can hold any format there.
            }
            let product = accounts(kind);
            product.data.execute("CREATE VIEW seen AS SELECT * FROM accounts");
            product.rules("p", &policy(&[&CLOSED.replace(from, to)]));
            refused(&product, reason, named);
            assert_eq!(left(&product), "1 2 3 4");
        }
    }
}

#[test]
fn a_child_that_forbids_the_delete_protects_its_parent() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.data.execute(
            "CREATE TABLE tickets (id bigint PRIMARY KEY, account bigint REFERENCES accounts (id)); INSERT INTO tickets VALUES (7, 1)",
        );
        let report = sweep(&product, "--approve", 0);
        assert_eq!((&report["rules"][0]["rows"]["protected"], &report["rules"][0]["acted"]), (&1.into(), &1.into()), "{kind:?}: {report}");
        assert_eq!(left(&product), "1 3 4");
        product.data.execute("DELETE FROM tickets");
        sweep(&product, "", 0);
        assert_eq!(left(&product), "3 4");
    }
}

/// The source as a role that has only what it is granted.
fn as_a_role(grants: &str) -> Product {
    let mut product = accounts(Kind::Postgres);
    product.grant_by_hand();
    product.data.execute(&format!("REVOKE ALL ON accounts FROM retentiond; {grants}"));
    product
}

#[test]
fn plain_grants_are_enough() {
    let product = as_a_role("GRANT SELECT, DELETE ON accounts TO retentiond");
    product.cli("check").expect(0);
    product.hold(&["account:1"]).expect(0);
    sweep(&product, "--approve", 0);
    assert_eq!(left(&product), "1 3 4");
    product.cli("ledger verify").expect(0);
}

#[test]
fn a_missing_privilege_is_named() {
    refused(&as_a_role("GRANT SELECT ON accounts TO retentiond"), "privileges", "DELETE");
    refused(&as_a_role("GRANT DELETE ON accounts TO retentiond"), "privileges", "SELECT");
}

/// Only the primary takes changes; which of the two an address leads to is known before anything acts.
#[test]
fn a_replica_is_no_target() {
    // They live as long as the process, and so do the guards that clean up after them.
    let primary: &'static Server = Box::leak(Box::new(Server::private(Options::default())));
    let database = Database::on(primary);
    let name = database.name().to_owned();
    let mut product = Product::over(Data::Postgres(database), "replicas = \"none\"").at(NOW);
    product.data.execute("CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at timestamptz)");
    product.rules("p", &policy(&[CLOSED]));
    product.init();
    let replica = primary.replica();
    product.connect_by(&replica.superuser_url(&name));
    let check = product.cli("check --output json").expect(2).json();
    assert_eq!(check["sources"][0]["blocked"]["reason"], "unsupported", "{check}");
    assert!(check["sources"][0]["blocked"]["message"].as_str().is_some_and(|words| words.contains("is a replica")), "{check}");
    let swept = product.cli("sweep");
    assert!(swept.status.is_some_and(|status| status != 0) && format!("{swept:?}").contains("is a replica"), "{swept:#?}");
}

/// Blanks the notes of closed accounts.
fn anonymising() -> String {
    policy(&[&CLOSED.replace("action = \"delete\"", "action = \"anonymise\"\nanonymise = { note = \"null\" }")])
}

#[test]
fn columns_that_may_not_be_changed_are_named() {
    let product = as_a_role("GRANT SELECT ON accounts TO retentiond; GRANT UPDATE (email) ON accounts TO retentiond");
    product.rules("p", &anonymising());
    refused(&product, "privileges", "UPDATE (note)");
    product.data.execute("GRANT UPDATE (note) ON accounts TO retentiond");
    sweep(&product, "--approve", 0);
    assert_eq!(product.data.number("SELECT count(*) FROM accounts WHERE note IS NULL"), 2);
}

/// A parent waits for such children, so none may be hidden.
#[test]
fn children_that_may_be_invisible_are_refused() {
    let child = "CREATE TABLE tickets (id bigint PRIMARY KEY, account bigint REFERENCES accounts (id)); INSERT INTO tickets VALUES (7, 1);
        GRANT SELECT, DELETE ON accounts TO retentiond;";
    refused(&as_a_role(child), "privileges", "tickets");
    let child = format!("{child} GRANT SELECT (account) ON tickets TO retentiond;");
    sweep(&as_a_role(&child), "--approve", 0);
    refused(&as_a_role(&format!("{child} ALTER TABLE tickets ENABLE ROW LEVEL SECURITY")), "row_security", "tickets");
}

/// What is computed from a column changes with it.
#[test]
fn computed_columns_count_as_changed() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        let computed = kind.pick("lower(email)", "lower(email)", "lower(email)");
        product.data.execute(&format!(
            "ALTER TABLE accounts ADD COLUMN folded varchar(100) GENERATED ALWAYS AS ({computed}) {}",
            kind.pick("VIRTUAL", "STORED", "STORED")
        ));
        let rule = |more: &str| anonymising().replace("note = \"null\"", "email = \"null\"").replace(", email = \"email\"", more);
        product.rules("p", &rule(", email = \"folded\""));
        refused(&product, "strategy", "`folded` is computed from it");
        product.rules("p", &rule(""));
        product.cli("check").expect(0);
        product.data.execute(kind.pick(
            "CREATE TABLE audit (id bigint); CREATE TRIGGER watches AFTER UPDATE OF folded ON accounts BEGIN INSERT INTO audit VALUES (old.id); END",
            "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN new; END $$;
             CREATE TRIGGER watches AFTER UPDATE OF folded ON accounts FOR EACH ROW EXECUTE FUNCTION watch()",
            "CREATE TRIGGER watches AFTER UPDATE ON accounts FOR EACH ROW SET @seen = 1",
        ));
        refused(&product, "trigger", "watches");
    }
}

#[test]
fn rows_that_may_be_invisible_are_refused() {
    let grants = "GRANT SELECT, DELETE ON accounts TO retentiond; ALTER TABLE accounts ENABLE ROW LEVEL SECURITY";
    refused(&as_a_role(grants), "row_security", "accounts");
    let policies = "CREATE POLICY everything ON accounts USING (true)";
    refused(&as_a_role(&format!("{grants}; {policies}")), "row_security", "accounts");
    // The owner is bound by it where it is forced.
    refused(
        &as_a_role(&format!("{grants}; ALTER TABLE accounts OWNER TO retentiond; ALTER TABLE accounts FORCE ROW LEVEL SECURITY")),
        "row_security",
        "accounts",
    );
}
