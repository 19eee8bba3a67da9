//! The way of docs/deploying.md, line by line: what systemd, the cluster and the package would do is done by the steps between.

use std::{fs, process::Command};

use rustix::process::Signal;

use super::walk::{
    self,
    Step::{Runs, Then},
    Walk, World,
};
use crate::support::{
    binary,
    daemon::Daemon,
    database::Database,
    product::{Kind, Product},
};

/// The database of the page, and the role that it makes. Roles are the server's, so this one has a name of its own.
struct Application {
    database: Database<'static>,
    role: String,
}

impl Drop for Application {
    fn drop(&mut self) {
        let role = &self.role;
        self.database.execute(&format!("DO $$ BEGIN IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN DROP OWNED BY {role}; DROP ROLE {role}; END IF; END $$"));
    }
}

/// A host on which the package was just installed.
fn host() -> World {
    let mut world = World::of(Product::new(Kind::Sqlite, ""));
    for folder in ["etc/retentiond/rules", "etc/retentiond/secrets", "var"] {
        fs::create_dir_all(world.path(folder)).expect("a folder");
    }
    binary::run(Command::new("cp").arg("-r").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy")).arg(world.product.folder.path()))
        .expect(0);
    let application = Application { database: Database::create(), role: format!("guide_{}", std::process::id()) };
    application.database.execute("CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at timestamptz)");
    application.database.execute("INSERT INTO accounts VALUES (1, 'ada@example.com', '2015-03-01'), (2, 'ben@example.com', now())");
    let (role, database) = (application.role.clone(), &application.database);
    world.values.extend([
        ("address", database.server().url(&role, database.name())),
        ("database", database.url.clone()),
        ("role", role),
        ("group", rustix::process::getegid().as_raw().to_string()),
    ]);
    let place = |name: &str| world.path(name).display().to_string();
    let environment =
        [("RETENTIOND_CONFIG", place("etc/retentiond/retentiond.toml")), ("CREDENTIALS_DIRECTORY", place("etc/retentiond/secrets"))];
    world.environment.extend(environment);
    world.before = "rtd() { retentiond \"$@\"; }\n".to_owned();
    world.kept.push(Box::new(application));
    world
}

/// What the page has copied and can't be here as it is: the port and the folders of the system.
fn of_this_host(world: &mut World) {
    let file = world.path("etc/retentiond/retentiond.toml");
    let text = fs::read_to_string(&file).expect("the page has copied it");
    let socket = format!("listen = \"127.0.0.1:0\"\nsocket = \"{}\"", world.path("api.sock").display());
    let text = text.replace("listen = \"127.0.0.1:9464\"", &socket);
    fs::write(&file, text.replace("/var/lib/retentiond", &world.path("var").display().to_string())).expect("a file");
    // Copied and for nobody else: the drop-in, and the address.
    assert!(world.path("etc/systemd/system/retentiond.service.d/sources.conf").is_file());
    let secret = fs::metadata(world.path("etc/retentiond/secrets/app")).expect("the address").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&secret) & 0o777, 0o600);
}

/// `systemctl enable --now retentiond`.
fn starts(world: &mut World) {
    let daemon = Daemon::started(binary::start(&mut world.shell("exec retentiond run --log-format json")));
    world.values.insert("daemon", daemon.address.clone());
    world.daemon = Some(daemon);
}

/// `systemctl reload retentiond`.
fn reloads(world: &mut World) {
    let process = &mut world.daemon.as_mut().expect("it was started").process;
    process.signal(Signal::HUP);
    process.line("reloaded the configuration");
}

/// Both copies of the rules.
fn change_rules(world: &World, from: &str, to: &str) {
    for file in ["etc/retentiond/rules/accounts.toml", "srv/retentiond/dba/rules/accounts.toml"] {
        let text = fs::read_to_string(world.path(file)).expect("the page has copied it");
        let changed: Vec<String> =
            text.lines().filter(|line| !line.starts_with(from) || !to.is_empty()).map(|line| line.replace(from, to)).collect();
        assert_ne!(changed.join("\n"), text.trim_end(), "{from}");
        fs::write(world.path(file), changed.join("\n")).expect("a file");
    }
}

