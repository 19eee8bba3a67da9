//! The strategies of `anonymise`: a word, or a table with the word and its settings.

use std::ops::Range;

use toml::{Spanned, de::DeValue};

use super::super::{JsonPath, Normalise, StrategySpec, Unit};
use crate::diagnostic::{
    fields::{At, Fields},
    suggest,
};

/// Every strategy.
const STRATEGIES: [&str; 9] = ["null", "fixed", "hmac", "random", "truncate_ip", "mask", "date_trunc", "round", "json"];

/// The largest number that values may be rounded to.
const LARGEST_STEP: u64 = 1_000_000_000_000;

/// A column and what becomes of it.
#[derive(Debug, Clone, PartialEq)]
pub struct RawAnonymised {
    pub column: At<String>,
    pub strategy: StrategySpec,
    /// Where the strategy names keys.
    pub keys: Vec<At<String>>,
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
    let mut keys = Vec::new();
    let strategy = match value.get_ref() {
        DeValue::String(word) => bare(fields, column, word, span)?,
        DeValue::Table(table) => {
            let settings = Fields::new(fields.reader, format!("the strategy of `{}`", column.value), span, table);
            let word = settings.words("strategy");
            let strategy = settings.need("strategy", word).and_then(|word| configured(&settings, &word, &mut keys));
            settings.finish();
            strategy?
        }
        other => return fields.reader.wrong_type(span, &column.value, "a strategy", other),
    };
    Some(RawAnonymised { column: column.clone(), strategy, keys })
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
        "json" => "paths = { \"$.user.email\" = \"mask\" }",
        word => return unknown(fields, word, span),
    };
    let key = wanted.split(' ').next().unwrap_or(wanted);
    let missing = fields.reader.error("missing-key", &span, format!("the strategy `{word}` lacks `{key}`"));
    fields.reader.report(missing.help(format!("write {} = {{ strategy = \"{word}\", {wanted} }}", column.value)));
    None
}

/// A strategy with settings; where it names keys is added to `keys`.
fn configured(settings: &Fields<'_>, word: &At<String>, keys: &mut Vec<At<String>>) -> Option<StrategySpec> {
    Some(match word.value.as_str() {
        "null" => StrategySpec::Null,
        "mask" => StrategySpec::Mask,
        "random" => StrategySpec::Random,
        "fixed" => {
            let value = settings.text("value");
            let replace_null = settings.boolean("replace_null").is_some_and(|replace| replace.value);
            StrategySpec::Fixed { value: settings.need("value", value)?.value, replace_null }
        }
        "hmac" => {
            let key = settings.words("key");
            let normalise = settings.choice("normalise", &[("email", Normalise::Email)]).map(|normalise| normalise.value);
            let key = settings.need("key", key)?;
            keys.push(key.clone());
            StrategySpec::Hmac { key: key.value, normalise }
        }
        "truncate_ip" => {
            let v4 = prefix(settings, "v4", 24, &[8, 16, 24]);
            let v6 = prefix(settings, "v6", 48, &[16, 32, 48, 64]);
            StrategySpec::TruncateIp { v4: v4?, v6: v6? }
        }
        "date_trunc" => {
            let unit = settings.choice("unit", &Unit::ALL);
            StrategySpec::DateTrunc { unit: settings.need("unit", unit)?.value }
        }
        "round" => {
            let to = settings.integer("to", 1..=LARGEST_STEP);
            StrategySpec::Round { to: settings.need("to", to)?.value }
        }
        "json" => {
            let paths = settings.inner("paths");
            if paths.is_none() && settings.value("paths").is_none() {
                let missing = settings.reader.error("missing-key", &settings.span, "the strategy `json` lacks `paths`");
                settings.reader.missing(missing.help("write paths = { \"$.user.email\" = \"mask\" }"));
            }
            StrategySpec::Json { places: places(&paths?, keys)? }
        }
        other => return unknown(settings, other, word.span.clone()),
    })
}

/// The places in a document, each with its strategy.
fn places(paths: &Fields<'_>, keys: &mut Vec<At<String>>) -> Option<Vec<(JsonPath, StrategySpec)>> {
    let report = |code, span: &Range<usize>, message: String| paths.reader.error(code, span, message);
    let mut places: Vec<(At<JsonPath>, StrategySpec)> = Vec::new();
    let entries = paths.entries();
    if entries.is_empty() {
        paths.reader.report(report("empty", &paths.span, "`paths` names no place".to_owned()));
    }
    for (written, value) in &entries {
        let path = match JsonPath::parse(&written.value) {
            Ok(path) => written.with(path),
            Err(message) => {
                paths.reader.report(report("invalid-path", &written.span, message));
                continue;
            }
        };
        let Some(inner) = anonymised(paths, written, value) else { continue };
        if !inner.strategy.fits_in_documents() {
            let message = format!("`{}` can't be used inside a document", inner.strategy.name());
            paths.reader.report(
                report("misplaced-strategy", &written.span, message)
                    .help("`null`, `fixed`, `hmac`, `mask`, `truncate_ip` and `date_trunc` can"),
            );
            continue;
        }
        if let Some((first, _)) = places.iter().find(|(other, _)| other.value.is_within(&path.value) || path.value.is_within(&other.value))
        {
            let twice = report("duplicate", &path.span, "one of two places lies within the other".to_owned()).label("this place");
            paths.reader.report(twice.also(paths.reader.file.at(first.span.clone()), "and this one"));
        }
        keys.extend(inner.keys);
        places.push((path, inner.strategy));
    }
    (places.len() == entries.len()).then(|| places.into_iter().map(|(path, strategy)| (path.value, strategy)).collect())
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
    let unknown = fields.reader.error("unknown-value", &span, format!("there is no strategy `{word}`"));
    fields.reader.report(unknown.maybe_help(suggest::did_you_mean(word, STRATEGIES)));
    None
}
