//! `[[identity]]`, as a file says it.

use std::ops::Range;

use super::values::{Pairs, named_kind};
use crate::diagnostic::fields::{At, Fields};

/// How kinds of subject belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct RawIdentity {
    /// The header.
    pub header: Range<usize>,
    pub source: Option<At<String>>,
    pub schema: Option<At<String>>,
    pub table: Option<At<String>>,
    /// Kinds and columns, in the order of the file.
    pub columns: Option<At<Pairs>>,
}

/// One `[[identity]]`.
pub(super) fn identity(fields: &Fields<'_>) -> RawIdentity {
    let (source, table) = (fields.words("source"), fields.words("table"));
    let columns = columns(fields);
    let identity = RawIdentity {
        header: fields.span.clone(),
        source: fields.need("source", source),
        schema: fields.words("schema"),
        table: fields.need("table", table),
        columns: fields.need("columns", columns),
    };
    fields.finish();
    identity
}

fn columns(fields: &Fields<'_>) -> Option<At<Pairs>> {
    let at = fields.value("columns")?;
    let entries = fields.inner("columns")?.entries();
    let column = |(kind, value): (At<String>, _)| Some((named_kind(fields, &kind)?, fields.reader.text(value, "columns")?));
    if entries.len() < 2 {
        let few = fields.reader.error("empty", &at.span, "an identity names a person in fewer than two ways");
        fields.reader.report(few.help("say which kinds of subject belong together: columns = { account = \"id\", email = \"email\" }"));
    }
    let columns: Pairs = entries.into_iter().filter_map(column).collect();
    Some(at.with(columns))
}
