//! A private pgbouncer in transaction mode, before a PostgreSQL server: each transaction may run on another of the few
//! sessions that it keeps, and whatever one leaves behind is there for the next.

use std::{path::Path, process::Child};

use super::server::{Home, PASSWORD, free_port};

/// How the guard stops it.
const STOP: &str = r#"
    pid=$(cat pid 2>/dev/null)
    if [ -n "$pid" ] && [ "$(cat "/proc/$pid/comm" 2>/dev/null)" = pgbouncer ]; then kill -KILL "$pid"; fi
"#;

/// A running pgbouncer; stopped when dropped.
pub struct Pgbouncer {
    process: Child,
    port: u16,
    home: Home,
}

impl Pgbouncer {
    /// Before the server whose socket is in `folder`, with so many sessions for everybody. `extra` are lines of its
    /// configuration.
    pub fn before(folder: &Path, sessions: u32, extra: &str) -> Self {
        let mut home = Home::new(Path::new("/tmp"), "rtd-pb-", &["postgres", "nobody"]);
        let port = free_port();
        let settings = format!(
            "[databases]\n* = host={} port=5432 user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = {sessions}\npidfile = {}\n{extra}\n",
            folder.display(),
            home.path().join("pid").display(),
        );
        home.put("pgbouncer.ini", &settings);
        home.start_guard(STOP);
        let mut command = home.command("/usr/sbin/pgbouncer");
        command.arg("pgbouncer.ini");
        let process = home.start(command, "process up");
        Self { process, port, home }
    }

    /// The superuser's address of a database through it.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://postgres:{PASSWORD}@127.0.0.1:{}/{database}", self.port)
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.home.log()
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
