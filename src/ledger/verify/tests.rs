use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{
    clock::SeededRandomness,
    ledger::{Texts, chain::BEGINNING},
};

/// Builds a ledger as the state writes it.
struct Ledger {
    entries: Vec<Entry>,
    randomness: SeededRandomness,
}

impl Ledger {
    fn new() -> Self {
        let mut ledger = Self { entries: Vec::new(), randomness: SeededRandomness::new(7) };
        ledger.append(|_| Event::Genesis { state_id: "state".to_owned() });
        ledger
    }

    fn append(&mut self, event: impl FnOnce(&mut Texts<'_>) -> Event) -> String {
        let mut texts = Texts::new(&self.randomness);
        let event = event(&mut texts);
        let prev = self.entries.last().map_or(BEGINNING, |entry| &entry.hash);
        let entry = Entry::seal(self.entries.len() as u64 + 1, Timestamp::UNIX_EPOCH, event, texts.into_texts(), prev);
        let hash = entry.hash.clone();
        self.entries.push(entry);
        hash
    }

    /// Returns the hash of the intent.
    fn applied(&mut self, batch: &Batch) -> String {
        let hash = self.append(|_| Event::BatchIntent(batch.clone()));
        self.append(|_| Event::BatchApplied(batch.clone()));
        hash
    }

    fn verify(&self) -> Verification {
        verify(self.entries.iter().cloned().map(Ok))
    }

    fn anchored(&self, anchors: &[Anchor]) -> Vec<String> {
        let mut verifier = Verifier::default();
        self.entries.iter().for_each(|entry| verifier.push(Ok(entry.clone())));
        verifier.check_anchors("app", anchors);
        verifier.finish().problems.into_iter().map(|problem| problem.what).collect()
    }
}

fn batch(lane: &str, lane_seq: u64) -> Batch {
    Batch {
        sweep: "sweep".to_owned(),
        rule: "p/r".to_owned(),
        source: "app".to_owned(),
        table: "events".to_owned(),
        action: "delete".to_owned(),
        rows: 10 + lane_seq,
        dragged: 0,
        lane: lane.to_owned(),
        lane_seq,
        fence: 1,
        epoch: 0,
        cutoff: Some(Timestamp::UNIX_EPOCH),
        rule_digest: "d".to_owned(),
        statement_digest: "s".to_owned(),
        partition: None,
        without_address: None,
        archive: None,
        residue: None,
        evidence: None,
    }
}

fn anchor(lane: &str, seq: u64, intent_hash: &str) -> Anchor {
    Anchor { lane: lane.to_owned(), seq, rows: 10 + seq, intent_hash: intent_hash.to_owned() }
}

/// Every kind of entry that has something of its own to verify.
fn sample() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.append(|texts| Event::Configuration {
        rule: None,
        what: "source_initialised".to_owned(),
        source: Some("app".to_owned()),
        by: texts.commit("by", "ada"),
        reason: texts.commit("reason", "first \"day\"\nof many"),
    });
    ledger.applied(&batch("a", 1));
    ledger.append(|_| Event::BatchIntent(batch("a", 2)));
    ledger.applied(&batch("b", 1));
    ledger.append(|_| Event::BatchAbandoned { batch: batch("a", 2), reason: "never committed".to_owned() });
    ledger.append(|texts| Event::HoldReleased {
        hold: "h".to_owned(),
        lapses_at: Timestamp::UNIX_EPOCH,
        by: texts.commit("by", "bob"),
        reason: texts.commit("reason", "settled"),
    });
    ledger.applied(&batch("a", 3));
    let erased = &mut ledger.entries[1].texts[0];
    erased.salt.clear();
    erased.text = None;
    ledger
}

fn whats(verification: &Verification) -> Vec<(u64, &str)> {
    verification.problems.iter().map(|problem| (problem.seq, problem.what.as_str())).collect()
}

fn export(ledger: &Ledger) -> String {
    ledger.entries.iter().map(|entry| entry.to_line() + "\n").collect()
}

fn verify_export(text: &str) -> Verification {
    verify(text.split_terminator('\n').map(Entry::from_line))
}

