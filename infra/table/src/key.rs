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
/// assert!(key.expose().starts_with("tg_live_"));
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
    /// The text begins like Tollgate's own keys, but its length or checksum is wrong.
    #[error("is mistyped: its checksum is wrong")]
    Checksum,
    /// The system has no random numbers.
    #[error("no key could be made: the system gives no random numbers")]
    Random,
}

impl Key {
    /// Makes a key: `tg_live_`, 256 random bits and a checksum of 32 bits, as 72 hexadecimal digits.
    ///
    /// Secret scanners find it by `tg_live_[0-9a-f]{72}`. The checksum is the beginning of the
    /// SHA-256 of the text before it, so a mistyped key is refused without reading the table.
    ///
    /// # Errors
    /// The system has no random numbers.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bits = [0; 32];
        rand::fill(&mut bits).map_err(|_| KeyError::Random)?;
        let mut text = String::from(PREFIX);
        hex(&bits, &mut text).map_err(|_| KeyError::Random)?;
        text.push_str(&checksum(&text));
        Ok(Self(text))
    }

    /// Parses an existing key: 20 to 128 visible ASCII characters, as API Gateway's are.
    ///
    /// # Errors
    /// The text is shorter or longer or has other characters, or it begins with `tg_live_` but
    /// [`generate`](Self::generate) cannot have made it.
    pub fn parse(text: impl Into<String>) -> Result<Self, KeyError> {
        let text = text.into();
        if !(MIN..=MAX).contains(&text.len()) {
            return Err(KeyError::Length { length: text.len() });
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(KeyError::Character);
        }
        if text.starts_with(PREFIX) && !is_whole(&text) {
            return Err(KeyError::Checksum);
        }
        Ok(Self(text))
    }

    /// Returns the text, to be shown once or sent. Keep it out of logs.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the SHA-256 that identifies the key in the table. It has no salt, so that the table
    /// can be searched by it.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(&[self.0.as_bytes()])
    }
}

impl Digest {
    /// Returns the subject of a key that has its own bucket: `key-` and the digest.
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

/// Returns true if a text that begins with the prefix ends with its checksum.
fn is_whole(text: &str) -> bool {
    let at = PREFIX.len() + RANDOM_DIGITS;
    text.split_at_checked(at).is_some_and(|(front, end)| end == checksum(front))
}

/// The first 32 bits of a text's SHA-256, as hexadecimal digits.
fn checksum(text: &str) -> String {
    let mut digits = Digest::of(&[text.as_bytes()]).to_string();
    digits.truncate(CHECK_DIGITS);
    digits
}

/// The beginning of generated keys.
const PREFIX: &str = "tg_live_";
const RANDOM_DIGITS: usize = 64;
const CHECK_DIGITS: usize = 8;
/// API Gateway's bounds on the length of a key: "API Gateway API key file format" in its guide.
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
        let digits = one.expose().strip_prefix("tg_live_").unwrap();
        assert!(digits.len() == 72 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        // printf tg_live_$(printf %064d 0) | sha256sum
        let known = format!("tg_live_{}1b6f06b2", "0".repeat(64));
        assert_eq!(Key::parse(known.clone()).unwrap().expose(), known);
    }

    #[test]
    fn a_mistyped_key_of_ours_is_refused() {
        let key = Key::generate().unwrap();
        let good = key.expose();
        let (front, last) = good.split_at(good.len() - 1);
        let other = if last == "0" { "1" } else { "0" };
        for wrong in [
            front.to_owned(),
            format!("{good}0"),
            format!("{front}{other}"),
            good.to_uppercase().replacen("TG_LIVE_", "tg_live_", 1),
            format!("tg_live_{}", "0".repeat(72)),
            format!("tg_live_{}", "x".repeat(20)),
        ] {
            assert_eq!(Key::parse(wrong.clone()), Err(KeyError::Checksum), "{wrong}");
        }
        // A key from elsewhere keeps its form.
        assert!(Key::parse(good.replacen("tg_live_", "TG_live_", 1)).is_ok());
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
