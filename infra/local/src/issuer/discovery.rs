//! The pool's public documents, and the operator's rotation of keys.

use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;

use super::Error;
use super::keys::Retired;
use super::pool::Pool;

/// `GET /{pool}/.well-known/jwks.json`.
pub(super) async fn jwks(State(pool): State<Arc<Pool>>) -> Response {
    key_set(&pool)
}

/// `GET /{pool}/.well-known/openid-configuration`, with the members that Cognito's has.
pub(super) async fn configuration(State(pool): State<Arc<Pool>>) -> Response {
    axum::Json(json!({
        "authorization_endpoint": format!("{}/oauth2/authorize", pool.base),
        "end_session_endpoint": format!("{}/logout", pool.base),
        "id_token_signing_alg_values_supported": ["RS256"],
        "issuer": pool.issuer,
        "jwks_uri": pool.jwks_uri(),
        "response_types_supported": ["code"],
        "revocation_endpoint": format!("{}/oauth2/revoke", pool.base),
        "scopes_supported": ["openid", "email", "phone", "profile"],
        "subject_types_supported": ["public"],
        "token_endpoint": pool.token_endpoint(),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "userinfo_endpoint": format!("{}/oauth2/userInfo", pool.base),
    }))
    .into_response()
}

/// The query of `POST /local/rotate`.
#[derive(Deserialize)]
pub(super) struct Rotation {
    #[serde(default)]
    drop: bool,
}

/// `POST /local/rotate`, with `?drop=true`: answers the new key set. Cognito has no such call.
pub(super) async fn rotate(
    State(pool): State<Arc<Pool>>,
    Query(Rotation { drop }): Query<Rotation>,
) -> Response {
    let retired = if drop { Retired::Dropped } else { Retired::Published };
    match pool.rotate(retired).await {
        Ok(()) => key_set(&pool),
        Err(error) => failure(&error),
    }
}

fn key_set(pool: &Pool) -> Response {
    match pool.jwks() {
        Ok(keys) => ([(header::CONTENT_TYPE, "application/json")], keys).into_response(),
        Err(error) => failure(&error),
    }
}

/// Answers 500 for a fault of this machine; the text holds no secret.
fn failure(error: &Error) -> Response {
    (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
}
