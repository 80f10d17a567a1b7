//! The key set at one address, and the one fetch of it that may be in flight.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use reqwest::{Client, Url};
use throttle::{Clock, Moment};

use super::Identity;
use super::fetch::{self, FetchError, Fetches};
use super::set::{KeySet, Keys, SetError, Skipped};
use crate::refusal::Refusal;

/// Age from which the next request refreshes a set.
pub(super) const SOFT_AGE: Duration = Duration::from_secs(10 * 60);

/// Age from which a set is no longer used.
pub(super) const HARD_AGE: Duration = Duration::from_secs(2 * 60 * 60);

/// Age from which a failed signature makes the set be fetched again.
pub(super) const DOUBT_AGE: Duration = Duration::from_secs(60);

/// Pause after a failed fetch.
pub(super) const PENALTY: Duration = Duration::from_secs(1);

/// The same while an older set is served, because each attempt may delay its request.
const PENALTY_WITH_A_SET: Duration = Duration::from_secs(30);

/// Interval of fetches for unknown kids. A set that is younger counts as complete.
pub(super) const UNKNOWN_EVERY: Duration = Duration::from_secs(10);

/// Fetches for unknown kids that may follow each other directly after a pause.
const UNKNOWN_BURST: usize = 4;

/// Time after which the whole burst is available again.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(40);

/// Most withdrawn kids that are remembered.
const MAX_WITHDRAWN: usize = 100;

/// Most skipped keys that are logged for one issuer.
const MAX_LOGGED: usize = 200;

/// Longest wait for a refresh that a request starts although its key is cached.
const REFRESH_BUDGET: Duration = Duration::from_millis(250);

/// The same for a refresh that another request started: enough to read a response that has arrived.
const JOIN_BUDGET: Duration = Duration::from_millis(25);

/// Age from which a fetch in flight is abandoned: it froze with the execution environment, and its
/// connection is dead. Twice the longest duration of a fetch.
pub(super) const LOST: Duration = Duration::from_secs(3);

/// Time for which bundled keys are served before the first refresh. They are as old as the
/// deployment, so a key that was withdrawn since may be among them.
pub(super) const BUNDLE_TRUST: Duration = Duration::from_secs(60);

/// One key set, with the state of its endpoint.
///
/// Issuers with one address share it; `identity` is the first of them, which the log names.
pub(crate) struct KeySource<C> {
    identity: Identity,
    client: Client,
    fetches: Arc<Fetches>,
    clock: C,
    /// Never held over an await.
    state: Mutex<State>,
}

/// A set in use.
struct Held {
    set: Arc<KeySet>,
    since: Moment,
    /// The kids of earlier sets that this one lacks.
    withdrawn: HashSet<String>,
    /// Age of the set when it was stored.
    head_start: Duration,
    bundled: bool,
}

/// Reason to want a fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Want {
    /// No set may be served.
    Set,
    /// The set has the key but is old; the key is used even if the fetch fails.
    Fresher,
    /// The set may be served but lacks the kid.
    Kid,
    /// The set has the key, but a signature failed.
    Doubt,
}

/// State of the set after a request wanted a fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// The set is as new as the request needs, so the issuer does not publish a kid that it lacks.
    Complete,
    /// The last fetch failed, so the issuer may publish a kid that the set lacks.
    Failing,
}

#[derive(Default)]
struct State {
    held: Option<Arc<Held>>,
    flight: Option<Flight>,
    /// The number of fetches so far.
    flights: u64,
    /// Time of the last fetch if it failed.
    failed: Option<Moment>,
    /// The last fetches for unknown kids, at most `UNKNOWN_BURST`, the oldest first.
    unknown: VecDeque<Moment>,
    logged: HashSet<Skipped>,
}

/// A fetch in flight.
///
/// A fetch advances only while a request waits for it. It is stored here so that the next request
/// can continue it if this request stops waiting.
struct Flight {
    number: u64,
    began: Moment,
    landing: Landing,
}

type Landing = Shared<BoxFuture<'static, ()>>;

/// The next step of a request that wants a fetch.
enum Turn {
    /// Wait for this fetch, at most for the given time if there is one.
    Wait(Landing, Option<Duration>),
    /// Continue without a fetch.
    Leave(Standing),
}

