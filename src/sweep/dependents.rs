//! `dependents`: what goes with a rule's rows, as the selection asks for it.
//!
//! Each table of it is planned as if a rule named it that acts as `then` says, so that what stops a rule there stops the
//! rule here: what can't be seen or changed, triggers, undeclared foreign keys, and the rules and holds of that table,
//! which keep its rows and with them those that they belong to. What such a row has no say in is when it ends.

use super::{
    elsewhere::Elsewhere,
    obstacle::{Obstacle, Reason},
    plan::{self, Planned, Surroundings, changed_columns, column},
    relatives::relatives,
};
use crate::{
    engine::shape::{ForeignKey, ReferentialAction, Shape, TableKind},
    policy::{
        Action, Dependent, Dialect, Evidence, OnNull, Rule, StrategySpec, Subjects, Then,
        resolve::{SUBJECT, readings},
    },
    sql::selection::{ColumnRef, Dependency, Reference, TypeClass},
};

/// Where the dependents of the rule itself are written.
pub const ROOT: &str = "dependents";

/// What goes with the rows of a rule, or of one of its dependents.
///
/// # Errors
/// The first [`Obstacle`], with the table that it is about.
pub fn dependencies(rule: &Rule, around: &Surroundings<'_>) -> Result<Vec<Dependency>, Obstacle> {
    if rule.dependents.is_empty() {
        return Ok(Vec::new());
    }
    lockable(around.shape, rule, around)?;
    let of = |(number, dependent): (usize, &Dependent)| {
        let place = format!("{}.{number}", around.within);
        dependency(rule, dependent, &place, around).map_err(|obstacle| {
            let message = if obstacle.place.is_some() {
                obstacle.message
            } else {
                format!("rows of {} go along; but {}", dependent.table, obstacle.message)
            };
            Obstacle::new(obstacle.reason, message).at(rule, &place)
        })
    };
    rule.dependents.iter().enumerate().map(of).collect()
}

fn dependency(rule: &Rule, dependent: &Dependent, place: &str, around: &Surroundings<'_>) -> Result<Dependency, Obstacle> {
    let shape = shape_of(dependent, around.elsewhere)?;
    let pairs = pairs(dependent, shape, around)?;
    let rules: Vec<&Rule> = around.everyone.iter().filter(|(_, other)| other.table == shape.table).map(|(rule, _)| *rule).collect();
    let relatives = relatives(shape, around.everyone.iter().copied());
    let as_rule = as_rule(rule, dependent);
    let below = Surroundings { shape, rules: &rules, relatives: &relatives, within: place, ..*around };
    nothing_that_is_read(dependent, &as_rule, &below)?;
    lockable(shape, rule, around)?;
    let Planned { selection, act, opt_out: _ } = plan::plan(&as_rule, below).map_err(|obstacle| Obstacle { place: None, ..obstacle })?;
    let chains = shape.referenced_by.iter().filter(|key| key.child == shape.table && matches!(dependent.then, Then::Delete));
    let keys: Vec<&ForeignKey> =
        around.shape.referenced_by.iter().filter(|key| key.child == shape.table && is_key_of(key, dependent)).collect();
    Ok(Dependency {
        pairs,
        rows: selection,
        act: act.ok_or_else(|| Obstacle::new(Reason::Unsupported, "nothing happens to them"))?,
        keeps_others: !keys.is_empty() && dependent.condition.is_some(),
        chains: chains.map(|key| Reference { child: key.child.clone(), pairs: key_pairs(key), own: true }).collect(),
    })
}

/// The table, as the catalogue has it.
fn shape_of<'a>(dependent: &Dependent, elsewhere: &'a Elsewhere) -> Result<&'a Shape, Obstacle> {
    match elsewhere.tables.get(&dependent.table) {
        Some(Ok(shape)) => Ok(shape),
        Some(Err(obstacle)) => Err(obstacle.clone()),
        None => Err(Obstacle::new(Reason::MissingTable, format!("the source has no table {}", dependent.table))),
    }
}

