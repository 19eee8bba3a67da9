//! Asking a sweep to stop: it ends between two batches, and nothing of a database is ever cut off.

use std::time::Duration;

use tokio::sync::watch;

use super::obstacle::{Obstacle, Reason};

/// Why a sweep is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The process ends.
    Shutdown,
    /// A rule on the table was changed, or the way to its source.
    Changed,
    /// It had its share of the source's time, and another rule waits.
    Turn,
}

impl From<Stop> for Obstacle {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Shutdown => Self::new(Reason::Shutdown, "asked to stop; the next sweep goes on"),
            Stop::Changed => Self::new(Reason::Changed, "the configuration of the table changed; the next sweep goes on under the new one"),
            Stop::Turn => Self::new(Reason::Turn, "other rules of the source have their turn; it goes on after them"),
        }
    }
}

/// The hand that stops sweeps.
#[derive(Debug, Clone)]
pub struct StopSwitch(watch::Sender<Option<Stop>>);

/// What a sweep looks at between batches.
#[derive(Debug, Clone)]
pub struct StopSignal(watch::Receiver<Option<Stop>>);

impl StopSwitch {
    /// Asks for nothing yet.
    pub fn new() -> (Self, StopSignal) {
        let (sender, receiver) = watch::channel(None);
        (Self(sender), StopSignal(receiver))
    }

    /// Asks to stop. The first reason stands.
    pub fn stop(&self, why: Stop) {
        self.0.send_if_modified(|asked| asked.is_none() && asked.replace(why).is_none());
    }
}

impl StopSignal {
    /// One that never comes.
    pub fn never() -> Self {
        StopSwitch::new().1
    }

    /// The reason, once it was asked.
    pub fn asked(&self) -> Option<Stop> {
        *self.0.borrow()
    }

    /// Waits for a while, or less if it is asked to stop. Nothing of a database is ever raced against this.
    pub(super) async fn pause(&self, time: Duration) {
        if !time.is_zero() {
            let mut receiver = self.0.clone();
            tokio::select! {
                () = tokio::time::sleep(time) => {}
                () = asked(&mut receiver) => {}
            }
        }
    }
}

/// Never returns where nobody can ask any more.
async fn asked(receiver: &mut watch::Receiver<Option<Stop>>) {
    if receiver.wait_for(Option::is_some).await.is_err() {
        std::future::pending::<()>().await;
    }
}
