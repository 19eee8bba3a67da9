//! Whole configurations in folders of their own.

mod dependents;
mod loading;
mod mistakes;
mod mistakes_in_evidence;
mod mistakes_in_listeners;
mod mistakes_in_opt_outs;
mod mistakes_in_time;

use std::{fs, path::Path};

use super::*;

/// A configuration in a folder of its own: `retentiond.toml`, and files beside it.
fn folder(config: &str, files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in [("retentiond.toml", config)].iter().chain(files) {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("it can be made");
        fs::write(path, text).expect("it can be written");
    }
    folder
}

fn load_in(folder: &Path) -> Result<Loaded, crate::diagnostic::Diagnostics> {
    load(&folder.join("retentiond.toml"))
}

/// What a person sees, with paths as seen from the folder.
fn seen(folder: &Path, found: &crate::diagnostic::Diagnostics) -> String {
    found.render(false).replace(&format!("{}/", folder.display()), "")
}

const CONFIG: &str = r#"
rules = ["rules/*.toml"]

[keys.pepper]
file = "pepper"

[sources.app]
url = "sqlite:app.db"
"#;

const PEPPER: (&str, &str) = ("pepper", "sixteen bytes and more\n");

/// A rule file that is right, to make mistakes in.
const RULES: &str = r#"[policy]
id = "app"

[[rule]]
id = "logs"
category = "logs"
source = "app"
table = "logs"
subject = { account = "account_id" }
start = "sent_at"
keep_for = "2 years"
action = "delete"
"#;
