//! Compares the calls that a key was allowed with its limits: exactly, in integers.
//!
//! The moment of a decision is not visible from outside: it lies between the call's sending and its
//! answer. Within that time the authorizer has read its clock *and* the table has committed, so the
//! promise (the crate `throttle`, `guide`) can be checked by the clock's reading: in every window
//! from `a` to `b` at most `burst + (b - a + S) / T` calls, where `T` is the time for one token and
//! `S` the spread of the clocks alone, which is nothing on one machine. A call that lies wholly
//! within a window was certainly decided in it, so the check never blames a limit that held.
//!
//! The other way round, a refusal is due where some window up to it was full. A call that may have
//! been decided in that window counts, so the check never blames a limit that was right to refuse.

use std::time::Duration;

use crate::tree::Tree;

/// One call of a key, in nanoseconds of the wall clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Not after it was sent.
    pub sent: i128,
    /// Not before its answer was there.
    pub received: i128,
    /// The outcome of a call.
    pub outcome: Outcome,
}

/// The outcome of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was allowed.
    Admitted,
    /// It was over the limit.
    Refused,
    /// It failed, and may have been charged.
    Unknown,
}

/// The limits of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// The time for one token.
    pub interval: Duration,
    /// The burst.
    pub burst: u64,
    /// The largest difference between the clocks of the instances that decide.
    pub spread: Duration,
}

/// The window that comes nearest to the promise, or breaks it most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worst {
    /// Its start.
    pub from: i128,
    /// Its end.
    pub to: i128,
    /// The calls that were certainly allowed in it.
    pub admitted: i128,
    /// The calls that the limits allow in it.
    pub allowed: i128,
}

/// The observations of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Account {
    /// All calls.
    pub calls: usize,
    /// The allowed calls.
    pub admitted: i128,
    /// The refused calls.
    pub refused: i128,
    /// The calls that the limits allow from the first call's sending to the last one's answer.
    pub allowed: i128,
    /// The calls that must have been allowed by the last refusal, if the key was busy until then.
    pub due: i128,
    /// The calls that were allowed by then.
    pub by_then: i128,
    /// The fullest window; `None` if no call was allowed.
    pub worst: Option<Worst>,
    /// Refusals while no window was full.
    pub undue: i128,
}

impl Account {
    /// The calls above the limit, in the whole run or in its worst window.
    #[must_use]
    pub fn excess(&self) -> i128 {
        let worst = self.worst.map_or(0, |worst| worst.admitted - worst.allowed);
        worst.max(self.admitted - self.allowed).max(0)
    }

    /// The calls below the limit, for a key that was always busy.
    #[must_use]
    pub fn missing(&self) -> i128 {
        (self.due - self.by_then).max(0)
    }
}

impl Promise {
    /// The most calls that may pass in a window of `nanos` nanoseconds.
    #[must_use]
    pub fn most(&self, window: i128) -> i128 {
        let interval = nanos(self.interval).max(1);
        i128::from(self.burst) + (window + nanos(self.spread)).max(0) / interval
    }

    /// Judges the calls of one key.
    #[must_use]
    pub fn account(&self, calls: &[Span]) -> Account {
        let of = |outcome| calls.iter().filter(move |call| call.outcome == outcome);
        let count = |outcome| of(outcome).map(|_| 1).sum::<i128>();
        let first = calls.iter().map(|call| call.sent).min().unwrap_or(0);
        let last = calls.iter().map(|call| call.received).max().unwrap_or(0);
        let (due, by_then) = self.due(calls);
        Account {
            calls: calls.len(),
            admitted: count(Outcome::Admitted),
            refused: count(Outcome::Refused),
            allowed: if calls.is_empty() { 0 } else { self.most(last - first) },
            due,
            by_then,
            worst: self.worst(calls),
            undue: self.undue(calls),
        }
    }

