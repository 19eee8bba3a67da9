//! Waiting for replicas (law 8): how far they are behind, in time, and what a sweep does about it.
//!
//! A server tells positions in its log, and of times only when something was last replayed, which says nothing where
//! nothing is written. So the time is measured here: the end of the log is noted at each look, with the time. What was
//! written after a noted position is younger than that note, so a replica that has got as far as a note is behind by the
//! note's age at most. One that has not reached the first note yet is behind by nobody knows how much, which counts as too
//! far; it is looked at again at once. So does one that was there at a look before and is gone.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{
    obstacle::{Obstacle, Reason},
    prepare::Target,
};
use crate::engine::Positions;

/// Between two looks while all is well.
const LOOK: Duration = Duration::from_secs(1);
/// Between two looks while a sweep waits.
const SOON: Duration = Duration::from_millis(100);
/// So many times the lag that is allowed a sweep waits. Then it ends and says why, and the next one tries again.
const PATIENCE: u32 = 30;

/// How far the slowest replica is behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lag {
    /// At most so much.
    Of { replica: String, time: Duration },
    /// It can't be told.
    Unknown { replica: String, why: String },
}

/// What is known of a source's log: its ends, and when each was seen to be the end for the last time.
#[derive(Debug, Default)]
pub struct Notes {
    ends: VecDeque<(u64, Instant)>,
    /// The replicas of the look that found the most of them. One that was cut off is no longer heard of.
    known: Vec<String>,
}

impl Notes {
    /// Learns where log and replicas are at `now`; `None`: there is no replica.
    pub fn learn(&mut self, positions: &Positions, now: Instant) -> Option<Lag> {
        match self.ends.back_mut() {
            Some((position, seen)) if *position >= positions.written => *seen = now,
            _ => self.ends.push_back((positions.written, now)),
        }
        let names = || positions.replicas.iter().map(|replica| &replica.name);
        if positions.replicas.len() >= self.known.len() {
            self.known = names().cloned().collect();
        } else if let Some(gone) = self.known.iter().find(|known| times(names(), known) < times(self.known.iter(), known)) {
            return Some(Lag::Unknown { replica: gone.clone(), why: "it was connected when the sweep began, and is gone".to_owned() });
        }
        let mut slowest: Option<(Duration, &str)> = None;
        let mut least = positions.written;
        for replica in &positions.replicas {
            let unknown = |why: &str| Some(Lag::Unknown { replica: replica.name.clone(), why: why.to_owned() });
            let replayed = match &replica.replayed {
                Ok(replayed) => *replayed,
                Err(why) => return unknown(why),
            };
            least = least.min(replayed);
            let reached = self.ends.iter().rev().find(|(position, _)| *position <= replayed);
            let Some((position, seen)) = reached else { return unknown("it has not got yet to where the log was at the first look") };
            let time = if *position >= positions.written { Duration::ZERO } else { now.duration_since(*seen) };
            if slowest.is_none_or(|(slowest, _)| time > slowest) {
                slowest = Some((time, &replica.name));
            }
        }
        // Of the notes that all have passed, the last is the one to compare with.
        while self.ends.get(1).is_some_and(|(position, _)| *position <= least) {
            self.ends.pop_front();
        }
        slowest.map(|(time, replica)| Lag::Of { replica: replica.to_owned(), time })
    }
}

fn times<'a>(names: impl Iterator<Item = &'a String>, name: &String) -> usize {
    names.filter(|other| *other == name).count()
}

/// What a sweep is to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Advice {
    Go,
    /// Wait so long and ask again.
    Wait(Duration),
}

/// Looks after the replicas during one sweep.
pub struct Watch {
    notes: Notes,
    limit: Duration,
    looked: Option<Instant>,
    waiting: Option<Instant>,
}

impl Watch {
    /// Nothing looked at yet.
    pub fn new(limit: Duration) -> Self {
        Self { notes: Notes::default(), limit, looked: None, waiting: None }
    }

