//! `[[identity]]`: which kinds of subject belong together.

use std::cell::RefCell;

use super::Context;
use crate::{
    diagnostic::{Diagnostic, Diagnostics, suggest},
    policy::{
        Identity, Rule, TableName,
        raw::{RawFile, RawIdentity},
    },
};

/// The identities of a file; every mistake is reported.
pub(super) fn identities(file: &RawFile, rules: &[Rule], context: &Context, found: &RefCell<Diagnostics>) -> Vec<Identity> {
    file.identities.iter().filter_map(|raw| identity(file, raw, rules, context, found)).collect()
}

/// `None` only if something was reported.
fn identity(file: &RawFile, raw: &RawIdentity, rules: &[Rule], context: &Context, found: &RefCell<Diagnostics>) -> Option<Identity> {
    let (source, table, columns) = (raw.source.as_ref()?, raw.table.as_ref()?, raw.columns.as_ref()?);
    if !context.sources.contains_key(&source.value) && context.complete {
        let unknown =
            Diagnostic::error("unknown-source", file.file.at(source.span.clone()), format!("there is no source `{}`", source.value));
        let help = suggest::did_you_mean(&source.value, context.sources.keys().map(String::as_str));
        found.borrow_mut().push(unknown.help(help.unwrap_or_else(|| format!("add [sources.{}] to retentiond.toml", source.value))));
    }
    let kinds = || rules.iter().flat_map(|rule| rule.subjects.all()).map(|subject| subject.kind.as_str());
    for (kind, _) in &columns.value {
        if !kinds().any(|known| known == kind.value) && !rules.is_empty() {
            let message = format!("no rule names subjects of the kind `{}`", kind.value);
            let warning = Diagnostic::warning("unknown-kind", file.file.at(kind.span.clone()), message);
            found.borrow_mut().push(warning.maybe_help(suggest::did_you_mean(&kind.value, kinds())));
        }
    }
    Some(Identity {
        source: source.value.clone(),
        table: TableName { schema: raw.schema.as_ref().map(|schema| schema.value.clone()), table: table.value.clone() },
        columns: columns.value.iter().map(|(kind, column)| (kind.value.clone(), column.value.clone())).collect(),
        place: file.file.at(raw.header.clone()),
    })
}
