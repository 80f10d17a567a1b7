//! The credentials of a request: a token, an API key, both, or none.

use crate::config::{CallersConfig, Require};
use crate::event::{Event, EventKind, NO_TOKEN};
use crate::refusal::{Code, Refusal};

/// The credentials of a request that the configuration uses.
#[derive(Clone, Copy)]
pub(crate) struct Credentials<'e> {
    pub(crate) token: Option<&'e str>,
    pub(crate) key: Option<&'e str>,
}

impl<'e> Credentials<'e> {
    /// Reads the credentials of a request. None of them is verified yet.
    ///
    /// If `has_public`, a request may have no credential. Every present credential must be well
    /// formed.
    ///
    /// # Errors
    ///
    /// `config` if a key is required and the event is a TOKEN event, which has none. `malformed` or
    /// `api_key` if a required credential is missing or malformed, or if the request has a token
    /// and a key but the configuration has no `prefer`.
    pub(crate) fn of(
        event: &'e Event<'_>,
        callers: &CallersConfig,
        has_public: bool,
    ) -> Result<Self, Refusal> {
        let needs_key = matches!(callers.require, Require::Key | Require::Both);
        if event.kind() == EventKind::RestToken && needs_key {
            return Err(Refusal::config(
                "a TOKEN event has no API key: make it a REQUEST authorizer",
            ));
        }
        let token = if callers.takes_tokens() { token_of(event)? } else { None };
        let key = if callers.takes_keys() { event.api_key()? } else { None };
        match (callers.require, token, key) {
            (_, None, None) if has_public => {}
            (_, None, None) => return Err(missing(callers)),
            (Require::Both, None, Some(_)) => return Err(NO_TOKEN),
            (Require::Both, Some(_), None) => return Err(NO_KEY),
            (Require::Either, Some(_), Some(_)) if callers.prefer.is_none() => {
                return Err(Refusal::malformed("a token and an API key: only one is accepted"));
            }
            _ => {}
        }
        Ok(Self { token, key })
    }
}

/// The refusal of a request without any credential.
pub(crate) const fn missing(callers: &CallersConfig) -> Refusal {
    match callers.require {
        Require::Token | Require::Both => NO_TOKEN,
        Require::Key => NO_KEY,
        Require::Either => Refusal::malformed("the event has neither a token nor an API key"),
    }
}

const NO_KEY: Refusal = Refusal::new(Code::ApiKey, "the request has no API key");

/// Returns the token of an event; `None` if it has none.
fn token_of<'e>(event: &'e Event<'_>) -> Result<Option<&'e str>, Refusal> {
    match event.token() {
        Err(refusal) if refusal == NO_TOKEN => Ok(None),
        token => token.map(Some),
    }
}
