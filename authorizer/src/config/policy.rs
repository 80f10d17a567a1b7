//! The `[policy]` table: bounds of the policies that rules make.

use serde::{Deserialize, Deserializer, de};

/// API Gateway's bound on a policy, in bytes; documented for WebSocket APIs, kept for all.
const DOCUMENT_LIMIT: usize = 8_192;

/// Bounds of `document_limit`: less has no room for an Allow, more is not a usable policy.
const DOCUMENT_LIMITS: std::ops::RangeInclusive<usize> = 512..=102_400;

/// The `[policy]` table.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PolicyConfig {
    /// The longest policy as JSON, in bytes. A longer one is refused, never shortened.
    #[serde(deserialize_with = "document_limit")]
    pub(super) document_limit: usize,
    /// Ends a policy with a Deny of everything that it does not allow.
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
