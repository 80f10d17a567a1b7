//! Verification of a token, one check after the other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Client;
use serde_json::{Map, Value};
use throttle::Clock;

use crate::claims::Claims;
use crate::config::{Checks, Issuer};
use crate::http::{self, ClientError};
use crate::jwks::{Fetches, Identity, KeySource, Keys};
use crate::refusal::{Code, Refusal};
use crate::tenant;
use crate::token::{Compact, Header, digest_of};
use crate::token_cache::{self, TokenCache, Verified};

/// Verifies tokens of the configured issuers.
pub struct Verifier<C> {
    issuers: Vec<Trusted<C>>,
    /// One source for each key set, even if several issuers share it.
    sources: Vec<Arc<KeySource<C>>>,
    fetches: Arc<Fetches>,
    cache: TokenCache,
    clock: C,
}

/// One name of a configured issuer: its keys, and the checks on its tokens.
struct Trusted<C> {
    identity: Identity,
    keys: Arc<KeySource<C>>,
    checks: Arc<Checks>,
}

impl<C> std::fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").finish_non_exhaustive()
    }
}

/// The outcome for one token, and the values that may be logged.
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

/// Makes the client that fetches the keys of these issuers.
pub(crate) fn client(issuers: &[Issuer]) -> Result<Client, ClientError> {
    let identities = || issuers.iter().flat_map(|issuer| &issuer.identities);
    let mut addresses = identities().filter_map(|identity| identity.jwks_uri.as_ref());
    let is_plain = addresses.all(|address| address.scheme() == "http");
    http::client(is_plain, identities().any(|identity| identity.proxy))
}

impl<C: Clock + Clone> Verifier<C> {
    /// Prepares to verify the tokens of these issuers; no key is fetched yet.
    ///
    /// # Errors
    ///
    /// The HTTP client for the key sets cannot be made.
    pub fn new(issuers: Vec<Issuer>, clock: C) -> Result<Self, ClientError> {
        let client = client(&issuers)?;
        Ok(Self::with_client(issuers, clock, &client))
    }

    /// Like `new`, with keys fetched by this client.
    pub(crate) fn with_client(issuers: Vec<Issuer>, clock: C, client: &Client) -> Self {
        let fetches = Arc::<Fetches>::default();
        let sources: Vec<Arc<KeySource<C>>> = key_sets(&issuers)
            .into_iter()
            .map(|set| KeySource::new(set, client.clone(), Arc::clone(&fetches), clock.clone()))
            .collect();
        let mut trusted = Vec::new();
        for Issuer { identities, checks, .. } in issuers {
            for identity in identities {
                let mut known = sources.iter();
                if let Some(keys) = known.find(|keys| keys.identity().shares_keys(&identity)) {
                    let (keys, checks) = (Arc::clone(keys), Arc::clone(&checks));
                    trusted.push(Trusted { identity, keys, checks });
                }
            }
        }
        Self { issuers: trusted, sources, fetches, cache: token_cache::new(), clock }
    }

    /// Fetches the keys that the first token will need. If that fails, the token's request tries
    /// again.
    pub async fn prepare(&self) {
        join_all(self.sources.iter().map(KeySource::prefetch)).await;
    }

    /// The finished fetches of key sets, for the metrics.
    pub(crate) fn fetches(&self) -> &Fetches {
        &self.fetches
    }

    /// Age of the key set of these claims' issuer, for the metrics.
    pub(crate) fn key_age(&self, claims: &Claims) -> Option<Duration> {
        self.keys_of(claims.members())?.age()
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

        let (iss, tid) = (payload.issuer()?, payload.tid());
        let tables: Vec<&Trusted<C>> = self.tables(iss, tid).collect();
        let unknown = self.unknown_issuer();
        // All tables of one issuer have the same keys and algorithms.
        let issuer = tables.first().ok_or(unknown)?;
        // RFC 8725 section 3.1: the configuration chooses the algorithms, not the token.
        if !issuer.checks.algorithms.contains(&header.algorithm) {
            return Err(Refusal::header("the algorithm is not the issuer's"));
        }

        let mut keys = issuer.keys.key(&header.kid).await?;
        let by_key = Signed { header: &header, token: &token, signature: &signature, iss, tid };
        if let Err(refusal) = by_key.check(&keys) {
            // The issuer may have published another key under this kid in the meantime.
            keys = issuer.keys.again(&header.kid, &keys).await.ok_or(refusal)?;
            by_key.check(&keys)?;
        }

        let checks: Vec<&Arc<Checks>> = tables.iter().map(|table| &table.checks).collect();
        let claims = Claims::check(payload, header.is_access_token, &checks, self.now())?;
        let claims = Arc::new(claims);
        let Header { kid, algorithm, .. } = header;
        let verified = Verified { claims: Arc::clone(&claims), kid, keys, algorithm };
        self.cache.insert(cache_key, Arc::new(verified));
        Ok(claims)
    }

