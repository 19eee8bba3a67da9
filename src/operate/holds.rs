//! Legal holds: place, release, list, show.
//!
//! Placing reports success only when every source in scope has acknowledged the hold; what it covers now is counted, and
//! what it can't cover is named, because the lawyer who places it relies on what is said here.

use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    archive,
    report::VERSION,
    world::{Error, World},
};
use crate::{
    diagnostic::suggest::did_you_mean,
    engine::shape::Shape,
    hold::{Held, HeldSubject, HeldTable, Hold, HoldScope, Scope, TENANT, scopes_of_table},
    policy::{self, Rule},
    sql::{
        is_recordable,
        selection::{SubjectTest, TableRef},
        subject_value_fits,
    },
    state::{NewHold, State},
    sweep::{
        elsewhere::{Base, Elsewhere},
        gate, identity,
        plan::subject_tests,
        prepare::{Target, categories, shapes},
        relatives::relatives,
    },
};

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct PlaceRequest {
    pub matter: String,
    pub subjects: Vec<HeldSubject>,
    /// `SOURCE.TABLE` or `SOURCE.SCHEMA.TABLE`, as rules name them.
    pub tables: Vec<String>,
    pub categories: Vec<String>,
    pub sources: Vec<String>,
    pub reason: String,
    pub by: String,
    /// Go on although some tables in scope have no such subject, or a value is of another type than their column.
    pub accept_uncovered: bool,
}

/// Holds, as `hold list` and `hold place` print them.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct HoldsReport {
    pub version: u32,
    pub holds: Vec<HoldReport>,
}

/// One hold, with what placing it found out.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct HoldReport {
    #[serde(flatten)]
    pub hold: Hold,
    /// When the rows of a released hold may go at the earliest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lapses_at: Option<Timestamp>,
    /// Rows covered in each table; only when it was placed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rows: Option<Vec<Covered>>,
    /// Rules in scope whose tables have no such subject.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uncovered: Vec<String>,
    /// Why sources are pending, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// The subjects, in `hold show`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subjects: Option<Vec<HeldSubject>>,
}

/// What a hold covers in one table.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct Covered {
    pub source: String,
    pub table: String,
    pub rows: u64,
    /// Rows in archives; the others are in the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<u64>,
}

impl HoldReport {
    fn plain(hold: Hold) -> Self {
        Self { hold, lapses_at: None, rows: None, uncovered: Vec::new(), problems: Vec::new(), subjects: None }
    }

    /// True if a source in scope has not acknowledged the hold, or the hold's end.
    pub fn is_pending(&self) -> bool {
        !self.hold.pending.is_empty() || !self.problems.is_empty()
    }

    /// True if placing it has left something undone: a source that is pending, or a rule in scope that it can't reach.
    pub fn is_incomplete(&self, accept_uncovered: bool) -> bool {
        self.is_pending() || (!self.uncovered.is_empty() && !accept_uncovered)
    }
}

/// A table in the scope of a hold, in a source that could be reached.
struct InScope {
    source: String,
    table: TableRef,
    /// The subjects that rules of the table name, of the hold's kinds.
    subjects: Vec<SubjectTest>,
    scopes: Vec<String>,
    /// Acting rules of the table.
    rules: Vec<String>,
}

/// Places a hold.
///
/// # Errors
/// [`Error::Asked`], with nothing recorded, if it names nothing, names what no rule knows, or holds a value that can't
/// be one of a column's type.
pub async fn place(world: &World, request: PlaceRequest) -> Result<HoldReport, Error> {
    let state = world.state().await?;
    check_names(world, &request)?;
    let mut targets = Vec::new();
    let mut problems = Vec::new();
    let scope = resolve_scope(world, &request).await?;
    let reached: Vec<String> = reached(world, &scope);
    for source in &reached {
        match world.connect(source).await {
            Ok(target) => targets.push(target),
            Err(error) => problems.push(error.to_string()),
        }
    }
    let mut in_scope = Vec::new();
    for target in &targets {
        in_scope.extend(tables_in_scope(world, target, &scope, &request.subjects).await?);
    }
    if !request.accept_uncovered {
        check_values(world, &in_scope, &request.subjects)?;
    }
    crate::fault::point("hold.before");
    let new = NewHold {
        matter: request.matter.clone(),
        subjects: request.subjects.clone(),
        scope,
        reason: request.reason.clone(),
        by: request.by.clone(),
        sources: reached.clone(),
    };
    let placed = state.place_hold(new).await?;
    crate::fault::point("hold.recorded");
    for target in &targets {
        if let Err(obstacle) = deliver(world, &state, target).await {
            problems.push(obstacle.message);
        }
    }
    let hold = state.hold(&placed.hold.id).await?.unwrap_or(placed.hold);
    let mut report = HoldReport::plain(hold);
    report.uncovered = uncovered(&in_scope, &request);
    let mut rows = covered(&targets, &in_scope, &report.hold, &mut problems).await;
    covered_in_archives(world, &request.subjects, &report.hold, &mut rows, &mut problems).await?;
    report.rows = Some(rows);
    report.problems = problems;
    for target in targets {
        target.engine.close().await;
    }
    state.close().await;
    Ok(report)
}

