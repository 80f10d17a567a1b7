//! A subject's state, and the names of its parts.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::num::NonZeroU64;

use crate::clock::Timestamp;
use crate::id::PlanId;
use crate::period::Counter;
use crate::plan::Scope;

/// The state of one subject's bucket.
///
/// A missing part counts as nothing used. Under one stamp everything only grows, except by
/// refunds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The plan that the last write was made under; none in an item that never was written.
    pub stamp: Option<Stamp>,
    /// The moment at which each rate's bucket is full again.
    pub tats: BTreeMap<Meter, Timestamp>,
    /// The use of each period; below zero if more was granted than used.
    pub counters: BTreeMap<Counter, i64>,
    /// The requests granted for each period, beside the quota; already subtracted from the counter.
    pub granted: BTreeMap<Counter, u64>,
    /// The tokens that refunds have given back in all. See [`Receipt`](crate::Receipt).
    pub returned: u64,
    /// The number of writes applied to it.
    pub writes: u64,
    /// The moment of the last change of plan; a later change is never dated before it.
    pub changed: Timestamp,
    /// In an answer: old counters that the next write may remove, oldest first.
    pub past: Vec<Counter>,
    /// In an answer: the size of the item in bytes; 0 if the store has no bound on it.
    pub size: u32,
}

/// A plan in one of its versions: the attribute `pv`, such as `3.free`.
///
/// Each write has it in its condition, so a write under an older version or another plan cannot
/// pass for one under this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The plan.
    pub plan: PlanId,
    /// The number of times that the plan had been written.
    pub version: u64,
}

/// The name of a rate's `tat`: its scope, and the time per token.
///
/// As an attribute: `t5f5e100` for a plan's rate of ten a second, `t5f5e100#0123456789ab` for
/// a method's. The interval is in the name, so the item alone gives a debt under an older rate
/// in tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Meter {
    /// The rate of the plan.
    pub scope: Scope,
    /// Nanoseconds for one token.
    pub interval: NonZeroU64,
}

impl State {
    /// The moment at which a rate's bucket is full again; the epoch if it was never used.
    #[must_use]
    pub fn tat(&self, meter: Meter) -> Timestamp {
        self.tats.get(&meter).copied().unwrap_or_default()
    }

    /// The requests granted for a period, beside the quota.
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

    /// The length as text.
    pub(super) fn text_len(&self) -> usize {
        let digits = self.version.checked_ilog10().unwrap_or_default();
        self.plan.as_str().len().saturating_add(2).saturating_add(digits as usize)
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

impl Meter {
    /// Reads an attribute's name; `None` if it was not written by [`Display`].
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
