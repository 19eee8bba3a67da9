//! Connections: how many at once, and how long a client may take to say what it wants.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::Request, response::Response};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tower_service::Service;

/// Connections at once; whoever comes then waits in the kernel's queue.
const CONNECTIONS: usize = 256;
/// How long the head of a request may take, the wait for the next one on the same connection included.
const HEAD: Duration = Duration::from_secs(15);
/// How long a client may leave what it is sent unread, in milliseconds.
const UNREAD: u32 = 30_000;
/// The wait after the system has refused a connection, for want of file descriptors.
const BREATH: Duration = Duration::from_millis(200);

/// Both ends of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub peer: SocketAddr,
    pub own: SocketAddr,
}

/// Serves every connection until the process ends.
pub(super) async fn accept(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(permit) = room.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    serve(stream, peer, router).await;
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

async fn serve(stream: TcpStream, peer: SocketAddr, router: Router) {
    let Ok(own) = stream.local_addr() else { return };
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, UNREAD) {
        tracing::warn!(%error, "a connection has no limit for clients that don't read");
    }
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let mut request: Request = request.map(Body::new);
        request.extensions_mut().insert(Ends { peer, own });
        let mut router = router.clone();
        async move { Service::call(&mut router, request).await as Result<Response, std::convert::Infallible> }
    });
    let mut builder = http1::Builder::new();
    // A request that came whole is answered, whether or not its client still listens.
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).half_close(true);
    // A client that went away, or never said what it wants, is no news.
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}
