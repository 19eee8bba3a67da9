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

/// More packs than any of the mistakes has needed so far.
const PATIENCE: u64 = 60;

/// A test for each fault, and the list of them.
macro_rules! caught {
    ($($test:ident: $fault:literal,)*) => {
        const BY_THE_ORACLE: &[&str] = &[$($fault),*];
        $(
            #[test]
            fn $test() {
                catch($fault);
            }
        )*
    };
}

caught! {
    an_inclusive_cutoff_is_caught: "cutoff-inclusive",
    a_cutoff_that_is_frozen_anew_is_caught: "cutoff-refrozen",
    a_missing_day_that_ends_early_is_caught: "missing-day-clamped",
    a_fold_that_ends_at_its_first_pass_is_caught: "fold-earlier",
    an_ignored_floor_is_caught: "floor-ignored",
    a_dropped_hold_clause_is_caught: "hold-clause-dropped",
    a_null_subject_that_is_nobody_is_caught: "null-subject-is-nobody",
    a_null_condition_that_acts_is_caught: "null-condition-acts",
    a_null_condition_that_does_not_protect_is_caught: "protector-null-ignored",
    an_ignored_keep_is_caught: "keep-ignored",
    an_undated_competitor_that_ends_is_caught: "undated-protector-ends",
    an_override_that_ignores_a_floor_is_caught: "override-ignores-floor",
    an_override_that_passes_a_hold_is_caught: "override-passes-hold",
    an_override_of_rows_that_do_not_match_is_caught: "override-of-all-rows",
    an_override_by_a_null_condition_is_caught: "override-of-null",
    a_later_delete_that_is_an_obstacle_is_caught: "stage-is-obstacle",
    stages_in_the_wrong_order_are_caught: "stages-swapped",
    a_dropped_condition_is_caught: "condition-dropped",
    an_undeclared_cascade_is_caught: "undeclared-cascade",
    an_undated_row_that_is_acted_on_is_caught: "undated-acts",
    an_ignored_never_is_caught: "never-ignored",
    a_row_that_is_done_again_is_caught: "done-ignored",
    a_truncation_that_is_too_fine_is_caught: "truncation-too-fine",
    a_number_that_is_rounded_down_is_caught: "round-down",
    an_array_that_is_anonymised_in_part_is_caught: "json-first-only",
    a_random_value_that_is_not_is_caught: "random-constant",
    a_mask_that_reveals_is_caught: "mask-reveals",
    an_unbounded_batch_is_caught: "batch-unbounded",
    an_ignored_share_of_implausible_starts_is_caught: "implausible-share-ignored",
}

/// Runs packs until one disagrees that agrees without the fault.
fn catch(fault: &str) {
    for seed in 0..PATIENCE {
        let pack = Pack::new(Engine::ALL[usize::try_from(seed).expect("a small number") % Engine::ALL.len()], seed);
        if let Some(first) = run::pack(&pack, Some(fault)).disagreements.first() {
            println!("{fault} caught by {:?}, seed {seed}: {first}", pack.engine);
            let without = run::pack(&pack, None).disagreements;
            assert!(without.is_empty(), "seed {seed} disagrees without the fault as well: {without:#?}");
            return;
        }
    }
    panic!("nobody noticed {fault} in {PATIENCE} packs");
}

#[test]
fn every_fault_has_a_test() {
    let list = finish(Folder::new("").command(["plan"]).env("RETENTIOND_TEST_LIST", "seeded"));
    let known = list.stdout.lines().map(ToOwned::to_owned).collect::<BTreeSet<_>>();
    let by_accident = super::crash::seeded::SCENARIOS.iter().map(|(name, _)| *name);
    let by_commands = super::commands::seeded::SCENARIOS.iter().map(|(name, _)| *name);
    let caught = BY_THE_ORACLE.iter().copied().chain(by_accident).chain(by_commands).map(ToOwned::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(known, caught);
}
