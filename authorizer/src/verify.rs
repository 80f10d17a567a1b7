//! Verification of a token, one check after the other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use throttle::Clock;

use crate::claims::Claims;
use crate::config::{Checks, Issuer};
use crate::http::{self, ClientError};
use crate::jwks::{Fetches, KeySource, Keys};
use crate::refusal::{Code, Refusal};
use crate::token::{Compact, Header, digest_of};
use crate::token_cache::{self, TokenCache, Verified};

/// Verifies tokens of the configured issuers.
pub struct Verifier<C> {
    issuers: Vec<Trusted<C>>,
    fetches: Arc<Fetches>,
    cache: TokenCache,
    clock: C,
}

/// One name of a configured issuer: its keys, and the checks on its tokens.
struct Trusted<C> {
    keys: Arc<KeySource<C>>,
    checks: Arc<Checks>,
}

impl<C> std::fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// The outcome for one token, and what may be logged of it.
#[derive(Debug)]
pub struct Verification {
    /// Digest of the kid, if the header could be read.
    pub kid: Option<Arc<str>>,
    /// Result of the look-up in the token cache.
    pub lookup: Lookup,
    /// The claims, or the reason to refuse the token.
    pub outcome: Result<Arc<Claims>, Refusal>,
}

/// Result of the look-up in the cache of verified tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The token is cached, and its issuer still publishes the key.
    Hit,
    /// The token is not cached, or its key has changed since.
    Miss,
}

/// Returns true if no key set is at an https address.
pub(crate) fn are_plain(issuers: &[Issuer]) -> bool {
    let identities = issuers.iter().flat_map(|issuer| &issuer.identities);
    let mut addresses = identities.filter_map(|identity| identity.jwks_uri.as_ref());
    addresses.all(|address| address.scheme() == "http")
}

impl<C: Clock + Clone> Verifier<C> {
    /// Prepares to verify the tokens of these issuers; no key is fetched yet.
    ///
    /// # Errors
    ///
    /// The HTTP client for the key sets cannot be made.
    pub fn new(issuers: Vec<Issuer>, clock: C) -> Result<Self, ClientError> {
        let client = http::client(are_plain(&issuers))?;
        Ok(Self::with_client(issuers, clock, client))
    }

    /// Like `new`, with keys fetched by this client.
    pub(crate) fn with_client(issuers: Vec<Issuer>, clock: C, client: Client) -> Self {
        let fetches = Arc::<Fetches>::default();
        let trusted = {
            let (fetches, clock) = (Arc::clone(&fetches), clock.clone());
            move |(identity, checks)| {
                let (client, fetches) = (client.clone(), Arc::clone(&fetches));
                Trusted { keys: KeySource::new(identity, client, fetches, clock.clone()), checks }
            }
        };
        let named = issuers.into_iter().flat_map(|issuer| {
            let checks = issuer.checks;
            issuer.identities.into_iter().map(move |identity| (identity, Arc::clone(&checks)))
        });
        let issuers = named.map(trusted).collect();
        Self { issuers, fetches, cache: token_cache::new(), clock }
    }

    /// Fetches the keys that the first token will need; a failure is left to that token.
    pub async fn prepare(&self) {
        join_all(self.issuers.iter().map(|issuer| issuer.keys.prefetch())).await;
    }

    /// The finished fetches of key sets, for the metrics.
    pub(crate) fn fetches(&self) -> &Fetches {
        &self.fetches
    }

    /// Age of the key set of these claims' issuer, for the metrics.
    pub(crate) fn key_age(&self, claims: &Claims) -> Option<Duration> {
        self.issuer(claims.text("iss")?).ok()?.keys.age()
    }

    /// Verifies one token, without `Bearer` before it.
    pub async fn verify(&self, text: &str) -> Verification {
        let mut seen = Seen { kid: None, lookup: Lookup::Miss };
        let outcome = self.check(text, &mut seen).await;
        Verification { kid: seen.kid, lookup: seen.lookup, outcome }
    }

