//! Signing up, by SRP and in a browser; what a user asks; the ends of sessions.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::redirect::Policy;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::Ordering;

use super::super::sign_in::code_challenge;
use super::super::srp::{Identity, tests::Client as SrpClient};
use super::{Issuer, START, call, jwks, read, start, verify};

const APP: &str = "http://localhost:3000/cb";

/// Signs in by SRP, with what the client would send last changed.
async fn by_srp(issuer: &Issuer, password: &str, change: impl FnOnce(&mut Value)) -> (u16, Value) {
    let client = SrpClient::new();
    let begin = json!({
        "AuthFlow": "USER_SRP_AUTH", "ClientId": "app",
        "AuthParameters": {"USERNAME": "ada", "SRP_A": client.public},
    });
    let (status, challenge) = call(issuer, "InitiateAuth", &begin).await;
    assert_eq!((status, &challenge["ChallengeName"]), (200, &json!("PASSWORD_VERIFIER")));
    let given = &challenge["ChallengeParameters"];
    let text = |name: &str| given[name].as_str().unwrap();
    let identity = Identity {
        pool: "LocalDemo",
        username: text("USER_ID_FOR_SRP"),
        password,
        salt: text("SALT"),
    };
    let key = client.key(text("SRP_B"), &identity);
    let block = STANDARD.decode(text("SECRET_BLOCK")).unwrap();
    let time = "Sat Nov 21 09:00:00 UTC 2026";
    let message = [b"LocalDemoada", &block[..], time.as_bytes()].concat();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &message);
    let mut answer = json!({
        "ChallengeName": "PASSWORD_VERIFIER", "ClientId": "app",
        "ChallengeResponses": {
            "USERNAME": "ada", "TIMESTAMP": time,
            "PASSWORD_CLAIM_SECRET_BLOCK": text("SECRET_BLOCK"),
            "PASSWORD_CLAIM_SIGNATURE": STANDARD.encode(signature),
        },
    });
    change(&mut answer);
    call(issuer, "RespondToAuthChallenge", &answer).await
}

#[tokio::test]
async fn a_password_is_proven_without_being_sent() {
    let (issuer, _) = start().await;
    let (status, answer) = by_srp(&issuer, "Correct-1-horse", |_| {}).await;
    assert_eq!(status, 200, "{answer}");
    let token = answer["AuthenticationResult"]["AccessToken"].as_str().unwrap();
    let (_, claims) = verify(token, &jwks(&issuer).await).unwrap();
    assert_eq!(claims["username"], "ada");

    let wrong = (
        400,
        json!({"__type": "NotAuthorizedException", "message": "Incorrect username or password."}),
    );
    assert_eq!(by_srp(&issuer, "Wrong-1-horse", |_| {}).await, wrong);
    for name in ["USERNAME", "TIMESTAMP", "PASSWORD_CLAIM_SECRET_BLOCK", "PASSWORD_CLAIM_SIGNATURE"]
    {
        let other = |answer: &mut Value| answer["ChallengeResponses"][name] = json!("AAAA");
        assert_eq!(by_srp(&issuer, "Correct-1-horse", other).await, wrong, "{name}");
    }
    let of_server = |answer: &mut Value| answer["ClientId"] = json!("bare");
    assert_eq!(by_srp(&issuer, "Correct-1-horse", of_server).await.0, 400);
    // A refresh token is sealed too, and not a challenge.
    let refresh = answer["AuthenticationResult"]["RefreshToken"].as_str().unwrap();
    let block = STANDARD.encode(refresh);
    let forged = |answer: &mut Value| {
        answer["ChallengeResponses"]["PASSWORD_CLAIM_SECRET_BLOCK"] = json!(block);
    };
    assert_eq!(by_srp(&issuer, "Correct-1-horse", forged).await, wrong);
}

