//! Attacks by what a header says beside the algorithm.

use std::time::Duration;

use serde_json::{Value, json};
use tollgate_authorizer::Code;

use crate::issuer::{Bench, Endpoint, evil, rsa, rsa_jwk, sign};

fn header(more: &Value) -> String {
    let mut header = json!({"kid": "rsa", "alg": "RS256"});
    header.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    header.to_string()
}

#[tokio::test]
async fn a_key_or_its_address_in_the_header() {
    let bench = Bench::new().await;
    let theirs = Endpoint::start(&[rsa_jwk("rsa", evil())]).await;
    let address = theirs.address.as_str();
    for brought in [
        json!({"jwk": rsa_jwk("rsa", evil())}),
        json!({"jwk": null}),
        json!({"jku": address}),
        json!({"jku": format!("{}@{}", bench.iss, &address["http://".len()..])}),
        json!({"x5u": address}),
        json!({"x5c": ["MIIB"]}),
        json!({"x5c": []}),
    ] {
        for pair in [evil(), rsa()] {
            let token = sign(pair, header(&brought), bench.payload(&json!({})));
            assert_eq!(bench.code(&token).await, Some(Code::Header), "{brought}");
        }
    }
    assert_eq!(theirs.asked(), 0, "nothing that a token names is fetched");
}

#[tokio::test]
async fn a_thumbprint_names_a_certificate_and_chooses_nothing() {
    let bench = Bench::new().await;
    for more in [json!({"x5t": "AAAA"}), json!({"x5t#S256": "AAAA"})] {
        bench.passes(&sign(rsa(), header(&more), bench.payload(&json!({})))).await;
        let forged = sign(evil(), header(&more), bench.payload(&json!({})));
        assert_eq!(bench.code(&forged).await, Some(Code::Signature));
    }
}

#[tokio::test]
async fn any_crit_b64_zip_enc_or_cty() {
    let bench = Bench::new().await;
    for more in [
        json!({"crit": []}),
        json!({"crit": null}),
        json!({"crit": ["exp"], "exp": 1}),
        json!({"crit": ["b64"], "b64": false}),
        json!({"crit": "b64"}),
        json!({"b64": true}),
        json!({"b64": false}),
        json!({"zip": "DEF"}),
        json!({"zip": null}),
        json!({"enc": "A256GCM"}),
        json!({"cty": "JWT"}),
    ] {
        let token = sign(rsa(), header(&more), bench.payload(&json!({})));
        assert_eq!(bench.code(&token).await, Some(Code::Header), "{more}");
    }
}

#[tokio::test]
async fn typ_other_than_absent_jwt_or_at_jwt() {
    let bench = Bench::new().await;
    for typ in ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt"] {
        bench.passes(&sign(rsa(), header(&json!({"typ": typ})), bench.payload(&json!({})))).await;
    }
    for typ in [
        json!("JOSE"),
        json!("logout+jwt"),
        json!("dpop+jwt"),
        json!("secevent+jwt"),
        json!("JWE"),
        json!(""),
        json!(" JWT"),
        json!(null),
        json!(["JWT"]),
        json!(true),
    ] {
        let token = sign(rsa(), header(&json!({"typ": typ})), bench.payload(&json!({})));
        assert_eq!(bench.code(&token).await, Some(Code::Header), "{typ}");
    }
}

#[tokio::test]
async fn kid_missing_null_number_traversal_nul_or_64_kb() {
    let bench = Bench::new().await;
    bench.passes(&bench.token(&json!({}))).await;
    let token = |header: Value| sign(rsa(), header.to_string(), bench.payload(&json!({})));
    let no_kid = token(json!({"alg": "RS256"}));
    assert_eq!(bench.code(&no_kid).await, Some(Code::Header), "the only RSA key is not guessed");
    for kid in [
        json!(null),
        json!(0),
        json!(true),
        json!(["rsa"]),
        json!({"rsa": 1}),
        json!(""),
        json!("rsa\u{0}"),
        json!("rsa\n"),
        json!("\u{9f}rsa"),
        json!("r".repeat(257)),
    ] {
        let token = token(json!({"kid": kid, "alg": "RS256"}));
        assert_eq!(bench.code(&token).await, Some(Code::Header), "{kid}");
    }
    for kid in [
        "../../../dev/null",
        "/etc/passwd",
        "rsa' OR '1'='1",
        "RSA",
        "rsa ",
        "http://evil.example/key",
        "rs\u{430}",
        "ec",
        &"r".repeat(256),
    ] {
        let token = token(json!({"kid": kid, "alg": "RS256"}));
        assert_eq!(bench.code(&token).await, Some(Code::Key), "{kid}");
        // Each costs a fetch, and of those there are few.
        bench.clock.advance(Duration::from_secs(10));
    }
    let huge = token(json!({"kid": "r".repeat(64 * 1024), "alg": "RS256"}));
    assert_eq!(bench.code(&huge).await, Some(Code::Malformed), "too long to be decoded at all");
}
