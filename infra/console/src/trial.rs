//! "Try it": requests through the gateway of `local`, and what can happen to its parts.
//!
//! Tokens stay here: the page names a caller, and sees only the response.

use std::sync::atomic::Ordering;
use std::time::Duration;

use authorizer::{assumed_client, decode, shell_word};
use axum::Json;
use axum::extract::State;
use http::{Method, Uri};
use serde::Deserialize;
use serde_json::{Value, json};
use throttle::Clock as _;

use crate::problem::Problem;
use crate::stack::{Answer, Trial};
use crate::state::{Shared, State as Console};

/// The most requests of one click.
const MOST: u32 = 20;

fn trial(state: &Console) -> Result<&Trial, Problem> {
    state.trial.as_ref().ok_or_else(|| Problem::missing("requests are sent by `local` alone"))
}

/// `GET /api/about`: what this console is, and what it can do.
pub(crate) async fn about(State(state): Shared) -> Json<Value> {
    let config = state.config();
    let throttle = config.and_then(|source| source.config.throttle.as_ref());
    let revocation = config.and_then(|source| source.config.revocation.as_ref());
    let issuers = config.map(|source| {
        source.config.issuers.iter().map(|it| it.checks.issuer.as_str()).collect::<Vec<_>>()
    });
    Json(json!({
        "table": state.table,
        "endpoint": state.endpoint,
        "writes": state.writes,
        "hasConfig": config.is_some(),
        "place": config.map(|source| &source.place),
        "issuers": issuers.unwrap_or_default(),
        "readsAssignments": throttle.map(|it| it.plan.assigned || it.counts_by_api_key()),
        "revocation": revocation.map(|it| json!({
            "table": it.table, "cacheSeconds": it.cache().as_secs(),
        })),
        "isLocal": state.trial.is_some(),
        "trial": state.trial.as_ref().map(|trial| json!({
            "apis": trial.local.apis,
            "callers": trial.local.callers,
            "isTableThere": trial.is_table_there.load(Ordering::Relaxed),
        })),
    }))
}

/// A request to send.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    api: usize,
    /// The caller's place in the list; `None` for no token.
    caller: Option<usize>,
    method: String,
    path: String,
    count: u32,
    /// True to show the `curl` command alone.
    #[serde(default)]
    preview: bool,
}

/// `POST /api/trial/send`: sends requests one after the other.
pub(crate) async fn send(
    State(state): Shared,
    Json(sent): Json<Sent>,
) -> Result<Json<Value>, Problem> {
    let trial = trial(&state)?;
    let api = trial
        .local
        .apis
        .get(sent.api)
        .ok_or_else(|| Problem::wrong("there is no such API: load the page again"))?;
    let method = Method::from_bytes(sent.method.as_bytes())
        .map_err(|_| Problem::wrong("the method has a character that no method has"))?;
    let url = format!("{}{}", api.url, sent.path);
    if !sent.path.starts_with('/') || url.parse::<Uri>().is_err() {
        return Err(Problem::wrong(
            "the path must begin with `/`, and have no spaces or control characters",
        ));
    }
    let source = state.source(api.is_rest);
    let header = source.map_or("authorization", |source| source.config.token.header()).to_owned();
    let caller = sent.caller.map(|at| trial.caller(at)).transpose()?;
    let token_url = caller.map(|caller| trial.token_url(caller)).transpose()?;
    let curl = curl(&method, &url, &header, token_url.as_deref(), trial);
    if sent.preview {
        return Ok(Json(json!({"curl": curl, "answers": []})));
    }
    let mut headers = Vec::new();
    if let Some(at) = sent.caller {
        headers.push((header, format!("Bearer {}", trial.token(at).await?)));
    }
    if let Some(key) = &trial.local.api_key {
        headers.push(("x-api-key".to_owned(), key.clone()));
    }
    let mut answers = Vec::new();
    for _ in 0..sent.count.clamp(1, MOST) {
        let started = trial.clock.monotonic();
        let Answer { status, headers, body } =
            trial.fetch.send(method.clone(), &url, &headers).await?;
        let took = trial.clock.monotonic().saturating_sub(started);
        answers.push(json!({
            "status": status, "headers": headers, "body": body, "tookUs": micros(took),
        }));
    }
    Ok(Json(json!({"curl": curl, "answers": answers})))
}

