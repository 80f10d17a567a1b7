//! An API key: shown once, and then known by its digest.

mod csv;

use std::fmt::{self, Debug};

use aws_lc_rs::rand;

use crate::name::Subject;
use crate::table::Digest;
use crate::table::item::hex;

pub use csv::{ImportError, ImportProblem, ImportedKey, ImportedKeys};

/// An API key's text. It is a secret: Debug doesn't show it, and the table never holds it.
///
/// ```
/// use throttle::Key;
///
/// let key = Key::generate().unwrap();
/// assert_eq!(key.expose().len(), 64);
/// assert_eq!(Key::parse(key.expose()).unwrap().digest(), key.digest());
/// assert_eq!(format!("{key:?}"), "Key(…)");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Key(String);

/// Why there is no key. Never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Fewer or more characters than API Gateway's keys have.
    #[error("has {length} characters: a key has {MIN} to {MAX}")]
    Length {
        /// How many it has.
        length: usize,
    },
    /// A space, a control character, or a letter beyond ASCII.
    #[error("holds a character that no header carries: use letters, digits and signs of ASCII")]
    Character,
    /// The machine gives no random numbers.
    #[error("no key could be made: the system gives no random numbers")]
    Random,
}

impl Key {
    /// Makes a key of 256 random bits, as 64 hexadecimal digits.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bits = [0; 32];
        rand::fill(&mut bits).map_err(|_| KeyError::Random)?;
        let mut text = String::with_capacity(64);
        hex(&bits, &mut text).map_err(|_| KeyError::Random)?;
        Ok(Self(text))
    }

    /// Takes a key from elsewhere: 20 to 128 visible ASCII characters, as API Gateway's are.
    ///
    /// # Errors
    /// It is shorter or longer, or holds other characters.
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

    /// The text, to be shown once or sent. Keep it out of logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the table knows the key by: its SHA-256, without a salt, since it must be found by it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&[self.0.as_bytes()])
    }
}

impl Digest {
    /// The subject of a key that belongs to nobody else: `key-` and the digest.
    #[must_use]
    pub fn subject(&self) -> Subject {
        Subject::of_digest(self)
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
        assert_eq!(key.digest().subject().as_str().len(), 68);
    }
}
