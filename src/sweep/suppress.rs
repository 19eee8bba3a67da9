//! `suppress`: the opt-out of a row that goes, planned against the table that keeps it.
//!
//! Everything that can be known of that table beforehand is asked here: that entries can be told apart by a unique key, that
//! columns take what they get, that nothing else happens when a row is inserted. What a single row makes impossible
//! the database says, and `course` leaves that row where it is.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    OptOuts, RefusedOptOut,
    elsewhere::{self, Elsewhere},
    obstacle::{Obstacle, Reason},
    plan::{Surroundings, column},
};
use crate::{
    anonymise::{self, Target},
    engine::{
        Engine,
        opt_outs::{MOST_REFUSED, Refused},
        shape::{RowSecurity, Shape, TableKind, Trigger},
    },
    policy::{Dialect, Mode, OptOutValue, Rule, StrategySpec, Suppress},
    sql::{
        opt_out::{OptOut, OptOutColumn, Written},
        selection::{ColumnRef, NewValue, TypeClass},
        statement::create_unique_index,
    },
};

/// What the rule writes of each row that goes.
///
/// # Errors
/// An [`Obstacle`] that says what the table of opt-outs lacks, with the statement that would help where there is one.
pub fn opt_out(rule: &Rule, around: &Surroundings<'_>) -> Result<Option<OptOut>, Obstacle> {
    let Some(suppress) = &rule.suppress else { return Ok(None) };
    let dialect = around.workspace.dialect;
    let shape = table(rule, suppress, around).map_err(|obstacle| obstacle.at(rule, "suppress"))?;
    let names = if rule.key.is_empty() { &around.shape.primary_key } else { &rule.key };
    let names = names.iter().map(|name| column(around.shape, name, "key")).collect::<Result<_, _>>()?;
    let mut opt_out =
        OptOut { table: shape.table.clone(), columns: Vec::new(), key: Vec::new(), read: Vec::new(), names, except: Vec::new() };
    for (name, value) in &suppress.columns {
        let written = written(rule, (name, value), shape, around, &mut opt_out.read)
            .map_err(|obstacle| obstacle.at(rule, &format!("suppress.{name}")))?;
        opt_out.columns.push(written);
    }
    opt_out.key = key(rule, suppress, shape, dialect).map_err(|obstacle| obstacle.at(rule, "suppress"))?;
    privileges(rule, shape, &opt_out).map_err(|obstacle| obstacle.at(rule, "suppress"))?;
    triggers(rule, suppress, shape).map_err(|obstacle| obstacle.at(rule, "suppress"))?;
    Ok(Some(opt_out))
}

/// Whether the database can say what it deleted.
///
/// # Errors
/// An [`Obstacle`] on a server that can't.
pub fn possible(rule: &Rule, engine: &dyn Engine) -> Result<(), Obstacle> {
    if rule.suppress.is_none() || engine.returns_deleted() {
        return Ok(());
    }
    let message = "this server can't return what it deletes, so an opt-out might be another than that of the row that goes";
    Err(Obstacle::new(Reason::Unsupported, message).at(rule, "suppress"))
}

/// The table, if every entry of it can be seen and none is lost in it.
fn table<'a>(rule: &Rule, suppress: &Suppress, around: &Surroundings<'a>) -> Result<&'a Shape, Obstacle> {
    let name = &suppress.table;
    let but = |reason, why: String| Err(Obstacle::new(reason, format!("opt-outs go to {name}; but {why}")));
    let shape = match around.elsewhere.tables.get(name) {
        Some(Ok(shape)) => shape,
        Some(Err(obstacle)) => return but(obstacle.reason, obstacle.message.clone()),
        None => return but(Reason::MissingTable, format!("source `{}` has no such table", rule.source)),
    };
    if !matches!(shape.kind, TableKind::Table | TableKind::Partitioned | TableKind::Child) {
        return but(Reason::NotATable, "that is no table of the application's own that can be rolled back".to_owned());
    }
    if shape.table == around.shape.table || around.shape.family.kin.contains(&shape.table) {
        return but(Reason::Unsupported, "those are the rows that go".to_owned());
    }
    if shape.row_security == RowSecurity::Applies {
        let why = "row security on it applies to this role, so entries may be invisible or refused; use a role with BYPASSRLS";
        return but(Reason::RowSecurity, why.to_owned());
    }
    Ok(shape)
}