#[test]
fn a_ledger_as_it_is_written_is_sound() {
    let ledger = sample();
    let verification = verify_export(&export(&ledger));
    assert!(verification.is_sound(), "{:?}", verification.problems);
    assert_eq!(verification.entries, 11);
    assert_eq!(verification.head, ledger.entries.last().map(|entry| (11, entry.hash.clone())));
    assert_eq!(verification.state_id.as_deref(), Some("state"));
    assert_eq!(verification.open, []);
}

#[test]
fn an_open_intent_is_told_and_is_no_problem() {
    let mut ledger = sample();
    ledger.append(|_| Event::BatchIntent(batch("b", 2)));
    let verification = ledger.verify();
    assert!(verification.is_sound());
    assert_eq!(verification.open, [OpenBatch { source: "app".to_owned(), lane: "b".to_owned(), lane_seq: 2, entry: 12 }]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn a_changed_byte_is_found(place: prop::sample::Index, mask in 1_u8..=255) {
        let mut bytes = export(&sample()).into_bytes();
        let place = place.index(bytes.len());
        bytes[place] ^= mask;
        prop_assert!(!verify_export(&String::from_utf8_lossy(&bytes)).is_sound());
    }
}

#[test]
fn a_line_removed_doubled_or_moved_is_found() {
    let lines: Vec<Entry> = sample().entries;
    let last = lines.len() - 1;
    for place in 0..=last {
        let mut doubled = lines.clone();
        doubled.insert(place, lines[place].clone());
        assert!(!verify(doubled.into_iter().map(Ok)).is_sound(), "{place} doubled");
        if place == last {
            continue;
        }
        let mut removed = lines.clone();
        removed.remove(place);
        assert!(!verify(removed.into_iter().map(Ok)).is_sound(), "{place} removed");
        let mut swapped = lines.clone();
        swapped.swap(place, place + 1);
        assert!(!verify(swapped.into_iter().map(Ok)).is_sound(), "{place} swapped");
    }
}

#[test]
fn a_change_is_told_where_it_is() {
    let mut ledger = sample();
    let Event::BatchApplied(applied) = &mut ledger.entries[3].event else { panic!() };
    applied.table = "other".to_owned();
    assert_eq!(
        whats(&ledger.verify()),
        [(4, "its text was changed: it doesn't have its hash"), (4, "it isn't the outcome of the batch that entry 3 announces")]
    );
    let mut ledger = sample();
    ledger.entries.remove(1);
    assert_eq!(whats(&ledger.verify()), [(3, "it stands where entry 2 should"), (3, "it doesn't follow the entry before it")]);
}

#[test]
fn a_changed_text_is_told_and_an_erased_one_is_not() {
    let mut ledger = sample();
    ledger.entries[1].texts[1].text = Some("another".to_owned());
    assert_eq!(whats(&ledger.verify()), [(2, "its reason was changed: it isn't the text that the chain commits to")]);
    ledger.entries[1].texts.pop();
    assert_eq!(whats(&ledger.verify()), [(2, "the texts beside it aren't those it commits to")]);
}

#[test]
fn outcomes_and_intents_belong_together() {
    let mut ledger = Ledger::new();
    ledger.append(|_| Event::BatchApplied(batch("a", 1)));
    ledger.applied(&batch("a", 2));
    ledger.append(|_| Event::BatchAbandoned { batch: batch("a", 2), reason: String::new() });
    ledger.append(|_| Event::BatchIntent(batch("a", 2)));
    ledger.append(|_| Event::BatchIntent(batch("a", 3)));
    ledger.append(|_| Event::BatchApplied(Batch { rows: 1, ..batch("a", 3) }));
    ledger.append(|_| Event::BatchIntent(Batch { fence: 0, ..batch("a", 4) }));
    assert_eq!(
        whats(&ledger.verify()),
        [
            (2, "batch 1 of lane a has no intent"),
            (5, "batch 2 of lane a was settled before"),
            (6, "lane a goes back from batch 2 to 2"),
            (7, "lane a has an intent already, entry 6, without an outcome"),
            (8, "it isn't the outcome of the batch that entry 7 announces"),
            (9, "lane a goes back from fence 1 to 0"),
        ]
    );
}

#[test]
fn problems_are_counted_where_they_are_too_many() {
    let verification = verify((0..250).map(|_| Err(Unreadable("no".to_owned()))));
    assert_eq!((verification.problems.len(), verification.further_problems), (100, 150));
    assert!(!verification.is_sound());
}

#[test]
fn anchors_agree_with_what_was_written() {
    let mut ledger = Ledger::new();
    let first = ledger.applied(&batch("a", 1));
    assert_eq!(ledger.anchored(&[anchor("a", 1, &first), anchor("idle", 0, "")]), [""; 0]);
    // The batch committed, and its outcome isn't entered yet; or it hasn't committed.
    let second = ledger.append(|_| Event::BatchIntent(batch("a", 2)));
    assert_eq!(ledger.anchored(&[anchor("a", 2, &second)]), [""; 0]);
    assert_eq!(ledger.anchored(&[anchor("a", 1, &first)]), [""; 0]);
}

#[test]
fn a_ledger_cut_at_its_end_shows_at_the_anchors() {
    let mut ledger = Ledger::new();
    ledger.applied(&batch("a", 1));
    let second = ledger.applied(&batch("a", 2));
    let anchors = [anchor("a", 2, &second)];
    for kept in 1..4 {
        let cut = Ledger { entries: ledger.entries[..kept].to_vec(), randomness: SeededRandomness::new(1) };
        assert!(cut.verify().is_sound());
        assert_eq!(cut.anchored(&anchors), [format!("source app, lane a: {AHEAD}")], "{kept} kept");
    }
    // Cut behind the intent: the batch is open again, which the next settlement repairs.
    let cut = Ledger { entries: ledger.entries[..4].to_vec(), randomness: SeededRandomness::new(1) };
    assert_eq!(cut.anchored(&anchors), [""; 0]);
}

#[test]
fn a_ledger_written_anew_shows_at_the_anchors() {
    let mut ledger = Ledger::new();
    let hash = ledger.applied(&batch("a", 1));
    assert_eq!(ledger.anchored(&[anchor("a", 1, "another")]), [format!("source app, lane a: {DIFFERENT}")]);
    let fewer = Anchor { rows: 1, ..anchor("a", 1, &hash) };
    assert_eq!(ledger.anchored(&[fewer]), [format!("source app, lane a: {COUNT}")]);
}

#[test]
fn a_restored_source_shows_at_its_anchors_until_it_is_adopted() {
    let mut ledger = Ledger::new();
    let first = ledger.applied(&batch("a", 1));
    ledger.applied(&batch("a", 2));
    let restored = [format!("source app, lane a: {BEHIND}")];
    assert_eq!(ledger.anchored(&[anchor("a", 1, &first)]), restored);
    assert_eq!(ledger.anchored(&[]), restored);
    ledger.append(|texts| Event::Configuration {
        rule: None,
        what: SOURCE_ADOPTED.to_owned(),
        source: Some("app".to_owned()),
        by: texts.commit("by", "ada"),
        reason: texts.commit("reason", "backup of Monday"),
    });
    assert_eq!(ledger.anchored(&[]), [""; 0]);
    let third = ledger.applied(&batch("a", 3));
    assert_eq!(ledger.anchored(&[anchor("a", 3, &third)]), [""; 0]);
}

#[test]
fn a_lane_that_moves_while_it_is_verified_is_no_problem() {
    let mut ledger = Ledger::new();
    let first = ledger.applied(&batch("a", 1));
    let head = ledger.entries.len() as u64;
    let second = ledger.applied(&batch("a", 2));
    ledger.applied(&batch("a", 3));
    for anchors in [[anchor("a", 1, &first)], [anchor("a", 2, &second)]] {
        let mut verifier = Verifier::settled_through(head);
        ledger.entries.iter().for_each(|entry| verifier.push(Ok(entry.clone())));
        verifier.check_anchors("app", &anchors);
        assert_eq!(verifier.finish().problems, []);
    }
}
