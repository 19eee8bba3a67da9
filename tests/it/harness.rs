//! The tests' own tools: what they promise to every other test.

use crate::support::{
    database::Database,
    postgres::{Options, Server},
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
    let server = Server::private(Options { tcp: true, fsync: true, log_statements: true });
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
