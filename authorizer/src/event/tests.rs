//! Every form, from AWS's own examples and from whatever else may come.

use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use serde_json::json;

use super::*;
use crate::refusal::Code;

const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/GET/request";
const SOCKET: &str = "arn:aws:execute-api:us-east-1:123456789012:abcdef123/test/$connect";

macro_rules! example {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../../tests/vectors/lambda-events/example-apigw-",
            $name,
            ".json"
        )))
        .unwrap()
    };
}

fn source(text: &str) -> TokenSource {
    toml::from_str(text).unwrap()
}

/// The token of an event, or the code of its refusal.
fn token_in(event: &Value, source: &TokenSource) -> Result<String, Code> {
    let read = || {
        let kind = EventKind::of(event)?;
        Event::read(kind, event, source)?.token().map(str::to_owned)
    };
    read().map_err(Refusal::code)
}

fn token(event: &Value) -> Result<String, Code> {
    token_in(event, &TokenSource::default())
}

fn with(mut event: Value, changes: &Value) -> Value {
    event.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    event
}

fn request(changes: &Value) -> Value {
    with(json!({"type": "REQUEST", "methodArn": ARN}), changes)
}

fn http(changes: &Value) -> Value {
    with(json!({"type": "REQUEST", "version": "2.0", "routeArn": ARN}), changes)
}

fn socket(changes: &Value) -> Value {
    with(json!({"type": "REQUEST", "methodArn": SOCKET}), changes)
}

/// The method that an event calls, as a plan writes it.
fn method(event: &Value) -> Option<String> {
    let source = TokenSource::default();
    Event::read(EventKind::of(event).unwrap(), event, &source).unwrap().method()
}

#[test]
fn says_which_method_is_called_as_a_plan_writes_it() {
    let rest = example!("custom-auth-request-type-request");
    assert_eq!(method(&rest).unwrap(), "/request/GET");
    let http1 = example!("v2-custom-authorizer-v1-request");
    assert_eq!(method(&http1).unwrap(), "/request/GET");
    let http2 = example!("v2-custom-authorizer-v2-request");
    assert_eq!(method(&http2), None, "the route is $default");
    assert_eq!(method(&example!("v2-custom-authorizer-websocket-request")), None);

    // The resource, not the path that was called.
    let orders = ARN.replace("request", "orders/7");
    let called = json!({
        "methodArn": orders, "resource": "/orders/{id}", "path": "/orders/7", "httpMethod": "GET",
    });
    assert_eq!(method(&request(&called)).unwrap(), "/orders/{id}/GET");
    let route = json!({"routeKey": "ANY /orders/{id}", "routeArn": orders});
    assert_eq!(method(&http(&route)).unwrap(), "/orders/{id}/ANY");
    let token = json!({"type": "TOKEN", "methodArn": orders});
    assert_eq!(method(&token).unwrap(), "/orders/7/GET", "nothing else is told");
    let root = json!({"type": "TOKEN", "methodArn": ARN.replace("request", "")});
    assert_eq!(method(&root).unwrap(), "//GET", "the root's resource is `/`");

    for changes in [
        json!({}),
        json!({"resource": "/x"}),
        json!({"resource": "x", "httpMethod": "GET"}),
        json!({"resource": 1, "httpMethod": "GET"}),
        json!({"resource": "/x", "httpMethod": ["GET"]}),
        json!({"resource": format!("/{}", "x".repeat(1_600)), "httpMethod": "GET"}),
    ] {
        assert_eq!(method(&request(&changes)), None, "{changes}");
    }
    for route in [json!({}), json!({"routeKey": "$default"}), json!({"routeKey": "GET x"})] {
        assert_eq!(method(&http(&route)), None, "{route}");
    }
}