impl<C: Clock + Clone> KeySource<C> {
    /// Prepares a key set that `client` will fetch. Finished fetches are added to `fetches`.
    pub(crate) fn new(
        identity: Identity,
        client: Client,
        fetches: Arc<Fetches>,
        clock: C,
    ) -> Arc<Self> {
        let mut state = State::default();
        if let Some(bundle) = &identity.bundle {
            state.log_skipped(&identity.iss, bundle.set.skipped());
            state.held = Some(Arc::new(Held {
                set: Arc::clone(&bundle.set),
                since: clock.moment(),
                withdrawn: HashSet::new(),
                head_start: SOFT_AGE.saturating_sub(BUNDLE_TRUST),
                bundled: true,
            }));
        }
        Arc::new(Self { identity, client, fetches, clock, state: Mutex::new(state) })
    }

    /// The issuer's name and the source of its keys.
    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Fetches the set if the first token will certainly need it. If that fails, the token's
    /// request tries again.
    ///
    /// Does nothing if bundled keys are present.
    pub(crate) async fn prefetch(self: &Arc<Self>) {
        if self.identity.prefetch {
            self.refresh(Want::Set, None).await;
        }
    }

    /// Returns the keys of a kid, and fetches the set first if that is due.
    ///
    /// # Errors
    ///
    /// `key` for a kid that the issuer does not publish; `unavailable` if the set cannot be
    /// fetched and the one in use is too old or lacks the kid.
    pub(crate) async fn key(self: &Arc<Self>, kid: &str) -> Result<Arc<Keys>, Refusal> {
        let held = self.held();
        let want = match held.as_ref().map(|held| (self.age_of(held), held.set.key(kid))) {
            Some((age, Some(keys))) if age < SOFT_AGE => return Ok(keys),
            Some((age, Some(_))) if age < HARD_AGE => Want::Fresher,
            Some((age, None)) if age < HARD_AGE => Want::Kid,
            _ => Want::Set,
        };
        let standing = self.refresh(want, held.as_ref()).await;

        let unavailable = Refusal::unavailable("the issuer's keys are unavailable");
        let held = self.usable().ok_or(unavailable)?;
        if let Some(keys) = held.set.key(kid) {
            return Ok(keys);
        }
        // The key may be from a rotation that cannot be fetched now.
        let may_exist = standing == Standing::Failing
            && self.age_of(&held) >= UNKNOWN_EVERY
            && !held.withdrawn.contains(kid);
        Err(if may_exist { unavailable } else { Refusal::key("the issuer publishes no such key") })
    }

    /// Fetches the keys of a kid again if they may differ from `failed`, which did not verify the
    /// signature.
    ///
    /// `None` if the set is young, cannot be fetched, or was not replaced.
    pub(crate) async fn again(
        self: &Arc<Self>,
        kid: &str,
        failed: &Arc<Keys>,
    ) -> Option<Arc<Keys>> {
        let held = self.held()?;
        if self.age_of(&held) >= DOUBT_AGE {
            self.refresh(Want::Doubt, Some(&held)).await;
        }
        self.usable()?.set.key(kid).filter(|keys| !Arc::ptr_eq(keys, failed))
    }

