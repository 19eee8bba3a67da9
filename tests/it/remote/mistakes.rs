//! What can't be asked of a daemon, or not by this one, is told with the way out and with the exit status that it has.

use std::{fs::Permissions, os::unix::fs::PermissionsExt as _};

use super::ask;
use crate::{api::Api, support::binary};

#[test]
fn what_can_not_be_asked_is_told_with_the_way_out() {
    let api = Api::start("none");
    let server = format!("http://{}", api.daemon.address);
    let told = |server: &str, token: &str, line: &str, status: i32, words: &str| {
        let run = ask(&api.product, server, api.tokens.get(token), line).expect(status);
        assert!(run.stderr.contains(words) && run.stdout.is_empty(), "{line}: {run:#?}");
    };
    // Roles.
    told(&server, "viewer", "approve p/closed", 3, "`viewer` has no role `approver`, which this takes (request req-");
    told(&server, "approver", "hold place --matter M --subject account:1 --reason r", 3, "no role `counsel`");
    told(&server, "nobody", "plan", 2, "none was given: it comes from `RETENTIOND_TOKEN` or `--token-file`");
    told(&server, "expired", "plan", 2, "that has not expired");
    // Commands and options that the API does not have.
    for line in ["check", "run", "explain app.accounts 1", "plan --as-of 2026-01-01T00:00:00Z", "sweep --dry-run"] {
        told(&server, "operator", line, 2, "is not in the daemon's API: do it on the daemon's machine, without `--server`");
    }
    for line in ["ledger verify", "ledger export --leaves l", "state status", "schedule", "grants"] {
        told(&server, "operator", line, 2, "is not in the daemon's API");
    }
    told(&server, "operator", "pause p/closed --reason r --by somebody", 2, "`--by` can't be said to a daemon");
    // Addresses.
    told("http://192.0.2.1:9464", "viewer", "plan", 2, "would travel in plain text");
    told("https://rtd_00ff@keeper.example", "viewer", "plan", 2, "a token is not written into an address");
    told("keeper", "viewer", "plan", 2, "`https://host:9464`");
    told(&server.replace("http", "https"), "viewer", "plan", 1, "can't be asked");
    // What asks nobody goes on as ever, and so does what the environment clears.
    ask(&api.product, &server, None, "schema rules").expect(0);
    assert!(ask(&api.product, "", None, "plan").expect(2).stderr.contains("nowhere.toml"));
    let alone = api.product.cli("pause p/closed --reason r").expect(2);
    assert!(alone.stderr.contains("`--by PERSON` is needed"), "{alone:#?}");

    // A file of a token is its owner's; the environment's counts where none is named.
    let file = api.product.folder.write("token", &format!("{}\n", api.tokens["viewer"]));
    let with_file = |mode: u32| {
        std::fs::set_permissions(&file, Permissions::from_mode(mode)).expect("our own file");
        let mut command = api.product.command(["plan", "--server", &server, "--token-file", "token"]);
        binary::run(command.env("RETENTIOND_TOKEN", "rtd_wrong"))
    };
    let open = with_file(0o644).expect(2);
    assert!(open.stderr.contains("mode 0644") && open.stderr.contains("chmod 600"), "{open:#?}");
    with_file(0o600).expect(0);

    api.daemon.stop().expect(0);
    told(&server, "viewer", "plan", 1, "can't be asked");
    told("unix:///nowhere/api.sock", "viewer", "plan", 1, "can't be asked");
}
