//! Work on long texts, which would hold up the requests of others.

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Semaphore;
use tokio::task::block_in_place;

/// The bytes of a text that is short.
const SHORT: usize = 64 * 1024;

/// The works on long texts that run at once, with all that they hold in memory.
static TURNS: Semaphore = Semaphore::const_new(2);

/// Works on a text of this length, where other requests go on if it is long.
pub(super) async fn aside<T>(length: usize, work: impl FnOnce() -> T) -> T {
    if length <= SHORT {
        return work();
    }
    // It is never closed.
    let _turn = TURNS.acquire().await;
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::CurrentThread => work(),
        _ => block_in_place(work),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn others_go_on_while_a_long_text_is_worked_on() {
        let (send, received) = channel();
        let work = move || received.recv_timeout(Duration::from_secs(60)).is_ok();
        let long = tokio::spawn(aside(SHORT + 1, work));
        tokio::spawn(async move { send.send(()) }).await.unwrap().unwrap();
        assert!(long.await.unwrap(), "the other task had no worker");
    }

    #[tokio::test]
    async fn a_runtime_of_one_thread_works_too() {
        assert_eq!(aside(SHORT + 1, || 1).await, 1);
        assert_eq!(aside(SHORT, || 2).await, 2);
    }
}
