//! The oracle: a plain, slow, obvious model of the laws. Tables, rules, holds and a clock go in; what must become of
//! every row comes out. It takes nothing from the crate, so that a mistake there can't be repeated here.
//!
//! `calendar` is law 1, `condition` is three-valued logic, `model` what goes in and comes out,
//! `ends` when rows end, `strategies` what becomes of values, this file is laws 2 to 6. A new construct of the rule
//! language is a field of [`Rule`] or [`Table`] and its meaning in [`World::class`].

pub mod calendar;
pub mod condition;
mod documents;
mod ends;
mod model;
mod strategies;

use std::{cell::RefCell, collections::BTreeMap};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use self::calendar::{Met, Moment, Period, StartAt};
pub use self::{
    ends::{Date, Elsewhere, Time},
    model::*,
    strategies::act,
};

impl World {
    /// Judges one table.
    pub fn judge(&self, table: &Table) -> Verdict {
        let starts_of = |rule: &Rule| table.rows.iter().map(|row| self.start(rule.term.as_ref()?, row)).collect();
        let starts = table.rules.iter().map(starts_of).collect();
        let cutoffs = table.rules.iter().map(|_| RefCell::default()).collect();
        Judge { world: self, table, cutoffs, starts }.verdict()
    }

    /// The start of a row under a term, if it has one that can be meant.
    pub fn start(&self, term: &Term, row: &Row) -> Option<(Timestamp, Met)> {
        let cell = &row.cells[term.start];
        if means_nothing(term, cell) {
            return None;
        }
        let (mut start, met) = calendar::start(cell.moment?, &self.naive)?;
        if matches!(cell.moment, Some(Moment::Day(_))) && term.from != StartAt::Start {
            // The last moment of the day, and not the first of the next.
            start -= SignedDuration::from_micros(1);
        }
        let (a_century, _) = calendar::end(self.now, Period { years: 100, ..Period::default() }, &TimeZone::UTC);
        let from = if term.epoch { "1980-01-01T00:00:00Z".parse().expect("an instant") } else { Timestamp::MIN };
        (from <= start && start < a_century).then_some((start, met))
    }
}

struct Judge<'a> {
    world: &'a World,
    table: &'a Table,
    /// For each rule the cut-offs of its periods, as far as they were asked for: to step to one takes long.
    cutoffs: Vec<RefCell<Vec<(Period, Timestamp)>>>,
    /// For each rule the start of each row, as its own column says it.
    starts: Vec<Vec<Option<(Timestamp, Met)>>>,
}

