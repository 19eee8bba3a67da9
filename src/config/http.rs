//! `[http]`: the tokens of those who may ask the daemon, beside where it listens (`listener`).
//!
//! A token is a prefix and 32 random bytes in hex; the configuration has its SHA-256 alone. Nobody can guess that many
//! bytes, so a fast hash does, and a configuration that is read by others gives no token away. A new role is a line in
//! [`ROLES`].

use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::listener::{self, Listeners};
use crate::{
    clock::{Randomness, hex, random_hex},
    diagnostic::fields::{At, Fields},
};

/// How every token begins, so that one that leaks is recognised for what it is.
const TOKEN: &str = "rtd_";
/// How a hash is written.
const SHA256: &str = "sha256:";

/// `[http]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Http {
    pub listeners: Listeners,
    pub tokens: Vec<Token>,
}

/// `[[http.tokens]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Who acts with it, in the ledger.
    pub name: String,
    pub roles: Vec<Role>,
    hash: [u8; 32],
    pub expires: Option<Timestamp>,
}

/// What somebody may do. Every role may read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Reads.
    Viewer,
    /// Sweeps, pauses, resumes and reloads.
    Operator,
    /// Places and releases holds.
    Counsel,
    /// Lets waiting rules go.
    Approver,
}

/// Every role by its word.
pub const ROLES: [(&str, Role); 4] =
    [("viewer", Role::Viewer), ("operator", Role::Operator), ("counsel", Role::Counsel), ("approver", Role::Approver)];

impl Role {
    /// Its word.
    pub fn name(self) -> &'static str {
        ROLES.iter().find(|(_, role)| *role == self).map_or("", |(word, _)| word)
    }
}

impl Http {
    pub(super) fn read(top: &Fields<'_>, base_dir: &Path) -> Self {
        let Some(fields) = top.inner("http") else { return Self::default() };
        let listeners = listener::read(&fields, base_dir);
        let mut tokens: Vec<Token> = Vec::new();
        for (name, token) in fields.list("tokens", "the token").iter().filter_map(token) {
            let same = |one: &&Token| one.name == token.name || one.hash == token.hash;
            if let Some(known) = tokens.iter().find(same) {
                let message =
                    format!("the tokens `{}` and `{}` have one name or one hash: nobody could tell who acted", known.name, token.name);
                fields.reader.report(fields.reader.error("duplicate", &name.span, message));
            }
            tokens.push(token);
        }
        fields.finish();
        Self { listeners, tokens }
    }

    /// Whoever has this token, unless it has expired.
    pub fn bearer(&self, token: &str, now: Timestamp) -> Option<&Token> {
        let hash = digest(token);
        // Every hash is compared to its end, so that the time it takes tells nothing of them.
        let is = |known: &&Token| known.hash.iter().zip(&hash).fold(0, |different, (one, other)| different | (one ^ other)) == 0;
        let found = self.tokens.iter().filter(is).fold(None, |_, known| Some(known))?;
        found.expires.is_none_or(|expires| now < expires).then_some(found)
    }
}

/// A new token, and what the configuration has of it.
pub fn new_token(randomness: &dyn Randomness) -> (String, String) {
    let token = format!("{TOKEN}{}", random_hex::<32>(randomness));
    let hash = format!("{SHA256}{}", hex(&digest(&token)));
    (token, hash)
}

/// What a token may be called: it is written into log lines and the ledger.
///
/// # Errors
/// What is wrong with it.
pub fn token_name(name: &str) -> Result<String, &'static str> {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "-_.@".contains(letter);
    if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
        return Err("a token's name has 1 to 64 letters, digits, `-`, `_`, `.` or `@`");
    }
    Ok(name.to_owned())
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn token(fields: &Fields<'_>) -> Option<(At<String>, Token)> {
    let name = fields.parsed("name", token_name);
    let hash = fields.parsed("hash", read_hash);
    let expires = fields.parsed("expires", |text| {
        text.parse::<Timestamp>().map_err(|_| "not an instant of RFC 3339; write it like \"2027-01-01T00:00:00Z\"")
    });
    let roles = fields.texts("roles");
    let (name, hash, written) = (fields.need("name", name), fields.need("hash", hash), fields.need("roles", roles));
    fields.finish();
    let mut roles = Vec::new();
    for role in &written.as_ref()?.value {
        match ROLES.iter().find(|(word, _)| *word == role.value) {
            Some((_, role)) => roles.push(*role),
            None => {
                let words = ROLES.map(|(word, _)| word);
                let unknown = fields.reader.error("unknown-value", &role.span, format!("there is no role \"{}\"", role.value));
                let near = crate::diagnostic::suggest::did_you_mean(&role.value, words);
                fields.reader.report(unknown.label(format!("expected {}", crate::diagnostic::suggest::one_of(&words))).maybe_help(near));
            }
        }
    }
    if written.as_ref()?.value.is_empty() {
        fields.reader.report(fields.reader.error("empty", &written.as_ref()?.span, "a token without a role is good for nothing"));
    }
    let name = name?;
    let token = Token { name: name.value.clone(), roles, hash: hash?.value, expires: expires.map(|expires| expires.value) };
    Some((name, token))
}

fn read_hash(text: &str) -> Result<[u8; 32], &'static str> {
    const WAY_OUT: &str = "not what `retentiond token new` prints for it: \"sha256:\" and 64 hex digits, and never the token itself";
    let digits = text.strip_prefix(SHA256).filter(|digits| digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let digits = digits.ok_or(WAY_OUT)?;
    let mut hash = [0; 32];
    for (index, byte) in hash.iter_mut().enumerate() {
        *byte = digits.get(2 * index..2 * index + 2).and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or(WAY_OUT)?;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededRandomness;

    #[test]
    fn a_token_is_known_by_its_hash_until_it_expires() {
        let (token, hash) = new_token(&SeededRandomness::new(1));
        assert!(token.starts_with("rtd_") && token.len() == 68, "{token}");
        let expires: Timestamp = "2027-01-01T00:00:00Z".parse().expect("an instant");
        let known =
            Token { name: "a".to_owned(), roles: vec![Role::Viewer], hash: read_hash(&hash).expect("a hash"), expires: Some(expires) };
        let http = Http { tokens: vec![known.clone()], ..Http::default() };
        let before: Timestamp = "2026-12-31T23:59:59Z".parse().expect("an instant");
        assert_eq!(http.bearer(&token, before), Some(&known));
        assert_eq!(http.bearer(&token, expires), None);
        assert_eq!(http.bearer(&hash, before), None);
        assert_eq!(http.bearer(&new_token(&SeededRandomness::new(2)).0, before), None);
        assert!(read_hash(&token).is_err() && read_hash("sha256:é").is_err());
    }
}
