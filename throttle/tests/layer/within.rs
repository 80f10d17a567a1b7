//! Requests within parents: a user within a tenant.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tollgate_throttle::layer::{Authorizer, By, Limits, Plans};
use tollgate_throttle::{Subject, Throttle};
use tower::{Layer, Service, ServiceExt, service_fn};

use crate::body::{RESERVED, by_json, used};
use crate::setting::{Setting, client, field, plan, yes};

fn setting() -> Setting {
    let it = Setting::burst(3);
    it.put("tenant", r#"{"throttle": {"rateLimit": 1, "burstLimit": 4}}"#);
    it
}

fn within(limits: Limits) -> Limits {
    limits.within("tenant", By::header("x-tenant"), Plans::fixed(plan("tenant")))
}

async fn ask(limits: &Limits, user: &str, tenant: &str) -> Response<String> {
    let request = Request::get("/").header("x-client", user).header("x-tenant", tenant);
    limits.layer(service_fn(yes)).oneshot(request.body(String::new()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn every_level_must_admit_a_request_and_is_shown() {
    let it = setting();
    let limits = within(it.limits());
    let response = ask(&limits, "maria", "acme").await;
    assert_eq!(
        field(&response, "ratelimit-policy"),
        Some(r#""burst";q=3;w=3, "tenant-burst";q=4;w=4"#)
    );
    assert_eq!(field(&response, "ratelimit"), Some(r#""burst";r=2;t=1, "tenant-burst";r=3;t=1"#));
    for _ in 0..2 {
        assert_eq!(ask(&limits, "maria", "acme").await.status(), 200);
    }
    // Her own limit, which the tenant does not pay for.
    let refused = ask(&limits, "maria", "acme").await;
    assert_eq!(refused.status(), 429);
    assert!(refused.body().contains(r#""violated-policies":["burst"]"#), "{refused:?}");
    let response = ask(&limits, "paul", "acme").await;
    // The tightest limit of all levels is first.
    assert_eq!(field(&response, "ratelimit"), Some(r#""tenant-burst";r=0;t=1, "burst";r=2;t=1"#));
    // The tenant's limit, which he does not pay for.
    let refused = ask(&limits, "paul", "acme").await;
    assert_eq!((refused.status().as_u16(), field(&refused, "retry-after")), (429, Some("1")));
    assert!(refused.body().contains(r#""violated-policies":["tenant-burst"]"#), "{refused:?}");
    assert_eq!(it.left("paul").await, 2);
    assert_eq!(ask(&limits, "paul", "globex").await.status(), 200, "another tenant");
    // With a name of the layer.
    let response = ask(&within(it.limits().name("api")), "tom", "globex").await;
    assert!(field(&response, "ratelimit").unwrap().contains(r#""api-tenant-burst";r=2"#));
}

/// From memory too: other requests of the tenant have used what its last state shows.
#[tokio::test]
async fn a_refusal_by_the_tenant_shows_that_nothing_is_left() {
    let it = Setting::new(r#"{"throttle": {"rateLimit": 10000, "burstLimit": 10000}}"#);
    it.put("tenant", r#"{"throttle": {"rateLimit": 100, "burstLimit": 100}}"#);
    let (limits, mut refused) = (within(it.limits()), 0);
    for _ in 0..900 {
        it.clock.advance(Duration::from_millis(1));
        let response = ask(&limits, "maria", "acme").await;
        if response.status() == 429 {
            refused += 1;
            assert!(response.body().contains(r#""violated-policies":["tenant-burst"]"#));
            let shown = field(&response, "ratelimit").unwrap();
            assert!(shown.starts_with(r#""tenant-burst";r=0;t=1, "#), "{shown}");
            assert_eq!(field(&response, "retry-after"), Some("1"));
        }
    }
    assert!(refused > 500, "{refused}");
}

/// Tokens that a lease of the tenant holds are available.
#[tokio::test]
async fn a_leased_tenant_shows_what_is_held_and_what_refilled() {
    let it = Setting::new(r#"{"throttle": {"rateLimit": 10000, "burstLimit": 10000}}"#);
    it.put("tenant", r#"{"throttle": {"rateLimit": 1000, "burstLimit": 1000}}"#);
    let limits = within(it.limits());
    for _ in 0..900 {
        it.clock.advance(Duration::from_millis(4));
        let response = ask(&limits, "maria", "acme").await;
        let shown = field(&response, "ratelimit").unwrap();
        // This request's token has not refilled yet, or more than it has.
        let tenant = shown.split(", ").find(|it| it.starts_with("\"tenant-"));
        let whole = r#""tenant-burst";r=1000"#;
        assert!([whole, r#""tenant-burst";r=999;t=1"#].map(Some).contains(&tenant), "{shown}");
    }
    assert!(it.throttle.stats().parents_leased > 500, "{:?}", it.throttle.stats());
}

/// A tenant whose lease has tokens is asked before its users.
#[tokio::test]
async fn a_refusal_names_the_limits_of_the_level_that_refuses() {
    let it = Setting::new(r#"{"throttle": {"rateLimit": 10, "burstLimit": 10}}"#);
    it.put("tenant", r#"{"throttle": {"rateLimit": 9000, "burstLimit": 9000}}"#);
    it.put("all", r#"{"throttle": {"rateLimit": 7000, "burstLimit": 7000}}"#);
    let instance = || {
        let throttle = Arc::new(Throttle::new(it.store.clone(), it.clock.clone()));
        let limits = Limits::new(throttle, client(), Plans::fixed(plan("free")));
        within(limits).within(
            "all",
            By::function(|_| Some("all".to_owned())),
            Plans::fixed(plan("all")),
        )
    };
    let (instances, mut refused) = ([instance(), instance()], 0);
    for turn in 0..2_000 {
        it.clock.advance(Duration::from_millis(1));
        let user = format!("user-{}", turn / 2 % 25);
        let response = ask(&instances[turn % 2], &user, "acme").await;
        let policies = field(&response, "ratelimit-policy").unwrap();
        for (name, most) in [("tenant-burst", 9_000), ("all-burst", 7_000)] {
            let shown = policies.split(", ").find(|it| it.contains(name));
            let expected = format!("\"{name}\";q={most};");
            assert!(shown.is_none_or(|it| it.starts_with(&expected)), "{policies}");
        }
        if response.status() == 429 {
            refused += 1;
            assert!(response.body().contains(r#""violated-policies":["burst"]"#), "{response:?}");
        }
        let shown = field(&response, "ratelimit").unwrap();
        assert!(!shown.contains(";t=0"), "{shown}");
    }
    assert!(refused > 500, "{refused}");
}

#[tokio::test]
async fn a_user_and_a_tenant_of_one_name_do_not_share_a_bucket() {
    let it = setting();
    let limits = within(it.limits());
    for _ in 0..3 {
        assert_eq!(ask(&limits, "acme", "globex").await.status(), 200);
    }
    assert_eq!(ask(&limits, "acme", "globex").await.status(), 429, "the user's limit of 3");
    assert_eq!(it.left("globex").await, 3, "no user of that name was charged");
    let response = ask(&limits, "maria", "acme").await;
    assert!(field(&response, "ratelimit").unwrap().contains(r#""tenant-burst";r=3"#));
    // She is `~#tenant#acme`, and one of the tenant's users.
    let response = ask(&limits, "#tenant#acme", "acme").await;
    assert!(field(&response, "ratelimit").unwrap().contains(r#""tenant-burst";r=2"#));
}

#[tokio::test]
async fn a_caller_without_a_parent_is_refused() {
    let it = setting();
    let limits = within(it.limits());
    let request = Request::get("/").header("x-client", "maria").body(String::new()).unwrap();
    let response = limits.layer(service_fn(yes)).oneshot(request).await.unwrap();
    assert_eq!(response.status(), 403);
    assert_eq!(it.store.asked(), 0, "nothing was charged");
}

#[tokio::test]
async fn a_parents_plan_that_is_not_stored_counts_as_none() {
    let it = setting();
    let plans = Plans::authorizer(Authorizer::headers("x-authorizer-"), "plan", plan("tenant"));
    let limits = it.limits().within("tenant", By::header("x-tenant"), plans);
    let mut service = limits.layer(service_fn(yes));
    let request = Request::get("/").header("x-client", "maria").header("x-tenant", "acme");
    let request = request.header("x-authorizer-plan", "gold").body(String::new()).unwrap();
    let response = service.call(request).await.unwrap();
    assert_eq!(field(&response, "ratelimit"), Some(r#""burst";r=2;t=1, "tenant-burst";r=3;t=1"#));
}

#[tokio::test]
async fn a_body_is_settled_at_each_level() {
    use http_body_util::BodyExt;
    let it = crate::body::setting();
    it.put("tenant", r#"{"meters": {"tokens": {"quota": {"limit": 800, "period": "MONTH"}}}}"#);
    let limits =
        by_json(&it).within("tenant", By::header("x-tenant"), Plans::fixed(plan("tenant")));
    let service = limits.layer(service_fn(|_: Request<String>| async {
        let body = r#"{"usage": {"total_tokens": 500}}"#.to_owned();
        Ok::<_, std::convert::Infallible>(Response::new(body))
    }));
    let request = || {
        let request = Request::get("/").header("x-client", "maria").header("x-tenant", "acme");
        request.body(String::new()).unwrap()
    };
    let response = service.clone().oneshot(request()).await.unwrap();
    let told = field(&response, "ratelimit").unwrap();
    assert!(told.contains(&format!(r#""tenant-tokens-monthly";r={}"#, 800 - RESERVED)), "{told}");
    response.into_body().collect().await.unwrap();
    assert_eq!(used(&it).await, 500);
    // 300 are left of the tenant's, so a reservation of 400 does not fit.
    let refused = service.oneshot(request()).await.unwrap();
    assert_eq!(refused.status(), 429);
    let told = field(&refused, "ratelimit").unwrap();
    assert!(told.contains(r#""tenant-tokens-monthly";r=300"#), "{told}");
    assert_eq!(used(&it).await, 500, "nothing stays charged");
}

/// A request behind the authorizer, which names these parents.
async fn behind(limits: &Limits, parents: Option<&str>) -> Response<String> {
    let request = Request::get("/").header("x-client", "maria");
    let request = match parents {
        Some(parents) => request.header("x-authorizer-parents", parents),
        None => request,
    };
    limits.layer(service_fn(yes)).oneshot(request.body(String::new()).unwrap()).await.unwrap()
}

#[tokio::test]
async fn the_parents_of_the_authorizer_are_charged_by_their_own_names() {
    let it = setting();
    it.put("all", r#"{"throttle": {"rateLimit": 1, "burstLimit": 5}}"#);
    let limits = it.limits().within_authorizer(Authorizer::headers("x-authorizer-"));
    let parents = r##"[{"name":"assigned","subject":"acme","plan":"tenant"},
        {"name":"assigned","subject":"holding","plan":"all"},
        {"name":"*","subject":"everyone","plan":"all"}]"##;
    let parents = parents.replace(['\n', ' '], "");
    let response = behind(&limits, Some(&parents)).await;
    assert_eq!(
        field(&response, "ratelimit"),
        Some(
            r#""burst";r=2;t=1, "assigned-burst";r=3;t=1, "assigned-2-burst";r=4;t=1, "everyone-burst";r=4;t=1"#
        )
    );
    // The subjects are the authorizer's own buckets.
    for (name, id, left) in [("acme", "tenant", 3), ("holding", "all", 4), ("everyone", "all", 4)] {
        let (subject, plan) = (Subject::new(name).unwrap(), plan(id));
        let request = tollgate_throttle::Request::new(&subject, &plan);
        assert_eq!(it.throttle.decide(&request).await.unwrap().remaining(), left - 1, "{name}");
    }
    // A tenant by a claim, whose subject no caller has.
    let claim =
        r##"[{"name":"custom:tenant","subject":"#pool#custom:tenant#acme","plan":"tenant"}]"##;
    let response = behind(&limits, Some(claim)).await;
    assert!(field(&response, "ratelimit").unwrap().contains(r#""custom_tenant-burst";r=3"#));
    for none in [None, Some(""), Some("[]")] {
        assert_ne!(behind(&limits, none).await.status(), 403, "{none:?}");
    }
}

#[tokio::test]
async fn parents_in_another_form_are_refused_and_nothing_is_charged() {
    let it = setting();
    let limits = it.limits().within_authorizer(Authorizer::headers("x-authorizer-"));
    let one = |subject: &str| format!(r#"{{"name":"*","subject":"{subject}","plan":"tenant"}}"#);
    for parents in [
        "acme".to_owned(),
        "{}".to_owned(),
        "[1]".to_owned(),
        "[null]".to_owned(),
        r#"[{"name":"*","subject":"acme"}]"#.to_owned(),
        r#"[{"name":"*","subject":"acme","plan":null}]"#.to_owned(),
        r#"[{"name":7,"subject":"acme","plan":"tenant"}]"#.to_owned(),
        format!("[{}]", one("")),
        format!("[{}]", one("maria")),
        format!("[{},{}]", one("acme"), one("acme")),
        format!("[{}]", ["a", "b", "c", "d"].map(one).join(",")),
        format!("[{}]", " ".repeat(8 * 1024)),
        "[".repeat(8 * 1024),
    ] {
        let response = behind(&limits, Some(&parents)).await;
        assert_eq!(response.status(), 403, "{parents}");
        assert!(!response.body().contains("acme"), "{response:?}");
    }
    assert_eq!(it.store.asked(), 0);
}
