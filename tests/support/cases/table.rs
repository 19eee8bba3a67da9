//! Random tables: columns, rows, keys, and what stands around a table.

use super::{
    dice::Dice,
    moments::{self, Writing},
    parts::Parts,
    personal::Personal,
    stock::Stock,
};
use crate::support::oracle::{Cell, Column, Kind, Row, Term, World, calendar::Moment};

/// The engines that cases run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
    Mariadb,
}

impl Engine {
    /// Every engine that cases run on.
    pub const ALL: [Self; 3] = [Self::Sqlite, Self::Postgres, Self::Mariadb];
}

/// A table on its way: the model's columns with the SQL types beside them.
pub struct Draft {
    /// Whose SQL makes it.
    pub engine: Engine,
    /// What it is drawn from.
    pub stock: Stock,
    pub name: String,
    pub columns: Vec<Column>,
    /// Type and constraints of each column, as the stock calls them.
    pub types: Vec<String>,
    /// Clauses behind the columns: the primary key.
    pub table_key: Option<Vec<usize>>,
    pub without_rowid: bool,
    pub parts: Option<Parts>,
    pub starts: Vec<(usize, Writing)>,
    pub subjects: Vec<(&'static str, usize)>,
    /// Columns that nothing reads and that may be anonymised.
    pub personal: Vec<(usize, Personal)>,
    /// Columns for conditions.
    pub status: usize,
    pub amount: usize,
    /// The row's number in the generator; equal only in rows that are equal in everything.
    pub number: usize,
    pub marks: Vec<usize>,
}

/// Names that a careless quoting breaks on. Each is unique in a table by the number that is put before or behind it.
const NAMES: &[&str] = &[
    "plain",
    "Mixed Case",
    "select",
    "with\"quote",
    "apo'strophe",
    "dot.ted",
    "percent%s",
    "ünïcode",
    "semi;colon",
    "$1",
    "?1",
    "back\\slash",
    "{brace}",
];

/// Every status a row may have; NULL besides.
/// The last of them is nobody's name.
pub const STATES: &[&str] = &["open", "closed", "o'hara", ""];

/// A name that is new in its case.
pub fn name(dice: &mut Dice, number: usize) -> String {
    let name = dice.pick(NAMES);
    if dice.chance(50) { format!("{name}{number}") } else { format!("t{number}{name}") }
}

impl Draft {
    /// Columns at random, in random places.
    pub fn new(dice: &mut Dice, engine: Engine, stock: Stock, name: String) -> Self {
        let mut draft = Self {
            engine,
            stock,
            name,
            columns: Vec::new(),
            types: Vec::new(),
            table_key: None,
            without_rowid: false,
            parts: None,
            starts: Vec::new(),
            subjects: Vec::new(),
            personal: Vec::new(),
            status: 0,
            amount: 0,
            number: 0,
            marks: Vec::new(),
        };
        draft.number = draft.add(dice, Kind::Number, "bigint NOT NULL");
        let status = match stock {
            Stock::Sqlite => "TEXT",
            Stock::Postgres => "text",
            // It may be part of a key, which on MariaDB no `text` can be without a length.
            Stock::Shared => "varchar(20)",
            Stock::Mariadb => dice.pick(&["varchar(20)", "varchar(20) COLLATE utf8mb4_nopad_bin"]),
        };
        draft.status = draft.add(dice, Kind::Text, status);
        draft.amount = draft.add(dice, Kind::Number, "integer");
        for _ in 0..dice.number(1..=2) {
            let writing = dice.pick(Writing::of(stock));
            let sql_type = dice.pick(writing.types(stock));
            let column = draft.add(dice, Kind::Text, sql_type);
            draft.starts.push((column, writing));
        }
        draft.add_subjects(dice);
        for what in Personal::ALL {
            if dice.chance(50) {
                let sql_type = what.sql_type(dice, stock);
                let column = draft.add(dice, Kind::Text, sql_type);
                draft.personal.push((column, what));
            }
        }
        draft.choose_key(dice);
        draft
    }

