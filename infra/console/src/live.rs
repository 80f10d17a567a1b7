//! The latest requests, in bounded memory.
//!
//! At most [`SHOWN`] requests a second are kept with their details. The others are only counted, so
//! that under load a request costs the gateway only an addition. The page says how many it shows.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value};

/// The number of requests that are kept. The oldest is dropped first.
const KEPT: usize = 500;
/// The pages that may follow the requests at once.
pub(crate) const MAX_STREAMS: usize = 16;
/// The requests of one second that are shown.
const SHOWN: u64 = 50;

/// A handle on the latest requests, for the gateway that answers them.
#[derive(Clone, Debug, Default)]
pub struct Live(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// Requests answered, shown or not.
    total: AtomicU64,
    /// The second that `admitted` counts.
    second: AtomicU64,
    admitted: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    requests: VecDeque<Arc<Request>>,
    last_id: u64,
}

/// One answered request.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Its place among all that were shown; set by [`Live::push`].
    pub id: u64,
    /// The time of its end, in milliseconds since the Unix epoch.
    pub at: u64,
    /// The method; `WS` for a WebSocket.
    pub method: String,
    /// The path without the query; the route of a WebSocket.
    pub path: String,
    /// The API, such as `REST API`.
    pub api: String,
    /// The status of the response.
    pub status: u16,
    /// The caller's name, as its token states it.
    pub caller: Option<String>,
    /// True if the authorizer accepted the caller.
    pub is_verified: bool,
    /// The plan.
    pub plan: Option<String>,
    /// The requests that are left.
    pub remaining: Option<u64>,
    /// The limit that `remaining` is about.
    pub limit: Option<u64>,
    /// The seconds after which the next request is allowed.
    pub retry_after: Option<u64>,
    /// True if the caller is over its limit.
    pub is_throttled: bool,
    /// True if the API had the authorizer's result in its cache.
    pub is_cached: bool,
    /// The authorizer's code, such as `allowed` or `signature`.
    pub code: Option<String>,
    /// The reason of a refusal.
    pub reason: Option<String>,
    /// The time from the request to the response, in microseconds.
    pub took_us: u64,
    /// The rest, for a click.
    #[serde(skip)]
    pub detail: Detail,
}

/// The party that decided a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decider {
    /// The gateway, before it asked an authorizer.
    #[default]
    Gateway,
    /// No authorizer, because none guards the route.
    Nobody,
    /// Tollgate's authorizer, for this request or for a result that the API had in its cache.
    Tollgate,
    /// Another authorizer.
    Other,
}

/// All details of one request.
#[derive(Clone, Debug, Default)]
pub struct Detail {
    /// The party that decided it.
    pub decider: Decider,
    /// True for a REST API, whose configuration is the first.
    pub is_rest: bool,
    /// The ARN that the policy was evaluated for.
    pub arn: String,
    /// The token's header and claims, for display only.
    pub token: Option<(Map<String, Value>, Map<String, Value>)>,
    /// The authorizer's response.
    pub output: Option<Value>,
    /// The authorizer's record line.
    pub record: Option<Value>,
    /// The time of the authorizer's invocation, in microseconds.
    pub authorizer_us: Option<u64>,
    /// The time of the backend, in microseconds.
    pub backend_us: Option<u64>,
}

impl Live {
    /// Counts a request. Returns true if it is to be shown; `now` is monotonic.
    #[must_use]
    pub fn admit(&self, now: Duration) -> bool {
        let inner = &self.0;
        inner.total.fetch_add(1, Ordering::Relaxed);
        if inner.second.swap(now.as_secs(), Ordering::Relaxed) != now.as_secs() {
            inner.admitted.store(0, Ordering::Relaxed);
        }
        inner.admitted.fetch_add(1, Ordering::Relaxed) < SHOWN
    }

    /// Shows a request.
    pub fn push(&self, mut request: Request) {
        let mut kept = self.kept();
        kept.last_id = kept.last_id.saturating_add(1);
        request.id = kept.last_id;
        if kept.requests.len() >= KEPT {
            kept.requests.pop_front();
        }
        kept.requests.push_back(Arc::new(request));
    }

    /// The number of requests that were answered.
    pub(crate) fn total(&self) -> u64 {
        self.0.total.load(Ordering::Relaxed)
    }

    /// The request of this id, if it is still kept.
    pub(crate) fn get(&self, id: u64) -> Option<Arc<Request>> {
        self.kept().requests.iter().find(|request| request.id == id).cloned()
    }

    /// The kept requests after this id.
    pub(crate) fn since(&self, id: u64) -> Vec<Arc<Request>> {
        self.kept().requests.iter().filter(|request| request.id > id).cloned().collect()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_is_bounded_and_the_oldest_goes_first() {
        let live = Live::default();
        for _ in 0..KEPT + 7 {
            live.push(Request::default());
        }
        assert_eq!(live.kept().requests.len(), KEPT);
        assert!(live.get(7).is_none() && live.get(8).is_some());
        assert_eq!(live.since(500).len(), 7);
    }

    #[test]
    fn a_second_shows_so_many_and_the_next_one_as_many_again() {
        let live = Live::default();
        let admitted = |second| {
            let now = Duration::from_secs(second);
            (0..1_000).filter(|_| live.admit(now)).count() as u64
        };
        assert_eq!((admitted(1), admitted(1), admitted(2)), (SHOWN, 0, SHOWN));
        assert_eq!(live.0.total.load(Ordering::Relaxed), 3_000);
    }
}
