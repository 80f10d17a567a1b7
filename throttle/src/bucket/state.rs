//! A subject's state, and the names of its parts.

use std::fmt::{self, Display};
use std::num::NonZeroU64;

use smallvec::SmallVec;

use super::Few;
use super::past::{Past, removable};
use crate::clock::Timestamp;
use crate::name::PlanId;
use crate::period::Counter;
use crate::plan::Scope;

/// What a store keeps for one subject.
///
/// What is not there counts as nothing used. Under one stamp everything only grows, but for
/// refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The plan that the last write was made under; none in an item that never was written.
    pub stamp: Option<Stamp>,
    /// When each rate's bucket will be full again.
    pub tats: Few<Meter, Timestamp>,
    /// How much was used in each period; below zero where more was granted than used.
    pub counters: Few<Counter, i64>,
    /// How much was granted for each period, beside the quota; it is off the counter already.
    pub granted: Few<Counter, u64>,
    /// How many tokens refunds have given back in all. See [`Receipt`](super::Receipt).
    pub returned: u64,
    /// How many writes were applied to it in all.
    pub writes: u64,
    /// The moment of the last change of plan; no later change is taken for an earlier one.
    pub changed: Timestamp,
    /// In an answer: counters of long ago that the next write may remove, oldest first.
    pub past: SmallVec<[Counter; 2]>,
    /// In an answer: the size of the item in bytes; 0 if the store has no bound on it.
    pub size: u32,
}

/// A plan in one of its versions: the attribute `pv`, such as `3.free`.
///
/// It is in the condition of each write, so that a write made under an older version, or
/// under another plan, can't be taken for one under this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The plan.
    pub plan: PlanId,
    /// How many times it had been written.
    pub version: u64,
}

/// Where a rate's `tat` is kept: by its scope, and by the time that one token takes.
///
/// As an attribute: `t5f5e100` for a plan's rate of ten a second, `t5f5e100#0123456789ab` for
/// a method's. Since the interval is in the name, what is owed under an older rate can be told
/// in tokens from the item alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter {
    /// Which rate of the plan.
    pub scope: Scope,
    /// Nanoseconds for one token.
    pub interval: NonZeroU64,
}

impl State {
    /// When a rate's bucket will be full again; the epoch, if it never was used.
    #[must_use]
    pub fn tat(&self, meter: Meter) -> Timestamp {
        self.tats.get(&meter).copied().unwrap_or_default()
    }

    /// How much was granted for a period, beside the quota.
    #[must_use]
    pub fn granted(&self, counter: Counter) -> u64 {
        self.granted.get(&counter).copied().unwrap_or_default()
    }

    /// How much of a period was used, less what was granted for it.
    #[must_use]
    pub fn used(&self, counter: Counter) -> i64 {
        self.counters.get(&counter).copied().unwrap_or_default()
    }

    /// Removes a counter, and what was granted for its period.
    pub(super) fn forget(&mut self, counter: Counter) {
        self.counters.remove(&counter);
        self.granted.remove(&counter);
    }

    /// The counters that may go.
    pub(super) fn removable(&self, now: Timestamp) -> Past {
        removable(self.counters.keys().map(|counter| (*counter, 0)), self.size, now)
    }

    /// The state with no other counters than these, as an answer tells it.
    pub(super) fn part(
        &self,
        counters: impl Iterator<Item = Counter> + Clone,
        now: Timestamp,
    ) -> Self {
        let known = |counter| self.counters.get(&counter).map(|used| (counter, *used));
        let granted = |counter| self.granted.get(&counter).map(|sum| (counter, *sum));
        let asked = counters.clone();
        let others = self.counters.keys().copied();
        let others = others.filter(|counter| !asked.clone().any(|it| it == *counter));
        Self {
            stamp: self.stamp.clone(),
            tats: self.tats.clone(),
            counters: counters.clone().filter_map(known).collect(),
            granted: counters.filter_map(granted).collect(),
            returned: self.returned,
            writes: self.writes,
            changed: self.changed,
            past: removable(others.map(|counter| (counter, 0)), self.size, now),
            size: self.size,
        }
    }
}

impl Stamp {
    /// Reads an attribute; none if it was not written by [`Display`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (version, plan) = text.split_once('.')?;
        let stamp = Self { plan: PlanId::new(plan).ok()?, version: version.parse().ok()? };
        // Conditions compare the text, so there must be only one for each stamp.
        (stamp.to_string() == text).then_some(stamp)
    }

    /// How long it is as text.
    pub(super) fn text_len(&self) -> usize {
        let digits = self.version.checked_ilog10().unwrap_or_default();
        self.plan.as_str().len().saturating_add(2).saturating_add(digits as usize)
    }

    /// Whether this is the same plan in a later version.
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

impl Meter {
    /// Reads an attribute's name; none if it was not written by [`Display`].
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        let rest = name.strip_prefix('t')?;
        let (interval, scope) = match rest.split_once('#') {
            Some((interval, digest)) => {
                (interval, Scope::Method(u64::from_str_radix(digest, 16).ok()?))
            }
            None => (rest, Scope::Plan),
        };
        let meter =
            Self { scope, interval: NonZeroU64::new(u64::from_str_radix(interval, 16).ok()?)? };
        (meter.to_string() == name).then_some(meter)
    }
}

impl Display for Meter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "t{:x}", self.interval)?;
        match self.scope {
            Scope::Plan => Ok(()),
            Scope::Method(digest) => write!(f, "#{digest:012x}"),
        }
    }
}
