//! What goes wrong on a MariaDB or MySQL server, told by its number and never by its words: those are translated.

use sqlx::mysql::MySqlDatabaseError;

use crate::{
    config::{SourceUrl, handshake},
    engine::Error,
};

/// A statement that failed. `?` makes an [`Error`] of it; who must tell one number from another looks first.
#[derive(Debug)]
pub(super) struct Failure {
    /// What was being done, as the beginning of a sentence: "counting".
    pub what: &'static str,
    pub error: sqlx::Error,
}

/// No such database, or table.
pub(super) const MISSING: [u16; 2] = [1049, 1146];

/// No privilege on the database, on the table, or on a column of it.
pub(super) const DENIED: [u16; 3] = [1044, 1142, 1143];

/// No such account, or not with this password, from there, or without a certificate.
const ACCESS_DENIED: u16 = 1045;

/// The lock was not to be had in time; of a row and of a table's definition alike.
pub(super) const LOCK_TIMEOUT: u16 = 1205;

/// A row with such a key is there already.
pub(super) const DUPLICATE: u16 = 1062;

impl Failure {
    /// True if another row might have been taken: NULL or no value where there must be one, a value that does not fit, a key, a
    /// CHECK, or what a trigger says.
    pub fn is_about_a_row(&self) -> bool {
        self.is(&[1048, DUPLICATE, 1216, 1264, 1265, 1292, 1364, 1366, 1406, 1452, 1644, 1690, 3819, 4025])
    }

    /// True if the server answered with one of these numbers.
    pub fn is(&self, numbers: &[u16]) -> bool {
        refusal(&self.error).is_some_and(|refusal| numbers.contains(&refusal.number()))
    }

    /// For statements on the workspace: a missing database or table of it is [`Error::NoWorkspace`]. An account without any
    /// privilege there can't tell one from the other.
    pub fn of_workspace(self) -> Error {
        if self.is(&MISSING) || self.is(&DENIED) { Error::NoWorkspace } else { self.into() }
    }
}

impl From<Failure> for Error {
    fn from(Failure { what, error }: Failure) -> Self {
        match &error {
            sqlx::Error::Database(_) => {
                let Some(refusal) = refusal(&error) else { return Self::Database(what.to_owned()) };
                match refusal.number() {
                    // 1969, 3024: beyond the limit; 1317: KILL QUERY.
                    1317 | 1969 | 3024 => Self::Timeout { what },
                    LOCK_TIMEOUT => Self::LockTimeout,
                    // A deadlock; a row that is not as it was when it was read first.
                    1020 | 1213 => Self::Conflict(words(refusal)),
                    1021 | 1114 => Self::Full(words(refusal)),
                    // Shutdown, KILL, idled beyond a limit.
                    1053 | 1077 | 1079 | 1927 | 4031 => Self::Lost(words(refusal)),
                    _ => Self::Database(words(refusal)),
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
        sqlx::Error::Database(_) => {
            let mut message = refusal(error).map_or_else(|| error.to_string(), words);
            // An account that asks for a certificate is refused like one whose password is wrong.
            if refusal(error).is_some_and(|refusal| refusal.number() == ACCESS_DENIED) && url.tls().certificate_file.is_none() {
                message.push_str(
                    "; if the password is right, the account may ask for TLS, or for a client certificate, which `tls.certificate_file` and \
                     `tls.key_file` name",
                );
            }
            message
        }
        sqlx::Error::Configuration(_) => "the address can't be read".to_owned(),
        sqlx::Error::PoolTimedOut => "the server does not answer".to_owned(),
        other => handshake::words(other),
    }
}

fn refusal(error: &sqlx::Error) -> Option<&MySqlDatabaseError> {
    error.as_database_error()?.try_downcast_ref::<MySqlDatabaseError>()
}

/// Refusals that name databases, tables, columns, keys and accounts in their quotes, and never a value of a row.
const NAMES_ONLY: [u16; 28] = [
    1016, 1044, 1045, 1046, 1048, 1049, 1050, 1051, 1054, 1072, 1091, 1142, 1143, 1146, 1176, 1205, 1213, 1227, 1264, 1265, 1290, 1305,
    1364, 1406, 1451, 1452, 1792, 1969,
];

/// The server's own words, without those that may quote a value of a row.
fn words(refusal: &MySqlDatabaseError) -> String {
    let (number, message) = (refusal.number(), refusal.message());
    let message = match number {
        1644 => "a trigger or procedure raised a condition of its own".to_owned(),
        number if NAMES_ONLY.contains(&number) => message.to_owned(),
        _ => without_quoted(message),
    };
    format!("{message} (error {number})")
}

/// The text with an ellipsis in place of what stands between quotes; up to the last one, for a value may hold quotes.
fn without_quoted(message: &str) -> String {
    match (message.find('\''), message.rfind('\'')) {
        (Some(first), Some(last)) if first < last => format!("{}'…'{}", &message[..first], &message[last + 1..]),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_of_a_row_is_repeated() {
        assert_eq!(without_quoted("Duplicate entry 'o'hara' for key 'PRIMARY'"), "Duplicate entry '…'");
        assert_eq!(without_quoted("Incorrect datetime value: '2024-02-30' for column"), "Incorrect datetime value: '…' for column");
        assert_eq!(without_quoted("Out of memory"), "Out of memory");
    }
}
