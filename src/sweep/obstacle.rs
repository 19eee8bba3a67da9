//! Why a rule can't be enforced now: the closed sets of outcomes and reasons.
//!
//! A reason is a word for metrics and JSON; beside it stands a sentence for a person, with the way out. A new reason is
//! a variant here; its outcome follows from [`Reason::outcome`].

use serde::Serialize;

/// How a sweep of one rule ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Complete,
    NothingDue,
    /// It goes on later by itself.
    Paused,
    /// It waits for a person.
    Guarded,
    /// It can't be done rightly as things are.
    Refused,
    /// The database said no.
    Failed,
    /// Asked to stop between two batches.
    Interrupted,
}

impl Outcome {
    /// The word in JSON, ledger and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::NothingDue => "nothing_due",
            Self::Paused => "paused",
            Self::Guarded => "guarded",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }
}

/// Why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    // Refused: what a catalogue says.
    MissingTable,
    MissingColumn,
    NotATable,
    RowSecurity,
    Privileges,
    Cascade,
    Trigger,
    StartFormat,
    TimeZone,
    Subject,
    Strategy,
    Condition,
    Competitor,
    NoWay,
    // Refused: what the data say.
    ImplausibleDates,
    // Refused: workspace and state.
    NoWorkspace,
    OneDatabaseTwice,
    // Guarded.
    Approval,
    MaxShare,
    Restored,
    ForeignState,
    StateBehind,
    // Paused.
    Window,
    /// By a person.
    Paused,
    HoldPending,
    AnotherWorker,
    Observe,
    // Failed.
    Connection,
    Database,
    State,
    // Interrupted.
    Shutdown,
}

impl Reason {
    /// The word in JSON, state and metrics.
    pub fn name(self) -> String {
        serde_json::to_value(self).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
    }

    /// The outcome of a sweep that ends for this reason.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Approval | Self::MaxShare | Self::Restored | Self::ForeignState | Self::StateBehind => Outcome::Guarded,
            Self::Window | Self::Paused | Self::HoldPending | Self::AnotherWorker | Self::Observe => Outcome::Paused,
            Self::Connection | Self::Database | Self::State => Outcome::Failed,
            Self::Shutdown => Outcome::Interrupted,
            _ => Outcome::Refused,
        }
    }
}

/// A reason with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    pub reason: Reason,
    pub message: String,
}

impl Obstacle {
    /// The sentence says what is wrong and what would help.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

impl From<crate::engine::Error> for Obstacle {
    fn from(error: crate::engine::Error) -> Self {
        use crate::engine::Error;
        let reason = match &error {
            Error::Connect { .. } | Error::Lost(_) => Reason::Connection,
            Error::NoWorkspace | Error::WorkspaceVersion { .. } => Reason::NoWorkspace,
            Error::ForeignStamp { .. } => Reason::ForeignState,
            Error::GateBusy { .. } => Reason::HoldPending,
            Error::Restored => Reason::Restored,
            Error::Fenced => Reason::AnotherWorker,
            _ => Reason::Database,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<crate::state::Error> for Obstacle {
    fn from(error: crate::state::Error) -> Self {
        let reason = match &error {
            crate::state::Error::LaneBusy { .. } | crate::state::Error::LeaseLost { .. } => Reason::AnotherWorker,
            _ => Reason::State,
        };
        Self::new(reason, error.to_string())
    }
}
