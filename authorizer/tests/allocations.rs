//! How often an answer asks the allocator, and for how much; counts hold on any machine.
#![expect(clippy::unwrap_used, reason = "a test may fail loudly, its helpers too")]

use allocation_counter::AllocationInfo;
use authorizer::{Authorizer, Config};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use throttle::{Clock as _, ManualClock, MemoryStore};

const ISSUER: &str = "https://id.example";

/// An authorizer that has its keys, and the key that its issuer signs with.
struct Bench {
    authorizer: Authorizer<MemoryStore, ManualClock>,
    pair: KeyPair,
    clock: ManualClock,
}

impl Bench {
    fn new(routes: usize, more: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public = pair.public_key();
        let modulus = URL_SAFE_NO_PAD.encode(public.modulus().big_endian_without_leading_zero());
        let set = json!({"keys": [{
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k", "e": "AQAB", "n": modulus,
        }]});
        let routes: Vec<_> = (0..routes).map(|n| format!("GET /orders/{n}")).collect();
        let text = format!(
            "[[issuer]]\nurl = \"{ISSUER}\"\njwks = '{set}'\nclients = [\"client\"]\n\
             token_use = \"access\"\n\
             [[rule]]\nname = \"readers\"\nallow = {routes:?}\nany_scope = [\"orders/read\"]\n{more}"
        );
        let clock = ManualClock::default();
        let config = Config::parse(&text, "test").unwrap();
        let authorizer = Authorizer::new(config, None, clock.clone()).unwrap();
        Self { authorizer, pair, clock }
    }

    /// The TOKEN event with a token of a form and a length as Cognito's.
    fn event(&self, number: u32) -> Value {
        let now = self.clock.now().as_secs();
        let header = json!({"kid": "k", "alg": "RS256"});
        let payload = json!({
            "sub": "1example23456789exampleclient", "token_use": "access",
            "scope": "orders/read orders/write", "auth_time": now, "iss": ISSUER,
            "exp": now + 3_600, "iat": now, "version": 2, "client_id": "client",
            "jti": format!("3b1f5a9e-0c8e-4a59-9a43-{number:012}"),
        });
        let signed = [header, payload].map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
        let signed = signed.join(".");
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).unwrap();
        let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        json!({
            "type": "TOKEN", "authorizationToken": format!("Bearer {token}"),
            "methodArn": "arn:aws:execute-api:us-east-1:123456789012:abcdef1234/prod/GET/orders/1",
        })
    }

    /// What one answer takes, with its line in the log, up to the text that is posted.
    fn measure(&self, event: &Value) -> AllocationInfo {
        let mut answer = None;
        let info = allocation_counter::measure(|| {
            // Nothing is waited for where the keys are there.
            let response = self.authorizer.handle(event, "request").now_or_never();
            answer = Some(serde_json::to_string(&response.unwrap().unwrap()).unwrap());
        });
        let answer = answer.unwrap();
        assert!(answer.contains(r#""Effect":"Allow""#), "{answer}");
        info
    }

    /// What a token takes that was not seen before, and then one that was.
    fn new_and_known(&self) -> [AllocationInfo; 2] {
        // What is made once, and kept, is made for the first of all.
        self.measure(&self.event(0));
        let event = self.event(1);
        let new = self.measure(&event);
        [new, self.measure(&event)]
    }
}

#[test]
fn an_answer_takes_few_allocations_whatever_the_rules() {
    let [new, known] = Bench::new(2, "").new_and_known();
    assert!(new.count_total <= 57 && known.count_total <= 24, "{new:?} {known:?}");
    assert!(new.bytes_total <= 7_000 && known.bytes_total <= 4_000, "{new:?} {known:?}");
    // A document of so many routes is a longer text, and nothing more.
    for (few, many) in [new, known].into_iter().zip(Bench::new(40, "").new_and_known()) {
        assert!(many.count_total <= few.count_total + 5, "{few:?} {many:?}");
    }
}

#[test]
fn metrics_take_no_allocation() {
    let off = Bench::new(2, "[metrics]\nenabled = false\n").new_and_known();
    let on = Bench::new(2, "").new_and_known();
    for (on, off) in on.into_iter().zip(off) {
        assert_eq!(on.count_total, off.count_total, "{on:?} {off:?}");
    }
}
