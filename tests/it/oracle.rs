//! The laws, tried at random: packs of tables, rules, holds and clocks go through the real program on every engine and
//! are compared with the oracle.
//!
//! Each test takes a share of the seeds, so that they run side by side. Three variables change what they do:
//!
//! - `RETENTIOND_TEST_CASES`: cases an engine, unless it says otherwise 2,000 on SQLite and PostgreSQL and 1,000 on MariaDB,
//!   where they take longest; a long run is
//!   `RETENTIOND_TEST_CASES=100000 cargo test --release --features testing --test it oracle`;
//! - `RETENTIOND_TEST_PACK`: cases that one run of the program sweeps, 20 unless it says otherwise; with more, a long run
//!   spends less of its time on starting the program. The same seed makes another pack then;
//! - `RETENTIOND_TEST_SEED`: one pack alone, as a failure names it; it prints all that makes the pack.

mod alike;

use crate::support::cases::{
    CASES_A_PACK, Pack, cases_a_pack,
    run::{self, Outcome},
    table::Engine,
    tally::Tally,
};

/// How many tests share the seeds of an engine.
const SHARES: u64 = 4;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// How many packs an engine's run has.
fn packs(engine: Engine) -> u64 {
    let usual = match engine {
        Engine::Sqlite | Engine::Postgres => 2_000,
        Engine::Mariadb => 1_000,
    };
    number("RETENTIOND_TEST_CASES").unwrap_or(usual).div_ceil(cases_a_pack())
}

fn share(engine: Engine, share: u64) {
    if let Some(seed) = number("RETENTIOND_TEST_SEED") {
        if seed % SHARES == share {
            let pack = Pack::new(engine, seed);
            println!("{}", pack.describe());
            agree(engine, seed, &run::pack(&pack, None));
        }
        return;
    }
    for seed in (0..packs(engine)).filter(|seed| seed % SHARES == share) {
        agree(engine, seed, &run::pack(&Pack::new(engine, seed), None));
        // A run that takes hours says how far it is, with `--no-capture`.
        println!("{engine:?}, seed {seed} of {}: agrees", packs(engine));
    }
}

#[track_caller]
fn agree(engine: Engine, seed: u64, outcome: &Outcome) {
    let disagreements = outcome.disagreements.join("\n");
    let pack = if cases_a_pack() == CASES_A_PACK { String::new() } else { format!(" RETENTIOND_TEST_PACK={}", cases_a_pack()) };
    assert!(disagreements.is_empty(), "{engine:?}, RETENTIOND_TEST_SEED={seed}{pack}:\n{disagreements}");
}

/// Packs from which chance hides no class, however many are run.
const ENOUGH: u64 = 30;

/// The run of each engine meets every class often enough. The oracle alone tells, and so all shares together can be asked.
#[test]
fn the_cases_are_broad() {
    for engine in Engine::ALL {
        let mut tally = Tally::default();
        for seed in 0..packs(engine).min(ENOUGH) {
            let pack = Pack::new(engine, seed);
            pack.cases.iter().zip(&pack.world.tables).for_each(|(case, table)| tally.add(case, table, &pack.world.judge(table)));
        }
        println!("{engine:?}: {tally:?}");
        tally.assert_broad();
    }
}

/// Whatever the program does: what is compared with the oracle afterwards is what the oracle was asked about.
fn stand(engine: Engine) {
    for seed in 0..packs(engine).div_ceil(10) {
        agree(engine, seed, &run::stand(&Pack::new(engine, seed)));
    }
}

#[test]
fn sqlite_takes_the_tables_as_the_oracle_has_them() {
    stand(Engine::Sqlite);
}

#[test]
fn postgres_takes_the_tables_as_the_oracle_has_them() {
    stand(Engine::Postgres);
}

#[test]
fn mariadb_takes_the_tables_as_the_oracle_has_them() {
    stand(Engine::Mariadb);
}

#[test]
fn sqlite_agrees_with_the_oracle_in_the_first_share() {
    share(Engine::Sqlite, 0);
}

#[test]
fn sqlite_agrees_with_the_oracle_in_the_second_share() {
    share(Engine::Sqlite, 1);
}

#[test]
fn sqlite_agrees_with_the_oracle_in_the_third_share() {
    share(Engine::Sqlite, 2);
}

#[test]
fn sqlite_agrees_with_the_oracle_in_the_fourth_share() {
    share(Engine::Sqlite, 3);
}

#[test]
fn postgres_agrees_with_the_oracle_in_the_first_share() {
    share(Engine::Postgres, 0);
}

#[test]
fn postgres_agrees_with_the_oracle_in_the_second_share() {
    share(Engine::Postgres, 1);
}

#[test]
fn postgres_agrees_with_the_oracle_in_the_third_share() {
    share(Engine::Postgres, 2);
}

#[test]
fn postgres_agrees_with_the_oracle_in_the_fourth_share() {
    share(Engine::Postgres, 3);
}

#[test]
fn mariadb_agrees_with_the_oracle_in_the_first_share() {
    share(Engine::Mariadb, 0);
}

#[test]
fn mariadb_agrees_with_the_oracle_in_the_second_share() {
    share(Engine::Mariadb, 1);
}

#[test]
fn mariadb_agrees_with_the_oracle_in_the_third_share() {
    share(Engine::Mariadb, 2);
}

#[test]
fn mariadb_agrees_with_the_oracle_in_the_fourth_share() {
    share(Engine::Mariadb, 3);
}

/// Of packs that three processes sweep side by side there are few: each takes seconds.
fn shared(engine: Engine) {
    let seeds = number("RETENTIOND_TEST_SEED").map_or(0..packs(engine).div_ceil(50), |seed| seed..seed + 1);
    let (mut overtaken, mut joined) = (0, 0);
    for seed in seeds {
        let shared = run::shared(&Pack { workers: 3, ..Pack::new(engine, seed) }, seed);
        let disagreements = shared.disagreements.join("\n");
        assert!(disagreements.is_empty(), "{engine:?} shared, RETENTIOND_TEST_SEED={seed}:\n{disagreements}");
        println!(
            "{engine:?} shared, seed {seed}: agrees, {} sweeps were overtaken, and others joined in {} rounds",
            shared.overtaken, shared.joined
        );
        overtaken += shared.overtaken;
        joined += shared.joined;
    }
    assert!(overtaken > 0, "nobody was in anybody's way");
    assert!(joined > 0, "nobody shared anything");
}

#[test]
fn postgres_agrees_with_the_oracle_though_three_processes_share_it() {
    shared(Engine::Postgres);
}

#[test]
fn mariadb_agrees_with_the_oracle_though_three_processes_share_it() {
    shared(Engine::Mariadb);
}