#[tokio::test]
async fn a_challenge_lasts_three_minutes_and_unknown_users_have_one_too() {
    let (issuer, time) = start().await;
    let later = |by: u64| move |_: &mut Value| time.store(START + by, Ordering::Relaxed);
    let (status, answer) = by_srp(&issuer, "Correct-1-horse", later(181)).await;
    assert_eq!((status, &answer["__type"]), (400, &json!("NotAuthorizedException")));
    assert!(answer["message"].as_str().unwrap().contains("expired"));
    let begin = |name: &str, number: &str| {
        json!({
            "AuthFlow": "USER_SRP_AUTH", "ClientId": "app",
            "AuthParameters": {"USERNAME": name, "SRP_A": number},
        })
    };
    let (status, answer) = call(&issuer, "InitiateAuth", &begin("nobody", "abc123")).await;
    assert_eq!((status, &answer["ChallengeName"]), (200, &json!("PASSWORD_VERIFIER")));
    let (status, answer) = call(&issuer, "InitiateAuth", &begin("ada", "0")).await;
    assert_eq!((status, &answer["__type"]), (400, &json!("InvalidParameterException")));
}

async fn password(issuer: &Issuer, name: &str) -> (u16, Value) {
    let body = json!({
        "AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "app",
        "AuthParameters": {"USERNAME": name, "PASSWORD": "Correct-1-horse"},
    });
    call(issuer, "InitiateAuth", &body).await
}

