//! Decides which sweeps begin: a state machine without clock, task or database, in which time is a parameter.
//!
//! Each rule has one instant that everything follows from: the first occurrence of its schedule that no sweep has
//! answered yet. An occurrence is answered by a sweep that succeeded and began at or after it, whoever ran it. Hence:
//!
//! * occurrences that were missed, because the process was down, the window closed or a sweep took long, are answered
//!   together, by one sweep;
//! * what another process has swept is not swept again;
//! * a sweep that was interrupted goes on, and one that failed is tried again, ever more rarely, but at the next
//!   occurrence at the latest; one that waits for a person is tried at the next occurrence.
//!
//! On each source [`SWEEPS_PER_SOURCE`] sweeps run at once, because its limits are meant for all that runs there
//! together. Whoever has waited longest is next, and a sweep that had its [`SHARE`] gives way if others wait, so that one
//! long backlog does not starve the rest.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use crate::policy::{schedule::Schedule, window::Window};

/// So many sweeps run on one source at the same time.
pub const SWEEPS_PER_SOURCE: usize = 1;
/// How long a sweep may run while others wait for the source.
pub const SHARE: SignedDuration = SignedDuration::from_mins(5);
/// The first wait after a failure; each further one is twice as long.
const FIRST_RETRY: SignedDuration = SignedDuration::from_secs(30);
/// The longest wait after a failure.
const LAST_RETRY: SignedDuration = SignedDuration::from_hours(1);

/// A rule, as far as its schedule is concerned.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    pub rule: String,
    pub source: String,
    /// It deletes: of two that have waited equally long it goes first, because a row that goes need not be anonymised.
    pub deletes: bool,
    pub schedule: Schedule,
    /// The zone of the schedule.
    pub zone: TimeZone,
    /// It runs only while all of these are open.
    pub windows: Vec<(Window, TimeZone)>,
}

impl Job {
    fn is_open(&self, now: Timestamp) -> bool {
        self.windows.iter().all(|(window, zone)| window.contains(now, zone))
    }
}

/// How a sweep ended, as far as its schedule is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// All that was due when it began is done.
    Done,
    /// It goes on as soon as it may: its window closed, others have their turn, or its configuration changed.
    GoesOn,
    /// Something that passes stood in the way: it is tried again soon.
    TryAgain,
    /// It waits for a person, or only observes: the next occurrence will tell.
    NextTime,
}

/// What is to be done now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Rules whose sweeps begin.
    pub start: Vec<String>,
    /// Rules whose sweeps are to give way.
    pub give_way: Vec<String>,
}

/// The schedule of all rules.
#[derive(Debug, Default)]
pub struct Runner {
    entries: BTreeMap<String, Entry>,
    /// The latest instant it was asked at: tells a clock that was set back.
    latest: Option<Timestamp>,
}

#[derive(Debug)]
struct Entry {
    job: Job,
    /// The first occurrence that is not answered; `None`: the schedule has no further one.
    next: Option<Timestamp>,
    /// A person asked for a sweep, whatever the schedule says.
    asked: bool,
    /// Since when it waits for its turn.
    queued: Option<Timestamp>,
    /// After a failure, when it may be tried again.
    not_before: Option<Timestamp>,
    failures: u32,
    running: Option<Running>,
}

#[derive(Debug)]
struct Running {
    since: Timestamp,
    gives_way: bool,
}

impl Entry {
    fn new(job: Job, answered: Timestamp) -> Self {
        let next = job.schedule.next_after(answered, &job.zone);
        Self { job, next, asked: false, queued: None, not_before: None, failures: 0, running: None }
    }

    /// Every occurrence up to `at` is answered.
    fn answer(&mut self, at: Timestamp) {
        if self.next.is_some_and(|next| next <= at) {
            self.next = self.job.schedule.next_after(at, &self.job.zone);
            (self.queued, self.not_before, self.failures) = (None, None, 0);
        }
    }

    /// Puts what is due into the queue, and tells whether it may begin.
    fn is_ready(&mut self, now: Timestamp) -> bool {
        let due = self.next.filter(|next| *next <= now);
        if self.asked {
            // Windows, pauses and guards are the sweep's own to tell, to whoever asked.
            self.queued.get_or_insert(due.unwrap_or(now));
            return self.running.is_none();
        }
        let Some(next) = due else { return false };
        self.queued.get_or_insert(next);
        let may_be_tried = self.not_before.is_none_or(|not_before| not_before <= now);
        self.running.is_none() && may_be_tried && self.job.is_open(now)
    }
}

impl Runner {
    /// Takes up these jobs in place of those before. A job that is new, or whose schedule is, answers every occurrence
    /// since `answered` says that it was swept; one that never was waits for the next.
    pub fn replace(&mut self, jobs: Vec<Job>, answered: &BTreeMap<String, Timestamp>, now: Timestamp) {
        let mut before = std::mem::take(&mut self.entries);
        for job in jobs {
            let known = before.remove(&job.rule);
            let same = known.as_ref().is_some_and(|known| known.job.schedule == job.schedule && known.job.zone == job.zone);
            let entry = match known {
                Some(known) if same => Entry { job, ..known },
                known => {
                    // A success in the future is of a clock that was set back since.
                    let answered = answered.get(&job.rule).map_or(now, |answered| (*answered).min(now));
                    let (asked, running) = known.map(|known| (known.asked, known.running)).unwrap_or_default();
                    Entry { asked, running, ..Entry::new(job, answered) }
                }
            };
            self.entries.insert(entry.job.rule.clone(), entry);
        }
    }

