//! Attacks with tokens that were good once, and are cached.

use std::time::Duration;

use serde_json::json;
use tollgate_authorizer::{Code, Lookup};

use crate::issuer::{Bench, HEADER, NOW, ec_jwk, encode, evil, rsa, rsa_jwk, sign, sign_ec};

/// Age from which a failed signature makes the set be fetched again.
const DOUBT_AGE: Duration = Duration::from_secs(60);

/// Ages from which a key set is refreshed, and is not served any more.
const SOFT_AGE: Duration = Duration::from_secs(10 * 60);
const HARD_AGE: Duration = Duration::from_secs(2 * 60 * 60);

#[tokio::test]
async fn a_known_token_is_recognised() {
    let bench = Bench::new().await;
    let token = bench.token(&json!({}));
    assert_eq!(bench.lookup(&token).await, (Lookup::Miss, None));
    assert_eq!(bench.lookup(&token).await, (Lookup::Hit, None));
    let other = bench.token(&json!({"jti": "other"}));
    assert_eq!(bench.lookup(&other).await, (Lookup::Miss, None));
    assert_eq!(bench.lookup(&token).await, (Lookup::Hit, None));
}

#[tokio::test]
async fn a_known_token_with_anything_changed_is_another() {
    let bench = Bench::new().await;
    let token = bench.token(&json!({}));
    bench.passes(&token).await;
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let forged = format!("{signed}.{}", encode([0; 256]));
    assert_eq!(bench.lookup(&forged).await, (Lookup::Miss, Some(Code::Signature)));
    let longer = format!("{signed}.{signature}=");
    assert_eq!(bench.lookup(&longer).await, (Lookup::Miss, Some(Code::Malformed)));
}

#[tokio::test]
async fn what_was_refused_is_not_remembered() {
    let bench = Bench::new().await;
    for token in [
        bench.token(&json!({"exp": NOW})),
        bench.token(&json!({"client_id": "other"})),
        sign(evil(), HEADER, bench.payload(&json!({}))),
    ] {
        for _ in 0..2 {
            let (lookup, code) = bench.lookup(&token).await;
            assert_eq!(lookup, Lookup::Miss);
            assert!(code.is_some());
        }
    }
}

#[tokio::test]
async fn a_known_token_expires_at_its_very_second() {
    let bench = Bench::new().await;
    let token = bench.token(&json!({"exp": NOW + 60}));
    bench.passes(&token).await;
    bench.clock.advance(Duration::from_secs(59));
    assert_eq!(bench.lookup(&token).await, (Lookup::Hit, None));
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.code(&token).await, Some(Code::Claim));
    assert_eq!(bench.code(&token).await, Some(Code::Claim));
}

#[tokio::test]
async fn a_known_token_whose_key_was_removed() {
    let bench = Bench::new().await;
    let token = bench.token(&json!({}));
    bench.passes(&token).await;
    bench.endpoint.publish(&[ec_jwk("ec")]);
    bench.clock.advance(SOFT_AGE);
    assert_eq!(bench.code(&token).await, Some(Code::Key));
}

#[tokio::test]
async fn a_known_token_whose_key_was_replaced_under_the_same_name() {
    let bench = Bench::new().await;
    let token = bench.token(&json!({}));
    bench.passes(&token).await;
    for keys in [
        vec![rsa_jwk("rsa", evil())],
        vec![rsa_jwk("rsa", rsa()), rsa_jwk("rsa", evil()), ec_jwk("ec")],
        vec![ec_jwk("rsa")],
    ] {
        bench.endpoint.publish(&keys);
        bench.clock.advance(SOFT_AGE);
        let (lookup, code) = bench.lookup(&token).await;
        assert_eq!(lookup, Lookup::Miss);
        assert!(matches!(code, Some(Code::Signature | Code::Key)), "{code:?}");
    }
    bench.endpoint.publish(&[rsa_jwk("rsa", rsa())]);
    bench.clock.advance(SOFT_AGE);
    assert_eq!(bench.lookup(&token).await, (Lookup::Miss, None), "verified anew");
}

#[tokio::test]
async fn a_refresh_that_brings_the_same_key_keeps_what_it_proved() {
    let bench = Bench::new().await;
    let token = bench.token(&json!({}));
    bench.passes(&token).await;
    let asked = bench.endpoint.asked();
    bench.clock.advance(SOFT_AGE);
    assert_eq!(bench.lookup(&token).await, (Lookup::Hit, None));
    assert_eq!(bench.endpoint.asked(), asked + 1, "known tokens too see the set refreshed");
}

#[tokio::test]
async fn a_known_token_whose_keys_can_t_be_had_any_more() {
    let bench = Bench::new().await;
    let token = bench.token(&json!({"exp": NOW + 86_400}));
    bench.passes(&token).await;
    bench.endpoint.fail();
    bench.clock.advance(HARD_AGE - Duration::from_secs(1));
    assert_eq!(bench.lookup(&token).await, (Lookup::Hit, None), "stale, and good enough");
    bench.clock.advance(Duration::from_secs(1));
    assert_eq!(bench.code(&token).await, Some(Code::Unavailable), "not a 401");
}

#[tokio::test]
async fn a_key_that_was_replaced_by_one_for_another_algorithm() {
    let keys = [rsa_jwk("k", rsa())];
    let bench = Bench::with(r#"["RS256", "ES256"]"#, &keys).await;
    let old = sign(rsa(), r#"{"kid":"k","alg":"RS256"}"#, bench.payload(&json!({})));
    let new = sign_ec(r#"{"kid":"k","alg":"ES256"}"#, &bench.payload(&json!({})));
    bench.passes(&old).await;
    assert_eq!(bench.code(&new).await, Some(Code::Key), "nobody has published it");
    bench.endpoint.publish(&[ec_jwk("k")]);
    assert_eq!(bench.code(&new).await, Some(Code::Key), "the set is young");
    bench.clock.advance(DOUBT_AGE);
    bench.passes(&new).await;
    assert_eq!(bench.lookup(&old).await, (Lookup::Miss, Some(Code::Key)));
}
