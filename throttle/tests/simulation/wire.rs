//! The way from an instance to the table and back, on which everything can go wrong.

use std::sync::{Arc, Mutex};

use throttle::bucket::Write;
use throttle::store::{Answer, Consumed};
use throttle::{Failure, PlanId, PlanRecord, Store, StoreError, Subject};

use crate::random::Random;
use crate::table::Table;
use crate::world::{Slot, World};

/// How long an instance waits for an answer: 100 ms.
pub(crate) const PATIENCE: u64 = 100_000_000;

/// What can happen on the way, each so many times in a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    /// The longest way there, and the longest way back.
    pub(crate) delay: u64,
    /// The request never arrives.
    pub(crate) lost_request: u64,
    /// The answer never arrives, though what was asked is done.
    pub(crate) lost_answer: u64,
    /// The request arrives when nobody waits for its answer any more.
    pub(crate) late: u64,
    /// The table is asked too much, and does nothing.
    pub(crate) throttled: u64,
    /// The table does what was asked, and says that it failed.
    pub(crate) outage: u64,
}

/// How one call fares.
#[derive(Clone, Copy, Debug)]
struct Way {
    there: u64,
    back: u64,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Well,
    LostRequest,
    LostAnswer,
    Late,
    Throttled,
    Outage,
}

/// One instance's connection.
#[derive(Clone)]
pub(crate) struct Wire {
    world: Arc<World>,
    table: Arc<Mutex<Table>>,
    weather: Weather,
    chance: Arc<Mutex<Random>>,
    calls: Arc<Mutex<Vec<usize>>>,
}

impl Wire {
    pub(crate) fn new(
        world: &Arc<World>,
        table: &Arc<Mutex<Table>>,
        weather: Weather,
        chance: Random,
    ) -> Self {
        let (world, table) = (Arc::clone(world), Arc::clone(table));
        Self { world, table, weather, chance: Arc::new(Mutex::new(chance)), calls: Arc::default() }
    }

    /// How many writes a task has asked for.
    pub(crate) fn calls_of(&self, task: usize) -> usize {
        self.calls.lock().unwrap().iter().filter(|call| **call == task).count()
    }

    /// Sends something to be done at the table, and waits for the answer.
    async fn ask<T: Send + 'static>(
        &self,
        act: impl FnOnce(&mut Table, u64) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (slot, way) = (Slot::new(), self.way());
        if way.fate != Fate::LostRequest {
            let (world, table, slot) =
                (Arc::clone(&self.world), Arc::clone(&self.table), Arc::clone(&slot));
            self.world.after(way.there, move || {
                let answer = if way.fate == Fate::Throttled {
                    Err(Failure::Throttled.into())
                } else {
                    let done = act(&mut table.lock().unwrap(), world.now());
                    if way.fate == Fate::Outage { Err(Failure::Outage.into()) } else { Ok(done) }
                };
                if way.fate != Fate::LostAnswer {
                    world.after(way.back, move || slot.fill(answer));
                }
            });
        }
        let patience = Arc::clone(&slot);
        self.world.after(PATIENCE, move || patience.fill(Err(Failure::TimedOut.into())));
        slot.wait().await
    }

    fn way(&self) -> Way {
        let mut chance = self.chance.lock().unwrap();
        let weather = self.weather;
        let mut fate = Fate::Well;
        let mut drawn = chance.below(1_000);
        for (likely, what) in [
            (weather.lost_request, Fate::LostRequest),
            (weather.lost_answer, Fate::LostAnswer),
            (weather.late, Fate::Late),
            (weather.throttled, Fate::Throttled),
            (weather.outage, Fate::Outage),
        ] {
            if drawn < likely {
                fate = what;
                break;
            }
            drawn -= likely;
        }
        let late = if fate == Fate::Late { chance.between(PATIENCE, 20 * PATIENCE) } else { 0 };
        let there = chance.between(0, weather.delay) + late;
        Way { there, back: chance.between(0, weather.delay), fate }
    }
}

impl Store for Wire {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        let id = id.clone();
        self.ask(move |table, _| table.plan(&id)).await
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        let task = self.world.current();
        self.calls.lock().unwrap().push(task);
        let (subject, write) = (subject.clone(), write.clone());
        let (world, shared) = (Arc::clone(&self.world), Arc::clone(&self.table));
        self.ask(move |table, at| {
            let (answer, left) = table.write(task, at, &subject, &write);
            if let Some(mut commit) = left {
                let later = Arc::clone(&world);
                world.after(5_000_000, move || {
                    commit.at = later.now();
                    shared.lock().unwrap().commit(commit);
                });
            }
            answer
        })
        .await
    }

    fn consumed(&self) -> Consumed {
        Consumed::default()
    }
}
