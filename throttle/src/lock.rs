//! Changing a value that tasks share, and nothing else.

use std::sync::{Mutex, PoisonError};

/// A value that one task at a time may change, for as long as a closure runs.
///
/// Nothing is awaited with it in hand. A trait, so that a model of the threads can take the
/// mutex's place in a test and try every order in which they may run.
pub(crate) trait Lock<T>: Send + Sync {
    /// Wraps a value.
    fn guarding(value: T) -> Self;

    /// Runs `change` on the value, alone.
    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R;
}

impl<T: Send> Lock<T> for Mutex<T> {
    fn guarding(value: T) -> Self {
        Self::new(value)
    }

    fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
        // What is guarded here has no state between two assignments that can't be lived with.
        change(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
pub(crate) mod model {
    //! Locks for running under shuttle, which tries the orders that threads may run in.

    use super::{Lock, PoisonError};

    impl<T: Send> Lock<T> for shuttle::sync::Mutex<T> {
        fn guarding(value: T) -> Self {
            Self::new(value)
        }

        fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
            change(&mut self.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    /// A lock that doesn't: it looks, lets go, and writes what it made of what it had seen.
    ///
    /// Whatever a model promises must break with it, or the model proves nothing.
    pub(crate) struct Torn<T>(shuttle::sync::Mutex<T>);

    impl<T: Clone + Send> Lock<T> for Torn<T> {
        fn guarding(value: T) -> Self {
            Self(Lock::guarding(value))
        }

        fn with<R>(&self, change: impl FnOnce(&mut T) -> R) -> R {
            let mut seen = self.0.with(|value| value.clone());
            let result = change(&mut seen);
            self.0.with(|value| *value = seen);
            result
        }
    }
}
