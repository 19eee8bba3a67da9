//! What `explain` says of single rows of a pack, compared with the oracle: it must be what is counted of them.

use jiff::Timestamp;
use serde_json::Value;

use super::Real;
use crate::support::oracle::Verdict;

impl Real<'_> {
    /// What is said of one row is what is counted of it: of some rows of each pack, and their rules.
    pub(super) fn compare_explanations(&mut self, verdicts: &[Verdict]) {
        const ROWS: usize = 3;
        let with_rows = self.pack.world.tables.iter().enumerate().filter(|(_, table)| !table.rows.is_empty()).collect::<Vec<_>>();
        for turn in 0..ROWS.min(with_rows.len()) {
            // Another table and another row in each pack.
            let (number, table) = with_rows[(usize::try_from(self.pack.seed).unwrap_or_default() + turn * 7) % with_rows.len()];
            let row = (usize::try_from(self.pack.seed).unwrap_or_default() * 5 + turn) % table.rows.len();
            let Some(report) = self.explain(number, row) else { continue };
            for (index, rule) in table.rules.iter().enumerate() {
                let said = report["rules"].as_array().into_iter().flatten().find(|said| said["rule"] == *rule.id);
                let Some(said) = said.filter(|_| report["found"] == true) else {
                    self.disagree(format!("explain says nothing about {} for row {row} of case {number}: {report}", rule.id));
                    continue;
                };
                let class = verdicts[number].classes[index][row].name();
                // A rule that would drag something along is refused before it looks at rows.
                let is_refused = said["verdict"].is_null() && verdicts[number].rules[index].is_none();
                if !is_refused && said["verdict"] != class {
                    self.disagree(format!(
                        "explain and the oracle ({class}) differ on {} for row {row} of case {number}: {report}",
                        rule.id
                    ));
                }
                // A day of the year 1 is one of local mean time, which the oracle's steps of a quarter of an hour don't meet.
                let zones_began = "1900-01-01T00:00:00Z".parse::<Timestamp>().expect("an instant");
                let start =
                    rule.term.as_ref().filter(|_| rule.elsewhere.is_none()).and_then(|term| self.pack.world.start(term, &table.rows[row]));
                if let (Some((start, _)), Some(shown)) = (start.filter(|(start, _)| *start >= zones_began), said["start"].as_str())
                    && shown.parse().ok() != Some(start)
                {
                    self.disagree(format!(
                        "explain and the oracle ({start}) differ on the start of {} for row {row} of case {number}: {report}",
                        rule.id
                    ));
                }
                if class == "due" && said["due_from"] != report["as_of"] && !is_refused {
                    self.disagree(format!("what is due is due from now on, says {} of row {row} of case {number} not: {report}", rule.id));
                }
            }
        }
    }

    /// Of a row that a sweep took the ledger names a sweep that could have.
    pub(super) fn explain_what_is_gone(&mut self, verdicts: &[Verdict]) {
        // Without a twin that is still there.
        let mut gone = verdicts.iter().enumerate().flat_map(|(number, verdict)| {
            verdict.rows.iter().enumerate().filter(|(_, row)| row.is_none()).map(move |(row, _)| (number, row))
        });
        let Some((number, row)) = gone.find(|(number, row)| self.has_its_own_number(*number, *row)) else { return };
        let Some(report) = self.explain(number, row) else { return };
        let could = report["gone"]["sweeps"].as_array().map_or(0, Vec::len);
        if report["found"] != false || could == 0 {
            self.disagree(format!("explain doesn't say what could have taken row {row} of case {number}: {report}"));
        }
    }

    fn explain(&mut self, number: usize, row: usize) -> Option<Value> {
        let (case, table) = (&self.pack.cases[number], &self.pack.world.tables[number]);
        let column = case.number_column;
        let value = table.rows[row].cells[column].text.as_deref().expect("every row has a number");
        // A table without a key may have several rows of one number; then nothing can be said of one of them.
        let is_one = self.has_its_own_number(number, row);
        let (name, key) = (format!("app.{}", table.name), format!("{}={value}", table.columns[column].name));
        let run = self.expect(&["explain", &name, &key, "--output", "json"], if is_one { 0 } else { 2 })?;
        is_one.then(|| run.json())
    }

    fn has_its_own_number(&self, number: usize, row: usize) -> bool {
        let (column, rows) = (self.pack.cases[number].number_column, &self.pack.world.tables[number].rows);
        rows.iter().filter(|other| other.cells[column].text == rows[row].cells[column].text).count() == 1
    }
}
