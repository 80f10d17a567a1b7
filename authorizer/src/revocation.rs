//! Revoked tokens.
//!
//! A token is revoked by its id (`jti`), by its sign-in (`origin_jti`, shared by refreshes), by its
//! subject or by its client. The last two revoke every token that was issued before a stated time.
//! A refresh makes a new token of an old sign-in, so the time of the sign-in (`auth_time`) is
//! compared if the token states it: a revoked user must sign in again, and a refresh is not enough.
//! An issuer's clock may be ahead, so a token counts as ten seconds older than it states, or as
//! `leeway_seconds` if that is more. So a token issued just before a revocation is revoked, and so
//! is a sign-in within ten seconds after it.
//!
//! One consistent read of at most four items finds all revocations of a token. The answer, revoked
//! or not, is cached for the configured time, so a revocation takes effect in every execution
//! environment within it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use table::{Revocable, Revocation, RevocationKind};
use throttle::internal::Cache;
use throttle::{Clock, StoreError, Timestamp};

use crate::claims::Claims;
use crate::config::{RevocationConfig, RevocationFailure};
use crate::refusal::Refusal;

/// Most tokens whose answers are cached.
const MAX_KEPT: u64 = 4_096;

/// Looks up the revocations of tokens.
pub struct Revocations<C> {
    table: table::Revocations,
    config: RevocationConfig,
    kept: Cache<Vec<Revocation>>,
    clock: C,
}

/// The result of one look-up, and its duration.
#[derive(Debug)]
pub struct Check {
    /// The kind of revocation, if the token is revoked.
    ///
    /// `unavailable` if the table is unavailable and `failure` is `closed`; `config` for a
    /// permanent error (no such table, no permission, a damaged item).
    pub outcome: Result<Option<RevocationKind>, Refusal>,
    /// Duration of the call to the table; `None` if the answer was cached or shared.
    pub asked: Option<Duration>,
}

impl<C> fmt::Debug for Revocations<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<C: Clock> Revocations<C> {
    /// Looks up revocations in this table; the time-out of a call is its client's.
    #[must_use]
    pub fn new(table: table::Revocations, config: RevocationConfig, clock: C) -> Self {
        let kept = Cache::new(MAX_KEPT, config.cache());
        Self { table, config, kept, clock }
    }

    /// Opens the connection to the table by reading an item that does not exist.
    ///
    /// # Errors
    ///
    /// The table is unavailable. The first request that needs it tries again.
    pub async fn warm(&self) -> Result<(), StoreError> {
        Ok(self.table.get_many(&[Revocable::token("", "")]).await.map(drop)?)
    }

    /// Looks up the revocations of a token.
    pub async fn check(&self, claims: &Claims) -> Check {
        let (asked, started) = (AtomicBool::new(false), self.clock.monotonic());
        let found = self.found(targets(claims), &asked).await;
        let took = self.clock.monotonic().saturating_sub(started);
        let asked = asked.into_inner().then_some(took);
        Check { outcome: self.judge(claims, found), asked }
    }

    fn judge(
        &self,
        claims: &Claims,
        found: Result<Vec<Revocation>, StoreError>,
    ) -> Result<Option<RevocationKind>, Refusal> {
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                let passes = matches!(&error, StoreError::Failure(failure) if failure.may_pass());
                tracing::error!(%error, "revocations can't be looked up");
                return match self.config.failure {
                    RevocationFailure::Open if passes => Ok(None),
                    _ if passes => Err(Refusal::unavailable("revocations can't be looked up")),
                    _ => Err(Refusal::config("the table of revocations can't be used")),
                };
            }
        };
        let (began, now) = (claims.began().map(Timestamp::from_secs), self.clock.now());
        let revokes = found.iter().find(|revocation| revocation.revokes(began, now));
        Ok(revokes.map(|revocation| revocation.target().kind()))
    }

    /// Returns the revocations of these targets, cached or read. Sets `noted` if it reads them.
    async fn found(
        &self,
        targets: Vec<Revocable>,
        noted: &AtomicBool,
    ) -> Result<Vec<Revocation>, StoreError> {
        let read = async {
            noted.store(true, Ordering::Relaxed);
            Ok(self.table.get_many(&targets).await?)
        };
        if self.config.cache().is_zero() {
            return read.await;
        }
        self.kept.get(name_of(&targets), self.clock.moment(), read).await
    }
}

/// Returns the cache key of all of these together.
fn name_of(targets: &[Revocable]) -> Vec<u8> {
    let parts =
        targets.iter().flat_map(|one| [one.kind().name().as_bytes(), one.digest().as_ref()]);
    parts.flatten().copied().collect()
}

/// Returns all that can revoke a token: at most four items.
fn targets(claims: &Claims) -> Vec<Revocable> {
    let issuer = claims.issuer();
    let mut targets = Vec::new();
    targets.extend(claims.subject().map(|subject| Revocable::user(issuer, subject)));
    targets.extend(claims.client().map(|client| Revocable::client(issuer, client)));
    targets.extend(claims.origin_jti().map(|origin| Revocable::session(issuer, origin)));
    targets.extend(claims.jti().map(|jti| Revocable::token(issuer, jti)));
    targets
}

#[cfg(test)]
pub(crate) mod tests;
