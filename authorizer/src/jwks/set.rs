//! A key set (RFC 7517): which of its keys may verify signatures, by kid and algorithm.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::key::Key;
use crate::algorithm::Algorithm;
use crate::json;
use crate::log;

/// How many usable keys of a set are read; Cognito publishes two, four over a rotation.
///
/// Those that are listed later are passed over, as keys that can't be used are: one name too many
/// must not take all the others away.
const MAX_KEYS: usize = 100;

/// The usable keys of one issuer at one time.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: HashMap<String, Arc<Keys>>,
    is_cut: bool,
}

/// The keys that one kid names: at most one for each algorithm.
#[derive(Debug)]
pub(crate) struct Keys {
    kid: Arc<str>,
    /// The kid as it stands in the log.
    kid_digest: Arc<str>,
    keys: Vec<Arc<Key>>,
}

/// Why an answer is not a key set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetError {
    #[error("not a JSON object with a list `keys`")]
    Form,
    #[error("no key in it can verify signatures")]
    NoKey,
}

impl KeySet {
    /// Reads a set; a key that is malformed or for something else is skipped, not fatal.
    ///
    /// The set itself must be unambiguous: it may name none of its own members twice.
    ///
    /// # Errors
    ///
    /// No key is usable: an empty set or an error page must not replace a good set.
    pub(super) fn parse(body: &[u8]) -> Result<Self, SetError> {
        let members = json::members(body).ok_or(SetError::Form)?;
        let listed = members.get("keys").ok_or(SetError::Form)?;
        let listed: Vec<&RawValue> =
            serde_json::from_str(listed.get()).map_err(|_| SetError::Form)?;
        let mut usable = listed.iter().filter_map(|key| {
            let key = json::object(key.get().as_bytes())?;
            let (kid, keys) = Key::read(&key)?;
            Some((kid.to_owned(), keys))
        });
        let mut named: HashMap<String, Vec<Key>> = HashMap::new();
        for (kid, keys) in usable.by_ref().take(MAX_KEYS) {
            named.entry(kid).or_default().extend(keys);
        }
        let is_cut = usable.next().is_some();
        let keys: HashMap<String, Arc<Keys>> = named
            .into_iter()
            .map(|(kid, keys)| {
                let keys = Keys::of_one_kid(&kid, &keys);
                (kid, Arc::new(keys))
            })
            .filter(|(_, keys)| !keys.keys.is_empty())
            .collect();
        if keys.is_empty() { Err(SetError::NoKey) } else { Ok(Self { keys, is_cut }) }
    }

    /// The keys of this kid.
    pub(super) fn key(&self, kid: &str) -> Option<Arc<Keys>> {
        self.keys.get(kid).cloned()
    }

    /// Whether it lists more usable keys than are read.
    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The kids that have a usable key.
    pub(super) fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// How many kids have a usable key.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Keys {
    /// Two keys for one algorithm: which one a token means can't be known, so neither is it.
    fn of_one_kid(kid: &str, keys: &[Key]) -> Self {
        let is_alone = |key: &&Key| {
            keys.iter().filter(|other| other.algorithm() == key.algorithm()).count() == 1
        };
        let keys = keys.iter().filter(is_alone).cloned().map(Arc::new).collect();
        Self { kid: kid.into(), kid_digest: log::digest_of(kid), keys }
    }

    /// The name that they have in common.
    pub(crate) fn kid(&self) -> &Arc<str> {
        &self.kid
    }

    /// The kid as it stands in the log.
    pub(crate) fn kid_digest(&self) -> &Arc<str> {
        &self.kid_digest
    }

    /// The one key for this algorithm.
    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<&Arc<Key>> {
        self.keys.iter().find(|key| key.algorithm() == algorithm)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

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
    fn a_key_that_is_no_plain_object_is_skipped_too() {
        let good = key(&json!({"kid": "good"})).to_string();
        for bad in [
            key(&json!({})).to_string().replacen('{', r#"{"kid":"k","#, 1),
            key(&json!({})).to_string().replacen('{', r#"{"x":{"a":1,"a":2},"#, 1),
            key(&json!({"x": 0}))
                .to_string()
                .replace("\"x\":0", &format!("\"x\":{}{}", "[".repeat(1_000), "]".repeat(1_000))),
        ] {
            let text = format!(r#"{{"more":{{"a":1,"a":1}},"keys":[{bad},{good}]}}"#);
            let set = KeySet::parse(text.as_bytes()).unwrap();
            assert!(set.key("good").is_some() && set.key("k").is_none(), "{text}");
            let text = format!(r#"{{"keys":[{bad}]}}"#);
            assert_eq!(KeySet::parse(text.as_bytes()).err(), Some(SetError::NoKey));
        }
    }

    #[test]
    fn takes_the_first_hundred_of_too_many_keys() {
        let many: Vec<Value> =
            (0..=MAX_KEYS).map(|number| key(&json!({"kid": number.to_string()}))).collect();
        let whole = parse(&many[..MAX_KEYS]).unwrap();
        assert_eq!((whole.len(), whole.is_cut()), (MAX_KEYS, false));
        let cut = parse(&many).unwrap();
        assert_eq!((cut.len(), cut.is_cut()), (MAX_KEYS, true));
        assert!(cut.key("0").is_some() && cut.key(&MAX_KEYS.to_string()).is_none());
        // What can't be used doesn't count.
        let mut spread = vec![json!({"kty": "oct"}); MAX_KEYS];
        spread.push(key(&json!({})));
        assert!(parse(&spread).unwrap().key("k").is_some());
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
        for body in [
            "",
            "<html></html>",
            "[]",
            "{}",
            "{\"keys\":{}}",
            "{\"keys\":[],\"keys\":[]}",
            "{\"keys\":[],\"\\u006beys\":[]}",
            "{\"a\":1,\"keys\":[],\"a\":1}",
            "{\"keys\":[]} {}",
            "null",
        ] {
            assert_eq!(KeySet::parse(body.as_bytes()).err(), Some(SetError::Form), "{body}");
        }
        assert_eq!(parse(&[]).err(), Some(SetError::NoKey));
    }
}
