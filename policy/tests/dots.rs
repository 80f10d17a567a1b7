//! Dot segments below a caller's own path: `/users/u1/../u2/x`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may fail loudly, its helpers too")]

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tollgate_policy::{
    Caller, Cell, Code, Holder, MethodArn, Reason, RuleError, RuleSpec, Rules, Verdict,
    iam::{Outcome, Request, evaluate},
};

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod";

/// The endings of the denies below a caller's own path.
const ENDINGS: [&str; 7] = ["/*..*", "/*%2e*", "/*%2E*", "/*/./*", "/./*", "/*/.", "/."];

#[derive(Deserialize)]
struct File {
    rule: Vec<RuleSpec>,
}

fn specs(toml: &str) -> Vec<RuleSpec> {
    toml::from_str::<File>(toml).unwrap().rule
}

/// One rule for everyone that allows these routes.
fn allowing(routes: &str) -> String {
    format!("[[rule]]\nname = \"own\"\nallow = [{routes}]\neveryone = true\n")
}

fn claims(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(claims) => claims,
        other => panic!("{other} is not an object"),
    }
}

fn u1() -> Map<String, Value> {
    claims(json!({ "sub": "u1", "tenant": "t1", "exp": 1_800_000_000 }))
}

/// Returns the document's decision on a call. Verdict and explanation must agree with it.
fn outcome(rules: &Rules, claims: &Map<String, Value>, call: &str) -> Outcome {
    let arn = format!("{STAGE}/{call}");
    let parsed = MethodArn::parse(&arn).unwrap();
    let caller = Caller::new(claims);
    let outcome =
        evaluate(&rules.evaluate(&caller, &parsed).document.unwrap(), &Request::new(&arn));
    let verdict = rules.evaluate(&caller, &parsed).verdict;
    let expected = match verdict {
        Verdict::Allowed { .. } => Outcome::Allow,
        Verdict::Denied { rule: Some(_) } => Outcome::ExplicitDeny,
        Verdict::Denied { rule: None } | Verdict::Conditional { .. } => Outcome::ImplicitDeny,
    };
    assert_eq!(outcome, expected, "{call}: {verdict}");
    let explanation = rules.explain(&caller, &parsed);
    let dots = explanation.rules.iter().any(|s| matches!(s.reason, Reason::DeniesDots { .. }));
    assert_eq!(dots, outcome == Outcome::ExplicitDeny, "{call}: {explanation}");
    outcome
}

fn denied(rules: &Rules, claims: &Map<String, Value>) -> Vec<String> {
    let arn = format!("{STAGE}/GET/x");
    let arn = MethodArn::parse(&arn).unwrap();
    let document = rules.evaluate(&Caller::new(claims), &arn).document.unwrap();
    let stage = format!("{STAGE}/");
    let short = |resource: String| resource.strip_prefix(&stage).unwrap().to_owned();
    document.denied().map(|resource| short(resource.to_string())).collect()
}

/// The denies of one own path, for one method.
fn below(own: &str) -> Vec<String> {
    ENDINGS.iter().map(|ending| format!("{own}{ending}")).collect()
}

#[test]
fn a_path_with_dots_is_denied_however_it_is_spelled() {
    let rules = Rules::compile(specs(&allowing("\"GET /users/{sub}/*\""))).unwrap();
    for rest in [
        "../u2/x",
        "..",
        "../",
        "a/../../u2/x",
        "a/..",
        "%2e%2e/u2/x",
        "%2E%2E/u2/x",
        "%2e%2E/u2/x",
        ".%2e/u2/x",
        "%2e./u2/x",
        "%2E./u2/x",
        "a/%2e%2e%2fu2",
        "..%2fu2%2fx",
        "..;/u2/x",
        "a/..;jsessionid=1/..;/u2/x",
        r"\..\u2\x",
        r"a\..\..\u2",
        "..%5cu2",
        ".",
        "./",
        "./x",
        "a/.",
        "a/./b",
        "a/b/./",
        "%2e",
        // Names that merely hold two dots or an encoded one, since no pattern can tell.
        "a..b",
        "...",
        "v1..v2/diff",
        "a%2eb",
    ] {
        let call = format!("GET/users/u1/{rest}");
        assert_eq!(outcome(&rules, &u1(), &call), Outcome::ExplicitDeny, "{call}");
    }
    for rest in ["", "x", "a.b", ".hidden", "a.", "a/.b/c.", "a%2fb", "%252e", "a/", "//", ";"] {
        let call = format!("GET/users/u1/{rest}");
        assert_eq!(outcome(&rules, &u1(), &call), Outcome::Allow, "{call}");
    }
    let explained = |call: &str| {
        let (claims, arn) = (u1(), format!("{STAGE}/{call}"));
        rules.explain(&Caller::new(&claims), &MethodArn::parse(&arn).unwrap()).to_string()
    };
    let text = explained("GET/users/u1/a..b");
    assert!(text.starts_with("GET /users/u1/a..b: denied by `own`\n"), "{text}");
    assert!(
        text.contains("own  denies dots below `GET /users/{sub}/*`: the path has `..`"),
        "{text}"
    );
}

