//! A document as text: what stands where, and how a part of it is replaced without touching the rest.
//!
//! serde_json reads the values; here is only kept where each of them begins and ends, because a document that is read and
//! written again would lose what it is not to lose: digits of long numbers, the order of members, doubled names.

use std::ops::Range;

use serde::de::IgnoredAny;

use crate::{fault, policy::Step};

/// SQLite reads no document of more than 1,000 levels.
const LEVELS: usize = 500;

/// Whether a text is a document, of levels that every engine reads.
pub(super) fn is_valid(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok() && levels(text) <= LEVELS
}

/// The deepest nesting of a document.
fn levels(text: &str) -> usize {
    let (mut deepest, mut level, mut in_string, mut escaped) = (0_usize, 0_usize, false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => level += 1,
            b']' | b'}' if !in_string => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

/// The document with the values at a place replaced by what `change` gives; `None` leaves one as it is written.
pub(super) fn rewritten(text: &str, path: &[Step], change: &dyn Fn(&str) -> Option<String>) -> String {
    let Some((step, rest)) = path.split_first() else {
        let value = text.trim_matches(is_blank);
        return change(value).map_or_else(|| text.to_owned(), |new| text.replacen(value, &new, 1));
    };
    let mut new = String::with_capacity(text.len());
    let mut written = 0;
    for part in parts(text).unwrap_or_default().into_iter().filter(|part| part.is_at(step)) {
        new.push_str(&text[written..part.value.start]);
        new.push_str(&rewritten(&text[part.value.clone()], rest, change));
        written = part.value.end;
        if *step == Step::Each && fault::seeded("json-first-only") {
            break;
        }
    }
    new.push_str(&text[written..]);
    new
}

/// The text of a string, number or boolean; `None` for anything else, and for a string that is no Unicode.
pub(super) fn scalar(json: &str) -> Option<String> {
    match json.as_bytes().first()? {
        b'"' => serde_json::from_str(json).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(json.to_owned()),
    }
}

fn is_blank(sign: char) -> bool {
    matches!(sign, ' ' | '\t' | '\n' | '\r')
}

/// A member of an object or an element of an array.
struct Part {
    /// `None` for an element; a member's is empty inside if it is no Unicode.
    name: Option<Option<String>>,
    value: Range<usize>,
}

impl Part {
    fn is_at(&self, step: &Step) -> bool {
        match (step, &self.name) {
            (Step::Each, None) => true,
            (Step::Member(wanted), Some(Some(name))) => wanted == name,
            _ => false,
        }
    }
}

/// What an object or an array consists of; `None` for any other value.
fn parts(text: &str) -> Option<Vec<Part>> {
    let mut cursor = Cursor { text, at: 0 };
    let is_object = cursor.take('{');
    if !is_object && !cursor.take('[') {
        return None;
    }
    let mut parts = Vec::new();
    while !cursor.take('}') && !cursor.take(']') {
        let name = if is_object {
            let name = cursor.value()?;
            cursor.take(':');
            Some(serde_json::from_str(&text[name]).ok())
        } else {
            None
        };
        parts.push(Part { name, value: cursor.value()? });
        cursor.take(',');
    }
    Some(parts)
}

/// A place in the text of a document that is known to be one.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl Cursor<'_> {
    fn skip_blanks(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches(is_blank).len();
    }

    /// Passes this sign if it comes next.
    fn take(&mut self, sign: char) -> bool {
        self.skip_blanks();
        let found = self.text[self.at..].starts_with(sign);
        self.at += usize::from(found);
        found
    }

    /// Passes a value, and says where it was.
    fn value(&mut self) -> Option<Range<usize>> {
        self.skip_blanks();
        let start = self.at;
        let mut values = serde_json::Deserializer::from_str(&self.text[start..]).into_iter::<IgnoredAny>();
        values.next()?.ok()?;
        self.at += values.byte_offset();
        Some(start..self.at)
    }
}
