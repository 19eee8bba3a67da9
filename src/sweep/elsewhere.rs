//! Tables that rules read beside their own: those that they look up dates, periods and subjects in, those that they wait for, and those of
//! their dependents.
//!
//! [`Elsewhere`] is what is known of them before a rule is planned. A rule that needs to read one more asks [`visible`] first: where rows of it
//! could be invisible, nothing can be decided by them.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    obstacle::{Obstacle, Reason},
    plan::column,
};
use crate::{
    engine::{
        Engine,
        shape::{RowSecurity, Shape, TableKind},
    },
    policy::{ColumnAt, Dependent, Dialect, Hop, Mode, Rule, Setting, TableName},
    sql::selection::{ColumnRef, HopRef, Side, TypeClass},
};

/// What rules of one source read beside their own tables.
#[derive(Debug, Clone, Default)]
pub struct Elsewhere {
    /// As the catalogue has them; one that is not there is not in it.
    pub tables: Tables,
    /// The numbers that are set, by table and column.
    pub settings: BTreeMap<(TableName, String), Result<Vec<i64>, Obstacle>>,
}

/// A table and what is read beside it.
#[derive(Debug, Clone, Copy)]
pub struct Base<'a> {
    pub shape: &'a Shape,
    pub elsewhere: &'a Elsewhere,
    pub dialect: Dialect,
}

/// Tables by the names that rules have for them.
pub type Tables = BTreeMap<TableName, Result<Arc<Shape>, Obstacle>>;

/// More periods than a table of settings has: beyond it the column is no setting, and a statement would have to name them all.
const MOST_SETTINGS: u64 = 2_000;

/// The tables that a rule reads beside its own.
pub fn named(rule: &Rule) -> impl Iterator<Item = &TableName> {
    let along = Dependent::all(&rule.dependents).into_iter().map(|(_, dependent)| &dependent.table);
    hops(rule).map(|hop| &hop.table).chain(rule.wait_for.iter().map(|wait| &wait.table)).chain(along)
}

/// The tables that a rule looks something up in, as the ways there name them.
pub fn hops(rule: &Rule) -> impl Iterator<Item = &Hop> {
    let columns = rule.term.iter().flat_map(|term| term.columns()).chain(rule.subjects.all().iter().map(|subject| &subject.at));
    columns.flat_map(|at| &at.through)
}

/// Reads the numbers that are set, once for every column that rules take periods from.
pub async fn settings(engine: &dyn Engine, rules: &[&Rule], tables: &Tables) -> BTreeMap<(TableName, String), Result<Vec<i64>, Obstacle>> {
    let mut read = BTreeMap::new();
    for rule in rules {
        for setting in rule.term.iter().flat_map(|term| &term.ends).filter_map(|end| end.setting()) {
            let table = table_of(rule, &setting.at);
            let key = (table.clone(), setting.at.column.clone());
            // What is not there, or can't be seen, is told when the rule is planned.
            let Some(Ok(shape)) = tables.get(table).filter(|_| !read.contains_key(&key)) else { continue };
            let Some(of) = shape.column(&setting.at.column).filter(|_| shape.privileges.select) else { continue };
            let numbers = match engine.settings(&shape.table, &of.to_ref(), MOST_SETTINGS).await {
                Ok(texts) if texts.len() as u64 > MOST_SETTINGS => Err(Obstacle::new(
                    Reason::Unsupported,
                    format!(
                        "`{}` of {table} has more than {MOST_SETTINGS} different values, which are too many to be periods",
                        setting.at.column
                    ),
                )),
                Ok(texts) => Ok(texts.iter().filter_map(|text| whole(text)).collect()),
                Err(error) => Err(Obstacle::from(error)),
            };
            read.insert(key, numbers);
        }
    }
    read
}

/// The table that has the column.
pub fn table_of<'a>(rule: &'a Rule, at: &'a ColumnAt) -> &'a TableName {
    at.through.last().map_or(&rule.table, |hop| &hop.table)
}

/// A whole number, as a decimal type may write it too.
pub fn whole(text: &str) -> Option<i64> {
    let (number, fraction) = text.split_once('.').unwrap_or((text, ""));
    number.parse().ok().filter(|_| fraction.bytes().all(|digit| digit == b'0'))
}

/// The numbers that are set in a column.
///
/// # Errors
/// An [`Obstacle`] if the column can't hold whole numbers, or could not be read.
pub fn numbers(rule: &Rule, setting: &Setting, of: &ColumnRef, base: Base<'_>) -> Result<Vec<i64>, Obstacle> {
    let holds_numbers = match (base.dialect, of.class) {
        (Dialect::Sqlite, TypeClass::Bytes | TypeClass::Json | TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText) => false,
        (Dialect::Sqlite, _) => true,
        (_, class) => matches!(class, TypeClass::Integer | TypeClass::Decimal),
    };
    if !holds_numbers {
        let message = format!("`{}` is {}, which holds no whole numbers that could be a period", of.name, of.declared);
        return Err(Obstacle::new(Reason::Unsupported, message));
    }
    let key = (table_of(rule, &setting.at).clone(), setting.at.column.clone());
    match base.elsewhere.settings.get(&key) {
        Some(numbers) => numbers.clone(),
        None => Err(Obstacle::new(Reason::Unsupported, format!("the periods that are set in `{}` could not be read", of.name))),
    }
}

