//! The gate and the lanes: the protocol between batches, holds and settlement.

use std::{
    future::{Future as _, poll_fn},
    task::Poll,
    time::Duration,
};

use retentiond::{
    engine::{Error, GateChange, LaneMark, Stamp},
    hold::{Held, HeldSubject, Scope},
    policy::StartFormat,
    sql::selection::Act,
};

use super::ground::{Ground, ids, limits, stamp};

const OLD: &str = "'2020-01-01T00:00:00Z'";

fn change(epoch: u64, patience: Duration) -> GateChange {
    GateChange { epoch, patience, ..GateChange::default() }
}

fn mark(seq: u64) -> LaneMark {
    LaneMark { seq, rows: 7, intent_hash: format!("hash-{seq}") }
}

pub async fn a_workspace_is_stamped_once(ground: &Ground) {
    assert_eq!(ground.engine.workspace().await.expect("an answer"), None);
    ground.with_workspace().await;
    let found = ground.with_workspace().await.engine.workspace().await.expect("an answer").expect("a workspace");
    assert_eq!((found.stamp, found.epoch), (stamp(), 0));
    assert_eq!(found.fingerprint, ground.engine.fingerprint().await.expect("a fingerprint"));
    let other = Stamp { state_id: "state-2".to_owned(), ..stamp() };
    let error = ground.engine.init_workspace(&other).await.expect_err("another state's");
    assert!(matches!(&error, Error::ForeignStamp { found } if found == "state-1"), "{error}");
    let tables = ground.engine.tables().await.expect("tables");
    assert!(tables.is_empty(), "the workspace is nobody's to write rules for: {tables:?}");
}

pub async fn a_source_without_a_workspace_has_no_batches(ground: &Ground) {
    let error = ground.engine.begin().await.err();
    assert!(matches!(error, Some(Error::NoWorkspace)), "{error:?}");
    assert!(matches!(ground.engine.settle("lane", 1).await, Err(Error::NoWorkspace)));
    // The connection of the failed settlement may still be closing, and holds SQLite's only lock until it has.
    assert!(matches!(ground.engine.raise_gate(&change(1, Duration::from_secs(30))).await, Err(Error::NoWorkspace)));
    assert!(matches!(ground.engine.lanes().await, Err(Error::NoWorkspace)));
}

pub async fn a_batch_sees_every_hold_that_was_placed(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!(
        "CREATE TABLE t (id integer PRIMARY KEY, at text, who text); INSERT INTO t VALUES (1, {OLD}, 'a'), (2, {OLD}, 'b')"
    ));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601).subject("who", "who");
    let other = ground.another_engine(limits()).await;
    let add = vec![Held {
        hold: "h".to_owned(),
        scope: Scope::Source,
        subject: Some(HeldSubject { kind: "who".to_owned(), value: "a".to_owned() }),
    }];
    let placed = other.raise_gate(&GateChange { epoch: 5, add, patience: Duration::from_secs(5), ..GateChange::default() }).await;
    assert_eq!(placed.expect("a raised gate"), 5);
    ground.let_act(&rule.selection, &Act::Delete).await;
    let mut batch = ground.engine.begin().await.expect("a batch");
    assert_eq!(batch.epoch(), 5);
    assert_eq!(batch.act(&rule.selection, &rule.whole(ground), &Act::Delete).await.expect("an act"), 1);
    batch.commit().await.expect("a commit");
    assert_eq!(ground.ids("t"), ids([1]));
    other.close().await;
}

/// Otherwise a later hold would lift the epoch over the gap that a restore left, and nothing would show it.
pub async fn a_gate_behind_what_it_confirmed_is_not_raised(ground: &Ground) {
    ground.with_workspace().await;
    ground.engine.raise_gate(&change(3, Duration::from_secs(5))).await.expect("a raised gate");
    let later = GateChange { confirmed: 4, ..change(5, Duration::from_secs(5)) };
    assert!(matches!(ground.engine.raise_gate(&later).await, Err(Error::Restored)));
    assert_eq!(ground.engine.workspace().await.expect("a workspace").expect("a workspace").epoch, 3);
    let known = GateChange { confirmed: 3, ..change(5, Duration::from_secs(30)) };
    assert_eq!(ground.engine.raise_gate(&known).await.expect("a raised gate"), 5);
}

pub async fn place_waits_for_a_batch_and_names_it(ground: &Ground) {
    ground.with_workspace().await;
    let other = ground.another_engine(limits()).await;
    let batch = ground.engine.begin().await.expect("a batch");
    let error = other.raise_gate(&change(1, Duration::from_millis(50))).await.expect_err("the batch has the gate");
    let Error::GateBusy { holder } = &error else { panic!("{error}") };
    assert!(holder.chars().any(|character| character.is_ascii_digit()), "a process or session is named: {holder}");
    assert_eq!(ground.engine.workspace().await.expect("an answer").expect("a workspace").epoch, 0);

    // Now one that waits: it is under way before the batch ends, or comes after it; either way it succeeds.
    let place = {
        tokio::spawn({
            let other = other.clone();
            async move { other.raise_gate(&change(1, Duration::from_secs(20))).await }
        })
    };
    batch.commit().await.expect("a commit");
    assert_eq!(place.await.expect("a task").expect("a raised gate"), 1);
    other.close().await;
}

pub async fn a_dropped_batch_rolls_back(ground: &Ground) {
    ground.with_workspace().await;
    ground.execute(&format!("CREATE TABLE t (id integer PRIMARY KEY, at text); INSERT INTO t VALUES (1, {OLD})"));
    let rule = ground.rule("t").await.start("at", StartFormat::Iso8601);
    ground.let_act(&rule.selection, &Act::Delete).await;
    let mut batch = ground.engine.begin().await.expect("a batch");
    assert_eq!(batch.act(&rule.selection, &rule.whole(ground), &Act::Delete).await.expect("an act"), 1);
    drop(batch);
    // The gate is free again only when the transaction has ended.
    ground.engine.raise_gate(&change(1, Duration::from_secs(20))).await.expect("a raised gate");
    assert_eq!(ground.ids("t"), ids([1]));
}

