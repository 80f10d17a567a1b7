//! The lint's finer points: what is *not* found, and what is found once.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly")]

use serde::Deserialize;
use tollgate_policy::{Code, RuleSpec, Rules, Severity, lint_claim};

#[derive(Deserialize)]
struct File {
    rule: Vec<RuleSpec>,
}

fn specs(rules: &[(&str, &str)]) -> Vec<RuleSpec> {
    let rule = |(name, rest): &(&str, &str)| format!("[[rule]]\nname = \"{name}\"\n{rest}\n");
    toml::from_str::<File>(&rules.iter().map(rule).collect::<String>()).unwrap().rule
}

fn found(rules: &[(&str, &str)]) -> Vec<(Code, String)> {
    let findings = Rules::compile(specs(rules)).unwrap().lint(&[], &[]);
    findings.into_iter().map(|f| (f.code, f.rule.unwrap_or_default())).collect()
}

#[test]
fn a_deny_of_what_a_claim_may_be_is_no_hole_in_everything_below() {
    // `/u/{sub}` has one more segment and no other spelling: nothing escapes but by its claim.
    let rules = [
        ("a", "allow = [\"GET /u/{sub}\"]\neveryone = true"),
        ("b", "deny = [\"GET /u/root\"]\neveryone = true"),
    ];
    assert_eq!(found(&rules), [(Code::Contradiction, "a".to_owned())]);
}

#[test]
fn rules_whose_callers_never_meet_do_not_contradict() {
    let deny = |client: &str| format!("deny = [\"GET /x\"]\nclients = [\"{client}\"]");
    let allow = ("a", "allow = [\"GET /x\"]\nclients = [\"c\", \"d\"]");
    assert_eq!(found(&[allow, ("b", &deny("e"))]), []);
    assert_eq!(found(&[allow, ("b", &deny("d"))]), [(Code::Contradiction, "a".to_owned())]);
}

#[test]
fn an_allow_from_some_addresses_says_nothing_that_one_from_all_does_not() {
    let all = "allow = [\"GET /x\"]\neveryone = true";
    let office = "allow = [\"GET /x\"]\neveryone = true\nsource_ips = [\"10.0.0.0/8\"]";
    let home = "allow = [\"GET /x\"]\neveryone = true\nsource_ips = [\"192.0.2.0/24\"]";
    let untried = |rule: &str| (Code::UntriedCondition, rule.to_owned());
    let redundant = |rule: &str| (Code::Redundant, rule.to_owned());
    assert_eq!(found(&[("a", all), ("b", office)]), [redundant("b"), untried("b")]);
    assert_eq!(found(&[("a", office), ("b", all)]), [redundant("a"), untried("a")]);
    assert_eq!(
        found(&[("a", office), ("b", office)]),
        [untried("a"), redundant("b"), untried("b")]
    );
    assert_eq!(found(&[("a", office), ("b", home)]), [untried("a"), untried("b")]);
}

fn among(issuers: &[&str], rule: &str) -> Vec<Code> {
    let findings = Rules::compile(specs(&[("a", rule)])).unwrap().lint(issuers, &[]);
    findings.into_iter().map(|finding| finding.code).collect()
}

#[test]
fn a_rule_that_several_issuers_can_meet_must_say_whose_tokens_may() {
    let allow = "allow = [\"GET /x\"]";
    for (rule, is_found) in [
        (format!("{allow}\nany_scope = [\"s\"]"), true),
        (format!("{allow}\nall_groups = [\"g\"]"), true),
        (format!("{allow}\nclients = [\"c\"]"), true),
        ("allow = [\"GET /x/{sub}\"]\neveryone = true".to_owned(), true),
        (format!("{allow}\neveryone = true\nstages = [\"prod\"]"), false),
        (format!("{allow}\nany_scope = [\"s\"]\nissuers = [\"i1\"]"), false),
        (format!("{allow}\nissuers = [\"i1\", \"i2\"]"), false),
        ("deny = [\"GET /x\"]\nany_scope = [\"s\"]".to_owned(), false),
    ] {
        let expected = if is_found { vec![Code::AnyIssuer] } else { Vec::new() };
        assert_eq!(among(&["i1", "i2"], &rule), expected, "{rule}");
        assert_eq!(among(&["i1"], &rule), [], "one issuer alone: {rule}");
        assert_eq!(among(&[], &rule), [], "of whom nothing is known: {rule}");
    }
}

