//! Random rules for a table, and their text.

use super::{
    dice::Dice,
    moments,
    personal::toml_of,
    sql::{backticked, identifier, literal},
    stock::Stock,
    table::{Draft, Engine, STATES},
};
use crate::support::oracle::{
    Action, Column, Kind, Rule, Strategy, Subject, Term,
    calendar::{Period, StartAt},
    condition::{Condition, Operator},
};

/// A rule with what its text needs besides the model.
pub struct Written {
    pub rule: Rule,
    pub toml: String,
}

/// What all rules of a table share.
struct Common<'a> {
    draft: &'a Draft,
    /// The zone in which the configuration counts.
    zone: &'a str,
    /// All rules count in it: else the beginnings of days would differ between two that meet.
    one_zone: bool,
    policy: String,
    categories: Vec<String>,
    /// The rules meet as overrides make them meet: most have conditions and floors, and the later ones override the
    /// earlier.
    overriding: bool,
}

/// The rules of a table: some set of deletions, anonymisations and protections.
pub fn rules(dice: &mut Dice, draft: &mut Draft, zone: &str, number: usize) -> Vec<Written> {
    let overriding = dice.chance(30);
    let mut actions = if overriding { overriding_actions(dice, draft) } else { actions(dice, draft) };
    let pair = matches!(actions[..], [Action::Anonymise { .. }, Action::Anonymise { .. }]);
    // What is in a document MariaDB can't be asked, so that a rule that changes some of it has a mark.
    let asks_for_marks = draft.stock.is_for(Engine::Mariadb) && actions.iter().any(changes_documents);
    if pair && (dice.chance(30) || asks_for_marks) {
        // With a mark each, any two may meet.
        for action in &mut actions {
            let Action::Anonymise { columns, mark } = action else { continue };
            for (column, strategy) in columns {
                let what = draft.personal.iter().find(|(personal, _)| personal == column).expect("a personal column").1;
                *strategy = what.strategy(dice, &draft.types[*column]);
            }
            *mark = Some(draft.add_mark(dice));
        }
    } else if !pair {
        mark(dice, draft, &mut actions);
    }
    let categories = vec![format!("category-{number}"), format!("shared-{}", number % 3)];
    let common = Common { draft, zone, one_zone: pair, policy: format!("case{number}"), categories, overriding };
    let mut rules = actions.into_iter().enumerate().map(|(index, action)| common.rule(dice, index, action)).collect::<Vec<_>>();
    if dice.chance(30) {
        let last = rules.len() - 1;
        rules.swap(0, last);
    }
    rules
}

fn actions(dice: &mut Dice, draft: &Draft) -> Vec<Action> {
    let anonymise = |dice: &mut Dice| anonymise(dice, draft, &draft.personal.iter().map(|(column, _)| *column).collect::<Vec<_>>());
    let shape = if draft.personal.is_empty() { dice.number(0..=3) } else { dice.number(0..=9) };
    match shape {
        0 => vec![Action::Delete],
        1 | 2 => vec![Action::Delete, Action::Keep],
        3 => vec![Action::Delete, Action::Delete, Action::Keep],
        4 => vec![anonymise(dice)],
        5 => vec![anonymise(dice), Action::Keep],
        6 | 7 => vec![anonymise(dice), Action::Delete],
        8 => vec![anonymise(dice), Action::Delete, Action::Keep],
        _ => twice(dice, draft),
    }
}

/// Rules of which the later override the earlier.
fn overriding_actions(dice: &mut Dice, draft: &Draft) -> Vec<Action> {
    let anonymise = |dice: &mut Dice| anonymise(dice, draft, &draft.personal.iter().map(|(column, _)| *column).collect::<Vec<_>>());
    let shape = if draft.personal.is_empty() { dice.number(0..=4) } else { dice.number(0..=8) };
    match shape {
        0 => vec![Action::Delete, Action::Delete],
        1 => vec![Action::Keep, Action::Delete],
        2 => vec![Action::Keep, Action::Delete, Action::Delete],
        3 => vec![Action::Delete, Action::Delete, Action::Keep],
        4 => vec![Action::Delete, Action::Keep, Action::Keep, Action::Delete],
        5 => vec![Action::Keep, anonymise(dice)],
        6 => vec![anonymise(dice), Action::Delete, Action::Delete],
        7 => vec![Action::Delete, Action::Keep, anonymise(dice), Action::Delete],
        _ => vec![Action::Keep, anonymise(dice), Action::Delete, Action::Keep],
    }
}

