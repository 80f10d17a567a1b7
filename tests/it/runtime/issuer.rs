//! An issuer with one key, that publishes it on loopback and signs what a test wants.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use throttle::{Clock as _, SystemClock};
use tokio::net::TcpListener;

/// The name of its key: it must not be logged as it is.
pub(crate) const KID: &str = "secret-key-id";

pub(crate) struct Issuer {
    pair: KeyPair,
    pub(crate) url: String,
}

impl Issuer {
    pub(crate) async fn start() -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let modulus = pair.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let set = json!({"keys": [{
            "kty": "RSA", "kid": KID, "alg": "RS256", "use": "sig", "e": "AQAB",
            "n": URL_SAFE_NO_PAD.encode(modulus),
        }]});
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(move || async move { set.to_string() });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { pair, url }
    }

    /// A good access token, but for the changes.
    pub(crate) fn token(&self, changes: &Value) -> String {
        self.sign(&json!({"kid": KID, "alg": "RS256"}), changes)
    }

    /// The same under another header.
    pub(crate) fn sign(&self, header: &Value, changes: &Value) -> String {
        let now = SystemClock::new().now().as_secs();
        let mut payload = json!({
            "sub": "alice@example", "iss": self.url, "client_id": "secret-client",
            "token_use": "access", "scope": "orders/read secret-scope", "exp": now + 3_600,
            "iat": now, "jti": "secret-jti", "username": "alice-username",
            "cognito:groups": ["staff-group"], "custom:tenant": "secret-tenant",
        });
        payload.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let signed = [header, &payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = signed.join(".");
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
