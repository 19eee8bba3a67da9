//! How a state comes to be, what it remembers, and what it refuses.

use std::sync::Arc;

use retentiond::{
    clock::SystemRandomness,
    hold::HoldScope,
    ledger::{Event, SOURCE_ADOPTED},
    state::{Error, GateNumbers, State, SweepEnd, SweepStart},
};

use super::{HandClock, Place, hold, on_both, subject, verified};
use crate::support::{
    database::Database,
    postgres::{Options, Server},
};

on_both!(
    a_state_that_is_not_there_is_missing,
    a_state_is_created_once,
    of_creators_at_once_all_open_one_state,
    a_state_of_a_newer_version_is_refused,
    a_source_is_one_database_under_one_name,
    an_adopted_source_has_nothing_confirmed,
    sweeps_are_remembered_by_their_last,
);

async fn a_state_that_is_not_there_is_missing(place: Place<'_>) {
    let Err(error) = place.open(&HandClock::new()).await else { panic!("opened") };
    assert!(matches!(error, Error::Missing { .. }), "{error}");
    assert!(error.to_string().contains("state adopt"), "{error}");
    assert!(!error.to_string().contains("password"), "{error}");
}

async fn a_state_is_created_once(place: Place<'_>) {
    let (state, clock) = place.create().await;
    let id = state.id().to_owned();
    state.close().await;
    let (again, _) = place.create().await;
    assert_eq!(again.id(), id);
    let opened = place.open(&clock).await.expect("the state");
    assert_eq!(opened.id(), id);
    let status = opened.status().await.expect("its status");
    assert_eq!((status.entries, status.holds_active, status.schema_version), (1, 0, 7));
    let entries = opened.entries(0, 10).await.expect("entries");
    assert_eq!(entries[0].event, Event::Genesis { state_id: id });
    assert_eq!(status.head_hash, entries[0].hash);
}

async fn of_creators_at_once_all_open_one_state(place: Place<'_>) {
    let url = Arc::new(place.url());
    let creators: Vec<_> = (0..4)
        .map(|_| {
            let url = Arc::clone(&url);
            tokio::spawn(async move { State::create(&url, HandClock::new().shared(), Arc::new(SystemRandomness)).await })
        })
        .collect();
    let mut ids = Vec::new();
    for creator in creators {
        ids.push(creator.await.expect("no panic").expect("a state").id().to_owned());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1);
}

async fn a_state_of_a_newer_version_is_refused(place: Place<'_>) {
    let (state, clock) = place.create().await;
    state.close().await;
    place.execute("UPDATE schema_version SET version = 99, oldest = 99");
    let Err(error) = place.open(&clock).await else { panic!("opened") };
    assert!(matches!(error, Error::TooNew { found: 99, .. }), "{error}");
}

async fn a_source_is_one_database_under_one_name(place: Place<'_>) {
    let (state, _) = place.create().await;
    state.register_source("app", "s1", "f1", "ada").await.expect("new");
    state.register_source("app", "s1", "f1", "ada").await.expect("the same again");
    for (name, source_id, fingerprint) in [("app", "s2", "f2"), ("twin", "s2", "f1"), ("twin", "s1", "f2")] {
        let refused = state.register_source(name, source_id, fingerprint, "ada").await;
        assert!(matches!(refused, Err(Error::OtherSource { ref name }) if name == "app"), "{refused:?}");
    }
    assert_eq!(state.sources().await.expect("sources").len(), 1);
    assert_eq!(state.gate("app").await.expect("its gate"), GateNumbers { wanted: 0, confirmed: 0 });
    assert!(matches!(state.gate("twin").await, Err(Error::UnknownSource(_))));
    assert_eq!(state.head().await.expect("head").0, 2);
}

async fn an_adopted_source_has_nothing_confirmed(place: Place<'_>) {
    let (state, _) = place.create().await;
    state.register_source("app", "s1", "f1", "ada").await.expect("new");
    state.confirm("app", 3, &[], &[]).await.expect("confirmed");
    state.adopt_source("renamed", "s1", "f1", 7, "ada", "a new name").await.expect("adopted");
    let sources = state.sources().await.expect("sources");
    assert_eq!(sources.len(), 1);
    assert_eq!((sources[0].name.as_str(), sources[0].wanted, sources[0].confirmed), ("renamed", 8, 0));
    let entry = state.entries(2, 1).await.expect("entries").remove(0);
    assert_eq!((entry.text("by"), entry.text("reason")), (Some("ada"), Some("a new name")));
    assert!(matches!(entry.event, Event::Configuration { what, .. } if what == SOURCE_ADOPTED));
}

async fn sweeps_are_remembered_by_their_last(place: Place<'_>) {
    let (state, clock) = place.create().await;
    let start = SweepStart {
        rule: "p/r".to_owned(),
        source: "app".to_owned(),
        table: "events".to_owned(),
        action: "delete".to_owned(),
        cutoff: None,
        rule_digest: "d".to_owned(),
    };
    let end = SweepEnd { rows: 5, dragged: 1, batches: 2, outcome: "complete".to_owned(), reason: None };
    let first = state.sweep_started(start.clone()).await.expect("started");
    state.sweep_ended(&first, end.clone()).await.expect("ended");
    assert!(matches!(state.sweep_ended(&first, end.clone()).await, Err(Error::UnknownSweep(_))));
    let other = state.sweep_started(SweepStart { rule: "p/other".to_owned(), ..start.clone() }).await.expect("started");
    state.sweep_ended(&other, end.clone()).await.expect("ended");
    // The last is the last that was entered, even if the clock went back.
    clock.advance(jiff::SignedDuration::from_hours(-5));
    let second = state.sweep_started(SweepStart { cutoff: Some(jiff::Timestamp::UNIX_EPOCH), ..start }).await.expect("started");
    let last = state.last_sweeps().await.expect("sweeps");
    assert_eq!(last.iter().map(|sweep| sweep.id.as_str()).collect::<Vec<_>>(), [other.as_str(), second.as_str()]);
    let (_, ended) = last[0].end.as_ref().expect("an end");
    assert_eq!((ended.rows, ended.dragged, ended.batches, ended.outcome.as_str()), (5, 1, 2, "complete"));
    assert!(last[1].end.is_none());
    assert_eq!(last[1].start.cutoff, Some(jiff::Timestamp::UNIX_EPOCH));
    assert!(verified(&state).await.is_sound());
}

#[tokio::test]
async fn the_file_is_for_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::sqlite();
    let (_state, _) = place.create().await;
    let Place::Sqlite { folder } = &place else { unreachable!() };
    for file in std::fs::read_dir(folder.path()).expect("the folder") {
        let file = file.expect("a file");
        assert_eq!(file.metadata().expect("its mode").permissions().mode() & 0o777, 0o600, "{file:?}");
    }
}

/// What was reported as recorded is there after a crash, and the connections of before are replaced by themselves.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_was_killed_has_forgotten_nothing() {
    let server = Server::private(Options { fsync: true, ..Options::default() });
    let place = Place::Postgres(Database::on(&server));
    let (state, _) = place.create().await;
    state.register_source("app", "s1", "f1", "ada").await.expect("new");
    let id = state.place_hold(hold(&[subject("account", "1")], HoldScope::default(), &["app"])).await.expect("placed").hold.id;
    server.kill();
    assert!(state.hold(&id).await.is_err());
    server.restart();
    assert_eq!(state.hold(&id).await.expect("read").expect("the hold").pending, ["app"]);
    assert_eq!(state.gate("app").await.expect("its gate").wanted, 1);
    assert!(verified(&state).await.is_sound());
}
