//! Lanes: who works, and that no batch is without its outcome.

use std::time::Duration;

use jiff::SignedDuration;
use retentiond::{
    ledger::{Batch, Event, verify::Anchor},
    state::{Error, LastApplied, Owner, Settled, State},
};

use super::{Place, on_both, owner, verified};

on_both!(
    a_lane_belongs_to_one_process_until_its_lease_ends,
    a_process_that_is_gone_delays_nobody,
    whoever_lost_the_lane_writes_nothing,
    of_claims_at_once_one_wins,
    batches_follow_one_another_in_one_transaction_each,
    an_intent_outlives_its_process,
    a_caller_that_lost_track_is_told,
    a_lost_answer_settles_nothing_twice,
    an_adopted_source_starts_its_lanes_anew,
);

const LEASE: Duration = Duration::from_secs(30);

async fn ready(place: &Place<'_>) -> (State, super::HandClock) {
    let (state, clock) = place.create().await;
    state.register_source("app", "s", "f", "ada").await.expect("new");
    (state, clock)
}

fn batch(rows: u64) -> Batch {
    Batch {
        sweep: "sweep".to_owned(),
        rule: "p/r".to_owned(),
        source: String::new(),
        table: "events".to_owned(),
        action: "delete".to_owned(),
        rows,
        dragged: 0,
        lane: String::new(),
        lane_seq: 0,
        fence: 0,
        epoch: 0,
        cutoff: None,
        rule_digest: "d".to_owned(),
        statement_digest: "s".to_owned(),
        partition: None,
        without_address: None,
        archive: None,
        residue: None,
        evidence: None,
    }
}

async fn a_lane_belongs_to_one_process_until_its_lease_ends(place: Place<'_>) {
    let (state, clock) = ready(&place).await;
    let claim = state.claim("a", "app", &owner(1), LEASE).await.expect("free");
    assert_eq!((claim.lane_seq, &claim.applied, &claim.open), (0, &LastApplied::default(), &None));
    let busy = state.claim("a", "app", &owner(2), LEASE).await;
    assert!(matches!(busy, Err(Error::LaneBusy { owner: ref by, .. }) if **by == owner(1)), "{busy:?}");
    let another = state.claim("b", "app", &owner(2), LEASE).await.expect("another lane");
    assert_ne!(another.fence, claim.fence, "no two lanes begin with one fence");
    state.claim("a", "crm", &owner(2), LEASE).await.expect("another source");
    clock.advance(SignedDuration::from_secs(30));
    let taken = state.claim("a", "app", &owner(2), LEASE).await.expect("the lease ended");
    assert_eq!(taken.fence, claim.fence + 1, "a refused claim raises nothing");
    state.release(claim).await.expect("no longer ours");
    assert!(state.claim("a", "app", &owner(3), LEASE).await.is_err());
    state.release(taken).await.expect("given up");
    state.claim("a", "app", &owner(3), LEASE).await.expect("free");
}

async fn a_process_that_is_gone_delays_nobody(place: Place<'_>) {
    let (state, _) = ready(&place).await;
    let gone = Owner { started: 1, ..owner(1) };
    let left = state.claim("a", "app", &gone, LEASE).await.expect("free");
    assert_eq!(state.claim("a", "app", &owner(2), LEASE).await.expect("nobody is there").fence, left.fence + 1);
    let elsewhere = Owner { host: "other".to_owned(), processes: "other".to_owned(), started: 1, ..owner(3) };
    state.claim("b", "app", &elsewhere, LEASE).await.expect("free");
    assert!(matches!(state.claim("b", "app", &owner(2), LEASE).await, Err(Error::LaneBusy { .. })));
}

