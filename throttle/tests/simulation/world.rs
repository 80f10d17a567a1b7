//! Virtual time, and one thread that runs everything in an order that a seed decides.
//!
//! There is a queue of actions by the moment at which they happen, and a set of tasks that can go
//! on. Time stands still while any task can; of several that can, the seed chooses one.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use crate::random::Random;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
type Action = Box<dyn FnOnce() + Send>;

/// The true time, what will happen, and who can go on.
pub(crate) struct World {
    inner: Mutex<Inner>,
    ready: Arc<Mutex<Vec<usize>>>,
}

struct Inner {
    now: u64,
    random: Random,
    /// By moment, then by chance, then in order.
    agenda: BinaryHeap<Reverse<(u64, u64, u64)>>,
    actions: HashMap<u64, Action>,
    sequence: u64,
    tasks: BTreeMap<usize, Task>,
    current: Option<usize>,
}

struct Bell {
    task: usize,
    ready: Arc<Mutex<Vec<usize>>>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        let mut ready = self.ready.lock().unwrap();
        if !ready.contains(&self.task) {
            ready.push(self.task);
        }
    }
}

impl World {
    pub(crate) fn new(now: u64, random: Random) -> Arc<Self> {
        let inner = Inner {
            now,
            random,
            agenda: BinaryHeap::new(),
            actions: HashMap::new(),
            sequence: 0,
            tasks: BTreeMap::new(),
            current: None,
        };
        Arc::new(Self { inner: Mutex::new(inner), ready: Arc::default() })
    }

    /// The true time, in nanoseconds since the epoch.
    pub(crate) fn now(&self) -> u64 {
        self.inner.lock().unwrap().now
    }

    /// The task that is being run.
    pub(crate) fn current(&self) -> usize {
        self.inner.lock().unwrap().current.expect("only tasks ask")
    }

    /// Does something `after` so many nanoseconds.
    pub(crate) fn after(&self, after: u64, action: impl FnOnce() + Send + 'static) {
        let mut inner = self.inner.lock().unwrap();
        inner.sequence += 1;
        let key = (inner.now + after, inner.random.next(), inner.sequence);
        let sequence = inner.sequence;
        inner.agenda.push(Reverse(key));
        inner.actions.insert(sequence, Box::new(action));
    }

    /// Runs a task under a name of its own.
    pub(crate) fn spawn(&self, name: usize, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.lock().unwrap().tasks.insert(name, Box::pin(task));
        self.ready.lock().unwrap().push(name);
    }

    /// Ends a task where it stands; says whether it was still under way.
    pub(crate) fn kill(&self, name: usize) -> bool {
        // Taken out under the lock, dropped after it: a drop may wake others.
        let task = self.inner.lock().unwrap().tasks.remove(&name);
        task.is_some()
    }

    /// Runs until nothing is left to do.
    pub(crate) fn run(&self) {
        while self.step(u64::MAX) {}
        let left = self.inner.lock().unwrap().tasks.len();
        assert_eq!(left, 0, "tasks wait for something that never comes");
    }

    /// Runs for so many nanoseconds, whatever is left to do afterwards.
    pub(crate) fn run_for(&self, nanos: u64) {
        let until = self.now() + nanos;
        while self.step(until) {}
        self.inner.lock().unwrap().now = until;
    }

    /// Runs all that can go on, and what happens next; says whether anything did until then.
    fn step(&self, until: u64) -> bool {
        while let Some(name) = self.choose() {
            self.poll(name);
        }
        let action = {
            let mut inner = self.inner.lock().unwrap();
            let next = inner.agenda.pop();
            let Some(Reverse((moment, order, sequence))) = next else { return false };
            if moment > until {
                inner.agenda.push(Reverse((moment, order, sequence)));
                return false;
            }
            inner.now = moment;
            inner.actions.remove(&sequence).unwrap()
        };
        action();
        true
    }

    fn choose(&self) -> Option<usize> {
        let mut ready = self.ready.lock().unwrap();
        if ready.is_empty() {
            return None;
        }
        // Those that wait for one lease are woken in an order that `tokio` draws by itself.
        ready.sort_unstable();
        let chosen = self.inner.lock().unwrap().random.below(ready.len() as u64);
        Some(ready.swap_remove(usize::try_from(chosen).unwrap()))
    }

    fn poll(&self, name: usize) {
        let task = {
            let mut inner = self.inner.lock().unwrap();
            inner.current = Some(name);
            inner.tasks.remove(&name)
        };
        // One that was killed may still be woken.
        let Some(mut task) = task else { return };
        let waker = Waker::from(Arc::new(Bell { task: name, ready: Arc::clone(&self.ready) }));
        if task.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
            self.inner.lock().unwrap().tasks.insert(name, task);
        }
    }
}

/// The answer that a task waits for; the first answer stays.
pub(crate) struct Slot<T>(Mutex<(Option<T>, Option<Waker>)>);

impl<T> Slot<T> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new((None, None))))
    }

    pub(crate) fn fill(&self, answer: T) {
        let waker = {
            let mut slot = self.0.lock().unwrap();
            slot.0.get_or_insert(answer);
            slot.1.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(crate) async fn wait(&self) -> T {
        std::future::poll_fn(|context| {
            let mut slot = self.0.lock().unwrap();
            match slot.0.take() {
                Some(answer) => Poll::Ready(answer),
                None => {
                    slot.1 = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}