/// Releases a hold. Its rows may go once the cool-down is over.
///
/// # Errors
/// The state's, if there is no such hold or it was released before.
pub async fn release(world: &World, id: &str, by: &str, reason: &str) -> Result<HoldReport, Error> {
    let state = world.state().await?;
    let now = world.now();
    let cool_down = world.config.defaults.hold_cool_down.end(now, &jiff::tz::TimeZone::UTC).duration_since(now);
    let released = state.release_hold(id, by, reason, cool_down.unsigned_abs()).await?;
    let mut report = HoldReport::plain(released.hold);
    report.lapses_at = Some(released.lapses_at);
    // The state has its own look at the clock, a moment after the one above.
    if released.lapses_at <= world.now() {
        for source in reached(world, &report.hold.scope) {
            let delivered = match world.connect(&source).await {
                Ok(target) => {
                    let delivered = deliver(world, &state, &target).await.map_err(|obstacle| obstacle.message);
                    target.engine.close().await;
                    delivered
                }
                Err(error) => Err(error.to_string()),
            };
            report.problems.extend(delivered.err());
        }
    }
    state.close().await;
    Ok(report)
}

/// All holds, or those in force.
///
/// # Errors
/// The state's.
pub async fn list(world: &World, include_released: bool) -> Result<HoldsReport, Error> {
    let state = world.state().await?;
    let holds = state.holds(include_released).await?.into_iter().map(HoldReport::plain).collect();
    state.close().await;
    Ok(HoldsReport { version: VERSION, holds })
}

/// One hold with its subjects.
///
/// # Errors
/// [`Error::Asked`] if there is none of that id.
pub async fn show(world: &World, id: &str) -> Result<HoldReport, Error> {
    const PAGE: u32 = 10_000;
    let state = world.state().await?;
    let hold = state.hold(id).await?.ok_or_else(|| crate::state::Error::UnknownHold(id.to_owned()))?;
    let mut subjects: Vec<HeldSubject> = Vec::new();
    loop {
        let page = state.subjects(id, subjects.last(), PAGE).await?;
        if page.is_empty() {
            break;
        }
        subjects.extend(page);
    }
    state.close().await;
    Ok(HoldReport { subjects: Some(subjects), ..HoldReport::plain(hold) })
}

/// Steps 2 and 3 in one source.
async fn deliver(world: &World, state: &State, target: &Target) -> Result<(), crate::sweep::obstacle::Obstacle> {
    identity::check(state, target).await?;
    let categories = categories(&world.rules, &target.config.name);
    gate::synchronise(state, &*target.engine, &target.config.name, &categories, gate::PATIENCE).await.map(drop)
}

/// The sources that a scope reaches, as configured now.
fn reached(world: &World, scope: &HoldScope) -> Vec<String> {
    let reaches = |source: &&String| !scope.reaches(source, &categories(&world.rules, source)).is_empty();
    world.config.sources.keys().filter(reaches).cloned().collect()
}

