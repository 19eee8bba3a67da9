//! The chain: an entry's canonical text, its line of JSON, and the hash that ties it to the one before.
//!
//! The canonical text is a JSON object: `seq`, `at`, `kind`, then `rule`, `source`, `table`, `action`, `rows` (null where
//! the kind has none), then what the kind needs, in the order of its declaration. A line of an export is the same object
//! with `prev`, `hash` and `texts` after it. Reading accepts only the very bytes that writing gives: two texts of one
//! entry would be a place to hide a change.

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{CommittedText, Entry, Event};
use crate::clock::hex;

/// What stands for the hash before the first entry.
pub const BEGINNING: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Begins what is hashed, so that no other use of SHA-256 gives the same hash; the number is the chain's version.
const DOMAIN: &str = "retentiond ledger entry 1";

/// The keys that every entry has, whatever its kind.
const FIRST_CLASS: [&str; 5] = ["rule", "source", "table", "action", "rows"];

/// An entry's text that isn't what retentiond writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// The hash of an entry with this canonical text that follows the entry with hash `prev`.
pub fn hash(prev: &str, canonical: &str) -> String {
    let mut hasher = Sha256::new();
    for part in [DOMAIN, prev, canonical] {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    hex(&hasher.finalize())
}

impl Entry {
    /// The entry that follows `prev`, with its hash.
    pub fn seal(seq: u64, at: Timestamp, event: Event, mut texts: Vec<CommittedText>, prev: &str) -> Self {
        arrange(&mut texts, &event);
        let hash = hash(prev, &canonical(seq, at, &event));
        Self { seq, at, event, prev: prev.to_owned(), hash, texts }
    }

    /// What is hashed.
    pub fn canonical(&self) -> String {
        canonical(self.seq, self.at, &self.event)
    }

    /// The entry of a canonical text and what is kept beside it, in any order.
    ///
    /// # Errors
    /// [`Unreadable`] if the text isn't canonical. Whether the hash fits is for `verify` to say.
    pub fn from_canonical(text: &str, prev: String, hash: String, mut texts: Vec<CommittedText>) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Canonical {
            seq: u64,
            at: Timestamp,
            #[serde(flatten)]
            event: Event,
        }
        let Canonical { seq, at, event } = serde_json::from_str(text).map_err(unreadable)?;
        arrange(&mut texts, &event);
        let entry = Self { seq, at, event, prev, hash, texts };
        if entry.canonical() == text { Ok(entry) } else { Err(not_canonical()) }
    }

    /// The entry as a line of an export, without a line feed.
    pub fn to_line(&self) -> String {
        Value::Object(self.object()).to_string()
    }

    /// The entry of a line of an export.
    ///
    /// # Errors
    /// [`Unreadable`] if these aren't the very bytes that [`Entry::to_line`] gives.
    pub fn from_line(line: &str) -> Result<Self, Unreadable> {
        #[derive(Deserialize)]
        struct Line {
            seq: u64,
            at: Timestamp,
            #[serde(flatten)]
            event: Event,
            prev: String,
            hash: String,
            #[serde(default)]
            texts: Vec<CommittedText>,
        }
        let Line { seq, at, event, prev, hash, texts } = serde_json::from_str(line).map_err(unreadable)?;
        let entry = Self { seq, at, event, prev, hash, texts };
        if entry.to_line() == line { Ok(entry) } else { Err(not_canonical()) }
    }

    /// The entry as the object that its line is.
    pub fn object(&self) -> Map<String, Value> {
        let mut object = canonical_object(self.seq, self.at, &self.event);
        object.insert("prev".to_owned(), self.prev.clone().into());
        object.insert("hash".to_owned(), self.hash.clone().into());
        if !self.texts.is_empty() {
            let texts = self.texts.iter().map(|text| serde_json::json!({ "field": text.field, "salt": text.salt, "text": text.text }));
            object.insert("texts".to_owned(), texts.collect());
        }
        object
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.object().serialize(serializer)
    }
}

