//! Calls of a signed-in user: `GetUser`, `GlobalSignOut` and `RevokeToken`.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::User;
use super::api::{client, required};
use super::claims::SIGN_IN_SCOPE;
use super::exception::Exception;
use super::pool::{Pool, same_secret};
use super::verify::{Access, Invalid};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct WithAccess {
    access_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Revocation {
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

pub(super) fn get_user(pool: &Pool, request: WithAccess) -> Result<Value, Exception> {
    let (user, _) = signed_in(pool, request)?;
    let attributes = attributes(pool, &user);
    let attributes: Vec<Value> = attributes
        .into_iter()
        .map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            json!({"Name": name, "Value": value})
        })
        .collect();
    Ok(json!({"Username": user.username, "UserAttributes": attributes}))
}

/// Ends every session of the user that there is by now.
pub(super) fn global_sign_out(pool: &Pool, request: WithAccess) -> Result<Value, Exception> {
    let (user, _) = signed_in(pool, request)?;
    pool.sessions.end_all(&user.username);
    Ok(json!({}))
}

/// Ends the session of a refresh token.
pub(super) fn revoke_token(pool: &Pool, request: Revocation) -> Result<Value, Exception> {
    let token = required(request.token, "Token")?;
    let client = client(pool, request.client_id)?;
    let is_right = match (&client.secret, &request.client_secret) {
        (Some(kept), Some(given)) => same_secret(given, kept),
        (Some(_), None) => client.is_public,
        (None, given) => given.is_none(),
    };
    if !is_right {
        return Err(Exception::new("UnauthorizedException", "Invalid client secret"));
    }
    let unsupported = || Exception::new("UnsupportedTokenTypeException", "Unsupported token type");
    let session = pool.seal.session(&token).ok_or_else(unsupported)?;
    if session.client_id != client.id {
        return Err(Exception::new("UnauthorizedException", "Invalid client"));
    }
    pool.sessions.end(&session.origin_jti);
    Ok(json!({}))
}

/// The attributes of a user: `sub` first, and `email_verified`.
pub(super) fn attributes(pool: &Pool, user: &User) -> Map<String, Value> {
    let mut all = Map::from_iter([("sub".to_owned(), pool.subject(user).into())]);
    if user.attributes.contains_key("email") {
        all.insert("email_verified".to_owned(), true.into());
    }
    all.extend(user.attributes.clone());
    all
}

fn signed_in(pool: &Pool, request: WithAccess) -> Result<(User, Access), Exception> {
    let token = required(request.access_token, "AccessToken")?;
    let (user, access) = pool.verify_access(&token).map_err(|invalid| {
        Exception::not_authorized(match invalid {
            Invalid::Token => "Invalid Access Token",
            Invalid::Expired => "Access Token has expired",
            Invalid::Revoked => "Access Token has been revoked",
        })
    })?;
    if !access.has_scope(SIGN_IN_SCOPE) {
        return Err(Exception::not_authorized("Access Token does not have required scopes"));
    }
    Ok((user, access))
}
