use std::collections::BTreeSet;

use throttle::SystemClock;

use super::*;
use crate::clock::Now;
use crate::gateway::{KeySource, Kind, Payload};

/// The demonstration's line, for callers that the rules allow one thing and not another.
fn ready(change: impl FnOnce(&mut Options, &mut Examples)) -> Ready {
    let mut options = Options::new("/x".into(), Now::new(SystemClock::new()));
    let call =
        |method: &str| crate::examples::Call { method: method.into(), path: "/orders".into() };
    let plan = throttle::Plan::from_json(crate::demo::LIMITS).unwrap();
    let mut examples = Examples {
        caller: Some("client orders-reader".into()),
        token_url: "http://127.0.0.1:2/local/token?client=orders-reader".into(),
        allowed: Some(call("GET")),
        denied: Some(call("DELETE")),
        connects: true,
        limit: Some(crate::examples::Limit::of("free", &plan)),
        notes: Vec::new(),
    };
    change(&mut options, &mut examples);
    let setup = Setup::read(&options, "http://127.0.0.1:2").unwrap();
    let issuers = setup.issuers.iter().map(|one| Issuer {
        name: one.name.clone(),
        iss: one.iss.clone(),
        jwks_uri: issuer::jwks_uri(&one.address),
        token_endpoint: "http://127.0.0.1:2/oauth2/token".into(),
        local_token: "http://127.0.0.1:2/local/token".into(),
    });
    Ready {
        api: "http://127.0.0.1:1".into(),
        http_api: options.http.map(|_| "http://127.0.0.1:4".into()),
        websocket_api: options.websocket.then(|| "ws://127.0.0.1:5".into()),
        apis: Vec::new(),
        api_keys: Vec::new(),
        console: Some("http://127.0.0.1:6/?token=t".into()),
        issuer: "http://127.0.0.1:2/pool".into(),
        jwks_uri: "http://127.0.0.1:2/pool/.well-known/jwks.json".into(),
        token_endpoint: "http://127.0.0.1:2/oauth2/token".into(),
        issuers: issuers.collect(),
        dynamodb: "http://127.0.0.1:3".into(),
        table: "tollgate".into(),
        tables: setup.tables.clone(),
        plans: vec!["free".into()],
        notes: examples.notes.clone(),
        clients: setup.issuers.iter().flat_map(clients).collect(),
        users: setup.issuers.iter().flat_map(users).collect(),
        client_id: "orders-web".into(),
        api_key: None,
        caller_key: None,
        environments: vec![11, 12],
        shown: Shown::new(&setup, &options, Filled::default(), examples),
    }
}

#[test]
fn a_name_with_a_line_break_forges_no_line() {
    let mut ready = ready(|_, _| {});
    ready.notes.push("Mine\n  - all is well".to_owned());
    ready.tables.push("t\nPaste: x".to_owned());
    let mut api = Api::new(Some("A\nPaste: x".to_owned()), Kind::RestToken, "http://127.0.0.1:1");
    api.routes.push(Route {
        key: "GET /\nPaste: x".to_owned(),
        authorizer: Some("Mine\nPaste: x".to_owned()),
        needs_key: false,
        is_served: true,
    });
    ready.serve(vec![api.clone(), api]);
    ready.hold(vec![Key { name: "K\nPaste: x".to_owned(), value: "v".to_owned() }], None);
    for text in [ready.to_string(), {
        ready.without_authorizer();
        ready.to_string()
    }] {
        assert!(
            !text.lines().any(|line| line == "Paste: x" || line == "  - all is well"),
            "{text}"
        );
    }
}

#[test]
fn the_keys_of_usage_plans_are_shown_with_and_without_tollgates_authorizer() {
    let mut ready = ready(|_, _| {});
    ready.hold(vec![Key { name: "ShopApiKey".to_owned(), value: "v".to_owned() }], None);
    let line = "  key    v  of API Gateway: ShopApiKey\n";
    assert!(ready.to_string().contains(line), "{ready}");
    ready.without_authorizer();
    assert!(ready.to_string().contains(line), "{ready}");
}

#[test]
fn an_api_without_routes_has_an_empty_list_of_them() {
    let api = Api::new(None, Kind::RestToken, "http://127.0.0.1:1");
    assert_eq!(serde_json::to_value(api).unwrap()["routes"], serde_json::json!([]));
}

#[test]
fn every_api_is_listed_whether_or_not_there_are_several_of_a_kind() {
    let rest = |name: &str| Api::new(Some(name.to_owned()), Kind::RestToken, "http://127.0.0.1:1");
    let http = Api::new(None, Kind::Http(crate::gateway::Payload::V2), "http://127.0.0.1:2");
    let mut ready = ready(|_, _| {});
    for (apis, several) in
        [(vec![rest("A"), http.clone()], false), (vec![rest("A"), http, rest("B")], true)]
    {
        ready.serve(apis.clone());
        let line = serde_json::to_value(&ready).unwrap();
        assert_eq!(line["apis"].as_array().unwrap().len(), apis.len());
        assert_eq!(
            (&line["apis"][0]["name"], &line["apis"][1]["name"]),
            (&"A".into(), &"HTTP API".into())
        );
        assert_eq!(ready.to_string().contains("  (A)"), several, "{ready}");
    }
}

