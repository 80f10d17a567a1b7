//! Limits of tenants and of everyone, through the gateway, the authorizer and the table.

use local::stack::Stack;
use table::Connect;
use throttle::{Clock, Plan, PlanId, Plans, SystemClock};

use crate::own::{start, token};

const CONFIG: &str = r#"
[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = ["web"]
token_use = "access"

[[rule]]
name = "readers"
allow = ["GET /things"]
everyone = true

[throttle]
table = "acme-limits"
subject = "sub"
plan = { assigned = true, default = "user" }
parents = [{ parent = "custom:tenant", plan = "tenant" }, { parent = "*", plan = "everyone" }]
refuse = "unknown-key"
api_key = "the-usage-plans-api-key"
"#;

const USERS: &str = r#"
[[user]]
name = "maria"
claims = { "custom:tenant" = "acme" }

[[user]]
name = "paul"
claims = { "custom:tenant" = "acme" }

[[user]]
name = "zoe"
claims = { "custom:tenant" = "globex" }

[[user]]
name = "tom"
claims = { "custom:tenant" = "initech" }

[[user]]
name = "list"
claims = { "custom:tenant" = ["acme"] }
"#;

/// Replaces the plans that the stack made up: their bursts do not refill within the test.
async fn store_plans(stack: &Stack) {
    let client = Connect::emulator(&stack.ready().dynamodb).client().await;
    let plans = Plans::new(client, "acme-limits");
    for (id, burst) in [("user", 5), ("tenant", 3), ("everyone", 7)] {
        let json = format!(r#"{{"throttle":{{"rateLimit":0.001,"burstLimit":{burst}}}}}"#);
        let (id, plan) = (PlanId::new(id).unwrap(), Plan::from_json(&json).unwrap());
        plans.put(&id, &plan, Some(1), SystemClock::new().now()).await.unwrap();
    }
}

/// The status of a request.
async fn get(stack: &Stack, token: &str) -> u16 {
    let url = format!("{}/things", stack.ready().api);
    let answer = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn a_tenant_s_limit_holds_for_its_users_and_everyone_s_for_all() {
    let stack = start(CONFIG, Some(USERS), |_| {}).await;
    store_plans(&stack).await;
    let [maria, paul, zoe, tom, list] = {
        let of = |name: &str| format!("user={name}");
        [
            token(&stack, 0, &of("maria")).await,
            token(&stack, 0, &of("paul")).await,
            token(&stack, 0, &of("zoe")).await,
            token(&stack, 0, &of("tom")).await,
            token(&stack, 0, &of("list")).await,
        ]
    };
    for (at, (token, status)) in [
        (&maria, 200),
        (&paul, 200),
        (&maria, 200),
        // The tenant has 3, whoever of its users asks.
        (&maria, 429),
        (&paul, 429),
        // Another tenant is not hindered, and one that is no text is refused.
        (&zoe, 200),
        (&list, 401),
        (&zoe, 200),
        (&zoe, 200),
        (&zoe, 429),
        // Everyone has 7: what a tenant refused was not charged.
        (&tom, 200),
        (&tom, 429),
        (&maria, 429),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(get(&stack, token).await, status, "request {at}");
    }
    stack.shutdown().await;
}
