//! Where copies are: their files, whatever keeps them.
//!
//! Nothing here waits for a database, and nothing is ever written into a file that is there: a copy is a new file, and what it
//! is said to be changes by renaming its manifest. What keeps files is behind the trait `Files`: `folder` of a file system, `bucket`
//! of an object store. Another kind is a file beside them, and an arm in [`Store::at`].
//!
//! An object store can't rename. There a manifest is written under its new name and then removed under the old one, so that for
//! a moment, or after a crash, both are there. The order of what [`Store::of_rule`] believes makes that harmless: a valid manifest
//! wins over a pending one, whose rows went then, and over an ending one, because nothing was removed yet.

#[cfg(feature = "s3")]
mod bucket;
mod folder;

use std::{
    io::{BufRead as _, BufReader, Read, Write as _},
    path::Path,
    sync::Arc,
};

use sha2::{Digest as _, Sha256};

use self::folder::Folder;
use super::{Error, Manifest, ObjectName};
use crate::{clock::hex, config::Buckets, fault, policy::ArchivePlace};

/// How hard zstd tries: the rows of one batch are small, and a sweep waits for it.
const LEVEL: i32 = 3;

const ROWS: &str = "jsonl.zst";
const PENDING: &str = "pending";
const VALID: &str = "json";
const ENDING: &str = "ending";

/// What keeps files, named `POLICY/RULE/NAME.ENDING`. Whatever returns `Ok` is durable.
trait Files: std::fmt::Debug + Send + Sync {
    /// Whether files could be written there. Nothing is.
    fn examine(&self) -> Result<(), Error>;
    /// What a person should know of it.
    fn caution(&self) -> Option<String>;
    /// Makes a new file; one that is there is an error.
    fn create(&self, file: &str, bytes: &[u8]) -> Result<(), Error>;
    /// [`Error::Missing`] if there is no such file.
    fn open(&self, file: &str) -> Result<Box<dyn Read>, Error>;
    fn exists(&self, file: &str) -> Result<bool, Error>;
    /// Whatever has the new name already is replaced.
    fn rename(&self, from: &str, to: &str) -> Result<(), Error>;
    /// What is not there is no error.
    fn remove(&self, file: &str) -> Result<(), Error>;
    /// The last parts of the names of a rule's files.
    fn files_of(&self, rule: &str) -> Result<Vec<String>, Error>;
    /// Every rule that may have files here.
    fn rules(&self) -> Result<Vec<String>, Error>;
}

/// Where copies are.
#[derive(Debug, Clone)]
pub struct Store {
    place: ArchivePlace,
    files: Arc<dyn Files>,
}

/// A file of rows that was written and read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub bytes: u64,
    pub sha256: String,
    pub lines_sha256: String,
}

/// What is there of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The rows are gone from their table.
    Valid(ObjectName),
    /// It was being written when its process ended, or its batch has not ended.
    Unsettled(ObjectName),
    /// It was being done away with, and its rows are there still.
    Ending(ObjectName),
    /// It was being done away with, and its rows are gone.
    Rest(ObjectName),
}

impl Store {
    /// What keeps files at that address.
    ///
    /// # Errors
    /// [`Error::Unusable`] for a bucket that the configuration doesn't know.
    pub fn at(place: &ArchivePlace, buckets: &Buckets) -> Result<Self, Error> {
        let files: Arc<dyn Files> = match (place.folder(), place.bucket()) {
            (Some(folder), _) => Arc::new(Folder::new(place, folder)),
            (None, Some((name, prefix))) => bucket(place, name, prefix, buckets)?,
            (None, None) => return Err(Error::Unusable { place: place.to_string(), message: "it is no place".to_owned() }),
        };
        Ok(Self { place: place.clone(), files })
    }

    /// Its address.
    pub fn place(&self) -> &ArchivePlace {
        &self.place
    }

    /// Whether copies could be written there. Nothing is.
    ///
    /// # Errors
    /// [`Error::Unusable`] with the reason.
    pub fn examine(&self) -> Result<(), Error> {
        self.files.examine()
    }

    /// What a person should know of where copies would be.
    pub fn caution(&self) -> Option<String> {
        self.files.caution()
    }

