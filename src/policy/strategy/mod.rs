//! What a rule may say of a column that it anonymises. A new strategy is a variant here, a line in `undo` and a file in
//! `anonymise`.

mod path;
mod undo;

pub use self::path::{JsonPath, Step};

/// A strategy and its settings, as the file says it; `anonymise::strategy` makes it act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StrategySpec {
    Null,
    Fixed {
        value: String,
        replace_null: bool,
    },
    Hmac {
        key: String,
        normalise: Option<Normalise>,
    },
    Random,
    TruncateIp {
        v4: u8,
        v6: u8,
    },
    Mask,
    DateTrunc {
        unit: Unit,
    },
    Round {
        /// At least 1.
        to: u64,
    },
    Json {
        /// None lies within another; in the order of the file.
        places: Vec<(JsonPath, StrategySpec)>,
    },
}

impl StrategySpec {
    /// Its word in a rule.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Fixed { .. } => "fixed",
            Self::Hmac { .. } => "hmac",
            Self::Random => "random",
            Self::TruncateIp { .. } => "truncate_ip",
            Self::Mask => "mask",
            Self::DateTrunc { .. } => "date_trunc",
            Self::Round { .. } => "round",
            Self::Json { .. } => "json",
        }
    }

    /// Whether it can be used on a value inside a JSON document, where there is no type but text and no `mark`.
    pub fn fits_in_documents(&self) -> bool {
        !matches!(self, Self::Random | Self::Round { .. } | Self::Json { .. })
    }
}

/// What happens to a value before it is hashed, so that two spellings of one address give one pseudonym.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalise {
    /// White space at the ends removed, Unicode lower case.
    Email,
}

/// What is left of a date or time: everything finer is as at the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Year,
    Month,
    Day,
}

impl Unit {
    /// Each with its word in TOML, which is PostgreSQL's too.
    pub const ALL: [(&'static str, Self); 3] = [("year", Self::Year), ("month", Self::Month), ("day", Self::Day)];

    /// The word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
        }
    }
}
