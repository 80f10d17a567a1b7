//! A gRPC service with limits: a refusal is RESOURCE_EXHAUSTED with the time to wait.
//!
//! ```sh
//! cargo run -p tollgate-throttle --example orders_grpc
//! ```
//!
//! Add the layer to tonic's server in front of the generated service:
//! `Server::builder().layer(limits).add_service(OrdersServer::new(orders))`. This example calls the
//! layered service itself, three times under a plan of 2 requests at once, and prints each status.

use std::convert::Infallible;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{Request, Response};
use tollgate_throttle::layer::{By, Cause, Limits, Plans, Refused};
use tollgate_throttle::{Clock, MemoryStore, Plan, PlanId, SystemClock, Throttle};
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

/// Limits each client, named by the metadata `x-client`, to `plan`.
fn service(
    plan: Plan,
) -> Result<
    impl Service<Request<Body>, Response = Response<Body>, Error = Infallible> + Clone,
    Box<dyn Error>,
> {
    // In production a `DynamoStore`, which all instances share.
    let (store, free) = (MemoryStore::new(), PlanId::new("free")?);
    store.put_plan(free.clone(), plan, SystemClock::new().now());
    let throttle = Arc::new(Throttle::new(store, SystemClock::new()));
    let limits = Limits::new(throttle, By::header("x-client"), Plans::fixed(free)).answer(refusal);
    Ok(ServiceBuilder::new().layer(limits).service_fn(orders))
}

/// Stands for the service that tonic generates.
async fn orders(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Status::ok("").into_http())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let service = service(Plan::per_second(1).burst(2).build()?)?;
    for _ in 0..3 {
        let request = Request::post("/orders.Orders/List").header("x-client", "maria");
        let response = service.clone().oneshot(request.body(Body::empty())?).await?;
        let status = Status::from_header_map(response.headers()).unwrap_or_else(|| Status::ok(""));
        println!("{:?}: wait {:?}", status.code(), wait(&status));
    }
    Ok(())
}

/// The time to wait, as a client reads it.
fn wait(status: &Status) -> Option<Duration> {
    status.get_details_retry_info().and_then(|info| info.retry_delay)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn call(plan: Plan, callers: &[Option<&str>]) -> Vec<Response<Body>> {
        let service = service(plan).unwrap();
        let mut responses = Vec::new();
        for caller in callers {
            let mut request = Request::post("/orders.Orders/List");
            if let Some(caller) = caller {
                request = request.header("x-client", *caller);
            }
            let request = request.body(Body::empty()).unwrap();
            responses.push(service.clone().oneshot(request).await.unwrap());
        }
        responses
    }

    fn status(response: &Response<Body>) -> Status {
        Status::from_header_map(response.headers()).unwrap()
    }

    #[tokio::test]
    async fn a_client_over_its_limit_gets_resource_exhausted_and_the_time_to_wait() {
        let plan = Plan::per_second(1).burst(2).build().unwrap();
        let responses = call(plan, &[Some("maria"); 3]).await;
        assert_eq!(status(&responses[1]).code(), Code::Ok);
        let refused = &responses[2];
        assert_eq!(refused.status(), 200);
        assert_eq!(refused.headers()["content-type"], "application/grpc");
        assert_eq!(refused.headers()["retry-after"], "1");
        assert_eq!(refused.headers()["ratelimit"], r#""burst";r=0;t=1"#);
        let status = status(refused);
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(wait(&status), Some(Duration::from_secs(1)));
    }

    #[tokio::test]
    async fn a_client_without_a_name_or_a_chance_is_not_told_to_wait() {
        let open = Plan::per_second(1).build().unwrap();
        let responses = call(open, &[None]).await;
        let unknown = status(&responses[0]);
        assert_eq!((unknown.code(), wait(&unknown)), (Code::PermissionDenied, None));
        let closed = Plan::from_json(r#"{"throttle":{"rateLimit":0,"burstLimit":0}}"#).unwrap();
        let responses = call(closed, &[Some("maria")]).await;
        let never = status(&responses[0]);
        assert_eq!((never.code(), wait(&never)), (Code::ResourceExhausted, None));
    }
}
