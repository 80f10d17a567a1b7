//! A Cognito pool of our own making: its keys, and tokens as the pool writes them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaEncoding};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use throttle::{Clock as _, SystemClock};

pub(crate) const POOL: &str = "us-east-1_abcDEF";
pub(crate) const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abcDEF";
/// An address without a server: the keys are bundled, so a comparison never leaves this machine.
pub(crate) const NO_KEYS: &str = "http://127.0.0.1:9/keys";
pub(crate) const CLIENT: &str = "1example23456789exampleclient";
pub(crate) const HEADER: &str = r#"{"kid":"genuine","alg":"RS256"}"#;

pub(crate) struct Issuer {
    pub(crate) genuine: KeyPair,
    evil: KeyPair,
    /// Seconds since the epoch, when it was made.
    pub(crate) now: u64,
}

impl Issuer {
    pub(crate) fn new() -> anyhow::Result<Self> {
        Ok(Self {
            genuine: KeyPair::generate(KeySize::Rsa2048)?,
            evil: KeyPair::generate(KeySize::Rsa2048)?,
            now: SystemClock::new().now().as_secs(),
        })
    }

    pub(crate) fn set(&self) -> Value {
        let public = self.genuine.public_key();
        json!({"keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "genuine", "e": "AQAB",
            "n": encode(public.modulus().big_endian_without_leading_zero()),
        }]})
    }

    /// A payload that is good, with some members changed; null removes one.
    pub(crate) fn payload(&self, changes: &Value) -> String {
        let mut payload = json!({
            "sub": CLIENT, "iss": ISSUER, "client_id": CLIENT, "token_use": "access", "version": 2,
            "scope": "orders/read orders/write", "auth_time": self.now, "iat": self.now,
            "exp": self.now + 3_600, "jti": "3b1f5a9e-0c8e-4a59-9a43-5b1d1f0c2e3a",
        });
        if let (Some(payload), Some(changes)) = (payload.as_object_mut(), changes.as_object()) {
            for (name, value) in changes {
                if value.is_null() {
                    payload.remove(name);
                } else {
                    payload.insert(name.clone(), value.clone());
                }
            }
        }
        payload.to_string()
    }

    pub(crate) fn token(&self, changes: &Value) -> String {
        self.sign(HEADER, &self.payload(changes))
    }

    /// Header and payload as they are, signed with RS256.
    pub(crate) fn sign(&self, header: &str, payload: &str) -> String {
        let signed = self.unsigned(header, payload);
        let signature = self.signature(&RSA_PKCS1_SHA256, &signed);
        format!("{signed}.{}", encode(signature))
    }

    /// The same by another key.
    pub(crate) fn forge(&self, payload: &str) -> String {
        let signed = self.unsigned(HEADER, payload);
        let signature = signature(&self.evil, &RSA_PKCS1_SHA256, &signed);
        format!("{signed}.{}", encode(signature))
    }

    pub(crate) fn unsigned(&self, header: &str, payload: &str) -> String {
        format!("{}.{}", encode(header), encode(payload))
    }

    pub(crate) fn signature(&self, with: &'static dyn RsaEncoding, signed: &str) -> Vec<u8> {
        signature(&self.genuine, with, signed)
    }
}

fn signature(pair: &KeyPair, with: &'static dyn RsaEncoding, signed: &str) -> Vec<u8> {
    let mut signature = vec![0; pair.public_modulus_len()];
    // Of this length it can't fail; and a wrong signature would be refused by everybody.
    let _ = pair.sign(with, &SystemRandom::new(), signed.as_bytes(), &mut signature);
    signature
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
