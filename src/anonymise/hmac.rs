//! `hmac`: a keyed pseudonym, the same for the same text.
//!
//! HMAC-SHA-256 of the text in lower-case hex. It is a pseudonym and not anonymous: who has the key can test a guess.
//!
//! A value of 64 lower-case hex digits is taken for done. A column whose own values look like that (digests, tokens)
//! can't tell what is done, and needs a `mark`.

use std::sync::Arc;

use ::hmac::{KeyInit as _, Mac as _};
use sha2::Sha256;

use super::{Misfit, Strategy, Target, must};
use crate::{
    clock::hex,
    policy::Normalise,
    secret::Keys,
    sql::selection::{Compute, DoneTest, NewValue},
};

/// Hex digits of a pseudonym.
const DIGITS: u32 = 64;

/// What a pseudonym looks like.
const PSEUDONYM: &str = "^[0-9a-f]{64}$";

/// `hmac` with its key.
pub struct Hmac {
    function: Arc<Function>,
    normalises: bool,
}

impl Hmac {
    /// Takes the key of that name.
    ///
    /// # Errors
    /// [`Misfit`] if the configuration has no such key.
    pub fn new(key: &str, keys: &Keys, normalise: Option<Normalise>) -> Result<Self, Misfit> {
        let secret = keys.get(key).ok_or_else(|| Misfit(format!("there is no `[keys.{key}]` in the configuration")))?;
        let function = Function::new(secret.expose(), normalise).ok_or_else(|| Misfit(format!("the key `{key}` can't be used")))?;
        Ok(Self { function: Arc::new(function), normalises: normalise.is_some() })
    }
}

impl Strategy for Hmac {
    fn fits(&self, target: &Target) -> Result<(), Misfit> {
        must(!target.generated, "the database computes the column")?;
        must(target.is_text(), "the column is not of text; `null` or `fixed` would do")?;
        must(target.max_length.is_none_or(|longest| longest >= DIGITS), "the column is shorter than the 64 characters of a pseudonym")?;
        must(
            !(target.unique && self.normalises),
            "the column is part of a unique key, and two spellings would get one pseudonym; leave out `normalise`",
        )
    }

    fn value(&self, _: &Target) -> NewValue {
        NewValue::Computed(Arc::clone(&self.function) as Arc<dyn Compute>)
    }

    fn done(&self, target: &Target) -> Option<DoneTest> {
        Some(DoneTest::Matches { column: target.column.clone(), pattern: PSEUDONYM.to_owned() })
    }
}

/// The keyed function.
struct Function {
    keyed: ::hmac::Hmac<Sha256>,
    normalise: Option<Normalise>,
}

impl Function {
    /// `None` never occurs: HMAC takes keys of any length.
    fn new(key: &[u8], normalise: Option<Normalise>) -> Option<Self> {
        Some(Self { keyed: ::hmac::Hmac::new_from_slice(key).ok()?, normalise })
    }
}

impl Compute for Function {
    fn compute(&self, old: &str) -> Option<String> {
        if is_pseudonym(old) {
            return Some(old.to_owned());
        }
        let text = match self.normalise {
            None => old.to_owned(),
            Some(Normalise::Email) => old.trim().to_lowercase(),
        };
        let mut keyed = self.keyed.clone();
        keyed.update(text.as_bytes());
        Some(hex(&keyed.finalize().into_bytes()))
    }
}

/// What [`PSEUDONYM`] matches.
fn is_pseudonym(text: &str) -> bool {
    text.len() == DIGITS as usize && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::{
        policy::Dialect,
        sql::selection::{ColumnRef, TypeClass},
    };

    fn function(key: &[u8], normalise: Option<Normalise>) -> Function {
        Function::new(key, normalise).unwrap()
    }

    /// RFC 4231, test cases 1, 2 and 6, whose data are text: short and long keys.
    #[test]
    fn published_vectors() {
        for (key, data, digest) in [
            (vec![0x0b; 20], "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (b"Jefe".to_vec(), "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (
                vec![0xaa; 131],
                "Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(function(&key, None).compute(data).as_deref(), Some(digest));
        }
    }

    #[test]
    fn two_spellings_of_an_address_give_one_pseudonym_if_normalised() {
        let (plain, normalised) = (function(b"key", None), function(b"key", Some(Normalise::Email)));
        assert_eq!(normalised.compute(" Ann@Example.org "), normalised.compute("ann@example.org"));
        assert_eq!(normalised.compute("ann@example.org"), plain.compute("ann@example.org"));
        assert_ne!(plain.compute("Ann@example.org"), plain.compute("ann@example.org"));
    }

    #[test]
    fn a_key_that_the_configuration_lacks_is_named() {
        let misfit = Hmac::new("pepper", &Keys::default(), None).err().unwrap();
        assert_eq!(misfit.to_string(), "there is no `[keys.pepper]` in the configuration");
    }

    #[test]
    fn fits_text_of_64_characters_or_more() {
        let strategy = |normalise| Hmac { function: Arc::new(function(b"key", normalise)), normalises: normalise.is_some() };
        let column = ColumnRef {
            name: "c".into(),
            class: TypeClass::Text,
            declared: "text".into(),
            nullable: false,
            labels: Vec::new(),
            side: crate::sql::selection::Side::Row,
        };
        let target =
            Target { column, dialect: Dialect::Postgres, timezone: "UTC".into(), max_length: Some(64), unique: true, generated: false };
        assert_eq!(strategy(None).fits(&target), Ok(()));
        assert!(strategy(Some(Normalise::Email)).fits(&target).is_err());
        assert!(strategy(None).fits(&Target { max_length: Some(63), ..target.clone() }).is_err());
        let number = ColumnRef { class: TypeClass::Integer, ..target.column.clone() };
        assert!(strategy(None).fits(&Target { column: number, ..target }).is_err());
    }

    proptest! {
        #[test]
        fn idempotent_and_recognised(old in ".*", normalise in proptest::bool::ANY) {
            let function = function(b"key", normalise.then_some(Normalise::Email));
            let new = function.compute(&old).unwrap();
            prop_assert_eq!(function.compute(&new), Some(new.clone()));
            prop_assert!(regex_lite::Regex::new(PSEUDONYM).unwrap().is_match(&new));
        }

        #[test]
        fn what_the_pattern_takes_is_what_stays(old in "[0-9a-fA-F]{63,65}\n?") {
            let matches = regex_lite::Regex::new(PSEUDONYM).unwrap().is_match(&old);
            prop_assert_eq!(matches, function(b"key", None).compute(&old) == Some(old));
        }
    }
}