    /// Returns the claims of a cached token, and checks again what may have changed.
    ///
    /// Returns `None` if its kid now names another key, which did not verify the signature. The key
    /// is requested as for any token, so that cached tokens refresh a set too.
    async fn cached(
        &self,
        cache_key: &[u8; 32],
        seen: &mut Seen,
    ) -> Result<Option<Arc<Claims>>, Refusal> {
        let Some(verified) = self.cache.get(cache_key) else { return Ok(None) };
        let Verified { claims, kid, keys, algorithm, .. } = &*verified;
        *seen = Seen { kid: Some(digest_of(kid)), lookup: Lookup::Hit };
        let unknown = self.unknown_issuer();
        let current = self.keys_of(claims.members()).ok_or(unknown)?.key(kid).await?;
        if current.of(*algorithm) != keys.of(*algorithm) {
            self.cache.invalidate(cache_key);
            seen.lookup = Lookup::Miss;
            return Ok(None);
        }
        claims.check_again(self.now())?;
        Ok(Some(Arc::clone(claims)))
    }

    /// The refusal of a token of another issuer, or of a tenant that is not accepted.
    fn unknown_issuer(&self) -> Refusal {
        let has_tenants = self.issuers.iter().any(|issuer| issuer.identity.tenants.is_some());
        Refusal::claim(match has_tenants {
            true => "the issuer is not configured, or `tid` is not one of its tenants",
            false => "the issuer is not configured",
        })
    }

    /// Time since the Unix epoch.
    fn now(&self) -> Duration {
        Duration::from_nanos(self.clock.now().as_nanos())
    }

    /// The tables of the issuer of exactly this name, and of this tenant if it has many.
    fn tables(&self, iss: &str, tid: Option<&str>) -> impl Iterator<Item = &Trusted<C>> {
        self.issuers.iter().filter(move |issuer| issuer.identity.is(iss, tid))
    }

    /// The keys of the issuer that these claims state.
    fn keys_of(&self, members: &Map<String, Value>) -> Option<&Arc<KeySource<C>>> {
        let iss = members.get("iss").and_then(Value::as_str)?;
        self.tables(iss, tenant::tid_of(members)).next().map(|issuer| &issuer.keys)
    }
}

/// The fields of a [`Verification`] that are set before the outcome.
struct Seen {
    kid: Option<Arc<str>>,
    lookup: Lookup,
}

/// One identity for each key set: issuers with the same address share one.
fn key_sets(issuers: &[Issuer]) -> Vec<Identity> {
    let mut sets: Vec<Identity> = Vec::new();
    for identity in issuers.iter().flat_map(|issuer| &issuer.identities) {
        match sets.iter_mut().find(|set| set.shares_keys(identity)) {
            Some(set) => {
                set.prefetch |= identity.prefetch;
                set.bundle = set.bundle.take().or_else(|| identity.bundle.clone());
            }
            None => sets.push(identity.clone()),
        }
    }
    sets
}

/// A token's signature, and the issuer and tenant that the token states.
struct Signed<'t> {
    header: &'t Header,
    token: &'t Compact<'t>,
    signature: &'t [u8],
    iss: &'t str,
    tid: Option<&'t str>,
}

impl Signed<'_> {
    /// Checks the signature by the key of the token's algorithm.
    fn check(&self, keys: &Keys) -> Result<(), Refusal> {
        let algorithm = self.header.algorithm;
        let key = keys.of(algorithm);
        let key = key.ok_or(Refusal::key("the issuer's key is not for this algorithm"))?;
        if !key.serves(self.iss, self.tid) {
            return Err(Refusal::key("the key is another issuer's"));
        }
        if !key.verifies(algorithm, self.token.signed.as_bytes(), self.signature) {
            return Err(Refusal::new(Code::Signature, "the signature is not the issuer's"));
        }
        Ok(())
    }
}
