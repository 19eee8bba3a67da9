//! What stands around a table: children that refer to its rows, and triggers.

use super::{
    dice::Dice,
    sql::identifier,
    stock::Stock,
    table::{Draft, Engine, name},
};
use crate::support::oracle::{Cell, Row, Table};

/// The surroundings of one table.
pub struct Neighbours {
    /// Statements to run once the table has its rows.
    pub statements: Vec<String>,
    /// Tables that no rule names.
    pub bystanders: Vec<String>,
    /// A trigger that the rules let fire.
    pub allowed: Option<String>,
}

/// Whether a table gets children, which need a key to refer to.
pub fn wants_children(dice: &mut Dice) -> bool {
    dice.chance(15)
}

/// Gives the table children or triggers, and tells the model what they forbid.
pub fn surround(dice: &mut Dice, draft: &Draft, table: &mut Table, children: bool, number: usize) -> Neighbours {
    let mut neighbours = Neighbours { statements: Vec::new(), bystanders: Vec::new(), allowed: None };
    if children {
        neighbours.add_child(dice, draft, table, number);
    } else if dice.chance(12) {
        neighbours.add_trigger(dice, draft, table, number);
    }
    neighbours
}

impl Neighbours {
    fn add_child(&mut self, dice: &mut Dice, draft: &Draft, table: &mut Table, number: usize) {
        let child = name(dice, 1_000 + number);
        // InnoDB takes SET DEFAULT for RESTRICT, so that the engines don't have it alike.
        let set_default = if draft.stock == Stock::Shared { "SET NULL" } else { "SET DEFAULT" };
        let on_delete = dice.pick(&["CASCADE", "SET NULL", set_default, "RESTRICT", "NO ACTION", "RESTRICT", "NO ACTION"]);
        let forbids = matches!(on_delete, "RESTRICT" | "NO ACTION") || (draft.stock == Stock::Mariadb && on_delete == "SET DEFAULT");
        table.delete_drags = !forbids;
        let key = draft.number;
        let parent = format!("{} ({})", identifier(&table.name), identifier(&table.columns[key].name));
        let quoted = identifier(&child);
        self.statements
            .push(format!("CREATE TABLE {quoted} (id bigint, parent bigint DEFAULT NULL REFERENCES {parent} ON DELETE {on_delete})"));
        self.statements.push(format!("INSERT INTO {quoted} VALUES (0, NULL)"));
        for (id, row) in table.rows.iter_mut().enumerate() {
            if dice.chance(25) {
                let parent = row.cells[key].text.as_deref().expect("a key");
                self.statements.push(format!("INSERT INTO {quoted} VALUES ({id}, {parent})"));
                row.referred_to = forbids;
            }
        }
        self.bystanders.push(child);
    }

    fn add_trigger(&mut self, dice: &mut Dice, draft: &Draft, table: &mut Table, number: usize) {
        let event = match dice.number(0..=4) {
            0 | 1 => {
                table.delete_drags = true;
                "DELETE".to_owned()
            }
            2 => {
                table.update_fires = Some(Vec::new());
                "UPDATE".to_owned()
            }
            // On MariaDB every update fires, whatever it changes.
            3 if draft.stock.is_for(Engine::Mariadb) => {
                table.update_fires = Some(Vec::new());
                "UPDATE".to_owned()
            }
            3 => {
                let watched = draft.personal.first().map_or(draft.status, |(column, _)| *column);
                table.update_fires = Some(vec![watched]);
                format!("UPDATE OF {}", identifier(&table.columns[watched].name))
            }
            _ => "INSERT".to_owned(),
        };
        let log = format!("log of {number}");
        let (trigger, on, log_name) = (identifier(&format!("fires {number}")), identifier(&table.name), identifier(&log));
        self.statements.push(format!("CREATE TABLE {log_name} (what text)"));
        let insert = format!("INSERT INTO {log_name} VALUES ('fired')");
        match draft.engine {
            Engine::Sqlite => self.statements.push(format!("CREATE TRIGGER {trigger} AFTER {event} ON {on} BEGIN {insert}; END")),
            Engine::Mariadb => self.statements.push(format!("CREATE TRIGGER {trigger} AFTER {event} ON {on} FOR EACH ROW {insert}")),
            Engine::Postgres => {
                let function = identifier(&format!("fire {number}"));
                self.statements.push(format!(
                    "CREATE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {insert}; RETURN NULL; END $$"
                ));
                self.statements.push(format!("CREATE TRIGGER {trigger} AFTER {event} ON {on} FOR EACH ROW EXECUTE FUNCTION {function}()"));
            }
        }
        if dice.chance(40) {
            // What it writes is its own affair then.
            (table.delete_drags, table.update_fires) = (false, None);
            self.allowed = Some(format!("fires {number}"));
        } else {
            self.bystanders.push(log);
        }
    }
}

/// The statements that make a table and fill it.
pub fn create(draft: &Draft, rows: &[Row]) -> Vec<String> {
    let name = |column: usize| identifier(&draft.columns[column].name);
    let clause = |(column, of): (usize, &String)| format!("{} {}", name(column), draft.stock.sql_type(draft.engine, of));
    let mut clauses = draft.types.iter().enumerate().map(clause).collect::<Vec<_>>();
    if let Some(key) = &draft.table_key {
        let columns = key.iter().map(|column| name(*column)).collect::<Vec<_>>();
        clauses.push(format!("PRIMARY KEY ({})", columns.join(", ")));
    }
    let table = identifier(&draft.name);
    let tail = if draft.without_rowid { " WITHOUT ROWID" } else { "" };
    let cut = draft.parts.map(|parts| parts.clause(draft)).unwrap_or_default();
    let mut statements = vec![format!("CREATE TABLE {table} ({}){tail}{cut}", clauses.join(", "))];
    statements.extend(draft.parts.into_iter().flat_map(|parts| parts.make(draft)));
    for row in rows {
        let value = |(cell, of): (&Cell, &String)| {
            cell.text.as_deref().map_or("NULL".to_owned(), |text| draft.stock.literal(draft.engine, of, text))
        };
        let values = row.cells.iter().zip(&draft.types).map(value).collect::<Vec<_>>();
        statements.push(format!("INSERT INTO {table} VALUES ({})", values.join(", ")));
    }
    statements.extend(draft.parts.into_iter().flat_map(|parts| parts.bequeath(draft)));
    statements
}