/// What [`Entry::object`] gives.
impl JsonSchema for Entry {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Entry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let hash = || json_schema!({ "type": "string", "pattern": "^[0-9a-f]{64}$" });
        let mut properties = Map::new();
        let mut has = |name: &str, schema: Schema| properties.insert(name.to_owned(), schema.into());
        has("seq", json_schema!({ "type": "integer", "minimum": 1 }));
        has("at", generator.subschema_for::<Timestamp>());
        has("kind", json_schema!({ "type": "string" }));
        for key in FIRST_CLASS {
            has(key, json_schema!({ "type": [if key == "rows" { "integer" } else { "string" }, "null"] }));
        }
        has("prev", hash());
        has("hash", hash());
        let required: Vec<String> = properties.keys().cloned().collect();
        properties.insert("texts".to_owned(), generator.subschema_for::<Vec<CommittedText>>().into());
        let event = generator.subschema_for::<Event>();
        json_schema!({ "description": "One entry of the ledger: what every kind has, and what its kind needs",
            "type": "object", "properties": properties, "required": required, "allOf": [event] })
    }
}

fn canonical(seq: u64, at: Timestamp, event: &Event) -> String {
    Value::Object(canonical_object(seq, at, event)).to_string()
}

fn canonical_object(seq: u64, at: Timestamp, event: &Event) -> Map<String, Value> {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(event) else {
        unreachable!("an event is a struct with a tag: its JSON is an object");
    };
    let mut object = Map::new();
    object.insert("seq".to_owned(), seq.into());
    object.insert("at".to_owned(), at.to_string().into());
    object.insert("kind".to_owned(), fields.shift_remove("kind").unwrap_or_default());
    for key in FIRST_CLASS {
        object.insert(key.to_owned(), fields.shift_remove(key).unwrap_or_default());
    }
    object.append(&mut fields);
    object
}

/// Brings texts into the order in which the event names their fields.
fn arrange(texts: &mut [CommittedText], event: &Event) {
    let commitments = event.commitments();
    texts.sort_by_key(|text| commitments.iter().position(|(field, _)| *field == text.field));
}

fn unreadable(error: serde_json::Error) -> Unreadable {
    Unreadable(format!("it isn't an entry of a ledger: {error}"))
}

