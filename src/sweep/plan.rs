//! Rule + shape → [`Selection`] and [`Act`]: which rows, what happens to them, and why it can't be done.
//!
//! Everything that can be known before acting is decided here, once, for `check`, `plan` and `sweep` alike. The order
//! of the questions is that of a careful reader: is it a table of ours, can we see and change all of it, are the columns
//! there and of a type that fits, what would the statement drag along, which other rules meet here.

use jiff::Timestamp;

use super::{
    dates, dependents, dragged,
    elsewhere::{self, Base, Elsewhere},
    matching::condition,
    obstacle::{Obstacle, Reason},
    relatives::{self, Relative},
    suppress, waits,
};
use crate::{
    anonymise::{self, Misfit, Target},
    engine::shape::{Column, RowSecurity, Shape, TableKind},
    fault, hold,
    policy::{
        self, Action, Mode, OnNull, Rule, Term,
        resolve::{SUBJECT, readings},
    },
    secret::Keys,
    sql::opt_out::OptOut,
    sql::selection::{
        Act, Assignment, ColumnRef, DoneTest, HeldTest, NewValue, Override, Protector, Selection, SubjectTest, TypeClass, WorkspaceRef,
    },
};

/// A rule that can be enforced on a table as it is now.
#[derive(Debug, Clone)]
pub struct Planned {
    pub selection: Selection,
    /// `None` for `keep`: it protects and never acts.
    pub act: Option<Act>,
    /// What each row that goes leaves behind.
    pub opt_out: Option<OptOut>,
}

/// What planning needs to know beside the rule itself.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    pub shape: &'a Shape,
    /// All rules of the same table, this one among them.
    pub rules: &'a [&'a Rule],
    /// Rules of other tables that share rows with this one.
    pub relatives: &'a [Relative<'a>],
    /// What rules of the source read in other tables, and those of their dependents.
    pub elsewhere: &'a Elsewhere,
    /// All rules of the source, each with its table's shape.
    pub everyone: &'a [(&'a Rule, &'a Shape)],
    /// Where in the rule the dependents are written that are planned.
    pub within: &'a str,
    pub workspace: &'a WorkspaceRef,
    /// Without one the source can only be observed, and nobody is held there.
    pub has_workspace: bool,
    pub keys: &'a Keys,
    /// The sweep's frozen instant.
    pub now: Timestamp,
}

impl<'a> Surroundings<'a> {
    /// The table and what is read beside it.
    pub(super) fn base(&self) -> Base<'a> {
        Base { shape: self.shape, elsewhere: self.elsewhere, dialect: self.workspace.dialect }
    }

    /// What is planned follows the rows that it belongs to.
    pub(super) fn follows(&self) -> bool {
        self.within != dependents::ROOT
    }

    /// Every rule that may match a row, with the members of the tree that its rows are in; empty: any.
    pub(super) fn met(&self) -> impl Iterator<Item = (&'a Rule, &'a [u32])> {
        let others = self.relatives.iter().map(|relative| (relative.rule, relative.only.as_slice()));
        self.rules.iter().map(|rule| (*rule, [].as_slice())).chain(others)
    }
}

