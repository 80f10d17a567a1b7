//! A token issuer with one key, at a port of its own.

use std::sync::mpsc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use axum::Router;
use axum::http::header::{DATE, HeaderMap, HeaderValue};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use throttle::{Clock, SystemClock};

pub(crate) struct Issuer {
    pub(crate) url: String,
    key: EcdsaKeyPair,
}

impl Issuer {
    pub(crate) fn start() -> Self {
        Self::answering(HeaderMap::new())
    }

    /// One whose answers have this `Date`.
    pub(crate) fn with_date(date: &'static str) -> Self {
        Self::answering([(DATE, HeaderValue::from_static(date))].into_iter().collect())
    }

    fn answering(headers: HeaderMap) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        // An uncompressed point (SEC 1): 4, x, y.
        let point = key.public_key().as_ref();
        let (x, y) = point.split_first().unwrap().1.split_at(32);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        let set = json!({"keys": [
            {"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1", "x": x, "y": y}
        ]});
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap()).unwrap();
                let set = set.to_string();
                let way =
                    Router::new().route("/.well-known/jwks.json", get(|| async { (headers, set) }));
                axum::serve(listener, way).await.unwrap();
            });
        });
        Self { url: format!("http://{}", told.recv().unwrap()), key }
    }

    /// The configuration of an authorizer that takes this issuer's tokens.
    pub(crate) fn config(&self) -> String {
        format!(
            "[[issuer]]\nname = \"acme\"\nurl = \"{}\"\nalgorithms = [\"ES256\"]\n\
             clients = [\"web\"]\ntoken_use = \"any\"\n\n\
             [[rule]]\nname = \"all\"\nallow = [\"GET /orders\"]\neveryone = true\n\n\
             [revocation]\ntable = \"tollgate\"\n",
            self.url
        )
    }

    /// A token that is good for an hour, with these claims beside or instead of a good one's.
    pub(crate) fn token(&self, more: &Value) -> String {
        let now = SystemClock::new().now();
        let hour = now.saturating_add(Duration::from_secs(3_600));
        let mut claims = json!({
            "iss": self.url, "sub": "maria", "client_id": "web", "token_use": "access",
            "jti": "j1", "origin_jti": "o1", "iat": now.as_secs() - 5, "exp": hour.as_secs(),
        });
        let members = claims.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "ES256", "kid": "k1"})), part(&claims));
        let signature = self.key.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}
