//! An issuer with one RSA key, shaped like Cognito, that publishes it on loopback.

use std::io::BufReader;
use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;
use throttle::{Clock, SystemClock};

use crate::function::Setting;
use crate::http;
use crate::table::TABLE;

pub(crate) struct Issuer {
    key: KeyPair,
    url: String,
    made: AtomicU64,
}

impl Issuer {
    /// Makes a key, and publishes it.
    pub(crate) fn start() -> Self {
        let key = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = key.public_key();
        let set = json!({ "keys": [{
            "kty": "RSA", "kid": KID, "alg": "RS256", "use": "sig",
            "n": URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero()), "e": URL_SAFE_NO_PAD.encode(public.exponent().big_endian_without_leading_zero()),
        }] });
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let body = set.to_string();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                while http::read(&mut reader).is_some() {
                    http::write(&mut stream, "200 OK", "", body.as_bytes());
                }
            }
        });
        Self { key, url, made: AtomicU64::new(0) }
    }

    /// The authorizer's configuration for this issuer, without a table.
    pub(crate) fn setting(&self) -> Setting {
        Setting(vec![("AUTHORIZER_CONFIG", self.config())])
    }

    /// The same with limits, kept in the table at `url`.
    pub(crate) fn setting_with_table(&self, url: &str) -> Setting {
        let limits = format!(
            "[throttle]\ntable = \"{TABLE}\"\nsubject = \"client_id\"\n\
             plan = {{ default = \"free\" }}\nrefuse = \"context\"\nfailure = \"closed\"\n\
             timeout_ms = 5000\n"
        );
        Setting(vec![
            ("AUTHORIZER_CONFIG", format!("{}\n{limits}", self.config())),
            ("AWS_ENDPOINT_URL_DYNAMODB", url.to_owned()),
            ("AWS_ACCESS_KEY_ID", "emulator".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "emulator".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
        ])
    }

    fn config(&self) -> String {
        let url = &self.url;
        format!(
            "[[issuer]]\nurl = \"{url}\"\njwks_uri = \"{url}/keys\"\nclients = [\"c1\"]\n\
             token_use = \"access\"\n\n\
             [[rule]]\nname = \"readers\"\nallow = [\"GET /orders\", \"GET /orders/*\"]\n\
             any_scope = [\"orders/read\"]\n"
        )
    }

    /// Tokens that differ in `jti` and `sub`, and hold what Cognito's hold.
    pub(crate) fn tokens(&self, number: usize) -> Vec<String> {
        (0..number).map(|_| self.token()).collect()
    }

    fn token(&self) -> String {
        let made = self.made.fetch_add(1, Ordering::Relaxed);
        let now = SystemClock::new().now().as_secs();
        let header = json!({ "kid": KID, "alg": "RS256" });
        let claims = json!({
            "sub": format!("aaaaaaaa-bbbb-cccc-dddd-{made:012}"), "iss": self.url,
            "client_id": "c1", "origin_jti": format!("11111111-bbbb-cccc-dddd-{made:012}"),
            "event_id": "22222222-bbbb-cccc-dddd-eeeeeeeeeeee", "token_use": "access",
            "scope": "openid orders/read", "auth_time": now, "exp": now + 3600, "iat": now,
            "jti": format!("33333333-bbbb-cccc-dddd-{made:012}"), "username": "alice",
            "version": 2, "cognito:groups": ["customers"],
        });
        let signed =
            [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .unwrap();
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// The TOKEN event with this token.
    pub(crate) fn event(&self, token: &str) -> String {
        json!({
            "type": "TOKEN",
            "authorizationToken": format!("Bearer {token}"),
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef123/prod/GET/orders",
        })
        .to_string()
    }
}

const KID: &str = "k1";
