//! Random trees: without leases every decision and every item is as the model says; with leases
//! each level keeps its bounds. Requests and answers are lost, and amounts are settled.

use proptest::prelude::*;
use proptest::sample::Index;
use tollgate_throttle::{Failure, Subject, ThrottleError};

use crate::tree::{Admitted, Event, LEVELS, Limits, NAMES, SECOND, Settled, Tree, World};

fn limits(is_busy: bool, is_user: bool) -> impl Strategy<Value = Limits> {
    let rates = if is_busy { vec![100, 200, 500] } else { vec![1, 2, 4, 10] };
    // A user's plan has every meter of its requests.
    let tokens = if is_user { Just(true).boxed() } else { any::<bool>().boxed() };
    let day = prop::option::weighted(0.3, 5..if is_busy { 900 } else { 60u64 });
    let bursts = (if is_busy { 30..200u64 } else { 3..20 }, 40..400u64);
    (bursts, prop::sample::select(rates), tokens, day).prop_map(|(bursts, rate, tokens, day)| {
        Limits { requests: (bursts.0, rate), tokens: tokens.then_some((bursts.1, 20)), day }
    })
}

fn trees(is_busy: bool) -> impl Strategy<Value = Tree> {
    let limits = [true, false, false].map(|is_user| limits(is_busy, is_user));
    let path = (prop::option::weighted(0.8, 3..5usize), prop::bool::weighted(0.8));
    let paths = [(0, path.clone()), (1, path.clone()), (2, path)].map(|(user, path)| {
        path.prop_map(move |(tenant, all)| {
            std::iter::once(user).chain(tenant).chain(all.then_some(5)).collect::<Vec<_>>()
        })
    });
    (limits, paths, prop::bool::weighted(0.3)).prop_map(move |(limits, paths, own_leases)| Tree {
        limits,
        paths,
        has_leases: is_busy,
        own_leases: is_busy && own_leases,
    })
}

fn events(is_busy: bool) -> impl Strategy<Value = Vec<(u64, Event)>> {
    let gap = if is_busy {
        prop_oneof![60 => 0..4_000_000u64, 1 => 0..2 * SECOND].boxed()
    } else {
        prop_oneof![6 => Just(0), 3 => 0..2 * SECOND, 1 => 0..100 * SECOND].boxed()
    };
    let cost = prop_oneof![5 => Just(1), 1 => Just(0), 1 => 1..=3u64];
    let tokens = prop_oneof![1 => Just(0), 1 => 1..40u64];
    let fault = prop::option::weighted(0.1, (0..3usize, any::<bool>()));
    let ask =
        (0..3usize, 0..2usize, cost, tokens, fault).prop_map(|(user, at, cost, tokens, fault)| {
            Event::Ask { user, at, amounts: [cost, tokens], fault }
        });
    let settle = (any::<Index>(), 0..5u64, 0..80u64)
        .prop_map(|(which, cost, tokens)| Event::Settle { which, actual: [cost, tokens] });
    let length = if is_busy { 100..300 } else { 1..80 };
    prop::collection::vec((gap, prop_oneof![4 => ask, 1 => settle]), length)
}

/// The subject that refused a request, as a number of its level.
fn refusing(decision: &tollgate_throttle::Decision, path: &[usize]) -> usize {
    let Some(parent) = decision.refusing_parent() else { return 0 };
    path.iter().position(|subject| NAMES[*subject] == Subject::as_str(parent)).unwrap()
}

/// Requests and settlements of a tree without leases.
fn decide_as_the_model(tree: Tree, events: Vec<(u64, Event)>) -> Result<(), TestCaseError> {
    let mut world = World::new(tree);
    for (gap, event) in events {
        world.clock.advance(std::time::Duration::from_nanos(gap));
        let path = match event {
            Event::Ask { user, at, amounts, fault } => {
                let path = world.tree.paths[user].clone();
                let fits: Vec<_> = path.iter().map(|it| world.fits(*it, amounts)).collect();
                let (decided, failing) = world.ask(user, at, amounts, fault);
                let is_remembered = world.store.writes.lock().unwrap().is_empty();
                let refusing_level = fits.iter().position(|fits| !fits);
                let stop = if decided.is_err() { failing } else { refusing_level };
                if let Some(stop) = stop.filter(|_| !is_remembered) {
                    path[..stop].iter().for_each(|it| world.take_and_return(*it, amounts));
                }
                match decided {
                    Ok(decision) if decision.is_allowed() => {
                        prop_assert!(fits.iter().all(|fits| *fits) && failing.is_none());
                        let left = path.iter().map(|it| world.take(*it, amounts)).collect();
                        let receipt = decision.into_receipt().unwrap();
                        world.admitted.push(Admitted { receipt, user, at, amounts, left, uses: 0 });
                    }
                    Ok(decision) => {
                        // What is remembered for a second may be of before something came back.
                        let now = world.now();
                        let last = path.iter().filter_map(|it| world.gave_back[*it]).max();
                        let may_err =
                            is_remembered && last.is_some_and(|last| now <= last + SECOND);
                        let by = refusing(&decision, &path);
                        prop_assert!(!fits[by] || may_err, "{:?} by {}", fits, by);
                    }
                    Err(error) => {
                        prop_assert_eq!(error, ThrottleError::Unavailable(Failure::TimedOut));
                        let failing = failing.unwrap();
                        prop_assert!(fits[..failing].iter().all(|fits| *fits));
                        // It counts as charged if the write was made, and there alone.
                        let subject = path[failing];
                        if world.shown(subject).0 != world.buckets[subject].used {
                            prop_assert!(fits[failing] && fault.unwrap().1);
                            world.take(subject, amounts);
                        }
                    }
                }
                path
            }
            Event::Settle { which, actual } => {
                let Some(settled) = world.settle(which, actual) else { continue };
                let Settled { user, amounts, left, .. } = settled;
                let path = world.tree.paths[user].clone();
                for (subject, left) in path.iter().zip(left) {
                    world.correct(*subject, amounts, actual, left);
                }
                path
            }
        };
        let now = world.now();
        for subject in path {
            let ((used, full), model) = (world.shown(subject), world.buckets[subject]);
            prop_assert_eq!(used, model.used, "{}", NAMES[subject]);
            let (full, model) = (full.map(|it| it.max(now)), model.full.map(|it| it.max(now)));
            prop_assert_eq!(full, model, "{}", NAMES[subject]);
        }
    }
    Ok(())
}

