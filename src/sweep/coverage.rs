//! Whom the rows of a copy belong to, and whether a hold covers them.
//!
//! A table compares held subjects in the type and collation of its own column. Of a copy only texts are left, so what
//! might be equal there counts as equal here: a copy stays too long rather than not long enough (law 2). Nothing of the rows is in
//! the manifest; they are read from the copy itself.

use std::collections::HashSet;

use crate::{
    archive::{self, Manifest, ManifestSubject, ObjectName, Store, line},
    hold::Held,
    sql::{canonical_of, number_of, selection::Cell, uuid_of},
};

/// The subjects of a copy's rows.
pub struct Belonging {
    subjects: Vec<Column>,
    /// Of each row, the values of those columns.
    rows: Vec<Vec<Cell>>,
    scopes: Vec<String>,
}

struct Column {
    subject: ManifestSubject,
    comparison: Comparison,
}

/// How values of a column are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// By every form in which a value can be written.
    Forms,
    /// Besides, by letters and digits alone, whatever their case; what is not ASCII can't be told apart.
    Folded,
    /// Besides, as fractions that are nearly equal.
    Fraction,
    /// Nobody can tell.
    Unknown,
}

impl Belonging {
    /// Reads the copy.
    ///
    /// # Errors
    /// The archive's.
    pub fn read(store: &Store, name: &ObjectName, manifest: &Manifest) -> Result<Self, archive::Error> {
        let names = manifest.names();
        let place = |subject: &ManifestSubject| names.iter().position(|name| *name == subject.column && !subject.looked_up);
        let places: Vec<Option<usize>> = manifest.subjects.iter().map(place).collect();
        let subjects = manifest.subjects.iter().zip(&places).map(|(subject, place)| Column {
            subject: subject.clone(),
            comparison: place
                .map_or(Comparison::Unknown, |place| comparison(&manifest.columns[place].class, &manifest.columns[place].declared)),
        });
        let subjects: Vec<Column> = subjects.collect();
        let mut rows = Vec::new();
        store.each_line(name, |text| {
            let row = line::read(&text, &names);
            let row = row
                .ok_or_else(|| archive::Error::Different { path: name.as_str().into(), why: "a line is no row of its table".to_owned() })?;
            // A column that is not there could have held anybody.
            rows.push(places.iter().map(|place| place.map_or(Cell::Bytes(Vec::new()), |place| row[place].clone())).collect());
            Ok(())
        })?;
        Ok(Self { subjects, rows, scopes: manifest.scopes.clone() })
    }

    /// How many of the rows these cover. `scopes` concern the table now, besides those of then.
    pub fn covered<'h>(&self, held: impl IntoIterator<Item = &'h Held>, scopes: &[String]) -> u64 {
        let known = Known::of(held.into_iter().filter(|held| {
            let key = held.scope.key();
            self.scopes.contains(&key) || scopes.contains(&key)
        }));
        if known.everything {
            return self.rows.len() as u64;
        }
        let covered = |row: &&Vec<Cell>| self.subjects.iter().zip(*row).any(|(column, cell)| column.is_held(cell, &known));
        self.rows.iter().filter(covered).count() as u64
    }
}

/// Held subjects in the forms in which they are found.
#[derive(Default)]
struct Known {
    /// A hold without subjects.
    everything: bool,
    kinds: HashSet<String>,
    /// Kinds with a value that is not ASCII.
    beyond_ascii: HashSet<String>,
    /// Kind and form.
    forms: HashSet<(String, String)>,
    fractions: Vec<(String, f64)>,
}

impl Known {
    fn of<'h>(held: impl Iterator<Item = &'h Held>) -> Self {
        let mut known = Self::default();
        for held in held {
            let Some(subject) = &held.subject else {
                known.everything = true;
                continue;
            };
            let kind = &subject.kind;
            known.kinds.insert(kind.clone());
            if !subject.value.is_ascii() {
                known.beyond_ascii.insert(kind.clone());
            }
            known.forms.extend(forms(&subject.value).into_iter().map(|form| (kind.clone(), form)));
            known.forms.insert((kind.clone(), skeleton(&subject.value)));
            known.fractions.extend(subject.value.parse().ok().map(|number| (kind.clone(), number)));
        }
        known
    }
}

impl Column {
    fn is_held(&self, cell: &Cell, known: &Known) -> bool {
        let kind = &self.subject.kind;
        let texts = match cell {
            Cell::Null => return self.subject.null_is_held && !known.kinds.is_empty(),
            _ if !known.kinds.contains(kind) => return false,
            _ if self.comparison == Comparison::Unknown => return true,
            Cell::Integer(number) => vec![number.to_string()],
            Cell::Real(number) => vec![number.to_string()],
            Cell::Text(text) => match as_bytes(text) {
                Some(bytes) => vec![text.clone(), as_text(&bytes)],
                None => vec![text.clone()],
            },
            Cell::Bytes(bytes) => vec![format!("\\x{}", crate::clock::hex(bytes)), as_text(bytes)],
        };
        let is_known = |form: String| known.forms.contains(&(kind.clone(), form));
        if texts.iter().flat_map(|text| forms(text)).any(is_known) {
            return true;
        }
        let is_near = |text: &String| {
            let number: Option<f64> = text.parse().ok();
            let near = |number: f64| known.fractions.iter().any(|(of, held)| of == kind && (number - held).abs() <= 1e-5 * held.abs());
            number.is_some_and(near)
        };
        match self.comparison {
            Comparison::Folded => {
                known.beyond_ascii.contains(kind) || texts.iter().any(|text| !text.is_ascii() || is_known(skeleton(text)))
            }
            Comparison::Fraction => texts.iter().any(is_near),
            Comparison::Forms => matches!(cell, Cell::Real(_)) && texts.iter().any(is_near),
            Comparison::Unknown => true,
        }
    }
}

