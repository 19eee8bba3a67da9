//! Each request has an id: its own if that is sane, else a new one. It is in the answer, in the log, and in the problem.

use std::time::Instant;

use axum::{
    body::{Body, to_bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};

use super::{Daemon, access::Caller, problem::Problem};
use crate::clock::random_hex;

const ID: HeaderName = HeaderName::from_static("x-request-id");
/// The longest id that is taken over.
const LONGEST_ID: usize = 64;
/// What a library says of a bad request is short.
const LONGEST_DETAIL: usize = 4096;

/// Answers with the id, makes problems whole, and writes one line into the log for each request but those of scrapes
/// and probes.
pub(super) async fn told(State(shared): Daemon, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = id(request.headers()).unwrap_or_else(|| format!("req-{}", random_hex::<8>(&*shared.world().randomness)));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let mut response = next.run(request).await;
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        response = whole(response, &path, &id).await;
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(ID, value);
    }
    response.headers_mut().insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if path.starts_with("/api/") || path.starts_with("/-/") {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let by = response.extensions().get::<Caller>().map_or("-", |caller| caller.name.as_str());
        let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(%method, path, status = status.as_u16(), by, request = id, milliseconds, "request");
    }
    response
}

fn id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(&ID)?.to_str().ok()?;
    let sane = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (!id.is_empty() && id.len() <= LONGEST_ID && id.bytes().all(sane)).then(|| id.to_owned())
}

/// The problem with its body, whoever found it.
async fn whole(response: Response, path: &str, id: &str) -> Response {
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None => {
            let text = to_bytes(body, LONGEST_DETAIL).await.unwrap_or_default();
            let title = parts.status.canonical_reason().unwrap_or("refused").to_lowercase();
            Problem::new(parts.status, title, String::from_utf8_lossy(&text))
        }
    };
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(problem.body(&format!("{path}#{id}"))))
}
