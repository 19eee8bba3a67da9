//! Another table that rows lead to: dates, periods and subjects are looked up there, of none, one or several rows.

use jiff::Timestamp;

use super::{
    dice::Dice,
    moments,
    rules::{Written, toml},
    sql::identifier,
    table::Draft,
};
use crate::support::oracle::{Date, Elsewhere, Parent, Table, World, calendar::Period};

/// Makes such a table for one case in three, and tells the rules and the model; its name, and the statements that make it.
pub fn look_up(
    dice: &mut Dice,
    draft: &Draft,
    world: &World,
    table: &mut Table,
    written: &mut [Written],
    number: usize,
) -> Option<(String, Vec<String>)> {
    if !dice.chance(35) {
        return None;
    }
    let name = format!("looked \"up\" {number}");
    let on = format!("table = {}, on = {{ {} = \"child's\" }}", toml(&name), toml(&draft.columns[draft.number].name));
    for written in written.iter_mut() {
        written.look_up(dice, &on);
    }
    let quoted = identifier(&name);
    let columns = "id bigint, parent bigint, \"child's\" bigint, at bigint, days bigint, account bigint";
    let mut statements =
        vec![format!("CREATE TABLE {quoted} ({columns})"), format!("INSERT INTO {quoted} VALUES (-1, NULL, NULL, NULL, NULL, NULL)")];
    if dice.chance(50) {
        statements.push(format!("CREATE INDEX \"index up {number}\" ON {quoted} (\"child's\")"));
    }
    let cutoffs = written.iter().filter_map(|written| written.rule.term.as_ref()).flat_map(|term| {
        let at = |period| (term.cutoff(world.now, period), term.zone.clone());
        [at(Period::default())].into_iter().chain(term.periods().map(at))
    });
    let cutoffs: Vec<_> = cutoffs.collect();
    let may_be_unmeant = dice.chance(10);
    let mut id = 0;
    for index in 0..table.rows.len() {
        let value = table.rows[index].cells[draft.number].text.clone();
        // Rows of one number lead to the same.
        if let Some(same) = table.rows[..index].iter().find(|row| row.cells[draft.number].text == value) {
            let parents = same.parents.clone();
            table.rows[index].parents = parents;
            continue;
        }
        let parents: Vec<Parent> = (0..dice.pick(&[0, 1, 1, 1, 1, 1, 2])).map(|_| parent(dice, world, &cutoffs, may_be_unmeant)).collect();
        for parent in &parents {
            let at = match parent.at {
                Date::Missing => "NULL".to_owned(),
                Date::Unmeant => "5".to_owned(),
                Date::At(at) => at.as_second().to_string(),
            };
            let or_null = |number: Option<i64>| number.map_or("NULL".to_owned(), |number| number.to_string());
            let key = value.as_deref().expect("a number");
            statements.push(format!(
                "INSERT INTO {quoted} VALUES ({id}, NULL, {key}, {at}, {}, {})",
                or_null(parent.days),
                or_null(parent.account)
            ));
            id += 1;
        }
        table.rows[index].parents = parents;
    }
    Some((name, statements))
}

fn parent(dice: &mut Dice, world: &World, cutoffs: &[(Timestamp, jiff::tz::TimeZone)], may_be_unmeant: bool) -> Parent {
    let unmeant = may_be_unmeant && dice.chance(2);
    let at = match dice.number(0..=9) {
        0 => Date::Missing,
        _ if unmeant => Date::Unmeant,
        _ => {
            // In whole seconds, and not before what can be meant of them.
            let at = moments::start(dice, world.now, cutoffs).as_second().max(315_532_800);
            Date::At(Timestamp::from_second(at).expect("an instant"))
        }
    };
    let days = if dice.chance(15) { None } else { Some(dice.pick(&[0, 1, 30, 365, 366, 730, -1])) };
    Parent { at, days, account: (!dice.chance(15)).then(|| dice.number(1..=9)) }
}

