//! Passwords are rotated where they are kept, under a daemon that runs.

use super::{fill, left};
use crate::support::{
    binary,
    daemon::{Daemon, EAGER},
    database::Database,
    postgres::{Options, Server},
    product::{Data, Kind, Product},
    server::PASSWORD,
    until,
};

const OLD: &str = "correct-horse-1";
const NEW: &str = "battery-staple-2";

/// Gives a login of its own to retentiond, which may do everything; or another password to that login.
fn set_password(product: &Product, password: &str) {
    match &product.data {
        Data::Postgres(database) => database.execute(&format!(
            "DO $$ BEGIN CREATE ROLE rotated SUPERUSER LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
             ALTER ROLE rotated PASSWORD '{password}'"
        )),
        _ => product.data.execute(&format!(
            "CREATE USER IF NOT EXISTS rotated; GRANT ALL ON *.* TO rotated; ALTER USER rotated IDENTIFIED BY '{password}'"
        )),
    }
}

/// The address of the source for that login, by whatever way asks for a password.
fn address(product: &Product, server: Option<&Server>, password: &str) -> String {
    match (&product.data, server) {
        (Data::Postgres(database), Some(server)) => {
            format!("postgres://rotated:{password}@127.0.0.1:{}/{}", server.tcp_port(), database.name())
        }
        _ => product.data.owner_url().replace("root", "rotated").replace(PASSWORD, password),
    }
}

#[test]
fn a_source_is_swept_with_the_new_password() {
    for kind in Kind::SERVERS {
        let server: Option<&'static Server> = (kind == Kind::Postgres).then(|| {
            let server: &'static Server = Box::leak(Box::new(Server::private(Options { tcp: true, ..Options::default() })));
            server.let_in("host all all all scram-sha-256");
            server
        });
        let mut product = match server {
            Some(server) => Product::over(Data::Postgres(Database::on(server)), EAGER),
            None => Product::new(kind, EAGER),
        };
        fill(&product);
        set_password(&product, OLD);
        product.folder.write("address", &address(&product, server, OLD));
        product.connect_as("url_file = \"address\"");

        let mut daemon = Daemon::start(&product);
        until("the first sweep", || (left(&product) == 0).then_some(()));
        daemon.sees("source_up", &[], |up| up == 1.0);
        // The server knows the new one before the file does.
        set_password(&product, NEW);
        product.data.execute("INSERT INTO accounts VALUES (99, '2015-01-01')");
        daemon.sees("source_up", &[], |up| up == 0.0);
        daemon.sees("rule_blocked", &["reason=\"connection\""], |blocked| blocked == 1.0);
        let line = daemon.process.line("the source does not answer");
        assert!(line.contains("the address is in the file address"), "{line}");
        assert_eq!(left(&product), 1);

        product.folder.write("address", &address(&product, server, NEW));
        until("a sweep with the new password", || (left(&product) == 0).then_some(()));
        daemon.sees("source_up", &[], |up| up == 1.0);
        // A reload finds nothing that changed, and the database of another address is not taken for this one.
        let log = daemon.stop().expect(0).stderr;
        assert!(!log.contains(OLD) && !log.contains(NEW), "{log}");
    }
}

#[test]
fn a_state_is_read_with_the_new_password() {
    let server: &'static Server = Box::leak(Box::new(Server::private(Options { tcp: true, ..Options::default() })));
    server.let_in("host all all all scram-sha-256");
    let mut product = Product::new(Kind::Sqlite, EAGER);
    let state = Product::over(Data::Postgres(Database::on(server)), "");
    set_password(&state, OLD);
    product.folder.write("state-address", &address(&state, Some(server), OLD));
    product.keep_state_as("url_file = \"state-address\"");
    fill(&product);
    let mut daemon = Daemon::start(&product);
    until("the first sweep", || (left(&product) == 0).then_some(()));

    set_password(&state, NEW);
    // Sessions that are open stay so until their server ends them.
    let all = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = 'rotated'";
    state.data.number(all);
    daemon.process.line("the state can't be read");
    product.folder.write("state-address", &address(&state, Some(server), NEW));
    daemon.process.line("the state can be read again");
    product.data.execute("INSERT INTO accounts VALUES (99, '2015-01-01 00:00:00')");
    until("a sweep with the new password", || (left(&product) == 0).then_some(()));
    let log = daemon.stop().expect(0).stderr;
    assert!(!log.contains(OLD) && !log.contains(NEW), "{log}");
    product.cli("ledger verify").expect(0);
}

#[test]
fn what_systemd_hands_over_is_read() {
    let rule = super::rule().replace("\"delete\"", "\"anonymise\"\nanonymise = { note = { strategy = \"hmac\", key = \"pepper\" } }");
    for kind in Kind::ALL {
        let mut product = Product::new(kind, "[keys.pepper]\ncredential = \"pepper\"");
        let text = kind.pick("text", "text", "varchar(100)");
        product.rules("p", &rule);
        product.connect_as("url_credential = \"app\"");
        product.keep_state_as("url_credential = \"state\"");
        let files =
            [("app", product.data.owner_url()), ("state", "sqlite:state.db".to_owned()), ("pepper", "sixteen bytes and more".to_owned())];
        for (name, secret) in &files {
            product.folder.write(&format!("credentials/{name}"), secret);
        }
        let run = |line: &str, folder: &str| {
            let mut command = product.command(line.split(' '));
            binary::run(command.env("CREDENTIALS_DIRECTORY", product.folder.path().join(folder)))
        };
        product.data.execute(&format!(
            "CREATE TABLE accounts (id bigint PRIMARY KEY, closed_at {}, note {text});
             INSERT INTO accounts VALUES (1, '2015-03-01 10:00:00', 'x')",
            kind.pick("text", "timestamptz", "datetime(6)")
        ));
        run("source init app", "credentials").expect(0);
        run("sweep --approve", "credentials").expect(0);
        assert_eq!(product.data.number("SELECT count(*) FROM accounts WHERE note <> 'x'"), 1);
        let missing = run("check", "nowhere").expect(2);
        assert!(missing.stderr.contains("can't read the credential app: ") && missing.stderr.contains("retentiond.toml:"), "{missing:#?}");
        let unset = product.cli("check").expect(2);
        assert!(unset.stderr.contains("CREDENTIALS_DIRECTORY is not set"), "{unset:#?}");
    }
}
