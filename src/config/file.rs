//! Reads the tables of `retentiond.toml`.

use std::{collections::BTreeMap, ops::Range, path::Path, str::FromStr};

use jiff::tz::TimeZone;

use super::{
    Defaults, Limits, Replicas, Source, SourceUrl, Tls, Window,
    address::{address, key},
    bucket::{BucketSettings, Buckets, bucket},
    http::Http,
};
use crate::{
    diagnostic::fields::{At, Fields, Reader},
    policy::{
        Dialect,
        limits::{PACES, parse_duration},
        period::Period,
        raw::{FIRST_SWEEPS, MODES, misnamed, schedule, share, timezone},
        resolve::RuleDefaults,
    },
    secret::{Key, Keys},
};

/// More of them would wait for each other, and for the state.
pub(super) const MOST_WORKERS: u64 = 64;

/// Where acts may come from; true: over the API alone.
pub(super) const ACTS: [(&str, bool); 2] = [("everywhere", false), ("api-only", true)];

/// What the file says. What could not be read has its default or is absent, and was reported.
pub(super) struct File {
    pub rules: At<Vec<At<String>>>,
    pub timezone: (TimeZone, String),
    pub state: Option<SourceUrl>,
    pub http: Http,
    pub acts_over_api_only: bool,
    /// Every name that is written; `None` for a key that could not be read.
    pub keys: BTreeMap<String, Option<Key>>,
    /// Every name that is written; `None` for a bucket with a mistake.
    pub buckets: BTreeMap<String, Option<BucketSettings>>,
    /// Every name that is written.
    pub sources: BTreeMap<String, FileSource>,
    pub defaults: Option<Defaults>,
}

/// A source: what rules must know of it even if the rest could not be read.
pub(super) struct FileSource {
    pub header: Range<usize>,
    pub dialect: Option<Dialect>,
    pub naive: Option<TimeZone>,
    /// Where a table without a schema is.
    pub schema: Option<String>,
    pub source: Option<Source>,
}

impl File {
    /// Reads the top level. Paths count from `base_dir`.
    pub(super) fn read(top: &Fields<'_>, base_dir: &Path) -> Self {
        let rules = top.texts("rules");
        let file = Self {
            rules: top.need("rules", rules).unwrap_or(At { value: Vec::new(), span: 0..0, shared: false }),
            timezone: timezone(top, "timezone").map_or_else(|| (TimeZone::UTC, "UTC".to_owned()), |zone| zone.value),
            state: state(top, base_dir),
            http: Http::read(top, base_dir),
            acts_over_api_only: acts_over_api_only(top),
            keys: top.named("keys", "the key").into_iter().map(|(name, fields)| (name.value, key(&fields, base_dir))).collect(),
            buckets: buckets(top, base_dir),
            sources: sources(top, base_dir),
            defaults: defaults(top),
        };
        top.finish();
        file.refuse_shared_files(&top.reader);
        file
    }

    /// One file can't be the state and a source at once: each waits for the other's lock.
    fn refuse_shared_files(&self, reader: &Reader<'_>) {
        let state = self.state.as_ref().and_then(SourceUrl::sqlite_path).map(|path| ("the state".to_owned(), path));
        let mut users: Vec<_> = state.into_iter().collect();
        for (name, source) in &self.sources {
            let Some(path) = source.source.as_ref().and_then(|source| source.url.sqlite_path()) else { continue };
            if let Some((user, _)) = users.iter().find(|(_, used)| *used == path) {
                let message = format!("the source `{name}` and {user} are the same file");
                let same = reader.error("same-database", &source.header, message);
                reader.report(same.help("each source, and the state, is a file of its own"));
            }
            users.push((format!("the source `{name}`"), path));
        }
    }

    /// The buckets that could be read.
    pub(super) fn usable_buckets(&self) -> Buckets {
        self.buckets.iter().filter_map(|(name, bucket)| Some((name.clone(), bucket.clone()?))).collect()
    }

    /// The keys that could be read.
    pub(super) fn usable_keys(&self) -> Keys {
        self.keys.iter().filter_map(|(name, key)| Some((name.clone(), key.clone()?))).collect()
    }
}

