//! The world of the model: the state, the source with its locks, the workers, and the next step of each.

use super::{Mistake, Settlement};

/// A batch, by the number of its intent; as an intent's hash it names exactly one.
pub type Id = u8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Entry {
    Intent(Id),
    Applied(Id),
    Abandoned(Id),
}

/// A transaction in the source that has acted, seen from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Session {
    pub batch: Id,
    /// The lane is changed, and so locked.
    pub marked: bool,
    pub commit_sent: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Owns nothing: before a claim, after a crash, or after it learned that another had taken over.
    Idle,
    /// Owns the lane and has to settle it.
    Claimed,
    /// The fence is raised; the lane named this batch.
    Raised(Id),
    Ready,
    Acted,
    Intended,
    Marked,
    CommitSent,
    /// Knows that its transaction is rolled back, and has to close its intent.
    Withdrawn,
    /// The state gave no answer to the intent: it only tries to enter the outcome it knows.
    Unanswered,
    Finished,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Worker {
    pub phase: Phase,
    pub fence: u8,
    /// The open intent as the worker remembers it.
    pub open: Option<Id>,
    /// The open intent is known to have committed.
    pub committed: bool,
    /// `None`: the server has ended it, or there was none.
    pub session: Option<Session>,
}

pub const IDLE: Worker = Worker { phase: Phase::Idle, fence: 0, open: None, committed: false, session: None };

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct World {
    // The state.
    pub ledger: Vec<Entry>,
    pub owner_fence: u8,
    pub open: Option<Id>,
    // The source.
    pub lane_fence: u8,
    pub lane_batch: Id,
    pub rows: u8,
    pub vanished: Vec<Id>,
    /// Sessions whose client is gone.
    pub orphans: Vec<Session>,
    // The processes.
    pub workers: Vec<Worker>,
    pub last: Id,
    pub claims: u8,
    pub faults: u8,
}

impl World {
    pub fn sessions(&self) -> impl Iterator<Item = &Session> {
        self.orphans.iter().chain(self.workers.iter().filter_map(|worker| worker.session.as_ref()))
    }

    pub fn lane_is_locked(&self) -> bool {
        self.sessions().any(|session| session.marked)
    }

    pub fn commit(&mut self, session: Session) {
        self.rows -= 1;
        self.vanished.push(session.batch);
        if session.marked {
            self.lane_batch = session.batch;
        }
    }

    /// Enters the outcome of what the worker believes to be open; false: the lane is another's, nothing is entered.
    fn enter(&mut self, model: &Settlement, worker: &mut Worker, outcome: fn(Id) -> Entry) -> bool {
        let Some(open) = worker.open else { return true };
        let guarded = model.mistake != Some(Mistake::OutcomeUnguarded);
        if self.owner_fence != worker.fence || (guarded && self.open != worker.open) {
            return false;
        }
        self.ledger.push(outcome(open));
        self.open = None;
        (worker.open, worker.committed) = (None, false);
        true
    }

    /// Outcome of the batch before and intent of this one, in one transaction of the state; false: nothing is entered.
    pub fn intend(&mut self, model: &Settlement, worker: &mut Worker) -> bool {
        if !self.enter(model, worker, Entry::Applied) || self.owner_fence != worker.fence {
            return false;
        }
        self.last += 1;
        worker.open = Some(self.last);
        worker.session = worker.session.map(|session| Session { batch: self.last, ..session });
        if model.mistake != Some(Mistake::IntentAfterCommit) {
            self.ledger.push(Entry::Intent(self.last));
            self.open = worker.open;
        }
        true
    }

    /// The next step of a worker; `None`: it has none, or waits.
    pub fn next(&mut self, model: &Settlement, index: usize) -> Option<()> {
        let made = |mistake| model.mistake == Some(mistake);
        let mut worker = self.workers[index];
        match worker.phase {
            Phase::Claimed if made(Mistake::SettledWithoutWaiting) => {
                self.lane_fence = self.lane_fence.max(worker.fence);
                worker.phase = Phase::Raised(self.lane_batch);
            }
            Phase::Claimed if self.lane_is_locked() => return None,
            Phase::Claimed => {
                self.lane_fence = self.lane_fence.max(worker.fence);
                worker.phase = Phase::Raised(self.lane_batch);
            }
            Phase::Raised(seen) => {
                let outcome = if worker.open == Some(seen) { Entry::Applied } else { Entry::Abandoned };
                if self.enter(model, &mut worker, outcome) { worker.phase = Phase::Ready } else { worker = IDLE }
            }
            // The rows are locked by whoever acted on them.
            Phase::Ready if self.sessions().next().is_some() => return None,
            Phase::Ready if self.rows == 0 => {
                if self.enter(model, &mut worker, Entry::Applied) {
                    worker.phase = Phase::Finished
                } else {
                    worker = IDLE
                }
            }
            Phase::Ready => {
                worker.session = Some(Session { batch: 0, marked: false, commit_sent: false });
                worker.phase = Phase::Acted;
            }
            Phase::Acted => {
                if self.intend(model, &mut worker) {
                    worker.phase = Phase::Intended
                } else {
                    worker = IDLE
                }
            }
            Phase::Intended => match &mut worker.session {
                Some(_) if self.lane_is_locked() => return None,
                Some(_) if self.lane_fence != worker.fence && !made(Mistake::FenceIgnored) => {
                    (worker.phase, worker.session) = (Phase::Withdrawn, None);
                }
                Some(session) => {
                    session.marked = !made(Mistake::MarkOmitted);
                    worker.phase = Phase::Marked;
                }
                None => worker.phase = Phase::Withdrawn,
            },
            Phase::Marked => match &mut worker.session {
                Some(session) => {
                    session.commit_sent = true;
                    worker.phase = Phase::CommitSent;
                }
                None => worker.phase = unknown(model),
            },
            // A COMMIT on a session that had ended is an error like any other.
            Phase::CommitSent if worker.session.is_none() => worker.phase = unknown(model),
            Phase::Withdrawn => {
                if self.enter(model, &mut worker, Entry::Abandoned) {
                    worker.phase = Phase::Ready
                } else {
                    worker = IDLE
                }
            }
            Phase::Unanswered => {
                if worker.committed {
                    self.enter(model, &mut worker, Entry::Applied);
                }
                worker = IDLE;
            }
            Phase::Idle | Phase::CommitSent | Phase::Finished => return None,
        }
        self.workers[index] = worker;
        Some(())
    }

    /// Whether the ledger cut after `length` entries would be found out by the lane, or hides no batch.
    pub fn shows(&self, length: usize) -> bool {
        let kept = &self.ledger[..length];
        let found_out = self.lane_batch != 0 && !kept.contains(&Entry::Intent(self.lane_batch));
        found_out || self.vanished.iter().all(|&batch| kept.contains(&Entry::Intent(batch)))
    }

    pub fn outcomes(&self, batch: Id) -> usize {
        self.ledger.iter().filter(|entry| matches!(entry, Entry::Applied(id) | Entry::Abandoned(id) if *id == batch)).count()
    }
}

/// What an error at COMMIT makes of a worker: it settles.
pub fn unknown(model: &Settlement) -> Phase {
    if model.mistake == Some(Mistake::CommitErrorIsFailure) { Phase::Withdrawn } else { Phase::Claimed }
}
