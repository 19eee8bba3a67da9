//! What is wrong, as RFC 9457 has it.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    engine,
    operate::world::Error,
    state::{self},
};

/// What is wrong, as RFC 9457 has it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct Told<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    title: &'a str,
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// With what would help.
    detail: &'a str,
    /// Ends with the id of the request.
    instance: &'a str,
}

/// What a status means, whatever was asked.
pub(super) fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request can't be read",
        StatusCode::UNAUTHORIZED => "No token, a wrong one, or one that has expired",
        StatusCode::FORBIDDEN => "The role is missing; or a page of another site asks",
        StatusCode::NOT_FOUND => "There is no such thing",
        StatusCode::REQUEST_TIMEOUT => "The body took too long",
        StatusCode::CONFLICT => "Left undone on purpose",
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too large, or was cut off",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body is not JSON",
        StatusCode::MISDIRECTED_REQUEST => "A name that does not say that it is this machine led to loopback",
        StatusCode::UNPROCESSABLE_ENTITY => "What was asked can't be",
        StatusCode::TOO_MANY_REQUESTS => "Too many requests",
        StatusCode::SERVICE_UNAVAILABLE => "The state or the source does not answer, too much is under way, or the daemon is stopping",
        _ => "Failed: the log says why",
    }
}

/// What is wrong. It becomes the body of an answer where the id of the request is known, in `request`.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    title: String,
    detail: String,
}

impl Problem {
    /// The detail is a sentence that says what would help.
    pub(super) fn new(status: StatusCode, title: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { status, title: title.into(), detail: detail.into() }
    }

    /// What is wrong with what was sent.
    pub(super) fn bad(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "this request can't be read", detail)
    }

    /// The whole body.
    pub(super) fn body(&self, instance: &str) -> String {
        let Self { status, title, detail } = self;
        let told = Told { kind: "about:blank", title, status: status.as_u16(), detail, instance };
        serde_json::to_string(&told).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        let headers = response.headers_mut();
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"retentiond\""));
        }
        if matches!(self.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let detail = error.to_string();
        match error {
            Error::Asked(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "what was asked can't be", detail),
            Error::LeftUndone(_) => Self::new(StatusCode::CONFLICT, "left undone on purpose", detail),
            Error::State(state::Error::UnknownHold(_)) => Self::new(StatusCode::NOT_FOUND, "there is no such hold", detail),
            Error::State(state::Error::AlreadyReleased { .. }) => Self::new(StatusCode::CONFLICT, "released before", detail),
            Error::State(state::Error::UnfitSubject(_)) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "what was asked can't be", detail),
            Error::State(state::Error::Missing { .. } | state::Error::Connect { .. } | state::Error::Standby) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "the state is away", detail)
            }
            Error::Engine(
                engine::Error::Connect { .. }
                | engine::Error::Lost(_)
                | engine::Error::Timeout { .. }
                | engine::Error::LockTimeout
                | engine::Error::Conflict(_)
                | engine::Error::GateBusy { .. },
            ) => Self::new(StatusCode::SERVICE_UNAVAILABLE, "the source does not answer", detail),
            Error::Engine(
                engine::Error::Restored
                | engine::Error::ForeignStamp { .. }
                | engine::Error::NoWorkspace
                | engine::Error::WorkspaceVersion { .. }
                | engine::Error::Unsupported(_),
            ) => Self::new(StatusCode::CONFLICT, "left undone on purpose", detail),
            Error::State(_) | Error::Engine(_) | Error::Io(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", detail),
        }
    }
}
