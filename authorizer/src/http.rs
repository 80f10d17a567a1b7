//! HTTP clients: one fetches key sets, one carries the SDK's calls to the table.
//!
//! Both have the same TLS settings, so that the system's root certificates, most of a cold start's
//! time, are read once. If every address is plain HTTP on the loopback, they are not read.

use std::time::Duration;

use reqwest::{Client, NoProxy, Proxy, redirect};
use table::connect::{TlsError, Transport, tls};

/// Time-out of making a connection. Each user's time-out for a whole call is at most as long.
const CONNECT: Duration = Duration::from_millis(1500);

/// Error of making the HTTP client for key sets.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The TLS settings can't be made.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The client can't be made with these settings.
    #[error("the HTTP client can't be made: {0}")]
    Client(#[from] reqwest::Error),
    /// `HTTPS_PROXY` is not the address of a proxy. It is not quoted, because it may hold a password.
    #[error("`HTTPS_PROXY` is not a proxy's URL: write one such as `http://proxy.example:3128`")]
    Proxy,
}

/// Makes the client for key sets. `plain`: every address is http, so that no certificate is read.
/// `proxied`: https addresses are reached through the proxy of the environment, if it names one.
///
/// # Errors
///
/// The system has no root certificates that can be read, or the proxy has no valid address.
pub(crate) fn client(plain: bool, proxied: bool) -> Result<Client, ClientError> {
    let named = |name: &&str| std::env::var(name).ok().filter(|address| !address.is_empty());
    let proxy = ["HTTPS_PROXY", "https_proxy"].iter().find_map(named);
    client_through(plain, proxy.filter(|_| proxied).as_deref())
}

/// Makes the client for key sets, which reaches https addresses through this proxy.
fn client_through(plain: bool, proxy: Option<&str>) -> Result<Client, ClientError> {
    // No proxy for http, because calls to the loopback must not leave the machine.
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .redirect(redirect::Policy::none())
        // The environment's proxies are used only if `[jwks]` asks for it.
        .no_proxy()
        .referer(false);
    let client = match proxy {
        Some(address) => {
            let proxy = Proxy::https(address).map_err(|_| ClientError::Proxy)?;
            client.proxy(proxy.no_proxy(NoProxy::from_env()))
        }
        None => client,
    };
    let client = if plain {
        client.tls_certs_only([])
    } else {
        client.tls_backend_preconfigured(tls()?.as_ref().clone())
    };
    Ok(client.build()?)
}

/// Makes the client for the table.
pub(crate) fn table() -> Transport {
    Transport::new(CONNECT)
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::any;
    use table::Connect;
    use throttle::{DynamoStore, Failure, PlanId, Store, StoreError};
    use tokio::net::TcpListener;

    use super::*;

    async fn served(answer: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, answer).await.unwrap() });
        url
    }

    /// Looks up a plan through the SDK by this client.
    async fn look_up(url: &str) -> Result<bool, StoreError> {
        let connect = Connect::emulator(url).http_client(table());
        let connect = connect.operation_timeout(Duration::from_millis(500));
        let store = DynamoStore::connect("tollgate", &connect).await;
        Ok(store.plan(&PlanId::new("free").unwrap()).await?.is_some())
    }

    #[tokio::test]
    async fn a_call_goes_there_and_its_answer_comes_back() {
        let url =
            served(Router::new().fallback(any(|headers: HeaderMap, body: String| async move {
                let target = headers.get("x-amz-target").unwrap().to_str().unwrap();
                assert_eq!(target, "DynamoDB_20120810.GetItem");
                assert!(headers.contains_key("authorization"));
                assert!(body.contains("PLAN#free"), "{body}");
                ([("content-type", "application/x-amz-json-1.0")], "{}")
            })))
            .await;
        assert!(!look_up(&url).await.unwrap());
    }

    #[tokio::test]
    async fn an_error_is_told_by_its_name() {
        let code = "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException";
        let body = format!("{{\"__type\": \"{code}\"}}");
        let answer = move || async move { (StatusCode::BAD_REQUEST, body) };
        let url = served(Router::new().fallback(any(answer))).await;
        assert_eq!(look_up(&url).await, Err(Failure::Throttled.into()));
    }

    #[tokio::test]
    async fn nobody_there_and_nothing_in_time_are_told_apart() {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", free.local_addr().unwrap());
        drop(free);
        assert_eq!(look_up(&url).await, Err(Failure::Unreachable.into()));
        let never = || std::future::pending::<()>();
        let url = served(Router::new().fallback(any(never))).await;
        assert_eq!(look_up(&url).await, Err(Failure::TimedOut.into()));
    }

    #[tokio::test]
    async fn keys_are_fetched_through_the_proxy_and_never_those_on_the_loopback() {
        use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = format!("http://user:secret@{}", listener.local_addr().unwrap());
        let asked = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (read, mut write) = stream.split();
            let mut line = String::new();
            BufReader::new(read).read_line(&mut line).await.unwrap();
            write.write_all(b"HTTP/1.1 502 Bad Gateway\r\n\r\n").await.unwrap();
            line
        });
        let client = client_through(false, Some(&proxy)).unwrap();
        let here = served(Router::new().fallback(any(|| async { "keys" }))).await;
        let answer = client.get(here).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "keys", "http goes straight there");
        assert!(client.get("https://id.example/keys").send().await.is_err());
        assert_eq!(asked.await.unwrap(), "CONNECT id.example:443 HTTP/1.1\r\n");
    }

    #[test]
    fn a_proxy_s_address_is_not_quoted() {
        let error = client_through(true, Some("http://user:secret@[")).unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let other = served(Router::new().fallback(any(|| async { "{}" }))).await;
        let answer = move || async move { (StatusCode::TEMPORARY_REDIRECT, [("location", other)]) };
        let url = served(Router::new().fallback(any(answer))).await;
        assert!(look_up(&url).await.is_err());
    }
}
