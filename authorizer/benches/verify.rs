//! Cost of a token, beside a bare signature and plain `jsonwebtoken`.
//!
//! `bare AWS-LC` is the lower limit: RSA-2048 with SHA-256 by a parsed key. Plain
//! `jsonwebtoken::decode` parses the key for each token, and so does the verifier. The verifier
//! runs with the system's clock on a new token, a cached one, and some that it refuses before the
//! signature. The token has the form and length of Cognito's for a machine client.
//!
//! `cargo bench -p tollgate-authorizer --bench verify`

#![expect(clippy::unwrap_used, reason = "a benchmark fails loudly")]

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{
    KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
};
use axum::Router;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use throttle::{Clock, ManualClock, SystemClock};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tollgate_authorizer::{Code, Config, Lookup, Verification, Verifier};

/// Number of signed tokens: a verifier sees none twice.
const TOKENS: usize = 500;

const KID: &str = "tR2MBvx0mHMWxKkUtmUUfZ6uyzlyq4tVvN9iDmLdJAw=";

fn token(pair: &KeyPair, iss: &str, number: usize) -> String {
    let now = SystemClock::new().now().as_secs();
    let header = json!({"kid": KID, "alg": "RS256"});
    let payload = json!({
        "sub": "1example23456789exampleclient", "token_use": "access",
        "scope": "orders/read orders/write", "auth_time": now, "iss": iss, "exp": now + 86_400,
        "iat": now, "version": 2, "jti": format!("3b1f5a9e-0c8e-4a59-9a43-{number:012}"),
        "client_id": "1example23456789exampleclient",
    });
    let signed = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(payload.to_string())
    );
    let mut signature = vec![0; pair.public_modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A key endpoint that answers for as long as the runtime lives.
fn serve(runtime: &Runtime, pair: &KeyPair) -> String {
    let set = json!({"keys": [{
        "kty": "RSA", "alg": "RS256", "use": "sig", "kid": KID,
        "n": URL_SAFE_NO_PAD.encode(pair.public_key().modulus().big_endian_without_leading_zero()),
        "e": "AQAB",
    }]})
    .to_string();
    let router = Router::new().fallback(move || async move { set });
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    runtime.spawn(async move { axum::serve(listener, router).await });
    address
}

fn verifier<C: Clock + Clone>(runtime: &Runtime, iss: &str, clock: C) -> Arc<Verifier<C>> {
    let text = format!(
        "[[issuer]]\nurl = \"{iss}\"\nclients = [\"1example23456789exampleclient\"]\n\
         token_use = \"access\"\n\
         [[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n"
    );
    let config = Config::from_source(&text).unwrap();
    let verifier = Verifier::new(config.issuers, clock).unwrap();
    runtime.block_on(verifier.prepare());
    Arc::new(verifier)
}

/// Verifies with keys that are there, so that nothing is waited for.
fn verify<C: Clock + Clone>(verifier: &Verifier<C>, token: &str) -> Verification {
    verifier.verify(token).now_or_never().unwrap()
}

fn benchmarks(criterion: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let iss = serve(&runtime, &pair);
    let tokens: Vec<String> = (0..TOKENS).map(|number| token(&pair, &iss, number)).collect();
    let one = tokens.first().unwrap();
    let (signed, signature) = one.rsplit_once('.').unwrap();

    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key()).unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    criterion.bench_function("bare AWS-LC", |bencher| {
        bencher.iter(|| key.verify_sig(black_box(signed.as_bytes()), black_box(&bytes)).unwrap());
    });

    let modulus = pair.public_key().modulus().big_endian_without_leading_zero();
    let key = jsonwebtoken::DecodingKey::from_rsa_raw_components(modulus, &[1, 0, 1]);
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
    validation.set_issuer(&[&iss]);
    criterion.bench_function("plain jsonwebtoken decode", |bencher| {
        bencher.iter(|| {
            jsonwebtoken::decode::<Value>(black_box(one), &key, &validation).unwrap().claims
        });
    });

    let mut shown = 0;
    let mut current = verifier(&runtime, &iss, SystemClock::new());
    criterion.bench_function("token not seen before", |bencher| {
        let unseen = || {
            if shown == TOKENS {
                (shown, current) = (0, verifier(&runtime, &iss, SystemClock::new()));
            }
            shown += 1;
            (Arc::clone(&current), tokens.get(shown - 1).unwrap())
        };
        bencher.iter_batched(
            unseen,
            |(verifier, token)| {
                let verification = verify(&verifier, black_box(token));
                assert!(verification.lookup == Lookup::Miss && verification.outcome.is_ok());
                verification
            },
            BatchSize::SmallInput,
        );
    });

    let current = verifier(&runtime, &iss, SystemClock::new());
    assert!(verify(&current, one).outcome.is_ok());
    criterion.bench_function("token seen before", |bencher| {
        bencher.iter(|| {
            let verification = verify(&current, black_box(one));
            assert!(verification.lookup == Lookup::Hit && verification.outcome.is_ok());
            verification
        });
    });

    // A clock that stands still, or an unknown kid would cost a fetch now and then.
    let current = verifier(&runtime, &iss, ManualClock::at(SystemClock::new().now()));
    let (_, rest) = one.split_once('.').unwrap();
    let under = |header: &str| format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header));
    for (name, token, code) in [
        ("refused: not a token", "x".repeat(one.len()), Code::Malformed),
        ("refused: alg none", under(r#"{"kid":"k","alg":"none"}"#), Code::Header),
        ("refused: another issuer", self::token(&pair, "https://evil.example", 0), Code::Claim),
        ("refused: an unknown kid", under(r#"{"kid":"k","alg":"RS256"}"#), Code::Unavailable),
    ] {
        // The first ones use up what an unknown kid may cost.
        let mut last = None;
        for _ in 0..10 {
            last = runtime.block_on(current.verify(&token)).outcome.err();
        }
        assert_eq!(last.map(tollgate_authorizer::Refusal::code), Some(code), "{name}");
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| verify(&current, black_box(&token)));
        });
    }
}

criterion_group!(benches, benchmarks);
criterion_main!(benches);
