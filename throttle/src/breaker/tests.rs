//! The breaker around calls, and under every order of its threads.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use proptest::prelude::*;

use super::*;
use crate::clock::ManualClock;
use crate::failure::Damage;

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

// ------------------------------------------------------------------------------------- circuit

const MOMENT: Duration = Duration::from_nanos(1);

/// The moment so long after the start, on both clocks.
fn at(time: Duration) -> Moment {
    let clock = ManualClock::default();
    clock.advance(time);
    clock.moment()
}

fn opened(now: Duration) -> Circuit {
    let mut circuit = Circuit::default();
    fail(&mut circuit, FAILURES_TO_OPEN, now);
    assert_eq!(circuit.pass(at(now)), None);
    circuit
}

fn fail(circuit: &mut Circuit, times: usize, now: Duration) {
    for _ in 0..times {
        finished(circuit, Outcome::Outage, now);
    }
}

fn finished(circuit: &mut Circuit, outcome: Outcome, now: Duration) {
    let pass = circuit.pass(at(now)).unwrap();
    circuit.finish(pass, outcome, at(now));
}

#[test]
fn five_outages_in_a_row_open_it_for_a_second() {
    let mut circuit = Circuit::default();
    let now = Duration::from_secs(7);
    fail(&mut circuit, 4, now);
    assert!(circuit.pass(at(now)).is_some());
    fail(&mut circuit, 1, now);
    assert_eq!(circuit.pass(at(now)), None);
    assert_eq!(circuit.pass(at(now + Duration::from_secs(1) - MOMENT)), None);
    assert!(circuit.pass(at(now + Duration::from_secs(1))).is_some());
}

#[test]
fn it_is_open_for_a_second_by_either_clock() {
    type Step = fn(&ManualClock);
    let clock = ManualClock::default();
    let moves: [(&str, Step); 2] = [
        ("frozen", |clock| clock.advance_wall(OPEN_FOR)),
        ("set back", |clock| {
            clock.set_wall_back(OPEN_FOR * 100);
            clock.advance(OPEN_FOR);
        }),
    ];
    for (name, step) in moves {
        let mut circuit = Circuit::default();
        for _ in 0..FAILURES_TO_OPEN {
            let pass = circuit.pass(clock.moment()).unwrap();
            circuit.finish(pass, Outcome::Outage, clock.moment());
        }
        assert_eq!(circuit.pass(clock.moment()), None, "{name}");
        step(&clock);
        assert!(circuit.pass(clock.moment()).is_some(), "{name}");
    }
}

#[test]
fn an_answer_ends_the_row() {
    let mut circuit = Circuit::default();
    for _ in 0..20 {
        fail(&mut circuit, 4, Duration::ZERO);
        finished(&mut circuit, Outcome::Answered, Duration::ZERO);
    }
    assert!(circuit.pass(at(Duration::ZERO)).is_some());
}

#[test]
fn one_call_tries_and_an_answer_closes_it() {
    let mut circuit = opened(Duration::ZERO);
    let trying = circuit.pass(at(OPEN_FOR)).unwrap();
    assert_eq!(circuit.pass(at(OPEN_FOR)), None);
    assert_eq!(circuit.pass(at(OPEN_FOR * 100)), None, "it is still on its way");
    circuit.finish(trying, Outcome::Answered, at(OPEN_FOR));
    // Closed with no failures to its name.
    fail(&mut circuit, 4, OPEN_FOR);
    assert!(circuit.pass(at(OPEN_FOR)).is_some());
}

#[test]
fn a_failed_try_opens_it_again() {
    let mut circuit = opened(Duration::ZERO);
    finished(&mut circuit, Outcome::Outage, OPEN_FOR);
    assert_eq!(circuit.pass(at(OPEN_FOR * 2 - MOMENT)), None);
    assert!(circuit.pass(at(OPEN_FOR * 2)).is_some());
}

#[test]
fn an_abandoned_try_leaves_it_to_the_next() {
    let mut circuit = opened(Duration::ZERO);
    finished(&mut circuit, Outcome::Abandoned, OPEN_FOR);
    assert!(circuit.pass(at(OPEN_FOR)).is_some());
    assert_eq!(circuit.pass(at(OPEN_FOR)), None);
}

#[test]
fn abandoned_calls_neither_open_nor_end_a_row() {
    let mut circuit = Circuit::default();
    fail(&mut circuit, 4, Duration::ZERO);
    for _ in 0..20 {
        finished(&mut circuit, Outcome::Abandoned, Duration::ZERO);
    }
    fail(&mut circuit, 1, Duration::ZERO);
    assert_eq!(circuit.pass(at(Duration::ZERO)), None);
}

#[test]
fn a_hot_key_is_not_an_outage() {
    let mut circuit = Circuit::default();
    let throttled = |key| Outcome::Throttled { key };
    for _ in 0..1_000 {
        finished(&mut circuit, throttled(1), Duration::ZERO);
    }
    for key in 2..5 {
        finished(&mut circuit, throttled(key), Duration::ZERO);
    }
    assert!(circuit.pass(at(Duration::ZERO)).is_some(), "four keys of which one is hot");
    finished(&mut circuit, throttled(5), Duration::ZERO);
    assert_eq!(circuit.pass(at(Duration::ZERO)), None, "five keys are the table");
    // The hot key tries first, and the others are not kept out by it.
    finished(&mut circuit, throttled(1), OPEN_FOR);
    for _ in 0..1_000 {
        finished(&mut circuit, throttled(1), OPEN_FOR);
        finished(&mut circuit, Outcome::Answered, OPEN_FOR);
    }
}

