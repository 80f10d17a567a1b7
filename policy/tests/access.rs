//! Comparisons of two sets of rules, against callers and requests at random.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::net::IpAddr;

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use tollgate_policy::{
    Caller, MethodArn, RoutePattern, RuleSpec, Rules, Verdict,
    access::{Callers, Change, Operation, Reach, Side, Tokens, compare, reach},
};

fn rules(text: &str) -> Rules {
    #[derive(serde::Deserialize)]
    struct File {
        #[serde(default)]
        rule: Vec<RuleSpec>,
    }
    Rules::compile(toml::from_str::<File>(text).unwrap().rule).unwrap()
}

fn side(rules: &Rules) -> Side<'_> {
    Side { rules, issuers: vec![Tokens { issuer: Some("staff"), clients: None }] }
}

/// Each gain as a line, those that are not certain with a `?`.
#[track_caller]
fn gains(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (rules(old), rules(new));
    let shown = |change: &Change| match change.certain {
        true => change.to_string(),
        false => format!("? {change}"),
    };
    compare(&side(&old), &side(&new)).unwrap().iter().map(shown).collect()
}

fn rule(name: &str, rest: &str) -> String {
    format!("[[rule]]\nname = \"{name}\"\n{rest}\n")
}

#[test]
fn a_change_names_the_callers_and_the_route() {
    let everyone = |routes: &str| rule("a", &format!("allow = [{routes}]\neveryone = true"));
    let scope = |scope: &str| rule("s", &format!("allow = [\"GET /a\"]\nany_scope = [{scope}]"));
    let deny = |more: &str| rule("d", &format!("deny = [\"GET /a/x\"]\n{more}"));
    let wide = everyone("\"GET /a/*\"");
    let public = rule("p", "allow = [\"GET /p\"]\nanonymous = true");
    let own = rule("o", "allow = [\"GET /u/{sub}/*\"]\neveryone = true");
    for (old, new, expected) in [
        (everyone("\"GET /a\""), everyone("\"GET /a\""), &[][..]),
        (everyone("\"GET /a\""), everyone("\"GET,PUT /a\""), &["every caller  PUT /a"]),
        (everyone("\"GET /a/*\""), everyone("\"GET /a/b\""), &[]),
        (everyone("\"GET /a/b\""), wide.clone(), &["every caller  GET /a/*"]),
        (scope("\"x\""), scope("\"x\", \"y\""), &["scope:y  GET /a"]),
        (wide.clone(), wide.clone() + &public, &["no credential  GET /p"]),
        (wide.clone() + &public, wide.clone(), &[]),
        (
            wide.clone() + &public + &deny("everyone = true"),
            wide.clone() + &public.replace("/p", "/a/*"),
            &["every caller  GET /a/x", "no credential  GET /a/*"],
        ),
        (scope("\"x\", \"y\""), scope("\"x\""), &[]),
        (scope("\"x\""), everyone("\"GET /a\""), &["every caller  GET /a"]),
        (wide.clone() + &deny("everyone = true"), wide.clone(), &["every caller  GET /a/x"]),
        (
            wide.clone() + &deny("everyone = true"),
            wide.clone() + &deny("any_group = [\"g\"]"),
            &["every caller  GET /a/x"],
        ),
        (
            wide.clone() + &deny("any_group = [\"g\", \"h\"]"),
            wide.clone() + &deny("any_group = [\"g\"]"),
            &["group:h  GET /a/x"],
        ),
        (
            everyone("\"GET /u/*\"") + &own,
            everyone("\"GET /u/*\""),
            &["every caller  GET /u/{sub}/* with dots in what `*` matches"],
        ),
        (
            wide.clone() + &rule("d", "deny = [\"GET /a/{sub}\"]\neveryone = true"),
            wide.clone(),
            &["every caller  GET /a/{sub}", "without a plain `sub`  GET /a/*"],
        ),
        // A claim with the text of another route.
        (
            everyone("\"GET /u/{sub}\"") + &rule("d", "deny = [\"GET /u/me\"]\neveryone = true"),
            everyone("\"GET /u/{sub}\""),
            &["sub=me  GET /u/me"],
        ),
        (
            rule("s", "allow = [\"GET /a\"]\neveryone = true\nstages = [\"dev\"]"),
            rule("s", "allow = [\"GET /a\"]\neveryone = true"),
            &["other stages  GET /a"],
        ),
        (
            rule("s", "allow = [\"GET /a\"]\neveryone = true\nsource_ips = [\"10.0.0.0/8\"]"),
            rule("s", "allow = [\"GET /a\"]\neveryone = true\nsource_ips = [\"10.0.0.0/7\"]"),
            &["from 11.0.0.0, say  GET /a"],
        ),
        (
            rule("s", "allow = [\"GET /a\"]\neveryone = true\nuntil_exp = true"),
            rule("s", "allow = [\"GET /a\"]\neveryone = true"),
            &["after `exp`, from a cache  GET /a"],
        ),
        (
            rule("s", "allow = [\"$connect\"]\nany_scope = [\"a\"]"),
            rule("s", "allow = [\"$connect\", \"$default\"]\nany_scope = [\"a\"]"),
            &["scope:a  $default"],
        ),
        (
            rule("s", "allow = [\"GET /a\"]\nclaims = { tier = [\"gold\"] }"),
            rule("s", "allow = [\"GET /a\"]\nclaims = { tier = [\"gold\", \"iron\"] }"),
            &["tier=iron  GET /a"],
        ),
    ] {
        assert_eq!(gains(&old, &new), expected, "{old}\n->\n{new}");
    }
}

