//! The issuers' key sets: fetched, cached by issuer and kid, and served while they are safe.
//!
//! A key set is *fresh* for ten minutes. After that a request refreshes it on its way, because a
//! task that is left running freezes with the execution environment; a request that has its key
//! waits for that no longer than a quarter of a second, and what it leaves behind is taken up by
//! the next one. While the endpoint is down the old set is served until it is two hours old.
//!
//! A kid that the set lacks costs a fetch from a budget: four at once, and one in ten seconds. Random
//! kids can use it up, but each of their fetches brings whatever has rotated, so they delay a
//! rotation by ten seconds at most. A kid that is absent from a set fetched within the last ten
//! seconds is refused. If the set cannot be fetched, the kid may be the issuer's and the keys are
//! unavailable, except for a kid that an earlier set had: that key was withdrawn, and is refused.
//!
//! A signature that fails under a known kid costs a fetch
//! where the set is a minute old, since the issuer may have put another key under the name.

mod bundle;
mod download;
mod fetch;
mod key;
mod set;
mod skipped;
mod source;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use throttle::Clock;

use crate::config::Identity;
use crate::metrics::Fetches;
use crate::refusal::Refusal;
pub use bundle::Bundle;
pub use download::{KeysError, PublishedKeys, fetch_keys};
use fetch::Fetch;
pub(crate) use key::Key;
use set::KeySet;
pub(crate) use set::Keys;
use source::{Source, Standing, UNKNOWN_EVERY, Want};

/// After this age a key set is fetched again by the request that meets it.
const SOFT_AGE: Duration = Duration::from_secs(10 * 60);

/// After this age a key set is not served any more.
const HARD_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// From this age on a signature that fails makes the set be fetched again.
const DOUBT_AGE: Duration = Duration::from_secs(60);

/// The key sets of all configured issuers.
pub(crate) struct KeySets<C> {
    sources: Vec<Arc<Source<C>>>,
    fetches: Arc<Fetches>,
}

impl<C: Clock + Clone> KeySets<C> {
    /// Prepares the key sets of these issuers, to be fetched by this client; none is fetched yet.
    pub(crate) fn new(identities: Vec<Identity>, clock: &C, client: Client) -> Self {
        let fetch = Fetch::new(client);
        let fetches = Arc::<Fetches>::default();
        let source = |identity| {
            let fetches = Arc::clone(&fetches);
            Arc::new(Source::new(identity, fetch.clone(), fetches, clock.clone()))
        };
        let sources = identities.into_iter().map(source).collect();
        Self { sources, fetches }
    }

    /// The fetches that the log has not told of.
    pub(crate) fn fetches(&self) -> &Fetches {
        &self.fetches
    }

    /// Fetches the sets that will surely be needed, in parallel; a failure is left to a request.
    ///
    /// An issuer whose keys are bundled has a set already, and needs none yet.
    pub(crate) async fn prefetch(&self) {
        let wanted = self.sources.iter().filter(|source| source.identity().prefetch);
        join_all(wanted.map(|source| source.refresh(Want::Set, None))).await;
    }

    /// The keys of a configured issuer, by the exact text of its name and the kid.
    ///
    /// # Errors
    ///
    /// `claim` for an issuer that is not configured, `key` for a kid that the issuer does not
    /// publish, `unavailable` if the set cannot be fetched and the one in use is too old or lacks
    /// the kid.
    pub(crate) async fn key(&self, iss: &str, kid: &str) -> Result<Arc<Keys>, Refusal> {
        let source = self.source(iss).ok_or(Refusal::claim("the issuer is not configured"))?;
        let held = source.held();
        let want = match held.as_ref().map(|held| (source.age(held), held.set.key(kid))) {
            Some((age, Some(keys))) if age < SOFT_AGE => return Ok(keys),
            Some((age, Some(_))) if age < HARD_AGE => Want::Fresher,
            Some((age, None)) if age < HARD_AGE => Want::Kid,
            _ => Want::Set,
        };
        let standing = source.refresh(want, held.as_ref()).await;

        let unavailable = Refusal::unavailable("the issuer's keys can't be had");
        let held = source.usable().ok_or(unavailable)?;
        match held.set.key(kid) {
            Some(keys) => Ok(keys),
            // The key may have come with a rotation that cannot be seen now.
            None if standing == Standing::Failing
                && source.age(&held) >= UNKNOWN_EVERY
                && !held.has_withdrawn(kid) =>
            {
                Err(unavailable)
            }
            None => Err(Refusal::key("the issuer publishes no such key")),
        }
    }

    /// The keys of a kid, where a fresh set has them; nothing is fetched for that.
    pub(crate) fn at_once(&self, iss: &str, kid: &str) -> Option<Arc<Keys>> {
        let source = self.source(iss)?;
        let held = source.held()?;
        let keys = held.set.key(kid)?;
        (source.age(&held) < SOFT_AGE).then_some(keys)
    }

    /// The keys of a kid once more, where they may be others than `known`.
    ///
    /// For a signature that fails: the issuer may have put another key under the same name.
    /// Nothing where the set is young, or can't be had, or was not replaced.
    pub(crate) async fn again(&self, iss: &str, kid: &str, known: &Arc<Keys>) -> Option<Arc<Keys>> {
        let source = self.source(iss)?;
        let held = source.held()?;
        if source.age(&held) >= DOUBT_AGE {
            source.refresh(Want::Doubt, Some(&held)).await;
        }
        source.usable()?.set.key(kid).filter(|keys| !Arc::ptr_eq(keys, known))
    }

    /// How old the set is that an issuer's keys are taken from.
    pub(crate) fn age(&self, iss: &str) -> Option<Duration> {
        let source = self.source(iss)?;
        source.held().map(|held| source.age(&held))
    }

    fn source(&self, iss: &str) -> Option<&Arc<Source<C>>> {
        self.sources.iter().find(|source| source.identity().iss == iss)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
