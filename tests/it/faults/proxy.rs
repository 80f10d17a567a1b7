//! A proxy on loopback that does what it is told to, and can be told otherwise while it runs.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;

/// Treatment of the bytes that pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Pass,
    /// A request is passed on after so long: when its client has long given up.
    LateRequests(Duration),
    /// An answer is passed on after so long.
    LateAnswers(Duration),
    /// Connections are closed as soon as something is sent.
    Cut,
    /// Requests are taken, the sending side is closed, and no answer ever comes.
    HalfClose,
    /// Idle connections are reset; new ones pass.
    ResetIdle,
    /// Requests are answered as DynamoDB does when it is asked for too much; none is passed on.
    Throttle,
}

pub(crate) struct Proxy {
    pub(crate) url: String,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// Stands before the server at `url`.
    pub(crate) async fn before(url: &str) -> Self {
        let to: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (mode, told) = watch::channel(Mode::Pass);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let mut told = told.clone();
                told.mark_unchanged();
                tokio::spawn(async move {
                    if let Ok(server) = TcpStream::connect(to).await {
                        let _ = client.set_nodelay(true);
                        let _ = server.set_nodelay(true);
                        pass(client, server, told).await;
                    }
                });
            }
        });
        Self { url, mode }
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

/// One connection; requests and answers take turns on it.
async fn pass(mut client: TcpStream, mut server: TcpStream, mut told: watch::Receiver<Mode>) {
    let (mut request, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    let mut refused = Vec::new();
    loop {
        let held = tokio::select! {
            // Its sender is never dropped: the scene has it.
            Ok(()) = told.changed() => {
                if *told.borrow_and_update() == Mode::ResetIdle {
                    let _ = client.set_zero_linger();
                    return;
                }
                continue;
            }
            read = client.read(&mut request) => {
                let Ok(read @ 1..) = read else { return };
                let mode = *told.borrow();
                match mode {
                    Mode::Pass | Mode::LateAnswers(_) | Mode::ResetIdle => {}
                    Mode::LateRequests(time) => sleep(time).await,
                    Mode::Cut => return,
                    Mode::HalfClose => {
                        let _ = client.shutdown().await;
                        while client.read(&mut request).await.is_ok_and(|read| read > 0) {}
                        return;
                    }
                    Mode::Throttle => {
                        refused.extend_from_slice(&request[..read]);
                        if !is_whole(&refused) {
                            continue;
                        }
                        refused.clear();
                        if client.write_all(THROTTLED.as_bytes()).await.is_err() {
                            return;
                        }
                        continue;
                    }
                }
                server.write_all(&request[..read]).await
            }
            read = server.read(&mut answer) => {
                let Ok(read @ 1..) = read else { return };
                let mode = *told.borrow();
                if let Mode::LateAnswers(time) = mode {
                    sleep(time).await;
                }
                client.write_all(&answer[..read]).await
            }
        };
        if held.is_err() {
            return;
        }
    }
}

/// DynamoDB's response while a table is throttled.
const THROTTLED: &str = "HTTP/1.1 400 Bad Request\r\n\
    content-type: application/x-amz-json-1.0\r\ncontent-length: 105\r\n\r\n\
    {\"__type\":\"com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException\",\
    \"message\":\"too much\"}";

/// Returns true for a complete request, by its `content-length`.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    length.is_none_or(|length| body.len() >= length.trim().parse().unwrap())
}
