//! A small disk that can be filled: a tmpfs, mounted for one test.
//!
//! It is unmounted in any case: a guard process reads from a pipe of this one, and unmounts when the pipe closes, even
//! after `kill -9`.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
};

/// A mounted tmpfs.
pub struct Tmpfs {
    path: PathBuf,
    guard: Option<(ChildStdin, Child)>,
}

impl Tmpfs {
    /// Mounts one of so many MiB.
    ///
    /// # Panics
    /// Where nothing may be mounted: a test without its disk has failed.
    pub fn mount(mebibytes: u32) -> Self {
        let path = tempfile::Builder::new().prefix("rtd-fs-").tempdir_in("/tmp").expect("a folder under /tmp").keep();
        let mut guard = root("/bin/sh")
            .args(["-c", "trap '' HUP INT TERM\ncat >/dev/null\numount -l \"$0\"\nrmdir \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let pipe = guard.stdin.take().expect("a pipe was asked for");
        let disk = Self { path, guard: Some((pipe, guard)) };
        let options = format!("size={mebibytes}m,mode=1777");
        let mounted = root("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&disk.path).output().expect("`mount` can be run");
        let said = String::from_utf8_lossy(&mounted.stderr).into_owned();
        assert!(mounted.status.success(), "a small tmpfs is needed, for which the tests must run as root or with sudo: {said}");
        disk
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Leaves no room.
    pub fn fill(&self) {
        let mut file = fs::File::create(self.ballast()).expect("a file");
        let mut size = 1 << 20;
        while size > 0 {
            match file.write(&vec![0; size]) {
                Ok(written) if written > 0 => {}
                _ => size /= 2,
            }
        }
    }

    /// Makes room again.
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("the file that fills the disk");
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        if let Some((pipe, mut guard)) = self.guard.take() {
            drop(pipe);
            let _ = guard.wait();
        }
    }
}

/// A program as root, without asking for a password.
fn root(program: &str) -> Command {
    if rustix::process::geteuid().is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    command
}
