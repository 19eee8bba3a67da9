//! What the state remembers of persons who let rules go or stop them, and of rules that are not enforced.

use retentiond::state::{Allowance, PauseScope, SweepEnd, SweepStart};

use super::{Place, approval, on_both, verified};

on_both!(
    an_approval_takes_the_place_of_the_one_before,
    an_approval_is_spent_by_a_sweep_that_took_everything,
    a_form_that_waits_for_nobody_is_remembered_and_its_changes_are_entered,
    pauses_last_until_each_is_ended,
    a_rule_is_blocked_since_it_first_was_for_that_reason,
    a_state_of_the_first_version_keeps_its_approvals,
);

async fn an_approval_takes_the_place_of_the_one_before(place: Place<'_>) {
    let (state, _) = place.create().await;
    assert_eq!(state.approval("p/r").await.expect("read"), None);
    state.approve(&approval("p/r", "d1", Some(100), "ada")).await.expect("approved");
    state.approve(&approval("p/r", "d2", None, "bob")).await.expect("approved");
    let found = state.approval("p/r").await.expect("read").expect("an approval");
    assert_eq!((found.rule_digest.as_str(), found.max_rows, found.by.as_str()), ("d2", None, "bob"));
    assert_eq!(found.allowance, Allowance::Unlimited);
    let entries = state.entries(1, 10).await.expect("entries");
    assert_eq!(entries.iter().map(|entry| entry.text("by")).collect::<Vec<_>>(), [Some("ada"), Some("bob")]);
    assert_eq!(entries[0].object()["max_rows"], 100);
    assert_eq!(entries[0].object()["rule_digest"], "d1");
}

async fn an_approval_is_spent_by_a_sweep_that_took_everything(place: Place<'_>) {
    let (state, _) = place.create().await;
    let start = SweepStart {
        rule: "p/r".to_owned(),
        source: "app".to_owned(),
        table: "t".to_owned(),
        action: "delete".to_owned(),
        cutoff: None,
        rule_digest: "d".to_owned(),
    };
    let end = |outcome: &str| SweepEnd { rows: 0, dragged: 0, batches: 0, outcome: outcome.to_owned(), reason: None };
    let before = state.sweep_started(start.clone()).await.expect("started");
    state.approve(&approval("p/r", "d", Some(7), "ada")).await.expect("approved");
    state.approve(&approval("p/other", "d", Some(7), "ada")).await.expect("approved");
    let allowance = async |rule: &str| state.approval(rule).await.expect("read").expect("an approval").allowance;
    // One that began before the approval, and one that was cut short, leave it as it is.
    state.sweep_ended(&before, end("complete")).await.expect("ended");
    let short = state.sweep_started(start.clone()).await.expect("started");
    state.sweep_ended(&short, end("paused")).await.expect("ended");
    assert_eq!(allowance("p/r").await, Allowance::Rows(7));
    let whole = state.sweep_started(start).await.expect("started");
    state.sweep_ended(&whole, end("complete")).await.expect("ended");
    assert_eq!(allowance("p/r").await, Allowance::Spent);
    assert_eq!(allowance("p/other").await, Allowance::Rows(7));
    state.spend_approval("p/other").await.expect("spent");
    assert_eq!(allowance("p/other").await, Allowance::Spent);
    // What was approved for no row at all lets none go beyond the usual guards.
    state.approve(&approval("p/r", "d", Some(0), "ada")).await.expect("approved");
    assert_eq!(allowance("p/r").await, Allowance::Spent);
}

async fn a_form_that_waits_for_nobody_is_remembered_and_its_changes_are_entered(place: Place<'_>) {
    let (state, _) = place.create().await;
    let auto =
        |digest: &str| retentiond::state::NewApproval { guard: retentiond::state::AUTO.to_owned(), ..approval("p/r", digest, None, "ada") };
    state.let_through(&auto("d1"), None).await.expect("remembered");
    assert_eq!(state.entries(1, 10).await.expect("entries"), []);
    state.let_through(&auto("d2"), Some("p/kept is gone")).await.expect("remembered");
    let found = state.approval("p/r").await.expect("read").expect("a form");
    assert_eq!((found.rule_digest.as_str(), found.allowance), ("d2", Allowance::Spent));
    let entries = state.entries(1, 10).await.expect("entries");
    assert_eq!(entries.len(), 1);
    assert_eq!((entries[0].event.kind(), entries[0].text("reason")), ("configuration", Some("p/kept is gone")));
    assert!(verified(&state).await.is_sound());
}

