//! The rows of `demo`: some thousands, realistic enough to be read, and always the same but for their dates.

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use super::HELD_ACCOUNT;
use crate::clock::{Randomness as _, SeededRandomness};

const ACCOUNTS: u32 = 400;
const GIVEN: [&str; 20] = [
    "Ada", "Björn", "Chiara", "Dmitri", "Esra", "Farid", "Greta", "Hana", "Ines", "Jonas", "Kofi", "Lena", "Mats", "Nadia", "Otto",
    "Priya", "Quentin", "Rosa", "Sven", "Tove",
];
const FAMILY: [&str; 20] = [
    "Andersson",
    "Bauer",
    "Costa",
    "Dahl",
    "Eriksen",
    "Fischer",
    "García",
    "Hoxha",
    "Ivanov",
    "Jensen",
    "Kaya",
    "Lindqvist",
    "Moreau",
    "Nowak",
    "Okafor",
    "Petrov",
    "Quist",
    "Rossi",
    "Sato",
    "Tanaka",
];
const PREVIEWS: [&str; 6] = [
    "Your parcel arrives today between 14 and 16.",
    "Reminder: dentist, Tuesday 9:15.",
    "Your code is 418 203. Never share it.",
    "Table for two on Friday is confirmed.",
    "Invoice 2207 is overdue.",
    "Happy birthday from all of us!",
];
const QUESTIONS: [&str; 4] =
    ["Do you ship to Norway?", "Can I change my plan later?", "Please call me back.", "Is there a discount for schools?"];
const EVENTS: [&str; 5] = ["login", "search", "export", "invite", "settings"];
const SECURITY_EVENTS: [&str; 4] = ["login", "login failed", "password changed", "token revoked"];

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// INSERTs for every table, with dates that count back from `now`.
pub fn script(now: Timestamp) -> String {
    let mut dice = Dice(SeededRandomness::new(2030));
    let mut script = String::new();
    let mut insert = |table: &str, rows: Vec<String>| {
        let _ = writeln!(script, "INSERT INTO {table} VALUES\n{};", rows.join(",\n"));
    };
    insert("accounts", (1..=ACCOUNTS).map(|id| account(&mut dice, now, id)).collect());
    insert("usage_logs", (1..=2_400).map(|id| usage(&mut dice, now, id)).collect());
    insert("message_logs", (1..=3_000).map(|id| message(&mut dice, now, id)).collect());
    insert("invoices", (1..=250).map(|id| invoice(&mut dice, now, id)).collect());
    insert("security_logs", (1..=1_500).map(|id| security(&mut dice, now, id)).collect());
    insert("suppressions", (1..=150).map(|id| suppression(&mut dice, now, id)).collect());
    insert("applications", (1..=120).map(|id| application(&mut dice, now, id)).collect());
    insert("contact_forms", (1..=300).map(|id| contact_form(&mut dice, now, id)).collect());
    script
}

/// The e-mail address of an account.
pub fn email(account: u32) -> String {
    let (given, family) = name(account);
    let ascii = |text: &str| text.to_lowercase().replace('ö', "o").replace('í', "i");
    format!("{}.{}{account}@example.com", ascii(given), ascii(family))
}

fn name(account: u32) -> (&'static str, &'static str) {
    let account = account as usize;
    (GIVEN[account * 7 % GIVEN.len()], FAMILY[account * 11 % FAMILY.len()])
}

fn account(dice: &mut Dice, now: Timestamp, id: u32) -> String {
    let (given, family) = name(id);
    let closed_days = match id {
        HELD_ACCOUNT => Some(1_500),
        _ if dice.below(100) < 45 => Some(dice.below(2_100)),
        _ => None,
    };
    let created_days = closed_days.unwrap_or_default() + 30 + dice.below(900);
    let created = iso(dice, now, created_days);
    let closed = closed_days.map_or_else(|| "NULL".to_owned(), |days| iso(dice, now, days));
    format!("({id}, '{given} {family}', '{}', {created}, {closed})", email(id))
}

