//! Requests to servers of the tests, one connection each.

use std::{
    io::{self, Read as _, Write as _},
    net::TcpStream,
};

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// As they came, lower-case names.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

/// GET.
pub fn get(address: &str, path: &str) -> io::Result<Answer> {
    request("GET", address, path)
}

/// POST without a body.
pub fn post(address: &str, path: &str) -> io::Result<Answer> {
    request("POST", address, path)
}

fn request(method: &str, address: &str, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    // HTTP/1.0, so that nobody answers in chunks.
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: {address}\r\nContent-Length: 0\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other(format!("no answer: {text}")))?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status: {head}")))?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Ok(Answer { status, headers, body: body.to_owned() })
}
