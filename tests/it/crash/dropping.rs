//! A partition that is being dropped when the process dies, or is paused while somebody places a hold over it.

use rustix::process::Signal;

use crate::{
    commands::dropping::{KINDS, MESSAGES, applied, left, product, tables},
    support::{
        binary,
        product::{Kind, Product},
        until,
    },
};

/// From the lock on the partition to the end of the sweep.
const POINTS: [&str; 10] = [
    "partition.locked",
    "act.done",
    "intent.before",
    "intent.recorded",
    "partition.dropped",
    "mark.done",
    "commit.before",
    "commit.after",
    "outcome.before",
    "outcome.recorded",
];

/// The right rows are left, the partitions are gone, and the ledger has each of them once.
#[track_caller]
fn judge(product: &Product, point: &str) {
    assert_eq!((left(product).as_str(), tables(product).as_str()), ("105 106 107", "empty june z"), "{point}");
    product.cli("ledger verify").expect(0);
    let applied = applied(product);
    let dropped: Vec<_> = applied.iter().filter_map(|(rows, name)| Some((*rows, name.as_deref()?))).collect();
    assert_eq!(dropped, [(100, "a"), (2, "b"), (1, "nested_a")], "{point}");
    assert_eq!(applied.iter().map(|(rows, _)| rows).sum::<u64>(), 104, "{point}");
}

#[test]
fn a_sweep_killed_while_it_drops_on_postgres_loses_nothing() {
    killed(Kind::Postgres);
}

#[test]
fn a_sweep_killed_while_it_drops_on_mariadb_loses_nothing() {
    killed(Kind::Mariadb);
}

fn killed(kind: Kind) {
    for (point, visit) in POINTS.into_iter().flat_map(|point| [(point, 1), (point, 2)]) {
        let product = product(kind, MESSAGES);
        let order = format!("{point}:{visit}:kill");
        let run = binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", &order));
        if visit == 2 && point.starts_with("outcome") {
            run.expect(0);
        } else {
            assert_eq!(run.signal, Some(Signal::KILL.as_raw()), "{order}: {run:#?}");
            product.cli("sweep").expect(0);
        }
        judge(&product, &order);
    }
}

/// The place waits for the transaction that drops. The server ends that of a paused process, and the hold finds its rows.
#[test]
fn a_hold_over_a_partition_that_is_being_dropped_waits_and_finds_it() {
    // On MariaDB what is dropped can't come back.
    let alike = |point| KINDS.map(|kind| (kind, point));
    let points = ["partition.locked", "act.done", "commit.before"].into_iter().flat_map(alike);
    for (kind, point) in points.chain([(Kind::Postgres, "partition.dropped")]) {
        let product = product(kind, MESSAGES);
        let sweep = binary::start(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:stop")));
        assert!(sweep.has_stopped(), "{point}");
        // Who looks at the table meanwhile is told that it is locked, and tries again.
        until("the hold", || (product.hold(&["account:7"]).status == Some(0)).then_some(()));
        sweep.resume();
        sweep.finish();
        product.cli("sweep").expect(0);
        let expected: Vec<String> = (1..=107).filter(|id| *id != 101).map(|id| id.to_string()).collect();
        assert_eq!((left(&product), tables(&product).as_str()), (expected.join(" "), "a b empty june nested_a z"), "{point}");
        product.cli("ledger verify").expect(0);
        assert_eq!(applied(&product), [(1, None)], "{point}");
    }
}

/// Where dropping commits by itself, a place waits for the session that drops, and covers what is left. Who has dropped learns of
/// it from the lane.
#[test]
fn a_hold_after_a_partition_was_dropped_on_mariadb_finds_the_rest() {
    let product = product(Kind::Mariadb, MESSAGES);
    let sweep = binary::start(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", "partition.dropped:1:stop"));
    assert!(sweep.has_stopped());
    until("the hold", || (product.hold(&["account:7"]).status == Some(0)).then_some(()));
    sweep.resume();
    sweep.finish();
    product.cli("sweep").expect(0);
    assert_eq!((left(&product).as_str(), tables(&product).as_str()), ("102 103 104 105 106 107", "b empty june nested_a z"));
    assert_eq!(applied(&product), [(100, Some("a".to_owned())), (1, None)]);
    product.cli("ledger verify").expect(0);
}

/// The catalogue shows nothing of a table without a privilege on it, which would look as if everything were gone.
#[test]
fn a_lane_whose_table_may_not_be_seen_is_not_settled_on_mariadb() {
    let mut product = product(Kind::Mariadb, MESSAGES);
    let run = binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", "partition.dropped:1:kill"));
    assert_eq!(run.signal, Some(Signal::KILL.as_raw()));
    product.grant_by_hand();
    product.data.execute(&format!("REVOKE ALL ON messages FROM {}", product.data.role()));
    let blind = product.cli("sweep");
    assert_ne!(blind.status, Some(0), "{blind:#?}");
    assert_eq!(applied(&product), []);
    product.data.execute(&format!("GRANT SELECT, DELETE, ALTER, DROP ON messages TO {}", product.data.role()));
    product.cli("sweep").expect(0);
    judge(&product, "seen again");
}
