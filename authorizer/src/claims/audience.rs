//! For whom a token is: its kind, the client it was issued to, and the audience it is bound to.

use serde_json::{Map, Value};

use crate::config::{Accepted, Checks, TokenUse};
use crate::refusal::Refusal;

/// The claim that names the client of an access token (RFC 9068 section 2.2).
const CLIENT: &str = "client_id";

/// The client of an ID token, and the resource that an access token is bound to.
const AUDIENCE: &str = "aud";

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Access,
    Id,
    /// The token doesn't say.
    Unsaid,
}

/// Checks the kind, the client and the audience; returns the claim that names the client.
pub(super) fn check(
    members: &Map<String, Value>,
    marked: bool,
    checks: &Checks,
) -> Result<&'static str, Refusal> {
    let kind = kind(members, marked, checks)?;
    let client = client_claim(members, kind, checks);
    let named = client_of(members, client);
    let fits = match (&checks.clients, members.get(client)) {
        (None | Some(Accepted::Any), None) => true,
        // What it names is an audience then, and judged as one below.
        (None, Some(_)) if client == AUDIENCE => true,
        (None, Some(_)) => named.is_some(),
        (Some(clients), _) => named.is_some_and(|name| clients.has(name)),
    };
    if !fits {
        return Err(Refusal::claim("the token is for another client"));
    }
    if client == AUDIENCE && checks.clients.is_some() {
        return Ok(client);
    }
    let audience = members.get(AUDIENCE);
    let fits = match (&checks.audiences, audience) {
        // RFC 7519 section 4.1.3: an audience that isn't ours must be refused; none is ours here.
        (None, audience) => audience.is_none(),
        (Some(Accepted::Any), None) => true,
        (Some(Accepted::These(_)), None) => {
            let name = members.get(CLIENT).and_then(Value::as_str);
            kind == Kind::Access
                && name.is_some_and(|name| checks.unbound_clients.iter().any(|id| id == name))
        }
        (Some(audiences), audience) => accepts(audiences, audience),
    };
    if fits { Ok(client) } else { Err(Refusal::claim("the token is for another audience")) }
}

/// What the token is, where that is what the configuration asks for.
///
/// Cognito says it in `token_use`. Another issuer's token may be marked as an access token by its
/// header's `typ` (RFC 9068), or not say it at all: then it is no access token, and passes as an
/// ID token for its audience, or where any use is accepted.
///
/// A security event (RFC 8417 section 2.2) is no token that lets anybody in, though one looks much
/// like an ID token: the logout token of OpenID Connect's back-channel logout, say, which an
/// issuer hands to every client.
fn kind(members: &Map<String, Value>, marked: bool, checks: &Checks) -> Result<Kind, Refusal> {
    let another = Err(Refusal::claim("the token is for another use"));
    if members.get("events").is_some_and(Value::is_object) {
        return another;
    }
    let kind = match members.get("token_use") {
        Some(said) if said == "access" => Kind::Access,
        Some(said) if said == "id" && !marked => Kind::Id,
        Some(_) => return another,
        None if checks.cognito => return another,
        None if marked => Kind::Access,
        None => Kind::Unsaid,
    };
    match (checks.token_use, kind) {
        (TokenUse::Access, Kind::Access)
        | (TokenUse::Id, Kind::Id)
        | (TokenUse::Any, Kind::Access | Kind::Id | Kind::Unsaid) => Ok(kind),
        (TokenUse::Id, Kind::Unsaid) => Ok(Kind::Id),
        _ => another,
    }
}

/// The claim that names a token's client: the one that is checked, and the only one believed.
///
/// It follows from what the token is, never from what happens to be there: an ID token with a
/// `client_id` is still judged by its audience.
fn client_claim(members: &Map<String, Value>, kind: Kind, checks: &Checks) -> &'static str {
    match kind {
        Kind::Id => AUDIENCE,
        Kind::Unsaid if !members.contains_key(CLIENT) && checks.audiences.is_none() => AUDIENCE,
        Kind::Access | Kind::Unsaid => CLIENT,
    }
}

/// The one client that this claim names.
///
/// An audience may say it as a list of one (RFC 7519 section 4.1.3). Of several none is believed:
/// which one could be denied or revoked?
pub(super) fn client_of<'a>(members: &'a Map<String, Value>, claim: &str) -> Option<&'a str> {
    let name = match members.get(claim)? {
        Value::String(name) => name,
        Value::Array(all) if claim == AUDIENCE => match all.as_slice() {
            [Value::String(name)] => name,
            _ => return None,
        },
        _ => return None,
    };
    (!name.is_empty()).then_some(name)
}

/// Whether an audience is well formed, and holds one that is accepted.
///
/// It may be several (RFC 7519 section 4.1.3).
fn accepts(accepted: &Accepted, claim: Option<&Value>) -> bool {
    match claim {
        Some(Value::String(one)) => !one.is_empty() && accepted.has(one),
        Some(Value::Array(all)) => {
            all.iter().all(Value::is_string)
                && all.iter().filter_map(Value::as_str).any(|one| accepted.has(one))
        }
        _ => false,
    }
}
