//! The sources that the state knows, and the two epochs of each.

use sqlx::AnyConnection;

use super::{
    Error, State,
    database::{count, query, query_as, stored},
};
use crate::ledger::{Event, SOURCE_ADOPTED};

/// A source as the state knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    pub name: String,
    /// The identity in its workspace's stamp.
    pub source_id: String,
    /// Which database it is, whatever address it is reached by.
    pub fingerprint: String,
    /// The epoch that its gate has to reach before every hold is in force there.
    pub wanted: u64,
    /// The epoch that its gate is known to have reached.
    pub confirmed: u64,
}

/// What a batch compares the gate's epoch with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateNumbers {
    /// E: a gate beyond it knows holds that this state does not.
    pub wanted: u64,
    /// C: a gate behind it was restored.
    pub confirmed: u64,
}

type Row = (String, String, String, i64, i64);

fn record((name, source_id, fingerprint, wanted, confirmed): Row) -> Result<SourceRecord, Error> {
    Ok(SourceRecord { name, source_id, fingerprint, wanted: count(wanted)?, confirmed: count(confirmed)? })
}

impl State {
    /// Remembers a source whose workspace was initialised. Doing it again with the same identity changes nothing.
    ///
    /// # Errors
    /// [`Error::OtherSource`] if the name, identity or fingerprint belongs to another.
    pub async fn register_source(&self, name: &str, source_id: &str, fingerprint: &str, by: &str) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        let inserted =
            query("INSERT INTO source (name, source_id, fingerprint, wanted, confirmed) VALUES ($1, $2, $3, 0, 0) ON CONFLICT DO NOTHING")
                .bind(name)
                .bind(source_id)
                .bind(fingerprint)
                .execute(&mut *transaction)
                .await?;
        if inserted.rows_affected() == 0 {
            let known: Row = query_as(
                "SELECT name, source_id, fingerprint, wanted, confirmed FROM source
                 WHERE name = $1 OR source_id = $2 OR fingerprint = $3 ORDER BY name",
            )
            .bind(name)
            .bind(source_id)
            .bind(fingerprint)
            .fetch_one(&mut *transaction)
            .await?;
            transaction.rollback().await?;
            let known = record(known)?;
            let same = known.name == name && known.source_id == source_id && known.fingerprint == fingerprint;
            return if same { Ok(()) } else { Err(Error::OtherSource { name: known.name }) };
        }
        self.append_in(&mut transaction, |texts| Event::Configuration {
            rule: None,
            what: "source_initialised".to_owned(),
            source: Some(name.to_owned()),
            by: texts.commit("by", by),
            reason: texts.commit("reason", ""),
        })
        .await?;
        Ok(transaction.commit().await?)
    }

    /// Takes a source over (new, renamed, restored, or of a lost state): the name then belongs to this database, its
    /// wanted epoch is above `epoch`, nothing is confirmed, and every hold in its scope is to be written there anew.
    /// Another name of the same database is forgotten. What its lanes said no longer counts: they have to be emptied in
    /// the source as well, and an intent that is open is given up.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn adopt_source(
        &self,
        name: &str,
        source_id: &str,
        fingerprint: &str,
        epoch: u64,
        by: &str,
        reason: &str,
    ) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        query("DELETE FROM source WHERE name <> $1 AND (source_id = $2 OR fingerprint = $3)")
            .bind(name)
            .bind(source_id)
            .bind(fingerprint)
            .execute(&mut *transaction)
            .await?;
        let (wanted,): (i64,) = query_as(
            "INSERT INTO source (name, source_id, fingerprint, wanted, confirmed) VALUES ($1, $2, $3, $4 + 1, 0)
             ON CONFLICT (name) DO UPDATE SET source_id = $2, fingerprint = $3, confirmed = 0,
                 wanted = 1 + CASE WHEN source.wanted > $4 THEN source.wanted ELSE $4 END
             RETURNING wanted",
        )
        .bind(name)
        .bind(source_id)
        .bind(fingerprint)
        .bind(stored(epoch)?)
        .fetch_one(&mut *transaction)
        .await?;
        // With the new epoch a confirmation that is still under way for the database before can't count for this one.
        query("UPDATE hold_source SET confirmed = 0, epoch = $2 WHERE source = $1")
            .bind(name)
            .bind(wanted)
            .execute(&mut *transaction)
            .await?;
        self.reset_lanes(&mut transaction, name).await?;
        self.append_in(&mut transaction, |texts| Event::Configuration {
            rule: None,
            what: SOURCE_ADOPTED.to_owned(),
            source: Some(name.to_owned()),
            by: texts.commit("by", by),
            reason: texts.commit("reason", reason),
        })
        .await?;
        Ok(transaction.commit().await?)
    }

    /// The source of that name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn source(&self, name: &str) -> Result<Option<SourceRecord>, Error> {
        let row: Option<Row> = query_as("SELECT name, source_id, fingerprint, wanted, confirmed FROM source WHERE name = $1")
            .bind(name)
            .fetch_optional(&mut *self.database.read().await?)
            .await?;
        row.map(record).transpose()
    }

    /// All sources, by name.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn sources(&self) -> Result<Vec<SourceRecord>, Error> {
        let rows: Vec<Row> = query_as("SELECT name, source_id, fingerprint, wanted, confirmed FROM source ORDER BY name")
            .fetch_all(&mut *self.database.read().await?)
            .await?;
        rows.into_iter().map(record).collect()
    }

    /// The epochs of a source, both from one read.
    ///
    /// # Errors
    /// [`Error::UnknownSource`].
    pub async fn gate(&self, source: &str) -> Result<GateNumbers, Error> {
        gate_in(&mut *self.database.read().await?, source).await
    }
}

/// The epochs of a source, as a transaction sees them.
pub(super) async fn gate_in(connection: &mut AnyConnection, source: &str) -> Result<GateNumbers, Error> {
    let row: Option<(i64, i64)> =
        query_as("SELECT wanted, confirmed FROM source WHERE name = $1").bind(source).fetch_optional(connection).await?;
    let (wanted, confirmed) = row.ok_or_else(|| Error::UnknownSource(source.to_owned()))?;
    Ok(GateNumbers { wanted: count(wanted)?, confirmed: count(confirmed)? })
}

/// Raises the wanted epoch by one and returns it; whoever else wants to change what the source needs, waits.
pub(super) async fn raise_wanted(connection: &mut AnyConnection, source: &str) -> Result<u64, Error> {
    let row: Option<(i64,)> =
        query_as("UPDATE source SET wanted = wanted + 1 WHERE name = $1 RETURNING wanted").bind(source).fetch_optional(connection).await?;
    count(row.ok_or_else(|| Error::UnknownSource(source.to_owned()))?.0)
}
