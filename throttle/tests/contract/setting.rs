//! One plan, one subject and one clock, on a store under test.

use std::sync::Arc;

use tollgate_throttle::{Clock, ManualClock, Plan, PlanId, Request, Store, Subject, Throttle};

use crate::bench::Bench;

/// One plan, one subject, one clock, on a store under test.
pub(crate) struct Setting<S> {
    pub(crate) store: S,
    pub(crate) clock: ManualClock,
    pub(crate) throttle: Throttle<S, ManualClock>,
    pub(crate) plan: PlanId,
    pub(crate) subject: Subject,
    calls: u64,
}

impl<S: Store + Clone> Setting<S> {
    pub(crate) async fn new<B: Bench<Store = S>>(bench: &B, plan: &str) -> Self {
        Self::named(bench, "plan", plan).await
    }

    pub(crate) async fn named<B: Bench<Store = S>>(bench: &B, name: &str, plan: &str) -> Self {
        let (store, clock) = (bench.store(), ManualClock::default());
        let id = PlanId::new(name).unwrap();
        bench.put(&id, Plan::from_json(plan).unwrap(), clock.now()).await;
        Self {
            throttle: Throttle::new(store.clone(), clock.clone()),
            plan: id,
            subject: Subject::new(format!("subject of {name}")).unwrap(),
            calls: store.calls(),
            store,
            clock,
        }
    }

    /// Another instance on the same store and clock, that knows nothing yet.
    pub(crate) fn fresh(&self) -> Throttle<S, ManualClock> {
        Throttle::new(self.store.clone(), self.clock.clone())
    }

    pub(crate) fn request(&self) -> Request<'_> {
        Request::new(&self.subject, &self.plan)
    }

    pub(crate) async fn decide(&self) -> tollgate_throttle::Decision {
        self.throttle.decide(&self.request()).await.unwrap()
    }

    pub(crate) async fn decide_cost(&self, cost: u32) -> tollgate_throttle::Decision {
        let request = self.request().cost(cost);
        self.throttle.decide(&request).await.unwrap()
    }

    /// The number of tasks that 25 instances let through, of so many at once.
    pub(crate) async fn storm(&self, tasks: usize) -> usize {
        let instances: Vec<_> = (0..25).map(|_| Arc::new(self.fresh())).collect();
        let running: Vec<_> = instances
            .iter()
            .cycle()
            .take(tasks)
            .map(|throttle| {
                let throttle = Arc::clone(throttle);
                let (subject, plan) = (self.subject.clone(), self.plan.clone());
                tokio::spawn(async move {
                    throttle.decide(&Request::new(&subject, &plan)).await.unwrap().is_allowed()
                })
            })
            .collect();
        let mut admitted = 0;
        for task in running {
            admitted += usize::from(task.await.unwrap());
        }
        admitted
    }

    pub(crate) fn calls(&self) -> u64 {
        self.store.calls() - self.calls
    }
}

pub(crate) fn rate(rate: &str, burst: u32) -> String {
    format!(r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}}}}"#)
}

pub(crate) fn quota(limit: u32, period: &str) -> String {
    format!(r#"{{"quota": {{"limit": {limit}, "period": "{period}"}}}}"#)
}

pub(crate) fn rate_and_quota(rate: &str, burst: u32, limit: u32, period: &str) -> String {
    format!(
        r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}},
            "quota": {{"limit": {limit}, "period": "{period}"}}}}"#
    )
}
