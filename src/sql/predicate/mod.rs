//! The parts of a selection as text: the laws for one row.
//!
//! SQL has three truth values, and which of them decides is said at each part: an acting condition must be TRUE, a
//! protecting one protects unless it is FALSE, and whatever NULL would leave open is closed with `IS TRUE` or
//! `IS NOT TRUE`. No part can raise an error for a stored value, apart from a rule's own condition.

pub(super) mod column;
pub(super) mod done;
pub(super) mod held;
mod start;
#[cfg(test)]
mod tests;

use self::start::Start;
use super::selection::{Protector, Selection, StartTest};
use crate::policy::Dialect;

/// Conjuncts that are all TRUE exactly for the due rows: laws 1, 2, 3 and 6 for one row.
///
/// The comparison of the start comes first and bare, so that an index serves.
pub(super) fn due(selection: &Selection) -> Vec<String> {
    let Some(test) = &selection.start else { return vec!["FALSE".to_owned()] };
    let mut conjuncts = Start::new(selection.workspace.dialect, test).ended();
    conjuncts.extend(selection.condition.as_ref().map(|condition| format!("({})", condition.sql)));
    conjuncts.extend(done::done(selection.workspace.dialect, &selection.done).map(|done| format!("{done} IS NOT TRUE")));
    conjuncts.push(format!("{} IS NOT TRUE", held(selection)));
    conjuncts.extend(protected(selection).map(|protected| format!("{protected} IS NOT TRUE")));
    conjuncts
}

/// Which class of law 5 a row is in, as a text: the first that applies.
pub(super) fn class(selection: &Selection) -> String {
    let dialect = selection.workspace.dialect;
    let start = selection.start.as_ref().map(|test| Start::new(dialect, test));
    let running = start.as_ref().map_or_else(|| "TRUE".to_owned(), |start| format!("({}) IS NOT TRUE", start.ended().join(" AND ")));
    let classes = [
        ("outside", selection.condition.as_ref().map(|condition| format!("({}) IS NOT TRUE", condition.sql))),
        ("done", done::done(dialect, &selection.done)),
        ("undated", start.as_ref().map(Start::undated)),
        ("running", Some(running)),
        ("held", Some(held(selection))),
        ("protected", protected(selection)),
    ];
    let cases: String = classes.into_iter().filter_map(|(class, when)| Some(format!(" WHEN {} THEN '{class}'", when?))).collect();
    format!("CASE{cases} ELSE 'due' END")
}

/// TRUE or FALSE: there is a start that can't be read or can't be meant.
pub(super) fn implausible(selection: &Selection) -> String {
    selection.start.as_ref().map_or_else(|| "FALSE".to_owned(), |test| Start::new(selection.workspace.dialect, test).implausible())
}

/// A comparison of the bare start column that every row passes whose start is before the cut-off.
pub(super) fn before_cutoff(selection: &Selection) -> Option<String> {
    Start::new(selection.workspace.dialect, selection.start.as_ref()?).before_cutoff()
}

fn held(selection: &Selection) -> String {
    held::covered(&selection.workspace, &selection.held.scopes, &selection.held.subjects, None)
}

/// TRUE or FALSE: another rule's end is waited for. `None`: there is no other rule.
fn protected(selection: &Selection) -> Option<String> {
    let parts: Vec<String> = selection.protectors.iter().map(|protector| protects(selection.workspace.dialect, protector)).collect();
    (!parts.is_empty()).then(|| format!("({})", parts.join(" OR ")))
}

/// TRUE or FALSE: a row that bears no date under the other rule never ends there.
fn protects(dialect: Dialect, protector: &Protector) -> String {
    let matches = protector.condition.as_ref().map(|condition| format!("({}) IS NOT FALSE", condition.sql));
    let ended = |test: &StartTest| format!("({}) IS NOT TRUE", Start::new(dialect, test).ended().join(" AND "));
    match (matches, protector.start.as_ref().map(ended)) {
        (None, None) => "TRUE".to_owned(),
        (Some(part), None) | (None, Some(part)) => part,
        (Some(matches), Some(running)) => format!("({matches} AND {running})"),
    }
}
