//! Places where the tests can make things go wrong. Without the feature `testing` everything here is empty and free.
//!
//! A **fault point** is a place between two steps of a protocol, where a test kills or stops the process. A **seeded
//! fault** is a mistake that the code makes when asked to: the tests must catch each of them by name, which shows that
//! they can fail. A new one of either kind is a name in [`POINTS`] or [`SEEDED`] and a call where it belongs.
//!
//! | variable | meaning |
//! |---|---|
//! | `RETENTIOND_TEST_LIST` | `points` or `seeded`: print the names and leave |
//! | `RETENTIOND_TEST_POINT` | `NAME:N:kill` or `NAME:N:stop`: SIGKILL or SIGSTOP itself at the Nth visit |
//! | `RETENTIOND_TEST_VISITS` | a file to which the name of each visited point is appended |
//! | `RETENTIOND_TEST_SEEDED` | the seeded fault to make |
//! | `RETENTIOND_TEST_NOW` | RFC 3339: a clock that stands still |
//! | `RETENTIOND_TEST_AHEAD` | seconds by which the clock is wrong |
//! | `RETENTIOND_TEST_LEASE` | how many seconds a claim on a lane lasts without a sign of life |
//! | `RETENTIOND_TEST_PART` | of how many batches a part of a walk is that several processes share |
//! | `RETENTIOND_TEST_STEPS` | steps of a later version of the state's tables, a line each: the oldest version that can work with it, a space, SQL |

/// Every fault point, in the order in which a sweep and a hold visit them.
pub const POINTS: &[&str] = &[
    "claim.before",
    "claim.done",
    "settle.before",
    "settle.raised",
    "settle.recorded",
    "sweep.started",
    "part.before",
    "part.taken",
    "archive.written",
    "gate.before",
    "gate.asked",
    "gate.taken",
    "gate.read",
    "dependents.locked",
    "dependents.gone",
    "act.done",
    "partition.locked",
    "intent.before",
    "intent.recorded",
    "partition.dropped",
    "mark.done",
    "commit.before",
    "commit.after",
    "archive.twice",
    "archive.published",
    "archive.hidden",
    "archive.removed",
    "archive.entered",
    "outcome.before",
    "outcome.recorded",
    "sweep.ended",
    "residue.before",
    "residue.done",
    "hold.before",
    "hold.recorded",
    "raise.taken",
    "raise.written",
    "raise.committed",
    "hold.confirmed",
];

