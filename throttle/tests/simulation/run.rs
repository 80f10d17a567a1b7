//! A run of a scenario: what its instances decide, and what becomes of the table.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use throttle::{
    Decision, Plan, PlanId, PlanRecord, Request, Subject, Throttle, ThrottleError, Throttling,
    Timestamp,
};

use crate::clock::{MOST_SKEW, SkewedClock};
use crate::random::Random;
use crate::reference::last_end;
use crate::scenario::{Event, Profile, Scenario};
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

/// One decision that was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) subject: Subject,
    pub(crate) cost: u64,
    /// The true time at which it was asked for, and at which it was answered.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    /// What the instance's clock said.
    pub(crate) reading: Option<u64>,
    /// How many writes it asked for.
    pub(crate) calls: usize,
    /// None where the instance was killed before it had one.
    pub(crate) result: Option<Result<Decision, ThrottleError>>,
}

/// What events act on.
struct Stage {
    world: Arc<World>,
    table: Arc<Mutex<Table>>,
    plan: PlanId,
    weather: Weather,
    kind: Plan,
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
        let (plan, mut table) = (PlanId::new("plan").unwrap(), Table::new(law));
        let record = PlanRecord {
            id: plan.clone(),
            plan: scenario.plan.clone(),
            version: 1,
            created: Timestamp::from_nanos(scenario.created),
        };
        table.plans.insert(plan.clone(), record);
        let stage = Arc::new(Stage {
            world: Arc::clone(&world),
            table: Arc::new(Mutex::new(table)),
            plan,
            weather: scenario.weather,
            kind: scenario.plan.clone(),
            inner: Mutex::new(Inner { random, instances: Vec::new(), outcomes: Vec::new() }),
        });
        for (offset, drift) in &scenario.clocks {
            let instance =
                stage.instance(SkewedClock::new(&world, *offset, *drift), scenario.weather);
            stage.inner.lock().unwrap().instances.push(instance);
        }
        for (after, event) in scenario.events.clone() {
            let stage = Arc::clone(&stage);
            world.after(after, move || stage.happen(event));
        }
        world.run();
        let epilogue = if scenario.epilogue { stage.epilogue(&scenario) } else { Vec::new() };
        let outcomes = stage.outcomes();
        let table = std::mem::replace(&mut *stage.table.lock().unwrap(), Table::new(law));
        Self { scenario, table, outcomes, epilogue }
    }
}

impl Stage {
    fn instance(&self, clock: SkewedClock, weather: Weather) -> Instance {
        let chance = self.inner.lock().unwrap().random.fork();
        let wire = Wire::new(&self.world, &self.table, weather, chance);
        let throttle = Arc::new(Throttle::new(wire.clone(), clock.clone()));
        Instance { throttle, clock, wire, running: Vec::new() }
    }

    fn happen(self: &Arc<Self>, event: Event) {
        match event {
            Event::Arrive { instance, subject, cost, patient } => {
                self.arrive(instance, subject, cost, if patient { 2 } else { 0 });
            }
            Event::Jump { instance, by } => {
                self.inner.lock().unwrap().instances[instance].clock.jump(by);
            }
            Event::Restart { instance } => self.restart(instance),
            Event::Delete { subject } => self.delete(&name(subject)),
        }
    }

    fn arrive(self: &Arc<Self>, instance: usize, subject: usize, cost: u32, patience: u32) {
        let (throttle, decision) = {
            let mut inner = self.inner.lock().unwrap();
            let decision = inner.outcomes.len();
            let now = self.world.now();
            inner.outcomes.push(Outcome {
                subject: name(subject),
                cost: cost.into(),
                asked: now,
                answered: now,
                reading: None,
                calls: 0,
                result: None,
            });
            inner.instances[instance].running.push(decision);
            (Arc::clone(&inner.instances[instance].throttle), decision)
        };
        let stage = Arc::clone(self);
        self.world.spawn(decision, async move {
            let name = name(subject);
            let request = Request::new(&name, &stage.plan).cost(NonZeroU32::new(cost).unwrap());
            let result = throttle.decide(&request).await;
            let wait = result.as_ref().ok().and_then(Decision::retry_after);
            stage.finish(instance, decision, result);
            if let Some(wait) = wait.filter(|wait| patience > 0 && *wait < DAY) {
                let again = Arc::clone(&stage);
                let wait = u64::try_from(wait.as_nanos()).unwrap();
                stage
                    .world
                    .after(wait, move || again.arrive(instance, subject, cost, patience - 1));
            }
        });
    }

