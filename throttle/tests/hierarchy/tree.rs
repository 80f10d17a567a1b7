//! A tree of up to three levels, and a model of it in whole numbers that shares no code with the
//! throttle.

use std::future::Future;

use proptest::sample::Index;
use tollgate_throttle::internal::{Count, Scope, Stamp, Write};
use tollgate_throttle::{
    Clock, Decision, Failure, Leases, Level, ManualClock, MemoryStore, Meter, Period, Plan, PlanId,
    Receipt, Request, Settlement, Store, Subject, Throttle, ThrottleError,
};

use crate::setting::{Failing, Instance};

pub(crate) const NAMES: [&str; 6] = ["user 0", "user 1", "user 2", "tenant 0", "tenant 1", "*"];
pub(crate) const LEVELS: [usize; 6] = [0, 0, 0, 1, 1, 2];
const PLANS: [&str; 3] = ["user", "tenant", "everyone"];
pub(crate) const SECOND: u64 = 1_000_000_000;

/// The limits of a level: a burst and a rate a second of requests and of tokens, and a day's quota.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub requests: (u64, u64),
    pub tokens: Option<(u64, u64)>,
    pub day: Option<u64>,
}

/// Limits of the levels, and the parents of each user.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    pub limits: [Limits; 3],
    pub paths: [Vec<usize>; 3],
    pub has_leases: bool,
    pub own_leases: bool,
}

/// An event, some nanoseconds after the one before.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Ask {
        user: usize,
        at: usize,
        amounts: [u64; 2],
        fault: Option<(usize, bool)>,
    },
    /// One of the admitted requests turns out to have taken so much.
    Settle {
        which: Index,
        actual: [u64; 2],
    },
}

/// The state of a subject in the model.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    /// The moments at which the buckets of requests and tokens are full again.
    pub full: [u64; 2],
    pub used: [i64; 2],
    pub returned: [u64; 2],
}

/// An admitted request that is not settled.
pub(crate) struct Admitted {
    pub receipt: Receipt,
    pub user: usize,
    pub at: usize,
    pub amounts: [u64; 2],
    /// The buckets that it left, without leases.
    pub left: Vec<Bucket>,
    /// The first of its uses, with leases: one for each level.
    pub uses: usize,
}

/// A request that was settled.
pub(crate) struct Settled {
    pub user: usize,
    pub amounts: [u64; 2],
    pub left: Vec<Bucket>,
    pub uses: usize,
}

pub(crate) struct World {
    pub tree: Tree,
    pub store: Failing,
    pub clock: ManualClock,
    instances: Vec<Instance>,
    pub buckets: [Bucket; 6],
    /// The time at which each subject last got something back.
    pub gave_back: [Option<u64>; 6],
    pub admitted: Vec<Admitted>,
    /// Failures in a row: the circuit breaker must not open.
    faults: [u32; 2],
    /// With leases: the moments, the subjects, and the amounts of requests and tokens.
    pub uses: Vec<(u64, usize, [i64; 2])>,
}

