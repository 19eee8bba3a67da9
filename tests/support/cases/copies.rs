//! `archive`: the rules of some tables copy rows before they delete them.

use super::{
    dice::Dice,
    parts::Parts,
    rules::Written,
    table::{Draft, Engine},
};
use crate::support::oracle::Action;

/// What stands in a rule for the folder of the archive, until there is one.
pub const FOLDER: &str = "/the folder of the archive";

/// Whether all rules that delete from the table copy its rows; tells them so. A table of MariaDB without a key can't be copied, nor
/// one from which others inherit.
pub fn copied(dice: &mut Dice, draft: &Draft, written: &mut [Written]) -> bool {
    let can_be = draft.parts != Some(Parts::Heirs) && (draft.engine != Engine::Mariadb || draft.table_key.is_some());
    // One rule does not do both.
    let is_taken = written.iter().any(|written| ["suppress = ", "dependents = "].iter().any(|key| written.toml.contains(key)));
    if !dice.chance(25) || !can_be || is_taken {
        return false;
    }
    for written in written.iter_mut().filter(|written| written.rule.action == Action::Delete) {
        let toml = &written.toml;
        written.toml = format!("{toml}archive = {{ to = \"file://{FOLDER}\", keep_for = \"10 years\" }}\n");
    }
    true
}
