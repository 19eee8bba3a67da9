//! The daemon: composition and lifecycle.
//!
//! [`run`] puts together the state, the metrics, the HTTP listener and the ticks, and hands over to the
//! keeper, which receives every event in one place and one order: ticks, signals, requests, and the ends of the tasks
//! that it began. `runner` decides which sweeps begin, without clock or task; `recorder` turns what happens into metrics;
//! `away` remembers a source that does not answer, `mounts` a configuration that may be swapped, `reload` says what a new one changes; `http` (metrics, probes and
//! the API), `signals`, `ticks` and `notify` are the ways in and out.
//!
//! Nothing of a database is ever cut off: what touches one runs in a task of its own to its end, and tells the keeper.
//! A new kind of event is a variant of `Event` and an arm in the keeper.

mod away;
mod http;
mod keeper;
mod mounts;
mod notify;
mod recorder;
mod reload;
pub mod runner;
mod signals;
mod start;
mod ticks;

use std::sync::{Arc, atomic::AtomicBool};

use tokio::sync::{mpsc, oneshot};

pub use self::http::openapi::document as openapi;
use self::keeper::{
    Keeper,
    asked::{Ask, AskedSweep, Refused, SweepsNow},
};
use crate::{
    metrics::{Closed, Metrics},
    operate::{
        attend::Attended,
        measure::Measured,
        report::RulesReport,
        world::{Error, World},
    },
    sweep::obstacle::{Outcome, Reason},
};

/// What the keeper hears of.
#[derive(Debug)]
enum Event {
    /// A tick: look whether something is to be done.
    Look,
    /// SIGTERM or SIGINT.
    Terminate,
    /// SIGHUP, or a request; who asked gets the mistakes, if there are any.
    Reload(Option<oneshot::Sender<Result<(), String>>>),
    /// Somebody asks for a sweep.
    Ask {
        ask: Ask,
        reply: oneshot::Sender<Result<AskedSweep, Refused>>,
    },
    /// Somebody asks what is swept.
    Sweeps(oneshot::Sender<SweepsNow>),
    /// A sweep ended, or could not even begin.
    Swept {
        rule: String,
        report: Result<RulesReport, String>,
    },
    Attended(Attended),
    /// A rule was counted, under the configuration of that number.
    Measured {
        generation: u64,
        measured: Measured,
    },
    /// The counting pass ended.
    MeasureEnded {
        generation: u64,
    },
    /// The ledger was verified; `None`: it could not be.
    Verified {
        sound: Option<bool>,
    },
}

/// The way to the keeper.
type Events = mpsc::UnboundedSender<Event>;

/// Runs the daemon until it is asked to stop; `true`: it ended in order, `false`: it was asked twice.
///
/// # Errors
/// What keeps it from starting. [`Error::LeftUndone`] if there is no state and one must not be made by itself.
pub async fn run(world: World) -> Result<bool, Error> {
    let (events, received) = mpsc::unbounded_channel();
    signals::listen(&events)?;
    let closed = Closed {
        outcomes: Outcome::ALL.iter().map(|outcome| outcome.name()).collect(),
        reasons: Reason::ALL.iter().map(|reason| reason.name()).collect(),
    };
    let metrics = Arc::new(Metrics::new(&closed).map_err(std::io::Error::other)?);
    let state = start::state(&world).await?;
    let ready = Arc::new(AtomicBool::new(false));
    // Before anybody can read the metrics every series is there.
    let keeper = Keeper::new(world, state, metrics.clone(), ready.clone(), events.clone());
    let work = http::serve(http::Parts { metrics, ready, events: events.clone(), world: keeper.shown() }).await?;
    let _ticks = ticks::start(&events).await?;
    let in_order = keeper.keep(received).await;
    if in_order {
        work.drain().await;
    }
    Ok(in_order)
}
