//! Leases by themselves, and under every order of the threads that use them.

use std::sync::Arc;

use proptest::prelude::*;

use super::account::{LEAST, REST};
use super::*;
use crate::clock::Timestamp;
use crate::limit::Limit;
use crate::plan::{Plan, PlanRecord};

const ROOMY: u64 = 1_000_000;

fn standing(limit: Limit, remaining: u64) -> Standing {
    let window = 1_000_000_000;
    let enforced = true;
    Standing { limit, enforced, spared: false, max: remaining, remaining, window, resets: window }
}

fn roomy() -> [Standing; 1] {
    [standing(Limit::BURST, ROOMY)]
}

fn cost(n: u32) -> NonZeroU32 {
    NonZeroU32::new(n).unwrap()
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

struct Names(Subject, PlanId);

fn names() -> Names {
    Names(Subject::new("subject").unwrap(), PlanId::new("plan").unwrap())
}

impl Names {
    fn want(&self, n: u32) -> Want<'_> {
        Want { subject: &self.0, plan: &self.1, scope: Scope::PLAN, cost: cost(n) }
    }
}

fn terms() -> Arc<Terms> {
    let at = Moment::new(Timestamp::EPOCH, Duration::ZERO);
    let plan = Plan::per_second(1).build().unwrap();
    let record = PlanRecord { id: names().1, plan, version: 1, created: Timestamp::EPOCH };
    let charge = Charge::new(&record, 1, Timestamp::EPOCH);
    let (standings, state) = (Standings::new(), State::default());
    Arc::new(Terms { charge, state, standings, at, lasts: Duration::MAX })
}

fn grant(tokens: u32, until: Duration) -> Grant {
    Grant { tokens, until, version: 1, terms: terms() }
}

fn held() -> HeldLeases {
    HeldLeases::new(Leases::adaptive())
}

/// Serves a request from held tokens alone.
fn serve(held: &HeldLeases, want: &Want<'_>, now: Duration) -> Option<Served> {
    lock(&held.accounts).accounts.get_mut(&want.key())?.serve(want.cost, now)
}

/// Asks as often as it takes for an instance to want a lease; how many tokens that one has.
fn asking<'a>(held: &'a HeldLeases, want: Want<'_>, now: Duration) -> Asking<'a> {
    for _ in 0..1_000 {
        match held.turn(want, 1, now, &roomy()) {
            Turn::Alone => {}
            Turn::Ask(asking) => return asking,
            Turn::Served(_) | Turn::Wait(_) | Turn::Paused => panic!("there is one"),
        }
    }
    panic!("never wanted one");
}

#[test]
fn a_lease_is_taken_when_a_quarter_second_asks_for_eight() {
    let (held, names) = (held(), names());
    for _ in 0..31 {
        assert!(matches!(held.turn(names.want(1), 1, millis(9_000), &roomy()), Turn::Alone));
    }
    let Turn::Ask(asking) = held.turn(names.want(1), 1, millis(9_000), &roomy()) else { panic!() };
    assert_eq!(asking.tokens().get(), LEAST);
    asking.keep(grant(8, millis(10_000)), millis(9_001));
    for left in (0..7).rev() {
        assert_eq!(serve(&held, &names.want(1), millis(9_002)).unwrap().left, left);
    }
    assert!(serve(&held, &names.want(1), millis(9_002)).is_none());
}

#[test]
fn a_lease_ends_to_the_nanosecond() {
    let (held, names) = (held(), names());
    asking(&held, names.want(1), millis(1)).keep(grant(9, millis(1_001)), millis(2));
    let last = millis(1_001) - Duration::from_nanos(1);
    assert!(serve(&held, &names.want(1), last).is_some());
    assert!(serve(&held, &names.want(1), millis(1_001)).is_none());
}

#[test]
fn a_grant_that_came_too_late_serves_nobody() {
    let (held, names) = (held(), names());
    asking(&held, names.want(1), millis(1)).keep(grant(9, millis(100)), millis(200));
    assert!(serve(&held, &names.want(1), millis(200)).is_none());
}

#[test]
fn one_asks_and_the_others_wait() {
    let (held, names) = (held(), names());
    let asking = asking(&held, names.want(1), millis(1));
    let Turn::Wait(waiting) = held.turn(names.want(1), 1, millis(1), &roomy()) else { panic!() };
    asking.keep(grant(9, millis(500)), millis(3));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(waiting.ended());
    assert!(matches!(held.turn(names.want(1), 1, millis(3), &roomy()), Turn::Served(_)));
}

