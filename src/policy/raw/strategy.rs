//! The strategies of `anonymise`: a word, or a table with the word and its settings.

use std::ops::Range;

use toml::{Spanned, de::DeValue};

use super::super::{Normalise, StrategySpec, Unit};
use crate::diagnostic::{
    fields::{At, Fields},
    suggest,
};

/// What this version takes.
const STRATEGIES: [&str; 8] = ["null", "fixed", "hmac", "random", "truncate_ip", "mask", "date_trunc", "round"];
/// What the language has besides.
const LATER: [&str; 1] = ["json"];

/// The largest number that values may be rounded to.
const LARGEST_STEP: u64 = 1_000_000_000_000;

/// A column and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RawAnonymised {
    pub column: At<String>,
    pub strategy: StrategySpec,
    /// Where the strategy names its key.
    pub key: Option<At<String>>,
}

/// `anonymise`, also spelt `anonymize`.
pub(super) fn columns(fields: &Fields<'_>) -> Option<At<Vec<RawAnonymised>>> {
    let (british, american) = (fields.value("anonymise"), fields.value("anonymize"));
    if let (Some(british), Some(american)) = (&british, &american) {
        let both = fields.reader.error("duplicate", &american.span, "`anonymise` and `anonymize` are the same key");
        fields.reader.report(both.also(fields.reader.file.at(british.span.clone()), "also written here"));
    }
    let key = if british.is_some() { "anonymise" } else { "anonymize" };
    let at = british.or(american)?;
    let table = fields.inner(key)?;
    let entries = table.entries();
    if entries.is_empty() {
        fields
            .reader
            .report(fields.reader.error("empty", &at.span, format!("`{key}` names no column")).help("write COLUMN = \"STRATEGY\""));
        return None;
    }
    Some(at.with(entries.iter().filter_map(|(column, value)| anonymised(fields, column, value)).collect()))
}

fn anonymised(fields: &Fields<'_>, column: &At<String>, value: &Spanned<DeValue<'_>>) -> Option<RawAnonymised> {
    let span = value.span();
    let (strategy, key) = match value.get_ref() {
        DeValue::String(word) => (bare(fields, column, word, span)?, None),
        DeValue::Table(table) => {
            let settings = Fields::new(fields.reader, format!("the strategy of `{}`", column.value), span, table);
            let word = settings.words("strategy");
            let strategy = settings.need("strategy", word).and_then(|word| configured(&settings, &word));
            settings.finish();
            strategy?
        }
        other => return fields.reader.wrong_type(span, &column.value, "a strategy", other),
    };
    Some(RawAnonymised { column: column.clone(), strategy, key })
}

/// A strategy without settings.
fn bare(fields: &Fields<'_>, column: &At<String>, word: &str, span: Range<usize>) -> Option<StrategySpec> {
    let wanted = match word {
        "null" => return Some(StrategySpec::Null),
        "truncate_ip" => return Some(StrategySpec::TruncateIp { v4: 24, v6: 48 }),
        "mask" => return Some(StrategySpec::Mask),
        "random" => return Some(StrategySpec::Random),
        "fixed" => "value = \"…\"",
        "hmac" => "key = \"…\"",
        "date_trunc" => "unit = \"month\"",
        "round" => "to = 10",
        word => return unknown(fields, word, span),
    };
    let key = wanted.split(' ').next().unwrap_or(wanted);
    let missing = fields.reader.error("missing-key", &span, format!("the strategy `{word}` lacks `{key}`"));
    fields.reader.report(missing.help(format!("write {} = {{ strategy = \"{word}\", {wanted} }}", column.value)));
    None
}

fn configured(settings: &Fields<'_>, word: &At<String>) -> Option<(StrategySpec, Option<At<String>>)> {
    match word.value.as_str() {
        "null" => Some((StrategySpec::Null, None)),
        "mask" => Some((StrategySpec::Mask, None)),
        "random" => Some((StrategySpec::Random, None)),
        "date_trunc" => {
            let unit = settings.choice("unit", &Unit::ALL);
            Some((StrategySpec::DateTrunc { unit: settings.need("unit", unit)?.value }, None))
        }
        "round" => {
            let to = settings.integer("to", 1..=LARGEST_STEP);
            Some((StrategySpec::Round { to: settings.need("to", to)?.value }, None))
        }
        "fixed" => {
            let value = settings.text("value");
            let replace_null = settings.boolean("replace_null").is_some_and(|replace| replace.value);
            let value = settings.need("value", value)?.value;
            Some((StrategySpec::Fixed { value, replace_null }, None))
        }
        "hmac" => {
            let key = settings.words("key");
            let normalise = settings.choice("normalise", &[("email", Normalise::Email)]);
            let key = settings.need("key", key)?;
            Some((StrategySpec::Hmac { key: key.value.clone(), normalise: normalise.map(|normalise| normalise.value) }, Some(key)))
        }
        "truncate_ip" => {
            let v4 = prefix(settings, "v4", 24, &[8, 16, 24]);
            let v6 = prefix(settings, "v6", 48, &[16, 32, 48, 64]);
            Some((StrategySpec::TruncateIp { v4: v4?, v6: v6? }, None))
        }
        other => unknown(settings, other, word.span.clone()),
    }
}

/// How many bits of an address stay.
fn prefix(settings: &Fields<'_>, key: &'static str, default: u8, allowed: &[u8]) -> Option<u8> {
    if settings.value(key).is_none() {
        return Some(default);
    }
    let written = settings.integer(key, 0..=128)?;
    if let Some(bits) = allowed.iter().find(|bits| u64::from(**bits) == written.value) {
        return Some(*bits);
    }
    let words: Vec<String> = allowed.iter().map(u8::to_string).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let message = format!("`{key}` is how many bits of the address stay: {}", suggest::one_of(&words));
    settings.reader.report(settings.reader.error("out-of-range", &written.span, message));
    None
}

fn unknown<T>(fields: &Fields<'_>, word: &str, span: Range<usize>) -> Option<T> {
    let diagnostic = if LATER.contains(&word) {
        let unsupported = fields.reader.error("unsupported", &span, format!("the strategy `{word}` is not supported by this version"));
        unsupported.help(format!("it takes {}", suggest::one_of(&STRATEGIES)))
    } else {
        let unknown = fields.reader.error("unknown-value", &span, format!("there is no strategy `{word}`"));
        unknown.maybe_help(suggest::did_you_mean(word, STRATEGIES))
    };
    fields.reader.report(diagnostic);
    None
}
