//! Tables in parts: partitions by ranges and by hashes, partitions of partitions, and PostgreSQL's inheritance.
//!
//! To the model they are tables like any other. What decides a row's part is its number, which nothing changes.

use super::{
    dice::Dice,
    sql::identifier,
    table::{Draft, Engine},
};

/// How a table is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parts {
    /// By ranges of the number; on PostgreSQL one part was a table before, with its columns elsewhere.
    Ranges,
    Hashes,
    Nested,
    /// PostgreSQL: children that inherit, one of them from another.
    Heirs,
}

/// Whether a table comes in parts, and in which. MariaDB has no foreign keys to partitions, and PostgreSQL's don't see heirs.
pub fn parts(dice: &mut Dice, engine: Engine, is_referred_to: bool) -> Option<Parts> {
    let wanted = dice.chance(25);
    let parts = dice.pick(&[Parts::Ranges, Parts::Hashes, Parts::Nested, Parts::Heirs]);
    match engine {
        _ if !wanted => None,
        Engine::Sqlite => None,
        Engine::Postgres => Some(parts).filter(|parts| !is_referred_to || *parts != Parts::Heirs),
        Engine::Mariadb => Some(if parts == Parts::Heirs { Parts::Hashes } else { parts }).filter(|_| !is_referred_to),
    }
}

impl Parts {
    /// What stands behind the table's columns.
    pub fn clause(self, draft: &Draft) -> String {
        let by = identifier(&draft.columns[draft.number].name);
        let ranges = "(PARTITION a VALUES LESS THAN (7), PARTITION b VALUES LESS THAN (25), PARTITION c VALUES LESS THAN MAXVALUE)";
        match (draft.engine, self) {
            (Engine::Sqlite, _) | (_, Self::Heirs) => String::new(),
            (Engine::Postgres, Self::Ranges | Self::Nested) => format!(" PARTITION BY RANGE ({by})"),
            (Engine::Postgres, Self::Hashes) => format!(" PARTITION BY HASH ({by})"),
            (Engine::Mariadb, Self::Ranges) => format!(" PARTITION BY RANGE ({by}) {ranges}"),
            (Engine::Mariadb, Self::Hashes) => format!(" PARTITION BY HASH ({by}) PARTITIONS 3"),
            (Engine::Mariadb, Self::Nested) => format!(" PARTITION BY RANGE ({by}) SUBPARTITION BY HASH ({by}) SUBPARTITIONS 2 {ranges}"),
        }
    }

    /// PostgreSQL: what makes the parts, before the table has rows.
    pub fn make(self, draft: &Draft) -> Vec<String> {
        let part = |name: &str| identifier(&format!("{}{name}", draft.name));
        let (table, by) = (part(""), identifier(&draft.columns[draft.number].name));
        if draft.engine != Engine::Postgres {
            return Vec::new();
        }
        let hashes = |of: &str, prefix: &str| -> Vec<String> {
            let hash = |number: u8| {
                let name = part(&format!("{prefix}{number}"));
                format!("CREATE TABLE {name} PARTITION OF {of} FOR VALUES WITH (MODULUS 2, REMAINDER {number})")
            };
            (0..2).map(hash).collect()
        };
        match self {
            Self::Hashes => hashes(&table, " h"),
            Self::Ranges => vec![
                format!("CREATE TABLE {} PARTITION OF {table} FOR VALUES FROM (MINVALUE) TO (7)", part(" a")),
                format!("CREATE TABLE {0} (\"gone \" int, LIKE {table}); ALTER TABLE {0} DROP COLUMN \"gone \"", part(" b")),
                format!("ALTER TABLE {table} ATTACH PARTITION {} FOR VALUES FROM (7) TO (25)", part(" b")),
                format!("CREATE TABLE {} PARTITION OF {table} DEFAULT", part(" c")),
            ],
            Self::Nested => {
                let below =
                    format!("CREATE TABLE {} PARTITION OF {table} FOR VALUES FROM (MINVALUE) TO (15) PARTITION BY HASH ({by})", part(" n"));
                let rest = format!("CREATE TABLE {} PARTITION OF {table} DEFAULT", part(" d"));
                [below, rest].into_iter().chain(hashes(&part(" n"), " n")).collect()
            }
            Self::Heirs => vec![
                format!("CREATE TABLE {} (\"extra \" int) INHERITS ({table})", part(" a")),
                format!("CREATE TABLE {} () INHERITS ({})", part(" b"), part(" a")),
                format!("CREATE TABLE {} () INHERITS ({table})", part(" c")),
            ],
        }
    }

    /// PostgreSQL: what gives heirs their rows, which are all their ancestor's at first.
    pub fn bequeath(self, draft: &Draft) -> Vec<String> {
        if self != Self::Heirs {
            return Vec::new();
        }
        let (table, by) = (identifier(&draft.name), identifier(&draft.columns[draft.number].name));
        let heir = |(number, name): (usize, &str)| {
            let heir = identifier(&format!("{} {name}", draft.name));
            format!("WITH moved AS (DELETE FROM ONLY {table} WHERE {by} % 4 = {number} RETURNING *) INSERT INTO {heir} SELECT * FROM moved")
        };
        ["a", "b", "c"].into_iter().enumerate().map(heir).collect()
    }
}
