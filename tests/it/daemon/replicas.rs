//! A replica that falls behind holds a sweep up, on real replication.
//!
//! A PostgreSQL knows its replicas; those of a MariaDB are listed. A replica follows through a proxy, so that it can be cut
//! off.

use super::{CLOSED, Daemon, EAGER, left, policy};
use crate::support::{
    host::Host,
    mariadb, postgres,
    product::{Data, Kind, Product},
    proxy::{Proxy, Target},
    until,
};

/// Ten rows a batch, a hundred a second.
const LIMITS: &str = "[sources.app.limits]\nmax_batch_rows = 10\nmax_rows_per_second = 100\nmax_replica_lag = ";

/// Without waiting for a person.
const UNASKED: &str = "[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0";

/// Sweeps that wait for a second and a half.
fn impatient() -> String {
    format!("{LIMITS}\"50ms\"\n{UNASKED}")
}

/// A source of its own server, with accounts that are due, and a replica that follows it through `link` for as long as that
/// is there.
struct Followed {
    product: Product,
    replica: Host,
    link: Proxy,
}

impl Followed {
    fn new(kind: Kind, rest: &str, rows: u64) -> Self {
        let primary = Host::followed(kind);
        let link = Proxy::start(Target::Unix(primary.socket()));
        let mut product = Product::over(primary.database(), rest);
        let replica = primary.replica(Some(link.port()));
        if kind == Kind::Mariadb {
            product.reconfigure(&listed(&address(replica, &product.data)), rest);
        }
        fill(&product, rows);
        Self { product, replica, link }
    }
}

/// The replica's own address.
fn address(replica: Host, data: &Data) -> String {
    replica.replicated(data).owner_url()
}

fn listed(url: &str) -> String {
    format!("replicas = [{{ url = \"{url}\" }}]")
}

fn fill(product: &Product, rows: u64) {
    let kind = product.kind;
    let (numbers, time) = (kind.numbers(1, rows), kind.pick("text", "timestamptz", "datetime(6)"));
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, closed_at {time}, note text);
         INSERT INTO accounts {numbers} SELECT i, timestamp '2015-03-01 10:00:00', '' FROM n"
    ));
    product.rules("p", &policy(&[CLOSED]));
    product.init();
}

/// Outcome, reason and sentence of the only rule of a sweep.
fn swept(product: &Product, status: i32) -> [String; 3] {
    let report = product.cli("sweep --output json").expect(status).json();
    let rule = &report["rules"][0];
    ["outcome", "reason", "message"].map(|key| rule[key].as_str().unwrap_or("-").to_owned())
}

/// A sweep that waits for a replica, gives up and does nothing; returns what it says.
#[track_caller]
fn waits_in_vain(product: &Product) -> String {
    let before = left(product);
    let [outcome, reason, message] = swept(product, 3);
    assert_eq!((outcome.as_str(), reason.as_str()), ("paused", "replica_lag"), "{message}");
    assert_eq!(left(product), before);
    message
}

