//! Values in the address of an HTTP service, each held to its place in it.
//!
//! A service resolves `..` in a path, often after decoding it, and some take `\` for `/`, end a step
//! at `;` or a NUL, leave out blanks at its end, or read overlong forms of UTF-8. Dots cannot be
//! escaped, so a value with such a step is refused.

use std::borrow::Cow;

use percent_encoding::{
    AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_decode_str, utf8_percent_encode,
};

use crate::gateway::backend::Fault;
use crate::gateway::responses::Refusal;

/// The characters that are escaped in a query, and in one step of a path.
pub(super) const OUTSIDE_OF_A_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The characters that are escaped in several steps of a path.
pub(super) const OUTSIDE_OF_A_PATH: &AsciiSet = &OUTSIDE_OF_A_QUERY.remove(b'/');

/// The most encodings around one another in a path.
const ENCODINGS: usize = 4;

/// The value of a parameter of an address.
pub(super) struct Parameter {
    pub(super) text: String,
    /// True if it is as the caller encoded it: a REST API does not decode its path.
    pub(super) is_encoded: bool,
    /// True if it may have several steps: the route's parameter is `{name+}`.
    pub(super) is_greedy: bool,
}

impl Parameter {
    /// The text that stands for it after `before`, the start of the address.
    pub(super) fn after(&self, before: &str) -> Result<String, Fault> {
        let Self { text, is_encoded, is_greedy } = self;
        let encoded = |text: &str, set| utf8_percent_encode(text, set).to_string();
        let start = before.split_once("://").map_or(before, |(_, rest)| rest);
        if start.contains('?') {
            let text = if *is_encoded { decoded(text) } else { Cow::from(text) };
            return Ok(encoded(&text, OUTSIDE_OF_A_QUERY));
        }
        if !start.contains('/') {
            let is_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
            return match text.chars().all(is_host) {
                true => Ok(text.clone()),
                false => Err(refused("is not a part of a host's name")),
            };
        }
        stays(text)?;
        if *is_encoded {
            has_whole_escapes(text)?;
        }
        Ok(match (is_encoded, is_greedy) {
            (true, _) => text.clone(),
            (false, true) => encoded(text, OUTSIDE_OF_A_PATH),
            (false, false) => encoded(text, OUTSIDE_OF_A_QUERY),
        })
    }
}

/// Refuses a text in a path that has a step `.` or `..`, in any encoding.
pub(in crate::gateway::backend) fn stays(text: &str) -> Result<(), Fault> {
    let mut bytes = Cow::from(text.as_bytes());
    for _ in 0..=ENCODINGS {
        if has_overlong_form(&bytes) {
            return Err(refused("has an overlong form of UTF-8"));
        }
        if bytes.split(|byte| b"/\\".contains(byte)).any(is_dots) {
            return Err(refused("has a step `.` or `..`"));
        }
        let decoded: Vec<u8> = percent_decode(&bytes).collect();
        if decoded == *bytes {
            return Ok(());
        }
        bytes = Cow::from(decoded);
    }
    Err(refused("is encoded too many times"))
}

/// Refuses the path of an address whose values, side by side, lead out of it.
pub(super) fn stays_whole(address: &str) -> Result<(), Fault> {
    let start = address.split_once("://").map_or(address, |(_, rest)| rest);
    let start = start.split('?').next().unwrap_or_default();
    let path = start.split_once('/').map_or("", |(_, path)| path);
    has_whole_escapes(path)?;
    stays(path)
}

/// Refuses a `%` without two digits, because the next value may bring them.
fn has_whole_escapes(text: &str) -> Result<(), Fault> {
    let is_digits = |rest: &str| {
        rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit))
    };
    match text.split('%').skip(1).all(is_digits) {
        true => Ok(()),
        false => Err(refused("has a `%` without two hexadecimal digits")),
    }
}

/// Returns true for a step that some service takes for `.` or `..`.
fn is_dots(step: &[u8]) -> bool {
    let is_blank = |byte: &u8| *byte <= b' ' || *byte == 0x7f;
    let start = step.iter().position(|byte| !is_blank(byte)).unwrap_or(step.len());
    let step = step.get(start..).unwrap_or_default();
    let end = step.iter().position(|byte| b";?#\0".contains(byte)).unwrap_or(step.len());
    let step = step.get(..end).unwrap_or_default();
    let end =
        step.iter().rposition(|byte| !is_blank(byte)).map_or(0, |last| last.saturating_add(1));
    matches!(step.get(..end), Some(b"." | b".."))
}

