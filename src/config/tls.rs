//! TLS on the way to a server: what the configuration and the address ask for, and what the driver is told.
//!
//! A server on another machine is spoken to in TLS, and its certificate has to be valid for its name. [`Tls::mode`] alone
//! can ask for less, and somebody has to write it: an address, which often comes from elsewhere, can ask for more
//! and never for less. A parameter that addresses have for TLS is a line in [`Asked::take`].

use std::{
    fmt,
    net::IpAddr,
    path::{Path, PathBuf},
};

use rustls::pki_types::{
    CertificateDer, PrivateKeyDer,
    pem::{self, PemObject as _},
};

use super::InvalidUrl;
use crate::policy::Dialect;

/// `[sources.NAME.tls]`, `[state.tls]`, or `tls` of a replica; and what comes of it and an address together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Absent: what [`Reach`] demands.
    pub mode: Option<TlsMode>,
    /// Authorities that are trusted besides the system's, PEM.
    pub ca_file: Option<PathBuf>,
    /// What retentiond shows of itself, PEM: the certificate, and those between it and its authority.
    pub certificate_file: Option<PathBuf>,
    /// The certificate's private key, PEM.
    pub key_file: Option<PathBuf>,
}

/// How much a connection is protected, from the least to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsMode {
    /// Everything, the password too, can be read on the way.
    Disable,
    /// Encrypted if the server can, whoever it is. Not to be written: it is what loopback gets.
    Prefer,
    /// Encrypted, whoever the server is.
    Require,
    /// The certificate comes from an authority that is trusted; whose it is isn't looked at.
    VerifyCa,
    /// And it is the server's.
    VerifyFull,
}

/// The modes that can be written.
pub const MODES: [(&str, TlsMode); 4] =
    [("verify-full", TlsMode::VerifyFull), ("verify-ca", TlsMode::VerifyCa), ("require", TlsMode::Require), ("disable", TlsMode::Disable)];

impl TlsMode {
    /// As PostgreSQL's `sslmode`, and any case and mark of MySQL's `ssl-mode`.
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().replace('_', "-").as_str() {
            "disable" | "disabled" => Self::Disable,
            "allow" | "prefer" | "preferred" => Self::Prefer,
            "require" | "required" => Self::Require,
            "verify-ca" => Self::VerifyCa,
            "verify-full" | "verify-identity" => Self::VerifyFull,
            _ => return None,
        })
    }

    /// The driver's word.
    fn word(self, dialect: Dialect) -> &'static str {
        match (self, dialect) {
            (Self::Disable, Dialect::Mysql) => "DISABLED",
            (Self::Prefer, Dialect::Mysql) => "PREFERRED",
            (Self::Require, Dialect::Mysql) => "REQUIRED",
            (Self::VerifyCa, Dialect::Mysql) => "VERIFY_CA",
            (Self::VerifyFull, Dialect::Mysql) => "VERIFY_IDENTITY",
            (Self::Disable, _) => "disable",
            (Self::Prefer, _) => "prefer",
            (Self::Require, _) => "require",
            (Self::VerifyCa, _) => "verify-ca",
            (Self::VerifyFull, _) => "verify-full",
        }
    }

    /// What a person who chose less than the default gives up; `None`: nothing.
    pub fn risk(self) -> Option<&'static str> {
        match self {
            Self::Disable | Self::Prefer => Some("everything that is sent, the password too, can be read and changed on the way"),
            Self::Require => Some("whoever stands between can pass for the server, and read and change everything"),
            Self::VerifyCa => {
                Some("whoever has a certificate of any authority that is trusted, the system's among them, can pass for the server")
            }
            Self::VerifyFull => None,
        }
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word(Dialect::Postgres))
    }
}

/// How far away a server is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A file, or a socket in the file system.
    File,
    /// This machine, over its network.
    Loopback,
    /// Another machine, as far as can be told.
    Remote,
}

impl Reach {
    /// Of a host's name, number, or folder of sockets.
    pub(super) fn of_host(host: &str) -> Self {
        let number = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        match host {
            _ if host.starts_with('/') => Self::File,
            "" | "localhost" | "localhost." => Self::Loopback,
            _ if number.is_ok_and(|number| number.is_loopback()) => Self::Loopback,
            _ => Self::Remote,
        }
    }
}

/// What the parameters of an address ask for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    mode: Option<TlsMode>,
    ca_file: Option<PathBuf>,
    certificate_file: Option<PathBuf>,
    key_file: Option<PathBuf>,
}