    /// Writes the rows of a copy, and compares what is there with what was to be written.
    ///
    /// # Errors
    /// [`Error`]; what there is of the file is for [`Store::discard`].
    pub fn write_rows(&self, name: &ObjectName, lines: &[String]) -> Result<Written, Error> {
        let mut hash = Sha256::new();
        let mut compressed = || -> std::io::Result<Vec<u8>> {
            let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
            encoder.include_checksum(true)?;
            for line in lines {
                for part in [line.as_bytes(), b"\n"] {
                    hash.update(part);
                    encoder.write_all(part)?;
                }
            }
            encoder.finish()
        };
        let bytes = compressed().map_err(Error::io("compress", Path::new(name.as_str())))?;
        self.files.create(&file(name, ROWS), &bytes)?;
        let lines_sha256 = hex(&hash.finalize());
        if fault::seeded("archive-not-read-back") {
            return Ok(Written { bytes: bytes.len() as u64, sha256: hex(&Sha256::digest(&bytes)), lines_sha256 });
        }
        let (bytes, sha256) = self.fingerprint(name)?;
        let different = |why: &str| Error::Different { path: file(name, ROWS).into(), why: why.to_owned() };
        let mut expected = lines.iter();
        self.each_line(name, |line| match expected.next() {
            Some(expected) if *expected == line => Ok(()),
            _ => Err(different("it doesn't read as what was written")),
        })?;
        match expected.next() {
            None => Ok(Written { bytes, sha256, lines_sha256 }),
            Some(_) => Err(different("it ends before its end")),
        }
    }

    /// Writes the manifest of a copy whose rows have not gone yet.
    ///
    /// # Errors
    /// [`Error`].
    pub fn write_manifest(&self, name: &ObjectName, manifest: &Manifest) -> Result<(), Error> {
        let (path, text) = (file(name, PENDING), manifest.to_text());
        self.files.create(&path, text.as_bytes())?;
        let why = "it doesn't read as what was written".to_owned();
        if self.text(&path)? == text { Ok(()) } else { Err(Error::Different { path: path.into(), why }) }
    }

    /// Makes a copy valid: its rows have gone. One that is so already stays so.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no such copy.
    pub fn publish(&self, name: &ObjectName) -> Result<(), Error> {
        let rows = file(name, ROWS);
        if !self.files.exists(&rows)? {
            return Err(Error::Missing { path: rows.into() });
        }
        if self.files.exists(&file(name, VALID))? { self.files.remove(&file(name, PENDING)) } else { self.rename(name, PENDING, VALID) }
    }

    /// Does away with a copy whose rows have not gone. What is not there is no error.
    ///
    /// # Errors
    /// [`Error`].
    pub fn discard(&self, name: &ObjectName) -> Result<(), Error> {
        self.files.remove(&file(name, PENDING))?;
        self.files.remove(&file(name, ROWS))
    }

    /// Takes a valid copy out of sight, before it is done away with.
    ///
    /// # Errors
    /// [`Error`].
    pub fn hide(&self, name: &ObjectName) -> Result<(), Error> {
        self.rename(name, VALID, ENDING)
    }

    /// Makes it valid again.
    ///
    /// # Errors
    /// [`Error`].
    pub fn show(&self, name: &ObjectName) -> Result<(), Error> {
        self.rename(name, ENDING, VALID)
    }

    /// Removes the rows of a copy that is out of sight.
    ///
    /// # Errors
    /// [`Error`].
    pub fn remove_rows(&self, name: &ObjectName) -> Result<(), Error> {
        self.files.remove(&file(name, ROWS))
    }

    /// Removes the manifest of a copy that is out of sight.
    ///
    /// # Errors
    /// [`Error`].
    pub fn remove_ending(&self, name: &ObjectName) -> Result<(), Error> {
        self.files.remove(&file(name, ENDING))
    }

