//! What reads: the reports of the command line, as JSON.

use std::sync::LazyLock;

use axum::{Json, extract::State, http::StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Daemon, heard,
    input::{Nothing, Query, Within},
    name::{Id, RuleName},
    openapi::Document,
    problem::Problem,
};
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

/// The document of the API.
pub(super) async fn openapi(Query(Nothing {}): Query<Nothing>) -> Read<Document> {
    static DOCUMENT: LazyLock<Document> = LazyLock::new(Document::new);
    Ok(Json(DOCUMENT.clone()))
}

pub(super) async fn rules(State(shared): Daemon, Query(Nothing {}): Query<Nothing>) -> Read<RulesInForce> {
    shared.run(|world| Box::pin(async move { overview::rules(&world).await })).await.map(Json)
}

/// How much a plan looks at.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlanAsked {
    /// Whether rows are counted.
    #[serde(default = "yes")]
    count: bool,
    /// For so many coming months, what becomes due.
    #[serde(default)]
    forecast: Within<0, 120, 0>,
}

fn yes() -> bool {
    true
}

pub(super) async fn plan(State(shared): Daemon, rule: RuleName, Query(asked): Query<PlanAsked>) -> Read<RulesReport> {
    let rule = rule.in_force(&shared.world())?;
    let forecast = u32::try_from(asked.forecast.get()).unwrap_or_default();
    let request = PlanRequest { rules: vec![rule], no_count: !asked.count, forecast };
    shared.run(|world| Box::pin(async move { plan::plan(&world, &request).await })).await.map(Json)
}

/// What is swept, was asked for, and came of the last sweep of each rule.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct SweepsReport {
    version: u32,
    #[serde(flatten)]
    now: SweepsNow,
    last: Vec<LastSweep>,
}

pub(super) async fn sweeps(State(shared): Daemon, Query(Nothing {}): Query<Nothing>) -> Read<SweepsReport> {
    let now = heard(&shared, Event::Sweeps).await?;
    let last = shared.run(|world| Box::pin(async move { overview::last_sweeps(&world).await })).await?;
    Ok(Json(SweepsReport { version: VERSION, now, last }))
}

/// One sweep that was asked for.
#[derive(Debug, Serialize, JsonSchema)]
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

pub(super) async fn one_sweep(State(shared): Daemon, Id(id): Id, Query(Nothing {}): Query<Nothing>) -> Read<SweepReport> {
    let now = heard(&shared, Event::Sweeps).await?;
    let asked = now.asked.into_iter().find(|asked| asked.id == id);
    let detail = "those that were asked for are remembered until the daemon ends, the last 200; the ledger has every one that began";
    asked.map(|asked| Json(SweepReport::of(asked))).ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "there is no such sweep", detail))
}

/// Which holds.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldsAsked {
    /// Those too that were released.
    #[serde(default)]
    all: bool,
}

pub(super) async fn holds(State(shared): Daemon, Query(HoldsAsked { all }): Query<HoldsAsked>) -> Read<HoldsReport> {
    shared.run(move |world| Box::pin(async move { holds::list(&world, all).await })).await.map(Json)
}

pub(super) async fn one_hold(State(shared): Daemon, Id(id): Id, Query(Nothing {}): Query<Nothing>) -> Read<HoldsReport> {
    let report = shared.run(move |world| Box::pin(async move { holds::show(&world, &id).await })).await?;
    Ok(Json(HoldsReport { version: VERSION, holds: vec![report] }))
}

pub(super) async fn head(State(shared): Daemon, Query(Nothing {}): Query<Nothing>) -> Read<HeadReport> {
    shared.run(|world| Box::pin(async move { evidence::head(&world).await })).await.map(Json)
}

/// The greatest number that the state keeps.
const LAST: u64 = i64::MAX.unsigned_abs();

/// Which entries.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PageAsked {
    /// Only those after the one of this number.
    #[serde(default)]
    after: Within<0, LAST, 0>,
    /// So many at most.
    #[serde(default)]
    limit: Within<1, 1000, 100>,
}

pub(super) async fn entries(State(shared): Daemon, Query(asked): Query<PageAsked>) -> Read<PageReport> {
    let (after, limit) = (asked.after.get(), u32::try_from(asked.limit.get()).unwrap_or_default());
    shared.run(move |world| Box::pin(async move { evidence::page(&world, after, limit).await })).await.map(Json)
}