/// Requests and settlements of a tree whose levels are leased.
fn keep_the_bounds(tree: Tree, events: Vec<(u64, Event)>) -> Result<(), TestCaseError> {
    let mut world = World::new(tree);
    let mut used = [[0; 2]; 6];
    for (gap, event) in events {
        world.clock.advance(std::time::Duration::from_nanos(gap));
        match event {
            Event::Ask { user, at, amounts, fault } => {
                let path = world.tree.paths[user].clone();
                let before: Vec<_> = path.iter().map(|it| world.shown(*it).0).collect();
                let (decided, failing) = world.ask(user, at, amounts, fault);
                let amounts_of = |subject| world.amounts(subject, amounts).map(|it| it as i64);
                let may_lease = |subject: usize| {
                    let is_leased = LEVELS[subject] > 0 || world.tree.own_leases;
                    is_leased && amounts_of(subject)[1] == 0
                };
                match decided {
                    Ok(decision) if decision.is_allowed() => {
                        let (now, uses) = (world.now(), world.uses.len());
                        for subject in &path {
                            let taken = amounts_of(*subject);
                            used[*subject] = [0, 1].map(|at| used[*subject][at] + taken[at]);
                        }
                        let all = path.iter().map(|it| (now, *it, amounts_of(*it)));
                        let all: Vec<_> = all.collect();
                        world.uses.extend(all);
                        // A request of one level that a lease serves has no receipt.
                        if let Some(receipt) = decision.into_receipt() {
                            let left = Vec::new();
                            world.admitted.push(Admitted {
                                receipt,
                                user,
                                at,
                                amounts,
                                left,
                                uses,
                            });
                        }
                    }
                    Ok(decision) if failing.is_none() => {
                        let by = path[refusing(&decision, &path)];
                        for (subject, before) in path.iter().zip(before) {
                            let after = world.shown(*subject).0;
                            let is_lease = may_lease(by)
                                && may_lease(*subject)
                                && after[0] - before[0] > amounts_of(*subject)[0]
                                && after[1] == before[1];
                            prop_assert!(after == before || is_lease, "{}", NAMES[*subject]);
                        }
                    }
                    _ => {}
                }
            }
            Event::Settle { which, actual } => {
                let Some(settled) = world.settle(which, actual) else { continue };
                for (at, subject) in world.tree.paths[settled.user].clone().iter().enumerate() {
                    let taken = world.amounts(*subject, settled.amounts);
                    // Requests are settled even if none was taken.
                    for meter in (0..2).filter(|meter| taken[*meter] > 0 || *meter == 0) {
                        let overrun = actual[meter] as i64 - taken[meter] as i64;
                        used[*subject][meter] += overrun;
                        world.uses[settled.uses + at].2[meter] += overrun.min(0);
                    }
                }
            }
        }
        for (subject, used) in used.iter().enumerate() {
            let (debited, _) = world.shown(subject);
            prop_assert!(used[0] <= debited[0] && used[1] <= debited[1], "{}", NAMES[subject]);
        }
    }
    uses_fit(&world)
}

/// I2: at each level and of each meter, no window has more than the burst, and what is refilled in
/// it and in the life of a lease. What was given back counts as not used.
fn uses_fit(world: &World) -> Result<(), TestCaseError> {
    for (subject, level) in LEVELS.into_iter().enumerate() {
        let life = if level > 0 || world.tree.own_leases { SECOND } else { 0 };
        for (meter, (burst, interval)) in world.rates(subject).into_iter().enumerate() {
            let uses: Vec<_> = world.uses.iter().filter(|it| it.1 == subject).collect();
            for (from, first) in uses.iter().enumerate() {
                let mut used = 0;
                for (now, _, amounts) in &uses[from..] {
                    used += amounts[meter];
                    let fits = burst * interval + (now - first.0) + life;
                    prop_assert!(used <= (fits / interval) as i64, "{}: {used}", NAMES[subject]);
                }
            }
        }
    }
    Ok(())
}

proptest! {
    /// I1, I3, I4, I5, I7, I9, I11 and I15 of each level and meter.
    #[test]
    fn a_tree_decides_as_its_model((tree, events) in (trees(false), events(false))) {
        decide_as_the_model(tree, events)?;
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// I2, and that a refused request is charged nothing, and takes no lease if a level without
    /// leases refused it.
    #[test]
    fn a_busy_tree_keeps_the_bounds_of_each_level((tree, events) in (trees(true), events(true))) {
        keep_the_bounds(tree, events)?;
    }
}