    /// Asked before each batch. `tell` hears of each look: the lag, and `None` where it can't be told.
    ///
    /// # Errors
    /// [`Reason::ReplicaLag`] when it has waited long enough, and the engine's.
    pub async fn before_a_batch(&mut self, target: &Target, tell: impl Fn(Option<Duration>)) -> Result<Advice, Obstacle> {
        if self.waiting.is_none() && self.looked.is_some_and(|looked| looked.elapsed() < LOOK) {
            return Ok(Advice::Go);
        }
        let positions = target.engine.replicas(&target.config.replicas).await?;
        let now = Instant::now();
        self.looked = Some(now);
        let lag = self.notes.learn(&positions, now);
        let Some(lag) = lag else { return Ok(Advice::Go) };
        let time = if let Lag::Of { time, .. } = &lag { Some(*time) } else { None };
        tell(time);
        if time.is_some_and(|time| time <= self.limit) {
            self.waiting = None;
            return Ok(Advice::Go);
        }
        let since = *self.waiting.get_or_insert(now);
        if now.duration_since(since) < self.limit * PATIENCE {
            Ok(Advice::Wait(SOON))
        } else {
            Err(too_far(&target.config.name, &lag, self.limit))
        }
    }
}

fn too_far(source: &str, lag: &Lag, limit: Duration) -> Obstacle {
    let what = match lag {
        Lag::Of { replica, time } => format!("the replica {replica} is {time:.0?} behind, and `max_replica_lag` is {limit:?}"),
        Lag::Unknown { replica, why } => format!("how far the replica {replica} is behind can't be told ({why})"),
    };
    Obstacle::new(Reason::ReplicaLag, format!("source `{source}`: {what}; the next sweep looks again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Replica;

    fn positions(written: u64, replayed: &[u64]) -> Positions {
        let replica = |replayed: &u64| Replica { name: format!("at {replayed}"), replayed: Ok(*replayed) };
        Positions { written, replicas: replayed.iter().map(replica).collect() }
    }

    fn seconds(lag: Option<Lag>) -> Option<u64> {
        match lag {
            Some(Lag::Of { time, .. }) => Some(time.as_secs()),
            _ => None,
        }
    }

    #[test]
    fn a_lag_is_the_age_of_the_last_note_that_was_reached() {
        let (mut notes, start) = (Notes::default(), Instant::now());
        let mut learn = |second, written, replayed: &[u64]| notes.learn(&positions(written, replayed), start + Duration::from_secs(second));
        assert_eq!(seconds(learn(0, 100, &[100])), Some(0));
        assert_eq!(seconds(learn(1, 200, &[150])), Some(1), "what it lacks was written after the first look");
        assert_eq!(seconds(learn(2, 200, &[150])), Some(2));
        assert_eq!(seconds(learn(3, 300, &[200, 300])), Some(1), "the slowest counts");
        assert_eq!(seconds(learn(60, 300, &[300, 300])), Some(0), "nothing was written: nobody is behind");
        assert_eq!(seconds(learn(61, 400, &[300, 400])), Some(1), "its log ended there a second ago");
        assert_eq!(Notes::default().learn(&positions(400, &[]), start), None);
    }

    #[test]
    fn what_can_not_be_told_is_unknown() {
        let now = Instant::now();
        assert!(matches!(Notes::default().learn(&positions(100, &[100, 99]), now), Some(Lag::Unknown { .. })));
        let mute = Positions { written: 100, replicas: vec![Replica { name: "r".to_owned(), replayed: Err("hidden".to_owned()) }] };
        assert_eq!(Notes::default().learn(&mute, now), Some(Lag::Unknown { replica: "r".to_owned(), why: "hidden".to_owned() }));
    }

    #[test]
    fn a_replica_that_was_there_and_is_gone_is_unknown() {
        let follows = |names: &[&str]| Positions {
            written: 100,
            replicas: names.iter().map(|name| Replica { name: (*name).to_owned(), replayed: Ok(100) }).collect(),
        };
        let (mut notes, now) = (Notes::default(), Instant::now());
        let mut learn = |names: &[&str]| notes.learn(&follows(names), now);
        let gone = |lag: Option<Lag>| matches!(lag, Some(Lag::Unknown { replica, .. }) if replica == "b");
        assert_eq!(seconds(learn(&["a", "b", "b"])), Some(0));
        assert!(gone(learn(&["a", "b"])));
        assert_eq!(seconds(learn(&["a", "b", "b"])), Some(0), "it came back");
        assert!(gone(learn(&["a"])));
        assert_eq!(seconds(learn(&["a", "c", "d"])), Some(0), "as many as before");
    }

    #[test]
    fn notes_do_not_pile_up() {
        let (mut notes, start) = (Notes::default(), Instant::now());
        for second in 0..1_000 {
            notes.learn(&positions(second * 10, &[second * 10]), start + Duration::from_secs(second));
        }
        assert!(notes.ends.len() <= 2);
    }
}
