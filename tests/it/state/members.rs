//! Who shares the state, and which of them leads.

use std::time::Duration;

use jiff::SignedDuration;
use retentiond::state::{Error, Owner};

use super::{Place, on_both};

const LEASE: Duration = Duration::from_secs(30);

on_both!(
    of_several_one_leads_until_it_is_gone,
    whoever_leaves_is_followed_at_once,
    tables_that_a_newer_version_only_added_to_will_do,
    tables_that_are_too_new_are_written_to_no_more,
);

/// A process of another host, of which only its lease tells whether it lives.
fn daemon(name: &str) -> Owner {
    Owner { host: name.to_owned(), processes: "elsewhere".to_owned(), pid: 1, started: 1, instance: name.to_owned() }
}

async fn of_several_one_leads_until_it_is_gone(place: Place<'_>) {
    let (state, clock) = place.create().await;
    let (ada, ben) = (daemon("ada"), daemon("ben"));
    for _ in 0..2 {
        assert!(state.beat(&ada, LEASE, true).await.expect("a beat"));
        assert!(!state.beat(&ben, LEASE, true).await.expect("a beat"));
    }
    let members = state.members().await.expect("members");
    let told: Vec<_> = members.iter().map(|member| (member.owner.host.as_str(), member.leads)).collect();
    assert_eq!(told, [("ada", true), ("ben", false)]);
    // One that is silent for less than its lease is not gone yet.
    clock.advance(SignedDuration::from_secs(29));
    assert!(!state.beat(&ben, LEASE, true).await.expect("a beat"));
    clock.advance(SignedDuration::from_secs(2));
    assert!(state.beat(&ben, LEASE, true).await.expect("a beat"));
    assert!(!state.beat(&ada, LEASE, true).await.expect("a beat"), "it slept, and is back");
    clock.advance(SignedDuration::from_mins(5));
    assert!(state.members().await.expect("members").is_empty());
}

async fn whoever_leaves_is_followed_at_once(place: Place<'_>) {
    let (state, _) = place.create().await;
    let (ada, ben) = (daemon("ada"), daemon("ben"));
    assert!(state.beat(&ada, LEASE, true).await.expect("a beat"));
    // One that drains lives, and lets another lead.
    assert!(!state.beat(&ada, LEASE, false).await.expect("a beat"));
    assert!(state.beat(&ben, LEASE, true).await.expect("a beat"));
    state.leave(&ben).await.expect("gone");
    assert!(!state.beat(&ada, LEASE, false).await.expect("a beat"));
    let members = state.members().await.expect("members");
    assert_eq!(members.iter().map(|member| (member.owner.host.as_str(), member.leads)).collect::<Vec<_>>(), [("ada", false)]);
}

async fn tables_that_a_newer_version_only_added_to_will_do(place: Place<'_>) {
    let (state, clock) = place.create().await;
    place.execute("ALTER TABLE lane ADD COLUMN later TEXT; UPDATE schema_version SET version = 99");
    state.register_source("app", "s1", "f1", "ada").await.expect("it goes on");
    let again = place.open(&clock).await.expect("and opens it again");
    assert_eq!(again.status().await.expect("its status").schema_version, 99, "as it was");
}

async fn tables_that_are_too_new_are_written_to_no_more(place: Place<'_>) {
    let (state, _) = place.create().await;
    place.execute("UPDATE schema_version SET version = 99, oldest = 99");
    let refused = state.register_source("app", "s1", "f1", "ada").await;
    assert!(matches!(refused, Err(Error::TooNew { found: 99, .. })), "{refused:?}");
    assert!(matches!(state.beat(&daemon("ada"), LEASE, true).await, Err(Error::TooNew { .. })));
    assert!(state.sources().await.expect("sources").is_empty());
}
