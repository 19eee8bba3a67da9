//! One name for another in a text that is written already: the rule's table goes by `t` in every part of a predicate, and
//! where a predicate becomes a question about another table's rows, it has to go by another name.

use super::{qualified, selection::TableRef};
use crate::policy::Dialect;

/// The text with another alias wherever the alias `t` stands.
pub(super) fn renamed(text: &str, alias: &str) -> String {
    outside_quotes(text, |rest, before| {
        let is_alias = rest.starts_with("t.") && !before.is_some_and(|sign| sign.is_alphanumeric() || matches!(sign, '_' | '.' | '"'));
        is_alias.then(|| (format!("{alias}."), 2))
    })
}

/// Names the table in full wherever the alias `t` stands: MariaDB knows no alias in a DELETE from one table, and the
/// DELETE from several, which does, can't look at its own table in a subquery. No table or alias in a subquery of ours
/// is of that name in that schema unless it means the same table.
pub(super) fn without_alias(text: &str, table: &TableRef) -> String {
    renamed(text, &qualified(Dialect::Mysql, table))
}

/// Rewrites what is neither in a literal nor in a quoted name: `replace` gets the rest of the text and the sign before
/// it, and says what stands for how many of its bytes.
pub(super) fn outside_quotes(text: &str, mut replace: impl FnMut(&str, Option<char>) -> Option<(String, usize)>) -> String {
    let mut written = String::with_capacity(text.len());
    let (mut at, mut quote, mut before) = (0, None, None);
    while let Some(sign) = text[at..].chars().next() {
        match quote {
            // A doubled quote closes and opens again, with nothing between.
            Some(open) if sign == open => quote = None,
            Some(_) => {}
            None => {
                if let Some((new, length)) = replace(&text[at..], before) {
                    before = new.chars().next_back();
                    written.push_str(&new);
                    at += length;
                    continue;
                }
                quote = matches!(sign, '\'' | '"').then_some(sign);
            }
        }
        written.push(sign);
        before = Some(sign);
        at += sign.len_utf8();
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_alias_becomes_the_table() {
        let table = TableRef { schema: "a\"pp".to_owned(), table: "t".to_owned() };
        let text = "t.\"x\" = 't.\"x\"' AND \"t.\"\"x\" < (t.\"t.\") AND tt.\"x\" = \"t\".\"x\" OR h.t.\"x\"";
        let written =
            "\"a\"\"pp\".\"t\".\"x\" = 't.\"x\"' AND \"t.\"\"x\" < (\"a\"\"pp\".\"t\".\"t.\") AND tt.\"x\" = \"t\".\"x\" OR h.t.\"x\"";
        assert_eq!(without_alias(text, &table), written);
    }

    #[test]
    fn physical_places_are_renamed_too() {
        assert_eq!(renamed("t.tableoid IN (1) AND E'\\\\t.''t.' <> t.\"t\"", "d1"), "d1.tableoid IN (1) AND E'\\\\t.''t.' <> d1.\"t\"");
    }
}
