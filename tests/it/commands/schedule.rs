//! `schedule`: the document in each of its forms, with every kind of rule; what it does without its databases; and values
//! that would like to be more than text.

use std::fs;

use serde_json::Value;

use super::{NOW, has};
use crate::support::{
    markdown::{bars, parted},
    product::{Kind, Product},
};

/// Every kind of rule, and every kind of thing that keeps a row longer.
const SHOP: &str = r#"
[policy]
id = "shop"
title = "Privacy policy of the shop, section 7"
reference = "Version 3"
owner = "privacy team"
reviewed = 2026-05-30

[category.mail]
source = "app"
table = "mails"
subject = { account = "account_id" }
start = "received_at"
start_format = "iso8601"

[[rule]]
id = "mails"
category = "mail"
keep_for = "18 months"
floor = "6 months"
action = "delete"
wait_for = [{ table = "tickets", on = { id = "mail_id" } }]
purpose = "answering questions"
basis = "contract"
owner = "support"

[[rule]]
id = "spam"
category = "mail"
where = "kind = 'spam'"
overrides = ["mails"]
keep_for = "30 days"
action = "delete"
reason = "nobody asked for it"
basis = "legitimate_interests"

[[rule]]
id = "acme"
category = "mail"
tenant = { column = "tenant", is = "acme" }
overrides = ["mails"]
keep_for = "5 years"
action = "delete"

[[rule]]
id = "addresses"
category = "mail"
keep_for = "90 days"
action = "anonymise"
retains = ["tenant"]

[rule.anonymise]
sender = "mask"
ip = { strategy = "truncate_ip", v4 = 16, v6 = 32 }
line = { strategy = "hmac", key = "pepper", normalise = "email" }
score = { strategy = "round", to = 10 }
seen_on = { strategy = "date_trunc", unit = "month" }
note = "null"
label = { strategy = "fixed", value = "removed", replace_null = true }
body = { strategy = "json", paths = { "$.from.name" = "null", "$.tags[*]" = "mask" } }

[[rule]]
id = "disputed"
category = "dispute"
source = "app"
table = "mails"
where = "disputed = 1"
action = "keep"
reason = "claims are being settled"

[[rule]]
id = "accounts"
category = "account"
source = "app"
table = "accounts"
subject = { account = "id", email = "email" }
on_null_subject = "hold"
start = "closed_at"
start_format = "timestamp"
keep_for = "1 year"
floor = "2 years"
action = "anonymise"
anonymise = { token = "random" }
mark = "done_at"
retains = ["email"]
mode = "observe"

[[rule]]
id = "invoices"
category = "accounting"
source = "app"
table = "invoices"
start = "issued_on"
start_format = "date"
start_at = "end_of_year"
fiscal_year_start = "05-01"
keep_for = "10 years"
action = "keep"
reason = "commercial law"
basis = "legal_obligation"

[[rule]]
id = "sessions"
category = "session"
source = "app"
table = "sessions"
subject = "none"
no_subject_reason = "they name nobody"
start = "at"
start_format = "unix_s"
start_at = "end_of_month"
keep_for = "12 hours"
timezone = "Europe/Berlin"
schedule = "*/10 * * * *"
window = "22:00-04:00"
action = "delete"
"#;

/// A policy of which nothing is known, and which has no rules yet.
const EMPTY: &str = "[policy]\nid = \"empty\"\n";

const CONFIG: &str = "[keys.pepper]\nfile = \"pepper.key\"";

fn shop() -> Product {
    let product = Product::new(Kind::Sqlite, CONFIG).at(NOW);
    product.data.execute(
        "CREATE TABLE mails (id integer PRIMARY KEY, account_id bigint, tenant text, kind text, disputed int, received_at text, sender text,
             ip text, line text, score int, seen_on date, note text, label text, body text);
         CREATE TABLE tickets (id integer PRIMARY KEY, mail_id bigint);
         CREATE TABLE accounts (id integer PRIMARY KEY, email text, closed_at text, token text, done_at text);
         CREATE TABLE invoices (id integer PRIMARY KEY, issued_on text);
         CREATE TABLE sessions (id integer PRIMARY KEY, at bigint);
         INSERT INTO mails (id, account_id, kind, disputed, received_at) VALUES (1, 1, 'mail', 0, '2020-01-01T00:00:00Z'), (2, 2, 'spam', 0, '2020-01-01T00:00:00Z');
         INSERT INTO sessions VALUES (1, 1577836800)",
    );
    product.rules("shop", SHOP);
    product.rules("empty", EMPTY);
    product.folder.write("pepper.key", "a key of sufficient length");
    product
}

