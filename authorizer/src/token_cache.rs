//! Tokens that were verified before, by a digest of what was signed.
//!
//! What is kept is what a signature proved and no later time undoes. Everything that can change is
//! asked again for each request: the times, by the clock; the key, by what the issuer publishes
//! now; and a revocation, which is not this module's.
//!
//! A cache belongs to one [`crate::Verifier`], whose configuration never changes, so that the
//! digest need not cover the configuration.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{Digest, SHA256_OUTPUT_LEN};
use serde_json::Value;

use crate::claims::Claims;
use crate::jwks::Key;

/// How much all entries together may take, in bytes: about a thousand tokens of Cognito's.
const MAX_BYTES: u64 = 2 * 1024 * 1024;

/// What an entry takes beside its claims, in bytes: the cache's own records, and the key's name.
const ENTRY_BYTES: usize = 512;

/// What stands for a token: SHA-256 of its header and payload.
///
/// Most signatures are made of just this, so that it is taken once for both. The signature itself
/// is compared: see [`Known::has_signature`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name([u8; SHA256_OUTPUT_LEN]);

impl Name {
    /// The name by this digest, which is one of SHA-256.
    pub(crate) fn of(digest: &Digest) -> Self {
        let mut bytes = [0; SHA256_OUTPUT_LEN];
        for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
            *to = *from;
        }
        Self(bytes)
    }
}

/// A token that was verified, and by what.
pub(crate) struct Known {
    pub(crate) claims: Arc<Claims>,
    /// The signature that was verified, in base64url.
    pub(crate) signature: Box<str>,
    /// The name of the key that verified it.
    pub(crate) kid: Arc<str>,
    /// The same as it stands in the log.
    pub(crate) kid_digest: Arc<str>,
    /// The key itself: the entry is worth nothing when the issuer publishes another.
    pub(crate) key: Arc<Key>,
}

/// The tokens that were verified lately, bounded in bytes.
pub(crate) struct Cache {
    tokens: moka::sync::Cache<Name, Arc<Known>>,
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("entries", &self.tokens.entry_count()).finish_non_exhaustive()
    }
}

impl Cache {
    pub(crate) fn new() -> Self {
        let weight =
            |_: &Name, known: &Arc<Known>| u32::try_from(known.bytes()).unwrap_or(u32::MAX);
        Self {
            tokens: moka::sync::Cache::builder().max_capacity(MAX_BYTES).weigher(weight).build(),
        }
    }

    pub(crate) fn get(&self, name: &Name) -> Option<Arc<Known>> {
        self.tokens.get(name)
    }

    pub(crate) fn keep(&self, name: Name, known: Known) {
        self.tokens.insert(name, Arc::new(known));
    }

    pub(crate) fn forget(&self, name: &Name) {
        self.tokens.invalidate(name);
    }
}

impl Known {
    /// Whether this is the signature that was verified, as it came.
    ///
    /// In constant time: who has a token's payload must not find its signature out by trying.
    pub(crate) fn has_signature(&self, signature: &str) -> bool {
        verify_slices_are_equal(self.signature.as_bytes(), signature.as_bytes()).is_ok()
    }

    /// About how much memory this takes.
    fn bytes(&self) -> usize {
        let members = self.claims.members().iter().map(|(name, value)| member_bytes(name, value));
        members.fold(ENTRY_BYTES, usize::saturating_add).saturating_add(self.signature.len())
    }
}

/// A member of an object: its name and value, and as much again for half-empty tree nodes.
fn member_bytes(name: &str, value: &Value) -> usize {
    size_of::<String>()
        .saturating_mul(2)
        .saturating_add(size_of::<Value>())
        .saturating_add(name.len())
        .saturating_add(value_bytes(value))
}

/// A value and all below it; nesting is bounded where tokens are read.
fn value_bytes(value: &Value) -> usize {
    let below = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.iter().map(value_bytes).fold(0, usize::saturating_add),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| member_bytes(name, value))
            .fold(0, usize::saturating_add),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    below.saturating_add(size_of::<Value>())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::digest::{SHA256, digest};
    use serde_json::{Map, json};

    use super::*;
    use crate::config::Config;
    use crate::token::Payload;

    fn name(text: &str) -> Name {
        Name::of(&digest(&SHA256, text.as_bytes()))
    }

    fn known(payload: &Value) -> Known {
        let text = "[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n\
            [[issuer]]\nurl = \"https://i.example\"\nclients = \"any\"\ntoken_use = \"any\"\n";
        let issuer = Config::from_source(text).unwrap().issuers.remove(0);
        let mut members: Map<String, Value> = payload.as_object().unwrap().clone();
        members.extend(
            json!({"iss": "i", "sub": "s", "exp": 2, "client_id": "c"})
                .as_object()
                .unwrap()
                .clone(),
        );
        let claims = Claims::check(Payload::of(members), false, "i", &issuer.checks, 1).unwrap();
        let key = Key::for_tests();
        let signature = "c2ln".into();
        Known { claims: Arc::new(claims), signature, kid: "k".into(), kid_digest: "d".into(), key }
    }

    #[test]
    fn a_name_is_the_whole_digest() {
        // printf abc | sha256sum
        assert_eq!(name("abc").0[..4], [0xba, 0x78, 0x16, 0xbf]);
        assert_eq!(name("abc").0[28..], [0xf2, 0x00, 0x15, 0xad]);
        assert!(name("abc") != name("abd"));
    }

    #[test]
    fn only_the_very_signature_that_was_verified_is_known() {
        let known = known(&json!({}));
        assert!(known.has_signature("c2ln"));
        for other in ["", "c2l", "c2lm", "C2ln", "c2lnc2ln"] {
            assert!(!known.has_signature(other), "{other}");
        }
    }

    #[test]
    fn an_entry_weighs_what_it_holds() {
        let weight = |value: Value| known(&json!({ "x": value })).bytes();
        let least = weight(json!(null));
        assert!(least > ENTRY_BYTES);
        assert_eq!(weight(json!("x".repeat(1_000))), least + 1_000);
        assert_eq!(weight(json!(vec![0; 1_000])), least + 1_000 * size_of::<Value>());
        let object: Map<String, Value> =
            (0..100).map(|number| (format!("{number:03}"), json!(0))).collect();
        assert!(weight(object.into()) > least + 100 * (3 + size_of::<Value>()));
    }

    #[test]
    fn the_cache_is_bounded_in_bytes_and_forgets() {
        let cache = Cache::new();
        let large = json!({"x": "x".repeat(100_000)});
        for number in 0..100 {
            cache.keep(name(&number.to_string()), known(&large));
            cache.tokens.run_pending_tasks();
            assert!(cache.tokens.weighted_size() <= MAX_BYTES);
        }
        assert!((10..=20).contains(&cache.tokens.entry_count()));

        let cache = Cache::new();
        let x = name("x");
        cache.keep(x, known(&json!({"secret": 1})));
        assert!(cache.get(&x).is_some() && cache.get(&name("y")).is_none());
        assert!(!format!("{cache:?}").contains("secret"));
        cache.forget(&x);
        assert!(cache.get(&x).is_none());
    }
}
