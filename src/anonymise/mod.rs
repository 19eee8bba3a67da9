//! Strategies: does it fit this type, what is the new value, and how does a value tell that it is done?
//!
//! One family a file. A new strategy is a file with an implementation of [`Strategy`], a variant of
//! [`StrategySpec`] and a line in [`strategy`]; nothing else in the crate knows strategies by name.

pub mod constant;
pub mod date_trunc;
pub mod hmac;
pub mod json;
pub mod mask;
#[cfg(test)]
mod meeting;
pub mod random;
pub mod round;
pub mod truncate_ip;

use crate::{
    policy::{Dialect, StrategySpec},
    secret::Keys,
    sql::selection::{ColumnRef, DoneTest, NewValue, TypeClass},
};

/// What a strategy must know of the column it is used on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub column: ColumnRef,
    pub dialect: Dialect,
    /// The rule's zone, by its IANA name: in which instants are read.
    pub timezone: String,
    /// The longest text that fits, in characters.
    pub max_length: Option<u32>,
    /// A unique index or key contains the column.
    pub unique: bool,
    /// The database computes it.
    pub generated: bool,
}

impl Target {
    /// Any text can be written to the column, as far as it is long enough. On MariaDB many an application keeps its texts
    /// as bytes.
    fn is_text(&self) -> bool {
        matches!(self.column.class, TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText | TypeClass::Untyped)
            || (self.column.class == TypeClass::Bytes && self.dialect == Dialect::Mysql)
    }
}

/// A way to make a value anonymous, with its settings.
pub trait Strategy: Send + Sync {
    /// Whether it can be used on the column; told at `check`, before anything acts.
    ///
    /// # Errors
    /// [`Misfit`] says why not, and what would do.
    fn fits(&self, target: &Target) -> Result<(), Misfit>;

    /// The new value of a column that it fits.
    fn value(&self, target: &Target) -> NewValue;

    /// How a value tells that it is done; `None`: it can't, so the rule needs a `mark`.
    fn done(&self, target: &Target) -> Option<DoneTest>;
}

/// Why a strategy can't be used on a column, as a sentence's end after "`null` can't be used on `email`: ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Misfit(pub String);

/// What must be so, or why the strategy can't be used.
fn must(fits: bool, why: &str) -> Result<(), Misfit> {
    if fits { Ok(()) } else { Err(Misfit(why.to_owned())) }
}

/// The strategy that a rule names.
///
/// # Errors
/// [`Misfit`] if it names a key that the configuration lacks.
pub fn strategy(spec: &StrategySpec, keys: &Keys) -> Result<Box<dyn Strategy>, Misfit> {
    Ok(match spec {
        StrategySpec::Null => Box::new(constant::Null),
        StrategySpec::Fixed { value, replace_null } => Box::new(constant::Fixed::new(value, *replace_null)),
        StrategySpec::Hmac { key, normalise } => Box::new(hmac::Hmac::new(key, keys, *normalise)?),
        StrategySpec::TruncateIp { v4, v6 } => Box::new(truncate_ip::TruncateIp::new(*v4, *v6)),
        StrategySpec::Mask => Box::new(mask::Mask),
        StrategySpec::Random => Box::new(random::Random),
        StrategySpec::DateTrunc { unit } => Box::new(date_trunc::DateTrunc::new(*unit)),
        StrategySpec::Json { places } => Box::new(json::Json::new(places, keys)?),
        StrategySpec::Round { to } => Box::new(round::Round::new(*to)),
    })
}
