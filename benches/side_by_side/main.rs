//! What deleting costs: retentiond's own sweep beside the ways in which people delete the same rows by hand.
//!
//! ```sh
//! cargo bench --bench side_by_side                                  # every engine, as docs/performance.md has it
//! cargo bench --bench side_by_side -- --engine sqlite --rows 200000 # a quick look
//! ```
//!
//! Half of a table of 200-byte rows is expired and goes. Each way gets the same files, copied anew, and a server that
//! has just started on them, with its log written through to the disk. The ways alternate, so that a machine that
//! becomes slower does so for all; each run's value is printed, and each is set against *one big DELETE* of the same round:
//! the fastest that a user could get by hand, at the price of one long transaction. Ways that we imitate
//! ([`Way::BigDelete`], [`Way::SelectThenDelete`]) are written here, in one language; the others are whole programs, timed from
//! their start to their end.
//!
//! `contender.rs` has the ways and `ground.rs` the databases. A further way is a variant there.

#[expect(unused_imports, reason = "what the tests share has more than is used here")]
#[path = "../../tests/support/mod.rs"]
mod support;

mod contender;
mod ground;

use std::process::{Command, ExitCode};

use clap::Parser;

use self::{
    contender::{Run, Way},
    ground::{Ground, Order},
    support::product::Kind,
};

/// retentiond's share of the speed of one big DELETE, on each engine.
const OF_BIG_DELETE: f64 = 0.6;
/// How much faster than pt-archiver with its defaults.
const TIMES_PT_ARCHIVER: f64 = 5.0;

#[derive(Parser)]
struct Arguments {
    /// Rows of the table, half of them expired [default: 5,000,000 on a server, 2,000,000 on SQLite]
    #[arg(long)]
    rows: Option<u64>,
    /// How often each way is run
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// One engine alone: sqlite, postgresql or mariadb
    #[arg(long)]
    engine: Option<String>,
    /// Whether the rows lie in the order of their time or in none
    #[arg(long, value_enum, default_value_t = Order::Time)]
    order: Order,
    /// What cargo passes to every benchmark
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    println!("retentiond at {}, {} processors", commit(), std::thread::available_parallelism().map_or(1, usize::from));
    let mut kinds = Kind::ALL.to_vec();
    kinds.retain(|kind| arguments.engine.as_ref().is_none_or(|engine| engine == name(*kind)));
    assert!(!kinds.is_empty(), "an engine is sqlite, postgresql or mariadb");
    // Every engine is measured, whatever the one before has shown.
    let passed = kinds.into_iter().map(|kind| measure(kind, &arguments)).fold(true, |all, one| all & one);
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs every way on one engine; whether retentiond is as fast as it has to be.
fn measure(kind: Kind, arguments: &Arguments) -> bool {
    let rows = arguments.rows.unwrap_or(if kind == Kind::Sqlite { 2_000_000 } else { 5_000_000 });
    let ground = Ground::prepare(kind, rows, arguments.order);
    println!("\n{} ({}): {rows} rows, {} expired, {}", name(kind), ground.version(), ground.expired(), arguments.order.words());
    let ways = Way::on(kind);
    let rounds: Vec<Vec<Run>> = (1..=arguments.rounds).map(|round| alternate(round, &ways, &ground)).collect();

    let against = |way: Way, other: Way| {
        let rate = |runs: &[Run], way: Way| runs.iter().find(|run| run.way == way).map(Run::rate);
        median(rounds.iter().filter_map(|runs| Some(rate(runs, way)? / rate(runs, other)?)).collect())
    };
    println!("  median of the ratios to one big DELETE of the same round:");
    for way in &ways {
        println!("    {:<34} {:>6.2}", way.to_string(), against(*way, Way::BigDelete));
    }
    let mut passed = held("one big DELETE", against(Way::Sweep, Way::BigDelete), OF_BIG_DELETE);
    if ways.contains(&Way::PtArchiver) {
        passed &= held("pt-archiver with its defaults", against(Way::Sweep, Way::PtArchiver), TIMES_PT_ARCHIVER);
    }
    passed
}

/// Each way once, in an order that begins elsewhere each round.
fn alternate(round: usize, ways: &[Way], ground: &Ground) -> Vec<Run> {
    let mut order = ways.to_vec();
    order.rotate_left(round % ways.len());
    let mut runs = Vec::new();
    for way in order {
        ground.restore();
        let run = way.run(ground);
        println!("  round {round}: {:<34} {:>9} rows in {:>8.2} s: {:>9.0} rows/s", way.to_string(), run.rows, run.seconds, run.rate());
        runs.push(run);
    }
    runs
}

fn held(what: &str, ratio: f64, bar: f64) -> bool {
    let passed = ratio >= bar;
    println!("  retentiond against {what}: {ratio:.2}, has to be {bar:.2}: {}", if passed { "kept" } else { "MISSED" });
    passed
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => values[count / 2],
        count => f64::midpoint(values[count / 2 - 1], values[count / 2]),
    }
}

fn name(kind: Kind) -> &'static str {
    kind.pick("sqlite", "postgresql", "mariadb")
}

/// The commit that is measured, and whether the files differ from it.
fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|status| !status.is_empty());
    git(&["rev-parse", "--short", "HEAD"])
        .map_or_else(|| "no commit".to_owned(), |commit| if changed { format!("{commit} with changes") } else { commit })
}
