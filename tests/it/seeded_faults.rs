//! Mistakes made on purpose: the oracle must catch each that concerns which rows are acted on, or it is blind.
//!
//! The program makes the mistake that `RETENTIOND_TEST_SEEDED` names. Mistakes of the protocols need accidents to show;
//! [`super::crash::seeded`] makes those; [`super::commands::seeded`] catches those of the guards. A new seeded fault is a
//! line below or a scenario there.

use std::collections::BTreeSet;

use crate::support::{
    binary::{Folder, run as finish},
    cases::{Pack, run, table::Engine},
};

/// The packs that the oracle's own tests run without a mistake: that these agree otherwise is theirs to show.
const PATIENCE: u64 = 50;

/// A test for each fault on each engine, and the list of the faults. The numbers say in which pack an engine is likely to
/// be caught; they save time and decide nothing.
macro_rules! caught {
    ($($test:ident: $fault:literal about $seeds:expr,)*) => {
        const BY_THE_ORACLE: &[&str] = &[$($fault),*];
        $(
            mod $test {
                use super::{Engine, catch};

                #[test]
                fn on_sqlite() {
                    catch($fault, Engine::Sqlite, $seeds[0]);
                }

                #[test]
                fn on_postgres() {
                    catch($fault, Engine::Postgres, $seeds[1]);
                }

                #[test]
                fn on_mariadb() {
                    catch($fault, Engine::Mariadb, $seeds[2]);
                }
            }
        )*
    };
}

caught! {
    a_lost_opt_out_is_caught: "opt-outs-omitted" about [0, 0, 0],
    a_rule_that_takes_every_tenant_is_caught: "tenant-ignored" about [0, 0, 0],
    a_row_that_does_not_wait_is_caught: "wait-ignored" about [0, 0, 0],
    what_goes_along_and_is_kept_is_caught: "dependent-protection-ignored" about [0, 0, 0],
    what_goes_along_and_should_not_is_caught: "dependent-where-ignored" about [0, 0, 0],
    what_goes_alone_is_caught: "dependents-alone" about [0, 0, 0],
    an_inclusive_cutoff_is_caught: "cutoff-inclusive" about [0, 0, 0],
    a_cutoff_that_is_frozen_anew_is_caught: "cutoff-refrozen" about [0, 0, 0],
    a_missing_day_that_ends_early_is_caught: "missing-day-clamped" about [5, 4, 4],
    a_fold_that_ends_at_its_first_pass_is_caught: "fold-earlier" about [3, 3, 3],
    an_ignored_floor_is_caught: "floor-ignored" about [1, 0, 0],
    a_period_that_counts_from_the_start_is_caught: "start-at-ignored" about [0, 0, 0],
    the_latest_of_dates_taken_for_the_earliest_is_caught: "latest-is-earliest" about [0, 0, 0],
    one_of_several_rows_that_decides_is_caught: "lookup-of-any-row" about [0, 0, 0],
    an_ignored_default_is_caught: "setting-default-ignored" about [0, 0, 0],
    a_missing_parent_that_is_nobody_is_caught: "missing-parent-is-nobody" about [0, 0, 0],
    a_dropped_hold_clause_is_caught: "hold-clause-dropped" about [0, 0, 0],
    a_null_subject_that_is_nobody_is_caught: "null-subject-is-nobody" about [1, 0, 0],
    a_null_condition_that_acts_is_caught: "null-condition-acts" about [0, 0, 0],
    a_null_condition_that_does_not_protect_is_caught: "protector-null-ignored" about [0, 0, 0],
    an_ignored_keep_is_caught: "keep-ignored" about [0, 0, 0],
    an_undated_competitor_that_ends_is_caught: "undated-protector-ends" about [1, 0, 0],
    an_override_that_ignores_a_floor_is_caught: "override-ignores-floor" about [1, 5, 0],
    an_override_that_passes_a_hold_is_caught: "override-passes-hold" about [1, 0, 0],
    an_override_of_rows_that_do_not_match_is_caught: "override-of-all-rows" about [0, 0, 0],
    an_override_by_a_null_condition_is_caught: "override-of-null" about [0, 0, 0],
    a_later_delete_that_is_an_obstacle_is_caught: "stage-is-obstacle" about [0, 0, 0],
    stages_in_the_wrong_order_are_caught: "stages-swapped" about [0, 0, 0],
    a_dropped_condition_is_caught: "condition-dropped" about [0, 0, 0],
    an_undeclared_cascade_is_caught: "undeclared-cascade" about [0, 0, 0],
    an_undated_row_that_is_acted_on_is_caught: "undated-acts" about [0, 0, 0],
    an_ignored_never_is_caught: "never-ignored" about [0, 0, 0],
    a_row_that_is_done_again_is_caught: "done-ignored" about [0, 0, 0],
    a_truncation_that_is_too_fine_is_caught: "truncation-too-fine" about [3, 0, 2],
    a_number_that_is_rounded_down_is_caught: "round-down" about [0, 0, 0],
    an_array_that_is_anonymised_in_part_is_caught: "json-first-only" about [2, 1, 1],
    a_random_value_that_is_not_is_caught: "random-constant" about [2, 0, 0],
    a_mask_that_reveals_is_caught: "mask-reveals" about [3, 3, 2],
    an_unbounded_batch_is_caught: "batch-unbounded" about [0, 0, 0],
    an_ignored_share_of_implausible_starts_is_caught: "implausible-share-ignored" about [0, 0, 0],
}

/// Runs packs until one disagrees.
fn catch(fault: &str, engine: Engine, likely: u64) {
    for seed in std::iter::once(likely).chain((0..PATIENCE).filter(|seed| *seed != likely)) {
        if let Some(first) = run::pack(&Pack::new(engine, seed), Some(fault)).disagreements.first() {
            println!("{fault} caught by {engine:?}, seed {seed}: {first}");
            return;
        }
    }
    panic!("nobody noticed {fault} on {engine:?} in {PATIENCE} packs");
}

#[test]
fn every_fault_has_a_test() {
    let list = finish(Folder::new("").command(["plan"]).env("RETENTIOND_TEST_LIST", "seeded"));
    let known = list.stdout.lines().map(ToOwned::to_owned).collect::<BTreeSet<_>>();
    let by_accident = super::crash::seeded::CAUGHT.iter().copied();
    let by_commands = super::commands::seeded::SCENARIOS.iter().map(|(name, _)| *name);
    let caught = BY_THE_ORACLE.iter().copied().chain(by_accident).chain(by_commands).map(ToOwned::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(known, caught);
}
