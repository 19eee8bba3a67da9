//! JSON Schema, as far as tables of TOML need it: what `retentiond schema` tells editors, so that they complete and
//! check what [`fields`](super::fields) will read.
//!
//! A schema can only say what a value looks like; what fits together is told by `check`. A new type of value is a
//! function like [`text`].

use serde_json::{Map, Value, json};

/// The dialect that editors for TOML understand best.
const DIALECT: &str = "http://json-schema.org/draft-07/schema#";

/// A key with what it means and what it takes.
pub type Key = (&'static str, Value);

/// A key; the sentence is what an editor shows.
pub fn key(name: &'static str, about: &str, mut takes: Value) -> Key {
    takes["description"] = Value::from(about);
    (name, takes)
}

/// A whole file.
pub fn document(title: &str, table: Value) -> Value {
    let mut schema = json!({ "$schema": DIALECT, "title": title });
    if let (Value::Object(schema), Value::Object(table)) = (&mut schema, table) {
        schema.extend(table);
    }
    schema
}

/// A table with these keys and no others.
pub fn table(required: &[&str], keys: Vec<Key>) -> Value {
    let properties: Map<String, Value> = keys.into_iter().map(|(name, takes)| (name.to_owned(), takes)).collect();
    let mut table = json!({ "type": "object", "additionalProperties": false, "properties": properties });
    if !required.is_empty() {
        table["required"] = Value::from(required);
    }
    table
}

/// A table whose keys the user chooses.
pub fn named(takes: Value) -> Value {
    json!({ "type": "object", "additionalProperties": takes })
}

/// A string.
pub fn text() -> Value {
    json!({ "type": "string", "minLength": 1 })
}

/// A string that looks like this.
pub fn pattern(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

/// One of these words.
pub fn word<'a>(words: impl IntoIterator<Item = &'a str>) -> Value {
    json!({ "type": "string", "enum": words.into_iter().collect::<Vec<_>>() })
}

/// A list of such values.
pub fn list(of: Value) -> Value {
    json!({ "type": "array", "items": of })
}

/// True or false.
pub fn boolean() -> Value {
    json!({ "type": "boolean" })
}

/// A whole number within bounds.
pub fn integer(least: u64, most: u64) -> Value {
    json!({ "type": "integer", "minimum": least, "maximum": most })
}

/// One of several forms.
pub fn any(forms: Vec<Value>) -> Value {
    json!({ "anyOf": forms })
}

/// A length of time: `"250ms"`, `"2s"`, `"1m"`.
pub fn duration() -> Value {
    pattern("^[0-9]")
}
