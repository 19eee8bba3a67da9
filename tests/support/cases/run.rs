//! A pack for real: the tables in a database, the rules in a folder, and the program run over them. What it says and
//! what it leaves is compared with the oracle; every disagreement is a sentence.

mod archived;
mod contents;
mod dragged;
mod explained;
mod kept;
mod shared;
mod snapshots;
mod standing;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    process::Command,
};

use serde_json::Value;

use self::snapshots::Snapshots;
pub use self::{contents::Contents, shared::shared, standing::stand};
use super::{Pack, copies::FOLDER, rows, rules::toml, table::Engine};
use crate::support::{
    binary::{Folder, Run, run},
    database::Database,
    mariadb,
    oracle::{Action, Cell, Class, Table, Verdict},
    sqlite::Sqlite,
};

/// What a pack has shown.
pub struct Outcome {
    /// Empty: the program and the oracle agree.
    pub disagreements: Vec<String>,
    /// What the tables held before the sweep and afterwards, unless a mistake that was made on purpose showed first.
    pub contents: Option<[Contents; 2]>,
}

/// Runs a pack; `seeded` is a mistake that the program is to make.
pub fn pack(pack: &Pack, seeded: Option<&str>) -> Outcome {
    let verdicts = pack.world.tables.iter().map(|table| pack.world.judge(table)).collect::<Vec<_>>();
    let mut real = Real::new(pack, seeded);
    let contents = real.compare(&verdicts).map(|snapshots| snapshots.map(|snapshots| real.contents(&snapshots)));
    Outcome { disagreements: real.disagreements, contents }
}

/// Sweeps a pack without asking the oracle: what is left.
pub fn left(pack: &Pack, seeded: Option<&str>) -> Contents {
    let mut real = Real::new(pack, seeded);
    real.prepare();
    real.command(&["sweep"]);
    real.contents(&real.snapshots())
}

enum Connected {
    Sqlite(Sqlite),
    Postgres(Database<'static>),
    Mariadb(mariadb::Database<'static>),
}

impl Connected {
    fn url(&self) -> String {
        match self {
            Self::Sqlite(database) => database.url(),
            Self::Postgres(database) => database.url.clone(),
            Self::Mariadb(database) => database.url.clone(),
        }
    }
}

struct Real<'a> {
    pack: &'a Pack,
    seeded: Option<&'a str>,
    database: Connected,
    folder: Folder,
    disagreements: Vec<String>,
}

impl<'a> Real<'a> {
    fn new(pack: &'a Pack, seeded: Option<&'a str>) -> Self {
        Self::reached(pack, seeded, "sqlite:state.db", Connected::url)
    }

    /// With a state at that address, and the database by the address that is made of it.
    fn reached(pack: &'a Pack, seeded: Option<&'a str>, state: &str, address: impl FnOnce(&Connected) -> String) -> Self {
        let database = match pack.engine {
            Engine::Sqlite => Connected::Sqlite(Sqlite::create()),
            Engine::Postgres => Connected::Postgres(Database::create()),
            Engine::Mariadb => Connected::Mariadb(mariadb::Database::create()),
        };
        let workspace = match &database {
            Connected::Sqlite(_) | Connected::Postgres(_) => "retentiond",
            Connected::Mariadb(database) => database.workspace(),
        };
        let folder = Folder::new(&config(pack, state, &address(&database), workspace));
        folder.write("pepper", std::str::from_utf8(&pack.world.pepper).expect("a text"));
        for (number, case) in pack.cases.iter().enumerate() {
            let copies = folder.path().join("copies");
            folder.write(&format!("rules/case{number}.toml"), &case.toml.replace(FOLDER, copies.to_str().expect("UTF-8")));
        }
        fs::create_dir(folder.path().join("copies")).expect("a folder");
        let real = Self { pack, seeded, database, folder, disagreements: Vec::new() };
        real.fill();
        real
    }

    fn fill(&self) {
        // On MariaDB the first table ends a transaction that was begun; without commits of its own, each table has one.
        let begin = if self.pack.engine == Engine::Mariadb { "SET autocommit = 0" } else { "BEGIN" };
        let mut statements = vec![begin.to_owned()];
        if self.pack.engine == Engine::Postgres {
            statements.push("CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)".to_owned());
        }
        statements.push(
            "CREATE TABLE \"nobody's\" (id bigint, at text); INSERT INTO \"nobody's\" VALUES (1, '2001-01-01'), (2, NULL)".to_owned(),
        );
        statements.extend(self.pack.cases.iter().flat_map(|case| case.statements.iter().cloned()));
        statements.push("COMMIT".to_owned());
        let script = statements.join(";\n");
        match &self.database {
            Connected::Sqlite(database) => database.execute(&script),
            Connected::Postgres(database) => database.execute(&script),
            Connected::Mariadb(database) => database.execute(&script),
        }
    }