    /// A person asks for a sweep: it begins as soon as its source is free. `false`: nobody ever sweeps the rule.
    pub fn ask(&mut self, rule: &str) -> bool {
        self.entries.get_mut(rule).map(|entry| entry.asked = true).is_some()
    }

    /// Whether [`Runner::look`] may have something to begin: only then is it worth asking what others have swept.
    pub fn is_due(&mut self, now: Timestamp) -> bool {
        self.entries.values_mut().any(|entry| entry.is_ready(now))
    }

    /// Decides what to do at `now`. `answered` says when the last successful sweep of each rule began, whoever ran it.
    pub fn look(&mut self, now: Timestamp, answered: &BTreeMap<String, Timestamp>) -> Decision {
        if self.latest.is_some_and(|latest| now < latest) {
            self.set_back(now);
        }
        self.latest = Some(now);
        let mut ready: BTreeMap<String, Vec<(Timestamp, bool, String)>> = BTreeMap::new();
        let mut running: BTreeMap<String, usize> = BTreeMap::new();
        for entry in self.entries.values_mut() {
            if let Some(at) = answered.get(&entry.job.rule).filter(|at| **at <= now) {
                entry.answer(*at);
            }
            if entry.is_ready(now) {
                let queued = entry.queued.unwrap_or(now);
                ready.entry(entry.job.source.clone()).or_default().push((queued, !entry.job.deletes, entry.job.rule.clone()));
            }
            *running.entry(entry.job.source.clone()).or_default() += usize::from(entry.running.is_some());
        }
        let mut decision = Decision::default();
        for (source, mut waiting) in ready {
            waiting.sort();
            let free = SWEEPS_PER_SOURCE.saturating_sub(running.get(&source).copied().unwrap_or_default());
            let left_waiting = waiting.len() > free;
            for (_, _, rule) in waiting.into_iter().take(free) {
                if let Some(entry) = self.entries.get_mut(&rule) {
                    entry.running = Some(Running { since: now, gives_way: false });
                    entry.asked = false;
                }
                decision.start.push(rule);
            }
            if left_waiting {
                decision.give_way.extend(self.give_way(&source, now));
            }
        }
        decision
    }

    /// The sweeps of a source that had their share, each told once.
    fn give_way(&mut self, source: &str, now: Timestamp) -> Vec<String> {
        let mut told = Vec::new();
        for entry in self.entries.values_mut().filter(|entry| entry.job.source == source) {
            if let Some(running) = &mut entry.running
                && !running.gives_way
                && now.duration_since(running.since) >= SHARE
            {
                running.gives_way = true;
                told.push(entry.job.rule.clone());
            }
        }
        told
    }

    /// A sweep has ended.
    pub fn ended(&mut self, rule: &str, now: Timestamp, ending: Ending) {
        let Some(entry) = self.entries.get_mut(rule) else { return };
        let Some(running) = entry.running.take() else { return };
        match ending {
            Ending::Done => entry.answer(running.since),
            Ending::GoesOn => entry.queued = Some(now),
            Ending::TryAgain => {
                entry.failures += 1;
                let occurrence = entry.job.schedule.next_after(now, &entry.job.zone);
                entry.not_before = occurrence.into_iter().chain(now.checked_add(wait(entry.failures))).min();
                entry.queued = Some(now);
            }
            Ending::NextTime => entry.answer(now),
        }
        // One that a person asked for leaves nothing in the queue before its time.
        if entry.next.is_none_or(|next| next > now) {
            (entry.queued, entry.not_before, entry.failures) = (None, None, 0);
        }
    }

    /// When the next sweep of a rule is due; in the past: it waits for its turn, its window or its next try.
    pub fn next(&self, rule: &str) -> Option<Timestamp> {
        self.entries.get(rule)?.next
    }

    /// The rules that are being swept.
    pub fn running(&self) -> Vec<&str> {
        self.entries.values().filter(|entry| entry.running.is_some()).map(|entry| entry.job.rule.as_str()).collect()
    }

    /// The clock was set back: what was planned from the later time is planned anew.
    fn set_back(&mut self, now: Timestamp) {
        for entry in self.entries.values_mut() {
            let again = entry.job.schedule.next_after(now, &entry.job.zone);
            entry.next = [entry.next, again].into_iter().flatten().min();
            entry.not_before = None;
            if let Some(running) = &mut entry.running {
                running.since = running.since.min(now);
            }
        }
    }
}

/// How long to wait after so many failures in a row.
fn wait(failures: u32) -> SignedDuration {
    let doublings = failures.saturating_sub(1).min(16);
    (FIRST_RETRY * 2_i32.pow(doublings)).min(LAST_RETRY)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod year;