    fn finish(&self, instance: usize, decision: usize, result: Result<Decision, ThrottleError>) {
        let mut inner = self.inner.lock().unwrap();
        let Inner { instances, outcomes, .. } = &mut *inner;
        let instance = &mut instances[instance];
        instance.running.retain(|running| *running != decision);
        let outcome = &mut outcomes[decision];
        outcome.answered = self.world.now();
        outcome.result = Some(result);
        instance.note(decision, outcome);
    }

    fn restart(&self, instance: usize) {
        let killed = {
            let mut inner = self.inner.lock().unwrap();
            let Inner { instances, outcomes, .. } = &mut *inner;
            let killed = instances[instance].clone();
            for decision in &killed.running {
                killed.note(*decision, &mut outcomes[*decision]);
            }
            killed
        };
        for decision in &killed.running {
            self.world.kill(*decision);
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
        let ends = state.tat.as_nanos().max(last_end(&self.kind, last));
        let margin = 2 * MOST_SKEW.unsigned_abs() + 2_500_000_000;
        if self.world.now() > ends + margin {
            table.delete(subject, self.world.now());
        }
    }

    /// With a right clock and a good network, one subject at a time asks until it is refused, and
    /// comes again when it was told to: each time at an instance that remembers nothing.
    fn epilogue(self: &Arc<Self>, scenario: &Scenario) -> Vec<[usize; 3]> {
        let burst = scenario.plan.throttle().map(Throttling::burst);
        let quotas = scenario.plan.quotas().iter().map(|quota| quota.limit());
        let cost = u32::try_from(quotas.chain(burst).min().unwrap().min(3)).unwrap();
        let come = |subject| {
            let fresh = self.instance(SkewedClock::new(&self.world, 0, 0), Weather::default());
            let mut inner = self.inner.lock().unwrap();
            inner.instances.push(fresh);
            let (instance, decision) = (inner.instances.len() - 1, inner.outcomes.len());
            drop(inner);
            self.arrive(instance, subject, cost, 0);
            self.world.run_for(0);
            decision
        };
        let wait = |decision: usize| {
            let result = self.inner.lock().unwrap().outcomes[decision].result.clone();
            result.and_then(Result::ok).and_then(|answer| answer.retry_after())
        };
        let mut threes = Vec::new();
        for subject in 0..scenario.subjects {
            // No burst and no quota of a scenario is larger.
            let refused =
                (0..100).map(|_| come(subject)).find(|decision| wait(*decision).is_some());
            let Some(refused) = refused else { continue };
            self.world.run_for(u64::try_from(wait(refused).unwrap().as_nanos()).unwrap() - 1);
            let early = come(subject);
            self.world.run_for(1);
            threes.push([refused, early, come(subject)]);
        }
        self.world.run();
        threes
    }

    fn outcomes(&self) -> Vec<Outcome> {
        std::mem::take(&mut self.inner.lock().unwrap().outcomes)
    }
}

impl Instance {
    fn note(&self, decision: usize, outcome: &mut Outcome) {
        outcome.reading = self.clock.told(decision);
        outcome.calls = self.wire.calls_of(decision);
    }
}

fn name(subject: usize) -> Subject {
    Subject::new(format!("subject {subject}")).unwrap()
}

const DAY: Duration = Duration::from_secs(86_400);
