//! `suppress`: a list on which some rules leave the opt-outs of the rows that they delete.

use super::{
    dice::Dice,
    rules::{Written, toml},
    sql::identifier,
    table::Draft,
};
use crate::support::oracle::{Action, Strategy, Table, act};

/// The list of one case.
pub struct List {
    pub name: String,
    pub statements: Vec<String>,
    /// What is on it before the sweep.
    pub before: Option<String>,
}

/// Makes a list for one case in five that has a rule which deletes; every such rule leaves opt-outs there, so that it does not
/// matter which of them takes a row.
pub fn list(dice: &mut Dice, draft: &Draft, table: &Table, written: &mut [Written], pepper: &[u8], number: usize) -> Option<List> {
    let wanted = dice.chance(20);
    let first = table.rows.first().filter(|_| dice.chance(50)).and_then(|row| row.cells[draft.number].text.as_deref());
    let deletes = |written: &Written| written.rule.action == Action::Delete;
    if !wanted || !written.iter().any(deletes) {
        return None;
    }
    let name = format!("list \"of\" {number}");
    let quoted = identifier(&name);
    let mut statements = vec![format!("CREATE TABLE {quoted} (hash varchar(64) NOT NULL PRIMARY KEY, why varchar(20) NOT NULL)")];
    let before = first.and_then(|text| act(&Strategy::Hmac { email: false }, pepper, Some(text)));
    statements.extend(before.iter().map(|hash| format!("INSERT INTO {quoted} VALUES ('{hash}', 'before')")));
    let from = toml(&draft.columns[draft.number].name);
    for written in written.iter_mut().filter(|written| deletes(written)) {
        let columns = format!("{{ hash = {{ from = {from}, strategy = \"hmac\", key = \"pepper\" }}, why = {{ fixed = \"it's gone\" }} }}");
        written.toml = format!("{}suppress = {{ table = {}, columns = {columns} }}\n", written.toml, toml(&name));
    }
    Some(List { name, statements, before })
}
