//! What a daemon uses, and whether it grows. A new thing that could leak is a field of [`Use`] and a line in [`grown`].

use std::fs;

use crate::support::{daemon::Daemon, product::Data};

/// What a daemon uses at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    /// Resident and its own; pages of the program itself come and go as the system likes.
    memory_kib: u64,
    descriptors: u64,
    threads: u64,
    /// Sessions on the PostgreSQL source.
    sessions: u64,
}

impl Use {
    pub fn of(daemon: &Daemon, database: &Data) -> Self {
        let process = format!("/proc/{}", daemon.process.pid().as_raw_nonzero());
        let status = fs::read_to_string(format!("{process}/status")).expect("the daemon lives");
        let number = |field: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("Linux says it");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        };
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'retentiond'";
        Self {
            memory_kib: number("RssAnon:"),
            descriptors: fs::read_dir(format!("{process}/fd")).expect("the daemon lives").count() as u64,
            threads: number("Threads:"),
            sessions: database.number(sessions).unsigned_abs(),
        }
    }
}

/// What grew in one life. The first quarter is the warming up.
///
/// What is used moves up and down with what happens to run, and a leak raises the floor: the lowest of the last quarter is
/// compared with the highest of the second.
///
/// `is_settled`: it has met every kind of accident before. The first of each takes memory that an allocator keeps: a ledger that is
/// verified, rows that are counted, a log of sweeps that failed. In a life of one round half as much more is none that is lost.
pub fn grown(samples: &[Use], is_settled: bool) -> Vec<String> {
    let quarter = samples.len() / 4;
    let (early, late) = (&samples[quarter..2 * quarter], &samples[samples.len() - quarter..]);
    let compare = |what: &str, part: u64, field: fn(&Use) -> u64| {
        let early = early.iter().map(field).max().unwrap_or_default();
        let late = late.iter().map(field).min().unwrap_or_default();
        // A tenth more is not a leak that lasts.
        (late > early + early / part).then(|| format!("{what}: {early} at most early on, {late} at least in the end"))
    };
    let all = [
        compare("KiB of memory", if is_settled { 10 } else { 2 }, |sample| sample.memory_kib),
        compare("descriptors", 10, |sample| sample.descriptors),
        compare("threads", 10, |sample| sample.threads),
        compare("sessions", 10, |sample| sample.sessions),
    ];
    all.into_iter().flatten().collect()
}

#[test]
fn what_grows_is_told() {
    let at_rest = Use { memory_kib: 40_000, descriptors: 30, threads: 4, sessions: 1 };
    let leaking = |leak: fn(&mut Use, u64)| {
        let sample = |time| {
            let mut sample = at_rest;
            sample.sessions += time % 3;
            leak(&mut sample, time);
            sample
        };
        grown(&(0..40).map(sample).collect::<Vec<_>>(), true)
    };
    assert_eq!(leaking(|_, _| {}), [""; 0]);
    assert_eq!(leaking(|sample, time| sample.memory_kib += 600 * time).len(), 1);
    assert_eq!(leaking(|sample, time| sample.descriptors += time / 3).len(), 1);
    assert_eq!(leaking(|sample, time| sample.threads += time / 8).len(), 1);
    assert_eq!(leaking(|sample, time| sample.sessions += time / 4).len(), 1);
}
