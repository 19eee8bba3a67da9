//! What a person sees of each mistake.

use std::{fmt::Write as _, fs};

use super::*;

/// Loads each text in place of the configuration or of the rule file, and shows what is said about it.
pub(super) fn assert_mistakes(name: &str, cases: &[Case]) {
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

pub(super) enum Case {
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
            Added(
                "[http]\nlisten = \"localhost\"\ntoken = []\n[[http.tokens]]\nname = \"a b\"\nroles = [\"vewer\"]\nhash = \"rtd_00ff\"\nexpires = \"soon\"\n[[http.tokens]]\nroles = []\n",
            ),
            Added(
                "[defaults]\nmode = \"observed\"\nfirst_sweep = true\nmax_share = 1.5\nhold_cool_down = \"7 dasy\"\nschedule = \"0 2 * * MNO\"\n",
            ),
            Added("[sources.crm]\n"),
            Added("[sources.crm]\nurl = \"sqlite:crm.db\"\nurl_env = \"CRM\"\n"),
            Added("[sources.crm]\nurl = \"mysql://crm\"\n"),
            Added("[sources.crm]\nurl = \"mysql://crm/crm\"\nworkspace = \"mysql\"\n"),
            Added("[sources.crm]\nurl_file = \"secrets/crm\"\n"),
            Added("[sources.crm]\nurl_env = \"RETENTIOND_TEST_THAT_NOBODY_SETS\"\n"),
            Added(
                "[sources.CRM]\nurl = \"sqlite:crm.db\"\nworkspace = \"Retention-D\"\nwindow = \"01:00\"\nnaive_timestamps = \"CET+1\"\nreplicas = \"all\"\n",
            ),
            Added(
                "[sources.app.limits]\nmax_batch_rows = 0\ntarget_batch_time = \"250\"\nlock_timeout = \"1m\"\npace = \"quick\"\nmax_replica_lag = \"soon\"\n",
            ),
            Added("[sources.app.limits]\nworkers = 2\n"),
            Added("[sources.crm]\nurl = \"sqlite:crm.db\"\nreplicas = [{ url = \"postgres://crm/crm\" }, { adress = \"x\" }]\n"),
            Added("[sources.copy]\nurl = \"sqlite:./app.db\"\n"),
            Added("[state]\nurl = \"sqlite:app.db\"\n"),
            Added("[keys.salt]\nfile = \"rules/none\"\n[keys.both]\nfile = \"pepper\"\nenv = \"PEPPER\"\n[keys.neither]\n"),
            Added("[keys.short]\nfile = \"short\"\n[keys.unset]\nenv = \"RETENTIOND_TEST_THAT_NOBODY_SETS\"\n"),
        ],
    );
}

#[test]
fn mistakes_in_connections() {
    assert_mistakes(
        "mistakes_in_connections",
        &[
            Added("[sources.crm]\nurl = \"postgres://db/crm\"\ntls = { mode = \"verify\", ca = \"ca.pem\" }\n"),
            Added("[sources.crm]\nurl = \"postgres://db/crm?sslmode=prefer\"\n"),
            Added("[sources.crm]\nurl = \"mysql://db/crm?ssl-mode=REQUIRED\"\n[sources.crm.tls]\nmode = \"disable\"\n"),
            Added("[sources.crm]\nurl = \"mysql://db/crm\"\n[sources.crm.tls]\nmode = \"disable\"\n"),
            Added(
                "[sources.crm]\nurl = \"postgres://db/crm\"\nreplicas = [{ url = \"postgres://db2/crm\", tls = { mode = \"require\" } }]\n",
            ),
            Added("[sources.crm]\nurl = \"sqlite:crm.db\"\ntls = { mode = \"verify-full\" }\n"),
            Added("[sources.crm]\nurl = \"postgres:///crm?host=/run/postgresql\"\ntls = { mode = \"verify-full\" }\n"),
            Added("[sources.crm]\nurl = \"postgres://db/crm\"\ntls = { ca_file = \"none.pem\", certificate_file = \"pepper\" }\n"),
            Added("[sources.crm]\nurl = \"postgres://db/crm\"\ntls = { ca_file = \"none.pem\" }\n"),
            Added("[sources.crm]\nurl = \"postgres://db/crm\"\ntls = { ca_file = \"pepper\" }\n"),
            Added("[sources.crm]\nurl = \"postgres://db/crm?sslrootcert=other.pem\"\ntls = { ca_file = \"pepper\" }\n"),
            Added("[sources.crm]\nurl = \"postgres://crm:hunt/er2@db/crm\"\n"),
            Added("[sources.crm]\nurl = \"postgres://crm:hunter2@db/crm?channel_binding=require\"\n"),
            Added("[sources.crm]\nurl_credential = \"crm\"\n"),
            Added("[sources.crm]\nurl_credential = \"/run/secrets/crm\"\n"),
            Added("[keys.salt]\ncredential = \"salt\"\n[keys.both]\nfile = \"pepper\"\ncredential = \"pepper\"\n"),
        ],
    );
}

