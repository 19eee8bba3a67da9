//! The rows in the archive are those that are gone, value for value. They are read here without the program.

use std::{fs::File, path::Path};

use serde_json::Value;

use super::{
    Real,
    snapshots::{Snapshot, Snapshots},
};
use crate::support::{
    cases::{sql::literal, table::Engine},
    oracle::{Cell, Verdict},
};

/// A row as its line in an archive has it.
type Line = serde_json::Map<String, Value>;

impl Real<'_> {
    /// Where copies are.
    pub(super) fn archive(&self) -> std::path::PathBuf {
        self.folder.path().join("copies")
    }

    pub(super) fn compare_archive(&mut self, verdicts: &[Verdict], before: &Snapshots) {
        for (number, verdict) in verdicts.iter().enumerate().filter(|(number, _)| self.pack.cases[*number].archived) {
            let table = &self.pack.world.tables[number];
            let gone = gone(&before[&table.name], &verdict.rows);
            let mut lines = lines(&self.archive().join(format!("case{number}")));
            let copied = lines.len();
            for row in &gone {
                let is_it = |line: &Line| {
                    line.len() == table.columns.len()
                        && table.columns.iter().zip(*row).all(|(column, value)| is_value(self.pack.engine, line.get(&column.name), value))
                };
                match lines.iter().position(is_it) {
                    Some(place) => drop(lines.swap_remove(place)),
                    None => {
                        let row = row.join(", ");
                        return self
                            .disagree(format!("law 7: case {number}: no copy has the row {row}, which is gone; left are {lines:?}"));
                    }
                }
            }
            if !lines.is_empty() {
                let gone = gone.len();
                self.disagree(format!("law 7: case {number}: {gone} rows are gone, and {copied} are in copies: {lines:?}"));
            }
        }
        self.expect(&["archive", "verify"], 0);
    }
}

/// The rows that the oracle says are gone, as they were.
fn gone<'a>(before: &'a Snapshot, after: &[Option<Vec<Cell>>]) -> Vec<&'a Vec<String>> {
    before.iter().zip(after).filter(|(_, after)| after.is_none()).map(|(row, _)| row).collect()
}

/// Every line of the valid copies below a folder.
fn lines(folder: &Path) -> Vec<Line> {
    let manifests = folder.join("*/*.json");
    let mut lines = Vec::new();
    for manifest in glob::glob(manifests.to_str().expect("UTF-8")).expect("a pattern") {
        let rows = manifest.expect("a path").with_extension("jsonl.zst");
        let text = zstd::decode_all(File::open(rows).expect("the rows of a manifest")).expect("they are whole");
        let text = String::from_utf8(text).expect("UTF-8");
        lines.extend(text.lines().map(|line| serde_json::from_str::<Line>(line).expect("a line of JSON")));
    }
    lines
}

/// Whether the value of a line is the one that the engine writes as this literal.
fn is_value(engine: Engine, value: Option<&Value>, written: &str) -> bool {
    let number = |text: &str| text.trim_matches('\'').parse::<f64>().ok();
    match value {
        None => false,
        Some(Value::Null) => written == "NULL",
        Some(Value::Number(whole)) => written == whole.to_string(),
        Some(Value::String(text)) => {
            written == literal(text)
                || engine == Engine::Mariadb && (is_bytes(text, written) || is_fraction(number(text), number(written)))
                || engine == Engine::Postgres && is_its_text(text, written)
        }
        Some(Value::Object(tagged)) => match (tagged.get("real").and_then(Value::as_str), tagged.get("hex").and_then(Value::as_str)) {
            (Some(real), _) => number(real) == number(written),
            (_, Some(hex)) => written.eq_ignore_ascii_case(&format!("X'{hex}'")),
            _ => false,
        },
        Some(_) => false,
    }
}

/// A cast to text leaves out the blanks that fill a `char(n)` up, writes the length of an address's network, and escapes nothing.
fn is_its_text(text: &str, written: &str) -> bool {
    let trimmed = format!("{}'", written.trim_end_matches('\'').trim_end_matches(' '));
    let bare = ["/32", "/128"].iter().find_map(|length| text.strip_suffix(length)).unwrap_or(text);
    let escaped = format!("E{}", literal(&text.replace('\\', "\\\\")));
    literal(text) == trimmed || literal(bare) == written || escaped == written.trim_start()
}

/// MariaDB writes bytes as the text that they are.
fn is_bytes(hex: &str, written: &str) -> bool {
    let Some(digits) = hex.strip_prefix("\\x") else { return false };
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    let bytes: Option<Vec<u8>> = digits.as_bytes().chunks(2).map(byte).collect();
    bytes.and_then(|bytes| String::from_utf8(bytes).ok()).is_some_and(|text| literal(&text) == written)
}

/// By itself, MariaDB writes six digits of a FLOAT.
fn is_fraction(exact: Option<f64>, written: Option<f64>) -> bool {
    matches!((exact, written), (Some(exact), Some(written)) if exact.fract() != 0.0 && (exact - written).abs() <= 1e-5 * written.abs())
}
