//! One case on all three engines: the same rows, rules, holds and clock, on types that each has, leave the same rows.
//!
//! The model's world is equal for the three, so that they have one verdict, which each is compared with; what is left in the
//! databases is then compared with each other, value by value, and not by way of the oracle. Of `RETENTIOND_TEST_CASES` a
//! tenth is drawn alike: 200 unless it says otherwise.

use super::{agree, number};
use crate::support::cases::{
    Pack, cases_a_pack,
    run::{self, Contents},
    table::Engine,
    tally::Tally,
};

/// How many tests share the seeds.
const SHARES: u64 = 2;

fn packs() -> u64 {
    number("RETENTIOND_TEST_CASES").unwrap_or(2_000).div_ceil(10 * cases_a_pack())
}

/// The pack of a seed for each engine: one world, one set of holds.
fn alike(seed: u64) -> [Pack; 3] {
    let packs = Engine::ALL.map(|engine| Pack::alike(engine, seed));
    for other in &packs[1..] {
        let first = &packs[0];
        assert!(first.world == other.world, "seed {seed}: the worlds for {:?} and {:?} differ", first.engine, other.engine);
        assert_eq!(first.orders, other.orders, "seed {seed}");
        let rest = |pack: &Pack| (pack.zone, pack.naive, pack.max_batch_rows);
        assert_eq!(rest(first), rest(other), "seed {seed}");
    }
    packs
}

/// What the contents of each two engines differ in.
fn differences(contents: &[&Contents; 3]) -> Vec<String> {
    [(0, 1), (0, 2), (1, 2)].into_iter().flat_map(|(one, other)| contents[one].differences(contents[other])).collect()
}

fn leave_the_same(seed: u64) {
    let packs = alike(seed);
    let outcomes = packs.each_ref().map(|pack| run::pack(pack, None));
    for (pack, outcome) in packs.iter().zip(&outcomes) {
        agree(pack.engine, seed, outcome);
    }
    for (time, when) in ["before the sweep", "afterwards"].into_iter().enumerate() {
        let contents = outcomes.each_ref().map(|outcome| &outcome.contents.as_ref().expect("no mistake was made on purpose")[time]);
        assert!(contents.iter().all(|contents| !contents.is_empty()), "RETENTIOND_TEST_SEED={seed} has nothing {when}");
        let differences = differences(&contents);
        assert!(differences.is_empty(), "RETENTIOND_TEST_SEED={seed}, {when}:\n{}", differences.join("\n"));
    }
}

fn share(share: u64) {
    if let Some(seed) = number("RETENTIOND_TEST_SEED") {
        if seed % SHARES == share {
            alike(seed).iter().for_each(|pack| println!("{:?}\n{}\n", pack.engine, pack.describe()));
            leave_the_same(seed);
        }
        return;
    }
    (0..packs()).filter(|seed| seed % SHARES == share).for_each(leave_the_same);
}

#[test]
fn engines_leave_the_same_rows_in_the_first_share() {
    share(0);
}

#[test]
fn engines_leave_the_same_rows_in_the_second_share() {
    share(1);
}

/// More packs than are run, so that chance hides no class.
#[test]
fn alike_cases_are_broad() {
    let mut tally = Tally::default();
    for seed in 0..packs().max(500 / cases_a_pack() + 1) {
        let [_, Pack { world, cases, .. }, _] = alike(seed);
        cases.iter().zip(&world.tables).for_each(|(case, table)| tally.add(case, table, &world.judge(table)));
    }
    println!("{tally:?}");
    tally.assert_broad();
}

/// A mistake on one engine alone: rows that it takes too many, and values that it leaves otherwise.
#[test]
fn a_mistake_on_one_engine_shows_between_them() {
    const PATIENCE: u64 = 50;
    let mut unnoticed = vec![
        (Engine::Sqlite, "hold-clause-dropped", "Sqlite has 0 of it, "),
        (Engine::Postgres, "cutoff-inclusive", "Postgres has 0"),
        (Engine::Mariadb, "round-down", "Mariadb has '"),
    ];
    for seed in 0..PATIENCE {
        if unnoticed.is_empty() {
            return;
        }
        let packs = alike(seed);
        let right = packs.each_ref().map(|pack| run::left(pack, None));
        assert_eq!(differences(&right.each_ref()), Vec::<String>::new(), "seed {seed}");
        unnoticed.retain(|(wrong, fault, sign)| {
            let number = Engine::ALL.iter().position(|engine| engine == wrong).expect("one of them");
            let mistaken = run::left(&packs[number], Some(fault));
            let mut contents = right.each_ref();
            contents[number] = &mistaken;
            let found = differences(&contents);
            println!("{fault} on {wrong:?}, seed {seed}:\n{}", found.join("\n"));
            let is_theirs =
                |found: &String| found.starts_with("table ") && found.contains(", row ") && found.contains(&format!("{wrong:?} has"));
            assert!(found.iter().all(is_theirs), "{fault} on {wrong:?} alone: {found:?}");
            !found.iter().any(|found| found.contains(sign))
        });
    }
    panic!("in {PATIENCE} packs nobody noticed {unnoticed:?}");
}
