//! Certificates of authorities that exist for one test, made by `openssl`.

use std::{fs, path::PathBuf, process::Command};

use tempfile::TempDir;

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Valid {
    Now,
    /// It was, in 2020.
    LongAgo,
}

/// A certificate and its key, PEM.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub certificate: String,
    pub key: String,
}

/// An authority, and the folder that it lives in.
pub struct Authority {
    folder: TempDir,
}

const CONFIGURATION: &str = "
[req]
distinguished_name = name
prompt = no
[name]
CN = NAME
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[ca]
default_ca = ours
[ours]
database = index
serial = serial
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
default_md = sha256
policy = any
unique_subject = no
[any]
commonName = supplied
[leaf]
basicConstraints = CA:FALSE
subjectAltName = $ENV::WANTED
";

impl Authority {
    pub fn new() -> Self {
        let authority = Self { folder: tempfile::tempdir().expect("a temporary folder") };
        // Each has a name of its own, as different ones do.
        let name = authority.folder.path().file_name().expect("a name").to_string_lossy().into_owned();
        authority.write("configuration", &CONFIGURATION.replace("NAME", &name));
        authority.write("index", "");
        authority
            .openssl(&[], "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -extensions authority -keyout ca.key -out ca.crt");
        authority
    }

    /// The file of its own certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.crt")
    }

    /// Its own certificate.
    pub fn pem(&self) -> String {
        self.read("ca.crt")
    }

    /// A certificate for these names (`DNS:…`, `IP:…`).
    pub fn issue(&self, names: &str, valid: Valid) -> Certificate {
        let names = [("WANTED", names)];
        self.openssl(&names, "req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout leaf.key -out leaf.request");
        let dates = match valid {
            Valid::Now => "-days 2",
            Valid::LongAgo => "-startdate 20200101000000Z -enddate 20210101000000Z",
        };
        self.openssl(&names, &format!("ca -batch -notext -create_serial -extensions leaf -in leaf.request -out leaf.crt {dates}"));
        Certificate { certificate: self.read("leaf.crt"), key: self.read("leaf.key") }
    }

    /// Files of a certificate and its key, for a client to show.
    pub fn files(&self, name: &str, pair: &Certificate) -> [PathBuf; 2] {
        [("crt", &pair.certificate), ("key", &pair.key)].map(|(kind, pem)| self.write(&format!("{name}.{kind}"), pem))
    }

    fn openssl(&self, variables: &[(&str, &str)], arguments: &str) {
        let mut command = Command::new("openssl");
        let (subcommand, rest) = arguments.split_once(' ').expect("a subcommand");
        command.current_dir(self.folder.path()).env("WANTED", "DNS:nobody").envs(variables.iter().copied());
        command.args([subcommand, "-config", "configuration"]).args(rest.split(' '));
        let output = command.output().expect("openssl is needed: install the package `openssl`, or run the tests with tests/run");
        assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.folder.path().join(name)).expect("openssl wrote it")
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        fs::write(&path, text).expect("a file");
        path
    }
}
