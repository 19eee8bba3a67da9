//! Asks the ledger of a row or a subject by the digests of its batches: which of them took it, with the proof.
//!
//! A batch can be asked if it made digests of that kind, of those columns, and with the key that is configured now.
//! All others are counted, with the reason, so that silence is never taken for an answer.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::world::Error;
use crate::{
    clock::hex,
    ledger::{
        Batch, Entry,
        digest::{Digested, Digester, Place, from_hex},
        merkle::{self, Hash},
    },
    policy::evidence::KEY,
    secret::Keys,
    state::{LeafPlace, State},
};

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    Row {
        source: String,
        table: String,
        /// Columns and values.
        key: Vec<(String, String)>,
    },
    Subject {
        kind: String,
        value: String,
    },
}

/// What the batches say.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Batches that could be asked, those that took it among them.
    pub asked: u64,
    pub took: Vec<Proof>,
    /// Batches that could not be asked, by the reason.
    pub not_asked: BTreeMap<String, u64>,
}

/// That a batch took it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The outcome of the batch, as a line of an export is.
    pub entry: Value,
    pub digest: String,
    /// The place of the digest among those of the batch, from 0.
    pub position: u64,
    /// The hashes beside the way from the digest to the root, from below.
    pub path: Vec<String>,
}

impl Question {
    /// The digest that a batch would have of it, or why it can't be asked; `None`: the batch is about something else.
    pub fn digest(&self, batch: &Batch, digester: Option<&Digester>) -> Option<Result<Hash, String>> {
        if let Self::Row { source, table, .. } = self
            && (batch.source != *source || batch.table != *table)
        {
            return None;
        }
        Some(self.digest_of(batch, digester))
    }

    fn digest_of(&self, batch: &Batch, digester: Option<&Digester>) -> Result<Hash, String> {
        let wanted = match self {
            Self::Row { .. } => "row",
            Self::Subject { .. } => "subject",
        };
        let Some(digested) = batch.evidence.as_ref().filter(|digested| digested.level == wanted) else {
            let level = batch.evidence.as_ref().map_or("batch", |digested| digested.level.as_str());
            return Err(format!("at `evidence = \"{level}\"` the ledger has no digests of {wanted}s"));
        };
        let Some(digester) = digester else { return Err(format!("there is no `[keys.{KEY}]` to ask with")) };
        if digester.fingerprint() != digested.key {
            return Err("its digests were made with another key".to_owned());
        }
        let place = Place { source: &batch.source, schema: &digested.schema, table: &batch.table };
        match self {
            Self::Row { key, .. } => Self::row(digester, digested, place, key),
            Self::Subject { kind, value } => {
                let part = digested.of.iter().find(|part| part.name == *kind);
                let part = part.ok_or_else(|| format!("its rows have no subject of the kind `{kind}`"))?;
                Ok(digester.subject(place, kind, &part.form.text(value)))
            }
        }
    }

    fn row(digester: &Digester, digested: &Digested, place: Place<'_>, key: &[(String, String)]) -> Result<Hash, String> {
        let given: BTreeSet<&str> = key.iter().map(|(name, _)| name.as_str()).collect();
        let named: BTreeSet<&str> = digested.of.iter().map(|part| part.name.as_str()).collect();
        if given != named {
            let names: Vec<&str> = digested.of.iter().map(|part| part.name.as_str()).collect();
            return Err(format!("its rows are named by {}", names.join(" and ")));
        }
        let text =
            |name: &str, form: crate::ledger::digest::Form| key.iter().find(|(given, _)| given == name).map(|(_, value)| form.text(value));
        let texts: Vec<Option<String>> = digested.of.iter().map(|part| text(&part.name, part.form)).collect();
        Ok(digester.row(place, digested.of.iter().zip(&texts).map(|(part, text)| (part.name.as_str(), text.as_deref()))))
    }
}

/// Asks batch after batch.
pub struct Asking<'a> {
    question: &'a Question,
    digester: Option<Digester>,
    found: BTreeMap<Hash, Vec<LeafPlace>>,
    answer: Answer,
}

impl<'a> Asking<'a> {
    /// Asks with the configured key.
    pub fn new(question: &'a Question, keys: &Keys) -> Self {
        Self { question, digester: keys.get(KEY).map(Digester::new), found: BTreeMap::new(), answer: Answer::default() }
    }

    /// Asks the batch of an outcome.
    ///
    /// # Errors
    /// The state's.
    pub async fn ask(&mut self, state: &State, entry: &Entry, batch: &Batch) -> Result<(), Error> {
        if batch.action == crate::ledger::RESTORE {
            return Ok(());
        }
        let digest = match self.question.digest(batch, self.digester.as_ref()) {
            None => return Ok(()),
            Some(Err(why)) => {
                *self.answer.not_asked.entry(why).or_default() += 1;
                return Ok(());
            }
            Some(Ok(digest)) => digest,
        };
        self.answer.asked += 1;
        if let btree_map::Entry::Vacant(vacant) = self.found.entry(digest) {
            vacant.insert(state.batches_with_leaf(&hex(&digest)).await?);
        }
        let is_it = |place: &&LeafPlace| place.source == batch.source && place.lane == batch.lane && place.lane_seq == batch.lane_seq;
        let Some(place) = self.found[&digest].iter().find(is_it) else { return Ok(()) };
        let leaves: Vec<Hash> = state.leaves(batch).await?.iter().filter_map(|leaf| from_hex(leaf)).collect();
        let at = usize::try_from(place.position).unwrap_or(usize::MAX);
        let path = merkle::path(&leaves, at).unwrap_or_default();
        self.answer.took.push(Proof {
            entry: Value::Object(entry.object()),
            digest: hex(&digest),
            position: place.position,
            path: path.iter().map(|hash| hex(hash)).collect(),
        });
        Ok(())
    }

    /// What the batches said.
    pub fn answer(self) -> Answer {
        self.answer
    }
}
