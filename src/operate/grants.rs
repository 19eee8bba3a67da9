//! `grants`: the least that retentiond's role needs on each source, as SQL for a DBA.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::{
    engine::{
        grants::{Grants, Needs},
        shape::{RowSecurity, Shape},
    },
    policy::{Action, Mode, Residue, Rule},
    sql::selection::TableRef,
    sweep::{
        dependents::as_rule,
        dragged::forbidding,
        elsewhere::{self, Tables},
        plan::changed_columns,
        prepare::{Target, shapes},
    },
};

/// The statements of every source that was asked for.
#[derive(Debug, Clone, Serialize)]
pub struct GrantsReport {
    pub version: u32,
    pub sources: Vec<SourceGrants>,
}

/// Those of one source.
#[derive(Debug, Clone, Serialize)]
pub struct SourceGrants {
    pub source: String,
    #[serde(flatten)]
    pub grants: Grants,
    /// What could not be looked at as the role that was connected as, in sentences: more may be needed for that.
    pub unseen: Vec<String>,
}

/// Looks at the tables of the rules on a source, on every source if none is named.
///
/// # Errors
/// [`Error::Asked`] if there is no such source, and the engine's where it can't be connected to.
pub async fn grants(world: &World, source: Option<&str>, role: Option<&str>) -> Result<GrantsReport, Error> {
    let names: Vec<&str> = match source {
        Some(name) => vec![world.source(name)?.name.as_str()],
        None => world.config.sources.keys().map(String::as_str).collect(),
    };
    let mut report = GrantsReport { version: VERSION, sources: Vec::new() };
    for name in names {
        let target = world.connect(name).await?;
        let (needs, unseen) = needs(&target, &world.rules).await?;
        let grants = target.engine.grants(role, &needs, &target.config.replicas).await?;
        target.engine.close().await;
        report.sources.push(SourceGrants { source: name.to_owned(), grants, unseen });
    }
    Ok(report)
}

/// What the rules of the source need of its tables, and what could not be looked at.
async fn needs(target: &Target, rules: &[Rule]) -> Result<(Vec<Needs>, Vec<String>), Error> {
    let rules: Vec<&Rule> = rules.iter().filter(|rule| rule.source == target.config.name).collect();
    let shapes = shapes(target, &rules).await?;
    let mut needs = Collected::default();
    let mut unseen = Vec::new();
    for rule in rules {
        match shapes.get(&rule.table) {
            Some(Ok(shape)) => {
                needs.of_rule(rule, shape);
                unseen.extend(needs.elsewhere(rule, target, &shapes));
                unseen.extend(needs.of_opt_outs(rule, target, &shapes));
                needs.of_dependents(rule, shape, &shapes);
            }
            Some(Err(obstacle)) => {
                needs.blindly(rule, target);
                unseen.push(format!("{}: {}", rule.id, obstacle.message));
            }
            None => unseen.push(format!("{}: {} is not there, or this role may not see it", rule.id, rule.table)),
        }
    }
    unseen.dedup();
    Ok((needs.0.into_values().collect(), unseen))
}

/// Needs, each table once.
#[derive(Default)]
struct Collected(BTreeMap<(String, String), Needs>);

impl Collected {
    fn table(&mut self, table: &TableRef) -> &mut Needs {
        let none = || Needs {
            table: table.clone(),
            delete: false,
            insert: false,
            update: Vec::new(),
            drop: false,
            residue: Residue::Logical,
            triggers: false,
            locked: None,
            row_security: false,
        };
        self.0.entry((table.schema.clone(), table.table.clone())).or_insert_with(none)
    }

    fn of_rule(&mut self, rule: &Rule, shape: &Shape) {
        let needs = self.table(&shape.table);
        needs.row_security |= shape.row_security != RowSecurity::Off;
        needs.triggers |= !rule.triggers.is_empty();
        if rule.mode == Mode::Enforce {
            needs.delete |= matches!(rule.action, Action::Delete);
            // Where rows wait for others, or fire triggers, no partition goes as a whole.
            let goes_alone = rule.wait_for.is_empty() && rule.dependents.is_empty() && rule.triggers.is_empty();
            let leaves_nothing = rule.suppress.is_none() && rule.archive.is_none();
            needs.drop |= rule.drops_partitions && goes_alone && leaves_nothing;
            needs.residue = needs.residue.max(rule.residue.unwrap_or(Residue::Logical));
            needs.add_columns(changed_columns(rule, shape).map(|column| column.name.clone()));
        }
        if matches!(rule.action, Action::Delete) {
            for key in forbidding(shape) {
                self.table(&key.child);
            }
        }
    }

