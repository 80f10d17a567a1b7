//! Fetches a key set for a deployment to bundle.

use super::fetch::{Fetch, FetchError};
use super::set::{KeySet, SetError};
use crate::config::Identity;
use crate::http;

/// A key set as its issuer publishes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishedKeys {
    /// The text, which the configuration takes as `jwks` or in a `jwks_file`.
    pub text: String,
    /// How many kids have a key in it that can verify signatures.
    pub usable: usize,
}

/// Keys are never shown.
impl std::fmt::Debug for PublishedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublishedKeys").field("usable", &self.usable).finish_non_exhaustive()
    }
}

/// The reason why a key set could not be fetched. It never quotes the body.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeysError(String);

impl From<FetchError> for KeysError {
    fn from(error: FetchError) -> Self {
        Self(error.to_string())
    }
}

/// Fetches the key set of one of an issuer's names, bounded as the authorizer's own fetch is.
///
/// # Errors
///
/// No address, no answer in 1.5 seconds, another status than 200, over 150,000 bytes, or no usable
/// key.
pub async fn fetch_keys(identity: &Identity) -> Result<PublishedKeys, KeysError> {
    let address = identity.jwks_uri.as_ref();
    let address =
        address.ok_or_else(|| KeysError("the keys come from the configuration".into()))?;
    let client = http::client(address.scheme() == "http")
        .map_err(|error| KeysError(format!("no HTTP client could be made: {error}")))?;
    let fetch = Fetch::new(client);
    let body = fetch.body(address).await?;
    let usable = KeySet::parse(&body).map_err(FetchError::from)?.len();
    let text = String::from_utf8(body).map_err(|_| FetchError::from(SetError::Form))?;
    Ok(PublishedKeys { text, usable })
}
