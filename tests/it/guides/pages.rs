//! A world for each page that is no runbook.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use super::{
    runbooks::{approved, fresh, swept, tampered},
    walk::{
        self,
        Step::{Runs, Stays, Then},
        Walk, World,
    },
};
use crate::support::{
    binary,
    certificates::{Authority, Valid},
    product::{DBA, Data, Kind, Product},
    sqlite::Sqlite,
};

const REST: &str = "[defaults]\nschedule = \"0 0 1 1 *\"\nfirst_sweep = \"auto\"\nmax_share = 1.0\n[http]\nlisten = \"127.0.0.1:0\"\n";

/// A rule on accounts, and more of it.
fn rule(keep_for: &str, more: &str) -> String {
    format!(
        "[policy]\nid = \"accounts\"\n[[rule]]\nid = \"closed\"\ncategory = \"account\"\nsource = \"app\"\ntable = \"accounts\"\n\
         subject = {{ account = \"id\", email = \"email\" }}\nstart = \"closed_at\"\nstart_format = \"iso8601\"\nkeep_for = \"{keep_for}\"\n\
         action = \"delete\"\n{more}"
    )
}

fn disputed() -> String {
    rule("3 years", "")
        + "[[rule]]\nid = \"disputed\"\ncategory = \"account\"\nsource = \"app\"\ntable = \"accounts\"\nstart = \"closed_at\"\n\
         start_format = \"iso8601\"\nkeep_for = \"10 years\"\naction = \"keep\"\nwhere = \"dispute IS NOT NULL\"\nreason = \"claims\"\n"
}

/// Accounts, of which the first went, the second is held, the third is in dispute, the fourth has no date and the fifth closed
/// lately.
fn five_accounts() -> World {
    let product = Product::new(Kind::Sqlite, &REST.replace("\"auto\"", "\"approve\""));
    product.data.execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, email TEXT, closed_at TEXT, dispute TEXT);
         INSERT INTO accounts VALUES (1, 'ada@example.com', datetime('now', '-6 years'), NULL),
             (2, 'ben@example.com', datetime('now', '-6 years'), NULL), (3, 'cyd@example.com', datetime('now', '-7 years'), 'yes'),
             (4, 'dot@example.com', NULL, NULL), (5, 'eve@example.com', datetime('now', '-40 days'), NULL)",
    );
    product.rules("p", &disputed());
    product.init();
    let hold = ["hold", "place", "--matter", "Case 17", "--subject", "account:2", "--reason", "r", "--by", "b"];
    product.run(hold).expect(0);
    product.cli("sweep --approve").expect(0);
    World::of(product)
}

/// The page on archives: a rule that copies its rows into a folder, and has.
pub fn archived() -> World {
    let product = Product::new(Kind::Sqlite, REST);
    product.data.execute(
        "CREATE TABLE customers (id INTEGER PRIMARY KEY, closed_at TEXT); INSERT INTO customers VALUES (1, '2015-01-01 00:00:00')",
    );
    let archive = product.folder.path().join("archive");
    fs::create_dir(&archive).expect("a folder");
    let page = super::page::Page::named("docs/archive.md");
    let rule = &page.snippets.iter().find(|snippet| snippet.language == "toml").expect("a rule").text;
    product.rules(
        "p",
        &rule
            .replace("/srv/archive", archive.to_str().expect("a path in UTF-8"))
            .replace("start = \"closed_at\"", "start = \"closed_at\"\nstart_format = \"iso8601\""),
    );
    product.init();
    product.cli("sweep").expect(0);
    World::of(product)
}

/// The page on residue: a rule that asks for a rewrite.
pub fn unclean() -> World {
    let product = Product::new(Kind::Sqlite, REST);
    product.data.execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, email TEXT, closed_at TEXT); INSERT INTO accounts VALUES (1, '', '2015-01-01')",
    );
    product.rules("p", &rule("3 years", "residue = \"rewritten\"\nwindow = \"00:00-23:59\"\n"));
    product.init();
    World::of(product)
}

/// The page on evidence: every row's digest is there.
fn digested() -> World {
    let product = Product::new(Kind::Sqlite, &format!("{REST}[keys.evidence]\nfile = \"evidence.key\"\n"));
    product.folder.write("evidence.key", "a key of sufficient length");
    product.data.execute(
        "CREATE TABLE accounts (id INTEGER PRIMARY KEY, email TEXT, closed_at TEXT);
         INSERT INTO accounts VALUES (42, 'ada@example.com', '2015-01-01 00:00:00')",
    );
    product.rules("p", &rule("3 years", "evidence = \"row\"\n"));
    product.init();
    product.cli("sweep").expect(0);
    World::of(product)
}

