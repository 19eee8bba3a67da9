//! The gate, explored exhaustively: no interleaving lets a held row change once its hold was reported as placed.
//!
//! Modelled are the state (what is recorded, what is delivered, the epochs), the source (gate, `held`, its lock manager
//! and a backup), processes that place a hold, and workers that run batches. A transaction's client may take arbitrarily
//! long for its next step or never take it: that is a pause, and with [`Step::ServerEnds`] a crash or a cut connection. A
//! COMMIT that was sent may be carried out or not, whatever the client learns. The lock manager grants in any order.
//!
//! A hold covers two rows: one that the acting statement finds in `held`, and one that only a worker who has read the
//! state since the hold was recorded knows to be covered. So the model shows that the gate protects what the statement
//! reads and what was read before it alike. The comparison of the epochs when the intent is written is a second line
//! of defence: each line is explored with and without the other.

use stateright::{Model, Property};

use crate::support::exploration::{refute, verify};

const LAW: &str = "after success no transaction that commits changes a held row";

/// A set of holds, one bit each.
type Holds = u8;

/// Ways to get the protocol wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// The epoch is read by the statement that takes the lock, or by one before: its snapshot is older than the wait.
    EpochReadBeforeGrant,
    /// REPEATABLE READ: every statement sees what the first one saw.
    OldSnapshot,
    /// The shared lock (an advisory one) is given back when the statements are through, before COMMIT.
    LockReleasedBeforeCommit,
    /// Success is reported when the state knows the hold, before the source's gate was taken.
    SuccessBeforeRaise,
    /// A batch does not compare the epochs at all.
    EpochIgnored,
    /// `place` raises the gate without asking whether the source had been restored.
    RestoreIgnoredByPlace,
    /// `place` asks that in a session of its own, which may have ended long before it has the lock.
    RestoreCheckedInAnotherSession,
    /// `place` delivers its own hold only, not every one that is pending.
    OthersNotDelivered,
}

#[derive(Debug, Clone, Copy)]
struct Gate {
    places: usize,
    workers: usize,
    /// The source may be restored from a backup.
    restores: bool,
    /// A batch compares its epoch with the wanted one again when it writes its intent.
    checked_at_intent: bool,
    mistake: Option<Mistake>,
}

/// What one statement sees of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
struct Source {
    epoch: u8,
    held: Holds,
}