/// The rule that acts on a dependent's rows by itself, whenever they end.
pub fn as_rule(rule: &Rule, dependent: &Dependent) -> Rule {
    Rule {
        table: dependent.table.clone(),
        key: Vec::new(),
        condition: dependent.condition.clone(),
        tenant: None,
        subjects: Subjects::Unstated,
        overrides: Vec::new(),
        term: None,
        action: match dependent.then {
            Then::Delete => Action::Delete,
            Then::Detach | Then::Anonymise(_) => Action::Anonymise { columns: dependent.changed(), mark: None },
        },
        retains: Vec::new(),
        unlinks: dependent.unlinks,
        drops_partitions: false,
        wait_for: Vec::new(),
        dependents: dependent.dependents.clone(),
        suppress: None,
        evidence: Evidence::Batch,
        ..rule.clone()
    }
}

fn key_pairs(key: &ForeignKey) -> Vec<(String, String)> {
    key.child_columns.iter().cloned().zip(key.parent_columns.iter().cloned()).collect()
}

/// Whether a foreign key says of the same columns what the declaration says.
fn is_key_of(key: &ForeignKey, dependent: &Dependent) -> bool {
    let mut keys = key_pairs(key);
    let mut declared: Vec<(String, String)> = dependent.on.iter().map(|(own, theirs)| (theirs.clone(), own.clone())).collect();
    keys.sort_unstable();
    declared.sort_unstable();
    keys == declared
}

/// What a declaration makes of a foreign key that points at the rule's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covered {
    /// Whatever the key would do, nothing is left to do it to.
    Declared,
    /// The rows stay and go on referring, so that the key still does what it does.
    StillRefers,
    Undeclared,
}

/// Whether a rule's `dependents` say as much of a foreign key's rows as the key does, or more.
pub fn covered(rule: &Rule, key: &ForeignKey, around: &Surroundings<'_>) -> Covered {
    let is_of = |dependent: &&Dependent| shape_of(dependent, around.elsewhere).is_ok_and(|shape| shape.table == key.child);
    let mut declared = rule.dependents.iter().filter(is_of).filter(|dependent| is_key_of(key, dependent)).peekable();
    if declared.peek().is_none() {
        return Covered::Undeclared;
    }
    let lets_go = |dependent: &Dependent| match &dependent.then {
        Then::Delete | Then::Detach => true,
        Then::Anonymise(columns) => columns.iter().any(|(column, spec)| *spec == StrategySpec::Null && key.child_columns.contains(column)),
    };
    if declared.all(lets_go) { Covered::Declared } else { Covered::StillRefers }
}

/// The block that would declare the rows of a foreign key.
pub fn block(key: &ForeignKey) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let is_bare = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let name = |text: &str| if is_bare(text) { text.to_owned() } else { quoted(text) };
    let then = match key.on_delete {
        ReferentialAction::Cascade | ReferentialAction::NoAction | ReferentialAction::Restrict => "delete",
        ReferentialAction::SetNull | ReferentialAction::SetDefault => "detach",
    };
    let schema = if key.child.schema == key.parent.schema { String::new() } else { format!("schema = {}, ", quoted(&key.child.schema)) };
    let on: Vec<String> =
        key.parent_columns.iter().zip(&key.child_columns).map(|(own, theirs)| format!("{} = {}", name(own), quoted(theirs))).collect();
    format!("dependents = [{{ {schema}table = {}, on = {{ {} }}, then = \"{then}\" }}]", quoted(&key.child.table), on.join(", "))
}

/// The columns of `on`: comparable, and on the side of the rows above a key, so that a row belongs to one of them alone.
fn pairs(dependent: &Dependent, shape: &Shape, around: &Surroundings<'_>) -> Result<Vec<(ColumnRef, ColumnRef)>, Obstacle> {
    let mut pairs = Vec::new();
    for (own, theirs) in &dependent.on {
        let (mine, other) = (column(around.shape, own, "on")?, column(shape, theirs, "on")?);
        if !are_alike(&mine, &other, around.workspace.dialect) {
            let (mine, other) = (mine.declared, other.declared);
            let message = format!("`on` compares `{own}` ({mine}) with `{theirs}` ({other}), and what is equal may differ between them");
            return Err(Obstacle::new(Reason::Unsupported, message));
        }
        pairs.push((other, mine));
    }
    let mut own: Vec<&str> = dependent.on.iter().map(|(own, _)| own.as_str()).collect();
    own.sort_unstable();
    let is_it = |columns: &[String]| {
        let mut columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        columns.sort_unstable();
        columns == own
    };
    let unique = around.shape.indexes.iter().any(|index| index.unique && !index.partial && is_it(&index.columns));
    let is_key = around.shape.kind != TableKind::Parent
        && (is_it(&around.shape.primary_key) || unique)
        && pairs.iter().all(|(_, mine)| !mine.nullable || around.shape.primary_key.contains(&mine.name));
    if !is_key {
        let table = &around.shape.table.table;
        let message = format!(
            "`on` names `{}`, which is no key of {table}: what belongs to one row might belong to another as well, which stays",
            own.join(", ")
        );
        return Err(Obstacle::new(Reason::Unsupported, message));
    }
    Ok(pairs)
}