#[test]
fn a_sweep_waits_until_its_replica_has_caught_up() {
    for kind in Kind::SERVERS {
        let Followed { product, replica, link: _link } = Followed::new(kind, &format!("{LIMITS}\"1s\"\n{EAGER}"), 600);
        let daemon = Daemon::start(&product);
        daemon.sees("rows_acted_total", &[], |rows| rows >= 20.0);
        daemon.sees("source_replica_lag_seconds", &[], |lag| lag < 1.0);
        replica.stop_replaying();
        daemon.sees("source_replica_lag_seconds", &[], |lag| lag > 1.0);
        let waited = || daemon.metric("throttled_seconds_total", &["reason=\"replica_lag\""]);
        let (before, rows) = (waited(), left(&product));
        assert!(rows > 0, "there was something to wait for");
        until("it waits", || (waited() > before + 1.0).then_some(()));
        assert_eq!(left(&product), rows, "nothing goes while it waits");
        replica.go_on_replaying();
        until("the rest goes", || (left(&product) == 0).then_some(()));
        daemon.sees("sweeps_total", &["outcome=\"complete\""], |sweeps| sweeps >= 1.0);
        daemon.stop().expect(0);
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn a_replica_that_was_stopped_is_waited_for_and_then_told_of() {
    for (kind, name) in [(Kind::Postgres, "walreceiver"), (Kind::Mariadb, "localhost")] {
        let Followed { product, replica, link: _link } = Followed::new(kind, &impatient(), 50);
        replica.stop_replaying();
        product.data.execute("UPDATE accounts SET note = 'later'");
        let message = waits_in_vain(&product);
        assert!(message.contains(name), "{message}");
        replica.go_on_replaying();
        assert_eq!(swept(&product, 0)[0], "complete");
        assert_eq!(left(&product), 0);
    }
}

/// Nothing arrives at the replica any more, and no connection is closed.
#[test]
fn a_replica_behind_a_dead_network_is_waited_for() {
    for kind in Kind::SERVERS {
        let Followed { product, replica: _, link } = Followed::new(kind, &impatient(), 50);
        link.partition();
        product.data.execute("UPDATE accounts SET note = 'later'");
        waits_in_vain(&product);
        link.heal();
        assert_eq!(swept(&product, 0)[0], "complete", "{kind:?}");
    }
}

/// What is connected when the sweep begins and cut off on the way is not forgotten.
#[test]
fn a_replica_that_is_cut_off_under_a_sweep_is_waited_for() {
    for kind in Kind::SERVERS {
        let Followed { product, replica: _, link } = Followed::new(kind, &format!("{LIMITS}\"200ms\"\n{EAGER}"), 2_000);
        let daemon = Daemon::start(&product);
        daemon.sees("rows_acted_total", &[], |rows| rows >= 20.0);
        link.refuse();
        daemon.sees("sweeps_total", &["outcome=\"paused\""], |sweeps| sweeps >= 1.0);
        assert!(left(&product) > 0);
        let run = daemon.stop().expect(0);
        let told = run.stderr.lines().find(|line| line.contains("replica_lag")).expect("the end of a sweep");
        assert!(told.contains(kind.pick("", "it was connected when the sweep began, and is gone", "behind")), "{told}");
        product.cli("ledger verify").expect(0);
    }
}

#[test]
fn a_slot_that_nobody_reads_stands_for_a_replica() {
    let Followed { product, replica: _, link: _link } = Followed::new(Kind::Postgres, &impatient(), 50);
    product.data.execute("SELECT pg_create_physical_replication_slot('standby', true)");
    let message = waits_in_vain(&product);
    assert!(message.contains("slot standby") && message.contains("pg_drop_replication_slot"), "{message}");
    product.data.execute("SELECT pg_drop_replication_slot('standby')");
    assert_eq!(swept(&product, 0)[0], "complete");
}

#[test]
fn a_mariadb_that_is_followed_asks_for_the_list() {
    let Followed { mut product, replica: _, link: _link } = Followed::new(Kind::Mariadb, &impatient(), 50);
    product.reconfigure("", &impatient());
    let message = waits_in_vain(&product);
    assert!(message.contains("list it: `replicas = "), "{message}");
}

#[test]
fn a_role_that_may_not_see_its_replicas_waits_for_a_grant() {
    let Followed { mut product, replica: _, link: _link } = Followed::new(Kind::Postgres, &impatient(), 50);
    product.grant_by_hand();
    product.data.execute("REVOKE pg_read_all_stats FROM retentiond");
    let message = waits_in_vain(&product);
    assert!(message.contains("GRANT pg_read_all_stats"), "{message}");
    product.data.execute("GRANT pg_read_all_stats TO retentiond");
    assert_eq!(swept(&product, 0)[0], "complete");
}

#[test]
fn replicas_that_are_listed_are_asked_themselves() {
    for kind in Kind::SERVERS {
        let limits = impatient();
        let Followed { mut product, replica, link: _link } = Followed::new(kind, &limits, 50);
        // One that takes connections and never says a word.
        let silent = Proxy::start(Target::Unix(replica.socket()));
        silent.partition();
        // Nobody listens there.
        let nobody = "reader:swordfish-4711@127.0.0.1:1/app";
        let (silent, nobody) = match &product.data {
            Data::Mariadb(database) => (mariadb::Server::tcp_url("root", database.name(), silent.port()), format!("mysql://{nobody}")),
            Data::Postgres(database) => {
                (postgres::Server::tcp_url("postgres", database.name(), silent.port()), format!("postgres://{nobody}"))
            }
            Data::Sqlite(_) => unreachable!("it has no server"),
        };
        let itself = product.data.owner_url();
        for (url, why) in [(silent, "does not answer"), (nobody, "127.0.0.1:1"), (itself, "it is no replica")] {
            product.reconfigure(&listed(&url), &limits);
            let message = waits_in_vain(&product);
            assert!(message.contains(why) && !message.contains("swordfish"), "{kind:?}: {message}");
        }
        let own = address(replica, &product.data);
        product.reconfigure(&listed(&own), &limits);
        assert_eq!(swept(&product, 0)[0], "complete");
    }
}

#[test]
fn nobody_is_waited_for_where_nobody_follows_or_nobody_is_to_be_asked() {
    for kind in Kind::SERVERS {
        let product = Product::new(kind, UNASKED);
        fill(&product, 20);
        assert_eq!(swept(&product, 0)[0], "complete");
        let Followed { mut product, replica, link: _link } = Followed::new(kind, "", 20);
        replica.stop_replaying();
        product.reconfigure("replicas = \"none\"", UNASKED);
        assert_eq!(swept(&product, 0)[0], "complete");
    }
}
