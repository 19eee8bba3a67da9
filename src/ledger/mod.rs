//! The evidence: entries, their chain, and its verification. Pure: entries come from an iterator, and go to one.
//!
//! An entry's hash covers its predecessor's hash and its own canonical text, so a changed, removed or reordered entry
//! shows. What a truncated chain would hide shows at the anchors: the lanes in the sources carry the hash of their last
//! intent. Names and reasons of people enter the chain as salted commitments ([`Texts`]) with their text beside it, so
//! that the text can be erased and the chain still verifies. No value of a row enters it.
//!
//! [`digest`] and [`merkle`] are what a batch may keep of its rows beside their number.
//!
//! A new kind of entry is a variant of [`Event`]; a new field of an old kind is optional and left out where absent, or
//! the entries of yesterday would no longer hash to what they did.

pub mod chain;
pub mod digest;
pub mod merkle;
pub mod verify;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::clock::{Randomness, hex, random_hex};

/// One entry. [`chain`] gives its line of JSON, and its canonical text.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// 1 for the first, without gaps.
    pub seq: u64,
    /// When it was written, by the writer's clock.
    pub at: Timestamp,
    pub event: Event,
    /// Hash of the entry before, [`chain::BEGINNING`] for the first.
    pub prev: String,
    pub hash: String,
    /// Texts that the chain commits to but does not contain; erasable.
    pub texts: Vec<CommittedText>,
}

impl Entry {
    /// The text that a field commits to; `None`: there is none, or it was erased.
    pub fn text(&self, field: &str) -> Option<&str> {
        self.texts.iter().find(|text| text.field == field)?.text.as_deref()
    }
}

/// What an entry says instead of a text: SHA-256 of a salt and the text, in lower-case hex.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Commitment(String);

impl Commitment {
    /// The commitment to `text` under `salt`. The salt keeps short texts (a name) from being guessed.
    pub fn to(salt: &str, text: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in ["retentiond commitment 1", salt, text] {
            hasher.update((part.len() as u64).to_be_bytes());
            hasher.update(part.as_bytes());
        }
        Self(hex(&hasher.finalize()))
    }
}

/// A text beside the chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CommittedText {
    /// The field of the entry that commits to it: `by`, `reason` or `matter`.
    pub field: String,
    pub salt: String,
    /// `None` once it was erased.
    pub text: Option<String>,
}

/// Makes the commitments of one entry, and keeps the texts that go beside it.
pub struct Texts<'a> {
    randomness: &'a dyn Randomness,
    texts: Vec<CommittedText>,
}

impl<'a> Texts<'a> {
    /// No texts yet; salts come from `randomness`.
    pub fn new(randomness: &'a dyn Randomness) -> Self {
        Self { randomness, texts: Vec::new() }
    }

    /// Commits to `text`. `field` is the name of the field that gets the commitment.
    pub fn commit(&mut self, field: &str, text: &str) -> Commitment {
        let salt = random_hex::<16>(self.randomness);
        let commitment = Commitment::to(&salt, text);
        self.texts.push(CommittedText { field: field.to_owned(), salt, text: Some(text.to_owned()) });
        commitment
    }

    /// The texts of the entry.
    pub fn into_texts(self) -> Vec<CommittedText> {
        self.texts
    }
}

/// The `what` of a configuration by which a source was adopted: what its lanes said before no longer counts.
pub const SOURCE_ADOPTED: &str = "source_adopted";

/// The reason of a batch of which nobody learnt whether it committed, because its source was adopted meanwhile.
pub const ADOPTED_MEANWHILE: &str = "the source was adopted before it could be asked";

