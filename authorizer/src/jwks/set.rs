//! A key set (RFC 7517): which of its keys may verify signatures, by kid and algorithm.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::key::Key;
use crate::algorithm::Algorithm;
use crate::json;

/// How many keys of a set are read; Cognito publishes two, four over a rotation.
const MAX_KEYS: usize = 100;

/// The usable keys of one issuer at one time.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: HashMap<String, Arc<Keys>>,
}

/// The keys that one kid names: at most one for each algorithm.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Arc<Key>>);

/// Why an answer is not a key set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetError {
    #[error("not a JSON object with a list `keys`")]
    Form,
    #[error("more than {MAX_KEYS} keys")]
    TooMany,
    #[error("no key in it can verify signatures")]
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
        let mut named: HashMap<String, Vec<Key>> = HashMap::new();
        for (kid, keys) in listed.iter().filter_map(Value::as_object).filter_map(Key::read) {
            named.entry(kid.to_owned()).or_default().extend(keys);
        }
        let keys: HashMap<String, Arc<Keys>> = named
            .into_iter()
            .map(|(kid, keys)| (kid, Arc::new(Keys::of_one_kid(&keys))))
            .filter(|(_, keys)| !keys.0.is_empty())
            .collect();
        if keys.is_empty() { Err(SetError::NoKey) } else { Ok(Self { keys }) }
    }

    /// The keys of this kid.
    pub(super) fn key(&self, kid: &str) -> Option<Arc<Keys>> {
        self.keys.get(kid).cloned()
    }

    /// How many kids have a usable key.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Keys {
    /// Two keys for one algorithm: which one a token means can't be known, so neither is it.
    fn of_one_kid(keys: &[Key]) -> Self {
        let is_alone = |key: &&Key| {
            keys.iter().filter(|other| other.algorithm() == key.algorithm()).count() == 1
        };
        Self(keys.iter().filter(is_alone).cloned().map(Arc::new).collect())
    }

    /// The one key for this algorithm.
    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<&Arc<Key>> {
        self.0.iter().find(|key| key.algorithm() == algorithm)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
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
    fn takes_the_keys_of_cognito_s_form() {
        let set = parse(&[key(&json!({})), key(&json!({"kid": "k2"}))]).unwrap();
        assert_eq!(set.len(), 2);
        assert!(set.key("k").is_some() && set.key("k2").is_some() && set.key("K").is_none());
        let keys = set.key("k").unwrap();
        assert!(keys.of(Algorithm::Rs256).is_some() && keys.of(Algorithm::Ps256).is_none());
    }

    #[test]
    fn one_malformed_key_is_skipped() {
        for bad in [json!(null), json!([]), json!("key"), json!({}), key(&json!({"kid": 1}))] {
            assert_eq!(parse(std::slice::from_ref(&bad)).err(), Some(SetError::NoKey), "{bad}");
            let set = parse(&[bad.clone(), key(&json!({})), bad]).unwrap();
            assert_eq!(set.len(), 1);
        }
    }

    #[test]
    fn takes_neither_of_two_keys_with_one_kid_and_algorithm() {
        let set = parse(&[key(&json!({})), key(&json!({})), key(&json!({"kid": "k2"}))]).unwrap();
        assert!(set.key("k").is_none() && set.key("k2").is_some());
        assert_eq!(
            parse(&[key(&json!({})), key(&json!({})), key(&json!({}))]).err(),
            Some(SetError::NoKey)
        );
    }

    #[test]
    fn a_kid_may_name_one_key_for_each_algorithm() {
        let set = parse(&[key(&json!({})), key(&json!({"alg": "PS256"}))]).unwrap();
        let keys = set.key("k").unwrap();
        assert!(keys.of(Algorithm::Rs256).is_some() && keys.of(Algorithm::Ps256).is_some());

        let set = parse(&[key(&json!({})), key(&json!({"alg": null}))]).unwrap();
        let keys = set.key("k").unwrap();
        assert!(keys.of(Algorithm::Rs256).is_none(), "both fit");
        assert!(keys.of(Algorithm::Rs384).is_some(), "one fits");
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
