//! What a rule may say of a column that it anonymises. A new strategy is a variant here and a file in `anonymise`.

/// A strategy and its settings, as the file says it; `anonymise::strategy` makes it act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StrategySpec {
    Null,
    Fixed { value: String, replace_null: bool },
    Hmac { key: String, normalise: Option<Normalise> },
    TruncateIp { v4: u8, v6: u8 },
    Mask,
}

/// What happens to a value before it is hashed, so that two spellings of one address give one pseudonym.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalise {
    /// White space at the ends removed, Unicode lower case.
    Email,
}
