//! A walk that several workers share, explored exhaustively: no interleaving ends a sweep with a row left that was due, takes more rows
//! than may go, or says another number than went.
//!
//! Modelled are a leader and its joiners, a table in parts of one row each, what the state knows of parts, sums and lanes, and the lane of
//! each worker in the source. A worker may stop for as long as it likes or for ever after each step, and the server may end its session.
//! Leases are not modelled: the leader may take whatever part it wants from whomever, as if every lease were always over. Batches are as
//! settlement has them (`model_settlement`): act, which locks the row, intent, and a commit that the lane's fence admits.

use stateright::{Model, Property};

use crate::support::exploration::{refute, verify};

const WHOLE: &str = "a sweep that is complete has taken every row";
const GUARD: &str = "together they take no more rows than may go";
const SUM: &str = "a sweep says how many rows went";

/// Ways to get the protocol wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mistake {
    /// The leader ends where the cursor does, whatever others still have.
    OthersNotWaitedFor,
    /// A part is struck off when it is taken.
    StruckOffWhenTaken,
    /// What others take is not in the sum that the guard looks at.
    NotSummed,
    /// What was under way is not settled before a part changes hands.
    NotSettled,
    /// A settled intent that never committed stays in the sum.
    NotGivenBack,
    /// A commit does not ask for the fence.
    FenceIgnored,
    /// A part is taken though the cursor has moved since it was read: two walk it, and the leader waits for one of them.
    TakenTwice,
}

