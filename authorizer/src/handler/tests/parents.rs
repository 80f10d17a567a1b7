//! Parents: tenants by a claim, assigned ones, and everyone.

use table::{Assignment, KeyDetails};

use super::bucket_owners::{KEEP, Table, event};
use super::*;
use crate::record::Captured;

/// The claim of these tests that names the tenant.
const TENANT: &str = "custom:tenant";

/// Limits of each `sub`, with this plan and these parents.
fn limits(plan: &str, parents: &str) -> String {
    format!(
        "[throttle]\ntable = \"tollgate\"\nsubject = \"sub\"\nplan = {plan}\n\
         parents = {parents}\nrefuse = \"context\"\n"
    )
}

/// A plan by default for each level.
const DEFAULTS: &str = "[{ parent = \"custom:tenant\", plan = \"tenant\" }, \
                        { parent = \"*\", plan = \"everyone\" }]";

/// Stores plans: of a user 7 requests at once, of a tenant 3, of everyone `everyone`.
fn store_plans(bench: &Bench, everyone: u64) {
    for (id, burst) in [("gold", 7), ("tenant", 3), ("everyone", everyone)] {
        let plan = format!(r#"{{"throttle":{{"rateLimit":0.001,"burstLimit":{burst}}}}}"#);
        let plan = Plan::from_json(&plan).unwrap();
        bench.authorizer.store().put_plan(PlanId::new(id).unwrap(), plan, bench.clock.now());
    }
}

async fn bench(everyone: u64) -> Bench {
    let bench = Bench::with_keys(&limits("{ default = \"gold\" }", DEFAULTS)).await;
    store_plans(&bench, everyone);
    bench
}

/// The outcome of a request of a user with these claims: its code, or the failure's.
async fn call(bench: &Bench, claims: &Value) -> Value {
    let answer = bench.ask(&event(&bench.token(claims), ARN, None)).await;
    match answer {
        Ok(answer) if answer["context"].get("throttled").is_some() => json!("throttled"),
        Ok(answer) if answer["policyDocument"]["Statement"][0]["Effect"] == "Deny" => {
            json!("denied")
        }
        Ok(answer) => answer["context"]["remaining"].clone(),
        Err(Failure::Unauthorized) => json!("unauthorized"),
        Err(Failure::Internal { code }) => json!(code),
    }
}

fn user(sub: &str, tenant: &str) -> Value {
    json!({"sub": sub, TENANT: tenant})
}

fn last(captured: &Captured) -> Value {
    let text = captured.text();
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.rfind(|line| line.get("request_id").is_some()).unwrap()
}

#[tokio::test]
async fn a_tenant_s_limit_and_everyone_s_hold_for_all_within_them() {
    let captured = Captured::at("INFO");
    let bench = bench(5).await;
    for (sub, tenant, outcome, refused_by) in [
        // The tightest limit is the tenant's.
        ("maria", "secret-acme", json!(2), None),
        ("paul", "secret-acme", json!(1), None),
        ("paul", "secret-acme", json!(0), None),
        ("paul", "secret-acme", json!("throttled"), Some(TENANT)),
        ("maria", "secret-acme", json!("throttled"), Some(TENANT)),
        ("zoe", "secret-globex", json!(1), None),
        ("zoe", "secret-globex", json!(0), None),
        ("zoe", "secret-globex", json!("throttled"), Some("*")),
        ("tom", "secret-initech", json!("throttled"), Some("*")),
    ] {
        assert_eq!(call(&bench, &user(sub, tenant)).await, outcome, "{sub}");
        let line = last(&captured);
        assert_eq!(line.get("refused_by").and_then(Value::as_str), refused_by, "{line}");
        assert_eq!(line["plan"], "gold");
    }
    assert!(!captured.text().contains("secret-"), "no claim's value: {}", captured.text());
}

#[tokio::test]
async fn a_user_s_own_limit_refuses_before_the_tenant_s() {
    let captured = Captured::at("INFO");
    let bench = bench(100).await;
    let tenant = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":50}}"#).unwrap();
    bench.authorizer.store().put_plan(PlanId::new("tenant").unwrap(), tenant, bench.clock.now());
    for remaining in (0..7).rev() {
        assert_eq!(call(&bench, &user("maria", "acme")).await, remaining);
    }
    assert_eq!(call(&bench, &user("maria", "acme")).await, "throttled");
    assert_eq!(last(&captured)["refused_by"], "subject");
    // What the user's own limit refused is not left charged on the tenant.
    assert_eq!(call(&bench, &user("paul", "acme")).await, 6);
}

#[tokio::test]
async fn a_claim_that_names_no_tenant_is_refused_as_a_missing_subject_is() {
    let captured = Captured::at("TRACE");
    let bench = bench(100).await;
    let (missing, not_text) = ("is missing", "is not a text");
    let unusable = "is empty, too long, or has a control character";
    for (claims, problem) in [
        (json!({}), missing),
        (json!({TENANT: null}), missing),
        (json!({TENANT: 7}), not_text),
        (json!({TENANT: true}), not_text),
        (json!({TENANT: ["acme"]}), not_text),
        (json!({TENANT: {"name": "acme"}}), not_text),
        (json!({TENANT: ""}), unusable),
        (json!({TENANT: "a\nb"}), unusable),
        (json!({TENANT: "a\u{0}"}), unusable),
        (json!({TENANT: "x".repeat(512)}), unusable),
        (json!({TENANT: "acme", "_claim_names": {TENANT: "src1"}}), missing),
        (json!({"_claim_names": {TENANT: "src1"}}), missing),
    ] {
        assert_eq!(call(&bench, &claims).await, "unauthorized", "{claims}");
        let line = last(&captured);
        assert_eq!((&line["code"], &line["level"]), (&json!("claim"), &json!("INFO")), "{line}");
        let detail = format!("the claim of a parent of the limits' subject {problem}");
        assert_eq!(line["detail"], detail);
    }
    // One of 10 kB makes the token too long to be looked at.
    assert_eq!(call(&bench, &user("user", &"x".repeat(10 * 1024))).await, "unauthorized");
    assert_eq!(last(&captured)["code"], "malformed");
    assert!(!captured.text().contains("acme") && !captured.text().contains("xxx"));
    assert_eq!(call(&bench, &user("user", "acme")).await, 2, "nothing was charged");
}

#[tokio::test]
async fn no_caller_can_choose_the_name_of_another_bucket() {
    let bench = bench(100).await;
    let issuer = bench.iss.strip_prefix("http://").unwrap().to_owned();
    for remaining in [2, 1, 0] {
        assert_eq!(call(&bench, &user("maria", "acme")).await, remaining);
    }
    assert_eq!(call(&bench, &user("maria", "acme")).await, "throttled");
    // As users: the tenant's name, the whole subject of the tenant, and that of everyone.
    let whole = format!("#{issuer}#{TENANT}#acme");
    let names =
        ["acme", &whole, whole.trim_start_matches('#'), "everyone", "*", "custom:tenant#acme"];
    for (at, sub) in names.iter().enumerate() {
        assert_eq!(call(&bench, &user(sub, &format!("own-{at}"))).await, 2, "{sub}");
    }
    // As tenants: names of users, of other tenants, and of everyone.
    let names = [
        "maria",
        &format!("{issuer}#maria"),
        "acme#",
        "#acme",
        "Acme",
        "acme ",
        "x#custom:tenant#acme",
        &whole,
        "everyone",
        "*",
    ];
    for (at, tenant) in names.iter().enumerate() {
        assert_eq!(call(&bench, &user(&format!("new-{at}"), tenant)).await, 2, "{tenant}");
    }
    assert_eq!(call(&bench, &user("other", "acme")).await, "throttled");
}

/// Limits whose plans and parents are assigned in the table.
async fn assigned(parents: &str) -> Table {
    let table = Table::new(&limits("{ assigned = true, default = \"gold\" }", parents)).await;
    store_plans(&table.bench, 100);
    table
}

async fn assign(table: &Table, subject: &str, plan: Option<&str>, parent: Option<&str>) {
    let assignment = Assignment {
        plan: plan.map(str::to_owned),
        parent: parent.map(str::to_owned),
        ..Assignment::new(subject)
    };
    table.assignments.put(assignment).await.unwrap();
}

#[tokio::test]
async fn parents_and_their_plans_are_assigned_in_the_table() {
    let captured = Captured::at("INFO");
    let table = assigned("[\"custom:tenant\", \"*\"]").await;
    let issuer = table.bench.iss.strip_prefix("http://").unwrap().to_owned();
    let maria = user("maria", "acme");
    // A parent without a plan lets nobody through.
    assert_eq!(call(&table.bench, &maria).await, "denied");
    let line = last(&captured);
    assert_eq!((&line["code"], &line["refused_by"]), (&json!("no_plan"), &json!(TENANT)));
    assign(&table, &format!("#{issuer}#{TENANT}#acme"), Some("everyone"), None).await;
    table.bench.clock.advance(KEEP);
    assert_eq!(call(&table.bench, &maria).await, "denied");
    assert_eq!(last(&captured)["refused_by"], "*");
    assign(&table, "everyone", Some("everyone"), None).await;
    table.bench.clock.advance(KEEP);
    assert_eq!(call(&table.bench, &maria).await, 6);

    // An assigned parent comes first, and its plan is its own.
    assign(&table, &format!("{issuer}#maria"), None, Some("team")).await;
    assign(&table, "team", Some("tenant"), None).await;
    table.bench.clock.advance(KEEP);
    for outcome in [json!(2), json!(1), json!(0), json!("throttled")] {
        assert_eq!(call(&table.bench, &maria).await, outcome);
    }
    assert_eq!(last(&captured)["refused_by"], "assigned");
    assert_eq!(call(&table.bench, &user("paul", "acme")).await, 6, "in no team");
}

#[tokio::test]
async fn loops_and_too_many_parents_are_refused_with_403_and_never_allowed() {
    let captured = Captured::at("INFO");
    let table = assigned(DEFAULTS).await;
    let issuer = table.bench.iss.strip_prefix("http://").unwrap().to_owned();
    let looped = "the assigned parents form a loop";
    let many = "the assigned and configured parents are more than three";
    let own = "the subject is its own parent, by assignment or configuration";
    for (name, chain, detail) in [
        ("loop", vec!["a1", "a2", "a1"], looped),
        ("ring", vec!["b1", &format!("{issuer}#ring")], looped),
        ("deep", vec!["c1", "c2", "c3", "c4"], many),
        ("many", vec!["d1", "d2"], many),
        ("most", vec!["e1", "e2", "e3"], many),
    ] {
        let mut below = format!("{issuer}#{name}");
        for parent in chain {
            assign(&table, &below, Some("gold"), Some(parent)).await;
            below = parent.to_owned();
        }
        if !below.contains(['1', '#']) {
            assign(&table, &below, Some("gold"), None).await;
        }
        table.bench.clock.advance(KEEP);
        for _ in 0..2 {
            captured.clear();
            assert_eq!(call(&table.bench, &user(name, "acme")).await, "denied", "{name}");
            let line = last(&captured);
            assert_eq!((&line["code"], &line["level"]), (&json!("wrong_parents"), &json!("INFO")));
            assert_eq!(line["detail"], detail, "{name}");
        }
        // The fix is logged once a minute, and names nobody.
        assert!(!captured.text().contains("tollgate doctor"), "{}", captured.text());
        table.bench.clock.advance(KEEP);
        call(&table.bench, &user(name, "acme")).await;
        let text = captured.text();
        assert!(text.contains("`tollgate doctor --config FILE` names the subjects"), "{text}");
        assert!(!text.contains(&issuer) && !text.contains("ERROR"), "{text}");
    }
    // A parent that is assigned and configured is one parent.
    let acme = format!("#{issuer}#{TENANT}#acme");
    assign(&table, &format!("{issuer}#twice"), None, Some(&acme)).await;
    assign(&table, &acme, None, Some("everyone")).await;
    assert_eq!(call(&table.bench, &user("twice", "acme")).await, 2);
    // An operator can name a key's subject as everyone's, and refuses it by that.
    let key = table.key(KeyDetails::new("everyone").with_plan("gold")).await;
    let by_key = by_key("[{ parent = \"*\", plan = \"gold\" }]");
    let by_key = Table::new(&by_key).await;
    store_plans(&by_key.bench, 100);
    by_key.keys.put(&key, KeyDetails::new("everyone"), by_key.bench.clock.now()).await.unwrap();
    let token = by_key.bench.token(&json!({}));
    let outcome = by_key.bench.ask(&event(&token, ARN, Some(key.expose()))).await;
    assert_eq!(outcome.unwrap()["policyDocument"]["Statement"][0]["Effect"], "Deny");
    assert_eq!(last(&captured)["detail"], own);
}

fn by_key(parents: &str) -> String {
    limits("{ default = \"gold\" }", parents).replace("\"sub\"", "\"api_key\"")
}

#[tokio::test]
async fn keys_have_the_parents_of_their_subject() {
    let table = Table::new(&by_key("[{ parent = \"*\", plan = \"everyone\" }]")).await;
    store_plans(&table.bench, 6);
    let [one, other, free] = [
        table.key(KeyDetails::new("one").with_plan("gold")).await,
        table.key(KeyDetails::new("other")).await,
        table.key(KeyDetails::new("free")).await,
    ];
    assign(&table, "one", Some("gold"), Some("acme")).await;
    assign(&table, "other", None, Some("acme")).await;
    assign(&table, "acme", Some("tenant"), None).await;
    let token = table.bench.token(&json!({}));
    for (key, outcome) in [
        // The key's own plan does not free it from its subject's parent.
        (&one, json!(2)),
        (&other, json!(1)),
        (&one, json!(0)),
        (&one, Value::Null),
        (&other, Value::Null),
        (&free, json!(2)),
        (&free, json!(1)),
        (&free, json!(0)),
        (&free, Value::Null),
    ] {
        let answer = table.bench.ask(&event(&token, ARN, Some(key.expose()))).await.unwrap();
        let context = &answer["context"];
        let left = Some(&context["remaining"]).filter(|_| context.get("throttled").is_none());
        assert_eq!(left.unwrap_or(&Value::Null), &outcome, "{context}");
    }
}

#[tokio::test]
async fn callers_without_a_token_have_no_parents_by_a_claim() {
    let public = "[[rule]]\nname = \"public\"\nallow = [\"GET /orders\"]\nanonymous = true\n";
    let limits = limits("{ default = \"gold\" }", DEFAULTS);
    let bench = Bench::with_keys(&format!("{public}{limits}")).await;
    store_plans(&bench, 2);
    for outcome in [json!(1), json!(0), Value::Null] {
        let event = json!({"type": "REQUEST", "methodArn": ARN, "headers": {},
            "requestContext": {"identity": {"sourceIp": "192.0.2.1"}}});
        let answer = bench.ask(&event).await.unwrap();
        let context = &answer["context"];
        let left = Some(&context["remaining"]).filter(|_| context.get("throttled").is_none());
        assert_eq!(left.unwrap_or(&Value::Null), &outcome, "{context}");
    }
}

#[tokio::test]
async fn a_parent_s_plan_that_is_not_stored_is_named_in_the_log() {
    let captured = Captured::at("INFO");
    let parents = "[{ parent = \"custom:tenant\", plan = \"gone\" }]";
    for plan in ["{ default = \"gold\" }", "{ claim = \"plan\", default = \"gold\" }"] {
        let bench = Bench::with_keys(&limits(plan, parents)).await;
        store_plans(&bench, 100);
        let claims = json!({"sub": "maria", TENANT: "acme", "plan": "gold"});
        captured.clear();
        assert_eq!(call(&bench, &claims).await, "config");
        let detail = "the plan of a parent is not in the table: create it";
        assert_eq!(last(&captured)["detail"], detail);
        let message = "no plan `gone` in table `tollgate`; create it with `tollgate plan put gone";
        assert!(captured.text().contains(message), "{}", captured.text());
        // A caller's claim that names no plan still counts as absent.
        let known = json!({"sub": "maria", TENANT: "acme", "plan": "unknown"});
        assert_eq!(call(&bench, &known).await, "config");
        let gold = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":9}}"#).unwrap();
        bench.authorizer.store().put_plan(PlanId::new("gone").unwrap(), gold, bench.clock.now());
        bench.clock.advance(Duration::from_secs(61));
        assert_eq!(call(&bench, &known).await, 6);
    }
}

#[tokio::test]
async fn the_context_names_the_parents_and_the_level_that_has_the_limit() {
    let bench = bench(2).await;
    let issuer = bench.iss.strip_prefix("http://").unwrap().to_owned();
    let context = async || {
        let event = event(&bench.token(&user("maria", "acme")), ARN, None);
        bench.ask(&event).await.unwrap()["context"].clone()
    };
    let first = context().await;
    let parents: Value = serde_json::from_str(first["parents"].as_str().unwrap()).unwrap();
    let tenant = format!("#{issuer}#{TENANT}#acme");
    assert_eq!(
        parents,
        json!([
            {"name": TENANT, "subject": tenant, "plan": "tenant"},
            {"name": "*", "subject": "everyone", "plan": "everyone"},
        ])
    );
    assert_eq!((&first["plan"], &first["limit"]), (&json!("gold"), &json!(2)));
    assert_eq!((&first["remaining"], &first["limitOf"]), (&json!(1), &json!("*")));
    context().await;
    let refused = context().await;
    assert_eq!((&refused["throttled"], &refused["limitOf"]), (&json!(true), &json!("*")));
    assert_eq!(refused["parents"], first["parents"], "also after a refusal");
}

#[tokio::test]
async fn a_limit_of_the_subject_itself_names_no_level() {
    let bench = bench(100).await;
    let tenant = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":50}}"#).unwrap();
    bench.authorizer.store().put_plan(PlanId::new("tenant").unwrap(), tenant, bench.clock.now());
    let event = event(&bench.token(&user("maria", "acme")), ARN, None);
    let answer = bench.ask(&event).await.unwrap();
    assert_eq!((&answer["context"]["limit"], answer["context"].get("limitOf")), (&json!(7), None));
}

#[tokio::test]
async fn a_parent_s_plan_that_is_tried_reports_its_level_and_refuses_nobody() {
    let captured = Captured::at("INFO");
    let bench = bench(100).await;
    for (id, burst) in [("gold", 1), ("tenant", 2)] {
        let plan =
            format!(r#"{{"throttle":{{"rateLimit":0.001,"burstLimit":{burst}}},"enforce":false}}"#);
        let (id, plan) = (PlanId::new(id).unwrap(), Plan::from_json(&plan).unwrap());
        bench.authorizer.store().put_plan(id, plan, bench.clock.now());
    }
    for would in [None, Some("burst"), Some("burst,custom:tenant/burst")] {
        let event = event(&bench.token(&user("maria", "acme")), ARN, None);
        let answer = bench.ask(&event).await.unwrap();
        assert_eq!(answer["context"].get("throttled"), None);
        assert_eq!(answer["context"].get("wouldThrottle").and_then(Value::as_str), would);
        assert_eq!(last(&captured).get("would_throttle").and_then(Value::as_str), would);
    }
}
