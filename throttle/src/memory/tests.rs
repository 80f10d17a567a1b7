use proptest::prelude::*;

use super::*;
use crate::testing::Faulty;
use crate::{Clock, Decision, ManualClock, Request, Throttle};

const DAY: u64 = 86_400;

fn put(store: &MemoryStore, id: &PlanId, plan: &str, clock: &ManualClock) {
    store.put_plan(id.clone(), Plan::from_json(plan).unwrap(), clock.now());
}

fn plan() -> PlanId {
    PlanId::new("plan").unwrap()
}

/// A store with a plan, on a Saturday morning.
fn setting(json: &str) -> (MemoryStore, ManualClock) {
    let (store, clock) = (MemoryStore::new(), ManualClock::default());
    put(&store, &plan(), json, &clock);
    (store, clock)
}

fn address(n: u32) -> Subject {
    Subject::new(format!("address-2001:db8:{:x}:{:x}::/64", n >> 16, n & 0xffff)).unwrap()
}

/// Decides a request of each of these addresses, and returns how many are allowed.
async fn ask<S: Store>(
    throttle: &Throttle<S, ManualClock>,
    addresses: impl Iterator<Item = u32>,
) -> usize {
    let mut allowed = 0;
    for n in addresses {
        let (subject, plan) = (address(n), plan());
        let decision = throttle.decide(&Request::new(&subject, &plan)).await.unwrap();
        allowed += usize::from(decision.is_allowed());
    }
    allowed
}

/// The room for buckets, used or not.
fn capacity(store: &MemoryStore) -> usize {
    let buckets = lock(&store.buckets);
    buckets.states.capacity().max(buckets.queue.capacity())
}

/// Looks at all buckets, at this moment.
fn look(store: &MemoryStore, clock: &ManualClock) {
    store.steady().unwrap().moment(clock);
    store.drop_full(&mut lock(&store.buckets), usize::MAX);
}

#[tokio::test]
async fn a_day_later_many_addresses_leave_no_room_taken() {
    const MANY: u32 = 50_000;
    let json = r#"{"throttle": {"rateLimit": 1, "burstLimit": 5},
        "quota": {"limit": 1000, "period": "DAY"}}"#;
    {
        let (store, clock) = setting(json);
        let throttle = Throttle::new(store.clone(), clock.clone());
        ask(&throttle, 0..MANY).await;
        assert_eq!(store.buckets(), 50_000);
        clock.advance(Duration::from_secs(DAY + 61));
        // A few callers that come again and again.
        for _ in 0..120 {
            assert_eq!(ask(&throttle, 0..200).await, 200);
            clock.advance(Duration::from_secs(1));
        }
        assert!(store.buckets() <= 200, "{}", store.buckets());
        assert!(capacity(&store) <= 2 * FEW, "{}", capacity(&store));
    }
}

