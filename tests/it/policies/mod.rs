//! The five policies of `rules/`, promise by promise: what must go is gone and what must stay is untouched, as sets of keys, on every engine.
//!
//! Schema and rows are those that `demo --policy … --sql …` prints, so that the seeder is tried too. A new promise is a row of the list
//! in its policy's file.

mod aimplan;
mod aramin;
mod aspinix;
mod aulm;
mod helpdesk;
mod seen;

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

use crate::support::{
    binary::{Folder, run},
    product::{Data, Kind, Product},
};

/// The instant of these tests, from which the seeds count back.
const NOW: &str = "2026-06-15T12:00:00Z";

/// A promise by its id, and what shows that it is kept; `None`: what it takes is not part of this version.
type Promise = (&'static str, Option<fn(Kind)>);

/// Every promise that was published.
const PROMISES: &[(&str, &[Promise])] = &[
    ("aimplan", aimplan::PROMISES),
    ("aramin", aramin::PROMISES),
    ("aspinix", aspinix::PROMISES),
    ("aulm", aulm::PROMISES),
    ("helpdesk", helpdesk::PROMISES),
];

/// A policy on a database of its own system.
struct Trial {
    product: Product,
    policy: &'static str,
}

impl Trial {
    /// With its schema and rows; nothing was swept yet.
    fn new(policy: &'static str, kind: Kind) -> Self {
        Self::with(policy, kind, "auto")
    }

    /// The same with rules that wait to be approved.
    fn waiting(policy: &'static str, kind: Kind) -> Self {
        Self::with(policy, kind, "approve")
    }

    fn with(policy: &'static str, kind: Kind, first_sweep: &str) -> Self {
        Self::edited(policy, kind, first_sweep, |rules| rules)
    }

    /// The same with rules that somebody has changed.
    fn edited(policy: &'static str, kind: Kind, first_sweep: &str, edit: fn(String) -> String) -> Self {
        let rest = "[keys.pepper]\nfile = \"pepper.key\"\n[http]\nlisten = \"127.0.0.1:0\"\n[defaults]\nmax_share = 1.0\nfirst_sweep";
        let product = Product::new(kind, &format!("{rest} = \"{first_sweep}\"")).at(NOW);
        let engine = kind.pick("sqlite", "postgres", "mariadb");
        let script = run(Folder::new("").command(["demo", "--policy", policy, "--sql", engine]).env("RETENTIOND_TEST_NOW", NOW)).expect(0);
        product.data.execute(&script.stdout);
        product.folder.write("pepper.key", "a key of sufficient length");
        let rules = edit(fs::read_to_string(folder(policy).join("policy.toml")).expect("rules"));
        if rules.contains("residue = ") {
            owned(&product.data);
        }
        let archive = product.folder.path().join("archive");
        fs::create_dir(&archive).expect("a folder");
        product.rules(policy, &rules.replace("file:///srv/archive", &format!("file://{}", archive.display())));
        product.init();
        Self { product, policy }
    }

    /// One sweep; what it did by rule.
    fn sweep(&self) -> BTreeMap<String, Value> {
        let report = self.product.cli("sweep --output json").expect(0).json();
        let rules = report["rules"].as_array().expect("rules").iter();
        rules.map(|rule| (rule["rule"].as_str().expect("a name").to_owned(), rule.clone())).collect()
    }

    /// What is left of a table, by key, where a condition is true.
    fn left(&self, table: &str, condition: &str) -> String {
        self.product.data.column(&format!("SELECT CAST(id AS text) FROM {table} WHERE {condition} ORDER BY {table}.id")).join(" ")
    }

    /// Asserts which rows are left, and that the ledger has what went: so many rows of the rule.
    #[track_caller]
    fn kept(&self, rule: &str, table: &str, rows: &str, acted: u64) {
        assert_eq!(self.left(table, "1 = 1"), rows, "{table}");
        assert_eq!(self.in_ledger(rule), acted, "{rule} in the ledger");
    }

    /// Rows that the ledger says a rule acted on.
    fn in_ledger(&self, rule: &str) -> u64 {
        let entries = self.product.cli("ledger export").expect(0).json_lines();
        let applied = entries.iter().filter(|entry| entry["kind"] == "batch_applied" && entry["rule"] == rule);
        applied.filter_map(|entry| entry["rows"].as_u64()).sum()
    }

    /// Asserts that the schedule says these things of a rule.
    #[track_caller]
    fn scheduled(&self, rule: &str, words: &[&str]) {
        let schedule = self.product.cli("schedule --format json").expect(0).json();
        let policies = schedule["policies"].as_array().expect("policies").iter();
        let categories = policies.flat_map(|policy| policy["categories"].as_array().expect("categories"));
        let mut rules = categories.flat_map(|category| category["rules"].as_array().expect("rules"));
        let said = rules.find(|one| one["rule"] == rule).expect("the rule").to_string();
        for word in words {
            assert!(said.contains(word), "the schedule does not say {word:?} of {rule}: {said}");
        }
    }
}

/// On PostgreSQL an application owns its tables, and no superuser does: `grants` never gives a role what that may do.
fn owned(data: &Data) {
    let Data::Postgres(database) = data else { return };
    let owner = format!("\"owner of {}\"", database.name());
    let tables = database.column("SELECT format('ALTER TABLE %I OWNER TO ', tablename) FROM pg_tables WHERE schemaname = 'public'");
    let given: String = tables.into_iter().flatten().map(|give| format!("{give}{owner};")).collect();
    database.execute(&format!("CREATE ROLE {owner}; GRANT CREATE ON SCHEMA public TO {owner}; {given}"));
}

fn folder(policy: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(policy)
}

/// The ids of a policy's promises, as its README lists them.
fn listed(policy: &str) -> Vec<String> {
    let page = fs::read_to_string(folder(policy).join("README.md")).expect("a README");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(' ').map(|(id, _)| id.to_owned()));
    rows.filter(|id| id.contains('-') && id.chars().all(|letter| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '-'))
        .collect()
}

