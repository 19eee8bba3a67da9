//! Private PostgreSQL servers: made by `initdb` in a short folder under `/tmp`, gone when the tests are.
//!
//! [`Server::shared`] is the one that `tests/run` started (named by `RETENTIOND_TEST_POSTGRES`) or, under a plain
//! `cargo test`, one for this process. [`Server::private`] is for tests that kill and restart it.
//!
//! A server outlives its tests in no case: a guard process holds the reading end of a pipe from this process, and stops
//! the server and removes its folder as soon as the pipe closes, even after `kill -9`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::TcpListener,
    os::unix::{fs::chown, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError, mpsc},
    thread,
};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Names the socket folder of a server that somebody else starts and stops.
pub const SHARED: &str = "RETENTIOND_TEST_POSTGRES";
/// The role that the daemon should run as: it may log in, and nothing else.
pub const ROLE: &str = "retentiond";
/// The password in every address. The servers trust their socket, so it only serves to be looked for where it must not be.
pub const PASSWORD: &str = "swordfish-4711";
/// The number in the name of the socket; the folder tells servers apart.
const PORT: u16 = 5432;

/// What a server may be asked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Listen on a free loopback port as well (for the proxy).
    pub tcp: bool,
    /// Write through to the disk, so that what was committed survives a kill.
    pub fsync: bool,
    /// Log every statement, for tests that look for secrets in the log.
    pub log_statements: bool,
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
    account: Option<Account>,
    /// Closing it tells the guard to clean up.
    guard: Option<(ChildStdin, Child)>,
    // Last, so that the folder goes when everything in it has stopped.
    folder: TempDir,
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
        Self::made(options, Own::init)
    }

    /// A replica of this server, which follows it by streaming.
    pub fn replica(&self) -> Self {
        Self::made(Options::default(), |own| own.copy(&self.socket_folder))
    }

    fn made(options: Options, make: impl FnOnce(&Own)) -> Self {
        let programs = programs();
        let account = Account::for_servers();
        let folder = tempfile::Builder::new().prefix("rtd-pg-").tempdir_in("/tmp").expect("a folder under /tmp");
        if let Some(account) = account {
            chown(folder.path(), Some(account.uid), Some(account.gid)).expect("root may give the folder away");
        }
        let tcp_port = options.tcp.then(free_port);
        let mut own = Own { postmaster: Mutex::new(None), options, tcp_port, programs, account, guard: None, folder };
        make(&own);
        own.guard = Some(own.start_guard());
        own.start();
        Self { socket_folder: own.folder.path().to_owned(), own: Some(own) }
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
        fs::read_to_string(self.own().folder.path().join("log")).expect("the server's log")
    }

    /// `kill -9` for the postmaster and every process of it: what a machine does that loses its power.
    pub fn kill(&self) {
        self.own().kill();
    }

    /// Starts the server again after [`Server::kill`]; returns when it has recovered and takes connections.
    pub fn restart(&self) {
        self.own().start();
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("only a private server can be inspected, killed and restarted")
    }
}

impl Own {
    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.stdin(Stdio::null()).current_dir(self.folder.path());
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    fn init(&self) {
        let mut command = self.command("initdb");
        command.args(["--no-sync", "--auth=trust", "--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--pgdata"]);
        let output = command.arg(self.data()).output().expect("initdb can be run");
        assert!(output.status.success(), "initdb failed: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Makes the data of a replica out of those of a running server.
    fn copy(&self, primary: &Path) {
        let mut command = self.command("pg_basebackup");
        command.args([
            "--checkpoint=fast",
            "--no-sync",
            "--write-recovery-conf",
            "--username=postgres",
            "--port",
            &PORT.to_string(),
            "--host",
        ]);
        let output = command.arg(primary).arg("--pgdata").arg(self.data()).output().expect("pg_basebackup can be run");
        assert!(output.status.success(), "pg_basebackup failed: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts the postmaster and reads its log until it says that it takes connections.
    fn start(&self) {
        let on_off = |on| if on { "on" } else { "off" };
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(self.folder.path());
        // One port is for the socket's name and TCP alike, so with TCP the socket is named after the free port by a link.
        command.arg("-p").arg(self.tcp_port.unwrap_or(PORT).to_string());
        let settings = [
            ("listen_addresses", if self.tcp_port.is_some() { "127.0.0.1" } else { "" }),
            ("fsync", on_off(self.options.fsync)),
            ("log_statement", if self.options.log_statements { "all" } else { "none" }),
            ("lc_messages", "C"),
            ("max_connections", "200"),
            ("shared_buffers", "32MB"),
            ("timezone", "UTC"),
        ];
        for (name, value) in settings {
            command.arg("-c").arg(format!("{name}={value}"));
        }
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("postgres can be run");
        let stderr = child.stderr.take().expect("a pipe was asked for");
        let mut log = fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).expect("a log");
        let (ready, wait) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = writeln!(log, "{line}");
                // A replica is ready to accept read-only connections.
                if line.contains("database system is ready to accept") {
                    let _ = ready.send(());
                }
            }
        });
        // The sender is dropped when the log ends, so a postmaster that gives up is noticed at once.
        let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        wait.recv().unwrap_or_else(|_| panic!("PostgreSQL did not start:\n{}", log()));
        if let Some(port) = self.tcp_port {
            let link = self.folder.path().join(format!(".s.PGSQL.{PORT}"));
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

    /// Starts the process that cleans up after this one, however this one ends.
    fn start_guard(&self) -> (ChildStdin, Child) {
        const SCRIPT: &str = r#"
            trap '' HUP INT TERM
            cat >/dev/null
            pid=$(head -n 1 data/postmaster.pid 2>/dev/null)
            if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = postgres ]; then
                kill -QUIT "$pid"
                tries=0
                while [ -e data/postmaster.pid ] && [ $tries -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
            fi
            rm -rf "$0"
        "#;
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(SCRIPT).arg(self.folder.path()).current_dir(self.folder.path());
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        let mut guard = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        (guard.stdin.take().expect("a pipe was asked for"), guard)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
        if let Some((pipe, mut guard)) = self.guard.take() {
            drop(pipe);
            let _ = guard.wait();
        }
    }
}

/// The unprivileged account that servers run as when the tests run as root, which PostgreSQL refuses.
#[derive(Debug, Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    fn for_servers() -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let accounts = fs::read_to_string("/etc/passwd").expect("the accounts of this machine");
        let find = |name: &str| {
            let fields: Vec<&str> = accounts.lines().map(|line| line.split(':').collect()).find(|fields: &Vec<_>| fields[0] == name)?;
            Some(Self { uid: fields[2].parse().ok()?, gid: fields[3].parse().ok()? })
        };
        Some(find("postgres").or_else(|| find("nobody")).expect("the account postgres (Debian package `postgresql`) or nobody"))
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

/// A loopback port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
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