async fn whoever_lost_the_lane_writes_nothing(place: Place<'_>) {
    let (state, clock) = ready(&place).await;
    let mut slow = state.claim("a", "app", &owner(1), LEASE).await.expect("free");
    state.intend(&mut slow, None, batch(3)).await.expect("its turn");
    clock.advance(SignedDuration::from_secs(31));
    // Nobody came meanwhile: the lane is still its own.
    state.intend(&mut slow, Some(3), batch(4)).await.expect("still its turn");
    clock.advance(SignedDuration::from_secs(31));
    let mut next = state.claim("a", "app", &owner(2), LEASE).await.expect("the lease ended");
    let entries = state.head().await.expect("head");
    assert!(matches!(state.intend(&mut slow, Some(4), batch(5)).await, Err(Error::LeaseLost { .. })));
    assert!(matches!(state.settled(&mut slow, Settled::Applied { rows: 4 }).await, Err(Error::LeaseLost { .. })));
    assert_eq!(state.head().await.expect("head"), entries);
    state.settled(&mut next, Settled::Abandoned { reason: "never committed".to_owned() }).await.expect("settled");
    assert!(verified(&state).await.is_sound());
}

async fn of_claims_at_once_one_wins(place: Place<'_>) {
    let (state, _) = ready(&place).await;
    let claims: Vec<_> = (0..8)
        .map(|number| {
            let state = state.clone();
            tokio::spawn(async move { state.claim("a", "app", &owner(number), LEASE).await })
        })
        .collect();
    let mut won = 0;
    for claim in claims {
        match claim.await.expect("no panic") {
            Ok(_) => won += 1,
            Err(Error::LaneBusy { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won, 1);
}

async fn batches_follow_one_another_in_one_transaction_each(place: Place<'_>) {
    let (state, _) = ready(&place).await;
    let mut claim = state.claim("a", "app", &owner(1), LEASE).await.expect("free");
    let mut previous = None;
    let mut hash = String::new();
    for rows in [10, 20, 30] {
        let intended = state.intend(&mut claim, previous, batch(rows)).await.expect("its turn");
        assert_eq!(intended.lane_seq, rows / 10);
        hash = intended.hash;
        previous = Some(rows);
    }
    state.finish(&mut claim, previous).await.expect("finished");
    let applied = LastApplied { seq: 3, rows: 30, intent_hash: hash.clone() };
    assert_eq!((claim.lane_seq, &claim.applied, &claim.open), (3, &applied, &None));

    let kinds: Vec<_> = state.entries(2, 100).await.expect("entries").into_iter().map(|entry| entry.event).collect();
    assert_eq!(kinds.len(), 6);
    for (place, event) in kinds.iter().enumerate() {
        let (Event::BatchIntent(batch) | Event::BatchApplied(batch)) = event else { panic!("{event:?}") };
        let expected = ("app", "a", place as u64 / 2 + 1, claim.fence);
        assert_eq!((batch.source.as_str(), batch.lane.as_str(), batch.lane_seq, batch.fence), expected);
    }
    let lanes = state.lanes().await.expect("lanes");
    assert_eq!((lanes.len(), lanes[0].applied.clone(), lanes[0].owner.is_some()), (1, applied, true));
    let verification = verified(&state).await;
    assert!(verification.is_sound(), "{:?}", verification.problems);
    let mut verifier = retentiond::ledger::verify::Verifier::default();
    state.entries(0, 100).await.expect("entries").into_iter().for_each(|entry| verifier.push(Ok(entry)));
    verifier.check_anchors("app", &[Anchor { lane: "a".to_owned(), seq: 3, rows: 30, intent_hash: hash }]);
    assert_eq!(verifier.finish().problems, []);
}

async fn an_intent_outlives_its_process(place: Place<'_>) {
    let (state, clock) = ready(&place).await;
    let gone = Owner { started: 1, ..owner(1) };
    let mut claim = state.claim("a", "app", &gone, LEASE).await.expect("free");
    let intended = state.intend(&mut claim, None, batch(5)).await.expect("its turn");
    state.close().await;
    let state = place.open(&clock).await.expect("the state");
    assert_eq!(state.open_intents("app").await.expect("lanes").len(), 1);
    assert_eq!(state.open_intents("crm").await.expect("lanes").len(), 0);
    assert_eq!(verified(&state).await.open.len(), 1);

    let mut claim = state.claim("a", "app", &owner(2), LEASE).await.expect("nobody is there");
    let open = claim.open.clone().expect("an open intent");
    assert_eq!((open.hash, open.batch.rows, open.batch.lane_seq), (intended.hash.clone(), 5, 1));
    state.settled(&mut claim, Settled::Abandoned { reason: "never committed".to_owned() }).await.expect("settled");
    assert_eq!((claim.lane_seq, claim.applied.seq), (1, 0));
    let next = state.intend(&mut claim, None, batch(6)).await.expect("its turn");
    assert_eq!(next.lane_seq, 2, "a number is never used twice");
    state.settled(&mut claim, Settled::Applied { rows: 6 }).await.expect("settled");
    assert_eq!(claim.applied, LastApplied { seq: 2, rows: 6, intent_hash: next.hash });
    let verification = verified(&state).await;
    assert!(verification.is_sound() && verification.open.is_empty(), "{:?}", verification.problems);
}

async fn a_caller_that_lost_track_is_told(place: Place<'_>) {
    let (state, _) = ready(&place).await;
    let mut claim = state.claim("a", "app", &owner(1), LEASE).await.expect("free");
    let head = state.head().await.expect("head");
    assert!(matches!(state.intend(&mut claim, Some(1), batch(1)).await, Err(Error::Unsettled { .. })));
    assert!(matches!(state.settled(&mut claim, Settled::Applied { rows: 1 }).await, Err(Error::Unsettled { .. })));
    assert_eq!(state.head().await.expect("head"), head);
    state.finish(&mut claim, None).await.expect("nothing to finish");
    state.intend(&mut claim, None, batch(1)).await.expect("its turn");
    assert!(matches!(state.intend(&mut claim, None, batch(1)).await, Err(Error::Unsettled { .. })));
    assert!(matches!(state.finish(&mut claim, None).await, Err(Error::Unsettled { .. })));
}

/// The state committed, the answer was lost: whoever goes on with what it knew before must not settle a batch twice, nor
/// leave the intent that it does not know of without an outcome.
async fn a_lost_answer_settles_nothing_twice(place: Place<'_>) {
    let (state, _) = ready(&place).await;
    let mut claim = state.claim("a", "app", &owner(1), LEASE).await.expect("free");
    state.intend(&mut claim, None, batch(1)).await.expect("its turn");
    let mut stale = claim.clone();
    state.intend(&mut claim, Some(1), batch(2)).await.expect("its turn");
    assert!(matches!(state.finish(&mut stale, Some(1)).await, Err(Error::Unsettled { .. })));
    assert!(matches!(state.intend(&mut stale, Some(1), batch(3)).await, Err(Error::Unsettled { .. })));
    let lanes = state.open_intents("app").await.expect("lanes");
    assert_eq!(lanes.iter().map(|lane| lane.open.as_ref().map(|open| open.batch.lane_seq)).collect::<Vec<_>>(), [Some(2)]);
    state.settled(&mut claim, Settled::Applied { rows: 2 }).await.expect("its own");
    let mut verifier = retentiond::ledger::verify::Verifier::default();
    state.entries(0, 100).await.expect("entries").into_iter().for_each(|entry| verifier.push(Ok(entry)));
    let found = verifier.finish();
    assert!(found.is_sound() && found.open.is_empty(), "{found:?}");
}

async fn an_adopted_source_starts_its_lanes_anew(place: Place<'_>) {
    let (state, _) = ready(&place).await;
    let mut claim = state.claim("a", "app", &owner(1), LEASE).await.expect("free");
    state.intend(&mut claim, None, batch(1)).await.expect("its turn");
    state.intend(&mut claim, Some(1), batch(2)).await.expect("its turn");
    state.adopt_source("app", "s", "f", 0, "ada", "backup of Monday").await.expect("adopted");
    assert!(matches!(state.settled(&mut claim, Settled::Applied { rows: 2 }).await, Err(Error::LeaseLost { .. })));
    let before = claim.fence;
    let claim = state.claim("a", "app", &owner(2), LEASE).await.expect("free");
    assert_eq!((claim.lane_seq, claim.applied, claim.open), (2, LastApplied::default(), None));
    assert!(claim.fence > before);
    let mut verifier = retentiond::ledger::verify::Verifier::default();
    state.entries(0, 100).await.expect("entries").into_iter().for_each(|entry| verifier.push(Ok(entry)));
    verifier.check_anchors("app", &[]);
    assert_eq!(verifier.finish().problems, []);
}
