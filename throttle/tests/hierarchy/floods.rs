//! Floods that one level refuses leave the others untouched, over many instances and a slow table.

use std::sync::Arc;
use std::time::Duration;

use tollgate_throttle::{Clock, Leases, Level, Plan, PlanId, Request, Subject, Throttle};

use crate::crowd::Slow;
use crate::setting::{Setting, both, rate};
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

/// Requests that no lease may serve are not counted, so their refusal takes no demand away.
#[tokio::test]
async fn refused_requests_of_another_meter_leave_the_demand_of_others() {
    let tenant = METERED.replace("DAILY", "9000");
    let it = Setting::new([&METERED.replace("DAILY", "1"), &tenant]);
    let (throttle, plan) = (it.instance(), PlanId::new("user").unwrap());
    for n in 0..300 {
        it.clock.advance(Duration::from_millis(5));
        assert!(it.decide(&throttle, 2).await.is_allowed());
        let other = Subject::new(format!("user-{n}")).unwrap();
        let request = Request::new(&other, &plan).meter("tokens", 1);
        assert!(it.instance().decide(&request).await.unwrap().is_allowed());
        let refused = throttle.decide(&request.within(&it.level(1))).await.unwrap();
        assert!(!refused.is_allowed() && refused.refusing_parent().is_none());
    }
    let of_tenant = it.writes().iter().filter(|it| *it == "tenant").count();
    assert!(of_tenant <= 30, "{of_tenant} writes for 300 requests");
}

/// The parent is charged before its subject takes a lease, because it has no leases.
#[tokio::test]
async fn requests_that_a_parent_refuses_first_leave_the_demand_of_their_subject() {
    let tenant = r#"{"quota": {"limit": 1, "period": "DAY"},
        "meters": {"tokens": {"enforce": false, "quota": {"limit": 9, "period": "DAY"}}}}"#;
    let it = Setting::new([&both("1000/s", 1_000, 9_000), tenant]);
    let (throttle, plan) = (it.instance().leases(Leases::adaptive()), PlanId::new("tenant"));
    let plan = plan.unwrap();
    for n in 0..300 {
        it.clock.advance(Duration::from_millis(5));
        assert!(it.decide(&throttle, 1).await.is_allowed());
        let tenant = Subject::new(format!("tenant-{n}")).unwrap();
        let own = Request::new(&tenant, &plan);
        assert!(it.instance().decide(&own).await.unwrap().is_allowed());
        let request = it.request(1).within(&Level::new(&tenant, &plan));
        let refused = throttle.decide(&request).await.unwrap();
        assert_eq!(refused.refusing_parent(), Some(&tenant));
    }
    let of_user = it.writes().iter().filter(|it| *it == "user").count();
    assert!(of_user <= 60, "{of_user} writes for 300 requests");
}

/// A lease would not serve them, so it need not cover them.
#[tokio::test]
async fn refused_requests_of_another_meter_make_no_lease_larger() {
    let (user, tenant) = (METERED.replace("DAILY", "9000"), METERED.replace("DAILY", "1"));
    let left = async |flood| {
        let it = Setting::new([&user, &tenant]);
        let throttle = it.instance();
        let request = it.request(2).meter("tokens", 1);
        assert!(throttle.decide(&request).await.unwrap().is_allowed());
        for n in 0..3_000 {
            it.clock.advance(Duration::from_millis(1));
            if flood {
                assert!(!throttle.decide(&request).await.unwrap().is_allowed());
            }
            if n % 500 == 0 {
                assert!(it.decide(&throttle, 2).await.is_allowed());
            }
        }
        it.left(1).await[1]
    };
    assert_eq!(left(true).await, left(false).await, "of the tenant's day");
}

const METERED: &str = r#"{"throttle": {"rateLimit": 1000, "burstLimit": 1000},
    "quota": {"limit": 9000, "period": "DAY"},
    "meters": {"tokens": {"quota": {"limit": DAILY, "period": "DAY"}}}}"#;
const INSTANCES: u64 = 24;
