//! A world for each runbook: the very state that its alert is about, and its way out.

use std::{fs, net::TcpListener};

use super::walk::{
    self,
    Step::{Runs, Then},
    Walk, World,
};
use crate::support::{
    daemon::Daemon,
    database::Database,
    product::{Kind, Product},
    session::Session,
    sqlite::Sqlite,
};

/// On no day that a test sees.
const REST: &str = "[defaults]\nschedule = \"0 0 1 1 *\"\nmax_share = 1.0\n[http]\nlisten = \"127.0.0.1:0\"\n";
const POLICY: &str = "[policy]\nid = \"accounts\"\n";
const CLOSED: &str = r#"[[rule]]
id = "closed"
category = "account"
source = "app"
table = "accounts"
subject = { account = "id", email = "email" }
start = "closed_at"
start_format = "iso8601"
keep_for = "3 years"
action = "delete"
"#;

/// Two accounts that are due, and one that closed last week.
const ROWS: &str =
    "INSERT INTO accounts VALUES (1, 'ada@example.com', '2020-02-29 10:00:00'), (2, 'ben@example.com', '2020-06-01 08:30:00')";

/// A source `app` with one rule, that nobody has approved yet.
pub fn fresh() -> World {
    let product = Product::new(Kind::Sqlite, REST);
    product.data.execute("CREATE TABLE accounts (id INTEGER PRIMARY KEY, email TEXT, closed_at TEXT)");
    product.data.execute(&format!("{ROWS}, (3, 'cyd@example.com', datetime('now', '-7 days'))"));
    product.rules("p", &format!("{POLICY}{CLOSED}"));
    product.init();
    World::of(product)
}

/// The same, approved.
pub fn approved() -> World {
    let world = fresh();
    approve(&world);
    world
}

/// The same with a daemon.
fn daemon() -> World {
    let mut world = approved();
    world.start();
    world
}

fn approve(world: &World) {
    world.product.cli("approve accounts/closed").expect(0);
}

/// Paused, resumed, approved and swept: nine entries of a ledger.
fn sweep(world: &World) {
    for act in ["pause", "resume"] {
        world.product.cli(&format!("{act} accounts/closed --reason r --by b")).expect(0);
    }
    approve(world);
    world.product.cli("sweep").expect(0);
}

pub fn swept() -> World {
    let world = fresh();
    sweep(&world);
    world
}

/// Where nobody listens.
fn nowhere() -> String {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    format!("postgres://retentiond@{address}/away")
}

fn billing(world: &mut World, url: &str) {
    world.product.reconfigure("", &format!("{REST}[sources.billing]\nurl = \"{url}\"\nnaive_timestamps = \"UTC\"\n"));
}

/// A source `billing`, on a PostgreSQL that has gone since.
fn away() -> World {
    let mut world = fresh();
    let database = Database::create();
    database.execute("CREATE TABLE bills (id bigint PRIMARY KEY, closed_at timestamptz)");
    database.execute("INSERT INTO bills VALUES (1, '2015-03-01'), (2, now())");
    billing(&mut world, &database.url);
    let bills = CLOSED.replace("closed\"", "bills\"").replace("app", "billing").replace("\"accounts\"", "\"bills\"");
    let bills = bills.replace(", email = \"email\"", "").replace("start_format = \"iso8601\"\n", "");
    world.product.rules("p", &format!("{POLICY}{CLOSED}{bills}"));
    world.product.cli("source init billing").expect(0);
    let hold = ["hold", "place", "--by", "c", "--reason", "r", "--subject", "account:9", "--matter"];
    world.product.run(hold.iter().chain(&["Case 17"])).expect(0);
    world.product.cli("approve accounts/bills").expect(0);
    billing(&mut world, &nowhere());
    world.values.insert("database", database.url.clone());
    world.kept.push(Box::new(database));
    world
}

/// Besides, a hold that it has not heard of.
fn pending() -> World {
    let world = away();
    let hold = ["hold", "place", "--by", "c", "--reason", "r", "--subject", "account:8", "--matter", "Case 18"];
    world.product.run(hold).expect(3);
    world
}

fn it_is_back(world: &mut World) {
    let url = world.values["database"].clone();
    billing(world, &url);
}

/// A daemon whose configuration has got a mistake since.
fn refused() -> World {
    let world = daemon();
    let rule = format!("{POLICY}{CLOSED}").replace("subject = { account = \"id\", email = \"email\" }", "subject = { account = \"id\" }");
    world.product.rules("p", &rule.replace("keep_for", "keep_fro"));
    world
}

