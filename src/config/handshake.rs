//! Why a server could not be reached or trusted, in words that say the way out.
//!
//! The drivers wrap the errors of the TLS library several times; [`words`] finds them wherever they are.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError, Error as TlsError};

/// What a driver's error says in a handshake, in TLS or before it.
pub fn words(error: &(dyn Error + 'static)) -> String {
    failure(error).unwrap_or_else(|| error.to_string())
}

fn failure(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<TlsError>() {
            return Some(of_tls(error));
        }
        // The drivers' own words.
        if error.to_string() == "server does not support TLS" {
            return Some(NONE_OFFERED.to_owned());
        }
        // Such an error passes over what it wraps when it is asked for its source.
        if let Some(wrapped) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            return failure(wrapped);
        }
        next = error.source();
    }
    None
}

/// A server speaks no TLS at all, where it has to.
const NONE_OFFERED: &str = "the server offers no TLS, without which everything that is sent, the password too, could be read on the \
     way; switch it on there, or connect through a tunnel or a socket; if this is meant, say `tls.mode = \"disable\"`";

fn of_tls(error: &TlsError) -> String {
    match error {
        TlsError::InvalidCertificate(refusal) => refused(refusal),
        TlsError::AlertReceived(alert) => alerted(*alert),
        TlsError::InconsistentKeys(_) => "`tls.key_file` isn't the key of the certificate in `tls.certificate_file`".to_owned(),
        TlsError::PeerIncompatible(_) => format!("the server and retentiond have no version of TLS in common, from 1.2 up ({error})"),
        other => format!("the TLS handshake failed: {other}"),
    }
}

/// We refused the server's certificate.
fn refused(refusal: &CertificateError) -> String {
    match refusal {
        // A bad signature: an authority of that name is trusted, and this is another.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the server's certificate is of an authority that isn't trusted here; name that authority's \
             own certificate with `tls.ca_file`"
                .to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired; have it renewed".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate isn't valid yet; look at this machine's clock and the server's".to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented = if presented.is_empty() { "no name that counts (subjectAltName)".to_owned() } else { presented.join(", ") };
            format!(
                "the server's certificate isn't for {}, but for {presented}; connect by a name that it is for, or have it made for this one",
                expected.to_str()
            )
        }
        CertificateError::NotValidForName => "the server's certificate is for another name; connect by a name that it is for".to_owned(),
        CertificateError::Revoked => "the server's certificate was revoked".to_owned(),
        other => format!(
            "the server's certificate can't be verified ({other}); one that signed itself has to be replaced by one that an authority \
             signed, which `tls.ca_file` names"
        ),
    }
}

/// The server refused, most often our certificate.
fn alerted(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "the server asks for a client certificate; name one with `tls.certificate_file` and `tls.key_file`".to_owned()
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError => {
            format!("the server refuses the client certificate of `tls.certificate_file` ({alert:?})")
        }
        other => format!("the server ended the TLS handshake ({other:?}); its log says why"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_found_however_it_is_wrapped() {
        let unknown = || TlsError::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, unknown()));
        for error in [&unknown() as &(dyn Error + 'static), &wrapped] {
            assert!(failure(error).is_some_and(|words| words.contains("`tls.ca_file`")), "{error}");
        }
        assert_eq!(words(&io::Error::other("refused")), "refused");
    }

    #[test]
    fn a_wrong_name_is_told_with_the_right_ones() {
        let wrong = CertificateError::NotValidForNameContext {
            expected: "db.example".try_into().expect("a name"),
            presented: vec!["DnsName(\"other.example\")".to_owned()],
        };
        let words = refused(&wrong);
        assert!(words.contains("isn't for db.example, but for DnsName(\"other.example\")"), "{words}");
    }
}
