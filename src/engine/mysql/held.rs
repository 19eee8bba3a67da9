//! Rows of `held`: how a held subject is written, so that columns of any type find it by an index.

use sha2::{Digest as _, Sha256};
use sqlx::mysql::MySqlRow;

use super::{errors::Failure, session::word};
use crate::{
    engine::Error,
    hold::{Held, HeldSubject, Scope},
    sql::{FOLDED, FOLDINGS, Statement, canonical_of, fits_decimal, selection::Cell, uuid_of},
};

/// Rows that one statement writes: far fewer parameters than a statement may have.
pub(super) const ROWS: usize = 2_000;

/// The statement that writes some rows to `table`; those that are there stay.
pub(super) fn insert(table: &str, rows: &[Held]) -> Statement {
    let columns = ["id", "hold", "scope", "kind", "value", "trimmed", "number", "uuid", "canonical"];
    let columns: Vec<&str> = columns.into_iter().chain(FOLDINGS.iter().map(|folding| folding.column)).collect();
    let one = format!("({})", vec!["?"; columns.len()].join(", "));
    let text = format!(
        "INSERT INTO {table} ({}) VALUES {} ON DUPLICATE KEY UPDATE hold = VALUES(hold)",
        columns.join(", "),
        vec![one; rows.len()].join(", ")
    );
    Statement { text, binds: rows.iter().flat_map(cells).collect() }
}

/// A hold on everything in its scope has the empty kind and value, which no subject has.
fn cells(row: &Held) -> Vec<Cell> {
    let scope = row.scope.key();
    let (kind, value) = row.subject.as_ref().map_or(("", ""), |subject| (&subject.kind, &subject.value));
    // What names a row may be longer than a key of this engine: its digest is the key.
    let id = Sha256::digest(serde_json::json!([row.hold, scope, kind, value]).to_string());
    let text = |text: &str| Cell::Text(text.to_owned());
    let first: String = value.chars().take(FOLDED).collect();
    // A value with a character that a column can't hold is nobody's there.
    let folded = FOLDINGS.iter().map(|folding| if first.chars().all(folding.has) { text(&first) } else { Cell::Null });
    let cells = [
        Cell::Bytes(id.to_vec()),
        text(&row.hold),
        text(&scope),
        text(kind),
        text(value),
        text(value.trim_end_matches(' ')),
        // The value as a number, where it is one that the type can hold: what columns of numbers are compared with.
        if fits_decimal(value) { text(value) } else { Cell::Null },
        uuid_of(value).map_or(Cell::Null, Cell::Text),
        canonical_of(value).map_or(Cell::Null, Cell::Text),
    ];
    cells.into_iter().chain(folded).collect()
}

/// A row `hold, scope, kind, value`.
pub(super) fn decode(row: &MySqlRow) -> Result<Held, Error> {
    let read = || Ok((word(row, 0)?, word(row, 1)?, word(row, 2)?, word(row, 3)?));
    let (hold, scope, kind, value): (String, String, String, String) = read().map_err(|error| Failure { what: "reading holds", error })?;
    let scope = Scope::from_key(&scope)
        .ok_or_else(|| Error::Database("the workspace has a hold whose scope this retentiond does not know".to_owned()))?;
    let subject = (!kind.is_empty()).then_some(HeldSubject { kind, value });
    Ok(Held { hold, scope, subject })
}
