//! A subject's state, and the conditional writes that change it: all that a store must understand.
//!
//! A write cannot know which counters of old periods an item has. Each answer shows the whole item,
//! and [`State::past`] lists the counters that may be removed, oldest first: those older than the
//! history, and more if the next writes could make the item larger than the kilobyte that one write
//! unit pays for. The instance's next write removes them. If the item is large already, a separate
//! write removes them at once.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::num::NonZeroU64;
use std::time::Duration;

use crate::clock::{NANOS_A_SECOND, Timestamp};
use crate::id::PlanId;
use crate::meter::Meter;
use crate::period::Counter;
use crate::plan::Scope;

/// The state of one subject's bucket.
///
/// A missing part counts as nothing used. Under one stamp everything only grows, except by
/// refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The plan of the last write; `None` if the item was never written.
    pub stamp: Option<Stamp>,
    /// The moment at which each rate's bucket is full again.
    pub tats: BTreeMap<RateId, Timestamp>,
    /// The use of each period; below zero if more was granted than used.
    pub counters: BTreeMap<Counter, i64>,
    /// The grants for each period, on top of the quota; already subtracted from the counter.
    pub granted: BTreeMap<Counter, u64>,
    /// The amounts of each meter that refunds have given back in all. See
    /// [`Receipt`](crate::Receipt).
    pub returned: BTreeMap<Meter, u64>,
    /// The number of writes applied to it.
    pub writes: u64,
    /// The moment of the last change of plan. No later change has an earlier moment.
    pub changed: Timestamp,
    /// In an answer: old counters that the next write may remove, oldest first.
    pub past: Vec<Counter>,
    /// In an answer: the size of the item in bytes; 0 if the store has no bound on it.
    pub size: u32,
}

/// A plan in one of its versions: the attribute `pv`, such as `3.free`.
///
/// Each write has it in its condition, so a write under an older version or another plan does not
/// apply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The plan.
    pub plan: PlanId,
    /// The number of times that the plan had been written.
    pub version: u64,
}

/// The name of a rate's `tat`: its scope, and the time per token.
///
/// Its attribute is `t5f5e100` for a plan's rate of ten requests a second, `t5f5e100.tokens` for
/// ten tokens a second, `t5f5e100#0123456789ab` for a method's rate. The interval is in the name,
/// so the item alone gives a debt under an older rate in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RateId {
    /// The rate of the plan.
    pub scope: Scope,
    /// Nanoseconds for one token.
    pub interval: NonZeroU64,
}

impl State {
    /// The moment at which a rate's bucket is full again; the epoch if it was never used.
    #[must_use]
    pub fn tat(&self, rate: RateId) -> Timestamp {
        self.tats.get(&rate).copied().unwrap_or_default()
    }

    /// The amount of a meter that refunds have given back in all.
    #[must_use]
    pub fn returned(&self, meter: Meter) -> u64 {
        self.returned.get(&meter).copied().unwrap_or_default()
    }

    /// The amount granted for a period, on top of the quota.
    #[must_use]
    pub fn granted(&self, counter: Counter) -> u64 {
        self.granted.get(&counter).copied().unwrap_or_default()
    }

    /// The use of a period, less the requests granted for it.
    #[must_use]
    pub fn used(&self, counter: Counter) -> i64 {
        self.counters.get(&counter).copied().unwrap_or_default()
    }
}

impl Stamp {
    /// Reads an attribute; `None` if it was not written by [`Display`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (version, plan) = text.split_once('.')?;
        let stamp = Self { plan: PlanId::new(plan).ok()?, version: version.parse().ok()? };
        // Conditions compare the text, so there must be only one for each stamp.
        (stamp.to_string() == text).then_some(stamp)
    }

    /// Returns true if this is the same plan in a later version.
    #[must_use]
    pub fn supersedes(&self, other: &Self) -> bool {
        self.plan == other.plan && self.version > other.version
    }
}

impl Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.version, self.plan)
    }
}

impl RateId {
    /// Reads an attribute's name; `None` if it was not written by [`Display`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix('t')?;
        let (interval, scope) = match rest.split_once('#') {
            Some((interval, digest)) => {
                (interval, Scope::Method(u64::from_str_radix(digest, 16).ok()?))
            }
            None => {
                let (interval, meter) = Meter::of_attribute(rest)?;
                (interval, Scope::Meter(meter))
            }
        };
        let rate =
            Self { scope, interval: NonZeroU64::new(u64::from_str_radix(interval, 16).ok()?)? };
        (rate.to_string() == name).then_some(rate)
    }

    /// The time that this many tokens take.
    pub(crate) fn time_for(self, tokens: u64) -> Duration {
        Duration::from_nanos(self.interval.get().saturating_mul(tokens))
    }
}

