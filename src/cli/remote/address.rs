//! Where a daemon is: `https://…`, `unix:///…`, or `http://…` on this machine.

use std::{fmt, path::PathBuf, str::FromStr};

use url::{Host, Url};

use super::Error;

/// Where a daemon is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// Its certificate has to be valid for the host.
    Https {
        host: String,
        port: u16,
    },
    /// This machine, as its name says and the connection has to prove.
    Http {
        host: String,
        port: u16,
    },
    Socket(PathBuf),
}

impl FromStr for Address {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = |why: &str| Error::Address { url: blotted(text), why: why.to_owned() };
        let url = Url::parse(text).map_err(|_| wrong("write it like `https://host:9464`, or `unix:///run/retentiond/api.sock`"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("a token is not written into an address: it comes from `RETENTIOND_TOKEN` or `--token-file`"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("it ends with the host and the port"));
        }
        if url.scheme() == "unix" {
            let path = percent_encoding::percent_decode_str(url.path()).decode_utf8().map_err(|_| wrong("the path is not UTF-8"))?;
            return match (url.host_str().filter(|host| !host.is_empty()), path.len()) {
                (None, 2..) => Ok(Self::Socket(PathBuf::from(&*path))),
                _ => Err(wrong("the path of a socket is absolute, with three strokes before: `unix:///run/retentiond/api.sock`")),
            };
        }
        if !matches!(url.path(), "" | "/") {
            return Err(wrong("it ends with the host and the port"));
        }
        let Some(host) = url.host() else { return Err(wrong("there is no host in it")) };
        let is_here = match &host {
            Host::Domain(name) => matches!(name.to_ascii_lowercase().as_str(), "localhost" | "localhost."),
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        let host = host.to_string().trim_start_matches('[').trim_end_matches(']').to_owned();
        let port = url.port_or_known_default().unwrap_or_default();
        match url.scheme() {
            "https" => Ok(Self::Https { host, port }),
            "http" if is_here => Ok(Self::Http { host, port }),
            "http" => Err(wrong(
                "the token and everything that is answered would travel in plain text: let the daemon speak TLS (`[http] tls`) and write \
                 `https://`, or connect through a tunnel to this machine",
            )),
            _ => Err(wrong("it begins with `https://`, `unix:///`, or on this machine `http://`")),
        }
    }
}

impl Address {
    /// The header `Host`.
    pub fn host(&self) -> String {
        match self {
            Self::Https { host, port } | Self::Http { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Https { host, port } | Self::Http { host, port } => format!("{host}:{port}"),
            Self::Socket(_) => "localhost".to_owned(),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Https { .. } => write!(f, "https://{}", self.host()),
            Self::Http { .. } => write!(f, "http://{}", self.host()),
            Self::Socket(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// What may be shown of an address that might have a token in it.
fn blotted(text: &str) -> String {
    match text.rsplit_once('@') {
        Some((_, rest)) => format!("…@{rest}"),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_three_kinds() {
        for (text, shown) in [
            ("https://keeper.example", "https://keeper.example:443"),
            ("https://10.0.0.7:9464/", "https://10.0.0.7:9464"),
            ("https://[2001:db8::1]:9464", "https://[2001:db8::1]:9464"),
            ("http://localhost", "http://localhost:80"),
            ("http://[::1]:80", "http://[::1]:80"),
            ("http://127.0.0.1:1", "http://127.0.0.1:1"),
            ("unix:///run/retentiond/api.sock", "unix:///run/retentiond/api.sock"),
            ("unix:/run/a%20b", "unix:///run/a b"),
        ] {
            match text.parse::<Address>() {
                Ok(address) => assert_eq!(address.to_string(), shown, "{text}"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn no_token_travels_in_plain_text_and_none_is_shown() {
        for text in [
            "http://keeper.example",
            "http://10.0.0.7:9464",
            "http://localhost.example",
            "ftp://localhost",
            "localhost:9464",
            "keeper",
            "https://host/api/v1",
            "https://host?token=1",
            "unix://run/api.sock",
            "unix:///",
            "",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        let error = "https://rtd_00ff@host".parse::<Address>().expect_err("a token").to_string();
        assert!(!error.contains("rtd_00ff") && error.contains("RETENTIOND_TOKEN"), "{error}");
    }
}