#[test]
fn reads_aws_s_own_examples() {
    // Its ARN has `*` for a stage, which no request has.
    let mut token = example!("custom-auth-request");
    token["methodArn"] = json!(token["methodArn"].as_str().unwrap().replace("/*/", "/test/"));
    for (event, kind, arn) in [
        (token, EventKind::RestToken, "methodArn"),
        (example!("custom-auth-request-type-request"), EventKind::RestRequest, "methodArn"),
        (example!("v2-custom-authorizer-v1-request"), EventKind::Http1, "methodArn"),
        (example!("v2-custom-authorizer-v2-request"), EventKind::Http2, "routeArn"),
        (example!("v2-custom-authorizer-v2-request-without-cookies"), EventKind::Http2, "routeArn"),
        (
            example!("v2-custom-authorizer-v2-request-without-identity-source"),
            EventKind::Http2,
            "routeArn",
        ),
        (example!("v2-custom-authorizer-websocket-request"), EventKind::WebSocket, "methodArn"),
    ] {
        assert_eq!(EventKind::of(&event).map_err(Refusal::code), Ok(kind), "{event}");
        let source = TokenSource::default();
        let read = Event::read(kind, &event, &source).unwrap();
        assert_eq!(read.arn().to_string(), event[arn].as_str().unwrap());
    }
}

#[test]
fn finds_the_address_where_the_form_has_it() {
    let address = |event: &Value| {
        let kind = EventKind::of(event).unwrap();
        let source = TokenSource::default();
        Event::read(kind, event, &source).unwrap().source_ip().map(|ip| ip.to_string())
    };
    for event in [
        example!("custom-auth-request-type-request"),
        example!("v2-custom-authorizer-v1-request"),
        example!("v2-custom-authorizer-v2-request"),
        example!("v2-custom-authorizer-websocket-request"),
    ] {
        let context = &event["requestContext"];
        let places = [&context["identity"]["sourceIp"], &context["http"]["sourceIp"]];
        let said = places.iter().find_map(|place| place.as_str());
        // One example has a text in the place of an address.
        let said = said.filter(|text| text.parse::<IpAddr>().is_ok());
        assert_eq!(address(&event).as_deref(), said, "{event}");
    }
    let at = |ip: Value| json!({"requestContext": {"identity": {"sourceIp": ip}}});
    assert_eq!(address(&request(&at(json!("192.0.2.1")))).as_deref(), Some("192.0.2.1"));
    assert_eq!(address(&request(&at(json!("2001:db8::1")))).as_deref(), Some("2001:db8::1"));
    assert_eq!(address(&socket(&at(json!("192.0.2.1")))).as_deref(), Some("192.0.2.1"));
    assert_eq!(address(&http(&at(json!("192.0.2.1")))), None, "of another form");
    let http_at = json!({"requestContext": {"http": {"sourceIp": "192.0.2.1"}}});
    assert_eq!(address(&http(&http_at)).as_deref(), Some("192.0.2.1"));
    let forwarded = json!({"headers": {"X-Forwarded-For": "192.0.2.1"}});
    for changes in [at(json!(null)), at(json!("test-invoke-source-ip")), at(json!(1)), forwarded] {
        assert_eq!(address(&request(&changes)), None, "{changes}");
    }
}

#[test]
fn finds_the_token_in_aws_s_own_examples() {
    let named = |name: &str| source(&format!("header = \"{name}\""));
    for (mut event, header) in [
        (example!("custom-auth-request-type-request"), "HEADERAUTH1"),
        (example!("v2-custom-authorizer-v1-request"), "headerauth1"),
        (example!("v2-custom-authorizer-v2-request-without-identity-source"), "Header1"),
        (example!("v2-custom-authorizer-websocket-request"), "Header1"),
    ] {
        event["identitySource"] = Value::Null;
        // The examples have some text where a token would be.
        assert_eq!(token_in(&event, &named(header)), Err(Code::Malformed), "no scheme");
        for map in ["headers", "multiValueHeaders"] {
            let Some(map) = event[map].as_object_mut() else { continue };
            for (name, value) in map {
                if name.eq_ignore_ascii_case(header) {
                    *value = if value.is_array() { json!(["bEARER t"]) } else { json!("bEARER t") };
                }
            }
        }
        assert_eq!(token_in(&event, &named(header)).as_deref(), Ok("t"), "{event}");
        assert_eq!(token(&event), Err(Code::Malformed), "not in the header by default");
    }
    let mut event = example!("custom-auth-request");
    event["authorizationToken"] = json!("Bearer t");
    event["methodArn"] = json!(ARN);
    assert_eq!(token(&event).as_deref(), Ok("t"));
}

/// Checks the identity source of an event whose token is `t`.
fn cache_key(event: &Value, source: &TokenSource) -> Result<(), Code> {
    let event = Event::read(EventKind::of(event).unwrap(), event, source).unwrap();
    assert_eq!(event.token(), Ok("t"));
    event.check_cache_key().map_err(Refusal::code)
}

