//! Passwords, refresh tokens and secret hashes.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use std::sync::atomic::Ordering;

use super::{Issuer, LIFETIME, START, call, jwks, names, start, verify};

async fn sign_in(issuer: &Issuer, client: &str, parameters: Value) -> (u16, Value) {
    let body = json!({
        "AuthFlow": "USER_PASSWORD_AUTH", "ClientId": client, "AuthParameters": parameters,
    });
    call(issuer, "InitiateAuth", &body).await
}

fn exception(kind: &str, message: &str) -> (u16, Value) {
    (400, json!({"__type": kind, "message": message}))
}

#[tokio::test]
async fn a_user_signs_in_and_has_cognitos_tokens() {
    let (issuer, _) = start().await;
    let parameters = json!({"USERNAME": "ada", "PASSWORD": "Correct-1-horse"});
    let (status, answer) = sign_in(&issuer, "app", parameters).await;
    assert_eq!(status, 200);
    assert_eq!(answer["ChallengeParameters"], json!({}));
    let result = &answer["AuthenticationResult"];
    let members = ["AccessToken", "ExpiresIn", "IdToken", "RefreshToken", "TokenType"];
    assert_eq!(names(result), members);
    assert_eq!(result["ExpiresIn"], 300);

    let keys = jwks(&issuer).await;
    let (access_header, access) = verify(result["AccessToken"].as_str().unwrap(), &keys).unwrap();
    let (id_header, id) = verify(result["IdToken"].as_str().unwrap(), &keys).unwrap();
    assert_ne!(access_header["kid"], id_header["kid"]);
    assert_ne!(access["jti"], id["jti"]);
    assert_eq!(access["sub"].as_str().unwrap().len(), 36);
    let expected = json!({
        "sub": id["sub"], "cognito:groups": ["editors"], "iss": issuer.url(), "version": 2,
        "client_id": "app", "origin_jti": id["origin_jti"], "token_use": "access",
        "scope": "aws.cognito.signin.user.admin", "auth_time": START, "exp": START + LIFETIME,
        "iat": START, "jti": access["jti"], "username": "ada", "custom:plan": "pro",
    });
    assert_eq!(access, expected);
    let expected = json!({
        "sub": access["sub"], "cognito:groups": ["editors"], "iss": issuer.url(), "aud": "app",
        "cognito:username": "ada", "origin_jti": access["origin_jti"], "token_use": "id",
        "auth_time": START, "exp": START + LIFETIME, "iat": START, "jti": id["jti"],
        "email": "ada@example.com", "email_verified": true, "custom:team": "engines",
    });
    assert_eq!(id, expected);
}

#[tokio::test]
async fn a_refresh_gives_new_tokens_of_the_same_sign_in() {
    let (issuer, time) = start().await;
    let parameters = json!({"USERNAME": "ada", "PASSWORD": "Correct-1-horse"});
    let (_, first) = sign_in(&issuer, "app", parameters).await;
    let first = &first["AuthenticationResult"];
    let refresh = |client: &str, token: &Value| {
        json!({
            "AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": client,
            "AuthParameters": {"REFRESH_TOKEN": token},
        })
    };

    time.store(START + 100, Ordering::Relaxed);
    let request = refresh("app", &first["RefreshToken"]);
    let (status, second) = call(&issuer, "InitiateAuth", &request).await;
    assert_eq!(status, 200);
    let second = &second["AuthenticationResult"];
    assert_eq!(names(second), ["AccessToken", "ExpiresIn", "IdToken", "TokenType"]);
    let keys = jwks(&issuer).await;
    for kind in ["AccessToken", "IdToken"] {
        let (_, before) = verify(first[kind].as_str().unwrap(), &keys).unwrap();
        let (_, after) = verify(second[kind].as_str().unwrap(), &keys).unwrap();
        assert_eq!(before["origin_jti"], after["origin_jti"]);
        assert_eq!(before["auth_time"], after["auth_time"]);
        assert_ne!(before["jti"], after["jti"]);
        assert_eq!(after["iat"], START + 100);
        assert_eq!(after["exp"], START + 100 + LIFETIME);
    }

    let invalid = exception("NotAuthorizedException", "Invalid Refresh Token");
    // Of another client, forged, an access token, too short.
    let mut forged = first["RefreshToken"].as_str().unwrap().to_owned();
    let last = if forged.pop() == Some('A') { "E" } else { "A" };
    forged.push_str(last);
    for request in [
        refresh("server", &first["RefreshToken"]),
        refresh("app", &json!(forged)),
        refresh("app", &first["AccessToken"]),
        refresh("app", &json!("AAAA")),
    ] {
        assert_eq!(call(&issuer, "InitiateAuth", &request).await, invalid);
    }
    const MONTH: u64 = 30 * 86_400;
    time.store(START + MONTH - 1, Ordering::Relaxed);
    assert_eq!(call(&issuer, "InitiateAuth", &request).await.0, 200);
    time.store(START + MONTH, Ordering::Relaxed);
    let expired = exception("NotAuthorizedException", "Refresh Token has expired");
    assert_eq!(call(&issuer, "InitiateAuth", &request).await, expired);
}