/// The level at which a subject can be asked for, and another row of hers.
fn by_subject(world: &mut World) {
    world.product.rules("p", &rule("3 years", "evidence = \"subject\"\n"));
    world.product.data.execute("INSERT INTO accounts VALUES (43, 'ada@example.com', '2015-01-01 00:00:00')");
    world.product.cli("sweep --approve").expect(0);
}

/// A hold that may be released.
fn held() -> World {
    let mut world = approved();
    let hold = world.product.hold(&["account:1"]).expect(0).json()["holds"][0]["id"].as_str().expect("an id").to_owned();
    world.values.insert("hold", hold);
    world
}

/// A PostgreSQL whose DBA has a configuration of her own.
fn granted() -> World {
    let product = Product::new(Kind::Postgres, REST);
    product.data.execute("CREATE TABLE accounts (id bigint PRIMARY KEY, email text, closed_at timestamptz)");
    product.rules("p", &rule("3 years", "").replace("start_format = \"iso8601\"\n", ""));
    let (role, database) = (product.data.role(), product.data.owner_url());
    let mut world = World::of(product);
    world.values.extend([("role", role), ("database", database)]);
    world.environment.push(("RETENTIOND_CONFIG", DBA.to_owned()));
    world
}

fn has_grants(world: &mut World) {
    let Data::Postgres(database) = &world.product.data else { unreachable!("it was asked for") };
    assert_eq!(database.column("SELECT has_table_privilege('retentiond', 'accounts', 'DELETE')::text"), [Some("true".to_owned())]);
}

/// A daemon on a socket, without tokens.
fn on_a_socket(world: &mut World) {
    world.product.reconfigure("", &format!("{REST}socket = \"api.sock\"\n"));
    world.start();
}

/// The token that the page makes, in the file that it names, and a daemon that speaks TLS and takes it.
fn with_a_token(world: &mut World) {
    world.daemon.take().map(|daemon| daemon.stop().expect(0)).expect("a daemon");
    let made = world.product.cli("token new anna --role counsel --output json").expect(0).json();
    let token = world.product.folder.write(".config/retentiond/token", made["token"].as_str().expect("a token"));
    let authority = Authority::new();
    let pair = authority.issue("DNS:localhost", Valid::Now);
    world.product.folder.write("api.pem", &pair.certificate);
    let key = world.product.folder.write("api.key", &pair.key);
    for file in [token, key] {
        fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("our own file");
    }
    let tls = "tls = { certificate_file = \"api.pem\", key_file = \"api.key\" }\n";
    world.product.reconfigure("", &format!("{REST}{tls}{}", made["configuration"].as_str().expect("a block")));
    world.start();
    let port = world.values["daemon"].rsplit_once(':').expect("a port").1.to_owned();
    world.values.insert("daemon", format!("localhost:{port}"));
    world.environment.push(("RETENTIOND_CA_FILE", authority.file().display().to_string()));
    world.product.folder.write("retentiond.toml", "nobody reads = this");
    world.kept.push(Box::new(authority));
}

