//! A rule of yesterday, from what `canonical` wrote down of it: enough to plan which rows it took.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use serde_json::Value;

use super::meaning;
use crate::{
    diagnostic::SourceFile,
    policy::{
        Action, AllowedTrigger, Archive, Dependent, Dialect, Evidence, FirstSweep, Mode, OnNull, Origin, Residue, Rule, RuleId,
        StrategySpec, Subject, Subjects, TableName, Tenant, Then, Wait, condition::Condition, limits::RuleLimits, period::Period,
        schedule::Schedule,
    },
};

/// The rule of a canonical text and its `where` as it was written. Which strategies an anonymising rule used is not read:
/// its columns come with one of no effect. `None`: this version can't read it.
pub fn recall(canonical: &str, condition: Option<&str>, dialect: Dialect) -> Option<Rule> {
    let said: Value = serde_json::from_str(canonical).ok()?;
    let text = |key: &str| said[key].as_str().map(str::to_owned);
    let term = meaning::term(&said)?;
    Some(Rule {
        id: RuleId::from_full(text("id")?),
        category: text("category")?,
        source: text("source")?,
        table: TableName { schema: text("schema"), table: text("table")? },
        key: names(&said["key"])?,
        condition: match condition {
            None => None,
            Some(condition) => Some(Condition::parse(condition, dialect).ok()?),
        },
        tenant: match &said["tenant"] {
            Value::Null => None,
            tenant => Some(Tenant { column: tenant["column"].as_str()?.to_owned(), is: tenant["is"].as_str()?.to_owned() }),
        },
        subjects: subjects(&said["subject"])?,
        overrides: names(&said["overrides"])?.into_iter().map(RuleId::from_full).collect(),
        term,
        action: action(&said["action"])?,
        timezone: TimeZone::get(said["timezone"].as_str()?).ok()?,
        schedule: Schedule::default(),
        window: None,
        limits: RuleLimits::default(),
        mode: Mode::Enforce,
        first_sweep: FirstSweep::Approve,
        max_share: said["max_share"].as_f64()?,
        retains: Vec::new(),
        unlinks: false,
        drops_partitions: said["partitions"] == "drop",
        triggers: match said["triggers"].as_array() {
            None => Vec::new(),
            Some(_) => {
                let allowed = |name: String| AllowedTrigger { name, reason: String::new() };
                names(&said["triggers"])?.into_iter().map(allowed).collect()
            }
        },
        wait_for: match said["wait_for"].as_array() {
            None => Vec::new(),
            Some(waits) => waits.iter().map(wait).collect::<Option<_>>()?,
        },
        suppress: match &said["suppress"] {
            Value::Null => None,
            said => Some(super::suppress::recall(said)?),
        },
        on_erasure: None,
        dependents: dependents(&said["dependents"], dialect)?,
        archive: match &said["archive"] {
            Value::Null => None,
            archive => {
                let (to, keep_for) = (archive["to"].as_str()?.parse().ok()?, Period::parse(archive["keep_for"].as_str()?).ok()?);
                Some(Archive { to, keep_for })
            }
        },
        residue: said["residue"].as_str().and_then(Residue::of),
        evidence: match said["evidence"].as_str() {
            None => Evidence::Batch,
            Some(name) => Evidence::named(name)?,
        },
        basis: None,
        purpose: None,
        reason: None,
        owner: None,
        canonical: canonical.to_owned(),
        origin: Origin { file: SourceFile::unread("a rule as it was approved"), header: 0..0, spans: BTreeMap::new() },
    })
}

fn names(list: &Value) -> Option<Vec<String>> {
    list.as_array()?.iter().map(|name| name.as_str().map(str::to_owned)).collect()
}

fn dependents(said: &Value, dialect: Dialect) -> Option<Vec<Dependent>> {
    let dependent = |said: &Value| {
        let Wait { table, on } = wait(said)?;
        let condition = match said["where"].as_str() {
            None => None,
            Some(condition) => Some(Condition::parse(condition, dialect).ok()?),
        };
        let then = match said["then"].as_str()? {
            "delete" => Then::Delete,
            "detach" => Then::Detach,
            _ => Then::Anonymise(columns(&said["anonymise"])?),
        };
        Some(Dependent {
            table,
            on,
            condition,
            then,
            unlinks: said["unlinks"] == true,
            dependents: dependents(&said["dependents"], dialect)?,
        })
    };
    said.as_array().map_or_else(|| Some(Vec::new()), |all| all.iter().map(dependent).collect())
}

/// Columns that are anonymised, each with a strategy of no effect.
fn columns(said: &Value) -> Option<Vec<(String, StrategySpec)>> {
    said.as_array()?.iter().map(|pair| Some((pair[0].as_str()?.to_owned(), StrategySpec::Null))).collect()
}

fn wait(said: &Value) -> Option<Wait> {
    let pair = |pair: &Value| Some((pair[0].as_str()?.to_owned(), pair[1].as_str()?.to_owned()));
    let table = TableName { schema: said["schema"].as_str().map(str::to_owned), table: said["table"].as_str()?.to_owned() };
    Some(Wait { table, on: said["on"].as_array()?.iter().map(pair).collect::<Option<_>>()? })
}

