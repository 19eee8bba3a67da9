//! Rows of `held`: how a held subject is written, so that columns of any type find it by an index.

use sqlx::{Row as _, postgres::PgRow};

use super::errors::Failure;
use crate::{
    engine::Error,
    hold::{Held, HeldSubject, Scope},
};

/// Rows of `held` as columns, for one `unnest`.
pub(super) struct Columns {
    pub holds: Vec<String>,
    pub scopes: Vec<String>,
    pub kinds: Vec<String>,
    pub values: Vec<String>,
    /// The value as a number, where it is one: what numeric columns are compared with.
    pub numbers: Vec<Option<String>>,
    /// The value as a UUID, where it is one.
    pub uuids: Vec<Option<String>>,
}

impl Columns {
    /// A hold on everything in its scope has the empty kind and value, which no subject has.
    pub fn of(rows: &[Held]) -> Self {
        let subject = |row: &Held| row.subject.clone().map_or_else(Default::default, |subject| (subject.kind, subject.value));
        let (kinds, values): (Vec<_>, Vec<_>) = rows.iter().map(subject).unzip();
        Self {
            holds: rows.iter().map(|row| row.hold.clone()).collect(),
            scopes: rows.iter().map(|row| row.scope.key()).collect(),
            numbers: values.iter().map(|value| number(value)).collect(),
            uuids: values.iter().map(|value| uuid(value)).collect(),
            kinds,
            values,
        }
    }
}

/// A row `hold, scope, kind, value`.
pub(super) fn decode(row: &PgRow) -> Result<Held, Error> {
    let (hold, scope, kind, value): (String, String, String, String) =
        (|| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)))()
            .map_err(|error| Failure { what: "reading holds", error })?;
    let scope = parse_scope(&scope)
        .ok_or_else(|| Error::Database("the workspace has a hold whose scope this retentiond does not know".to_owned()))?;
    let subject = (!kind.is_empty()).then_some(HeldSubject { kind, value });
    Ok(Held { hold, scope, subject })
}

/// The inverse of [`Scope::key`].
fn parse_scope(key: &str) -> Option<Scope> {
    if key == "*" {
        return Some(Scope::Source);
    }
    if let Some(json) = key.strip_prefix("table:") {
        let [schema, table] = serde_json::from_str(json).ok()?;
        return Some(Scope::Table { schema, table });
    }
    serde_json::from_str(key.strip_prefix("category:")?).ok().map(Scope::Category)
}

/// The value as `numeric` reads it, if it is a plain decimal of a length that fits.
fn number(value: &str) -> Option<String> {
    let trimmed = value.trim_ascii();
    let digits = trimmed.strip_prefix(['+', '-']).unwrap_or(trimmed);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let plain = !digits.is_empty() && digits != "." && digits.len() <= 1_000 && all_digits(whole) && all_digits(fraction);
    plain.then(|| trimmed.to_owned())
}

/// The value as `uuid` reads it: 32 hexadecimal digits in either case, with or without hyphens and braces.
fn uuid(value: &str) -> Option<String> {
    let value = value.trim_ascii();
    let value = value.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')).unwrap_or(value);
    let digits: String = value.chars().filter(|c| *c != '-').collect();
    (digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| digits.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_that_numeric_reads() {
        for text in ["0", "42", "-1", "+7", "0042", "1.50", ".5", "5.", " 12 ", "123456789012345678901234567890"] {
            assert!(number(text).is_some(), "{text:?}");
        }
        for text in ["", " ", ".", "-", "1e3", "0x10", "NaN", "1_000", "1.2.3", "٣", "1\u{a0}", &"1".repeat(1_001)] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn uuids_are_read_in_every_spelling() {
        let canonical = Some("a0eebc999c0b4ef8bb6d6bb9bd380a11".to_owned());
        for text in [
            "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11",
            "{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}",
            "a0eebc999c0b4ef8bb6d6bb9bd380a11",
        ] {
            assert_eq!(uuid(text), canonical, "{text:?}");
        }
        for text in ["", "a0eebc99", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1g", "42"] {
            assert_eq!(uuid(text), None, "{text:?}");
        }
    }

    #[test]
    fn every_scope_comes_back_from_its_key() {
        for scope in [
            Scope::Source,
            Scope::Table { schema: "a \"b\"".to_owned(), table: "c.d".to_owned() },
            Scope::Category("message log".to_owned()),
        ] {
            assert_eq!(parse_scope(&scope.key()), Some(scope));
        }
        assert_eq!(parse_scope("tenant:[]"), None);
    }
}
