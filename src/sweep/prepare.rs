//! All rules of one source, planned against the database as it is now: what `check`, `plan` and `sweep` begin with.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    archiving::{self, Copies},
    dependents::{ROOT, as_rule},
    elsewhere::{self, Elsewhere, Tables},
    evidence::{self, Digests},
    form::Form,
    obstacle::{Obstacle, Reason},
    partitions::{self, Drops},
    plan::{self, Planned, Surroundings},
    relatives::relatives,
    suppress,
};
use crate::{
    config,
    diagnostic::suggest::nearest,
    engine::{self, Engine, Inspected, shape::Shape},
    policy::{self, Dependent, Rule, RuleId, TableName},
    secret::Keys,
    sql::selection::{Selection, TableRef, Way, WorkspaceRef},
};

/// A connected source.
#[derive(Clone)]
pub struct Target {
    pub config: config::Source,
    pub engine: Arc<dyn Engine>,
    /// Where archives may be, besides folders.
    pub buckets: Arc<config::Buckets>,
}

impl Target {
    /// Where retentiond's own tables are.
    pub fn workspace(&self) -> WorkspaceRef {
        WorkspaceRef { dialect: self.engine.dialect(), name: self.config.workspace.clone() }
    }
}

/// A rule with what planning found out.
pub struct Prepared {
    pub rule: Rule,
    /// Absent where the table is.
    pub table: Option<Arc<Shape>>,
    /// What rules of the source read beside their own tables.
    pub elsewhere: Arc<Elsewhere>,
    pub outcome: Result<Ready, Obstacle>,
}

/// A rule that can be enforced.
pub struct Ready {
    pub planned: Planned,
    pub ways: Vec<Way>,
    /// The column whose index finds what may be due, if it has one.
    pub walked: Option<String>,
    /// What becomes of partitions.
    pub drops: Drops,
    /// Where rows are copied to before they go.
    pub copies: Option<Copies>,
    /// What the ledger keeps of the rows besides their number.
    pub digests: Option<Digests>,
    /// What an approval is an approval of.
    pub form: Form,
    /// The form's digest.
    pub digest: String,
    /// The engine's own estimate of the table's rows.
    pub estimated_rows: Option<u64>,
    /// What they take on the disk, as far as it tells.
    pub estimated_bytes: Option<u64>,
}

/// The categories of the rules on a source: what a hold by category reaches there.
pub fn categories(rules: &[Rule], source: &str) -> Vec<String> {
    policy::categories(rules.iter().filter(|rule| rule.source == source))
}

/// The tables that rules of a source name, those among them that they read beside their own and those of their dependents; one that is
/// not there is left out. What an engine can't say of one table is an obstacle to that table alone.
///
/// # Errors
/// The engine's, where the catalogue can't be read at all.
pub async fn shapes(target: &Target, rules: &[&Rule]) -> Result<Tables, engine::Error> {
    let lists = rules.iter().filter_map(|rule| rule.suppress.as_ref()).map(|suppress| &suppress.table);
    let of_rules = rules.iter().flat_map(|rule| std::iter::once(&rule.table).chain(elsewhere::named(rule)));
    let names: BTreeSet<&TableName> = of_rules.chain(lists).collect();
    let names: Vec<TableName> = names.into_iter().cloned().collect();
    let inspected = target.engine.inspect_all(&names).await?;
    let known = |(name, inspected): (TableName, Inspected)| match inspected {
        Ok(shape) => shape.map(|shape| (name, Ok(Arc::new(shape)))),
        Err(error) => Some((name, Err(Obstacle::from(error)))),
    };
    Ok(names.into_iter().zip(inspected).filter_map(known).collect())
}

