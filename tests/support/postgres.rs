//! Private PostgreSQL servers: made by `initdb` in a short folder under `/tmp`, gone when the tests are.
//!
//! [`Server::shared`] is the one that `tests/run` started (named by `RETENTIOND_TEST_POSTGRES`) or, under a plain
//! `cargo test`, one for this process. [`Server::private`] is for tests that kill and restart it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    sync::{Mutex, OnceLock, PoisonError},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

pub use super::server::{PASSWORD, ROLE, free_port};
use super::{
    certificates::{Authority, Certificate},
    server::Home,
    until, wait,
};

/// Names the socket folder of a server that somebody else starts and stops.
pub const SHARED: &str = "RETENTIOND_TEST_POSTGRES";
/// The number in the name of the socket; the folder tells servers apart.
const PORT: u16 = 5432;

/// How the guard stops a server.
const STOP: &str = r#"
    pid=$(head -n 1 data/postmaster.pid 2>/dev/null)
    if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ]; then
        kill -QUIT "$pid"
        tries=0
        while [ -e data/postmaster.pid ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
    fi
"#;

/// What a server may be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Listen on a free loopback port as well (for the proxy).
    pub tcp: bool,
    /// Write through to the disk, so that what was committed survives a kill.
    pub fsync: bool,
    /// Log every statement, for tests that look for secrets in the log.
    pub log_statements: bool,
    /// Speak TLS, see [`Server::certified`].
    pub tls: bool,
    /// With the memory and the log of a server whose speed is measured.
    pub large: bool,
}

/// A running PostgreSQL.
pub struct Server {
    socket_folder: PathBuf,
    /// `None`: somebody else's, see [`SHARED`].
    own: Option<Own>,
}

/// What belongs to a server that this process started.
struct Own {
    postmaster: Mutex<Option<Child>>,
    options: Options,
    tcp_port: Option<u16>,
    programs: PathBuf,
    home: Home,
}

