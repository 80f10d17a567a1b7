use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:execute-api:us-east-1:123456789012:t0llgate00/local/";

fn decide(policy: &Value, path: &str) -> Result<Decision, PolicyError> {
    let request = Request {
        arn: &format!("{ARN}{path}"),
        source: "127.0.0.1".parse().unwrap(),
        // 2026-11-21T09:00:00Z
        now_ms: 1_795_251_600_000,
    };
    Ok(Policy::parse(policy)?.evaluate(&request))
}

/// A policy of `Allow` and `Deny` statements on resources of the stage.
fn policy(statements: &[(&str, &str)]) -> Value {
    let statements: Vec<Value> = statements
        .iter()
        .map(|(effect, resource)| {
            let resource = if *resource == "*" { "*".into() } else { format!("{ARN}{resource}") };
            json!({"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource})
        })
        .collect();
    json!({"Version": "2012-10-17", "Statement": statements})
}

fn with(member: &str, value: Value) -> Value {
    let mut policy = policy(&[("Allow", "GET/orders")]);
    policy["Statement"][0][member] = value;
    policy
}

const ALLOW: Result<Decision, PolicyError> = Ok(Decision::Allow);
const DENY: Result<Decision, PolicyError> = Ok(Decision::ExplicitDeny);
const NEITHER: Result<Decision, PolicyError> = Ok(Decision::ImplicitDeny);

#[test]
fn resources_match_as_api_gateways_do() {
    for (resource, path, expected) in [
        ("GET/orders", "GET/orders", ALLOW),
        ("GET/orders", "POST/orders", NEITHER),
        ("GET/orders", "GET/orders/", NEITHER),
        ("GET/orders", "GET/orders/1", NEITHER),
        ("GET/Orders", "GET/orders", NEITHER),
        ("GET/orders%2F1", "GET/orders/1", NEITHER),
        ("GET/", "GET/", ALLOW),
        ("GET/orders/*", "GET/orders/1", ALLOW),
        // Greedy: `*` crosses slashes and colons, and matches nothing at all.
        ("GET/orders/*", "GET/orders/1/lines/2", ALLOW),
        ("GET/orders/*", "GET/orders/a:b", ALLOW),
        ("GET/orders/*", "GET/orders/", ALLOW),
        ("GET/orders/*", "GET/orders", NEITHER),
        ("*/business/op", "GET/anything/business/op", ALLOW),
        ("*", "DELETE/", ALLOW),
        ("*/*", "DELETE/", ALLOW),
        ("GET/orders/?", "GET/orders/1", ALLOW),
        ("GET/orders/?", "GET/orders/12", NEITHER),
        ("GET/orders/?", "GET/orders/", NEITHER),
        // What is in the request is never a wildcard.
        ("GET/orders/1", "GET/orders/*", NEITHER),
    ] {
        assert_eq!(decide(&policy(&[("Allow", resource)]), path), expected, "{resource} {path}");
    }
}

/// The denies that an authorizer sends along with an allow below a caller's own path.
#[test]
fn wildcards_within_a_deny_match_dot_segments() {
    let own = "GET/users/u1";
    let mut statements = vec![("Allow", format!("{own}/*")), ("Allow", "GET/files/*".to_owned())];
    for ending in ["/*..*", "/*%2e*", "/*%2E*", "/*/./*", "/./*", "/*/.", "/."] {
        statements.push(("Deny", format!("{own}{ending}")));
    }
    let statements: Vec<(&str, &str)> =
        statements.iter().map(|(effect, resource)| (*effect, resource.as_str())).collect();
    let policy = policy(&statements);
    for rest in [
        "../u2/x",
        "a/..",
        "..;/u2",
        r"\..\u2",
        "%2e%2e/u2",
        ".%2E/u2",
        "a/./b",
        "./a",
        "a/.",
        ".",
        "a..b",
    ] {
        assert_eq!(decide(&policy, &format!("{own}/{rest}")), DENY, "{rest}");
    }
    for path in ["GET/users/u1/", "GET/users/u1/a.b/.c", "GET/users/u1/%252e", "GET/files/../x"] {
        assert_eq!(decide(&policy, path), ALLOW, "{path}");
    }
    assert_eq!(decide(&policy, "GET/users/u10/a..b"), NEITHER);
}

#[test]
fn the_fields_of_an_arn_match_one_by_one() {
    for (resource, expected) in [
        (json!("arn:aws:execute-api:us-east-1:123456789012:t0llgate00/local/GET/orders"), ALLOW),
        (json!("arn:aws:execute-api:*:*:*"), ALLOW),
        (json!("arn:*:execute-api:us-*-?:*:*/GET/orders"), ALLOW),
        (json!("arn:aws:execute-api:us-east-1:123456789012:*"), ALLOW),
        (json!("arn:aws:execute-api:us-east-1:123456789012:t0llgate00/prod/*"), NEITHER),
        (json!("arn:aws:execute-api:us-east-1:000000000000:*"), NEITHER),
        (json!("arn:aws:execute-api:eu-west-1:123456789012:*"), NEITHER),
        (json!("arn:aws:lambda:us-east-1:123456789012:*"), NEITHER),
        (json!(["arn:aws:execute-api:x:y:z", format!("{ARN}GET/orders")]), ALLOW),
    ] {
        assert_eq!(
            decide(&with("Resource", resource.clone()), "GET/orders"),
            expected,
            "{resource}"
        );
    }
}

#[test]
fn a_deny_wins_wherever_it_stands() {
    let allow = ("Allow", "*");
    let deny = ("Deny", "*/admin/*");
    for order in [[allow, deny], [deny, allow]] {
        assert_eq!(decide(&policy(&order), "GET/admin/users"), DENY);
        assert_eq!(decide(&policy(&order), "GET/orders"), ALLOW);
    }
    assert_eq!(decide(&policy(&[deny]), "GET/orders"), NEITHER);
    assert_eq!(decide(&policy(&[]), "GET/orders"), NEITHER);
}

#[test]
fn a_deny_of_the_rest_leaves_what_it_names() {
    let mut closed = policy(&[("Allow", "GET/orders/*"), ("Deny", "")]);
    let deny = closed["Statement"][1].as_object_mut().unwrap();
    deny.remove("Resource");
    deny.insert("NotResource".to_owned(), json!([format!("{ARN}GET/orders/*")]));
    assert_eq!(decide(&closed, "GET/orders/1"), ALLOW);
    assert_eq!(decide(&closed, "POST/orders/1"), DENY);
    closed["Statement"][1]["NotResource"] = json!([]);
    assert!(decide(&closed, "GET/orders/1").is_err());
}

#[test]
fn actions_match_without_regard_to_case_and_with_wildcards() {
    for (action, expected) in [
        (json!("execute-api:Invoke"), ALLOW),
        (json!("EXECUTE-API:INVOKE"), ALLOW),
        (json!("execute-api:*"), ALLOW),
        (json!("execute-api:Inv?ke"), ALLOW),
        (json!("*"), ALLOW),
        (json!("execute-api:ManageConnections"), NEITHER),
        (json!("lambda:Invoke"), NEITHER),
        (json!("execute-api:Invok"), NEITHER),
        (json!(["s3:GetObject", "execute-api:Invoke"]), ALLOW),
    ] {
        assert_eq!(decide(&with("Action", action.clone()), "GET/orders"), expected, "{action}");
    }
}

#[test]
fn a_single_statement_may_stand_without_an_array() {
    let mut one = policy(&[("Allow", "GET/orders")]);
    one["Statement"] = one["Statement"][0].clone();
    assert_eq!(decide(&one, "GET/orders"), ALLOW);
    one["Version"] = json!("2008-10-17");
    assert_eq!(decide(&one, "GET/orders"), ALLOW);
}

#[test]
fn conditions_must_all_hold() {
    let address = |operator: &str, range: Value| json!({operator: {"aws:SourceIp": range}});
    let date = |operator: &str, moment: &str| json!({operator: {"aws:CurrentTime": moment}});
    for (condition, expected) in [
        (address("IpAddress", json!("127.0.0.0/8")), ALLOW),
        (address("IpAddress", json!(["10.0.0.0/8", "127.0.0.1"])), ALLOW),
        (address("IpAddress", json!("10.0.0.0/8")), NEITHER),
        (address("NotIpAddress", json!(["10.0.0.0/8", "127.0.0.1"])), NEITHER),
        (address("NotIpAddress", json!("10.0.0.0/8")), ALLOW),
        (date("DateLessThan", "2026-11-21T09:00:00.001Z"), ALLOW),
        (date("DateLessThan", "2026-11-21T09:00:00Z"), NEITHER),
        (date("DateGreaterThan", "2026-11-21T08:59:59Z"), ALLOW),
        (date("DateGreaterThan", "2026-11-21T09:00:00Z"), NEITHER),
        (json!({}), ALLOW),
        (
            json!({
                "IpAddress": {"aws:sourceip": "127.0.0.1"},
                "DateLessThan": {"AWS:CurrentTime": "2020-01-01T00:00:00Z"},
            }),
            NEITHER,
        ),
    ] {
        assert_eq!(
            decide(&with("Condition", condition.clone()), "GET/orders"),
            expected,
            "{condition}"
        );
    }
}

#[test]
fn what_is_not_understood_makes_the_policy_unusable() {
    let unsupported = |name: &str| Err(PolicyError::Unsupported(name.to_owned()));
    for (policy, expected) in [
        (json!("text"), Err(PolicyError::Form("Version"))),
        (json!({"Statement": []}), Err(PolicyError::Form("Version"))),
        (json!({"Version": "2013-10-17", "Statement": []}), Err(PolicyError::Form("Version"))),
        (json!({"Version": "2012-10-17"}), Err(PolicyError::Form("Statement"))),
        (json!({"Version": "2012-10-17", "Statement": ["x"]}), Err(PolicyError::Form("Statement"))),
        (with("Effect", json!("allow")), Err(PolicyError::Form("Statement.Effect"))),
        (with("Action", json!([])), Err(PolicyError::Form("Statement.Action"))),
        (with("Action", json!([1])), Err(PolicyError::Form("Statement.Action"))),
        (with("Resource", Value::Null), Err(PolicyError::Form("Statement.Resource"))),
        (with("Resource", json!("GET/orders")), Err(PolicyError::Form("Statement.Resource"))),
        (with("NotAction", json!("s3:*")), unsupported("NotAction")),
        (with("NotResource", json!("*")), Err(PolicyError::Form("Statement.Resource"))),
        (with("Principal", json!("*")), unsupported("Principal")),
        (with("Resource", json!("arn:aws:execute-api:*:*:*/${x}")), unsupported("${")),
        (with("Condition", json!([])), Err(PolicyError::Form("Statement.Condition"))),
        (
            with("Condition", json!({"IpAddress": {"aws:SourceIp": "here"}})),
            Err(PolicyError::Form("Statement.Condition")),
        ),
        (
            with("Condition", json!({"StringEquals": {"aws:UserAgent": "x"}})),
            unsupported("StringEquals aws:UserAgent"),
        ),
        (
            with("Condition", json!({"Bool": {"aws:SecureTransport": "true"}})),
            unsupported("Bool aws:SecureTransport"),
        ),
    ] {
        assert_eq!(decide(&policy, "GET/orders"), expected, "{policy}");
    }
    // A wrong statement counts even where it is about other actions.
    let mut elsewhere = with("Action", json!("s3:GetObject"));
    elsewhere["Statement"][0]["NotResource"] = json!("*");
    assert!(decide(&elsewhere, "GET/orders").is_err());
}
