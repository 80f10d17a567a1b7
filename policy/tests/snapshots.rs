//! Documents as they are sent, kept so that a change of a byte is seen.

use serde::Deserialize;
use serde_json::{Value, json};
use tollgate_policy::{Caller, MethodArn, RuleSpec, Rules};

#[derive(Deserialize)]
struct File {
    rule: Vec<RuleSpec>,
}

const RULES: &str = r#"
    [[rule]]
    name = "readers"
    allow = ["GET,HEAD /orders", "GET /orders/*", "GET /orders/1"]
    any_scope = ["orders/read"]

    [[rule]]
    name = "own"
    allow = ["GET,PUT /users/{sub}", "GET /users/{sub}/*"]
    everyone = true

    [[rule]]
    name = "adults"
    allow = ["POST /orders"]
    when = "claims.age >= 18"
    until_exp = true

    [[rule]]
    name = "office"
    allow = ["ANY /admin/*"]
    any_group = ["staff"]
    source_ips = ["192.0.2.0/24", "10.0.0.0/8"]

    [[rule]]
    name = "sockets"
    allow = ["$connect"]
    clients = ["app"]

    [[rule]]
    name = "no-exports"
    deny = ["GET /orders/export", "POST /users/{sub}/close"]
    everyone = true
"#;

#[test]
fn documents_stay_as_they_are() {
    let rules = Rules::compile(toml::from_str::<File>(RULES).unwrap().rule).unwrap();
    let Value::Object(claims) = json!({
        "sub": "7e1a2b3c-0000-4000-8000-000000000001", "age": 44, "exp": 1_795_300_000,
    }) else {
        panic!("no object")
    };
    let base = Caller::new(&claims);
    let hostile = serde_json::Map::from_iter([("sub".to_owned(), json!("*"))]);
    for (name, caller, arn) in [
        (
            "everyone",
            base.clone(),
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/a:b//",
        ),
        (
            "reader",
            base.clone().with_scopes(["orders/read"]),
            "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3/$default/GET/",
        ),
        (
            "all",
            base.with_scopes(["orders/read"]).with_groups(["staff"]).with_client(Some("app")),
            "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3/v1/$connect",
        ),
        (
            "hostile",
            Caller::new(&hostile).with_scopes(["orders/read"]),
            "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/orders",
        ),
    ] {
        let document = rules.evaluate(&caller, &MethodArn::parse(arn).unwrap()).document.unwrap();
        insta::assert_json_snapshot!(name, document);
    }
}
