//! The fields of a response that describe the limits, as they are at the response.
//!
//! `RateLimit-Policy` and `RateLimit` are those of draft-ietf-httpapi-ratelimit-headers-11: Lists
//! (RFC 9651) of one String for each limit. `t` is the draft's effective window, in which at most
//! `r` is available: the time until more of the limit is available, not until all of it is. `t` is
//! left out if the limit is whole, and if it would be later than `Retry-After` (the draft's "Server
//! Behavior" advises against that). A limit of 0 has `q=0` and `r=0`, without `w` and `t`, because
//! it never admits a request.
//!
//! A limit with `"enforce": false` is in neither field, because clients would slow down for it.
//! `Would-Throttle` lists those that would have refused the request.

use std::cmp::Reverse;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};

use super::authorizer::Counted;
use crate::limit::Standing;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const WOULD_THROTTLE: HeaderName = HeaderName::from_static("would-throttle");
const LEGACY_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const LEGACY_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const LEGACY_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// One limit in the fields; all times in seconds.
#[derive(Clone, Debug, Default)]
struct Shown {
    name: String,
    quota: u64,
    window: Option<u64>,
    remaining: u64,
    more_after: Option<u64>,
    whole_after: Option<u64>,
}

/// The form of the fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Style {
    /// The layer's own name and a hyphen, in front of every limit's name.
    prefix: String,
    /// Adds `X-RateLimit-*`.
    pub(super) legacy: bool,
}

impl Style {
    /// Sets a layer's name. A character other than a letter, digit, `-`, `_` or `.` becomes `_`.
    pub(super) fn name(&mut self, name: &str) {
        self.prefix = prefix(name);
    }

    /// The same style for a parent of this name.
    pub(super) fn within(&self, name: &str) -> Self {
        Self { prefix: format!("{}{}", self.prefix, prefix(name)), legacy: self.legacy }
    }

    /// The name of a limit in the fields.
    pub(super) fn named(&self, limit: &str) -> String {
        format!("{}{limit}", self.prefix)
    }

    /// Writes the standings of the limits of all levels, each in its own style.
    pub(super) fn put<'a>(
        &self,
        headers: &mut HeaderMap,
        levels: impl Iterator<Item = (Self, &'a [Standing])>,
    ) {
        let (mut shown, mut spared) = (Vec::new(), Vec::new());
        for (style, all) in levels {
            let enforced = all.iter().filter(|it| it.is_enforced());
            shown.extend(enforced.map(|it| style.show(it, all)));
            let tried = all.iter().filter(|it| it.spared).map(|it| it.limit().to_string());
            spared.extend(tried.map(|limit| format!("\"{}\"", style.named(&limit))));
        }
        self.write(headers, shown);
        append(headers, WOULD_THROTTLE, spared.into_iter());
    }

    /// Writes the tightest limit of an authorizer, which does not name it.
    pub(super) fn put_counted(&self, headers: &mut HeaderMap, counted: &Counted) {
        // An allowed request with a limit of 0 has no limit.
        if counted.limit > 0 || counted.refused.is_some() {
            let quota = counted.limit.min(MAX_INTEGER);
            let remaining = counted.remaining.min(quota);
            let name = self.named(UNNAMED);
            self.write(headers, vec![Shown { name, quota, remaining, ..Shown::default() }]);
        }
    }

    fn show(&self, standing: &Standing, all: &[Standing]) -> Shown {
        let (max, left) = (standing.max(), reachable(standing, all));
        let more_after = (left < max).then(|| {
            if standing.limit().is_rate() { until_next(standing) } else { standing.resets_after() }
        });
        // A limit of 0 is never whole, and its rate has no window.
        let is_open = max > 0;
        Shown {
            name: self.named(&standing.limit().to_string()),
            quota: max.min(MAX_INTEGER),
            window: is_open.then(|| seconds(standing.window()).max(1)),
            remaining: left.min(MAX_INTEGER),
            more_after: more_after.map(seconds),
            whole_after: is_open.then(|| seconds(standing.resets_after())),
        }
    }

