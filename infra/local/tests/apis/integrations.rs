//! Integrations of a definition: MOCK, HTTP with mappings, functions with time-outs.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::routing::any;
use bytes::Bytes;
use http::StatusCode;
use local::gateway::{
    Address, Expression, Integration, IntegrationResponse, Invoke, Kind, Mapping, Options,
    Passthrough, Payload, Route, Templates,
};
use local::lambda::InvokeError;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::api::{Answer, Api, is, policy, seen, with};

const REST: Kind = Kind::RestToken;
const V2: Kind = Kind::Http(Payload::V2);

fn allow(kind: Kind) -> Answer {
    let context = json!({"plan": "free", "line": "a\nb"});
    Ok(with(policy(kind, &[("Allow", "*")]), "context", context))
}

/// An API whose definition has this integration for everything.
async fn api(kind: Kind, integration: Integration) -> Api {
    api_with(kind, integration, |_| {}).await
}

async fn api_with(kind: Kind, integration: Integration, change: impl FnOnce(&mut Options)) -> Api {
    Api::start_with(kind, allow(kind), |options| {
        options.integration = integration;
        options.responses = Some(Arc::default());
        options.routes = vec![Route::parse("ANY /{proxy+}").unwrap()];
        options.stage_variables.insert("color".to_owned(), "blue".to_owned());
        change(options);
    })
    .await
}

fn template(text: &str) -> Vec<(String, Expression)> {
    vec![("application/json".to_owned(), Expression::of_template(text).unwrap())]
}

fn response(pattern: Option<&str>, status: u16, body: &str) -> IntegrationResponse {
    IntegrationResponse {
        pattern: pattern.map(|text| text.parse().unwrap()),
        status: Some(status),
        headers: vec![(
            "x-plan".to_owned(),
            Expression::of_rest("context.authorizer.plan").unwrap(),
        )],
        bodies: template(body),
        selection: None,
    }
}

