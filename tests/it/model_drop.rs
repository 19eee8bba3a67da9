//! Dropping a partition where the statement that drops commits by itself (MariaDB), explored exhaustively: no interleaving drops a
//! partition with a row whose hold was reported as placed, and the ledger says of each drop what became of it.
//!
//! Modelled are workers that take the lane over from each other and try to drop the same partition once each, the session of
//! each on the server, a process that places a hold, and what the lane says. A worker may stop for as long as it likes or for
//! ever after each step, and its session may be ended by the server; a statement that the server has begun is carried out or
//! fails whatever became of the worker. The hold covers a row that only a worker knows to be covered who has read the
//! state since: what the statement itself would find is protected by the same lock.

use stateright::{Model, Property};

use crate::support::exploration::{refute, verify};

const HOLD: &str = "what is held is not dropped after success";
const LEDGER: &str = "the ledger says what became of each drop";

/// Ways to get the protocol wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// The epoch that was read before the tables were locked counts.
    EpochNotReadAgain,
    /// The gate is a row's lock, which the statement that drops lets go.
    GateOfARow,
    /// Settling doesn't wait for a session that has the lanes locked.
    LanesNotLocked,
    /// What is pending is written whoever owns the lane. It breaks nothing: who may write an intent owned the lane behind its
    /// lock, and until that lock is gone nobody raises the fence. So the fence is a second line of defence.
    FenceIgnored,
    /// The lane is marked before the statement, as it is where that is part of the transaction.
    MarkedBefore,
    /// Nothing is pending: the lane is marked behind the statement only.
    MarkedAfter,
    /// What is pending counts as done.
    PendingIsDone,
    /// What is pending counts as left undone.
    PendingIsUndone,
}

#[derive(Debug, Clone, Copy)]
struct Dropping {
    workers: usize,
    mistake: Option<Mistake>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    New,
    /// It owns the lane in the state, or did.
    Settling,
    /// The fence is raised; the drop that the lane was marked with then.
    Raised(Option<usize>),
    Claimed,
    /// The transaction's own read of the gate is over: whether it knows of the hold.
    Begun {
        knows: bool,
    },
    Locked {
        knows: bool,
    },
    Asked,
    Intended,
    Announced,
    /// The statement is on its way, or runs.
    Sent,
    Dropped,
    Marked,
    /// It is through, or dead.
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Verdict {
    Applied,
    Abandoned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Worker {
    phase: Phase,
    /// Its fence; 0: none yet.
    fence: usize,
    knows: bool,
    /// Its session has the tables locked.
    has_tables: bool,
    /// The server runs its statement.
    runs: bool,
    intended: bool,
    verdict: Option<Verdict>,
}

const NEW: Worker = Worker { phase: Phase::New, fence: 0, knows: false, has_tables: false, runs: false, intended: false, verdict: None };

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    workers: Vec<Worker>,
    /// Who owns the lane in the state.
    owner: Option<usize>,
    /// The lane in the source: its fence, whose drop it is marked with, whose is pending.
    fence: usize,
    mark: Option<usize>,
    pending: Option<usize>,
    placed: bool,
    dropped_by: Option<usize>,
    broken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Place,
    /// A worker takes its next step.
    Worker(usize),
    /// It will never take one again.
    Dies(usize),
    /// The server carries its statement out.
    Runs(usize),
    /// The statement fails.
    Fails(usize),
    /// The server ends its session: idle for too long, dead or cut off.
    SessionEnds(usize),
}

impl World {
    fn tables_are_locked(&self) -> bool {
        self.workers.iter().any(|worker| worker.has_tables)
    }

    /// A place writes to the gate.
    fn gate_is_taken(&self, model: &Dropping) -> bool {
        let lets_go = |worker: &Worker| model.mistake == Some(Mistake::GateOfARow) && worker.phase == Phase::Sent;
        self.workers.iter().any(|worker| worker.has_tables && !lets_go(worker))
    }

