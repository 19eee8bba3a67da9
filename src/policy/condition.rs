//! A rule's `where`.

/// One boolean expression on a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// As the rule says it, for people.
    pub text: String,
    /// What goes into statements, with every column written as `t."name"`.
    pub sql: String,
    /// The columns it reads, by the names that the catalogue has; ordered, each once.
    pub columns: Vec<String>,
}
