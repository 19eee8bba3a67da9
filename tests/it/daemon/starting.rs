//! What a daemon finds when it starts: no state, another's state, holds that are pending, a batch whose outcome is open.

use std::fs;

use super::{Daemon, EAGER, YEARLY, accounts, entries, left};
use crate::support::{
    product::{Kind, Product},
    until,
};

#[test]
fn it_makes_the_state_only_where_no_source_bears_the_stamp_of_another() {
    for kind in Kind::ALL {
        let product = accounts(kind, EAGER, 20, 0);
        for end in ["", "-wal", "-shm"] {
            let _ = fs::remove_file(product.folder.path().join(format!("state.db{end}")));
        }
        let run = product.cli("run").expect(3);
        assert!(run.stderr.contains("state adopt"), "{run:#?}");
        assert!(!product.folder.path().join("state.db").exists());
        product.run(["state", "adopt", "--reason", "lost", "--by", "engineer"]).expect(0);
        let daemon = Daemon::start(&product);
        until("the rows go", || (left(&product) == 0).then_some(()));
        daemon.stop().expect(0);

        let mut fresh = Product::new(kind, EAGER);
        fresh.data.execute("CREATE TABLE accounts (id bigint PRIMARY KEY, closed_at text)");
        fresh.rules("p", &super::policy(&[super::CLOSED]));
        fresh.connect_by(&fresh.data.owner_url());
        let daemon = Daemon::start(&fresh);
        daemon.sees("rule_blocked", &["reason=\"no_workspace\""], |blocked| blocked == 1.0);
        assert!(fresh.folder.path().join("state.db").exists());
        daemon.stop().expect(0);
    }
}

#[test]
fn a_hold_that_is_pending_is_delivered_and_nothing_it_covers_goes() {
    for kind in Kind::ALL {
        let product = accounts(kind, EAGER, 20, 0);
        let mut place = product.command(["hold", "place", "--matter", "m", "--reason", "r", "--by", "b", "--subject", "account:7"]);
        crate::support::binary::run(place.env("RETENTIOND_TEST_POINT", "hold.recorded:1:kill"));
        let list = product.cli("hold list --output json").expect(0).json();
        assert_eq!(list["holds"][0]["pending"][0], "app", "{list}");
        let daemon = Daemon::start(&product);
        daemon.sees("holds_pending", &[], |pending| pending == 0.0);
        daemon.sees("rows_acted_total", &[], |rows| rows == 19.0);
        assert_eq!(product.data.number("SELECT id FROM accounts"), 7);
        daemon.stop().expect(0);
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn a_batch_whose_outcome_is_open_is_settled_before_anything_is_swept() {
    for kind in Kind::ALL {
        for (point, kind_of_entry) in [("commit.before", "batch_abandoned"), ("commit.after", "batch_applied")] {
            let product = accounts(kind, YEARLY, 20, 0);
            let mut sweep = product.command(["sweep", "--approve"]);
            crate::support::binary::run(sweep.env("RETENTIOND_TEST_POINT", format!("{point}:1:kill")));
            assert!(entries(&product, kind_of_entry).is_empty());
            let daemon = Daemon::start(&product);
            until("the batch is settled", || (entries(&product, kind_of_entry).len() == 1).then_some(()));
            daemon.stop().expect(0);
            product.cli("ledger verify").expect(0);
        }
    }
}
