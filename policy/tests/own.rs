//! A caller's own resources, and what is refused rather than guessed.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tollgate_policy::{
    Caller, MethodArn, RuleSpec, Rules, Verdict,
    iam::{Outcome, Request, evaluate},
};

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod";

#[derive(Deserialize)]
struct File {
    rule: Vec<RuleSpec>,
}

fn compile(toml: &str) -> Result<Rules, String> {
    let file: File = toml::from_str(toml).map_err(|error| error.to_string())?;
    Rules::compile(file.rule).map_err(|error| error.to_string())
}

fn rules(toml: &str) -> Rules {
    compile(toml).unwrap()
}

fn claims(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(claims) => claims,
        other => panic!("{other} is no object"),
    }
}

/// Returns the document's decision, which must agree with the verdict.
fn outcome(rules: &Rules, claims: &Map<String, Value>, call: &str) -> Outcome {
    let arn = format!("{STAGE}/{call}");
    let arn = MethodArn::parse(&arn).unwrap();
    let caller = Caller::new(claims);
    let document = rules.evaluate(&caller, &arn).document.unwrap();
    let outcome = evaluate(&document, &Request::new(&arn.to_string()));
    assert_eq!(
        rules.evaluate(&caller, &arn).verdict.is_authorized(),
        outcome == Outcome::Allow,
        "{call}"
    );
    outcome
}

const OWN: &str = r#"
    [[rule]]
    name = "own"
    allow = ["GET,PUT /users/{sub}", "GET /users/{sub}/*", "GET /tenants/{custom:tenant}/*"]
    everyone = true

    [[rule]]
    name = "catalogue"
    allow = ["GET /catalogue"]
    everyone = true
"#;

#[test]
fn a_caller_has_its_own_resources_alone() {
    let rules = rules(OWN);
    let claims = claims(json!({ "sub": "u-1", "custom:tenant": "t:1" }));
    for (call, expected) in [
        ("GET/users/u-1", Outcome::Allow),
        ("PUT/users/u-1", Outcome::Allow),
        ("DELETE/users/u-1", Outcome::ImplicitDeny),
        ("GET/users/u-1/a/b", Outcome::Allow),
        ("PUT/users/u-1/a", Outcome::ImplicitDeny),
        ("GET/users/u-10", Outcome::ImplicitDeny),
        ("GET/users/u-2", Outcome::ImplicitDeny),
        ("GET/users/u-1/../u-2", Outcome::ExplicitDeny),
        ("GET/users/{sub}", Outcome::ImplicitDeny),
        ("GET/tenants/t:1/x", Outcome::Allow),
        ("GET/tenants/t:2/x", Outcome::ImplicitDeny),
        ("GET/catalogue", Outcome::Allow),
    ] {
        assert_eq!(outcome(&rules, &claims, call), expected, "{call}");
    }
}

#[test]
fn a_claim_that_can_not_stand_in_a_path_grants_nothing() {
    let rules = rules(OWN);
    for sub in [
        json!("*"),
        json!("u-?"),
        json!("${aws:userid}"),
        json!("u/1"),
        json!("u\u{0}"),
        json!(""),
        json!(".."),
        json!(7),
        json!(["u-1"]),
        json!(null),
    ] {
        let claims = claims(json!({ "sub": sub, "custom:tenant": "t1" }));
        let written = sub.as_str().unwrap_or("u-1");
        if !written.contains('\u{0}') {
            let call = format!("GET/users/{written}");
            assert_eq!(outcome(&rules, &claims, &call), Outcome::ImplicitDeny, "{sub}");
        }
        assert_eq!(outcome(&rules, &claims, "GET/users/u-1"), Outcome::ImplicitDeny, "{sub}");
        // That route alone: the others are granted as ever.
        assert_eq!(outcome(&rules, &claims, "GET/tenants/t1/x"), Outcome::Allow, "{sub}");
        assert_eq!(outcome(&rules, &claims, "GET/catalogue"), Outcome::Allow, "{sub}");
    }
}

