//! Every kind of event, and the response in its form.

use super::*;

const SOCKET: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/$connect";

/// A `[throttle]` table that refuses in this way.
fn limits(refuse: &str) -> String {
    let text = THROTTLE.replace("unknown-key", refuse);
    if refuse == "unknown-key" {
        text
    } else {
        text.replace("api_key = \"a-key-of-twenty-chars\"", "")
    }
}

/// An event of each form with the same token.
fn events(token: &str) -> [(EventKind, Value); 5] {
    let authorization = format!("Bearer {token}");
    let headers = json!({"Authorization": authorization});
    [
        (
            EventKind::RestToken,
            json!({
                "type": "TOKEN", "authorizationToken": authorization, "methodArn": ARN,
            }),
        ),
        (
            EventKind::RestRequest,
            json!({
                "type": "REQUEST", "methodArn": ARN, "headers": headers, "pathParameters": null,
            }),
        ),
        (
            EventKind::Http1,
            json!({
                "type": "REQUEST", "version": "1.0", "methodArn": ARN, "headers": headers,
                "identitySource": authorization, "authorizationToken": authorization,
            }),
        ),
        (
            EventKind::Http2,
            json!({
                "type": "REQUEST", "version": "2.0", "routeArn": ARN, "cookies": null,
                "headers": {"authorization": authorization}, "identitySource": [authorization],
            }),
        ),
        (
            EventKind::WebSocket,
            json!({
                "type": "REQUEST", "methodArn": SOCKET, "headers": headers,
            }),
        ),
    ]
}

fn event(kind: EventKind, token: &str) -> Value {
    let event = events(token).into_iter().find(|(known, _)| *known == kind);
    event.map(|(_, event)| event).unwrap()
}

