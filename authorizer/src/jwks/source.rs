//! One issuer's key set, and the one fetch of it that may be under way.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use reqwest::Url;
use throttle::{Clock, Moment};

use super::fetch::{Fetch, FetchError};
use super::set::SetError;
use super::skipped::SkippedLog;
use super::{HARD_AGE, KeySet, SOFT_AGE};
use crate::config::Identity;
use crate::metrics::Fetches;

/// How long a failed fetch keeps the next one away.
pub(super) const PENALTY: Duration = Duration::from_secs(1);

/// The same while an older set is served: each try may cost its request some time.
const PENALTY_WITH_A_SET: Duration = Duration::from_secs(30);

/// Unknown kids cause one fetch in this time, and up to `UNKNOWN_BURST` at once after a pause. A set
/// that is younger counts as complete.
pub(super) const UNKNOWN_EVERY: Duration = Duration::from_secs(10);
const UNKNOWN_BURST: usize = 4;

/// The time after which the whole burst is available again.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(40);

/// How many kids that were taken back are remembered.
const MAX_WITHDRAWN: usize = 100;

/// How long a request that has its key waits for the refresh that it begins.
const REFRESH_BUDGET: Duration = Duration::from_millis(250);

/// How long it waits for one that another request has begun: enough to take up what has arrived.
const JOIN_BUDGET: Duration = Duration::from_millis(25);

/// From this age on a fetch under way is given up: it froze with the execution environment, and
/// whatever it waits for is gone. Twice the longest time that a fetch takes.
pub(super) const LOST: Duration = Duration::from_secs(3);

/// How long bundled keys are served before the first refresh. They are as old as the deployment,
/// so that a key which was withdrawn since may be among them.
pub(super) const BUNDLE_TRUST: Duration = Duration::from_secs(60);

/// One issuer's key set and what is known of its endpoint.
pub(super) struct Source<C> {
    identity: Identity,
    fetch: Fetch,
    fetches: Arc<Fetches>,
    clock: C,
    /// The set in use. Held for the moment of a copy alone, never over an await.
    current: RwLock<Option<Arc<Held>>>,
    state: Mutex<State>,
}

/// A set, and since when it is held.
pub(super) struct Held {
    pub(super) set: KeySet,
    since: Moment,
    /// The kids that the sets before had, and this one has not.
    withdrawn: HashSet<String>,
    /// How old it counts as when it comes.
    head_start: Duration,
    bundled: bool,
}

/// Why a fetch is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    /// There is no set that may be served.
    Set,
    /// The key is there, but its set is old; it is served all the same.
    Fresher,
    /// The set may be served, but has no such kid.
    Kid,
    /// The key is there, but a signature by it failed.
    Doubt,
}

/// The state of the set in use after a request wanted a fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The set is as new as the request needs: a kid that it lacks is not the issuer's.
    Asked,
    /// The last fetch failed, so a kid that the set lacks may be the issuer's.
    Failing,
}

#[derive(Default)]
struct State {
    flight: Option<Flight>,
    /// How many fetches have begun.
    flights: u64,
    /// The last failed fetch; none since one succeeded.
    failed: Option<Moment>,
    /// The last fetches for unknown kids, at most `UNKNOWN_BURST`, the oldest first.
    unknown: VecDeque<Moment>,
    skipped: SkippedLog,
}

/// A fetch under way. It moves only while a request waits for it, and is here so that none is
/// lost when a request stops waiting: the next one takes it up where it is.
struct Flight {
    number: u64,
    began: Moment,
    landing: Shared<BoxFuture<'static, ()>>,
}

