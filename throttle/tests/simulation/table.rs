//! The table that all instances share, and the laws that it can be made to follow.

use std::collections::HashMap;
use std::time::Duration;

use tollgate_throttle::internal::Answer;
use tollgate_throttle::internal::{Move, State, To, When, Write};
use tollgate_throttle::{PlanId, PlanRecord, Subject, Timestamp};

use crate::metered::{is_named, of_named};

/// The way that a write is done: correctly, or in one of the ways that look correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Law {
    /// One conditional write.
    Conditional,
    /// Sabotage: the item is read, and what follows from it is written a little later.
    ReadThenWrite,
    /// Sabotage: a counter for each stretch of time that the burst takes to refill.
    FixedWindow,
    /// Sabotage: only the busy form, without its lower bound. Idle time is never lost.
    NoLowerBound,
    /// Sabotage: the same, of the rates of named meters alone.
    NoLowerBoundOfMeter,
    /// Sabotage: named meters are checked in the item as it was a moment ago, and then charged.
    CheckThenCharge,
    /// Sabotage: a settlement whose answer could be lost is made again.
    SettledTwice,
    /// Sabotage: what a request was charged stays charged if another level refuses it.
    RefundForgotten,
    /// Sabotage: a refund gives back all that was not used, whatever was refilled meanwhile.
    NaiveRefund,
    /// Sabotage: what is owed is forgotten at each write that fits.
    ForgetfulRefill,
    /// Sabotage: what was used in a period is forgotten now and then.
    ForgetfulCounter,
    /// Sabotage: an answer says that a charge was taken which was not.
    Phantom,
    /// Sabotage: what is owed is forgotten when the plan changes.
    DebtForgiven,
    /// Sabotage: a write doesn't ask under which plan the item is.
    AnyPlan,
    /// Sabotage: each plan of a subject has a bucket of its own.
    BucketPerPlan,
    /// Sabotage: a write that others came before is an error.
    RefusedAsError,
}

/// One write that changed an item.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// The number of the decision, or of its follow-up.
    pub(crate) task: usize,
    pub(crate) subject: Subject,
    /// The true time.
    pub(crate) at: u64,
    /// The time on the clock of its writer.
    pub(crate) reading: u64,
    pub(crate) before: State,
    pub(crate) after: State,
    /// The second from which the item may be deleted.
    pub(crate) expires_at: u64,
}

#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) law: Law,
    pub(crate) items: HashMap<Subject, (State, u64)>,
    /// Every version of every plan, with the true time from which it stood.
    pub(crate) plans: Vec<(u64, PlanRecord)>,
    pub(crate) commits: Vec<Commit>,
    /// States by the true time from which they stood.
    history: HashMap<Subject, Vec<(u64, State)>>,
}

impl Table {
    pub(crate) fn new(law: Law) -> Self {
        Self {
            law,
            items: HashMap::new(),
            plans: Vec::new(),
            commits: Vec::new(),
            history: HashMap::new(),
        }
    }

    /// The latest version of a plan.
    pub(crate) fn plan(&self, id: &PlanId) -> Option<PlanRecord> {
        let mut plans = self.plans.iter().rev();
        plans.find(|(_, record)| record.id == *id).map(|(_, record)| record.clone())
    }

    /// The version that a state is under.
    pub(crate) fn plan_of(&self, state: &State) -> &PlanRecord {
        let stamp = state.stamp.as_ref().expect("it was written");
        let is_it =
            |record: &PlanRecord| record.id == stamp.plan && record.version == stamp.version;
        self.plans.iter().map(|(_, record)| record).find(|record| is_it(record)).unwrap()
    }

    /// Answers a write, and says what is left to be written later, if the law wants that.
    pub(crate) fn write(
        &mut self,
        task: usize,
        at: u64,
        subject: &Subject,
        write: &Write,
    ) -> (Answer, Option<Commit>) {
        let mut before = self.items.get(subject).map(|item| item.0.clone()).unwrap_or_default();
        if self.law == Law::BucketPerPlan {
            let last = self.commits.iter().rev().find(|commit| {
                let stamp = commit.after.stamp.as_ref();
                commit.subject == *subject && stamp.is_some_and(|it| it.plan == write.stamp.plan)
            });
            before = last.map(|commit| commit.after.clone()).unwrap_or_default();
        }
        let asked = write;
        let write = match self.law {
            Law::CheckThenCharge => self.checked_before(write, subject, &before, at),
            _ => self.bent(write, &before, at),
        };
        if !write.applies(&before) {
            return (Answer::Kept(write.part(&before)), None);
        }
        let settles = asked.moves.iter().any(|it| matches!(it.to, To::Back(_)));
        let settles = settles || asked.counts.iter().any(|count| count.add < 0);
        let has_charged = self.commits.iter().any(|commit| commit.task == task);
        if self.law == Law::RefundForgotten && settles && has_charged {
            return (Answer::Applied(write.part(&before)), None);
        }
        let mut after = before.clone();
        write.apply(&mut after);
        if self.law == Law::SettledTwice && settles {
            write.apply(&mut after);
        }
        if self.law == Law::ForgetfulCounter && at.is_multiple_of(7) {
            after.counters.clear();
        }
        let answer = Answer::Applied(write.part(&after));
        let (expires_at, reading) = (write.expires_at(), write.now.as_nanos());
        let subject = subject.clone();
        let commit = Commit { task, subject, at, reading, before, after, expires_at };
        match self.law {
            Law::ReadThenWrite => return (answer, Some(commit)),
            Law::Phantom if at.is_multiple_of(5) => {}
            _ => self.commit(commit),
        }
        (answer, None)
    }

