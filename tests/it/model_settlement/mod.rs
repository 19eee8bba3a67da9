//! Settlement, explored exhaustively: the ledger says what became of each batch, whatever fails between its steps.
//!
//! Modelled are the ledger and the lane's record in the state, the lane and the rows in the source with their locks, and
//! workers that claim the lane, settle it and run batches: act, write outcome and next intent, mark, COMMIT. A worker may
//! crash, or take arbitrarily long for its next step while another claims the lane; its session may be ended by the
//! server without its noticing; the answer to a COMMIT, in the source or in the state, may be lost, and a COMMIT that was
//! given up may still be carried out later. How often this happens is bounded, so that every way has an end.

mod world;

use stateright::{Model, Property};

use self::world::{Entry, IDLE, Phase, Worker, World, unknown};
use crate::support::exploration::{refute, verify};

const APPLIED: &str = "what is entered as applied has vanished";
const INTENDED: &str = "what has vanished was intended before";
const ABANDONED: &str = "what is entered as abandoned never vanishes";
const ONCE: &str = "no intent has two outcomes";
const END: &str = "in the end every intent has its outcome";
const ANCHOR: &str = "a shortened ledger shows at the lane";

/// Ways to get the protocol wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// The lane is marked whoever owns it.
    FenceIgnored,
    MarkOmitted,
    /// An error at COMMIT is taken to mean that nothing happened.
    CommitErrorIsFailure,
    /// The intent is written when the rows are gone.
    IntentAfterCommit,
    /// Settlement reads the lane without changing it, so it doesn't wait for a transaction that has marked.
    SettledWithoutWaiting,
    /// An outcome is entered without asking whether its intent is still the open one.
    OutcomeUnguarded,
}

#[derive(Debug, Clone, Copy)]
struct Settlement {
    workers: usize,
    /// Batches that the rows make.
    rows: u8,
    claims: u8,
    faults: u8,
    mistake: Option<Mistake>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Claim(usize),
    /// A worker takes its next step.
    Next(usize),
    /// The server commits and the worker learns it.
    Commits(usize),
    /// The server commits, the worker sees an error.
    CommitsUnknown(usize),
    /// The worker gives up waiting; the server has not decided yet.
    CommitGivenUp(usize),
    /// The intent is written, the worker sees an error.
    IntentUnknown(usize),
    /// A worker rolls back after its intent: the lane could not be marked, or a hold was placed meanwhile.
    Withdraw(usize),
    Crash(usize),
    /// The server ends a session that waits for its client, which doesn't notice yet.
    SessionEnds(usize),
    OrphanCommits(usize),
    OrphanEnds(usize),
}