/// What one transaction saw of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Reading {
    wanted: u8,
    confirmed: u8,
    recorded: Holds,
    pending: Holds,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Place {
    New,
    Recorded,
    /// Waits for the exclusive lock.
    Waiting(Reading),
    Locked(Reading),
    CommitSent(Reading),
    Raised(Reading),
    Succeeded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase {
    Idle,
    /// Waits for the shared lock.
    Waiting,
    Locked,
    EpochRead,
    Acted,
    CommitSent,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Worker {
    /// What it read of the state, however long ago.
    cache: Option<Reading>,
    phase: Phase,
    /// The source when the transaction began.
    first: Source,
    /// The gate's epoch as it was read.
    epoch: u8,
    /// The holds whose rows the acting statement changed.
    changed: Holds,
}

const IDLE: Worker = Worker { cache: None, phase: Phase::Idle, first: Source { epoch: 0, held: 0 }, epoch: 0, changed: 0 };

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    recorded: Holds,
    delivered: Holds,
    confirmed: u8,
    source: Source,
    backup: Source,
    places: Vec<Place>,
    /// Sorted, because it doesn't matter which worker is which.
    workers: Vec<Worker>,
    /// A held row was changed after success.
    broken: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A placing process takes its next step.
    Place(usize),
    /// A worker takes its next step.
    Batch(usize),
    /// A worker reads the state anew.
    Reload(usize),
    PlaceCommits(usize),
    /// The server commits, but the placing process only sees an error.
    PlaceCommitsUnknown(usize),
    /// The server ends a placing session, or the process ends and the daemon takes over.
    PlaceEnds(usize),
    BatchCommits(usize),
    /// The server ends a worker's session: the process is dead, idle for too long, or cut off.
    ServerEnds(usize),
    Backup,
    Restore,
}

impl World {
    fn read_state(&self) -> Reading {
        let wanted = u8::try_from(self.recorded.count_ones()).expect("few holds");
        Reading { wanted, confirmed: self.confirmed, recorded: self.recorded, pending: self.recorded & !self.delivered }
    }

    fn succeeded(&self) -> Holds {
        self.places.iter().enumerate().filter(|(_, place)| **place == Place::Succeeded).fold(0, |holds, (hold, _)| holds | 1 << hold)
    }

    fn exclusive_is_taken(&self) -> bool {
        self.places.iter().any(|place| matches!(place, Place::Locked(_) | Place::CommitSent(_)))
    }

    fn shared_is_taken(&self, gate: &Gate) -> bool {
        self.workers.iter().any(|worker| match worker.phase {
            Phase::Idle | Phase::Waiting => false,
            Phase::Locked | Phase::EpochRead | Phase::Acted => true,
            Phase::CommitSent => gate.mistake != Some(Mistake::LockReleasedBeforeCommit),
        })
    }

    /// The next step of a placing process; `None`: it has none, or waits.
    fn place(&mut self, gate: &Gate, hold: usize) -> Option<()> {
        let made = |mistake| gate.mistake == Some(mistake);
        let mine = 1 << hold;
        self.places[hold] = match self.places[hold] {
            Place::New => {
                self.recorded |= mine;
                if made(Mistake::SuccessBeforeRaise) { Place::Succeeded } else { Place::Recorded }
            }
            Place::Recorded if self.delivered & mine != 0 => Place::Succeeded,
            Place::Recorded => {
                let mut reading = self.read_state();
                if made(Mistake::OthersNotDelivered) {
                    reading.pending = mine;
                }
                if made(Mistake::RestoreCheckedInAnotherSession) && self.source.epoch < reading.confirmed {
                    return None;
                }
                Place::Waiting(reading)
            }
            Place::Waiting(reading) if !self.exclusive_is_taken() && !self.shared_is_taken(gate) => Place::Locked(reading),
            Place::Locked(reading) => {
                let asks = !made(Mistake::RestoreIgnoredByPlace) && !made(Mistake::RestoreCheckedInAnotherSession);
                if asks && self.source.epoch < reading.confirmed { Place::Recorded } else { Place::CommitSent(reading) }
            }
            Place::Raised(reading) => {
                self.confirmed = self.confirmed.max(reading.wanted);
                self.delivered |= reading.pending;
                Place::Succeeded
            }
            Place::Waiting(_) | Place::CommitSent(_) | Place::Succeeded => return None,
        };
        Some(())
    }

    fn place_commits(&mut self, hold: usize, reading: Reading) {
        self.source.epoch = self.source.epoch.max(reading.wanted);
        self.source.held |= reading.pending;
        self.places[hold] = Place::Raised(reading);
    }

    /// The next step of a worker; `None`: it has none, or waits.
    fn batch(&mut self, gate: &Gate, index: usize) -> Option<()> {
        let made = |mistake| gate.mistake == Some(mistake);
        let mut worker = self.workers[index];
        let cache = worker.cache?;
        match worker.phase {
            Phase::Idle => {
                let first = if made(Mistake::EpochReadBeforeGrant) || made(Mistake::OldSnapshot) { self.source } else { Source::default() };
                worker = Worker { phase: Phase::Waiting, first, ..worker };
            }
            Phase::Waiting if self.exclusive_is_taken() => return None,
            Phase::Waiting => worker.phase = Phase::Locked,
            Phase::Locked => {
                let old = made(Mistake::EpochReadBeforeGrant) || made(Mistake::OldSnapshot);
                worker.epoch = if old { worker.first.epoch } else { self.source.epoch };
                worker.phase = Phase::EpochRead;
            }
            Phase::EpochRead if worker.epoch != worker.epoch.clamp(cache.confirmed, cache.wanted) && !made(Mistake::EpochIgnored) => {
                worker = IDLE;
            }
            Phase::EpochRead => {
                let seen = if made(Mistake::OldSnapshot) { worker.first.held } else { self.source.held };
                worker.changed = !(seen & cache.recorded);
                worker.phase = Phase::Acted;
            }
            // Writing the intent: a transaction in the state, which tells the wanted epoch of this moment.
            Phase::Acted if gate.checked_at_intent && self.read_state().wanted > worker.epoch => worker = IDLE,
            Phase::Acted => worker.phase = Phase::CommitSent,
            Phase::CommitSent => return None,
        }
        self.workers[index] = worker;
        Some(())
    }

    /// Every session ends, and the source is what it was when the backup was taken.
    fn restore(&mut self, gate: &Gate) {
        self.source = self.backup;
        for worker in &mut self.workers {
            *worker = ended(worker);
        }
        for place in &mut self.places {
            let begun = match place {
                Place::Waiting(_) => gate.mistake != Some(Mistake::RestoreCheckedInAnotherSession),
                Place::Locked(_) | Place::CommitSent(_) => true,
                Place::New | Place::Recorded | Place::Raised(_) | Place::Succeeded => false,
            };
            if begun {
                *place = Place::Recorded;
            }
        }
    }
}

/// A worker whose transaction has ended; it still believes what it read of the state.
fn ended(worker: &Worker) -> Worker {
    Worker { cache: worker.cache, ..IDLE }
}

impl Model for Gate {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let (places, workers) = (vec![Place::New; self.places], vec![IDLE; self.workers]);
        let (source, backup) = (Source::default(), Source::default());
        vec![World { recorded: 0, delivered: 0, confirmed: 0, source, backup, places, workers, broken: false }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (hold, place) in world.places.iter().enumerate() {
            steps.push(Step::Place(hold));
            if matches!(place, Place::CommitSent(_)) {
                steps.extend([Step::PlaceCommits(hold), Step::PlaceCommitsUnknown(hold)]);
            }
            if matches!(place, Place::Waiting(_) | Place::Locked(_) | Place::CommitSent(_)) {
                steps.push(Step::PlaceEnds(hold));
            }
        }
        for (index, worker) in world.workers.iter().enumerate() {
            steps.push(Step::Batch(index));
            match worker.phase {
                Phase::Idle => steps.push(Step::Reload(index)),
                Phase::CommitSent => steps.extend([Step::BatchCommits(index), Step::ServerEnds(index)]),
                _ => steps.push(Step::ServerEnds(index)),
            }
        }
        if self.restores {
            steps.extend([Step::Backup, Step::Restore]);
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::Place(hold) => world.place(self, hold)?,
            Step::Batch(index) => world.batch(self, index)?,
            Step::Reload(index) => world.workers[index].cache = Some(world.read_state()),
            Step::PlaceCommits(hold) => {
                let Place::CommitSent(reading) = world.places[hold] else { return None };
                world.place_commits(hold, reading);
            }
            Step::PlaceCommitsUnknown(hold) => {
                let Place::CommitSent(reading) = world.places[hold] else { return None };
                world.place_commits(hold, reading);
                world.places[hold] = Place::Recorded;
            }
            Step::PlaceEnds(hold) => world.places[hold] = Place::Recorded,
            Step::BatchCommits(index) => {
                world.broken |= world.workers[index].changed & world.succeeded() != 0;
                world.workers[index] = ended(&world.workers[index]);
            }
            Step::ServerEnds(index) => world.workers[index] = ended(&world.workers[index]),
            Step::Backup => world.backup = world.source,
            Step::Restore => world.restore(self),
        }
        world.workers.sort_unstable();
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(LAW, |_, world: &World| !world.broken),
            Property::sometimes("a place succeeds while a batch waits", |_, world: &World| {
                world.succeeded() != 0 && world.workers.iter().any(|worker| worker.phase == Phase::Waiting)
            }),
            Property::sometimes("a place waits for a batch", |gate, world: &World| {
                world.places.iter().any(|place| matches!(place, Place::Waiting(_))) && world.shared_is_taken(gate)
            }),
            Property::sometimes("a batch meets a moved epoch", |_, world: &World| {
                let moved = |worker: &Worker| worker.cache.is_some_and(|cache| worker.epoch > cache.wanted);
                world.workers.iter().any(|worker| worker.phase == Phase::EpochRead && moved(worker))
            }),
            Property::sometimes("a batch is about to commit after a place succeeded", |_, world: &World| {
                world.succeeded() != 0 && world.workers.iter().any(|worker| worker.phase == Phase::CommitSent)
            }),
        ]
    }
}

