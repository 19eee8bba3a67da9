//! The JSON Schemas, as an editor uses them: taplo checks what people write against them.

use std::{path::PathBuf, process::Command};

use crate::support::binary::Folder;

/// A folder with both schemas.
fn folder() -> Folder {
    let folder = Folder::new("");
    for of in ["rules", "config"] {
        let schema = folder.run(["schema", of]).expect(0).stdout;
        folder.write(&format!("{of}.schema.json"), &schema);
    }
    folder
}

/// What taplo says of a file under a schema; `Ok`: nothing.
fn check(folder: &Folder, of: &str, name: &str, text: &str) -> Result<(), String> {
    let file = folder.write(name, text);
    let taplo = std::env::var_os("RETENTIOND_TEST_TAPLO").map_or_else(|| PathBuf::from("taplo"), PathBuf::from);
    let schema = format!("file://{}", folder.path().join(format!("{of}.schema.json")).display());
    let checked = Command::new(taplo).args(["check", "--colors", "never", "--no-auto-config", "--schema", &schema]).arg(&file).output();
    let checked = checked.unwrap_or_else(|error| panic!("taplo (PyPI) can't be run, `tests/run` installs it: {error}"));
    if checked.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&checked.stderr).into_owned()) }
}

#[test]
fn every_rule_that_is_shipped_passes() {
    let folder = folder();
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("rules");
    let files: Vec<PathBuf> =
        glob::glob(&root.join("**/*.toml").to_string_lossy()).expect("a pattern").map(|file| file.expect("a file")).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).expect("a text");
        assert_eq!(check(&folder, "rules", "rules.toml", &text), Ok(()), "{}", file.display());
    }
}

#[test]
fn what_the_reader_takes_passes() {
    let folder = folder();
    let rules = r#"
        [policy]
        id = "aulm"
        title = "aulm privacy policy, section 7"
        reference = "Privacy policy of 30 May 2026"
        owner = "privacy team"
        reviewed = 2026-05-30

        [category.message-log]
        source = "app"
        table = "message_logs"
        subject = { account = "account_id" }
        start = "sent_at"
        start_format = "unix_ms"

        [[rule]]
        id = "message-preview"
        category = "message-log"
        keep_for = "30 days"
        action = "anonymise"
        anonymise = { payload_preview = "null", ip = { strategy = "truncate_ip", v4 = 24, v6 = 48 } }
        purpose = "troubleshooting and abuse prevention"
        schedule = "0 2 * * *"

        [[rule]]
        id = "suppression"
        category = "suppression-list"
        source = "app"
        table = "suppressions"
        subject = { email_hash = "email_hash" }
        action = "keep"
        reason = "opt-outs must be honoured"
        never = ["9999-12-31", "infinity", 0]
    "#;
    assert_eq!(check(&folder, "rules", "rules.toml", rules), Ok(()));
    let config = r#"
        rules = ["rules/**/*.toml"]
        timezone = "UTC"
        [state]
        url = "sqlite:state.db"
        [http]
        listen = "127.0.0.1:9464"
        [keys.pepper]
        file = "/run/secrets/pepper"
        [sources.app]
        url_file = "/run/secrets/app"
        workspace = "retentiond"
        naive_timestamps = "UTC"
        window = "01:00-05:30"
        replicas = "auto"
        [sources.app.limits]
        max_batch_rows = 10_000
        target_batch_time = "250ms"
        lock_timeout = "2s"
        statement_timeout = "30s"
        max_replica_lag = "10s"
        pace = "gentle"
        max_rows_per_second = 5_000
        workers = 1
        [defaults]
        schedule = "0 2 * * *"
        mode = "enforce"
        first_sweep = "approve"
        max_share = 0.5
        hold_cool_down = "7 days"
    "#;
    assert_eq!(check(&folder, "config", "retentiond.toml", config), Ok(()));
}

#[test]
fn slips_are_seen() {
    let folder = folder();
    let rule = |line: &str| format!("[policy]\nid = \"p\"\n[[rule]]\nid = \"r\"\ncategory = \"c\"\n{line}\n");
    for line in [
        "keepfor = \"3 years\"",
        "action = \"remove\"",
        "keep_for = 3",
        "subject = \"nobody\"",
        "start_format = \"unix\"",
        "anonymise = { ip = \"hash\" }",
        "anonymise = { ip = { strategy = \"truncate_ip\", v4 = 25 } }",
        "anonymise = { ip = { strategy = \"hmac\" } }",
        "max_share = 2.0",
        "limits = { lock_timeout = \"2s\" }",
    ] {
        assert!(check(&folder, "rules", "rules.toml", &rule(line)).is_err(), "{line} passes");
    }
    for line in ["timezon = \"UTC\"", "[sources.app]\nurl = 7", "[defaults]\nmode = \"dry\"", "[sources.app.limits]\npace = \"slow\""] {
        assert!(check(&folder, "config", "retentiond.toml", &format!("rules = []\n{line}\n")).is_err(), "{line} passes");
    }
}
