//! Real input: FreeRADIUS's own schemas, filled with accounting sessions as a provider has them.
//!
//! The schemas come from Debian's `freeradius-config`. `tests/run` unpacks it and names the folder; without that the test
//! does the same itself. What must be left is computed here, row by row, by calendar arithmetic of its own.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use jiff::{Span, Timestamp, ToSpan as _, tz::TimeZone};

use crate::support::product::{Kind, Product};

const NOW: &str = "2026-06-15T12:00:00Z";
const SESSIONS: u32 = 4_000;
const LOGINS: u32 = 1_500;
/// The subscriber who is held.
const HELD: &str = "user13";

const RULES: &str = r#"
[policy]
id = "isp"
title = "Traffic data"

[category.accounting]
source = "app"
table = "radacct"
subject = { subscriber = "username" }
start = "acctstoptime"

[[rule]]
id = "sessions"
category = "accounting"
keep_for = "18 months"
action = "delete"

[[rule]]
id = "addresses"
category = "accounting"
keep_for = "90 days"
action = "anonymise"
anonymise = { framedipaddress = { strategy = "truncate_ip", v4 = 24, v6 = 48 }, framedipv6address = { strategy = "truncate_ip", v4 = 24, v6 = 48 } }

[[rule]]
id = "logins"
category = "login"
source = "app"
table = "radpostauth"
subject = { subscriber = "username" }
start = "authdate"
keep_for = "1 year"
action = "delete"
"#;

/// One accounting session.
struct Session {
    id: u32,
    user: String,
    /// NULL: it is open.
    stop: Option<Timestamp>,
    v4: String,
    v6: String,
}

#[test]
fn accounting_sessions_end_on_sqlite() {
    sessions_end(Kind::Sqlite);
}

#[test]
fn accounting_sessions_end_on_postgresql() {
    sessions_end(Kind::Postgres);
}

#[test]
fn accounting_sessions_end_on_mariadb() {
    sessions_end(Kind::Mariadb);
}

fn sessions_end(kind: Kind) {
    let product = Product::new(kind, "[defaults]\nmax_share = 0.9").at(NOW);
    let schema = schemas().join(kind.pick("sqlite", "postgresql", "mysql")).join("schema.sql");
    product.data.execute(&fs::read_to_string(&schema).unwrap_or_else(|error| panic!("{}: {error}", schema.display())));
    let (sessions, logins) = (sessions(), logins());
    insert(&product, &sessions, &logins);
    product.rules("isp", RULES);
    product.init();
    product.cli("check").expect(0);
    product.hold(&[&format!("subscriber:{HELD}")]).expect(0);

    // What is planned.
    let plan = product.cli("plan --output json").expect(0).json();
    let counts = |rule: &str| {
        plan["rules"].as_array().and_then(|rules| rules.iter().find(|one| one["rule"] == rule)).expect("the rule")["rows"].clone()
    };
    let of = |which: &dyn Fn(&Session) -> bool| sessions.iter().filter(|session| which(session)).count();
    let over = |session: &Session| ended(session.stop, 18.months());
    let rows = counts("isp/sessions");
    assert_eq!(rows["total"], SESSIONS, "{rows}");
    assert_eq!(rows["undated"], of(&|session| session.stop.is_none()), "{rows}");
    assert_eq!(rows["running"], of(&|session| session.stop.is_some() && !over(session)), "{rows}");
    assert_eq!(rows["held"], of(&|session| over(session) && session.user == HELD), "{rows}");
    assert_eq!(rows["due"], of(&|session| over(session) && session.user != HELD), "{rows}");
    assert_eq!(counts("isp/logins")["due"], logins.iter().filter(|(_, user, at)| ended(Some(*at), 1.year()) && user != HELD).count());

    // What is left.
    product.cli("sweep --approve").expect(0);
    let expected: BTreeMap<u32, String> = sessions
        .iter()
        .filter(|session| !over(session) || session.user == HELD)
        .map(|session| {
            let truncated = ended(session.stop, 90.days()) && session.user != HELD;
            let (v4, v6) =
                if truncated { (network_v4(&session.v4), network_v6(&session.v6)) } else { (session.v4.clone(), session.v6.clone()) };
            (session.id, format!("{} {v4} {v6}", session.id))
        })
        .collect();
    let text = "framedipaddress || ' ' || framedipv6address";
    let text = kind.pick(text, "host(framedipaddress) || ' ' || host(framedipv6address)", text);
    let left = product.data.column(&format!("SELECT acctsessionid || ' ' || {text} FROM radacct ORDER BY CAST(acctsessionid AS integer)"));
    assert_eq!(left, expected.into_values().collect::<Vec<_>>());
    let logins_left = product.data.column("SELECT CAST(id AS text) FROM radpostauth ORDER BY radpostauth.id");
    let expected = logins.iter().filter(|(_, user, at)| !ended(Some(*at), 1.year()) || user == HELD).map(|(id, ..)| id.to_string());
    assert_eq!(logins_left, expected.collect::<Vec<_>>());

    // Never twice, and evidence of all of it.
    let again = product.cli("sweep --output json").expect(0).json();
    for rule in again["rules"].as_array().expect("rules") {
        assert_eq!((&rule["outcome"], &rule["acted"]), (&"nothing_due".into(), &0.into()), "{rule}");
    }
    product.cli("ledger verify").expect(0);
}

