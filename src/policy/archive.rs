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

/// A folder on a file system, `file:///…`, or part of a bucket, `s3://BUCKET/PREFIX`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchivePlace {
    /// As it is written.
    address: String,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Folder(PathBuf),
    Bucket { name: String, prefix: String },
}

impl ArchivePlace {
    /// The folder, if it is one.
    pub fn folder(&self) -> Option<&Path> {
        match &self.kind {
            Kind::Folder(folder) => Some(folder),
            Kind::Bucket { .. } => None,
        }
    }

    /// The bucket and the prefix in it, if it is one. The prefix neither begins nor ends with a slash.
    pub fn bucket(&self) -> Option<(&str, &str)> {
        match &self.kind {
            Kind::Folder(_) => None,
            Kind::Bucket { name, prefix } => Some((name, prefix)),
        }
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
    #[error("an archive is a folder, written as \"file:///srv/archive\", or part of a bucket, \"s3://BUCKET/PREFIX\"")]
    NoAddress,
    #[error(
        "archives at `{0}:` are not supported; a folder is written as \"file:///srv/archive\", part of a bucket as \"s3://BUCKET/PREFIX\""
    )]
    Unsupported(String),
    #[error(
        "this build of retentiond speaks to no object store: build it with `--features s3`, or name a folder such as \"file:///srv/archive\""
    )]
    NotBuiltIn,
    #[error(
        "a bucket's name has 3 to 63 of a to z, 0 to 9, `-` and `.`, and its prefix letters, digits and `-_./`: \"s3://archive/retentiond\""
    )]
    NoBucket,
    #[error("a folder of this machine has three slashes and no host: \"file:///srv/archive\"")]
    Host,
    #[error("the whole file system can't be an archive: name a folder of its own, such as \"file:///srv/archive\"")]
    Root,
}

impl FromStr for ArchivePlace {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let url = url::Url::parse(text).map_err(|_| NoPlace::NoAddress)?;
        if url.scheme() == "s3" {
            if !cfg!(feature = "s3") {
                return Err(NoPlace::NotBuiltIn);
            }
            let (name, prefix) = bucket(text).ok_or(NoPlace::NoBucket)?;
            return Ok(Self { address: text.to_owned(), kind: Kind::Bucket { name, prefix } });
        }
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
        Ok(Self { address: text.to_owned(), kind: Kind::Folder(folder) })
    }
}

/// `s3://BUCKET/PREFIX`, as Amazon restricts names, and a prefix that reads alike in every address.
fn bucket(text: &str) -> Option<(String, String)> {
    let rest = text.strip_prefix("s3://")?;
    let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let is_inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = (3..=63).contains(&name.len())
        && name.bytes().all(|byte| is_inner(byte) || matches!(byte, b'-' | b'.'))
        && name.bytes().next().is_some_and(is_inner)
        && name.bytes().last().is_some_and(is_inner);
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    (is_name && (prefix.is_empty() || prefix.split('/').all(is_part))).then(|| (name.to_owned(), prefix.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_read_whole() {
        let place: ArchivePlace = "file:///srv/my%20archive".parse().unwrap();
        assert_eq!(place.folder(), Some(Path::new("/srv/my archive")));
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
            ("gs://bucket", NoPlace::Unsupported("gs".to_owned())),
        ] {
            assert_eq!(text.parse::<ArchivePlace>(), Err(error), "{text}");
        }
    }
    #[test]
    #[cfg(feature = "s3")]
    fn part_of_a_bucket_is_read_whole() {
        for (text, expected) in [
            ("s3://archive", Some(("archive", ""))),
            ("s3://archive/", Some(("archive", ""))),
            ("s3://my.archive-1/rows/of_plans/", Some(("my.archive-1", "rows/of_plans"))),
            ("s3://ab", None),
            ("s3://Archive", None),
            ("s3://archive//x", None),
            ("s3://archive/../x", None),
            ("s3://archive?x", None),
            ("s3://-archive", None),
        ] {
            let place = text.parse::<ArchivePlace>();
            assert_eq!(place.as_ref().ok().and_then(ArchivePlace::bucket), expected, "{text}: {place:?}");
        }
    }

    #[test]
    #[cfg(not(feature = "s3"))]
    fn a_build_without_object_stores_says_so() {
        assert_eq!("s3://archive".parse::<ArchivePlace>(), Err(NoPlace::NotBuiltIn));
    }
}
