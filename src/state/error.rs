//! What goes wrong with the state, and what a person can do about it.

use std::path::PathBuf;

use jiff::Timestamp;

use super::work::Owner;

/// An error of the state. Texts never contain the password of its address.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing is there, or only an empty database.
    #[error(
        "there is no state at {address}; `retentiond source init NAME` creates one, and `retentiond state adopt` does where sources bear the stamp of a lost one"
    )]
    Missing { address: String },
    #[error(
        "the state has version {found}, this retentiond knows versions up to {known}; run the retentiond that wrote it, or a newer one"
    )]
    TooNew { found: i64, known: i64 },
    /// The tables would become what an older daemon can't work with.
    #[error(
        "the state's tables can't be brought up to date while {owner} shares them, whose retentiond {release} is too old for what they would \
         become: stop it first (if it has gone without a word, this is over at {until})"
    )]
    OldMember { owner: Box<Owner>, release: String, until: Timestamp },
    #[error("{path} is on a network file system ({kind}), where SQLite's locks can't be trusted; use a local disk, or a PostgreSQL state", path = path.display())]
    NetworkFileSystem { path: PathBuf, kind: &'static str },
    #[error("the server of the state is a standby, which may lack the latest holds; the state's url must name the primary")]
    Standby,
    #[error("can't open the state at {address}: {message}")]
    Connect { address: String, message: String },
    /// The database of the state said no, with its words.
    #[error("the state's database refuses: {0}")]
    Database(String),
    #[error("what the state's database returned can't be read: {0}; `retentiond ledger verify` tells whether the ledger was changed")]
    Unreadable(String),
    #[error("source \"{0}\" isn't known to the state; `retentiond source init {0}` makes it so")]
    UnknownSource(String),
    #[error("source \"{name}\" is known to the state as another database; `retentiond state adopt` takes the new one over")]
    OtherSource { name: String },
    #[error("there is no hold {0}; `retentiond hold list` shows them")]
    UnknownHold(String),
    #[error("hold {id} was released at {released_at}")]
    AlreadyReleased { id: String, released_at: Timestamp },
    #[error("a subject can't be held: {0}")]
    UnfitSubject(String),
    /// Another process works in the lane.
    #[error("lane {lane} is worked by {owner} until {until} at least")]
    LaneBusy { lane: String, owner: Box<Owner>, until: Timestamp },
    /// Another process took the lane over. Whatever is open there is its to settle.
    #[error("lane {lane} was taken over by another process")]
    LeaseLost { lane: String },
    /// An intent is open where none may be, or none is where one must be: the caller lost track.
    #[error("lane {lane}: {what}")]
    Unsettled { lane: String, what: &'static str },
    /// Whoever led a sweep that is shared has ended it.
    #[error("sweep {0}, which this process shared, has ended")]
    WalkEnded(String),
    /// Those who share a sweep would take more rows together than may go.
    #[error("sweep {sweep} may take {most} rows in all, and its workers would take more")]
    Beyond { sweep: String, most: u64 },
    #[error("there is no sweep {0} that has not ended")]
    UnknownSweep(String),
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
                Self::Unreadable(error.to_string())
            }
            // A transaction that may write, which a standby refuses.
            sqlx::Error::Database(error) if error.code().is_some_and(|code| code == "25006") => Self::Standby,
            sqlx::Error::Database(error) => Self::Database(error.message().to_owned()),
            other => Self::Database(other.to_string()),
        }
    }
}
