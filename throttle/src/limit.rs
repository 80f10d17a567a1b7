//! The limits of a plan, and their standings.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::meter::Meter;
use crate::period::Period;
use crate::plan::Scope;

/// A limit of a plan: one rate or quota, on one meter.
///
/// For requests, its name on the wire is that of its kind, such as `burst` or `daily`. For other
/// meters, the meter comes first: `tokens-burst`, `tokens-monthly`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Limit {
    meter: Meter,
    kind: LimitKind,
}

/// The kind of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LimitKind {
    /// The rate of the meter, with its burst.
    Burst,
    /// The rate of the method that was called, with its burst.
    Method,
    /// The quota of a day.
    Daily,
    /// The quota of a week.
    Weekly,
    /// The quota of a month.
    Monthly,
    /// Not a limit of the plan: see [`Limit::CONTENTION`].
    Contention,
}

impl Limit {
    /// The plan's rate of requests, with its burst.
    pub const BURST: Self = Self::of(Meter::REQUESTS, LimitKind::Burst);
    /// The rate of the method that was called, with its burst.
    pub const METHOD: Self = Self::of(Meter::REQUESTS, LimitKind::Method);
    /// The quota of requests a day.
    pub const DAILY: Self = Self::of(Meter::REQUESTS, LimitKind::Daily);
    /// The quota of requests a week.
    pub const WEEKLY: Self = Self::of(Meter::REQUESTS, LimitKind::Weekly);
    /// The quota of requests a month.
    pub const MONTHLY: Self = Self::of(Meter::REQUESTS, LimitKind::Monthly);
    /// Not a limit of the plan: more requests of the subject came at once than its item can serve.
    ///
    /// Others changed the item at each try, or DynamoDB throttles this one item. Nothing was
    /// charged, and the wait is at most a second.
    pub const CONTENTION: Self = Self::of(Meter::REQUESTS, LimitKind::Contention);

    /// The limit of this kind on this meter.
    #[must_use]
    pub const fn of(meter: Meter, kind: LimitKind) -> Self {
        Self { meter, kind }
    }

    /// The meter that it limits.
    #[must_use]
    pub fn meter(self) -> Meter {
        self.meter
    }

    /// The kind of limit.
    #[must_use]
    pub fn kind(self) -> LimitKind {
        self.kind
    }

    /// The quota of this period on this meter.
    #[must_use]
    pub fn quota(meter: Meter, period: Period) -> Self {
        let kind = match period {
            Period::Day => LimitKind::Daily,
            Period::Week => LimitKind::Weekly,
            Period::Month => LimitKind::Monthly,
        };
        Self { meter, kind }
    }

    /// Returns true for a rate with its burst: the meter's own, or a method's.
    #[must_use]
    pub fn is_rate(self) -> bool {
        matches!(self.kind, LimitKind::Burst | LimitKind::Method)
    }
}

impl LimitKind {
    /// The name: `burst`, `method`, `daily`, `weekly`, `monthly` or `contention`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Burst => "burst",
            Self::Method => "method",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
            Self::Monthly => "monthly",
            Self::Contention => "contention",
        }
    }
}

impl From<Period> for Limit {
    /// The quota of requests in this period.
    fn from(period: Period) -> Self {
        Self::quota(Meter::REQUESTS, period)
    }
}

impl From<Scope> for Limit {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Meter(meter) => Self::of(meter, LimitKind::Burst),
            Scope::Method(_) => Self::METHOD,
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.meter.is_requests() {
            write!(f, "{}-", self.meter)?;
        }
        f.write_str(self.kind.name())
    }
}

/// The standing of one limit, as RateLimit headers report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub(crate) limit: Limit,
    pub(crate) enforced: bool,
    /// True if the request did not fit, and was let through because this limit is not enforced.
    pub(crate) spared: bool,
    pub(crate) max: u64,
    pub(crate) remaining: u64,
    /// In nanoseconds, as is the next.
    pub(crate) window: u64,
    pub(crate) resets: u64,
}

impl Standing {
    /// A limit that refuses every request.
    pub(crate) fn closed(limit: Limit, enforced: bool) -> Self {
        let spared = !enforced;
        Self { limit, enforced, spared, max: 0, remaining: 0, window: 0, resets: 0 }
    }

    /// Lowers what is left to less than this amount, because the limit refuses it for this time.
    pub(crate) fn refuse(&mut self, amount: u64, wait: Duration) {
        self.remaining = self.remaining.min(amount.saturating_sub(1));
        if let Some(interval) = self.interval() {
            // The debt with which the amount fits after the wait.
            let wait = u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX);
            let debt =
                interval.saturating_mul(self.max.saturating_sub(amount)).saturating_add(wait);
            self.resets = self.resets.max(debt);
            let debt = self.resets.div_ceil(interval);
            self.remaining = self.remaining.min(self.max.saturating_sub(debt));
        }
    }

    /// Lets this time pass, in which a rate refills. Requests in the meantime are unknown.
    pub(crate) fn age(&mut self, time: Duration) {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.resets = self.resets.saturating_sub(time);
        if let Some(interval) = self.interval() {
            self.remaining = self.max.saturating_sub(self.resets.div_ceil(interval));
        }
    }

    /// Adds charged tokens that a lease holds.
    pub(crate) fn hold(&mut self, tokens: u32) {
        self.remaining = self.remaining.saturating_add(tokens.into()).min(self.max);
        if let Some(interval) = self.interval() {
            self.resets = self.resets.saturating_sub(interval.saturating_mul(tokens.into()));
        }
    }

    /// The nanoseconds for one token; `None` for a quota, and for a rate of 0.
    fn interval(&self) -> Option<u64> {
        let interval = self.window.checked_div(self.max)?;
        (self.limit.is_rate() && interval > 0).then_some(interval)
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Returns true if the limit is enforced; false if it only reports (`"enforce": false`).
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        self.enforced
    }

    /// The most that it holds: the burst, or the quota; 0 if it refuses every request.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The part of it that is left.
    #[must_use]
    pub fn remaining(&self) -> u64 {
        self.remaining
    }

    /// Its window: a period, or the time that an empty burst takes to refill. Zero for a rate that
    /// refuses every request.
    #[must_use]
    pub fn window(&self) -> Duration {
        Duration::from_nanos(self.window)
    }

    /// The time until it is whole again, to the nanosecond.
    #[must_use]
    pub fn resets_after(&self) -> Duration {
        Duration::from_nanos(self.resets)
    }
}

/// The standings of all limits of a plan.
pub(crate) type Standings = Vec<Standing>;
