//! A token issuer with real keys and a real key endpoint, and the verifier that believes it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding,
};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use throttle::{ManualClock, Timestamp};
use tokio::net::TcpListener;
use tollgate_authorizer::{Code, Config, Lookup, Refusal, Verifier};

pub(crate) const NOW: u64 = 1_800_000_000;

/// A header as Cognito writes it.
pub(crate) const HEADER: &str = r#"{"kid":"rsa","alg":"RS256"}"#;

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The issuer's RSA key. Making one takes long, so there is one.
pub(crate) fn rsa() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

/// The attacker's RSA key.
pub(crate) fn evil() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate(KeySize::Rsa2048).unwrap())
}

/// The issuer's P-256 key.
pub(crate) fn ec() -> &'static EcdsaKeyPair {
    static PAIR: OnceLock<EcdsaKeyPair> = OnceLock::new();
    PAIR.get_or_init(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
}

pub(crate) fn rsa_jwk(kid: &str, pair: &KeyPair) -> Value {
    let public = pair.public_key();
    json!({
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": kid,
        "n": encode(public.modulus().big_endian_without_leading_zero()),
        "e": encode(public.exponent().big_endian_without_leading_zero()),
    })
}

pub(crate) fn ec_jwk(kid: &str) -> Value {
    let point = ec().public_key().as_ref();
    json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid,
        "x": encode(&point[1..33]), "y": encode(&point[33..]),
    })
}

/// Returns the signed text of exactly these bytes of header and payload.
pub(crate) fn unsigned(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    format!("{}.{}", encode(header), encode(payload))
}

/// A signature by an RSA key.
pub(crate) fn rsa_signature(
    pair: &KeyPair,
    with: &'static dyn RsaEncoding,
    signed: &str,
) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(with, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    signature
}

/// Header and payload as they are, signed with RS256.
pub(crate) fn sign(pair: &KeyPair, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
    let signed = unsigned(header, payload);
    let signature = rsa_signature(pair, &RSA_PKCS1_SHA256, &signed);
    format!("{signed}.{}", encode(signature))
}

/// Header and payload as they are, signed with ES256.
pub(crate) fn sign_ec(header: &str, payload: &str) -> String {
    let signed = unsigned(header, payload);
    let signature = ec().sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    format!("{signed}.{}", encode(signature.as_ref()))
}

/// A key endpoint: it answers every request with one key set, and counts the requests.
pub(crate) struct Endpoint {
    pub(crate) address: String,
    asked: Arc<AtomicUsize>,
    set: Arc<Mutex<String>>,
}

impl Endpoint {
    pub(crate) async fn start(keys: &[Value]) -> Self {
        let set = Arc::new(Mutex::new(json!({ "keys": keys }).to_string()));
        let asked = Arc::new(AtomicUsize::new(0));
        let (counted, served) = (Arc::clone(&asked), Arc::clone(&set));
        let router = Router::new().fallback(move || async move {
            counted.fetch_add(1, Ordering::SeqCst);
            served.lock().unwrap().clone()
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, asked, set }
    }

    /// The number of requests so far.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Publishes other keys from now on.
    pub(crate) fn publish(&self, keys: &[Value]) {
        self.publish_text(json!({ "keys": keys }).to_string());
    }

    /// Answers this text from now on.
    pub(crate) fn publish_text(&self, set: String) {
        *self.set.lock().unwrap() = set;
    }

    /// Answers what is no key set from now on.
    pub(crate) fn fail(&self) {
        self.publish_text("<html>".into());
    }
}

/// A verifier that believes one issuer.
pub(crate) struct Bench {
    verifier: Verifier<ManualClock>,
    pub(crate) clock: ManualClock,
    pub(crate) endpoint: Endpoint,
    pub(crate) iss: String,
}

impl Bench {
    /// The issuer as most are: RS256 alone, and what else it publishes is of no use.
    pub(crate) async fn new() -> Self {
        Self::with(r#"["RS256"]"#, &[rsa_jwk("rsa", rsa()), ec_jwk("ec")]).await
    }

    /// An issuer with these algorithms, as a TOML list, and these keys.
    pub(crate) async fn with(algorithms: &str, keys: &[Value]) -> Self {
        let endpoint = Endpoint::start(keys).await;
        let iss = endpoint.address.clone();
        let (verifier, clock) = verifier(&[(&iss, algorithms)]);
        Self { verifier, clock, endpoint, iss }
    }

    /// A payload that passes, with some members changed; null removes one.
    pub(crate) fn payload(&self, changes: &Value) -> String {
        payload(&self.iss, changes)
    }

    /// A token of the issuer's whose payload has these members changed.
    pub(crate) fn token(&self, changes: &Value) -> String {
        sign(rsa(), HEADER, self.payload(changes))
    }

    /// Returns the code by which a token is refused, or `None` if it passes.
    pub(crate) async fn code(&self, token: &str) -> Option<Code> {
        code(&self.verifier, token).await
    }

    /// Returns the result of the cache look-up, and the code if the token is refused.
    pub(crate) async fn lookup(&self, token: &str) -> (Lookup, Option<Code>) {
        let verification = self.verifier.verify(token).await;
        (verification.lookup, verification.outcome.err().map(Refusal::code))
    }

    /// Checks that a token passes: without that, refusing the others would prove nothing.
    pub(crate) async fn passes(&self, token: &str) {
        assert_eq!(self.code(token).await, None, "the genuine token");
    }
}

/// A verifier that believes these issuers, each with its algorithms.
pub(crate) fn verifier(issuers: &[(&str, &str)]) -> (Verifier<ManualClock>, ManualClock) {
    crate::provider::choose();
    let mut text = "[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n".to_owned();
    for (iss, algorithms) in issuers {
        text.push_str(&format!(
            "[[issuer]]\nurl = \"{iss}\"\njwks_uri = \"{iss}/keys\"\nalgorithms = {algorithms}\n\
             clients = [\"client\"]\ntoken_use = \"access\"\n"
        ));
    }
    let config = Config::from_source(&text).unwrap();
    let clock = ManualClock::at(Timestamp::from_secs(NOW));
    (Verifier::new(config.issuers, clock.clone()).unwrap(), clock)
}

pub(crate) async fn code(verifier: &Verifier<ManualClock>, token: &str) -> Option<Code> {
    verifier.verify(token).await.outcome.err().map(Refusal::code)
}

pub(crate) fn payload(iss: &str, changes: &Value) -> String {
    let mut payload = json!({
        "sub": "user", "iss": iss, "client_id": "client", "token_use": "access",
        "scope": "orders/read", "exp": NOW + 3600, "iat": NOW, "jti": "j",
    });
    let members = payload.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value.is_null() {
            members.remove(name)
        } else {
            members.insert(name.clone(), value.clone())
        };
    }
    payload.to_string()
}
