//! Attacks by tenants of one issuer on each other, and through its shared keys.

use std::time::Duration;

use serde_json::{Value, json};
use throttle::{ManualClock, Timestamp};
use tollgate_authorizer::{Code, Config, Verifier};

use crate::issuer::{Endpoint, HEADER, NOW, code, evil, payload, rsa, rsa_jwk, sign};

const TID: &str = "11111111-2222-3333-4444-55555555abcd";
const OTHER: &str = "99999999-2222-3333-4444-55555555abcd";
const NAME: &str = "https://login.example/{tid}/v2.0";

/// A verifier of this table's tokens, and the endpoint of its keys.
async fn verifier(tenants: &str, keys: &[Value]) -> (Verifier<ManualClock>, Endpoint) {
    let (verifier, endpoint, _) = clocked(tenants, keys).await;
    (verifier, endpoint)
}

/// The same, and the verifier's clock.
async fn clocked(tenants: &str, keys: &[Value]) -> (Verifier<ManualClock>, Endpoint, ManualClock) {
    crate::provider::choose();
    let endpoint = Endpoint::start(keys).await;
    let text = format!(
        "[[issuer]]\nurl = \"{NAME}\"\ntenants = {tenants}\njwks_uri = \"{}/keys\"\n\
         clients = [\"client\"]\ntoken_use = \"access\"\n\
         [[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n",
        endpoint.address
    );
    let config = Config::from_source(&text).unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(NOW));
    (Verifier::new(config.issuers, clock.clone()).unwrap(), endpoint, clock)
}

/// The key as it is published, for this issuer only.
fn key_of(issuer: Value) -> Value {
    let mut key = rsa_jwk("rsa", rsa());
    key["issuer"] = issuer;
    key
}

fn token(tid: &Value, iss: &str) -> String {
    sign(rsa(), HEADER, payload(iss, &json!({ "tid": tid })))
}

fn iss_of(tid: &str) -> String {
    NAME.replace("{tid}", tid)
}

#[tokio::test]
async fn a_tenant_is_believed_for_itself_alone() {
    let keys = [rsa_jwk("rsa", rsa())];
    let (one, _endpoint) = verifier(&format!("[\"{TID}\"]"), &keys).await;
    let (any, _endpoint) = verifier("\"any\"", &keys).await;
    for verifier in [&one, &any] {
        assert_eq!(code(verifier, &token(&json!(TID), &iss_of(TID))).await, None, "genuine");
    }
    let theirs = token(&json!(OTHER), &iss_of(OTHER));
    assert_eq!(code(&one, &theirs).await, Some(Code::Claim), "a tenant that is not listed");
    assert_eq!(code(&any, &theirs).await, None);
    for (tid, iss) in [
        (json!(TID), iss_of(OTHER)),
        (json!(OTHER), iss_of(TID)),
        (json!(TID), NAME.to_owned()),
        (json!("{tid}"), NAME.to_owned()),
        (json!(TID), NAME.replace("{tid}", "{tenantid}")),
        (json!(TID.to_uppercase()), iss_of(&TID.to_uppercase())),
        (json!(TID), iss_of(&TID.to_uppercase())),
        (json!("../x"), iss_of("../x")),
        (json!("common"), iss_of("common")),
        (json!(""), iss_of("")),
        (json!(null), iss_of(TID)),
        (json!([TID]), iss_of(TID)),
        (json!({"x": TID}), iss_of(TID)),
        (json!(1), iss_of("1")),
        (json!(format!("{TID}/v2.0#")), iss_of(&format!("{TID}/v2.0#"))),
        (json!(format!("{TID}@evil.example")), iss_of(&format!("{TID}@evil.example"))),
        (json!(TID), format!("https://evil.example/{TID}/v2.0")),
        (json!(TID), format!("https://login.example.evil.example/{TID}/v2.0")),
        (json!(TID), format!("https://login.example/{TID}/v2.0/")),
        (json!(TID), format!("https://login.example/{TID}/{TID}/v2.0")),
        (json!(TID), format!("https://login.example/{TID}/v1.0")),
        (json!(format!("{TID}\u{0}")), iss_of(TID)),
        (json!(TID.replace('1', "\u{ff11}")), iss_of(&TID.replace('1', "\u{ff11}"))),
    ] {
        for verifier in [&one, &any] {
            let found = code(verifier, &token(&tid, &iss)).await;
            assert_eq!(found, Some(Code::Claim), "{tid} {iss}");
        }
    }
    let forged = sign(evil(), HEADER, payload(&iss_of(TID), &json!({ "tid": TID })));
    assert_eq!(code(&any, &forged).await, Some(Code::Signature));
}

