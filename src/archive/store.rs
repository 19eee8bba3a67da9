//! A folder of copies.
//!
//! Nothing here waits for a database, and nothing is ever written into a file that is there: a copy is a new file, and
//! what it is said to be changes by renaming. Every step is synced, the file and then its folder, before the next.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};
use sha2::{Digest as _, Sha256};

use super::{Error, Manifest, ObjectName};
use crate::{clock::hex, policy::ArchivePlace};

/// How hard zstd tries: the rows of one batch are small, and a sweep waits for it.
const LEVEL: i32 = 3;

const ROWS: &str = "jsonl.zst";
const PENDING: &str = "pending";
const VALID: &str = "json";
const ENDING: &str = "ending";

/// A folder in which copies are.
#[derive(Debug, Clone)]
pub struct Store {
    place: ArchivePlace,
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
    /// It was being done away with.
    Ending(ObjectName),
}

impl Store {
    /// The folder of that address.
    pub fn at(place: &ArchivePlace) -> Self {
        Self { place: place.clone() }
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
        let folder = self.place.folder();
        let unusable = |message: String| Error::Unusable { place: self.place.to_string(), message };
        let found = fs::metadata(folder).map_err(|error| unusable(format!("{}: {error}", folder.display())))?;
        if !found.is_dir() {
            return Err(unusable(format!("{} is not a folder", folder.display())));
        }
        access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| unusable(format!("{} can't be written to: {error}", folder.display())))
    }

    /// What a person should know of the file system that copies would be on.
    pub fn caution(&self) -> Option<String> {
        // Magic numbers, statfs(2).
        const TMPFS: u64 = 0x0102_1994;
        const RAMFS: u64 = 0x8584_58F6;
        const NFS: u64 = 0x6969;
        const SMB: [u64; 3] = [0x517B, 0xFF53_4D42, 0xFE53_4D42];
        let found = rustix::fs::statfs(self.place.folder()).ok()?;
        let place = &self.place;
        match found.f_type as u64 & 0xFFFF_FFFF {
            TMPFS | RAMFS => Some(format!("the archive {place} is in memory: its copies don't outlive the machine's next start")),
            number if number == NFS || SMB.contains(&number) => {
                Some(format!("the archive {place} is on a network file system: copies are as durable as its server syncs what it is sent"))
            }
            _ => None,
        }
    }

    /// Writes the rows of a copy, syncs them, and compares what is there with what was to be written.
    ///
    /// # Errors
    /// [`Error`]; what there is of the file is for [`Store::discard`].
    pub fn write_rows(&self, name: &ObjectName, lines: &[String]) -> Result<Written, Error> {
        let path = self.path(name, ROWS);
        self.make_folders(&path)?;
        let file = new_file(&path)?;
        let mut hash = Sha256::new();
        let written = || -> std::io::Result<File> {
            let mut encoder = zstd::Encoder::new(file, LEVEL)?;
            encoder.include_checksum(true)?;
            for line in lines {
                for part in [line.as_bytes(), b"\n"] {
                    hash.update(part);
                    encoder.write_all(part)?;
                }
            }
            let file = encoder.finish()?;
            file.sync_all()?;
            Ok(file)
        };
        drop(written().map_err(Error::io("write", &path))?);
        sync_folder(&path)?;
        let lines_sha256 = hex(&hash.finalize());
        let (bytes, sha256) = self.fingerprint(name)?;
        let mut expected = lines.iter();
        self.each_line(name, |line| match expected.next() {
            Some(expected) if *expected == line => Ok(()),
            _ => Err(Error::Different { path: path.clone(), why: "it doesn't read as what was written".to_owned() }),
        })?;
        match expected.next() {
            None => Ok(Written { bytes, sha256, lines_sha256 }),
            Some(_) => Err(Error::Different { path, why: "it ends before its end".to_owned() }),
        }
    }

    /// Writes the manifest of a copy whose rows have not gone yet.
    ///
    /// # Errors
    /// [`Error`].
    pub fn write_manifest(&self, name: &ObjectName, manifest: &Manifest) -> Result<(), Error> {
        let path = self.path(name, PENDING);
        let mut file = new_file(&path)?;
        let text = manifest.to_text();
        file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(Error::io("write", &path))?;
        sync_folder(&path)?;
        let again = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        if again == text { Ok(()) } else { Err(Error::Different { path, why: "it doesn't read as what was written".to_owned() }) }
    }

    /// Makes a copy valid: its rows have gone. One that is so already stays so.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no such copy.
    pub fn publish(&self, name: &ObjectName) -> Result<(), Error> {
        let rows = self.path(name, ROWS);
        if !rows.exists() {
            return Err(Error::Missing { path: rows });
        }
        if self.path(name, VALID).exists() { Ok(()) } else { self.rename(name, PENDING, VALID) }
    }

    /// Does away with a copy whose rows have not gone. What is not there is no error.
    ///
    /// # Errors
    /// [`Error`].
    pub fn discard(&self, name: &ObjectName) -> Result<(), Error> {
        self.remove(name, PENDING)?;
        self.remove(name, ROWS)
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
        self.remove(name, ROWS)
    }

    /// Removes the manifest of a copy that is out of sight.
    ///
    /// # Errors
    /// [`Error`].
    pub fn remove_ending(&self, name: &ObjectName) -> Result<(), Error> {
        self.remove(name, ENDING)
    }

    /// True if the rows of the copy are there.
    pub fn has_rows(&self, name: &ObjectName) -> bool {
        self.path(name, ROWS).exists()
    }

    /// Size and SHA-256 of the file of rows.
    ///
    /// # Errors
    /// [`Error`].
    pub fn fingerprint(&self, name: &ObjectName) -> Result<(u64, String), Error> {
        let path = self.path(name, ROWS);
        let mut file = File::open(&path).map_err(Error::io("open", &path))?;
        let (mut hash, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 16]);
        loop {
            let read = file.read(&mut buffer).map_err(Error::io("read", &path))?;
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
        let path = self.path(name, ROWS);
        let file = File::open(&path).map_err(Error::io("open", &path))?;
        let broken = |error: std::io::Error| Error::Different { path: path.clone(), why: error.to_string() };
        let decoder = zstd::Decoder::new(file).map_err(broken)?;
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
        let folder = self.place.folder().join(rule);
        let mut stems: Vec<(String, Vec<String>)> = Vec::new();
        for file in names_in(&folder)? {
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
                () if has(ENDING) => Some(Found::Ending(name)),
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
        let mut rules = Vec::new();
        for policy in names_in(self.place.folder())? {
            let folder = self.place.folder().join(&policy);
            if folder.is_dir() {
                let of_policy = names_in(&folder)?.into_iter().filter(|rule| folder.join(rule).is_dir());
                rules.extend(of_policy.map(|rule| format!("{policy}/{rule}")));
            }
        }
        rules.sort();
        Ok(rules)
    }

    fn read_manifest(&self, name: &ObjectName, ending: &str) -> Result<Manifest, Error> {
        let path = self.path(name, ending);
        let text = fs::read_to_string(&path).map_err(Error::io("read", &path))?;
        let manifest = Manifest::from_text(&text).filter(|manifest| manifest.object == name.as_str());
        manifest.ok_or_else(|| Error::Different { path, why: "it is no manifest of this copy that this version can read".to_owned() })
    }

    fn rename(&self, name: &ObjectName, from: &str, to: &str) -> Result<(), Error> {
        let (from, to) = (self.path(name, from), self.path(name, to));
        fs::rename(&from, &to).map_err(Error::io("rename", &from))?;
        sync_folder(&to)
    }

    fn remove(&self, name: &ObjectName, ending: &str) -> Result<(), Error> {
        let path = self.path(name, ending);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("remove", &path)(error)),
        }
    }

    fn path(&self, name: &ObjectName, ending: &str) -> PathBuf {
        self.place.folder().join(format!("{name}.{ending}"))
    }

    /// The folders of policy and rule. The archive's own has to be there: where a disk is not mounted, rows stay.
    fn make_folders(&self, file: &Path) -> Result<(), Error> {
        self.examine()?;
        let mut missing: Vec<&Path> = file.ancestors().skip(1).take_while(|folder| !folder.exists()).collect();
        while let Some(folder) = missing.pop() {
            match DirBuilder::new().mode(0o700).create(folder) {
                Ok(()) => sync_folder(folder)?,
                // Another rule's sweep was first.
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::io("create", folder)(error)),
            }
        }
        Ok(())
    }
}

fn new_file(path: &Path) -> Result<File, Error> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(Error::io("create", path))
}

/// Syncs the folder that the file is in: its name is as durable as its bytes.
fn sync_folder(path: &Path) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(path);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(Error::io("sync", folder))
}

/// The names in a folder; none where there is no such folder.
fn names_in(folder: &Path) -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::io("list", folder)(error)),
    };
    let name = |entry: std::io::Result<fs::DirEntry>| Ok(entry?.file_name().into_string().ok());
    let names: std::io::Result<Vec<Option<String>>> = entries.map(name).collect();
    Ok(names.map_err(Error::io("list", folder))?.into_iter().flatten().collect())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let place = format!("file://{}", folder.path().display()).parse().unwrap();
        (folder, Store::at(&place))
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