/// What a request that wants a fetch may do.
enum Turn {
    /// Wait for this one, for so long at most.
    Wait(Shared<BoxFuture<'static, ()>>, Option<Duration>),
    /// Go on without.
    Leave(Standing),
}

impl<C: Clock + Clone> Source<C> {
    pub(super) fn new(identity: Identity, fetch: Fetch, fetches: Arc<Fetches>, clock: C) -> Self {
        let since = clock.moment();
        let head_start = SOFT_AGE.saturating_sub(BUNDLE_TRUST);
        let bundle = identity
            .bundle
            .as_ref()
            .map(|bundle| Held {
                set: bundle.keys(),
                since,
                withdrawn: HashSet::new(),
                head_start,
                bundled: true,
            })
            .map(Arc::new);
        let mut state = State::default();
        if let Some(held) = &bundle {
            state.skipped.tell(&identity.iss, held.set.skipped());
        }
        let (current, state) = (RwLock::new(bundle), Mutex::new(state));
        Self { identity, fetch, fetches, clock, current, state }
    }

    pub(super) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The set in use, however old.
    pub(super) fn held(&self) -> Option<Arc<Held>> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The set in use, where it may be served.
    pub(super) fn usable(&self) -> Option<Arc<Held>> {
        self.held().filter(|held| self.age(held) < HARD_AGE)
    }

    /// The age of a set. Keys that come from the configuration alone do not age.
    pub(super) fn age(&self, held: &Held) -> Duration {
        if self.identity.jwks_uri.is_none() {
            return Duration::ZERO;
        }
        self.since(held.since).saturating_add(held.head_start)
    }

    /// Fetches a set where that is allowed now; leaves the old one where it fails.
    ///
    /// `seen` is the set that didn't do.
    pub(super) async fn refresh(
        self: &Arc<Self>,
        want: Want,
        seen: Option<&Arc<Held>>,
    ) -> Standing {
        let Some(address) = &self.identity.jwks_uri else { return Standing::Asked };
        match self.turn(want, seen, address) {
            Turn::Leave(standing) => return standing,
            Turn::Wait(landing, None) => landing.await,
            Turn::Wait(landing, Some(budget)) => {
                // Out of time: the old set is served, and the fetch stays where it is.
                let _ = tokio::time::timeout(budget, landing).await;
            }
        }
        if self.state().failed.is_some() { Standing::Failing } else { Standing::Asked }
    }

    fn turn(self: &Arc<Self>, want: Want, seen: Option<&Arc<Held>>, address: &Url) -> Turn {
        let mut state = self.state();
        // Somebody else may have fetched since.
        let unchanged = match (seen, &self.held()) {
            (None, None) => true,
            (Some(seen), Some(held)) => Arc::ptr_eq(seen, held),
            _ => false,
        };
        if !unchanged {
            return Turn::Leave(Standing::Asked);
        }
        let budget = |budget| (want == Want::Fresher).then_some(budget);
        if let Some(flight) = &state.flight {
            let took = self.since(flight.began);
            if took < LOST {
                return Turn::Wait(flight.landing.clone(), budget(JOIN_BUDGET));
            }
            let issuer = self.identity.iss.as_str();
            tracing::warn!(issuer, "a fetch of a key set was lost, and is begun again");
            self.fetches.note(took, false);
            state.flight = None;
        }
        let served = matches!(want, Want::Fresher | Want::Doubt);
        let penalty = if served { PENALTY_WITH_A_SET } else { PENALTY };
        if state.failed.is_some_and(|failed| self.since(failed) < penalty) {
            return Turn::Leave(Standing::Failing);
        }
        // An old set is fetched again anyway, and then it is a young one or the endpoint fails.
        let failing = state.failed.is_some();
        let due = !failing && seen.is_some_and(|held| self.age(held) >= SOFT_AGE);
        if want == Want::Kid && !due && !state.take_unknown(self.clock.moment()) {
            // Without a failure since, the last fetch for an unknown kid has brought a young set.
            return Turn::Leave(if failing { Standing::Failing } else { Standing::Asked });
        }
        let landing = self.begin(&mut state, address.clone());
        Turn::Wait(landing, budget(REFRESH_BUDGET))
    }

