//! Holds of a lost state, taken over from a source's `held` table: rather too much held than too little.

use super::{
    Error, State,
    database::{count, json, query, query_as},
    holds::{BY_ID, Row, hold_of, insert_hold},
};
use crate::{
    clock::random_hex,
    hold::{HeldSubject, HeldTable, Hold, HoldScope, Scope},
};

/// A hold that a source knows and this state does not.
#[derive(Debug, Clone)]
pub struct ImportedHold {
    pub id: String,
    /// Where it was found.
    pub source: String,
    pub scopes: Vec<Scope>,
    /// Empty: everything in the scopes.
    pub subjects: Vec<HeldSubject>,
    pub by: String,
    pub reason: String,
}

impl State {
    /// Takes a hold over as confirmed in its source, which the state need not know yet. Importing it from another source
    /// adds what is missing; a hold that the state knows to be in this source stays as it is. The matter of a new one
    /// isn't known any more, and says so.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn import_hold(&self, import: ImportedHold) -> Result<Hold, Error> {
        let ImportedHold { id, source, scopes, mut subjects, by, reason } = import;
        subjects.sort_unstable();
        subjects.dedup();
        let salt = random_hex::<16>(&*self.randomness);

        let mut transaction = self.database.write().await?;
        let known = query_as::<Row>(BY_ID).bind(&id).fetch_optional(&mut *transaction).await?;
        let is_new = known.is_none();
        let recorded: Option<(String,)> = query_as("SELECT hold FROM hold_source WHERE hold = $1 AND source = $2")
            .bind(&id)
            .bind(&source)
            .fetch_optional(&mut *transaction)
            .await?;
        let mut hold = match known {
            Some(row) => hold_of(row)?,
            None => Hold {
                id,
                matter: format!("unknown: found in source {source}"),
                subject_count: subjects.len() as u64,
                scope: HoldScope::default(),
                reason,
                by,
                placed_at: self.now(),
                released_at: None,
                pending: Vec::new(),
            },
        };
        if recorded.is_some() {
            transaction.rollback().await?;
            return Ok(hold);
        }
        if is_new {
            insert_hold(&mut transaction, &hold, &salt).await?;
        }
        // Without lists a scope is everywhere already, unless it is the beginning of a new one.
        if is_new || hold.scope != HoldScope::default() {
            widen(&mut hold.scope, &source, &scopes);
        }
        // No subjects means everything, which names can only narrow.
        if subjects.is_empty() {
            query("DELETE FROM hold_subject WHERE hold = $1").bind(&hold.id).execute(&mut *transaction).await?;
        } else if is_new || hold.subject_count > 0 {
            self.insert_subjects(&mut transaction, &hold.id, &subjects).await?;
        }
        let (number,): (i64,) =
            query_as("SELECT count(*) FROM hold_subject WHERE hold = $1").bind(&hold.id).fetch_one(&mut *transaction).await?;
        hold.subject_count = count(number)?;
        query("UPDATE hold SET scope = $2, subject_count = $3 WHERE id = $1")
            .bind(&hold.id)
            .bind(json(&hold.scope))
            .bind(number)
            .execute(&mut *transaction)
            .await?;
        let reach: Vec<String> = scopes.iter().map(Scope::key).collect();
        query("INSERT INTO hold_source (hold, source, reach, epoch, confirmed) VALUES ($1, $2, $3, 0, 1)")
            .bind(&hold.id)
            .bind(&source)
            .bind(json(&reach))
            .execute(&mut *transaction)
            .await?;
        if is_new {
            self.append_placed(&mut transaction, &hold, &salt, &subjects).await?;
        }
        transaction.commit().await?;
        Ok(hold)
    }
}

/// Adds reaches inside a source to a scope.
fn widen(scope: &mut HoldScope, source: &str, reaches: &[Scope]) {
    fn add<T: PartialEq>(list: &mut Vec<T>, item: T) {
        if !list.contains(&item) {
            list.push(item);
        }
    }
    for reach in reaches {
        match reach {
            Scope::Source => add(&mut scope.sources, source.to_owned()),
            Scope::Table { schema, table } => {
                add(&mut scope.tables, HeldTable { source: source.to_owned(), schema: schema.clone(), table: table.clone() });
            }
            Scope::Category(category) => add(&mut scope.categories, category.clone()),
        }
    }
}
