//! The limits of a plan, and their standings.

use std::fmt::{self, Display};
use std::time::Duration;

use crate::period::Period;
use crate::plan::Scope;

/// A limit of a plan, by its name on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// The plan's rate, with its burst.
    Burst,
    /// The rate of the method that was called, with its burst.
    Method,
    /// The quota of a day.
    Daily,
    /// The quota of a week.
    Weekly,
    /// The quota of a month.
    Monthly,
    /// No limit of the plan: more requests of the subject came at once than its item can serve.
    ///
    /// Others changed the item at each try, or DynamoDB throttles this one item. Nothing was
    /// charged, and the wait is at most a second.
    Contention,
}

impl Limit {
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
    fn from(period: Period) -> Self {
        match period {
            Period::Day => Self::Daily,
            Period::Week => Self::Weekly,
            Period::Month => Self::Monthly,
        }
    }
}

impl From<Scope> for Limit {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Plan => Self::Burst,
            Scope::Method(_) => Self::Method,
        }
    }
}

impl Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The standing of one limit, as RateLimit headers report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    pub(crate) limit: Limit,
    pub(crate) max: u64,
    pub(crate) remaining: u64,
    /// In nanoseconds, as is the next.
    pub(crate) window: u64,
    pub(crate) resets: u64,
}

impl Standing {
    /// A limit that refuses every request.
    pub(crate) fn closed(limit: Limit) -> Self {
        Self { limit, max: 0, remaining: 0, window: 0, resets: 0 }
    }

    /// The limit.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
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
