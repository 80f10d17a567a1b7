//! The oracle of the levels: sums in whole numbers, of what the table's items show.

use std::collections::{BTreeMap, BTreeSet};

use tollgate_throttle::{Counter, Period};

use super::{End, NAMES, Run, SECOND, Task, level};
use crate::run::LEASE;
use crate::table::Commit;

/// An invariant that does not hold, and how.
type Found = Option<(u32, String)>;

/// The number of times that a refund is tried.
const TRIES: usize = 6;

/// One change of a subject's item.
struct Change<'a> {
    commit: &'a Commit,
    task: &'a Task,
    /// The change of the counters of requests and tokens.
    moved: [i64; 2],
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A request's own amounts.
    Charge,
    /// More than that, for later requests too.
    Lease,
    /// A charge that is taken back, of this task.
    Back(usize),
    /// An overrun that is charged.
    Overrun,
}

impl Run {
    /// The first invariant that does not hold.
    pub(crate) fn judge(&self) -> Found {
        (0..NAMES.len()).find_map(|subject| {
            let changes = match self.changes(subject) {
                Ok(changes) => changes,
                Err(found) => return Some(found),
            };
            let of_meter = |meter: usize| {
                let limit = self.limits[level(subject)].rates[meter];
                limit.and_then(|limit| {
                    let debits = debits_fit(&changes, meter, limit);
                    debits
                        .or_else(|| self.used_is_debited(subject, &changes, meter))
                        .or_else(|| self.uses_fit(subject, meter, limit))
                })
            };
            self.requests_hold(subject, &changes).or_else(|| (0..2).find_map(of_meter))
        })
    }

    /// The amounts that a request takes at a subject.
    fn amounts(&self, task: &Task, subject: usize) -> [i64; 2] {
        let has_tokens = self.limits[level(subject)].rates[1].is_some();
        [task.amounts[0] as i64, if has_tokens { task.amounts[1] as i64 } else { 0 }]
    }

    /// The overrun of a settled request at a subject: below zero if it took less.
    fn overrun(&self, task: &Task, subject: usize) -> [i64; 2] {
        let reserved = self.amounts(task, subject);
        let actual = task.actual.unwrap();
        [0, 1].map(|at| if reserved[at] == 0 { 0 } else { actual[at] as i64 - reserved[at] })
    }

    /// Returns true if a lease may serve a request at a subject.
    fn may_lease(&self, task: &Task, subject: usize) -> bool {
        let takes_tokens = self.amounts(task, subject)[1] > 0;
        !takes_tokens && (level(subject) > 0 || self.own_leases && !task.receipt)
    }

