//! Passes a process's output to the log, line by line and bounded.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::sync::watch;

/// The longest line that is passed on whole, in bytes; the rest of a longer one is dropped.
const MAX_LINE: usize = 16 * 1024;

/// Passes every line of `from` to `print` until it ends, from the moment on when `open` is true.
pub(super) async fn forward(
    from: impl AsyncRead + Unpin,
    mut print: impl FnMut(String),
    mut open: watch::Receiver<bool>,
) {
    // If the sender is gone, show the output all the same.
    let _ = open.wait_for(|open| *open).await;
    let mut from = BufReader::new(from);
    let mut line = Vec::new();
    while let Ok(available) = from.fill_buf().await {
        if available.is_empty() {
            break;
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let taken = end.unwrap_or(available.len());
        let room = MAX_LINE.saturating_sub(line.len());
        line.extend(available.iter().take(taken).take(room));
        from.consume(taken + usize::from(end.is_some()));
        if end.is_some() {
            print(text(&mut line));
        }
    }
    if !line.is_empty() {
        print(text(&mut line));
    }
}

/// Takes a line out of the buffer.
fn text(line: &mut Vec<u8>) -> String {
    let text = String::from_utf8_lossy(line).into_owned();
    line.clear();
    text
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    async fn forwarded(input: &[u8]) -> Vec<String> {
        let (_gate, open) = watch::channel(true);
        let mut lines = Vec::new();
        forward(input, |line| lines.push(line), open).await;
        lines
    }

    #[tokio::test]
    async fn nothing_passes_before_it_is_opened() {
        let (gate, open) = watch::channel(false);
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let shared = Arc::clone(&lines);
        let print = move |line| shared.lock().unwrap().push(line);
        let forwarding = tokio::spawn(forward(&b"early\n"[..], print, open));
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(lines.lock().unwrap().is_empty());
        gate.send_replace(true);
        forwarding.await.unwrap();
        assert_eq!(*lines.lock().unwrap(), ["early"]);
    }

    #[tokio::test]
    async fn lines_pass_and_long_ones_are_cut() {
        assert_eq!(forwarded(b"one\ntwo").await, ["one", "two"]);
        assert_eq!(forwarded(b"\n\n").await, ["", ""]);
        assert!(forwarded(b"").await.is_empty());
        assert_eq!(forwarded(b"a\xff\r\n").await, ["a\u{fffd}\r"]);
        let mut long = vec![b'a'; MAX_LINE * 3];
        long.extend(b"\nnext\n");
        let cut = forwarded(&long).await;
        assert_eq!(cut[0].len(), MAX_LINE);
        assert_eq!(cut[1..], ["next"]);
    }
}
