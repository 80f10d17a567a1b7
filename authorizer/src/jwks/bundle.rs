//! A key set in the configuration, so that a cold start needs no network.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::digest::{Digest, SHA256, digest};

use super::fetch::MAX_BODY;
use super::set::KeySet;

/// A key set from the configuration, with at least one usable key.
#[derive(Clone)]
pub struct Bundle {
    pub(super) set: Arc<KeySet>,
    /// The SHA-256 digest of its text.
    digest: Digest,
}

/// Two sets are equal if their texts are.
impl PartialEq for Bundle {
    fn eq(&self, other: &Self) -> bool {
        self.digest.as_ref() == other.digest.as_ref()
    }
}

/// Hides the keys.
impl fmt::Debug for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bundle(…)")
    }
}

impl Bundle {
    /// Reads a key set from a text.
    ///
    /// # Errors
    ///
    /// The text is longer than a fetched set may be, or has no usable key.
    pub(crate) fn of_text(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BODY {
            return Err(format!("longer than {MAX_BODY} bytes"));
        }
        let set = KeySet::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self { set: Arc::new(set), digest: digest(&SHA256, text.as_bytes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_bounded_as_a_fetched_set_is() {
        let modulus = format!("{}xQ", "xcXF".repeat(85));
        let set = format!(r#"{{"keys":[{{"kty":"RSA","kid":"k","e":"AQAB","n":"{modulus}"}}]}}"#);
        let padded = |length: usize| format!("{set}{}", " ".repeat(length - set.len()));
        assert!(Bundle::of_text(&padded(MAX_BODY)).is_ok());
        let error = |outcome: Result<Bundle, String>| outcome.unwrap_err();
        assert!(error(Bundle::of_text(&padded(MAX_BODY + 1))).contains("longer than"));
        assert!(error(Bundle::of_text("{}")).contains("not a JSON object"));
        let shown = format!("{:?}", Bundle::of_text(&set).unwrap());
        assert!(!shown.contains(&modulus));
    }
}
