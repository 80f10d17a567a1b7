//! The issuers' key sets: fetched, cached, and served while they are safe.
//!
//! A key set is *fresh* for ten minutes. After that, the next request refreshes it while it runs,
//! because a background task would freeze with the execution environment. A request that has its
//! key waits at most a quarter of a second for the refresh, and the next request continues it.
//! While the endpoint is down, the old set is served until it is two hours old.
//!
//! A kid that the set lacks costs a fetch from a budget: a burst of four, and then one in ten
//! seconds. Random kids can exhaust the budget, but each fetch also brings rotated keys, so they
//! delay a rotation by at most ten seconds. A kid that is missing from a set fetched within the
//! last ten seconds is refused. If the set cannot be fetched, an unknown kid may be new and the
//! keys are unavailable; a kid that an earlier set had was withdrawn and is refused.
//!
//! If a signature fails under a known kid and the set is a minute old, the set is fetched again,
//! because the issuer may have published another key under that kid.

mod bundle;
mod fetch;
mod key;
mod set;
mod source;

pub use bundle::Bundle;
pub(crate) use fetch::{Fetch, Fetches, MAX_BODY};
pub use fetch::{KeysError, PublishedKeys, fetch_keys};
pub(crate) use set::Keys;
pub(crate) use source::KeySource;

/// One exact `iss` and the source of its keys.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The text that a token's `iss` must equal.
    pub iss: String,
    /// The address of its key set, never built from a token; `None` if the keys come from the
    /// configuration alone.
    pub jwks_uri: Option<reqwest::Url>,
    /// True if its keys are surely published: they are then fetched before the first request.
    pub prefetch: bool,
    /// Keys to use until a fetched set replaces them.
    pub bundle: Option<Bundle>,
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
