//! Reads tables of TOML by hand and reports everything that does not fit, each with its bytes.
//!
//! By hand, because spans get lost where serde flattens or guesses, and because serde stops at the first mistake.
//! [`Fields`] is one table: it is asked for each key that it may have, and [`Fields::finish`] reports the keys that
//! nobody asked for. A new type of value is a method like [`Fields::text`].

use std::{cell::RefCell, collections::BTreeSet, fmt::Display, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Diagnostic, Diagnostics, SourceFile, suggest};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct At<T> {
    pub value: T,
    /// In bytes of the file.
    pub span: Range<usize>,
    /// It was not said here but in the table that this one shares with others.
    pub shared: bool,
}

impl<T> At<T> {
    /// The same place with another value.
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> At<U> {
        At { value: change(self.value), span: self.span, shared: self.shared }
    }

    /// The same place with another value.
    pub fn with<U>(&self, value: U) -> At<U> {
        At { value, span: self.span.clone(), shared: self.shared }
    }
}

impl At<String> {
    /// The bytes of a part of the string: exact where it is written without escapes, else the whole string.
    pub fn inside(&self, file: &SourceFile, part: &Range<usize>) -> Range<usize> {
        let written = &file.text()[self.span.clone()];
        match written.find(&self.value) {
            Some(offset) if !part.is_empty() => self.span.start + offset + part.start..self.span.start + offset + part.end,
            _ => self.span.clone(),
        }
    }
}

/// A file that is being read, and what was found wrong in it.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub file: &'a SourceFile,
    found: &'a RefCell<Diagnostics>,
    /// The file has mistakes of syntax: what seems to be missing may be on a line that could not be read.
    broken: bool,
}

impl<'a> Reader<'a> {
    /// Parses the text of a file and reports every mistake of syntax. What could be read is in the table.
    ///
    /// The text is the file's own, except where the file that diagnostics show has its secrets blotted out.
    pub fn parse(file: &'a SourceFile, text: &'a str, found: &'a RefCell<Diagnostics>) -> (Self, Spanned<DeTable<'a>>) {
        let (document, errors) = DeTable::parse_recoverable(text);
        for error in &errors {
            let place = file.at(error.span().unwrap_or_default());
            found.borrow_mut().push(Diagnostic::error(super::SYNTAX, place, error.message().trim()).label("not TOML"));
        }
        (Self { file, found, broken: !errors.is_empty() }, document)
    }

    /// The file has mistakes of syntax.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// A mistake at these bytes.
    pub fn error(&self, code: &'static str, span: &Range<usize>, message: impl Into<String>) -> Diagnostic {
        Diagnostic::error(code, self.file.at(span.clone()), message)
    }

    /// Reports.
    pub fn report(&self, diagnostic: Diagnostic) {
        self.found.borrow_mut().push(diagnostic);
    }

    /// Reports a key or value that is missing in what stands at `span`, unless an unreadable line may contain it.
    pub fn missing(&self, diagnostic: Diagnostic) {
        if !self.broken {
            self.report(diagnostic);
        }
    }

    /// The text of a value, or a report that it is none.
    pub fn text(&self, value: &Spanned<DeValue<'_>>, what: &str) -> Option<At<String>> {
        match value.get_ref() {
            DeValue::String(text) => Some(At { value: text.to_string(), span: value.span(), shared: false }),
            other => self.wrong_type(value.span(), what, "a string", other),
        }
    }

    /// Reports that a value is of another type than it must be.
    pub fn wrong_type<T>(&self, span: Range<usize>, what: &str, wanted: &str, found: &DeValue<'_>) -> Option<T> {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        self.report(self.error("wrong-type", &span, format!("`{what}` must be {wanted}, not {found}")).label(format!("expected {wanted}")));
        None
    }
}

