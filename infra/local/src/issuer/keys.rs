//! The pool's RSA keys and the key set that publishes them.

use aws_lc_rs::rand::{self, SystemRandom};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use std::sync::Arc;
use tokio::task::spawn_blocking;

use super::Error;

/// The `typ` of a token's header.
pub(super) type Typ = Option<&'static str>;

/// One RSA-2048 key: it signs, and the key set shows its public half.
pub(super) struct Key {
    kid: String,
    pair: KeyPair,
}

/// The public half of a [`Key`] as RFC 7517 writes it, with Cognito's members.
#[derive(Serialize)]
struct Jwk<'a> {
    alg: &'static str,
    e: String,
    kid: &'a str,
    kty: &'static str,
    n: String,
    #[serde(rename = "use")]
    usage: &'static str,
}

impl Key {
    /// Makes a key. Takes tens to hundreds of milliseconds of one core.
    fn generate() -> Result<Self, Error> {
        let mut kid = [0; 32];
        rand::fill(&mut kid).map_err(|_| Error::Crypto("random bytes are not available"))?;
        let pair = KeyPair::generate(KeySize::Rsa2048)
            .map_err(|_| Error::Crypto("an RSA key can't be made"))?;
        Ok(Self { kid: STANDARD.encode(kid), pair })
    }

    /// Signs `claims` into a compact JWS (RFC 7515 §3.1). Cognito's header has kid and alg alone.
    pub(super) fn sign(&self, claims: &impl Serialize, typ: Typ) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Header<'a> {
            kid: &'a str,
            alg: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            typ: Typ,
        }
        let header = serde_json::to_vec(&Header { kid: &self.kid, alg: "RS256", typ })?;
        let claims = serde_json::to_vec(claims)?;

        let mut token = URL_SAFE_NO_PAD.encode(header);
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut token);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .map_err(|_| Error::Crypto("a token can't be signed"))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    fn jwk(&self) -> Jwk<'_> {
        let public = self.pair.public_key();
        Jwk {
            alg: "RS256",
            e: URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
            kid: &self.kid,
            kty: "RSA",
            n: URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()),
            usage: "sig",
        }
    }
}

/// A pool's two keys: Cognito signs ID and access tokens with different ones.
pub(super) struct Keys {
    pub(super) id: Key,
    pub(super) access: Key,
}

impl Keys {
    /// Makes both keys side by side, off the async threads.
    pub(super) async fn generate() -> Result<Self, Error> {
        let (id, access) =
            tokio::join!(spawn_blocking(Key::generate), spawn_blocking(Key::generate));
        let ended = |_| Error::Crypto("the thread that makes keys ended early");
        Ok(Self { id: id.map_err(ended)??, access: access.map_err(ended)?? })
    }
}

/// Treatment, at a rotation, of the keys that signed until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retired {
    /// They stay in the key set until the next rotation: tokens signed by them verify.
    Published,
    /// They leave the key set at once, and those of earlier rotations with them.
    Dropped,
}

/// The keys that sign now, and those that only verify.
pub(super) struct Ring {
    current: Arc<Keys>,
    retired: Option<Arc<Keys>>,
}

impl Ring {
    pub(super) fn new(keys: Keys) -> Self {
        Self { current: Arc::new(keys), retired: None }
    }

    pub(super) fn current(&self) -> Arc<Keys> {
        Arc::clone(&self.current)
    }

    /// Lets `fresh` sign from now on.
    pub(super) fn rotate(&mut self, fresh: Keys, retired: Retired) {
        let old = std::mem::replace(&mut self.current, Arc::new(fresh));
        self.retired = match retired {
            Retired::Published => Some(old),
            Retired::Dropped => None,
        };
    }

    /// The public keys of access tokens, the current one first.
    pub(super) fn access_keys(&self) -> Vec<Vec<u8>> {
        let all = std::iter::once(&self.current).chain(&self.retired);
        all.map(|keys| keys.access.pair.public_key().as_ref().to_vec()).collect()
    }

    /// The key set as JSON text.
    pub(super) fn jwks(&self) -> Result<String, Error> {
        #[derive(Serialize)]
        struct Jwks<'a> {
            keys: Vec<Jwk<'a>>,
        }
        let keys = std::iter::once(&self.current)
            .chain(&self.retired)
            .flat_map(|keys| [keys.id.jwk(), keys.access.jwk()])
            .collect();
        Ok(serde_json::to_string(&Jwks { keys })?)
    }
}
