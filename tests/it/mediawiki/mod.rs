//! Real input: a MediaWiki whose recent changes, logs, watch-list and addresses end while it is served.
//!
//! Its own installer and scripts make database and content; the test moves some of its timestamps back, lets the daemon
//! run on a schedule of seconds, and then uses the wiki again. On SQLite the wiki writes `YYYYMMDDHHMMSS` as text into
//! columns declared BLOB, on PostgreSQL `timestamptz` in a schema of its own, and one table is named `user`, a reserved
//! word there.
//!
//! A rule acts on one table. So the rule for the watch-list takes the expiry that has passed (`watchlist_expiry`), and the
//! watch itself (`watchlist`, which bears no date) stays, from then on without an end; taking both together is a rule for
//! a parent with dependents. Whose a row of `watchlist_expiry` is stands in the parent too, so its subject is "none".
//!
//! More of the wiki's tables are one more rule and one more [`Ends`].

mod wiki;

use std::collections::BTreeMap;

use self::wiki::{Wiki, address_of};
use crate::support::{
    daemon::{Daemon, EAGER},
    product::{Data, Kind, Product},
};

/// `{schema}`, `{format}` and `{never}` are what differs between the engines.
const RULES: &str = r#"
[policy]
id = "wiki"
title = "What the wiki keeps"

[[rule]]
id = "recent-changes"
category = "recent-changes"
source = "app"
{schema}
table = "recentchanges"
subject = { actor = "rc_actor" }
start = "rc_timestamp"
{format}
keep_for = "90 days"
action = "delete"

[[rule]]
id = "log"
category = "log"
source = "app"
{schema}
table = "logging"
where = "log_type IN ('create', 'newusers')"
subject = { actor = "log_actor" }
start = "log_timestamp"
{format}
never = ["{never}"]
keep_for = "1 year"
action = "delete"

[[rule]]
id = "watch-list"
category = "watch-list"
source = "app"
{schema}
table = "watchlist_expiry"
subject = "none"
no_subject_reason = "it names the watched item only"
start = "we_expiry"
{format}
keep_for = "30 days"
action = "delete"

[[rule]]
id = "addresses"
category = "account"
source = "app"
{schema}
table = "user"
subject = { user = "user_name" }
start = "user_touched"
{format}
keep_for = "2 years"
action = "anonymise"
retains = ["user_password", "user_newpassword", "user_newpass_time", "user_token", "user_registration", "user_editcount", "user_password_expires"]

[rule.anonymise]
user_email = { strategy = "fixed", value = "" }
user_real_name = { strategy = "fixed", value = "" }
user_email_authenticated = "null"
user_email_token = "null"
user_email_token_expires = "null"
"#;

/// What the rule for addresses leaves.
const ANONYMISED: [(&str, &str); 5] = [
    ("user_email", "''"),
    ("user_real_name", "''"),
    ("user_email_authenticated", "NULL"),
    ("user_email_token", "NULL"),
    ("user_email_token_expires", "NULL"),
];

/// The default of `log_timestamp`: nobody wrote down when.
const NEVER: (&str, &str) = ("19700101000000", "1970-01-01 00:00:00+00");

#[test]
fn a_wiki_forgets_and_goes_on_on_sqlite() {
    a_wiki_forgets_and_goes_on(Kind::Sqlite);
}

#[test]
fn a_wiki_forgets_and_goes_on_on_postgresql() {
    a_wiki_forgets_and_goes_on(Kind::Postgres);
}

#[test]
fn a_wiki_forgets_and_goes_on_on_mariadb() {
    a_wiki_forgets_and_goes_on(Kind::Mariadb);
}

