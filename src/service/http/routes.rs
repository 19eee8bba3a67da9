//! Every route: the table that the router, the document of the API and its page are made of or held against.
//!
//! A new route is a line in [`all`] and a handler. What the handler takes and gives tells the document what else there is
//! to know of it.

use std::sync::Arc;

use axum::{
    Router,
    handler::Handler,
    http::{Method, StatusCode},
    middleware::from_fn_with_state,
    routing::{MethodRouter, get, post},
};

use super::{
    Shared,
    access::{self, Needs},
    act,
    name::{Everything, RuleName, SourceName},
    openapi::{Handles, Operation},
    read,
};
use crate::config::http::Role;

/// One route.
pub(super) struct Route {
    pub method: Method,
    pub path: &'static str,
    /// Who may take it; `None`: everybody.
    pub needs: Option<Needs>,
    pub about: &'static str,
    /// What else there is to say of it.
    pub more: &'static str,
    /// Problems that come of what it does, beside those that come of what it takes and gives.
    pub also: &'static [StatusCode],
    pub tell: fn(&mut Operation<'_>),
    handler: MethodRouter<Arc<Shared>>,
}

impl Route {
    fn new<H, T, A>(method: Method, needs: Option<Needs>, path: &'static str, about: &'static str, handler: H) -> Self
    where
        H: Handler<T, Arc<Shared>> + Handles<A>,
        T: 'static,
    {
        let handler = if method == Method::GET { get(handler) } else { post(handler) };
        Self { method, path, needs, about, more: "", also: &[], tell: H::tell, handler }
    }

    fn also(self, also: &'static [StatusCode]) -> Self {
        Self { also, ..self }
    }

    fn more(self, more: &'static str) -> Self {
        Self { more, ..self }
    }
}

/// For everybody.
fn open<H: Handler<T, Arc<Shared>> + Handles<A>, T: 'static, A>(path: &'static str, about: &'static str, handler: H) -> Route {
    Route::new(Method::GET, None, path, about, handler)
}

/// For every role.
fn reads<H: Handler<T, Arc<Shared>> + Handles<A>, T: 'static, A>(path: &'static str, about: &'static str, handler: H) -> Route {
    Route::new(Method::GET, Some(Needs::Reading), path, about, handler)
}

/// For one role.
fn acts<H: Handler<T, Arc<Shared>> + Handles<A>, T: 'static, A>(role: Role, path: &'static str, about: &'static str, handler: H) -> Route {
    Route::new(Method::POST, Some(Needs::Acting(role)), path, about, handler).also(USE_CASE)
}

/// What the use cases that look at sources, or act, refuse.
const USE_CASE: &[StatusCode] = &[StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY];

/// Every route, with who may take it.
pub(super) fn all() -> Vec<Route> {
    use Role::{Approver, Counsel, Operator};
    vec![
        open("/metrics", "Metrics for Prometheus", super::metrics_text),
        open("/healthz", "Alive", super::alive),
        open("/readyz", "Configuration loaded, state readable", super::readiness),
        Route::new(Method::POST, Some(Needs::Reloading), "/-/reload", "Read the configuration again", super::reload)
            .more("A problem says what is wrong with it; the one before is kept.")
            .also(&[StatusCode::UNPROCESSABLE_ENTITY]),
        reads("/api/v1/openapi.json", "This document", read::openapi),
        reads("/api/v1/rules", "The rules in force", read::rules),
        reads("/api/v1/rules/{policy}/{rule}/plan", "What a rule would do now", read::plan).also(USE_CASE),
        acts(Operator, "/api/v1/rules/{policy}/{rule}/sweep", "Ask for a sweep", act::sweep)
            .more("With `approve` the role `approver` too. The daemon sweeps as soon as the source is free; ask where `Location` says."),
        acts(Approver, "/api/v1/rules/{policy}/{rule}/approve", "Let a rule go that waits for a person", act::approve),
        acts(Operator, "/api/v1/rules/{policy}/{rule}/pause", "Stop a rule", act::pause::<RuleName>),
        acts(Operator, "/api/v1/rules/{policy}/{rule}/resume", "Let a rule go on", act::resume::<RuleName>),
        acts(Operator, "/api/v1/sources/{source}/pause", "Stop every rule of a source", act::pause::<SourceName>),
        acts(Operator, "/api/v1/sources/{source}/resume", "Let a source go on", act::resume::<SourceName>),
        acts(Operator, "/api/v1/pause", "Stop everything", act::pause::<Everything>),
        acts(Operator, "/api/v1/resume", "Let everything go on", act::resume::<Everything>)
            .more("What was paused by its own name stays paused."),
        reads("/api/v1/sweeps", "What is swept, what was asked for, and the last sweep of each rule", read::sweeps),
        reads("/api/v1/sweeps/{id}", "A sweep that was asked for", read::one_sweep),
        reads("/api/v1/holds", "Holds", read::holds),
        acts(Counsel, "/api/v1/holds", "Place a hold", act::place),
        reads("/api/v1/holds/{id}", "A hold with its subjects", read::one_hold),
        acts(Counsel, "/api/v1/holds/{id}/release", "Release a hold", act::release),
        reads("/api/v1/ledger/head", "The last entry of the ledger", read::head)
            .more("Its hash hangs on every entry before: note it somewhere else."),
        reads("/api/v1/ledger/entries", "A page of the ledger", read::entries),
    ]
}

/// They, served.
pub(super) fn router(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    all().into_iter().fold(Router::new(), |router, Route { path, needs, handler, .. }| {
        let handler = match needs {
            Some(needs) => handler.route_layer(from_fn_with_state((shared.clone(), needs), access::admit)),
            None => handler,
        };
        router.route(path, handler)
    })
}
