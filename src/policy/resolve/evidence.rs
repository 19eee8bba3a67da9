//! `evidence`: whether what a rule asks for can be had.

use super::{Context, rule::Check};
use crate::policy::{
    Evidence,
    evidence::KEY,
    raw::{RawAction, RawSubject},
};

/// How much the ledger keeps, and what stands in the way of it.
pub(super) fn level(check: &Check<'_>, context: &Context) -> Evidence {
    let raw = check.raw;
    let Some(at) = &raw.evidence else { return Evidence::Batch };
    if raw.action.as_ref().is_some_and(|action| action.value == RawAction::Keep) {
        let help = "leave `evidence` out, or say it of a rule that deletes or anonymises";
        check.misplaced(&raw.evidence, "a rule that keeps its rows does nothing that there could be evidence of", help);
        return Evidence::Batch;
    }
    let level = at.value;
    if level == Evidence::Batch {
        return level;
    }
    if context.complete && context.keys.iter().all(|key| key != KEY) {
        let message = format!("`evidence = \"{}\"` makes keyed digests, and there is no key `{KEY}`", level.name());
        let help = format!("add to retentiond.toml:\n[keys.{KEY}]\nfile = \"/run/secrets/{KEY}\"");
        check.report(check.error("evidence-needs-key", &at.span, message).label("needs a secret").help(help));
    }
    let others = [
        ("partitions", "a partition that is dropped as a whole does not say which rows were in it"),
        ("suppress", "a rule that keeps opt-outs can't digest its rows: both read what the statement has deleted"),
    ];
    for (key, why) in others.into_iter().filter(|(key, _)| raw.written.contains(*key)) {
        let help = format!("leave out `{key}`, or say `evidence = \"batch\"`");
        check.report(check.error("evidence-not-possible", &at.span, why).help(help));
    }
    if level == Evidence::Subject {
        subjects(check, &at.span);
    }
    level
}

/// A digest of a subject is made of the row's own values, which go with it.
fn subjects(check: &Check<'_>, span: &std::ops::Range<usize>) {
    let message = match check.raw.subject.as_ref().map(|subject| &subject.value) {
        Some(RawSubject::Nobody) => "the rows are nobody's, so there is no subject to make a digest of".to_owned(),
        Some(RawSubject::Of(subjects)) => {
            let Some((kind, _)) = subjects.iter().find(|(_, column)| column.value.of_row().is_none()) else { return };
            format!("the subject `{}` is looked up in another table, so the row that goes does not have it", kind.value)
        }
        None => return,
    };
    check.report(check.error("evidence-not-possible", span, message).help("say `evidence = \"row\"`, which names rows by their keys"));
}
