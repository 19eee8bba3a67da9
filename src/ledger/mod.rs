//! The evidence: entries, their chain, and its verification. Pure: entries come from an iterator, and go to one.
//!
//! An entry's hash covers its predecessor's hash and its own canonical text, so a changed, removed or reordered entry
//! shows. What a truncated chain would hide shows at the anchors: the lanes in the sources carry the hash of their last
//! intent. Names and reasons of people enter the chain as salted commitments with their text beside it, so that the
//! text can be erased and the chain still verifies. No value of a row enters it.
//!
//! A new kind of entry is a variant of [`Event`].

pub mod chain;
pub mod verify;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One entry, as it is exported: a line of JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    pub seq: u64,
    pub at: Timestamp,
    #[serde(flatten)]
    pub event: Event,
    pub prev: String,
    pub hash: String,
    /// Texts that the chain commits to but does not contain; erasable.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub texts: Vec<CommittedText>,
}

/// A text beside the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommittedText {
    /// The field of the entry that commits to it: `by`, `reason` or `matter`.
    pub field: String,
    pub salt: String,
    /// `None` once it was erased.
    pub text: Option<String>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The first entry: whose ledger this is.
    Genesis { state_id: String },
    BatchIntent(Batch),
    /// The batch committed with exactly `batch.rows`.
    BatchApplied(Batch),
    /// The batch never committed, and now can't.
    BatchAbandoned { #[serde(flatten)] batch: Batch, reason: String },
    SweepStarted { sweep: String, rule: String, source: String, table: String, action: String, cutoff: Option<Timestamp>, rule_digest: String },
    SweepEnded { sweep: String, rule: String, source: String, table: String, action: String, rows: u64, dragged: u64, batches: u64, outcome: String, reason: Option<String> },
    HoldPlaced { hold: String, matter: String, subjects: u64, subjects_digest: String, scope: crate::hold::HoldScope, by: String, reason: String },
    HoldReleased { hold: String, by: String, reason: String },
    /// A person let a waiting rule go, for this digest and up to this many rows.
    Approved { rule: String, digest: String, max_rows: Option<u64>, by: String },
    /// Something about the installation changed: a source was initialised, a state adopted, a protection narrowed.
    Configuration { what: String, source: Option<String>, by: String, reason: String },
    /// A point from which a verification may start.
    Checkpoint { entries: u64 },
}

/// A batch, in its intent and in its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    pub sweep: String,
    pub rule: String,
    pub source: String,
    pub table: String,
    pub action: String,
    /// Rows of the rule's own table.
    pub rows: u64,
    /// Rows of dependents.
    pub dragged: u64,
    pub lane: String,
    pub lane_seq: u64,
    pub fence: u64,
    /// The gate's epoch that the batch saw.
    pub epoch: u64,
    pub cutoff: Option<Timestamp>,
    pub rule_digest: String,
    pub statement_digest: String,
}
