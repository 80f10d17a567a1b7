//! Issuers that are not Cognito, and several at one address.

use reqwest::Client;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::net::TcpListener;

use super::super::{Form, Issuer, Mint, Options};
use super::{START, names, options, read, verify};

async fn two() -> Issuer {
    let form = Form {
        is_cognito: false,
        scopes_claim: "scp".to_owned(),
        groups_claim: "roles".to_owned(),
        client_claim: "azp".to_owned(),
        audience: Some("https://api.example".to_owned()),
        prefers_id: true,
        claim_paths: BTreeMap::from([(
            "roles".to_owned(),
            vec!["realm_access".to_owned(), "roles".to_owned()],
        )]),
    };
    let time = || Arc::new(AtomicU64::new(START));
    let mut other = Options { form, ..options(time()) };
    other.pool = "id.example".to_owned();
    other.iss = Some("https://id.example".to_owned());
    other.users[0].scopes = vec!["orders/read".to_owned()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Issuer::start_all(listener, vec![options(time()), other]).await.unwrap()
}

#[tokio::test]
async fn another_issuer_s_tokens_have_its_names_and_no_cognito_claims() {
    let issuer = two().await;
    let uri = format!("{}/.well-known/jwks.json", issuer.base(1));
    let (_, set) = read(Client::new().get(uri).send().await.unwrap()).await;
    let keys = set["keys"].as_array().unwrap();
    let mint = |query: Mint| issuer.mint(1, &query).unwrap();
    let machine = mint(Mint { client: Some("reports".to_owned()), ..Mint::default() });
    let (header, claims) = verify(&machine, keys).unwrap();
    assert_eq!(header["typ"], "at+jwt");
    let expected =
        ["aud", "auth_time", "azp", "custom:plan", "exp", "iat", "iss", "jti", "scp", "sub"];
    assert_eq!(names(&claims), expected);
    assert_eq!(claims["iss"], "https://id.example");
    assert_eq!(claims["aud"], "https://api.example");
    // The ID token, since that is what this issuer is asked for.
    let (header, claims) =
        verify(&mint(Mint { user: Some("ada".to_owned()), ..Mint::default() }), keys).unwrap();
    assert!(header.get("typ").is_none());
    let told = [&claims["aud"], &claims["realm_access"]["roles"], &claims["scp"]];
    assert_eq!(told, [&json!("app"), &json!(["editors"]), &json!("orders/read")]);
    assert!(claims.get("token_use").is_none());
}

#[tokio::test]
async fn each_issuer_has_its_own_keys_and_addresses() {
    let issuer = two().await;
    assert_eq!(issuer.base(0), issuer.endpoint());
    assert_eq!(issuer.base(1), format!("{}/id.example", issuer.endpoint()));
    let first = issuer.access_token("reports").unwrap();
    let uri = format!("{}/.well-known/jwks.json", issuer.base(1));
    let (_, set) = read(Client::new().get(uri).send().await.unwrap()).await;
    assert_eq!(verify(&first, set["keys"].as_array().unwrap()), None);
    let uri = format!("{}/.well-known/openid-configuration", issuer.base(1));
    let (_, document) = read(Client::new().get(uri).send().await.unwrap()).await;
    assert_eq!(document["issuer"], "https://id.example");
    assert_eq!(document["token_endpoint"], format!("{}/oauth2/token", issuer.base(1)));
}
