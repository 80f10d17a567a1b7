//! Attacks by what a genuine signature is put under.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_authorizer::Code;

use crate::issuer::{Bench, Endpoint, HEADER, NOW, evil, payload, rsa, rsa_jwk, sign};

/// A payload in which one claim is written as this very text.
fn written(bench: &Bench, name: &str, text: &str) -> String {
    let without = bench.payload(&json!({name: null}));
    format!("{{\"{name}\":{text},{}", without.trim_start_matches('{'))
}

/// Texts that are not a time within bounds.
const NO_TIMES: [&str; 17] = [
    "true",
    "false",
    "\"1800003600\"",
    "\"1800003600.5\"",
    "\"\"",
    "[1800003600]",
    "[]",
    "{}",
    "-1",
    "-0",
    "-1800003600",
    "-0.5",
    "1e19",
    "1e300",
    "18446744073709551615",
    "18446744073709551616",
    "253402300800",
];

#[tokio::test]
async fn exp_as_anything_but_a_number_of_seconds() {
    let bench = Bench::new().await;
    for text in ["1800003600", "1800003600.5", "1800003600.0", "1.8000036e9"] {
        bench.passes(&sign(rsa(), HEADER, written(&bench, "exp", text))).await;
    }
    for text in NO_TIMES.into_iter().chain(["null"]) {
        let token = sign(rsa(), HEADER, written(&bench, "exp", text));
        assert_eq!(bench.code(&token).await, Some(Code::Claim), "{text}");
    }
}

#[tokio::test]
async fn nbf_or_iat_as_anything_but_a_number_of_seconds() {
    let bench = Bench::new().await;
    for name in ["nbf", "iat"] {
        for text in ["1800000000", "1799999999.5", "1800000000.0", "1.8e9", "null"] {
            bench.passes(&sign(rsa(), HEADER, written(&bench, name, text))).await;
        }
        for text in NO_TIMES {
            let token = sign(rsa(), HEADER, written(&bench, name, text));
            assert_eq!(bench.code(&token).await, Some(Code::Claim), "{name} {text}");
        }
    }
}

#[tokio::test]
async fn a_fraction_that_is_rounded_the_caller_s_way() {
    let bench = Bench::new().await;
    for (name, text) in [
        // As floats the last ones are whole: a token that ended would live, and one would begin.
        ("exp", "1800000000.5"),
        ("exp", "1800000000.99999999999999"),
        ("nbf", "1800000000.5"),
        ("nbf", "1800000000.00000000000001"),
        ("iat", "1800000010.00000000000001"),
        ("auth_time", "1800000010.00000000000001"),
    ] {
        let token = sign(rsa(), HEADER, written(&bench, name, text));
        assert_eq!(bench.code(&token).await, Some(Code::Claim), "{name} {text}");
    }
    let token = sign(rsa(), HEADER, written(&bench, "exp", "1800000001.99999999999999"));
    bench.passes(&token).await;
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.code(&token).await, Some(Code::Claim), "known, it ends as early");
}

#[tokio::test]
async fn exp_missing_equal_to_now_or_past() {
    let bench = Bench::new().await;
    bench.passes(&bench.token(&json!({"exp": NOW + 1}))).await;
    for exp in [json!(null), json!(NOW), json!(NOW - 1), json!(1), json!(0)] {
        let token = bench.token(&json!({"exp": exp}));
        assert_eq!(bench.code(&token).await, Some(Code::Claim), "{exp}");
    }
}

#[tokio::test]
async fn nbf_in_the_future_or_iat_further_than_clocks_differ() {
    let bench = Bench::new().await;
    bench.passes(&bench.token(&json!({"nbf": NOW, "iat": NOW + 10}))).await;
    for (name, later) in [
        ("nbf", NOW + 1),
        ("nbf", NOW + 86_400),
        ("iat", NOW + 11),
        ("iat", NOW + 86_400),
        ("auth_time", NOW + 11),
    ] {
        let token = bench.token(&json!({name: later}));
        assert_eq!(bench.code(&token).await, Some(Code::Claim), "{name}");
    }
}

