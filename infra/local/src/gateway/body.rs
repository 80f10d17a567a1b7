//! The bodies of requests, and the bound that all of them share.
//!
//! Bytes count as they come, whatever length a request states. Pieces are joined at once, because a
//! list of them would take many times their bytes.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::Body;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::RECEIVE_TIMEOUT;

/// The bytes of bodies that all APIs together may hold.
const MAX_IN_ALL: usize = 256 * 1024 * 1024;

/// The room for the bodies of all APIs.
pub(super) static ROOM: Semaphore = Semaphore::const_new(MAX_IN_ALL);

/// A body that was taken in. Its share of the room ends with it.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) bytes: Bytes,
    _share: SemaphorePermit<'static>,
}

/// Reasons why a body is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreceived {
    TooLarge,
    /// Other bodies take the room.
    Full,
    /// It broke off, or took too long.
    Broken,
}

/// Takes in a body of at most this many bytes.
///
/// One that finds no room is read to its end all the same, so that its sender gets the answer.
pub(super) async fn receive(
    body: impl Body<Data = Bytes> + Unpin,
    most: usize,
    room: &'static Semaphore,
) -> Result<Received, Unreceived> {
    timeout(RECEIVE_TIMEOUT, read(body, most, room)).await.unwrap_or(Err(Unreceived::Broken))
}

/// Reads a body that nobody needs, so that its sender gets the answer.
pub(super) async fn discard(body: impl Body<Data = Bytes> + Unpin, most: usize) {
    static NONE: Semaphore = Semaphore::const_new(0);
    // It is of no use either way.
    let _ = receive(body, most, &NONE).await;
}

async fn read(
    mut body: impl Body<Data = Bytes> + Unpin,
    most: usize,
    room: &'static Semaphore,
) -> Result<Received, Unreceived> {
    let mut held = Some((BytesMut::new(), share(room, 0)?));
    let mut length = 0_usize;
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame.map_err(|_| Unreceived::Broken)?.into_data() else { continue };
        length = length.saturating_add(piece.len());
        if length > most {
            return Err(Unreceived::TooLarge);
        }
        held = held.and_then(|(mut bytes, mut all)| {
            all.merge(share(room, piece.len()).ok()?);
            bytes.extend_from_slice(&piece);
            Some((bytes, all))
        });
    }
    let (bytes, share) = held.ok_or(Unreceived::Full)?;
    Ok(Received { bytes: bytes.freeze(), _share: share })
}

/// The share of a number of bytes in the room.
fn share(room: &'static Semaphore, bytes: usize) -> Result<SemaphorePermit<'static>, Unreceived> {
    let bytes = u32::try_from(bytes).map_err(|_| Unreceived::Full)?;
    room.try_acquire_many(bytes).map_err(|_| Unreceived::Full)
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::pin::Pin;
    use std::sync::Arc;
    use std::task::{Context, Poll};

    use hyper::body::Frame;
    use tokio::net::TcpListener;

    use super::*;
    use crate::gateway::options::tests::options;
    use crate::gateway::{Gateway, Kind, Route};

    /// A body in pieces, which may stay open.
    struct Pieces {
        pieces: VecDeque<&'static str>,
        is_open: bool,
    }

    impl Body for Pieces {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            match self.pieces.pop_front() {
                Some(piece) => {
                    Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
                }
                None if self.is_open => Poll::Pending,
                None => Poll::Ready(None),
            }
        }
    }

    fn body(pieces: &[&'static str]) -> Pieces {
        Pieces { pieces: pieces.iter().copied().collect(), is_open: false }
    }

    fn room(bytes: usize) -> &'static Semaphore {
        Box::leak(Box::new(Semaphore::new(bytes)))
    }

    #[tokio::test]
    async fn a_body_takes_its_bytes_of_the_room_until_it_is_dropped() {
        let room = room(10);
        let one = receive(body(&["abc", "", "def"]), 8, room).await.unwrap();
        assert_eq!((&one.bytes[..], room.available_permits()), (&b"abcdef"[..], 4));
        let other = receive(body(&["abc", "de"]), 8, room).await;
        assert_eq!(other.unwrap_err(), Unreceived::Full);
        assert_eq!(room.available_permits(), 4, "a body without room holds nothing");
        assert!(receive(body(&[]), 8, room).await.is_ok(), "no body needs no room");
        drop(one);
        assert_eq!(room.available_permits(), 10);
        let large = receive(body(&["abcd", "efgh", "i"]), 8, room).await;
        assert_eq!(large.unwrap_err(), Unreceived::TooLarge);
        assert_eq!(room.available_permits(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_gives_its_room_back() {
        let room = room(10);
        let mut slow = Box::pin(receive(Pieces { is_open: true, ..body(&["abc"]) }, 8, room));
        assert!(timeout(RECEIVE_TIMEOUT / 2, &mut slow).await.is_err());
        assert_eq!(room.available_permits(), 7);
        assert_eq!(slow.await.unwrap_err(), Unreceived::Broken);
        assert_eq!(room.available_permits(), 10);
    }

    #[tokio::test]
    async fn what_finds_no_room_is_read_to_its_end() {
        let mut unread = body(&["abc", "def", "ghi"]);
        let full = receive(&mut unread, 20, room(4)).await;
        assert_eq!((full.unwrap_err(), unread.pieces.len()), (Unreceived::Full, 0));
        let mut unread = body(&["abc", "def", "ghi"]);
        discard(&mut unread, 20).await;
        assert_eq!(unread.pieces.len(), 0);
    }

    #[tokio::test]
    async fn a_body_needs_room_after_its_route_and_its_identity_are_found() {
        let everything = ROOM.try_acquire_many(u32::try_from(MAX_IN_ALL).unwrap()).unwrap();
        let mut api = options(Kind::RestToken);
        api.responses = Some(Arc::default());
        api.routes = vec![Route::parse("POST /a").unwrap()];
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = Gateway::start(listener, api).unwrap();
        let client = reqwest::Client::new();
        for (path, token, body, status) in [
            ("/a", "", "a", 401),
            ("/nothing", "t", "a", 403),
            ("/a", "t", "a", 503),
            // The authorizer, which fails, is asked.
            ("/a", "t", "", 500),
        ] {
            let request = client.post(format!("{}{path}", gateway.url())).body(body);
            let answer = request.header("authorization", token).send().await.unwrap();
            assert_eq!(answer.status(), status, "{path} {token} {body}");
        }
        drop(everything);
        gateway.shutdown().await;
    }
}
