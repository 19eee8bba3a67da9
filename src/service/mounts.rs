//! Mounted configurations: how one that was swapped is noticed.
//!
//! Kubernetes mounts a ConfigMap as links to files below `..data`, which is itself a link, and makes another version valid by
//! renaming another link over it. So a link that leads elsewhere is a whole new configuration, never a half-written one, and may
//! be read without anybody asking for it. Folders without that link are not watched: there a person says when (SIGHUP).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::operate::world::World;

/// The link that Kubernetes swaps.
const DATA: &str = "..data";

/// Where the links of a configuration's folders lead.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Mounts(BTreeMap<PathBuf, PathBuf>);

impl Mounts {
    /// Of the folders of the configuration, of its rules and of the listener's certificate, as they are now.
    pub(super) fn of(world: &World) -> Self {
        let rules = world.rules.iter().map(|rule| rule.origin.file.path());
        let pair = world.config.http.listeners.tls.iter().flat_map(|pair| [pair.certificate_file.as_path(), pair.key_file.as_path()]);
        let folders = std::iter::once(world.config.file.as_path()).chain(rules).chain(pair).filter_map(Path::parent);
        Self(folders.filter_map(|folder| Some((folder.to_owned(), fs::read_link(folder.join(DATA)).ok()?))).collect())
    }
}
