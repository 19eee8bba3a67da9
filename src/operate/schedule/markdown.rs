//! The schedule as Markdown (CommonMark with GitHub's tables).
//!
//! Values of rule files are set so that they can't be taken for Markdown or HTML: texts with every sign of either escaped, names
//! and expressions as code.

use super::{
    ScheduleReport, ScheduledPolicy,
    document::{self, Fact, printable},
    words::{Piece, Words},
};

/// The whole document.
pub fn render(report: &ScheduleReport) -> String {
    let mut blocks = vec![
        format!("# {}", document::TITLE),
        inline(&document::made(report), Place::Line),
        format!("## {}", document::READING),
        facts(&document::reading(report)),
    ];
    report.policies.iter().for_each(|policy| blocks.extend(policy_blocks(policy, report)));
    blocks.join("\n\n")
}

fn policy_blocks(policy: &ScheduledPolicy, report: &ScheduleReport) -> Vec<String> {
    let mut blocks = vec![format!("## {}", text(document::policy_title(policy))), facts(&document::policy_facts(policy))];
    if policy.categories.is_empty() {
        blocks.push(document::NO_RULES.to_owned());
        return blocks;
    }
    blocks.push(overview(policy, report));
    for category in &policy.categories {
        blocks.push(format!("### Category: {}", text(&category.category)));
        for rule in &category.rules {
            let heading = Words::text(format!("{} (", rule.in_words.summary)).name(&rule.rule).say(")");
            blocks.push(format!("#### {}", inline(&heading, Place::Line)));
            blocks.push(facts(&document::facts(rule, report)));
        }
    }
    blocks
}

fn overview(policy: &ScheduledPolicy, report: &ScheduleReport) -> String {
    let row = |cells: Vec<String>| format!("| {} |", cells.join(" | "));
    let mut lines = vec![row(document::OVERVIEW.map(str::to_owned).to_vec()), row(vec!["---".to_owned(); document::OVERVIEW.len()])];
    for category in &policy.categories {
        for rule in &category.rules {
            let cells = document::overview(rule, report);
            lines.push(row([text(&category.category)].into_iter().chain(cells.iter().map(|words| inline(words, Place::Cell))).collect()));
        }
    }
    lines.join("\n")
}

fn facts(facts: &[Fact]) -> String {
    let fact = |Fact { label, lines }: &Fact| match lines.as_slice() {
        [line] => format!("- **{label}:** {}", inline(line, Place::Line)),
        lines => {
            let lines: Vec<String> = lines.iter().map(|line| format!("\n  - {}", inline(line, Place::Line))).collect();
            format!("- **{label}:**{}", lines.concat())
        }
    };
    facts.iter().map(fact).collect::<Vec<_>>().join("\n")
}

/// Where words are set: in a table, a bar ends a cell even inside code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Line,
    Cell,
}

fn inline(words: &Words, place: Place) -> String {
    let piece = |piece: &Piece| match piece {
        Piece::Code(name) => code(name, place),
        Piece::Text(_) | Piece::Instant(_) | Piece::Day(_) => text(&piece.to_string()),
    };
    words.pieces().iter().map(piece).collect()
}

/// Text that means nothing but itself, in one line.
fn text(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in one_line(text).chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => escaped.extend(['\\', sign]),
            sign => escaped.push(sign),
        }
    }
    escaped
}

/// A code span: the backticks around it are more than any inside.
fn code(code: &str, place: Place) -> String {
    let code = one_line(code);
    let longest = code.split(|sign| sign != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    // One blank at each end is not part of the code.
    let blank = if code.starts_with(['`', ' ']) || code.ends_with(['`', ' ']) { " " } else { "" };
    let code = if place == Place::Cell { code.replace('|', "\\|") } else { code };
    format!("{fence}{blank}{code}{blank}{fence}")
}

fn one_line(text: &str) -> String {
    printable(text).split(['\n', '\t', '\r', '\u{b}', '\u{c}', '\u{85}', '\u{2028}', '\u{2029}']).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_means_nothing_but_itself() {
        assert_eq!(text("a <b> & *c* _d_ [e](f) | `g` # \\h"), "a &lt;b&gt; &amp; \\*c\\* \\_d\\_ \\[e\\](f) \\| \\`g\\` \\# \\\\h");
        assert_eq!(text("one\r\n# two\u{2028}- three\u{202e}"), "one  \\# two - three\u{fffd}");
    }

    #[test]
    fn code_is_fenced_by_more_backticks_than_it_has() {
        assert_eq!(code("a", Place::Line), "`a`");
        assert_eq!(code("a ``b`` c", Place::Line), "```a ``b`` c```");
        assert_eq!(code("`a", Place::Line), "`` `a ``");
        assert_eq!(code("a | b\nc", Place::Line), "`a | b c`");
        assert_eq!(code("a | b", Place::Cell), "`a \\| b`");
    }
}
