//! The executable with a template: the user's API, and this repository's own.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper of tests fails as loudly as they do"
)]

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use reqwest::{Method, Response};
use serde_json::{Value, json};

mod calls;
mod chat;
mod inline;
mod integrations;
mod refused;
mod seen;
#[path = "../apis/socket.rs"]
#[expect(dead_code, reason = "the tests of APIs use the rest")]
mod socket;
mod strangers;
mod tables;
mod values;

const LOCAL: &str = env!("CARGO_BIN_EXE_tollgate-local");

/// A running executable; it ends with this.
struct Local {
    child: Child,
    ready: Value,
    http: reqwest::Client,
}

impl Local {
    fn start(arguments: &[&str]) -> Self {
        Self::start_with(arguments, &[])
    }

    fn start_with(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::spawn(arguments, variables, Stdio::null())
    }

    fn spawn(arguments: &[&str], variables: &[(&str, &str)], stderr: Stdio) -> Self {
        let ports = ["--api-port", "--issuer-port", "--dynamodb-port", "--http-port"];
        let mut child = Command::new(LOCAL)
            .args(["--json", "--websocket-port", "0"])
            .args(ports.iter().flat_map(|port| [port, "0"]))
            .args(arguments)
            .envs(variables.iter().copied())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not ready: {line}"));
        Self { child, ready, http: reqwest::Client::new() }
    }

    async fn call(&self, route: &str, token: &str) -> Response {
        let (method, path) = route.split_once(' ').unwrap();
        let url = format!("{}{path}", self.ready["api"].as_str().unwrap());
        let request = self.http.request(method.parse::<Method>().unwrap(), url).body("body");
        let request =
            if token.is_empty() { request } else { request.header("authorization", token) };
        request.send().await.unwrap()
    }

    async fn token(&self, client: &str) -> String {
        let base = self.ready["issuers"][0]["local_token"].as_str().unwrap();
        let url = format!("{base}?client={client}");
        let token = self.http.get(url).send().await.unwrap().text().await.unwrap();
        format!("Bearer {}", token.trim())
    }