/// Two rules on one column: what they leave does not depend on how often they act.
fn twice(dice: &mut Dice, draft: &Draft) -> Vec<Action> {
    let (column, what) = dice.pick(&draft.personal);
    let only = |strategy| Action::Anonymise { columns: vec![(column, strategy)], mark: None };
    what.pair(dice, &draft.types[column]).into_iter().map(only).collect()
}

/// Anonymises, here and there, a subject of the rule's own.
fn unlink(dice: &mut Dice, subjects: &[Subject], columns: &mut Vec<(usize, Strategy)>, lines: &mut Vec<String>) {
    if subjects.is_empty() || !dice.chance(25) {
        return;
    }
    let subject = dice.pick(subjects);
    let strategy = if subject.kind == "email" { dice.pick(&[Strategy::Null, Strategy::Hmac { email: false }]) } else { Strategy::Null };
    columns.push((subject.column, strategy));
    lines.push("unlinks = true".to_owned());
}

fn anonymise(dice: &mut Dice, draft: &Draft, among: &[usize]) -> Action {
    let mut columns = Vec::new();
    for (column, what) in draft.personal.iter().filter(|(column, _)| among.contains(column)) {
        if columns.is_empty() || dice.chance(60) {
            columns.push((*column, what.strategy(dice, &draft.types[*column])));
        }
    }
    Action::Anonymise { columns, mark: None }
}

fn changes_documents(action: &Action) -> bool {
    matches!(action, Action::Anonymise { columns, .. } if columns.iter().any(|(_, strategy)| is_of_documents(strategy)))
}

fn is_of_documents(strategy: &Strategy) -> bool {
    matches!(strategy, Strategy::Json { .. })
}

/// Gives some rules a mark of their own, and then some of their columns random values.
fn mark(dice: &mut Dice, draft: &mut Draft, actions: &mut [Action]) {
    for action in actions {
        let Action::Anonymise { columns, mark } = action else { continue };
        let asks_for_one = draft.stock.is_for(Engine::Mariadb) && columns.iter().any(|(_, strategy)| is_of_documents(strategy));
        if !dice.chance(25) && !asks_for_one {
            continue;
        }
        *mark = Some(draft.add_mark(dice));
        for (column, strategy) in columns {
            let is_text = draft.personal.iter().any(|(personal, what)| personal == column && what.is_text());
            if is_text && dice.chance(50) {
                *strategy = Strategy::Random;
            }
        }
    }
}

