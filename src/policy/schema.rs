//! The rule language as a JSON Schema: `retentiond schema rules`.
//!
//! What a value may be is taken from where it is read, wherever that is a list; that no key is missing here, and none too
//! many, is tested against the reader. A new key of a rule is a line in `rule`.

use serde_json::{Value, json};

use super::{
    Basis, Evidence, OnErasure, Residue, StartFormat,
    limits::PACES,
    raw::{FIRST_SWEEPS, MODES, PARTITIONS, STARTS_AT, THENS},
};
use crate::diagnostic::schema::{Key, any, boolean, document, duration, integer, key, list, named, pattern, table, text, word};

/// Names of rules and policies.
const IDENTIFIER: &str = "^[a-z0-9][a-z0-9-]*$";

/// The schema of a rule file.
pub fn schema() -> Value {
    let policy = table(
        &["id"],
        vec![
            key("id", "Names the policy; its rules are called <policy>/<rule> everywhere", pattern(IDENTIFIER)),
            key("title", "The document that the rules come from", text()),
            key("reference", "Which version of it", text()),
            key("owner", "Who answers for it", text()),
            key("reviewed", "When somebody last compared the rules with it", json!({ "type": "string", "format": "date" })),
        ],
    );
    let shared = table(&[], rule().into_iter().filter(|(name, _)| !matches!(*name, "id" | "category")).collect());
    let file = table(
        &["policy"],
        vec![
            key("policy", "What the rules of this file come from", policy),
            key("category", "What the rules of a category in this file share", named(shared)),
            key("identity", "Kinds of subject that belong together, and the table that tells", list(identity())),
            key("rule", "A rule: which rows, from when, for how long, and then what", list(table(&["id", "category"], rule()))),
        ],
    );
    let mut schema = document("retentiond rules", file);
    // By name, because it lies within itself.
    schema["definitions"] = json!({ "dependent": dependent() });
    schema
}

/// A table whose rows go with those of another.
fn dependent() -> Value {
    table(
        &["table", "on", "then"],
        vec![
            key("schema", "The table's schema", text()),
            key("table", "The table whose rows go along", text()),
            key("on", "A column of the table above = the one of this table that names it", named(text())),
            key("where", "Which of them go: one boolean expression; a row that does not go keeps the one that a foreign key names", text()),
            key("then", "What happens to them; \"detach\" makes the referring columns NULL", word(THENS.map(|(word, _)| word))),
            key("anonymise", "COLUMN = strategy", named(strategy())),
            key("anonymize", "The same as `anonymise`", named(strategy())),
            key("unlinks", "Says that a column that changes names a subject", boolean()),
            key("dependents", "What goes with these", list(json!({ "$ref": "#/definitions/dependent" }))),
        ],
    )
}

/// An identity.
fn identity() -> Value {
    table(
        &["source", "table", "columns"],
        vec![
            key("source", "The database: [sources.NAME] in retentiond.toml", text()),
            key("schema", "The table's schema", text()),
            key("table", "A row of it names one person in several ways", text()),
            key("columns", "KIND = column", named(text())),
        ],
    )
}

