//! `retentiond.toml`: where rules, state, keys and sources are, and the limits of each source.
//!
//! [`load`] reads the file and every rule file that it names, and reports the mistakes of all of them at once. `file`
//! reads the tables, `address` where databases and keys are, `bucket` where archives are, `listener` where the daemon listens, `http`
//! who may ask it; `url` and `tls` are values of theirs, `handshake` tells a
//! person why a server could not be trusted, `hide` keeps secrets out of diagnostics. A new key is a line in `file` and a
//! field here.

mod address;
mod bucket;
mod file;
pub mod handshake;
mod hide;
pub mod http;
pub mod listener;
mod load;
pub mod schema;
mod tls;
mod url;

use std::{collections::BTreeMap, path::PathBuf};

use jiff::tz::TimeZone;

pub use self::{
    bucket::{BucketSettings, Buckets},
    load::{Loaded, load},
    tls::{Reach, Tls, TlsMode, certificates_of},
    url::{InvalidUrl, NotCurrent, SourceUrl},
};
pub use crate::policy::{
    limits::{Limits, Pace},
    window::{InvalidWindow, Window},
};
use crate::{
    policy::{period::Period, resolve::RuleDefaults},
    secret::Keys,
};

/// What `retentiond.toml` says, with defaults filled in.
#[derive(Debug, Clone)]
pub struct Config {
    /// The file, as it was named.
    pub file: PathBuf,
    /// Periods are counted in this zone, unless a rule says otherwise.
    pub timezone: TimeZone,
    /// Its IANA name.
    pub timezone_name: String,
    /// retentiond's own database.
    pub state: SourceUrl,
    /// Where the daemon listens, and who may ask it.
    pub http: http::Http,
    /// Commands that act are refused: `[access] acts = "api-only"`.
    pub acts_over_api_only: bool,
    pub keys: Keys,
    /// Where archives may be, besides folders.
    pub buckets: Buckets,
    /// By name.
    pub sources: BTreeMap<String, Source>,
    pub defaults: Defaults,
}

/// A connected database: `[sources.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    pub name: String,
    pub url: SourceUrl,
    /// The schema (PostgreSQL), database (MariaDB) or table prefix (SQLite) of retentiond's own tables there.
    pub workspace: String,
    /// The zone of dates, and of timestamps that carry none.
    pub naive: Option<TimeZone>,
    /// When sweeps may run, in the configuration's zone; absent: always.
    pub window: Option<Window>,
    pub limits: Limits,
    /// Where lag is measured.
    pub replicas: Replicas,
}

/// Whose lag a sweep waits for: `replicas`.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Replicas {
    /// Those that the server itself knows to follow it.
    #[default]
    Auto,
    /// Nobody's.
    None,
    /// These, asked one by one: replicas of replicas, and those that must not be missed when they are cut off.
    Listed(Vec<SourceUrl>),
}

/// `[defaults]`.
#[derive(Debug, Clone)]
pub struct Defaults {
    /// For rules that don't say.
    pub rule: RuleDefaults,
    /// How long rows stay after the release of a hold.
    pub hold_cool_down: Period,
}

#[cfg(test)]
mod tests;
