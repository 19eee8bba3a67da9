//! Keyed digests: what the ledger keeps of a row's key or a subject, without a value of it.
//!
//! A digest is HMAC-SHA-256 of a list of texts, each as its length in bytes (eight bytes, the highest first) and its bytes
//! in UTF-8. The list of a row is [`DOMAIN`], `row`, source, schema, table, and of each column of the key its name and its
//! value's text, in the key's order; that of a subject is [`DOMAIN`], `subject`, source, schema, table, kind and value. A NULL
//! in a key has no text, and none in the list.
//!
//! A value's text is what its [`Form`] makes of it. A new form is a variant there, and a line in `docs/evidence.md`.

use hmac::{Hmac, KeyInit as _, Mac as _};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::Sha256;

use super::merkle::{self, Hash};
use crate::{
    clock::hex,
    secret::Key,
    sql::{
        canonical_of,
        selection::{Cell, TypeClass},
        uuid_of,
    },
};

/// Begins what is digested; the number is the version.
pub const DOMAIN: &str = "retentiond evidence 1";

/// What stands in a batch's entry beside its counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Digested {
    /// `row` or `subject`.
    pub level: String,
    /// What tells the key from another, and nothing else of it.
    pub key: String,
    pub schema: String,
    /// The columns of the key in their order, or the kinds of subjects.
    pub of: Vec<Part>,
    /// How many digests the batch has.
    pub leaves: u64,
    /// The root of the Merkle tree over them, in hex.
    pub root: String,
}

/// A column or a kind of subject.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Part {
    pub name: String,
    pub form: Form,
}

/// How the text of a value is written, so that what is equal in the column has one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// As the database writes it.
    Text,
    /// Without blanks at its end.
    Padded,
    /// Without blanks at its end, A to Z in lower case.
    Folded,
    /// Without zeros at its beginning.
    Integer,
    /// Without zeros at its beginning and behind the point.
    Decimal,
    /// The shortest decimal that reads as the same number.
    Float,
    /// `true` or `false`.
    Boolean,
    /// In lower case with dashes.
    Uuid,
    /// `\x` and lower-case hexadecimal digits.
    Bytes,
    /// In its shortest form.
    Inet,
}

impl Form {
    /// That of a column of this class.
    pub fn of(class: TypeClass) -> Self {
        match class {
            TypeClass::Boolean => Self::Boolean,
            TypeClass::Integer => Self::Integer,
            TypeClass::Float => Self::Float,
            TypeClass::Decimal => Self::Decimal,
            TypeClass::FoldedText => Self::Folded,
            TypeClass::PaddedText => Self::Padded,
            TypeClass::Uuid => Self::Uuid,
            TypeClass::Inet => Self::Inet,
            TypeClass::Bytes => Self::Bytes,
            _ => Self::Text,
        }
    }

    /// The text of a value that a person or a database wrote. What isn't of the form stays as it is.
    pub fn text(self, text: &str) -> String {
        match self {
            Self::Text => text.to_owned(),
            Self::Padded => text.trim_end_matches(' ').to_owned(),
            Self::Folded => text.trim_end_matches(' ').to_ascii_lowercase(),
            Self::Integer => text.parse::<i128>().map_or_else(|_| text.to_owned(), |number| number.to_string()),
            Self::Decimal => decimal(text).unwrap_or_else(|| text.to_owned()),
            Self::Float => text.parse::<f64>().map_or_else(|_| text.to_owned(), |number| number.to_string()),
            Self::Boolean => match text.to_ascii_lowercase().as_str() {
                "1" | "t" | "true" => "true".to_owned(),
                "0" | "f" | "false" => "false".to_owned(),
                _ => text.to_owned(),
            },
            Self::Uuid => uuid_of(text).unwrap_or_else(|| text.to_owned()),
            Self::Bytes if text.starts_with("\\x") => text.to_ascii_lowercase(),
            Self::Bytes => format!("\\x{}", hex(text.as_bytes())),
            Self::Inet => canonical_of(text).unwrap_or_else(|| text.to_owned()),
        }
    }

    /// The text of a value that a database returned; `None`: NULL.
    pub fn of_cell(self, cell: &Cell) -> Option<String> {
        Some(match cell {
            Cell::Null => return None,
            Cell::Integer(number) => self.text(&number.to_string()),
            Cell::Real(number) => self.text(&number.to_string()),
            Cell::Text(text) => self.text(text),
            Cell::Bytes(bytes) => format!("\\x{}", hex(bytes)),
        })
    }
}

/// `None`: that is no decimal number.
fn decimal(text: &str) -> Option<String> {
    let (minus, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    let whole = if whole.is_empty() { "0" } else { whole };
    let minus = if whole == "0" && fraction.is_empty() { "" } else { minus };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!("{minus}{whole}{point}{fraction}"))
}

