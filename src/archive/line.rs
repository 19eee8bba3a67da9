//! A row as a line of JSON, and back. Every value comes back as exactly what it was.
//!
//! NULL is `null`, and a text is a string: on PostgreSQL and MariaDB that is the text form of every type. SQLite keeps the type of each
//! value for itself: a whole number is a number, a binary fraction `{"real": "0.1"}` with as many digits as it takes,
//! and bytes are `{"hex": "00ff"}`.

use serde_json::{Value, json};

use crate::{clock::hex, sql::selection::Cell};

/// Writes rows with columns of these names.
pub struct Writer {
    /// Each name as JSON with its colon.
    keys: Vec<String>,
}

impl Writer {
    /// In the order of the row's values.
    pub fn new<'a>(columns: impl IntoIterator<Item = &'a str>) -> Self {
        Self { keys: columns.into_iter().map(|name| format!("{}:", json!(name))).collect() }
    }

    /// A row, without a line feed.
    pub fn line(&self, row: &[Cell]) -> String {
        let fields: Vec<String> = self.keys.iter().zip(row).map(|(key, cell)| format!("{key}{}", value(cell))).collect();
        format!("{{{}}}", fields.join(","))
    }
}

fn value(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => json!(number),
        // The shortest text that reads as the same fraction.
        Cell::Real(number) => json!({ "real": format!("{number:?}") }),
        Cell::Text(text) => json!(text),
        Cell::Bytes(bytes) => json!({ "hex": hex(bytes) }),
    }
}

/// The values of a line in the order of `columns`. `None`: the line is none of these columns.
pub fn read(line: &str, columns: &[String]) -> Option<Vec<Cell>> {
    let Value::Object(fields) = serde_json::from_str(line).ok()? else { return None };
    (fields.len() == columns.len()).then_some(())?;
    columns.iter().map(|name| cell(fields.get(name)?)).collect()
}

fn cell(value: &Value) -> Option<Cell> {
    Some(match value {
        Value::Null => Cell::Null,
        Value::Number(number) => Cell::Integer(number.as_i64()?),
        Value::String(text) => Cell::Text(text.clone()),
        Value::Object(tagged) => match (tagged.get("real"), tagged.get("hex")) {
            (Some(Value::String(real)), None) => Cell::Real(real.parse().ok()?),
            (None, Some(Value::String(digits))) => Cell::Bytes(bytes(digits)?),
            _ => return None,
        },
        Value::Bool(_) | Value::Array(_) => return None,
    })
}

fn bytes(digits: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.len().is_multiple_of(2).then(|| digits.as_bytes().chunks(2).map(pair).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            Just(Cell::Null),
            any::<i64>().prop_map(Cell::Integer),
            any::<f64>().prop_filter("SQLite has no NaN", |number| !number.is_nan()).prop_map(Cell::Real),
            any::<String>().prop_map(Cell::Text),
            any::<Vec<u8>>().prop_map(Cell::Bytes),
        ]
    }

    proptest! {
        #[test]
        fn every_row_comes_back(row in proptest::collection::vec(any_cell(), 3)) {
            let columns = ["a", "b \"c\"", "ü\n"].map(str::to_owned);
            let line = Writer::new(columns.iter().map(String::as_str)).line(&row);
            prop_assert!(!line.contains('\n'));
            let again = read(&line, &columns).expect("a line that was just written");
            prop_assert!(again == row);
        }
    }

    #[test]
    fn a_line_is_plain_json() {
        let row =
            [Cell::Integer(9_007_199_254_740_993), Cell::Real(0.1), Cell::Text("o'\"".to_owned()), Cell::Bytes(vec![0, 255]), Cell::Null];
        let line = Writer::new(["i", "r", "t", "b", "n"]).line(&row);
        assert_eq!(line, r#"{"i":9007199254740993,"r":{"real":"0.1"},"t":"o'\"","b":{"hex":"00ff"},"n":null}"#);
        assert!(read(&line, &["i".to_owned()]).is_none(), "columns are missing");
        assert!(read("[1]", &["i".to_owned()]).is_none());
    }
}
