//! `ledger certificate`: what was done in a period, as a document to hand over, and what it proves.
//!
//! The ledger is verified first; nothing is issued of one that doesn't verify. `markdown` writes the document for people,
//! `verify` checks one against its own proofs and against the ledger. A new part is a field of [`Certificate`], lines in
//! `markdown`, and, if it claims something, a comparison in `verify`.

pub mod markdown;
pub mod verify;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    digests::{Answer, Asking, Question},
    evidence::{self, VerifyReport},
    report::VERSION,
    world::{Error, World},
};
use crate::{
    ledger::{Batch, Entry, Event},
    state::State,
};

/// What stands in `document`.
const DOCUMENT: &str = "retentiond certificate";

/// Entries read at once.
const PAGE: u32 = 1_000;

/// What a certificate is to be about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// Only these rules; none named: all.
    pub rules: Vec<String>,
    /// From this instant on.
    pub from: Option<Timestamp>,
    /// Before this instant.
    pub to: Option<Timestamp>,
    pub question: Option<Question>,
}

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    pub version: u32,
    pub document: String,
    pub issued_at: Timestamp,
    pub scope: Scope,
    pub ledger: Chain,
    /// What rules did, by rule, table and action.
    pub done: Vec<Done>,
    /// Holds that stood at some time of the period.
    pub holds: Vec<Stood>,
    pub answer: Option<Answer>,
    pub not_proved: Vec<String>,
}

/// The ledger that was verified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chain {
    pub state_id: Option<String>,
    /// Entries, from the first.
    pub entries: u64,
    /// Hash of the last of them.
    pub head: String,
    /// Sources whose marks agree with it.
    pub anchored: Vec<String>,
    /// Sources that could not be asked.
    pub not_anchored: Vec<String>,
    /// Batches whose outcome is not known yet.
    pub open: u64,
}

/// What a rule did to a table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Done {
    pub rule: String,
    pub source: String,
    pub table: String,
    pub action: String,
    /// The document that the rule comes from, as the configuration says it now.
    pub policy: Option<String>,
    /// Digests of the rule's text with what it met, as it was when it acted.
    pub rule_digests: BTreeSet<String>,
    /// Levels of evidence.
    pub evidence: BTreeSet<String>,
    pub sweeps: BTreeSet<String>,
    pub batches: u64,
    pub rows: u64,
    pub dragged: u64,
    /// Rows of which a copy was made in an archive.
    pub archived: u64,
    pub first_at: Timestamp,
    pub last_at: Timestamp,
    /// The latest cut-off.
    pub cutoff: Option<Timestamp>,
}

/// A hold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stood {
    pub hold: String,
    pub placed_at: Timestamp,
    pub released_at: Option<Timestamp>,
    pub subjects: u64,
    pub scope: Value,
}

/// What came of asking for one.
pub enum Issued {
    Certificate(Box<Certificate>),
    /// The ledger does not verify.
    Refused(Box<VerifyReport>),
}

/// Verifies the ledger and says what it holds of the scope.
///
/// # Errors
/// [`Error::Asked`] for rules that neither are nor were; the state's.
pub async fn issue(world: &World, scope: Scope) -> Result<Issued, Error> {
    let report = evidence::verify(world).await?;
    if !report.sound {
        return Ok(Issued::Refused(Box::new(report)));
    }
    let (through, head) = report.verification.head.clone().unwrap_or_default();
    let state = world.state().await?;
    let found = collect(world, &state, &scope, through).await;
    state.close().await;
    let (mut done, holds, answer) = found?;
    for name in &scope.rules {
        if !world.rules.iter().any(|rule| rule.id.as_str() == name) && !done.iter().any(|done| done.rule == *name) {
            world.chosen(std::slice::from_ref(name))?;
        }
    }
    for one in &mut done {
        one.policy = policy(world, &one.rule);
    }
    let ledger = Chain {
        state_id: report.verification.state_id.clone(),
        entries: through,
        head,
        anchored: report.anchored.clone(),
        not_anchored: report.not_anchored.clone(),
        open: report.verification.open.len() as u64,
    };
    let not_proved = not_proved(&ledger, &done, scope.question.as_ref().zip(answer.as_ref()));
    let (version, document, issued_at) = (VERSION, DOCUMENT.to_owned(), world.now());
    Ok(Issued::Certificate(Box::new(Certificate { version, document, issued_at, scope, ledger, done, holds, answer, not_proved })))
}

