//! Attacks on the choice of the algorithm.

use aws_lc_rs::encoding::{AsDer as _, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PKCS1_SHA512,
    RSA_PSS_SHA256,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use tollgate_authorizer::Code;

use crate::issuer::{
    Bench, HEADER, ec_jwk, encode, rsa, rsa_jwk, rsa_signature, sign, sign_ec, unsigned,
};

const ALL: &str = r#"["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384",
    "EdDSA"]"#;

#[tokio::test]
async fn alg_none_in_every_spelling() {
    let bench = Bench::with(ALL, &[rsa_jwk("rsa", rsa())]).await;
    bench.passes(&bench.token(&json!({}))).await;
    // All sixteen ways of writing its letters, and what a careless comparison takes for it.
    let cases = (0..16_u8).map(|upper| {
        let letter = |(at, letter): (usize, char)| {
            if upper >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter }
        };
        "none".chars().enumerate().map(letter).collect::<String>()
    });
    for alg in
        cases.chain(["none ", " none", "", "null", "none\u{0}", "non\u{435}"].map(Into::into))
    {
        let header = json!({"kid": "rsa", "alg": alg}).to_string();
        let payload = bench.payload(&json!({}));
        let signed = unsigned(&header, &payload);
        assert_eq!(bench.code(&format!("{signed}.")).await, Some(Code::Header), "{alg:?}");
        let genuine = sign(rsa(), &header, &payload);
        assert_eq!(bench.code(&genuine).await, Some(Code::Header), "{alg:?}");
    }
}

#[tokio::test]
async fn alg_missing_or_of_another_type() {
    let bench = Bench::new().await;
    for header in [
        r#"{"kid":"rsa"}"#,
        r#"{"kid":"rsa","alg":null}"#,
        r#"{"kid":"rsa","alg":["RS256"]}"#,
        r#"{"kid":"rsa","alg":{"RS256":1}}"#,
        r#"{"kid":"rsa","alg":256}"#,
        r#"{"kid":"rsa","alg":"rs256"}"#,
        r#"{"kid":"rsa","Alg":"RS256"}"#,
        r#"{"kid":"rsa","alg":"RS256\u0000"}"#,
    ] {
        let token = sign(rsa(), header, bench.payload(&json!({})));
        assert_eq!(bench.code(&token).await, Some(Code::Header), "{header}");
    }
}

#[tokio::test]
async fn hs_with_a_public_key_as_the_secret() {
    let bench = Bench::with(ALL, &[rsa_jwk("rsa", rsa()), ec_jwk("ec")]).await;
    let der: PublicKeyX509Der<'_> = rsa().public_key().as_der().unwrap();
    let pem = format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        STANDARD.encode(der.as_ref())
    );
    let jwk = rsa_jwk("rsa", rsa());
    let secrets = [
        der.as_ref().to_vec(),
        pem.trim_end().into(),
        pem.into(),
        jwk.to_string().into(),
        jwk["n"].as_str().unwrap().into(),
        rsa().public_key().as_ref().to_vec(),
        vec![],
    ];
    for (alg, with) in [
        ("HS256", hmac::HMAC_SHA256),
        ("HS384", hmac::HMAC_SHA384),
        ("HS512", hmac::HMAC_SHA512),
        // The name of the key's own algorithm, over a MAC.
        ("RS256", hmac::HMAC_SHA256),
    ] {
        for secret in &secrets {
            let header = json!({"kid": "rsa", "alg": alg}).to_string();
            let signed = unsigned(header, bench.payload(&json!({})));
            let tag = hmac::sign(&hmac::Key::new(with, secret), signed.as_bytes());
            let token = format!("{signed}.{}", encode(tag.as_ref()));
            let expected = if alg == "RS256" { Code::Signature } else { Code::Header };
            assert_eq!(bench.code(&token).await, Some(expected), "{alg}");
        }
    }
}

