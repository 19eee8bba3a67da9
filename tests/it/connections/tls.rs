//! TLS, on servers that speak it: who is trusted, who is refused, and what a person reads then.
//!
//! To 0.0.0.0 a connection goes to this machine, but it is no address of loopback: it stands for a server elsewhere.

use super::fill;
use crate::support::{
    certificates::{Authority, Certificate, Valid},
    database::Database,
    mariadb, postgres,
    product::{Data, Kind, Product},
    server::PASSWORD,
    until,
};

/// A server, kept for the life of the process, and so is the guard that cleans up after it.
#[derive(Clone, Copy)]
enum Server {
    Postgres(&'static postgres::Server),
    Mariadb(&'static mariadb::Server),
}

impl Server {
    fn certified(kind: Kind, authority: &Authority, certificate: &Certificate) -> Self {
        match kind {
            Kind::Postgres => Self::Postgres(Box::leak(Box::new(postgres::Server::certified(authority, certificate)))),
            _ => Self::Mariadb(Box::leak(Box::new(mariadb::Server::certified(authority, certificate)))),
        }
    }

    /// One that speaks no TLS.
    fn plain(kind: Kind) -> Self {
        let options = postgres::Options { tcp: true, ..postgres::Options::default() };
        match kind {
            Kind::Postgres => Self::Postgres(Box::leak(Box::new(postgres::Server::private(options)))),
            _ => {
                let options = mariadb::Options { tcp: true, ..mariadb::Options::default() };
                Self::Mariadb(Box::leak(Box::new(mariadb::Server::private(options))))
            }
        }
    }

    fn certify(self, certificate: &Certificate) {
        match self {
            Self::Postgres(server) => server.certify(certificate),
            Self::Mariadb(server) => server.certify(certificate),
        }
    }

    /// From now on asks everybody who comes by TCP for a certificate.
    fn ask_for_certificates(self) {
        match self {
            Self::Postgres(server) => server.let_in("hostssl all all all trust clientcert=verify-ca"),
            Self::Mariadb(server) => server.execute("ALTER USER root@'127.0.0.1' REQUIRE X509"),
        }
    }

    /// A source on it with accounts that are due.
    fn product(self, rest: &str) -> Product {
        let data = match self {
            Self::Postgres(server) => Data::Postgres(Database::on(server)),
            Self::Mariadb(server) => Data::Mariadb(mariadb::Database::on(server)),
        };
        let product = Product::over(data, rest);
        fill(&product);
        product
    }

    /// The address of a product's source as it is from another machine.
    fn remote(self, product: &Product, parameters: &str) -> String {
        let (scheme, account, port) = match self {
            Self::Postgres(server) => ("postgres", "postgres", server.tcp_port()),
            Self::Mariadb(server) => ("mysql", "root", server.tcp_port()),
        };
        format!("{scheme}://{account}:{PASSWORD}@0.0.0.0:{port}/{}{parameters}", name(product))
    }
}

fn name(product: &Product) -> &str {
    match &product.data {
        Data::Postgres(database) => database.name(),
        Data::Mariadb(database) => database.name(),
        Data::Sqlite(_) => "",
    }
}

/// What `check` says of the source now, connected to with these keys beside the address.
fn checked(product: &mut Product, url: &str, tls: &str) -> String {
    product.folder.write("address", url);
    product.connect_as(&format!("url_file = \"address\"\n{tls}"));
    let run = product.cli("check");
    assert!(!format!("{run:?}").contains(PASSWORD), "{run:#?}");
    run.stdout + &run.stderr
}

/// Waits until the source is refused with these words.
#[track_caller]
fn refused(product: &mut Product, url: &str, tls: &str, words: &[&str]) {
    // A server may take a moment until it shows another certificate.
    until(&format!("{words:?}"), || {
        let seen = checked(product, url, tls);
        (seen.contains("can't connect") && words.iter().all(|word| seen.contains(word))).then_some(())
    });
}

#[track_caller]
fn connected(product: &mut Product, url: &str, tls: &str) -> String {
    until("a connection", || {
        let seen = checked(product, url, tls);
        (!seen.contains("can't connect") && seen.contains("p/closed")).then_some(seen)
    })
}

#[test]
fn a_server_elsewhere_is_verified_unless_somebody_says_otherwise() {
    for kind in Kind::SERVERS {
        let (ours, stranger) = (Authority::new(), Authority::new());
        let here = ours.issue("IP:0.0.0.0", Valid::Now);
        let server = Server::certified(kind, &ours, &here);
        let mut product = server.product("");
        let (url, trusted) = (server.remote(&product, ""), format!("tls = {{ ca_file = \"{}\" }}", ours.file().display()));

        let quiet = connected(&mut product, &url, &trusted);
        assert!(!quiet.contains("isn't verified"), "{quiet}");
        refused(&mut product, &url, "", &["isn't trusted here", "`tls.ca_file`", "the file ", "address"]);
        let other = format!("tls = {{ ca_file = \"{}\" }}", stranger.file().display());
        refused(&mut product, &url, &other, &["isn't trusted here"]);
        // What an address asks for makes no difference, as long as it isn't less.
        let parameter = if kind == Kind::Postgres { "?sslmode=require" } else { "?ssl-mode=REQUIRED" };
        let asking = server.remote(&product, parameter);
        refused(&mut product, &asking, "", &["isn't trusted here"]);
        let loud = connected(&mut product, &asking, "tls = { mode = \"require\" }");
        assert!(loud.contains("warning[unverified-server]") && loud.contains("can pass for the server"), "{loud}");

        server.certify(&ours.issue("DNS:elsewhere.example", Valid::Now));
        refused(&mut product, &url, &trusted, &["isn't for 0.0.0.0", "elsewhere.example"]);
        let loosely = trusted.replace(" }", ", mode = \"verify-ca\" }");
        connected(&mut product, &url, &loosely);
        server.certify(&ours.issue("IP:0.0.0.0", Valid::LongAgo));
        refused(&mut product, &url, &trusted, &["has expired"]);
        refused(&mut product, &url, &loosely, &["has expired"]);
    }
}

#[test]
fn a_server_that_speaks_no_tls_is_left_alone_unless_that_is_meant() {
    for kind in Kind::SERVERS {
        let server = Server::plain(kind);
        let mut product = server.product("");
        let url = server.remote(&product, "");
        refused(&mut product, &url, "", &["offers no TLS", "`tls.mode = \"disable\"`"]);
        let loud = connected(&mut product, &url, "tls = { mode = \"disable\" }");
        assert!(loud.contains("the password too, can be read"), "{loud}");
        // On this machine nobody has to say so.
        connected(&mut product, &url.replace("0.0.0.0", "127.0.0.1"), "");
    }
}

#[test]
fn a_server_that_asks_for_a_certificate_is_shown_one() {
    for kind in Kind::SERVERS {
        let (ours, stranger) = (Authority::new(), Authority::new());
        let server = Server::certified(kind, &ours, &ours.issue("IP:0.0.0.0", Valid::Now));
        let mut product = server.product("");
        server.ask_for_certificates();
        let url = server.remote(&product, "");
        let showing = |authority: &Authority, name| {
            let [certificate, key] = authority.files(name, &authority.issue("DNS:retentiond", Valid::Now));
            format!(
                "tls = {{ ca_file = \"{}\", certificate_file = \"{}\", key_file = \"{}\" }}",
                ours.file().display(),
                certificate.display(),
                key.display()
            )
        };
        let trusted = format!("tls = {{ ca_file = \"{}\" }}", ours.file().display());
        refused(&mut product, &url, &trusted, &["client certificate", "`tls.certificate_file`"]);
        connected(&mut product, &url, &showing(&ours, "client"));
        refused(&mut product, &url, &showing(&stranger, "client"), &["refuses the client certificate", "UnknownCA"]);
    }
}

#[test]
fn the_state_is_protected_alike() {
    let ours = Authority::new();
    let server = Server::certified(Kind::Postgres, &ours, &ours.issue("IP:0.0.0.0", Valid::Now));
    let (database, mut product) = (server.product(""), Product::new(Kind::Sqlite, ""));
    product.rules("p", &super::rule());
    product.folder.write("address", &server.remote(&database, ""));
    product.keep_state_as("url_file = \"address\"");
    let refused = product.cli("source init app").expect(1);
    assert!(refused.stderr.contains("isn't trusted here") && refused.stderr.contains("the address is in the file"), "{refused:#?}");
    assert!(!format!("{refused:?}").contains(PASSWORD));

    let trusted = format!("ca_file = \"{}\"", ours.file().display());
    product.keep_state_as(&format!("url_file = \"address\"\ntls = {{ {trusted} }}"));
    product.init();
    server.certify(&ours.issue("DNS:elsewhere.example", Valid::Now));
    until("another name", || product.cli("state status").stderr.contains("isn't for 0.0.0.0").then_some(()));
    product.keep_state_as(&format!("url_file = \"address\"\ntls = {{ mode = \"verify-ca\", {trusted} }}"));
    product.cli("state status").expect(0);
}
