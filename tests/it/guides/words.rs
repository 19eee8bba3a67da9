//! Commands that are named in a sentence: each is one, with each of its options.

use std::collections::BTreeMap;

use super::page::{Page, all};
use crate::support::binary::Folder;

/// Help for a command and what is below it, asked for once.
struct Helps {
    folder: Folder,
    known: BTreeMap<Vec<String>, String>,
}

impl Helps {
    fn of(&mut self, path: &[String]) -> String {
        let ask = || {
            let words = path.iter().map(String::as_str).chain(["--help"]);
            self.folder.run(words).expect(0).stdout
        };
        self.known.entry(path.to_vec()).or_insert_with(ask).clone()
    }

    /// The commands below one.
    fn below(&mut self, path: &[String]) -> Vec<String> {
        let help = self.of(path);
        let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| line.starts_with("  "));
        let names = listed.filter(|line| !line.starts_with("   ")).filter_map(|line| line.split_whitespace().next());
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    }

    /// What is wrong with a command line; of `words` the first is a command.
    fn object(&mut self, words: &[&str]) -> Option<String> {
        let (mut path, mut below) = (Vec::new(), self.below(&[]));
        for word in words {
            if !below.contains(&(*word).to_owned()) {
                break;
            }
            path.push((*word).to_owned());
            below = self.below(&path);
        }
        let next = words.get(path.len()).filter(|word| !word.starts_with('-'));
        if path.is_empty() || (!below.is_empty() && next.is_some()) {
            return Some(format!("there is no command {}", words.join(" ")));
        }
        let help = [self.of(&path), self.of(&[])].concat();
        let options = words.iter().filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap_or_default());
        let missing = options.filter(|option| !help.contains(*option)).collect::<Vec<_>>();
        (!missing.is_empty()).then(|| format!("`{}` has no {}", path.join(" "), missing.join(", ")))
    }
}

#[test]
fn every_command_in_a_sentence_is_one() {
    let mut helps = Helps { folder: Folder::new(""), known: BTreeMap::new() };
    let commands = helps.below(&[]);
    let (mut known, mut wrong) = (0, Vec::new());
    for Page { name, spans, .. } in all() {
        for (line, code) in spans {
            // A key of the configuration; a row of README's table, which is held to the program on its own.
            if code.starts_with('[') || code.contains("\\|") {
                continue;
            }
            let plain = code.replace(['[', ']', '…', '"', ','], " ");
            let words: Vec<&str> = plain.split_whitespace().filter(|word| !word.contains("://")).collect();
            // `retentiond evidence 1` begins a digest: it is no command.
            let words = match words[..] {
                ["retentiond", "evidence", ..] => continue,
                ["retentiond" | "rtd", ref rest @ ..] if rest.iter().any(|word| !word.starts_with('-')) => rest,
                [first, _, ..] if commands.contains(&first.to_owned()) => &words[..],
                _ => continue,
            };
            // What is said of every command may stand before it.
            let from = words.iter().position(|word| commands.contains(&(*word).to_owned()));
            let Some(from) = from else {
                wrong.push(format!("{name}:{line}: `{code}` names no command"));
                continue;
            };
            known += 1;
            wrong.extend(helps.object(&words[from..]).map(|what| format!("{name}:{line}: `{code}`: {what}")));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
    assert!(known > 80, "{known} commands");
}
