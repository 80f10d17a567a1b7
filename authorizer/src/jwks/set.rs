//! A key set (RFC 7517): which of its keys may verify RS256, by kid.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde_json::{Map, Value};

use crate::json;

/// RSA moduli in bytes: 2048 bits at least (RFC 7518 section 3.3), 8192 at most.
const MODULUS: std::ops::RangeInclusive<usize> = 256..=1024;

/// How many keys of a set are read; Cognito publishes two, four over a rotation.
const MAX_KEYS: usize = 100;

/// The usable keys of one issuer at one time.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: HashMap<String, Arc<DecodingKey>>,
}

/// Why an answer is not a key set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetError {
    #[error("not a JSON object with a list `keys`")]
    Form,
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    #[error("no key in it can verify RS256")]
    NoKey,
}

impl KeySet {
    /// Reads a set; a key that is malformed or for something else is skipped, not fatal.
    ///
    /// # Errors
    ///
    /// No key is usable: an empty set or an error page must not replace a good set.
    pub(super) fn parse(body: &[u8]) -> Result<Self, SetError> {
        let document = json::object(body).ok_or(SetError::Form)?;
        let Some(Value::Array(listed)) = document.get("keys") else { return Err(SetError::Form) };
        if listed.len() > MAX_KEYS {
            return Err(SetError::TooMany);
        }
        let mut keys = HashMap::new();
        let mut doubled = Vec::new();
        for (kid, key) in listed.iter().filter_map(Value::as_object).filter_map(usable) {
            if keys.insert(kid.clone(), Arc::new(key)).is_some() {
                doubled.push(kid);
            }
        }
        // Two keys of one name: which one a token means can't be known, so neither is it.
        for kid in doubled {
            keys.remove(&kid);
        }
        if keys.is_empty() { Err(SetError::NoKey) } else { Ok(Self { keys }) }
    }

    pub(super) fn key(&self, kid: &str) -> Option<Arc<DecodingKey>> {
        self.keys.get(kid).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

/// The kid and the key, where this member of the set may verify RS256 signatures.
fn usable(jwk: &Map<String, Value>) -> Option<(String, DecodingKey)> {
    let text = |name: &str| jwk.get(name).and_then(Value::as_str);
    let absent_or = |name: &str, value: &str| match jwk.get(name) {
        None => true,
        Some(found) => found.as_str() == Some(value),
    };
    let verifies = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|o| o.as_str() == Some("verify")),
        Some(_) => false,
    };
    // A private key that was published is everybody's: signatures by it prove nothing.
    let public =
        !["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|m| jwk.contains_key(*m));
    if text("kty") != Some("RSA")
        || !absent_or("use", "sig")
        || !absent_or("alg", "RS256")
        || !verifies
        || !public
    {
        return None;
    }
    let kid = text("kid").filter(|kid| !kid.is_empty())?;
    let modulus = URL_SAFE_NO_PAD.decode(text("n")?).ok()?;
    let exponent = URL_SAFE_NO_PAD.decode(text("e")?).ok()?;
    // Leading zeros are not RFC 7518's form (section 6.3.1.1), and would fool the bound.
    if modulus.first() == Some(&0) || !MODULUS.contains(&modulus.len()) || !is_exponent(&exponent) {
        return None;
    }
    Some((kid.to_owned(), DecodingKey::from_rsa_raw_components(&modulus, &exponent)))
}

/// An odd public exponent of 2 to 32 bits; AWS-LC takes up to 33.
fn is_exponent(bytes: &[u8]) -> bool {
    let odd = bytes.last().is_some_and(|last| last % 2 == 1);
    odd && bytes.first() != Some(&0) && bytes != [1] && bytes.len() <= 4
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(changes: &Value) -> Value {
        let mut key = json!({
            "kty": "RSA", "alg": "RS256", "use": "sig", "kid": "k",
            "n": URL_SAFE_NO_PAD.encode([0xc5; 256]), "e": "AQAB",
        });
        let members = key.as_object_mut().unwrap();
        for (name, value) in changes.as_object().unwrap() {
            if value.is_null() {
                members.remove(name)
            } else {
                members.insert(name.clone(), value.clone())
            };
        }
        key
    }

    fn parse(keys: &[Value]) -> Result<KeySet, SetError> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn takes_a_key_of_cognito_s_form() {
        let set = parse(&[key(&json!({})), key(&json!({"kid": "k2"}))]).unwrap();
        assert_eq!(set.len(), 2);
        assert!(set.key("k").is_some() && set.key("k2").is_some() && set.key("K").is_none());
        for optional in ["alg", "use"] {
            assert!(parse(&[key(&json!({ optional: null }))]).is_ok(), "{optional}");
        }
        assert!(parse(&[key(&json!({"key_ops": ["sign", "verify"]}))]).is_ok());
    }

    #[test]
    fn skips_keys_that_are_for_something_else_or_weak() {
        for changes in [
            json!({"kty": "EC"}),
            json!({"kty": "oct"}),
            json!({"kty": null}),
            json!({"use": "enc"}),
            json!({"use": 1}),
            json!({"alg": "RS384"}),
            json!({"alg": "HS256"}),
            json!({"alg": 1}),
            json!({"key_ops": ["sign"]}),
            json!({"key_ops": "verify"}),
            json!({"key_ops": []}),
            json!({"d": "AQAB"}),
            json!({"p": "AQAB"}),
            json!({"q": "AQAB"}),
            json!({"dp": "AQAB"}),
            json!({"dq": "AQAB"}),
            json!({"qi": "AQAB"}),
            json!({"oth": []}),
            json!({"k": "AQAB"}),
            json!({"kid": null}),
            json!({"kid": 1}),
            json!({"kid": ""}),
            json!({"n": null}),
            json!({"n": "!"}),
            json!({"e": null}),
            json!({"e": ""}),
            json!({"e": "AA"}),
            json!({"e": "AQ"}),
            json!({"e": "Ag"}),
            json!({"e": "AAEAAQ"}),
            json!({"e": "AQAAAAE"}),
            json!({"n": URL_SAFE_NO_PAD.encode([0xc5; 128])}),
            json!({"n": URL_SAFE_NO_PAD.encode([0xc5; 1025])}),
            json!({"n": URL_SAFE_NO_PAD.encode([&[0][..], &[0xc5; 255][..]].concat())}),
        ] {
            assert_eq!(parse(&[key(&changes)]).err(), Some(SetError::NoKey), "{changes}");
            let with_a_good_one = parse(&[key(&changes), key(&json!({"kid": "good"}))]).unwrap();
            assert_eq!(with_a_good_one.len(), 1, "{changes}");
        }
    }

    #[test]
    fn takes_neither_of_two_keys_with_one_kid() {
        let set = parse(&[key(&json!({})), key(&json!({})), key(&json!({"kid": "k2"}))]).unwrap();
        assert!(set.key("k").is_none() && set.key("k2").is_some());
        assert_eq!(
            parse(&[key(&json!({})), key(&json!({})), key(&json!({}))]).err(),
            Some(SetError::NoKey)
        );
    }

    #[test]
    fn refuses_what_is_not_a_key_set() {
        for body in
            ["", "<html></html>", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[],\"keys\":[]}", "null"]
        {
            assert_eq!(KeySet::parse(body.as_bytes()).err(), Some(SetError::Form), "{body}");
        }
        assert_eq!(parse(&[]).err(), Some(SetError::NoKey));
        assert_eq!(parse(&vec![key(&json!({})); MAX_KEYS + 1]).err(), Some(SetError::TooMany));
    }
}
