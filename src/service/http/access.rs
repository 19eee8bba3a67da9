//! Who may do what: decided before a handler sees the request.
//!
//! With tokens, every request but those of scrapes and probes needs one, whose roles say what it is good for. Without,
//! the API is for this machine alone: for the user whom the daemon runs as, and for root, who could as well use the
//! command line. Other users of this machine, and what they run, need a token.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::{Shared, connection::Ends, limits::Who, problem::Problem};
use crate::{config::http::Role, fault};

/// What a route takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Needs {
    /// Any role.
    Reading,
    /// That role.
    Acting(Role),
    /// An operator; without tokens, anybody on this machine.
    Reloading,
}

impl Needs {
    /// The role that it takes; `any`: whichever.
    pub(super) fn role(self) -> &'static str {
        match self {
            Self::Reading => "any",
            Self::Acting(role) => role.name(),
            Self::Reloading => Role::Operator.name(),
        }
    }
}

/// Who was let in.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    /// As the ledger and the log name them.
    pub name: String,
    /// `None`: a user of this machine, who may do everything.
    roles: Option<Vec<Role>>,
}

impl Caller {
    /// Whether they may do what takes that role.
    pub(super) fn has(&self, role: Role) -> bool {
        fault::seeded("role-unchecked") || self.roles.as_ref().is_none_or(|roles| roles.contains(&role))
    }

    /// A problem, unless they may.
    pub(super) fn needs(&self, role: Role) -> Result<(), Problem> {
        if self.has(role) {
            return Ok(());
        }
        let (name, role) = (&self.name, role.name());
        Err(Problem::new(StatusCode::FORBIDDEN, "the role is missing", format!("`{name}` has no role `{role}`, which this takes")))
    }
}

/// Lets a request in, or says why not.
pub(super) async fn admit(State((shared, needs)): State<(Arc<Shared>, Needs)>, mut request: Request, next: Next) -> Response {
    let Some(ends) = request.extensions().get::<Ends>().copied() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let caller = match caller(&shared, needs, request.headers(), ends) {
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let allowed = match needs {
        Needs::Reading => Ok(()),
        Needs::Acting(role) => caller.needs(role),
        Needs::Reloading => caller.needs(Role::Operator),
    };
    request.extensions_mut().insert(caller.clone());
    let mut response = match allowed {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    };
    response.extensions_mut().insert(caller);
    response
}

fn caller(shared: &Shared, needs: Needs, headers: &HeaderMap, ends: Ends) -> Result<Caller, Problem> {
    no_browser(headers)?;
    if matches!(ends, Ends::Network { on_loopback: true, .. }) {
        named_as_this_machine(headers)?;
    }
    let world = shared.world();
    let now = Instant::now();
    let limits = || shared.limits.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let caller = if world.config.http.tokens.is_empty() {
        local(needs, ends)?
    } else {
        let token = bearer(headers).and_then(|token| world.config.http.bearer(token, world.now()));
        let Some(token) = token else {
            // Whoever has a token is heard all the same, from whatever address others guess.
            if !limits().take(ends.stranger(), now) {
                return Err(too_often());
            }
            let way_out = "send `Authorization: Bearer …` with a token that `[[http.tokens]]` has and that has not expired";
            return Err(Problem::new(StatusCode::UNAUTHORIZED, "a token is needed", way_out));
        };
        Caller { name: token.name.clone(), roles: Some(token.roles.clone()) }
    };
    if limits().take(Who::Admitted(caller.name.clone()), now) { Ok(caller) } else { Err(too_often()) }
}

fn too_often() -> Problem {
    Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests", "ask again a little later, and more slowly")
}

/// Without tokens.
fn local(needs: Needs, ends: Ends) -> Result<Caller, Problem> {
    const WAY_OUT: &str = "`retentiond token new NAME --role …` makes a token for `[[http.tokens]]`";
    let refused = |detail: String| Problem::new(StatusCode::FORBIDDEN, "a token is needed", detail);
    if !ends.are_local() {
        return Err(refused(format!("the listener is not on loopback, so reloads and the API take tokens, and there are none: {WAY_OUT}")));
    }
    let user = ends.user();
    let name = user.map_or_else(|| "somebody on this machine".to_owned(), |user| format!("uid {user}"));
    let trusted = user.is_some_and(|user| user == 0 || user == rustix::process::geteuid().as_raw());
    if trusted || matches!(needs, Needs::Reloading) {
        return Ok(Caller { name, roles: None });
    }
    Err(refused(format!("without tokens the API is for the daemon's own user and for root, and not for {name}: {WAY_OUT}")))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A page in somebody's browser is no client of this API: no request of another site gets in, whoever runs the browser.
fn no_browser(headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let own = |origin: &str| origin.split_once("://").is_some_and(|(_, host)| Some(host) == text("host"));
    let foreign = text("origin").is_some_and(|origin| !own(origin));
    if foreign || text("sec-fetch-site").is_some_and(|site| !matches!(site, "same-origin" | "none")) {
        return Err(Problem::new(StatusCode::FORBIDDEN, "a page of another site asks", "this API is not for pages of other sites"));
    }
    Ok(())
}

/// A name that leads to loopback but does not say so was made to lead here.
fn named_as_this_machine(headers: &HeaderMap) -> Result<(), Problem> {
    let Some(host) = headers.get(header::HOST) else { return Ok(()) };
    let host = host.to_str().unwrap_or("?");
    let name = host.rsplit_once(':').filter(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit())).map_or(host, |(name, _)| name);
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    if name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback()) {
        return Ok(());
    }
    let detail = "the listener is on loopback and is asked as `localhost`, or by its address";
    Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, "this is another host", detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value"))).collect()
    }

    #[test]
    fn only_names_of_this_machine_lead_here() {
        for host in ["localhost", "LOCALHOST:9464", "127.0.0.1:9464", "127.9.9.9", "[::1]:9464", "[::1]"] {
            assert!(named_as_this_machine(&headers(&[("host", host)])).is_ok(), "{host}");
        }
        for host in ["example.com", "127.0.0.1.example.com:9464", "10.0.0.1", "localhost.example.com", "", "a:b"] {
            assert!(named_as_this_machine(&headers(&[("host", host)])).is_err(), "{host}");
        }
        assert!(named_as_this_machine(&headers(&[])).is_ok());
    }

    #[test]
    fn pages_of_other_sites_are_refused() {
        let refused = |fields: &[(&'static str, &str)]| no_browser(&headers(fields)).is_err();
        assert!(refused(&[("origin", "https://example.com"), ("host", "localhost:9464")]));
        assert!(refused(&[("origin", "null"), ("host", "localhost:9464")]));
        assert!(refused(&[("sec-fetch-site", "cross-site")]) && refused(&[("sec-fetch-site", "same-site")]));
        assert!(!refused(&[("origin", "http://localhost:9464"), ("host", "localhost:9464")]));
        assert!(!refused(&[("sec-fetch-site", "none")]) && !refused(&[]));
    }
}
