//! `mask`: the shape of an e-mail address or a phone number, without the person.
//!
//! | old value | new value |
//! |---|---|
//! | an e-mail address | its first character, `***`, and its domain: `a***@example.com` |
//! | a phone number of 5 to 20 digits | the last two digits; the others become `*`, signs between them stay: `+** ** ***-**67` |
//! | the empty text | the empty text |
//! | anything else | `***`: nothing shows that less would be enough |
//!
//! The same for an address whose domain is not ASCII, and for one that would become longer than the column. What is
//! written is printable ASCII, because a done-test can ask for nothing else on SQLite.

use std::sync::Arc;

use super::{Misfit, Strategy, Target, must};
use crate::{
    fault,
    sql::selection::{Compute, DoneTest, NewValue},
};

/// What is left of a value of unknown shape, and of the inside of an address.
const STARS: &str = "***";

/// How many digits a phone number has, the last two included.
const DIGITS: std::ops::RangeInclusive<usize> = 5..=20;

/// `mask`.
#[derive(Debug, Clone, Copy)]
pub struct Mask;

impl Strategy for Mask {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        must(!target.generated, "the database computes the column")?;
        must(target.is_text(), "the column is not of text; `null`, `fixed` or `round` would do")?;
        must(!target.unique, "the column is part of a unique key, and neighbours would get the same mask; `hmac` or `random` would do")?;
        must(target.max_length.is_none_or(|longest| longest as usize >= STARS.len()), "the column is shorter than the mask `***`")
    }

    fn value(&self, target: &Target) -> NewValue {
        NewValue::Computed(Arc::new(Masked { longest: target.max_length.map_or(usize::MAX, |longest| longest as usize) }))
    }

    fn done(&self, target: &Target) -> Option<DoneTest> {
        Some(DoneTest::Matches { column: target.column.clone(), pattern: pattern() })
    }
}

/// Exactly the texts that stay as they are.
fn pattern() -> String {
    let mail = r"[A-Za-z0-9*]\*\*\*@[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?";
    let sign = r"[+() ./-]*";
    let phone = format!(r"(?:{sign}\*){{{},{}}}{sign}[0-9]{sign}[0-9]{sign}", DIGITS.start() - 2, DIGITS.end() - 2);
    format!(r"^(?:\*\*\*|{mail}|{phone})?$")
}

/// Masks for a column of that many characters.
struct Masked {
    longest: usize,
}

impl Compute for Masked {
    fn compute(&self, old: &str) -> Option<String> {
        if old.is_empty() {
            return Some(String::new());
        }
        let masked = phone(old).or_else(|| mail(old.trim()).filter(|mail| mail.len() <= self.longest));
        Some(masked.unwrap_or_else(|| STARS.to_owned()))
    }
}

/// The mask of an e-mail address; `None`: it is none.
fn mail(text: &str) -> Option<String> {
    let (person, domain) = text.rsplit_once('@')?;
    let is_person = !person.is_empty() && !person.contains(|sign: char| sign == '@' || sign.is_whitespace() || sign.is_control());
    let edges = |domain: &str| domain.starts_with(is_letter) && domain.ends_with(is_letter);
    if !is_person || !edges(domain) || !domain.chars().all(|sign| is_letter(sign) || matches!(sign, '.' | '-')) {
        return None;
    }
    let kept = if fault::seeded("mask-reveals") { 2 } else { 1 };
    let first: String = person.chars().take(kept).map(|sign| if is_letter(sign) { sign } else { '*' }).collect();
    Some(format!("{first}{STARS}@{domain}"))
}

fn is_letter(sign: char) -> bool {
    sign.is_ascii_alphanumeric()
}