    /// Makes the workspace and places the holds.
    fn prepare(&mut self) {
        self.expect(&["source", "init", "app"], 0);
        for order in &self.pack.orders {
            let mut arguments =
                vec!["hold", "place", "--matter", "M", "--reason", "r", "--by", "b", "--accept-uncovered", "--output", "json"];
            arguments.extend(order.arguments.iter().map(String::as_str));
            let placed = self.expect(&arguments, 0);
            if order.released
                && let Some(id) = placed.and_then(|run| hold_id(&run))
            {
                self.expect(&["hold", "release", &id, "--reason", "r", "--by", "b"], 0);
            }
        }
    }

    /// What the tables held before the sweep and afterwards.
    fn compare(&mut self, verdicts: &[Verdict]) -> Option<[Snapshots; 2]> {
        let before = self.snapshots();
        self.prepare();
        let refused = verdicts.iter().any(|verdict| verdict.rules.contains(&None));
        let status = if refused { 3 } else { 0 };
        let plan = self.expect(&["plan", "--output", "json"], status);
        if let Some(plan) = plan {
            self.compare_plan(verdicts, &plan.json());
        }
        if self.caught() {
            return None;
        }
        if self.seeded.is_none() {
            self.compare_explanations(verdicts);
        }
        self.same_everywhere(&before, "after plan");
        let sweep = self.expect(&["sweep", "--output", "json"], status);
        let after = self.snapshots();
        if let Some(sweep) = &sweep {
            self.compare_sweep(verdicts, &sweep.json());
        }
        self.compare_rows(verdicts, &before, &after);
        self.compare_lists(verdicts);
        if self.seeded.is_none() {
            self.compare_archive(verdicts, &before);
        }
        if self.caught() {
            return None;
        }
        if self.seeded.is_none() {
            self.explain_what_is_gone(verdicts);
        }
        self.expect(&["ledger", "verify"], 0);
        self.compare_ledger(sweep.as_ref());
        // The table may have shrunk so far that starts which can't be meant are now too large a share of it.
        let again = self.command(&["sweep", "--output", "json"]);
        if ![Some(status), Some(3)].contains(&again.status) {
            self.disagree(format!("a second sweep ended with {:?}, not {status}:\n{}\n{}", again.status, again.stdout, again.stderr));
        } else {
            for (rule, report) in rules_of(&again.json()) {
                if report["acted"].as_u64().unwrap_or_default() > 0 {
                    self.disagree(format!("law 6: {rule} acted on {} rows again", report["acted"]));
                }
            }
        }
        self.same_everywhere(&after, "after a second sweep");
        Some([before, after])
    }

    /// Of a mistake that was made on purpose the first sign is enough.
    fn caught(&self) -> bool {
        self.seeded.is_some() && !self.disagreements.is_empty()
    }

    fn compare_plan(&mut self, verdicts: &[Verdict], plan: &Value) {
        let reports = rules_of(plan);
        let classes = [
            ("outside", Class::Outside),
            ("done", Class::Done),
            ("undated", Class::Undated),
            ("running", Class::Running),
            ("held", Class::Held),
            ("protected", Class::Protected),
            ("due", Class::Due),
        ];
        for (table, number, rule, expected) in each_rule(self.pack, verdicts) {
            let Some(report) = reports.get(&rule.id) else {
                self.disagree(format!("plan says nothing about {}", rule.id));
                continue;
            };
            let Some(expected) = expected else {
                if report["blocked"].is_null() {
                    self.disagree(format!("law 5: plan doesn't say that {} will be refused", rule.id));
                }
                continue;
            };
            let index = table.rules.iter().position(|other| other.id == rule.id).expect("it is one of them");
            let by = report["protected_by"].as_array().into_iter().flatten();
            let by = by.filter_map(|by| Some((by["rule"].as_str()?.to_owned(), by["rows"].as_u64()?))).collect::<BTreeMap<_, _>>();
            let wanted = &verdicts[number].protected_by[index];
            if by != *wanted {
                self.disagree(format!("law 3: plan says that {by:?} protect rows from {}, the oracle {wanted:?}; {report}", rule.id));
            }
            let count = |name: &str| report["rows"][name].as_u64();
            if count("total") != Some(table.rows.len() as u64) {
                self.disagree(format!(
                    "law 5: plan counts {:?} rows in all for {}, there are {}; {}",
                    count("total"),
                    rule.id,
                    table.rows.len(),
                    report
                ));
            }
            for (name, class) in classes {
                let wanted = expected.get(&class).copied().unwrap_or_default();
                if count(name) != Some(wanted) {
                    self.disagree(format!(
                        "law 5: plan counts {:?} rows as {name} for {} (case {number}), the oracle {wanted}; {}",
                        count(name),
                        rule.id,
                        report
                    ));
                }
            }
        }
    }

