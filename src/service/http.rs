//! The HTTP listener: metrics, probes, and the one act there is, a reload.
//!
//! There are no tokens in this version, so an act is taken only on loopback, where whoever asks is on this machine;
//! metrics and probes are readable wherever the listener is. Problems are told as RFC 9457 has it.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tokio::{net::TcpListener, sync::oneshot};

use super::{Event, Events};
use crate::metrics::Metrics;

#[derive(Clone)]
struct Shared {
    metrics: Arc<Metrics>,
    ready: Arc<AtomicBool>,
    events: Events,
    loopback: bool,
}

/// Listens, and serves until the process ends: metrics are readable while it drains.
///
/// # Errors
/// The address can't be had.
pub(super) async fn serve(listen: SocketAddr, metrics: Arc<Metrics>, ready: Arc<AtomicBool>, events: Events) -> std::io::Result<()> {
    let unheard = |error: std::io::Error| std::io::Error::new(error.kind(), format!("can't listen on {listen} (`[http] listen`): {error}"));
    let listener = TcpListener::bind(listen).await.map_err(unheard)?;
    let address = listener.local_addr()?;
    let loopback = address.ip().is_loopback();
    if !loopback {
        tracing::warn!(%address, "the listener is not on loopback: metrics can be read by whoever reaches it, and reloads are refused");
    }
    let router = Router::new()
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(readiness))
        .route("/-/reload", post(reload))
        .with_state(Shared { metrics, ready, events, loopback });
    tracing::info!(%address, "listening");
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the listener ended");
        }
    });
    Ok(())
}

async fn metrics_text(State(shared): State<Shared>) -> Response {
    match shared.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, Metrics::MEDIA_TYPE)], text).into_response(),
        Err(error) => problem(StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be written", &error.to_string()),
    }
}

async fn readiness(State(shared): State<Shared>) -> Response {
    if shared.ready.load(Ordering::Relaxed) {
        return "ready\n".into_response();
    }
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "not ready",
        "the configuration is not loaded, the state can't be read, or the daemon is stopping",
    )
}

async fn reload(State(shared): State<Shared>) -> Response {
    if !shared.loopback {
        return problem(
            StatusCode::FORBIDDEN,
            "the listener is not on loopback",
            "this version has no tokens, so it acts only on requests from its own machine: listen on 127.0.0.1, or send SIGHUP",
        );
    }
    // The keeper does the work, so that a client that goes away cuts nothing off.
    let (reply, answer) = oneshot::channel();
    let ending = || problem(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "nothing was reloaded");
    if shared.events.send(Event::Reload(Some(reply))).is_err() {
        return ending();
    }
    match answer.await {
        Ok(Ok(())) => "reloaded\n".into_response(),
        Ok(Err(mistakes)) => problem(StatusCode::UNPROCESSABLE_ENTITY, "the configuration was refused, the one before is kept", &mistakes),
        Err(_) => ending(),
    }
}

fn problem(status: StatusCode, title: &str, detail: &str) -> Response {
    let body = Json(json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail }));
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response()
}