    /// The window that is fullest by the promise.
    ///
    /// For each call that a window may begin with, from the last to the first, the calls sent since
    /// then are in a tree by the time of their answers. The value of an answer's leaf is what had
    /// been let through by then, as time, less the time itself: the greatest is the worst window.
    fn worst(&self, calls: &[Span]) -> Option<Worst> {
        let interval = nanos(self.interval).max(1);
        let mut admitted: Vec<Span> =
            calls.iter().copied().filter(|call| call.outcome == Outcome::Admitted).collect();
        admitted.sort_unstable_by_key(|call| call.received);
        let answers: Vec<i128> = admitted.iter().map(|call| call.received).collect();
        let mut starts: Vec<(i128, usize)> =
            admitted.iter().enumerate().map(|(rank, call)| (call.sent, rank)).collect();
        starts.sort_unstable_by(|a, b| b.cmp(a));

        let mut tree = Tree::of(answers.len());
        let mut worst: Option<(i128, i128, usize)> = None;
        for (sent, rank) in starts {
            tree.add(rank, answers.len(), interval);
            tree.open(rank, -answers.get(rank).copied().unwrap_or(0));
            let Some((value, end)) = tree.greatest() else { continue };
            let fullness = value + sent;
            if worst.is_none_or(|(most, ..)| fullness > most) {
                worst = Some((fullness, sent, end));
            }
        }
        worst.map(|(fullness, from, end)| {
            let to = answers.get(end).copied().unwrap_or(from);
            Worst {
                from,
                to,
                // The tree's value is the count as time, less the window.
                admitted: (fullness + to - from) / interval,
                allowed: self.most(to - from),
            }
        })
    }

    /// Refusals that no window explains.
    ///
    /// For each refusal, the calls that may have been charged before it are in a tree by the time of
    /// their answers; a leaf's value is when the bucket would be full again had it been full then.
    fn undue(&self, calls: &[Span]) -> i128 {
        let interval = nanos(self.interval).max(1);
        let mut charged: Vec<Span> =
            calls.iter().copied().filter(|call| call.outcome != Outcome::Refused).collect();
        charged.sort_unstable_by_key(|call| call.received);
        let mut by_sending: Vec<(i128, usize, i128)> = charged
            .iter()
            .enumerate()
            .map(|(rank, call)| (call.sent, rank, call.received))
            .collect();
        by_sending.sort_unstable();
        let mut refusals: Vec<Span> =
            calls.iter().copied().filter(|call| call.outcome == Outcome::Refused).collect();
        refusals.sort_unstable_by_key(|call| call.received);

        let mut tree = Tree::of(charged.len());
        let mut waiting = by_sending.into_iter().peekable();
        let mut undue = 0;
        for refusal in refusals {
            while let Some((_, rank, received)) =
                waiting.next_if(|(sent, ..)| *sent <= refusal.received)
            {
                tree.add(0, rank + 1, interval);
                tree.open(rank, received);
            }
            let full = tree.greatest().map_or(0, |(value, _)| value);
            let burst = i128::from(self.burst) * interval;
            // One token more would have to be over the burst.
            if full + interval + nanos(self.spread) <= refusal.sent + burst {
                undue += 1;
            }
        }
        undue
    }

    /// The calls that must have passed by the last refusal, and those that had, for a key that was
    /// full at first and busy from its first refusal on.
    ///
    /// At a refusal there is less than a token. So before the first one the whole burst had passed,
    /// and what came back from the first to the last one had passed too.
    fn due(&self, calls: &[Span]) -> (i128, i128) {
        let interval = nanos(self.interval).max(1);
        let refused = || calls.iter().filter(|call| call.outcome == Outcome::Refused);
        let first = refused().map(|call| call.received).min();
        let last = refused().max_by_key(|call| call.sent);
        let (Some(first), Some(last)) = (first, last) else { return (0, 0) };
        let window = (last.sent - first - nanos(self.spread)).max(0);
        let passed = calls
            .iter()
            .filter(|call| call.outcome != Outcome::Refused && call.sent <= last.received)
            .map(|_| 1)
            .sum();
        (i128::from(self.burst) + window / interval, passed)
    }
}

