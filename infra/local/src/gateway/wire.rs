//! The bytes of a connection, watched for what the HTTP parser does not tell.
//!
//! hyper lowers the names of headers, joins framing headers, and accepts a request without a host.
//! API Gateway passes names on as they were sent, and refuses such requests. So the heads of
//! requests are read a second time here, as they come in; the parser gets the same bytes.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The longest line that is read here, in bytes: the parser reads somewhat past its buffer's limit.
const MAX_LINE: usize = 4 * super::PARSER_BUFFER;

/// The heads of requests that may wait to be taken.
const MAX_AHEAD: usize = 8192;

/// The head of a request as it was sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// The names of headers, by their lower-case form.
    names: HashMap<String, String>,
    hosts: usize,
    length: Option<u64>,
    is_chunked: bool,
    /// True if `Transfer-Encoding` is anything but one `chunked`.
    is_coded: bool,
}

impl Sent {
    /// Returns true if nobody should guess where the request ends, or which host it is for.
    pub(super) fn is_ambiguous(&self) -> bool {
        self.hosts != 1 || self.is_coded || (self.is_chunked && self.length.is_some())
    }

    /// The name of a header as it was sent.
    pub(super) fn name<'a>(&'a self, lower: &'a str) -> &'a str {
        self.names.get(lower).map_or(lower, String::as_str)
    }

    fn header(&mut self, line: &str) {
        let Some((name, value)) = line.split_once(':') else { return };
        let (name, value) = (name.trim(), value.trim());
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "host" => self.hosts += 1,
            "content-length" => self.length = Some(value.parse().unwrap_or(0)),
            "transfer-encoding" => {
                self.is_coded |= self.is_chunked || !value.eq_ignore_ascii_case("chunked");
                self.is_chunked = true;
            }
            _ => {}
        }
        self.names.insert(lower, name.to_owned());
    }
}

/// The heads of a connection's requests, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Heads {
    sent: Arc<Mutex<VecDeque<Sent>>>,
    /// True if no more requests follow.
    is_over: Arc<AtomicBool>,
}

impl Heads {
    /// Takes the head of the next request.
    pub(super) fn take(&self) -> Sent {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).pop_front().unwrap_or_default()
    }

    /// Ends the requests: what follows is a WebSocket, whose bytes no parser bounds.
    pub(super) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

/// A place in the stream of requests.
#[derive(Debug)]
enum Place {
    RequestLine,
    Headers(Sent),
    /// This many bytes of a body are left.
    Body(u64),
    ChunkSize,
    /// This many bytes of a chunk are left, and then the end of its line.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    /// Not HTTP any more: a WebSocket, or a line without an end.
    Lost,
}

