//! The ledger under many writers, and what a verification makes of a ledger that somebody changed.

use retentiond::ledger::Event;

use super::{Place, approval, on_both, verified};

on_both!(appends_at_once_keep_one_chain, what_is_changed_in_the_tables_shows, entries_come_in_pages, an_entry_of_no_effect_leaves_no_trace);

async fn appends_at_once_keep_one_chain(place: Place<'_>) {
    let (state, _) = place.create().await;
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let state = state.clone();
            tokio::spawn(async move {
                for number in 0..25 {
                    let what = format!("{writer} {number}");
                    let event = |texts: &mut retentiond::ledger::Texts<'_>| Event::Configuration {
                        rule: None,
                        by: texts.commit("by", &what),
                        reason: texts.commit("reason", "because"),
                        what: what.clone(),
                        source: None,
                    };
                    state.append(event).await.expect("an entry");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    let verification = verified(&state).await;
    assert!(verification.is_sound(), "{:?}", verification.problems);
    assert_eq!(verification.entries, 201);
    assert_eq!(verification.head, Some(state.head().await.expect("head")));
}

async fn what_is_changed_in_the_tables_shows(place: Place<'_>) {
    let (state, _) = place.create().await;
    for number in 0..5 {
        state.approve(&approval(&format!("p/{number}"), "d", Some(number), "ada")).await.expect("approved");
    }
    assert!(verified(&state).await.is_sound());
    for (change, back) in [
        (
            "UPDATE ledger SET canonical = replace(canonical, 'p/1', 'p/7') WHERE seq = 3",
            "UPDATE ledger SET canonical = replace(canonical, 'p/7', 'p/1') WHERE seq = 3",
        ),
        (
            "UPDATE ledger SET canonical = ' ' || canonical WHERE seq = 3",
            "UPDATE ledger SET canonical = substr(canonical, 2) WHERE seq = 3",
        ),
        ("UPDATE ledger SET hash = 'f' || hash WHERE seq = 3", "UPDATE ledger SET hash = substr(hash, 2) WHERE seq = 3"),
        ("UPDATE ledger_text SET body = 'bob' WHERE seq = 3", "UPDATE ledger_text SET body = 'ada' WHERE seq = 3"),
    ] {
        place.execute(change);
        let problems = verified(&state).await.problems;
        assert!(problems.iter().any(|problem| problem.seq == 3), "{change}: {problems:?}");
        place.execute(back);
        assert!(verified(&state).await.is_sound(), "{back}");
    }
    place.execute("DELETE FROM ledger_text WHERE seq = 4; DELETE FROM ledger WHERE seq = 4");
    assert!(!verified(&state).await.is_sound());
}

async fn entries_come_in_pages(place: Place<'_>) {
    let (state, _) = place.create().await;
    for number in 0..5 {
        state.approve(&approval(&format!("p/{number}"), "d", None, "ada")).await.expect("approved");
    }
    let all = state.entries(0, 100).await.expect("entries");
    assert_eq!(all.len(), 6);
    assert_eq!(state.entries(2, 3).await.expect("entries"), all[2..5]);
    assert_eq!(state.entries(6, 3).await.expect("entries"), []);
    assert!(all.iter().skip(1).all(|entry| entry.text("by") == Some("ada")));
}

/// A process that is cut off inside a transaction leaves neither half of it, and the connection is as new.
async fn an_entry_of_no_effect_leaves_no_trace(place: Place<'_>) {
    let (state, _) = place.create().await;
    state.register_source("app", "s", "f", "ada").await.expect("new");
    let before = state.status().await.expect("status");
    // Fails at its last source, behind the hold, its subjects and the first epoch.
    let hold = super::hold(&[super::subject("account", "1")], Default::default(), &["app", "zzz"]);
    assert!(state.place_hold(hold).await.is_err());
    assert_eq!(state.status().await.expect("status"), before);
    assert!(state.holds(true).await.expect("holds").is_empty());
    for _ in 0..20 {
        state.approve(&approval("p/r", "d", None, "ada")).await.expect("the connection serves again");
    }
    assert!(verified(&state).await.is_sound());
}
