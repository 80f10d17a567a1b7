//! The way from an instance to the table and back, on which everything can go wrong.

use std::sync::{Arc, Mutex};

use tollgate_throttle::Consumed;
use tollgate_throttle::internal::Answer;
use tollgate_throttle::internal::Write;
use tollgate_throttle::{Failure, PlanId, PlanRecord, Store, StoreError, Subject};

use crate::random::Random;
use crate::table::{Law, Table};
use crate::world::{Slot, World};

/// The time that an instance waits for an answer: 100 ms.
pub(crate) const PATIENCE: u64 = 100_000_000;

/// Faults on the way, each with its number in a thousand.
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
    /// The table is asked too much of one item, and does nothing.
    pub(crate) hot: u64,
    /// The table does what was asked, and says that it failed.
    pub(crate) outage: u64,
}

/// The fate of one call.
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
    Hot,
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
    hot: Arc<Mutex<Vec<usize>>>,
    failed: Arc<Mutex<Vec<usize>>>,
    row: Arc<Mutex<Row>>,
}

/// Failed calls, as the instance's circuit breaker counts them.
#[derive(Default)]
struct Row {
    /// The failures since the last answer.
    failures: usize,
    /// The end of the time without calls, and of the call that tries then.
    open_until: u64,
}

impl Wire {
    pub(crate) fn new(
        world: &Arc<World>,
        table: &Arc<Mutex<Table>>,
        weather: Weather,
        chance: Random,
    ) -> Self {
        let (world, table) = (Arc::clone(world), Arc::clone(table));
        let chance = Arc::new(Mutex::new(chance));
        let (calls, hot, failed, row) = Default::default();
        Self { world, table, weather, chance, calls, hot, failed, row }
    }

    /// Returns true if a task was told that its item is in too much demand.
    pub(crate) fn was_hot(&self, task: usize) -> bool {
        self.hot.lock().unwrap().contains(&task)
    }

    /// Returns true if a call of a task failed.
    pub(crate) fn has_failed(&self, task: usize) -> bool {
        self.failed.lock().unwrap().contains(&task)
    }

    /// Returns true if the instance may make no calls at this moment, after five failures in a row.
    pub(crate) fn may_be_suspended(&self) -> bool {
        self.world.now() <= self.row.lock().unwrap().open_until
    }

    /// The number of writes that a task has asked for.
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
                let act = || act(&mut table.lock().unwrap(), world.now());
                let answer = match way.fate {
                    Fate::Throttled => Err(Failure::Throttled.into()),
                    Fate::Hot => Err(Failure::HotKey.into()),
                    Fate::Outage => {
                        act();
                        Err(Failure::Outage.into())
                    }
                    _ => Ok(act()),
                };
                if way.fate != Fate::LostAnswer {
                    world.after(way.back, move || slot.fill(answer));
                }
            });
        }
        let patience = Arc::clone(&slot);
        self.world.after(PATIENCE, move || patience.fill(Err(Failure::TimedOut.into())));
        let answer = slot.wait().await;
        let mut row = self.row.lock().unwrap();
        row.failures = if answer.is_err() { row.failures + 1 } else { 0 };
        if row.failures >= 5 {
            row.open_until = self.world.now() + 1_000_000_000 + PATIENCE;
        }
        answer
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
            (weather.hot, Fate::Hot),
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

impl tollgate_throttle::internal::Sealed for Wire {}

impl Store for Wire {
    async fn plan(&self, id: &PlanId) -> Result<Option<PlanRecord>, StoreError> {
        let id = id.clone();
        match self.ask(move |table, _| table.plan(&id)).await {
            // A plan's item is nobody's own.
            Err(StoreError::Failure(Failure::HotKey)) => Err(Failure::Throttled.into()),
            answer => answer,
        }
    }

    async fn write(&self, subject: &Subject, write: &Write) -> Result<Answer, StoreError> {
        let task = self.world.current();
        self.calls.lock().unwrap().push(task);
        let (subject, write) = (subject.clone(), write.clone());
        let (world, shared) = (Arc::clone(&self.world), Arc::clone(&self.table));
        let answer = self.ask(move |table, at| {
            let (answer, left) = table.write(task, at, &subject, &write);
            if let Some(mut commit) = left {
                let later = Arc::clone(&world);
                world.after(5_000_000, move || {
                    commit.at = later.now();
                    shared.lock().unwrap().commit(commit);
                });
            }
            answer
        });
        let mut answer = answer.await;
        let errs = self.table.lock().unwrap().law == Law::RefusedAsError;
        if errs && matches!(answer, Ok(Answer::Kept(_))) && task.is_multiple_of(3) {
            answer = Err(Failure::Contended { calls: 1 }.into());
        }
        if answer.is_err() {
            self.failed.lock().unwrap().push(task);
        }
        if answer == Err(Failure::HotKey.into()) {
            self.hot.lock().unwrap().push(task);
        }
        answer
    }

    fn consumed(&self) -> Consumed {
        Consumed::default()
    }
}
