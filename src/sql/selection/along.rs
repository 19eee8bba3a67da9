//! What refers to rows, and what goes with them.

use super::{Act, ColumnRef, Selection, TableRef};

/// A foreign key that points at the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    pub child: TableRef,
    /// Pairs of a child's column and the column of this table that it names; never empty.
    pub pairs: Vec<(String, String)>,
    /// The child is this table itself: a row that refers to itself is no other.
    pub own: bool,
}

/// Rows of another table that go with the rows of a selection.
#[derive(Debug, Clone)]
pub struct Dependency {
    /// Pairs of a column of these rows and the column above that it names; never empty.
    pub pairs: Vec<(ColumnRef, ColumnRef)>,
    /// Which rows go, and what keeps them: they follow.
    pub rows: Selection,
    pub act: Act,
    /// A foreign key reaches rows that the declaration leaves out: they keep the row that they refer to.
    pub keeps_others: bool,
    /// Foreign keys of the table to itself. Rows that refer to one another go together, the last in the chain first.
    pub chains: Vec<Reference>,
}

impl Selection {
    /// What goes with these rows and with those, each before what goes with it.
    pub fn along(&self) -> Vec<&Dependency> {
        self.dependents.iter().flat_map(|dependency| std::iter::once(dependency).chain(dependency.rows.along())).collect()
    }
}
