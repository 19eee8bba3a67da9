//! A database to stand on, and selections written in a few words.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use jiff::{Span, Timestamp, tz::TimeZone};
use retentiond::{
    config::{Limits, Replicas, SourceUrl},
    engine::{self, Engine, GateChange, Stamp, grants::Needs, shape::Shape},
    hold::{Held, HeldSubject, Scope},
    policy::{Dialect, Never, RuleId, StartFormat, TableName, condition::Condition, start::Thresholds},
    sql::selection::{
        Act, DateTest, DoneTest, EndTest, HeldTest, Protector, Range, Selection, StartTest, SubjectTest, TableRef, Way, WorkspaceRef,
    },
};

use crate::support::{database::Database, mariadb, sqlite::Sqlite};

/// Every selection of the suite compares with this instant, unless it says otherwise.
pub const CUTOFF: &str = "2026-01-01T00:00:00Z";

/// The prefix or schema of the workspace, where it is part of a database that the scenario has to itself.
pub const WORKSPACE: &str = "retentiond";

/// A database of a scenario's own: its application's connection, and retentiond's.
pub struct Ground {
    backing: Backing,
    pub engine: Arc<dyn Engine>,
}

enum Backing {
    Sqlite(Sqlite),
    Postgres(Database<'static>),
    Mariadb(mariadb::Database<'static>),
}

impl Backing {
    fn workspace(&self) -> &str {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) => WORKSPACE,
            Self::Mariadb(database) => database.workspace(),
        }
    }
}

impl Ground {
    /// A SQLite file in a folder of its own.
    pub async fn sqlite() -> Self {
        Self::over(Sqlite::create()).await
    }

    /// A SQLite file that is there.
    pub async fn over(database: Sqlite) -> Self {
        Self::on(Backing::Sqlite(database)).await
    }

    /// A PostgreSQL database, reached with the privileges that `grants` gives and no more.
    pub async fn postgres() -> Self {
        Self::of_postgres(Database::create()).await
    }

    /// A PostgreSQL database that is there, in the same way.
    pub async fn of_postgres(database: Database<'static>) -> Self {
        Self::on(Backing::Postgres(database)).await
    }

    /// A MariaDB database, in the same way.
    pub async fn mariadb() -> Self {
        let database = mariadb::Database::create();
        // The server lets nobody into a database in which they may do nothing, and no table is there yet. And a session has the
        // global privileges that it began with: this is the one that `grants` prints.
        let role = database.role();
        database.execute(&format!("GRANT SHOW VIEW ON {}.* TO {role}; GRANT PROCESS ON *.* TO {role}", database.name()));
        Self::on(Backing::Mariadb(database)).await
    }

    async fn on(backing: Backing) -> Self {
        let engine = connect(&backing, limits()).await;
        Self { backing, engine }
    }

    /// Another connection to the same database, as another process would have.
    pub async fn another_engine(&self, limits: Limits) -> Arc<dyn Engine> {
        connect(&self.backing, limits).await
    }

    /// The file of a SQLite database.
    pub fn sqlite_path(&self) -> PathBuf {
        match &self.backing {
            Backing::Sqlite(database) => database.path().to_owned(),
            Backing::Postgres(_) | Backing::Mariadb(_) => panic!("only SQLite has a file"),
        }
    }

    pub fn dialect(&self) -> Dialect {
        self.engine.dialect()
    }

    /// Runs statements as the application's owner.
    pub fn execute(&self, statements: &str) {
        match &self.backing {
            Backing::Sqlite(database) => database.execute(statements),
            Backing::Postgres(database) => database.execute(statements),
            Backing::Mariadb(database) => database.execute(statements),
        }
    }

    /// The first column of a query as texts, as the application's owner.
    pub fn column(&self, expression: &str, rest: &str) -> Vec<Option<String>> {
        let query = format!("SELECT CAST({expression} AS {}) {rest}", self.pick("text", "text", "char"));
        match &self.backing {
            Backing::Sqlite(database) => database.column(&query),
            Backing::Postgres(database) => database.column(&query),
            Backing::Mariadb(database) => database.column(&query),
        }
    }

