//! Rules through the public API: what they refuse at load time, whom they apply to, and the exact
//! documents that they become.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tollgate_policy::{Caller, DocumentError, MethodArn, RuleSpec, Rules, Verdict};

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod";

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    rule: Vec<RuleSpec>,
}

fn specs(toml: &str) -> Vec<RuleSpec> {
    toml::from_str::<File>(toml).unwrap().rule
}

fn rules(toml: &str) -> Rules {
    Rules::compile(specs(toml)).unwrap()
}

fn claims(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(claims) => claims,
        other => panic!("{other} is no object"),
    }
}

fn document(rules: &Rules, caller: &Caller<'_>, call: &str) -> Value {
    let arn = format!("{STAGE}/{call}");
    let document = rules.evaluate(caller, &MethodArn::parse(&arn).unwrap()).document.unwrap();
    serde_json::to_value(document).unwrap()
}

fn allowed(rules: &Rules, caller: &Caller<'_>, call: &str) -> bool {
    let arn = format!("{STAGE}/{call}");
    matches!(
        rules.evaluate(caller, &MethodArn::parse(&arn).unwrap()).verdict,
        Verdict::Allowed { .. }
    )
}

#[test]
fn a_document_is_merged_deduplicated_and_sorted() {
    let rules = rules(
        r#"
        [[rule]]
        name = "writers"
        allow = ["POST,GET /orders", "ANY /drafts/*"]
        any_scope = ["write"]

        [[rule]]
        name = "readers"
        allow = ["GET /orders", "GET /orders/*", "$connect"]
        any_scope = ["read"]

        [[rule]]
        name = "no-exports"
        deny = ["GET /orders/export", "GET /a:b//c/"]
        everyone = true
        "#,
    );
    let none = Map::new();
    let caller = Caller::new(&none).with_scopes(["read", "write"]);
    let resources = |suffixes: &[&str]| {
        suffixes.iter().map(|suffix| format!("{STAGE}/{suffix}")).collect::<Vec<_>>()
    };
    assert_eq!(
        document(&rules, &caller, "GET/orders"),
        json!({ "Version": "2012-10-17", "Statement": [
            {
                "Action": "execute-api:Invoke",
                "Effect": "Allow",
                "Resource": resources(&[
                    "$connect",
                    "DELETE/drafts/*",
                    "GET/drafts/*",
                    "GET/orders",
                    "GET/orders/*",
                    "HEAD/drafts/*",
                    "OPTIONS/drafts/*",
                    "PATCH/drafts/*",
                    "POST/drafts/*",
                    "POST/orders",
                    "PUT/drafts/*",
                ]),
            },
            {
                "Action": "execute-api:Invoke",
                "Effect": "Deny",
                "Resource": resources(&["GET/a:b//c/", "GET/orders/export"]),
            },
        ] })
    );
}

#[test]
fn a_caller_without_a_grant_is_denied_the_whole_stage() {
    let rules = rules(
        r#"
        [[rule]]
        name = "readers"
        allow = ["GET /orders"]
        any_scope = ["read"]

        [[rule]]
        name = "no-exports"
        deny = ["GET /export"]
        everyone = true
        "#,
    );
    let deny = json!({ "Version": "2012-10-17", "Statement": [{
        "Action": "execute-api:Invoke", "Effect": "Deny", "Resource": [format!("{STAGE}/*")],
    }] });
    let none = Map::new();
    assert_eq!(document(&rules, &Caller::new(&none), "GET/orders"), deny);
    let empty = Rules::compile(Vec::new()).unwrap();
    assert_eq!(document(&empty, &Caller::new(&none), "$connect"), deny);
    assert!(!allowed(&empty, &Caller::new(&none), "GET/orders"));
}

#[test]
fn a_document_keeps_the_partition_and_stage_of_the_request() {
    let rules = rules("[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true");
    let none = Map::new();
    for stage in [
        "arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3/prod",
        "arn:aws-us-gov:execute-api:us-gov-west-1:123456789012:a1b2c3/$default",
        "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/ESTestInvoke-stage",
    ] {
        // The colons of the path must not move where the resource is cut.
        let asked = format!("{stage}/DELETE/at/10:30:00//x");
        let document =
            rules.evaluate(&Caller::new(&none), &MethodArn::parse(&asked).unwrap()).document;
        let allowed: Vec<_> = document.unwrap().allowed().map(ToString::to_string).collect();
        assert_eq!(allowed, [format!("{stage}/GET/*")]);
    }
}

