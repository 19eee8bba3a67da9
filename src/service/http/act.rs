//! What acts. Its author is whoever was let in: a body can't name another.

use axum::{
    Extension, Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::IntoResponse,
};
use serde::Deserialize;

use super::{Daemon, access::Caller, heard, input, problem::Problem, read::SweepReport};
use crate::{
    config::http::Role,
    hold::HeldSubject,
    operate::{
        approve::{self, ApproveReport},
        holds::{self, HoldsReport, PlaceRequest},
        pause::{self, PauseReport, PauseRequest},
        report::VERSION,
    },
    service::{
        Event,
        keeper::asked::{Ask, Refused},
    },
};

type Rule = Path<(String, String)>;

/// What a sweep may be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sweep {
    /// Let the rule go if it waits for a person: takes the role `approver` too.
    #[serde(default)]
    approve: bool,
    /// Sweep although a window is closed, for this reason.
    #[serde(default)]
    outside_window: Option<String>,
}

pub(super) async fn sweep(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    Path(rule): Rule,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Problem> {
    let rule = input::rule(&shared.world(), &rule)?;
    let Sweep { approve, outside_window } = input::json(&headers, body).await?;
    if approve {
        caller.needs(Role::Approver)?;
    }
    let outside_window = outside_window.map(|reason| input::text("outside_window", reason)).transpose()?;
    let ask = Ask { rule, by: caller.name, approve, outside_window };
    let asked = heard(&shared, |reply| Event::Ask { ask, reply }).await?.map_err(|refused| {
        let conflict = |detail: String| Problem::new(StatusCode::CONFLICT, "left undone on purpose", detail);
        match refused {
            Refused::Stopping => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "nothing was done"),
            Refused::NeverSwept => conflict("the rule keeps rows, or only observes".to_owned()),
            Refused::Already(id) => conflict(format!("a sweep of this rule was asked for already: /api/v1/sweeps/{id}")),
        }
    })?;
    let place = format!("/api/v1/sweeps/{}", asked.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, place)], Json(SweepReport::of(asked))))
}

/// Nothing is to be said.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

pub(super) async fn approve(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    Path(rule): Rule,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<ApproveReport>, Problem> {
    let rule = input::rule(&shared.world(), &rule)?;
    let Nothing {} = input::json(&headers, body).await?;
    shared.run(|world| Box::pin(async move { approve::approve(&world, &rule, &caller.name).await })).await.map(Json)
}

/// Why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Because {
    reason: String,
}

pub(super) async fn pause(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    Path(rule): Rule,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PauseReport>, Problem> {
    let rule = input::rule(&shared.world(), &rule)?;
    let Because { reason } = input::json(&headers, body).await?;
    let request = PauseRequest { rules: vec![rule], reason: input::text("reason", reason)?, by: caller.name, ..PauseRequest::default() };
    shared.run(|world| Box::pin(async move { pause::pause(&world, &request).await })).await.map(Json)
}

pub(super) async fn resume(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    Path((policy, rule)): Rule,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<PauseReport>, Problem> {
    // What is no longer configured can be resumed all the same, so that the use case is the one to say what there is.
    let rule = input::text("rule", format!("{policy}/{rule}"))?;
    let Because { reason } = input::json(&headers, body).await?;
    let request = PauseRequest { rules: vec![rule], reason: input::text("reason", reason)?, by: caller.name, ..PauseRequest::default() };
    shared.run(|world| Box::pin(async move { pause::resume(&world, &request).await })).await.map(Json)
}

/// A hold to place.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    matter: String,
    reason: String,
    #[serde(default)]
    subjects: Vec<HeldSubject>,
    #[serde(default)]
    tables: Vec<String>,
    #[serde(default)]
    categories: Vec<String>,
    #[serde(default)]
    sources: Vec<String>,
    #[serde(default)]
    accept_uncovered: bool,
}

/// 201 once every source in scope has acknowledged it; 202: it is recorded, and something is left undone.
pub(super) async fn place(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<HoldsReport>), Problem> {
    let Place { matter, reason, subjects, tables, categories, sources, accept_uncovered } = input::json(&headers, body).await?;
    for subject in &subjects {
        input::text("kind", subject.kind.clone())?;
        input::text("value", subject.value.clone())?;
    }
    let request = PlaceRequest {
        matter: input::text("matter", matter)?,
        reason: input::text("reason", reason)?,
        by: caller.name,
        subjects,
        tables,
        categories,
        sources,
        accept_uncovered,
    };
    let report = shared.run(|world| Box::pin(async move { holds::place(&world, request).await })).await?;
    let status = if report.is_incomplete(accept_uncovered) { StatusCode::ACCEPTED } else { StatusCode::CREATED };
    Ok((status, Json(HoldsReport { version: VERSION, holds: vec![report] })))
}

/// 200 once it is released everywhere; 202: it is recorded, and a source is pending.
pub(super) async fn release(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<HoldsReport>), Problem> {
    let id = input::id(&id)?.to_owned();
    let Because { reason } = input::json(&headers, body).await?;
    let reason = input::text("reason", reason)?;
    let report = shared.run(|world| Box::pin(async move { holds::release(&world, &id, &caller.name, &reason).await })).await?;
    let status = if report.problems.is_empty() { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(HoldsReport { version: VERSION, holds: vec![report] })))
}
