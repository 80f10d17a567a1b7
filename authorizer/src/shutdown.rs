//! Ending in order, when Lambda takes an execution environment down.
//!
//! Lambda sends SIGTERM only to functions that have an extension registered; the others are
//! killed. So the authorizer registers one of its own that wants no events, over the Extensions
//! API: one request during initialisation, beside the fetch of the keys, and one that is never
//! answered. After SIGTERM there are about 500 ms.

use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::json;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The name of the extension: unique in its function.
const NAME: &str = "tollgate";

/// The header that carries an extension's identifier.
const IDENTIFIER: &str = "Lambda-Extension-Identifier";

/// How long the registration may take; without it the authorizer starts all the same.
const PATIENCE: Duration = Duration::from_secs(1);

/// A client for the APIs that Lambda has on this very machine, over plain HTTP.
///
/// It needs neither root certificates, which may be what is missing, nor a proxy.
///
/// # Errors
///
/// Those of the HTTP client's own set-up.
pub(crate) fn client() -> Result<Client, reqwest::Error> {
    Client::builder().tls_certs_only([]).no_proxy().build()
}

/// Waits for the signal that ends the process, from now on.
///
/// # Errors
///
/// The system does not let the signal be listened for.
pub(crate) fn signalled() -> std::io::Result<Signal> {
    signal(SignalKind::terminate())
}

/// Registers an extension that wants no events, and asks for its first, which never comes.
///
/// Must be done before the first invocation is asked for, since that ends the initialisation.
/// Where there is no such API the environment is not told before it ends.
pub(crate) async fn register(api: &str) {
    let Ok(client) = client() else { return };
    match try_register(&client, api).await {
        // Lambda waits for this before the first invocation, and answers it never.
        Ok(next) => drop(tokio::spawn(next.send())),
        Err(error) => tracing::info!(%error, "no extension: the end will not be announced"),
    }
}

async fn try_register(client: &Client, api: &str) -> Result<RequestBuilder, reqwest::Error> {
    let base = format!("http://{api}/2020-01-01/extension");
    let registered = client
        .post(format!("{base}/register"))
        .header("Lambda-Extension-Name", NAME)
        .timeout(PATIENCE)
        .header("Content-Type", "application/json")
        .body(json!({"events": []}).to_string())
        .send()
        .await?
        .error_for_status()?;
    let next = client.get(format!("{base}/event/next"));
    Ok(match registered.headers().get(IDENTIFIER) {
        Some(identifier) => next.header(IDENTIFIER, identifier),
        None => next,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::{get, post};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn registers_for_no_events_and_waits_for_the_first() {
        let body = Arc::new(Mutex::new(String::new()));
        let (asked, mut asking) = mpsc::channel(1);
        let sent = Arc::clone(&body);
        let register_one = move |headers: HeaderMap, text: String| async move {
            assert_eq!(headers["lambda-extension-name"], NAME);
            *sent.lock().unwrap() = text;
            ([("lambda-extension-identifier", "an-id")], "{}")
        };
        let next = move |headers: HeaderMap| async move {
            asked.send(headers.get("lambda-extension-identifier").cloned()).await.unwrap();
            std::future::pending::<()>().await;
        };
        let app = Router::new()
            .route("/2020-01-01/extension/register", post(register_one))
            .route("/2020-01-01/extension/event/next", get(next));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });

        register(&api).await;
        assert_eq!(*body.lock().unwrap(), r#"{"events":[]}"#);
        assert_eq!(asking.recv().await.unwrap().unwrap(), "an-id");
    }

    #[tokio::test]
    async fn does_without_where_there_is_no_such_api() {
        let app = Router::new().fallback(|| async { StatusCode::NOT_FOUND });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move { axum::serve(listener, app).await });
        register(&api).await;
        let client = client().unwrap();
        assert!(try_register(&client, &api).await.is_err());
        assert!(try_register(&client, "127.0.0.1:1").await.is_err());
    }
}
