//! pgbouncer in transaction mode, before the source and before the state: everything works, and nothing is left behind on
//! the sessions that others share.

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::{fill, left, rule};
use crate::support::{
    daemon::{Daemon, EAGER},
    database::Database,
    pgbouncer::Pgbouncer,
    product::{Data, Kind, Product},
    until, wait,
};

/// What the state's driver asks for as a session begins.
const LENIENT: &str = "ignore_startup_parameters = extra_float_digits";

/// Sessions of the pooler for each database: a place waits for a batch on one while that has another.
const SESSIONS: u32 = 3;

/// A source and a state in databases of their own, each behind the pooler.
fn pooled(rest: &str, extra: &str) -> (Product, Pgbouncer, Database<'static>) {
    let mut product = Product::new(Kind::Postgres, rest);
    let state = Database::create();
    let folder = state.server().socket().parent().expect("a folder").to_owned();
    let pooler = Pgbouncer::before(&folder, SESSIONS, extra);
    let Data::Postgres(source) = &product.data else { unreachable!("it was asked for") };
    let url = pooler.url(source.name());
    product.connect_by(&url);
    product.keep_state_as(&format!("url = \"{}\"", pooler.url(state.name())));
    (product, pooler, state)
}

/// What each session of the pooler's is set to, where that is not what a new session of this client would be; and the
/// statements that somebody left prepared there.
fn left_behind(pooler: &Pgbouncer, database: &str) -> Vec<String> {
    wait(async {
        let mut found = Vec::new();
        // All at once, each in a transaction: every session that the pooler has.
        let mut sessions = Vec::new();
        for _ in 0..SESSIONS {
            let mut connection = PgConnection::connect(&pooler.url(database)).await.expect("a connection");
            connection.execute(sqlx::raw_sql("BEGIN")).await.expect("a transaction");
            sessions.push(connection);
        }
        let question = "SELECT name || ' = ' || setting FROM pg_settings WHERE source = 'session'
                AND name NOT IN ('DateStyle', 'TimeZone', 'client_encoding', 'application_name', 'extra_float_digits', 'transaction_isolation',
                    'transaction_read_only', 'transaction_deferrable')
            UNION ALL SELECT 'prepared: ' || statement FROM pg_prepared_statements";
        for connection in &mut sessions {
            let rows = connection.fetch_all(sqlx::raw_sql(question)).await.expect("an answer");
            found.extend(rows.iter().map(|row| row.get::<String, _>(0)));
        }
        found
    })
}

#[test]
fn a_plan_a_hold_and_a_sweep_pass_through_and_leave_nothing_behind() {
    let (product, pooler, state) = pooled("", LENIENT);
    fill(&product);
    product.cli("check").expect(0);
    let plan = product.cli("plan --output json").expect(0).json();
    assert_eq!(plan["rules"][0]["rows"]["due"], 10, "{plan}");
    product.hold(&["account:3"]).expect(0);
    let swept = product.cli("sweep --approve --output json").expect(0).json();
    assert_eq!((&swept["rules"][0]["acted"], &swept["rules"][0]["outcome"]), (&9.into(), &"complete".into()), "{swept}");
    assert_eq!(left(&product), 1);
    product.cli("explain app.accounts id=3").expect(0);
    product.cli("ledger verify").expect(0);
    let Data::Postgres(source) = &product.data else { unreachable!("it was asked for") };
    for database in [source.name(), state.name()] {
        assert_eq!(left_behind(&pooler, database), Vec::<String>::new(), "{database}");
    }
}

#[test]
fn the_daemon_sweeps_while_holds_are_placed() {
    let (product, pooler, state) = pooled(EAGER, LENIENT);
    fill(&product);
    let daemon = Daemon::start(&product);
    until("the first sweep", || (left(&product) == 0).then_some(()));
    for account in 100..110 {
        product.hold(&[&format!("account:{account}")]).expect(0);
        product.data.execute(&format!("INSERT INTO accounts VALUES ({account}, '2015-01-01'), ({}, '2015-01-01')", account + 100));
    }
    until("what is not held goes", || (left(&product) == 10).then_some(()));
    assert_eq!(product.data.number("SELECT count(*) FROM accounts WHERE id BETWEEN 100 AND 109"), 10);
    assert_eq!(daemon.metric("rule_enforcing", &[]), 1.0);
    daemon.stop().expect(0);
    product.cli("ledger verify").expect(0);
    let Data::Postgres(source) = &product.data else { unreachable!("it was asked for") };
    for database in [source.name(), state.name()] {
        assert_eq!(left_behind(&pooler, database), Vec::<String>::new(), "{database}");
    }
}

#[test]
fn a_pooler_that_minds_is_told_of_with_the_way_out() {
    let (product, _pooler, _state) = pooled("", "");
    product.rules("p", &rule());
    let refused = product.cli("source init app").expect(1);
    assert!(refused.stderr.contains("`ignore_startup_parameters = extra_float_digits`"), "{refused:#?}");
}

#[test]
fn a_dba_finds_who_is_connected() {
    let product = Product::new(Kind::Mariadb, EAGER);
    fill(&product);
    // A lock on the table holds the sweep's statement up, so that it can be looked at.
    let daemon = wait(async {
        let mut connection = sqlx::MySqlConnection::connect(&product.data.owner_url()).await.expect("a connection");
        connection.execute(sqlx::raw_sql("LOCK TABLES accounts WRITE")).await.expect("a lock");
        let daemon = Daemon::start(&product);
        until("a statement that says whose it is", || {
            let found =
                product.data.number("SELECT count(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '/* retentiond */ %accounts%'");
            (found > 0).then_some(())
        });
        connection.close().await.expect("an orderly end");
        daemon
    });
    daemon.stop().expect(0);

    let product = Product::new(Kind::Postgres, EAGER);
    fill(&product);
    let daemon = Daemon::start(&product);
    let named = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'retentiond' AND datname = current_database()";
    until("a session that says whose it is", || (product.data.number(named) > 0).then_some(()));
    daemon.stop().expect(0);
}
