//! Who holds the database: for the message of a hold that could not be placed.
//!
//! Linux lists the POSIX locks of all processes in `/proc/locks`. SQLite's writer holds one byte of the `-shm` file in
//! WAL mode, and of the database itself otherwise.

use std::{ops::RangeInclusive, path::Path};

use rustix::fs::stat;

/// The byte of `-shm` that a writer holds in WAL mode.
const WAL_WRITE: RangeInclusive<u64> = 120..=120;

/// Pending, reserved and shared bytes of the database file: a write lock on any of them is a writer's.
const JOURNAL_WRITE: RangeInclusive<u64> = 0x4000_0000..=0x4000_01FF;

/// The process that writes to the database, as far as can be known.
pub(super) fn of(database: &Path) -> String {
    let mut shared_memory = database.as_os_str().to_owned();
    shared_memory.push("-shm");
    let inode = |path: &Path| stat(path).ok().map(|found| found.st_ino);
    let places: Vec<(u64, RangeInclusive<u64>)> =
        [inode(Path::new(&shared_memory)).map(|inode| (inode, WAL_WRITE)), inode(database).map(|inode| (inode, JOURNAL_WRITE))]
            .into_iter()
            .flatten()
            .collect();
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    match locks.lines().find_map(|line| writer(line, &places)) {
        Some(process) => describe(process),
        None => "another process".to_owned(),
    }
}

/// The process of a line like `1: POSIX  ADVISORY  WRITE 4711 08:01:1234 120 120` if it is a write lock on a place.
fn writer(line: &str, places: &[(u64, RangeInclusive<u64>)]) -> Option<u32> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [_, _, _, "WRITE", process, file, first, last] = fields[..] else { return None };
    let inode: u64 = file.rsplit(':').next()?.parse().ok()?;
    let first: u64 = first.parse().ok()?;
    let last: u64 = if last == "EOF" { u64::MAX } else { last.parse().ok()? };
    let meets = |place: &RangeInclusive<u64>| first <= *place.end() && *place.start() <= last;
    if !places.iter().any(|(of, place)| *of == inode && meets(place)) {
        return None;
    }
    // A process of another container has a number that means nothing here.
    process.parse().ok().filter(|number| *number > 0)
}

fn describe(process: u32) -> String {
    if process == std::process::id() {
        return format!("process {process}, this retentiond itself");
    }
    match std::fs::read_to_string(format!("/proc/{process}/comm")) {
        Ok(name) => format!("process {process} ({})", name.trim_end()),
        Err(_) => format!("process {process}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_in_either_journal_mode_is_found() {
        let places = [(77, WAL_WRITE), (78, JOURNAL_WRITE)];
        assert_eq!(writer("1: POSIX  ADVISORY  WRITE 4711 08:01:77 120 120", &places), Some(4711));
        assert_eq!(writer("2: POSIX  ADVISORY  WRITE 4712 08:01:78 1073741825 1073741825", &places), Some(4712));
        assert_eq!(writer("2: OFDLCK ADVISORY  WRITE 4712 08:01:78 0 EOF", &places), Some(4712));
    }

    #[test]
    fn readers_other_files_waiters_and_other_bytes_are_not_writers() {
        let places = [(77, WAL_WRITE), (78, JOURNAL_WRITE)];
        for line in [
            "1: POSIX  ADVISORY  READ 4711 08:01:77 120 120",
            "1: POSIX  ADVISORY  WRITE 4711 08:01:79 120 120",
            "1: POSIX  ADVISORY  WRITE 4711 08:01:77 124 124",
            "1: -> POSIX  ADVISORY  WRITE 4711 08:01:77 120 120",
            "1: POSIX  ADVISORY  WRITE -1 08:01:77 120 120",
            "",
        ] {
            assert_eq!(writer(line, &places), None, "{line}");
        }
    }
}
