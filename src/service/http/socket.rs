//! The Unix socket: bound where nobody listens, removed when the daemon ends, and told who has its other end.
//!
//! A socket that a dead process has left is in the way of a new one, and one that somebody listens on must not be taken
//! from them. Which of the two it is, is asked of the kernel by connecting; between the question and the new socket the
//! folder is locked, so that of two daemons that start at once none removes what the other has just made. Nobody gets in
//! before the permissions are set: until then the socket is bound, and nobody listens on it.

use std::{
    fs::{self, File, Permissions},
    io,
    os::unix::{
        fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _},
        net::UnixListener as StdListener,
    },
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::{FlockOperation, flock},
    io::Errno,
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with},
};
use tokio::net::{UnixListener, UnixStream};

use super::peer::NOBODY;
use crate::config::listener::Socket;

/// Connections that wait to be accepted.
const BACKLOG: i32 = 256;
/// How often, and after which wait, another that holds the folder is waited for.
const TRIES: (u32, Duration) = (50, Duration::from_millis(100));

/// A socket of this process in the file system; removed when dropped, unless another stands there by then.
#[derive(Debug)]
pub(super) struct Bound {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for Bound {
    fn drop(&mut self) {
        if inode(&self.path).is_ok_and(|inode| inode == self.inode) {
            // Whoever starts next knows what to do with one that is left.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Listens there.
///
/// # Errors
/// Somebody listens there already, something else is in the way, or the folder is not ours to write to.
pub(super) async fn take(socket: &Socket) -> io::Result<(UnixListener, Bound)> {
    let path = &socket.path;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = File::open(folder).map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", folder.display())))?;
    lock(&folder).await?;
    make_room(path)?;
    let own = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    bind(&own, &SocketAddrUnix::new(path)?)?;
    let bound = Bound { path: path.clone(), inode: inode(path)? };
    fs::set_permissions(path, Permissions::from_mode(socket.mode))?;
    listen(&own, BACKLOG)?;
    Ok((UnixListener::from_std(StdListener::from(own))?, bound))
}

/// Who has the other end; `None`: that can't be told.
pub(super) fn user(stream: &UnixStream) -> Option<u32> {
    stream.peer_cred().ok().map(|peer| peer.uid()).filter(|user| *user != NOBODY)
}

async fn lock(folder: &File) -> io::Result<()> {
    let (tries, wait) = TRIES;
    for _ in 0..tries {
        match flock(folder, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK) => tokio::time::sleep(wait).await,
            done => return Ok(done?),
        }
    }
    Err(io::Error::other("another process keeps its folder locked"))
}

/// Removes what a dead process has left.
fn make_room(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, "something stands there that is no socket, and is left alone"));
        }
        Ok(_) => {}
    }
    let asking = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    match connect(&asking, &SocketAddrUnix::new(path)?) {
        Err(Errno::CONNREFUSED) => {
            fs::remove_file(path)?;
            tracing::info!(socket = %path.display(), "removed a socket that a dead process had left");
            Ok(())
        }
        // Too busy to answer is alive, too.
        Ok(()) | Err(Errno::AGAIN) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens there")),
        Err(error) => Err(io::Error::new(error.kind(), format!("whether another process listens there can't be told: {error}"))),
    }
}

fn inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_dead_ones_is_replaced_a_living_ones_kept_and_a_file_left_alone() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| Socket { path: folder.path().join(name), mode: 0o660 };
        let socket = at("api.sock");
        // As a process that was killed leaves it.
        drop(StdListener::bind(&socket.path).expect("a socket"));
        let (_listener, bound) = take(&socket).await.expect("a socket of ours");
        assert_eq!(fs::metadata(&socket.path).expect("it").permissions().mode() & 0o777, 0o660);
        let refused = take(&socket).await.expect_err("somebody listens");
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse, "{refused}");
        drop(bound);
        assert!(!socket.path.exists());

        let file = at("file");
        fs::write(&file.path, "precious").expect("a file");
        assert!(take(&file).await.expect_err("a file").to_string().contains("no socket"));
        assert_eq!(fs::read_to_string(&file.path).expect("the file"), "precious");
        assert!(take(&at("nowhere/api.sock")).await.expect_err("no folder").to_string().contains("nowhere"));
    }

    #[tokio::test]
    async fn what_another_has_put_there_since_is_not_removed() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = Socket { path: folder.path().join("api.sock"), mode: 0o600 };
        let (listener, bound) = take(&socket).await.expect("a socket");
        drop(listener);
        let (_other, _stays) = take(&socket).await.expect("another's");
        drop(bound);
        assert!(socket.path.exists());
    }

    #[tokio::test]
    async fn the_kernel_says_who_connects() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let socket = Socket { path: folder.path().join("api.sock"), mode: 0o600 };
        let (listener, _bound) = take(&socket).await.expect("a socket");
        let _client = UnixStream::connect(&socket.path).await.expect("a connection");
        let (stream, _) = listener.accept().await.expect("the connection");
        assert_eq!(user(&stream), Some(rustix::process::geteuid().as_raw()));
    }
}
