//! `retentiond demo`: the whole of it in one minute, on an embedded database.
//!
//! Nothing here is staged: each step is a command line that goes the way of any other, and what it prints is what it
//! prints for everybody. A step is an entry in [`steps`].

use std::{fs, path::PathBuf};

use clap::{Parser as _, builder::PossibleValuesParser};

use super::{Cli, Common, Done, Surroundings, failure::Failure, render};
use crate::{
    operate::{
        demo::{
            self,
            policies::{self, PolicyFiles},
        },
        world::Error,
    },
    policy::Dialect,
};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to play; made anew, and left for you to go on with
    #[arg(default_value = "retentiond-demo")]
    folder: PathBuf,
    /// Play one of the policies in rules/ instead
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(policies::ALL.iter().map(|policy| policy.name)))]
    policy: Option<String>,
    /// Print the policy's schema and rows as SQL, to be piped into a client
    #[arg(long, value_name = "ENGINE", requires = "policy")]
    sql: Option<Engine>,
}

/// Whose SQL is printed.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
    Mariadb,
}

impl Engine {
    fn dialect(self) -> Dialect {
        match self {
            Self::Sqlite => Dialect::Sqlite,
            Self::Postgres => Dialect::Postgres,
            Self::Mariadb => Dialect::Mysql,
        }
    }
}

/// What is said, what somebody does, and the command that follows.
struct Step {
    prose: &'static str,
    deed: Option<fn() -> Result<(), Error>>,
    command: Vec<String>,
    /// The exit status that it has to end with.
    status: u8,
}

pub async fn run(common: &Common, surroundings: Surroundings, args: Args) -> Done {
    if let Some(policy) = args.policy.as_deref().and_then(policies::named) {
        return of_policy(common, surroundings, &args, policy).await;
    }
    demo::prepare(&args.folder, surroundings.clock.now(), &*surroundings.randomness).await?;
    // From here on everything is as in a shell in that folder.
    std::env::set_current_dir(&args.folder)?;
    render::line(&render::prose(INTRODUCTION))?;
    for step in steps() {
        play(common, &surroundings, &step).await?;
    }
    render::line(&format!("{ENDING}\n\n  cd {}\n{NEXT}", args.folder.display()))?;
    Ok(0)
}

/// The same with one policy, or its SQL.
async fn of_policy(common: &Common, surroundings: Surroundings, args: &Args, policy: &'static PolicyFiles) -> Done {
    let now = surroundings.clock.now();
    if let Some(engine) = args.sql {
        render::line(policy.script(engine.dialect(), now)?.trim_end())?;
        return Ok(0);
    }
    policy.prepare(&args.folder, now, &*surroundings.randomness).await?;
    std::env::set_current_dir(&args.folder)?;
    let introduction = format!(
        "A small database of the kind that the policy of {name} is about, with a few rows for each of its promises; rules/{name}.toml says them \
         in a form that can be enforced.",
        name = policy.name
    );
    render::line(&render::prose(&format!("\n{introduction}")))?;
    for step in steps_of(policy) {
        play(common, &surroundings, &step).await?;
    }
    render::line(&format!("\nAll of this is yours to go on with:\n\n  cd {}\n{NEXT}", args.folder.display()))?;
    Ok(0)
}

fn steps_of(policy: &PolicyFiles) -> Vec<Step> {
    let step = |prose, command: &[&str], status| Step {
        prose,
        deed: None,
        command: command.iter().map(|&word| word.to_owned()).collect(),
        status,
    };
    let place = |subject| {
        let command = [
            "hold",
            "place",
            "--matter",
            "Case 2026-17",
            "--subject",
            subject,
            "--reason",
            "litigation",
            "--by",
            "counsel",
            "--accept-uncovered",
        ];
        step("Somebody goes to court, and nothing of theirs may go.", &command, 0)
    };
    let mut steps = vec![
        step("retentiond's own few tables stand beside the data.", &["source", "init", "app"], 0),
        step("What does the policy ask for today?", &["plan"], 0),
    ];
    steps.extend(policy.held().map(place));
    steps.extend([
        step("New rules destroy nothing before a person has looked at them.", &["sweep"], 3),
        step("Now a person has looked.", &["sweep", "--approve"], 0),
        step("What is done stays done.", &["sweep"], 0),
        step("The ledger is a chain of hashes. Does it hold?", &["ledger", "verify"], 0),
    ]);
    steps
}

const INTRODUCTION: &str = "\
An application has a database of some 8,000 rows: accounts, messages, logs, invoices, job applications. Four published \
privacy policies say how long it may keep them; rules/ says the same in a form that can be enforced.";

