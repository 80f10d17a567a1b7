//! A rate with its burst, and a quota.

use std::num::NonZeroU64;

use super::error::{PlanError, Problem};
use crate::clock::Timestamp;
use crate::failure_policy::Share;
use crate::period::{LAST_START, Period, Window};
use crate::rate::Rate;

/// API Gateway's own: its bursts are 32-bit integers.
pub(super) const MAX_BURST: u64 = 2_147_483_647;
pub(crate) const MAX_QUOTA: u64 = 1_000_000_000_000_000;
/// 366 days in nanoseconds: the longest that a bucket may take from empty to full.
pub(crate) const MAX_REFILL: u64 = 366 * 86_400 * 1_000_000_000;

/// A rate, and the number of requests that may come at once after an idle time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Throttling {
    rate: Rate,
    burst: u64,
}

/// The number of requests in a calendar period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    limit: u64,
    offset: u64,
    period: Period,
    /// The day of the week from Monday, or of the month, on which a period starts.
    start: i8,
}

impl Throttling {
    /// Checks a burst against its rate; `field` names them in an error.
    pub(super) fn new(field: &str, rate: Rate, burst: u64) -> Result<Self, PlanError> {
        let wrong = |problem| Err(PlanError::at(format!("{field}.burstLimit"), problem));
        if burst > MAX_BURST {
            return wrong(Problem::Range { max: MAX_BURST });
        }
        match rate.interval_nanos().map_or(Some(0), |it| it.get().checked_mul(burst)) {
            Some(refill) if refill <= MAX_REFILL => Ok(Self { rate, burst }),
            _ => wrong(Problem::SlowBurst),
        }
    }

    /// A share of the rate and the burst: at least 1 of each, but 0 stays 0.
    pub(super) fn share(self, share: Share) -> Self {
        Self { rate: self.rate.share(share), burst: at_least_one(share, self.burst) }
    }

    /// The rate at which the bucket refills.
    #[must_use]
    pub fn rate(self) -> Rate {
        self.rate
    }

    /// The number of tokens in a full bucket.
    #[must_use]
    pub fn burst(self) -> u64 {
        self.burst
    }

    /// Returns true if it refuses every request: the rate or the burst is 0.
    #[must_use]
    pub fn is_closed(self) -> bool {
        self.open_interval().is_none()
    }

    /// The time for one token in nanoseconds; `None` if it is closed.
    pub(crate) fn open_interval(self) -> Option<NonZeroU64> {
        self.rate.interval_nanos().filter(|_| self.burst > 0)
    }
}

impl Quota {
    /// Checks a quota; `field` names it in an error.
    pub(super) fn new(
        field: &str,
        limit: u64,
        offset: u64,
        period: Period,
    ) -> Result<Self, PlanError> {
        if limit > MAX_QUOTA {
            let problem = Problem::Range { max: MAX_QUOTA };
            return Err(PlanError::at(format!("{field}.limit"), problem));
        }
        if offset > 0 && offset >= limit {
            return Err(PlanError::at(format!("{field}.offset"), Problem::WholeOffset));
        }
        Ok(Self { limit, offset, period, start: 1 })
    }

    /// Starts its periods on this day; `field` names the quota in an error.
    pub(super) fn starting(self, field: &str, start: u64) -> Result<Self, PlanError> {
        let last = match self.period {
            Period::Day => 0,
            Period::Week => 7,
            Period::Month => LAST_START,
        };
        match i8::try_from(start) {
            Ok(start) if (1..=last).contains(&start) => Ok(Self { start, ..self }),
            _ => Err(PlanError::at(format!("{field}.startDay"), Problem::start_day(self.period))),
        }
    }

    /// A share of the quota: at least 1, but 0 stays 0.
    pub(super) fn share(self, share: Share) -> Self {
        let (limit, offset) = (at_least_one(share, self.limit), share.of(self.offset));
        Self { limit, offset, ..self }
    }

    /// The number of requests in a period.
    #[must_use]
    pub fn limit(self) -> u64 {
        self.limit
    }

    /// The number of requests that count as used when the plan's first period starts.
    #[must_use]
    pub fn offset(self) -> u64 {
        self.offset
    }

    /// The kind of period.
    #[must_use]
    pub fn period(self) -> Period {
        self.period
    }

    /// The day on which its periods start, at midnight UTC: of the week, from 1 for Monday, or of
    /// the month. 1 unless the quota has a `startDay`.
    #[must_use]
    pub fn start_day(self) -> u8 {
        self.start.unsigned_abs()
    }

    /// Its period that `now` is in, of requests.
    #[must_use]
    pub fn window(self, now: Timestamp) -> Window {
        self.period.window_from(self.start, now)
    }
}

fn at_least_one(share: Share, number: u64) -> u64 {
    share.of(number).max(number.min(1))
}

/// Adds a quota, unless the plan has one of its period.
pub(super) fn add_quota(
    quotas: &mut Vec<Quota>,
    field: &str,
    quota: Quota,
) -> Result<(), PlanError> {
    match quotas.iter().find(|it| it.period == quota.period) {
        None => quotas.push(quota),
        Some(earlier) if *earlier == quota => {}
        Some(_) => {
            return Err(PlanError::at(format!("{field}.period"), Problem::TwoForOnePeriod));
        }
    }
    Ok(())
}
