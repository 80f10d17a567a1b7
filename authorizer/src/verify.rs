//! From a token's text to claims that can be believed: issuer, key, signature, claims.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest::{Digest, SHA256, digest};
use reqwest::Client;
use throttle::Clock;

use crate::token_cache::{Cache, Known, Name};
use crate::claims::Claims;
use crate::config::{Identity, Issuer};
use crate::http::{self, ClientError};
use crate::jwks::{Key, KeySets, Keys};
use crate::log;
use crate::metrics::Fetches;
use crate::refusal::{Code, Refusal};
use crate::token::{self, Parts, UNKNOWN_ISSUER, Unverified};

/// Verifies tokens: whose are taken, their keys, the time, and what was verified before.
pub struct Verifier<C> {
    issuers: Vec<Issuer>,
    keys: KeySets<C>,
    known: Cache,
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
    pub kid: Option<Arc<str>>,
    /// Whether the token was known, so that its signature was not verified again.
    pub lookup: Lookup,
    /// The claims, or why the token is refused.
    pub outcome: Result<Arc<Claims>, Refusal>,
}

/// Whether a token was found among those that were verified before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// It was, and by a key that its issuer still publishes.
    Hit,
    /// It was not, or its key has changed since.
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
    /// The HTTP client for the key sets can't be made.
    pub fn new(issuers: Vec<Issuer>, clock: C) -> Result<Self, ClientError> {
        let client = http::client(are_plain(&issuers))?;
        Ok(Self::with_client(issuers, clock, client))
    }

    /// Like `new`, with keys fetched by this client.
    pub(crate) fn with_client(issuers: Vec<Issuer>, clock: C, client: Client) -> Self {
        let identities = issuers.iter().flat_map(|issuer| issuer.identities.clone()).collect();
        let keys = KeySets::new(identities, &clock, client);
        Self { issuers, keys, known: Cache::new(), clock }
    }

    /// Fetches the keys that the first token will need; a failure is left to that token.
    pub async fn prepare(&self) {
        self.keys.prefetch().await;
    }

    /// The fetches of key sets, for the metrics.
    pub(crate) fn fetches(&self) -> &Fetches {
        self.keys.fetches()
    }

    /// How old the set is that these claims' key was taken from, for the metrics.
    pub(crate) fn key_age(&self, claims: &Claims) -> Option<Duration> {
        self.keys.age(claims.text("iss")?)
    }

    /// Verifies one token, without `Bearer` before it.
    pub async fn verify(&self, text: &str) -> Verification {
        let parts = match token::check_length(text).and_then(|()| Parts::of(text)) {
            Ok(parts) => parts,
            Err(refusal) => {
                return Verification { kid: None, lookup: Lookup::Miss, outcome: Err(refusal) };
            }
        };
        let digest = digest(&SHA256, parts.signed.as_bytes());
        let name = Name::of(&digest);
        let known = self.known.get(&name);
        if let Some(known) = known.filter(|known| known.has_signature(parts.signature)) {
            if let Some(outcome) = self.check_again(&known).await {
                let kid = Some(Arc::clone(&known.kid_digest));
                return Verification { kid, lookup: Lookup::Hit, outcome };
            }
            self.known.forget(&name);
        }
        let token = match Unverified::read(parts) {
            Ok(token) => token,
            Err(refusal) => {
                return Verification { kid: None, lookup: Lookup::Miss, outcome: Err(refusal) };
            }
        };
        let (kid, outcome) = match self.check(&token, &digest).await {
            Ok(known) => {
                let (kid, claims) = (Arc::clone(&known.kid_digest), Arc::clone(&known.claims));
                self.known.keep(name, known);
                (kid, Ok(claims))
            }
            Err(refusal) => (log::digest_of(&token.kid), Err(refusal)),
        };
        Verification { kid: Some(kid), lookup: Lookup::Miss, outcome }
    }

    /// Issuer, key, signature, claims, in this order.
    async fn check(&self, token: &Unverified<'_>, digest: &Digest) -> Result<Known, Refusal> {
        let (found, at_once) = (Cell::new(None), Cell::new(None));
        let claims = token.claims(|iss| {
            found.set(self.identify(Some(iss)));
            let keys = found.get().and_then(|(_, id)| self.keys.at_once(&id.iss, &token.kid));
            let goes_on = keys.is_some();
            at_once.set(keys);
            goes_on
        })?;
        let (issuer, identity) = found.get().ok_or(UNKNOWN_ISSUER)?;
        // RFC 8725 section 3.1: which algorithms are taken is the configuration's to say.
        if !issuer.checks.algorithms.contains(&token.algorithm) {
            return Err(Refusal::header("the algorithm is not the issuer's"));
        }
        let keys = match at_once.take() {
            Some(keys) => keys,
            None => self.keys.key(&identity.iss, &token.kid).await?,
        };
        // Read to its end only now, where the key had to be asked for.
        let claims = match claims {
            Some(claims) => claims,
            None => token.claims(|_| true)?.ok_or(UNKNOWN_ISSUER)?,
        };
        let signature = token.signature()?;
        let signed = Signed { token, digest, signature: signature.as_bytes() };
        let key = match verifying(&keys, &signed) {
            Ok(key) => key,
            // The issuer may have put another key under the same name since, and one for another
            // algorithm as well.
            Err(refusal) => {
                let again = self.keys.again(&identity.iss, &token.kid, &keys).await;
                verifying(&*again.ok_or(refusal)?, &signed)?
            }
        };
        let now = self.clock.now().as_secs();
        let claims = Claims::check(claims, token.marked, &identity.iss, &issuer.checks, now)?;
        let (kid, kid_digest) = (Arc::clone(keys.kid()), Arc::clone(keys.kid_digest()));
        let signature = token.parts.signature.into();
        Ok(Known { claims: Arc::new(claims), signature, kid, kid_digest, key })
    }

    /// Checks what may have changed since a token was verified: its key, and the time.
    ///
    /// The key is asked for as for any token, so that known tokens too see a set refreshed,
    /// dropped for its age, or without the key. Nothing where the issuer now has another key of
    /// that name: what the old one proved says nothing of the new one.
    async fn check_again(&self, known: &Known) -> Option<Result<Arc<Claims>, Refusal>> {
        let (_, identity) = self.identify(known.claims.text("iss"))?;
        let keys = match self.keys.key(&identity.iss, &known.kid).await {
            Ok(keys) => keys,
            Err(refusal) => return Some(Err(refusal)),
        };
        let same = keys.of(known.key.algorithm()).is_some_and(|key| **key == *known.key);
        let now = self.clock.now().as_secs();
        same.then(|| known.claims.check_again(now).map(|()| Arc::clone(&known.claims)))
    }

    fn identify(&self, iss: Option<&str>) -> Option<(&Issuer, &Identity)> {
        let iss = iss?;
        self.issuers.iter().find_map(|issuer| {
            issuer.identities.iter().find(|known| known.iss == iss).map(|found| (issuer, found))
        })
    }
}

/// A token with what its signature is made of.
struct Signed<'a> {
    token: &'a Unverified<'a>,
    /// What was signed, by SHA-256.
    digest: &'a Digest,
    signature: &'a [u8],
}

/// The one of these keys that signed the token.
fn verifying(keys: &Keys, signed: &Signed<'_>) -> Result<Arc<Key>, Refusal> {
    let Signed { token, digest, signature } = signed;
    let key = keys
        .of(token.algorithm)
        .ok_or(Refusal::key("the issuer's key is not for this algorithm"))?;
    if key.verifies(token.parts.signed.as_bytes(), digest, signature) {
        Ok(Arc::clone(key))
    } else {
        Err(Refusal::new(Code::Signature, "the signature is not the issuer's"))
    }
}