fn written(
    rule: &Rule,
    (name, value): (&str, &OptOutValue),
    shape: &Shape,
    around: &Surroundings<'_>,
    read: &mut Vec<ColumnRef>,
) -> Result<OptOutColumn, Obstacle> {
    let column_of = |shape: &Shape, name: &str| column(shape, name, "suppress");
    let target = column_of(shape, name)?;
    let facts = shape.column(name);
    let misfit = |why: String| Obstacle::new(Reason::Strategy, format!("`{name}` of {} can't be written: {why}", shape.table.table));
    if facts.is_some_and(|column| column.generated) {
        return Err(misfit("the database computes it".to_owned()));
    }
    let mut place = |from: &str| {
        let of = column_of(around.shape, from)?;
        let known = read.iter().position(|known| known.name == of.name);
        Ok::<_, Obstacle>((
            known.unwrap_or_else(|| {
                read.push(of.clone());
                read.len() - 1
            }),
            of,
        ))
    };
    let fitting = |spec: &StrategySpec| {
        let target = Target {
            column: target.clone(),
            dialect: around.workspace.dialect,
            timezone: rule.timezone.iana_name().unwrap_or("UTC").to_owned(),
            max_length: facts.and_then(|column| column.max_length),
            // That two spellings of an address get one pseudonym is what an entry is for.
            unique: false,
            generated: false,
        };
        let strategy = anonymise::strategy(spec, around.keys).map_err(|error| misfit(error.to_string()))?;
        strategy.fits(&target).map_err(|error| misfit(error.to_string()))?;
        Ok::<_, Obstacle>(strategy.value(&target))
    };
    let value = match value {
        OptOutValue::Hashed { from, strategy } => match (place(from)?, fitting(strategy)?) {
            ((from, _), NewValue::Computed(compute)) => Written::Hashed(from, compute),
            _ => return Err(misfit(format!("`{}` hashes nothing", strategy.name()))),
        },
        OptOutValue::Copied { from } => {
            let (at, of) = place(from)?;
            if !elsewhere::comparable(&of, &target) {
                return Err(misfit(format!("it is {}, and `{from}` is {}", target.declared, of.declared)));
            }
            Written::Copied(at)
        }
        OptOutValue::Fixed(value) => {
            fitting(&StrategySpec::Fixed { value: value.clone(), replace_null: true })?;
            Written::Fixed(value.clone())
        }
        OptOutValue::Now => {
            let declared = target.declared.to_ascii_lowercase();
            let is_time = matches!(target.class, TypeClass::Date | TypeClass::Timestamp | TypeClass::TimestampTz)
                || (is_text(&target) && facts.and_then(|column| column.max_length).is_none_or(|longest| longest >= INSTANT))
                || (around.workspace.dialect == Dialect::Sqlite && (declared.contains("date") || declared.contains("time")));
            if !is_time {
                return Err(misfit(format!("it is {}, which holds no time", target.declared)));
            }
            Written::Now(around.now)
        }
    };
    Ok(OptOutColumn { column: target, value })
}

/// Characters of an instant, written out.
const INSTANT: u32 = 30;

fn is_text(column: &ColumnRef) -> bool {
    matches!(column.class, TypeClass::Text | TypeClass::FoldedText | TypeClass::PaddedText | TypeClass::Untyped)
}

/// The columns of a unique key of which all are written and one comes from the row: by it an entry is known.
fn key(rule: &Rule, suppress: &Suppress, shape: &Shape, dialect: Dialect) -> Result<Vec<usize>, Obstacle> {
    let place = |name: &String| {
        let at = suppress.columns.iter().position(|(column, _)| column == name)?;
        // No two entries would ever agree in when they were made.
        (suppress.columns[at].1 != OptOutValue::Now).then_some(at)
    };
    let primary = Some(&shape.primary_key).filter(|key| !key.is_empty());
    let unique = shape.indexes.iter().filter(|index| index.unique && !index.partial).map(|index| &index.columns);
    let of_the_row = |key: &Vec<usize>| key.iter().any(|at| suppress.columns[*at].1.from().is_some());
    let usable = primary.into_iter().chain(unique).filter_map(|key| key.iter().map(place).collect::<Option<Vec<_>>>().filter(of_the_row));
    // Of several, that of the hash is what an opt-out is known by.
    let is_hashed = |key: &Vec<usize>| key.iter().any(|at| matches!(suppress.columns[*at].1, OptOutValue::Hashed { .. }));
    let found = usable.min_by_key(|key| !is_hashed(key));
    found.ok_or_else(|| {
        let from_rows: Vec<String> = suppress.read().map(|(_, column)| column.to_owned()).collect();
        let statement = create_unique_index(dialect, &shape.table, &from_rows);
        let message = format!(
            "no unique key of {} consists of columns that `{}` writes, so nobody could tell whether an opt-out is there already; run: {statement}",
            suppress.table, rule.id
        );
        Obstacle::new(Reason::Unsupported, message)
    })
}

