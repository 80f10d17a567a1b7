//! Settings that do not fit together are found when the layer is built.

use tollgate_throttle::Meter;
use tollgate_throttle::layer::{Authorizer, By, Cause, Limits, Plans, Refused};
use tower::{Layer, service_fn};

use crate::setting::{Setting, answer, client, plan, request, yes};

fn within(limits: Limits, name: &str) -> Limits {
    limits.within(name, By::header("x-tenant"), Plans::fixed(plan("free")))
}

fn meter(limits: Limits, name: &str) -> Limits {
    limits.meter(Meter::new(name).unwrap(), |_| 1)
}

fn authorizer() -> Authorizer {
    Authorizer::headers("x-authorizer-")
}

#[tokio::test]
async fn a_mistake_of_the_service_is_named_and_is_not_the_callers() {
    let it = Setting::burst(9);
    let limits = || it.limits();
    let long = "n".repeat(129);
    let mistakes = [
        (within(limits(), ""), "the name `` of a layer or a parent is empty"),
        (within(limits(), "te\nnant"), "the name `te\\nnant` of a layer or a parent holds"),
        (within(limits(), "a#b"), "the name `a#b` of a layer or a parent has a `#`"),
        (limits().name(&long), "has 129 bytes, and at most 128 fit"),
        (limits().name(""), "the name `` of a layer or a parent is empty"),
        (within(within(limits(), "tenant"), "tenant"), "`tenant` names"),
        (within(limits(), "tenant").name("tenant"), "`tenant` names"),
        (["a", "b", "c", "d"].into_iter().fold(limits(), within), "more than 3 parents"),
        (limits().name("search").counted_by(authorizer()), "`counted_by` in a layer with a name"),
        (meter(meter(limits(), "tokens"), "tokens"), "the meter `tokens` is set twice"),
        (["a", "b", "c", "d"].into_iter().fold(limits(), meter), "more than 3 meters"),
        (limits().meter(Meter::REQUESTS, |_| 3), "`requests` is not a named meter"),
        (it.limits_by(By::header("x client")), "`x client` is not a header's name"),
        (it.limits_by(client().or(By::api_key("x\n"))), "`x\\n` is not a header's name"),
        (it.limits_by(By::address_header("").or_anonymous()), "`` is not a header's name"),
        (it.limits_by(client().of_issuer("")), "the issuer `` is empty"),
        (it.limits_by(client().of_issuer("#tenant")), "the issuer `#tenant` is empty or begins"),
        (limits().counted_by(Authorizer::headers("x auth-")), "`x auth-` does not begin"),
        (limits().within_authorizer(Authorizer::headers("x:")), "`x:` does not begin"),
        (
            it.limits_by(By::authorizer(Authorizer::headers("x auth-"), "sub")),
            "`x auth-` does not begin",
        ),
    ];
    for (limits, expected) in mistakes {
        let error = limits.clone().checked().unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        // Without that call, requests are refused and nothing is charged.
        let response = answer(&limits.layer(service_fn(yes)), request()).await;
        assert_eq!(response.status(), 503, "{expected}");
        assert_eq!(response.headers().get("retry-after"), None);
        let refused = response.extensions().get::<Refused>().unwrap();
        assert_eq!(*refused.cause(), Cause::Misconfigured(error));
    }
    assert_eq!(it.store.asked(), 0);
}

#[tokio::test]
async fn settings_that_fit_are_not_refused() {
    let it = Setting::burst(9);
    let limits = ["a", "b", "ü \"c\""].into_iter().fold(it.limits().name("search"), within);
    let limits = meter(meter(limits, "tokens"), "spend").within_authorizer(authorizer());
    limits.checked().unwrap();
    let by = By::authorizer(authorizer(), "sub").of_issuer("https://issuer.example");
    it.limits_by(by.or(By::header("X-Client"))).counted_by(authorizer()).checked().unwrap();
}
