//! A run of a scenario: what its instances decide, and what becomes of the table.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tollgate_throttle::Receipt;
use tollgate_throttle::{
    Decision, Leases, Plan, PlanId, PlanRecord, Request, Subject, Throttle, ThrottleError,
    Timestamp,
};

use crate::clock::{MOST_SKEW, SkewedClock};
use crate::random::Random;
use crate::reference::{STAGE, last_end};
use crate::scenario::{Arrival, Event, Profile, Scenario, Then};
use crate::table::{Law, Table};
use crate::wire::{Weather, Wire};
use crate::world::World;

/// Everything that happened.
pub(crate) struct Run {
    pub(crate) scenario: Scenario,
    pub(crate) table: Table,
    pub(crate) outcomes: Vec<Outcome>,
    /// Decisions when all was quiet again: refused, a nanosecond too early, and in time.
    pub(crate) epilogue: Vec<[usize; 3]>,
}

/// One task: a decision that was asked for, or what followed one.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    /// The decision that it follows.
    pub(crate) of: Option<usize>,
    pub(crate) subject: Subject,
    pub(crate) plan: PlanId,
    pub(crate) method: Option<&'static str>,
    pub(crate) cost: u64,
    /// The true time at which it was asked for, and at which it was answered.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    /// The last that the instance's clock said to it.
    pub(crate) reading: Option<u64>,
    /// The number of writes that it asked for.
    pub(crate) calls: usize,
    /// True if the table throttled its item.
    pub(crate) hot: bool,
    /// None where the instance was killed before it had one.
    pub(crate) result: Option<Result<Decision, ThrottleError>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Decision,
    /// It turned out to cost so much instead.
    Settlement {
        actual: u64,
    },
}

/// The objects that events act on.
struct Stage {
    world: Arc<World>,
    table: Arc<Mutex<Table>>,
    plans: Vec<PlanId>,
    weather: Weather,
    leases: bool,
    inner: Mutex<Inner>,
}

struct Inner {
    random: Random,
    instances: Vec<Instance>,
    outcomes: Vec<Outcome>,
}

#[derive(Clone)]
struct Instance {
    throttle: Arc<Throttle<Wire, SkewedClock>>,
    clock: SkewedClock,
    wire: Wire,
    running: Vec<usize>,
}

impl Run {
    /// Runs what a seed stands for, under a law of the table.
    pub(crate) fn new(seed: u64, profile: Profile, law: Law) -> Self {
        Self::of(Scenario::new(seed, profile), law)
    }

    pub(crate) fn of(scenario: Scenario, law: Law) -> Self {
        let mut random = Random::new(!scenario.seed);
        let world = World::new(scenario.start, random.fork());
        let plans = ["free", "pro", "gold", "team", "trial"].map(|id| PlanId::new(id).unwrap());
        let plans = plans.into_iter().take(scenario.plans.len()).collect();
        let stage = Arc::new(Stage {
            world: Arc::clone(&world),
            table: Arc::new(Mutex::new(Table::new(law))),
            plans,
            weather: scenario.weather,
            leases: scenario.leases,
            inner: Mutex::new(Inner { random, instances: Vec::new(), outcomes: Vec::new() }),
        });
        for (at, plan) in scenario.plans.iter().enumerate() {
            stage.put(at, plan.clone(), scenario.created);
        }
        for (offset, drift) in &scenario.clocks {
            let clock = SkewedClock::new(&world, *offset, *drift);
            let instance = stage.instance(clock, scenario.weather);
            stage.inner.lock().unwrap().instances.push(instance);
        }
        for (after, event) in scenario.events.clone() {
            let stage = Arc::clone(&stage);
            world.after(after, move || stage.happen(event));
        }
        world.run();
        let epilogue = if scenario.epilogue { stage.epilogue(&scenario) } else { Vec::new() };
        let outcomes = std::mem::take(&mut stage.inner.lock().unwrap().outcomes);
        let table = std::mem::replace(&mut *stage.table.lock().unwrap(), Table::new(law));
        Self { scenario, table, outcomes, epilogue }
    }
}

