//! Private MariaDB servers: made by `mariadb-install-db` in a short folder under `/tmp`, gone when the tests are.
//!
//! [`Server::shared`] is the one that `tests/run` started (named by `RETENTIOND_TEST_MARIADB`) or, under a plain
//! `cargo test`, one for this process. [`Server::private`] is for tests that kill and restart it, and
//! [`Server::replica`] makes another that follows it.

mod database;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Child,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, MySqlConnection, Row as _};

pub use self::database::{Database, SQL_MODE};
use super::{
    certificates::{Authority, Certificate},
    server::{Home, PASSWORD, free_port},
    until, wait,
};

/// Names the socket folder of a server that somebody else starts and stops.
pub const SHARED: &str = "RETENTIOND_TEST_MARIADB";
/// The name of the socket in its folder.
const SOCKET: &str = "mysqld.sock";
/// Gives root its password.
const ACCOUNTS: &str = include_str!("accounts.sql");
/// How the guard stops a server.
const STOP: &str = r#"
    pid=$(cat pid 2>/dev/null)
    if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = mariadbd ]; then
        kill -KILL "$pid"
        tries=0
        while grep -q '^State:[[:space:]]*[^Z]' "/proc/$pid/status" 2>/dev/null && [ $tries -lt 100 ]; do
            sleep 0.05; tries=$((tries + 1))
        done
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
    /// Write a binary log, by rows, for replicas to follow. They need `tcp` as well.
    pub binlog: bool,
    /// Speak TLS, see [`Server::certified`].
    pub tls: bool,
    /// With the memory and the log of a server whose speed is measured.
    pub large: bool,
    /// In Berlin, where clocks are turned back; elsewhere servers keep UTC.
    pub in_berlin: bool,
}

/// A running MariaDB.
pub struct Server {
    folder: PathBuf,
    /// `None`: somebody else's, see [`SHARED`].
    own: Option<Own>,
}

/// What belongs to a server that this process started.
struct Own {
    process: Mutex<Option<Child>>,
    options: Options,
    /// What replicas tell each other apart by.
    number: u32,
    tcp_port: Option<u16>,
    home: Home,
}