#[tokio::test]
async fn a_client_with_a_secret_proves_it_by_a_hash() {
    let (issuer, _) = start().await;
    let hash = |user: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"hashed");
        STANDARD.encode(hmac::sign(&key, format!("{user}server").as_bytes()))
    };
    let with = |hash: Option<String>| json!({"USERNAME": "ada", "PASSWORD": "Correct-1-horse", "SECRET_HASH": hash});
    let (status, answer) = sign_in(&issuer, "server", with(Some(hash("ada")))).await;
    assert_eq!(status, 200);

    let missing = "Client server is configured with secret but SECRET_HASH was not received";
    let missing = exception("NotAuthorizedException", missing);
    assert_eq!(sign_in(&issuer, "server", with(None)).await, missing);
    let wrong =
        exception("NotAuthorizedException", "Unable to verify secret hash for client server");
    assert_eq!(sign_in(&issuer, "server", with(Some(hash("bob")))).await, wrong);
    assert_eq!(sign_in(&issuer, "server", with(Some("%".to_owned()))).await, wrong);

    let refresh = |hash: Option<String>| {
        json!({
            "AuthFlow": "REFRESH_TOKEN_AUTH", "ClientId": "server",
            "AuthParameters": {
                "REFRESH_TOKEN": answer["AuthenticationResult"]["RefreshToken"],
                "SECRET_HASH": hash,
            },
        })
    };
    assert_eq!(call(&issuer, "InitiateAuth", &refresh(None)).await, missing);
    assert_eq!(call(&issuer, "InitiateAuth", &refresh(Some(hash("ada")))).await.0, 200);
}

#[tokio::test]
async fn a_sign_in_is_refused_in_cognitos_words() {
    let (issuer, _) = start().await;
    let wrong = exception("NotAuthorizedException", "Incorrect username or password.");
    for (name, password) in
        [("ada", "wrong"), ("bob", "Correct-1-horse"), ("bob", ""), ("Ada", "Correct-1-horse")]
    {
        let parameters = json!({"USERNAME": name, "PASSWORD": password});
        let refused = sign_in(&issuer, "app", parameters).await;
        if password.is_empty() {
            let missing = "Missing required parameter PASSWORD";
            assert_eq!(refused, exception("InvalidParameterException", missing));
        } else {
            assert_eq!(refused, wrong, "{name} {password}");
        }
    }
    let missing = exception("InvalidParameterException", "Missing required parameter USERNAME");
    assert_eq!(sign_in(&issuer, "app", json!({})).await, missing);
    assert_eq!(sign_in(&issuer, "app", Value::Null).await, missing);
    let nobody = exception("ResourceNotFoundException", "User pool client nobody does not exist.");
    assert_eq!(sign_in(&issuer, "nobody", json!({})).await, nobody);

    let kind = |(status, answer): (u16, Value)| (status, answer["__type"].clone());
    for (body, expected) in [
        (json!({"ClientId": "app"}), "InvalidParameterException"),
        (json!({"AuthFlow": "USER_PASSWORD_AUTH"}), "InvalidParameterException"),
        (json!({"AuthFlow": "USER_SRP_AUTH", "ClientId": "app"}), "InvalidParameterException"),
        (json!({"AuthFlow": "anything", "ClientId": "app"}), "InvalidParameterException"),
        (json!({"AuthFlow": 1, "ClientId": "app"}), "SerializationException"),
        (json!("text"), "SerializationException"),
    ] {
        let refused = kind(call(&issuer, "InitiateAuth", &body).await);
        assert_eq!(refused, (400, json!(expected)), "{body}");
    }
    let unknown = kind(call(&issuer, "ChangePassword", &json!({})).await);
    assert_eq!(unknown, (400, json!("UnknownOperationException")));
}
