//! Reports for operators: explanations, the matrix, the lint's findings.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tollgate_policy::{
    Caller, Cell, Code, Holder, MethodArn, Reason, Requirement, RuleSpec, Rules, Severity,
};

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod";

#[derive(Deserialize)]
struct File {
    rule: Vec<RuleSpec>,
}

fn rules(toml: &str) -> Rules {
    Rules::compile(toml::from_str::<File>(toml).unwrap().rule).unwrap()
}

fn claims(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(claims) => claims,
        other => panic!("{other} is no object"),
    }
}

const SHOP: &str = r#"
    [[rule]]
    name = "readers"
    allow = ["GET /orders", "GET /orders/*"]
    any_scope = ["read"]

    [[rule]]
    name = "own"
    allow = ["GET /users/{sub}/*"]
    everyone = true

    [[rule]]
    name = "adults"
    allow = ["POST /orders"]
    when = "claims.age >= 18"

    [[rule]]
    name = "office"
    allow = ["DELETE /orders/*"]
    all_groups = ["staff"]
    source_ips = ["10.0.0.0/8"]

    [[rule]]
    name = "no-exports"
    deny = ["GET /orders/export"]
    everyone = true

    [[rule]]
    name = "short"
    allow = ["PATCH /orders"]
    clients = ["web"]
    claims = { tier = "gold" }
    stages = ["prod"]
    until_exp = true
"#;

#[test]
fn explains_each_rule() {
    let rules = rules(SHOP);
    let token = claims(json!({ "sub": "u1", "age": 17 }));
    let staff = Caller::new(&token).with_scopes(["read"]).with_groups(["staff"]);
    let elsewhere = staff.clone().with_source_ip("192.0.2.1".parse().ok());
    let web = staff.clone().with_client(Some("web"));
    let gold = claims(json!({ "tier": "gold", "sub": "*" }));
    let gold = Caller::new(&gold).with_client(Some("web"));
    let bare = Map::new();
    let bare = Caller::new(&bare);
    for (caller, call, rule, says) in [
        (&staff, "GET/orders/1", "readers", "allows `GET /orders/*`"),
        (
            &bare,
            "GET/orders/1",
            "readers",
            "`GET /orders/*` is not for this caller: no scope of `any_scope`",
        ),
        (&staff, "GET/other", "readers", "no route matches"),
        (&staff, "GET/users/u1/x", "own", "allows `GET /users/{sub}/*`"),
        (&staff, "GET/users/u2/x", "own", "no route matches"),
        (
            &gold,
            "GET/users/u2/x",
            "own",
            "does not allow `GET /users/{sub}/*`: the claim `sub` is missing or can't stand in a path",
        ),
        (
            &staff,
            "POST/orders",
            "adults",
            "`POST /orders` is not for this caller: `when` does not hold",
        ),
        (
            &bare,
            "POST/orders",
            "adults",
            "does not allow `POST /orders`: `when` does not give true or false for this caller: a claim in it is missing, of another type, or kept elsewhere",
        ),
        (&staff, "DELETE/orders/1", "office", "allows `DELETE /orders/*` from 10.0.0.0/8"),
        (
            &elsewhere,
            "DELETE/orders/1",
            "office",
            "does not allow `DELETE /orders/*`: the address is not in `source_ips`",
        ),
        (
            &bare,
            "DELETE/orders/1",
            "office",
            "`DELETE /orders/*` is not for this caller: a group of `all_groups` is missing",
        ),
        (&staff, "GET/orders/export", "no-exports", "denies `GET /orders/export`"),
        (
            &bare,
            "PATCH/orders",
            "short",
            "`PATCH /orders` is not for this caller: the client is not in `clients`",
        ),
        (
            &web,
            "PATCH/orders",
            "short",
            "`PATCH /orders` is not for this caller: the claim `tier` has no value of `claims`",
        ),
        (
            &gold,
            "PATCH/orders",
            "short",
            "does not allow `PATCH /orders`: the token has no usable `exp`",
        ),
    ] {
        let arn = format!("{STAGE}/{call}");
        let explanation = rules.explain(caller, &MethodArn::parse(&arn).unwrap());
        let said = explanation.rules.iter().find(|said| said.rule == rule).unwrap();
        assert_eq!(said.reason.to_string(), says, "{call}");
    }
}

