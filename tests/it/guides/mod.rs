//! Every page is held to what happens: each command of README, docs/ and deploy/ is run as a person would paste it, in a world
//! in which the page makes sense, and each snippet is given to whatever it is for.
//!
//! `page.rs` reads pages, `walk.rs` goes along one with a shell; `runbooks.rs`, `pages.rs` and `deploying.rs` have the worlds and what is
//! expected of each command, `snippets.rs` everything that is no command,
//! `words.rs` and `links.rs` what sentences name and lead to, and `elsewhere.rs` the few commands that can't be run here, each with
//! its reason, and those that another test runs. A new command or snippet that nobody claims fails here with its page and line:
//! give it a step in its page's walk.

mod deploying;
mod elsewhere;
mod links;
mod page;
mod pages;
mod runbooks;
mod snippets;
mod walk;
mod words;

use std::collections::BTreeSet;

use self::{
    page::{Page, all},
    walk::Walk,
};

/// Every walk, each along a page of its own.
fn walks() -> impl Iterator<Item = &'static Walk> {
    runbooks::WALKS.iter().chain(pages::WALKS).chain(deploying::WALKS)
}

#[test]
fn every_command_and_snippet_is_claimed_once() {
    let mut unclaimed = Vec::new();
    for page in all() {
        let steps = walks().filter(|walk| walk.page == page.name).collect::<Vec<_>>();
        assert!(steps.len() <= 1, "{} is walked twice", page.name);
        let steps = steps.first().map_or(&[][..], |walk| walk.steps);
        if let Err(mistakes) = walk::planned(&page, steps) {
            unclaimed.extend(mistakes);
        }
        unclaimed.extend(snippets::unclaimed(&page));
    }
    assert!(unclaimed.is_empty(), "\n{}\n", unclaimed.join("\n"));

    let names: BTreeSet<String> = all().into_iter().map(|page| page.name).collect();
    for name in walks().map(|walk| walk.page).chain(snippets::pages()).chain(elsewhere::pages()) {
        assert!(names.contains(name), "there is no page {name}");
    }
}

/// The reader of pages finds what it should, and a stray command is told with its place.
#[test]
fn what_nobody_claims_is_told_with_its_place() {
    let text = "# A page\n\n1. Do `retentiond plan …` and\n\n   ```console\n   $ retentiond plan\n   RULE\n   ```\n\n```sh\nrm -rf \\\n    it\n```\n\n```xml\n<a/>\n```\n";
    let page = Page::of("docs/none.md", text);
    let found: Vec<(usize, &str, &str)> =
        page.commands.iter().map(|command| (command.line, command.text.as_str(), command.shown.as_str())).collect();
    assert_eq!(found, [(3, "retentiond plan …", ""), (6, "retentiond plan", "RULE\n"), (11, "rm -rf \\\n    it", "")]);
    let mistakes = walk::planned(&page, &[]).err().expect("nobody runs these");
    assert!(mistakes[0].starts_with("docs/none.md:6: nobody runs `retentiond plan`"), "{mistakes:?}");
    assert!(mistakes[1].starts_with("docs/none.md:11: nobody runs `rm -rf"), "{mistakes:?}");
    assert_eq!(snippets::unclaimed(&page), ["docs/none.md:16: nobody reads this `xml`"]);
}
