//! The breaker around calls, and under every order of its threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::circuit::{FAILURES_TO_OPEN, OPEN_FOR};
use super::*;
use crate::clock::ManualClock;
use crate::failure::Damage;
use crate::lock::model::Torn;

type Answer = Result<(), StoreError>;

fn failed(failure: Failure) -> Answer {
    Err(failure.into())
}

async fn call(breaker: &Breaker, clock: &ManualClock, key: &str, answer: Answer) -> Answer {
    breaker.call(clock, &key, async { answer }).await
}

async fn open(breaker: &Breaker, clock: &ManualClock) {
    for _ in 0..FAILURES_TO_OPEN {
        let _ = call(breaker, clock, "a", failed(Failure::TimedOut)).await;
    }
}

#[tokio::test]
async fn while_open_nothing_is_begun() {
    let (breaker, clock) = (Breaker::new(), ManualClock::default());
    open(&breaker, &clock).await;
    let begun = breaker.call(&clock, &"a", async { panic!("begun") as Answer }).await;
    assert_eq!(begun, failed(Failure::Suspended));
    clock.advance(OPEN_FOR);
    assert_eq!(call(&breaker, &clock, "a", Ok(())).await, Ok(()));
    assert_eq!(call(&breaker, &clock, "a", Ok(())).await, Ok(()));
}

#[tokio::test]
async fn only_outages_open_it() {
    let damage = Damage { item: "bucket", attribute: "tat".into(), problem: "is odd".into() };
    let code = || "AccessDeniedException".to_owned();
    for (answer, opens) in [
        (failed(Failure::TimedOut), true),
        (failed(Failure::Unreachable), true),
        (failed(Failure::Outage), true),
        (failed(Failure::Throttled), false),
        (failed(Failure::NoTable), false),
        (failed(Failure::Denied { code: code() }), false),
        (failed(Failure::Rejected { code: code() }), false),
        (failed(Failure::Unconfigured), false),
        (Err(damage.into()), false),
        (Ok(()), false),
    ] {
        let (breaker, clock) = (Breaker::new(), ManualClock::default());
        for _ in 0..FAILURES_TO_OPEN {
            assert_eq!(call(&breaker, &clock, "a", answer.clone()).await, answer);
        }
        let next = call(&breaker, &clock, "a", Ok(())).await;
        assert_eq!(next.is_err(), opens, "{answer:?}");
    }
}

#[tokio::test]
async fn five_throttled_keys_open_it_and_one_does_not() {
    let (breaker, clock) = (Breaker::new(), ManualClock::default());
    for _ in 0..100 {
        let _ = call(&breaker, &clock, "hot", failed(Failure::Throttled)).await;
    }
    for key in ["b", "c", "d", "e"] {
        assert_eq!(
            call(&breaker, &clock, key, failed(Failure::Throttled)).await,
            failed(Failure::Throttled)
        );
    }
    assert_eq!(call(&breaker, &clock, "f", Ok(())).await, failed(Failure::Suspended));
}

#[tokio::test]
async fn a_cancelled_try_lets_the_next_one_try() {
    let (breaker, clock) = (Breaker::new(), ManualClock::default());
    open(&breaker, &clock).await;
    clock.advance(OPEN_FOR);
    {
        let mut hanging = pin!(breaker.call(&clock, &"a", std::future::pending::<Answer>()));
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(hanging.as_mut().poll(&mut context), Poll::Pending));
        assert_eq!(call(&breaker, &clock, "a", Ok(())).await, failed(Failure::Suspended));
    }
    assert_eq!(call(&breaker, &clock, "a", Ok(())).await, Ok(()));
}

/// Threads meet a circuit that has been open long enough. One of them tries; when the try
/// fails it is open for all, and when it is answered it is closed for all.
fn one_tries<L: Lock<Circuit> + 'static>(threads: usize, answer: fn() -> Answer) {
    let clock = ManualClock::default();
    let breaker = Arc::new(Breaker::<L>::new());
    for _ in 0..FAILURES_TO_OPEN {
        let pass = breaker.circuit.with(|circuit| circuit.pass(|| clock.moment()));
        breaker.finish(pass.unwrap(), Outcome::Outage, || clock.moment());
    }
    clock.advance(OPEN_FOR);
    let start = || {
        let (breaker, clock) = (Arc::clone(&breaker), clock.clone());
        shuttle::thread::spawn(move || {
            shuttle::future::block_on(breaker.call(&clock, &"a", async { answer() }))
        })
    };
    let going: Vec<_> = (0..threads).map(|_| start()).collect();
    let results = going.into_iter().map(|thread| thread.join().unwrap());
    let through = results.filter(|result| *result != failed(Failure::Suspended)).count();
    let next = breaker.circuit.with(|circuit| circuit.pass(|| clock.moment()));
    if answer().is_err() {
        assert_eq!(through, 1, "a failed try opens it again");
        assert_eq!(next, None);
    } else {
        assert!(through >= 1);
        assert!(next.is_some());
    }
}

type Held = shuttle::sync::Mutex<Circuit>;

#[test]
fn model_one_tries_in_every_order_of_two_threads() {
    shuttle::check_dfs(|| one_tries::<Held>(2, || failed(Failure::Outage)), None);
    shuttle::check_dfs(|| one_tries::<Held>(2, || Ok(())), None);
}

#[test]
fn model_one_tries_in_many_orders_of_four_threads() {
    shuttle::check_pct(|| one_tries::<Held>(4, || failed(Failure::Outage)), 1_000, 3);
    shuttle::check_pct(|| one_tries::<Held>(4, || Ok(())), 1_000, 3);
}

#[test]
fn model_finds_a_lock_that_does_not_lock() {
    let found = catch_unwind(AssertUnwindSafe(|| {
        shuttle::check_dfs(|| one_tries::<Torn<Circuit>>(2, || failed(Failure::Outage)), None);
    }));
    assert!(found.is_err());
}
