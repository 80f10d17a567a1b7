//! The mutex of everything that tasks share: the standard library's, or shuttle's in model tests.
//!
//! Shuttle runs a test under every interleaving of its threads. It takes the place of the standard
//! mutex in `throttle`'s unit tests under `--cfg shuttle`:
//!
//! ```text
//! RUSTFLAGS="--cfg shuttle" cargo test -p tollgate-throttle --lib model
//! ```

use std::sync::PoisonError;

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::sync::{Mutex, MutexGuard};
#[cfg(not(all(test, shuttle)))]
pub(crate) use std::sync::{Mutex, MutexGuard};

/// Locks a value. The guard is not `Send`, so no task can hold it while it awaits.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // After a panic these values are still usable, so a poisoned lock is not an error.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