    /// The column `id` of every row of a table.
    pub fn ids(&self, table: &str) -> BTreeSet<i64> {
        let ids = self.column("id", &format!("FROM {table}"));
        ids.into_iter().map(|id| id.expect("an id").parse().expect("a number")).collect()
    }

    /// What the dialect of this ground calls something.
    pub fn pick<'a>(&self, sqlite: &'a str, postgres: &'a str, mariadb: &'a str) -> &'a str {
        match self.dialect() {
            Dialect::Sqlite => sqlite,
            Dialect::Postgres => postgres,
            Dialect::Mysql => mariadb,
        }
    }

    /// A type of text that can be in an index as a whole.
    pub fn short_text(&self) -> &'static str {
        self.pick("text", "text", "varchar(100)")
    }

    /// The table of lanes in the workspace, as SQL has its name.
    pub fn lanes(&self) -> String {
        let workspace = self.backing.workspace();
        format!("{workspace}{}lane", self.pick("_", ".", "."))
    }

    /// A table as the catalogue has it, which the role may read from now on.
    pub async fn shape(&self, table: &str) -> Shape {
        let schema = match &self.backing {
            Backing::Sqlite(_) | Backing::Postgres(_) => self.pick("main", "public", "").to_owned(),
            Backing::Mariadb(database) => database.name().to_owned(),
        };
        self.grant(&[reading(TableRef { schema, table: table.to_owned() })]).await;
        self.engine.inspect(&TableName::bare(table)).await.expect("a catalogue").unwrap_or_else(|| panic!("no table {table}"))
    }

    /// A workspace: made by a DBA with what `grants` prints, and stamped by the role.
    pub async fn with_workspace(&self) -> &Self {
        self.grant(&[]).await;
        self.engine.init_workspace(&stamp()).await.expect("a workspace");
        self
    }

    /// Lets the role act on what is selected, and wait for what it has to wait for.
    pub async fn let_act(&self, selection: &Selection, act: &Act) {
        let mut own = reading(selection.table.clone());
        match act {
            Act::Delete => own.delete = true,
            Act::Anonymise { assignments, mark, .. } => {
                own.update =
                    assignments.iter().map(|assignment| &assignment.column).chain(mark).map(|column| column.name.clone()).collect();
            }
        }
        let children = selection.references.iter().map(|reference| reading(reference.child.clone()));
        self.grant(&std::iter::once(own).chain(children).collect::<Vec<_>>()).await;
    }

    /// Runs as the owner what `grants` prints for these needs. Every scenario has the least that is needed, and no more.
    async fn grant(&self, needs: &[Needs]) {
        let (url, role) = match &self.backing {
            Backing::Sqlite(_) => return,
            Backing::Postgres(database) => (&database.url, "retentiond"),
            Backing::Mariadb(database) => (&database.url, database.role()),
        };
        let owner = connect_to(url, self.backing.workspace(), limits()).await;
        let grants = owner.grants(Some(role), needs, &Replicas::None).await.expect("grants");
        owner.close().await;
        let statements: Vec<String> = grants.steps.into_iter().flat_map(|step| step.statements).collect();
        self.execute(&statements.join(";\n"));
    }

    /// A selection on a table that is there; every row of it is due until something is added.
    pub async fn rule(&self, table: &str) -> Rule {
        let shape = self.shape(table).await;
        let workspace = WorkspaceRef { dialect: self.dialect(), name: self.backing.workspace().to_owned() };
        let scopes = vec![Scope::Source.key(), table_scope(&shape.table).key(), Scope::Category("logs".to_owned()).key()];
        let held = HeldTest { scopes, ..HeldTest::default() };
        let selection = Selection {
            dependents: Vec::new(),
            follows: false,
            table: shape.table.clone(),
            members: shape.family.addresses(),
            part: None,
            workspace,
            condition: None,
            overridden: Vec::new(),
            end: None,
            done: Vec::new(),
            held,
            protectors: Vec::new(),
            references: Vec::new(),
            shown: Vec::new(),
        };
        Rule { shape, selection }
    }

    /// Places a hold on subjects in a scope; the epoch is one that no other hold has.
    pub async fn hold(&self, hold: &str, scope: Scope, subjects: &[(&str, &str)]) -> u64 {
        let row = |subject| Held { hold: hold.to_owned(), scope: scope.clone(), subject };
        let mut add: Vec<Held> =
            subjects.iter().map(|&(kind, value)| row(Some(HeldSubject { kind: kind.to_owned(), value: value.to_owned() }))).collect();
        if add.is_empty() {
            add.push(row(None));
        }
        let epoch = self.engine.workspace().await.expect("a workspace").expect("a workspace").epoch + 1;
        let change = GateChange { epoch, confirmed: 0, add, remove: Vec::new(), patience: Duration::from_secs(10) };
        self.engine.raise_gate(&change).await.expect("a raised gate")
    }

    /// Acts on everything that is selected, in batches of about `rows` rows, as a sweep walks; returns how many rows
    /// each batch changed.
    pub async fn sweep(&self, selection: &Selection, way: &Way, rows: u64, act: &Act) -> Vec<u64> {
        self.let_act(selection, act).await;
        let mut changed = Vec::new();
        let mut rest = Range::whole(way.clone());
        loop {
            let next = self.engine.next_range(selection, &rest, rows).await.expect("a range");
            let Some(range) = next else { return changed };
            let mut batch = self.engine.begin().await.expect("a batch");
            changed.push(batch.act(selection, &range, act).await.expect("an act"));
            batch.commit().await.expect("a commit");
            assert!(changed.len() < 10_000, "the walk does not end");
            match range.through {
                // Without an order the next ones are the first that are still due.
                Some(_) if *way == Way::Unordered => {}
                Some(through) => rest.after = Some(through),
                None => return changed,
            }
        }
    }

    /// Deletes on every way that the engine knows, from the same rows each time, and returns what survived.
    pub async fn survivors_of_deleting(&self, rule: &Rule, fill: &str, rows: u64) -> BTreeSet<i64> {
        let table = &rule.shape.table.table;
        let start = rule.selection.end.as_ref().and_then(EndTest::own_start).map(|start| start.column.name.as_str());
        let ways = self.engine.ways(&rule.shape, &[], start);
        assert!(!ways.is_empty(), "no way through {table}");
        let mut survivors = None;
        for way in ways {
            self.execute(&format!("DELETE FROM {table}; {fill}"));
            self.sweep(&rule.selection, &way, rows, &Act::Delete).await;
            let left = self.ids(table);
            assert_eq!(survivors.get_or_insert_with(|| left.clone()), &left, "the way {way:?} differs from the first");
        }
        survivors.expect("there was a way")
    }
}

