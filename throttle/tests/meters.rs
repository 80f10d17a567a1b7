//! Invariants for every schedule of requests that take from several meters.
//!
//! The pure model below is the reference: one `tat` for each rate, one count for each quota, and
//! one moment for all of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail loudly")]

#[path = "common/desk.rs"]
mod desk;

use desk::{Desk, Instance};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use tollgate_throttle::testing::Faulty;
use tollgate_throttle::{
    Clock, Decision, ManualClock, Meter, PlanId, Receipt, Request, Settlement, Store, Throttle,
};

const SECOND: u64 = 1_000_000_000;
const PLAN: &str = r#"{"throttle": {"rateLimit": 2, "burstLimit": 6}, "meters": {
    "tokens": {"throttle": {"rateLimit": 50, "burstLimit": 200}},
    "images": {"throttle": {"rateLimit": 1, "burstLimit": 9},
        "quota": {"limit": 40, "period": "MONTH"}}}}"#;

/// The rates of the plan: a burst, and the nanoseconds for one token.
const RATES: [(u64, u64); 3] = [(6, SECOND / 2), (200, SECOND / 50), (9, SECOND)];
const IMAGES: u64 = 40;

/// A request: the pause before it, its amounts of requests, tokens and images, and its instance.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    gap: u64,
    amounts: [u64; 3],
    instance: usize,
}

/// The reference: exact, and all meters at once.
#[derive(Clone, Default)]
struct Model {
    tats: [u64; 3],
    images: u64,
}

impl Model {
    /// Takes the request if it fits; otherwise returns the wait, without one for the quota.
    fn decide(&mut self, now: u64, amounts: [u64; 3]) -> Result<(), Option<u64>> {
        let after = |at: usize| self.tats[at].max(now) + amounts[at] * RATES[at].1;
        let full = |at: usize| now + RATES[at].0 * RATES[at].1;
        let asked = (0..3).filter(|at| amounts[*at] > 0);
        let wait = asked.clone().map(|at| after(at).saturating_sub(full(at))).max().unwrap_or(0);
        if self.images + amounts[2] > IMAGES && amounts[2] > 0 {
            return Err(None);
        }
        if wait > 0 {
            return Err(Some(wait));
        }
        let tats: Vec<_> = asked.map(|at| (at, after(at))).collect();
        for (at, tat) in tats {
            self.tats[at] = tat;
        }
        self.images += amounts[2];
        Ok(())
    }
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let gap = prop_oneof![6 => Just(0), 3 => 0..2 * SECOND, 1 => 10 * SECOND..10_000 * SECOND];
    let amounts = [
        prop_oneof![4 => Just(1), 1 => Just(0), 1 => 1..=6u64].boxed(),
        prop_oneof![1 => Just(0), 3 => 1..=200u64].boxed(),
        prop_oneof![2 => Just(0), 1 => 1..=9u64].boxed(),
    ];
    let arrival = (gap, amounts, 0..4usize).prop_map(|(gap, amounts, instance)| Arrival {
        gap,
        amounts,
        instance,
    });
    prop::collection::vec(arrival, 1..60)
}

