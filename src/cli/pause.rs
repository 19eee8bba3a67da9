//! `retentiond pause` and `retentiond resume`.

use serde::Serialize;
use serde_json::{Value, json};

use super::{
    Common, Done, author,
    failure::Failure,
    remote::{self, Server},
    render,
};
use crate::operate::{
    pause::{self, PauseReport, PauseRequest},
    world::World,
};

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("scope").args(["rules", "source", "all"]).required(true).multiple(true))]
pub struct Args {
    /// Names of rules (`POLICY/RULE`)
    #[arg(value_name = "RULE")]
    rules: Vec<String>,
    /// Every rule of this source; may be repeated
    #[arg(long)]
    source: Vec<String>,
    /// Every rule of every source
    #[arg(long)]
    all: bool,
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Who; a daemon that is asked (--server) knows it by itself
    #[arg(long, value_name = "PERSON")]
    by: Option<String>,
}

impl TryFrom<Args> for PauseRequest {
    type Error = Failure;

    fn try_from(args: Args) -> Result<Self, Failure> {
        Ok(Self { rules: args.rules, sources: args.source, all: args.all, reason: args.reason, by: author(args.by)? })
    }
}

/// Which of the two commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Pause,
    Resume,
}

pub async fn pause(common: &Common, world: &World, args: Args) -> Done {
    let report = pause::pause(world, &args.try_into()?).await?;
    tell(common, &report, &report, Verb::Pause)
}

pub async fn resume(common: &Common, world: &World, args: Args) -> Done {
    let report = pause::resume(world, &args.try_into()?).await?;
    tell(common, &report, &report, Verb::Resume)
}

/// Asks a daemon, which pauses and resumes one thing at a time.
pub async fn ask(common: &Common, server: &Server, args: Args, verb: Verb) -> Done {
    remote::no_other_author(args.by.as_ref())?;
    let what = if verb == Verb::Pause { "pause" } else { "resume" };
    // What is no longer configured can be resumed all the same.
    if verb == Verb::Pause {
        server.chosen(&args.rules).await?;
    }
    let rules = args.rules.iter().map(|rule| remote::of_rule(rule, what)).collect::<Result<Vec<_>, _>>()?;
    let sources = args.source.iter().map(|source| format!("sources/{}/{what}", remote::segment(source)));
    let paths: Vec<String> = args.all.then(|| what.to_owned()).into_iter().chain(sources).chain(rules).collect();
    let mut whole: Option<Value> = None;
    for path in &paths {
        match server.post(path, &json!({ "reason": args.reason })).await {
            Ok(report) => whole = Some(joined(whole, report)),
            Err(error) => {
                if let Some(done) = whole {
                    tell(common, &done, &remote::read(done.clone())?, verb)?;
                }
                return Err(error.into());
            }
        }
    }
    let whole = whole.unwrap_or_default();
    tell(common, &whole, &remote::read(whole.clone())?, verb)
}

/// What two answers say, as one report: the pauses in force are those of the later.
fn joined(earlier: Option<Value>, mut later: Value) -> Value {
    for key in ["changed", "unchanged"] {
        let before = earlier.as_ref().and_then(|earlier| earlier[key].as_array()).cloned().unwrap_or_default();
        if let Some(scopes) = later[key].as_array_mut() {
            scopes.splice(0..0, before);
        }
    }
    later
}

fn tell(common: &Common, whole: &impl Serialize, report: &PauseReport, verb: Verb) -> Done {
    let (changed, unchanged) = match verb {
        Verb::Pause => ("paused", "was paused already"),
        Verb::Resume => ("resumed", "was not paused by itself"),
    };
    if !common.json(whole)? {
        for scope in &report.changed {
            render::line(&format!("{changed} {scope}"))?;
        }
        for scope in &report.unchanged {
            render::line(&format!("{scope} {unchanged}"))?;
        }
        for pause in &report.paused {
            let at = render::instant(Some(pause.at));
            render::line(&format!("in force: {} since {at}, by {}: {}", pause.scope, pause.by, pause.reason))?;
        }
    }
    Ok(0)
}
