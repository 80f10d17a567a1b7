//! A request's line in the log: one JSON object, written member by member.

use serde::Serialize;

/// What a line usually takes, metrics included: it is one allocation then.
const USUAL_BYTES: usize = 1_024;

/// A JSON object that is written once, from its first member to its last.
///
/// No tree of values is made on the way. Whoever writes names each member once.
pub(crate) struct Line {
    text: Vec<u8>,
}

impl Line {
    /// Begins a line with what happened.
    pub(crate) fn new(message: &'static str) -> Self {
        let mut line = Self { text: Vec::with_capacity(USUAL_BYTES) };
        line.text.push(b'{');
        line.put("message", message);
        line
    }

    /// Writes one more member: a text, a number, a list.
    pub(crate) fn put(&mut self, name: &str, value: impl Serialize) {
        if self.text.len() > 1 {
            self.text.push(b',');
        }
        self.json(name);
        self.text.push(b':');
        self.json(value);
    }

    /// Writes a member where there is something to say.
    pub(crate) fn put_some(&mut self, name: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    /// The whole object.
    pub(crate) fn finish(mut self) -> String {
        self.text.push(b'}');
        // serde_json writes nothing but UTF-8.
        String::from_utf8(self.text).unwrap_or_default()
    }

    fn json(&mut self, value: impl Serialize) {
        // Into memory, and of texts, numbers and lists of them alone: there is nothing to fail.
        let _ = serde_json::to_writer(&mut self.text, &value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn is_one_object_whatever_its_texts_hold() {
        let text = "a\"b\\\n\u{2028}\u{0}é";
        let mut line = Line::new("decided");
        line.put("text", text);
        line.put("number", u64::MAX);
        line.put("list", [1_u64, 2]);
        line.put_some("none", None);
        line.put_some("some", Some(text));
        let line = line.finish();
        assert!(!line.contains('\n'), "{line}");
        let read: Value = serde_json::from_str(&line).unwrap();
        let expected = json!({
            "message": "decided", "text": text, "number": u64::MAX, "list": [1, 2], "some": text,
        });
        assert_eq!(read, expected);
    }
}
