//! Who works in a lane: one process, told apart from every other.

use std::{fmt, fs};

use serde::{Deserialize, Serialize};

use crate::clock::{Randomness, random_hex};

/// A process. Equal owners are one process; one that is gone can be told from one that is only silent where its process
/// id means something here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    pub host: String,
    /// Where its process id means something: one boot of one kernel, and one namespace of processes in it.
    pub processes: String,
    pub pid: u32,
    /// In clock ticks since boot: tells a process from a later one of the same id.
    pub started: u64,
    /// Random: tells two owners even where all else is alike.
    pub instance: String,
}

impl Owner {
    /// This process.
    pub fn current(randomness: &dyn Randomness) -> Self {
        let pid = std::process::id();
        Self {
            host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
            processes: process_space(),
            pid,
            started: running_since(pid).unwrap_or_default(),
            instance: random_hex::<8>(randomness),
        }
    }

    /// True if the process certainly doesn't run any more. False where that can't be known from here.
    pub(in super::super) fn is_gone(&self) -> bool {
        let space = process_space();
        !space.is_empty() && self.processes == space && running_since(self.pid) != Some(self.started)
    }
}

/// Empty where the system doesn't say.
fn process_space() -> String {
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id");
    let namespace = fs::read_link("/proc/self/ns/pid");
    match (boot, namespace) {
        (Ok(boot), Ok(namespace)) => format!("{} {}", boot.trim(), namespace.display()),
        _ => String::new(),
    }
}

/// When a process was started, in clock ticks since boot; `None`: it doesn't run, or not any more.
fn running_since(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the program's name in parentheses, which may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?;
    // A process that ended and that nobody waited for is still listed.
    let ended = matches!(state, "Z" | "X");
    fields.nth(18).filter(|_| !ended)?.parse().ok()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SeededRandomness;

    #[test]
    fn a_process_knows_that_it_runs() {
        let owner = Owner::current(&SeededRandomness::new(1));
        assert!(owner.started > 0);
        assert!(!owner.is_gone());
    }

    #[test]
    fn a_later_process_of_the_same_id_is_another() {
        let owner = Owner { started: 1, ..Owner::current(&SeededRandomness::new(1)) };
        assert!(owner.is_gone());
    }

    #[test]
    fn a_child_is_gone_once_it_ended() {
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let owner = Owner { pid: child.id(), started: running_since(child.id()).unwrap(), ..Owner::current(&SeededRandomness::new(1)) };
        assert!(!owner.is_gone());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(owner.is_gone());
    }

    #[test]
    fn a_process_of_another_host_may_run() {
        let owner = Owner { pid: u32::MAX, processes: "another".to_owned(), ..Owner::current(&SeededRandomness::new(1)) };
        assert!(!owner.is_gone());
    }
}