impl Common<'_> {
    fn rule(&self, dice: &mut Dice, index: usize, mut action: Action) -> Written {
        let mut lines = vec![format!("id = {}", toml(&format!("rule{index}")))];
        let category = dice.pick(&self.categories);
        lines.push(format!("category = {}", toml(&category)));
        lines.push("source = \"app\"".to_owned());
        lines.push(format!("table = {}", toml(&self.draft.name)));
        lines.push(format!("action = {}", toml(action_name(dice, &action))));
        let is_keep = matches!(action, Action::Keep);
        let often = if is_keep { 70 } else { 35 };
        let condition = dice.chance(if self.overriding && index > 0 { 95 } else { often }).then(|| condition(dice, self.draft, 2));
        if let Some(condition) = &condition {
            lines.push(format!("where = {}", toml(&sql(condition, self.draft.engine, &self.draft.columns))));
        }
        let tenant = dice.chance(12).then(|| tenant(dice, self.draft, &mut lines));
        let of_tenant = tenant.is_some();
        let condition = match (condition, tenant) {
            (Some(condition), Some(tenant)) => Some(Condition::And(Box::new(condition), Box::new(tenant))),
            (condition, tenant) => condition.or(tenant),
        };
        let overrides = if condition.is_some() { self.overrides(dice, index, &mut lines) } else { Vec::new() };
        let subjects = self.subjects(dice, is_keep, &mut lines);
        if let Action::Anonymise { columns, .. } = &mut action {
            unlink(dice, &subjects, columns, &mut lines);
        }
        let term = (!is_keep || dice.chance(60)).then(|| self.term(dice, &mut lines));
        if let (Action::Anonymise { columns, .. }, Some(term)) = (&mut action, &term) {
            for (_, strategy) in columns {
                if let Strategy::DateTrunc { zone: Some(zone), .. } = strategy {
                    zone.clone_from(&term.zone);
                }
            }
        }
        self.act(dice, &action, &mut lines);
        let observe = dice.chance(7);
        if observe {
            lines.push("mode = \"observe\"".to_owned());
        }
        let rule = Rule {
            id: format!("{}/rule{index}", self.policy),
            category,
            condition,
            subjects,
            term,
            action,
            overrides,
            observe,
            waits: false,
            elsewhere: None,
            subject_elsewhere: None,
            drags_along: false,
            of_tenant,
            fires: false,
        };
        Written { rule, toml: format!("[[rule]]\n{}\n", lines.join("\n")) }
    }

    /// Only rules that were made before, so that there is no circle.
    fn overrides(&self, dice: &mut Dice, index: usize, lines: &mut Vec<String>) -> Vec<String> {
        let chance = if self.overriding { 70 } else { 8 };
        let named = (0..index).filter(|_| dice.chance(chance)).collect::<Vec<_>>();
        if !named.is_empty() {
            let names = named.iter().map(|other| {
                let policy = if dice.chance(50) { format!("{}/", self.policy) } else { String::new() };
                toml(&format!("{policy}rule{other}"))
            });
            lines.push(format!("overrides = [{}]", names.collect::<Vec<_>>().join(", ")));
        }
        named.into_iter().map(|other| format!("{}/rule{other}", self.policy)).collect()
    }

    fn subjects(&self, dice: &mut Dice, is_keep: bool, lines: &mut Vec<String>) -> Vec<Subject> {
        let named = self.draft.subjects.iter().filter(|_| dice.chance(70)).copied().collect::<Vec<_>>();
        if named.is_empty() {
            if !is_keep || dice.chance(50) {
                lines.push("subject = \"none\"\nno_subject_reason = \"a table of machines\"".to_owned());
            }
            return Vec::new();
        }
        let pairs = named.iter().map(|(kind, column)| format!("{kind} = {}", toml(&self.draft.columns[*column].name)));
        lines.push(format!("subject = {{ {} }}", pairs.collect::<Vec<_>>().join(", ")));
        let null_is_held = dice.chance(30);
        if null_is_held {
            lines.push("on_null_subject = \"hold\"".to_owned());
        } else if dice.chance(30) {
            lines.push("on_null_subject = \"nobody\"".to_owned());
        }
        named.into_iter().map(|(kind, column)| Subject { kind: kind.to_owned(), column, null_is_held }).collect()
    }

    fn term(&self, dice: &mut Dice, lines: &mut Vec<String>) -> Term {
        let (start, writing) = dice.pick(&self.draft.starts);
        lines.push(format!("start = {}", toml(&self.draft.columns[start].name)));
        let is_native = |of: &str| ["timestamp", "datetime", "date"].iter().any(|native| of.starts_with(native));
        let native = is_native(&self.draft.types[start]) && self.draft.stock != Stock::Sqlite;
        let is_said = !native || dice.chance(30);
        if is_said || self.draft.engine == Engine::Sqlite {
            lines.push(format!("start_format = {}", toml(writing.format(self.draft.engine))));
        }
        let period = period(dice);
        lines.push(format!("keep_for = {}", toml(&words(dice, period))));
        let floor = dice
            .chance(if self.overriding { 60 } else { 25 })
            .then(|| if dice.chance(50) { period_at_most(dice, period) } else { self::period(dice) });
        if let Some(floor) = floor {
            lines.push(format!("floor = {}", toml(&words(dice, floor))));
        }
        let from = start_at(dice, lines);
        let zone = if !self.one_zone && dice.chance(40) { dice.pick(moments::ZONES) } else { self.zone };
        if zone != self.zone {
            lines.push(format!("timezone = {}", toml(zone)));
        }
        let mut never = Vec::new();
        if dice.chance(40) {
            let all = writing.never(self.draft.stock, &self.draft.types[start]);
            never = all.iter().filter(|_| dice.chance(60)).map(|text| (*text).to_owned()).collect();
            if !never.is_empty() {
                let values = never.iter().map(|text| if writing.is_epoch() { text.clone() } else { toml(text) }).collect::<Vec<_>>();
                lines.push(format!("never = [{}]", values.join(", ")));
            }
        }
        Term { start, period, floor, from, zone: moments::zone(zone), epoch: writing.is_epoch(), never }
    }

    fn act(&self, dice: &mut Dice, action: &Action, lines: &mut Vec<String>) {
        let name = |column: usize| toml(&self.draft.columns[column].name);
        match action {
            Action::Delete => {}
            Action::Keep => lines.push("reason = \"the law says so\"".to_owned()),
            Action::Anonymise { columns, mark } => {
                let pairs = columns.iter().map(|(column, strategy)| format!("{} = {}", name(*column), toml_of(dice, strategy)));
                lines.push(format!("anonymise = {{ {} }}", pairs.collect::<Vec<_>>().join(", ")));
                if let Some(mark) = mark {
                    lines.push(format!("mark = {}", name(*mark)));
                }
            }
        }
    }
}