impl Server {
    /// The server that tests share; each has a database of its own in it.
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Server> = OnceLock::new();
        SERVER.get_or_init(|| match std::env::var_os(SHARED) {
            Some(folder) => Self { folder: folder.into(), own: None },
            None => Self::private(Options::default()),
        })
    }

    /// A server for one test alone.
    ///
    /// # Panics
    /// If MariaDB is not installed: a test without its server has failed.
    pub fn private(options: Options) -> Self {
        Self::private_in(Path::new("/tmp"), options)
    }

    /// The same with its data in a folder of `base`, whose path has to be short.
    pub fn private_in(base: &Path, options: Options) -> Self {
        Self::made(base, options, |_| {})
    }

    /// A server for one test alone that listens on a loopback port, speaks TLS with this certificate, and takes
    /// certificates of the authority.
    pub fn certified(authority: &Authority, certificate: &Certificate) -> Self {
        let prepare = |own: &Own| {
            own.home.put("ca.crt", &authority.pem());
            own.certify(certificate);
        };
        Self::made(Path::new("/tmp"), Options { tcp: true, tls: true, ..Options::default() }, prepare)
    }

    /// Shows this certificate from now on.
    pub fn certify(&self, certificate: &Certificate) {
        self.own().certify(certificate);
        self.execute("FLUSH SSL");
    }

    fn made(base: &Path, options: Options, prepare: impl FnOnce(&Own)) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let home = Home::new(base, "rtd-my-", &["mysql", "nobody"]);
        let tcp_port = options.tcp.then(free_port);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut own = Own { process: Mutex::new(None), options, number, tcp_port, home };
        own.init();
        prepare(&own);
        own.home.start_guard(STOP);
        own.start();
        Self { folder: own.home.path().to_owned(), own: Some(own) }
    }

    /// A replica of this server, which follows its binary log from the beginning; it takes no writes but root's.
    pub fn replica(&self) -> Self {
        self.replica_through(None)
    }

    /// The same by way of a loopback port that leads to this server, as of a proxy.
    pub fn replica_through(&self, port: Option<u16>) -> Self {
        assert!(self.own().options.binlog, "a primary has `binlog: true`");
        let replica = Self::private(Options { tcp: true, binlog: true, ..Options::default() });
        replica.execute(&format!(
            "SET GLOBAL read_only = ON;
             CHANGE MASTER TO master_host = '127.0.0.1', master_port = {}, master_user = 'root', master_password = '{PASSWORD}',
                 master_connect_retry = 1, master_use_gtid = slave_pos;
             START SLAVE",
            port.unwrap_or_else(|| self.tcp_port())
        ));
        until("a replica that follows", || {
            let status = replica.replication();
            let says = |name: &str| status.iter().any(|(column, value)| column == name && value == "Yes");
            (says("Slave_IO_Running") && says("Slave_SQL_Running")).then_some(())
        });
        replica
    }

    /// What a replica says of itself (`SHOW SLAVE STATUS`), each with its name; what is NULL is absent.
    pub fn replication(&self) -> Vec<(String, String)> {
        wait(async {
            let mut connection = self.administrator().await;
            let row = connection.fetch_one(sqlx::raw_sql("SHOW SLAVE STATUS")).await.expect("a replica");
            let names = sqlx::Row::columns(&row).iter().map(|column| sqlx::Column::name(column).to_owned()).collect::<Vec<_>>();
            let value = |name: &str| row.try_get_unchecked::<Option<String>, _>(name).expect("a text");
            names.into_iter().filter_map(|name| value(&name).map(|value| (name, value))).collect()
        })
    }

    /// Root's address of a database, by socket.
    pub fn root_url(&self, database: &str) -> String {
        self.url("root", database)
    }

    /// An account's address of a database, by socket.
    pub fn url(&self, account: &str, database: &str) -> String {
        let socket = self.socket();
        format!(
            "mysql://{account}:{PASSWORD}@localhost/{database}?socket={}&ssl-mode=disabled",
            socket.to_str().expect("a path under /tmp")
        )
    }

    /// An account's address of a database through a loopback port: the server's own or a proxy's.
    pub fn tcp_url(account: &str, database: &str, port: u16) -> String {
        format!("mysql://{account}:{PASSWORD}@127.0.0.1:{port}/{database}?ssl-mode=disabled")
    }

    /// The server's own loopback port.
    pub fn tcp_port(&self) -> u16 {
        self.own().tcp_port.expect("a server with `tcp: true`")
    }

    /// The path of the socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(SOCKET)
    }

    /// What the server has logged so far, and the statements if it was asked to log them.
    pub fn log(&self) -> String {
        let statements = fs::read(self.own().home.path().join("statements")).unwrap_or_default();
        self.own().home.log() + &String::from_utf8_lossy(&statements)
    }

    /// Runs statements as root, in no database.
    pub fn execute(&self, statements: &str) {
        wait(async {
            let mut connection = self.administrator().await;
            connection.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.unwrap_or_else(|error| panic!("{error} in: {statements}"));
            connection.close().await.expect("an orderly end");
        });
    }

    /// The number that a query of root's gives, in no database.
    pub fn number(&self, query: &str) -> i64 {
        wait(async {
            let number = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut self.administrator().await).await;
            number.unwrap_or_else(|error| panic!("{error} in: {query}"))
        })
    }

    /// `kill -9`: what a machine does that loses its power.
    pub fn kill(&self) {
        self.own().kill();
    }

    /// Ends the server in order, with nothing left to purge: its data are then as a copy may have them.
    pub fn stop(&self) {
        self.execute("SET GLOBAL innodb_fast_shutdown = 0");
        let mut process = self.own().process.lock().unwrap_or_else(PoisonError::into_inner).take().expect("a server that runs");
        kill_process(Pid::from_child(&process), Signal::TERM).expect("the server is ours");
        process.wait().expect("the server is our child");
    }

    /// Starts the server again after [`Server::kill`] or [`Server::stop`]; returns when it takes connections.
    pub fn restart(&self) {
        self.own().start();
    }

    /// The folder of its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    async fn administrator(&self) -> MySqlConnection {
        let connection = MySqlConnection::connect(&self.root_url("")).await;
        connection.unwrap_or_else(|error| panic!("no MariaDB at {}: {error}", self.socket().display()))
    }

    fn own(&self) -> &Own {
        self.own.as_ref().expect("only a private server can be inspected, followed, killed and restarted")
    }
}

