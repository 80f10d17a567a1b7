//! Fetching a key set: bounded in time and size, never redirected.

use std::time::Duration;

use reqwest::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HeaderValue};
use reqwest::{Client, StatusCode, Url};

use super::set::{KeySet, SetError};

/// The longest key set that is read: API Gateway's own bound for its JWT authorizer.
pub(super) const MAX_BODY: usize = 150_000;

/// The longest time for a whole fetch: API Gateway's own bound for its JWT authorizer.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// Fetches key sets. Connections are not kept: the next fetch is minutes away, and one that
/// froze with the execution environment is found dead only by a time-out.
#[derive(Clone)]
pub(super) struct Fetch {
    client: Client,
}

/// Why a key set could not be fetched. Says nothing of the body.
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
    /// Whether the endpoint said that there is no key set, as Cognito's updated one does for a
    /// pool that has not switched.
    pub(super) fn is_absence(&self) -> bool {
        matches!(self, Self::Status(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND))
    }
}

impl Fetch {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Fetches and reads one key set.
    ///
    /// # Errors
    ///
    /// No answer in time, another status than 200, too long, or no usable key in it.
    pub(super) async fn key_set(&self, address: &Url) -> Result<KeySet, FetchError> {
        Ok(KeySet::parse(&self.body(address).await?)?)
    }

    /// Fetches what is at the address, whatever it is.
    ///
    /// # Errors
    ///
    /// No answer in time, another status than 200, or too long.
    pub(super) async fn body(&self, address: &Url) -> Result<Vec<u8>, FetchError> {
        let request = self
            .client
            .get(address.clone())
            .timeout(TIMEOUT)
            .header(CONNECTION, HeaderValue::from_static("close"))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            // Without it any coding is acceptable (RFC 9110 section 12.5.3), and none is decoded.
            .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let mut response = request.send().await.map_err(|error| transport(&error))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transport(&error))? {
            if body.len().saturating_add(chunk.len()) > MAX_BODY {
                return Err(FetchError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
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
