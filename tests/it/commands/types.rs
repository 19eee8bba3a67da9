//! Types of columns as a person meets them: values that can't be one of a column's, starts that hold no day, and new values that
//! a table's own checks refuse.

use serde_json::json;

use super::{CLOSED, accounts, ended, left, policy, sweep};
use crate::support::product::Kind;

/// In a subject file, as JSON, anything can be said.
#[test]
fn a_value_that_no_column_can_have_is_placed_nowhere() {
    for kind in [Kind::Postgres, Kind::Mariadb] {
        let product = accounts(kind);
        product.data.execute(&format!(
            "CREATE TABLE devices (id bigint PRIMARY KEY, serial {}, ip {}, closed_at {})",
            kind.pick("text", "varchar(5)", "varchar(5) COLLATE utf8mb4_nopad_bin"),
            kind.pick("text", "cidr", "inet6"),
            kind.pick("text", "timestamptz", "datetime(6)")
        ));
        let devices = CLOSED
            .replace("id = \"closed\"", "id = \"devices\"")
            .replace("\"accounts\"", "\"devices\"")
            .replace("email = \"email\"", "serial = \"serial\", ip = \"ip\"");
        product.rules("p", &policy(&[CLOSED, &devices]));
        let subjects =
            ["account:12abc", "account:99999999999999999999", "account:1e3", "serial:ABC-123", "ip:10.1.2.3/8", "email:ada@example.com"];
        let run = product.hold(&subjects).expect(2);
        insta::assert_snapshot!(format!("values_that_cannot_be_{kind:?}"), run.stderr);
        assert_eq!(product.cli("hold list --all --output json").json()["holds"], json!([]), "nothing is recorded half");
        // Nor what no source could ever be told: it would be waited for.
        for value in ["a\\u0000b", "", &*"x".repeat(2_000)] {
            product.folder.write("subjects", &format!("{{\"kind\": \"email\", \"value\": \"{value}\"}}\n"));
            let run = product.cli("hold place --matter m --reason r --by b --accept-uncovered --subjects-file subjects").expect(2);
            assert!(run.stderr.contains("nothing was placed"), "{run:#?}");
        }
        product.folder.write("subjects", "email:ada\u{FEFF}@example.com\nemail:\u{1F600}\n");
        product.cli("hold place --matter m --reason r --by b --subjects-file subjects --accept-uncovered").expect(0);
        // Placed all the same, it holds nobody there, and somebody where it fits.
        let place = [
            "hold",
            "place",
            "--matter",
            "m",
            "--reason",
            "r",
            "--by",
            "b",
            "--subject",
            "account:1x",
            "--subject",
            "email:ben@example.com",
            "--accept-uncovered",
        ];
        product.run(place).expect(0);
        sweep(&product, "--approve", 0);
        assert_eq!(left(&product), "2 3 4", "{kind:?}");
    }
}

#[test]
fn a_start_that_holds_no_day_is_refused() {
    for (kind, types) in [
        (Kind::Postgres, &["time", "interval", "mood", "timestamptz[]", "jsonb", "bit(14)", "inet", "uuid", "boolean"][..]),
        (Kind::Mariadb, &["time", "year", "enum('2020')", "bit(14)", "json", "uuid", "geometry"][..]),
    ] {
        let product = accounts(kind);
        if kind == Kind::Postgres {
            product.data.execute("CREATE TYPE mood AS ENUM ('sad')");
        }
        let mut told = String::new();
        for sql_type in types {
            product
                .data
                .execute(&format!("DROP TABLE accounts; CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at {sql_type})"));
            for format in ["", "start_format = \"unix_s\"\n"] {
                product.rules("p", &policy(&[&CLOSED.replace("start_format = \"timestamp\"\n", format)]));
                let report = product.cli("check --output json").expect(2).json();
                told.push_str(&format!("{sql_type}: {}\n", report["rules"][0]["blocked"]["message"].as_str().unwrap_or_default()));
            }
        }
        insta::assert_snapshot!(format!("starts_that_hold_no_day_{kind:?}"), told);
    }
}

/// What a table's author forbids is not known beforehand, and the database's word is the last one: nothing of the batch stays.
#[test]
fn a_new_value_that_a_check_forbids_changes_no_row() {
    for kind in Kind::ALL {
        let product = accounts(kind);
        product.data.execute(kind.pick(
            "DROP TABLE accounts; CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at text, note text, CHECK (note <> 'gone' OR id <> 2))",
            "CREATE DOMAIN word AS text; CREATE DOMAIN remark AS word CHECK (value <> 'gone' OR current_setting('server_version_num') < '0');
             ALTER TABLE accounts ALTER note TYPE remark",
            "ALTER TABLE accounts ADD CHECK (note <> 'gone' OR id <> 2)",
        ));
        if kind == Kind::Sqlite {
            product.data.execute("INSERT INTO accounts VALUES (1, 'ada@example.com', '2020-02-29 10:00:00', 'a'), (2, 'ben@example.com', '2020-06-01 08:30:00', 'b')");
        }
        let rule = CLOSED.replace("\"delete\"", "\"anonymise\"")
            + "anonymise = { note = { strategy = \"fixed\", value = \"gone\" } }\nretains = [\"email\"]\n";
        product.rules("p", &policy(&[&rule]));
        let report = sweep(&product, "--approve", 1);
        assert!(ended(&report).starts_with("failed"), "{kind:?}: {report}");
        let words = report["rules"][0]["message"].as_str().unwrap_or_default().to_lowercase();
        assert!(words.contains("check") || words.contains("constraint"), "{kind:?}: {words}");
        let notes = product.data.column("SELECT note FROM accounts ORDER BY id");
        assert_eq!(notes[..2], ["a", "b"], "{kind:?}");
        product.cli("ledger verify").expect(0);
    }
}
