//! One large table and three daemons.

use std::collections::BTreeMap;

use super::{Daemon, EAGER, entries, fill, left};
use crate::support::{
    product::{Kind, Product},
    until,
};

/// Batches of ten rows, of which all together take a thousand a second: some seconds for a table.
const LIMITS: &str = "[sources.app.limits]\nmax_batch_rows = 10\nmax_rows_per_second = 1_000\nworkers = 3\n";
const DUE: u32 = 2_000;

/// Rows that went by lane.
fn by_lane(product: &Product) -> BTreeMap<String, u64> {
    let mut lanes = BTreeMap::new();
    for entry in entries(product, "batch_applied") {
        *lanes.entry(entry["lane"].as_str().expect("a lane").to_owned()).or_default() += entry["rows"].as_u64().expect("rows");
    }
    lanes
}

#[test]
fn three_daemons_share_one_table_and_one_of_them_may_die() {
    for kind in Kind::SERVERS {
        let product = Product::new(kind, &format!("{LIMITS}{EAGER}")).with_state(Kind::Postgres);
        fill(&product, DUE, 50);
        let daemons = [(); 3].map(|()| Daemon::start(&product));
        until("all of them work", || (by_lane(&product).len() == 3).then_some(()));
        // Whoever it is, the others do without it.
        let [one, other, killed] = daemons;
        killed.process.signal(rustix::process::Signal::KILL);
        until("the rows go", || (left(&product) == 50).then_some(()));
        let ended =
            until("a sweep that says so", || entries(&product, "sweep_ended").into_iter().find(|entry| entry["outcome"] == "complete"));
        assert!(ended["rows"].as_u64().is_some_and(|rows| rows > 0 && rows <= u64::from(DUE)), "{ended:#}");
        let lanes = by_lane(&product);
        assert_eq!(lanes.values().sum::<u64>(), u64::from(DUE), "{kind:?}: {lanes:?}");
        let shown: f64 = [&one, &other].into_iter().map(|daemon| daemon.metric("rows_acted_total", &[])).sum();
        assert!(shown > 0.0 && shown <= f64::from(DUE));
        for daemon in [one, other] {
            let is_blocked =
                |(series, value): (String, f64)| series.contains("rule_blocked{") && series.contains("\"shared\"") && value > 0.0;
            assert!(!daemon.metrics().into_iter().any(is_blocked), "who did its part is not blocked");
            daemon.stop().expect(0);
        }
        product.cli("ledger verify").expect(0);
    }
}
