//! A replica that falls behind holds a sweep up, on real streaming replication.

use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{CLOSED, Daemon, EAGER, left, policy};
use crate::support::{
    database::Database,
    postgres::{Options, Server},
    product::{Data, Kind, Product},
    proxy::{Proxy, Target},
    until, wait,
};

/// Ten rows a batch, a hundred a second.
const LIMITS: &str = "[sources.app.limits]\nmax_batch_rows = 10\nmax_rows_per_second = 100\nmax_replica_lag = ";

/// Without waiting for a person.
const UNASKED: &str = "[defaults]\nfirst_sweep = \"auto\"\nmax_share = 1.0";

/// Sweeps that wait for a second and a half.
fn impatient() -> String {
    format!("{LIMITS}\"50ms\"\n{UNASKED}")
}

/// A source of its own server, with accounts that are due, and a replica that follows it.
fn followed(rest: &str, rows: u32) -> (Product, Server, String) {
    // It lives as long as the process, and so does the guard that cleans up after it.
    let primary: &'static Server = Box::leak(Box::new(Server::private(Options::default())));
    let database = Database::on(primary);
    let name = database.name().to_owned();
    let product = Product::over(Data::Postgres(database), rest);
    fill(&product, rows);
    (product, primary.replica(), name)
}

fn fill(product: &Product, rows: u32) {
    product.data.execute(&format!(
        "CREATE TABLE accounts (id bigint PRIMARY KEY, closed_at timestamptz, note text);
         INSERT INTO accounts SELECT n, '2015-03-01 10:00:00+00', '' FROM generate_series(1, {rows}) AS n"
    ));
    product.rules("p", &policy(&[CLOSED]));
    product.init();
}

fn run_on(server: &Server, database: &str, statement: &'static str) {
    wait(async {
        let mut connection = PgConnection::connect(&server.superuser_url(database)).await.expect("a connection");
        connection.execute(statement).await.expect(statement);
    });
}

/// Outcome, reason and sentence of the only rule of a sweep.
fn swept(product: &Product, status: i32) -> [String; 3] {
    let report = product.cli("sweep --output json").expect(status).json();
    let rule = &report["rules"][0];
    ["outcome", "reason", "message"].map(|key| rule[key].as_str().unwrap_or("-").to_owned())
}

#[test]
fn a_sweep_waits_until_its_replica_has_caught_up() {
    let (product, replica, database) = followed(&format!("{LIMITS}\"1s\"\n{EAGER}"), 600);
    let daemon = Daemon::start(&product);
    daemon.sees("rows_acted_total", &[], |rows| rows >= 20.0);
    daemon.sees("source_replica_lag_seconds", &[], |lag| lag < 1.0);
    run_on(&replica, &database, "SELECT pg_wal_replay_pause()");
    daemon.sees("source_replica_lag_seconds", &[], |lag| lag > 1.0);
    let waited = || daemon.metric("throttled_seconds_total", &["reason=\"replica_lag\""]);
    let (before, rows) = (waited(), left(&product));
    assert!(rows > 0, "there was something to wait for");
    until("it waits", || (waited() > before + 1.0).then_some(()));
    assert_eq!(left(&product), rows, "nothing goes while it waits");
    run_on(&replica, &database, "SELECT pg_wal_replay_resume()");
    until("the rest goes", || (left(&product) == 0).then_some(()));
    daemon.sees("sweeps_total", &["outcome=\"complete\""], |sweeps| sweeps >= 1.0);
    daemon.stop().expect(0);
    product.cli("ledger verify").expect(0);
}

#[test]
fn a_replica_that_was_stopped_is_waited_for_and_then_told_of() {
    let (product, replica, database) = followed(&impatient(), 50);
    run_on(&replica, &database, "SELECT pg_wal_replay_pause()");
    product.data.execute("UPDATE accounts SET note = 'later'");
    let [outcome, reason, message] = swept(&product, 3);
    assert_eq!((outcome.as_str(), reason.as_str()), ("paused", "replica_lag"), "{message}");
    assert!(message.contains("walreceiver"), "{message}");
    assert_eq!(left(&product), 50);
    run_on(&replica, &database, "SELECT pg_wal_replay_resume()");
    assert_eq!(swept(&product, 0)[0], "complete");
    assert_eq!(left(&product), 0);
}

#[test]
fn a_role_that_may_not_see_its_replicas_waits_for_a_grant() {
    let (mut product, _replica, _) = followed(&impatient(), 50);
    let Data::Postgres(database) = &product.data else { unreachable!("it was asked for") };
    database.execute(
        "GRANT USAGE ON SCHEMA retentiond TO retentiond; GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA retentiond TO retentiond;
         GRANT SELECT, DELETE ON accounts TO retentiond",
    );
    let url = database.retentiond_url.clone();
    product.connect_by(&url);
    let [outcome, reason, message] = swept(&product, 3);
    assert_eq!((outcome.as_str(), reason.as_str()), ("paused", "replica_lag"), "{message}");
    assert!(message.contains("GRANT pg_read_all_stats"), "{message}");
    product.data.execute("GRANT pg_read_all_stats TO retentiond");
    assert_eq!(swept(&product, 0)[0], "complete");
}

#[test]
fn replicas_that_are_listed_are_asked_themselves() {
    let limits = impatient();
    let (mut product, replica, database) = followed(&limits, 50);
    let listed = |url: &str| format!("replicas = [{{ url = \"{url}\" }}]");
    // One that takes connections and never says a word.
    let silent = Proxy::start(Target::Unix(replica.socket()));
    silent.partition();
    for (url, why) in [
        (Server::tcp_url("postgres", &database, silent.port()), "does not answer"),
        // Nobody listens there.
        ("postgres://reader:swordfish-4711@127.0.0.1:1/app".to_owned(), "127.0.0.1:1"),
        (product.data.url(), "it is no replica"),
    ] {
        product.reconfigure(&listed(&url), &limits);
        let [outcome, reason, message] = swept(&product, 3);
        assert_eq!((outcome.as_str(), reason.as_str()), ("paused", "replica_lag"), "{message}");
        assert!(message.contains(why) && !message.contains("swordfish"), "{message}");
        assert_eq!(left(&product), 50);
    }
    product.reconfigure(&listed(&replica.superuser_url(&database)), &limits);
    assert_eq!(swept(&product, 0)[0], "complete");
}

#[test]
fn nobody_is_waited_for_where_nobody_follows_or_nobody_is_to_be_asked() {
    let product = Product::new(Kind::Postgres, UNASKED);
    fill(&product, 20);
    assert_eq!(swept(&product, 0)[0], "complete");
    let (mut product, replica, database) = followed("", 20);
    run_on(&replica, &database, "SELECT pg_wal_replay_pause()");
    product.reconfigure("replicas = \"none\"", UNASKED);
    assert_eq!(swept(&product, 0)[0], "complete");
}