impl Asked {
    /// Takes a parameter if it is about TLS. Relative paths count from `base_dir`.
    pub(super) fn take(&mut self, key: &str, value: &str, base_dir: &Path) -> Result<bool, InvalidUrl> {
        let path = || Some(base_dir.join(value));
        match key {
            "sslmode" | "ssl-mode" => self.mode = Some(TlsMode::parse(value).ok_or(InvalidUrl::UnknownMode)?),
            // libpq's word for the authorities of the system, which are trusted anyway.
            "sslrootcert" if value == "system" => {}
            "sslrootcert" | "ssl-root-cert" | "sslca" | "ssl-ca" => self.ca_file = path(),
            "sslcert" | "ssl-cert" => self.certificate_file = path(),
            "sslkey" | "ssl-key" => self.key_file = path(),
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// What comes of the address and the configuration together.
    pub(super) fn with(self, written: &Tls, reach: Reach) -> Result<Tls, InvalidUrl> {
        if reach == Reach::File {
            return if *written == Tls::default() {
                Ok(Tls { mode: Some(TlsMode::Disable), ..Tls::default() })
            } else {
                Err(InvalidUrl::NoNetwork)
            };
        }
        let one = |key, written: &Option<PathBuf>, asked: Option<PathBuf>| match (written, asked) {
            (Some(_), Some(_)) => Err(InvalidUrl::TwoFiles(key)),
            (written, asked) => Ok(written.clone().or(asked)),
        };
        let certificate_file = one("certificate_file", &written.certificate_file, self.certificate_file)?;
        let key_file = one("key_file", &written.key_file, self.key_file)?;
        if certificate_file.is_some() != key_file.is_some() {
            return Err(InvalidUrl::HalfACertificate);
        }
        let mode = match (written.mode, self.mode) {
            (Some(mode), Some(asked)) if asked > mode => return Err(InvalidUrl::AsksForMore(asked, mode)),
            (Some(mode), _) => mode,
            (None, Some(asked)) if reach == Reach::Loopback => asked,
            (None, None) if reach == Reach::Loopback => TlsMode::Prefer,
            (None, Some(asked)) if asked < TlsMode::Require => return Err(InvalidUrl::AsksForLess(asked)),
            (None, _) => TlsMode::VerifyFull,
        };
        Ok(Tls { mode: Some(mode), ca_file: one("ca_file", &written.ca_file, self.ca_file)?, certificate_file, key_file })
    }
}

impl Tls {
    /// The parameters that tell the driver.
    pub(super) fn parameters(&self, dialect: Dialect) -> Vec<(&'static str, String)> {
        let mut parameters = Vec::new();
        let (mode, ca) = if dialect == Dialect::Mysql { ("ssl-mode", "ssl-ca") } else { ("sslmode", "sslrootcert") };
        parameters.extend(self.mode.map(|word| (mode, word.word(dialect).to_owned())));
        for (key, file) in [(ca, &self.ca_file), ("sslcert", &self.certificate_file), ("sslkey", &self.key_file)] {
            // Paths are Unicode: they come from a file that is.
            parameters.extend(file.as_ref().map(|path| (key, path.to_string_lossy().into_owned())));
        }
        parameters
    }

    /// The first file that can't be used: its key, and why.
    pub(super) fn unusable(&self) -> Option<(&'static str, String)> {
        let checked = |key, file: &Option<PathBuf>, check: fn(&Path) -> Result<(), pem::Error>, none: &str| {
            let path = file.as_ref()?;
            let why = match check(path).err()? {
                pem::Error::NoItemsFound => none.to_owned(),
                pem::Error::Io(error) => error.to_string(),
                other => other.to_string(),
            };
            Some((key, format!("can't use {}: {why}", path.display())))
        };
        let no_certificate = "there is no certificate in it";
        checked("ca_file", &self.ca_file, certificates, no_certificate)
            .or_else(|| checked("certificate_file", &self.certificate_file, certificates, no_certificate))
            .or_else(|| checked("key_file", &self.key_file, key, "there is no private key in it, or one that needs a passphrase"))
    }
}

/// The certificates of a file, which holds at least one, and nothing that pretends to be one.
fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)?.collect::<Result<_, _>>()?;
    if found.is_empty() { Err(pem::Error::NoItemsFound) } else { Ok(found) }
}

fn certificates(path: &Path) -> Result<(), pem::Error> {
    read_certificates(path).map(drop)
}

/// The certificates of a file.
///
/// # Errors
/// Why there are none.
pub fn certificates_of(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    read_certificates(path).map_err(|error| match error {
        pem::Error::NoItemsFound => "there is no certificate in it".to_owned(),
        pem::Error::Io(error) => error.to_string(),
        other => other.to_string(),
    })
}

