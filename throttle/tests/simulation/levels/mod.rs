//! Requests within a random tree of up to three levels: a scenario of its own.
//!
//! Users are within tenants, or not, and all within everyone. Requests take requests and tokens;
//! not every level limits tokens. A busy tree has leases of parents, and some have leases of users.
//! Requests are settled, cut off by clients that hang up, and lose answers.

mod judge;

use std::sync::{Arc, Mutex};

use tollgate_throttle::{
    Decision, Failure, Leases, Level, Meter, Plan, PlanId, PlanRecord, Receipt, Request,
    Settlement, Subject, Throttle, ThrottleError, Timestamp,
};

use crate::clock::SkewedClock;
use crate::random::Random;
use crate::run::LEASE;
use crate::table::{Commit, Law, Table};
use crate::wire::{Weather, Wire};
use crate::world::World;

pub(crate) const NAMES: [&str; 6] = ["user 0", "user 1", "user 2", "tenant 0", "tenant 1", "*"];
pub(crate) const PLANS: [&str; 3] = ["user", "tenant", "everyone"];
const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_795_251_600 * SECOND;

/// The limits of a level, in whole numbers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of requests, and of tokens if it limits them: the burst, and nanoseconds for one.
    pub(crate) rates: [Option<(u64, u64)>; 2],
    /// The requests of a day.
    pub(crate) day: Option<u64>,
}

/// A request with its amounts of requests and tokens, or the settlement of another one.
#[derive(Clone, Debug)]
pub(crate) struct Task {
    /// Numbers of the subjects, the user first.
    pub(crate) path: Vec<usize>,
    pub(crate) amounts: [u64; 2],
    /// The amounts that it turned out to take, if it is to be settled.
    pub(crate) actual: Option<[u64; 2]>,
    /// True if it must not be served from a lease of the user.
    pub(crate) receipt: bool,
    pub(crate) settles: Option<usize>,
    pub(crate) instance: usize,
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    pub(crate) end: End,
    /// True if a call of it failed, or may not have been made after failures of others.
    pub(crate) is_faulty: bool,
    pub(crate) calls: usize,
}

/// The outcome of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// It was cut off before it had one.
    Cut,
    Failed,
    /// It failed by contention of an item, which must be a refusal.
    Contended,
    /// The subject that refused it.
    Refused(usize),
    /// It was admitted, or it settled.
    Done,
}

/// Everything that happened.
pub(crate) struct Run {
    pub(crate) limits: [Limits; 3],
    pub(crate) own_leases: bool,
    /// The most by which a clock is off, and the longest way of a call.
    pub(crate) offset: u64,
    pub(crate) delay: u64,
    pub(crate) tasks: Vec<Task>,
    pub(crate) commits: Vec<Commit>,
    /// Levels that a lease served.
    pub(crate) leased: u64,
}

type Instance = (Arc<Throttle<Wire, SkewedClock>>, Wire);

/// The objects that tasks act on.
struct Stage {
    world: Arc<World>,
    instances: Vec<Instance>,
    tasks: Mutex<Vec<Task>>,
}

impl Limits {
    fn random(random: &mut Random, is_busy: bool, is_user: bool) -> Self {
        let rate = |random: &mut Random, rates: &[u64]| {
            let rate = *random.pick(rates);
            (random.between((rate / 5).max(3), rate.max(30)), SECOND / rate)
        };
        let (requests, tokens) = if is_busy {
            (rate(random, &[100, 200, 500, 1_000]), rate(random, &[5_000, 10_000]))
        } else {
            (rate(random, &[1, 2, 4, 10]), (random.between(700, 2_000), SECOND / 50))
        };
        let has_tokens = is_user || random.chance(400);
        let day = random.between(20, if is_busy { 2_000 } else { 100 });
        Self {
            rates: [Some(requests), has_tokens.then_some(tokens)],
            day: random.chance(300).then_some(day),
        }
    }

