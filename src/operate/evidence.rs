//! The ledger as evidence: verify it, show it, export it.

use std::{collections::BTreeMap, io::BufRead, path::Path};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    report::VERSION,
    world::{Error, World},
};
use crate::{
    ledger::{
        Entry, Event,
        verify::{Anchor, Verification, Verifier},
    },
    state::State,
};

/// Entries read at once.
const PAGE: u32 = 1_000;

/// What a verification found.
#[derive(Debug, Clone, Serialize)]
pub struct VerifyReport {
    pub version: u32,
    pub sound: bool,
    #[serde(flatten)]
    pub verification: Verification,
    /// Sources whose lanes were compared with the ledger.
    pub anchored: Vec<String>,
    /// Sources that could not be asked: a ledger cut off at its end would not show there.
    pub not_anchored: Vec<String>,
}

/// Verifies the ledger in the state against itself and against the lanes in every source.
///
/// # Errors
/// The state's.
pub async fn verify(world: &World) -> Result<VerifyReport, Error> {
    let state = world.state().await?;
    // The order matters while sweeps run: the head, then the anchors, then the entries to their end.
    let (head, _) = state.head().await?;
    let mut anchors = BTreeMap::new();
    let mut not_anchored = Vec::new();
    for record in state.sources().await? {
        match lanes(world, &record.name).await {
            Ok(lanes) => drop(anchors.insert(record.name, lanes)),
            Err(error) => not_anchored.push(format!("{}: {error}", record.name)),
        }
    }
    let mut verifier = Verifier::settled_through(head);
    let mut after = 0;
    loop {
        let page = state.stored_entries(after, PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = *last;
        for (_, entry) in page {
            if let Ok(entry) = &entry
                && let Event::BatchApplied(batch) = &entry.event
                && batch.evidence.is_some()
            {
                verifier.check_leaves(entry, batch, &state.leaves(batch).await?);
            }
            verifier.push(entry);
        }
    }
    for (source, lanes) in &anchors {
        verifier.check_anchors(source, lanes);
    }
    state.close().await;
    Ok(report(verifier.finish(), anchors.into_keys().collect(), not_anchored))
}

/// Verifies an export alone: the chain, but not what was cut off at its end; and the digests, where they are beside it.
///
/// # Errors
/// [`Error::Io`] if a file can't be read.
pub fn verify_export(path: &Path, leaves: Option<&Path>) -> Result<VerifyReport, Error> {
    let lines = |path: &Path| Ok::<_, Error>(std::io::BufReader::new(std::fs::File::open(path)?).lines());
    let mut beside = leaves.map(lines).transpose()?;
    let mut verifier = Verifier::default();
    for line in lines(path)? {
        let entry = Entry::from_line(&line?);
        if let (Ok(entry), Some(beside)) = (&entry, &mut beside)
            && let Event::BatchApplied(batch) = &entry.event
            && batch.evidence.is_some()
        {
            let beside: serde_json::Value = match beside.next() {
                Some(line) => serde_json::from_str(&line?).unwrap_or_default(),
                None => serde_json::Value::Null,
            };
            let is_its = beside["seq"] == entry.seq;
            let text = |leaf: &serde_json::Value| leaf.as_str().unwrap_or_default().to_owned();
            let leaves: Vec<String> = beside["leaves"].as_array().filter(|_| is_its).into_iter().flatten().map(text).collect();
            verifier.check_leaves(entry, batch, &leaves);
        }
        verifier.push(entry);
    }
    Ok(report(verifier.finish(), Vec::new(), Vec::new()))
}

fn report(verification: Verification, anchored: Vec<String>, not_anchored: Vec<String>) -> VerifyReport {
    VerifyReport { version: VERSION, sound: verification.is_sound(), verification, anchored, not_anchored }
}

async fn lanes(world: &World, source: &str) -> Result<Vec<Anchor>, Error> {
    let target = world.connect(source).await?;
    let lanes = target.engine.lanes().await;
    target.engine.close().await;
    let anchor =
        |(lane, mark): (String, crate::engine::LaneMark)| Anchor { lane, seq: mark.seq, rows: mark.rows, intent_hash: mark.intent_hash };
    Ok(lanes?.into_iter().map(anchor).collect())
}

/// Which entries to show.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub rule: Option<String>,
    pub kind: Option<String>,
    /// Only the last so many that match.
    pub last: Option<usize>,
}

/// The entries that match, in order.
///
/// # Errors
/// The state's.
pub async fn show(world: &World, filter: &Filter) -> Result<Vec<Entry>, Error> {
    let mut shown = std::collections::VecDeque::new();
    each(world, |entry| {
        let line = entry.object();
        let is =
            |key: &str, wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| line.get(key).is_some_and(|value| value == wanted));
        if is("rule", &filter.rule) && is("kind", &filter.kind) {
            shown.push_back(entry);
            if filter.last.is_some_and(|last| shown.len() > last) {
                shown.pop_front();
            }
        }
        Ok(())
    })
    .await?;
    Ok(shown.into())
}

/// The end of the ledger: what the whole of it hangs on.
#[derive(Debug, Clone, Serialize, JsonSchema, Deserialize)]
pub struct HeadReport {
    pub version: u32,
    /// 0 where there is no entry yet.
    pub seq: u64,
    pub hash: String,
}

/// The end of the ledger.
///
/// # Errors
/// The state's.
pub async fn head(world: &World) -> Result<HeadReport, Error> {
    let state = world.state().await?;
    let (seq, hash) = state.head().await?;
    state.close().await;
    Ok(HeadReport { version: VERSION, seq, hash })
}

/// Entries in order, a page of them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PageReport {
    pub version: u32,
    pub entries: Vec<Entry>,
    /// What to ask for next; `None`: this was the end.
    pub next_after: Option<u64>,
}

/// The entries after that one, at most a thousand.
///
/// # Errors
/// The state's.
pub async fn page(world: &World, after: u64, limit: u32) -> Result<PageReport, Error> {
    let state = world.state().await?;
    let entries = state.entries(after, limit.min(PAGE)).await?;
    let (head, _) = state.head().await?;
    state.close().await;
    let next_after = entries.last().map(|last| last.seq).filter(|last| *last < head);
    Ok(PageReport { version: VERSION, entries, next_after })
}

/// Hands every entry, in order, to `take`; memory does not grow with the ledger.
///
/// # Errors
/// The state's, or what `take` returns.
pub async fn each(world: &World, mut take: impl FnMut(Entry) -> Result<(), Error>) -> Result<(), Error> {
    let state = world.state().await?;
    each_page(&state, async |page| page.into_iter().try_for_each(&mut take)).await?;
    state.close().await;
    Ok(())
}

/// Hands every page of the ledger, in order, to `take`.
async fn each_page(state: &State, mut take: impl AsyncFnMut(Vec<Entry>) -> Result<(), Error>) -> Result<(), Error> {
    let mut after = 0;
    loop {
        let page = state.entries(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.seq;
        take(page).await?;
    }
}

/// Hands every batch that has digests, in order, to `take`, as an object that names the batch.
///
/// # Errors
/// The state's, or what `take` returns.
pub async fn each_digested(world: &World, mut take: impl FnMut(serde_json::Value) -> Result<(), Error>) -> Result<(), Error> {
    let state = world.state().await?;
    each_page(&state, async |page| {
        for entry in page {
            if let Event::BatchApplied(batch) = &entry.event
                && batch.evidence.is_some()
            {
                take(serde_json::json!({ "seq": entry.seq, "leaves": state.leaves(batch).await? }))?;
            }
        }
        Ok(())
    })
    .await?;
    state.close().await;
    Ok(())
}