/// The document that a rule comes from.
fn policy(world: &World, rule: &str) -> Option<String> {
    let (id, _) = rule.split_once('/')?;
    let policy = world.policies.iter().find(|policy| policy.id == id)?;
    let parts: Vec<&str> = [&policy.title, &policy.reference].into_iter().flatten().map(String::as_str).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

type Found = (Vec<Done>, Vec<Stood>, Option<Answer>);

/// What the entries up to one say of the scope.
async fn collect(world: &World, state: &State, scope: &Scope, through: u64) -> Result<Found, Error> {
    let mut collected = Collected::default();
    let mut asking = scope.question.as_ref().map(|question| Asking::new(question, &world.config.keys));
    let mut after = 0;
    while after < through {
        let page = state.entries(after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        for entry in page.iter().filter(|entry| entry.seq <= through) {
            collected.entry(scope, entry);
            if let (Event::BatchApplied(batch), Some(asking)) = (&entry.event, &mut asking)
                && scope.takes(entry, batch)
            {
                asking.ask(state, entry, batch).await?;
            }
        }
    }
    Ok((collected.done.into_values().collect(), collected.holds, asking.map(Asking::answer)))
}

impl Scope {
    fn takes(&self, entry: &Entry, batch: &Batch) -> bool {
        (self.rules.is_empty() || self.rules.contains(&batch.rule))
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
    }
}

#[derive(Default)]
struct Collected {
    done: BTreeMap<(String, String, String, String), Done>,
    holds: Vec<Stood>,
}

impl Collected {
    fn entry(&mut self, scope: &Scope, entry: &Entry) {
        match &entry.event {
            Event::BatchApplied(batch) if scope.takes(entry, batch) => self.batch(entry, batch),
            Event::HoldPlaced { hold, subjects, scope: reach, .. } if scope.to.is_none_or(|to| entry.at < to) => {
                let (hold, scope) = (hold.clone(), reach.clone());
                self.holds.push(Stood { hold, placed_at: entry.at, released_at: None, subjects: *subjects, scope });
            }
            Event::HoldReleased { hold, .. } => {
                if scope.from.is_some_and(|from| entry.at < from) {
                    self.holds.retain(|stood| stood.hold != *hold);
                }
                for stood in self.holds.iter_mut().filter(|stood| stood.hold == *hold) {
                    stood.released_at = Some(entry.at);
                }
            }
            _ => {}
        }
    }

    fn batch(&mut self, entry: &Entry, batch: &Batch) {
        let key = (batch.rule.clone(), batch.source.clone(), batch.table.clone(), batch.action.clone());
        let done = self.done.entry(key).or_insert_with(|| Done {
            rule: batch.rule.clone(),
            source: batch.source.clone(),
            table: batch.table.clone(),
            action: batch.action.clone(),
            policy: None,
            rule_digests: BTreeSet::new(),
            evidence: BTreeSet::new(),
            sweeps: BTreeSet::new(),
            batches: 0,
            rows: 0,
            dragged: 0,
            archived: 0,
            first_at: entry.at,
            last_at: entry.at,
            cutoff: None,
        });
        done.rule_digests.extend(Some(batch.rule_digest.clone()).filter(|digest| !digest.is_empty()));
        done.evidence.insert(batch.evidence.as_ref().map_or_else(|| "batch".to_owned(), |digested| digested.level.clone()));
        done.sweeps.insert(batch.sweep.clone());
        done.batches += 1;
        done.rows += batch.rows;
        done.dragged += batch.dragged;
        done.archived += if batch.archive.is_some() && batch.action != crate::ledger::RESTORE { batch.rows } else { 0 };
        done.last_at = entry.at;
        done.cutoff = done.cutoff.max(batch.cutoff);
    }
}

/// What a reader might take for proved, and is not.
fn not_proved(ledger: &Chain, done: &[Done], asked: Option<(&Question, &Answer)>) -> Vec<String> {
    let mut not = Vec::new();
    let counted = done.iter().filter(|done| done.evidence.contains("batch")).count();
    if counted > 0 {
        not.push("Of batches at `evidence = \"batch\"` it is proved how many rows they took, and not which.".to_owned());
    }
    if done.iter().any(|done| done.dragged > 0) {
        not.push("Rows of other tables that went along are counted; no digests are made of them.".to_owned());
    }
    if done.iter().any(|done| done.archived > 0) {
        not.push("Rows that were copied to an archive are there until the copy itself ends.".to_owned());
    }
    if done.iter().any(|done| done.action == crate::ledger::RESTORE) {
        not.push("Rows were put back from an archive in this period: a row that went may be there again.".to_owned());
    }
    if let Some((question, answer)) = asked {
        let what = match question {
            Question::Row { .. } => "row",
            Question::Subject { .. } => "subject",
        };
        not.push(format!(
            "A digest tells that a batch took a {what} that is written as it was asked for; in another spelling it has another digest."
        ));
        not.push(format!("That no batch took a {what} says nothing of whether it ever was there, or is still."));
        if !answer.not_asked.is_empty() {
            not.push(format!(
                "{} batches of this scope could not be asked, and may have taken it.",
                answer.not_asked.values().sum::<u64>()
            ));
        }
    }
    if !ledger.not_anchored.is_empty() {
        not.push("The end of the ledger was not compared with every source: what was cut off there would not show.".to_owned());
    }
    if ledger.open > 0 {
        not.push(format!("The outcome of {} batches is not known yet; they are not counted.", ledger.open));
    }
    not.extend(
        [
            "Copies that retentiond does not know (backups, replicas' logs, exports, other systems) are not covered.",
            "A database may keep remains of deleted or changed rows in its files until it uses their room again.",
            "The same values may have been written again after a batch took them.",
            "Times are those of the machine's clock. Who can write both to the state and to every source could write both anew.",
        ]
        .map(str::to_owned),
    );
    not
}
