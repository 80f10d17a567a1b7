//! The stream of requests under a load that no page can follow.

use std::time::Duration;

use console::{Live, Local, Options, Request, TableAt};
use serde_json::Value;
use table::Connect;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use crate::bench::{Bench, TABLE};

/// The requests that are kept for pages.
const KEPT: u64 = 500;
const FLOOD: u64 = 20_000;

async fn start(live: &Live) -> Bench {
    let client = Connect::emulator("http://127.0.0.1:9").client().await;
    Bench::with(Options {
        at: TableAt { client, table: TABLE.to_owned(), endpoint: None },
        sources: Vec::new(),
        writes: true,
        local: Some(Local {
            live: live.clone(),
            apis: Vec::new(),
            issuers: Default::default(),
            callers: Vec::new(),
            api_key: None,
            switch: std::sync::Arc::new(|_| Box::pin(async { Ok(()) })),
        }),
    })
    .await
}

/// Answers requests, each with a path of a kilobyte, and yields between some.
async fn flood(live: &Live) {
    for at in 0..FLOOD {
        // Every request is shown here, as if each came in a second of its own.
        assert!(live.admit(Duration::from_secs(at)));
        live.push(Request { path: format!("/{at:01000}"), ..Request::default() });
        if at % 100 == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_slow_reader_misses_requests_and_learns_how_many() {
    let live = Live::default();
    let bench = start(&live).await;
    let mut reader = TcpStream::connect(bench.origin.trim_start_matches("http://")).await.unwrap();
    let host = bench.origin.trim_start_matches("http://");
    let head =
        format!("GET /api/requests HTTP/1.1\r\nhost: {host}\r\ncookie: {}\r\n\r\n", bench.cookie);
    reader.write_all(head.as_bytes()).await.unwrap();
    // It reads nothing while the requests come.
    flood(&live).await;
    let mut text = Vec::new();
    let last = timeout(Duration::from_secs(20), async {
        loop {
            let mut part = [0; 65_536];
            let read = reader.read(&mut part).await.unwrap();
            text.extend_from_slice(&part[..read]);
            let events = events(&text);
            if let Some(last) = events.last()
                && last["shown"] == FLOOD
            {
                return last.clone();
            }
        }
    });
    assert_eq!(last.await.unwrap()["total"], FLOOD);
    let received: usize =
        events(&text).iter().map(|it| it["requests"].as_array().unwrap().len()).sum();
    // Sockets hold some megabytes; what they do not hold is dropped, not queued.
    assert!(received as u64 >= KEPT && (received as u64) < FLOOD / 2, "{received}");
}

#[tokio::test]
async fn so_many_streams_are_open_at_once_and_one_more_is_told() {
    let live = Live::default();
    let bench = start(&live).await;
    let url = format!("{}/api/requests", bench.origin);
    let open = async || {
        let asked = bench.client.get(&url).header("cookie", &bench.cookie);
        let mut answer = asked.send().await.unwrap();
        let first = answer.chunk().await.unwrap().unwrap();
        (String::from_utf8_lossy(&first).into_owned(), answer)
    };
    let mut streams = Vec::new();
    for _ in 0..16 {
        let (first, stream) = open().await;
        assert!(first.starts_with("data: "), "{first}");
        streams.push(stream);
    }
    let (full, mut ended) = open().await;
    assert_eq!(full, "event: full\ndata: 16\n\n");
    assert_eq!(ended.chunk().await.unwrap(), None);
    drop(streams.pop());
    // The server notices that it is gone when it writes the next time.
    assert!(live.admit(Duration::ZERO));
    timeout(Duration::from_secs(10), async {
        while open().await.0.starts_with("event: full") {
            sleep(Duration::from_millis(100)).await;
        }
    })
    .await
    .unwrap();
}

/// The whole events of a stream so far.
fn events(text: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(text);
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let data = lines.filter_map(|line| line.strip_prefix("data: "));
    data.filter_map(|data| serde_json::from_str(data).ok()).collect()
}
