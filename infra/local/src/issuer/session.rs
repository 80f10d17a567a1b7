//! The content of refresh tokens and other sealed texts, and the sessions that have ended.
//!
//! A text is sealed instead of remembered: nothing grows with the number of sign-ins. Cognito's own
//! refresh tokens are encrypted too, and as opaque to their holder.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};
use uuid::{Builder, Uuid};

use super::Error;

const REFRESH: &str = "REFRESH";
/// The number of ended sessions that are remembered; with more, all are forgotten.
const MAX_ENDED: usize = 100_000;

/// A user's sign-in, from which tokens are made now and at each refresh.
#[derive(Deserialize, Serialize)]
pub(super) struct Session {
    pub(super) client_id: String,
    pub(super) username: String,
    /// Shared by all tokens of this sign-in.
    pub(super) origin_jti: String,
    /// The time of the sign-in, in Unix seconds.
    pub(super) auth_time: u64,
    /// The scopes that a hosted sign-in was granted, separated by spaces.
    pub(super) scopes: Option<String>,
    /// The value that a hosted sign-in wants to see in its ID token.
    pub(super) nonce: Option<String>,
}

/// The key that seals texts, made at start and never shown.
pub(super) struct Seal(RandomizedNonceKey);

impl Seal {
    pub(super) fn generate() -> Result<Self, Error> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| Error::Crypto("random bytes are not available"))?;
        RandomizedNonceKey::new(&AES_256_GCM, &key)
            .map(Self)
            .map_err(|_| Error::Crypto("the key of refresh tokens can't be made"))
    }

    /// Writes a session as a refresh token.
    pub(super) fn refresh_token(&self, session: &Session) -> Result<String, Error> {
        self.seal(REFRESH, session)
    }

    /// Reads a refresh token that this pool wrote since it started; `None` for anything else.
    pub(super) fn session(&self, token: &str) -> Option<Session> {
        self.open(REFRESH, token)
    }

    /// Seals a value for one purpose: base64url of nonce, sealed JSON and tag.
    pub(super) fn seal(&self, purpose: &str, value: &impl Serialize) -> Result<String, Error> {
        let mut text = serde_json::to_vec(value)?;
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(purpose.as_bytes()), &mut text)
            .map_err(|_| Error::Crypto("a token can't be sealed"))?;
        let token = URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &text].concat());
        Ok(token)
    }

    /// Opens what was sealed here for this purpose.
    pub(super) fn open<T: DeserializeOwned>(&self, purpose: &str, token: &str) -> Option<T> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.open_in_place(nonce, Aad::from(purpose.as_bytes()), sealed).ok()?;
        serde_json::from_slice(text).ok()
    }
}

/// The sessions that ended before their time.
///
/// A session's id ends with the number of its user's sign-outs at the time, so that a sign-out from
/// everywhere ends those before it and none after it.
#[derive(Default)]
pub(super) struct Sessions(Mutex<Ended>);

#[derive(Default)]
struct Ended {
    sessions: HashSet<String>,
    sign_outs: HashMap<String, u16>,
}

impl Sessions {
    /// A new session's id.
    pub(super) fn begin(&self, username: &str) -> String {
        let count = self.with(|ended| ended.sign_outs.get(username).copied().unwrap_or(0));
        let mut bytes = Uuid::new_v4().into_bytes();
        if let Some(end) = bytes.last_chunk_mut() {
            *end = count.to_be_bytes();
        }
        Builder::from_random_bytes(bytes).into_uuid().to_string()
    }

    /// Ends one session.
    pub(super) fn end(&self, origin_jti: &str) {
        self.with(|ended| {
            if ended.sessions.len() >= MAX_ENDED {
                ended.sessions.clear();
            }
            ended.sessions.insert(origin_jti.to_owned());
        });
    }

    /// Ends every session of a user that began until now.
    pub(super) fn end_all(&self, username: &str) {
        self.with(|ended| {
            let count = ended.sign_outs.entry(username.to_owned()).or_default();
            *count = count.saturating_add(1);
        });
    }

    /// Returns true if a session has ended.
    pub(super) fn has_ended(&self, username: &str, origin_jti: &str) -> bool {
        let count = origin_jti.get(32..).and_then(|end| u16::from_str_radix(end, 16).ok());
        self.with(|ended| {
            let sign_outs = ended.sign_outs.get(username).copied().unwrap_or(0);
            ended.sessions.contains(origin_jti) || count.unwrap_or(0) < sign_outs
        })
    }

    fn with<T>(&self, act: impl FnOnce(&mut Ended) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