#[test]
fn a_pattern_that_matches_inside_a_longer_text_is_found() {
    let of = |pattern: &str| {
        let when = format!("allow = [\"GET /x\"]\nwhen = '''claims.sub.matches(\"{pattern}\")'''");
        let found = found(&[("a", &when)]);
        found.into_iter().filter(|(code, _)| *code == Code::UnanchoredMatch).count()
    };
    for loose in ["admin", "^admin", "admin$", "^admin|root$", "^a|(b)$", "^admin\\\\$"] {
        assert_eq!(of(loose), 1, "{loose}");
    }
    for tight in ["^admin$", "^(admin|root)$", "^a\\\\|b$"] {
        assert_eq!(of(tight), 0, "{tight}");
    }
    // A deny that matches more is the safe one.
    let deny = ("a", "deny = [\"GET /x\"]\nwhen = \"claims.sub.matches('admin')\"");
    assert!(found(&[deny]).iter().all(|(code, _)| *code != Code::UnanchoredMatch));
}

#[test]
fn preflights_without_a_credential_may_be_on_every_path() {
    let rule = |methods: &str, who: &str| {
        let rule = format!("allow = [\"{methods} /*\"]\n{who} = true");
        found(&[("a", &rule)]).iter().any(|(code, _)| *code == Code::WidePath)
    };
    assert!(!rule("OPTIONS", "anonymous"));
    assert!(rule("OPTIONS", "everyone") && rule("GET,OPTIONS", "anonymous"));
}

#[test]
fn a_deny_by_a_claim_says_that_it_closes_public_routes() {
    let public = ("p", "allow = [\"GET /p\"]\nanonymous = true");
    let allow = ("q", "allow = [\"GET /p\"]\neveryone = true");
    let deny = |rest: &str| format!("deny = [\"GET /u/{{sub}}\"]\n{rest}");
    let closes = |rules: &[(&str, &str)]| {
        let findings = Rules::compile(specs(rules)).unwrap().lint(&[], &[]);
        let mut closing = findings.into_iter().filter(|it| it.code == Code::ClosingDeny);
        closing.next().unwrap().text.contains("every caller without a credential")
    };
    let everyone = deny("everyone = true");
    assert!(closes(&[public, allow, ("d", &everyone)]));
    assert!(!closes(&[allow, ("d", &everyone)]));
    assert!(!closes(&[public, allow, ("d", &deny("any_scope = [\"s\"]"))]));
}

#[test]
fn a_deny_of_paths_does_not_reach_the_default_route() {
    let allow = ("a", "allow = [\"$default\"]\neveryone = true");
    let wide = (Code::WidePath, "a".to_owned());
    let escapes = (Code::EscapableDeny, "b".to_owned());
    for (rest, is_found) in [
        ("deny = [\"ANY /admin/*\"]\neveryone = true", true),
        ("deny = [\"GET /admin\"]\nany_scope = [\"s\"]", true),
        ("deny = [\"$connect\"]\neveryone = true", false),
    ] {
        let findings = found(&[allow, ("b", rest)]);
        assert_eq!(findings.contains(&escapes), is_found, "{rest}: {findings:?}");
        assert!(findings.contains(&wide), "{findings:?}");
    }
    let prod = ("a", "allow = [\"$default\"]\neveryone = true\nstages = [\"prod\"]");
    let dev = ("b", "deny = [\"GET /x\"]\neveryone = true\nstages = [\"dev\"]");
    assert!(!found(&[prod, dev]).contains(&escapes), "they never meet");
}

#[test]
fn rules_of_different_issuers_do_not_contradict() {
    let deny = |issuer: &str| format!("deny = [\"GET /x\"]\nissuers = [\"{issuer}\"]");
    let allow = ("a", "allow = [\"GET /x\"]\nissuers = [\"i\", \"j\"]");
    assert_eq!(found(&[allow, ("b", &deny("k"))]), []);
    assert_eq!(found(&[allow, ("b", &deny("i"))]), [(Code::Contradiction, "a".to_owned())]);
}

