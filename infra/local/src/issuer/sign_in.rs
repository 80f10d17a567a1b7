//! Signing in: `InitiateAuth`, `RespondToAuthChallenge` and `GetTokensFromRefreshToken`.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::api::{client, required};
use super::exception::Exception;
use super::pool::{Pool, same_secret};
use super::srp::{Identity, Server};
use super::{AppClient, Error, Tokens, User};

/// The lifetime of a refresh token in seconds: Cognito's default of 30 days.
pub(super) const REFRESH_LIFETIME: u64 = 30 * 24 * 60 * 60;
/// The time that a client has for a challenge, in seconds: Cognito's default.
const CHALLENGE_LIFETIME: u64 = 180;
const CHALLENGE: &str = "PASSWORD_VERIFIER";
const WRONG: &str = "Incorrect username or password.";

/// The members of a request that are looked at. Absent and null are the same.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Initiation {
    auth_flow: Option<String>,
    client_id: Option<String>,
    auth_parameters: Option<Parameters>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Parameters {
    username: Option<String>,
    password: Option<String>,
    srp_a: Option<String>,
    secret_hash: Option<String>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Response {
    challenge_name: Option<String>,
    client_id: Option<String>,
    challenge_responses: Option<Responses>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Responses {
    username: Option<String>,
    password_claim_secret_block: Option<String>,
    password_claim_signature: Option<String>,
    timestamp: Option<String>,
    secret_hash: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Renewal {
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
}

/// The state of a challenge; sealed, it is the secret block that the client sends back.
#[derive(Deserialize, Serialize)]
struct Challenge {
    client_id: String,
    username: String,
    /// `A`, in hexadecimal.
    srp_a: String,
    random: Vec<u8>,
    at: u64,
}

pub(super) fn initiate_auth(pool: &Pool, request: Initiation) -> Result<Value, Exception> {
    let Initiation { auth_flow, client_id, auth_parameters } = request;
    let auth_flow = auth_flow.ok_or_else(|| Exception::parameter("AuthFlow is missing"))?;
    let client = client(pool, client_id)?;
    let parameters = auth_parameters.unwrap_or_default();
    match auth_flow.as_str() {
        "USER_PASSWORD_AUTH" => password(pool, client, parameters),
        "USER_SRP_AUTH" => challenge(pool, client, parameters),
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => refresh(pool, client, parameters),
        "USER_AUTH" | "CUSTOM_AUTH" => {
            Err(Exception::parameter(format!("{auth_flow} flow not enabled for this client")))
        }
        _ => Err(Exception::parameter("AuthFlow is not one of the flows of InitiateAuth")),
    }
}

fn password(pool: &Pool, client: &AppClient, given: Parameters) -> Result<Value, Exception> {
    let username = required(given.username, "USERNAME")?;
    let password = required(given.password, "PASSWORD")?;
    check_hash(client, &username, given.secret_hash.as_deref())?;
    let user = check_password(pool, &username, &password)?;
    signed_in(pool, client, &user)
}

/// Returns the user whose password this is.
pub(super) fn check_password(
    pool: &Pool,
    username: &str,
    password: &str,
) -> Result<User, Exception> {
    // An unknown user and a wrong password are one answer, as with Cognito's
    // PreventUserExistenceErrors, and cost the same comparison.
    let user = pool.user(username).ok();
    let same = same_secret(password, user.as_ref().map_or("", |user| user.password.as_str()));
    let user = user.filter(|_| same).ok_or_else(|| Exception::not_authorized(WRONG))?;
    check_confirmed(pool, &user)?;
    Ok(user)
}

fn check_confirmed(pool: &Pool, user: &User) -> Result<(), Exception> {
    if pool.is_unconfirmed(&user.username) {
        return Err(Exception::new("UserNotConfirmedException", "User is not confirmed."));
    }
    Ok(())
}

/// Starts an exchange by SRP. An unknown user gets a challenge like any other.
fn challenge(pool: &Pool, client: &AppClient, given: Parameters) -> Result<Value, Exception> {
    let username = required(given.username, "USERNAME")?;
    let srp_a = required(given.srp_a, "SRP_A")?;
    check_hash(client, &username, given.secret_hash.as_deref())?;
    let mut random = vec![0; 64];
    rand::fill(&mut random).map_err(|_| Error::Crypto("random bytes are not available"))?;
    let salt = salt(pool, &username);
    let user = pool.user(&username).ok();
    let password = user.as_ref().map_or("", |user| user.password.as_str());
    let identity = identity(pool, &username, password, &salt);
    let server = Server::new(&random, &identity);
    if server.key(&srp_a, &identity).is_none() {
        return Err(Exception::parameter("SRP_A is not a number of this group"));
    }
    let state = Challenge {
        client_id: client.id.clone(),
        username: username.clone(),
        srp_a,
        random,
        at: pool.now(),
    };
    let sealed = pool.seal.seal(CHALLENGE, &state)?;
    Ok(json!({
        "ChallengeName": CHALLENGE,
        "ChallengeParameters": {
            "SALT": salt,
            "SECRET_BLOCK": STANDARD.encode(sealed),
            "SRP_B": server.public,
            "USERNAME": username,
            "USER_ID_FOR_SRP": username,
        },
    }))
}

pub(super) fn respond_to_challenge(pool: &Pool, request: Response) -> Result<Value, Exception> {
    let client = client(pool, request.client_id)?;
    if request.challenge_name.as_deref() != Some(CHALLENGE) {
        return Err(Exception::parameter("ChallengeName is not one that was asked"));
    }
    let given = request.challenge_responses.unwrap_or_default();
    let username = required(given.username, "USERNAME")?;
    let block = required(given.password_claim_secret_block, "PASSWORD_CLAIM_SECRET_BLOCK")?;
    let signature = required(given.password_claim_signature, "PASSWORD_CLAIM_SIGNATURE")?;
    let timestamp = required(given.timestamp, "TIMESTAMP")?;
    check_hash(client, &username, given.secret_hash.as_deref())?;
    let wrong = || Exception::not_authorized(WRONG);
    let block = STANDARD.decode(block).map_err(|_| wrong())?;
    let signature = STANDARD.decode(signature).map_err(|_| wrong())?;
    let state: Challenge = std::str::from_utf8(&block)
        .ok()
        .and_then(|sealed| pool.seal.open(CHALLENGE, sealed))
        .filter(|state: &Challenge| state.client_id == client.id && state.username == username)
        .ok_or_else(wrong)?;
    if pool.now() > state.at.saturating_add(CHALLENGE_LIFETIME) {
        let text = "Invalid session for the user, session is expired.";
        return Err(Exception::not_authorized(text));
    }
    let user = pool.user(&username).map_err(|_| wrong())?;
    let salt = salt(pool, &username);
    let identity = identity(pool, &username, &user.password, &salt);
    let server = Server::new(&state.random, &identity);
    let key = server.key(&state.srp_a, &identity).ok_or_else(wrong)?;
    if !identity.is_proven(&key, &block, &timestamp, &signature) {
        return Err(wrong());
    }
    check_confirmed(pool, &user)?;
    signed_in(pool, client, &user)
}

fn identity<'a>(
    pool: &'a Pool,
    username: &'a str,
    password: &'a str,
    salt: &'a str,
) -> Identity<'a> {
    let pool = pool.id.split_once('_').map_or(pool.id.as_str(), |(_, name)| name);
    Identity { pool, username, password, salt }
}

/// A user's salt, always the same: 16 bytes in hexadecimal.
fn salt(pool: &Pool, username: &str) -> String {
    let digest = digest(&SHA256, format!("salt/{}/{username}", pool.id).as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

fn signed_in(pool: &Pool, client: &AppClient, user: &User) -> Result<Value, Exception> {
    let Tokens { access, id, refresh } = pool.sign_in(client, user)?;
    Ok(result(pool, &access, &id, Some(&refresh)))
}

fn refresh(pool: &Pool, client: &AppClient, given: Parameters) -> Result<Value, Exception> {
    let token = required(given.refresh_token, "REFRESH_TOKEN")?;
    let (user, tokens) = renew(pool, client, &token)?;
    check_hash(client, &user.username, given.secret_hash.as_deref())?;
    // The old refresh token stays good: Cognito answers none unless rotation is on.
    Ok(result(pool, &tokens.access, &tokens.id, None))
}

/// `GetTokensFromRefreshToken`, which newer clients renew their tokens by.
pub(super) fn get_tokens(pool: &Pool, request: Renewal) -> Result<Value, Exception> {
    let client = client(pool, request.client_id)?;
    let token = required(request.refresh_token, "RefreshToken")?;
    let is_right = match (&client.secret, &request.client_secret) {
        (Some(kept), Some(given)) => same_secret(given, kept),
        (Some(_), None) => client.is_public,
        (None, given) => given.is_none(),
    };
    if !is_right {
        return Err(Exception::not_authorized("Invalid client secret"));
    }
    let (_, tokens) = renew(pool, client, &token)?;
    Ok(result(pool, &tokens.access, &tokens.id, None))
}

/// New tokens of a session that has not ended.
pub(super) fn renew(
    pool: &Pool,
    client: &AppClient,
    token: &str,
) -> Result<(User, Tokens), Exception> {
    let invalid = || Exception::not_authorized("Invalid Refresh Token");
    let session = pool.seal.session(token).filter(|s| s.client_id == client.id);
    let session = session.ok_or_else(invalid)?;
    let user = pool.user(&session.username).map_err(|_| invalid())?;
    if pool.now() >= session.auth_time.saturating_add(REFRESH_LIFETIME) {
        return Err(Exception::not_authorized("Refresh Token has expired"));
    }
    if pool.sessions.has_ended(&user.username, &session.origin_jti) {
        return Err(Exception::not_authorized("Refresh Token has been revoked"));
    }
    let tokens = pool.tokens(client, &user, &session)?;
    Ok((user, tokens))
}

fn result(pool: &Pool, access: &str, id: &str, refresh: Option<&str>) -> Value {
    let mut result = json!({
        "AccessToken": access,
        "ExpiresIn": pool.lifetime,
        "IdToken": id,
        "TokenType": "Bearer",
    });
    if let (Some(refresh), Some(members)) = (refresh, result.as_object_mut()) {
        members.insert("RefreshToken".to_owned(), refresh.into());
    }
    json!({ "AuthenticationResult": result, "ChallengeParameters": {} })
}

/// A client with a secret proves it by base64(HMAC-SHA256(secret, username + client id)), as the
/// developer guide's "Computing secret hash values" has it. A client without one sends none.
pub(super) fn check_hash(
    client: &AppClient,
    username: &str,
    hash: Option<&str>,
) -> Result<(), Exception> {
    let Some(secret) = &client.secret else {
        if hash.is_none() {
            return Ok(());
        }
        return Err(Exception::parameter(format!(
            "App client {} is not configured for secret but secret hash was received",
            client.id
        )));
    };
    let Some(hash) = hash else {
        if client.is_public {
            return Ok(());
        }
        return Err(Exception::not_authorized(format!(
            "Client {} is configured with secret but SECRET_HASH was not received",
            client.id
        )));
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let message = [username, client.id.as_str()].concat();
    STANDARD
        .decode(hash)
        .ok()
        .filter(|hash| hmac::verify(&key, message.as_bytes(), hash).is_ok())
        .map(drop)
        .ok_or_else(|| {
            let text = format!("Unable to verify secret hash for client {}", client.id);
            Exception::not_authorized(text)
        })
}

/// The SHA-256 of a code verifier, as its challenge has it (RFC 7636, section 4.2).
pub(super) fn code_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()))
}
