//! What a statement would drag along: foreign keys that point at the table, and triggers (law 4).
//!
//! What would change beside the rows of the rule is refused by name. Children that forbid a delete drag nothing along: their
//! parents wait for them. What else a statement sets off is a question here.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    dependents::{Covered, block, covered},
    obstacle::{Obstacle, Reason},
    plan::{Surroundings, changed_columns},
};
use crate::{
    engine::shape::{ForeignKey, ReferentialAction, Shape, Sight, Trigger},
    fault,
    policy::{Action, Rule},
    sql::selection::Reference,
};

/// Refuses what the statement would change beside the rows of the rule.
///
/// # Errors
/// An [`Obstacle`] that names the first foreign key or trigger.
pub fn refuse(rule: &Rule, around: &Surroundings<'_>) -> Result<(), Obstacle> {
    let shape = around.shape;
    if fault::seeded("undeclared-cascade") {
        return Ok(());
    }
    let change = Change::of(rule, shape);
    for (key, effect) in change.keys(shape) {
        let (name, child) = (&key.name, &key.child.table);
        let deleting = change == Change::Deleted;
        let says = |way_out: String| {
            let message = format!("the foreign key `{name}` of {child} {}; {way_out}", effect.words());
            Err(Obstacle::new(Reason::Cascade, message))
        };
        match covered(rule, key, around) {
            Covered::Declared if deleting => {}
            Covered::StillRefers if deleting => {
                return says(format!(
                    "rows of {child} that are anonymised go on referring; let a column of the key become `null`, or detach them"
                ));
            }
            // A key that forbids a delete drags nothing along.
            _ if effect == Effect::Forbids && deleting => {}
            // Rows of a dependent's table that refer to one another go one after the other.
            _ if deleting && around.follows() && key.child == shape.table => {}
            _ if deleting && key.child == shape.table => {
                return says("rows of one table end by their own rule: let the key forbid the delete (NO ACTION), and each waits for those that refer to it".to_owned());
            }
            _ if deleting => {
                let place =
                    if around.follows() { format!("beside the dependents of {}, within them, ", shape.table.table) } else { String::new() };
                return says(format!("if those rows may go along, {place}add {}", block(key)));
            }
            _ => return says("`dependents` go only with rows that are deleted".to_owned()),
        }
    }
    let is_allowed = |trigger: &Trigger| rule.triggers.iter().any(|allowed| allowed.name == trigger.name);
    if let Some(trigger) = change.triggers(shape).find(|trigger| !is_allowed(trigger)) {
        let name = quoted(&trigger.name);
        let message = format!(
            "the trigger `{}` would fire and might change anything; if it may, add triggers = [{{ name = {name}, reason = \"…\" }}]",
            trigger.name
        );
        return Err(Obstacle::new(Reason::Trigger, message));
    }
    // Whether it is still what was allowed, its body alone can tell.
    if let Some(trigger) = change.triggers(shape).find(|trigger| trigger.digest.is_none()) {
        let message = format!(
            "the trigger `{}` may fire, but this role may not see its body, which might change; `retentiond grants {}` prints what it needs",
            trigger.name, rule.source
        );
        return Err(Obstacle::new(Reason::Trigger, message).at(rule, &format!("triggers.{}", trigger.name)));
    }
    Ok(())
}

/// A text as TOML has it, which escapes as JSON does.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// The triggers that the rule fires, by name, each with the digests of all bodies under that name: members of a tree may have
/// others of their own.
pub fn fired(rule: &Rule, shape: &Shape) -> BTreeMap<String, BTreeSet<String>> {
    let mut fired: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for trigger in Change::of(rule, shape).triggers(shape) {
        fired.entry(trigger.name.clone()).or_default().extend(trigger.digest.clone());
    }
    fired
}

/// What a foreign key does to the rows that refer to one which is deleted or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    Deletes,
    Changes,
    SetsNull,
    SetsDefault,
    Forbids,
}

impl Effect {
    /// As part of a sentence about the key.
    pub fn words(self) -> &'static str {
        match self {
            Self::Deletes => "would delete its rows",
            Self::Changes => "would change its rows",
            Self::SetsNull => "would set its columns to NULL",
            Self::SetsDefault => "would set its columns to their defaults",
            Self::Forbids => "forbids the change",
        }
    }

    fn of(action: ReferentialAction, deleting: bool) -> Self {
        match action {
            ReferentialAction::Cascade if deleting => Self::Deletes,
            ReferentialAction::Cascade => Self::Changes,
            ReferentialAction::SetNull => Self::SetsNull,
            ReferentialAction::SetDefault => Self::SetsDefault,
            ReferentialAction::NoAction | ReferentialAction::Restrict => Self::Forbids,
        }
    }
}