fn a_wiki_forgets_and_goes_on(kind: Kind) {
    let (wiki, data) = Wiki::install(kind);
    fill(&wiki);
    age(&data, kind);
    let database = Tables { data: &data, kind };
    let ben = database.text("SELECT CAST(actor_id AS text) FROM {actor} WHERE actor_name = 'Ben'");
    let ends = Ends::all(kind, &ben);

    // What must be left, by SQL that retentiond has no part in.
    let mut expected = database.all_rows();
    for end in &ends {
        let rows = expected.get_mut(end.table).expect("the wiki's table");
        *rows = database.rows(end.table, &format!("NOT ({} AND NOT {})", end.over, end.held), &[]);
        if end.table == "user" {
            rows.extend(database.rows("user", &format!("{} AND NOT {}", end.over, end.held), &ANONYMISED));
            rows.sort();
        }
    }
    let counts: BTreeMap<&str, [i64; 3]> = ends.iter().map(|end| (end.rule, database.counts(end))).collect();

    let product = Product::over(data, EAGER);
    let database = Tables { data: &product.data, kind };
    product.rules("wiki", &rules(kind));
    product.init();
    product.cli("check").expect(0);
    let subjects = ["--subject", "user:Ben", "--subject", &format!("actor:{ben}"), "--accept-uncovered"];
    product.run(["hold", "place", "--matter", "m", "--reason", "r", "--by", "b"].into_iter().chain(subjects)).expect(0);

    let plan = product.cli("plan --output json").expect(0).json();
    for planned in plan["rules"].as_array().expect("rules") {
        let [total, due, held] = counts[planned["rule"].as_str().expect("a name")];
        let rows = &planned["rows"];
        assert_eq!([&rows["total"], &rows["due"], &rows["held"]], [total, due, held], "{planned}");
        assert!(total > due + held && due > 0, "{planned}");
        assert!(held > 0 || planned["rule"] == "wiki/watch-list", "{planned}");
    }

    // The daemon does it, and goes on finding nothing more to do.
    let daemon = Daemon::start(&product);
    for (rule, [_, due, _]) in &counts {
        let label = format!("rule=\"{rule}\"");
        daemon.sees("sweeps_total", &[&label, "outcome=\"nothing_due\""], |sweeps| sweeps >= 1.0);
        assert_eq!(daemon.metric("rows_acted_total", &[&label]), *due as f64, "{rule}");
        assert_eq!(daemon.metric("rule_blocked", &[&label]), 0.0, "{rule}");
    }
    daemon.stop().expect(0);
    product.cli("ledger verify").expect(0);
    let after = database.all_rows();
    for (table, rows) in &expected {
        assert_eq!(&after[table], rows, "{kind:?}: {table}");
    }
    assert_eq!(after.len(), expected.len(), "{kind:?}: {:?}", after.keys());

    use_it(&wiki, expected["recentchanges"].len());
}

/// People, pages, logs and watches, made by the wiki itself.
fn fill(wiki: &Wiki) {
    for name in ["Ada", "Ben", "Cleo"] {
        wiki.register(name);
    }
    for name in ["Ada", "Ben"] {
        wiki.maintain("makeTestEdits", &["--user", name, "--count", "30"], "");
    }
    wiki.maintain("edit", &["--user", "Ada", "--summary", "a beginning", "Analytical engine"], "The ''first'' of its kind.");
    wiki.maintain("protect", &["--user", "Ada", "Main Page"], "");
    let mut ada = wiki.log_in("Ada");
    let token = ada.token("watch");
    ada.api(&[("action", "watch"), ("titles", "Main Page"), ("token", &token)]);
    let pages = [("action", "watch"), ("generator", "allpages"), ("gapfrom", "Page"), ("gaplimit", "24")];
    ada.api(&pages.into_iter().chain([("expiry", "1 week"), ("token", &token)]).collect::<Vec<_>>());
}

