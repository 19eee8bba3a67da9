//! What private servers of every kind have in common: a short folder under `/tmp`, an account that isn't root, a log that
//! says when they are ready, and a guard.
//!
//! A server outlives its tests in no case: a guard process holds the reading end of a pipe from this process, and stops
//! the server and removes its folder as soon as the pipe closes, even after `kill -9`.

use std::{
    ffi::OsStr,
    fs,
    io::{Read as _, Seek as _, SeekFrom, Write as _},
    net::TcpListener,
    os::unix::{
        fs::{OpenOptionsExt as _, chown},
        process::CommandExt as _,
    },
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
};

use tempfile::TempDir;

use super::until;

/// The role that the daemon should run as: it may log in, and nothing else.
pub const ROLE: &str = "retentiond";
/// The password in every address. The servers trust their socket, so it only serves to be looked for where it must not be.
pub const PASSWORD: &str = "swordfish-4711";

/// The folder in which a private server lives; gone when dropped, by when the server should have stopped.
pub struct Home {
    account: Option<Account>,
    /// Closing it tells the guard to clean up.
    guard: Option<(ChildStdin, Child)>,
    folder: TempDir,
}

impl Home {
    /// An empty folder in `base`, with a short name because the path of a socket has to be. Servers refuse root, and then run as
    /// the first of `accounts` that there is.
    pub fn new(base: &Path, prefix: &str, accounts: &[&str]) -> Self {
        let account = Account::for_servers(accounts);
        let folder = tempfile::Builder::new().prefix(prefix).tempdir_in(base).expect("a folder");
        if let Some(account) = account {
            chown(folder.path(), Some(account.uid), Some(account.gid)).expect("root may give the folder away");
        }
        Self { account, guard: None, folder }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file that the server's account, and nobody else, can read.
    pub fn put(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        // A new one, because the account may not write the old one anew.
        let _ = fs::remove_file(&path);
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).expect("a file in the folder");
        file.write_all(text.as_bytes()).expect("it can be written");
        if let Some(account) = self.account {
            chown(&path, Some(account.uid), Some(account.gid)).expect("root may give the file away");
        }
    }

    /// A program of the server's, to be run in the folder as its account.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.stdin(Stdio::null()).current_dir(self.path());
        if let Some(account) = self.account {
            command.uid(account.uid).gid(account.gid);
        }
        command
    }

    /// Runs a program to its end.
    ///
    /// # Panics
    /// With what it said, if it fails.
    pub fn run(&self, command: &mut Command) {
        let name = command.get_program().to_string_lossy().into_owned();
        let output = command.output().unwrap_or_else(|error| panic!("{name} can't be run: {error}"));
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(output.status.success(), "{name} failed: {said}");
    }

    /// Starts a server and reads its log until that contains `ready`. The server writes the log itself, so what it did before it
    /// answered is there when it has answered.
    pub fn start(&self, mut command: Command, ready: &'static str) -> Child {
        let path = self.path().join("log");
        let stderr = fs::OpenOptions::new().create(true).append(true).open(&path).expect("a log");
        let mut log = fs::File::open(&path).expect("a log");
        log.seek(SeekFrom::End(0)).expect("a file");
        let mut child = command.stdout(Stdio::null()).stderr(stderr).spawn().expect("the server can be run");
        let mut said = Vec::new();
        until(ready, || {
            let ended = child.try_wait().expect("the server is our child");
            log.read_to_end(&mut said).expect("a log");
            assert!(ended.is_none(), "the server did not start:\n{}", self.log());
            String::from_utf8_lossy(&said).contains(ready).then_some(())
        });
        child
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap_or_default()
    }

    /// Starts the process that cleans up after this one, however this one ends. `stop` is a script that stops the server; it
    /// runs in the folder.
    pub fn start_guard(&mut self, stop: &str) {
        let script = format!("trap '' HUP INT TERM\ncat >/dev/null\n{stop}\nrm -rf \"$0\"\n");
        let mut command = self.command("/bin/sh");
        command.arg("-c").arg(script).arg(self.path());
        let mut guard = command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("a shell");
        self.guard = Some((guard.stdin.take().expect("a pipe was asked for"), guard));
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some((pipe, mut guard)) = self.guard.take() {
            drop(pipe);
            let _ = guard.wait();
        }
    }
}

/// The unprivileged account that servers run as when the tests run as root.
#[derive(Debug, Clone, Copy)]
struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    fn for_servers(names: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let accounts = fs::read_to_string("/etc/passwd").expect("the accounts of this machine");
        let find = |name: &&str| {
            let fields: Vec<&str> = accounts.lines().map(|line| line.split(':').collect()).find(|fields: &Vec<_>| fields[0] == *name)?;
            Some(Self { uid: fields[2].parse().ok()?, gid: fields[3].parse().ok()? })
        };
        Some(names.iter().find_map(find).unwrap_or_else(|| panic!("one of the accounts {names:?} is needed")))
    }
}

/// A loopback port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}