/// Plans one rule.
///
/// # Errors
/// The first [`Obstacle`] in the order of the module's description.
pub fn plan(rule: &Rule, around: Surroundings<'_>) -> Result<Planned, Obstacle> {
    reachable(rule, around.shape).map_err(|obstacle| obstacle.at(rule, "table"))?;
    let dialect = around.workspace.dialect;
    let condition = condition(rule, around.shape, dialect)?.filter(|_| !fault::seeded("condition-dropped"));
    for (key, names) in [("key", &rule.key), ("retains", &rule.retains)] {
        let known = |name: &String| column(around.shape, name, key).map_err(|obstacle| obstacle.at(rule, &format!("{key}.{name}")));
        names.iter().try_for_each(|name| known(name).map(drop))?;
    }
    let end = rule.term.as_ref().map(|term| dates::end_test(rule, term, around)).transpose()?;
    let (act, done) = act_of(rule, around)?;
    computed_columns(rule, around)?;
    relatives::nothing_that_is_read(rule, &around)?;
    let dependents = dependents::dependencies(rule, &around)?;
    dragged::refuse(rule, &around)?;
    let protectors = protectors(rule, around)?;
    let mut references = if matches!(rule.action, Action::Delete) { dragged::references(rule, &around)? } else { Vec::new() };
    references.extend(waits::references(rule, &around)?);
    let mut held = held_test(around)?;
    if fault::seeded("override-passes-hold") && !rule.overrides.is_empty() {
        held.scopes = vec!["no such scope".to_owned()];
    }
    let selection = Selection {
        table: around.shape.table.clone(),
        members: around.shape.family.addresses(),
        part: None,
        workspace: around.workspace.clone(),
        condition,
        overridden: overriding(rule, rule, around)?,
        end,
        done,
        held,
        protectors,
        references,
        dependents,
        follows: around.follows(),
        shown: dates::shown(rule, around.base())?,
    };
    let opt_out = suppress::opt_out(rule, &around)?;
    Ok(Planned { selection, act, opt_out })
}

/// Whether the whole table can be seen and changed at all.
fn reachable(rule: &Rule, shape: &Shape) -> Result<(), Obstacle> {
    let table = &rule.table;
    let not = |what: &str| Err(Obstacle::new(Reason::NotATable, format!("{table} is {what}; name the tables behind it instead")));
    match shape.kind {
        TableKind::Table | TableKind::Partitioned | TableKind::Parent | TableKind::Child => {}
        TableKind::View => return not("a view"),
        TableKind::MaterializedView => return not("a materialised view"),
        TableKind::Foreign => return not("a foreign or virtual table, whose changes can't be rolled back"),
        TableKind::System => return not("a table of the database's own"),
    }
    if shape.row_security == RowSecurity::Applies {
        return Err(Obstacle::new(
            Reason::RowSecurity,
            format!("row security on {table} applies to this role, so rows may be invisible; use a role with BYPASSRLS"),
        ));
    }
    let forbidden: Vec<&str> = changed_columns(rule, shape).filter(|column| !column.updatable).map(|column| column.name.as_str()).collect();
    let missing = match rule.action {
        _ if !shape.privileges.select => "SELECT".to_owned(),
        _ if rule.mode == Mode::Observe => return Ok(()),
        Action::Delete if !shape.privileges.delete => "DELETE".to_owned(),
        Action::Anonymise { .. } if !forbidden.is_empty() => format!("UPDATE ({})", forbidden.join(", ")),
        _ => return Ok(()),
    };
    let message = format!("this role may not {missing} on {table}; `retentiond grants {}` prints what it needs", rule.source);
    Err(Obstacle::new(Reason::Privileges, message))
}

/// The columns that the rule's statement assigns, as far as the table has them.
pub fn changed_columns<'a>(rule: &'a Rule, shape: &'a Shape) -> impl Iterator<Item = &'a Column> {
    let assigned = |name: &String| match &rule.action {
        Action::Anonymise { columns, mark } => columns.iter().any(|(column, _)| column == name) || mark.as_ref() == Some(name),
        Action::Delete | Action::Keep { .. } => false,
    };
    // What writes itself is assigned to itself, or it would change.
    let is_touched = |column: &Column| column.touched && matches!(rule.action, Action::Anonymise { .. });
    shape.columns.iter().filter(move |column| assigned(&column.name) || is_touched(column))
}

