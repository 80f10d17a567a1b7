//! The bound of amounts that are settled after the fact: I15 of the crate `throttle`, in `guide`.

/// One admitted request and its amount, in nanoseconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    /// Not after it was admitted.
    pub(crate) sent: i128,
    /// Not before it was admitted.
    pub(crate) started: i128,
    /// Not before its settlement was written.
    pub(crate) settled: i128,
    pub(crate) reserved: i128,
    /// The real amount.
    pub(crate) amount: i128,
}

/// The amount in a window, and the most that its limit allows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) length: i128,
    pub(crate) amount: i128,
    pub(crate) at_most: i128,
}

/// A rate, as the nanoseconds of one token, and its burst.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rate {
    pub(crate) interval: i128,
    pub(crate) burst: i128,
}

impl Rate {
    /// The window that comes nearest to the bound, or breaks it most.
    ///
    /// A window begins before one admission and ends after another. A request whose sending and
    /// start lie within it was certainly admitted in it. An overrun counts as in flight if it may
    /// have been settled only after the last admission, so a limit that held is never blamed.
    pub(crate) fn fullest(self, uses: &[Use]) -> Option<Window> {
        let mut by_start = uses.to_vec();
        by_start.sort_unstable_by_key(|it| it.started);
        let mut fullest: Option<Window> = None;
        for first in &by_start {
            let mut amount = 0;
            let mut inside = Vec::new();
            for last in by_start.iter().filter(|it| it.sent >= first.sent) {
                amount += last.amount;
                inside.push(*last);
                let open = inside.iter().filter(|it| it.settled >= last.sent);
                let overruns: i128 = open.map(|it| (it.amount - it.reserved).max(0)).sum();
                let length = last.started - first.sent;
                let at_most = self.burst + length / self.interval + overruns;
                let window = Window { length, amount, at_most };
                if fullest.is_none_or(|it| it.at_most - it.amount > at_most - amount) {
                    fullest = Some(window);
                }
            }
        }
        fullest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One token in 10 ns, 100 at once.
    const RATE: Rate = Rate { interval: 10, burst: 100 };

    fn used(at: i128, settled: i128, reserved: i128, amount: i128) -> Use {
        Use { sent: at, started: at, settled, reserved, amount }
    }

    fn left(uses: &[Use]) -> i128 {
        let fullest = RATE.fullest(uses).unwrap();
        fullest.at_most - fullest.amount
    }

    #[test]
    fn the_burst_and_the_refill_fit_and_one_more_does_not() {
        assert_eq!(RATE.fullest(&[]), None);
        let uses = [used(0, 0, 60, 60), used(0, 0, 40, 40), used(500, 500, 50, 50)];
        assert_eq!(left(&uses), 0);
        assert_eq!(left(&[&uses[..], &[used(500, 500, 1, 1)]].concat()), -1);
        // An idle time before the window saves no more than the burst.
        let late = [used(0, 0, 1, 1), used(9_000, 9_000, 60, 60), used(9_000, 9_000, 41, 41)];
        assert_eq!(left(&late), -1);
    }

    #[test]
    fn an_overrun_is_allowed_only_while_it_is_in_flight() {
        let overrun = used(0, 50, 10, 110);
        assert_eq!(left(&[overrun, used(40, 40, 94, 94)]), 0);
        assert_eq!(left(&[overrun, used(40, 40, 95, 95)]), -1);
        // Its settlement was written before: nothing is left of the burst.
        assert_eq!(left(&[overrun, used(60, 60, 94, 94)]), -98);
    }

    #[test]
    fn a_request_that_may_have_been_admitted_outside_a_window_is_not_counted_in_it() {
        let early = Use { sent: -9_000, ..used(0, 0, 50, 50) };
        assert_eq!(left(&[early, used(0, 0, 100, 100)]), 0);
    }
}