impl World {
    pub(crate) fn new(tree: Tree) -> Self {
        let (memory, clock) = (MemoryStore::new(), ManualClock::default());
        for (at, limits) in tree.limits.iter().enumerate() {
            let throttle = |(burst, rate): (u64, u64)| {
                format!(r#""throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}}"#)
            };
            let mut meters: Vec<_> = limits
                .tokens
                .map(|tokens| format!(r#""tokens": {{{}}}"#, throttle(tokens)))
                .into_iter()
                .collect();
            if !tree.has_leases && at > 0 {
                // A meter that only reports, and that no request takes: it turns leases off.
                let quota = r#""quota": {"limit": 1, "period": "DAY"}"#;
                meters.push(format!(r#""none": {{{quota}, "enforce": false}}"#));
            }
            let day =
                limits.day.map(|it| format!(r#""quota": {{"limit": {it}, "period": "DAY"}},"#));
            let plan = format!(
                r#"{{{}, {} "meters": {{{}}}}}"#,
                throttle(limits.requests),
                day.unwrap_or_default(),
                meters.join(", ")
            );
            let id = PlanId::new(PLANS[at]).unwrap();
            memory.put_plan(id, Plan::from_json(plan).unwrap(), clock.now());
        }
        let (fault, writes) = Default::default();
        let store = Failing { memory, fault, writes };
        let instance = |()| {
            let throttle = Throttle::new(store.clone(), clock.clone());
            if tree.own_leases { throttle.leases(Leases::adaptive()) } else { throttle }
        };
        let instances = [(); 2].map(instance).into();
        let (buckets, gave_back, faults) = Default::default();
        let (admitted, uses) = Default::default();
        Self { tree, store, clock, instances, buckets, gave_back, admitted, faults, uses }
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now().as_nanos()
    }

    /// The amounts that a subject is charged.
    pub(crate) fn amounts(&self, subject: usize, amounts: [u64; 2]) -> [u64; 2] {
        let has_tokens = self.tree.limits[LEVELS[subject]].tokens.is_some();
        [amounts[0], if has_tokens { amounts[1] } else { 0 }]
    }

    pub(crate) fn rates(&self, subject: usize) -> [(u64, u64); 2] {
        let Limits { requests, tokens, .. } = self.tree.limits[LEVELS[subject]];
        [requests, tokens.unwrap_or((0, 1))].map(|(burst, rate)| (burst, SECOND / rate))
    }

    pub(crate) fn fits(&self, subject: usize, amounts: [u64; 2]) -> bool {
        let (bucket, now, rates) = (&self.buckets[subject], self.now(), self.rates(subject));
        let amounts = self.amounts(subject, amounts);
        let fits = |at: usize| {
            let (burst, interval) = rates[at];
            amounts[at] == 0
                || bucket.full[at].max(now) + amounts[at] * interval <= now + burst * interval
        };
        let day = self.tree.limits[LEVELS[subject]].day;
        let has_room = day.is_none_or(|day| bucket.used[0] + amounts[0] as i64 <= day as i64);
        let has_room = has_room || amounts[0] == 0;
        fits(0) && fits(1) && has_room
    }

    pub(crate) fn take(&mut self, subject: usize, amounts: [u64; 2]) -> Bucket {
        let (now, rates, amounts) =
            (self.now(), self.rates(subject), self.amounts(subject, amounts));
        let bucket = &mut self.buckets[subject];
        for at in 0..2 {
            if amounts[at] > 0 {
                bucket.full[at] = bucket.full[at].max(now) + amounts[at] * rates[at].1;
                bucket.used[at] += amounts[at] as i64;
            }
        }
        *bucket
    }

    /// A charge that was taken and given back at once: other refunds must know of it.
    pub(crate) fn take_and_return(&mut self, subject: usize, amounts: [u64; 2]) {
        let amounts = self.amounts(subject, amounts);
        let returned = &mut self.buckets[subject].returned;
        *returned = [0, 1].map(|at| returned[at] + amounts[at]);
    }

    /// Corrects a charge that left a bucket in this state.
    pub(crate) fn correct(
        &mut self,
        subject: usize,
        amounts: [u64; 2],
        actual: [u64; 2],
        left: Bucket,
    ) {
        let (now, rates, amounts) =
            (self.now(), self.rates(subject), self.amounts(subject, amounts));
        let bucket = &mut self.buckets[subject];
        // Requests are settled even if none was taken.
        for at in (0..2).filter(|at| amounts[*at] > 0 || *at == 0) {
            let (interval, full) = (rates[at].1, bucket.full[at]);
            bucket.used[at] += actual[at] as i64 - amounts[at] as i64;
            if actual[at] > amounts[at] {
                bucket.full[at] = full.max(now) + (actual[at] - amounts[at]) * interval;
                continue;
            }
            let unused = amounts[at] - actual[at];
            let since = (bucket.returned[at] - left.returned[at]) * interval;
            let unserved = left.full[at].saturating_sub(since).saturating_sub(now);
            let back = (unused * interval).min(unserved).min(full.saturating_sub(now));
            if back > 0 {
                bucket.full[at] -= back;
                bucket.returned[at] += unused;
                self.gave_back[subject] = Some(now);
            }
        }
        if amounts.iter().zip(&actual).any(|(amount, actual)| actual < amount) {
            self.gave_back[subject] = Some(now);
        }
    }

    /// The use that a subject's item shows, and when its buckets are full.
    pub(crate) fn shown(&self, subject: usize) -> ([i64; 2], [u64; 2]) {
        let subject = Subject::new(NAMES[subject]).unwrap();
        let meters = [Meter::REQUESTS, Meter::new("tokens").unwrap()];
        let today = Period::Day.window(self.clock.now());
        let days = meters.map(|meter| today.of(meter).counter);
        let count = |counter| Count { counter, at_least: 0, at_most: 0, add: 0, granted: 0 };
        let stamp = Stamp { plan: PlanId::new("user").unwrap(), version: 1 };
        let asks = Write {
            found: None,
            stamp,
            moves: Default::default(),
            counts: days.map(count).into(),
            forgotten: Default::default(),
            returned: Default::default(),
            writes: None,
            unchanged: None,
            changed: None,
            now: self.clock.now(),
        };
        let state = block_on(self.store.memory.read(&subject, &asks)).unwrap();
        let full = meters.map(|meter| {
            let of_it = state.tats.iter().filter(|(rate, _)| rate.scope == Scope::Meter(meter));
            of_it.map(|(_, full)| full.as_nanos()).max().unwrap_or(0)
        });
        (days.map(|day| state.used(day)), full)
    }

    /// Asks at an instance, with a fault of a level's writes: also returns the level that fails.
    pub(crate) fn ask(
        &mut self,
        user: usize,
        at: usize,
        amounts: [u64; 2],
        fault: Option<(usize, bool)>,
    ) -> (Result<Decision, ThrottleError>, Option<usize>) {
        let path = self.tree.paths[user].clone();
        // A level of which nothing is taken is not written.
        let is_written = |level: usize| self.amounts(path[level], amounts) != [0; 2];
        let fault = fault
            .filter(|(level, _)| *level < path.len() && self.faults[at] < 2 && is_written(*level));
        *self.store.fault.lock().unwrap() = fault.map(|(level, is_applied)| {
            let subject = Subject::new(NAMES[path[level]]).unwrap();
            (subject, Failure::TimedOut, is_applied)
        });
        self.store.writes.lock().unwrap().clear();
        let subjects: Vec<_> = path.iter().map(|it| Subject::new(NAMES[*it]).unwrap()).collect();
        let plans = PLANS.map(|plan| PlanId::new(plan).unwrap());
        let cost = amounts[0] as u32;
        let mut request = Request::new(&subjects[0], &plans[0]).cost(cost);
        for (subject, number) in subjects.iter().zip(&path).skip(1) {
            request = request.within(&Level::new(subject, &plans[LEVELS[*number]]));
        }
        if amounts[1] > 0 {
            request = request.meter("tokens", amounts[1]);
        }
        let decided = block_on(self.instances[at].decide(&request));
        *self.store.fault.lock().unwrap() = None;
        match &decided {
            Err(_) => self.faults[at] += 1,
            Ok(decision) if decision.is_allowed() => self.faults[at] = 0,
            Ok(_) => {}
        }
        (decided, fault.map(|(level, _)| level))
    }

    /// Settles an admitted request at the instance that admitted it.
    pub(crate) fn settle(&mut self, which: Index, actual: [u64; 2]) -> Option<Settled> {
        let which = (!self.admitted.is_empty()).then(|| which.index(self.admitted.len()))?;
        let Admitted { receipt, user, at, amounts, left, uses } = self.admitted.remove(which);
        let mut settlement = Settlement::default().cost(actual[0] as u32);
        if amounts[1] > 0 {
            settlement = settlement.meter(Meter::new("tokens").unwrap(), actual[1]);
        }
        block_on(self.instances[at].settle(receipt, settlement)).unwrap();
        Some(Settled { user, amounts, left, uses })
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}
