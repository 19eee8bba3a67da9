//! `retentiond completions` and `retentiond man`: what shells and `man` know of the command line, made from the command
//! line itself, so that they can't lag behind it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::CommandFactory as _;

use super::{Cli, Done};

/// The shells that completions are made for.
#[derive(Debug, clap::Args)]
pub struct Completions {
    shell: clap_complete::Shell,
}

#[derive(Debug, clap::Args)]
pub struct Man {
    /// Write a page for every command into this folder, which is made; without it the main page goes to standard output
    #[arg(long, value_name = "FOLDER")]
    dir: Option<PathBuf>,
}

/// Prints the script for a shell.
pub fn completions(args: &Completions) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "retentiond", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(0)
}

/// Prints the main page, or writes them all.
pub fn man(args: &Man) -> Done {
    match &args.dir {
        None => clap_mangen::Man::new(Cli::command()).render(&mut std::io::stdout())?,
        Some(folder) => {
            std::fs::create_dir_all(folder)?;
            let mut command = Cli::command();
            // Gives every command its options in common and its full name.
            command.build();
            pages(&command, "retentiond", folder)?;
        }
    }
    Ok(0)
}

fn pages(command: &clap::Command, name: &str, folder: &Path) -> std::io::Result<()> {
    let page = clap_mangen::Man::new(command.clone().display_name(name.to_owned()));
    let mut text = Vec::new();
    page.render(&mut text)?;
    std::fs::write(folder.join(format!("{name}.1")), text)?;
    command
        .get_subcommands()
        .filter(|inner| inner.get_name() != "help")
        .try_for_each(|inner| pages(inner, &format!("{name}-{}", inner.get_name()), folder))
}
