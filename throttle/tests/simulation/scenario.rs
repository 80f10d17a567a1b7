//! The scenario of a seed: plans, clocks, a network, and a day of some instances.

use tollgate_throttle::{Period, Plan, Throttling, Timestamp};

use crate::clock::MOST_SKEW;
use crate::random::Random;
use crate::reference::STAGE;
use crate::wire::Weather;

/// Events that may happen to the instances of a scenario.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Profile {
    /// Clocks differ, drift and jump.
    pub(crate) skew: bool,
    /// Calls take time, and some are lost.
    pub(crate) weather: bool,
    /// Instances are killed, and come back without their memory.
    pub(crate) kills: bool,
    /// Items that hold nothing any more are deleted.
    pub(crate) deletions: bool,
    /// Plans are rewritten, and subjects change between them.
    pub(crate) replans: bool,
    /// Requests turn out to have cost less, or more.
    pub(crate) refunds: bool,
    /// Instances take leases, and are asked often enough for it.
    pub(crate) leases: bool,
    /// Many answers are lost.
    pub(crate) losses: bool,
    /// Plans have quotas.
    pub(crate) quotas: bool,
    /// Plans have nothing else.
    pub(crate) only_quotas: bool,
    /// Nothing happens for days.
    pub(crate) days: bool,
    /// Once all is quiet, checks that the stated wait is enough.
    pub(crate) epilogue: bool,
    /// The most instances there are.
    pub(crate) instances: u64,
    /// The number of plans of each subject at once; 1 if it has one and seldom changes to another.
    pub(crate) plans: u64,
}

/// Everything at once.
pub(crate) const STORMY: Profile = Profile {
    skew: true,
    weather: true,
    kills: true,
    deletions: true,
    replans: true,
    refunds: true,
    leases: false,
    losses: false,
    quotas: true,
    only_quotas: false,
    days: true,
    epilogue: false,
    instances: 64,
    plans: 1,
};

/// Crowds of requests under several plans of one subject, and whatever else can go wrong.
pub(crate) const CROWDED: Profile = Profile { plans: 5, days: false, kills: false, ..STORMY };

/// Nothing goes wrong, and nothing takes any time.
pub(crate) const CALM: Profile = Profile {
    skew: false,
    weather: false,
    kills: false,
    deletions: false,
    replans: false,
    refunds: false,
    leases: false,
    losses: false,
    quotas: true,
    only_quotas: false,
    days: true,
    epilogue: false,
    instances: 64,
    plans: 1,
};

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// The true time at which it begins.
    pub(crate) start: u64,
    pub(crate) weather: Weather,
    /// The lead of each clock, and the millionths by which it is too fast.
    pub(crate) clocks: Vec<(i64, i64)>,
    /// The plans at the start. Subjects are mostly under the first, or under all in a crowd.
    pub(crate) plans: Vec<Plan>,
    pub(crate) created: u64,
    pub(crate) subjects: usize,
    pub(crate) epilogue: bool,
    pub(crate) leases: bool,
    /// The events, by nanoseconds after the start.
    pub(crate) events: Vec<(u64, Event)>,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A request comes.
    Arrive(Arrival),
    /// A plan is written anew.
    Replan { plan: usize, to: Plan },
    /// A clock is set, right or wrong.
    Jump { instance: usize, by: i64 },
    /// An instance is killed, and another starts in its place.
    Restart { instance: usize },
    /// DynamoDB deletes an item, if it holds nothing any more.
    Delete { subject: usize },
}

/// A request that comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) instance: usize,
    pub(crate) subject: usize,
    pub(crate) plan: usize,
    pub(crate) method: Option<&'static str>,
    pub(crate) cost: u32,
    pub(crate) then: Then,
}

/// The steps after a request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    Nothing,
    /// The most times that a refused client comes again, each after the stated wait.
    Patience(u32),
    /// The real cost of an admitted request, which an instance reports later.
    Settle {
        after: u64,
        instance: usize,
        actual: u32,
    },
}

impl Scenario {
    pub(crate) fn new(seed: u64, profile: Profile) -> Self {
        let random = &mut Random::new(seed);
        let mut plans = vec![plan(random, profile), plan(random, profile)];
        for _ in 2..(if profile.plans > 1 { random.between(2, profile.plans) } else { 2 }) {
            plans.push(plan(random, profile));
        }
        let most = if random.chance(700) { profile.instances.min(6) } else { profile.instances };
        let instances = random.between(1, most);
        let clock = |random: &mut Random| match (profile.skew, random.below(4)) {
            (false, _) | (_, 0) => (0, 0),
            (_, 1) => (random.around_zero(5_000_000), 0),
            (_, 2) => (random.around_zero(1_000_000_000), random.around_zero(300)),
            _ => (random.around_zero(MOST_SKEW.unsigned_abs()), 0),
        };
        let clocks = (0..instances).map(|_| clock(random)).collect();
        let start = start(random);
        let created = if random.chance(500) { start } else { start - 90 * DAY };
        let subjects = if random.chance(800) { 1 } else { 3 };
        let mut scenario = Self {
            seed,
            start,
            weather: weather(random, profile),
            clocks,
            plans,
            created,
            subjects,
            epilogue: profile.epilogue,
            leases: profile.leases,
            events: Vec::new(),
        };
        if profile.leases {
            scenario.rush(random, profile);
        } else {
            scenario.live(random, profile);
        }
        scenario
    }