/// What happens to rows of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    Nothing,
    Deleted,
    /// These columns change, computed ones among them.
    Updated(BTreeSet<String>),
}

impl Change {
    /// What the rule does to its own.
    pub fn of(rule: &Rule, shape: &Shape) -> Self {
        match rule.action {
            Action::Keep { .. } => Self::Nothing,
            Action::Delete => Self::Deleted,
            // What is assigned to itself stays as it is.
            Action::Anonymise { .. } => {
                Self::updated(shape, changed_columns(rule, shape).filter(|column| !column.touched).map(|column| column.name.as_str()))
            }
        }
    }

    /// What a foreign key does to the child; `None`: it only forbids.
    pub fn by(key: &ForeignKey, effect: Effect, child: &Shape) -> Option<Self> {
        match effect {
            Effect::Forbids => None,
            Effect::Deletes => Some(Self::Deleted),
            Effect::Changes | Effect::SetsNull | Effect::SetsDefault => {
                Some(Self::updated(child, key.child_columns.iter().map(String::as_str)))
            }
        }
    }

    fn updated<'a>(shape: &'a Shape, columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self::Updated(shape.moved_by(columns).into_iter().map(str::to_owned).collect())
    }

    /// The foreign keys that it sets off. What is computed from a column changes with it, and so do the children that refer
    /// to that.
    pub fn keys<'a>(&self, shape: &'a Shape) -> impl Iterator<Item = (&'a ForeignKey, Effect)> {
        let is_set_off = |key: &&ForeignKey| match self {
            Self::Nothing => false,
            Self::Deleted => true,
            Self::Updated(moved) => key.parent_columns.iter().any(|column| moved.contains(column)),
        };
        let deleting = *self == Self::Deleted;
        let effect = move |key: &'a ForeignKey| (key, Effect::of(if deleting { key.on_delete } else { key.on_update }, deleting));
        shape.referenced_by.iter().filter(is_set_off).map(effect)
    }

    /// The triggers that it fires.
    pub fn triggers<'a>(&self, shape: &'a Shape) -> impl Iterator<Item = &'a Trigger> {
        let fires = |trigger: &&Trigger| match self {
            Self::Nothing => false,
            Self::Deleted => trigger.on_delete,
            Self::Updated(moved) => {
                let is_watched = trigger.update_columns.is_empty() || trigger.update_columns.iter().any(|column| moved.contains(column));
                trigger.on_update && is_watched && !moved.is_empty()
            }
        };
        shape.triggers.iter().filter(|trigger| trigger.enabled).filter(fires)
    }
}

/// Children that forbid the delete: their parents wait, as SPEC section 8 says.
///
/// # Errors
/// An [`Obstacle`] if some of those children might not be seen.
pub fn references(rule: &Rule, around: &Surroundings<'_>) -> Result<Vec<Reference>, Obstacle> {
    let shape = around.shape;
    let reference = |key: &ForeignKey| {
        let child = &key.child.table;
        let why = format!("{child} refers to this table, and a row that it refers to has to stay; but");
        match key.child_sight {
            Sight::All => {}
            Sight::NotGranted => {
                let message =
                    format!("{why} this role may not SELECT on {child}; `retentiond grants {}` prints what it needs", rule.source);
                return Err(Obstacle::new(Reason::Privileges, message).at(rule, "table"));
            }
            Sight::RowSecurity => {
                let message =
                    format!("{why} row security on {child} applies to this role, so rows may be invisible; use a role with BYPASSRLS");
                return Err(Obstacle::new(Reason::RowSecurity, message).at(rule, "table"));
            }
        }
        if let Some(extra) = key.parent_columns.iter().find(|column| shape.column(column).is_none()) {
            let name = &key.name;
            let message = format!(
                "the foreign key `{name}` of {child} refers to `{extra}` of {}, which {} lacks",
                key.parent.table, shape.table.table
            );
            return Err(
                Obstacle::new(Reason::Cascade, format!("{message}; sweep the tables that have it by rules of their own")).at(rule, "table")
            );
        }
        let pairs = key.child_columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect();
        Ok(Reference { child: key.child.clone(), pairs, own: key.child == shape.table })
    };
    let is_chain = |key: &ForeignKey| around.follows() && key.child == shape.table;
    forbidding(shape).filter(|key| covered(rule, key, around) == Covered::Undeclared && !is_chain(key)).map(reference).collect()
}

/// The foreign keys by which other tables forbid a delete.
pub fn forbidding(shape: &Shape) -> impl Iterator<Item = &ForeignKey> {
    shape.referenced_by.iter().filter(|key| matches!(key.on_delete, ReferentialAction::NoAction | ReferentialAction::Restrict))
}