    /// Age of the set in use.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.held().map(|held| self.age_of(&held))
    }

    fn held(&self) -> Option<Arc<Held>> {
        self.state().held.clone()
    }

    /// The set in use, if it may be served.
    fn usable(&self) -> Option<Arc<Held>> {
        self.held().filter(|held| self.age_of(held) < HARD_AGE)
    }

    /// Age of a set. Keys that come from the configuration alone do not age.
    fn age_of(&self, held: &Held) -> Duration {
        if self.identity.jwks_uri.is_none() {
            return Duration::ZERO;
        }
        self.since(held.since).saturating_add(held.head_start)
    }

    /// Fetches a set if that is allowed now, and keeps the old one if it fails.
    ///
    /// `seen` is the set that the request found insufficient.
    async fn refresh(self: &Arc<Self>, want: Want, seen: Option<&Arc<Held>>) -> Standing {
        let Some(address) = &self.identity.jwks_uri else { return Standing::Complete };
        match self.turn(want, seen, address) {
            Turn::Leave(standing) => return standing,
            Turn::Wait(landing, None) => landing.await,
            Turn::Wait(landing, Some(budget)) => {
                // Out of time: the old set is served, and the fetch stays in flight.
                let _ = tokio::time::timeout(budget, landing).await;
            }
        }
        if self.state().failed.is_some() { Standing::Failing } else { Standing::Complete }
    }

    /// Decides between starting a fetch, joining one, and going on without.
    fn turn(self: &Arc<Self>, want: Want, seen: Option<&Arc<Held>>, address: &Url) -> Turn {
        let mut state = self.state();
        if seen.map(Arc::as_ptr) != state.held.as_ref().map(Arc::as_ptr) {
            // Another request has replaced the set since.
            return Turn::Leave(Standing::Complete);
        }
        let budget = |budget| (want == Want::Fresher).then_some(budget);
        if let Some(flight) = &state.flight {
            let took = self.since(flight.began);
            if took < LOST {
                return Turn::Wait(flight.landing.clone(), budget(JOIN_BUDGET));
            }
            let issuer = self.identity.iss.as_str();
            tracing::warn!(issuer, "a fetch of a key set was lost and is started again");
            self.fetches.note(took, false);
            state.flight = None;
        }
        let served = matches!(want, Want::Fresher | Want::Doubt);
        let penalty = if served { PENALTY_WITH_A_SET } else { PENALTY };
        if state.failed.is_some_and(|failed| self.since(failed) < penalty) {
            return Turn::Leave(Standing::Failing);
        }
        // If the endpoint works, refreshing an old set does not use the budget.
        let failing = state.failed.is_some();
        let due = !failing && seen.is_some_and(|held| self.age_of(held) >= SOFT_AGE);
        if want == Want::Kid && !due && !state.take_unknown(self.clock.moment()) {
            // If the endpoint works, the last fetch for an unknown kid has brought a recent set.
            return Turn::Leave(if failing { Standing::Failing } else { Standing::Complete });
        }
        let landing = self.start(&mut state, address.clone());
        Turn::Wait(landing, budget(REFRESH_BUDGET))
    }

    /// Starts a fetch, which stores its own result.
    fn start(self: &Arc<Self>, state: &mut State, address: Url) -> Landing {
        state.flights = state.flights.saturating_add(1);
        let (number, began) = (state.flights, self.clock.moment());
        // Weak, because the source stores the fetch.
        let (source, client) = (Arc::downgrade(self), self.client.clone());
        let landing = async move {
            let fetched = fetch::key_set(&client, &address).await;
            if let Some(source) = source.upgrade() {
                source.land(number, fetched);
            }
        };
        let landing = landing.boxed().shared();
        state.flight = Some(Flight { number, began, landing: landing.clone() });
        landing
    }

    /// Stores the result of a fetch.
    fn land(&self, number: u64, fetched: Result<KeySet, FetchError>) {
        let mut state = self.state();
        // The result of an abandoned fetch is ignored.
        let Some(flight) = state.flight.take_if(|flight| flight.number == number) else { return };
        self.fetches.note(self.since(flight.began), fetched.is_ok());
        let issuer = self.identity.iss.as_str();
        let skipped = match &fetched {
            Ok(set) => set.skipped(),
            Err(FetchError::Set(SetError::NoKey(skipped))) => skipped,
            Err(_) => &[],
        };
        state.log_skipped(issuer, skipped);
        let set = match fetched {
            Ok(set) => set,
            Err(error) if error.is_absence() && self.may_be_absent(&state) => KeySet::default(),
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
        let before = state.held.iter();
        let kids = before
            .flat_map(|held| held.set.kids().chain(held.withdrawn.iter().map(String::as_str)));
        let withdrawn = kids.filter(|kid| set.key(kid).is_none()).take(MAX_WITHDRAWN);
        state.held = Some(Arc::new(Held {
            withdrawn: withdrawn.map(str::to_owned).collect(),
            set: Arc::new(set),
            since: self.clock.moment(),
            head_start: Duration::ZERO,
            bundled: false,
        }));
    }

    /// Returns true if the issuer may not have switched to this name yet. Then missing keys are not
    /// an outage; but if it had keys before, they are.
    fn may_be_absent(&self, state: &State) -> bool {
        let had_keys = state.held.as_ref().is_some_and(|held| held.set.len() > 0 && !held.bundled);
        !self.identity.prefetch && !had_keys
    }

    fn since(&self, moment: Moment) -> Duration {
        self.clock.moment().since(moment)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes one fetch from the budget for unknown kids, if one is left.
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

    /// Logs each skipped key once.
    fn log_skipped(&mut self, issuer: &str, skipped: &[Skipped]) {
        for one in skipped {
            if self.logged.len() >= MAX_LOGGED || !self.logged.insert(one.clone()) {
                continue;
            }
            let (key, reason) = (&*one.key, one.reason);
            tracing::info!(issuer, key, kid = one.kid.as_deref(), %reason, "key skipped");
        }
    }
}
