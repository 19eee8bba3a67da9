//! The least privileges, as a DBA grants them.

use std::collections::BTreeSet;

use super::{
    Flavour, Mysql,
    errors::Failure,
    session::{Access, word},
    workspace::{collations, create, has_gate},
};
use crate::{
    config::Replicas,
    engine::{
        Error,
        grants::{Grants, Needs, Step, of_tables, privileges},
    },
    policy::{Dialect, Residue},
    sql::{qualified, quote_identifier, quote_literal},
};

impl Mysql {
    pub(super) async fn grants_for(&self, role: Option<&str>, needs: &[Needs], replicas: &Replicas) -> Result<Grants, Error> {
        let what = "asking who we are";
        let mut transaction = self.begin_with(Access::Read).await?;
        let rows = transaction.ask(what, "SELECT current_user()").await?;
        let row = rows.first().ok_or(Failure { what, error: sqlx::Error::RowNotFound })?;
        let ourselves = word(row, 0).map_err(|error| Failure { what, error })?;
        let is_made = has_gate(&mut transaction, &self.workspace).await?;
        let collations = collations(&mut transaction).await?;
        transaction.commit().await?;

        let account = account(role.unwrap_or(&ourselves));
        let database = quote_identifier(&self.workspace.name);
        let to = |privileges: &str, on: &str| format!("GRANT {privileges} ON {on} TO {account}");
        let (gate, lane, held) = (self.workspace.gate(), self.workspace.lane(), self.workspace.held());
        let mut steps = vec![Step::new(
            "Names stand in double quotes below",
            ["SET SESSION sql_mode = CONCAT(@@SESSION.sql_mode, ',ANSI_QUOTES')".to_owned()],
        )];
        if !is_made {
            let database = format!("CREATE DATABASE IF NOT EXISTS {database} CHARACTER SET utf8mb4");
            let statements = std::iter::once(database).chain(create(&self.workspace, &collations));
            steps.push(Step::new("retentiond's own tables, which `retentiond source init` stamps afterwards", statements));
        }
        steps.push(Step::new(
            "The gate (INSERT: its one stamp), the lanes (DELETE: for `retentiond state adopt`), the held subjects, and tables for values \
             that retentiond computes",
            [
                to("SELECT, INSERT, UPDATE", &gate),
                to("SELECT, INSERT, UPDATE, DELETE", &lane),
                to("SELECT, INSERT, UPDATE, DELETE", &held),
                to("CREATE TEMPORARY TABLES", &format!("{database}.*")),
            ],
        ));
        // MySQL lists the triggers themselves, and MariaDB their bodies, only for who may make some.
        let triggers = |needs: &Needs| if self.server.flavour == Flavour::MySql || needs.triggers { ", TRIGGER" } else { "" };
        let drops = |needs: &Needs| match (needs.drop, needs.residue == Residue::Rewritten, needs.insert) {
            (true, true, true) => ", ALTER, CREATE, DROP",
            (true, true, false) => ", ALTER, CREATE, DROP, INSERT",
            (true, false, _) => ", ALTER, DROP",
            (false, true, true) => ", ALTER, CREATE",
            (false, true, false) => ", ALTER, CREATE, INSERT",
            (false, false, _) => "",
        };
        let table = |needs: &Needs| {
            to(&format!("{}{}{}", privileges(needs), drops(needs), triggers(needs)), &qualified(Dialect::Mysql, &needs.table))
        };
        steps.push(Step::new(of_tables(needs), needs.iter().map(table)));
        let schemas: BTreeSet<&str> = needs.iter().filter(|needs| needs.drop).map(|needs| needs.table.schema.as_str()).collect();
        if !schemas.is_empty() {
            let why = "Keeping writers out while a partition is dropped (neither this nor ALTER and DROP above is needed where no rule says \
                       `partitions = \"drop\"`)";
            let locked = schemas.into_iter().map(quote_identifier).chain([database.clone()]);
            steps.push(Step::new(why, locked.map(|database| to("LOCK TABLES", &format!("{database}.*")))));
        }
        steps.push(Step::new(
            "Foreign keys of tables that it may not read, who holds the gate, and which replicas follow",
            [to("PROCESS", "*.*")],
        ));
        if let Replicas::Listed(_) = replicas {
            let (primary, replica) = match self.server.flavour {
                Flavour::MariaDb => ("BINLOG MONITOR", "REPLICA MONITOR"),
                Flavour::MySql => ("REPLICATION CLIENT", "REPLICATION CLIENT"),
            };
            let why = format!("How far replicas are behind; the accounts on the replicas need {replica}");
            steps.push(Step::new(why, [to(primary, "*.*")]));
        }
        Ok(Grants { role: Some(account), steps })
    }
}

/// `name` or `name@host`; the name may hold an `@` itself, the host can't.
fn account(role: &str) -> String {
    let (name, host) = role.rsplit_once('@').unwrap_or((role, "%"));
    format!("{}@{}", quote_literal(Dialect::Mysql, name), quote_literal(Dialect::Mysql, host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_name_and_a_host() {
        assert_eq!(account("sweeper"), "'sweeper'@'%'");
        assert_eq!(account("o'neil@10.0.0.%"), "'o''neil'@'10.0.0.%'");
        assert_eq!(account("sweeper@example.com@localhost"), "'sweeper@example.com'@'localhost'");
    }
}
