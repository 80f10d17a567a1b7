//! A gRPC service with limits: a refusal is RESOURCE_EXHAUSTED with the time to wait, and the rows
//! that a call took are read from its trailers.
//!
//! ```sh
//! cargo run -p tollgate-throttle --example orders_grpc
//! ```
//!
//! Add the layer to tonic's server in front of the generated service:
//! `Server::builder().layer(limits).add_service(OrdersServer::new(orders))`. This example calls the
//! layered service itself, three times under a plan of 2 requests at once, and prints each status
//! and what is left of the limits.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Empty};
use tollgate_throttle::layer::{By, Cause, Limits, MeteredBody, Part, Plans, Refused};
use tollgate_throttle::{Clock, MemoryStore, Meter, Plan, PlanId, SystemClock, Throttle};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};
use tower::{Service, ServiceBuilder, ServiceExt};

/// Returns the gRPC response to a refused request; its HTTP status is always 200.
fn refusal(refused: &Refused, response: Response<String>) -> Response<Body> {
    let (code, text) = match refused.cause() {
        Cause::Exhausted => (Code::ResourceExhausted, "a limit of the plan is used up"),
        Cause::TooCostly => (Code::InvalidArgument, "the request costs more than the plan allows"),
        Cause::Unidentified(_) => (Code::PermissionDenied, "the caller is unknown"),
        _ => (Code::Unavailable, "the limits are unavailable"),
    };
    let status = match refused.retry_after() {
        Some(seconds) => {
            let wait = ErrorDetails::with_retry_info(Some(Duration::from_secs(seconds)));
            Status::with_error_details(code, text, wait)
        }
        None => Status::new(code, text),
    };
    let mut answer = status.into_http::<Body>();
    // `RateLimit`, `RateLimit-Policy` and `Retry-After` become metadata of the response.
    let fields = response.into_parts().0.headers.into_iter();
    let about_the_body = [Some(CONTENT_TYPE), Some(CONTENT_LENGTH)];
    answer.headers_mut().extend(fields.filter(|(name, _)| !about_the_body.contains(name)));
    answer
}

/// The rows of a call, from the trailers that end it.
fn rows(part: Part<'_>) -> Option<u64> {
    match part {
        Part::Trailers(trailers) => trailers.get("x-rows")?.to_str().ok()?.parse().ok(),
        _ => None,
    }
}

/// Limits each client, named by the metadata `x-client`, to `plan`.
fn service(
    plan: Plan,
) -> Result<
    impl Service<Request<Body>, Response = Response<MeteredBody<Body>>, Error = Infallible> + Clone,
    Box<dyn Error>,
> {
    // In production a `DynamoStore`, which all instances share.
    let (store, free) = (MemoryStore::new(), PlanId::new("free")?);
    store.put_plan(free.clone(), plan, SystemClock::new().now());
    let throttle = Arc::new(Throttle::new(store, SystemClock::new()));
    let limits = Limits::new(throttle, By::header("x-client"), Plans::fixed(free))
        // 100 rows are reserved for each call.
        .body_meter(Meter::new("rows")?, |_request| 100, |_response| rows)
        .answer(refusal);
    Ok(ServiceBuilder::new().layer(limits).service_fn(orders))
}

/// Stands for the service that tonic generates; each call takes 3 rows.
async fn orders(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    let trailers = [("grpc-status", "0"), ("x-rows", "3")];
    let trailers: HeaderMap = trailers
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
        .into_iter()
        .collect();
    let body = Empty::<Bytes>::new().with_trailers(async { Some(Ok(trailers)) });
    let mut response = Response::new(Body::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let rows = Plan::per_minute(60).burst(1_000);
    let service = service(Plan::per_second(1).burst(2).meter("rows", rows).build()?)?;
    for _ in 0..3 {
        let request = Request::post("/orders.Orders/List").header("x-client", "maria");
        let response = service.clone().oneshot(request.body(Body::empty())?).await?;
        let (head, body) = response.into_parts();
        let status = status(&head.headers);
        let limits = head.headers.get("ratelimit");
        println!("{:?}: wait {:?}, {limits:?}", status.code(), wait(&status));
        body.collect().await?;
    }
    Ok(())
}

/// The status of a response that has no body, or else OK.
fn status(headers: &HeaderMap) -> Status {
    Status::from_header_map(headers).unwrap_or_else(|| Status::ok(""))
}

/// The time to wait, as a client reads it.
fn wait(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1,000 rows a day, and so many requests.
    fn plan(rate: u32, burst: u32) -> String {
        format!(
            r#"{{"throttle": {{"rateLimit": {rate}, "burstLimit": {burst}}},
                "meters": {{"rows": {{"quota": {{"limit": 1000, "period": "DAY"}}}}}}}}"#
        )
    }

    /// The heads of the responses, each of whose bodies has ended.
    async fn call(plan: &str, callers: &[Option<&str>]) -> Vec<http::response::Parts> {
        let service = service(Plan::from_json(plan).unwrap()).unwrap();
        let mut responses = Vec::new();
        for caller in callers {
            let mut request = Request::post("/orders.Orders/List");
            if let Some(caller) = caller {
                request = request.header("x-client", *caller);
            }
            let request = request.body(Body::empty()).unwrap();
            let (head, body) = service.clone().oneshot(request).await.unwrap().into_parts();
            body.collect().await.unwrap();
            responses.push(head);
        }
        responses
    }

    #[tokio::test]
    async fn a_client_over_its_limit_gets_resource_exhausted_and_the_time_to_wait() {
        let responses = call(&plan(1, 2), &[Some("maria"); 3]).await;
        assert_eq!(status(&responses[1].headers).code(), Code::Ok);
        let refused = &responses[2];
        assert_eq!(refused.status, 200);
        assert_eq!(refused.headers["content-type"], "application/grpc");
        assert_eq!(refused.headers["retry-after"], "1");
        // Two calls took 3 rows each, and not the 100 that were reserved.
        assert_eq!(refused.headers["ratelimit"], r#""burst";r=0;t=1, "rows-daily";r=994"#);
        let status = status(&refused.headers);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(wait(&status), Some(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn a_client_without_a_name_or_a_chance_is_not_told_to_wait() {
        let responses = call(&plan(1, 1), &[None]).await;
        let unknown = status(&responses[0].headers);
        assert_eq!((unknown.code(), wait(&unknown)), (Code::PermissionDenied, None));
        let responses = call(&plan(0, 0), &[Some("maria")]).await;
        let never = status(&responses[0].headers);
        assert_eq!((never.code(), wait(&never)), (Code::ResourceExhausted, None));
    }
}