    fn compare_sweep(&mut self, verdicts: &[Verdict], sweep: &Value) {
        let reports = rules_of(sweep);
        let mut deleted: BTreeMap<usize, u64> = BTreeMap::new();
        let mut anonymised: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        for (_, number, rule, expected) in each_rule(self.pack, verdicts) {
            let Some(report) = reports.get(&rule.id) else {
                if !matches!(rule.action, Action::Keep) {
                    self.disagree(format!("sweep says nothing about {}", rule.id));
                }
                continue;
            };
            let acted = report["acted"].as_u64().unwrap_or_default();
            match rule.action {
                Action::Delete => *deleted.entry(number).or_default() += acted,
                Action::Anonymise { .. } => anonymised.entry(number).or_default().push(acted),
                Action::Keep => {}
            }
            if matches!(rule.action, Action::Keep) || rule.observe {
                continue;
            }
            let due = expected.as_ref().map(|counts| counts.get(&Class::Due).copied().unwrap_or_default());
            // Where everything due was taken by a rule before, either word is right.
            let words: &[&str] = match (due, report["acted"].as_u64()) {
                (None, _) => &["refused"],
                (Some(0), _) => &["nothing_due"],
                (Some(_), Some(0)) => &["complete", "nothing_due"],
                _ => &["complete"],
            };
            if !report["outcome"].as_str().is_some_and(|outcome| words.contains(&outcome)) {
                self.disagree(format!("the sweep of {} should end {words:?}; {report}", rule.id));
            }
        }
        for (number, verdict) in verdicts.iter().enumerate() {
            let gone = verdict.rows.iter().filter(|row| row.is_none()).count() as u64;
            let said = deleted.get(&number).copied().unwrap_or_default();
            if gone != said {
                self.disagree(format!("the rules that delete in case {number} say that they took {said} rows, the oracle {gone}"));
            }
            let dragged: u64 = each_rule(self.pack, verdicts)
                .filter(|(_, of, ..)| *of == number)
                .filter_map(|(_, _, rule, _)| reports.get(&rule.id)?["dragged"].as_u64())
                .sum();
            let along = self.pack.cases[number].along.as_ref().map_or(0, |along| along.dragged(|row| verdict.rows[row].is_none()));
            if dragged != along {
                self.disagree(format!("{dragged} rows went along in case {number}, the oracle says {along}"));
            }
            // Two rules that share a column take work from each other; one alone changes what the oracle changes.
            let rows = self.pack.world.tables[number].rows.iter().zip(&verdict.rows);
            let changed = rows.filter(|(row, after)| after.as_ref().is_some_and(|after| *after != row.cells)).count() as u64;
            if let Some([said]) = anonymised.get(&number).map(Vec::as_slice)
                && *said != changed
            {
                self.disagree(format!("the rule that anonymises in case {number} says that it changed {said} rows, the oracle {changed}"));
            }
        }
    }

    /// Every batch is in the ledger, none larger than the limit, and together they are what the sweep said.
    fn compare_ledger(&mut self, sweep: Option<&Run>) {
        let Some(exported) = self.expect(&["ledger", "export"], 0) else { return };
        let mut rows: HashMap<String, u64> = HashMap::new();
        for entry in exported.json_lines().iter().filter(|entry| entry["kind"] == "batch_applied") {
            let batch = entry["rows"].as_u64().unwrap_or_default();
            let dragged = entry["dragged"].as_u64().unwrap_or_default();
            if i64::try_from(batch + dragged).is_ok_and(|batch| batch > self.pack.max_batch_rows) {
                self.disagree(format!("law 8: a batch took {batch} rows, the limit is {}", self.pack.max_batch_rows));
            }
            let digests = entry["evidence"]["leaves"].as_u64();
            if digests.is_some_and(|digests| digests != batch) {
                self.disagree(format!("law 7: a batch of {batch} rows has {digests:?} digests: {entry}"));
            }
            *rows.entry(entry["rule"].as_str().unwrap_or_default().to_owned()).or_default() += batch;
        }
        for (rule, report) in sweep.map(|sweep| rules_of(&sweep.json())).unwrap_or_default() {
            let (said, proven) = (report["acted"].as_u64().unwrap_or_default(), rows.get(&rule).copied().unwrap_or_default());
            if said != proven {
                self.disagree(format!("law 7: {rule} acted on {said} rows, the ledger has {proven}"));
            }
        }
    }