fn privileges(rule: &Rule, shape: &Shape, opt_out: &OptOut) -> Result<(), Obstacle> {
    let forbidden = |written: &&OptOutColumn| shape.column(&written.column.name).is_none_or(|column| !column.insertable);
    let missing = if !shape.privileges.select {
        "SELECT"
    } else if rule.mode == Mode::Observe {
        return Ok(());
    } else if opt_out.columns.iter().any(|written| forbidden(&written)) {
        "INSERT"
    } else {
        return Ok(());
    };
    let table = &shape.table.table;
    let message =
        format!("this role may not {missing} on {table}, where opt-outs go; `retentiond grants {}` prints what it needs", rule.source);
    Err(Obstacle::new(Reason::Privileges, message))
}

/// The triggers that an entry fires.
fn firing(shape: &Shape) -> impl Iterator<Item = &Trigger> {
    shape.triggers.iter().filter(|trigger| trigger.enabled && trigger.on_insert)
}

fn triggers(rule: &Rule, suppress: &Suppress, shape: &Shape) -> Result<(), Obstacle> {
    for trigger in firing(shape) {
        let name = &trigger.name;
        if !rule.triggers.iter().any(|allowed| allowed.name == *name) {
            let quoted = serde_json::Value::from(name.as_str());
            let message = format!(
                "the trigger `{name}` of {} would fire and might change anything; if it may, add triggers = [{{ name = {quoted}, reason = \"…\" }}]",
                suppress.table
            );
            return Err(Obstacle::new(Reason::Trigger, message));
        }
        if trigger.digest.is_none() {
            let message = format!(
                "the trigger `{name}` of {} may fire, but this role may not see its body, which might change; `retentiond grants {}` prints what it needs",
                suppress.table, rule.source
            );
            return Err(Obstacle::new(Reason::Trigger, message));
        }
    }
    Ok(())
}

/// The triggers that the rule's opt-outs fire, by name, with the digests of their bodies.
pub fn fired(rule: &Rule, elsewhere: &Elsewhere) -> BTreeMap<String, BTreeSet<String>> {
    let shape = rule.suppress.as_ref().and_then(|suppress| elsewhere.tables.get(&suppress.table)?.as_ref().ok());
    let mut fired: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for trigger in shape.iter().flat_map(|shape| firing(shape)) {
        fired.entry(trigger.name.clone()).or_default().extend(trigger.digest.clone());
    }
    fired
}

impl OptOuts {
    /// Notes rows that stay, and names them where those look who may know their keys.
    ///
    /// # Errors
    /// An [`Obstacle`] if they are so many that something is wrong with the rule or the table.
    pub(super) fn refused(&mut self, rule: &Rule, refused: &[Refused]) -> Result<(), Obstacle> {
        for Refused { row, why, .. } in refused {
            tracing::warn!(rule = %rule.id, row, why, "an opt-out was not taken, and its row stays");
        }
        let noted = refused.iter().map(|Refused { row, why, .. }| RefusedOptOut { row: row.clone(), why: why.clone() });
        self.refused.extend(noted);
        if self.refused.len() < MOST_REFUSED { Ok(()) } else { self.all_taken(rule) }
    }

    /// Whether no row stays.
    ///
    /// # Errors
    /// An [`Obstacle`] with their number and the words about the first, and without any row's key: the ledger keeps it.
    pub(super) fn all_taken(&self, rule: &Rule) -> Result<(), Obstacle> {
        let (Some(first), Some(suppress)) = (self.refused.first(), &rule.suppress) else { return Ok(()) };
        let rows = match self.refused.len() {
            1 => "1 row stays due, because its opt-out was".to_owned(),
            rows if rows < MOST_REFUSED => format!("{rows} rows stay due, because their opt-outs were"),
            rows => format!("{rows} rows and perhaps more stay due, because their opt-outs were"),
        };
        Err(Obstacle::new(Reason::OptOut, format!("{rows} not taken by {}: {}", suppress.table, first.why)))
    }
}
