//! The issuers' key sets: fetched, cached by issuer and kid, and served while they are safe.
//!
//! A key set is *fresh* for ten minutes. After that a request refreshes it on its way, because a
//! task that is left running freezes with the execution environment; while the endpoint is down
//! the old set is served until it is two hours old. A kid that the set doesn't have costs a fetch
//! from a budget of its own: random kids can use that budget up, but each fetch that they cause
//! brings whatever has rotated, so they can't lock a genuine rotation out.

mod fetch;
mod set;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use throttle::{Clock, Timestamp};
use tokio::sync::Mutex;

use crate::config::Identity;
use crate::refusal::Refusal;
use fetch::Fetch;
use set::KeySet;

/// After this age a key set is fetched again by the request that meets it.
const SOFT_AGE: Duration = Duration::from_secs(10 * 60);

/// After this age a key set is not served any more.
const HARD_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// How long a failed fetch keeps the next one away.
const PENALTY: Duration = Duration::from_secs(1);

/// Fetches for unknown kids: one in this time, and at most `BURST` at once.
const UNKNOWN_EVERY: Duration = Duration::from_secs(10);
const UNKNOWN_BURST: u32 = 4;

/// The key sets of all configured issuers.
pub(crate) struct KeySets<C> {
    sources: Vec<Source>,
    fetch: Fetch,
    clock: C,
}

/// One issuer's key set and what is known of its endpoint.
struct Source {
    identity: Identity,
    /// The set in use. Held for the moment of a copy alone, never over an await.
    current: RwLock<Option<Arc<Held>>>,
    /// One fetch in flight: the holder fetches, the others wait and look again.
    flight: Mutex<Flight>,
}

struct Held {
    set: KeySet,
    fetched: Timestamp,
}

struct Flight {
    /// No fetch before this time: the endpoint failed just now.
    not_before: Timestamp,
    /// When the budget for unknown kids will be full again.
    unknown_full: Timestamp,
}

/// Why a fetch is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// There is no set, or an old one.
    Set,
    /// The set is recent, but has no such kid.
    Kid,
}

impl<C: Clock> KeySets<C> {
    /// Prepares the key sets of these issuers; nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// The HTTP client can't be made: the system's root certificates can't be read, say.
    pub(crate) fn new(identities: Vec<Identity>, clock: C) -> Result<Self, reqwest::Error> {
        let sources = identities
            .into_iter()
            .map(|identity| Source {
                identity,
                current: RwLock::new(None),
                flight: Mutex::new(Flight {
                    not_before: Timestamp::from_nanos(0),
                    unknown_full: Timestamp::from_nanos(0),
                }),
            })
            .collect();
        Ok(Self { sources, fetch: Fetch::new()?, clock })
    }

    /// Fetches the sets that will surely be needed, in parallel; a failure is left to a request.
    pub(crate) async fn prefetch(&self) {
        let mut wanted = self.sources.iter().filter(|source| source.identity.prefetch);
        // The usual number of issuers is one, and two are as many as one sees.
        while let Some(first) = wanted.next() {
            match wanted.next() {
                Some(second) => {
                    tokio::join!(self.refresh(first, Want::Set), self.refresh(second, Want::Set));
                }
                None => self.refresh(first, Want::Set).await,
            }
        }
    }

    /// The key of a configured issuer, by the exact text of its name and the kid.
    ///
    /// # Errors
    ///
    /// `claim` for an issuer that is not configured, `key` for a kid that the issuer doesn't
    /// publish, `unavailable` where no set that is young enough can be had.
    pub(crate) async fn key(&self, iss: &str, kid: &str) -> Result<Arc<DecodingKey>, Refusal> {
        let source = self
            .sources
            .iter()
            .find(|source| source.identity.iss == iss)
            .ok_or(Refusal::claim("the issuer is not configured"))?;

        let age = source.age(self.clock.now());
        let held = source.held();
        let key = held.as_ref().and_then(|held| held.set.key(kid));
        match (age, key) {
            (Some(age), Some(key)) if age < SOFT_AGE => return Ok(key),
            (Some(age), None) if age < SOFT_AGE => self.refresh(source, Want::Kid).await,
            _ => self.refresh(source, Want::Set).await,
        }

        match (source.age(self.clock.now()), source.held()) {
            (Some(age), Some(held)) if age < HARD_AGE => {
                held.set.key(kid).ok_or(Refusal::key("the issuer publishes no such key"))
            }
            _ => Err(Refusal::unavailable("the issuer's keys can't be had")),
        }
    }

    /// Fetches a set where that is allowed now; leaves the old one where it fails.
    async fn refresh(&self, source: &Source, want: Want) {
        let seen = source.held();
        let mut flight = source.flight.lock().await;
        // Somebody else may have fetched while this request waited.
        let unchanged = match (&seen, &source.held()) {
            (None, None) => true,
            (Some(seen), Some(held)) => Arc::ptr_eq(seen, held),
            _ => false,
        };
        let now = self.clock.now();
        if !unchanged || now < flight.not_before {
            return;
        }
        if want == Want::Kid && !flight.take_unknown(now) {
            return;
        }
        match self.fetch.key_set(&source.identity.jwks_uri).await {
            Ok(set) => {
                tracing::info!(keys = set.len(), "key set fetched");
                source.hold(Held { set, fetched: self.clock.now() });
            }
            Err(error) => {
                flight.not_before = self.clock.now().saturating_add(PENALTY);
                tracing::warn!(%error, "key set can't be fetched");
            }
        }
    }
}

impl Source {
    fn held(&self) -> Option<Arc<Held>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, held: Held) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(held));
    }

    /// How old the set is. One from the future (a clock set back) counts as just too old.
    fn age(&self, now: Timestamp) -> Option<Duration> {
        let fetched = self.held()?.fetched;
        Some(now.checked_since(fetched).unwrap_or(SOFT_AGE))
    }
}

impl Flight {
    /// Takes one fetch out of the budget for unknown kids (GCRA), where there is one left.
    fn take_unknown(&mut self, now: Timestamp) -> bool {
        let full = self.unknown_full.max(now).saturating_add(UNKNOWN_EVERY);
        if full > now.saturating_add(UNKNOWN_EVERY.saturating_mul(UNKNOWN_BURST)) {
            return false;
        }
        self.unknown_full = full;
        true
    }
}

#[cfg(test)]
mod tests;
