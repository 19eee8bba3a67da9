//! Where the daemon listens: each address of the configuration is bound, or none is served.

use std::{io, net::SocketAddr, sync::Arc};

use axum::Router;
use tokio::{net::TcpListener, sync::watch};

use super::{
    connection::{self, Listener},
    socket::{self, Bound},
    tls,
};
use crate::{
    config::{http::Http, listener::Listeners},
    operate::world::World,
};

/// Binds everything and serves it until the process ends. The socket is there as long as what is returned.
///
/// # Errors
/// An address or the socket can't be had.
pub(super) async fn serve(world: &watch::Receiver<Arc<World>>, router: Router) -> io::Result<Option<Bound>> {
    let Http { listeners: Listeners { listen, socket, tls }, tokens } = world.borrow().config.http.clone();
    let mut ways = Vec::new();
    if let Some(listen) = listen {
        let unheard = |error: io::Error| io::Error::new(error.kind(), format!("can't listen on {listen} (`[http] listen`): {error}"));
        let listener = TcpListener::bind(listen).await.map_err(unheard)?;
        let address = listener.local_addr()?;
        let tls = tls.is_some().then(|| tls::acceptor(world.clone())).transpose()?;
        warn(address, tls.is_some(), tokens.is_empty());
        let on_loopback = address.ip().is_loopback();
        tracing::info!(%address, tls = tls.is_some(), "listening");
        ways.push(Listener::Network { listener, tls, on_loopback });
    }
    let bound = match &socket {
        None => None,
        Some(socket) => {
            let path = socket.path.display();
            let unheard = |error: io::Error| io::Error::new(error.kind(), format!("can't listen on {path} (`[http] socket`): {error}"));
            let (listener, bound) = socket::take(socket).await.map_err(unheard)?;
            tracing::info!(socket = %path, "listening on a socket");
            ways.push(Listener::Socket(listener));
            Some(bound)
        }
    };
    for way in ways {
        tokio::spawn(connection::accept(way, router.clone()));
    }
    Ok(bound)
}

/// What anybody should know who made the listener reachable from elsewhere.
fn warn(address: SocketAddr, is_protected: bool, has_no_tokens: bool) {
    if address.ip().is_loopback() {
        return;
    }
    let api = match (has_no_tokens, is_protected) {
        (true, _) => "reloads and the API are refused without `[[http.tokens]]`",
        (false, true) => "the API takes tokens",
        (false, false) => "the API takes tokens, in plain text: `[http] tls` protects them",
    };
    tracing::warn!(%address, "the listener is not on loopback: metrics can be read by whoever reaches it, and {api}");
}
