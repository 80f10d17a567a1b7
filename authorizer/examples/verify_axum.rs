//! A service that verifies tokens itself, and limits each user within a tenant.
//! The README of this crate explains it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router, routing::get};
use throttle::layer::{By, Limits, Plans};
use throttle::{Clock, MemoryStore, Plan, PlanId, SystemClock, Throttle};
use tollgate_authorizer::{Claims, Config, Verifier};

const ISSUERS: &str = r#"
[[issuer]]
url = "http://127.0.0.1:9401/us-east-1_LocalDemo"
jwks_uri = "http://127.0.0.1:9401/us-east-1_LocalDemo/.well-known/jwks.json"
clients = ["orders-web"]
token_use = "access"
"#;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().init();
    let issuers = Config::parse_issuers(ISSUERS, "ISSUERS")?;
    let verifier = Arc::new(Verifier::new(issuers, SystemClock::new())?);
    // Fetches the keys before the first request. If that fails, the first request tries again.
    verifier.prepare().await;

    // In production a `DynamoStore`, which all instances share and which has the plans.
    let (store, clock) = (MemoryStore::new(), SystemClock::new());
    let (user, tenant) = (PlanId::new("user")?, PlanId::new("tenant")?);
    store.put_plan(user.clone(), Plan::per_second(1).burst(2).build()?, clock.now());
    store.put_plan(tenant.clone(), Plan::per_second(2).burst(3).build()?, clock.now());
    let throttle = Arc::new(Throttle::new(store, clock));

    // The same name of another issuer is another caller. A token without the claim gets 403.
    let users = By::extension(|claims: &Arc<Claims>| claims.qualified(claims.principal()));
    let tenants =
        By::extension(|claims: &Arc<Claims>| claims.text("tenant").unwrap_or_default().to_owned());
    let limits = Limits::new(throttle, users, Plans::fixed(user))
        .within("tenant", tenants, Plans::fixed(tenant))
        .checked()?;

    let service = Router::new()
        .route("/orders", get(orders))
        .layer(limits)
        // The last layer is the outermost, so tokens are verified before anything is charged.
        .layer(middleware::from_fn_with_state(verifier, authenticate));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    println!("listening on http://{}", listener.local_addr()?);
    Ok(axum::serve(listener, service).await?)
}

/// Puts the claims of a valid token into the request. Any other request ends here.
async fn authenticate(
    State(verifier): State<Arc<Verifier<SystemClock>>>,
    mut request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    let token = header.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let unauthorized = (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]);
    let Some(token) = token else { return unauthorized.into_response() };
    match verifier.verify(token).await.outcome {
        Ok(claims) => {
            request.extensions_mut().insert(claims);
            next.run(request).await
        }
        Err(refusal) if refusal.code().is_callers_fault() => {
            tracing::info!(%refusal, "a token is refused");
            unauthorized.into_response()
        }
        // The issuer's keys cannot be fetched.
        Err(refusal) => {
            tracing::error!(%refusal, "a token cannot be verified");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn orders(Extension(claims): Extension<Arc<Claims>>) -> String {
    format!("orders of {}\n", claims.principal())
}