impl Judge<'_> {
    fn verdict(&self) -> Verdict {
        let table = self.table;
        let refused = (0..table.rules.len()).map(|rule| self.refused(rule)).collect::<Vec<_>>();
        let rules = refused.iter().enumerate().map(|(rule, refused)| {
            (!refused).then(|| {
                let mut counts = BTreeMap::new();
                table.rows.iter().enumerate().for_each(|(number, row)| *counts.entry(self.class(rule, number, row)).or_default() += 1);
                counts
            })
        });
        let acts = |rule: &usize| !refused[*rule] && !table.rules[*rule].observe;
        let mut acting = (0..table.rules.len()).filter(acts).collect::<Vec<_>>();
        acting.sort_by_key(|rule| &table.rules[*rule].id);
        Verdict {
            rules: rules.collect(),
            classes: (0..table.rules.len())
                .map(|rule| table.rows.iter().enumerate().map(|(number, row)| self.class(rule, number, row)).collect())
                .collect(),
            protected_by: (0..table.rules.len()).map(|rule| self.protected_by(rule)).collect(),
            rows: table.rows.iter().enumerate().map(|(number, row)| self.fate(&acting, number, row)).collect(),
            sights: self.sights(),
        }
    }

    /// The row after the sweep: rules that delete come first, then the others by their names.
    fn fate(&self, acting: &[usize], number: usize, row: &Row) -> Option<Vec<Cell>> {
        let deletes = |rule: &&usize| matches!(self.table.rules[**rule].action, Action::Delete);
        if acting.iter().filter(deletes).any(|rule| self.class(*rule, number, row) == Class::Due) {
            return None;
        }
        let mut row = row.clone();
        for rule in acting {
            if let Action::Anonymise { columns, mark } = &self.table.rules[*rule].action
                && self.class(*rule, number, &row) == Class::Due
            {
                for (column, strategy) in columns {
                    row.cells[*column].text = strategies::act(strategy, &self.world.pepper, row.cells[*column].text.as_deref());
                }
                if let Some(mark) = mark {
                    row.cells[*mark].text = Some("set".to_owned());
                }
            }
        }
        Some(row.cells)
    }

    /// Whether the whole rule must be refused: it would drag something along, or too many starts can't be meant.
    fn refused(&self, rule: usize) -> bool {
        let table = self.table;
        let drags = match &table.rules[rule].action {
            Action::Keep => false,
            Action::Delete => table.delete_drags,
            Action::Anonymise { columns, mark } => table.update_fires.as_ref().is_some_and(|watched| {
                watched.is_empty() || columns.iter().map(|(column, _)| column).chain(mark).any(|column| watched.contains(column))
            }),
        };
        let unmeant =
            |(number, row): &(usize, &Row)| self.class(rule, *number, row) == Class::Undated && self.is_implausible(rule, *number);
        drags || table.rows.iter().enumerate().filter(unmeant).count() * 100 > table.rows.len()
    }

    /// Law 5: where a row stands.
    fn class(&self, index: usize, number: usize, row: &Row) -> Class {
        let rule = &self.table.rules[index];
        if self.condition(rule, row) != Some(true) || self.is_overridden(index, row, index) {
            return Class::Outside;
        }
        if let Action::Anonymise { columns, mark } = &rule.action {
            let done = match mark {
                Some(mark) => row.cells[*mark].text.is_some(),
                None => columns.iter().all(|(column, strategy)| strategies::is_done(strategy, row.cells[*column].text.as_deref())),
            };
            if done {
                return Class::Done;
            }
        }
        let Some(term) = &rule.term else {
            return Class::Running;
        };
        let time = self.time(index, term, row, false);
        match &rule.action {
            _ if matches!(time, Time::Undated(_)) => Class::Undated,
            _ if time == Time::Running => Class::Running,
            Action::Keep => Class::Done,
            _ if self.is_held(row) || self.is_held_along(index, row) => Class::Held,
            _ if self.is_protected(index, number, row) => Class::Protected,
            _ => Class::Due,
        }
    }

    /// Whether another rule that matches the row overrides this one there, when the plan of `viewer` is made. What only
    /// observes overrides nothing, but shows in its own plan what it would do.
    fn is_overridden(&self, index: usize, row: &Row, viewer: usize) -> bool {
        let rules = &self.table.rules;
        let overrides = |other: &usize| rules[*other].overrides.contains(&rules[index].id) && (!rules[*other].observe || *other == viewer);
        (0..rules.len())
            .filter(overrides)
            .any(|other| self.condition(&rules[other], row) == Some(true) && !self.is_overridden(other, row, viewer))
    }

    fn condition(&self, rule: &Rule, row: &Row) -> Option<bool> {
        rule.condition.as_ref().map_or(Some(true), |condition| condition.judge(&self.table.columns, row))
    }

    /// A value is there, but it can't be meant.
    fn is_implausible(&self, rule: usize, number: usize) -> bool {
        let term = self.table.rules[rule].term.as_ref();
        term.is_some_and(|term| self.time(rule, term, &self.table.rows[number], false) == Time::Undated(true))
    }

    /// The holds that reach the table.
    fn in_scope(&self) -> Vec<&Hold> {
        let table = self.table;
        let reaches = |scope: &Scope| match scope {
            Scope::Everywhere => true,
            Scope::Table(name) => *name == table.name,
            Scope::Category(category) => table.rules.iter().any(|rule| rule.category == *category),
        };
        self.world.holds.iter().filter(|hold| hold.scope.iter().any(reaches)).collect()
    }

    /// The same of what another table says: where it says nothing of a row, the row may be anybody's.
    fn is_held_elsewhere(&self, row: &Row) -> bool {
        let in_scope = self.in_scope();
        let accounts = || in_scope.iter().flat_map(|hold| &hold.subjects).filter(|(kind, _)| kind == "account");
        let is_held = |account: i64| accounts().any(|(_, held)| same(Kind::Number, &account.to_string(), held));
        let of_anybody = in_scope.iter().any(|hold| !hold.subjects.is_empty());
        self.table.rules.iter().filter_map(|rule| rule.subject_elsewhere).any(|null_is_held| {
            (row.parents.is_empty() && of_anybody)
                || row.parents.iter().any(|parent| parent.account.map_or(null_is_held && of_anybody, is_held))
        })
    }

    /// Law 2: any subject that any rule of the table names is held in a scope that reaches the table.
    fn is_held(&self, row: &Row) -> bool {
        let table = self.table;
        let in_scope = self.in_scope();
        let subjects = table.rules.iter().flat_map(|rule| &rule.subjects);
        in_scope.iter().any(|hold| hold.subjects.is_empty())
            || self.is_held_elsewhere(row)
            || subjects.into_iter().any(|subject| match &row.cells[subject.column].text {
                None => subject.null_is_held && !in_scope.is_empty(),
                Some(value) => in_scope
                    .iter()
                    .flat_map(|hold| &hold.subjects)
                    .any(|(kind, held)| *kind == subject.kind && same(table.columns[subject.column].kind, value, held)),
            })
    }

    /// Law 2 for what would go along with the row: each has a rule of its own that names its account, and a category of their own.
    fn is_held_along(&self, index: usize, row: &Row) -> bool {
        let covers = |hold: &Hold, table: &str, account: i64| {
            let reaches = |scope: &Scope| match scope {
                Scope::Everywhere => true,
                Scope::Table(name) => name == table,
                Scope::Category(category) => category == "along",
            };
            let names = |(kind, held): &(String, String)| kind == "account" && same(Kind::Number, &account.to_string(), held);
            hold.scope.iter().any(reaches) && (hold.subjects.is_empty() || hold.subjects.iter().any(names))
        };
        self.table.rules[index].drags_along
            && row.held_along.iter().any(|(table, account)| self.world.holds.iter().any(|hold| covers(hold, table, *account)))
    }

    /// Law 3: another rule protects the row, something refers to a row that would be deleted, or the rule waits for something.
    fn is_protected(&self, index: usize, number: usize, row: &Row) -> bool {
        (0..self.table.rules.len()).any(|other| self.protects(other, index, number, row))
            || (row.referred_to && matches!(self.table.rules[index].action, Action::Delete))
            || (row.waited_for && self.table.rules[index].waits)
            || (row.kept_along && self.table.rules[index].drags_along)
    }

    /// Another rule protects a row if it matters for what is to be done, its condition is not false, and it has not ended
    /// for the row. Where it is overridden only its floor protects.
    fn protects(&self, other: usize, index: usize, number: usize, row: &Row) -> bool {
        let (mine, rule) = (&self.table.rules[index], &self.table.rules[other]);
        let matters = match (&mine.action, &rule.action) {
            (_, Action::Keep) | (Action::Delete, _) => true,
            (Action::Anonymise { columns: mine, .. }, Action::Anonymise { columns: theirs, .. }) => {
                mine.iter().any(|(column, _)| theirs.iter().any(|(other, _)| other == column))
            }
            _ => false,
        };
        let is_overridden = self.is_overridden(other, row, index);
        let still = if is_overridden {
            rule.term.as_ref().is_some_and(|term| term.floor.is_some()) && !self.has_ended(other, true, number)
        } else {
            !self.has_ended(other, false, number)
        };
        other != index && matters && self.condition(rule, row) != Some(false) && still
    }

    fn has_ended(&self, rule: usize, floor_alone: bool, number: usize) -> bool {
        let term = self.table.rules[rule].term.as_ref();
        term.is_some_and(|term| self.time(rule, term, &self.table.rows[number], floor_alone) == Time::Ended)
    }

    fn time(&self, rule: usize, term: &Term, row: &Row, floor_alone: bool) -> Time {
        self.world.time(&self.table.rules[rule], term, &|period| self.cutoff(rule, term, period), row, floor_alone)
    }

    fn cutoff(&self, rule: usize, term: &Term, period: Period) -> Timestamp {
        let known = self.cutoffs[rule].borrow().iter().find(|(other, _)| *other == period).map(|(_, cutoff)| *cutoff);
        known.unwrap_or_else(|| {
            let cutoff = term.cutoff(self.world.now, period);
            self.cutoffs[rule].borrow_mut().push((period, cutoff));
            cutoff
        })
    }

    /// How many protected rows each other rule keeps from this one.
    fn protected_by(&self, index: usize) -> BTreeMap<String, u64> {
        let mut by = BTreeMap::new();
        for (number, row) in self.table.rows.iter().enumerate() {
            if self.class(index, number, row) != Class::Protected {
                continue;
            }
            for (other, rule) in self.table.rules.iter().enumerate() {
                if self.protects(other, index, number, row) {
                    *by.entry(rule.id.clone()).or_default() += 1;
                }
            }
        }
        by
    }

    fn stages(&self, number: usize, row: &Row, sights: &mut Sights) {
        let stands = |index: usize| self.class(index, number, row);
        let rules = || self.table.rules.iter().enumerate();
        let anonymised = rules().any(|(index, rule)| matches!(rule.action, Action::Anonymise { .. }) && stands(index) == Class::Due);
        let deleted = |class| rules().any(|(index, rule)| rule.action == Action::Delete && stands(index) == class);
        sights.staged |= anonymised && deleted(Class::Running);
        sights.both_due |= anonymised && deleted(Class::Due);
    }

    fn overriding(&self, index: usize, number: usize, row: &Row, sights: &mut Sights) {
        let rules = &self.table.rules;
        let mine = &rules[index];
        let overridden = self.condition(mine, row) == Some(true) && self.is_overridden(index, row, index);
        sights.overridden |= overridden && mine.action != Action::Keep;
        sights.override_overridden |= overridden && !mine.overrides.is_empty();
        let stands = self.class(index, number, row);
        for other in (0..rules.len()).filter(|other| *other != index && self.is_overridden(*other, row, index)) {
            let runs = self.condition(&rules[other], row) != Some(false) && !self.has_ended(other, false, number);
            let matters = mine.action == Action::Delete || rules[other].action == Action::Keep;
            sights.freed |= stands == Class::Due && runs && matters;
            sights.stopped_at_floor |= stands == Class::Protected && self.protects(other, index, number, row);
        }
    }

    fn sights(&self) -> Sights {
        let mut sights = Sights::default();
        for (number, row) in self.table.rows.iter().enumerate() {
            self.stages(number, row, &mut sights);
        }
        for (index, rule) in self.table.rules.iter().enumerate() {
            for (number, row) in self.table.rows.iter().enumerate() {
                self.overriding(index, number, row, &mut sights);
                sights.unknown_condition |= self.condition(rule, row).is_none();
                sights.implausible |= self.is_implausible(index, number);
                sights.kept_along |= row.kept_along && rule.drags_along && self.class(index, number, row) == Class::Protected;
                sights.held_along |= self.is_held_along(index, row) && !self.is_held(row) && self.class(index, number, row) == Class::Held;
                sights.waited |= row.waited_for && rule.waits && self.class(index, number, row) == Class::Protected;
                let due = || self.class(index, number, row) == Class::Due;
                sights.set_elsewhere |= matches!(rule.elsewhere, Some(Elsewhere::Setting { .. })) && due();
                sights.looked_up |= rule.elsewhere.is_some() && !matches!(rule.elsewhere, Some(Elsewhere::Setting { .. })) && due();
                sights.held_elsewhere |= self.is_held_elsewhere(row) && self.class(index, number, row) == Class::Held;
                let Some(term) = rule.term.as_ref().filter(|_| rule.elsewhere.is_none()) else { continue };
                let cutoff = term.periods().map(|period| self.cutoff(index, term, period)).min().expect("at least one");
                let Some((start, met)) = self.starts[index][number] else { continue };
                let from = calendar::counted_from(start, term.from, &term.zone);
                let (_, on_the_way) = calendar::end(from, term.period, &term.zone);
                sights.moved_to_its_end |= start < cutoff && from > start;
                sights.met.missing_day |= on_the_way.missing_day;
                sights.met.gap |= met.gap || on_the_way.gap;
                sights.met.fold |= met.fold || on_the_way.fold;
                sights.tie |= (cutoff - SignedDuration::from_micros(1)..=cutoff + SignedDuration::from_micros(1)).contains(&start);
            }
        }
        sights
    }
}

/// NULL, the empty string, or a value that the rule says means "no date".
fn means_nothing(term: &Term, cell: &Cell) -> bool {
    cell.text.as_ref().is_none_or(|text| text.is_empty() || term.never.contains(text))
}

/// Whether two values name one subject, as the column compares them.
fn same(kind: Kind, left: &str, right: &str) -> bool {
    match kind {
        Kind::Number => left.parse::<i64>().expect("a number") == right.trim().parse::<i64>().expect("a number"),
        Kind::Text | Kind::Mark => left == right,
        Kind::Folded => left.eq_ignore_ascii_case(right),
        Kind::Padded => left.trim_end_matches(' ') == right.trim_end_matches(' '),
        Kind::Uuid => {
            let plain = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_lowercase();
            plain(left) == plain(right)
        }
    }
}
