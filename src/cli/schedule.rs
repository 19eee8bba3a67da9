//! `retentiond schedule`.

use super::{Common, Done, Failure, Output, render};
use crate::operate::{
    schedule::{self, html, markdown},
    world::World,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// The form of the document; without it Markdown, and JSON with `--output json`
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// The forms of the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Markdown
    Md,
    /// One file of HTML that needs nothing else
    Html,
    /// As `--output json`
    Json,
}

pub async fn run(common: &Common, world: &World, args: Args) -> Done {
    let format = match (args.format, common.output) {
        (Some(Format::Md | Format::Html), Output::Json) => {
            return Err(Failure::Arguments(
                "`--output json` is `--format json`, and can't be another format as well; leave one out".to_owned(),
            ));
        }
        (Some(format), _) => format,
        (None, Output::Json) => Format::Json,
        (None, Output::Table) => Format::Md,
    };
    let report = schedule::schedule(world).await;
    if let Some(why) = &report.unreadable {
        eprintln!("retentiond: the document lacks what the state remembers (holds, last sweeps): {why}");
    }
    let document = match format {
        Format::Md => markdown::render(&report),
        Format::Html => html::render(&report),
        Format::Json => serde_json::to_string_pretty(&report).map_err(|error| Failure::Output(error.into()))?,
    };
    render::line(&document)?;
    Ok(0)
}
