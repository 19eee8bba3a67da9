//! The ways to delete what has expired.

use std::{
    fmt,
    process::Command,
    time::{Duration, Instant},
};

use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::{
    ground::Ground,
    support::{binary::Folder, product::Kind, server::PASSWORD, wait},
};

/// How long a way may take that would take hours; its speed is what it did by then.
const PATIENCE: Duration = Duration::from_secs(60);

/// A way to delete what has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `DELETE FROM events WHERE at < …`.
    BigDelete,
    /// `retentiond sweep`, with `pace = "fast"` and `max_batch_rows = 50_000`.
    Sweep,
    /// `retentiond sweep` as it is set by default: with pauses in which others get their turn.
    GentleSweep,
    /// Select 500 keys, delete them by a hundred, as the row-level expiry of several databases does. For a minute at most.
    SelectThenDelete,
    /// pt-archiver as its manual page introduces it, for a minute at most.
    PtArchiver,
    /// The same by bulks of a thousand rows.
    PtArchiverBulk,
}

/// What a way did.
pub struct Run {
    pub way: Way,
    pub rows: u64,
    pub seconds: f64,
}

impl Run {
    /// Rows a second.
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    pub fn rate(&self) -> f64 {
        self.rows as f64 / self.seconds
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::BigDelete => "one big DELETE",
            Self::Sweep => "retentiond, fast, 50,000 rows",
            Self::GentleSweep => "retentiond, gentle, 10,000 rows",
            Self::SelectThenDelete => "select 500 keys, delete by 100",
            Self::PtArchiver => "pt-archiver --purge",
            Self::PtArchiverBulk => "pt-archiver --purge --bulk-delete",
        })
    }
}

impl Way {
    /// The ways that there are on an engine.
    pub fn on(kind: Kind) -> Vec<Self> {
        let others: &[Self] = match kind {
            Kind::Sqlite => &[],
            Kind::Postgres => &[Self::SelectThenDelete],
            Kind::Mariadb => &[Self::PtArchiver, Self::PtArchiverBulk],
        };
        [&[Self::BigDelete, Self::Sweep, Self::GentleSweep], others].concat()
    }

    /// Deletes what has expired from a database as it was filled.
    ///
    /// # Panics
    /// If rows stay that should go, or go that should stay.
    pub fn run(self, ground: &Ground) -> Run {
        let before = ground.remaining();
        let seconds = match self {
            Self::BigDelete => timed(|| ground.execute(&format!("DELETE FROM events WHERE {}", ground.condition()))),
            Self::Sweep => sweep(ground, "fast", 50_000),
            Self::GentleSweep => sweep(ground, "gentle", 10_000),
            Self::SelectThenDelete => timed(|| wait(select_then_delete(ground))),
            Self::PtArchiver => pt_archiver(ground, &["--run-time", &format!("{}s", PATIENCE.as_secs())]),
            Self::PtArchiverBulk => pt_archiver(ground, &["--bulk-delete", "--limit", "1000"]),
        };
        let rows = before - ground.remaining();
        let in_part = self.is_slow() && rows < ground.expired();
        assert!(rows == ground.expired() || in_part, "{self}: {rows} rows went, of {} expired ones", ground.expired());
        Run { way: self, rows, seconds }
    }

    /// Whether it is stopped after [`PATIENCE`].
    fn is_slow(self) -> bool {
        matches!(self, Self::SelectThenDelete | Self::PtArchiver)
    }
}

fn timed(act: impl FnOnce()) -> f64 {
    let began = Instant::now();
    act();
    began.elapsed().as_secs_f64()
}

fn sweep(ground: &Ground, pace: &str, max_batch_rows: u32) -> f64 {
    let configuration = format!(
        r#"
        rules = ["rules/*.toml"]
        [state]
        url = "sqlite:state.db"
        [sources.app]
        url = "{}"
        naive_timestamps = "UTC"
        [sources.app.limits]
        pace = "{pace}"
        max_batch_rows = {max_batch_rows}
        [defaults]
        first_sweep = "auto"
        max_share = 1.0
        "#,
        ground.url(),
    );
    let rules = format!(
        r#"
        [policy]
        id = "bench"
        title = "What has expired"
        [[rule]]
        id = "events"
        category = "event"
        source = "app"
        table = "events"
        subject = {{ account = "account" }}
        start = "at"
        {}
        keep_for = "1 year"
        action = "delete"
        "#,
        ground.kind().pick(r#"start_format = "unix_s""#, "", ""),
    );
    let folder = Folder::new(&configuration).with_rules("bench", &rules);
    folder.run(["source", "init", "app"]).expect(0);
    timed(|| drop(folder.run(["sweep", "--no-count"]).expect(0)))
}

async fn select_then_delete(ground: &Ground) {
    let select = format!("SELECT id FROM events WHERE {} LIMIT 500", ground.condition());
    let delete = format!("DELETE FROM events WHERE id = ANY ($1) AND {}", ground.condition());
    let mut connection = PgConnection::connect(&ground.url()).await.expect("a connection");
    let began = Instant::now();
    while began.elapsed() < PATIENCE {
        let ids: Vec<i64> = sqlx::query_scalar(AssertSqlSafe(select.as_str())).fetch_all(&mut connection).await.expect("keys");
        if ids.is_empty() {
            break;
        }
        for some in ids.chunks(100) {
            sqlx::query(AssertSqlSafe(delete.as_str())).bind(some).execute(&mut connection).await.expect("rows that go");
        }
    }
    connection.close().await.expect("an orderly end");
}

fn pt_archiver(ground: &Ground, options: &[&str]) -> f64 {
    let source = format!("h=localhost,S={},D=bench,t=events,u=root,p={PASSWORD}", ground.socket().display());
    let mut command = Command::new("pt-archiver");
    command.args(["--source", &source, "--purge", "--where", ground.condition(), "--no-check-charset"]).args(options);
    timed(|| {
        let output = command.output().expect("pt-archiver is needed: install the package `percona-toolkit`");
        assert!(output.status.success(), "pt-archiver failed: {}", String::from_utf8_lossy(&output.stderr));
    })
}