impl Display for RateId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{:x}", self.interval)?;
        match self.scope {
            Scope::Meter(meter) => meter.end_attribute(f),
            Scope::Method(digest) => write!(f, "#{digest:012x}"),
        }
    }
}

/// Conditions on a subject's state, and the changes to make if all of them hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The stamp that the item must have. If it equals `stamp`, an item without a stamp fits too.
    pub found: Option<Stamp>,
    /// The stamp that the item gets.
    pub stamp: Stamp,
    /// Conditions and changes of rates, at most one entry per rate.
    pub moves: Vec<Move>,
    /// Conditions and changes of counters, at most one entry per counter.
    pub counts: Vec<Count>,
    /// Counters to remove, at any count, with the grants for their periods.
    pub forgotten: Vec<Counter>,
    /// For each meter with a refund: the amount returned so far, which is a condition, and the
    /// amount to add to it.
    pub returned: BTreeMap<Meter, (u64, u64)>,
    /// The number of writes before this one, if the write is only for that exact state.
    pub writes: Option<u64>,
    /// The moment of the last change of plan, if the plan must not have changed since.
    pub unchanged: Option<Timestamp>,
    /// The moment to record for a change of plan.
    pub changed: Option<Timestamp>,
    /// The moment of the write. A store reports old counters as of this moment.
    pub now: Timestamp,
}

/// A condition on a `tat`, and its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The rate.
    pub rate: RateId,
    /// The condition.
    pub when: When,
    /// The change.
    pub to: To,
}

/// The condition on a `tat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It is absent.
    Absent,
    /// It is absent, or at most this.
    AtMost(Timestamp),
    /// It is later than the first, and no later than the second.
    Within(Timestamp, Timestamp),
    /// It is exactly this.
    Is(Timestamp),
}

/// The change of a `tat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// It stays.
    Same,
    /// It becomes this.
    At(Timestamp),
    /// It moves forward by this much. It must exist.
    Forward(Duration),
    /// It moves back by this much. It must exist.
    Back(Duration),
    /// It is removed.
    Gone,
}

/// A condition on a counter, and the amount to add to it.
///
/// A missing counter shows 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The counter.
    pub counter: Counter,
    /// The least that it may show before.
    pub at_least: i64,
    /// The most that it may show before.
    pub at_most: i64,
    /// The amount to add.
    pub add: i64,
    /// The least that must have been granted for its period.
    pub granted: u64,
}

impl Write {
    /// A write that finds and leaves this stamp, and changes nothing else yet.
    pub(crate) fn new(stamp: &Stamp, now: Timestamp) -> Self {
        Self {
            found: Some(stamp.clone()),
            stamp: stamp.clone(),
            moves: Vec::new(),
            counts: Vec::new(),
            forgotten: Vec::new(),
            returned: BTreeMap::new(),
            writes: None,
            unchanged: None,
            changed: None,
            now,
        }
    }

    /// Returns true if it applies to this state: a store's condition.
    #[must_use]
    pub fn applies(&self, state: &State) -> bool {
        self.finds(state.stamp.as_ref())
            && self.moves.iter().all(|change| change.when.holds(state.tats.get(&change.rate)))
            && self.counts.iter().all(|count| count.holds(state))
            && self.returned.iter().all(|(meter, (so_far, _))| state.returned(*meter) == *so_far)
            && self.writes.is_none_or(|writes| state.writes == writes)
            && self.unchanged.is_none_or(|changed| state.changed == changed)
    }

    /// Applies it to the state: a store's update.
    pub fn apply(&self, state: &mut State) {
        state.stamp = Some(self.stamp.clone());
        for change in &self.moves {
            let tat = state.tat(change.rate);
            let tat = match change.to {
                To::Same => continue,
                To::At(tat) => tat,
                To::Forward(by) => tat.saturating_add(by),
                To::Back(by) => tat.saturating_sub(by),
                To::Gone => {
                    state.tats.remove(&change.rate);
                    continue;
                }
            };
            state.tats.insert(change.rate, tat);
        }
        for count in self.counts.iter().filter(|count| count.add != 0) {
            let used = state.counters.entry(count.counter).or_default();
            *used = used.saturating_add(count.add);
        }
        for counter in &self.forgotten {
            state.counters.remove(counter);
            state.granted.remove(counter);
        }
        for (meter, (so_far, amount)) in &self.returned {
            state.returned.insert(*meter, so_far.saturating_add(*amount));
        }
        state.writes = state.writes.saturating_add(1);
        state.changed = self.changed.unwrap_or(state.changed);
    }

