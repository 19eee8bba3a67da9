//! The parts of a selection as text: the laws for one row.
//!
//! SQL has three truth values, and which of them decides is said at each part: an acting condition must be TRUE, a
//! protecting one protects unless it is FALSE, and whatever NULL would leave open is closed with `IS TRUE` or
//! `IS NOT TRUE`. No part can raise an error for a stored value, apart from a rule's own condition.

pub(super) mod column;
pub(super) mod dependents;
mod document;
pub(super) mod done;
mod end;
pub(super) mod formula;
pub(super) mod held;
pub(super) mod lookup;
mod start;
pub(super) mod tenant;
#[cfg(test)]
mod tests;

use self::end::End;
use super::{
    qualified, quote_identifier,
    selection::{EndTest, Override, Protector, Reference, Selection},
};
use crate::{fault, policy::Dialect};

/// Conjuncts that are all TRUE exactly for the due rows: laws 1, 2, 3 and 6 for one row.
///
/// The comparison of the start comes first and bare, so that an index serves.
pub(super) fn due(selection: &Selection) -> Vec<String> {
    let mut conjuncts = match &selection.end {
        Some(test) => End::new(selection.workspace.dialect, test).ended(),
        None if selection.follows => Vec::new(),
        None => return vec!["FALSE".to_owned()],
    };
    conjuncts.extend(in_members(&selection.members));
    let condition = selection.condition.as_ref().filter(|_| !(selection.follows && fault::seeded("dependent-where-ignored")));
    conjuncts.extend(condition.map(|condition| acts(&condition.sql)));
    conjuncts.extend(overridden(&selection.overridden).map(|overridden| format!("{overridden} IS NOT TRUE")));
    conjuncts.extend(done::done(selection.workspace.dialect, &selection.done).map(|done| format!("{done} IS NOT TRUE")));
    conjuncts.push(format!("{} IS NOT TRUE", held(selection)));
    conjuncts.extend(dependents::held(selection).map(|held| format!("{held} IS NOT TRUE")));
    conjuncts.extend(protected(selection).map(|protected| format!("{protected} IS NOT TRUE")));
    conjuncts
}

/// Which class of law 5 a row is in, as a text: the first that applies.
pub(super) fn class(selection: &Selection) -> String {
    let dialect = selection.workspace.dialect;
    let end = selection.end.as_ref().map(|test| End::new(dialect, test));
    let running = end.as_ref().map_or_else(|| "TRUE".to_owned(), |end| format!("({}) IS NOT TRUE", end.ended().join(" AND ")));
    let classes = [
        ("outside", selection.condition.as_ref().map(|condition| format!("{} IS NOT TRUE", acts(&condition.sql)))),
        ("outside", overridden(&selection.overridden)),
        ("done", done::done(dialect, &selection.done)),
        ("undated", end.as_ref().map(End::undated)),
        ("running", Some(running)),
        ("held", Some(held(selection))),
        ("held", dependents::held(selection)),
        ("protected", protected(selection)),
    ];
    let cases: String = classes.into_iter().filter_map(|(class, when)| Some(format!(" WHEN {} THEN '{class}'", when?))).collect();
    format!("CASE{cases} ELSE 'due' END")
}

/// TRUE or FALSE: there is a start that can't be read or can't be meant.
pub(super) fn implausible(selection: &Selection) -> String {
    selection.end.as_ref().map_or_else(|| "FALSE".to_owned(), |test| End::new(selection.workspace.dialect, test).implausible())
}

/// A comparison of the bare start column that every row passes whose start is before the cut-off.
pub(super) fn before_cutoff(selection: &Selection) -> Option<String> {
    End::new(selection.workspace.dialect, selection.end.as_ref()?).before_cutoff()
}

/// TRUE or FALSE: the row is in one of these tables of a tree. `None`: they are not told apart.
pub(super) fn in_members(members: &[u32]) -> Option<String> {
    let addresses: Vec<String> = members.iter().map(u32::to_string).collect();
    (!addresses.is_empty()).then(|| format!("t.tableoid IN ({})", addresses.join(", ")))
}

/// Whether the start's column has its values in the order of time, and nothing that can't be read among them: what is too
/// early to be meant comes first.
pub(super) fn start_is_in_order(selection: &Selection) -> bool {
    selection.end.as_ref().is_some_and(|test| End::new(selection.workspace.dialect, test).is_in_order())
}

/// TRUE, or not: the rule's condition is.
fn acts(condition: &str) -> String {
    if fault::seeded("null-condition-acts") { format!("(({condition}) IS NOT FALSE)") } else { format!("({condition})") }
}

/// TRUE or FALSE of each rule that overrides: it does so for the row.
pub(super) fn overriding(overrides: &[Override]) -> impl Iterator<Item = String> {
    overrides.iter().filter_map(|one| overridden(std::slice::from_ref(one)))
}

