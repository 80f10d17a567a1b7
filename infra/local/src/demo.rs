//! The demonstration: who may call what, how often, and the authorizer's configuration for it.
//!
//! Everything here is throwaway and public: it guards an echo on one's own machine.

use serde_json::{Map, Value, json};

use crate::issuer::{self, AppClient, User};

/// The demonstration's user pool.
pub const POOL: &str = "us-east-1_LocalDemo";
/// The table's name.
pub const TABLE: &str = "tollgate";
/// The key of the stage's usage plan, unless another is given.
pub const API_KEY: &str = "local-demo-api-key-000000";
/// The token issuer's port unless another is given.
pub const DEFAULT_ISSUER_PORT: u16 = 9401;
/// The key of a caller, where a configuration counts by API keys.
pub const CALLER_KEY: &str = "local-demo-caller-key-000000";
/// The subject of that key.
pub const CALLER_KEY_SUBJECT: &str = "local-caller";
/// The public client that users sign in through.
pub const WEB_CLIENT: &str = "orders-web";
/// The client of the commands that are shown.
pub const READER: &str = "orders-reader";

/// The plan of callers whose token names none.
pub const PLAN: &str = "free";
/// The limits of a plan that is made up: slow enough that a few pasted commands meet them.
pub const LIMITS: &str = r#"{"throttle":{"rateLimit":1,"burstLimit":10}}"#;

