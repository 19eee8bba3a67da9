//! Verification: whether entries form the chain that retentiond wrote. Memory grows with lanes, not with entries.
//!
//! [`Verifier`] takes entries one by one, from the state or from the lines of an export, and then the anchors: what the
//! lanes in the sources say. A chain cut at its end is sound in itself; only an anchor shows the cut.
//!
//! A running system moves while it is verified. Read in this order: the ledger's head, the anchors, then the entries to
//! their end, with [`Verifier::settled_through`] the head. What a lane says was in the ledger by the end of that, and
//! what the ledger said by the head was in the lane.

use std::collections::BTreeMap;

use super::{
    Batch, Entry, Event, SOURCE_ADOPTED,
    chain::{self, Unreadable},
    digest,
};

/// More problems than this are counted, not kept: a ledger that is broken throughout must not fill the memory.
const PROBLEMS_KEPT: usize = 100;

/// Something that doesn't fit.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The entry, by the number it has or should have; the last one for an anchor.
    pub seq: u64,
    pub what: String,
}

/// A batch without an outcome: normal while one runs, settled by the next sweep after a crash.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct OpenBatch {
    pub source: String,
    pub lane: String,
    pub lane_seq: u64,
    /// Number of its intent.
    pub entry: u64,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Verification {
    pub entries: u64,
    /// Number and hash of the last entry.
    pub head: Option<(u64, String)>,
    /// Whose ledger it says it is.
    pub state_id: Option<String>,
    pub open: Vec<OpenBatch>,
    /// In order; at most a hundred.
    pub problems: Vec<Problem>,
    /// Those beyond.
    pub further_problems: u64,
}

impl Verification {
    /// True if nothing was found. Open batches are no problem.
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// What a lane says in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    pub lane: String,
    /// Number of the last batch that committed; 0: none.
    pub seq: u64,
    pub rows: u64,
    /// Hash of its intent.
    pub intent_hash: String,
}

/// Verifies the entries of an iterator, without anchors.
pub fn verify(entries: impl IntoIterator<Item = Result<Entry, Unreadable>>) -> Verification {
    let mut verifier = Verifier::default();
    entries.into_iter().for_each(|entry| verifier.push(entry));
    verifier.finish()
}

/// A verification under way.
#[derive(Debug, Default)]
pub struct Verifier {
    entries: u64,
    head: Option<Head>,
    state_id: Option<String>,
    settled_through: Option<u64>,
    lanes: BTreeMap<(String, String), Lane>,
    problems: Vec<Problem>,
    further_problems: u64,
}

#[derive(Debug)]
struct Head {
    seq: u64,
    /// `None` after an entry that can't be read.
    hash: Option<String>,
}

/// What the entries so far say of a lane.
#[derive(Debug, Default)]
struct Lane {
    /// The highest number used.
    seq: u64,
    fence: u64,
    open: Option<Open>,
    applied: Option<Applied>,
    /// `applied` as of `settled_through`.
    applied_then: Option<Applied>,
}

#[derive(Debug)]
struct Open {
    batch: Batch,
    entry: u64,
    hash: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Applied {
    seq: u64,
    rows: u64,
    intent_hash: String,
}

impl Verifier {
    /// Anchors were read after the entry with this number: later outcomes may be missing in them.
    pub fn settled_through(seq: u64) -> Self {
        Self { settled_through: Some(seq), ..Self::default() }
    }

    /// The next entry.
    pub fn push(&mut self, entry: Result<Entry, Unreadable>) {
        self.entries += 1;
        let expected = self.head.as_ref().map_or(1, |head| head.seq + 1);
        match entry {
            Ok(entry) => {
                self.link(expected, &entry);
                self.texts(&entry);
                self.event(&entry);
                self.head = Some(Head { seq: entry.seq, hash: Some(entry.hash) });
            }
            Err(Unreadable(what)) => {
                self.problem(expected, what);
                self.head = Some(Head { seq: expected, hash: None });
            }
        }
    }

