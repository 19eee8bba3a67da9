//! `retentiond schema`: JSON Schemas for editors, and the API as OpenAPI.

use super::{Done, render};
use crate::{config, policy, service};

#[derive(Debug, clap::Args)]
pub struct Args {
    of: Of,
}

/// What the schema is of.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    /// Rule files
    Rules,
    /// retentiond.toml
    Config,
    /// The HTTP API: OpenAPI 3.1
    Api,
}

pub fn run(args: &Args) -> Done {
    let schema = match args.of {
        Of::Rules => policy::schema::schema(),
        Of::Config => config::schema::schema(),
        Of::Api => service::openapi(),
    };
    render::line(&format!("{schema:#}"))?;
    Ok(0)
}