/// Swept once, with a hold in force and a rule paused.
fn swept() -> Product {
    let product = shop();
    product.init();
    // Sessions are nobody's, which is told.
    product.hold(&["account:1"]).expect(3);
    product.cli("sweep shop/mails shop/spam shop/addresses --approve").expect(0);
    // One waits for its window, the other for a person.
    product.cli("sweep shop/sessions --approve").expect(3);
    product.cli("sweep shop/acme").expect(3);
    product.cli("pause shop/sessions --reason r --by b").expect(0);
    product
}

/// The document of that form, without what the program's version is.
fn document(product: &Product, form: &str) -> String {
    let run = product.cli(&format!("schedule --format {form}")).expect(0);
    run.stdout.replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn every_kind_of_rule_is_in_the_document() {
    let product = swept();
    insta::assert_snapshot!("markdown", document(&product, "md"));
    insta::assert_snapshot!("html", document(&product, "html"));
    insta::assert_snapshot!("json", document(&product, "json"));
}

#[test]
fn json_has_the_names_that_are_documented() {
    let product = swept();
    let report = product.cli("schedule --output json").expect(0).json();
    assert_eq!((&report["version"], &report["as_of"]), (&1.into(), &NOW.into()));
    has(&report, &["version", "as_of", "made_by", "timezone", "state", "holds_active", "policies"]);
    let shop = &report["policies"][1];
    has(shop, &["policy", "title", "reference", "reviewed", "owner", "categories"]);
    assert_eq!((&report["policies"][0]["policy"], &shop["reviewed"]), (&"empty".into(), &"2026-05-30".into()));
    let rules = rules(&report);
    for rule in &rules {
        has(rule, &["rule", "category", "source", "table", "action", "mode", "where", "tenant", "subjects", "no_subject_reason", "start"]);
        has(rule, &["start_at", "fiscal_year_start", "keep_for", "floor", "timezone", "anonymise", "retains", "basis", "purpose"]);
        has(rule, &["reason", "owner", "schedule", "window", "overrides", "overridden_by", "protected_by", "wait_for", "last_swept"]);
        has(rule, &["last_sweep", "blocked", "paused_since", "in_words"]);
        has(&rule["in_words"], &["summary", "rows", "whose", "start", "period", "floor", "action", "basis", "sweeps"]);
    }
    let of = |id: &str| rules.iter().find(|rule| rule["rule"] == id).unwrap_or_else(|| panic!("no {id}"));
    let protecting = |id: &str| {
        let protections = of(id)["protected_by"].as_array().expect("an array").iter();
        protections.map(|protection| protection["rule"].as_str().expect("a rule").to_owned()).collect::<Vec<_>>().join(" ")
    };
    // What is surely shorter protects nothing, of what is overridden only the floor does, and a deletion is no obstacle to an anonymisation.
    assert_eq!(protecting("shop/mails"), "shop/acme shop/disputed");
    assert_eq!(protecting("shop/spam"), "shop/acme shop/addresses shop/disputed shop/mails");
    assert_eq!(of("shop/spam")["protected_by"][3]["keep_for"], "6 months", "what it overrides still keeps its legal minimum");
    assert_eq!(protecting("shop/addresses"), "shop/disputed");
    assert_eq!(protecting("shop/disputed"), "");
    assert_eq!(of("shop/mails")["overridden_by"], serde_json::json!(["shop/acme", "shop/spam"]));
    assert_eq!((&of("shop/spam")["last_swept"], &of("shop/spam")["last_sweep"]["outcome"]), (&NOW.into(), &"complete".into()));
    assert_eq!((&of("shop/acme")["last_swept"], &of("shop/acme")["blocked"]["reason"]), (&Value::Null, &"approval".into()));
    has(&of("shop/acme")["blocked"], &["reason", "message", "since"]);
    assert_eq!((&of("shop/accounts")["last_swept"], &of("shop/accounts")["last_sweep"]), (&Value::Null, &Value::Null));
    assert_eq!(of("shop/sessions")["paused_since"], NOW);
    assert_eq!(report["holds_active"], 1);
}

/// A released hold binds until its cool-down has passed, and counts until then.
#[test]
fn holds_count_as_long_as_they_bind() {
    let mut product = swept();
    let active = |product: &Product| product.cli("schedule --output json").expect(0).json()["holds_active"].clone();
    let list = product.cli("hold list --output json").expect(0).json();
    let id = list["holds"][0]["id"].as_str().expect("an id");
    product.cli(&format!("hold release {id} --reason r --by b")).expect(0);
    assert_eq!(active(&product), 1);
    product.set_now("2026-06-22T12:00:00Z");
    assert_eq!(active(&product), 0);
}

#[test]
fn neither_a_state_nor_a_source_has_to_be_there() {
    let mut product = shop();
    product.connect_by("postgres://nobody@127.0.0.1:1/nowhere");
    // On PostgreSQL, not all that SQLite takes is a condition: these rules say nothing that differs.
    let report = product.cli("schedule --output json").expect(0).json();
    assert_eq!((&report["state"], &report["holds_active"]), (&"missing".into(), &0.into()));
    assert!(rules(&report).iter().all(|rule| rule["last_swept"].is_null() && rule["last_sweep"].is_null()));
    assert!(document(&product, "md").contains("**Last swept:** not swept yet"));
    assert!(!product.folder.path().join("state.db").exists(), "to read is not to make");

    product.keep_state_as("url = \"postgres://keeper:swordfish-4711@127.0.0.1:1/state\"");
    for form in ["md", "html", "json"] {
        let run = product.cli(&format!("schedule --format {form}")).expect(0);
        assert!(run.stderr.contains("the document lacks what the state remembers"), "{run:#?}");
        assert!(!format!("{run:?}").contains("swordfish"), "{run:#?}");
        // The document may be published: where the state is, and why it can't be reached, is nobody's business.
        assert!(!run.stdout.contains("127.0.0.1"), "{run:#?}");
    }
    let report = product.cli("schedule --output json").expect(0).json();
    assert_eq!((&report["state"], &report["holds_active"]), (&"unreachable".into(), &Value::Null));
    assert!(document(&product, "md").contains("**Last swept:** could not be read"));
}

#[test]
fn one_format_is_asked_for() {
    let product = shop();
    let json = product.cli("schedule --format json").expect(0).stdout;
    for line in ["schedule --output json", "--output json schedule --format json", "schedule --output table --format json"] {
        assert_eq!(product.cli(line).expect(0).stdout, json, "{line}");
    }
    assert_eq!(product.cli("schedule").expect(0).stdout, product.cli("schedule --format md").expect(0).stdout);
    for line in ["schedule --output json --format md", "schedule --output json --format html"] {
        let run = product.cli(line).expect(2);
        assert!(run.stdout.is_empty() && run.stderr.contains("`--output json` is `--format json`"), "{run:#?}");
    }
    product.cli("schedule --format pdf").expect(2);
}

/// Signs of HTML, of Markdown and of tables, line breaks, and what turns the direction of writing.
const HOSTILE: &str =
    "</dd></table><script>alert(1)</script> & \\\" ' | **b** [x](javascript:y) ``` `\\n\\n# h\\r\\n| a |\\u202E\\u0000\\u001B[1m";

#[test]
fn a_value_is_text_whatever_it_says() {
    let product = Product::new(Kind::Sqlite, "").at(NOW);
    product.rules(
        "p",
        &format!(
            "[policy]\nid = \"p\"\ntitle = \"{HOSTILE}\"\nreference = \"{HOSTILE}\"\nowner = \"{HOSTILE}\"\n
             [[rule]]\nid = \"r\"\ncategory = \"{HOSTILE}\"\nsource = \"app\"\nschema = \"{HOSTILE}\"\ntable = \"{HOSTILE}\"\nsubject = \"none\"
             no_subject_reason = \"{HOSTILE}\"\nstart = \"{HOSTILE}\"\nstart_format = \"date\"\nkeep_for = \"1 year\"\naction = \"anonymise\"
             anonymise = {{ \"{HOSTILE}x\" = {{ strategy = \"fixed\", value = \"{HOSTILE}\" }} }}\nretains = [\"{HOSTILE}y\"]\npurpose = \"{HOSTILE}\"
             reason = \"{HOSTILE}\"\nowner = \"{HOSTILE}\"\nwhere = \"a = '<script>|`'\"\ntenant = {{ column = \"{HOSTILE}\", is = \"{HOSTILE}\" }}
             wait_for = [{{ table = \"{HOSTILE}\", on = {{ \"{HOSTILE}z\" = \"{HOSTILE}\" }} }}]\n"
        ),
    );
    let html = document(&product, "html");
    let tame = document(&shop(), "html");
    let tags = |page: &str| {
        let names = page.split('<').skip(1).map(|rest| rest.split(['>', ' ']).next().unwrap_or_default().to_owned());
        names.collect::<std::collections::BTreeSet<String>>()
    };
    assert!(tags(&html).is_subset(&tags(&tame)), "{:?}", tags(&html).difference(&tags(&tame)).collect::<Vec<_>>());
    assert_eq!(html.matches("<table").count(), 1);
    assert_eq!(html.matches("<h2").count(), 2, "that of the remarks and that of the policy");

    let markdown = document(&product, "md");
    assert_eq!(markdown.lines().filter(|line| line.starts_with('#')).count(), 5, "{markdown}");
    for line in markdown.lines().filter(|line| !line.is_empty()) {
        let begins = ["#", "- ", "  - ", "| ", "As of "].iter().any(|begin| line.starts_with(begin));
        assert!(begins, "{line}");
        let (text, codes) = parted(line);
        assert!(!text.contains('<') && !text.contains("](") && !text.contains("**b**"), "{text}");
        if line.starts_with("| ") {
            assert_eq!(bars(line), 7, "{line}");
        } else {
            assert!(codes.iter().all(|code| !code.contains("\\|")), "{line}");
        }
    }
    let turns = |text: &str| text.chars().any(|sign| matches!(sign, '\u{202e}' | '\0' | '\u{1b}'));
    assert!(!turns(&html) && !turns(&markdown));
    let json = product.cli("schedule --output json").expect(0).json();
    assert_eq!(json["policies"][0]["title"].as_str().map(turns), Some(true), "JSON has it as it is");
}

/// What a browser, a printer and a screen reader rely on. The checks of axe-core, which need a browser, are run by hand.
#[test]
fn the_page_stands_alone_and_is_built_to_be_read() {
    let page = document(&swept(), "html");
    assert!(page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">"));
    for needed in
        ["<meta charset=\"utf-8\">", "<meta name=\"viewport\"", "<title>Retention schedule</title>", "<main>", "default-src 'none'"]
    {
        assert_eq!(page.matches(needed).count(), 1, "{needed}");
    }
    for foreign in ["<script", "<link", "<img", "<iframe", "src=", "url(", "@import", "http://", "https://", " on", " style="] {
        // Words of the text may begin so.
        let in_tags = page.split('<').skip(1).filter_map(|rest| rest.split('>').next()).any(|tag| format!("<{tag}").contains(foreign));
        assert!(!in_tags, "{foreign}");
    }
    let style = page.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).expect("a style sheet");
    assert!(!style.contains("url(") && !style.contains("@import") && !style.contains("//"), "{style}");
    for needed in ["prefers-color-scheme: dark", "@media print", "@page", "table-header-group", "max-width: 46rem"] {
        assert!(style.contains(needed), "{needed}");
    }

    // Headings begin with one h1, and none skips a level.
    let levels: Vec<u32> = page.split("<h").skip(1).filter_map(|rest| rest.chars().next()?.to_digit(10)).collect();
    assert_eq!(levels.iter().filter(|level| **level == 1).count(), 1);
    assert!(levels[0] == 1 && levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
    // Tables are called something, and every head says of what it is one.
    assert_eq!(page.matches("<table").count(), page.matches("<caption>").count());
    assert_eq!(page.matches("<th ").count(), page.matches("<th scope=").count());
    assert_eq!(page.matches("<th>").count(), 0);
    // Anchors are there, each once.
    let after = |what: &str| page.split(what).skip(1).filter_map(|rest| rest.split('"').next()).collect::<Vec<_>>();
    let (ids, mut links) = (after(" id=\""), after("href=\"#"));
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    links.extend(after("aria-labelledby=\""));
    assert!(links.len() > 10 && links.iter().all(|link| ids.contains(link)), "{links:?}\n{ids:?}");
    // What is opened is closed.
    for tag in
        ["html", "head", "body", "header", "nav", "main", "section", "article", "table", "thead", "tbody", "tr", "dl", "div", "dt", "dd"]
    {
        let opened = page.matches(&format!("<{tag}>")).count() + page.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, page.matches(&format!("</{tag}>")).count(), "{tag}");
    }
}

/// The policies that come with retentiond, each beside the words that a person would look for.
#[test]
fn the_shipped_policies_can_be_published() {
    let product = Product::new(Kind::Sqlite, CONFIG).at(NOW);
    product.folder.write("pepper.key", "a key of sufficient length");
    for (name, words) in [
        ("aimplan", "Deleted after 6 months"),
        ("aramin", "opt-outs must be honoured"),
        ("aspinix", "contract (Article 6(1)(b) GDPR)"),
        ("aulm", "Deleted after 7 years"),
        ("helpdesk", "the client has asked for deletion"),
    ] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("rules").join(name).join("policy.toml");
        product.rules(name, &fs::read_to_string(path).expect("a policy"));
        for form in ["md", "html", "json"] {
            assert!(document(&product, form).contains(words), "{name}, {form}: {words}");
        }
    }
}

/// Every rule of a report.
fn rules(report: &Value) -> Vec<Value> {
    let array = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let categories = array(&report["policies"]).into_iter().flat_map(|policy| array(&policy["categories"]));
    categories.flat_map(|category| array(&category["rules"])).collect()
}
