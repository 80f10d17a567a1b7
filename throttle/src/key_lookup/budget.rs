//! Budget for look-ups of keys that may not exist.
//!
//! Each read of an unknown key costs money, and any caller can cause one. So each source address
//! has a budget of such reads a minute. It does not affect addresses that sent no unknown key, nor
//! keys that were found before. After many such reads, IPv6 addresses are counted by /48, the
//! network that one customer can have, which holds 65,536 networks of /64.

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

/// After this number of reads in a window, each source address has only one.
const MAX: u32 = 600;

/// The bits of an IPv6 address that count after [`MAX`] reads.
const WIDE_PREFIX: u8 = 48;

/// The most source addresses that are counted in a window. Keys from further addresses are not
/// looked up.
const MAX_SOURCES: usize = 10_000;

/// Counts reads of unknown keys.
#[derive(Default)]
pub(super) struct Budget(Mutex<Counts>);

#[derive(Default)]
struct Counts {
    since: Option<Moment>,
    total: u32,
    by_source: HashMap<Source, u32>,
}

/// The network of a source address, and for IPv6 its length; `None` without an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Source(Option<(IpAddr, Option<u8>)>);

impl Source {
    fn new(address: Option<IpAddr>, prefix: u8) -> Self {
        Self(address.map(|address| {
            let network = network(address, prefix);
            (network, network.is_ipv6().then_some(prefix))
        }))
    }
}

impl Budget {
    /// Takes one read for a source address; `None` if it has none left.
    pub(super) fn take(&self, address: Option<IpAddr>, now: Moment) -> Option<Source> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.since.is_none_or(|since| now.since(since) >= WINDOW) {
            *counts = Counts { since: Some(now), ..Counts::default() };
        }
        let (most, prefix) =
            if counts.total < MAX { (MAX_OF_ONE, PREFIX) } else { (1, WIDE_PREFIX) };
        let source = Source::new(address, prefix);
        let is_full = counts.by_source.len() >= MAX_SOURCES;
        match counts.by_source.get_mut(&source) {
            Some(own) if *own < most => *own += 1,
            None if !is_full => _ = counts.by_source.insert(source, 1),
            _ => return None,
        }
        counts.total = counts.total.saturating_add(1);
        Some(source)
    }

    /// Returns a read that was taken: the key exists.
    pub(super) fn put_back(&self, source: Source) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(own) = counts.by_source.get_mut(&source) else { return };
        *own = own.saturating_sub(1);
        if *own == 0 {
            counts.by_source.remove(&source);
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
        let taken = |by| (0..100).filter(|_| budget.take(by, clock.moment()).is_some()).count();
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
            .map(|by| {
                (0..20).filter(|_| budget.take(address(by), clock.moment()).is_some()).count()
            })
            .sum();
        // 60 addresses with ten each, and one each for those after them.
        assert_eq!(taken, 600 + MAX_SOURCES - 60);
    }

    #[test]
    fn a_key_that_exists_costs_nothing() {
        let (budget, clock) = (Budget::default(), ManualClock::default());
        for _ in 0..1_000 {
            budget.put_back(budget.take(address(1), clock.moment()).unwrap());
        }
        let taken =
            |by| (0..100).filter_map(|_| budget.take(by, clock.moment())).collect::<Vec<_>>();
        let of_one = taken(address(1));
        assert_eq!(of_one.len(), 10);
        clock.advance(WINDOW);
        budget.put_back(of_one[0]);
        assert_eq!(taken(address(1)).len(), 10, "a read of the window before counts for nothing");
    }

    #[test]
    fn a_customer_s_many_networks_share_once_many_were_read() {
        let (budget, clock) = (Budget::default(), ManualClock::default());
        let of = |customer: u128, network: u128| {
            Some(IpAddr::V6((0x2001_0db8 << 96 | customer << 80 | network << 64).into()))
        };
        let taken = |customer, networks: u128| {
            let addresses = (0..networks).map(|network| of(customer, network));
            addresses.filter(|by| budget.take(*by, clock.moment()).is_some()).count()
        };
        assert_eq!(taken(1, 65_536), 601, "600, and one of the whole /48");
        assert_eq!((taken(2, 1), taken(3, 65_536)), (1, 1), "others have one each");
    }
}