const ENDING: &str = "\nThe count was changed, and the chain says where. All of this is yours to go on with:";

const NEXT: &str = "  retentiond check                  # what to improve before this meets a real database
  retentiond plan --forecast 12     # what falls due in the coming months
  retentiond ledger show            # who did what, and when";

/// The ledger as a file, for somebody to change.
const EXPORT: &str = "ledger.jsonl";

fn steps() -> Vec<Step> {
    let step = |prose, command: &[&str], status| Step {
        prose,
        deed: None,
        command: command.iter().map(|&word| word.to_owned()).collect(),
        status,
    };
    let held = [format!("account:{}", demo::HELD_ACCOUNT), format!("email:{}", demo::held_email())];
    let [account, email] = held.each_ref().map(String::as_str);
    let row = format!("id={}", demo::HELD_ACCOUNT);
    vec![
        step(
            "retentiond changes a database only where its own few tables stand beside the data: they make a hold binding and \
             a crash harmless.",
            &["source", "init", "app"],
            0,
        ),
        step(
            "What do the policies ask for today? Every row of a table is counted once, from `due` to `done`. An \
             account that has invoices is `protected`: they are kept for seven years, and so it has to stay.",
            &["plan"],
            0,
        ),
        step(
            "Somebody goes to court. Once this has succeeded, no process of retentiond changes a row of that person in any \
             table, whatever the policies say.",
            &[
                "hold",
                "place",
                "--matter",
                "Case 2026-17",
                "--subject",
                account,
                "--subject",
                email,
                "--reason",
                "litigation",
                "--by",
                "counsel",
            ],
            0,
        ),
        step(
            "New rules destroy nothing before a person has looked at them: a sweep says what waits, and changes nothing.",
            &["sweep", "aspinix/accounts"],
            3,
        ),
        step(
            "Now a person has looked. In small batches, each in the ledger before it commits, what is due goes. Previews, \
             telephone numbers and addresses become anonymous earlier than their rows go.",
            &["sweep", "--approve"],
            0,
        ),
        step(
            "What is done stays done: another sweep finds nothing. Of what the person in court has, all is still there.",
            &["sweep", "aspinix/accounts", "aulm/message-log", "aulm/message-preview", "aulm/message-recipient"],
            0,
        ),
        step("Why is it still there? Any row can be asked about.", &["explain", "app.accounts", &row], 0),
        step("The ledger is a chain of hashes, anchored in the application's own database. Does it hold?", &["ledger", "verify"], 0),
        step("It can be given away, and verified by anybody.", &["ledger", "export", "--file", EXPORT], 0),
        Step {
            deed: Some(tamper),
            ..step(
                "Somebody opens that file and lowers the count of the first batch by one, to hide a row.",
                &["ledger", "verify", "--file", EXPORT],
                4,
            )
        },
    ]
}

/// Says what comes, does it, types the command and runs it.
async fn play(common: &Common, surroundings: &Surroundings, step: &Step) -> Result<(), Failure> {
    let colour = common.colour(std::io::IsTerminal::is_terminal(&std::io::stdout()));
    let words = step.command.iter().map(|word| if word.contains(' ') { format!("\"{word}\"") } else { word.clone() });
    let typed = format!("$ retentiond {}", words.collect::<Vec<_>>().join(" "));
    let typed = if colour { format!("\x1b[1m{typed}\x1b[0m") } else { typed };
    render::line(&format!("\n{}\n\n{typed}", render::prose(step.prose)))?;
    if let Some(deed) = step.deed {
        deed()?;
    }
    // The folder's own configuration, whatever the environment says.
    let words = ["retentiond", "--config", "retentiond.toml"].into_iter().chain(step.command.iter().map(String::as_str));
    let cli = Cli::try_parse_from(words).map_err(|error| Failure::Arguments(error.to_string()))?;
    let cli = Cli { common: Common { color: common.color, ..cli.common }, ..cli };
    let status = Box::pin(cli.dispatch(surroundings.clone())).await?;
    if status == step.status {
        return Ok(());
    }
    Err(Failure::Arguments(format!("`{typed}` ended with {status}, and the demo expected {}", step.status)))
}

fn tamper() -> Result<(), Error> {
    let changed = demo::tamper(&fs::read_to_string(EXPORT)?);
    fs::write(EXPORT, changed.ok_or_else(|| Error::Asked("the ledger of the demo has no batch".to_owned()))?)?;
    Ok(())
}