    fn link(&mut self, expected: u64, entry: &Entry) {
        if entry.seq != expected {
            self.problem(entry.seq, format!("it stands where entry {expected} should"));
        }
        let before = self.head.as_ref().map_or(Some(chain::BEGINNING), |head| head.hash.as_deref());
        if before.is_some_and(|before| before != entry.prev) {
            self.problem(entry.seq, "it doesn't follow the entry before it".to_owned());
        }
        if chain::hash(&entry.prev, &entry.canonical()) != entry.hash {
            self.problem(entry.seq, "its text was changed: it doesn't have its hash".to_owned());
        }
        if (self.entries == 1) != matches!(entry.event, Event::Genesis { .. }) {
            self.problem(entry.seq, "a ledger has one beginning, its first entry".to_owned());
        }
    }

    fn texts(&mut self, entry: &Entry) {
        let commitments = entry.event.commitments();
        let fields = entry.texts.iter().map(|text| text.field.as_str());
        if !fields.eq(commitments.iter().map(|(field, _)| *field)) {
            self.problem(entry.seq, "the texts beside it aren't those it commits to".to_owned());
            return;
        }
        for (text, (field, commitment)) in entry.texts.iter().zip(commitments) {
            if text.text.as_ref().is_some_and(|body| super::Commitment::to(&text.salt, body) != *commitment) {
                self.problem(entry.seq, format!("its {field} was changed: it isn't the text that the chain commits to"));
            }
        }
    }

    fn event(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Genesis { state_id } => self.state_id = Some(state_id.clone()),
            Event::BatchIntent(batch) => self.intent(entry, batch),
            Event::BatchApplied(batch) => self.outcome(entry, batch, true),
            Event::BatchAbandoned { batch, .. } => self.outcome(entry, batch, false),
            Event::Configuration { what, source: Some(source), .. } if what == SOURCE_ADOPTED => self.adopted(source),
            _ => {}
        }
    }

    fn intent(&mut self, entry: &Entry, batch: &Batch) {
        let lane = self.lanes.entry(key(batch)).or_default();
        let mut found = Vec::new();
        if let Some(open) = &lane.open {
            found.push(format!("lane {} has an intent already, entry {}, without an outcome", batch.lane, open.entry));
        }
        if batch.lane_seq <= lane.seq {
            found.push(format!("lane {} goes back from batch {} to {}", batch.lane, lane.seq, batch.lane_seq));
        }
        if batch.fence < lane.fence {
            found.push(format!("lane {} goes back from fence {} to {}", batch.lane, lane.fence, batch.fence));
        }
        lane.seq = lane.seq.max(batch.lane_seq);
        lane.fence = lane.fence.max(batch.fence);
        lane.open = Some(Open { batch: batch.clone(), entry: entry.seq, hash: entry.hash.clone() });
        found.into_iter().for_each(|what| self.problem(entry.seq, what));
    }

    fn outcome(&mut self, entry: &Entry, batch: &Batch, applied: bool) {
        let then = self.settled_through.is_none_or(|through| entry.seq <= through);
        let lane = self.lanes.entry(key(batch)).or_default();
        let Some(open) = lane.open.take_if(|open| open.batch.lane_seq == batch.lane_seq) else {
            let what = if batch.lane_seq <= lane.seq { "was settled before" } else { "has no intent" };
            return self.problem(entry.seq, format!("batch {} of lane {} {what}", batch.lane_seq, batch.lane));
        };
        let differs = *batch != open.batch;
        if applied {
            lane.applied = Some(Applied { seq: batch.lane_seq, rows: batch.rows, intent_hash: open.hash });
            if then {
                lane.applied_then.clone_from(&lane.applied);
            }
        }
        if differs {
            self.problem(entry.seq, format!("it isn't the outcome of the batch that entry {} announces", open.entry));
        }
    }

    /// Adopting a source empties its lanes: only what is applied from here on has an anchor.
    fn adopted(&mut self, source: &str) {
        for (_, lane) in self.lanes.iter_mut().filter(|((of, _), _)| of == source) {
            lane.applied = None;
            lane.applied_then = None;
        }
    }

