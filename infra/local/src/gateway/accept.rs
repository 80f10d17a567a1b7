//! Accepts connections up to a limit, and serves the requests of each.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::{HeaderValue, StatusCode, header};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::served::Served;
use super::{PARSER_BUFFER, RECEIVE_TIMEOUT, web_socket, wire};

/// The number of headers that the HTTP parser accepts; they are limited by their size alone.
const MAX_HEADERS: usize = 4096;

/// The first byte of a connection with TLS.
const TLS_HANDSHAKE: u8 = 22;

/// Accepts connections; the set of their tasks ends with this one.
pub(super) async fn accept(listener: TcpListener, api: Arc<Served>, most: usize) {
    let places = Arc::new(Semaphore::new(most));
    let mut connections = JoinSet::new();
    loop {
        if places.available_permits() == 0 {
            api.note_full(&listener, &format!("{most} connections are open"));
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to be closed.
                api.note_full(&listener, &error.to_string());
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
        let api = Arc::clone(&api);
        let room = Arc::clone(&places);
        connections.spawn(async move {
            let is_crowded = || room.available_permits() < most / 2;
            serve(stream, peer.ip(), api, is_crowded).await;
            drop(place);
        });
    }
}

async fn serve(
    stream: TcpStream,
    peer: IpAddr,
    api: Arc<Served>,
    is_crowded: impl Fn() -> bool + Copy,
) {
    // Latency on loopback matters more than packets.
    let _ = stream.set_nodelay(true);
    if begins_tls(&stream).await {
        api.note_tls(&stream);
    }
    // Holds the WebSocket that a request on this connection was upgraded to.
    let upgraded = Arc::new(OnceLock::new());
    let heads = wire::Heads::default();
    let service = service_fn(|request| {
        let (api, upgraded, heads) = (Arc::clone(&api), Arc::clone(&upgraded), heads.clone());
        async move {
            let mut response = api.answer(request, heads.take(), peer, &upgraded).await;
            if response.status() == StatusCode::SWITCHING_PROTOCOLS {
                heads.end();
            } else if is_crowded() {
                // Clients such as SDKs keep connections that they may not need again.
                let close = HeaderValue::from_static("close");
                response.headers_mut().insert(header::CONNECTION, close);
            }
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(RECEIVE_TIMEOUT)
        .max_buf_size(PARSER_BUFFER)
        .max_headers(MAX_HEADERS)
        .serve_connection(TokioIo::new(wire::Wire::new(stream, heads.clone())), service)
        .with_upgrades()
        .await;
    // What breaks here is the caller's own connection, and hyper answered where it could.
    drop(served);
    if let Some(connection) = Arc::into_inner(upgraded).and_then(OnceLock::into_inner) {
        let connection: web_socket::Connection = connection;
        connection.serve().await;
    }
}

/// Returns true if the caller begins with TLS, which nothing here speaks.
async fn begins_tls(stream: &TcpStream) -> bool {
    let mut first = [0; 1];
    let peeked = tokio::time::timeout(RECEIVE_TIMEOUT, stream.peek(&mut first)).await;
    matches!(peeked, Ok(Ok(1))) && first == [TLS_HANDSHAKE]
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;
    use crate::gateway::Kind;
    use crate::gateway::options::tests::options;

    #[tokio::test]
    async fn idle_connections_leave_room_and_a_full_gateway_says_so() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let api = Arc::new(Served::one(options(Kind::WebSocket), address.port()));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&api), 8));
        let mut kept = Vec::new();
        for _ in 0..20 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
            let mut head = [0; 1024];
            let read = tokio::time::timeout(RECEIVE_TIMEOUT / 2, stream.read(&mut head)).await;
            let read = read.expect("there is room").unwrap();
            assert!(head[..read].starts_with(b"HTTP/1.1 426"));
            kept.push(stream);
        }
        for _ in 0..8 {
            kept.push(TcpStream::connect(address).await.unwrap());
        }
        let is_noted = || api.is_full_noted.load(std::sync::atomic::Ordering::Relaxed);
        for _ in 0..1000 {
            if is_noted() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(is_noted());
        accepting.abort();
    }
}
