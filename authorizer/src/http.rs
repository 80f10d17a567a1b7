//! The one HTTP client: it fetches keys and carries the SDK's calls to the table.
//!
//! With it there is one TLS stack and one pool of connections, and the system's root
//! certificates, most of a cold start's time, are read once, and not at all where every address
//! is plain HTTP on the loopback.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use reqwest::{Client, ClientBuilder, Url, redirect};

/// Where the SDK is told to find DynamoDB, the more particular first.
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"];

/// How long a connection may take; each use has a time-out of its own for the whole.
const CONNECT: Duration = Duration::from_millis(1500);

/// Makes the client. `plain`: every address is http, so that no certificate need be read.
///
/// # Errors
///
/// The system's root certificates can't be read, say.
pub(crate) fn client(plain: bool) -> Result<Client, reqwest::Error> {
    // No proxy of the environment's: what is http on the loopback must not leave the machine.
    let client = Client::builder()
        .connect_timeout(CONNECT)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false);
    let roots = |client: ClientBuilder| if plain { client.tls_certs_only([]) } else { client };
    roots(client).build()
}

/// Whether the SDK's calls go to an http address.
pub(crate) fn is_table_plain() -> bool {
    let endpoint = ENDPOINTS.iter().find_map(|name| std::env::var(name).ok());
    endpoint.is_some_and(|url| Url::parse(&url).is_ok_and(|url| url.scheme() == "http"))
}

/// The same client, as the SDK wants it.
pub(crate) fn for_sdk(client: Client) -> SharedHttpClient {
    SharedHttpClient::new(Transport(client))
}

/// The SDK's view of the client. It ignores the SDK's settings for connecting and reading: the
/// time-out of the whole call is shorter than either.
#[derive(Clone, Debug)]
struct Transport(Client);

impl HttpClient for Transport {
    fn http_connector(
        &self,
        _: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Transport {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.0.clone();
        HttpConnectorFuture::new(async move { send(&client, request).await })
    }
}

async fn send(client: &Client, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let request = request.map(|body| body.bytes().map(<[u8]>::to_vec).unwrap_or_default());
    let request = request.try_into().map_err(|error: reqwest::Error| failed(error))?;
    let answer = client.execute(request).await.map_err(failed)?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    let body = answer.bytes().await.map_err(failed)?;
    let status = status.as_u16().try_into();
    let status = status.map_err(|_| ConnectorError::other("an impossible status".into(), None))?;
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &headers {
        let Ok(value) = value.to_str() else { continue };
        // What the SDK can't take for a header is none that it would look at.
        let _ = response.headers_mut().try_append(name.as_str().to_owned(), value.to_owned());
    }
    Ok(response)
}

fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if error.is_builder() {
        ConnectorError::user(error.into())
    } else {
        ConnectorError::io(error.into())
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::any;
    use throttle::dynamo::Connect;
    use throttle::{DynamoStore, Failure, PlanId, Store, StoreError};
    use tokio::net::TcpListener;

    use super::*;

    async fn served(answer: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, answer).await.unwrap() });
        url
    }

    /// What the SDK makes of a look-up that is sent by this client.
    async fn look_up(url: &str) -> Result<bool, StoreError> {
        let http = for_sdk(client(true).unwrap());
        let connect = Connect::emulator(url).http_client(http);
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
    async fn a_redirect_is_not_followed() {
        let other = served(Router::new().fallback(any(|| async { "{}" }))).await;
        let answer = move || async move { (StatusCode::TEMPORARY_REDIRECT, [("location", other)]) };
        let url = served(Router::new().fallback(any(answer))).await;
        assert!(look_up(&url).await.is_err());
    }
}
