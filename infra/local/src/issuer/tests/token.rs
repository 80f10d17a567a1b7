//! The client credentials grant.

use reqwest::Client;
use serde_json::json;

use super::{BASIC, LIFETIME, START, jwks, names, read, start, token, verify};

#[tokio::test]
async fn a_client_gets_a_token_of_a_machine_by_either_method() {
    let (issuer, _) = start().await;
    let response = token(&issuer, Some(BASIC), "grant_type=client_credentials").await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    let (status, answer) = read(response).await;
    assert_eq!(status, 200);
    assert_eq!(names(&answer), ["access_token", "expires_in", "token_type"]);
    assert_eq!((&answer["expires_in"], &answer["token_type"]), (&json!(300), &json!("Bearer")));

    let keys = jwks(&issuer).await;
    let (header, mut claims) = verify(answer["access_token"].as_str().unwrap(), &keys).unwrap();
    assert_eq!(names(&header), ["alg", "kid"]);
    assert_eq!(header["alg"], "RS256");
    let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(jti.as_str().unwrap().len(), 36);
    let expected = json!({
        "sub": "reports", "client_id": "reports", "iss": issuer.url(), "token_use": "access",
        "scope": "orders/read orders/write", "version": 2, "custom:plan": "free",
        "auth_time": START, "iat": START, "exp": START + LIFETIME,
    });
    assert_eq!(claims, expected);

    let body = "grant_type=client_credentials&client_id=reports&client_secret=s%2Be+c%3Ar%25t\
                &scope=orders/write+orders/write";
    let (status, answer) = read(token(&issuer, None, body).await).await;
    assert_eq!(status, 200);
    let (_, claims) = verify(answer["access_token"].as_str().unwrap(), &keys).unwrap();
    assert_eq!(claims["scope"], "orders/write");

    // The id once more in the body is no second method.
    let body = "grant_type=client_credentials&client_id=reports";
    assert_eq!(token(&issuer, Some(BASIC), body).await.status(), 200);
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_cognitos_words() {
    let (issuer, _) = start().await;
    let grant = "grant_type=client_credentials";
    let cases = [
        (Some(BASIC), "", "invalid_request"),
        (Some(BASIC), "grant_type=", "invalid_request"),
        (Some(BASIC), "grant_type=client_credentials&grant_type=password", "invalid_request"),
        (Some(BASIC), "grant_type=password", "unsupported_grant_type"),
        (Some(BASIC), "grant_type=refresh_token", "invalid_request"),
        (None, grant, "invalid_request"),
        (Some(BASIC), "grant_type=client_credentials&client_id=bare", "invalid_request"),
        (
            Some(BASIC),
            "grant_type=client_credentials&client_id=reports&client_secret=s%2Be+c%3Ar%25t",
            "invalid_request",
        ),
        (Some("reports:wrong"), grant, "invalid_client"),
        (Some("reports:"), grant, "invalid_client"),
        (Some("reports"), grant, "invalid_client"),
        (Some("nobody:secret"), grant, "invalid_client"),
        (Some("app:"), grant, "invalid_client"),
        (None, "grant_type=client_credentials&client_id=reports", "invalid_client"),
        (None, "grant_type=client_credentials&client_id=app", "invalid_grant"),
        (Some("bare:secret"), grant, "invalid_grant"),
        (Some(BASIC), "grant_type=client_credentials&scope=orders/delete", "invalid_scope"),
        (Some(BASIC), "grant_type=client_credentials&scope=orders/read+admin", "invalid_scope"),
        (Some(BASIC), "grant_type=client_credentials&scope=+", "invalid_scope"),
    ];
    for (basic, body, error) in cases {
        let response = token(&issuer, basic, body).await;
        assert_eq!(response.headers()["cache-control"], "no-store", "{body}");
        assert_eq!(read(response).await, (400, json!({ "error": error })), "{basic:?} {body}");
    }
    // Neither another scheme nor another form of body is read.
    for (name, value) in [("authorization", "Bearer x"), ("content-type", "application/json")] {
        let mut request = Client::new().post(issuer.token_endpoint()).header(name, value);
        if name == "authorization" {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        assert_eq!(request.body(grant).send().await.unwrap().status(), 400, "{name}");
    }
}

#[tokio::test]
async fn a_token_is_given_by_name_alone_and_an_unknown_name_is_said() {
    let (issuer, _) = start().await;
    let keys = jwks(&issuer).await;
    let get = async |query: &str| {
        let url = format!("{}/local/token?{query}", issuer.endpoint());
        let response = Client::new().get(url).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for (query, claim, expected) in [
        ("client=reports", "scope", "orders/read orders/write"),
        ("client=reports&scope=orders/read", "scope", "orders/read"),
        ("user=ada", "client_id", "app"),
        ("user=ada&client=server", "client_id", "server"),
        ("user=ada&use=id", "aud", "app"),
    ] {
        let (status, token) = get(query).await;
        assert_eq!(status, 200, "{query}: {token}");
        let (_, claims) = verify(token.trim_end(), &keys).unwrap();
        assert_eq!(claims[claim], expected, "{query}");
    }
    for (query, says) in [
        ("client=x", "there is no app client `x`"),
        ("user=x", "there is no user `x`"),
        ("user=ada&use=refresh", "unknown variant `refresh`"),
        ("users=ada", "unknown field `users`"),
    ] {
        let (status, text) = get(query).await;
        assert!(status == 400 && text.contains(says), "{query}: {text}");
    }
}
