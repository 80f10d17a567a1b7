//! Attacks and accidents in what an issuer publishes.

use std::time::Duration;

use aws_lc_rs::hmac;
use serde_json::{Value, json};
use tollgate_authorizer::Code;

use crate::issuer::{Bench, HEADER, encode, evil, rsa, rsa_jwk, sign, unsigned};

const RS256: &str = r#"["RS256"]"#;

fn changed(changes: &Value) -> Value {
    let mut key = rsa_jwk("rsa", rsa());
    key.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    key
}

/// The code for a genuine token, where this stands for its key beside a good one.
async fn code_with(key: Value) -> Option<Code> {
    let bench = Bench::with(RS256, &[key, rsa_jwk("good", rsa())]).await;
    let good = r#"{"kid":"good","alg":"RS256"}"#;
    bench.passes(&sign(rsa(), good, bench.payload(&json!({})))).await;
    bench.code(&bench.token(&json!({}))).await
}

#[tokio::test]
async fn oct_keys_are_never_used() {
    let secret = b"a secret that somebody has published";
    let oct = json!({"kty": "oct", "kid": "oct", "k": encode(secret), "alg": "HS256"});
    let bench = Bench::with(RS256, &[oct, rsa_jwk("rsa", rsa())]).await;
    bench.passes(&bench.token(&json!({}))).await;
    for (alg, expected) in [("HS256", Code::Header), ("RS256", Code::Key)] {
        let header = json!({"kid": "oct", "alg": alg}).to_string();
        let signed = unsigned(header, bench.payload(&json!({})));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
        let token = format!("{signed}.{}", encode(tag.as_ref()));
        assert_eq!(bench.code(&token).await, Some(expected), "{alg}");
    }
}

#[tokio::test]
async fn rsa_below_2048_bits_or_with_a_weak_exponent() {
    assert_eq!(code_with(changed(&json!({}))).await, None, "unchanged, it is good");
    for changes in [
        json!({"n": encode([0xc5; 64])}),
        json!({"n": encode([0xc5; 128])}),
        json!({"n": encode([0xc5; 255])}),
        json!({"e": "AQ"}),
        json!({"e": "Ag"}),
        json!({"e": "AA"}),
        json!({"e": ""}),
    ] {
        assert_eq!(code_with(changed(&changes)).await, Some(Code::Key), "{changes}");
    }
}

#[tokio::test]
async fn a_key_for_something_else() {
    for changes in [
        json!({"use": "enc"}),
        json!({"use": ["sig"]}),
        json!({"key_ops": ["encrypt"]}),
        json!({"key_ops": {}}),
        json!({"alg": "RSA-OAEP"}),
        json!({"alg": "PS256"}),
        json!({"alg": []}),
        json!({"kty": "EC"}),
        json!({"kty": "oct", "k": "AAAA"}),
        json!({"kid": 1}),
        json!({"kid": null}),
    ] {
        assert_eq!(code_with(changed(&changes)).await, Some(Code::Key), "{changes}");
    }
}

#[tokio::test]
async fn a_private_key_that_was_published() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
        assert_eq!(code_with(changed(&json!({name: null}))).await, None, "{name} says nothing");
        assert_eq!(code_with(changed(&json!({name: ""}))).await, Some(Code::Key), "{name}");
        assert_eq!(code_with(changed(&json!({name: "AQAB"}))).await, Some(Code::Key), "{name}");
    }
}

#[tokio::test]
async fn two_keys_of_one_name() {
    for pair in [[rsa(), evil()], [evil(), rsa()]] {
        let keys = pair.map(|pair| rsa_jwk("rsa", pair));
        let good = rsa_jwk("good", rsa());
        let bench = Bench::with(RS256, &[keys[0].clone(), good, keys[1].clone()]).await;
        for pair in pair {
            let token = sign(pair, HEADER, bench.payload(&json!({})));
            assert_eq!(bench.code(&token).await, Some(Code::Key), "which one is meant?");
        }
    }
}

#[tokio::test]
async fn a_key_that_is_listed_again_hides_no_other_key() {
    let again = |key: &Value| {
        let mut key = key.clone();
        key.as_object_mut().unwrap().extend([("x5c".to_owned(), json!(["MIIB"]))]);
        key
    };
    let own = rsa_jwk("rsa", rsa());
    let bench = Bench::with(RS256, &[own.clone(), again(&own)]).await;
    bench.passes(&bench.token(&json!({}))).await;
    let forged = sign(evil(), HEADER, bench.payload(&json!({})));
    assert_eq!(bench.code(&forged).await, Some(Code::Signature));

    let other = rsa_jwk("rsa", evil());
    let bench = Bench::with(RS256, &[own.clone(), again(&own), other, rsa_jwk("x", rsa())]).await;
    for pair in [rsa(), evil()] {
        let token = sign(pair, HEADER, bench.payload(&json!({})));
        assert_eq!(bench.code(&token).await, Some(Code::Key), "which one is meant?");
    }
}

#[tokio::test]
async fn one_bad_key_does_not_spoil_the_set() {
    for bad in [json!(null), json!([]), json!("x"), json!({}), json!({"kid": 7}), json!({"n": []})]
    {
        let bench = Bench::with(RS256, &[bad.clone(), rsa_jwk("rsa", rsa()), bad]).await;
        bench.passes(&bench.token(&json!({}))).await;
    }
}

#[tokio::test]
async fn a_key_that_is_ambiguous_or_bottomless_does_not_spoil_the_set() {
    let good = rsa_jwk("rsa", rsa());
    let evil = rsa_jwk("other", evil()).to_string();
    for bad in [
        evil.replacen('{', r#"{"kid":"rsa","#, 1),
        evil.replacen('{', &format!("{{\"x\":{}{},", "[".repeat(500), "]".repeat(500)), 1),
    ] {
        let bench = Bench::new().await;
        bench.endpoint.publish_text(format!(r#"{{"keys":[{bad},{good}]}}"#));
        bench.passes(&bench.token(&json!({}))).await;
        let forged = sign(self::evil(), HEADER, bench.payload(&json!({})));
        assert_eq!(bench.code(&forged).await, Some(Code::Signature));
    }
}

#[tokio::test]
async fn a_flood_of_random_kids_delays_a_rotation_by_at_most_ten_seconds() {
    let bench = Bench::new().await;
    bench.passes(&bench.token(&json!({}))).await;
    for number in 0..100 {
        let header = json!({"kid": format!("random-{number}"), "alg": "RS256"}).to_string();
        let code =
            bench.code(&format!("{}.c2ln", unsigned(header, bench.payload(&json!({}))))).await;
        assert_eq!(code, Some(Code::Key), "keys can be fetched");
    }
    bench.endpoint.publish(&[rsa_jwk("new", rsa())]);
    let genuine = sign(rsa(), r#"{"kid":"new","alg":"RS256"}"#, bench.payload(&json!({})));
    assert_eq!(bench.code(&genuine).await, Some(Code::Key), "the set is younger than ten seconds");
    bench.clock.advance(Duration::from_secs(10));
    bench.passes(&genuine).await;
}