impl Model for Settlement {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            ledger: Vec::new(),
            owner_fence: 0,
            open: None,
            lane_fence: 0,
            lane_batch: 0,
            rows: self.rows,
            vanished: Vec::new(),
            orphans: Vec::new(),
            workers: vec![IDLE; self.workers],
            last: 0,
            claims: self.claims,
            faults: self.faults,
        }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (index, worker) in world.workers.iter().enumerate() {
            steps.push(Step::Next(index));
            if worker.phase == Phase::Idle && world.claims > 0 {
                steps.push(Step::Claim(index));
            }
            if worker.phase == Phase::CommitSent && worker.session.is_some() {
                steps.push(Step::Commits(index));
            }
            if world.faults == 0 {
                continue;
            }
            // The last who may claim the lane does not die with it, or nobody would be left to settle.
            let may_die = world.claims > 0 || worker.fence < world.owner_fence;
            match (worker.phase, worker.session) {
                (Phase::CommitSent, Some(_)) => steps.extend([Step::CommitsUnknown(index), Step::CommitGivenUp(index)]),
                (Phase::Intended, _) => steps.push(Step::Withdraw(index)),
                (Phase::Acted, _) if may_die => steps.push(Step::IntentUnknown(index)),
                _ => {}
            }
            if worker.session.is_some() {
                steps.push(Step::SessionEnds(index));
            }
            if may_die && !matches!(worker.phase, Phase::Idle | Phase::Finished) {
                steps.push(Step::Crash(index));
            }
        }
        for (index, session) in world.orphans.iter().enumerate() {
            steps.push(Step::OrphanEnds(index));
            if session.commit_sent {
                steps.push(Step::OrphanCommits(index));
            }
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::Claim(index) => {
                world.claims -= 1;
                world.owner_fence += 1;
                world.workers[index] = Worker { phase: Phase::Claimed, fence: world.owner_fence, open: world.open, ..IDLE };
            }
            Step::Next(index) => world.next(self, index)?,
            Step::Commits(index) => {
                world.commit(world.workers[index].session?);
                world.workers[index] = Worker { phase: Phase::Ready, committed: true, session: None, ..world.workers[index] };
            }
            Step::OrphanEnds(index) => drop(world.orphans.remove(index)),
            Step::OrphanCommits(index) => {
                let session = world.orphans.remove(index);
                world.commit(session);
            }
            fault => {
                world.faults -= 1;
                self.fail(&mut world, fault)?;
            }
        }
        world.orphans.sort_unstable();
        world.workers.sort_unstable();
        Some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(APPLIED, |_, world: &World| {
                world.ledger.iter().all(|entry| !matches!(entry, Entry::Applied(id) if !world.vanished.contains(id)))
            }),
            Property::always(INTENDED, |_, world: &World| world.vanished.iter().all(|&id| world.ledger.contains(&Entry::Intent(id)))),
            Property::always(ABANDONED, |_, world: &World| world.vanished.iter().all(|&id| !world.ledger.contains(&Entry::Abandoned(id)))),
            Property::always(ONCE, |_, world: &World| (1..=world.last).all(|id| world.outcomes(id) <= 1)),
            Property::always(END, |model, world: &World| {
                !model.next_states(world).is_empty() || (1..=world.last).all(|id| world.outcomes(id) == 1)
            }),
            Property::always(ANCHOR, |_, world: &World| (0..=world.ledger.len()).all(|length| world.shows(length))),
            Property::sometimes("the sweep is through", |_, world: &World| {
                world.rows == 0 && world.open.is_none() && world.workers.iter().any(|worker| worker.phase == Phase::Finished)
            }),
            Property::sometimes("a paused worker meets a fence", |_, world: &World| {
                let fenced =
                    |worker: &Worker| worker.phase == Phase::Intended && worker.session.is_some() && worker.fence < world.lane_fence;
                world.workers.iter().any(fenced)
            }),
            Property::sometimes("settlement waits for a transaction that has marked", |_, world: &World| {
                world.lane_is_locked() && world.workers.iter().any(|worker| worker.phase == Phase::Claimed)
            }),
            Property::sometimes("settlement finds that an unknown COMMIT was carried out", |_, world: &World| {
                world.workers.iter().any(|worker| matches!(worker.phase, Phase::Raised(id) if worker.open == Some(id)))
            }),
        ]
    }
}

impl Settlement {
    fn fail(&self, world: &mut World, fault: Step) -> Option<()> {
        match fault {
            Step::CommitsUnknown(index) => {
                let session = world.workers[index].session.take()?;
                world.commit(session);
                world.workers[index].phase = unknown(self);
            }
            Step::CommitGivenUp(index) => {
                world.orphans.push(world.workers[index].session.take()?);
                world.workers[index].phase = unknown(self);
            }
            Step::IntentUnknown(index) => {
                // What was written is not what the worker remembers: it only learns that something went wrong.
                let mut forgotten = world.workers[index];
                world.workers[index] = Worker { session: None, phase: Phase::Unanswered, ..forgotten };
                return world.intend(self, &mut forgotten).then_some(());
            }
            Step::Withdraw(index) => (world.workers[index].session, world.workers[index].phase) = (None, Phase::Withdrawn),
            Step::Crash(index) => {
                world.orphans.extend(world.workers[index].session);
                world.workers[index] = IDLE;
            }
            Step::SessionEnds(index) => world.workers[index].session = None,
            _ => return None,
        }
        Some(())
    }
}

const SETTLEMENT: Settlement = Settlement { workers: 2, rows: 2, claims: 3, faults: 3, mistake: None };

#[test]
fn the_ledger_tells_what_became_of_each_batch() {
    verify("settlement", SETTLEMENT);
}

#[test]
fn each_mistake_in_settlement_is_found() {
    for (mistake, property) in [
        (Mistake::FenceIgnored, ABANDONED),
        (Mistake::MarkOmitted, ABANDONED),
        (Mistake::MarkOmitted, ANCHOR),
        (Mistake::CommitErrorIsFailure, ABANDONED),
        (Mistake::IntentAfterCommit, INTENDED),
        (Mistake::SettledWithoutWaiting, ABANDONED),
        (Mistake::OutcomeUnguarded, ONCE),
        (Mistake::OutcomeUnguarded, END),
    ] {
        refute(&format!("settlement, {mistake:?}"), Settlement { mistake: Some(mistake), ..SETTLEMENT }, property);
    }
}