/// What a table's rows are made for.
pub fn terms(rules: &[Written]) -> Vec<Term> {
    rules.iter().filter_map(|written| written.rule.term.clone()).collect()
}

fn action_name(dice: &mut Dice, action: &Action) -> &'static str {
    match action {
        Action::Delete => "delete",
        Action::Keep => "keep",
        Action::Anonymise { .. } => dice.pick(&["anonymise", "anonymize"]),
    }
}

/// Lets every rule that acts fire a trigger.
pub fn allow(written: &mut [Written], trigger: &str) {
    for written in written.iter_mut().filter(|written| written.rule.action != Action::Keep) {
        written.rule.fires = true;
        written.toml = format!("{}triggers = [{{ name = {}, reason = \"it only writes a log\" }}]\n", written.toml, toml(trigger));
    }
}

/// Only the rows of one tenant: what a comparison in the `where` would say, said in its own key.
fn tenant(dice: &mut Dice, draft: &Draft, lines: &mut Vec<String>) -> Condition {
    let is_number = dice.chance(50);
    let column = if is_number { draft.amount } else { draft.status };
    let value = if is_number { dice.number(-1..=4).to_string() } else { dice.pick(&STATES[..STATES.len() - 1]).to_owned() };
    let is = if is_number && dice.chance(50) { value.clone() } else { toml(&value) };
    lines.push(format!("tenant = {{ column = {}, is = {is} }}", toml(&draft.columns[column].name)));
    Condition::Compare { column, operator: Operator::Equal, value }
}

/// From where the period counts; often from the start.
fn start_at(dice: &mut Dice, lines: &mut Vec<String>) -> StartAt {
    match dice.number(0..=7) {
        0 => {
            lines.push("start_at = \"end_of_month\"".to_owned());
            StartAt::EndOfMonth
        }
        1 => {
            lines.push("start_at = \"end_of_year\"".to_owned());
            let (month, day) = dice.pick(&[(1, 1), (1, 1), (5, 1), (4, 6), (12, 31)]);
            if (month, day) != (1, 1) || dice.chance(50) {
                lines.push(format!("fiscal_year_start = \"{month:02}-{day:02}\""));
            }
            StartAt::EndOfYear { month, day }
        }
        _ => StartAt::Start,
    }
}

fn period(dice: &mut Dice) -> Period {
    let mut period = Period::default();
    match dice.number(0..=11) {
        0..=3 => period.years = small(dice, 1..=7),
        4..=6 => period.months = small(dice, 1..=30),
        7 => period.days = small(dice, 0..=400),
        8 => period.hours = small(dice, 1..=100),
        9 => (period.years, period.months) = (small(dice, 1..=2), small(dice, 1..=11)),
        10 => (period.months, period.days) = (small(dice, 1..=11), small(dice, 1..=40)),
        _ => (period.years, period.months, period.days, period.hours) = (1, small(dice, 0..=11), small(dice, 0..=20), small(dice, 0..=30)),
    }
    period
}

/// A legal minimum that is surely no longer than the period itself.
fn period_at_most(dice: &mut Dice, period: Period) -> Period {
    let part = |dice: &mut Dice, whole: i32| small(dice, 0..=i64::from(whole));
    Period {
        years: part(dice, period.years),
        months: part(dice, period.months),
        days: part(dice, period.days),
        hours: part(dice, period.hours),
    }
}

