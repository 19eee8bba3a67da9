//! Secrets that rules name, and the places that hold secrets.
//!
//! A secret is never printed: [`Key`] and [`Keys`] hide what they hold, and messages name its place only.
//! A new place for secrets is a variant of [`SecretPlace`].

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// The shortest key, in bytes: 128 bits.
pub const SHORTEST_KEY: usize = 16;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretPlace {
    File(PathBuf),
    /// A variable of the environment.
    Env(String),
    /// What systemd hands to a service (`LoadCredential=`), by its name there.
    Credential(String),
}

/// Where systemd says that a service finds its credentials.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

impl SecretPlace {
    /// Reads it; one newline at the end doesn't belong to it.
    ///
    /// # Errors
    /// Names the file or variable and what went wrong, never what is in it.
    pub fn read(&self) -> Result<Vec<u8>, UnreadableSecret> {
        let unreadable = |message: String| UnreadableSecret { place: self.clone(), message };
        let read = |path: &Path| std::fs::read(path).map_err(|error| unreadable(error.to_string()));
        let mut bytes = match self {
            Self::File(path) => read(path)?,
            Self::Credential(name) => {
                let nowhere = "CREDENTIALS_DIRECTORY is not set, as systemd does for a service with `LoadCredential=`";
                let folder = std::env::var_os(CREDENTIALS_DIRECTORY).ok_or_else(|| unreadable(nowhere.to_owned()))?;
                read(&Path::new(&folder).join(name))?
            }
            Self::Env(name) => {
                let value = std::env::var_os(name).ok_or_else(|| unreadable("it is not set".to_owned()))?;
                value.into_encoded_bytes()
            }
        };
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        Ok(bytes)
    }
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "the file {}", path.display()),
            Self::Env(name) => write!(f, "the environment variable {name}"),
            Self::Credential(name) => write!(f, "the credential {name}"),
        }
    }
}

/// A secret that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("can't read {place}: {message}")]
pub struct UnreadableSecret {
    pub place: SecretPlace,
    pub message: String,
}

/// The bytes of a key.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Vec<u8>);

impl Key {
    /// A key of these bytes.
    ///
    /// # Errors
    /// [`KeyTooShort`] under [`SHORTEST_KEY`] bytes: it could be guessed.
    pub fn new(bytes: Vec<u8>) -> Result<Self, KeyTooShort> {
        if bytes.len() < SHORTEST_KEY { Err(KeyTooShort { length: bytes.len() }) } else { Ok(Self(bytes)) }
    }

    /// The bytes, for the hash alone: never log them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// A key that could be guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key needs at least {SHORTEST_KEY} bytes, this one has {length}")]
pub struct KeyTooShort {
    pub length: usize,
}

/// The keys of `[keys.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// The key of that name.
    pub fn get(&self, name: &str) -> Option<&Key> {
        self.0.get(name)
    }

    /// All names in order, for suggestions.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Adds a key or replaces the one of that name.
    pub fn insert(&mut self, name: impl Into<String>, key: Key) {
        self.0.insert(name.into(), key);
    }
}

impl FromIterator<(String, Key)> for Keys {
    fn from_iter<I: IntoIterator<Item = (String, Key)>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_loses_one_newline_and_hides_itself() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(file.path(), "0123456789abcdef\n\n").expect("it can be written");
        let bytes = SecretPlace::File(file.path().to_owned()).read().expect("it can be read");
        assert_eq!(bytes, b"0123456789abcdef\n");
        let keys = Keys::from_iter([("pepper".to_owned(), Key::new(bytes).expect("long enough"))]);
        assert_eq!(format!("{keys:?}"), r#"Keys({"pepper": Key(…)})"#);
    }

    #[test]
    fn a_short_key_is_refused_with_its_length_only() {
        let error = Key::new(b"hunter2".to_vec()).expect_err("too short");
        assert_eq!(error.to_string(), "a key needs at least 16 bytes, this one has 7");
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = SecretPlace::File("/nowhere/pepper".into()).read().expect_err("missing");
        assert!(error.to_string().starts_with("can't read the file /nowhere/pepper: "), "{error}");
    }
}