#[tokio::test]
async fn issuer_by_suffix_userinfo_case_slash_or_array() {
    let bench = Bench::new().await;
    bench.passes(&bench.token(&json!({}))).await;
    let asked = bench.endpoint.asked();
    let iss = bench.iss.as_str();
    let host = iss.trim_start_matches("http://");
    for other in [
        json!(null),
        json!(""),
        json!(format!("{iss}/")),
        json!(format!("{iss}.evil.example")),
        json!(format!("{iss}@evil.example")),
        json!(format!("http://evil.example@{host}")),
        json!(format!("http://evil.example/{host}")),
        json!(format!("{iss}#x")),
        json!(format!("{iss}?x")),
        json!(format!("{iss} ")),
        json!(format!(" {iss}")),
        json!(format!("{iss}\u{0}")),
        json!(format!("{iss}/keys")),
        json!(iss.to_uppercase()),
        json!(iss.replace("http", "HTTP")),
        json!(iss.replace("http", "https")),
        json!(&iss[..iss.len() - 1]),
        json!([iss]),
        json!([iss, "https://evil.example"]),
        json!({"0": iss}),
        json!(1),
        json!(true),
    ] {
        let token = bench.token(&json!({"iss": other}));
        assert_eq!(bench.code(&token).await, Some(Code::Claim), "{other}");
        // No key is even looked for.
        let forged = sign(evil(), HEADER, bench.payload(&json!({"iss": other})));
        assert_eq!(bench.code(&forged).await, Some(Code::Claim), "{other}");
    }
    assert_eq!(bench.endpoint.asked(), asked, "an issuer that is not configured costs no fetch");
}

#[tokio::test]
async fn an_issuer_s_address_is_never_built_from_a_token() {
    let bench = Bench::new().await;
    let theirs = Endpoint::start(&[rsa_jwk("rsa", evil())]).await;
    let address = theirs.address.as_str();
    for changes in [json!({"iss": address}), json!({"iss": format!("{address}/")})] {
        let token = sign(evil(), HEADER, bench.payload(&changes));
        assert_eq!(bench.code(&token).await, Some(Code::Claim));
    }
    let header = json!({"kid": format!("{address}/keys"), "alg": "RS256"}).to_string();
    let token = sign(evil(), header, bench.payload(&json!({})));
    assert_eq!(bench.code(&token).await, Some(Code::Key));
    assert_eq!(theirs.asked(), 0);
}

#[tokio::test]
async fn another_client_or_another_use() {
    let bench = Bench::new().await;
    for changes in [
        json!({"client_id": "other"}),
        json!({"client_id": ["client"]}),
        json!({"client_id": "CLIENT"}),
        json!({"client_id": "client "}),
        json!({"client_id": null}),
        json!({"client_id": null, "aud": "client"}),
        json!({"aud": ["client", "other"]}),
        json!({"aud": "https://other.example"}),
        json!({"client_id": "other", "aud": "client"}),
        json!({"client_id": "other", "aud": "other"}),
        json!({"client_id": "other", "azp": "client"}),
        json!({"token_use": "id"}),
        json!({"token_use": "id", "aud": "client"}),
        json!({"token_use": "refresh"}),
        json!({"token_use": ["access"]}),
        json!({"token_use": null}),
        json!({"sub": null}),
        json!({"sub": 1}),
        json!({"sub": "a\u{0}b"}),
    ] {
        let token = bench.token(&changes);
        assert_eq!(bench.code(&token).await, Some(Code::Claim), "{changes}");
    }
}

#[tokio::test]
async fn a_null_where_a_claim_is_needed() {
    let bench = Bench::new().await;
    for name in ["iss", "sub", "client_id", "token_use", "exp", "aud", "cnf"] {
        let token = sign(rsa(), HEADER, written(&bench, name, "null"));
        assert_eq!(bench.code(&token).await, Some(Code::Claim), "{name}");
    }
    // These say nothing where they are absent, and nothing where they are null.
    for name in ["nbf", "iat", "auth_time", "jti", "origin_jti", "scope", "cognito:groups"] {
        bench.passes(&sign(rsa(), HEADER, written(&bench, name, "null"))).await;
    }
}

#[tokio::test]
async fn a_stolen_token_that_is_bound_to_its_owner_s_key() {
    let bench = Bench::new().await;
    for cnf in [
        json!({"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}),
        json!({"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
        json!({"jwk": rsa_jwk("x", evil())}),
        json!({}),
        json!([]),
        json!(false),
        json!(""),
    ] {
        let token = bench.token(&json!({ "cnf": cnf }));
        assert_eq!(bench.code(&token).await, Some(Code::Claim), "{cnf}");
    }
}

#[tokio::test]
async fn a_token_of_one_issuer_under_another_s_name() {
    // Two issuers that both name a key `rsa`, as two pools' administrators may.
    let good = Endpoint::start(&[rsa_jwk("rsa", rsa())]).await.address;
    let other = Endpoint::start(&[rsa_jwk("rsa", evil())]).await.address;
    let algorithms = r#"["RS256"]"#;
    let (verifier, _) = crate::issuer::verifier(&[(&good, algorithms), (&other, algorithms)]);
    let of = |iss: &str| payload(iss, &Value::Object(serde_json::Map::new()));
    for (pair, iss, expected) in [
        (rsa(), &good, None),
        (evil(), &other, None),
        (evil(), &good, Some(Code::Signature)),
        (rsa(), &other, Some(Code::Signature)),
    ] {
        let token = sign(pair, HEADER, of(iss));
        assert_eq!(crate::issuer::code(&verifier, &token).await, expected);
    }
}