/// Returns true if a character is longer than UTF-8 allows, as a `.` of two bytes.
fn has_overlong_form(bytes: &[u8]) -> bool {
    bytes.array_windows().any(|pair| {
        matches!(pair, [0xc0 | 0xc1, 0x80..=0xbf] | [0xe0, 0x80..=0x9f] | [0xf0, 0x80..=0x8f])
    })
}

fn decoded(text: &str) -> Cow<'_, str> {
    percent_decode_str(text).decode_utf8_lossy()
}

fn refused(why: &str) -> Fault {
    let reason = format!("a value of the request in the integration's address {why}");
    Fault { refusal: Refusal::BadRequest, reason: Some(reason) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(before: &str, text: &str, is_encoded: bool, is_greedy: bool) -> Option<String> {
        Parameter { text: text.to_owned(), is_encoded, is_greedy }.after(before).ok()
    }

    #[test]
    fn a_value_has_the_encoding_of_its_place() {
        let is = |text: &str| Some(text.to_owned());
        let path = "http://a/in/";
        assert_eq!(after(path, "a/b ä", false, false), is("a%2Fb%20%C3%A4"));
        assert_eq!(after(path, "a/b ä", false, true), is("a/b%20%C3%A4"));
        assert_eq!(after(path, "a%2fb", true, true), is("a%2fb"));
        assert_eq!(after("http://a/in?b=", "c&d=%20", true, true), is("c%26d%3D%20"));
        assert_eq!(after("http://a?b=", "../c", false, true), is("..%2Fc"));
        assert_eq!(after("http://", "a.example", true, false), is("a.example"));
        for other in ["a.example/", "a@b", "a:1", "a%2f", "a b"] {
            assert_eq!(after("http://", other, true, true), None, "{other}");
        }
    }

    #[test]
    fn no_value_has_a_step_that_leads_out_of_the_path() {
        for text in [
            "..",
            ".",
            "../a",
            "a/..",
            "a/../..",
            "..%2fa",
            "%2e%2e",
            "%2E.",
            ".%2e%2Fa",
            "a%2f..",
            "..\\a",
            "a\\..",
            "..%5ca",
            "%252e%252e%252f",
            "..;/a",
            "..;x=1",
            "a/./b",
            "..%00",
            "..%20",
            "%09..%0a/a",
            "..%00.png",
            "..%3fa",
            "%c0%ae%c0%ae/a",
            "a%c0%af..",
            "%e0%80%ae.",
            "%f0%80%80%ae.",
            "%25252e%25252e%25252f",
            "%25252525252e",
        ] {
            for (is_encoded, is_greedy) in [(true, true), (true, false), (false, true)] {
                assert_eq!(after("http://a/in/", text, is_encoded, is_greedy), None, "{text}");
            }
        }
        let stay = [
            "...",
            "a..b",
            "..a",
            "a.",
            "%2e%2ea",
            "a/b.c/",
            "1;v=2",
            "",
            "//",
            "%c3%a0%e4%b8%80",
            "%C0propos",
            "a%20",
            "100%",
            "%252525e",
        ];
        for text in stay {
            assert!(stays(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn no_value_ends_in_a_part_of_an_escape() {
        for text in ["%", "%2", "a%2/", "%2x", "%u002e"] {
            assert_eq!(after("http://a/in/", text, true, true), None, "{text}");
            assert!(after("http://a/in/", text, false, true).is_some(), "{text}");
        }
    }

    #[test]
    fn an_address_is_looked_at_as_a_whole() {
        for (address, is_ok) in [
            ("http://a/in/b.c?d=..", true),
            ("http://a", true),
            ("http://..?a", true),
            ("http://a/in/%2", false),
            ("http://a/in/%2%e2e", false),
            ("http://a/in/..", false),
            ("http://a/in/%252e%2e/b", false),
        ] {
            assert_eq!(stays_whole(address).is_ok(), is_ok, "{address}");
        }
    }
}