    fn notes(&self) -> String {
        self.ready["notes"].to_string()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_demos_template_is_served_as_it_is_deployed() {
    // Its function is in Rust: it would be built.
    let local = Local::start(&["--template", "../template.yaml", "--function", "Orders=echo"]);
    // Its table is that of `authorizer.yaml`, which the configuration names.
    assert_eq!(local.ready["tables"], json!(["tollgate"]));
    let reader = local.token("orders-reader").await;
    assert_eq!(local.call("GET /orders", &reader).await.status(), 200);
    assert_eq!(local.call("GET /orders/1", &reader).await.status(), 200);
    let denied = local.call("DELETE /orders/1", &reader).await;
    assert_eq!(
        (denied.status().as_u16(), denied.text().await.unwrap()),
        (403, r#"{"message":"Forbidden"}"#.to_owned())
    );

    let refused = local.call("GET /orders", "").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
    // The expression is held against the token before the authorizer is asked.
    assert_eq!(local.call("GET /orders", "Basic YTpi").await.status(), 401);

    let preflight = local.call("OPTIONS /orders", "").await;
    assert_eq!(preflight.status(), 204);
    assert_eq!(preflight.headers()["access-control-max-age"], "600");

    let unknown = local.call("GET /nowhere", "").await;
    assert_eq!(unknown.headers()["x-amzn-errortype"], "MissingAuthenticationTokenException");
    assert_eq!(unknown.status(), 403);
    let text = unknown.text().await.unwrap();
    assert_eq!(text, r#"{"message":"Missing Authentication Token"}"#);
    let signature = local.call("GET /nowhere", &reader).await;
    assert_eq!(signature.headers()["x-amzn-errortype"], "IncompleteSignatureException");
    assert!(!signature.text().await.unwrap().contains(&reader));

    let mut limited = None;
    for _ in 0..30 {
        let answer = local.call("GET /orders", &reader).await;
        if answer.status() == 429 {
            limited = Some(answer);
            break;
        }
    }
    let limited = limited.unwrap();
    assert_eq!(limited.headers()["retry-after"], "1");
    assert_eq!(limited.text().await.unwrap(), r#"{"message":"Too Many Requests"}"#);
}

#[tokio::test]
async fn functions_of_ones_own_are_commands_behind_and_in_front() {
    let local = Local::start(&[
        "--template",
        "tests/functions/template.yaml",
        "--parameter",
        "Stage=v7",
        "--function",
        "Orders=python3 tests/functions/orders.py",
        "--function",
        "Judge=python3 tests/functions/authorizer.py",
    ]);
    let answer = local.call("PUT /orders/4%2F2", "allow").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-mine"]),
        (201, &"yes".parse().unwrap())
    );
    let told: Value = answer.json().await.unwrap();
    let expected = json!({
        "table": "orders-v7", "stage": "v7", "resource": "/orders/{id}",
        "parameters": {"id": "4%2F2"}, "body": "body",
        "authorizer": {
            "principalId": "7", "stringKey": "value", "numberKey": "123", "booleanKey": "true",
        },
    });
    assert_eq!(told, expected);
    let denied = local.call("GET /orders/1", "deny").await;
    assert_eq!(
        (denied.status().as_u16(), &denied.headers()["x-key"]),
        (418, &"value".parse().unwrap())
    );
    assert!(denied.text().await.unwrap().starts_with(r#"{"why":"User is not authorized"#));
    assert_eq!(local.call("GET /orders/1", "unauthorized").await.status(), 401);
    assert_eq!(local.call("GET /orders/1", "NOT-LOWER").await.status(), 401);
    let open = local.call("GET /open", "").await;
    assert_eq!(open.json::<Value>().await.unwrap()["authorizer"], Value::Null);
    let iam = local.call("GET /iam", "allow").await;
    assert_eq!(iam.status(), 501, "a guard that is not known is never left out");
    assert!(local.notes().contains("GET /iam: answers 501: authorization by `AWS_IAM`"));
}

#[tokio::test]
async fn variables_that_are_set_here_go_before_the_templates() {
    let arguments = [
        "--template",
        "tests/functions/template.yaml",
        "--parameter",
        "Stage=v7",
        "--function",
        "Orders=python3 tests/functions/orders.py",
    ];
    let local = Local::start_with(&arguments, &[("TABLE", "mine")]);
    let told: Value = local.call("GET /open", "").await.json().await.unwrap();
    assert_eq!(told["table"], "mine");
}

#[tokio::test]
async fn any_authorizer_takes_the_place_of_tollgates() {
    let local = Local::start(&["--authorizer-command", "python3 tests/functions/authorizer.py"]);
    assert_eq!(local.call("GET /anything", "allow").await.status(), 200);
    assert_eq!(local.call("GET /anything", "deny").await.status(), 403);
    assert_eq!(local.call("GET /anything", "unauthorized").await.status(), 401);
}

#[tokio::test]
async fn every_example_starts() {
    let arn = "arn:aws:lambda:us-east-1:123456789012:function:tollgate";
    let parameters = [
        format!("AuthorizerArn={arn}"),
        format!("FunctionArn={arn}"),
        "RestApiId=abcdefghij".to_owned(),
        "HttpApiId=abcdefghij".to_owned(),
        "WebSocketApiId=abcdefghij".to_owned(),
        "ConnectIntegrationId=abcde".to_owned(),
        "UsagePlanId=abcdef".to_owned(),
        "UsagePlanKeyId=abcdefghij".to_owned(),
        "BackendUrl=https://example.com".to_owned(),
    ];
    for (name, address) in [
        ("rest-api", "api"),
        ("http-api", "http_api"),
        ("websocket-api", "websocket_api"),
        ("services", "api"),
    ] {
        let file = format!("../examples/{name}.yaml");
        let mut arguments = vec!["--template", &file];
        arguments.extend(parameters.iter().flat_map(|one| ["--parameter", one]));
        let local = Local::start(&arguments);
        assert!(local.ready[address].as_str().is_some_and(|url| !url.is_empty()), "{name}");
        assert_eq!(local.ready["tables"], json!(["tollgate"]), "{name}");
        if name == "services" {
            assert!(local.notes().contains("POST /messages: answers 501"), "{}", local.notes());
            let caller = local.token("orders-reader").await;
            // The authorizer is asked first.
            assert_eq!(local.call("POST /messages", &caller).await.status(), 403);
        }
    }
}

/// Calls a path of an API with these headers.
async fn called(local: &Local, url: &str, headers: &[(&str, &str)]) -> (u16, Value) {
    let mut request = local.http.get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn usage_plans_keys_cors_and_handlers_of_a_template() {
    let local = Local::start(&["--template", "tests/functions/keys.yaml"]);
    let address = |name: &str| {
        let all = local.ready["apis"].as_array().unwrap();
        let api = all.iter().find(|api| api["name"] == name).unwrap();
        api["url"].as_str().unwrap().to_owned()
    };
    // Several APIs of a kind, each at an address of its own.
    let (shop, stock) = (address("Shop"), address("Stock"));
    assert_eq!(local.ready["api"], json!(shop));
    assert_ne!(shop, stock);

    let python = format!("{shop}/python/a");
    let forbidden = (403, json!({"message": "Forbidden"}));
    assert_eq!(called(&local, &python, &[]).await, forbidden);
    assert_eq!(called(&local, &python, &[("x-api-key", "wrong")]).await, forbidden);
    let gold = [("x-api-key", "gold-key-of-more-than-twenty-characters")];
    let told = (200, json!({"name": "Python", "left": true}));
    assert_eq!(called(&local, &python, &gold).await, told);
    assert_eq!(called(&local, &format!("{shop}/python/fail"), &gold).await.0, 502);
    assert_eq!(called(&local, &python, &gold).await, told);
    let over = (429, json!({"message": "Limit Exceeded"}));
    assert_eq!(called(&local, &python, &gold).await, over);

    // The key that SAM makes has no value: it is made here, and shown.
    let made = &local.ready["api_keys"][0];
    assert_eq!(made["name"], "ShopApiKey");
    let made = [("x-api-key", made["value"].as_str().unwrap())];
    for expected in [200, 200, 429] {
        assert_eq!(called(&local, &python, &made).await.0, expected);
    }
    let throttled = (429, json!({"message": "Too Many Requests"}));
    assert_eq!(called(&local, &python, &made).await, throttled);

    let has_node = std::env::split_paths(&std::env::var_os("PATH").unwrap())
        .any(|folder| folder.join("node").is_file());
    if has_node {
        let node = called(&local, &format!("{shop}/node/a"), &[]).await;
        assert_eq!(node, (200, json!({"name": "Node", "left": true})));
        assert_eq!(called(&local, &format!("{shop}/node/fail"), &[]).await.0, 502);
    }

    let preflight = async |url: String| {
        let request =
            local.http.request(Method::OPTIONS, url).header("origin", "https://a.example");
        request.header("access-control-request-method", "GET").send().await.unwrap()
    };
    let allowed = preflight(python).await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], "https://a.example");
    assert_eq!(allowed.headers()["access-control-allow-headers"], "x-api-key");
    assert_eq!(allowed.headers()["access-control-allow-methods"], "GET,OPTIONS");
    // The default authorizer guards the preflight too, and a browser sends no token with it.
    assert_eq!(preflight(format!("{stock}/python")).await.status(), 401);
    assert!(local.notes().contains("AddDefaultAuthorizerToCorsPreflight"), "{}", local.notes());

    let token = local.token("orders-reader").await;
    let judged = called(&local, &format!("{stock}/python"), &[("authorization", &token)]).await;
    assert_eq!(judged.0, 403, "the policy names no such route");
    let reason = "function `Java` has no command: the runtime `java21` is not here; add --function";
    assert!(local.notes().contains(reason), "{}", local.notes());
}

#[tokio::test]
async fn an_address_behind_tls_is_called_with_the_parameters_of_the_path() {
    let mut server = Command::new("python3")
        .arg("tests/functions/https.py")
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let backend = format!("Backend=https://127.0.0.1:{}", port.trim());
    let template = ["--template", "tests/functions/keys.yaml", "--parameter", &backend];
    let trusted = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/functions/tls/ca.pem");
    let local = Local::start_with(&template, &[("SSL_CERT_FILE", trusted)]);
    let url = format!("{}/out/a%20b/c?d=e", local.ready["http_api"].as_str().unwrap());
    let answer = local.http.get(&url).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.text().await.unwrap(), "/in/a%20b/c?d=e");
    drop(local);
    // Any other authority is not trusted.
    let local = Local::start(&template);
    let url = format!("{}/out/a", local.ready["http_api"].as_str().unwrap());
    assert_eq!(local.http.get(&url).send().await.unwrap().status(), 503);
    let _ = (server.kill(), server.wait());
}

#[test]
fn a_function_that_the_template_does_not_have_is_named() {
    let output = Command::new(LOCAL)
        .args(["--template", "tests/functions/keys.yaml", "--function", "Pyton=x"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(text.contains("has no function `Pyton`; it has Java, Judge, Node, Python"), "{text}");
}

#[test]
fn a_validation_expression_that_cannot_be_matched_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("template.yaml");
    let template = r#"
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders:
    Type: AWS::Serverless::Api
    Properties:
      StageName: v1
      Auth:
        DefaultAuthorizer: Judge
        Authorizers:
          Judge:
            FunctionArn: arn:aws:lambda:us-east-1:123456789012:function:Judge
            Identity: {ValidationExpression: "^Bearer [a-z+$"}
      DefinitionBody:
        openapi: 3.0.1
        paths: {"/": {get: {x-amazon-apigateway-integration: {type: mock}}}}
"#;
    std::fs::write(&file, template).unwrap();
    let output = Command::new(LOCAL).arg("--template").arg(&file).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("Orders: the validation expression of the authorizer `Judge`"), "{text}");
    assert!(text.contains("`^Bearer [a-z+$` is not a regular expression"), "{text}");
    assert!(text.contains("write one without look-around"), "{text}");
}

/// The state and the group of each process that is not waiting to be reaped, as Linux tells them.
#[cfg(target_os = "linux")]
fn processes() -> Vec<(char, u64)> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let stats = all.filter_map(|one| std::fs::read_to_string(one.path().join("stat")).ok());
    let fields = stats.filter_map(|stat| {
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        Some((fields.next()?.chars().next()?, fields.nth(1)?.parse().ok()?))
    });
    fields.filter(|(state, _)| *state != 'Z').collect()
}

#[cfg(target_os = "linux")]
#[test]
fn suspended_processes_and_their_children_end_even_if_local_is_killed() {
    // The kernel's own signal to suspended orphans is a SIGHUP.
    let command = "trap '' HUP; sleep 300 & exec python3 tests/functions/authorizer.py";
    let mut local = Local::start(&["--authorizer-command", command]);
    let groups = local.ready["environments"].as_array().unwrap();
    let groups: Vec<u64> = groups.iter().map(|pid| pid.as_u64().unwrap()).collect();
    let states = || {
        let all = processes().into_iter();
        all.filter(|(_, group)| groups.contains(group)).map(|(state, _)| state).collect::<String>()
    };
    let until = |wanted: &str| {
        (0..100).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(50));
            states() == wanted
        })
    };
    assert!(until("TTTT"), "two environments of two processes are suspended: {}", states());
    // SIGKILL, which nothing can answer.
    local.child.kill().unwrap();
    assert!(until(""), "{}", states());
}