#[tokio::test]
async fn one_authorizer_answers_every_form_with_the_same_policy() {
    let bench = Bench::new("").await;
    let token = bench.token(&json!({}));
    let [(_, first), ..] = events(&token);
    let first = bench.ask(&first).await.unwrap();
    for (kind, event) in events(&token) {
        let answer = bench.ask(&event).await.unwrap();
        assert_eq!(answer["principalId"], "user", "{kind:?}");
        if kind != EventKind::WebSocket {
            assert_eq!(answer, first, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_good_is_an_error_or_a_refusal_by_form() {
    let bench = Bench::new("").await;
    let token = bench.token(&json!({"exp": NOW}));
    for (kind, event) in events(&token) {
        let outcome = bench.ask(&event).await;
        if kind.is_http() {
            let answer = outcome.unwrap();
            let [statement] = &answer["policyDocument"]["Statement"].as_array().unwrap()[..] else {
                panic!("one statement: {answer}")
            };
            assert_eq!(statement["Effect"], "Deny", "{kind:?}");
            assert_eq!(answer["principalId"], "anonymous", "whoever it says it is: {kind:?}");
            assert_eq!(answer.get("context"), None, "and nothing of what it says");
        } else {
            assert_eq!(outcome, Err(Failure::Unauthorized), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn aws_s_own_types_read_the_answer_of_every_form() {
    use aws_lambda_events::apigw::{
        ApiGatewayCustomAuthorizerResponse, ApiGatewayV2CustomAuthorizerIamPolicyResponse,
        ApiGatewayV2CustomAuthorizerSimpleResponse,
    };

    let bench = Bench::new("").await;
    for (kind, event) in events(&bench.token(&json!({}))) {
        let answer = bench.ask(&event).await.unwrap();
        if kind == EventKind::Http2 {
            let read: ApiGatewayV2CustomAuthorizerIamPolicyResponse =
                serde_json::from_value(answer).unwrap();
            assert_eq!(read.principal_id.as_deref(), Some("user"));
        } else {
            let read: ApiGatewayCustomAuthorizerResponse = serde_json::from_value(answer).unwrap();
            assert_eq!(read.principal_id.as_deref(), Some("user"));
        }
    }
    let bench = Bench::new("[response]\nhttp = \"simple\"").await;
    let answer = bench.ask(&event(EventKind::Http2, &bench.token(&json!({})))).await.unwrap();
    let read: ApiGatewayV2CustomAuthorizerSimpleResponse = serde_json::from_value(answer).unwrap();
    assert!(read.is_authorized);
}

#[tokio::test]
async fn a_simple_answer_is_about_the_one_route() {
    let bench = Bench::new("[response]\nhttp = \"simple\"").await;
    let token = bench.token(&json!({}));
    let answer = bench.ask(&event(EventKind::Http2, &token)).await.unwrap();
    let issuer = &answer["context"]["issuer"];
    let context =
        json!({"issuer": issuer, "sub": "user", "clientId": "client", "scope": "orders/read"});
    assert_eq!(answer, json!({"isAuthorized": true, "context": context}));

    let mut other = event(EventKind::Http2, &token);
    other["routeArn"] = json!(ARN.replace("GET/orders", "POST/orders"));
    let answer = bench.ask(&other).await.unwrap();
    assert_eq!(answer, json!({"isAuthorized": false, "context": context}));

    let expired = event(EventKind::Http2, &bench.token(&json!({"exp": NOW})));
    assert_eq!(bench.ask(&expired).await.unwrap(), json!({"isAuthorized": false}));
    let answer = bench.ask(&event(EventKind::Http1, &token)).await.unwrap();
    assert!(answer["policyDocument"].is_object(), "payload 1.0 knows policies alone: {answer}");
}

#[tokio::test]
async fn keys_that_can_t_be_had_are_an_error_on_every_form() {
    let mut bench = Bench::new("").await;
    let dead = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let text = format!(
        "[[issuer]]\nurl = \"{}\"\njwks_uri = \"http://{dead}\"\nclients = \"any\"\n\
         token_use = \"any\"\n[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n",
        bench.iss
    );
    for simple in ["", "[response]\nhttp = \"simple\"\n"] {
        let config = Config::parse(&format!("{text}{simple}"), "test").unwrap();
        bench.authorizer = Authorizer::new(config, None, bench.clock.clone()).unwrap();
        for (kind, event) in events(&bench.token(&json!({}))) {
            let outcome = bench.ask(&event).await;
            assert_eq!(outcome, Err(Failure::Internal { code: "unavailable" }), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn over_the_limit_each_form_says_so_in_its_own_way() {
    for refuse in ["unknown-key", "deny", "context"] {
        for kind in
            [EventKind::RestToken, EventKind::RestRequest, EventKind::Http1, EventKind::Http2]
        {
            if kind.is_http() && refuse == "unknown-key" {
                continue;
            }
            let bench = Bench::new(&limits(refuse)).await;
            let event = event(kind, &bench.token(&json!({})));
            for _ in 0..2 {
                let answer = bench.ask(&event).await.unwrap();
                assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow");
                assert_eq!(answer["context"].get("throttled"), None);
                let key = answer.get("usageIdentifierKey").is_some();
                assert_eq!(key, refuse == "unknown-key", "{kind:?} {refuse}");
            }
            let answer = bench.ask(&event).await.unwrap();
            assert_eq!(answer["context"]["throttled"], true, "{kind:?} {refuse}");
            assert_eq!(answer["context"]["retryAfter"], 1);
            let effect = &answer["policyDocument"]["Statement"][0]["Effect"];
            assert_eq!(effect, if refuse == "deny" { "Deny" } else { "Allow" });
            let key = answer.get("usageIdentifierKey").and_then(Value::as_str);
            let unknown = (refuse == "unknown-key").then_some(crate::config::UNKNOWN_KEY);
            assert_eq!(key, unknown, "{kind:?} {refuse}");
        }
    }
}

/// A WebSocket API ignores keys unless its owner set it up otherwise, so the policy itself refuses.
#[tokio::test]
async fn a_web_socket_over_its_limit_is_denied_instead_of_given_an_unknown_key() {
    for (refuse, effect) in [("unknown-key", "Deny"), ("deny", "Deny"), ("context", "Allow")] {
        let rule = "[[rule]]\nname = \"sockets\"\nallow = [\"$connect\"]\neveryone = true";
        let bench = Bench::new(&format!("{}\n{rule}", limits(refuse))).await;
        let event = event(EventKind::WebSocket, &bench.token(&json!({})));
        for _ in 0..2 {
            let answer = bench.ask(&event).await.unwrap();
            assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Allow", "{refuse}");
        }
        let answer = bench.ask(&event).await.unwrap();
        assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], effect, "{refuse}");
        assert_eq!(answer["context"]["throttled"], true, "{refuse}");
        let key = answer.get("usageIdentifierKey").and_then(Value::as_str);
        assert_ne!(key, Some(crate::config::UNKNOWN_KEY), "{refuse}");
    }
}

#[tokio::test]
async fn a_simple_answer_refuses_by_the_verdict_or_leaves_it_to_the_backend() {
    for (refuse, authorized) in [("deny", false), ("context", true)] {
        let text = format!("{}\n[response]\nhttp = \"simple\"", limits(refuse));
        let bench = Bench::new(&text).await;
        let event = event(EventKind::Http2, &bench.token(&json!({})));
        for _ in 0..2 {
            assert_eq!(bench.ask(&event).await.unwrap()["isAuthorized"], true);
        }
        let answer = bench.ask(&event).await.unwrap();
        assert_eq!(answer["isAuthorized"], authorized, "{refuse}");
        assert_eq!(answer["context"]["throttled"], true);
    }
}

#[tokio::test]
async fn an_http_api_over_its_limit_is_denied_instead_of_given_an_unknown_key() {
    for kind in [EventKind::Http1, EventKind::Http2] {
        let bench = Bench::new(&limits("unknown-key")).await;
        let event = event(kind, &bench.token(&json!({})));
        for effect in ["Allow", "Allow", "Deny"] {
            let answer = bench.ask(&event).await.unwrap();
            assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], effect, "{kind:?}");
            assert_eq!(answer.get("usageIdentifierKey"), None, "{kind:?}");
            let throttled = answer["context"].get("throttled");
            assert_eq!(throttled.is_some(), effect == "Deny", "{kind:?}");
        }
    }
    let text = format!("{}\n[response]\nhttp = \"simple\"", limits("unknown-key"));
    let bench = Bench::new(&text).await;
    let event = event(EventKind::Http2, &bench.token(&json!({})));
    for authorized in [true, true, false] {
        assert_eq!(bench.ask(&event).await.unwrap()["isAuthorized"], authorized);
    }
}

#[tokio::test]
async fn a_web_socket_takes_its_token_from_the_query_where_configured() {
    let bench = Bench::new("[token]\nquery = \"access_token\"").await;
    let token = bench.token(&json!({}));
    let event = json!({"type": "REQUEST", "methodArn": SOCKET,
        "queryStringParameters": {"access_token": token}});
    assert_eq!(bench.ask(&event).await.unwrap()["principalId"], "user");
    let bench = Bench::new("").await;
    let event = json!({"type": "REQUEST", "methodArn": SOCKET,
        "queryStringParameters": {"access_token": bench.token(&json!({}))}});
    assert_eq!(bench.ask(&event).await, Err(Failure::Unauthorized), "not by itself");
}

#[tokio::test]
async fn the_issuer_s_configuration_says_who_calls_and_what_the_backend_learns() {
    let mut bench = Bench::new("").await;
    let text = format!(
        "[[issuer]]\nurl = \"{}\"\nclients = \"any\"\ntoken_use = \"any\"\nprincipal = \"tenant\"\n\
         context = {{ who = \"tenant\", age = \"age\", list = \"nested\" }}\n\
         [[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n",
        bench.iss
    );
    let config = Config::parse(&text, "test").unwrap();
    bench.authorizer = Authorizer::new(config, None, bench.clock.clone()).unwrap();
    let token = bench.token(&json!({"tenant": "t-1", "age": 7, "nested": {"a": 1}}));
    let answer = bench.call(&token, ARN).await.unwrap();
    assert_eq!(answer["principalId"], "t-1");
    assert_eq!(answer["context"], json!({"who": "t-1", "age": 7}));
}

#[tokio::test]
async fn what_hangs_on_an_address_is_decided_by_the_event_s_own() {
    let office = "[[rule]]\nname = \"office\"\nallow = [\"POST /orders\"]\neveryone = true\n\
                  source_ips = [\"10.0.0.0/8\"]\n";
    let bench = Bench::new(&format!("{office}{}", limits("context"))).await;
    let token = bench.token(&json!({}));
    let from = |kind, ip: &str| {
        let mut event = event(kind, &token);
        let holder = if kind == EventKind::Http2 { "http" } else { "identity" };
        event["requestContext"] = json!({ holder: { "sourceIp": ip } });
        let arn = if kind == EventKind::Http2 { "routeArn" } else { "methodArn" };
        event[arn] = json!(ARN.replace("GET/orders", "POST/orders"));
        event
    };
    for (kind, ip, allowed) in [
        (EventKind::Http2, "10.1.2.3", true),
        (EventKind::Http2, "192.0.2.1", false),
        // API Gateway may know what can't be read here, and let the call through by the policy.
        (EventKind::Http2, "unknown", true),
        (EventKind::RestRequest, "unknown", true),
        (EventKind::RestRequest, "10.1.2.3", true),
        (EventKind::RestRequest, "192.0.2.1", false),
        // It has no address: what is there is not believed, and the policy decides.
        (EventKind::RestToken, "192.0.2.1", true),
    ] {
        let answer = bench.ask(&from(kind, ip)).await.unwrap();
        let charged = answer["context"].get("remaining").is_some();
        assert_eq!(charged, allowed, "{kind:?} {ip}: {answer}");
        bench.clock.advance(Duration::from_secs(1));
    }
}