/// By the kind of type that the manifest says.
fn comparison(class: &str, declared: &str) -> Comparison {
    match class {
        _ if declared.contains(" COLLATE ") => Comparison::Folded,
        "foldedtext" | "enum" => Comparison::Folded,
        "float" => Comparison::Fraction,
        "boolean" | "integer" | "decimal" | "text" | "paddedtext" | "date" | "uuid" | "inet" | "bytes" | "bits" | "untyped" => {
            Comparison::Forms
        }
        _ => Comparison::Unknown,
    }
}

/// The forms of a value, as the table of held subjects has them; two values are one if they share a form.
fn forms(text: &str) -> Vec<String> {
    let mut forms = vec![format!("text {}", text.trim_end_matches([' ', '\0']))];
    forms.extend(number_of(text).map(|number| format!("number {}", plain(number))));
    forms.extend(uuid_of(text).map(|uuid| format!("uuid {uuid}")));
    forms.extend(canonical_of(text).map(|canonical| format!("canonical {canonical}")));
    // An address with the length of its network is one of that network's.
    forms.extend(text.split_once('/').and_then(|(host, _)| canonical_of(host)).map(|canonical| format!("canonical {canonical}")));
    forms
}

/// A number without what makes no difference.
fn plain(number: &str) -> String {
    let (sign, digits) = number.strip_prefix('-').map_or(("", number), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let (whole, fraction) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
    if whole.is_empty() && fraction.is_empty() { "0".to_owned() } else { format!("{sign}{whole}.{fraction}") }
}

fn skeleton(text: &str) -> String {
    let letters = text.chars().filter(char::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase());
    format!("skeleton {}", letters.collect::<String>())
}

/// The bytes that PostgreSQL and MariaDB write as `\x…`.
fn as_bytes(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("\\x").filter(|digits| digits.len().is_multiple_of(2))?;
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.as_bytes().chunks(2).map(pair).collect()
}

fn as_text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hold::{HeldSubject, Scope};

    fn is_held(class: &str, cell: Cell, held: &str) -> bool {
        let subject = ManifestSubject { kind: "k".to_owned(), column: "c".to_owned(), looked_up: false, null_is_held: true };
        let column = Column { subject, comparison: comparison(class, "") };
        let belonging = Belonging { subjects: vec![column], rows: vec![vec![cell]], scopes: vec!["*".to_owned()] };
        let subject = HeldSubject { kind: "k".to_owned(), value: held.to_owned() };
        let held = Held { hold: "h".to_owned(), scope: Scope::Source, subject: Some(subject) };
        belonging.covered([&held], &[]) == 1
    }

    #[test]
    fn a_value_is_found_however_it_is_written() {
        let text = |text: &str| Cell::Text(text.to_owned());
        for (class, cell, held) in [
            ("integer", text("42"), "042"),
            ("untyped", Cell::Integer(42), "42.0"),
            ("decimal", text("1.50"), "1.5"),
            ("float", text("0.10000000149011612"), "0.1"),
            ("paddedtext", text("ab "), "ab"),
            ("foldedtext", text("Ada@Example.com"), "ada@example.com"),
            ("foldedtext", text("Zoë"), "anybody"),
            ("foldedtext", text("Zoe"), "Zoë"),
            ("uuid", text("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"), "{A0EEBC999C0B4EF8BB6D6BB9BD380A11}"),
            ("inet", text("10.0.0.1/24"), "10.0.0.1"),
            ("bytes", text("\\x616461"), "ada"),
            ("bytes", Cell::Bytes(b"ada".to_vec()), "\\x616461"),
            ("other", text("{1,2}"), "anybody"),
            ("text", Cell::Null, "anybody"),
        ] {
            assert!(is_held(class, cell, held), "{class}: {held}");
        }
    }

    #[test]
    fn others_are_not() {
        let text = |text: &str| Cell::Text(text.to_owned());
        for (class, cell, held) in [
            ("integer", text("42"), "43"),
            ("text", text("Ada"), "ada"),
            ("foldedtext", text("bob"), "ada"),
            ("float", text("0.1"), "0.11"),
            ("integer", text("100001"), "100002"),
        ] {
            assert!(!is_held(class, cell, held), "{class}: {held}");
        }
    }

    #[test]
    fn only_what_is_in_scope_counts() {
        let belonging = Belonging { subjects: Vec::new(), rows: vec![Vec::new(); 3], scopes: vec!["*".to_owned()] };
        let held = Held { hold: "h".to_owned(), scope: Scope::Category("log".to_owned()), subject: None };
        assert_eq!(belonging.covered([&held], &[]), 0);
        assert_eq!(belonging.covered([&held], &[held.scope.key()]), 3);
    }
}
