//! The issuers' key sets: fetched, cached, and served while they are safe.
//!
//! A key set is *fresh* for ten minutes. After that, the next request refreshes it, because a
//! background task would freeze with the execution environment. If the old set has the request's
//! key, the request waits at most a quarter of a second for the refresh, and the next request
//! continues it. While the endpoint is down, the old set is used until it is two hours old.
//!
//! If the set lacks a kid, it is fetched again, from a budget: a burst of four fetches, and then
//! one in ten seconds. Random kids can exhaust the budget, but each fetch also brings rotated keys,
//! so they delay a rotation by at most ten seconds. A kid that is missing from a set fetched within
//! the last ten seconds is refused. If the set cannot be fetched, an unknown kid may be new and the
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

use crate::tenant::{self, Tenants};

/// One `iss` and the source of its keys.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The text that a token's `iss` must equal; with `tenants`, after `{tid}` is replaced.
    pub iss: String,
    /// For an `iss` with `{tid}`: the tenants whose tokens are accepted.
    pub tenants: Option<Tenants>,
    /// The address of its key set, never built from a token; `None` if the keys come from the
    /// configuration alone.
    pub jwks_uri: Option<reqwest::Url>,
    /// True if the keys are fetched through the proxy of the environment.
    pub proxy: bool,
    /// True if its keys are certainly published; they are then fetched before the first request.
    pub prefetch: bool,
    /// Keys to use until a fetched set replaces them.
    pub bundle: Option<Bundle>,
}

impl Identity {
    /// Returns true if this is the issuer that a token states by its `iss` and its tenant.
    pub(crate) fn is(&self, iss: &str, tid: Option<&str>) -> bool {
        match &self.tenants {
            None => self.iss == iss,
            Some(tenants) => {
                tid.is_some_and(|tid| tenants.has(tid)) && tenant::is_name(&self.iss, tid, iss)
            }
        }
    }

    /// Returns true if a token can belong to both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        match (&self.tenants, &other.tenants) {
            (None, None) => self.iss == other.iss,
            (Some(_), None) => self.has_tenant(&other.iss),
            (None, Some(_)) => other.has_tenant(&self.iss),
            (Some(Tenants::These(one)), Some(all)) | (Some(all), Some(Tenants::These(one))) => {
                self.iss == other.iss && one.iter().any(|tid| all.has(tid))
            }
            (Some(Tenants::Any), Some(Tenants::Any)) => self.iss == other.iss,
        }
    }

    /// Returns true if `iss` is the name of one of this identity's tenants.
    fn has_tenant(&self, iss: &str) -> bool {
        self.tenant_of(iss).is_some()
    }

    /// Returns the tenant that `iss` names; `None` if it is not one of these tenants.
    pub(crate) fn tenant_of<'i>(&self, iss: &'i str) -> Option<&'i str> {
        let (before, after) = self.iss.split_once(tenant::PLACEHOLDER)?;
        let tid = iss.strip_prefix(before)?.strip_suffix(after)?;
        let is_its = tenant::is_uuid(tid) && self.tenants.as_ref().is_some_and(|all| all.has(tid));
        is_its.then_some(tid)
    }

    /// Returns true if both have the same keys, from one address or one configured set.
    pub(crate) fn shares_keys(&self, other: &Self) -> bool {
        match (&self.jwks_uri, &other.jwks_uri) {
            (Some(one), Some(other)) => one == other,
            (None, None) => self.bundle == other.bundle,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
