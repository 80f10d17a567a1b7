//! The table that all instances share, and the laws that it can be made to follow.

use std::collections::HashMap;

use throttle::bucket::{Charge, Form, State};
use throttle::store::Answer;
use throttle::{PlanId, PlanRecord, Subject};

/// How a write is done: rightly, or in one of the ways that look right.
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
    /// Sabotage: a write that fits starts from a full bucket.
    ForgetfulRefill,
    /// Sabotage: what was used in a period is forgotten now and then.
    ForgetfulCounter,
    /// Sabotage: an answer says that a charge was taken which was not.
    Phantom,
}

/// One write that changed an item.
#[derive(Clone, Debug)]
pub(crate) struct Commit {
    /// Whose: the decision's number.
    pub(crate) decision: usize,
    pub(crate) subject: Subject,
    /// The true time.
    pub(crate) at: u64,
    pub(crate) before: State,
    pub(crate) after: State,
    /// The second from which the item may be deleted.
    pub(crate) expires_at: u64,
}

#[derive(Debug)]
pub(crate) struct Table {
    law: Law,
    pub(crate) items: HashMap<Subject, (State, u64)>,
    pub(crate) plans: HashMap<PlanId, PlanRecord>,
    pub(crate) commits: Vec<Commit>,
    /// States by the true time from which they stood.
    pub(crate) history: HashMap<Subject, Vec<(u64, State)>>,
}

impl Table {
    pub(crate) fn new(law: Law) -> Self {
        Self {
            law,
            items: HashMap::new(),
            plans: HashMap::new(),
            commits: Vec::new(),
            history: HashMap::new(),
        }
    }

    /// Answers a write, and says what is left to be written later, if the law wants that.
    pub(crate) fn take(
        &mut self,
        decision: usize,
        at: u64,
        subject: &Subject,
        charge: &Charge,
        form: Form,
    ) -> (Answer, Option<Commit>) {
        let before = self.items.get(subject).map(|item| item.0.clone()).unwrap_or_default();
        let Some(after) = self.law.apply(charge, form, &before) else {
            return (Answer::Kept(before), None);
        };
        let answer = Answer::Taken(after.clone());
        let expires_at = charge.expires_at;
        let commit = Commit { decision, subject: subject.clone(), at, before, after, expires_at };
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
        let mut states: Vec<_> = history
            .iter()
            .skip(first.unwrap_or(0))
            .take_while(|(at, _)| *at <= until)
            .map(|(_, state)| state.clone())
            .collect();
        if first.is_none() {
            states.push(State::default());
        }
        states
    }
}

impl Law {
    /// The state after a write; none if it doesn't apply.
    fn apply(self, charge: &Charge, form: Form, before: &State) -> Option<State> {
        let mut after = before.clone();
        match self {
            Self::Conditional | Self::ReadThenWrite | Self::Phantom => {
                charge.applies(form, before).then(|| charge.apply(form, &mut after))?;
            }
            Self::ForgetfulCounter => {
                charge.applies(form, before).then(|| charge.apply(form, &mut after))?;
                if charge.now.as_nanos().is_multiple_of(7) {
                    after.counters.clear();
                }
            }
            Self::ForgetfulRefill => {
                charge.applies(form, before).then(|| charge.apply(Form::Idle, &mut after))?;
            }
            Self::NoLowerBound => {
                let fits = charge.step.is_none_or(|step| before.tat <= step.ceiling);
                fits.then(|| charge.apply(Form::Busy, &mut after))?;
            }
            Self::FixedWindow => {
                let step = charge.step?;
                // What is left of `tat` within the present window is what was taken in it.
                let width = (step.ceiling.saturating_since(charge.now) + step.advance).as_nanos();
                let width = u64::try_from(width).unwrap();
                let start = charge.now.as_nanos() / width * width;
                let taken = before.tat.as_nanos().max(start);
                let advance = u64::try_from(step.advance.as_nanos()).unwrap();
                if taken + advance > start + width {
                    return None;
                }
                charge.apply(Form::Busy, &mut after);
                after.tat = throttle::Timestamp::from_nanos(taken + advance);
            }
        }
        Some(after)
    }
}
