//! TLS on the listener: what it shows, and how that is renewed.

use std::{
    fs,
    net::TcpStream,
    os::unix::fs::{PermissionsExt as _, symlink},
};

use rustix::process::Signal;

use super::{NOW, ask};
use crate::{
    api::{Api, WAITING},
    daemon::accounts,
    support::{
        certificates::{Authority, Certificate, Valid},
        product::{Kind, Product},
    },
};

/// Puts the pair where the configuration names it.
fn install(product: &Product, pair: &Certificate, mode: u32) {
    product.folder.write("pair/api.crt", &pair.certificate);
    let key = product.folder.write("pair/api.key", &pair.key);
    fs::set_permissions(key, fs::Permissions::from_mode(mode)).expect("our own file");
}

#[test]
fn a_certificate_is_shown_verified_and_renewed_without_a_restart() {
    const NAMES: &str = "DNS:localhost,IP:127.0.0.1";
    const TLS: &str = "tls = { certificate_file = \"pair/api.crt\", key_file = \"pair/api.key\" }\n";
    let (ours, others) = (Authority::new(), Authority::new());
    let (first, second, elsewhere) =
        (ours.issue(NAMES, Valid::Now), others.issue(NAMES, Valid::Now), ours.issue("DNS:other.example", Valid::Now));
    let mut product = accounts(Kind::Sqlite, WAITING, 5, 1).at(NOW);

    // A daemon that could not be trusted does not start, and `check` says so before.
    install(&product, &Certificate { key: second.key.clone(), ..first.clone() }, 0o600);
    product.reconfigure("", &format!("{WAITING}{TLS}"));
    for command in ["run", "check --offline"] {
        let refused = product.cli(command).expect(2);
        assert!(refused.stderr.contains("api.key: it is not the key of the first certificate in "), "{refused:#?}");
        assert!(refused.stderr.contains("retentiond.toml:"), "{refused:#?}");
    }
    install(&product, &first, 0o604);
    let open = product.cli("run").expect(2);
    assert!(open.stderr.contains("everybody on this machine may use it (mode 0604)") && open.stderr.contains("chmod 640"), "{open:#?}");
    install(&product, &first, 0o640);

    let mut api = Api::over(product, "", TLS, "none");
    let port = api.daemon.address.rsplit_once(':').expect("a port").1.to_owned();
    let said = |api: &Api, host: &str, authority: &Authority| {
        let line = format!("plan --ca-file {}", authority.file().display());
        ask(&api.product, &format!("https://{host}:{port}"), api.tokens.get("viewer"), &line)
    };
    // Who says nothing keeps nobody waiting.
    let _silent: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(&api.daemon.address).expect("a connection")).collect();
    let local = api.product.cli("plan").expect(0).stdout;
    for host in ["localhost", "127.0.0.1"] {
        assert_eq!(said(&api, host, &ours).expect(0).stdout, local);
    }
    let refused = said(&api, "localhost", &others).expect(1);
    assert!(refused.stderr.contains("authority that isn't trusted here") && refused.stderr.contains("`--ca-file`"), "{refused:#?}");
    let plain = ask(&api.product, &format!("http://localhost:{port}"), api.tokens.get("viewer"), "plan").expect(1);
    assert!(plain.stderr.contains("can't be asked"), "{plain:#?}");

    // Another pair, from another authority.
    let reload = |api: &mut Api, said: &str| {
        api.daemon.process.signal(Signal::HUP);
        api.daemon.process.line(said)
    };
    install(&api.product, &second, 0o600);
    reload(&mut api, "reloaded the configuration");
    said(&api, "localhost", &others).expect(0);
    said(&api, "localhost", &ours).expect(1);
    // One that can't be used keeps the one before, and so does one that everybody could take.
    for (pair, mode, why) in [
        (Certificate { key: first.key.clone(), ..second.clone() }, 0o600, "not the key of the first certificate"),
        (Certificate { certificate: String::new(), ..first.clone() }, 0o600, "there is no certificate in it"),
        (first.clone(), 0o644, "everybody on this machine may use it"),
    ] {
        install(&api.product, &pair, mode);
        let line = reload(&mut api, "the new configuration was refused");
        assert!(line.contains(why), "{line}");
        said(&api, "localhost", &others).expect(0);
    }
    // A mounted pair that is swapped is taken without a word. One for another name is the clients' to refuse.
    install(&api.product, &elsewhere, 0o600);
    symlink("swapped", api.product.folder.path().join("pair/..data")).expect("a link");
    api.daemon.process.line("what is mounted may be newer");
    api.daemon.process.line("reloaded the configuration");
    let refused = said(&api, "localhost", &ours).expect(1);
    assert!(refused.stderr.contains("isn't for localhost, but for"), "{refused:#?}");
    // TLS itself comes and goes with a restart only.
    api.product.reconfigure("", WAITING);
    assert!(reload(&mut api, "the new configuration was refused").contains("`[http] tls` was changed"));
    api.daemon.stop().expect(0);
}