#[test]
fn explains_denies_that_close() {
    let rules = rules(
        r#"
        [[rule]]
        name = "a"
        deny = ["GET /x/{sub}"]
        any_group = ["g"]

        [[rule]]
        name = "b"
        deny = ["GET /x"]
        when = "claims.bad"
        "#,
    );
    let none = Map::new();
    let arn = format!("{STAGE}/GET/x");
    let arn = MethodArn::parse(&arn).unwrap();
    let said = |caller: &Caller<'_>| {
        let explanation = rules.explain(caller, &arn);
        let reasons: Vec<String> =
            explanation.rules.iter().map(|said| said.reason.to_string()).collect();
        reasons
    };
    assert_eq!(
        said(&Caller::new(&none).with_groups(["g"])),
        [
            "denies everything: the claim `sub` is missing or can't stand in the path of its deny \
             `GET /x/{sub}`",
            "denies `GET /x`: `when` does not give true or false for this caller: a claim in it is missing, of another type, or kept elsewhere",
        ]
    );
    let fine = claims(json!({ "sub": "u", "bad": false }));
    assert_eq!(
        said(&Caller::new(&fine)),
        ["no route matches", "`GET /x` is not for this caller: `when` does not hold"]
    );
}

#[test]
fn explains_by_the_route_that_decides() {
    let rules = rules(
        r#"
        [[rule]]
        name = "either"
        allow = ["GET /x/{sub}", "GET /x/a"]
        everyone = true

        [[rule]]
        name = "kept"
        deny = ["GET /y/{sub}"]
        any_group = ["g"]

        [[rule]]
        name = "office"
        allow = ["GET /z"]
        everyone = true
        source_ips = ["10.0.0.0/8"]
        until_exp = true
        "#,
    );
    let none = Map::new();
    let lasting = claims(json!({ "exp": 1_800_000_000 }));
    let outside = |claims| Caller::new(claims).with_source_ip("192.0.2.1".parse().ok());
    let address = "does not allow `GET /z`: the address is not in `source_ips`";
    for (caller, call, rule, says) in [
        (outside(&none), "GET/x/a", "either", "allows `GET /x/a`"),
        (outside(&none), "GET/other", "either", "no route matches"),
        (outside(&none), "POST/x/b", "either", "no route matches"),
        (outside(&none), "GET/y/a", "kept", "no route matches"),
        (outside(&lasting), "GET/z", "office", address),
        (
            outside(&none),
            "GET/z",
            "office",
            "does not allow `GET /z`: the token has no usable `exp`",
        ),
    ] {
        let arn = format!("{STAGE}/{call}");
        let explanation = rules.explain(&caller, &MethodArn::parse(&arn).unwrap());
        let said = explanation.rules.iter().find(|said| said.rule == rule).unwrap();
        assert_eq!(said.reason.to_string(), says, "{call}");
    }
}

#[test]
fn an_explanation_is_a_table_and_json() {
    let rules = rules(SHOP);
    let none = Map::new();
    let caller = Caller::new(&none).with_scopes(["read"]);
    let arn = format!("{STAGE}/GET/orders/export");
    let explanation = rules.explain(&caller, &MethodArn::parse(&arn).unwrap());
    insta::assert_snapshot!(explanation.to_string());
    insta::assert_json_snapshot!(explanation);
    let unmet = rules.explain(&Caller::new(&none), &MethodArn::parse(&arn).unwrap());
    let readers = unmet.rules.iter().find(|said| said.rule == "readers").unwrap();
    let Reason::Unmet { requirement, .. } = &readers.reason else { panic!("{readers:?}") };
    assert_eq!(*requirement, Requirement::AnyScope);
}

#[test]
fn a_matrix_is_a_table_and_json() {
    let rules = rules(SHOP);
    let matrix = rules.matrix();
    insta::assert_snapshot!(matrix.to_string());
    insta::assert_json_snapshot!(matrix);
    for (holder, route, expected) in [
        (Holder::Scope("read".to_owned()), "GET /orders", Cell::Allowed),
        (Holder::Scope("read".to_owned()), "GET,HEAD /orders", Cell::Partly),
        (Holder::Scope("read".to_owned()), "GET /orders/1", Cell::Allowed),
        (Holder::Scope("read".to_owned()), "GET /orders/*", Cell::Partly),
        (Holder::Scope("read".to_owned()), "GET /orders/export", Cell::Denied),
        (Holder::Scope("other".to_owned()), "GET /orders", Cell::Nothing),
        (Holder::Everyone, "GET /orders", Cell::Nothing),
        (Holder::Everyone, "GET /users/{sub}/*", Cell::Partly),
        (Holder::Everyone, "POST /orders", Cell::Partly),
        (Holder::Group("staff".to_owned()), "DELETE /orders/1", Cell::Partly),
        (Holder::Group("staff".to_owned()), "DELETE /other", Cell::Nothing),
    ] {
        assert_eq!(rules.cell(&holder, &route.parse().unwrap()), expected, "{holder} {route}");
    }
}