/// Lets time pass for some of the rows: up to the day before the end, and from the day after it.
fn age(data: &Data, kind: Kind) {
    let ago = |days| ago(kind, days);
    let by_rest = |table: &str, key: &str, column: &str, ages: &[(u32, u32)], of: u32| {
        let arms: Vec<String> = ages.iter().map(|(rest, days)| format!("WHEN {rest} THEN {}", ago(*days))).collect();
        format!("UPDATE {table} SET {column} = CASE {key} % {of} {} ELSE {column} END;", arms.join(" "))
    };
    let statements = [
        by_rest("{recentchanges}", "rc_id", "rc_timestamp", &[(0, 91), (1, 89), (2, 400)], 4),
        by_rest("{logging}", "log_id", "log_timestamp", &[(0, 367), (1, 364), (2, 2_000)], 4),
        format!("UPDATE {{logging}} SET log_timestamp = '{}' WHERE log_id % 5 = 0;", kind.pick(NEVER.0, NEVER.1, NEVER.0)),
        by_rest("{watchlist_expiry}", "we_item", "we_expiry", &[(0, 31), (1, 29)], 3),
        // One never confirmed her address, and has a real name.
        format!(
            "UPDATE {{user}} SET user_real_name = 'Ada L.', user_email_token = '0123456789abcdef0123456789abcdef',
             user_email_authenticated = NULL, user_email_token_expires = {} WHERE user_name = 'Ada';",
            ago(1_000)
        ),
        format!("UPDATE {{user}} SET user_touched = {} WHERE user_name IN ('Ada', 'Ben', 'MediaWiki default');", ago(732)),
        format!("UPDATE {{user}} SET user_touched = {} WHERE user_name = 'Cleo';", ago(729)),
    ];
    data.execute(&named(kind, &statements.concat()));
}

/// What a rule is to find, as conditions in SQL.
struct Ends {
    rule: &'static str,
    table: &'static str,
    /// The period has passed, and the rule has something to do.
    over: String,
    /// It is Ben's.
    held: String,
}

impl Ends {
    /// Of every rule, where `ben` is the actor who is held.
    fn all(kind: Kind, ben: &str) -> [Self; 4] {
        let never = kind.pick(NEVER.0, NEVER.1, NEVER.0);
        let ends = |rule, table, over, held| Self { rule, table, over, held };
        [
            ends("wiki/recent-changes", "recentchanges", format!("(rc_timestamp < {})", ago(kind, 90)), format!("(rc_actor = {ben})")),
            ends(
                "wiki/log",
                "logging",
                format!("(log_timestamp < {} AND log_timestamp <> '{never}' AND log_type IN ('create', 'newusers'))", ago(kind, 366)),
                format!("(log_actor = {ben})"),
            ),
            ends("wiki/watch-list", "watchlist_expiry", format!("(we_expiry < {})", ago(kind, 30)), "(0 = 1)".to_owned()),
            ends(
                "wiki/addresses",
                "user",
                format!("(user_touched < {} AND user_email <> '')", ago(kind, 731)),
                "(user_name = 'Ben')".to_owned(),
            ),
        ]
    }
}

/// The wiki still serves its pages and knows its people, and what is new comes to what was left.
fn use_it(wiki: &Wiki, recent_changes: usize) {
    assert!(wiki.page("Main_Page").contains("MediaWiki has been installed"));
    assert!(wiki.page("Analytical_engine").contains("The <i>first</i> of its kind."));
    let whoami = [("action", "query"), ("meta", "userinfo"), ("uiprop", "email")];
    let ben = wiki.log_in("Ben").api(&whoami);
    assert_eq!(ben["query"]["userinfo"]["email"], address_of("Ben"), "{ben}");
    let mut ada = wiki.log_in("Ada");
    let whoami = ada.api(&whoami);
    let whoami = &whoami["query"]["userinfo"];
    assert_eq!([&whoami["name"], &whoami["email"]], ["Ada", ""], "{whoami}");

    let token = ada.token("csrf");
    let edit = ada.api(&[("action", "edit"), ("title", "Analytical engine"), ("appendtext", "\n\nAnd the last."), ("token", &token)]);
    assert_eq!(edit["edit"]["result"], "Success", "{edit}");
    assert!(wiki.page("Analytical_engine").contains("And the last."));
    let changes = ada.api(&[("action", "query"), ("list", "recentchanges"), ("rclimit", "max"), ("rcprop", "title")]);
    let changes = changes["query"]["recentchanges"].as_array().expect("a list").clone();
    assert_eq!((changes.len(), changes[0]["title"].as_str()), (recent_changes + 1, Some("Analytical engine")), "{changes:?}");
}