    fn add(&mut self, dice: &mut Dice, kind: Kind, sql_type: &str) -> usize {
        let number = self.columns.len();
        self.columns.push(Column { name: name(dice, number), kind });
        self.types.push(sql_type.to_owned());
        number
    }

    /// A mark column, added when a rule wants one.
    pub fn add_mark(&mut self, dice: &mut Dice) -> usize {
        let types: &[&str] = match self.stock {
            Stock::Sqlite => &["TEXT", "INTEGER"],
            Stock::Postgres => &["timestamptz", "timestamptz"],
            Stock::Mariadb => &["datetime(6)", "timestamp NULL DEFAULT NULL"],
            Stock::Shared => &["mark"],
        };
        let sql_type = dice.pick(types);
        let column = self.add(dice, Kind::Mark, sql_type);
        self.marks.push(column);
        column
    }

    /// Kinds keep one type in a whole pack, so that a hold everywhere fits every table.
    fn add_subjects(&mut self, dice: &mut Dice) {
        let kinds: &[(&str, Kind, &str)] = match self.stock {
            Stock::Postgres => &[
                ("account", Kind::Number, "bigint"),
                ("email", Kind::Text, "text"),
                ("device", Kind::Uuid, "uuid"),
                ("login", Kind::Folded, "text COLLATE \"folded\""),
                ("code", Kind::Padded, "char(12)"),
            ],
            Stock::Sqlite => &[
                ("account", Kind::Number, "BIGINT"),
                ("email", Kind::Text, "TEXT"),
                ("device", Kind::Text, "VARCHAR(36)"),
                ("login", Kind::Folded, "TEXT COLLATE NOCASE"),
                ("code", Kind::Text, "BLOB"),
            ],
            Stock::Shared => &[
                ("account", Kind::Number, "bigint"),
                ("email", Kind::Text, "exact(200)"),
                ("device", Kind::Text, "exact(36)"),
                ("login", Kind::Folded, "folded"),
                ("code", Kind::Padded, "char(12)"),
            ],
            Stock::Mariadb => &[
                ("account", Kind::Number, "bigint"),
                ("email", Kind::Text, "varchar(200) COLLATE utf8mb4_nopad_bin"),
                ("device", Kind::Uuid, "uuid"),
                ("login", Kind::Folded, "varchar(100)"),
                dice.pick(&[("code", Kind::Padded, "char(12) COLLATE utf8mb4_bin"), ("code", Kind::Text, "varbinary(14)")]),
            ],
        };
        for (kind, compared, sql_type) in kinds {
            if dice.chance(35) {
                let column = self.add(dice, *compared, sql_type);
                self.subjects.push((kind, column));
            }
        }
    }

    fn choose_key(&mut self, dice: &mut Dice) {
        let number = self.number;
        match dice.number(0..=5) {
            0 | 1 => {}
            2 => self.table_key = Some(vec![number]),
            3 => {
                "bigint NOT NULL".clone_into(&mut self.types[self.amount]);
                self.table_key = Some(vec![self.amount, number]);
            }
            4 => {
                let status_type = self.types[self.status].clone();
                self.types[self.status] = format!("{status_type} NOT NULL");
                self.table_key = Some(vec![self.status, number]);
            }
            _ => {
                self.table_key = Some(vec![number]);
                self.without_rowid = self.engine == Engine::Sqlite;
            }
        }
    }

    /// Whether NULL may stand in a column.
    fn nullable(&self, column: usize) -> bool {
        !self.types[column].ends_with("NOT NULL")
    }

