//! The gate, the lanes and what survives which end of a transaction.

use std::{sync::Arc, time::Duration};

use retentiond::{
    engine::{Engine as _, Error, GateChange, LaneMark, Stamp},
    hold::{Held, HeldSubject, Scope},
};

use super::{connect, stamp, with_workspace};
use crate::support::{
    database::Database,
    postgres::{Options, Server},
};

fn mark(seq: u64) -> LaneMark {
    LaneMark { seq, rows: seq * 10, intent_hash: format!("hash-{seq}") }
}

fn raise(epoch: u64) -> GateChange {
    GateChange { epoch, patience: Duration::from_millis(300), ..GateChange::default() }
}

/// Waits until the task's session waits for somebody else's lock; a task that ends instead has not waited.
async fn waits_for_a_lock<T>(database: &Database<'_>, task: &tokio::task::JoinHandle<T>) {
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    while database.number(waiting) == 0 && !task.is_finished() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_is_made_once_and_belongs_to_one_state() {
    let database = Database::create();
    let engine = connect(&database.url).await;
    assert_eq!(engine.workspace().await.expect("a database without workspace"), None);
    assert!(matches!(engine.begin().await, Err(Error::NoWorkspace)));
    assert!(matches!(engine.raise_gate(&raise(1)).await, Err(Error::NoWorkspace)));
    assert!(matches!(engine.settle("lane", 1).await, Err(Error::NoWorkspace)));

    let made = engine.init_workspace(&stamp()).await.expect("a workspace");
    assert_eq!((made.epoch, &made.stamp), (0, &stamp()));
    assert_eq!(made.fingerprint, engine.fingerprint().await.expect("a fingerprint"));
    assert_eq!(engine.init_workspace(&stamp()).await.expect("the same workspace"), made);

    let foreign = Stamp { state_id: "state-2".to_owned(), source_id: "source-2".to_owned() };
    assert!(matches!(engine.init_workspace(&foreign).await, Err(Error::ForeignStamp { found }) if found == "state-1"));
    engine.restamp(&foreign, 7).await.expect("an adoption");
    let adopted = engine.workspace().await.expect("a workspace").expect("a workspace");
    assert_eq!((adopted.epoch, adopted.stamp), (7, foreign));

    database.execute("UPDATE retentiond.gate SET version = 99");
    assert!(matches!(engine.begin().await, Err(Error::WorkspaceVersion { found: 99, .. })));
    assert!(matches!(engine.workspace().await, Err(Error::WorkspaceVersion { found: 99, .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_may_have_any_name_and_a_schema_that_is_there() {
    let database = Database::create();
    database.execute("CREATE SCHEMA \"Re\"\"tention d\"");
    let url = retentiond::config::SourceUrl::parse(&database.url, std::path::Path::new("/")).expect("a URL");
    let engine =
        retentiond::engine::postgres::Postgres::connect("app", &url, "Re\"tention d", super::limits()).await.expect("a connection");
    engine.init_workspace(&stamp()).await.expect("a workspace");
    assert_eq!(engine.raise_gate(&raise(3)).await.expect("a raised gate"), 3);
    assert_eq!(engine.begin().await.expect("a batch").epoch(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_databases_have_two_fingerprints_and_one_has_one() {
    let (one, other) = (Database::create(), Database::create());
    let fingerprint = async |url: &str| connect(url).await.fingerprint().await.expect("a fingerprint");
    assert_ne!(fingerprint(&one.url).await, fingerprint(&other.url).await);
    assert_eq!(fingerprint(&one.url).await, fingerprint(&one.retentiond_url).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn place_waits_for_a_batch_and_names_who_is_in_the_way() {
    let (database, engine) = with_workspace().await;
    let batch = engine.begin().await.expect("a batch");
    let Err(Error::GateBusy { holder }) = engine.raise_gate(&raise(5)).await else { panic!("the gate is taken") };
    assert!(holder.starts_with("session ") && holder.contains("(retentiond, idle in transaction, since 20"), "{holder}");
    assert_eq!(database.number("SELECT epoch FROM retentiond.gate"), 0);

    batch.rollback().await.expect("a rollback");
    assert_eq!(engine.raise_gate(&raise(5)).await.expect("a raised gate"), 5);
    assert_eq!(engine.raise_gate(&raise(4)).await.expect("a gate that is never lowered"), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_share_the_gate() {
    let (_database, engine) = with_workspace().await;
    let one = engine.begin().await.expect("a batch");
    let other = engine.begin().await.expect("another beside it");
    one.commit().await.expect("a commit");
    other.commit().await.expect("a commit");
}

/// The order that decides law 2: the batch asks for the gate before the place has ended, and gets it afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_waited_for_a_place_reads_the_epoch_that_was_placed() {
    let (database, engine) = with_workspace().await;
    let engine = Arc::new(engine);
    let pool = database.pool().await;
    let mut place = pool.begin().await.expect("a transaction");
    sqlx::raw_sql("LOCK TABLE retentiond.gate IN EXCLUSIVE MODE; UPDATE retentiond.gate SET epoch = 9")
        .execute(&mut *place)
        .await
        .expect("a place under way");
    let batch = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.begin().await }
    });
    waits_for_a_lock(&database, &batch).await;
    place.commit().await.expect("a place");
    let batch = batch.await.expect("no panic").expect("a batch");
    assert_eq!(batch.epoch(), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_does_not_wait_long_for_the_gate() {
    let (database, engine) = with_workspace().await;
    let pool = database.pool().await;
    let mut place = pool.begin().await.expect("a transaction");
    sqlx::raw_sql("LOCK TABLE retentiond.gate IN EXCLUSIVE MODE").execute(&mut *place).await.expect("a lock");
    assert!(matches!(engine.begin().await, Err(Error::LockTimeout)));
}

#[tokio::test(flavor = "multi_thread")]
async fn held_subjects_are_written_with_every_form_that_columns_compare_with() {
    let (database, engine) = with_workspace().await;
    let held = |hold: &str, scope: Scope, kind: &str, value: &str| Held {
        hold: hold.to_owned(),
        scope,
        subject: Some(HeldSubject { kind: kind.to_owned(), value: value.to_owned() }),
    };
    let table = Scope::Table { schema: "a.b".to_owned(), table: "c\"d'".to_owned() };
    let mut add = vec![
        held("h1", Scope::Source, "account", "0042"),
        held("h1", table, "account", "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}"),
        held("h1", Scope::Category("logs".to_owned()), "e'\"mail\\", "Ünï'; DROP TABLE x; --\\"),
        Held { hold: "h2".to_owned(), scope: Scope::Source, subject: None },
    ];
    engine.raise_gate(&GateChange { epoch: 1, add: add.clone(), ..raise(1) }).await.expect("a place");
    // A place whose answer was lost is done again.
    engine.raise_gate(&GateChange { epoch: 1, add: add.clone(), ..raise(1) }).await.expect("the same place");
    let mut found = engine.held().await.expect("held");
    let by = |held: &Held| (held.hold.clone(), held.scope.key());
    found.sort_by_key(by);
    add.sort_by_key(by);
    assert_eq!(found, add);
    assert_eq!(
        database.column("SELECT value || '/' || coalesce(number::text, '-') || '/' || coalesce(uuid::text, '-') FROM retentiond.held WHERE hold = 'h1' AND kind = 'account' ORDER BY value"),
        [
            Some("0042/42/-".to_owned()),
            Some("{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}/-/a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11".to_owned())
        ]
    );

    engine.raise_gate(&GateChange { epoch: 2, remove: vec!["h1".to_owned()], ..raise(2) }).await.expect("a release");
    assert_eq!(engine.held().await.expect("held").len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_subjects_are_placed_within_the_limits() {
    let (database, engine) = with_workspace().await;
    let subject = |n: u32| HeldSubject { kind: "account".to_owned(), value: n.to_string() };
    let add = (0..100_000).map(|n| Held { hold: "h".to_owned(), scope: Scope::Source, subject: Some(subject(n)) }).collect();
    engine.raise_gate(&GateChange { epoch: 1, add, ..raise(1) }).await.expect("a place");
    assert_eq!(database.number("SELECT count(number) FROM retentiond.held"), 100_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_remembers_what_was_committed_and_nothing_else() {
    let (_database, engine) = with_workspace().await;
    assert_eq!(engine.settle("lane", 3).await.expect("a new lane"), LaneMark::default());

    let mut batch = engine.begin().await.expect("a batch");
    batch.mark("lane", 3, &mark(1)).await.expect("a mark");
    batch.commit().await.expect("a commit");
    let mut batch = engine.begin().await.expect("a batch");
    batch.mark("lane", 3, &mark(2)).await.expect("a mark");
    batch.rollback().await.expect("a rollback");
    let mut batch = engine.begin().await.expect("a batch");
    batch.mark("lane", 3, &mark(3)).await.expect("a mark");
    drop(batch);
    assert_eq!(engine.settle("lane", 3).await.expect("a lane"), mark(1));
    assert_eq!(engine.lanes().await.expect("lanes"), [("lane".to_owned(), mark(1))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_fenced_off_can_not_mark() {
    let (_database, engine) = with_workspace().await;
    engine.settle("lane", 1).await.expect("a lane");
    let mut batch = engine.begin().await.expect("a batch");
    engine.settle("lane", 2).await.expect("a takeover");
    assert!(matches!(batch.mark("lane", 1, &mark(1)).await, Err(Error::Fenced)));
    drop(batch);
    let mut batch = engine.begin().await.expect("a batch");
    assert!(matches!(batch.mark("no such lane", 1, &mark(1)).await, Err(Error::Fenced)));
    // A lower fence never lowers the lane's.
    engine.settle("lane", 1).await.expect("a lane");
    let mut batch = engine.begin().await.expect("a batch");
    batch.mark("lane", 2, &mark(1)).await.expect("the fence is still 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn settling_waits_for_a_batch_that_has_marked() {
    let (database, engine) = with_workspace().await;
    let engine = Arc::new(engine);
    engine.settle("lane", 1).await.expect("a lane");
    let mut batch = engine.begin().await.expect("a batch");
    batch.mark("lane", 1, &mark(1)).await.expect("a mark");
    let settled = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.settle("lane", 2).await }
    });
    waits_for_a_lock(&database, &settled).await;
    batch.commit().await.expect("a commit");
    assert_eq!(settled.await.expect("no panic").expect("a lane"), mark(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_ends_a_batch_whose_worker_is_paused() {
    let (_database, engine) = with_workspace().await;
    engine.settle("lane", 1).await.expect("a lane");
    let mut batch = engine.begin().await.expect("a batch");
    batch.mark("lane", 1, &mark(1)).await.expect("a mark");
    // Five times the lock timeout ends the batch, which is within the patience of the settlement.
    assert_eq!(engine.settle("lane", 2).await.expect("a lane"), LaneMark::default());
    assert!(matches!(batch.commit().await, Err(Error::Lost(_))));
    assert_eq!(engine.settle("lane", 2).await.expect("a lane"), LaneMark::default());
}

/// PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and the driver takes that for success.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_in_which_a_statement_failed_does_not_commit() {
    let (database, engine) = with_workspace().await;
    engine.settle("lane", 1).await.expect("a lane");
    database.execute("ALTER TABLE retentiond.lane ADD CHECK (seq < 5)");
    let mut batch = engine.begin().await.expect("a batch");
    batch.mark("lane", 1, &mark(1)).await.expect("a mark");
    let refused = batch.mark("lane", 1, &mark(9)).await;
    assert!(
        matches!(&refused, Err(Error::Database(words)) if words.contains("SQLSTATE 23514") && !words.contains("hash-9")),
        "{refused:?}"
    );
    assert!(batch.commit().await.is_err());
    assert_eq!(engine.settle("lane", 1).await.expect("a lane"), LaneMark::default());
}

/// The driver can leave a cancelled transaction open on a pooled connection (upstream #4385, #4393); here a connection
/// whose transaction was not ended in order is closed.
#[tokio::test(flavor = "multi_thread")]
async fn cancelled_transactions_leave_no_session_inside_one() {
    let (database, engine) = with_workspace().await;
    let engine = Arc::new(engine);
    for turn in 0..100_u32 {
        let task = tokio::spawn({
            let engine = Arc::clone(&engine);
            async move { engine.begin().await.map(drop) }
        });
        for _ in 0..turn {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
        // Only a session at rest is given out: this one would fail in a transaction that is open or read-only.
        engine.raise_gate(&GateChange { patience: Duration::from_secs(5), ..raise(u64::from(turn)) }).await.expect("a gate that is free");
    }
    engine.close().await;
    let inside = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'";
    while database.number(inside) > 0 {
        tokio::task::yield_now().await;
    }
}

/// A pooler in transaction mode gives a session to somebody else after each transaction.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_on_a_session_that_a_pooler_hands_on() {
    let server = Server::private(Options { log_statements: true, ..Options::default() });
    let database = Database::on(&server);
    let engine = connect(&database.url).await;
    engine.init_workspace(&stamp()).await.expect("a workspace");
    engine.settle("lane", 1).await.expect("a lane");
    let mut batch = engine.begin().await.expect("a batch");
    batch.mark("lane", 1, &mark(1)).await.expect("a mark");
    batch.commit().await.expect("a commit");
    engine.close().await;
    let log = server.log();
    let ours: Vec<_> = log.lines().filter(|line| line.contains("LOG:")).collect();
    assert!(ours.iter().any(|line| line.contains("UPDATE \"retentiond\".\"lane\"")), "the batch is in the log");
    assert!(!log.contains("execute sqlx"), "no statement has a name");
    assert!(ours.iter().all(|line| !line.contains("SET ") || line.contains("SET LOCAL") || line.contains("UPDATE")), "settings are local");
    assert!(!log.contains("WARNING"), "nothing that a DBA would wonder about");
}
