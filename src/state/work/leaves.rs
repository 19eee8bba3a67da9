//! The digests of batches: written with the intent, removed with a batch that never committed.

use sqlx::AnyConnection;

use super::super::{
    Error, State,
    database::{Kind, count, query, query_as, stored},
};
use crate::ledger::Batch;

/// A batch that has a digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeafPlace {
    pub source: String,
    pub lane: String,
    pub lane_seq: u64,
    /// 0 for its first digest.
    pub position: u64,
}

impl State {
    /// The digests of a batch in the order of its tree.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn leaves(&self, batch: &Batch) -> Result<Vec<String>, Error> {
        let rows: Vec<(String,)> =
            query_as("SELECT digest FROM evidence_leaf WHERE source = $1 AND lane = $2 AND lane_seq = $3 ORDER BY position")
                .bind(&batch.source)
                .bind(&batch.lane)
                .bind(stored(batch.lane_seq)?)
                .fetch_all(&mut *self.database.read().await?)
                .await?;
        Ok(rows.into_iter().map(|(digest,)| digest).collect())
    }

    /// The batches that have a digest, whatever became of them.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn batches_with_leaf(&self, digest: &str) -> Result<Vec<LeafPlace>, Error> {
        let rows: Vec<(String, String, i64, i64)> = query_as(
            "SELECT source, lane, lane_seq, position FROM evidence_leaf WHERE digest = $1 ORDER BY source, lane, lane_seq, position",
        )
        .bind(digest)
        .fetch_all(&mut *self.database.read().await?)
        .await?;
        let place =
            |(source, lane, lane_seq, position)| Ok(LeafPlace { source, lane, lane_seq: count(lane_seq)?, position: count(position)? });
        rows.into_iter().map(place).collect()
    }

    /// Writes the digests of a batch in one statement.
    pub(super) async fn write_leaves(&self, connection: &mut AnyConnection, batch: &Batch, leaves: &[String]) -> Result<(), Error> {
        if leaves.is_empty() {
            return Ok(());
        }
        let text = match self.database.kind {
            Kind::Sqlite => {
                "INSERT INTO evidence_leaf (source, lane, lane_seq, position, digest)
                 SELECT $1, $2, $3, leaf.key, leaf.value FROM json_each($4) AS leaf"
            }
            Kind::Postgres => {
                "INSERT INTO evidence_leaf (source, lane, lane_seq, position, digest)
                 SELECT $1, $2, $3, leaf.number - 1, leaf.digest
                 FROM jsonb_array_elements_text($4::jsonb) WITH ORDINALITY AS leaf (digest, number)"
            }
        };
        query(text)
            .bind(&batch.source)
            .bind(&batch.lane)
            .bind(stored(batch.lane_seq)?)
            .bind(serde_json::Value::from(leaves).to_string())
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Removes the digests of a batch that never committed.
    pub(super) async fn remove_leaves(&self, connection: &mut AnyConnection, batch: &Batch) -> Result<(), Error> {
        query("DELETE FROM evidence_leaf WHERE source = $1 AND lane = $2 AND lane_seq = $3")
            .bind(&batch.source)
            .bind(&batch.lane)
            .bind(stored(batch.lane_seq)?)
            .execute(connection)
            .await?;
        Ok(())
    }
}