    /// Returns true if the write gives nothing back, so that applying it twice admits no more.
    #[cfg(feature = "dynamodb")]
    pub(crate) fn only_takes(&self) -> bool {
        let gives = self.moves.iter().any(|change| matches!(change.to, To::Back(_)));
        !gives && self.returned.is_empty() && self.counts.iter().all(|count| count.add >= 0)
    }

    /// The part of a state that an answer to this write reports.
    ///
    /// It leaves out the counters that the write does not count, and lists those that may be
    /// removed.
    #[must_use]
    pub fn part(&self, state: &State) -> State {
        let mut part = state.clone();
        part.counters.retain(|counter, _| self.is_counted(*counter));
        part.granted.retain(|counter, _| self.is_counted(*counter));
        let others = state.counters.keys().filter(|counter| !self.is_counted(**counter));
        let full = self.full(&state.tats);
        part.past = removable(others.map(|counter| (*counter, 0)), state.size, full, self.now);
        part
    }

    /// Adds the removal of old counters, and of rates without use for an hour.
    ///
    /// Otherwise an item would grow with every period and every method that was ever called. At
    /// most two rates are removed at a time, because each adds a condition that may fail.
    pub(crate) fn tidy(&mut self, state: &State) {
        self.tidy_to(state, self.full(&state.tats));
    }

    fn tidy_to(&mut self, state: &State, full: u32) {
        let crowded = state.size > full;
        let old = self.now.saturating_sub(if crowded { MINUTE } else { IDLE });
        let is_moved = |rate| self.moves.iter().any(|change| change.rate == rate);
        let unused = state.tats.iter().filter(|(rate, tat)| **tat <= old && !is_moved(**rate));
        let unused: Vec<_> = unused.take(if crowded { 8 } else { 2 }).collect();
        // An instance whose clock is behind may have used a named meter in the meantime.
        let last = |rate: RateId| if rate.scope.meter().is_requests() { self.now } else { old };
        let gone = |rate| Move { rate, when: When::AtMost(last(rate)), to: To::Gone };
        self.moves.extend(unused.into_iter().map(|(rate, _)| gone(*rate)));
        self.forget(state, full);
    }

    /// Adds the removal of old counters, from an item that has no room from `full` bytes on.
    pub(super) fn forget(&mut self, state: &State, full: u32) {
        let text_len = |stamp: &Stamp| stamp.to_string().len();
        let before = state.stamp.as_ref().map_or(0, text_len);
        let grows = text_len(&self.stamp).saturating_sub(before);
        let mut size = state.size.saturating_add(u32::try_from(grows).unwrap_or(u32::MAX));
        // The answer's own counters were not old at that time.
        for counter in state.past.iter().chain(state.counters.keys()) {
            let is_old = counter.is_before(counter.period().oldest(self.now));
            // An expression may name each attribute once.
            let is_named = self.is_counted(*counter) || self.forgotten.contains(counter);
            if !is_named && (is_old || size > full && state.past.contains(counter)) {
                self.forgotten.push(*counter);
                size = size.saturating_sub(LEAST);
            }
        }
    }

    /// The write that makes a large item small again, and changes no decision.
    ///
    /// The item is large if another write like `last` could take it over a kilobyte.
    pub(crate) fn sweep(last: &Self, state: &State) -> Option<Self> {
        let full = last.full(&state.tats);
        if state.size <= full {
            return None;
        }
        let mut write = Self::new(&last.stamp, last.now);
        write.tidy_to(state, full);
        (!write.moves.is_empty() || !write.forgotten.is_empty()).then_some(write)
    }

    /// The size in bytes from which an item with these rates has no room for a write like this.
    pub(crate) fn full(&self, tats: &BTreeMap<RateId, Timestamp>) -> u32 {
        let counts = self.counts.iter().map(|count| (count.counter.meter(), COUNTER));
        let new = self.moves.iter().filter(|change| !tats.contains_key(&change.rate));
        let rates = new.map(|change| (change.rate.scope.meter(), RATE));
        let named = counts.chain(rates).filter(|(meter, _)| !meter.is_requests());
        let bytes = named.map(|(meter, bytes)| bytes.saturating_add(meter.as_str().len()));
        let more = bytes.fold(0, usize::saturating_add);
        FULL.saturating_sub(u32::try_from(more).unwrap_or(u32::MAX))
    }

