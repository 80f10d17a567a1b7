//! The example backend of `infra/template.yaml`: orders, with Tollgate's limits as a layer.
//!
//! The authorizer in front has charged each request once. If it found that the caller is over its
//! limits, the layer answers 429. Making an order costs more than one request; the layer charges
//! the rest to the same bucket.

use std::env;
use std::sync::Arc;

use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS};
use http::{HeaderValue, Method, Response, StatusCode, request};
use lambda_http::{Body, Error, Request};
use serde_json::json;
use throttle::layer::{Authorizer, By, Limits, Plans};
use throttle::{Clock, PlanId, Store, Throttle};
use tower::{ServiceBuilder, ServiceExt as _, service_fn};

/// The costs of listing orders and of making one.
const LIST: u32 = 1;
const MAKE: u32 = 5;

/// The response headers that a page of another origin may read.
const EXPOSED: &str = "ratelimit, ratelimit-policy, retry-after";

/// Settings from the template's environment variables.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The table with buckets and plans: `TOLLGATE_TABLE`.
    pub table: String,
    /// The issuer's name in the authorizer's configuration, the pool's id: `TOLLGATE_ISSUER`.
    pub issuer: String,
    /// The plan of callers without another: `TOLLGATE_PLAN`.
    pub plan: PlanId,
    /// The origin whose pages may read the answers, `*` for every origin: `ALLOWED_ORIGIN`.
    pub origin: HeaderValue,
}

impl Setting {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// A variable is missing or invalid.
    pub fn from_env() -> anyhow::Result<Self> {
        let read = |name| env::var(name).map_err(|_| anyhow::anyhow!("set `{name}`"));
        let table = read("TOLLGATE_TABLE")?;
        table::check_name(&table)?;
        Ok(Self {
            issuer: read("TOLLGATE_ISSUER")?,
            plan: PlanId::new(read("TOLLGATE_PLAN")?)
                .map_err(|error| anyhow::anyhow!("`TOLLGATE_PLAN` {error}"))?,
            origin: read("ALLOWED_ORIGIN")?.parse().map_err(|_| {
                anyhow::anyhow!("`ALLOWED_ORIGIN` cannot be a header: write an origin")
            })?,
            table,
        })
    }
}

/// Answers one event: through the limits, to the orders, and back with the origin's header.
///
/// # Errors
///
/// None: a fault of the table is an answer too.
pub async fn answer<S: Store, C: Clock>(
    throttle: Arc<Throttle<S, C>>,
    setting: Setting,
    request: Request,
) -> Result<Response<Body>, Error> {
    // A caller with a key has no `sub`. `subject` is there if the authorizer has limits.
    let mut by = By::authorizer(Authorizer::event(), "subject");
    // Without a user pool there are keys alone, and no issuer.
    if !setting.issuer.is_empty() {
        by = by.or(By::authorizer(Authorizer::event(), "sub").of_issuer(&setting.issuer));
    }
    let plans = Plans::authorizer(Authorizer::event(), "plan", setting.plan);
    let limits = Limits::new(throttle, by, plans).counted_by(Authorizer::event()).cost(cost);
    let service = ServiceBuilder::new().layer(limits).service(service_fn(orders));
    let mut response = service.oneshot(request).await?;
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, setting.origin);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
    Ok(response)
}

/// Returns the full cost of a request.
///
/// The authorizer has charged one already, so a cost of one needs no further write.
fn cost(request: &request::Parts) -> u32 {
    if request.method == Method::POST { MAKE } else { LIST }
}

async fn orders(request: Request) -> Result<Response<Body>, Error> {
    let (status, body) = match *request.method() {
        Method::GET => (StatusCode::OK, json!([{"id": 1}])),
        Method::POST => (StatusCode::CREATED, json!({"id": 2})),
        _ => (StatusCode::METHOD_NOT_ALLOWED, json!({"message": "GET or POST"})),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(body.to_string().into())?)
}
