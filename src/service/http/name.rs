//! Names in paths.

use std::sync::Arc;

use axum::{
    extract::{FromRequestParts, Path},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{
    Shared,
    openapi::{Operation, Takes},
    problem::Problem,
};
use crate::operate::{pause::PauseRequest, world::World};

/// How policies and rules are called.
const NAME: &str = "^[a-z0-9][a-z0-9-]*$";
/// How a source is called.
const SOURCE: &str = "^.+$";
/// How whatever retentiond names itself is called.
const ID: &str = "^[A-Za-z0-9-]{1,64}$";

/// A rule, as POLICY/RULE. It need not be there.
pub(super) struct RuleName(String);

/// A source. It need not be there.
pub(super) struct SourceName(String);

/// Every rule of every source.
pub(super) struct Everything;

/// An identifier as retentiond makes them.
pub(super) struct Id(pub String);

impl RuleName {
    /// The rule, if it is in force.
    pub(super) fn in_force(self, world: &World) -> Result<String, Problem> {
        self.known(world)?;
        Ok(self.0)
    }
}

/// What can be paused.
pub(super) trait Scope {
    /// A problem, unless it is configured.
    fn known(&self, world: &World) -> Result<(), Problem>;
    /// It, for no reason yet.
    fn request(self) -> PauseRequest;
}

impl Scope for RuleName {
    fn known(&self, world: &World) -> Result<(), Problem> {
        let missing = |error| Problem::new(StatusCode::NOT_FOUND, "there is no such rule", format!("{error}"));
        world.chosen(std::slice::from_ref(&self.0)).map(drop).map_err(missing)
    }

    fn request(self) -> PauseRequest {
        PauseRequest { rules: vec![self.0], ..PauseRequest::default() }
    }
}

impl Scope for SourceName {
    fn known(&self, world: &World) -> Result<(), Problem> {
        let missing = |error| Problem::new(StatusCode::NOT_FOUND, "there is no such source", format!("{error}"));
        world.source(&self.0).map(drop).map_err(missing)
    }

    fn request(self) -> PauseRequest {
        PauseRequest { sources: vec![self.0], ..PauseRequest::default() }
    }
}

impl Scope for Everything {
    fn known(&self, _: &World) -> Result<(), Problem> {
        Ok(())
    }

    fn request(self) -> PauseRequest {
        PauseRequest { all: true, ..PauseRequest::default() }
    }
}

/// What stands between the braces of a route.
async fn said<T: DeserializeOwned + Send>(parts: &mut Parts) -> Result<T, Problem> {
    let said = Path::<T>::from_request_parts(parts, &()).await;
    said.map(|Path(said)| said).map_err(|rejection| Problem::bad(rejection.body_text()))
}

impl FromRequestParts<Arc<Shared>> for RuleName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        let (policy, rule): (String, String) = said(parts).await?;
        Ok(Self(format!("{policy}/{rule}")))
    }
}

impl FromRequestParts<Arc<Shared>> for SourceName {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        said(parts).await.map(Self)
    }
}

impl FromRequestParts<Arc<Shared>> for Everything {
    type Rejection = Problem;

    async fn from_request_parts(_: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        Ok(Self)
    }
}

impl FromRequestParts<Arc<Shared>> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Shared>) -> Result<Self, Problem> {
        let text: String = said(parts).await?;
        if text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
            return Ok(Self(text));
        }
        Err(Problem::new(StatusCode::NOT_FOUND, "there is nothing of that id", "an id has letters, digits and `-`"))
    }
}

/// What a name in a path may be answered with.
fn misnamed(operation: &mut Operation<'_>) {
    operation.problems(&[StatusCode::BAD_REQUEST, StatusCode::NOT_FOUND]);
}

impl Takes for RuleName {
    fn tell(operation: &mut Operation<'_>) {
        operation.path("policy", "The policy's id", NAME);
        operation.path("rule", "The rule's id within the policy", NAME);
        misnamed(operation);
    }
}

impl Takes for SourceName {
    fn tell(operation: &mut Operation<'_>) {
        operation.path("source", "`NAME` of `[sources.NAME]`", SOURCE);
        misnamed(operation);
    }
}

impl Takes for Everything {
    fn tell(_: &mut Operation<'_>) {}
}

impl Takes for Id {
    fn tell(operation: &mut Operation<'_>) {
        operation.path("id", "As the answer says that told of it first", ID);
        misnamed(operation);
    }
}
