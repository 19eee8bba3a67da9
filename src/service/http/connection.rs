//! Connections: how many at once, and how long a client may take to say what it wants.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream, UnixListener, UnixStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

use super::{limits::Who, peer, socket};

/// Connections of a listener at once; whoever comes then waits in the kernel's queue.
const CONNECTIONS: usize = 256;
/// How long the head of a request may take, the wait for the next one on the same connection included.
const HEAD: Duration = Duration::from_secs(15);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// How long a client may leave what it is sent unread, in milliseconds.
const UNREAD: u32 = 30_000;
/// The wait after the system has refused a connection, for want of file descriptors.
const BREATH: Duration = Duration::from_millis(200);

/// What is listened on.
pub(super) enum Listener {
    Network { listener: TcpListener, tls: Option<TlsAcceptor>, on_loopback: bool },
    Socket(UnixListener),
}

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ends {
    Network {
        peer: SocketAddr,
        own: SocketAddr,
        /// The listener can't be reached from elsewhere.
        on_loopback: bool,
    },
    /// Whom the kernel says to have connected.
    Socket { user: Option<u32> },
}

impl Ends {
    /// Nobody on another machine can have opened it.
    pub(super) fn are_local(self) -> bool {
        matches!(self, Self::Network { on_loopback: true, .. } | Self::Socket { .. })
    }

    /// The user of this machine who has the other end; `None`: that can't be told.
    pub(super) fn user(self) -> Option<u32> {
        match self {
            Self::Network { peer, own, .. } => peer::user(peer, own),
            Self::Socket { user } => user,
        }
    }

    /// Whose patience a refusal is counted against.
    pub(super) fn stranger(self) -> Who {
        match self {
            Self::Network { peer, .. } => Who::Refused(peer.ip().to_canonical()),
            Self::Socket { user } => Who::RefusedUser(user),
        }
    }
}

/// A connection that nobody has spoken on.
enum Opened {
    Network { stream: TcpStream, peer: SocketAddr, tls: Option<TlsAcceptor>, on_loopback: bool },
    Socket(UnixStream),
}

impl Listener {
    async fn next(&self) -> io::Result<Opened> {
        match self {
            Self::Network { listener, tls, on_loopback } => {
                let (stream, peer) = listener.accept().await?;
                Ok(Opened::Network { stream, peer, tls: tls.clone(), on_loopback: *on_loopback })
            }
            Self::Socket(listener) => listener.accept().await.map(|(stream, _)| Opened::Socket(stream)),
        }
    }
}

impl Opened {
    async fn serve(self, router: Router) {
        match self {
            Self::Network { stream, peer, tls, on_loopback } => {
                let Ok(own) = stream.local_addr() else { return };
                if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD) {
                    tracing::warn!(%error, "a connection has no limit for clients that don't read");
                }
                let ends = Ends::Network { peer, own, on_loopback };
                match tls {
                    None => answer(stream, ends, router).await,
                    Some(tls) =>
                    {
                        #[expect(clippy::disallowed_methods, reason = "no statement is in the future that is given up")]
                        match tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
                            Ok(Ok(stream)) => answer(stream, ends, router).await,
                            Ok(Err(error)) => tracing::debug!(%peer, %error, "a client did not complete the TLS handshake"),
                            Err(_) => tracing::debug!(%peer, error = "it took too long", "a client did not complete the TLS handshake"),
                        }
                    }
                }
            }
            Self::Socket(stream) => {
                let user = socket::user(&stream);
                answer(stream, Ends::Socket { user }, router).await;
            }
        }
    }
}

/// Serves every connection until the process ends. A handshake, as everything else of a connection, keeps nobody waiting.
pub(super) async fn accept(listener: Listener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.next().await {
            Ok(opened) => {
                let router = router.clone();
                tokio::spawn(async move {
                    opened.serve(router).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection can't be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

async fn answer(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, ends: Ends, router: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(ends);
        let mut router = router.clone();
        async move { Service::call(&mut router, request).await as Result<Response, std::convert::Infallible> }
    });
    let mut builder = http1::Builder::new();
    // A request that came whole is answered, whether or not its client still listens.
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).half_close(true);
    // A client that went away, or never said what it wants, is no news.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
