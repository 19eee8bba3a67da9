//! JSON documents, written as PostgreSQL writes `jsonb`: the generator has them in that form on every engine.

use serde_json::Value;

use super::{Strategy, strategies};

/// The document with what each strategy makes of the values at its place.
pub fn changed(text: &str, places: &[(Vec<&'static str>, Strategy)], pepper: &[u8]) -> String {
    let Ok(mut document) = serde_json::from_str::<Value>(text) else { return unreadable(text) };
    for (path, strategy) in places {
        at(&mut document, path, &mut |value| {
            let new = match (&*value, strategy) {
                (Value::Null, _) => strategies::act(strategy, pepper, None),
                (Value::Object(_) | Value::Array(_), Strategy::Fixed { value, .. }) => Some(value.clone()),
                (Value::Object(_) | Value::Array(_), _) => None,
                (Value::String(text), _) => strategies::act(strategy, pepper, Some(text)),
                (other, _) => strategies::act(strategy, pepper, Some(&other.to_string())),
            };
            *value = new.map_or(Value::Null, Value::String);
        });
    }
    written(&document)
}

/// Whether every place has nothing, or a string or null that is done.
pub fn is_done(text: &str, places: &[(Vec<&'static str>, Strategy)]) -> bool {
    let Ok(mut document) = serde_json::from_str::<Value>(text) else { return unreadable(text) == text };
    places.iter().all(|(path, strategy)| {
        let mut done = true;
        at(&mut document, path, &mut |value| {
            done &= match value {
                Value::Null => strategies::is_done(strategy, None),
                Value::String(text) => strategies::is_done(strategy, Some(text)),
                _ => false,
            };
        });
        done
    })
}

fn unreadable(text: &str) -> String {
    if text.is_empty() { String::new() } else { "null".to_owned() }
}

fn at(value: &mut Value, path: &[&str], then: &mut dyn FnMut(&mut Value)) {
    match (path.split_first(), value) {
        (None, value) => then(value),
        (Some((&"*", rest)), Value::Array(elements)) => elements.iter_mut().for_each(|element| at(element, rest, then)),
        (Some((name, rest)), Value::Object(members)) => {
            if let Some(member) = members.get_mut(*name) {
                at(member, rest, then);
            }
        }
        _ => {}
    }
}

/// With a blank behind every colon and comma.
fn written(value: &Value) -> String {
    match value {
        Value::Array(elements) => format!("[{}]", elements.iter().map(written).collect::<Vec<_>>().join(", ")),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| format!("{}: {}", Value::from(name.as_str()), written(value)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(", "))
        }
        other => other.to_string(),
    }
}