#[test]
fn a_deny_that_can_not_be_written_denies_everything() {
    let rules = rules(
        r#"
        [[rule]]
        name = "all"
        allow = ["GET /*"]
        everyone = true

        [[rule]]
        name = "not-your-own-invoice"
        deny = ["GET /approve/{sub}"]
        everyone = true
        "#,
    );
    let good = claims(json!({ "sub": "u1" }));
    assert_eq!(outcome(&rules, &good, "GET/approve/u1"), Outcome::ExplicitDeny);
    assert_eq!(outcome(&rules, &good, "GET/approve/u2"), Outcome::Allow);
    for bad in [json!({ "sub": "*" }), json!({ "sub": "u?" }), json!({ "sub": 1 }), json!({})] {
        let bad = claims(bad);
        for call in ["GET/approve/u1", "GET/anything", "$connect"] {
            assert_eq!(outcome(&rules, &bad, call), Outcome::ExplicitDeny, "{bad:?} {call}");
        }
        let arn = format!("{STAGE}/GET/anything");
        let verdict = rules.evaluate(&Caller::new(&bad), &MethodArn::parse(&arn).unwrap()).verdict;
        assert_eq!(verdict, Verdict::Denied { rule: Some("not-your-own-invoice") });
    }
}

#[test]
fn a_condition_that_can_not_be_said_allows_nothing_and_denies() {
    let rules = rules(
        r#"
        [[rule]]
        name = "verified"
        allow = ["GET /a"]
        when = "claims.email_verified"

        [[rule]]
        name = "base"
        allow = ["GET /b", "GET /c"]
        everyone = true

        [[rule]]
        name = "suspended"
        deny = ["GET /c"]
        when = "claims.suspended == true"
        "#,
    );
    for (token, a, b, c) in [
        (json!({ "email_verified": true, "suspended": false }), true, true, true),
        (json!({ "email_verified": false, "suspended": true }), false, true, false),
        (json!({ "email_verified": "true", "suspended": "no" }), false, true, true),
        (json!({}), false, true, false),
    ] {
        let token = claims(token);
        let allowed = |call| outcome(&rules, &token, call) == Outcome::Allow;
        assert_eq!((allowed("GET/a"), allowed("GET/b"), allowed("GET/c")), (a, b, c), "{token:?}");
    }
}

#[test]
fn a_claim_of_a_form_that_is_not_understood_allows_nothing_and_denies() {
    let rules = rules(
        r#"
        [[rule]]
        name = "gold"
        allow = ["GET /a"]
        claims = { tier = "gold" }

        [[rule]]
        name = "base"
        allow = ["GET /b", "GET /c"]
        everyone = true

        [[rule]]
        name = "banned"
        deny = ["GET /c"]
        claims = { tier = ["banned", "gone"], kind = "user" }
        "#,
    );
    let odd = || [json!(1), json!(true), json!(null), json!({}), json!(["gold", 1])];
    let odd = odd().into_iter().map(|tier| (json!({ "tier": tier, "kind": "user" }), false, false));
    for (token, a, c) in odd.chain([
        (json!({ "tier": "gold", "kind": "user" }), true, true),
        (json!({ "tier": ["x", "banned"], "kind": "user" }), false, false),
        (json!({ "tier": "banned", "kind": 1 }), false, false),
        (json!({ "tier": 1, "kind": 1 }), false, false),
        // Another requirement is surely not met, whatever this claim means.
        (json!({ "tier": 1, "kind": "machine" }), false, true),
        (json!({ "tier": 1 }), false, true),
        (json!({}), false, true),
    ]) {
        let token = claims(token);
        let allowed = |call| outcome(&rules, &token, call) == Outcome::Allow;
        assert_eq!(
            (allowed("GET/a"), allowed("GET/b"), allowed("GET/c")),
            (a, true, c),
            "{token:?}"
        );
    }
    let token = claims(json!({ "tier": 1, "kind": "user" }));
    let said = |call: &str| {
        let arn = format!("{STAGE}/{call}");
        rules.explain(&Caller::new(&token), &MethodArn::parse(&arn).unwrap()).to_string()
    };
    let says = "the claim `tier` is neither a string nor a list of strings";
    assert!(
        said("GET/a").contains(&format!("does not allow `GET /a`: {says}")),
        "{}",
        said("GET/a")
    );
    assert!(said("GET/c").contains(&format!("denies `GET /c`: {says}")), "{}", said("GET/c"));
}

