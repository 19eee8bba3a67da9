//! One request on one connection: to a port with TLS or without, or to a socket.
//!
//! Connecting and the handshake have a limit of time. An answer has none, because a plan may count for an hour: a peer that is gone
//! is noticed by the kernel, which asks for it every now and then.

use std::{error::Error as StdError, io, net::IpAddr, path::Path, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, crypto::ring, pki_types::ServerName};
use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, UnixStream},
    sync::OnceCell,
};
use tokio_rustls::TlsConnector;

use super::{Error, address::Address, error::Problem};
use crate::config::{certificates_of, handshake};

/// How long connecting may take, and as long again the handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// When a silent peer is asked for, and how often before it counts as gone.
const SILENT: Duration = Duration::from_secs(30);
const ASKED_FOR: u32 = 4;
/// The longest answer: a thousand entries of the ledger are a hundredth of it.
const LONGEST_ANSWER: usize = 256 * 1024 * 1024;

/// Whom to trust; read at the first handshake.
pub struct Roots {
    own: Option<PathBuf>,
    connector: OnceCell<TlsConnector>,
}

impl Roots {
    /// The system's authorities, and those of the file.
    pub fn new(file: Option<&Path>) -> Self {
        Self { own: file.map(Path::to_owned), connector: OnceCell::new() }
    }

    async fn connector(&self) -> Result<&TlsConnector, Error> {
        self.connector.get_or_try_init(async || self.read()).await
    }

    fn read(&self) -> Result<TlsConnector, Error> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = &self.own {
            let unusable = |why: String| Error::Authorities { file: file.display().to_string(), why };
            for certificate in certificates_of(file).map_err(unusable)? {
                roots.add(certificate).map_err(|error| unusable(error.to_string()))?;
            }
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| Error::Unreadable(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(TlsConnector::from(Arc::new(config)))
    }
}

/// A request.
pub struct Sent<'a> {
    pub method: &'a Method,
    pub path: &'a str,
    pub body: Option<&'a Value>,
    pub token: Option<&'a str>,
}

/// An answer, whole.
pub struct Answer {
    pub status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// What it says.
    pub fn json(self) -> Result<Value, Error> {
        serde_json::from_slice(&self.body).map_err(|error| Error::Unreadable(error.to_string()))
    }

    /// What is wrong.
    pub fn problem(self, has_token: bool) -> Error {
        let header = |name: &str| self.headers.get(name).and_then(|value| value.to_str().ok());
        let is_ours = header("content-type").is_some_and(|is| is.starts_with("application/problem+json"));
        let problem: Problem = Some(&self.body).filter(|_| is_ours).and_then(|body| serde_json::from_slice(body).ok()).unwrap_or_default();
        let request = header("x-request-id").map_or_else(|| "without an id".to_owned(), |id| format!("request {id}"));
        let way_out = match (self.status, has_token) {
            (StatusCode::UNAUTHORIZED, false) => "; none was given: it comes from `RETENTIOND_TOKEN` or `--token-file`",
            _ => "",
        };
        Error::Problem { problem: Problem { status: self.status.as_u16(), ..problem }, request, way_out }
    }
}

/// Asks.
pub async fn answer(address: &Address, roots: &Roots, sent: Sent<'_>) -> Result<Answer, Error> {
    let away = |error: &(dyn StdError + 'static)| Error::Away {
        address: address.to_string(),
        why: handshake::words(error).replace("`tls.ca_file`", "`--ca-file`"),
    };
    let request = request(address, &sent).map_err(|error| away(&error))?;
    let answered = match address {
        Address::Socket(path) => exchange(in_time(UnixStream::connect(path)).await.map_err(|error| away(&error))?, request).await,
        Address::Http { host, port } => {
            let stream = connect(host, *port).await.map_err(|error| away(&error))?;
            // The name may lead elsewhere, and nobody must read the token on the way there.
            if !stream.peer_addr().is_ok_and(|peer| peer.ip().to_canonical().is_loopback()) {
                return Err(away(&io::Error::other("the name does not lead to this machine, as an address without TLS has to")));
            }
            exchange(stream, request).await
        }
        Address::Https { host, port } => {
            let name = ServerName::try_from(host.clone()).map_err(|error| away(&error))?;
            let connector = roots.connector().await?;
            let stream = connect(host, *port).await.map_err(|error| away(&error))?;
            exchange(in_time(connector.connect(name, stream)).await.map_err(|error| away(&error))?, request).await
        }
    };
    answered.map_err(|error| away(&*error))
}

fn request(address: &Address, sent: &Sent<'_>) -> Result<Request<Body>, axum::http::Error> {
    let mut request = Request::builder().method(sent.method).uri(sent.path).header(header::HOST, address.host());
    request = request.header(header::USER_AGENT, concat!("retentiond/", env!("CARGO_PKG_VERSION")));
    if let Some(token) = sent.token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    match sent.body {
        None => request.body(Body::empty()),
        Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
    }
}

async fn connect(host: &str, port: u16) -> io::Result<TcpStream> {
    let stream = match host.parse::<IpAddr>() {
        Ok(ip) => in_time(TcpStream::connect((ip, port))).await?,
        Err(_) => in_time(TcpStream::connect((host, port))).await?,
    };
    stream.set_nodelay(true)?;
    rustix::net::sockopt::set_socket_keepalive(&stream, true)?;
    rustix::net::sockopt::set_tcp_keepidle(&stream, SILENT)?;
    rustix::net::sockopt::set_tcp_keepintvl(&stream, SILENT)?;
    rustix::net::sockopt::set_tcp_keepcnt(&stream, ASKED_FOR)?;
    Ok(stream)
}

async fn in_time<T>(connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    #[expect(clippy::disallowed_methods, reason = "no statement is in the future that is given up")]
    let connected = tokio::time::timeout(CONNECT, connecting).await;
    connected.unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, format!("nobody answered in {} seconds", CONNECT.as_secs()))))
}

type Failed = Box<dyn StdError + Send + Sync>;

async fn exchange(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, request: Request<Body>) -> Result<Answer, Failed> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer, or with what the request is told.
    tokio::spawn(connection);
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = to_bytes(Body::new(body), LONGEST_ANSWER).await?;
    Ok(Answer { status: head.status, headers: head.headers, body })
}
