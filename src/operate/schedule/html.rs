//! The schedule as HTML: one file that needs nothing else, to be read on any screen, on paper and by a screen reader.
//!
//! Every value goes through `escape`, and a policy in the document itself forbids whatever would run or be loaded. Tables
//! keep their meaning where the style sheet stacks them, because they name their roles.

use std::fmt::Write as _;

use super::{
    ScheduleReport, ScheduledPolicy, ScheduledRule,
    document::{self, Fact, printable},
    words::{Piece, Words},
};

const STYLE: &str = include_str!("style.css");

/// The whole document.
pub fn render(report: &ScheduleReport) -> String {
    let mut page = String::new();
    let title = document::TITLE;
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"generator\" content=\"{}\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>{title}</h1>\n<p>{}</p>\n</header>\n",
        escape(&report.made_by),
        inline(&document::made(report)),
    );
    if report.policies.len() > 1 {
        page.push_str(&contents(report));
    }
    let _ = write!(
        page,
        "<main>\n<section class=\"reading\" aria-labelledby=\"reading\">\n<h2 id=\"reading\">{}</h2>\n{}</section>\n",
        document::READING,
        facts(&document::reading(report))
    );
    report.policies.iter().for_each(|policy| page.push_str(&policy_section(policy, report)));
    page.push_str("</main>\n</body>\n</html>");
    page
}

/// Where to find which policy.
fn contents(report: &ScheduleReport) -> String {
    let link = |policy: &ScheduledPolicy| {
        format!("<li><a href=\"#{}\">{}</a></li>\n", policy_anchor(&policy.policy), escape(document::policy_title(policy)))
    };
    let links: String = report.policies.iter().map(link).collect();
    format!("<nav aria-label=\"Policies\">\n<ul>\n{links}</ul>\n</nav>\n")
}

fn policy_section(policy: &ScheduledPolicy, report: &ScheduleReport) -> String {
    let anchor = policy_anchor(&policy.policy);
    let mut section = format!(
        "<section class=\"policy\" aria-labelledby=\"{anchor}\">\n<h2 id=\"{anchor}\">{}</h2>\n{}",
        escape(document::policy_title(policy)),
        facts(&document::policy_facts(policy))
    );
    if policy.categories.is_empty() {
        let _ = writeln!(section, "<p>{}</p>", document::NO_RULES);
    } else {
        section.push_str(&overview(policy, report));
    }
    for category in &policy.categories {
        let _ = writeln!(section, "<h3>Category: {}</h3>", escape(&category.category));
        category.rules.iter().for_each(|rule| section.push_str(&rule_article(rule, report)));
    }
    section.push_str("</section>\n");
    section
}

fn overview(policy: &ScheduledPolicy, report: &ScheduleReport) -> String {
    let heads: String = document::OVERVIEW.iter().map(|head| format!("<th scope=\"col\" role=\"columnheader\">{head}</th>\n")).collect();
    let mut table = format!(
        "<table role=\"table\">\n<caption>Overview: {}</caption>\n<thead role=\"rowgroup\">\n<tr role=\"row\">\n{heads}</tr>\n</thead>\n\
         <tbody role=\"rowgroup\">\n",
        escape(document::policy_title(policy))
    );
    for rule in policy.categories.iter().flat_map(|category| &category.rules) {
        let _ = write!(
            table,
            "<tr role=\"row\">\n<th scope=\"row\" role=\"rowheader\">{} <a href=\"#{}\">{}</a></th>\n",
            escape(&rule.category),
            rule_anchor(&rule.rule),
            code(&rule.rule)
        );
        for (head, cell) in document::OVERVIEW.iter().skip(1).zip(document::overview(rule, report)) {
            // On a narrow screen the head of its column stands before each cell.
            let _ = writeln!(table, "<td role=\"cell\" data-head=\"{head}\"><span>{}</span></td>", inline(&cell));
        }
        table.push_str("</tr>\n");
    }
    table.push_str("</tbody>\n</table>\n");
    table
}

fn rule_article(rule: &ScheduledRule, report: &ScheduleReport) -> String {
    let anchor = rule_anchor(&rule.rule);
    format!(
        "<article aria-labelledby=\"{anchor}\">\n<h4 id=\"{anchor}\">{} {}</h4>\n{}</article>\n",
        escape(&rule.in_words.summary),
        code(&rule.rule),
        facts(&document::facts(rule, report))
    )
}

/// Labels with what is said under each.
fn facts(facts: &[Fact]) -> String {
    let line = |words: &Words| format!("<dd>{}</dd>\n", inline(words));
    let fact = |Fact { label, lines }: &Fact| format!("<div>\n<dt>{label}</dt>\n{}</div>\n", lines.iter().map(line).collect::<String>());
    format!("<dl>\n{}</dl>\n", facts.iter().map(fact).collect::<String>())
}

/// No identifier has a dot, so no two anchors are alike.
fn policy_anchor(policy: &str) -> String {
    format!("policy.{}", escape(policy))
}

fn rule_anchor(rule: &str) -> String {
    format!("rule.{}", escape(&rule.replace('/', ".")))
}

fn inline(words: &Words) -> String {
    let piece = |piece: &Piece| {
        let said = escape(&piece.to_string());
        match piece {
            Piece::Text(_) => said,
            Piece::Code(name) => code(name),
            Piece::Instant(at) => format!("<time datetime=\"{at}\">{said}</time>"),
            Piece::Day(day) => format!("<time datetime=\"{day}\">{said}</time>"),
        }
    };
    words.pieces().iter().map(piece).collect()
}

/// A name or an expression. Long ones are broken after the signs that part their words.
fn code(name: &str) -> String {
    let parts = name.split_inclusive(['/', '_', '.']).map(escape).collect::<Vec<_>>();
    format!("<code>{}</code>", parts.join("<wbr>"))
}

/// Text that means nothing but itself, between tags and inside a quoted attribute.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for sign in printable(text).chars() {
        match sign {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            sign => escaped.push(sign),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_means_nothing_but_itself() {
        assert_eq!(escape("</td><script src='x'>\"&amp;"), "&lt;/td&gt;&lt;script src=&#39;x&#39;&gt;&quot;&amp;amp;");
        assert_eq!(escape("a\u{202e}b\0c\u{1b}[1m\nd"), "a\u{fffd}b\u{fffd}c\u{fffd}[1m\nd");
    }
}
