//! The generator of cases for the oracle: a case is a table with its rules; a pack is some twenty cases in one database,
//! all swept by one run of the real program.
//!
//! Everything follows from the seed of the pack, and from the `stock` that it is drawn from: all that one engine has, or what
//! the three have alike, so that one case runs on each. `moments` chooses instants and writes them, `table` makes columns and
//! rows, `personal` what is in those that are anonymised, `rules` makes rules and their text, `neighbours` makes what stands
//! around a table, `waits` what some rules wait for, `parents` what some look up, `opt_outs` what some leave behind, `along` what goes with rows,
//! `copies` which of them archive, `digests` which of them keep digests, `parts` cuts it up, `holds` places holds, and `run` does it for real and compares, with `rows`. A new construct
//! of the rule language is a roll of the dice in one of them, its meaning in the oracle, and a line in [`Tally`].

pub mod along;
mod copies;
pub mod dice;
mod digests;
pub mod holds;
pub mod moments;
pub mod neighbours;
mod opt_outs;
mod parents;
pub mod parts;
pub mod personal;
mod rows;
pub mod rules;
pub mod run;
pub mod sql;
pub mod stock;
pub mod table;
pub mod tally;
mod waits;

use self::{
    dice::Dice,
    holds::Order,
    opt_outs::List,
    rules::Written,
    stock::Stock,
    table::{Draft, Engine},
};
use crate::support::oracle::{Table, World};

/// How many tables are swept by one run, unless `RETENTIOND_TEST_PACK` says otherwise.
pub const CASES_A_PACK: u64 = 20;

/// How many tables are swept by one run.
pub fn cases_a_pack() -> u64 {
    let number = |text: String| text.parse().ok().filter(|cases| *cases > 0).expect("RETENTIOND_TEST_PACK is a number above zero");
    std::env::var("RETENTIOND_TEST_PACK").map_or(CASES_A_PACK, number)
}

/// Some twenty tables with their rules, the holds over them, and the clock.
pub struct Pack {
    pub engine: Engine,
    pub seed: u64,
    /// Zone of periods, and of starts that carry none.
    pub zone: &'static str,
    pub naive: &'static str,
    pub world: World,
    pub cases: Vec<Case>,
    pub orders: Vec<Order>,
    /// A row goes with two others at most, and each of these with one more; all have to fit.
    pub max_batch_rows: i64,
    /// So many processes may sweep one table at once.
    pub workers: u64,
}

/// One table of a pack; the model's part of it is the table of the same number in the pack's world.
pub struct Case {
    pub statements: Vec<String>,
    /// The text of its rules: a file of their own.
    pub toml: String,
    pub number_column: usize,
    /// The types of its columns, as its stock calls them.
    pub types: Vec<String>,
    pub bystanders: Vec<String>,
    /// Where the opt-outs of what is deleted go.
    pub list: Option<List>,
    /// What goes with its rows.
    pub along: Option<along::Along>,
    /// Its table comes in parts, where the engine has any.
    pub in_parts: bool,
    /// Its rows are copied before they are deleted.
    pub archived: bool,
    /// Its acting rules keep a digest of each row.
    pub digested: bool,
}

impl Pack {
    /// The pack that belongs to a seed, of all that the engine has.
    pub fn new(engine: Engine, seed: u64) -> Self {
        Self::drawn(engine, Stock::of(engine), seed)
    }

    /// The pack that belongs to a seed, of what the engines have alike: its world is the same on each.
    pub fn alike(engine: Engine, seed: u64) -> Self {
        Self::drawn(engine, Stock::Shared, seed)
    }

    fn drawn(engine: Engine, stock: Stock, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (zone, naive) = (dice.pick(moments::ZONES), dice.pick(moments::ZONES));
        let now = moments::present(&mut dice, &moments::zone(zone));
        let mut world =
            World { now, naive: moments::zone(naive), pepper: b"pepper of the tests".to_vec(), tables: Vec::new(), holds: Vec::new() };
        // Dice of their own, so that what was drawn before there were parts is drawn still.
        let mut parts = Dice::new(seed ^ 0x70a6_7500);
        let mut waits = Dice::new(seed ^ 0x3a17_f000);
        let mut parents = Dice::new(seed ^ 0x9a2e_0000);
        let mut opt_outs = Dice::new(seed ^ 0x0070_0075);
        let mut along = Dice::new(seed ^ 0xa10_6000);
        let mut levels = Dice::new(seed ^ 0x1e7e_1500);
        let mut copies = Dice::new(seed ^ 0xa7c4_1e00);
        let mut digests = Dice::new(seed ^ 0x00d1_6e57);
        let mut cases = Vec::new();
        for number in 0..usize::try_from(cases_a_pack()).expect("a count") {
            let dice = Many {
                dice: &mut dice,
                of_parts: &mut parts,
                of_waits: &mut waits,
                of_parents: &mut parents,
                of_opt_outs: &mut opt_outs,
                of_along: &mut along,
                of_levels: &mut levels,
                of_copies: &mut copies,
                of_digests: &mut digests,
            };
            let (case, table) = case(dice, (engine, stock), &world, zone, number);
            cases.push(case);
            world.tables.push(table);
        }
        let mut orders = holds::orders(&mut dice, stock, &world.tables);
        orders.extend(along::orders(&mut levels, &cases.iter().filter_map(|case: &Case| case.along.as_ref()).collect::<Vec<_>>()));
        world.holds = orders.iter().filter(|order| !order.released).map(|order| order.hold.clone()).collect();
        // Every other pack is walked in parts that others could take.
        let workers = if engine == Engine::Sqlite || seed.is_multiple_of(2) { 1 } else { 3 };
        Self { engine, seed, zone, naive, world, cases, orders, max_batch_rows: dice.number(1..=50).max(5), workers }
    }

