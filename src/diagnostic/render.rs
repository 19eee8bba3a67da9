//! Diagnostics as text and as data.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Diagnostic, Place, Pointer, Severity};

/// A diagnostic as it stands in JSON output.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub severity: Severity,
    pub code: &'static str,
    pub message: String,
    pub file: String,
    /// From 1; absent if the file could not be read.
    pub line: Option<usize>,
    /// From 1, in characters.
    pub column: Option<usize>,
    pub help: Option<String>,
}

impl From<&Diagnostic> for Report {
    fn from(diagnostic: &Diagnostic) -> Self {
        let place = &diagnostic.pointer.place;
        let position = place.line_and_column();
        Self {
            severity: diagnostic.severity,
            code: diagnostic.code,
            message: diagnostic.message.clone(),
            file: place.file.path.display().to_string(),
            line: position.map(|(line, _)| line),
            column: position.map(|(_, column)| column),
            help: diagnostic.help.clone(),
        }
    }
}

/// One after the other, an empty line between them.
pub(super) fn text(diagnostics: &[Diagnostic], colour: bool) -> String {
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let rendered: Vec<String> = diagnostics.iter().map(|diagnostic| renderer.render(&[group(diagnostic)])).collect();
    rendered.join("\n\n")
}

fn group(diagnostic: &Diagnostic) -> Group<'_> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let main = &diagnostic.pointer;
    let mut group = Group::with_title(level.primary_title(diagnostic.message.as_str()).id(diagnostic.code));
    if main.place.line_and_column().is_none() {
        group = group.element(Origin::path(path(&main.place)));
    } else {
        // What is in the same file stands in one excerpt; each other file follows with an excerpt of its own.
        let (here, elsewhere): (Vec<&Pointer>, Vec<&Pointer>) = diagnostic.also.iter().partition(|also| also.place.file == main.place.file);
        let excerpt = excerpt(&main.place).annotation(AnnotationKind::Primary.span(span(&main.place)).label(label(main)));
        group = group.element(excerpt.annotations(here.into_iter().map(context)));
        group = group.elements(elsewhere.into_iter().map(|also| self::excerpt(&also.place).annotation(context(also))));
    }
    match &diagnostic.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

/// Where a value is written, with its line; without a title, for what says its own words.
pub(super) fn excerpt_of(place: &Place, colour: bool) -> Option<String> {
    place.line_and_column()?;
    let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
    let pointed = excerpt(place).annotation(AnnotationKind::Primary.span(span(place)));
    Some(renderer.render(&[Group::with_level(Level::ERROR).element(pointed)]))
}

fn excerpt<'a, T: Clone>(place: &'a Place) -> Snippet<'a, T> {
    Snippet::source(place.file.text()).path(path(place))
}

fn context(pointer: &Pointer) -> annotate_snippets::Annotation<'_> {
    AnnotationKind::Context.span(span(&pointer.place)).label(label(pointer))
}

fn label(pointer: &Pointer) -> Option<&str> {
    Some(pointer.label.as_str()).filter(|label| !label.is_empty())
}

fn path(place: &Place) -> String {
    place.file.path.display().to_string()
}

/// The span within the text and on the borders of characters, whatever a parser said.
fn span(place: &Place) -> std::ops::Range<usize> {
    let text = place.file.text();
    let start = text.floor_char_boundary(place.span.start);
    start..text.ceil_char_boundary(place.span.end.max(start))
}