async fn pauses_last_until_each_is_ended(place: Place<'_>) {
    let (state, clock) = place.create().await;
    let (rule, source) = (PauseScope::Rule("p/r".to_owned()), PauseScope::Source("app".to_owned()));
    assert!(state.pause(&rule, "an incident", "ada").await.expect("paused"));
    assert!(!state.pause(&rule, "another", "bob").await.expect("asked"), "it is paused already");
    assert!(state.pause(&source, "maintenance", "bob").await.expect("paused"));
    state.close().await;
    let state = place.open(&clock).await.expect("the state");
    let reason = async |rule: &str, source: &str| state.pause_of(rule, source).await.expect("read").map(|pause| pause.reason);
    assert_eq!(reason("p/r", "app").await.as_deref(), Some("maintenance"), "the widest is named");
    assert_eq!(reason("p/other", "app").await.as_deref(), Some("maintenance"));
    assert_eq!(reason("p/r", "crm").await.as_deref(), Some("an incident"));
    assert_eq!(reason("p/other", "crm").await, None);
    assert!(state.pause(&PauseScope::All, "everything", "ada").await.expect("paused"));
    assert_eq!(reason("p/other", "crm").await.as_deref(), Some("everything"));
    for scope in [PauseScope::All, source] {
        assert!(state.resume(&scope, "over", "ada").await.expect("resumed"));
        assert!(!state.resume(&scope, "over", "ada").await.expect("asked"), "it goes on already");
    }
    assert_eq!(reason("p/r", "app").await.as_deref(), Some("an incident"), "each is ended by itself");
    let kinds: Vec<_> = state.entries(1, 10).await.expect("entries").iter().map(|entry| entry.event.kind()).collect();
    assert_eq!(kinds, ["paused", "paused", "paused", "resumed", "resumed"]);
    assert!(verified(&state).await.is_sound());
}

async fn a_rule_is_blocked_since_it_first_was_for_that_reason(place: Place<'_>) {
    let (state, clock) = place.create().await;
    let since = async || {
        let blocked = state.blocked().await.expect("read");
        blocked.into_iter().map(|one| format!("{} {} {} {}", one.rule, one.reason, one.message, one.since)).collect::<Vec<_>>()
    };
    state.block("p/r", "approval", "new").await.expect("kept");
    clock.advance(jiff::SignedDuration::from_hours(1));
    state.block("p/r", "approval", "still new").await.expect("kept");
    assert_eq!(since().await, ["p/r approval still new 2026-06-15T12:00:00Z"]);
    state.block("p/r", "max_share", "too much").await.expect("kept");
    assert_eq!(since().await, ["p/r max_share too much 2026-06-15T13:00:00Z"]);
    state.unblock("p/r").await.expect("forgotten");
    assert_eq!(since().await, [""; 0]);
}

async fn a_state_of_the_first_version_keeps_its_approvals(place: Place<'_>) {
    let (state, clock) = place.create().await;
    state.close().await;
    place.execute(
        "DROP TABLE pause; DROP TABLE blocked; DROP TABLE last_success; DROP TABLE residue; DROP TABLE approval; DROP TABLE evidence_leaf;
         DROP TABLE member; DROP TABLE leader; DROP TABLE walk; DROP TABLE part; ALTER TABLE schema_version DROP COLUMN oldest;
         CREATE TABLE approval (rule TEXT PRIMARY KEY, digest TEXT NOT NULL, max_rows BIGINT, approved_by TEXT NOT NULL, approved_at BIGINT NOT NULL);
         INSERT INTO approval VALUES ('p/r', 'd', 5, 'ada', 0); UPDATE schema_version SET version = 1",
    );
    let state = place.open(&clock).await.expect("the state");
    let found = state.approval("p/r").await.expect("read").expect("the approval");
    assert_eq!((found.rule_digest.as_str(), found.allowance), ("d", Allowance::Spent));
    assert_eq!(state.pauses().await.expect("read"), []);
}
