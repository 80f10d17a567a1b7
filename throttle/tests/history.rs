//! A bucket's item stays below the kilobyte of one write unit, whenever its subject comes.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::cast_possible_truncation,
    reason = "a test may fail loudly"
)]

mod common;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use common::{Served, TABLE, serve_table};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use table::Digest;
use tollgate_throttle::{
    Buckets, Clock, DynamoStore, ManualClock, Period, Plan, PlanId, Plans, Request, Store, Subject,
    Throttle,
};

const PLAN: &str = r#"{
    "throttle": {"rateLimit": 10, "burstLimit": 1000},
    "quota": [{"limit": 99999999, "period": "DAY"}, {"limit": 99999999, "period": "WEEK"},
        {"limit": 99999999, "period": "MONTH"}],
    "apiStages": [{"apiId": "a", "stage": "s", "throttle": {
        "/1/GET": {"rateLimit": 1, "burstLimit": 1000},
        "/2/GET": {"rateLimit": 2, "burstLimit": 1000},
        "/3/GET": {"rateLimit": 3, "burstLimit": 1000}}}]
}"#;

const DAY: u64 = 86_400;

/// Times between a subject's requests, in seconds: a pattern that goes on for years.
#[derive(Clone, Copy, Debug)]
enum Pattern {
    Daily,
    Weekdays,
    /// Once in so many days.
    Seldom(u64),
    /// Some days in a row, and then a long gap.
    Bursts(u64),
    Random,
}

#[derive(Clone, Debug)]
struct Life {
    pattern: Pattern,
    subject: usize,
    plan: usize,
    /// True if each request meets an instance without any state.
    cold: bool,
    /// True if two plans take turns.
    turns: bool,
    seed: u64,
}

fn life() -> impl Strategy<Value = Life> {
    let pattern = prop_oneof![
        Just(Pattern::Daily),
        Just(Pattern::Weekdays),
        (2..80u64).prop_map(Pattern::Seldom),
        (1..30u64).prop_map(Pattern::Bursts),
        Just(Pattern::Random),
    ];
    let names = prop_oneof![2 => Just((30, 10)), 1 => Just((128, 128)), 1 => Just((512, 60))];
    (pattern, names, any::<bool>(), prop::bool::weighted(0.3), any::<u64>()).prop_map(
        |(pattern, (subject, plan), cold, turns, seed)| Life {
            pattern,
            subject,
            plan,
            cold,
            turns,
            seed,
        },
    )
}

/// A small generator of numbers (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

impl Pattern {
    /// The time to the next request.
    fn gap(self, random: &mut Random, step: u64) -> u64 {
        let within = |random: &mut Random| random.below(3) * 40;
        match self {
            Self::Daily => DAY,
            Self::Weekdays => DAY * if step % 5 == 4 { 3 } else { 1 },
            Self::Seldom(days) => days * DAY,
            Self::Bursts(days) if step.is_multiple_of(20) => days * 13 * DAY,
            Self::Bursts(_) => DAY / 2 + within(random),
            Self::Random if random.below(3) == 0 => within(random),
            Self::Random => random.below(50) * DAY + random.below(DAY),
        }
    }
}

/// The size of an item as DynamoDB counts it.
fn size(item: &HashMap<String, AttributeValue>) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => {
            let digits = number.strip_prefix('-').unwrap_or(number);
            digits.trim_matches('0').len().div_ceil(2) + 1 + number.len() - digits.len()
        }
        other => panic!("{other:?}"),
    };
    item.iter().map(|(name, it)| name.len() + value(it)).sum()
}

async fn raw(served: &Served, subject: &Subject) -> HashMap<String, AttributeValue> {
    let name = subject.as_str();
    let key = match name.len().checked_sub(40) {
        // A long name is keyed by its digest and its last 40 bytes.
        Some(from) if name.len() > 128 => {
            format!(
                "BUCKET#sha256-{}~{}",
                Digest::of(&[name.as_bytes()]),
                name.get(from..).unwrap()
            )
        }
        _ => format!("BUCKET#{name}"),
    };
    let key = AttributeValue::S(key);
    let answer = served.client.get_item().table_name(TABLE).key("pk", key).send().await.unwrap();
    answer.item.unwrap()
}

