//! A key set in the configuration, so that a cold start needs no network.

use std::fmt;
use std::io::Read as _;
use std::sync::Arc;

use super::fetch::MAX_BODY;
use super::set::KeySet;

/// A key set from the configuration, with at least one usable key.
#[derive(Clone)]
pub struct Bundle(pub(super) Arc<KeySet>);

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
    /// It is longer than a fetched one may be, or has no usable key.
    pub(crate) fn of_text(text: &str) -> Result<Self, String> {
        if text.len() > MAX_BODY {
            return Err(format!("longer than {MAX_BODY} bytes"));
        }
        let set = KeySet::parse(text.as_bytes()).map_err(|error| error.to_string())?;
        Ok(Self(Arc::new(set)))
    }

    /// Reads a key set from a file.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or those of `of_text`.
    pub(crate) fn of_file(path: &str) -> Result<Self, String> {
        let mut text = String::new();
        // One byte more than is allowed, which is then refused: a device has no end.
        let unreadable = |error: std::io::Error| format!("can't be read: {error}");
        let file = std::fs::File::open(path).map_err(unreadable)?;
        file.take(MAX_BODY as u64 + 1).read_to_string(&mut text).map_err(unreadable)?;
        Self::of_text(&text)
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
        assert!(error(Bundle::of_file("/dev/zero")).contains("longer than"));
        assert!(error(Bundle::of_file("/nowhere")).contains("can't be read"));
        let shown = format!("{:?}", Bundle::of_text(&set).unwrap());
        assert!(!shown.contains(&modulus));
    }
}