impl Stage {
    fn instance(&self, clock: SkewedClock, weather: Weather) -> Instance {
        let chance = self.inner.lock().unwrap().random.fork();
        let wire = Wire::new(&self.world, &self.table, weather, chance);
        let mut throttle = Throttle::new(wire.clone(), clock.clone());
        if self.leases {
            throttle = throttle.leases(Leases::adaptive().life(LEASE));
        }
        Instance { throttle: Arc::new(throttle), clock, wire, running: Vec::new() }
    }

    /// Writes a plan, in its next version.
    fn put(&self, at: usize, plan: Plan, created: u64) {
        let mut table = self.table.lock().unwrap();
        let id = self.plans[at].clone();
        let (version, created) = match table.plan(&id) {
            Some(older) => (older.version + 1, older.created),
            None => (1, Timestamp::from_nanos(created)),
        };
        table.plans.push((self.world.now(), PlanRecord { id, plan, version, created }));
    }

    fn happen(self: &Arc<Self>, event: Event) {
        match event {
            Event::Arrive(arrival) => {
                self.arrive(arrival);
            }
            Event::Replan { plan, to } => self.put(plan, to, self.world.now()),
            Event::Jump { instance, by } => {
                self.inner.lock().unwrap().instances[instance].clock.jump(by);
            }
            Event::Restart { instance } => self.restart(instance),
            Event::Delete { subject } => self.delete(&name(subject)),
        }
    }

    /// Notes a new task of an instance; its number, and who does it.
    fn begin(
        &self,
        kind: Kind,
        of: Option<usize>,
        arrival: &Arrival,
    ) -> (usize, Arc<Throttle<Wire, SkewedClock>>) {
        let mut inner = self.inner.lock().unwrap();
        let (task, now) = (inner.outcomes.len(), self.world.now());
        inner.outcomes.push(Outcome {
            kind,
            of,
            subject: name(arrival.subject),
            plan: self.plans[arrival.plan].clone(),
            method: arrival.method,
            cost: arrival.cost.into(),
            asked: now,
            answered: now,
            reading: None,
            calls: 0,
            hot: false,
            result: None,
        });
        let instance = &mut inner.instances[arrival.instance];
        instance.running.push(task);
        (task, Arc::clone(&instance.throttle))
    }

    fn arrive(self: &Arc<Self>, arrival: Arrival) -> usize {
        let (task, throttle) = self.begin(Kind::Decision, None, &arrival);
        let stage = Arc::clone(self);
        self.world.spawn(task, async move {
            let name = name(arrival.subject);
            let cost = arrival.cost;
            let mut request = Request::new(&name, &stage.plans[arrival.plan]).cost(cost);
            if let Some(method) = arrival.method {
                request = request.method(STAGE.0, STAGE.1, method);
            }
            let mut result = throttle.decide(&request).await;
            let wait = result.as_ref().ok().and_then(Decision::retry_after);
            let receipt = result.as_mut().ok().and_then(Decision::take_receipt);
            stage.finish(&arrival, task, Some(result));
            stage.follow(task, arrival, wait, receipt);
        });
        task
    }

    /// A client's reaction to the answer.
    fn follow(
        self: &Arc<Self>,
        task: usize,
        arrival: Arrival,
        wait: Option<Duration>,
        receipt: Option<Receipt>,
    ) {
        let stage = Arc::clone(self);
        match (arrival.then, wait, receipt) {
            (Then::Patience(left @ 1..), Some(wait), _) if wait < DAY => {
                let then = Then::Patience(left - 1);
                let wait = u64::try_from(wait.as_nanos()).unwrap();
                self.world.after(wait, move || {
                    stage.arrive(Arrival { then, ..arrival });
                });
            }
            (Then::Settle { after, instance, actual }, _, Some(receipt)) => {
                self.world.after(after, move || {
                    stage.settle(task, Arrival { instance, ..arrival }, receipt, actual);
                });
            }
            _ => {}
        }
    }

