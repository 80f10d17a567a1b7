//! The authorizer's result cache: one result for each set of identity sources' values.
//!
//! There is one stage and one authorizer to a cache, so the values alone are the key: the token of
//! a TOKEN authorizer, all sources together of any other. A policy is evaluated again for every
//! request; a verdict is what it is, whichever route it was for.
//!
//! Errors are not kept, so a caller that was refused with 401 is asked about again; a policy that
//! denies is kept like any other.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};

use super::authorizer::Grant;
use super::{Kind, Options};
use crate::clock::Now;

/// The longest time that API Gateway keeps a result.
const MAX_TTL: Duration = Duration::from_secs(3600);
/// The number of cached results; the least used are evicted first.
const CAPACITY: u64 = 10_000;

/// Results by identity.
pub(super) struct Cache {
    /// By digest: the values, tokens among them, are not kept.
    results: moka::future::Cache<Vec<u8>, Remembered>,
    ttl_ms: u64,
    now: Now,
}

#[derive(Clone)]
struct Remembered {
    grant: Arc<Grant>,
    until_ms: u64,
}

impl Cache {
    /// The cache of an API; a WebSocket API's keeps nothing.
    pub(super) fn of(options: &Options) -> Self {
        let is_socket = options.kind == Kind::WebSocket;
        let ttl = if is_socket { Duration::ZERO } else { options.cache_ttl };
        Self::new(ttl, options.now.clone())
    }

    /// A cache that keeps a result for `ttl`, at most an hour; zero keeps nothing.
    pub(super) fn new(ttl: Duration, now: Now) -> Self {
        let ttl = ttl.min(MAX_TTL);
        let results = moka::future::Cache::builder()
            .max_capacity(CAPACITY)
            // Frees memory; whether a result is still good is decided by our own clock below.
            .time_to_live(ttl.max(Duration::from_secs(1)))
            .build();
        Self { results, ttl_ms: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX), now }
    }

    pub(super) async fn get(&self, identity: &[String]) -> Option<Arc<Grant>> {
        if self.keeps_nothing(identity) {
            return None;
        }
        let remembered = self.results.get(&key(identity)).await?;
        (self.now.millis() < remembered.until_ms).then_some(remembered.grant)
    }

    pub(super) async fn insert(&self, identity: &[String], grant: Arc<Grant>) {
        if self.keeps_nothing(identity) {
            return;
        }
        let until_ms = self.now.millis().saturating_add(self.ttl_ms);
        self.results.insert(key(identity), Remembered { grant, until_ms }).await;
    }

    /// Without an identity source API Gateway has nothing to keep a result by.
    fn keeps_nothing(&self, identity: &[String]) -> bool {
        self.ttl_ms == 0 || identity.is_empty()
    }
}

/// A digest in which no two lists of values are the same.
fn key(identity: &[String]) -> Vec<u8> {
    let mut context = Context::new(&SHA256);
    for value in identity {
        context.update(&value.len().to_be_bytes());
        context.update(value.as_bytes());
    }
    context.finish().as_ref().to_vec()
}

#[cfg(test)]
mod tests {
    use throttle::ManualClock;

    use super::*;
    use crate::gateway::authorizer::tests::grant;

    fn cache(ttl: Duration) -> (Cache, ManualClock) {
        let clock = ManualClock::default();
        (Cache::new(ttl, Now::new(clock.clone())), clock)
    }

    fn identity(values: &[&str]) -> Vec<String> {
        values.iter().map(ToString::to_string).collect()
    }

    #[tokio::test]
    async fn all_values_in_their_places_are_the_key() {
        let (cache, _) = cache(Duration::from_secs(300));
        cache.insert(&identity(&["a", "bc"]), Arc::new(grant())).await;
        assert!(cache.get(&identity(&["a", "bc"])).await.is_some());
        for other in [&["ab", "c"][..], &["bc", "a"], &["a"], &["a", "bc", ""], &["abc"]] {
            assert!(cache.get(&identity(other)).await.is_none(), "{other:?}");
        }
        cache.insert(&[], Arc::new(grant())).await;
        assert!(cache.get(&[]).await.is_none(), "nothing to tell callers apart by");
    }

    #[tokio::test]
    async fn a_result_is_kept_for_its_time_and_its_identity_alone() {
        let (cache, clock) = cache(Duration::from_secs(300));
        cache.insert(&identity(&["token"]), Arc::new(grant())).await;
        assert!(cache.get(&identity(&["token"])).await.is_some());
        assert!(cache.get(&identity(&["token2"])).await.is_none());
        clock.advance(Duration::from_millis(299_999));
        assert!(cache.get(&identity(&["token"])).await.is_some());
        clock.advance(Duration::from_millis(1));
        assert!(cache.get(&identity(&["token"])).await.is_none());
    }

    #[tokio::test]
    async fn zero_keeps_nothing_and_an_hour_is_the_longest() {
        let (off, _) = cache(Duration::ZERO);
        off.insert(&identity(&["token"]), Arc::new(grant())).await;
        assert!(off.get(&identity(&["token"])).await.is_none());

        let (long, clock) = cache(Duration::from_secs(86_400));
        long.insert(&identity(&["token"]), Arc::new(grant())).await;
        clock.advance(Duration::from_secs(3600));
        assert!(long.get(&identity(&["token"])).await.is_none());
    }
}
