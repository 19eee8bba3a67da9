//! What the keeper reads from the state for its metrics, and whether it is the one that shows it.
//!
//! Of the daemons that share a state one leads. It counts, verifies and shows; the others sweep, answer and deliver holds
//! as it does. A daemon that can't tell the state that it lives leads no more once the others may take it for gone.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use jiff::Timestamp;

use super::Keeper;
use crate::{
    state,
    sweep::{LEASE, stop::Stop},
};

/// How often the state's figures are read.
const REFRESH: Duration = Duration::from_secs(5);
/// How often the state is told that this daemon lives: a lost answer or two is no reason for another to lead.
const BEAT: Duration = Duration::from_secs(5);

/// Whether this daemon leads.
pub(super) struct Leading {
    leads: bool,
    /// Until then nobody takes it for gone.
    until: Instant,
    beat_at: Instant,
}

impl Leading {
    /// Not yet.
    pub(super) fn not(now: Instant) -> Self {
        Self { leads: false, until: now, beat_at: now }
    }

    pub(super) fn leads(&self) -> bool {
        self.leads
    }
}

impl Keeper {
    /// Tells the state that this daemon lives, where it is time to; what is to be done once begins with the one that leads.
    pub(super) async fn live(&mut self) {
        let now = Instant::now();
        if self.leading.beat_at > now {
            return;
        }
        self.leading.beat_at = now + BEAT;
        match self.state.beat(&self.owner, LEASE, !self.stopping).await {
            Ok(leads) => {
                self.leading.until = now + LEASE;
                self.lead(leads);
            }
            Err(error) => {
                self.unreadable::<()>(&error);
                if self.leading.until <= now {
                    self.lead(false);
                }
            }
        }
    }

    /// Lets another lead while this one drains: what is shown of the state goes on there.
    pub(super) async fn give_up(&mut self) {
        if !self.unreadable {
            self.leading.beat_at = Instant::now();
            self.live().await;
        }
    }

    /// This daemon ends. Should the state not hear of it, others learn it from the process that is gone, or from its lease.
    pub(super) async fn leave(&self) {
        if !self.unreadable
            && let Err(error) = self.state.leave(&self.owner).await
        {
            tracing::debug!(%error, "the state does not know that this daemon has ended");
        }
    }

    fn lead(&mut self, leads: bool) {
        self.recorder.lead(leads);
        if std::mem::replace(&mut self.leading.leads, leads) == leads {
            return;
        }
        if leads {
            tracing::info!("leads: counts, verifies, and shows what the state says");
            let now = Instant::now();
            (self.measure_at, self.verify_at, self.refresh_at) = (now, now, now);
        } else {
            tracing::info!("leads no more");
            self.measuring.take().inspect(|counting| counting.stop(Stop::Changed));
        }
    }

    /// From when on the occurrences of each rule's schedule count as missed: its last success, or where there was none
    /// yet, the moment when a person let it go.
    pub(super) async fn swept_or_approved(&self) -> Result<BTreeMap<String, Timestamp>, state::Error> {
        let mut since = self.state.approved_at().await?;
        since.extend(self.state.last_successes().await?);
        Ok(since)
    }

    /// The log says so once, until the state can be read again.
    pub(super) fn unreadable<T: Default>(&mut self, error: &state::Error) -> T {
        self.ready.store(false, Ordering::Relaxed);
        if !std::mem::replace(&mut self.unreadable, true) {
            tracing::error!(%error, "the state can't be read");
        }
        T::default()
    }

    /// Reads the state's figures.
    pub(super) async fn refresh(&mut self) {
        self.refresh_at = Instant::now() + REFRESH;
        if let (Ok(owed), Ok(blocked)) = (self.state.owed(None).await, self.state.blocked().await) {
            self.recorder.owed(&owed);
            blocked.iter().for_each(|blocked| self.recorder.remembered(blocked));
            self.recorder.reconciled(&blocked, self.world.now());
        }
        match (self.state.status().await, self.state.last_successes().await) {
            (Ok(status), Ok(successes)) => {
                self.recorder.state(&status);
                for rule in &self.world.rules {
                    let rule = rule.id.as_str();
                    self.recorder.scheduled(rule, self.runner.next(rule), successes.get(rule).copied());
                }
                self.ready.store(!self.stopping, Ordering::Relaxed);
                if std::mem::take(&mut self.unreadable) {
                    tracing::info!("the state can be read again");
                }
            }
            (Err(error), _) | (_, Err(error)) => self.unreadable(&error),
        }
    }
}
