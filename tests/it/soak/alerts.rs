//! The shipped alerts at the pace of a soak, and which of them its faults have to raise. A new alert is a line in
//! [`RAISED`], or in [`SILENT`] with the reason.

use std::{collections::BTreeSet, fs, path::Path};

use regex_lite::{Captures, Regex};

use crate::support::prometheus::promtool;

/// What the faults of each round raise.
pub const RAISED: [&str; 13] = [
    "RetentionApprovalNeeded",
    "RetentionConfigurationRefused",
    "RetentionDaemonDown",
    "RetentionDaemonRestarts",
    "RetentionHoldPending",
    "RetentionNoLeader",
    "RetentionNotEnforced",
    "RetentionOverdue",
    "RetentionPaused",
    "RetentionSourceDown",
    "RetentionSweepFailing",
    "RetentionSweepMissing",
    "RetentionTablesUncovered",
];

/// Nothing here is reason for them: there is one daemon, no source is restored and no evidence touched, no rule asks for
/// more than that its rows are gone, what is done daily isn't late, and nobody keeps sweeps waiting for half of the time.
const SILENT: [&str; 7] = [
    "RetentionInstanceDown",
    "RetentionLedgerNotSound",
    "RetentionLedgerUnverified",
    "RetentionSourceRestored",
    "RetentionCountsStale",
    "RetentionResiduePending",
    "RetentionThrottled",
];

/// They watch what a daemon does at its start and once a day, however a soak presses time: they keep theirs.
const DAILY: [&str; 2] = ["RetentionLedgerUnverified", "RetentionCountsStale"];

/// Four hours are a second.
const PRESSED: u64 = 14_400;
/// A rule is swept once a minute: for how late its rows are that is the day, and half a minute is what a busy machine may be late.
const LATE: [(&str, u64); 2] = [("RetentionOverdue", 1_440), ("RetentionSweepMissing", 5_760)];
/// No wait is shorter: two scrapes.
const SHORTEST: u64 = 2;
/// And nobody looks back less far, so that a few restarts are in sight.
const NARROWEST: u64 = 60;

/// The same rules for a day that lasts six seconds. What is waited for (`for`, and a difference of times that is compared with
/// an hour or more) is pressed down to two seconds at the least, windows to a minute; nothing else changes.
pub fn pressed(rules: &str) -> String {
    let [wait, window, age] = [r"^( +for: )(\d+)([smhd])$", r"\[(\d+)([smhd])\]", r"> (\d+)(?: \* (\d+))?$"]
        .map(|pattern| Regex::new(pattern).expect("a pattern"));
    let number = |captures: &Captures<'_>, group| {
        captures.get(group).map_or(1, |text: regex_lite::Match<'_>| text.as_str().parse::<u64>().expect("a number"))
    };
    let seconds = |count: u64, unit: &str| {
        count * [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)].into_iter().find(|(name, _)| *name == unit).expect("a unit").1
    };
    let (mut keeps, mut pace) = (false, PRESSED);
    let line = |line: &str| {
        if let Some(name) = line.trim().strip_prefix("- alert: ") {
            keeps = DAILY.contains(&name);
            pace = LATE.iter().find(|(late, _)| *late == name).map_or(PRESSED, |(_, pace)| *pace);
        }
        if keeps || ["#", "description:", "summary:"].iter().any(|head| line.trim().starts_with(head)) {
            return format!("{line}\n");
        }
        let line = wait.replace(line, |found: &Captures<'_>| {
            format!("{}{}s", &found[1], (seconds(number(found, 2), &found[3]) / PRESSED).max(SHORTEST))
        });
        let line = window
            .replace_all(&line, |found: &Captures<'_>| format!("[{}s]", (seconds(number(found, 1), &found[2]) / PRESSED).max(NARROWEST)));
        let line = age.replace(&line, |found: &Captures<'_>| match number(found, 1) * number(found, 2) {
            age @ 3_600.. => format!("> {}", (age / pace).max(SHORTEST)),
            _ => found[0].to_owned(),
        });
        format!("{line}\n")
    };
    rules.lines().map(line).collect()
}

/// What is shipped.
pub fn shipped() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/alerts/retentiond.rules.yaml")).expect("the rules")
}

#[test]
fn each_alert_is_raised_or_has_no_reason_to_be() {
    let rules = shipped();
    let there: BTreeSet<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(there, RAISED.into_iter().chain(SILENT).collect());
}

#[test]
fn only_times_are_pressed() {
    let (rules, folder) = (shipped(), tempfile::tempdir().expect("a folder"));
    let pressed = pressed(&rules);
    let file = folder.path().join("rules.yaml");
    fs::write(&file, &pressed).expect("a file");
    let checked = promtool(&["check", "rules", file.to_str().expect("a path")]);
    assert!(checked.status.success(), "{checked:?}");
    let changed: Vec<String> = rules
        .lines()
        .zip(pressed.lines())
        .filter(|(before, after)| before != after)
        .map(|(before, after)| format!("{} -> {}\n", before.trim(), after.trim()))
        .collect();
    insta::assert_snapshot!(changed.concat());
}
