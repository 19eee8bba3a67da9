//! What a rule's statement sets off beside the rows of the rule: the graph of foreign keys, as far as it reaches, and the
//! triggers on the way.
//!
//! Whatever is found here beyond children that are waited for stops the rule; the graph says what a declaration would have to
//! cover. A step of it is one table with what happens to it.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::{
    engine::{Engine, shape::Shape},
    policy::{Dialect, Rule, TableName},
    sweep::dragged::{Change, Effect},
};

/// A foreign key or a trigger that is set off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dragged {
    /// The tables on the way to it, the rule's own first.
    pub via: Vec<String>,
    #[serde(flatten)]
    pub what: What,
}

/// Which of the two.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum What {
    ForeignKey {
        name: String,
        /// The child, whose rows the effect is on.
        table: String,
        columns: Vec<String>,
        effect: Effect,
        /// An index of the child starts with the columns: without one, each row of the parent takes a scan of the child.
        indexed: bool,
        /// The engine's own estimate of the child's rows.
        rows: Option<u64>,
        /// The role may not look at the child, so what follows from there is not known.
        hidden: bool,
    },
    Trigger {
        name: String,
        /// SHA-256 of the trigger with the function that it runs; absent where the role may not see them.
        digest: Option<String>,
        /// Why the rule lets it fire; absent where it does not.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
}

impl Dragged {
    /// A sentence about it.
    pub fn sentence(&self) -> String {
        let place = self.via.join(" -> ");
        match &self.what {
            What::ForeignKey { name, table, columns, effect, indexed, rows, hidden } => {
                let scans = match rows {
                    _ if *indexed => String::new(),
                    Some(rows) => format!("; without an index, each row takes a scan of its {rows} rows"),
                    None => "; without an index, each row takes a scan of it".to_owned(),
                };
                let effect = match effect {
                    Effect::Forbids => "keeps the row that it refers to",
                    effect => effect.words(),
                };
                let beyond = if *hidden { "; what that sets off is hidden from this role" } else { "" };
                format!("{place} -> {table} ({}) by the foreign key `{name}`, which {effect}{scans}{beyond}", columns.join(", "))
            }
            What::Trigger { name, digest, reason } => {
                let digest =
                    digest.as_ref().map_or_else(|| "its body can't be seen".to_owned(), |digest| format!("sha256 {}", &digest[..12]));
                let may = reason.as_ref().map_or_else(String::new, |reason| format!(", which may fire: {reason}"));
                format!("{place}: the trigger `{name}` ({digest}){may}")
            }
        }
    }
}

/// Follows what the rule does from its own table, breadth first; what was met is not followed again, so a circle ends.
///
/// # Errors
/// The engine's, where the catalogue can't be read at all.
pub async fn dragged(engine: &dyn Engine, rule: &Rule, shape: &Shape) -> Result<Vec<Dragged>, crate::engine::Error> {
    let mut found = Vec::new();
    let first = Change::of(rule, shape);
    let mut met: BTreeSet<(String, String, Change)> = BTreeSet::new();
    met.insert((shape.table.schema.clone(), shape.table.table.clone(), first.clone()));
    let mut wave = vec![(vec![shape.table.table.clone()], shape.clone(), first)];
    while !wave.is_empty() {
        let mut next = Vec::new();
        for (via, shape, change) in wave {
            // On MariaDB what a foreign key does fires no triggers.
            let fires = via.len() == 1 || engine.dialect() != Dialect::Mysql;
            let triggers = change.triggers(&shape).filter(|_| fires);
            found.extend(triggers.map(|trigger| Dragged {
                via: via.clone(),
                what: What::Trigger {
                    name: trigger.name.clone(),
                    digest: trigger.digest.clone(),
                    reason:
                        rule.triggers.iter().find(|allowed| via.len() == 1 && allowed.name == trigger.name).map(|one| one.reason.clone()),
                },
            }));
            let keys: Vec<_> = change.keys(&shape).collect();
            let names: Vec<TableName> =
                keys.iter().map(|(key, _)| TableName { schema: Some(key.child.schema.clone()), table: key.child.table.clone() }).collect();
            let children = engine.inspect_all(&names).await?;
            for ((key, effect), child) in keys.into_iter().zip(children) {
                // What can't be looked at is named, and not followed.
                let child = child.ok().flatten();
                found.push(Dragged {
                    via: via.clone(),
                    what: What::ForeignKey {
                        name: key.name.clone(),
                        table: key.child.table.clone(),
                        columns: key.child_columns.clone(),
                        effect,
                        indexed: key.child_indexed,
                        rows: child.as_ref().and_then(|child| child.estimated_rows),
                        hidden: child.is_none() && effect != Effect::Forbids,
                    },
                });
                let Some((child, change)) = child.and_then(|child| Change::by(key, effect, &child).map(|change| (child, change))) else {
                    continue;
                };
                if met.insert((child.table.schema.clone(), child.table.table.clone(), change.clone())) {
                    let via = via.iter().cloned().chain([child.table.table.clone()]).collect();
                    next.push((via, child, change));
                }
            }
        }
        wave = next;
    }
    Ok(found)
}