/// Every key of a rule.
fn rule() -> Vec<Key> {
    let mut keys = vec![
        key("id", "Names the rule within its policy", pattern(IDENTIFIER)),
        key("category", "The category of data; what it shares stands in [category.NAME]", text()),
        key("source", "The database: [sources.NAME] in retentiond.toml", text()),
        key("schema", "The table's schema, where it is not the first that has the table", text()),
        key("table", "The table, as the catalogue has it", text()),
        key("key", "Columns that name a row, where the table has no primary key", list(text())),
        key("where", "One boolean expression on the row, in the source's dialect", text()),
        key(
            "tenant",
            "Only rows of one tenant",
            table(
                &["column", "is"],
                vec![
                    key("column", "The column that names the tenant", text()),
                    key("is", "Its value, compared in the column's own type", json!({ "type": ["string", "integer"] })),
                ],
            ),
        ),
        key(
            "subject",
            "Whose row it is: kind = column; \"none\" needs a `no_subject_reason`",
            any(vec![word(["none"]), named(any(vec![text(), table(&["column"], column_at())]))]),
        ),
        key("no_subject_reason", "Why the rows are nobody's", text()),
        key("on_null_subject", "Whether a row whose subject is NULL may be anybody's, and is held with them", word(["nobody", "hold"])),
        key("start", "The column that the period counts from, or the latest or earliest of several", start()),
        key("start_format", "How that column writes a time, where its type doesn't say it", word(StartFormat::ALL.map(StartFormat::name))),
        key("never", "Values that mean \"no date\"", list(json!({ "type": ["string", "integer"] }))),
        key(
            "start_at",
            "Where the period begins, if not at the start: at the end of its month or year",
            word(STARTS_AT.map(|(word, _)| word)),
        ),
        key("fiscal_year_start", "The day on which years begin: \"05-01\"", pattern("^[0-9]{2}-[0-9]{2}$")),
        key("keep_for", "The period: \"3 years\", \"1 year 6 months\", \"P7Y\", \"0 days\"; or a column that says it", keep_for()),
        key(
            "ends",
            "Instead of `start` and `keep_for`: the earliest or latest of several ends",
            several(&["earliest", "latest"], &list(end())),
        ),
        key("floor", "A legal minimum from the same start; the later end wins", text()),
        key("timezone", "IANA name of the zone that periods and the schedule are counted in", text()),
        key("overrides", "Rules that don't count for the rows that this one matches; needs a `where` or a `tenant`", list(text())),
        key("action", "What happens when the period has passed", word(["delete", "anonymise", "anonymize", "keep"])),
        key("anonymise", "COLUMN = strategy", named(strategy())),
        key("anonymize", "The same as `anonymise`", named(strategy())),
        key("mark", "A column that is set when a row is anonymised, and decides alone whether it is done", text()),
        key("retains", "Columns that stay as they are on purpose", list(text())),
        key(
            "triggers",
            "Triggers that may fire, each with the reason why",
            list(table(
                &["name", "reason"],
                vec![key("name", "As the catalogue has it", text()), key("reason", "Why it does no harm", text())],
            )),
        ),
        key(
            "wait_for",
            "Not while these tables have rows that belong to the row",
            list(table(
                &["table", "on"],
                vec![
                    key("schema", "The other table's schema", text()),
                    key("table", "The other table", text()),
                    key("on", "This table's column = that one's", named(text())),
                ],
            )),
        ),
        key(
            "suppress",
            "Written to another table in the transaction that deletes the row",
            table(
                &["table", "columns"],
                vec![
                    key("schema", "The other table's schema", text()),
                    key("table", "The other table; a unique key of it tells which entries it has", text()),
                    key("columns", "Its columns, each with what it gets", named(opt_out())),
                ],
            ),
        ),
        key(
            "dependents",
            "What goes with the rule's rows: children first, in the same transaction",
            list(json!({ "$ref": "#/definitions/dependent" })),
        ),
        key(
            "archive",
            "Rows are copied there, synced and read back before they go",
            table(
                &["to", "keep_for"],
                vec![
                    key("to", "A folder that exists: \"file:///srv/archive\"", pattern("^file:///.")),
                    key("keep_for", "How long a copy stays, from when it was made", text()),
                ],
            ),
        ),
        key("residue", "What becomes of the bytes that rows leave behind", word(Residue::ALL.map(|(word, _)| word))),
        key("evidence", "What the ledger keeps of the rows: how many, or keyed digests besides", word(Evidence::ALL.map(|(word, _)| word))),
        key("partitions", "Partitions that are due as a whole are dropped", word(PARTITIONS.map(|(word, _)| word))),
        key("unlinks", "Says that the subject's own column is anonymised", boolean()),
        key("schedule", "When it is swept: cron, five fields, or six with seconds", text()),
        key("window", "When it may be swept: \"01:00-05:30\"; narrows the source's", pattern("^[0-9]{2}:[0-9]{2}-[0-9]{2}:[0-9]{2}$")),
        key("limits", "Limits narrower than the source's", table(&[], limits())),
        key("reason", "Why rows are kept", text()),
        key("on_erasure", "What a confirmed request for erasure does to the rows", word(OnErasure::ALL.map(|(word, _)| word))),
        key("basis", "The legal basis", word(Basis::ALL.map(|(word, _)| word))),
        key("purpose", "What the data are for", text()),
        key("owner", "Who answers for the rule", text()),
    ];
    keys.extend(guards());
    keys
}

/// A column that may be in another table.
fn column_at() -> Vec<Key> {
    vec![
        key("column", "The column; of a chain, the table with the next lookup", json!({ "type": ["string", "object"] })),
        key("schema", "The other table's schema", text()),
        key("table", "The table where the column is, if it is another one", text()),
        key("on", "This table's column = that one's", named(text())),
    ]
}

/// One date of a start.
fn date() -> Vec<Key> {
    let mut keys = column_at();
    keys.extend([
        key("start_format", "How this column writes a time", word(StartFormat::ALL.map(StartFormat::name))),
        key("never", "Values of this column that mean \"no date\"", list(json!({ "type": ["string", "integer"] }))),
        key("optional", "It may be missing: then the other dates decide", boolean()),
    ]);
    keys
}

fn start() -> Value {
    let dates = list(any(vec![text(), table(&["column"], date())]));
    let mut one = date();
    one.extend(several_keys(&dates));
    any(vec![text(), table(&[], one)])
}

fn several_keys(of: &Value) -> [Key; 2] {
    [key("latest", "The latest of these counts", of.clone()), key("earliest", "The earliest of these counts", of.clone())]
}

fn several(words: &[&str], of: &Value) -> Value {
    table(&[], several_keys(of).into_iter().filter(|(word, _)| words.contains(word)).collect())
}

fn keep_for() -> Value {
    let mut setting = column_at();
    setting.extend([
        key("unit", "What the column's numbers count", word(super::SettingUnit::ALL.map(|(word, _)| word))),
        key("default", "The period where nothing is set", text()),
        key("min", "No setting is shorter", text()),
        key("max", "No setting is longer", text()),
        key("forever", "Numbers that mean \"for ever\"", list(json!({ "type": "integer" }))),
    ]);
    any(vec![text(), table(&["column", "unit"], setting)])
}

