//! Properties of any rules, caller and request.
//!
//! Names and paths come from small pools, so that rules, callers and requests meet often.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use std::{collections::BTreeMap, net::IpAddr};

use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
    sample::{select, subsequence},
    strategy::ValueTree,
    test_runner::TestRunner,
};
use serde_json::{Map, Value};
use tollgate_policy::{
    Caller, Document, MethodArn, Reason, RuleSpec, Rules, Verdict,
    iam::{Outcome, Policy, Request, evaluate},
};

const CASES: u32 = 2_500;

/// The expiry of tokens, in seconds since 1970.
const EXP: i64 = 1_795_300_000;

/// The content of a caller's token, owned.
#[derive(Debug, Clone)]
struct Token {
    issuer: Option<&'static str>,
    client: Option<&'static str>,
    scopes: Vec<&'static str>,
    groups: Vec<&'static str>,
    claims: Map<String, Value>,
}

impl Token {
    fn caller(&self) -> Caller<'_> {
        Caller::new(&self.claims)
            .with_issuer(self.issuer)
            .with_client(self.client)
            .with_scopes(self.scopes.iter().copied())
            .with_groups(self.groups.iter().copied())
    }
}

fn some_of(pool: &'static [&'static str]) -> impl Strategy<Value = Vec<String>> {
    subsequence(pool, 1..=pool.len()).prop_map(|list| list.into_iter().map(str::to_owned).collect())
}

/// A path of a request; `u1` and `u2` are what claims may fill.
fn asked() -> impl Strategy<Value = String> {
    let plain = select(&["a", "a:b", "", "A", "u1", "u2", "a", "u1"][..]);
    let odd = select(&["a*", "..", "%75", "?", "a"][..]);
    let any = vec(prop_oneof![9 => plain, 1 => odd], 1..3)
        .prop_map(|segments| format!("/{}", segments.join("/")));
    // Below what a claim may fill, with dots.
    let own = select(&["/u1", "/u2", "/a", "/a/u1", "/u1/a"][..]);
    let dots = select(&["..", ".", "a..b", "a.b", "%2e", ".%2E", "..;", "a", ""][..]);
    let dotted = (own, vec(dots, 1..4)).prop_map(|(own, rest)| format!("{own}/{}", rest.join("/")));
    prop_oneof![4 => any, 1 => dotted]
}

/// A path of a rule.
fn path() -> impl Strategy<Value = String> {
    vec(select(&["a", "a:b", "", "A", "u1", "a", "{sub}", "a", "{custom:t}"][..]), 1..3)
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
        1 => select(&["$connect", "$default"][..]).prop_map(str::to_owned),
        1 => Just("GET,POST /*".to_owned()),
        1 => select(&["GET /{sub}/*", "GET,POST /a/{sub}/*", "ANY /{custom:t}/a/*"][..])
            .prop_map(str::to_owned),
        9 => (methods, path).prop_map(|(methods, path)| format!("{methods} {path}")),
    ]
}

const WHENS: &[&str] = &[
    "claims.tier == 'x'",
    "has(claims.tier) && claims.tier == 'x'",
    "claims.kind.exists(k, k == 'y')",
    "'z' in claims.kind || claims.sub == 'u1'",
    "!has(claims.other)",
    "claims.level > 1",
    "true",
];