#[test]
fn conditions_go_into_the_policy() {
    let rules = rules(
        r#"
        [[rule]]
        name = "office"
        allow = ["GET /a", "GET /both"]
        everyone = true
        source_ips = ["192.0.2.0/24", "10.0.0.0/8"]

        [[rule]]
        name = "short"
        allow = ["GET /b", "GET /both"]
        everyone = true
        until_exp = true

        [[rule]]
        name = "free"
        allow = ["GET /c"]
        everyone = true
        "#,
    );
    let token = claims(json!({ "exp": 1_795_300_000 }));
    let arn = |call: &str| format!("{STAGE}/{call}");
    let asked = arn("GET/a");
    let asked = MethodArn::parse(&asked).unwrap();
    let document = rules.evaluate(&Caller::new(&token), &asked).document.unwrap();
    let (inside, outside) = ("10.9.9.9".parse().unwrap(), "198.51.100.1".parse().unwrap());
    for (call, source, time, expected) in [
        ("GET/a", Some(inside), None, true),
        ("GET/a", Some(outside), None, false),
        ("GET/a", None, None, false),
        ("GET/b", None, Some(1_795_299_999), true),
        ("GET/b", None, Some(1_795_300_000), false),
        ("GET/b", None, None, false),
        ("GET/both", Some(outside), Some(1), true),
        ("GET/both", Some(inside), Some(i64::MAX), true),
        ("GET/both", Some(outside), Some(i64::MAX), false),
        ("GET/c", None, None, true),
    ] {
        let arn = arn(call);
        let request = Request::new(&arn);
        let request = source.map_or(request, |source| request.from(source));
        let request = time.map_or(request, |time| request.at(time));
        let allowed = evaluate(&document, &request) == Outcome::Allow;
        assert_eq!(allowed, expected, "{call} {source:?} {time:?}");
    }
    // The verdict knows an address, or that it does not.
    let verdict = |call: &str, source| {
        let arn = arn(call);
        let caller = Caller::new(&token).with_source_ip(source);
        let verdict = rules.evaluate(&caller, &MethodArn::parse(&arn).unwrap()).verdict;
        verdict.to_string()
    };
    assert_eq!(verdict("GET/a", Some(inside)), "allowed by `office`");
    assert_eq!(verdict("GET/a", Some(outside)), "denied: no rule allows it");
    assert_eq!(verdict("GET/a", None), "allowed by `office` from its addresses alone");
    assert_eq!(verdict("GET/both", None), "allowed by `short`");
    // Without a time to tell, an Allow until that time is not made.
    for odd in [json!({}), json!({ "exp": "1795300000" }), json!({ "exp": -1 })] {
        let odd = claims(odd);
        let json = rules.evaluate(&Caller::new(&odd), &asked).document.unwrap().to_json();
        assert!(!json.contains("GET/b\""), "{json}");
        assert!(!json.contains("DateLessThan"), "{json}");
    }
}

#[test]
fn loading_names_the_rule_the_text_and_the_mend() {
    let rule = |line: &str| format!("[[rule]]\nname = \"r\"\neveryone = true\n{line}");
    let long = format!("allow = [\"GET /{}/{{sub}}\"]", "a".repeat(455));
    let allow = "allow = [\"GET /a\"]\n";
    for (line, says) in [
        (
            "allow = [\"GET /u-{sub}\"]",
            "route `GET /u-{sub}` must hold the name of a claim, as a whole segment",
        ),
        ("allow = [\"GET /{}\"]", "write `/users/{sub}`"),
        (&long, "makes a resource of at least 517 bytes, over IAM's 512: shorten it"),
        (
            &format!("{allow}source_ips = [\"10.0.0.1/8\"]"),
            "source `10.0.0.1/8` of rule `r` is not a block of addresses: set the bits",
        ),
        (&format!("{allow}source_ips = [\"home\"]"), "write an address or a block"),
        (&format!("{allow}source_ips = []"), "`source_ips` of rule `r` is empty"),
        (
            &format!("{allow}deny = [\"GET /b\"]\nsource_ips = [\"10.0.0.0/8\"]"),
            "rule `r` has both `deny` and `source_ips`",
        ),
        (
            &format!("{allow}deny = [\"GET /b\"]\nuntil_exp = true"),
            "rule `r` has both `deny` and `until_exp`: if API Gateway",
        ),
        (
            &format!("{allow}when = \"claims.a\""),
            "rule `r` has both `everyone = true` and `when`: remove one of the two",
        ),
        (&format!("{allow}unheard_of = 1"), "unknown field `unheard_of`"),
    ] {
        let refused = compile(&rule(line)).unwrap_err();
        assert!(refused.contains(says), "{line}: {refused}");
    }
    let refused = compile("[[rule]]\nname = \"r\"\nallow = [\"GET /a\"]\nwhen = \"sub == 'a'\"");
    assert_eq!(
        refused.unwrap_err(),
        "condition `sub == 'a'` of rule `r` has the unknown name `sub`: write `claims.sub`, or put \
         a text in quotes"
    );
}

