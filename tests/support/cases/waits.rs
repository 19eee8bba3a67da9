//! `wait_for`: another table without any foreign key, for whose rows some rules wait.

use super::{
    dice::Dice,
    rules::{Written, toml},
    sql::identifier,
    table::Draft,
};
use crate::support::oracle::{Action, Table};

/// Makes such a table for one case in six, and tells the rules and the model; its name, and the statements that make it.
pub fn wait(dice: &mut Dice, draft: &Draft, table: &mut Table, written: &mut [Written], number: usize) -> Option<(String, Vec<String>)> {
    if !dice.chance(17) {
        return None;
    }
    // The name is hostile, and the rule and the table write it each in their own way.
    let name = format!("waited \"for\" {number}");
    let own = draft.number;
    let quoted = identifier(&name);
    let mut statements =
        vec![format!("CREATE TABLE {quoted} (id bigint, parent bigint)"), format!("INSERT INTO {quoted} VALUES (-1, NULL)")];
    for (id, row) in table.rows.iter_mut().enumerate() {
        // Of rows that have the same number, all are waited for: the table may have no key.
        row.waited_for = dice.chance(25);
        if row.waited_for {
            let value = row.cells[own].text.as_deref().expect("a number");
            statements.push(format!("INSERT INTO {quoted} VALUES ({id}, {value})"));
        }
    }
    let waited: Vec<Option<String>> = table.rows.iter().filter(|row| row.waited_for).map(|row| row.cells[own].text.clone()).collect();
    table.rows.iter_mut().for_each(|row| row.waited_for = waited.contains(&row.cells[own].text));
    let on = format!("{{ {} = \"parent\" }}", toml(&draft.columns[own].name));
    for written in written.iter_mut().filter(|written| written.rule.action != Action::Keep) {
        if dice.chance(75) {
            written.rule.waits = true;
            written.toml = format!("{}wait_for = [{{ table = {}, on = {on} }}]\n", written.toml, toml(&name));
        }
    }
    Some((name, statements))
}