/// The `what` of a configuration by which a changed rule with `first_sweep = "auto"` went on without a person.
pub const RULE_CHANGED: &str = "rule_changed";

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The first entry: whose ledger this is.
    Genesis { state_id: String },
    /// A batch is about to run in its lane.
    BatchIntent(Batch),
    /// The batch committed with exactly `batch.rows`.
    BatchApplied(Batch),
    /// The batch never committed, and now can't.
    BatchAbandoned {
        #[serde(flatten)]
        batch: Batch,
        reason: String,
    },
    SweepStarted {
        sweep: String,
        rule: String,
        source: String,
        table: String,
        action: String,
        cutoff: Option<Timestamp>,
        rule_digest: String,
    },
    SweepEnded {
        sweep: String,
        rule: String,
        source: String,
        table: String,
        action: String,
        rows: u64,
        dragged: u64,
        batches: u64,
        outcome: String,
        reason: Option<String>,
    },
    HoldPlaced {
        hold: String,
        matter: Commitment,
        subjects: u64,
        /// Over every subject in order, with a salt that the state keeps beside the hold.
        subjects_digest: Commitment,
        /// The scope as `hold list` shows it.
        scope: serde_json::Value,
        by: Commitment,
        reason: Commitment,
    },
    HoldReleased {
        hold: String,
        /// When its rows may go at the earliest.
        lapses_at: Timestamp,
        by: Commitment,
        reason: Commitment,
    },
    /// A person let a waiting rule go, for this digest and up to this many rows.
    Approved {
        rule: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        /// Over everything that was approved: the rule with its competitors and its table, guard, cut-off and rows.
        digest: String,
        max_rows: Option<u64>,
        /// What the rule waited for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guard: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cutoff: Option<Timestamp>,
        /// The part of the digest that later sweeps are compared with, as their batches name it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule_digest: Option<String>,
        by: Commitment,
    },
    /// A person stopped a rule, or every rule of a source, or with neither named all of them.
    Paused { rule: Option<String>, source: Option<String>, by: Commitment, reason: Commitment },
    /// A person let go on what was paused.
    Resumed { rule: Option<String>, source: Option<String>, by: Commitment, reason: Commitment },
    /// Something about the installation changed: a source was initialised, a state adopted, a rule changed that waits for
    /// nobody.
    Configuration {
        what: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rule: Option<String>,
        source: Option<String>,
        by: Commitment,
        reason: Commitment,
    },
    /// A copy in an archive came to its own end, and was removed.
    ArchiveEnded { rule: String, source: String, table: String, rows: u64, archive: Archived, archived_at: Timestamp, ends_at: Timestamp },
    /// A person asks for the rows of a copy back. What came of it says the batch after it whose action is `restore`, if
    /// they went into their table.
    ArchiveRestored {
        rule: String,
        source: String,
        table: String,
        rows: u64,
        archive: Archived,
        /// `table`, or `file`.
        into: String,
        by: Commitment,
        reason: Commitment,
    },
    /// What rows that went had left behind was treated in these tables, as far as `reached`; `since` then it was owed.
    ResidueTreated {
        rule: String,
        source: String,
        action: String,
        /// `compacted` or `rewritten`.
        reached: String,
        tables: Vec<LedgerTable>,
        since: Timestamp,
        /// The other rules that it served: they had asked for no more in the same tables.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        also: Vec<String>,
    },
    /// A point from which a verification may start.
    Checkpoint { entries: u64 },
}