/// Two holds, two workers, no restore, and the epochs compared once, at the gate.
const AT_THE_GATE: Gate = Gate { places: 2, workers: 2, restores: false, checked_at_intent: false, mistake: None };
/// A source that is restored at any time; the epochs are compared when the intent is written, too.
const RESTORED: Gate = Gate { places: 2, workers: 2, restores: true, checked_at_intent: true, mistake: None };

#[test]
fn no_interleaving_changes_a_held_row() {
    verify("gate", AT_THE_GATE);
}

#[test]
fn no_interleaving_changes_a_held_row_when_the_intent_compares_too() {
    verify("gate, compared at intent", Gate { checked_at_intent: true, ..AT_THE_GATE });
}

#[test]
fn no_restore_of_the_source_loses_a_hold() {
    verify("gate, restored", RESTORED);
}

#[test]
fn each_mistake_at_the_gate_is_found() {
    for mistake in [
        Mistake::EpochReadBeforeGrant,
        Mistake::OldSnapshot,
        Mistake::LockReleasedBeforeCommit,
        Mistake::SuccessBeforeRaise,
        Mistake::EpochIgnored,
    ] {
        refute(&format!("gate, {mistake:?}"), Gate { places: 1, workers: 1, mistake: Some(mistake), ..AT_THE_GATE }, LAW);
    }
}

#[test]
fn each_mistake_about_a_restore_is_found() {
    // A cached state and a source from before the hold agree with each other: only a look at the state inside the batch tells.
    refute("gate, restored, compared at the gate only", Gate { checked_at_intent: false, ..RESTORED }, LAW);
    for mistake in [Mistake::RestoreIgnoredByPlace, Mistake::RestoreCheckedInAnotherSession, Mistake::OthersNotDelivered] {
        refute(&format!("gate, restored, {mistake:?}"), Gate { mistake: Some(mistake), ..RESTORED }, LAW);
    }
}