#[test]
fn an_example_s_identity_source_must_be_the_token_s() {
    let header = source("header = \"header1\"");
    let mut event = example!("v2-custom-authorizer-v2-request");
    event["headers"]["Header1"] = json!("Bearer t");
    assert_eq!(cache_key(&event, &header), Err(Code::Config));
    event["identitySource"] = json!(["user1", "Bearer t"]);
    assert_eq!(cache_key(&event, &header), Ok(()));

    let header = source("header = \"headerauth1\"");
    let mut event = example!("v2-custom-authorizer-v1-request");
    event["headers"]["HeaderAuth1"] = json!("Bearer t");
    assert_eq!(cache_key(&event, &header), Err(Code::Config));
    event["identitySource"] = json!("user1,Bearer t");
    assert_eq!(cache_key(&event, &header), Ok(()));
}

#[test]
fn an_http_api_without_a_cache_key_can_t_cache_the_wrong_one() {
    let (headers, source) = (json!({"authorization": "Bearer t"}), TokenSource::default());
    for nothing in [json!(null), json!([]), json!("")] {
        let event = http(&json!({"headers": headers, "identitySource": nothing}));
        assert_eq!(cache_key(&event, &source), Ok(()), "{event}");
    }
    for other in [json!(["x"]), json!("x"), json!("Bearer tt"), json!(1), json!({}), json!([1])] {
        let event = http(&json!({"headers": headers, "identitySource": other}));
        assert_eq!(cache_key(&event, &source), Err(Code::Config), "{event}");
        let rest = with(event, &json!({"version": null, "methodArn": ARN}));
        assert_eq!(cache_key(&rest, &source), Ok(()), "a REST API's event does not say");
    }
}

#[test]
fn a_header_that_holds_no_bearer_token_is_the_caller_s_fault() {
    for value in [
        "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/execute-api/aws4_request, Signature=a",
        "Digest username=\"u\", realm=\"r\"",
        "Bearer a.b.c,Bearer d.e.f",
        "Bearer a.b.c, d",
        ",",
        "",
        "Bearer",
        "Basic dTpw",
    ] {
        for sources in [json!([value]), json!(value), json!(["x", value]), json!("x")] {
            let event =
                http(&json!({"headers": {"authorization": value}, "identitySource": sources}));
            // A comma is no part of a token, and is found where the token is read.
            let found = token(&event);
            assert!(
                matches!(found.as_deref(), Err(Code::Malformed) | Ok("a.b.c,Bearer")),
                "{event}"
            );
        }
    }
}

#[test]
fn type_and_version_decide_whatever_else_is_there() {
    let both = json!({
        "authorizationToken": "Bearer a", "methodArn": ARN, "routeArn": ARN,
        "headers": {"authorization": "Bearer b"}, "x": {"y": null},
    });
    for (changes, kind, found) in [
        (json!({"type": "TOKEN"}), EventKind::RestToken, "a"),
        (json!({"type": "TOKEN", "version": "2.0"}), EventKind::RestToken, "a"),
        (json!({"type": "REQUEST"}), EventKind::RestRequest, "b"),
        (json!({"type": "REQUEST", "version": null}), EventKind::RestRequest, "b"),
        (json!({"type": "REQUEST", "version": 2}), EventKind::RestRequest, "b"),
        (json!({"type": "REQUEST", "version": "1.0"}), EventKind::Http1, "b"),
        (json!({"type": "REQUEST", "version": "2.0"}), EventKind::Http2, "b"),
    ] {
        let event = with(both.clone(), &changes);
        assert_eq!(EventKind::of(&event).unwrap(), kind, "{event}");
        assert_eq!(token(&event).as_deref(), Ok(found), "{event}");
    }
    let event = with(both, &json!({"type": "REQUEST", "methodArn": SOCKET}));
    assert_eq!(EventKind::of(&event).unwrap(), EventKind::WebSocket);
}

#[test]
fn answers_what_is_no_authorizer_s_event() {
    for event in [
        json!(null),
        json!([]),
        json!("TOKEN"),
        json!({}),
        json!({"type": 1}),
        json!({"type": "token"}),
        json!({"version": "2.0", "routeArn": ARN}),
    ] {
        assert_eq!(EventKind::of(&event).map_err(Refusal::code), Err(Code::Config), "{event}");
    }
}

