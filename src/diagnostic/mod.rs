//! Mistakes in files: where they are, what is wrong, and what to write instead.
//!
//! A [`Diagnostic`] points at bytes of a [`SourceFile`]; [`Diagnostics`] collects all of them, so that a person sees
//! every mistake at once and in the same order each time. [`fields`] reads TOML tables and reports what does not fit,
//! `render` turns diagnostics into text or into a structure for JSON, [`suggest`] finds what was meant. A new mistake
//! is a call of [`Diagnostics::push`] where it is found, with a code of its own.

pub mod fields;
mod render;
pub mod schema;
pub mod suggest;

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

pub use self::render::Report;

/// The code of what is not TOML.
const SYNTAX: &str = "syntax";

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What was read can't be used.
    Error,
    /// It can be used, but probably does not do what was meant.
    Warning,
}

/// A file and its text, shared by everything that points into it.
#[derive(Clone, PartialEq, Eq)]
pub struct SourceFile {
    path: PathBuf,
    text: Arc<str>,
}

impl SourceFile {
    /// A file that was read.
    pub fn new(path: impl Into<PathBuf>, text: impl Into<Arc<str>>) -> Self {
        Self { path: path.into(), text: text.into() }
    }

    /// A file whose text can't be shown, because reading it is what failed.
    pub fn unread(path: impl Into<PathBuf>) -> Self {
        Self::new(path, "")
    }

    /// The path as it was reached: relative to where the command was started.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The whole text; empty for a file that could not be read.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place of some bytes of this file.
    pub fn at(&self, span: Range<usize>) -> Place {
        Place { file: self.clone(), span }
    }
}

/// The path alone: a text of a thousand lines in a debug message helps nobody.
impl fmt::Debug for SourceFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SourceFile").field(&self.path).finish()
    }
}

/// Some bytes of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    pub file: SourceFile,
    /// In bytes of the file's text.
    pub span: Range<usize>,
}

impl Place {
    /// Line and column of the first character, both from 1, the column in characters; `None` if the file was not read.
    pub fn line_and_column(&self) -> Option<(usize, usize)> {
        let text = self.file.text();
        if text.is_empty() {
            return None;
        }
        let before = &text[..text.floor_char_boundary(self.span.start)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Some((before.matches('\n').count() + 1, before[line_start..].chars().count() + 1))
    }

    /// File, line and column above the line itself, with what is meant underlined; `None` if the file was not read.
    pub fn excerpt(&self, colour: bool) -> Option<String> {
        render::excerpt_of(self, colour)
    }
}

/// A place and what to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    pub place: Place,
    /// Stands beside the pointer; may be empty.
    pub label: String,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Names the kind of mistake, in kebab-case; stays the same when the words change.
    pub code: &'static str,
    pub message: String,
    pub pointer: Pointer,
    /// Other places that have to do with it, perhaps in other files.
    pub also: Vec<Pointer>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake that makes what was read unusable.
    pub fn error(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, place, message)
    }

    /// Something that is probably not meant.
    pub fn warning(code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, place, message)
    }

    fn new(severity: Severity, code: &'static str, place: Place, message: impl Into<String>) -> Self {
        Self { severity, code, message: message.into(), pointer: Pointer { place, label: String::new() }, also: Vec::new(), help: None }
    }

    /// Says something beside the pointer.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.pointer.label = label.into();
        self
    }

    /// Points at another place as well.
    #[must_use]
    pub fn also(mut self, place: Place, label: impl Into<String>) -> Self {
        self.also.push(Pointer { place, label: label.into() });
        self
    }

    /// Says what to do about it.
    #[must_use]
    pub fn help(self, help: impl Into<String>) -> Self {
        self.maybe_help(Some(help.into()))
    }

    /// Says what to do about it, where that is known.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Self {
        self.help = help.or(self.help);
        self
    }
}

