//! A service that verifies tokens itself, and reads their claims.

use serde_json::json;
use throttle::{ManualClock, Timestamp};
use tollgate_authorizer::{Code, Config, Verifier};

use crate::issuer::{Endpoint, HEADER, NOW, code, evil, payload, rsa, rsa_jwk, sign};

#[tokio::test]
async fn a_service_reads_the_claims_of_valid_tokens_only() {
    crate::provider::choose();
    let endpoint = Endpoint::start(&[rsa_jwk("rsa", rsa())]).await;
    let text = format!(
        "[[issuer]]\nname = \"shop\"\nurl = \"{0}\"\njwks_uri = \"{0}/keys\"\n\
         clients = [\"client\"]\ntoken_use = \"access\"\n\
         [claim_paths]\ntenant = [\"org\", \"id\"]\n",
        endpoint.address
    );
    let issuers = Config::parse_issuers(&text, "issuers.toml").unwrap();
    let verifier = Verifier::new(issuers, ManualClock::at(Timestamp::from_secs(NOW))).unwrap();
    let claims = payload(
        &endpoint.address,
        &json!({"org": {"id": "acme"}, "cognito:groups": ["staff"], "level": 3}),
    );
    let claims = verifier.verify(&sign(rsa(), HEADER, &claims)).await.outcome.unwrap();
    assert_eq!((claims.principal(), claims.subject()), ("user", Some("user")));
    assert_eq!(claims.qualified(claims.principal()), "shop#user");
    assert_eq!(claims.client(), Some("client"));
    assert_eq!((claims.text("tenant"), claims.text("level")), (Some("acme"), None));
    assert_eq!(claims.members()["level"], 3);
    assert_eq!(claims.expires_at(), NOW + 3_600);
    assert_eq!(claims.scopes(), Some(vec!["orders/read"]));
    assert_eq!(claims.groups(), Some(vec!["staff"]));

    let forged = sign(evil(), HEADER, payload(&endpoint.address, &json!({})));
    assert_eq!(code(&verifier, &forged).await, Some(Code::Signature));
    let other = sign(rsa(), HEADER, payload(&endpoint.address, &json!({"client_id": "other"})));
    assert_eq!(code(&verifier, &other).await, Some(Code::Claim));
}

#[test]
fn a_service_needs_no_rules_and_its_mistakes_are_named() {
    let error = |text: &str| Config::parse_issuers(text, "issuers.toml").unwrap_err().to_string();
    let issuer = "[[issuer]]\nuser_pool = \"us-east-1_abcDEF123\"\nclients = \"any\"\n\
                  token_use = \"access\"\n";
    let rule = "[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n";
    for text in [issuer.to_owned(), format!("{issuer}{rule}")] {
        assert_eq!(Config::parse_issuers(&text, "issuers.toml").unwrap().len(), 1);
    }
    assert!(Config::parse(issuer, "tollgate.toml").is_err(), "an authorizer needs rules");
    assert!(error("").contains("[[issuer]]"), "{}", error(""));
    let misspelt = error(&issuer.replace("clients", "client"));
    assert!(misspelt.starts_with("issuers.toml:3: unknown field `client`"), "{misspelt}");
}