#[test]
fn every_requirement_must_be_met() {
    let rules = rules(
        r#"
        [[rule]]
        name = "all"
        allow = ["GET /a"]
        any_scope = ["s1", "s2"]
        all_scopes = ["s3", "s4"]
        any_group = ["g1", "g2"]
        all_groups = ["g3", "g4"]
        issuers = ["i1", "i2"]
        clients = ["c1", "c2"]
        claims = { tier = ["gold", "silver"], kind = "machine" }
        stages = ["prod", "test"]
        "#,
    );
    let good = claims(json!({ "tier": "silver", "kind": ["x", "machine"] }));
    let caller = |scopes: &'static str, groups: &'static str, client: &'static str| {
        Caller::new(&good)
            .with_issuer(Some("i2"))
            .with_scopes(scopes.split(' '))
            .with_groups(groups.split(' '))
            .with_client(Some(client))
    };
    assert!(allowed(&rules, &caller("s4 s3 s2", "g3 g4 g1", "c2"), "GET/a"));
    for (lacking, caller) in [
        ("any_scope", caller("s3 s4", "g3 g4 g1", "c2")),
        ("all_scopes", caller("s1 s3", "g3 g4 g1", "c2")),
        ("any_group", caller("s1 s3 s4", "g3 g4", "c2")),
        ("all_groups", caller("s1 s3 s4", "g1 g4", "c2")),
        ("clients", caller("s1 s3 s4", "g3 g4 g1", "c")),
        ("issuers", caller("s1 s3 s4", "g3 g4 g1", "c2").with_issuer(Some("i"))),
        ("an issuer at all", caller("s1 s3 s4", "g3 g4 g1", "c2").with_issuer(None)),
        ("a client at all", caller("s1 s3 s4", "g3 g4 g1", "c2").with_client(None)),
    ] {
        assert!(!allowed(&rules, &caller, "GET/a"), "{lacking}");
    }
    for lacking in [json!({ "tier": "silver" }), json!({ "tier": "iron", "kind": "machine" })] {
        let lacking = claims(lacking);
        let caller = Caller::new(&lacking)
            .with_issuer(Some("i1"))
            .with_scopes(["s1", "s3", "s4"])
            .with_groups(["g1", "g3", "g4"])
            .with_client(Some("c1"));
        assert!(!allowed(&rules, &caller, "GET/a"), "{lacking:?}");
    }
    let met = caller("s4 s3 s2", "g3 g4 g1", "c2");
    for (stage, expected) in [("prod", true), ("test", true), ("dev", false), ("Prod", false)] {
        let arn = format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/{stage}/GET/a");
        let verdict = rules.evaluate(&met, &MethodArn::parse(&arn).unwrap()).verdict;
        assert_eq!(verdict == Verdict::Allowed { rule: "all" }, expected, "{stage}");
    }
}

#[test]
fn a_verdict_names_the_first_rule_by_name() {
    let rules = rules(
        r#"
        [[rule]]
        name = "b"
        allow = ["GET /a", "GET /b"]
        everyone = true

        [[rule]]
        name = "a"
        allow = ["GET /a", "GET /c"]
        everyone = true

        [[rule]]
        name = "z"
        deny = ["GET /c"]
        everyone = true
        "#,
    );
    let none = Map::new();
    for (call, verdict) in [
        ("GET/a", Verdict::Allowed { rule: "a" }),
        ("GET/b", Verdict::Allowed { rule: "b" }),
        ("GET/c", Verdict::Denied { rule: Some("z") }),
        ("GET/d", Verdict::Denied { rule: None }),
        ("$connect", Verdict::Denied { rule: None }),
    ] {
        let arn = format!("{STAGE}/{call}");
        let arn = MethodArn::parse(&arn).unwrap();
        assert_eq!(rules.evaluate(&Caller::new(&none), &arn).verdict, verdict, "{call}");
    }
}

