//! The issuers' key sets: fetched, cached by issuer and kid, and served while they are safe.
//!
//! A key set is *fresh* for ten minutes. After that a request refreshes it on its way, because a
//! task that is left running freezes with the execution environment; while the endpoint is down
//! the old set is served until it is two hours old. A kid that the set doesn't have costs a fetch
//! from a budget of its own: random kids can use that budget up, but each fetch that they cause
//! brings whatever has rotated, so they delay a genuine rotation by ten seconds at most.

mod bundle;
mod fetch;
mod key;
mod set;

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use futures_util::future::join_all;
use throttle::{Clock, Timestamp};
use tokio::sync::Mutex;

use crate::config::Identity;
use crate::refusal::Refusal;
pub use bundle::Bundle;
use fetch::Fetch;
pub(crate) use key::Key;
use set::{KeySet, Keys};

/// After this age a key set is fetched again by the request that meets it.
const SOFT_AGE: Duration = Duration::from_secs(10 * 60);

/// After this age a key set is not served any more.
const HARD_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// How long a failed fetch keeps the next one away.
const PENALTY: Duration = Duration::from_secs(1);

/// The same while an older set is served: each try may cost its request the whole time-out.
const PENALTY_WITH_A_SET: Duration = Duration::from_secs(30);

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
    fetched: Moment,
}

/// A moment on both clocks. The wall clock can be set back; the monotonic one can stand still
/// while the execution environment is frozen. What is older by either is older.
#[derive(Clone, Copy)]
struct Moment {
    wall: Timestamp,
    monotonic: Duration,
}

#[derive(Default)]
struct Flight {
    /// When a fetch failed, or began and did not come back, on the monotonic clock.
    failed: Option<Duration>,
    /// When the budget for unknown kids will be full again, on the monotonic clock.
    unknown_full: Duration,
}

/// Why a fetch is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// There is no set with the key in it that may be served, and no recent one without it.
    Set,
    /// The key is there, but its set is old; it is served all the same.
    Fresher,
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
        let fetched = Moment { wall: clock.now(), monotonic: clock.monotonic() };
        let sources = identities
            .into_iter()
            .map(|identity| {
                let held = identity.bundle.as_ref().map(Bundle::keys);
                let held = held.map(|set| Arc::new(Held { set, fetched }));
                Source { identity, current: RwLock::new(held), flight: Mutex::default() }
            })
            .collect::<Vec<Source>>();
        let plain = sources.iter().all(|source| source.identity.jwks_uri.scheme() == "http");
        Ok(Self { sources, fetch: Fetch::new(plain)?, clock })
    }

    /// Fetches the sets that will surely be needed, in parallel; a failure is left to a request.
    pub(crate) async fn prefetch(&self) {
        let wanted = self
            .sources
            .iter()
            .filter(|source| source.identity.prefetch && source.identity.bundle.is_none());
        join_all(wanted.map(|source| self.refresh(source, Want::Set))).await;
    }

    /// The keys of a configured issuer, by the exact text of its name and the kid.
    ///
    /// # Errors
    ///
    /// `claim` for an issuer that is not configured, `key` for a kid that the issuer doesn't
    /// publish, `unavailable` where no set that is young enough can be had.
    pub(crate) async fn key(&self, iss: &str, kid: &str) -> Result<Arc<Keys>, Refusal> {
        let source = self
            .sources
            .iter()
            .find(|source| source.identity.iss == iss)
            .ok_or(Refusal::claim("the issuer is not configured"))?;

        let want = match source.held().map(|held| (held.age(self.now()), held.set.key(kid))) {
            Some((age, Some(key))) if age < SOFT_AGE => return Ok(key),
            Some((age, None)) if age < SOFT_AGE => Want::Kid,
            Some((age, Some(_))) if age < HARD_AGE => Want::Fresher,
            _ => Want::Set,
        };
        let failing = self.refresh(source, want).await;

        let unavailable = Refusal::unavailable("the issuer's keys can't be had");
        let held =
            source.held().filter(|held| held.age(self.now()) < HARD_AGE).ok_or(unavailable)?;
        match held.set.key(kid) {
            Some(key) => Ok(key),
            // The key may have come with a rotation that can't be seen now.
            None if failing => Err(unavailable),
            None => Err(Refusal::key("the issuer publishes no such key")),
        }
    }

    fn now(&self) -> Moment {
        Moment { wall: self.clock.now(), monotonic: self.clock.monotonic() }
    }

    /// Fetches a set where that is allowed now; leaves the old one where it fails.
    ///
    /// Says whether the endpoint fails: just now, or so recently that it was left alone.
    async fn refresh(&self, source: &Source, want: Want) -> bool {
        let seen = source.held();
        let mut flight = source.flight.lock().await;
        // Somebody else may have fetched while this request waited.
        let unchanged = match (&seen, &source.held()) {
            (None, None) => true,
            (Some(seen), Some(held)) => Arc::ptr_eq(seen, held),
            _ => false,
        };
        if !unchanged {
            return false;
        }
        let now = self.clock.monotonic();
        let penalty = if want == Want::Fresher { PENALTY_WITH_A_SET } else { PENALTY };
        if flight.failed.is_some_and(|failed| now < failed.saturating_add(penalty)) {
            return true;
        }
        if want == Want::Kid && !flight.take_unknown(now) {
            return false;
        }
        // A request that is given up on its way leaves this behind, so that the next ones don't
        // wait for a dead endpoint each.
        flight.failed = Some(now);
        let issuer = source.identity.iss.as_str();
        let set = match self.fetch.key_set(&source.identity.jwks_uri).await {
            Ok(set) => set,
            // Nobody has switched to this name of the issuer: it has no keys, which is no outage.
            Err(error)
                if error.is_absence()
                    && !source.identity.prefetch
                    && seen.as_ref().is_none_or(|held| held.set.len() == 0) =>
            {
                KeySet::default()
            }
            Err(error) => {
                flight.failed = Some(self.clock.monotonic());
                tracing::warn!(issuer, %error, "key set can't be fetched");
                return true;
            }
        };
        flight.failed = None;
        tracing::info!(issuer, keys = set.len(), "key set fetched");
        source.hold(Held { set, fetched: self.now() });
        false
    }
}

impl Source {
    fn held(&self) -> Option<Arc<Held>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, held: Held) {
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(held));
    }
}

impl Held {
    fn age(&self, now: Moment) -> Duration {
        let wall = now.wall.saturating_since(self.fetched.wall);
        wall.max(now.monotonic.saturating_sub(self.fetched.monotonic))
    }
}

impl Flight {
    /// Takes one fetch out of the budget for unknown kids (GCRA), where there is one left.
    fn take_unknown(&mut self, now: Duration) -> bool {
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
#[cfg(test)]
mod vectors;