    fn write(&self, headers: &mut HeaderMap, mut shown: Vec<Shown>) {
        let latest = match headers.get(RETRY_AFTER) {
            None => u64::MAX,
            // A date may be any moment.
            Some(value) => value.to_str().ok().and_then(|it| it.parse().ok()).unwrap_or_default(),
        };
        let policy =
            |it: &Shown| format!("\"{}\";q={}{}", it.name, it.quota, parameter(";w=", it.window));
        append(headers, RATELIMIT_POLICY, shown.iter().map(policy));
        // The tightest limit comes first, for clients that read only one.
        let tightness = |it: &Shown| (it.remaining, it.quota > 0, Reverse(it.more_after));
        let Some((at, _)) = shown.iter().enumerate().min_by_key(|(_, it)| tightness(it)) else {
            return;
        };
        let tightest = shown.remove(at);
        shown.insert(0, tightest);
        let limit = |it: &Shown| {
            let more_after = it.more_after.filter(|after| *after <= latest);
            format!("\"{}\";r={}{}", it.name, it.remaining, parameter(";t=", more_after))
        };
        append(headers, RATELIMIT, shown.iter().map(limit));
        if let Some(tightest) = shown.first().filter(|_| self.legacy) {
            put_legacy(headers, tightest);
        }
    }
}

/// A name and a hyphen.
fn prefix(name: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let plain = name.chars().map(|c| if plain(c) { c } else { '_' });
    plain.chain(['-']).collect()
}

/// The rest of a limit, but no more of a quota than its meter's rates let through before it resets.
///
/// Otherwise a client that spreads `r` over `t` would send faster than the plan allows (the draft's
/// "Resource Exhaustion").
fn reachable(standing: &Standing, all: &[Standing]) -> u64 {
    let limit = standing.limit();
    if limit.is_rate() {
        return standing.remaining();
    }
    let within = |rate: &Standing| {
        let refilled = standing.resets_after().as_nanos().saturating_mul(rate.max().into());
        let refilled = refilled.checked_div(rate.window().as_nanos()).unwrap_or_default();
        rate.remaining().saturating_add(u64::try_from(refilled).unwrap_or(u64::MAX))
    };
    let is_rate = |it: &&Standing| {
        it.is_enforced() && it.limit().is_rate() && it.limit().meter() == limit.meter()
    };
    all.iter().filter(is_rate).map(within).fold(standing.remaining(), u64::min)
}

/// The time until a rate has one token more than it has now.
///
/// The debt is `resets_after`. One more token is available once the debt has shrunk to that of
/// `max − remaining − 1` tokens.
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

fn parameter(name: &str, value: Option<u64>) -> String {
    value.map_or_else(String::new, |value| format!("{name}{value}"))
}

/// Appends to a List that other layers may have written.
fn append(headers: &mut HeaderMap, name: HeaderName, items: impl Iterator<Item = String>) {
    let begun = headers.get_all(&name).iter().filter_map(|it| it.to_str().ok().map(str::to_owned));
    let list: Vec<_> = begun.chain(items).collect();
    // The list is printable ASCII.
    if let Ok(value) = HeaderValue::try_from(list.join(", "))
        && !list.is_empty()
    {
        headers.insert(name, value);
    }
}

/// Writes `X-RateLimit-*` for the tightest limit of all layers, with the seconds until it is whole
/// again. Many clients know these headers, but no standard defines them.
fn put_legacy(headers: &mut HeaderMap, tightest: &Shown) {
    let inner = headers.get(LEGACY_REMAINING).and_then(|value| value.to_str().ok()?.parse().ok());
    if inner.is_some_and(|remaining: u64| remaining <= tightest.remaining) {
        return;
    }
    headers.insert(LEGACY_LIMIT, tightest.quota.into());
    headers.insert(LEGACY_REMAINING, tightest.remaining.into());
    match tightest.whole_after {
        Some(after) => headers.insert(LEGACY_RESET, after.into()),
        None => headers.remove(LEGACY_RESET),
    };
}

/// The name of a limit that the authorizer does not name.
pub(super) const UNNAMED: &str = "default";
/// The largest Integer of a structured field: RFC 9651, section 3.3.1.
const MAX_INTEGER: u64 = 999_999_999_999_999;
