//! The issuer over HTTP, its tokens verified from its published keys alone.

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::{Client, Response};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

mod account;
mod form;
mod sign_in;
mod token;

use super::{AppClient, Error, Form, Issuer, Options, Retired, User};

const START: u64 = 1_800_000_000;
const LIFETIME: u64 = 300;

fn map(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn options(time: Arc<AtomicU64>) -> Options {
    let machine = |id: &str, secret: Option<&str>, scopes: &[&str]| AppClient {
        id: id.to_owned(),
        secret: secret.map(str::to_owned),
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        is_public: secret.is_none(),
        claims: Map::new(),
    };
    Options {
        pool: "us-east-1_LocalDemo".to_owned(),
        iss: None,
        form: Form::default(),
        clients: vec![
            AppClient {
                claims: map(&json!({"custom:plan": "free"})),
                ..machine("reports", Some("s+e c:r%t"), &["orders/read", "orders/write"])
            },
            machine("bare", Some("secret"), &[]),
            machine("app", None, &[]),
            machine("server", Some("hashed"), &[]),
        ],
        users: vec![User {
            username: "ada".to_owned(),
            password: "Correct-1-horse".to_owned(),
            sub: None,
            groups: vec!["editors".to_owned()],
            scopes: Vec::new(),
            attributes: map(&json!({"email": "ada@example.com", "custom:team": "engines"})),
            claims: map(&json!({"custom:plan": "pro"})),
        }],
        token_lifetime: Duration::from_secs(LIFETIME),
        now: Box::new(move || time.load(Ordering::Relaxed)),
    }
}

async fn start() -> (Issuer, Arc<AtomicU64>) {
    let time = Arc::new(AtomicU64::new(START));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    (Issuer::start(listener, options(Arc::clone(&time))).await.unwrap(), time)
}

async fn read(response: Response) -> (u16, Value) {
    let status = response.status().as_u16();
    (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
}

async fn jwks(issuer: &Issuer) -> Vec<Value> {
    let response = Client::new().get(issuer.jwks_uri()).send().await.unwrap();
    let (status, set) = read(response).await;
    assert_eq!(status, 200);
    set["keys"].as_array().unwrap().clone()
}

fn part(text: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

/// The header and claims of `token`, where exactly one of `keys` has its kid and verifies it.
fn verify(token: &str, keys: &[Value]) -> Option<(Value, Value)> {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let mut fitting = keys.iter().filter(|key| key["kid"] == part(header)["kid"]);
    let (key, None) = (fitting.next()?, fitting.next()) else { return None };
    let number = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    RsaPublicKeyComponents { n: number("n"), e: number("e") }
        .verify(
            &RSA_PKCS1_2048_8192_SHA256,
            signed.as_bytes(),
            &URL_SAFE_NO_PAD.decode(signature).unwrap(),
        )
        .ok()?;
    Some((part(header), part(claims)))
}

fn names(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

/// Asks for a token; `basic` is the text that goes into the header in base64.
async fn token(issuer: &Issuer, basic: Option<&str>, body: &str) -> Response {
    let mut request = Client::new()
        .post(issuer.token_endpoint())
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.to_owned());
    if let Some(basic) = basic {
        request = request.header("authorization", format!("Basic {}", STANDARD.encode(basic)));
    }
    request.send().await.unwrap()
}

async fn call(issuer: &Issuer, target: &str, body: &Value) -> (u16, Value) {
    let request = Client::new()
        .post(issuer.endpoint())
        .header("content-type", "application/x-amz-json-1.1")
        .header("x-amz-target", format!("AWSCognitoIdentityProviderService.{target}"))
        .body(body.to_string());
    read(request.send().await.unwrap()).await
}

const BASIC: &str = "reports:s%2Be+c%3Ar%25t";

#[tokio::test]
async fn the_discovery_document_names_the_endpoints() {
    let (issuer, _) = start().await;
    let uri = format!("{}/.well-known/openid-configuration", issuer.url());
    let (status, document) = read(Client::new().get(uri).send().await.unwrap()).await;
    assert_eq!(status, 200);
    assert_eq!(document["issuer"], issuer.url());
    assert_eq!(document["jwks_uri"], issuer.jwks_uri());
    assert_eq!(document["token_endpoint"], issuer.token_endpoint());
    assert_eq!(document["id_token_signing_alg_values_supported"], json!(["RS256"]));

    let keys = jwks(&issuer).await;
    assert_eq!(keys.len(), 2);
    for key in &keys {
        assert_eq!(names(key), ["alg", "e", "kid", "kty", "n", "use"]);
        let fixed = [&key["alg"], &key["e"], &key["kty"], &key["use"]];
        assert_eq!(fixed, ["RS256", "AQAB", "RSA", "sig"]);
        let modulus = URL_SAFE_NO_PAD.decode(key["n"].as_str().unwrap()).unwrap();
        assert_eq!((modulus.len(), modulus[0] >> 7), (256, 1));
        assert_eq!(STANDARD.decode(key["kid"].as_str().unwrap()).unwrap().len(), 32);
    }
    let other = issuer.jwks_uri().replace("LocalDemo", "Other");
    assert_eq!(Client::new().get(other).send().await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_rotation_keeps_the_old_keys_until_the_next_one() {
    let (issuer, _) = start().await;
    let first = issuer.access_token("reports").unwrap();
    issuer.rotate(Retired::Published).await.unwrap();
    let second = issuer.access_token("reports").unwrap();
    let keys = jwks(&issuer).await;
    assert_eq!(keys.len(), 4);
    let kid = |token: &str| verify(token, &keys).unwrap().0["kid"].clone();
    assert_ne!(kid(&first), kid(&second));

    // Over the wire, by the operator's hand: the first pair goes, the second stays.
    let uri = format!("{}/local/rotate", issuer.endpoint());
    let (status, set) = read(Client::new().post(&uri).send().await.unwrap()).await;
    assert_eq!(status, 200);
    let keys = jwks(&issuer).await;
    assert_eq!(set["keys"].as_array().unwrap(), &keys);
    assert_eq!(verify(&first, &keys), None);
    assert!(verify(&second, &keys).is_some());

    let third = issuer.access_token("reports").unwrap();
    let dropped = Client::new().post(format!("{uri}?drop=true")).send().await.unwrap();
    assert_eq!(dropped.status(), 200);
    let keys = jwks(&issuer).await;
    assert_eq!(keys.len(), 2);
    assert_eq!(verify(&third, &keys), None);
    assert!(verify(&issuer.access_token("reports").unwrap(), &keys).is_some());
}

#[tokio::test]
async fn a_large_body_is_refused_with_and_without_a_length() {
    let (issuer, _) = start().await;
    let just = format!("grant_type=client_credentials&x={}", "a".repeat(65_536 - 32));
    assert_eq!(just.len(), 65_536);
    assert_eq!(token(&issuer, Some(BASIC), &just).await.status(), 200);
    let (status, answer) = read(token(&issuer, Some(BASIC), &(just + "a")).await).await;
    assert_eq!((status, answer), (413, json!({"error": "invalid_request"})));
    let large = json!({"AuthFlow": "a".repeat(65_536)});
    let (status, answer) = call(&issuer, "InitiateAuth", &large).await;
    assert_eq!((status, &answer["__type"]), (413, &json!("SerializationException")));

    // Chunked: the length is not announced. The answer comes before the body's end.
    let host = issuer.endpoint().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&host).await.unwrap();
    let head = format!(
        "POST /oauth2/token HTTP/1.1\r\nhost: {host}\r\ntransfer-encoding: chunked\r\n\
         content-type: application/x-www-form-urlencoded\r\n\r\n10001\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&[b'a'; 0x10001]).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
}

#[tokio::test]
async fn minted_tokens_are_those_of_the_endpoints() {
    let (issuer, _) = start().await;
    let keys = jwks(&issuer).await;
    let (_, claims) = verify(&issuer.access_token("reports").unwrap(), &keys).unwrap();
    assert_eq!(claims["scope"], "orders/read orders/write");
    let tokens = issuer.sign_in("app", "ada").unwrap();
    let (_, access) = verify(&tokens.access, &keys).unwrap();
    let (_, id) = verify(&tokens.id, &keys).unwrap();
    assert_eq!((&access["username"], &id["aud"]), (&json!("ada"), &json!("app")));

    assert!(matches!(issuer.access_token("nobody"), Err(Error::UnknownClient(_))));
    assert!(matches!(issuer.sign_in("app", "bob"), Err(Error::UnknownUser(_))));
    // The same user has the same subject in each run of the pool.
    let (again, _) = start().await;
    let (_, other) = verify(&again.sign_in("app", "ada").unwrap().id, &jwks(&again).await).unwrap();
    assert_eq!(id["sub"], other["sub"]);
}

#[tokio::test]
async fn a_wrong_pool_does_not_start() {
    let start = async |change: fn(&mut Options)| {
        let mut options = options(Arc::new(AtomicU64::new(START)));
        change(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Issuer::start(listener, options).await.unwrap_err().to_string()
    };
    for pool in ["", "us-east-1", "us-east-1_", "_LocalDemo", "us-east-1_a/b", "us-east-1_{a}"] {
        let mut options = options(Arc::new(AtomicU64::new(START)));
        pool.clone_into(&mut options.pool);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        assert!(matches!(Issuer::start(listener, options).await, Err(Error::Pool(_))), "{pool}");
    }
    let error = start(|options| options.clients.push(options.clients[0].clone())).await;
    assert!(error.starts_with("`reports` is defined twice"), "{error}");
    let error = start(|options| options.users.push(options.users[0].clone())).await;
    assert!(error.starts_with("`ada` is defined twice"), "{error}");
    let error = start(|options| {
        options.users[0].attributes.insert("sub".to_owned(), json!("root"));
    });
    assert!(error.await.starts_with("claim `sub` of `ada`"));
}

#[tokio::test]
async fn shutdown_frees_the_port_even_when_a_request_hangs() {
    let (issuer, _) = start().await;
    let host = issuer.endpoint().trim_start_matches("http://").to_owned();
    let mut hanging = TcpStream::connect(&host).await.unwrap();
    hanging.write_all(b"POST / HTTP/1.1\r\ncontent-length: 9\r\n\r\n").await.unwrap();
    issuer.shutdown().await;
    TcpListener::bind(host).await.unwrap();
}

#[test]
fn debug_shows_no_secret() {
    let options = options(Arc::new(AtomicU64::new(START)));
    let tokens =
        super::Tokens { access: "a.b.c".into(), id: "d.e.f".into(), refresh: "ghi".into() };
    let text = format!("{options:?} {tokens:?}");
    for secret in ["s+e c", "hashed", "Correct-1-horse", "a.b.c", "d.e.f", "ghi", "free", "pro"] {
        assert!(!text.contains(secret), "{secret}");
    }
    assert!(text.contains("reports") && text.contains("ada"));
}