fn check_names(world: &World, request: &PlaceRequest) -> Result<(), Error> {
    if request.subjects.is_empty() && request.tables.is_empty() && request.categories.is_empty() && request.sources.is_empty() {
        return Err(Error::Asked(
            "a hold needs at least one of --subject, --subjects-file, --tenant, --table, --category, --source: a hold on everything is said with every --source".to_owned(),
        ));
    }
    for source in &request.sources {
        world.source(source)?;
    }
    let hint = |name: &str, known: Vec<&str>| did_you_mean(name, known).map(|hint| format!("; {hint}")).unwrap_or_default();
    for category in &request.categories {
        let known: Vec<&str> = world.rules.iter().map(|rule| rule.category.as_str()).collect();
        if !known.contains(&category.as_str()) {
            return Err(Error::Asked(format!("no rule has the category `{category}`{}", hint(category, known))));
        }
    }
    for HeldSubject { kind, value } in &request.subjects {
        // In any workspace, so that no source is kept waiting for a hold that can never be written to it.
        is_recordable(kind, value).map_err(|why| Error::Asked(format!("{kind}:{value:?} {why}; nothing was placed")))?;
    }
    let subjects = world.rules.iter().flat_map(|rule| rule.subjects.all()).map(|subject| subject.kind.as_str());
    let tenants = world.rules.iter().filter(|rule| rule.tenant.is_some()).map(|_| TENANT);
    let kinds: Vec<&str> = subjects.chain(tenants).collect();
    for subject in &request.subjects {
        if subject.kind == TENANT && !kinds.contains(&TENANT) && !request.accept_uncovered {
            let way_out = "say it: tenant = { column = \"…\", is = \"…\" }, or subject = { tenant = \"…\" }";
            return Err(Error::Asked(format!("no rule says which rows are a tenant's; {way_out}")));
        }
        if !kinds.contains(&subject.kind.as_str()) && !request.accept_uncovered {
            return Err(Error::Asked(format!("no rule names subjects of the kind `{}`{}", subject.kind, hint(&subject.kind, kinds))));
        }
    }
    Ok(())
}

/// Turns names of tables into tables with their schema written out.
async fn resolve_scope(world: &World, request: &PlaceRequest) -> Result<HoldScope, Error> {
    let mut tables = Vec::new();
    for name in &request.tables {
        let rule = world.rules.iter().find(|rule| names_table(rule, name)).ok_or_else(|| {
            let known: Vec<String> = world.rules.iter().map(|rule| format!("{}.{}", rule.source, rule.table)).collect();
            let hint = did_you_mean(name, known.iter().map(String::as_str)).map(|hint| format!("; {hint}")).unwrap_or_default();
            Error::Asked(format!("no rule is about the table `{name}` (SOURCE.TABLE){hint}"))
        })?;
        let target = world.connect(&rule.source).await?;
        let shape = target.engine.inspect(&rule.table).await?;
        target.engine.close().await;
        let shape = shape.ok_or_else(|| Error::Asked(format!("source `{}` has no table {}", rule.source, rule.table)))?;
        tables.push(HeldTable { source: rule.source.clone(), schema: shape.table.schema, table: shape.table.table });
    }
    Ok(HoldScope { sources: request.sources.clone(), tables, categories: request.categories.clone() })
}

pub(super) fn names_table(rule: &Rule, name: &str) -> bool {
    name == format!("{}.{}", rule.source, rule.table) || name == format!("{}.{}", rule.source, rule.table.table)
}

/// The tables of a source that have rules and that the hold reaches.
async fn tables_in_scope(world: &World, target: &Target, scope: &HoldScope, subjects: &[HeldSubject]) -> Result<Vec<InScope>, Error> {
    let source = &target.config.name;
    let reaches: Vec<String> = scope.reaches(source, &categories(&world.rules, source)).iter().map(Scope::key).collect();
    let rules: Vec<&Rule> = world.rules.iter().filter(|rule| rule.source == *source).collect();
    let elsewhere = Elsewhere { tables: shapes(target, &rules).await?, ..Elsewhere::default() };
    let mut tables: Vec<(Arc<Shape>, Vec<&Rule>)> = Vec::new();
    for rule in rules {
        let Some(shape) = elsewhere.tables.get(&rule.table).cloned().transpose()? else { continue };
        match tables.iter_mut().find(|(known, _)| known.table == shape.table) {
            Some((_, rules)) => rules.push(rule),
            None => tables.push((shape, vec![rule])),
        }
    }
    let mut in_scope = Vec::new();
    for (shape, rules) in &tables {
        let others = tables.iter().flat_map(|(shape, rules)| rules.iter().map(|rule| (*rule, &**shape)));
        // A rule of a partition or a parent may say whose rows these are.
        let met: Vec<&Rule> = rules.iter().copied().chain(relatives(shape, others).into_iter().map(|one| one.rule)).collect();
        let scopes = scopes_of_table(&shape.table.schema, &rules[0].table.table, &policy::categories(rules.iter().copied()));
        if !scopes.iter().any(|scope| reaches.contains(scope)) {
            continue;
        }
        let of_kind = |test: &SubjectTest| subjects.iter().any(|subject| subject.kind == test.kind);
        // A subject column that can't be compared refuses its rules anyway; here it covers nothing.
        let base = Base { shape, elsewhere: &elsewhere, dialect: target.engine.dialect() };
        let tests = subject_tests(&met, base).unwrap_or_default();
        in_scope.push(InScope {
            source: source.clone(),
            table: shape.table.clone(),
            subjects: tests.into_iter().filter(of_kind).collect(),
            scopes,
            rules: rules.iter().filter(|rule| rule.action.acts()).map(|rule| rule.id.to_string()).collect(),
        });
    }
    Ok(in_scope)
}

