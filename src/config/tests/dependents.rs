//! Mistakes in what goes with a rule's rows.

use super::{
    RULES,
    mistakes::{Case, assert_mistakes},
};

#[test]
fn mistakes_in_dependents() {
    let with = |dependents: &str| RULES.replace("\"delete\"", &format!("\"delete\"\ndependents = {dependents}"));
    let lines = "[{ table = \"lines\", on = { id = \"log\" }, then = \"delete\" }]";
    let texts = [
        with("{}"),
        with("[{}, { tabel = \"x\", table = \"lines\", on = {}, then = \"drop\" }]"),
        with(lines).replace("\"sent_at\"", "{ column = \"at\", table = \"lines\", on = { id = \"log\" } }"),
        with(lines).replace("{ account = \"account_id\" }", "{ account = { column = \"who\", table = \"lines\", on = { id = \"log\" } } }"),
        with("[{ table = \"logs\", on = { id = \"parent\" }, then = \"delete\" }]"),
        with(
            "[{ table = \"lines\", on = { id = \"log\" }, then = \"delete\", dependents = [{ table = \"logs\", on = { id = \"line\" }, then = \"detach\" }] }]",
        ),
        with(
            "[{ table = \"lines\", on = { id = \"log\" }, then = \"delete\", where = \"now() > at\", unlinks = true, anonymise = { ip = \"null\" } }]",
        ),
        with("[{ table = \"lines\", on = { id = \"log\" }, then = \"anonymise\" }]"),
        with(
            "[{ table = \"lines\", on = { id = \"log\" }, then = \"anonymise\", anonymise = { a = \"random\", b = { strategy = \"hmac\", key = \"peper\" } } }]",
        ),
        with(lines).replace("\"delete\"\ndependents", "\"keep\"\nreason = \"law\"\ndependents"),
        format!(
            "{}\n[[rule]]\nid = \"lines\"\ncategory = \"logs\"\nsource = \"app\"\ntable = \"lines\"\nsubject = \"none\"\nno_subject_reason = \"r\"\n\
             start = \"at\"\nkeep_for = \"1 day\"\naction = \"anonymise\"\nanonymise = {{ log = \"null\" }}\n",
            with(lines)
        ),
    ];
    assert_mistakes("mistakes_in_dependents", &texts.map(|text| Case::Rules(String::leak(text))));
}
