//! The content of a refresh token.
//!
//! It is sealed instead of remembered: nothing grows with the number of sign-ins. Cognito's own
//! refresh tokens are encrypted too, and as opaque to their holder.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Error;

/// A user's sign-in, from which tokens are made now and at each refresh.
#[derive(Deserialize, Serialize)]
pub(super) struct Session {
    pub(super) client_id: String,
    pub(super) username: String,
    /// Shared by all tokens of this sign-in.
    pub(super) origin_jti: String,
    /// The time of the sign-in, in Unix seconds.
    pub(super) auth_time: u64,
}

/// The key that seals sessions, made at start and never shown.
pub(super) struct Seal(RandomizedNonceKey);

impl Seal {
    pub(super) fn generate() -> Result<Self, Error> {
        let mut key = [0; 32];
        rand::fill(&mut key).map_err(|_| Error::Crypto("random bytes are not available"))?;
        RandomizedNonceKey::new(&AES_256_GCM, &key)
            .map(Self)
            .map_err(|_| Error::Crypto("the key of refresh tokens can't be made"))
    }

    /// Writes `session` as a refresh token: base64url of nonce, sealed JSON and tag.
    pub(super) fn seal(&self, session: &Session) -> Result<String, Error> {
        let mut text = serde_json::to_vec(session)?;
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::empty(), &mut text)
            .map_err(|_| Error::Crypto("a refresh token can't be sealed"))?;
        let token = URL_SAFE_NO_PAD.encode([nonce.as_ref().as_slice(), &text].concat());
        Ok(token)
    }

    /// Reads a refresh token that this pool wrote since it started; `None` for anything else.
    pub(super) fn open(&self, token: &str) -> Option<Session> {
        let mut bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let text = self.0.open_in_place(nonce, Aad::empty(), sealed).ok()?;
        serde_json::from_slice(text).ok()
    }
}