    /// Rows for a world's clock and the terms of the table's rules: `unmeant` of them with a start that can't be meant.
    pub fn rows(&self, dice: &mut Dice, world: &World, terms: &[Term], count: usize, unmeant: usize) -> Vec<Row> {
        let cutoff = |term: &Term, period| (term.start, term.cutoff(world.now, period), term.zone.clone());
        let cutoffs = terms.iter().flat_map(|term| term.periods().map(|period| cutoff(term, period))).collect::<Vec<_>>();
        let mut rows: Vec<Row> = Vec::with_capacity(count);
        let bad = (0..unmeant).map(|_| dice.index(count)).collect::<Vec<_>>();
        for number in 0..count {
            // Without a key a table may have the same row twice.
            if self.table_key.is_none() && number > 0 && !bad.contains(&number) && dice.chance(5) {
                rows.push(rows[number - 1].clone());
                continue;
            }
            let mut cells = (0..self.columns.len()).map(|column| self.plain(dice, column, number)).collect::<Vec<_>>();
            for (column, writing) in &self.starts {
                let of_column = cutoffs.iter().filter(|(start, ..)| start == column);
                let periods = of_column.map(|(_, cutoff, zone)| (*cutoff, zone.clone())).collect::<Vec<_>>();
                let never = terms.iter().filter(|term| term.start == *column).flat_map(|term| term.never.clone()).collect::<Vec<_>>();
                let garbage = writing.garbage(self.stock, &self.types[*column]);
                cells[*column] = match dice.number(0..=19) {
                    _ if bad.contains(&number) && !periods.is_empty() && !garbage.is_empty() => {
                        let text = dice.pick(garbage);
                        Cell { text: Some(text.to_owned()), moment: Some(Moment::Unreadable) }
                    }
                    0 => Cell::default(),
                    1 if self.types[*column].to_lowercase().contains("text") => Cell { text: Some(String::new()), moment: None },
                    2 if !never.is_empty() => moments::never(dice.pick(&never)),
                    _ => {
                        let start = moments::start(dice, world.now, &periods);
                        writing.write(dice, &self.types[*column], start, &world.naive)
                    }
                };
            }
            rows.push(Row { cells, referred_to: false, waited_for: false, kept_along: false, held_along: Vec::new(), parents: Vec::new() });
        }
        rows
    }

    /// A value of a column that is no start.
    fn plain(&self, dice: &mut Dice, column: usize, number: usize) -> Cell {
        let text = if column == self.number {
            number.to_string()
        } else if self.nullable(column) && (dice.chance(18) || self.marks.contains(&column)) {
            if self.marks.contains(&column) && dice.chance(20) { self.already_marked(column) } else { return Cell::default() }
        } else if column == self.status {
            dice.pick(STATES).to_owned()
        } else if column == self.amount {
            dice.number(-2..=5).to_string()
        } else if let Some((kind, _)) = self.subjects.iter().find(|(_, of)| *of == column) {
            subject(dice, kind)
        } else if let Some((_, what)) = self.personal.iter().find(|(of, _)| *of == column) {
            what.value(dice, &self.types[column])
        } else {
            return Cell::default();
        };
        Cell { text: Some(text), moment: None }
    }

    fn already_marked(&self, column: usize) -> String {
        let text = match self.types[column].as_str() {
            "INTEGER" => "1",
            "TEXT" | "timestamptz" => "2020-01-01 00:00:00+00",
            _ => "2020-01-01 00:00:00",
        };
        text.to_owned()
    }
}

/// A value of a kind, from few, so that holds meet rows. Case and blanks are as a stored value has them.
pub fn subject(dice: &mut Dice, kind: &str) -> String {
    let number = dice.number(1..=9);
    match kind {
        "account" => number.to_string(),
        "email" => {
            dice.pick(&["a@example.com", "A@example.com", "o'hara@example.com", "ü@example.com", "%", "a_b", "7", "007", "x:y"]).to_owned()
        }
        "device" => format!("00000000-0000-4000-8000-00000000000{number}"),
        "login" => dice.pick(&["ann", "Ann", "ANN", "bob", "Bob", "carol", "dave", "eve", "mallory"]).to_owned(),
        _ => format!("c{number}"),
    }
}

/// The same subject, written as a person might write it when placing a hold.
pub fn as_written(dice: &mut Dice, stock: Stock, kind: &str, value: &str) -> String {
    match kind {
        "device" if !stock.is_for(Engine::Sqlite) && dice.chance(50) => value.to_uppercase(),
        "login" if dice.chance(50) => value.to_uppercase(),
        "code" if stock.is_for(Engine::Mariadb) && dice.chance(20) => format!("{value}  "),
        "account" if dice.chance(20) => format!("0{value}"),
        _ => value.to_owned(),
    }
}
