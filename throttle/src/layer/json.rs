//! Amounts in JSON: of a whole body, or of server-sent events.

use http::header::CONTENT_TYPE;
use http::response;
use serde_json::Value;

use super::Part;

/// The longest text that is parsed: a whole body, or one event.
const MAX_JSON: usize = 1 << 20;

/// Reads an amount out of a response in JSON, for
/// [`Limits::body_meter`](super::Limits::body_meter).
///
/// A response of the type `text/event-stream` is read event by event: the last event with an
/// amount counts, and `data: [DONE]` has none. Any other response is read as one JSON text. A text
/// or an event that is over 1 MiB or not JSON is skipped. At most 1 MiB of a line and of an event
/// are in memory. Amounts cannot be read from a compressed body: put the compression layer outside
/// the limits.
///
/// ```
/// use tollgate_throttle::layer::{Part, json_amount};
///
/// let head = http::Response::builder().header("content-type", "text/event-stream");
/// let (head, ()) = head.body(()).unwrap().into_parts();
/// let mut reader = json_amount(&head, |json| json.pointer("/usage/total_tokens")?.as_u64());
/// assert_eq!(reader(Part::Data(b"data: {\"usage\": {\"total_to")), None);
/// assert_eq!(reader(Part::Data(b"kens\": 42}}\n\n")), Some(42));
/// ```
pub fn json_amount<F>(
    response: &response::Parts,
    mut amount: F,
) -> impl FnMut(Part<'_>) -> Option<u64> + Send + use<F>
where
    F: FnMut(&Value) -> Option<u64> + Send + 'static,
{
    let mut form = match is_event_stream(response) {
        true => Form::Events(Events::default()),
        false => Form::Whole(Text::default()),
    };
    move |part| {
        let mut found = None;
        let mut text = |text: &Text| found = text.json().as_ref().and_then(&mut amount).or(found);
        match (&mut form, part) {
            (Form::Whole(whole), Part::Data(data)) => whole.push(data),
            (Form::Whole(whole), Part::End) => text(whole),
            (Form::Events(events), Part::Data(data)) => events.read(data, text),
            // Two line ends complete an event that was cut off.
            (Form::Events(events), Part::End) => events.read(b"\n\n", text),
            (_, Part::Trailers(_)) => {}
        }
        found
    }
}

fn is_event_stream(response: &response::Parts) -> bool {
    let value = response.headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let essence = value.and_then(|it| it.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("text/event-stream")
}

enum Form {
    Whole(Text),
    Events(Events),
}

/// Bytes up to [`MAX_JSON`]; a longer text is dropped entirely.
#[derive(Default)]
struct Text {
    bytes: Vec<u8>,
    is_too_long: bool,
}

impl Text {
    fn push(&mut self, bytes: &[u8]) {
        if bytes.len() > MAX_JSON.saturating_sub(self.bytes.len()) {
            self.skip();
        } else if !self.is_too_long {
            self.bytes.extend_from_slice(bytes);
        }
    }

    fn skip(&mut self) {
        self.bytes = Vec::new();
        self.is_too_long = true;
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.bytes).ok()
    }

    fn clear(&mut self) {
        self.bytes.clear();
        self.is_too_long = false;
    }
}

/// The events of a stream, whose lines end with LF, CR or both: "Parsing an event stream" of the
/// HTML standard. Only the field `data` is used.
#[derive(Default)]
struct Events {
    line: Text,
    data: Text,
    is_after_cr: bool,
}

impl Events {
    fn read(&mut self, bytes: &[u8], mut event: impl FnMut(&Text)) {
        for byte in bytes {
            let is_after_cr = std::mem::replace(&mut self.is_after_cr, *byte == b'\r');
            match byte {
                b'\n' if is_after_cr => {}
                b'\n' | b'\r' => self.end_line(&mut event),
                _ => self.line.push(&[*byte]),
            }
        }
    }

    fn end_line(&mut self, event: &mut impl FnMut(&Text)) {
        if self.line.is_too_long {
            self.data.skip();
        } else if self.line.bytes.is_empty() {
            event(&self.data);
            self.data.clear();
        } else if let Some(data) = self.line.bytes.strip_prefix(b"data:") {
            self.data.push(data);
            self.data.push(b"\n");
        }
        self.line.clear();
    }
}
