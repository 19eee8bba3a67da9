//! What is said of `evidence`.

use super::RULES;
use super::mistakes::{
    Case::{Changed, Rules},
    assert_mistakes,
};

#[test]
fn mistakes_in_evidence() {
    let with = |action: &str| RULES.replace("\"delete\"", action);
    let kept = with("\"keep\"\nreason = \"r\"\nevidence = \"row\"");
    let dropped = with("\"delete\"\npartitions = \"drop\"\nevidence = \"row\"");
    let whose = |subject: &str| with("\"delete\"\nevidence = \"subject\"").replace("subject = { account = \"account_id\" }", subject);
    let nobodys = whose("subject = \"none\"\nno_subject_reason = \"r\"");
    let looked_up = whose("subject = { account = { column = \"owner\", table = \"mail\", on = { mail_id = \"id\" } } }");
    assert_mistakes(
        "mistakes_in_evidence",
        &[
            Changed("\"delete\"", "\"delete\"\nevidence = \"rows\""),
            Changed("\"delete\"", "\"delete\"\nevidence = true"),
            Changed("\"delete\"", "\"delete\"\nevidence = \"subject\""),
            Changed("\"delete\"", "\"delete\"\nevidence = \"row\"\nsuppress = { table = \"o\", columns = { h = { from = \"email\" } } }"),
            Rules(kept.leak()),
            Rules(dropped.leak()),
            Rules(nobodys.leak()),
            Rules(looked_up.leak()),
        ],
    );
}
