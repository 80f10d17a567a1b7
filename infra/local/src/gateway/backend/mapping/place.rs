//! Values in the address of an HTTP service, each held to its place in it.
//!
//! A service resolves `..` in a path, often after decoding it, and some take `\` for `/` or end a
//! step at `;`. Dots cannot be escaped, so a value with such a step is refused.

use std::borrow::Cow;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use crate::gateway::backend::Fault;
use crate::gateway::responses::Refusal;

/// The characters that are escaped in a query, and in one step of a path.
pub(super) const OUTSIDE_OF_A_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The characters that are escaped in several steps of a path.
pub(super) const OUTSIDE_OF_A_PATH: &AsciiSet = &OUTSIDE_OF_A_QUERY.remove(b'/');

/// The times that a service may decode a path before it resolves it.
const DECODINGS: usize = 2;

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
        Ok(match (is_encoded, is_greedy) {
            (true, _) => text.clone(),
            (false, true) => encoded(text, OUTSIDE_OF_A_PATH),
            (false, false) => encoded(text, OUTSIDE_OF_A_QUERY),
        })
    }
}

/// Refuses a text in a path that has a step `.` or `..`, in any encoding.
pub(in crate::gateway::backend) fn stays(text: &str) -> Result<(), Fault> {
    let is_dots = |step: &str| matches!(step.split(';').next(), Some("." | ".."));
    let mut text = Cow::from(text);
    for _ in 0..=DECODINGS {
        if text.split(['/', '\\']).any(is_dots) {
            return Err(refused("has a step `.` or `..`"));
        }
        text = Cow::from(decoded(&text).into_owned());
    }
    Ok(())
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
        ] {
            for (is_encoded, is_greedy) in [(true, true), (true, false), (false, true)] {
                assert_eq!(after("http://a/in/", text, is_encoded, is_greedy), None, "{text}");
            }
        }
        for text in ["...", "a..b", "..a", "a.", "%2e%2ea", "a/b.c/", "1;v=2", "", "//"] {
            assert!(stays(text).is_ok(), "{text}");
        }
    }
}