#[test]
fn the_same_thing_is_found_once() {
    let findings = found(&[("a", "allow = [\"GET /a/*\", \"GET /a/*\"]\neveryone = true")]);
    assert_eq!(findings, [(Code::WidePath, "a".to_owned()), (Code::Redundant, "a".to_owned())]);
}

#[test]
fn a_device_s_claims_are_its_issuer_s() {
    let rule = ("a", "allow = [\"GET /d/{dev:id}\"]\neveryone = true");
    assert_eq!(found(&[rule]), []);
}

#[test]
fn each_rule_has_its_size() {
    let one = ("b", "allow = [\"GET /b\", \"GET /u/{sub}\"]\neveryone = true");
    let alone = Rules::compile(specs(&[one])).unwrap();
    assert_eq!(alone.sizes().collect::<Vec<_>>(), [("b", alone.greatest_document())]);
    let both = specs(&[one, ("a", "allow = [\"GET /a\"]\nany_scope = [\"s\"]")]);
    let both = Rules::compile(both).unwrap();
    let sizes: Vec<_> = both.sizes().collect();
    assert_eq!(sizes.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(sizes[1].1, alone.greatest_document(), "whatever rules are beside it");
    assert!(sizes.iter().all(|(_, bytes)| *bytes < both.greatest_document()));
}

#[test]
fn a_document_of_just_the_limit_is_no_finding() {
    let rules = || specs(&[("a", "allow = [\"GET /a\", \"GET /b\"]\neveryone = true")]);
    let bytes = Rules::compile(rules()).unwrap().greatest_document();
    assert_eq!(Rules::compile_within(rules(), bytes).unwrap().lint(&[], &[]), []);
    let over = Rules::compile_within(rules(), bytes - 1).unwrap().lint(&[], &[]);
    assert_eq!(over.iter().map(|f| f.code).collect::<Vec<_>>(), [Code::DocumentSize]);
}

#[test]
fn a_route_with_a_dot_segment_is_found() {
    let dot = |rule: &str| (Code::DotSegment, rule.to_owned());
    for (route, is_found) in [
        ("/a/../b", true),
        ("/a/.", true),
        ("/a/%2e%2E/b", true),
        ("/./a", true),
        ("/users/{sub}/../x", true),
        ("/a/.b", false),
        ("/a..b", false),
        ("/...", false),
        ("/{a..b}", false),
    ] {
        for routes in ["allow", "deny"] {
            let rule = format!("{routes} = [\"GET {route}\"]\neveryone = true");
            let findings = found(&[("a", &rule)]);
            assert_eq!(findings.contains(&dot("a")), is_found, "{rule}: {findings:?}");
        }
    }
}

#[test]
fn an_allow_that_another_s_dot_denies_close_is_found() {
    let own = ("own", "allow = [\"GET /users/{sub}/*\"]\neveryone = true");
    let denied = (Code::Contradiction, "b".to_owned());
    for (routes, is_found) in [
        ("\"GET /users/{sub}/a..b\"", true),
        ("\"GET /users/u1/v1%2e2\"", true),
        ("\"GET /users/{sub}/a.b\"", false),
        ("\"POST /users/{sub}/a..b\"", false),
        ("\"GET /users/{sub}/files/*\"", false),
        ("\"GET /teams/{sub}/a..b\"", false),
        ("\"$default\"", false),
    ] {
        let rule = format!("allow = [{routes}]\neveryone = true");
        let findings = found(&[("b", &rule), own]);
        assert_eq!(findings.contains(&denied), is_found, "{routes}: {findings:?}");
    }
    let (prod, dev) = ("stages = [\"prod\"]", "stages = [\"dev\"]");
    let own = format!("{}\n{prod}", own.1);
    let other = format!("allow = [\"GET /users/{{sub}}/a..b\"]\neveryone = true\n{dev}");
    assert!(!found(&[("b", &other), ("own", &own)]).contains(&denied), "they never meet");
}

#[test]
fn a_wide_path_names_the_dots_where_they_are_not_denied() {
    let text = |route: &str| {
        let rule = format!("allow = [\"GET {route}\"]\neveryone = true");
        let findings = Rules::compile(specs(&[("a", &rule)])).unwrap().lint(&[], &[]);
        findings.iter().find(|f| f.code == Code::WidePath).map(|f| f.text.clone())
    };
    let dots = "may resolve the `..` of `GET /files/../x`";
    assert!(text("/files/*").unwrap().contains(dots), "{:?}", text("/files/*"));
    assert!(!text("/users/{sub}/files/*").unwrap().contains(".."));
    assert_eq!(text("/users/{sub}/*"), None);
}

#[test]
fn a_claim_outside_the_rules_is_judged_as_one_within() {
    for (claim, code) in [
        ("sub", None),
        ("client_id", None),
        ("cognito:groups", None),
        ("dev:plan", None),
        ("email", Some((Code::ChosenClaim, Severity::Warning))),
        ("name", Some((Code::ChosenClaim, Severity::Warning))),
        ("custom:plan", Some((Code::ChosenClaim, Severity::Warning))),
        ("custom:my.plan", Some((Code::ChosenClaim, Severity::Warning))),
        ("username", Some((Code::ChosenClaim, Severity::Note))),
        ("plan", Some((Code::UnknownClaim, Severity::Note))),
        ("realm_access.roles", Some((Code::DottedClaim, Severity::Warning))),
        ("https://app.example/roles", Some((Code::UnknownClaim, Severity::Note))),
    ] {
        let finding = lint_claim("`subject`", claim, "use `sub`");
        assert_eq!(finding.as_ref().map(|f| (f.code, f.severity)), code, "{claim}");
        let Some(finding) = finding else { continue };
        assert_eq!(finding.rule, None);
        let starts = format!("`subject` trusts `{claim}`, ");
        assert!(finding.text.starts_with(&starts), "{}", finding.text);
        assert_eq!(finding.mend == "use `sub`", finding.code != Code::DottedClaim, "{claim}");
        // The same claim in a rule's path gets the same words.
        let rule = format!("allow = [\"GET /u/{{{claim}}}\"]\neveryone = true");
        if !claim.contains('/') {
            let within = Rules::compile(specs(&[("a", &rule)])).unwrap().lint(&[], &[claim]);
            let why = finding.text.split_once(", ").unwrap().1;
            assert!(within.iter().any(|f| f.code == finding.code && f.text.ends_with(why)));
        }
    }
}

#[test]
fn a_claim_with_a_dot_in_a_rule_is_found() {
    let dotted = (Code::DottedClaim, "a".to_owned());
    for (rule, is_found) in [
        ("allow = [\"GET /x\"]\nclaims = { \"realm_access.roles\" = \"admin\" }", true),
        ("deny = [\"GET /x\"]\nclaims = { \"realm_access.roles\" = \"banned\" }", true),
        ("allow = [\"GET /x/{a.b}\"]\neveryone = true", true),
        ("allow = [\"GET /x\"]\nwhen = \"claims['realm_access.roles'] == 'a'\"", true),
        ("allow = [\"GET /x\"]\nwhen = \"claims.realm_access.roles == 'a'\"", false),
        ("allow = [\"GET /x\"]\nclaims = { \"https://a.example/roles\" = \"admin\" }", false),
    ] {
        assert_eq!(found(&[("a", rule)]).contains(&dotted), is_found, "{rule}");
    }
}

#[test]
fn a_path_parameter_is_found_where_no_claim_has_its_name() {
    let findings = |rules: &[(&str, &str)], claims: &[&str]| {
        let findings = Rules::compile(specs(rules)).unwrap().lint(&[], claims);
        let found = findings.into_iter().filter(|finding| finding.code == Code::PathParameter);
        found.map(|finding| finding.to_string()).collect::<Vec<_>>()
    };
    let of = |route: &str| format!("allow = [\"GET {route}\"]\neveryone = true");
    let rule = of("/orders/{id}/items");
    assert_eq!(
        findings(&[("readers", &rule)], &[]),
        [
            "warning path-parameter in `readers`: `{id}` in `GET /orders/{id}/items` is a claim's name \
          here, not a path parameter; write `GET /orders/*`, or, if tokens have the claim `id`, \
          name it in `required_claims` or `context` of the issuer"
        ]
    );
    assert_eq!(findings(&[("readers", &rule)], &["id"]), [""; 0], "a setting reads it");
    for claim in ["sub", "username", "client_id", "email", "oid", "custom:id", "dev:id", "a.b"] {
        assert_eq!(findings(&[("a", &of(&format!("/u/{{{claim}}}")))], &[]), [""; 0], "{claim}");
    }
    for claim in ["id", "orderId", "order_id", "order-id", "tenant"] {
        assert_eq!(findings(&[("a", &of(&format!("/u/{{{claim}}}")))], &[]).len(), 1, "{claim}");
    }
    for asked in ["claims = { id = \"a\" }", "when = \"has(claims.id)\""] {
        let other = ("b", format!("allow = [\"GET /x\"]\n{asked}"));
        assert_eq!(findings(&[("a", &rule), (other.0, &other.1)], &[]), [""; 0], "{asked}");
    }
    let deny = "deny = [\"GET /orders/{id}\"]\neveryone = true";
    assert_eq!(findings(&[("a", deny)], &[]).len(), 1, "a deny too");
}

#[test]
fn a_greedy_path_parameter_is_refused_with_the_right_form() {
    let refused = "GET /orders/{proxy+}".parse::<tollgate_policy::RoutePattern>().unwrap_err();
    assert_eq!(
        refused.to_string(),
        "`{proxy+}` in route `GET /orders/{proxy+}` is a path parameter of API Gateway, and braces \
         hold the name of a claim here: write `GET /orders/*`"
    );
}

#[test]
fn conditions_that_depend_on_a_claim_s_type_are_found() {
    let findings = |when: &str| {
        let rule = format!("allow = [\"GET /x\"]\nwhen = '{when}'");
        let findings = Rules::compile(specs(&[("a", &rule)])).unwrap().lint(&[], &[]);
        let types = [Code::BareClaim, Code::TextClaim];
        let found = findings.into_iter().filter(|finding| types.contains(&finding.code));
        found.map(|finding| finding.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(
        findings("claims.tier"),
        [
            "note bare-claim in `a`: `when` takes `claims.tier` itself for true or false: if it is a \
          text or a number, the rule allows nothing; compare it, as in `claims.tier == \"gold\"`, \
          or `claims.tier == true` for a boolean"
        ]
    );
    assert_eq!(
        findings("claims[\"custom:level\"] >= 3"),
        [
            "warning text-claim in `a`: `when` compares `claims[\"custom:level\"]` with a number or a \
          boolean, and Cognito writes custom attributes as text; write \
          `int(claims[\"custom:level\"])` for a number, or compare it with a text"
        ]
    );
    for fine in [
        "claims.email_verified",
        "claims.tier == true",
        "int(claims[\"custom:level\"]) >= 3",
        "claims[\"custom:level\"] == \"3\"",
    ] {
        assert_eq!(findings(fine), [""; 0], "{fine}");
    }
}

#[test]
fn a_rule_says_what_it_needs() {
    let rules = Rules::compile(specs(&[
        ("b", "allow = [\"GET /u/{sub}\"]\nclients = [\"web\"]\nclaims = { t = \"x\" }"),
        ("a", "allow = [\"GET /x\"]\nissuers = [\"i\"]\nwhen = \"claims.t == claims.z\""),
    ]));
    let rules = rules.unwrap();
    let needs: Vec<_> = rules.needs().collect();
    let listed = |at: usize| needs[at].claims.iter().copied().collect::<Vec<_>>();
    assert_eq!((needs[0].rule, needs[1].rule), ("a", "b"));
    assert_eq!((needs[0].issuers, needs[0].clients), (Some(&["i".to_owned()][..]), None));
    assert_eq!((needs[1].issuers, needs[1].clients), (None, Some(&["web".to_owned()][..])));
    assert_eq!((listed(0), listed(1)), (vec!["t", "z"], vec!["sub", "t"]));
}
