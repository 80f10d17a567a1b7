//! Amounts in server-sent events, however they are split, and texts that are too long.

use http::response;
use proptest::prelude::*;
use tollgate_throttle::layer::{Part, json_amount};

fn head(kind: &str) -> response::Parts {
    http::Response::builder().header("content-type", kind).body(()).unwrap().into_parts().0
}

/// The amounts of a body in these chunks, with the one at its end.
fn amounts<'a>(kind: &str, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<u64> {
    let mut reader = json_amount(&head(kind), |json| json.pointer("/usage/total_tokens")?.as_u64());
    let mut found: Vec<u64> = chunks.into_iter().filter_map(|it| reader(Part::Data(it))).collect();
    found.extend(reader(Part::End));
    found
}

fn last<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Option<u64> {
    amounts("text/event-stream", chunks).pop()
}

/// A stream as a model sends it, with the end of lines as given.
fn stream(end: &str) -> String {
    [
        ": a comment",
        "",
        "event: message",
        r#"data: {"choices": [{"delta": {"content": "data: {\"usage\""}}], "usage": null}"#,
        "",
        r#"data:{"usage":{"total_tokens":3}}"#,
        "id: 7",
        "",
        "data: {\"usage\":",
        "data: {\"total_tokens\": 42}}",
        "retry: 10",
        "",
        "data: [DONE]",
        "",
        "",
    ]
    .join(end)
}

#[test]
fn events_are_read_wherever_they_are_split() {
    for end in ["\n", "\r\n", "\r"] {
        let text = stream(end);
        let bytes = text.as_bytes();
        assert_eq!(last([bytes]), Some(42));
        for at in 0..=bytes.len() {
            let (head, tail) = bytes.split_at(at);
            assert_eq!(last([head, tail]), Some(42), "{at}");
        }
        assert_eq!(last(bytes.chunks(1)), Some(42));
    }
}

#[test]
fn a_stream_that_ends_early_has_the_amount_of_its_last_complete_event() {
    let text = stream("\n");
    let (first, second) = (text.find("3}}").unwrap() + 3, text.find("42}}").unwrap() + 4);
    for at in 0..=text.len() {
        let expected = if at >= second {
            Some(42)
        } else if at >= first {
            Some(3)
        } else {
            None
        };
        assert_eq!(last([&text.as_bytes()[..at]]), expected, "{at}");
    }
}

#[test]
fn other_types_are_one_text() {
    let json = r#" {"usage": {"total_tokens": 8}} "#.as_bytes();
    for kind in ["application/json", "application/json; charset=utf-8", "text/event-streams", ""] {
        assert_eq!(amounts(kind, json.chunks(3)), [8], "{kind}");
    }
    for kind in ["text/event-stream", "Text/Event-Stream ; charset=utf-8"] {
        assert_eq!(amounts(kind, json.chunks(3)), [0; 0], "{kind}");
        assert_eq!(amounts(kind, [&b"data: {\"usage\": {\"total_tokens\": 8}}\n\n"[..]]), [8]);
    }
}

#[test]
fn a_text_that_is_too_long_is_skipped_and_the_next_event_is_read() {
    let block = vec![b'x'; 1 << 16];
    let long = |front: &'static [u8], back: &'static [u8]| {
        let blocks = std::iter::repeat_n(&block[..], 17);
        std::iter::once(front).chain(blocks).chain([back]).collect::<Vec<_>>()
    };
    let usage = b"\"}\n\ndata: {\"usage\": {\"total_tokens\": 8}}\n\n";
    // One long line, one long event of many lines, and a long comment within an event.
    assert_eq!(last(long(b"data: {\"a\": \"", usage)), Some(8));
    let lines = std::iter::repeat_n(&b"data: 12345678901234567890\n"[..], 50_000);
    assert_eq!(last(lines.chain([&usage[3..]])), Some(8));
    assert_eq!(last(long(b": ", b"\ndata: {\"usage\": {\"total_tokens\": 8}}\n\n")), None);
    // As long as may be, and a byte longer.
    let of = |length: usize| {
        let frame = r#"{"usage": {"total_tokens": 8}, "text": ""}"#;
        let text = "y".repeat(length - frame.len());
        frame.replace(r#""""#, &format!("\"{text}\""))
    };
    assert_eq!(amounts("application/json", of(1 << 20).as_bytes().chunks(1_000)), [8]);
    assert_eq!(amounts("application/json", of((1 << 20) + 1).as_bytes().chunks(1_000)), [0; 0]);
}

#[test]
fn deep_json_is_no_amount() {
    let deep = format!("data: {}\n\n", "[".repeat(100_000));
    assert_eq!(last([deep.as_bytes(), b"data: {\"usage\": {\"total_tokens\": 8}}\n\n"]), Some(8));
}

proptest! {
    /// Chunks of any sizes give what one chunk gives, and no bytes make the reader fail.
    #[test]
    fn any_bytes_in_any_chunks(
        parts in prop::collection::vec(prop_oneof![
            Just(b"data:".to_vec()), Just(b"\n".to_vec()), Just(b"\r".to_vec()),
            Just(b"{\"usage\":{\"total_tokens\":7}}".to_vec()),
            Just(b"{\"usage\":{\"total_tokens\":".to_vec()), Just(b"9}}".to_vec()),
            prop::collection::vec(any::<u8>(), 0..6),
        ], 0..30),
        sizes in prop::collection::vec(1_usize..9, 1..80),
    ) {
        let whole = parts.concat();
        let mut rest = &whole[..];
        let mut chunks = Vec::new();
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break }
            let (chunk, tail) = rest.split_at((*size).min(rest.len()));
            chunks.push(chunk);
            rest = tail;
        }
        prop_assert_eq!(last(chunks), last([&whole[..]]));
    }
}
