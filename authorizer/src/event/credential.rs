//! Where an event's token is: exactly one, in exactly one place.

use serde_json::Value;

use super::Form;
use super::members::Members;
use crate::config::TokenSource;
use crate::refusal::Refusal;
use crate::token::bearer;

/// The header that offers subprotocols (RFC 6455 section 11.3.4).
const SUBPROTOCOLS: &str = "sec-websocket-protocol";

const NONE: Refusal = Refusal::malformed("the event has no token");

/// Finds the token of an event, without the scheme before it.
pub(super) fn token<'a>(
    form: Form,
    members: Members<'a>,
    source: &TokenSource,
) -> Result<&'a str, Refusal> {
    match form {
        Form::RestToken => bearer(members.text("authorizationToken").ok_or(NONE)?),
        Form::RestRequest | Form::Http1 | Form::Http2 => {
            bearer(members.header(source.header())?.ok_or(NONE)?)
        }
        Form::WebSocket => of_web_socket(members, source),
    }
}

/// Returns whether an HTTP API caches its answer by the token, if it caches at all.
///
/// `identitySource` holds the values that the answer is cached by. An API that names another
/// header would give one caller's answer to the next caller with the same value there.
///
/// Only for a token that was verified: the values then hold no comma of the caller's.
pub(super) fn is_cached_by_token(form: Form, members: Members<'_>, source: &TokenSource) -> bool {
    if !form.is_http() {
        return true;
    }
    let Ok(Some(value)) = members.header(source.header()) else { return false };
    let is_value = |source: &str| source.trim() == value.trim();
    match members.get("identitySource") {
        // Without an identity source an HTTP API cannot cache.
        None => true,
        Some(Value::Array(sources)) => {
            sources.is_empty() || sources.iter().filter_map(Value::as_str).any(is_value)
        }
        // Payload 1.0 joins several sources by commas.
        Some(Value::String(source)) => source.is_empty() || source.split(',').any(is_value),
        Some(_) => false,
    }
}

/// A browser can't set headers on a WebSocket, so there are two places more, where configured.
fn of_web_socket<'a>(members: Members<'a>, source: &TokenSource) -> Result<&'a str, Refusal> {
    let header = members.header(source.header())?.map(bearer).transpose()?;
    let parameter = match source.query() {
        Some(name) => members.parameter(name)?,
        None => None,
    };
    let subprotocol = match source.subprotocol() {
        Some(name) => after(name, members.header(SUBPROTOCOLS)?.unwrap_or_default())?,
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

/// The offer that stands after the one of that name: `bearer, eyJ…`.
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
