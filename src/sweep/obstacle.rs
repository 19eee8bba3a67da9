//! Why a rule can't be enforced now: the closed sets of outcomes and reasons.
//!
//! A reason is a word for metrics and JSON; beside it stands a sentence for a person, with the way out. A new reason is
//! a variant here; its outcome follows from [`Reason::outcome`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{diagnostic::Place, policy::Rule};

/// An enum whose members can be listed, and are a word each in JSON, ledger and metrics.
macro_rules! closed {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$doc:meta])* $variant:ident,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$doc])* $variant,)+ }

        impl $name {
            /// Every member.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The word in JSON, ledger and metrics.
            pub fn name(self) -> String {
                match self {
                    $(Self::$variant => snake_case(stringify!($variant)),)+
                }
            }
        }
    };
}

fn snake_case(name: &str) -> String {
    let humps = name.char_indices().flat_map(|(at, character)| {
        let hump = at > 0 && character.is_ascii_uppercase();
        hump.then_some('_').into_iter().chain([character.to_ascii_lowercase()])
    });
    humps.collect()
}

closed! {
    /// How a sweep of one rule ended.
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
}

closed! {
    /// Why.
    pub enum Reason {
        // Refused: what a catalogue says.
        MissingTable,
        MissingColumn,
        NotATable,
        RowSecurity,
        Privileges,
        /// The table or its server can't keep what a law promises.
        Unsupported,
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
        /// This machine's clock or the server's is wrong.
        Clock,
        // Paused.
        Window,
        /// By a person.
        Paused,
        HoldPending,
        /// A replica is too far behind, or nobody can tell.
        ReplicaLag,
        AnotherWorker,
        Observe,
        Turn,
        /// This process shared the walk of another, which sweeps the rule.
        Shared,
        // Failed.
        Connection,
        Database,
        State,
        /// The database would not take the opt-outs of some rows, which stay.
        OptOut,
        /// The copies of an archive can't be written, read or published.
        Archive,
        // Interrupted.
        Shutdown,
        Changed,
    }
}

impl Reason {
    /// The outcome of a sweep that ends for this reason.
    pub fn outcome(self) -> Outcome {
        match self {
            Self::Approval | Self::MaxShare | Self::Restored | Self::ForeignState | Self::StateBehind | Self::Clock => Outcome::Guarded,
            Self::Window
            | Self::Paused
            | Self::HoldPending
            | Self::ReplicaLag
            | Self::AnotherWorker
            | Self::Observe
            | Self::Turn
            | Self::Shared => Outcome::Paused,
            Self::Connection | Self::Database | Self::State | Self::OptOut | Self::Archive => Outcome::Failed,
            Self::Shutdown | Self::Changed => Outcome::Interrupted,
            _ => Outcome::Refused,
        }
    }
}

/// A reason with its sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema, Deserialize)]
pub struct Obstacle {
    pub reason: Reason,
    pub message: String,
    /// What in a file it is about, where it is about one value there.
    #[serde(skip)]
    pub place: Option<Place>,
}

impl Obstacle {
    /// The sentence says what is wrong and what would help.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), place: None }
    }

    /// Points at the value of a key of the rule, unless it points at something already.
    pub fn at(self, rule: &Rule, key: &str) -> Self {
        Self { place: self.place.or_else(|| Some(rule.origin.place(key))), ..self }
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
            Error::Unsupported(_) => Reason::Unsupported,
            _ => Reason::Database,
        };
        Self::new(reason, error.to_string())
    }
}

impl From<crate::state::Error> for Obstacle {
    fn from(error: crate::state::Error) -> Self {
        let reason = match &error {
            crate::state::Error::LaneBusy { .. } | crate::state::Error::LeaseLost { .. } => Reason::AnotherWorker,
            crate::state::Error::WalkEnded(_) => Reason::Shared,
            _ => Reason::State,
        };
        Self::new(reason, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_each_is_the_one_in_json() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::json!(reason), reason.name());
        }
        for outcome in Outcome::ALL {
            assert_eq!(serde_json::json!(outcome), outcome.name());
        }
    }
}