    /// What it waits for or looks up is read, and what it looks up is locked; told is what could not be looked at.
    fn elsewhere(&mut self, rule: &Rule, target: &Target, shapes: &Tables) -> Vec<String> {
        let mut unseen = Vec::new();
        let is_locked = rule.mode == Mode::Enforce && rule.action.acts();
        for table in elsewhere::named(rule) {
            match shapes.get(table) {
                Some(Ok(shape)) => self.table(&shape.table).row_security |= shape.row_security != RowSecurity::Off,
                Some(Err(obstacle)) => {
                    let schema = table.schema.clone().unwrap_or_else(|| target.config.url.default_schema());
                    self.table(&TableRef { schema, table: table.table.clone() });
                    unseen.push(format!("{}: {}", rule.id, obstacle.message));
                }
                None => unseen.push(format!("{}: {table}, which it reads, is not there, or this role may not see it", rule.id)),
            }
        }
        for (hop, shape) in elsewhere::hops(rule).filter_map(|hop| Some((hop, shapes.get(&hop.table)?.as_ref().ok()?))) {
            let needs = self.table(&shape.table);
            needs.locked = needs.locked.take().or_else(|| is_locked.then(|| hop.on[0].1.clone()));
        }
        unseen
    }

    /// Where its opt-outs go it inserts; told is what could not be looked at.
    fn of_opt_outs(&mut self, rule: &Rule, target: &Target, shapes: &Tables) -> Option<String> {
        let table = &rule.suppress.as_ref()?.table;
        let inserts = rule.mode == Mode::Enforce;
        match shapes.get(table) {
            Some(Ok(shape)) => {
                let needs = self.table(&shape.table);
                needs.row_security |= shape.row_security != RowSecurity::Off;
                needs.triggers |= !rule.triggers.is_empty();
                needs.insert |= inserts;
                None
            }
            Some(Err(obstacle)) => {
                let schema = table.schema.clone().unwrap_or_else(|| target.config.url.default_schema());
                self.table(&TableRef { schema, table: table.table.clone() }).insert |= inserts;
                Some(format!("{}: {}", rule.id, obstacle.message))
            }
            None => Some(format!("{}: {table}, where its opt-outs go, is not there, or this role may not see it", rule.id)),
        }
    }

    /// What goes along is what a rule of its own would need, and is locked before it goes, as is the row that it goes with.
    fn of_dependents(&mut self, rule: &Rule, shape: &Shape, shapes: &Tables) {
        for dependent in &rule.dependents {
            self.lock(rule, shape, &dependent.on[0].0);
            // What could not be looked at is told above.
            let Some(Ok(below)) = shapes.get(&dependent.table) else { continue };
            let as_rule = as_rule(rule, dependent);
            self.of_rule(&as_rule, below);
            self.lock(rule, below, &dependent.on[0].1);
            self.of_dependents(&as_rule, below, shapes);
        }
    }

    fn lock(&mut self, rule: &Rule, shape: &Shape, column: &str) {
        let needs = self.table(&shape.table);
        if rule.mode == Mode::Enforce && shape.column(column).is_some() {
            needs.locked.get_or_insert_with(|| column.to_owned());
        }
    }

    /// By what the rule says alone.
    fn blindly(&mut self, rule: &Rule, target: &Target) {
        let schema = rule.table.schema.clone().unwrap_or_else(|| target.config.url.default_schema());
        let needs = self.table(&TableRef { schema, table: rule.table.table.clone() });
        needs.triggers |= !rule.triggers.is_empty();
        match &rule.action {
            _ if rule.mode == Mode::Observe => {}
            Action::Delete => needs.delete = true,
            Action::Anonymise { columns, mark } => needs.add_columns(columns.iter().map(|(name, _)| name.clone()).chain(mark.clone())),
            Action::Keep { .. } => {}
        }
    }
}

impl Needs {
    fn add_columns(&mut self, columns: impl Iterator<Item = String>) {
        self.update.extend(columns);
        self.update.sort();
        self.update.dedup();
    }
}