#[test]
fn answers_what_it_can_t_read() {
    for event in [
        json!({"type": "TOKEN"}),
        json!({"type": "TOKEN", "authorizationToken": null, "methodArn": ARN}),
        json!({"type": "TOKEN", "authorizationToken": ["Bearer t"], "methodArn": ARN}),
        json!({"type": "TOKEN", "authorizationToken": "Bearer t"}),
        json!({"type": "TOKEN", "authorizationToken": "Bearer t", "methodArn": 1}),
        json!({"type": "TOKEN", "authorizationToken": "Bearer t", "methodArn": "a".repeat(1601)}),
        json!({"type": "TOKEN", "authorizationToken": "t", "methodArn": ARN}),
        json!({"type": "TOKEN", "headers": {"authorization": "Bearer t"}, "methodArn": ARN}),
        request(&json!({"authorizationToken": "Bearer t"})),
        http(
            &json!({"routeArn": null, "methodArn": ARN, "headers": {"authorization": "Bearer t"}}),
        ),
        http(&json!({"authorizationToken": "Bearer t", "cookies": ["authorization=Bearer t"]})),
    ] {
        assert_eq!(token(&event), Err(Code::Malformed), "{event}");
    }
}

#[test]
fn takes_the_header_exactly_once() {
    let one = json!("Bearer t");
    for maps in [
        json!({"headers": {"Authorization": one}}),
        json!({"headers": {"AUTHORIZATION": one}, "multiValueHeaders": null}),
        json!({"headers": null, "multiValueHeaders": {"authorization": [one]}}),
        json!({"headers": [], "multiValueHeaders": {"authorization": one}}),
        json!({"headers": {"Authorization": one}, "multiValueHeaders": {"authorization": [one]}}),
        json!({"headers": {"Authorization": one, "authorization": null}}),
        json!({"headers": {"authorization": one}, "multiValueHeaders": {"authorization": []}}),
    ] {
        assert_eq!(token(&request(&maps)).as_deref(), Ok("t"), "{maps}");
    }
    for maps in [
        json!({}),
        json!({"headers": {}}),
        json!({"headers": {"authorization": ""}}),
        json!({"headers": {"authorization": "Bearer "}}),
        json!({"headers": {"authorization": "Bearer t u"}}),
        json!({"headers": {"authorization": "Bearer  t"}}),
        json!({"headers": {"authorization": "Basic t"}}),
        json!({"headers": {"authorization": 1}}),
        json!({"headers": {"authorization": {"a": one}}}),
        json!({"headers": {"Authorization": one, "authorization": one}}),
        json!({"headers": {"Authorization": [one, one]}}),
        json!({"multiValueHeaders": {"authorization": [one, one]}}),
        json!({"multiValueHeaders": {"authorization": [one], "Authorization": [one]}}),
        json!({"multiValueHeaders": {"authorization": [[one]]}}),
        json!({"headers": {"authorization": one}, "multiValueHeaders": {"authorization": ["x", one]}}),
        json!({"headers": {"authorization": one}, "multiValueHeaders": {"authorization": ["Bearer u"]}}),
        json!({"queryStringParameters": {"access_token": "t"}}),
    ] {
        assert_eq!(token(&request(&maps)), Err(Code::Malformed), "{maps}");
    }
}

#[test]
fn only_used_members_can_refuse_an_event() {
    let used = json!({"headers": {"Authorization": "Bearer t", "cookie": ["a", "b"]}});
    for unused in [
        json!({"cookies": null, "stageVariables": 1, "pathParameters": [null]}),
        json!({"requestContext": {"identity": {"clientCert": {}}, "httpMethod": "G T"}}),
        json!({"requestContext": {"http": {"method": 1}, "timeEpoch": "x", "authentication": 1}}),
        json!({"queryStringParameters": {"a": 1}, "path": {}, "authorizationToken": []}),
    ] {
        for event in [request(&used), http(&used), socket(&used)] {
            let event = with(event, &unused);
            assert_eq!(token(&event).as_deref(), Ok("t"), "{event}");
        }
    }
    for (name, value, expected) in [
        ("x y", "z", Ok("t")),
        ("x", "a\nb", Ok("t")),
        ("", "z", Ok("t")),
        ("X-Api-Key", "a\nb", Err(Code::Malformed)),
    ] {
        let headers = json!({"headers": {"Authorization": "Bearer t", name: value}});
        for event in [request(&headers), http(&headers), socket(&headers)] {
            assert_eq!(token(&event).as_deref().map_err(|code| *code), expected, "{event}");
        }
    }
}

