//! The authorizer's result cache: a policy per token, evaluated again for every request.
//!
//! Errors are not kept, so a caller that was refused with 401 is asked about again; a policy that
//! denies is kept like any other.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};

use super::authorizer::Grant;
use crate::clock::Now;

/// The longest time that API Gateway keeps a result.
const MAX_TTL: Duration = Duration::from_secs(3600);
/// How many results are kept; the least useful ones go first.
const CAPACITY: u64 = 10_000;

/// Results by token. There is one stage, so the token alone is the key.
pub(super) struct Cache {
    /// By digest: tokens are not kept.
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

    pub(super) async fn get(&self, token: &str) -> Option<Arc<Grant>> {
        if self.ttl_ms == 0 {
            return None;
        }
        let remembered = self.results.get(&key(token)).await?;
        (self.now.millis() < remembered.until_ms).then_some(remembered.grant)
    }

    pub(super) async fn insert(&self, token: &str, grant: Arc<Grant>) {
        if self.ttl_ms == 0 {
            return;
        }
        let until_ms = self.now.millis().saturating_add(self.ttl_ms);
        self.results.insert(key(token), Remembered { grant, until_ms }).await;
    }
}

fn key(token: &str) -> Vec<u8> {
    digest(&SHA256, token.as_bytes()).as_ref().to_vec()
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

    #[tokio::test]
    async fn a_result_is_kept_for_its_time_and_its_token_alone() {
        let (cache, clock) = cache(Duration::from_secs(300));
        cache.insert("token", Arc::new(grant())).await;
        assert!(cache.get("token").await.is_some());
        assert!(cache.get("token2").await.is_none());
        clock.advance(Duration::from_millis(299_999));
        assert!(cache.get("token").await.is_some());
        clock.advance(Duration::from_millis(1));
        assert!(cache.get("token").await.is_none());
    }

    #[tokio::test]
    async fn zero_keeps_nothing_and_an_hour_is_the_longest() {
        let (off, _) = cache(Duration::ZERO);
        off.insert("token", Arc::new(grant())).await;
        assert!(off.get("token").await.is_none());

        let (long, clock) = cache(Duration::from_secs(86_400));
        long.insert("token", Arc::new(grant())).await;
        clock.advance(Duration::from_secs(3600));
        assert!(long.get("token").await.is_none());
    }
}