fn subjects(said: &Value) -> Option<Subjects> {
    match said {
        Value::Null => Some(Subjects::Unstated),
        Value::String(_) => Some(Subjects::Nobody { reason: String::new() }),
        said => {
            let subject = |pair: &Value| Some(Subject { kind: pair[0].as_str()?.to_owned(), at: meaning::read_column_at(&pair[1])? });
            let subjects = said["of"].as_array()?.iter().map(subject).collect::<Option<_>>()?;
            Some(Subjects::Of { subjects, on_null: if said["on_null"] == "hold" { OnNull::Hold } else { OnNull::Nobody } })
        }
    }
}

fn action(said: &Value) -> Option<Action> {
    match said.as_str() {
        Some("delete") => Some(Action::Delete),
        Some("keep") => Some(Action::Keep { reason: String::new() }),
        Some(_) => None,
        None => Some(Action::Anonymise { columns: columns(&said["anonymise"])?, mark: said["mark"].as_str().map(str::to_owned) }),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::policy::resolve::{Context, RuleDefaults, SourceFacts, canonical::canonical, resolve};

    const RULES: &str = r#"
[policy]
id = "p"
[category.c]
source = "app"
table = "t"
subject = { email = "mail", account = "account_id" }
on_null_subject = "hold"
start = "at"
start_format = "unix_ms"
start_at = "end_of_year"
fiscal_year_start = "05-01"
never = ["9999-12-31", 0]
[[rule]]
id = "a"
category = "c"
action = "delete"
schema = "s"
key = ["x", "y"]
where = "state <> 'o''pen' and (n is null or n > 3)"
tenant = { column = "tenant", is = 7 }
overrides = ["e", "p/b"]
keep_for = "1 year 6 months"
triggers = [{ name = "y", reason = "r" }, { name = "x", reason = "r" }]
wait_for = [{ table = "w", on = { b = "c", a = "d" } }, { schema = "z", table = "v", on = { a = "a" } }]
partitions = "drop"
suppress = { table = "o", columns = { h = { from = "mail", strategy = "hmac", key = "k", normalise = "email" }, l = { from = "list" }, w = { fixed = "x" }, n = { now = true } } }
dependents = [
  { table = "z", on = { b = "c", a = "d" }, where = "kind = 'x'", then = "detach", unlinks = true },
  { schema = "w", table = "y", on = { a = "b" }, then = "delete", dependents = [{ table = "x", on = { a = "a" }, then = "anonymise", anonymise = { m = "null" } }] },
]
archive = { to = "file:///srv/copies", keep_for = "10 years" }
residue = "rewritten"
floor = "P40DT3H"
timezone = "Europe/Berlin"
max_share = 0.25
[[rule]]
id = "b"
category = "d"
source = "app"
schema = "s"
table = "t"
action = "keep"
reason = "r"
[[rule]]
id = "e"
category = "d"
source = "app"
schema = "s"
table = "t"
action = "anonymise"
anonymise = { z = "null" }
mark = "m"
evidence = "row"
subject = "none"
no_subject_reason = "n"
start = "at"
start_at = "end_of_month"
keep_for = "0 days"
[[rule]]
id = "f"
category = "d"
source = "app"
table = "x"
action = "delete"
subject = { account = { column = { column = "owner", schema = "s", table = "z", on = { k = "l" } }, table = "y", on = { i = "j", g = "h" } } }
start = { latest = ["b", { column = "c", optional = true, start_format = "date", never = ["x"] }, { column = "d", table = "y", on = { i = "j" } }] }
keep_for = { column = "n", unit = "months", table = "y", on = { i = "j" }, default = "1 year", min = "1 day", max = "7 years", forever = [0, -1] }
[[rule]]
id = "g"
category = "d"
source = "app"
table = "v"
action = "delete"
subject = "none"
no_subject_reason = "n"
[rule.ends]
earliest = [
    { start = { earliest = ["b", "a"] }, keep_for = "1 year", start_at = "end_of_year" },
    { column = "d", table = "y", on = { i = "j" } },
]
"#;

    #[test]
    fn a_rule_is_read_again_as_it_was_written_down() {
        let sources = [("app".to_owned(), SourceFacts { dialect: Some(Dialect::Postgres), naive: Some(TimeZone::UTC), schema: None })];
        let context = Context {
            sources: sources.into(),
            keys: vec!["k".to_owned(), "evidence".to_owned()],
            buckets: Vec::new(),
            timezone: TimeZone::UTC,
            defaults: RuleDefaults::default(),
            complete: true,
        };
        let found = RefCell::default();
        let (rules, _) = resolve(&[SourceFile::new("r.toml", RULES)], &context, &found);
        assert_eq!(rules.len(), 5, "{}", found.borrow().render(false));
        for rule in rules {
            let condition = rule.condition.as_ref().map(|condition| condition.text.as_str());
            let again = recall(&rule.canonical, condition, Dialect::Postgres).unwrap();
            assert_eq!(canonical(&again), rule.canonical);
            assert_eq!(again.term.is_some(), rule.term.is_some());
        }
    }
}