#[test]
fn a_web_socket_s_token_is_where_it_was_configured_to_be() {
    let everywhere = source("query = \"access_token\"\nsubprotocol = \"bearer\"");
    let query = |value: &str| json!({"queryStringParameters": {"access_token": value}});
    let offers = |value: &str| json!({"headers": {"Sec-WebSocket-Protocol": value}});
    for maps in [
        json!({"headers": {"authorization": "Bearer t"}}),
        query("t"),
        json!({"queryStringParameters": {"access_token": "t"},
               "multiValueQueryStringParameters": {"access_token": ["t"]}}),
        json!({"multiValueQueryStringParameters": {"access_token": ["t"], "x": ["y", "z"]}}),
        offers("bearer, t"),
        offers("chat , bearer,t, other"),
    ] {
        assert_eq!(token_in(&socket(&maps), &everywhere).as_deref(), Ok("t"), "{maps}");
    }
    for maps in [
        json!({}),
        offers("bearer"),
        offers("bearer,"),
        offers("chat, t"),
        offers("Bearer, t"),
        offers("bearer, t, bearer, u"),
        json!({"queryStringParameters": {"Access_Token": "t"}}),
        json!({"multiValueQueryStringParameters": {"access_token": ["t", "t"]}}),
        json!({"queryStringParameters": {"access_token": "t"},
               "multiValueQueryStringParameters": {"access_token": ["u"]}}),
        with(query("t"), &json!({"headers": {"authorization": "Bearer t"}})),
        with(query("t"), &offers("bearer, t")),
        json!({"headers": {"authorization": "Bearer t", "sec-websocket-protocol": "bearer, t"}}),
        with(query("t"), &json!({"headers": {"authorization": "Basic t"}})),
    ] {
        assert_eq!(token_in(&socket(&maps), &everywhere), Err(Code::Malformed), "{maps}");
    }
    for maps in [query("t"), offers("bearer, t")] {
        assert_eq!(token(&socket(&maps)), Err(Code::Malformed), "not configured: {maps}");
        assert_eq!(token_in(&request(&maps), &everywhere), Err(Code::Malformed), "no WebSocket");
        assert_eq!(token_in(&http(&maps), &everywhere), Err(Code::Malformed), "no WebSocket");
    }
}

#[test]
fn finds_the_api_key_and_never_shows_it() {
    let key = |event: &Value| {
        let source = TokenSource::default();
        let event = Event::read(EventKind::of(event).unwrap(), event, &source).unwrap();
        event.api_key().map(|key| key.map(str::to_owned)).map_err(Refusal::code)
    };
    let identity = |key: Value| json!({"requestContext": {"identity": {"apiKey": key}}});
    let sent = json!({"headers": {"X-Api-Key": "k1"}});
    assert_eq!(key(&request(&sent)), Ok(Some("k1".to_owned())));
    assert_eq!(key(&http(&sent)), Ok(Some("k1".to_owned())));
    assert_eq!(key(&request(&identity(json!("k1")))), Ok(Some("k1".to_owned())));
    assert_eq!(key(&with(request(&sent), &identity(json!("k1")))), Ok(Some("k1".to_owned())));
    assert_eq!(key(&with(request(&sent), &identity(json!(null)))), Ok(Some("k1".to_owned())));
    assert_eq!(key(&example!("custom-auth-request-type-request")), Ok(Some("...".to_owned())));
    for none in [
        request(&json!({})),
        request(&identity(json!(1))),
        request(&json!({"requestContext": null})),
        request(&json!({"requestContext": {"identity": null}})),
    ] {
        assert_eq!(key(&none), Ok(None), "{none}");
    }
    for bad in [
        with(request(&sent), &identity(json!("k2"))),
        request(&json!({"multiValueHeaders": {"x-api-key": ["k1", "k1"]}})),
        request(&json!({"headers": {"x-api-key": ""}})),
        request(&json!({"headers": {"x-api-key": "k".repeat(129)}})),
    ] {
        assert_eq!(key(&bad), Err(Code::ApiKey), "{bad}");
    }
    let event = request(&json!({"headers": {"x-api-key": "k1", "authorization": "Bearer t1"}}));
    let source = TokenSource::default();
    let read = Event::read(EventKind::RestRequest, &event, &source).unwrap();
    assert_eq!(format!("{read:?}"), "Event { kind: RestRequest, .. }");
}