    /// Fills the time: crowds, steady arrivals, idle times, and misfortunes.
    fn live(&mut self, random: &mut Random, profile: Profile) {
        let throttle = self.plans[0].throttle();
        let interval = throttle.map_or(0, |it| it.rate().interval().as_nanos());
        let token = u64::try_from(interval).unwrap().max(1_000_000);
        let burst = throttle.map_or(20, Throttling::burst);
        let mut at = 0;
        let mut arrivals = random.between(20, 150);
        while arrivals > 0 {
            let crowd = if profile.plans > 1 { 60 } else { (3 * burst).min(60) };
            let many = random.between(1, crowd).min(arrivals);
            match random.below(5) {
                // All at once, over all instances or at one.
                0 | 1 => {
                    let spread = *random.pick(&[0, 1_000_000, 50_000_000]);
                    for _ in 0..many {
                        let later = random_up_to(random, spread);
                        self.arrive(random, at + later, burst, profile);
                    }
                    arrivals -= many;
                }
                // About at the rate, or at a part or a multiple of it.
                2 | 3 => {
                    let gap = token * *random.pick(&[1, 2, 4, 8]) / *random.pick(&[1, 2, 4]);
                    for _ in 0..many {
                        at += random_up_to(random, 2 * gap);
                        self.arrive(random, at, burst, profile);
                    }
                    arrivals -= many;
                }
                // Idle: until half full, until full, or for long.
                _ => {
                    at += match random.below(if profile.days { 5 } else { 4 }) {
                        0 => random_up_to(random, token * burst),
                        1 | 2 => token * burst + random_up_to(random, token),
                        3 => 10 * token * burst,
                        _ => random.between(1, 40) * DAY,
                    };
                }
            }
            self.befall(random, at, profile);
        }
        self.events.sort_by_key(|(at, _)| *at);
        if !profile.weather {
            // One after the other: then there is only one right answer to each.
            let mut free = 0;
            for (at, _) in &mut self.events {
                *at = free.max(*at);
                free = *at + 1;
            }
        }
    }

