//! What every use case stands on: the configuration with its rules, the clock, and the ways to state and sources.

use std::{path::Path, sync::Arc};

use crate::{
    clock::{Clock, SharedClock, SharedRandomness, random_hex},
    config::{self, Config},
    diagnostic::Diagnostics,
    engine,
    policy::{Policy, Rule},
    state::{self, State},
    sweep::prepare::Target,
};

/// Everything that was configured.
pub struct World {
    pub config: Config,
    pub rules: Vec<Rule>,
    /// What they come from.
    pub policies: Vec<Policy>,
    /// What the files say that is allowed but probably not meant.
    pub warnings: Diagnostics,
    pub clock: SharedClock,
    pub randomness: SharedRandomness,
}

/// Why a use case could not be carried out at all.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    State(#[from] state::Error),
    #[error("{0}")]
    Engine(#[from] engine::Error),
    /// The command line names something that does not exist, or lacks something.
    #[error("{0}")]
    Asked(String),
    /// Not now, on purpose; the message says what to do.
    #[error("{0}")]
    LeftUndone(String),
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl From<crate::sweep::obstacle::Obstacle> for Error {
    fn from(obstacle: crate::sweep::obstacle::Obstacle) -> Self {
        Self::LeftUndone(obstacle.message)
    }
}

impl World {
    /// Reads the configuration and every rule file.
    ///
    /// # Errors
    /// Every mistake in every file.
    pub fn load(path: &Path, clock: SharedClock, randomness: SharedRandomness) -> Result<Self, Diagnostics> {
        let loaded = config::load(path)?;
        Ok(Self { config: loaded.config, rules: loaded.rules, policies: loaded.policies, warnings: loaded.warnings, clock, randomness })
    }

    /// Opens the state.
    ///
    /// # Errors
    /// [`state::Error::Missing`] if there is none.
    pub async fn state(&self) -> Result<State, state::Error> {
        State::open(&self.config.state, self.clock.clone(), self.randomness.clone()).await
    }

    /// Opens the state, where there is one yet: without it nothing was approved, held or paused.
    ///
    /// # Errors
    /// The state's, if there is one that can't be opened.
    pub async fn existing_state(&self) -> Result<Option<State>, state::Error> {
        match self.state().await {
            Ok(state) => Ok(Some(state)),
            Err(state::Error::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Opens the state, or makes it.
    ///
    /// # Errors
    /// The state's.
    pub async fn create_state(&self) -> Result<State, state::Error> {
        State::create(&self.config.state, self.clock.clone(), self.randomness.clone()).await
    }

    /// Connects to a source.
    ///
    /// # Errors
    /// [`Error::Asked`] if there is none of that name, else the engine's.
    pub async fn connect(&self, source: &str) -> Result<Target, Error> {
        let config = self.source(source)?.clone();
        let engine = engine::connect(&config.name, &config.url, &config.workspace, config.limits).await?;
        Ok(Target { config, engine, buckets: Arc::new(self.config.buckets.clone()) })
    }

    /// The configuration of a source.
    ///
    /// # Errors
    /// [`Error::Asked`] with a suggestion.
    pub fn source(&self, name: &str) -> Result<&config::Source, Error> {
        self.config.sources.get(name).ok_or_else(|| {
            let hint = crate::diagnostic::suggest::did_you_mean(name, self.config.sources.keys().map(String::as_str));
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Error::Asked(format!("there is no source `{name}` in {}{hint}", self.config.file.display()))
        })
    }

    /// The rules of those names, all if none is named.
    ///
    /// # Errors
    /// [`Error::Asked`] with a suggestion.
    pub fn chosen(&self, names: &[String]) -> Result<Vec<Rule>, Error> {
        if names.is_empty() {
            return Ok(self.rules.clone());
        }
        names
            .iter()
            .map(|name| {
                self.rules.iter().find(|rule| rule.id.as_str() == name).cloned().ok_or_else(|| {
                    let hint = crate::diagnostic::suggest::did_you_mean(name, self.rules.iter().map(|rule| rule.id.as_str()));
                    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
                    Error::Asked(format!("there is no rule `{name}`{hint}"))
                })
            })
            .collect()
    }

    /// A new identifier: `prefix` and 16 random hex digits.
    pub fn new_id(&self, prefix: &str) -> String {
        format!("{prefix}{}", random_hex::<8>(&*self.randomness))
    }

    /// The present instant.
    pub fn now(&self) -> jiff::Timestamp {
        self.clock.now()
    }

    /// A world whose clock stands still at `instant`: what `--as-of` looks at.
    pub fn at(self, instant: jiff::Timestamp) -> Self {
        let clock: Arc<dyn Clock> = Arc::new(crate::clock::FixedClock(instant));
        Self { clock, ..self }
    }
}
