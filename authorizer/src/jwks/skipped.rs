//! The log of skipped keys: each key once, by its digest.

use std::collections::HashSet;

use super::set::Skipped;

/// The number of skipped keys that are remembered; the log says nothing of more.
const MAX_REMEMBERED: usize = 200;

/// The skipped keys of one issuer that the log has.
#[derive(Default)]
pub(super) struct SkippedLog(HashSet<Skipped>);

impl SkippedLog {
    /// Logs each key that was not logged before.
    pub(super) fn tell(&mut self, issuer: &str, skipped: &[Skipped]) {
        for one in skipped {
            if self.0.len() >= MAX_REMEMBERED || !self.0.insert(one.clone()) {
                continue;
            }
            let (key, reason) = (&*one.key, one.reason);
            tracing::info!(issuer, key, kid = one.kid.as_deref(), %reason, "key skipped");
        }
    }
}
