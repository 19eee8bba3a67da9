//! `sweep`: one sweep now.
//!
//! Every rule is planned and counted, as of one instant, before the first batch of the first rule; then deletes go
//! first, because a row that is to be deleted need not be anonymised before.

use super::{
    plan::{order, sources_of},
    report::{RuleReport, RulesReport, Swept, VERSION},
    waiting,
    world::{Error, World},
};
use crate::{
    fault,
    policy::{Action, Rule},
    sql::selection::Counts,
    state::{Owner, State},
    sweep::{
        Ended, Observer, Sweeper,
        count::count,
        gate,
        guard::Request,
        identity,
        obstacle::{Obstacle, Reason},
        prepare::{Prepared, Target, categories, prepare_around},
        settle,
        stop::StopSignal,
        time,
    },
};

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct SweepRequest {
    /// Names of rules; empty: all.
    pub rules: Vec<String>,
    /// Don't count beforehand.
    pub no_count: bool,
    pub request: Request,
}

/// One source, with all that its sweep needs.
struct Field {
    target: Target,
    rules: Vec<(Prepared, Option<Result<Counts, Obstacle>>)>,
}

/// Sweeps rules as of the world's clock.
///
/// # Errors
/// [`Error::Asked`] for a rule that does not exist, or the state's if it can't be opened. Whatever happens to a source
/// is told in its rules' outcomes.
pub async fn sweep(world: &World, asked: &SweepRequest, stop: &StopSignal, observer: &dyn Observer) -> Result<RulesReport, Error> {
    let chosen = world.chosen(&asked.rules)?;
    let state = world.state().await?;
    let owner = Owner::current(&*world.randomness);
    let now = world.now();
    let mut reports = Vec::new();
    let mut fields = Vec::new();
    for source in sources_of(&chosen) {
        let of_source: Vec<&Rule> = chosen.iter().filter(|rule| rule.source == source).collect();
        match survey(world, asked, &state, &owner, &source, &of_source, now, stop, observer).await {
            Ok(field) => fields.push(field),
            Err(obstacle) => reports.extend(of_source.iter().map(|rule| refused(rule, obstacle.clone(), now))),
        }
    }
    for field in &mut fields {
        let deletes_first = !fault::seeded("stages-swapped");
        field.rules.sort_by_key(|(prepared, _)| matches!(prepared.rule.action, Action::Delete) != deletes_first);
        for (prepared, counts) in &field.rules {
            let mut report = RuleReport::of(prepared, now);
            report.rows = counts.as_ref().and_then(|counts| counts.as_ref().ok()).copied();
            waiting::complete(world, Some(&state), &field.target, prepared, &mut report).await;
            let ended = act(world, asked, &state, &owner, field, prepared, counts.as_ref(), now, stop, observer).await;
            report.swept = Some(Swept::from(&ended));
            reports.push(report);
        }
        field.target.engine.close().await;
    }
    if !asked.request.dry_run {
        for report in &reports {
            remember(&state, report).await?;
        }
    }
    state.close().await;
    order(&mut reports, &chosen);
    Ok(RulesReport { version: VERSION, rules: reports })
}

/// Keeps why a rule was not enforced, and since when, for the metrics.
async fn remember(state: &State, report: &RuleReport) -> Result<(), Error> {
    let Some(Swept { reason, message, .. }) = &report.swept else { return Ok(()) };
    match (reason, message) {
        // A rule that observes does what it was told to.
        (Some(Reason::Observe) | None, _) => state.unblock(&report.rule).await?,
        // It says nothing of the rule.
        (Some(Reason::Shutdown | Reason::Changed | Reason::Turn | Reason::Shared), _) => {}
        (Some(reason), message) => state.block(&report.rule, &reason.name(), message.as_deref().unwrap_or_default()).await?,
    }
    Ok(())
}

/// Connects, asks whether the source is what the state knows, settles what was left open, brings the holds up to date,
/// plans and counts.
#[expect(clippy::too_many_arguments, reason = "the whole of one sweep, named")]
async fn survey(
    world: &World,
    asked: &SweepRequest,
    state: &State,
    owner: &Owner,
    source: &str,
    of_source: &[&Rule],
    now: jiff::Timestamp,
    stop: &StopSignal,
    observer: &dyn Observer,
) -> Result<Field, Obstacle> {
    let target = world.connect(source).await.map_err(|error| match error {
        Error::Engine(error) => Obstacle::from(error),
        other => Obstacle::new(Reason::Connection, other.to_string()),
    })?;
    let categories = categories(&world.rules, source);
    identity::check(state, &target).await?;
    let recovered = settle::settle_source(state, &target, owner).await?;
    recovered.iter().for_each(|recovered| observer.recovered(recovered));
    gate::synchronise(state, &*target.engine, source, &categories, gate::PATIENCE).await?;
    time::check(&*world.clock, &target).await?;
    let is_chosen = |rule: &Rule| of_source.iter().any(|chosen| chosen.id == rule.id);
    let prepared = prepare_around(&target, &world.rules, is_chosen, &world.config.keys, now).await?;
    let mut rules = Vec::new();
    for one in prepared.into_iter().filter(|one| is_chosen(&one.rule)) {
        let counts = match &one.outcome {
            Ok(ready) if !asked.no_count => Some(count(&target, &one.rule, ready, stop).await),
            _ => None,
        };
        rules.push((one, counts));
    }
    Ok(Field { target, rules })
}

#[expect(clippy::too_many_arguments, reason = "the whole of one sweep, named")]
async fn act(
    world: &World,
    asked: &SweepRequest,
    state: &State,
    owner: &Owner,
    field: &Field,
    prepared: &Prepared,
    counts: Option<&Result<Counts, Obstacle>>,
    now: jiff::Timestamp,
    stop: &StopSignal,
    observer: &dyn Observer,
) -> Ended {
    let ready = match &prepared.outcome {
        Ok(ready) => ready,
        Err(obstacle) => return Ended::before_it_began(obstacle.clone()),
    };
    let counts = match counts {
        Some(Err(obstacle)) => return Ended::before_it_began(obstacle.clone()),
        Some(Ok(counts)) => Some(counts),
        None => None,
    };
    let sweeper = Sweeper {
        config: &world.config,
        state,
        target: &field.target,
        rules: &world.rules,
        owner,
        clock: &world.clock,
        keys: &world.config.keys,
        request: &asked.request,
        as_of: now,
        stop,
        observer,
    };
    sweeper.sweep(&prepared.rule, ready, counts).await
}

fn refused(rule: &Rule, obstacle: Obstacle, now: jiff::Timestamp) -> RuleReport {
    let mut report = RuleReport::unreachable(rule, obstacle.clone(), now);
    report.swept = Some(Swept::from(&Ended::before_it_began(obstacle)));
    report
}
