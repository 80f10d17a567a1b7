//! The token endpoint: the grants for client credentials, authorization codes and refresh tokens
//! (RFC 6749 §4.4, §4.1.3 and §6).
//!
//! Every error has status 400, as Cognito's page "The token issuer endpoint" shows, also where
//! RFC 6749 §5.2 would have 401.

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, header};
use percent_encoding::percent_decode_str;
use serde_json::json;
use std::sync::Arc;

use super::hosted::{CODE, CODE_LIFETIME, Code};
use super::pool::{Pool, same_secret};
use super::session::Session;
use super::sign_in::{code_challenge, renew};
use super::{AppClient, Tokens};

/// The refusals of RFC 6749 §5.2 that this endpoint knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Malformed: a parameter is missing, there twice, or contradicts another.
    Request,
    /// Larger than the issuer reads.
    Size,
    /// The client is unknown, or its secret is wrong.
    Client,
    /// The client may not have such tokens, or its code or refresh token is of no use.
    Grant,
    /// A scope is not among the client's own.
    Scope,
    /// Any other grant type.
    GrantType,
    /// The machine's fault, not the caller's.
    Failure,
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::Request => (StatusCode::BAD_REQUEST, "invalid_request"),
            Self::Size => (StatusCode::PAYLOAD_TOO_LARGE, "invalid_request"),
            Self::Client => (StatusCode::BAD_REQUEST, "invalid_client"),
            Self::Grant => (StatusCode::BAD_REQUEST, "invalid_grant"),
            Self::Scope => (StatusCode::BAD_REQUEST, "invalid_scope"),
            Self::GrantType => (StatusCode::BAD_REQUEST, "unsupported_grant_type"),
            Self::Failure => (StatusCode::INTERNAL_SERVER_ERROR, "server_error"),
        };
        (status, NOT_KEPT, Json(json!({ "error": error }))).into_response()
    }
}

/// RFC 6749 §5.1: an answer that holds a token is not for any cache.
const NOT_KEPT: [(header::HeaderName, &str); 2] =
    [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];

