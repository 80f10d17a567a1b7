//! Signing in, and keys that rotate.

use tests::Stack;

use crate::caller::{Caller, decode};

#[tokio::test]
async fn tokens_have_cognito_s_form() {
    let stack = Stack::start(&[]).await;
    let caller = Caller::of(&stack);
    let (header, machine) = decode(&caller.token("orders-reader").await);
    assert_eq!(header["alg"], "RS256");
    assert_eq!(header.as_object().unwrap().len(), 2, "kid and alg alone");
    assert!(caller.key_ids().await.contains(&header["kid"].as_str().unwrap().to_owned()));
    assert_eq!(machine["iss"], stack.ready.issuer);
    assert_eq!(machine["token_use"], "access");
    assert_eq!(machine["sub"], machine["client_id"]);
    for absent in ["username", "cognito:groups", "origin_jti", "aud"] {
        assert_eq!(machine.get(absent), None, "{absent}");
    }
    let (_, user) = decode(&caller.sign_in("alice").await);
    assert_eq!(user["username"], "alice");
    assert_eq!(user["client_id"], stack.ready.client_id);
    assert!(user["origin_jti"].is_string());
}

#[tokio::test]
async fn a_rotation_is_followed_at_once_and_the_old_key_still_honoured_until_it_is_dropped() {
    let stack = Stack::start(&[]).await;
    let caller = Caller::of(&stack);
    let before = caller.token("orders-writer").await;
    assert_eq!(caller.status("GET /orders", &before).await, 200);

    assert_eq!(caller.post_to_issuer("/local/rotate").await, 200);
    let after = caller.token("orders-writer").await;
    assert_ne!(decode(&before).0["kid"], decode(&after).0["kid"]);
    assert_eq!(caller.status("GET /orders", &after).await, 200, "the new key");
    assert_eq!(caller.status("GET /orders", &before).await, 200, "the old one, published still");

    assert_eq!(caller.post_to_issuer("/local/rotate?drop=true").await, 200);
    let kids = caller.key_ids().await;
    assert_eq!(kids.len(), 2);
    for gone in [&before, &after] {
        assert!(!kids.contains(&decode(gone).0["kid"].as_str().unwrap().to_owned()));
    }
    let newest = caller.token("orders-writer").await;
    // Each environment follows when it meets the new key; the next request of it drops the old.
    for _ in 0..8 {
        assert_eq!(caller.status("GET /orders", &newest).await, 200);
    }
}
