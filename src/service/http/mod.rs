//! The HTTP listener: metrics, probes, a reload, and the API under `/api/v1/`.
//!
//! The API has no use case of its own: `read` and `act` call those of the command line and return the same reports.
//! `listen` binds what the configuration names, `socket` and `tls` are what they are called.
//! A request comes in by `connection`, gets its id and its line in the log in `request`, is let in or not by `access`
//! (with `peer`, who on this machine it is, and `limits`, how often), and whatever is wrong is a `problem`. A new route
//! is a line in `routes` that says who may take it, and a handler; `openapi` makes the document of them, from what they
//! take (`name`, `input`) and give.

mod access;
mod act;
mod connection;
mod input;
mod limits;
mod listen;
mod name;
pub(super) mod openapi;
mod peer;
mod problem;
mod read;
mod request;
mod routes;
mod socket;
mod tls;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::{
    extract::State,
    http::{StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
};
use tokio::sync::{Semaphore, oneshot, watch};

use self::{
    limits::Limits,
    openapi::{Gives, Operation},
    problem::Problem,
    socket::Bound,
};
use super::{Event, Events};
use crate::{
    clock::within,
    metrics::Metrics,
    operate::world::{Error, World},
};

/// So many use cases run at once: each has connections of its own.
const AT_ONCE: usize = 8;
/// How long the end of the process waits for those under way.
const DRAIN: Duration = Duration::from_secs(20);

/// What the listener is made of.
pub(super) struct Parts {
    pub metrics: Arc<Metrics>,
    pub ready: Arc<AtomicBool>,
    pub events: Events,
    /// The configuration in force.
    pub world: watch::Receiver<Arc<World>>,
}

/// What every request sees.
struct Shared {
    parts: Parts,
    limits: Mutex<Limits>,
    work: Arc<Semaphore>,
}

type Daemon = State<Arc<Shared>>;

/// The use cases under way, and the socket that they came by: it is removed with this.
pub(super) struct Work {
    under_way: Arc<Semaphore>,
    _bound: Option<Bound>,
}

impl Work {
    /// Begins none any more, and waits a while for those under way. None that is cut off is lost: they are as safe as
    /// against a crash.
    pub(super) async fn drain(self) {
        let all = u32::try_from(AT_ONCE).unwrap_or(u32::MAX);
        let waiting = self.under_way.clone();
        let ended = within(DRAIN, tokio::spawn(async move { waiting.acquire_many_owned(all).await.map(drop) })).await;
        self.under_way.close();
        if ended.is_none() {
            tracing::warn!("requests under way are cut off");
        }
    }
}

impl Shared {
    fn world(&self) -> Arc<World> {
        self.parts.world.borrow().clone()
    }

    /// Runs a use case in a task of its own, to its end: a client that goes away cuts nothing off.
    async fn run<T: Send + 'static>(
        &self,
        use_case: impl FnOnce(Arc<World>) -> futures_util::future::BoxFuture<'static, Result<T, Error>>,
    ) -> Result<T, Problem> {
        let busy = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "too many requests are under way, or the daemon is stopping");
        let permit = self.work.clone().try_acquire_owned().map_err(|_| busy())?;
        let work = use_case(self.world());
        let task = tokio::spawn(async move {
            let done = work.await;
            drop(permit);
            done
        });
        match task.await {
            Ok(done) => done.map_err(Problem::from),
            Err(panic) => {
                tracing::error!(%panic, "a request died");
                Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "failed", "the request died; the log says why"))
            }
        }
    }
}

/// Listens, and serves until the process ends: metrics are readable while it drains.
///
/// # Errors
/// The address or the socket can't be had.
pub(super) async fn serve(parts: Parts) -> std::io::Result<Work> {
    let (under_way, world) = (Arc::new(Semaphore::new(AT_ONCE)), parts.world.clone());
    let shared = Arc::new(Shared { parts, limits: Mutex::default(), work: under_way.clone() });
    let router = routes::router(&shared).layer(from_fn_with_state(shared.clone(), request::told)).with_state(shared);
    Ok(Work { under_way, _bound: listen::serve(&world, router).await? })
}

/// What Prometheus reads.
struct Exposition(String);

impl IntoResponse for Exposition {
    fn into_response(self) -> Response {
        ([(header::CONTENT_TYPE, Metrics::MEDIA_TYPE)], self.0).into_response()
    }
}

impl Gives for Exposition {
    fn tell(operation: &mut Operation<'_>) {
        <&'static str as Gives>::tell(operation);
    }
}

async fn metrics_text(State(shared): Daemon) -> Result<Exposition, Problem> {
    let unwritten = |error: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the metrics can't be written", error);
    shared.parts.metrics.text().map(Exposition).map_err(|error| unwritten(error.to_string()))
}

async fn alive() -> &'static str {
    "alive\n"
}

async fn readiness(State(shared): Daemon) -> Result<&'static str, Problem> {
    if shared.parts.ready.load(Ordering::Relaxed) {
        return Ok("ready\n");
    }
    let why = "the configuration is not loaded, the state can't be read, or the daemon is stopping";
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not ready", why))
}

/// What the keeper says to an event.
async fn heard<T>(shared: &Shared, event: impl FnOnce(oneshot::Sender<T>) -> Event) -> Result<T, Problem> {
    let (reply, answer) = oneshot::channel();
    let sent = shared.parts.events.send(event(reply));
    let ending = || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the daemon is stopping", "nothing was done");
    sent.map_err(|_| ending())?;
    answer.await.map_err(|_| ending())
}

async fn reload(State(shared): Daemon) -> Result<&'static str, Problem> {
    // The keeper does the work, so that a client that goes away cuts nothing off.
    match heard(&shared, |reply| Event::Reload(Some(reply))).await? {
        Ok(()) => Ok("reloaded\n"),
        Err(mistakes) => {
            Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "the configuration was refused, the one before is kept", mistakes))
        }
    }
}