/// Short waits, so that a test that must run into them is quick.
pub fn limits() -> Limits {
    Limits { lock_timeout: Duration::from_millis(500), statement_timeout: Duration::from_secs(20), ..Limits::default() }
}

/// The need of a table that is only read.
fn reading(table: TableRef) -> Needs {
    Needs {
        table,
        delete: false,
        update: Vec::new(),
        drop: false,
        residue: retentiond::policy::Residue::Logical,
        insert: false,
        triggers: false,
        locked: None,
        row_security: false,
    }
}

pub fn stamp() -> Stamp {
    Stamp { state_id: "state-1".to_owned(), source_id: "source-1".to_owned() }
}

pub fn table_scope(table: &TableRef) -> Scope {
    Scope::Table { schema: table.schema.clone(), table: table.table.clone() }
}

async fn connect(backing: &Backing, limits: Limits) -> Arc<dyn Engine> {
    match backing {
        Backing::Sqlite(database) => connect_to(&database.url(), backing.workspace(), limits).await,
        Backing::Postgres(database) => connect_to(&database.retentiond_url, backing.workspace(), limits).await,
        Backing::Mariadb(database) => connect_to(&database.retentiond_url, backing.workspace(), limits).await,
    }
}

async fn connect_to(url: &str, workspace: &str, limits: Limits) -> Arc<dyn Engine> {
    let url = SourceUrl::parse(url, Path::new("/")).expect("an address");
    engine::connect("app", &url, workspace, limits).await.expect("a connection")
}