/// The codes and rules found, notes after warnings.
fn found(toml: &str) -> Vec<(Code, String)> {
    let findings = rules(toml).lint(&[], &[]);
    findings.into_iter().map(|f| (f.code, f.rule.unwrap_or_default())).collect()
}

#[test]
fn lint_finds_each_mistake() {
    let rule = |name: &str, rest: &str| format!("[[rule]]\nname = \"{name}\"\n{rest}\n");
    let all = "everyone = true";
    for (toml, expected) in [
        (rule("a", &format!("allow = [\"GET /orders\", \"POST /a/b\"]\n{all}")), &[][..]),
        (rule("a", &format!("allow = [\"GET /users/{{sub}}/*\"]\n{all}")), &[]),
        (rule("a", &format!("allow = [\"GET /user/*\"]\n{all}")), &[(Code::WidePath, "a")]),
        (rule("a", &format!("allow = [\"GET /*\"]\n{all}")), &[(Code::WidePath, "a")]),
        (rule("a", &format!("allow = [\"ANY /x\"]\n{all}")), &[(Code::AnyMethod, "a")]),
        (rule("a", &format!("allow = [\"$connect\"]\n{all}")), &[]),
        (rule("a", &format!("allow = [\"$default\"]\n{all}")), &[(Code::WidePath, "a")]),
        (rule("a", &format!("deny = [\"ANY /x/*\"]\n{all}")), &[]),
        (
            rule("a", "allow = [\"GET /x\"]\nclients = [\"c\"]\nclaims = { client_id = \"d\" }"),
            &[(Code::NeverApplies, "a")],
        ),
        (rule("a", "allow = [\"GET /x\"]\nclients = [\"c\"]\nclaims = { client_id = \"c\" }"), &[]),
        (rule("a", "allow = [\"GET /x\"]\nwhen = \"1 == 2\""), &[(Code::NeverApplies, "a")]),
        (rule("a", "allow = [\"GET /x\"]\nwhen = \"1 == 1\""), &[]),
        (
            rule("a", "allow = [\"GET /x\"]\nany_scope = [\"s\"]")
                + &rule("b", &format!("deny = [\"GET,PUT /x\"]\n{all}")),
            &[(Code::Shadowed, "a")],
        ),
        (
            rule("a", &format!("allow = [\"GET /x\"]\n{all}"))
                + &rule("b", "deny = [\"GET /x\"]\nany_group = [\"g\"]"),
            &[(Code::Contradiction, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nany_scope = [\"s\", \"t\"]")
                + &rule("b", "deny = [\"GET /x\"]\nany_scope = [\"s\"]"),
            &[(Code::Contradiction, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nany_scope = [\"s\"]")
                + &rule("b", "deny = [\"GET /x\"]\nany_scope = [\"s\", \"t\"]"),
            &[(Code::Shadowed, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nall_groups = [\"s\", \"t\"]")
                + &rule("b", "deny = [\"GET /x\"]\nall_groups = [\"s\"]"),
            &[(Code::Shadowed, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nall_groups = [\"s\"]")
                + &rule("b", "deny = [\"GET /x\"]\nall_groups = [\"s\", \"t\"]"),
            &[(Code::Contradiction, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nwhen = \"claims.sub == 'a'\"")
                + &rule("b", "deny = [\"GET /x\"]\nwhen = \"claims.sub == 'b'\""),
            &[(Code::Contradiction, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nclients = [\"c\"]\nwhen = \"claims.sub == 'a'\"")
                + &rule("b", "deny = [\"GET /x\"]\nwhen = \"claims.sub == 'a'\""),
            &[(Code::Shadowed, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nstages = [\"dev\"]\neveryone = true")
                + &rule("b", "deny = [\"GET /x\"]\nstages = [\"prod\"]\neveryone = true"),
            &[],
        ),
        (
            rule("a", "allow = [\"GET /u/{sub}/*\"]\neveryone = true")
                + &rule("b", "deny = [\"GET /u/root/x\"]\neveryone = true"),
            &[(Code::EscapableDeny, "b")],
        ),
        (
            rule("a", &format!("allow = [\"GET /x\", \"GET,PUT /x\"]\n{all}")),
            &[(Code::Redundant, "a")],
        ),
        (
            rule("a", &format!("allow = [\"GET /x\"]\n{all}"))
                + &rule("b", &format!("allow = [\"GET /x\"]\n{all}")),
            &[(Code::Redundant, "b")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nany_group = [\"g\"]")
                + &rule("b", &format!("allow = [\"GET /x\"]\n{all}")),
            &[(Code::Redundant, "a")],
        ),
        (
            rule("a", &format!("deny = [\"GET /x/*\", \"GET /x/y\"]\n{all}")),
            &[(Code::Redundant, "a")],
        ),
        (rule("a", &format!("allow = [\"GET /u/{{email}}\"]\n{all}")), &[(Code::ChosenClaim, "a")]),
        (
            rule("a", &format!("allow = [\"GET /u/{{custom:t}}\"]\n{all}")),
            &[(Code::ChosenClaim, "a")],
        ),
        (
            rule("a", &format!("allow = [\"GET /u/{{username}}\"]\n{all}")),
            &[(Code::ChosenClaim, "a")],
        ),
        (
            rule("a", &format!("allow = [\"GET /u/{{tid}}\", \"GET /c/{{client_id}}\"]\n{all}")),
            &[(Code::UnknownClaim, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nclaims = { nickname = \"root\" }"),
            &[(Code::ChosenClaim, "a")],
        ),
        (
            rule("a", "allow = [\"GET /x\"]\nwhen = \"claims['custom:admin'] == 'yes'\""),
            &[(Code::ChosenClaim, "a")],
        ),
        (rule("a", "allow = [\"GET /x\"]\nwhen = \"claims.username == 'root'\""), &[]),
        (rule("a", &format!("deny = [\"GET /x/{{sub}}\"]\n{all}")), &[(Code::ClosingDeny, "a")]),
        (
            rule("a", &format!("allow = [\"GET /x\"]\n{all}\nsource_ips = [\"10.0.0.0/8\"]")),
            &[(Code::UntriedCondition, "a")],
        ),
        (
            rule("a", &format!("allow = [\"GET /x\"]\n{all}\nuntil_exp = true")),
            &[(Code::UntriedCondition, "a")],
        ),
    ] {
        let expected: Vec<_> = expected.iter().map(|(c, r)| (*c, (*r).to_owned())).collect();
        assert_eq!(found(&toml), expected, "{toml}");
    }
}

#[test]
fn lint_tells_of_a_document_that_may_be_too_long() {
    let rule = |name: &str, numbers: std::ops::Range<u32>| {
        let routes: Vec<String> = numbers.map(|n| format!("\"GET /orders/{n:03}\"")).collect();
        let routes = routes.join(",");
        format!("[[rule]]\nname = \"{name}\"\nallow = [{routes}]\nany_scope = [\"{name}\"]\n")
    };
    let rules = rules(&[rule("one", 0..75), rule("two", 75..150)].concat());
    let findings = rules.lint(&[], &[]);
    assert_eq!(findings.len(), 1);
    assert_eq!((findings[0].code, findings[0].severity), (Code::DocumentSize, Severity::Warning));
    let expected = format!(
        "warning document-size: a caller who meets every rule gets a policy of about {} bytes, \
         over the limit of 8192, and is refused; write fewer or wider routes, or make sure that \
         no caller meets every rule",
        rules.greatest_document()
    );
    assert_eq!(findings[0].to_string(), expected);
}

#[test]
fn a_finding_is_a_line_and_json() {
    let rules = rules(SHOP);
    let lines: Vec<String> = rules.lint(&[], &[]).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"));
    insta::assert_json_snapshot!(rules.lint(&[], &[]).first());
    for finding in rules.lint(&[], &[]) {
        let code = serde_json::to_value(finding.code).unwrap();
        assert_eq!(code, finding.code.to_string(), "a code reads the same everywhere");
    }
}
