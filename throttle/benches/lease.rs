//! What does a decision cost that a lease makes? Budget: 300 ns.
//!
//! 100,000 subjects in an order that no cache foresees, each of which holds a lease; they are asked
//! for by names of the request's own. The clock is the machine's. Overhead included: a future is
//! made and polled once.

#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "a bench may fail loudly")]

mod clock;

use std::hint::black_box;
use std::num::NonZeroU32;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use clock::Standing;
use criterion::{Criterion, criterion_group, criterion_main};
use throttle::{
    Clock, Decision, Leases, MemoryStore, Plan, PlanId, Request, Store, Subject, SystemClock,
    Throttle,
};

const SUBJECTS: usize = 100_000;

fn poll(throttle: &Throttle<MemoryStore, Standing>, request: &Request<'_>) -> Decision {
    let decide = pin!(throttle.decide(request));
    match decide.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(decision) => decision.unwrap(),
        Poll::Pending => panic!("nothing is waited for"),
    }
}

struct Setting {
    throttle: Throttle<MemoryStore, Standing>,
    subjects: Vec<Subject>,
    plan: PlanId,
}

impl Setting {
    fn new(rate: &str, burst: u32, cost: u32) -> Self {
        let clock = SystemClock::new();
        let store = MemoryStore::new();
        let plan = PlanId::new("plan").unwrap();
        let json = format!(r#"{{"throttle": {{"rateLimit": "{rate}", "burstLimit": {burst}}}}}"#);
        store.put_plan(plan.clone(), Plan::from_json(json).unwrap(), clock.now());
        let throttle = Throttle::new(store, Standing(clock)).leases(Leases::adaptive());
        let subject = |n: usize| Subject::new(format!("client-{n:08x}")).unwrap();
        let cost = NonZeroU32::new(cost).unwrap();
        for subject in (0..SUBJECTS).map(subject) {
            for _ in 0..8 {
                poll(&throttle, &Request::new(&subject, &plan).cost(cost));
            }
        }
        // Neighbours in time are strangers in memory.
        let mut order: Vec<_> = (0..SUBJECTS).collect();
        order.sort_by_key(|n| n * 2_654_435_761 % 4_294_967_296);
        let subjects: Vec<_> = order.into_iter().map(subject).collect();
        Self { throttle, subjects, plan }
    }

    fn measure(&self, criterion: &mut Criterion, name: &str) {
        let mut next = 0;
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                let subject = self.subjects.get(next).unwrap();
                next = (next + 1) % SUBJECTS;
                black_box(poll(&self.throttle, &Request::new(subject, &self.plan)))
            });
        });
    }
}

fn leases(criterion: &mut Criterion) {
    // The four costly requests leave a lease that outlasts the bench.
    let setting = Setting::new("1000000", 10_000_000, 20_000);
    let calls = setting.throttle.store().calls();
    setting.measure(criterion, "leased, 100,000 subjects");
    assert_eq!(setting.throttle.store().calls(), calls);
}

criterion_group!(benches, leases);
criterion_main!(benches);