#[test]
fn a_claim_that_makes_a_resource_too_long_grants_nothing_and_denies_all() {
    let (rules, denying) = (
        rules(
            "[[rule]]\nname = \"r\"\nallow = [\"GET,OPTIONS /{sub}/{t}\", \"GET /a\"]\neveryone = true",
        ),
        rules(
            "[[rule]]\nname = \"r\"\nallow = [\"GET /a\"]\ndeny = [\"GET,OPTIONS /{sub}/{t}\"]\n\
             everyone = true",
        ),
    );
    // As long as a resource may be, for the longer verb.
    let left = 512 - format!("{STAGE}/OPTIONS//").len();
    for (bytes, fits) in [(left, true), (left + 1, false)] {
        let (sub, t) = ("s".repeat(bytes / 2), "t".repeat(bytes - bytes / 2));
        let token = claims(json!({ "sub": sub, "t": t }));
        let own = format!("GET/{sub}/{t}");
        let expected = if fits { Outcome::Allow } else { Outcome::ImplicitDeny };
        assert_eq!(outcome(&rules, &token, &own), expected, "{bytes}");
        assert_eq!(outcome(&rules, &token, "GET/a"), Outcome::Allow, "{bytes}");
        let expected = if fits { Outcome::Allow } else { Outcome::ExplicitDeny };
        assert_eq!(outcome(&denying, &token, "GET/a"), expected, "{bytes}");
        let arn = format!("{STAGE}/GET/a");
        let arn = MethodArn::parse(&arn).unwrap();
        let explained = denying.explain(&Caller::new(&token), &arn).to_string();
        assert_eq!(explained.contains("denies everything: the claim `sub`"), !fits, "{explained}");
        assert!(!explained.contains("sss"));
    }
}

#[test]
fn an_error_never_tells_a_claim() {
    let toml = "[[rule]]\nname = \"r\"\nallow = [\"GET /{sub}/{sub}/\"]\neveryone = true";
    let rules = rules(toml);
    let secret = |bytes: usize| claims(json!({ "sub": "s".repeat(bytes) }));
    let claims = secret(256);
    let arn = format!("{STAGE}/GET/a");
    let arn = MethodArn::parse(&arn).unwrap();
    let document = rules.evaluate(&Caller::new(&claims), &arn).document.unwrap();
    assert_eq!(document.allowed().count(), 0, "over 512 bytes");
    // Longer than any name there is: that route is not granted.
    let longer = secret(257);
    let document = rules.evaluate(&Caller::new(&longer), &arn).document.unwrap();
    assert_eq!(document.allowed().count(), 0);
    let fits = secret(200);
    let document = rules.evaluate(&Caller::new(&fits), &arn).document.unwrap();
    assert_eq!(document.allowed().count(), 1);
    assert!(!format!("{document:?}").contains("sss"), "{document:?}");
    let explained = rules.explain(&Caller::new(&claims), &arn);
    assert!(!format!("{explained} {explained:?}").contains("sss"));
}