/// The column of that exact name, or an obstacle with a suggestion.
pub(super) fn column(shape: &Shape, name: &str, key: &str) -> Result<ColumnRef, Obstacle> {
    shape.column(name).map(crate::engine::shape::Column::to_ref).ok_or_else(|| {
        let near = crate::diagnostic::suggest::nearest(name, shape.columns.iter().map(|column| column.name.as_str()));
        let hint = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
        Obstacle::new(Reason::MissingColumn, format!("`{key}` names the column `{name}`, which {} does not have{hint}", shape.table.table))
    })
}

/// What the rule does, and how a row tells that it was done.
fn act_of(rule: &Rule, around: Surroundings<'_>) -> Result<(Option<Act>, Vec<DoneTest>), Obstacle> {
    let (columns, mark) = match &rule.action {
        Action::Keep { .. } => return Ok((None, Vec::new())),
        Action::Delete => return Ok((Some(Act::Delete), Vec::new())),
        Action::Anonymise { columns, mark } => (columns, mark),
    };
    let mark = mark.as_deref().map(|name| mark_column(around.shape, name)).transpose().map_err(|obstacle| obstacle.at(rule, "mark"))?;
    let mut assignments = Vec::new();
    let mut done = Vec::new();
    for (name, spec) in columns {
        let key = format!("anonymise.{name}");
        let misfit = |message: String| Obstacle::new(Reason::Strategy, message).at(rule, &key);
        let reference = column(around.shape, name, "anonymise").map_err(|obstacle| obstacle.at(rule, &key))?;
        if let Some(why) = around.shape.column(name).and_then(|column| column.fixed.as_ref()) {
            return Err(misfit(format!("`{name}` can't be changed in all of the table's members alike: {why}")));
        }
        let target = target(rule, around, name, reference.clone());
        let unfit = |error: Misfit| misfit(format!("`{}` can't be used on `{name}`: {error}", spec.name()));
        let strategy = anonymise::strategy(spec, around.keys).map_err(unfit)?;
        strategy.fits(&target).map_err(unfit)?;
        if foreign_key_column(around.shape, name) && *spec != crate::policy::StrategySpec::Null {
            return Err(misfit(format!("`{name}` refers to another table, so only `null` leaves it valid")));
        }
        match strategy.done(&target) {
            Some(test) => done.push(test),
            None if mark.is_some() => {}
            None => return Err(misfit(format!("`{name}` can't tell from its value that it is done; add `mark = \"…\"`"))),
        }
        assignments.push(Assignment { column: reference, value: strategy.value(&target) });
    }
    let is_assigned = |name: &str| columns.iter().any(|(column, _)| column == name) || mark.as_ref().is_some_and(|mark| mark.name == name);
    let touched = around.shape.columns.iter().filter(|column| column.touched && !is_assigned(&column.name));
    assignments.extend(touched.map(|column| Assignment { column: column.to_ref(), value: NewValue::Unchanged }));
    if let Some(mark) = &mark {
        done = vec![DoneTest::Marked(mark.clone())];
    }
    if fault::seeded("done-ignored") {
        done.clear();
    }
    Ok((Some(Act::Anonymise { assignments, mark, at: around.now }), done))
}

fn target(rule: &Rule, around: Surroundings<'_>, name: &str, reference: ColumnRef) -> Target {
    let facts = around.shape.column(name);
    Target {
        column: reference,
        dialect: around.workspace.dialect,
        // A rule's zone is found by its name, so it has one.
        timezone: rule.timezone.iana_name().unwrap_or("UTC").to_owned(),
        max_length: facts.and_then(|column| column.max_length),
        unique: around.shape.moved_by([name]).into_iter().any(|moved| around.shape.is_unique(moved)),
        generated: facts.is_some_and(|column| column.generated),
    }
}

