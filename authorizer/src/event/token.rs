//! The place of the token in a request: exactly one of the configured places may hold one.

use serde_json::Value;

use super::payload::Payload;
use super::{EventKind, NO_TOKEN, SUBPROTOCOLS};
use crate::config::{Scheme, TokenSource};
use crate::refusal::Refusal;
use crate::token::bearer;

/// Returns the token of an event, without the scheme before it.
///
/// A browser cannot set headers on a WebSocket, so the token may also be in a query parameter or a
/// subprotocol.
///
/// # Errors
///
/// `malformed` if the event has no token or several, or other text around it.
pub(super) fn find<'a>(
    kind: EventKind,
    payload: &'a Payload,
    cookies: &'a [String],
    source: &TokenSource,
) -> Result<&'a str, Refusal> {
    if kind == EventKind::RestToken {
        return unwrapped(payload.authorization_token().ok_or(NO_TOKEN)?, source);
    }
    let header = payload.header(source.header())?;
    let header = header.map(|value| unwrapped(value, source)).transpose()?;
    let is_web_socket = kind == EventKind::WebSocket;
    let parameter = match source.query.as_ref().filter(|_| is_web_socket) {
        Some(name) => payload.parameter(name)?,
        None => None,
    };
    let subprotocol = match source.subprotocol.as_ref().filter(|_| is_web_socket) {
        Some(name) => after(name, payload.header(SUBPROTOCOLS)?.unwrap_or_default())?,
        None => None,
    };
    let cookie = cookie(cookies, source)?;
    let mut found = [header, parameter, subprotocol, cookie].into_iter().flatten();
    match (found.next(), found.next()) {
        (Some(token), None) if token.contains(char::is_whitespace) => {
            Err(Refusal::malformed("white space in the token"))
        }
        (Some(token), None) => Ok(token),
        (None, _) => Err(NO_TOKEN),
        (Some(_), Some(_)) => Err(Refusal::malformed("a token in more than one place")),
    }
}

/// Returns the token in a header's value.
fn unwrapped<'a>(value: &'a str, source: &TokenSource) -> Result<&'a str, Refusal> {
    match source.scheme() {
        Scheme::Bearer => bearer(value),
        Scheme::None if value.is_empty() || value.contains(char::is_whitespace) => {
            Err(Refusal::malformed("not exactly one token, without a scheme"))
        }
        Scheme::None => Ok(value),
    }
}

/// Returns the value of the configured cookie.
///
/// Each text has one cookie or several, separated by semicolons (RFC 6265 section 5.4). Names are
/// compared as they are. An empty value is a value.
///
/// # Errors
///
/// `malformed` if the cookie occurs more than once, because any of them may be the right one.
pub(super) fn cookie<'a>(
    cookies: &'a [String],
    source: &TokenSource,
) -> Result<Option<&'a str>, Refusal> {
    let Some(name) = source.cookie() else { return Ok(None) };
    let blank = [' ', '\t'];
    let pairs = cookies.iter().flat_map(|text| text.split(';')).filter_map(|it| it.split_once('='));
    let mut values = pairs
        .filter(|(other, _)| other.trim_matches(blank) == name)
        .map(|(_, value)| value.trim_matches(blank));
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Refusal::malformed("the token's cookie is there more than once")),
    }
}

/// Returns the subprotocol that is offered after the one of this name: `bearer, eyJ…`.
fn after<'a>(name: &str, offers: &'a str) -> Result<Option<&'a str>, Refusal> {
    let mut offers = offers.split(',').map(str::trim);
    if !offers.by_ref().any(|offer| offer == name) {
        return Ok(None);
    }
    let token = offers.next().filter(|token| !token.is_empty());
    let token = token.ok_or(Refusal::malformed("no token after its subprotocol"))?;
    if offers.any(|offer| offer == name) {
        return Err(Refusal::malformed("more than one token among the subprotocols"));
    }
    Ok(Some(token))
}

/// Returns true if an HTTP API caches its responses by the token, or cannot cache them.
///
/// `identity_source` holds the values of the cache key, and `has_token` returns true for a value
/// that has the token. If the cache key has only another header, the API would give one caller's
/// response to the next caller with the same value in that header.
///
/// The token must be verified, because before that it may contain commas.
pub(super) fn is_cached_by(
    identity_source: Option<&Value>,
    has_token: impl Fn(&str) -> bool,
) -> bool {
    match identity_source {
        // Without an identity source an HTTP API cannot cache.
        None => true,
        Some(Value::Array(values)) => {
            values.is_empty() || values.iter().filter_map(Value::as_str).any(has_token)
        }
        // Payload 1.0 joins several sources by commas.
        Some(Value::String(values)) => values.is_empty() || values.split(',').any(has_token),
        Some(_) => false,
    }
}
