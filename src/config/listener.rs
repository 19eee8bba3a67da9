//! The ways to the daemon: `listen`, `socket` and `tls` of `[http]`.
//!
//! The certificate and its key are read with the configuration: so a reload takes a renewed pair, and one that can't be
//! used is a mistake that is pointed at, for which the configuration that is in force stays so, with the pair before. A
//! new way is a field of [`Listeners`] and a line in `read`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    crypto::ring,
    pki_types::{
        PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    sign::CertifiedKey,
};

use super::tls::certificates_of;
use crate::diagnostic::fields::{At, Fields};

/// Where the daemon listens if nothing is said.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9464);
/// The longest path of a socket that the kernel takes.
const LONGEST_PATH: usize = 107;

/// Who may connect to a socket.
pub(super) const SOCKET_MODES: [(&str, u32); 3] = [("0660", 0o660), ("0600", 0o600), ("0666", 0o666)];

/// Where the daemon listens: in one place at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listeners {
    pub listen: Option<SocketAddr>,
    pub socket: Option<Socket>,
    /// What `listen` shows of itself; absent: it speaks no TLS.
    pub tls: Option<Pair>,
}

/// A socket in the file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    pub path: PathBuf,
    pub mode: u32,
}

/// A certificate with its key.
#[derive(Debug, Clone)]
pub struct Pair {
    pub certificate_file: PathBuf,
    pub key_file: PathBuf,
    /// As they were when the configuration was read.
    pub read: Arc<CertifiedKey>,
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        (&self.certificate_file, &self.key_file, &self.read.cert) == (&other.certificate_file, &other.key_file, &other.read.cert)
    }
}

impl Eq for Pair {}

impl Default for Listeners {
    fn default() -> Self {
        Self { listen: Some(LISTEN), socket: None, tls: None }
    }
}

/// Reads them. Paths count from `base_dir`.
pub(super) fn read(http: &Fields<'_>, base_dir: &Path) -> Listeners {
    let parse = |text: &str| text.parse::<SocketAddr>().map_err(|_| "not an address with a port; write it like \"127.0.0.1:9464\"");
    let written = http.value("listen").is_some();
    let listen = http.parsed("listen", parse).map(|listen| listen.value);
    let socket = socket(http, base_dir);
    let tls = http.inner("tls");
    if let Some(tls) = tls.as_ref().filter(|_| socket.is_some() && !written) {
        let useless = http.reader.error("useless", &tls.span, "there is no address that `tls` could protect");
        http.reader.report(useless.help("a socket needs none; add `listen`, or take `tls` out"));
    }
    let listen = listen.or(if socket.is_none() { Some(LISTEN) } else { None });
    Listeners { listen, socket, tls: tls.and_then(|fields| pair(&fields, base_dir)) }
}

fn socket(http: &Fields<'_>, base_dir: &Path) -> Option<Socket> {
    let path = http.words("socket");
    let mode = http.choice("socket_mode", &SOCKET_MODES);
    if let Some(mode) = mode.as_ref().filter(|_| http.value("socket").is_none()) {
        http.reader.report(http.reader.error("useless", &mode.span, "`socket_mode` is that of a `socket`, and there is none"));
    }
    let At { value, span, .. } = path?;
    let path = base_dir.join(value);
    if path.as_os_str().as_bytes().len() > LONGEST_PATH {
        let message = format!("the path of a socket has {LONGEST_PATH} bytes at most, and this is {}", path.display());
        http.reader.report(http.reader.error("invalid-value", &span, message));
        return None;
    }
    Some(Socket { path, mode: mode.map_or(0o660, |mode| mode.value) })
}

/// `tls`: both files, which belong together.
fn pair(fields: &Fields<'_>, base_dir: &Path) -> Option<Pair> {
    let file = |key| fields.need(key, fields.words(key));
    let (certificate, key) = (file("certificate_file"), file("key_file"));
    fields.finish();
    let unusable = |at: &At<String>, path: &Path, why: &str, help: &str| {
        let message = format!("can't use {}: {why}", path.display());
        fields.reader.report(fields.reader.error("unusable-certificate", &at.span, message).help(help));
    };
    const CHAIN: &str = "PEM: first the listener's own certificate, then those between it and its authority";
    let (certificate, key) = (certificate?, key?);
    let (certificate_file, key_file) = (base_dir.join(&certificate.value), base_dir.join(&key.value));
    let chain = certificates_of(&certificate_file).map_err(|why| unusable(&certificate, &certificate_file, &why, CHAIN));
    let private = private_key(&key_file).map_err(|(why, help)| unusable(&key, &key_file, &why, help));
    let (chain, private) = (chain.ok()?, private.ok()?);
    match CertifiedKey::from_der(chain, private, &ring::default_provider()) {
        Ok(read) => Some(Pair { certificate_file, key_file, read: Arc::new(read) }),
        Err(rustls::Error::InconsistentKeys(_)) => {
            let why = format!("it is not the key of the first certificate in {}", certificate_file.display());
            unusable(&key, &key_file, &why, "renew both together; a chain begins with the listener's own certificate");
            None
        }
        Err(rustls::Error::InvalidCertificate(error)) => {
            unusable(&certificate, &certificate_file, &format!("its first certificate can't be read ({error})"), CHAIN);
            None
        }
        Err(error) => {
            unusable(&key, &key_file, &error.to_string(), "RSA, ECDSA (P-256, P-384) and Ed25519 keys serve");
            None
        }
    }
}

/// The key of a file that not everybody may read; or why not, and what helps.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, (String, &'static str)> {
    let permissions = "the user whom the daemon runs as has to be able to read it";
    let unread = |error: std::io::Error| (error.to_string(), permissions);
    let mode = std::fs::metadata(path).map_err(unread)?.permissions().mode() & 0o777;
    if mode & 0o007 != 0 {
        let help = "take it from the others: `chmod 640`, with the daemon's group; in Kubernetes `defaultMode: 0440` of the volume";
        return Err((format!("everybody on this machine may use it (mode {mode:04o})"), help));
    }
    PrivateKeyDer::from_pem_file(path).map_err(|error| match error {
        pem::Error::NoItemsFound => {
            ("there is no private key in it, or one that needs a passphrase".to_owned(), "PEM, without a passphrase")
        }
        pem::Error::Io(error) => unread(error),
        other => (other.to_string(), "PEM, without a passphrase"),
    })
}
