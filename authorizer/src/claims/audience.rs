//! The recipients of a token: its kind, the client it was issued to, and its audience.

use policy::is_elsewhere;
use serde_json::{Map, Value};

use crate::config::{Accepted, Checks, TokenUse};
use crate::refusal::Refusal;

/// The client of an ID token, and the resource that an access token is bound to.
const AUDIENCE: &str = "aud";

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Access,
    Id,
    /// The token does not say.
    Unsaid,
}

/// Checks the kind, the client and the audience; returns the claim that names the client.
pub(super) fn check<'c>(
    members: &Map<String, Value>,
    is_access_token: bool,
    checks: &'c Checks,
) -> Result<&'c str, Refusal> {
    let kind = kind(members, is_access_token, checks)?;
    let client = client_claim(members, kind, checks);
    let named = client_of(members, client);
    let fits = match (&checks.clients, member(members, client)) {
        (None | Some(Accepted::Any), None) => true,
        // The claim names an audience, which is checked below.
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
    let audience = member(members, AUDIENCE);
    // An access token whose only audience is its own client is for no other API.
    let is_own = kind == Kind::Access && named.is_some() && client_of(members, AUDIENCE) == named;
    let is_unbound = audience.is_none() || is_own;
    let fits = match &checks.audiences {
        // RFC 7519 section 4.1.3: any other audience must be refused, and none is configured.
        None => is_unbound,
        Some(accepted) if accepts(accepted, audience) => true,
        Some(Accepted::Any) => audience.is_none(),
        Some(Accepted::These(_)) => {
            let name = members.get(&checks.client_claim).and_then(Value::as_str);
            is_unbound
                && kind == Kind::Access
                && name.is_some_and(|name| checks.unbound_clients.iter().any(|id| id == name))
        }
    };
    if fits { Ok(client) } else { Err(Refusal::claim("the token is for another audience")) }
}

/// A claim that says something: an audience that is empty counts as missing.
fn member<'m>(members: &'m Map<String, Value>, claim: &str) -> Option<&'m Value> {
    members.get(claim).filter(|value| {
        let is_empty = match value {
            Value::String(text) => text.is_empty(),
            Value::Array(list) => list.is_empty(),
            _ => false,
        };
        claim != AUDIENCE || !is_empty
    })
}

/// The kind of the token, if the configuration accepts it.
///
/// Cognito states it in `token_use`. Another issuer's token may be marked as an access token by its
/// header's `typ` (RFC 9068), or not state it at all: then it is not an access token, and passes as
/// an ID token for its audience, or where any use is accepted.
///
/// A security event (RFC 8417 section 2.2) is not a token that grants access, though some look much
/// like an ID token: the logout token of OpenID Connect's back-channel logout, for example, which
/// an issuer hands to every client.
fn kind(
    members: &Map<String, Value>,
    is_access_token: bool,
    checks: &Checks,
) -> Result<Kind, Refusal> {
    let another = Err(Refusal::claim("the token is for another use"));
    if members.get("events").is_some_and(Value::is_object) {
        return another;
    }
    let kind = match members.get("token_use") {
        Some(said) if said == "access" => Kind::Access,
        Some(said) if said == "id" && !is_access_token => Kind::Id,
        Some(_) => return another,
        None if checks.cognito => return another,
        None if is_access_token => Kind::Access,
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
/// It follows from the kind of the token, never from the claims that happen to be present: an ID
/// token with a `client_id` is still judged by its audience.
fn client_claim<'c>(members: &Map<String, Value>, kind: Kind, checks: &'c Checks) -> &'c str {
    let client = checks.client_claim.as_str();
    match kind {
        Kind::Id => AUDIENCE,
        Kind::Unsaid if !members.contains_key(client) && checks.audiences.is_none() => AUDIENCE,
        Kind::Access | Kind::Unsaid => client,
    }
}

/// The client that this claim names.
///
/// An audience may be a list of one (RFC 7519 section 4.1.3). A list of several names no client,
/// because it would be unclear which one to deny or revoke.
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

/// Returns true if a claim names a client, or more than one, in a form that is not understood.
pub(super) fn is_unclear(members: &Map<String, Value>, claim: &str) -> bool {
    is_elsewhere(members, claim)
        || client_of(members, claim).is_none() && member(members, claim).is_some()
}

/// Returns true if an audience is well formed and has an accepted entry.
///
/// It may have several entries (RFC 7519 section 4.1.3).
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