fn rules(kind: Kind) -> String {
    let rules = RULES.replace("{schema}", kind.pick("", "schema = \"mediawiki\"", ""));
    let rules = rules.replace("{format}", kind.pick("start_format = \"compact\"", "", "start_format = \"compact\""));
    rules.replace("{never}", kind.pick(NEVER.0, NEVER.1, NEVER.0))
}

/// The time so many days ago, as the wiki writes it.
fn ago(kind: Kind, days: u32) -> String {
    match kind {
        Kind::Sqlite => format!("strftime('%Y%m%d%H%M%S', 'now', '-{days} days')"),
        Kind::Postgres => format!("(now() - interval '{days} days')"),
        Kind::Mariadb => format!("date_format(utc_timestamp() - interval {days} day, '%Y%m%d%H%i%s')"),
    }
}

/// Puts the engine's name for a table where its name stands in braces.
fn named(kind: Kind, sql: &str) -> String {
    sql.replace('{', kind.pick("\"", "mediawiki.\"", "\"")).replace('}', "\"")
}

/// The wiki's tables, read past retentiond.
struct Tables<'d> {
    data: &'d Data,
    kind: Kind,
}

impl Tables<'_> {
    fn text(&self, query: &str) -> String {
        self.data.column(&named(self.kind, query)).remove(0)
    }

    /// Rows in all, due, and held beyond their end.
    fn counts(&self, Ends { table, over, held, .. }: &Ends) -> [i64; 3] {
        let conditions = ["1 = 1", &format!("{over} AND NOT {held}"), &format!("{over} AND {held}")];
        conditions.map(|condition| self.data.number(&named(self.kind, &format!("SELECT count(*) FROM {{{table}}} WHERE {condition}"))))
    }

    /// Every row of every table of the wiki.
    fn all_rows(&self) -> BTreeMap<String, Vec<String>> {
        let tables = self.data.column(self.kind.pick(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'retentiond%'",
            "SELECT CAST(table_name AS text) FROM information_schema.tables WHERE table_schema = 'mediawiki'",
            "SELECT CAST(table_name AS text) FROM information_schema.tables WHERE table_schema = database()",
        ));
        let columns = self.data.columns(&tables.iter().map(|table| self.names_of_columns(table)).collect::<Vec<_>>());
        let rows = tables.iter().zip(&columns).map(|(table, columns)| self.texts_of_rows(table, columns, "1 = 1", &[]));
        let rows = self.data.columns(&rows.collect::<Vec<_>>());
        tables.into_iter().zip(rows).map(|(table, rows)| (table, sorted(rows))).collect()
    }

    /// The rows that meet a condition, as sorted texts that show every value; some columns with another value than they have.
    fn rows(&self, table: &str, condition: &str, instead: &[(&str, &str)]) -> Vec<String> {
        let columns = self.data.column(&self.names_of_columns(table));
        sorted(self.data.column(&self.texts_of_rows(table, &columns, condition, instead)))
    }

    fn names_of_columns(&self, table: &str) -> String {
        match self.kind {
            Kind::Sqlite => format!("SELECT name FROM pragma_table_info('{table}')"),
            Kind::Postgres | Kind::Mariadb => format!(
                "SELECT CAST(column_name AS text) FROM information_schema.columns
                 WHERE table_schema = {} AND table_name = '{table}' ORDER BY ordinal_position",
                self.kind.pick("", "'mediawiki'", "database()")
            ),
        }
    }

    fn texts_of_rows(&self, table: &str, columns: &[String], condition: &str, instead: &[(&str, &str)]) -> String {
        let values = columns.iter().map(|column| {
            let instead = instead.iter().find(|(name, _)| name == column);
            let value = instead.map_or_else(|| format!("\"{column}\""), |(_, value)| format!("CAST({value} AS text)"));
            // What MediaWiki writes to MariaDB is bytes.
            self.kind.pick("quote({})", "quote_nullable({})", "quote(hex({}))").replace("{}", &value)
        });
        let values = values.collect::<Vec<_>>().join(" || ' ' || ");
        format!("SELECT {values} {}", named(self.kind, &format!("FROM {{{table}}} WHERE {condition}")))
    }
}

fn sorted(mut rows: Vec<String>) -> Vec<String> {
    rows.sort();
    rows
}
