//! Look-up cache for items of the table.

use std::fmt::{self, Debug};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use moka::ops::compute::Op;

use crate::clock::Moment;

/// Look-up cache: keeps each answer, including `None`, for a stated time.
///
/// If several callers ask for the same name at once, one fetches and the others wait for it. If the
/// fetch fails, all of them get its error, and the error is not cached. The cache is bounded. A
/// full cache may drop any entry, which costs another fetch. Ages are by both clocks: see
/// [`Moment`].
///
/// Names are bytes: a subject's text, a key's digest.
pub struct Cache<V> {
    cached: moka::future::Cache<Vec<u8>, Cached<V>>,
    keep: Duration,
    /// The test for values that are kept for a shorter time, and that time.
    brief: (fn(&V) -> bool, Duration),
}

/// A value, and the moment of the look-up.
#[derive(Clone)]
struct Cached<V> {
    value: V,
    asked: Moment,
}

impl<V: Clone + Send + Sync + 'static> Cache<V> {
    /// Keeps at most `capacity` values, each for at most `keep`.
    #[must_use]
    pub fn new(capacity: u64, keep: Duration) -> Self {
        let brief: (fn(&V) -> bool, _) = (|_| false, keep);
        Self { cached: moka::future::Cache::new(capacity), keep, brief }
    }

    /// Keeps the values that satisfy `is_brief` for this time only.
    #[must_use]
    pub(crate) fn briefly(self, is_brief: fn(&V) -> bool, keep: Duration) -> Self {
        Self { brief: (is_brief, keep), ..self }
    }

    /// Returns the cached value of this name, or fetches it.
    ///
    /// # Errors
    /// The error of the fetch.
    pub async fn get<E>(
        &self,
        name: impl AsRef<[u8]>,
        now: Moment,
        fetch: impl Future<Output = Result<V, E>> + Send,
    ) -> Result<V, E>
    where
        E: Clone + Send + Sync + 'static,
    {
        let name = name.as_ref();
        let cached = self.cached.get(name).await;
        if let Some(cached) = cached.filter(|cached| self.is_young(cached, now)) {
            return Ok(cached.value);
        }
        self.forget(name, |cached| !self.is_young(cached, now)).await;
        // Boxed, so that moka's code is compiled once for all fetches.
        let fetch = Box::pin(async { Ok(Cached { value: fetch.await?, asked: now }) });
        let cached = self.cached.try_get_with_by_ref(name, fetch).await;
        cached.map(|cached| cached.value).map_err(|error: Arc<E>| E::clone(&error))
    }

    /// Returns the cached value of this name, and whether it is still young enough to be used.
    pub async fn peek(&self, name: impl AsRef<[u8]>, now: Moment) -> Option<(V, bool)> {
        let cached = self.cached.get(name.as_ref()).await?;
        let is_young = self.is_young(&cached, now);
        Some((cached.value, is_young))
    }

    /// Caches a value that was fetched at this moment.
    pub async fn insert(&self, name: impl AsRef<[u8]>, value: V, asked: Moment) {
        self.cached.insert(name.as_ref().to_vec(), Cached { value, asked }).await;
    }

    /// Removes the value of this name.
    pub async fn remove(&self, name: impl AsRef<[u8]>) {
        self.cached.invalidate(name.as_ref()).await;
    }

    /// Returns the cached value of this name unless it is `stale`, or fetches it.
    ///
    /// For callers that know of a newer value. A fetch in flight may return the old value again;
    /// then the value is fetched a second time, but not a third.
    ///
    /// # Errors
    /// The error of the fetch.
    pub async fn again<E, F>(
        &self,
        name: impl AsRef<[u8]>,
        now: Moment,
        stale: impl Fn(&V) -> bool + Sync,
        fetch: impl Fn() -> F,
    ) -> Result<V, E>
    where
        E: Clone + Send + Sync + 'static,
        F: Future<Output = Result<V, E>> + Send,
    {
        let name = name.as_ref();
        self.forget(name, |cached| stale(&cached.value)).await;
        let value = self.get(name, now, fetch()).await?;
        if !stale(&value) {
            return Ok(value);
        }
        self.forget(name, |cached| stale(&cached.value)).await;
        self.get(name, now, fetch()).await
    }

    fn is_young(&self, cached: &Cached<V>, now: Moment) -> bool {
        let (is_brief, brief) = self.brief;
        now.since(cached.asked) < if is_brief(&cached.value) { brief } else { self.keep }
    }

    /// Removes a stale entry, but not one that another task has just fetched.
    async fn forget(&self, name: &[u8], stale: impl Fn(&Cached<V>) -> bool) {
        let entry = self.cached.entry_by_ref(name);
        let _ = entry
            .and_compute_with(|entry| {
                let stale = entry.is_some_and(|entry| stale(entry.value()));
                std::future::ready(if stale { Op::Remove } else { Op::Nop })
            })
            .await;
    }
}