/// One table, and the table that it takes from what it does not say itself.
pub struct Fields<'a> {
    pub reader: Reader<'a>,
    /// What the table is, in messages: "a rule", "the source `app`".
    what: String,
    /// Its header.
    pub span: Range<usize>,
    own: &'a DeTable<'a>,
    shared: Option<&'a DeTable<'a>>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Fields<'a> {
    /// The table `what` with the header at `span`.
    pub fn new(reader: Reader<'a>, what: impl Into<String>, span: Range<usize>, own: &'a DeTable<'a>) -> Self {
        Self { reader, what: what.into(), span, own, shared: None, asked: RefCell::default() }
    }

    /// What this table does not say is taken from `shared`, which is checked for unknown keys by itself.
    #[must_use]
    pub fn sharing(self, shared: Option<&'a DeTable<'a>>) -> Self {
        Self { shared, ..self }
    }

    /// The table itself, for others to share.
    pub fn table(&self) -> &'a DeTable<'a> {
        self.own
    }

    /// Every key that has a value here or in the shared table.
    pub fn written(&self) -> BTreeSet<String> {
        self.own.keys().chain(self.shared.into_iter().flat_map(|shared| shared.keys())).map(|key| key.get_ref().to_string()).collect()
    }

    /// What is written for `key`, and whether in the shared table.
    pub fn value(&self, key: &'static str) -> Option<At<&'a Spanned<DeValue<'a>>>> {
        self.asked.borrow_mut().push(key);
        let (value, shared) = match (self.own.get(key), self.shared) {
            (Some(value), _) => (value, false),
            (None, Some(shared)) => (shared.get(key)?, true),
            (None, None) => return None,
        };
        Some(At { value, span: value.span(), shared })
    }

    /// A string.
    pub fn text(&self, key: &'static str) -> Option<At<String>> {
        let at = self.value(key)?;
        let text = self.reader.text(at.value, key)?;
        Some(at.with(text.value))
    }

    /// A string that isn't empty.
    pub fn words(&self, key: &'static str) -> Option<At<String>> {
        let text = self.text(key)?;
        if text.value.trim().is_empty() {
            self.reader.report(self.reader.error("empty", &text.span, format!("`{key}` must not be empty")));
            return None;
        }
        Some(text)
    }

    /// A string that `parse` understands; what it says otherwise is the message.
    pub fn parsed<T, E: Display>(&self, key: &'static str, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<At<T>> {
        let text = self.text(key)?;
        match parse(&text.value) {
            Ok(value) => Some(text.with(value)),
            Err(error) => {
                self.reader.report(self.reader.error("invalid-value", &text.span, format!("`{key}`: {error}")));
                None
            }
        }
    }

    /// One of a few words. Where several mean the same, the first is the one to recommend.
    pub fn choice<T: Copy + PartialEq>(&self, key: &'static str, choices: &[(&'static str, T)]) -> Option<At<T>> {
        let text = self.text(key)?;
        if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text.value) {
            return Some(text.with(*value));
        }
        let is_first = |(index, (_, value)): &(usize, &(_, T))| !choices[..*index].iter().any(|(_, other)| other == value);
        let words: Vec<&str> = choices.iter().enumerate().filter(is_first).map(|(_, (word, _))| *word).collect();
        let near = suggest::nearest(&text.value, words.iter().copied()).map(|near| format!("did you mean `{near}`?"));
        let unknown = self.reader.error("unknown-value", &text.span, format!("`{key}` can't be \"{}\"", text.value));
        self.reader.report(unknown.label(format!("expected {}", suggest::one_of(&words))).maybe_help(near));
        None
    }

    /// A whole number within bounds.
    pub fn integer(&self, key: &'static str, bounds: std::ops::RangeInclusive<u64>) -> Option<At<u64>> {
        let at = self.value(key)?;
        let DeValue::Integer(written) = at.value.get_ref() else {
            return self.reader.wrong_type(at.span, key, "an integer", at.value.get_ref());
        };
        let number = i128::from_str_radix(written.as_str(), written.radix()).ok().and_then(|number| u64::try_from(number).ok());
        match number.filter(|number| bounds.contains(number)) {
            Some(number) => Some(at.with(number)),
            None => {
                let message = format!("`{key}` must be between {} and {}", bounds.start(), bounds.end());
                self.reader.report(self.reader.error("out-of-range", &at.span, message));
                None
            }
        }
    }

    /// A number, whole or not.
    pub fn number(&self, key: &'static str) -> Option<At<f64>> {
        let at = self.value(key)?;
        let number = match at.value.get_ref() {
            DeValue::Float(written) => written.as_str().parse().ok(),
            DeValue::Integer(written) => i32::from_str_radix(written.as_str(), written.radix()).ok().map(f64::from),
            other => return self.reader.wrong_type(at.span, key, "a number", other),
        };
        Some(at.with(number.unwrap_or(f64::NAN)))
    }

    /// True or false.
    pub fn boolean(&self, key: &'static str) -> Option<At<bool>> {
        let at = self.value(key)?;
        match at.value.get_ref() {
            DeValue::Boolean(value) => Some(at.with(*value)),
            other => self.reader.wrong_type(at.span, key, "true or false", other),
        }
    }

    /// An array of strings.
    pub fn texts(&self, key: &'static str) -> Option<At<Vec<At<String>>>> {
        let at = self.value(key)?;
        let DeValue::Array(items) = at.value.get_ref() else {
            return self.reader.wrong_type(at.span, key, "an array of strings", at.value.get_ref());
        };
        let texts = items.iter().filter_map(|item| self.reader.text(item, key)).collect();
        Some(at.with(texts))
    }

    /// A table inside this one.
    pub fn inner(&self, key: &'static str) -> Option<Fields<'a>> {
        let at = self.value(key)?;
        match at.value.get_ref() {
            DeValue::Table(table) => Some(Fields::new(self.reader, format!("`{key}`"), at.span, table)),
            other => self.reader.wrong_type(at.span, key, "a table", other),
        }
    }

    /// An array of tables, `[[key]]`.
    pub fn list(&self, key: &'static str, what: &str) -> Vec<Fields<'a>> {
        let Some(at) = self.value(key) else { return Vec::new() };
        let DeValue::Array(items) = at.value.get_ref() else {
            // Inside another table a header would have to name that one too.
            let written = if self.span.is_empty() { format!("[[{key}]]") } else { format!("{key} = [{{ … }}]") };
            self.reader.wrong_type::<()>(at.span, key, &format!("an array of tables, written {written}"), at.value.get_ref());
            return Vec::new();
        };
        let table = |item: &'a Spanned<DeValue<'a>>| match item.get_ref() {
            DeValue::Table(table) => Some(Fields::new(self.reader, what, item.span(), table)),
            other => self.reader.wrong_type(item.span(), key, "a table", other),
        };
        items.iter().filter_map(table).collect()
    }

    /// Tables with names that the user chose, `[key.NAME]`, in the order of the file.
    pub fn named(&self, key: &'static str, what: &str) -> Vec<(At<String>, Fields<'a>)> {
        let Some(tables) = self.inner(key) else { return Vec::new() };
        let table = |(name, value): (At<String>, &'a Spanned<DeValue<'a>>)| match value.get_ref() {
            DeValue::Table(table) => {
                let fields = Fields::new(self.reader, format!("{what} `{}`", name.value), name.span.clone(), table);
                Some((name, fields))
            }
            other => self.reader.wrong_type(value.span(), &format!("{key}.{}", name.value), "a table", other),
        };
        tables.entries().into_iter().filter_map(table).collect()
    }

    /// Every key and value, in the order of the file.
    pub fn entries(&self) -> Vec<(At<String>, &'a Spanned<DeValue<'a>>)> {
        let mut entries: Vec<_> =
            self.own.iter().map(|(key, value)| (At { value: key.get_ref().to_string(), span: key.span(), shared: false }, value)).collect();
        entries.sort_by_key(|(key, _)| key.span.start);
        entries
    }

    /// Reports that a required key is missing.
    pub fn need<T>(&self, key: &'static str, value: Option<At<T>>) -> Option<At<T>> {
        let written = self.own.contains_key(key) || self.shared.is_some_and(|shared| shared.contains_key(key));
        if value.is_none() && !written {
            let missing = self.reader.error("missing-key", &self.span, format!("{} lacks `{key}`", self.what));
            self.reader.missing(missing.label(format!("`{key}` is required")));
        }
        value
    }

    /// Reports every key that nobody asked for.
    pub fn finish(&self) {
        self.finish_with(|_| None);
    }

    /// The same, where `explain` may know why a key is not taken.
    pub fn finish_with(&self, explain: impl Fn(&str) -> Option<String>) {
        let asked = self.asked.borrow();
        #[cfg(test)]
        READ.with_borrow_mut(|read| read.entry(self.what.clone()).or_default().extend(asked.iter().copied()));
        for (key, _) in self.entries() {
            if !asked.contains(&key.value.as_str()) {
                let unknown = self.reader.error("unknown-key", &key.span, format!("{} can't have `{}`", self.what, key.value));
                let near = || suggest::nearest(&key.value, asked.iter().copied()).map(|near| format!("did you mean `{near}`?"));
                self.reader.report(unknown.label("not a key of this version").maybe_help(explain(&key.value).or_else(near)));
            }
        }
    }
}

#[cfg(test)]
thread_local! {
    /// The keys that each kind of table was read for in this test: what its schema has to say.
    pub static READ: RefCell<std::collections::BTreeMap<String, BTreeSet<&'static str>>> = RefCell::default();
}

/// Says what is read for other than what the schema has. `tables` are names of what is read, each with the JSON pointer
/// of its schema.
#[cfg(test)]
#[track_caller]
pub fn assert_said(schema: &serde_json::Value, tables: &[(&str, &str)]) {
    let read = READ.take();
    for (what, pointer) in tables {
        let said = schema.pointer(&format!("{pointer}/properties")).and_then(serde_json::Value::as_object);
        let said: BTreeSet<&str> = said.unwrap_or_else(|| panic!("nothing at {pointer}")).keys().map(String::as_str).collect();
        let read = read.get(*what).unwrap_or_else(|| panic!("{what} was not read; these were: {:?}", read.keys()));
        assert_eq!(said, read.iter().copied().collect(), "{what}: what the schema says, and what is read");
    }
}