/// One of several ends.
fn end() -> Value {
    let mut keys = date();
    keys.extend([
        key("start", "What the period counts from", start()),
        key("start_at", "Where the period begins, if not at the start", word(STARTS_AT.map(|(word, _)| word))),
        key("fiscal_year_start", "The day on which years begin", pattern("^[0-9]{2}-[0-9]{2}$")),
        key("keep_for", "The period from there", keep_for()),
    ]);
    table(&[], keys)
}

/// What a rule may say for itself, and `[defaults]` for those that don't.
pub fn guards() -> [Key; 3] {
    [
        key("mode", "\"observe\" plans and reports, and changes nothing", word(MODES.map(|(word, _)| word))),
        key("first_sweep", "Whether a new or changed rule waits for a person", word(FIRST_SWEEPS.map(|(word, _)| word))),
        key(
            "max_share",
            "More of a table than this in one sweep waits for a person",
            json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        ),
    ]
}

/// The limits that a source has and a rule may narrow.
pub fn limits() -> Vec<Key> {
    vec![
        key("max_batch_rows", "Never more rows in one transaction", integer(1, 1_000_000)),
        key("target_batch_time", "Batches grow and shrink towards it", duration()),
        key("pace", "\"gentle\" pauses between batches", word(PACES.map(|(word, _)| word))),
        key("max_rows_per_second", "A fixed limit; pacing still applies", integer(1, 1_000_000_000)),
    ]
}

/// A column of an opt-out: one of `from`, `fixed` and `now`.
fn opt_out() -> Value {
    table(
        &[],
        vec![
            key("from", "The column of the row that goes", text()),
            key("strategy", "Hashed with a key, or else as it is", word(["hmac"])),
            key("key", "The secret: [keys.NAME] in retentiond.toml", text()),
            key("normalise", "What is done to the text before", word(["email"])),
            key("fixed", "The same for every row", json!({ "type": "string" })),
            key("now", "When the row was deleted", boolean()),
        ],
    )
}

/// A word, or a table with the word and its settings.
fn strategy() -> Value {
    let settings = |name: &str, required: &[&str], mut keys: Vec<Key>| {
        keys.push(key("strategy", "Its name", word([name])));
        table(&[&["strategy"], required].concat(), keys)
    };
    let secret = || key("key", "The secret: [keys.NAME] in retentiond.toml", text());
    any(vec![
        word(["null", "random", "truncate_ip", "mask"]),
        settings("null", &[], vec![]),
        settings("random", &[], vec![]),
        settings("mask", &[], vec![]),
        settings(
            "fixed",
            &["value"],
            vec![key("value", "What every row gets", json!({ "type": "string" })), key("replace_null", "NULL gets it too", boolean())],
        ),
        settings("hmac", &["key"], vec![secret(), key("normalise", "What is done to the text before", word(["email"]))]),
        settings(
            "truncate_ip",
            &[],
            vec![
                key("v4", "Bits of an IPv4 address that stay", json!({ "enum": [8, 16, 24] })),
                key("v6", "Bits of an IPv6 address that stay", json!({ "enum": [16, 32, 48, 64] })),
            ],
        ),
        settings("date_trunc", &["unit"], vec![key("unit", "What stays of the time", word(super::Unit::ALL.map(|(word, _)| word)))]),
        settings("round", &["to"], vec![key("to", "Values become multiples of it", integer(1, 1_000_000_000_000))]),
        settings("json", &["paths"], vec![key("paths", "Places in the document, each with its strategy", json!({ "type": "object" }))]),
    ])
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;
    use crate::{
        diagnostic::{SourceFile, fields::assert_said},
        policy::raw::RawFile,
    };

    #[test]
    fn it_has_exactly_the_keys_that_are_read() {
        let text = "[policy]\nid = \"p\"\n[category.c]\n[[rule]]\nlimits = {}\ntriggers = [{}]\nwait_for = [{}]\ndependents = [{}]\narchive = {}\ntenant = {}\nsuppress = { columns = { c = {} } }\nid = \"r\"\n[[identity]]\n";
        RawFile::read(&SourceFile::new("rules.toml", text), &RefCell::default());
        let rule = "/properties/rule/items";
        assert_said(
            &schema(),
            &[
                ("a rule file", ""),
                ("`policy`", "/properties/policy"),
                ("a rule", rule),
                ("an identity", "/properties/identity/items"),
                ("`limits`", &format!("{rule}/properties/limits")),
                ("`archive`", &format!("{rule}/properties/archive")),
                ("`tenant`", &format!("{rule}/properties/tenant")),
                ("`suppress`", &format!("{rule}/properties/suppress")),
                ("the column `c`", &format!("{rule}/properties/suppress/properties/columns/additionalProperties")),
                ("a trigger in `triggers`", &format!("{rule}/properties/triggers/items")),
                ("a table in `dependents`", "/definitions/dependent"),
                ("a table in `wait_for`", &format!("{rule}/properties/wait_for/items")),
            ],
        );
    }
}