/// A column and the way to it, as statements name them.
///
/// # Errors
/// An [`Obstacle`] if a table or column is not there, if some of its rows might not be seen, or if two columns can't be compared.
pub fn reach(rule: &Rule, at: &ColumnAt, key: &str, base: Base<'_>) -> Result<(Vec<HopRef>, ColumnRef), Obstacle> {
    let mut from = base.shape;
    let mut through = Vec::new();
    for hop in &at.through {
        let shape = visible(rule, &hop.table, LOOKED_UP, base)?;
        lockable(rule, &hop.table, shape, base)?;
        through.push(HopRef { table: shape.table.clone(), pairs: pairs(&hop.on, (from, &hop.table), shape)? });
        from = shape;
    }
    let column = column(from, &at.column, key)?;
    Ok((through, column.on(Side::behind(at.through.len()))))
}

/// Why rows of another table are read, as messages begin.
pub const LOOKED_UP: &str = "are looked up";
/// The same of `wait_for`.
pub const WAITED_FOR: &str = "are waited for";

/// Pairs of columns that can be compared.
///
/// # Errors
/// As [`reach`].
pub fn pairs(on: &[(String, String)], (from, other): (&Shape, &TableName), to: &Shape) -> Result<Vec<(String, String)>, Obstacle> {
    let pair = |(own, theirs): &(String, String)| {
        let (mine, others) = (column(from, own, "on")?, column(to, theirs, "on")?);
        if !comparable(&mine, &others) {
            let message = format!(
                "`on` compares `{own}` ({}) with `{theirs}` of {other} ({}), which are of different types",
                mine.declared, others.declared
            );
            return Err(Obstacle::new(Reason::Unsupported, message));
        }
        Ok((own.clone(), theirs.clone()))
    };
    on.iter().map(pair).collect()
}

/// The table, if every row of it can be seen. `why` says what its rows are read for.
///
/// # Errors
/// An [`Obstacle`] that names the table.
pub fn visible<'a>(rule: &Rule, table: &TableName, why: &str, base: Base<'a>) -> Result<&'a Shape, Obstacle> {
    let but = |reason, what: String| Obstacle::new(reason, format!("rows of {table} {why}; but {what}"));
    let shape = match base.elsewhere.tables.get(table) {
        Some(Ok(shape)) => shape,
        Some(Err(obstacle)) => return Err(but(obstacle.reason, obstacle.message.clone())),
        None => {
            let message = format!("source `{}` has no table {table}, whose rows {why}", rule.source);
            return Err(Obstacle::new(Reason::MissingTable, message));
        }
    };
    if matches!(shape.kind, TableKind::View | TableKind::MaterializedView | TableKind::Foreign | TableKind::System) {
        let what = "that is no table of the application's own; name the tables behind it instead";
        return Err(but(Reason::NotATable, what.to_owned()));
    }
    if !shape.privileges.select {
        let what = format!("this role may not SELECT on {table}; `retentiond grants {}` prints what it needs", rule.source);
        return Err(but(Reason::Privileges, what));
    }
    if shape.row_security == RowSecurity::Applies {
        let what = format!("row security on {table} applies to this role, so rows may be invisible; use a role with BYPASSRLS");
        return Err(but(Reason::RowSecurity, what));
    }
    Ok(shape)
}

/// PostgreSQL locks a row, even against changes only, for nobody who may not change one of its columns.
fn lockable(rule: &Rule, table: &TableName, shape: &Shape, base: Base<'_>) -> Result<(), Obstacle> {
    let acts = rule.mode == Mode::Enforce && rule.action.acts();
    if !acts || base.dialect != Dialect::Postgres || shape.columns.iter().any(|column| column.updatable) {
        return Ok(());
    }
    let message = format!(
        "rows of {table} {LOOKED_UP} and locked meanwhile, for which PostgreSQL asks for UPDATE on one of its columns; \
         `retentiond grants {}` prints what it needs",
        rule.source
    );
    Err(Obstacle::new(Reason::Privileges, message))
}

/// Whether the server compares the two as what they are, and not as what it makes of one of them.
pub fn comparable(one: &ColumnRef, other: &ColumnRef) -> bool {
    use TypeClass::{Decimal, FoldedText, Integer, Other, PaddedText, Text, Untyped};
    let family = |class: TypeClass| match class {
        Integer | Decimal => Integer,
        Text | FoldedText | PaddedText => Text,
        class => class,
    };
    match (family(one.class), family(other.class)) {
        // Values have types of their own there, whatever the column.
        (Untyped, _) | (_, Untyped) => true,
        (Other, Other) => one.declared == other.declared,
        (one, other) => one == other,
    }
}
