//! What MariaDB and MySQL need beside a dialect's arms: parameters by their order, and values
//! in each type's own way.
//!
//! Every text is written for the session that `engine::mysql` sets up: double quotes around names, and no backslash in a
//! literal that means anything but itself.

use std::borrow::Cow;

use jiff::tz::TimeZone;

use super::{
    alias::outside_quotes,
    limits::{digits, fits_decimal_type},
    quote_literal,
    selection::{Cell, ColumnRef, TypeClass},
};
use crate::policy::Dialect;

/// Writes `?` for each numbered parameter, and puts the values into the order in which they are asked for.
pub(super) fn positional(text: &str, cells: &[Cell]) -> (String, Vec<Cell>) {
    let mut binds = Vec::new();
    let written = outside_quotes(text, |rest, _| {
        let digits = rest.strip_prefix('$')?;
        let length = digits.bytes().take_while(u8::is_ascii_digit).count();
        let number: usize = digits[..length].parse().ok()?;
        binds.push(cells.get(number.checked_sub(1)?)?.clone());
        Some(("?".to_owned(), 1 + length))
    });
    (written, binds)
}

/// The type that a text is cast to, so that it is compared as a value of the column and not as text: a number would be
/// compared as a binary fraction, which has too few digits for long ones. Empty: it is compared as text.
pub(super) fn cast(of: &ColumnRef) -> Cow<'static, str> {
    let begins = |word: &str| of.declared.to_ascii_lowercase().starts_with(word);
    let name = match of.class {
        TypeClass::Integer if is_unsigned(of) => "UNSIGNED",
        TypeClass::Boolean | TypeClass::Integer => "SIGNED",
        // No other keeps every digit of each: there are 65 of them, and up to 38 behind the point.
        TypeClass::Decimal => {
            let (precision, scale) = digits(&of.declared).unwrap_or((65, 30));
            return format!("DECIMAL({precision},{scale})").into();
        }
        TypeClass::Float => "DOUBLE",
        TypeClass::Date => "DATE",
        TypeClass::Timestamp | TypeClass::TimestampTz => "DATETIME(6)",
        TypeClass::Uuid => "UUID",
        TypeClass::Inet if begins("inet4") => "INET4",
        TypeClass::Inet => "INET6",
        TypeClass::Bytes => HEX,
        _ => "",
    };
    name.into()
}

fn is_unsigned(of: &ColumnRef) -> bool {
    of.declared.contains("unsigned") || of.declared.starts_with("year")
}

/// In place of a type: the text is hexadecimal.
pub(super) const HEX: &str = "hex";

/// A parameter as a value of that type.
pub(super) fn parameter(number: usize, cast: &str) -> String {
    match cast {
        "" => format!("${number}"),
        HEX => format!("unhex(${number})"),
        cast => format!("CAST(${number} AS {cast})"),
    }
}

/// The value as a text that [`cast`] makes the same value of.
pub(super) fn position(of: &ColumnRef) -> String {
    let name = super::predicate::column::column(of);
    match of.class {
        TypeClass::Bytes => format!("hex({name})"),
        // Written by itself, a FLOAT keeps six digits.
        TypeClass::Float => format!("CONVERT(CAST({name} AS DOUBLE) USING utf8mb4)"),
        _ => format!("CONVERT({name} USING utf8mb4)"),
    }
}

/// A pattern in the words of this engine: `$` would also match before a line feed at the end.
pub(super) fn pattern(pattern: &str) -> String {
    let mut written = String::with_capacity(pattern.len());
    let (mut in_class, mut escaped) = (false, false);
    for sign in pattern.chars() {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '$' if !in_class => {
                written.push_str("\\z");
                continue;
            }
            _ => {}
        }
        written.push(sign);
    }
    written
}

/// A text as a literal of the column's type.
pub(super) fn literal(of: &ColumnRef, value: &str) -> String {
    let is_number = || value.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b'.'));
    match of.class {
        TypeClass::Integer | TypeClass::Decimal | TypeClass::Bits if is_number() => value.to_owned(),
        // The session is in UTC, and reads no offset.
        TypeClass::TimestampTz => match value.parse::<jiff::Timestamp>() {
            Ok(at) => quote_literal(Dialect::Mysql, &time(at)),
            Err(_) => quote_literal(Dialect::Mysql, value),
        },
        _ => match collation(of).filter(|collation| !value.is_ascii() && !has_all_characters(collation)) {
            // Beside the column itself, a literal in the session's character set would not be taken.
            Some(collation) => {
                format!("CONVERT({} USING {}) COLLATE {collation}", quote_literal(Dialect::Mysql, value), charset(collation))
            }
            None => quote_literal(Dialect::Mysql, value),
        },
    }
}