fn state(top: &Fields<'_>, base_dir: &Path) -> Option<SourceUrl> {
    let Some(fields) = top.inner("state") else {
        return SourceUrl::parse("sqlite:state.db", base_dir).ok();
    };
    let state = address(&fields, base_dir, &Tls::default());
    if state.as_ref().is_some_and(|state| state.dialect() == Dialect::Mysql) {
        let wrong = fields.reader.error("invalid-value", &fields.span, "a state can't be kept on MariaDB or MySQL");
        fields.reader.report(wrong.help("use a SQLite file of its own, or PostgreSQL where several processes share it"));
    }
    fields.finish();
    state
}

/// `[access] acts`.
fn acts_over_api_only(top: &Fields<'_>) -> bool {
    let Some(fields) = top.inner("access") else { return false };
    let acts = fields.choice("acts", &ACTS).is_some_and(|acts| acts.value);
    fields.finish();
    acts
}

fn buckets(top: &Fields<'_>, base_dir: &Path) -> BTreeMap<String, Option<BucketSettings>> {
    let named = top.named("buckets", "the bucket").into_iter();
    named.map(|(name, fields)| (name.value.clone(), bucket(&name.value, &fields, base_dir))).collect()
}

fn sources(top: &Fields<'_>, base_dir: &Path) -> BTreeMap<String, FileSource> {
    let mut sources = BTreeMap::new();
    for (name, fields) in top.named("sources", "the source") {
        if let Some(message) = misnamed(&name.value) {
            fields.reader.report(fields.reader.error("invalid-id", &name.span, format!("the source `{}`: {message}", name.value)));
        }
        let url = address(&fields, base_dir, &Tls::default());
        let dialect = url.as_ref().map(SourceUrl::dialect);
        let schema = url.as_ref().map(SourceUrl::default_schema);
        let naive = timezone(&fields, "naive_timestamps").map(|zone| zone.value.0);
        // Read whether or not there is an address, so that all mistakes are told at once.
        let workspace = workspace(&fields, dialect);
        let window = fields.parsed("window", Window::from_str).map(|window| window.value);
        let limits = fields.inner("limits").map_or_else(Limits::default, |limits| read_limits(&limits, dialect));
        let replicas = replicas(&fields, url.as_ref(), base_dir);
        fields.finish();
        let source = url.map(|url| Source { name: name.value.clone(), url, workspace, naive: naive.clone(), window, limits, replicas });
        sources.insert(name.value, FileSource { header: name.span, dialect, naive, schema, source });
    }
    sources
}

/// `replicas`: a word, or a list of addresses. One that says nothing of TLS is protected as the source is.
fn replicas(fields: &Fields<'_>, source: Option<&SourceUrl>, base_dir: &Path) -> Replicas {
    let Some(at) = fields.value("replicas") else { return Replicas::Auto };
    if !at.value.get_ref().is_array() {
        let word = fields.choice("replicas", &[("auto", true), ("none", false)]);
        return if word.is_some_and(|word| !word.value) { Replicas::None } else { Replicas::Auto };
    }
    let (dialect, protection) = (source.map(SourceUrl::dialect), source.map(|source| source.written().clone()).unwrap_or_default());
    let replica = |fields: &Fields<'_>| {
        let url = address(fields, base_dir, &protection);
        fields.finish();
        Some((url?, fields.span.clone()))
    };
    let listed: Vec<_> = fields.list("replicas", "the replica").iter().filter_map(replica).collect();
    for (url, span) in &listed {
        if dialect.is_some_and(|dialect| dialect == Dialect::Sqlite || url.dialect() != dialect) {
            let message = "a replica is a server of the same kind as its source, and SQLite has none";
            fields.reader.report(fields.reader.error("invalid-value", span, message));
        }
    }
    Replicas::Listed(listed.into_iter().map(|(url, _)| url).collect())
}