/// A column that is computed from one that the rule changes must not decide anything either, nor be told done by its value.
fn computed_columns(rule: &Rule, around: Surroundings<'_>) -> Result<(), Obstacle> {
    let is_unlinked = |what: &str| rule.unlinks && what == SUBJECT;
    for from in changed_columns(rule, around.shape).map(|column| &column.name) {
        let computed = around.shape.moved_by([from.as_str()]).into_iter().filter(|column| column != from);
        let pairs = computed.flat_map(|column| around.met().map(move |(other, _)| (column, other)));
        for (column, other) in pairs {
            if let Some((what, _)) = readings(other, column).into_iter().find(|(what, _)| !is_unlinked(what)) {
                let message = format!("`{from}` can't be changed: `{column}` is computed from it, and that is {what} of {}", other.id);
                return Err(Obstacle::new(Reason::Strategy, message).at(rule, &format!("anonymise.{from}")));
            }
        }
    }
    Ok(())
}

/// True if the column is part of a foreign key of this table.
fn foreign_key_column(shape: &Shape, name: &str) -> bool {
    shape.references.iter().any(|key| key.child_columns.iter().any(|column| column == name))
}

/// A mark must be assignable and empty until it is set.
fn mark_column(shape: &Shape, name: &str) -> Result<ColumnRef, Obstacle> {
    let reference = column(shape, name, "mark")?;
    let wrong = |why: &str| Err(Obstacle::new(Reason::Strategy, format!("`mark` names `{name}`, {why}")));
    if shape.column(name).is_some_and(|column| column.generated) {
        return wrong("which the database computes");
    }
    if let Some(why) = shape.column(name).and_then(|column| column.fixed.as_ref()) {
        return wrong(&format!("which can't be set in all of the table's members alike: {why}"));
    }
    if shape.is_unique(name) {
        return wrong("which is unique, so that no two rows could be marked alike");
    }
    use TypeClass::{Boolean, Date, Integer, Text, Timestamp, TimestampTz, Untyped};
    match reference.class {
        Boolean | Integer => Ok(reference),
        Date | Timestamp | TimestampTz | Text | Untyped if reference.nullable => Ok(reference),
        Date | Timestamp | TimestampTz | Text | Untyped => wrong("which can't be NULL, so that no row could be unmarked"),
        _ => wrong("whose type can't be a mark: boolean, integer, date, timestamp or text can"),
    }
}

/// The other rules whose end this one waits for (law 3).
fn protectors(rule: &Rule, around: Surroundings<'_>) -> Result<Vec<Protector>, Obstacle> {
    let mut protectors = Vec::new();
    for (other, only) in around.met().filter(|(other, _)| other.id != rule.id && competes(rule, other)) {
        let unreadable = |obstacle: Obstacle| {
            let is_of_table = around.rules.iter().any(|rule| rule.id == other.id);
            let on = if is_of_table { "the same table" } else { "a table with rows of this one" };
            let message = format!("rule {} on {on} can't be evaluated and so protects all of it: {}", other.id, obstacle.message);
            Obstacle { place: obstacle.place, ..Obstacle::new(Reason::Competitor, message) }
        };
        let condition = condition(other, around.shape, around.workspace.dialect).map_err(unreadable)?;
        let end = other.term.as_ref().map(|term| dates::end_test(other, term, around)).transpose().map_err(unreadable)?;
        let floor = other.term.as_ref().and_then(Term::floor_alone);
        protectors.push(Protector {
            rule: other.id.clone(),
            only: only.to_vec(),
            condition,
            overridden: overriding(other, rule, around)?,
            floor: floor.map(|floor| dates::end_test(other, &floor, around)).transpose().map_err(unreadable)?,
            end,
        });
    }
    Ok(protectors)
}

