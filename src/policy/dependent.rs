//! Rows of other tables that go with a rule's own: `dependents`.

use super::{StrategySpec, TableName, condition::Condition};

/// A table whose rows go with those that they belong to.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependent {
    pub table: TableName,
    /// Pairs of a column of the table above and the one of this table that names it; never empty.
    pub on: Vec<(String, String)>,
    /// Which of them go; absent: all.
    pub condition: Option<Condition>,
    pub then: Then,
    /// A column that changes names a subject: a row that is changed is nobody's, and no hold finds it by that.
    pub unlinks: bool,
    /// What goes with these.
    pub dependents: Vec<Self>,
}

/// What becomes of rows that belong to one which goes.
#[derive(Debug, Clone, PartialEq)]
pub enum Then {
    Delete,
    /// The columns that refer to it become NULL.
    Detach,
    /// In the order of the file; never empty.
    Anonymise(Vec<(String, StrategySpec)>),
}

impl Then {
    /// The word in TOML and JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Detach => "detach",
            Self::Anonymise(_) => "anonymise",
        }
    }
}

impl Dependent {
    /// The columns that change; none where rows are deleted.
    pub fn changed(&self) -> Vec<(String, StrategySpec)> {
        match &self.then {
            Then::Delete => Vec::new(),
            Then::Detach => self.on.iter().map(|(_, theirs)| (theirs.clone(), StrategySpec::Null)).collect(),
            Then::Anonymise(columns) => columns.clone(),
        }
    }

    /// Some dependents and all that is nested in them, each before what it has, with its place: `0`, `0.0`, `0.1`, `1`.
    pub fn all(dependents: &[Self]) -> Vec<(String, &Self)> {
        let mut all = Vec::new();
        for (number, dependent) in dependents.iter().enumerate() {
            all.push((number.to_string(), dependent));
            all.extend(Self::all(&dependent.dependents).into_iter().map(|(place, nested)| (format!("{number}.{place}"), nested)));
        }
        all
    }
}