impl Written {
    /// Lets the rule look something up, if it has anything to look up for.
    fn look_up(&mut self, dice: &mut Dice, on: &str) {
        if dice.chance(60) {
            self.look_up_whose(on);
        }
        let Some(term) = self.rule.term.as_ref().filter(|_| dice.chance(75)) else { return };
        let line = |key: &str| self.toml.lines().find(|line| line.starts_with(&format!("{key} = "))).map(str::to_owned);
        let (Some(start), Some(keep_for)) = (line("start"), line("keep_for")) else { return };
        let (own, kept) = (start["start = ".len()..].to_owned(), keep_for["keep_for = ".len()..].to_owned());
        let date = |more: &str| format!("{{ column = \"at\", {on}, start_format = \"unix_s\", never = []{more} }}");
        let optional = dice.chance(40);
        let more = if optional { ", optional = true" } else { "" };
        let has_ends = term.floor.is_none() && term.from == crate::support::oracle::calendar::StartAt::Start;
        let elsewhere = match dice.number(0..=if has_ends { 9 } else { 6 }) {
            0 | 1 => {
                self.replace(&start, &format!("start = {}", date("")));
                Elsewhere::Start
            }
            2 => {
                self.replace(&start, &format!("start = {{ latest = [{own}, {}] }}", date(more)));
                Elsewhere::Latest { optional }
            }
            3 => {
                self.replace(&start, &format!("start = {{ earliest = [{}, {own}] }}", date("")));
                Elsewhere::Earliest
            }
            4..=6 => {
                let setting = setting(dice, term.period);
                let Elsewhere::Setting { default, min, max, forever } = &setting else { unreachable!("a setting") };
                let bound = |key: &str, period: &Option<Period>| {
                    period.map(|period| format!(", {key} = {}", toml(&iso(period)))).unwrap_or_default()
                };
                let bounds = format!("{}{}{}", bound("default", default), bound("min", min), bound("max", max));
                let keep_for_set = format!("keep_for = {{ column = \"days\", unit = \"days\", {on}, forever = {forever:?}{bounds} }}");
                self.replace(&keep_for, &keep_for_set);
                setting
            }
            7 | 8 => {
                self.ends(&start, &keep_for, &format!("latest = [{{ start = {own}, keep_for = {kept} }}, {}]", date(more)));
                Elsewhere::LaterEnd { optional }
            }
            _ => {
                self.ends(&start, &keep_for, &format!("earliest = [{}, {{ start = {own}, keep_for = {kept} }}]", date("")));
                Elsewhere::EarlierEnd
            }
        };
        self.rule.elsewhere = Some(elsewhere);
    }

    fn replace(&mut self, line: &str, by: &str) {
        self.toml = self.toml.replacen(&format!("{line}\n"), &format!("{by}\n"), 1);
    }

    fn ends(&mut self, start: &str, keep_for: &str, ends: &str) {
        self.replace(keep_for, &format!("ends = {{ {ends} }}"));
        self.toml = self.toml.replacen(&format!("{start}\n"), "", 1);
    }

    /// One more subject, which another table names.
    fn look_up_whose(&mut self, on: &str) {
        let there = format!("account = {{ column = \"account\", {on} }}");
        let Some(line) = self.toml.lines().find(|line| line.starts_with("subject = ")).map(str::to_owned) else { return };
        if line.contains("account = ") {
            return;
        }
        if line == "subject = \"none\"" {
            self.toml = self.toml.replacen(
                "subject = \"none\"\nno_subject_reason = \"a table of machines\"\n",
                &format!("subject = {{ {there} }}\n"),
                1,
            );
        } else {
            self.replace(&line, &line.replacen("{ ", &format!("{{ {there}, "), 1));
        }
        self.rule.subject_elsewhere = Some(self.toml.contains("on_null_subject = \"hold\""));
    }
}

/// Bounds that leave room, and a period without a setting between them.
fn setting(dice: &mut Dice, period: Period) -> Elsewhere {
    let days = |days| Period { days, ..Period::default() };
    let (min, max) = (dice.chance(30).then(|| days(2)), dice.chance(30).then(|| days(500)));
    let within = if min.is_none() && max.is_none() { period } else { days(dice.pick(&[2, 90, 500])) };
    let default = dice.chance(70).then_some(within);
    Elsewhere::Setting { default, min, max, forever: if dice.chance(90) { vec![-1] } else { vec![-1, 0] } }
}

/// A period in ISO 8601.
fn iso(period: Period) -> String {
    let Period { years, months, days, hours } = period;
    format!("P{years}Y{months}M{days}DT{hours}H")
}