/// The mask of a phone number; `None`: it is none. A `*` stands for a digit that is masked already.
fn phone(text: &str) -> Option<String> {
    let is_place = |sign: char| sign.is_ascii_digit() || sign == '*';
    let places = text.chars().filter(|sign| is_place(*sign)).count();
    let is_phone = DIGITS.contains(&places)
        && text.chars().all(|sign| is_place(sign) || "+() ./-".contains(sign))
        && text.chars().rev().filter(|sign| is_place(*sign)).take(2).all(|sign| sign.is_ascii_digit());
    if !is_phone {
        return None;
    }
    let mut hidden = places - 2;
    let mask = |sign: char| {
        if !is_place(sign) || hidden == 0 {
            return sign;
        }
        hidden -= 1;
        '*'
    };
    Some(text.chars().map(mask).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, prop_oneof, proptest};

    use super::*;
    use crate::{
        policy::Dialect,
        sql::selection::{ColumnRef, TypeClass},
    };

    const ANY: Masked = Masked { longest: usize::MAX };

    #[test]
    fn the_shape_stays_and_the_person_goes() {
        for (old, new) in [
            ("ann@example.com", "a***@example.com"),
            (" Ann.Smith+news@Mail.Example.com\n", "A***@Mail.Example.com"),
            ("a@example.com", "a***@example.com"),
            ("ünal@example.com", "****@example.com"),
            ("\"ann\"@example.com", "****@example.com"),
            ("ann@exämple.com", "***"),
            ("ann@bob@example.com", "***"),
            ("Ann <ann@example.com>", "***"),
            ("write to ann@example.com", "***"),
            ("ann@", "***"),
            ("@example.com", "***"),
            ("ann@-example.com", "***"),
            ("+46 70 123 45 67", "+** ** *** ** 67"),
            ("(030) 12-34", "(***) **-34"),
            ("1234", "***"),
            ("12345", "***45"),
            ("070-12*", "***"),
            ("070-123 ext. 4", "***"),
            ("123456789012345678901", "***"),
            ("Ann Smith", "***"),
            ("***", "***"),
            ("", ""),
        ] {
            assert_eq!(ANY.compute(old).as_deref(), Some(new), "{old:?}");
        }
    }

    #[test]
    fn a_mask_is_never_longer_than_the_column() {
        let short = Masked { longest: 6 };
        for (old, new) in [("a@b.cc", "***"), ("abcd@b", "a***@b"), ("123-45", "***-45")] {
            assert_eq!(short.compute(old).as_deref(), Some(new), "{old:?}");
        }
    }

    #[test]
    fn fits_text_of_three_characters_that_may_be_equal() {
        let column = ColumnRef {
            name: "mail".into(),
            class: TypeClass::Text,
            declared: "varchar(3)".into(),
            nullable: false,
            labels: Vec::new(),
            side: crate::sql::selection::Side::Row,
        };
        let target =
            Target { column, dialect: Dialect::Postgres, timezone: "UTC".into(), max_length: Some(3), unique: false, generated: false };
        assert_eq!(Mask.fits(&target), Ok(()));
        assert!(Mask.fits(&Target { max_length: Some(2), ..target.clone() }).is_err());
        assert!(Mask.fits(&Target { unique: true, ..target.clone() }).is_err());
        assert!(Mask.fits(&Target { generated: true, ..target.clone() }).is_err());
        let number = ColumnRef { class: TypeClass::Integer, ..target.column.clone() };
        assert!(Mask.fits(&Target { column: number, ..target }).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn idempotent_and_exactly_what_the_pattern_takes(text in prop_oneof![
            "[a-z*ü]{0,5}@[a-z.-]{0,8}",
            "[a-zA-Z0-9*]\\*\\*\\*@[a-zA-Z0-9.-]{1,9}\n?",
            "[0-9*+() ./-]{3,24}",
            "[ +(]{0,2}[*]{1,20}[ -]?[0-9*]{1,3}[ )]{0,2}",
            "[*]{0,5}",
            ".*",
        ]) {
            let pattern = regex_lite::Regex::new(&pattern()).unwrap();
            let new = ANY.compute(&text).unwrap();
            prop_assert_eq!(pattern.is_match(&text), new == text, "{:?} gives {:?}", text, new);
            prop_assert!(pattern.is_match(&new), "{:?}", new);
            prop_assert_eq!(ANY.compute(&new), Some(new));
        }

        #[test]
        fn no_more_of_a_phone_number_than_its_last_digits(text in "[0-9]{5,20}") {
            let new = ANY.compute(&text).unwrap();
            let (masked, kept) = new.split_at(text.len() - 2);
            prop_assert!(masked.bytes().all(|byte| byte == b'*'));
            prop_assert!(text.ends_with(kept));
        }
    }
}
