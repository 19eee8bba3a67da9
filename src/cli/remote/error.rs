//! What may come of asking a daemon, and the exit status that it has.

use serde::Deserialize;

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("`--server {url}`: {why}")]
    Address { url: String, why: String },
    #[error("the token can't be used: {0}")]
    Token(String),
    #[error("`--ca-file {file}`: {why}")]
    Authorities { file: String, why: String },
    #[error("{what}: do it on the daemon's machine, without `--server` and `RETENTIOND_SERVER`")]
    NotThere { what: String },
    #[error("the daemon at {address} can't be asked: {why}")]
    Away { address: String, why: String },
    #[error("{0} has had too many requests; ask later, and more slowly")]
    TooBusy(String),
    #[error("the daemon's answer can't be read, which takes a program of its version: {0}")]
    Unreadable(String),
    /// What the daemon says is wrong.
    #[error("{problem} ({request}){way_out}")]
    Problem { problem: Problem, request: String, way_out: &'static str },
}

/// RFC 9457.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Problem {
    pub title: String,
    pub status: u16,
    pub detail: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.title.as_str(), self.detail.as_str()) {
            ("", "") => write!(f, "the answer has status {}, and is not of a daemon", self.status),
            (title, "") => f.write_str(title),
            (title, detail) => write!(f, "{title}: {detail}"),
        }
    }
}

impl Error {
    /// A command or an option that the API does not have.
    pub fn not_there(command: &str) -> Self {
        Self::NotThere { what: format!("`{command}` is not in the daemon's API") }
    }

    /// As of the command: 1 failed, 2 what was asked is wrong, 3 left undone on purpose.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Address { .. } | Self::Token(_) | Self::Authorities { .. } | Self::NotThere { .. } => 2,
            Self::Away { .. } | Self::TooBusy(_) | Self::Unreadable(_) => 1,
            Self::Problem { problem: Problem { status, title, .. }, .. } => match status {
                409 if title == "released before" => 2,
                // As `[access] acts = "api-only"`: it is for somebody else to do.
                403 | 409 => 3,
                400..=407 | 410..=499 => 2,
                _ => 1,
            },
        }
    }
}
