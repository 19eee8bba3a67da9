use std::{fmt::Write as _, fs, path::Path};

use super::*;
use crate::policy::{FirstSweep, Mode};

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

/// Loads each text in place of the configuration or of the rule file, and shows what is said about it.
fn assert_mistakes(name: &str, cases: &[Case]) {
    let mut shown = String::new();
    for case in cases {
        let (config, rules) = match case {
            Case::Config(text) => (text.to_string(), RULES.to_owned()),
            Case::Added(text) => (format!("{CONFIG}{text}"), RULES.to_owned()),
            Case::Rules(text) => (CONFIG.to_owned(), text.to_string()),
            Case::Changed(from, to) => {
                assert!(RULES.contains(from), "{from}");
                (CONFIG.to_owned(), RULES.replace(from, to))
            }
        };
        let folder = folder(&config, &[PEPPER, ("short", "hunter2"), ("rules/app.toml", &rules)]);
        let found = match load_in(folder.path()) {
            Ok(loaded) => loaded.warnings,
            Err(found) => found,
        };
        assert!(!found.is_empty(), "nothing was found in {config}\n{rules}");
        writeln!(shown, "{}\n", seen(folder.path(), &found)).expect("a string takes it");
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, { insta::assert_snapshot!(name, shown) });
}

enum Case {
    /// The whole configuration.
    Config(&'static str),
    /// The usual configuration with this after it.
    Added(&'static str),
    /// The whole rule file.
    Rules(&'static str),
    /// The usual rule file with the one in place of the other.
    Changed(&'static str, &'static str),
}
use Case::{Added, Changed, Config as Whole, Rules};

#[test]
fn mistakes_in_the_configuration() {
    assert_mistakes(
        "mistakes_in_the_configuration",
        &[
            Whole(""),
            Whole("rules = \"rules/*.toml\"\n"),
            Whole("rules = [\"rule/*.toml\"]\n[sources.app]\nurl = \"sqlite:app.db\"\n"),
            Whole("rules = [\"rules/***.toml\"]\n[sources.app]\nurl = \"sqlite:app.db\"\n"),
            Whole("rules = [\"rules/*.toml\"\ntimezone = UTC\n[sources.app]\nurl = \"sqlite:app.db\"\n"),
            Whole("rules = [\"rules/*.toml\"]\ntimezone = \"Europe/Berln\"\n[sources.app]\nurl = \"sqlite:app.db\"\n"),
            Whole("rules = [\"rules/*.toml\"]\nschedule = \"0 2 * * *\"\ntimezon = \"UTC\"\n[sources.app]\nurl = \"sqlite:app.db\"\n"),
            Added("[http]\nlisten = \"127.0.0.1:9464\"\n"),
            Added(
                "[defaults]\nmode = \"observed\"\nfirst_sweep = true\nmax_share = 1.5\nhold_cool_down = \"7 dasy\"\nschedule = \"0 2 * * *\"\n",
            ),
            Added("[sources.crm]\n"),
            Added("[sources.crm]\nurl = \"sqlite:crm.db\"\nurl_env = \"CRM\"\n"),
            Added("[sources.crm]\nurl = \"mysql://crm/crm\"\n"),
            Added("[sources.crm]\nurl_file = \"secrets/crm\"\n"),
            Added("[sources.crm]\nurl_env = \"RETENTIOND_TEST_THAT_NOBODY_SETS\"\n"),
            Added(
                "[sources.CRM]\nurl = \"sqlite:crm.db\"\nworkspace = \"Retention-D\"\nwindow = \"01:00\"\nnaive_timestamps = \"CET+1\"\nreplicas = \"auto\"\n",
            ),
            Added(
                "[sources.app.limits]\nmax_batch_rows = 0\ntarget_batch_time = \"250\"\nlock_timeout = \"1m\"\npace = \"quick\"\nmax_replica_lag = \"10s\"\n",
            ),
            Added("[sources.copy]\nurl = \"sqlite:./app.db\"\n"),
            Added("[state]\nurl = \"sqlite:app.db\"\n"),
            Added("[keys.salt]\nfile = \"rules/none\"\n[keys.both]\nfile = \"pepper\"\nenv = \"PEPPER\"\n[keys.neither]\n"),
            Added("[keys.short]\nfile = \"short\"\n[keys.unset]\nenv = \"RETENTIOND_TEST_THAT_NOBODY_SETS\"\n"),
        ],
    );
}

#[test]
fn mistakes_in_rules() {
    assert_mistakes(
        "mistakes_in_rules",
        &[
            Rules("[[rule]]\nid = \"logs\"\n"),
            Rules("[policy]\nid = \"App Rules\"\nreviewed = \"2026-05-30\"\ntitel = \"x\"\n"),
            Rules("[policy]\nid = \"app\"\n[[rule]]\n"),
            Rules("[policy]\nid = \"app\"\n[rule]\nid = \"logs\"\n"),
            Changed("keep_for", "keep_fro"),
            Changed("2 years", "2 yeras"),
            Changed("\"2 years\"", "2"),
            Changed("\"2 years\"", "{ column = \"days\", unit = \"days\" }"),
            Changed("\"sent_at\"", "{ latest = [\"a\", \"b\"] }"),
            Changed("id = \"logs\"", "id = \"Logs\""),
            Changed("\"app\"\ntable", "\"ap\"\ntable"),
            Changed("\"delete\"", "\"erase\""),
            Changed("\"delete\"", "\"delet\""),
            Changed("subject = { account = \"account_id\" }\n", ""),
            Changed("{ account = \"account_id\" }", "\"none\""),
            Changed("{ account = \"account_id\" }", "{}"),
            Changed("{ account = \"account_id\" }", "{ account = { column = \"id\" } }"),
            Changed("{ account = \"account_id\" }", "\"nobody\""),
            Changed("start = \"sent_at\"\n", ""),
            Changed("keep_for = \"2 years\"\n", ""),
            Changed("\"delete\"", "\"keep\""),
            Changed("keep_for = \"2 years\"\naction = \"delete\"", "action = \"keep\"\nreason = \"law\""),
            Changed("\"delete\"", "\"anonymise\""),
            Changed(
                "\"delete\"",
                "\"anonymise\"\nanonymise = { ip = \"truncate\", name = \"mask\", mail = \"hmac\", phone = { strategy = \"fixed\" } }",
            ),
            Changed(
                "\"delete\"",
                "\"anonymise\"\nanonymise = { ip = { strategy = \"truncate_ip\", v4 = 20 }, mail = { strategy = \"hmac\", key = \"peper\" }, x = { strategy = \"null\", value = \"\" } }",
            ),
            Changed("\"delete\"", "\"delete\"\nanonymise = { ip = \"null\" }\nmark = \"done\""),
            Changed("\"delete\"", "\"delete\"\nfloor = \"10 years\""),
            Changed(
                "\"delete\"",
                "\"delete\"\nmax_share = 0\nmode = \"observ\"\nbasis = \"legal-obligation\"\nkey = [\"a\", \"a\"]\nretains = \"a\"",
            ),
            Changed("\"delete\"", "\"delete\"\nnever = [1.5]\nstart_format = \"unix\"\ntimezone = \"Berlin\"\non_null_subject = \"held\""),
            Changed("\"delete\"", "\"delete\"\ndependents = []\nlimits = {}\ncomment = \"x\""),
        ],
    );
}

#[test]
fn mistakes_in_conditions() {
    assert_mistakes(
        "mistakes_in_conditions",
        &[
            Changed("\"delete\"", "\"delete\"\nwhere = \"created < date('now')\""),
            Changed("\"delete\"", "\"delete\"\nwhere = \"\"\"\nstatus = 'closed'\n  AND id IN (SELECT id FROM users)\n\"\"\""),
            Changed("\"delete\"", "\"delete\"\nwhere = \"name = \\\"x\\\" = 1\""),
            Changed("\"delete\"", "\"delete\"\nwhere = 'a = NULL'"),
            Changed("\"delete\"", "\"delete\"\nwhere = 'a = '"),
            Changed("\"delete\"", "\"delete\"\nwhere = 'true; DROP TABLE logs'"),
            Changed("\"delete\"", "\"delete\"\nwhere = ''"),
        ],
    );
}

const ANONYMISE: &str = r#"
[[rule]]
id = "ips"
category = "logs"
source = "app"
table = "logs"
subject = { account = "account_id" }
start = "sent_at"
keep_for = "30 days"
action = "anonymise"
"#;

#[test]
fn rules_that_meet() {
    let anonymise = |rest: &str| format!("{RULES}{ANONYMISE}{rest}");
    let texts = [
        format!("{RULES}{}", &RULES[RULES.find("[[rule]]").expect("a rule")..]),
        anonymise("anonymise = { sent_at = \"null\", account_id = \"null\" }\n"),
        anonymise("anonymise = { ip = \"null\" }\nmark = \"kind\"\nwhere = \"kind = 1 AND ip <> ''\"\n"),
        anonymise("anonymise = { ip = \"null\" }\nmark = \"ip\"\nkey = [\"ip\"]\n"),
        anonymise("anonymise = { ip = \"null\" }\n").replace("30 days", "2 years"),
        format!(
            "{RULES}[[rule]]\nid = \"all\"\ncategory = \"logs\"\nsource = \"app\"\ntable = \"logs\"\nschema = \"main\"\naction = \"keep\"\nreason = \"law\"\n"
        ),
    ];
    assert_mistakes("rules_that_meet", &texts.map(|text| Rules(String::leak(text))));
}

#[test]
fn mistakes_in_several_files_come_in_order_and_all_at_once() {
    let folder = folder(
        &format!("{CONFIG}windows = 1\n"),
        &[
            PEPPER,
            ("rules/b.toml", &RULES.replace("delete", "remove")),
            ("rules/a.toml", &RULES.replace("start =", "strat =").replace("\"logs\"\nsource", "7\nsource")),
        ],
    );
    let found = load_in(folder.path()).expect_err("mistakes");
    let again = load_in(folder.path()).expect_err("mistakes");
    assert_eq!(found, again);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("several_files", seen(folder.path(), &found));
    });
    let first = &found.reports()[0];
    assert_eq!((first.code, first.line, first.column), ("unknown-key", Some(9), Some(1)));
}

#[test]
fn files_that_can_not_be_read() {
    let folder = folder(CONFIG, &[PEPPER]);
    fs::create_dir(folder.path().join("rules")).expect("a folder");
    fs::write(folder.path().join("rules/latin.toml"), b"[policy]\nid = \"caf\xe9\"\n").expect("it can be written");
    let latin = load_in(folder.path()).expect_err("not UTF-8");
    let none = load(&folder.path().join("none.toml")).expect_err("no such file");
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("unreadable_files", format!("{}\n\n{}", seen(folder.path(), &latin), seen(folder.path(), &none)));
    });
    assert_eq!(none.reports()[0].line, None);
}

