//! The lists of opt-outs after the sweep: an entry for each row that went, and what was there before.

use std::collections::BTreeSet;

use super::{Connected, Real};
use crate::support::{
    cases::sql::identifier,
    oracle::{Strategy, Verdict, act},
};

impl Real<'_> {
    /// Compares each list with the rows that the oracle lets go.
    pub(super) fn compare_lists(&mut self, verdicts: &[Verdict]) {
        for (number, verdict) in verdicts.iter().enumerate() {
            let case = &self.pack.cases[number];
            let Some(list) = &case.list else { continue };
            let rows = self.pack.world.tables[number].rows.iter().zip(&verdict.rows);
            let gone = rows.filter(|(_, fate)| fate.is_none()).filter_map(|(row, _)| row.cells[case.number_column].text.as_deref());
            let hash = |text: &str| act(&Strategy::Hmac { email: false }, &self.pack.world.pepper, Some(text));
            let expected: BTreeSet<String> = gone.filter_map(hash).chain(list.before.clone()).collect();
            let query = format!("SELECT hash FROM {}", identifier(&list.name));
            let real: BTreeSet<String> = match &self.database {
                Connected::Sqlite(database) => database.column(&query),
                Connected::Postgres(database) => database.column(&query),
                Connected::Mariadb(database) => database.column(&query),
            }
            .into_iter()
            .flatten()
            .collect();
            if real != expected {
                let (missing, extra) = (expected.difference(&real).count(), real.difference(&expected).count());
                self.disagree(format!(
                    "law 4: the list of case {number} lacks {missing} opt-outs, and has {extra} that it should not have"
                ));
            }
        }
    }
}
