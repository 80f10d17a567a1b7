//! Just enough of HTTP/1.1 for two known clients: a request read, an answer written.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A request of which only this much matters here.
pub(crate) struct Request {
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

/// Reads one request; none where the client has hung up.
pub(crate) fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).ok().filter(|read| *read > 0)?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).ok()?;
        let header = header.trim_end().to_ascii_lowercase();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        assert!(!header.starts_with("transfer-encoding"), "chunked bodies are not read here");
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).ok()?;
    Some(Request { target, body })
}

/// Writes one answer in one packet.
pub(crate) fn write(stream: &mut TcpStream, status: &str, headers: &str, body: &[u8]) {
    let length = body.len();
    let mut answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\n{headers}Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    answer.extend_from_slice(body);
    // A process that has just been killed doesn't read its answer.
    let _ = stream.write_all(&answer);
}
