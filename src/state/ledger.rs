//! The ledger as it is stored: appended behind one head, read in pages.

use std::collections::HashMap;

use sqlx::AnyConnection;

use super::{
    Error, State,
    database::{count, micros, query, query_as, stored},
};
use crate::ledger::{CommittedText, Entry, Event, Texts, chain::Unreadable};

impl State {
    /// Appends one entry. Texts that the entry only commits to are given to [`Texts::commit`].
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn append(&self, event: impl FnOnce(&mut Texts<'_>) -> Event + Send) -> Result<Entry, Error> {
        let mut transaction = self.database.write().await?;
        let entry = self.append_in(&mut transaction, event).await?;
        transaction.commit().await?;
        Ok(entry)
    }

    /// Appends within a transaction, whose last lock this has to be: until it ends nobody else appends.
    pub(super) async fn append_in(
        &self,
        connection: &mut AnyConnection,
        event: impl FnOnce(&mut Texts<'_>) -> Event + Send,
    ) -> Result<Entry, Error> {
        let (seq, prev): (i64, String) =
            query_as("UPDATE ledger_head SET seq = seq + 1 WHERE only_row = 1 RETURNING seq, hash").fetch_one(&mut *connection).await?;
        let mut texts = Texts::new(&*self.randomness);
        let event = event(&mut texts);
        let (rule, source) = event.rule_and_source();
        let (rule, source) = (rule.map(str::to_owned), source.map(str::to_owned));
        let entry = Entry::seal(count(seq)?, self.now(), event, texts.into_texts(), &prev);
        query("INSERT INTO ledger (seq, canonical, prev, hash, at, kind, rule, source) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(seq)
            .bind(entry.canonical())
            .bind(&entry.prev)
            .bind(&entry.hash)
            .bind(micros(entry.at))
            .bind(entry.event.kind())
            .bind(rule)
            .bind(source)
            .execute(&mut *connection)
            .await?;
        for text in &entry.texts {
            query("INSERT INTO ledger_text (seq, field, salt, body) VALUES ($1, $2, $3, $4)")
                .bind(seq)
                .bind(&text.field)
                .bind(&text.salt)
                .bind(&text.text)
                .execute(&mut *connection)
                .await?;
        }
        query("UPDATE ledger_head SET hash = $1 WHERE only_row = 1").bind(&entry.hash).execute(connection).await?;
        Ok(entry)
    }

    /// Up to `limit` entries after entry `after`, in order.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if one of them isn't what retentiond writes.
    pub async fn entries(&self, after: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        let stored = self.stored_entries(after, limit).await?;
        stored.into_iter().map(|(_, entry)| entry.map_err(|error| Error::Unreadable(error.to_string()))).collect()
    }

    /// Up to `limit` entries of a kind about a source after entry `after`, in order. Texts beside them are left out.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if one of them isn't what retentiond writes.
    pub async fn entries_of(&self, source: &str, kind: &str, after: u64, limit: u32) -> Result<Vec<Entry>, Error> {
        let rows: Vec<(String, String, String)> =
            query_as("SELECT canonical, prev, hash FROM ledger WHERE source = $1 AND kind = $2 AND seq > $3 ORDER BY seq LIMIT $4")
                .bind(source)
                .bind(kind)
                .bind(stored(after)?)
                .bind(i64::from(limit))
                .fetch_all(&mut *self.database.read().await?)
                .await?;
        let entry = |(canonical, prev, hash): (String, String, String)| Entry::from_canonical(&canonical, prev, hash, Vec::new());
        rows.into_iter().map(|row| entry(row).map_err(|error| Error::Unreadable(error.to_string()))).collect()
    }

    /// As [`State::entries`], for a verification: an entry that can't be read is told in its place, with its number.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn stored_entries(&self, after: u64, limit: u32) -> Result<Vec<(u64, Result<Entry, Unreadable>)>, Error> {
        let (after, limit) = (stored(after)?, i64::from(limit));
        let rows: Vec<(i64, String, String, String)> =
            query_as("SELECT seq, canonical, prev, hash FROM ledger WHERE seq > $1 ORDER BY seq LIMIT $2")
                .bind(after)
                .bind(limit)
                .fetch_all(&mut *self.database.read().await?)
                .await?;
        let through = rows.last().map_or(after, |(seq, ..)| *seq);
        let texts: Vec<(i64, String, String, Option<String>)> =
            query_as("SELECT seq, field, salt, body FROM ledger_text WHERE seq > $1 AND seq <= $2")
                .bind(after)
                .bind(through)
                .fetch_all(&mut *self.database.read().await?)
                .await?;
        let mut beside: HashMap<i64, Vec<CommittedText>> = HashMap::new();
        for (seq, field, salt, text) in texts {
            beside.entry(seq).or_default().push(CommittedText { field, salt, text });
        }
        let entries = rows.into_iter().map(|(seq, canonical, prev, hash)| {
            let texts = beside.remove(&seq).unwrap_or_default();
            Ok((count(seq)?, Entry::from_canonical(&canonical, prev, hash, texts)))
        });
        entries.collect()
    }

    /// Number and hash of the last entry.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn head(&self) -> Result<(u64, String), Error> {
        let (seq, hash): (i64, String) =
            query_as("SELECT seq, hash FROM ledger_head WHERE only_row = 1").fetch_one(&mut *self.database.read().await?).await?;
        Ok((count(seq)?, hash))
    }
}
