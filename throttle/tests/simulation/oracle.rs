//! Looks at what happened, and says which invariants it breaks.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_throttle::internal::{RateId, Scope};
use tollgate_throttle::{Counter, Failure, Limit, PlanRecord, Subject, ThrottleError, Timestamp};

use crate::reference::{Ask, Reference, STAGE, counters, limit, rates_of};
use crate::run::{Kind, LEASE, Outcome, Run};
use crate::table::Commit;
use crate::wire::PATIENCE;

/// An invariant of the design that did not hold, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) invariant: u32,
    pub(crate) told: String,
}

/// The longest time that a refusal may be remembered: a second.
const REMEMBERED: u64 = 1_000_000_000;
/// The longest use of a plan that cannot be looked up again: a day, and it was a minute old.
const PLAN_KEPT: u64 = 86_460_000_000_000;

/// Everything that a run shows to be wrong.
pub(crate) fn judge(run: &Run) -> Vec<Violation> {
    if run.scenario.leases {
        return i02_leases(run).into_iter().collect();
    }
    let mut found = Vec::new();
    for subject in subjects(run) {
        let commits: Vec<_> = run
            .table
            .commits
            .iter()
            .filter(|commit| commit.subject == subject)
            .map(|commit| Step::new(run, commit))
            .collect();
        found.extend(i01_windows(&commits));
        found.extend(i03_periods(&commits));
        found.extend(i08_plans(&commits));
        found.extend(i10_expiry(&commits));
        found.extend(i11_one_reference(&commits));
    }
    for (task, outcome) in run.outcomes.iter().enumerate() {
        found.extend(i04_admitted_is_charged(run, task, outcome));
        found.extend(i05_refusals(run, outcome));
        found.extend(i13_calls(outcome));
        found.extend(i14_contention(outcome));
    }
    found
}

/// A commit, with what is known of it from elsewhere.
struct Step<'a> {
    commit: &'a Commit,
    outcome: &'a Outcome,
    /// The plan that the bucket is under afterwards.
    record: &'a PlanRecord,
    /// The versions of the request's plan that it may have been made under.
    own: Vec<&'a PlanRecord>,
    /// The time on the clock of its writer.
    reading: u64,
    /// True if it took the cost of a request.
    charges: bool,
}

impl<'a> Step<'a> {
    fn new(run: &'a Run, commit: &'a Commit) -> Self {
        let outcome = &run.outcomes[commit.task];
        let today = |counter: &&Counter| counter.period() == tollgate_throttle::Period::Day;
        let charges = outcome.kind == Kind::Decision
            && commit
                .after
                .counters
                .keys()
                .filter(today)
                .any(|counter| commit.after.used(*counter) > commit.before.used(*counter));
        let reading = outcome.reading.expect("it read its clock");
        let record = run.table.plan_of(&commit.after);
        let own = plans(run, outcome, outcome.asked.saturating_sub(PLAN_KEPT + PATIENCE));
        Self { commit, outcome, record, own, reading, charges }
    }

