//! The user pool's API: the operations that an app calls without credentials of AWS.
//!
//! Texts of errors are Cognito's where they are known; a password is never part of one.

use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::sync::Arc;

use super::exception::{Exception, respond};
use super::pool::Pool;
use super::{AppClient, account, sign_in, sign_up};

const PREFIX: &str = "AWSCognitoIdentityProviderService.";

/// `POST /`, dispatched by `X-Amz-Target`.
pub(super) async fn answer(
    State(pool): State<Arc<Pool>>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    respond(call(&pool, &headers, body))
}

fn call(
    pool: &Pool,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Value, Exception> {
    let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let operation = target.and_then(|target| target.strip_prefix(PREFIX)).unwrap_or_default();
    let body = body.map_err(|rejection| Exception {
        status: rejection.status(),
        ..Exception::new("SerializationException", "the request can't be read, or is too large")
    });
    match operation {
        "InitiateAuth" => sign_in::initiate_auth(pool, read(&body?)?),
        "RespondToAuthChallenge" => sign_in::respond_to_challenge(pool, read(&body?)?),
        "GetTokensFromRefreshToken" => sign_in::get_tokens(pool, read(&body?)?),
        "SignUp" => sign_up::sign_up(pool, read(&body?)?),
        "ConfirmSignUp" => sign_up::confirm(pool, read(&body?)?),
        "ResendConfirmationCode" => sign_up::resend(pool, read(&body?)?),
        "GetUser" => account::get_user(pool, read(&body?)?),
        "GlobalSignOut" => account::global_sign_out(pool, read(&body?)?),
        "RevokeToken" => account::revoke_token(pool, read(&body?)?),
        _ => Err(Exception::new(
            "UnknownOperationException",
            "only InitiateAuth, RespondToAuthChallenge, GetTokensFromRefreshToken, SignUp, \
             ConfirmSignUp, ResendConfirmationCode, GetUser, GlobalSignOut and RevokeToken are \
             served here",
        )),
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Exception> {
    serde_json::from_slice(body)
        .map_err(|_| Exception::new("SerializationException", "the request is not of this form"))
}

/// A member that must be there and not empty.
pub(super) fn required(value: Option<String>, name: &str) -> Result<String, Exception> {
    value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| Exception::parameter(format!("Missing required parameter {name}")))
}

/// The app client of a request.
pub(super) fn client(pool: &Pool, id: Option<String>) -> Result<&AppClient, Exception> {
    let id = id.ok_or_else(|| Exception::parameter("ClientId is missing"))?;
    pool.clients.get(&id).ok_or_else(|| {
        Exception::new(
            "ResourceNotFoundException",
            format!("User pool client {id} does not exist."),
        )
    })
}