/// All mistakes that were found, in the order of files and of places in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    found: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Adds a mistake. The same one twice is one: what a category says is read again for each of its rules.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if self.found.contains(&diagnostic) {
            return;
        }
        let key = |it: &Diagnostic| (it.pointer.place.file.path.clone(), it.pointer.place.span.start);
        let at = self.found.partition_point(|other| key(other) <= key(&diagnostic));
        self.found.insert(at, diagnostic);
    }

    /// Adds all of the others.
    pub fn extend(&mut self, others: impl IntoIterator<Item = Diagnostic>) {
        others.into_iter().for_each(|diagnostic| self.push(diagnostic));
    }

    /// Drops what only follows from a mistake of syntax: whatever else is found on a line that could not be read.
    pub fn drop_echoes(&mut self) {
        let line = |diagnostic: &Diagnostic| {
            let place = &diagnostic.pointer.place;
            (place.file.path.clone(), place.line_and_column().map(|(line, _)| line))
        };
        let mut first_on_line = BTreeMap::new();
        for diagnostic in self.found.iter().filter(|diagnostic| diagnostic.code == SYNTAX) {
            first_on_line.entry(line(diagnostic)).or_insert_with(|| diagnostic.clone());
        }
        self.found.retain(|diagnostic| first_on_line.get(&line(diagnostic)).is_none_or(|first| first == diagnostic));
    }

    /// The mistakes, ordered by file and place.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.found.iter()
    }

    /// Nothing was found.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// How many were found.
    pub fn len(&self) -> usize {
        self.found.len()
    }

    /// At least one of them makes what was read unusable.
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// All of them as text for people, as compilers write it: place, lines, pointer, help.
    pub fn render(&self, colour: bool) -> String {
        render::text(&self.found, colour)
    }

    /// All of them as a structure for JSON.
    pub fn reports(&self) -> Vec<Report> {
        self.found.iter().map(Report::from).collect()
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.found.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile::new(path, text)
    }

    #[test]
    fn they_come_in_the_order_of_files_and_places_and_each_once() {
        let (one, other) = (file("a.toml", "x = 1\ny = 2\n"), file("b.toml", "z = 3\n"));
        let found = [
            Diagnostic::error("c", other.at(0..1), "third"),
            Diagnostic::error("c", one.at(6..7), "second"),
            Diagnostic::error("c", one.at(0..1), "first"),
        ];
        let mut diagnostics = Diagnostics::default();
        diagnostics.extend(found.iter().chain(&found).cloned());
        let messages: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(messages, ["first", "second", "third"]);
    }

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let file = file("a.toml", "é = \"ü\"\r\nb = 1");
        assert_eq!(file.at(0..1).line_and_column(), Some((1, 1)));
        assert_eq!(file.at(5..9).line_and_column(), Some((1, 5)));
        assert_eq!(file.at(11..12).line_and_column(), Some((2, 1)));
        assert_eq!(file.at(900..901).line_and_column(), Some((2, 6)));
        assert_eq!(SourceFile::unread("a.toml").at(0..0).line_and_column(), None);
    }

    #[test]
    fn any_span_can_be_shown() {
        let file = file("a.toml", "é\n\tü = 1\n");
        for start in 0..12 {
            for end in 0..12 {
                let mut diagnostics = Diagnostics::default();
                diagnostics.push(Diagnostic::warning("c", file.at(start..end), "m").also(file.at(end..start), "l").help("h"));
                assert!(diagnostics.render(false).starts_with("warning[c]: m\n"));
                assert!(!diagnostics.has_errors());
            }
        }
    }

    #[test]
    fn colour_is_added_only_where_asked_for() {
        let mut diagnostics = Diagnostics::default();
        diagnostics.push(Diagnostic::error("c", file("a.toml", "x = 1").at(0..1), "m"));
        assert!(diagnostics.render(true).contains("\u{1b}["));
        assert!(!diagnostics.render(false).contains('\u{1b}'));
    }

    #[test]
    fn what_follows_from_a_line_that_can_not_be_read_is_dropped() {
        let file = file("a.toml", "x = = 1\ny = 2\n");
        let mut diagnostics = Diagnostics::default();
        diagnostics.extend([
            Diagnostic::error(SYNTAX, file.at(4..5), "first"),
            Diagnostic::error(SYNTAX, file.at(6..7), "echo"),
            Diagnostic::error("wrong-type", file.at(0..1), "echo"),
            Diagnostic::error("wrong-type", file.at(8..9), "another line"),
        ]);
        diagnostics.drop_echoes();
        let messages: Vec<&str> = diagnostics.iter().map(|diagnostic| diagnostic.message.as_str()).collect();
        assert_eq!(messages, ["first", "another line"]);
    }
}