/// A cancelled begin must not leave a transaction on a pooled connection, where the work of the next one would sit
/// uncommitted for ever.
pub async fn a_cancelled_begin_leaves_no_transaction(ground: &Ground) {
    ground.with_workspace().await;
    for polls in 0..60 {
        let mut begin = std::pin::pin!(ground.engine.begin());
        for _ in 0..polls {
            if poll_fn(|context| Poll::Ready(begin.as_mut().poll(context).is_ready())).await {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    ground.engine.raise_gate(&change(1, Duration::from_secs(20))).await.expect("nobody holds the gate");
    for number in 0..10 {
        let lane = format!("lane {number}");
        ground.engine.settle(&lane, 1).await.expect("a lane");
        let mut batch = ground.engine.begin().await.expect("a batch");
        batch.mark(&lane, 1, &mark(number)).await.expect("a mark");
        batch.commit().await.expect("a commit");
        let seen = ground.column("seq", &format!("FROM {} WHERE lane = '{lane}'", ground.lanes()));
        assert_eq!(seen, [Some(number.to_string())], "others see what was committed");
    }
}

pub async fn a_moved_fence_stops_the_mark(ground: &Ground) {
    ground.with_workspace().await;
    ground.engine.settle("lane", 3).await.expect("a lane");
    let mut batch = ground.engine.begin().await.expect("a batch");
    let error = batch.mark("lane", 2, &mark(1)).await.expect_err("a fence");
    assert!(matches!(error, Error::Fenced), "{error}");
    batch.rollback().await.expect("a rollback");
    let mut batch = ground.engine.begin().await.expect("a batch");
    assert!(matches!(batch.mark("another lane", 3, &mark(1)).await, Err(Error::Fenced)), "a lane that is not there");
    drop(batch);
    let mut batch = ground.engine.begin().await.expect("a batch");
    batch.mark("lane", 3, &mark(1)).await.expect("a mark");
    batch.commit().await.expect("a commit");
    assert_eq!(ground.engine.lanes().await.expect("lanes"), [("lane".to_owned(), mark(1))]);
}

pub async fn settling_waits_for_a_transaction_that_has_marked(ground: &Ground) {
    ground.with_workspace().await;
    ground.engine.settle("lane", 1).await.expect("a lane");
    let other = ground.another_engine(limits()).await;
    let mut batch = ground.engine.begin().await.expect("a batch");
    batch.mark("lane", 1, &mark(1)).await.expect("a mark");
    let settle = tokio::spawn({
        let other = other.clone();
        async move { other.settle("lane", 2).await }
    });
    batch.commit().await.expect("a commit");
    assert_eq!(settle.await.expect("a task").expect("a settled lane"), mark(1), "whichever came first, the outcome is known");
    other.close().await;
}

pub async fn settling_reads_what_was_committed(ground: &Ground) {
    ground.with_workspace().await;
    assert_eq!(ground.engine.settle("lane", 1).await.expect("a lane"), LaneMark::default());
    for seq in 1..=2 {
        let mut batch = ground.engine.begin().await.expect("a batch");
        batch.mark("lane", 1, &mark(seq)).await.expect("a mark");
        if seq == 1 { batch.commit().await.expect("a commit") } else { batch.rollback().await.expect("a rollback") }
    }
    assert_eq!(ground.engine.settle("lane", 2).await.expect("a lane"), mark(1));
    let mut late = ground.engine.begin().await.expect("a batch");
    assert!(matches!(late.mark("lane", 1, &mark(2)).await, Err(Error::Fenced)), "what has not marked by now never commits");
}

pub async fn epochs_and_fences_only_rise(ground: &Ground) {
    ground.with_workspace().await;
    let patience = Duration::from_secs(5);
    assert_eq!(ground.engine.raise_gate(&change(7, patience)).await.expect("a raised gate"), 7);
    assert_eq!(ground.engine.raise_gate(&change(3, patience)).await.expect("a raised gate"), 7);
    ground.engine.settle("lane", 9).await.expect("a lane");
    ground.engine.settle("lane", 4).await.expect("a lane");
    let mut batch = ground.engine.begin().await.expect("a batch");
    batch.mark("lane", 9, &mark(1)).await.expect("the higher fence stands");
    batch.rollback().await.expect("a rollback");
}

pub async fn placed_holds_are_listed(ground: &Ground) {
    ground.with_workspace().await;
    let subjects: Vec<(String, String)> = (0..1_000).map(|number| ("account".to_owned(), format!("{number:04}"))).collect();
    let borrowed: Vec<(&str, &str)> = subjects.iter().map(|(kind, value)| (kind.as_str(), value.as_str())).collect();
    let scope = Scope::Table { schema: "a \"b\"".to_owned(), table: "c.d".to_owned() };
    ground.hold("many", scope.clone(), &borrowed).await;
    ground.hold("many", scope.clone(), &borrowed).await;
    ground.hold("all", Scope::Source, &[]).await;
    let held = ground.engine.held().await.expect("holds");
    assert_eq!(held.len(), 1_001, "placing twice adds nothing");
    assert_eq!(held[0], Held { hold: "all".to_owned(), scope: Scope::Source, subject: None });
    let last = HeldSubject { kind: "account".to_owned(), value: "0999".to_owned() };
    assert_eq!(held[1_000], Held { hold: "many".to_owned(), scope, subject: Some(last) });
}