#[test]
fn every_promise_is_listed_once_and_told_in_its_readme() {
    for (policy, promises) in PROMISES {
        let ids: Vec<&str> = promises.iter().map(|(id, _)| *id).collect();
        assert_eq!(listed(policy), ids, "{policy}");
    }
}

/// A test for each policy on each engine, so that they run side by side.
macro_rules! kept {
    ($($policy:ident),*) => {
        $(mod $policy {
            use super::super::{Kind, every};

            #[test]
            fn on_sqlite() {
                every(stringify!($policy), Kind::Sqlite);
            }

            #[test]
            fn on_postgres() {
                every(stringify!($policy), Kind::Postgres);
            }

            #[test]
            fn on_mariadb() {
                every(stringify!($policy), Kind::Mariadb);
            }
        })*
    };
}

mod promises {
    kept!(aimplan, aramin, aspinix, aulm, helpdesk);
}

/// Shows every promise of a policy.
fn every(policy: &str, kind: Kind) {
    let (_, promises) = PROMISES.iter().find(|(name, _)| *name == policy).expect("the policy");
    for (id, shown) in *promises {
        match shown {
            Some(show) => {
                eprintln!("{id} on {kind:?}");
                show(kind);
            }
            None => eprintln!("{id} is not part of this version"),
        }
    }
}

/// Each policy can be checked as it is, and says nothing that a person would have to mend.
#[test]
fn they_are_enforceable_as_they_are() {
    for (policy, _) in PROMISES {
        for kind in Kind::ALL {
            let trial = Trial::new(policy, kind);
            let checked = trial.product.cli("check --output json").expect(0).json();
            let warnings: Vec<&Value> = checked["rules"].as_array().expect("rules").iter().map(|rule| &rule["warnings"]).collect();
            // That several contracts belong to one client is what the rule means; tests keep their archives in memory, as nobody else should.
            let several = |text: &str| *policy == "helpdesk" && text.starts_with("several rows of");
            let is_meant = |warning: &Value| warning.as_str().is_some_and(|text| several(text) || text.contains("is in memory"));
            let nothing = |warnings: &&Value| warnings.as_array().is_some_and(|all| all.iter().all(is_meant));
            assert!(warnings.iter().all(nothing), "{policy} on {kind:?}: {warnings:#?}");
        }
    }
}

/// The story of each policy, from an empty folder.
#[test]
fn their_stories_can_be_played() {
    for (policy, _) in PROMISES {
        let folder = Folder::new("");
        let told = run(folder.command(["demo", "here", "--policy", policy]).env("RETENTIOND_TEST_NOW", NOW)).expect(0);
        assert!(told.stdout.contains("The ledger verifies"), "{policy}: {}", told.stdout);
    }
}
