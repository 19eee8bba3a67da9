//! What a source's `held` table lacks, or has too much of: steps 2 and 3 of placing a hold, seen from the state.
//!
//! For each hold and source the state keeps the reaches that are wanted there, the epoch that they came with, and
//! whether the source has them. Reaches only grow, and each growth has an epoch of its own: a confirmation that was
//! under way when they grew names an older epoch, and doesn't count.

use std::collections::HashMap;

use sqlx::AnyConnection;

use super::{
    Error, State,
    database::{json, micros, parse, query, query_as, stored},
    sources::{gate_in, raise_wanted},
};
use crate::hold::{Held, HeldSubject, HoldScope, Scope};

/// What has to change in a source so that exactly the holds in force are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synchronisation {
    /// The epoch that the gate has to reach with the change.
    pub epoch: u64,
    /// The epoch that the gate is known to have reached.
    pub confirmed: u64,
    /// Holds whose rows ([`State::held_rows`]) have to be there. Some may be there already.
    pub add: Vec<String>,
    /// Holds whose rows have to go.
    pub remove: Vec<String>,
}

impl Synchronisation {
    /// True if the source has what it needs.
    pub fn is_empty(&self) -> bool {
        self.add.is_empty() && self.remove.is_empty() && self.confirmed >= self.epoch
    }
}

/// What the state knows, and what follows for one source.
#[derive(Debug, Default, PartialEq, Eq)]
struct Plan {
    add: Vec<String>,
    remove: Vec<String>,
    /// Holds whose reaches grow, and the reaches that they then have.
    grow: Vec<(String, Vec<String>)>,
    /// Some hold reaches further than an epoch was given for.
    raise: bool,
}

/// A hold, and whether it is in force.
struct Known {
    id: String,
    scope: HoldScope,
    in_force: bool,
}

/// What is recorded for a hold in the source.
struct Recorded {
    reach: Vec<String>,
    confirmed: bool,
}

impl State {
    /// What a source lacks. `categories` are those of all rules on it. A hold that reaches the source anew (a new
    /// source, a new category) raises the wanted epoch before this returns, so that no batch runs without it.
    ///
    /// # Errors
    /// [`Error::UnknownSource`].
    pub async fn synchronisation(&self, source: &str, categories: &[String]) -> Result<Synchronisation, Error> {
        let mut connection = self.database.read().await?;
        // The epoch first: holds that are placed after this read belong to a later one, even if they are found below.
        let gate = gate_in(&mut connection, source).await?;
        let plan = self.plan(&mut connection, source, categories).await?;
        drop(connection);
        if plan.grow.is_empty() {
            return Ok(Synchronisation { epoch: gate.wanted, confirmed: gate.confirmed, add: plan.add, remove: plan.remove });
        }
        let mut transaction = self.database.write().await?;
        // Under the lock of the source's row the plan may look different: another process may have been faster.
        query("UPDATE source SET wanted = wanted WHERE name = $1").bind(source).execute(&mut *transaction).await?;
        let plan = self.plan(&mut transaction, source, categories).await?;
        if plan.raise {
            raise_wanted(&mut transaction, source).await?;
        }
        let gate = gate_in(&mut transaction, source).await?;
        for (hold, reach) in &plan.grow {
            query(
                "INSERT INTO hold_source (hold, source, reach, epoch, confirmed) VALUES ($1, $2, $3, $4, 0)
                 ON CONFLICT (hold, source) DO UPDATE SET reach = $3, epoch = $4, confirmed = 0",
            )
            .bind(hold)
            .bind(source)
            .bind(json(reach))
            .bind(stored(gate.wanted)?)
            .execute(&mut *transaction)
            .await?;
        }
        transaction.commit().await?;
        Ok(Synchronisation { epoch: gate.wanted, confirmed: gate.confirmed, add: plan.add, remove: plan.remove })
    }

    async fn plan(&self, connection: &mut AnyConnection, source: &str, categories: &[String]) -> Result<Plan, Error> {
        let now = micros(self.now());
        let holds: Vec<(String, String, Option<i64>)> =
            query_as("SELECT id, scope, lapses_at FROM hold ORDER BY placed_at, id").fetch_all(&mut *connection).await?;
        let rows: Vec<(String, String, i64)> =
            query_as("SELECT hold, reach, confirmed FROM hold_source WHERE source = $1").bind(source).fetch_all(connection).await?;
        let holds = holds.into_iter().map(|(id, scope, lapses_at)| {
            Ok(Known { id, scope: parse(&scope)?, in_force: lapses_at.is_none_or(|lapses_at| lapses_at > now) })
        });
        let rows =
            rows.into_iter().map(|(hold, reach, confirmed)| Ok((hold, Recorded { reach: parse(&reach)?, confirmed: confirmed != 0 })));
        Ok(plan(holds.collect::<Result<Vec<_>, Error>>()?, &rows.collect::<Result<_, Error>>()?, source, categories))
    }

