//! The real binary in a folder of its own: run to its end, or started, watched, paused and killed.

use std::{
    ffi::OsStr,
    fs,
    io::{BufRead as _, BufReader, Read as _},
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with `retentiond.toml`, `rules/` and whatever else a test puts there; gone when dropped.
pub struct Folder {
    root: TempDir,
}

impl Folder {
    /// With this `retentiond.toml`.
    pub fn new(config: &str) -> Self {
        let folder = Self { root: tempfile::Builder::new().prefix("rtd-").tempdir().expect("a temporary folder") };
        folder.write("retentiond.toml", config);
        fs::create_dir(folder.path().join("rules")).expect("the folder of the rules");
        folder
    }

    /// Adds or replaces `rules/NAME.toml`.
    pub fn with_rules(self, name: &str, rules: &str) -> Self {
        self.write(&format!("rules/{name}.toml"), rules);
        self
    }

    /// Adds or replaces a file; returns its path.
    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a file in the folder")).expect("a folder");
        fs::write(&path, text).expect("a file");
        path
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.root.path()
    }

    /// The command line with these arguments, not yet run: for more environment variables or another folder.
    pub fn command<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retentiond"));
        // Nothing of the developer's environment decides a test.
        command.env_clear().env("HOME", self.path()).env("PATH", "/usr/bin:/bin").env("NO_COLOR", "1");
        command.current_dir(self.path()).args(arguments).stdin(Stdio::null());
        command
    }

    /// Runs the binary to its end.
    pub fn run<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Run {
        run(&mut self.command(arguments))
    }

    /// Starts the binary and leaves it running.
    pub fn start<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> Running {
        start(&mut self.command(arguments))
    }
}

/// Runs a command from [`Folder::command`] to its end.
pub fn run(command: &mut Command) -> Run {
    let output = command.output().expect("the binary can be run");
    Run::new(output.status, output.stdout, output.stderr)
}

/// What a finished run left.
#[derive(Debug)]
pub struct Run {
    /// Exit status as SPEC has it; `None`: a signal ended it.
    pub status: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    fn new(status: ExitStatus, stdout: Vec<u8>, stderr: Vec<u8>) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("output is UTF-8");
        Self { status: status.code(), signal: status.signal(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// Standard output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("not JSON ({error}): {self:#?}"))
    }

    /// Standard output as JSON Lines.
    pub fn json_lines(&self) -> Vec<Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("not JSON ({error}): {line}"));
        self.stdout.lines().map(parse).collect()
    }

    /// Asserts the exit status and shows everything where it is another.
    #[track_caller]
    pub fn expect(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:#?}");
        self
    }
}

/// Starts a command from [`Folder::command`].
pub fn start(command: &mut Command) -> Running {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary can be run");
    let mut stdout = child.stdout.take().expect("a pipe was asked for");
    let stderr = child.stderr.take().expect("a pipe was asked for");
    let output = thread::spawn(move || {
        let mut bytes = Vec::new();
        stdout.read_to_end(&mut bytes).map(|_| bytes).unwrap_or_default()
    });
    let (send, lines) = mpsc::channel();
    thread::spawn(move || BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
    Running { child, output: Some(output), lines, seen: String::new() }
}

/// A process that runs; killed when dropped.
pub struct Running {
    child: Child,
    output: Option<JoinHandle<Vec<u8>>>,
    lines: mpsc::Receiver<String>,
    seen: String,
}

impl Running {
    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Waits for the next line on standard error that contains `text`.
    ///
    /// # Panics
    /// If the process ends its standard error without such a line.
    #[track_caller]
    pub fn line(&mut self, text: &str) -> String {
        while let Ok(line) = self.lines.recv() {
            self.seen.push_str(&line);
            self.seen.push('\n');
            if line.contains(text) {
                return line;
            }
        }
        panic!("no line with \"{text}\" came:\n{}", self.seen)
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the process is ours");
    }

    /// SIGSTOP; returns when the process has stopped.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT).expect("the process is our child");
    }

    /// Waits until the process has stopped itself, as a fault point can make it.
    pub fn stopped(&self) {
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .expect("the process is our child");
    }

    /// Waits until the process has ended. Its status stays to be taken, so that it can be signalled all the same.
    pub fn ended(&self) {
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).expect("the process is our child");
    }

    /// Whether it has ended by now. Its status stays to be taken.
    pub fn has_ended(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::Pid(self.pid()), options).expect("the process is our child").is_some()
    }

    /// As [`Running::stopped`]; false if the process ended instead.
    pub fn has_stopped(&self) -> bool {
        waitid(WaitId::Pid(self.pid()), WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)
            .expect("the process is our child")
            .is_some_and(|status| status.stopped())
    }

    /// SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// SIGTERM, then the end.
    pub fn terminate(self) -> Run {
        self.signal(Signal::TERM);
        self.finish()
    }

    /// `kill -9`, then the end.
    pub fn kill(self) -> Run {
        self.signal(Signal::KILL);
        self.finish()
    }

    /// Waits for the end.
    pub fn finish(mut self) -> Run {
        let status = self.child.wait().expect("the process is our child");
        let stdout = self.output.take().and_then(|output| output.join().ok()).unwrap_or_default();
        let rest: String = self.lines.iter().flat_map(|line| [line, "\n".to_owned()]).collect();
        Run::new(status, stdout, format!("{}{rest}", self.seen).into_bytes())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
