//! Callers whose scopes, groups, client or claims cannot be understood.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use serde::Deserialize;
use serde_json::{Map, Value, json};
use tollgate_policy::{
    Caller, MethodArn, RuleSpec, Rules,
    iam::{Outcome, Request, evaluate},
};

const STAGE: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod";

#[derive(Deserialize)]
struct File {
    rule: Vec<RuleSpec>,
}

/// Everyone may call everything, and whoever meets this may also call `GET /only`, not `GET /no`.
fn rules(requirement: &str) -> Rules {
    let file: File = toml::from_str(&format!(
        "[[rule]]\nname = \"open\"\nallow = [\"GET /no\", \"GET /open\"]\neveryone = true\n\
         [[rule]]\nname = \"some\"\nallow = [\"GET /only\"]\ndeny = [\"GET /no\"]\n{requirement}\n"
    ))
    .unwrap();
    Rules::compile(file.rule).unwrap()
}

/// The answer for a route, by the document; the verdict must agree.
fn may(rules: &Rules, caller: &Caller<'_>, path: &str) -> bool {
    let arn = format!("{STAGE}/GET/{path}");
    let parsed = MethodArn::parse(&arn).unwrap();
    let document = rules.evaluate(caller, &parsed).document.unwrap();
    let allowed = evaluate(&document, &Request::new(&arn)) == Outcome::Allow;
    assert_eq!(rules.evaluate(caller, &parsed).verdict.is_authorized(), allowed, "{path}");
    allowed
}

fn claims(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

#[test]
fn what_is_unclear_never_satisfies_an_allow_and_always_triggers_a_deny() {
    let none = Map::new();
    let bare = || Caller::new(&none);
    for (requirement, unclear, says) in [
        ("any_scope = [\"s\"]", bare().with_unclear_scopes(), "scopes cannot be understood"),
        ("all_scopes = [\"s\"]", bare().with_unclear_scopes(), "scopes cannot be understood"),
        ("any_group = [\"g\"]", bare().with_unclear_groups(), "groups cannot be understood"),
        ("all_groups = [\"g\", \"h\"]", bare().with_unclear_groups(), "groups cannot be"),
        ("clients = [\"c\"]", bare().with_unclear_client(), "client cannot be understood"),
    ] {
        let rules = rules(requirement);
        assert!(may(&rules, &bare(), "no"), "{requirement}: without any");
        for (path, allowed) in [("no", false), ("only", false), ("open", true)] {
            assert_eq!(may(&rules, &unclear, path), allowed, "{requirement}: {path}");
        }
        for path in ["no", "only"] {
            let arn = format!("{STAGE}/GET/{path}");
            let shown = rules.explain(&unclear, &MethodArn::parse(&arn).unwrap()).to_string();
            assert!(shown.contains(says), "{shown}");
        }
    }
}

#[test]
fn a_requirement_that_is_surely_not_met_decides_before_an_unclear_one() {
    let token = claims(&json!({ "kind": "machine" }));
    let rules = rules("any_group = [\"g\"]\nclaims = { kind = \"user\" }");
    let caller = Caller::new(&token).with_unclear_groups();
    assert!(may(&rules, &caller, "no") && !may(&rules, &caller, "only"));
}

#[test]
fn a_claim_that_looks_like_a_list_in_a_text_is_unclear() {
    let rules = rules("claims = { tier = [\"banned\", \"a, b\"] }");
    for (tier, only, no) in [
        ("free", false, true),
        ("banned", true, false),
        ("a, b", true, false),
        ("[banned]", false, false),
        ("[free]", false, false),
        ("banned,x", false, false),
        ("x;banned", false, false),
    ] {
        let token = claims(&json!({ "tier": tier }));
        let caller = Caller::new(&token);
        assert_eq!(may(&rules, &caller, "only"), only, "{tier}");
        assert_eq!(may(&rules, &caller, "no"), no, "{tier}");
    }
}

#[test]
fn a_claim_that_the_token_keeps_elsewhere_is_unclear() {
    for (requirement, claim) in [
        ("claims = { tier = \"gold\" }", "tier"),
        ("when = \"has(claims.tier) && claims.tier == 'gold'\"", "tier"),
        ("when = \"'tier' in claims && claims.tier == 'gold'\"", "tier"),
        ("claims = { groups = [\"g\"] }", "groups"),
        ("when = \"has(claims.groups) && 'g' in claims.groups\"", "groups"),
    ] {
        let rules = rules(requirement);
        for token in [
            json!({}),
            json!({ "hasgroups": claim == "tier", "tier": "iron" }),
            json!({ "_claim_names": { "other": "src1" } }),
        ] {
            // A condition on `claims` as a whole reads whatever is elsewhere.
            let whole = requirement.contains("in claims &&");
            if !whole || token == json!({}) {
                let token = claims(&token);
                assert!(may(&rules, &Caller::new(&token), "no"), "{requirement}: {token:?}");
            }
        }
        for token in [
            json!({ "_claim_names": { claim: "src1" }, "_claim_sources": { "src1": {} } }),
            json!({ "_claim_names": { claim: "src1" }, claim: "gold" }),
            json!({ "_claim_sources": { "src1": {} } }),
            json!({ "hasgroups": true, "_claim_names": { claim: "src1" } }),
        ] {
            let token = claims(&token);
            let caller = Caller::new(&token);
            for (path, allowed) in [("no", false), ("only", false), ("open", true)] {
                assert_eq!(may(&rules, &caller, path), allowed, "{requirement}: {token:?}");
            }
        }
    }
}

#[test]
fn a_claim_in_a_path_that_is_kept_elsewhere_is_missing() {
    let file: File = toml::from_str(
        "[[rule]]\nname = \"own\"\nallow = [\"GET /open\", \"GET /{sub}\"]\neveryone = true\n",
    )
    .unwrap();
    let rules = Rules::compile(file.rule).unwrap();
    assert!(rules.fills("sub") && !rules.fills("open"));
    let token = claims(&json!({ "sub": "u1", "_claim_names": { "sub": "src1" } }));
    let caller = Caller::new(&token);
    assert!(may(&rules, &caller, "open") && !may(&rules, &caller, "u1"));
}
