//! The fields of a response that describe the limits, as they stand at the response.
//!
//! `RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-10: Lists
//! (RFC 9651) of one String for each limit. `t` is when more of a limit is there, not when it
//! is whole again; it is left out where the limit is whole, and where it would lie beyond
//! `Retry-After` (the draft's "Server Behavior": that should not be the earlier one). A limit of 0
//! has `q=0` and `r=0`, without `w` and `t`: it never opens.

use std::cmp::Reverse;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use smallvec::SmallVec;

use super::authorizer::Counted;
use crate::decision::{Limit, Standing};

pub(super) const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
pub(super) const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// How a limit is shown; all times in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shown {
    name: &'static str,
    quota: u64,
    window: Option<u64>,
    remaining: u64,
    more_after: Option<u64>,
    whole_after: Option<u64>,
}

/// How the fields are written.
#[derive(Clone, Debug, Default)]
pub(super) struct Style {
    /// What stands before every limit's name: this layer's own name and a hyphen.
    pub(super) prefix: String,
    /// Whether there are `X-RateLimit-*` too.
    pub(super) legacy: bool,
}

/// A List on its way: two limits or three are kept in place.
type List = SmallVec<[u8; 128]>;

impl Style {
    /// Sets a layer's name. What isn't a letter, digit, `-`, `_` or `.` becomes `_`.
    pub(super) fn name(&mut self, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        self.prefix = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        self.prefix.push('-');
    }

    /// The name of a limit on the wire.
    pub(super) fn named(&self, limit: &str) -> String {
        format!("{}{limit}", self.prefix)
    }

    /// Writes the standings of a plan's limits.
    pub(super) fn put(&self, headers: &mut HeaderMap, standings: &[Standing]) {
        let mut shown = [EMPTY; MAX_SHOWN];
        let places = shown.iter_mut();
        let count = places.zip(standings).map(|(place, it)| *place = show(it, standings));
        let count = count.count();
        self.write(headers, shown.get(..count).unwrap_or_default());
    }

    /// Tells what the authorizer said of the tightest limit, whose name it doesn't say.
    pub(super) fn put_counted(&self, headers: &mut HeaderMap, counted: &Counted) {
        // A limit of 0 is shown where it refuses: without one, an allowed request has no limit.
        if counted.limit > 0 || counted.refused.is_some() {
            let quota = counted.limit.min(MAX_INTEGER);
            let remaining = counted.remaining.min(quota);
            self.write(headers, &[Shown { quota, remaining, name: UNNAMED, ..EMPTY }]);
        }
    }

    fn write(&self, headers: &mut HeaderMap, shown: &[Shown]) {
        let tightest =
            shown.iter().min_by_key(|it| (it.remaining, it.quota > 0, Reverse(it.more_after)));
        let Some(tightest) = tightest else { return };
        let latest = match headers.get(RETRY_AFTER) {
            None => u64::MAX,
            // A date, which may be any moment.
            Some(value) => value.to_str().ok().and_then(|it| it.parse().ok()).unwrap_or_default(),
        };
        let mut policies = List::new();
        for it in shown {
            self.item(&mut policies, it.name);
            parameter(&mut policies, ";q=", it.quota);
            if let Some(window) = it.window {
                parameter(&mut policies, ";w=", window);
            }
        }
        let mut limits = List::new();
        // Who reads the first alone reads the one that matters.
        let others = shown.iter().filter(|it| it.name != tightest.name);
        for it in std::iter::once(tightest).chain(others) {
            self.item(&mut limits, it.name);
            parameter(&mut limits, ";r=", it.remaining);
            if let Some(after) = it.more_after.filter(|after| *after <= latest) {
                parameter(&mut limits, ";t=", after);
            }
        }
        join(headers, RATELIMIT_POLICY, &policies);
        join(headers, RATELIMIT, &limits);
        if self.legacy {
            put_legacy(headers, tightest);
        }
    }

    fn item(&self, list: &mut List, name: &str) {
        let before: &[u8] = if list.is_empty() { b"\"" } else { b", \"" };
        for part in [before, self.prefix.as_bytes(), name.as_bytes(), b"\""] {
            list.extend_from_slice(part);
        }
    }
}

