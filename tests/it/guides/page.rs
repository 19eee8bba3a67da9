//! Pages as their readers take them: the commands in the order in which they come, each with what the page shows of its output, and the
//! snippets between them.

use std::{fs, path::Path};

/// Programs that a page may name together with what they are to do.
const PROGRAMS: &[&str] = &[
    "retentiond",
    "rtd",
    "apt",
    "cargo",
    "chown",
    "curl",
    "docker",
    "helm",
    "journalctl",
    "kubectl",
    "promtool",
    "psql",
    "sqlite3",
    "sudo",
    "systemctl",
    "systemd-analyze",
    "tests/run",
    "zstd",
];

/// A page of the documentation.
pub struct Page {
    /// Its path below the root.
    pub name: String,
    pub commands: Vec<Command>,
    pub snippets: Vec<Snippet>,
    /// What stands between back-ticks in sentences, with its line.
    pub spans: Vec<(usize, String)>,
    /// The heading that was read last.
    section: String,
}

/// Something to be pasted into a shell.
pub struct Command {
    pub line: usize,
    /// The heading that it stands under.
    pub section: String,
    pub text: String,
    /// What the page shows of its output; empty: nothing.
    pub shown: String,
    /// It stands in a sentence and not in a block.
    pub is_inline: bool,
}

/// A block that is no command.
pub struct Snippet {
    pub line: usize,
    pub language: String,
    pub text: String,
}

/// A file of the project.
pub fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every page.
pub fn all() -> Vec<Page> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let found = ["README.md", "docs/**/*.md", "deploy/**/*.md"].map(|pattern| {
        let paths = glob::glob(root.join(pattern).to_str().expect("a path in UTF-8")).expect("a pattern");
        paths.map(|path| path.expect("a path").strip_prefix(root).expect("below the root").to_string_lossy().into_owned())
    });
    let pages: Vec<Page> = found.into_iter().flatten().map(|name| Page::of(&name, &read(&name))).collect();
    assert!(pages.len() > 35, "{} pages", pages.len());
    pages
}

impl Page {
    /// The page of that name.
    pub fn named(name: &str) -> Self {
        Self::of(name, &read(name))
    }

    /// A page with that text.
    pub fn of(name: &str, text: &str) -> Self {
        let mut page =
            Self { name: name.to_owned(), commands: Vec::new(), snippets: Vec::new(), spans: Vec::new(), section: String::new() };
        let mut lines = text.lines().enumerate().map(|(at, line)| (at + 1, line));
        while let Some((at, line)) = lines.next() {
            let indent = line.len() - line.trim_start().len();
            if let Some(language) = line.trim_start().strip_prefix("```") {
                let body: Vec<&str> =
                    lines.by_ref().map(|(_, line)| line.get(indent..).unwrap_or_default()).take_while(|line| *line != "```").collect();
                page.block(at + 1, language, &body);
            } else {
                if let Some(heading) = line.strip_prefix("## ") {
                    heading.clone_into(&mut page.section);
                }
                // What is between back-ticks may go on in the next line.
                let mut whole = line.to_owned();
                while whole.matches('`').count() % 2 == 1 {
                    let (_, more) = lines.next().unwrap_or_else(|| panic!("{name}:{at}: a back-tick is left open"));
                    whole = format!("{whole} {}", more.trim_start());
                }
                page.sentence(at, &whole);
            }
        }
        page
    }

    fn block(&mut self, line: usize, language: &str, body: &[&str]) {
        let is_console = language == "console" || body.first().is_some_and(|line| line.starts_with("$ "));
        if is_console {
            for (at, text) in body.iter().enumerate() {
                match (text.strip_prefix("$ "), self.commands.last_mut()) {
                    (Some(command), _) => self.command(line + at, command.to_owned(), false),
                    (None, Some(last)) => last.shown += &format!("{text}\n"),
                    (None, None) => panic!("{}:{line}: a console begins with a command", self.name),
                }
            }
        } else if language == "sh" {
            let (mut whole, mut first) = (String::new(), line);
            for (at, text) in body.iter().enumerate() {
                if whole.is_empty() {
                    first = line + at;
                    if text.is_empty() || text.starts_with('#') {
                        continue;
                    }
                } else {
                    whole.push('\n');
                }
                whole += text;
                if is_whole(&whole) {
                    self.command(first, std::mem::take(&mut whole), false);
                }
            }
            assert!(whole.is_empty(), "{}:{first}: a command has no end", self.name);
        } else {
            self.snippets.push(Snippet { line, language: language.to_owned(), text: body.join("\n") });
        }
    }

    /// Commands that stand between back-ticks: a program and more words.
    fn sentence(&mut self, line: usize, text: &str) {
        for code in text.split('`').skip(1).step_by(2) {
            if code.split_once(' ').is_some_and(|(program, _)| PROGRAMS.contains(&program)) {
                self.command(line, code.to_owned(), true);
            }
            self.spans.push((line, code.to_owned()));
        }
    }

    fn command(&mut self, line: usize, text: String, is_inline: bool) {
        let section = self.section.clone();
        self.commands.push(Command { line, section, text, shown: String::new(), is_inline });
    }

    /// A command or a snippet, as a failure names it.
    pub fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.name)
    }
}

/// Whether a shell would begin with it: no quote, brace, here-document or line is left open.
fn is_whole(text: &str) -> bool {
    if let Some((_, word)) = text.lines().next().unwrap_or_default().split_once("<<'") {
        let end = word.split('\'').next().unwrap_or_default();
        return text.lines().last() == Some(end);
    }
    let (mut quote, mut braces) = (None, 0);
    for letter in text.chars() {
        match (quote, letter) {
            (None, '\'' | '"') => quote = Some(letter),
            (Some(open), _) if open == letter => quote = None,
            (None, '{') => braces += 1,
            (None, '}') => braces -= 1,
            _ => {}
        }
    }
    quote.is_none() && braces == 0 && !text.ends_with('\\')
}
