//! A rule's `where`: one boolean expression on a row.
//!
//! The text is parsed in the source's dialect, and what it may contain is a closed list: `walk` writes the statement's
//! text anew from the syntax tree, node by node, and refuses every node it does not know. So nothing reaches a server
//! that was not understood, whatever the parser would let through. `literal` writes texts and numbers, `allowed` lists the
//! functions and types; a new one is a line there.

mod allowed;
mod literal;
mod walk;

use std::{collections::BTreeSet, ops::Range};

use sqlparser::{
    dialect::{MySqlDialect, PostgreSqlDialect, SQLiteDialect},
    parser::{Parser, ParserError},
    tokenizer::{Location, Token, TokenWithSpan, Tokenizer, Whitespace},
};

use super::Dialect;

/// The longest text, in bytes: the tree of a longer one could be too deep for the stack.
const LONGEST: usize = 4_096;

/// One boolean expression on a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// As the rule says it, for people.
    pub text: String,
    /// What goes into statements, in parentheses where it needs them; every column is written as `t."name"`.
    pub sql: String,
    /// The columns it reads, ordered, each once. On PostgreSQL a name without quotes is folded to lower case, as the
    /// server does; on SQLite and MariaDB it is as written, and must be as the catalogue has it.
    pub columns: Vec<String>,
}

impl Condition {
    /// Understands a `where`.
    ///
    /// # Errors
    /// [`ConditionError`] names what is not allowed and what is, and where in `text` it stands.
    pub fn parse(text: &str, dialect: Dialect) -> Result<Self, ConditionError> {
        let tokens = tokens(text, dialect)?;
        let tree = match dialect {
            Dialect::Sqlite => parse_whole(Parser::new(&SQLiteDialect {}), text, tokens),
            Dialect::Postgres => parse_whole(Parser::new(&PostgreSqlDialect {}), text, tokens),
            Dialect::Mysql => parse_whole(Parser::new(&MySqlDialect {}), text, tokens),
        }?;
        let mut columns = BTreeSet::new();
        let sql = walk::Walk::new(text, dialect, &mut columns).condition(&tree)?;
        Ok(Self { text: text.trim().to_owned(), sql, columns: columns.into_iter().collect() })
    }
}

/// Why a `where` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConditionError {
    pub message: String,
    /// In bytes of the text.
    pub span: Range<usize>,
    /// What to write instead.
    pub help: Option<String>,
}

impl ConditionError {
    fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self { message: message.into(), span, help: None }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }
}

/// Splits the text, and refuses what must not even be split: comments, several statements, bytes that end a text in C.
fn tokens(text: &str, dialect: Dialect) -> Result<Vec<TokenWithSpan>, ConditionError> {
    if text.trim().is_empty() {
        return Err(ConditionError::new(0..text.len(), "a condition must not be empty").help("leave `where` out to mean every row"));
    }
    if text.len() > LONGEST {
        return Err(ConditionError::new(0..text.len(), format!("a condition can't be longer than {LONGEST} bytes")));
    }
    if let Some(at) = text.find('\0') {
        return Err(ConditionError::new(at..at + 1, "a condition can't hold the character NUL"));
    }
    let tokens = match dialect {
        Dialect::Sqlite => Tokenizer::new(&SQLiteDialect {}, text).tokenize_with_location(),
        Dialect::Postgres => Tokenizer::new(&PostgreSqlDialect {}, text).tokenize_with_location(),
        Dialect::Mysql => Tokenizer::new(&MySqlDialect {}, text).tokenize_with_location(),
    };
    let tokens = tokens.map_err(|error| ConditionError::new(word_at(text, offset(text, error.location)), error.message))?;
    for token in &tokens {
        let span = || offset(text, token.span.start)..offset(text, token.span.end);
        match &token.token {
            Token::Whitespace(Whitespace::SingleLineComment { .. } | Whitespace::MultiLineComment(_)) => {
                return Err(ConditionError::new(span(), "a condition can't hold comments").help("write the comment in TOML, after `#`"));
            }
            Token::SemiColon => return Err(ConditionError::new(span(), "a condition is one expression: it can't hold `;`")),
            _ => {}
        }
    }
    Ok(tokens)
}

/// Parses one expression that takes up all tokens.
fn parse_whole(parser: Parser<'_>, text: &str, tokens: Vec<TokenWithSpan>) -> Result<sqlparser::ast::Expr, ConditionError> {
    let mut parser = parser.with_tokens_with_locations(tokens);
    let tree = parser.parse_expr().map_err(|error| syntax_error(text, error))?;
    // The parser is content with a beginning that makes sense; what follows it would be ignored.
    let next = parser.peek_token();
    if next.token != Token::EOF {
        let message = format!("the expression ends before `{}`", next.token);
        return Err(ConditionError::new(word_at(text, offset(text, next.span.start)), message).help("a condition is one expression"));
    }
    Ok(tree)
}

/// The parser's words, without the place that they end in: the pointer shows it.
fn syntax_error(text: &str, error: ParserError) -> ConditionError {
    let message = match error {
        ParserError::RecursionLimitExceeded => return ConditionError::new(0..text.len(), "the condition is nested too deeply"),
        ParserError::TokenizerError(message) | ParserError::ParserError(message) => message,
    };
    let place = |suffix: &str| {
        let (line, column) = suffix.split_once(", Column: ")?;
        Some(Location { line: line.parse().ok()?, column: column.trim().parse().ok()? })
    };
    if let Some(words) = message.strip_suffix("found: EOF") {
        let words = words.trim_end_matches([',', ' ']).replace("Expected: ", "expected ");
        return ConditionError::new(word_at(text, text.len()), format!("the expression is not complete: {words}"));
    }
    match message.rsplit_once(" at Line: ").and_then(|(words, suffix)| Some((words, place(suffix)?))) {
        // Where an operator is unknown the parser prints its own structures, which help nobody.
        Some((words, location)) if words.contains('{') => {
            let span = word_at(text, offset(text, location));
            let message = format!("not an expression: `{}` can't stand here", &text[span.clone()]);
            ConditionError::new(span, message)
        }
        Some((words, location)) => ConditionError::new(word_at(text, offset(text, location)), not_an_expression(words)),
        None => ConditionError::new(0..text.len(), format!("not an expression: {message}")),
    }
}

fn not_an_expression(words: &str) -> String {
    format!("not an expression: {}", words.replace("Expected: ", "expected ").replace("found: ", "found "))
}

/// The byte that a line and column (in characters, both from 1) stand for; the end for a place past it.
fn offset(text: &str, location: Location) -> usize {
    let lines_before = usize::try_from(location.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let characters_before = usize::try_from(location.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let line_start: usize = text.split_inclusive('\n').take(lines_before).map(str::len).sum();
    text[line_start..].char_indices().nth(characters_before).map_or(text.len(), |(at, _)| line_start + at)
}

/// From a byte to the end of its word; at the end of the text, its last character.
fn word_at(text: &str, at: usize) -> Range<usize> {
    if at >= text.len() {
        return text.char_indices().next_back().map_or(0, |(last, _)| last)..text.len();
    }
    let rest = &text[at..];
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let word = rest.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(rest.len());
    at..at + word.max(first)
}

#[cfg(test)]
mod tests;
