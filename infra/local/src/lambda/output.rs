//! Passes a process's output to our standard error, line by line and bounded.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;

use crate::terminal::escaped;

/// The longest line that is passed on whole, in bytes; the rest of a longer one is dropped.
const MAX_LINE: usize = 16 * 1024;

/// Passes every line of `from` on until it ends, from the moment on when `open` is true.
///
/// Never standard output: with `--json` that belongs to one line alone. Lines of several processes
/// don't mix, because each is written in one piece.
pub(super) async fn forward(
    from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
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
            print(&mut line, &mut to).await;
        }
    }
    if !line.is_empty() {
        print(&mut line, &mut to).await;
    }
}

async fn print(line: &mut Vec<u8>, to: &mut (impl AsyncWrite + Unpin)) {
    line.push(b'\n');
    // A log line can hold what a caller sent.
    let shown = String::from_utf8_lossy(line);
    let shown = escaped(&shown);
    // A closed standard error must not stop the process whose lines these are.
    let _ = to.write_all(shown.as_bytes()).await;
    let _ = to.flush().await;
    line.clear();
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    async fn forwarded(input: &[u8]) -> Vec<u8> {
        let (_gate, open) = watch::channel(true);
        let mut output = Vec::new();
        forward(input, &mut output, open).await;
        output
    }

    #[tokio::test]
    async fn nothing_passes_before_it_is_opened() {
        let (gate, open) = watch::channel(false);
        let (mut reader, writer) = tokio::io::duplex(64);
        let forwarding = tokio::spawn(forward(&b"early\n"[..], writer, open));
        tokio::task::yield_now().await;
        let mut byte = [0];
        assert!(futures_util::poll!(std::pin::pin!(reader.read(&mut byte))).is_pending());
        gate.send_replace(true);
        forwarding.await.unwrap();
        let mut all = String::new();
        reader.read_to_string(&mut all).await.unwrap();
        assert_eq!(all, "early\n");
    }

    #[tokio::test]
    async fn lines_pass_and_long_ones_are_cut() {
        assert_eq!(forwarded(b"one\ntwo").await, b"one\ntwo\n");
        assert_eq!(forwarded(b"\n\n").await, b"\n\n");
        assert_eq!(forwarded(b"").await, b"");
        assert_eq!(forwarded(b"a\x1b[2J\xff\r\n").await, "a\\u001b[2J\u{fffd}\\u000d\n".as_bytes());
        let mut long = vec![b'a'; MAX_LINE * 3];
        long.extend(b"\nnext\n");
        let cut = forwarded(&long).await;
        assert_eq!(cut.len(), MAX_LINE + 1 + 5);
        assert!(cut.ends_with(b"a\nnext\n"));
    }
}