#[test]
fn mistakes_in_when_and_how_gently_a_rule_is_swept() {
    assert_mistakes(
        "mistakes_in_when_and_how_gently_a_rule_is_swept",
        &[
            Changed("\"delete\"", "\"delete\"\nschedule = \"0 25 * * *\""),
            Changed("\"delete\"", "\"delete\"\nschedule = \"0 0 2 * * MOM\""),
            Changed("\"delete\"", "\"delete\"\nschedule = \"0 2 30 FEB *\""),
            Changed("\"delete\"", "\"delete\"\nschedule = \"2:00\""),
            Changed("\"delete\"", "\"delete\"\nschedule = \"@daily\""),
            Changed("\"delete\"", "\"delete\"\nschedule = 2\nshedule = \"0 2 * * *\""),
            Changed("\"delete\"", "\"delete\"\nwindow = \"1am-5am\""),
            Changed("\"delete\"", "\"delete\"\nlimits = { max_batch_row = 5, pace = \"slow\", lock_timeout = \"2s\" }"),
        ],
    );
}

#[test]
fn a_window_that_never_opens_within_its_sources_is_told() {
    let load = |window: &str| {
        let rules = RULES.replace("\"delete\"", &format!("\"delete\"\nwindow = \"{window}\""));
        let folder = folder(&format!("{CONFIG}window = \"01:00-05:30\"\n"), &[PEPPER, ("rules/app.toml", &rules)]);
        load_in(folder.path()).map(drop).map_err(|found| seen(folder.path(), &found))
    };
    assert_eq!(load("22:00-02:00"), Ok(()));
    let seen = load("22:00-01:00").expect_err("they never meet");
    assert!(
        seen.starts_with("error[never-open]: the rule's window 22:00-01:00 is closed whenever that of source `app`, 01:00-05:30, is open")
    );
    assert!(seen.contains("rules/app.toml:13:10"), "{seen}");
}