fn curl(
    method: &Method,
    url: &str,
    header: &str,
    token_url: Option<&str>,
    trial: &Trial,
) -> String {
    let mut line = "curl -i".to_owned();
    if *method != Method::GET {
        line.push_str(&format!(" -X {}", shell_word(method.as_str())));
    }
    if let Some(token_url) = token_url {
        let token_url = shell_word(token_url);
        line.push_str(&format!(" -H \"{header}: Bearer $(curl -s {token_url})\""));
    }
    if let Some(key) = &trial.local.api_key {
        line.push_str(&format!(" -H {}", shell_word(&format!("x-api-key: {key}"))));
    }
    format!("{line} {}", shell_word(url))
}

fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

/// The rotation that is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct Rotation {
    /// True to drop the old keys at once.
    drop: bool,
}

/// `POST /api/trial/rotate`: new keys for every issuer. Tokens that were taken stay as they are.
pub(crate) async fn rotate(
    State(state): Shared,
    Json(Rotation { drop }): Json<Rotation>,
) -> Result<Json<Value>, Problem> {
    let trial = trial(&state)?;
    for base in trial.local.issuers.values() {
        let url = format!("{base}/rotate?drop={drop}");
        let answer = trial.fetch.send(Method::POST, &url, &[]).await?;
        if answer.status != 200 {
            return Err(Problem::wrong(format!("the issuer: {}", answer.body.trim())));
        }
    }
    let text = match drop {
        true => "the issuer signs with new keys and dropped the old ones",
        false => "the issuer signs with new keys and still publishes the old ones",
    };
    Ok(Json(json!({"text": text})))
}

/// The state of the table that is asked for.
#[derive(Debug, Deserialize)]
pub(crate) struct There {
    there: bool,
}

/// `POST /api/trial/table`: switches the table off or on.
pub(crate) async fn switch(
    State(state): Shared,
    Json(There { there }): Json<There>,
) -> Result<Json<Value>, Problem> {
    let trial = trial(&state)?;
    (trial.local.switch)(there).await.map_err(Problem::wrong)?;
    trial.is_table_there.store(there, Ordering::Relaxed);
    let text = match there {
        true => "the table is available",
        false => "the table is unavailable: each plan's failure policy decides",
    };
    Ok(Json(json!({"text": text})))
}

/// One caller.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    caller: usize,
}

/// `POST /api/trial/token`: the caller's next request has a new token.
pub(crate) async fn renew(
    State(state): Shared,
    Json(Which { caller }): Json<Which>,
) -> Result<Json<Value>, Problem> {
    let trial = trial(&state)?;
    trial.caller(caller)?;
    trial.tokens.lock().await.remove(&caller);
    trial.token(caller).await?;
    Ok(Json(json!({"text": "the caller has a new token"})))
}

/// A revocation of the token that a caller has now.
#[derive(Debug, Deserialize)]
pub(crate) struct Revoked {
    caller: usize,
    /// `token`, `user` or `client`.
    kind: String,
}

/// `POST /api/trial/revoke`: revokes the caller's token, or all of its user or client.
pub(crate) async fn revoke(
    State(state): Shared,
    Json(Revoked { caller, kind }): Json<Revoked>,
) -> Result<Json<Value>, Problem> {
    let trial = trial(&state)?;
    let claims = decode(&trial.token(caller).await?)
        .map_err(|refusal| Problem::wrong(refusal.to_string()))?
        .claims;
    let issuer = trial.caller(caller)?.issuer.clone();
    let configured = state
        .config()
        .and_then(|source| source.config.issuers.iter().find(|it| it.checks.issuer == issuer));
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let id = match kind.as_str() {
        "token" => text("jti"),
        "user" => text("sub"),
        "client" => configured.and_then(|issuer| assumed_client(&claims, issuer)),
        _ => None,
    };
    let id = id.ok_or_else(|| Problem::wrong(format!("the token names no {kind}")))?;
    let reason = Some("tried in the console".to_owned());
    let done = crate::change::revoke(&state, &kind, &issuer, id, None, reason).await?;
    let flags = format!("revoke {} {} --issuer {}", kind, shell_word(id), shell_word(&issuer));
    Ok(Json(done.json(Some(&state.command_at(state.revocation_table(), &flags)))))
}
