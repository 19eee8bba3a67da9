//! Errors, told once, at the edge, as a person would want to read them.

use super::remote;
use crate::{diagnostic::Diagnostics, operate::world};

/// Why a command ended without its report.
#[derive(Debug)]
pub enum Failure {
    /// Mistakes in the configuration or the rules.
    Mistakes(Diagnostics),
    Use(world::Error),
    /// The command line asks for something that can't be.
    Arguments(String),
    /// A daemon was asked, and this came of it.
    Remote(remote::Error),
    /// The result could not be written.
    Output(std::io::Error),
}

impl From<world::Error> for Failure {
    fn from(error: world::Error) -> Self {
        Self::Use(error)
    }
}

impl From<remote::Error> for Failure {
    fn from(error: remote::Error) -> Self {
        Self::Remote(error)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Output(error)
    }
}

impl Failure {
    /// 1 failed, 2 what was asked is wrong, 3 left undone on purpose.
    pub fn exit_status(&self) -> u8 {
        match self {
            Self::Mistakes(_) | Self::Arguments(_) | Self::Use(world::Error::Asked(_)) => 2,
            Self::Use(world::Error::LeftUndone(_)) => 3,
            Self::Use(world::Error::State(crate::state::Error::UnknownHold(_) | crate::state::Error::AlreadyReleased { .. })) => 2,
            Self::Use(_) => 1,
            Self::Remote(error) => error.exit_status(),
            // A reader that closed its end early, as `head` does, has what it wanted.
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
            Self::Output(_) => 1,
        }
    }

    /// Prints the failure to standard error.
    pub fn tell(&self, colour: bool) {
        match self {
            Self::Mistakes(diagnostics) => eprint!("{}", diagnostics.render(colour)),
            Self::Use(error) => eprintln!("retentiond: {error}"),
            Self::Remote(error) => eprintln!("retentiond: {error}"),
            Self::Arguments(message) => eprintln!("retentiond: {message}"),
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
            Self::Output(error) => eprintln!("retentiond: the result could not be written: {error}"),
        }
    }
}
