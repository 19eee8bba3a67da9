//! Anonymising rules that would undo each other (law 6), told before either acts.
//!
//! What each strategy does to the work of another is said in [`StrategySpec::survives`]; here it is asked for every
//! column that two rules of a table share.

use std::cell::RefCell;

use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    policy::{Action, Mode, Rule, StrategySpec},
};

/// Reports a rule that anonymises what tells another that it is done.
fn unmarks(rule: &Rule, other: &Rule, found: &RefCell<Diagnostics>) {
    let (Action::Anonymise { columns, .. }, Action::Anonymise { mark: Some(mark), .. }) = (&rule.action, &other.action) else { return };
    if columns.iter().any(|(column, _)| column == mark) {
        let message = format!("`{mark}` can't be anonymised: it is the mark of `{}`", other.id);
        let error = Diagnostic::error("column-changed-and-read", rule.origin.place(&format!("anonymise.{mark}")), message);
        found.borrow_mut().push(error.label("changed here").also(other.origin.place("mark"), "the mark here"));
    }
}

/// Reports what two rules of one table do to each other's work.
pub(super) fn pair(one: &Rule, other: &Rule, found: &RefCell<Diagnostics>) {
    unmarks(one, other, found);
    unmarks(other, one, found);
    let (Action::Anonymise { columns, mark }, Action::Anonymise { columns: others, mark: their_mark }) = (&one.action, &other.action)
    else {
        return;
    };
    if let Some(mark) = mark.as_ref().filter(|mark| their_mark.as_ref() == Some(*mark)) {
        let message = format!("`{mark}` is the mark of `{}` and of `{}`: what one has done would look done to the other", one.id, other.id);
        let error = Diagnostic::error("shared-mark", other.origin.place("mark"), message).label("also the mark here");
        found.borrow_mut().push(error.also(one.origin.place("mark"), "the mark here").help("give each rule a column of its own"));
        return;
    }
    // A rule that only observes undoes nothing; this is told when it is to act.
    if one.mode == Mode::Observe || other.mode == Mode::Observe {
        return;
    }
    for (column, spec) in columns {
        let Some((_, their_spec)) = others.iter().find(|(name, _)| name == column) else { continue };
        let one_zone = one.timezone == other.timezone || !reads_a_zone(spec);
        let survives = |mine: &StrategySpec, theirs: &StrategySpec| mine.survives(theirs) && one_zone;
        // A mark tells what was done, whatever the values have become.
        if (mark.is_some() || survives(spec, their_spec)) && (their_mark.is_some() || survives(their_spec, spec)) {
            continue;
        }
        let message = format!("`{}` and `{}` would undo each other's work on `{column}` at every sweep", one.id, other.id);
        let key = format!("anonymise.{column}");
        let error = Diagnostic::error("undoes", other.origin.place(&key), message).label(format!("`{}` here", their_spec.name()));
        let error = error.also(one.origin.place(&key), format!("`{}` here", spec.name()));
        let way_out = match (spec, their_spec) {
            (StrategySpec::DateTrunc { .. }, StrategySpec::DateTrunc { .. }) => "let both count in one `timezone`",
            (StrategySpec::Round { .. }, StrategySpec::Round { .. }) => "let one number divide the other",
            _ => "let both do the same",
        };
        found.borrow_mut().push(error.help(format!("{way_out}, take `{column}` out of one of them, or give each a `mark` of its own")));
    }
}

/// Whether the beginning of something depends on the rule's zone.
fn reads_a_zone(spec: &StrategySpec) -> bool {
    matches!(spec, StrategySpec::DateTrunc { .. })
}
