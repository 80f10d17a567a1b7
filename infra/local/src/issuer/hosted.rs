//! Signing in in a browser: `/oauth2/authorize`, `/login` and `/logout`.
//!
//! The authorization code grant of RFC 6749, section 4.1, with PKCE (RFC 7636, `S256`), which a
//! client without a secret must use. One plain page asks for name and password. A redirect goes to
//! this machine alone: nothing here registers the addresses of an app.

use axum::Form;
use axum::extract::{Query, RawQuery, State};
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, Uri, header};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use uuid::Uuid;

use super::AppClient;
use super::pool::Pool;
use super::sign_in::check_password;

/// The purpose of a sealed authorization code.
pub(super) const CODE: &str = "CODE";
/// The time that a code can be used, in seconds: Cognito's.
pub(super) const CODE_LIFETIME: u64 = 300;
/// Characters that stand for themselves in a query.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The parameters of `/oauth2/authorize`, which `/login` gets too.
#[derive(Deserialize)]
pub(super) struct Authorization {
    response_type: Option<String>,
    client_id: Option<String>,
    redirect_uri: Option<String>,
    scope: Option<String>,
    state: Option<String>,
    nonce: Option<String>,
    code_challenge: Option<String>,
    code_challenge_method: Option<String>,
}

/// The content of an authorization code.
#[derive(Deserialize, Serialize)]
pub(super) struct Code {
    /// Tells one code from another, because each is used once.
    pub(super) id: String,
    pub(super) client_id: String,
    pub(super) redirect_uri: String,
    pub(super) username: String,
    pub(super) scopes: String,
    pub(super) nonce: Option<String>,
    pub(super) challenge: Option<String>,
    pub(super) at: u64,
}

/// `GET /oauth2/authorize`: sends the browser to `/login` with the same parameters.
pub(super) async fn authorize(
    State(pool): State<Arc<Pool>>,
    RawQuery(query): RawQuery,
    Query(asked): Query<Authorization>,
) -> Response {
    match check(&pool, &asked) {
        Ok(_) => redirect(&format!("{}/login?{}", pool.base, query.unwrap_or_default())),
        Err(answer) => *answer,
    }
}

/// `GET /login`: the page.
pub(super) async fn page(
    State(pool): State<Arc<Pool>>,
    Query(asked): Query<Authorization>,
) -> Response {
    match check(&pool, &asked) {
        Ok(_) => form("", StatusCode::OK),
        Err(answer) => *answer,
    }
}

/// The form that the page sends.
#[derive(Deserialize)]
pub(super) struct Login {
    username: String,
    password: String,
}

