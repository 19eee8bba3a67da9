//! What is in columns that may be anonymised, and the strategies that fit them.
//!
//! A new strategy is an arm in [`Personal::strategy`] and [`toml_of`], and one in [`Personal::pair`] if two rules may use
//! it on one column.

use super::{dice::Dice, rules::toml, stock::Stock};
use crate::support::oracle::Strategy;

/// What is in a column that may be anonymised. Nothing but `anonymise` reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Personal {
    Address,
    Mail,
    Phone,
    Note,
    Day,
    Amount,
    Document,
}

impl Personal {
    pub const ALL: [Self; 7] = [Self::Address, Self::Mail, Self::Phone, Self::Note, Self::Day, Self::Amount, Self::Document];

    /// A type for the column.
    pub fn sql_type(self, dice: &mut Dice, stock: Stock) -> &'static str {
        let types: &[&str] = match (self, stock) {
            (Self::Address, Stock::Sqlite) => &["TEXT", "VARCHAR(45)"],
            (Self::Address, Stock::Postgres) => &["text", "inet"],
            (Self::Address, Stock::Mariadb) => &["text", "varchar(45)", "inet4", "inet6"],
            (Self::Address, Stock::Shared) => &["text", "varchar(45)"],
            (Self::Mail, Stock::Mariadb) => &["varchar(90)", "varchar(90) COLLATE utf8mb4_nopad_bin"],
            (Self::Mail, _) => &["varchar(90)"],
            (Self::Phone, _) => &["varchar(20)"],
            (Self::Note, _) => &["text"],
            (Self::Day, Stock::Sqlite) => &["DATE", "DATETIME", "TEXT"],
            (Self::Day, Stock::Postgres) => &["date", "timestamp", "timestamptz", "text"],
            (Self::Day, Stock::Mariadb) => &["date", "datetime", "text"],
            (Self::Day, Stock::Shared) => &["date", "timestamp", "text"],
            (Self::Amount, Stock::Sqlite) => &["integer", "BIGINT", "REAL"],
            (Self::Amount, Stock::Postgres) => &["integer", "bigint", "numeric(8,2)"],
            (Self::Amount, Stock::Mariadb) => &["integer", "bigint", "decimal(8,2)"],
            (Self::Amount, Stock::Shared) => &["integer", "bigint"],
            (Self::Document, Stock::Sqlite) => &["TEXT", "JSON"],
            (Self::Document, Stock::Postgres) => &["jsonb"],
            (Self::Document, Stock::Mariadb) => &["json", "longtext"],
            (Self::Document, Stock::Shared) => &["json"],
        };
        dice.pick(types)
    }

    /// A value, as the database writes one of that type.
    pub fn value(self, dice: &mut Dice, sql_type: &str) -> String {
        let values: &[&str] = match self {
            Self::Address if sql_type == "inet4" => &["10.1.2.3", "10.1.2.0", "192.168.0.255", "10.0.0.0", "255.255.255.255"],
            Self::Address if sql_type == "inet6" => &["2001:db8:1:2:3:4:5:6", "2001:db8::", "::1", "::"],
            Self::Address => {
                &["10.1.2.3", "10.1.2.0", "192.168.0.255", "10.0.0.0", "2001:db8:1:2:3:4:5:6", "2001:db8::", "::1", "255.255.255.255"]
            }
            Self::Mail => &[
                "Ann@Example.com ",
                "bob@example.com",
                "ünal@example.com",
                "c@exämple.com",
                "d***@example.com",
                "gone",
                "",
                "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
            ],
            Self::Phone => &["+46 70 123 45 67", "(030) 12-34", "12345", "1234", "+** ** *** ** 67", "***", "ask at the desk", ""],
            Self::Note => &["a long story", "gone", "", "it's \"quoted\"", "line\nbreak", "null"],
            Self::Day => match sql_type {
                "date" | "DATE" => &["1984-03-17", "2000-01-01", "1999-12-01", "2024-02-29"],
                "timestamp" | "datetime" | "DATETIME" => {
                    &["1984-03-17 23:45:06", "2000-01-01 00:00:00", "1999-12-01 00:00:00", "2024-02-29 00:00:01"]
                }
                // Around the beginnings of months and years, and where clocks change or a day is missing.
                "timestamptz" => &[
                    "1984-03-31 23:45:06+00",
                    "2000-01-01 00:00:00+00",
                    "1999-11-30 23:00:00+00",
                    "2011-12-30 12:00:00+00",
                    "2018-11-04 05:30:00+00",
                    "2018-11-04 12:00:00+00",
                ],
                _ => &["1984-03-17", "2000-01-01 00:00:00", "1999-12-01T10:20:30.456+02:00", "2024-02-29T23:59Z", "in March", ""],
            },
            Self::Amount => match sql_type {
                "REAL" => &["14.5", "25.0", "-14.9", "-15.0", "70.0", "0.5"],
                "numeric(8,2)" | "decimal(8,2)" => &["14.50", "25.00", "-14.99", "-15.00", "70.00", "0.50"],
                _ => &["14", "25", "-14", "-15", "70", "0", "123456"],
            },
            Self::Document if !matches!(sql_type, "jsonb" | "json") && dice.chance(15) => &["{broken", "", "[1,"],
            Self::Document => &[
                r#"{"ip": "10.1.2.3", "user": {"name": "Ann", "email": "ann@example.com"}, "orders": [{"ip": "10.9.8.7"}, {"ip": null}]}"#,
                r#"{"user": {"name": null, "email": "a***@example.com"}, "orders": [{"ip": "10.1.2.0"}, {"ip": "10.1.2.3"}]}"#,
                r#"{"ip": 5, "user": {"email": ["x"]}, "orders": []}"#,
                r#"{"ip": "10.1.2.0", "user": null, "orders": {"ip": "10.1.2.3"}}"#,
                r#"{"user": {"name": "o'hara"}, "orders": [7, {}, {"ip": true}]}"#,
                "{}",
                "[]",
                "\"text\"",
            ],
        };
        dice.pick(values).to_owned()
    }

    /// A strategy for a column of that type.
    pub fn strategy(self, dice: &mut Dice, sql_type: &str) -> Strategy {
        match (self, dice.number(0..=3)) {
            (_, 0) => Strategy::Null,
            (Self::Address, _) => {
                let (v4, v6) = dice.pick(&[(24, 48), (16, 64), (8, 32), (24, 64)]);
                Strategy::TruncateIp { v4, v6 }
            }
            (Self::Mail, 1) => Strategy::Hmac { email: dice.chance(50) },
            (Self::Mail, 2) | (Self::Phone, 1 | 2) => Strategy::Mask,
            // The rule's zone is put in when the rule has one.
            (Self::Day, _) => {
                let zone = (sql_type == "timestamptz").then_some(jiff::tz::TimeZone::UTC);
                Strategy::DateTrunc { unit: dice.pick(&["year", "month", "day"]), zone }
            }
            (Self::Document, _) => {
                let fixed = Strategy::Fixed { value: "it's gone".to_owned(), replace_null: dice.chance(50) };
                let all: [(&[&'static str], Strategy); 4] = [
                    (&["user", "email"], dice.pick(&[Strategy::Mask, Strategy::Hmac { email: true }, fixed.clone()])),
                    (&["user", "name"], dice.pick(&[Strategy::Null, fixed])),
                    (&["ip"], dice.pick(&[Strategy::Null, Strategy::TruncateIp { v4: 16, v6: 48 }])),
                    (&["orders", "*", "ip"], Strategy::TruncateIp { v4: 24, v6: 48 }),
                ];
                let first = dice.index(4);
                let chosen = all.into_iter().enumerate().filter(|(number, _)| *number == first || dice.chance(60));
                Strategy::Json { places: chosen.map(|(_, (path, strategy))| (path.to_vec(), strategy)).collect() }
            }
            (Self::Amount, _) => Strategy::Round { to: dice.pick(&[1, 7, 10, 20, 100]) },
            _ => Strategy::Fixed { value: dice.pick(&["gone", "", "o'hara", "it's \"quoted\""]).to_owned(), replace_null: dice.chance(30) },
        }
    }

    /// Two strategies that may meet on one column: neither undoes what the other has done.
    pub fn pair(self, dice: &mut Dice, sql_type: &str) -> [Strategy; 2] {
        let first = self.strategy(dice, sql_type);
        let second = match &first {
            Strategy::Fixed { value, replace_null: true } => Strategy::Fixed { value: value.clone(), replace_null: dice.chance(50) },
            Strategy::Fixed { value, .. } if dice.chance(50) => Strategy::Fixed { value: value.clone(), replace_null: dice.chance(50) },
            _ if dice.chance(30) => Strategy::Null,
            Strategy::Null | Strategy::Fixed { .. } => Strategy::Null,
            Strategy::Hmac { .. } => Strategy::Hmac { email: dice.chance(50) },
            Strategy::TruncateIp { .. } => Strategy::TruncateIp { v4: dice.pick(&[8, 16, 24]), v6: dice.pick(&[16, 32, 48, 64]) },
            Strategy::DateTrunc { zone, .. } => Strategy::DateTrunc { unit: dice.pick(&["year", "month", "day"]), zone: zone.clone() },
            Strategy::Round { to: 10 | 20 | 100 } => Strategy::Round { to: dice.pick(&[1, 5, 10]) },
            Strategy::Round { to } => Strategy::Round { to: to * dice.pick(&[1, 2, 10]) },
            Strategy::Json { places } => {
                let same = places.iter().filter(|(_, strategy)| matches!(strategy, Strategy::TruncateIp { .. })).cloned();
                Strategy::Json { places: same.chain([(vec!["note"], Strategy::Null)]).collect() }
            }
            Strategy::Mask | Strategy::Random => Strategy::Mask,
        };
        [first, second]
    }

    /// Whether `random` fits.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Mail | Self::Phone | Self::Note)
    }
}

