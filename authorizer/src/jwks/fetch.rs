//! Fetching a key set: bounded in time and size, never redirected.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, DATE, HeaderValue};
use reqwest::{Client, StatusCode, Url};

use super::Identity;
use super::set::{KeySet, SetError};
use crate::http;

/// Longest key set that is read, in bytes: API Gateway's own bound for its JWT authorizer.
pub(crate) const MAX_BODY: usize = 150_000;

/// Time-out of a whole fetch: API Gateway's own bound for its JWT authorizer.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// Most fetches that are kept until a record takes them.
const MAX_FETCHES: usize = 100;

/// Error of a fetch. It never quotes the body.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer from the key endpoint: {0}")]
    Transport(&'static str),
    #[error("the key endpoint answered {0}")]
    Status(StatusCode),
    #[error("the key set is longer than {MAX_BODY} bytes")]
    TooLong,
    #[error("the answer is not a key set: {0}")]
    Set(#[from] SetError),
}

impl FetchError {
    /// Returns true if the endpoint says that it has no key set. Cognito's updated endpoint does so
    /// for a pool that has not switched to it.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Status(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND))
    }
}

/// Fetches and reads one key set.
///
/// # Errors
///
/// Those of `fetch`, or the set has no usable key.
pub(super) async fn key_set(client: &Client, address: &Url) -> Result<KeySet, FetchError> {
    Ok(KeySet::parse(&fetch(client, address).await?.0)?)
}

/// Fetches the body at an address, and the `Date` of the answer.
///
/// The connection is closed, because the next fetch is minutes away, and only a time-out would show
/// that a connection broke while the execution environment was frozen.
///
/// # Errors
///
/// No answer in time, another status than 200, or a body that is too long.
async fn fetch(client: &Client, address: &Url) -> Result<(Vec<u8>, Option<String>), FetchError> {
    let request = client
        .get(address.clone())
        .timeout(TIMEOUT)
        .header(CONNECTION, HeaderValue::from_static("close"))
        .header(ACCEPT, HeaderValue::from_static("application/json"))
        // Without this header any coding is acceptable (RFC 9110 section 12.5.3).
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let mut response = request.send().await.map_err(|error| transport(&error))?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
    let date = date.map(str::to_owned);
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
        if body.len().saturating_add(chunk.len()) > MAX_BODY {
            return Err(FetchError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, date))
}

fn transport(error: &reqwest::Error) -> FetchError {
    FetchError::Transport(if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "the connection failed"
    } else {
        "the connection broke"
    })
}

/// One finished fetch of a key set.
#[derive(Clone, Copy)]
pub(crate) struct Fetch {
    /// Duration of the fetch.
    pub(crate) took: Duration,
    /// True if it brought a key set.
    pub(crate) succeeded: bool,
}

/// The oldest hundred finished fetches that no record has taken.
#[derive(Default)]
pub(crate) struct Fetches(Mutex<Vec<Fetch>>);

impl Fetches {
    /// Adds a fetch.
    pub(crate) fn note(&self, took: Duration, succeeded: bool) {
        let mut fetches = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if fetches.len() < MAX_FETCHES {
            fetches.push(Fetch { took, succeeded });
        }
    }

    /// Returns the fetches, and forgets them.
    pub(crate) fn take(&self) -> Vec<Fetch> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A key set as its issuer publishes it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublishedKeys {
    /// The text, which the configuration takes as `jwks` or in a `jwks_file`.
    pub text: String,
    /// The number of kids with a key that can verify signatures.
    pub usable: usize,
    /// The `Date` of the answer, as it was sent: the time of the endpoint's clock.
    pub date: Option<String>,
}

/// Hides the keys.
impl std::fmt::Debug for PublishedKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PublishedKeys").field("usable", &self.usable).finish_non_exhaustive()
    }
}

/// Error of [`fetch_keys`]. It never quotes the body.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct KeysError(String);

impl From<FetchError> for KeysError {
    fn from(error: FetchError) -> Self {
        Self(error.to_string())
    }
}

/// Fetches the key set of one of an issuer's names, so that a deployment can bundle it.
///
/// The fetch has the same bounds as the authorizer's own.
///
/// # Errors
///
/// No address, no answer in 1.5 seconds, another status than 200, over 150,000 bytes, or no usable
/// key.
pub async fn fetch_keys(identity: &Identity) -> Result<PublishedKeys, KeysError> {
    let address = identity.jwks_uri.as_ref();
    let address =
        address.ok_or_else(|| KeysError("the keys come from the configuration".into()))?;
    let client = http::client(address.scheme() == "http", identity.proxy)
        .map_err(|error| KeysError(format!("the HTTP client can't be made: {error}")))?;
    let (body, date) = fetch(&client, address).await?;
    let usable = KeySet::parse(&body).map_err(FetchError::from)?.len();
    let text = String::from_utf8(body).map_err(|_| FetchError::from(SetError::Form))?;
    Ok(PublishedKeys { text, usable, date })
}
