//! `dependents`: tables of a rule that have tables of their own.

use std::{collections::BTreeSet, ops::Range};

use super::{
    RawAnonymised, strategy,
    values::{Pairs, pairs},
};
use crate::diagnostic::fields::{At, Fields};

/// One table of `dependents`.
#[derive(Debug, Clone, PartialEq)]
pub struct RawDependent {
    /// The whole of it.
    pub span: Range<usize>,
    /// Keys that are written, whether or not their value could be read.
    pub written: BTreeSet<String>,
    pub schema: Option<At<String>>,
    pub table: Option<At<String>>,
    /// Columns of the table above and of this one.
    pub on: Option<At<Pairs>>,
    pub condition: Option<At<String>>,
    pub then: Option<At<RawThen>>,
    /// In the order of the file.
    pub anonymise: Option<At<Vec<RawAnonymised>>>,
    pub unlinks: Option<At<bool>>,
    pub dependents: Option<At<Vec<Self>>>,
}

/// The word after `then`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawThen {
    Delete,
    Detach,
    Anonymise,
}

/// The words of `then`.
pub const THENS: [(&str, RawThen); 4] =
    [("delete", RawThen::Delete), ("detach", RawThen::Detach), ("anonymise", RawThen::Anonymise), ("anonymize", RawThen::Anonymise)];

/// `dependents`, with all that is nested in them.
pub(super) fn dependents(fields: &Fields<'_>) -> Option<At<Vec<RawDependent>>> {
    let dependent = |inner: Fields<'_>| {
        let table = inner.words("table");
        let on = pairs(&inner);
        let then = inner.choice("then", &THENS);
        let dependent = RawDependent {
            span: inner.span.clone(),
            written: inner.written(),
            schema: inner.words("schema"),
            table: inner.need("table", table),
            on: inner.need("on", on),
            condition: inner.text("where"),
            then: inner.need("then", then),
            anonymise: strategy::columns(&inner),
            unlinks: inner.boolean("unlinks"),
            dependents: dependents(&inner),
        };
        inner.finish();
        dependent
    };
    let at = fields.value("dependents")?;
    Some(at.with(fields.list("dependents", "a table in `dependents`").into_iter().map(dependent).collect()))
}
