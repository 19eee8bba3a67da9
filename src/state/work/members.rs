//! Members: the daemons that share the state, and which of them leads.
//!
//! The leader does what is to be done once, however many daemons there are: it counts, verifies, and shows what the state says in its
//! metrics. Nothing is safe because of it: two that think they lead count twice, and none counts late.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    super::{
        Error, State,
        database::{instant, json, micros, parse, query, query_as},
        migrations,
    },
    Owner,
};

/// A daemon that shares the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub owner: Owner,
    /// Of retentiond.
    pub release: String,
    /// It was heard of so lately that it counts as alive until then.
    pub until: Timestamp,
    pub leads: bool,
}

impl State {
    /// A sign of life of this daemon; true if it leads. It does, if it `may`, where nobody else does, or whoever did has gone or was
    /// not heard of for as long as its lease.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn beat(&self, owner: &Owner, lease: Duration, may: bool) -> Result<bool, Error> {
        let mut transaction = self.database.write().await?;
        // Locks the row: of two that want to lead the second sees the first.
        let (leader,): (String,) =
            query_as("UPDATE leader SET instance = instance WHERE only_row = 1 RETURNING instance").fetch_one(&mut *transaction).await?;
        query(
            "INSERT INTO member (instance, owner, release, knows, lease_until) VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (instance) DO UPDATE SET lease_until = excluded.lease_until",
        )
        .bind(&owner.instance)
        .bind(json(owner))
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(migrations::known())
        .bind(micros(self.now().checked_add(lease).unwrap_or(Timestamp::MAX)))
        .execute(&mut *transaction)
        .await?;
        let did = leader == owner.instance;
        let leads = may && (did || !self.lives(&mut transaction, &leader).await?);
        if leads != did {
            let instance = if leads { &owner.instance } else { "" };
            query("UPDATE leader SET instance = $1").bind(instance).execute(&mut *transaction).await?;
            // Those of whom nothing is left to know.
            query("DELETE FROM member WHERE lease_until < $1")
                .bind(micros(self.now().checked_sub(lease).unwrap_or(Timestamp::MIN)))
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(leads)
    }

    /// This daemon ends: another may lead at once.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn leave(&self, owner: &Owner) -> Result<(), Error> {
        let mut transaction = self.database.write().await?;
        query("UPDATE leader SET instance = '' WHERE instance = $1").bind(&owner.instance).execute(&mut *transaction).await?;
        query("DELETE FROM member WHERE instance = $1").bind(&owner.instance).execute(&mut *transaction).await?;
        Ok(transaction.commit().await?)
    }

    /// The daemons that live, as far as the state knows; the leader first.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn members(&self) -> Result<Vec<Member>, Error> {
        let rows: Vec<(String, String, i64, i64)> = query_as(
            "SELECT owner, release, lease_until, CASE WHEN member.instance = leader.instance THEN 1 ELSE 0 END AS leads
             FROM member, leader WHERE lease_until > $1 ORDER BY leads DESC, member.instance",
        )
        .bind(micros(self.now()))
        .fetch_all(&mut *self.database.read().await?)
        .await?;
        let mut members = Vec::new();
        for (owner, release, until, leads) in rows {
            members.push(Member { owner: parse(&owner)?, release, until: instant(until)?, leads: leads == 1 });
        }
        members.retain(|member| !member.owner.is_gone());
        Ok(members)
    }

    /// Whether the daemon of that instance counts as alive.
    async fn lives(&self, connection: &mut sqlx::AnyConnection, instance: &str) -> Result<bool, Error> {
        let member: Option<(String,)> = query_as("SELECT owner FROM member WHERE instance = $1 AND lease_until > $2")
            .bind(instance)
            .bind(micros(self.now()))
            .fetch_optional(connection)
            .await?;
        Ok(match member {
            Some((owner,)) => !parse::<Owner>(&owner)?.is_gone(),
            None => false,
        })
    }
}
