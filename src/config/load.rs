//! Reads the configuration and every rule file that it names.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use super::{
    Config,
    file::{File, FileSource},
    hide::blot_secrets,
};
use crate::{
    diagnostic::{
        Diagnostic, Diagnostics, SourceFile,
        fields::{At, Fields, Reader},
    },
    policy::{
        Policy, Residue, Rule,
        resolve::{Context, SourceFacts, resolve},
    },
};

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Loaded {
    pub config: Config,
    /// Ordered by id.
    pub rules: Vec<Rule>,
    /// What they come from, ordered by id.
    pub policies: Vec<Policy>,
    /// What is probably not meant.
    pub warnings: Diagnostics,
}

/// Reads a configuration and its rules.
///
/// # Errors
/// Every mistake of all files at once, warnings among them. No secret is in them.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let found = RefCell::new(Diagnostics::default());
    let loaded = read(path, &found);
    let mut found = found.into_inner();
    found.drop_echoes();
    match loaded {
        Some((config, rules, policies)) if !found.has_errors() => Ok(Loaded { config, rules, policies, warnings: found }),
        _ => Err(found),
    }
}

/// `None` only if an error was reported.
fn read(path: &Path, found: &RefCell<Diagnostics>) -> Option<(Config, Vec<Rule>, Vec<Policy>)> {
    let text = read_text(path, found)?;
    let shown = SourceFile::new(path, blot_secrets(&text));
    let (reader, document) = Reader::parse(&shown, &text, found);
    let top = Fields::new(reader, "the configuration", 0..0, document.get_ref());
    let base_dir = base_dir(path);
    let file = File::read(&top, &base_dir);

    let rule_files = rule_files(&file.rules, path, &base_dir, &reader);
    let rule_texts: Vec<SourceFile> =
        rule_files.into_iter().filter_map(|path| Some(SourceFile::new(&path, read_text(&path, found)?))).collect();
    let (rules, policies) = resolve(&rule_texts, &context(&file, !reader.is_broken()), found);

    let (keys, buckets) = (file.usable_keys(), file.usable_buckets());
    let sources: Option<BTreeMap<_, _>> = file.sources.into_iter().map(|(name, source)| Some((name, source.source?))).collect();
    let (timezone, timezone_name) = file.timezone;
    let config = Config {
        file: path.to_owned(),
        timezone,
        timezone_name,
        state: file.state?,
        http: file.http,
        acts_over_api_only: file.acts_over_api_only,
        keys,
        buckets,
        sources: sources?,
        defaults: file.defaults?,
    };
    rules.iter().filter_map(|rule| never_open(rule, &config)).for_each(|never| found.borrow_mut().push(never));
    rules.iter().filter_map(|rule| always_rewriting(rule, &config)).for_each(|always| found.borrow_mut().push(always));
    Some((config, rules, policies))
}

/// A table that is written anew is nobody else's for so long, and nobody would expect that at any hour.
fn always_rewriting(rule: &Rule, config: &Config) -> Option<Diagnostic> {
    let of_source = config.sources.get(&rule.source)?.window;
    if rule.residue != Some(Residue::Rewritten) || rule.window.or(of_source).is_some() {
        return None;
    }
    let message = "`rewritten` needs a window: writing a table anew keeps everybody else from it";
    let always = Diagnostic::error("window-needed", rule.origin.place("residue"), message).label("at any hour");
    Some(always.help("say when that does no harm, here or for the source: window = \"01:00-05:30\""))
}

/// A rule whose window has no minute of its source's would wait for ever. Windows in different zones drift against each
/// other and may meet on some days.
fn never_open(rule: &Rule, config: &Config) -> Option<Diagnostic> {
    let (window, of_source) = (rule.window?, config.sources.get(&rule.source)?.window?);
    if window.meets(&of_source) || rule.timezone != config.timezone {
        return None;
    }
    let message = format!("the rule's window {window} is closed whenever that of source `{}`, {of_source}, is open", rule.source);
    let never = Diagnostic::error("never-open", rule.origin.place("window"), message).label("the rule would never be swept");
    Some(never.help("a rule's window narrows its source's: choose hours inside that, or leave it out"))
}

/// The folder of the configuration, as it was named: relative to where the command was started.
fn base_dir(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// What rules need to know, of every source and key that is written: one with a mistake in it is no unknown one.
fn context(file: &File, complete: bool) -> Context {
    let facts = |source: &FileSource| SourceFacts { dialect: source.dialect, naive: source.naive.clone(), schema: source.schema.clone() };
    Context {
        sources: file.sources.iter().map(|(name, source)| (name.clone(), facts(source))).collect(),
        keys: file.keys.keys().cloned().collect(),
        buckets: file.buckets.keys().cloned().collect(),
        timezone: file.timezone.0.clone(),
        defaults: file.defaults.as_ref().map(|defaults| defaults.rule.clone()).unwrap_or_default(),
        complete,
    }
}

/// The files that the patterns match, each once, in order.
fn rule_files(patterns: &At<Vec<At<String>>>, config: &Path, base_dir: &Path, reader: &Reader<'_>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for pattern in &patterns.value {
        let report = |code, message: String, help: &str| reader.report(reader.error(code, &pattern.span, message).help(help));
        let base = base_dir.to_string_lossy();
        let whole = Path::new(&glob::Pattern::escape(&base)).join(&pattern.value);
        // What is hidden is not meant: mounted ConfigMaps have every file once more below hidden folders.
        let visible = glob::MatchOptions { require_literal_leading_dot: true, ..glob::MatchOptions::new() };
        let matches = match glob::glob_with(&whole.to_string_lossy(), visible) {
            Ok(matches) => matches,
            Err(error) => {
                report("invalid-pattern", format!("not a pattern: {}", error.msg), "write it like \"rules/**/*.toml\"");
                continue;
            }
        };
        let before = files.len();
        for entry in matches {
            match entry {
                // A pattern such as `*.toml` may match the configuration itself, which holds no rules.
                Ok(path) if path.is_file() && path != config => files.push(path),
                Ok(_) => {}
                Err(error) => {
                    report("unreadable", format!("can't look into {}: {}", error.path().display(), error.error()), "check its permissions")
                }
            }
        }
        if files.len() == before {
            report("no-rules", format!("no file matches \"{}\"", pattern.value), "patterns are relative to the configuration file");
        }
    }
    files.sort();
    files.dedup();
    files
}

/// The text of a file, or a report of why there is none.
fn read_text(path: &Path, found: &RefCell<Diagnostics>) -> Option<String> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let place = SourceFile::unread(path).at(0..0);
            found.borrow_mut().push(Diagnostic::error("unreadable", place, format!("can't read {}: {error}", path.display())));
            return None;
        }
    };
    match String::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) => {
            // What comes before the first wrong byte is the same in the text that is shown.
            let at = error.utf8_error().valid_up_to();
            let shown = SourceFile::new(path, blot_secrets(&String::from_utf8_lossy(error.as_bytes())));
            let place = shown.at(at..at + char::REPLACEMENT_CHARACTER.len_utf8());
            let wrong = Diagnostic::error("not-utf-8", place, "the file is not UTF-8").label("this is no character");
            found.borrow_mut().push(wrong.help("save it as UTF-8, which TOML demands"));
            None
        }
    }
}
