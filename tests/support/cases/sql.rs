//! Names and values as SQL text, the same on both engines.

/// A quoted name.
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted text.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}