/// The three readings of one path: as sent, percent-decoded, resolved. API Gateway might put any
/// of them into the ARN, and none may be allowed.
#[test]
fn no_reading_of_a_path_that_leaves_is_allowed() {
    let rules = Rules::compile(specs(&allowing("\"GET /users/{sub}/*\""))).unwrap();
    for readings in [
        ["/users/u1/../u2/x", "/users/u1/../u2/x", "/users/u2/x"],
        ["/users/u1/%2e%2e/u2/x", "/users/u1/../u2/x", "/users/u2/x"],
        ["/users/u1/.%2e/u2/x", "/users/u1/../u2/x", "/users/u2/x"],
        ["/users/u1/%2E./u2/x", "/users/u1/../u2/x", "/users/u2/x"],
        ["/users/u1/a/../../u2", "/users/u1/a/../../u2", "/users/u2"],
        ["/users/u1/a%2f..%2f..%2fu2", "/users/u1/a/../../u2", "/users/u2"],
        ["/x/../users/u2/y", "/x/../users/u2/y", "/users/u2/y"],
    ] {
        for path in readings {
            assert_ne!(outcome(&rules, &u1(), &format!("GET{path}")), Outcome::Allow, "{path}");
        }
    }
}

#[test]
fn denies_stay_below_the_caller_s_path_and_within_the_methods() {
    let rules = Rules::compile(specs(
        &(allowing("\"GET,PATCH /users/{sub}/*\", \"PUT /users/{sub}/v1..v2\"")
            + "[[rule]]\nname = \"rest\"\nallow = [\"ANY /users-u1/*\", \"GET /a/*\", \
               \"GET /users/{sub}\", \"$connect\", \"$default\"]\neveryone = true"),
    ))
    .unwrap();
    let mut expected = [below("GET/users/u1"), below("PATCH/users/u1")].concat();
    expected.sort_unstable();
    assert_eq!(denied(&rules, &u1()), expected);
    for (call, expected) in [
        ("PATCH/users/u1/a..b", Outcome::ExplicitDeny),
        ("PUT/users/u1/v1..v2", Outcome::Allow),
        ("PUT/users/u1/v1..v3", Outcome::ImplicitDeny),
        ("GET/users/u1", Outcome::Allow),
        ("GET/users/u10/a..b", Outcome::ImplicitDeny),
        ("GET/users-u1/a..b", Outcome::Allow),
        ("GET/a/users/u1/a..b", Outcome::Allow),
        ("GET/a/../b", Outcome::Allow),
        ("$connect", Outcome::Allow),
        ("$default", Outcome::Allow),
    ] {
        assert_eq!(outcome(&rules, &u1(), call), expected, "{call}");
    }
}

/// Seven denies for each of seven methods would be 6 KB, so `ANY` has one `*` for all of them.
#[test]
fn the_denies_of_any_method_are_written_once() {
    let rules =
        "\"ANY /users/{sub}/*\", \"ANY /orders/{sub}/*\", \"ANY /carts/{sub}/*\", \"GET /x/*\"";
    let rules = Rules::compile(specs(&allowing(rules))).unwrap();
    let mut expected = [below("*/carts/u1"), below("*/orders/u1"), below("*/users/u1")].concat();
    expected.sort_unstable();
    assert_eq!(denied(&rules, &u1()), expected);
    for (call, expected) in [
        ("DELETE/users/u1/x", Outcome::Allow),
        ("DELETE/users/u1/../u2", Outcome::ExplicitDeny),
        ("OPTIONS/carts/u1/%2e%2e/u2", Outcome::ExplicitDeny),
        ("GET/x/y..z", Outcome::Allow),
        // The `*` for the method takes the start of a path, too.
        ("GET/x/users/u1/a..b", Outcome::ExplicitDeny),
    ] {
        assert_eq!(outcome(&rules, &u1(), call), expected, "{call}");
    }
}