#[test]
fn who_goes_away_leaves_asking_to_the_next() {
    let (held, names) = (held(), names());
    let first = asking(&held, names.want(1), millis(1));
    let Turn::Wait(waiting) = held.turn(names.want(1), 1, millis(1), &roomy()) else { panic!() };
    drop(first);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(waiting.ended());
    assert!(matches!(held.turn(names.want(1), 1, millis(1), &roomy()), Turn::Ask(_)));
}

#[test]
fn after_a_failure_it_rests_for_a_second() {
    let (held, names) = (held(), names());
    asking(&held, names.want(1), millis(1)).rest(millis(10));
    let last = millis(10) + REST - Duration::from_nanos(1);
    for now in [millis(10), millis(900), last] {
        for _ in 0..50 {
            assert!(matches!(held.turn(names.want(1), 1, now, &roomy()), Turn::Alone));
        }
    }
    assert!(matches!(held.turn(names.want(1), 1, millis(10) + REST, &roomy()), Turn::Ask(_)));
}

#[test]
fn another_version_plan_or_method_has_another_lease() {
    let (held, names) = (held(), names());
    asking(&held, names.want(1), millis(1)).keep(grant(100, millis(900)), millis(2));
    let other = PlanId::new("other").unwrap();
    assert!(serve(&held, &Want { plan: &other, ..names.want(1) }, millis(2)).is_none());
    let scope = Scope::Method(7);
    assert!(serve(&held, &Want { scope, ..names.want(1) }, millis(2)).is_none());
    let stranger = Subject::new("other").unwrap();
    assert!(serve(&held, &Want { subject: &stranger, ..names.want(1) }, millis(2)).is_none());
    assert!(serve(&held, &names.want(1), millis(2)).is_some());
    assert!(!matches!(held.turn(names.want(1), 2, millis(2), &roomy()), Turn::Served(_)));
    assert!(serve(&held, &names.want(1), millis(2)).is_none(), "dropped with its version");
}

#[test]
fn what_is_left_of_a_lot_goes_first() {
    let (held, names) = (held(), names());
    asking(&held, names.want(1), millis(1)).keep(grant(4, millis(900)), millis(2));
    // Three are left, and five are wanted: two of them come out of the next grant.
    asking(&held, names.want(5), millis(3)).keep(grant(20, millis(903)), millis(4));
    assert_eq!(serve(&held, &names.want(1), millis(5)).unwrap().left, 17);
    // Of an ended one none is left.
    asking(&held, names.want(50), millis(6)).keep(grant(60, millis(2_000)), millis(1_500));
    assert_eq!(serve(&held, &names.want(1), millis(1_500)).unwrap().left, 9);
}

#[test]
fn ends_of_limits_are_left_to_everybody() {
    let size = |standings: &[Standing]| Leases::size(100, standings);
    assert_eq!(size(&[standing(Limit::BURST, 400)]), 100);
    assert_eq!(size(&[standing(Limit::BURST, 399)]), 99);
    assert_eq!(size(&[standing(Limit::BURST, 9_999), standing(Limit::METHOD, 40)]), 10);
    assert_eq!(size(&[standing(Limit::BURST, 9_999), standing(Limit::DAILY, 640)]), 10);
    assert_eq!(size(&[standing(Limit::WEEKLY, 64), standing(Limit::MONTHLY, 9_999)]), 1);
    assert_eq!(size(&[]), 0);
    let (held, names) = (held(), names());
    for (left, limit) in [(31, Limit::BURST), (511, Limit::DAILY)] {
        for _ in 0..1_000 {
            let turn = held.turn(names.want(1), 1, millis(1), &[standing(limit, left)]);
            assert!(matches!(turn, Turn::Alone));
        }
    }
}

#[test]
fn a_life_is_kept_within_its_bounds() {
    assert_eq!(Leases::adaptive().life, Duration::from_secs(1));
    assert_eq!(Leases::adaptive().life(Duration::ZERO).life, millis(10));
    assert_eq!(Leases::adaptive().life(Duration::MAX).life, Duration::from_secs(10));
}

#[test]
fn accounts_are_bounded_and_spent_ones_make_room() {
    let (held, names) = (held(), names());
    let want = |scope| Want { scope: Scope::Method(scope), ..names.want(1) };
    let most = u64::try_from(MAX_ACCOUNTS).unwrap();
    drop(asking(&held, want(0), millis(1_001)));
    for scope in 1..most {
        held.turn(want(scope), 1, millis(1_001), &roomy());
    }
    // Held tokens are never dropped to make room.
    asking(&held, want(0), millis(1_001)).keep(grant(9, millis(5_000)), millis(1_001));
    for _ in 0..100 {
        assert!(matches!(held.turn(want(most), 1, millis(1_001), &roomy()), Turn::Alone));
    }
    assert!(serve(&held, &want(0), millis(3_002)).is_some());
    drop(asking(&held, want(most), millis(3_002)));
    assert_eq!(lock(&held.accounts).accounts.len(), 2);
    assert!(serve(&held, &want(0), millis(3_002)).is_some());
}