#[tokio::test]
async fn addresses_that_keep_changing_take_bounded_room() {
    let (store, clock) = setting(r#"{"throttle": {"rateLimit": 1, "burstLimit": 5}}"#);
    let throttle = Throttle::new(store.clone(), clock.clone());
    let mut most = 0;
    // A hundred new ones a second: those of the last 61 seconds are there.
    for second in 0..400 {
        ask(&throttle, second * 100..(second + 1) * 100).await;
        clock.advance(Duration::from_secs(1));
        most = most.max(store.buckets());
    }
    assert!((6_100..=9_000).contains(&most), "{most}");
}

#[tokio::test]
async fn what_is_owed_and_what_a_quota_counts_is_never_forgotten() {
    let json = r#"{"throttle": {"rateLimit": "1/h", "burstLimit": 1}}"#;
    let (store, clock) = setting(json);
    let other = PlanId::new("other").unwrap();
    put(&store, &other, r#"{"quota": {"limit": 2, "period": "WEEK"}}"#, &clock);
    let throttle = Throttle::new(store.clone(), clock.clone());
    let (owing, counted, first) = (address(1), address(2), plan());
    let allowed = async |subject: &Subject, plan: &PlanId| {
        let throttle = Throttle::new(store.clone(), clock.clone());
        throttle.decide(&Request::new(subject, plan)).await.unwrap().is_allowed()
    };
    ask(&throttle, 1..2).await;
    for _ in 0..2 {
        assert!(allowed(&counted, &other).await);
    }
    clock.advance(Duration::from_secs(3_599));
    look(&store, &clock);
    assert!(!allowed(&owing, &first).await);
    clock.advance(Duration::from_secs(DAY));
    look(&store, &clock);
    assert_eq!(store.buckets(), 1);
    // It is Sunday, and the week counts, whatever plan the subject is under meanwhile.
    assert!(allowed(&counted, &first).await);
    clock.advance(Duration::from_secs(7_200));
    look(&store, &clock);
    assert!(!allowed(&counted, &other).await);
    clock.advance(Duration::from_secs(DAY));
    look(&store, &clock);
    assert_eq!(store.buckets(), 0);
    assert!(allowed(&counted, &other).await);
}

#[tokio::test]
async fn a_settlement_finds_a_bucket_that_was_forgotten() {
    {
        let (store, clock) = setting(r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}}"#);
        let throttle = Throttle::new(store.clone(), clock.clone());
        let (subject, plan) = (address(1), plan());
        let request = Request::new(&subject, &plan).cost(5);
        let receipts = async || throttle.decide(&request).await.unwrap().into_receipt().unwrap();
        let (long, longer) = (receipts().await, receipts().await);
        clock.advance(Duration::from_secs(600));
        look(&store, &clock);
        assert_eq!(store.buckets(), 0);
        // Used beyond what was charged, by ten: the bucket is empty now.
        throttle.settle(long, 15).await.unwrap();
        assert!(!throttle.decide(&request).await.unwrap().is_allowed());
        // What was refilled long ago is not given back to the one that came after.
        throttle.settle(longer, 0).await.unwrap();
        assert!(!throttle.decide(&request).await.unwrap().is_allowed());
    }
}

#[tokio::test]
async fn a_receipt_for_a_forgotten_bucket_gives_nothing_back_to_the_next() {
    let (store, clock) = setting(r#"{"throttle": {"rateLimit": 1, "burstLimit": 200}}"#);
    let throttle = Throttle::new(store.clone(), clock.clone());
    let (subject, plan, slow) = (address(1), plan(), PlanId::new("slow").unwrap());
    put(&store, &slow, r#"{"throttle": {"rateLimit": "1/min", "burstLimit": 9}}"#, &clock);
    let ask = async |plan: &PlanId, cost: u32| {
        let request = Request::new(&subject, plan).cost(cost);
        throttle.decide(&request).await.unwrap()
    };
    // Both would be paid in 200 seconds; the first gives all of its part back.
    let [first, second] = [ask(&plan, 100).await, ask(&plan, 100).await];
    throttle.settle(first.into_receipt().unwrap(), 0).await.unwrap();
    clock.advance(Duration::from_secs(170));
    look(&store, &clock);
    assert_eq!(store.buckets(), 0);
    assert_eq!(ask(&plan, 20).await.remaining(), 180);
    throttle.settle(second.into_receipt().unwrap(), 0).await.unwrap();
    assert_eq!(ask(&plan, 1).await.remaining(), 179);

    // It would be paid in nine minutes; under another plan it is in nine seconds.
    clock.advance(Duration::from_secs(3_600));
    look(&store, &clock);
    let third = ask(&slow, 9).await;
    ask(&plan, 1).await;
    clock.advance(Duration::from_secs(100));
    look(&store, &clock);
    assert_eq!(store.buckets(), 0);
    assert_eq!(ask(&slow, 1).await.remaining(), 8);
    throttle.settle(third.into_receipt().unwrap(), 0).await.unwrap();
    assert_eq!(ask(&slow, 1).await.remaining(), 7);
}

/// One thing that happens to a subject.
#[derive(Clone, Debug)]
enum Step {
    Wait(u64),
    Decide { cost: u32 },
    Settle { which: usize, actual: u32 },
}

const PLANS: [&str; 3] = [
    r#"{"throttle": {"rateLimit": 1, "burstLimit": 9}}"#,
    r#"{"throttle": {"rateLimit": "1/min", "burstLimit": 9}}"#,
    r#"{"throttle": {"rateLimit": 2, "burstLimit": 6}, "quota": [
        {"limit": 20, "period": "DAY"}, {"limit": 60, "period": "MONTH"}]}"#,
];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![0..2_000u64, 50_000..90_000u64, Just(3_600_000), Just(86_400_000)];
    let step = prop_oneof![
        3 => wait.prop_map(Step::Wait),
        5 => (1..7u32).prop_map(|cost| Step::Decide { cost }),
        2 => (0..4usize, 0..12u32).prop_map(|(which, actual)| Step::Settle { which, actual }),
    ];
    prop::collection::vec(step, 1..60)
}

/// The visible parts of a decision.
fn told(decision: &Decision) -> String {
    format!("{:?} {:?} {:?}", decision.refused_by(), decision.retry_after(), decision.standings())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// A store that forgets whatever it may, after each step, decides like one that forgets nothing.
    ///
    /// Under one plan: of several, one that is forgotten no longer sets the rate of the others.
    #[test]
    fn forgetting_changes_no_decision(
        steps in steps(), plan in 0..PLANS.len(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let clock = ManualClock::default();
            let (forgets, keeps) = (MemoryStore::new(), MemoryStore::new());
            let (subject, id) = (address(1), self::plan());
            for store in [&forgets, &keeps] {
                put(store, &id, PLANS[plan], &clock);
            }
            let (mut ours, mut theirs) = (Vec::new(), Vec::new());
            for step in steps {
                // Each is as good as new: nothing is decided from memory.
                let one = Throttle::new(forgets.clone(), clock.clone());
                let other = Throttle::new(Faulty::new(keeps.clone()), clock.clone());
                match step {
                    Step::Wait(millis) => clock.advance(Duration::from_millis(millis)),
                    Step::Decide { cost } => {
                        let request = Request::new(&subject, &id).cost(cost);
                        let decision = one.decide(&request).await.unwrap();
                        let expected = other.decide(&request).await.unwrap();
                        assert_eq!(told(&decision), told(&expected), "{step:?}");
                        ours.extend(decision.into_receipt());
                        theirs.extend(expected.into_receipt());
                    }
                    Step::Settle { which, actual } if which < ours.len() => {
                        one.settle(ours.remove(which), actual).await.unwrap();
                        other.settle(theirs.remove(which), actual).await.unwrap();
                    }
                    Step::Settle { .. } => {}
                }
                look(&forgets, &clock);
            }
        });
    }
}