async fn live(served: &Served, life: &Life, number: u32) {
    let clock = ManualClock::default();
    let plans = Plans::new(served.client.clone(), TABLE);
    let mut ids = Vec::new();
    for letter in ["a", "b"] {
        let length = if letter == "b" { 128 } else { life.plan };
        let id = PlanId::new(format!("{number:06}{}", letter.repeat(length - 6))).unwrap();
        let plan = PLAN.replace(
            "\"rateLimit\": 10,",
            if letter == "a" { "\"rateLimit\": 10," } else { "\"rateLimit\": 7," },
        );
        plans.put(&id, &Plan::from_json(plan).unwrap(), None, clock.now()).await.unwrap();
        ids.push(id);
    }
    let subject = format!("{number:06}{}", "s".repeat(life.subject - 6));
    let subject = Subject::new(subject).unwrap();
    let store = DynamoStore::new(served.client.clone(), TABLE);
    let instance = || Throttle::new(store.clone(), clock.clone());
    let mut throttle = instance();
    let mut random = Random(life.seed | 1);
    let mut used = BTreeMap::<String, u64>::new();
    let (mut steps, mut busy, from) = (0, 0, clock.now());
    while clock.now().saturating_since(from).as_secs() < 3 * 365 * DAY && steps < 400 {
        if life.cold {
            throttle = instance();
        }
        let plan = &ids[usize::from(life.turns && random.below(9) == 0)];
        let request = Request::new(&subject, plan);
        let method = ["/1/GET", "/2/GET", "/3/GET", "/none/GET"][random.below(4) as usize];
        let decision = throttle.decide(&request.method("a", "s", method)).await.unwrap();
        assert!(decision.is_allowed());
        for period in [Period::Day, Period::Week, Period::Month] {
            *used.entry(period.window(clock.now()).counter.to_string()).or_default() += 1;
        }
        let bytes = size(&raw(served, &subject).await);
        assert!(bytes < 1_024, "{bytes} bytes at step {steps}");
        steps += 1;
        let gap = life.pattern.gap(&mut random, steps);
        busy += u64::from(gap == 0);
        clock.advance(Duration::from_secs(gap));
    }
    let consumed = store.consumed();
    assert_eq!(consumed.milliunits, consumed.calls * 1_000, "a unit for each");
    // Only a new instance needs writes of its own to remove old counters.
    let removals = match (life.cold, life.subject + life.plan <= 64) {
        (false, true) => 1,
        (_, true) => steps / 8,
        (_, false) => steps / 2,
    };
    assert!(life.turns || consumed.applied <= steps + removals, "{consumed:?}, {steps} steps");
    // A new instance expects an idle bucket, so a busy one refuses its first write.
    assert!(life.turns || consumed.kept <= busy, "{consumed:?}, {busy} busy");

    let history = Buckets::new(served.client.clone(), TABLE).usage(&subject).await.unwrap();
    let last = clock.now().saturating_sub(Duration::from_secs(1));
    for (period, most) in [(Period::Day, 32), (Period::Week, 13), (Period::Month, 13)] {
        let mut window = period.window(last);
        let mut lost = false;
        for _ in 0..most {
            let right = used.get(&window.counter.to_string()).copied().unwrap_or_default();
            let kept = history.used(&window);
            if life.subject + life.plan <= 64 && !life.turns {
                assert_eq!(kept, right, "{}", window.counter);
            }
            // With long names the oldest go first, and none in between.
            assert!(kept == right && (!lost || right == 0) || kept == 0, "{}", window.counter);
            lost |= kept != right;
            window = period.window(window.start.saturating_sub(Duration::from_nanos(1)));
        }
    }
}

#[test]
fn an_item_stays_below_a_kilobyte_for_years() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let served = runtime.block_on(serve_table());
    let number = AtomicU32::new(0);
    let config = ProptestConfig {
        cases: 12,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource(
            "proptest-regressions",
        ))),
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&life(), |life| {
        runtime.block_on(live(&served, &life, number.fetch_add(1, Ordering::Relaxed)));
        Ok(())
    });
    outcome.unwrap();
}

/// A plan with three meters, of which each request takes, for a year of days and weeks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_item_with_three_meters_stays_below_a_kilobyte() {
    let served = serve_table().await;
    let clock = ManualClock::default();
    let quotas =
        r#"[{"limit": 99999999, "period": "DAY"}, {"limit": 99999999, "period": "MONTH"}]"#;
    let limits = |rate: u32| {
        format!(
            r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": 100000}}, "quota": {quotas}}}"#
        )
    };
    let meters = format!(
        r#", "meters": {{"tokens": {}, "images": {}, "documents": {}}}}}"#,
        limits(1_000),
        limits(7),
        limits(3)
    );
    let json = PLAN.trim_end().trim_end_matches('}').to_owned() + &meters;
    for (subject, plan, cold) in [(64, 30, false), (110, 64, false), (110, 64, true)] {
        let id = PlanId::new(format!("{plan}{subject}{}", "p".repeat(plan - 5))).unwrap();
        let plans = Plans::new(served.client.clone(), TABLE);
        let _ = plans.put(&id, &Plan::from_json(&json).unwrap(), None, clock.now()).await;
        let subject = Subject::new(format!("{cold:5}{}", "s".repeat(subject - 5))).unwrap();
        let store = DynamoStore::new(served.client.clone(), TABLE);
        let mut throttle = Throttle::new(store.clone(), clock.clone());
        let mut random = Random(0x5eed);
        let mut largest = 0;
        for step in 0..120 {
            if cold {
                throttle = Throttle::new(store.clone(), clock.clone());
            }
            let method = ["/1/GET", "/2/GET", "/3/GET", "/none/GET"][random.below(4) as usize];
            let amount = 1 + random.below(90_000);
            let request = Request::new(&subject, &id).method("a", "s", method);
            let request = request.meter("tokens", amount).meter("images", 9).meter("documents", 12);
            let decision = throttle.decide(&request).await.unwrap();
            assert!(decision.is_allowed(), "{:?}", decision.refused_by());
            largest = largest.max(size(&raw(&served, &subject).await));
            assert!(largest < 1_024, "{largest} bytes at step {step}");
            clock.advance(Duration::from_secs(DAY * (1 + random.below(4) * random.below(4))));
        }
        let consumed = store.consumed();
        assert_eq!(consumed.milliunits, consumed.calls * 1_000, "a unit for each");
        println!("{largest} bytes at most, {consumed:?}");
    }
}

