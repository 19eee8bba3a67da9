//! What is wrong, as RFC 9457 has it.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{
    engine,
    operate::world::Error,
    state::{self},
};

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
        json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail, "instance": instance }).to_string()
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