fn workspace(fields: &Fields<'_>, dialect: Option<Dialect>) -> String {
    const LONGEST: usize = 40;
    let default = "retentiond".to_owned();
    let Some(name) = fields.words("workspace") else { return default };
    let first = |byte: u8| byte.is_ascii_lowercase() || byte == b'_';
    let well_formed = name.value.bytes().next().is_some_and(first) && name.value.bytes().all(|byte| first(byte) || byte.is_ascii_digit());
    let reserved = match dialect {
        Some(Dialect::Sqlite) => name.value.starts_with("sqlite_"),
        Some(Dialect::Postgres) => name.value.starts_with("pg_"),
        Some(Dialect::Mysql) => ["mysql", "information_schema", "performance_schema", "sys"].contains(&name.value.as_str()),
        None => false,
    };
    let message = if reserved {
        "names like this belong to the database itself".to_owned()
    } else if !well_formed || name.value.len() > LONGEST {
        format!("a workspace's name consists of a to z, 0 to 9 and `_`, begins with no digit, and has {LONGEST} characters at most")
    } else {
        return name.value;
    };
    fields.reader.report(fields.reader.error("invalid-id", &name.span, message));
    default
}

/// SQLite lets one writer in at a time: more of them would only wait for each other.
fn workers(fields: &Fields<'_>, dialect: Option<Dialect>) -> u64 {
    let Some(workers) = fields.integer("workers", 1..=MOST_WORKERS) else { return Limits::default().workers };
    if dialect == Some(Dialect::Sqlite) && workers.value > 1 {
        let error = fields.reader.error(
            "out-of-range",
            &workers.span,
            "SQLite lets one writer in at a time, so several workers gain nothing there",
        );
        fields.reader.report(error.help("leave `workers` out"));
    }
    workers.value
}

fn read_limits(fields: &Fields<'_>, dialect: Option<Dialect>) -> Limits {
    let default = Limits::default();
    let duration = |key| fields.parsed(key, parse_duration);
    let (target, lock, statement) = (duration("target_batch_time"), duration("lock_timeout"), duration("statement_timeout"));
    let lag = duration("max_replica_lag");
    let limits = Limits {
        max_batch_rows: fields.integer("max_batch_rows", 1..=1_000_000).map_or(default.max_batch_rows, |rows| rows.value),
        target_batch_time: target.as_ref().map_or(default.target_batch_time, |time| time.value),
        lock_timeout: lock.as_ref().map_or(default.lock_timeout, |time| time.value),
        statement_timeout: statement.as_ref().map_or(default.statement_timeout, |time| time.value),
        max_replica_lag: lag.map_or(default.max_replica_lag, |lag| lag.value),
        pace: fields.choice("pace", &PACES).map_or(default.pace, |pace| pace.value),
        max_rows_per_second: fields.integer("max_rows_per_second", 1..=1_000_000_000).map(|rows| rows.value),
        workers: workers(fields, dialect),
    };
    for (key, time, written) in [("lock_timeout", limits.lock_timeout, &lock), ("target_batch_time", limits.target_batch_time, &target)] {
        if time >= limits.statement_timeout {
            let span = written.as_ref().or(statement.as_ref()).map_or(fields.span.clone(), |at| at.span.clone());
            let message = format!("`{key}` ({time:?}) must be shorter than `statement_timeout` ({:?})", limits.statement_timeout);
            fields.reader.report(fields.reader.error("out-of-range", &span, message));
        }
    }
    fields.finish();
    limits
}

fn defaults(top: &Fields<'_>) -> Option<Defaults> {
    let default = RuleDefaults::default();
    let hold_cool_down = Period::parse("7 days").ok()?;
    let Some(fields) = top.inner("defaults") else {
        return Some(Defaults { rule: default, hold_cool_down });
    };
    let rule = RuleDefaults {
        schedule: schedule(&fields).map_or(default.schedule, |schedule| schedule.value),
        mode: fields.choice("mode", &MODES).map_or(default.mode, |mode| mode.value),
        first_sweep: fields.choice("first_sweep", &FIRST_SWEEPS).map_or(default.first_sweep, |first| first.value),
        max_share: share(&fields, "max_share").map_or(default.max_share, |share| share.value),
    };
    let hold_cool_down = fields.parsed("hold_cool_down", Period::parse).map_or(hold_cool_down, |period| period.value);
    fields.finish();
    Some(Defaults { rule, hold_cool_down })
}
