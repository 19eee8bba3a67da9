//! `retentiond token new`.

use super::{Common, Done, Surroundings, failure::Failure, render};
use crate::config::http::{ROLES, new_token, token_name};

#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Make a token of the API: printed this once, and stored nowhere
    New {
        /// Who will act with it, in the ledger
        name: String,
        /// What it is good for; may be repeated
        #[arg(long, required = true, value_parser = ROLES.map(|(role, _)| role))]
        role: Vec<String>,
        /// When it ends (RFC 3339)
        #[arg(long, value_name = "T")]
        expires: Option<jiff::Timestamp>,
    },
}

pub fn run(common: &Common, surroundings: &Surroundings, command: Command) -> Done {
    let Command::New { name, role, expires } = command;
    let name = token_name(&name).map_err(|why| Failure::Arguments(why.to_owned()))?;
    let (token, hash) = new_token(&*surroundings.randomness);
    let roles: Vec<String> = role.iter().map(|role| format!("\"{role}\"")).collect();
    let expires = expires.map(|expires| format!("expires = \"{expires}\"\n")).unwrap_or_default();
    let block = format!("[[http.tokens]]\nname = \"{name}\"\nroles = [{}]\nhash = \"{hash}\"\n{expires}", roles.join(", "));
    let report = serde_json::json!({ "version": crate::operate::report::VERSION, "token": token, "configuration": block });
    if !common.json(&report)? {
        render::line(&token)?;
        eprintln!("This is the token; it is shown this once. Paste into retentiond.toml, and reload:\n\n{block}");
    }
    Ok(0)
}