#[test]
fn a_document_over_its_limit_is_an_error() {
    let rule = |name: &str, numbers: std::ops::Range<u32>| {
        let routes: Vec<String> = numbers.map(|n| format!("\"GET /orders/{n:03}\"")).collect();
        let routes = routes.join(",");
        format!("[[rule]]\nname = \"{name}\"\nallow = [{routes}]\nany_scope = [\"{name}\"]\n")
    };
    let toml = [rule("one", 0..75), rule("two", 75..150)].concat();
    let none = Map::new();
    let both = Caller::new(&none).with_scopes(["one", "two"]);
    let arn = format!("{STAGE}/GET/orders/1");
    let arn = MethodArn::parse(&arn).unwrap();
    let refused = rules(&toml).evaluate(&both, &arn).document.unwrap_err();
    assert!(matches!(refused, DocumentError::LongDocument { limit: 8192, .. }), "{refused}");
    let DocumentError::LongDocument { bytes, .. } = refused else { panic!("{refused}") };
    let wider = Rules::compile_within(specs(&toml), bytes).unwrap();
    let document = wider.evaluate(&both, &arn).document.unwrap();
    assert_eq!(serde_json::to_vec(&document).unwrap().len(), bytes);
    // Of one rule alone it is known when it is loaded.
    let refused = Rules::compile(specs(&rule("many", 0..150))).unwrap_err().to_string();
    assert!(refused.contains("rule `many` alone makes a policy of at least 11"), "{refused}");
    assert!(refused.contains("over the limit of 8192: write fewer or wider routes"), "{refused}");
}

#[test]
fn rules_that_everyone_meets_are_measured_together_at_load() {
    let rule = |name: &str, rest: &str| {
        let routes: Vec<String> = (0..20).map(|n| format!("\"GET /{name}/{n}\"")).collect();
        format!("[[rule]]\nname = \"{name}\"\nallow = [{}]\n{rest}\n", routes.join(", "))
    };
    let load = |rules: &[String], limit| Rules::compile_within(specs(&rules.concat()), limit);
    let everyone = |name: &str, stages: &str| rule(name, &format!("everyone = true\n{stages}"));
    let some = |name: &str| rule(name, "any_scope = [\"s\"]");
    let (prod, dev) = ("stages = [\"prod\"]", "stages = [\"dev\", \"test\"]");
    let limit = 2_000;
    for (rules, says) in [
        (vec![everyone("a", "")], None),
        (vec![everyone("a", ""), some("b")], None),
        (vec![everyone("a", prod), everyone("b", dev)], None),
        (
            vec![everyone("a", ""), everyone("bb", "")],
            Some("the rules for everyone together make a policy of at least"),
        ),
        (vec![everyone("a", ""), everyone("bb", dev)], Some("in the stage `dev` together")),
        (vec![everyone("a", prod), everyone("bb", prod)], Some("in the stage `prod` together")),
    ] {
        let refused = load(&rules, limit).err();
        assert_eq!(refused.is_some(), says.is_some(), "{refused:?}");
        if let (Some(refused), Some(says)) = (refused, says) {
            let text = refused.to_string();
            assert!(text.contains(says), "{text}");
            assert!(text.contains("over the limit of 2000, and `bb` most of it"), "{text}");
            assert_eq!(refused.rule(), "bb");
        }
    }
    // Who is refused without being everyone is left to the lint.
    assert!(load(&[some("a"), some("b")], limit).is_ok());
}