/// The table that digests are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    pub source: &'a str,
    pub schema: &'a str,
    pub table: &'a str,
}

/// Makes digests. It never shows its key.
#[derive(Clone)]
pub struct Digester(Hmac<Sha256>);

impl std::fmt::Debug for Digester {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digester(…)")
    }
}

impl Digester {
    /// One with this key.
    #[expect(clippy::missing_panics_doc, reason = "HMAC takes keys of any length")]
    pub fn new(key: &Key) -> Self {
        Self(Hmac::new_from_slice(key.expose()).expect("HMAC takes keys of any length"))
    }

    /// What tells this key from another: 64 bits of a digest that is made for nothing else.
    pub fn fingerprint(&self) -> String {
        hex(&self.digest(["retentiond evidence key 1"])[..8])
    }

    /// The digest of a row by the columns of its key, each with its value's text.
    pub fn row<'a>(&self, place: Place<'a>, key: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Hash {
        let Place { source, schema, table } = place;
        let key = key.into_iter().flat_map(|(name, text)| std::iter::once(name).chain(text));
        self.digest([DOMAIN, "row", source, schema, table].into_iter().chain(key))
    }

    /// The digest of a subject.
    pub fn subject(&self, Place { source, schema, table }: Place<'_>, kind: &str, text: &str) -> Hash {
        self.digest([DOMAIN, "subject", source, schema, table, kind, text])
    }

    fn digest<'a>(&self, parts: impl IntoIterator<Item = &'a str>) -> Hash {
        let mut keyed = self.0.clone();
        for part in parts {
            keyed.update(&(part.len() as u64).to_be_bytes());
            keyed.update(part.as_bytes());
        }
        keyed.finalize().into_bytes().into()
    }
}

/// A hash of its hexadecimal digits.
pub fn from_hex(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in hash.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(hash)
}

/// Why stored digests are not those of an entry; `None`: they are.
pub fn contradiction(digested: &Digested, rows: u64, leaves: &[String]) -> Option<String> {
    let Some(hashes) = leaves.iter().map(|leaf| from_hex(leaf)).collect::<Option<Vec<Hash>>>() else {
        return Some("a digest of it is none".to_owned());
    };
    if hashes.len() as u64 != digested.leaves {
        return Some(format!("it has {} digests, and the entry says {}", hashes.len(), digested.leaves));
    }
    if digested.level == "row" && digested.leaves != rows {
        return Some(format!("it took {rows} rows, and has the digests of {}", digested.leaves));
    }
    if hex(&merkle::root(&hashes)) != digested.root {
        return Some("its digests were changed: they don't have the root that the entry says".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_the_same_for_what_is_equal() {
        for (form, one, other, text) in [
            (Form::Text, "Ä ", "Ä ", "Ä "),
            (Form::Padded, "a  ", "a", "a"),
            (Form::Folded, "Ada@X ", "ada@x", "ada@x"),
            (Form::Integer, "007", "7", "7"),
            (Form::Decimal, "-01.50", "-1.5", "-1.5"),
            (Form::Decimal, "-0.00", "0", "0"),
            (Form::Float, "1.50", "1.5", "1.5"),
            (Form::Boolean, "1", "TRUE", "true"),
            (
                Form::Uuid,
                "{A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11}",
                "a0eebc999c0b4ef8bb6d6bb9bd380a11",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            (Form::Bytes, "\\x6162", "ab", "\\x6162"),
            (Form::Inet, "10.0.0.1/32", "10.0.0.1", "10.0.0.1"),
        ] {
            assert_eq!((form.text(one).as_str(), form.text(other).as_str()), (text, text), "{form:?}");
        }
    }

    #[test]
    fn no_two_lists_read_alike() {
        let digester = Digester::new(&Key::new(b"sixteen bytes and more".to_vec()).unwrap());
        let place = Place { source: "s", schema: "", table: "t" };
        let row = |key: &[(&str, Option<&str>)]| digester.row(place, key.iter().copied());
        assert_ne!(row(&[("a", Some("bc"))]), row(&[("ab", Some("c"))]));
        assert_ne!(row(&[("a", None), ("b", Some("c"))]), row(&[("a", Some("b")), ("c", None)]).map(|byte| byte ^ 1));
        assert_ne!(row(&[("a", Some("b"))]), digester.subject(place, "a", "b"));
        assert_ne!(row(&[("a", Some("b"))]), digester.row(Place { source: "", schema: "s", table: "t" }, [("a", Some("b"))]));
        assert_eq!(format!("{digester:?}"), "Digester(…)");
    }
}
