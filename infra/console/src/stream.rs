//! The stream of requests: server-sent events to a bounded number of pages.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::StreamExt as _;
use futures_util::stream::{Stream, once, unfold};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use crate::live::{Live, MAX_STREAMS};
use crate::problem::Problem;
use crate::state::Shared;

/// The time between two messages of the stream, and after one of many requests: drawing a page
/// takes processor time from the gateway on the same machine.
const TICK: Duration = Duration::from_millis(150);
const BUSY_TICK: Duration = Duration::from_secs(1);
/// The number of answered requests between two messages up to which they are few.
const FEW: u64 = 4;

/// `GET /api/requests`: the kept requests, and then each new one, as server-sent events. If too
/// many pages follow, the next one gets one event, `full`.
pub(crate) async fn follow(
    State(state): Shared,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let missing = || Problem::missing("requests are shown by `local` alone");
    let live = state.live.clone().ok_or_else(missing)?;
    let stream = match Arc::clone(&state.streams).try_acquire_owned() {
        Ok(place) => {
            let start =
                Follower { live, last: 0, told: None, pause: Duration::ZERO, _place: place };
            let next = async |mut follower: Follower| {
                let event = follower.next().await;
                Some((Ok(event), follower))
            };
            unfold(start, next).left_stream()
        }
        // A browser hides the status and the body of a refused stream from the page.
        Err(_) => {
            let full = Event::default().event("full").data(MAX_STREAMS.to_string());
            once(ready(Ok(full))).right_stream()
        }
    };
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(Duration::from_secs(5))))
}

/// A page that follows the requests.
struct Follower {
    live: Live,
    /// The newest request and the count that were sent to it.
    last: u64,
    told: Option<u64>,
    /// The time until its next message.
    pause: Duration,
    /// Its place among the streams, which is free again when the stream ends.
    _place: OwnedSemaphorePermit,
}

impl Follower {
    /// The next message, as soon as there is anything new.
    async fn next(&mut self) -> Event {
        tokio::time::sleep(self.pause).await;
        loop {
            let total = self.live.total();
            let requests = self.live.since(self.last);
            // A request is counted first and shown later.
            if self.told != Some(total) || !requests.is_empty() {
                let answered = total.saturating_sub(self.told.unwrap_or_default());
                self.last = requests.last().map_or(self.last, |request| request.id);
                self.told = Some(total);
                self.pause = if answered > FEW { BUSY_TICK } else { TICK };
                let data = json!({"total": total, "shown": self.last, "requests": requests});
                return Event::default().data(data.to_string());
            }
            tokio::time::sleep(TICK).await;
        }
    }
}
