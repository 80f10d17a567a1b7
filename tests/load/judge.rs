//! Conditions that must hold after a load, and their check.

use serde_json::Value;

use crate::calls::{Call, MILLISECOND};
use crate::run::{Happened, Seen};
use crate::scenario::{Act, Load};
use ::tests::bound::{Account, Promise};

/// The longest delay of a revocation, in nanoseconds: `cache_seconds` of the configuration, and the
/// second that it is dated ahead by.
const REVOKED_WITHIN: i128 = 3_000 * MILLISECOND;
/// The part of a run after which memory is to stay as it is: five minutes of an hour. A short run
/// has longer to warm up.
const SETTLED: [usize; 2] = [12, 4];
/// The shortest long run, in seconds.
const LONG: u64 = 600;
/// Descriptors that come and go.
const DESCRIPTORS: u64 = 16;
/// Lines besides those of requests: a start, and environments that say something once.
const OTHER_LINES: u64 = 50;

/// One condition with its result.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) promise: String,
    pub(crate) seen: String,
    pub(crate) held: bool,
}

/// One key's account, and whether its refusals are judged too.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) key: usize,
    pub(crate) promise: Promise,
    pub(crate) account: Account,
    /// True if its plan stayed as it was.
    pub(crate) kept: bool,
}

fn verdict(promise: impl Into<String>, seen: impl Into<String>, held: bool) -> Verdict {
    Verdict { promise: promise.into(), seen: seen.into(), held }
}

/// k6's thresholds, and whether each of its calls is in the log.
pub(crate) fn thresholds(seen: &Seen) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let metrics = seen.summary.get("metrics").and_then(Value::as_object);
    for (name, metric) in metrics.into_iter().flatten() {
        let thresholds = metric.get("thresholds").and_then(Value::as_object);
        for (threshold, outcome) in thresholds.into_iter().flatten() {
            let held = outcome.get("ok").and_then(Value::as_bool).unwrap_or(false);
            let values = metric.get("values").map(Value::to_string).unwrap_or_default();
            verdicts.push(verdict(format!("k6: {name} {threshold}"), values, held));
        }
    }
    let counted = seen.summary.pointer("/metrics/calls/values/count").and_then(Value::as_u64);
    let logged = seen.calls.all.len();
    verdicts.push(verdict(
        "every call is in the log",
        format!("{logged} lines, {} calls", counted.unwrap_or(0)),
        counted.is_some_and(|counted| usize::try_from(counted) == Ok(logged)) && logged > 0,
    ));
    verdicts.push(verdict("k6 ends well", seen.status.to_string(), seen.status.success()));
    verdicts
}

/// Checks the limits of all keys: not one call too many, and at most a hundredth too few.
pub(crate) fn limits(load: &Load, keys: &[Judged]) -> Vec<Verdict> {
    let sum = |of: fn(&Account) -> i128| keys.iter().map(|key| of(&key.account)).sum::<i128>();
    let most = keys.iter().map(|key| key.account.excess()).max().unwrap_or(0);
    let tightest = keys.iter().filter_map(|key| key.account.worst);
    let tightest = tightest.min_by_key(|worst| worst.allowed - worst.admitted);
    let worst = tightest.map_or(String::new(), |worst| {
        let window = (worst.to - worst.from) / MILLISECOND;
        format!("; fullest window: {} of {} in {window} ms", worst.admitted, worst.allowed)
    });
    let mut verdicts = vec![verdict(
        "no key is let through more than burst + rate·(w+S), in any window",
        format!("{} admitted, {most} too many{worst}", sum(|account| account.admitted)),
        most == 0 && !keys.is_empty(),
    )];
    let kept = || keys.iter().filter(|key| key.kept);
    let (undue, refused) = (
        kept().map(|key| key.account.undue).sum::<i128>(),
        kept().map(|key| key.account.refused).sum::<i128>(),
    );
    verdicts.push(verdict(
        "refusals are due, but for 1 % of what was admitted",
        format!("{undue} of {refused} were not"),
        kept().all(|key| key.account.undue * 100 <= key.account.admitted) && refused > 0,
    ));
    if load.busy {
        let (due, by_then) =
            kept().fold((0, 0), |(due, by), key| (due + key.account.due, by + key.account.by_then));
        verdicts.push(verdict(
            "a busy key gets its due, but for 1 %",
            format!("{by_then} by the last refusal; due: {due}"),
            kept().all(|key| key.account.missing() * 100 <= key.account.due),
        ));
    }
    verdicts
}

