//! What a new configuration changes for the sweeps under way.

use std::collections::BTreeSet;

use crate::{
    operate::world::World,
    policy::{Dependent, Dialect, Rule},
    service::runner::Job,
};

/// Reads the configuration again.
///
/// # Errors
/// The mistakes as a person reads them, or what can't be changed without a restart.
pub(super) fn read(old: &World) -> Result<World, String> {
    let new = World::load(&old.config.file, old.clock.clone(), old.randomness.clone()).map_err(|mistakes| mistakes.render(false))?;
    let (before, after) = (&old.config.http.listeners, &new.config.http.listeners);
    let fixed = [
        ("[state]", old.config.state != new.config.state),
        ("[http] listen", before.listen != after.listen),
        ("[http] socket", before.socket != after.socket),
        // Another pair is taken up at once.
        ("[http] tls", before.tls.is_some() != after.tls.is_some()),
    ];
    match fixed.iter().find(|(_, changed)| *changed) {
        Some((key, _)) => Err(format!("`{key}` was changed in {}, which takes a restart", new.config.file.display())),
        None => Ok(new),
    }
}

/// Whether a sweep of this rule of the old configuration has to end: any rule that may match rows of its table is not what it
/// was, or its source or the keys are not.
pub(super) fn ends_sweep(rule: &str, old: &World, new: &World) -> bool {
    let Some(rule) = old.rules.iter().find(|one| one.id.as_str() == rule) else { return true };
    let source = |world: &World| world.config.sources.get(&rule.source).cloned();
    source(old) != source(new)
        || old.config.keys != new.config.keys
        || old.config.buckets != new.config.buckets
        || old.config.timezone_name != new.config.timezone_name
        || around(rule, old) != around(rule, new)
}

/// All that the rules on a rule's table, and on those of its dependents, say about rows, and about when and how they may be touched. Tables of one name
/// count as one here, whatever their schema: a schema may be written out or not. On PostgreSQL any table of the source may have
/// rows of this one, as a partition, a child or a parent, which only the catalogue knows: there all rules of the source count.
fn around(rule: &Rule, world: &World) -> BTreeSet<String> {
    let shares_rows = world.config.sources.get(&rule.source).is_some_and(|source| source.url.dialect() == Dialect::Postgres);
    // What goes with its rows is kept by the rules of its own table.
    let along: Vec<&str> = Dependent::all(&rule.dependents).into_iter().map(|(_, dependent)| dependent.table.table.as_str()).collect();
    let is_met = |table: &str| table == rule.table.table || along.contains(&table);
    let same = |other: &&Rule| other.source == rule.source && (shares_rows || is_met(&other.table.table));
    let says = |rule: &Rule| {
        let Rule { canonical, mode, first_sweep, window, limits, .. } = rule;
        format!("{canonical} {mode:?} {first_sweep:?} {window:?} {limits:?}")
    };
    world.rules.iter().filter(same).map(says).collect()
}

/// The jobs of a configuration: every rule that acts, and does more than observe.
pub(super) fn jobs(world: &World) -> Vec<Job> {
    let acting = |rule: &&Rule| rule.action.acts() && rule.mode == crate::policy::Mode::Enforce;
    let job = |rule: &Rule| {
        let of_source = world.config.sources.get(&rule.source).and_then(|source| source.window);
        let windows = of_source.map(|window| (window, world.config.timezone.clone()));
        Job {
            rule: rule.id.to_string(),
            source: rule.source.clone(),
            deletes: matches!(rule.action, crate::policy::Action::Delete),
            schedule: rule.schedule.clone(),
            zone: rule.timezone.clone(),
            windows: windows.into_iter().chain(rule.window.map(|window| (window, rule.timezone.clone()))).collect(),
        }
    };
    world.rules.iter().filter(acting).map(job).collect()
}
