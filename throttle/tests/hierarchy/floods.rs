//! Floods that one level refuses leave the others untouched, over many instances and a slow table.

use std::sync::Arc;
use std::time::Duration;

use tollgate_throttle::{Clock, Leases, Level, Plan, PlanId, Request, Subject, Throttle};

use crate::crowd::Slow;
use crate::setting::{both, rate};
use crate::tokio_clock::TokioClock;

type Instance = Arc<Throttle<Slow, TokioClock>>;

/// Users of two tenants within everyone, and instances that know nothing yet.
struct Service {
    store: Slow,
    clock: TokioClock,
    instances: Vec<Instance>,
}

impl Service {
    /// The plans of users, of the tenant `small`, of the tenant `large`, and of everyone.
    fn new(plans: [&str; 4], leases: bool) -> Self {
        let clock = TokioClock::new();
        let store = Slow::new(clock, "*");
        for (name, plan) in ["user", "small", "large", "*"].into_iter().zip(plans) {
            let id = PlanId::new(name.replace('*', "all")).unwrap();
            store.memory.put_plan(id, Plan::from_json(plan).unwrap(), clock.now());
        }
        let throttle = |_| {
            let throttle = Throttle::new(store.clone(), clock);
            Arc::new(if leases { throttle.leases(Leases::adaptive()) } else { throttle })
        };
        let instances = (0..INSTANCES).map(throttle).collect();
        Self { store, clock, instances }
    }

    /// So many requests of a tenant's users at once, over all instances. Returns the admitted.
    async fn ask(&self, tenant: &'static str, requests: u64) -> u64 {
        let ask = |n: u64| {
            let throttle = Arc::clone(&self.instances[usize::try_from(n % INSTANCES).unwrap()]);
            tokio::spawn(async move {
                let of = |name: &str| {
                    (Subject::new(name).unwrap(), PlanId::new(name.replace('*', "all")).unwrap())
                };
                let user = Subject::new(format!("{tenant}-{}", n / INSTANCES % 4)).unwrap();
                let ((_, plan), tenant, all) = (of("user"), of(tenant), of("*"));
                let request = Request::new(&user, &plan)
                    .within(&Level::new(&tenant.0, &tenant.1))
                    .within(&Level::new(&all.0, &all.1));
                throttle.decide(&request).await.unwrap().is_allowed()
            })
        };
        let tasks: Vec<_> = (0..requests).map(ask).collect();
        let mut admitted = 0;
        for task in tasks {
            admitted += u64::from(task.await.unwrap());
        }
        admitted
    }

    /// The number of requests that a subject's day has left.
    async fn left(&self, subject: &str, plan: &str) -> u64 {
        let throttle = Throttle::new(self.store.clone(), self.clock);
        let (subject, plan) = (Subject::new(subject).unwrap(), PlanId::new(plan).unwrap());
        let peeked = throttle.peek(&Request::new(&subject, &plan)).await.unwrap();
        let day = *peeked.standings().last().unwrap();
        day.remaining() + u64::from(peeked.is_allowed())
    }
}

/// A tenant without lease, because it has a few requests left and then none.
#[tokio::test(start_paused = true)]
async fn a_flood_that_its_tenant_refuses_takes_nothing_of_everyone() {
    let all = both("1000/s", 1_000, 1_000);
    let it = Service::new([&rate("100/s", 100), &both("9/s", 90, 60), &all, &all], false);
    assert_eq!(it.ask("small", 60).await, 60);
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(it.left("small", "small").await, 0);
    let left = it.left("*", "all").await;
    // Several seconds: what is remembered of a tenant lasts for one.
    for _ in 0..10 {
        assert_eq!(it.ask("small", 40 * INSTANCES).await, 0);
        tokio::time::sleep(Duration::from_millis(385)).await;
    }
    assert_eq!(it.left("*", "all").await, left, "everyone pays for a tenant's flood");
}

/// The flood is no demand: the leases of everyone are as large as the admitted requests need.
#[tokio::test(start_paused = true)]
async fn a_flood_beside_admitted_requests_makes_no_lease_larger() {
    let plans = [&rate("100/s", 100), &both("9/s", 90, 60), &both("999/s", 999, 9_999)];
    let all = both("9999/s", 9_999, 100_000);
    let used = async |flood: u64| {
        let it = Service::new([plans[0], plans[1], plans[2], &all], false);
        assert_eq!(it.ask("small", 60).await, 60);
        let mut admitted = 60;
        for _ in 0..25 {
            let refused = it.ask("small", flood * INSTANCES).await;
            assert_eq!(refused, 0);
            admitted += it.ask("large", INSTANCES / 2).await;
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        assert_eq!(admitted, 60 + 25 * INSTANCES / 2);
        100_000 - it.left("*", "all").await - admitted
    };
    let (without, with) = (used(0).await, used(40).await);
    println!("unused tokens of leases: {without} without a flood, {with} with it");
    assert!(with <= without + INSTANCES, "{without} without a flood, {with} with it");
}

/// A user's own lease is a lease as well.
#[tokio::test(start_paused = true)]
async fn a_flood_that_its_tenant_refuses_takes_no_lease_of_its_users() {
    let wide = both("999/s", 999, 9_999);
    let it = Service::new([&wide, &both("9/s", 90, 60), &wide, &wide], true);
    assert_eq!(it.ask("small", 60).await, 60);
    tokio::time::sleep(Duration::from_secs(9)).await;
    let left = async || {
        let mut left = 0;
        for user in 0..4 {
            left += it.left(&format!("small-{user}"), "user").await;
        }
        left
    };
    let before = left().await;
    // A second after a refusal, and less than a second after what it gave back.
    for _ in 0..4 {
        assert_eq!(it.ask("small", 160 * INSTANCES).await, 0);
        tokio::time::sleep(Duration::from_millis(985)).await;
    }
    assert_eq!(left().await, before);
}

const INSTANCES: u64 = 24;
