//! What a seed stands for: plans, clocks, a network, and a day in the life of some instances.

use throttle::{Period, Plan, Throttling, Timestamp};

use crate::clock::MOST_SKEW;
use crate::random::Random;
use crate::reference::interval;
use crate::wire::Weather;

/// What may befall the instances of a scenario.
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
    /// Many answers are lost.
    pub(crate) losses: bool,
    /// Plans have quotas.
    pub(crate) quotas: bool,
    /// Plans have nothing else.
    pub(crate) only_quotas: bool,
    /// Nothing happens for days.
    pub(crate) days: bool,
    /// When all is quiet again, it is looked whether waiting as told is enough.
    pub(crate) epilogue: bool,
    /// The most instances there are.
    pub(crate) instances: u64,
}

/// Everything at once.
pub(crate) const STORMY: Profile = Profile {
    skew: true,
    weather: true,
    kills: true,
    deletions: true,
    losses: false,
    quotas: true,
    only_quotas: false,
    days: true,
    epilogue: false,
    instances: 64,
};

/// Nothing goes wrong, and nothing takes any time.
pub(crate) const CALM: Profile = Profile {
    skew: false,
    weather: false,
    kills: false,
    deletions: false,
    losses: false,
    quotas: true,
    only_quotas: false,
    days: true,
    epilogue: false,
    instances: 64,
};

#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) seed: u64,
    /// The true time at which it begins.
    pub(crate) start: u64,
    pub(crate) weather: Weather,
    /// How far each clock is ahead, and how many millionths it is too fast.
    pub(crate) clocks: Vec<(i64, i64)>,
    pub(crate) plan: Plan,
    pub(crate) created: u64,
    pub(crate) subjects: usize,
    pub(crate) epilogue: bool,
    /// What happens, by nanoseconds after the start.
    pub(crate) events: Vec<(u64, Event)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Event {
    /// A request comes. A patient client comes again when it was told to.
    Arrive { instance: usize, subject: usize, cost: u32, patient: bool },
    /// A clock is set, right or wrong.
    Jump { instance: usize, by: i64 },
    /// An instance is killed, and another starts in its place.
    Restart { instance: usize },
    /// DynamoDB deletes an item, if it holds nothing any more.
    Delete { subject: usize },
}

impl Scenario {
    pub(crate) fn new(seed: u64, profile: Profile) -> Self {
        let random = &mut Random::new(seed);
        let plan = plan(random, profile);
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
            plan,
            created,
            subjects,
            epilogue: profile.epilogue,
            events: Vec::new(),
        };
        scenario.live(random, profile);
        scenario
    }

    /// Fills the time: crowds, steady arrivals, idle times, and misfortunes.
    fn live(&mut self, random: &mut Random, profile: Profile) {
        let token = interval(&self.plan).max(1_000_000);
        let burst = self.plan.throttle().map_or(20, Throttling::burst);
        let mut at = 0;
        let mut arrivals = random.between(20, 150);
        while arrivals > 0 {
            let many = random.between(1, (3 * burst).min(60)).min(arrivals);
            match random.below(5) {
                // All at once, over all instances or at one.
                0 | 1 => {
                    let spread = *random.pick(&[0, 1_000_000, 50_000_000]);
                    for _ in 0..many {
                        let later = random_up_to(random, spread);
                        self.arrive(random, at + later, burst, profile.weather);
                    }
                    arrivals -= many;
                }
                // About at the rate, or at a part or a multiple of it.
                2 | 3 => {
                    let gap = token * *random.pick(&[1, 2, 4, 8]) / *random.pick(&[1, 2, 4]);
                    for _ in 0..many {
                        at += random_up_to(random, 2 * gap);
                        self.arrive(random, at, burst, profile.weather);
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

    /// The same, but that at its end everybody waits for a year and comes all at once.
    pub(crate) fn idle_then_all_at_once(mut self) -> Self {
        let last = self.events.last().map_or(0, |(at, _)| *at);
        let at = last + 365 * DAY;
        let burst = self.plan.throttle().map_or(20, Throttling::burst);
        for arrival in 0..2 * burst {
            let instance = arrival as usize % self.clocks.len();
            let arrive = Event::Arrive { instance, subject: 0, cost: 1, patient: false };
            self.events.push((at, arrive));
        }
        self
    }

    /// The same, but that nothing is ever deleted.
    pub(crate) fn without_deletions(mut self) -> Self {
        self.events.retain(|(_, event)| !matches!(event, Event::Delete { .. }));
        self
    }

    fn arrive(&mut self, random: &mut Random, at: u64, burst: u64, patient: bool) {
        let instance = self.instance(random);
        let subject = if self.subjects == 1 { 0 } else { random.below(3) as usize };
        let largest = if random.chance(850) { 1 } else { burst.min(8) };
        let cost = u32::try_from(random.between(1, largest)).unwrap();
        let patient = patient && random.chance(150);
        self.events.push((at, Event::Arrive { instance, subject, cost, patient }));
    }

    fn befall(&mut self, random: &mut Random, at: u64, profile: Profile) {
        if profile.skew && random.chance(150) {
            let by = random.around_zero(2_000_000_000);
            self.events.push((at, Event::Jump { instance: self.instance(random), by }));
        }
        if profile.kills && random.chance(200) {
            let at = at + random_up_to(random, 100_000_000);
            self.events.push((at, Event::Restart { instance: self.instance(random) }));
        }
        if profile.deletions && random.chance(400) {
            self.events.push((at, Event::Delete { subject: random.below(3) as usize }));
        }
    }

    fn instance(&self, random: &mut Random) -> usize {
        random.below(self.clocks.len() as u64) as usize
    }
}

fn plan(random: &mut Random, profile: Profile) -> Plan {
    let rate = *random.pick(&["1000/s", "100/s", "7/s", "3/s", "1/s", "0.2/s", "90/min", "7/h"]);
    let burst = random.between(1, 40);
    let throttle = format!(r#""throttle": {{"rateLimit": "{rate}", "burstLimit": {burst}}}"#);
    let mut quotas = Vec::new();
    for period in ["DAY", "WEEK", "MONTH"] {
        if profile.quotas && (profile.only_quotas || random.chance(250)) {
            let limit = random.between(8, 80);
            let offset = random.below(8);
            quotas
                .push(format!(r#"{{"limit": {limit}, "offset": {offset}, "period": "{period}"}}"#));
        }
    }
    let quota = format!(r#""quota": [{}]"#, quotas.join(", "));
    let json = match (quotas.is_empty(), profile.only_quotas || random.chance(150)) {
        (true, _) => format!("{{{throttle}}}"),
        (false, true) => format!("{{{quota}}}"),
        (false, false) => format!("{{{throttle}, {quota}}}"),
    };
    Plan::from_json(json).unwrap()
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
