//! What the dice may choose from: all that one engine has, or what the three have alike.
//!
//! The dice see the stock and never the engine. So a pack of the shared stock is one world, whatever it is made on: the same
//! rows, rules, holds and clock. A type in it has one name for the dice; [`SHARED`] says what each engine calls it, where that
//! differs. To add one: its name where a stock is asked for types, and a line there.

use super::{sql::literal, table::Engine};

/// What a pack is drawn from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stock {
    Sqlite,
    Postgres,
    Mariadb,
    /// What holds the same texts, and compares them alike, on every engine.
    Shared,
}

/// Types that the engines call otherwise than the shared stock does: on SQLite, on PostgreSQL, on MariaDB.
const SHARED: &[(&str, [&str; 3])] = &[
    ("timestamptz(6)", ["TEXT", "timestamptz", "timestamp(6) NULL DEFAULT NULL"]),
    ("timestamp(6)", ["DATETIME", "timestamp(6)", "datetime(6)"]),
    ("timestamp", ["DATETIME", "timestamp", "datetime"]),
    ("mark", ["TEXT", "timestamptz", "datetime(6)"]),
    ("json", ["JSON", "jsonb", "json"]),
    ("exact(200)", ["TEXT", "varchar(200)", "varchar(200) COLLATE utf8mb4_nopad_bin"]),
    ("exact(36)", ["VARCHAR(36)", "text", "varchar(36) COLLATE utf8mb4_nopad_bin"]),
    ("folded", ["TEXT COLLATE NOCASE", "text COLLATE \"folded\"", "varchar(100)"]),
    ("char(12)", ["TEXT COLLATE RTRIM", "char(12)", "char(12) COLLATE utf8mb4_bin"]),
];

impl Stock {
    /// All that an engine has.
    pub fn of(engine: Engine) -> Self {
        match engine {
            Engine::Sqlite => Self::Sqlite,
            Engine::Postgres => Self::Postgres,
            Engine::Mariadb => Self::Mariadb,
        }
    }

    /// Whether what is drawn has to suit this engine.
    pub fn is_for(self, engine: Engine) -> bool {
        self == Self::Shared || self == Self::of(engine)
    }

    /// What an engine calls a type of this stock, constraints included.
    pub fn sql_type(self, engine: Engine, name: &str) -> String {
        let (bare, not_null) = name.strip_suffix(" NOT NULL").map_or((name, ""), |bare| (bare, " NOT NULL"));
        match SHARED.iter().find(|(shared, _)| self == Self::Shared && *shared == bare) {
            Some((_, [sqlite, postgres, mariadb])) => {
                let own = match engine {
                    Engine::Sqlite => sqlite,
                    Engine::Postgres => postgres,
                    Engine::Mariadb => mariadb,
                };
                format!("{own}{not_null}")
            }
            None => name.to_owned(),
        }
    }

    /// A value as an engine's INSERT wants it. SQLite's text has to say itself that it is an instant; the others' sessions are
    /// in UTC.
    pub fn literal(self, engine: Engine, name: &str, text: &str) -> String {
        let says_zone = self == Self::Shared && engine == Engine::Sqlite && name == "timestamptz(6)";
        literal(&format!("{text}{}", if says_zone { "Z" } else { "" }))
    }
}

/// A value of the shared stock as each engine's literal has it, in the words that they have in common; `None`: NULL.
pub fn common(name: &str, literal: &str) -> Option<String> {
    if literal == "NULL" {
        return None;
    }
    let text =
        literal.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).map_or(literal.to_owned(), |text| text.replace("''", "'"));
    Some(match name.trim_end_matches(" NOT NULL") {
        "timestamptz(6)" | "timestamp(6)" => {
            // An engine writes as many digits of the second as it likes.
            let text = text.replace('T', " ");
            let text = text.trim_end_matches("+00").trim_end_matches('Z');
            if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text.to_owned() }
        }
        "char(12)" => text.trim_end_matches(' ').to_owned(),
        _ => text,
    })
}

#[test]
fn what_engines_write_otherwise_is_one_value() {
    for (name, literals) in [
        ("timestamptz(6)", ["'2024-02-29 10:00:00.500000Z'", "'2024-02-29 10:00:00.5+00'", "'2024-02-29 10:00:00.500000'"]),
        ("timestamp(6)", ["'2024-02-29T10:00:00'", "'2024-02-29 10:00:00'", "'2024-02-29 10:00:00.000000'"]),
        ("char(12)", ["'c1'", "'c1          '", "'c1'"]),
        ("bigint NOT NULL", ["100", "'100'", "'100'"]),
    ] {
        let [sqlite, postgres, mariadb] = literals.map(|literal| common(name, literal));
        assert!(sqlite.is_some() && sqlite == postgres && postgres == mariadb, "{name}: {sqlite:?}, {postgres:?}, {mariadb:?}");
    }
    assert_ne!(common("timestamptz(6)", "'2024-02-29 10:00:00+00'"), common("timestamptz(6)", "'2024-02-29 10:00:00.000001+00'"));
    assert_ne!(common("text", "'NULL'"), common("text", "NULL"));
    assert_eq!(common("text", "'o''hara'"), Some("o'hara".to_owned()));
}
