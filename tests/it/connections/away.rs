//! A source that is away costs little, is told of once, and is swept when it is back.

use super::{fill, left};
use crate::support::{
    daemon::{Daemon, EAGER},
    database::Database,
    postgres::{Options, Server},
    product::{Data, Product},
    until,
};

#[test]
fn the_log_says_once_that_it_went_and_once_that_it_is_back() {
    // It lives as long as the process, and so does the guard that cleans up after it.
    let server: &'static Server = Box::leak(Box::new(Server::private(Options { fsync: true, ..Options::default() })));
    let product = Product::over(Data::Postgres(Database::on(server)), EAGER);
    fill(&product);
    let daemon = Daemon::start(&product);
    until("the first sweep", || (left(&product) == 0).then_some(()));
    daemon.sees("source_up", &[], |up| up == 1.0);

    server.kill();
    daemon.sees("source_up", &[], |up| up == 0.0);
    daemon.sees("rule_blocked", &["reason=\"connection\""], |blocked| blocked == 1.0);
    // Several more tries, each refused.
    let refused = daemon.metric("sweeps_total", &["outcome=\"refused\""]) + daemon.metric("sweeps_total", &["outcome=\"failed\""]);
    until("more tries", || {
        let now = daemon.metric("sweeps_total", &["outcome=\"refused\""]) + daemon.metric("sweeps_total", &["outcome=\"failed\""]);
        (now >= refused + 3.0).then_some(())
    });
    server.restart();
    daemon.sees("source_up", &[], |up| up == 1.0);
    product.data.execute("INSERT INTO accounts VALUES (99, '2015-01-01')");
    until("a sweep", || (left(&product) == 0).then_some(()));
    daemon.sees("rule_blocked", &["reason=\"connection\""], |blocked| blocked == 0.0);

    let log = daemon.stop().expect(0).stderr;
    let said = |words: &str| log.lines().filter(|line| line.contains(words)).collect::<Vec<_>>();
    let went = said("the source does not answer");
    let reasons: std::collections::BTreeSet<_> = went.iter().map(|line| &line[line.find("why").expect("a reason")..]).collect();
    assert!((1..=3).contains(&went.len()) && reasons.len() == went.len(), "{went:#?}");
    assert_eq!(said("the source answers again").len(), 1, "{log}");
}
