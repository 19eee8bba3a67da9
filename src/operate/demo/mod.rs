//! The folder that `demo` plays in: a configuration, the rules of four published policies, and an embedded database with
//! rows that they are about.
//!
//! The rules are those of `rules/demo`, word for word, so that what a newcomer reads there is what she sees at work. `rows`
//! makes the data, the same in every run but for the dates, which count back from now. Another policy is a line in
//! `POLICIES` and its rows. `policies` are those that are kept whole, each with its own schema and seed.

pub mod policies;
mod rows;

use std::{fs, path::Path};

use jiff::Timestamp;

use super::world::Error;
use crate::{
    clock::{Randomness, random_hex},
    engine,
};

/// The account that a hold is placed on: closed long ago, so that it would go.
pub const HELD_ACCOUNT: u32 = 17;

/// The e-mail address of that account.
pub fn held_email() -> String {
    rows::email(HELD_ACCOUNT)
}

/// Name, rules, and the tables that they are about. Tables come in the order in which they refer to each other.
const POLICIES: &[(&str, &str, &str)] = &[
    ("aspinix", include_str!("../../../rules/demo/aspinix.toml"), include_str!("../../../rules/demo/aspinix.sql")),
    ("aulm", include_str!("../../../rules/demo/aulm.toml"), include_str!("../../../rules/demo/aulm.sql")),
    ("aramin", include_str!("../../../rules/demo/aramin.toml"), include_str!("../../../rules/demo/aramin.sql")),
    ("aimplan", include_str!("../../../rules/demo/aimplan.toml"), include_str!("../../../rules/demo/aimplan.sql")),
];

const CONFIGURATION: &str = r#"# What retentiond knows: where the rules are, and which databases it may sweep.
rules = ["rules/*.toml"]
timezone = "Europe/Stockholm"     # periods are counted on this calendar

[state]
url = "sqlite:state.db"           # retentiond's own database: holds, approvals, the ledger

[keys.pepper]
file = "pepper.key"               # what pseudonyms are keyed with; it never reaches a database

[sources.app]
url = "sqlite:app.db"
naive_timestamps = "UTC"
"#;

/// Makes the folder with everything in it.
///
/// # Errors
/// [`Error::Asked`] if something of that name is there already: nothing is ever overwritten.
pub async fn prepare(folder: &Path, now: Timestamp, randomness: &dyn Randomness) -> Result<(), Error> {
    begin(folder, randomness)?;
    for (name, rules, _) in POLICIES {
        fs::write(folder.join("rules").join(format!("{name}.toml")), rules)?;
    }
    let schemas: Vec<&str> = POLICIES.iter().map(|(_, _, schema)| *schema).collect();
    let script = format!("{}\n{}", schemas.join("\n"), rows::script(now));
    Ok(engine::sqlite::create(&folder.join("app.db"), &script).await?)
}

/// Makes the folder with a configuration, a key and no rules yet.
fn begin(folder: &Path, randomness: &dyn Randomness) -> Result<(), Error> {
    if folder.exists() {
        return Err(Error::Asked(format!(
            "{} is there already; play on in it, remove it, or name another folder: `retentiond demo FOLDER`",
            folder.display()
        )));
    }
    fs::create_dir_all(folder.join("rules"))?;
    fs::write(folder.join("retentiond.toml"), CONFIGURATION)?;
    Ok(fs::write(folder.join("pepper.key"), random_hex::<32>(randomness))?)
}

/// Changes the count of the first committed batch in an exported ledger, as somebody would who had something to hide;
/// `None`: it has no batch.
pub fn tamper(exported: &str) -> Option<String> {
    let (mut found, mut lines) = (false, Vec::new());
    for line in exported.lines() {
        let mut entry: serde_json::Value = serde_json::from_str(line).ok()?;
        if !found && entry["kind"] == "batch_applied" {
            found = true;
            entry["rows"] = serde_json::Value::from(entry["rows"].as_u64()?.saturating_sub(1));
        }
        lines.push(entry.to_string());
    }
    found.then(|| lines.join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ledger_is_changed_in_one_place() {
        let ledger = "{\"seq\":1,\"kind\":\"genesis\"}\n{\"seq\":2,\"kind\":\"batch_applied\",\"rows\":7}\n{\"seq\":3,\"kind\":\"batch_applied\",\"rows\":5}\n";
        assert_eq!(tamper(ledger).as_deref(), Some(ledger.replace("\"rows\":7", "\"rows\":6").as_str()));
        assert_eq!(tamper("{\"seq\":1,\"kind\":\"genesis\"}\n"), None);
    }
}
