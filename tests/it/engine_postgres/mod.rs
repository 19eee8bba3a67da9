//! What only PostgreSQL has: its catalogue, its locks, its roles. What every engine promises is in the conformance suite.

mod catalogue;
mod gate;

use std::{path::Path, time::Duration};

use retentiond::{
    config::{Limits, Replicas, SourceUrl},
    engine::{Engine as _, Stamp, postgres::Postgres},
};

use crate::support::database::Database;

/// Limits short enough for a test that runs into them, long enough for a busy machine.
fn limits() -> Limits {
    Limits { lock_timeout: Duration::from_millis(500), statement_timeout: Duration::from_secs(20), ..Limits::default() }
}

async fn connect(url: &str) -> Postgres {
    let url = SourceUrl::parse(url, Path::new("/")).expect("a URL of the harness");
    Postgres::connect("app", &url, "retentiond", limits()).await.expect("a connection")
}

fn stamp() -> Stamp {
    Stamp { state_id: "state-1".to_owned(), source_id: "source-1".to_owned() }
}

/// A database with a workspace: made by its owner with what `grants` prints, and stamped by the daemon's role.
async fn with_workspace() -> (Database<'static>, Postgres) {
    let database = Database::create();
    let owner = connect(&database.url).await;
    let grants = owner.grants(Some("retentiond"), &[], &Replicas::None).await.expect("grants");
    owner.close().await;
    let statements: Vec<String> = grants.steps.into_iter().flat_map(|step| step.statements).collect();
    database.execute(&statements.join(";\n"));
    let engine = connect(&database.retentiond_url).await;
    engine.init_workspace(&stamp()).await.expect("a workspace");
    (database, engine)
}
