//! What a throttle has done so far.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a throttle has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Requests that were let through.
    pub allowed: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// How many of the refused were so from memory, without a call.
    pub remembered: u64,
    /// Requests that there was no decision for.
    pub failed: u64,
    /// How many of the failed found an item that can't be trusted.
    pub damaged: u64,
    /// How many buckets were changed to another plan, or another version.
    pub converted: u64,
    /// How many times a plan was looked up again because a bucket was ahead of it.
    pub refreshed: u64,
    /// How many refunds gave something back.
    pub refunded: u64,
    /// How many of the allowed were served from a lease, without a call.
    pub leased: u64,
    /// How many decisions were made without the store, as the failure policy says.
    pub degraded: u64,
}

/// The counts, that many tasks add to.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    pub(crate) allowed: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) remembered: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) damaged: AtomicU64,
    pub(crate) converted: AtomicU64,
    pub(crate) refreshed: AtomicU64,
    pub(crate) refunded: AtomicU64,
    pub(crate) leased: AtomicU64,
    pub(crate) degraded: AtomicU64,
}

impl Tallies {
    pub(crate) fn counts(&self) -> Counts {
        let read = |tally: &AtomicU64| tally.load(Ordering::Relaxed);
        Counts {
            allowed: read(&self.allowed),
            refused: read(&self.refused),
            remembered: read(&self.remembered),
            failed: read(&self.failed),
            damaged: read(&self.damaged),
            converted: read(&self.converted),
            refreshed: read(&self.refreshed),
            refunded: read(&self.refunded),
            leased: read(&self.leased),
            degraded: read(&self.degraded),
        }
    }
}

/// Adds one.
pub(crate) fn tick(tally: &AtomicU64) {
    tally.fetch_add(1, Ordering::Relaxed);
}
