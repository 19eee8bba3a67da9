//! What goes wrong on a PostgreSQL server, told by its SQLSTATE and never by its words: those are translated.

use sqlx::postgres::PgDatabaseError;

use crate::{
    config::{SourceUrl, handshake},
    engine::Error,
};

/// A statement that failed. `?` makes an [`Error`] of it; who must tell one SQLSTATE from another looks first.
#[derive(Debug)]
pub(super) struct Failure {
    /// What was being done, as the beginning of a sentence: "counting".
    pub what: &'static str,
    pub error: sqlx::Error,
}

impl Failure {
    /// True if the server answered with one of these codes.
    pub fn is(&self, codes: &[&str]) -> bool {
        sqlstate(&self.error).is_some_and(|code| codes.contains(&code.as_str()))
    }

    /// True if another row might have been taken: it is about values (class 22) or a constraint (class 23).
    pub fn is_about_a_row(&self) -> bool {
        sqlstate(&self.error).is_some_and(|code| code.starts_with("22") || code.starts_with("23") || code == "P0001")
    }

    /// For statements on the workspace: a missing table, schema or column of it is [`Error::NoWorkspace`].
    pub fn of_workspace(self) -> Error {
        if self.is(&["42P01", "3F000"]) { Error::NoWorkspace } else { self.into() }
    }
}

impl From<Failure> for Error {
    fn from(Failure { what, error }: Failure) -> Self {
        match &error {
            sqlx::Error::Database(refusal) => {
                let code = refusal.code().unwrap_or_default().into_owned();
                let words = words(refusal.downcast_ref::<PgDatabaseError>());
                match code.as_str() {
                    "57014" => Self::Timeout { what },
                    "55P03" => Self::LockTimeout,
                    "40001" | "40P01" => Self::Conflict(words),
                    "53100" => Self::Full(words),
                    // 57P0x: the server or the session was shut down; 25P03 and 25P04: we idled, or ran, beyond a limit.
                    "25P03" | "25P04" => Self::Lost(words),
                    code if code.starts_with("08") || code.starts_with("57P") => Self::Lost(words),
                    _ => Self::Database(words),
                }
            }
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnIndexOutOfBounds { .. } => {
                Self::Database(format!("{what}: an answer that can't be read"))
            }
            sqlx::Error::Encode(_) => Self::Database(format!("{what}: a value that can't be sent")),
            // Everything else is the connection's: sockets, TLS, the protocol, the pool.
            _ => Self::Lost(format!("{what}: {error}")),
        }
    }
}

/// The message for a person who can't connect. The driver's texts have no password in them.
pub(super) fn connect(error: &sqlx::Error, url: &SourceUrl) -> String {
    match error {
        sqlx::Error::Database(refusal) => {
            let refusal = refusal.downcast_ref::<PgDatabaseError>();
            let mut message = words(refusal);
            // The code of most ways not to be let in.
            if refusal.code() == "28000" && url.tls().certificate_file.is_none() {
                message.push_str("; a client certificate, if it asks for one, is named by `tls.certificate_file` and `tls.key_file`");
            }
            message
        }
        sqlx::Error::Configuration(_) => "the address can't be read".to_owned(),
        sqlx::Error::PoolTimedOut => "the server does not answer".to_owned(),
        other => handshake::words(other),
    }
}

fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error()?.code().map(std::borrow::Cow::into_owned)
}

/// The server's own words, without those that may quote a value of a row.
///
/// DETAIL and HINT are never looked at: they print whole rows. The message itself quotes the value where one can't be
/// read (class 22, always after the last colon), and is whatever a function's author wrote where one raised it.
fn words(refusal: &PgDatabaseError) -> String {
    let code = refusal.code();
    let message = refusal.message();
    let message = match code {
        "P0001" => "a trigger or function raised an exception, whose words are in the server's log",
        _ if code.starts_with("22") => message.split_once(": \"").map_or(message, |(before, _)| before),
        _ => message,
    };
    format!("{message} (SQLSTATE {code})")
}
