//! What the cases of a run have shown. A generator that stops meeting a class of rows would make the oracle blind for
//! it, so a class that is too rare fails the run.

use std::collections::{BTreeMap, BTreeSet};

use super::{Case, Pack, table::Engine};
use crate::support::oracle::{Action, Class, Rule, Table, Verdict};

/// In how many cases each class was met.
#[derive(Debug, Default)]
pub struct Tally {
    cases: u64,
    classes: BTreeMap<&'static str, u64>,
}

/// Cases from which chance hides no class.
const ENOUGH: u64 = 400;

/// Every class that must be met in at least two of a hundred cases.
const CLASSES: &[&str] = &[
    "outside",
    "done",
    "undated",
    "running",
    "held",
    "protected",
    "due",
    "null condition",
    "tie at the cut-off",
    "gap",
    "fold",
    "missing day",
    "implausible",
    "cascade or trigger",
    "too many implausible",
    "referred to",
    "anonymised",
    "observed",
    "floor",
    "waits for another table",
    "looked up elsewhere",
    "set elsewhere",
    "held elsewhere",
    "leaves opt-outs",
    "kept by what would go along",
    "held by what would go along",
    "something goes along",
    "something goes with what goes along",
    "of a tenant",
    "lets a trigger fire",
    "counted from the end of a month or year",
    "overridden",
    "freed by an override",
    "override stopped at a floor",
    "override overridden",
    "anonymised, later deleted",
    "both due",
    "in parts",
    "archived",
    "told by digests",
    "null",
    "fixed",
    "hmac",
    "truncate_ip",
    "mask",
    "random",
    "date_trunc",
    "round",
    "json",
    "two on one column",
    "unlinked",
];

/// A rule anonymises a subject of its own, and had something due.
fn unlinks(rule: &Rule, counts: Option<&BTreeMap<Class, u64>>) -> bool {
    let is_subject = |column: usize| rule.subjects.iter().any(|subject| subject.column == column);
    matches!(&rule.action, Action::Anonymise { columns, .. } if columns.iter().any(|(column, _)| is_subject(*column)))
        && counts.is_some_and(|counts| counts.contains_key(&Class::Due))
}

/// Something is due.
fn acts(counts: Option<&BTreeMap<Class, u64>>) -> bool {
    counts.is_some_and(|counts| counts.contains_key(&Class::Due))
}

/// Two rules anonymise one column.
fn shares_a_column(table: &Table) -> bool {
    let mut seen = BTreeSet::new();
    let anonymised =
        table.rules.iter().filter_map(|rule| if let Action::Anonymise { columns, .. } = &rule.action { Some(columns) } else { None });
    anonymised.flatten().any(|(column, _)| !seen.insert(*column))
}

/// The strategies of a rule that had something due.
fn strategies_that_acted(rule: &Rule, counts: Option<&BTreeMap<Class, u64>>) -> Vec<&'static str> {
    match &rule.action {
        Action::Anonymise { columns, .. } if counts.is_some_and(|counts| counts.contains_key(&Class::Due)) => {
            columns.iter().map(|(_, strategy)| strategy.name()).collect()
        }
        _ => Vec::new(),
    }
}