fn usage(dice: &mut Dice, now: Timestamp, id: u32) -> String {
    let (account, event, days) = (dice.account(), dice.pick(&EVENTS), dice.below(1_100));
    format!("({id}, {account}, '{event}', {})", iso(dice, now, days))
}

fn message(dice: &mut Dice, now: Timestamp, id: u32) -> String {
    let (account, days) = (dice.account(), dice.below(1_000));
    let recipient = format!("+4670{:07}", dice.below(10_000_000));
    let status = if dice.below(20) == 0 { "failed" } else { "delivered" };
    let preview = dice.pick(&PREVIEWS);
    format!("({id}, {account}, '{recipient}', '{preview}', '{status}', {})", dice.instant(now, days).as_millisecond())
}

/// Never the held account's: an invoice would protect it as well, and the hold is what is to be seen.
fn invoice(dice: &mut Dice, now: Timestamp, id: u32) -> String {
    let account = HELD_ACCOUNT + 1 + dice.below(ACCOUNTS - HELD_ACCOUNT);
    let (cents, days) = (990 + 100 * dice.below(400), dice.below(3_400));
    format!("({id}, {account}, {cents}, {})", day(dice, now, days))
}

fn security(dice: &mut Dice, now: Timestamp, id: u32) -> String {
    let (account, event, days) = (dice.account(), dice.pick(&SECURITY_EVENTS), dice.below(500));
    let address = if dice.below(10) == 0 {
        format!("2001:db8:{:x}::{:x}", dice.below(0x1_0000), 1 + dice.below(0xffff))
    } else {
        format!("198.51.{}.{}", dice.below(256), 1 + dice.below(254))
    };
    format!("({id}, {account}, '{address}', '{event}', {})", iso(dice, now, days))
}

fn suppression(dice: &mut Dice, now: Timestamp, id: u32) -> String {
    let days = dice.below(2_500);
    format!("({id}, '{}', {})", dice.hash(), iso(dice, now, days))
}

fn application(dice: &mut Dice, now: Timestamp, id: u32) -> String {
    let (given, family) = name(1_000 + id);
    let days = dice.below(500);
    let decided = if dice.below(6) == 0 { "NULL".to_owned() } else { day(dice, now, days) };
    format!("({id}, '{given} {family}', '{}', {decided})", email(1_000 + id))
}

fn contact_form(dice: &mut Dice, now: Timestamp, id: u32) -> String {
    let (question, days) = (dice.pick(&QUESTIONS), dice.below(730));
    format!("({id}, '{}', '{question}', {})", email(2_000 + id), iso(dice, now, days))
}

fn iso(dice: &mut Dice, now: Timestamp, days: u32) -> String {
    dice.instant(now, days).strftime("'%Y-%m-%d %H:%M:%S'").to_string()
}

fn day(dice: &mut Dice, now: Timestamp, days: u32) -> String {
    dice.instant(now, days).strftime("'%Y-%m-%d'").to_string()
}

/// Chance that repeats itself.
struct Dice(SeededRandomness);

impl Dice {
    /// A number below `bound`.
    fn below(&mut self, bound: u32) -> u32 {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        u32::from_le_bytes(bytes) % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        let length = u32::try_from(from.len()).expect("the lists above are short");
        from[self.below(length) as usize]
    }

    fn account(&mut self) -> u32 {
        1 + self.below(ACCOUNTS)
    }

    /// So many days before `now`, at some time of the day.
    fn instant(&mut self, now: Timestamp, days: u32) -> Timestamp {
        now - DAY * i32::try_from(days).expect("some years") - SignedDuration::from_secs(i64::from(self.below(86_400)))
    }

    fn hash(&mut self) -> String {
        let mut bytes = [0; 32];
        self.0.fill(&mut bytes);
        crate::clock::hex(&bytes)
    }
}