impl Event {
    /// The word in `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => "genesis",
            Self::BatchIntent(_) => "batch_intent",
            Self::BatchApplied(_) => "batch_applied",
            Self::BatchAbandoned { .. } => "batch_abandoned",
            Self::SweepStarted { .. } => "sweep_started",
            Self::SweepEnded { .. } => "sweep_ended",
            Self::HoldPlaced { .. } => "hold_placed",
            Self::HoldReleased { .. } => "hold_released",
            Self::Approved { .. } => "approved",
            Self::Paused { .. } => "paused",
            Self::Resumed { .. } => "resumed",
            Self::Configuration { .. } => "configuration",
            Self::ArchiveEnded { .. } => "archive_ended",
            Self::ArchiveRestored { .. } => "archive_restored",
            Self::ResidueTreated { .. } => "residue_treated",
            Self::Checkpoint { .. } => "checkpoint",
        }
    }

    /// The rule and the source that it is about, where it is about one.
    pub fn rule_and_source(&self) -> (Option<&str>, Option<&str>) {
        match self {
            Self::BatchIntent(batch) | Self::BatchApplied(batch) | Self::BatchAbandoned { batch, .. } => {
                (Some(&batch.rule), Some(&batch.source))
            }
            Self::SweepStarted { rule, source, .. }
            | Self::SweepEnded { rule, source, .. }
            | Self::ArchiveEnded { rule, source, .. }
            | Self::ResidueTreated { rule, source, .. }
            | Self::ArchiveRestored { rule, source, .. } => (Some(rule), Some(source)),
            Self::Approved { rule, source, .. } => (Some(rule), source.as_deref()),
            Self::Paused { rule, source, .. } | Self::Resumed { rule, source, .. } | Self::Configuration { rule, source, .. } => {
                (rule.as_deref(), source.as_deref())
            }
            Self::Genesis { .. } | Self::HoldPlaced { .. } | Self::HoldReleased { .. } | Self::Checkpoint { .. } => (None, None),
        }
    }

    /// The fields whose texts stand beside the entry, in the order in which they stand there.
    pub fn commitments(&self) -> Vec<(&'static str, &Commitment)> {
        match self {
            Self::HoldPlaced { matter, by, reason, .. } => vec![("matter", matter), ("by", by), ("reason", reason)],
            Self::HoldReleased { by, reason, .. }
            | Self::Paused { by, reason, .. }
            | Self::Resumed { by, reason, .. }
            | Self::ArchiveRestored { by, reason, .. }
            | Self::Configuration { by, reason, .. } => vec![("by", by), ("reason", reason)],
            Self::Approved { by, .. } => vec![("by", by)],
            Self::Genesis { .. }
            | Self::BatchIntent(_)
            | Self::BatchApplied(_)
            | Self::BatchAbandoned { .. }
            | Self::SweepStarted { .. }
            | Self::SweepEnded { .. }
            | Self::ArchiveEnded { .. }
            | Self::ResidueTreated { .. }
            | Self::Checkpoint { .. } => Vec::new(),
        }
    }
}

/// A batch, in its intent and in its outcome.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Batch {
    pub sweep: String,
    pub rule: String,
    pub source: String,
    pub table: String,
    pub action: String,
    /// Rows of the rule's own table: an intent is written once the statement has run, before its COMMIT.
    pub rows: u64,
    /// Rows of dependents.
    pub dragged: u64,
    pub lane: String,
    /// 1 for the lane's first batch, one more for each intent, whatever became of the one before.
    pub lane_seq: u64,
    pub fence: u64,
    /// The gate's epoch that the batch saw.
    pub epoch: u64,
    pub cutoff: Option<Timestamp>,
    pub rule_digest: String,
    pub statement_digest: String,
    /// The partition that was dropped with its rows; absent: the rows went one by one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// Of a rule that leaves opt-outs behind: the rows that had no address. Those of all others are where they belong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_address: Option<u64>,
    /// The copy of the rows; absent: none was made. Of a batch that put rows back: where they came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<Archived>,
    /// What was asked for the bytes that the rows left behind; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub residue: Option<AskedResidue>,
    /// Keyed digests of what it took; absent: it only counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<digest::Digested>,
}

/// What a rule asked for the bytes of rows that it took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AskedResidue {
    /// `logical`, `compacted` or `rewritten`.
    pub level: String,
    /// The rule's own table, and those of its dependents.
    pub tables: Vec<LedgerTable>,
}

/// A table with its schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LedgerTable {
    pub schema: String,
    pub table: String,
}

/// A copy in an archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Archived {
    /// The archive's address.
    pub to: String,
    /// The copy's name there.
    pub object: String,
    /// Of the file of rows.
    pub sha256: String,
}

/// The `action` of a batch that puts rows back.
pub const RESTORE: &str = "restore";
