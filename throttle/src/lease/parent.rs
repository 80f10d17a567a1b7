//! Leases of parents, which many instances share: pure, it receives the time.
//!
//! A parent's item must get few writes, even if the demand is far above its limit. So an instance
//! asks for at most one lease at a time. If the grant is smaller than its demand, it uses the grant
//! up and then refuses from memory until a pause is over. So 64 instances ask about 150 times a
//! second. Together they still use all refilled tokens, because a grant may take all that are free.

use std::num::NonZeroU32;
use std::time::Duration;

use super::account::{Account, Grant, Turn};
use crate::limit::{Limit, Standing};

/// The situation in which a parent is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parent<'a> {
    /// The standings of its limits as far as this instance knows them.
    pub(crate) standings: &'a [Standing],
    /// True if this instance knows anything of it.
    pub(crate) is_known: bool,
    /// True if other instances are known to use it much.
    pub(crate) is_busy: bool,
    /// True if this request comes for the first time, and not after a wait.
    pub(crate) is_new: bool,
}

impl Account {
    /// The next step of a request of a parent.
    pub(super) fn parent_turn(
        &mut self,
        cost: NonZeroU32,
        version: u64,
        now: Duration,
        parent: Parent<'_>,
    ) -> Turn {
        self.drop_older(version);
        if parent.is_new {
            self.demand.add(cost, now);
        }
        if let Some(served) = self.draw(cost, now) {
            return Turn::Served(served);
        }
        if let Some(asking) = &self.asking {
            return Turn::Wait(asking.subscribe());
        }
        if now < self.rests_until {
            return Turn::Paused;
        }
        // If many requests come for an unknown parent, only one asks. The others then use its
        // answer.
        let wanted = if parent.is_known { self.wanted(now, parent) } else { cost };
        let room = room(parent.standings, self.most.is_some());
        let is_low = wanted.get() < if parent.is_busy { LEAST_OF_BUSY } else { LEAST };
        if parent.is_known && (is_low || room.is_some_and(|room| room < LEAST_OF_BUSY)) {
            return Turn::Alone;
        }
        let most = self.most.map_or(u32::MAX, NonZeroU32::get).min(room.unwrap_or(u32::MAX));
        let tokens = NonZeroU32::new(wanted.get().min(most)).unwrap_or(cost).max(cost);
        self.asking = Some(tokio::sync::watch::Sender::new(()));
        Turn::Ask(tokens)
    }

    /// The expected demand, at least this request.
    fn wanted(&mut self, now: Duration, parent: Parent<'_>) -> NonZeroU32 {
        let least = if parent.is_busy { SHORTEST } else { SECOND };
        NonZeroU32::new(self.demand.begun(AHEAD, least, now)).unwrap_or(NonZeroU32::MIN)
    }

    /// Keeps a parent's grant. If it is less than the demand, the next one comes after a pause.
    ///
    /// `limits` are those that a first try ran into.
    pub(super) fn keep_of_parent(
        &mut self,
        cost: NonZeroU32,
        grant: Grant,
        limits: Vec<Limit>,
        now: Duration,
    ) {
        let granted = NonZeroU32::new(grant.tokens).unwrap_or(cost);
        if !limits.is_empty() {
            self.most = Some(granted);
        } else if let Some(most) = self.most {
            // The grant was as large as asked, so the next one may be larger.
            let more = most.saturating_mul(TWO);
            let wanted = self.demand.within(AHEAD, now);
            self.most = (more.get() < wanted).then_some(more);
        }
        let is_short = !limits.is_empty() || self.most.is_some();
        if is_short {
            self.pause(limits, now);
        }
        self.keep(cost, grant, now);
    }

    /// Gives up, because nothing is free at a parent: requests are refused until a pause is over.
    pub(super) fn pause(&mut self, limits: Vec<Limit>, now: Duration) {
        self.asking = None;
        self.rests_until = now.saturating_add(PAUSE);
        if !limits.is_empty() {
            self.limits = limits;
        }
    }
}

/// The most that one lease may take; `None` without a limit.
///
/// A quarter of the burst, or all of it if the demand is above the limit, and a 64th of what is left
/// of a quota.
fn room(standings: &[Standing], is_pressed: bool) -> Option<u32> {
    let most = standings.iter().map(|standing| {
        if standing.limit().is_rate() {
            let share = if is_pressed { 1 } else { SHARE_OF_BURST };
            (standing.max() / share).max(LEAST_OF_BUSY.into()).min(standing.max())
        } else {
            standing.remaining() / super::SHARE_OF_QUOTA
        }
    });
    most.min().map(|most| u32::try_from(most).unwrap_or(u32::MAX))
}

