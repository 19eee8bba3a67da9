//! `evidence`: the rules of some tables keep a digest of each row that they act on.

use super::{dice::Dice, parts::Parts, rules::Written, table::Draft};

/// Whether all acting rules of the table do; tells them so. It takes a table with a key, from which none inherits.
pub fn digested(dice: &mut Dice, draft: &Draft, written: &mut [Written]) -> bool {
    let can_be = draft.parts != Some(Parts::Heirs) && draft.table_key.is_some();
    // The opt-outs of rows are read by the same statement.
    let is_taken = written.iter().any(|written| written.toml.contains("suppress = "));
    if !dice.chance(25) || !can_be || is_taken {
        return false;
    }
    for written in written.iter_mut().filter(|written| !written.toml.contains("action = \"keep\"")) {
        written.toml.push_str("evidence = \"row\"\n");
    }
    true
}
