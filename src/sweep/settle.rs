//! Settlement: how law 7 is kept.
//!
//! A worker owns a **lane** and has at most one open intent in it. The batch's last statement before COMMIT marks the
//! lane in the source with the number, the rows and the hash of that intent, guarded by the lane's **fence**; if not
//! exactly one row was there to mark, the batch rolls back.
//!
//! Whoever finds an open intent (after a crash, on takeover, or because COMMIT returned anything but success, which
//! means *unknown* and never *failed*) settles it: on a new connection it raises the lane's fence, reads the mark, and
//! commits; only then it writes the outcome. The raise waits for a transaction that has marked, because both change the
//! same row; a transaction that has not marked yet will find the fence moved and roll back. So after the raise the lane
//! says the final truth: number and hash are the intent's, and the batch committed with exactly the rows it says; or
//! they are not, and it never committed and now can't.
//!
//! **The order of a batch** differs from the plain one in a point that the model `model_settlement` covers: the batch
//! acts first, and only if it changed rows is its intent written, durably, before the lane is marked. A batch that finds
//! nothing leaves no entries. It is as safe, because what must not happen is a COMMIT without a durable intent, and the
//! intent still comes before the mark and the mark before the COMMIT.
//!
//! A lane that is behind the last applied batch of the ledger tells that the source was restored from a backup: nothing
//! acts there until a person has said so.

use super::{
    archiving, lane, lease,
    obstacle::{Obstacle, Reason},
    prepare::Target,
};
use crate::{
    config::Buckets,
    engine::{Engine, LaneMark},
    fault, ledger,
    state::{Claim, Owner, Settled, State},
};

/// What became of an open intent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing was open.
    Clean,
    Applied {
        rows: u64,
    },
    Abandoned,
}

impl Verdict {
    /// What nobody was told of when it was committed.
    pub fn recovered(&self, lane: &str) -> Option<Recovered> {
        match self {
            Self::Applied { rows } => Some(Recovered { rule: lane::rule_of(lane).to_owned(), rows: *rows }),
            Self::Clean | Self::Abandoned => None,
        }
    }
}

/// A batch that was found to have committed after whoever sent it could not learn that any more, or had died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The rule that acted.
    pub rule: String,
    pub rows: u64,
}

/// Settles the lane of a claim: raises its fence in the source and writes the outcome of an open intent.
///
/// # Errors
/// [`Reason::Restored`] if the source has forgotten a batch that the ledger says was applied.
pub async fn settle(state: &State, engine: &dyn Engine, buckets: &Buckets, claim: &mut Claim) -> Result<Verdict, Obstacle> {
    fault::point("settle.before");
    let mark = engine.settle(&claim.lane, claim.fence).await?;
    let committed = claim.open.as_ref().is_some_and(|open| mark.seq == open.batch.lane_seq && mark.intent_hash == open.hash);
    if !committed && (mark.seq != claim.applied.seq || mark.intent_hash != claim.applied.intent_hash) {
        // A worker that has taken the lane over may have gone on in it: then the mark is its own, and all is well.
        state.keep(claim).await?;
        return Err(if mark.seq < claim.applied.seq { restored(claim, &mark) } else { state_behind(claim, &mark) });
    }
    if claim.open.is_none() {
        return Ok(Verdict::Clean);
    }
    let open = claim.open.as_ref().map(|open| (open.batch.action == ledger::RESTORE, open.batch.archive.clone()));
    let (is_restore, archived) = open.unwrap_or_default();
    // The copy that rows come back from stays as it is.
    let copy = archived.filter(|_| !is_restore);
    let verdict = if committed && !fault::seeded("commit-error-is-failure") {
        if let Some(copy) = &copy {
            archiving::publish(copy, buckets).await?;
        }
        state.settled(claim, Settled::Applied { rows: mark.rows }).await?;
        if is_restore { Verdict::Clean } else { Verdict::Applied { rows: mark.rows } }
    } else {
        state.settled(claim, Settled::Abandoned { reason: "never committed".to_owned() }).await?;
        if let Some(copy) = &copy {
            archiving::discard(copy, buckets).await;
        }
        Verdict::Abandoned
    };
    fault::point("settle.recorded");
    Ok(verdict)
}

fn state_behind(claim: &Claim, mark: &LaneMark) -> Obstacle {
    Obstacle::new(
        Reason::StateBehind,
        format!(
            "source `{}` has committed batch {} of lane {}, of which the ledger knows nothing: the state was restored from a backup or \
             its ledger was shortened; `retentiond state adopt --source {}` goes on from here, with a reason",
            claim.source, mark.seq, claim.lane, claim.source
        ),
    )
}

fn restored(claim: &Claim, mark: &LaneMark) -> Obstacle {
    Obstacle::new(
        Reason::Restored,
        format!(
            "source `{}` remembers batch {} of lane {}, the ledger says that batch {} was applied: the database was restored from a \
             backup, or a replica serves that lacks the last batches; `retentiond state adopt --source {}` goes on from here, with a reason",
            claim.source, mark.seq, claim.lane, claim.applied.seq, claim.source
        ),
    )
}

/// Settles every open intent of a source that no living worker owns: what a crash left, whatever rules there are now.
///
/// # Errors
/// As [`settle`].
pub async fn settle_source(state: &State, target: &Target, owner: &Owner) -> Result<Vec<Recovered>, Obstacle> {
    let source = &target.config.name;
    let mut recovered = Vec::new();
    for lane in state.open_intents(source).await? {
        let mut claim = match state.claim(&lane.lane, source, owner, lease()).await {
            Ok(claim) => claim,
            Err(crate::state::Error::LaneBusy { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let verdict = settle(state, &*target.engine, &target.buckets, &mut claim).await?;
        tracing::info!(source, lane = %claim.lane, ?verdict, "settled a batch whose outcome was unknown");
        recovered.extend(verdict.recovered(&claim.lane));
        state.release(claim).await?;
    }
    Ok(recovered)
}