    /// The rows of these holds in the source's `held` table: each reach with each subject. Ask after
    /// [`State::synchronisation`], whose epoch they belong to.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn held_rows(&self, source: &str, holds: &[String]) -> Result<Vec<Held>, Error> {
        let mut held = Vec::new();
        for hold in holds {
            let (reach,): (String,) = query_as("SELECT reach FROM hold_source WHERE hold = $1 AND source = $2")
                .bind(hold)
                .bind(source)
                .fetch_optional(&mut *self.database.read().await?)
                .await?
                .ok_or_else(|| Error::UnknownHold(hold.clone()))?;
            let reach: Vec<String> = parse(&reach)?;
            let scopes = reach.iter().map(|key| Scope::from_key(key).ok_or_else(|| Error::Unreadable(format!("a hold reaches {key}"))));
            let scopes = scopes.collect::<Result<Vec<_>, _>>()?;
            let subjects: Vec<(String, String)> = query_as("SELECT kind, value FROM hold_subject WHERE hold = $1 ORDER BY kind, value")
                .bind(hold)
                .fetch_all(&mut *self.database.read().await?)
                .await?;
            for scope in scopes {
                let row = |subject| Held { hold: hold.clone(), scope: scope.clone(), subject };
                if subjects.is_empty() {
                    held.push(row(None));
                }
                held.extend(subjects.iter().cloned().map(|(kind, value)| row(Some(HeldSubject { kind, value }))));
            }
        }
        Ok(held)
    }

    /// Step 3: the source's gate has reached `epoch` with these holds added and removed.
    ///
    /// # Errors
    /// [`Error::UnknownSource`].
    pub async fn confirm(&self, source: &str, epoch: u64, added: &[String], removed: &[String]) -> Result<(), Error> {
        let epoch = stored(epoch)?;
        let mut transaction = self.database.write().await?;
        let confirmed = query("UPDATE source SET confirmed = CASE WHEN confirmed > $2 THEN confirmed ELSE $2 END WHERE name = $1")
            .bind(source)
            .bind(epoch)
            .execute(&mut *transaction)
            .await?;
        if confirmed.rows_affected() == 0 {
            return Err(Error::UnknownSource(source.to_owned()));
        }
        for hold in removed {
            query("DELETE FROM hold_source WHERE hold = $1 AND source = $2").bind(hold).bind(source).execute(&mut *transaction).await?;
        }
        for hold in added {
            // A hold that lapsed and was removed by another process meanwhile is there again, and has to be known to be.
            query(
                "INSERT INTO hold_source (hold, source, reach, epoch, confirmed) VALUES ($1, $2, '[]', $3, 1)
                 ON CONFLICT (hold, source) DO UPDATE SET confirmed = 1 WHERE hold_source.epoch <= $3",
            )
            .bind(hold)
            .bind(source)
            .bind(epoch)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }
}

fn plan(holds: Vec<Known>, recorded: &HashMap<String, Recorded>, source: &str, categories: &[String]) -> Plan {
    let mut plan = Plan::default();
    for Known { id, scope, in_force } in holds {
        let record = recorded.get(&id);
        if !in_force {
            plan.remove.extend(record.map(|_| id));
            continue;
        }
        let mut reach = record.map(|record| record.reach.clone()).unwrap_or_default();
        let before = reach.len();
        for key in scope.reaches(source, categories).iter().map(Scope::key) {
            if !reach.contains(&key) {
                reach.push(key);
            }
        }
        let grown = reach.len() > before;
        if reach.is_empty() {
            // Placed for this source, which no longer has what it reached: nothing to write, still to be confirmed.
            plan.add.extend(record.filter(|record| !record.confirmed).map(|_| id));
            continue;
        }
        if grown {
            // The first reaches come with the epoch that placing the hold gave.
            plan.raise |= record.is_none_or(|record| record.confirmed || !record.reach.is_empty());
            plan.grow.push((id.clone(), reach));
        }
        if grown || record.is_some_and(|record| !record.confirmed) {
            plan.add.push(id);
        }
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(in_force: bool, record: Option<(&[&str], bool)>, categories: &[&str]) -> Plan {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let scope = HoldScope { categories: texts(&["mail", "calls"]), ..HoldScope::default() };
        let record = record.map(|(reach, confirmed)| ("h".to_owned(), Recorded { reach: texts(reach), confirmed }));
        plan(vec![Known { id: "h".to_owned(), scope, in_force }], &record.into_iter().collect(), "app", &texts(categories))
    }

    const MAIL: &str = r#"category:"mail""#;
    const CALLS: &str = r#"category:"calls""#;

    #[test]
    fn a_hold_that_does_not_reach_the_source_needs_nothing() {
        assert_eq!(planned(true, None, &["other"]), Plan::default());
        assert_eq!(planned(false, None, &["mail"]), Plan::default());
        assert_eq!(planned(true, Some((&[MAIL], true)), &["mail"]), Plan::default());
    }

    #[test]
    fn only_a_reach_that_no_epoch_was_given_for_raises_it() {
        for (record, raise) in
            [(None, true), (Some((&[][..], false)), false), (Some((&[][..], true)), true), (Some((&[CALLS][..], false)), true)]
        {
            let plan = planned(true, record, &["mail"]);
            assert_eq!((plan.raise, plan.add.len(), plan.grow.len()), (raise, 1, 1), "{record:?}");
        }
    }

    #[test]
    fn reaches_are_added_to_and_never_taken_away() {
        let plan = planned(true, Some((&[CALLS], true)), &["mail"]);
        assert_eq!(plan.grow, [("h".to_owned(), vec![CALLS.to_owned(), MAIL.to_owned()])]);
        assert_eq!(planned(true, Some((&[CALLS, MAIL], true)), &[]), Plan::default());
    }

    #[test]
    fn what_is_pending_is_added_and_what_lapsed_is_removed() {
        assert_eq!(planned(true, Some((&[MAIL], false)), &["mail"]).add, ["h"]);
        assert_eq!(planned(true, Some((&[], false)), &[]).add, ["h"]);
        assert_eq!(planned(false, Some((&[MAIL], false)), &["mail"]).remove, ["h"]);
    }
}
