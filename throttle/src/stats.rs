//! Statistics of a throttle's decisions.

use crate::decision::Decision;
use crate::failure::ThrottleError;

/// Statistics of a throttle's decisions since it was created.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Allowed requests.
    pub allowed: u64,
    /// Refused requests.
    pub refused: u64,
    /// Refused requests that needed no call, because of a remembered refusal.
    pub remembered: u64,
    /// Requests without a decision.
    pub failed: u64,
    /// Failed requests that found a damaged item.
    pub damaged: u64,
    /// Buckets changed to another plan, or another version.
    pub converted: u64,
    /// Plans looked up again because a bucket was under a later version.
    pub refreshed: u64,
    /// Refunds that gave something back.
    pub refunded: u64,
    /// Allowed requests that were served from a lease, without a call.
    pub leased: u64,
    /// Decisions made without the store, by the failure policy.
    pub degraded: u64,
}

impl Stats {
    /// Counts the outcome of one request.
    pub(crate) fn count(&mut self, outcome: &Result<Decision, ThrottleError>) {
        match outcome {
            Ok(decision) if decision.is_allowed() => add(&mut self.allowed),
            Ok(_) => add(&mut self.refused),
            Err(error) => {
                add(&mut self.failed);
                if matches!(error, ThrottleError::Damaged(_)) {
                    add(&mut self.damaged);
                }
            }
        }
    }
}

/// Adds one.
pub(crate) fn add(count: &mut u64) {
    *count = count.saturating_add(1);
}