#[derive(Debug, Clone, Copy)]
struct Walking {
    workers: usize,
    parts: usize,
    /// Rows that may go.
    most: usize,
    mistake: Option<Mistake>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Phase {
    Free,
    /// It has read the cursor.
    Looking(usize),
    /// It has a part.
    Has(usize),
    /// Its transaction has taken the part's row, and keeps it locked.
    Acted(usize),
    /// The same, and the state has its intent.
    Intended(usize),
    /// The part's row is gone, by its own commit if the intent is open.
    Walked(usize),
    /// At the table's end; the leader looks at what others have.
    AtEnd,
    /// The leader has raised the fence of another's lane.
    Raised {
        part: usize,
        of: usize,
    },
    /// It is through: a guard stopped it, it lost its lane, nothing is left, or it died.
    Ended,
    /// The leader's sweep is complete.
    Complete,
    /// The leader says that a guard stopped it.
    Guarded,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Worker {
    phase: Phase,
    /// Its lane is another's now, in the state and, once that one has settled it, in the source.
    lost_in_state: bool,
    lost_in_source: bool,
    /// The row of its open intent, and whether it went by that.
    open: Option<usize>,
    committed: bool,
    /// Its transaction, and with it its locks, are gone.
    cut_off: bool,
}

const NEW: Worker =
    Worker { phase: Phase::Free, lost_in_state: false, lost_in_source: false, open: None, committed: false, cut_off: false };

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct World {
    /// The first of them leads.
    workers: Vec<Worker>,
    cursor: usize,
    /// Who has each part that was taken and not struck off.
    parts: Vec<Option<usize>>,
    gone: Vec<bool>,
    sum: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Worker(usize),
    Dies(usize),
    /// The server ends its session.
    CutOff(usize),
}

impl World {
    fn is_locked(&self, row: usize) -> bool {
        let has = |worker: &Worker| !worker.cut_off && matches!(worker.phase, Phase::Acted(its) | Phase::Intended(its) if its == row);
        self.workers.iter().any(has)
    }

    fn is_complete(&self) -> bool {
        self.workers[0].phase == Phase::Complete
    }

    fn went(&self) -> usize {
        self.gone.iter().filter(|gone| **gone).count()
    }

    /// The next step of a worker; `None`: it has none, or waits.
    fn step(&mut self, model: &Walking, index: usize) -> Option<()> {
        let made = |mistake| model.mistake == Some(mistake);
        let leads = index == 0;
        let mut worker = self.workers[index];
        worker.phase = match worker.phase {
            Phase::Free if worker.lost_in_state => Phase::Ended,
            Phase::Free if self.cursor == model.parts => {
                if leads {
                    Phase::AtEnd
                } else {
                    Phase::Ended
                }
            }
            Phase::Free => Phase::Looking(self.cursor),
            Phase::Looking(_) if worker.lost_in_state => Phase::Ended,
            Phase::Looking(at) if at != self.cursor && !made(Mistake::TakenTwice) => Phase::Free,
            Phase::Looking(at) => {
                self.cursor = self.cursor.max(at + 1);
                self.parts[at] = if made(Mistake::StruckOffWhenTaken) { None } else { Some(index) };
                worker.cut_off = false;
                Phase::Has(at)
            }
            Phase::Has(part) if self.is_locked(part) => return None,
            Phase::Has(part) if self.gone[part] => Phase::Walked(part),
            Phase::Has(part) => {
                worker.cut_off = false;
                Phase::Acted(part)
            }
            Phase::Acted(_) if worker.cut_off || worker.lost_in_state => Phase::Ended,
            Phase::Acted(part) => {
                let counts = if made(Mistake::NotSummed) { usize::from(worker.committed) } else { self.sum };
                if counts >= model.most {
                    if leads { Phase::Guarded } else { Phase::Ended }
                } else {
                    self.sum += 1;
                    (worker.open, worker.committed) = (Some(part), false);
                    Phase::Intended(part)
                }
            }
            // It settles itself: nothing was committed.
            Phase::Intended(_) if worker.cut_off || worker.lost_in_source && !made(Mistake::FenceIgnored) => {
                if !worker.lost_in_state {
                    worker.open = None;
                    self.sum -= 1;
                }
                Phase::Ended
            }
            Phase::Intended(part) => {
                self.gone[part] = true;
                worker.committed = true;
                Phase::Walked(part)
            }
            Phase::Walked(_) if worker.lost_in_state => Phase::Ended,
            Phase::Walked(part) => {
                // The outcome is entered, and the part is struck off.
                worker.open = None;
                if self.parts[part] == Some(index) {
                    self.parts[part] = None;
                }
                Phase::Free
            }
            Phase::AtEnd => match self.parts.iter().enumerate().find_map(|(part, has)| has.map(|of| (part, of))) {
                Some((part, of)) if !made(Mistake::OthersNotWaitedFor) => {
                    self.workers[of].lost_in_state = true;
                    if !made(Mistake::NotSettled) {
                        self.workers[of].lost_in_source = true;
                    }
                    Phase::Raised { part, of }
                }
                _ => Phase::Complete,
            },
            Phase::Raised { part, of } => {
                let lost = &mut self.workers[of];
                if let Some(row) = lost.open.filter(|_| !made(Mistake::NotSettled)) {
                    // The raise has waited for a commit that was under way; now it is known.
                    let went = lost.committed && self.gone[row];
                    if !(went || made(Mistake::NotGivenBack)) {
                        self.sum -= 1;
                    }
                    lost.open = None;
                }
                self.parts[part] = Some(index);
                Phase::Has(part)
            }
            Phase::Ended | Phase::Complete | Phase::Guarded => return None,
        };
        self.workers[index] = worker;
        Some(())
    }
}

impl Model for Walking {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        let (parts, gone) = (vec![None; self.parts], vec![false; self.parts]);
        vec![World { workers: vec![NEW; self.workers], cursor: 0, parts, gone, sum: 0 }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        for (index, worker) in world.workers.iter().enumerate() {
            steps.push(Step::Worker(index));
            // A leader that dies ends its sweep with it.
            if index > 0 {
                steps.push(Step::Dies(index));
            }
            if matches!(worker.phase, Phase::Acted(_) | Phase::Intended(_)) {
                steps.push(Step::CutOff(index));
            }
        }
    }

    fn next_state(&self, last: &World, step: Step) -> Option<World> {
        let mut world = last.clone();
        match step {
            Step::Worker(index) => world.step(self, index)?,
            Step::Dies(index) => world.workers[index].phase = Phase::Ended,
            Step::CutOff(index) => world.workers[index].cut_off = true,
        }
        (world != *last).then_some(world)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(WHOLE, |_, world: &World| !world.is_complete() || world.gone.iter().all(|gone| *gone)),
            Property::always(GUARD, |model, world: &World| world.went() <= model.most),
            Property::always(SUM, |_, world: &World| !world.is_complete() || world.sum == world.went()),
            Property::sometimes("the leader walks what another left", |_, world: &World| {
                world.workers[0].phase == Phase::Has(0) && world.workers[1].phase == Phase::Ended
            }),
            Property::sometimes("who lost its part finds out when it would commit", |model, world: &World| {
                // A guard stops the leader before it comes to that.
                model.most < model.parts
                    || world.workers[1].lost_in_source && world.workers[1].phase == Phase::Intended(0) && !world.workers[1].cut_off
            }),
        ]
    }
}

/// More may go than there are, so that a guard hides no wrong sum.
const RIGHT: Walking = Walking { workers: 2, parts: 3, most: 9, mistake: None };

#[test]
fn no_interleaving_leaves_a_part_out_or_takes_more_than_may_go() {
    verify("a shared walk", RIGHT);
    verify("a shared walk, three workers", Walking { workers: 3, ..RIGHT });
    verify("a shared walk, guarded", Walking { most: 2, ..RIGHT });
}

#[test]
fn each_mistake_about_sharing_is_found() {
    let guarded = Walking { most: 2, ..RIGHT };
    for (mistake, law, model) in [
        (Mistake::OthersNotWaitedFor, WHOLE, RIGHT),
        (Mistake::StruckOffWhenTaken, WHOLE, RIGHT),
        (Mistake::NotSummed, GUARD, guarded),
        (Mistake::NotSettled, SUM, RIGHT),
        (Mistake::NotGivenBack, SUM, RIGHT),
        (Mistake::FenceIgnored, SUM, RIGHT),
        (Mistake::TakenTwice, SUM, RIGHT),
    ] {
        refute(&format!("a shared walk, {mistake:?}"), Walking { mistake: Some(mistake), ..model }, law);
    }
}