    /// The request as it was made under this version of its plan.
    fn ask(&self, record: &'a PlanRecord) -> Ask<'a> {
        let Outcome { method, cost, .. } = *self.outcome;
        let guest = (&record.id, record.version) != (&self.record.id, self.record.version);
        Ask { record, method, now: self.reading, cost, guest }
    }

    /// True if the bucket stays under a plan that is not the request's.
    fn is_guest(&self) -> bool {
        self.record.id != self.outcome.plan
    }

    /// The method that was called.
    fn scope(&self) -> Option<Scope> {
        self.outcome.method.map(|method| Scope::method(STAGE.0, STAGE.1, method))
    }

    fn gives_back(&self) -> bool {
        matches!(self.outcome.kind, Kind::Settlement { actual } if actual < self.outcome.cost)
    }

    /// By how many nanoseconds its reading is off the moment of its commit.
    fn off(&self) -> i128 {
        i128::from(self.reading) - i128::from(self.commit.at)
    }
}

fn subjects(run: &Run) -> Vec<Subject> {
    let all = run.outcomes.iter().map(|outcome| outcome.subject.clone());
    all.collect::<BTreeSet<_>>().into_iter().collect()
}

fn violation(invariant: u32, told: impl Into<String>) -> Option<Violation> {
    Some(Violation { invariant, told: told.into() })
}

/// I1: in every window, no more than the burst and what the rate refills in it and in S.
///
/// Of the plan's own rate and of each method's. A window is from one commit to another, in true
/// time. S is exactly how far the readings of the commits in it are apart from the moments of
/// their commits: clocks that differ, and the time from reading the clock to the commit. If
/// there are several plans (I14), the largest burst and the fastest rate of those in the window
/// count. What was given back (I7) counts as never taken in the windows that hold both.
fn i01_windows(steps: &[Step<'_>]) -> Option<Violation> {
    let plans = steps.iter().flat_map(|step| step.own.iter().chain([&step.record]));
    let scopes: BTreeSet<_> =
        plans.flat_map(|record| rates_of(&record.plan)).map(|(scope, _)| scope).collect();
    scopes.into_iter().find_map(|scope| i01_windows_of(scope, steps))
}

fn i01_windows_of(scope: Scope, steps: &[Step<'_>]) -> Option<Violation> {
    for (from, first) in steps.iter().enumerate() {
        let (mut least, mut most) = (i128::MAX, i128::MIN);
        // In nanoseconds of the fastest rate, since the length of a token changes with the plan.
        let (mut taken, mut given) = (0, 0);
        let (mut burst, mut interval) = (0, u64::MAX);
        let mut charged = BTreeSet::new();
        let (mut refunds, mut several) = (false, false);
        for last in &steps[from..] {
            let Commit { before, after, .. } = last.commit;
            several |= last.is_guest() || last.record.id != first.record.id;
            (least, most) = (least.min(last.off()), most.max(last.off()));
            let there = before.tats.keys().chain(after.tats.keys());
            for rate in there.filter(|rate| rate.scope == scope) {
                interval = interval.min(rate.interval.get());
            }
            if scope != Scope::PLAN && last.scope() != Some(scope) {
                continue;
            }
            let Some(rate) = after.tats.keys().find(|rate| rate.scope == scope) else {
                continue;
            };
            // A change of the bucket's plan tells the version that it was made under.
            let changes = before.stamp != after.stamp && !last.is_guest();
            let own = if changes { std::slice::from_ref(&last.record) } else { &last.own[..] };
            let rates = own.iter().flat_map(|own| rates_of(&own.plan));
            let rates = rates.filter(|(of, _)| *of == scope);
            let Some(largest) = rates.map(|(_, rate)| rate.burst()).max() else { continue };
            // A version of the request's plan may have this rate, and the one that counted not.
            let moved = before.stamp != after.stamp || before.tat(*rate) != after.tat(*rate);
            if last.charges && moved {
                burst = burst.max(largest);
                charged.insert(last.commit.task);
                taken += last.outcome.cost;
            } else if last.gives_back() {
                refunds = true;
                // What a window's own charge got back, not what an earlier one did.
                if last.outcome.of.is_some_and(|of| charged.contains(&of)) {
                    let back = before.tat(*rate).saturating_since(after.tat(*rate));
                    let token = i128::from(rate.interval.get());
                    given += i128::try_from(back.as_nanos()).unwrap() * SCALE / token + 1;
                }
            }
            let window = i128::from(last.commit.at - first.commit.at) + most - least;
            let bound = (i128::from(burst) * i128::from(interval) + window) * SCALE;
            if (i128::from(taken) * SCALE - given) * i128::from(interval) > bound {
                return violation(
                    if refunds {
                        7
                    } else if several {
                        14
                    } else {
                        1
                    },
                    format!(
                        "{taken} tokens within {window} ns, S included, of {burst} and {interval} ns"
                    ),
                );
            }
        }
    }
    None
}

/// Parts of a token, so that what is given back can be told in them.
const SCALE: i128 = 1_000_000_000_000;

/// I2: in every window, what I1 allows in it and a lease's life; and never more than was debited.
///
/// For one subject with right clocks. Of S, only the time from reading the clock to the answer
/// is left: a request's calls, each given up after 100 ms.
fn i02_leases(run: &Run) -> Option<Violation> {
    let record = run.table.plans.first().map(|(_, record)| record)?;
    let rate = record.plan.throttle()?;
    let interval = u64::try_from(rate.rate().interval().as_nanos()).unwrap();
    let life = u64::try_from(LEASE.as_nanos()).unwrap();
    let mut admitted: Vec<_> = run
        .outcomes
        .iter()
        .filter(|outcome| matches!(&outcome.result, Some(Ok(answer)) if answer.is_allowed()))
        .map(|outcome| (outcome.answered, outcome.cost))
        .collect();
    admitted.sort_unstable();
    for (from, (start, _)) in admitted.iter().enumerate() {
        let mut taken = 0;
        for (end, cost) in &admitted[from..] {
            taken += cost;
            let window = end - start + life + 6 * PATIENCE;
            if taken > rate.burst() + window / interval {
                return violation(2, format!("{taken} within {window} ns, L and S included"));
            }
        }
    }
    let mut debits = run.table.commits.iter().map(|commit| {
        let moved = |counter: &Counter| commit.after.used(*counter) - commit.before.used(*counter);
        let days = commit.after.counters.keys();
        let days = days.filter(|counter| counter.period() == tollgate_throttle::Period::Day);
        (commit.at, days.map(moved).sum::<i64>() as u64)
    });
    let (mut used, mut debited, mut next) = (0, 0, debits.next());
    for (at, cost) in admitted {
        while let Some((_, debit)) = next.filter(|(debited_at, _)| *debited_at <= at) {
            debited += debit;
            next = debits.next();
        }
        used += cost;
        if used > debited {
            return violation(2, format!("{used} admitted, {debited} debited"));
        }
    }
    let limit = limit(record, tollgate_throttle::Period::Day, run.scenario.start);
    let shown = run.table.commits.iter().flat_map(|commit| commit.after.counters.values());
    let most = shown.copied().max().unwrap_or(0);
    if limit.is_some_and(|limit| most > limit) {
        return violation(3, format!("{most} of {limit:?} in a day"));
    }
    None
}

/// I3: no counter is above its limit, and each shows exactly what was taken in its period.
fn i03_periods(steps: &[Step<'_>]) -> Option<Violation> {
    let mut sums = BTreeMap::<Counter, i64>::new();
    for step in steps {
        let (before, after) = (&step.commit.before, &step.commit.after);
        for (counter, shown) in &after.counters {
            let moved = shown - before.used(*counter);
            let expected = match step.outcome.kind {
                Kind::Decision if step.charges => {
                    let counts = |own: &&PlanRecord| {
                        counters(&own.plan, step.reading).contains(counter) == (moved != 0)
                    };
                    // By one of the versions that the request's plan had, it moves or it doesn't.
                    let moves = if step.own.iter().any(counts) { moved != 0 } else { moved == 0 };
                    i64::from(moves) * step.outcome.cost as i64
                }
                Kind::Decision => 0,
                // A refund may find nothing to give back any more.
                Kind::Settlement { actual } if moved != 0 => {
                    actual as i64 - step.outcome.cost as i64
                }
                Kind::Settlement { .. } => 0,
            };
            if moved != expected {
                return violation(3, format!("{counter} moved by {moved}, not by {expected}"));
            }
            let sum = sums.entry(*counter).or_default();
            *sum += moved;
            if sum != shown {
                return violation(3, format!("{sum} in {counter}, and it shows {shown}"));
            }
            let above = |own: &&PlanRecord| {
                let limit = limit(own, counter.period(), step.reading);
                limit.is_some_and(|limit| *shown > limit)
            };
            if expected > 0 && step.outcome.kind == Kind::Decision && step.own.iter().all(above) {
                return violation(3, format!("{shown} in {counter} are above the quota"));
            }
        }
    }
    None
}

/// I8: nobody replaces a plan's version by an older one, and what is owed stays, in tokens.
fn i08_plans(steps: &[Step<'_>]) -> Option<Violation> {
    for step in steps {
        if let (Some(before), Some(after)) = (&step.commit.before.stamp, &step.commit.after.stamp)
            && before.supersedes(after)
        {
            return violation(8, format!("{before} reverted to {after}"));
        }
        let mut debt = Reference::of(&step.commit.before);
        debt.change(step.record, step.reading);
        if step.charges {
            debt.take(step.ask(step.record));
        }
        if step.outcome.kind == Kind::Decision
            && step.commit.before.stamp != step.commit.after.stamp
            && !owed(&debt, step).eq(&owed(&Reference::of(&step.commit.after), step))
        {
            let (before, after) = (&step.commit.before, &step.commit.after);
            return violation(
                8,
                format!("{before:?} became {after:?} at {}, not {debt:?}", step.reading),
            );
        }
    }
    None
}

fn owed(state: &Reference, step: &Step<'_>) -> BTreeMap<RateId, u64> {
    state.clone().without_the_past(step.reading).tats
}

/// I4 and I9: who is let through has been charged, once; who is charged and was not told is counted.
fn i04_admitted_is_charged(run: &Run, task: usize, outcome: &Outcome) -> Option<Violation> {
    let charged = run.table.commits.iter().filter(|commit| commit.task == task);
    let charged: Vec<_> =
        charged.map(|commit| Step::new(run, commit)).filter(|step| step.charges).collect();
    if charged.len() > 1 {
        return violation(9, format!("{task} was charged {} times", charged.len()));
    }
    match &outcome.result {
        Some(Ok(answer)) if answer.is_allowed() => {
            let asked = outcome.asked..=outcome.answered;
            let in_time = charged.iter().any(|step| asked.contains(&step.commit.at));
            if in_time { None } else { violation(4, format!("{task} was admitted, not charged")) }
        }
        Some(Ok(_)) if !charged.is_empty() => {
            violation(3, format!("{task} was refused, and charged"))
        }
        _ => None,
    }
}

/// I5: a refusal was right at some time within what may be remembered and one answer's way.
///
/// Under the plan as it was then, or as it was when it was last looked up.
fn i05_refusals(run: &Run, outcome: &Outcome) -> Option<Violation> {
    let Some(Ok(answer)) = &outcome.result else { return None };
    let wait = answer.retry_after()?;
    let now = outcome.reading?;
    let since = outcome.asked.saturating_sub(REMEMBERED + PATIENCE);
    let states = run.table.states(&outcome.subject, since, outcome.answered);
    let plans = plans(run, outcome, since.saturating_sub(PLAN_KEPT + PATIENCE));
    if answer.refused_by() == [Limit::CONTENTION] {
        return None;
    }
    let judge = |record| {
        let of =
            move |guest| Ask { record, method: outcome.method, now, cost: outcome.cost, guest };
        let judge = move |state| [false, true].map(|guest| Reference::of(state).judge(of(guest)));
        states.iter().flat_map(judge)
    };
    let verdicts: Vec<_> = plans.into_iter().flat_map(judge).collect();
    let right = verdicts.iter().any(|verdict| {
        // What is remembered may know of some limits only: those that are named do refuse.
        let by = answer.refused_by();
        by.iter().all(|limit| verdict.refused_by.contains(limit))
            && wait.as_nanos() <= u128::from(verdict.wait)
    });
    if right { None } else { violation(5, format!("{answer:?} is none of {verdicts:?}")) }
}

/// The versions of an outcome's plan that stood at some time since.
fn plans<'a>(run: &'a Run, outcome: &Outcome, since: u64) -> Vec<&'a PlanRecord> {
    let of_it = run.table.plans.iter().filter(|(_, record)| record.id == outcome.plan);
    let of_it: Vec<_> = of_it.filter(|(at, _)| *at <= outcome.answered).collect();
    let first = of_it.iter().rposition(|(at, _)| *at <= since).unwrap_or(0);
    of_it[first..].iter().map(|(_, record)| record).collect()
}

/// I10: an item is kept until its buckets are full and its periods have ended.
fn i10_expiry(steps: &[Step<'_>]) -> Option<Violation> {
    for step in steps {
        let ends = step.own.iter().flat_map(|own| counters(&own.plan, step.reading));
        let ends: Vec<_> = ends.collect();
        let ends = ends.iter().map(|counter| {
            let now = Timestamp::from_nanos(step.reading);
            counter.period().window(now).end
        });
        let full = step.commit.after.tats.values().copied();
        let needed = full.chain(ends).max().map_or(0, Timestamp::as_nanos);
        // What is owed beyond a burst (a surcharge, a change to a slower rate) is paid in time.
        if step.charges && step.commit.expires_at * 1_000_000_000 < needed {
            return violation(10, format!("expires at {}, too early", step.commit.expires_at));
        }
    }
    None
}

/// I11: in the order of their commits, all instances together do as one reference does.
fn i11_one_reference(steps: &[Step<'_>]) -> Option<Violation> {
    for step in steps.iter().filter(|step| step.charges) {
        let after = Reference::of(&step.commit.after).without_the_past(step.reading);
        let wrong = |own: &&PlanRecord| {
            let mut reference = Reference::of(&step.commit.before);
            let verdict = reference.judge(step.ask(own));
            if !verdict.refused_by.is_empty() {
                return Some(format!("the reference refuses by {:?}", verdict.refused_by));
            }
            reference.take(step.ask(own));
            let reference = reference.without_the_past(step.reading);
            (reference != after)
                .then(|| format!("{after:?}, where the reference has {reference:?}"))
        };
        let wrong: Option<Vec<_>> = step.own.iter().map(wrong).collect();
        if let Some(told) = wrong.and_then(|wrong| wrong.into_iter().next_back()) {
            return violation(11, told);
        }
    }
    None
}

/// I14: too much demand for one item is no error, and is refused for a second at most.
///
/// It is refused only after all calls were used up, or because DynamoDB throttled the item.
fn i14_contention(outcome: &Outcome) -> Option<Violation> {
    match outcome.result.as_ref()? {
        Err(ThrottleError::Unavailable(Failure::Contended { .. } | Failure::HotKey)) => {
            violation(14, "contention became an error")
        }
        Ok(answer) if answer.is_degraded() => violation(14, "it was decided without the table"),
        Ok(answer) if answer.refused_by() == [Limit::CONTENTION] => {
            let wait = answer.retry_after().unwrap_or_default().as_nanos();
            let (used_up, hot) = (outcome.calls >= 6, outcome.calls > 0 && outcome.hot);
            if !(used_up || hot) || wait == 0 || wait > 1_000_000_000 {
                return violation(14, format!("{} calls, to wait {wait} ns", outcome.calls));
            }
            None
        }
        _ => None,
    }
}

/// I13: never more calls than the documented six.
fn i13_calls(outcome: &Outcome) -> Option<Violation> {
    if outcome.calls > 6 {
        return violation(13, format!("{} calls for one decision", outcome.calls));
    }
    None
}
