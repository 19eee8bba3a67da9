//! TLS on the listener: each handshake shows the pair of the configuration that is in force then, so that a reload
//! renews it and no connection is cut off.

use std::{fmt, sync::Arc};

use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::operate::world::World;

/// What to shake hands with: TLS 1.2 or newer, for HTTP/1.1.
pub(super) fn acceptor(world: watch::Receiver<Arc<World>>) -> std::io::Result<TlsAcceptor> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(std::io::Error::other)?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(InForce(world)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The pair of the configuration in force.
struct InForce(watch::Receiver<Arc<World>>);

impl fmt::Debug for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the pair of the configuration in force")
    }
}

impl ResolvesServerCert for InForce {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.borrow().config.http.listeners.tls.as_ref().map(|pair| pair.read.clone())
    }
}