    /// Compares the digests of a batch with its entry. Call it before or after the entry itself.
    pub fn check_leaves(&mut self, entry: &Entry, batch: &Batch, leaves: &[String]) {
        let Some(digested) = &batch.evidence else { return };
        if let Some(what) = digest::contradiction(digested, batch.rows, leaves) {
            self.problem(entry.seq, format!("batch {} of lane {}: {what}", batch.lane_seq, batch.lane));
        }
    }

    /// Compares what all lanes of a source say with the entries. Call it once a source, after the last entry.
    pub fn check_anchors(&mut self, source: &str, anchors: &[Anchor]) {
        let mut found = Vec::new();
        for anchor in anchors.iter().filter(|anchor| anchor.seq > 0) {
            let lane = self.lanes.get(&(source.to_owned(), anchor.lane.clone()));
            if let Some(what) = lane.map_or(Some(AHEAD), |lane| lane.contradiction(anchor)) {
                found.push(format!("source {source}, lane {}: {what}", anchor.lane));
            }
        }
        for ((_, name), _) in self.lanes.iter().filter(|((of, _), lane)| of == source && lane.applied_then.is_some()) {
            if !anchors.iter().any(|anchor| anchor.lane == *name && anchor.seq > 0) {
                found.push(format!("source {source}, lane {name}: {BEHIND}"));
            }
        }
        let last = self.head.as_ref().map_or(0, |head| head.seq);
        found.into_iter().for_each(|what| self.problem(last, what));
    }

    /// What was found.
    pub fn finish(self) -> Verification {
        let open = self.lanes.into_iter().filter_map(|((source, lane), state)| {
            let open = state.open?;
            Some(OpenBatch { source, lane, lane_seq: open.batch.lane_seq, entry: open.entry })
        });
        Verification {
            entries: self.entries,
            head: self.head.and_then(|head| Some((head.seq, head.hash?))),
            state_id: self.state_id,
            open: open.collect(),
            problems: self.problems,
            further_problems: self.further_problems,
        }
    }

    fn problem(&mut self, seq: u64, what: String) {
        if self.problems.len() < PROBLEMS_KEPT {
            self.problems.push(Problem { seq, what });
        } else {
            self.further_problems += 1;
        }
    }
}

const AHEAD: &str = "a batch committed that the ledger doesn't have: the ledger was cut off or written anew";
const BEHIND: &str = "a batch that the ledger has isn't there: the source was restored";
const DIFFERENT: &str = "its last batch isn't the one that the ledger has: the ledger was written anew";
const COUNT: &str = "its last batch changed another number of rows than the ledger says";

impl Lane {
    /// What is wrong between the entries and an anchor, if anything is.
    fn contradiction(&self, anchor: &Anchor) -> Option<&'static str> {
        if self.applied_then.as_ref().is_some_and(|then| anchor.seq < then.seq) {
            return Some(BEHIND);
        }
        if let Some(open) = self.open.as_ref().filter(|open| open.batch.lane_seq == anchor.seq) {
            return anchor.differs(&open.hash, open.batch.rows);
        }
        let known = [&self.applied, &self.applied_then].into_iter().flatten().find(|applied| applied.seq == anchor.seq);
        match known {
            Some(applied) => anchor.differs(&applied.intent_hash, applied.rows),
            // Between what was settled then and what is settled now the lane moved on while it was read.
            None if self.applied.as_ref().is_some_and(|applied| anchor.seq < applied.seq) => None,
            None => Some(AHEAD),
        }
    }
}

impl Anchor {
    fn differs(&self, intent_hash: &str, rows: u64) -> Option<&'static str> {
        if self.intent_hash == intent_hash { (self.rows != rows).then_some(COUNT) } else { Some(DIFFERENT) }
    }
}

fn key(batch: &Batch) -> (String, String) {
    (batch.source.clone(), batch.lane.clone())
}

#[cfg(test)]
mod tests;