/// A strategy as a rule says it.
pub fn toml_of(dice: &mut Dice, strategy: &Strategy) -> String {
    let bare = |dice: &mut Dice, name: &str| if dice.chance(50) { format!("\"{name}\"") } else { format!("{{ strategy = \"{name}\" }}") };
    match strategy {
        Strategy::Null | Strategy::Random | Strategy::Mask => bare(dice, strategy.name()),
        Strategy::Fixed { value, replace_null } => {
            format!("{{ strategy = \"fixed\", value = {}{} }}", toml(value), if *replace_null { ", replace_null = true" } else { "" })
        }
        Strategy::Hmac { email } => {
            format!("{{ strategy = \"hmac\", key = \"pepper\"{} }}", if *email { ", normalise = \"email\"" } else { "" })
        }
        Strategy::TruncateIp { v4, v6 } => format!("{{ strategy = \"truncate_ip\", v4 = {v4}, v6 = {v6} }}"),
        Strategy::DateTrunc { unit, .. } => format!("{{ strategy = \"date_trunc\", unit = \"{unit}\" }}"),
        Strategy::Round { to } => format!("{{ strategy = \"round\", to = {to} }}"),
        Strategy::Json { places } => {
            let step = |step: &&str| match *step {
                "*" => "[*]".to_owned(),
                "ip" => "[\"ip\"]".to_owned(),
                name => format!(".{name}"),
            };
            let mut written = Vec::new();
            for (path, strategy) in places {
                let path = path.iter().map(step).collect::<String>();
                written.push(format!("{} = {}", toml(&format!("${path}")), toml_of(dice, strategy)));
            }
            format!("{{ strategy = \"json\", paths = {{ {} }} }}", written.join(", "))
        }
    }
}
