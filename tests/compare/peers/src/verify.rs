//! Verification: what a token costs, and which tokens are taken that must not be.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use tollgate_authorizer::{Config, Verifier};
use aws_lc_rs::signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};
use throttle::{Clock as _, SystemClock};

use crate::hostile;
use crate::issuer::{CLIENT, ISSUER, Issuer, NO_KEYS, POOL};
use crate::median;

/// Number of good tokens that each verifier gets in a pass, all different.
const TOKENS: usize = 400;
const PASSES: usize = 7;

/// Writes the keys and tokens to `folder` for others, and judges them by what is here.
pub(crate) async fn run(folder: &Path) -> anyhow::Result<Value> {
    let issuer = Issuer::new()?;
    let good: Vec<String> =
        (0..TOKENS).map(|number| issuer.token(&json!({"jti": number.to_string()}))).collect();
    let hostile = hostile::all(&issuer);
    anyhow::ensure!(hostile.len() >= 100, "only {} hostile tokens", hostile.len());
    let set = issuer.set();
    let shared = json!({
        "pool": POOL, "client": CLIENT, "jwks": set, "good": good, "passes": PASSES,
        "hostile": hostile.iter().map(|(name, token)| json!([name, token])).collect::<Vec<_>>(),
    });
    std::fs::write(folder.join("tokens.json"), shared.to_string())?;

    Ok(json!({
        "hostile": hostile.len(),
        "ours": ours(&set, &good, &hostile).await?,
        "jsonwebtoken": plain(&set, &good, &hostile)?,
        "aws-lc": bare(&issuer, &good)?,
    }))
}

async fn ours(
    set: &Value,
    good: &[String],
    hostile: &[hostile::Hostile],
) -> anyhow::Result<Value> {
    let text = format!(
        "[[issuer]]\nurl = \"{ISSUER}\"\njwks_uri = \"{NO_KEYS}\"\n\
         clients = [\"{CLIENT}\"]\ntoken_use = \"access\"\n\
         jwks = '{set}'\n[[rule]]\nname = \"all\"\nallow = [\"GET /*\"]\neveryone = true\n"
    );
    let (mut first, mut again) = (Vec::new(), Vec::new());
    let mut verifier = None;
    for _ in 0..PASSES {
        let fresh = Verifier::new(Config::from_source(&text)?.issuers, SystemClock::new())?;
        for times in [&mut first, &mut again] {
            let clock = SystemClock::new();
            for token in good {
                let taken = fresh.verify(token).await.outcome.is_ok();
                anyhow::ensure!(taken, "a good token is refused");
            }
            times.push(each(clock.monotonic(), good.len()));
        }
        verifier = Some(fresh);
    }
    let verifier = verifier.context("no pass")?;
    let mut taken = Vec::new();
    for (name, token) in hostile {
        if verifier.verify(token).await.outcome.is_ok() {
            taken.push(name);
        }
    }
    Ok(json!({"first": median(first), "again": median(again), "taken": taken}))
}

/// `jsonwebtoken::decode` as its documentation has it: RS256, issuer and audience set.
fn plain(set: &Value, good: &[String], hostile: &[hostile::Hostile]) -> anyhow::Result<Value> {
    let set: JwkSet = serde_json::from_value(set.clone())?;
    let mut validation = Validation::new(Algorithm::RS256);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[CLIENT]);
    let keys: Vec<(Option<String>, DecodingKey)> = set
        .keys
        .iter()
        .map(|key| Ok((key.common.key_id.clone(), DecodingKey::from_jwk(key)?)))
        .collect::<anyhow::Result<_>>()?;
    let is_taken = |token: &str| {
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid);
        let key = keys.iter().find(|(known, _)| known.is_some() && *known == kid);
        key.is_some_and(|(_, key)| {
            jsonwebtoken::decode::<Value>(token, key, &validation).is_ok()
        })
    };
    let mut times = Vec::new();
    for _ in 0..PASSES {
        let clock = SystemClock::new();
        for token in good {
            anyhow::ensure!(is_taken(token), "jsonwebtoken refuses a good token");
        }
        times.push(each(clock.monotonic(), good.len()));
    }
    let taken: Vec<&String> =
        hostile.iter().filter(|(_, token)| is_taken(token)).map(|(name, _)| name).collect();
    Ok(json!({"first": median(times), "taken": taken}))
}

/// The signature alone, by a parsed key: what nobody can do without.
fn bare(issuer: &Issuer, good: &[String]) -> anyhow::Result<Value> {
    let public = issuer.genuine.public_key();
    let key = ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public)?;
    let parts: Vec<(&str, Vec<u8>)> = good
        .iter()
        .map(|token| {
            let (signed, signature) = token.rsplit_once('.').context("no signature")?;
            Ok((signed, URL_SAFE_NO_PAD.decode(signature)?))
        })
        .collect::<anyhow::Result<_>>()?;
    let mut times = Vec::new();
    for _ in 0..PASSES {
        let clock = SystemClock::new();
        for (signed, signature) in &parts {
            key.verify_sig(signed.as_bytes(), signature)?;
        }
        times.push(each(clock.monotonic(), parts.len()));
    }
    Ok(json!({"first": median(times)}))
}

fn each(time: Duration, count: usize) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX) / u64::try_from(count).unwrap_or(1).max(1)
}
