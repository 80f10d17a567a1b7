//! Responses to refusals and failures, and reports to operators.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode};
use serde_json::{Value, json};
use tollgate_throttle::layer::{Authorizer, By, Cause, Limits, Plans, Report};
use tollgate_throttle::testing::Fault;
use tollgate_throttle::{Decision, PlanId, Subject};
use tower::{Layer, service_fn};

use crate::setting::{Setting, answer, client, field, plan, request, status, yes};

fn problem(response: &Response<String>) -> Value {
    assert_eq!(field(response, "content-type"), Some("application/problem+json"));
    serde_json::from_str(response.body()).unwrap()
}

#[tokio::test]
async fn a_limit_that_is_exhausted_is_429() {
    let setting = Setting::new(
        r#"{"throttle": {"rateLimit": 1, "burstLimit": 3}, "quota": {"limit": 1, "period": "DAY"}}"#,
    );
    let service = setting.limits().layer(service_fn(yes));
    status(&service).await;
    let refused = answer(&service, request()).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(field(&refused, "retry-after"), Some("86400"));
    assert_eq!(
        problem(&refused),
        json!({
            "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
            "title": "Quota Exceeded",
            "status": 429,
            "detail": "Retry the request in 86400 seconds.",
            "violated-policies": ["daily"],
        })
    );
    assert_eq!(
        field(&refused, "ratelimit-policy"),
        Some(r#""burst";q=3;w=3, "daily";q=1;w=86400"#)
    );
    assert_eq!(field(&refused, "ratelimit"), Some(r#""daily";r=0;t=86400, "burst";r=2;t=1"#));
}

#[tokio::test]
async fn a_closed_plan_is_429_without_a_time_to_wait() {
    let setting = Setting::new(
        r#"{"throttle": {"rateLimit": 0.0, "burstLimit": 0}, "quota": {"limit": 5, "period": "DAY"}}"#,
    );
    let service = setting.limits().legacy_fields().layer(service_fn(yes));
    let refused = answer(&service, request()).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(field(&refused, "retry-after"), None);
    let problem = problem(&refused);
    assert_eq!(problem["violated-policies"], json!(["burst"]));
    assert_eq!(problem["detail"], "A limit is exhausted.");
    assert_eq!(field(&refused, "ratelimit-policy"), Some(r#""burst";q=0, "daily";q=5;w=86400"#));
    // Of the quota nothing is left either: the rate lets nothing through until it resets.
    assert_eq!(field(&refused, "ratelimit"), Some(r#""burst";r=0, "daily";r=0;t=86400"#));
    assert_eq!(field(&refused, "x-ratelimit-limit"), Some("0"));
    assert_eq!(field(&refused, "x-ratelimit-reset"), None);
}

#[tokio::test]
async fn an_unlimited_plan_has_no_fields() {
    let setting = Setting::new(r#"{"unlimited": true}"#);
    let service = setting.limits().legacy_fields().layer(service_fn(yes));
    for _ in 0..20 {
        let allowed = answer(&service, request()).await;
        assert_eq!(allowed.status(), 200);
        for name in ["ratelimit", "ratelimit-policy", "retry-after", "x-ratelimit-limit"] {
            assert_eq!(field(&allowed, name), None);
        }
    }
}

#[tokio::test]
async fn a_limit_that_refuses_for_less_long_hides_no_retry_after() {
    let setting = Setting::new(
        r#"{"throttle": {"rateLimit": 1, "burstLimit": 1}, "quota": {"limit": 9, "period": "DAY"}}"#,
    );
    let service = setting.limits().layer(service_fn(yes));
    status(&service).await;
    let refused = answer(&service, request()).await;
    assert_eq!(field(&refused, "retry-after"), Some("1"));
    // The day's end is later than that: it isn't told.
    assert_eq!(field(&refused, "ratelimit"), Some(r#""burst";r=0;t=1, "daily";r=8"#));
}

#[tokio::test]
async fn a_retry_after_of_the_service_itself_is_heeded() {
    for (told, fields) in [
        ("10", r#""burst";r=1;t=5"#),
        ("4", r#""burst";r=1"#),
        ("Fri, 31 Dec 1999 23:59:59 GMT", r#""burst";r=1"#),
    ] {
        let setting = Setting::new(r#"{"throttle": {"rateLimit": 0.2, "burstLimit": 2}}"#);
        let inner = service_fn(move |_: Request<String>| async move {
            let response = Response::builder().status(503).header("retry-after", told);
            Ok::<_, std::convert::Infallible>(response.body(String::new()).unwrap())
        });
        let response = answer(&setting.limits().layer(inner), request()).await;
        assert_eq!(field(&response, "ratelimit"), Some(fields), "{told}");
    }
}

#[tokio::test]
async fn a_failure_closes_unless_the_plan_says_otherwise() {
    let setting = Setting::burst(10);
    let service = setting.limits().layer(service_fn(yes));
    setting.store.fail_with(Fault::Outage);
    let failed = answer(&service, request()).await;
    assert_eq!(failed.status(), 503);
    assert_eq!(field(&failed, "retry-after"), Some("1"));
    assert_eq!(
        problem(&failed),
        json!({
            "type": "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity",
            "title": "Temporary Reduced Capacity",
            "status": 503,
            "detail": "The limits can't be looked up at the moment.",
            "violated-policies": [],
        })
    );
    assert_eq!(field(&failed, "ratelimit"), None);

    let setting =
        Setting::new(r#"{"throttle": {"rateLimit": 1, "burstLimit": 10}, "failure": "open"}"#);
    let service = setting.limits().layer(service_fn(yes));
    assert_eq!(status(&service).await, 200);
    setting.store.fail_with(Fault::Outage);
    let open = answer(&service, request()).await;
    // Nobody knows how the limits stand.
    assert_eq!((open.status().as_u16(), field(&open, "ratelimit")), (200, None));
    setting.store.fail_with(Fault::NoTable);
    let failed = answer(&service, request()).await;
    assert_eq!((failed.status().as_u16(), field(&failed, "retry-after")), (503, None));
}

#[tokio::test]
async fn who_is_not_known_is_refused_unless_a_fallback_is_named() {
    let setting = Setting::burst(10);
    let nobody = || Request::get("/").body(String::new()).unwrap();
    let service = setting.limits().layer(service_fn(yes));
    let refused = answer(&service, nobody()).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(problem(&refused)["title"], "Forbidden");
    assert_eq!(problem(&refused)["type"], "about:blank");
    let long = Request::get("/").header("x-client", "x".repeat(513)).body(String::new()).unwrap();
    assert_eq!(answer(&service, long).await.status(), 403);

    let service = setting.limits_by(client().or_anonymous()).layer(service_fn(yes));
    assert_eq!(answer(&service, nobody()).await.status(), 200);
    assert_eq!(setting.left("anonymous").await, 9);
}

#[tokio::test]
async fn a_claim_that_names_no_plan_gets_the_default() {
    let setting = Setting::burst(10);
    setting.put("gold", r#"{"throttle": {"rateLimit": 1, "burstLimit": 100}}"#);
    let plans = Plans::authorizer(Authorizer::headers("x-authorizer-"), "plan", plan("free"));
    let limits = Limits::new(Arc::clone(&setting.throttle), client(), plans);
    let service = limits.layer(service_fn(yes));
    let with = |plans: &[&[u8]]| {
        let mut request = request();
        for plan in plans {
            let plan = HeaderValue::from_bytes(plan).unwrap();
            request.headers_mut().append("x-authorizer-plan", plan);
        }
        request
    };
    let long = "x".repeat(129);
    let claims: [(&[&[u8]], u32); 8] = [
        (&[b"gold"], 100),
        (&[b"free"], 10),
        (&[], 10),
        (&[b"other"], 10),
        (&[b""], 10),
        (&[long.as_bytes()], 10),
        (&["gold\u{e9}".as_bytes()], 10),
        (&[b"gold", b"gold"], 10),
    ];
    for (plans, burst) in claims {
        let response = answer(&service, with(plans)).await;
        let policy = format!(r#""burst";q={burst};w={burst}"#);
        assert_eq!(field(&response, "ratelimit-policy"), Some(policy.as_str()), "{plans:?}");
    }
    // The default is the service's own word.
    let plans = Plans::authorizer(Authorizer::headers("x-authorizer-"), "plan", plan("none"));
    let limits = Limits::new(Arc::clone(&setting.throttle), client(), plans);
    assert_eq!(answer(&limits.layer(service_fn(yes)), with(&[b"other"])).await.status(), 503);
}

#[tokio::test]
async fn a_cost_that_never_fits_is_the_callers() {
    let setting = Setting::new(
        r#"{"throttle": {"rateLimit": 1, "burstLimit": 9}, "quota": {"limit": 7, "period": "DAY"}}"#,
    );
    let cost = |parts: &http::request::Parts| {
        parts.uri.query().and_then(|query| query.parse().ok()).unwrap_or(1)
    };
    let service = setting.limits().cost(cost).name("search").layer(service_fn(yes));
    let asks = |cost: u32| {
        let request = Request::get(format!("/?{cost}")).header("x-client", "maria");
        request.body(String::new()).unwrap()
    };
    for (cost, violated) in [(8, "search-daily"), (10, "search-burst"), (u32::MAX, "search-burst")]
    {
        let refused = answer(&service, asks(cost)).await;
        assert_eq!(refused.status(), 422);
        assert_eq!(field(&refused, "retry-after"), None);
        assert_eq!(
            problem(&refused),
            json!({
                "type": "about:blank",
                "title": "Unprocessable Content",
                "status": 422,
                "detail": "The request costs more than a limit ever allows: ask for less.",
                "code": "cost-above-limit",
                "violated-policies": [violated],
            })
        );
    }
    assert_eq!(answer(&service, asks(7)).await.status(), 200);
}

#[tokio::test]
async fn a_hook_shapes_the_answer() {
    let setting = Setting::burst(1);
    let limits = setting.limits().answer(|refused, response| {
        assert_eq!(refused.violated(), ["burst"]);
        assert_eq!(refused.retry_after(), Some(1));
        let (mut parts, _) = response.into_parts();
        parts.headers.insert("content-type", "text/plain".parse().unwrap());
        Response::from_parts(parts, format!("{}: later", refused.status()))
    });
    let service = limits.layer(service_fn(yes));
    status(&service).await;
    let refused = answer(&service, request()).await;
    assert_eq!(refused.body(), "429 Too Many Requests: later");
    assert_eq!(field(&refused, "content-type"), Some("text/plain"));
    assert_eq!(field(&refused, "retry-after"), Some("1"));
}

#[tokio::test]
async fn legacy_fields_are_an_option() {
    let setting = Setting::new(r#"{"throttle": {"rateLimit": 0.5, "burstLimit": 2}}"#);
    let service = setting.limits().layer(service_fn(yes));
    assert_eq!(field(&answer(&service, request()).await, "x-ratelimit-limit"), None);
    let service = setting.limits().legacy_fields().layer(service_fn(yes));
    let legacy = |response: &Response<String>| {
        ["limit", "remaining", "reset"].map(|name| {
            field(response, &format!("x-ratelimit-{name}")).map(|it| it.parse::<u64>().unwrap())
        })
    };
    assert_eq!(legacy(&answer(&service, request()).await), [Some(2), Some(0), Some(4)]);
    assert_eq!(legacy(&answer(&service, request()).await), [Some(2), Some(0), Some(4)]);
}

#[tokio::test]
async fn a_name_can_not_break_the_fields() {
    let setting = Setting::burst(2);
    let service = setting.limits().name("a\"; q=1\u{e9}").layer(service_fn(yes));
    let response = answer(&service, request()).await;
    assert_eq!(field(&response, "ratelimit"), Some(r#""a___q_1_-burst";r=1;t=1"#));
}

/// The contents of a report.
#[derive(Debug, PartialEq)]
struct Told {
    subject: Option<Subject>,
    plan: Option<PlanId>,
    cost: u32,
    allowed: Option<bool>,
    status: Option<StatusCode>,
    shadow: bool,
}

impl Told {
    fn of(report: &Report<'_>) -> Self {
        Self {
            subject: report.subject().cloned(),
            plan: report.plan().cloned(),
            cost: report.cost(),
            allowed: report.decision().map(Decision::is_allowed),
            status: report.refused().map(tollgate_throttle::layer::Refused::status),
            shadow: report.is_shadow(),
        }
    }
}

#[tokio::test]
async fn shadow_mode_refuses_nothing_and_reports() {
    let setting = Setting::burst(1);
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let told = Arc::clone(&told);
        move |report: &Report<'_>| told.lock().unwrap().push(Told::of(report))
    };
    let limits = setting.limits().shadow().legacy_fields().report(hook);
    let service = limits.layer(service_fn(yes));
    let nobody = Request::get("/").body(String::new()).unwrap();
    let mut answers = vec![answer(&service, request()).await, answer(&service, request()).await];
    answers.push(answer(&service, nobody).await);
    setting.store.fail_with(Fault::NoTable);
    setting.clock.advance(Duration::from_secs(2));
    answers.push(answer(&service, request()).await);
    for response in answers {
        assert_eq!((response.status().as_u16(), response.body().as_str()), (200, "yes"));
        assert!(response.headers().is_empty(), "{:?}", response.headers());
    }
    let maria = || Some(Subject::new("maria").unwrap());
    let (free, shadow, cost) = (|| Some(plan("free")), true, 1);
    let expected = [
        Told { subject: maria(), plan: free(), cost, allowed: Some(true), status: None, shadow },
        Told {
            subject: maria(),
            plan: free(),
            cost,
            allowed: Some(false),
            status: Some(StatusCode::TOO_MANY_REQUESTS),
            shadow,
        },
        Told {
            subject: None,
            plan: None,
            cost,
            allowed: None,
            status: Some(StatusCode::FORBIDDEN),
            shadow,
        },
        Told {
            subject: maria(),
            plan: free(),
            cost,
            allowed: None,
            status: Some(StatusCode::SERVICE_UNAVAILABLE),
            shadow,
        },
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}

#[tokio::test]
async fn every_decision_is_reported() {
    let setting = Setting::burst(1);
    let causes = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let causes = Arc::clone(&causes);
        move |report: &Report<'_>| {
            assert!(!report.is_shadow());
            causes.lock().unwrap().push(report.refused().map(|refused| refused.cause().clone()));
        }
    };
    let service = setting.limits().report(hook).layer(service_fn(yes));
    status(&service).await;
    status(&service).await;
    answer(&service, Request::new(String::new())).await;
    let causes = causes.lock().unwrap();
    assert_eq!(causes[..2], [None, Some(Cause::Exhausted)]);
    assert!(matches!(causes[2], Some(Cause::Unidentified(_))), "{causes:?}");
}

/// The log of the whole process.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_lets_nobody_through_is_logged_without_what_a_caller_sent() {
    let lines = Lines::default();
    let writer = lines.clone();
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let setting = Setting::burst(1);
    let service = setting.limits().layer(service_fn(yes));
    answer(&service, Request::new(String::new())).await;
    let two = Request::builder().header("x-client", "maria-1").header("x-client", "maria-2");
    answer(&service, two.body(String::new()).unwrap()).await;
    let by = By::function(|_| Some("maria-3\n".to_owned()));
    answer(&setting.limits_by(by).layer(service_fn(yes)), request()).await;
    let claimed = Plans::authorizer(Authorizer::headers("x-authorizer-"), "plan", plan("free"));
    let limits = Limits::new(Arc::clone(&setting.throttle), client(), claimed);
    for claim in ["secret-claim", ""] {
        let mut request = request();
        request.headers_mut().insert("x-authorizer-plan", claim.parse().unwrap());
        answer(&limits.layer(service_fn(yes)), request).await;
    }
    let costly = setting.limits().cost(|_| 2).layer(service_fn(yes));
    answer(&costly, request()).await;
    let by_callers = std::mem::take(&mut *lines.0.lock().unwrap());

    let plans = Plans::function(|_| Some(plan("secret-plan")), plan("free"));
    let limits = Limits::new(Arc::clone(&setting.throttle), client(), plans);
    answer(&limits.layer(service_fn(yes)), request()).await;
    let missing = Limits::new(Arc::clone(&setting.throttle), client(), Plans::fixed(plan("usr")));
    answer(&missing.layer(service_fn(yes)), request()).await;
    let unknown = setting.limits().meter(tollgate_throttle::Meter::new("tokns").unwrap(), |_| 5);
    answer(&unknown.layer(service_fn(yes)), request()).await;
    setting.store.fail_with(Fault::NoTable);
    setting.clock.advance(Duration::from_secs(2));
    status(&service).await;
    let by_the_service = lines.0.lock().unwrap().clone();

    let expected: [(Vec<u8>, &str, &[&str]); 2] = [
        (
            by_callers,
            " INFO ",
            &[
                "the header `x-client` is missing",
                "the header `x-client` can't name a subject",
                "the subject can't name a subject: it holds a control character",
                "names no plan that is stored",
                "costs more than a limit ever holds",
            ],
        ),
        (
            by_the_service,
            " ERROR ",
            &[
                "plan is not in the table",
                "plan=usr",
                "the plan `free` has no meter `tokns`",
                "the table doesn't exist",
            ],
        ),
    ];
    for (log, level, expected) in expected {
        let log = String::from_utf8(log).unwrap();
        // Other tests of this process write lines too, while this one runs.
        for expected in expected {
            let line = log.lines().find(|line| line.contains(expected));
            let line = line.unwrap_or_else(|| panic!("{expected}: {log}"));
            assert!(line.contains(level), "{line}");
        }
        assert!(!log.contains("maria") && !log.contains("secret"), "{log}");
    }
}
