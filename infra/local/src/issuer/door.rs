//! The door of what is not Cognito's: only programs and pages of this machine may pass.
//!
//! A page of another site can send a form to 127.0.0.1, or give its own name that address and then
//! read the answers. Neither may have a token, rotate keys or sign somebody in.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use console::{Hosts, Stranger};
use http::StatusCode;

/// Refuses a request that names another host, or that a page of another site sent.
pub(super) async fn check(State(hosts): State<Hosts>, request: Request, next: Next) -> Response {
    let why = match hosts.check(request.headers(), false) {
        Ok(()) => return next.run(request).await,
        Err(Stranger::Host) => "call this by the address that was printed at the start\n",
        Err(Stranger::Page) => "a page of another site may not call this\n",
    };
    (StatusCode::FORBIDDEN, why).into_response()
}
