//! A real S3 server (moto) on a port of its own, and a relay before it that meddles.

use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use super::until;

const SOMEBODY: &str = "AWS4-HMAC-SHA256 Credential=tests/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0";

/// A server; stopped when dropped.
pub struct S3 {
    process: Child,
    pub address: String,
}

impl S3 {
    /// Starts it.
    pub fn start() -> Self {
        let program = std::env::var_os("RETENTIOND_TEST_MOTO").map_or_else(|| PathBuf::from("moto_server"), PathBuf::from);
        // Free now; whoever takes it in between makes the server end, and the test say so.
        let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
        let mut server = Command::new(program);
        server.args(["-H", "127.0.0.1", "-p", &address.port().to_string()]);
        let process =
            server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("moto is installed (tests/run does it)");
        let mut server = Self { process, address: address.to_string() };
        until("the object store", || {
            assert!(server.process.try_wait().expect("the process is our child").is_none(), "moto ended");
            server.request("GET", "/", b"").ok().filter(|answer| answer.starts_with(b"HTTP/1.1 200"))
        });
        server
    }

    /// Makes a bucket; `versions`: it keeps those of before.
    pub fn bucket(&self, name: &str, versions: bool) {
        self.expect("PUT", &format!("/{name}"), b"");
        if versions {
            let body = b"<VersioningConfiguration xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Status>Enabled</Status></VersioningConfiguration>";
            self.expect("PUT", &format!("/{name}?versioning"), body);
        }
    }

    /// The keys of a bucket, those of earlier versions too.
    pub fn keys(&self, bucket: &str) -> Vec<String> {
        let list = String::from_utf8(self.expect("GET", &format!("/{bucket}?versions"), b"")).expect("UTF-8");
        list.split("<Key>").skip(1).filter_map(|rest| rest.split_once("</Key>")).map(|(key, _)| key.to_owned()).collect()
    }

    pub fn get(&self, bucket: &str, key: &str) -> Vec<u8> {
        self.expect("GET", &format!("/{bucket}/{key}"), b"")
    }

    pub fn put(&self, bucket: &str, key: &str, bytes: &[u8]) {
        self.expect("PUT", &format!("/{bucket}/{key}"), bytes);
    }

    pub fn remove(&self, bucket: &str, key: &str) {
        self.expect("DELETE", &format!("/{bucket}/{key}"), b"");
    }

    /// The body of an answer of success.
    fn expect(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let answer = self.request(method, path, body).expect("an answer");
        assert!(answer.starts_with(b"HTTP/1.1 2"), "{method} {path}: {}", String::from_utf8_lossy(&answer));
        body_of(&answer).to_vec()
    }

    /// The answer, head and body. Somebody has to ask, but moto doesn't look who it is.
    fn request(&self, method: &str, path: &str, body: &[u8]) -> io::Result<Vec<u8>> {
        let (address, length) = (&self.address, body.len());
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: {SOMEBODY}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
        );
        exchange(address, &[head.as_bytes(), body].concat())
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn body_of(answer: &[u8]) -> &[u8] {
    let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    &answer[head + 4..]
}

/// Sends one request and reads until the server closes.
fn exchange(address: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meddling {
    Pass,
    /// The store's answer has another last byte.
    Flip,
    /// This status, with its code.
    Answer(u16, &'static str),
    /// It is passed on, and then the connection is cut.
    CutAfter,
    /// The connection is cut.
    Cut,
}

/// A relay before a server, that ends with the process.
pub struct Relay {
    pub address: String,
    decide: Arc<Mutex<Decide>>,
}

/// By method and path.
type Decide = fn(&str, &str) -> Meddling;

impl Relay {
    pub fn before(server: &S3) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let decide: Arc<Mutex<Decide>> = Arc::new(Mutex::new(|_, _| Meddling::Pass));
        let (server, shared) = (server.address.clone(), decide.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (server, shared) = (server.clone(), shared.clone());
                thread::spawn(move || drop(relayed(stream, &server, &shared)));
            }
        });
        Self { address, decide }
    }

    /// From now on.
    pub fn meddle(&self, decide: Decide) {
        *self.decide.lock().expect("nobody panicked") = decide;
    }
}

/// One request, one answer; the client connects anew for the next.
fn relayed(mut client: TcpStream, server: &str, decide: &Mutex<Decide>) -> io::Result<()> {
    let (mut request, mut buffer) = (Vec::new(), [0; 1 << 14]);
    let (head, length) = loop {
        let read = client.read(&mut buffer)?;
        request.extend_from_slice(&buffer[..read]);
        if let Some(end) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&request[..end]).into_owned();
            let lower = head.to_lowercase();
            let length =
                lower.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |text| text.trim().parse().unwrap_or(0));
            break (head, end + 4 + length);
        }
        if read == 0 {
            return Ok(());
        }
    };
    while request.len() < length {
        let read = client.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        request.extend_from_slice(&buffer[..read]);
    }
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let meddling = decide.lock().expect("nobody panicked")(method, path);
    match meddling {
        Meddling::Cut => return Ok(()),
        Meddling::Answer(status, code) => {
            let body = format!("<Error><Code>{code}</Code><Message>no</Message></Error>");
            let head = format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
            let body = if method == "HEAD" { "" } else { &body };
            return client.write_all(format!("{head}{body}").as_bytes());
        }
        Meddling::Pass | Meddling::Flip | Meddling::CutAfter => {}
    }
    let head_end = request.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("it was found");
    request.splice(head_end..head_end, b"\r\nConnection: close".iter().copied());
    let mut answer = exchange(server, &request)?;
    if meddling == Meddling::CutAfter {
        return Ok(());
    }
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
    if meddling == Meddling::Flip
        && answer.len() > end + 4
        && let Some(last) = answer.last_mut()
    {
        *last ^= 1;
    }
    if !String::from_utf8_lossy(&answer[..end]).to_lowercase().contains("connection: close") {
        answer.splice(end..end, b"\r\nConnection: close".iter().copied());
    }
    client.write_all(&answer)
}