/// Whether equal values of the two are equal for every statement, whichever of the columns it compares by.
fn are_alike(one: &ColumnRef, other: &ColumnRef, dialect: Dialect) -> bool {
    use TypeClass::{Boolean, Bytes, Date, Decimal, Enum, FoldedText, Integer, PaddedText, Text, Timestamp, TimestampTz, Untyped, Uuid};
    let collation = |of: &ColumnRef| of.declared.split_once(" COLLATE ").map(|(_, collation)| collation.to_owned());
    match (one.class, other.class) {
        (Integer | Decimal, Integer | Decimal) => true,
        (Text, Text) | (FoldedText, FoldedText) | (PaddedText, PaddedText) => {
            collation(one) == collation(other)
                && (dialect != Dialect::Postgres || one.class != FoldedText || one.declared == other.declared)
        }
        (Uuid, Uuid) | (Bytes, Bytes) | (Date, Date) | (Boolean, Boolean) => true,
        (Timestamp, Timestamp) | (TimestampTz, TimestampTz) => true,
        (Untyped, Untyped) => dialect == Dialect::Sqlite && collation(one) == collation(other),
        (Enum, Enum) => one.declared == other.declared,
        _ => false,
    }
}

/// PostgreSQL lets rows be locked only by who may change one of their columns.
fn lockable(shape: &Shape, rule: &Rule, around: &Surroundings<'_>) -> Result<(), Obstacle> {
    let is_needed = around.workspace.dialect == Dialect::Postgres && rule.mode == crate::policy::Mode::Enforce;
    if !is_needed || shape.columns.iter().any(|column| column.updatable) {
        return Ok(());
    }
    let message = format!(
        "this role may not lock rows of {}, which takes UPDATE on one of its columns; `retentiond grants {}` prints what it needs",
        shape.table.table, rule.source
    );
    Err(Obstacle::new(Reason::Privileges, message))
}

/// What changes must not decide anything: neither what goes along, nor anything of the rules of its own table.
fn nothing_that_is_read(dependent: &Dependent, as_rule: &Rule, around: &Surroundings<'_>) -> Result<(), Obstacle> {
    for column in changed_columns(as_rule, around.shape).filter(|column| !column.touched).map(|column| &column.name) {
        let not = |what: &str| Obstacle::new(Reason::Strategy, format!("`{column}` can't be changed: it is {what}"));
        if dependent.condition.as_ref().is_some_and(|condition| condition.columns.contains(column)) {
            return Err(not("read in the `where` of these dependents"));
        }
        if dependent.dependents.iter().any(|nested| nested.on.iter().any(|(own, _)| own == column)) {
            return Err(not("what the rows that go with them refer to"));
        }
        for (other, _) in around.met() {
            let is_unlinked = |what: &str| dependent.unlinks && what == SUBJECT;
            if let Some((what, _)) = readings(other, column).into_iter().find(|(what, _)| !is_unlinked(what)) {
                let way_out = if what == SUBJECT && !holds_null(other) {
                    "; say `unlinks = true` there if no hold on the subject is to find the row afterwards"
                } else {
                    ""
                };
                let message = format!("`{column}` can't be changed: it is {what} of {}{way_out}", other.id);
                return Err(Obstacle::new(Reason::Strategy, message));
            }
        }
    }
    Ok(())
}

fn holds_null(rule: &Rule) -> bool {
    matches!(rule.subjects, Subjects::Of { on_null: OnNull::Hold, .. })
}