/// `POST /oauth2/token`.
pub(super) async fn token(
    State(pool): State<Arc<Pool>>,
    headers: HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Response {
    match grant(&pool, &headers, form) {
        Ok(tokens) => {
            let mut answer = json!({ "expires_in": pool.lifetime, "token_type": "Bearer" });
            if let Some(answer) = answer.as_object_mut() {
                answer.extend(tokens.into_iter().map(|(name, token)| (name.into(), token.into())));
            }
            (NOT_KEPT, Json(answer)).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

fn grant(
    pool: &Pool,
    headers: &HeaderMap,
    form: Result<Form<Vec<(String, String)>>, FormRejection>,
) -> Result<Vec<(&'static str, String)>, Refusal> {
    let Form(parameters) = form.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::Size,
        _ => Refusal::Request,
    })?;
    let parameters = Parameters::read(parameters)?;
    match parameters.grant_type.as_deref() {
        None => Err(Refusal::Request),
        Some("client_credentials") => {
            let client = authenticate(pool, headers, &parameters)?;
            // Cognito wants a secret of each client that takes part in this grant.
            if client.secret.is_none() {
                return Err(Refusal::Grant);
            }
            let scope = scope(client, parameters.scope.as_deref())?;
            let token = pool.machine_token(client, &scope).map_err(|_| Refusal::Failure)?;
            Ok(vec![("access_token", token)])
        }
        Some("authorization_code") => {
            let client = authenticate(pool, headers, &parameters)?;
            let Tokens { access, id, refresh } = by_code(pool, client, parameters)?;
            Ok(vec![("access_token", access), ("id_token", id), ("refresh_token", refresh)])
        }
        Some("refresh_token") => {
            let client = authenticate(pool, headers, &parameters)?;
            let token = parameters.refresh_token.ok_or(Refusal::Request)?;
            let (_, Tokens { access, id, .. }) =
                renew(pool, client, &token).map_err(|_| Refusal::Grant)?;
            Ok(vec![("access_token", access), ("id_token", id)])
        }
        Some(_) => Err(Refusal::GrantType),
    }
}

/// Exchanges a code, once, for the tokens of a new session.
fn by_code(pool: &Pool, client: &AppClient, given: Parameters) -> Result<Tokens, Refusal> {
    let code = given.code.ok_or(Refusal::Request)?;
    let code: Code = pool.seal.open(CODE, &code).ok_or(Refusal::Grant)?;
    let until = code.at.saturating_add(CODE_LIFETIME);
    let is_proven = match (&code.challenge, &given.code_verifier) {
        (Some(challenge), Some(verifier)) => code_challenge(verifier) == *challenge,
        (None, None) => true,
        _ => false,
    };
    let fits = code.client_id == client.id
        && given.redirect_uri.as_ref() == Some(&code.redirect_uri)
        && is_proven
        && pool.now() < until;
    if !fits || !pool.use_code(&code.id, until) {
        return Err(Refusal::Grant);
    }
    let user = pool.user(&code.username).map_err(|_| Refusal::Grant)?;
    let session =
        Session { scopes: Some(code.scopes), nonce: code.nonce, ..pool.session(client, &user) };
    pool.tokens(client, &user, &session).map_err(|_| Refusal::Failure)
}

/// The parameters that the grant looks at; others are ignored (RFC 6749 §3.2).
#[derive(Default)]
pub(super) struct Parameters {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    scope: Option<String>,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
}

impl Parameters {
    /// A client's own parameters alone.
    pub(super) fn of_client(client_id: Option<String>, client_secret: Option<String>) -> Self {
        Self { client_id, client_secret, ..Self::default() }
    }

    /// RFC 6749 §3.2: a parameter without a value counts as absent, a repeated one is refused.
    fn read(pairs: Vec<(String, String)>) -> Result<Self, Refusal> {
        let mut parameters = Self::default();
        for (name, value) in pairs {
            let slot = match name.as_str() {
                "grant_type" => &mut parameters.grant_type,
                "client_id" => &mut parameters.client_id,
                "client_secret" => &mut parameters.client_secret,
                "scope" => &mut parameters.scope,
                "code" => &mut parameters.code,
                "redirect_uri" => &mut parameters.redirect_uri,
                "code_verifier" => &mut parameters.code_verifier,
                "refresh_token" => &mut parameters.refresh_token,
                _ => continue,
            };
            if !value.is_empty() && slot.replace(value).is_some() {
                return Err(Refusal::Request);
            }
        }
        Ok(parameters)
    }
}

/// Finds the client that proves itself by its secret, in the header or in the body.
///
/// A client without a secret has nothing to prove.
pub(super) fn authenticate<'a>(
    pool: &'a Pool,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<&'a AppClient, Refusal> {
    let (id, secret) = match (headers.get(header::AUTHORIZATION), &parameters.client_secret) {
        // RFC 6749 §2.3: at most one method a request.
        (Some(_), Some(_)) => return Err(Refusal::Request),
        (Some(value), None) => {
            let (id, secret) = value.to_str().ok().and_then(basic).ok_or(Refusal::Client)?;
            // Clients commonly repeat their id in the body; that is not a second method.
            if parameters.client_id.as_ref().is_some_and(|repeated| *repeated != id) {
                return Err(Refusal::Request);
            }
            (id, Some(secret))
        }
        (None, secret) => (parameters.client_id.clone().ok_or(Refusal::Request)?, secret.clone()),
    };
    let client = pool.clients.get(&id).ok_or(Refusal::Client)?;
    match (&client.secret, secret) {
        (Some(kept), Some(given)) if same_secret(&given, kept) => Ok(client),
        (None, None) => Ok(client),
        (Some(_), None) if client.is_public => Ok(client),
        _ => Err(Refusal::Client),
    }
}

/// Reads `Basic base64(id:secret)`, both parts form-encoded (RFC 6749 §2.3.1).
fn basic(value: &str) -> Option<(String, String)> {
    let (scheme, credentials) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(credentials.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

fn form_decode(text: &str) -> Option<String> {
    percent_decode_str(&text.replace('+', " ")).decode_utf8().ok().map(Into::into)
}

/// The scopes to grant, in the order asked for; all of the client's where none is.
///
/// Refuses a client that has none: Cognito enables the grant only for clients with a scope.
fn scope(client: &AppClient, asked: Option<&str>) -> Result<String, Refusal> {
    if client.scopes.is_empty() {
        return Err(Refusal::Grant);
    }
    let Some(asked) = asked else {
        return Ok(client.scopes.join(" "));
    };
    let mut granted: Vec<&str> = Vec::new();
    for scope in asked.split(' ').filter(|scope| !scope.is_empty()) {
        if !client.scopes.iter().any(|own| own == scope) {
            return Err(Refusal::Scope);
        }
        if !granted.contains(&scope) {
            granted.push(scope);
        }
    }
    if granted.is_empty() { Err(Refusal::Scope) } else { Ok(granted.join(" ")) }
}