#[test]
fn only_a_claim_before_a_wildcard_brings_denies() {
    for (route, own) in [
        ("GET /{sub}/*", &["GET/u1"][..]),
        ("GET /{tenant}/users/*", &["GET/t1/users"]),
        ("GET /{tenant}/{sub}/*", &["GET/t1/u1"]),
        ("GET,PUT /t/{tenant}/*", &["GET/t/t1", "PUT/t/t1"]),
        ("GET /{sub}", &[]),
        ("GET /{sub}/", &[]),
        ("GET /users/*", &[]),
        ("GET /*", &[]),
        ("$connect", &[]),
        // The claim is missing, so that nothing is granted and nothing has to be limited.
        ("GET /{missing}/*", &[]),
    ] {
        let base = "[[rule]]\nname = \"base\"\nallow = [\"GET /base\"]\neveryone = true\n";
        let toml = format!("{base}{}", allowing(&format!("\"{route}\"")));
        let mut expected: Vec<String> = own.iter().flat_map(|own| below(own)).collect();
        expected.sort_unstable();
        assert_eq!(denied(&Rules::compile(specs(&toml)).unwrap(), &u1()), expected, "{route}");
    }
}

#[test]
fn a_caller_who_is_not_granted_the_route_gets_no_denies() {
    let rule = |requirement: &str| {
        let toml = "[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n\
                    [[rule]]\nname = \"own\"\nallow = [\"GET /users/{sub}/*\"]\n";
        Rules::compile(specs(&format!("{toml}{requirement}"))).unwrap()
    };
    for requirement in ["any_group = [\"g\"]", "claims = { sub = \"u2\" }", "when = \"claims.no\""]
    {
        let rules = rule(requirement);
        assert_eq!(denied(&rules, &u1()), [""; 0], "{requirement}");
        assert_eq!(outcome(&rules, &u1(), "GET/users/u1/a..b"), Outcome::Allow, "{requirement}");
    }
}

/// Wider allows swallow the caller's own route; its denies must stay.
#[test]
fn a_wider_route_does_not_swallow_the_denies() {
    for more in [
        "[[rule]]\nname = \"wide\"\nallow = [\"GET /*\"]\neveryone = true\n",
        "[[rule]]\nname = \"wide\"\nallow = [\"GET /users/*\", \"GET /users/u1/*\"]\neveryone = true\n",
        "[[rule]]\nname = \"wide\"\nallow = [\"GET /{sub}/*\", \"GET /*\"]\neveryone = true\n",
    ] {
        let rules = specs(&format!("{more}{}", allowing("\"GET /users/{sub}/*\"")));
        let rules = Rules::compile(rules).unwrap();
        let found = denied(&rules, &u1());
        for deny in below("GET/users/u1") {
            assert!(found.contains(&deny), "{deny} of {found:?}");
        }
        assert_eq!(outcome(&rules, &u1(), "GET/users/u1/../u2"), Outcome::ExplicitDeny, "{more}");
        assert_eq!(outcome(&rules, &u1(), "GET/users/u1/x"), Outcome::Allow, "{more}");
    }
    // A deny of everything below the path says all that they say.
    let closed = allowing("\"GET /users/{sub}/*\", \"GET /a\"")
        + "[[rule]]\nname = \"z\"\ndeny = [\"GET /users/{sub}/*\"]\neveryone = true\n";
    assert_eq!(denied(&Rules::compile(specs(&closed)).unwrap(), &u1()), ["GET/users/u1/*"]);
}

#[test]
fn allows_with_a_condition_bring_denies_too() {
    for condition in ["source_ips = [\"10.0.0.0/8\"]", "until_exp = true"] {
        let toml = format!("{}{condition}\n", allowing("\"GET /users/{sub}/*\""));
        let rules = Rules::compile(specs(&toml)).unwrap();
        let mut expected = below("GET/users/u1");
        expected.sort_unstable();
        assert_eq!(denied(&rules, &u1()), expected, "{condition}");
        let call = "GET/users/u1/../u2";
        assert_eq!(outcome(&rules, &u1(), call), Outcome::ExplicitDeny, "{condition}");
    }
}

#[test]
fn the_denies_are_counted_when_rules_are_loaded() {
    let shortest = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/s/GET/x";
    let shortest = MethodArn::parse(shortest).unwrap();
    let own = allowing("\"GET,PUT /users/{sub}/*\", \"GET /{sub}/a/*\"");
    let other = "[[rule]]\nname = \"other\"\nallow = [\"GET /o/{sub}/*\"]\neveryone = true\n";
    let x = claims(json!({ "sub": "x" }));
    let size = |toml: &str| {
        let rules = Rules::compile(specs(toml)).unwrap();
        rules.evaluate(&Caller::new(&x), &shortest).document.unwrap().to_json().len()
    };
    let (alone, both) = (size(&own), size(&format!("{own}{other}")));
    let load = |toml: &str, limit| Rules::compile_within(specs(toml), limit).map(|_| ());
    assert_eq!(load(&own, alone), Ok(()));
    let refused = load(&own, alone - 1);
    assert!(matches!(refused, Err(RuleError::LongRule { .. })), "{refused:?}");
    let both_toml = format!("{own}{other}");
    assert_eq!(load(&both_toml, both), Ok(()));
    let refused = load(&both_toml, both - 1);
    assert!(matches!(refused, Err(RuleError::LongTogether { .. })), "{refused:?}");
}

