//! The five policies that are kept whole: their rules, the schema of the system that each is about on every engine, and a few rows for
//! each of their promises.
//!
//! Seeds are portable SQL in which dates count back from now: `@{-400 days}` is a time, `@{-400 days|date}` a day, `@{-400 days|unix_ms}` a
//! number. Another policy is a folder in `rules/` and a line in [`ALL`].

use std::{fs, path::Path};

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::begin;
use crate::{clock::Randomness, engine, operate::world::Error, policy::Dialect};

/// A policy with its files.
#[derive(Debug, Clone, Copy)]
pub struct PolicyFiles {
    pub name: &'static str,
    rules: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
    mariadb: &'static str,
    seed: &'static str,
}

macro_rules! policy {
    ($name:literal) => {
        PolicyFiles {
            name: $name,
            rules: include_str!(concat!("../../../rules/", $name, "/policy.toml")),
            sqlite: include_str!(concat!("../../../rules/", $name, "/schema.sqlite.sql")),
            postgres: include_str!(concat!("../../../rules/", $name, "/schema.postgres.sql")),
            mariadb: include_str!(concat!("../../../rules/", $name, "/schema.mariadb.sql")),
            seed: include_str!(concat!("../../../rules/", $name, "/seed.sql")),
        }
    };
}

/// Each of them.
pub const ALL: &[PolicyFiles] = &[policy!("aimplan"), policy!("aramin"), policy!("aspinix"), policy!("aulm"), policy!("helpdesk")];

/// Where the rules say that copies go, for whoever has such a folder.
const ARCHIVE: &str = "file:///srv/archive";

/// The policy of that name.
pub fn named(name: &str) -> Option<&'static PolicyFiles> {
    ALL.iter().find(|policy| policy.name == name)
}

impl PolicyFiles {
    /// Whom the story holds, `KIND:VALUE`: the seed's first line says it.
    pub fn held(&self) -> Option<&'static str> {
        self.seed.lines().next()?.strip_prefix("-- held: ")
    }

    /// Schema and rows, for a client of that engine.
    ///
    /// # Errors
    /// [`Error::Asked`] for a mark in the seed that means no date.
    pub fn script(&self, dialect: Dialect, now: Timestamp) -> Result<String, Error> {
        let schema = match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
            Dialect::Mysql => self.mariadb,
        };
        Ok(format!("{schema}\n{}", dated(self.seed, now)?))
    }

    /// Makes a folder with the policy's rules and an embedded database of its rows.
    ///
    /// # Errors
    /// [`Error::Asked`] if something of that name is there already: nothing is ever overwritten.
    pub async fn prepare(&self, folder: &Path, now: Timestamp, randomness: &dyn Randomness) -> Result<(), Error> {
        begin(folder, randomness)?;
        let archive = folder.join("archive");
        fs::create_dir(&archive)?;
        let archive = format!("file://{}", fs::canonicalize(&archive)?.display());
        fs::write(folder.join("rules").join(format!("{}.toml", self.name)), self.rules.replace(ARCHIVE, &archive))?;
        Ok(engine::sqlite::create(&folder.join("app.db"), &self.script(Dialect::Sqlite, now)?).await?)
    }
}

/// A seed with its dates filled in.
fn dated(seed: &str, now: Timestamp) -> Result<String, Error> {
    let mut script = String::with_capacity(seed.len());
    let mut rest = seed;
    while let Some((before, mark)) = rest.split_once("@{") {
        let (mark, after) = mark.split_once('}').ok_or_else(|| Error::Asked("a mark in the seed has no end".to_owned()))?;
        script.push_str(before);
        script.push_str(&date(mark, now).ok_or_else(|| Error::Asked(format!("`@{{{mark}}}` in the seed means no date")))?);
        rest = after;
    }
    script.push_str(rest);
    Ok(script)
}

/// `-400 days`, `3 hours|date`, `-7 days|unix_ms`.
fn date(mark: &str, now: Timestamp) -> Option<String> {
    let (offset, form) = mark.split_once('|').unwrap_or((mark, ""));
    let (count, unit) = offset.split_once(' ')?;
    let hours = match unit {
        "hours" => 1,
        "days" => 24,
        _ => return None,
    };
    let at = now.checked_add(SignedDuration::from_hours(count.parse::<i64>().ok()?.checked_mul(hours)?)).ok()?;
    let civil = TimeZone::UTC.to_datetime(at);
    match form {
        "" => Some(civil.strftime("%Y-%m-%d %H:%M:%S").to_string()),
        "date" => Some(civil.strftime("%Y-%m-%d").to_string()),
        "unix_ms" => Some(at.as_millisecond().to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_now() {
        let now = "2026-06-15T12:00:00Z".parse().unwrap();
        let seed = "('@{-1 days}', '@{1 days|date}', @{-2 hours|unix_ms})";
        assert_eq!(dated(seed, now).unwrap(), "('2026-06-14 12:00:00', '2026-06-16', 1781517600000)");
        for wrong in ["@{x days}", "@{1 week}", "@{1 days|year}", "@{1 days"] {
            assert!(dated(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_policy_has_rows_for_every_engine() {
        for policy in ALL {
            for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::Mysql] {
                let script = policy.script(dialect, Timestamp::UNIX_EPOCH).unwrap();
                assert!(script.contains("CREATE TABLE") && script.contains("INSERT INTO"), "{}", policy.name);
            }
            assert!(policy.rules.contains(&format!("id = \"{}\"", policy.name)), "{}", policy.name);
        }
    }
}
