//! The `[policy]` table: what is asked of the document that rules make.

use serde::{Deserialize, Deserializer, de};

/// API Gateway's bound on a policy, in bytes; documented for WebSocket APIs, kept for all.
const DOCUMENT_LIMIT: usize = 8_192;

/// What `document_limit` may be: less holds no grant, and a hundred KB are no policy any more.
const DOCUMENT_LIMITS: std::ops::RangeInclusive<usize> = 512..=102_400;

/// Bounds on the policy that a caller is answered with.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicyConfig {
    /// The most bytes that a policy may have as JSON; a longer one is refused, never cut.
    #[serde(deserialize_with = "document_limit")]
    pub(super) document_limit: usize,
    /// Whether a policy ends with a Deny of all that it does not allow.
    pub(super) deny_rest: bool,
}

impl Default for PolicyConfig {
    fn default() -> Self {
        Self { document_limit: DOCUMENT_LIMIT, deny_rest: false }
    }
}

fn document_limit<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let bytes = usize::deserialize(deserializer)?;
    if DOCUMENT_LIMITS.contains(&bytes) {
        Ok(bytes)
    } else {
        Err(de::Error::custom("`document_limit` must be 512 to 102400 bytes"))
    }
}