fn small(dice: &mut Dice, range: std::ops::RangeInclusive<i64>) -> i32 {
    i32::try_from(dice.number(range)).expect("a small number")
}

/// A period in words or in ISO 8601.
fn words(dice: &mut Dice, period: Period) -> String {
    let units = [(period.years, "year", 'Y'), (period.months, "month", 'M'), (period.days, "day", 'D')];
    let there = units.iter().filter(|(count, _, _)| *count > 0);
    if dice.chance(30) {
        let date = there.map(|(count, _, letter)| format!("{count}{letter}")).collect::<String>();
        let time = if period.hours > 0 { format!("T{}H", period.hours) } else { String::new() };
        return if date.is_empty() && time.is_empty() { "P0D".to_owned() } else { format!("P{date}{time}") };
    }
    let mut words = Vec::new();
    for (count, unit, _) in there.chain(std::iter::once(&(period.hours, "hour", 'H')).filter(|(hours, _, _)| *hours > 0)) {
        if *unit == "day" && count % 7 == 0 && dice.chance(50) {
            words.push(format!("{} weeks", count / 7));
        } else {
            words.push(format!("{count} {unit}{}", if *count == 1 { "" } else { "s" }));
        }
    }
    if words.is_empty() { "0 days".to_owned() } else { words.join(" ") }
}

fn condition(dice: &mut Dice, draft: &Draft, depth: u32) -> Condition {
    if depth > 0 && dice.chance(35) {
        let mut inner = || Box::new(condition(dice, draft, depth - 1));
        let (left, right) = (inner(), inner());
        return match dice.number(0..=2) {
            0 => Condition::And(left, right),
            1 => Condition::Or(left, right),
            _ => Condition::Not(left),
        };
    }
    let column = if dice.chance(50) { draft.status } else { draft.amount };
    let value = |dice: &mut Dice| if column == draft.status { dice.pick(STATES).to_owned() } else { dice.number(-1..=4).to_string() };
    match dice.number(0..=5) {
        0 => Condition::IsNull(column),
        1 => Condition::OneOf { column, values: vec![value(dice), value(dice)] },
        2 if column == draft.amount => Condition::Compare { column, operator: Operator::Less, value: value(dice) },
        3 if column == draft.amount => Condition::Compare { column, operator: Operator::AtLeast, value: value(dice) },
        4 => Condition::Compare { column, operator: Operator::Equal, value: value(dice) },
        _ => Condition::Compare { column, operator: Operator::Unequal, value: value(dice) },
    }
}

/// A condition in the SQL that the engines share, but for the quotes around names.
fn sql(condition: &Condition, engine: Engine, columns: &[Column]) -> String {
    let name = |column: &usize| match engine {
        Engine::Sqlite | Engine::Postgres => identifier(&columns[*column].name),
        Engine::Mariadb => backticked(&columns[*column].name),
    };
    let constant = |column: &usize, value: &str| if columns[*column].kind == Kind::Number { value.to_owned() } else { literal(value) };
    match condition {
        Condition::Compare { column, operator, value } => {
            let operator = match operator {
                Operator::Equal => "=",
                Operator::Unequal => "<>",
                Operator::Less => "<",
                Operator::AtLeast => ">=",
            };
            format!("{} {operator} {}", name(column), constant(column, value))
        }
        Condition::OneOf { column, values } => {
            let values = values.iter().map(|value| constant(column, value)).collect::<Vec<_>>();
            format!("{} IN ({})", name(column), values.join(", "))
        }
        Condition::IsNull(column) => format!("{} IS NULL", name(column)),
        Condition::Not(inner) => format!("NOT ({})", sql(inner, engine, columns)),
        Condition::And(left, right) => format!("({}) AND ({})", sql(left, engine, columns), sql(right, engine, columns)),
        // Without parentheses of its own: whoever joins it with something else must put them.
        Condition::Or(left, right) => format!("{} OR {}", sql(left, engine, columns), sql(right, engine, columns)),
    }
}

/// A text as a TOML string, which escapes as JSON does.
pub fn toml(text: &str) -> String {
    serde_json::json!(text).to_string()
}