    /// Everything that makes the pack, to follow a failure by hand.
    pub fn describe(&self) -> String {
        let head = format!("now {}, zone {}, naive {}, batches of {}", self.world.now, self.zone, self.naive, self.max_batch_rows);
        let orders = self.orders.iter().map(|order| format!("{} {:?}", if order.released { "released" } else { "held" }, order.arguments));
        let cases = self.cases.iter().map(|case| format!("{}\n{}", case.statements.join("\n"), case.toml));
        std::iter::once(head).chain(orders).chain(cases).collect::<Vec<_>>().join("\n")
    }
}

/// Dice of their own for each part, so that what was drawn before there was another is drawn still.
struct Many<'a> {
    dice: &'a mut Dice,
    of_parts: &'a mut Dice,
    of_waits: &'a mut Dice,
    of_parents: &'a mut Dice,
    of_opt_outs: &'a mut Dice,
    of_along: &'a mut Dice,
    of_levels: &'a mut Dice,
    of_copies: &'a mut Dice,
    of_digests: &'a mut Dice,
}

fn case(
    Many { dice, of_parts, of_waits, of_parents, of_opt_outs, of_along, of_levels, of_copies, of_digests }: Many<'_>,
    (engine, stock): (Engine, Stock),
    world: &World,
    zone: &str,
    number: usize,
) -> (Case, Table) {
    let name = table::name(dice, number);
    let mut draft = Draft::new(dice, engine, stock, name);
    let children = neighbours::wants_children(dice);
    if children {
        draft.table_key = Some(vec![draft.number]);
    }
    let wants_along = along::is_wanted(of_along);
    draft.parts = parts::parts(of_parts, engine, children).filter(|parts| !wants_along || *parts != parts::Parts::Heirs);
    let written = rules::rules(dice, &mut draft, zone, number);
    let (count, unmeant) = match dice.number(0..=19) {
        // Just under one in a hundred, which is let pass, and well above, which is not.
        0 | 1 => (dice.number(110..=140), 1),
        2 => (dice.number(10..=60), 3),
        _ => (dice.number(0..=45), 0),
    };
    let (count, unmeant) = (usize::try_from(count).expect("a count"), unmeant);
    let rows = draft.rows(dice, world, &rules::terms(&written), count, unmeant);
    let mut statements = neighbours::create(&draft, &rows);
    let mut table =
        Table { name: draft.name.clone(), columns: Vec::new(), rows, rules: Vec::new(), delete_drags: false, update_fires: None };
    let in_parts = draft.parts.is_some() || engine == Engine::Sqlite;
    table.columns.clone_from(&draft.columns);
    let around = neighbours::surround(dice, &draft, &mut table, children, number);
    statements.extend(around.statements);
    if dice.chance(40) {
        let (start, _) = draft.starts[0];
        let (on, column) = (sql::identifier(&draft.name), sql::identifier(&draft.columns[start].name));
        // Of a long text MariaDB indexes the beginning.
        let length = if engine == Engine::Mariadb && draft.types[start] == "text" { "(10)" } else { "" };
        statements.push(format!("CREATE INDEX \"index {number}\" ON {on} ({column}{length})"));
    }
    let mut written = written;
    if let Some(trigger) = &around.allowed {
        rules::allow(&mut written, trigger);
    }
    let mut bystanders = around.bystanders;
    if let Some((waited, made)) = waits::wait(of_waits, &draft, &mut table, &mut written, number) {
        bystanders.push(waited);
        statements.extend(made);
    }
    if let Some((looked_up, made)) = parents::look_up(of_parents, &draft, world, &mut table, &mut written, number) {
        bystanders.push(looked_up);
        statements.extend(made);
    }
    let list = opt_outs::list(of_opt_outs, &draft, &table, &mut written, &world.pepper, number);
    statements.extend(list.iter().flat_map(|list| list.statements.iter().cloned()));
    let mut goes_along = None;
    if wants_along && let Some((along, made)) = along::along(of_along, of_levels, &draft, &mut table, &mut written, number) {
        goes_along = Some(along);
        statements.extend(made);
    }
    let archived = copies::copied(of_copies, &draft, &mut written);
    let digested = digests::digested(of_digests, &draft, &mut written);
    let toml = file(&written, number);
    table.rules = written.into_iter().map(|written| written.rule).collect();
    let along = goes_along;
    let case =
        Case { statements, toml, number_column: draft.number, types: draft.types, bystanders, list, along, in_parts, archived, digested };
    (case, table)
}

/// The rules of a table as a file.
fn file(written: &[Written], number: usize) -> String {
    let rules = written.iter().map(|written| written.toml.as_str()).collect::<Vec<_>>();
    format!("[policy]\nid = \"case{number}\"\ntitle = \"Case {number}\"\n\n{}", rules.join("\n"))
}