fn not_canonical() -> Unreadable {
    Unreadable("it isn't written as retentiond writes it".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::SeededRandomness,
        ledger::{Batch, Texts},
    };

    fn batch() -> Batch {
        Batch {
            sweep: "s1".to_owned(),
            rule: "aulm/message-log".to_owned(),
            source: "app".to_owned(),
            table: "message_logs".to_owned(),
            action: "delete".to_owned(),
            rows: 7,
            dragged: 0,
            lane: "l".to_owned(),
            lane_seq: 3,
            fence: 2,
            epoch: 5,
            cutoff: Some("2026-01-02T03:04:05.000006Z".parse().unwrap()),
            rule_digest: "r".to_owned(),
            statement_digest: "s".to_owned(),
            partition: None,
            without_address: None,
            archive: None,
            residue: None,
            evidence: None,
        }
    }

    /// The chain of an installation outlives every release: this text and this hash may never change.
    #[test]
    fn a_batch_is_written_and_hashed_as_it_always_was() {
        let at = "2026-02-03T04:05:06Z".parse().unwrap();
        let entry = Entry::seal(2, at, Event::BatchApplied(batch()), Vec::new(), BEGINNING);
        insta::assert_snapshot!(entry.to_line(), @r#"{"seq":2,"at":"2026-02-03T04:05:06Z","kind":"batch_applied","rule":"aulm/message-log","source":"app","table":"message_logs","action":"delete","rows":7,"sweep":"s1","dragged":0,"lane":"l","lane_seq":3,"fence":2,"epoch":5,"cutoff":"2026-01-02T03:04:05.000006Z","rule_digest":"r","statement_digest":"s","prev":"0000000000000000000000000000000000000000000000000000000000000000","hash":"240d90eb8ebf8c1c18e1be437f69e8ba1199c95d3b6e334fb951acfb97462758"}"#);
    }

    #[test]
    fn a_text_stands_beside_its_commitment() {
        let randomness = SeededRandomness::new(1);
        let mut texts = Texts::new(&randomness);
        let event = Event::Configuration {
            rule: None,
            what: "source_initialised".to_owned(),
            source: Some("app".to_owned()),
            by: texts.commit("by", "ada"),
            reason: texts.commit("reason", "first \"day\""),
        };
        let entry = Entry::seal(2, Timestamp::UNIX_EPOCH, event, texts.into_texts(), BEGINNING);
        assert!(!entry.canonical().contains("ada"));
        insta::assert_snapshot!(entry.to_line(), @r#"{"seq":2,"at":"1970-01-01T00:00:00Z","kind":"configuration","rule":null,"source":"app","table":null,"action":null,"rows":null,"what":"source_initialised","by":"123485584eff99ff5dfc65e5b0a6cf7d09a0e5322757e7d86b8baa88839788ff","reason":"f3793293b0dbbed57410c6fc2093c943eb55c225b7c4d58622d5b2573fc421b5","prev":"0000000000000000000000000000000000000000000000000000000000000000","hash":"0a1bf355607f150972a495883e5805cbfb1eab4983b48d2340efa9aa5cef6fc3","texts":[{"field":"by","salt":"611830d3641a68f94a690dcc25d1f4b0","text":"ada"},{"field":"reason","salt":"dac948325ac18f6dd32564371735f32c","text":"first \"day\""}]}"#);
    }

    #[test]
    fn a_line_is_read_only_as_it_was_written() {
        let entry = Entry::seal(1, Timestamp::UNIX_EPOCH, Event::BatchIntent(batch()), Vec::new(), BEGINNING);
        let line = entry.to_line();
        assert_eq!(Entry::from_line(&line).unwrap(), entry);
        for (from, to) in [
            ("{\"seq\"", "{ \"seq\""),
            ("\"dragged\":0", "\"dragged\":0,\"dragged\":0"),
            ("\"rows\":7", "\"rows\":7,\"more\":1"),
            ("00:00Z", "00:00.0Z"),
        ] {
            assert!(line.contains(from), "{from}");
            assert!(Entry::from_line(&line.replacen(from, to, 1)).is_err(), "{to}");
        }
    }

    #[test]
    fn every_kind_reads_back() {
        let randomness = SeededRandomness::new(2);
        let mut texts = Texts::new(&randomness);
        let events = [
            Event::Genesis { state_id: "x".to_owned() },
            Event::BatchIntent(batch()),
            Event::BatchApplied(batch()),
            Event::BatchAbandoned { batch: batch(), reason: "never committed".to_owned() },
            Event::HoldPlaced {
                hold: "h".to_owned(),
                matter: texts.commit("matter", "m"),
                subjects: 1,
                subjects_digest: texts.commit("subjects_digest", "d"),
                scope: serde_json::json!({ "sources": ["b", "a"] }),
                by: texts.commit("by", "b"),
                reason: texts.commit("reason", "r"),
            },
            Event::Approved {
                rule: "a/b".to_owned(),
                source: None,
                digest: "d".to_owned(),
                max_rows: Some(u64::MAX),
                guard: None,
                cutoff: None,
                rule_digest: None,
                by: texts.commit("by", "b"),
            },
            Event::Checkpoint { entries: 9 },
        ];
        for event in events {
            let entry = Entry::seal(1, Timestamp::UNIX_EPOCH, event, Vec::new(), BEGINNING);
            assert_eq!(Entry::from_line(&entry.to_line()).unwrap(), entry);
            let again = Entry::from_canonical(&entry.canonical(), entry.prev.clone(), entry.hash.clone(), Vec::new());
            assert_eq!(again.unwrap(), entry);
        }
    }
}