#[test]
fn a_condition_is_an_unknown() {
    let when = |when: &str| rule("w", &format!("allow = [\"GET /a\"]\nwhen = '{when}'"));
    assert_eq!(gains(&when("claims.a > 3"), &when("claims.a > 3")), [""; 0]);
    assert_eq!(
        gains(&when("claims.a > 3"), &when("claims.a > 2")),
        ["? when `claims.a > 2`  GET /a"]
    );
    // Another route does not depend on it.
    let other = rule("x", "allow = [\"GET /b\"]\neveryone = true");
    assert_eq!(gains(&when("claims.a"), &(when("claims.a") + &other)), ["every caller  GET /b"]);
    // A deny that holds less often.
    let deny = |when: &str| {
        let allow = rule("x", "allow = [\"GET /a\"]\neveryone = true");
        allow + &rule("w", &format!("deny = [\"GET /a\"]\nwhen = '{when}'"))
    };
    assert_eq!(
        gains(&deny("claims.a"), &deny("claims.a && claims.b")),
        ["? when `claims.a`  GET /a"]
    );
}

#[test]
fn issuers_and_clients_that_are_new_gain_what_the_rules_allow() {
    let all = rules(&rule("a", "allow = [\"GET /a\"]\neveryone = true"));
    let (web, both) = (["web".to_owned()], ["web".to_owned(), "app".to_owned()]);
    let of = |issuer, clients| Tokens { issuer: Some(issuer), clients };
    let side = |issuers: &[Tokens<'static>]| Side { rules: &all, issuers: issuers.to_vec() };
    let lines = |old: &Side<'_>, new: &Side<'_>| -> Vec<String> {
        compare(old, new).unwrap().iter().map(ToString::to_string).collect()
    };
    let leak = |list: &[String]| -> &'static [String] { Box::leak(list.to_vec().into()) };
    let (web, both) = (leak(&web), leak(&both));
    let narrow = side(&[of("staff", Some(web))]);
    assert_eq!(lines(&narrow, &narrow), [""; 0]);
    assert_eq!(lines(&narrow, &side(&[of("staff", Some(both))])), ["client:app  GET /a"]);
    assert_eq!(lines(&side(&[of("staff", Some(both))]), &narrow), [""; 0]);
    assert_eq!(lines(&narrow, &side(&[of("staff", None)])), ["every caller  GET /a"]);
    let two = side(&[of("staff", Some(web)), of("partner", None)]);
    assert_eq!(lines(&narrow, &two), ["issuer:partner  GET /a"]);
}

#[test]
fn too_many_kinds_of_caller_are_not_compared() {
    let list =
        |name: &str| (0..60).map(|n| format!("\"{name}{n}\"")).collect::<Vec<_>>().join(", ");
    let text = rule(
        "a",
        &format!(
            "allow = [\"GET /a\"]\nany_scope = [{}]\nany_group = [{}]\nclaims = {{ t = [{}] }}",
            list("s"),
            list("g"),
            list("c")
        ),
    );
    let (none, many) = (rules(""), rules(&text));
    assert!(compare(&side(&none), &side(&many)).is_err());
    let paths = "allow = [\"GET /{a}/{b}/{c}/{d}/{e}/{f}/{g}\"]\neveryone = true";
    let many = rules(&rule("a", paths));
    assert!(compare(&side(&none), &side(&many)).unwrap_err().to_string().contains("6 claims"));
}

#[test]
fn an_operation_is_for_nobody_everyone_or_some() {
    let rules = rules(
        &[
            rule("all", "allow = [\"GET /health\", \"GET /orders/*\"]\neveryone = true"),
            rule("own", "allow = [\"GET /users/{sub}\"]\neveryone = true"),
            rule("scope", "allow = [\"POST /orders\"]\nany_scope = [\"orders/write\"]"),
            rule("no", "deny = [\"GET /orders/export\"]\neveryone = true"),
            rule("when", "allow = [\"PUT /orders\"]\nwhen = 'claims.level > 3'"),
        ]
        .concat(),
    );
    let operation = |text: &str| {
        let (methods, path) = text.split_once(' ').unwrap();
        let methods = methods.split(',').map(str::to_owned).collect();
        Operation { methods, path: path.to_owned() }
    };
    for (text, expected) in [
        ("GET /health", "everyone"),
        ("GET /orders/{id}/items", "everyone"),
        ("GET /orders/export", "nobody"),
        ("GET /orders", "nobody"),
        ("GET /orders/{id}", "every caller"),
        ("GET /users/{id}", "every caller"),
        ("GET /users/{id}/x", "nobody"),
        ("POST /orders", "scope:orders/write"),
        ("PUT /orders", "when `claims.level > 3`"),
        ("POST,PUT /orders", "when `claims.level > 3`; scope:orders/write"),
        ("GET /{proxy+}", "every caller"),
    ] {
        let reach = reach(&side(&rules), &[operation(text)]).unwrap();
        assert_eq!(reach[0].anonymous, Reach::Nobody, "{text}");
        let shown = match &reach[0].with_credential {
            Reach::Nobody => "nobody".to_owned(),
            Reach::Everyone => "everyone".to_owned(),
            Reach::Some(changes) => {
                let mut who: Vec<_> = changes.iter().map(|it| it.who.to_string()).collect();
                who.dedup();
                who.join("; ")
            }
        };
        assert_eq!(shown, expected, "{text}");
    }
}

#[test]
fn callers_without_a_credential_are_told_from_the_others() {
    let all = rule("all", "allow = [\"GET /health\", \"GET /x\"]\neveryone = true");
    let public = "allow = [\"GET /health\", \"OPTIONS /*\", \"GET /p/a\"]\nanonymous = true";
    let public = rule("public", public);
    let closed = rule("own", "deny = [\"GET /users/{sub}\"]\neveryone = true");
    let operation = |text: &str| {
        let (methods, path) = text.split_once(' ').unwrap();
        let methods = methods.split(',').map(str::to_owned).collect();
        Operation { methods, path: path.to_owned() }
    };
    let of = |text: &str, operation: &Operation| {
        let rules = rules(text);
        let Callers { with_credential, anonymous } =
            reach(&side(&rules), std::slice::from_ref(operation)).unwrap().remove(0);
        [with_credential, anonymous].map(|reach| match reach {
            Reach::Nobody => "nobody".to_owned(),
            Reach::Everyone => "everyone".to_owned(),
            Reach::Some(changes) => changes.iter().map(ToString::to_string).collect(),
        })
    };
    for (text, expected) in [
        ("GET /health", ["everyone", "everyone"]),
        ("GET /x", ["everyone", "nobody"]),
        ("OPTIONS /x", ["nobody", "everyone"]),
        ("GET,OPTIONS /x", ["every caller  GET /x", "no credential  OPTIONS /x"]),
        ("GET /p/{id}", ["nobody", "no credential  GET /p/{id}"]),
        ("POST /x", ["nobody", "nobody"]),
    ] {
        let operation = operation(text);
        assert_eq!(of(&format!("{all}{public}"), &operation), expected, "{text}");
        // A deny with a claim in its path denies everything to those who have no claims.
        let denied = of(&format!("{all}{public}{closed}"), &operation);
        assert_eq!(denied[1], "nobody", "{text}");
    }
}

const PATHS: [&str; 9] =
    ["/a", "/a/*", "/a/b", "/a/b/*", "/{sub}", "/a/{sub}/*", "/a/{org}", "/*", "/{org}/{sub}/*"];

fn route() -> impl Strategy<Value = RoutePattern> {
    let methods = prop::sample::select(vec!["GET", "PUT", "ANY", "GET,PUT"]);
    let text = (methods, prop::sample::select(PATHS.to_vec()))
        .prop_map(|(method, path)| format!("{method} {path}"));
    prop_oneof![9 => text, 1 => Just("$default".to_owned())].prop_map(|text| text.parse().unwrap())
}

fn some(items: &'static [&'static str]) -> impl Strategy<Value = Option<Vec<String>>> {
    let list = prop::sample::subsequence(items.to_vec(), 1..=items.len());
    prop::option::weighted(0.3, list)
        .prop_map(|list| list.map(|list| list.into_iter().map(str::to_owned).collect()))
}

