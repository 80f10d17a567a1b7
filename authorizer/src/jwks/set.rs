//! A key set (RFC 7517): the keys that may verify signatures, by kid and algorithm.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::key::{Key, Skip};
use crate::algorithm::Algorithm;
use crate::json;
use crate::token::digest_of;

/// Most usable keys that are read of a set; Cognito publishes two, and four during a rotation.
///
/// Further keys are ignored, because one key too many must not disable the others.
const MAX_KEYS: usize = 100;

/// The usable keys of one issuer at one time.
#[derive(Debug, Default)]
pub(super) struct KeySet {
    keys: HashMap<String, Arc<Keys>>,
    skipped: Vec<Skipped>,
    is_cut: bool,
}

/// The keys of one kid: at most one for each algorithm.
#[derive(Debug)]
pub(crate) struct Keys(Vec<Key>);

/// A key of a set that is not used, and the reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Skipped {
    /// Digest of the key's text.
    pub(super) key: Arc<str>,
    /// Digest of its kid, if it has one.
    pub(super) kid: Option<Arc<str>>,
    pub(super) reason: Skip,
}

/// Reason why a response is not a key set.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SetError {
    #[error("not a JSON object with a list `keys`")]
    Form,
    #[error("no key in it can verify signatures{}", first_reason(.0))]
    NoKey(Vec<Skipped>),
}

fn first_reason(skipped: &[Skipped]) -> String {
    let first = skipped.first();
    first.map(|key| format!(" (the first is skipped: {})", key.reason)).unwrap_or_default()
}

/// A usable key, and the digest of its text in the set.
struct Listed {
    key: Key,
    digest: Arc<str>,
}

impl KeySet {
    /// Reads a set key by key, and skips each key that is malformed or for something else.
    ///
    /// Duplicate keys count once. The set's own members must be unique.
    ///
    /// # Errors
    ///
    /// The set has no usable key. An empty set or an error page must not replace a good set.
    pub(super) fn parse(body: &[u8]) -> Result<Self, SetError> {
        let members = json::members(body).ok_or(SetError::Form)?;
        let texts = members.get("keys").ok_or(SetError::Form)?;
        let texts: Vec<&RawValue> =
            serde_json::from_str(texts.get()).map_err(|_| SetError::Form)?;

        let mut by_kid: HashMap<String, Vec<Listed>> = HashMap::new();
        let (mut set, mut usable) = (Self::default(), 0_usize);
        for text in texts {
            let text = text.get();
            let jwk = json::object(text.as_bytes());
            let (kid, key) = match jwk.as_ref().ok_or(Skip::Form).and_then(Key::read) {
                Ok(read) => read,
                Err(reason) => {
                    let kid = jwk.as_ref().and_then(|jwk| jwk.get("kid")?.as_str());
                    set.skip(digest_of(text), kid, reason);
                    continue;
                }
            };
            let same_kid = by_kid.entry(kid.to_owned()).or_default();
            let is_same = |listed: &&mut Listed| {
                listed.key.issuer == key.issuer && listed.key.has_numbers_of(&key)
            };
            let listed = same_kid.iter_mut().find(is_same);
            if let Some(Listed { key: known, .. }) = listed {
                let is_new = |algorithm: &Algorithm| !known.algorithms.contains(algorithm);
                let new: Vec<Algorithm> = key.algorithms.into_iter().filter(is_new).collect();
                known.algorithms.extend(new);
                continue;
            }
            if usable == MAX_KEYS {
                set.is_cut = true;
                break;
            }
            usable += 1;
            same_kid.push(Listed { key, digest: digest_of(text) });
        }
        for (kid, listed) in by_kid {
            let keys = set.distinct(&kid, listed);
            if !keys.is_empty() {
                set.keys.insert(kid, Arc::new(Keys(keys)));
            }
        }
        if set.keys.is_empty() { Err(SetError::NoKey(set.skipped)) } else { Ok(set) }
    }

    /// Returns the keys of one kid without the algorithms that two of them share.
    ///
    /// It is unknown which of the two a token of such an algorithm means.
    fn distinct(&mut self, kid: &str, mut listed: Vec<Listed>) -> Vec<Key> {
        let all: Vec<Algorithm> =
            listed.iter().flat_map(|listed| listed.key.algorithms.iter().copied()).collect();
        let is_shared = |one: &Algorithm| all.iter().filter(|other| *other == one).count() > 1;
        for Listed { key, digest } in &mut listed {
            let before = key.algorithms.len();
            key.algorithms.retain(|algorithm| !is_shared(algorithm));
            if key.algorithms.len() < before {
                self.skip(digest.clone(), Some(kid), Skip::Ambiguous);
            }
        }
        let keys = listed.into_iter().map(|listed| listed.key);
        keys.filter(|key| !key.algorithms.is_empty()).collect()
    }

    /// Adds a skipped key, up to a bound.
    fn skip(&mut self, key: Arc<str>, kid: Option<&str>, reason: Skip) {
        if self.skipped.len() < MAX_KEYS {
            self.skipped.push(Skipped { key, kid: kid.map(digest_of), reason });
        }
    }

    /// The keys that are not used.
    pub(super) fn skipped(&self) -> &[Skipped] {
        &self.skipped
    }

    /// Returns the keys of this kid.
    pub(super) fn key(&self, kid: &str) -> Option<Arc<Keys>> {
        self.keys.get(kid).cloned()
    }

    /// Returns true if the set lists more usable keys than are read.
    pub(super) const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The kids that have a usable key.
    pub(super) fn kids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    /// The number of kids that have a usable key.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }
}

impl Keys {
    /// An empty list, for tests of code that stores keys.
    #[cfg(test)]
    pub(crate) const fn none() -> Self {
        Self(Vec::new())
    }