    /// Size and SHA-256 of the file of rows.
    ///
    /// # Errors
    /// [`Error`].
    pub fn fingerprint(&self, name: &ObjectName) -> Result<(u64, String), Error> {
        let path = file(name, ROWS);
        let mut rows = self.files.open(&path)?;
        let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let read = rows.read(&mut buffer).map_err(Error::io("read", &path))?;
            if read == 0 {
                return Ok((bytes, hex(&hash.finalize())));
            }
            hash.update(&buffer[..read]);
            bytes += read as u64;
        }
    }

    /// Hands over each line of a copy.
    ///
    /// # Errors
    /// [`Error`], or what `take` returns.
    pub fn each_line(&self, name: &ObjectName, mut take: impl FnMut(String) -> Result<(), Error>) -> Result<(), Error> {
        let path = file(name, ROWS);
        let rows = self.files.open(&path)?;
        let broken = |error: std::io::Error| Error::Different { path: path.clone().into(), why: error.to_string() };
        let decoder = zstd::Decoder::new(rows).map_err(broken)?;
        BufReader::new(decoder).lines().try_for_each(|line| take(line.map_err(broken)?))
    }

    /// The manifest of a valid copy.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none, [`Error::Different`] if it can't be read.
    pub fn manifest(&self, name: &ObjectName) -> Result<Manifest, Error> {
        self.read_manifest(name, VALID)
    }

    /// The manifest of a copy that is out of sight.
    ///
    /// # Errors
    /// As [`Store::manifest`].
    pub fn ending_manifest(&self, name: &ObjectName) -> Result<Manifest, Error> {
        self.read_manifest(name, ENDING)
    }

    /// The copies of a rule, by name.
    ///
    /// # Errors
    /// [`Error`].
    pub fn of_rule(&self, rule: &str) -> Result<Vec<Found>, Error> {
        let mut stems: Vec<(String, Vec<String>)> = Vec::new();
        for file in self.files.files_of(rule)? {
            let Some((stem, ending)) = file.split_once('.') else { continue };
            match stems.iter_mut().find(|(known, _)| known == stem) {
                Some((_, endings)) => endings.push(ending.to_owned()),
                None => stems.push((stem.to_owned(), vec![ending.to_owned()])),
            }
        }
        stems.sort();
        let found = |(stem, endings): (String, Vec<String>)| {
            let name = ObjectName::from_full(&format!("{rule}/{stem}"))?;
            let has = |ending: &str| endings.iter().any(|other| other == ending);
            match () {
                () if has(VALID) => Some(Found::Valid(name)),
                () if has(ENDING) && has(ROWS) => Some(Found::Ending(name)),
                () if has(ENDING) => Some(Found::Rest(name)),
                () if has(PENDING) || has(ROWS) => Some(Found::Unsettled(name)),
                () => None,
            }
        };
        Ok(stems.into_iter().filter_map(found).collect())
    }

    /// Every rule that has copies here, by name.
    ///
    /// # Errors
    /// [`Error`].
    pub fn rules(&self) -> Result<Vec<String>, Error> {
        let mut rules = self.files.rules()?;
        rules.sort();
        Ok(rules)
    }

    fn read_manifest(&self, name: &ObjectName, ending: &str) -> Result<Manifest, Error> {
        let path = file(name, ending);
        let manifest = Manifest::from_text(&self.text(&path)?).filter(|manifest| manifest.object == name.as_str());
        let why = "it is no manifest of this copy that this version can read".to_owned();
        manifest.ok_or_else(|| Error::Different { path: path.into(), why })
    }

    fn text(&self, path: &str) -> Result<String, Error> {
        let mut text = String::new();
        self.files.open(path)?.read_to_string(&mut text).map_err(Error::io("read", path))?;
        Ok(text)
    }

    fn rename(&self, name: &ObjectName, from: &str, to: &str) -> Result<(), Error> {
        self.files.rename(&file(name, from), &file(name, to))
    }
}

fn file(name: &ObjectName, ending: &str) -> String {
    format!("{name}.{ending}")
}

/// The bucket of that name.
#[cfg(feature = "s3")]
fn bucket(place: &ArchivePlace, name: &str, prefix: &str, buckets: &Buckets) -> Result<Arc<dyn Files>, Error> {
    let settings = buckets.get(name).ok_or_else(|| Error::Unusable {
        place: place.to_string(),
        message: format!("the configuration has no [buckets.{name}] that says how to reach it"),
    })?;
    Ok(Arc::new(bucket::Bucket::new(place, prefix, settings)?))
}

/// No address of a bucket is read without the feature.
#[cfg(not(feature = "s3"))]
fn bucket(place: &ArchivePlace, _name: &str, _prefix: &str, _buckets: &Buckets) -> Result<Arc<dyn Files>, Error> {
    Err(Error::Unusable { place: place.to_string(), message: "this build of retentiond speaks to no object store".to_owned() })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let place = format!("file://{}", folder.path().display()).parse().unwrap();
        (folder, Store::at(&place, &Buckets::default()).unwrap())
    }

    fn name() -> ObjectName {
        ObjectName::new("p/r", "0123456789", 1, "beef")
    }

    #[test]
    fn what_is_written_reads_back_and_is_nobody_elses() {
        let (folder, store) = store();
        let lines = ["{\"a\":1}".to_owned(), "{\"a\":\"ü\"}".to_owned()];
        let written = store.write_rows(&name(), &lines).unwrap();
        assert_eq!(store.fingerprint(&name()).unwrap(), (written.bytes, written.sha256));
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode("p"), mode("p/r"), mode(&format!("{}.jsonl.zst", name()))), (0o700, 0o700, 0o600));
        assert_eq!(store.of_rule("p/r").unwrap(), [Found::Unsettled(name())]);
        store.discard(&name()).unwrap();
        assert_eq!(store.of_rule("p/r").unwrap(), []);
    }

    #[test]
    fn a_copy_is_never_written_over_another() {
        let (_folder, store) = store();
        store.write_rows(&name(), &["{}".to_owned()]).unwrap();
        assert!(matches!(store.write_rows(&name(), &["{}".to_owned()]), Err(Error::Io { what: "create", .. })));
    }

    #[test]
    fn a_broken_file_is_told_and_a_missing_folder_is_not_made() {
        let (folder, store) = store();
        store.write_rows(&name(), &["{}".to_owned()]).unwrap();
        let path = folder.path().join(format!("{}.jsonl.zst", name()));
        let mut bytes = fs::read(&path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(matches!(store.each_line(&name(), |_| Ok(())), Err(Error::Different { .. })));
        folder.close().unwrap();
        assert!(matches!(store.write_rows(&name(), &[]), Err(Error::Unusable { .. })));
    }
}
