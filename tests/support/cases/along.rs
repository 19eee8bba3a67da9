//! `dependents`: other tables whose rows go with those of a table, or are detached from them, without any foreign key. Some have rows
//! that belong to theirs. A rule of their own keeps some, and tells whose they are.

use super::{
    dice::Dice,
    holds::Order,
    rules::{Written, toml},
    sql::identifier,
    table::Draft,
};
use crate::support::oracle::{Action, Hold, Scope, Table};

/// A row of such a table.
pub struct Child {
    pub id: usize,
    /// The number of what it belongs to: a row of the rule's table, or of the level above.
    pub above: usize,
    /// It is one of those that go.
    pub goes: bool,
}

/// One of the tables.
pub struct Level {
    pub name: String,
    pub children: Vec<Child>,
    /// What goes is detached.
    detached: bool,
    /// Only some go.
    chosen: bool,
    statements: Vec<String>,
}

/// The tables, from the one nearest to the rule's on.
pub struct Along {
    pub levels: Vec<Level>,
}

/// Whose they are: few, so that holds meet some.
const OWNERS: std::ops::RangeInclusive<i64> = 1..=6;

pub const COLUMNS: [&str; 5] = ["id", "parent", "state", "kept", "owner"];

/// Whether a table is to have some. The key of a table with heirs is none of theirs, so that it has to have no heirs then.
pub fn is_wanted(dice: &mut Dice) -> bool {
    dice.chance(65)
}

/// Makes such tables for a case that has a key, and tells the rules and the model. All rules that delete drag them along, so that it
/// doesn't matter which of them takes a row. `more` are for what the tables have had since there were owners and levels.
pub fn along(
    dice: &mut Dice,
    more: &mut Dice,
    draft: &Draft,
    table: &mut Table,
    written: &mut [Written],
    number: usize,
) -> Option<(Along, Vec<String>)> {
    let has_key = draft.table_key.as_deref() == Some(&[draft.number]);
    let deletes = written.iter().any(|written| written.rule.action == Action::Delete);
    // One rule does not do both.
    let is_taken = written.iter().any(|written| written.toml.contains("suppress = "));
    if !has_key || !deletes || is_taken {
        return None;
    }
    let (chosen, detached) = (dice.chance(50), dice.chance(30));
    let mut nearest = Level::new(format!("goes \"along\" {number}"), chosen, detached);
    // What belongs to what is detached stays whatever it is.
    let mut further =
        (!detached && more.chance(95)).then(|| Level::new(format!("goes further {number}"), more.chance(20), more.chance(30)));
    for (row, of) in table.rows.iter_mut().enumerate() {
        for _ in 0..dice.number(0..=2) {
            let (state, kept) = (dice.number(1..=2), dice.chance(20));
            let value = of.cells[draft.number].text.as_deref().expect("a key");
            let owner = more.number(OWNERS);
            let (child, goes) = nearest.child(row, value, state, kept, owner);
            of.kept_along |= goes && kept;
            of.held_along.extend(goes.then_some((nearest.name.clone(), owner)));
            let Some(further) = &mut further else { continue };
            for _ in 0..u8::from(more.chance(90)) {
                let (state, kept, owner) = (more.number(1..=2), more.chance(5), more.number(OWNERS));
                let (_, goes_too) = further.child(child, &child.to_string(), state, kept, owner);
                of.kept_along |= goes && goes_too && kept;
                of.held_along.extend((goes && goes_too).then_some((further.name.clone(), owner)));
            }
        }
    }
    let levels: Vec<Level> = std::iter::once(nearest).chain(further).collect();
    let nested = levels.get(1).map(|further| further.dependency("id", "")).unwrap_or_default();
    let line = levels[0].dependency(&draft.columns[draft.number].name, &nested);
    for written in written.iter_mut().filter(|written| written.rule.action == Action::Delete) {
        written.rule.drags_along = true;
        written.toml.push_str(&format!("{line}\n"));
    }
    for (level, id) in levels.iter().zip(["along", "further"]) {
        written.first_mut()?.toml.push_str(&level.rule(id));
    }
    let statements = levels.iter().flat_map(|level| level.statements.iter().cloned()).collect();
    Some((Along { levels }, statements))
}

