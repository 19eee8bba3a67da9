//! What configurations and rules without mistakes mean.

use super::*;
use crate::policy::{FirstSweep, Mode};

#[test]
fn what_protects_a_replica_is_what_protects_its_source_unless_it_says_so_itself() {
    let config = r#"
rules = ["rules/*.toml"]
[sources.app]
url = "postgres://app@db/app"
tls = { mode = "verify-ca" }
replicas = [{ url = "postgres://db2/app" }, { url = "postgres://db3/app", tls = {} }]
"#;
    let folder = folder(config, &[("rules/app.toml", RULES)]);
    let loaded = load_in(folder.path()).unwrap_or_else(|found| panic!("{found}"));
    let source = &loaded.config.sources["app"];
    let Replicas::Listed(replicas) = &source.replicas else { panic!("{source:?}") };
    let modes: Vec<_> = std::iter::once(&source.url).chain(replicas).map(|url| url.tls().mode).collect();
    assert_eq!(modes, [TlsMode::VerifyCa, TlsMode::VerifyCa, TlsMode::VerifyFull].map(Some));
    assert_eq!(seen(folder.path(), &loaded.warnings).matches("isn't verified").count(), 2, "{}", loaded.warnings);
}

/// The example of the documentation, as far as this version goes.
const POLICY: &str = r##"#:schema ../policy.schema.json
[policy]
id = "aulm"
title = "aulm privacy policy, section 7"
reference = "Privacy policy of 30 May 2026"
owner = "privacy team"
reviewed = 2026-05-30

[category.message-log]             # optional: what the rules of a category in this file share
source = "app"
table = "message_logs"             # schema = "…" beside it where needed
subject = { account = "account_id" }   # whose row it is: kind = column
start = "sent_at"
start_format = "unix_ms"           # where the column's type doesn't say it

[[rule]]
id = "message-preview"             # <policy>/<rule> names it everywhere
category = "message-log"
keep_for = "30 days"
action = "anonymise"
anonymise = { payload_preview = "null", ip = { strategy = "truncate_ip", v4 = 24, v6 = 48 } }
purpose = "troubleshooting and abuse prevention"

[[rule]]
id = "message-log"
category = "message-log"
keep_for = "2 years"
action = "delete"

[[rule]]
id = "suppression"
category = "suppression-list"
source = "app"
table = "suppressions"
subject = { email_hash = "email_hash" }
action = "keep"
reason = "opt-outs must be honoured"
"##;

#[test]
fn the_documented_example_loads() {
    let config = r#"
rules = ["rules/**/*.toml"]       # relative to this file
timezone = "UTC"
[state]
url = "sqlite:state.db"
[keys.pepper]
file = "pepper"
[sources.app]
url_file = "app"
workspace = "retentiond"
naive_timestamps = "UTC"
window = "01:00-05:30"
[sources.app.limits]
max_batch_rows = 10_000
target_batch_time = "250ms"
lock_timeout = "2s"
statement_timeout = "30s"
pace = "gentle"
[defaults]
mode = "enforce"
first_sweep = "approve"
max_share = 0.5
hold_cool_down = "7 days"
"#;
    let folder = folder(config, &[PEPPER, ("app", "postgres://app:hunter2@db/app\n"), ("rules/deep/aulm.toml", POLICY)]);
    let loaded = load_in(folder.path()).unwrap_or_else(|found| panic!("{found}"));
    assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    assert_eq!(loaded.config.sources["app"].url.redacted(), "postgres://app@db/app");
    assert_eq!(loaded.config.sources["app"].limits, Limits::default());
    assert_eq!(loaded.config.keys.names().collect::<Vec<_>>(), ["pepper"]);
    assert!(!format!("{:?}", loaded.config).contains("hunter2"));
    let policy = &loaded.policies[0];
    let texts = [policy.title.as_deref(), policy.reference.as_deref(), policy.owner.as_deref()];
    assert_eq!(texts, [Some("aulm privacy policy, section 7"), Some("Privacy policy of 30 May 2026"), Some("privacy team")]);
    assert_eq!((policy.id.as_str(), policy.reviewed), ("aulm", Some(jiff::civil::date(2026, 5, 30))));
    let meanings: Vec<String> = loaded.rules.iter().map(|rule| rule.canonical.replace("],", "],\n ").replace("},", "},\n ")).collect();
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("the_example_means", meanings.join("\n"));
    });
}

#[test]
fn what_is_not_said_has_its_documented_default() {
    let folder = folder(CONFIG, &[PEPPER, ("rules/app.toml", RULES)]);
    let loaded = load_in(folder.path()).unwrap_or_else(|found| panic!("{found}"));
    let (config, rule) = (&loaded.config, &loaded.rules[0]);
    assert_eq!(config.state.sqlite_path(), Some(folder.path().join("state.db")));
    assert_eq!((config.timezone_name.as_str(), config.defaults.hold_cool_down.to_string()), ("UTC", "7 days".to_owned()));
    assert_eq!(config.sources["app"].workspace, "retentiond");
    assert_eq!((rule.mode, rule.first_sweep, rule.max_share), (Mode::Enforce, FirstSweep::Approve, 0.5));
    assert_eq!(rule.id.as_str(), "app/logs");
}

