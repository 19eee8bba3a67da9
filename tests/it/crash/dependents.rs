//! Rows and what goes with them when the process dies in between, or somebody else wants the same rows.

use rustix::process::Signal;

use crate::{
    commands::dependents::{MESSAGES, TICKETS, ids, key, product},
    support::{
        binary,
        product::{Kind, Product},
        session::Session,
    },
};

/// From the locks to the outcome.
const POINTS: [&str; 8] =
    ["dependents.locked", "dependents.gone", "act.done", "intent.recorded", "mark.done", "commit.before", "commit.after", "outcome.before"];

/// The rows of the ledger, its own and those that went along.
fn applied(product: &Product) -> (u64, u64) {
    let entries = product.cli("ledger export").expect(0).json_lines();
    let applied = entries.iter().filter(|entry| entry["kind"] == "batch_applied");
    let number = |entry: &serde_json::Value, key: &str| entry[key].as_u64().expect("a number");
    applied.fold((0, 0), |(rows, dragged), entry| (rows + number(entry, "rows"), dragged + number(entry, "dragged")))
}

/// All of a batch or nothing of it.
#[test]
fn a_killed_sweep_leaves_no_row_without_what_belongs_to_it() {
    for (kind, point) in Kind::ALL.into_iter().flat_map(|kind| POINTS.map(|point| (kind, point))) {
        let product = product(kind, "", &[&format!("{TICKETS}{MESSAGES}")]);
        let run = binary::run(product.command(["sweep"]).env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
        assert_eq!(run.signal, Some(Signal::KILL.as_raw()), "{kind:?} {point}: {run:#?}");
        let (tickets, messages) = (ids(&product, "tickets"), ids(&product, "messages"));
        let whole = [("1 2 3", "11 12 21 31 99"), ("3", "31 99")].contains(&(tickets.as_str(), messages.as_str()));
        assert!(whole, "{kind:?} {point}: {tickets} and {messages}");
        product.cli("sweep").expect(0);
        assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("3", "31 99"), "{kind:?} {point}");
        assert_eq!(applied(&product), (2, 3), "{kind:?} {point}");
        product.cli("ledger verify").expect(0);
    }
}

/// What comes or changes while a row is about to go waits until it is gone: nothing that a hold or a rule would keep slips
/// into what a foreign key then drags along.
#[test]
fn nothing_slips_in_between() {
    for kind in Kind::SERVERS {
        slips_in(kind, "none");
    }
}

/// Stops a sweep between its locks and its acts, and lets the application do what it likes meanwhile.
pub fn slips_in(kind: Kind, fault: &str) {
    let some = MESSAGES.replace("then =", "where = \"internal = 0\", then =");
    for change in [
        "INSERT INTO messages (id, ticket, internal) VALUES (50, 2, 1)",
        "UPDATE messages SET internal = 1 WHERE id = 21",
        "UPDATE tickets SET closed_at = NULL WHERE id = 2",
    ] {
        let product = product(kind, &key(kind, "CASCADE"), &[&format!("{TICKETS}{some}")]);
        let stop = [("RETENTIOND_TEST_POINT", "dependents.locked:1:stop"), ("RETENTIOND_TEST_SEEDED", fault)];
        let sweep = binary::start(product.command(["sweep"]).envs(stop));
        assert!(sweep.has_stopped(), "{kind:?}");
        let session = Session::open(&product.data);
        session.run(kind.pick("", "SET lock_timeout = '100ms'", "SET innodb_lock_wait_timeout = 1"));
        session.send(change);
        assert!(session.answer().is_err(), "{kind:?}: {change} had its way");
        sweep.resume();
        sweep.finish().expect(0);
        assert_eq!((ids(&product, "tickets").as_str(), ids(&product, "messages").as_str()), ("1 3", "11 12 31 99"), "{kind:?} {change}");
    }
}
