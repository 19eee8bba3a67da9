//! Triggers. Those that belong to a cascade don't fire here; the cascade itself is refused.

use super::{WHAT, about, read};
use crate::{
    engine::{
        Error,
        mysql::{
            Flavour,
            session::{Transaction, word},
        },
        shape::{Trigger, digest},
    },
    sql::selection::TableRef,
};

/// MariaDB lists, without their bodies, the triggers of every table on which we may do more than read, be it to delete or to
/// change one column: whoever may act sees what would fire. MySQL lists them only for who may make triggers.
///
/// # Errors
/// [`Error::Unsupported`] where they can't be seen.
pub(super) async fn of(transaction: &mut Transaction, table: &TableRef, flavour: Flavour) -> Result<Vec<Trigger>, Error> {
    if flavour == Flavour::MySql && !may_see(transaction, table).await? {
        return Err(Error::Unsupported(format!(
            "the triggers of {}.{} can't be seen without the privilege TRIGGER on it",
            table.schema, table.table
        )));
    }
    let select =
        "SELECT TRIGGER_NAME, EVENT_MANIPULATION, ACTION_TIMING, ACTION_STATEMENT, SQL_MODE, DEFINER FROM information_schema.TRIGGERS";
    let rows = about(transaction, select, ["EVENT_OBJECT_SCHEMA", "EVENT_OBJECT_TABLE"], table, "ORDER BY TRIGGER_NAME").await?;
    read(&rows, |row| {
        let event = word(row, 1)?;
        let parts = [word(row, 0)?, event.clone(), word(row, 2)?, word(row, 3)?, word(row, 4)?, word(row, 5)?];
        Ok(Trigger {
            name: word(row, 0)?,
            // Without the privilege TRIGGER the server shows an empty body.
            digest: (!parts[3].is_empty()).then(|| digest(&parts.join("\n"))),
            on_delete: event == "DELETE",
            on_update: event == "UPDATE",
            on_insert: event == "INSERT",
            update_columns: Vec::new(),
            enabled: true,
        })
    })
}

async fn may_see(transaction: &mut Transaction, table: &TableRef) -> Result<bool, Error> {
    let rows = transaction.ask(WHAT, "SHOW GRANTS").await?;
    Ok(read(&rows, |row| word(row, 0))?.iter().any(|grant| grants_triggers(grant, table)))
}

/// Whether one line of `SHOW GRANTS` is about triggers of the table.
fn grants_triggers(grant: &str, table: &TableRef) -> bool {
    let Some((privileges, rest)) = grant.strip_prefix("GRANT ").and_then(|grant| grant.split_once(" ON ")) else { return false };
    let quote = crate::sql::quote_for_people;
    let places = ["*.* ".to_owned(), format!("{}.* ", quote(&table.schema)), format!("{}.{} ", quote(&table.schema), quote(&table.table))];
    privileges.split(", ").any(|privilege| privilege == "TRIGGER" || privilege == "ALL PRIVILEGES")
        && places.iter().any(|place| rest.starts_with(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_read_as_far_as_it_goes() {
        let table = TableRef { schema: "app".to_owned(), table: "logs".to_owned() };
        for (grant, grants) in [
            ("GRANT ALL PRIVILEGES ON *.* TO `root`@`localhost` WITH GRANT OPTION", true),
            ("GRANT SELECT, TRIGGER ON `app`.* TO `r`@`%`", true),
            ("GRANT SELECT, DELETE, TRIGGER ON `app`.`logs` TO `r`@`%`", true),
            ("GRANT SELECT, TRIGGER ON `app`.`other` TO `r`@`%`", false),
            ("GRANT SELECT ON `app`.* TO `r`@`%`", false),
            ("GRANT `role`@`%` TO `r`@`%`", false),
        ] {
            assert_eq!(grants_triggers(grant, &table), grants, "{grant}");
        }
    }
}