#[test]
fn rules_that_can_not_mean_what_they_say_are_refused() {
    let long_name = "n".repeat(65);
    let long_path = "a".repeat(512);
    let cases = [
        ("name = \"\"\nallow = [\"GET /\"]\neveryone = true", "name `` of rule 1 is not"),
        ("name = \"a\\nb\"\nallow = [\"GET /\"]\neveryone = true", "name `a\\nb` of rule 1"),
        (&format!("name = \"{long_name}\"\nallow = [\"GET /\"]"), "is not 1 to 64 bytes"),
        (
            "name = \"r\"\neveryone = true",
            "rule `r` allows and denies nothing: give it `allow` or `deny`",
        ),
        ("name = \"r\"\nallow = []\neveryone = true", "rule `r` allows and denies nothing"),
        ("name = \"r\"\nallow = [\"GET /\"]", "rule `r` requires nothing of the caller"),
        ("name = \"r\"\ndeny = [\"GET /\"]\nstages = [\"prod\"]", "or write `everyone = true`"),
        (
            "name = \"r\"\nallow = [\"GET /\"]\neveryone = true\nany_group = [\"g\"]",
            "rule `r` has both `everyone = true` and `any_group`",
        ),
        (
            "name = \"r\"\nallow = [\"GET /\"]\neveryone = true\nclaims = { a = \"b\" }",
            "both `everyone = true` and `claims`",
        ),
        ("name = \"r\"\nallow = [\"GET /\"]\nany_scope = []", "`any_scope` of rule `r` is empty"),
        ("name = \"r\"\nallow = [\"GET /\"]\nall_scopes = []", "`all_scopes` of rule `r` is empty"),
        ("name = \"r\"\nallow = [\"GET /\"]\nany_group = []", "`any_group` of rule `r` is empty"),
        ("name = \"r\"\nallow = [\"GET /\"]\nall_groups = []", "`all_groups` of rule `r` is empty"),
        ("name = \"r\"\nallow = [\"GET /\"]\nclients = []", "`clients` of rule `r` is empty"),
        ("name = \"r\"\nallow = [\"GET /\"]\nissuers = []", "`issuers` of rule `r` is empty"),
        ("name = \"r\"\nallow = [\"GET /\"]\nclaims = {}", "`claims` of rule `r` is empty"),
        (
            "name = \"r\"\nallow = [\"GET /\"]\nclaims = { a = [] }",
            "`claims.a` of rule `r` is empty",
        ),
        (
            "name = \"r\"\nallow = [\"GET /\"]\neveryone = true\nstages = []",
            "`stages` of rule `r` is empty",
        ),
        (
            "name = \"r\"\nallow = [\"GET /\"]\nclients = [\"\"]",
            "`clients` of rule `r` has an empty",
        ),
        (
            "name = \"r\"\nallow = [\"GET /\"]\nclaims = { a = \"\" }",
            "`claims.a` of rule `r` has an empty",
        ),
        (
            "name = \"r\"\nallow = [\"GET /\"]\nany_scope = [\"a b\"]",
            "scope `a b` of rule `r` has a space",
        ),
        (
            "name = \"r\"\nallow = [\"GET /\"]\neveryone = true\nstages = [\"prod*\"]",
            "invalid stage name `prod*` in rule `r`",
        ),
        (
            &format!("name = \"r\"\ndeny = [\"GET /{long_path}\"]\neveryone = true"),
            "of rule `r` makes a resource of at least 572 bytes, over IAM's 512",
        ),
    ];
    for (rule, says) in cases {
        let refused = Rules::compile(specs(&format!("[[rule]]\n{rule}"))).unwrap_err().to_string();
        assert!(refused.contains(says), "{rule}: {refused}");
    }
    let twice = "[[rule]]\nname = \"r\"\nallow = [\"GET /\"]\neveryone = true\n".repeat(2);
    let refused = Rules::compile(specs(&twice)).unwrap_err().to_string();
    assert_eq!(refused, "duplicate rule name `r`: give each rule a different name");
}

/// Rules for callers with and without a credential.
mod anonymous {
    use serde_json::{Map, json};
    use tollgate_policy::{Caller, Cell, Code, Holder, MethodArn, RuleSpec, Rules, Verdict};

    const RULES: &str = r#"
        [[rule]]
        name = "public"
        allow = ["GET /health", "OPTIONS /*", "GET /internal/*", "GET /banned"]
        anonymous = true

        [[rule]]
        name = "members"
        allow = ["GET /orders"]
        everyone = true

        [[rule]]
        name = "nobody"
        deny = ["ANY /internal/*"]
        everyone = true

        [[rule]]
        name = "unless verified"
        deny = ["GET /banned"]
        when = "!claims.verified"
    "#;

    fn specs(text: &str) -> Vec<RuleSpec> {
        #[derive(serde::Deserialize)]
        struct File {
            rule: Vec<RuleSpec>,
        }
        toml::from_str::<File>(text).unwrap().rule
    }

    fn verdict<'r>(rules: &'r Rules, caller: &Caller<'_>, target: &str) -> Verdict<'r> {
        let arn = format!("arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/{target}");
        rules.evaluate(caller, &MethodArn::parse(&arn).unwrap()).verdict
    }

