//! What holds for any rules, caller and request.
//!
//! Names and paths come from small pools, so that rules, callers and requests meet often.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::collections::BTreeMap;

use policy::{Caller, Document, MethodArn, Outcome, Request, RuleSpec, Rules, Verdict, evaluate};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{select, subsequence},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use serde_json::{Map, Value};

const CASES: u32 = 2_500;

/// What a caller's token holds, owned.
#[derive(Debug, Clone)]
struct Token {
    client: Option<&'static str>,
    scopes: Vec<&'static str>,
    groups: Vec<&'static str>,
    claims: Map<String, Value>,
}

impl Token {
    fn caller(&self) -> Caller<'_> {
        Caller::new(&self.claims)
            .with_client(self.client)
            .with_scopes(self.scopes.iter().copied())
            .with_groups(self.groups.iter().copied())
    }
}

fn some_of(pool: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(pool, 1..=pool.len()).prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

fn path() -> impl Strategy<Value = String> {
    vec(select(&["a", "a:b", "", "A"][..]), 1..3)
        .prop_map(|segments| format!("/{}", segments.join("/")))
}

fn route() -> impl Strategy<Value = String> {
    let methods = prop_oneof![
        Just("ANY".to_owned()),
        Just("GET".to_owned()),
        some_of(&["GET", "POST", "DELETE"]).prop_map(|methods| methods.join(","))
    ];
    let path = prop_oneof![path(), path().prop_map(|p| format!("{}/*", p.trim_end_matches('/')))];
    prop_oneof![
        1 => Just("$connect".to_owned()),
        9 => (methods, path).prop_map(|(methods, path)| format!("{methods} {path}")),
    ]
}

/// A rule that compiles; its name is given by its place.
fn rule() -> impl Strategy<Value = RuleSpec> {
    let scopes = || option::weighted(0.2, some_of(&["s1", "s2"]));
    let groups = || option::weighted(0.2, some_of(&["g1", "g2"]));
    let claims = option::weighted(
        0.1,
        btree_map(select(&["tier", "kind"][..]), some_of(&["x", "y"]), 1..=2)
            .prop_map(|claims| claims.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
    );
    (
        (vec(route(), 1..4), vec(route(), 0..3), 0..3),
        (scopes(), scopes(), groups(), groups()),
        option::weighted(0.1, some_of(&["c1", "c2"])),
        claims,
        option::weighted(0.2, some_of(&["prod", "test"])),
    )
        .prop_map(|((allow, deny, kind), scopes, clients, claims, stages)| {
            let parse = |routes: Vec<String>| routes.iter().map(|r| r.parse().unwrap()).collect();
            let (allow, deny) = match kind {
                0 => (allow, Vec::new()),
                1 => (Vec::new(), allow),
                _ => (allow, deny),
            };
            let mut rule = RuleSpec {
                allow: parse(allow),
                deny: parse(deny),
                any_scope: scopes.0,
                all_scopes: scopes.1,
                any_group: scopes.2,
                all_groups: scopes.3,
                clients,
                claims: claims as Option<BTreeMap<_, _>>,
                stages,
                ..RuleSpec::default()
            };
            rule.everyone = rule.any_scope.is_none()
                && rule.all_scopes.is_none()
                && rule.any_group.is_none()
                && rule.all_groups.is_none()
                && rule.clients.is_none()
                && rule.claims.is_none();
            rule
        })
}

fn rules() -> impl Strategy<Value = Vec<RuleSpec>> {
    vec(rule(), 0..8).prop_map(|mut rules| {
        for (rule, place) in rules.iter_mut().zip(0..) {
            rule.name = format!("rule-{place}");
        }
        rules
    })
}

fn token() -> impl Strategy<Value = Token> {
    let value = prop_oneof![
        select(&["x", "y", "z"][..]).prop_map(Value::from),
        subsequence(vec!["x", "y", "z"], 0..=3).prop_map(Value::from),
        Just(Value::from(1)),
        Just(Value::Null),
    ];
    (
        option::of(select(&["c1", "c2", "c3"][..])),
        subsequence(vec!["s1", "s2"], 0..=2),
        subsequence(vec!["g1", "g2"], 0..=2),
        btree_map(select(&["tier", "kind", "other"][..]), value, 0..=3),
    )
        .prop_map(|(client, scopes, groups, claims)| Token {
            client,
            scopes,
            groups,
            claims: claims.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
        })
}

fn stage() -> impl Strategy<Value = String> {
    (select(&["aws", "aws-cn", "aws-us-gov"][..]), select(&["prod", "test", "$default"][..]))
        .prop_map(|(partition, stage)| {
            format!("arn:{partition}:execute-api:eu-west-1:123456789012:a1b2c3/{stage}/")
        })
}

fn call() -> impl Strategy<Value = String> {
    let verb = select(&["GET", "GET", "POST", "HEAD", "TRACE"][..]);
    prop_oneof![
        1 => select(&["$connect", "$default", "GET"][..]).prop_map(str::to_owned),
        9 => (verb, path()).prop_map(|(verb, path)| format!("{verb}{path}")),
    ]
}

fn compile(specs: &[RuleSpec]) -> Rules {
    Rules::compile_within(specs.to_vec(), usize::MAX).unwrap()
}

fn document(rules: &Rules, token: &Token, arn: &str) -> Document {
    rules.document(&token.caller(), &MethodArn::parse(arn).unwrap()).unwrap()
}

fn allowed(rules: &Rules, token: &Token, arn: &str) -> bool {
    let verdict = rules.verdict(&token.caller(), &MethodArn::parse(arn).unwrap());
    matches!(verdict, Verdict::Allowed { .. })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(CASES))]

    #[test]
    fn formatting_undoes_parsing(
        partition in "[a-z-]{1,12}",
        region in "[a-z0-9-]{1,15}",
        account in "[0-9]{12}",
        api in "[a-z0-9]{1,10}",
        stage in r"[A-Za-z0-9_-]{1,12}|\$default",
        call in r"[A-Z]{1,7}/[^\p{C}]{0,40}|\$[a-z]{1,10}|[^/\p{C}]{1,20}",
    ) {
        let text = format!("arn:{partition}:execute-api:{region}:{account}:{api}/{stage}/{call}");
        let arn = MethodArn::parse(&text).unwrap();
        prop_assert_eq!(arn.to_string(), &*text);
        prop_assert_eq!(arn.target().to_string(), call);
        prop_assert_eq!(format!("{}{}", arn.resource_prefix(), arn.target()), &*text);
    }

    #[test]
    fn parsing_is_total(
        text in prop_oneof![
            any::<String>(),
            "[arn:/ws*?$\\{\u{0}é-]{0,40}",
            "(arn|):?(aws)?:?(execute-api)?:?[a-z]*:?[0-9]*:?[a-z]*/?[a-z]*/?[A-Z]*/?[a-z:/]*",
        ]
    ) {
        if let Ok(arn) = MethodArn::parse(&text) {
            prop_assert_eq!(arn.to_string(), &*text);
        }
        if let Ok(route) = text.parse::<policy::RoutePattern>() {
            prop_assert_eq!(route.to_string().parse(), Ok(route));
        }
    }

    #[test]
    fn a_route_reads_as_it_is_written(route in route()) {
        let route: policy::RoutePattern = route.parse().unwrap();
        prop_assert_eq!(route.to_string().parse(), Ok(route));
    }

    #[test]
    fn the_document_says_what_the_rules_say(
        specs in rules(), token in token(), stage in stage(), asking in call(), call in call(),
    ) {
        let rules = compile(&specs);
        let document = document(&rules, &token, &format!("{stage}{asking}"));
        let arn = format!("{stage}{call}");
        let outcome = evaluate(&document, &Request::new(&arn));
        match rules.verdict(&token.caller(), &MethodArn::parse(&arn).unwrap()) {
            Verdict::Allowed { .. } => prop_assert_eq!(outcome, Outcome::Allow),
            Verdict::Denied { rule: Some(_) } => prop_assert_eq!(outcome, Outcome::ExplicitDeny),
            Verdict::Denied { rule: None } | Verdict::Conditional { .. } => {
                prop_assert_ne!(outcome, Outcome::Allow);
            }
        }
    }

    #[test]
    fn the_document_is_the_same_whichever_route_asks(
        specs in rules(), token in token(), stage in stage(), one in call(), other in call(),
    ) {
        let rules = compile(&specs);
        let one = document(&rules, &token, &format!("{stage}{one}"));
        let other = document(&rules, &token, &format!("{stage}{other}"));
        prop_assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&other).unwrap());
        prop_assert_eq!(one, other);
    }

    #[test]
    fn a_deny_never_allows_more(
        specs in rules(), extra in rule(), token in token(), stage in stage(), call in call(),
    ) {
        let arn = format!("{stage}{call}");
        let mut more = specs.clone();
        let allow = Vec::new();
        let deny = [extra.allow.clone(), extra.deny.clone()].concat();
        more.push(RuleSpec { name: "extra".to_owned(), allow, deny, ..extra });
        let (before, after) = (compile(&specs), compile(&more));
        prop_assert!(allowed(&before, &token, &arn) || !allowed(&after, &token, &arn));
        let outcome = |rules| evaluate(&document(rules, &token, &arn), &Request::new(&arn));
        prop_assert!(outcome(&before) == Outcome::Allow || outcome(&after) != Outcome::Allow);
    }

    #[test]
    fn the_order_of_rules_changes_nothing(
        (specs, shuffled) in rules().prop_flat_map(|r| (Just(r.clone()), Just(r).prop_shuffle())),
        token in token(), stage in stage(), call in call(),
    ) {
        let arn = format!("{stage}{call}");
        let (rules, shuffled) = (compile(&specs), compile(&shuffled));
        let json = |rules| serde_json::to_string(&document(rules, &token, &arn)).unwrap();
        prop_assert_eq!(json(&rules), json(&shuffled));
        let arn = MethodArn::parse(&arn).unwrap();
        prop_assert_eq!(
            rules.verdict(&token.caller(), &arn),
            shuffled.verdict(&token.caller(), &arn)
        );
    }

    #[test]
    fn the_document_is_as_long_as_it_says(
        specs in rules(), token in token(), stage in stage(), call in call(),
    ) {
        let document = document(&compile(&specs), &token, &format!("{stage}{call}"));
        prop_assert_eq!(document.json_bytes(), serde_json::to_vec(&document).unwrap().len());
    }
}

/// The properties above say little if the pools hardly ever meet.
#[test]
fn the_pools_meet() {
    let mut runner = TestRunner::deterministic();
    let strategy = (rules(), token(), stage(), call());
    let (mut allows, mut denies, mut silences) = (0, 0, 0);
    for _ in 0..CASES {
        let (specs, token, stage, call) = strategy.new_tree(&mut runner).unwrap().current();
        let arn = format!("{stage}{call}");
        match compile(&specs).verdict(&token.caller(), &MethodArn::parse(&arn).unwrap()) {
            Verdict::Allowed { .. } => allows += 1,
            Verdict::Denied { rule: Some(_) } => denies += 1,
            Verdict::Denied { rule: None } | Verdict::Conditional { .. } => silences += 1,
        }
    }
    let least = CASES / 20;
    assert!(
        allows > least && denies > least && silences > least,
        "{allows} allowed, {denies} denied, {silences} unheard of"
    );
}
