//! A folder of files. Every step is synced, the file and then its folder, before the next.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{Read, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use rustix::fs::{Access, access};

use super::{super::Error, Files};
use crate::policy::ArchivePlace;

/// The folder, and its address.
#[derive(Debug)]
pub(super) struct Folder {
    place: ArchivePlace,
    folder: PathBuf,
}

impl Folder {
    pub(super) fn new(place: &ArchivePlace, folder: &Path) -> Self {
        Self { place: place.clone(), folder: folder.to_owned() }
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

impl Files for Folder {
    fn examine(&self) -> Result<(), Error> {
        let folder = &self.folder;
        let unusable = |message: String| Error::Unusable { place: self.place.to_string(), message };
        let found = fs::metadata(folder).map_err(|error| unusable(format!("{}: {error}", folder.display())))?;
        if !found.is_dir() {
            return Err(unusable(format!("{} is not a folder", folder.display())));
        }
        access(folder, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK)
            .map_err(|error| unusable(format!("{} can't be written to: {error}", folder.display())))
    }

    fn caution(&self) -> Option<String> {
        // Magic numbers, statfs(2).
        const TMPFS: u64 = 0x0102_1994;
        const RAMFS: u64 = 0x8584_58F6;
        const NFS: u64 = 0x6969;
        const SMB: [u64; 3] = [0x517B, 0xFF53_4D42, 0xFE53_4D42];
        let found = rustix::fs::statfs(&self.folder).ok()?;
        let place = &self.place;
        match found.f_type as u64 & 0xFFFF_FFFF {
            TMPFS | RAMFS => Some(format!("the archive {place} is in memory: its copies don't outlive the machine's next start")),
            number if number == NFS || SMB.contains(&number) => {
                Some(format!("the archive {place} is on a network file system: copies are as durable as its server syncs what it is sent"))
            }
            _ => None,
        }
    }

    fn create(&self, file: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.folder.join(file);
        self.make_folders(&path)?;
        let mut new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).map_err(Error::io("create", &path))?;
        new.write_all(bytes).and_then(|()| new.sync_all()).map_err(Error::io("write", &path))?;
        sync_folder(&path)
    }

    fn open(&self, file: &str) -> Result<Box<dyn Read>, Error> {
        let path = self.folder.join(file);
        Ok(Box::new(File::open(&path).map_err(Error::io("open", &path))?))
    }

    fn exists(&self, file: &str) -> Result<bool, Error> {
        let path = self.folder.join(file);
        fs::exists(&path).map_err(Error::io("look at", &path))
    }

    fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        let (from, to) = (self.folder.join(from), self.folder.join(to));
        fs::rename(&from, &to).map_err(Error::io("rename", &from))?;
        sync_folder(&to)
    }

    fn remove(&self, file: &str) -> Result<(), Error> {
        let path = self.folder.join(file);
        match fs::remove_file(&path) {
            Ok(()) => sync_folder(&path),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(Error::io("remove", &path)(error)),
        }
    }

    fn files_of(&self, rule: &str) -> Result<Vec<String>, Error> {
        names_in(&self.folder.join(rule))
    }

    fn rules(&self) -> Result<Vec<String>, Error> {
        let mut rules = Vec::new();
        for policy in names_in(&self.folder)? {
            let folder = self.folder.join(&policy);
            if folder.is_dir() {
                let of_policy = names_in(&folder)?.into_iter().filter(|rule| folder.join(rule).is_dir());
                rules.extend(of_policy.map(|rule| format!("{policy}/{rule}")));
            }
        }
        Ok(rules)
    }
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