/// Checks that each act happened and had its effect.
pub(crate) fn acts(load: &Load, seen: &Seen) -> Vec<Verdict> {
    if load.acts.is_empty() {
        return Vec::new();
    }
    let happened = &seen.happened;
    let names: Vec<&str> = happened.iter().map(|happened| happened.act.name()).collect();
    let mut verdicts = vec![verdict(
        format!("{} things happen meanwhile", load.course().len()),
        summary(&names),
        happened.len() == load.course().len(),
    )];
    if happened.iter().any(|happened| matches!(happened.act, Act::Rotate | Act::RotateAndDrop)) {
        verdicts.extend(rotations(seen));
    }
    if happened.iter().any(|happened| happened.act == Act::RaisePlan) {
        verdicts.push(plans(load, seen));
    }
    if let Some(revoked) = happened.iter().find(|happened| happened.act == Act::Revoke) {
        verdicts.extend(revocation(seen, revoked));
    }
    verdicts
}

fn summary(names: &[&str]) -> String {
    let mut counted: Vec<(&str, usize)> = Vec::new();
    for name in names {
        match counted.iter_mut().find(|(known, _)| known == name) {
            Some((_, count)) => *count += 1,
            None => counted.push((name, 1)),
        }
    }
    counted.iter().map(|(name, n)| format!("{n} × {name}")).collect::<Vec<_>>().join(", ")
}

/// Checks that each new key's tokens are accepted, and that only dropped keys' tokens are refused.
fn rotations(seen: &Seen) -> Vec<Verdict> {
    let rotations: Vec<&Happened> = seen
        .happened
        .iter()
        .filter(|happened| matches!(happened.act, Act::Rotate | Act::RotateAndDrop))
        .collect();
    let decided = |kid: usize| {
        seen.calls.all.iter().any(|call| call.kid == kid && [200, 429].contains(&call.status))
    };
    let taken = (0..seen.calls.kids.len()).filter(|kid| decided(*kid)).count();
    // The newest key that signed anything sent before a moment; kids are in the order they came.
    let dropped = |call: &Call| {
        let drop = rotations
            .iter()
            .filter(|rotation| rotation.act == Act::RotateAndDrop && rotation.from <= call.received)
            .map(|rotation| rotation.from)
            .max();
        drop.is_some_and(|drop| {
            let before = seen.calls.all.iter().filter(|call| call.received <= drop);
            before.map(|call| call.kid).max().is_some_and(|newest| call.kid <= newest)
        })
    };
    let refused: Vec<&Call> = seen.calls.all.iter().filter(|call| call.status == 401).collect();
    let wrong = refused.iter().filter(|call| !dropped(call)).count();
    vec![
        verdict(
            "tokens of each new key are taken",
            format!("{taken} keys' tokens, {} rotations", rotations.len()),
            taken == rotations.len() + 1,
        ),
        verdict(
            "401 is for tokens whose key was dropped, and nobody else's",
            format!("{} × 401, {wrong} of them wrong", refused.len()),
            wrong == 0,
        ),
    ]
}