#[test]
fn no_secret_is_shown_whatever_is_wrong_beside_it() {
    let texts = [
        "[sources.crm]\nurl = \"postgres:/app:hunter2hunter2@db/app\"\n",
        "[sources.crm]\nurl = \"postgresq://app:hunter2hunter2@db/app\"\n",
        "[sources.crm]\nurl = \"mysql://app:hunter2hunter2@db/app\"\n",
        "[sources.crm]\nurl_env = \"postgres://app:hunter2hunter2@db/app\"\n",
        "[sources.crm]\nurll = \"postgres://app:hunter2hunter2@db/app\"\n",
        "[sources.crm]\npassword = \"hunter2hunter2\"\n",
        "[keys.salt]\nvalue = \"hunter2hunter2\"\n",
        "[keys]\nsalt = \"hunter2hunter2\"\n",
        "[keys.salt]\nfile = \"secret\"\n",
        "[sources.crm]\nurl_file = \"secret\"\n",
        "[sources.crm]\nurl = \"postgres://app:hunter2hunter2@db/app\" x\n",
    ];
    for text in texts {
        let folder = folder(&format!("{CONFIG}{text}"), &[PEPPER, ("rules/app.toml", RULES), ("secret", "hunter2")]);
        let found = load_in(folder.path()).expect_err(text);
        for shown in [found.render(false), found.render(true), format!("{found:?}"), format!("{:?}", found.reports())] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
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
