//! Budget for look-ups of keys that may not exist.
//!
//! Each read of an unknown key costs money, and anybody may send one. So each source address has a
//! number of such reads a minute. Addresses that sent no unknown key are not affected by those that
//! did, and neither are keys that were found before.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Moment;
use crate::network::{PREFIX, network};

/// The time after which all counts begin again.
const WINDOW: Duration = Duration::from_secs(60);

/// Reads of unknown keys that one source address has in a window.
const MAX_OF_ONE: u32 = 10;

/// From this number of reads in a window on, each source address has only one.
const MAX: u32 = 600;

/// The most source addresses that are counted in a window. If there are more, keys from further
/// addresses are not looked up.
const MAX_ADDRESSES: usize = 10_000;

/// Counts reads of unknown keys.
#[derive(Default)]
pub(super) struct Budget(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    since: Option<Moment>,
    total: u32,
    /// Reads by the network of the source address; `None` for requests without an address.
    by_address: HashMap<Option<IpAddr>, u32>,
}

impl Budget {
    /// Takes one read for a source address; false if it has none left.
    pub(super) fn take(&self, address: Option<IpAddr>, now: Moment) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.since.is_none_or(|since| now.since(since) >= WINDOW) {
            *counts = Counts { since: Some(now), ..Counts::default() };
        }
        let most = if counts.total < MAX { MAX_OF_ONE } else { 1 };
        let address = address.map(|address| network(address, PREFIX));
        let is_full = counts.by_address.len() >= MAX_ADDRESSES;
        match counts.by_address.get_mut(&address) {
            Some(own) if *own < most => *own += 1,
            None if !is_full => _ = counts.by_address.insert(address, 1),
            _ => return false,
        }
        counts.total = counts.total.saturating_add(1);
        true
    }

    /// Returns a read that was taken: the key exists.
    pub(super) fn put_back(&self, address: Option<IpAddr>) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let address = address.map(|address| network(address, PREFIX));
        let Some(own) = counts.by_address.get_mut(&address) else { return };
        *own = own.saturating_sub(1);
        if *own == 0 {
            counts.by_address.remove(&address);
        }
        counts.total = counts.total.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Clock as _, ManualClock};

    fn address(number: u32) -> Option<IpAddr> {
        Some(IpAddr::V4(number.into()))
    }

    #[test]
    fn one_address_has_a_bounded_number_and_others_are_not_affected() {
        let (budget, clock) = (Budget::default(), ManualClock::default());
        let taken = |by| (0..100).filter(|_| budget.take(by, clock.moment())).count();
        assert_eq!((taken(address(1)), taken(address(1)), taken(address(2))), (10, 0, 10));
        assert_eq!((taken(None), taken(None)), (10, 0), "without an address");
        let [one, same, other] = ["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"]
            .map(|text| Some(text.parse().unwrap()));
        assert_eq!((taken(one), taken(same), taken(other)), (10, 0, 10), "IPv6 by /64");
        clock.advance(WINDOW - Duration::from_nanos(1));
        assert_eq!(taken(address(1)), 0);
        clock.advance(Duration::from_nanos(1));
        assert_eq!(taken(address(1)), 10);
    }

    #[test]
    fn all_together_have_a_bounded_number() {
        let (budget, clock) = (Budget::default(), ManualClock::default());
        let taken: usize = (0..20_000_u32)
            .map(|by| (0..20).filter(|_| budget.take(address(by), clock.moment())).count())
            .sum();
        // 60 addresses with ten each, and one each for those after them.
        assert_eq!(taken, 600 + MAX_ADDRESSES - 60);
    }

    #[test]
    fn a_key_that_exists_costs_nothing() {
        let (budget, clock) = (Budget::default(), ManualClock::default());
        for _ in 0..1_000 {
            assert!(budget.take(address(1), clock.moment()));
            budget.put_back(address(1));
        }
        assert_eq!((0..100).filter(|_| budget.take(address(1), clock.moment())).count(), 10);
        budget.put_back(address(2));
    }
}
