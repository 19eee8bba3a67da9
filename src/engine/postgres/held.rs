//! Rows of `held`: how a held subject is written, so that columns of any type find it by an index.

use sqlx::{Row as _, postgres::PgRow};

use super::errors::Failure;
use crate::{
    engine::Error,
    hold::{Held, HeldSubject, Scope},
    sql::{canonical_of, number_of, uuid_of},
};

/// Rows of `held` as columns, for one `unnest`.
pub(super) struct Columns {
    pub holds: Vec<String>,
    pub scopes: Vec<String>,
    pub kinds: Vec<String>,
    pub values: Vec<String>,
    /// The value as a number, where it is one: what numeric columns are compared with.
    pub numbers: Vec<Option<String>>,
    /// The value as a UUID, where it is one.
    pub uuids: Vec<Option<String>>,
    /// The value as servers write it.
    pub canonical: Vec<Option<String>>,
}

impl Columns {
    /// A hold on everything in its scope has the empty kind and value, which no subject has.
    pub fn of(rows: &[Held]) -> Self {
        let subject = |row: &Held| row.subject.clone().map_or_else(Default::default, |subject| (subject.kind, subject.value));
        let (kinds, values): (Vec<_>, Vec<_>) = rows.iter().map(subject).unzip();
        Self {
            holds: rows.iter().map(|row| row.hold.clone()).collect(),
            scopes: rows.iter().map(|row| row.scope.key()).collect(),
            numbers: values.iter().map(|value| number_of(value).map(str::to_owned)).collect(),
            uuids: values.iter().map(|value| uuid_of(value)).collect(),
            canonical: values.iter().map(|value| canonical_of(value)).collect(),
            kinds,
            values,
        }
    }
}

/// A row `hold, scope, kind, value`.
pub(super) fn decode(row: &PgRow) -> Result<Held, Error> {
    let (hold, scope, kind, value): (String, String, String, String) =
        (|| Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?)))()
            .map_err(|error| Failure { what: "reading holds", error })?;
    let scope = Scope::from_key(&scope)
        .ok_or_else(|| Error::Database("the workspace has a hold whose scope this retentiond does not know".to_owned()))?;
    let subject = (!kind.is_empty()).then_some(HeldSubject { kind, value });
    Ok(Held { hold, scope, subject })
}
