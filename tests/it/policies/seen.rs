//! What a trial is looked at by: keys that are left, what the ledger and the metrics say, the words of the schedule.

use std::collections::BTreeMap;

use super::Trial;
use crate::support::daemon::Daemon;

impl Trial {
    /// Sweeps until nothing is due: what waits for rows of other tables goes after them.
    #[track_caller]
    pub fn settle(&self) {
        for _ in 0..5 {
            if self.sweep().values().all(|rule| rule["acted"] == 0) {
                return;
            }
        }
        panic!("{}: there is no end to it", self.policy);
    }

    /// A column of a table, in the order of its keys.
    pub fn column(&self, table: &str, column: &str) -> String {
        self.product.data.column(&format!("SELECT CAST({column} AS text) FROM {table} ORDER BY {table}.id")).join(" ")
    }

    /// Asserts the keys that are left in each table.
    #[track_caller]
    pub fn is_left(&self, tables: &[(&str, &str)]) {
        for (table, keys) in tables {
            assert_eq!(self.left(table, "1 = 1"), *keys, "{table} of {} on {:?}", self.policy, self.product.kind);
        }
    }

    /// Asserts how many rows the ledger, which verifies, says that each rule has acted on; the others on none.
    #[track_caller]
    pub fn is_recorded(&self, rules: &[(&str, u64)]) {
        self.product.cli("ledger verify").expect(0);
        let mut found: BTreeMap<String, u64> = BTreeMap::new();
        for entry in self.product.cli("ledger export").expect(0).json_lines() {
            if entry["kind"] == "batch_applied" {
                *found.entry(entry["rule"].as_str().expect("a rule").to_owned()).or_default() += entry["rows"].as_u64().expect("a number");
            }
        }
        let expected: BTreeMap<String, u64> = rules.iter().map(|(rule, rows)| (format!("{}/{rule}", self.policy), *rows)).collect();
        assert_eq!(found, expected, "{:?}", self.product.kind);
    }

    /// Asserts that the schedule has all of these words.
    #[track_caller]
    pub fn is_scheduled(&self, words: &[&str]) {
        let page = self.product.cli("schedule").expect(0).stdout;
        for words in words {
            assert!(page.contains(words), "{words}\n{page}");
        }
    }

    /// Asserts rows by state of each rule, as the daemon's metrics have them.
    #[track_caller]
    pub fn is_measured(&self, rules: &[(&str, &str, u32)]) {
        let daemon = Daemon::start(&self.product);
        for (rule, state, rows) in rules {
            let labels = [format!("rule=\"{}/{rule}\"", self.policy), format!("state=\"{state}\"")];
            let rows = f64::from(*rows);
            // NaN until it was counted.
            daemon.sees("rows", &labels.each_ref().map(String::as_str), |seen| !seen.is_nan() && (seen - rows).abs() < 0.5);
        }
        daemon.stop().expect(0);
    }
}