/// `deploy/` in a folder where it may be changed.
fn deployed() -> World {
    let world = fresh();
    binary::run(Command::new("cp").arg("-r").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy")).arg(world.product.folder.path()))
        .expect(0);
    world
}

fn has_other_runbooks(world: &mut World) {
    for file in ["alerts/retentiond.rules.yaml", "alerts/prometheusrule.yaml", "grafana/dashboards/retentiond-rule.json"] {
        let text = fs::read_to_string(world.path("deploy").join(file)).expect("a file");
        assert!(text.contains("https://wiki.internal/retentiond") && !text.contains("https://retentiond.example/docs/runbooks"), "{file}");
    }
}

/// What the provider of dashboards names is where the page has put them.
fn is_provisioned(world: &mut World) {
    let provider = fs::read_to_string(world.path("etc/grafana/provisioning/dashboards/retentiond.yaml")).expect("a file");
    assert!(provider.contains("/var/lib/grafana/dashboards/retentiond"), "{provider}");
    assert!(world.path("etc/grafana/provisioning/datasources/retentiond.yaml").is_file());
    assert_eq!(fs::read_dir(world.path("var/lib/grafana/dashboards/retentiond")).expect("a folder").count(), 3);
}

pub const WALKS: &[Walk] = &[
    Walk { page: "README.md", world: approved, steps: &[Stays("retentiond run", "listening"), Stays("retentiond run", "listening")] },
    Walk {
        page: "docs/api.md",
        world: fresh,
        steps: &[
            Runs("retentiond schema api", 0, "\"openapi\": \"3.1."),
            Runs("retentiond token new anna", 0, "[[http.tokens]]"),
            Then(on_a_socket),
            Runs("curl --unix-socket", 0, "\"accounts/closed\""),
            Then(with_a_token),
            Runs("export RETENTIOND_SERVER", 0, ""),
            Runs("retentiond --token-file ~/.config/retentiond/token hold place", 0, "placed"),
        ],
    },
    Walk { page: "docs/archive.md", world: archived, steps: &[Runs("zstd -dc FILE", 0, "\"closed_at\": \"2015-01-01 00:00:00\"")] },
    Walk {
        page: "docs/configuration.md",
        world: granted,
        steps: &[
            Runs("retentiond source init NAME", 0, "app"),
            Runs("retentiond grants SOURCE", 0, "GRANT"),
            Runs("retentiond grants app --config dba.toml", 0, "GRANT"),
            Then(has_grants),
        ],
    },
    Walk {
        page: "docs/evidence.md",
        world: digested,
        steps: &[
            Runs("retentiond ledger verify", 0, "The ledger verifies"),
            Runs("retentiond ledger certificate --from", 0, "accounts/closed"),
            Runs("retentiond ledger certificate accounts/closed --row app.accounts id=42", 0, "accounts/closed (delete) took it"),
            Then(by_subject),
            Runs("retentiond ledger certificate --subject email:ada@example.com", 0, ""),
            Then(|world| assert!(fs::read_to_string(world.path("certificate.json")).expect("a file").contains("ada@example.com"))),
            Runs("retentiond ledger certificate --verify certificate.json", 0, "The certificate holds: 1 proofs"),
        ],
    },
    Walk {
        page: "docs/holds.md",
        world: held,
        steps: &[
            Runs("retentiond hold place --matter \"Case 17\"", 0, "app.accounts"),
            Runs("retentiond hold release HOLD", 0, "released"),
        ],
    },
    Walk {
        page: "docs/logging.md",
        world: archived,
        steps: &[
            Runs("retentiond archive verify", 0, "The archives verify: 1 copies"),
            Runs("retentiond ledger verify", 0, "The ledger verifies"),
        ],
    },
    Walk {
        page: "docs/metrics.md",
        world: tampered,
        steps: &[Stays("retentiond run", "listening"), Runs("retentiond ledger verify", 4, "entry 8")],
    },
    Walk {
        page: "docs/operating.md",
        world: five_accounts,
        steps: &[
            Stays("retentiond run --config", "listening"),
            Runs("retentiond sweep", 0, "accounts/closed"),
            Runs("retentiond state status", 0, "holds    1 in force"),
            Runs("retentiond sweep", 0, "accounts/closed"),
            Runs("retentiond grants", 0, "Source app: what retentiond needs"),
            Runs("retentiond source init NAME", 0, "app"),
            Then(|world| world.product.rules("p", &rule("1 day", ""))),
            Runs("retentiond plan accounts/closed", 0, "waits for approval"),
            Runs("retentiond approve accounts/closed", 0, "changed"),
            Then(|world| world.product.rules("p", &disputed())),
            Runs("retentiond explain app.accounts id=3", 0, "protected"),
            Runs("retentiond explain app.accounts id=2", 0, "held"),
            Runs("retentiond explain app.accounts id=1", 0, "is not there"),
            Runs("retentiond pause accounts/closed", 0, "paused rule accounts/closed"),
            Runs("retentiond pause --source app", 0, "paused source app"),
            Runs("retentiond resume --source app", 0, "in force: rule accounts/closed"),
            Runs("retentiond state adopt --source app", 0, "app"),
            Runs("sqlite3 state.db \".backup state-of-today.db\"", 0, ""),
            Then(|world| assert!(Sqlite::at(world.path("state-of-today.db")).number("SELECT count(*) FROM ledger") > 8)),
        ],
    },
    Walk {
        page: "docs/rules.md",
        world: fresh,
        steps: &[Runs("retentiond schema rules > policy.schema.json", 0, ""), Runs("retentiond schema config", 0, "\"$schema\"")],
    },
    Walk {
        page: "docs/schedule.md",
        world: swept,
        steps: &[
            Runs("retentiond schedule ", 0, "# "),
            Runs("retentiond schedule --format html > schedule.html", 0, ""),
            Runs("retentiond schedule --format json", 0, "\"policies\""),
            Runs("retentiond check", 0, "ok       accounts/closed"),
            Runs("retentiond sweep", 0, "nothing_due"),
        ],
    },
    Walk { page: "docs/testing.md", world: swept, steps: &[Runs("retentiond schedule --format html", 0, "<html lang=")] },
    Walk {
        page: "deploy/alerts/README.md",
        world: deployed,
        steps: &[
            Runs("promtool check rules", 0, "SUCCESS"),
            Runs("promtool test rules", 0, "SUCCESS"),
            Runs("sed -i", 0, ""),
            Then(has_other_runbooks),
        ],
    },
    Walk {
        page: "deploy/grafana/README.md",
        world: deployed,
        steps: &[Runs("install -D", 0, ""), Runs("install -D", 0, ""), Runs("install -D", 0, ""), Then(is_provisioned)],
    },
];

#[test]
fn pages_say_what_happens() {
    walk::go(WALKS);
}