async fn decide<S: Store>(
    desk: &Desk,
    throttle: &Throttle<S, ManualClock>,
    plan: &str,
    [cost, tokens, images]: [u64; 3],
) -> Decision {
    let plan = PlanId::new(plan).unwrap();
    let cost = cost.try_into().unwrap();
    let mut request = Request::new(&desk.subject, &plan).cost(cost);
    for (name, amount) in [("tokens", tokens), ("images", images)] {
        if amount > 0 {
            request = request.meter(name, amount);
        }
    }
    throttle.decide(&request).await.unwrap()
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn nanos(desk: &Desk) -> u64 {
    desk.clock.now().as_nanos()
}

/// Asserts that no window of uses holds more than the burst, the refill, and what is open then.
///
/// A use is its moment, its amount, and the part above the charge until the moment of settlement.
fn assert_bound(uses: &[(u64, u64, u64, u64)], (burst, interval): (u64, u64), spread: u64) {
    for (from, (start, ..)) in uses.iter().enumerate() {
        let mut taken = 0;
        for (to, (end, amount, ..)) in uses.iter().enumerate().skip(from) {
            taken += amount;
            let open = uses[from..=to].iter().filter(|(.., settled)| *settled >= *end);
            let overruns: u64 = open.map(|(_, _, overrun, _)| overrun).sum();
            let most = burst + (end - start + spread) / interval + overruns;
            assert!(taken <= most, "{taken} of {most} in {} ns", end - start);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("proptest-regressions"))),
        ..ProptestConfig::default()
    })]

    /// I3, I4 and I11: many instances decide about all meters as the reference does, in as many
    /// calls as about one.
    #[test]
    fn many_instances_decide_as_the_reference(arrivals in arrivals()) {
        run(async {
            let desk = Desk::new();
            desk.put("plan", PLAN);
            let instances: Vec<_> = (0..4).map(|_| desk.instance()).collect();
            let mut model = Model::default();
            for Arrival { gap, amounts, instance } in arrivals {
                desk.advance(gap);
                let calls = desk.store.calls();
                let decision = decide(&desk, &instances[instance], "plan", amounts).await;
                assert_eq!(decision.is_allowed(), model.decide(nanos(&desk), amounts).is_ok());
                let most = if amounts == [0; 3] { 0 } else { 2 };
                assert!(desk.store.calls() <= calls + most, "I13");
                let images = |it: &&tollgate_throttle::Standing| it.limit().to_string() == "images-monthly";
                if let Some(standing) = decision.standings().iter().find(images)
                    && decision.is_allowed()
                {
                    assert_eq!(standing.remaining(), IMAGES - model.images);
                }
            }
        });
    }

    /// A limit that is tried reports exactly what it would refuse, and ends in the same state.
    #[test]
    fn a_limit_without_enforcement_reports_what_it_would_refuse(
        arrivals in arrivals(),
        quota: bool,
    ) {
        run(async {
            let limits = if quota {
                r#""quota": {"limit": 900, "period": "MONTH"}"#
            } else {
                r#""throttle": {"rateLimit": 50, "burstLimit": 200}"#
            };
            let plan = |rest| format!(r#"{{"meters": {{"tokens": {{{limits}{rest}}}}}}}"#);
            let desks = [Desk::new(), Desk::new()];
            desks[0].put("plan", &plan(""));
            desks[1].put("plan", &plan(r#", "enforce": false"#));
            let fleets = desks.each_ref().map(|desk| [desk.instance(), desk.instance()]);
            for Arrival { gap, amounts: [requests, tokens, _], instance } in arrivals {
                let mut decisions = Vec::new();
                for (desk, fleet) in desks.iter().zip(&fleets) {
                    desk.advance(gap);
                    let amounts = [requests, tokens.max(1), 0];
                    decisions.push(decide(desk, &fleet[instance % 2], "plan", amounts).await);
                }
                let [enforced, tried] = &decisions[..] else { panic!("two decisions") };
                assert!(tried.is_allowed());
                assert_eq!(enforced.refused_by(), tried.would_refuse());
                let left = |it: &Decision| it.standings()[0].remaining();
                // A remembered refusal shows the state that it remembers.
                assert!(!enforced.is_allowed() || left(enforced) == left(tried));
            }
        });
    }

    /// I6: waiting exactly as told succeeds, and a nanosecond less fails.
    #[test]
    fn the_longest_wait_is_exact(arrivals in arrivals()) {
        run(async {
            let desk = Desk::new();
            desk.put("plan", PLAN);
            let (instance, mut model) = (desk.instance(), Model::default());
            for Arrival { gap, amounts, .. } in arrivals {
                desk.advance(gap);
                let decision = decide(&desk, &instance, "plan", amounts).await;
                let Err(Some(wait)) = model.decide(nanos(&desk), amounts) else { continue };
                assert_eq!(decision.retry_after().unwrap().as_nanos(), u128::from(wait));
                desk.advance(wait - 1);
                assert!(!decide(&desk, &instance, "plan", amounts).await.is_allowed());
                desk.advance(1);
                assert!(decide(&desk, &instance, "plan", amounts).await.is_allowed());
                model.decide(nanos(&desk), amounts).unwrap();
            }
        });
    }

    /// I1: clocks that differ admit no more of any meter than is refilled in their spread.
    #[test]
    fn no_window_admits_more_of_any_meter(
        arrivals in arrivals(),
        behind in prop::collection::vec(0..3 * SECOND, 4),
    ) {
        run(async {
            let desk = Desk::new();
            desk.put("plan", PLAN);
            let clocks: Vec<_> = behind
                .iter()
                .map(|by| ManualClock::at(desk.clock.now().saturating_sub(std::time::Duration::from_nanos(*by))))
                .collect();
            // As on several machines, which go by their wall clocks.
            let store = Faulty::new(desk.store.clone());
            let instances: Vec<_> =
                clocks.iter().map(|clock| Throttle::new(store.clone(), clock.clone())).collect();
            let mut uses = [const { Vec::new() }; 3];
            for Arrival { gap, amounts, instance } in arrivals {
                desk.advance(gap);
                for clock in &clocks {
                    clock.advance(std::time::Duration::from_nanos(gap));
                }
                if decide(&desk, &instances[instance], "plan", amounts).await.is_allowed() {
                    for (uses, amount) in uses.iter_mut().zip(amounts) {
                        uses.push((nanos(&desk), amount, 0, 0));
                    }
                }
            }
            let spread = behind.iter().max().unwrap() - behind.iter().min().unwrap();
            for (uses, rate) in uses.iter().zip(RATES) {
                assert_bound(uses, rate, spread);
            }
        });
    }

    /// I8 and I14: plans that take turns keep the debt of each meter, in at most two calls.
    #[test]
    fn plans_that_take_turns_admit_no_more_than_the_larger(arrivals in arrivals()) {
        run(async {
            let desk = Desk::new();
            desk.put("plan", PLAN);
            desk.put("other", &PLAN.replace("50", "20").replace("200", "150").replace(r#": 9"#, ": 12"));
            let instances: Vec<_> = (0..4).map(|_| desk.instance()).collect();
            let mut uses = [const { Vec::new() }; 3];
            for (at, Arrival { gap, mut amounts, instance }) in arrivals.into_iter().enumerate() {
                desk.advance(gap);
                amounts[1] = amounts[1].min(150);
                let plan = if at % 3 == 0 { "other" } else { "plan" };
                let calls = desk.store.calls();
                let decision = decide(&desk, &instances[instance], plan, amounts).await;
                assert!(desk.store.calls() <= calls + 3, "{} calls", desk.store.calls() - calls);
                if decision.is_allowed() {
                    for (uses, amount) in uses.iter_mut().zip(amounts) {
                        uses.push((nanos(&desk), amount, 0, 0));
                    }
                }
            }
            for (uses, rate) in uses.iter().zip([RATES[0], RATES[1], (12, SECOND)]) {
                assert_bound(uses, rate, 0);
            }
        });
    }

    /// I7 and I15: by what each request used in the end, no window holds more than burst, refill,
    /// and the overruns of requests whose settlement is open.
    #[test]
    fn settlements_owe_what_was_used(
        events in prop::collection::vec(
            prop_oneof![
                4 => (1..=200u64, 0..4usize).prop_map(|(tokens, at)| Event::Charge { tokens, at }),
                3 => (0..8usize, 0..400u64).prop_map(|(which, actual)| Event::Settle { which, actual }),
                2 => (0..3 * SECOND).prop_map(Event::Wait),
            ],
            1..60,
        ),
    ) {
        run(async {
            let desk = Desk::new();
            desk.put("plan", PLAN);
            let instances: Vec<_> = (0..4).map(|_| desk.instance()).collect();
            let tokens = Meter::new("tokens").unwrap();
            let mut uses: Vec<(u64, u64, u64, u64)> = Vec::new();
            let mut open: Vec<(usize, Receipt)> = Vec::new();
            for event in events {
                match event {
                    Event::Wait(nanos) => desk.advance(nanos),
                    Event::Charge { tokens, at } => {
                        // So that ends of windows differ.
                        desk.advance(1);
                        let decision = decide(&desk, &instances[at], "plan", [1, tokens, 0]).await;
                        if let Some(receipt) = decision.into_receipt() {
                            open.push((uses.len(), receipt));
                            uses.push((nanos(&desk), tokens, 0, u64::MAX));
                        }
                    }
                    Event::Settle { which, actual } if !open.is_empty() => {
                        let (at, receipt) = open.remove(which % open.len());
                        let charged = receipt.amount(tokens);
                        let settlement = Settlement::default().meter(tokens, actual);
                        instances[which % 4].settle(receipt, settlement).await.unwrap();
                        desk.advance(1);
                        let overrun = actual.saturating_sub(charged);
                        uses[at] = (uses[at].0, actual, overrun, nanos(&desk));
                    }
                    Event::Settle { .. } => {}
                }
            }
            assert_bound(&uses, RATES[1], 0);
        });
    }
}

/// The next event around tokens.
#[derive(Clone, Copy, Debug)]
enum Event {
    Charge { tokens: u64, at: usize },
    Settle { which: usize, actual: u64 },
    Wait(u64),
}

#[tokio::test]
async fn an_overrun_is_debt_that_later_requests_wait_for() {
    let desk = Desk::new();
    desk.put("plan", PLAN);
    let instance: Instance = desk.instance();
    let receipt = decide(&desk, &instance, "plan", [1, 100, 0]).await.into_receipt().unwrap();
    let actual = Settlement::default().meter(Meter::new("tokens").unwrap(), 1_100);
    instance.settle(receipt, actual).await.unwrap();
    // 1,100 of a burst of 200: one token fits after 901 are refilled, at 50 a second.
    let refused = decide(&desk, &instance, "plan", [1, 1, 0]).await;
    assert_eq!(refused.retry_after().unwrap().as_millis(), 18_020);
    // A request that takes no tokens does not wait for them.
    assert!(decide(&desk, &instance, "plan", [1, 0, 0]).await.is_allowed());
}