/// The rules that the guide shows make the policy that it says.
#[test]
fn the_guide_is_right() {
    let guide = include_str!("../RULES.md");
    let section = guide.split("## A caller's own resources\n").nth(1).unwrap();
    let toml = section.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let rules = rules(toml);
    let claims = claims(json!({ "sub": "u1", "level": 3 }));
    let caller = Caller::new(&claims).with_groups(["support"]);
    let arn = format!("{STAGE}/GET/anything");
    let document = rules.evaluate(&caller, &MethodArn::parse(&arn).unwrap()).document.unwrap();
    let short = |resource: String| resource.replace(STAGE, "…/prod");
    let allowed: Vec<String> = document.allowed().map(|r| short(r.to_string())).collect();
    assert!(section.contains(&format!("Allow  {}\n", allowed.join("  "))), "{allowed:?}");
    let denied: Vec<String> = document.denied().map(|r| short(r.to_string())).collect();
    assert!(section.contains(&format!("Deny   {}  ", denied[..2].join("  "))), "{denied:?}");
    let below: Vec<&String> = denied.iter().filter(|deny| deny.contains("/users/u1/")).collect();
    assert_eq!(below.len(), 7, "{denied:?}");
    let shown: Vec<&str> = section.split_whitespace().collect();
    assert!(below.iter().all(|deny| shown.contains(&deny.as_str())), "{below:?}");
}

#[test]
fn an_unconditioned_allow_covers_a_conditioned_one() {
    let rules = rules(
        "[[rule]]\nname = \"a\"\nallow = [\"GET /x/*\"]\neveryone = true\n\
         [[rule]]\nname = \"b\"\nallow = [\"GET /x/y\"]\neveryone = true\nsource_ips = [\"10.0.0.0/8\"]",
    );
    let none = Map::new();
    let arn = format!("{STAGE}/GET/x");
    let document =
        rules.evaluate(&Caller::new(&none), &MethodArn::parse(&arn).unwrap()).document.unwrap();
    assert!(!document.to_json().contains("Condition"), "{}", document.to_json());
}

#[test]
fn the_rest_is_denied_where_it_is_asked_for() {
    let toml =
        "[[rule]]\nname = \"r\"\nallow = [\"GET /a\"]\ndeny = [\"GET /a/b\"]\neveryone = true";
    let open = rules(toml);
    let closed = open.clone().denying_rest().unwrap();
    let token = claims(json!({}));
    assert_eq!(outcome(&open, &token, "GET/z"), Outcome::ImplicitDeny);
    assert_eq!(outcome(&closed, &token, "GET/z"), Outcome::ExplicitDeny);
    assert_eq!(outcome(&closed, &token, "GET/a"), Outcome::Allow);
    let arn = format!("{STAGE}/GET/z");
    let document =
        closed.evaluate(&Caller::new(&token), &MethodArn::parse(&arn).unwrap()).document.unwrap();
    assert_eq!(
        serde_json::to_value(&document).unwrap()["Statement"][2],
        json!({
            "Action": "execute-api:Invoke", "Effect": "Deny",
            "NotResource": [format!("{STAGE}/GET/a")],
        })
    );
    assert_eq!((document.allowed().count(), document.denied().count()), (1, 1));
    // A condition that does not hold would be silence again.
    let dated = "[[rule]]\nname = \"r\"\nallow = [\"GET /a\"]\nuntil_exp = true\neveryone = true";
    let refused = rules(dated).denying_rest().unwrap_err().to_string();
    assert!(refused.starts_with("rule `r` has `until_exp`"), "{refused}");
    // It is measured with the rest in it.
    let bytes = document.to_json().len();
    let file: File = toml::from_str(toml).unwrap();
    let tight = Rules::compile_within(file.rule, bytes - 100).unwrap();
    assert!(tight.denying_rest().unwrap_err().to_string().contains("alone makes a policy"));
}

#[test]
fn a_policy_with_a_variable_is_not_read() {
    let policy = r#"{"Version": "2012-10-17", "Statement": {"Action": "*", "Effect": "Allow",
        "Resource": "arn:aws:execute-api:*:*:*/prod/GET/${aws:userid}"}}"#;
    assert!(serde_json::from_str::<tollgate_policy::iam::Policy>(policy).is_err());
}
