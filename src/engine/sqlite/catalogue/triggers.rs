//! Triggers: SQLite keeps only their text, so their events are read from it.

use sqlparser::{
    dialect::SQLiteDialect,
    tokenizer::{Token, Tokenizer},
};
use sqlx::SqliteConnection;

use crate::{
    engine::{
        Error,
        shape::{Column, Trigger, digest},
        sqlite::database::{get, look_up},
    },
    sql::{Statement, selection::Cell},
};

/// What a trigger fires on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Event {
    delete: bool,
    update: bool,
    insert: bool,
    /// Empty: any column.
    columns: Vec<String>,
}

impl Event {
    /// What can't be read may fire on everything.
    const UNKNOWN: Self = Self { delete: true, update: true, insert: true, columns: Vec::new() };
}

pub(super) async fn read(connection: &mut SqliteConnection, table: &str, columns: &[Column]) -> Result<Vec<Trigger>, Error> {
    let statement = Statement {
        text: "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE ORDER BY name".to_owned(),
        binds: vec![Cell::Text(table.to_owned())],
    };
    let exact = |name: String| match columns.iter().find(|column| column.name.eq_ignore_ascii_case(&name)) {
        Some(column) => column.name.clone(),
        None => name,
    };
    let rows = look_up(connection, &statement).await?;
    rows.iter()
        .map(|row| {
            let text: String = get(row, 1)?;
            let event = event(&text);
            Ok(Trigger {
                name: get(row, 0)?,
                digest: Some(digest(&text)),
                on_delete: event.delete,
                on_update: event.update,
                on_insert: event.insert,
                update_columns: event.columns.into_iter().map(exact).collect(),
                enabled: true,
            })
        })
        .collect()
}

/// The event in `CREATE TRIGGER name [BEFORE|AFTER|INSTEAD OF] event ON …`.
fn event(text: &str) -> Event {
    let Ok(tokens) = Tokenizer::new(&SQLiteDialect {}, text).tokenize() else { return Event::UNKNOWN };
    let mut tokens = tokens.into_iter().filter(|token| !matches!(token, Token::Whitespace(_))).skip_while(|token| !is(token, "TRIGGER"));
    // The name may itself be one of the words that are looked for.
    tokens.nth(1);
    let mut event = Event { delete: false, update: false, insert: false, columns: Vec::new() };
    let Some(first) = tokens.find(|token| ["DELETE", "INSERT", "UPDATE"].iter().any(|word| is(token, word))) else { return Event::UNKNOWN };
    if is(&first, "INSERT") {
        event.insert = true;
        return event;
    }
    event.delete = is(&first, "DELETE");
    event.update = is(&first, "UPDATE");
    for token in tokens {
        match token {
            token if is(&token, "ON") => return event,
            token if is(&token, "OF") => {}
            Token::Comma => {}
            Token::Word(word) => event.columns.push(word.value),
            Token::SingleQuotedString(name) | Token::DoubleQuotedString(name) => event.columns.push(name),
            _ => return Event::UNKNOWN,
        }
    }
    Event::UNKNOWN
}

/// True for the bare word, in any case.
fn is(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(found) if found.quote_style.is_none() && found.value.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(delete: bool, update: bool, columns: &[&str]) -> Event {
        Event { delete, update, insert: !delete && !update, columns: columns.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn events_are_read_from_the_text() {
        for (text, expected) in [
            ("CREATE TRIGGER a AFTER DELETE ON t BEGIN SELECT 1; END", on(true, false, &[])),
            ("CREATE TRIGGER a UPDATE ON t BEGIN SELECT 1; END", on(false, true, &[])),
            ("CREATE TRIGGER a before update of x, \"Y z\", [w] on t BEGIN DELETE FROM u; END", on(false, true, &["x", "Y z", "w"])),
            ("CREATE TRIGGER \"delete\" /* UPDATE */ AFTER INSERT ON t BEGIN DELETE FROM t; END", on(false, false, &[])),
            ("CREATE TRIGGER 'update' BEFORE -- insert\n DELETE ON t BEGIN SELECT 1; END", on(true, false, &[])),
            ("CREATE TRIGGER a INSTEAD OF DELETE ON v BEGIN SELECT 1; END", on(true, false, &[])),
        ] {
            assert_eq!(event(text), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_may_fire_on_everything() {
        for text in ["", "CREATE TRIGGER a", "CREATE TRIGGER a AFTER DELETE", "CREATE TRIGGER a AFTER UPDATE OF 'x"] {
            assert_eq!(event(text), Event::UNKNOWN, "{text}");
        }
    }
}
