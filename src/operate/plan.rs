//! `plan`: what is due, held, protected, undated, and which way a sweep would go. Changes nothing.

use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

use super::{
    report::{Forecast, RuleReport, RulesReport, VERSION, way_name},
    waiting,
    world::{Error, World},
};
use crate::{
    policy::Rule,
    state::State,
    sweep::{
        count::{count, count_along, count_due, count_protected},
        guard, identity,
        obstacle::{Obstacle, Reason},
        partitions::prospects,
        prepare::{Prepared, Ready, Target, prepare_around, replan},
        stop::StopSignal,
        walk::Walk,
    },
};

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct PlanRequest {
    /// Names of rules; empty: all.
    pub rules: Vec<String>,
    /// Don't count: only say what can be enforced.
    pub no_count: bool,
    /// Months to look ahead.
    pub forecast: u32,
}

/// Plans rules as of the world's clock.
///
/// # Errors
/// [`Error::Asked`] for a rule that does not exist. A source that can't be reached is told in its rules' `blocked`.
pub async fn plan(world: &World, request: &PlanRequest) -> Result<RulesReport, Error> {
    let chosen = world.chosen(&request.rules)?;
    let now = world.now();
    let mut reports = Vec::new();
    for source in sources_of(&chosen) {
        let of_source: Vec<&Rule> = chosen.iter().filter(|rule| rule.source == source).collect();
        match plan_source(world, &source, &of_source, request, now).await {
            Ok(planned) => reports.extend(planned),
            Err(Error::Engine(error)) => {
                let obstacle = Obstacle::from(error);
                reports.extend(of_source.iter().map(|rule| RuleReport::unreachable(rule, obstacle.clone(), now)));
            }
            Err(error) => return Err(error),
        }
    }
    order(&mut reports, &chosen);
    Ok(RulesReport { version: VERSION, rules: reports })
}

/// Plans the chosen rules of one source, and lets go of it whatever comes of that.
async fn plan_source(
    world: &World,
    source: &str,
    of_source: &[&Rule],
    request: &PlanRequest,
    now: Timestamp,
) -> Result<Vec<RuleReport>, Error> {
    let target = world.connect(source).await?;
    let state = world.existing_state().await?;
    let planned = async {
        let mut reports = Vec::new();
        let is_chosen = |rule: &Rule| of_source.iter().any(|chosen| chosen.id == rule.id);
        let prepared = prepare_around(&target, &world.rules, is_chosen, &world.config.keys, now).await?;
        let not_known = not_known(state.as_ref(), &target).await;
        for one in prepared.iter().filter(|one| is_chosen(&one.rule)) {
            let mut report = report(world, &target, &prepared, one, request, now).await?;
            if one.rule.action.acts() && report.blocked.is_none() {
                report.blocked.clone_from(&not_known);
            }
            waiting::complete(world, state.as_ref(), &target, one, &mut report).await;
            reports.push(report);
        }
        Ok(reports)
    }
    .await;
    target.engine.close().await;
    if let Some(state) = state {
        state.close().await;
    }
    planned
}

/// Why nothing would act here, where the source is not the one that the state knows. Without a workspace or a state it can be looked
/// at all the same.
async fn not_known(state: Option<&State>, target: &Target) -> Option<Obstacle> {
    let obstacle = identity::check(state?, target).await.err()?;
    matches!(obstacle.reason, Reason::ForeignState | Reason::OneDatabaseTwice | Reason::Restored).then_some(obstacle)
}

/// One of the rules that were planned together.
async fn report(
    world: &World,
    target: &Target,
    all: &[Prepared],
    prepared: &Prepared,
    request: &PlanRequest,
    now: Timestamp,
) -> Result<RuleReport, Error> {
    let mut report = RuleReport::of(prepared, now);
    let Ok(ready) = &prepared.outcome else { return Ok(report) };
    if !request.no_count {
        match count(target, &prepared.rule, ready, &StopSignal::never()).await {
            Ok(counts) => {
                report.rows = Some(counts);
                report.blocked = guard::plausible(&prepared.rule, counts.implausible, counts.total).err();
            }
            Err(obstacle) => report.blocked = Some(obstacle),
        }
        if !prepared.rule.dependents.is_empty() && report.blocked.is_none() {
            match count_along(target, &prepared.rule, ready).await {
                Ok(along) => report.dependents = along,
                Err(obstacle) => report.blocked = Some(obstacle),
            }
        }
        if report.rows.is_some_and(|rows| rows.protected > 0) {
            match count_protected(target, ready).await {
                Ok(by) => report.protected_by = by,
                Err(obstacle) => report.blocked = Some(obstacle),
            }
        }
    }
    if prepared.rule.action.acts() {
        report.way = Walk::choose(&ready.ways, report.rows.as_ref().map(Into::into)).ok().map(|walk| way_name(walk.way()));
        if !request.no_count {
            match prospects(target, ready).await {
                Ok(prospects) => report.partitions = prospects,
                Err(error) => report.blocked = Some(error.into()),
            }
        }
        if request.forecast > 0 && report.blocked.is_none() {
            report.forecast = forecast(world, target, all, prepared, ready, request.forecast, now).await;
        }
    }
    Ok(report)
}

/// Rows due by the end of each coming month: the same rule, planned at each of these instants, counted in one walk.
async fn forecast(
    world: &World,
    target: &Target,
    all: &[Prepared],
    prepared: &Prepared,
    ready: &Ready,
    months: u32,
    now: Timestamp,
) -> Option<Vec<Forecast>> {
    let mut instants = vec![now];
    let mut selections = vec![ready.planned.selection.clone()];
    for month in 1..=months {
        let Ok(later) = now.to_zoned(TimeZone::UTC).checked_add(i64::from(month).months()) else { break };
        let Some(selection) = replan(target, prepared, all, &world.config.keys, later.timestamp()) else { break };
        instants.push(later.timestamp());
        selections.push(selection);
    }
    match count_due(target, ready, &selections, &StopSignal::never()).await {
        Ok(sums) => Some(instants.into_iter().zip(sums).map(|(at, due)| Forecast { at, due }).collect()),
        Err(obstacle) => {
            tracing::warn!(rule = %prepared.rule.id, message = %obstacle.message, "the forecast could not be counted");
            None
        }
    }
}

/// The sources of these rules, each once, by name.
pub fn sources_of(rules: &[Rule]) -> Vec<String> {
    let mut sources: Vec<String> = rules.iter().map(|rule| rule.source.clone()).collect();
    sources.sort();
    sources.dedup();
    sources
}

/// Reports in the order in which the rules were named.
pub fn order(reports: &mut [RuleReport], rules: &[Rule]) {
    reports.sort_by_key(|report| rules.iter().position(|rule| rule.id.as_str() == report.rule));
}