/// The plans, as API Gateway's own JSON: their names, a rate per second and a burst.
pub const PLANS: [(&str, &str); 2] = [
    (PLAN, r#"{"name":"free","throttle":{"rateLimit":1,"burstLimit":10}}"#),
    ("gold", r#"{"name":"gold","throttle":{"rateLimit":100,"burstLimit":200}}"#),
];

/// The place of revocations. A token costs at most one read a second.
const REVOCATION: &str = r#"[revocation]
table = "tollgate"
cache_seconds = 1
# While the table is away, the plans' failure policies decide here. The default, "closed", never
# accepts a token that may be revoked.
failure = "open"
"#;

/// The app clients. `orders-web` has no secret; the others get tokens for themselves.
#[must_use]
pub fn clients() -> Vec<AppClient> {
    let client = |id: &str, secret: Option<&str>, scopes: &[&str], claims: &Value| AppClient {
        id: id.to_owned(),
        secret: secret.map(str::to_owned),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        is_public: secret.is_none(),
        claims: claims.as_object().cloned().unwrap_or_default(),
    };
    vec![
        client(READER, Some("reader-secret-for-the-demo"), &["orders/read"], &json!({})),
        client(
            "orders-writer",
            Some("writer-secret-for-the-demo"),
            &["orders/read", "orders/write"],
            &json!({ "custom:plan": "gold" }),
        ),
        client(WEB_CLIENT, None, &[], &json!({})),
    ]
}

/// The users: `alice` is an admin and `bob` is not.
#[must_use]
pub fn users() -> Vec<User> {
    let user = |username: &str, groups: &[&str]| User {
        username: username.to_owned(),
        password: password(username),
        sub: None,
        groups: groups.iter().map(ToString::to_string).collect(),
        scopes: Vec::new(),
        attributes: Map::from_iter([(
            "email".to_owned(),
            json!(format!("{username}@example.com")),
        )]),
        claims: Map::new(),
    };
    vec![user("alice", &["admins"]), user("bob", &[])]
}

/// The password of a user for whom none is given.
#[must_use]
pub fn password(username: &str) -> String {
    format!("Throwaway-{username}-1!")
}

/// The secret of a client that is given none.
#[must_use]
pub fn secret(client_id: &str) -> String {
    format!("{client_id}-secret-for-local")
}

/// The authorizer's configuration for this issuer and its clients, with `api_key` for allowed
/// callers.
///
/// Addresses and key go into TOML strings as they are, so none may hold a quote or a backslash.
#[must_use]
pub fn config(issuer: &str, jwks_uri: &str, clients: &[String], api_key: &str) -> String {
    let rules = rules(issuer, jwks_uri, clients);
    let throttle = throttle("unknown-key");
    format!("{rules}\n{throttle}api_key = \"{api_key}\"\n\n{REVOCATION}")
}

/// The demonstration's configuration as text to start from, for an issuer on this port.
#[must_use]
pub fn printed(issuer_port: u16) -> String {
    let port = if issuer_port == 0 { DEFAULT_ISSUER_PORT } else { issuer_port };
    let issuer = issuer::url(&format!("http://127.0.0.1:{port}"), POOL);
    let clients: Vec<String> = clients().into_iter().map(|client| client.id).collect();
    let text = config(&issuer, &issuer::jwks_uri(&issuer), &clients, API_KEY);
    format!(
        "# The demonstration of `local`. Edit a copy, and start it: tollgate-local --config FILE\n\
         # The issuer is the demonstration's own; write `user_pool` or `url` for yours instead.\n\n\
         {text}"
    )
}

/// The same for HTTP and WebSocket APIs: the backend refuses throttled callers.
///
/// Readers may also connect. A browser, which cannot set headers on a WebSocket, uses the
/// subprotocol `bearer` for its token.
#[must_use]
pub fn http_config(issuer: &str, jwks_uri: &str, clients: &[String], simple: bool) -> String {
    let rules = rules(issuer, jwks_uri, clients);
    let throttle = throttle("context");
    let form = if simple { "simple" } else { "iam" };
    format!(
        r#"{rules}
[[rule]]
name = "connections"
allow = ["$connect"]
any_scope = ["orders/read"]

[token]
subprotocol = "bearer"

[response]
http = "{form}"

{throttle}
{REVOCATION}"#
    )
}

fn rules(issuer: &str, jwks_uri: &str, clients: &[String]) -> String {
    format!(
        r#"[[issuer]]
url = "{issuer}"
jwks_uri = "{jwks_uri}"
clients = {clients:?}
token_use = "access"

[[rule]]
name = "readers"
allow = ["GET /orders", "GET /orders/*"]
any_scope = ["orders/read"]

[[rule]]
name = "writers"
allow = [
  "POST /orders", "PUT /orders", "DELETE /orders",
  "POST /orders/*", "PUT /orders/*", "DELETE /orders/*",
]
any_scope = ["orders/write"]

[[rule]]
name = "admins"
allow = ["ANY /admin/*"]
any_group = ["admins"]

[[rule]]
name = "health"
allow = ["GET /health"]
everyone = true
"#
    )
}

fn throttle(refuse: &str) -> String {
    format!(
        r#"[throttle]
table = "{TABLE}"
subject = "client_id"
plan = {{ claim = "custom:plan", default = "free" }}
refuse = "{refuse}"
failure = "closed"
# Ten times the default: a laptop that is busy building stalls as no data centre does.
timeout_ms = 1000
"#
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use throttle::{Plan, PlanId};

    use super::*;

    #[test]
    fn the_plans_are_plans_and_the_free_one_is_met_by_a_loop_of_twenty() {
        for (name, json) in PLANS {
            assert!(PlanId::new(name).is_ok());
            let plan = Plan::from_json(json).unwrap();
            assert_eq!(plan.name(), Some(name));
        }
        let free = Plan::from_json(PLANS[0].1).unwrap().throttle().unwrap();
        // Twenty requests, one after the other, must meet the limit on a slow machine too.
        assert!(free.burst() <= 10 && free.rate().interval() >= Duration::from_secs(1));
        assert_eq!(Plan::from_json(LIMITS).unwrap().throttle(), Some(free));
    }

    #[test]
    fn the_configuration_names_every_client_and_the_place_of_the_keys() {
        let ids: Vec<String> = clients().into_iter().map(|client| client.id).collect();
        let text = config("http://127.0.0.1:1/p", "http://127.0.0.1:1/p/jwks", &ids, API_KEY);
        for client in clients() {
            assert!(text.contains(&format!("\"{}\"", client.id)), "{}", client.id);
        }
        for line in [
            "url = \"http://127.0.0.1:1/p\"",
            "jwks_uri = \"http://127.0.0.1:1/p/jwks\"",
            "plan = { claim = \"custom:plan\", default = \"free\" }",
            "api_key = \"local-demo-api-key-000000\"",
            "[revocation]",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}");
        }
    }
}