impl Server {
    /// The server that tests share; each has a database of its own in it.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| match std::env::var_os(SHARED) {
            Some(folder) => Self { socket_folder: folder.into(), own: None },
            None => Self::private(Options::default()),
        })
    }

    /// A server for one test alone.
    ///
    /// # Panics
    /// If PostgreSQL is not installed: a test without its server has failed.
    pub fn private(options: Options) -> Self {
        Self::private_in(Path::new("/tmp"), options)
    }

    /// The same with its data in a folder of `base`, whose path has to be short.
    pub fn private_in(base: &Path, options: Options) -> Self {
        Self::made(base, options, Own::init)
    }

    /// A server for one test alone that listens on a loopback port, speaks TLS with this certificate, and takes
    /// certificates of the authority.
    pub fn certified(authority: &Authority, certificate: &Certificate) -> Self {
        let make = |own: &Own| {
            own.init();
            own.home.put("ca.crt", &authority.pem());
            own.certify(certificate);
        };
        Self::made(Path::new("/tmp"), Options { tcp: true, tls: true, ..Options::default() }, make)
    }

    /// Shows this certificate from soon on.
    pub fn certify(&self, certificate: &Certificate) {
        self.own().certify(certificate);
        self.reload();
    }

    /// From soon on, lets in by TCP whom this line of `pg_hba.conf` says; by the socket, everybody.
    pub fn let_in(&self, line: &str) {
        self.own().home.put("data/pg_hba.conf", &format!("local all all trust\n{line}\n"));
        self.reload();
    }

    fn reload(&self) {
        wait(async {
            let mut connection = PgConnection::connect(&self.superuser_url("postgres")).await.expect("a connection");
            connection.execute("SELECT pg_reload_conf()").await.expect("the superuser may");
        });
    }

    /// A replica of this server, which follows it by streaming.
    pub fn replica(&self) -> Self {
        self.replica_through(None)
    }

    /// The same by way of a loopback port that leads to this server, as of a proxy.
    pub fn replica_through(&self, port: Option<u16>) -> Self {
        let (host, port) = match port {
            Some(port) => ("127.0.0.1".into(), port),
            None => (self.socket_folder.clone(), PORT),
        };
        let before = self.followers();
        let replica = Self::made(Path::new("/tmp"), Options::default(), |own| own.copy(&host, port));
        // It takes connections before it follows.
        until("a replica that follows", || (self.followers() > before).then_some(()));
        replica
    }

    /// How many replicas follow it now.
    fn followers(&self) -> i64 {
        wait(async {
            let mut connection = PgConnection::connect(&self.superuser_url("postgres")).await.expect("a connection");
            let query = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND replay_lsn IS NOT NULL";
            sqlx::query_scalar(query).fetch_one(&mut connection).await.expect("a number")
        })
    }

    fn made(base: &Path, options: Options, make: impl FnOnce(&Own)) -> Self {
        let home = Home::new(base, "rtd-pg-", &["postgres", "nobody"]);
        let tcp_port = options.tcp.then(free_port);
        let mut own = Own { postmaster: Mutex::new(None), options, tcp_port, programs: programs(), home };
        make(&own);
        own.home.start_guard(STOP);
        own.start();
        Self { socket_folder: own.home.path().to_owned(), own: Some(own) }
    }

    /// The superuser's address of a database, by socket.
    pub fn superuser_url(&self, database: &str) -> String {
        self.url("postgres", database)
    }

    /// A role's address of a database, by socket.
    pub fn url(&self, role: &str, database: &str) -> String {
        let folder = self.socket_folder.to_str().expect("a folder under /tmp");
        format!("postgres://{role}:{PASSWORD}@localhost:{PORT}/{database}?host={folder}&sslmode=disable")
    }

    /// A role's address of a database through a loopback port: the server's own or a proxy's.
    pub fn tcp_url(role: &str, database: &str, port: u16) -> String {
        format!("postgres://{role}:{PASSWORD}@127.0.0.1:{port}/{database}?sslmode=disable")
    }

    /// The server's own loopback port.
    pub fn tcp_port(&self) -> u16 {
        self.own().tcp_port.expect("a server with `tcp: true`")
    }

    /// The path of the socket.
    pub fn socket(&self) -> PathBuf {
        self.socket_folder.join(format!(".s.PGSQL.{PORT}"))
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.own().home.log()
    }

    /// Runs a statement as the superuser, in no database of a test's.
    pub fn execute(&self, statement: &str) {
        wait(async {
            let mut connection = PgConnection::connect(&self.superuser_url("postgres")).await.expect("a connection");
            connection.execute(sqlx::raw_sql(AssertSqlSafe(statement))).await.unwrap_or_else(|error| panic!("{error} in: {statement}"));
            connection.close().await.expect("an orderly end");
        });
    }

    /// `kill -9` for the postmaster and every process of it: what a machine does that loses its power.
    pub fn kill(&self) {
        self.own().kill();
    }

    /// Ends the server in order: its data are then as a copy may have them.
    pub fn stop(&self) {
        let mut postmaster = self.own().postmaster.lock().unwrap_or_else(PoisonError::into_inner).take().expect("a server that runs");
        kill_process(Pid::from_child(&postmaster), Signal::INT).expect("the postmaster is ours");
        postmaster.wait().expect("the postmaster is our child");
    }

    /// Starts the server again after [`Server::kill`] or [`Server::stop`]; returns when it takes connections.
    pub fn restart(&self) {
        self.own().start();
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.own().data()
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("only a private server can be inspected, killed and restarted")
    }
}