/// Holds on the owners of what goes along, in its own table alone.
pub fn orders(more: &mut Dice, along: &[&Along]) -> Vec<Order> {
    let levels = along.iter().flat_map(|along| &along.levels);
    let held = levels.filter(|_| more.chance(45)).map(|level| level.name.clone()).collect::<Vec<_>>();
    let order = |table: String| {
        let owner = more.number(OWNERS).to_string();
        Order {
            arguments: ["--table".to_owned(), format!("app.{table}"), "--subject".to_owned(), format!("account:{owner}")].to_vec(),
            hold: Hold { subjects: vec![("account".to_owned(), owner)], scope: vec![Scope::Table(table)] },
            released: more.chance(25),
        }
    };
    held.into_iter().map(order).collect()
}

impl Level {
    fn new(name: String, chosen: bool, detached: bool) -> Self {
        let quoted = identifier(&name);
        let statements = vec![
            format!("CREATE TABLE {quoted} (id bigint PRIMARY KEY, parent bigint, state bigint, kept bigint, owner bigint)"),
            format!("INSERT INTO {quoted} VALUES (-1, NULL, 1, 1, 1)"),
        ];
        Self { name, children: Vec::new(), detached, chosen, statements }
    }

    /// One more; its number, and whether it goes.
    fn child(&mut self, above: usize, parent: &str, state: i64, kept: bool, owner: i64) -> (usize, bool) {
        let (id, goes) = (self.children.len(), state == 1 || !self.chosen);
        let table = identifier(&self.name);
        self.statements.push(format!("INSERT INTO {table} VALUES ({id}, {parent}, {state}, {}, {owner})", i32::from(kept)));
        self.children.push(Child { id, above, goes });
        (id, goes)
    }

    /// As a rule of the table above has it.
    fn dependency(&self, on: &str, nested: &str) -> String {
        let condition = if self.chosen { "where = \"state = 1\", " } else { "" };
        let then = if self.detached { "detach" } else { "delete" };
        let nested = if nested.is_empty() { String::new() } else { format!(", {nested}") };
        format!(
            "dependents = [{{ table = {}, on = {{ {} = \"parent\" }}, {condition}then = \"{then}\"{nested} }}]",
            toml(&self.name),
            toml(on)
        )
    }

    /// Its own rule.
    fn rule(&self, id: &str) -> String {
        format!(
            "\n[[rule]]\nid = \"{id}\"\ncategory = \"along\"\nsource = \"app\"\ntable = {}\nsubject = {{ account = \"owner\" }}\n\
             action = \"keep\"\nreason = \"r\"\nwhere = \"kept = 1\"\n",
            toml(&self.name)
        )
    }

    /// What is left of the table, as it was read, when these of its rows have gone.
    fn expected(&self, before: &[Vec<String>], has_gone: &[bool]) -> Vec<Vec<String>> {
        let fate = |row: &Vec<String>| {
            let id = row[0].trim_matches('\'').parse().ok().filter(|id: &usize| has_gone.get(*id) == Some(&true));
            match id {
                None => Some(row.clone()),
                Some(_) if self.detached => {
                    Some([row[0].clone(), "NULL".to_owned(), row[2].clone(), row[3].clone(), row[4].clone()].to_vec())
                }
                Some(_) => None,
            }
        };
        before.iter().filter_map(fate).collect()
    }
}

impl Along {
    /// Of each table, which children go when these rows of the rule's table do.
    fn gone(&self, is_gone: impl Fn(usize) -> bool) -> Vec<Vec<bool>> {
        let mut levels: Vec<Vec<bool>> = Vec::new();
        for level in &self.levels {
            let above_goes = |above: usize| levels.last().map_or_else(|| is_gone(above), |above_it| above_it[above]);
            levels.push(level.children.iter().map(|child| child.goes && above_goes(child.above)).collect());
        }
        levels
    }

    /// What is left of each table, as it was read, when these rows are gone.
    pub fn expected<'b>(
        &self,
        before: impl Fn(&str) -> &'b [Vec<String>],
        is_gone: impl Fn(usize) -> bool,
    ) -> Vec<(&str, Vec<Vec<String>>)> {
        let gone = self.gone(is_gone);
        self.levels.iter().zip(&gone).map(|(level, gone)| (level.name.as_str(), level.expected(before(&level.name), gone))).collect()
    }

    /// How many go when these rows do.
    pub fn dragged(&self, is_gone: impl Fn(usize) -> bool) -> u64 {
        self.gone(is_gone).iter().flatten().filter(|goes| **goes).count() as u64
    }

    /// Whether any does that belongs to one that goes.
    pub fn drags_further(&self, is_gone: impl Fn(usize) -> bool) -> bool {
        self.gone(is_gone).get(1).is_some_and(|further| further.contains(&true))
    }
}