#[test]
fn outages_and_throttled_keys_add_up() {
    let mut circuit = Circuit::default();
    fail(&mut circuit, 3, Duration::ZERO);
    finished(&mut circuit, Outcome::Throttled { key: 1 }, Duration::ZERO);
    finished(&mut circuit, Outcome::Throttled { key: 2 }, Duration::ZERO);
    assert_eq!(circuit.pass(at(Duration::ZERO)), None);
}

#[test]
fn what_was_sent_before_it_opened_changes_nothing() {
    let mut circuit = Circuit::default();
    let slow: Vec<_> = (0..3).map(|_| circuit.pass(at(Duration::ZERO)).unwrap()).collect();
    fail(&mut circuit, FAILURES_TO_OPEN, Duration::ZERO);
    circuit.finish(slow[0], Outcome::Answered, at(MOMENT));
    assert_eq!(circuit.pass(at(MOMENT)), None, "an old answer doesn't close it");
    let trying = circuit.pass(at(OPEN_FOR)).unwrap();
    circuit.finish(slow[1], Outcome::Outage, at(OPEN_FOR));
    circuit.finish(trying, Outcome::Answered, at(OPEN_FOR));
    circuit.finish(slow[2], Outcome::Outage, at(OPEN_FOR));
    fail(&mut circuit, 4, OPEN_FOR);
    assert!(circuit.pass(at(OPEN_FOR)).is_some(), "an old failure doesn't count");
}

fn outcomes() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        2 => Just(Outcome::Answered),
        6 => Just(Outcome::Outage),
        2 => (0..3u64).prop_map(|key| Outcome::Throttled { key }),
        1 => Just(Outcome::Abandoned),
    ]
}

proptest! {
    /// Calls start and end in any order, at any time.
    #[test]
    fn it_never_keeps_out_for_long_and_never_lets_a_crowd_try(
        steps in prop::collection::vec((any::<bool>(), 0..600u64, 0..8usize, outcomes()), 1..200),
    ) {
        let (mut circuit, mut now) = (Circuit::default(), Duration::ZERO);
        let mut going: Vec<Pass> = Vec::new();
        for (start, millis, which, outcome) in steps {
            now += Duration::from_millis(millis);
            let closed = matches!(circuit.state, State::Closed(_));
            if start {
                match circuit.pass(at(now)) {
                    Some(pass) => going.push(pass),
                    None => prop_assert!(!closed),
                }
            } else if !going.is_empty() {
                circuit.finish(going.swap_remove(which % going.len()), outcome, at(now));
            }
            match &circuit.state {
                State::Closed(row) => prop_assert!(row.len() < FAILURES_TO_OPEN),
                State::Open { .. } => {
                    prop_assert!(circuit.clone().pass(at(now + OPEN_FOR)).is_some());
                }
                State::Trying => {
                    let trying = going.iter().filter(|pass| pass.turn == circuit.turn);
                    prop_assert_eq!(trying.count(), 1);
                }
            }
        }
        // Whatever happened: once all calls have ended, one is let through a second later.
        for pass in going {
            circuit.finish(pass, Outcome::Abandoned, at(now));
        }
        prop_assert!(circuit.pass(at(now + OPEN_FOR)).is_some());
    }
}

// --------------------------------------------------------------------------------------- model

#[cfg(shuttle)]
mod model {
    use std::sync::Arc;

    use super::*;

    /// Threads meet a circuit that has been open long enough. One of them tries; when the try
    /// fails it is open for all, and when it is answered it is closed for all.
    fn one_tries(threads: usize, answer: fn() -> Answer) {
        let clock = ManualClock::default();
        let breaker = Arc::new(Breaker::new());
        for _ in 0..FAILURES_TO_OPEN {
            let pass = lock(&breaker.circuit).pass(clock.moment());
            lock(&breaker.circuit).finish(pass.unwrap(), Outcome::Outage, clock.moment());
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
        let next = lock(&breaker.circuit).pass(clock.moment());
        if answer().is_err() {
            assert_eq!(through, 1, "a failed try opens it again");
            assert_eq!(next, None);
        } else {
            assert!(through >= 1);
            assert!(next.is_some());
        }
    }

    #[test]
    fn one_tries_in_every_order_of_two_threads() {
        shuttle::check_dfs(|| one_tries(2, || failed(Failure::Outage)), None);
        shuttle::check_dfs(|| one_tries(2, || Ok(())), None);
    }

    #[test]
    fn one_tries_in_many_orders_of_four_threads() {
        shuttle::check_pct(|| one_tries(4, || failed(Failure::Outage)), 1_000, 3);
        shuttle::check_pct(|| one_tries(4, || Ok(())), 1_000, 3);
    }
}
