//! `--server`: commands that a daemon carries out, by its HTTP API.
//!
//! Each command that the API has takes two ways: `run` here, with a configuration, and `ask` there, with a [`Server`];
//! both print the same reports. `address` reads the URL, `connection` sends one request on one connection, `error` is
//! what may come of it. A command that the API has got is an arm in [`dispatch`] and an `ask` in its file.

mod address;
mod connection;
mod error;

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use axum::http::{Method, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

pub use self::error::Error;
use self::{
    address::Address,
    connection::{Roots, Sent},
};
use super::{Command, Common, Done, approve, failure::Failure, hold, ledger, pause, plan, sweep};
use crate::{
    diagnostic::suggest::did_you_mean,
    operate::overview::{RuleInForce, RulesInForce},
};

/// Where a token is that no file is named for.
const TOKEN: &str = "RETENTIOND_TOKEN";
/// How often one who asks too fast is patient, a second each.
const PATIENCE: u32 = 60;

/// A daemon, and who asks it.
pub struct Server {
    address: Address,
    token: Option<String>,
    roots: Roots,
}

/// Carries a command out there.
pub async fn dispatch(common: &Common, server: &Server, command: Command) -> Done {
    let nowhere = |name: &str| Err(Failure::Remote(Error::not_there(name)));
    match command {
        Command::Plan(args) => plan::ask(common, server, args).await,
        Command::Sweep(args) => sweep::ask(common, server, args).await,
        Command::Approve(args) => approve::ask(common, server, args).await,
        Command::Pause(args) => pause::ask(common, server, args, pause::Verb::Pause).await,
        Command::Resume(args) => pause::ask(common, server, args, pause::Verb::Resume).await,
        Command::Hold(command) => hold::ask(common, server, command).await,
        Command::Ledger(command) => ledger::ask(common, server, command).await,
        Command::Run => nowhere("run"),
        Command::Check(_) => nowhere("check"),
        Command::Explain(_) => nowhere("explain"),
        Command::Archive(_) => nowhere("archive"),
        Command::Source(_) => nowhere("source"),
        Command::Grants(_) => nowhere("grants"),
        Command::State(_) => nowhere("state"),
        Command::Schedule(_) => nowhere("schedule"),
        Command::Demo(_) => nowhere("demo"),
        Command::Token(_) => nowhere("token"),
        Command::Schema(_) => nowhere("schema"),
        Command::Completions(_) => nowhere("completions"),
        Command::Man(_) => nowhere("man"),
    }
}

impl Server {
    /// The daemon at that address. The token comes from the file, or from the environment, and never from the command line, which
    /// every user of a machine can read.
    ///
    /// # Errors
    /// The address or a file can't be used.
    pub fn new(url: &str, token_file: Option<&Path>, ca_file: Option<&Path>) -> Result<Self, Error> {
        let address = url.parse()?;
        let token = match token_file {
            Some(file) => Some(read_token(file)?),
            None => std::env::var(TOKEN).ok().map(|token| token.trim().to_owned()).filter(|token| !token.is_empty()),
        };
        if token.as_ref().is_some_and(|token| !token.bytes().all(|byte| byte.is_ascii_graphic())) {
            return Err(Error::Token("it has characters that no token has".to_owned()));
        }
        Ok(Self { address, token, roots: Roots::new(ca_file) })
    }

    /// What a GET is answered.
    pub async fn get(&self, path: &str) -> Result<Value, Error> {
        self.ask(Method::GET, path, None).await
    }

    /// What a POST is answered.
    pub async fn post(&self, path: &str, body: &Value) -> Result<Value, Error> {
        self.ask(Method::POST, path, Some(body)).await
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
        let path = format!("/api/v1/{path}");
        for _ in 0..PATIENCE {
            let sent = Sent { method: &method, path: &path, body, token: self.token.as_deref() };
            match connection::answer(&self.address, &self.roots, sent).await? {
                answer if answer.status.is_success() => return answer.json(),
                // Nothing was done.
                answer if answer.status == StatusCode::TOO_MANY_REQUESTS => tokio::time::sleep(Duration::from_secs(1)).await,
                answer => return Err(answer.problem(self.token.is_some())),
            }
        }
        Err(Error::TooBusy(self.address.to_string()))
    }

    /// The rules in force of those names, all if none is named.
    ///
    /// # Errors
    /// There is none of that name.
    pub async fn chosen(&self, names: &[String]) -> Result<Vec<RuleInForce>, Failure> {
        let RulesInForce { rules, .. } = read(self.get("rules").await?)?;
        let known = || rules.iter().map(|rule| rule.rule.as_str());
        let named: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        if let Some(unknown) = named.iter().find(|name| !known().any(|rule| rule == **name)) {
            let hint = did_you_mean(unknown, known()).map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(Failure::Arguments(format!("there is no rule `{unknown}`{hint}")));
        }
        if names.is_empty() {
            return Ok(rules);
        }
        let find = |name: &String| rules.iter().find(|rule| rule.rule == *name).cloned();
        Ok(names.iter().filter_map(find).collect())
    }
}

/// The path of something of a rule.
pub fn of_rule(rule: &str, what: &str) -> Result<String, Failure> {
    let (policy, name) =
        rule.split_once('/').ok_or_else(|| Failure::Arguments(format!("there is no rule `{rule}`: a name is `POLICY/RULE`")))?;
    Ok(format!("rules/{}/{}/{what}", segment(policy), segment(name)))
}

/// A text as a part of a path.
pub fn segment(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// What an answer says, as a report of ours.
///
/// # Errors
/// The daemon has a version that says it otherwise.
pub fn read<T: DeserializeOwned>(answer: Value) -> Result<T, Error> {
    serde_json::from_value(answer).map_err(|error| Error::Unreadable(error.to_string()))
}

/// Answers about single rules as the one that the command prints: `{"version": …, "rules": […]}`.
pub fn together(reports: Vec<Value>) -> Value {
    json!({ "version": crate::operate::report::VERSION, "rules": reports })
}

/// The author is whoever's token it is; another can't be named.
///
/// # Errors
/// One is named.
pub fn no_other_author(by: Option<&String>) -> Result<(), Failure> {
    match by {
        None => Ok(()),
        Some(_) => Err(Failure::Arguments(
            "`--by` can't be said to a daemon: it enters whose token asks, or which user of its machine; leave it out".to_owned(),
        )),
    }
}

fn read_token(file: &Path) -> Result<String, Error> {
    let unusable = |why: String| Error::Token(format!("{}: {why}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    let mode = std::fs::metadata(file).map_err(|error| unusable(error.to_string()))?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        return Err(unusable(format!(
            "everybody on this machine may use it (mode {mode:04o}): `chmod 600`, and a new token if it is not new"
        )));
    }
    let token = text.trim();
    if token.is_empty() { Err(unusable("it is empty".to_owned())) } else { Ok(token.to_owned()) }
}
