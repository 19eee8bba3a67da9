//! The command line: arguments in, a use case called, its report rendered. One command a file.
//!
//! Data go to standard output, everything else to standard error. A new command is a file with its arguments and a
//! `run`, a variant of `Command` and an arm in `Cli::dispatch`; one that a daemon can be asked for (`--server`) has an `ask`
//! beside its `run`, see `remote`.

mod approve;
mod archive;
mod certificate;
mod check;
mod demo;
mod explain;
mod failure;
mod grants;
mod hold;
mod ledger;
mod logging;
mod manual;
mod pause;
mod plan;
mod progress;
mod remote;
mod render;
mod run;
mod schedule;
mod schema;
mod source;
mod state;
mod sweep;
mod token;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand, ValueEnum};

use self::{failure::Failure, logging::LogFormat};
use crate::{
    clock::{SharedClock, SharedRandomness},
    operate::world::World,
};

/// Keeps the promise "we keep your data for N years, then delete or anonymise it".
#[derive(Debug, Parser)]
#[command(name = "retentiond", version, max_term_width = 110)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// The configuration; without it `./retentiond.toml`, then `/etc/retentiond/retentiond.toml`
    #[arg(long, global = true, value_name = "FILE", env = "RETENTIOND_CONFIG")]
    config: Option<PathBuf>,
    /// Ask this daemon instead: `https://HOST:PORT`, `unix:///PATH`, or `http://` on this machine
    #[arg(long, global = true, value_name = "URL", env = "RETENTIOND_SERVER")]
    server: Option<String>,
    /// The token for --server; without it what `RETENTIOND_TOKEN` is in the environment
    #[arg(long, global = true, value_name = "FILE", env = "RETENTIOND_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Authorities (PEM) that --server trusts besides the system's
    #[arg(long, global = true, value_name = "FILE", env = "RETENTIOND_CA_FILE")]
    ca_file: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
    /// When to use colours; `NO_COLOR` is honoured
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    color: Color,
    /// How log lines on standard error are written
    #[arg(long, global = true, value_enum, default_value_t = LogFormat::Text, value_name = "FORMAT")]
    log_format: LogFormat,
}

/// Tables for people, JSON for programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Output {
    Table,
    Json,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The daemon: sweeps on schedule, serves its metrics
    Run,
    /// Everything that can be known before acting: files, connections, privileges, columns, indexes, foreign keys
    Check(check::Args),
    /// What is due, held, protected and undated, and which way a sweep would go; changes nothing
    Plan(plan::Args),
    /// One sweep now
    Sweep(sweep::Args),
    /// One row: what each rule makes of it, who holds it, and when it will go; or what the ledger says, if it is gone
    Explain(explain::Args),
    /// Lets a waiting rule go: as it is now, for the rows that are due now and ten per cent more
    Approve(approve::Args),
    /// Stops rules, sources or everything, from the next batch on until `resume`
    Pause(pause::Args),
    /// Lets go on what was paused
    Resume(pause::Args),
    /// Legal holds
    #[command(subcommand)]
    Hold(hold::Command),
    /// The copies of rows that were archived before they went
    #[command(subcommand)]
    Archive(archive::Command),
    /// The evidence
    #[command(subcommand)]
    Ledger(ledger::Command),
    /// The workspace in each source
    #[command(subcommand)]
    Source(source::Command),
    /// The least privileges that the rules take on each source, as SQL for a DBA
    Grants(grants::Args),
    /// retentiond's own database
    #[command(subcommand)]
    State(state::Command),
    /// The retention schedule as a document, from the rules in force: for a privacy policy, or an auditor
    Schedule(schedule::Args),
    /// The whole of it in one minute, on an embedded database with realistic rows
    Demo(demo::Args),
    /// Tokens of the daemon's API
    #[command(subcommand)]
    Token(token::Command),
    /// JSON Schemas, so that editors complete and check rules and configuration; the API as OpenAPI
    Schema(schema::Args),
    /// The completions of a shell, to be sourced
    Completions(manual::Completions),
    /// The manual
    Man(manual::Man),
}

/// What a command needs of the outside.
#[derive(Clone)]
pub struct Surroundings {
    pub clock: SharedClock,
    pub randomness: SharedRandomness,
}

/// A finished command: its exit status.
type Done = Result<u8, Failure>;

/// Runs the command line of this process.
pub async fn run(surroundings: Surroundings) -> ExitCode {
    let cli = Cli::parse();
    let common = cli.common.clone();
    // A person reads what a command prints; the log is all that the daemon says.
    let filter = if matches!(cli.command, Command::Run) { "info,tokio_cron_scheduler=warn" } else { "warn" };
    logging::start(common.log_format, filter, common.colour_on_stderr());
    match cli.dispatch(surroundings).await {
        Ok(status) => ExitCode::from(status),
        Err(failure) => {
            failure.tell(common.colour_on_stderr());
            ExitCode::from(failure.exit_status())
        }
    }
}

