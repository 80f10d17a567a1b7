//! API key: shown once, and stored as its digest.

use std::fmt::{self, Debug};

use aws_lc_rs::rand;

use crate::digest::{Digest, hex};

/// The text of an API key. It is a secret: `Debug` does not show it, and the table never holds it.
///
/// ```
/// use tollgate_table::Key;
///
/// let key = Key::generate().unwrap();
/// assert_eq!(key.expose().len(), 64);
/// assert_eq!(Key::parse(key.expose()).unwrap().digest(), key.digest());
/// assert_eq!(format!("{key:?}"), "Key(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// Error of a text that is not a key. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The text is shorter or longer than API Gateway's keys.
    #[error("has {length} characters: a key has {MIN} to {MAX}")]
    Length {
        /// The number of characters.
        length: usize,
    },
    /// The text has a space, a control character, or a character beyond ASCII.
    #[error("holds a character that no header carries: use letters, digits and signs of ASCII")]
    Character,
    /// The system has no random numbers.
    #[error("no key could be made: the system gives no random numbers")]
    Random,
}

impl Key {
    /// Makes a key of 256 random bits, as 64 hexadecimal digits.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bits = [0; 32];
        rand::fill(&mut bits).map_err(|_| KeyError::Random)?;
        let mut text = String::with_capacity(64);
        hex(&bits, &mut text).map_err(|_| KeyError::Random)?;
        Ok(Self(text))
    }

    /// Parses an existing key: 20 to 128 visible ASCII characters, as API Gateway's are.
    ///
    /// # Errors
    /// The text is shorter or longer, or has other characters.
    pub fn parse(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        if !(MIN..=MAX).contains(&text.len()) {
            return Err(KeyError::Length { length: text.len() });
        }
        if text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(KeyError::Character)
        }
    }

    /// Returns the text, to be shown once or sent. Keep it out of logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the SHA-256 by which the table identifies the key. It has no salt, so that the key can be
    /// found by it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&[self.0.as_bytes()])
    }
}

impl Digest {
    /// Returns the subject of a key that is counted by itself: `key-` and the digest.
    #[must_use]
    pub fn subject(&self) -> String {
        format!("key-{self}")
    }
}

impl Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(…)")
    }
}

/// API Gateway's bounds of a key's value: "API Gateway API key file format" in its guide.
const MIN: usize = 20;
const MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_keys_are_never_the_same() {
        let [one, other] = [(); 2].map(|()| Key::generate().unwrap());
        assert_ne!(one, other);
        assert_ne!(one.digest(), other.digest());
        assert!(one.expose().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    #[test]
    fn keys_from_elsewhere_are_checked() {
        assert_eq!(Key::parse("x".repeat(19)), Err(KeyError::Length { length: 19 }));
        assert_eq!(Key::parse("x".repeat(129)), Err(KeyError::Length { length: 129 }));
        assert!(Key::parse("x".repeat(20)).is_ok() && Key::parse("~".repeat(128)).is_ok());
        for wrong in [" ", "\n", "\0", "é"] {
            let text = format!("{}{wrong}", "x".repeat(20));
            assert_eq!(Key::parse(text), Err(KeyError::Character), "{wrong:?}");
        }
    }

    #[test]
    fn a_key_is_not_shown() {
        let key = Key::parse("a-secret-that-nobody-sees").unwrap();
        assert!(!format!("{key:?}").contains("secret"));
        // printf a-secret-that-nobody-sees | sha256sum
        assert_eq!(key.digest().subject().len(), 68);
    }
}