fn mock(request: &str) -> Templates {
    Templates {
        requests: if request.is_empty() { Vec::new() } else { template(request) },
        passthrough: Passthrough::NoMatch,
        selection: None,
        responses: vec![
            response(Some("2\\d\\d"), 201, "two"),
            response(Some("404"), 404, r#"{"path": "$context.path", "q": "$input.params('q')"}"#),
            response(None, 503, "$stageVariables.color"),
        ],
    }
}

#[tokio::test]
async fn a_mocks_request_template_selects_its_response() {
    for (request, route, expected) in [
        (r#"{"statusCode": 200}"#, "GET /a", is(201, "two")),
        ("{statusCode: 204}", "GET /a", is(201, "two")),
        (r#"{"statusCode": 404}"#, "GET /a?q=1", is(404, r#"{"path": "/a", "q": "1"}"#)),
        // The expression is for the whole status.
        (r#"{"statusCode": 4040}"#, "GET /a", is(503, "blue")),
        (
            r#"{"statusCode": $input.params('s')}"#,
            "GET /a?s=404&q=2",
            is(404, r#"{"path": "/a", "q": "2"}"#),
        ),
        // Without a template, the default response.
        ("", "GET /a", is(503, "blue")),
        (r#"{"status": 200}"#, "GET /a", is(500, r#"{"message": "Internal server error"}"#)),
    ] {
        let api = api(REST, Integration::Mock(mock(request))).await;
        let answer = api.call(route).await;
        let plan = answer.headers().get("x-plan").cloned();
        assert_eq!(plan.is_some(), answer.status() != 500, "{request}");
        assert_eq!(seen(answer).await, expected, "{request}");
    }
    let none = Templates { responses: Vec::new(), ..mock(r#"{"statusCode": 200}"#) };
    let api = api(REST, Integration::Mock(none)).await;
    assert_eq!(api.status("GET /a").await, 500);
}

#[tokio::test]
async fn a_mocks_template_is_for_a_content_type() {
    let call = async |passthrough, kind: &'static str, body: &'static str| {
        let templates = Templates { passthrough, ..mock(r#"{"statusCode": 200}"#) };
        let api = api(REST, Integration::Mock(templates)).await;
        let request = api.request("POST /a").bearer_auth("t").header("content-type", kind);
        seen(request.body(body).send().await.unwrap()).await.0
    };
    assert_eq!(call(Passthrough::Never, "application/json; charset=utf-8", "").await, 201);
    assert_eq!(call(Passthrough::Never, "text/plain", "").await, 415);
    assert_eq!(call(Passthrough::NoTemplates, "text/plain", "").await, 415);
    assert_eq!(call(Passthrough::NoMatch, "text/plain", r#"{"statusCode": 404}"#).await, 404);
}

/// A service that tells what it got, and answers the status that the query asks for.
async fn service() -> String {
    let app = Router::new().fallback(any(|request: Request<Body>| async move {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        let wait = head.headers.contains_key("x-wait");
        tokio::time::sleep(Duration::from_millis(if wait { 2000 } else { 0 })).await;
        let headers = head.headers.iter();
        let headers: Vec<(String, String)> = headers
            .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect();
        let told = json!({
            "call": format!("{} {}", head.method, head.uri),
            "headers": serde_json::Map::from_iter(
                headers.into_iter().map(|(name, value)| (name, value.into()))),
            "body": String::from_utf8_lossy(&body),
            "status": 410,
        });
        let status = if head.uri.to_string().contains("missing") { 404 } else { 200 };
        let status = StatusCode::from_u16(status).unwrap();
        (status, [("x-own", "yes")], told.to_string())
    }));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn told(api: &Api, route: &str) -> (String, Value) {
    let request = api.request(route).bearer_auth("t").header("x-sent", "one");
    let answer = request.header("x-authorizer-plan", "own").send().await.unwrap();
    assert_eq!(answer.status(), 200, "{route}");
    let told: Value = answer.json().await.unwrap();
    (told["call"].as_str().unwrap().to_owned(), told["headers"].clone())
}

#[tokio::test]
async fn a_rest_apis_http_proxy_has_its_method_and_mappings() {
    let url = service().await;
    let mappings = [
        ("integration.request.path.id", "method.request.path.proxy"),
        ("integration.request.path.plan", "context.authorizer.plan"),
        ("integration.request.header.x-plan", "context.authorizer.plan"),
        ("integration.request.header.x-constant", "'a b'"),
        ("integration.request.header.x-renamed", "method.request.header.X-Sent"),
        ("integration.request.header.x-absent", "method.request.header.X-Absent"),
        ("integration.request.querystring.color", "stageVariables.color"),
        ("integration.request.querystring.q", "context.httpMethod"),
    ];
    let mappings = mappings.map(|(to, from)| Mapping::of_rest(to, from).unwrap()).to_vec();
    let method = Some(http::Method::PUT);
    let text = format!("{url}/in/{{id}}/{{plan}}");
    let api =
        api(REST, Integration::Address(Address { text, method, mappings, templates: None })).await;
    let (call, headers) = told(&api, "GET /a%20b?q=1&r=2").await;
    assert_eq!(call, "PUT /in/a%20b/free?r=2&color=blue&q=GET");
    for (name, value) in [("x-plan", "free"), ("x-constant", "a b"), ("x-renamed", "one")] {
        assert_eq!(headers[name], value, "{headers}");
    }
    assert_eq!(headers["x-absent"], Value::Null);
    // Nothing but what is mapped, and what the caller sends, as on AWS.
    assert_eq!(headers["x-authorizer-plan"], "own");
    assert_eq!(headers["x-authorizer-principalid"], Value::Null);
}

#[tokio::test]
async fn an_http_apis_mappings_append_overwrite_and_remove() {
    let url = service().await;
    let of = |mappings: &[(&str, &str)]| {
        let mappings = mappings.iter().map(|(to, from)| Mapping::of_http(to, from).unwrap());
        let (text, mappings) = (format!("{url}/in/{{proxy}}?own=1"), mappings.collect());
        Integration::Address(Address { text, method: None, mappings, templates: None })
    };
    let api_of = async |mappings: &[(&str, &str)]| api(V2, of(mappings)).await;
    let api = api_of(&[
        ("append:header.x-sent", "$context.authorizer.plan"),
        ("overwrite:header.x-both", "${request.querystring.q}-${context.routeKey}"),
        ("remove:header.x-authorizer-plan", "''"),
        ("append:querystring.q", "3"),
        ("remove:querystring.r", ""),
        ("overwrite:querystring.s", "$stageVariables.color"),
    ])
    .await;
    let (call, headers) = told(&api, "GET /a%20b?q=1&q=2&r=1&s=1").await;
    assert_eq!(call, "GET /in/a%20b?own=1&q=1&q=2&q=3&s=blue");
    assert_eq!(headers["x-both"], "1,2-ANY /{proxy+}");
    assert_eq!(headers["x-authorizer-plan"], Value::Null);
    assert_eq!(headers["x-sent"], "free", "after the caller's own");
    let api = api_of(&[("overwrite:path", "/v2/$x")]).await;
    assert_eq!(told(&api, "GET /a?b=c").await.0, "GET /v2/$x?own=1&b=c");
    let api = api_of(&[("overwrite:path", "/v2${request.path}")]).await;
    assert_eq!(told(&api, "GET /a%20b").await.0, "GET /v2/a%20b?own=1");
}

#[tokio::test]
async fn a_value_that_no_header_can_have_is_refused_as_an_error_of_the_definition() {
    let url = service().await;
    for (kind, body, status) in [
        (REST, r#"{"message": "Internal server error"}"#, 500),
        (V2, r#"{"message":"Internal Server Error"}"#, 500),
    ] {
        let mapping = match kind {
            REST => Mapping::of_rest("integration.request.header.x", "context.authorizer.line"),
            _ => Mapping::of_http("append:header.x", "$context.authorizer.line"),
        };
        let mappings = vec![mapping.unwrap()];
        let address = Address { text: url.clone(), mappings, ..Address::default() };
        let api = api(kind, Integration::Address(address)).await;
        assert_eq!(seen(api.call("GET /a").await).await, is(status, body));
    }
    // What is not mapped does not matter.
    let address = Address { text: url, ..Address::default() };
    assert_eq!(api(REST, Integration::Address(address)).await.status("GET /a").await, 200);
}

#[tokio::test]
async fn an_http_integration_without_a_proxy_passes_what_is_mapped_and_selects_its_response() {
    let url = service().await;
    let mut templates = Templates {
        responses: vec![response(Some("404"), 410, "gone"), response(None, 200, "")],
        ..Templates::default()
    };
    templates.responses[1].bodies.clear();
    let own = Expression::of_rest("integration.response.header.x-own").unwrap();
    templates.responses[1].headers.push(("x-theirs".to_owned(), own));
    let mapping = Mapping::of_rest("integration.request.header.x-plan", "context.authorizer.plan");
    let address = Address {
        text: format!("{url}/{{proxy}}"),
        mappings: vec![mapping.unwrap()],
        templates: Some(templates),
        ..Address::default()
    };
    let api = api(REST, Integration::Address(address)).await;
    let answer = api.call("GET /a?b=c").await;
    assert_eq!(answer.headers()["x-theirs"], "yes");
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told["call"], "GET /a");
    assert_eq!(told["headers"]["x-plan"], "free");
    assert_eq!(told["headers"]["authorization"], Value::Null);
    assert_eq!(seen(api.call("GET /missing").await).await, is(410, "gone"));
}

/// The body that a service behind the template got, and the response to `body`.
async fn filled(text: &str, body: &str) -> (String, reqwest::Response) {
    let response = IntegrationResponse {
        status: Some(200),
        headers: vec![(
            "x-body".to_owned(),
            Expression::of_rest("integration.response.body.body").unwrap(),
        )],
        bodies: template(
            "$input.json('$.call') $input.path('$.headers.x-name') $input.params('q')",
        ),
        ..IntegrationResponse::default()
    };
    let templates =
        Templates { requests: template(text), responses: vec![response], ..Templates::default() };
    let mapping =
        Mapping::of_rest("integration.request.header.x-name", "method.request.body.a[0].b");
    let address = Address {
        text: service().await,
        mappings: vec![mapping.unwrap()],
        templates: Some(templates),
        ..Address::default()
    };
    let api = api(REST, Integration::Address(address)).await;
    let request = api.request("POST /a?q=1").bearer_auth("t").body(body.to_owned());
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    (answer.headers()["x-body"].to_str().unwrap().to_owned(), answer)
}

#[tokio::test]
async fn templates_and_mappings_have_members_of_bodies() {
    let json = r#"{"a": [{"b": "it's"}, {"c": 1.0}], "d": null}"#;
    for (text, body, expected) in [
        ("$input.json('$.a[1]') $input.json('$.a[0].b')", json, r#"{"c":1.0} "it's""#),
        // A member that is missing is an empty text.
        ("$input.json('$.e') $input.json('$.d') -$input.path('$.e')-", json, r#""" null --"#),
        ("$input.path('$.a[1]') $input.path('$.a[0].b')", json, "{c=1.0} it's"),
        (r#"$util.escapeJavaScript($input.json('$.a[0]'))"#, json, r#"{\"b\":\"it\'s\"}"#),
        (
            r#"$util.escapeJavaScript($input.json('$.a[0]')).replaceAll("\\'","'")"#,
            json,
            r#"{\"b\":\"it's\"}"#,
        ),
        (
            "$util.urlEncode($input.params('q')) $util.base64Encode($input.path('$.a[0].b'))",
            json,
            "1 aXQncw==",
        ),
        // A body that is not JSON is one text.
        ("$input.json('$') $input.path('$')", "a=b&c=d", r#""a=b&c=d" a=b&c=d"#),
        ("$input.body $input.json('$.a') -$input.path('$.a')-", r#"{"a":"#, r#"{"a": "" --"#),
        ("$input.body $input.json('$')", "", "{} {}"),
    ] {
        let (sent, answer) = filled(text, body).await;
        assert_eq!(sent, expected, "{text}");
        // The response's template is about the response, and its parameters about the request.
        let name = if body == json { "it's" } else { "" };
        assert_eq!(answer.text().await.unwrap(), format!("\"POST /\" {name} 1"), "{text}");
    }
}

#[tokio::test]
async fn an_http_api_maps_members_of_the_first_100_kb_of_a_body() {
    let mapping = |to: &str, from: &str| Mapping::of_http(to, from).unwrap();
    let mappings = vec![
        mapping("append:header.x-name", "$request.body.a.b"),
        mapping("append:header.x-both", "${request.body.a['b']}/${request.body.n}"),
        mapping("append:header.x-null", "$request.body.null"),
        mapping("append:querystring.n", "$request.body.n"),
    ];
    let address = Address { text: service().await, mappings, ..Address::default() };
    let api = api(V2, Integration::Address(address)).await;
    let told = async |body: String| {
        let request = api.request("POST /a").bearer_auth("t").body(body);
        request.send().await.unwrap().json::<Value>().await.unwrap()
    };
    let of = |padding: &str| json!({"a": {"b": "name"}, "n": 7, "null": null, "p": padding});
    let some = told(of("").to_string()).await;
    assert_eq!(some["call"], "POST /?n=7");
    assert_eq!(
        (&some["headers"]["x-name"], &some["headers"]["x-both"]),
        (&json!("name"), &json!("name/7"))
    );
    assert_eq!(some["headers"]["x-null"], Value::Null);
    for body in [of(&"p".repeat(100 * 1024)).to_string(), "not JSON".to_owned()] {
        let none = told(body).await;
        assert_eq!((&none["call"], &none["headers"]["x-name"]), (&json!("POST /"), &Value::Null));
        assert_eq!(none["headers"]["x-both"], "/");
    }
}

/// An HTTP API whose responses are changed by these mappings, each for a status.
async fn changing(integration: Integration, mappings: &[(&str, &str, &str)]) -> Api {
    api_with(V2, integration, |options| {
        for (status, to, from) in mappings {
            options.response_mappings.add(status, to, from).unwrap();
        }
    })
    .await
}

#[tokio::test]
async fn an_http_api_changes_the_responses_of_an_integration_by_their_status() {
    let text = format!("{}/{{proxy}}", service().await);
    let address = Address { text, ..Address::default() };
    let mappings = [
        ("404", "overwrite:statuscode", "$response.body.status"),
        ("404", "append:header.x-own", "${response.header.x-own}-${response.body.call}"),
        ("404", "overwrite:header.content-type", "text/x"),
        ("404", "append:header.x-plan", "$context.authorizer.plan"),
        ("404", "append:header.x-color", "$stageVariables.color"),
        ("404", "append:header.x-none", "$response.body.none"),
        ("200", "remove:header.x-own", "''"),
        ("410", "append:header.x-again", "no"),
        ("501", "append:header.x-unserved", "no"),
    ];
    let api = changing(Integration::Address(address), &mappings).await;
    let found = api.call("GET /a").await;
    assert_eq!((found.status().as_u16(), found.headers().get("x-own")), (200, None));
    assert!(found.headers().contains_key("content-type"));
    let missing = api.call("GET /missing").await;
    assert_eq!(missing.status(), 410);
    let all = |name: &str| -> Vec<String> {
        let values = missing.headers().get_all(name).iter();
        values.map(|value| value.to_str().unwrap().to_owned()).collect()
    };
    assert_eq!(all("x-own"), ["yes", "yes-GET /missing"]);
    assert_eq!((all("content-type"), all("x-plan")), (vec!["text/x".into()], vec!["free".into()]));
    assert_eq!((all("x-color"), all("x-none")), (vec!["blue".into()], vec![]));
    assert_eq!(all("x-again"), [""; 0], "a status that is given by a change is not changed again");
    let told: Value = missing.json().await.unwrap();
    assert_eq!(told["call"], "GET /missing", "the body passes as it is");

    // A function's, but not what the API itself answers.
    let function: Invoke = Arc::new(|_, _| {
        let answer = json!({"statusCode": 404, "body": "{\"status\": \"many\"}"});
        Box::pin(std::future::ready(Ok(Bytes::from(answer.to_string()))))
    });
    let api = changing(Integration::Function(function), &mappings).await;
    let answer = api.call("GET /a").await;
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["x-plan"]),
        (404, &"free".parse().unwrap())
    );
    let api = changing(Integration::Unserved("it".to_owned()), &mappings).await;
    let answer = api.call("GET /a").await;
    assert_eq!((answer.status().as_u16(), answer.headers().get("x-unserved")), (501, None));
}

#[tokio::test]
async fn an_http_api_changes_the_requests_that_a_function_gets() {
    let mapping = |to: &str, from: &str| Mapping::of_http(to, from).unwrap();
    let told = async |mappings: Vec<Mapping>, route: &str| -> Value {
        let event: Invoke = Arc::new(|_, event: Bytes| Box::pin(std::future::ready(Ok(event))));
        let api = api_with(V2, Integration::Function(event), |options| {
            options.request_mappings = mappings;
        })
        .await;
        let request = api.request(route).bearer_auth("t").header("x-sent", "one");
        request.send().await.unwrap().json().await.unwrap()
    };
    let mappings = vec![
        mapping("append:header.x-sent", "$context.authorizer.plan"),
        mapping("remove:header.user-agent", "''"),
        mapping("overwrite:querystring.q", "$request.header.x-sent"),
        mapping("overwrite:path", "/v2${request.path}"),
    ];
    let event = told(mappings, "GET /a%20b?q=1&r=2").await;
    assert_eq!(event["headers"]["x-sent"], "one,free");
    assert_eq!(event["headers"].get("user-agent"), None);
    assert_eq!(
        (&event["rawPath"], &event["rawQueryString"]),
        (&json!("/v2/a b"), &json!("r=2&q=one"))
    );
    assert_eq!(event["pathParameters"], json!({"proxy": "a b"}), "the route is not changed");
    let event = told(Vec::new(), "GET /a?q=1").await;
    assert_eq!((&event["rawPath"], &event["rawQueryString"]), (&json!("/a"), &json!("q=1")));
}

#[tokio::test]
async fn braces_of_a_caller_are_not_parameters_of_the_address() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let text = format!("{}/{{proxy}}", service().await);
    for kind in [REST, V2] {
        let address = Address { text: text.clone(), ..Address::default() };
        let api = api(kind, Integration::Address(address)).await;
        let host = api.gateway.url().replace("http://", "");
        let mut stream = tokio::net::TcpStream::connect(&host).await.unwrap();
        let request = "GET /a{proxy} HTTP/1.1\r\nHost: a\r\nAuthorization: t\r\n\
                       Connection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{kind:?}: {answer}");
    }
}

/// A function that repeats its event, or fails as that says.
fn repeating() -> Invoke {
    Arc::new(|_, event: Bytes| {
        let read: Value = serde_json::from_slice(&event).unwrap();
        let answer = match read["fail"].as_str() {
            Some("late") => Err(InvokeError::Timeout(Duration::from_secs(3))),
            Some("busy") => Err(InvokeError::Throttled),
            Some(message) => {
                let (error_type, error_message) = ("Refused".to_owned(), message.to_owned());
                Err(InvokeError::Function { error_type, error_message })
            }
            None => Ok(event),
        };
        Box::pin(std::future::ready(answer))
    })
}

#[tokio::test]
async fn a_function_that_is_no_proxy_has_templates_and_patterns_for_its_errors() {
    let mut any = response(Some(".+"), 502, "");
    any.bodies.clear();
    let templates = Templates {
        requests: template(
            r#"{"fail": $input.json('$.fail'), "plan": "$context.authorizer.plan"}"#,
        ),
        responses: vec![
            response(Some(".*not found.*"), 404, "$input.path('$.errorMessage')"),
            response(Some(".*timed out.*"), 504, "$input.path('$.errorType')"),
            any,
            response(None, 201, "$input.path('$.plan')"),
        ],
        ..Templates::default()
    };
    let api = api(REST, Integration::Custom(repeating(), templates.clone())).await;
    let call = async |api: &Api, body: &str| {
        seen(api.request("POST /a").bearer_auth("t").body(body.to_owned()).send().await.unwrap())
            .await
    };
    for (body, expected) in [
        // No success matches a pattern.
        (r#"{"fail": null}"#, is(201, "free")),
        (r#"{"fail": "order 1 not found"}"#, is(404, "order 1 not found")),
        (r#"{"fail": "late"}"#, is(504, "Sandbox.Timedout")),
        (r#"{"fail": "x"}"#, is(502, r#"{"errorMessage":"x","errorType":"Refused"}"#)),
        (r#"{"fail": "busy"}"#, is(502, r#"{"message": "Internal server error"}"#)),
    ] {
        assert_eq!(call(&api, body).await, expected, "{body}");
    }
    // Patterns are matched with the start of a long message, not with more of it.
    for (message, status) in [("not found", 404), ("x", 502)] {
        let long = format!(r#"{{"fail": "{message} {}"}}"#, "ä".repeat(10_000));
        assert_eq!(call(&api, &long).await.0, status, "{message}");
    }
    let late = format!(r#"{{"fail": "{} not found"}}"#, "a".repeat(10_000));
    assert_eq!(call(&api, &late).await.0, 502);
    // Without a template the body is the event, which must be JSON.
    let mut plain = Templates { requests: Vec::new(), ..templates };
    plain.responses[3].bodies.clear();
    let api = self::api(REST, Integration::Custom(repeating(), plain)).await;
    assert_eq!(call(&api, r#"{"a": 1}"#).await, is(201, r#"{"a": 1}"#));
    assert_eq!(call(&api, "").await, is(201, "{}"));
    let (status, text) = call(&api, "a=b").await;
    let expected = r#"{"message":"Could not parse request body into json: expected value at"#;
    assert!(status == 400 && text.starts_with(expected), "{status} {text}");
}

#[tokio::test]
async fn an_integrations_time_out_is_its_own() {
    let url = service().await;
    let mapping = Mapping::of_rest("integration.request.header.x-wait", "'yes'").unwrap();
    let address = Address { text: url, mappings: vec![mapping], ..Address::default() };
    let slow: Invoke =
        Arc::new(|_, _| Box::pin(std::future::pending::<Result<Bytes, InvokeError>>()));
    for integration in [Integration::Address(address), Integration::Function(slow)] {
        for (kind, status) in [(REST, 504), (V2, 503)] {
            let integration = integration.clone();
            let api = api_with(kind, integration, |options| {
                options.integration_timeout = Duration::from_millis(50);
            })
            .await;
            assert_eq!(api.status("GET /a").await, status, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_functions_own_time_out_is_an_error_of_the_function() {
    let late: Invoke = Arc::new(|_, _| {
        Box::pin(std::future::ready(Err(InvokeError::Timeout(Duration::from_secs(3)))))
    });
    for (kind, expected) in [
        (REST, is(502, r#"{"message": "Internal server error"}"#)),
        (V2, is(500, r#"{"message":"Internal Server Error"}"#)),
    ] {
        let api = api(kind, Integration::Function(Arc::clone(&late))).await;
        assert_eq!(seen(api.call("GET /a").await).await, expected);
    }
}

#[tokio::test]
async fn an_answer_without_a_status_is_for_payload_2_0_alone() {
    let plain: Invoke = Arc::new(|_, event: Bytes| {
        let event: Value = serde_json::from_slice(&event).unwrap();
        let body = json!({"version": event["version"]}).to_string();
        Box::pin(std::future::ready(Ok(Bytes::from(body))))
    });
    for (payload, expected) in [
        (Payload::V2, is(200, r#"{"version":"2.0"}"#)),
        (Payload::V1, is(500, r#"{"message":"Internal Server Error"}"#)),
    ] {
        let integration = Integration::Function(Arc::clone(&plain));
        let api = api_with(V2, integration, |options| options.payload = payload).await;
        assert_eq!(seen(api.call("GET /a").await).await, expected, "{payload:?}");
    }
}
