//! Several meters in one write, with settlements and lost answers: a scenario of its own.
//!
//! Each request takes requests, tokens and images, or none of one of them. Later it settles its tokens, below or above the
//! reservation, by any instance. The judge looks at every commit, as the oracle does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tollgate_throttle::internal::Write;
use tollgate_throttle::{
    Counter, Meter, Period, Plan, PlanId, PlanRecord, Request, Settlement, Subject, Throttle,
    Timestamp,
};

use crate::clock::SkewedClock;
use crate::random::Random;
use crate::table::{Commit, Law, Table};
use crate::wire::{Weather, Wire};
use crate::world::World;

/// The meters: a name, the burst, and nanoseconds for one unit.
const METERS: [(&str, u64, u64); 3] =
    [("requests", 60, SECOND / 4), ("tokens", 1_000, SECOND / 50), ("images", 8, SECOND / 2)];
const PLAN: &str = r#"{"throttle": {"rateLimit": 4, "burstLimit": 60}, "meters": {
    "tokens": {"throttle": {"rateLimit": 50, "burstLimit": 1000}},
    "images": {"throttle": {"rateLimit": 2, "burstLimit": 8}}}}"#;
const SECOND: u64 = 1_000_000_000;
const START: u64 = 1_795_251_600 * SECOND;

/// One task: a request with its amounts, or the settlement of another's tokens.
#[derive(Clone, Debug)]
struct Task {
    amounts: [u64; 3],
    settles: Option<usize>,
    /// The tokens that it used in the end, if it was asked to settle.
    actual: Option<u64>,
    admitted: bool,
    clock: usize,
}

struct Run {
    tasks: Vec<Task>,
    commits: Vec<Commit>,
    clocks: Vec<SkewedClock>,
}

/// Runs a seed, and returns the invariant that does not hold, if there is one.
pub(crate) fn judged(seed: u64, law: Law) -> Option<(u32, String)> {
    run(seed, law).judge()
}

fn run(seed: u64, law: Law) -> Run {
    let mut random = Random::new(seed);
    let world = World::new(START, random.fork());
    let table = Arc::new(Mutex::new(Table::new(law)));
    let id = PlanId::new("metered").unwrap();
    let (plan, created) = (Plan::from_json(PLAN).unwrap(), Timestamp::from_nanos(START));
    let record = PlanRecord { id: id.clone(), plan, version: 1, created };
    table.lock().unwrap().plans.push((START, record));
    let lost_answer = *random.pick(&[0, 100, 400]);
    let delay = *random.pick(&[0, 2_000_000, 40_000_000]);
    let weather = Weather { delay, lost_answer, late: 50, ..Weather::default() };
    let instances: Vec<_> = (0..3)
        .map(|_| {
            let clock = SkewedClock::new(&world, random.around_zero(SECOND / 5), 0);
            let wire = Wire::new(&world, &table, weather, random.fork());
            (Arc::new(Throttle::new(wire, clock.clone())), clock)
        })
        .collect();
    let tasks = Arc::new(Mutex::new(Vec::<Task>::new()));
    let mut at = 0;
    for _ in 0..60 {
        // Crowds, a steady demand, and idle times in which everything is refilled.
        at += match random.below(8) {
            0..=3 => random.below(5_000_000),
            4..=6 => random.below(3 * SECOND),
            _ => random.below(60 * SECOND),
        };
        let tokens = *random.pick(&[1, 100, 300, 700]);
        let amounts = [random.below(4).min(1), tokens, random.below(4)];
        let actual = random.chance(700).then(|| random.below(2 * tokens + 1));
        let by = [random.below(3) as usize, random.below(3) as usize];
        let after = random.below(2 * SECOND);
        let (instances, tasks, world_of, id) =
            (instances.clone(), Arc::clone(&tasks), Arc::clone(&world), id.clone());
        world.after(at, move || {
            let task = begin(
                &tasks,
                Task { amounts, settles: None, actual, admitted: false, clock: by[0] },
            );
            let world = Arc::clone(&world_of);
            world_of.spawn(task, async move {
                let subject = Subject::new("subject").unwrap();
                let mut request =
                    Request::new(&subject, &id).cost(amounts[0] as u32).with_receipt();
                for ((name, ..), amount) in METERS.iter().zip(amounts).skip(1) {
                    if amount > 0 {
                        request = request.meter(name, amount);
                    }
                }
                let Ok(decision) = instances[by[0]].0.decide(&request).await else { return };
                tasks.lock().unwrap()[task].admitted = decision.is_allowed();
                let (Some(receipt), Some(actual)) = (decision.into_receipt(), actual) else {
                    return;
                };
                let (world_of, throttle) = (Arc::clone(&world), Arc::clone(&instances[by[1]].0));
                world.after(after, move || {
                    let settles = Some(task);
                    let clock = by[1];
                    let own = Task { amounts, settles, actual: None, admitted: false, clock };
                    let own = begin(&tasks, own);
                    world_of.spawn(own, async move {
                        let tokens = Meter::new("tokens").unwrap();
                        // What it answers tells nothing more than the table does.
                        let _ = throttle
                            .settle(receipt, Settlement::default().meter(tokens, actual))
                            .await;
                    });
                });
            });
        });
    }
    world.run();
    let clocks = instances.into_iter().map(|(_, clock)| clock).collect();
    let tasks = std::mem::take(&mut *tasks.lock().unwrap());
    let commits = std::mem::take(&mut table.lock().unwrap().commits);
    Run { tasks, commits, clocks }
}

