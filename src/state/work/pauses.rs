//! Pauses: what a person stopped until a person lets it go on.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{
    Error, State,
    database::{instant, micros, query, query_as},
};
use crate::ledger::Event;

/// What is paused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema, Deserialize)]
#[serde(tag = "scope", content = "name", rename_all = "snake_case")]
pub enum PauseScope {
    All,
    Source(String),
    Rule(String),
}

/// A pause in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Pause {
    #[serde(flatten)]
    pub scope: PauseScope,
    pub reason: String,
    pub by: String,
    pub at: Timestamp,
}

impl PauseScope {
    /// Whether a rule of a source is among what is paused.
    pub fn covers(&self, rule: &str, source: &str) -> bool {
        match self {
            Self::All => true,
            Self::Source(name) => name == source,
            Self::Rule(name) => name == rule,
        }
    }

    /// The two columns in which it is stored.
    fn stored(&self) -> (&'static str, &str) {
        match self {
            Self::All => ("all", ""),
            Self::Source(name) => ("source", name),
            Self::Rule(name) => ("rule", name),
        }
    }

    fn from_stored(scope: &str, name: String) -> Result<Self, Error> {
        match scope {
            "all" => Ok(Self::All),
            "source" => Ok(Self::Source(name)),
            "rule" => Ok(Self::Rule(name)),
            other => Err(Error::Unreadable(format!("\"{other}\" is nothing that can be paused"))),
        }
    }

    /// Rule and source, as the ledger names them.
    fn named(&self) -> (Option<String>, Option<String>) {
        match self {
            Self::All => (None, None),
            Self::Source(name) => (None, Some(name.clone())),
            Self::Rule(name) => (Some(name.clone()), None),
        }
    }
}

impl std::fmt::Display for PauseScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::All => f.write_str("everything"),
            Self::Source(name) => write!(f, "source {name}"),
            Self::Rule(name) => write!(f, "rule {name}"),
        }
    }
}

impl State {
    /// Pauses. `false`: it was paused already, and what was said then stays.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn pause(&self, scope: &PauseScope, reason: &str, by: &str) -> Result<bool, Error> {
        let (kind, name) = scope.stored();
        let mut transaction = self.database.write().await?;
        let inserted = query(
            "INSERT INTO pause (scope, name, reason, paused_by, paused_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT (scope, name) DO NOTHING",
        )
        .bind(kind)
        .bind(name)
        .bind(reason)
        .bind(by)
        .bind(micros(self.now()))
        .execute(&mut *transaction)
        .await?;
        if inserted.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        let (rule, source) = scope.named();
        self.append_in(&mut transaction, |texts| Event::Paused {
            rule,
            source,
            by: texts.commit("by", by),
            reason: texts.commit("reason", reason),
        })
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Ends a pause of exactly this scope. `false`: there was none.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn resume(&self, scope: &PauseScope, reason: &str, by: &str) -> Result<bool, Error> {
        let (kind, name) = scope.stored();
        let mut transaction = self.database.write().await?;
        let deleted = query("DELETE FROM pause WHERE scope = $1 AND name = $2").bind(kind).bind(name).execute(&mut *transaction).await?;
        if deleted.rows_affected() == 0 {
            transaction.rollback().await?;
            return Ok(false);
        }
        let (rule, source) = scope.named();
        self.append_in(&mut transaction, |texts| Event::Resumed {
            rule,
            source,
            by: texts.commit("by", by),
            reason: texts.commit("reason", reason),
        })
        .await?;
        transaction.commit().await?;
        Ok(true)
    }

    /// Every pause in force, the widest first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn pauses(&self) -> Result<Vec<Pause>, Error> {
        let rows: Vec<(String, String, String, String, i64)> =
            query_as("SELECT scope, name, reason, paused_by, paused_at FROM pause").fetch_all(&mut *self.database.read().await?).await?;
        let pause = |(scope, name, reason, by, at): (String, String, String, String, i64)| {
            Ok(Pause { scope: PauseScope::from_stored(&scope, name)?, reason, by, at: instant(at)? })
        };
        let mut pauses = rows.into_iter().map(pause).collect::<Result<Vec<_>, Error>>()?;
        pauses.sort_by(|one, other| one.scope.cmp(&other.scope));
        Ok(pauses)
    }

    /// The pause that stops a rule, the widest of several.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn pause_of(&self, rule: &str, source: &str) -> Result<Option<Pause>, Error> {
        Ok(self.pauses().await?.into_iter().find(|pause| pause.scope.covers(rule, source)))
    }
}
