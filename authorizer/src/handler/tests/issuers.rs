//! Several issuers, keys that change under their names, and revoked tokens.

use std::sync::{Arc, Mutex};

use table::{Revocable, Revocation};

use super::*;
use crate::revocation::tests::serve;

/// The issuers' table of a bench's issuer below this path, and a rule for everybody.
fn config(bench: &Bench, paths: &[&str], more: &str) -> Config {
    let issuers: Vec<_> = paths
        .iter()
        .map(|path| {
            format!(
                "[[issuer]]\nurl = \"{}{path}\"\nclients = \"any\"\ntoken_use = \"any\"\n",
                bench.iss
            )
        })
        .collect();
    let rule = "[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n";
    Config::parse(&format!("{}{rule}{more}", issuers.join("")), "test").unwrap()
}

#[tokio::test]
async fn equal_clients_of_two_issuers_share_no_limit() {
    let mut bench = Bench::new(THROTTLE).await;
    let store = MemoryStore::new();
    let plan = Plan::from_json(r#"{"throttle":{"rateLimit":1,"burstLimit":2}}"#).unwrap();
    store.put_plan(PlanId::new("free").unwrap(), plan, bench.clock.now());
    let config = config(&bench, &["/a", "/b"], THROTTLE);
    bench.authorizer = Authorizer::new(config, Some(store), bench.clock.clone()).unwrap();
    for path in ["/a", "/b"] {
        let token = bench.token(&json!({"iss": format!("{}{path}", bench.iss)}));
        let answer = bench.call(&token, ARN).await.unwrap();
        assert_eq!(answer["context"]["remaining"], 1, "{path}");
    }
}

#[tokio::test]
async fn a_key_that_changes_under_its_name_verifies_the_first_token_that_it_signed() {
    let mut bench = Bench::new("").await;
    let public = key_pair().public_key();
    let set = |modulus: Vec<u8>| {
        let exponent = public.exponent().big_endian_without_leading_zero();
        json!({"keys": [{"kty": "RSA", "kid": "k", "n": URL_SAFE_NO_PAD.encode(modulus),
            "e": URL_SAFE_NO_PAD.encode(exponent)}]})
        .to_string()
    };
    let published = Arc::new(Mutex::new(set(vec![0xc5; 256])));
    let served = Arc::clone(&published);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    bench.iss = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(move || async move { served.lock().unwrap().clone() });
    tokio::spawn(async move { axum::serve(listener, router).await });
    let config = config(&bench, &[""], "");
    bench.authorizer = Authorizer::new(config, None, bench.clock.clone()).unwrap();

    let token = bench.token(&json!({}));
    assert_eq!(bench.call(&token, ARN).await, Err(Failure::Unauthorized));
    bench.clock.advance(Duration::from_secs(60));
    assert_eq!(bench.call(&token, ARN).await, Err(Failure::Unauthorized), "still another's key");
    *published.lock().unwrap() = set(public.modulus().big_endian_without_leading_zero().to_vec());
    bench.clock.advance(Duration::from_secs(60));
    assert!(bench.call(&token, ARN).await.is_ok());
}

#[tokio::test]
async fn a_token_that_was_taken_back_is_unauthorized() {
    let mut bench = Bench::new("").await;
    let revocation = "[revocation]\ntable = \"tollgate\"\ncache_seconds = 0\n";
    let config = config(&bench, &[""], revocation);
    let table = table::Revocations::new(serve().await, "tollgate");
    let asked = config.revocation.clone().unwrap();
    let read = Revocations::new(table.clone(), asked, bench.clock.clone());
    let authorizer = Authorizer::new(config, None, bench.clock.clone()).unwrap();
    bench.authorizer = authorizer.with_revocations(read);

    let token = bench.token(&json!({"jti": "one"}));
    assert!(bench.call(&token, ARN).await.is_ok());
    let now = bench.clock.now();
    let name = bench.iss.trim_start_matches("http://");
    let expires = now.saturating_add(Duration::from_secs(3_600));
    let revoked = Revocation::new(Revocable::token(name, "one"), now, expires);
    table.put(&revoked).await.unwrap();
    assert_eq!(bench.call(&token, ARN).await, Err(Failure::Unauthorized));
    assert!(bench.call(&bench.token(&json!({"jti": "two"})), ARN).await.is_ok());
}