/// A selection in the making.
pub struct Rule {
    pub shape: Shape,
    pub selection: Selection,
}

impl Rule {
    /// Rows end by this column.
    pub fn start(mut self, column: &str, format: StartFormat) -> Self {
        self.selection.end = Some(self.start_test(column, format, CUTOFF));
        self
    }

    /// Values that mean "no date".
    pub fn never(mut self, never: Vec<Never>) -> Self {
        let Some(EndTest::Date(date)) = &mut self.selection.end else { panic!("a start") };
        date.start.never = never;
        self
    }

    pub fn condition(mut self, sql: &str) -> Self {
        self.selection.condition = Some(condition(sql));
        self
    }

    pub fn subject(mut self, kind: &str, column: &str) -> Self {
        let column = self.column(column);
        self.selection.held.subjects.push(SubjectTest { kind: kind.to_owned(), through: Vec::new(), column, null_is_held: false });
        self
    }

    /// NULL counts as held in every subject column.
    pub fn null_is_held(mut self) -> Self {
        self.selection.held.subjects.iter_mut().for_each(|subject| subject.null_is_held = true);
        self
    }

    pub fn done(mut self, done: DoneTest) -> Self {
        self.selection.done.push(done);
        self
    }

    /// Another rule on the same table: its condition, and its start with its own cut-off (`None`: it never ends).
    pub fn protected_by(mut self, sql: Option<&str>, start: Option<(&str, StartFormat, &str)>) -> Self {
        let start = start.map(|(column, format, cutoff)| self.start_test(column, format, cutoff));
        self.selection.protectors.push(Protector {
            rule: RuleId::new("other", "rule"),
            only: Vec::new(),
            condition: sql.map(condition),
            overridden: Vec::new(),
            floor: None,
            end: start,
        });
        self
    }

    pub fn column(&self, name: &str) -> retentiond::sql::selection::ColumnRef {
        self.shape.column(name).unwrap_or_else(|| panic!("no column {name}")).to_ref()
    }

    /// The whole table on the engine's best way.
    pub fn whole(&self, ground: &Ground) -> Range {
        Range::whole(ground.engine.ways(&self.shape, &[], None).remove(0))
    }

    fn start_test(&self, column: &str, format: StartFormat, cutoff: &str) -> EndTest {
        let cutoff: Timestamp = cutoff.parse().expect("an instant");
        let at = |instant| Thresholds::at(instant, Some(&TimeZone::UTC));
        let epoch = matches!(format, StartFormat::UnixS | StartFormat::UnixMs | StartFormat::UnixUs);
        let hundred_years = Span::new().hours(100 * 366 * 24);
        let start = StartTest {
            column: self.column(column),
            format,
            never: Vec::new(),
            cutoff,
            before: at(cutoff),
            plausible_from: epoch.then(|| at("1980-01-01T00:00:00Z".parse().expect("an instant"))),
            plausible_until: at(cutoff + hundred_years),
        };
        EndTest::Date(Box::new(DateTest { through: Vec::new(), start, optional: false }))
    }
}

/// A condition as the rule language makes them: columns are `t."name"`.
pub fn condition(sql: &str) -> Condition {
    Condition { text: sql.to_owned(), sql: sql.to_owned(), columns: Vec::new() }
}

/// A set of keys.
pub fn ids<const N: usize>(ids: [i64; N]) -> BTreeSet<i64> {
    ids.into()
}