/// The character set of a collation.
pub(super) fn charset(collation: &str) -> &str {
    collation.split('_').next().unwrap_or_default()
}

/// Whether a text that a person wrote can be a value of the column.
pub(super) fn is_value(of: &ColumnRef, value: &str) -> bool {
    match of.class {
        TypeClass::Integer if is_unsigned(of) => value.parse::<u64>().is_ok(),
        TypeClass::Boolean | TypeClass::Integer => value.parse::<i64>().is_ok(),
        TypeClass::Decimal => super::number_of(value).is_some() && fits_decimal_type(value, &of.declared),
        TypeClass::Float => super::fits_decimal(value),
        _ => true,
    }
}

/// An instant as this engine writes it, in the zone of its session: UTC.
pub(super) fn time(at: jiff::Timestamp) -> String {
    TimeZone::UTC.to_datetime(at).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()
}

/// A collation under which texts are equal that differ in their bytes, and for which `held` has a column and an index.
pub struct Folding {
    pub collation: &'static str,
    /// The column of `held`: the first [`FOLDED`] characters of the value, NULL where the character set lacks one.
    pub column: &'static str,
    /// Whether the collation's character set has a character.
    pub has: fn(char) -> bool,
}

/// Characters of a held value that its folded columns hold: as many as an index takes in the widest character set.
pub const FOLDED: usize = 240;

/// The collations that servers give to columns by themselves, and the one that is chosen most. A new one is a line here and
/// a step of the workspace's version; under any other, held subjects are compared without an index.
pub const FOLDINGS: [Folding; 6] = [
    Folding { collation: "utf8mb4_general_ci", column: "in_general", has: |_| true },
    Folding { collation: "utf8mb4_unicode_ci", column: "in_unicode", has: |_| true },
    Folding { collation: "utf8mb4_uca1400_ai_ci", column: "in_uca1400", has: |_| true },
    Folding { collation: "utf8mb4_0900_ai_ci", column: "in_0900", has: |_| true },
    Folding { collation: "utf8mb3_general_ci", column: "in_utf8mb3", has: |sign| sign <= '\u{FFFF}' },
    Folding { collation: "latin1_swedish_ci", column: "in_latin1", has: is_latin1 },
];

/// Whether a collation's character set has every character.
pub(super) fn has_all_characters(collation: &str) -> bool {
    ["utf8mb4_", "utf16_", "utf16le_", "utf32_"].iter().any(|set| collation.starts_with(set))
}

/// Whether a collation's character set surely has all characters of a text: of sets that aren't known here, ASCII.
pub fn has_characters(collation: &str, text: &str) -> bool {
    let has: fn(char) -> bool = match charset(collation) {
        _ if has_all_characters(collation) => return true,
        "utf8" | "utf8mb3" | "ucs2" => |sign| sign <= '\u{FFFF}',
        "latin1" => is_latin1,
        _ => |sign| sign.is_ascii(),
    };
    text.chars().all(has)
}

/// Whether the character set that is called `latin1`, Windows' code page 1252, has a character.
fn is_latin1(sign: char) -> bool {
    sign <= '\u{FF}' || "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ".contains(sign)
}

/// What of a column's type is its collation, where that decides what is equal.
pub(super) fn collation(of: &ColumnRef) -> Option<&str> {
    of.declared.split_once(" COLLATE ").map(|(_, collation)| collation)
}

/// A name in the quotes that every session of this engine understands, for statements that a person is to run.
pub fn quote_for_people(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_asked_for_in_the_order_of_the_text() {
        let cells = ["a", "b", "c"].map(|text| Cell::Text(text.to_owned()));
        let (text, binds) = positional("SET x = '$1 it''s' WHERE \"$2\" = $3 AND (y > $1 OR y = $1) LIMIT $2", &cells);
        assert_eq!(text, "SET x = '$1 it''s' WHERE \"$2\" = ? AND (y > ? OR y = ?) LIMIT ?");
        assert_eq!(binds, [2, 0, 0, 1].map(|number: usize| cells[number].clone()));
    }

    #[test]
    fn the_end_of_a_text_is_its_end() {
        assert_eq!(pattern(r"^(?:[$a]|\$b)?$"), r"^(?:[$a]|\$b)?\z");
    }
}