impl Tally {
    /// Counts one case.
    pub fn add(&mut self, case: &Case, table: &Table, verdict: &Verdict) {
        self.cases += 1;
        let has = |class| verdict.rules.iter().flatten().any(|counts| counts.contains_key(&class));
        let sights = &verdict.sights;
        let refused = verdict.rules.iter().any(Option::is_none);
        let drags = table.delete_drags || table.update_fires.is_some();
        let changed =
            |(row, after): (&crate::support::oracle::Row, &Option<Vec<_>>)| after.as_ref().is_some_and(|after| *after != row.cells);
        let marks = [
            ("outside", has(Class::Outside)),
            ("done", has(Class::Done)),
            ("undated", has(Class::Undated)),
            ("running", has(Class::Running)),
            ("held", has(Class::Held)),
            ("protected", has(Class::Protected)),
            ("due", has(Class::Due)),
            ("null condition", sights.unknown_condition),
            ("tie at the cut-off", sights.tie),
            ("gap", sights.met.gap),
            ("fold", sights.met.fold),
            ("missing day", sights.met.missing_day),
            ("implausible", sights.implausible),
            ("cascade or trigger", refused && drags),
            ("too many implausible", refused && !drags),
            (
                "referred to",
                table.rows.iter().any(|row| row.referred_to) && table.rules.iter().any(|rule| matches!(rule.action, Action::Delete)),
            ),
            ("anonymised", table.rows.iter().zip(&verdict.rows).any(changed)),
            ("observed", table.rules.iter().any(|rule| rule.observe)),
            ("unlinked", table.rules.iter().zip(&verdict.rules).any(|(rule, counts)| unlinks(rule, counts.as_ref()))),
            ("two on one column", shares_a_column(table)),
            ("overridden", sights.overridden),
            ("freed by an override", sights.freed),
            ("override stopped at a floor", sights.stopped_at_floor),
            ("override overridden", sights.override_overridden),
            ("anonymised, later deleted", sights.staged),
            ("both due", sights.both_due),
            ("in parts", case.in_parts),
            ("told by digests", case.digested && verdict.rows.iter().any(Option::is_none)),
            ("archived", case.archived && verdict.rows.iter().any(Option::is_none)),
            ("waits for another table", sights.waited),
            ("looked up elsewhere", sights.looked_up),
            ("set elsewhere", sights.set_elsewhere),
            ("held elsewhere", sights.held_elsewhere),
            ("leaves opt-outs", case.list.is_some() && verdict.rows.iter().any(Option::is_none)),
            ("kept by what would go along", sights.kept_along),
            ("held by what would go along", sights.held_along),
            (
                "something goes with what goes along",
                case.along.as_ref().is_some_and(|along| along.drags_further(|row| verdict.rows[row].is_none())),
            ),
            ("something goes along", case.along.as_ref().is_some_and(|along| along.dragged(|row| verdict.rows[row].is_none()) > 0)),
            ("lets a trigger fire", table.rules.iter().zip(&verdict.rules).any(|(rule, counts)| rule.fires && acts(counts.as_ref()))),
            ("of a tenant", table.rules.iter().zip(&verdict.rules).any(|(rule, counts)| rule.of_tenant && acts(counts.as_ref()))),
            ("counted from the end of a month or year", sights.moved_to_its_end),
            ("floor", table.rules.iter().any(|rule| rule.term.as_ref().is_some_and(|term| term.floor.is_some()))),
        ];
        let strategies = table.rules.iter().zip(&verdict.rules).flat_map(|(rule, counts)| strategies_that_acted(rule, counts.as_ref()));
        for (class, met) in marks.into_iter().chain(strategies.map(|strategy| (strategy, true)).collect::<BTreeMap<_, _>>()) {
            *self.classes.entry(class).or_default() += u64::from(met);
        }
    }

    /// Says nothing of a run too short to tell.
    ///
    /// # Panics
    /// If a class was met in less than two of a hundred cases.
    pub fn assert_broad(&self) {
        if self.cases < ENOUGH {
            return;
        }
        let share = |class: &&str| self.classes.get(class).copied().unwrap_or_default() as f64 / self.cases as f64;
        let rare = CLASSES.iter().filter(|class| share(class) < 0.02).collect::<Vec<_>>();
        assert!(rare.is_empty(), "met in less than 2 % of {} cases: {rare:?}; all: {:?}", self.cases, self.classes);
    }
}

/// The generator alone, without the program: quick, and says what is rare before a long run does.
#[test]
fn the_generator_meets_every_class() {
    let mut tally = Tally::default();
    for seed in 0..30 {
        let engine = Engine::ALL[usize::try_from(seed).unwrap_or_default() % Engine::ALL.len()];
        let Pack { world, cases, .. } = Pack::new(engine, seed);
        cases.iter().zip(&world.tables).for_each(|(case, table)| tally.add(case, table, &world.judge(table)));
    }
    tally.assert_broad();
}