    /// I3, I4 and I9: each change is a charge of all meters, a lease, what takes one charge back,
    /// or the correction by one settlement; each once, and none above a quota.
    fn changes(&self, subject: usize) -> Result<Vec<Change<'_>>, (u32, String)> {
        let mut seen = BTreeSet::new();
        let mut changes = Vec::new();
        let of_it = self.commits.iter().filter(|it| it.subject.as_str() == NAMES[subject]);
        for commit in of_it {
            let moved = ["requests", "tokens"].map(|meter| moved(commit, meter));
            if moved == [0, 0] {
                continue;
            }
            let task = &self.tasks[commit.task];
            let amounts = self.amounts(task, subject);
            let kind = match task.settles {
                None if moved == amounts => Kind::Charge,
                None if moved == amounts.map(|it| -it) => Kind::Back(commit.task),
                None if self.may_lease(task, subject) && moved[0] > amounts[0] && moved[1] == 0 => {
                    Kind::Lease
                }
                Some(of) => {
                    let overrun = self.overrun(&self.tasks[of], subject);
                    let may_lease = self.may_lease(&self.tasks[of], subject);
                    // What a lease lacks is charged.
                    let is_rest =
                        may_lease && moved[1] == 0 && (1..=overrun[0]).contains(&moved[0]);
                    if moved != overrun && !is_rest {
                        return Err((3, format!("settled by {moved:?}, not {overrun:?}")));
                    }
                    if moved.iter().any(|it| *it < 0) { Kind::Back(of) } else { Kind::Overrun }
                }
                None => return Err((3, format!("{moved:?}, not {amounts:?}"))),
            };
            let is_charge = matches!(kind, Kind::Charge | Kind::Lease);
            if !seen.insert((commit.task, is_charge)) {
                return Err((3, format!("{kind:?} of {} twice", commit.task)));
            }
            // What was drawn from a lease that has ended meanwhile comes back here.
            let was_charged = self.may_lease(task, subject) || seen.contains(&(commit.task, true));
            if kind == Kind::Back(commit.task) && !was_charged {
                return Err((3, format!("{} got back what it was not charged", commit.task)));
            }
            let used = moved_to(commit, "requests");
            let day = self.limits[level(subject)].day.filter(|_| is_charge);
            if day.is_some_and(|day| used > day as i64) {
                return Err((3, format!("{used} of {day:?} in a day")));
            }
            changes.push(Change { commit, task, moved, kind });
        }
        Ok(changes)
    }

    /// I4: an admitted request is charged. A refused one is charged nothing, and takes no lease if
    /// a level without leases refused it. I13 and I14 of each request.
    fn requests_hold(&self, subject: usize, changes: &[Change<'_>]) -> Found {
        let mut sums = BTreeMap::<usize, (bool, i64, bool)>::new();
        for change in changes.iter().filter(|it| it.task.settles.is_none()) {
            let sum = sums.entry(change.commit.task).or_default();
            match change.kind {
                Kind::Lease => sum.0 = true,
                _ => sum.1 += change.moved[0],
            }
            sum.2 |= (change.task.asked..=change.task.answered).contains(&change.commit.at);
        }
        self.tasks.iter().enumerate().find_map(|(at, task)| {
            if task.settles.is_some() || !task.path.contains(&subject) {
                return None;
            }
            let (leases, charged, is_in_time) = sums.get(&at).copied().unwrap_or_default();
            match task.end {
                End::Done if !self.may_lease(task, subject) && (charged == 0 || !is_in_time) => {
                    Some((4, format!("{at} was admitted, not charged")))
                }
                End::Refused(_)
                    if charged > 0 && !task.is_faulty && !Self::is_contended(task, at, changes) =>
                {
                    Some((3, format!("{at} was refused, and charged {charged}")))
                }
                End::Refused(by) if leases && !self.may_lease(task, by) => {
                    Some((3, format!("{at} took a lease of {}, and {by} refused", NAMES[subject])))
                }
                End::Contended => Some((14, "contention became an error".to_owned())),
                _ if task.calls > 12 * task.path.len() => {
                    Some((13, format!("{} calls for {} levels", task.calls, task.path.len())))
                }
                _ => None,
            }
        })
    }

    /// Returns true if a charge may have stayed because other refunds came before each of the six
    /// tries to give it back: each try is only for the state that the last refund left.
    fn is_contended(task: &Task, at: usize, changes: &[Change<'_>]) -> bool {
        let own = changes.iter().find(|it| it.commit.task == at && it.kind == Kind::Charge);
        own.is_some_and(|own| {
            let within = own.commit.at..=task.answered;
            let is_refund = |commit: &Commit| commit.before.returned != commit.after.returned;
            let others = changes.iter().filter(|it| within.contains(&it.commit.at));
            let refunds = others.filter(|it| it.commit.task != at && is_refund(it.commit)).count();
            refunds >= TRIES && task.calls > TRIES
        })
    }

    /// I2: at any time, no more has been used than was debited, from leases or not.
    fn used_is_debited(&self, subject: usize, changes: &[Change<'_>], meter: usize) -> Found {
        // By time. At one moment, debits come first, and what is given back last.
        let mut events = Vec::new();
        for Change { commit, moved, .. } in changes {
            let by = moved[meter];
            events.push((commit.at, if by < 0 { 3 } else { 1 }, 0, by));
        }
        for task in self.tasks.iter().filter(|task| task.path.contains(&subject)) {
            let Some(of) = task.settles else {
                if task.end == End::Done {
                    events.push((task.answered, 2, self.amounts(task, subject)[meter], 0));
                }
                continue;
            };
            let overrun = self.overrun(&self.tasks[of], subject)[meter];
            if overrun < 0 {
                events.push((task.asked, 0, overrun, 0));
            } else if task.end == End::Done {
                events.push((task.answered, 2, overrun, 0));
            }
        }
        events.sort_unstable();
        let (mut used, mut debited) = (0, 0);
        events.into_iter().find_map(|(_, _, use_of_it, debit)| {
            (used, debited) = (used + use_of_it, debited + debit);
            (used > debited).then(|| (2, format!("{used} used, {debited} debited")))
        })
    }

    /// I2: in every window, no more is used than the burst and what is refilled in it, in the life
    /// of a lease, and in S. What was given back counts as not used.
    fn uses_fit(&self, subject: usize, meter: usize, (burst, interval): (u64, u64)) -> Found {
        let life = match (level(subject), self.own_leases) {
            (0, false) => 0,
            (0, true) => u64::try_from(LEASE.as_nanos()).unwrap(),
            _ => SECOND,
        };
        // A reading, six calls at most until it is in the table, and the clocks.
        let spread = 12 * self.delay + 2 * self.offset;
        let of_it = |task: &&Task| task.settles.is_none() && task.path.contains(&subject);
        let admitted = self.tasks.iter().filter(of_it).filter(|task| task.end == End::Done);
        let mut uses: Vec<_> = admitted
            .map(|task| {
                let overrun = task.actual.map_or(0, |_| self.overrun(task, subject)[meter]);
                (task.answered, task.asked, self.amounts(task, subject)[meter] + overrun.min(0))
            })
            .collect();
        uses.sort_unstable();
        (0..uses.len()).find_map(|from| {
            let (mut used, mut first) = (0, u64::MAX);
            uses[from..].iter().find_map(|(answered, asked, amount)| {
                (used, first) = (used + amount, first.min(*asked));
                let window = answered - first + life + spread;
                let fits = i128::from(burst) * i128::from(interval) + i128::from(window);
                (i128::from(used) * i128::from(interval) > fits)
                    .then(|| (2, format!("{used} used within {window} ns, L and S included")))
            })
        })
    }
}

/// I1, I7 and I15 of the debits: in every window that ends with a charge, no more than the burst,
/// and what is refilled in it and in S. An overrun counts once it is settled, and what was given
/// back of a window's own charges counts as never taken.
fn debits_fit(changes: &[Change<'_>], meter: usize, (burst, interval): (u64, u64)) -> Found {
    let changes: Vec<_> = changes.iter().filter(|it| it.moved[meter] != 0).collect();
    for (from, first) in changes.iter().enumerate() {
        let (mut least, mut most) = (i128::MAX, i128::MIN);
        let (mut taken, mut has_lease, mut has_overrun) = (0, false, false);
        let mut charged = BTreeSet::new();
        for change in &changes[from..] {
            let off = i128::from(change.commit.reading) - i128::from(change.commit.at);
            (least, most) = (least.min(off), most.max(off));
            let moved = i128::from(change.moved[meter]);
            match change.kind {
                Kind::Charge | Kind::Lease => {
                    has_lease |= change.kind == Kind::Lease;
                    charged.insert(change.commit.task);
                    taken += moved;
                }
                Kind::Overrun => (taken, has_overrun) = (taken + moved, true),
                // One that goes up in this meter, and down in the other.
                Kind::Back(_) if moved > 0 => (taken, has_overrun) = (taken + moved, true),
                Kind::Back(of) if charged.contains(&of) || has_lease => taken += moved,
                Kind::Back(_) => {}
            }
            let window = i128::from(change.commit.at - first.commit.at) + most - least;
            let fits = i128::from(burst) * i128::from(interval) + window;
            let is_charge = matches!(change.kind, Kind::Charge | Kind::Lease);
            if is_charge && taken * i128::from(interval) > fits {
                let told = format!("{taken} of {burst} within {window} ns, S included");
                return Some((if has_overrun { 15 } else { 2 }, told));
            }
        }
    }
    None
}

/// The change of a meter's use by a commit: days are always counted.
fn moved(commit: &Commit, meter: &str) -> i64 {
    let days = commit.after.counters.keys().filter(|counter| is_day(counter, meter));
    days.map(|day| commit.after.used(*day) - commit.before.used(*day)).sum()
}

/// The use of a meter after a commit.
fn moved_to(commit: &Commit, meter: &str) -> i64 {
    let days = commit.after.counters.keys().filter(|counter| is_day(counter, meter));
    days.map(|day| commit.after.used(*day)).sum()
}

fn is_day(counter: &Counter, meter: &str) -> bool {
    counter.period() == Period::Day && counter.meter().as_str() == meter
}
