//! `retentiond schema`: JSON Schemas for editors.

use super::{Done, render};
use crate::{config, policy};

#[derive(Debug, clap::Args)]
pub struct Args {
    of: Of,
}

/// Which files the schema is of.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Of {
    /// Rule files
    Rules,
    /// retentiond.toml
    Config,
}

pub fn run(args: &Args) -> Done {
    let schema = match args.of {
        Of::Rules => policy::schema::schema(),
        Of::Config => config::schema::schema(),
    };
    render::line(&format!("{schema:#}"))?;
    Ok(0)
}