    /// Returns the only key for this algorithm.
    pub(crate) fn of(&self, algorithm: Algorithm) -> Option<&Key> {
        self.0.iter().find(|key| key.algorithms.contains(&algorithm))
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::{Value, json};

    use super::*;

    fn alg(name: &str) -> Algorithm {
        Algorithm::of_name(name).unwrap()
    }

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

    fn has_no_key(read: &Result<KeySet, SetError>) -> bool {
        matches!(read, Err(SetError::NoKey(_)))
    }

    #[test]
    fn takes_the_keys_of_cognito_s_form() {
        let set = parse(&[key(&json!({})), key(&json!({"kid": "k2"}))]).unwrap();
        assert_eq!(set.len(), 2);
        assert!(set.key("k").is_some() && set.key("k2").is_some() && set.key("K").is_none());
        let keys = set.key("k").unwrap();
        assert!(keys.of(alg("RS256")).is_some() && keys.of(alg("PS256")).is_none());
    }

    #[test]
    fn one_malformed_key_is_skipped() {
        for bad in [json!(null), json!([]), json!("key"), json!({}), key(&json!({"kid": 1}))] {
            assert!(has_no_key(&parse(std::slice::from_ref(&bad))), "{bad}");
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
            assert!(has_no_key(&KeySet::parse(text.as_bytes())));
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
    fn takes_neither_of_two_different_keys_with_one_kid_and_algorithm() {
        let other = || key(&json!({"n": URL_SAFE_NO_PAD.encode([0xc7; 256])}));
        let set = parse(&[key(&json!({})), other(), key(&json!({"kid": "k2"}))]).unwrap();
        assert!(set.key("k").is_none() && set.key("k2").is_some());
        let reasons: Vec<Skip> = set.skipped().iter().map(|key| key.reason).collect();
        assert_eq!(reasons, [Skip::Ambiguous; 2]);
        let three = parse(&[key(&json!({})), other(), key(&json!({}))]);
        assert!(has_no_key(&three), "one of them twice");
        let e = key(&json!({"e": "Aw"}));
        assert!(has_no_key(&parse(&[key(&json!({})), e])), "another exponent is another key");
    }

    #[test]
    fn a_key_that_is_listed_again_in_any_spelling_counts_once() {
        let zero = URL_SAFE_NO_PAD.encode([&[0][..], &[0xc5; 256]].concat());
        for again in [
            key(&json!({})),
            key(&json!({"x5c": ["MII"], "x5t": "t"})),
            key(&json!({"alg": null})),
            key(&json!({"use": null, "key_ops": ["verify"]})),
            key(&json!({"n": zero})),
            key(&json!({"e": "AAEAAQ"})),
        ] {
            for keys in [[key(&json!({})), again.clone()], [again.clone(), key(&json!({}))]] {
                let set = parse(&keys).unwrap();
                let keys = set.key("k").unwrap();
                assert!(keys.of(alg("RS256")).is_some(), "{again}");
                assert_eq!(set.skipped(), [], "{again}");
            }
        }
        let okp = |alg: &str| {
            let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
            json!({"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": x, "alg": alg})
        };
        let set = parse(&[okp("EdDSA"), okp("Ed25519")]).unwrap();
        assert!(set.key("o").unwrap().of(alg("EdDSA")).is_some());
        let mut many = vec![key(&json!({})); MAX_KEYS + 1];
        many.push(key(&json!({"kid": "last"})));
        let set = parse(&many).unwrap();
        assert!(set.key("last").is_some() && !set.is_cut(), "once against the bound too");
    }

    #[test]
    fn a_use_tells_two_keys_apart() {
        let other = URL_SAFE_NO_PAD.encode([0xc7; 256]);
        let set = parse(&[key(&json!({})), key(&json!({"use": "enc", "n": other}))]).unwrap();
        assert!(set.key("k").unwrap().of(alg("RS256")).is_some());
        let [skipped] = set.skipped() else { panic!("one is skipped") };
        assert_eq!(skipped.reason, Skip::Use);
        assert_eq!(skipped.kid, Some(digest_of("k")));
    }

    #[test]
    fn names_each_skipped_key_by_its_digest() {
        let bad = json!({"kty": "oct", "kid": "secret-kid", "k": "c2VjcmV0LWtleQ"});
        let set = parse(&[bad.clone(), key(&json!({})), json!(1)]).unwrap();
        let [first, second] = set.skipped() else { panic!("two are skipped") };
        assert_eq!(first.key, digest_of(&bad.to_string()));
        assert_eq!((second.kid.as_ref(), second.reason), (None, Skip::Form));
        let error = parse(&[bad]).unwrap_err().to_string();
        assert!(error.contains("(the first is skipped: it contains a private key)"), "{error}");
        let floods = vec![json!({}); MAX_KEYS * 2];
        let Err(SetError::NoKey(skipped)) = parse(&floods) else { panic!("none is usable") };
        assert_eq!(skipped.len(), MAX_KEYS);
    }

    #[test]
    fn a_kid_may_name_one_key_for_each_algorithm() {
        let set = parse(&[key(&json!({})), key(&json!({"alg": "PS256"}))]).unwrap();
        let keys = set.key("k").unwrap();
        assert!(keys.of(alg("RS256")).is_some() && keys.of(alg("PS256")).is_some());

        let other = URL_SAFE_NO_PAD.encode([0xc7; 256]);
        let set = parse(&[key(&json!({})), key(&json!({"alg": null, "n": other}))]).unwrap();
        let keys = set.key("k").unwrap();
        assert!(keys.of(alg("RS256")).is_none(), "both fit");
        assert!(keys.of(alg("RS384")).is_some(), "one fits");
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
        assert_eq!(parse(&[]).err(), Some(SetError::NoKey(Vec::new())));
    }
}