fn spec() -> impl Strategy<Value = RuleSpec> {
    let routes = || prop::collection::vec(route(), 0..=2);
    let when = prop::option::weighted(
        0.15,
        prop::sample::select(vec!["claims.level > 1", "claims.level > 2", "has(claims.org)"]),
    );
    let names = (some(&["s", "t"]), some(&["s", "t"]), some(&["g", "h"]), some(&["g"]));
    let tokens = (some(&["staff", "partner"]), some(&["web", "app"]));
    let claims = (some(&["b", "x"]), some(&["gold", "iron"]));
    let more = (some(&["prod", "dev"]), some(&["10.0.0.0/8", "10.1.0.0/16", "::1"]), any::<bool>());
    (routes(), routes(), names, tokens, claims, when, more).prop_map(
        |(allow, deny, names, (issuers, clients), (org, tier), when, (stages, ips, until_exp))| {
            let claims = [("org", org), ("tier", tier)];
            let claims = claims.into_iter().filter_map(|(name, it)| Some((name.to_owned(), it?)));
            let claims: std::collections::BTreeMap<_, _> = claims.collect();
            let mut spec = RuleSpec {
                allow,
                any_scope: names.0,
                all_scopes: names.1,
                any_group: names.2,
                all_groups: names.3,
                issuers,
                clients,
                claims: (!claims.is_empty()).then_some(claims),
                when: when.map(str::to_owned),
                stages,
                ..RuleSpec::default()
            };
            if deny.is_empty() {
                (spec.source_ips, spec.until_exp) = (ips, until_exp);
            }
            spec.deny = deny;
            let RuleSpec { any_scope, all_scopes, any_group, all_groups, .. } = &spec;
            let lists =
                [any_scope, all_scopes, any_group, all_groups, &spec.issuers, &spec.clients];
            spec.everyone = lists.iter().all(|list| list.is_none())
                && spec.claims.is_none()
                && spec.when.is_none();
            if spec.allow.is_empty() && spec.deny.is_empty() {
                spec.allow = vec!["GET /a".parse().unwrap()];
            }
            spec
        },
    )
}