#[test]
fn the_denies_are_counted_by_the_lint() {
    let usual = "arn:aws:execute-api:ap-southeast-2:123456789012:a1b2c3d4e5/production/GET/x";
    let usual = MethodArn::parse(usual).unwrap();
    let toml = allowing("\"GET,PUT /users/{sub}/*\"");
    let uuid = claims(json!({ "sub": "x".repeat(36) }));
    let rules = Rules::compile(specs(&toml)).unwrap();
    let bytes = rules.evaluate(&Caller::new(&uuid), &usual).document.unwrap().to_json().len();
    assert_eq!(rules.greatest_document(), bytes);
    assert_eq!(rules.sizes().collect::<Vec<_>>(), [("own", bytes)]);
    let codes = |limit| {
        let rules = Rules::compile_within(specs(&toml), limit).unwrap();
        rules.lint(&[], &[]).iter().map(|finding| finding.code).collect::<Vec<_>>()
    };
    assert_eq!(codes(bytes), []);
    assert_eq!(codes(bytes - 1), [Code::DocumentSize]);
}

#[test]
fn a_claim_that_leaves_no_room_for_the_denies_grants_nothing() {
    let rules = allowing("\"GET,OPTIONS /{sub}/{tenant}/*\", \"GET /a\"");
    let rules = Rules::compile_within(specs(&rules), 100_000).unwrap();
    let left = 512 - format!("{STAGE}/OPTIONS///*/./*").len();
    for (bytes, fits) in [(left, true), (left + 1, false)] {
        let (sub, tenant) = ("s".repeat(bytes / 2), "t".repeat(bytes - bytes / 2));
        let token = claims(json!({ "sub": sub, "tenant": tenant }));
        let expected = if fits { Outcome::Allow } else { Outcome::ImplicitDeny };
        let own = format!("GET/{sub}/{tenant}");
        assert_eq!(outcome(&rules, &token, &format!("{own}/x")), expected, "{bytes}");
        assert_eq!(outcome(&rules, &token, "GET/a"), Outcome::Allow, "{bytes}");
        let expected = if fits { Outcome::ExplicitDeny } else { Outcome::ImplicitDeny };
        assert_eq!(outcome(&rules, &token, &format!("{own}/./x")), expected, "{bytes}");
    }
    // A route too long for its denies in any API is refused when it is loaded.
    let prefix = "arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/s/GET//x/*/./*".len();
    for (bytes, fits) in [(512 - prefix, true), (513 - prefix, false)] {
        let routes = format!("\"GET /{}/{{sub}}/*\"", "a".repeat(bytes));
        let loaded = Rules::compile(specs(&allowing(&routes)));
        assert_eq!(loaded.is_ok(), fits, "{bytes}");
    }
}

#[test]
fn the_matrix_does_not_promise_what_dots_are_denied_of() {
    let own = "[[rule]]\nname = \"own\"\nallow = [\"GET /users/{sub}/*\"]\neveryone = true\n";
    let wide = "[[rule]]\nname = \"wide\"\nallow = [\"GET /*\"]\neveryone = true\n";
    let (wide_alone, both) = (specs(wide), specs(&format!("{own}{wide}")));
    let (wide_alone, both) = (Rules::compile(wide_alone).unwrap(), Rules::compile(both).unwrap());
    let cell = |rules: &Rules, route: &str| rules.cell(&Holder::Everyone, &route.parse().unwrap());
    for (route, with_own) in [
        ("GET /*", Cell::Partly),
        ("GET /users/u1/*", Cell::Partly),
        ("GET /users/u1/a..b", Cell::Partly),
        ("GET /users/u1/x", Cell::Allowed),
        ("GET /users/u1", Cell::Allowed),
        ("GET /other/a..b", Cell::Allowed),
        ("POST /users/u1/a..b", Cell::Nothing),
    ] {
        let alone = if route.starts_with("POST") { Cell::Nothing } else { Cell::Allowed };
        assert_eq!(cell(&wide_alone, route), alone, "{route}");
        assert_eq!(cell(&both, route), with_own, "{route}");
    }
}
