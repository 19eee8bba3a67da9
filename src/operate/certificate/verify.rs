//! Checks a certificate: its proofs against themselves, and all it says against the ledger that it is of, where that is at
//! hand.

use serde::Serialize;

use super::{Certificate, DOCUMENT, collect};
use crate::{
    clock::hex,
    ledger::{
        Entry, Event, chain,
        digest::{Digester, from_hex},
        merkle::{self, Hash},
    },
    operate::{
        digests::{Proof, Question},
        evidence,
        report::VERSION,
        world::{Error, World},
    },
    policy::evidence::KEY,
};

/// What a check of a certificate found.
#[derive(Debug, Clone, Serialize)]
pub struct Checked {
    pub version: u32,
    pub sound: bool,
    /// Proofs that were computed again.
    pub proofs: u64,
    /// Everything else it says was compared with the ledger.
    pub compared: bool,
    /// Why not.
    pub not_compared: Option<String>,
    pub problems: Vec<String>,
}

/// Checks a certificate that was issued as JSON.
///
/// # Errors
/// [`Error::Asked`] for a text that is none; the state's.
pub async fn verify(world: &World, text: &str) -> Result<Checked, Error> {
    let certificate: Certificate =
        serde_json::from_str(text).map_err(|error| Error::Asked(format!("that is no certificate issued with `--output json`: {error}")))?;
    if certificate.document != DOCUMENT || certificate.version != VERSION {
        return Err(Error::Asked("that is no certificate that this version can check".to_owned()));
    }
    let mut problems = Vec::new();
    let asked = certificate.scope.question.as_ref().zip(certificate.answer.as_ref());
    if super::not_proved(&certificate.ledger, &certificate.done, asked) != certificate.not_proved {
        problems.push("what it says that it does not prove was changed".to_owned());
    }
    let proofs = certificate.answer.iter().flat_map(|answer| &answer.took);
    let digester = world.config.keys.get(KEY).map(Digester::new);
    for proof in proofs.clone() {
        if let Err(why) = check(proof, certificate.scope.question.as_ref(), digester.as_ref()) {
            problems.push(format!("the proof of entry {}: {why}", proof.entry["seq"]));
        }
    }
    let not_compared = compare(world, &certificate, &mut problems).await?;
    Ok(Checked {
        version: VERSION,
        sound: problems.is_empty(),
        proofs: proofs.count() as u64,
        compared: not_compared.is_none(),
        not_compared,
        problems,
    })
}

/// That the entry has its hash, and the digest its place under the entry's root.
fn check(proof: &Proof, question: Option<&Question>, digester: Option<&Digester>) -> Result<(), String> {
    let entry = Entry::from_line(&proof.entry.to_string()).map_err(|error| format!("its entry can't be read: {error}"))?;
    if chain::hash(&entry.prev, &entry.canonical()) != entry.hash {
        return Err("its entry was changed: it doesn't have its hash".to_owned());
    }
    let Event::BatchApplied(batch) = &entry.event else { return Err("its entry is no outcome of a batch".to_owned()) };
    let digested = batch.evidence.as_ref().ok_or("its entry has no digests")?;
    let digest = from_hex(&proof.digest).ok_or("its digest is none")?;
    let path = proof.path.iter().map(|hash| from_hex(hash)).collect::<Option<Vec<Hash>>>().ok_or("a hash beside its way is none")?;
    let (place, leaves) = (usize::try_from(proof.position), usize::try_from(digested.leaves));
    let root = place.ok().zip(leaves.ok()).and_then(|(place, leaves)| merkle::root_of_path(&digest, place, leaves, &path));
    if root.is_none_or(|root| hex(&root) != digested.root) {
        return Err("it doesn't lead to the root that its entry says".to_owned());
    }
    let same_key = digester.filter(|digester| digester.fingerprint() == digested.key);
    match (question, same_key) {
        (None, _) => Err("nothing was asked".to_owned()),
        (Some(question), Some(digester)) if question.digest(batch, Some(digester)) != Some(Ok(digest)) => {
            Err("its digest is not that of what was asked".to_owned())
        }
        _ => Ok(()),
    }
}

/// Compares everything with the ledger; returns why it could not be.
async fn compare(world: &World, certificate: &Certificate, problems: &mut Vec<String>) -> Result<Option<String>, Error> {
    let Some(state) = world.existing_state().await? else { return Ok(Some("there is no state here".to_owned())) };
    if certificate.ledger.state_id.as_deref() != Some(state.id()) {
        state.close().await;
        return Ok(Some("it is of another ledger than the one here".to_owned()));
    }
    let through = certificate.ledger.entries;
    let head = state.entries(through.saturating_sub(1), 1).await?;
    let found = collect(world, &state, &certificate.scope, through).await;
    state.close().await;
    let (done, holds, answer) = found?;
    if head.first().is_none_or(|entry| entry.seq != through || entry.hash != certificate.ledger.head) {
        problems.push(format!("entry {through} of the ledger has another hash than it says"));
    }
    // The document that a rule comes from is not the ledger's to say.
    let said = certificate.done.iter().map(|done| super::Done { policy: None, ..done.clone() });
    if !said.eq(done) {
        problems.push("the ledger says something else of what was done".to_owned());
    }
    if certificate.holds != holds {
        problems.push("the ledger says something else of the holds that stood".to_owned());
    }
    // What could be asked then may not be any more, under another key.
    let took = |answer: &Option<crate::operate::digests::Answer>| answer.as_ref().map(|answer| answer.took.clone());
    let is_same_key = answer.as_ref().zip(certificate.answer.as_ref()).is_none_or(|(now, then)| now.asked == then.asked);
    if is_same_key && took(&answer) != took(&certificate.answer) {
        problems.push("the ledger says something else of which batches took it".to_owned());
    }
    if !evidence::verify(world).await?.sound {
        problems.push("the ledger does not verify any more".to_owned());
    }
    Ok(None)
}
