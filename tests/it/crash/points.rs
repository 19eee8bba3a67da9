//! SIGKILL between any two steps. The points are enumerated from the binary, and one that no story comes by fails.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, thread,
};

use rustix::process::Signal;

use super::ground::{Ground, NOW, PLACE, Place, SWEEP};
use crate::support::{
    binary::{Folder, Run, run},
    product::Kind,
};

/// What a process does when it is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    /// It sweeps what nobody has swept before.
    Sweep,
    /// It sweeps after another was killed between COMMIT and the outcome's entry: it settles first.
    Settle,
    /// It places a hold, and the sweep comes after.
    Hold,
}

const STORIES: [Story; 3] = [Story::Sweep, Story::Settle, Story::Hold];

/// A process is killed at its first visit of a point, and at one in full swing.
const VISITS: [u32; 2] = [1, 3];

/// Several grounds at once: most of the time is spent waiting for a disk or a server.
const HANDS: usize = 3;

impl Story {
    /// Up to where the process starts that will be killed.
    fn begin(self, place: Place) -> Ground {
        let ground = Ground::new(place);
        if self != Self::Hold {
            ground.place(NOW).expect(0);
        }
        if self == Self::Settle {
            killed(&ground, self, "commit.after", 2);
        }
        ground
    }

    fn arguments(self) -> Vec<&'static str> {
        if self == Self::Hold { PLACE.to_vec() } else { SWEEP.to_vec() }
    }

    fn process(self, ground: &Ground, variables: [(&str, &str); 1]) -> Run {
        let mut command = ground.command(NOW, []);
        run(command.args(self.arguments()).envs(variables))
    }

    /// How often each point is visited when nothing goes wrong.
    fn visits(self, place: Place) -> BTreeMap<String, u32> {
        let ground = self.begin(place);
        let file = ground.file("visits");
        self.process(&ground, [("RETENTIOND_TEST_VISITS", file.to_str().expect("UTF-8"))]).expect(0);
        let mut visits = BTreeMap::new();
        for point in fs::read_to_string(file).expect("the visits").lines() {
            *visits.entry(point.to_owned()).or_default() += 1;
        }
        visits
    }

    /// Killed at a point, run again, and judged.
    fn survives(self, place: Place, point: &str, visit: u32) {
        let ground = self.begin(place);
        killed(&ground, self, point, visit);
        self.process(&ground, [("NO_COLOR", "1")]).expect(0);
        if self == Self::Hold {
            ground.sweep().expect(0);
        }
        ground.judge(true);
    }
}

fn killed(ground: &Ground, story: Story, point: &str, visit: u32) {
    let order = format!("{point}:{visit}:kill");
    let run = story.process(ground, [("RETENTIOND_TEST_POINT", &order)]);
    assert_eq!(run.signal, Some(Signal::KILL.as_raw()), "{point} was not visited {visit} times: {run:#?}");
}

fn points() -> BTreeSet<String> {
    let listed = run(Folder::new("").command::<&str>([]).env("RETENTIOND_TEST_LIST", "points")).expect(0);
    listed.stdout.lines().map(ToOwned::to_owned).collect()
}

/// Kills a process at every point that a story comes by.
fn every_point(story: Story, place: Place) {
    let visits = story.visits(place);
    let cases: Vec<(&String, u32)> = visits
        .iter()
        .flat_map(|(point, &often)| VISITS.into_iter().filter(move |&visit| visit <= often).map(move |visit| (point, visit)))
        .collect();
    thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS)
            .map(|hand| {
                let cases = cases.iter().skip(hand).step_by(HANDS);
                scope.spawn(move || {
                    cases
                        .filter(|(point, visit)| {
                            let survives = || story.survives(place, point, *visit);
                            let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(survives)).is_err();
                            if failed {
                                eprintln!("^ killed at visit {visit} of {point}");
                            }
                            failed
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let failed: Vec<_> = hands.into_iter().flat_map(|hand| hand.join().expect("no panic here")).collect();
        assert!(failed.is_empty(), "{story:?} on {place:?}, killed at {failed:?} of {} places", cases.len());
    });
}

/// A test for each story and place.
macro_rules! killed_at_every_point {
    ($($test:ident: $story:ident on $place:expr;)+) => { $(
        #[test]
        fn $test() {
            every_point(Story::$story, $place);
        }
    )+ };
}

killed_at_every_point! {
    a_killed_sweep_of_sqlite_loses_nothing: Sweep on Place::On(Kind::Sqlite);
    a_killed_sweep_of_postgres_loses_nothing: Sweep on Place::On(Kind::Postgres);
    a_killed_sweep_of_mariadb_loses_nothing: Sweep on Place::On(Kind::Mariadb);
    a_killed_sweep_with_its_state_on_postgres_loses_nothing: Sweep on Place::PostgresState;
    a_sweep_killed_while_it_settles_sqlite_loses_nothing: Settle on Place::On(Kind::Sqlite);
    a_sweep_killed_while_it_settles_postgres_loses_nothing: Settle on Place::On(Kind::Postgres);
    a_sweep_killed_while_it_settles_mariadb_loses_nothing: Settle on Place::On(Kind::Mariadb);
    a_hold_killed_while_it_is_placed_on_sqlite_can_be_placed_again: Hold on Place::On(Kind::Sqlite);
    a_hold_killed_while_it_is_placed_on_postgres_can_be_placed_again: Hold on Place::On(Kind::Postgres);
    a_hold_killed_while_it_is_placed_on_mariadb_can_be_placed_again: Hold on Place::On(Kind::Mariadb);
    a_hold_killed_while_it_is_placed_with_its_state_on_postgres_can_be_placed_again: Hold on Place::PostgresState;
}

#[test]
fn a_hold_that_was_recorded_and_no_more_is_delivered_by_the_next_sweep() {
    for place in Place::ALL {
        let ground = Ground::new(place);
        killed(&ground, Story::Hold, "hold.recorded", 1);
        ground.settle_and_judge(true);
    }
}

/// What only a table in partitions, one that several processes walk, one whose rows others go with, an archive or residue comes by:
/// these have stories of their own.
const OF_OTHERS: [&str; 5] = ["partition.", "part.", "dependents.", "archive.", "residue."];

#[test]
fn every_point_is_visited() {
    for place in Place::ALL {
        let visited: BTreeSet<String> = STORIES.into_iter().flat_map(|story| story.visits(place).into_keys()).collect();
        let unvisited: Vec<String> =
            points().difference(&visited).filter(|point| !OF_OTHERS.iter().any(|others| point.starts_with(others))).cloned().collect();
        assert!(unvisited.is_empty(), "no story comes by these on {place:?}: {unvisited:?}");
    }
}
