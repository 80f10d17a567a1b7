//! Verified tokens, keyed by the SHA-256 digest of their text.
//!
//! An entry holds only facts that the signature proved and that do not change. For each request the
//! verifier checks again what can change: the times, and the key that the issuer publishes.
//!
//! A cache belongs to one [`crate::Verifier`], whose configuration never changes.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::claims::Claims;
use crate::jwks::Keys;

/// Capacity in bytes: about eight hundred of Cognito's tokens.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// Bytes of an entry without its claims.
const ENTRY_BYTES: usize = 512;

/// Bytes of a value without its text or its members.
const VALUE_BYTES: usize = 32;

/// Bytes of a node of an object's tree, and the fewest members that share one.
const NODE_BYTES: usize = 640;
const NODE_MEMBERS: usize = 5;

/// The tokens that were verified lately, bounded in bytes.
pub(crate) type TokenCache = Cache<[u8; 32], Arc<Verified>>;

/// A verified token.
pub(crate) struct Verified {
    pub(crate) claims: Arc<Claims>,
    /// Name of the key that verified it.
    pub(crate) kid: String,
    /// The keys of that kid at the time.
    pub(crate) keys: Arc<Keys>,
    pub(crate) algorithm: Algorithm,
}

/// Makes an empty cache.
pub(crate) fn new() -> TokenCache {
    let weight = |_: &[u8; 32], verified: &Arc<Verified>| {
        let bytes = object_bytes(verified.claims.members()).saturating_add(ENTRY_BYTES);
        u32::try_from(bytes).unwrap_or(u32::MAX)
    };
    Cache::builder().max_capacity(MAX_BYTES).weigher(weight).build()
}

/// Returns the memory that a value takes, which may be many times its text.
fn value_bytes(value: &Value) -> usize {
    let content = match value {
        Value::String(text) => text.len(),
        Value::Array(list) => list.iter().map(value_bytes).sum(),
        Value::Object(members) => object_bytes(members),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    content.saturating_add(VALUE_BYTES)
}

fn object_bytes(members: &Map<String, Value>) -> usize {
    let nodes = members.len().div_ceil(NODE_MEMBERS).saturating_mul(NODE_BYTES);
    let bytes = |(name, value): (&String, &Value)| name.len().saturating_add(value_bytes(value));
    members.iter().map(bytes).fold(nodes, usize::saturating_add)
}

/// Returns a token's key in the cache.
pub(crate) fn key_of(token: &str) -> [u8; 32] {
    let mut key = [0; 32];
    key.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
    key
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::claims::checks_for_tests;
    use crate::token::Payload;

    fn verified(extra: &Value) -> Arc<Verified> {
        let payload = json!({
            "iss": "i", "sub": "s", "exp": 2, "client_id": "client", "token_use": "access",
            "extra": extra,
        });
        let payload = Payload::of(payload.as_object().unwrap().clone());
        let now = 1;
        let claims = Claims::check(
            payload,
            false,
            &[&Arc::new(checks_for_tests())],
            Duration::from_secs(now),
        )
        .unwrap();
        let (kid, keys) = ("k".into(), Arc::new(Keys::none()));
        let algorithm = Algorithm::RS256;
        Arc::new(Verified { claims: Arc::new(claims), kid, keys, algorithm })
    }

    #[test]
    fn a_key_is_the_whole_digest() {
        // printf abc | sha256sum
        assert_eq!(key_of("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(key_of("abc")[28..], [0xf2, 0x00, 0x15, 0xad]);
        assert!(key_of("abc") != key_of("abd"));
    }

    #[test]
    fn the_cache_is_bounded_in_bytes() {
        // Both take about 7 kB in a token. The second has a thousand objects.
        for (extra, most) in
            [(json!("x".repeat(7_000)), 250), (Value::from(vec![json!({"a": 0}); 1_000]), 5)]
        {
            let cache = new();
            for number in 0..1_000 {
                cache.insert(key_of(&number.to_string()), verified(&extra));
                cache.run_pending_tasks();
                assert!(cache.weighted_size() <= MAX_BYTES);
            }
            let entries = cache.entry_count();
            assert!((most / 2..=most).contains(&entries), "{entries} of at most {most}");
        }
    }
}