fn any_rules() -> impl Strategy<Value = Rules> {
    prop::collection::vec(spec(), 1..=3).prop_map(|mut specs| {
        for (spec, number) in specs.iter_mut().zip(1..) {
            spec.name = format!("rule {number}");
        }
        Rules::compile(specs).unwrap()
    })
}

/// A caller and a request.
#[derive(Debug, Clone)]
struct Call {
    claims: Map<String, Value>,
    issuer: &'static str,
    client: Option<&'static str>,
    scopes: Vec<&'static str>,
    groups: Option<Vec<&'static str>>,
    address: &'static str,
    arn: String,
}

fn call() -> impl Strategy<Value = Call> {
    let value = || {
        prop::sample::select(vec![
            Value::Null,
            json!("b"),
            json!("x"),
            json!("u1"),
            json!(["b"]),
            json!("a b"),
            json!(1),
        ])
    };
    let tier = prop::sample::select(vec![json!(null), json!("gold"), json!(["gold", "iron"])]);
    let level = prop::sample::select(vec![json!(null), json!(1), json!(2), json!(3)]);
    let claims = (value(), value(), tier, level).prop_map(|(sub, org, tier, level)| {
        let claims = [("sub", sub), ("org", org), ("tier", tier), ("level", level)];
        let given = claims.into_iter().filter(|(_, value)| !value.is_null());
        let claims = given.map(|(name, value)| (name.to_owned(), value));
        claims.chain([("exp".to_owned(), json!(2_000_000_000))]).collect()
    });
    let issuer = prop::sample::select(vec!["staff", "partner"]);
    let client = prop::sample::select(vec![None, Some("web"), Some("app"), Some("cli")]);
    let scopes = prop::sample::subsequence(vec!["s", "t", "u"], 0..=3);
    let groups = prop::option::weighted(0.9, prop::sample::subsequence(vec!["g", "h"], 0..=2));
    let address = prop::sample::select(vec!["10.0.0.1", "10.1.0.1", "192.0.2.1", "::1", "::2"]);
    let stage = prop::sample::select(vec!["prod", "dev", "test"]);
    let path = prop::sample::select(vec![
        "GET/a",
        "GET/a/",
        "GET/a/b",
        "PUT/a/b",
        "GET/a/b/c",
        "GET/a/x",
        "GET/a/x/y",
        "GET/u1",
        "GET/b",
        "GET/x",
        "PUT/a/u1/z",
        "GET/a/u1/../x",
        "GET/a/b/..",
        "GET/b/a/u1/..",
        "DELETE/x/b/q",
        "GET/x/b/a..b",
        "GET/",
        "GET/q",
        "$default",
    ]);
    (claims, issuer, client, scopes, groups, address, stage, path).prop_map(
        |(claims, issuer, client, scopes, groups, address, stage, path)| Call {
            claims,
            issuer,
            client,
            scopes,
            groups,
            address,
            arn: format!("arn:aws:execute-api:eu-west-1:123456789012:a1/{stage}/{path}"),
        },
    )
}