    /// Runs the checks: form, header, issuer, key, signature, claims.
    async fn check(&self, text: &str, seen: &mut Seen) -> Result<Arc<Claims>, Refusal> {
        let token = Compact::split(text)?;
        let cache_key = token_cache::key_of(text);
        if let Some(claims) = self.cached(&cache_key, seen).await? {
            return Ok(claims);
        }

        let header = Header::check(&token.header()?)?;
        seen.kid = Some(digest_of(&header.kid));
        let signature = token.signature()?;
        let payload = token.payload()?;

        let issuer = self.issuer(payload.issuer()?)?;
        // RFC 8725 section 3.1: the configuration chooses the algorithms, not the token.
        if !issuer.checks.algorithms.contains(&header.algorithm) {
            return Err(Refusal::header("the algorithm is not the issuer's"));
        }

        let mut keys = issuer.keys.key(&header.kid).await?;
        if let Err(refusal) = check_signature(&keys, &header, &token, &signature) {
            // The issuer may have published another key under this kid since.
            keys = issuer.keys.again(&header.kid, &keys).await.ok_or(refusal)?;
            check_signature(&keys, &header, &token, &signature)?;
        }

        let (iss, now) = (&issuer.keys.identity().iss, self.now());
        let claims = Claims::check(payload, header.is_access_token, iss, &issuer.checks, now)?;
        let claims = Arc::new(claims);
        let Header { kid, algorithm, .. } = header;
        let verified = Verified { claims: Arc::clone(&claims), kid, keys, algorithm };
        self.cache.insert(cache_key, Arc::new(verified));
        Ok(claims)
    }

    /// Returns the claims of a cached token, and checks again what may have changed.
    ///
    /// Returns `None` if another key has its kid now, because the signature says nothing about
    /// that key. The key is requested as for any token, so that cached tokens too refresh a set.
    async fn cached(
        &self,
        cache_key: &[u8; 32],
        seen: &mut Seen,
    ) -> Result<Option<Arc<Claims>>, Refusal> {
        let Some(verified) = self.cache.get(cache_key) else { return Ok(None) };
        let Verified { claims, kid, keys, algorithm, .. } = &*verified;
        *seen = Seen { kid: Some(digest_of(kid)), lookup: Lookup::Hit };
        let issuer = self.issuer(claims.text("iss").unwrap_or_default())?;
        let current = issuer.keys.key(kid).await?;
        if current.of(*algorithm) != keys.of(*algorithm) {
            self.cache.invalidate(cache_key);
            seen.lookup = Lookup::Miss;
            return Ok(None);
        }
        claims.check_again(self.now())?;
        Ok(Some(Arc::clone(claims)))
    }

    /// Time since the Unix epoch.
    fn now(&self) -> Duration {
        Duration::from_nanos(self.clock.now().as_nanos())
    }

    /// Finds the issuer of exactly this name.
    fn issuer(&self, iss: &str) -> Result<&Trusted<C>, Refusal> {
        let mut issuers = self.issuers.iter();
        issuers
            .find(|issuer| issuer.keys.identity().iss == iss)
            .ok_or(Refusal::claim("the issuer is not configured"))
    }
}

/// The part of a [`Verification`] that is known before the outcome.
struct Seen {
    kid: Option<Arc<str>>,
    lookup: Lookup,
}

/// Checks a signature by the one of these keys that is for the token's algorithm.
fn check_signature(
    keys: &Keys,
    header: &Header,
    token: &Compact<'_>,
    signature: &[u8],
) -> Result<(), Refusal> {
    let key = keys.of(header.algorithm);
    let key = key.ok_or(Refusal::key("the issuer's key is not for this algorithm"))?;
    if key.verifies(header.algorithm, token.signed.as_bytes(), signature) {
        Ok(())
    } else {
        Err(Refusal::new(Code::Signature, "the signature is not the issuer's"))
    }
}