// --------------------------------------------------------------------------------- properties

proptest! {
    /// Whatever is asked for, granted, refused and abandoned, at whatever time: never more is
    /// admitted than was debited, and no token after its time.
    #[test]
    fn never_more_is_admitted_than_debited(
        steps in prop::collection::vec((0..120u64, 1..40u32, 0..4u8, 1..3u64), 1..300),
    ) {
        let (held, names) = (held(), names());
        let (mut now, mut admitted, mut debited) = (Duration::ZERO, 0, 0);
        let mut ends = Duration::ZERO;
        for (gap, n, fate, version) in steps {
            now += millis(gap);
            if serve(&held, &names.want(n), now).is_some() {
                admitted += n;
                prop_assert!(now < ends);
                prop_assert!(admitted <= debited);
                continue;
            }
            match held.turn(names.want(n), version, now, &roomy()) {
                Turn::Served(_) => prop_assert!(false, "it has just not been"),
                Turn::Wait(_) | Turn::Paused => prop_assert!(false, "nobody else asks"),
                Turn::Alone => {}
                Turn::Ask(asking) => {
                    prop_assert!(asking.tokens().get() > n && asking.tokens().get() >= LEAST);
                    match fate {
                        0 => asking.rest(now),
                        1 => drop(asking),
                        _ => {
                            let tokens = asking.tokens().get();
                            debited += tokens;
                            admitted += n;
                            let until = now + held.life();
                            ends = ends.max(until);
                            asking.keep(Grant { tokens, until, version, terms: terms() }, now);
                        }
                    }
                }
            }
            prop_assert!(admitted <= debited);
        }
    }
}

// --------------------------------------------------------------------------------------- model

#[cfg(shuttle)]
mod model {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    /// Threads ask for one subject at once; the store grants each who asks it some tokens.
    fn no_more_than_debited(threads: usize, abandon: bool) {
        let held = Arc::new(held());
        let names = Arc::new(names());
        let now = millis(1);
        {
            // Enough demand for a lease, and one token held.
            asking(&held, names.want(1), now).keep(grant(2, millis(1_000)), now);
        }
        let (admitted, debited) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(1)));
        let asks = Arc::new(AtomicU32::new(0));
        let start = |_| {
            let (held, names) = (Arc::clone(&held), Arc::clone(&names));
            let (admitted, debited) = (Arc::clone(&admitted), Arc::clone(&debited));
            let asks = Arc::clone(&asks);
            shuttle::thread::spawn(move || {
                let want = names.want(1);
                for _ in 0..3 {
                    match held.turn(want, 1, now, &roomy()) {
                        Turn::Served(_) => {}
                        Turn::Paused => unreachable!("only parents do"),
                        Turn::Alone => {
                            debited.fetch_add(1, Ordering::SeqCst);
                        }
                        Turn::Wait(waiting) => {
                            shuttle::future::block_on(waiting.ended());
                            continue;
                        }
                        Turn::Ask(asking) => {
                            assert_eq!(
                                asks.fetch_add(1, Ordering::SeqCst),
                                0,
                                "one asks at a time"
                            );
                            shuttle::thread::yield_now();
                            asks.fetch_sub(1, Ordering::SeqCst);
                            if abandon {
                                drop(asking);
                                return;
                            }
                            debited.fetch_add(2, Ordering::SeqCst);
                            asking.keep(grant(2, millis(1_000)), now);
                        }
                    }
                    admitted.fetch_add(1, Ordering::SeqCst);
                    return;
                }
            })
        };
        let going: Vec<_> = (0..threads).map(start).collect();
        for thread in going {
            thread.join().unwrap();
        }
        let (admitted, debited) = (admitted.load(Ordering::SeqCst), debited.load(Ordering::SeqCst));
        assert!(admitted <= debited, "{admitted} of {debited}");
        // What is left adds up: nothing was lost either.
        let mut left = 0;
        while serve(&held, &names.want(1), now).is_some() {
            left += 1;
        }
        assert_eq!(admitted + left, debited);
    }

    #[test]
    fn two_threads_in_every_order_admit_what_was_debited() {
        shuttle::check_dfs(|| no_more_than_debited(2, false), None);
        shuttle::check_dfs(|| no_more_than_debited(2, true), None);
    }

    #[test]
    fn four_threads_in_many_orders_admit_what_was_debited() {
        shuttle::check_pct(|| no_more_than_debited(4, false), 1_000, 3);
        shuttle::check_pct(|| no_more_than_debited(4, true), 1_000, 3);
    }
}