/// An earlier version left such items: years of weekdays, in several kilobytes.
#[tokio::test]
async fn an_item_that_has_grown_large_is_made_small() {
    let served = serve_table().await;
    let clock = ManualClock::default();
    let id = PlanId::new("free").unwrap();
    let plans = Plans::new(served.client.clone(), TABLE);
    plans.put(&id, &Plan::from_json(PLAN).unwrap(), None, clock.now()).await.unwrap();
    let subject = Subject::new("maria").unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let mut item = HashMap::from([("pk".to_owned(), text("BUCKET#maria"))]);
    item.insert("pv".to_owned(), text("1.free"));
    let mut day = clock.now();
    for _ in 0..300 {
        let name = Period::Day.window(day).counter.to_string();
        item.insert(name, AttributeValue::N("5".to_owned()));
        day = day.saturating_sub(Duration::from_secs(4 * DAY));
    }
    assert!(size(&item) > 3_000);
    served.client.put_item().table_name(TABLE).set_item(Some(item)).send().await.unwrap();
    let store = DynamoStore::new(served.client.clone(), TABLE);
    // Each request meets an instance that knows nothing, and two writes remove 32 counters each.
    for request in 0..8 {
        let throttle = Throttle::new(store.clone(), clock.clone());
        assert!(throttle.decide(&Request::new(&subject, &id)).await.unwrap().is_allowed());
        assert!(store.calls() <= 2 * (request + 1));
        clock.advance(Duration::from_secs(1));
    }
    let item = raw(&served, &subject).await;
    assert!(size(&item) < 1_024, "{} bytes", size(&item));
    let days = |item: &HashMap<String, AttributeValue>| {
        item.keys().filter(|name| name.starts_with('d')).count()
    };
    assert!(days(&item) < 100, "{} days", days(&item));
    for kept in ["d20261121", "d20261117", "d20261024"] {
        assert!(item.contains_key(kept), "{kept}");
    }
}

/// A bucket of an earlier version with a long name in its key is not found, and is left alone.
#[tokio::test]
async fn a_long_name_is_keyed_by_its_digest_and_found_by_name() {
    let served = serve_table().await;
    let clock = ManualClock::default();
    let id = PlanId::new("two").unwrap();
    let plans = Plans::new(served.client.clone(), TABLE);
    let plan = Plan::from_json(r#"{"quota": {"limit": 2, "period": "DAY"}}"#).unwrap();
    plans.put(&id, &plan, None, clock.now()).await.unwrap();
    let long = format!("https://issuer.example/{}#user-7", "t".repeat(450));
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let old = HashMap::from([
        ("pk".to_owned(), text(&format!("BUCKET#{long}"))),
        ("pv".to_owned(), text("1.two")),
        ("d20261121".to_owned(), AttributeValue::N("2".to_owned())),
    ]);
    served.client.put_item().table_name(TABLE).set_item(Some(old)).send().await.unwrap();
    let subject = Subject::new(long).unwrap();
    let throttle = Throttle::new(DynamoStore::new(served.client.clone(), TABLE), clock.clone());
    for left in [Some(1), Some(0), None] {
        let decision = throttle.decide(&Request::new(&subject, &id)).await.unwrap();
        assert_eq!(decision.is_allowed().then(|| decision.remaining()), left);
    }
    let buckets = Buckets::new(served.client.clone(), TABLE);
    let today = Period::Day.window(clock.now());
    assert_eq!(buckets.usage(&subject).await.unwrap().used(&today), 2);
    let listed = buckets.list(None).await.unwrap().items;
    let listed: Vec<_> = listed.iter().map(|it| &it.subject).collect();
    let short = listed.iter().find(|it| it.as_str().starts_with("sha256-")).unwrap();
    assert_eq!(listed.len(), 2);
    assert!(short.as_str().ends_with("#user-7"), "{}", short.as_str());
    // What a listing tells is found too.
    assert_eq!(buckets.usage(short).await.unwrap().used(&today), 2);
    assert_eq!(buckets.reset(&subject).await, Ok(true));
    assert_eq!(buckets.reset(short).await, Ok(false));
    assert!(throttle.decide(&Request::new(&subject, &id)).await.is_ok());
}
