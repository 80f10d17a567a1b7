//! The loop over the Lambda Runtime API, for one invocation at a time.
//!
//! `lambda_runtime` has this loop too, but it sets the variable `_X_AMZN_TRACE_ID` for each
//! invocation, and glibc never frees a variable's old values: that leaks 140 bytes an invocation,
//! until the execution environment is out of memory.
//!
//! Paths and headers are those of AWS's page "Using the Lambda runtime API for custom runtimes".

use std::convert::Infallible;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request};
use http_body_util::BodyExt as _;
use lambda_runtime::{Diagnostic, Error};
use lambda_runtime_api_client::body::Body;
use lambda_runtime_api_client::{PooledClient, build_request};
use serde_json::Value;
use throttle::{Clock, Store};

use crate::handler::Authorizer;
use crate::record::Invocation;
use crate::refusal::{Code, Refusal};
use crate::response::Failure;

const API: &str = "/2018-06-01/runtime/invocation";

/// The invocation's id, which is in the path of its response.
const REQUEST_ID: &str = "lambda-runtime-aws-request-id";

/// X-Ray's header.
const TRACE_ID: &str = "lambda-runtime-trace-id";

/// Identifies one attempt of an invocation. The response must return it.
const INVOCATION_ID: HeaderName = HeaderName::from_static("lambda-runtime-invocation-id");

/// Answers invocations until the Runtime API fails.
///
/// # Errors
///
/// The Runtime API does not answer, or its answer is not as documented.
///
/// # Panics
///
/// `AWS_LAMBDA_RUNTIME_API` is not set.
pub(crate) async fn one_by_one<S: Store, C: Clock + Clone>(
    authorizer: &Authorizer<S, C>,
) -> Result<Infallible, Error> {
    let client = PooledClient::builder().build();
    loop {
        let next = build_request().method(Method::GET).uri(format!("{API}/next"));
        let next = client.call(next.body(Body::empty())?).await?;
        if !next.status().is_success() {
            return Err(format!("the next invocation was answered with {}", next.status()).into());
        }
        let (parts, body) = next.into_parts();
        let body = body.collect().await?.to_bytes();
        let invocation = invocation(&parts.headers)?;
        let answer = answer(authorizer, invocation, &parts.headers, &body).await?;
        let status = client.call(answer).await?.status();
        if !status.is_success() {
            // For example after the time-out: Lambda has given up this invocation only.
            tracing::warn!(status = status.as_u16(), "the Runtime API rejected the response");
        }
    }
}

/// Returns the invocation that the headers identify.
fn invocation(headers: &HeaderMap) -> Result<Invocation<'_>, Error> {
    let text = |name| headers.get(name).map(HeaderValue::to_str).transpose();
    let request_id = text(REQUEST_ID)?.ok_or("an invocation came without an id")?;
    Ok(Invocation { request_id, trace: text(TRACE_ID).ok().flatten() })
}

/// Answers one invocation and returns the request that posts the answer.
async fn answer<S: Store, C: Clock + Clone>(
    authorizer: &Authorizer<S, C>,
    invocation: Invocation<'_>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Request<Body>, Error> {
    let request_id = invocation.request_id;
    // Invalid JSON is refused like any other value that is not an event.
    let event = serde_json::from_slice(body).unwrap_or(Value::Null);
    let answered = authorizer.handle(&event, invocation).await;
    let answered = answered.and_then(|response| {
        serde_json::to_vec(&response).map_err(|_| {
            Failure::from(Refusal::new(Code::Panic, "the response cannot be serialized"))
        })
    });
    let request = build_request().method(Method::POST);
    let mut request = match answered {
        Ok(body) => request.uri(format!("{API}/{request_id}/response")).body(body.into())?,
        Err(failure) => {
            let body = serde_json::to_vec(&Diagnostic::from(failure))?;
            let request = request.uri(format!("{API}/{request_id}/error"));
            request.header("lambda-runtime-function-error-type", "unhandled").body(body.into())?
        }
    };
    if let Some(id) = headers.get(INVOCATION_ID) {
        request.headers_mut().insert(INVOCATION_ID, id.clone());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde_json::json;
    use throttle::{ManualClock, MemoryStore};

    use super::*;
    use crate::config::Config;

    fn authorizer() -> Authorizer<MemoryStore, ManualClock> {
        let config = "[[issuer]]\nurl = \"http://127.0.0.1:1/pool\"\nclients = [\"client\"]\n\
                      token_use = \"access\"\n[[rule]]\nname = \"all\"\nallow = [\"ANY /*\"]\n\
                      everyone = true\n";
        let config = Config::parse(config, "a test").unwrap();
        Authorizer::new(config, None, ManualClock::default()).unwrap()
    }

    fn headers(members: &[(&'static str, &str)]) -> HeaderMap {
        members
            .iter()
            .map(|&(name, value)| {
                (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    async fn posted(headers: &HeaderMap, body: &[u8]) -> (String, HeaderMap, Value) {
        let invocation = invocation(headers).unwrap();
        let request = answer(&authorizer(), invocation, headers, body).await.unwrap();
        let (parts, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.uri.to_string(), parts.headers, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn an_answer_is_posted_under_its_invocation_s_id() {
        let event = json!({
            "version": "2.0", "type": "REQUEST", "routeKey": "GET /orders",
            "routeArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/GET/orders",
            "headers": {"authorization": "Bearer no-token"},
        });
        let asked = headers(&[(REQUEST_ID, "id-1"), ("lambda-runtime-invocation-id", "attempt-2")]);
        let (uri, headers, body) = posted(&asked, event.to_string().as_bytes()).await;
        assert_eq!(uri, "/2018-06-01/runtime/invocation/id-1/response");
        assert_eq!(headers.get(INVOCATION_ID).unwrap(), "attempt-2");
        assert_eq!(body["policyDocument"]["Statement"][0]["Effect"], "Deny");
    }

    #[tokio::test]
    async fn a_refusal_and_what_is_no_event_are_posted_as_errors() {
        let token = json!({"type": "TOKEN", "authorizationToken": "Bearer no-token",
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/GET/orders"});
        let asked = headers(&[(REQUEST_ID, "id-2")]);
        let (uri, headers, body) = posted(&asked, token.to_string().as_bytes()).await;
        assert_eq!(uri, "/2018-06-01/runtime/invocation/id-2/error");
        assert_eq!(headers.get("lambda-runtime-function-error-type").unwrap(), "unhandled");
        assert!(!headers.contains_key(INVOCATION_ID));
        assert_eq!(body, json!({"errorType": "Unauthorized", "errorMessage": "Unauthorized"}));

        let deep = "[".repeat(10_000);
        for body in [&b""[..], b"{", b"\xff", b"{}", deep.as_bytes()] {
            let (uri, _, body) = posted(&asked, body).await;
            assert_eq!(uri, "/2018-06-01/runtime/invocation/id-2/error");
            assert!(body["errorType"].is_string(), "{body}");
        }
    }

    #[test]
    fn an_invocation_without_an_id_can_t_be_answered() {
        let error = invocation(&HeaderMap::new()).err().unwrap();
        assert_eq!(error.to_string(), "an invocation came without an id");
    }
}