    /// The transaction that raises the fence: what is pending is settled in it.
    fn raise(&mut self, model: &Dropping, fence: usize) -> Option<Option<usize>> {
        if self.tables_are_locked() && model.mistake != Some(Mistake::LanesNotLocked) {
            return None;
        }
        self.fence = self.fence.max(fence);
        if let Some(pending) = self.pending.take() {
            let is_gone = match model.mistake {
                Some(Mistake::PendingIsDone) => true,
                Some(Mistake::PendingIsUndone) => false,
                _ => self.dropped_by.is_some(),
            };
            if is_gone {
                self.mark = Some(pending);
            }
        }
        Some(self.mark)
    }

    /// What the state is told of every intent that is open; only by who owns the lane.
    fn record(&mut self, by: usize, mark: Option<usize>) {
        if self.owner != Some(by) {
            return;
        }
        for (index, worker) in self.workers.iter_mut().enumerate() {
            if worker.intended && worker.verdict.is_none() {
                worker.verdict = Some(if mark == Some(index) { Verdict::Applied } else { Verdict::Abandoned });
            }
        }
    }

    /// The next step of a worker; `None`: it has none, or waits.
    fn step(&mut self, model: &Dropping, index: usize) -> Option<()> {
        let made = |mistake| model.mistake == Some(mistake);
        let mut worker = self.workers[index];
        worker.phase = match worker.phase {
            Phase::New => {
                worker.fence = 1 + self.workers.iter().map(|worker| worker.fence).max().unwrap_or_default();
                self.owner = Some(index);
                Phase::Settling
            }
            Phase::Settling => Phase::Raised(self.raise(model, worker.fence)?),
            Phase::Raised(mark) => {
                self.record(index, mark);
                worker = self.workers[index];
                let goes_on = self.owner == Some(index) && !worker.intended && self.dropped_by.is_none();
                if goes_on { Phase::Claimed } else { Phase::Ended }
            }
            Phase::Claimed if self.gate_is_taken(model) => return None,
            Phase::Claimed => Phase::Begun { knows: self.placed },
            Phase::Begun { .. } if self.tables_are_locked() => return None,
            Phase::Begun { knows } => {
                worker.has_tables = true;
                Phase::Locked { knows }
            }
            // Its connection was cut.
            Phase::Locked { .. } | Phase::Asked if !worker.has_tables => Phase::Ended,
            Phase::Locked { knows } => {
                // Who knows of the hold finds its row; who doesn't finds that the epoch has moved.
                worker.knows = knows;
                let is_due = !knows && (!self.placed || made(Mistake::EpochNotReadAgain)) && self.dropped_by.is_none();
                worker.has_tables = is_due;
                if is_due { Phase::Asked } else { Phase::Ended }
            }
            Phase::Asked => {
                worker.intended = self.owner == Some(index);
                worker.has_tables = worker.intended;
                if worker.intended { Phase::Intended } else { Phase::Ended }
            }
            Phase::Intended if !worker.has_tables => Phase::Settling,
            Phase::Intended if worker.fence != self.fence && !made(Mistake::FenceIgnored) => {
                worker.has_tables = false;
                Phase::Settling
            }
            Phase::Intended => {
                if made(Mistake::MarkedBefore) {
                    self.mark = Some(index);
                } else if !made(Mistake::MarkedAfter) {
                    self.pending = Some(index);
                }
                Phase::Announced
            }
            Phase::Announced if !worker.has_tables => Phase::Settling,
            Phase::Announced => {
                worker.runs = true;
                Phase::Sent
            }
            // It waits for the answer, and its connection may be cut meanwhile.
            Phase::Sent if worker.has_tables => return None,
            Phase::Sent => Phase::Settling,
            Phase::Dropped if !worker.has_tables => Phase::Settling,
            Phase::Dropped => {
                (self.mark, self.pending) = (Some(index), None);
                worker.has_tables = false;
                Phase::Marked
            }
            Phase::Marked => {
                self.workers[index] = worker;
                self.record(index, Some(index));
                worker = self.workers[index];
                Phase::Ended
            }
            Phase::Ended => return None,
        };
        self.workers[index] = worker;
        Some(())
    }
}

impl Model for Dropping {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let workers = vec![NEW; self.workers];
        vec![World { workers, owner: None, fence: 0, mark: None, pending: None, placed: false, dropped_by: None, broken: false }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        steps.push(Step::Place);
        for (index, worker) in world.workers.iter().enumerate() {
            steps.extend([Step::Worker(index), Step::Dies(index)]);
            if worker.runs {
                steps.extend([Step::Runs(index), Step::Fails(index)]);
            } else if worker.has_tables {
                steps.push(Step::SessionEnds(index));
            }
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::Place if world.gate_is_taken(self) => return None,
            Step::Place => world.placed = true,
            Step::Worker(index) => world.step(self, index)?,
            Step::Dies(index) => world.workers[index].phase = Phase::Ended,
            Step::Runs(index) => {
                let worker = &mut world.workers[index];
                worker.runs = false;
                if worker.phase == Phase::Sent {
                    worker.phase = Phase::Dropped;
                }
                if world.dropped_by.is_none() {
                    world.broken |= world.placed && !worker.knows;
                    world.dropped_by = Some(index);
                }
            }
            Step::Fails(index) => {
                let worker = &mut world.workers[index];
                (worker.runs, worker.has_tables) = (false, false);
            }
            Step::SessionEnds(index) => world.workers[index].has_tables = false,
        }
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(HOLD, |_, world: &World| !world.broken),
            Property::always(LEDGER, |_, world: &World| {
                world.workers.iter().enumerate().all(|(index, worker)| match worker.verdict {
                    None => true,
                    Some(Verdict::Applied) => world.dropped_by == Some(index),
                    Some(Verdict::Abandoned) => world.dropped_by != Some(index),
                })
            }),
            Property::sometimes("another learns that it was dropped", |_, world: &World| {
                let (first, rest) = world.workers.split_at(1);
                first[0].verdict == Some(Verdict::Applied) && rest.iter().any(|worker| world.owner.is_some() && worker.fence == 2)
            }),
            Property::sometimes("another drops what was left", |_, world: &World| {
                world.workers[0].verdict == Some(Verdict::Abandoned) && world.dropped_by.is_some()
            }),
            Property::sometimes("a place waits for a drop", |model, world: &World| !world.placed && world.gate_is_taken(model)),
            Property::sometimes("a hold keeps the partition", |_, world: &World| {
                world.placed && world.dropped_by.is_none() && world.workers.iter().all(|worker| worker.phase == Phase::Ended)
            }),
        ]
    }
}

const RIGHT: Dropping = Dropping { workers: 2, mistake: None };

#[test]
fn no_interleaving_drops_what_is_held_or_tells_another_tale() {
    verify("dropping", RIGHT);
    verify("dropping, three workers", Dropping { workers: 3, ..RIGHT });
    verify("dropping, without the fence", Dropping { mistake: Some(Mistake::FenceIgnored), ..RIGHT });
}

#[test]
fn each_mistake_about_dropping_is_found() {
    for (mistake, law) in [
        (Mistake::EpochNotReadAgain, HOLD),
        (Mistake::GateOfARow, HOLD),
        (Mistake::LanesNotLocked, LEDGER),
        (Mistake::MarkedBefore, LEDGER),
        (Mistake::MarkedAfter, LEDGER),
        (Mistake::PendingIsDone, LEDGER),
        (Mistake::PendingIsUndone, LEDGER),
    ] {
        refute(&format!("dropping, {mistake:?}"), Dropping { mistake: Some(mistake), ..RIGHT }, law);
    }
}
