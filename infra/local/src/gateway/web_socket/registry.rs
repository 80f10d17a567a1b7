//! The open connections of WebSocket APIs, by their ids.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::mpsc;

/// The messages to one client that may wait to be sent.
const QUEUE: usize = 64;

/// The open connections of WebSocket APIs.
#[derive(Debug, Default)]
pub struct Registry(Mutex<HashMap<String, Entry>>);

#[derive(Debug)]
struct Entry {
    outgoing: mpsc::Sender<String>,
    info: Arc<Info>,
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
    pub(super) outgoing: mpsc::Receiver<String>,
}

impl Registry {
    /// Opens a connection.
    pub(super) fn open(self: &Arc<Self>, id: &str, connected_at: u64, identity: Value) -> Place {
        let (sender, outgoing) = mpsc::channel(QUEUE);
        let last_active = AtomicU64::new(connected_at);
        let info = Arc::new(Info { connected_at, last_active, identity });
        let entry = Entry { outgoing: sender, info: Arc::clone(&info) };
        self.entries().insert(id.to_owned(), entry);
        Place { registry: Arc::clone(self), id: id.to_owned(), info, outgoing }
    }

    /// Sends a message to a client.
    pub(super) fn send(&self, id: &str, message: String) -> Result<(), Unsent> {
        let entries = self.entries();
        let entry = entries.get(id).ok_or(Unsent::Gone)?;
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
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
        assert_eq!(place.outgoing.recv().await.as_deref(), Some("one"));
        assert_eq!(place.outgoing.recv().await, None, "it is to be closed");

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
}
