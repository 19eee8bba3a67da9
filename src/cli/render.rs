//! Tables and lines on standard output.

use std::io::Write as _;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// Prints one line of data.
///
/// # Errors
/// The writer's; a closed pipe is an error here and a success at the edge.
pub fn line(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// A table without borders: a header, and rows whose numeric columns stand right.
pub fn table(header: &[&str], numeric: &[usize], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if numeric.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Prints a table; on a terminal that is too narrow for it, each row as a paragraph that begins with its first `names`
/// cells, because a table whose lines are broken can't be read.
///
/// # Errors
/// As [`line`].
pub fn wide_table(header: &[&str], numeric: &[usize], names: usize, rows: &[Vec<String>]) -> std::io::Result<()> {
    let whole = table(header, numeric, rows.iter().cloned());
    match terminal_width().filter(|width| whole.lines().any(|line| line.chars().count() > *width)) {
        Some(width) => line(&paragraphs(header, names, rows, width)),
        None => line(&whole),
    }
}

/// How many characters a line has; `None` where standard output is no terminal.
fn terminal_width() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size_of(std::io::stdout())?;
    Some(usize::from(columns)).filter(|columns| *columns > 0)
}

/// Rows as paragraphs: the first cells in a line of their own, the others below with what they are.
fn paragraphs(header: &[&str], names: usize, rows: &[Vec<String>], width: usize) -> String {
    let paragraph = |row: &Vec<String>| {
        let (names, values) = row.split_at(names.min(row.len()));
        let fields = header[names.len()..].iter().zip(values).map(|(what, value)| format!("  {what} {value}"));
        [names.join("  ")].into_iter().chain(filled(fields, "", width)).collect::<Vec<_>>().join("\n")
    };
    rows.iter().map(paragraph).collect::<Vec<_>>().join("\n")
}

/// Text in lines of 80 characters, which fit every terminal that anybody reads in.
pub fn prose(text: &str) -> String {
    filled(text.split_whitespace().map(str::to_owned), " ", 80).join("\n")
}

/// Lines that are filled with pieces, none of which is broken.
fn filled(pieces: impl IntoIterator<Item = String>, between: &str, width: usize) -> Vec<String> {
    let length = |text: &str| text.chars().count();
    let mut lines: Vec<String> = Vec::new();
    for piece in pieces {
        match lines.last_mut() {
            Some(line) if length(line) + length(between) + length(&piece) <= width => {
                line.push_str(between);
                line.push_str(&piece);
            }
            _ => lines.push(piece),
        }
    }
    lines
}

/// A number with thin groups of three digits, as a person reads it.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An instant to the second, in UTC; a dash for none.
pub fn instant(at: Option<jiff::Timestamp>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_in_threes() {
        assert_eq!(grouped(7), "7");
        assert_eq!(grouped(1_000), "1,000");
        assert_eq!(grouped(12_345_678), "12,345,678");
    }

    #[test]
    fn a_row_too_wide_for_its_terminal_is_a_paragraph() {
        let row = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
        let rows = [row(["a/b", "delete", "7", "1,000"]), row(["a/other", "keep", "0", "2"])];
        let header = ["rule", "action", "due", "total"];
        assert_eq!(paragraphs(&header, 2, &rows, 40), "a/b  delete\n  due 7  total 1,000\na/other  keep\n  due 0  total 2");
        assert_eq!(paragraphs(&header, 2, &rows[..1], 10), "a/b  delete\n  due 7\n  total 1,000");
    }

    #[test]
    fn prose_is_broken_between_words() {
        let text = prose(&"twelve chars ".repeat(20));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert_eq!(text.split_whitespace().count(), 40);
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn a_table_has_no_trailing_blanks() {
        let text = table(&["rule", "rows"], &[1], [vec!["a/b".to_owned(), "7".to_owned()], vec!["a/long".to_owned(), "1,000".to_owned()]]);
        assert_eq!(text, "RULE     ROWS\na/b         7\na/long  1,000");
    }
}
