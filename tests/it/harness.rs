//! The tests' own tools: what they promise to every other test.

use rustix::process::Signal;
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::support::{
    binary::{Folder, start},
    database::Database,
    mariadb,
    postgres::{Options, Server},
    proxy::{Fault, Moment, Proxy, Target},
    sqlite::Sqlite,
    until,
};

#[test]
fn each_database_is_its_own_and_goes_with_its_test() {
    let (one, other) = (Database::create(), Database::create());
    one.execute("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1), (2)");
    assert_eq!(one.number("SELECT count(*) FROM t"), 2);
    assert_eq!(other.column("SELECT to_regclass('t')::text"), [None]);

    let name = one.name().to_owned();
    drop(one);
    assert_eq!(other.number(&format!("SELECT count(*) FROM pg_database WHERE datname = '{name}'")), 0);
}

#[test]
fn the_daemons_role_may_log_in_and_no_more() {
    let database = Database::create();
    let privileges = "SELECT (rolcanlogin AND NOT (rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls OR rolreplication))::text
                      FROM pg_roles WHERE rolname = 'retentiond'";
    assert_eq!(database.column(privileges), [Some("true".to_owned())]);
}

#[test]
fn what_was_committed_survives_a_killed_server() {
    let server = Server::private(Options { tcp: true, fsync: true, log_statements: true, ..Options::default() });
    let database = Database::on(&server);
    database.execute("CREATE TABLE t AS SELECT generate_series(1, 1000) AS id");
    server.kill();
    server.restart();
    assert_eq!(database.number("SELECT count(*) FROM t"), 1000);
    assert!(server.log().contains("CREATE TABLE t AS"), "statements are logged");
    assert!(server.log().contains("not properly shut down"), "the server had to recover");
}