    /// Seconds of steady demand, each at another part or multiple of the rate, and idle times.
    fn rush(&mut self, random: &mut Random, profile: Profile) {
        let rate = *random.pick(&[200, 500, 1_000]);
        let burst = random.between(40, 400);
        let quota = random.between(300, 3_000);
        let quota = format!(r#", "quota": {{"limit": {quota}, "period": "DAY"}}"#);
        let quota = if random.chance(500) { quota } else { String::new() };
        let throttle = format!(r#"{{"rateLimit": {rate}, "burstLimit": {burst}}}"#);
        self.plans[0] = Plan::from_json(format!(r#"{{"throttle": {throttle}{quota}}}"#)).unwrap();
        (self.subjects, self.clocks) = (1, vec![(0, 0); random.between(1, 4) as usize]);
        let mut at = 0;
        for _ in 0..random.between(2, 4) {
            let gap = 1_000_000_000 / rate * 4 / *random.pick(&[2, 4, 8]);
            let many = random.between(100, 400);
            for _ in 0..many {
                at += random_up_to(random, 2 * gap);
                let instance = self.instance(random);
                let cost = if random.chance(900) { 1 } else { random.between(1, 4) as u32 };
                let (method, then) = (None, Then::Nothing);
                let arrival = Arrival { instance, subject: 0, plan: 0, method, cost, then };
                self.events.push((at, Event::Arrive(arrival)));
            }
            self.befall(random, at, profile);
            at += random_up_to(random, 3_000_000_000);
        }
        self.events.sort_by_key(|(at, _)| *at);
    }

    /// The same, but that at its end everybody waits for a year and comes all at once.
    pub(crate) fn idle_then_all_at_once(mut self) -> Self {
        let last = self.events.last().map_or(0, |(at, _)| *at);
        let at = last + 365 * DAY;
        let burst = self.plans[0].throttle().map_or(20, Throttling::burst);
        for arrival in 0..2 * burst {
            let instance = arrival as usize % self.clocks.len();
            let (method, then) = (None, Then::Nothing);
            let arrival = Arrival { instance, subject: 0, plan: 0, method, cost: 1, then };
            self.events.push((at, Event::Arrive(arrival)));
        }
        self
    }

    /// The same, but that nothing is ever deleted.
    pub(crate) fn without_deletions(mut self) -> Self {
        self.events.retain(|(_, event)| !matches!(event, Event::Delete { .. }));
        self
    }

    fn arrive(&mut self, random: &mut Random, at: u64, burst: u64, profile: Profile) {
        let instance = self.instance(random);
        let subject = if self.subjects == 1 { 0 } else { random.below(3) as usize };
        let largest = if random.chance(850) { 1 } else { burst.min(8) };
        let cost = u32::try_from(random.between(1, largest)).unwrap();
        let plan = if profile.plans > 1 {
            random.below(self.plans.len() as u64) as usize
        } else {
            usize::from(profile.replans && random.chance(100))
        };
        let method = *random.pick(&[None, None, Some("/a/GET"), Some("/b/POST")]);
        // Mostly less than it was charged, now and then more.
        let costs = u64::from(if random.chance(200) { 2 * cost + 1 } else { cost });
        let then = match random.below(8) {
            0 if profile.weather => Then::Patience(2),
            1..=3 if profile.refunds => Then::Settle {
                after: {
                    let most = *random.pick(&[1, 50_000_000, 5_000_000_000]);
                    random.below(most)
                },
                instance: if random.chance(700) { instance } else { self.instance(random) },
                actual: random.below(costs) as u32,
            },
            _ => Then::Nothing,
        };
        let arrival = Arrival { instance, subject, plan, method, cost, then };
        self.events.push((at, Event::Arrive(arrival)));
    }

    fn befall(&mut self, random: &mut Random, at: u64, profile: Profile) {
        if profile.skew && random.chance(150) {
            let by = random.around_zero(2_000_000_000);
            self.events.push((at, Event::Jump { instance: self.instance(random), by }));
        }
        if profile.replans && random.chance(200) {
            let replan = Event::Replan { plan: self.any_plan(random), to: plan(random, profile) };
            self.events.push((at, replan));
        }
        if profile.kills && random.chance(200) {
            let at = at + random_up_to(random, 100_000_000);
            self.events.push((at, Event::Restart { instance: self.instance(random) }));
        }
        if profile.deletions && random.chance(400) {
            self.events.push((at, Event::Delete { subject: random.below(3) as usize }));
        }
    }

    fn any_plan(&self, random: &mut Random) -> usize {
        random.below(self.plans.len() as u64) as usize
    }

    fn instance(&self, random: &mut Random) -> usize {
        random.below(self.clocks.len() as u64) as usize
    }
}

fn plan(random: &mut Random, profile: Profile) -> Plan {
    let mut parts = Vec::new();
    if !(profile.only_quotas || profile.quotas && random.chance(100)) {
        parts.push(format!(r#""throttle": {}"#, throttle(random, profile)));
    }
    let mut quotas = Vec::new();
    for period in ["DAY", "WEEK", "MONTH"] {
        if profile.quotas && (parts.is_empty() || random.chance(250)) {
            let (limit, offset) = (random.between(8, 80), random.below(8));
            let quota =
                format!(r#"{{"limit": {limit}, "offset": {offset}, "period": "{period}"}}"#);
            quotas.push(quota);
        }
    }
    if !quotas.is_empty() {
        parts.push(format!(r#""quota": [{}]"#, quotas.join(", ")));
    }
    if random.chance(400) {
        let (a, b) = (throttle(random, profile), throttle(random, profile));
        let methods = format!(r#"{{"/a/GET": {a}, "/b/POST": {b}}}"#);
        let (api, stage) = STAGE;
        parts.push(format!(
            r#""apiStages": [{{"apiId": "{api}", "stage": "{stage}", "throttle": {methods}}}]"#
        ));
    }
    Plan::from_json(format!("{{{}}}", parts.join(", "))).unwrap()
}

fn throttle(random: &mut Random, profile: Profile) -> String {
    let rates = ["1000/s", "100/s", "7/s", "3/s", "1/s", "0.2/s", "90/min", "7/h"];
    // The fastest of several plans makes the bound of all: a fast one would allow anything.
    let rates = if profile.plans > 1 { &rates[3..] } else { &rates };
    let rate = *random.pick(rates);
    let burst = random.between(1, 40);
    format!(r#"{{"rateLimit": "{rate}", "burstLimit": {burst}}}"#)
}

fn weather(random: &mut Random, profile: Profile) -> Weather {
    if !profile.weather {
        return Weather::default();
    }
    let delay = *random.pick(&[0, 2_000_000, 20_000_000, 70_000_000]);
    let mut rarely = |per_mille| if random.chance(400) { per_mille } else { 0 };
    Weather {
        delay,
        lost_request: rarely(50),
        lost_answer: if profile.losses { 400 } else { rarely(150) },
        late: rarely(80),
        throttled: rarely(100),
        hot: if profile.plans > 1 { rarely(50) } else { 0 },
        outage: rarely(100),
    }
}

/// Some day; often just before a day, a week or a month ends.
fn start(random: &mut Random) -> u64 {
    let someday = 1_795_251_600_000_000_000 + random.below(400) * DAY + random.below(DAY);
    let period = *random.pick(&[Period::Day, Period::Week, Period::Month]);
    if random.chance(500) {
        let end = period.window(Timestamp::from_nanos(someday)).end.as_nanos();
        end - random.below(20_000_000_000)
    } else {
        someday
    }
}

fn random_up_to(random: &mut Random, most: u64) -> u64 {
    random.below(most + 1)
}

const DAY: u64 = 86_400_000_000_000;
