//! Three processes sweep a pack at once and share a state, while their connections are cut, and they are stopped, woken and killed. The
//! leases of two of them last no time at all, so each takes over whatever lane of theirs it comes to, from workers that live; where the
//! third leads, the others join it, and walk parts of its tables: what keeps the laws is not who works where. When all is quiet again, what is left is what the oracle says, and the ledger has each row that went once.

use std::{collections::HashMap, thread, time::Duration};

use rustix::process::Signal;

use super::{Connected, Real};
use crate::support::{
    binary::{Running, start},
    cases::{Pack, dice::Dice},
    database::Database,
    oracle::{Action, Verdict},
    proxy::{Proxy, Target},
};

/// How many seconds the leases of each process last, and where it waits for the others.
const PROCESSES: [(&str, &str); 3] = [("30", "part.taken"), ("0", "claim.before"), ("0", "claim.before")];
/// Those who work in another's sweep.
const JOINED: &str = "SELECT CAST(count(*) AS text) FROM retentiond_state.lane WHERE name LIKE '% #%' AND owner IS NOT NULL";
/// How often all of them sweep side by side.
const ROUNDS: usize = 2;
/// Accidents of a round; then whoever is left goes on undisturbed.
const ACCIDENTS: usize = 60;

/// What came of a pack.
pub struct Shared {
    /// Empty: the processes together and the oracle agree.
    pub disagreements: Vec<String>,
    /// How many sweeps of a rule ended because another process had taken its lane.
    pub overtaken: usize,
    /// In how many rounds somebody worked in another's sweep.
    pub joined: usize,
}

/// Runs a pack of an engine that has a server.
pub fn shared(pack: &Pack, seed: u64) -> Shared {
    let verdicts: Vec<Verdict> = pack.world.tables.iter().map(|table| pack.world.judge(table)).collect();
    let state = Database::create();
    let to_state = Proxy::start(Target::Unix(state.server().socket()));
    let mut to_source = None;
    let mut real = Real::reached(pack, None, &format!("{}&sslmode=disable", state.tcp_url(to_state.port())), |database| {
        let socket = match database {
            Connected::Sqlite(_) => panic!("SQLite has no server"),
            Connected::Postgres(database) => database.server().socket(),
            Connected::Mariadb(database) => database.server().socket(),
        };
        let proxy = to_source.insert(Proxy::start(Target::Unix(socket)));
        match database {
            Connected::Postgres(database) => database.tcp_url(proxy.port()),
            Connected::Mariadb(database) => database.tcp_url(proxy.port()),
            Connected::Sqlite(_) => unreachable!("it has none"),
        }
    });
    let links = [to_source.expect("a proxy"), to_state];
    let before = real.snapshots();
    real.prepare();
    let mut dice = Dice::new(seed ^ 0x5a4e_d000);
    let (mut overtaken, mut joined) = (0, 0);
    for _ in 0..ROUNDS {
        let sweep = |(lease, point): (&str, &str)| {
            let mut order = real.order(&["sweep", "--output", "json"]);
            order.env("RETENTIOND_TEST_LEASE", lease).env("RETENTIOND_TEST_PART", "1");
            let process = start(order.env("RETENTIOND_TEST_POINT", format!("{point}:1:stop")));
            process.stopped();
            process
        };
        // The first has a part of a table; the others have looked at every table, and begin together.
        let processes: Vec<Running> = PROCESSES.map(sweep).into_iter().collect();
        let (first, others) = processes.split_first().expect("three");
        others.iter().for_each(Running::resume);
        // It sleeps on until somebody has joined it, or nobody will.
        let has_company = || state.column(JOINED) != [Some("0".to_owned())];
        let mut is_joined = has_company();
        while !(is_joined || others.iter().all(Running::has_ended)) {
            thread::sleep(Duration::from_millis(5));
            is_joined = has_company();
        }
        joined += usize::from(is_joined);
        first.resume();
        disturb(&processes, &links, &mut dice);
        overtaken += processes.into_iter().map(|process| process.finish().stdout.matches("\"another_worker\"").count()).sum::<usize>();
    }
    real.settle(&verdicts);
    if real.disagreements.is_empty() {
        let after = real.snapshots();
        real.compare_rows(&verdicts, &before, &after);
        real.compare_lists(&verdicts);
        real.compare_archive(&verdicts, &before);
        real.compare_shared_ledger(&verdicts);
    }
    Shared { disagreements: real.disagreements, overtaken, joined }
}

/// What happens to processes and their connections, a few milliseconds after one another.
fn disturb(processes: &[Running], links: &[Proxy; 2], dice: &mut Dice) {
    let mut killed = false;
    for _ in 0..ACCIDENTS {
        if processes.iter().all(Running::has_ended) {
            return;
        }
        thread::sleep(Duration::from_micros(u64::try_from(dice.number(500..=15_000)).unwrap_or_default()));
        let one = &processes[dice.index(PROCESSES.len())];
        match dice.index(8) {
            0 | 1 => one.signal(Signal::STOP),
            2 if dice.chance(30) => links[0].cut_all(),
            3 if dice.chance(10) => links[1].cut_all(),
            4 if dice.chance(10) && !killed => {
                killed = true;
                one.signal(Signal::KILL);
            }
            _ => processes.iter().for_each(Running::resume),
        }
    }
    processes.iter().for_each(Running::resume);
}

impl Real<'_> {
    /// Sweeps until nothing is left that an accident has put off.
    fn settle(&mut self, verdicts: &[Verdict]) {
        let refused = verdicts.iter().any(|verdict| verdict.rules.contains(&None));
        let status = if refused { 3 } else { 0 };
        let mut last = self.command(&["sweep", "--output", "json"]);
        for _ in 0..5 {
            let again = self.command(&["sweep", "--output", "json"]);
            let acted = |rule: (String, serde_json::Value)| rule.1["acted"].as_u64().unwrap_or_default();
            if [Some(status), Some(3)].contains(&again.status) && super::rules_of(&again.json()).into_iter().map(acted).sum::<u64>() == 0 {
                return;
            }
            last = again;
        }
        self.disagree(format!("sweeps came to no end: {:?}\n{}\n{}", last.status, last.stdout, last.stderr));
    }

    /// Whoever took a row, the ledger has it once.
    fn compare_shared_ledger(&mut self, verdicts: &[Verdict]) {
        self.expect(&["ledger", "verify"], 0);
        let Some(exported) = self.expect(&["ledger", "export"], 0) else { return };
        let mut rows: HashMap<String, u64> = HashMap::new();
        for entry in exported.json_lines().iter().filter(|entry| entry["kind"] == "batch_applied") {
            *rows.entry(entry["rule"].as_str().unwrap_or_default().to_owned()).or_default() += entry["rows"].as_u64().unwrap_or_default();
        }
        for (number, (table, verdict)) in self.pack.world.tables.iter().zip(verdicts).enumerate() {
            let gone = verdict.rows.iter().filter(|row| row.is_none()).count() as u64;
            let deletes = table.rules.iter().filter(|rule| matches!(rule.action, Action::Delete));
            let said: u64 = deletes.filter_map(|rule| rows.get(&rule.id)).sum();
            if gone != said {
                self.disagree(format!("law 7: the ledger has {said} rows of case {number} as deleted, the oracle {gone}"));
            }
        }
    }
}