/// A connection that notes the heads of its requests.
#[derive(Debug)]
pub(super) struct Wire<S> {
    stream: S,
    heads: Heads,
    place: Place,
    line: Vec<u8>,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, heads: Heads) -> Self {
        Self { stream, heads, place: Place::RequestLine, line: Vec::new() }
    }

    /// Follows bytes that came in.
    fn follow(&mut self, mut bytes: &[u8]) {
        if self.heads.is_over.load(Ordering::Relaxed) {
            self.place = Place::Lost;
            self.line = Vec::new();
        }
        while let Some((first, rest)) = bytes.split_first() {
            match &mut self.place {
                Place::Lost => return,
                Place::Body(left) | Place::Chunk(left) => {
                    let available = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    let taken = available.min(*left);
                    *left -= taken;
                    bytes = bytes.get(usize::try_from(taken).unwrap_or(0)..).unwrap_or_default();
                    if *left == 0 {
                        let is_body = matches!(self.place, Place::Body(_));
                        self.place = if is_body { Place::RequestLine } else { Place::ChunkEnd };
                    }
                }
                _ => {
                    bytes = rest;
                    if *first != b'\n' {
                        self.line.push(*first);
                        if self.line.len() > MAX_LINE {
                            self.place = Place::Lost;
                        }
                        continue;
                    }
                    let line = String::from_utf8_lossy(&self.line).trim_end().to_owned();
                    self.line.clear();
                    self.read(&line);
                }
            }
        }
    }

    /// Reads a whole line.
    fn read(&mut self, line: &str) {
        let place = std::mem::replace(&mut self.place, Place::Lost);
        self.place = match place {
            // Empty lines before a request are ignored (RFC 9112, section 2.2).
            Place::RequestLine if line.is_empty() => Place::RequestLine,
            Place::RequestLine => Place::Headers(Sent::default()),
            Place::Headers(mut sent) if !line.is_empty() => {
                sent.header(line);
                Place::Headers(sent)
            }
            Place::Headers(sent) => {
                let next = match sent.length {
                    _ if sent.is_chunked => Place::ChunkSize,
                    None | Some(0) => Place::RequestLine,
                    Some(length) => Place::Body(length),
                };
                let mut heads = self.heads.sent.lock().unwrap_or_else(PoisonError::into_inner);
                heads.push_back(sent);
                // No parser reads so far ahead: this is a WebSocket.
                if heads.len() > MAX_AHEAD { Place::Lost } else { next }
            }
            Place::ChunkSize => {
                let digits = line.split(';').next().unwrap_or_default().trim();
                match u64::from_str_radix(digits, 16) {
                    Ok(0) => Place::Trailers,
                    Ok(size) => Place::Chunk(size),
                    Err(_) => Place::Lost,
                }
            }
            Place::ChunkEnd => Place::ChunkSize,
            Place::Trailers if line.is_empty() => Place::RequestLine,
            other => other,
        };
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = polled {
            this.follow(buffer.filled().get(before..).unwrap_or_default());
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The heads of a stream that comes in pieces of this size.
    fn heads(stream: &str, piece: usize) -> Vec<Sent> {
        let heads = Heads::default();
        let mut wire = Wire::new((), heads.clone());
        for bytes in stream.as_bytes().chunks(piece) {
            wire.follow(bytes);
        }
        heads.sent.lock().unwrap().drain(..).collect()
    }

    #[test]
    fn heads_are_found_behind_bodies_of_every_form() {
        let stream = "\r\nPOST / HTTP/1.1\r\nHost: h\r\nX-One: 1\r\nContent-Length: 9\r\n\r\nX-Not: a\n\
            PUT / HTTP/1.1\r\nHOST: h\r\nTransfer-Encoding: chunked\r\n\r\n\
            5;x=y\r\nab\r\nc\r\nA\r\n0123456789\r\n0\r\nX-Trailer: t\r\n\r\n\
            GET / HTTP/1.1\r\nhost: h\r\nhost: i\r\n\r\n\
            GET / HTTP/1.1\r\nCONTENT-length: 0\r\nTransfer-Encoding: chunked\r\nhost:\r\n\r\n0\r\n\r\n\
            GET / HTTP/1.1\r\n\r\n";
        for piece in [1, 2, 7, stream.len()] {
            let all = heads(stream, piece);
            let [post, put, two, both, none] = &all[..] else { panic!("{piece}: {all:?}") };
            assert_eq!((post.name("x-one"), post.name("host")), ("X-One", "Host"));
            assert_eq!((put.name("host"), put.name("x-absent")), ("HOST", "x-absent"));
            assert!(!put.names.contains_key("x-trailer"));
            let ambiguous = [post, put, two, both, none].map(Sent::is_ambiguous);
            assert_eq!(ambiguous, [false, false, true, true, true]);
        }
    }

    #[test]
    fn one_body_has_one_coding() {
        for (lines, is_ambiguous) in [
            ("Transfer-Encoding: Chunked", false),
            ("Transfer-Encoding: gzip, chunked", true),
            ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", true),
            ("Transfer-Encoding: chunked, identity", true),
        ] {
            let all = heads(&format!("POST / HTTP/1.1\r\nHost: h\r\n{lines}\r\n\r\n"), 9);
            assert_eq!(all[0].is_ambiguous(), is_ambiguous, "{lines}");
        }
    }

    #[test]
    fn nothing_is_kept_of_what_follows_the_last_request() {
        let heads = Heads::default();
        let mut wire = Wire::new((), heads.clone());
        wire.follow(b"GET / HTTP/1.1\r\nhost: h\r\n\r\nbegins");
        heads.end();
        for at in 0..1000 {
            wire.follow(format!("\nname-{at}: value").as_bytes());
        }
        assert_eq!(heads.sent.lock().unwrap().len(), 1);
        assert!(matches!(wire.place, Place::Lost) && wire.line.is_empty());
    }

    #[test]
    fn what_is_no_http_is_followed_no_further() {
        assert_eq!(heads(&"a".repeat(MAX_LINE * 2), 1000), []);
        let chunks =
            "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\nGET / HTTP/1.1\r\n\r\n";
        assert_eq!(heads(chunks, 5).len(), 1);
    }
}