fn now() -> Timestamp {
    NOW.parse().expect("an instant")
}

/// Whether a period after that start is over.
fn ended(start: Option<Timestamp>, period: Span) -> bool {
    start.is_some_and(|start| start.to_zoned(TimeZone::UTC).checked_add(period).expect("a date").timestamp() <= now())
}

/// Three years of sessions, one that ends exactly now among them.
fn sessions() -> Vec<Session> {
    let session = |id: u32| Session {
        id,
        user: format!("user{}", id % 97),
        stop: (!id.is_multiple_of(11)).then(|| now() - (i64::from(id) * 390).minutes()),
        v4: format!("10.{}.{}.{}", id / 256, id % 256, id % 254 + 1),
        v6: format!("2001:db8:{:x}::{:x}", id % 97 + 1, id + 1),
    };
    (0..SESSIONS)
        .map(session)
        .chain([Session {
            id: SESSIONS,
            stop: Some(now().to_zoned(TimeZone::UTC).checked_sub(18.months()).expect("a date").timestamp()),
            ..session(1)
        }])
        .skip(1)
        .collect()
}

fn logins() -> Vec<(u32, String, Timestamp)> {
    (1..=LOGINS).map(|id| (id, format!("user{}", id % 97), now() - (i64::from(id) * 12).hours())).collect()
}

fn network_v4(address: &str) -> String {
    address.rsplit_once('.').map(|(network, _)| format!("{network}.0")).expect("an address")
}

fn network_v6(address: &str) -> String {
    address.split_once("::").map(|(network, _)| format!("{network}::")).expect("an address")
}

fn insert(product: &Product, sessions: &[Session], logins: &[(u32, String, Timestamp)]) {
    let time = |at: Timestamp| at.strftime(product.kind.pick("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S+00", "%Y-%m-%d %H:%M:%S")).to_string();
    for some in sessions.chunks(500) {
        let rows = some.iter().map(|Session { id, user, stop, v4, v6 }| {
            let stop = stop.map_or_else(|| "NULL".to_owned(), |stop| format!("'{}'", time(stop)));
            format!("('{id}', 'u{id}', '{user}', '192.0.2.1', '2020-01-01 00:00:00', {stop}, '{v4}', '{v6}', '', '')")
        });
        let columns = "acctsessionid, acctuniqueid, username, nasipaddress, acctstarttime, acctstoptime, framedipaddress, framedipv6address, calledstationid, callingstationid";
        product.data.execute(&format!("INSERT INTO radacct ({columns}) VALUES {}", rows.collect::<Vec<_>>().join(", ")));
    }
    let rows = logins.iter().map(|(id, user, at)| format!("({id}, '{user}', 'secret', 'Access-Accept', '{}')", time(*at)));
    product
        .data
        .execute(&format!("INSERT INTO radpostauth (id, username, pass, reply, authdate) VALUES {}", rows.collect::<Vec<_>>().join(", ")));
}

/// The folder with a folder for each engine.
fn schemas() -> PathBuf {
    if let Some(folder) = std::env::var_os("RETENTIOND_TEST_FREERADIUS") {
        return folder.into();
    }
    let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join("freeradius");
    if !data.exists() {
        unpack(&data);
    }
    let version = fs::read_dir(data.join("etc/freeradius")).ok().and_then(|mut versions| versions.next()).and_then(Result::ok);
    version.expect("freeradius-config has etc/freeradius/VERSION").path().join("mods-config/sql/main")
}

/// Fetches `freeradius-config` and unpacks it into `data`, whole or not at all.
fn unpack(data: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().expect("a temporary folder");
    // apt fetches as an account of its own.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
    let run = |command: &mut Command| {
        let output = command.current_dir(folder.path()).output();
        let done = output.as_ref().is_ok_and(|output| output.status.success());
        assert!(
            done,
            "the package freeradius-config, whose schema this test needs, can't be had by {command:?}: {output:?}; tests/run fetches it"
        );
    };
    run(Command::new("apt-get").args(["download", "freeradius-config"]));
    run(Command::new("sh").args(["-c", "dpkg-deb -x freeradius-config_*.deb unpacked"]));
    run(Command::new("cp").args(["-r", "unpacked"]).arg(data.with_extension(std::process::id().to_string())));
    // Another process may have been first; then its folder is as good.
    let _ = fs::rename(data.with_extension(std::process::id().to_string()), data);
}