#[test]
fn a_program_gets_one_line_with_stable_names() {
    let line = serde_json::to_string(&ready(|_, _| {})).unwrap();
    assert!(!line.contains('\n'));
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    let names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "api",
        "apis",
        "client_id",
        "clients",
        "console",
        "dynamodb",
        "environments",
        "issuer",
        "issuers",
        "jwks_uri",
        "notes",
        "plans",
        "table",
        "tables",
        "token_endpoint",
        "users",
    ];
    assert_eq!(names.into_iter().collect::<BTreeSet<_>>(), BTreeSet::from(expected));
    // The public client is not among those that have a secret.
    assert_eq!(value["clients"].as_array().unwrap().len(), 2);
    assert_eq!(value["users"][0]["groups"][0], "admins");
}

#[test]
fn a_person_gets_every_address_and_one_command_for_each_outcome() {
    let text = ready(|_, _| {}).to_string();
    for part in [
        "  REST API      http://127.0.0.1:1  (TOKEN authorizer)\n",
        "  console       http://127.0.0.1:6/?token=t\n",
        "  token issuer  http://127.0.0.1:2/us-east-1_LocalDemo\n",
        "http://127.0.0.1:3  (table tollgate)",
        "2 processes: 11 12",
        "  TOKEN=$(curl -s 'http://127.0.0.1:2/local/token?client=orders-reader')\n",
        "  AUTH=\"Authorization: Bearer $TOKEN\"\n",
        "# 200: it may GET /orders\n  curl -i -H \"$AUTH\" $API/orders; echo\n",
        "# 401: no token\n  curl -i $API/orders; echo\n",
        "# 403: it may not DELETE /orders\n  curl -i -X DELETE -H \"$AUTH\" $API/orders; echo\n",
        "# 429: the plan free allows 1/s, 10 at once\n",
        "case $A in 'HTTP/1.1 429'*)",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    assert!(!text.contains("HTTP API") && !text.contains("WebSocket API"), "{text}");
    assert!(text.lines().count() <= 40, "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn every_flag_changes_what_is_shown() {
    let shows = |change: fn(&mut Options), parts: &[&str], not: &[&str]| {
        let text = ready(|options, _| change(options)).to_string();
        for part in parts {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        for part in not {
            assert!(!text.contains(part), "{part} in\n{text}");
        }
    };
    let request = |options: &mut Options| options.rest = Kind::RestRequest;
    shows(request, &["(REQUEST authorizer)"], &["TOKEN authorizer"]);
    let cached = |options: &mut Options| options.authorizer_ttl = std::time::Duration::from_secs(9);
    let parts = [
        "cached for 9 s: a repeated token is not counted, and its 429 stays",
        "  TOKEN_URL='http://127.0.0.1:2/local/token?client=orders-reader'\n",
        "-H \"Authorization: Bearer $(curl -s $TOKEN_URL)\" $API/orders",
    ];
    shows(cached, &parts, &[]);
    let header = |options: &mut Options| options.api_key_source = KeySource::Header;
    let parts = ["-H 'x-api-key: local-demo-api-key-000000'", "429: none: no limit is in force"];
    shows(header, &parts, &["seq"]);
    let native = |options: &mut Options| {
        let plan = r#"{"throttle":{"rateLimit":2,"burstLimit":3}}"#;
        options.usage_plan = Some(throttle::Plan::from_json(plan).unwrap());
    };
    shows(native, &["allows 2/s, 3 at once; API Gateway's own usage plan", "$(seq 13)"], &[]);
    let simple = |options: &mut Options| options.http = Some(Payload::Simple);
    let parts = [
        "  HTTP API      http://127.0.0.1:4  (payload 2.0, simple responses)\n",
        "# HTTP API, 429: the plan free allows 1/s, 10 at once; the backend answers it",
    ];
    shows(simple, &parts, &["WebSocket"]);
    let socket = |options: &mut Options| options.websocket = true;
    let parts = [
        "  WebSocket API ws://127.0.0.1:5\n",
        "new WebSocket(\"ws://127.0.0.1:5\", [\"bearer\", process.env.TOKEN])",
        "http://127.0.0.1:5/; echo",
    ];
    shows(socket, &parts, &["# HTTP API"]);
    let upstream = |options: &mut Options| options.upstream = "http://127.0.0.1:9".parse().ok();
    shows(upstream, &["# what your service answers: it may GET /orders"], &["# 200"]);
}

#[test]
fn what_no_caller_can_show_is_said() {
    let text = ready(|_, examples| {
        examples.denied = None;
        examples.limit = None;
        examples.notes = vec!["rule `x`: applies to no caller here".into()];
    })
    .to_string();
    for part in [
        "403: none: this caller may call everything",
        "429: none: the configuration has no limits",
        "Different from your files, or not to be shown:\n  - rule `x`: applies to no",
    ] {
        assert!(text.contains(part), "{part} in\n{text}");
    }
    let text = ready(|_, examples| *examples = Examples::default()).to_string();
    assert!(text.ends_with(
        "No caller here has a token that is accepted: see above, and give one by --users.\n"
    ));
    let text = ready(|_, examples| {
        let plan = r#"{"throttle":{"rateLimit":100,"burstLimit":200}}"#;
        let plan = throttle::Plan::from_json(plan).unwrap();
        examples.limit = Some(crate::examples::Limit::of("gold", &plan));
    })
    .to_string();
    assert!(text.contains("too fast to meet by hand: put a slower plan `gold`"), "{text}");
}
