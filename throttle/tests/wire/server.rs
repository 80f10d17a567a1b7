//! A server on loopback that passes requests on, and breaks its connections as a test says.
//!
//! It runs on threads of its own, so that it goes on while a test blocks its runtime. For the
//! client that is a freeze: what happens to its connections meanwhile is seen only afterwards.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The treatment of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Passed on and answered.
    Pass,
    /// The same; a moment later the idle connection is reset or closed.
    PassThenReset,
    PassThenClose,
    /// Passed on, so that a write is applied; then the connection breaks.
    Applied(Break),
    /// Not passed on; the connection breaks.
    Lost(Break),
}

/// The end of a connection that has to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Break {
    Close,
    Reset,
    /// The sending side is closed, and the connection stays.
    HalfClose,
    /// Nothing is sent, and the connection stays.
    Silence,
    /// A part of the head, then the end.
    PartHead,
    PartHeadThenReset,
    /// The head and a part of the body, then the end.
    PartBody,
    PartBodyThenReset,
    /// Something that is not HTTP.
    Garbage,
}

impl Break {
    pub(crate) const ALL: [Self; 9] = [
        Self::Close,
        Self::Reset,
        Self::HalfClose,
        Self::Silence,
        Self::PartHead,
        Self::PartHeadThenReset,
        Self::PartBody,
        Self::PartBodyThenReset,
        Self::Garbage,
    ];

    /// True if a client sees that the connection is broken, and has read no byte on it.
    pub(crate) fn is_before_answer(self) -> bool {
        matches!(self, Self::Close | Self::Reset | Self::HalfClose)
    }

    fn apply(self, mut client: TcpStream) {
        let bytes: &[u8] = match self {
            Self::Close | Self::Reset | Self::HalfClose | Self::Silence => b"",
            Self::PartHead | Self::PartHeadThenReset => b"HTTP/1.1 200 OK\r\ncontent-le",
            Self::PartBody | Self::PartBodyThenReset => {
                b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{\"A"
            }
            Self::Garbage => b"\x15\x03\x01\x00\x02\x02\x28 garbage\r\n\r\n",
        };
        client.write_all(bytes).unwrap();
        match self {
            Self::Close | Self::PartHead | Self::PartBody | Self::Garbage => drop(client),
            Self::Reset => reset(client),
            Self::PartHeadThenReset | Self::PartBodyThenReset => {
                // A reset that comes too soon takes the bytes with it.
                std::thread::sleep(Duration::from_millis(30));
                reset(client);
            }
            Self::HalfClose => {
                client.shutdown(Shutdown::Write).unwrap();
                let _ = client.read_to_end(&mut Vec::new());
            }
            Self::Silence => {
                let _ = client.read_to_end(&mut Vec::new());
            }
        }
    }
}

type Script = dyn Fn(&str) -> Act + Send + Sync;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    upstream: SocketAddr,
    script: Mutex<Box<Script>>,
    raw: Mutex<Option<Break>>,
    connections: AtomicUsize,
    /// Connections that this server ended after an answer.
    ended: AtomicUsize,
    requests: Mutex<Vec<String>>,
}

impl Server {
    /// Stands before the server at `url`.
    pub(crate) fn before(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            upstream: url.trim_start_matches("http://").parse().unwrap(),
            script: Mutex::new(Box::new(|_| Act::Pass)),
            raw: Mutex::default(),
            connections: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            requests: Mutex::default(),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let serving = Arc::clone(&serving);
                serving.connections.fetch_add(1, Ordering::SeqCst);
                std::thread::spawn(move || serving.serve(client.unwrap()));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Says what becomes of requests, by the operation's name, from now on.
    pub(crate) fn script(&self, script: impl Fn(&str) -> Act + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Box::new(script);
    }

    /// Breaks each connection at its first bytes, whatever they are.
    pub(crate) fn raw(&self, how: Option<Break>) {
        *self.shared.raw.lock().unwrap() = how;
    }

    /// Does these to the next requests, one after the other, and then passes.
    pub(crate) fn next(&self, acts: impl IntoIterator<Item = Act>) {
        let acts = Mutex::new(acts.into_iter().collect::<std::collections::VecDeque<_>>());
        self.script(move |_| acts.lock().unwrap().pop_front().unwrap_or(Act::Pass));
    }

    /// The operations that were asked for since this was called last.
    pub(crate) fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.requests.lock().unwrap())
    }

    /// The number of connections made since this was called last.
    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.swap(0, Ordering::SeqCst)
    }

    /// Blocks this thread until the server has ended so many connections after an answer.
    pub(crate) fn wait_for_ends(&self, count: usize) {
        let ended = &self.shared.ended;
        until(|| ended.load(Ordering::SeqCst) >= count);
        ended.fetch_sub(count, Ordering::SeqCst);
    }

    /// Blocks this thread until a request has come since `requests` was called last.
    pub(crate) fn wait_for_request(&self) {
        until(|| !self.shared.requests.lock().unwrap().is_empty());
    }
}

impl Shared {
    fn serve(&self, mut client: TcpStream) {
        client.set_nodelay(true).unwrap();
        let raw = *self.raw.lock().unwrap();
        if let Some(how) = raw {
            let _ = client.read(&mut [0; 4096]);
            return how.apply(client);
        }
        while let Some(request) = message(&mut client) {
            let text = String::from_utf8_lossy(&request);
            let target = text.split_once("x-amz-target: DynamoDB_20120810.").map_or("", |it| it.1);
            let operation = target.split("\r\n").next().unwrap().to_owned();
            let act = self.script.lock().unwrap()(&operation);
            self.requests.lock().unwrap().push(operation);
            let pass = || {
                let mut server = TcpStream::connect(self.upstream).unwrap();
                server.write_all(&request).unwrap();
                message(&mut server).unwrap()
            };
            match act {
                Act::Pass => client.write_all(&pass()).unwrap(),
                Act::PassThenReset => {
                    client.write_all(&pass()).unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                    reset(client);
                    self.ended.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Act::PassThenClose => {
                    client.write_all(&pass()).unwrap();
                    std::thread::sleep(Duration::from_millis(20));
                    drop(client);
                    self.ended.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                Act::Applied(how) => {
                    pass();
                    return how.apply(client);
                }
                Act::Lost(how) => return how.apply(client),
            }
        }
    }
}

fn until(is_so: impl Fn() -> bool) {
    for _ in 0..30_000 {
        if is_so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("it is not so after 30 s");
}

/// Closes a connection with RST instead of FIN.
pub(crate) fn reset(client: TcpStream) {
    let client = tokio::net::TcpSocket::from_std_stream(client);
    client.set_zero_linger().unwrap();
    drop(client);
}

/// Reads one request or answer, by its `content-length`; none at the end.
pub(crate) fn message(stream: &mut impl Read) -> Option<Vec<u8>> {
    let (mut whole, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut part).ok().filter(|read| *read > 0)?;
        whole.extend_from_slice(&part[..read]);
        let text = String::from_utf8_lossy(&whole);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let head = head.to_ascii_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length = length.map_or(0, |length| length.trim().parse().unwrap());
        if body.len() >= length {
            return Some(whole);
        }
    }
}