/// A duration as the integer that everything here is counted in.
#[must_use]
pub fn nanos(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten a second, five at once.
    const PROMISE: Promise =
        Promise { interval: Duration::from_nanos(100), burst: 5, spread: Duration::ZERO };

    fn span(sent: i128, received: i128, outcome: Outcome) -> Span {
        Span { sent, received, outcome }
    }

    fn admitted(times: &[i128]) -> Vec<Span> {
        times.iter().map(|time| span(*time, *time, Outcome::Admitted)).collect()
    }

    #[test]
    fn a_bucket_that_holds_is_not_blamed() {
        let calls = admitted(&[0, 0, 0, 0, 0, 100, 200, 300, 2_000, 2_000, 2_000]);
        let account = PROMISE.account(&calls);
        assert_eq!((account.excess(), account.admitted, account.allowed), (0, 11, 25));
        let worst = account.worst.unwrap();
        assert_eq!((worst.admitted, worst.allowed, worst.from, worst.to), (8, 8, 0, 300));
    }

    #[test]
    fn one_too_many_after_a_long_idle_time_is_found() {
        let mut times = vec![0, 10_000];
        times.extend([10_000; 5]);
        let account = PROMISE.account(&admitted(&times));
        assert_eq!(account.excess(), 1);
        let worst = account.worst.unwrap();
        assert_eq!((worst.from, worst.to, worst.admitted, worst.allowed), (10_000, 10_000, 6, 5));
        assert!(account.admitted < account.allowed, "the whole run alone would not show it");
    }

    #[test]
    fn a_call_that_may_have_been_decided_outside_a_window_is_not_counted_in_it() {
        let mut calls = admitted(&[0, 0, 0, 0, 0]);
        calls.push(span(0, 100, Outcome::Admitted));
        assert_eq!(PROMISE.account(&calls).excess(), 0);
        calls.push(span(0, 99, Outcome::Admitted));
        assert_eq!(PROMISE.account(&calls).excess(), 1);
    }

    #[test]
    fn the_spread_of_the_clocks_is_granted_once() {
        let calls = admitted(&[0; 6]);
        assert_eq!(PROMISE.account(&calls).excess(), 1);
        let apart = Promise { spread: Duration::from_nanos(100), ..PROMISE };
        assert_eq!(apart.account(&calls).excess(), 0);
    }

    #[test]
    fn a_refusal_is_due_while_the_bucket_is_empty_and_not_a_moment_longer() {
        let mut calls = admitted(&[0; 5]);
        calls.push(span(99, 99, Outcome::Refused));
        assert_eq!(PROMISE.account(&calls).undue, 0);
        calls.push(span(100, 100, Outcome::Refused));
        assert_eq!(PROMISE.account(&calls).undue, 1);
        // Something that failed may have been charged.
        calls.push(span(50, 50, Outcome::Unknown));
        assert_eq!(PROMISE.account(&calls).undue, 0);
    }

    #[test]
    fn a_busy_key_that_gets_less_than_its_due_is_found() {
        let mut calls = admitted(&[0, 0, 0, 0, 0, 100, 200, 400]);
        calls.push(span(0, 0, Outcome::Refused));
        calls.push(span(450, 450, Outcome::Refused));
        let account = PROMISE.account(&calls);
        assert_eq!((account.due, account.by_then, account.missing()), (9, 8, 1));
    }

    #[test]
    fn the_fullest_window_is_that_of_an_exhaustive_search() {
        // A small generator of its own: what matters is that the times are unordered and overlap.
        let mut state = 7_u64;
        let mut next = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            i128::from((state >> 33) % below)
        };
        for _ in 0..200 {
            let calls: Vec<Span> = (0..24)
                .map(|_| {
                    let sent = next(1_000);
                    span(sent, sent + next(200), Outcome::Admitted)
                })
                .collect();
            let fullness = |from: i128, to: i128| {
                let inside = calls.iter().filter(|call| call.sent >= from && call.received <= to);
                inside.map(|_| 100).sum::<i128>() - (to - from)
            };
            let starts = calls.iter().map(|call| call.sent);
            let most = starts
                .flat_map(|from| calls.iter().map(move |call| (from, call.received)))
                .filter(|(from, to)| from <= to)
                .map(|(from, to)| fullness(from, to))
                .max();
            let worst = PROMISE.account(&calls).worst.unwrap();
            assert_eq!(Some(fullness(worst.from, worst.to)), most);
            assert_eq!(worst.admitted * 100 - (worst.to - worst.from), most.unwrap());
        }
    }
}