/// A rule that compiles; its name is given by its place.
fn rule() -> impl Strategy<Value = RuleSpec> {
    let scopes = || option::weighted(0.12, some_of(&["s1", "s2"]));
    let groups = || option::weighted(0.12, some_of(&["g1", "g2"]));
    let claims = option::weighted(
        0.1,
        btree_map(select(&["tier", "kind"][..]), some_of(&["x", "y"]), 1..=2)
            .prop_map(|claims| claims.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
    );
    (
        (vec(route(), 1..4), vec(route(), 0..3), 0..6),
        (scopes(), scopes(), groups(), groups()),
        (
            option::weighted(0.1, some_of(&["c1", "c2"])),
            option::weighted(0.1, some_of(&["i1", "i2"])),
        ),
        claims,
        option::weighted(0.2, some_of(&["prod", "test"])),
        (
            option::weighted(0.2, select(WHENS).prop_map(str::to_owned)),
            option::weighted(0.2, some_of(&["10.0.0.0/8", "10.1.0.0/16", "2001:db8::/32"])),
            proptest::bool::weighted(0.15),
        ),
    )
        .prop_map(|((allow, deny, kind), scopes, clients, claims, stages, conditions)| {
            let (when, source_ips, until_exp) = conditions;
            let (clients, issuers) = clients;
            let parse = |routes: Vec<String>| routes.iter().map(|r| r.parse().unwrap()).collect();
            let (allow, deny) = match kind {
                0 => (Vec::new(), allow),
                1 => (allow, deny),
                _ => (allow, Vec::new()),
            };
            let mut rule = RuleSpec {
                allow: parse(allow),
                deny: parse(deny),
                any_scope: scopes.0,
                all_scopes: scopes.1,
                any_group: scopes.2,
                all_groups: scopes.3,
                clients,
                issuers,
                when,
                claims: claims as Option<BTreeMap<_, _>>,
                stages,
                ..RuleSpec::default()
            };
            // Conditions stand beside allows alone.
            if rule.deny.is_empty() {
                rule.source_ips = source_ips;
                rule.until_exp = until_exp;
            }
            rule.everyone = rule.any_scope.is_none()
                && rule.when.is_none()
                && rule.all_scopes.is_none()
                && rule.any_group.is_none()
                && rule.all_groups.is_none()
                && rule.clients.is_none()
                && rule.issuers.is_none()
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
        option::of(select(&["i1", "i2", "i3"][..])),
        subsequence(vec!["s1", "s2"], 0..=2),
        subsequence(vec!["g1", "g2"], 0..=2),
        btree_map(select(&["tier", "kind", "other"][..]), value, 0..=3),
        (option::weighted(0.8, filling()), option::weighted(0.7, filling())),
        option::weighted(
            0.8,
            prop_oneof![5 => Just(Value::from(EXP)), 1 => Just(Value::from("1"))],
        ),
    )
        .prop_map(|(client, issuer, scopes, groups, mut claims, (sub, tenant), exp)| {
            for (name, value) in [("sub", sub), ("custom:t", tenant), ("exp", exp)] {
                claims.extend(value.map(|value| (name, value)));
            }
            Token {
                issuer,
                client,
                scopes,
                groups,
                claims: claims.into_iter().map(|(k, v)| (k.to_owned(), v)).collect(),
            }
        })
}

/// Values of claims in paths: plain, odd, hostile.
fn filling() -> impl Strategy<Value = Value> {
    const ODD: &[&str] =
        &["*", "", ".", "..", "a/b", "u*", "?", "${aws:username}", "u1\n", "u%31", "\u{e9}"];
    prop_oneof![
        6 => select(&["u1", "u2", "a", "a:b"][..]).prop_map(Value::from),
        2 => select(ODD).prop_map(Value::from),
        1 => Just(Value::from(1)),
        1 => any::<String>().prop_map(Value::from),
    ]
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
        9 => (verb, asked()).prop_map(|(verb, path)| format!("{verb}{path}")),
    ]
}

fn compile(specs: &[RuleSpec]) -> Rules {
    Rules::compile_within(specs.to_vec(), usize::MAX).unwrap()
}

fn document(rules: &Rules, token: &Token, arn: &str) -> Document {
    rules.evaluate(&token.caller(), &MethodArn::parse(arn).unwrap()).document.unwrap()
}

fn allowed(rules: &Rules, token: &Token, arn: &str) -> bool {
    let verdict = rules.evaluate(&token.caller(), &MethodArn::parse(arn).unwrap()).verdict;
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
        if let Ok(route) = text.parse::<tollgate_policy::RoutePattern>() {
            prop_assert_eq!(route.to_string().parse(), Ok(route));
        }
    }

    #[test]
    fn a_route_reads_as_it_is_written(route in route()) {
        let route: tollgate_policy::RoutePattern = route.parse().unwrap();
        prop_assert_eq!(route.to_string().parse(), Ok(route));
    }

    #[test]
    fn the_document_says_what_the_rules_say(
        specs in rules(), token in token(), stage in stage(), asking in call(), call in call(),
        source_ip in option::of(select(&["10.0.0.1", "10.1.2.3", "192.0.2.1", "2001:db8::1"][..])),
        expired in proptest::bool::weighted(0.1),
    ) {
        let rules = compile(&specs);
        let document = document(&rules, &token, &format!("{stage}{asking}"));
        let arn = format!("{stage}{call}");
        let source_ip = source_ip.map(|ip| ip.parse::<IpAddr>().unwrap());
        let at = |time| {
            let request = Request::new(&arn).at(time);
            let request = source_ip.map_or(request, |ip| request.from(ip));
            evaluate(&document, &request)
        };
        let caller = token.caller().with_source_ip(source_ip);
        let verdict = rules.evaluate(&caller, &MethodArn::parse(&arn).unwrap()).verdict;
        let outcome = at(EXP - 1);
        match verdict {
            Verdict::Allowed { .. } => prop_assert_eq!(outcome, Outcome::Allow),
            Verdict::Denied { rule: Some(_) } => prop_assert_eq!(outcome, Outcome::ExplicitDeny),
            Verdict::Denied { rule: None } | Verdict::Conditional { .. } => {
                prop_assert_ne!(outcome, Outcome::Allow);
            }
        }
        prop_assert_eq!(verdict.is_authorized(), outcome == Outcome::Allow);
        // Time takes away what was granted until it, and gives nothing.
        if expired {
            let timeless: Vec<RuleSpec> =
                specs.into_iter().filter(|rule| !rule.until_exp).collect();
            let timeless = compile(&timeless);
            let left = timeless.evaluate(&caller, &MethodArn::parse(&arn).unwrap()).verdict;
            // The dot denies that an allow came with outlast it.
            if outcome == Outcome::ExplicitDeny {
                prop_assert_eq!(at(EXP), Outcome::ExplicitDeny);
            } else {
                prop_assert_eq!(at(EXP) == Outcome::Allow, left.is_authorized());
            }
        }
        // The explanation comes to the same, and says why.
        let parsed = MethodArn::parse(&arn).unwrap();
        let explanation = rules.explain(&caller, &parsed);
        prop_assert_eq!(explanation.verdict, verdict);
        let denies = |reason: &Reason<'_>| {
            matches!(
                reason,
                Reason::Denies { .. } | Reason::DeniesAll { .. } | Reason::DeniesDots { .. }
            )
        };
        let denying = explanation.rules.iter().find(|said| denies(&said.reason));
        let allowing =
            explanation.rules.iter().any(|s| matches!(s.reason, Reason::Allows { .. }));
        match verdict {
            Verdict::Denied { rule: Some(rule) } => {
                prop_assert_eq!(denying.map(|said| said.rule), Some(rule));
            }
            other => {
                prop_assert!(denying.is_none());
                // A rule that denies too tells of its deny alone.
                prop_assert!(!other.is_authorized() || allowing);
            }
        }
    }

    #[test]
    fn denying_the_rest_leaves_no_silence(
        mut specs in rules(), token in token(), stage in stage(), asking in call(), call in call(),
    ) {
        for rule in &mut specs {
            (rule.source_ips, rule.until_exp) = (None, false);
        }
        let rules = compile(&specs).denying_rest().unwrap();
        let document = document(&rules, &token, &format!("{stage}{asking}"));
        let arn = format!("{stage}{call}");
        let outcome = evaluate(&document, &Request::new(&arn));
        let allows = allowed(&rules, &token, &arn);
        prop_assert_eq!(outcome, if allows { Outcome::Allow } else { Outcome::ExplicitDeny });
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
        more.push(RuleSpec {
            name: "extra".to_owned(),
            allow,
            deny,
            source_ips: None,
            until_exp: false,
            ..extra
        });
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
            rules.evaluate(&token.caller(), &arn).verdict,
            shuffled.evaluate(&token.caller(), &arn).verdict
        );
    }

    #[test]
    fn the_document_is_as_long_as_it_says(
        specs in rules(), token in token(), stage in stage(), call in call(),
    ) {
        let document = document(&compile(&specs), &token, &format!("{stage}{call}"));
        let json = serde_json::to_string(&document).unwrap();
        prop_assert_eq!(document.to_json(), &*json);
        let within = |bytes| {
            let rules = Rules::compile_within(specs.clone(), bytes).ok()?;
            let arn = format!("{stage}{call}");
            let arn = MethodArn::parse(&arn).unwrap();
            Some(rules.evaluate(&token.caller(), &arn).document)
        };
        // Other rules may be too long when they are loaded.
        prop_assert!(within(json.len()).is_none_or(|found| found == Ok(document.clone())));
        prop_assert!(within(json.len() - 1).is_none_or(|found| found.is_err()));
        prop_assert!(serde_json::from_str::<Policy>(&json).is_ok(), "{}", json);
        // Nothing that a claim brings can mean more than itself.
        let wild = |resource: &str| {
            let call = resource.strip_prefix(&*stage).unwrap();
            call != "*" && (call.contains(['?', '$', '{', '%', '\\', '"']) && !["$connect", "$default"].contains(&call)
                || call.trim_end_matches("/*").contains('*')
                || call.chars().any(|c| c.is_control() || c.is_whitespace()))
        };
        for resource in document.allowed().map(ToString::to_string) {
            prop_assert!(!wild(&resource), "{}", resource);
        }
        for resource in document.denied().map(ToString::to_string) {
            let own = DOTS.iter().find_map(|ending| resource.strip_suffix(ending));
            // The denies of `ANY` have one `*` for the method.
            let own = own.map(|own| own.replacen(&format!("{stage}*/"), &format!("{stage}GET/"), 1));
            prop_assert!(!wild(&own.unwrap_or(resource.clone())), "{}", resource);
        }
    }

    #[test]
    fn no_resource_covers_another(
        specs in rules(), token in token(), stage in stage(), call in call(),
    ) {
        let document = document(&compile(&specs), &token, &format!("{stage}{call}"));
        let json: Value = serde_json::from_str(&document.to_json()).unwrap();
        for statement in json["Statement"].as_array().unwrap() {
            let resources: Vec<&str> =
                statement["Resource"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            for (place, one) in resources.iter().enumerate() {
                for (other_place, other) in resources.iter().enumerate().filter(|(p, _)| *p != place) {
                    let covers = one.strip_suffix('*').is_some_and(|p| other.starts_with(p));
                    prop_assert!(one != other && !covers, "{} at {} covers {} at {}", one, place, other, other_place);
                }
            }
        }
    }

    #[test]
    fn nothing_that_resolves_to_another_s_path_is_allowed(
        own in select(&["/users/{sub}/*", "/{sub}/*", "/t/{sub}/x/*", "/{sub}/{sub}/*"][..]),
        path in vec(select(&["..", ".", "%2e", "%2E", "a", "u1", "u2", "users", "t", "x", "", "/", "/", ";", "\\", "%2f"][..]), 0..12),
        is_under in proptest::bool::weighted(0.8),
    ) {
        let spec = RuleSpec {
            name: "own".to_owned(),
            allow: std::vec![format!("GET {own}").parse().unwrap()],
            everyone: true,
            ..RuleSpec::default()
        };
        let rules = compile(&[spec]);
        let claims = Map::from_iter([("sub".to_owned(), Value::from("u1"))]);
        let own = own.replace("{sub}", "u1");
        let own = own.strip_suffix('*').unwrap();
        let asked = format!("{}{}", if is_under { own } else { "/" }, path.concat());
        let arn = format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET{asked}");
        let caller = Caller::new(&claims);
        let document = rules.evaluate(&caller, &MethodArn::parse(&arn).unwrap()).document.unwrap();
        let is_allowed = evaluate(&document, &Request::new(&arn)) == Outcome::Allow;
        let verdict = rules.evaluate(&caller, &MethodArn::parse(&arn).unwrap()).verdict;
        prop_assert_eq!(verdict.is_authorized(), is_allowed);
        if is_allowed {
            prop_assert!(resolved(&asked).starts_with(own), "{} is {}", asked, resolved(&asked));
        }
    }

    #[test]
    fn the_document_depends_on_claims_that_rules_name_alone(
        specs in rules(), token in token(), stage in stage(), call in call(), junk in any::<String>(),
    ) {
        let rules = compile(&specs);
        let arn = format!("{stage}{call}");
        let mut more = token.clone();
        more.claims.insert("unheard-of".to_owned(), Value::from(junk));
        prop_assert_eq!(document(&rules, &token, &arn), document(&rules, &more, &arn));
    }

    #[test]
    fn conditions_never_panic(
        text in prop_oneof![
            any::<String>(),
            "[a-z.()\\[\\]{}'\"!<>=&|+*/?: 0-9-]{0,60}",
            vec(select(CEL_WORDS), 0..20).prop_map(|words| words.join(" ")),
        ],
        token in token(),
    ) {
        let spec = RuleSpec {
            name: "r".to_owned(),
            allow: std::vec!["GET /a".parse().unwrap()],
            when: Some(text),
            ..RuleSpec::default()
        };
        if let Ok(rules) = Rules::compile(std::vec![spec]) {
            let arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3/prod/GET/a";
            let _verdict = rules.evaluate(&token.caller(), &MethodArn::parse(arn).unwrap()).verdict;
        }
    }

    #[test]
    fn reports_never_panic(specs in rules(), limit in 200_usize..20_000) {
        if let Ok(rules) = Rules::compile_within(specs, limit) {
            for finding in rules.lint(&[], &[]) {
                prop_assert!(!finding.to_string().contains('\n'));
            }
            let matrix = rules.matrix();
            prop_assert_eq!(matrix.to_string().lines().count(), matrix.rows.len() + 1);
        }
    }
}

