//! Mistakes of the guards, made on purpose: each must be caught.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::{CLOSED, accounts, buckets, dependents, digests, dropping, left, lookups, opt_outs, partitions, policy, residue, triggers};
use crate::{
    crash::{archiving, ground::Place, sharing},
    support::{
        binary,
        product::{Kind, Product},
    },
};

/// The seeded faults that commands catch. Each function makes the fault and panics if nothing noticed.
pub const SCENARIOS: &[(&str, fn())] = &[
    ("approval-of-another-form", || caught("approval-of-another-form", a_changed_rule_waits)),
    ("pause-forgotten", || caught("pause-forgotten", a_paused_rule_waits)),
    ("relatives-ignored", || caught_on_postgres("relatives-ignored", partitions::a_part_is_protected_and_held)),
    ("parents-unlocked", || {
        lookups::what_decides_stays_as_it_is("none");
        assert!(catch_unwind(|| lookups::what_decides_stays_as_it_is("parents-unlocked")).is_err(), "nothing noticed the change elsewhere");
    }),
    ("opt-outs-read-before", || {
        let scenario = opt_outs::the_opt_out_is_of_the_row_that_went;
        scenario(Kind::Postgres, "none");
        assert!(catch_unwind(|| scenario(Kind::Postgres, "opt-outs-read-before")).is_err(), "nothing noticed the older address");
    }),
    ("residue-not-overwritten", || {
        let scenario = residue::the_files_have_what_the_report_says;
        assert!(catch_unwind(|| scenario(Kind::Sqlite, "compacted", "residue-not-overwritten")).is_err(), "nobody looked into the file");
    }),
    ("residue-claimed-untreated", || {
        for kind in Kind::SERVERS {
            let faulty = || residue::the_files_have_what_the_report_says(kind, "rewritten", "residue-claimed-untreated");
            assert!(catch_unwind(faulty).is_err(), "nobody looked into the files of {kind:?}");
        }
    }),
    ("role-unchecked", || {
        let faulty = || crate::api::roles::nobody_acts_without_the_role("role-unchecked");
        assert!(catch_unwind(faulty).is_err(), "nothing noticed the role that was not checked");
    }),
    ("trigger-body-ignored", || {
        triggers::a_changed_body_waits("none");
        assert!(catch_unwind(|| triggers::a_changed_body_waits("trigger-body-ignored")).is_err(), "nothing noticed the other body");
    }),
    ("dependent-hold-ignored", || caught_by_dependents("dependent-hold-ignored")),
    ("dependent-protection-ignored", || caught_by_dependents("dependent-protection-ignored")),
    ("dependent-where-ignored", || caught_by_dependents("dependent-where-ignored")),
    ("dependents-alone", || caught_by_dependents("dependents-alone")),
    ("lost-part-ignored", || caught_where_a_walk_is_shared("lost-part-ignored", sharing::nothing_is_left_out)),
    ("guards-not-summed", || caught_where_a_walk_is_shared("guards-not-summed", sharing::workers_take_no_more_than_one_may)),
    ("dependents-unlocked", || {
        for kind in Kind::SERVERS {
            let faulty = || crate::crash::dependents::slips_in(kind, "dependents-unlocked");
            assert!(catch_unwind(faulty).is_err(), "nothing noticed what slipped in on {kind:?}");
        }
    }),
    ("archive-not-compared", || caught_on_all("archive-not-compared", archiving::a_row_that_changes_meanwhile_is_copied_as_it_went)),
    ("archive-not-read-back", || {
        let scenario = buckets::what_the_store_has_is_read_back;
        scenario(Kind::Sqlite, "none");
        assert!(catch_unwind(|| scenario(Kind::Sqlite, "archive-not-read-back")).is_err(), "nothing noticed what the store has");
    }),
    ("archive-published-early", || caught_on_all("archive-published-early", archiving::a_copy_is_valid_when_its_rows_have_gone)),
    ("archive-hold-ignored", || caught_on_all("archive-hold-ignored", archiving::a_held_copy_stays)),
    ("evidence-leaf-left-out", || caught_on_all("evidence-leaf-left-out", digests::a_digest_is_missing)),
    ("partition-dropped-though-not-whole", || {
        for kind in dropping::KINDS {
            dropping::a_partition_with_a_held_row_stays(kind, "none");
            let faulty = || dropping::a_partition_with_a_held_row_stays(kind, "partition-dropped-though-not-whole");
            assert!(catch_unwind(faulty).is_err(), "nothing noticed the partition that was not whole on {kind:?}");
        }
    }),
];

fn caught(fault: &str, scenario: fn(&Product, &str)) {
    for kind in Kind::ALL {
        scenario(&accounts(kind), "none");
        let noticed = catch_unwind(AssertUnwindSafe(|| scenario(&accounts(kind), fault))).is_err();
        assert!(noticed, "nothing noticed the seeded fault {fault} on {kind:?}");
    }
}

fn caught_by_dependents(fault: &str) {
    for kind in Kind::ALL {
        dependents::caught(kind, "none");
        let noticed = catch_unwind(|| dependents::caught(kind, fault)).is_err();
        assert!(noticed, "nothing noticed the seeded fault {fault} on {kind:?}");
    }
}

fn caught_on_all(fault: &str, scenario: fn(Kind, &str)) {
    for kind in Kind::ALL {
        scenario(kind, "none");
        let noticed = catch_unwind(|| scenario(kind, fault)).is_err();
        assert!(noticed, "nothing noticed the seeded fault {fault} on {kind:?}");
    }
}

/// A scenario of several processes in one table.
fn caught_where_a_walk_is_shared(fault: &str, scenario: fn(Place, &[(&str, &str)])) {
    for kind in Kind::SERVERS {
        let faulty = || scenario(Place::On(kind), &[("RETENTIOND_TEST_SEEDED", fault)]);
        assert!(catch_unwind(faulty).is_err(), "nothing noticed the seeded fault {fault} on {kind:?}");
    }
}

/// Only PostgreSQL has tables that share rows.
fn caught_on_postgres(fault: &str, scenario: fn(&str)) {
    scenario("none");
    let noticed = catch_unwind(|| scenario(fault)).is_err();
    assert!(noticed, "nothing noticed the seeded fault {fault}");
}

fn sweep(product: &Product, fault: &str) {
    binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_SEEDED", fault));
}

fn a_changed_rule_waits(product: &Product, fault: &str) {
    product.cli("approve p/closed").expect(0);
    product.rules("p", &policy(&[&CLOSED.replace("3 years", "1 day")]));
    sweep(product, fault);
    assert_eq!(left(product), "1 2 3 4");
}

fn a_paused_rule_waits(product: &Product, fault: &str) {
    product.cli("approve p/closed").expect(0);
    product.cli("pause --all --reason r --by b").expect(0);
    sweep(product, fault);
    assert_eq!(left(product), "1 2 3 4");
}

#[test]
fn each_is_caught() {
    for (name, scenario) in SCENARIOS {
        eprintln!("seeded fault {name}; what fails below until the next is as it should be");
        scenario();
    }
}