fn one_is_left(world: &mut World) {
    let run = world.paste("psql app --tuples-only --no-align --command 'SELECT id FROM accounts'").expect(0);
    assert_eq!(run.stdout, "2\n");
    let ledger = world.paste("retentiond ledger export").expect(0).stdout;
    assert!(ledger.contains("\"approved\"") && ledger.contains("ada (uid "), "{ledger}");
}

/// By the python of the tests of `deploy/`, which knows YAML.
fn is_built_on(world: &mut World) {
    let bin = std::env::var("RETENTIOND_TEST_DEPLOY").map(|bin| format!("{bin}/")).unwrap_or_default();
    let script = "import sys, yaml; print(yaml.safe_load(open(sys.argv[1]))['images'][0]['newName'])";
    let overlay = world.path("deploy/kubernetes/overlays/single/kustomization.yaml");
    let read = binary::run(Command::new(format!("{bin}python3")).args(["-c", script]).arg(overlay)).expect(0);
    assert_eq!(read.stdout, "registry.example.com/retentiond\n");
}

pub const WALKS: &[Walk] = &[Walk {
    page: "docs/deploying.md",
    world: host,
    steps: &[
        Runs("cd /usr/share/doc/retentiond/examples", 0, ""),
        Runs("sudo cp retentiond.toml", 0, ""),
        Runs("sudo cp rules/accounts.toml", 0, ""),
        Runs("sudo install -D -m 644", 0, ""),
        Runs("echo 'postgres://", 0, ""),
        Runs("sudo chgrp -R", 0, ""),
        Then(of_this_host),
        Runs("sudo install -d -o", 0, ""),
        Runs("sudo -u postgres psql app -c \"CREATE ROLE", 0, "CREATE ROLE"),
        Runs("mkdir -p dba/rules", 0, ""),
        Runs("cat >dba/retentiond.toml", 0, ""),
        Runs("sudo -u postgres retentiond grants app", 0, ""),
        Runs("sudo -u postgres psql app -f grants.sql", 0, "GRANT"),
        Runs("rtd check --offline", 0, "1 rules and 1 sources are valid"),
        Runs("rtd source init app", 0, "app"),
        Runs("rtd check", 0, "ok       accounts/closed"),
        Runs("rtd plan", 0, "accounts/closed"),
        Then(starts),
        Then(|world| change_rules(world, "mode = \"observe\"", "")),
        Runs("sudo -u postgres retentiond grants app", 0, "GRANT"),
        Then(reloads),
        Runs("rtd plan accounts/closed", 0, "waiting for"),
        Runs("rtd approve accounts/closed", 0, "by        ada (uid"),
        Runs("rtd sweep accounts/closed", 0, "complete"),
        Runs("rtd pause --all", 0, "paused everything"),
        Then(one_is_left),
        Runs("curl http://127.0.0.1:9464/readyz", 0, "ready"),
        Runs("curl http://127.0.0.1:9464/metrics", 0, "retentiond_rule_enforcing"),
        Runs("retentiond --server unix:///run/retentiond/api.sock plan", 0, "accounts/closed"),
        // In a cluster: the same, said to a pod.
        Runs("cat >>deploy/kubernetes/overlays/single/kustomization.yaml", 0, ""),
        Then(is_built_on),
        Runs("rtd source init app", 0, "app"),
        Runs("rtd check", 0, "accounts/closed"),
        Runs("rtd plan", 0, "accounts/closed"),
        Then(|world| change_rules(world, "3 years", "2 years")),
        Runs("rtd plan accounts/closed", 0, "waits for approval"),
        Runs("rtd approve accounts/closed", 0, "changed"),
        Runs("rtd ledger show", 0, "batch_applied"),
    ],
}];

#[test]
fn the_way_from_the_package_to_the_first_sweep_is_gone() {
    walk::go(WALKS);
}
