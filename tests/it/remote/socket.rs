//! The socket: who may use it, who is who on it, and what becomes of it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
};

use super::{NOW, ask};
use crate::{
    api::WAITING,
    daemon::accounts,
    support::{
        binary::{self, Running},
        product::{Kind, Product},
    },
};

/// With a socket and no port.
fn start(product: &Product) -> (Running, String) {
    let mut daemon = product.start(["run", "--log-format", "json"]);
    let line = daemon.line("\"listening on a socket\"");
    (daemon, line)
}

#[test]
fn whoever_runs_the_daemon_asks_it_by_the_socket_and_nobody_else() {
    let socket_only = WAITING.replace("listen = \"127.0.0.1:0\"", "socket = \"api.sock\"\nsocket_mode = \"0666\"");
    let mut product = accounts(Kind::Sqlite, &socket_only, 5, 1).at(NOW);
    let socket = product.folder.path().join("api.sock");
    let server = format!("unix://{}", socket.display());
    let mode = || fs::metadata(&socket).expect("the socket").permissions().mode() & 0o777;
    let (daemon, _) = start(&product);
    assert_eq!(mode(), 0o666);
    ask(&product, &server, None, "hold place --matter M --subject account:1 --reason r").expect(0);
    let holds = ask(&product, &server, None, "hold list --output json").expect(0).json();
    assert_eq!(holds["holds"][0]["by"], format!("uid {}", rustix::process::geteuid().as_raw()));
    // Only root can be somebody else.
    if rustix::process::geteuid().is_root() {
        fs::set_permissions(product.folder.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
        let mut stranger = product.command(["hold", "list", "--server", &server]);
        let refused = binary::run(stranger.uid(65_533)).expect(3);
        assert!(refused.stderr.contains("and not for uid 65533"), "{refused:#?}");
    }

    // It is not taken from one that lives, and is from one that died.
    let refused = product.cli("run").expect(1);
    assert!(refused.stderr.contains("api.sock (`[http] socket`): another process listens there"), "{refused:#?}");
    ask(&product, &server, None, "plan").expect(0);
    daemon.kill();
    assert!(socket.exists());
    let away = ask(&product, &server, None, "plan").expect(1);
    assert!(away.stderr.contains("can't be asked"), "{away:#?}");

    // Beside a port, and by default for the daemon's user and group.
    product.reconfigure("", &format!("{WAITING}socket = \"api.sock\"\n"));
    let (daemon, line) = start(&product);
    assert!(line.contains("api.sock"), "{line}");
    assert_eq!(mode(), 0o660);
    assert_eq!(ask(&product, &server, None, "plan").expect(0).stdout, product.cli("plan").expect(0).stdout);
    let stopped = daemon.terminate().expect(0);
    assert!(stopped.stderr.contains("removed a socket that a dead process had left"), "{stopped:#?}");
    assert!(stopped.stderr.contains("\"address\":\"127.0.0.1:"), "{stopped:#?}");
    assert!(!socket.exists());
}