    /// Begins a fetch, which lands by itself once it is waited for long enough.
    fn begin(self: &Arc<Self>, state: &mut State, address: Url) -> Shared<BoxFuture<'static, ()>> {
        state.flights = state.flights.saturating_add(1);
        let (number, began) = (state.flights, self.clock.moment());
        // Weak: the fetch is kept in the very source that it lands in.
        let (source, fetch) = (Arc::downgrade(self), self.fetch.clone());
        let landing = async move {
            let fetched = fetch.key_set(&address).await;
            if let Some(source) = source.upgrade() {
                source.land(number, fetched);
            }
        };
        let landing = landing.boxed().shared();
        state.flight = Some(Flight { number, began, landing: landing.clone() });
        landing
    }

    /// Takes what a fetch brought.
    fn land(&self, number: u64, fetched: Result<KeySet, FetchError>) {
        let mut state = self.state();
        // One that was given up has been told of, and a later one knows better.
        let Some(flight) = state.flight.take_if(|flight| flight.number == number) else { return };
        self.fetches.note(self.since(flight.began), fetched.is_ok());
        let issuer = self.identity.iss.as_str();
        let skipped = match &fetched {
            Ok(set) => set.skipped(),
            Err(FetchError::Set(SetError::NoKey(skipped))) => skipped,
            Err(_) => &[],
        };
        state.skipped.tell(issuer, skipped);
        let set = match fetched {
            Ok(set) => set,
            Err(error) if error.is_absence() && self.may_be_absent() => KeySet::default(),
            Err(error) => {
                state.failed = Some(self.clock.moment());
                tracing::warn!(issuer, %error, "key set can't be fetched");
                return;
            }
        };
        state.failed = None;
        tracing::info!(issuer, keys = set.len(), "key set fetched");
        if set.is_cut() {
            tracing::warn!(issuer, "the key set has more keys than are read: the last are unknown");
        }
        let before = self.held();
        let withdrawn = before.iter().flat_map(|held| held.set.kids().chain(held.withdrawn()));
        let withdrawn = withdrawn.filter(|kid| set.key(kid).is_none()).take(MAX_WITHDRAWN);
        let withdrawn = withdrawn.map(str::to_owned).collect();
        let (since, head_start) = (self.clock.moment(), Duration::ZERO);
        let held = Held { set, since, withdrawn, head_start, bundled: false };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(held));
    }

    /// Whether nobody may have switched to this name of the issuer: then it has no keys, which is
    /// no outage. Where it had keys once, their absence is one.
    fn may_be_absent(&self) -> bool {
        let had_keys = |held: &Arc<Held>| held.set.len() > 0 && !held.bundled;
        !self.identity.prefetch && !self.held().as_ref().is_some_and(had_keys)
    }

    fn since(&self, moment: Moment) -> Duration {
        self.clock.moment().since(moment)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The kids that were taken back.
    fn withdrawn(&self) -> impl Iterator<Item = &str> {
        self.withdrawn.iter().map(String::as_str)
    }

    /// Whether a set before had this kid: its issuer has taken the key back.
    pub(super) fn has_withdrawn(&self, kid: &str) -> bool {
        self.withdrawn.contains(kid)
    }
}

impl State {
    /// Takes one fetch out of the budget for unknown kids, if there is one left.
    fn take_unknown(&mut self, now: Moment) -> bool {
        let is_due = self.unknown.back().is_none_or(|last| now.since(*last) >= UNKNOWN_EVERY);
        let has_burst = self.unknown.len() < UNKNOWN_BURST
            || self.unknown.front().is_some_and(|first| now.since(*first) >= UNKNOWN_PAUSE);
        if !is_due && !has_burst {
            return false;
        }
        if self.unknown.len() >= UNKNOWN_BURST {
            self.unknown.pop_front();
        }
        self.unknown.push_back(now);
        true
    }
}
