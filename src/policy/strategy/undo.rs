//! Law 6 between rules: which strategies may meet on one column.
//!
//! Two rules on one column end in peace if neither undoes what the other has done: a value that is done for one must
//! still be done when the other has acted on it, whichever comes first. Else each sweep would change the row again.
//! [`StrategySpec::survives`] says it for one direction; the pair may meet if both directions say so.
//!
//! | done for | survives | because |
//! |---|---|---|
//! | anything | itself | it has nothing left to do |
//! | `null` | all but `fixed` with `replace_null` | NULL stays NULL |
//! | all but `fixed` with `replace_null` | `null` | NULL is done |
//! | `fixed` | `fixed` of the same value | it finds its own value |
//! | `hmac` | `hmac`, whatever the key | 64 hex digits are done for any key |
//! | `truncate_ip` | `truncate_ip`, whatever the lengths | bits that are zero stay zero |
//! | `mask` | `mask` | there is only one |
//! | `date_trunc` | `date_trunc`, whatever the units | the beginning of a year is that of a month and of a day |
//! | `json` | `json`, if that is so at each place that both name | a place inside another is gone when that is done |
//! | `round` | `round`, if one number divides the other | else a multiple of the one is none of the other |
//!
//! Every other pair is refused: what one writes is an old value to the other. A constant counts as any text, also where
//! another strategy would happen to leave it. That all values of `date_trunc` are read in one zone is for the caller to
//! know; a rule's `mark` of its own decides instead of values, so what it has done survives everything.

use super::{JsonPath, StrategySpec};

impl StrategySpec {
    /// Whether a value that is done for this strategy is still done for it after `other` has acted on it.
    pub fn survives(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Fixed { value: mine, .. }, Self::Fixed { value: theirs, .. }) => mine == theirs,
            (Self::Fixed { replace_null: true, .. }, _) | (_, Self::Fixed { replace_null: true, .. }) => false,
            (Self::Null, _) | (_, Self::Null) => true,
            (Self::Hmac { .. }, Self::Hmac { .. })
            | (Self::TruncateIp { .. }, Self::TruncateIp { .. })
            | (Self::Mask, Self::Mask)
            | (Self::DateTrunc { .. }, Self::DateTrunc { .. }) => true,
            (Self::Round { to: mine }, Self::Round { to: theirs }) => mine.is_multiple_of(*theirs) || theirs.is_multiple_of(*mine),
            (Self::Json { places: mine }, Self::Json { places: theirs }) => {
                let met = |(path, spec): &(JsonPath, Self)| {
                    theirs.iter().filter(|(other, _)| other == path).all(|(_, other)| spec.survives(other))
                };
                mine.iter().all(met)
            }
            _ => false,
        }
    }
}
