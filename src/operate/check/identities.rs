//! `[[identity]]`: whether the tables are there that tell which kinds of subject belong together.

use serde::Serialize;

use super::Written;
use crate::{
    engine,
    operate::world::World,
    sweep::{
        obstacle::{Obstacle, Reason},
        prepare::Target,
    },
};

/// One identity.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedIdentity {
    pub source: String,
    pub table: String,
    /// Why nobody can be found by it.
    pub blocked: Option<Obstacle>,
    pub place: Option<Written>,
}

/// Looks at the identities of a source.
///
/// # Errors
/// The engine's, where the catalogue can't be read at all.
pub async fn identities(world: &World, target: &Target) -> Result<Vec<CheckedIdentity>, engine::Error> {
    let mut checked = Vec::new();
    let all = world.policies.iter().flat_map(|policy| &policy.identities);
    for identity in all.filter(|identity| identity.source == target.config.name) {
        let refused = |reason, message: String| Some(Obstacle::new(reason, message));
        let table = &identity.table;
        let blocked = match target.engine.inspect(table).await? {
            None => refused(Reason::MissingTable, format!("source `{}` has no table {table}, which an identity names", identity.source)),
            Some(shape) if !shape.privileges.select => {
                refused(Reason::Privileges, format!("this role may not SELECT on {table}, which an identity names"))
            }
            Some(shape) => {
                let missing = identity.columns.iter().find(|(_, column)| shape.column(column).is_none());
                missing.and_then(|(kind, column)| {
                    refused(Reason::MissingColumn, format!("the identity names `{column}` as {kind}, which {table} does not have"))
                })
            }
        };
        let place = blocked.as_ref().and_then(|_| Written::at(&identity.place));
        checked.push(CheckedIdentity { source: identity.source.clone(), table: table.to_string(), blocked, place });
    }
    Ok(checked)
}