fn begin(tasks: &Mutex<Vec<Task>>, task: Task) -> usize {
    let mut tasks = tasks.lock().unwrap();
    tasks.push(task);
    tasks.len() - 1
}

impl Run {
    fn judge(&self) -> Option<(u32, String)> {
        self.counters().or_else(|| self.windows())
    }

    /// The change of a meter's use by a commit: days are always counted.
    fn moved(commit: &Commit, name: &str) -> i64 {
        let of_day = |counter: &&Counter| {
            counter.period() == Period::Day && counter.meter().as_str() == name
        };
        let days = commit.after.counters.keys().filter(of_day);
        days.map(|day| commit.after.used(*day) - commit.before.used(*day)).sum()
    }

    /// I3, I4 and I9: a commit charges all meters of its request or none, once; a settlement
    /// corrects by the difference, once; and what was admitted was charged.
    fn counters(&self) -> Option<(u32, String)> {
        let (mut charged, mut settled) = (BTreeMap::new(), BTreeMap::new());
        for commit in &self.commits {
            let task = &self.tasks[commit.task];
            let moved = METERS.map(|(name, ..)| Self::moved(commit, name));
            if moved == [0; 3] {
                continue;
            }
            let (expected, times) = match task.settles {
                None => (task.amounts.map(|it| it as i64), charged.entry(commit.task)),
                Some(of) => {
                    let actual = self.tasks[of].actual.unwrap() as i64;
                    ([0, actual - task.amounts[1] as i64, 0], settled.entry(of))
                }
            };
            let times = times.and_modify(|times| *times += 1).or_insert(1);
            if moved != expected || *times > 1 {
                return Some((3, format!("{moved:?}, not {expected:?}; {times} times")));
            }
        }
        let missing = |(task, it): (usize, &Task)| {
            (it.admitted && !charged.contains_key(&task)).then_some(task)
        };
        let missing = self.tasks.iter().enumerate().find_map(missing);
        missing.map(|task| (4, format!("{task} was admitted, not charged")))
    }

    /// I1 and I15 of every meter: in any window, what was used less the overruns of the requests
    /// in it is at most the burst and what is refilled in the window and in S.
    fn windows(&self) -> Option<(u32, String)> {
        METERS.iter().enumerate().find_map(|(at, (name, burst, interval))| {
            let charges: Vec<_> = self
                .commits
                .iter()
                .filter(|commit| self.tasks[commit.task].settles.is_none())
                .filter(|commit| Self::moved(commit, name) > 0)
                .map(|commit| {
                    let task = &self.tasks[commit.task];
                    let reserved = task.amounts[at];
                    let actual = task.actual.filter(|_| *name == "tokens").unwrap_or(reserved);
                    let reading = self.clocks[task.clock].told(commit.task).unwrap();
                    let off = i128::from(reading) - i128::from(commit.at);
                    (commit.at, off, actual, actual.saturating_sub(reserved))
                })
                .collect();
            for (from, (start, ..)) in charges.iter().enumerate() {
                let (mut used, mut overruns) = (0, 0);
                let (mut least, mut most) = (i128::MAX, i128::MIN);
                for (end, off, actual, overrun) in &charges[from..] {
                    (least, most) = (least.min(*off), most.max(*off));
                    (used, overruns) = (used + actual, overruns + overrun);
                    let window = i128::from(end - start) + most - least;
                    let bound = i128::from(burst + overruns) * i128::from(*interval) + window;
                    if i128::from(used) * i128::from(*interval) > bound {
                        let told = format!("{used} {name} within {window} ns, {overruns} beyond");
                        return Some((15, told));
                    }
                }
            }
            None
        })
    }
}

/// Returns true for a named meter's rate.
pub(crate) fn is_named(scope: tollgate_throttle::internal::Scope) -> bool {
    use tollgate_throttle::internal::Scope;
    matches!(scope, Scope::Meter(meter) if !meter.is_requests())
}

/// The part of a write that is about named meters, for a state under any plan.
pub(crate) fn of_named(write: &Write, stamp: Option<&tollgate_throttle::internal::Stamp>) -> Write {
    let mut part = write.clone();
    part.found = stamp.cloned();
    part.writes = None;
    part.moves.retain(|change| is_named(change.rate.scope));
    part.counts.retain(|count| !count.counter.meter().is_requests());
    part
}
