//! `/oauth2/userInfo` and `/oauth2/revoke`.

use axum::Json;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

use super::account::attributes;
use super::pool::Pool;
use super::token::{Parameters, authenticate};

/// `GET` and `POST /oauth2/userInfo` (OpenID Connect Core, section 5.3).
pub(super) async fn user_info(State(pool): State<Arc<Pool>>, headers: HeaderMap) -> Response {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' ')).unwrap_or_default();
    let verified = match token {
        (scheme, token) if scheme.eq_ignore_ascii_case("bearer") => pool.verify_access(token).ok(),
        _ => None,
    };
    match verified.filter(|(_, access)| access.has_scope("openid")) {
        Some((user, _)) => {
            let mut info = attributes(&pool, &user);
            info.insert("username".to_owned(), user.username.into());
            Json(Value::Object(info)).into_response()
        }
        None => {
            let error = json!({
                "error": "invalid_token",
                "error_description": "Access token is expired, disabled, or deleted, or the user \
                                      has globally signed out.",
            });
            let challenge = [(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"")];
            (StatusCode::UNAUTHORIZED, challenge, Json(error)).into_response()
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Revocation {
    token: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
}

/// `POST /oauth2/revoke` (RFC 7009): ends the session of a refresh token.
pub(super) async fn revoke(
    State(pool): State<Arc<Pool>>,
    headers: HeaderMap,
    Form(Revocation { token, client_id, client_secret }): Form<Revocation>,
) -> Response {
    let refused =
        |error: &str| (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    let given = Parameters::of_client(client_id, client_secret);
    let Ok(client) = authenticate(&pool, &headers, &given) else {
        return refused("invalid_client");
    };
    let Some(token) = token else { return refused("invalid_request") };
    match pool.seal.session(&token) {
        Some(session) if session.client_id == client.id => {
            pool.sessions.end(&session.origin_jti);
            StatusCode::OK.into_response()
        }
        Some(_) => refused("unauthorized_client"),
        // RFC 7009, section 2.2: an unknown token is not an error, but another kind of token is.
        None if token.matches('.').count() == 2 => refused("unsupported_token_type"),
        None => StatusCode::OK.into_response(),
    }
}
