//! The listener, and what systemd is told.

use std::{os::unix::net::UnixDatagram, time::Duration};

use rustix::process::Signal;

use super::{Daemon, YEARLY, accounts};
use crate::support::{
    binary,
    http::{get, post},
    product::Kind,
    until,
};

#[test]
fn probes_tell_alive_from_ready() {
    let product = accounts(Kind::Sqlite, YEARLY, 1, 0);
    let daemon = Daemon::start(&product);
    assert_eq!(get(&daemon.address, "/healthz").expect("an answer").status, 200);
    until("ready", || (get(&daemon.address, "/readyz").expect("an answer").status == 200).then_some(()));
    let metrics = get(&daemon.address, "/metrics").expect("an answer");
    assert!(metrics.headers.iter().any(|(name, value)| name == "content-type" && value.starts_with("text/plain; version=0.0.4")));
    assert_eq!(get(&daemon.address, "/-/reload").expect("an answer").status, 405);
    assert_eq!(get(&daemon.address, "/api/v2/rules").expect("an answer").status, 404);
    daemon.stop().expect(0);
}

#[test]
fn beyond_loopback_it_is_read_but_not_told() {
    let product = accounts(Kind::Sqlite, &YEARLY.replace("127.0.0.1:0", "0.0.0.0:0"), 1, 0);
    let daemon = Daemon::start(&product);
    let refused = post(&daemon.address, "/-/reload").expect("an answer");
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("loopback"), "{refused:?}");
    assert_eq!(get(&daemon.address, "/metrics").expect("an answer").status, 200);
    assert_eq!(daemon.metric("config_last_reload_successful", &[]), 1.0);
    daemon.stop().expect(0);
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address").to_string();
    let product = accounts(Kind::Sqlite, &YEARLY.replace("127.0.0.1:0", &address), 1, 0);
    let run = product.cli("run").expect(1);
    assert!(run.stderr.contains(&address) && run.stderr.contains("[http] listen"), "{run:#?}");
}

#[test]
fn systemd_is_told_of_each_change() {
    let product = accounts(Kind::Sqlite, YEARLY, 1, 0);
    let path = product.folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a limit");
    let told = |wanted: &str| {
        let mut buffer = [0; 4096];
        loop {
            let length = socket.recv(&mut buffer).unwrap_or_else(|error| panic!("{wanted} was not told: {error}"));
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.contains(wanted) {
                return text;
            }
        }
    };
    let mut command = product.command(["run", "--log-format", "json"]);
    let daemon = Daemon::started(binary::start(command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "30000000")));
    told("READY=1");
    told("WATCHDOG=1");
    daemon.process.signal(Signal::HUP);
    assert!(told("RELOADING=1").contains("MONOTONIC_USEC="));
    told("READY=1");
    daemon.process.signal(Signal::TERM);
    told("STOPPING=1");
    told("EXTEND_TIMEOUT_USEC=30000000");
    daemon.process.finish().expect(0);
}
