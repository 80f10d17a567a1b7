//! `GET /local/token`: a token for the person at the terminal, without a secret or a password.
//!
//! Cognito has no such call. It listens on the loopback alone, and refuses pages of other sites.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Deserialize;
use std::sync::Arc;

use super::pool::Pool;
use super::{Error, Tokens};

/// The token that is wanted: of a user, or of a client itself.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Mint {
    pub(crate) client: Option<String>,
    pub(crate) user: Option<String>,
    /// Of a user: `access` or `id`.
    #[serde(rename = "use")]
    pub(crate) kind: Option<Use>,
    /// Of a client: some of its scopes, separated by spaces.
    pub(crate) scope: Option<String>,
}

/// The kind of a user's token.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Use {
    Access,
    Id,
}

/// `GET /local/token?user=alice`, `?client=orders-reader`: the token as plain text.
pub(super) async fn token(
    State(pool): State<Arc<Pool>>,
    query: Result<Query<Mint>, QueryRejection>,
) -> Response {
    let plain = [(header::CONTENT_TYPE, "text/plain"), (header::CACHE_CONTROL, "no-store")];
    let token = match query {
        Ok(Query(wanted)) => pool.mint(&wanted).map_err(|error| error.to_string()),
        Err(rejection) => Err(rejection.body_text()),
    };
    match token {
        Ok(token) => (plain, format!("{token}\n")).into_response(),
        Err(message) => (StatusCode::BAD_REQUEST, plain, format!("{message}\n")).into_response(),
    }
}

impl Pool {
    pub(super) fn mint(&self, wanted: &Mint) -> Result<String, Error> {
        let Some(user) = &wanted.user else {
            let id = wanted.client.clone().unwrap_or_default();
            let client = self.client(&id)?;
            let scopes = wanted.scope.clone().unwrap_or_else(|| client.scopes.join(" "));
            return self.machine_token(client, &scopes);
        };
        let user = self.user(user)?;
        let client = match &wanted.client {
            Some(id) => self.client(id)?,
            None => self.sign_in_client(&user)?,
        };
        let Tokens { access, id, .. } = self.sign_in(client, &user)?;
        let prefers_id = self.form.prefers_id;
        let is_id = wanted.kind.map_or(prefers_id, |kind| kind == Use::Id);
        Ok(if is_id { id } else { access })
    }
}
