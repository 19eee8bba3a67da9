//! What acts. Its author is whoever was let in: a body can't name another.

use axum::{
    Extension, Json,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{
    Daemon,
    access::Caller,
    heard,
    input::{Body, Nothing, Object, Text},
    name::{Id, RuleName, Scope},
    openapi::{Gives, Operation},
    problem::Problem,
    read::SweepReport,
};
use crate::{
    config::http::Role,
    hold::HeldSubject,
    operate::{
        approve::{self, ApproveReport},
        holds::{self, HoldReport, HoldsReport, PlaceRequest},
        pause::{self, PauseReport, PauseRequest},
        report::VERSION,
    },
    service::{
        Event,
        keeper::asked::{Ask, Refused},
    },
};

/// What a sweep may be asked.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AskSweep {
    /// Let the rule go if it waits for a person: takes the role `approver` too.
    #[serde(default)]
    approve: bool,
    /// Sweep although a window is closed, for this reason.
    #[serde(default)]
    outside_window: Option<Text>,
}

/// A sweep that was taken up, and where to ask what became of it.
pub(super) struct TakenUp {
    place: String,
    report: SweepReport,
}

impl IntoResponse for TakenUp {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, [(header::LOCATION, self.place)], Json(self.report)).into_response()
    }
}

impl Gives for TakenUp {
    fn tell(operation: &mut Operation<'_>) {
        operation.json::<SweepReport>(StatusCode::ACCEPTED, "It was taken up");
        operation.header(StatusCode::ACCEPTED, "Location", "Where to ask what became of it");
    }
}

pub(super) async fn sweep(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    rule: RuleName,
    Body(AskSweep { approve, outside_window }): Body<AskSweep>,
) -> Result<TakenUp, Problem> {
    let rule = rule.in_force(&shared.world())?;
    if approve {
        caller.needs(Role::Approver)?;
    }
    let outside_window = outside_window.map(|reason| reason.of("outside_window")).transpose()?;
    let ask = Ask { rule, by: caller.name, approve, outside_window };
    let asked = heard(&shared, |reply| Event::Ask { ask, reply }).await?.map_err(|refused| {
        let conflict = |detail: String| Problem::new(StatusCode::CONFLICT, "left undone on purpose", detail);
        match refused {
            Refused::Stopping => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "nothing was done"),
            Refused::NeverSwept => conflict("the rule keeps rows, or only observes".to_owned()),
            Refused::Already(id) => conflict(format!("a sweep of this rule was asked for already: /api/v1/sweeps/{id}")),
        }
    })?;
    Ok(TakenUp { place: format!("/api/v1/sweeps/{}", asked.id), report: SweepReport::of(asked) })
}

pub(super) async fn approve(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    rule: RuleName,
    Body(Nothing {}): Body<Nothing>,
) -> Result<Json<ApproveReport>, Problem> {
    let rule = rule.in_force(&shared.world())?;
    shared.run(|world| Box::pin(async move { approve::approve(&world, &rule, &caller.name).await })).await.map(Json)
}

/// Why.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Because {
    reason: Text,
}

impl Because {
    fn request(self, scope: impl Scope, caller: Caller) -> Result<PauseRequest, Problem> {
        Ok(PauseRequest { reason: self.reason.of("reason")?, by: caller.name, ..scope.request() })
    }
}

pub(super) async fn pause<S: Scope>(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    scope: S,
    Body(because): Body<Because>,
) -> Result<Json<PauseReport>, Problem> {
    scope.known(&shared.world())?;
    let request = because.request(scope, caller)?;
    shared.run(|world| Box::pin(async move { pause::pause(&world, &request).await })).await.map(Json)
}

/// What is no longer configured can be resumed all the same, so that the use case is the one to say what there is.
pub(super) async fn resume<S: Scope>(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    scope: S,
    Body(because): Body<Because>,
) -> Result<Json<PauseReport>, Problem> {
    let request = because.request(scope, caller)?;
    shared.run(|world| Box::pin(async move { pause::resume(&world, &request).await })).await.map(Json)
}

/// A hold to place: on at least one subject, table, category or source.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    /// The matter or case that it is for.
    matter: Text,
    reason: Text,
    #[serde(default)]
    subjects: Vec<Object<Subject>>,
    /// Only in these tables: `SOURCE.TABLE` as rules name them.
    #[serde(default)]
    tables: Vec<String>,
    /// Only in tables of these categories.
    #[serde(default)]
    categories: Vec<String>,
    /// Only in these sources.
    #[serde(default)]
    sources: Vec<String>,
    /// Success although some rules in scope have no such subject.
    #[serde(default)]
    accept_uncovered: bool,
}

/// A data subject.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Subject {
    /// As rules name it.
    kind: Text,
    value: Text,
}

/// A hold, placed or released: `DONE` once every source in scope has acknowledged it, else 202.
pub(super) struct Hold<const DONE: u16> {
    is_done: bool,
    report: HoldReport,
}

impl<const DONE: u16> Hold<DONE> {
    const STATUS: StatusCode = match StatusCode::from_u16(DONE) {
        Ok(status) => status,
        Err(_) => panic!("no status"),
    };
}

impl<const DONE: u16> IntoResponse for Hold<DONE> {
    fn into_response(self) -> Response {
        let status = if self.is_done { Self::STATUS } else { StatusCode::ACCEPTED };
        (status, Json(HoldsReport { version: VERSION, holds: vec![self.report] })).into_response()
    }
}

impl<const DONE: u16> Gives for Hold<DONE> {
    fn tell(operation: &mut Operation<'_>) {
        operation.json::<HoldsReport>(Self::STATUS, "Done, everywhere");
        operation.json::<HoldsReport>(StatusCode::ACCEPTED, "It is recorded, and something is left undone: the answer says what");
    }
}

pub(super) async fn place(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    Body(Place { matter, reason, subjects, tables, categories, sources, accept_uncovered }): Body<Place>,
) -> Result<Hold<201>, Problem> {
    let subject = |Object(Subject { kind, value })| Ok(HeldSubject { kind: kind.of("kind")?, value: value.of("value")? });
    let request = PlaceRequest {
        matter: matter.of("matter")?,
        reason: reason.of("reason")?,
        by: caller.name,
        subjects: subjects.into_iter().map(subject).collect::<Result<_, Problem>>()?,
        tables,
        categories,
        sources,
        accept_uncovered,
    };
    let report = shared.run(|world| Box::pin(async move { holds::place(&world, request).await })).await?;
    Ok(Hold { is_done: !report.is_incomplete(accept_uncovered), report })
}

pub(super) async fn release(
    State(shared): Daemon,
    Extension(caller): Extension<Caller>,
    Id(id): Id,
    Body(Because { reason }): Body<Because>,
) -> Result<Hold<200>, Problem> {
    let reason = reason.of("reason")?;
    let report = shared.run(|world| Box::pin(async move { holds::release(&world, &id, &caller.name, &reason).await })).await?;
    Ok(Hold { is_done: report.problems.is_empty(), report })
}