#[tokio::test]
async fn an_algorithm_that_the_issuer_does_not_use() {
    let keys = [rsa_jwk("rsa", rsa()), ec_jwk("ec")];
    let rs256 = Bench::with(r#"["RS256"]"#, &keys).await;
    rs256.passes(&rs256.token(&json!({}))).await;
    let ec = sign_ec(r#"{"kid":"ec","alg":"ES256"}"#, &rs256.payload(&json!({})));
    assert_eq!(rs256.code(&ec).await, Some(Code::Header), "its key is published all the same");

    let es256 = Bench::with(r#"["ES256"]"#, &keys).await;
    es256.passes(&sign_ec(r#"{"kid":"ec","alg":"ES256"}"#, &es256.payload(&json!({})))).await;
    assert_eq!(es256.code(&es256.token(&json!({}))).await, Some(Code::Header));
}

#[tokio::test]
async fn rs_ps_and_es_confusion() {
    let mut without_alg = rsa_jwk("open", rsa());
    without_alg.as_object_mut().unwrap().remove("alg");
    let bench = Bench::with(ALL, &[rsa_jwk("rsa", rsa()), ec_jwk("ec"), without_alg]).await;
    let payload = bench.payload(&json!({}));
    let rsa_token = |kid: &str, alg: &str, with| {
        let signed = unsigned(json!({"kid": kid, "alg": alg}).to_string(), &payload);
        format!("{signed}.{}", encode(rsa_signature(rsa(), with, &signed)))
    };
    bench.passes(&rsa_token("open", "PS256", &RSA_PSS_SHA256)).await;
    bench.passes(&rsa_token("open", "RS512", &RSA_PKCS1_SHA512)).await;
    for (token, expected) in [
        // The key says RS256, and its owner would have to sign anything else by mistake.
        (rsa_token("rsa", "PS256", &RSA_PSS_SHA256), Code::Key),
        (rsa_token("rsa", "RS512", &RSA_PKCS1_SHA512), Code::Key),
        // One algorithm's signature under another's name.
        (rsa_token("rsa", "RS256", &RSA_PSS_SHA256), Code::Signature),
        (rsa_token("open", "PS256", &RSA_PKCS1_SHA256), Code::Signature),
        (rsa_token("open", "RS256", &RSA_PKCS1_SHA512), Code::Signature),
        // A key of another type.
        (rsa_token("ec", "RS256", &RSA_PKCS1_SHA256), Code::Key),
        (rsa_token("rsa", "ES256", &RSA_PKCS1_SHA256), Code::Key),
        (rsa_token("open", "EdDSA", &RSA_PKCS1_SHA256), Code::Key),
        (sign_ec(r#"{"kid":"rsa","alg":"ES256"}"#, &payload), Code::Key),
        (sign_ec(r#"{"kid":"ec","alg":"ES384"}"#, &payload), Code::Key),
        (sign_ec(r#"{"kid":"ec","alg":"EdDSA"}"#, &payload), Code::Key),
    ] {
        assert_eq!(bench.code(&token).await, Some(expected), "{token}");
    }
}

#[tokio::test]
async fn an_ecdsa_signature_in_der_or_of_zeros() {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let mut jwk = ec_jwk("ec");
    let point = pair.public_key().as_ref();
    jwk["x"] = encode(&point[1..33]).into();
    jwk["y"] = encode(&point[33..]).into();
    let bench = Bench::with(r#"["ES256"]"#, &[jwk]).await;
    let signed = unsigned(r#"{"kid":"ec","alg":"ES256"}"#, bench.payload(&json!({})));
    let der = pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    for signature in [der.as_ref(), &[0; 64], &[0xff; 64], &[0], &[0x30, 0x06, 2, 1, 0, 2, 1, 0]] {
        let token = format!("{signed}.{}", encode(signature));
        assert_eq!(bench.code(&token).await, Some(Code::Signature));
    }
}

#[tokio::test]
async fn a_signature_that_is_empty_short_long_or_of_something_else() {
    let bench = Bench::new().await;
    let good = bench.token(&json!({}));
    bench.passes(&good).await;
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let bytes = rsa_signature(rsa(), &RSA_PKCS1_SHA256, signed);
    assert_eq!(bench.code(&format!("{signed}.")).await, Some(Code::Malformed));
    for wrong in [&bytes[1..], &bytes[..255], &[&[0], &bytes[..]].concat(), &[0; 256], &[1]] {
        let token = format!("{signed}.{}", encode(wrong));
        assert_eq!(bench.code(&token).await, Some(Code::Signature));
    }
    let other = unsigned(HEADER, bench.payload(&json!({"sub": "admin"})));
    assert_eq!(bench.code(&format!("{other}.{signature}")).await, Some(Code::Signature));
    let header = unsigned(r#"{"alg":"RS256","kid":"rsa"}"#, bench.payload(&json!({})));
    assert_eq!(bench.code(&format!("{header}.{signature}")).await, Some(Code::Signature));
    let pair: &KeyPair = crate::issuer::evil();
    let forged = sign(pair, HEADER, bench.payload(&json!({})));
    assert_eq!(bench.code(&forged).await, Some(Code::Signature));
}