#[test]
fn a_server_leaves_nothing_behind() {
    let server = Server::private(Options::default());
    let folder = server.socket().parent().expect("a folder").to_owned();
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn each_mariadb_database_is_its_own_and_goes_with_its_test() {
    let (one, other) = (mariadb::Database::create(), mariadb::Database::create());
    one.execute("CREATE TABLE \"t\" (id bigint); INSERT INTO t VALUES (1), (2)");
    assert_eq!(one.number("SELECT count(*) FROM t"), 2);
    assert_eq!(other.column("SHOW TABLES"), []);

    let names = [one.name(), one.workspace()].map(|name| format!("'{name}'")).join(", ");
    one.execute(&format!("CREATE DATABASE {}", one.workspace()));
    let databases = || other.number(&format!("SELECT count(*) FROM information_schema.schemata WHERE schema_name IN ({names})"));
    assert_eq!(databases(), 2);
    drop(one);
    assert_eq!(databases(), 0);
}

#[test]
fn the_daemons_mariadb_account_may_log_in_and_no_more() {
    let database = mariadb::Database::create();
    let grants = database.column(&format!("SHOW GRANTS FOR {}", database.role()));
    assert_eq!(grants.len(), 1);
    let grant = grants[0].as_deref().expect("a grant");
    assert!(grant.starts_with("GRANT USAGE ON *.* TO ") && grant.contains(database.role()), "{grant}");
}

#[test]
fn what_was_committed_survives_a_killed_mariadb() {
    let server = mariadb::Server::private(mariadb::Options { tcp: true, fsync: true, log_statements: true, ..mariadb::Options::default() });
    let database = mariadb::Database::on(&server);
    database.execute("CREATE TABLE t SELECT seq AS id FROM seq_1_to_1000");
    server.kill();
    server.restart();
    assert_eq!(database.number("SELECT count(*) FROM t"), 1000);
    assert!(server.log().contains("CREATE TABLE t SELECT"), "statements are logged");
    assert!(server.log().contains("Starting crash recovery"), "the server had to recover");
}

#[test]
fn a_mariadb_replica_follows() {
    let server = mariadb::Server::private(mariadb::Options { tcp: true, binlog: true, ..mariadb::Options::default() });
    let database = mariadb::Database::on(&server);
    let replica = server.replica();
    database.execute("CREATE TABLE t (id bigint); INSERT INTO t VALUES (1), (2)");
    until("the rows on the replica", || {
        let tables = format!("SELECT count(*) FROM information_schema.tables WHERE table_schema = '{}'", database.name());
        let rows = format!("SELECT count(*) FROM {}.t", database.name());
        (replica.number(&tables) == 1 && replica.number(&rows) == 2).then_some(())
    });
}

#[test]
fn a_mariadb_server_leaves_nothing_behind() {
    let server = mariadb::Server::private(mariadb::Options::default());
    let folder = server.socket().parent().expect("a folder").to_owned();
    drop(server);
    assert!(!folder.exists());
}

#[test]
fn a_sqlite_database_goes_with_its_test() {
    let database = Sqlite::create();
    database.execute("CREATE TABLE t (id integer); INSERT INTO t VALUES (1), (2)");
    assert_eq!(database.column("SELECT CAST(id AS text) FROM t ORDER BY id"), [Some("1".to_owned()), Some("2".to_owned())]);
    let path = database.path().to_owned();
    drop(database);
    assert!(!path.exists());
}

/// Inserts a row through a proxy with a trap on COMMIT; returns the rows there when it springs, whether the client saw
/// success, and the rows there in the end.
async fn commit_through(moment: Moment, fault: Fault) -> (i64, bool, i64) {
    let database = Database::create();
    database.execute("CREATE TABLE t (id bigint)");
    let proxy = Proxy::start(Target::Unix(database.server().socket()));
    let mut connection = PgConnection::connect(&database.tcp_url(proxy.port())).await.expect("a connection through the proxy");
    let mut transaction = connection.begin().await.expect("a transaction");
    transaction.execute("INSERT INTO t VALUES (1)").await.expect("a row");
    proxy.set_trap("COMMIT", moment, fault);
    let rows = || database.number("SELECT count(*) FROM t");
    let meanwhile = async {
        proxy.sprung(1).await;
        let seen = rows();
        proxy.release();
        seen
    };
    let (success, seen) = tokio::join!(async { transaction.commit().await.is_ok() }, meanwhile);
    (seen, success, rows())
}

#[tokio::test]
async fn the_proxy_cuts_on_either_side_of_a_commit() {
    assert_eq!(commit_through(Moment::BeforeForwarding, Fault::Cut).await, (0, false, 0));
    assert_eq!(commit_through(Moment::BeforeAnswer, Fault::Cut).await, (1, false, 1));
    assert_eq!(commit_through(Moment::AfterAnswer, Fault::Cut).await, (1, true, 1));
    assert_eq!(commit_through(Moment::BeforeForwarding, Fault::Stall).await, (0, true, 1));
    assert_eq!(commit_through(Moment::BeforeAnswer, Fault::Stall).await, (1, true, 1));
}

#[tokio::test]
async fn a_partition_holds_everything_back_until_it_heals() {
    let database = Database::create();
    let proxy = Proxy::start(Target::Unix(database.server().socket()));
    let mut connection = PgConnection::connect(&database.tcp_url(proxy.port())).await.expect("a connection through the proxy");
    proxy.partition();
    let answer = tokio::spawn(async move { connection.execute("SELECT 1").await.is_ok() });
    tokio::task::yield_now().await;
    assert!(!answer.is_finished());
    proxy.heal();
    assert!(answer.await.expect("no panic"));
}

#[test]
fn a_running_process_can_be_watched_paused_and_killed() {
    let folder = Folder::new("");
    let mut shell = std::process::Command::new("/bin/sh");
    shell.current_dir(folder.path()).args(["-c", "echo ready >&2; kill -STOP $$; echo on >&2; echo '{\"a\": 1}'; read line"]);
    let mut running = start(shell.stdin(std::process::Stdio::piped()));
    assert_eq!(running.line("ready"), "ready");
    running.stopped();
    running.resume();
    running.line("on");
    let run = running.kill();
    assert_eq!((run.status, run.signal), (None, Some(Signal::KILL.as_raw())));
    assert_eq!(run.stderr, "ready\non\n");
}