/// The rules that override `target`, as far as they count when `rule` is planned. One that only observes takes nothing
/// from another rule's protection; its own plan shows what it would do.
fn overriding(target: &Rule, rule: &Rule, around: Surroundings<'_>) -> Result<Vec<Override>, Obstacle> {
    let mut overriding = Vec::new();
    for (other, _) in around.met().filter(|(other, _)| other.overrides.contains(&target.id)) {
        let counts = other.mode == Mode::Enforce || other.id == rule.id;
        let condition = condition(other, around.shape, around.workspace.dialect).map_err(|obstacle| {
            let message = format!("rule {}, which overrides {}, can't be evaluated: {}", other.id, target.id, obstacle.message);
            Obstacle { place: obstacle.place, ..Obstacle::new(Reason::Competitor, message) }
        })?;
        let Some(condition) = condition.filter(|_| counts) else { continue };
        overriding.push(Override { rule: other.id.clone(), condition, unless: self::overriding(other, rule, around)? });
    }
    Ok(overriding)
}

/// Delete waits for every other rule; anonymise for `keep` and for anonymise rules on one of its columns.
pub fn competes(rule: &Rule, other: &Rule) -> bool {
    match (&rule.action, &other.action) {
        (_, Action::Keep { .. }) => !fault::seeded("keep-ignored"),
        (Action::Keep { .. }, _) => false,
        (Action::Delete, _) => true,
        (Action::Anonymise { columns, .. }, Action::Anonymise { columns: others, .. }) => {
            columns.iter().any(|(name, _)| others.iter().any(|(other, _)| other == name))
        }
        (Action::Anonymise { .. }, Action::Delete) => fault::seeded("stage-is-obstacle"),
    }
}

/// Whose rows these are, according to all rules that may match them.
fn held_test(around: Surroundings<'_>) -> Result<HeldTest, Obstacle> {
    let categories = policy::categories(around.rules.iter().copied());
    let rules: Vec<&Rule> = around.met().map(|(rule, _)| rule).collect();
    let subjects = subject_tests(&rules, around.base())?;
    if !around.has_workspace {
        return Ok(HeldTest { subjects, ..HeldTest::default() });
    }
    let scopes = hold::scopes_of_table(&around.shape.table.schema, &around.shape.table.table, &categories);
    Ok(HeldTest { scopes, elsewhere: relatives::held_elsewhere(&around), subjects })
}

/// The subjects that any rule of a table names, each once.
///
/// # Errors
/// An [`Obstacle`] if a column is missing or of a type that subjects can't be compared in.
pub fn subject_tests(rules: &[&Rule], base: Base<'_>) -> Result<Vec<SubjectTest>, Obstacle> {
    let dialect = base.dialect;
    let mut tests: Vec<SubjectTest> = Vec::new();
    for rule in rules {
        let null_is_held =
            matches!(&rule.subjects, crate::policy::Subjects::Of { on_null: OnNull::Hold, .. }) && !fault::seeded("null-subject-is-nobody");
        // A tenant can be held as a whole, where any rule of the table tells whose its rows are.
        if let Some(tenant) = &rule.tenant {
            let column = column(base.shape, &tenant.column, "tenant").map_err(|obstacle| obstacle.at(rule, "tenant"))?;
            if !tests.iter().any(|test| test.kind == hold::TENANT && test.column == column) {
                tests.push(SubjectTest { kind: hold::TENANT.to_owned(), through: Vec::new(), column, null_is_held: false });
            }
        }
        for subject in rule.subjects.all() {
            let key = format!("subject.{}", subject.kind);
            let (through, column) = elsewhere::reach(rule, &subject.at, "subject", base).map_err(|obstacle| obstacle.at(rule, &key))?;
            if !crate::sql::can_be_subject(column.class, dialect) {
                return Err(Obstacle::new(
                    Reason::Subject,
                    format!("`{}` is {}: {}", column.name, column.declared, crate::sql::why_no_subject(&column, dialect)),
                )
                .at(rule, &key));
            }
            let same = |test: &SubjectTest| test.kind == subject.kind && test.column == column && test.through == through;
            match tests.iter_mut().find(|test| same(test)) {
                Some(test) => test.null_is_held |= null_is_held,
                None => tests.push(SubjectTest { kind: subject.kind.clone(), through, column, null_is_held }),
            }
        }
    }
    Ok(tests)
}