#[tokio::test]
async fn a_key_that_names_its_issuer_serves_no_other() {
    for (issuer, expected) in [
        (json!(null), None),
        (json!(NAME), None),
        (json!("https://login.example/{tenantid}/v2.0"), None),
        (json!(iss_of(TID)), None),
        (json!(iss_of(OTHER)), Some(Code::Key)),
        (json!("https://login.example/{tenantid}/v1.0"), Some(Code::Key)),
        (json!("https://login.example/{tenant}/v2.0"), Some(Code::Key)),
        (json!(""), Some(Code::Key)),
    ] {
        let (any, _endpoint) = verifier("\"any\"", &[key_of(issuer.clone())]).await;
        let found = code(&any, &token(&json!(TID), &iss_of(TID))).await;
        assert_eq!(found, expected, "{issuer}");
    }
    // A key of another form is skipped, and the others are used.
    let good = rsa_jwk("rsa", rsa());
    for odd in [json!(1), json!(["x"]), json!({})] {
        let mut bad = key_of(odd);
        bad["kid"] = json!("bad");
        let (any, _endpoint) = verifier("\"any\"", &[bad, good.clone()]).await;
        assert_eq!(code(&any, &token(&json!(TID), &iss_of(TID))).await, None);
        let by_bad = sign(
            rsa(),
            r#"{"kid":"bad","alg":"RS256"}"#,
            payload(&iss_of(TID), &json!({ "tid": TID })),
        );
        assert_eq!(code(&any, &by_bad).await, Some(Code::Key));
    }
}

#[tokio::test]
async fn a_key_that_is_given_to_another_issuer_verifies_no_cached_token() {
    let (any, endpoint, clock) = clocked("\"any\"", &[key_of(json!(NAME))]).await;
    let genuine = token(&json!(TID), &iss_of(TID));
    for asked in [1, 1] {
        assert_eq!(code(&any, &genuine).await, None);
        assert_eq!(endpoint.asked(), asked);
    }
    endpoint.publish(&[key_of(json!(iss_of(OTHER)))]);
    clock.advance(Duration::from_secs(601));
    assert_eq!(code(&any, &genuine).await, Some(Code::Key));
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn issuers_with_one_address_fetch_its_keys_once() {
    crate::provider::choose();
    let endpoint = Endpoint::start(&[rsa_jwk("rsa", rsa())]).await;
    let mut text = "[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n".to_owned();
    for number in 0..200 {
        text.push_str(&format!(
            "[[issuer]]\nurl = \"https://id.example/{number}\"\njwks_uri = \"{}/keys\"\n\
             clients = [\"client\"]\ntoken_use = \"access\"\n",
            endpoint.address
        ));
    }
    let config = Config::from_source(&text).unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(NOW));
    let verifier = Verifier::new(config.issuers, clock).unwrap();
    verifier.prepare().await;
    assert_eq!(endpoint.asked(), 1);
    for number in [0, 7, 199] {
        let iss = format!("https://id.example/{number}");
        let token = sign(rsa(), HEADER, payload(&iss, &json!({})));
        assert_eq!(code(&verifier, &token).await, None, "{iss}");
    }
    let stranger = sign(rsa(), HEADER, payload("https://id.example/200", &json!({})));
    assert_eq!(code(&verifier, &stranger).await, Some(Code::Claim));
    assert_eq!(endpoint.asked(), 1);
}

#[tokio::test]
async fn a_token_of_two_tables_of_its_issuer_is_refused() {
    crate::provider::choose();
    let endpoint = Endpoint::start(&[rsa_jwk("rsa", rsa())]).await;
    let table = |name: &str, audience: &str| {
        format!(
            "[[issuer]]\nname = \"{name}\"\nurl = \"https://id.example\"\n\
             jwks_uri = \"{}/keys\"\naudiences = [\"{audience}\"]\ntoken_use = \"access\"\n",
            endpoint.address
        )
    };
    let rule = "[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n";
    let text = format!("{}{}{rule}", table("one", "a"), table("two", "b"));
    let config = Config::from_source(&text).unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(NOW));
    let verifier = Verifier::new(config.issuers, clock).unwrap();
    for (aud, expected) in [
        (json!("a"), None),
        (json!("b"), None),
        (json!(["b", "c"]), None),
        (json!(["a", "b"]), Some(Code::Claim)),
        (json!("c"), Some(Code::Claim)),
        (json!(null), Some(Code::Claim)),
    ] {
        let token = sign(rsa(), HEADER, payload("https://id.example", &json!({ "aud": aud })));
        assert_eq!(code(&verifier, &token).await, expected, "{aud}");
    }
}
