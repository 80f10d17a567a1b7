//! The open connections of WebSocket APIs, by their ids, and the bounds that they share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use super::MAX_MESSAGE;

/// The messages to one client that may wait to be sent.
const QUEUE: usize = 64;
/// The bytes of messages that may wait for one client.
const MAX_WAITING: usize = 8 * MAX_MESSAGE;
/// The bytes of messages that may wait for all clients together.
const MAX_WAITING_IN_ALL: usize = 512 * MAX_MESSAGE;
/// The bytes of answers that may wait for all clients together.
const MAX_ANSWERS_IN_ALL: usize = 2048 * MAX_MESSAGE;
/// The messages of all clients that run.
const MAX_RUNNING_IN_ALL: usize = 512;

/// The open connections of WebSocket APIs.
#[derive(Debug)]
pub struct Registry {
    entries: Mutex<HashMap<String, Entry>>,
    /// The bytes that may wait for all clients.
    room: Arc<Semaphore>,
    /// The bytes of answers that may wait for all clients.
    answers: Arc<Semaphore>,
    /// The messages of all clients that may run.
    turns: Arc<Semaphore>,
}

#[derive(Debug)]
struct Entry {
    outgoing: mpsc::Sender<Outgoing>,
    /// The bytes that may wait for this client.
    room: Arc<Semaphore>,
    info: Arc<Info>,
}

/// A message to a client, and its shares of the bounds, which end with it.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) text: String,
    _shares: Vec<OwnedSemaphorePermit>,
}

/// The public part of a connection.
#[derive(Debug)]
pub(super) struct Info {
    /// Milliseconds since the Unix epoch.
    pub(super) connected_at: u64,
    /// The time of the last message in either direction.
    pub(super) last_active: AtomicU64,
    /// The client's address and user agent.
    pub(super) identity: Value,
}

/// Reasons why a message cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsent {
    Gone,
    Full,
}

/// A connection's place in the registry, which ends with it.
#[derive(Debug)]
pub(super) struct Place {
    registry: Arc<Registry>,
    id: String,
    pub(super) info: Arc<Info>,
    /// The messages to the client. It ends when the connection is to be closed.
    pub(super) outgoing: mpsc::Receiver<Outgoing>,
    /// The turns in which the messages of all clients run.
    pub(super) turns: Arc<Semaphore>,
    /// The bytes of answers that may wait for all clients.
    pub(super) answers: Arc<Semaphore>,
}

impl Outgoing {
    /// An answer with its share of the room for answers, which it waits for.
    pub(super) async fn answer(text: String, room: Arc<Semaphore>) -> Option<Self> {
        let share = room.acquire_many_owned(u32::try_from(text.len()).ok()?).await.ok()?;
        Some(Self { text, _shares: vec![share] })
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            entries: Mutex::default(),
            room: Arc::new(Semaphore::new(MAX_WAITING_IN_ALL)),
            answers: Arc::new(Semaphore::new(MAX_ANSWERS_IN_ALL)),
            turns: Arc::new(Semaphore::new(MAX_RUNNING_IN_ALL)),
        }
    }
}

impl Registry {
    /// Opens a connection.
    pub(super) fn open(self: &Arc<Self>, id: &str, connected_at: u64, identity: Value) -> Place {
        let (sender, outgoing) = mpsc::channel(QUEUE);
        let last_active = AtomicU64::new(connected_at);
        let info = Arc::new(Info { connected_at, last_active, identity });
        let room = Arc::new(Semaphore::new(MAX_WAITING));
        let entry = Entry { outgoing: sender, room, info: Arc::clone(&info) };
        self.entries().insert(id.to_owned(), entry);
        let (turns, answers) = (Arc::clone(&self.turns), Arc::clone(&self.answers));
        Place { registry: Arc::clone(self), id: id.to_owned(), info, outgoing, turns, answers }
    }

    /// Sends a message to a client.
    pub(super) fn send(&self, id: &str, text: String) -> Result<(), Unsent> {
        let entries = self.entries();
        let entry = entries.get(id).ok_or(Unsent::Gone)?;
        let size = u32::try_from(text.len()).map_err(|_| Unsent::Full)?;
        let rooms = [&entry.room, &self.room].into_iter();
        let shares = rooms.map(|room| Arc::clone(room).try_acquire_many_owned(size));
        let shares: Result<Vec<_>, _> = shares.collect();
        let message = Outgoing { text, _shares: shares.map_err(|_| Unsent::Full)? };
        entry.outgoing.try_send(message).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Unsent::Full,
            mpsc::error::TrySendError::Closed(_) => Unsent::Gone,
        })
    }

    /// The public part of a connection, if it is open.
    pub(super) fn info(&self, id: &str) -> Option<Arc<Info>> {
        self.entries().get(id).map(|entry| Arc::clone(&entry.info))
    }

    /// Closes a connection, after the messages that wait; false if it is not open.
    pub(super) fn close(&self, id: &str) -> bool {
        self.entries().remove(id).is_some()
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, HashMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Info {
    /// Notes a message at this time.
    pub(super) fn touch(&self, now_ms: u64) {
        self.last_active.store(now_ms, Ordering::Relaxed);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.close(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_connection_is_open_as_long_as_its_place() {
        let registry = Arc::new(Registry::default());
        assert_eq!(registry.send("a", String::new()), Err(Unsent::Gone));
        let mut place = registry.open("a", 1, Value::Null);
        assert_eq!(registry.send("a", "one".to_owned()), Ok(()));
        assert_eq!(registry.info("a").unwrap().connected_at, 1);
        assert!(registry.close("a") && !registry.close("a"));
        assert_eq!(registry.send("a", String::new()), Err(Unsent::Gone));
        assert_eq!(place.outgoing.recv().await.unwrap().text, "one");
        assert!(place.outgoing.recv().await.is_none(), "it is to be closed");

        drop(registry.open("b", 1, Value::Null));
        assert!(registry.info("b").is_none());
    }

    #[test]
    fn a_client_that_takes_nothing_has_a_bounded_queue() {
        let registry = Arc::new(Registry::default());
        let _place = registry.open("a", 1, Value::Null);
        let sent = (0..=QUEUE).map(|_| registry.send("a", String::new()));
        assert_eq!(sent.filter(|sent| *sent == Err(Unsent::Full)).count(), 1);
    }

    /// Sends messages of the longest kind to a client until no more may wait.
    fn filled(registry: &Registry, id: &str) -> usize {
        let longest = || "a".repeat(MAX_MESSAGE);
        std::iter::repeat_with(|| registry.send(id, longest())).take_while(Result::is_ok).count()
    }

    #[tokio::test]
    async fn the_bytes_that_wait_for_one_client_and_for_all_are_bounded() {
        let registry = Arc::new(Registry::default());
        let mut places: Vec<_> =
            (0..100).map(|at| registry.open(&at.to_string(), 1, Value::Null)).collect();
        let waiting: Vec<usize> = (0..100).map(|at| filled(&registry, &at.to_string())).collect();
        assert_eq!(waiting[..64], [8; 64]);
        assert_eq!(waiting[64..], [0; 36], "64 MB wait for the others");
        // An empty message takes nothing.
        assert_eq!(registry.send("99", String::new()), Ok(()));

        // A message that is sent leaves its room to any, and so does a client that is gone.
        assert_eq!(filled(&registry, "0"), 0);
        drop(places[0].outgoing.recv().await);
        assert_eq!((filled(&registry, "1"), filled(&registry, "99")), (0, 1));
        drop(places.remove(0));
        assert_eq!(filled(&registry, "99"), 7);
    }
}