/// Any JSON, with the names and texts that an event has more often than by chance.
fn json_value() -> impl Strategy<Value = Value> {
    let names = prop_oneof![
        Just("type"),
        Just("version"),
        Just("methodArn"),
        Just("routeArn"),
        Just("headers"),
        Just("multiValueHeaders"),
        Just("authorizationToken"),
        Just("identitySource"),
        Just("requestContext"),
        Just("identity"),
        Just("apiKey"),
        Just("authorization"),
        Just("Authorization"),
        Just("x-api-key"),
        Just("sec-websocket-protocol"),
        Just("queryStringParameters"),
        Just("multiValueQueryStringParameters"),
        Just("token"),
    ];
    let texts = prop_oneof![
        Just("TOKEN".to_owned()),
        Just("REQUEST".to_owned()),
        Just("1.0".to_owned()),
        Just("2.0".to_owned()),
        Just(ARN.to_owned()),
        Just(SOCKET.to_owned()),
        Just("Bearer t".to_owned()),
        Just("bearer, t".to_owned()),
        any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        let members = proptest::collection::btree_map(names.clone(), inner.clone(), 0..10);
        prop_oneof![
            proptest::collection::vec(inner, 0..4).prop_map(Value::from),
            members.prop_map(|map| map.into_iter().map(|(n, v)| (n.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_event_is_beyond_an_answer(event in json_value(), extra in json_value()) {
        let source = source("query = \"token\"\nsubprotocol = \"bearer\"");
        let forced = [
            json!({"type": "TOKEN", "methodArn": ARN}),
            json!({"type": "REQUEST", "methodArn": ARN}),
            json!({"type": "REQUEST", "methodArn": SOCKET}),
            json!({"type": "REQUEST", "version": "1.0", "methodArn": ARN}),
            json!({"type": "REQUEST", "version": "2.0", "routeArn": ARN}),
        ];
        let mut events = vec![event.clone(), extra];
        if event.is_object() {
            events.extend(forced.iter().map(|changes| with(event.clone(), changes)));
        }
        for event in &events {
            let Ok(kind) = EventKind::of(event) else { continue };
            let Ok(read) = Event::read(kind, event, &source) else { continue };
            let _ = read.api_key();
            if let Ok(token) = read.token() {
                assert!(!token.is_empty() && !token.contains(char::is_whitespace));
            }
        }
    }

    #[test]
    fn a_token_is_found_whatever_else_the_event_holds(
        event in json_value(), name in "[aA]uthorization", scheme in "[bB][eE][aA][rR][eE][rR]",
    ) {
        let mut event = event.as_object().cloned().unwrap_or_default();
        for name in ["multiValueHeaders", "identitySource"] {
            event.remove(name);
        }
        event.insert("headers".into(), json!({name: format!("{scheme} t")}));
        let event = Value::Object(event);
        for changes in [
            json!({"type": "REQUEST", "version": null, "methodArn": ARN}),
            json!({"type": "REQUEST", "version": null, "methodArn": SOCKET}),
            json!({"type": "REQUEST", "version": "1.0", "methodArn": ARN}),
            json!({"type": "REQUEST", "version": "2.0", "routeArn": ARN}),
        ] {
            assert_eq!(token(&with(event.clone(), &changes)).as_deref(), Ok("t"));
        }
    }
}

#[test]
fn a_bare_token_is_taken_only_where_the_configuration_says_so() {
    let bare = source("header = \"cf-access-jwt-assertion\"\nscheme = \"none\"");
    let header = |value: &str| json!({"headers": {"Cf-Access-Jwt-Assertion": value}});
    let rest =
        |value: &str| json!({"type": "TOKEN", "methodArn": ARN, "authorizationToken": value});
    for make in [&request as &dyn Fn(&Value) -> Value, &http, &socket] {
        assert_eq!(token_in(&make(&header("t")), &bare).as_deref(), Ok("t"));
    }
    assert_eq!(token_in(&rest("t"), &bare).as_deref(), Ok("t"));
    for value in ["", " ", "Bearer t", "t ", " t", "t\tu", "t u"] {
        assert_eq!(token_in(&request(&header(value)), &bare), Err(Code::Malformed), "{value:?}");
        assert_eq!(token_in(&rest(value), &bare), Err(Code::Malformed), "{value:?}");
    }
    assert_eq!(token(&rest("t")), Err(Code::Malformed), "not configured");
}

#[test]
fn a_cookie_carries_a_token_in_every_event_that_has_cookies() {
    let cookie = source("cookie = \"session\"");
    let read = |event: &Value| token_in(event, &cookie);
    for text in [
        "session=t",
        "a=b; session=t",
        "a=b;session=t ; c",
        " session = t",
        "Session=x; session=t; sessions=y; =z; session",
    ] {
        for make in [&request as &dyn Fn(&Value) -> Value, &socket] {
            let event = make(&json!({"headers": {"Cookie": text}}));
            assert_eq!(read(&event).as_deref(), Ok("t"), "{event}");
            let both =
                json!({"headers": {"cookie": text}, "multiValueHeaders": {"cookie": [text]}});
            assert_eq!(read(&make(&both)).as_deref(), Ok("t"), "{both}");
        }
        let list: Vec<&str> = text.split(';').collect();
        assert_eq!(read(&http(&json!({ "cookies": list }))).as_deref(), Ok("t"), "{text}");
    }
    // A browser may send several headers over HTTP/2, and the single value is the last of them.
    let several = json!({
        "headers": {"Cookie": "a=b"}, "multiValueHeaders": {"Cookie": ["session=t", "a=b"]},
    });
    assert_eq!(read(&request(&several)).as_deref(), Ok("t"));
}

#[test]
fn a_token_in_two_cookies_or_two_places_is_refused() {
    let cookie = source("cookie = \"session\"");
    for maps in [
        json!({"headers": {"Cookie": "session=t; session=t"}}),
        json!({"headers": {"Cookie": "session=t; a=b; session=u"}}),
        json!({"headers": {"Cookie": "session=t", "cookie": "session=t"}}),
        json!({"multiValueHeaders": {"Cookie": ["session=t", "session=u"]}}),
        json!({"headers": {"Cookie": "session=t"}, "multiValueHeaders": {"Cookie": ["session=u"]}}),
        json!({"headers": {"Cookie": "session=t", "Authorization": "Bearer t"}}),
        json!({"headers": {"Cookie": "session=t", "Authorization": "Basic dTpw"}}),
        json!({"headers": {"Cookie": "session=", "Authorization": "Bearer t"}}),
        json!({"headers": {"Cookie": "session=t u"}}),
        json!({"headers": {"Cookie": "SESSION=t"}}),
        json!({"headers": {"Cookie": ""}}),
        json!({"cookies": ["session=t", "session=t"]}),
        json!({"cookies": "session=t"}),
        json!({"cookies": null}),
        json!({}),
    ] {
        for make in [&request as &dyn Fn(&Value) -> Value, &http, &socket] {
            assert_eq!(token_in(&make(&maps), &cookie), Err(Code::Malformed), "{maps}");
        }
    }
    let plain = json!({"headers": {"Cookie": "session=t"}, "cookies": ["session=t"]});
    assert_eq!(token(&request(&plain)), Err(Code::Malformed), "not configured");
    assert_eq!(token(&http(&plain)), Err(Code::Malformed), "not configured");
}

#[test]
fn an_http_api_that_caches_must_cache_by_the_cookie() {
    let cookie = source("cookie = \"session\"");
    let check = |identity: Value| {
        let event = http(&json!({"cookies": ["a=b", "session=t"], "identitySource": identity}));
        let event = Event::read(EventKind::Http2, &event, &cookie).unwrap();
        event.check_cache_key().map_err(Refusal::code)
    };
    for good in [json!(null), json!([]), json!(["a=b; session=t"]), json!(["x", "session=t"])] {
        assert_eq!(check(good.clone()), Ok(()), "{good}");
    }
    for other in [json!(["x"]), json!(["session=u"]), json!(["a=b"]), json!([""])] {
        assert_eq!(check(other.clone()), Err(Code::Config), "{other}");
    }
}
