//! Meters: the units that a plan counts.

use std::fmt::{self, Debug, Display};

/// A unit that is counted: requests, or a named one such as `tokens`.
///
/// A name has 1 to 16 lowercase letters, digits, `-` and `_`, and starts with a letter. It is part
/// of attribute names in the subject's item, which stays below one kilobyte, so it is short.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter {
    /// The name, filled up with zeros; nothing else for requests.
    name: [u8; MAX_NAME],
}

/// An invalid name of a meter. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must have 1 to 16 lowercase letters, digits, `-` and `_`, start with a letter, and not be \
     `requests`"
)]
pub struct MeterError;

impl Meter {
    /// Requests, which every plan counts.
    pub const REQUESTS: Self = Self { name: [0; MAX_NAME] };

    /// Checks a meter's name.
    ///
    /// # Errors
    /// It is empty, longer than 16 bytes, `requests`, or has another character.
    pub fn new(name: &str) -> Result<Self, MeterError> {
        let is_plain = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_'
        };
        let starts = name.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
        let mut meter = Self::REQUESTS;
        let room = meter.name.get_mut(..name.len()).ok_or(MeterError)?;
        if !starts || !name.bytes().all(is_plain) || name == REQUESTS {
            return Err(MeterError);
        }
        room.copy_from_slice(name.as_bytes());
        Ok(meter)
    }

    /// The name; `requests` for requests.
    #[must_use]
    pub fn as_str(&self) -> &str {
        if self.is_requests() {
            return REQUESTS;
        }
        // A name is ASCII.
        let name = self.name.split(|byte| *byte == 0).next().unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// Returns true for requests.
    #[must_use]
    pub fn is_requests(self) -> bool {
        self == Self::REQUESTS
    }

    /// Reads the end of an attribute's name: nothing for requests, `.tokens` for a named meter.
    pub(crate) fn of_attribute(name: &str) -> Option<(&str, Self)> {
        match name.split_once('.') {
            None => Some((name, Self::REQUESTS)),
            Some((rest, meter)) => Some((rest, Self::new(meter).ok()?)),
        }
    }

    /// The name of this meter's attribute, from that of requests.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn attribute(self, of_requests: &str) -> String {
        if self.is_requests() { of_requests.to_owned() } else { format!("{of_requests}.{self}") }
    }

    /// Writes the end of an attribute's name.
    pub(crate) fn end_attribute(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_requests() { Ok(()) } else { write!(f, ".{self}") }
    }
}

impl Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Debug for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Meter({self})")
    }
}

/// The longest name in bytes.
pub(crate) const MAX_NAME: usize = 16;
const REQUESTS: &str = "requests";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        for name in ["t", "tokens", "input-tokens", "a_b-c9", "abcdefghijklmnop"] {
            assert_eq!(Meter::new(name).unwrap().as_str(), name);
        }
        for name in [
            "",
            "requests",
            "Tokens",
            "9a",
            "-a",
            "_",
            "a b",
            "a.b",
            "a#",
            "é",
            "abcdefghijklmnopq",
        ] {
            assert_eq!(Meter::new(name), Err(MeterError), "{name}");
        }
        assert_eq!(Meter::REQUESTS.to_string(), "requests");
    }
}