#[test]
fn mistakes_in_rules() {
    assert_mistakes(
        "mistakes_in_rules",
        &[
            Rules("[[rule]]\nid = \"logs\"\n"),
            Rules("[policy]\nid = \"App Rules\"\nreviewed = \"2026-05-30\"\ntitel = \"x\"\n"),
            Rules("[policy]\nid = \"app\"\nreviewed = 2026-05-30T12:00:00Z\n"),
            Rules("[policy]\nid = \"app\"\nreviewed = 2026-05-30 12:00:00\n"),
            Rules("[policy]\nid = \"app\"\nreviewed = 12:00:00\n"),
            Rules("[policy]\nid = \"app\"\n[[rule]]\n"),
            Rules("[policy]\nid = \"app\"\n[rule]\nid = \"logs\"\n"),
            Changed("keep_for", "keep_fro"),
            Changed("2 years", "2 yeras"),
            Changed("\"2 years\"", "2"),
            Changed("id = \"logs\"", "id = \"Logs\""),
            Changed("\"app\"\ntable", "\"ap\"\ntable"),
            Changed("\"delete\"", "\"erase\""),
            Changed("\"delete\"", "\"delet\""),
            Changed("subject = { account = \"account_id\" }\n", ""),
            Changed("{ account = \"account_id\" }", "\"none\""),
            Changed("{ account = \"account_id\" }", "{}"),
            Changed("{ account = \"account_id\" }", "\"nobody\""),
            Changed("start = \"sent_at\"\n", ""),
            Changed("keep_for = \"2 years\"\n", ""),
            Changed("\"delete\"", "\"keep\""),
            Changed("keep_for = \"2 years\"\naction = \"delete\"", "action = \"keep\"\nreason = \"law\""),
            Changed("\"delete\"", "\"anonymise\""),
            Changed(
                "\"delete\"",
                "\"anonymise\"\nanonymise = { ip = \"truncate\", name = \"masked\", mail = \"hmac\", phone = { strategy = \"fixed\" } }",
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
            Changed("\"delete\"", "\"delete\"\narchive = {}\ncomment = \"x\""),
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

pub(super) const ANONYMISE: &str = r#"
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
        anonymise(
            "anonymise = { account_id = \"null\", ip = \"null\" }\nunlinks = true\nretains = [\"ip\", \"kind\"]\nkey = [\"account_id\"]\n",
        ),
        anonymise("anonymise = { ip = \"null\" }\nunlinks = true\n"),
        anonymise("anonymise = { ip = \"null\" }\nunlinks = \"account_id\"\n"),
        anonymise("anonymise = { mail = \"null\" }\nunlinks = true\n").replacen("{ account = \"account_id\" }", "{ email = \"mail\" }", 1),
        RULES.replace("\"delete\"", "\"delete\"\nunlinks = true\nretains = [\"kind\"]"),
    ];
    assert_mistakes("rules_that_meet", &texts.map(|text| Rules(String::leak(text))));
}

#[test]
fn mistakes_in_archives() {
    let with = |archive: &str| format!("{RULES}archive = {archive}\n");
    let texts = [
        with("\"file:///srv/archive\""),
        with("{ to = \"/srv/archive\", keep_for = \"long\" }"),
        with("{ to = \"s3://bucket\", keep = \"1 year\" }"),
        with("{ to = \"file://server/archive\", keep_for = \"1 year\" }"),
        with("{ to = \"file:///srv\", keep_for = \"1 year\" }\ndependents = []"),
        with("{ to = \"file:///srv\", keep_for = \"1 year\" }\nsuppress = {}"),
        with("{ to = \"file:///srv\", keep_for = \"1 year\" }").replace("\"delete\"", "\"keep\"\nreason = \"law\""),
    ];
    assert_mistakes("mistakes_in_archives", &texts.map(|text| Rules(String::leak(text))));
}

#[test]
fn mistakes_in_strategies() {
    let with = |strategies: &str, rest: &str| format!("{RULES}{ANONYMISE}{rest}\n[rule.anonymise]\n{strategies}\n");
    let texts = [
        with("a = \"maks\"\nb = \"date_trunc\"\nc = \"round\"\nd = 1", ""),
        with("a = { strategy = \"mask\", keep = 2 }\nb = { strategy = \"random\", length = 8 }\nc = {}", "mark = \"m\""),
        with("a = { strategy = \"date_trunc\", unit = \"hour\" }\nb = { strategy = \"date_trunc\", units = \"day\" }", ""),
        with("a = { strategy = \"round\", to = 0 }\nb = { strategy = \"round\", to = 0.5 }\nc = { strategy = \"round\" }", ""),
        with("login = \"random\"", ""),
        with("a = \"json\"\nb = { strategy = \"json\", path = 1 }\nc = { strategy = \"json\", paths = {} }", ""),
        with(
            "a = { strategy = \"json\", paths = { \"user.email\" = \"mask\", \"$.a[0]\" = \"null\", \"$\" = \"null\", \"$.b\" = \"maks\" } }",
            "",
        ),
        with(
            "a = { strategy = \"json\", paths = { \"$.a.b\" = \"mask\", \"$['a']\" = \"null\", \"$.c\" = \"random\", \"$.d\" = { strategy = \"hmac\", key = \"peper\" } } }",
            "",
        ),
    ];
    assert_mistakes("mistakes_in_strategies", &texts.map(|text| Rules(String::leak(text))));
}

#[test]
fn rules_that_undo_each_other() {
    let two = |one: &str, other: &str, more: &str| {
        let second = ANONYMISE.replace("\"ips\"", "\"later\"");
        format!("{RULES}{ANONYMISE}anonymise = {{ ip = {one} }}\n{second}anonymise = {{ ip = {other} }}\n{more}")
    };
    let fixed = |value: &str| format!("{{ strategy = \"fixed\", value = \"{value}\" }}");
    let replaced = "{ strategy = \"fixed\", value = \"x\", replace_null = true }";
    let round = |to: u64| format!("{{ strategy = \"round\", to = {to} }}");
    let document = |inner: &str| format!("{{ strategy = \"json\", paths = {{ \"$.a\" = {inner} }} }}");
    let month = "{ strategy = \"date_trunc\", unit = \"month\" }";
    let texts = [
        two(replaced, "\"null\"", ""),
        two(&fixed("x"), &fixed("y"), ""),
        two(&round(10), &round(7), ""),
        two(&document("\"null\""), &document(replaced), ""),
        two("\"mask\"", "\"mask\"", "mark = \"done\"\n").replacen("ip = \"mask\"", "done = \"null\"", 1),
        two(month, month, "timezone = \"Europe/Berlin\"\n"),
        two("\"mask\"", "\"truncate_ip\"", "mark = \"done\"\n"),
        two("\"mask\"", "\"mask\"", "mark = \"done\"\n").replace("ip = \"mask\" }\n\n", "ip = \"mask\" }\nmark = \"done\"\n\n"),
    ];
    assert_mistakes("rules_that_undo_each_other", &texts.map(|text| Rules(String::leak(text))));
    let harmless = [
        two(&round(10), &round(20), ""),
        two(&fixed("x"), "\"null\"", ""),
        two("\"mask\"", "\"truncate_ip\"", "mode = \"observe\"\n"),
        two("\"mask\"", "\"truncate_ip\"", "mark = \"b\"\n").replace("ip = \"mask\" }\n\n", "ip = \"mask\" }\nmark = \"a\"\n\n"),
    ];
    for text in harmless {
        let folder = folder(CONFIG, &[PEPPER, ("rules/app.toml", &text)]);
        let found = load_in(folder.path()).map_or_else(|found| found, |loaded| loaded.warnings);
        assert!(found.is_empty(), "{}", found.render(false));
    }
}

#[test]
fn rules_that_override() {
    let rule = |id: &str, rest: &str| {
        format!(
            "[[rule]]\nid = \"{id}\"\ncategory = \"logs\"\nsource = \"app\"\ntable = \"logs\"\nsubject = \"none\"\nno_subject_reason = \"r\"\n\
             start = \"at\"\nstart_format = \"date\"\nkeep_for = \"1 year\"\naction = \"delete\"\n{rest}\n"
        )
    };
    let file = |rules: &[String]| format!("[policy]\nid = \"p\"\n{}", rules.concat());
    let on_spam = "where = \"kind = 'spam'\"\n";
    let kept = rule("kept", on_spam)
        .replace("action = \"delete\"", "action = \"keep\"\nreason = \"law\"")
        .replace("start = \"at\"\nstart_format = \"date\"\nkeep_for = \"1 year\"\n", "");
    let texts = [
        // Right, and yet one of the two is pointless.
        file(&[rule("general", on_spam), rule("spam", &format!("{on_spam}overrides = [\"general\"]"))]),
        file(&[rule("spam", on_spam), kept]),
        file(&[rule("general", ""), rule("spam", "overrides = [\"general\"]")]),
        file(&[rule("general", ""), rule("spam", &format!("{on_spam}overrides = [\"p/genral\"]"))]),
        file(&[rule("spam", &format!("{on_spam}overrides = [\"spam\"]"))]),
        file(&[
            rule("general", "").replace("table = \"logs\"", "table = \"others\""),
            rule("spam", &format!("{on_spam}overrides = [\"general\"]")),
        ]),
        file(&[
            rule("one", &format!("{on_spam}overrides = [\"two\"]")),
            rule("two", "where = \"kind = 'ham'\"\noverrides = [\"three\"]"),
            rule("three", "where = \"kind <> ''\"\noverrides = [\"one\"]"),
        ]),
        file(&[rule("general", on_spam), rule("spam", &format!("{on_spam}overrides = [\"general\", \"general\"]"))]),
        file(&[rule("spam", &format!("{on_spam}overrides = []"))]),
        file(&[rule("spam", &format!("{on_spam}overrides = \"general\""))]),
    ];
    assert_mistakes("rules_that_override", &texts.map(|text| Rules(String::leak(text))));
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
        "[sources.crm]\nurl = \"mysql://app:hunter2hunter2@db\"\n",
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
