//! `InitiateAuth` in AWS JSON 1.1, so that the AWS CLI and SDKs sign in.
//!
//! Texts of errors are Cognito's where they are known; the password is never part of one.

use aws_lc_rs::hmac;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::pool::{Pool, same_secret};
use super::{AppClient, Tokens};

const OPERATION: &str = "AWSCognitoIdentityProviderService.InitiateAuth";

/// The lifetime of a refresh token in seconds: Cognito's default of 30 days.
const REFRESH_LIFETIME: u64 = 30 * 24 * 60 * 60;

/// `POST /`, dispatched by `X-Amz-Target`.
pub(super) async fn initiate_auth(
    State(pool): State<Arc<Pool>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let (status, answer) = match answer(&pool, &headers, body) {
        Ok(answer) => (StatusCode::OK, answer),
        Err(Exception { status, kind, message }) => {
            (status, json!({ "__type": kind, "message": message }))
        }
    };
    let headers =
        [(header::CONTENT_TYPE, "application/x-amz-json-1.1"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, answer.to_string()).into_response()
}

/// An error in the form of AWS JSON.
struct Exception {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Exception {
    fn new(kind: &'static str, message: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, kind, message: message.into() }
    }

    fn parameter(message: impl Into<String>) -> Self {
        Self::new("InvalidParameterException", message)
    }

    fn not_authorized(message: impl Into<String>) -> Self {
        Self::new("NotAuthorizedException", message)
    }
}

/// The members of a request that are looked at. Absent and null are the same.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    auth_flow: Option<String>,
    client_id: Option<String>,
    auth_parameters: Option<Parameters>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Parameters {
    username: Option<String>,
    password: Option<String>,
    secret_hash: Option<String>,
    refresh_token: Option<String>,
}

fn answer(
    pool: &Pool,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Value, Exception> {
    if headers.get("x-amz-target").is_none_or(|target| target != OPERATION) {
        return Err(Exception::new(
            "UnknownOperationException",
            "only InitiateAuth is served here",
        ));
    }
    let body = body.map_err(|rejection| Exception {
        status: rejection.status(),
        ..Exception::new("SerializationException", "the request can't be read, or is too large")
    })?;
    let Request { auth_flow, client_id, auth_parameters } = serde_json::from_slice(&body)
        .map_err(|_| Exception::new("SerializationException", "the request is not of this form"))?;
    let auth_flow = auth_flow.ok_or_else(|| Exception::parameter("AuthFlow is missing"))?;
    let client_id = client_id.ok_or_else(|| Exception::parameter("ClientId is missing"))?;
    let parameters = auth_parameters.unwrap_or_default();

    let client = pool.clients.get(&client_id).ok_or_else(|| {
        Exception::new(
            "ResourceNotFoundException",
            format!("User pool client {client_id} does not exist."),
        )
    })?;
    match auth_flow.as_str() {
        "USER_PASSWORD_AUTH" => password(pool, client, parameters),
        "REFRESH_TOKEN_AUTH" | "REFRESH_TOKEN" => refresh(pool, client, parameters),
        "USER_SRP_AUTH" | "USER_AUTH" | "CUSTOM_AUTH" => {
            Err(Exception::parameter(format!("{auth_flow} flow not enabled for this client")))
        }
        _ => Err(Exception::parameter("AuthFlow is not one of the flows of InitiateAuth")),
    }
}

fn password(pool: &Pool, client: &AppClient, given: Parameters) -> Result<Value, Exception> {
    let username = required(given.username, "USERNAME")?;
    let password = required(given.password, "PASSWORD")?;
    check_hash(client, &username, given.secret_hash.as_deref())?;
    // An unknown user and a wrong password are one answer, as with Cognito's
    // PreventUserExistenceErrors, and cost the same comparison.
    let user = pool.users.get(&username);
    let kept = user.map_or("", |user| user.password.as_str());
    let same = same_secret(&password, kept);
    let user = user
        .filter(|_| same)
        .ok_or_else(|| Exception::not_authorized("Incorrect username or password."))?;
    let Tokens { access, id, refresh } = pool.sign_in(client, user).map_err(internal)?;
    Ok(result(pool, &access, &id, Some(&refresh)))
}

fn refresh(pool: &Pool, client: &AppClient, given: Parameters) -> Result<Value, Exception> {
    let token = required(given.refresh_token, "REFRESH_TOKEN")?;
    let invalid = || Exception::not_authorized("Invalid Refresh Token");
    let session =
        pool.seal.open(&token).filter(|s| s.client_id == client.id).ok_or_else(invalid)?;
    let user = pool.users.get(&session.username).ok_or_else(invalid)?;
    check_hash(client, &user.username, given.secret_hash.as_deref())?;
    if pool.now() >= session.auth_time.saturating_add(REFRESH_LIFETIME) {
        return Err(Exception::not_authorized("Refresh Token has expired"));
    }
    let tokens = pool.tokens(client, user, &session).map_err(internal)?;
    // The old refresh token stays good: Cognito answers none unless rotation is on.
    Ok(result(pool, &tokens.access, &tokens.id, None))
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

fn required(value: Option<String>, name: &str) -> Result<String, Exception> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Exception::parameter(format!("Missing required parameter {name}")))
}

/// A client with a secret proves it by base64(HMAC-SHA256(secret, username + client id)), as the
/// developer guide's "Computing secret hash values" has it.
fn check_hash(client: &AppClient, username: &str, hash: Option<&str>) -> Result<(), Exception> {
    let Some(secret) = &client.secret else {
        return Ok(());
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

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn internal(error: super::Error) -> Exception {
    Exception {
        status: StatusCode::INTERNAL_SERVER_ERROR,
        ..Exception::new("InternalErrorException", error.to_string())
    }
}
