//! What is said of keys by which rows end, and of what they read in other tables.

use super::RULES;
use super::mistakes::{
    ANONYMISE,
    Case::{Changed, Rules},
    assert_mistakes,
};

#[test]
fn mistakes_in_lookups() {
    assert_mistakes(
        "mistakes_in_lookups",
        &[
            Changed("\"sent_at\"", "7"),
            Changed("\"sent_at\"", "{ latest = [] }"),
            Changed("\"sent_at\"", "{ latest = \"a\" }"),
            Changed("\"sent_at\"", "{ earliest = [\"a\", { column = \"b\", optional = true }] }"),
            Changed("\"sent_at\"", "{ column = \"a\", optional = true }"),
            Changed("\"sent_at\"", "{ table = \"accounts\" }"),
            Changed("\"sent_at\"", "{ column = \"a\", table = \"accounts\", on = {} }"),
            Changed("\"sent_at\"", "{ column = \"a\", tabel = \"accounts\", on = { b = \"id\" } }"),
            Changed("\"sent_at\"", "{ column = { column = \"a\", table = \"x\", on = { b = \"id\" } } }"),
            Changed(
                "\"sent_at\"",
                "{ table = \"x\", on = { b = \"id\" }, column = { table = \"y\", on = { b = \"id\" }, column = { table = \"z\", on = { b = \"id\" }, column = \"a\" } } }",
            ),
            Changed("\"2 years\"", "{ column = \"days\", unit = \"day\", default = \"1 yera\", forever = [\"x\", 1.5] }"),
            Changed("\"2 years\"", "{ column = \"days\" }"),
            Changed("\"2 years\"", "{ column = \"days\", unit = \"days\", min = \"2 years\", max = \"1 year\", default = \"3 years\" }"),
            Changed("\"2 years\"", "\"2 years\"\nends = { earliest = [{ column = \"purge_on\" }] }\nfloor = \"1 year\""),
            Changed("start = \"sent_at\"\nkeep_for = \"2 years\"\n", "ends = {}\n"),
            Changed(
                "start = \"sent_at\"\nkeep_for = \"2 years\"\n",
                "ends = { latest = [{ start = \"a\" }, { start = \"b\", column = \"c\", keep_for = \"1 day\" }, {}] }\n",
            ),
            Changed(
                "start = \"sent_at\"\nkeep_for = \"2 years\"\n",
                "ends = { latest = [{ column = \"c\" }, { start = { earliest = [\"a\", \"b\"] }, keep_for = \"1 day\", optional = true }] }\n",
            ),
            Changed("{ account = \"account_id\" }", "{ account = { column = \"id\", on = { account_id = \"id\" } } }"),
        ],
    );
}

#[test]
fn mistakes_in_time_and_waits() {
    let with = |rest: &str| RULES.replace("\"delete\"", &format!("\"delete\"\n{rest}"));
    let customers = RULES[RULES.find("[[rule]]").expect("a rule")..].replace("\"logs\"", "\"customers\"");
    let texts = [
        with("start_at = \"end_of_yaer\"\nfiscal_year_start = \"5-1\""),
        with("start_at = \"end_of_month\"\nfiscal_year_start = \"02-29\""),
        with("start_at = \"end_of_month\"\nfiscal_year_start = \"05-01\""),
        with("start_at = \"end_of_month\"")
            .replace("start = \"sent_at\"\nkeep_for = \"2 years\"\naction = \"delete\"", "action = \"keep\"\nreason = \"law\""),
        with("wait_for = { table = \"invoices\" }"),
        with("tenant = \"acme\"\noverrides = [\"other\"]"),
        with("tenant = { column = \"\", is = 1.5 }"),
        with(
            "tenant = { column = \"tenant_id\", is = 10000000000000000000 }\ntriggers = [{ name = \"a\" }, { name = \"a\", reason = \"r\" }]",
        ),
        with("triggers = [{ name = \"a\", reason = \"r\" }]").replace("\"delete\"", "\"keep\"\nreason = \"law\""),
        with("tenant = { colum = \"tenant_id\", is = \"\" }"),
        format!("{RULES}tenant = {{ column = \"ip\", is = \"y\" }}\n{ANONYMISE}anonymise = {{ ip = \"null\" }}\n"),
        with("wait_for = [{ table = \"invoices\" }, { on = {} }, { tabel = \"x\", table = \"\", on = { id = 1 } }]"),
        with("wait_for = [{ table = \"invoices\", on = { id = \"customer\" } }]").replace("\"delete\"", "\"keep\"\nreason = \"law\""),
        format!(
            "{RULES}{ANONYMISE}anonymise = {{ ip = \"null\" }}\n{customers}wait_for = [{{ table = \"logs\", on = {{ account_id = \"ip\" }} }}]\n"
        ),
        format!("{RULES}wait_for = [{{ table = \"x\", on = {{ ip = \"y\" }} }}]\n{ANONYMISE}anonymise = {{ ip = \"null\" }}\n"),
        with("on_erasure = \"anonymise\""),
        with("on_erasure = \"delete\"")
            .replace("start = \"sent_at\"\nkeep_for = \"2 years\"\naction = \"delete\"", "action = \"keep\"\nreason = \"law\""),
        format!(
            "{RULES}[[identity]]\nsource = \"ap\"\ntable = \"people\"\ncolumns = {{ account = \"id\", mail = \"mail\" }}\n[[identity]]\ncolumns = {{ account = \"id\" }}\n"
        ),
        // What a lookup reads is changed, or goes, in the other table.
        format!(
            "{RULES}{}",
            customers
                .replace("\"customers\"", "\"letters\"")
                .replace("id = \"logs\"", "id = \"letters\"")
                .replace("\"sent_at\"", "{ column = \"sent_at\", table = \"logs\", on = { log = \"id\" } }",)
        ),
        format!(
            "{RULES}{ANONYMISE}anonymise = {{ ip = \"null\", name = \"null\" }}\n{}",
            customers
                .replace("id = \"logs\"", "id = \"customers\"")
                .replace("\"sent_at\"", "{ column = \"ip\", table = \"logs\", on = { log = \"name\" } }",)
        ),
    ];
    assert_mistakes("mistakes_in_time_and_waits", &texts.map(|text| Rules(String::leak(text))));
}