fn show(standing: &Standing, all: &[Standing]) -> Shown {
    let max = standing.max();
    let left = reachable(standing, all);
    let is_rate = matches!(standing.limit(), Limit::Burst | Limit::Method);
    let more_after = match left < max {
        true if is_rate => Some(until_next(standing)),
        true => Some(standing.resets_after()),
        false => None,
    };
    // A limit of 0 is never whole, and its rate has no window.
    let is_open = max > 0;
    Shown {
        name: standing.limit().name(),
        quota: max.min(MAX_INTEGER),
        window: is_open.then(|| seconds(standing.window()).max(1)),
        remaining: left.min(MAX_INTEGER),
        more_after: more_after.map(seconds),
        whole_after: is_open.then(|| seconds(standing.resets_after())),
    }
}

/// What is left of a limit, but no more of a quota than the rates let through before it resets.
///
/// A client that spreads `r` over `t` would otherwise come faster than the plan allows (the
/// draft's "Resource Exhaustion").
fn reachable(standing: &Standing, all: &[Standing]) -> u64 {
    if matches!(standing.limit(), Limit::Burst | Limit::Method) {
        return standing.remaining();
    }
    let rates = all.iter().filter(|it| matches!(it.limit(), Limit::Burst | Limit::Method));
    let within = |rate: &Standing| {
        let refilled = standing.resets_after().as_nanos().saturating_mul(rate.max().into());
        let refilled = refilled.checked_div(rate.window().as_nanos()).unwrap_or_default();
        rate.remaining().saturating_add(u64::try_from(refilled).unwrap_or(u64::MAX))
    };
    rates.map(within).fold(standing.remaining(), u64::min)
}

/// How long until a rate has one token more than it has now.
///
/// What is owed is `resets_after`; one more than `remaining` is there when it is down to that
/// of the others.
fn until_next(rate: &Standing) -> Duration {
    let interval = rate.window().as_nanos().checked_div(rate.max().into()).unwrap_or_default();
    let others = rate.max().saturating_sub(rate.remaining()).saturating_sub(1);
    let owed = rate.resets_after().as_nanos();
    let wait = owed.saturating_sub(interval.saturating_mul(others.into()));
    Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
}

/// Whole seconds, rounded up.
fn seconds(duration: Duration) -> u64 {
    let partial = u64::from(duration.subsec_nanos() > 0);
    duration.as_secs().saturating_add(partial).min(MAX_INTEGER)
}

fn parameter(list: &mut List, name: &str, value: u64) {
    list.extend_from_slice(name.as_bytes());
    let mut digits = [b'0'; 20];
    let mut rest = value;
    let mut first = digits.len();
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        // At most 9.
        *digit = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or_default());
        rest /= 10;
        first = place;
        if rest == 0 {
            break;
        }
    }
    list.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// Adds to a List what other layers may have begun.
fn join(headers: &mut HeaderMap, name: HeaderName, list: &List) {
    let mut before = headers.get_all(&name).iter().filter_map(|it| it.to_str().ok()).peekable();
    let value = if before.peek().is_none() {
        HeaderValue::from_bytes(list)
    } else {
        let mut whole = List::new();
        for part in before {
            whole.extend_from_slice(part.as_bytes());
            whole.extend_from_slice(b", ");
        }
        whole.extend_from_slice(list);
        HeaderValue::from_bytes(&whole)
    };
    // Printable ASCII alone.
    if let Ok(value) = value {
        headers.insert(name, value);
    }
}

/// The fields that many clients know, whose meaning was never agreed on: here all of the
/// tightest limit, with the seconds until it is whole again. Of several layers the tightest tells.
fn put_legacy(headers: &mut HeaderMap, tightest: &Shown) {
    let told = headers.get(LEGACY_REMAINING).and_then(|value| value.to_str().ok()?.parse().ok());
    if told.is_some_and(|told: u64| told <= tightest.remaining) {
        return;
    }
    headers.insert(LEGACY_LIMIT, tightest.quota.into());
    headers.insert(LEGACY_REMAINING, tightest.remaining.into());
    match tightest.whole_after {
        Some(after) => headers.insert(LEGACY_RESET, after.into()),
        None => headers.remove(LEGACY_RESET),
    };
}

/// The name of a limit whose name isn't known.
pub(super) const UNNAMED: &str = "default";
/// The largest Integer of a structured field: RFC 9651, section 3.3.1.
const MAX_INTEGER: u64 = 999_999_999_999_999;
/// A plan has a rate, a method's rate and a quota of each period.
const MAX_SHOWN: usize = 5;
const EMPTY: Shown =
    Shown { name: "", quota: 0, window: None, remaining: 0, more_after: None, whole_after: None };