impl Own {
    fn init(&self) {
        let mut command = self.home.command(program("mariadb-install-db"));
        command.args(["--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]);
        // A server that starts clears its folder for temporary tables, and with it those of another one that is starting there.
        command.args([("datadir", "data"), ("tmpdir", "")].map(|(name, folder)| format!("--{name}={}", self.file(folder))));
        self.home.run(&mut command);
        fs::write(self.home.path().join("accounts.sql"), ACCOUNTS).expect("a file for the server");
    }

    fn certify(&self, Certificate { certificate, key }: &Certificate) {
        self.home.put("server.crt", certificate);
        self.home.put("server.key", key);
    }

    /// The path of a file in the server's folder.
    fn file(&self, name: &str) -> String {
        self.home.path().join(name).to_str().expect("a path under /tmp").to_owned()
    }

    /// Starts the server and reads its log until it says that it takes connections.
    fn start(&self) {
        let mut command = self.home.command(program("mariadbd"));
        command.args(["--no-defaults", "--skip-name-resolve", "--performance-schema=off", "--skip-symbolic-links"]);
        let settings = [
            ("datadir", self.file("data")),
            ("tmpdir", self.file("")),
            ("socket", self.file(SOCKET)),
            ("pid-file", self.file("pid")),
            ("init-file", self.file("accounts.sql")),
            ("character-set-server", "utf8mb4".to_owned()),
            ("collation-server", "utf8mb4_general_ci".to_owned()),
            ("default-time-zone", if self.options.in_berlin { "SYSTEM" } else { "+00:00" }.to_owned()),
            ("lc-messages", "en_US".to_owned()),
            ("max-connections", "200".to_owned()),
            ("innodb-buffer-pool-size", if self.options.large { "1G" } else { "32M" }.to_owned()),
            ("innodb-log-file-size", if self.options.large { "1G" } else { "32M" }.to_owned()),
        ];
        command.args(settings.map(|(name, value)| format!("--{name}={value}")));
        if self.options.in_berlin {
            command.env("TZ", "Europe/Berlin");
        }
        match self.tcp_port {
            Some(port) => command.args(["--bind-address=127.0.0.1".to_owned(), format!("--port={port}")]),
            None => command.arg("--skip-networking"),
        };
        if self.options.tls {
            command.args(
                [("cert", "server.crt"), ("key", "server.key"), ("ca", "ca.crt")]
                    .map(|(what, file)| format!("--ssl-{what}={}", self.file(file))),
            );
        }
        if !self.options.fsync {
            command.args(["--innodb-flush-log-at-trx-commit=0", "--innodb-flush-method=nosync", "--debug-no-sync"]);
        }
        if self.options.log_statements {
            command.args(["--general-log".to_owned(), format!("--general-log-file={}", self.file("statements"))]);
        }
        if self.options.binlog {
            command.args(["--log-bin=binlog", "--binlog-format=ROW", "--log-slave-updates", "--relay-log=relay"]);
            command.args([format!("--server-id={}", self.number), format!("--sync-binlog={}", u8::from(self.options.fsync))]);
        }
        *self.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.home.start(command, "ready for connections"));
    }

    fn kill(&self) {
        let Some(mut process) = self.process.lock().unwrap_or_else(PoisonError::into_inner).take() else { return };
        process.kill().expect("the server is ours");
        process.wait().expect("the server is our child");
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A program of MariaDB's; the server is not on everybody's path.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/usr/bin"].map(|folder| Path::new(folder).to_owned()));
    folders
        .map(|folder| folder.join(name))
        .find(|program| program.exists())
        .expect("MariaDB is needed: install the package `mariadb-server`, or run the tests with tests/run, which does it")
}
