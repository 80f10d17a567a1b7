//! The permission that is missing on a table, and the policy that helps.

use axum::Json;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::problem::Denied;
use crate::state::{Shared, State as Console};

/// The permissions of a console that reads.
const READS: [&str; 2] = ["dynamodb:GetItem", "dynamodb:Scan"];
/// The permissions of one that also writes.
const WRITES: [&str; 5] = [
    "dynamodb:GetItem",
    "dynamodb:Scan",
    "dynamodb:PutItem",
    "dynamodb:UpdateItem",
    "dynamodb:DeleteItem",
];

/// Names the table and the policy that helps in each response that AWS's denial caused.
pub(crate) async fn explain(State(state): Shared, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Denied>() {
        None => response,
        Some(Denied(action)) => {
            let body = Json(explanation(&state, &path, action.as_deref()));
            (StatusCode::FORBIDDEN, body).into_response()
        }
    }
}

fn explanation(state: &Console, path: &str, action: Option<&str>) -> Value {
    let tables = tables(state, path);
    let named: Vec<String> = tables.iter().map(|table| format!("`{table}`")).collect();
    let action = action.map_or_else(|| "an action".to_owned(), |action| format!("`{action}`"));
    let error = format!(
        "AWS does not allow {action} on the table {} with the credentials of this console: attach \
         this policy to their user or role, or start the console with AWS_PROFILE=… of another",
        named.join(" or ")
    );
    json!({"error": error, "policy": policy(&tables, state.writes)})
}

/// The tables that a path uses. A change may be of either, if revocations have their own.
fn tables<'a>(state: &'a Console, path: &str) -> Vec<&'a str> {
    match path {
        "/api/revocations" => vec![state.revocation_table()],
        "/api/change" if state.revocation_table() != state.table => {
            vec![&state.table, state.revocation_table()]
        }
        _ => vec![&state.table],
    }
}

fn policy(tables: &[&str], writes: bool) -> String {
    let actions: &[&str] = if writes { &WRITES } else { &READS };
    let arn = |table: &&str| format!("arn:aws:dynamodb:*:*:table/{table}");
    let policy = json!({
        "Version": "2012-10-17",
        "Statement": [{
            "Effect": "Allow",
            "Action": actions,
            "Resource": tables.iter().map(arn).collect::<Vec<_>>(),
        }],
    });
    policy.to_string()
}