    fn compare_rows(&mut self, verdicts: &[Verdict], before: &Snapshots, after: &Snapshots) {
        for (number, verdict) in verdicts.iter().enumerate() {
            let table = &self.pack.world.tables[number];
            let changed = |(row, fate): (usize, &Option<Vec<Cell>>)| {
                fate.as_ref().map(|cells| rows::expected(table, &before[&table.name][row], row, cells))
            };
            let mut expected = verdict.rows.iter().enumerate().filter_map(changed).collect::<Vec<_>>();
            let mut real = after[&table.name].iter().map(|row| rows::comparable(table, row)).collect::<Vec<_>>();
            expected.sort();
            real.sort();
            if rows::has_repeated_random(table, &after[&table.name]) {
                self.disagree(format!("two rows of case {number} (table {}) got one random value", table.name));
            }
            if expected != real {
                let missing = expected.iter().filter(|row| !real.contains(row)).take(3).collect::<Vec<_>>();
                let extra = real.iter().filter(|row| !expected.contains(row)).take(3).collect::<Vec<_>>();
                let (is, should) = (real.len(), expected.len());
                self.disagree(format!(
                    "laws 1 to 4: case {number} (table {}) has {is} rows, should have {should}\n  should be there: {missing:#?}\n  should not: {extra:#?}",
                    table.name
                ));
            }
        }
        self.compare_along(verdicts, before, after);
        for bystander in self.bystanders() {
            if before[&bystander] != after[&bystander] {
                self.disagree(format!("law 4: the bystander {bystander} changed"));
            }
        }
    }

    fn same_everywhere(&mut self, before: &Snapshots, when: &str) {
        let now = self.snapshots();
        let mut changed = now.iter().filter(|(name, rows)| before[*name] != **rows).map(|(name, _)| name.clone()).collect::<Vec<_>>();
        changed.sort();
        if !changed.is_empty() {
            self.disagree(format!("law 6: {changed:?} changed {when}"));
        }
    }

    /// Runs the program at the pack's clock.
    fn command(&self, arguments: &[&str]) -> Run {
        run(&mut self.order(arguments))
    }

    /// The program at the pack's clock.
    fn order(&self, arguments: &[&str]) -> Command {
        let mut command = self.folder.command(arguments);
        command.env("RETENTIOND_TEST_NOW", self.pack.world.now.to_string());
        if let Some(seeded) = self.seeded {
            command.env("RETENTIOND_TEST_SEEDED", seeded);
        }
        command
    }

    /// Runs the program; `None`, and a disagreement, if it ends otherwise.
    fn expect(&mut self, arguments: &[&str], status: i32) -> Option<Run> {
        let run = self.command(arguments);
        if run.status == Some(status) {
            return Some(run);
        }
        self.disagree(format!("`{}` ended with {:?}, not {status}:\n{}\n{}", arguments.join(" "), run.status, run.stdout, run.stderr));
        // A report is worth comparing whatever the status was.
        run.stdout.trim_start().starts_with('{').then_some(run)
    }

    fn disagree(&mut self, what: String) {
        self.disagreements.push(what);
    }
}

fn config(pack: &Pack, state: &str, url: &str, workspace: &str) -> String {
    format!(
        "rules = [\"rules/*.toml\"]\ntimezone = {zone}\n\n[state]\nurl = {state}\n\n[keys.pepper]\nfile = \"pepper\"\n\n[keys.evidence]\nfile = \"pepper\"\n\n\
         [sources.app]\nurl = {url}\nworkspace = {workspace}\nnaive_timestamps = {naive}\n\n[sources.app.limits]\nmax_batch_rows = {rows}\nworkers = {workers}\npace = \"fast\"\n\n\
         [defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0\nhold_cool_down = \"0 days\"\n",
        zone = toml(pack.zone),
        naive = toml(pack.naive),
        state = toml(state),
        url = toml(url),
        workspace = toml(workspace),
        rows = pack.max_batch_rows,
        workers = pack.workers,
    )
}

/// The rules of a report by name.
fn rules_of(report: &Value) -> BTreeMap<String, Value> {
    let rules = report["rules"].as_array().cloned().unwrap_or_default();
    rules.into_iter().map(|rule| (rule["rule"].as_str().unwrap_or_default().to_owned(), rule)).collect()
}

type Expected = Option<BTreeMap<Class, u64>>;

/// Every rule of a pack with its table, the number of its case, and what the oracle says.
fn each_rule<'a>(
    pack: &'a Pack,
    verdicts: &'a [Verdict],
) -> impl Iterator<Item = (&'a Table, usize, &'a crate::support::oracle::Rule, &'a Expected)> {
    pack.world.tables.iter().zip(verdicts).enumerate().flat_map(|(number, (table, verdict))| {
        table.rules.iter().zip(&verdict.rules).map(move |(rule, expected)| (table, number, rule, expected))
    })
}

/// The id of the hold that `hold place` has placed.
fn hold_id(run: &Run) -> Option<String> {
    let report = run.json();
    let holds = report["holds"].as_array()?;
    holds.first()?["id"].as_str().map(ToOwned::to_owned)
}