/// Every seeded fault, with the law it breaks.
pub const SEEDED: &[(&str, &str)] = &[
    ("cutoff-inclusive", "1: `<=` for `<`"),
    ("cutoff-refrozen", "1: a cut-off for each batch"),
    ("missing-day-clamped", "1: 29 February + 1 year on 28 February"),
    ("fold-earlier", "1: a repeated civil time ends at its first pass"),
    ("floor-ignored", "1: the floor does not count"),
    ("start-at-ignored", "1: a period counts from the start, whatever `start_at` says"),
    ("latest-is-earliest", "1: of several dates that all have to have come, one is enough"),
    ("lookup-of-any-row", "1: of several rows elsewhere one date is enough"),
    ("setting-default-ignored", "5: where no period is set, none is the default"),
    ("parents-unlocked", "1: a row elsewhere by which others go may change meanwhile"),
    ("missing-parent-is-nobody", "2: a row whose subject can't be looked up is nobody's"),
    ("hold-clause-dropped", "2: the acting statement does not ask who is held"),
    ("null-subject-is-nobody", "2: `on_null_subject = \"hold\"` is forgotten"),
    ("gate-read-before-lock", "2: the epoch is read before the gate is taken"),
    ("gate-skipped-by-place", "2: success is reported before the gate was raised"),
    ("null-condition-acts", "3: a condition that is NULL counts as true"),
    ("protector-null-ignored", "3: a protecting condition that is NULL does not protect"),
    ("trigger-body-ignored", "4: a trigger fires whose body is another than when it was allowed"),
    ("tenant-ignored", "4: a rule takes rows of other tenants too"),
    ("wait-ignored", "3: rows don't wait for those of `wait_for`"),
    ("residue-claimed-untreated", "5: a table is said to be treated that was not"),
    ("residue-not-overwritten", "5: what is deleted is not overwritten, and said to be"),
    ("opt-outs-omitted", "4: rows go, and their opt-outs are not written"),
    ("opt-outs-read-before", "4: an opt-out is made of what a row was before somebody changed it"),
    ("dependent-hold-ignored", "2: what is held lets the row go that it belongs to"),
    ("dependent-protection-ignored", "3: what is protected lets the row go that it belongs to"),
    ("dependent-where-ignored", "4: all that belongs to a row goes with it, whatever the `where` of `dependents`"),
    ("dependents-alone", "4: what belongs to a row goes, and the row stays"),
    ("dependents-unlocked", "2: what belongs to a row may change while the row goes"),
    ("keep-ignored", "3: `keep` rules don't protect"),
    ("undated-protector-ends", "3: a competitor without a date does not protect"),
    ("condition-dropped", "4: the rule's `where` is left out"),
    ("undeclared-cascade", "4: what would be dragged along is not refused"),
    ("undated-acts", "5: a value that can't be meant counts as a date"),
    ("never-ignored", "5: `never` values count as dates"),
    ("done-ignored", "6: what is done is done again"),
    ("truncation-too-fine", "6: `date_trunc` leaves the day, whatever its unit"),
    ("round-down", "6: `round` gives the next multiple towards zero"),
    ("json-first-only", "6: of an array in a document the first element alone is anonymised"),
    ("random-constant", "6: `random` gives every row the same"),
    ("mask-reveals", "6: a mask leaves more of a value than its done-test takes"),
    ("mark-omitted", "7: the lane is not marked"),
    ("fence-ignored", "7: the lane is marked whoever owns it"),
    ("commit-error-is-failure", "7: an unknown COMMIT is taken as never committed"),
    ("intent-after-commit", "7: the intent is written when the rows are gone"),
    ("override-ignores-floor", "3: an overridden rule's floor does not protect"),
    ("override-passes-hold", "2: a rule that overrides others passes holds"),
    ("override-of-all-rows", "3: a rule overrides others for rows that it does not match"),
    ("override-of-null", "3: a condition that is NULL overrides"),
    ("stage-is-obstacle", "3: a later delete keeps rows from being anonymised"),
    ("stages-swapped", "3: what is to be deleted is anonymised first"),
    ("approval-of-another-form", "3: what was approved of one form of a rule counts for another"),
    ("pause-forgotten", "9: a paused rule goes on"),
    ("role-unchecked", "9: whoever may read may act"),
    ("partition-dropped-though-not-whole", "4: a partition is dropped with rows that are not due"),
    ("archive-not-compared", "7: rows go that are not those of their copy"),
    ("archive-hold-ignored", "2: a copy is removed of which a hold covers a row"),
    ("archive-not-read-back", "7: rows go whose copy was not compared with what the archive has"),
    ("archive-published-early", "7: a copy is valid before its rows have gone"),
    ("evidence-leaf-left-out", "7: the digest of a row that went is not in the ledger"),
    ("relatives-ignored", "3: rules and holds of a table's partitions, children and parents don't count"),
    ("batch-unbounded", "8: a batch takes the whole table"),
    ("lost-part-ignored", "9: a part of a shared walk that its worker left is left out, and the sweep said to be complete"),
    ("guards-not-summed", "9: of a shared walk each worker may take what all may"),
    ("implausible-share-ignored", "9: a start that can't be meant stops no rule"),
];

#[cfg(feature = "testing")]
mod active {
    use std::{collections::HashMap, io::Write as _, sync::Mutex};

    use super::{POINTS, SEEDED};

    static VISITS: Mutex<Option<HashMap<&'static str, u64>>> = Mutex::new(None);

    /// Visits a fault point.
    pub fn point(name: &'static str) {
        assert!(POINTS.contains(&name), "the fault point {name} is not in the list");
        let mut guard = VISITS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let visits = guard.get_or_insert_default().entry(name).or_default();
        *visits += 1;
        if let Some(path) = std::env::var_os("RETENTIOND_TEST_VISITS")
            && let Ok(mut file) = std::fs::OpenOptions::new().append(true).create(true).open(path)
        {
            let _ = writeln!(file, "{name}");
        }
        let Ok(order) = std::env::var("RETENTIOND_TEST_POINT") else { return };
        let mut parts = order.split(':');
        if parts.next() == Some(name) && parts.next().and_then(|n| n.parse().ok()) == Some(*visits) {
            let signal = if parts.next() == Some("stop") { rustix::process::Signal::STOP } else { rustix::process::Signal::KILL };
            drop(guard);
            let _ = rustix::process::kill_process(this_thread(), signal);
        }
    }

