//! The wall clock, as a value that is passed in.

use std::fmt;
use std::sync::Arc;

/// Tells the time in milliseconds since the Unix epoch.
///
/// Whoever starts something says where its time comes from, so that a test can set it.
#[derive(Clone)]
pub struct Now(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Now {
    /// Takes the time from `millis`.
    pub fn from_fn(millis: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(millis))
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub fn millis(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Now {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Now").finish_non_exhaustive()
    }
}
