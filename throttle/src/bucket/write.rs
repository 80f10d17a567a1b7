//! A conditional write: the only thing that a store must understand of a bucket.

use std::time::Duration;

use super::{Counter, Meter, Stamp, State, removable};
use crate::clock::{NANOS_A_SECOND, Timestamp};

/// Conditions on a subject's state, and the changes to make if all of them hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The stamp to find; where it is the one to leave, an item without a stamp will do too.
    pub found: Option<Stamp>,
    /// The stamp to leave.
    pub stamp: Stamp,
    /// Conditions and changes of rates, at most one entry per meter.
    pub moves: Vec<Move>,
    /// Conditions and changes of counters, at most one entry per counter.
    pub counts: Vec<Count>,
    /// Counters to remove, at any count, with the grants for their periods.
    pub forgotten: Vec<Counter>,
    /// The count of returned tokens so far, which is a condition, and the tokens to add to it.
    pub returned: Option<(u64, u64)>,
    /// The number of writes before this one, if it is for that very state.
    pub writes: Option<u64>,
    /// The moment of the last change of plan, if the plan must not have changed since.
    pub unchanged: Option<Timestamp>,
    /// The moment to note as that of a change of plan.
    pub changed: Option<Timestamp>,
    /// The moment of the write. A store reports old counters as of this moment.
    pub now: Timestamp,
}

/// A condition on a `tat`, and its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// The rate.
    pub meter: Meter,
    /// The condition.
    pub when: When,
    /// The change.
    pub to: To,
}

/// The condition on a `tat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// It isn't there.
    Absent,
    /// It isn't there, or is no later than this.
    AtMost(Timestamp),
    /// It is later than the first, and no later than the second.
    Within(Timestamp, Timestamp),
    /// It is exactly this.
    Is(Timestamp),
}

/// The change of a `tat`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// It stays.
    Same,
    /// It is this.
    At(Timestamp),
    /// It moves on by so much. It must be there.
    Forward(Duration),
    /// It moves back by so much. It must be there.
    Back(Duration),
    /// It is removed.
    Gone,
}

/// A condition on a counter, and the amount to add to it.
///
/// A counter that isn't there shows 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// The counter.
    pub counter: Counter,
    /// The least that it may show before.
    pub at_least: i64,
    /// The most that it may show before.
    pub at_most: i64,
    /// The amount to add.
    pub add: i64,
    /// The least that must have been granted for its period.
    pub granted: u64,
}

impl Write {
    /// A write that finds and leaves this stamp, and changes nothing else yet.
    pub(super) fn new(stamp: &Stamp, now: Timestamp) -> Self {
        Self {
            found: Some(stamp.clone()),
            stamp: stamp.clone(),
            moves: Vec::new(),
            counts: Vec::new(),
            forgotten: Vec::new(),
            returned: None,
            writes: None,
            unchanged: None,
            changed: None,
            now,
        }
    }

    /// Returns true if it applies to this state: a store's condition.
    #[must_use]
    pub fn applies(&self, state: &State) -> bool {
        self.finds(state.stamp.as_ref())
            && self.moves.iter().all(|change| change.when.holds(state.tats.get(&change.meter)))
            && self.counts.iter().all(|count| count.holds(state))
            && self.returned.is_none_or(|(so_far, _)| state.returned == so_far)
            && self.writes.is_none_or(|writes| state.writes == writes)
            && self.unchanged.is_none_or(|changed| state.changed == changed)
    }

    /// Applies it to the state: a store's update.
    pub fn apply(&self, state: &mut State) {
        state.stamp = Some(self.stamp.clone());
        for change in &self.moves {
            let tat = state.tat(change.meter);
            let tat = match change.to {
                To::Same => continue,
                To::At(tat) => tat,
                To::Forward(by) => tat.saturating_add(by),
                To::Back(by) => tat.saturating_sub(by),
                To::Gone => {
                    state.tats.remove(&change.meter);
                    continue;
                }
            };
            state.tats.insert(change.meter, tat);
        }
        for count in &self.counts {
            let used = state.counters.entry(count.counter).or_default();
            *used = used.saturating_add(count.add);
        }
        for counter in &self.forgotten {
            state.counters.remove(counter);
            state.granted.remove(counter);
        }
        if let Some((so_far, tokens)) = self.returned {
            state.returned = so_far.saturating_add(tokens);
        }
        state.writes = state.writes.saturating_add(1);
        state.changed = self.changed.unwrap_or(state.changed);
    }

    /// Returns true if the write gives nothing back, so that applying it twice admits no more.
    pub(crate) fn only_takes(&self) -> bool {
        let gives = self.moves.iter().any(|change| matches!(change.to, To::Back(_)));
        !gives && self.returned.is_none() && self.counts.iter().all(|count| count.add >= 0)
    }

    /// The part of a state that an answer to this write reports.
    ///
    /// It leaves out the counters that the write does not count, and names those that may go.
    #[must_use]
    pub fn part(&self, state: &State) -> State {
        let mut part = state.clone();
        let is_counted = |counter: &Counter| self.counts.iter().any(|it| it.counter == *counter);
        part.counters.retain(|counter, _| is_counted(counter));
        part.granted.retain(|counter, _| is_counted(counter));
        let others = state.counters.keys().filter(|counter| !is_counted(counter));
        part.past = removable(others.map(|counter| (*counter, 0)), state.size, self.now);
        part
    }

    /// The second from which deleting the item changes no decision.
    ///
    /// No rate is owed for longer than 366 days, whatever the plan or method, and no period that
    /// counts lasts as long. With 400 days the twelve months of history last too, and it doesn't
    /// matter if a clock is behind.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.now.saturating_add(KEEP).as_nanos().div_ceil(NANOS_A_SECOND)
    }

    fn finds(&self, stamp: Option<&Stamp>) -> bool {
        match stamp {
            Some(_) => self.found.as_ref() == stamp,
            None => self.admits_unstamped(),
        }
    }

    /// Returns true if it applies to an item without a stamp.
    #[must_use]
    pub fn admits_unstamped(&self) -> bool {
        self.found.as_ref().is_none_or(|found| *found == self.stamp)
    }
}

impl When {
    fn holds(self, tat: Option<&Timestamp>) -> bool {
        match (self, tat) {
            (Self::Absent | Self::AtMost(_), None) => true,
            (Self::Within(..) | Self::Is(_), None) | (Self::Absent, Some(_)) => false,
            (Self::AtMost(last), Some(tat)) => *tat <= last,
            (Self::Within(before, last), Some(tat)) => before < *tat && *tat <= last,
            (Self::Is(exactly), Some(tat)) => *tat == exactly,
        }
    }
}

impl Count {
    fn holds(&self, state: &State) -> bool {
        (self.at_least..=self.at_most).contains(&state.used(self.counter))
            && self.granted <= state.granted(self.counter)
    }
}

const KEEP: Duration = Duration::from_secs(400 * 86_400);

/// The most that a counter may be away from zero, either way: beyond it is damage.
///
/// Four times the largest quota; a counter that has been granted as much is below zero.
pub(crate) const MAX_COUNT: i64 = 4_000_000_000_000_000;
