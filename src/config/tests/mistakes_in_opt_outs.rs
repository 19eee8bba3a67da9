//! What is said of `suppress`.

use super::RULES;
use super::mistakes::{
    Case::{Changed, Rules},
    assert_mistakes,
};

#[test]
fn mistakes_in_opt_outs() {
    const HASHED: &str = "{ from = \"email\", strategy = \"hmac\", key = \"pepper\" }";
    let with = |rest: &str| RULES.replace("\"delete\"", &format!("\"delete\"\n{rest}"));
    let keeping =
        RULES.replace("\"delete\"", &format!("\"keep\"\nreason = \"r\"\nsuppress = {{ table = \"o\", columns = {{ h = {HASHED} }} }}"));
    let dropping = with(&format!("partitions = \"drop\"\nsuppress = {{ table = \"o\", columns = {{ h = {HASHED} }} }}"));
    let anonymised = |strategy: &str, rest: &str| {
        let rule = RULES[RULES.find("[[rule]]").expect("a rule")..].replace("\"logs\"\ncategory", "\"mail\"\ncategory");
        let rule = rule
            .replace("\"2 years\"", "\"1 year\"")
            .replace("\"delete\"", &format!("\"anonymise\"\nanonymise = {{ email = {strategy} }}"));
        with(&format!("suppress = {{ table = \"o\", columns = {{ h = {HASHED} }} }}\n{rest}{rule}"))
    };
    let (other, same) = (anonymised("\"mask\"", ""), anonymised("{ strategy = \"hmac\", key = \"pepper\" }", "unknown = 1\n"));
    assert_mistakes(
        "mistakes_in_opt_outs",
        &[
            Changed("\"delete\"", "\"delete\"\nsuppress = \"suppressions\""),
            Changed("\"delete\"", "\"delete\"\nsuppress = { tabel = \"o\" }"),
            Changed("\"delete\"", "\"delete\"\nsuppress = { table = \"o\", columns = {} }"),
            Changed("\"delete\"", "\"delete\"\nsuppress = { table = \"o\", columns = [\"h\"] }"),
            Changed("\"delete\"", "\"delete\"\nsuppress = { table = \"o\", columns = { h = \"email\" } }"),
            Changed("\"delete\"", "\"delete\"\nsuppress = { table = \"o\", columns = { h = { from = \"email\", strategy = \"mask\" } } }"),
            Changed("\"delete\"", "\"delete\"\nsuppress = { table = \"o\", columns = { h = { from = \"email\", strategy = \"hmac\" } } }"),
            Changed(
                "\"delete\"",
                "\"delete\"\nsuppress = { table = \"o\", columns = { h = { from = \"e\", strategy = \"hmac\", key = \"peper\" } } }",
            ),
            Changed("\"delete\"", "\"delete\"\nsuppress = { table = \"o\", columns = { h = { from = \"email\", key = \"pepper\" } } }"),
            Changed("\"delete\"", "\"delete\"\nsuppress = { table = \"o\", columns = { h = { fixed = \"x\", key = \"pepper\" } } }"),
            Changed(
                "\"delete\"",
                "\"delete\"\nsuppress = { table = \"o\", columns = { h = { from = \"email\", fixed = \"x\" }, n = { now = false } } }",
            ),
            Changed("\"delete\"", "\"delete\"\nsuppress = { table = \"o\", columns = { n = { now = true } } }"),
            Rules(keeping.leak()),
            Rules(dropping.leak()),
            Rules(other.leak()),
            Rules(same.leak()),
        ],
    );
}