fn key(path: &Path) -> Result<(), pem::Error> {
    PrivateKeyDer::from_pem_file(path).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(parameters: &[(&str, &str)]) -> Asked {
        let mut asked = Asked::default();
        for (key, value) in parameters {
            assert_eq!(asked.take(key, value, Path::new("/etc/retentiond")), Ok(true), "{key}");
        }
        asked
    }

    fn mode(address: Option<&str>, written: Option<TlsMode>, reach: Reach) -> Result<TlsMode, InvalidUrl> {
        let asked = address.map_or_else(Asked::default, |mode| asked(&[("sslmode", mode)]));
        asked.with(&Tls { mode: written, ..Tls::default() }, reach).map(|tls| tls.mode.expect("it is decided"))
    }

    #[test]
    fn an_address_asks_for_more_and_never_for_less() {
        use TlsMode::{Disable, Prefer, Require, VerifyCa, VerifyFull};
        for (address, remote, loopback) in [
            (None, Ok(VerifyFull), Prefer),
            (Some("disable"), Err(InvalidUrl::AsksForLess(Disable)), Disable),
            (Some("allow"), Err(InvalidUrl::AsksForLess(Prefer)), Prefer),
            (Some("PREFERRED"), Err(InvalidUrl::AsksForLess(Prefer)), Prefer),
            (Some("require"), Ok(VerifyFull), Require),
            (Some("VERIFY_CA"), Ok(VerifyFull), VerifyCa),
            (Some("verify-full"), Ok(VerifyFull), VerifyFull),
            (Some("VERIFY_IDENTITY"), Ok(VerifyFull), VerifyFull),
        ] {
            assert_eq!(mode(address, None, Reach::Remote), remote, "{address:?}");
            assert_eq!(mode(address, None, Reach::Loopback), Ok(loopback), "{address:?}");
            assert_eq!(mode(address, None, Reach::File), Ok(Disable), "{address:?}");
            assert_eq!(mode(address, Some(VerifyFull), Reach::Remote), Ok(VerifyFull), "{address:?}");
        }
        assert_eq!(mode(None, Some(Disable), Reach::Remote), Ok(Disable));
        assert_eq!(mode(Some("require"), Some(Require), Reach::Remote), Ok(Require));
        assert_eq!(mode(Some("require"), Some(Disable), Reach::Remote), Err(InvalidUrl::AsksForMore(Require, Disable)));
        assert_eq!(mode(Some("verify-full"), Some(VerifyCa), Reach::Loopback), Err(InvalidUrl::AsksForMore(VerifyFull, VerifyCa)));
        assert_eq!(mode(None, Some(VerifyFull), Reach::File), Err(InvalidUrl::NoNetwork));
        assert_eq!(Asked::default().take("sslmode", "sometimes", Path::new("/")), Err(InvalidUrl::UnknownMode));
    }

    #[test]
    fn each_file_is_named_once_and_a_certificate_with_its_key() {
        let written = Tls { ca_file: Some("/ca".into()), ..Tls::default() };
        let both = asked(&[("sslcert", "cert"), ("sslkey", "/key")]).with(&written, Reach::Remote).expect("they add up");
        assert_eq!(
            both.parameters(Dialect::Postgres),
            [("sslmode", "verify-full"), ("sslrootcert", "/ca"), ("sslcert", "/etc/retentiond/cert"), ("sslkey", "/key")]
                .map(|(key, value)| (key, value.to_owned()))
        );
        assert_eq!(
            both.parameters(Dialect::Mysql)[..2],
            [("ssl-mode", "VERIFY_IDENTITY"), ("ssl-ca", "/ca")].map(|(k, v)| (k, v.to_owned()))
        );
        assert_eq!(asked(&[("ssl-ca", "other")]).with(&written, Reach::Remote), Err(InvalidUrl::TwoFiles("ca_file")));
        assert!(asked(&[("sslrootcert", "system")]).with(&written, Reach::Remote).is_ok());
        assert_eq!(asked(&[("sslcert", "cert")]).with(&written, Reach::Remote), Err(InvalidUrl::HalfACertificate));
    }

    #[test]
    fn hosts_are_near_or_far() {
        for (host, reach) in [
            ("localhost", Reach::Loopback),
            ("127.1.2.3", Reach::Loopback),
            ("[::1]", Reach::Loopback),
            ("::1", Reach::Loopback),
            ("/run/postgresql", Reach::File),
            ("db", Reach::Remote),
            ("localhost.example.com", Reach::Remote),
            ("10.0.0.1", Reach::Remote),
            ("[2001:db8::1]", Reach::Remote),
        ] {
            assert_eq!(Reach::of_host(host), reach, "{host}");
        }
    }
}
