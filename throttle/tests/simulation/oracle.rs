//! Looks at what happened, and says which invariants it breaks.

use std::collections::{BTreeMap, BTreeSet};

use throttle::bucket::State;
use throttle::{Subject, Timestamp};

use crate::reference::{Reference, interval, last_end};
use crate::run::{Outcome, Run};
use crate::table::Commit;
use crate::wire::PATIENCE;

/// An invariant of the design that did not hold, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: u32,
    pub(crate) told: String,
}

/// How long a refusal may be remembered: a second.
const REMEMBERED: u64 = 1_000_000_000;

/// Everything that a run shows to be wrong.
pub(crate) fn judge(run: &Run) -> Vec<Violation> {
    let mut found = Vec::new();
    for subject in subjects(run) {
        let commits: Vec<_> =
            run.table.commits.iter().filter(|commit| commit.subject == subject).collect();
        found.extend(i01_windows(run, &commits));
        found.extend(i03_periods(run, &commits));
        found.extend(i11_one_reference(run, &commits));
        found.extend(i10_expiry(run, &commits));
    }
    for (decision, outcome) in run.outcomes.iter().enumerate() {
        found.extend(i04_admitted_is_charged(run, decision, outcome));
        found.extend(i05_refusals(run, outcome));
        found.extend(i13_calls(outcome));
    }
    found
}

fn subjects(run: &Run) -> Vec<Subject> {
    let all = run.outcomes.iter().map(|outcome| outcome.subject.clone());
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

fn violation(invariant: u32, told: impl Into<String>) -> Option<Violation> {
    Some(Violation { invariant, told: told.into() })
}

/// What the clock said to the decision that a commit is of.
fn reading(run: &Run, commit: &Commit) -> u64 {
    run.outcomes[commit.decision].reading.expect("it charged at some moment")
}

/// I1: in every window, no more than the burst and what the rate refills in it and in S.
///
/// A window is from one commit to another, in true time. S is exactly how far the readings of
/// the commits in it are apart from the moments of their commits: clocks that differ, and the
/// time from reading the clock to the commit.
fn i01_windows(run: &Run, commits: &[&Commit]) -> Option<Violation> {
    let throttle = run.scenario.plan.throttle()?;
    let token = i128::from(interval(&run.scenario.plan));
    let burst = i128::from(throttle.burst()) * token;
    for (from, first) in commits.iter().enumerate() {
        let (mut taken, mut least, mut most) = (0, i128::MAX, i128::MIN);
        for last in &commits[from..] {
            let off = i128::from(reading(run, last)) - i128::from(last.at);
            (least, most) = (least.min(off), most.max(off));
            taken += i128::from(run.outcomes[last.decision].cost);
            let window = i128::from(last.at - first.at);
            if taken * token > burst + window + (most - least) {
                return violation(
                    1,
                    format!(
                        "{taken} taken within {window} ns, with S of {} ns, of {throttle:?}",
                        most - least
                    ),
                );
            }
        }
    }
    None
}

/// I3: no counter is above its limit, and each shows exactly what was taken in its period.
fn i03_periods(run: &Run, commits: &[&Commit]) -> Option<Violation> {
    let mut taken = BTreeMap::<String, u64>::new();
    for commit in commits {
        let now = Timestamp::from_nanos(reading(run, commit));
        for quota in run.scenario.plan.quotas() {
            let window = quota.period().window(now);
            let sum = taken.entry(window.name.clone()).or_default();
            *sum += run.outcomes[commit.decision].cost;
            let first = window.contains(Timestamp::from_nanos(run.scenario.created));
            let limit = quota.limit() - if first { quota.offset() } else { 0 };
            if *sum > limit {
                return violation(3, format!("{sum} of {limit} in {}", window.name));
            }
            let shown = commit.after.used(&window.name);
            if shown != *sum {
                return violation(3, format!("{sum} in {}, and it shows {shown}", window.name));
            }
        }
    }
    None
}

/// I4 and I9: who is let through has been charged, once; who is charged and was not told is counted.
fn i04_admitted_is_charged(run: &Run, decision: usize, outcome: &Outcome) -> Option<Violation> {
    let charged = run.table.commits.iter().filter(|commit| commit.decision == decision);
    let charged: Vec<_> = charged.map(|commit| commit.at).collect();
    if charged.len() > 1 {
        return violation(9, format!("decision {decision} was charged {} times", charged.len()));
    }
    match &outcome.result {
        Some(Ok(answer)) if answer.is_allowed() => {
            let in_time = charged.iter().any(|at| (outcome.asked..=outcome.answered).contains(at));
            if in_time {
                None
            } else {
                violation(4, format!("{decision} was admitted, not charged"))
            }
        }
        Some(Ok(_)) if !charged.is_empty() => {
            violation(3, format!("decision {decision} was refused, and charged"))
        }
        _ => None,
    }
}

/// I5: a refusal was right at some time within what may be remembered and one answer's way.
fn i05_refusals(run: &Run, outcome: &Outcome) -> Option<Violation> {
    let Some(Ok(answer)) = &outcome.result else { return None };
    let wait = answer.retry_after()?;
    let now = outcome.reading?;
    let since = outcome.asked.saturating_sub(REMEMBERED + PATIENCE);
    let states = run.table.states(&outcome.subject, since, outcome.answered);
    let right = states.iter().any(|state| {
        let verdict =
            Reference::of(state).judge(&run.scenario.plan, run.scenario.created, now, outcome.cost);
        verdict.refused_by == answer.refused_by() && u128::from(verdict.wait) == wait.as_nanos()
    });
    if right { None } else { violation(5, format!("{answer:?} follows from no state")) }
}

/// I10: an item is kept until its bucket is full and its periods have ended.
fn i10_expiry(run: &Run, commits: &[&Commit]) -> Option<Violation> {
    for commit in commits {
        let needed = tat(&commit.after).max(last_end(&run.scenario.plan, reading(run, commit)));
        if commit.expires_at * 1_000_000_000 < needed {
            return violation(10, format!("expires {} ns too early", needed - commit.expires_at));
        }
    }
    None
}

/// I11: in the order of their commits, all instances together do as one reference does.
fn i11_one_reference(run: &Run, commits: &[&Commit]) -> Option<Violation> {
    for commit in commits {
        let (now, cost) = (reading(run, commit), run.outcomes[commit.decision].cost);
        let mut reference = Reference::of(&commit.before);
        let verdict = reference.judge(&run.scenario.plan, run.scenario.created, now, cost);
        if !verdict.refused_by.is_empty() {
            return violation(11, format!("the reference refuses by {:?}", verdict.refused_by));
        }
        reference.take(&run.scenario.plan, now, cost);
        let mut after = Reference::of(&commit.after);
        // Counters of long ago are removed by a store, and kept by the reference.
        after.used.retain(|name, _| commit.before.counters.contains_key(name));
        reference.used.retain(|name, _| after.used.contains_key(name));
        if reference != after {
            return violation(11, format!("{after:?}, where the reference has {reference:?}"));
        }
    }
    None
}

/// I13: never more calls than the documented four.
fn i13_calls(outcome: &Outcome) -> Option<Violation> {
    if outcome.calls > 4 {
        return violation(13, format!("{} calls for one decision", outcome.calls));
    }
    None
}

fn tat(state: &State) -> u64 {
    state.tat.as_nanos()
}
