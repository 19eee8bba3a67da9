//! `archive`: where the rows of a rule are copied to before they are deleted, and for how long the copies stay.
//!
//! A new kind of place is a form of [`ArchivePlace`], an arm where it is read here, and a store in the room `archive`.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use super::period::Period;

/// What `archive` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Archive {
    pub to: ArchivePlace,
    /// How long a copy is kept, from the moment that it was made.
    pub keep_for: Period,
}

/// A folder on a file system: `file:///…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchivePlace {
    /// As it is written.
    address: String,
    folder: PathBuf,
}

impl ArchivePlace {
    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.address
    }
}

impl fmt::Display for ArchivePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

/// An address of which no archive can be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    #[error("an archive is a folder, written as \"file:///srv/archive\"")]
    NoAddress,
    #[error("archives at `{0}:` are not supported by this version; a folder is written as \"file:///srv/archive\"")]
    Unsupported(String),
    #[error("a folder of this machine has three slashes and no host: \"file:///srv/archive\"")]
    Host,
    #[error("the whole file system can't be an archive: name a folder of its own, such as \"file:///srv/archive\"")]
    Root,
}

impl FromStr for ArchivePlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let url = url::Url::parse(text).map_err(|_| NoPlace::NoAddress)?;
        if url.scheme() != "file" {
            return Err(NoPlace::Unsupported(url.scheme().to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() || !text.starts_with("file://") {
            return Err(NoPlace::NoAddress);
        }
        let folder = url.to_file_path().map_err(|()| NoPlace::Host)?;
        if folder.parent().is_none() {
            return Err(NoPlace::Root);
        }
        Ok(Self { address: text.to_owned(), folder })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_whole() {
        let place: ArchivePlace = "file:///srv/my%20archive".parse().unwrap();
        assert_eq!(place.folder(), Path::new("/srv/my archive"));
        assert_eq!(place.to_string(), "file:///srv/my%20archive");
    }

    #[test]
    fn what_is_no_folder_is_told() {
        for (text, error) in [
            ("/srv/archive", NoPlace::NoAddress),
            ("file:/srv/archive", NoPlace::NoAddress),
            ("file:///srv/a?b", NoPlace::NoAddress),
            ("file://server/archive", NoPlace::Host),
            ("file:///", NoPlace::Root),
            ("s3://bucket", NoPlace::Unsupported("s3".to_owned())),
        ] {
            assert_eq!(text.parse::<ArchivePlace>(), Err(error), "{text}");
        }
    }
}