impl Call {
    fn is_allowed(&self, rules: &Rules) -> bool {
        let caller = Caller::new(&self.claims)
            .with_issuer(Some(self.issuer))
            .with_client(self.client)
            .with_scopes(self.scopes.iter().copied())
            .with_source_ip(Some(self.address.parse::<IpAddr>().unwrap()));
        let caller = match &self.groups {
            Some(groups) => caller.with_groups(groups.iter().copied()),
            None => caller.with_unclear_groups(),
        };
        let arn = MethodArn::parse(&self.arn).unwrap();
        matches!(rules.evaluate(&caller, &arn).verdict, Verdict::Allowed { .. })
    }

    /// Returns true if a change is about this caller, addresses and conditions aside.
    fn is_of(&self, change: &Change) -> bool {
        let who = &change.who;
        let (_, stage) = self.arn.split_once('/').unwrap();
        let (stage, _) = stage.split_once('/').unwrap();
        let is_here = |it: &String| it == stage || it.is_empty() && stage == "test";
        let has = |claim: &String, value: &String| match self.claims.get(claim) {
            Some(Value::String(own)) => own == value,
            Some(Value::Array(list)) => list.iter().any(|own| own == value),
            _ => false,
        };
        // An unclear group meets a deny as every group does.
        let group = |it: &String| self.groups.as_ref().is_none_or(|own| own.contains(&it.as_str()));
        who.stage.as_ref().is_none_or(is_here)
            && who.issuer.as_ref().is_none_or(|it| it == self.issuer)
            && who.client.as_ref().is_none_or(|it| Some(it.as_str()) == self.client)
            && who.scopes.iter().all(|it| self.scopes.contains(&it.as_str()))
            && who.groups.iter().all(group)
            && who.claims.iter().all(|(claim, values)| values.iter().all(|it| has(claim, it)))
            && !who.after_exp
    }
}

/// A few, because each compares thousands of callers; CASES=1000 is for a change of the comparison.
fn cases() -> u32 {
    std::env::var("CASES").map_or(40, |cases| cases.parse().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// No caller gains a route that the comparison does not report.
    #[test]
    fn no_widening_is_missed(
        old in any_rules(),
        new in any_rules(),
        calls in prop::collection::vec(call(), 60),
    ) {
        let side = |rules| {
            let of = |issuer| Tokens { issuer: Some(issuer), clients: None };
            Side { rules, issuers: vec![of("staff"), of("partner")] }
        };
        let changes = compare(&side(&old), &side(&new)).unwrap();
        for call in &calls {
            if call.is_allowed(&new) && !call.is_allowed(&old) {
                prop_assert!(!changes.is_empty(), "{call:?}");
                let conditional = changes.iter().any(|change| !change.certain);
                prop_assert!(conditional || changes.iter().any(|change| call.is_of(change)),
                    "{call:?}: {changes:#?}");
            }
        }
    }

    /// A certain change is real: the reported caller exists.
    #[test]
    fn equal_rules_differ_nowhere(rules in any_rules()) {
        prop_assert_eq!(compare(&side(&rules), &side(&rules)).unwrap(), []);
    }
}