impl<V> Debug for Cache<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache").field("keep", &self.keep).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::clock::{Clock, ManualClock};
    use crate::failure::{Failure, StoreError};

    const BROKEN: Failure = Failure::Outage;

    const KEEP: Duration = Duration::from_secs(60);

    /// A table that counts how often it was asked.
    #[derive(Default)]
    struct Table {
        asked: AtomicU32,
        value: AtomicU32,
        broken: std::sync::atomic::AtomicBool,
    }

    impl Table {
        async fn fetch(&self) -> Result<Option<u32>, StoreError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            // Those who ask at the same time come in between.
            tokio::task::yield_now().await;
            if self.broken.load(Ordering::Relaxed) {
                return Err(BROKEN.into());
            }
            Ok(Some(self.value.load(Ordering::Relaxed)).filter(|value| *value != 0))
        }

        fn asked(&self) -> u32 {
            self.asked.swap(0, Ordering::Relaxed)
        }
    }

    /// The moment so long after the start, on both clocks.
    fn after(time: Duration) -> Moment {
        let clock = ManualClock::default();
        clock.advance(time);
        clock.moment()
    }

    fn cache() -> (Cache<Option<u32>>, Table) {
        (Cache::new(10, KEEP), Table::default())
    }

    #[tokio::test]
    async fn a_value_is_kept_for_the_stated_time() {
        let (cache, table) = cache();
        table.value.store(7, Ordering::Relaxed);
        let start = Duration::from_secs(5);
        for (later, asked) in [(0, 1), (59_999, 0), (60_000, 1), (119_999, 0), (120_000, 1)] {
            let now = after(start + Duration::from_millis(later));
            assert_eq!(cache.get("a", now, table.fetch()).await, Ok(Some(7)));
            assert_eq!(table.asked(), asked, "{later}");
        }
        // Another key is another value.
        assert_eq!(cache.get("b", after(start), table.fetch()).await, Ok(Some(7)));
        assert_eq!(table.asked(), 1);
    }

    type Step = fn(&ManualClock);

    /// In each step a clock moves; the value is fetched again if it is then too old by either.
    async fn ages(steps: &[(Step, u32)]) {
        let (cache, table) = cache();
        let clock = ManualClock::default();
        cache.get("a", clock.moment(), table.fetch()).await.unwrap();
        table.asked();
        for (step, (move_clock, asked)) in steps.iter().enumerate() {
            move_clock(&clock);
            cache.get("a", clock.moment(), table.fetch()).await.unwrap();
            assert_eq!(table.asked(), *asked, "step {step}");
        }
    }

    #[tokio::test]
    async fn a_value_ages_while_the_monotonic_clock_stands_still() {
        ages(&[
            (|clock| clock.advance_wall(KEEP - Duration::from_nanos(1)), 0),
            (|clock| clock.advance_wall(Duration::from_nanos(1)), 1),
            (|_| (), 0),
        ])
        .await;
    }

    #[tokio::test]
    async fn a_wall_clock_set_back_neither_keeps_a_value_nor_expires_each() {
        ages(&[
            (|clock| clock.set_wall_back(KEEP * 60), 0),
            (|clock| clock.advance(KEEP - Duration::from_nanos(1)), 0),
            (|clock| clock.advance(Duration::from_nanos(1)), 1),
            (|clock| clock.advance(KEEP - Duration::from_nanos(1)), 0),
        ])
        .await;
    }

    #[tokio::test]
    async fn that_nothing_is_there_is_kept_too() {
        let (cache, table) = cache();
        for asked in [1, 0, 0] {
            assert_eq!(cache.get("a", after(KEEP), table.fetch()).await, Ok(None));
            assert_eq!(table.asked(), asked);
        }
    }

    #[tokio::test]
    async fn an_error_is_told_and_not_kept() {
        let (cache, table) = cache();
        table.broken.store(true, Ordering::Relaxed);
        for _ in 0..2 {
            assert_eq!(cache.get("a", after(KEEP), table.fetch()).await, Err(BROKEN.into()));
            assert_eq!(table.asked(), 1);
        }
        table.broken.store(false, Ordering::Relaxed);
        assert_eq!(cache.get("a", after(KEEP), table.fetch()).await, Ok(None));
        // Where a kept value is too old an error isn't hidden by it.
        table.broken.store(true, Ordering::Relaxed);
        assert!(cache.get("a", after(KEEP * 2), table.fetch()).await.is_err());
    }

    #[tokio::test]
    async fn many_who_ask_at_once_fetch_once() {
        let (cache, table) = cache();
        let all = (0..50).map(|_| cache.get("a", after(KEEP), table.fetch()));
        let all = join_all(all).await;
        assert!(all.iter().all(|value| *value == Ok(None)));
        assert_eq!(table.asked(), 1);
        table.broken.store(true, Ordering::Relaxed);
        let all = join_all((0..50).map(|_| cache.get("b", after(KEEP), table.fetch()))).await;
        assert!(all.iter().all(Result::is_err));
        // All wait for the first one's; who comes after it has failed may ask again.
        assert!(table.asked() < 50);
    }

    #[tokio::test]
    async fn a_value_known_to_be_stale_is_fetched_again() {
        let (cache, table) = cache();
        table.value.store(1, Ordering::Relaxed);
        cache.get("a", after(KEEP), table.fetch()).await.unwrap();
        table.value.store(2, Ordering::Relaxed);
        let stale = |value: &Option<u32>| value.is_none_or(|value| value < 2);
        table.asked();
        let many = (0..20).map(|_| cache.again("a", after(KEEP), stale, || table.fetch()));
        assert!(join_all(many).await.iter().all(|value| *value == Ok(Some(2))));
        assert_eq!(table.asked(), 1, "for all of them");
        // It stays: for who has learnt the same a little later, and for those who know nothing.
        assert_eq!(cache.again("a", after(KEEP), stale, || table.fetch()).await, Ok(Some(2)));
        assert_eq!(cache.get("a", after(KEEP), table.fetch()).await, Ok(Some(2)));
        assert_eq!(table.asked(), 0);
    }

    #[tokio::test]
    async fn a_value_that_stays_stale_is_fetched_twice_at_most() {
        let (cache, table) = cache();
        table.value.store(1, Ordering::Relaxed);
        assert_eq!(cache.again("a", after(KEEP), |_| true, || table.fetch()).await, Ok(Some(1)));
        assert_eq!(table.asked(), 2);
    }

    #[tokio::test]
    async fn a_fetch_that_was_under_way_does_not_bring_the_old_value() {
        let (cache, table) = cache();
        table.value.store(2, Ordering::Relaxed);
        let old = cache.get("a", after(KEEP), async {
            tokio::task::yield_now().await;
            Ok::<_, StoreError>(Some(1))
        });
        let again = cache.again("a", after(KEEP), |value| *value == Some(1), || table.fetch());
        let (old, again) = tokio::join!(old, again);
        assert_eq!((old, again), (Ok(Some(1)), Ok(Some(2))));
    }
}
