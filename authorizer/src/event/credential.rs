//! The token of an event: exactly one, in exactly one place.

use serde_json::Value;

use super::EventKind;
use super::payload::Payload;
use crate::config::TokenSource;
use crate::refusal::Refusal;
use crate::token::bearer;

/// The header that offers subprotocols (RFC 6455 section 11.3.4).
const SUBPROTOCOLS: &str = "sec-websocket-protocol";

const NONE: Refusal = Refusal::malformed("the event has no token");

/// Returns the token of an event, without the scheme before it.
pub(super) fn token<'a>(
    kind: EventKind,
    payload: &'a Payload,
    source: &TokenSource,
) -> Result<&'a str, Refusal> {
    match kind {
        EventKind::RestToken => bearer(payload.authorization_token().ok_or(NONE)?),
        EventKind::RestRequest | EventKind::Http1 | EventKind::Http2 => {
            bearer(payload.header(source.header())?.ok_or(NONE)?)
        }
        EventKind::WebSocket => of_web_socket(payload, source),
    }
}

/// Returns true if an HTTP API caches its responses by the token, or cannot cache them.
///
/// `identity_source` holds the values of the cache key. An API with another header there would give
/// one caller's response to the next caller with the same value in that header.
///
/// The token must be verified: only then `token` has no comma that the caller wrote.
pub(super) fn is_cached_by(
    token: Result<Option<&str>, Refusal>,
    identity_source: Option<&Value>,
) -> bool {
    let Ok(Some(token)) = token else { return false };
    let is_token = |value: &str| value.trim() == token.trim();
    match identity_source {
        // Without an identity source an HTTP API cannot cache.
        None => true,
        Some(Value::Array(values)) => {
            values.is_empty() || values.iter().filter_map(Value::as_str).any(is_token)
        }
        // Payload 1.0 joins several sources by commas.
        Some(Value::String(values)) => values.is_empty() || values.split(',').any(is_token),
        Some(_) => false,
    }
}

/// Returns the token of a WebSocket, from the header or from the two other configured places.
///
/// A browser cannot set headers on a WebSocket.
fn of_web_socket<'a>(payload: &'a Payload, source: &TokenSource) -> Result<&'a str, Refusal> {
    let header = payload.header(source.header())?.map(bearer).transpose()?;
    let parameter = match source.query() {
        Some(name) => payload.parameter(name)?,
        None => None,
    };
    let subprotocol = match source.subprotocol() {
        Some(name) => after(name, payload.header(SUBPROTOCOLS)?.unwrap_or_default())?,
        None => None,
    };
    let mut found = [header, parameter, subprotocol].into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(token), None) if token.contains(char::is_whitespace) => {
            Err(Refusal::malformed("white space in the token"))
        }
        (Some(token), None) => Ok(token),
        (None, _) => Err(NONE),
        (Some(_), Some(_)) => Err(Refusal::malformed("a token in more than one place")),
    }
}

/// Returns the subprotocol that is offered after the one of this name: `bearer, eyJ…`.
fn after<'a>(name: &str, offers: &'a str) -> Result<Option<&'a str>, Refusal> {
    let mut offers = offers.split(',').map(str::trim);
    if !offers.by_ref().any(|offer| offer == name) {
        return Ok(None);
    }
    let token = offers.next().filter(|token| !token.is_empty()).ok_or(NONE)?;
    if offers.any(|offer| offer == name) {
        return Err(Refusal::malformed("more than one token among the subprotocols"));
    }
    Ok(Some(token))
}