    fn plan(&self) -> Plan {
        let throttle = |(burst, interval): (u64, u64)| {
            let rate = SECOND / interval;
            format!(r#""throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}}"#)
        };
        let mut parts: Vec<_> = self.rates[0].map(throttle).into_iter().collect();
        parts
            .extend(self.day.map(|day| format!(r#""quota": {{"limit": {day}, "period": "DAY"}}"#)));
        let tokens = self.rates[1].map(throttle);
        parts.extend(tokens.map(|tokens| format!(r#""meters": {{"tokens": {{{tokens}}}}}"#)));
        Plan::from_json(format!("{{{}}}", parts.join(", "))).unwrap()
    }
}

impl Run {
    /// Runs a seed under a law of the table.
    pub(crate) fn new(seed: u64, law: Law) -> Self {
        let random = &mut Random::new(seed);
        let world = World::new(START, random.fork());
        let table = Arc::new(Mutex::new(Table::new(law)));
        let is_busy = random.chance(600);
        let own_leases = is_busy && random.chance(300);
        let limits = [true, false, false].map(|user| Limits::random(random, is_busy, user));
        for (name, limits) in PLANS.iter().zip(&limits) {
            let (id, created) = (PlanId::new(*name).unwrap(), Timestamp::from_nanos(START));
            let record = PlanRecord { id, plan: limits.plan(), version: 1, created };
            table.lock().unwrap().plans.push((START, record));
        }
        let delay = *random.pick(&[0, 2_000_000, 15_000_000]);
        let offset = *random.pick(&[0, 20_000_000]);
        let faults = |random: &mut Random| if random.chance(250) { 60 } else { 0 };
        let (lost_answer, late, outage) = (faults(random), faults(random), faults(random));
        let weather = Weather { delay, lost_answer, late, outage, ..Weather::default() };
        let instances = (0..random.between(1, 3)).map(|_| {
            let clock = SkewedClock::new(&world, random.around_zero(offset), 0);
            let wire = Wire::new(&world, &table, weather, random.fork());
            let mut throttle = Throttle::new(wire.clone(), clock);
            if own_leases {
                throttle = throttle.leases(Leases::adaptive().life(LEASE));
            }
            (Arc::new(throttle), wire)
        });
        let instances: Vec<_> = instances.collect();
        let (world_of, tasks) = (Arc::clone(&world), Mutex::default());
        let stage = Arc::new(Stage { world: world_of, instances, tasks });
        stage.fill(random, is_busy);
        world.run();
        let leased = stage.instances.iter().map(|(throttle, _)| throttle.stats());
        let leased = leased.map(|stats| stats.leased + stats.parents_leased).sum();
        let tasks = std::mem::take(&mut *stage.tasks.lock().unwrap());
        let commits = std::mem::take(&mut table.lock().unwrap().commits);
        Self { limits, own_leases, offset, delay, tasks, commits, leased }
    }
}

impl Stage {
    /// Plans the arrivals: crowds, a steady demand, and idle times.
    fn fill(self: &Arc<Self>, random: &mut Random, is_busy: bool) {
        let tenant_of = [(); 3].map(|()| random.chance(750).then(|| 3 + random.below(2) as usize));
        let is_deep = random.chance(700);
        let has_tokens = *random.pick(&[0, 300, 1_000]);
        let cuts = *random.pick(&[0, 0, 100]);
        let settles = *random.pick(&[0, 300, 700]);
        let mut at = 0;
        let arrivals = if is_busy { 500 } else { 60 };
        for _ in 0..arrivals {
            at += match (random.below(100), is_busy) {
                (0, _) => random.below(2 * SECOND),
                (_, true) => random.below(4_000_000),
                (0..=50, false) => random.below(5_000_000),
                (51..=95, false) => random.below(SECOND),
                (_, false) => random.below(60 * SECOND),
            };
            let user = random.below(3) as usize;
            let mut path = vec![user];
            path.extend(tenant_of[user]);
            path.extend(is_deep.then_some(5));
            let cost = if random.chance(900) { 1 } else { random.between(1, 3) };
            let most: &[u64] = if is_busy { &[1, 20, 80] } else { &[1, 100, 300, 700] };
            let most = *random.pick(most);
            let tokens = if random.chance(has_tokens) { random.between(1, most) } else { 0 };
            let actual = random.chance(settles).then(|| {
                let requests = if random.chance(500) { cost } else { random.below(2 * cost + 1) };
                [requests, if tokens == 0 { 0 } else { random.below(2 * tokens + 1) }]
            });
            let task = Task {
                path,
                amounts: [cost, tokens],
                actual,
                receipt: actual.is_some() && random.chance(500),
                settles: None,
                instance: random.below(self.instances.len() as u64) as usize,
                asked: 0,
                answered: 0,
                end: End::Cut,
                is_faulty: false,
                calls: 0,
            };
            let cut = random.chance(cuts).then(|| random.below(30_000_000));
            let after = random.below(if is_busy { SECOND } else { 5 * SECOND });
            let stage = Arc::clone(self);
            self.world.after(at, move || stage.arrive(task, cut, after));
        }
    }

    fn begin(&self, task: Task) -> usize {
        let mut tasks = self.tasks.lock().unwrap();
        let now = self.world.now();
        tasks.push(Task { asked: now, answered: now, ..task });
        tasks.len() - 1
    }

    fn finish(&self, at: usize, end: End) {
        let task = &mut self.tasks.lock().unwrap()[at];
        let wire = &self.instances[task.instance].1;
        (task.end, task.answered) = (end, self.world.now());
        task.is_faulty = wire.has_failed(at) || wire.may_be_suspended();
        task.calls = wire.calls_of(at);
    }

    /// A request comes. Its client hangs up after `cut`; it is settled `after` its admission.
    fn arrive(self: &Arc<Self>, task: Task, cut: Option<u64>, after: u64) {
        let (stage, asked) = (Arc::clone(self), task.clone());
        let at = self.begin(task);
        if let Some(cut) = cut {
            let world = Arc::clone(&self.world);
            self.world.after(cut, move || {
                world.kill(at);
            });
        }
        self.world.spawn(at, async move {
            let subject = |number: &usize| Subject::new(NAMES[*number]).unwrap();
            let subjects: Vec<_> = asked.path.iter().map(subject).collect();
            let plans = PLANS.map(|plan| PlanId::new(plan).unwrap());
            let cost = asked.amounts[0] as u32;
            let mut request = Request::new(&subjects[0], &plans[0]).cost(cost);
            for (subject, number) in subjects.iter().zip(&asked.path).skip(1) {
                request = request.within(&Level::new(subject, &plans[level(*number)]));
            }
            if asked.amounts[1] > 0 {
                request = request.meter("tokens", asked.amounts[1]);
            }
            if asked.receipt {
                request = request.with_receipt();
            }
            let decided = stage.instances[asked.instance].0.decide(&request).await;
            stage.finish(at, end(&decided, &asked));
            let receipt = decided.ok().and_then(Decision::into_receipt);
            if let (Some(receipt), Some(actual)) = (receipt, asked.actual) {
                let (later, world) = (Arc::clone(&stage), &stage.world);
                world.after(after, move || later.settle(at, asked, actual, receipt));
            }
        });
    }

    fn settle(self: &Arc<Self>, of: usize, asked: Task, actual: [u64; 2], receipt: Receipt) {
        let (stage, instance) = (Arc::clone(self), asked.instance);
        let has_tokens = asked.amounts[1] > 0;
        let at = self.begin(Task { settles: Some(of), end: End::Cut, ..asked });
        self.world.spawn(at, async move {
            let mut settlement = Settlement::default().cost(actual[0] as u32);
            if has_tokens {
                settlement = settlement.meter(Meter::new("tokens").unwrap(), actual[1]);
            }
            let settled = stage.instances[instance].0.settle(receipt, settlement).await;
            stage.finish(at, if settled.is_ok() { End::Done } else { End::Failed });
        });
    }
}

fn end(decided: &Result<Decision, ThrottleError>, asked: &Task) -> End {
    match decided {
        Ok(decision) if decision.is_allowed() => End::Done,
        Ok(decision) => {
            let refusing = decision.refusing_parent().map_or(NAMES[asked.path[0]], Subject::as_str);
            End::Refused(NAMES.iter().position(|name| *name == refusing).unwrap())
        }
        Err(ThrottleError::Unavailable(Failure::Contended { .. } | Failure::HotKey)) => {
            End::Contended
        }
        Err(ThrottleError::Unavailable(_)) => End::Failed,
        Err(error) => panic!("{error}"),
    }
}

/// The level of a subject: user, tenant, everyone.
pub(crate) fn level(subject: usize) -> usize {
    [0, 0, 0, 1, 1, 2][subject]
}
