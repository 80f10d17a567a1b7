//! Verification of the pool's own access tokens, for the operations that take one.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::User;
use super::pool::Pool;

/// Reasons why an access token opens nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    Token,
    Expired,
    Revoked,
}

/// The claims of an access token that are looked at.
#[derive(Deserialize)]
pub(super) struct Access {
    sub: String,
    exp: u64,
    #[serde(default)]
    origin_jti: String,
    token_use: Option<String>,
    scope: Option<Value>,
}

impl Access {
    /// Returns true if the token has this scope.
    pub(super) fn has_scope(&self, wanted: &str) -> bool {
        let scopes = self.scope.as_ref().and_then(Value::as_str).unwrap_or_default();
        scopes.split(' ').any(|scope| scope == wanted)
    }
}

impl Pool {
    /// Returns the user and the claims of an access token that this pool signed.
    pub(super) fn verify_access(&self, token: &str) -> Result<(User, Access), Invalid> {
        let (signed, signature) = token.rsplit_once('.').ok_or(Invalid::Token)?;
        let (_, claims) = signed.split_once('.').ok_or(Invalid::Token)?;
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| Invalid::Token);
        let signature = decode(signature)?;
        let is_ours = self.public_keys().into_iter().any(|key| {
            let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
            key.verify(signed.as_bytes(), &signature).is_ok()
        });
        if !is_ours {
            return Err(Invalid::Token);
        }
        let access: Access =
            serde_json::from_slice(&decode(claims)?).map_err(|_| Invalid::Token)?;
        if access.token_use.as_deref().is_some_and(|token_use| token_use != "access") {
            return Err(Invalid::Token);
        }
        if self.now() >= access.exp {
            return Err(Invalid::Expired);
        }
        let user = self.user_by_subject(&access.sub).ok_or(Invalid::Token)?;
        if self.sessions.has_ended(&user.username, &access.origin_jti) {
            return Err(Invalid::Revoked);
        }
        Ok((user, access))
    }
}
