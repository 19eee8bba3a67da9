//! Reads where databases and keys are, and what protects the way to a database.
//!
//! A new place for secrets is a line in [`ADDRESSES`], [`KEYS`] and those of buckets, and a variant of [`SecretPlace`].

use std::{ops::Range, path::Path};

use super::{
    InvalidUrl, SourceUrl,
    tls::{MODES, Reach, Tls, TlsMode},
};
use crate::{
    diagnostic::{
        Diagnostic,
        fields::{At, Fields},
    },
    secret::{Key, SecretPlace},
};

/// The keys that say where a secret is, and what to make of their values.
type Places = [(&'static str, fn(&str, &Path) -> SecretPlace)];

const ADDRESSES: &Places = &[("url_file", file), ("url_env", variable), ("url_credential", credential)];
const KEYS: &Places = &[("file", file), ("env", variable), ("credential", credential)];
const ACCESS_KEY_IDS: &Places = &[("access_key_id_file", file), ("access_key_id_env", variable), ("access_key_id_credential", credential)];
const SECRET_ACCESS_KEYS: &Places =
    &[("secret_access_key_file", file), ("secret_access_key_env", variable), ("secret_access_key_credential", credential)];

fn file(path: &str, base_dir: &Path) -> SecretPlace {
    SecretPlace::File(base_dir.join(path))
}

fn variable(name: &str, _base_dir: &Path) -> SecretPlace {
    SecretPlace::Env(name.to_owned())
}

fn credential(name: &str, _base_dir: &Path) -> SecretPlace {
    SecretPlace::Credential(name.to_owned())
}

/// The one of these keys that is given, if it can be read.
fn chosen(fields: &Fields<'_>, keys: impl IntoIterator<Item = &'static str>, what: &str, missing: [&str; 2]) -> Option<&'static str> {
    let given: Vec<(&'static str, Range<usize>)> = keys.into_iter().filter_map(|key| Some((key, fields.value(key)?.span))).collect();
    let Some(((first, span), others)) = given.split_first() else {
        let [message, help] = missing;
        fields.reader.missing(fields.reader.error("missing-key", &fields.span, message).help(help));
        return None;
    };
    for (other, at) in others {
        let twice = fields.reader.error("duplicate", at, format!("{what} is given twice: `{first}` and `{other}`"));
        fields.reader.report(twice.also(fields.reader.file.at(span.clone()), "given here").help("keep one of them"));
    }
    Some(first)
}

/// `url`, or one of its places; and `tls` beside it, or what is `inherited`.
pub(super) fn address(fields: &Fields<'_>, base_dir: &Path, inherited: &Tls) -> Option<SourceUrl> {
    let protection = fields.inner("tls");
    let written = protection.as_ref().map_or_else(|| inherited.clone(), |fields| tls(fields, base_dir));
    let keys = std::iter::once("url").chain(ADDRESSES.iter().map(|(key, _)| *key));
    let missing = ["the database has no address", "add `url`; or `url_file`, `url_env` or `url_credential` where it holds a password"];
    let key = chosen(fields, keys, "the address", missing)?;
    let at = fields.words(key)?;
    let parse = |text: &str| SourceUrl::protected(text, base_dir, &written);
    let url = match ADDRESSES.iter().find(|(other, _)| *other == key) {
        None => valid(fields, &at, parse(&at.value))?,
        Some((_, place)) => {
            let place = place(&at.value, base_dir);
            let bytes = secret(fields, &at, &place)?;
            let parsed = String::from_utf8(bytes).map_err(|_| InvalidUrl::NotUnicode).and_then(|text| parse(&text));
            valid(fields, &at, parsed)?.read_in(place)
        }
    };
    report_tls(fields, protection.as_ref(), &at.span, &url);
    Some(url)
}

/// `tls`: what is written there.
fn tls(fields: &Fields<'_>, base_dir: &Path) -> Tls {
    let file = |key| fields.words(key).map(|path| base_dir.join(path.value));
    let tls = Tls {
        mode: fields.choice("mode", &MODES).map(|mode| mode.value),
        ca_file: file("ca_file"),
        certificate_file: file("certificate_file"),
        key_file: file("key_file"),
    };
    fields.finish();
    tls
}

/// Reports a file that can't be used, and warns of a choice that leaves a remote server unverified; at the key that says
/// so, or at the address.
fn report_tls(fields: &Fields<'_>, protection: Option<&Fields<'_>>, address: &Range<usize>, url: &SourceUrl) {
    let span = |key| protection.and_then(|fields| fields.value(key)).map_or_else(|| address.clone(), |at| at.span);
    if let Some((key, why)) = url.tls().unusable() {
        fields.reader.report(fields.reader.error("unusable-certificate", &span(key), why));
    }
    if url.reach() == Reach::Remote
        && let Some(risk) = url.tls().mode.and_then(TlsMode::risk)
    {
        let warning = Diagnostic::warning("unverified-server", fields.reader.file.at(span("mode")), "the server isn't verified");
        fields.reader.report(warning.label(risk).help("leave `mode` out; `ca_file` names an authority that the system doesn't know"));
    }
}

/// `[keys.NAME]`: exactly one place.
pub(super) fn key(fields: &Fields<'_>, base_dir: &Path) -> Option<Key> {
    let key = key_in(fields, base_dir, KEYS, "the key", ["the key is nowhere", "add `file`, `env` or `credential`"]);
    fields.finish();
    key
}

/// The secret half of a bucket's access key.
pub(super) fn secret_access_key(fields: &Fields<'_>, base_dir: &Path) -> Option<Key> {
    let missing =
        ["the bucket has no secret key", "add `secret_access_key_file`, `secret_access_key_env` or `secret_access_key_credential`"];
    key_in(fields, base_dir, SECRET_ACCESS_KEYS, "the secret key", missing)
}

/// The other half, which may be written.
pub(super) fn access_key_id(fields: &Fields<'_>, base_dir: &Path) -> Option<String> {
    let keys = std::iter::once("access_key_id").chain(ACCESS_KEY_IDS.iter().map(|(key, _)| *key));
    let missing =
        ["the bucket has no access key", "add `access_key_id`; or `access_key_id_file`, `access_key_id_env` or `access_key_id_credential`"];
    let key = chosen(fields, keys, "the access key", missing)?;
    let at = fields.words(key)?;
    match ACCESS_KEY_IDS.iter().find(|(other, _)| *other == key) {
        None => Some(at.value),
        Some((_, place)) => {
            let bytes = secret(fields, &at, &place(&at.value, base_dir))?;
            valid(fields, &at, String::from_utf8(bytes).map_err(|_| "it is not text"))
        }
    }
}

fn key_in(fields: &Fields<'_>, base_dir: &Path, places: &Places, what: &str, missing: [&str; 2]) -> Option<Key> {
    let key = chosen(fields, places.iter().map(|(key, _)| *key), what, missing);
    let (name, place) = places.iter().find(|(other, _)| Some(*other) == key)?;
    let at = fields.words(name)?;
    let bytes = secret(fields, &at, &place(&at.value, base_dir))?;
    valid(fields, &at, Key::new(bytes))
}

/// What is in a place. A message names the place, so that must not be the secret itself by mistake.
fn secret(fields: &Fields<'_>, at: &At<String>, place: &SecretPlace) -> Option<Vec<u8>> {
    let mistaken = match place {
        SecretPlace::File(_) => at.value.contains("://").then_some("the address itself: write the path of a file that holds it"),
        SecretPlace::Env(name) => {
            let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            (!is_name).then_some("not the name of an environment variable")
        }
        SecretPlace::Credential(name) => {
            let is_name = !name.contains(['/', ':']) && !name.starts_with('.');
            (!is_name).then_some("not the name of a credential, as `LoadCredential=` has it before the `:`")
        }
    };
    if let Some(mistaken) = mistaken {
        fields.reader.report(fields.reader.error("invalid-value", &at.span, format!("this is {mistaken}")));
        return None;
    }
    match place.read() {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            fields.reader.report(fields.reader.error("unreadable-secret", &at.span, error.to_string()));
            None
        }
    }
}

/// The value, or a report of why there is none. Errors of this room never contain what was written.
fn valid<T, E: std::fmt::Display>(fields: &Fields<'_>, at: &At<String>, parsed: Result<T, E>) -> Option<T> {
    match parsed {
        Ok(value) => Some(value),
        Err(error) => {
            fields.reader.report(fields.reader.error("invalid-value", &at.span, error.to_string()));
            None
        }
    }
}