/// Plans every rule on a source. Rules that name one table meet, with or without its schema written out.
///
/// # Errors
/// The engine's, where the catalogue can't be read at all.
pub async fn prepare(target: &Target, rules: &[Rule], keys: &Keys, now: Timestamp) -> Result<Vec<Prepared>, engine::Error> {
    let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.source == target.config.name).collect();
    let shapes = shapes(target, &rules).await?;
    let table_of = |rule: &Rule| shapes.get(&rule.table).and_then(|shape| shape.as_ref().ok());
    let elsewhere = elsewhere(target, &rules, &shapes).await;
    let workspace = target.workspace();
    let has_workspace = target.engine.workspace().await?.is_some();
    let conditions = unfit_conditions(target, &rules, &shapes).await?;
    let everyone: Vec<(&Rule, &Shape)> = rules.iter().filter_map(|rule| Some((*rule, &**table_of(rule)?))).collect();
    let mut prepared = Vec::new();
    for rule in &rules {
        let shape = match shapes.get(&rule.table) {
            Some(Ok(shape)) => shape.clone(),
            unknown => {
                let obstacle = match unknown {
                    Some(Err(obstacle)) => obstacle.clone(),
                    _ => missing_table(target, rule).await?,
                };
                prepared.push(Prepared { rule: (*rule).clone(), table: None, elsewhere: elsewhere.clone(), outcome: Err(obstacle) });
                continue;
            }
        };
        let same_table: Vec<&Rule> =
            rules.iter().filter(|other| table_of(other).is_some_and(|table| table.table == shape.table)).copied().collect();
        let relatives = relatives(&shape, everyone.iter().copied());
        let along = along(rule, &elsewhere);
        let mut met: Vec<&Rule> = same_table.iter().copied().chain(relatives.iter().map(|relative| relative.rule)).collect();
        met.extend(rules_of_dependents(&along, &everyone));
        met.sort_unstable_by_key(|rule| &rule.id);
        met.dedup_by_key(|rule| &rule.id);
        let around = Surroundings {
            shape: &shape,
            rules: &same_table,
            relatives: &relatives,
            elsewhere: &elsewhere,
            everyone: &everyone,
            within: ROOT,
            workspace: &workspace,
            has_workspace,
            keys,
            now,
        };
        let mut tables = std::iter::once(&*shape).chain(along.iter().map(|(_, shape)| *shape));
        let outcome = tables
            .try_for_each(|table| unreadable_relative(table, &rules, &shapes))
            .and_then(|()| plan::plan(rule, around))
            .and_then(|planned| suppress::possible(rule, &*target.engine).map(|()| planned))
            .and_then(|planned| unfit(rule, &met, &conditions).map(|()| planned))
            .and_then(|planned| {
                let drops = partitions::drops(rule, &shape, &planned.selection)?;
                Ok((planned, drops))
            });
        let walked = walked(rule, &shape);
        let ways = target.engine.ways(&shape, &rule.key, walked);
        let outcome = match outcome {
            Ok((planned, drops)) => archiving::copies(rule, &shape, target, &ways).await.map(|copies| (planned, drops, copies)),
            Err(obstacle) => Err(obstacle),
        };
        let outcome = outcome.and_then(|planned| Ok((planned, evidence::digests(rule, &shape, &*target.engine, keys)?)));
        let outcome = outcome.map(|((planned, drops, copies), digests)| {
            let form = Form::of(rule, &met, &shape, &along).firing(suppress::fired(rule, &elsewhere));
            let (digest, walked) = (form.digest(), walked.map(str::to_owned));
            let (estimated_rows, estimated_bytes) = (shape.estimated_rows, shape.estimated_bytes);
            Ready { planned, ways, walked, drops, copies, digests, form, digest, estimated_rows, estimated_bytes }
        });
        prepared.push(Prepared { rule: (*rule).clone(), table: Some(shape), elsewhere: elsewhere.clone(), outcome });
    }
    Ok(prepared)
}

/// The tables that rules read beside their own, and what is set there.
async fn elsewhere(target: &Target, rules: &[&Rule], tables: &Tables) -> Arc<Elsewhere> {
    let settings = elsewhere::settings(&*target.engine, rules, tables).await;
    Arc::new(Elsewhere { tables: tables.clone(), settings })
}