/// `POST /login`: back to the app with a code, or the page again.
pub(super) async fn login(
    State(pool): State<Arc<Pool>>,
    Query(asked): Query<Authorization>,
    Form(login): Form<Login>,
) -> Response {
    let (client, redirect_uri) = match check(&pool, &asked) {
        Ok(checked) => checked,
        Err(answer) => return *answer,
    };
    let user = match check_password(&pool, &login.username, &login.password) {
        Ok(user) => user,
        Err(error) => return form(&error.message, StatusCode::BAD_REQUEST),
    };
    let code = Code {
        id: Uuid::new_v4().to_string(),
        client_id: client.id.clone(),
        redirect_uri: redirect_uri.clone(),
        username: user.username,
        scopes: asked.scope.clone().unwrap_or_else(|| "openid email phone profile".to_owned()),
        nonce: asked.nonce,
        challenge: asked.code_challenge,
        at: pool.now(),
    };
    match pool.seal.seal(CODE, &code) {
        Ok(code) => back(&redirect_uri, ("code", &code), asked.state.as_deref()),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[derive(Deserialize)]
pub(super) struct Logout {
    client_id: Option<String>,
    logout_uri: Option<String>,
}

/// `GET /logout`. There is no cookie to forget.
pub(super) async fn logout(State(pool): State<Arc<Pool>>, Query(asked): Query<Logout>) -> Response {
    let is_known = asked.client_id.is_some_and(|id| pool.clients.contains_key(&id));
    match asked.logout_uri.filter(|uri| is_known && is_own(uri)) {
        Some(uri) => redirect(&uri),
        None => refused("client_id is unknown, or logout_uri is not an address of this machine"),
    }
}

/// Returns the client and the address to go back to, or else the answer.
fn check<'a>(
    pool: &'a Pool,
    asked: &Authorization,
) -> Result<(&'a AppClient, String), Box<Response>> {
    let client = asked.client_id.as_ref().and_then(|id| pool.clients.get(id));
    let client = client.ok_or_else(|| Box::new(refused("client_id is unknown")))?;
    // Before this is known, nobody is sent anywhere.
    let uri = asked.redirect_uri.clone().filter(|uri| is_own(uri)).ok_or_else(|| {
        let why = "redirect_uri must be an address of this machine, like http://localhost:3000/";
        Box::new(refused(why))
    })?;
    let wrong = |error| Box::new(back(&uri, ("error", error), asked.state.as_deref()));
    if asked.response_type.as_deref() != Some("code") {
        return Err(wrong("unsupported_response_type"));
    }
    let method = asked.code_challenge_method.as_deref();
    match &asked.code_challenge {
        Some(challenge) if method == Some("S256") && challenge.len() == 43 => {}
        None if client.secret.is_some() => {}
        _ => return Err(wrong("invalid_request")),
    }
    Ok((client, uri))
}

/// Returns true for an address on this machine, without a fragment.
pub(crate) fn is_own(uri: &str) -> bool {
    let Ok(parsed) = uri.parse::<Uri>() else { return false };
    let is_local = matches!(parsed.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
    let has_user = parsed.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let is_http = matches!(parsed.scheme_str(), Some("http" | "https"));
    is_http && is_local && !has_user && !uri.contains('#')
}

/// Sends the browser back to the app.
fn back(uri: &str, (name, value): (&str, &str), state: Option<&str>) -> Response {
    let encoded = |text| utf8_percent_encode(text, QUERY).to_string();
    let sign = if uri.contains('?') { '&' } else { '?' };
    let state = state.map_or_else(String::new, |state| format!("&state={}", encoded(state)));
    redirect(&format!("{uri}{sign}{name}={}{state}", encoded(value)))
}

fn redirect(to: &str) -> Response {
    let Ok(to) = HeaderValue::from_str(to) else { return refused("an address is not valid") };
    let headers =
        [(header::LOCATION, to), (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))];
    (StatusCode::FOUND, headers).into_response()
}

fn refused(why: &str) -> Response {
    (StatusCode::BAD_REQUEST, shown(&format!("<p>{why}</p>"))).into_response()
}

/// The page, with the reason why the last attempt failed. Its address has the parameters.
fn form(failure: &str, status: StatusCode) -> Response {
    // Texts of failures are our own, but one may quote what was typed some day.
    let failure = failure.replace('&', "&amp;").replace('<', "&lt;");
    let page = shown(&format!(
        r#"<h1>Sign in</h1><p role="alert">{failure}</p>
<form method="post">
<p><label>User name <input name="username" autocomplete="username" required autofocus></label></p>
<p><label>Password <input name="password" type="password"
 autocomplete="current-password" required></label></p>
<p><button>Sign in</button></p>
</form>"#
    ));
    (status, page).into_response()
}

fn shown(content: &str) -> Response {
    let page = format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Sign in</title>
<meta name="viewport" content="width=device-width">
<style>body{{font:1rem/1.5 system-ui;max-width:24rem;margin:3rem auto;padding:0 1rem}}
input,button{{font:inherit}}</style></head><body>{content}</body></html>"#
    );
    let policy = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";
    let headers = [(header::CONTENT_SECURITY_POLICY, policy), (header::CACHE_CONTROL, "no-store")];
    (headers, Html(page)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_this_machine_are_gone_to() {
        for own in ["http://localhost:3000/cb", "https://127.0.0.1/", "http://[::1]:8080/a?b=c"] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "http://example.com/",
            "http://localhost.example.com/",
            "http://localhost@example.com/",
            "http://a@localhost/",
            "//localhost/",
            "/cb",
            "javascript:alert(1)",
            "http://localhost/#a",
            "",
        ] {
            assert!(!is_own(other), "{other}");
        }
    }
}