    fn settle(self: &Arc<Self>, of: usize, arrival: Arrival, receipt: Receipt, actual: u32) {
        let kind = Kind::Settlement { actual: actual.into() };
        let (task, throttle) = self.begin(kind, Some(of), &arrival);
        let stage = Arc::clone(self);
        self.world.spawn(task, async move {
            // What it answers tells nothing more than the table does.
            let _ = throttle.settle(receipt, actual).await;
            stage.finish(&arrival, task, None);
        });
    }

    fn finish(
        &self,
        arrival: &Arrival,
        task: usize,
        result: Option<Result<Decision, ThrottleError>>,
    ) {
        let mut inner = self.inner.lock().unwrap();
        let Inner { instances, outcomes, .. } = &mut *inner;
        let instance = &mut instances[arrival.instance];
        instance.running.retain(|running| *running != task);
        let outcome = &mut outcomes[task];
        outcome.answered = self.world.now();
        outcome.result = result;
        instance.note(task, outcome);
    }

    fn restart(&self, instance: usize) {
        let killed = {
            let mut inner = self.inner.lock().unwrap();
            let Inner { instances, outcomes, .. } = &mut *inner;
            let killed = instances[instance].clone();
            for task in &killed.running {
                killed.note(*task, &mut outcomes[*task]);
            }
            killed
        };
        for task in &killed.running {
            self.world.kill(*task);
        }
        let fresh = self.instance(killed.clock, self.weather);
        self.inner.lock().unwrap().instances[instance] = fresh;
    }

    /// Deletes an item if no clock, and nothing that is under way, can be before its end.
    fn delete(&self, subject: &Subject) {
        let mut table = self.table.lock().unwrap();
        let Some((state, _)) = table.items.get(subject) else { return };
        let last = table.commits.iter().rev().find(|commit| commit.subject == *subject);
        let last = last.map_or(0, |commit| commit.at) + MOST_SKEW.unsigned_abs();
        let full = state.tats.values().max().map_or(0, |tat| tat.as_nanos());
        let margin = 2 * MOST_SKEW.unsigned_abs() + 2_500_000_000;
        if self.world.now() > full.max(last_end(last)) + margin {
            table.delete(subject, self.world.now());
        }
    }

    /// With a right clock and a good network, one subject at a time asks until it is refused, and
    /// comes again when it was told to: each time at an instance that remembers nothing.
    fn epilogue(self: &Arc<Self>, scenario: &Scenario) -> Vec<[usize; 3]> {
        let come = |subject, cost| {
            let fresh = self.instance(SkewedClock::new(&self.world, 0, 0), Weather::default());
            let instance = {
                let mut inner = self.inner.lock().unwrap();
                inner.instances.push(fresh);
                inner.instances.len() - 1
            };
            let (method, then) = (Some("/a/GET"), Then::Nothing);
            let task = self.arrive(Arrival { instance, subject, plan: 0, method, cost, then });
            self.world.run_for(0);
            task
        };
        let wait = |task: usize| {
            let inner = self.inner.lock().unwrap();
            inner.outcomes[task].result.as_ref()?.as_ref().ok()?.retry_after()
        };
        let mut threes = Vec::new();
        for (subject, cost) in (0..scenario.subjects).zip([1, 2, 1]) {
            // No burst and no quota of a scenario is larger.
            let refused = (0..100).map(|_| come(subject, cost)).find(|task| wait(*task).is_some());
            let Some(refused) = refused else { continue };
            self.world.run_for(u64::try_from(wait(refused).unwrap().as_nanos()).unwrap() - 1);
            let early = come(subject, cost);
            self.world.run_for(1);
            threes.push([refused, early, come(subject, cost)]);
        }
        self.world.run();
        threes
    }
}

impl Instance {
    fn note(&self, task: usize, outcome: &mut Outcome) {
        outcome.reading = self.clock.told(task);
        outcome.calls = self.wire.calls_of(task);
        outcome.hot = self.wire.was_hot(task);
    }
}

fn name(subject: usize) -> Subject {
    Subject::new(format!("subject {subject}")).unwrap()
}

/// The life of a lease, if leases are on.
pub(crate) const LEASE: Duration = Duration::from_millis(500);
const DAY: Duration = Duration::from_secs(86_400);