/// The endings of the denies below a caller's own path.
const DOTS: [&str; 7] = ["/*..*", "/*%2e*", "/*%2E*", "/*/./*", "/./*", "/*/.", "/."];

/// A path as a lenient server reads it: decoded once, `\` for `/`, parameters cut off, dots resolved.
fn resolved(path: &str) -> String {
    let decoded = path.replace("%2e", ".").replace("%2E", ".").replace("%2f", "/");
    let decoded = decoded.replace('\\', "/");
    let mut segments: Vec<&str> = Vec::new();
    let mut parts = decoded.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let name = part.split(';').next().unwrap();
        let is_last = parts.peek().is_none();
        match name {
            "." if !is_last => {}
            ".." if !is_last => drop(segments.pop()),
            "." => segments.push(""),
            ".." => {
                segments.pop();
                segments.push("");
            }
            _ => segments.push(part),
        }
    }
    format!("/{}", segments.join("/"))
}

const CEL_WORDS: &[&str] = &[
    "claims",
    ".",
    "tier",
    "kind",
    "sub",
    "[",
    "]",
    "(",
    ")",
    "'x'",
    "1",
    "9223372036854775807",
    "-",
    "+",
    "*",
    "/",
    "%",
    "==",
    "!=",
    "<",
    ">=",
    "&&",
    "||",
    "!",
    "?",
    ":",
    "in",
    "null",
    "true",
    "claims.tier",
    "claims.kind",
    "claims.sub",
    "has(claims.tier)",
    "size(claims)",
    "0",
    "1.5",
    "2u",
    "claims.kind.all(k, k == 'x')",
    "claims['tier']",
    "string(1)",
    "int('x')",
    "double('1')",
    "[1]",
];

/// The properties above say little if the pools hardly ever meet.
#[test]
fn the_pools_meet() {
    let mut runner = TestRunner::deterministic();
    let strategy = (rules(), token(), stage(), call());
    let (mut allows, mut denies, mut silences) = (0, 0, 0);
    for _ in 0..CASES {
        let (specs, token, stage, call) = strategy.new_tree(&mut runner).unwrap().current();
        let arn = format!("{stage}{call}");
        match compile(&specs).evaluate(&token.caller(), &MethodArn::parse(&arn).unwrap()).verdict {
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
