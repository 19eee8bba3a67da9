//! Commands that a daemon carries out (`--server`), and the ways to it: TLS and the socket. A new subject is a file here.

mod commands;
mod mistakes;
mod socket;
mod tls;

use crate::support::{
    binary::{self, Run},
    product::Product,
};

/// When everything here happens: what is printed of it is the same there and here.
const NOW: &str = "2026-06-01T12:00:00Z";

/// Runs a command that asks that daemon, with a token if there is one. It has no configuration.
fn ask(product: &Product, server: &str, token: Option<&String>, line: &str) -> Run {
    let mut command = product.command(line.split_whitespace());
    command.env("RETENTIOND_SERVER", server).env("RETENTIOND_CONFIG", "nowhere.toml");
    if let Some(token) = token {
        command.env("RETENTIOND_TOKEN", token);
    }
    binary::run(&mut command)
}