impl Cli {
    async fn dispatch(self, surroundings: Surroundings) -> Done {
        let common = &self.common;
        if !self.command.asks_nobody()
            && let Some(server) = common.daemon()?
        {
            return remote::dispatch(common, &server, self.command).await;
        }
        let acts = self.command.acts();
        let world = || common.world(surroundings.clone()).and_then(|world| if acts { may_act(world) } else { Ok(world) });
        match self.command {
            Command::Run => run::run(world()?).await,
            Command::Check(args) => check::run(common, &world()?, args).await,
            Command::Plan(args) => plan::run(common, world()?, args).await,
            Command::Sweep(args) => sweep::run(common, &world()?, args).await,
            Command::Explain(args) => explain::run(common, world()?, args).await,
            Command::Approve(args) => approve::run(common, &world()?, args).await,
            Command::Pause(args) => pause::pause(common, &world()?, args).await,
            Command::Resume(args) => pause::resume(common, &world()?, args).await,
            Command::Hold(command) => hold::run(common, &world()?, command).await,
            Command::Archive(command) => archive::run(common, &world()?, command).await,
            Command::Ledger(command) => ledger::run(common, &world()?, command).await,
            Command::Source(command) => source::run(common, &world()?, command).await,
            Command::Grants(args) => grants::run(common, &world()?, args).await,
            Command::State(command) => state::run(common, &world()?, command).await,
            Command::Schedule(args) => schedule::run(common, &world()?, args).await,
            Command::Demo(args) => demo::run(common, surroundings, args).await,
            Command::Token(command) => token::run(common, &surroundings, command),
            Command::Schema(args) => schema::run(&args),
            Command::Completions(args) => manual::completions(&args),
            Command::Man(args) => manual::man(&args),
        }
    }
}

impl Command {
    /// Whether neither a configuration nor a daemon has a part in it.
    fn asks_nobody(&self) -> bool {
        matches!(self, Self::Demo(_) | Self::Token(_) | Self::Schema(_) | Self::Completions(_) | Self::Man(_))
    }

    /// Whether it does more than look.
    fn acts(&self) -> bool {
        match self {
            Self::Sweep(args) => args.acts(),
            Self::Approve(_) | Self::Pause(_) | Self::Resume(_) => true,
            Self::Hold(command) => matches!(command, hold::Command::Place(_) | hold::Command::Release { .. }),
            Self::Archive(command) => matches!(command, archive::Command::Restore { .. }),
            Self::State(command) => matches!(command, state::Command::Adopt { .. }),
            // The daemon acts, but nobody by it; a source is made ready by its owner.
            _ => false,
        }
    }
}

/// Whether the configuration leaves acts to the command line.
fn may_act(world: World) -> Result<World, Failure> {
    if world.config.acts_over_api_only {
        let message = "`[access] acts = \"api-only\"` leaves acts to the daemon's API, where roles say who may: ask that (`--server`, docs/api.md), or take \
                       the key out of retentiond.toml for what the API can't do";
        return Err(Failure::Use(crate::operate::world::Error::LeftUndone(message.to_owned())));
    }
    Ok(world)
}

impl Common {
    /// Reads the configuration; warnings go to standard error.
    fn world(&self, surroundings: Surroundings) -> Result<World, Failure> {
        let world = World::load(&self.config_file(), surroundings.clock, surroundings.randomness).map_err(Failure::Mistakes)?;
        if !world.warnings.is_empty() {
            eprint!("{}", world.warnings.render(self.colour_on_stderr()));
        }
        Ok(world)
    }

    /// The daemon to be asked, if there is one.
    fn daemon(&self) -> Result<Option<remote::Server>, Failure> {
        let Some(url) = self.server.as_deref().filter(|url| !url.is_empty()) else { return Ok(None) };
        Ok(Some(remote::Server::new(url, self.token_file.as_deref(), self.ca_file.as_deref())?))
    }

    fn config_file(&self) -> PathBuf {
        const HERE: &str = "retentiond.toml";
        const SYSTEM: &str = "/etc/retentiond/retentiond.toml";
        match &self.config {
            Some(file) => file.clone(),
            None if !PathBuf::from(HERE).exists() && PathBuf::from(SYSTEM).exists() => PathBuf::from(SYSTEM),
            None => PathBuf::from(HERE),
        }
    }

    fn colour_on_stderr(&self) -> bool {
        self.colour(std::io::IsTerminal::is_terminal(&std::io::stderr()))
    }

    fn colour(&self, terminal: bool) -> bool {
        match self.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
        }
    }

    /// Prints a report as JSON if that was asked; `false`: a table is wanted.
    fn json(&self, report: &impl serde::Serialize) -> Result<bool, Failure> {
        if self.output != Output::Json {
            return Ok(false);
        }
        let text = serde_json::to_string_pretty(report).map_err(|error| Failure::Output(error.into()))?;
        render::line(&text)?;
        Ok(true)
    }
}

/// Who acts, of a command that asks no daemon.
fn author(by: Option<String>) -> Result<String, Failure> {
    by.ok_or_else(|| Failure::Arguments("who does this? `--by PERSON` is needed, for the ledger".to_owned()))
}

/// The operating-system user who runs the command.
fn os_user() -> String {
    let id = rustix::process::getuid();
    match std::env::var("USER").or_else(|_| std::env::var("LOGNAME")) {
        Ok(name) if !name.is_empty() => format!("{name} (uid {})", id.as_raw()),
        _ => format!("uid {}", id.as_raw()),
    }
}