/// The column by which an index finds what may be due: a start of the row itself that has to be before the cut-off, or the column that leads
/// to one elsewhere. With several, the first that an index begins with.
fn walked<'a>(rule: &'a Rule, shape: &Shape) -> Option<&'a str> {
    let end = rule.term.as_ref()?;
    let candidates: Vec<&str> = end.necessary().filter_map(|at| at.read_of_row().next()).collect();
    candidates.iter().find(|name| shape.index_on(name).is_some()).or(candidates.first()).copied()
}

/// Everything that goes with the rule's rows, as a rule of its own on its table.
pub fn along<'a>(rule: &Rule, elsewhere: &'a Elsewhere) -> Vec<(Rule, &'a Shape)> {
    let all = Dependent::all(&rule.dependents).into_iter();
    all.filter_map(|(_, dependent)| Some((as_rule(rule, dependent), &**elsewhere.tables.get(&dependent.table)?.as_ref().ok()?))).collect()
}

/// The rules that may match a row which goes along.
fn rules_of_dependents<'a>(along: &[(Rule, &Shape)], everyone: &[(&'a Rule, &'a Shape)]) -> Vec<&'a Rule> {
    let of = |(_, shape): &(Rule, &Shape)| {
        let same = everyone.iter().filter(|(_, other)| other.table == shape.table).map(|(rule, _)| *rule);
        same.chain(relatives(shape, everyone.iter().copied()).into_iter().map(|relative| relative.rule)).collect::<Vec<_>>()
    };
    along.iter().flat_map(of).collect()
}

/// Plans the chosen rules on a source and those that may meet them on a table; no other table is looked at.
///
/// # Errors
/// As [`prepare`].
pub async fn prepare_around(
    target: &Target,
    rules: &[Rule],
    chosen: impl Fn(&Rule) -> bool,
    keys: &Keys,
    now: Timestamp,
) -> Result<Vec<Prepared>, engine::Error> {
    // Of two rules that meet on one table one may write its schema and the other not, so the table's own name decides.
    let of_source = || rules.iter().filter(|rule| rule.source == target.config.name);
    let mut tables: BTreeSet<&str> = of_source().filter(|rule| chosen(rule)).map(|rule| rule.table.table.as_str()).collect();
    // What goes along is kept by the rules of its own table.
    let is_near = |rule: &&Rule| chosen(rule) || tables.contains(rule.table.table.as_str());
    let dependents = of_source().filter(is_near).flat_map(|rule| Dependent::all(&rule.dependents));
    let dependents: Vec<&str> = dependents.map(|(_, dependent)| dependent.table.table.as_str()).collect();
    tables.extend(dependents);
    let around =
        |tables: &BTreeSet<&str>| -> Vec<Rule> { of_source().filter(|rule| tables.contains(rule.table.table.as_str())).cloned().collect() };
    let known = around(&tables);
    let prepared = prepare(target, &known, keys, now).await?;
    // Who shares rows with a table, the catalogue alone knows.
    let beside = prepared.iter().flat_map(|one| along(&one.rule, &one.elsewhere)).map(|(_, shape)| shape);
    let shapes = prepared.iter().filter_map(|one| one.table.as_deref()).chain(beside);
    let kin = shapes.flat_map(|shape| &shape.family.kin).map(|table| table.table.as_str());
    let all = around(&kin.chain(tables.iter().copied()).collect());
    if all.len() == known.len() { Ok(prepared) } else { prepare(target, &all, keys, now).await }
}

