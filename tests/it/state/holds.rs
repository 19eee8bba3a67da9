//! Holds from placing to lapsing, and what each source lacks meanwhile.

use std::time::Duration;

use jiff::SignedDuration;
use retentiond::{
    hold::{Held, HeldTable, HoldScope, Scope},
    ledger::{Commitment, Event},
    state::{Error, ImportedHold, State},
};

use super::{Place, hold, on_both, subject, verified};

on_both!(
    a_hold_is_pending_until_its_source_confirms,
    a_released_hold_lapses_and_then_goes,
    a_new_source_and_a_new_category_are_reached,
    a_confirmation_that_was_under_way_does_not_count,
    a_removal_that_was_overtaken_is_done_again,
    many_subjects_are_kept_once_each,
    a_hold_that_cannot_be_is_refused,
    the_ledger_names_nobody,
    holds_of_a_lost_state_are_taken_over,
);

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

async fn with_sources(place: &Place<'_>, names: &[&str]) -> (State, super::HandClock) {
    let (state, clock) = place.create().await;
    for name in names {
        state.register_source(name, &format!("id of {name}"), &format!("place of {name}"), "ada").await.expect("new");
    }
    (state, clock)
}

fn categories(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// Does what a caller does: writes what is lacking (here: nowhere) and confirms it.
async fn synchronise(state: &State, source: &str, of_source: &[&str]) -> Vec<Held> {
    let lacks = state.synchronisation(source, &categories(of_source)).await.expect("known");
    let rows = state.held_rows(source, &lacks.add).await.expect("rows");
    state.confirm(source, lacks.epoch, &lacks.add, &lacks.remove).await.expect("confirmed");
    assert!(state.synchronisation(source, &categories(of_source)).await.expect("known").is_empty());
    rows
}

async fn a_hold_is_pending_until_its_source_confirms(place: Place<'_>) {
    let (state, _) = with_sources(&place, &["app", "crm", "idle"]).await;
    let scope = HoldScope { sources: categories(&["app", "crm"]), ..HoldScope::default() };
    let placed = state.place_hold(hold(&[subject("account", "42")], scope, &["crm", "app"])).await.expect("placed");
    assert_eq!(placed.epochs, [("app".to_owned(), 1), ("crm".to_owned(), 1)]);
    let gate = state.gate("app").await.expect("gate");
    assert_eq!((gate.wanted, gate.confirmed), (1, 0));

    let lacks = state.synchronisation("app", &[]).await.expect("known");
    assert_eq!((lacks.epoch, lacks.add.as_slice(), lacks.remove.len()), (1, [placed.hold.id.clone()].as_slice(), 0));
    let row = Held { hold: placed.hold.id.clone(), scope: Scope::Source, subject: Some(subject("account", "42")) };
    assert_eq!(synchronise(&state, "app", &[]).await, [row]);
    assert_eq!(state.gate("app").await.expect("gate").confirmed, 1);
    assert_eq!(state.hold(&placed.hold.id).await.expect("read").expect("the hold").pending, ["crm"]);
    assert_eq!(synchronise(&state, "crm", &[]).await.len(), 1);
    assert_eq!(state.holds(false).await.expect("holds")[0].pending, [""; 0]);
    assert_eq!(synchronise(&state, "idle", &[]).await, []);
    assert_eq!(state.gate("idle").await.expect("gate").wanted, 0);
}

async fn a_released_hold_lapses_and_then_goes(place: Place<'_>) {
    let (state, clock) = with_sources(&place, &["app"]).await;
    let id = state.place_hold(hold(&[], HoldScope::default(), &["app"])).await.expect("placed").hold.id;
    let everything = synchronise(&state, "app", &[]).await;
    assert_eq!(everything, [Held { hold: id.clone(), scope: Scope::Source, subject: None }]);

    let released = state.release_hold(&id, "counsel", "settled", WEEK).await.expect("released");
    assert!(released.hold.released_at.is_some());
    assert!(state.holds(false).await.expect("holds").is_empty());
    assert_eq!(state.holds(true).await.expect("holds").len(), 1);
    assert!(matches!(state.release_hold(&id, "counsel", "again", WEEK).await, Err(Error::AlreadyReleased { .. })));
    assert!(matches!(state.release_hold("nobody", "counsel", "again", WEEK).await, Err(Error::UnknownHold(_))));

    clock.advance(SignedDuration::from_hours(7 * 24) - SignedDuration::from_micros(1));
    assert!(state.synchronisation("app", &[]).await.expect("known").is_empty());
    assert_eq!(state.status().await.expect("status").holds_active, 1);
    clock.advance(SignedDuration::from_micros(1));
    assert_eq!(state.status().await.expect("status").holds_active, 0);
    let lacks = state.synchronisation("app", &[]).await.expect("known");
    assert_eq!((lacks.add.len(), lacks.remove), (0, vec![id]));
    synchronise(&state, "app", &[]).await;
    assert!(verified(&state).await.is_sound());
}

async fn a_new_source_and_a_new_category_are_reached(place: Place<'_>) {
    let (state, clock) = with_sources(&place, &["app"]).await;
    let everywhere = state.place_hold(hold(&[subject("account", "1")], HoldScope::default(), &["app"])).await.expect("placed").hold.id;
    clock.advance(SignedDuration::from_secs(1));
    let scope = HoldScope {
        tables: vec![HeldTable { source: "app".to_owned(), schema: "public".to_owned(), table: "a.b".to_owned() }],
        categories: categories(&["mail", "calls"]),
        ..HoldScope::default()
    };
    let some = state.place_hold(hold(&[subject("account", "2")], scope, &["app"])).await.expect("placed").hold.id;
    assert_eq!(synchronise(&state, "app", &["mail"]).await.len(), 3);
    assert_eq!(state.gate("app").await.expect("gate").wanted, 2);

    // A category that comes later: the epoch is raised before anybody acts on it.
    let lacks = state.synchronisation("app", &categories(&["mail", "calls"])).await.expect("known");
    assert_eq!((lacks.epoch, lacks.confirmed, lacks.add.as_slice()), (3, 2, [some.clone()].as_slice()));
    assert_eq!(state.hold(&some).await.expect("read").expect("the hold").pending, ["app"]);
    let scopes: Vec<Scope> = synchronise(&state, "app", &["mail", "calls"]).await.into_iter().map(|row| row.scope).collect();
    assert!(scopes.contains(&Scope::Category("calls".to_owned())) && scopes.len() == 3, "{scopes:?}");
    // A category that goes leaves its rows: they do no harm.
    assert!(state.synchronisation("app", &[]).await.expect("known").is_empty());

    // A source that comes later.
    state.register_source("crm", "s", "f", "ada").await.expect("new");
    let lacks = state.synchronisation("crm", &categories(&["calls"])).await.expect("known");
    assert_eq!((lacks.epoch, lacks.add), (1, vec![everywhere, some]));
    assert_eq!(synchronise(&state, "crm", &["calls"]).await.len(), 2);
}

async fn a_confirmation_that_was_under_way_does_not_count(place: Place<'_>) {
    let (state, _) = with_sources(&place, &["app"]).await;
    let scope = HoldScope { categories: categories(&["mail", "calls"]), ..HoldScope::default() };
    let id = state.place_hold(hold(&[subject("account", "1")], scope, &["app"])).await.expect("placed").hold.id;
    let slow = state.synchronisation("app", &categories(&["mail"])).await.expect("known");
    let quick = state.synchronisation("app", &categories(&["mail", "calls"])).await.expect("known");
    assert!(slow.epoch < quick.epoch);
    state.confirm("app", slow.epoch, &slow.add, &[]).await.expect("confirmed");
    assert_eq!(state.hold(&id).await.expect("read").expect("the hold").pending, ["app"]);
    // Whoever knows less writes what is wanted, not what it knows.
    let narrow = state.synchronisation("app", &categories(&["mail"])).await.expect("known");
    assert_eq!(state.held_rows("app", &narrow.add).await.expect("rows").len(), 2);
    state.confirm("app", narrow.epoch, &narrow.add, &[]).await.expect("confirmed");
    assert_eq!(state.hold(&id).await.expect("read").expect("the hold").pending, [""; 0]);
    // An older epoch takes nothing back.
    state.confirm("app", 0, &[], &[]).await.expect("confirmed");
    assert_eq!(state.gate("app").await.expect("gate").confirmed, quick.epoch);
}

async fn a_removal_that_was_overtaken_is_done_again(place: Place<'_>) {
    let (state, clock) = with_sources(&place, &["app"]).await;
    let id = state.place_hold(hold(&[subject("account", "1")], HoldScope::default(), &["app"])).await.expect("placed").hold.id;
    let slow = state.synchronisation("app", &[]).await.expect("known");
    state.release_hold(&id, "counsel", "settled", Duration::ZERO).await.expect("released");
    clock.advance(SignedDuration::from_secs(1));
    synchronise(&state, "app", &[]).await;
    // The slow one writes the rows of a hold that has lapsed and gone.
    state.confirm("app", slow.epoch, &slow.add, &[]).await.expect("confirmed");
    assert_eq!(state.synchronisation("app", &[]).await.expect("known").remove, [id]);
    synchronise(&state, "app", &[]).await;
}

async fn many_subjects_are_kept_once_each(place: Place<'_>) {
    let (state, _) = with_sources(&place, &["app"]).await;
    let mut subjects: Vec<_> = (0..100_000).map(|number| subject("account", &format!("{number} \"Ä'\\"))).collect();
    subjects.extend_from_within(..10);
    subjects.push(subject("email", "0"));
    let placed = state.place_hold(hold(&subjects, HoldScope::default(), &["app"])).await.expect("placed");
    assert_eq!(placed.hold.subject_count, 100_001);
    let mut read = Vec::new();
    loop {
        let page = state.subjects(&placed.hold.id, read.last(), 30_000).await.expect("a page");
        if page.is_empty() {
            break;
        }
        read.extend(page);
    }
    read.sort_unstable();
    subjects.sort_unstable();
    subjects.dedup();
    assert!(read == subjects);
    assert_eq!(synchronise(&state, "app", &[]).await.len(), 100_001);
}

async fn a_hold_that_cannot_be_is_refused(place: Place<'_>) {
    let (state, _) = with_sources(&place, &["app"]).await;
    for (kind, value) in [("", "x"), ("account", ""), ("account", "a\0b"), ("account", &"x".repeat(2000))] {
        let refused = state.place_hold(hold(&[subject(kind, value)], HoldScope::default(), &["app"])).await;
        assert!(matches!(refused, Err(Error::UnfitSubject(_))), "{refused:?}");
    }
    let refused = state.place_hold(hold(&[], HoldScope::default(), &["nowhere"])).await;
    assert!(matches!(refused, Err(Error::UnknownSource(_))), "{refused:?}");
    assert_eq!(state.status().await.expect("status").entries, 2);
}

async fn the_ledger_names_nobody(place: Place<'_>) {
    let (state, _) = with_sources(&place, &["app"]).await;
    state.place_hold(hold(&[subject("account", "secret subject")], HoldScope::default(), &["app"])).await.expect("placed");
    let entry = state.entries(2, 1).await.expect("entries").remove(0);
    assert_eq!(
        [entry.text("matter"), entry.text("by"), entry.text("reason")],
        [Some("Smith v. Jones"), Some("counsel"), Some("letter of 3 June")]
    );
    let canonical = entry.canonical();
    for text in ["Smith", "counsel", "letter"] {
        assert!(!canonical.contains(text), "{canonical}");
    }
    assert!(!entry.to_line().contains("secret subject"));
    // Without its salt the digest of a single subject could be guessed.
    let Event::HoldPlaced { subjects_digest, .. } = entry.event else { panic!() };
    assert_ne!(subjects_digest, Commitment::to("", r#"[{"kind":"account","value":"secret subject"}]"#));
}

async fn holds_of_a_lost_state_are_taken_over(place: Place<'_>) {
    let (state, _) = place.create().await;
    let import = |source: &str, subjects: &[&str]| ImportedHold {
        id: "lost".to_owned(),
        source: source.to_owned(),
        scopes: vec![Scope::Source],
        subjects: subjects.iter().map(|value| subject("account", value)).collect(),
        by: "ada".to_owned(),
        reason: "the disk died".to_owned(),
    };
    state.import_hold(import("app", &["1", "2"])).await.expect("imported");
    let hold = state.import_hold(import("crm", &["2", "3"])).await.expect("imported");
    assert_eq!((hold.subject_count, hold.scope.sources), (3, categories(&["app", "crm"])));
    assert_eq!(state.import_hold(import("crm", &["4"])).await.expect("known").subject_count, 3);
    state.adopt_source("app", "s", "f", 9, "ada", "the disk died").await.expect("adopted");
    let lacks = state.synchronisation("app", &[]).await.expect("known");
    assert_eq!((lacks.epoch, lacks.add.as_slice()), (10, ["lost".to_owned()].as_slice()));
    assert_eq!(synchronise(&state, "app", &[]).await.len(), 3);
    // A hold on everything is not narrowed by names, wherever they are found.
    state.import_hold(ImportedHold { id: "all".to_owned(), ..import("app", &[]) }).await.expect("imported");
    let all = state.import_hold(ImportedHold { id: "all".to_owned(), ..import("crm", &["1"]) }).await.expect("imported");
    assert_eq!(all.subject_count, 0);
    assert!(verified(&state).await.is_sound());
}
