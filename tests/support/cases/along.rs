//! `dependents`: another table whose rows go with those of a table, or are detached from them, without any foreign key.

use super::{
    dice::Dice,
    rules::{Written, toml},
    sql::identifier,
    table::Draft,
};
use crate::support::oracle::{Action, Table};

/// A row of such a table.
pub struct Child {
    pub id: usize,
    /// The number of the row that it belongs to.
    pub row: usize,
    /// It is one of those that go.
    pub goes: bool,
}

/// Such a table.
pub struct Along {
    pub name: String,
    pub children: Vec<Child>,
    /// What goes is detached.
    pub detached: bool,
}

pub const COLUMNS: [&str; 4] = ["id", "parent", "state", "kept"];

/// Whether a table is to have one. The key of a table with heirs is none of theirs, so that it has to have no heirs then.
pub fn is_wanted(dice: &mut Dice) -> bool {
    dice.chance(50)
}

/// Makes such a table for a case that has a key, and tells the rules and the model. All rules that delete
/// drag it along, so that it doesn't matter which of them takes a row.
pub fn along(dice: &mut Dice, draft: &Draft, table: &mut Table, written: &mut [Written], number: usize) -> Option<(Along, Vec<String>)> {
    let has_key = draft.table_key.as_deref() == Some(&[draft.number]);
    let deletes = written.iter().any(|written| written.rule.action == Action::Delete);
    // One rule does not do both.
    let is_taken = written.iter().any(|written| written.toml.contains("suppress = "));
    if !has_key || !deletes || is_taken {
        return None;
    }
    let name = format!("goes \"along\" {number}");
    let quoted = identifier(&name);
    let (chosen, detached) = (dice.chance(50), dice.chance(30));
    let mut along = Along { name: name.clone(), children: Vec::new(), detached };
    let mut statements = vec![
        format!("CREATE TABLE {quoted} (id bigint, parent bigint, state bigint, kept bigint)"),
        format!("INSERT INTO {quoted} VALUES (-1, NULL, 1, 1)"),
    ];
    for (row, of) in table.rows.iter_mut().enumerate() {
        for _ in 0..dice.number(0..=2) {
            let (state, kept) = (dice.number(1..=2), dice.chance(20));
            let (id, goes) = (along.children.len(), state == 1 || !chosen);
            let value = of.cells[draft.number].text.as_deref().expect("a key");
            statements.push(format!("INSERT INTO {quoted} VALUES ({id}, {value}, {state}, {})", i32::from(kept)));
            of.kept_along |= goes && kept;
            along.children.push(Child { id, row, goes });
        }
    }
    let condition = if chosen { "where = \"state = 1\", " } else { "" };
    let then = if detached { "detach" } else { "delete" };
    let on = toml(&draft.columns[draft.number].name);
    let line = format!("dependents = [{{ table = {}, on = {{ {on} = \"parent\" }}, {condition}then = \"{then}\" }}]\n", toml(&name));
    for written in written.iter_mut().filter(|written| written.rule.action == Action::Delete) {
        written.rule.drags_along = true;
        written.toml.push_str(&line);
    }
    let keep = format!(
        "\n[[rule]]\nid = \"along\"\ncategory = \"along\"\nsource = \"app\"\ntable = {}\naction = \"keep\"\nreason = \"r\"\nwhere = \"kept = 1\"\n",
        toml(&name)
    );
    written.first_mut()?.toml.push_str(&keep);
    Some((along, statements))
}

impl Along {
    /// What is left of the table, as it was read, when these rows are gone.
    pub fn expected(&self, before: &[Vec<String>], is_gone: impl Fn(usize) -> bool) -> Vec<Vec<String>> {
        let fate = |row: &Vec<String>| {
            let id = row[0].trim_matches('\'');
            let child = self.children.iter().find(|child| child.id.to_string() == id);
            match child.filter(|child| child.goes && is_gone(child.row)) {
                None => Some(row.clone()),
                Some(_) if self.detached => Some([row[0].clone(), "NULL".to_owned(), row[2].clone(), row[3].clone()].to_vec()),
                Some(_) => None,
            }
        };
        before.iter().filter_map(fate).collect()
    }

    /// How many go when these rows do.
    pub fn dragged(&self, is_gone: impl Fn(usize) -> bool) -> u64 {
        self.children.iter().filter(|child| child.goes && is_gone(child.row)).count() as u64
    }
}