/// Checks that the second key got more than its lower plan allows, so its new plan applied.
fn plans(load: &Load, seen: &Seen) -> Verdict {
    let [_, (rate, burst)] = load.limits;
    let calls = || seen.calls.all.iter().filter(|call| call.key == 1);
    let first = calls().map(|call| call.sent).min().unwrap_or(0);
    let last = calls().map(|call| call.received).max().unwrap_or(0);
    let allowed = i128::from(burst) + i128::from(rate) * (last - first) / (1_000 * MILLISECOND);
    let admitted = calls().filter(|call| call.status == 200).map(|_| 1).sum::<i128>();
    verdict(
        "a plan that was raised is followed",
        format!("{admitted} admitted; {allowed} by the lower plan alone"),
        admitted * 100 > allowed * 110,
    )
}

/// Checks that the revoked client is refused from some moment on, and the other never.
fn revocation(seen: &Seen, revoked: &Happened) -> Vec<Verdict> {
    let of = |key: bool| seen.calls.all.iter().filter(move |call| (call.key == 0) == key);
    let refused = |call: &&Call| call.status == 401;
    let early = of(true).filter(|call| call.received < revoked.from).filter(refused).count();
    let after = |call: &&Call| call.sent > revoked.to + REVOKED_WITHIN;
    let late = of(true).filter(after).filter(|call| call.status != 401).count();
    let judged = of(true).filter(after).count();
    let last = of(true).filter(|call| call.status != 401).map(|call| call.sent).max();
    let took = last.map_or(0, |last| (last - revoked.to).max(0) / MILLISECOND);
    vec![
        verdict(
            "a revoked client is refused within the cache's time, and not before",
            format!("last let through after {took} ms; {late} of {judged} too late, {early} early"),
            early == 0 && late == 0 && judged > 0,
        ),
        verdict(
            "the other client is never refused for it",
            format!("{} × 401", of(false).filter(refused).count()),
            of(false).filter(refused).count() == 0 && of(false).count() > 0,
        ),
    ]
}

/// Checks memory, descriptors and the log of a long run.
pub(crate) fn soak(load: &Load, seen: &Seen, logged: (u64, u64, u64)) -> Vec<Verdict> {
    let [long, short] = SETTLED;
    let part = if load.seconds < LONG { short } else { long };
    let mut verdicts = Vec::new();
    for (name, samples) in &seen.samples {
        let settled = samples.get(samples.len() / part);
        let (Some(settled), Some(end)) = (settled, samples.last()) else { continue };
        let is_local = name == "local";
        verdicts.push(verdict(
            format!("{name}: memory at the end is at most 1.1 × that after 1/{part} of the time"),
            format!("{} kB, then {} kB", settled.resident, end.resident),
            end.resident * 10 <= settled.resident * 11,
        ));
        // k6 has connections of its own to `local`: to the API and to the issuer, for each user.
        let connections = if is_local { 2 * users(seen) } else { 0 };
        let first = samples.first().map_or(0, |sample| sample.descriptors);
        verdicts.push(verdict(
            format!("{name}: no descriptor leaks"),
            format!("{first}, then {}; {connections} for callers", end.descriptors),
            u64::try_from(end.descriptors).unwrap_or(u64::MAX)
                <= u64::try_from(first).unwrap_or(0) + connections + DESCRIPTORS,
        ));
    }
    verdicts.push(verdict(
        "memory is watched",
        format!("{} processes", seen.samples.len()),
        seen.samples.len() > 1,
    ));
    let (requests, others, bytes) = logged;
    let calls = u64::try_from(seen.calls.all.len()).unwrap_or(u64::MAX);
    verdicts.push(verdict(
        "the log has one line for each call, and no more",
        format!("{requests} lines for {calls} calls, {others} others, {bytes} bytes"),
        requests <= calls && requests > 0 && others <= OTHER_LINES,
    ));
    verdicts
}

/// The most virtual users of k6 at one time.
fn users(seen: &Seen) -> u64 {
    seen.summary.pointer("/metrics/vus_max/values/max").and_then(Value::as_u64).unwrap_or(0)
}