/// A lease covers the demand of this time: half of its life.
const AHEAD: Duration = Duration::from_millis(500);
/// A demand at a busy parent that has just begun is taken to have lasted this long.
const SHORTEST: Duration = Duration::from_millis(100);
/// The time from a grant that is too small to the next try.
const PAUSE: Duration = Duration::from_millis(385);
/// Below this demand, which is 8 requests a second, each request is charged by itself.
const LEAST: u32 = 4;
/// The same at a parent that other instances use much.
const LEAST_OF_BUSY: u32 = 2;
const SHARE_OF_BURST: u64 = 4;
const SECOND: Duration = Duration::from_secs(1);
const TWO: NonZeroU32 = NonZeroU32::MIN.saturating_add(1);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::bucket::{Charge, Scope, State};
    use crate::clock::{Moment, Timestamp};
    use crate::id::{PlanId, Subject};
    use crate::lease::{HeldLeases, Terms, Turn, Want};
    use crate::limit::Standings;
    use crate::plan::{Plan, PlanRecord};

    fn terms(plan: &PlanId) -> Arc<Terms> {
        let (id, rate) = (plan.clone(), Plan::per_second(1).build().unwrap());
        let record = PlanRecord { id, plan: rate, version: 1, created: Timestamp::EPOCH };
        let charge = Charge::new(&record, 1, Timestamp::EPOCH);
        let at = Moment::new(Timestamp::EPOCH, Duration::ZERO);
        let (standings, state, lasts) = (Standings::new(), State::default(), Duration::MAX);
        Arc::new(Terms { charge, state, standings, at, lasts })
    }

    proptest! {
        /// Grants may be partial or full, and requests may use less or more than they took. Never
        /// more is used than was debited, and after a partial grant nothing is asked for a while.
        #[test]
        fn never_more_is_used_than_debited(
            steps in prop::collection::vec((0..60u64, 1..30u32, 0..5u8, 0..40u32), 1..400),
        ) {
            let held = HeldLeases::of_parents();
            let (subject, plan) = (Subject::new("s").unwrap(), PlanId::new("p").unwrap());
            let terms = terms(&plan);
            let (mut now, mut used, mut debited) = (Duration::ZERO, 0, 0);
            // The end of the pause that must be kept, and of one that may be.
            let (mut must, mut may) = (Duration::ZERO, Duration::ZERO);
            for (gap, n, fate, actual) in steps {
                now += Duration::from_millis(gap);
                let cost = NonZeroU32::new(n).unwrap();
                let want = Want { subject: &subject, plan: &plan, scope: Scope::PLAN, cost };
                let parent =
                    Parent { standings: &[], is_known: true, is_busy: true, is_new: true };
                let mut until = None;
                match held.parent_turn(want, 1, now, parent) {
                    Turn::Served(served) => {
                        prop_assert!(now < served.until);
                        used += u64::from(n);
                        until = Some(served.until);
                    }
                    Turn::Wait(_) => prop_assert!(false, "nobody else asks"),
                    Turn::Paused => prop_assert!(now < may),
                    Turn::Alone => {}
                    Turn::Ask(asking) => {
                        prop_assert!(now >= must && asking.tokens() >= cost);
                        let limits = vec![Limit::BURST];
                        match fate {
                            0 => drop(asking),
                            1 => {
                                asking.pause(limits, now);
                                (must, may) = (now + PAUSE, now + PAUSE);
                            }
                            _ => {
                                let is_short = fate == 2;
                                let all = asking.tokens().get();
                                let tokens = if is_short { n.max(all / 2) } else { all };
                                debited += u64::from(tokens);
                                used += u64::from(n);
                                let (end, terms) = (now + held.life(), Arc::clone(&terms));
                                let grant = Grant { tokens, until: end, version: 1, terms };
                                let limits = if is_short { limits } else { Vec::new() };
                                asking.keep_of_parent(grant, limits, now);
                                may = now + PAUSE;
                                must = if is_short { may } else { must };
                                until = Some(end);
                            }
                        }
                    }
                }
                if let Some(until) = until.filter(|_| actual % 2 == 0) {
                    let drawn = held.drawn(want, until);
                    if let Some(beyond) = held.settle(&drawn, n, actual.into(), now) {
                        // What the lease lacks is charged to the item.
                        debited += beyond;
                        used = used + u64::from(actual) - u64::from(n);
                    }
                }
                prop_assert!(used <= debited, "{used} of {debited}");
            }
        }
    }
}
