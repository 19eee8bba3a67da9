//! `docs/logging.md` has every line that is logged, with its level, and no other.

use std::{collections::BTreeSet, fs, path::Path};

/// The text of a call from behind its parenthesis to the end of it.
fn call(text: &str) -> &str {
    let (mut depth, mut is_text, mut escaped) = (1, false, false);
    let end = text.char_indices().find(|(_, letter)| {
        match letter {
            _ if escaped => {}
            '"' => is_text = !is_text,
            '(' if !is_text => depth += 1,
            ')' if !is_text => depth -= 1,
            _ => {}
        }
        escaped = *letter == '\\' && !escaped;
        depth == 0
    });
    &text[..end.expect("a call ends").0]
}

/// The message of a call: its longest text, up to what is filled in.
fn message(call: &str) -> String {
    let texts = call.split('"').skip(1).step_by(2);
    let longest = texts.max_by_key(|text| text.len()).expect("a line has a message");
    longest.split('{').next().unwrap_or_default().trim().to_owned()
}

fn logged() -> BTreeSet<(String, String)> {
    let mut logged = BTreeSet::new();
    let sources = glob::glob(concat!(env!("CARGO_MANIFEST_DIR"), "/src/**/*.rs")).expect("a pattern");
    for path in sources {
        let text = fs::read_to_string(path.expect("a path")).expect("a source");
        for level in ["error", "warn", "info", "debug"] {
            for rest in text.split(&format!("tracing::{level}!(")).skip(1) {
                logged.insert((level.to_owned(), message(call(rest))));
            }
        }
    }
    logged
}

#[test]
fn every_line_is_explained() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/logging.md")).expect("the page");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let (level, message) = (cells.next()?, cells.next()?);
        let message = message.strip_prefix("`` ").and_then(|text| text.strip_suffix(" ``")).unwrap_or_else(|| message.trim_matches('`'));
        let is_level = ["error", "warn", "info", "debug"].contains(&level);
        is_level.then(|| (level.to_owned(), message.split('…').next().unwrap_or_default().trim().to_owned()))
    });
    let explained: BTreeSet<(String, String)> = rows.collect();
    let logged = logged();
    assert!(logged.len() > 40, "{logged:#?}");
    assert_eq!(explained.difference(&logged).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "never logged");
    assert_eq!(logged.difference(&explained).collect::<Vec<_>>(), Vec::<&(String, String)>::new(), "not in docs/logging.md");
}