    /// Linux gives a signal for a thread's id to the whole process, and to that thread first. Given to the process's own
    /// id the main thread would take it, and this one would run on beyond its point until it is told.
    fn this_thread() -> rustix::process::Pid {
        let link = std::fs::read_link("/proc/thread-self").ok();
        let id = link.and_then(|link| link.file_name()?.to_str()?.parse().ok());
        id.and_then(rustix::process::Pid::from_raw).unwrap_or_else(rustix::process::getpid)
    }

    /// True if the seeded fault is to be made.
    pub fn seeded(name: &'static str) -> bool {
        assert!(SEEDED.iter().any(|(known, _)| *known == name), "the seeded fault {name} is not in the list");
        std::env::var("RETENTIOND_TEST_SEEDED").is_ok_and(|wanted| wanted == name)
    }

    /// The instant at which the clock is to stand still.
    pub fn frozen_now() -> Option<jiff::Timestamp> {
        std::env::var("RETENTIOND_TEST_NOW").ok().map(|text| text.parse().expect("RETENTIOND_TEST_NOW is RFC 3339"))
    }

    /// By how much the clock is to be wrong.
    pub fn clock_error() -> Option<jiff::SignedDuration> {
        let seconds = std::env::var("RETENTIOND_TEST_AHEAD").ok()?;
        Some(jiff::SignedDuration::from_secs(seconds.parse().expect("RETENTIOND_TEST_AHEAD is a number of seconds")))
    }

    /// How long a claim on a lane is to last.
    pub fn lease() -> Option<std::time::Duration> {
        let seconds = std::env::var("RETENTIOND_TEST_LEASE").ok()?;
        Some(std::time::Duration::from_secs(seconds.parse().expect("RETENTIOND_TEST_LEASE is a number of seconds")))
    }

    /// How many batches a part of a shared walk is.
    pub fn batches_a_part() -> Option<u64> {
        let batches = std::env::var("RETENTIOND_TEST_PART").ok()?;
        Some(batches.parse().expect("RETENTIOND_TEST_PART is a number of batches"))
    }

    /// Steps by which a later version changes the state's tables, each with the oldest version that can work with them then.
    pub fn later_steps() -> Vec<(String, i64)> {
        let steps = std::env::var("RETENTIOND_TEST_STEPS").unwrap_or_default();
        let step = |line: &str| {
            let (oldest, sql) = line.split_once(' ').expect("RETENTIOND_TEST_STEPS has a number and SQL in each line");
            (sql.to_owned(), oldest.parse().expect("RETENTIOND_TEST_STEPS has numbers"))
        };
        steps.lines().map(step).collect()
    }

    /// Prints a list of names if the tests ask for one; true if it did.
    pub fn list() -> bool {
        match std::env::var("RETENTIOND_TEST_LIST").as_deref() {
            Ok("points") => println!("{}", POINTS.join("\n")),
            Ok("seeded") => SEEDED.iter().for_each(|(name, _)| println!("{name}")),
            _ => return false,
        }
        true
    }
}

#[cfg(not(feature = "testing"))]
mod active {
    /// Nothing without the feature `testing`.
    #[inline]
    pub fn point(_name: &'static str) {}

    /// Never without the feature `testing`.
    #[inline]
    pub fn seeded(_name: &'static str) -> bool {
        false
    }

    /// Never without the feature `testing`.
    pub fn frozen_now() -> Option<jiff::Timestamp> {
        None
    }

    /// Never without the feature `testing`.
    pub fn clock_error() -> Option<jiff::SignedDuration> {
        None
    }

    /// The usual time without the feature `testing`.
    pub fn lease() -> Option<std::time::Duration> {
        None
    }

    /// The usual number without the feature `testing`.
    pub fn batches_a_part() -> Option<u64> {
        None
    }

    /// None without the feature `testing`.
    pub fn later_steps() -> Vec<(String, i64)> {
        Vec::new()
    }

    /// Nothing without the feature `testing`.
    pub fn list() -> bool {
        false
    }
}

pub use active::{batches_a_part, clock_error, frozen_now, later_steps, lease, list, point, seeded};
