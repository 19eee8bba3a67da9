//! What goes along with rows: of each table what is left is what the oracle says.

use super::{Real, snapshots::Snapshots};
use crate::support::oracle::Verdict;

impl Real<'_> {
    pub(super) fn compare_along(&mut self, verdicts: &[Verdict], before: &Snapshots, after: &Snapshots) {
        for (number, along) in self.pack.cases.iter().enumerate().filter_map(|(number, case)| Some((number, case.along.as_ref()?))) {
            let levels = along.expected(|name| before[name].as_slice(), |row| verdicts[number].rows[row].is_none());
            let sorted = |mut rows: Vec<Vec<String>>| {
                rows.sort();
                rows
            };
            for (name, expected) in levels {
                if sorted(expected.clone()) != sorted(after[name].clone()) {
                    self.disagree(format!(
                        "law 4: what goes along in case {number} is {:?} in {name}, should be {expected:?}",
                        after[name]
                    ));
                }
            }
        }
    }
}
