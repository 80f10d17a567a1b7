//! Tokens that were taken back before their end.
//!
//! A token is revoked by its own name (`jti`), by its sign-in (`origin_jti`, shared over
//! refreshes), by its subject or by its client, the last two for what was issued before some
//! moment. All that can revoke one token is asked for in one consistent read of at most four
//! items, and the answer is kept, revoked or not, for the configured time: within it every
//! execution environment sees a revocation.

use std::fmt;

use throttle::table::RevocationKind;
use throttle::{Cache, Clock, Revocable, Revocation, StoreError, Timestamp, table};

use crate::claims::Claims;
use crate::config::{RevocationConfig, RevocationFailure};
use crate::refusal::Refusal;

/// How many tokens' answers are kept.
const MAX_KEPT: u64 = 4_096;

/// Looks up whether tokens were revoked.
pub struct Revocations<C> {
    table: table::Revocations,
    config: RevocationConfig,
    kept: Cache<Vec<Revocable>, Answer>,
    clock: C,
}

/// What the table had on one token, and when it was asked on the wall clock.
#[derive(Clone)]
struct Answer {
    found: Vec<Revocation>,
    asked: Timestamp,
}

impl<C> fmt::Debug for Revocations<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").field("config", &self.config).finish_non_exhaustive()
    }
}

impl<C: Clock> Revocations<C> {
    /// Looks revocations up in this table; its client bounds the time of a call.
    #[must_use]
    pub fn new(table: table::Revocations, config: RevocationConfig, clock: C) -> Self {
        let kept = Cache::new(MAX_KEPT, config.cache());
        Self { table, config, kept, clock }
    }

    /// By what a token was revoked, if it was.
    ///
    /// # Errors
    ///
    /// `unavailable` or `config` where the table can't be asked and `failure` is `closed`; what
    /// can't pass by itself (no such table, no right to read it, a damaged item) closes always.
    pub async fn check(&self, claims: &Claims) -> Result<Option<RevocationKind>, Refusal> {
        let found = match self.answer(targets(claims)).await {
            Ok(answer) => answer.found,
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
        let (issued, now) = (claims.issued_at().map(Timestamp::from_secs), self.clock.now());
        let revokes = found.iter().find(|revocation| revocation.revokes(issued, now));
        Ok(revokes.map(|revocation| revocation.target().kind()))
    }

    async fn answer(&self, targets: Vec<Revocable>) -> Result<Answer, StoreError> {
        let ask = || async {
            let asked = self.clock.now();
            Ok(Answer { found: self.table.get_many(&targets).await?, asked })
        };
        let keep = self.config.cache();
        if keep.is_zero() {
            return ask().await;
        }
        // The cache goes by the monotonic clock, which may stand still while the execution
        // environment is frozen; the wall clock alone can be set back.
        let stale = |answer: &Answer| self.clock.now().saturating_since(answer.asked) >= keep;
        self.kept.again(&targets, self.clock.monotonic(), stale, ask).await
    }
}

/// All that can revoke a token: at most four items.
fn targets(claims: &Claims) -> Vec<Revocable> {
    let issuer = claims.issuer();
    let mut targets = vec![Revocable::user(issuer, claims.subject())];
    targets.extend(claims.client().map(|client| Revocable::client(issuer, client)));
    targets.extend(claims.origin_jti().map(|origin| Revocable::session(issuer, origin)));
    targets.extend(claims.jti().map(|jti| Revocable::token(issuer, jti)));
    targets
}

#[cfg(test)]
pub(crate) mod tests;