fn misnamed() -> World {
    let world = fresh();
    world.product.rules("p", &format!("{POLICY}{CLOSED}").replace("table = \"accounts\"", "table = \"acounts\""));
    world
}

/// A ledger that was changed behind its back, and an export from before.
pub fn tampered() -> World {
    let world = swept();
    for account in 7..10 {
        world.product.hold(&[&format!("account:{account}")]).expect(0);
    }
    world.product.cli("ledger export --file kept.jsonl").expect(0);
    let state = Sqlite::at(world.path("state.db"));
    state.execute("UPDATE ledger SET canonical = replace(canonical, '\"rows\":2', '\"rows\":1') WHERE kind = 'batch_applied'");
    world
}

fn no_state() -> World {
    let mut world = approved();
    world.product.keep_state_as(&format!("url = \"{}\"", nowhere()));
    world
}

fn paused() -> World {
    let world = approved();
    world.product.run(["pause", "accounts/closed", "--reason", "migration", "--by", "A. Engineer"]).expect(0);
    world
}

/// A rule that asks for a rewrite, and an application that reads meanwhile.
fn unclean() -> World {
    let mut world = fresh();
    world.product.data.execute("PRAGMA journal_mode = WAL");
    world.product.rules("p", &format!("{POLICY}{CLOSED}residue = \"rewritten\"\nwindow = \"00:00-23:59\"\n"));
    approve(&world);
    let session = Session::open(&world.product.data);
    session.run("BEGIN; SELECT count(*) FROM accounts");
    world.kept.push(Box::new(session));
    world
}

/// A source that was restored from before its last hold.
fn restored() -> World {
    let world = approved();
    let (file, backup) = (world.product.data.url().trim_start_matches("sqlite:").to_owned(), world.path("backup.db"));
    world.product.data.execute(&format!("VACUUM INTO '{}'", backup.display()));
    world.product.hold(&["account:1"]).expect(0);
    for end in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{file}{end}"));
    }
    fs::copy(&backup, &file).expect("a restored database");
    world
}

/// One of several daemons that share a state, and leads.
fn leading() -> World {
    let mut world = swept();
    world.start();
    world.daemon.as_ref().map(|daemon: &Daemon| daemon.sees("leader", &[], |leads| leads == 1.0)).expect("a daemon");
    world
}