    pub(crate) fn commit(&mut self, commit: Commit) {
        self.stand(&commit.subject, commit.at, commit.after.clone());
        self.items.insert(commit.subject.clone(), (commit.after.clone(), commit.expires_at));
        self.commits.push(commit);
    }

    pub(crate) fn delete(&mut self, subject: &Subject, at: u64) {
        self.items.remove(subject);
        self.stand(subject, at, State::default());
    }

    fn stand(&mut self, subject: &Subject, at: u64, state: State) {
        self.history.entry(subject.clone()).or_default().push((at, state));
    }

    /// The states in which a subject's item was at some time from `since` to `until`.
    pub(crate) fn states(&self, subject: &Subject, since: u64, until: u64) -> Vec<State> {
        let Some(history) = self.history.get(subject) else { return vec![State::default()] };
        let first = history.iter().rposition(|(at, _)| *at < since);
        let within = history.iter().skip(first.unwrap_or(0)).take_while(|(at, _)| *at <= until);
        let before = first.is_none().then(State::default);
        before.into_iter().chain(within.map(|(_, state)| state.clone())).collect()
    }

    /// The outcome of a write under the law.
    fn bent(&self, write: &Write, before: &State, at: u64) -> Write {
        let mut write = write.clone();
        let converts = write.found.as_ref().is_some_and(|found| *found != write.stamp);
        let refunded = write.counts.iter().map(|count| -count.add).max().filter(|add| *add > 0);
        match self.law {
            Law::Conditional
            | Law::ReadThenWrite
            | Law::ForgetfulCounter
            | Law::Phantom
            | Law::BucketPerPlan
            | Law::CheckThenCharge
            | Law::SettledTwice
            | Law::RefundForgotten
            | Law::RefusedAsError => {}
            Law::FixedWindow => self.count_in_fixed_windows(&mut write, before, at),
            Law::NoLowerBound | Law::NoLowerBoundOfMeter => {
                let all = self.law == Law::NoLowerBound;
                for change in &mut write.moves {
                    if !all && !is_named(change.rate.scope) {
                        continue;
                    }
                    match (change.when, change.to) {
                        (When::AtMost(now), To::At(after))
                            if before.tats.contains_key(&change.rate) =>
                        {
                            change.to = To::Forward(after.saturating_since(now));
                        }
                        (When::Within(_, last), To::Forward(_)) => change.when = When::AtMost(last),
                        _ => {}
                    }
                }
            }
            Law::ForgetfulRefill => {
                for change in &mut write.moves {
                    if let (When::Within(now, _), To::Forward(by)) = (change.when, change.to) {
                        change.to = To::At(now.saturating_add(by));
                    }
                }
            }
            Law::NaiveRefund => {
                if let Some(unused) = refunded {
                    let unused = u64::try_from(unused).unwrap();
                    let back = |rate: tollgate_throttle::internal::RateId| Move {
                        rate,
                        when: When::Within(Timestamp::EPOCH, Timestamp::from_nanos(u64::MAX)),
                        to: To::Back(Duration::from_nanos(rate.interval.get() * unused)),
                    };
                    write.moves = before.tats.keys().copied().map(back).collect();
                }
            }
            Law::DebtForgiven => {
                if converts {
                    let forgiven = |rate: &tollgate_throttle::internal::RateId| Move {
                        rate: *rate,
                        when: When::AtMost(Timestamp::from_nanos(u64::MAX)),
                        to: To::Gone,
                    };
                    write.moves = before.tats.keys().map(forgiven).collect();
                }
            }
            Law::AnyPlan => {
                write.writes = None;
                if before.stamp.is_some() {
                    write.found.clone_from(&before.stamp);
                }
            }
        }
        write
    }

    /// Checks named meters by the state of a moment ago, and charges them whatever they show now.
    fn checked_before(&self, write: &Write, subject: &Subject, now: &State, at: u64) -> Write {
        let moment = at.saturating_sub(30_000_000);
        let states = self.states(subject, moment, moment);
        let stale = states.first().cloned().unwrap_or_default();
        let mut write = write.clone();
        if !of_named(&write, stale.stamp.as_ref()).applies(&stale) {
            return write;
        }
        for change in write.moves.iter_mut().filter(|change| is_named(change.rate.scope)) {
            if let (When::AtMost(idle), To::At(after)) = (change.when, change.to)
                && now.tat(change.rate) > idle
            {
                change.to = To::Forward(after.saturating_since(idle));
            }
            change.when = When::AtMost(Timestamp::from_nanos(u64::MAX));
        }
        write
    }

    /// Lets through a burst's worth in each stretch of time that a burst takes to refill.
    fn count_in_fixed_windows(&self, write: &mut Write, before: &State, at: u64) {
        let stamp = &write.stamp;
        let record = self.plans.iter().map(|(_, record)| record);
        let record = record.rev().find(|record| record.id == stamp.plan);
        let Some(throttle) = record.and_then(|record| record.plan.throttle()) else { return };
        for change in &mut write.moves {
            let advance = match (change.when, change.to) {
                (When::AtMost(now), To::At(after)) => after.saturating_since(now),
                (When::Within(..), To::Forward(by)) => by,
                _ => continue,
            };
            let width = change.rate.interval.get() * throttle.burst();
            let start = Timestamp::from_nanos(at / width * width);
            let end = start.saturating_add(Duration::from_nanos(width));
            // What is left of `tat` within the present window is what was taken in it.
            let after = before.tat(change.rate).max(start).saturating_add(advance);
            change.when = When::AtMost(if after <= end { end } else { Timestamp::EPOCH });
            change.to = To::At(after);
        }
    }
}