/// TRUE or FALSE: one of the rules overrides for the row. `None`: there is none.
pub(super) fn overridden(overrides: &[Override]) -> Option<String> {
    let active = |one: &Override| {
        let when = if fault::seeded("override-of-null") { "IS NOT FALSE" } else { "IS TRUE" };
        let matches = if fault::seeded("override-of-all-rows") { "TRUE".to_owned() } else { format!("({}) {when}", one.condition.sql) };
        match overridden(&one.unless) {
            Some(unless) => format!("({matches} AND {unless} IS NOT TRUE)"),
            None => format!("({matches})"),
        }
    };
    let parts: Vec<String> = overrides.iter().map(active).collect();
    (!parts.is_empty()).then(|| format!("({})", parts.join(" OR ")))
}

fn held(selection: &Selection) -> String {
    if fault::seeded("hold-clause-dropped") {
        return "FALSE".to_owned();
    }
    held::covered(&selection.workspace, &selection.held, None)
}

/// TRUE or FALSE: another rule's end, or a child, is waited for. `None`: there is neither.
fn protected(selection: &Selection) -> Option<String> {
    let parts: Vec<String> = protections(selection).collect();
    (!parts.is_empty()).then(|| format!("({})", parts.join(" OR ")))
}

/// TRUE or FALSE of each protector, then of each reference, then of each dependency: it protects the row.
pub(super) fn protections(selection: &Selection) -> impl Iterator<Item = String> {
    own_protections(selection).chain(dependents::protecting(selection))
}

/// The same without dependencies.
fn own_protections(selection: &Selection) -> impl Iterator<Item = String> {
    let dialect = selection.workspace.dialect;
    let rules = selection.protectors.iter().map(move |protector| protects(dialect, protector));
    rules.chain(selection.references.iter().map(move |reference| is_referenced(dialect, reference, None)))
}

/// TRUE or FALSE: a row that bears no date under the other rule never ends there.
fn protects(dialect: Dialect, protector: &Protector) -> String {
    let unless = if fault::seeded("protector-null-ignored") { "IS TRUE" } else { "IS NOT FALSE" };
    let matches = protector.condition.as_ref().map(|condition| format!("({}) {unless}", condition.sql));
    let running = |test: &EndTest| {
        let end = End::new(dialect, test);
        let ended = end.ended().join(" AND ");
        if fault::seeded("undated-protector-ends") {
            return format!("({ended} OR {}) IS NOT TRUE", end.undated());
        }
        format!("({ended}) IS NOT TRUE")
    };
    // Who has not reached the later of period and floor may have reached the floor.
    let counts = overridden(&protector.overridden).map(|overridden| {
        let floor = protector.floor.as_ref().filter(|_| !fault::seeded("override-ignores-floor")).map(running);
        match floor {
            Some(floor) => format!("({overridden} IS NOT TRUE OR {floor})"),
            None => format!("{overridden} IS NOT TRUE"),
        }
    });
    let parts: Vec<String> =
        [in_members(&protector.only), matches, protector.end.as_ref().map(running), counts].into_iter().flatten().collect();
    match parts.as_slice() {
        [] => "TRUE".to_owned(),
        [part] => part.clone(),
        parts => format!("({})", parts.join(" AND ")),
    }
}

/// TRUE or FALSE: a child names the row. The parent's column on the left brings the collation that the foreign key
/// compares with. `unless`: what may be true of the child `c`, so that it doesn't count.
fn is_referenced(dialect: Dialect, reference: &Reference, unless: Option<&str>) -> String {
    let pairs: Vec<String> =
        reference.pairs.iter().map(|(child, parent)| format!("t.{} = c.{}", quote_identifier(parent), quote_identifier(child))).collect();
    let same = |parent: &String| format!("t.{0} = c.{0}", quote_identifier(parent));
    let itself: Vec<String> = reference.pairs.iter().filter(|_| reference.own).map(|(_, parent)| same(parent)).collect();
    let itself = Some(itself.join(" AND ")).filter(|itself| !itself.is_empty());
    // MariaDB deletes no row that refers to itself.
    let others = match (dialect, itself, unless) {
        (Dialect::Mysql, Some(itself), Some(unless)) => vec![format!("{unless} AND ({itself}) IS NOT TRUE")],
        (Dialect::Mysql, _, unless) => unless.map(str::to_owned).into_iter().collect(),
        (_, itself, unless) => itself.into_iter().chain(unless.map(str::to_owned)).collect(),
    };
    let others: String = others.into_iter().map(|other| format!(" AND ({other}) IS NOT TRUE")).collect();
    format!("EXISTS (SELECT 1 FROM {} c WHERE {}{others})", qualified(dialect, &reference.child), pairs.join(" AND "))
}
