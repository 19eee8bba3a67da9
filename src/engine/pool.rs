//! The few connections that an engine keeps to its server.
//!
//! A server counts its connections, and the application needs them more than we do. So there are [`CONNECTIONS`] at most,
//! made when they are needed and given back when they idle; each says in its name who it is. The address is
//! read again when a source is connected to and when a server refuses, because passwords are rotated where they are kept.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sqlx::{
    ConnectOptions as _, Connection, Database,
    pool::{PoolConnection, PoolOptions},
};

use super::Error;
use crate::{clock::within, config::SourceUrl};

/// One batch, one place, one settlement and one look at who is in the way can be under way at a time.
const CONNECTIONS: u32 = 4;

/// How long to wait for a server that does not answer, and for one that restarts in the middle of a sweep; the pool tries
/// again in ever longer steps.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A sweep works on one connection; the others have a minute's rest and go.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// However busy, none outlives this: what changes behind a name or a login is met half an hour later at the latest.
const MAX_LIFETIME: Duration = Duration::from_secs(30 * 60);

type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

/// What differs from server to server.
pub(super) struct Driver<DB: Database> {
    /// How the server is connected to.
    pub options: fn(&SourceUrl) -> Result<Options<DB>, sqlx::Error>,
    /// The server's own words when it refuses a connection.
    pub words: fn(&sqlx::Error, &SourceUrl) -> String,
}

/// Connections to one database.
pub(super) struct Pool<DB: Database> {
    connections: sqlx::Pool<DB>,
    /// As it was read last.
    address: Arc<Mutex<SourceUrl>>,
    options: fn(&SourceUrl) -> Result<Options<DB>, sqlx::Error>,
}

impl<DB: Database> Clone for Pool<DB> {
    fn clone(&self) -> Self {
        Self { connections: self.connections.clone(), address: self.address.clone(), options: self.options }
    }
}

impl<DB: Database> Pool<DB> {
    /// Connects once, to know, and keeps a pool for what comes. `hooks` are the engine's own.
    ///
    /// # Errors
    /// [`Error::Connect`] with the server's words and the place of the address, at once if nobody listens.
    pub async fn connect(name: &str, url: &SourceUrl, driver: Driver<DB>, hooks: PoolOptions<DB>) -> Result<Self, Error> {
        let (address, outdated) = match url.current() {
            Ok(address) => (address, None),
            // It may be in the middle of being replaced; the server tells whether what is known will do.
            Err(outdated) => (url.clone(), Some(outdated)),
        };
        let told = |error: sqlx::Error| {
            let mut message = (driver.words)(&error, &address);
            match (&outdated, address.place()) {
                (Some(outdated), _) => message.push_str(&format!("; {outdated}")),
                (None, Some(place)) => message.push_str(&format!("; the address is in {place}")),
                (None, None) => {}
            }
            Error::Connect { source_name: name.to_owned(), message }
        };
        let options = (driver.options)(&address).map_err(told)?;
        // The pool tries again for seconds where nobody listens. Whoever begins something wants to know at once.
        let trial = options.clone();
        let first = tokio::spawn(async move {
            let connection = trial.connect().await?;
            // A server that hangs up first, as some do at the end of TLS, makes an error of the farewell.
            let _ = connection.close().await;
            Ok(())
        });
        within(CONNECT_TIMEOUT, first).await.unwrap_or(Err(sqlx::Error::PoolTimedOut)).map_err(told)?;
        let connections = hooks
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_TIMEOUT)
            .idle_timeout(IDLE_TIMEOUT)
            .max_lifetime(MAX_LIFETIME)
            .test_before_acquire(false)
            .connect_lazy_with(options);
        Ok(Self { connections, address: Arc::new(Mutex::new(address)), options: driver.options })
    }

    /// A connection, a new one if need be. Never to be cancelled.
    pub async fn acquire(&self) -> Result<PoolConnection<DB>, sqlx::Error> {
        match self.connections.acquire().await {
            Err(_) if self.renew() => self.connections.acquire().await,
            acquired => acquired,
        }
    }

    /// Closes every connection, once they are given back.
    pub async fn close(&self) {
        self.connections.close().await;
    }

    /// Takes up a login that was rotated; false: it was not.
    fn renew(&self) -> bool {
        let mut address = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(current) = address.current().ok().filter(|current| !current.has_login_of(&address)) else { return false };
        let Ok(options) = (self.options)(&current) else { return false };
        self.connections.set_connect_options(options);
        *address = current;
        true
    }
}