/// A value that can't be one of a column's type is a mistake that is better told now than in court.
fn check_values(world: &World, in_scope: &[InScope], subjects: &[HeldSubject]) -> Result<(), Error> {
    let mut wrong = Vec::new();
    for table in in_scope {
        let dialect = world.source(&table.source)?.url.dialect();
        for test in &table.subjects {
            for subject in subjects.iter().filter(|subject| subject.kind == test.kind) {
                if let Err(why) = subject_value_fits(&test.column, dialect, &subject.value) {
                    wrong.push(format!(
                        "{}:{} can't be in {}.{}, column `{}` ({}): it {why}",
                        subject.kind, subject.value, table.source, table.table.table, test.column.name, test.column.declared
                    ));
                }
            }
        }
    }
    let Some(first) = wrong.first() else { return Ok(()) };
    const SHOWN: usize = 20;
    let more = if wrong.len() > SHOWN { format!("\nand {} more", wrong.len() - SHOWN) } else { String::new() };
    let all = if wrong.len() == 1 { first.clone() } else { wrong[..wrong.len().min(SHOWN)].join("\n") + &more };
    Err(Error::Asked(format!(
        "{all}\nnothing was placed; write the value as the column has it, or let --accept-uncovered place it where it fits"
    )))
}

/// Acting rules in scope whose table has no subject of a kind that the hold names.
fn uncovered(in_scope: &[InScope], request: &PlaceRequest) -> Vec<String> {
    if request.subjects.is_empty() {
        return Vec::new();
    }
    let mut rules: Vec<String> =
        in_scope.iter().filter(|table| table.subjects.is_empty()).flat_map(|table| table.rules.iter().cloned()).collect();
    rules.sort();
    rules
}

/// Counts what the hold covers; a table that can't be counted is told, and the hold stands all the same.
async fn covered(targets: &[Target], in_scope: &[InScope], hold: &Hold, problems: &mut Vec<String>) -> Vec<Covered> {
    let mut covered = Vec::new();
    for table in in_scope {
        let Some(target) = targets.iter().find(|target| target.config.name == table.source) else { continue };
        if hold.pending.contains(&table.source) {
            continue;
        }
        match target.engine.count_held(&table.table, &table.subjects, &table.scopes, &hold.id).await {
            Ok(rows) => covered.push(Covered { source: table.source.clone(), table: table.table.table.clone(), rows, archived: None }),
            Err(error) => {
                problems.push(format!("the rows covered in {}.{} could not be counted: {error}", table.source, table.table.table))
            }
        }
    }
    covered
}

/// Adds what the hold covers of the copies in archives.
async fn covered_in_archives(
    world: &World,
    subjects: &[HeldSubject],
    hold: &Hold,
    rows: &mut Vec<Covered>,
    problems: &mut Vec<String>,
) -> Result<(), Error> {
    let subjects: Vec<Option<HeldSubject>> = if subjects.is_empty() { vec![None] } else { subjects.iter().cloned().map(Some).collect() };
    let sources = reached(world, &hold.scope);
    let scopes = sources.iter().flat_map(|source| hold.scope.reaches(source, &categories(&world.rules, source)));
    let mut held = Vec::new();
    for scope in scopes {
        let of_scope = subjects.iter().map(|subject| Held { hold: hold.id.clone(), scope: scope.clone(), subject: subject.clone() });
        held.extend(of_scope);
    }
    for copies in archive::covered(world, &held, &hold.scope, problems).await? {
        match rows.iter_mut().find(|covered| covered.source == copies.source && covered.table == copies.table) {
            Some(covered) => covered.archived = Some(copies.rows),
            None => rows.push(Covered { source: copies.source, table: copies.table, rows: 0, archived: Some(copies.rows) }),
        }
    }
    Ok(())
}