/// The selection of a rule as it would have been at another time, by what planning all rules of the source found out;
/// `None`: it can't be planned for that time.
pub fn replan(target: &Target, one: &Prepared, all: &[Prepared], keys: &Keys, at: Timestamp) -> Option<Selection> {
    let shape = one.table.as_ref()?;
    let same_table = |other: &&Prepared| other.table.as_ref().is_some_and(|table| table.table == shape.table);
    let rules: Vec<&Rule> = all.iter().filter(same_table).map(|other| &other.rule).collect();
    let everyone: Vec<(&Rule, &Shape)> = all.iter().filter_map(|other| Some((&other.rule, &**other.table.as_ref()?))).collect();
    let relatives = relatives(shape, everyone.iter().copied());
    let has_workspace = one.outcome.as_ref().is_ok_and(|ready| !ready.planned.selection.held.scopes.is_empty());
    let (workspace, elsewhere) = (&target.workspace(), &*one.elsewhere);
    let (rules, relatives, everyone) = (&rules, &relatives, &everyone);
    let around = Surroundings { shape, rules, relatives, elsewhere, everyone, within: ROOT, workspace, has_workspace, keys, now: at };
    plan::plan(&one.rule, around).ok().map(|planned| planned.selection)
}

/// The rules whose `where`, or that of their dependents, the server can't evaluate, by id, with its words.
async fn unfit_conditions<'a>(target: &Target, rules: &[&'a Rule], shapes: &Tables) -> Result<BTreeMap<&'a RuleId, String>, engine::Error> {
    let shape = |table: &TableName| shapes.get(table).and_then(|shape| shape.as_ref().ok());
    let own = rules.iter().filter_map(|rule| Some((&rule.id, &shape(&rule.table)?.table, rule.condition.as_ref()?)));
    let dependents = rules.iter().flat_map(|rule| Dependent::all(&rule.dependents).into_iter().map(|(_, dependent)| (&rule.id, dependent)));
    let dependents = dependents.filter_map(|(id, dependent)| Some((id, &shape(&dependent.table)?.table, dependent.condition.as_ref()?)));
    let asked = own.chain(dependents);
    let (ids, conditions): (Vec<_>, Vec<_>) = asked.map(|(id, table, condition)| (id, (table, condition))).unzip();
    let prepared = target.engine.prepare_conditions(&conditions).await?;
    Ok(ids.into_iter().zip(prepared).filter_map(|(id, prepared)| Some((id, prepared.err()?))).collect())
}

/// A rule of a table that shares rows with this one, and that can't be looked at: what it protects can't be told.
fn unreadable_relative(shape: &Shape, rules: &[&Rule], shapes: &Tables) -> Result<(), Obstacle> {
    let is_kin = |name: &TableName| {
        let is_it = |table: &TableRef| table.table == name.table && name.schema.as_ref().is_none_or(|schema| *schema == table.schema);
        shape.family.kin.iter().any(|table| *table != shape.table && is_it(table))
    };
    let unreadable = |rule: &&&Rule| is_kin(&rule.table) && matches!(shapes.get(&rule.table), Some(Err(_)));
    match rules.iter().find(unreadable).map(|rule| (rule, &shapes[&rule.table])) {
        Some((other, Err(obstacle))) => {
            let message =
                format!("rule {} of a table with rows of this one can't be evaluated and so protects them: {}", other.id, obstacle.message);
            Err(Obstacle::new(Reason::Competitor, message).at(other, "table"))
        }
        _ => Ok(()),
    }
}

/// What the rule's statement would contain and the server can't evaluate.
fn unfit(rule: &Rule, met: &[&Rule], conditions: &BTreeMap<&RuleId, String>) -> Result<(), Obstacle> {
    let Some((other, words)) = met.iter().find_map(|other| Some((other, conditions.get(&other.id)?))) else { return Ok(()) };
    let message = format!("the database can't evaluate the `where` of {}: {words}", other.id);
    let reason = if other.id == rule.id { Reason::Condition } else { Reason::Competitor };
    Err(Obstacle::new(reason, message).at(other, "where"))
}

async fn missing_table(target: &Target, rule: &Rule) -> Result<Obstacle, engine::Error> {
    let tables = target.engine.tables().await?;
    let near = nearest(&rule.table.table, tables.iter().map(|table| table.table.as_str()));
    let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    Ok(Obstacle::new(Reason::MissingTable, format!("source `{}` has no table {}{hint}", rule.source, rule.table)).at(rule, "table"))
}
