//! What reads: the reports of the command line, as JSON.

use axum::{
    Json,
    extract::{Path, RawQuery, State},
    http::StatusCode,
};
use serde::Serialize;

use super::{Daemon, heard, input, problem::Problem};
use crate::{
    operate::{
        evidence::{self, HeadReport, PageReport},
        holds::{self, HoldsReport},
        overview::{self, LastSweep, RulesInForce},
        plan::{self, PlanRequest},
        report::{RulesReport, VERSION},
    },
    service::{
        Event,
        keeper::asked::{AskedSweep, SweepsNow},
    },
};

type Read<T> = Result<Json<T>, Problem>;

pub(super) async fn rules(State(shared): Daemon, RawQuery(query): RawQuery) -> Read<RulesInForce> {
    let [] = input::query(query.as_deref(), [])?;
    shared.run(|world| Box::pin(async move { overview::rules(&world).await })).await.map(Json)
}

pub(super) async fn plan(State(shared): Daemon, Path(rule): Path<(String, String)>, RawQuery(query): RawQuery) -> Read<RulesReport> {
    let [count, forecast] = input::query(query.as_deref(), ["count", "forecast"])?;
    let no_count = !input::truth("count", count.as_ref(), true)?;
    let forecast = input::number("forecast", forecast.as_ref(), 0..=120, 0)?;
    let rule = input::rule(&shared.world(), &rule)?;
    let request = PlanRequest { rules: vec![rule], no_count, forecast: u32::try_from(forecast).unwrap_or_default() };
    shared.run(|world| Box::pin(async move { plan::plan(&world, &request).await })).await.map(Json)
}

/// What is swept, was asked for, and came of the last sweep of each rule.
#[derive(Debug, Serialize)]
pub(super) struct SweepsReport {
    version: u32,
    #[serde(flatten)]
    now: SweepsNow,
    last: Vec<LastSweep>,
}

pub(super) async fn sweeps(State(shared): Daemon, RawQuery(query): RawQuery) -> Read<SweepsReport> {
    let [] = input::query(query.as_deref(), [])?;
    let now = heard(&shared, Event::Sweeps).await?;
    let last = shared.run(|world| Box::pin(async move { overview::last_sweeps(&world).await })).await?;
    Ok(Json(SweepsReport { version: VERSION, now, last }))
}

/// One sweep that was asked for.
#[derive(Debug, Serialize)]
pub(super) struct SweepReport {
    version: u32,
    #[serde(flatten)]
    asked: AskedSweep,
}

impl SweepReport {
    pub(super) fn of(asked: AskedSweep) -> Self {
        Self { version: VERSION, asked }
    }
}

pub(super) async fn one_sweep(State(shared): Daemon, Path(id): Path<String>) -> Read<SweepReport> {
    let now = heard(&shared, Event::Sweeps).await?;
    let asked = now.asked.into_iter().find(|asked| asked.id == id);
    let detail = "those that were asked for are remembered until the daemon ends, the last 200; the ledger has every one that began";
    asked.map(|asked| Json(SweepReport::of(asked))).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such sweep", detail))
}

pub(super) async fn holds(State(shared): Daemon, RawQuery(query): RawQuery) -> Read<HoldsReport> {
    let [all] = input::query(query.as_deref(), ["all"])?;
    let all = input::truth("all", all.as_ref(), false)?;
    shared.run(move |world| Box::pin(async move { holds::list(&world, all).await })).await.map(Json)
}

pub(super) async fn head(State(shared): Daemon, RawQuery(query): RawQuery) -> Read<HeadReport> {
    let [] = input::query(query.as_deref(), [])?;
    shared.run(|world| Box::pin(async move { evidence::head(&world).await })).await.map(Json)
}

pub(super) async fn entries(State(shared): Daemon, RawQuery(query): RawQuery) -> Read<PageReport> {
    const LAST: u64 = i64::MAX.unsigned_abs();
    let [after, limit] = input::query(query.as_deref(), ["after", "limit"])?;
    let after = input::number("after", after.as_ref(), 0..=LAST, 0)?;
    let limit = input::number("limit", limit.as_ref(), 1..=1000, 100)?;
    let limit = u32::try_from(limit).unwrap_or_default();
    shared.run(move |world| Box::pin(async move { evidence::page(&world, after, limit).await })).await.map(Json)
}