    #[test]
    fn an_anonymous_rule_is_for_requests_without_a_credential_alone() {
        let rules = Rules::compile(specs(RULES)).unwrap();
        assert!(rules.has_anonymous());
        let claims = Map::new();
        let (signed_in, nobody) = (Caller::new(&claims), Caller::anonymous());
        let public = Verdict::Allowed { rule: "public" };
        let members = Verdict::Allowed { rule: "members" };
        let silent = Verdict::Denied { rule: None };
        for (target, without, with) in [
            ("GET/health", public, silent),
            ("OPTIONS/orders", public, silent),
            ("GET/orders", silent, members),
            // A deny for everyone also denies those who have no credential.
            (
                "GET/internal/x",
                Verdict::Denied { rule: Some("nobody") },
                Verdict::Denied { rule: Some("nobody") },
            ),
            // A rule denies a value that it cannot judge.
            (
                "GET/banned",
                Verdict::Denied { rule: Some("unless verified") },
                Verdict::Denied { rule: Some("unless verified") },
            ),
        ] {
            assert_eq!(verdict(&rules, &nobody, target), without, "{target}");
            assert_eq!(verdict(&rules, &signed_in, target), with, "{target}");
        }
        let claims = json!({"verified": true});
        let verified = Caller::new(claims.as_object().unwrap());
        assert_eq!(verdict(&rules, &verified, "GET/banned"), silent);
    }

    #[test]
    fn an_anonymous_rule_asks_for_nothing_that_a_credential_has() {
        for more in [
            "everyone = true",
            "any_scope = [\"a\"]",
            "issuers = [\"a\"]",
            "claims = { a = \"b\" }",
            "when = \"claims.a\"",
            "until_exp = true",
        ] {
            let text =
                format!("[[rule]]\nname=\"r\"\nallow=[\"GET /x\"]\nanonymous = true\n{more}");
            let error = Rules::compile(specs(&text)).unwrap_err();
            assert_eq!(error.place().0, "anonymous", "{more}: {error}");
        }
        let text = "[[rule]]\nname=\"r\"\nallow=[\"GET /users/{sub}\"]\nanonymous = true";
        assert!(Rules::compile(specs(text)).is_err());
        let text = "[[rule]]\nname=\"r\"\nallow=[\"GET /x\"]\nanonymous = true\n\
                    stages = [\"prod\"]\nsource_ips = [\"192.0.2.0/24\"]";
        let rules = Rules::compile(specs(text)).unwrap();
        let from = |ip: &str| Caller::anonymous().with_source_ip(Some(ip.parse().unwrap()));
        let allowed = Verdict::Allowed { rule: "r" };
        assert_eq!(verdict(&rules, &from("192.0.2.1"), "GET/x"), allowed);
        assert_eq!(verdict(&rules, &from("198.51.100.1"), "GET/x"), Verdict::Denied { rule: None });
    }

    #[test]
    fn a_public_route_that_signed_in_callers_cannot_reach_is_reported() {
        let found = |text: &str| {
            let rules = Rules::compile(specs(text)).unwrap();
            let findings = rules.lint(&[], &[]).into_iter();
            let public = findings.filter(|it| it.code == Code::PublicRoute);
            public.map(|it| it.text).collect::<Vec<_>>()
        };
        assert_eq!(found(RULES).len(), 3, "{:?}", found(RULES));
        assert!(found(RULES).iter().all(|text| !text.contains("OPTIONS")));
        let both = format!(
            "{RULES}\n[[rule]]\nname = \"all\"\neveryone = true\n\
             allow = [\"GET /health\", \"GET /internal/*\"]"
        );
        assert_eq!(
            found(&both),
            [
                "`GET /banned` is for callers without a credential alone, and no rule with `everyone` \
              allows it to those with one"
            ]
        );
    }

    #[test]
    fn the_matrix_has_a_column_for_them_where_a_rule_is_for_them() {
        let rules = Rules::compile(specs(RULES)).unwrap();
        let cell = |holder: &Holder, route: &str| rules.cell(holder, &route.parse().unwrap());
        assert!(rules.matrix().holders.contains(&Holder::Anonymous));
        assert_eq!(cell(&Holder::Anonymous, "GET /health"), Cell::Allowed);
        assert_eq!(cell(&Holder::Anonymous, "GET /orders"), Cell::Nothing);
        assert_eq!(cell(&Holder::Anonymous, "GET /internal/x"), Cell::Denied);
        assert_eq!(cell(&Holder::Everyone, "GET /health"), Cell::Nothing);
        assert_eq!(cell(&Holder::Everyone, "GET /orders"), Cell::Allowed);
        let others = Rules::compile(specs(&RULES.replace("anonymous = true", "everyone = true")));
        assert!(!others.unwrap().matrix().holders.contains(&Holder::Anonymous));
    }
}
