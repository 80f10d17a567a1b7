//! Configurations of one's own: their issuers, callers, tables and keys, and what is shown of them.

use std::path::Path;
use std::process::Command;

use local::clock::Now;
use local::gateway::{Kind, Payload};
use local::stack::{Options, Stack};
use serde_json::Value;
use throttle::SystemClock;

/// A stack with this configuration and these callers.
pub(crate) async fn start(
    config: &str,
    users: Option<&str>,
    change: impl FnOnce(&mut Options),
) -> Stack {
    let folder = tempfile::tempdir().unwrap();
    let local = env!("CARGO_BIN_EXE_tollgate-local");
    let mut options = Options::new(local.into(), Now::new(SystemClock::new()));
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    options.config = Some(write("tollgate.toml", config));
    options.users = users.map(|text| write("users.toml", text));
    change(&mut options);
    Stack::start(options).await.unwrap()
}

/// A token of an issuer, as the banner gets it.
pub(crate) async fn token(stack: &Stack, issuer: usize, query: &str) -> String {
    let url = format!("{}?{query}", stack.ready().issuers[issuer].local_token);
    let response = reqwest::get(url).await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{text}");
    text.trim_end().to_owned()
}

async fn status(stack: &Stack, route: &str, token: Option<&str>) -> u16 {
    let (method, path) = route.split_once(' ').unwrap();
    let url = format!("{}{path}", stack.ready().api);
    let mut request = reqwest::Client::new().request(method.parse().unwrap(), url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    request.send().await.unwrap().status().as_u16()
}

const POOL: &str = r#"
[[issuer]]
user_pool = "us-east-1_abcDEF123"
clients = ["web", "batch"]
token_use = "access"

[[rule]]
name = "readers"
allow = ["GET /things", "GET /things/*"]
any_scope = ["things/read"]

[[rule]]
name = "support"
allow = ["POST /refunds"]
any_group = ["support"]
when = "claims.level >= 3"

[throttle]
table = "acme-limits"
subject = "client_id"
plan = { default = "basic" }
refuse = "unknown-key"
api_key = "the-usage-plans-api-key"

[revocation]
table = "acme-revoked"
"#;

#[tokio::test]
async fn a_user_pool_with_its_own_tables_and_key_gives_every_outcome() {
    let stack = start(POOL, None, |_| {}).await;
    let ready = stack.ready();
    assert_eq!(ready.tables, ["acme-limits", "acme-revoked"]);
    assert_eq!(ready.api_key.as_deref(), Some("the-usage-plans-api-key"));
    let iss = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF123";
    assert_eq!((&*ready.issuer, &*ready.issuers[0].iss), (iss, iss));
    assert_eq!(ready.notes.len(), 1, "{:?}", ready.notes);
    assert!(ready.notes[0].contains("rule `support`") && ready.notes[0].contains("`when`"));

    let batch = token(&stack, 0, "client=batch").await;
    assert_eq!(status(&stack, "GET /things", None).await, 401);
    assert_eq!(status(&stack, "DELETE /things", Some(&batch)).await, 403);
    let mut statuses = Vec::new();
    for _ in 0..20 {
        statuses.push(status(&stack, "GET /things", Some(&batch)).await);
    }
    assert_eq!(statuses[..10], [200; 10]);
    assert!(statuses.contains(&429), "{statuses:?}");
    assert!(statuses.iter().all(|status| [200, 429].contains(status)), "{statuses:?}");
    stack.shutdown().await;
}

#[tokio::test]
async fn callers_of_one_s_own_meet_the_rules_that_made_up_ones_do_not() {
    let users = r#"
[[user]]
name = "carol"
groups = ["support"]
claims = { level = 3 }

[[user]]
name = "dan"
groups = ["support"]
claims = { level = 2 }

[[client]]
id = "batch"
scopes = ["things/write"]
"#;
    let stack = start(POOL, Some(users), |_| {}).await;
    assert!(stack.ready().notes.is_empty(), "{:?}", stack.ready().notes);
    for (query, route, expected) in [
        ("user=carol", "POST /refunds", 200),
        ("user=dan", "POST /refunds", 403),
        ("client=web", "GET /things", 200),
        ("client=batch", "GET /things", 403),
    ] {
        let token = token(&stack, 0, query).await;
        assert_eq!(status(&stack, route, Some(&token)).await, expected, "{query} {route}");
    }
    stack.shutdown().await;
}

const TWO: &str = r#"
[[issuer]]
name = "staff"
url = "https://id.example/realms/staff"
clients = ["console"]
token_use = "id"
groups_claim = "roles"
required_claims = { email_verified = true }
principal = "email"

[[issuer]]
name = "partners"
url = "https://partners.example"
clients = ["console"]
audiences = ["https://api.example"]
token_use = "access"
scopes_claim = "scp"
client_claim = "azp"
max_lifetime_seconds = 600

[[rule]]
name = "admins"
allow = ["ANY /admin/*"]
any_group = ["admins"]
issuers = ["staff"]

[[rule]]
name = "partners"
allow = ["GET /offers"]
all_scopes = ["offers/read", "offers/list"]
issuers = ["https://partners.example"]
"#;

#[tokio::test]
async fn two_issuers_with_id_tokens_and_an_audience_each_have_their_own_callers() {
    let stack = start(TWO, None, |_| {}).await;
    let ready = stack.ready();
    assert!(ready.notes.is_empty(), "{:?}", ready.notes);
    let names: Vec<&str> = ready.issuers.iter().map(|issuer| &*issuer.name).collect();
    assert_eq!(names, ["staff", "partners"]);
    assert_ne!(ready.issuers[0].jwks_uri, ready.issuers[1].jwks_uri);
    let admin = token(&stack, 0, "user=admins").await;
    let user = token(&stack, 0, "user=user").await;
    let access = token(&stack, 0, "user=admins&use=access").await;
    let partner = token(&stack, 1, "client=console").await;
    let narrow = token(&stack, 1, "client=console&scope=offers/read").await;
    for (token, route, expected) in [
        (&admin, "DELETE /admin/users", 200),
        (&admin, "GET /offers", 403),
        (&user, "GET /admin/users", 403),
        (&access, "GET /admin/users", 401),
        (&partner, "GET /offers", 200),
        (&partner, "GET /admin/users", 403),
        (&narrow, "GET /offers", 403),
    ] {
        assert_eq!(status(&stack, route, Some(token)).await, expected, "{route}");
    }
    // By the token endpoint too, which each issuer has for itself.
    let client = ready.clients.iter().find(|client| client.issuer == "partners").unwrap();
    let request = reqwest::Client::new()
        .post(&ready.issuers[1].token_endpoint)
        .basic_auth(&client.id, Some(&client.secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials");
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    let granted = answer["access_token"].as_str().unwrap();
    assert_eq!(status(&stack, "GET /offers", Some(granted)).await, 200);
    stack.shutdown().await;
}

#[tokio::test]
async fn tokens_that_the_configuration_refuses_are_named_at_the_start() {
    let unbound = POOL.replace("token_use", "audiences = [\"https://api.example\"]\ntoken_use");
    let stack = start(&unbound, None, |_| {}).await;
    let notes = stack.ready().notes;
    let note = "client web and 1 more of issuer `us-east-1_abcDEF123` get 401: the token is for \
                another audience";
    assert!(notes.iter().any(|line| line == note), "{notes:?}");
    stack.shutdown().await;
}

#[tokio::test]
async fn limits_by_api_key_have_a_caller_with_a_key() {
    let by_key = POOL.replace("subject = \"client_id\"", "subject = \"api_key\"");
    let stack = start(&by_key, None, |options| options.rest = Kind::RestRequest).await;
    let outcomes = run(&stack, "").await;
    assert_eq!(outcomes.0, [200, 401, 403, 429], "{}", stack.ready());
    stack.shutdown().await;
}

#[tokio::test]
async fn callers_whose_plan_must_be_assigned_have_one() {
    let assigned = POOL.replace("{ default = \"basic\" }", "{ assigned = true }");
    let stack = start(&assigned, None, |_| {}).await;
    let notes = stack.ready().notes;
    assert!(notes.iter().any(|note| note.contains("every caller here has `free`")), "{notes:?}");
    assert_eq!(run(&stack, "").await.0, [200, 401, 403, 429], "{}", stack.ready());
    stack.shutdown().await;
}

#[tokio::test]
async fn an_http_api_denies_where_a_rest_api_names_an_unknown_key() {
    let stack = start(POOL, None, |options| options.http = Some(Payload::V2)).await;
    let notes = stack.ready().notes;
    assert!(notes.iter().any(|note| note.contains("is a 403 on the HTTP API")), "{notes:?}");
    let url = format!("API={}", stack.ready().http_api.unwrap());
    assert_eq!(run(&stack, &url).await.0, [200, 401, 403, 403], "{}", stack.ready());
    stack.shutdown().await;
}

/// Pastes the banner's commands from `from` on: the statuses of whole responses, and those in rows.
pub(crate) async fn run(stack: &Stack, from: &str) -> (Vec<u16>, Vec<u16>) {
    let text = stack.ready().to_string();
    let (_, commands) = text.split_once("Paste, in another terminal:").unwrap();
    let token: Vec<&str> = commands.lines().take_while(|line| !line.contains("API=")).collect();
    let (_, rest) = commands.split_once(from).unwrap_or_else(|| panic!("no {from} in\n{text}"));
    let script = format!("{}\n{from}{rest}", token.join("\n"));
    // Both are there wherever the commands can be pasted.
    let output =
        tokio::task::spawn_blocking(move || Command::new("bash").args(["-c", &script]).output());
    let text = String::from_utf8(output.await.unwrap().unwrap().stdout).unwrap();
    let status = |line: &str| line.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok();
    let rows = text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit()));
    let rows = rows.flat_map(str::split_whitespace).filter_map(|status| status.parse().ok());
    (text.lines().filter_map(status).collect(), rows.collect())
}

type Change = fn(&mut Options);

#[tokio::test]
async fn the_banner_s_commands_give_what_it_says() {
    let demo = || {
        let local = env!("CARGO_BIN_EXE_tollgate-local");
        Options::new(local.into(), Now::new(SystemClock::new()))
    };
    let every: [(&str, Change); 4] = [
        ("plain", |_| {}),
        ("request", |options| options.rest = Kind::RestRequest),
        ("cached", |options| options.authorizer_ttl = std::time::Duration::from_secs(300)),
        ("native", |options| {
            let plan = r#"{"throttle":{"rateLimit":1,"burstLimit":5}}"#;
            options.usage_plan = Some(throttle::Plan::from_json(plan).unwrap());
        }),
    ];
    for (name, change) in every {
        let mut options = demo();
        change(&mut options);
        let stack = Stack::start(options).await.unwrap();
        let (full, rows) = run(&stack, "").await;
        assert_eq!(full, [200, 401, 403, 429], "{name}: {}", stack.ready());
        assert!(rows.contains(&200) && rows.contains(&429), "{name}: {rows:?}");
        stack.shutdown().await;
    }
    let mut options = demo();
    options.api_key_source = local::gateway::KeySource::Header;
    let stack = Stack::start(options).await.unwrap();
    assert_eq!(run(&stack, "").await.0, [200, 401, 403], "{}", stack.ready());
    stack.shutdown().await;

    for payload in [Payload::V2, Payload::Simple] {
        let mut options = demo();
        options.http = Some(payload);
        let stack = Stack::start(options).await.unwrap();
        let url = format!("API={}", stack.ready().http_api.unwrap());
        assert_eq!(run(&stack, &url).await.0, [200, 401, 403, 429], "{}", stack.ready());
        stack.shutdown().await;
    }
}

/// Issuers of many tenants, and of a name that is not a URL.
#[tokio::test]
async fn issuers_that_keep_their_own_names_have_keys_of_this_machine() {
    for issuer in [
        "url = \"https://login.example.com/{tid}/v2.0\"\n\
         tenants = [\"11111111-2222-3333-4444-555555555555\"]",
        "url = \"https://login.example.com/{tid}/v2.0\"\ntenants = \"any\"",
        "iss = \"kubernetes/serviceaccount\"",
    ] {
        let text = format!(
            "[[issuer]]\nname = \"others\"\n{issuer}\n\
             jwks_uri = \"https://login.example.com/common/keys\"\n\
             audiences = [\"https://api.example.com\"]\ntoken_use = \"any\"\n\
             [[rule]]\nname = \"everyone\"\nallow = [\"GET /things\"]\neveryone = true\n"
        );
        let stack = start(&text, None, |_| {}).await;
        let token = token(&stack, 0, "client=local-client").await;
        assert_eq!(status(&stack, "GET /things", Some(&token)).await, 200, "{issuer}");
        stack.shutdown().await;
    }
}

#[tokio::test]
async fn the_complete_reference_runs() {
    let reference = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../authorizer/reference.toml");
    let text = std::fs::read_to_string(reference).unwrap();
    let stack = start(&text, None, |_| {}).await;
    // By a token, and by a key in its place.
    assert_eq!(run(&stack, "").await.0, [200, 200, 401, 403, 429], "{}", stack.ready());
    stack.shutdown().await;
}
