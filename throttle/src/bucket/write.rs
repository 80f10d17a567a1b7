//! A conditional write: all that a store has to understand of a bucket.

use std::time::Duration;

use smallvec::SmallVec;

use super::{Counter, Meter, Stamp, State};
use crate::clock::{NANOS_A_SECOND, Timestamp};

/// Conditions on a subject's state, and the changes to make if all of them hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    /// The stamp to find; where it is the one to leave, an item without a stamp will do too.
    pub found: Option<Stamp>,
    /// The stamp to leave.
    pub stamp: Stamp,
    /// What to ask and to change of rates, at most one entry a meter.
    pub moves: SmallVec<[Move; 2]>,
    /// What to ask and to change of counters, at most one entry a counter.
    pub counts: SmallVec<[Count; 2]>,
    /// Counters to remove, whatever they show, and the grants for their periods.
    pub forgotten: SmallVec<[Counter; 2]>,
    /// How many tokens to note as returned, where the count so far is the first number.
    pub returned: Option<(u64, u64)>,
    /// How many writes were applied before, where this one is for that very state.
    pub writes: Option<u64>,
    /// When the plan was changed last before, where it must not have been changed since.
    pub unchanged: Option<Timestamp>,
    /// The moment to note as that of a change of plan.
    pub changed: Option<Timestamp>,
    /// The moment that it is made for. What a store tells of the past, it tells for this moment.
    pub now: Timestamp,
}

/// What a write asks of a `tat`, and what it makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    /// Which one.
    pub meter: Meter,
    /// What must hold before.
    pub when: When,
    /// What it becomes.
    pub to: To,
}

/// What must hold of a `tat`.
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

/// What becomes of a `tat`.
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

/// What a write asks of a counter, and what it adds to it.
///
/// A counter that isn't there shows 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Which one.
    pub counter: Counter,
    /// The least that it may show before.
    pub at_least: i64,
    /// The most that it may show before.
    pub at_most: i64,
    /// How far it moves.
    pub add: i64,
    /// The least that must have been granted for its period.
    pub granted: u64,
}

impl Write {
    /// Whether it applies to this state: what a store's condition says.
    #[must_use]
    pub fn applies(&self, state: &State) -> bool {
        self.finds(state.stamp.as_ref())
            && self.moves.iter().all(|change| change.when.holds(state.tats.get(&change.meter)))
            && self.counts.iter().all(|count| count.holds(state))
            && self.returned.is_none_or(|(so_far, _)| state.returned == so_far)
            && self.writes.is_none_or(|writes| state.writes == writes)
            && self.unchanged.is_none_or(|changed| state.changed == changed)
    }

    /// The state afterwards: what a store's update says.
    pub fn apply(&self, state: &mut State) {
        if state.stamp.as_ref() != Some(&self.stamp) {
            state.stamp = Some(self.stamp.clone());
        }
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
            state.counters.update(count.counter, |used| *used = used.saturating_add(count.add));
        }
        for counter in &self.forgotten {
            state.forget(*counter);
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

    /// The part of a state that an answer to this write tells.
    ///
    /// Of counters not asked for, it tells which may go.
    #[must_use]
    pub fn part(&self, state: &State) -> State {
        state.part(self.counts.iter().map(|count| count.counter), self.now)
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

    /// Whether an item without a stamp will do.
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