fn kind((status, answer): (u16, Value)) -> (u16, String) {
    (status, answer["__type"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_user_signs_up_confirms_and_signs_in() {
    let (issuer, _) = start().await;
    let sign_up = |name: &str, password: &str| {
        json!({
            "ClientId": "app", "Username": name, "Password": password,
            "UserAttributes": [{"Name": "email", "Value": "new@example.com"}],
        })
    };
    let (status, answer) = call(&issuer, "SignUp", &sign_up("new", "Correct-1-horse")).await;
    assert_eq!((status, &answer["UserConfirmed"]), (200, &json!(false)));
    assert_eq!(answer["CodeDeliveryDetails"]["Destination"], "n***@e***");
    for (name, password, expected) in [
        ("new", "Correct-1-horse", "UsernameExistsException"),
        ("ada", "Correct-1-horse", "UsernameExistsException"),
        ("other", "Sh0rt-", "InvalidPasswordException"),
        ("other", "correct-1-horse", "InvalidPasswordException"),
        ("other", "Correct1horse", "InvalidPasswordException"),
        ("", "Correct-1-horse", "InvalidParameterException"),
    ] {
        let refused = kind(call(&issuer, "SignUp", &sign_up(name, password)).await);
        assert_eq!(refused, (400, expected.to_owned()), "{name} {password}");
    }
    assert_eq!(kind(password(&issuer, "new").await).1, "UserNotConfirmedException");
    let confirm = |name: &str, code: &str| json!({"ClientId": "app", "Username": name, "ConfirmationCode": code});
    for (name, code, expected) in [
        ("new", "000000", "CodeMismatchException"),
        ("nobody", "123456", "CodeMismatchException"),
        ("ada", "123456", "NotAuthorizedException"),
    ] {
        let refused = kind(call(&issuer, "ConfirmSignUp", &confirm(name, code)).await);
        assert_eq!(refused.1, expected, "{name} {code}");
    }
    assert_eq!(call(&issuer, "ConfirmSignUp", &confirm("new", "123456")).await, (200, json!({})));
    assert_eq!(password(&issuer, "new").await.0, 200);
}

#[tokio::test]
async fn a_user_reads_the_own_attributes_until_the_sign_out() {
    let (issuer, time) = start().await;
    let token = |answer: &Value, name: &str| answer["AuthenticationResult"][name].clone();
    let (_, first) = password(&issuer, "ada").await;
    let with = |token: Value| json!({ "AccessToken": token });
    let (status, user) = call(&issuer, "GetUser", &with(token(&first, "AccessToken"))).await;
    assert_eq!((status, &user["Username"]), (200, &json!("ada")));
    let names: Vec<&str> = user["UserAttributes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["Name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"sub") && names.contains(&"email_verified"), "{names:?}");

    let refused = async |operation: &str, body: Value| {
        let (status, answer) = call(&issuer, operation, &body).await;
        assert_eq!(status, 400);
        answer["message"].as_str().unwrap().to_owned()
    };
    let invalid = "Invalid Access Token";
    assert_eq!(refused("GetUser", with(token(&first, "IdToken"))).await, invalid);
    assert_eq!(refused("GetUser", with(json!("a.b.c"))).await, invalid);

    let (_, second) = password(&issuer, "ada").await;
    let out = with(token(&first, "AccessToken"));
    assert_eq!(call(&issuer, "GlobalSignOut", &out).await, (200, json!({})));
    for before in [&first, &second] {
        let revoked = "Access Token has been revoked";
        assert_eq!(refused("GetUser", with(token(before, "AccessToken"))).await, revoked);
        let refresh = json!({"ClientId": "app", "RefreshToken": token(before, "RefreshToken")});
        let revoked = "Refresh Token has been revoked";
        assert_eq!(refused("GetTokensFromRefreshToken", refresh).await, revoked);
    }
    // In the same second: a sign-in after the sign-out is none of those before it.
    let (_, third) = password(&issuer, "ada").await;
    assert_eq!(call(&issuer, "GetUser", &with(token(&third, "AccessToken"))).await.0, 200);

    let refresh = json!({"ClientId": "app", "RefreshToken": token(&third, "RefreshToken")});
    assert_eq!(call(&issuer, "GetTokensFromRefreshToken", &refresh).await.0, 200);
    let revoke = |name: &str| json!({"ClientId": "app", "Token": token(&third, name)});
    let unsupported = refused("RevokeToken", revoke("AccessToken")).await;
    assert_eq!(unsupported, "Unsupported token type");
    assert_eq!(call(&issuer, "RevokeToken", &revoke("RefreshToken")).await, (200, json!({})));
    let revoked = "Refresh Token has been revoked";
    assert_eq!(refused("GetTokensFromRefreshToken", refresh).await, revoked);
    let (_, fourth) = password(&issuer, "ada").await;
    time.store(START + 300, Ordering::Relaxed);
    let expired = "Access Token has expired";
    assert_eq!(refused("GetUser", with(token(&fourth, "AccessToken"))).await, expired);
}

/// A browser that tells where it is sent.
fn browser() -> Client {
    Client::builder().redirect(Policy::none()).build().unwrap()
}

fn location(response: &reqwest::Response) -> String {
    assert_eq!(response.status(), 302);
    response.headers()["location"].to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_browser_signs_in_and_the_app_gets_tokens_for_its_code_once() {
    let (issuer, _) = start().await;
    let browser = browser();
    let verifier = "a-verifier-of-at-least-forty-three-characters";
    let challenge = code_challenge(verifier);
    let query = format!(
        "response_type=code&client_id=app&redirect_uri={APP}&scope=openid+email&state=a%26b\
         &nonce=n-1&code_challenge={challenge}&code_challenge_method=S256"
    );
    let authorize = format!("{}/oauth2/authorize?{query}", issuer.endpoint());
    let page = location(&browser.get(authorize).send().await.unwrap());
    let shown = browser.get(&page).send().await.unwrap();
    assert!(shown.headers()["content-security-policy"].to_str().unwrap().contains("'none'"));
    assert!(shown.text().await.unwrap().contains("<form method=\"post\">"));

    let post = |password: &str| {
        let body = format!("username=ada&password={password}");
        let request = browser.post(&page).body(body);
        request.header("content-type", "application/x-www-form-urlencoded").send()
    };
    let wrong = post("wrong").await.unwrap();
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().contains("Incorrect username or password."));
    let back = location(&post("Correct-1-horse").await.unwrap());
    let back = back.strip_prefix(&format!("{APP}?code=")).unwrap();
    let (code, state) = back.split_once('&').unwrap();
    assert_eq!(state, "state=a%26b");

    let exchange = async |client: &str, redirect: &str, verifier: &str| {
        let body = format!(
            "grant_type=authorization_code&client_id={client}&code={code}\
             &redirect_uri={redirect}&code_verifier={verifier}"
        );
        read(super::token(&issuer, None, &body).await).await
    };
    let refused = (400, json!({"error": "invalid_grant"}));
    assert_eq!(exchange("app", APP, "another-verifier").await, refused);
    assert_eq!(exchange("app", "http://localhost:3000/", verifier).await, refused);
    let (status, tokens) = exchange("app", APP, verifier).await;
    assert_eq!(status, 200, "{tokens}");
    assert_eq!(exchange("app", APP, verifier).await, refused, "a code is good once");

    let keys = jwks(&issuer).await;
    let claims = |name: &str| verify(tokens[name].as_str().unwrap(), &keys).unwrap().1;
    assert_eq!(claims("access_token")["scope"], "openid email");
    assert_eq!(claims("id_token")["nonce"], "n-1");

    let access = tokens["access_token"].as_str().unwrap();
    let info = format!("{}/oauth2/userInfo", issuer.endpoint());
    let (status, user) = read(browser.get(&info).bearer_auth(access).send().await.unwrap()).await;
    assert_eq!((status, &user["username"]), (200, &json!("ada")));
    assert_eq!((&user["sub"], &user["email_verified"]), (&claims("id_token")["sub"], &json!(true)));
    assert_eq!(browser.get(&info).bearer_auth("x.y.z").send().await.unwrap().status(), 401);

    let refresh = format!(
        "grant_type=refresh_token&client_id=app&refresh_token={}",
        tokens["refresh_token"].as_str().unwrap()
    );
    let (status, renewed) = read(super::token(&issuer, None, &refresh).await).await;
    assert_eq!((status, renewed.get("refresh_token")), (200, None));
    let revoke = format!("client_id=app&token={}", tokens["refresh_token"].as_str().unwrap());
    let revoked = browser
        .post(format!("{}/oauth2/revoke", issuer.endpoint()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(revoke);
    assert_eq!(revoked.send().await.unwrap().status(), 200);
    assert_eq!(read(super::token(&issuer, None, &refresh).await).await, refused);
}

#[tokio::test]
async fn an_authorization_that_is_wrong_goes_nowhere_or_back_with_an_error() {
    let (issuer, _) = start().await;
    let browser = browser();
    let right = HashMap::from([
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", APP),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ]);
    let ask = async |name: &'static str, value: &'static str| {
        let mut query = right.clone();
        query.insert(name, value);
        let query: Vec<String> =
            query.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let url = format!("{}/oauth2/authorize?{}", issuer.endpoint(), query.join("&"));
        browser.get(url).send().await.unwrap()
    };
    assert_eq!(ask("state", "s").await.status(), 302);
    for (name, value) in
        [("client_id", "nobody"), ("redirect_uri", "https://example.com/cb"), ("redirect_uri", "")]
    {
        assert_eq!(ask(name, value).await.status(), 400, "{name}={value}");
    }
    for (name, value, error) in [
        ("response_type", "token", "unsupported_response_type"),
        ("code_challenge", "short", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
    ] {
        let back = location(&ask(name, value).await);
        assert_eq!(back, format!("{APP}?error={error}"), "{name}={value}");
    }
    let logout = |uri: &str| format!("{}/logout?client_id=app&logout_uri={uri}", issuer.endpoint());
    let back = browser.get(logout("http://localhost:3000/")).send().await.unwrap();
    assert_eq!(location(&back), "http://localhost:3000/");
    let away = browser.get(logout("https://example.com/")).send().await.unwrap();
    assert_eq!(away.status(), 400);
}

#[tokio::test]
async fn pages_of_other_origins_call_everything_but_the_operators_hand() {
    let (issuer, _) = start().await;
    let base = issuer.endpoint();
    for (path, allowed) in [
        ("/", true),
        ("/oauth2/token", true),
        ("/oauth2/userInfo", true),
        ("/us-east-1_LocalDemo/.well-known/jwks.json", true),
        ("/local/token?user=ada", false),
        ("/local/rotate", false),
        ("/login", false),
    ] {
        let preflight = Client::new()
            .request(Method::OPTIONS, format!("{base}{path}"))
            .header("origin", "http://localhost:3000")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "x-amz-target,content-type");
        let answer = preflight.send().await.unwrap();
        let origin = answer.headers().get("access-control-allow-origin");
        assert_eq!(origin.is_some(), allowed, "{path}");
        if allowed {
            assert_eq!(answer.status(), 200);
            let headers = &answer.headers()["access-control-allow-headers"];
            assert_eq!(headers, "x-amz-target,content-type");
        }
    }
    let minted = Client::new().get(format!("{base}/local/token?user=ada")).send().await.unwrap();
    assert!(!minted.headers().contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn pages_of_other_sites_get_no_token_rotate_no_key_and_sign_nobody_in() {
    let (issuer, _) = start().await;
    let base = issuer.endpoint();
    let address = base.trim_start_matches("http://");
    let port = address.rsplit(':').next().unwrap();
    let localhost = format!("localhost:{port}");
    let login = "/login?response_type=code&client_id=app&code_challenge_method=S256\
                 &redirect_uri=http%3A%2F%2Flocalhost%3A3000%2F\
                 &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
    let called = async |method: Method, path: &str, headers: &[(&str, &str)]| {
        let client = Client::builder().redirect(reqwest::redirect::Policy::none());
        let mut request = client.build().unwrap().request(method.clone(), format!("{base}{path}"));
        if method == Method::POST {
            let form = "username=ada&password=Correct-1-horse";
            let form_type = "application/x-www-form-urlencoded";
            request = request.header("content-type", form_type).body(form);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap().status().as_u16()
    };
    for (method, path, expected) in [
        (Method::GET, "/local/token?user=ada", 200),
        (Method::GET, "/us-east-1_LocalDemo/local/token?user=ada", 200),
        (Method::POST, "/local/rotate", 200),
        (Method::POST, login, 302),
    ] {
        let own = format!("http://{address}");
        let own = [("origin", own.as_str()), ("sec-fetch-site", "same-origin")];
        let by_name = [("host", localhost.as_str())];
        for headers in [&[][..], &own, &by_name] {
            let status = called(method.clone(), path, headers).await;
            assert_eq!(status, expected, "{path} {headers:?}");
        }
        for foreign in [
            ("host", "rebound.example"),
            ("host", "127.0.0.1"),
            ("origin", "https://example.com"),
            ("origin", "http://localhost:3000"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(called(method.clone(), path, &[foreign]).await, 403, "{path} {foreign:?}");
        }
    }
    let linked = [("sec-fetch-site", "cross-site")];
    assert_eq!(called(Method::GET, login, &linked).await, 200, "an app links to the page");
}

#[tokio::test]
async fn answers_have_the_headers_of_cognito() {
    let (issuer, _) = start().await;
    let request = Client::new()
        .post(issuer.endpoint())
        .header("x-amz-target", "AWSCognitoIdentityProviderService.InitiateAuth")
        .body(r#"{"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "nobody"}"#);
    let answer = request.send().await.unwrap();
    let headers = answer.headers();
    assert_eq!(headers["x-amzn-requestid"].len(), 36);
    assert_eq!(headers["x-amzn-errortype"], "ResourceNotFoundException:");
    assert_eq!(headers["x-amzn-errormessage"], "User pool client nobody does not exist.");
    assert_eq!(headers["access-control-allow-origin"], "*");
}

#[tokio::test]
async fn a_client_without_a_secret_sends_no_hash() {
    let (issuer, _) = start().await;
    let body = json!({
        "AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "app",
        "AuthParameters": {
            "USERNAME": "ada", "PASSWORD": "Correct-1-horse", "SECRET_HASH": "AAAA",
        },
    });
    let (status, answer) = call(&issuer, "InitiateAuth", &body).await;
    assert_eq!((status, &answer["__type"]), (400, &json!("InvalidParameterException")));
    let text = "App client app is not configured for secret but secret hash was received";
    assert_eq!(answer["message"], text);
}