pub const WALKS: &[Walk] = &[
    Walk { page: "docs/runbooks/README.md", world: approved, steps: &[Runs("retentiond pause --all", 0, "paused everything")] },
    Walk {
        page: "docs/runbooks/RetentionApprovalNeeded.md",
        world: fresh,
        steps: &[
            Runs("retentiond plan accounts/closed", 0, "waiting for"),
            Runs("retentiond explain app.accounts id=1", 0, "due"),
            Runs("retentiond sweep accounts/closed --dry-run", 0, "2"),
            Runs("retentiond approve accounts/closed", 0, "first_sweep"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionConfigurationRefused.md",
        world: refused,
        steps: &[
            Runs("retentiond check --offline", 2, "did you mean `keep_for`?"),
            Then(|world| world.product.rules("p", &format!("{POLICY}{CLOSED}"))),
            Runs("curl -s -X POST", 0, "reloaded"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionCountsStale.md",
        world: approved,
        steps: &[
            Runs("retentiond plan accounts/closed", 0, "accounts/closed"),
            Runs("retentiond check", 0, "CREATE INDEX"),
            Runs("retentiond check --plans", 0, "SCAN t"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionDaemonDown.md",
        world: daemon,
        steps: &[
            Runs("curl -s http://127.0.0.1:9464/healthz", 0, "alive"),
            Runs("curl -s http://127.0.0.1:9464/metrics", 0, "# HELP"),
            Runs("retentiond check", 0, "ok       source app"),
            Runs("retentiond sweep", 0, "complete"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionDaemonRestarts.md",
        world: approved,
        steps: &[
            Runs("retentiond check", 0, "ok       accounts/closed"),
            Runs("retentiond state status", 0, "ledger"),
            Runs("retentiond pause accounts/closed", 0, "paused rule accounts/closed"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionHoldPending.md",
        world: pending,
        steps: &[Runs("retentiond hold list", 0, "Case 18"), Runs("retentiond source status", 1, "billing")],
    },
    Walk { page: "docs/runbooks/RetentionInstanceDown.md", world: leading, steps: &[Runs("retentiond state status", 0, "leads")] },
    Walk {
        page: "docs/runbooks/RetentionLedgerNotSound.md",
        world: tampered,
        steps: &[
            Runs("retentiond ledger verify", 4, "entry 8"),
            Runs("sqlite3 state.db", 0, ""),
            Runs("retentiond ledger export --file found.jsonl", 0, ""),
            Runs("retentiond ledger verify --file kept.jsonl", 0, "The ledger verifies: 12 entries"),
            Runs("retentiond pause --all", 0, "paused everything"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionLedgerUnverified.md",
        world: swept,
        steps: &[Runs("retentiond ledger verify", 0, "9 entries"), Runs("retentiond ledger verify", 0, "The ledger verifies")],
    },
    Walk {
        page: "docs/runbooks/RetentionNoLeader.md",
        world: no_state,
        steps: &[Runs("retentiond state status", 1, "Connection refused")],
    },
    Walk {
        page: "docs/runbooks/RetentionNotEnforced.md",
        world: misnamed,
        steps: &[
            Runs("retentiond plan accounts/closed", 3, "did you mean `accounts`?"),
            Runs("retentiond check", 2, "acounts"),
            Runs("retentiond grants app", 0, "Source app"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionOverdue.md",
        world: fresh,
        steps: &[
            Runs("retentiond plan accounts/closed", 0, "waiting for"),
            Then(|world| {
                sweep(world);
                world.product.data.execute(ROWS);
            }),
            Runs("retentiond ledger show --rule accounts/closed --kind sweep_ended --last 5", 0, "complete"),
            Runs("retentiond explain app.accounts id=1", 0, "due"),
            Runs("retentiond sweep accounts/closed --outside-window", 0, "complete"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionPaused.md",
        world: paused,
        steps: &[
            Runs("retentiond plan accounts/closed", 0, "migration"),
            Runs("retentiond resume accounts/closed", 0, "resumed"),
            Then(|world| drop(world.product.cli("pause --source app --reason r --by b").expect(0))),
            Runs("retentiond resume --source app", 0, "resumed source app"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionResiduePending.md",
        world: unclean,
        steps: &[
            Runs("retentiond sweep accounts/closed", 0, "`rewritten` is owed since"),
            Runs("retentiond check", 0, "accounts/closed"),
            Runs("retentiond grants", 0, "Source app"),
            Runs("retentiond grants app", 0, "Source app"),
            Then(|world| world.kept.clear()),
            Runs("retentiond sweep accounts/closed --outside-window", 0, "nothing_due"),
            Runs("retentiond ledger show --rule accounts/closed --kind residue_treated", 0, "residue_treated"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionSourceDown.md",
        world: away,
        steps: &[Runs("retentiond source status", 1, "billing"), Runs("retentiond pause --source billing", 0, "paused source billing")],
    },
    Walk {
        page: "docs/runbooks/RetentionSourceRestored.md",
        world: restored,
        steps: &[
            Runs("retentiond source status", 0, "app"),
            Runs("retentiond plan accounts/closed", 3, "would be guarded: source `app` has forgotten holds"),
            Runs("retentiond state adopt --source app", 0, "adopted"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionSweepFailing.md",
        world: away,
        steps: &[
            Runs("retentiond sweep accounts/bills", 1, "failed"),
            Then(it_is_back),
            Runs("retentiond sweep accounts/bills --dry-run", 0, "1"),
            Runs("retentiond check --plans", 0, "Scan"),
            Runs("retentiond archive verify", 0, "The archives verify: 0 copies"),
            Runs("retentiond sweep", 3, "accounts/bills"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionSweepMissing.md",
        world: swept,
        steps: &[
            Runs("retentiond ledger show --rule accounts/closed --kind sweep_ended --last 5", 0, "complete"),
            Runs("retentiond sweep accounts/closed --outside-window", 0, "nothing_due"),
            // In the sentence, and in the block below it.
            Runs("retentiond check", 0, "CREATE INDEX"),
            Runs("retentiond check", 0, "no index starts with"),
        ],
    },
    Walk {
        page: "docs/runbooks/RetentionTablesUncovered.md",
        world: approved,
        steps: &[Runs("retentiond schedule --format json", 0, "\"policies\""), Runs("retentiond check", 0, "ok       accounts/closed")],
    },
    Walk { page: "docs/runbooks/RetentionThrottled.md", world: approved, steps: &[Runs("retentiond plan", 0, "accounts/closed")] },
];

#[test]
fn runbooks_lead_out_of_what_they_are_for() {
    walk::go(WALKS);
}
