//! Regular expressions of a template, bounded so that no match takes long.
//!
//! A match takes the product of the expression's compiled size and the text's length, whatever the
//! expression is.

use std::str::FromStr;

use regex_lite::{Regex, RegexBuilder};

use super::MAX_HEAD;
use crate::log::shortened;

/// The longest expression, in bytes.
const MAX_LENGTH: usize = 512;
/// The most groups around one another.
const MAX_NESTING: u32 = 16;
/// The compiled size of an integration response's pattern, in bytes.
const MAX_SIZE: usize = 8 * 1024;
/// The longest text that can match, in bytes.
const MAX_TEXT: usize = MAX_HEAD;
/// The characters of an expression that an error shows.
const SHOWN: usize = 200;

/// A regular expression, which a text must match as a whole.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

/// Errors of reading a regular expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{expression}` cannot be matched here: {reason}")]
pub struct PatternError {
    /// The expression, shortened.
    pub(super) expression: String,
    pub(super) reason: String,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Self::within(MAX_SIZE, text)
    }
}

impl Pattern {
    /// Reads an expression whose compiled size is at most this, in bytes.
    pub(crate) fn within(size: usize, text: &str) -> Result<Self, PatternError> {
        let wrong = |reason| PatternError { expression: shortened(text, SHOWN), reason };
        if text.len() > MAX_LENGTH {
            return Err(wrong(format!("it is longer than {MAX_LENGTH} bytes")));
        }
        let compiled =
            |text: &str| RegexBuilder::new(text).size_limit(size).nest_limit(MAX_NESTING).build();
        // By itself first: of `a)|(b` the group below would make another expression.
        let regex = compiled(text).and_then(|_| compiled(&format!(r"\A(?:{text})\z")));
        let regex = regex.map_err(|error| wrong(error.to_string()))?;
        Ok(Self { text: text.to_owned(), regex })
    }

    /// Returns true if the text matches as a whole. No text longer than 10 KB does.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        text.len() <= MAX_TEXT && self.regex.is_match(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Result<Pattern, PatternError> {
        text.parse()
    }

    #[test]
    fn usual_expressions_are_within_the_bounds() {
        for text in [
            "^Bearer [-0-9a-zA-Z._]+$",
            r"^(?:Bearer )?[A-Za-z0-9\-_=]+\.[A-Za-z0-9\-_=]+\.?[A-Za-z0-9\-_.+/=]*$",
            "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
            r".*\[(BadRequest|NotFound)\](.|\n)*",
        ] {
            assert!(pattern(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn length_size_and_nesting_are_bounded() {
        let nested = |depth: usize| format!("{}a{}", "(".repeat(depth), ")*".repeat(depth));
        assert!(pattern(&nested(7)).is_ok());
        for (text, reason) in [
            (nested(17), "too much nesting"),
            ("a{4000000000}".to_owned(), "size limit"),
            ("(?:(?:a{60}){60}){60}".to_owned(), "size limit"),
            ("(?:){4000000000}".to_owned(), "size limit"),
            (".*".repeat(200), "size limit"),
            ("a".repeat(513), "it is longer than 512 bytes"),
        ] {
            let error = pattern(&text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
            assert!(error.len() < 350, "{error}");
        }
        let count = "[A-Za-z0-9]{20,200}";
        assert!(pattern(count).is_err() && Pattern::within(20 * 1024, count).is_ok());
    }

    #[test]
    fn a_text_that_is_too_long_does_not_match() {
        let any = pattern("a*").unwrap();
        assert!(any.is_match(&"a".repeat(MAX_TEXT)));
        assert!(!any.is_match(&"a".repeat(MAX_TEXT + 1)));
    }
}
