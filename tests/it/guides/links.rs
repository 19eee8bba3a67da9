//! Where pages lead to: each file is there, and each section.

use std::{collections::BTreeSet, path::Path};

use super::page::{all, read};
use crate::support::{binary::Folder, prometheus::promtool};

/// Lines outside of blocks, with their numbers.
fn sentences(text: &str) -> Vec<(usize, &str)> {
    let mut is_block = false;
    let lines = text.lines().enumerate().filter(|(_, line)| {
        let is_fence = line.trim_start().starts_with("```");
        is_block ^= is_fence;
        !is_block && !is_fence
    });
    lines.map(|(at, line)| (at + 1, line)).collect()
}

/// The names by which the sections of a page are led to.
fn anchors(name: &str) -> BTreeSet<String> {
    let text = read(name);
    let headings = sentences(&text).into_iter().filter_map(|(_, line)| line.strip_prefix('#'));
    let is_kept = |letter: &char| letter.is_alphanumeric() || [' ', '-', '_'].contains(letter);
    let anchor = |heading: &str| heading.trim_start_matches('#').trim().to_lowercase().chars().filter(is_kept).collect::<String>();
    headings.map(|heading| anchor(heading).replace(' ', "-")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut wrong, mut known) = (Vec::new(), 0);
    for page in all() {
        let text = read(&page.name);
        let folder = Path::new(&page.name).parent().expect("a file");
        for (at, line) in sentences(&text) {
            let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(link, _)| link));
            for link in links.filter(|link| !link.contains("://")) {
                let (path, anchor) = link.split_once('#').map_or((link, None), |(path, anchor)| (path, Some(anchor)));
                let file = if path.is_empty() { page.name.clone() } else { folder.join(path).to_string_lossy().into_owned() };
                known += 1;
                if !root.join(&file).exists() || anchor.is_some_and(|anchor| !anchors(&file).contains(anchor)) {
                    wrong.push(format!("{}: {link} leads nowhere", page.place(at)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(known > 150, "{known} links");
}

/// Nobody has to find a page by its name: README leads to it, or the page that it is beside.
#[test]
fn every_page_is_led_to() {
    let mut led = BTreeSet::new();
    for name in ["README.md", "docs/rules.md", "docs/runbooks/README.md"] {
        let text = read(name);
        let folder = Path::new(name).parent().expect("a file").to_owned();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split(['#', ')']).next());
        led.extend(links.map(|link| folder.join(link).to_string_lossy().into_owned()));
    }
    let lost: Vec<String> = all().into_iter().map(|page| page.name).filter(|name| name != "README.md" && !led.contains(name)).collect();
    assert!(lost.is_empty(), "nobody leads to {lost:?}");
}

/// Expressions that stand in sentences are such, as Prometheus reads them, of metrics that there are.
#[test]
fn every_expression_is_one() {
    let metrics = read("docs/metrics.md");
    let (mut rules, mut known) = ("groups:\n  - name: pages\n    rules:\n".to_owned(), 0);
    for page in all() {
        let is_expression =
            |code: &str| code.starts_with(|letter: char| letter.is_ascii_lowercase()) && code.contains('{') && code.contains("=\"");
        for (at, code) in page.spans.iter().filter(|(_, code)| is_expression(code) && !code.contains(" = ")) {
            let name = code.split('{').next().and_then(|before| before.rsplit('(').next()).unwrap_or_default();
            let name = name.trim_start_matches("retentiond_");
            assert!(metrics.contains(&format!("`retentiond_{name}`")), "{}: {code} is of no metric", page.place(*at));
            rules += &format!("      - record: page:expression_{known}\n        expr: '{code}'\n");
            known += 1;
        }
    }
    let folder = Folder::new("");
    let file = folder.write("rules.yaml", &rules);
    let checked = promtool(&["check", "rules", &file.display().to_string()]);
    assert!(checked.status.success(), "{rules}\n{checked:?}");
    assert!(known >= 3, "{rules}");
}
