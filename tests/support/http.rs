//! Requests to servers of the tests, one connection each.

use std::{
    collections::BTreeMap,
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

impl Answer {
    /// The values of a header, which may come several times; its name in lower case.
    pub fn header<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(is, _)| is == name).map(|(_, value)| value.as_str())
    }
}

/// GET.
pub fn get(address: &str, path: &str) -> io::Result<Answer> {
    request("GET", address, path, "", "")
}

/// POST without a body.
pub fn post(address: &str, path: &str) -> io::Result<Answer> {
    request("POST", address, path, "", "")
}

/// POST of a form, as a browser that has these cookies sends it.
pub fn post_form(address: &str, path: &str, cookies: &BTreeMap<String, String>, fields: &[(&str, &str)]) -> io::Result<Answer> {
    let cookies: Vec<String> = cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let headers = format!("Content-Type: application/x-www-form-urlencoded\r\nCookie: {}\r\n", cookies.join("; "));
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
    request("POST", address, path, &headers, &fields.join("&"))
}

/// Text as a URL or a form has it, every byte of it written as its number.
pub fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Any request. The headers end with a line break each; a `Host` among them stands in place of the address.
pub fn request(method: &str, address: &str, path: &str, headers: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    // HTTP/1.0, so that nobody answers in chunks; in one piece, because PHP's server can't put every request together.
    let length = body.len();
    let host = if headers.contains("Host: ") { String::new() } else { format!("Host: {address}\r\n") };
    let request = format!("{method} {path} HTTP/1.0\r\n{host}{headers}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| io::Error::other(format!("no answer: {text}")))?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("no status: {head}")))?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Ok(Answer { status, headers, body: body.to_owned() })
}