impl Own {
    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        self.home.command(self.programs.join(program))
    }

    fn init(&self) {
        let mut command = self.command("initdb");
        command.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"]);
        self.home.run(command.arg(self.data()));
    }

    /// Makes the data of a replica out of those of a running server.
    fn copy(&self, primary: &Path, port: u16) {
        let mut command = self.command("pg_basebackup");
        command.args([
            "--checkpoint=fast",
            "--no-sync",
            "--write-recovery-conf",
            "--username=postgres",
            "--port",
            &port.to_string(),
            "--host",
        ]);
        self.home.run(command.arg(primary).arg("--pgdata").arg(self.data()));
    }

    fn certify(&self, Certificate { certificate, key }: &Certificate) {
        self.home.put("server.crt", certificate);
        self.home.put("server.key", key);
    }

    /// Starts the postmaster and reads its log until it says that it takes connections.
    fn start(&self) {
        let on_off = |on| if on { "on" } else { "off" };
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.home.path());
        // One port is for the socket's name and TCP alike, so with TCP the socket is named after the free port by a link.
        command.arg("-p").arg(self.tcp_port.unwrap_or(PORT).to_string());
        let settings = [
            ("listen_addresses", if self.tcp_port.is_some() { "127.0.0.1" } else { "" }),
            ("fsync", on_off(self.options.fsync)),
            ("log_statement", if self.options.log_statements { "all" } else { "none" }),
            ("lc_messages", "C"),
            ("max_connections", "200"),
            ("shared_buffers", if self.options.large { "1GB" } else { "32MB" }),
            ("max_wal_size", if self.options.large { "4GB" } else { "1GB" }),
            ("timezone", "UTC"),
        ];
        for (name, value) in settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        if self.options.tls {
            let file = |name| self.home.path().join(name).display().to_string();
            let settings = [
                ("ssl", "on".to_owned()),
                ("ssl_cert_file", file("server.crt")),
                ("ssl_key_file", file("server.key")),
                ("ssl_ca_file", file("ca.crt")),
            ];
            command.args(settings.iter().flat_map(|(name, value)| ["-c".to_owned(), format!("{name}={value}")]));
        }
        // A replica is ready to accept read-only connections.
        let child = self.home.start(command, "database system is ready to accept");
        if let Some(port) = self.tcp_port {
            let link = self.home.path().join(format!(".s.PGSQL.{PORT}"));
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(format!(".s.PGSQL.{port}"), link).expect("a link to the socket");
        }
        *self.postmaster.lock().unwrap_or_else(PoisonError::into_inner) = Some(child);
    }

    fn kill(&self) {
        let Some(mut postmaster) = self.postmaster.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        // The postmaster first and stopped, so that it can neither replace nor mourn its children.
        let pid = Pid::from_child(&postmaster);
        kill_process(pid, Signal::STOP).expect("the postmaster is ours");
        let children = children_of(pid);
        for &child in &children {
            let _ = kill_process(child, Signal::KILL);
        }
        kill_process(pid, Signal::KILL).expect("the postmaster is ours");
        postmaster.wait().expect("the postmaster is our child");
        // A child that still dies holds the shared memory that the next postmaster wants to itself.
        while children.iter().any(|&child| is_postgres(child)) {
            thread::yield_now();
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The folder of the newest PostgreSQL on this machine.
fn programs() -> PathBuf {
    let version = |folder: &Path| folder.parent()?.file_name()?.to_str()?.parse::<u32>().ok();
    let packaged = glob::glob("/usr/lib/postgresql/*/bin").expect("a pattern").filter_map(Result::ok);
    let path = std::env::var_os("PATH").unwrap_or_default();
    packaged
        .filter(|folder| folder.join("initdb").exists())
        .max_by_key(|folder| version(folder))
        .or_else(|| std::env::split_paths(&path).find(|folder| folder.join("initdb").exists()))
        .expect("PostgreSQL is needed: install the package `postgresql`, or run the tests with tests/run, which does it")
}

fn children_of(parent: Pid) -> Vec<Pid> {
    let field_after_name = |stat: &str, field: usize| stat.rsplit_once(')')?.1.split_whitespace().nth(field)?.parse::<i32>().ok();
    let processes = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_child = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        field_after_name(&stat, 1) == Some(parent.as_raw_nonzero().get())
    };
    pids.filter(is_child).filter_map(Pid::from_raw).collect()
}

/// Whether the process still runs; one that has ended and only waits to be collected does not.
fn is_postgres(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.split_once("(postgres) ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}
