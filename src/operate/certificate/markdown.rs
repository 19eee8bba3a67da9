//! A certificate as a document for people.

use std::fmt::Write as _;

use super::{Certificate, Done};
use crate::operate::digests::{Answer, Question};

/// The document.
pub fn markdown(certificate: &Certificate) -> String {
    let Certificate { issued_at, scope, ledger, done, holds, answer, not_proved, .. } = certificate;
    let mut text = String::from("# Certificate of retention\n");
    let mut paragraph = |words: String| {
        let _ = write!(text, "\n{words}\n");
    };
    let until = |at: &Option<jiff::Timestamp>, otherwise: &str| at.map_or_else(|| otherwise.to_owned(), |at| at.to_string());
    let period = format!("From {} until {}", until(&scope.from, "the beginning of the ledger"), until(&scope.to, "its last entry"));
    let rules = if scope.rules.is_empty() { "every rule".to_owned() } else { list(&scope.rules) };
    paragraph(format!("Issued {issued_at}. {period}, for {rules}."));
    paragraph("## The ledger".to_owned());
    let of = ledger.state_id.as_deref().unwrap_or("unknown");
    paragraph(format!(
        "The ledger `{}` was verified from its first entry to entry {}, whose hash is `{}`: every entry has its hash and follows the one before it.",
        code(of),
        ledger.entries,
        ledger.head
    ));
    if !ledger.anchored.is_empty() {
        paragraph(format!("The marks that the last batches left in these databases agree with it: {}.", list(&ledger.anchored)));
    }
    if !ledger.not_anchored.is_empty() {
        paragraph(format!("Not compared: {}.", list(&ledger.not_anchored)));
    }
    paragraph("## What was done".to_owned());
    if done.is_empty() {
        paragraph("No batch of this scope is in the ledger.".to_owned());
    } else {
        let mut rows = "| rule | table | action | rows | along | batches | sweeps | first | last | evidence |\n|---|---|---|--:|--:|--:|--:|---|---|---|".to_owned();
        done.iter().for_each(|one| rows.push_str(&row(one)));
        paragraph(rows);
        for one in done {
            paragraph(rule(one));
        }
    }
    paragraph("## Holds that stood".to_owned());
    if holds.is_empty() {
        paragraph("None.".to_owned());
    }
    for stood in holds {
        let released = stood.released_at.map_or_else(|| "not released".to_owned(), |at| format!("released {at}"));
        let subjects = match stood.subjects {
            0 => String::new(),
            1 => ", one subject".to_owned(),
            subjects => format!(", {subjects} subjects"),
        };
        paragraph(format!("- `{}`, placed {}, {released}{subjects}", code(&stood.hold), stood.placed_at));
    }
    if let (Some(question), Some(answer)) = (&scope.question, answer) {
        paragraph("## What was asked".to_owned());
        paragraph(format!("{}.", asked(question)));
        answered(answer).into_iter().for_each(&mut paragraph);
    }
    paragraph("## What this does not prove".to_owned());
    paragraph(not_proved.iter().map(|not| format!("- {not}")).collect::<Vec<_>>().join("\n"));
    text
}

fn row(done: &Done) -> String {
    let Done { rule, source, table, action, rows, dragged, batches, sweeps, first_at, last_at, evidence, .. } = done;
    let evidence = evidence.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let sweeps = if action == crate::ledger::RESTORE { 0 } else { sweeps.len() };
    format!(
        "\n| {} | {}.{} | {action} | {rows} | {dragged} | {batches} | {sweeps} | {first_at} | {last_at} | {evidence} |",
        plain(rule),
        plain(source),
        plain(table)
    )
}

fn rule(done: &Done) -> String {
    let policy = done.policy.as_ref().map(|policy| format!(" comes from {} (as configured now)", plain(policy)));
    let mut parts: Vec<String> = policy.into_iter().collect();
    parts.extend(done.cutoff.map(|cutoff| format!(" took only rows that start before {cutoff}")));
    if !done.rule_digests.is_empty() {
        let digests = done.rule_digests.iter().map(|digest| format!("`{digest}`")).collect::<Vec<_>>().join(", ");
        parts.push(format!(" had the digest {digests}"));
    }
    format!("`{}`{}.", code(&done.rule), parts.join(";"))
}

/// The question in words.
pub fn asked(question: &Question) -> String {
    match question {
        Question::Row { source, table, key } => {
            let key: Vec<String> = key.iter().map(|(column, value)| format!("{}={}", plain(column), plain(value))).collect();
            format!("Which batches took the row {} of {}.{}", key.join(" "), plain(source), plain(table))
        }
        Question::Subject { kind, value } => format!("Which batches took rows of the subject {}:{}", plain(kind), plain(value)),
    }
}

fn answered(answer: &Answer) -> Vec<String> {
    let mut said = Vec::new();
    if answer.took.is_empty() {
        said.push(match answer.asked {
            0 => "No batch of this scope could be asked.".to_owned(),
            asked => format!("None of the {asked} batches that could be asked has its digest."),
        });
    }
    for proof in &answer.took {
        let text = |key: &str| plain(&proof.entry[key].as_str().map_or_else(|| proof.entry[key].to_string(), str::to_owned));
        said.push(format!(
            "- Entry {} of {}: {} ({}) took it. Its digest `{}` is number {} of {} under the root `{}`; the hashes beside its way are {}.",
            text("seq"),
            text("at"),
            text("rule"),
            text("action"),
            proof.digest,
            proof.position,
            proof.entry["evidence"]["leaves"],
            proof.entry["evidence"]["root"].as_str().unwrap_or_default(),
            if proof.path.is_empty() {
                "none".to_owned()
            } else {
                proof.path.iter().map(|hash| format!("`{hash}`")).collect::<Vec<_>>().join(", ")
            }
        ));
    }
    said.extend(answer.not_asked.iter().map(|(why, batches)| format!("- Not asked: {batches} batches, because {}.", plain(why))));
    said
}

fn list(names: &[String]) -> String {
    names.iter().map(|name| plain(name)).collect::<Vec<_>>().join(", ")
}

/// Inside of code nothing has a meaning but its end.
fn code(text: &str) -> String {
    text.chars().map(|sign| if sign.is_control() || sign == '`' { ' ' } else { sign }).collect()
}

/// A text in which nothing has a meaning.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for sign in text.chars() {
        if sign.is_control() {
            plain.push(' ');
        } else {
            if matches!(sign, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' | '&' | '!') {
                plain.push('\\');
            }
            plain.push(sign);
        }
    }
    plain
}