#[test]
fn a_rule_takes_from_its_category_and_then_from_the_defaults() {
    let rules = format!("[category.logs]\nmode = \"observe\"\nmax_share = 0.1\n{RULES}max_share = 0.2\n");
    let folder =
        folder(&format!("{CONFIG}[defaults]\nmode = \"enforce\"\nfirst_sweep = \"auto\"\n"), &[PEPPER, ("rules/app.toml", &rules)]);
    let loaded = load_in(folder.path()).unwrap_or_else(|found| panic!("{found}"));
    let rule = &loaded.rules[0];
    assert_eq!((rule.mode, rule.first_sweep, rule.max_share), (Mode::Observe, FirstSweep::Auto, 0.2));
}

#[test]
fn what_a_category_shares_does_not_disturb_the_rules_that_need_it_not() {
    let rules = r#"
[policy]
id = "app"
[category.logs]
source = "app"
table = "logs"
start = "sent_at"
mark = "done"
[[rule]]
id = "kept"
category = "logs"
action = "keep"
reason = "law"
"#;
    let folder = folder(CONFIG, &[PEPPER, ("rules/app.toml", rules)]);
    let loaded = load_in(folder.path()).unwrap_or_else(|found| panic!("{found}"));
    assert!(loaded.rules[0].term.is_none());
}

/// The canonical text of the one rule in a file.
fn meaning(rules: &str) -> String {
    let folder = folder(CONFIG, &[PEPPER, ("rules/app.toml", rules)]);
    let loaded = load_in(folder.path()).unwrap_or_else(|found| panic!("{found}"));
    loaded.rules[0].canonical.clone()
}

#[test]
fn an_approval_stays_valid_while_the_meaning_does() {
    let told = format!("{RULES}where = \"a='x'\"\nretains = [\"b\"]\npurpose = \"x\"\nbasis = \"consent\"\nmode = \"observe\"\n");
    let rewritten = r#"
# The same, told otherwise.
[policy]
id = "app"
title = "Rules"
[category.logs]
table = "logs"
source = "app"
[[rule]]
action = "delete"
where = "(a = 'x')"
keep_for = "P24M"
start = "sent_at"
subject.account = "account_id"
category = "logs"
id = "logs"
"#;
    assert_eq!(meaning(&told), meaning(rewritten));
}

#[test]
fn an_approval_ends_when_the_meaning_changes() {
    let changes = [
        ("2 years", "1 year"),
        ("\"account_id\"", "\"owner_id\""),
        ("\"sent_at\"", "\"created_at\""),
        ("\"sent_at\"", "\"sent_at\"\nstart_format = \"unix_s\""),
        ("\"sent_at\"", "\"sent_at\"\nnever = [0]"),
        ("table = \"logs\"", "table = \"log\""),
        ("table = \"logs\"", "table = \"logs\"\nschema = \"main\""),
        ("\"delete\"", "\"delete\"\nwhere = 'a = 1'"),
        ("\"delete\"", "\"delete\"\nfloor = \"1 year\""),
        ("\"delete\"", "\"delete\"\ntimezone = \"Europe/Berlin\""),
        ("\"delete\"", "\"delete\"\nmax_share = 1"),
        ("\"delete\"", "\"delete\"\non_null_subject = \"hold\""),
        ("\"delete\"", "\"anonymise\"\nanonymise = { a = \"null\" }"),
        ("\"delete\"", "\"anonymise\"\nanonymise = { a = \"truncate_ip\" }"),
        ("\"delete\"", "\"anonymise\"\nanonymise = { a = { strategy = \"fixed\", value = \"\" } }"),
        ("\"delete\"", "\"anonymise\"\nanonymise = { a = { strategy = \"hmac\", key = \"pepper\" } }"),
        ("\"delete\"", "\"anonymise\"\nanonymise = { a = { strategy = \"hmac\", key = \"pepper\", normalise = \"email\" } }"),
    ];
    let mut meanings = vec![meaning(RULES)];
    for (from, to) in changes {
        let changed = meaning(&RULES.replace(from, to));
        assert!(!meanings.contains(&changed), "{to}");
        meanings.push(changed);
    }
}

#[test]
fn a_rule_remembers_where_it_is_written() {
    let rules =
        format!("{RULES}where = \"a = 1\"\nkey = [\"id\"]\n").replace("delete\"", "anonymise\"\nanonymise = { ip = \"truncate_ip\" }");
    let folder = folder(CONFIG, &[PEPPER, ("rules/app.toml", &rules)]);
    let loaded = load_in(folder.path()).unwrap_or_else(|found| panic!("{found}"));
    let origin = &loaded.rules[0].origin;
    let written = |key: &str| origin.file.text()[origin.place(key).span].to_owned();
    for (key, text) in [
        ("id", "\"logs\""),
        ("start", "\"sent_at\""),
        ("subject.account", "\"account_id\""),
        ("anonymise.ip", "ip"),
        ("where", "\"a = 1\""),
        ("key.id", "\"id\""),
        ("mark", "[[rule]]"),
    ] {
        assert_eq!(written(key), text, "{key}");
    }
}
