//! From a token's text to claims that can be believed: issuer, key, signature, claims.

use std::sync::Arc;

use serde_json::Value;
use throttle::Clock;

use crate::claims::Claims;
use crate::config::{Identity, Issuer};
use crate::jwks::{KeySets, Keys};
use crate::log;
use crate::metrics::Fetches;
use crate::refusal::{Code, Refusal};
use crate::token::Unverified;

/// Verifies tokens: whose are taken, their keys, and the time.
pub struct Verifier<C> {
    issuers: Vec<Issuer>,
    keys: KeySets<C>,
    clock: C,
}

impl<C> std::fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("issuers", &self.issuers).finish_non_exhaustive()
    }
}

/// What became of one token, and what may be told of it.
#[derive(Debug)]
pub struct Verification {
    /// A digest of the kid, where the header could be read.
    pub kid: Option<String>,
    /// The claims, or why the token is refused.
    pub outcome: Result<Arc<Claims>, Refusal>,
}

impl<C: Clock + Clone> Verifier<C> {
    /// Prepares to verify the tokens of these issuers; no key is fetched yet.
    ///
    /// # Errors
    ///
    /// The HTTP client for the key sets can't be made.
    pub fn new(issuers: Vec<Issuer>, clock: C) -> Result<Self, reqwest::Error> {
        let identities: Vec<Identity> =
            issuers.iter().flat_map(|issuer| issuer.identities.clone()).collect();
        let keys = KeySets::new(identities, &clock)?;
        Ok(Self { issuers, keys, clock })
    }

    /// Fetches the keys that the first token will need; a failure is left to that token.
    pub async fn prepare(&self) {
        self.keys.prefetch().await;
    }

    /// The fetches of key sets, for the metrics.
    pub(crate) fn fetches(&self) -> &Fetches {
        self.keys.fetches()
    }

    /// Verifies one token, without `Bearer` before it.
    pub async fn verify(&self, text: &str) -> Verification {
        let token = match Unverified::parse(text) {
            Ok(token) => token,
            Err(refusal) => return Verification { kid: None, outcome: Err(refusal) },
        };
        let kid = Some(log::digest_of(&token.kid));
        Verification { kid, outcome: self.check(&token).await.map(Arc::new) }
    }

    /// Issuer, key, signature, claims, in this order.
    async fn check(&self, token: &Unverified<'_>) -> Result<Claims, Refusal> {
        let claims = token.claims()?;
        let (issuer, identity) = self
            .identify(claims.get("iss").and_then(Value::as_str))
            .ok_or(Refusal::claim("the issuer is not configured"))?;
        // RFC 8725 section 3.1: which algorithms are taken is the configuration's to say.
        if !issuer.checks.algorithms.contains(&token.algorithm) {
            return Err(Refusal::header("the algorithm is not the issuer's"));
        }
        let keys = self.keys.key(&identity.iss, &token.kid).await?;
        if !verifies(&keys, token)? {
            let forged = Refusal::new(Code::Signature, "the signature is not the issuer's");
            // The issuer may have put another key under the same name since.
            let again = self.keys.again(&identity.iss, &token.kid, &keys).await.ok_or(forged)?;
            if !verifies(&again, token)? {
                return Err(forged);
            }
        }
        let now = self.clock.now().as_secs();
        Claims::check(claims, token.marked, &identity.iss, &issuer.checks, now)
    }

    fn identify(&self, iss: Option<&str>) -> Option<(&Issuer, &Identity)> {
        let iss = iss?;
        self.issuers.iter().find_map(|issuer| {
            issuer.identities.iter().find(|known| known.iss == iss).map(|found| (issuer, found))
        })
    }
}

/// Whether the token is signed by the one of these keys that is for its algorithm.
fn verifies(keys: &Keys, token: &Unverified<'_>) -> Result<bool, Refusal> {
    let key = keys
        .of(token.algorithm)
        .ok_or(Refusal::key("the issuer's key is not for this algorithm"))?;
    Ok(key.verifies(token.signed.as_bytes(), &token.signature))
}
