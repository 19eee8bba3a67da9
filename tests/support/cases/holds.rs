//! Random holds: whom, where, and whether they have been released again.

use super::{
    CASES_A_PACK,
    dice::Dice,
    stock::Stock,
    table::{as_written, subject},
};
use crate::support::oracle::{Hold, Scope, Table};

/// A hold to place, and perhaps to release again.
#[derive(Debug, PartialEq)]
pub struct Order {
    pub hold: Hold,
    /// Arguments of `hold place` that say whom and where.
    pub arguments: Vec<String>,
    pub released: bool,
}

/// Some holds over the tables of a pack.
pub fn orders(dice: &mut Dice, stock: Stock, tables: &[Table]) -> Vec<Order> {
    // One hold everywhere makes every row held whose subject could be anybody's, so most packs go without.
    let everywhere = dice.chance(35);
    // As many for each table in a large pack as in one of the usual size.
    let times = (tables.len() as u64 / CASES_A_PACK).max(1).cast_signed();
    (0..dice.number(3..=6) * times).map(|number| order(dice, stock, tables, everywhere && number == 0)).collect()
}

fn order(dice: &mut Dice, stock: Stock, tables: &[Table], everywhere: bool) -> Order {
    let mut arguments = Vec::new();
    let mut scope = Vec::new();
    let mut needs_subject = true;
    if everywhere {
        scope.push(Scope::Everywhere);
        if dice.chance(50) {
            arguments.extend(["--source".to_owned(), "app".to_owned()]);
        }
    } else {
        needs_subject = !dice.chance(25);
        let table = &tables[dice.index(tables.len())];
        if dice.chance(60) {
            arguments.extend(["--table".to_owned(), format!("app.{}", table.name)]);
            scope.push(Scope::Table(table.name.clone()));
        }
        if scope.is_empty() || dice.chance(15) {
            let category = dice.pick(&table.rules).category;
            // A category that many tables share is never held as a whole: nothing would be left to sweep.
            needs_subject |= category.starts_with("shared");
            arguments.extend(["--category".to_owned(), category.clone()]);
            scope.push(Scope::Category(category));
        }
    }
    let mut subjects = Vec::new();
    if needs_subject {
        for _ in 0..dice.number(1..=4) {
            let kind = dice.pick(&["account", "email", "device", "login", "code"]);
            let value = subject(dice, kind);
            let value = as_written(dice, stock, kind, &value);
            arguments.extend(["--subject".to_owned(), format!("{kind}:{value}")]);
            subjects.push((kind.to_owned(), value));
        }
    }
    Order { hold: Hold { subjects, scope }, arguments, released: dice.chance(25) }
}
