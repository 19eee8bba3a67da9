//! Whether the places of a JSON document are done, asked of the document itself.
//!
//! A step is a member of an object or the elements of an array; where there is none, nothing is left to do. PostgreSQL's
//! `jsonb` is asked with its own operators. SQLite's documents are text: one that is no document is not done, and each step
//! is a join with what `json_each` finds in the step before, which finds a member also where it is there twice.

use super::{
    super::{quote_literal, selection::ColumnRef, selection::PlaceTest, selection::TextTest},
    column::{column, is_ascii_text},
};
use crate::policy::{Dialect, Step};

/// TRUE or FALSE: every place is done, or the column is NULL.
pub(super) fn done(dialect: Dialect, of: &ColumnRef, places: &[PlaceTest]) -> String {
    let name = column(of);
    match dialect {
        Dialect::Postgres => {
            let parts: Vec<String> = places.iter().map(|place| on_postgres(&name, place)).collect();
            format!("({name} IS NULL OR ({}))", parts.join(" AND "))
        }
        Dialect::Sqlite => {
            let parts: Vec<String> = places.iter().map(|place| on_sqlite(&name, place)).collect();
            format!("({name} IS NULL OR {name} = '' OR CASE WHEN json_valid({name}) THEN {} ELSE FALSE END)", parts.join(" AND "))
        }
        // Its functions pass over a member that is there twice, so `json` makes no such test.
        Dialect::Mysql => "FALSE".to_owned(),
    }
}

fn on_postgres(document: &str, place: &PlaceTest) -> String {
    let mut value = document.to_owned();
    let mut elements = Vec::new();
    for step in &place.path {
        value = match step {
            Step::Member(name) => format!("({value} -> {})", quote_literal(Dialect::Postgres, name)),
            Step::Each => {
                let alias = format!("d{}", elements.len());
                elements
                    .push(format!("jsonb_array_elements(CASE jsonb_typeof({value}) WHEN 'array' THEN {value} ELSE '[]' END) {alias}(v)"));
                format!("{alias}.v")
            }
        };
    }
    let text = format!("({value} #>> '{{}}') COLLATE \"C\"");
    let string = place.text.as_ref().map(|test| match test {
        TextTest::Equals(wanted) => format!(" WHEN 'string' THEN {text} = {}", quote_literal(Dialect::Postgres, wanted)),
        TextTest::Matches(pattern) => format!(" WHEN 'string' THEN {text} ~ {}", quote_literal(Dialect::Postgres, pattern)),
    });
    let null = truth(place.null_is_done);
    let is_done =
        format!("({value} IS NULL OR CASE jsonb_typeof({value}) WHEN 'null' THEN {null}{} ELSE FALSE END)", string.unwrap_or_default());
    if elements.is_empty() { is_done } else { format!("NOT EXISTS (SELECT 1 FROM {} WHERE NOT {is_done})", elements.join(", ")) }
}

fn on_sqlite(document: &str, place: &PlaceTest) -> String {
    let (mut value, mut kind) = (document.to_owned(), format!("json_type({document})"));
    let mut steps = Vec::new();
    let mut conditions = Vec::new();
    for (number, step) in place.path.iter().enumerate() {
        let (wanted, empty) = match step {
            Step::Member(name) => {
                conditions.push(format!("d{number}.key = {} AND ", quote_literal(Dialect::Sqlite, name)));
                ("object", "{}")
            }
            Step::Each => ("array", "[]"),
        };
        steps.push(format!("json_each(CASE {kind} WHEN '{wanted}' THEN {value} ELSE '{empty}' END) d{number}"));
        (value, kind) = (format!("d{number}.value"), format!("d{number}.type"));
    }
    let string = place.text.as_ref().map(|test| match test {
        TextTest::Equals(wanted) => format!(" WHEN 'text' THEN {value} = {}", quote_literal(Dialect::Sqlite, wanted)),
        TextTest::Matches(pattern) => {
            let pattern = quote_literal(Dialect::Sqlite, pattern);
            format!(" WHEN 'text' THEN CASE WHEN {} THEN {value} REGEXP {pattern} ELSE FALSE END", is_ascii_text(&value, &value))
        }
    });
    let null = truth(place.null_is_done);
    format!(
        "NOT EXISTS (SELECT 1 FROM {} WHERE {}NOT CASE {kind} WHEN 'null' THEN {null}{} ELSE FALSE END)",
        steps.join(", "),
        conditions.concat(),
        string.unwrap_or_default()
    )
}

fn truth(is: bool) -> &'static str {
    if is { "TRUE" } else { "FALSE" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{fixture::column as fixture, selection::TypeClass};

    #[test]
    fn a_document_is_asked_by_each_engine() {
        let member = |name: &str| Step::Member(name.to_owned());
        let places = [
            PlaceTest { path: vec![member("it's")], null_is_done: false, text: Some(TextTest::Equals("o'hara \\ \"x\"".to_owned())) },
            PlaceTest {
                path: vec![member("orders"), Step::Each, member("ip"), Step::Each],
                null_is_done: true,
                text: Some(TextTest::Matches("^[0-9.]*$".to_owned())),
            },
            PlaceTest { path: vec![Step::Each], null_is_done: true, text: None },
        ];
        let column = fixture("da\"ta", TypeClass::Json, "jsonb");
        insta::assert_snapshot!([Dialect::Postgres, Dialect::Sqlite].map(|dialect| done(dialect, &column, &places)).join("\n\n"));
    }
}