    fn is_counted(&self, counter: Counter) -> bool {
        self.counts.iter().any(|count| count.counter == counter)
    }

    /// The second from which deleting the item changes no decision.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        expiry(self.now)
    }

    fn finds(&self, stamp: Option<&Stamp>) -> bool {
        let found = self.found.as_ref();
        found == stamp || stamp.is_none() && found == Some(&self.stamp)
    }
}

impl When {
    fn holds(self, tat: Option<&Timestamp>) -> bool {
        match (self, tat) {
            (Self::Absent | Self::AtMost(_), None) => true,
            (Self::Within(..) | Self::Is(_), None) | (Self::Absent, Some(_)) => false,
            (Self::AtMost(last), Some(tat)) => *tat <= last,
            (Self::Within(before, last), Some(tat)) => before < *tat && *tat <= last,
            (Self::Is(exactly), Some(tat)) => *tat == exactly,
        }
    }
}

impl Count {
    /// Reads a counter, without a condition and without a change.
    pub(crate) fn read(counter: Counter) -> Self {
        Self { counter, at_least: -MAX_COUNT, at_most: MAX_COUNT, add: 0, granted: 0 }
    }

    fn holds(&self, state: &State) -> bool {
        (self.at_least..=self.at_most).contains(&state.used(self.counter))
            && self.granted <= state.granted(self.counter)
    }
}

/// The counters that may be removed from an item of this size in bytes, by their own sizes. An item
/// of `full` bytes or more has no room for the next write.
///
/// Counters of the current and the previous period always stay, because decisions need them.
pub(crate) fn removable(
    present: impl Iterator<Item = (Counter, u32)>,
    size: u32,
    full: u32,
    now: Timestamp,
) -> Vec<Counter> {
    let roomy = full.saturating_sub(PLAN_NAME);
    let (mut past, mut rest) = (Vec::new(), Vec::new());
    for (counter, bytes) in present {
        if counter.is_before(counter.period().oldest(now)) {
            past.push((counter, bytes));
        } else if size > roomy && counter.is_before(counter.period().previous(now)) {
            rest.push((counter, bytes));
        }
    }
    past.sort_by_key(|(counter, _)| counter.last_day());
    rest.sort_by_key(|(counter, _)| counter.last_day());
    let gone: u32 = past.iter().map(|(_, bytes)| bytes).fold(0, |sum, it| sum.saturating_add(*it));
    let mut left = size.saturating_sub(gone);
    let more = rest.into_iter().take_while(|(_, bytes)| {
        let crowded = left > roomy;
        left = left.saturating_sub(*bytes);
        crowded
    });
    past.into_iter().chain(more).map(|(counter, _)| counter).take(MOST_AT_ONCE).collect()
}

/// The second from which deleting an item that was written at this moment changes no decision.
///
/// No debt of any rate lasts longer than 366 days, and no quota's period is longer. 400 days also
/// keep twelve months of history and allow for a clock that is behind.
pub(crate) fn expiry(written: Timestamp) -> u64 {
    written.saturating_add(KEEP).as_nanos().div_ceil(NANOS_A_SECOND)
}

const KEEP: Duration = Duration::from_secs(400 * 86_400);

/// The most that a counter may be away from zero, either way: beyond it is damage.
///
/// It is four times the largest quota. Grants can take a counter below zero.
pub(crate) const MAX_COUNT: i64 = 4_000_000_000_000_000;

/// One write unit pays for 1,024 bytes. A charge of requests adds at most a counter for each
/// period, a rate's `tat` and a method's: 107 bytes.
const FULL: u32 = 917;
/// A counter of a named meter adds at most its period's name, a dot, and a number of 16 digits.
const COUNTER: usize = 9 + 1 + 9;
/// A rate of a named meter adds at most its interval, a dot, and a moment.
const RATE: usize = 15 + 1 + 11;
/// A change of plan adds a plan's name too, of up to 128 bytes.
const PLAN_NAME: u32 = 150;
/// The smallest counter: a month's, with a number of one or two digits.
const LEAST: u32 = 9;
/// A grant belongs to a counter too, so this is up to 96 attributes in one expression.
const MOST_AT_ONCE: usize = 32;
const MINUTE: Duration = Duration::from_secs(60);
/// A `tat` older than this is no longer needed.
pub(super) const IDLE: Duration = Duration::from_secs(3_600);
