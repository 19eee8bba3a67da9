//! What kind of server it is, and whether it can keep the laws.

use std::collections::BTreeMap;

use super::{Pool, errors::Failure, session::text};
use crate::{clock::hex, engine::Error};
use sha2::{Digest as _, Sha256};

/// Whose server it is, where they differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flavour {
    MariaDb,
    MySql,
}

/// A server, as it was when the source was connected to.
#[derive(Debug)]
pub(super) struct Server {
    pub flavour: Flavour,
    /// What tells it from another: MySQL's own identifier; on MariaDB, which keeps none, the machine's name, the port and
    /// the folder of the data, so that a server which moves has to be taken over.
    pub identity: String,
    /// The database that the address names, as the catalogue has it.
    pub database: String,
    read_only: bool,
    /// It logs statements and not rows.
    logs_statements: bool,
}

/// The oldest releases that know what statements here are written in.
const OLDEST: [(Flavour, (u32, u32)); 2] = [(Flavour::MariaDb, (10, 6)), (Flavour::MySql, (8, 0))];

const WHAT: &str = "asking what kind of server it is";

impl Server {
    /// Asks.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a release that is too old, and for a cluster in which a lock is one node's.
    pub async fn of(pool: &Pool) -> Result<Self, Error> {
        let variables = variables(pool).await?;
        let value = |name: &str| variables.get(name).map_or("", String::as_str);
        let version = value("version");
        let flavour = if version.contains("MariaDB") { Flavour::MariaDb } else { Flavour::MySql };
        check_version(flavour, version)?;
        check_cluster(&variables)?;
        let identity = match flavour {
            Flavour::MySql => value("server_uuid").to_owned(),
            Flavour::MariaDb => {
                let place = [value("hostname"), value("port"), value("datadir")].join("\n");
                hex(&Sha256::digest(place))[..16].to_owned()
            }
        };
        Ok(Self {
            flavour,
            identity,
            database: value("database").to_owned(),
            read_only: value("read_only") == "ON",
            logs_statements: logs_statements(&variables),
        })
    }

    /// # Errors
    /// [`Error::Unsupported`] if the server is a replica, was made read-only otherwise, or takes no change that reads as ours do.
    pub fn takes_changes(&self) -> Result<(), Error> {
        if self.read_only {
            return Err(Error::Unsupported(
                "the server is read-only, as a replica is; the source's address must name the server that takes changes".to_owned(),
            ));
        }
        if self.logs_statements {
            return Err(Error::Unsupported(
                "the server's binary log has the format STATEMENT, with which InnoDB refuses every change under READ COMMITTED; \
                 SET GLOBAL binlog_format = 'MIXED' (or 'ROW')"
                    .to_owned(),
            ));
        }
        Ok(())
    }
}

/// The server's variables that matter here, by name, and the present database as `database`.
async fn variables(pool: &Pool) -> Result<BTreeMap<String, String>, Error> {
    let names = "'version', 'hostname', 'port', 'datadir', 'server_uuid', 'read_only', 'log_bin', 'binlog_format', 'wsrep_on', \
                 'wsrep_provider', 'group_replication_group_name', 'group_replication_single_primary_mode'";
    let text_of_all = format!("SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})");
    let failed = |error| Error::from(Failure { what: WHAT, error });
    let mut connection = pool.acquire().await.map_err(failed)?;
    let mut variables = BTreeMap::new();
    for row in sqlx::raw_sql(crate::sql::checked(&text_of_all)).fetch_all(&mut *connection).await.map_err(failed)? {
        let (name, value) = (|| Ok((text(&row, 0)?, text(&row, 1)?)))().map_err(failed)?;
        variables.insert(name.unwrap_or_default(), value.unwrap_or_default());
    }
    let row = sqlx::raw_sql("SELECT database()").fetch_one(&mut *connection).await.map_err(failed)?;
    variables.insert("database".to_owned(), text(&row, 0).map_err(failed)?.unwrap_or_default());
    Ok(variables)
}

fn check_version(flavour: Flavour, version: &str) -> Result<(), Error> {
    let mut parts = version.split(['.', '-']).map(|part| part.parse::<u32>().unwrap_or(0));
    let found = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    match OLDEST.iter().find(|(known, _)| *known == flavour) {
        Some((_, oldest)) if found < *oldest => {
            Err(Error::Unsupported(format!("the server is of version {version}; MariaDB 10.6 or MySQL 8.0 is the oldest that will do")))
        }
        _ => Ok(()),
    }
}

fn logs_statements(variables: &BTreeMap<String, String>) -> bool {
    let is = |name: &str, value: &str| variables.get(name).is_some_and(|found| found == value);
    is("log_bin", "ON") && is("binlog_format", "STATEMENT")
}

/// In a cluster whose nodes all take changes, a lock keeps only its own node's sessions out.
fn check_cluster(variables: &BTreeMap<String, String>) -> Result<(), Error> {
    let is = |name: &str, value: &str| variables.get(name).is_some_and(|found| found == value);
    let has = |name: &str| variables.get(name).is_some_and(|found| !found.is_empty() && found != "none");
    let galera = is("wsrep_on", "ON") && has("wsrep_provider");
    let group = has("group_replication_group_name") && is("group_replication_single_primary_mode", "OFF");
    if galera || group {
        return Err(Error::Unsupported(
            "the server is a node of a cluster whose nodes all take changes (Galera, or a group with several primaries): a hold could not \
             be made to wait for batches on another node"
                .to_owned(),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_releases_and_clusters_are_refused() {
        for (flavour, version, fits) in [
            (Flavour::MariaDb, "10.11.19-MariaDB-0+deb12u1", true),
            (Flavour::MariaDb, "11.4.2-MariaDB", true),
            (Flavour::MariaDb, "10.5.9-MariaDB", false),
            (Flavour::MySql, "8.4.0", true),
            (Flavour::MySql, "5.7.44-log", false),
        ] {
            assert_eq!(check_version(flavour, version).is_ok(), fits, "{version}");
        }
        let variables = |pairs: &[(&str, &str)]| pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        assert!(check_cluster(&variables(&[("wsrep_on", "ON"), ("wsrep_provider", "none")])).is_ok());
        assert!(check_cluster(&variables(&[("wsrep_on", "ON"), ("wsrep_provider", "/usr/lib/libgalera_smm.so")])).is_err());
        let log = |on, format| variables(&[("log_bin", on), ("binlog_format", format)]);
        assert!(logs_statements(&log("ON", "STATEMENT")));
        assert!(!logs_statements(&log("OFF", "STATEMENT")) && !logs_statements(&log("ON", "MIXED")) && !logs_statements(&log("ON", "ROW")));
        let group = |single| variables(&[("group_replication_group_name", "g"), ("group_replication_single_primary_mode", single)]);
        assert!(check_cluster(&group("ON")).is_ok() && check_cluster(&group("OFF")).is_err());
    }
}
